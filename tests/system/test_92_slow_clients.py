"""Many slow clients at a time: those who send their heads or bodies slowly, and those who do not read.

Each is gone after its deadline and counted by its reason, and others are answered meanwhile. What the others
notice of it is measured by scripts/abuse slow.
"""
import socket

import pytest

import bed
from client import ask, metrics

CLIENTS = 100
CONF = """\
[admin]
socket = %s/admin.sock
listen = 127.0.0.1:%d
[server]
workers = 2
[limits]
header_timeout = %ds
body_idle_timeout = %ds
send_idle_timeout = %ds
idle_timeout = 10m
[route hello]
match = GET /hello
source = fixed
body = Hello.
[route echo]
match = POST /echo
source = echo
[route files]
match = GET /files/{path...}
source = file
root = %s
"""
HEAD = b"GET /hello HTTP/1.1\r\nHost: a\r\nX-Slow: "
BODY = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8192\r\n\r\nx"
READ = b"GET /files/large HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module", name="daemon")
def make_daemon(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("slow")
    (folder / "large").write_bytes(bytes(16 << 20))
    seconds = max(1, int(bed.FACTOR))
    admin = bed.free_port()
    daemon = start(CONF % (folder, admin, seconds, seconds, seconds, folder))
    daemon.admin = ("127.0.0.1", admin)
    return daemon


def dropped(daemon, reason):
    """How many connections it dropped for that reason."""
    return metrics(daemon.admin)["forebay_connections_dropped_total", (("reason", reason),)]


def open_one(daemon, text):
    """A client that says this and reads nothing."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(10 * bed.FACTOR)
    s.connect(daemon.address)
    s.sendall(text)
    return s


@pytest.mark.parametrize("text, reason", [(HEAD, "header_timeout"), (BODY, "body_timeout"), (READ, "send_timeout")],
                         ids=["header", "body", "read"])
def test_slow_clients_are_gone_after_their_deadline_and_counted(daemon, text, reason):
    before, sockets = dropped(daemon, reason), daemon.sockets()
    slow = [open_one(daemon, text) for _ in range(CLIENTS)]
    try:
        assert ask(daemon.address, "/hello").body == b"Hello."
        bed.wait_until(lambda: dropped(daemon, reason) - before == CLIENTS, 30, "all of them counted")
        bed.wait_until(lambda: daemon.sockets() <= sockets, 30, "all of them gone")
    finally:
        for s in slow:
            s.close()
    assert ask(daemon.address, "/hello").body == b"Hello."
