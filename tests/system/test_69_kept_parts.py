"""Answers of single parts that are kept: used while they are fresh, and when their source fails."""
import os
import re
import sqlite3
import subprocess

import pytest

import bed
from client import Client, metrics

CONF = """
[server]
workers = 2

[admin]
socket = admin.sock
listen = 127.0.0.1:%(admin)d

[upstream chaos]
servers = http://127.0.0.1:%(chaos)d

[database d]
url = sqlite:%(folder)s/d.db

[cache parts]
size = 4m
max_entry = 64k

[route page]
match = GET /page/{name}
[subrequest page.said]
source = upstream chaos
path = /kept/{name}
query = f=Cache-Control:%%20max-age=600
as = text
forward = authorization
cache = parts
cache_key = {name}
[subrequest page.row]
source = sql d
query = SELECT x FROM t WHERE id = :name
rows = value
cache = parts
cache_for = 10m

[route asked]
match = GET /asked/{name}
[subrequest asked.said]
source = upstream chaos
path = /kept/{name}
query = f=Cache-Control:%%20max-age=1&etag=v1
as = text
cache = parts

[route spare]
match = GET /spare/{name}
[subrequest spare.said]
source = upstream chaos
path = /kept/{name}
as = text
optional = yes
fallback = stale 10m, []
stale_in = parts
"""


@pytest.fixture(scope="module")
def chaos():
    """The upstream."""
    c = bed.Chaos()
    yield c
    c.stop()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, chaos):
    """A server with both routes, and its database."""
    folder = tmp_path_factory.mktemp("kept")
    with sqlite3.connect(folder / "d.db") as db:
        db.execute("CREATE TABLE t (id TEXT PRIMARY KEY, x INT)")
        db.executemany("INSERT INTO t VALUES (?, 1)", [("one",), ("mine",), ("two",), ("twofold",), ("new",), ("moved",)])
    with sqlite3.connect(folder / "other.db") as db:
        db.execute("CREATE TABLE t (id TEXT PRIMARY KEY, x INT)")
        db.execute("INSERT INTO t VALUES ('moved', 7)")
    admin = bed.free_port()
    d = bed.Daemon(folder, CONF % {"admin": admin, "chaos": chaos.port, "folder": folder})
    d.admin = ("127.0.0.1", admin)
    d.socket = os.path.join(d.folder, "admin.sock")
    yield d
    d.stop()


def ask(daemon, path, *lines):
    """One request on a connection of its own, so that either worker may get it."""
    with Client(daemon.address) as c:
        r = c.ask(path, *lines)
    assert r.status == 200, r
    return r


def report(r):
    """{part: its outcome, and how what is kept came in}, without the milliseconds."""
    return dict(re.sub(r";\d+ms", "", item).split("=") for item in r.field("forebay-parts").split(", "))


def test_fresh_answers_of_parts_are_asked_once_for_all_workers(daemon, chaos):
    first = ask(daemon, "/page/one")
    assert report(first) == {"said": "ok", "row": "ok"}
    with sqlite3.connect(os.path.join(daemon.folder, "d.db")) as db:
        db.execute("UPDATE t SET x = 2 WHERE id = 'one'")
    for _ in range(6):
        r = ask(daemon, "/page/one")
        assert r.body == first.body == b'{"said":"one 1 - -","row":1}'
        assert report(r) == {"said": "ok;hit", "row": "ok;hit"}
        assert r.field("cache-control") is None
    assert chaos.told("/keeping/one") == 1


def test_what_is_stale_is_asked_about_and_goes_on_if_it_holds(daemon, chaos):
    def goes_on():
        assert ask(daemon, "/asked/holds").body == b'{"said":"holds 1 - -"}'
        return metrics(daemon.admin)["forebay_cache_parts_total", (("outcome", "revalidated"),)]
    bed.wait_until(goes_on, what="a 304")
    assert chaos.told("/keeping/holds") > 1


def test_what_was_made_for_one_client_is_never_anothers(daemon):
    mine = [ask(daemon, "/page/mine", "Authorization: Basic " + who).body for who in ("YTpi", "YTpj", "YTpi")]
    assert mine[0] == mine[2] == b'{"said":"mine 1 - Basic YTpi","row":1}'
    assert mine[1] == b'{"said":"mine 2 - Basic YTpj","row":1}'


