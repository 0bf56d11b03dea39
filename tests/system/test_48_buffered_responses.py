"""Responses that are kept for slow clients, in memory and in a file, while their upstream does other things."""
import hashlib
import os
import random
import socket

import pytest

from bed import FACTOR, Chaos, Daemon, free_port, run_forebayd, wait_until
from client import Client, ask
from client2 import Client2, window_update

CONF = """
[server]
workers = 1
spool_dir = %(spool)s

[limits]
send_idle_timeout = 300s

[admin]
listen = 127.0.0.1:%(admin)d

[upstream one]
servers = http://%(chaos)s
max_connections = 1

[route kept]
match = GET /kept/{path...}
source = upstream one
path = /{path}
buffer_response = 1m

[route little]
match = GET /little/{path...}
source = upstream one
path = /{path}
buffer_response = 64k
max_response_file = 1m

[route bare]
match = GET /bare/{path...}
source = upstream one
path = /{path}

[route hasty]
match = GET /hasty/{path...}
source = upstream one
path = /{path}
deadline = 300ms

[pool exec]
threads = 1

[program shell]
command = /bin/sh -c

[route made]
match = GET /made
source = exec shell
arguments = "head -c 20m /dev/zero"
buffer_response = 1m

[route said]
match = GET /said
source = exec shell
arguments = "echo said"

[route free]
match = GET /json/{path...}
source = upstream one
"""
LARGE = 20 << 20
BLOCK = random.Random(1).randbytes(65521)


@pytest.fixture(scope="module")
def chaos():
    c = Chaos()
    yield c
    c.stop()


def start(folder, spool, chaos):
    admin = free_port()
    d = Daemon(folder, CONF % {"chaos": chaos.address, "admin": admin, "spool": spool})
    d.admin, d.spool = ("127.0.0.1", admin), str(spool)
    return d


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, chaos):
    d = start(tmp_path_factory.mktemp("kept"), tmp_path_factory.mktemp("spool"), chaos)
    yield d
    d.stop()


def metric(daemon, name):
    text = ask(daemon.admin, "/metrics").body.decode()
    return sum(int(line.rsplit(" ", 1)[1]) for line in text.splitlines()
               if line.startswith((name + " ", name + "{")))


def kept(daemon):
    """Bytes in memory and in files."""
    files = metric(daemon, "forebay_response_spool_bytes")
    return metric(daemon, "forebay_response_buffer_bytes") - files, files


def spools(daemon):
    return sum(link.startswith(daemon.spool) for link in daemon.descriptors())


def await_nothing(daemon):
    wait_until(lambda: spools(daemon) == 0 and kept(daemon) == (0, 0), what="the end of all that is kept")


