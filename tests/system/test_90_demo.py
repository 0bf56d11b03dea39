"""The demo: conf/demo.conf over the database of conf/demo/load, and what scripts/quickstart says to try."""
import concurrent.futures
import hashlib
import json
import os
import re
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from authority import Authority

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CONF = os.path.join(TOP, "conf/demo.conf")
FOREBAYD = os.environ.get("FOREBAYD") or os.path.join(TOP, "forebayd")
ISO_CODES = "/usr/share/iso-codes/json/iso_3166-2.json"

pytestmark = pytest.mark.skipif(not os.path.exists(ISO_CODES), reason="there are no iso-codes (package iso-codes)")


class Answer:
    """A response read whole; a refusal is an answer too."""

    def __init__(self, url, body=None):
        try:
            got = urllib.request.urlopen(url, body, timeout=60)
        except urllib.error.HTTPError as error:
            got = error
        with got:
            self.status, self.fields, self.body = got.status, got.headers, got.read()
        self.head = "HTTP/1.1 %d \n%s" % (self.status, self.fields)

    def parts(self):
        """What Forebay-Parts says: part to outcome."""
        entries = (entry.strip().split("=") for entry in self.fields["Forebay-Parts"].split(","))
        return {part: outcome.split(";")[0] for part, outcome in entries}

    def json(self):
        """The body as JSON."""
        return json.loads(self.body)


def patient(text):
    """The sample for another folder, and for a machine that has more to do."""
    for before, after in (("demo/notes", os.path.join(TOP, "conf/demo/notes")),
                          ("[pool compute]\n", "[pool compute]\nnice = 0\n"),
                          ("first_byte_timeout = 1s", "first_byte_timeout = 30s"),
                          ("/api/country/{code}\ndeadline = 2s", "/api/country/{code}\ndeadline = 30s"),
                          ("timeout = 500ms", "timeout = 30s")):
        assert before in text
        text = text.replace(before, after)
    return text


