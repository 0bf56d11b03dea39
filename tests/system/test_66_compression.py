"""Responses compressed on the fly: every coding, source and version of HTTP; what is left alone; who goes early."""
import gzip
import http.server
import os
import random
import shutil
import subprocess
import threading
import time
import zlib

import pytest

from bed import FACTOR, free_port, run_forebayd, wait_until
from client import Client, ask, metrics
from client2 import Client2

BUILT = run_forebayd("--version")[1]
CODINGS = [coding for coding, library, tool in (("gzip", "zlib", None), ("br", "brotli", "brotli"),
                                                ("zstd", "zstd", "zstd"))
           if library in BUILT and (tool is None or shutil.which(tool))]
if not CODINGS:
    pytest.skip("this build compresses nothing", allow_module_level=True)
HAS_H2 = "nghttp2    no" not in BUILT

TOOLS = {"br": ["brotli", "-dc"], "zstd": ["zstd", "-qdc"]}
SIZES = {"tiny": 1100, "medium": 20000, "long": 400000, "large": 1500000}

CONF = """
[server]
workers = 2
[admin]
listen = 127.0.0.1:%(admin)d
[compression]
codings = %(codings)s
min_bytes = 1k
max_streams = 64
[upstream app]
servers = http://127.0.0.1:%(upstream)d
[pool compute]
threads = 2
order = fifo
max_wait = 0
[route fixed]
match = GET|HEAD /fixed/tiny
source = fixed
type = text/plain
header.ETag = "abc"
body = %(tiny)s
compress = yes
[route varying]
match = GET|HEAD /fixed/medium
source = fixed
type = text/plain
body = {query.x}%(medium)s
compress = yes
[route long]
match = GET|HEAD /fixed/large
source = fixed
type = text/css
body = %(long)s
compress = yes
[route file]
match = GET|HEAD /file/{name}
source = file
root = %(root)s
path = {name}
compress = yes
[route app]
match = * /app/{path...}
source = upstream app
compress = yes
[route plain]
match = GET /plain/{path...}
source = upstream app
path = /app/{path}
"""


