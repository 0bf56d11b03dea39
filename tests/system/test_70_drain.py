"""SIGTERM: whatever was asked before the server announced closing is answered whole.

The server announces it by `Connection: close` in a response, or by its FIN. A client
that sees neither before its bytes are sent has to get an answer to them.
"""
import time

import pytest

from bed import FACTOR, wait_until
from client import Client, ask
from load import Load

CONF = """
[server]
workers = 2
grace = 20s

[limits]
max_body = 8m

[upstream chaos]
servers = http://%s

[route hello]
match = GET /hello
source = fixed
body = Hello.

[route echo]
match = POST /echo
source = echo

[route chaos]
match = GET /chaos/{path...}
source = upstream chaos
path = /{path}

[route plan]
match = GET /plan

[subrequest plan.a]
source = upstream chaos
path = /delay/10

[subrequest plan.b]
source = compute digest
input = {a.delay}

[subrequest plan.c]
source = fixed
body = c
"""
GET = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
PLAN = b"GET /plan HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def daemon(start, chaos):
    return start(CONF % chaos.address)


LOADS = {
    "keep-alive": dict(threads=6, requests=GET, count=1, is_kept=True),
    "keep-alive with pauses": dict(threads=12, requests=GET, count=1, is_kept=True, pause=0.02),
    "pipelined": dict(threads=6, requests=GET * 8, count=8, is_kept=True),
    "pipelined plans": dict(threads=6, requests=(PLAN + GET) * 4, count=8, is_kept=True),
    "a connection per request": dict(threads=6, requests=GET, count=1, is_kept=False),
    "plans": dict(threads=12, requests=PLAN, count=1, is_kept=True),
}


@pytest.mark.parametrize("kind", LOADS)
def test_under_load_nothing_that_was_asked_is_lost(daemon, kind):
    load = Load(daemon.address, **LOADS[kind])
    wait_until(lambda: load.answered > 50, what="load")
    begun = time.monotonic()
    daemon.signal()
    daemon.wait(20)
    assert time.monotonic() - begun < 4 * FACTOR
    load.join()
    assert load.unsure < load.answered / 10 + 20


def test_on_a_unix_socket_too(start, chaos, tmp_path):
    path = str(tmp_path / "socket")
    daemon = start(CONF % chaos.address + "[listen path]\naddress = unix:%s\n" % path)
    loads = [Load(path, **LOADS[kind]) for kind in ("keep-alive", "a connection per request")]
    wait_until(lambda: all(load.answered > 50 for load in loads), what="load")
    daemon.stop()
    for load in loads:
        load.join()


def test_what_runs_is_finished_and_says_close(daemon):
    clients = [Client(daemon.address) for _ in range(4)]
    clients[0].get("/chaos/delay/500")
    clients[1].get("/chaos/trickle/2/100")
    clients[2].send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
    clients[3].send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert clients[3].head().status == 100
    time.sleep(0.1)
    daemon.signal()
    wait_until(lambda: "draining" in daemon.stderr())
    time.sleep(0.1)
    clients[2].send(b"67890")
    clients[3].send(b"12345")
    bodies = []
    for c in clients:
        r = c.response()
        assert r.status == 200
        assert r.closes() or c is clients[2] or c is clients[1]  # their heads may have been sent before
        bodies.append(r.body)
        assert c.is_gone()
    assert bodies == [b'{"delay": 500}', b"x" * 100, b"1234567890", b"12345"]
    daemon.wait(3)


def test_a_slow_reader_gets_its_answer_whole(daemon):
    with Client(daemon.address, receive_bytes=4096, timeout=20) as c:
        c.get("/chaos/big/6000000")
        r = c.head()
        daemon.signal()
        time.sleep(0.3)
        assert c.exactly(int(r.field("content-length"))) == b"x" * 6000000
        assert c.is_gone()
    daemon.wait(3)


def test_pipelined_requests_behind_a_slow_one_are_answered(daemon):
    with Client(daemon.address) as c:
        c.send(b"GET /chaos/delay/300 HTTP/1.1\r\nHost: a\r\n\r\n" + GET * 3)
        time.sleep(0.05)
        daemon.signal()
        time.sleep(0.05)
        c.send(GET)  # closing has not been announced yet
        answers = [c.response() for _ in range(5)]
        assert [r.status for r in answers] == [200] * 5
        assert [r.closes() for r in answers] == [False] * 4 + [True]
        assert c.is_closed()
    daemon.wait(3)


def test_an_idle_connection_may_ask_once_more_within_a_second(daemon):
    idle = [Client(daemon.address) for _ in range(3)]
    for c in idle:
        assert c.ask("/hello").status == 200
    begun = time.monotonic()
    daemon.signal()
    time.sleep(0.5)
    r = idle[0].ask("/hello")
    assert r.body == b"Hello." and r.closes() and idle[0].is_closed()
    for c in idle[1:]:
        assert c.is_closed()
    assert 0.8 <= time.monotonic() - begun < 1.5 * FACTOR + 0.5
    for c in idle:
        c.close()
    daemon.wait(3)


def test_nobody_new_is_let_in(daemon):
    with Client(daemon.address) as c:
        c.get("/chaos/delay/400")
        time.sleep(0.05)
        daemon.signal()
        wait_until(lambda: "draining" in daemon.stderr())
        time.sleep(0.1)
        with pytest.raises(OSError):
            ask(daemon.address, "/hello")
        assert c.response().status == 200
    daemon.wait(3)


def test_a_second_signal_stops_at_once(daemon):
    with Client(daemon.address) as c:
        c.get("/chaos/hang")
        time.sleep(0.05)
        daemon.signal()
        wait_until(lambda: "draining" in daemon.stderr())
        assert c.is_quiet(0.2)
        begun = time.monotonic()
        daemon.signal()
        said = daemon.wait(5)
        assert time.monotonic() - begun < 1 * FACTOR
        assert "again: stopping at once" in said
        assert c.is_gone()


def test_grace_ends_what_does_not(start, chaos):
    daemon = start((CONF % chaos.address).replace("grace = 20s", "grace = 400ms"))
    with Client(daemon.address) as c:
        c.get("/chaos/hang")
        time.sleep(0.05)
        begun = time.monotonic()
        daemon.signal()
        daemon.wait(5)
        assert 0.35 <= time.monotonic() - begun < 1.5 * FACTOR
        assert c.is_gone()


def test_an_unfinished_head_does_not_hold_it_up_for_long(start, chaos):
    daemon = start((CONF % chaos.address).replace("[limits]", "[limits]\nheader_timeout = 500ms"))
    with Client(daemon.address) as c:
        c.send(b"GET /hello HTTP/1.1\r\nHo")
        time.sleep(0.05)
        daemon.signal()
        time.sleep(0.1)
        c.send(b"st: a\r\n\r\n")
        assert c.response().closes()
    daemon.wait(3)
    daemon = start((CONF % chaos.address).replace("[limits]", "[limits]\nheader_timeout = 500ms"))
    with Client(daemon.address) as c:
        c.send(b"GET /hello HTTP/1.1\r\nHo")
        time.sleep(0.05)
        daemon.signal()
        assert c.response().status == 408
    daemon.wait(3)