class Demo:
    """forebayd with conf/demo.conf on ports of its own, and with more patience."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.conf = os.path.join(self.folder, "demo.conf")
        with open(CONF, encoding="utf-8") as sample, open(self.conf, "w", encoding="utf-8") as own:
            own.write(patient(sample.read()))
        database = os.path.join(self.folder, "atlas.db")
        self.loaded = subprocess.run([os.path.join(TOP, "conf/demo/load"), database], check=True,
                                     stdout=subprocess.PIPE, text=True).stdout
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))
            port, admin = one.getsockname()[1], other.getsockname()[1]
        self.here, self.admin = "http://127.0.0.1:%d" % port, "http://127.0.0.1:%d" % admin
        self.environment = dict(os.environ, FOREBAY_DEMO_PORT=str(port), FOREBAY_DEMO_ADMIN_PORT=str(admin),
                                FOREBAY_DEMO_DATABASE=database,
                                FOREBAY_DEMO_SOCKET=os.path.join(self.folder, "admin.sock"))
        with open(os.path.join(self.folder, "stderr"), "wb") as log:
            self.process = subprocess.Popen([FOREBAYD, "-v", "-c", self.conf], env=self.environment, stderr=log)
        self.wait_until_ready()

    def wait_until_ready(self):
        """Up to twenty seconds."""
        for _ in range(200):
            assert self.process.poll() is None, self.said()
            try:
                if Answer(self.admin + "/readyz").status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError("not ready: " + self.said())

    def said(self):
        """What it wrote to standard error."""
        with open(os.path.join(self.folder, "stderr"), encoding="utf-8") as log:
            return log.read()

    def get(self, path, body=None):
        """Asks; with a body it is a POST."""
        return Answer(self.here + path, body)

    def run(self, *arguments):
        """Runs forebayd over the same configuration; what it printed."""
        ended = subprocess.run([FOREBAYD, "-c", self.conf, *arguments], env=self.environment, text=True, check=False,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        assert ended.returncode == 0, ended.stdout
        return ended.stdout

    def stop(self):
        """SIGTERM; it has to end well."""
        self.process.terminate()
        try:
            assert self.process.wait(30) == 0, self.said()
        finally:
            self.process.kill()


@pytest.fixture(scope="module", name="demo")
def make_demo(tmp_path_factory):
    """One server for all tests of this file."""
    demo = Demo(tmp_path_factory.mktemp("demo"))
    yield demo
    demo.stop()


def test_loads_all_of_iso_3166(demo):
    with open(ISO_CODES, encoding="utf-8") as stream:
        count = len(json.load(stream)["3166-2"])
    assert " %d subdivisions" % count in demo.loaded


@pytest.mark.parametrize("code", ["AD", "CH", "IS"])
def test_country_is_composed_of_five_parts(demo, tmp_path, code):
    answer = demo.get("/api/country/" + code)
    (tmp_path / "head").write_text(answer.head, encoding="utf-8")
    (tmp_path / "body").write_bytes(answer.body)
    checked = subprocess.run([os.path.join(TOP, "conf/demo/check"), tmp_path / "head", tmp_path / "body"],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert list(answer.parts()) == ["country", "subdivisions", "neighbours", "note", "seal"]
    assert answer.fields["Content-Type"] == "application/json"


def test_country_is_found_in_lower_case(demo):
    assert demo.get("/api/country/lu").json() == demo.get("/api/country/LU").json()


def test_country_without_a_note_gets_the_fallback_and_is_not_stored(demo):
    answer = demo.get("/api/country/FI")
    assert answer.status == 200 and answer.json()["note"] is None
    assert answer.parts()["note"] == "status"
    assert answer.fields["Cache-Control"] == "no-store"
    assert [n["code"] for n in answer.json()["neighbours"]] == ["NO", "RU", "SE"]


def test_country_that_is_none_is_404_with_an_entry_for_each_part(demo):
    answer = demo.get("/api/country/XX")
    assert answer.status == 404
    parts = answer.parts()
    assert parts["country"] == "status" and parts["note"] == parts["seal"] == "skipped"
    assert len(parts) == 5


def test_a_code_is_a_value_and_never_sql(demo):
    assert demo.get("/api/country/" + urllib.parse.quote("AD' OR '1'='1")).status == 404
    assert demo.get("/api/country/AD").status == 200


def test_neighbour_service_answers_alone(demo):
    assert demo.get("/service/neighbours/PT").json() == [{"code": "ES", "name": "Spain"}]
    assert demo.get("/service/neighbours/IS").json() == []


def test_search_finds_by_a_part_of_the_name(demo):
    assert "Poland" in [c["name"] for c in demo.get("/api/search?name=pol").json()]


def test_search_for_nothing_at_all_fails_and_the_log_says_what_is_missing(demo):
    assert demo.get("/api/search").status == 502
    assert "[route search] {query.name}: a value is missing\n" in demo.said()


def test_plain_routes_answer(demo):
    body = os.urandom(300000)
    assert demo.get("/hello").body == b"Hello."
    assert demo.get("/echo", body).body == body
    assert demo.get("/digest", body).body.decode() == hashlib.sha256(body).hexdigest()
    assert demo.get("/hash/text").body.decode() == hashlib.pbkdf2_hmac("sha256", b"text", b"forebay", 200000).hex()
    note = demo.get("/notes/LS.txt")
    assert b"South Africa" in note.body and note.fields["ETag"]


def test_more_hashes_than_the_pool_takes_are_refused_at_once(demo):
    def ask(n):
        begun = time.monotonic()
        return demo.get("/hash/%d" % n), time.monotonic() - begun
    with concurrent.futures.ThreadPoolExecutor(64) as clients:
        answers = list(clients.map(ask, range(64)))
    statuses = {answer.status for answer, _ in answers}
    assert 503 in statuses and len(statuses) > 1 and statuses <= {200, 503, 504}
    for answer, seconds in answers:
        if answer.status == 503:
            assert int(answer.fields["Retry-After"]) >= 1
            assert answer.fields["Forebay-Shed"].startswith("pool.compute.")
        if answer.status == 504:
            # Beside other loads a thread may not get to a job that was accepted: not before its deadline.
            assert seconds >= 2


def test_what_was_done_is_counted(demo):
    demo.get("/hello")
    metrics = Answer(demo.admin + "/metrics").body.decode()
    assert 'forebay_requests_total{route="hello",status="200"}' in metrics
    assert 'forebay_subrequests_total{route="country",subrequest="seal",outcome="ok"}' in metrics


def test_start_says_where_it_listens(demo):
    said = demo.said()
    assert "listening on %s\n" % demo.here[len("http://"):] in said
    assert "admin listener at %s\n" % demo.admin[len("http://"):] in said


def test_match_and_dump_work_on_it(demo, tmp_path):
    assert "country" in demo.run("--match", "GET /api/country/CH")
    dump = demo.run("--dump")
    again = tmp_path / "dump.conf"
    again.write_text(dump, encoding="utf-8")
    assert demo.run("-c", str(again), "--dump") == dump


def test_sample_configuration_is_all_right(tmp_path):
    ended = subprocess.run([FOREBAYD, "-t", "-c", os.path.join(TOP, "conf/forebay.conf")], text=True, check=False,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout


def test_what_the_sample_has_in_comments_is_all_right_too(tmp_path):
    with open(os.path.join(TOP, "conf/forebay.conf"), encoding="utf-8") as stream:
        text = stream.read()
    for before, after in (("/var/lib/forebay/shop.db", str(tmp_path / "shop.db")), ("/srv/www", str(tmp_path)),
                          ("/var/log/forebay", str(tmp_path)),
                          ("/etc/forebay/tls/", str(tmp_path) + "/"),
                          ("#user = forebay", "")):
        assert before in text
        text = text.replace(before, after)
    Authority(tmp_path).issue("example.org", ["example.org"])
    sqlite3.connect(tmp_path / "shop.db").execute("CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT)")
    conf = tmp_path / "forebay.conf"
    conf.write_text(re.sub(r"(?m)^#(?=\[|[a-z_.]+ = )", "", text), encoding="utf-8")
    ended = subprocess.run([FOREBAYD, "-t", "-c", str(conf)], text=True, check=False, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=60)
    assert ended.returncode == 0, ended.stdout
    assert "4 routes, 5 parts" in ended.stdout
