"""Answers that come before the request's body has, and Expect: through a route that passes to an upstream,
over HTTP/1.1 and HTTP/2 on either side. Nobody waits for ever, and no connection with half a request in it
is used again."""
import socket
import threading

import pytest

import bed
from bed import FACTOR, PATIENCE, wait_until
from client import Client
from client2 import CANCEL, DATA, END_HEADERS, END_STREAM, NO_ERROR, RST_STREAM, Client2, fields, pack
from upstream2 import Upstream2

PIECE = b"x" * 16384

CONF = """
[server]
workers = 1
[upstream one]
servers = http://127.0.0.1:%d
[upstream two]
servers = http://127.0.0.1:%d
protocols = h2
[upstream gone]
servers = http://127.0.0.1:%d
[route one]
match = * /one
source = upstream one
max_body = 16m
[route two]
match = * /two/{path...}
source = upstream two
path = /{path}
max_body = 16m
[route gone]
match = POST /gone
source = upstream gone
max_body = 16m
[route hello]
match = GET /hello
source = fixed
body = Hello.
"""


class Seat:
    """One connection of an upstream over HTTP/1.1, played by the test."""

    def __init__(self, sock):
        self.socket, self.rest = sock, b""
        sock.settimeout(PATIENCE * FACTOR)

    def head(self):
        """The next request's head; what came of its body is in rest."""
        while b"\r\n\r\n" not in self.rest:
            more = self.socket.recv(65536)
            assert more, "the connection ended in a head: %r" % self.rest
            self.rest += more
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        return head.decode().lower()

    def body(self, count):
        """So many bytes of it."""
        while len(self.rest) < count:
            more = self.socket.recv(65536)
            assert more, "the connection ended in a body"
            self.rest += more
        body, self.rest = self.rest[:count], self.rest[count:]
        return body

    def say(self, text):
        self.socket.sendall(text)

    def end(self):
        """Reads until the other side has ended the connection; how many bytes came."""
        count = len(self.rest)
        try:
            while more := self.socket.recv(1 << 20):
                count += len(more)
        except ConnectionError:
            pass
        self.socket.close()
        return count


@pytest.fixture(scope="module")
def listener():
    with socket.create_server(("127.0.0.1", 0)) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        s.settimeout(PATIENCE * FACTOR)
        yield s


@pytest.fixture(scope="module")
def server():
    u = Upstream2()
    yield u
    u.stop()


@pytest.fixture(scope="module")
def daemon(start, listener, server):
    return start(CONF % (listener.getsockname()[1], server.port, bed.free_port()))


class Upload1:
    """A POST over HTTP/1.1 that says how many pieces its body has; they come one by one."""

    def __init__(self, daemon, path, pieces, *lines):
        self.client, self.left = Client(daemon.address), pieces
        head = ["POST %s HTTP/1.1" % path, "Host: a", "Content-Length: %d" % (pieces * len(PIECE)), *lines]
        self.client.send("\r\n".join(head).encode() + b"\r\n\r\n")
        self.informed, self.response = [], None

    def piece(self):
        self.left -= 1
        self.client.send(PIECE)

    def answer(self):
        """Status and body."""
        self.response = self.client.response("POST", self.informed)
        return self.response.status, self.response.body

    def invited(self):
        """Waits for the 100."""
        r = self.client.head()
        self.informed.append(r.status)

    def is_over(self):
        """The connection ends, or what is left of the body, if that is not much, is taken for what it is."""
        if self.response.closes():
            return self.client.is_gone()
        while self.left:
            self.piece()
        return self.client.ask("/hello").body == b"Hello."

    def close(self):
        self.client.close()


class Upload2:
    """The same over HTTP/2."""

    def __init__(self, daemon, path, pieces, *lines):
        self.client, self.left = Client2(daemon.address), pieces
        lines = [tuple(line.lower().split(": ")) for line in lines]
        frame, self.stream = self.client.headers(
            fields(path, "POST", ("content-length", str(pieces * len(PIECE))), *lines), flags=END_HEADERS)
        self.client.send(frame)

    def piece(self):
        self.left -= 1
        self.client.send(pack(DATA, 0 if self.left else END_STREAM, self.stream, PIECE))

    def answer(self):
        r = self.client.answer(self.stream)
        return r.status, r.body

    def invited(self):
        self.client.until(lambda frame: frame.stream == self.stream)
        assert self.informed == [100]

    @property
    def informed(self):
        return self.client.answers[self.stream].informed

    def is_over(self):
        """RFC 9113 8.1: the rest is not asked for, and the connection goes on."""
        r = self.client.answers[self.stream]
        if r.error is None:
            self.client.until(lambda frame: frame.kind == RST_STREAM)
        return r.error == NO_ERROR and self.client.is_well()

    def close(self):
        self.client.socket.close()