def purge(daemon, key):
    """What forebayctl says."""
    done = subprocess.run([os.environ["FOREBAYCTL"], "-s", daemon.socket, "purge", "parts", key],
                          capture_output=True, text=True, timeout=60 * bed.FACTOR, check=False)
    assert done.returncode == 0, done
    return int(done.stdout.split()[0])


def test_an_operator_takes_out_what_is_kept_of_a_part(daemon, chaos):
    for name in "two", "twofold":
        ask(daemon, "/page/" + name)
        ask(daemon, "/page/" + name, "Authorization: Basic YTpi")
    assert purge(daemon, "page.said two") == 2
    assert report(ask(daemon, "/page/two")) == {"said": "ok", "row": "ok;hit"}
    assert report(ask(daemon, "/page/twofold")) == {"said": "ok;hit", "row": "ok;hit"}
    assert purge(daemon, "page.row two") == 1
    assert purge(daemon, "page.row two*") == 1
    assert report(ask(daemon, "/page/two")) == {"said": "ok;hit", "row": "ok"}


def test_the_last_good_answer_stands_in_for_an_upstream_that_fails(daemon, chaos):
    assert report(ask(daemon, "/spare/bad")) == {"said": "ok"}
    chaos.told("/failing/bad/503")
    chaos.told("/failing/worse/503")
    r = ask(daemon, "/spare/bad")
    assert (r.body, r.field("cache-control")) == (b'{"said":"bad 1 - -"}', "no-store")
    assert report(r) == {"said": "status;stale"}
    r = ask(daemon, "/spare/worse")
    assert (r.body, r.field("cache-control")) == (b'{"said":[]}', "no-store")
    assert report(r) == {"said": "status"}
    chaos.told("/failing/bad")
    assert report(ask(daemon, "/spare/bad")) == {"said": "ok"}


def reload(daemon, old, new):
    """With that changed in its configuration."""
    path = os.path.join(daemon.folder, "forebay.conf")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    assert old in text
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))
    done = subprocess.run([os.environ["FOREBAYCTL"], "-s", daemon.socket, "reload"],
                          capture_output=True, text=True, timeout=60 * bed.FACTOR, check=False)
    assert done.returncode == 0, done


def test_a_source_that_points_elsewhere_finds_nothing_of_before(daemon):
    ask(daemon, "/page/moved")
    assert report(ask(daemon, "/page/moved")) == {"said": "ok;hit", "row": "ok;hit"}
    reload(daemon, "/d.db", "/other.db")
    r = ask(daemon, "/page/moved")
    assert report(r) == {"said": "ok;hit", "row": "ok"}
    assert r.body == b'{"said":"moved 1 - -","row":7}'
    reload(daemon, "/other.db", "/d.db")
    r = ask(daemon, "/page/moved")
    assert report(r) == {"said": "ok;hit", "row": "ok;hit"}
    assert r.body == b'{"said":"moved 1 - -","row":1}'


def test_a_section_that_says_something_else_finds_nothing_of_before(daemon):
    ask(daemon, "/page/new")
    assert report(ask(daemon, "/page/new")) == {"said": "ok;hit", "row": "ok;hit"}
    reload(daemon, "rows = value", "rows = object")
    r = ask(daemon, "/page/new")
    assert report(r) == {"said": "ok;hit", "row": "ok"}
    assert r.body == b'{"said":"new 1 - -","row":{"x":1}}'


def test_it_is_counted(daemon):
    before = metrics(daemon.admin)
    for _ in range(2):
        ask(daemon, "/page/counted?x")
    after = metrics(daemon.admin)
    for outcome, parts in ("hit", 2), ("miss", 2), ("stale", 0):
        key = "forebay_cache_parts_total", (("outcome", outcome),)
        assert after[key] - before[key] == parts, key
    of = (("cache", "parts"),)
    assert after["forebay_cache_entries", of] == before["forebay_cache_entries", of] + 2
    assert before["forebay_cache_bytes", of] < after["forebay_cache_bytes", of]
    assert after["forebay_cache_max_bytes", of] == 4 << 20
