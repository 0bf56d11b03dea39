"""-t on limits that contradict each other: a warning at one line names the other."""
import resource
import sqlite3

import pytest

from bed import run_forebayd

LISTEN = "[listen a]\naddress = 127.0.0.1:8080\n"
SERVER = "[server]\nworkers = 4\n"
UPSTREAM = "[upstream users]\nservers = http://127.0.0.1:9001\n"
ASK = "source = upstream users\npath = /\n"
HEAVY = "source = compute digest\npool = heavy\ninput = x\n"

CASES = [
    ("a timeout above the deadline", LISTEN + "[route r]\nmatch = GET /\ndeadline = 1s\n"
     "[subrequest r.a]\nsource = fixed\ntimeout = 2s\n",
     "f.conf:8: warning: [subrequest r.a] timeout: has no effect: the route's deadline is shorter (f.conf:5)\n"),
    ("a timeout above the default deadline", LISTEN + "[route r]\nmatch = GET /\n"
     "[subrequest r.a]\nsource = fixed\ntimeout = 1m\n",
     "f.conf:7: warning: [subrequest r.a] timeout: has no effect: the route's deadline is shorter (the default, "
     "f.conf:3)\n"),
    ("an optional part of all or nothing", LISTEN + "[route r]\nmatch = GET /\nfailure = all-or-nothing\n"
     "[subrequest r.a]\nsource = fixed\noptional = yes\n",
     "f.conf:8: warning: [subrequest r.a] optional: has no effect: the route says failure = all-or-nothing "
     "(f.conf:5)\n"),
    ("a wait above every deadline", LISTEN + "[pool heavy]\nmax_wait = 2s\n"
     "[route r]\nmatch = GET /\ndeadline = 1s\n" + HEAVY +
     "[route q]\nmatch = GET /q\ndeadline = 3s\n[subrequest q.a]\ntimeout = 1500ms\n" + HEAVY,
     "f.conf:4: warning: [pool heavy] max_wait: no part there has so much time: 1500ms at most (f.conf:15)\n"),
    ("a wait that one route can take", LISTEN + "[pool heavy]\nmax_wait = 2s\n"
     "[route r]\nmatch = GET /\ndeadline = 1s\n" + HEAVY + "[route q]\nmatch = GET /q\ndeadline = 2s\n" + HEAVY, ""),
    ("the default wait says nothing", LISTEN + "[pool heavy]\nthreads = 1\n"
     "[route r]\nmatch = GET /\ndeadline = 100ms\n" + HEAVY, ""),
    ("a statement's time above every deadline",
     LISTEN + "[database shop]\nurl = sqlite:shop.db\nstatement_timeout = 3s\n"
     "[route r]\nmatch = GET /\ndeadline = 1s\nsource = sql shop\nquery = SELECT 1\n",
     "f.conf:5: warning: [database shop] statement_timeout: no part there has so much time: 1s at most (f.conf:8)\n"),
    ("a default that is written out says nothing", LISTEN + "[server]\nmax_connections = 65536\n"
     "[pool heavy]\nthreads = auto\nmax_wait = 500ms\n[route r]\nmatch = GET /\ndeadline = 100ms\n" + HEAVY +
     "[route f]\nmatch = GET /{path...}\nsource = file\nroot = .\n", ""),
    ("threads that nobody uses", LISTEN + "[pool heavy]\nthreads = 7\n[route r]\nmatch = GET /\nsource = fixed\n",
     "f.conf:4: warning: [pool heavy] threads: no part runs there\n"),
    ("the built-in pools may stand unused", LISTEN + "[pool compute]\nthreads = 7\n[pool blocking]\nthreads = 7\n"
     "[route r]\nmatch = GET /\nsource = fixed\n", ""),
    ("a pool for files is used", LISTEN + "[pool blocking]\nthreads = 7\n"
     "[route r]\nmatch = GET /{path...}\nsource = file\nroot = .\n", ""),
    ("fewer connections than workers", LISTEN + SERVER + UPSTREAM + "max_connections = 3\n"
     "[route r]\nmatch = GET /\n" + ASK,
     "f.conf:7: warning: [upstream users] max_connections: 3 cannot be shared out among 4 workers (f.conf:4): each "
     "has one, which makes 4\n"),
    ("a fan-out wider than a worker's share of an upstream",
     LISTEN + SERVER + UPSTREAM + "max_connections = 4\nmax_pending = 7\n[route r]\nmatch = GET /\n" +
     "".join("[subrequest r.%s]\n" % name + ASK for name in "abc"),
     "f.conf:9: warning: [route r]: 3 parts ask [upstream users] at once, of which one of 4 workers has room for 2: "
     "there they are always refused (f.conf:7)\n"),
    ("a fan-out that just fits", LISTEN + SERVER + UPSTREAM + "max_connections = 4\nmax_pending = 8\n"
     "[route r]\nmatch = GET /\n" + "".join("[subrequest r.%s]\n" % name + ASK for name in "abc"), ""),
    ("a fan-out that fits no pool of a database",
     LISTEN + "[database shop]\nurl = sqlite:shop.db\nconnections = 1\nmax_queue = 1\n[route r]\nmatch = GET /\n" +
     "".join("[subrequest r.%s]\nsource = sql shop\nquery = SELECT 1\n" % name for name in "abc"),
     "f.conf:7: [route r]: 3 required parts need pool database.shop at once, which has room for 2 jobs: they would "
     "always be refused; give it more max_queue (f.conf:6)\n"),
    ("a GET that writes", LISTEN + "[database shop]\nurl = sqlite:shop.db\n[route r]\nmatch = GET /\nsource = sql shop\n"
     "query = DELETE FROM orders\n",
     "f.conf:8: warning: [route r] query: changes data, and GET and HEAD are methods that should not: clients and "
     "caches repeat them (f.conf:6)\n"),
    ("a part of GET or POST that writes", LISTEN + "[database shop]\nurl = sqlite:shop.db\n[route r]\n"
     "match = GET|POST /\n[subrequest r.a]\nsource = sql shop\nquery = SELECT 1; DELETE FROM orders\n",
     "f.conf:9: warning: [subrequest r.a] query: changes data, and GET and HEAD are methods that should not: clients "
     "and caches repeat them (f.conf:6)\n"),
    ("a write that would be shared", LISTEN + "[database shop]\nurl = sqlite:shop.db\n[route r]\nmatch = POST /\n"
     "[subrequest r.a]\nsource = sql shop\nquery = SELECT 1; DELETE FROM orders\ncoalesce = x\n",
     "f.conf:10: [subrequest r.a] coalesce: the part cannot share an execution: its query does more than read\n"),
    ("a POST may write, and any method", LISTEN + "[database shop]\nurl = sqlite:shop.db\n[route r]\nmatch = POST /\n"
     "source = sql shop\nquery = DELETE FROM orders\n[route q]\nmatch = * /q\nsource = sql shop\n"
     "query = DELETE FROM orders\n", ""),
    ("a write and a database for reading", LISTEN + "[database shop]\nurl = sqlite:shop.db\nmode = ro\n[route r]\n"
     "match = POST /\nsource = sql shop\nquery = DELETE FROM orders\n",
     "f.conf:9: [route r] query: the statement writes, and the database has mode = ro (f.conf:5)\n"),
    ("writes that fit no writer's pool",
     LISTEN + "[database shop]\nurl = sqlite:shop.db\nconnections = 3\nmax_queue = 1\n[route r]\nmatch = POST /\n" +
     "".join("[subrequest r.%s]\nsource = sql shop\nquery = DELETE FROM orders\n" % name for name in "abc"),
     "f.conf:7: [route r]: 3 required parts need pool database.shop.writer at once, which has room for 2 jobs: they "
     "would always be refused; give it more max_queue (f.conf:6)\n"),
]


