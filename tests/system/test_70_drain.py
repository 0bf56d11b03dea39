"""SIGTERM: whatever was asked before the server announced closing is answered whole.

The server announces it by `Connection: close` in a response, or by its FIN. A client
that sees neither before its bytes are sent has to get an answer to them.
"""
import time

import pytest

from bed import wait_until
from client import Client
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


@pytest.fixture
def single(start, chaos):
    """With one worker: what one connection hears of the drain holds for all of them."""
    return start((CONF % chaos.address).replace("workers = 2", "workers = 1"))


@pytest.fixture
def name(request):
    """Under which this test holds its requests."""
    return request.node.name


class Probe:
    """A connection that tells whether its worker drains."""

    def __init__(self, daemon):
        self.client = Client(daemon.address)
        assert not self.client.ask("/hello").closes()

    def await_drain(self):
        """Asks until the answer says that it is the last."""
        wait_until(lambda: self.client.ask("/hello").closes(), what="the drain")
        self.client.close()


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
    assert time.monotonic() - begun < 15  # the grace is not waited for
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


def test_what_runs_is_finished_and_says_close(single, chaos, name):
    probe = Probe(single)
    clients = [Client(single.address) for _ in range(4)]
    clients[0].get("/chaos/hold/" + name)
    clients[1].get("/chaos/hold/%s/half" % name)
    clients[2].send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
    clients[3].send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert clients[3].head().status == 100
    for c in clients[1:3]:
        while b"12345" not in c.pending:
            assert c.more()
    chaos.await_held(2)
    single.signal()
    probe.await_drain()
    clients[2].send(b"67890")
    clients[3].send(b"12345")
    chaos.let_go(name)
    bodies = []
    for c in clients:
        r = c.response()
        assert r.status == 200
        assert r.closes() == (c in (clients[0], clients[3]))  # the heads of the others had been sent
        bodies.append(r.body)
        assert c.is_gone()
    assert bodies == [b'{"held": "%s"}' % name.encode(), b"1234567890", b"1234567890", b"12345"]
    single.wait()


def test_a_slow_reader_gets_its_answer_whole(daemon):
    with Client(daemon.address, receive_bytes=4096, timeout=20) as c:
        c.get("/chaos/big/6000000")
        r = c.head()
        daemon.signal()
        time.sleep(0.3)
        assert c.exactly(int(r.field("content-length"))) == b"x" * 6000000
        assert c.is_gone()
    daemon.wait()


def test_pipelined_requests_behind_a_slow_one_are_answered(single, chaos, name):
    probe = Probe(single)
    with Client(single.address) as c:
        c.send(b"GET /chaos/hold/%s HTTP/1.1\r\nHost: a\r\n\r\n" % name.encode() + GET * 3)
        chaos.await_held()
        single.signal()
        probe.await_drain()
        c.send(GET)  # closing has not been announced yet
        chaos.let_go(name)
        answers = [c.response() for _ in range(5)]
        assert [r.status for r in answers] == [200] * 5
        assert [r.closes() for r in answers] == [False] * 4 + [True]
        assert c.is_closed()
    single.wait()


def test_an_idle_connection_may_ask_once_more_within_a_second(single):
    idle = [Client(single.address) for _ in range(3)]
    for c in idle:
        assert c.ask("/hello").status == 200
    begun = time.monotonic()
    single.signal()
    wait_until(lambda: "draining" in single.stderr())
    try:
        while True:
            r = idle[0].ask("/hello")
            assert r.body == b"Hello."
            if r.closes():
                break
        assert idle[0].is_closed()
    except (OSError, AssertionError):
        assert time.monotonic() - begun > 0.9  # this machine has slept for the second
    for c in idle[1:]:
        assert c.is_closed()
    assert time.monotonic() - begun >= 0.9
    for c in idle:
        c.close()
    single.wait()


def test_nobody_new_is_let_in(daemon, chaos, name):
    def is_refused():
        try:
            Client(daemon.address).close()
        except OSError:
            return True
        return False

    with Client(daemon.address) as c:
        c.get("/chaos/hold/" + name)
        chaos.await_held()
        daemon.signal()
        wait_until(is_refused, what="the end of listening")
        chaos.let_go(name)
        assert c.response().status == 200
    daemon.wait()


def test_a_second_signal_stops_at_once(daemon, chaos, name):
    with Client(daemon.address) as c:
        c.get("/chaos/hold/" + name)
        chaos.await_held()
        daemon.signal()
        wait_until(lambda: "draining" in daemon.stderr())
        assert c.is_quiet(0.2)
        begun = time.monotonic()
        daemon.signal()
        said = daemon.wait()
        assert time.monotonic() - begun < 15  # 20 s is the grace
        assert "again: stopping at once" in said
        assert c.is_gone()
    chaos.let_go(name)


def test_grace_ends_what_does_not(start, chaos, name):
    daemon = start((CONF % chaos.address).replace("grace = 20s", "grace = 400ms"))
    with Client(daemon.address) as c:
        c.get("/chaos/hold/" + name)
        chaos.await_held()
        begun = time.monotonic()
        daemon.signal()
        daemon.wait()
        assert 0.35 <= time.monotonic() - begun
        assert c.is_gone()
    chaos.let_go(name)


def test_an_unfinished_head_does_not_hold_it_up_for_long(start, single, chaos):
    probe = Probe(single)
    with Client(single.address) as c:
        assert c.ask("/hello").status == 200
        c.send(b"GET /hello HTTP/1.1\r\nHo")
        single.signal()
        probe.await_drain()
        c.send(b"st: a\r\n\r\n")
        assert c.response().closes()
    single.wait()
    daemon = start((CONF % chaos.address).replace("[limits]", "[limits]\nheader_timeout = 500ms"))
    with Client(daemon.address) as c:
        assert c.ask("/hello").status == 200
        c.send(b"GET /hello HTTP/1.1\r\nHo")
        daemon.signal()
        assert c.response().status == 408
    daemon.wait()
