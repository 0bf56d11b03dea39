"""A hostile upstream that speaks HTTP/2, at the level of frames: a request's path says how it misbehaves.

    u = Upstream2()             # listens on 127.0.0.1:u.port, in threads of this process
    u.seen["connections"]       # what came: connections, requests, resets, pings, goaways
    u.stop()

Modes that misbehave once do so for the first request with that path, so that a test names each of its own.
HPACK is Debian's python3-hpack; frames are packed by client2, so that they can be wrong.
"""
import collections
import hashlib
import json
import socket
import struct
import threading

import hpack

from client2 import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, LARGEST,
                     PING, PREFACE, PRIORITY, PUSH_PROMISE, REFUSED_STREAM, RST_STREAM, SETTINGS,
                     WINDOW_UPDATE, pack, ping, reset, settings, window_update)

MODES = {}
WINDOW = 1 << 20


def mode(handler):
    """Registers a handler under its name: do_a_b is /a-b."""
    MODES[handler.__name__[3:].replace("_", "-")] = handler
    return handler


class Request:
    """One stream."""

    def __init__(self, stream, fields):
        self.stream, self.fields, self.trailers = stream, fields, []
        self.head = dict(fields)
        self.words = self.head[":path"].split("?")[0].strip("/").split("/")
        self.digest, self.length, self.body = hashlib.sha256(), 0, b""
        self.is_whole = False

    def word(self, place, default=None):
        return self.words[place] if len(self.words) > place else default


