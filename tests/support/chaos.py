#!/usr/bin/python3
"""A hostile upstream for system tests: the path of a request says how it misbehaves.

    chaos.py [--port N] [--unix PATH]      prints "chaos: 127.0.0.1:PORT" when it listens

It listens on the loopback alone, ends with its standard input (so that it never outlives
a test that gives it a pipe), and keeps connections alive unless the mode says otherwise.
tests/support/chaos.py --list names the modes.
"""
import argparse
import asyncio
import hashlib
import json
import random
import socket
import ssl
import struct
import sys
import urllib.parse

MODES = {}
SEEN = {"tunnels": 0, "tunnel_bytes": 0, "tunnel_digest": "", "connections": 0, "requests": 0, "open": 0, "most": 0, "cut": 0, "moody": 0, "held": 0, "late": 0}
MOOD = ["json"]
HELD = {}
KEPT = {}
FAILING = {}
HOLDING = set()
PIECE = b"x" * 65536
MIXED = random.Random(1).randbytes(65521)  # of mixed(), whose bytes are at odds with all buffers


class Close(Exception):
    """Ends the connection."""


def mode(words):
    """Registers a handler under its words: the first is the name, the rest says its arguments."""
    def add(handler):
        MODES[words.split()[0]] = (words, handler)
        return handler
    return add


class Request:
    """A parsed request; its body is still in the stream."""

    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ", 2)
        self.fields = [tuple(part.strip() for part in line.split(":", 1))
                       for line in lines[1:] if line]
        path, _, self.query = self.target.partition("?")
        self.trailers = []
        self.words = [word for word in path.split("/") if word]

    def field(self, name):
        """The first value of that name, or an empty text."""
        return next((value for key, value in self.fields if key.lower() == name), "")

    def number(self, place, default):
        """The numeric argument at that place behind the mode's name."""
        return int(self.words[place]) if len(self.words) > place else default


