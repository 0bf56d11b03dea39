"""What a client may do on one connection that leads to nothing, and how far each server lets it go."""
import asyncio
import collections
import os
import threading
import time

from benchlib import attacker, case_h2, client, figures, server
from benchlib.attacker import (ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY,
                               RST_STREAM, SETTINGS, WINDOW_UPDATE, Attacker, fields, frame, literal, post, request)

STREAM = 1 << 20  # a number that no flood has used: its last bit is made one
FEW_FILES, IDLE_CONNS = 300, 600
FILE_BYTES = 1 << 20
PIECE_BYTES = 16384
PIECE = bytes(PIECE_BYTES)
HUFFMAN_431 = b"\x69\x90\xff"
FOREBAY_LINES = case_h2.CONF + """\
[route files]
match = GET /files/{path...}
source = file
root = %(files)s/files
[route upload]
match = POST /upload
source = echo
[upstream large]
servers = http://127.0.0.1:%(upstream_port)d
max_connections = 4096
max_pending = 4096
[route proxied]
match = GET /proxied
source = upstream large
"""
NGINX_LINES = case_h2.NGINX_LINES + """\
		location /upload { proxy_pass http://127.0.0.1:%(port)d/; }
		location /proxied { proxy_pass http://127.0.0.1:%(upstream_port)d; }
"""

# run(server) -> Outcome; only: servers that can do it, empty for all.
Probe = collections.namedtuple("Probe", "name run only")
Outcome = collections.namedtuple("Outcome", "sent how extra")


def ids(count):
    return range(1, 2 * count, 2)


def port_of(one):
    return one.h2c_port if one.ready else one.port


def how(c, stream=STREAM | 1):
    """How it ended, in words."""
    if c.error is not None and c.error != 0:
        return "cut: GOAWAY %s" % attacker.ERRORS[min(c.error, len(attacker.ERRORS) - 1)]
    if c.is_over:
        return "cut: closed" + (", GOAWAY NO_ERROR" if c.error == 0 else "")
    return "not cut" if c.is_well(stream) else "not cut, no answer any more"


def flood(units, before=b"", counted=None):
    """A probe of so many units on one connection."""
    def run(one):
        c = Attacker(port_of(one))
        try:
            c.read(0.2)
            c.send(before)
            sent = c.flood(units)
            return Outcome(sent, how(c), "%d answered" % c.seen.get(counted, 0) if counted else "")
        finally:
            c.close()
    return run


def one_request(block, extra=()):
    """A probe of one request with this header block and what follows it; the outcome is its status."""
    def run(one):
        c = Attacker(port_of(one))
        try:
            flags = END_STREAM | (0 if extra else END_HEADERS)
            c.send(frame(HEADERS, flags, 1, block))
            sent = 1 + (c.flood(extra) if extra else 0)
            c.until(lambda: 1 in c.headed or 1 in c.reset, 2)
            if c.is_cut:
                return Outcome(sent, how(c), "")
            if extra and 1 not in c.headed:
                return Outcome(sent, "not cut", "")
            if 1 in c.reset:
                return Outcome(sent, "refused: stream reset", "")
            return Outcome(sent, "answered " + status_of(c.headed.get(1, b"")), "")
        finally:
            c.close()
    return run


def status_of(block):
    """Of a response's header block: indexed, or as digits."""
    known = {0x88: "200", 0x89: "204", 0x8c: "400", 0x8d: "404", 0x8e: "500"}
    if not block:
        return "with nothing"
    if block[0] & 0xe0 == 0x20:  # a change of the table's size
        return status_of(block[1:])
    if block[0] in known:
        return known[block[0]]
    return "431" if b"431" in block[:8] or HUFFMAN_431 in block[:8] else "with an error"


def bomb():
    """One entry of 4,000 bytes, and so many references to it as a frame holds."""
    name = b"x" * 10
    value = b"a" * 4000
    length = b"\x7f" + bytes([(4000 - 127) & 0x7f | 0x80, (4000 - 127) >> 7])
    entry = b"\x40" + bytes([len(name)]) + name + length + value
    return fields() + entry + b"\xbe" * (16384 - len(fields()) - len(entry))