class Conn:
    """One connection of the server under test."""

    def __init__(self, upstream, sock):
        self.upstream, self.socket = upstream, sock
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.buffer = b""
        self.requests = {}
        self.windows = collections.defaultdict(lambda: self.initial)
        self.initial, self.window = 65535, 65535
        self.out = {}  # bodies that wait for windows: stream -> [bytes, trailers]
        self.is_mute = False
        self.settings = None
        self.lock = threading.RLock()

    # --- sending ------------------------------------------------------------------------

    def send(self, *frames):
        try:
            self.socket.sendall(b"".join(frames))
        except OSError:
            pass

    def block(self, lines):
        return self.encoder.encode([hpack.NeverIndexedHeaderTuple(name, value) for name, value in lines])

    def head(self, stream, status, *lines, end=False):
        self.send(pack(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream,
                       self.block([(":status", str(status)), *lines])))

    def body(self, stream, data, trailers=None):
        """All of it, as windows allow; then the end."""
        with self.lock:
            self.out[stream] = [data, trailers]
            self.pump()

    def pump(self):
        for stream, (data, trailers) in list(self.out.items()):
            while data:
                n = min(len(data), 16384, self.window, self.windows[stream])
                if n <= 0:
                    break
                self.send(pack(DATA, 0, stream, data[:n]))
                self.window -= n
                self.windows[stream] -= n
                data = data[n:]
                self.out[stream][0] = data
            if data:
                continue
            del self.out[stream]
            if trailers:
                self.send(pack(HEADERS, END_HEADERS | END_STREAM, stream, self.block(trailers)))
            else:
                self.send(pack(DATA, END_STREAM, stream))

    def answer(self, stream, body=b"", status=200, *lines, trailers=None):
        with self.lock:
            self.head(stream, status, *lines)
            self.body(stream, body, trailers)

    # --- receiving ------------------------------------------------------------------------

    def exactly(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(1 << 18)
            if not more:
                raise ConnectionError
            self.buffer += more
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def run(self):
        try:
            self.upstream.greet(self)
            if self.exactly(len(PREFACE)) != PREFACE:
                return
            while True:
                head = self.exactly(9)
                payload = self.exactly(int.from_bytes(head[:3], "big"))
                with self.lock:
                    self.take(head[3], head[4], int.from_bytes(head[5:9], "big"), payload)
        except (OSError, ConnectionError):
            pass
        finally:
            self.upstream.left(self)
            self.socket.close()

    def take(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            self.settings = {key: value for key, value in struct.iter_unpack(">HI", payload)}
            self.initial = self.settings.get(INITIAL_WINDOW_SIZE, self.initial)
            self.send(pack(SETTINGS, ACK))
        elif kind == PING and not flags & ACK:
            self.upstream.note("pings")
            if not self.is_mute:
                self.send(ping(payload, ACK))
        elif kind == GOAWAY:
            self.upstream.note("goaways")
            self.upstream.errors.append(struct.unpack_from(">I", payload, 4)[0])
        elif kind == RST_STREAM:
            self.upstream.note("resets")
            self.upstream.resets.append((self.requests[stream].head[":path"] if stream in self.requests else None,
                                         struct.unpack(">I", payload)[0]))
            self.out.pop(stream, None)
        elif kind == WINDOW_UPDATE:
            size = struct.unpack(">I", payload)[0]
            if stream:
                self.windows[stream] += size
            else:
                self.window += size
            self.pump()
        elif kind == HEADERS:
            self.take_head(flags, stream, payload)
        elif kind == DATA:
            self.take_data(flags, stream, payload)

    def take_head(self, flags, stream, block):
        while not flags & END_HEADERS:
            head = self.exactly(9)
            assert head[3] == CONTINUATION
            block += self.exactly(int.from_bytes(head[:3], "big"))
            flags |= head[4] & END_HEADERS
        lines = self.decoder.decode(block)
        if stream in self.requests:
            self.requests[stream].trailers = lines
        else:
            assert stream % 2 and stream > max(self.requests, default=0)
            self.requests[stream] = Request(stream, lines)
            self.upstream.note("requests")
        r = self.requests[stream]
        r.is_whole = bool(flags & END_STREAM)
        if r.is_whole or r.words[0].startswith("early"):
            self.upstream.handle(self, r)

    def take_data(self, flags, stream, data):
        r = self.requests[stream]
        r.digest.update(data)
        r.length += len(data)
        r.body += data[:4096 - len(r.body)]
        if data and self.upstream.is_generous and not r.words[0].startswith("early"):
            self.send(window_update(0, len(data)), window_update(stream, len(data)))
        r.is_whole = bool(flags & END_STREAM)
        if r.is_whole and not r.words[0].startswith("early"):
            self.upstream.handle(self, r)


class Upstream2:
    """`greeting` are the SETTINGS that it begins with; `tls` is an ssl.SSLContext; is_generous: it gives back
    what it takes of its windows."""

    def __init__(self, greeting=None, tls=None, port=0, is_generous=True):
        self.is_generous = is_generous
        self.greeting = settings((INITIAL_WINDOW_SIZE, WINDOW)) if greeting is None else greeting
        self.tls = tls
        self.seen = collections.Counter()
        self.resets, self.errors = [], []
        self.once, self.held, self.deaf, self.conns = set(), {}, {}, []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.is_stopping = False
        threading.Thread(target=self.accept, daemon=True).start()

    def stop(self):
        self.is_stopping = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for conn in list(self.conns):
            conn.socket.close()

    def cut(self):
        """Ends all connections that are there, without a word."""
        with self.lock:
            conns = list(self.conns)
        for conn in conns:
            try:
                conn.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has gone by itself

    def note(self, what):
        with self.lock:
            self.seen[what] += 1

    def is_first(self, path):
        with self.lock:
            first = path not in self.once
            self.once.add(path)
            return first

    def accept(self):
        while not self.is_stopping:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            try:
                sock = self.tls.wrap_socket(sock, server_side=True)
            except OSError:
                return
        conn = Conn(self, sock)
        self.note("connections")
        with self.lock:
            self.conns.append(conn)
            self.seen["open"] += 1
        conn.run()

    def left(self, conn):
        with self.lock:
            self.conns.remove(conn)
            self.seen["open"] -= 1

    def greet(self, conn):
        conn.send(self.greeting, window_update(0, LARGEST - 65535))

    def handle(self, conn, r):
        handler = MODES.get(r.words[0])
        if handler:
            handler(conn, r)
        else:
            conn.answer(r.stream, b"no such mode", 404)

    def let_go(self, name):
        """Answers /hold/NAME."""
        conn, r = self.held.pop(name)
        conn.answer(r.stream, b"let go")


# --- well behaved -------------------------------------------------------------------------

@mode
def do_hello(conn, r):
    conn.answer(r.stream, b"Hello.", 200, ("content-type", "text/plain"))


@mode
def do_heard(conn, r):
    """/heard: what was said, as JSON."""
    conn.answer(r.stream, json.dumps({"fields": r.fields, "trailers": r.trailers, "body": r.body.decode("latin-1"),
                                      "length": r.length, "sha256": r.digest.hexdigest(),
                                      "settings": conn.settings}).encode())


@mode
def do_bytes(conn, r):
    """/bytes/N: so many, without a length."""
    conn.answer(r.stream, b"0123456789abcdef" * (int(r.word(1)) // 16))


@mode
def do_status(conn, r):
    conn.answer(r.stream, b"" if r.word(1) in ("204", "304") else b"status", int(r.word(1)))


@mode
def do_bare(conn, r):
    """A head that ends the stream."""
    conn.head(r.stream, 200, ("x-bare", "yes"), end=True)


@mode
def do_trailers(conn, r):
    conn.answer(r.stream, b"body", 200, trailers=[("x-sum", "12"), ("etag", "x")])


@mode
def do_hints(conn, r):
    """/hints/N: so many interim responses before the final one."""
    for _ in range(int(r.word(1, "1"))):
        conn.head(r.stream, 103, ("link", "</a.css>; rel=preload"), ("x-no", "news"))
    do_hello(conn, r)


@mode
def do_hold(conn, r):
    """/hold/NAME: until let_go(NAME)."""
    conn.upstream.held[r.word(1)] = (conn, r)


# --- it ends, or does not begin -------------------------------------------------------------

@mode
def do_refuse(conn, r):
    """/refuse/ONCE, or /refuse-all: not begun."""
    if conn.upstream.is_first(r.head[":path"]):
        conn.send(reset(r.stream, REFUSED_STREAM))
    else:
        do_heard(conn, r)


@mode
def do_refuse_all(conn, r):
    conn.send(reset(r.stream, REFUSED_STREAM))


@mode
def do_goaway(conn, r):
    """/goaway/NAME: the first such request is above the last id, the connection's others are answered."""
    if conn.upstream.is_first(r.head[":path"]):
        conn.send(pack(GOAWAY, 0, 0, struct.pack(">II", r.stream - 2 if r.stream > 2 else 0, 0)))
    else:
        do_heard(conn, r)


@mode
def do_goaway_after(conn, r):
    """This one is answered, and is the last."""
    conn.send(pack(GOAWAY, 0, 0, struct.pack(">II", r.stream, 0)))
    do_hello(conn, r)


@mode
def do_reset(conn, r):
    """/reset/CODE[/head | /body]"""
    if r.word(2):
        conn.head(r.stream, 200)
    if r.word(2) == "body":
        conn.send(pack(DATA, 0, r.stream, b"some"))
    conn.send(reset(r.stream, int(r.word(1))))


@mode
def do_close(conn, r):
    """/close[/head | /body]"""
    if r.word(1):
        conn.head(r.stream, 200)
    if r.word(1) == "body":
        conn.send(pack(DATA, 0, r.stream, b"some"))
    conn.socket.shutdown(socket.SHUT_RDWR)


@mode
def do_whole_then_close(conn, r):
    """/whole-then-close/N: nothing is missing."""
    conn.head(r.stream, 200)
    left = int(r.word(1))
    conn.send(*[pack(DATA, 0, r.stream, b"x" * min(16384, left - at)) for at in range(0, left, 16384)])
    conn.send(pack(DATA, END_STREAM, r.stream))
    conn.socket.shutdown(socket.SHUT_WR)


@mode
def do_mute(conn, r):
    """From now on no PING is answered."""
    conn.is_mute = True
    do_hello(conn, r)


@mode
def do_early(conn, r):
    """Answers before the body has come, and reads no more of it."""
    do_hello(conn, r)


@mode
def do_early_nothing(conn, r):
    """Takes what its window takes, and says nothing."""


@mode
def do_early_deaf(conn, r):
    """/early-deaf/NAME: reads nothing more of the connection until deaf[NAME][0] is set, some then, all after [1]."""
    until = conn.upstream.deaf[r.word(1)] = [threading.Event() for _ in range(3)]
    until[0].wait(60)
    conn.buffer = conn.exactly(2 << 20) + conn.buffer
    until[2].set()
    until[1].wait(60)


# --- it lies ----------------------------------------------------------------------------------

def head_frames(stream, block):
    """All there is of a message, in frames of the usual size."""
    pieces = [block[at:at + 16384] for at in range(0, len(block), 16384)] or [b""]
    kinds = [HEADERS] + [CONTINUATION] * (len(pieces) - 1)
    return b"".join(pack(kind, (END_STREAM if kind == HEADERS else 0) | (END_HEADERS if piece is pieces[-1] else 0),
                         stream, piece) for kind, piece in zip(kinds, pieces))


def bad_heads(stream, block):
    """name -> frames"""
    ok = (":status", "200")
    lines = {
        "no-status": [("x", "y")],
        "two-status": [ok, ok],
        "status-late": [("x", "y"), ok],
        "status-101": [(":status", "101")],
        "status-word": [(":status", "2xx")],
        "status-large": [(":status", "999")],
        "pseudo": [ok, (":path", "/")],
        "upper": [ok, ("X-Upper", "y")],
        "connection": [ok, ("connection", "close")],
        "chunked": [ok, ("transfer-encoding", "chunked")],
        "upgrade": [ok, ("upgrade", "h2c")],
        "name": [ok, ("a b", "y")],
        "cr": [ok, ("x", "a\rb")],
        "lf": [ok, ("x", "a\nb: c")],
        "nul": [ok, ("x", "a\0b")],
        "two-lengths": [ok, ("content-length", "1"), ("content-length", "1")],
        "length-word": [ok, ("content-length", "one")],
        "large": [ok, *[("x-%d" % i, "y" * 1000) for i in range(20)]],
        "many": [ok, *[("x-%d" % i, "y") for i in range(200)]],
    }
    return {name: head_frames(stream, block(of)) for name, of in lines.items()}


@mode
def do_head(conn, r):
    conn.send(bad_heads(r.stream, conn.block)[r.word(1)])


@mode
def do_length(conn, r):
    """/length/SAID/SENT"""
    conn.head(r.stream, 200, ("content-length", r.word(1)))
    conn.body(r.stream, b"x" * int(r.word(2)))


@mode
def do_body_of_head(conn, r):
    """A body where there can be none."""
    conn.head(r.stream, int(r.word(1)))
    conn.body(r.stream, b"body")


@mode
def do_bad_trailers(conn, r):
    conn.answer(r.stream, b"body", 200, trailers=[(":status", "200")])


# --- it does what ends a connection -----------------------------------------------------------

def offences(stream, block):
    """name -> frames"""
    some = pack(HEADERS, END_HEADERS, stream, block([(":status", "200")]))
    indexed = b"\x88\x40\x01a\x7f\x81\x1e" + b"b" * 285  # a field that goes to the table, and then stands for little
    return {
        "ping": ping() * 2000,
        "settings": settings() * 500,
        "window": some + window_update(stream, 1) * 2000,
        "empty": some + pack(DATA, 0, stream) * 2000,
        "padding": some + pack(DATA, 8, stream, b"\x04\0\0\0\0") * 2000,
        "priority": pack(PRIORITY, 0, stream, b"\0\0\0\0\x10") * 2000,
        "unknown": pack(0xfa, 0, 0, b"?") * 2000,
        "resets": reset(stream - 2) * 2000,
        "idle-reset": reset(stream + 1000),
        "continuation": pack(HEADERS, 0, stream, block([(":status", "200")])) + pack(CONTINUATION, 0, stream) * 2000,
        "bomb": pack(HEADERS, END_HEADERS, stream, indexed + b"\xbe" * 8000),
        "push": pack(PUSH_PROMISE, END_HEADERS, stream, struct.pack(">I", 2) + block([(":method", "GET")])),
        "idle": pack(DATA, 0, stream + 1000, b"stray"),
        "even": pack(HEADERS, END_HEADERS, stream + 1, block([(":status", "200")])),
        "hpack": pack(HEADERS, END_HEADERS, stream, b"\xff\xff\xff\xff\xff"),
        "size": pack(DATA, 0, stream, b"x" * 20000),
        "overflow": window_update(0, LARGEST) * 2,
        "garbage": b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100,
    }


@mode
def do_offend(conn, r):
    conn.send(offences(r.stream, conn.block)[r.word(1)])


@mode
def do_stray(conn, r):
    """DATA on a stream that has ended."""
    conn.answer(r.stream, b"whole")
    conn.send(pack(DATA, 0, r.stream, b"stray") * 1000)
