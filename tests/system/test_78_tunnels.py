"""Connections that change their protocol: what is asked for, what is answered, and bytes both ways until both ends
are done."""
import hashlib
import signal
import socket
import ssl
import threading
import time

import pytest

import bed
from authority import Authority
from bed import run_forebayd, wait_until
from client import Client, metrics

BIG = 8 << 20
PIECE = b"x" * 65536
SWITCH = ("Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: a2V5", "Sec-WebSocket-Version: 13")

CONF = """
[server]
workers = 1
grace = 300ms

[admin]
socket = admin.sock
listen = 127.0.0.1:%(admin)d

[access_log]
path = %(access)s
format = {request.target} {status} {bytes_in} {bytes_out}
flush = 50ms

[upstream chaos]
servers = http://127.0.0.1:%(chaos)d
max_connections = 32

[upstream narrow]
servers = http://127.0.0.1:%(chaos)d
max_connections = 1
max_pending = 0

[route tunnel]
match = * /ws/{path...}
source = upstream chaos
path = /{path}
upgrade = websocket, chaos/2

[route hurried]
match = GET /hurried/{path...}
source = upstream chaos
path = /{path}
upgrade = websocket
deadline = %(deadline)dms

[route idle]
match = GET /idle/{path...}
source = upstream chaos
path = /{path}
upgrade = websocket
tunnel_idle_timeout = 300ms

[route narrow]
match = GET /narrow/{path...}
source = upstream narrow
path = /{path}
upgrade = websocket

[route packed]
match = GET /packed/{path...}
source = upstream chaos
path = /{path}
upgrade = websocket
compress = yes

[route plain]
match = * /plain/{path...}
source = upstream chaos
path = /{path}
"""


class Host:
    """The daemon, its upstream, and what both have counted."""

    def __init__(self, start, chaos, folder, **more):
        self.chaos, self.admin, self.access = chaos, bed.free_port(), str(folder / "access.log")
        self.conf = CONF % {"admin": self.admin, "chaos": chaos.port, "access": self.access,
                            "deadline": 1000 * bed.FACTOR}
        self.daemon = start(self.conf, **more)

    def counted(self, name, *labels):
        return sum(value for (known, has), value in metrics(("127.0.0.1", self.admin)).items()
                   if known == name and set(labels) <= set(has))

    def open_tunnels(self):
        return self.counted("forebay_tunnels_opened_total") - self.counted("forebay_tunnels_closed_total")

    def tunnel(self, path, *lines, behind=b"", **more):
        """A client behind a 101."""
        c = Client(self.daemon.address, **more)
        c.send(request(path, *(lines or SWITCH)) + behind)
        switched(c)
        return c


def request(path, *lines):
    return "\r\n".join(["GET %s HTTP/1.1" % path, "Host: test", *lines, "", ""]).encode()


def switched(c, protocol="websocket"):
    """Takes the head of a 101."""
    r = c.head()
    assert r.status == 101, r
    assert (r.field("connection").lower(), r.field("upgrade")) == ("upgrade", protocol)
    assert r.field("content-length") is None and r.field("transfer-encoding") is None
    return r


@pytest.fixture(scope="module")
def host(start, chaos, tmp_path_factory):
    return Host(start, chaos, tmp_path_factory.mktemp("logs"))


@pytest.fixture(autouse=True)
def nothing_left(host):
    """No tunnel outlives its test, on either side."""
    yield
    wait_until(lambda: host.open_tunnels() == 0, what="no tunnel left")
    wait_until(lambda: host.chaos.count()["tunnels"] == 0, what="no tunnel left upstream")


# --- asking, and the answer -----------------------------------------------------------

def test_what_is_asked_for_goes_on_with_its_end_to_end_fields(host):
    with Client(host.daemon.address) as c:
        c.send(request("/ws/switch/echo", *SWITCH))
        assert switched(c).field("sec-websocket-accept") == "a2V5"
        c.send(b"\x81\x05hello")
        assert c.exactly(7) == b"\x81\x05hello"
        c.finish()
        assert c.exactly(4) == b"end." and c.is_closed()