def closed_windows(path, is_secure=False, conns=20, each=100):
    """Streams whose windows are never opened; what is kept for them shows in the memory."""
    def run(one):
        port = one.tls_port if is_secure else port_of(one)
        clients = []
        try:
            for _ in range(conns):
                c = Attacker(port, 0, is_secure)
                clients.append(c)
                c.read(0.2)
                for stream in ids(each):
                    c.send(request(stream, path))
            end, late = time.monotonic() + 10, None
            while time.monotonic() < min(end, late or end):
                for c in clients:
                    c.read(0.002)
                if not late and all(len(c.headed) == each for c in clients):
                    late = time.monotonic() + 1
            return Outcome(conns * each, "%d of %d answered with a head" % (
                sum(len(c.headed) for c in clients), conns * each), "")
        finally:
            for c in clients:
                c.close()
    return run


def few_files(one):
    """With a few descriptors: idle connections take them all; then others ask."""
    one.wrapper, one.words["nofile"] = ["prlimit", "--nofile=%d:%d" % (FEW_FILES, FEW_FILES)], FEW_FILES
    one.restart()
    idle, answered, worst = [], 0, 0.0
    try:
        for _ in range(IDLE_CONNS):
            try:
                c = Attacker(port_of(one))
            except OSError:
                continue
            idle.append(c)
            c.send(request(1))
            c.until(lambda c=c: 1 in c.headed, 0.02)
        for _ in range(10):
            begun = time.monotonic()
            try:
                c = Attacker(port_of(one))
                c.send(request(1))
                answered += c.until(lambda c=c: 1 in c.headed, 1)
                c.close()
            except OSError:
                pass
            worst = max(worst, time.monotonic() - begun)
        alive = ""
        if one.name == figures.OURS:
            alive = client.get(one.admin_port, "/livez", 2).split(b"\r\n", 1)[0].decode()
            alive = "probe: " + alive.split(" ", 1)[1]
        return Outcome(len(idle), "%d of 10 new clients answered, slowest %.0f ms" % (answered, worst * 1000), alive)
    finally:
        for c in idle:
            c.close()
        one.wrapper, one.words["nofile"] = [], 20000
        one.restart()


def short(stream):
    """A request that announces a body of one byte."""
    return frame(HEADERS, END_HEADERS, stream, fields(b"/upload", True) + literal(b"content-length", b"1"))


def pairs(second, first=request):
    return [first(stream) + second(stream) for stream in ids(20000)]


