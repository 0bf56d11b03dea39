"""A client of HTTP/2 that means no good: it sends frames until it is cut, and counts what it got away with."""
import select
import socket
import ssl
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, _, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE = 4
CANCEL = 8
ERRORS = ("NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
          "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM")
WAIT_SECONDS, BATCH_SECONDS = 5, 0.0005


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A field that is not indexed (RFC 7541 6.2.2), both shorter than 127 bytes."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def fields(path=b"/plain", is_post=False):
    """A request's header block."""
    return (b"\x83" if is_post else b"\x82") + b"\x86\x44" + bytes([len(path)]) + path + b"\x41\x01a"


def request(stream, path=b"/plain"):
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, fields(path))


def post(stream, path=b"/upload"):
    """A request whose body is to come."""
    return frame(HEADERS, END_HEADERS, stream, fields(path, True))


class Attacker:
    """One connection; `window` is what each response may send at once."""

    def __init__(self, port, window=None, is_secure=False):
        self.socket = socket.create_connection(("127.0.0.1", port), WAIT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if is_secure:
            about = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            about.check_hostname, about.verify_mode = False, ssl.CERT_NONE
            about.set_alpn_protocols(["h2"])
            self.socket = about.wrap_socket(self.socket)
        self.buffer, self.seen = b"", {}  # frames by type
        self.error, self.is_over = None, False
        self.headed, self.reset = {}, {}  # status bytes and reset's error by stream
        settings = struct.pack(">HI", INITIAL_WINDOW_SIZE, window) if window is not None else b""
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, settings))

    def close(self):
        self.socket.close()

    # --- what comes ---------------------------------------------------------------------

    def take(self, kind, flags, stream, payload):
        answered = (kind, flags & ACK if kind in (PING, SETTINGS) else 0)
        self.seen[answered] = self.seen.get(answered, 0) + 1
        if kind == GOAWAY:
            self.error = struct.unpack_from(">I", payload, 4)[0]
        elif kind == HEADERS:
            self.headed.setdefault(stream, payload)
        elif kind == RST_STREAM:
            self.reset[stream] = struct.unpack(">I", payload)[0]

    def parse(self):
        while len(self.buffer) >= 9:
            end = 9 + int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < end:
                return
            head, payload, self.buffer = self.buffer[:9], self.buffer[9:end], self.buffer[end:]
            self.take(head[3], head[4], int.from_bytes(head[5:9], "big"), payload)

    def read(self, seconds):
        """What is there, or comes within that time. False when there is no more to come."""
        if not self.is_over and select.select([self.socket], [], [], seconds)[0]:
            try:
                more = self.socket.recv(1 << 18)
            except OSError:
                more = b""
            self.is_over = not more
            self.buffer += more
            self.parse()
        return not self.is_over

    @property
    def is_cut(self):
        """A GOAWAY is the end, too: what comes after it is dropped."""
        return self.is_over or self.error not in (None, 0)

    def until(self, holds, seconds):
        """Reads until holds() or the end; whether it held."""
        end = time.monotonic() + seconds
        while not holds() and not self.is_cut and time.monotonic() < end:
            self.read(0.05)
        return holds()

    # --- what goes ----------------------------------------------------------------------

    def send(self, text, is_reading=True):
        """False when it could not be sent."""
        self.socket.setblocking(True)
        self.socket.settimeout(WAIT_SECONDS)
        while text and not self.is_over:
            readable, writable, _ = select.select([self.socket] if is_reading else [], [self.socket], [], WAIT_SECONDS)
            if readable:
                self.read(0)
            if not writable:
                if not readable:
                    return False
                continue
            try:
                self.socket.setblocking(False)
                text = text[self.socket.send(text):]
            except BlockingIOError:
                pass
            except OSError:
                self.is_over = True
            finally:
                self.socket.settimeout(WAIT_SECONDS)
        return not text

    def flood(self, units, batch=50, is_reading=True):
        """Sends units until they are all sent or the connection is cut; how many had gone by then."""
        sent = 0
        while sent < len(units) and not self.is_cut:
            if not self.send(b"".join(units[sent:sent + batch]), is_reading):
                return sent
            sent = min(sent + batch, len(units))
            if is_reading:
                self.read(BATCH_SECONDS)
        if is_reading:
            self.until(lambda: False, 0.2)
        return sent

    def is_well(self, stream):
        """Whether a request on a new stream is still answered."""
        self.send(request(stream))
        return self.until(lambda: stream in self.headed, 2)