@pytest.mark.parametrize("lines", [
    ["Upgrade: websocket"],  # without Connection: RFC 9110 7.8
    ["Connection: Upgrade"],
    ["Connection: Upgrade", "Upgrade: h2c, tls/1.0, other"],
    ["Connection: Upgrade", "Upgrade: chaos"],
    ["Connection: Upgrade", "Upgrade: ,,"],
])
def test_other_requests_are_passed_on_without_upgrade(host, lines):
    with Client(host.daemon.address) as c:
        fields = c.ask("/ws/head", *lines).body.decode().lower()
        assert '"upgrade"' not in fields
        assert c.ask("/ws/json").status == 200


@pytest.mark.parametrize("ask", [
    b"GET /ws/head HTTP/1.0\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"POST /ws/head HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nhi",
    b"GET /ws/head HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nhi",
    b"POST /ws/head HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"GET /plain/head HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
])
def test_only_a_get_of_http_1_1_without_a_body_may_ask(host, ask):
    with Client(host.daemon.address) as c:
        c.send(ask)
        assert '"upgrade"' not in c.response().body.decode().lower()


def test_only_what_is_allowed_is_offered(host):
    with Client(host.daemon.address) as c:
        r = c.ask("/ws/head", "Connection: Upgrade", "Upgrade: h2c, CHAOS/2", "Upgrade: webSocket")
        assert '["upgrade", "chaos/2, websocket"]' in r.body.decode().lower()
        assert '["connection", "upgrade"]' in r.body.decode().lower()


def hexed(*lines):
    return "\r\n".join([*lines, "", ""]).encode().hex()


@pytest.mark.parametrize("lines", [
    ["Connection: Upgrade"],
    ["Connection: Upgrade", "Upgrade: chaos"],
    ["Connection: Upgrade", "Upgrade: chaos/2"],  # which would be allowed
    ["Connection: Upgrade", "Upgrade: websocket, chaos/2"],
    ["Upgrade: websocket"],
])
def test_a_wrong_101_is_502(host, lines):
    with Client(host.daemon.address) as c:
        answer = "HTTP/1.1 101 Switching Protocols"
        assert c.ask("/ws/say/" + hexed(answer, *lines), "Connection: Upgrade", "Upgrade: websocket").status == 502
        assert c.ask("/ws/json").status == 200


@pytest.mark.parametrize("path", ["/ws/upgrade", "/plain/upgrade"])
def test_an_unasked_101_is_502(host, path):
    with Client(host.daemon.address) as c:
        assert c.ask(path).status == 502
        assert c.ask("/plain/upgrade", *SWITCH).status == 502


@pytest.mark.parametrize("status", [200, 403, 426])
def test_another_answer_is_a_response_like_any(host, status):
    with Client(host.daemon.address) as c:
        for _ in range(2):
            assert c.ask("/ws/status/%d" % status, *SWITCH).status == status
        assert c.ask("/ws/json").status == 200


def test_what_is_sent_early_goes_through_the_tunnel(host):
    hidden = request("/ws/json/never")
    before = host.chaos.count()["requests"]
    with host.tunnel("/ws/switch/echo", behind=hidden) as c:
        assert c.exactly(len(hidden)) == hidden
        assert host.chaos.count()["requests"] == before + 2  # the switch and this very question
        c.finish()
        assert c.exactly(4) == b"end."


def test_what_is_sent_early_is_the_next_request_when_there_is_no_tunnel(host):
    with Client(host.daemon.address) as c:
        c.send(request("/ws/status/403", *SWITCH) + request("/ws/json/next"))
        assert c.response().status == 403
        assert b"next" in c.response().body


def test_a_tunnel_passes_a_compressing_route_as_it_is(host):
    with host.tunnel("/packed/switch/echo", *SWITCH, "Accept-Encoding: gzip") as c:
        c.send(PIECE)
        assert c.exactly(len(PIECE)) == PIECE
        c.finish()
        assert c.exactly(4) == b"end."


# --- bytes ----------------------------------------------------------------------------