MANY = 100000
PROBES = (
    Probe("rapid reset", flood(pairs(lambda s: frame(RST_STREAM, 0, s, CANCEL.to_bytes(4, "big")))), ()),
    Probe("MadeYouReset (WINDOW_UPDATE of 0)", flood(pairs(lambda s: frame(WINDOW_UPDATE, 0, s, bytes(4)), post)), ()),
    Probe("MadeYouReset (body beyond its length)", flood(pairs(lambda s: frame(DATA, 0, s, b"xx"), short)), ()),
    Probe("MadeYouReset (frame after the end)", flood(pairs(lambda s: frame(DATA, 0, s, b"x"))), ()),
    Probe("PING", flood([frame(PING, 0, 0, b"12345678")] * MANY, counted=(PING, ACK)), ()),
    Probe("SETTINGS", flood([frame(SETTINGS)] * MANY, counted=(SETTINGS, ACK)), ()),
    Probe("WINDOW_UPDATE", flood([frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1")] * MANY), ()),
    Probe("unknown frames", flood([frame(0xbe, 0, 0, b"12345678")] * MANY), ()),
    Probe("PING ACKs", flood([frame(PING, ACK, 0, b"12345678")] * MANY), ()),
    Probe("empty DATA", flood([frame(DATA, 0, 1)] * MANY, before=post(1)), ()),
    Probe("PRIORITY", flood([frame(PRIORITY, 0, s, b"\0\0\0\0\x10") for s in range(1, 2 * MANY, 2)]), ()),
    Probe("1,600 tiny fields", one_request(fields() + literal(b"a", b"") * 1600), ()),
    Probe("CONTINUATION, empty", one_request(fields(), [frame(CONTINUATION, 0, 1)] * MANY), ()),
    Probe("CONTINUATION, a field each", one_request(fields(), [frame(CONTINUATION, 0, 1, literal(b"a", b"b"))] * MANY),
          ()),
    Probe("HPACK bomb", one_request(bomb()), ()),
    Probe("windows never opened, a file", closed_windows(b"/files/1m.bin"), ()),
    Probe("windows never opened, a file, TLS", closed_windows(b"/files/1m.bin", True), ("forebay", "nginx", "h2o")),
    Probe("windows never opened, proxied", closed_windows(b"/proxied"), ("forebay", "nginx")),
    Probe("%d idle, %d descriptors" % (IDLE_CONNS, FEW_FILES), few_files, ("forebay", "nginx", "nghttpd", "h2o")),
)


class Large(threading.Thread):
    """An upstream whose every answer is 1 MiB, however slowly it is taken."""

    def __init__(self):
        super().__init__(daemon=True)
        self.port, self.is_ready = None, threading.Event()
        self.start()
        self.is_ready.wait()

    @staticmethod
    async def serve(reader, writer):
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % FILE_BYTES)
                for _ in range(FILE_BYTES // PIECE_BYTES):
                    writer.write(PIECE)
                    await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    async def listen(self):
        listener = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=4096)
        self.port = listener.sockets[0].getsockname()[1]
        self.is_ready.set()
        await listener.serve_forever()

    def run(self):
        asyncio.run(self.listen())


def make_folder(folder):
    """A file for the windows, readable for everybody."""
    case_h2.make_folder(folder)
    os.mkdir(os.path.join(folder, "files"), 0o755)
    path = os.path.join(folder, "files", "1m.bin")
    with open(path, "wb") as stream:
        stream.write(os.urandom(FILE_BYTES))
    os.chmod(path, 0o644)


def start(s):
    """Every server that speaks HTTP/2 in clear text."""
    make_folder(s.folder)
    return s.start("h2", upstream_port=Large().port, **{
        "more.forebay": FOREBAY_LINES, "inside.nginx": NGINX_LINES, "inside.haproxy": case_h2.HAPROXY_LINES,
        "more.h2o": case_h2.H2O_LINES, "nghttpd_options": "--no-tls", "nghttpd_key": "", "nghttpd_certificate": ""})


def is_alive(one):
    """Whether another client is answered."""
    try:
        if one.ready:
            return client.get(one.port, one.ready).startswith(b"HTTP/1.1 200 ")
        c = Attacker(one.port)
        try:
            return c.is_well(1)
        finally:
            c.close()
    except OSError:
        return False


class Row:
    """One probe against one server, measured."""

    def __init__(self, probe, one):
        self.probe, self.name = probe.name, one.name
        one.restart()  # so that what it has kept from before is no excuse
        is_alive(one)
        memory, cpu, begun = one.anonymous_bytes(), one.cpu_ns(), time.monotonic()
        meter = server.Meter(one)
        self.outcome = probe.run(one)
        peak = meter.stop()
        self.seconds = time.monotonic() - begun
        self.cpu_ms = max(0, one.cpu_ns() - cpu) / 1e6
        self.grown = max(0, peak - memory)
        self.is_alive = is_alive(one)

    def words(self):
        return (self.probe, self.name, str(self.outcome.sent), self.outcome.how +
                (", " + self.outcome.extra if self.outcome.extra else "") + ("" if self.is_alive else "; SERVER GONE"),
                "%.1f" % (self.grown / (1 << 20)), "%.0f" % self.cpu_ms, "%.2f" % self.seconds)


HEADINGS = ("probe", "server", "sent", "how it ended", "MiB more", "CPU ms", "s")


def budgets(s, say, only=""):
    """All probes against all servers, or those with this in their names; the rows."""
    rows = []
    servers = start(s)
    for probe in PROBES:
        if only not in probe.name:
            continue
        for one in servers:
            if probe.only and one.name not in probe.only:
                continue
            try:
                rows.append(Row(probe, one).words())
            except (OSError, server.Unavailable) as why:
                rows.append((probe.name, one.name, "", "broken: %s" % why, "", "", ""))
            say("  ".join(rows[-1]))
    return rows
