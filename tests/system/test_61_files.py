"""Source file as a web server: conditions, ranges, directories, compressed siblings, rules, changes.

Each case cites the section of RFC 9110 that it is about.
"""
import email.utils
import json
import os
import re
import time
import urllib.parse

import pytest

from bed import FACTOR, free_port, run_forebayd, wait_until
from client import Client, metrics
from client2 import Client2

CONF = """
[route plain]
match = GET|HEAD|POST /plain/{path...}
source = file
root = %(root)s

[route rules]
match = GET|HEAD /rules/{path...}
source = file
root = %(root)s
precompressed = br, zstd, gzip
cache_control = no-cache
cache_control.css = public, max-age=31536000, immutable
expires.image = 1h
expires.txt = 1d

[route strict]
match = GET /strict/{path...}
source = file
root = %(root)s
symlinks = no
hidden = yes
index =

[route moving]
match = GET|HEAD /moving/{path...}
source = file
root = %(moving)s
open_files_check = 100ms

[route root]
match = GET|HEAD /{path...}
source = file
root = %(root)s
"""
OLD = 1700000000  # 14 Nov 2023
OLD_DATE = email.utils.formatdate(OLD, usegmt=True)
DATA = bytes(i * 7 % 251 for i in range(5000))
BIG = os.urandom(1 << 16) * 48  # 3 MiB