UPLOADS = pytest.mark.parametrize("upload", [Upload1, Upload2])
EARLY = b"HTTP/1.1 401 Early\r\nContent-Length: 5\r\n\r\nearly"


def take(listener):
    return Seat(listener.accept()[0])


def works(daemon, listener):
    """The route does, over a connection that is new."""
    with Client(daemon.address) as c:
        c.get("/one")
        seat = take(listener)
        assert seat.head().startswith("get /one ")
        seat.say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        assert c.response().body == b"ok"
        seat.end()


@UPLOADS
@pytest.mark.parametrize("closes", [False, True])
def test_an_early_answer_ends_a_body_that_has_begun(daemon, listener, upload, closes):
    u = upload(daemon, "/one", 100)
    u.piece()
    seat = take(listener)
    seat.head()
    seat.say(EARLY)
    if closes:
        seat.socket.close()  # with bytes that were not read: a reset
    assert u.answer() == (401, b"early") and u.informed == []
    if not closes:
        assert seat.end() <= len(PIECE)
    assert u.is_over()
    u.close()
    works(daemon, listener)


def test_an_early_answer_passes_a_body_that_nobody_reads(daemon, listener):
    """HTTP/2 has windows, which keep a client from it."""
    u = Upload1(daemon, "/one", 800)

    def push():
        try:
            while u.left:
                u.piece()
        except OSError:
            pass
    pushing = threading.Thread(target=push)
    pushing.start()
    seat = take(listener)
    seat.head()
    seat.say(EARLY)
    assert u.answer() == (401, b"early")
    assert seat.end() < 800 * len(PIECE)
    assert u.response.closes() and u.is_over()
    pushing.join()
    u.close()
    works(daemon, listener)


@UPLOADS
def test_an_answer_may_begin_early_and_end_late(daemon, listener, upload):
    """Both bodies whole: that connection can be used again, and is."""
    u = upload(daemon, "/one", 3)
    u.piece()
    seat = take(listener)
    seat.head()
    seat.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nearly")
    seat.body(len(PIECE))
    u.piece()
    u.piece()
    seat.body(2 * len(PIECE))
    seat.say(b" late")
    assert u.answer() == (200, b"early late")
    u.close()
    with Client(daemon.address) as c:
        c.get("/one")
        assert seat.head().startswith("get /one ")
        seat.say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        assert c.response().status == 200
    seat.end()


@UPLOADS
def test_an_early_answer_resets_a_stream_to_the_upstream(daemon, server, upload):
    before = len(server.resets)
    u = upload(daemon, "/two/early", 100)
    u.piece()
    assert u.answer() == (200, b"Hello.")
    wait_until(lambda: server.resets[before:] == [("/early", CANCEL)], what="a reset of the rest")
    assert u.is_over()
    u.close()
    with Client(daemon.address) as c:
        assert c.ask("/two/hello").body == b"Hello."
    assert server.seen["connections"] == 1, "the connection was as good as before"


# --- Expect ------------------------------------------------------------------------------

EXPECT = "Expect: 100-continue"


@UPLOADS
def test_an_invitation_comes_from_here_when_the_upstream_is_there(daemon, listener, upload):
    """RFC 9110 10.1.1: Expect is met here; what the upstream says of its own is not said twice."""
    u = upload(daemon, "/one", 2, EXPECT)
    seat = take(listener)
    assert "\r\nexpect:" not in seat.head()
    u.invited()
    assert seat.rest == b""
    seat.say(b"HTTP/1.1 100 Continue\r\n\r\n")
    u.piece()
    u.piece()
    seat.body(2 * len(PIECE))
    seat.say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
    assert u.answer() == (200, b"ok") and u.informed == [100]
    seat.end()
    u.close()


@UPLOADS
@pytest.mark.parametrize("pieces", [2, 100])
def test_a_client_that_waits_to_be_invited_hears_an_early_answer(daemon, listener, upload, pieces):
    """Of a body that will not be read much may be left, or little."""
    u = upload(daemon, "/one", pieces, EXPECT)
    seat = take(listener)
    seat.head()
    seat.say(EARLY)
    assert u.answer() == (401, b"early") and u.informed == [100]
    assert seat.end() == 0, "a part of a body that was never sent"
    assert u.is_over()
    u.close()
    works(daemon, listener)


@UPLOADS
def test_a_client_that_waits_to_be_invited_hears_a_stream_that_is_early(daemon, server, upload):
    u = upload(daemon, "/two/early", 2, EXPECT)
    assert u.answer() == (200, b"Hello.")
    assert u.is_over()
    u.close()


@UPLOADS
def test_nobody_is_invited_where_no_upstream_is(daemon, upload):
    u = upload(daemon, "/gone", 2, EXPECT)
    assert u.answer()[0] == 502 and u.informed == []
    assert u.is_over()
    u.close()