class Conn:
    """One connection and what a mode may do to it."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def request(self):
        """The next request, or None at the end of the stream."""
        try:
            return Request((await self.reader.readuntil(b"\r\n\r\n"))[:-4])
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def body(self, request):
        """Gives the pieces of the request's body."""
        if request.field("transfer-encoding").lower() == "chunked":
            while True:
                size = int(await self.reader.readline(), 16)
                if not size:
                    await self.trailers(request)
                    return
                piece = await self.reader.readexactly(size)
                await self.reader.readexactly(2)
                yield piece
        left = int(request.field("content-length") or 0)
        while left:
            piece = await self.reader.read(min(left, 65536))
            if not piece:
                raise Close
            left -= len(piece)
            yield piece

    async def trailers(self, request):
        """Lines up to the empty one."""
        while (line := (await self.reader.readline()).decode("latin-1").strip()):
            request.trailers.append(tuple(part.strip() for part in line.split(":", 1)))

    async def skip_body(self, request):
        """Reads the request's body and drops it."""
        async for _ in self.body(request):
            pass

    async def send(self, data):
        """Writes and waits until there is room for more."""
        self.writer.write(data if isinstance(data, bytes) else data.encode("latin-1"))
        await self.writer.drain()

    async def head(self, status=200, *fields):
        """A response's head: status and lines."""
        await self.send("HTTP/1.1 %d Chaos\r\n%s\r\n" %
                        (status, "".join(line + "\r\n" for line in fields)))

    async def answer(self, request, body, status=200, media="application/json", *fields):
        """A correct response with a length."""
        body = body if isinstance(body, bytes) else body.encode()
        await self.head(status, "Content-Type: " + media, "Content-Length: %d" % len(body), *fields)
        if request.method != "HEAD":
            await self.send(body)

    async def chunk(self, data):
        """One chunk; an empty one is the end."""
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def reset(self):
        """Closes so that the peer gets a reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        raise Close


# --- well behaved ---------------------------------------------------------------------

@mode("json [WORD...]          the path's words and the query as JSON")
async def do_json(conn, request):
    await conn.skip_body(request)
    await conn.answer(request, json.dumps({"words": request.words[1:], "query": request.query}))


@mode("head                    the request's line and fields as JSON")
async def do_head(conn, request):
    await conn.skip_body(request)
    await conn.answer(request, json.dumps({"method": request.method, "target": request.target,
                                           "version": request.version, "fields": request.fields}))


@mode("heard                   the request's line, fields, body and trailers as JSON")
async def do_heard(conn, request):
    body = b"".join([piece async for piece in conn.body(request)])
    await conn.answer(request, json.dumps({"line": "%s %s %s" % (request.method, request.target, request.version),
                                           "fields": request.fields, "body": body.decode("latin-1"),
                                           "trailers": request.trailers}))


@mode("say HEX [close]         these very bytes, whatever they are")
async def do_say(conn, request):
    await conn.skip_body(request)
    await conn.send(bytes.fromhex(request.words[1]))
    if request.words[2:] == ["close"]:
        raise Close


@mode("raw MEDIA SUBTYPE TEXT  TEXT as it stands, with that media type")
async def do_raw(conn, request):
    await conn.skip_body(request)
    await conn.answer(request, "/".join(request.words[3:]), 200, "/".join(request.words[1:3]))


@mode("status N                that status, with a small body where there may be one")
async def do_status(conn, request):
    await conn.skip_body(request)
    status = request.number(1, 200)
    if status in (204, 304):
        await conn.head(status)
    else:
        await conn.answer(request, json.dumps({"status": status}), status)


@mode("delay MS                answers after MS milliseconds")
async def do_delay(conn, request):
    await conn.skip_body(request)
    await asyncio.sleep(request.number(1, 100) / 1000)
    await conn.answer(request, json.dumps({"delay": request.number(1, 100)}))


@mode("echo                    the body back, in pieces as it comes, chunked")
async def do_echo(conn, request):
    await conn.head(200, "Transfer-Encoding: chunked", "Content-Type: " +
                    (request.field("content-type") or "application/octet-stream"))
    async for piece in conn.body(request):
        await conn.chunk(piece)
    await conn.chunk(b"")


@mode("big BYTES [chunked]     a body of so many bytes")
async def do_big(conn, request):
    await conn.skip_body(request)
    left = request.number(1, 1 << 20)
    chunked = request.words[2:] == ["chunked"]
    await conn.head(200, "Transfer-Encoding: chunked" if chunked else "Content-Length: %d" % left)
    while left and request.method != "HEAD":
        piece = PIECE[:left]
        await (conn.chunk(piece) if chunked else conn.send(piece))
        left -= len(piece)
    if chunked and request.method != "HEAD":
        await conn.chunk(b"")


@mode("mixed BYTES [chunked | cut]  a body in which each piece is another; cut: and one byte that never comes")
async def do_mixed(conn, request):
    await conn.skip_body(request)
    left, how = request.number(1, 1 << 20), request.words[2:]
    chunked = how == ["chunked"]
    await conn.head(200, "Transfer-Encoding: chunked" if chunked else "Content-Length: %d" % (left + (how == ["cut"])))
    while left:
        piece = MIXED[:left]
        await (conn.chunk(piece) if chunked else conn.send(piece))
        left -= len(piece)
    if chunked:
        await conn.send("0\r\nX-Last: word\r\n\r\n")
    if how == ["cut"]:
        raise Close


@mode("count                   how many connections and requests there have been")
async def do_count(conn, request):
    await conn.skip_body(request)
    await conn.answer(request, json.dumps(SEEN))


@mode("mood MODE...            from now on, moody is that mode")
async def do_mood(conn, request):
    await conn.skip_body(request)
    MOOD[:] = request.words[1:]
    await conn.answer(request, json.dumps(MOOD))


@mode("moody                   whatever mood said last; json at first. Counted")
async def do_moody(conn, request):
    SEEN["moody"] += 1
    request.words = MOOD
    await MODES[MOOD[0]][1](conn, request)


@mode("health                  as moody, not counted")
async def do_health(conn, request):
    request.words = MOOD
    await MODES[MOOD[0]][1](conn, request)


@mode("kept NAME [BYTES]       a numbered answer with the lines f=... of the query; 304 if it asks about etag=...")
async def do_kept(conn, request):
    await conn.skip_body(request)
    name = request.words[1]
    KEPT[name] = KEPT.get(name, 0) + 1
    asked = urllib.parse.parse_qs(request.query)
    lines = asked.get("f", [])
    tag = '"%s"' % asked["etag"][0] if "etag" in asked else None
    if tag:
        lines = lines + ["ETag: " + tag]
    if name in HOLDING:
        await held(conn, name)
    if name in FAILING:
        await conn.answer(request, "down", FAILING[name], "text/plain")
    elif request.field("cache-control") == "only-if-cached":
        await conn.answer(request, "nothing is kept here", 504, "text/plain")
    elif tag and request.field("if-none-match") == tag:
        await conn.head(304, "X-Again: yes", *lines)
    else:
        text = "%s %s %s %s" % (name, KEPT[name], request.field("accept-language") or "-",
                                request.field("authorization") or "-")
        grown = KEPT[name] * int(asked.get("grow", ["0"])[0])
        body = text.ljust(max(grown, request.number(2, 0)), "x").encode()
        if "wait" in asked:
            await asyncio.sleep(float(asked["wait"][0]))
        await conn.head(int(asked.get("status", ["200"])[0]), "Content-Type: text/plain",
                        "Content-Length: %d" % len(body), *lines)
        if request.method != "HEAD":
            await conn.send(body[:5] if "cut" in asked else body)
        if "cut" in asked:
            raise Close


@mode("keeping NAME            how often kept NAME was asked")
async def do_keeping(conn, request):
    await conn.skip_body(request)
    await conn.answer(request, json.dumps(KEPT.get(request.words[1], 0)))


@mode("holding NAME...         from now on kept NAME waits until let-go NAME")
async def do_holding(conn, request):
    await conn.skip_body(request)
    HOLDING.update(request.words[1:])
    await conn.answer(request, "{}")


@mode("failing NAME [STATUS]   from now on kept NAME has that status; none: as before")
async def do_failing(conn, request):
    await conn.skip_body(request)
    FAILING.pop(request.words[1], None)
    if request.words[2:]:
        FAILING[request.words[1]] = request.number(2, 503)
    await conn.answer(request, "{}")


@mode("until-close             a body that ends with the connection")
async def do_until_close(conn, request):
    await conn.skip_body(request)
    await conn.head(200, "Content-Type: text/plain")
    await conn.send("until the end")
    raise Close


@mode("interim N               N times 103, then the answer")
async def do_interim(conn, request):
    for _ in range(request.number(1, 1)):
        await conn.head(103, "Link: </style.css>")
    await conn.answer(request, "{}")


@mode("early                   413 before the body is read, then closes")
async def do_early(conn, request):
    await conn.answer(request, "{}", 413)
    raise Close


# --- slow -----------------------------------------------------------------------------

@mode("trickle MS [BYTES]      byte by byte, MS milliseconds apart")
async def do_trickle(conn, request):
    await conn.skip_body(request)
    size = request.number(2, 10)
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + PIECE[:size]:
        await conn.send(bytes([byte]))
        await asyncio.sleep(request.number(1, 1) / 1000)


async def held(conn, name):
    """Waits until that name is let go, or the client leaves."""
    SEEN["held"] += 1
    release = asyncio.ensure_future(HELD.setdefault(name, asyncio.Event()).wait())
    end = asyncio.ensure_future(conn.reader.read(1))
    try:
        await asyncio.wait((release, end), return_when=asyncio.FIRST_COMPLETED)
        if not release.done():
            raise Close
    finally:
        SEEN["held"] -= 1
        release.cancel()
        end.cancel()


@mode("hold NAME [half]        answers, or with the second half of it waits, until let-go NAME. Counted meanwhile")
async def do_hold(conn, request):
    await conn.skip_body(request)
    if request.words[2:] == ["half"]:
        await conn.head(200, "Content-Length: 10")
        await conn.send("12345")
    await held(conn, request.words[1])
    if request.words[2:] == ["half"]:
        await conn.send("67890")
    else:
        await conn.answer(request, json.dumps({"held": request.words[1]}))


@mode("let-go NAME             what is held by that name, and will be, is not any more")
async def do_let_go(conn, request):
    await conn.skip_body(request)
    HELD.setdefault(request.words[1], asyncio.Event()).set()
    await conn.answer(request, "{}")


@mode("hang                    never answers")
async def do_hang(conn, request):
    await conn.skip_body(request)
    await conn.reader.read(1)
    raise Close


@mode("stall                   a head and half of the body, then nothing")
async def do_stall(conn, request):
    await conn.skip_body(request)
    await conn.head(200, "Content-Length: 10")
    await conn.send("12345")
    await conn.reader.read(1)
    raise Close


@mode("deaf                    never reads the body, never answers")
async def do_deaf(conn, request):
    conn.writer.transport.pause_reading()
    await asyncio.sleep(3600)


# --- hostile --------------------------------------------------------------------------

@mode("close                   closes without a byte")
async def do_close(conn, request):
    await conn.skip_body(request)
    raise Close


@mode("reset [head | body]     resets at once, in the head, in the body")
async def do_reset(conn, request):
    await conn.skip_body(request)
    if request.words[1:] == ["head"]:
        await conn.send("HTTP/1.1 200 OK\r\nContent-Le")
    if request.words[1:] == ["body"]:
        await conn.head(200, "Content-Length: 10")
        await conn.send("12345")
    await asyncio.sleep(0.01)
    conn.reset()


@mode("truncate [chunked]      closes in the middle of the body")
async def do_truncate(conn, request):
    await conn.skip_body(request)
    if request.words[1:] == ["chunked"]:
        await conn.head(200, "Transfer-Encoding: chunked")
        await conn.send("a\r\n12345")
    else:
        await conn.head(200, "Content-Length: 10")
        await conn.send("12345")
    raise Close


@mode("lie                     a body longer than its length")
async def do_lie(conn, request):
    await conn.skip_body(request)
    await conn.head(200, "Content-Length: 5")
    await conn.send("1234567890")


@mode("both                    Content-Length beside Transfer-Encoding")
async def do_both(conn, request):
    await conn.skip_body(request)
    await conn.head(200, "Content-Length: 5", "Transfer-Encoding: chunked")
    await conn.send("0\r\n\r\n")


@mode("surplus                 an answer, and a second one that nobody asked for")
async def do_surplus(conn, request):
    await conn.skip_body(request)
    await conn.answer(request, '{"surplus":false}')
    await conn.answer(request, '{"surplus":true}')


@mode("late-surplus MS         the second one comes when the connection is idle. Counted")
async def do_late_surplus(conn, request):
    await conn.skip_body(request)
    await conn.answer(request, '{"surplus":false}')
    await asyncio.sleep(request.number(1, 10) / 1000)
    try:
        await conn.answer(request, '{"surplus":true}')
    finally:
        SEEN["late"] += 1  # the connection may be closed at its first byte


@mode("garbage                 no HTTP at all")
async def do_garbage(conn, request):
    await conn.skip_body(request)
    await conn.send(bytes(range(256)) * 4 + b"\r\n\r\n")


@mode("bad-chunk               a chunk whose size is no number")
async def do_bad_chunk(conn, request):
    await conn.skip_body(request)
    await conn.head(200, "Transfer-Encoding: chunked")
    await conn.send("5\r\n12345\r\nxyz\r\n")


@mode("inject                  a field with a bare CR in its value")
async def do_inject(conn, request):
    await conn.skip_body(request)
    await conn.send("HTTP/1.1 200 OK\r\nA: b\rX-Evil: 1\r\nContent-Length: 0\r\n\r\n")


@mode("huge-head [BYTES]       a head of so many bytes")
async def do_huge_head(conn, request):
    await conn.skip_body(request)
    lines = ["X-%d: %s" % (i, "y" * 90) for i in range(request.number(1, 1 << 17) // 100)]
    await conn.head(200, "Content-Length: 0", *lines)


@mode("many-fields [N]         a head of N fields")
async def do_many_fields(conn, request):
    await conn.skip_body(request)
    await conn.head(200, "Content-Length: 0", *["X: y"] * request.number(1, 1000))


@mode("interim-flood           103 without end")
async def do_interim_flood(conn, request):
    await conn.skip_body(request)
    while True:
        await conn.head(103)


@mode("upgrade                 101 that nobody asked for")
async def do_upgrade(conn, request):
    await conn.skip_body(request)
    await conn.head(101, "Connection: upgrade", "Upgrade: chaos")
    await conn.reader.read(1)
    raise Close


async def take(conn, seen=lambda piece: None):
    """Reads what comes through a tunnel to its end; SEEN says how much it was."""
    digest = hashlib.sha256()
    SEEN["tunnel_bytes"], SEEN["tunnel_digest"] = 0, ""
    while (piece := await conn.reader.read(65536)):
        SEEN["tunnel_bytes"] += len(piece)
        digest.update(piece)
        await asyncio.sleep(0)
        if (answer := seen(piece)):
            await conn.send(answer)
    SEEN["tunnel_digest"] = digest.hexdigest()


async def give(conn, left):
    """So many bytes, and a FIN."""
    while left:
        piece = PIECE[:left]
        await conn.send(piece)
        left -= len(piece)
    conn.writer.write_eof()


@mode("switch HOW [N]          101 to what is asked for, then HOW: echo (back, and 'end.' after the end), "
      "both N (give N bytes and a FIN, take all), take, reset (at the first byte), deaf, close (in peace)")
async def do_switch(conn, request):
    how = request.words[1]
    await conn.head(101, "Connection: Upgrade", "Upgrade: " + request.field("upgrade"),
                    "Sec-WebSocket-Accept: " + request.field("sec-websocket-key"))
    SEEN["tunnels"] += 1
    try:
        if how == "echo":
            await take(conn, lambda piece: piece)
            await conn.send("end.")
        elif how == "both":
            await asyncio.gather(give(conn, request.number(2, 0)), take(conn))
        elif how == "take":
            await take(conn)
        elif how == "deaf":
            conn.writer.transport.pause_reading()
            await HELD.setdefault("deaf", asyncio.Event()).wait()
            conn.writer.transport.resume_reading()
            await take(conn)
        elif how == "reset":
            await conn.reader.read(1)
            conn.reset()
    finally:
        SEEN["tunnels"] -= 1
    raise Close


# --- the server -----------------------------------------------------------------------

async def serve(reader, writer):
    """One connection: requests until it ends."""
    conn = Conn(reader, writer)
    SEEN["connections"] += 1
    SEEN["open"] += 1
    SEEN["most"] = max(SEEN["most"], SEEN["open"])
    try:
        while (request := await conn.request()) is not None:
            SEEN["requests"] += 1
            _, handler = MODES.get(request.words[0] if request.words else "", MODES["json"])
            await handler(conn, request)
            if request.field("connection").lower() == "close":
                break
    except Close:
        pass
    except (ConnectionError, asyncio.IncompleteReadError, ValueError):
        SEEN["cut"] += 1
    finally:
        SEEN["open"] -= 1
        writer.close()


async def end_of_input():
    """Returns when standard input ends; never if it is not a pipe."""
    try:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while await reader.read(4096):
            pass
    except ValueError:
        await asyncio.Event().wait()


def security(options):
    """What TLS shows and asks for; None without a certificate."""
    if not options.tls:
        return None
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(options.tls + ".pem", options.tls + ".key")
    shown.set_alpn_protocols(["http/1.1"])
    if options.clients:
        shown.load_verify_locations(options.clients)
        shown.verify_mode = ssl.CERT_REQUIRED
    if options.tls12:
        shown.maximum_version = ssl.TLSVersion.TLSv1_2
    return shown


async def run(options):
    """Listens, says where, and serves until the end of standard input."""
    if options.unix:
        server = await asyncio.start_unix_server(serve, options.unix)
        where = "unix:" + options.unix
    else:
        server = await asyncio.start_server(serve, "127.0.0.1", options.port, backlog=1024, ssl=security(options))
        where = "%s:%d" % server.sockets[0].getsockname()
    print("chaos:", where, flush=True)
    await end_of_input()
    server.close()


def main():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--unix", metavar="PATH", help="listen there instead")
    parser.add_argument("--tls", metavar="NAME", help="speak TLS with NAME.pem and NAME.key")
    parser.add_argument("--tls12", action="store_true", help="1.2 at most")
    parser.add_argument("--clients", metavar="FILE", help="ask clients for certificates of this authority")
    parser.add_argument("--list", action="store_true", help="name the modes")
    options = parser.parse_args()
    if options.list:
        print("\n".join("/" + words for words, _ in MODES.values()))
        return
    try:
        asyncio.run(run(options))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