@pytest.mark.parametrize("name, conf, said", CASES, ids=[case[0] for case in CASES])
def test_each_names_two_lines(tmp_path, name, conf, said):
    with sqlite3.connect(str(tmp_path / "shop.db")) as shop:
        shop.execute("CREATE TABLE orders (id)")
    (tmp_path / "f.conf").write_text(conf)
    code, _, got = run_forebayd("-t", "-c", "f.conf", folder=tmp_path)
    assert got == said
    assert code == (1 if said and "warning" not in said else 0)


def test_descriptors_for_connections_and_what_they_ask(tmp_path):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most == resource.RLIM_INFINITY or most > 5000000:
        pytest.skip("no limit on descriptors that a configuration could pass")
    wide = "[route r]\nmatch = GET /\n" + "".join(
        "[subrequest r.%s]\nsource = file\nroot = .\npath = x\n" % name for name in "abc")
    half = most // 2
    (tmp_path / "f.conf").write_text(LISTEN + "[server]\nmax_connections = %d\n" % half + wide)
    assert run_forebayd("-t", "-c", "f.conf", folder=tmp_path)[::2] == (
        0, "f.conf:4: warning: [server] max_connections: they and what [route r] asks for each (f.conf:5) take %d "
        "descriptors; there may be %d\n" % (half * 4 + 64, most))
    (tmp_path / "f.conf").write_text(LISTEN + "[server]\nmax_connections = %d\n" % (most // 5) + wide)
    assert run_forebayd("-t", "-c", "f.conf", folder=tmp_path)[::2] == (0, "")
    # What an upstream gives out bounds what is asked of it.
    (tmp_path / "f.conf").write_text(LISTEN + "[server]\nmax_connections = %d\n" % half + UPSTREAM +
                                     "[route r]\nmatch = GET /\n" + ASK)
    assert run_forebayd("-t", "-c", "f.conf", folder=tmp_path)[::2] == (0, "")
