"""The admin listeners: what they show, to whom, and forebayctl, which asks them."""
import json
import os
import re
import signal
import socket
import stat
import subprocess
import threading

import pytest

import bed
from client import Client

FOREBAYCTL = os.environ.get("FOREBAYCTL") or os.path.join(os.path.dirname(bed.FOREBAYD), "forebayctl")

CONF = """
[server]
workers = 2
[admin]
listen = 127.0.0.1:%(admin)d
socket = %(socket)s
[pool compute]
threads = 1
max_queue = 1
[upstream held]
servers = http://127.0.0.1:%(held)d

[route hello]
match = GET /hello
source = fixed
status = 200
type = text/plain
body = Hello.

[route held]
match = GET /held
source = upstream held

[route work]
match = GET /work
[subrequest work.seal]
source = compute pbkdf2
input = x
salt = salt
iterations = 200000
[subrequest work.note]
source = fixed
status = 200
type = application/json
body = 1
"""


class Held:
    """An upstream that answers when it is let go."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.came, self.free = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        try:
            while True:
                conn = self.listener.accept()[0]
                while b"\r\n\r\n" not in conn.recv(65536):
                    pass
                self.came.set()
                self.free.wait(30)
                conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nheld")
                conn.close()
        except OSError:
            return

    def stop(self):
        self.free.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)


class Admin:
    """A daemon, its admin addresses, and an upstream behind it."""

    def __init__(self, start, folder):
        self.held = Held()
        self.address = ("127.0.0.1", bed.free_port())
        self.socket = str(folder / "admin.sock")
        self.daemon = start(CONF % {"admin": self.address[1], "socket": self.socket,
                                    "held": self.held.port})

    def ask(self, path, *lines, method="GET"):
        with Client(self.address) as c:
            return c.ask(path, *lines, method=method)

    def get(self, path):
        """Of the server itself."""
        with Client(self.daemon.address) as c:
            return c.ask(path)

    def metrics(self):
        return samples(self.ask("/metrics").body.decode())


@pytest.fixture(scope="module")
def admin(start, tmp_path_factory):
    a = Admin(start, tmp_path_factory.mktemp("admin"))
    yield a
    a.held.stop()


SAMPLE = re.compile(r'([a-z0-9_]+)(?:\{((?:[a-z]+="(?:[^"\\]|\\[\\"n])*",?)+)\})? ([0-9]+(?:\.[0-9]+)?)\Z')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\[\\"n])*)"')


def samples(text):
    """(name, labels sorted) -> value; every line by the grammar of the format."""
    found, kinds, helped, family = {}, {}, set(), None
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            family = line.split(" ")[2]
            assert family not in helped, "introduced twice: " + line
            assert len(line.split(" ", 3)[3]) > 5, "no help: " + line
            helped.add(family)
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == family and kind in ("counter", "gauge", "histogram"), line
            kinds[name] = kind
            continue
        match = SAMPLE.match(line)
        assert match, "malformed: %r" % line
        name, labels, value = match.groups()
        base = re.sub("_(bucket|sum|count)$", "", name) if kinds[family] == "histogram" else name
        assert base == family, "%s stands below %s" % (name, family)
        key = (name, tuple(sorted(LABEL.findall(labels or ""))))
        assert key not in found, "twice: " + line
        found[key] = float(value)
    return found


def value(found, name, **labels):
    return found.get((name, tuple(sorted(labels.items()))), 0)


# --- pages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path, kind", [
    ("/livez", "text/plain; charset=utf-8"), ("/readyz", "text/plain; charset=utf-8"),
    ("/startupz", "text/plain; charset=utf-8"),
    ("/metrics", "text/plain; version=0.0.4; charset=utf-8"), ("/status", "application/json"),
    ("/status?text", "text/plain; charset=utf-8"),
])
def test_every_page_has_its_type_and_is_never_stored(admin, path, kind):
    r = admin.ask(path)
    assert (r.status, r.field("content-type"), r.field("cache-control")) == (200, kind, "no-store")
    head = admin.ask(path, method="HEAD")
    assert head.status == 200 and head.body == b""


def test_an_unknown_page_names_those_that_exist(admin):
    r = admin.ask("/nothing")
    assert r.status == 404 and b"/status" in r.body
    assert r.field("cache-control") == "no-store"


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "BREW"])
def test_other_methods_are_refused(admin, method):
    r = admin.ask("/status", method=method)
    assert (r.status, r.field("allow"), r.field("cache-control")) == (405, "GET, HEAD", "no-store")


def test_a_body_that_nobody_asked_for_does_no_harm(admin):
    with Client(admin.address) as c:
        r = c.ask("/livez", body=b"x" * 3000)
        assert r.status == 200
        assert c.ask("/livez").status == 200


def test_a_connection_is_kept_and_pipelining_works(admin):
    with Client(admin.address) as c:
        for _ in range(20):
            c.get("/readyz")
        assert [c.response().body for _ in range(20)] == [b"ready\n"] * 20


def test_malformed_requests_are_refused(admin):
    with Client(admin.address) as c:
        c.send(b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert c.response().status == 400
        assert c.is_closed()


def test_the_socket_is_for_its_owner_alone(admin):
    mode = os.stat(admin.socket).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
    with Client(admin.socket) as c:
        assert c.ask("/livez").body == b"alive\n"


def test_idle_connections_do_not_lock_others_out(admin):
    idle = []
    try:
        for _ in range(150):
            idle.append(Client(admin.address))
            assert idle[-1].ask("/livez").status == 200
        assert idle[-1].ask("/livez").status == 200
        assert not idle[0].more(), "the first should have made room"
    finally:
        for c in idle:
            c.close()


def test_unfinished_requests_do_not_lock_others_out_for_long(admin):
    busy = [Client(admin.address) for _ in range(70)]
    try:
        for c in busy:
            c.send(b"GET /livez HTTP/1.1\r\n")
        with Client(admin.address, timeout=15) as c:
            assert c.ask("/livez").status == 200
    finally:
        for c in busy:
            c.close()


# --- numbers ----------------------------------------------------------------------------------


def test_requests_are_counted_by_route_and_status(admin):
    before = admin.metrics()
    for _ in range(7):
        assert admin.get("/hello").status == 200
    assert admin.get("/nothing").status == 404
    after = admin.metrics()

    def grown(name, **labels):
        return value(after, name, **labels) - value(before, name, **labels)
    assert grown("forebay_requests_total", route="hello", status="200") == 7
    assert grown("forebay_requests_total", route="", status="404") == 1
    assert grown("forebay_request_duration_seconds_count", route="hello") == 7
    assert grown("forebay_request_duration_seconds_bucket", route="hello", le="+Inf") == 7
    assert grown("forebay_subrequests_total", route="hello", subrequest="", outcome="ok") == 7
    assert grown("forebay_connections_accepted_total") == 8
    assert grown("forebay_requests_refused_total", reason="no_route") == 1


def test_parts_and_pools_are_measured(admin):
    before = admin.metrics()
    assert admin.get("/work").status == 200
    after = admin.metrics()

    def grown(name, **labels):
        return value(after, name, **labels) - value(before, name, **labels)
    for part in ("seal", "note"):
        assert grown("forebay_subrequests_total", route="work", subrequest=part, outcome="ok") == 1
        assert grown("forebay_subrequest_duration_seconds_count", route="work", subrequest=part) == 1
    assert grown("forebay_pool_run_seconds_count", pool="compute") == 1
    assert grown("forebay_pool_wait_seconds_count", pool="compute") == 1
    assert 0.001 < grown("forebay_pool_run_seconds_sum", pool="compute") < 20
    assert value(after, "forebay_pool_threads", pool="compute") == 1
    assert value(after, "forebay_build_info", version=version()) == 1


def test_histograms_are_cumulative(admin):
    admin.get("/hello")
    found = admin.metrics()
    series = {}
    for (name, labels), count in found.items():
        if name.endswith("_bucket"):
            rest = tuple(l for l in labels if l[0] != "le")
            series.setdefault((name[:-7], rest), []).append((float(dict(labels)["le"]), count))
    assert len(series) >= 4
    for (name, labels), buckets in series.items():
        counts = [count for _, count in sorted(buckets)]
        assert counts == sorted(counts), name
        assert counts[-1] == found[(name + "_count", labels)]


def test_refusals_are_counted_with_their_limit(admin):
    before = admin.metrics()
    clients = [Client(admin.daemon.address, timeout=20) for _ in range(8)]
    for c in clients:
        c.get("/work")
    bed.wait_until(lambda: value(admin.metrics(), "forebay_saturation") > 0, what="saturation")
    statuses = [c.response().status for c in clients]
    for c in clients:
        c.close()
    after = admin.metrics()
    shed = sum(value(after, "forebay_shed_total", route="", limit=limit, mode="enforce") -
               value(before, "forebay_shed_total", route="", limit=limit, mode="enforce")
               for limit in ("pool.compute.queue", "pool.compute.wait"))
    assert set(statuses) == {200, 503}
    assert shed == statuses.count(503)
    assert value(after, "forebay_requests_total", route="work", status="503") - \
        value(before, "forebay_requests_total", route="work", status="503") == shed
    assert value(after, "forebay_pool_running", pool="compute") == 0
    assert value(after, "forebay_pool_queued", pool="compute") == 0
    assert value(after, "forebay_saturation") == 0


def test_open_connections_are_shown_by_worker(admin):
    clients = [Client(admin.daemon.address) for _ in range(6)]
    for c in clients:
        c.ask("/hello")
    found = admin.metrics()
    assert [value(found, "forebay_connections", worker=str(i)) for i in range(2)] == [3, 3]
    for c in clients:
        c.close()
    bed.wait_until(lambda: sum(value(admin.metrics(), "forebay_connections", worker=str(i))
                               for i in range(2)) == 0, what="no connection")


def test_status_shows_what_is_configured_and_what_happened(admin):
    admin.get("/hello")
    status = json.loads(admin.ask("/status").body)
    assert status["version"] == version() and status["state"] == "ready"
    assert status["pid"] == admin.daemon.pid and status["uptime_seconds"] > 0
    assert status["cpu_budget"].startswith("cpu budget ")
    assert [w["worker"] for w in status["workers"]] == [0, 1]
    assert sum(w["requests"] for w in status["workers"]) >= 1
    pools = {p["name"]: p for p in status["pools"]}
    assert (pools["compute"]["threads"], pools["compute"]["max_queue"]) == (1, 1)
    assert status["listeners"] == [{"name": "test", "address": "127.0.0.1:%d" % admin.daemon.port}]
    routes = {r["name"]: r for r in status["routes"]}
    assert routes["hello"]["match"] == "GET /hello" and routes["hello"]["requests"] >= 1
    assert admin.ask("/status", "Accept: text/plain").body.startswith(b"forebay " + version().encode())


# --- starting and ending -------------------------------------------------------------------------


def test_while_draining_it_is_alive_and_not_ready(start, tmp_path):
    a = Admin(start, tmp_path)
    with Client(a.daemon.address, timeout=20) as c:
        c.get("/held")
        assert a.held.came.wait(10)
        assert a.ask("/readyz").status == 200
        a.daemon.signal(signal.SIGTERM)
        bed.wait_until(lambda: a.ask("/readyz").status == 503, what="draining")
        assert a.ask("/readyz").body == b"draining\n"
        assert a.ask("/livez").status == 200
        assert json.loads(a.ask("/status").body)["state"] == "draining"
        assert control("-s", a.socket, "ready") == (1, "draining\n", "")
        a.held.free.set()
        assert c.response().body == b"held"
    a.daemon.wait()
    a.held.stop()
    assert not os.path.exists(a.socket)


def test_what_cannot_be_bound_is_said_with_its_key(admin, tmp_path):
    missing = tmp_path / "nowhere" / "admin.sock"
    conf = tmp_path / "forebay.conf"
    conf.write_text("[listen a]\naddress = 127.0.0.1:%d\n[admin]\nsocket = %s\nlisten = 127.0.0.1:%d\n"
                    "[route a]\nmatch = GET /\nsource = fixed\nbody = a\n"
                    % (bed.free_port(), missing, admin.address[1]))
    code, _, said = bed.run_forebayd("-c", str(conf))
    assert code == 1
    assert ("%s:5: [admin] listen: cannot listen on 127.0.0.1:%d: bind: Address already in use"
            % (conf, admin.address[1])) in said
    assert ("%s:4: [admin] socket: cannot listen on unix:%s: bind: No such file or directory; make its directory"
            % (conf, missing)) in said


def test_a_socket_in_use_is_not_taken_and_a_dead_one_is(admin, start, tmp_path):
    conf = "[admin]\nsocket = %s\n[route a]\nmatch = GET /\nsource = fixed\nbody = a\n"
    path = tmp_path / "forebay.conf"
    path.write_text("[listen a]\naddress = 127.0.0.1:%d\n" % bed.free_port() + conf % admin.socket)
    code, _, said = bed.run_forebayd("-c", str(path))
    assert code == 1 and "Address already in use; end who listens there" in said
    assert control("-s", admin.socket, "ready") == (0, "ready\n", "")
    dead = str(tmp_path / "dead.sock")
    left = socket.socket(socket.AF_UNIX)
    left.bind(dead)
    left.close()
    start(conf % dead)
    assert control("-s", dead, "ready") == (0, "ready\n", "")


# --- forebayctl ------------------------------------------------------------------------------------


def control(*arguments):
    done = subprocess.run([FOREBAYCTL, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=20 * bed.FACTOR, check=False)
    said = done.stderr.decode()
    assert not bed.SANITIZERS.search(said), said
    return done.returncode, done.stdout.decode(), said


def version():
    return control("--version")[1].split()[1]


def test_ctl_shows_status_for_people_and_for_programs(admin):
    code, said, wrong = control("--socket", admin.socket, "status")
    assert code == 0 and wrong == "" and "ready" in said and "GET /hello" in said
    code, said, wrong = control("--json", "status", "--address", "127.0.0.1:%d" % admin.address[1])
    assert code == 0 and wrong == "" and json.loads(said)["state"] == "ready"


def test_ctl_shows_metrics_and_takes_a_name_for_the_address(admin):
    code, said, wrong = control("-a", "localhost:%d" % admin.address[1], "metrics")
    assert code == 0 and wrong == ""
    assert samples(said)


@pytest.mark.parametrize("arguments", [
    [], ["dance"], ["status", "ready"], ["--json", "ready"], ["-t", "5", "ready"],
    ["-t", "0", "ready"], ["-a", "localhost", "ready"], ["-a", ":80", "ready"], ["-a", "a:99999", "ready"],
    ["-a", "127.0.0.1:80", "-s", "/a", "ready"], ["-s", "/" + "a" * 200, "ready"],
])
def test_ctl_says_what_is_wrong_with_its_arguments(arguments):
    code, said, wrong = control(*arguments)
    assert code == 2 and said == ""
    assert "forebayctl: " in wrong and wrong.count("\n") == 1


@pytest.mark.parametrize("arguments, said", [
    (["--nothing"], "unrecognized option '--nothing'\n"), (["-t"], "option requires an argument -- 't'\n"),
])
def test_ctl_says_where_to_read_about_options(arguments, said):
    code, out, wrong = control(*arguments)
    assert (code, out) == (2, "")
    assert wrong.endswith(said + "forebayctl: see forebayctl --help\n")


def test_ctl_help_fits_a_screen():
    code, said, _ = control("--help")
    assert code == 0
    assert len(said.split("\n")) <= 24 and max(map(len, said.split("\n"))) <= 80


def test_ctl_says_why_there_is_no_answer(tmp_path):
    code, _, wrong = control("-s", str(tmp_path / "none.sock"), "ready")
    assert code == 3 and "No such file or directory: is forebayd running" in wrong
    code, _, wrong = control("-a", "127.0.0.1:%d" % bed.free_port(), "ready")
    assert code == 3 and "Connection refused: is forebayd running" in wrong


@pytest.mark.parametrize("answer, reason", [
    (b"", "closed by the peer"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "closed by the peer"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ntoo much", "the peer broke the protocol"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "the peer broke the protocol"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "the peer broke the protocol"),
    (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5000 + b"\r\n", "the peer broke the protocol"),
    (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100000, "the peer broke the protocol"),
])
def test_ctl_takes_no_answer_but_a_correct_one(answer, reason):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            conn = listener.accept()[0]
            while b"\r\n\r\n" not in conn.recv(65536):
                pass
            conn.sendall(answer)
            conn.shutdown(socket.SHUT_WR)
            conn.recv(1)
            conn.close()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        code, said, wrong = control("-a", "127.0.0.1:%d" % listener.getsockname()[1], "ready")
        thread.join(10)
    assert code == 3 and said == ""
    assert reason in wrong


def test_ctl_does_not_wait_forever():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        code, said, wrong = control("-t", "100ms", "-a", "127.0.0.1:%d" % listener.getsockname()[1], "ready")
    assert code == 3 and said == "" and "no answer in time" in wrong


def test_ctl_passes_a_refusal_on(admin):
    code, said, wrong = control("-a", "127.0.0.1:%d" % admin.daemon.port, "status")
    assert (code, said) == (1, "") and "404" in wrong