def mixed(size):
    return (BLOCK * (size // len(BLOCK) + 1))[:size]


def slow_client(daemon, path):
    """One that has read a head, and no more."""
    c = Client(daemon.address, receive_bytes=4096)
    c.get(path)
    assert c.head().status == 200
    return c


def hurry(c):
    """From now on it reads like others."""
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)


def assert_upstream_free(daemon):
    with Client(daemon.address) as c:
        assert c.ask("/json/a").status == 200


def test_a_slow_client_does_not_hold_its_upstream(daemon, chaos):
    spooled, resident = metric(daemon, "forebay_responses_spooled_total"), daemon.resident_kib()
    with slow_client(daemon, "/kept/mixed/%d" % LARGE) as c:
        assert_upstream_free(daemon)  # there is one connection, so that the first answer is whole
        assert chaos.count()["open"] == 1
        memory, files = kept(daemon)
        assert 0 < memory <= (1 << 20) + (128 << 10) and files > LARGE // 4
        assert spools(daemon) == 1 and os.listdir(daemon.spool) == []
        if FACTOR == 1:
            assert daemon.resident_kib() - resident < 10 << 10
        hurry(c)
        assert hashlib.sha256(c.exactly(LARGE)).digest() == hashlib.sha256(mixed(LARGE)).digest()
        await_nothing(daemon)
        assert c.ask("/json/b").status == 200
    assert metric(daemon, "forebay_responses_spooled_total") == spooled + 1


def test_without_it_the_upstream_waits_for_the_client(daemon):
    with slow_client(daemon, "/bare/mixed/%d" % LARGE) as c:
        with Client(daemon.address) as other:
            assert other.ask("/hasty/json/a").status in (503, 504)
        c.reset()
    assert_upstream_free(daemon)


def test_above_the_file_the_upstream_waits_and_all_arrives(daemon):
    with slow_client(daemon, "/little/mixed/%d/chunked" % LARGE) as c:
        wait_until(lambda: kept(daemon)[1] > 900 << 10, what="a full file")
        with Client(daemon.address) as other:
            assert other.ask("/hasty/json/a").status in (503, 504)
        assert kept(daemon)[1] <= 1 << 20
        got = hashlib.sha256()
        hurry(c)
        while (size := int(c.line(), 16)):
            got.update(c.exactly(size))
            assert c.line() == b""
        assert got.digest() == hashlib.sha256(mixed(LARGE)).digest()
    await_nothing(daemon)


def test_each_stream_of_a_connection_has_its_own(daemon):
    size = 3 << 20
    with Client2(daemon.address, window=1000) as c:
        streams = [c.request("/kept/mixed/%d/chunked" % size, "GET", ("te", "trailers")) for _ in range(2)]
        assert c.ask("/json/a").status == 200
        while not all(s in c.answers and len(c.answers[s].body) == 1000 for s in streams):
            c.frame()
        assert_upstream_free(daemon)
        wait_until(lambda: spools(daemon) == 2, what="two files")
        c.send(window_update(0, 1 << 24), *[window_update(s, 1 << 23) for s in streams])
        for s in streams:
            answer = c.answer(s)
            assert answer.body == mixed(size) and answer.trailers == [("x-last", "word")]
    await_nothing(daemon)


def test_a_program_ends_before_its_client_has_read(daemon):
    with slow_client(daemon, "/made") as c:
        with Client(daemon.address) as other:  # the pool has one thread
            assert other.ask("/said").body == b"said\n"
        assert kept(daemon)[1] > LARGE // 4
        hurry(c)
        size = 0
        while (more := int(c.line(), 16)):
            assert c.exactly(more) == bytes(more) and c.line() == b""
            size += more
        assert size == LARGE
    await_nothing(daemon)


def test_a_client_that_goes_leaves_nothing(daemon):
    for _ in range(5):
        c = slow_client(daemon, "/kept/mixed/%d" % LARGE)
        wait_until(lambda: spools(daemon) == 1, what="a file")
        c.reset()
        await_nothing(daemon)
    assert_upstream_free(daemon)


def test_an_upstream_that_dies_cuts_the_answer_behind_what_it_said(daemon):
    size = 10 << 20
    with slow_client(daemon, "/kept/mixed/%d/cut" % size) as c:
        assert_upstream_free(daemon)
        assert c.exactly(size) == mixed(size)
        assert not c.more()
    await_nothing(daemon)


def test_a_folder_that_is_gone_leaves_it_at_back_pressure(tmp_path, chaos):
    spool = tmp_path / "spool"
    spool.mkdir()
    d = start(tmp_path, spool, chaos)
    spool.rmdir()
    for _ in range(2):
        with slow_client(d, "/kept/mixed/%d" % LARGE) as c:
            wait_until(lambda: kept(d)[0] > 900 << 10, what="full memory")
            hurry(c)
            assert c.exactly(LARGE) == mixed(LARGE)
    assert metric(d, 'forebay_response_spool_errors_total{reason="failed"}') == 2
    assert d.stderr().count("No such file or directory") == 1
    assert kept(d) == (0, 0)
    d.stop()


def test_a_drain_waits_for_who_reads_what_is_kept(tmp_path, chaos):
    d = start(tmp_path, tmp_path, chaos)
    with slow_client(d, "/kept/mixed/%d" % LARGE) as c:
        assert_upstream_free(d)
        d.signal()
        wait_until(lambda: "draining" in d.stderr(), what="the drain")
        hurry(c)
        assert c.exactly(LARGE) == mixed(LARGE)
    d.wait()


def test_mistakes_are_told(tmp_path):
    path = tmp_path / "conf"
    path.write_text("[listen a]\naddress = 127.0.0.1:1\n[server]\nspool_dir = nowhere\n[upstream u]\n"
                    "servers = http://127.0.0.1:1\n[route r]\nmatch = POST /r\nsource = upstream u\n"
                    "buffer_response = 1m\n[route f]\nmatch = POST /f\nsource = fixed\nbuffer_response = 1m\n"
                    "[route j]\nmatch = POST /j\nbuffer_response = 1m\n[subrequest j.a]\nsource = upstream u\n"
                    "[route s]\nmatch = GET /s\nsource = upstream u\nbuffer_response = 63k\n")
    code, _, said = run_forebayd("-t", "-c", str(path))
    lines = sorted(int(line.split(":")[1]) for line in said.splitlines())
    assert code == 1 and lines == [4, 14, 17, 23], said
