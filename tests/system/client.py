"""A client that sends bytes as they are and takes no response but a correct one.

    c = Client(daemon.address)
    c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    r = c.response()            # status, fields, body by its framing
    assert c.is_closed()        # nothing behind it but the server's FIN

What RFC 9112 forbids to a server is an AssertionError here.
"""
import re
import select
import socket
import struct
import time

from bed import FACTOR, PATIENCE

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) ([\x20-\x7e]*)\Z")
FIELD_LINE = re.compile(rb"(" + TOKEN + rb"): ([^\x00-\x1f\x7f ](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x1f\x7f ])?)?\Z")
SIZE_LINE = re.compile(rb"[0-9a-fA-F]{1,16}\Z")
ONCE = ("content-length", "content-type", "date", "server", "transfer-encoding", "connection", "allow",
        "forebay-parts", "retry-after", "etag", "last-modified")


class Response:
    """A response that was read whole."""

    def __init__(self, status, reason, fields):
        self.status, self.reason, self.fields = status, reason, fields
        self.body, self.trailers = b"", []
        self.is_chunked = self.ends_with_connection = False

    def field(self, name):
        """The value of a field that comes at most once; None without it."""
        found = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(found) <= 1, "%s comes %d times" % (name, len(found))
        return found[0] if found else None

    def closes(self):
        """Whether it announces that the connection ends."""
        return self.field("connection") == "close"

    def __repr__(self):
        return "<%d %s %r>" % (self.status, self.fields, self.body[:200])


class Client:
    """One connection."""

    def __init__(self, address, timeout=PATIENCE, receive_bytes=None):
        family = (socket.AF_UNIX if isinstance(address, str) else
                  socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.socket = socket.socket(family)
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        if family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.timeout = max(timeout, PATIENCE) * FACTOR
        self.socket.settimeout(self.timeout)
        self.socket.connect(address)
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def close(self):
        """Closes in peace."""
        self.socket.close()

    def reset(self):
        """Closes so that the peer gets a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def finish(self):
        """Our FIN; what the server still sends can be read."""
        self.socket.shutdown(socket.SHUT_WR)

    # --- sending --------------------------------------------------------------------

    def send(self, data):
        """All of it."""
        self.socket.sendall(data)

    def send_slowly(self, data, step=1):
        """In pieces of `step` bytes, each a segment of its own as far as can be."""
        for at in range(0, len(data), step):
            self.socket.sendall(data[at:at + step])
            if step == 1 and at % 16 == 0:
                time.sleep(0.0005)

    def get(self, path, *lines, method="GET", body=b"", host="test"):
        """Sends a correct request; Content-Length comes with a body."""
        head = ["%s %s HTTP/1.1" % (method, path), "Host: " + host, *lines]
        if body:
            head.append("Content-Length: %d" % len(body))
        self.send("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    def ask(self, path, *lines, method="GET", body=b"", host="test"):
        """get(), and its response."""
        self.get(path, *lines, method=method, body=body, host=host)
        return self.response(method)

    # --- receiving ------------------------------------------------------------------

    def more(self):
        """Reads once; False at the server's FIN. A reset is a ConnectionResetError."""
        data = self.socket.recv(65536)
        self.pending += data
        return bool(data)

    def line(self):
        """One line, without its CRLF."""
        while b"\r\n" not in self.pending:
            assert self.more(), "the connection ended in a line: %r" % self.pending
        line, self.pending = self.pending.split(b"\r\n", 1)
        return line

    def exactly(self, count):
        """So many bytes."""
        pieces, left = [self.pending[:count]], count - len(self.pending[:count])
        self.pending = self.pending[count:]
        while left:
            data = self.socket.recv(min(left, 1 << 20))
            assert data, "the connection ended %d bytes early" % left
            pieces.append(data)
            left -= len(data)
        return b"".join(pieces)

    def field_lines(self):
        """Lines up to the empty one, each by its grammar."""
        fields = []
        while True:
            line = self.line()
            if not line:
                return fields
            match = FIELD_LINE.match(line)
            assert match, "a malformed field line: %r" % line
            fields.append((match.group(1).decode(), (match.group(2) or b"").decode("latin-1")))

    def head(self):
        """A status line and fields, those that may come once checked."""
        line = self.line()
        match = STATUS_LINE.match(line)
        assert match, "a malformed status line: %r" % line
        r = Response(int(match.group(1)), match.group(2).decode(), self.field_lines())
        for name in ONCE:
            r.field(name)
        return r

    def take_body(self, r, method):
        """RFC 9112 6.3, in its order."""
        length, coding = r.field("content-length"), r.field("transfer-encoding")
        assert length is None or coding is None, r
        assert length is None or re.fullmatch("[0-9]+", length), r
        if r.status // 100 == 1 or r.status in (204, 304) or method == "HEAD":
            assert r.status not in (204, 101) or length is None and coding is None, r
            return
        if coding is not None:
            assert coding == "chunked", r
            r.is_chunked = True
            while True:
                size = self.line()
                assert SIZE_LINE.match(size), "a malformed chunk size: %r" % size
                if int(size, 16) == 0:
                    r.trailers = self.field_lines()
                    return
                r.body += self.exactly(int(size, 16))
                assert self.exactly(2) == b"\r\n"
        elif length is not None:
            r.body = self.exactly(int(length))
        else:
            assert r.closes(), "a body without framing on a connection that stays: %r" % r
            r.ends_with_connection = True
            while self.more():
                pass
            r.body, self.pending = self.pending, b""

    def response(self, method="GET", interim=None):
        """The next final response; 1xx ones are appended to `interim`, or are not allowed."""
        while True:
            r = self.head()
            if r.status // 100 == 1:
                assert interim is not None, "an interim response that was not asked for: %r" % r
                interim.append(r.status)
                continue
            assert r.field("date"), "no Date: %r" % r
            assert r.field("server"), "no Server: %r" % r
            self.take_body(r, method)
            return r

    def is_closed(self):
        """Waits for the server's FIN; False when it sends anything else or nothing."""
        if self.pending:
            return False
        try:
            return not self.more()
        except socket.timeout:
            return False

    def is_quiet(self, seconds=0.05):
        """Whether it neither sends nor closes for so long."""
        if self.pending:
            return False
        return not select.select([self.socket], [], [], seconds)[0]

    def is_gone(self):
        """Whether it ends, whichever way; what it still sends is dropped."""
        try:
            while self.more():
                self.pending = b""
            return True
        except ConnectionError:
            return True
        except socket.timeout:
            return False


def ask(address, path, *lines, **more):
    """One request on a connection of its own."""
    with Client(address) as c:
        return c.ask(path, *lines, **more)


def metrics(address):
    """What an admin listener shows on /metrics: {(name, ((label, value), ...)): number}."""
    r = ask(address, "/metrics")
    assert r.status == 200, r
    seen = {}
    for line in r.body.decode().splitlines():
        if line and not line.startswith("#"):
            match = re.match(r'([a-z0-9_:]+)(?:\{(.*)\})? (\S+)\Z', line)
            assert match, line
            labels = tuple(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', match.group(2) or ""))
            assert (match.group(1), labels) not in seen, line
            seen[match.group(1), labels] = float(match.group(3))
    return seen
