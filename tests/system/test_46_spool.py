"""Request bodies that are kept until they are whole: in memory, then in a file that has no name."""
import hashlib
import os
import time

import pytest

from bed import Chaos, Daemon, free_port, run_forebayd, wait_until
from client import Client, ask
from client2 import Client2, pack, DATA, END_HEADERS

CONF = """
[server]
workers = 2
spool_dir = %(spool)s

[limits]
body_buffer = 16k
max_body = 64m
body_idle_timeout = 20s

[admin]
listen = 127.0.0.1:%(admin)d

[upstream chaos]
servers = http://%(chaos)s

[route kept]
match = POST|PUT /kept
source = upstream chaos
path = /echo
buffer_body = yes

[route head]
match = POST /head
source = upstream chaos
path = /head
buffer_body = yes

[route early]
match = POST /early
source = upstream chaos
path = /early
buffer_body = yes

[route deaf]
match = POST /deaf
source = upstream chaos
path = /deaf
buffer_body = yes
deadline = 500ms

[route small]
match = POST /small
source = upstream chaos
path = /echo
buffer_body = yes
max_body = 40k
"""


@pytest.fixture(scope="module")
def chaos():
    c = Chaos()
    yield c
    c.stop()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, chaos):
    spool = tmp_path_factory.mktemp("spool")
    admin = free_port()
    d = Daemon(tmp_path_factory.mktemp("kept"), CONF % {"chaos": chaos.address, "admin": admin, "spool": spool})
    d.admin, d.spool = ("127.0.0.1", admin), str(spool)
    yield d
    d.stop()