def put(path, content, when=OLD):
    """A file that was last touched long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (when, when))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("www")
    put(folder / "data", DATA)
    put(folder / "big.bin", BIG)
    put(folder / "empty", b"")
    put(folder / "dir" / "index.html", b"<p>index")
    put(folder / "bare" / "a.txt", b"a")
    put(folder / ".hidden", b"hidden")
    put(folder / ".well-known" / "security.txt", b"Contact: us")
    put(folder / "page.css", b"body { color: red }" * 40)
    put(folder / "page.css.br", b"br of css")
    put(folder / "page.css.gz", b"gz of css")
    put(folder / "only.txt", b"only" * 30)
    put(folder / "only.txt.zst", b"zst of txt", OLD + 5)
    put(folder / "late.js.gz", b"no original")
    put(folder / "photo.JPG", b"\xff\xd8")
    put(folder.parent / "secret", b"secret")
    (folder / "out").symlink_to(folder.parent / "secret")
    (folder / "in").symlink_to("data")
    return folder


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    return tmp_path_factory.mktemp("moving")


@pytest.fixture(scope="module")
def daemon(start, root, moving):
    # What was just made becomes settled: entity tags are strong from then on.
    time.sleep(2.1)
    return start(CONF % {"root": root, "moving": moving})


@pytest.fixture
def ask(daemon):
    with Client(daemon.address) as c:
        def ask_one(path, method="GET", **fields):
            lines = ["%s %s HTTP/1.1" % (method, path), "Host: a"]
            lines += ["%s: %s" % (name.replace("_", "-"), value) for name, value in fields.items()]
            c.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
            return c.response(method)
        yield ask_one


def parts_of(response):
    """The parts of multipart/byteranges (RFC 9110 14.6): (first, end, size, bytes) each."""
    boundary = re.fullmatch(r"multipart/byteranges; boundary=([0-9a-f]+)", response.field("content-type")).group(1)
    pieces = (b"\r\n" + response.body).split(b"\r\n--" + boundary.encode())
    assert pieces[0] == b"" and pieces[-1] == b"--\r\n"
    found = []
    for piece in pieces[1:-1]:
        head, body = piece.split(b"\r\n\r\n", 1)
        first, last, size = re.search(rb"Content-Range: bytes (\d+)-(\d+)/(\d+)", head).groups()
        assert b"\r\nContent-Type: " in head
        found.append((int(first), int(last) + 1, int(size), body))
    return found


# --- the head -------------------------------------------------------------------------

def test_the_head_says_what_a_cache_needs(ask):
    """8.8.2, 8.8.3, 14.3"""
    r = ask("/plain/data")
    assert (r.status, r.body) == (200, DATA)
    assert r.field("last-modified") == OLD_DATE
    assert re.fullmatch(r'"[0-9a-f]+\.0-1388"', r.field("etag"))
    assert r.field("accept-ranges") == "bytes"
    assert r.field("content-type") == "application/octet-stream"
    assert r.field("vary") is None and r.field("cache-control") is None and r.field("expires") is None


@pytest.mark.parametrize("path", ["/plain/data", "/plain/big.bin", "/plain/empty", "/rules/page.css", "/plain/none",
                                  "/plain/dir", "/plain/dir/"])
def test_head_is_get_without_the_body(ask, path):
    """9.3.2"""
    got, head = ask(path), ask(path, "HEAD")
    assert head.body == b""
    assert head.status == got.status

    def told(r):
        return [f for f in r.fields if f[0] != "Date"]
    assert told(head) == told(got)


def test_other_methods_are_told_which_there_are(ask):
    """15.5.6"""
    r = ask("/plain/data", "POST", Content_Length=0)
    assert (r.status, r.field("allow")) == (405, "GET, HEAD")


# --- conditions -----------------------------------------------------------------------

BEFORE, AFTER = (email.utils.formatdate(OLD + d, usegmt=True) for d in (-1, 1))
CONDITIONS = [
    ({"If_None_Match": "E"}, 304), ({"If_None_Match": "W/E"}, 304), ({"If_None_Match": "*"}, 304),
    ({"If_None_Match": '"x", E'}, 304), ({"If_None_Match": '"x"'}, 200), ({"If_None_Match": "x E"}, 200),
    ({"If_Match": "E"}, 200), ({"If_Match": "*"}, 200), ({"If_Match": "W/E"}, 412), ({"If_Match": '"x"'}, 412),
    ({"If_Modified_Since": OLD_DATE}, 304), ({"If_Modified_Since": AFTER}, 304), ({"If_Modified_Since": BEFORE}, 200),
    ({"If_Modified_Since": "yesterday"}, 200),
    ({"If_Unmodified_Since": OLD_DATE}, 200), ({"If_Unmodified_Since": BEFORE}, 412),
    ({"If_Unmodified_Since": "tomorrow"}, 200),
    ({"If_Match": "E", "If_Unmodified_Since": BEFORE}, 200), ({"If_Match": "E", "If_None_Match": "E"}, 304),
    ({"If_Match": '"x"', "If_None_Match": "E"}, 412), ({"If_None_Match": '"x"', "If_Modified_Since": AFTER}, 200),
    ({"If_None_Match": "E", "Range": "bytes=0-1"}, 304), ({"If_Match": '"x"', "Range": "bytes=0-1"}, 412),
]


@pytest.mark.parametrize("fields, status", CONDITIONS)
@pytest.mark.parametrize("path", ["/plain/data", "/plain/big.bin"])
def test_conditions_in_their_order(ask, path, fields, status):
    """13.2.2"""
    etag = ask(path, "HEAD").field("etag")
    fields = {name: re.sub("E$", lambda _: etag, value) if "Match" in name else value
              for name, value in fields.items()}
    r = ask(path, **fields)
    assert r.status == status, fields
    assert ask(path, "HEAD", **fields).status == status
    if status == 304:
        assert r.field("etag") == etag and r.body == b""
        assert r.field("content-type") is None and r.field("content-length") is None


def test_a_304_has_what_a_cache_keeps(ask):
    """15.4.5"""
    whole = ask("/rules/only.txt")
    r = ask("/rules/only.txt", If_None_Match=whole.field("etag"))
    assert r.status == 304
    for name in ("etag", "vary"):
        assert r.field(name) == whole.field(name)
    assert r.field("cache-control") == "max-age=86400" and r.field("expires")
    assert r.field("last-modified") is None


# --- ranges ---------------------------------------------------------------------------

@pytest.mark.parametrize("value, first, end", [
    ("bytes=0-0", 0, 1), ("bytes=0-", 0, 5000), ("bytes=4999-", 4999, 5000), ("bytes=-1", 4999, 5000),
    ("bytes=-9999", 0, 5000), ("bytes=10-19", 10, 20), ("bytes=4990-99999999999999999999", 4990, 5000),
    ("bytes=0-9,5-14", 0, 15), ("bytes=0-9, 10-19 ,", 0, 20)])
def test_one_range(ask, value, first, end):
    """14.1.2, 15.3.7.1"""
    r = ask("/plain/data", Range=value)
    assert (r.status, r.body) == (206, DATA[first:end])
    assert r.field("content-range") == "bytes %d-%d/5000" % (first, end - 1)
    assert r.field("etag") and r.field("last-modified") == OLD_DATE
    assert ask("/plain/data", "HEAD", Range=value).status == 200


@pytest.mark.parametrize("value", [
    "bytes=", "bytes=2-1", "lines=1-2", "bytes=a-b", "bytes=1", "bytes=0-1,x",
    "bytes=" + ",".join("%d-%d" % (i * 200, i * 200) for i in range(17)), "bytes=" + "0-0," * 65])
def test_what_is_no_range_is_ignored(ask, value):
    """14.2"""
    r = ask("/plain/data", Range=value)
    assert (r.status, r.body) == (200, DATA)
    assert r.field("content-range") is None


@pytest.mark.parametrize("value", ["bytes=5000-", "bytes=9000-9001", "bytes=-0", "bytes=99999999999999999999-"])
def test_a_range_behind_the_end_is_not_satisfiable(ask, value):
    """15.5.17"""
    r = ask("/plain/data", Range=value)
    assert (r.status, r.field("content-range")) == (416, "bytes */5000")
    assert r.body != DATA


@pytest.mark.parametrize("path, content", [("/plain/data", DATA), ("/plain/big.bin", BIG)])
@pytest.mark.parametrize("wanted", [
    [(0, 10), (1000, 1010)], [(4000, 4500), (0, 1)], [(1000 * i % 4999, 1000 * i % 4999 + 1) for i in range(1, 5)]])
def test_several_ranges(ask, path, content, wanted):
    """14.6, 15.3.7.2"""
    r = ask(path, Range="bytes=" + ",".join("%d-%d" % (first, end - 1) for first, end in wanted))
    assert r.status == 206 and r.field("content-range") is None
    assert parts_of(r) == [(first, end, len(content), content[first:end]) for first, end in wanted]


def test_large_ranges_of_a_large_file(ask):
    """14.6: more than goes in one piece"""
    size = len(BIG)
    wanted = [(size - 700000, size), (1, 900001)]
    r = ask("/plain/big.bin", Range="bytes=-700000,1-900000")
    assert parts_of(r) == [(first, end, size, BIG[first:end]) for first, end in wanted]
    assert ask("/plain/big.bin", Range="bytes=5-").body == BIG[5:]
    assert ask("/plain/big.bin", Range="bytes=300000-999999").body == BIG[300000:1000000]


def test_an_empty_file_has_no_ranges(ask):
    """14.2"""
    for value in ("bytes=0-", "bytes=-1", "bytes=0-0"):
        r = ask("/plain/empty", Range=value)
        assert (r.status, r.body) == (200, b"")


@pytest.mark.parametrize("value, status", [
    ("E", 206), ('"x"', 200), ("W/E", 200), (OLD_DATE, 206), (AFTER, 200), (BEFORE, 200), ("yesterday", 200)])
def test_if_range(ask, value, status):
    """13.1.5"""
    etag = ask("/plain/data").field("etag")
    r = ask("/plain/data", Range="bytes=0-9", If_Range=value.replace("E", etag) if len(value) < 5 else value)
    assert r.status == status
    assert r.body == (DATA[:10] if status == 206 else DATA)


def test_the_same_over_http2(daemon, root):
    """RFC 9113 8.1: all of it, on one connection and at the same time"""
    with Client2(daemon.address) as c:
        etag = c.ask("/plain/data").field("etag")
        asked = [
            ("/plain/data", "GET", (), 200, DATA), ("/plain/big.bin", "GET", (), 200, BIG),
            ("/plain/big.bin", "HEAD", (), 200, b""), ("/plain/empty", "GET", (), 200, b""),
            ("/plain/data", "GET", (("if-none-match", etag),), 304, b""),
            ("/plain/data", "GET", (("if-match", '"x"'),), 412, b"Precondition Failed"),
            ("/plain/data", "GET", (("range", "bytes=7-9"),), 206, DATA[7:10]),
            ("/plain/data", "HEAD", (("range", "bytes=7-9"),), 200, b""),
            ("/plain/big.bin", "GET", (("range", "bytes=5-"),), 206, BIG[5:]),
            ("/plain/data", "GET", (("range", "bytes=9000-"),), 416, b"Range Not Satisfiable"),
            ("/plain/dir?x", "GET", (), 301, b"Moved Permanently"),
            ("/rules/page.css", "GET", (("accept-encoding", "br"),), 200, b"br of css"),
        ]
        streams = [c.request(path, method, *fields) for path, method, fields, _, _ in asked]
        for stream, (path, method, fields, status, body) in zip(streams, asked):
            r = c.answer(stream)
            assert (r.status, len(r.body)) == (status, len(body)), (path, method, fields)
            assert r.body == body
            if status == 301:
                assert r.field("location") == "/plain/dir/?x"
            if method == "HEAD":
                assert int(r.field("content-length")) == len(BIG if "big" in path else DATA)
        r = c.ask("/plain/big.bin", "GET", ("range", "bytes=0-9,1000000-1000009"))
        assert parts_of(r) == [(a, a + 10, len(BIG), BIG[a:a + 10]) for a in (0, 1000000)]


# --- directories, hidden names, links -----------------------------------------------------

@pytest.mark.parametrize("path, location", [
    ("/plain/dir", "/plain/dir/"), ("/plain/dir?a=b&c", "/plain/dir/?a=b&c"), ("/dir", "/dir/"),
    ("/plain/%64ir", "/plain/%64ir/"), ("/x/../dir", "/x/../dir/"), ("/dir?", "/dir/?")])
def test_a_directory_without_its_slash_is_redirected_to_itself(ask, path, location):
    """15.4.2"""
    r = ask(path)
    assert (r.status, r.field("location")) == (301, location)


@pytest.mark.parametrize("path", ["//dir", "//evil/..//dir", "/./" + "/dir", "//evil.example/%2e%2e/dir"])
def test_no_redirect_leads_to_another_host(ask, path):
    r = ask(path)
    assert r.status in (301, 404)
    if r.status == 301:
        assert re.match(r"/[^/\\]", r.field("location"))


@pytest.mark.parametrize("path, status", [
    ("/plain/dir/", 200), ("/plain/bare/", 404), ("/strict/dir/", 404), ("/plain/.hidden", 404),
    ("/plain/dir/../.hidden", 404), ("/plain/%2ehidden", 404), ("/strict/.hidden", 200),
    ("/plain/.well-known/security.txt", 200), ("/plain/in", 200), ("/strict/in", 404), ("/plain/out", 404),
    ("/strict/out", 404), ("/plain/..%2f..%2fsecret", 404), ("/plain/%2e%2e/%2e%2e/secret", 400), ("/plain/data/", 404),
    ("/plain/dir%2Findex.html", 404), ("/plain/data%00.html", 400), ("/plain//data", 404), ("/plain/data/x", 404),
    ("/plain/../../../secret", 400), ("/strict/..%5c..%5csecret", 404)])
def test_only_what_is_meant_to_be_seen_is(ask, path, status):
    assert ask(path).status == status


# --- compressed siblings ----------------------------------------------------------------

@pytest.mark.parametrize("accepts, coding, body", [
    ("gzip, deflate, br, zstd", "br", b"br of css"), ("gzip", "gzip", b"gz of css"), ("zstd", None, None),
    ("br;q=0.1, gzip;q=0.2", "gzip", b"gz of css"), ("br;q=0, *", "gzip", b"gz of css"), ("", None, None),
    ("identity, br;q=0.5", None, None), ("*;q=0", None, None), ("x-gzip", "gzip", b"gz of css")])
def test_a_sibling_is_sent_to_who_takes_it(ask, accepts, coding, body):
    """12.5.3, 12.5.5"""
    plain = ask("/rules/page.css")
    r = ask("/rules/page.css", Accept_Encoding=accepts)
    assert r.status == 200 and r.field("content-encoding") == coding
    assert r.field("vary") == plain.field("vary") == "Accept-Encoding"
    assert r.field("content-type") == "text/css; charset=utf-8"
    assert r.field("cache-control") == "public, max-age=31536000, immutable"
    assert r.body == (body or plain.body)
    assert (r.field("etag") == plain.field("etag")) == (coding is None)


def test_conditions_and_ranges_are_of_the_coding_that_is_sent(ask):
    """8.8.3.3"""
    plain = ask("/rules/only.txt").field("etag")
    r = ask("/rules/only.txt", Accept_Encoding="zstd", If_None_Match=plain)
    assert (r.status, r.body) == (200, b"zst of txt")
    etag = r.field("etag")
    assert ask("/rules/only.txt", Accept_Encoding="zstd", If_None_Match=etag).status == 304
    assert ask("/rules/only.txt", If_None_Match=etag).status == 200
    r = ask("/rules/only.txt", Accept_Encoding="zstd", Range="bytes=0-2", If_Range=etag)
    assert (r.status, r.body, r.field("content-encoding")) == (206, b"zst", "zstd")
    assert r.field("content-range") == "bytes 0-2/10"


def test_a_sibling_does_not_stand_for_what_is_not_there(ask):
    assert ask("/rules/late.js", Accept_Encoding="gzip").status == 404
    r = ask("/rules/late.js.gz", Accept_Encoding="gzip")
    assert (r.status, r.field("content-encoding"), r.field("content-type")) == (200, None, "application/gzip")
    r = ask("/plain/page.css", Accept_Encoding="br")
    assert r.field("content-encoding") is None and r.field("vary") is None


# --- rules ------------------------------------------------------------------------------

@pytest.mark.parametrize("path, cache, seconds", [
    ("page.css", "public, max-age=31536000, immutable", None), ("only.txt", "max-age=86400", 86400),
    ("photo.JPG", "max-age=3600", 3600), ("data", "no-cache", None), ("dir/", "no-cache", None)])
def test_caches_are_told_by_rule(ask, path, cache, seconds):
    """RFC 9111 5.2, 5.3"""
    for _ in range(2):
        r = ask("/rules/" + path)
        assert r.field("cache-control") == cache
        if seconds is None:
            assert r.field("expires") is None
        else:
            expires, date = (email.utils.parsedate_to_datetime(r.field(name)) for name in ("expires", "date"))
            assert abs((expires - date).total_seconds() - seconds) <= 1


# --- changes ----------------------------------------------------------------------------

def settles(ask, path, body):
    """Within the time that an entry is believed, and some."""
    wait_until(lambda: ask(path).body == body, what="the new content")


def test_changes_are_noticed(ask, moving):
    put(moving / "a", b"one")
    first = ask("/moving/a")
    assert first.body == b"one"
    put(moving / "a", b"two")  # in place; size and time are the same
    settles(ask, "/moving/a", b"two")
    put(moving / "b", b"three!")
    os.rename(moving / "b", moving / "a")
    settles(ask, "/moving/a", b"three!")
    os.unlink(moving / "a")
    wait_until(lambda: ask("/moving/a").status == 404, what="404")
    put(moving / "a", b"four")
    settles(ask, "/moving/a", b"four")
    os.unlink(moving / "a")
    (moving / "a").mkdir()
    wait_until(lambda: ask("/moving/a").status == 301, what="a redirect")


def test_what_changed_just_now_has_a_weak_tag_and_then_a_strong_one(ask, moving):
    """8.8.1, 8.8.2.2"""
    path = moving / "fresh"
    path.write_bytes(b"fresh")
    weak = ask("/moving/fresh").field("etag")
    # On a machine that stood still for seconds meanwhile it is strong, rightly.
    if weak.startswith("W/"):
        assert ask("/moving/fresh", If_Match=weak).status == 412
        assert ask("/moving/fresh", If_None_Match=weak).status == 304
        assert ask("/moving/fresh", Range="bytes=0-0", If_Range=weak).status == 200
    wait_until(lambda: not ask("/moving/fresh").field("etag").startswith("W/"), 10, "a strong tag")
    strong = ask("/moving/fresh").field("etag")
    assert "W/" + strong == weak or strong == weak
    assert ask("/moving/fresh", If_None_Match=weak).status == 304


def test_a_large_file_that_is_replaced_while_it_is_sent_is_sent_to_its_end(daemon, moving):
    put(moving / "large", BIG)
    with Client(daemon.address, receive_bytes=65536) as c:
        c.send(b"GET /moving/large HTTP/1.1\r\nHost: a\r\n\r\n")
        c.socket.recv(1)  # it has begun
        put(moving / "next", b"next")
        os.rename(moving / "next", moving / "large")
        with Client(daemon.address) as other:
            def replaced():
                other.send(b"GET /moving/large HTTP/1.1\r\nHost: a\r\n\r\n")
                return other.response("GET").body == b"next"
            wait_until(replaced, what="the new file")
        got = b"H"
        while len(got) < len(BIG):
            got += c.socket.recv(1 << 20)
        assert got.split(b"\r\n\r\n", 1)[1] == BIG[:len(got.split(b"\r\n\r\n", 1)[1])]


def test_a_file_that_is_cut_while_it_is_sent_costs_the_connection(daemon, moving):
    put(moving / "cut", BIG * 8)
    with Client(daemon.address, receive_bytes=65536) as c:
        c.send(b"GET /moving/cut HTTP/1.1\r\nHost: a\r\n\r\n")
        c.socket.recv(1)
        os.truncate(moving / "cut", 1000)
        total, end = 0, time.monotonic() + 20 * FACTOR
        while True:
            got = c.socket.recv(1 << 20)
            total += len(got)
            if not got:
                break
            assert time.monotonic() < end
    assert total < len(BIG) * 8
    with Client(daemon.address) as c:
        def whole():
            c.send(b"GET /moving/cut HTTP/1.1\r\nHost: a\r\n\r\n")
            return len(c.response("GET").body) == 1000
        wait_until(whole, what="the file as it is")


# --- the cache ---------------------------------------------------------------------------

def files_of(daemon):
    return [link for link in daemon.descriptors() if "/" in link and not link.startswith(("/dev", "socket", "/proc"))]


def test_open_files_are_bounded(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    for i in range(60):
        put(folder / ("f%d" % i), bytes(20000))
    admin = free_port()
    daemon = start("[server]\nworkers = 1\n[admin]\nlisten = 127.0.0.1:%d\n[route r]\nmatch = GET /{path...}\n"
                   "source = file\nroot = %s\nopen_files = 8\n" % (admin, folder))
    with Client(daemon.address) as c:
        for i in range(60):
            for path in ("/f%d" % i, "/none%d" % i):
                c.send(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode())
                r = c.response("GET")
                assert r.status == (404 if "none" in path else 200)
        kept = [link for link in files_of(daemon) if str(folder) in link and link != str(folder)]
        assert 1 <= len(kept) <= 8
        seen = metrics(("127.0.0.1", admin))
        looked = sum(seen["forebay_file_lookups_total", (("result", how),)] for how in ("kept", "opened", "waited"))
        assert looked == 120 and seen["forebay_files_closed_total", (("reason", "full"),)] == 52
        # What was closed is opened again.
        c.send(b"GET /f0 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert len(c.response("GET").body) == 20000


def test_descriptors_that_run_out_take_open_files_first(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    for i in range(120):
        put(folder / ("f%d" % i), bytes(20000))
    daemon = start("[server]\nworkers = 1\nmax_connections = 10\n[route r]\nmatch = GET /{path...}\nsource = file\n"
                   "root = %s\nopen_files = 500\n" % folder, files=70)
    with Client(daemon.address) as c:
        for _ in range(2):
            for i in range(120):
                c.send(b"GET /f%d HTTP/1.1\r\nHost: a\r\n\r\n" % i)
                r = c.response("GET")
                assert (r.status, len(r.body)) == (200, 20000)


# --- what is said --------------------------------------------------------------------------

def test_bad_keys_are_told(tmp_path):
    (tmp_path / "c.conf").write_text(
        "[listen a]\naddress = 127.0.0.1:1\n[route r]\nmatch = GET /\nsource = file\nroot = .\n"
        "precompressed = br, lzma\nexpires.css = soon\nsymlinks = maybe\nopen_files = -1\n")
    code, _, said = run_forebayd("-t", "-c", str(tmp_path / "c.conf"))
    assert code == 1
    for line, word in ((7, "lzma"), (8, "soon"), (9, "maybe"), (10, "-1")):
        assert re.search(r"c\.conf:%d: .*%s" % (line, word), said), said


def test_the_dump_has_every_key_and_reads_itself(tmp_path):
    (tmp_path / "c.conf").write_text(
        "[listen a]\naddress = 127.0.0.1:1\n[route r]\nmatch = GET /\nsource = file\nroot = %s\nprecompressed = gzip,br\n"
        "cache_control.css = no-store\nexpires.image = 90s\nexpires = 1h\n" % tmp_path)
    code, dump, said = run_forebayd("--dump", "-c", str(tmp_path / "c.conf"))
    assert code == 0, said
    for line in ("open_files = 512", "open_files_check = 1s", "symlinks = yes", "hidden = no",
                 "cache_control.css = no-store", "expires.image = 90s", "expires = 1h"):
        assert "\n%s\n" % line in dump
    (tmp_path / "d.conf").write_text(dump)
    assert run_forebayd("--dump", "-c", str(tmp_path / "d.conf"))[1] == dump


# --- listings -----------------------------------------------------------------------------

NASTY = ["<b>&\"'.html", "javascript:alert(1)", "a b%2F?#.txt", "ü", "\udcff", "..x", "~"]


@pytest.fixture(scope="module")
def listed(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("listed")
    for name in NASTY:
        put(folder / "sub" / name, b"12345")
    put(folder / "sub" / ".hidden", b"")
    (folder / "sub" / "zdir").mkdir()
    (folder / "sub" / "out").symlink_to("/etc/passwd")
    (folder / "sub" / "in").symlink_to("~")
    os.mkfifo(str(folder / "sub" / "fifo"))
    put(folder / "indexed" / "index.html", b"<p>index")
    for i in range(2100):
        put(folder / "many" / ("f%04d" % i), b"")
    (folder / "sub" / "<i>").mkdir()
    return start("[route r]\nmatch = GET|HEAD /l/{path...}\nsource = file\nroot = %s\nlisting = yes\n" % folder)


def test_a_listing_shows_what_is_served_and_escapes_it(listed):
    with Client(listed.address) as c:
        r = c.ask("/l/sub/")
        assert (r.status, r.field("content-type"), r.field("vary")) == (200, "text/html; charset=utf-8", "Accept")
        page = r.body.decode()
        links = re.findall(r'href="([^"]*)"', page)
        assert links[:3] == ["../", "%3Ci%3E/", "zdir/"]
        assert sorted(urllib.parse.unquote_to_bytes(link) for link in links[3:]) == sorted(
            name.encode("utf-8", "surrogateescape") for name in NASTY[:5] + ["~", "in"])
        assert "<b>" not in page and "<i>" not in page and "\ufffd" in page and "&lt;b&gt;&amp;&quot;&#39;" in page
        for link in links[3:]:
            assert ":" not in link
            assert c.ask("/l/sub/" + link).body == b"12345"
        head = c.ask("/l/sub/", method="HEAD")
        assert (head.status, head.body, head.field("content-length")) == (200, b"", str(len(r.body)))


def test_a_listing_is_json_to_who_asks(listed):
    with Client(listed.address) as c:
        r = c.ask("/l/sub/", "Accept: text/html;q=0.1, application/json")
        assert r.field("content-type") == "application/json"
        rows = {row["name"]: row for row in json.loads(r.body)}
        assert rows["zdir"]["type"] == "directory" and rows["~"] == {
            "name": "~", "type": "file", "size": 5, "modified": OLD}
        assert ".hidden" not in rows and "out" not in rows and "fifo" not in rows


@pytest.mark.parametrize("path, status", [
    ("/l/indexed/", 200), ("/l/none/", 404), ("/l/sub/~/", 404), ("/l/sub", 301), ("/l/.hidden/", 404),
    ("/l/sub/../../", 404), ("/l/", 200), ("/l/sub/fifo/", 404)])
def test_only_directories_without_an_index_are_listed(listed, path, status):
    with Client(listed.address) as c:
        r = c.ask(path)
        assert r.status == status
        assert (b"Index of" in r.body) == (path == "/l/")


def test_a_listing_is_bounded_and_says_so(listed):
    with Client(listed.address) as c:
        page = c.ask("/l/many/").body
        assert page.count(b"<tr>") == 2001 and b"There is more than can be shown." in page