def test_much_goes_both_ways_at_once(host):
    with host.tunnel("/ws/switch/both/%d" % BIG) as c:
        def send():
            for _ in range(BIG // len(PIECE)):
                c.send(PIECE)
            c.finish()
        sender = threading.Thread(target=send)
        sender.start()
        assert c.exactly(BIG) == b"x" * BIG
        sender.join()
        assert c.is_closed()
    wait_until(lambda: host.chaos.count()["tunnel_digest"], what="all taken")
    assert host.chaos.count()["tunnel_digest"] == hashlib.sha256(b"x" * BIG).hexdigest()
    wait_until(lambda: "101 %d %d" % (BIG, BIG) in open(host.access, encoding="ascii").read(), what="the log line")


def test_the_clients_end_is_passed_on_and_the_rest_still_comes(host):
    with host.tunnel("/ws/switch/echo") as c:
        c.send(PIECE)
        c.finish()
        assert c.exactly(len(PIECE) + 4) == PIECE + b"end." and c.is_closed()


def test_the_servers_end_is_passed_on_and_the_rest_still_goes(host):
    with host.tunnel("/ws/switch/both/10") as c:
        assert c.exactly(10) == b"x" * 10 and c.is_closed()
        c.send(PIECE)
        wait_until(lambda: host.chaos.count()["tunnel_bytes"] == len(PIECE), what="all taken")
        assert host.open_tunnels() == 1
        c.finish()


def test_a_slow_reader_slows_the_other_side(host):
    before = host.daemon.resident_kib()
    with host.tunnel("/ws/switch/both/%d" % (64 << 20), receive_bytes=16384) as c:
        c.finish()
        wait_until(lambda: c.pending or c.more(), what="some of it")
        read = len(c.pending)
        steady = wait_until(lambda: grown(host, before), what="a standstill")
        assert steady < before + 4096 * bed.FACTOR, (before, steady)
        c.exactly((64 << 20))
        assert read > 0 and c.is_closed()


def grown(host, before):
    """Memory, when it does not grow any more."""
    now = host.daemon.resident_kib()
    time.sleep(0.1)
    return now if host.daemon.resident_kib() == now else None


def test_a_deaf_server_slows_the_client(host):
    before = host.daemon.resident_kib()
    with host.tunnel("/ws/switch/deaf") as c:
        c.socket.settimeout(0.3)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += c.socket.send(PIECE)
        except socket.timeout:
            pass
        assert sent < 64 << 20
        assert host.daemon.resident_kib() < before + 4096 * bed.FACTOR
        host.chaos.told("/let-go/deaf")
        c.finish()
        c.socket.settimeout(c.timeout)
        assert c.is_closed()
    wait_until(lambda: host.chaos.count()["tunnel_digest"], what="all taken")
    assert host.chaos.count()["tunnel_bytes"] == sent


# --- ends -----------------------------------------------------------------------------

def test_a_reset_by_the_server_reaches_the_client(host):
    with host.tunnel("/ws/switch/reset") as c:
        c.send(b"x")
        with pytest.raises(ConnectionError):
            c.more()


def test_a_reset_by_the_client_reaches_the_server(host):
    cut = host.chaos.count()["cut"]
    with host.tunnel("/ws/switch/take") as c:
        c.send(b"x")
        wait_until(lambda: host.chaos.count()["tunnel_bytes"] == 1)
        c.reset()
    wait_until(lambda: host.chaos.count()["cut"] == cut + 1, what="a reset")


def test_a_reset_by_the_client_that_does_not_read_reaches_the_server(host):
    with host.tunnel("/ws/switch/both/%d" % (64 << 20), receive_bytes=16384) as c:
        wait_until(c.more)
        c.reset()


def test_a_tunnel_outlives_the_deadline(host):
    with host.tunnel("/hurried/switch/echo") as c:
        time.sleep(1.1 * bed.FACTOR)
        c.send(b"still")
        assert c.exactly(5) == b"still"


def test_a_tunnel_that_rests_is_closed(host):
    before = host.counted("forebay_upstream_errors_total", ("reason", "tunnel_idle_timeout"))
    with host.tunnel("/idle/switch/echo") as c:
        assert c.is_gone()
    assert host.counted("forebay_upstream_errors_total", ("reason", "tunnel_idle_timeout")) == before + 1


def test_a_tunnel_holds_its_connection(host):
    with host.tunnel("/narrow/switch/echo") as held:
        with Client(host.daemon.address) as c:
            assert c.ask("/narrow/json").status == 503
        held.finish()
        assert held.exactly(4) == b"end."
    with Client(host.daemon.address) as c:
        wait_until(lambda: c.ask("/narrow/json").status == 200, what="room")


def test_over_tls_each_direction_ends_for_itself(start, chaos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("secure")
    authority = Authority(folder)
    authority.issue("good", ["localhost"])
    secure = Host(start, chaos, folder, listen="tls = yes\ncertificate = %s\nkey = %s\n" % (
        authority.path("good.pem"), authority.path("good.key")))
    context = ssl.create_default_context(cafile=authority.path("ca.pem"))
    with Client(secure.daemon.address) as c:
        c.socket = context.wrap_socket(c.socket, server_hostname="localhost")
        c.send(request("/ws/switch/echo", *SWITCH))
        switched(c)
        for _ in range(16):  # in turn: Python 3.11 must not read and write TLS in two threads at once
            c.send(PIECE)
            assert c.exactly(len(PIECE)) == PIECE
        # Python's TLS says close_notify and waits for the other side's.
        c.socket.settimeout(c.timeout)
        try:
            c.socket.unwrap()
        except ssl.SSLError as e:
            assert "APPLICATION_DATA" in str(e), e
    wait_until(lambda: secure.open_tunnels() == 0, what="no tunnel left")
    wait_until(lambda: chaos.count()["tunnel_digest"] == hashlib.sha256(16 * PIECE).hexdigest(), what="its end")


# --- change and end of the server --------------------------------------------------------

def test_a_reload_leaves_a_tunnel_alone(start, chaos, tmp_path_factory):
    other = Host(start, chaos, tmp_path_factory.mktemp("other"))
    with other.tunnel("/ws/switch/echo") as c:
        with open(other.daemon.path, encoding="utf-8") as file:
            conf = file.read()
        with open(other.daemon.path, "w", encoding="utf-8") as file:
            file.write(conf.replace("upgrade = websocket", "# none"))
        other.daemon.signal(signal.SIGHUP)
        wait_until(lambda: "notice reloaded:" in other.daemon.stderr(), what="the reload")
        with Client(other.daemon.address) as fresh:
            assert '"upgrade"' not in fresh.ask("/ws/head", *SWITCH).body.decode().lower()
        c.send(b"still")
        assert c.exactly(5) == b"still"
    wait_until(lambda: other.open_tunnels() == 0, what="no tunnel left")


def test_grace_ends_tunnels(start, chaos, tmp_path_factory):
    ending = Host(start, chaos, tmp_path_factory.mktemp("ending"))
    with ending.tunnel("/ws/switch/echo") as c:
        began = time.monotonic()
        ending.daemon.signal()
        assert c.is_gone()
        assert time.monotonic() - began > 0.25
    ending.daemon.wait()


@pytest.mark.parametrize("keys, words", [
    ("upgrade = web socket", "is not the name of a protocol"),
    ("upgrade = h2c", "would be HTTP past all"),
])
def test_mistakes_are_told(tmp_path, keys, words):
    path = tmp_path / "forebay.conf"
    path.write_text("[listen a]\naddress = 127.0.0.1:1\n[upstream u]\nservers = http://127.0.0.1:1\n"
                    "[route r]\nmatch = GET /\nsource = upstream u\n" + keys + "\n")
    code, _, said = run_forebayd("-t", "-c", str(path))
    assert code == 1 and words in said, said


def test_joined_parts_have_no_tunnels(tmp_path):
    path = tmp_path / "forebay.conf"
    path.write_text("[listen a]\naddress = 127.0.0.1:1\n[upstream u]\nservers = http://127.0.0.1:1\n"
                    "[route r]\nmatch = GET /\n[subrequest r.a]\nsource = upstream u\nupgrade = websocket\n")
    code, _, said = run_forebayd("-t", "-c", str(path))
    assert code == 1 and "not for joined parts" in said, said