def metric(daemon, name):
    text = ask(daemon.admin, "/metrics").body.decode()
    return sum(int(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def spools(daemon):
    """How many files it has open in the folder, which shows none of them."""
    assert os.listdir(daemon.spool) == []
    return sum(link.startswith(daemon.spool) for link in daemon.descriptors())


def body_of(size):
    return (hashlib.sha256(b"%d" % size).digest() * (size // 32 + 1))[:size]


@pytest.mark.parametrize("size", [1, 16384, 16385, 70000, 1000000, 5000000])
def test_what_is_kept_comes_out_as_it_came(daemon, size):
    body = body_of(size)
    with Client(daemon.address, timeout=20) as c:
        before = metric(daemon, "forebay_request_bodies_spooled_total")
        r = c.ask("/kept", method="POST", body=body)
        assert r.status == 200 and r.body == body
        assert metric(daemon, "forebay_request_bodies_spooled_total") == before + (size > 16384)
        half = size // 2 or 1
        c.send(b"PUT /kept HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (body[:half], body[half:]):
            if piece:
                c.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        c.send(b"0\r\n\r\n")
        assert c.response().body == body
    with Client2(daemon.address) as c:  # which heeds no windows for what it sends
        assert c.ask("/kept", "POST", body=body[:60000]).body == body[:60000]
    wait_until(lambda: spools(daemon) == 0, what="the end of all files")


def test_no_body_is_nothing_to_keep(daemon):
    with Client(daemon.address) as c:
        c.send(b"POST /kept HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        assert c.response().body == b""
        c.send(b"POST /kept HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        assert c.response().body == b""


def test_an_upstream_is_asked_when_the_body_is_whole_and_told_its_length(daemon, chaos):
    with Client(daemon.address) as c:
        before = chaos.count()["requests"]
        c.send(b"POST /head HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(10):
            c.send(b"2710\r\n" + b"a" * 10000 + b"\r\n")
            time.sleep(0.01)
        wait_until(lambda: spools(daemon) == 1, what="a file")
        assert chaos.count()["requests"] == before + 1  # that look
        c.send(b"0\r\n\r\n")
        assert b'"100000"' in c.response().body


def test_slow_uploads_hold_neither_connections_nor_memory(daemon, chaos):
    opened = chaos.count()["open"]
    clients = [Client(daemon.address) for _ in range(20)]
    for c in clients:
        c.send(b"POST /kept HTTP/1.1\r\nHost: a\r\nContent-Length: 200001\r\n\r\n" + b"a" * 200000)
    wait_until(lambda: spools(daemon) == 20, 10, "twenty files")
    assert chaos.count()["open"] <= opened
    for c in clients[:10]:
        c.send(b"b")
        assert c.response().body == b"a" * 200000 + b"b"
        c.close()
    for c in clients[10:]:
        c.reset()
    wait_until(lambda: spools(daemon) == 0, 10, "the end of all files")


def test_a_client_that_goes_in_mid_upload_leaves_nothing(daemon):
    for n in range(20):
        c = Client(daemon.address)
        c.send(b"POST /kept HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n" + b"a" * (50000 * n))
        c.reset()
    with Client2(daemon.address) as c:
        stream = c.headers([(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/kept")],
                           flags=END_HEADERS)
        c.send(stream[0], *[pack(DATA, 0, stream[1], b"a" * 16384)] * 3)
    wait_until(lambda: spools(daemon) == 0, 10, "the end of all files")


def test_an_upstream_that_does_not_read_it(daemon):
    body = body_of(3000000)
    with Client(daemon.address, timeout=20) as c:
        assert c.ask("/early", method="POST", body=body).status in (413, 502)
    with Client(daemon.address, timeout=20) as c:
        assert c.ask("/deaf", method="POST", body=body).status == 504
    wait_until(lambda: spools(daemon) == 0, 10, "the end of all files")


def test_a_body_above_its_limit(daemon):
    with Client(daemon.address) as c:
        c.send(b"POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            c.send(b"2710\r\n" + b"a" * 10000 + b"\r\n")
        assert c.response().status == 413
    wait_until(lambda: spools(daemon) == 0, what="the end of all files")


def test_expectations_are_answered(daemon):
    with Client(daemon.address) as c:
        c.send(b"POST /kept HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\nExpect: 100-continue\r\n\r\n")
        assert c.head().status == 100
        c.send(b"a" * 50000)
        assert c.response().body == b"a" * 50000


@pytest.mark.skipif(not os.path.exists("/dev/full") or os.geteuid() != 0, reason="needs to mount")
def test_a_full_disk(tmp_path, chaos):
    """507, counted, and the room is there again."""
    spool, admin = tmp_path / "spool", free_port()
    spool.mkdir()
    if os.system("mount -t tmpfs -o size=256k none %s 2>/dev/null" % spool) != 0:
        pytest.skip("cannot mount")
    try:
        d = Daemon(tmp_path, CONF % {"chaos": chaos.address, "admin": admin, "spool": spool})
        d.admin, d.spool = ("127.0.0.1", admin), str(spool)
        with Client(d.address) as c:
            assert c.ask("/kept", method="POST", body=b"a" * 1000000).status == 507
        assert metric(d, 'forebay_request_bodies_spool_errors_total{reason="full"}') == 1
        wait_until(lambda: spools(d) == 0, what="the end of all files")
        with Client(d.address) as c:
            assert c.ask("/kept", method="POST", body=b"a" * 100000).body == b"a" * 100000
        wait_until(lambda: spools(d) == 0, what="the end of all files")
        d.stop()
    finally:
        os.system("umount %s" % spool)


def test_a_drain_waits_for_what_is_kept(tmp_path, chaos):
    admin = free_port()
    d = Daemon(tmp_path, CONF % {"chaos": chaos.address, "admin": admin, "spool": tmp_path})
    with Client(d.address, timeout=20) as c:
        c.send(b"POST /kept HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n" + b"a" * 100000)
        wait_until(lambda: any(link.startswith(str(tmp_path) + "/#") for link in d.descriptors()), what="a file")
        d.signal()
        wait_until(lambda: "draining" in d.stderr(), what="the drain")
        c.send(b"b")
        assert c.response().body == b"a" * 100000 + b"b"
    d.wait()


def test_mistakes_are_told(tmp_path):
    path = tmp_path / "conf"
    path.write_text("[listen a]\naddress = 127.0.0.1:1\n[server]\nspool_dir = nowhere\n[upstream u]\n"
                    "servers = http://127.0.0.1:1\n[route r]\nmatch = POST /r\nsource = upstream u\n"
                    "buffer_body = yes\n[route f]\nmatch = POST /f\nsource = fixed\nbuffer_body = yes\n"
                    "[route j]\nmatch = POST /j\nbuffer_body = yes\n[subrequest j.a]\nsource = fixed\n")
    code, _, said = run_forebayd("-t", "-c", str(path))
    lines = sorted(int(line.split(":")[1]) for line in said.splitlines())
    assert code == 1 and lines == [4, 14, 17], said
