"""A client of HTTP/2 at the level of frames: it sends what it is told, right or wrong.

What comes back is a list of frames, of which the tests ask in the words of RFC 9113.
HPACK is Debian's python3-hpack; frames are packed here, so that they can be wrong.
"""
import socket
import struct
import time

import hpack

from bed import FACTOR, PATIENCE

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
PRIORITY_UPDATE = 16
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 1, 1, 4, 8, 32
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR,
 REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM) = range(12)
(HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE,
 MAX_HEADER_LIST_SIZE) = range(1, 7)
LARGEST = 2 ** 31 - 1


def pack(kind, flags=0, stream=0, payload=b"", length=None):
    """One frame; `length` is what it says of itself, if that is not the truth."""
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(*pairs):
    return pack(SETTINGS, 0, 0, b"".join(struct.pack(">HI", key, value) for key, value in pairs))


def window_update(stream, increment):
    return pack(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def reset(stream, error=CANCEL):
    return pack(RST_STREAM, 0, stream, struct.pack(">I", error))


def ping(payload=b"12345678", flags=0):
    return pack(PING, flags, 0, payload)


def fields(path="/hello", method="GET", *more, authority="a", scheme="http"):
    """A request's field lines; None leaves a pseudo-field out."""
    pseudo = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)]
    return [line for line in pseudo if line[1] is not None] + list(more)


class Frame:
    def __init__(self, kind, flags, stream, payload):
        self.kind, self.flags, self.stream, self.payload = kind, flags, stream, payload

    @property
    def error(self):
        """Of RST_STREAM and GOAWAY."""
        return struct.unpack_from(">I", self.payload, 4 if self.kind == GOAWAY else 0)[0]

    def __repr__(self):
        return "<frame type %d flags %x stream %d, %d bytes>" % (self.kind, self.flags, self.stream, len(self.payload))


class Answer:
    """What came of one stream: a response, or a reset's error."""

    def __init__(self):
        self.status, self.fields, self.body, self.informed, self.hints = None, [], b"", [], []
        self.trailers, self.error = [], None
        self.is_whole = False

    def field(self, name):
        return next((value for key, value in self.fields if key == name), None)

    @property
    def is_over(self):
        return self.is_whole or self.error is not None


class Client2:
    """One connection. `window` is what the server may send at once; it is opened again as it is used.

    With `tls`, an ssl.SSLContext that offers h2, over TLS.
    """

    def __init__(self, address, greeting=None, window=LARGEST, start=True, tls=None):
        self.socket = socket.create_connection(address, PATIENCE * FACTOR)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket)
            assert self.socket.selected_alpn_protocol() == "h2"
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.decoder.max_header_list_size = 1 << 20
        self.buffer = b""
        self.answers, self.frames = {}, []
        self.goaway = None
        self.is_eof = False
        self.next_stream = 1
        self.sent_on = set()
        self.window = window
        if start:
            self.send(PREFACE + (settings((INITIAL_WINDOW_SIZE, window)) if greeting is None else greeting))
            if window == LARGEST:
                self.send(window_update(0, LARGEST - 65535))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    def send(self, *bytes_to_send):
        self.socket.sendall(b"".join(bytes_to_send))

    def block(self, lines):
        """HPACK without a dynamic table, so that blocks need not be sent."""
        return self.encoder.encode([hpack.NeverIndexedHeaderTuple(name, value) for name, value in lines])

    def headers(self, lines, stream=None, flags=END_STREAM | END_HEADERS):
        """A HEADERS frame, and its stream."""
        if stream is None:
            stream = self.next_stream
            self.next_stream += 2
        return pack(HEADERS, flags, stream, self.block(lines)), stream

    def request(self, path="/hello", method="GET", *more, body=None, **pseudo):
        """Sends a request; its stream."""
        frame, stream = self.headers(fields(path, method, *more, **pseudo),
                                     flags=END_HEADERS | (END_STREAM if body is None else 0))
        parts = [frame]
        if body is not None:
            parts += [pack(DATA, 0, stream, body[at:at + 16384]) for at in range(0, len(body), 16384)]
            parts.append(pack(DATA, END_STREAM, stream))
        self.send(*parts)
        return stream

    # --- what comes -------------------------------------------------------------------------

    def frame(self, seconds=PATIENCE):
        """The next frame, or None at the end of the connection; an assertion when none comes."""
        self.socket.settimeout(seconds * FACTOR)
        while True:
            if len(self.buffer) >= 9:
                size = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) >= 9 + size:
                    head, payload = self.buffer[:9], self.buffer[9:9 + size]
                    self.buffer = self.buffer[9 + size:]
                    stream = int.from_bytes(head[5:9], "big") & LARGEST
                    return self.take(Frame(head[3], head[4], stream, payload))
            try:
                more = self.socket.recv(1 << 18)
            except ConnectionError:
                more = b""
            except socket.timeout:
                raise AssertionError("no frame came; so far: %r" % self.frames[-20:]) from None
            if not more:
                self.is_eof = True
                assert not self.buffer or self.goaway, "cut in mid frame"
                return None
            self.buffer += more

    def take(self, frame):
        self.frames.append(frame)
        answer = self.answers.setdefault(frame.stream, Answer()) if frame.stream else None
        if frame.kind == SETTINGS and not frame.flags & ACK:
            self.reply(pack(SETTINGS, ACK))
        elif frame.kind == PING and not frame.flags & ACK:
            self.reply(ping(frame.payload, ACK))
        elif frame.kind == GOAWAY:
            self.goaway = frame
        elif frame.kind == HEADERS:
            assert frame.flags & END_HEADERS
            lines = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in self.decoder.decode(frame.payload, raw=True)]
            assert all(name == name.lower() for name, _ in lines)
            if answer.status is not None:  # RFC 9113 8.1: trailers, which end the stream
                assert frame.flags & END_STREAM and not any(name.startswith(":") for name, _ in lines)
                answer.trailers, answer.is_whole = lines, True
                return frame
            status = int(lines[0][1])
            assert lines[0][0] == ":status"
            if status < 200:
                answer.informed.append(status)
                answer.hints += lines[1:]
            else:
                answer.status, answer.fields = status, lines[1:]
        elif frame.kind == DATA:
            answer.body += frame.payload
            if self.window == LARGEST and frame.payload:
                self.reply(window_update(0, len(frame.payload)))
        elif frame.kind == RST_STREAM:
            answer.error = frame.error
        if frame.kind in (HEADERS, DATA) and frame.flags & END_STREAM:
            answer.is_whole = True
        return frame

    def reply(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass

    def answer(self, stream, seconds=PATIENCE):
        """All of what comes on a stream."""
        end = time.monotonic() + seconds * FACTOR
        while not self.answers.setdefault(stream, Answer()).is_over:
            assert time.monotonic() < end
            assert self.frame(seconds), "closed before the answer; GOAWAY %r" % (self.goaway and self.goaway.error)
        return self.answers[stream]

    def ask(self, path="/hello", method="GET", *more, **rest):
        return self.answer(self.request(path, method, *more, **rest))

    def until(self, holds, seconds=PATIENCE):
        """Reads until a frame is what is wanted; that frame."""
        while True:
            frame = self.frame(seconds)
            assert frame, "closed before it came"
            if holds(frame):
                return frame

    def end(self, seconds=PATIENCE):
        """Reads to the end of the connection; the error of its GOAWAY, or None without one."""
        while not self.is_eof:
            self.frame(seconds)
        return self.goaway.error if self.goaway else None

    def is_well(self):
        """It still answers."""
        return self.ask("/hello").body == b"Hello."