def text_of(size, seed=1):
    """Words, always the same, of no character that a configuration minds."""
    pick = random.Random(seed)
    words = ["".join(pick.choices("abcdefghijklmnopqrstuvwxyz", k=pick.randint(2, 9))) for _ in range(500)]
    return " ".join(pick.choices(words, k=size // 4))[:size].strip().ljust(size, ".").encode()


TEXTS = {name: text_of(size) for name, size in SIZES.items()}


class App(http.server.BaseHTTPRequestHandler):
    """The upstream: /app/HOW/SIZE[/SEED], or a mood by name."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def head(self, *fields, type_="text/html; charset=utf-8", status=200):
        self.send_response(status)
        self.send_header("Content-Type", type_)
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        words = self.path.split("?")[0].split("/")[2:]
        try:
            getattr(self, "say_" + words[0])(*words[1:])
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def say_length(self, size, seed="1", *fields):
        body = text_of(int(size), int(seed))
        self.head(("Content-Length", size), ("ETag", '"up"'), ("Accept-Ranges", "bytes"), *fields)
        if self.command != "HEAD":
            self.wfile.write(body)

    def say_chunked(self, size, seed="1", most="5000"):
        body, pick = text_of(int(size), int(seed)), random.Random(int(seed))
        self.head(("Transfer-Encoding", "chunked"))
        if self.command == "HEAD":
            return
        while body:
            n = pick.randint(1, int(most))
            self.chunk(body[:n])
            body = body[n:]
        self.chunk(b"")

    def say_close(self, size, seed="1"):
        self.head(("Connection", "close"))
        self.close_connection = True
        if self.command != "HEAD":
            self.wfile.write(text_of(int(size), int(seed)))

    def say_events(self, count):
        self.head(("Transfer-Encoding", "chunked"), type_="text/event-stream")
        for i in range(int(count)):
            self.chunk(b"data: %d\n\n" % i)
            self.server.go_on.acquire()
        self.chunk(b"")

    def say_short(self, size):
        self.head(("Content-Length", size))
        self.wfile.write(text_of(int(size))[:-1])
        self.close_connection = True

    def say_cut(self, size):
        self.head(("Transfer-Encoding", "chunked"))
        self.chunk(text_of(int(size)))
        self.close_connection = True

    def say_endless(self):
        self.head(("Transfer-Encoding", "chunked"))
        while True:
            self.server.given += 65536
            self.chunk(os.urandom(32768).hex().encode())

    def say_field(self, name, value):
        self.say_length("2000", "1", (name, value.replace("%20", " ")))

    def say_type(self, first, second):
        self.head(("Content-Length", "2000"), type_=first + "/" + second)
        self.wfile.write(text_of(2000))

    def say_status(self, status):
        fields = (("Content-Range", "bytes 0-1999/5000"),) if status == "206" else ()
        self.head(*((("ETag", '"up"'),) if status == "304" else (("Content-Length", "2000"),) + fields),
                  status=int(status))
        if status != "304":
            self.wfile.write(text_of(2000))


class Upstream(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


class Bed:
    """The daemon, the upstream, and what was counted."""

    def __init__(self, start, folder):
        self.upstream = Upstream(("127.0.0.1", 0), App)
        self.upstream.go_on = threading.Semaphore(0)
        self.upstream.given = 0
        threading.Thread(target=self.upstream.serve_forever, daemon=True).start()
        for name, text in TEXTS.items():
            (folder / (name + ".txt")).write_bytes(text)
            os.utime(folder / (name + ".txt"), (1e9, 1e9))
        self.folder, self.admin = folder, free_port()
        self.daemon = start(CONF % dict(TEXTS_OF_CONF, admin=self.admin, root=folder, codings=", ".join(CODINGS),
                                        upstream=self.upstream.server_address[1]))

    @property
    def address(self):
        return self.daemon.address

    def get(self, path, *lines, accept=None, method="GET"):
        with Client(self.address, timeout=30) as c:
            return c.ask(path, *lines, *(["Accept-Encoding: " + accept] if accept is not None else []), method=method)

    def counted(self, name, **labels):
        return sum(value for (known, has), value in metrics(("127.0.0.1", self.admin)).items()
                   if known == "forebay_compression_" + name + "_total" and set(labels.items()) <= set(has))


TEXTS_OF_CONF = {name: text.decode() for name, text in TEXTS.items()}


@pytest.fixture(scope="module")
def bed(start, tmp_path_factory):
    made = Bed(start, tmp_path_factory.mktemp("files"))
    yield made
    made.upstream.go_on.release(1000)
    made.upstream.shutdown()
    made.upstream.server_close()


def decode(coding, data):
    if coding == "gzip":
        return gzip.decompress(data)
    return subprocess.run(TOOLS[coding], input=data, stdout=subprocess.PIPE, check=True).stdout


PATHS = {
    "/fixed/tiny": TEXTS["tiny"], "/fixed/medium?x=": TEXTS["medium"], "/fixed/large": TEXTS["long"],
    "/file/tiny.txt": TEXTS["tiny"], "/file/medium.txt": TEXTS["medium"], "/file/large.txt": TEXTS["large"],
    "/app/length/1100": text_of(1100), "/app/length/20000": text_of(20000), "/app/length/1500000": text_of(1500000),
    "/app/chunked/1100": text_of(1100), "/app/chunked/20000": text_of(20000),
    "/app/chunked/300000": text_of(300000), "/app/close/20000": text_of(20000), "/app/close/500000": text_of(500000),
}


# --- round trips ----------------------------------------------------------------------------

@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("coding", CODINGS)
def test_what_comes_is_what_the_source_gave(bed, coding, path):
    before = bed.counted("in_bytes", coding=coding)
    r = bed.get(path, accept=coding)
    assert r.status == 200 and r.field("content-encoding") == coding, r
    assert r.field("vary") == "Accept-Encoding"
    assert len(r.body) < len(PATHS[path])
    assert decode(coding, r.body) == PATHS[path]
    assert bed.counted("in_bytes", coding=coding) == before + len(PATHS[path])


@pytest.mark.skipif(not HAS_H2, reason="this build has no HTTP/2")
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("coding", CODINGS)
def test_the_same_over_http2(bed, coding, path):
    with Client2(bed.address) as c:
        stream = c.request(path, "GET", ("accept-encoding", coding))
        r = c.answer(stream, 30)
    assert r.is_whole and r.status == 200 and r.field("content-encoding") == coding
    assert r.field("vary") == "Accept-Encoding"
    assert decode(coding, r.body) == PATHS[path]


@pytest.mark.parametrize("coding", CODINGS)
def test_random_sizes_over_one_connection(bed, coding):
    pick = random.Random(coding)
    with Client(bed.address, timeout=30) as c:
        for i in range(30):
            size = int(10 ** pick.uniform(3.02, 5.5))
            how = pick.choice(("length/%d/%d", "chunked/%d/%d"))
            r = c.ask("/app/" + how % (size, i + 2), "Accept-Encoding: " + coding)
            assert r.field("content-encoding") == coding
            assert decode(coding, r.body) == text_of(size, i + 2)


def test_a_small_whole_body_has_a_length(bed):
    r = bed.get("/fixed/tiny", accept=CODINGS[0])
    assert not r.is_chunked and int(r.field("content-length")) == len(r.body) < SIZES["tiny"]


def test_an_old_client_gets_it_until_the_end_of_the_connection(bed):
    with Client(bed.address, timeout=30) as c:
        c.send(b"GET /file/large.txt HTTP/1.0\r\nHost: a\r\nAccept-Encoding: %s\r\n\r\n" % CODINGS[0].encode())
        r = c.response()
    assert r.ends_with_connection and r.field("content-encoding") == CODINGS[0]
    assert decode(CODINGS[0], r.body) == TEXTS["large"]


def test_the_client_chooses_and_the_order_decides_between_equals(bed):
    def chosen(accept):
        return bed.get("/file/medium.txt", accept=accept).field("content-encoding")
    assert chosen(", ".join(reversed(CODINGS))) == CODINGS[0]
    assert chosen("*") == CODINGS[0]
    assert chosen("*;q=0, gzip;q=0") is None
    assert chosen(None) is None
    assert chosen("identity") is None
    assert chosen("identity;q=1, *;q=0.5") is None
    assert chosen("unheard-of, %s;q=0.001" % CODINGS[-1]) == CODINGS[-1]
    for coding in CODINGS:
        assert chosen("%s, *;q=0.9" % coding) == coding


# --- heads ------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/fixed/tiny", "/fixed/large", "/file/medium.txt", "/file/large.txt",
                                  "/app/length/20000", "/app/chunked/20000"])
@pytest.mark.parametrize("accept", [CODINGS[0], None])
def test_head_says_what_get_says(bed, path, accept):
    get, head = bed.get(path, accept=accept), bed.get(path, accept=accept, method="HEAD")
    for r in get, head:
        assert r.status == 200 and r.field("vary") == "Accept-Encoding"
    for name in "content-encoding", "etag", "accept-ranges", "content-type":
        assert get.field(name) == head.field(name), name
    if head.field("content-length") is not None:
        assert head.field("content-length") == get.field("content-length")


def test_a_strong_tag_becomes_weak_and_ranges_are_not_announced(bed):
    r = bed.get("/app/length/20000", accept=CODINGS[0])
    assert r.field("etag") == 'W/"up"' and r.field("accept-ranges") is None
    r = bed.get("/app/length/20000")
    assert r.field("etag") == '"up"' and r.field("accept-ranges") == "bytes"
    assert r.field("content-length") == "20000" and r.field("vary") == "Accept-Encoding"


def test_a_304_has_the_tag_of_what_the_client_has(bed):
    assert bed.get("/app/status/304", accept=CODINGS[0]).field("etag") == 'W/"up"'
    assert bed.get("/app/status/304").field("etag") == '"up"'


ALONE = [
    ("/app/status/206", "status"), ("/app/field/Content-Encoding/br", "coded"),
    ("/app/field/Content-Range/bytes%20*!5", "coded"),
    ("/app/field/Cache-Control/max-age=1,%20no-transform", "no_transform"),
    ("/app/field/Repr-Digest/sha-256=:AAAA:", "no_transform"),
    ("/app/type/image/png", "type"), ("/app/type/application/zip", "type"),
    ("/app/length/1023", "min_bytes"),
]


@pytest.mark.parametrize("path,reason", ALONE)
def test_what_is_left_alone(bed, path, reason):
    before = bed.counted("refused", reason=reason)
    r = bed.get(path, accept=", ".join(CODINGS))
    assert r.field("vary") == "Accept-Encoding"
    assert int(r.field("content-length")) == len(r.body)
    assert r.body == text_of(len(r.body))
    if "Content-Encoding" not in path:
        assert r.field("content-encoding") is None
    assert bed.counted("refused", reason=reason) == before + 1


def test_a_route_that_does_not_ask_is_untouched(bed):
    r = bed.get("/plain/length/20000", accept=CODINGS[0])
    assert r.field("content-encoding") is None and r.field("vary") is None and r.field("etag") == '"up"'
    assert r.body == text_of(20000)


# --- streams -------------------------------------------------------------------------------------

@pytest.mark.skipif("gzip" not in CODINGS, reason="this build has no gzip")
def test_events_are_sent_on_while_the_source_waits(bed):
    inflate, said = zlib.decompressobj(31), b""
    with Client(bed.address, timeout=30) as c:
        c.get("/app/events/20", "Accept-Encoding: gzip")
        r = c.head()
        assert r.field("content-encoding") == "gzip" and r.field("transfer-encoding") == "chunked"
        for i in range(20):
            while not said.endswith(b"data: %d\n\n" % i):
                size = int(c.line(), 16)
                said += inflate.decompress(c.exactly(size))
                c.exactly(2)
            bed.upstream.go_on.release()
        while True:
            size = int(c.line(), 16)
            if size == 0:
                break
            said += inflate.decompress(c.exactly(size))
            c.exactly(2)
    assert inflate.eof and said == b"".join(b"data: %d\n\n" % i for i in range(20))


@pytest.mark.parametrize("path", ["/app/length/3000000/5", "/app/chunked/3000000/5/60000"])
@pytest.mark.parametrize("coding", CODINGS)
def test_who_reads_slowly_gets_all_of_it(bed, coding, path):
    with Client(bed.address, timeout=30, receive_bytes=4096) as c:
        c.get(path, "Accept-Encoding: " + coding)
        r = c.head()
        for _ in range(20):
            time.sleep(0.005)
            c.more()
        c.take_body(r, "GET")
    assert decode(coding, r.body) == text_of(3000000, 5)


def test_who_does_not_read_stops_the_source(bed):
    with Client(bed.address, timeout=30, receive_bytes=4096) as c:
        bed.upstream.given = 0
        c.get("/app/endless", "Accept-Encoding: " + CODINGS[0])
        assert c.head().field("content-encoding") == CODINGS[0]
        seen = [-1]

        def has_stopped():
            stands = bed.upstream.given == seen[0]
            seen[0] = bed.upstream.given
            time.sleep(0.3 * FACTOR)
            return stands
        wait_until(has_stopped, 30, "that the source stops")
        assert bed.upstream.given < 40 << 20
        c.reset()


@pytest.mark.parametrize("path", ["/app/short/200000", "/app/cut/200000"])
def test_a_source_that_breaks_off_is_not_taken_for_whole(bed, path):
    with Client(bed.address, timeout=30) as c:
        c.get(path, "Accept-Encoding: " + CODINGS[0])
        r = c.head()
        assert r.field("content-encoding") == CODINGS[0]
        with pytest.raises((AssertionError, ConnectionError)):
            c.take_body(r, "GET")


# --- who goes early --------------------------------------------------------------------------------

def resident(daemon):
    with open("/proc/%d/statm" % daemon.pid, encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def abort_some(bed, times, pick):
    for i in range(times):
        coding = pick.choice(CODINGS)
        path = pick.choice(("/file/large.txt", "/fixed/large", "/app/length/300000", "/app/chunked/100000/1/20000"))
        with Client(bed.address, timeout=30) as c:
            c.get(path, "Accept-Encoding: " + coding)
            for _ in range(i % 4):
                if not c.is_quiet(0.02):
                    assert c.more()
                c.pending = b""
            if i % 2:
                c.reset()


def test_memory_does_not_grow_over_clients_that_go(bed):
    pick = random.Random(3)
    abort_some(bed, 500, pick)
    before = resident(bed.daemon)
    times = 2000 if FACTOR == 1 else 300
    abort_some(bed, times, pick)
    wait_until(lambda: bed.daemon.sockets() < 40, 30, "that all connections have gone")
    if FACTOR == 1:  # sanitizers keep what was freed
        assert resident(bed.daemon) - before < 32 << 20
    r = bed.get("/file/large.txt", accept=CODINGS[0])
    assert decode(CODINGS[0], r.body) == TEXTS["large"]


@pytest.mark.skipif(not HAS_H2, reason="this build has no HTTP/2")
def test_streams_that_are_reset_leave_the_others_alone(bed):
    with Client2(bed.address) as c:
        for i in range(20):
            kept = c.request("/file/large.txt", "GET", ("accept-encoding", CODINGS[i % len(CODINGS)]))
            gone = c.request("/app/length/300000", "GET", ("accept-encoding", CODINGS[0]))
            c.send(b"\0\0\4\3\0" + gone.to_bytes(4, "big") + b"\0\0\0\x08")
            r = c.answer(kept, 30)
            assert decode(CODINGS[i % len(CODINGS)], r.body) == TEXTS["large"]


# --- limits ---------------------------------------------------------------------------------------------

def test_more_streams_than_may_be_go_as_they_are(start, bed, tmp_path_factory):
    admin = free_port()
    daemon = start("""
[server]
workers = 1
[admin]
listen = 127.0.0.1:%d
[compression]
max_streams = 2
[route file]
match = GET /{name}
source = file
root = %s
path = {name}
compress = yes
""" % (admin, bed.folder))
    clients = []
    try:
        for _ in range(6):
            c = Client(daemon.address, timeout=30, receive_bytes=2048)
            clients.append(c)
            c.get("/large.txt", "Accept-Encoding: " + CODINGS[0])
        heads = [c.head() for c in clients]
        coded = [r.field("content-encoding") for r in heads]
        assert coded.count(None) >= 3, coded
        for c, r in zip(clients, heads):
            c.take_body(r, "GET")
            assert (r.body if r.field("content-encoding") is None else decode(CODINGS[0], r.body)) == TEXTS["large"]
    finally:
        for c in clients:
            c.close()
    counted = metrics(("127.0.0.1", admin))
    assert counted["forebay_compression_refused_total", (("reason", "max_streams"),)] == coded.count(None)


def test_a_reload_changes_levels_while_responses_are_under_way(bed, start):
    admin = free_port()
    conf = """
[server]
workers = 1
[admin]
listen = 127.0.0.1:%d
[compression]
codings = %s
%%s
[route file]
match = GET /{name}
source = file
root = %s
path = {name}
compress = yes
""" % (admin, CODINGS[0], bed.folder)
    daemon = start(conf % "min_bytes = 1k")
    listen = "[listen test]\naddress = 127.0.0.1:%d\n" % daemon.port
    with Client(daemon.address, timeout=30, receive_bytes=2048) as slow:
        slow.get("/large.txt", "Accept-Encoding: " + CODINGS[0])
        r = slow.head()
        with open(daemon.path, "w", encoding="utf-8") as file:
            file.write(listen + conf % "min_bytes = 100k")
        daemon.signal(1)
        wait_until(lambda: "reloaded" in daemon.stderr(), 10, "a reload")
        assert ask(daemon.address, "/medium.txt", "Accept-Encoding: " + CODINGS[0]).field("content-encoding") is None
        slow.take_body(r, "GET")
    assert decode(CODINGS[0], r.body) == TEXTS["large"]


MISTAKES = [
    ("[compression]\ncodings = deflate", '[compression] codings: "deflate" is none of zstd, br, gzip'),
    ("[compression]\ncodings = %s, %s" % (CODINGS[0], CODINGS[0]), "is there twice"),
    ("[compression]\ntypes = text", '"text" is no media type'),
    ("[compression]\npool = nowhere", "there is no [pool nowhere]"),
    ("[compression]\nlevel = 3", 'unknown key'),
    ("[compression x]\n", "compression"),
]


@pytest.mark.parametrize("section,told", MISTAKES)
def test_mistakes_are_told(tmp_path, section, told):
    path = tmp_path / "conf"
    path.write_text("[listen a]\naddress = 127.0.0.1:1\n%s\n" % section)
    code, said, more = run_forebayd("-t", "-c", str(path))
    assert code == 1 and told in said + more, said + more


def test_the_defaults_are_in_the_dump_once_a_route_asks(tmp_path):
    path = tmp_path / "conf"
    text = "[listen a]\naddress = 127.0.0.1:1\n[route a]\nmatch = GET /\nsource = fixed\nbody = x\n"
    path.write_text(text)
    assert "[compression]" not in run_forebayd("--dump", "-c", str(path))[1]
    path.write_text(text + "compress = yes\n")
    said = run_forebayd("--dump", "-c", str(path))[1]
    assert "[compression]\ncodings = " in said and "flush_after = 20ms" in said


def test_the_version_names_the_libraries():
    assert "  compress   " in BUILT
