"""HTTP/1.1 and 1.0 over real sockets: what is refused, and what a correct client gets.

The tables of malformed requests say the whole verdict: the status, and that the
connection is closed behind it, so that nothing that follows is taken for a request.
"""
import os
import select
import threading
import time

import pytest

from bed import FACTOR, wait_until
from client import Client, ask

CONF = """
[server]
workers = 2

[limits]
max_header_bytes = 2k
max_headers = 20
max_uri = 512
max_body = 64k

[pool compute]
threads = 1

[pool one]
threads = 1

[upstream chaos]
servers = http://%s

[route hello]
match = GET /hello
source = fixed
body = Hello.

[route posted]
match = POST /hello
source = fixed
body = Posted.

[route empty]
match = GET /empty
source = fixed
status = 204

[route echo]
match = * /echo
source = echo

[route large]
match = * /large
source = echo
max_body = 64m

[route upper]
match = POST /digest
source = compute digest

[route slow]
match = GET /slow
source = compute pbkdf2
pool = one
iterations = 100000000
salt = abc

[route proxy]
match = * /chaos/{path...}
source = upstream chaos
path = /{path}
max_body = 64m

[listen half]
address = unix:%s
half_close = allow
"""


@pytest.fixture(scope="module")
def half_path(tmp_path_factory):
    return str(tmp_path_factory.mktemp("half") / "socket")


@pytest.fixture(scope="module")
def daemon(start, chaos, half_path):
    return start(CONF % (chaos.address, half_path))


@pytest.fixture(scope="module")
def hasty_path(tmp_path_factory):
    return str(tmp_path_factory.mktemp("hasty") / "socket")


@pytest.fixture(scope="module")
def hasty(start, chaos, hasty_path):
    """One whose time-outs are short."""
    return start("""
[limits]
max_body = 64m
header_timeout = 300ms
body_idle_timeout = 300ms
idle_timeout = 400ms
send_idle_timeout = 300ms
[upstream chaos]
servers = http://%s
[route hello]
match = GET /hello
source = fixed
body = Hello.
[route echo]
match = * /echo
source = echo
[route big]
match = GET /big
source = upstream chaos
path = /big/33554432
[listen path]
address = unix:%s
""" % (chaos.address, hasty_path))


# --- malformed requests -----------------------------------------------------------------
# RFC section, what it is, the bytes, the status. All end with a closed connection.

HOST = b"Host: a\r\n"
GET = b"GET /hello HTTP/1.1\r\n"
POST = b"POST /echo HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def get(target, version=b"HTTP/1.1"):
    return b"GET " + target + b" " + version + b"\r\n" + HOST + b"\r\n"


MALFORMED = [
    # The request line.
    ("9112 2.2", "two empty lines before it", b"\r\n\r\n" + get(b"/hello"), 400),
    ("9112 2.2", "a bare LF before it", b"\n" + get(b"/hello"), 400),
    ("9112 2.2", "lines that end with LF alone", b"GET /hello HTTP/1.1\nHost: a\n\n", 400),
    ("9112 2.2", "a bare CR at the end of it", b"GET /hello HTTP/1.1\rHost: a\r\n\r\n", 400),
    ("9112 2.2", "a space before it", b" " + get(b"/hello"), 400),
    ("9112 3", "no version", b"GET /hello\r\n" + HOST + b"\r\n", 400),
    ("9112 3", "two spaces behind the method", get(b" /hello"), 400),
    ("9112 3", "two spaces behind the target", get(b"/hello "), 400),
    ("9112 3", "a tab for a space", b"GET\t/hello HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("9112 3", "a space behind the version", get(b"/hello", b"HTTP/1.1 "), 400),
    ("9110 9.1", "a method that is no token", b"G@T /hello HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("9110 9.1", "no method", b" /hello HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("9110 9.1", "NUL before the method", b"\0" + get(b"/hello"), 400),
    ("9110 9.3.6", "CONNECT", b"CONNECT a:80 HTTP/1.1\r\n" + HOST + b"\r\n", 501),
    ("9112 3", "TLS instead of HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32), 400),
    ("9113 3.4", "almost HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r ", 505),
    # The version.
    ("9110 2.5", "HTTP/2.0", get(b"/hello", b"HTTP/2.0"), 505),
    ("9110 2.5", "HTTP/1.2", get(b"/hello", b"HTTP/1.2"), 505),
    ("9110 2.5", "HTTP/0.9", get(b"/hello", b"HTTP/0.9"), 505),
    ("9112 2.3", "a version of two digits", get(b"/hello", b"HTTP/1.10"), 400),
    ("9112 2.3", "a version in small letters", get(b"/hello", b"http/1.1"), 400),
    ("9112 2.3", "another protocol", get(b"/hello", b"HTTQ/1.1"), 400),
    # The target.
    ("9112 3.2.1", "a path without a slash", get(b"hello"), 400),
    ("9112 3.2.4", "* with GET", get(b"*"), 400),
    ("9112 3.2.3", "authority-form without CONNECT", get(b"a:80"), 400),
    ("9112 3.2.2", "absolute-form of another scheme", get(b"ftp://a/hello"), 400),
    ("9110 4.2.1", "absolute-form without a host", get(b"http:///hello"), 400),
    ("9110 4.2.4", "absolute-form with userinfo", get(b"http://u@a/hello"), 400),
    ("9112 3.2", "a fragment", get(b"/hello#x"), 400),
    ("3986 2", "a byte above 127", get(b"/hello\x80"), 400),
    ("3986 2", "a control", get(b"/hel\x01lo"), 400),
    ("3986 2", "NUL", get(b"/hel\0lo"), 400),
    ("3986 2", "a backslash", get(b"/hel\\lo"), 400),
    ("3986 2", "a quote in the query", get(b'/hello?"'), 400),
    ("3986 2.1", "an escape that is none", get(b"/he%zzllo"), 400),
    ("3986 2.1", "half an escape", get(b"/hello%2"), 400),
    ("3986 2.1", "an escaped NUL", get(b"/he%00llo"), 400),
    ("3986 6.2.2.3", "above the root", get(b"/../hello"), 400),
    ("3986 6.2.2.3", "above the root, escaped", get(b"/%2e%2e/hello"), 400),
    ("9110 15.5.15", "a target above max_uri", get(b"/" + b"a" * 600), 414),
    ("9110 15.5.15", "a target that does not end", b"GET /" + b"a" * 1000, 414),
    # Host.
    ("9112 3.2", "no Host", GET + b"\r\n", 400),
    ("9112 3.2", "Host twice", GET + HOST + HOST + b"\r\n", 400),
    ("9112 3.2", "two different Hosts", GET + HOST + b"Host: b\r\n\r\n", 400),
    ("9112 3.2", "a path in Host", GET + b"Host: a/b\r\n\r\n", 400),
    ("9112 3.2", "a space in Host", GET + b"Host: a b\r\n\r\n", 400),
    ("9112 3.2", "userinfo in Host", GET + b"Host: u@a\r\n\r\n", 400),
    ("9112 3.2", "a port above 65535", GET + b"Host: a:99999\r\n\r\n", 400),
    ("9112 3.2", "a port that is no number", GET + b"Host: a:b\r\n\r\n", 400),
    ("9112 3.2", "half an IPv6 address", GET + b"Host: [::1\r\n\r\n", 400),
    # Field lines.
    ("9112 5.1", "a blank before the colon", GET + HOST + b"X : 1\r\n\r\n", 400),
    ("9112 5.1", "no colon", GET + HOST + b"X\r\n\r\n", 400),
    ("9112 5.1", "no name", GET + HOST + b": 1\r\n\r\n", 400),
    ("9110 5.1", "a name that is no token", GET + HOST + b"X(: 1\r\n\r\n", 400),
    ("9110 5.1", "a byte above 127 in a name", GET + HOST + b"X\x80: 1\r\n\r\n", 400),
    ("9112 5.2", "a folded line", GET + HOST + b"X: 1\r\n 2\r\n\r\n", 400),
    ("9112 2.2", "a blank before the first field", GET + b" Host: a\r\n\r\n", 400),
    ("9110 5.5", "NUL in a value", GET + HOST + b"X: a\0b\r\n\r\n", 400),
    ("9110 5.5", "a bare CR in a value", GET + HOST + b"X: a\rb\r\n\r\n", 400),
    ("9110 5.5", "a bare LF in a value", GET + HOST + b"X: a\nY: b\r\n\r\n", 400),
    ("9110 5.5", "a control in a value", GET + HOST + b"X: a\x01b\r\n\r\n", 400),
    ("9110 5.5", "DEL in a value", GET + HOST + b"X: a\x7fb\r\n\r\n", 400),
    ("9110 5.3", "Content-Type twice", GET + HOST + b"Content-Type: a/a\r\nContent-Type: b/b\r\n\r\n", 400),
    ("6585 5", "a head above max_header_bytes", GET + HOST + b"X: " + b"a" * 3000 + b"\r\n\r\n", 431),
    ("6585 5", "a head that does not end", GET + HOST + b"X: " + b"a" * 3000, 431),
    ("6585 5", "a method that does not end", b"A" * 3000, 431),
    ("6585 5", "fields above max_headers", GET + HOST + b"X: 1\r\n" * 20 + b"\r\n", 431),
    # How long the body is.
    ("9110 8.6", "a length that is no number", POST + b"Content-Length: x\r\n\r\n", 400),
    ("9110 8.6", "a negative length", POST + b"Content-Length: -1\r\n\r\n", 400),
    ("9110 8.6", "a length with a sign", POST + b"Content-Length: +1\r\n\r\na", 400),
    ("9110 8.6", "a length in hexadecimal", POST + b"Content-Length: 0x1\r\n\r\na", 400),
    ("9110 8.6", "a length with a blank in it", POST + b"Content-Length: 1 1\r\n\r\na", 400),
    ("9110 8.6", "an empty length", POST + b"Content-Length:\r\n\r\n", 400),
    ("9110 8.6", "a length above 64 bits", POST + b"Content-Length: 18446744073709551616\r\n\r\na", 400),
    ("9110 8.6", "a length above 63 bits", POST + b"Content-Length: 9223372036854775808\r\n\r\na", 400),
    ("9112 6.3", "a list of equal lengths", POST + b"Content-Length: 1, 1\r\n\r\na", 400),
    ("9112 6.3", "equal lengths twice", POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
    ("9112 6.3", "two different lengths", POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    ("9112 6.1", "a length, then a coding", POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("9112 6.1", "a coding, then a length", POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    ("9112 6.1", "a coding in HTTP/1.0", b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("9112 6.1", "a coding that is not known", POST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
    ("9112 6.1", "identity", POST + b"Transfer-Encoding: identity\r\n\r\n", 501),
    ("9112 6.1", "almost chunked", POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    ("9112 6.1", "chunked and another", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    ("9112 6.1", "chunked not last", POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
    ("9112 6.1", "chunked twice", POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    ("9112 6.1", "chunked on two lines", POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", 400),
    ("9112 7", "chunked with a parameter", POST + b"Transfer-Encoding: chunked;x=1\r\n\r\n0\r\n\r\n", 400),
    ("9112 6.1", "a control before chunked", POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    ("9112 6.1", "an empty coding", POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400),
    ("9112 5.1", "a blank behind Transfer-Encoding", POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    ("9110 10.1.1", "an expectation that is not known", POST + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\n", 417),
    ("9110 10.1.1", "two expectations", POST + b"Expect: 100-continue, x\r\nContent-Length: 1\r\n\r\n", 417),
    # Chunks.
    ("9112 7.1", "a chunk size that is no number", CHUNKED + b"x\r\n", 400),
    ("9112 7.1", "no chunk size", CHUNKED + b"\r\n", 400),
    ("9112 7.1", "a negative chunk size", CHUNKED + b"-1\r\n", 400),
    ("9112 7.1", "a chunk size with 0x", CHUNKED + b"0x1\r\na\r\n", 400),
    ("9112 7.1", "a blank before a chunk size", CHUNKED + b" 1\r\na\r\n", 400),
    ("9112 7.1", "a blank behind a chunk size", CHUNKED + b"1 \r\na\r\n", 400),
    ("9112 7.1", "a chunk size that ends with LF", CHUNKED + b"1\na\r\n", 400),
    ("9112 7.1", "a chunk size above 64 bits", CHUNKED + b"11111111111111111\r\n", 400),
    ("9112 7.1", "a chunk longer than its size", CHUNKED + b"1\r\nab\r\n", 400),
    ("9112 7.1", "a chunk that ends with LF", CHUNKED + b"1\r\na\n0\r\n\r\n", 400),
    ("9112 7.1", "a last chunk that ends with LF", CHUNKED + b"0\n\n", 400),
    ("9112 7.1.1", "LF in a chunk extension", CHUNKED + b"1;x\nb\r\na\r\n0\r\n\r\n", 400),
    ("9112 7.1.1", "a quote that does not end", CHUNKED + b'1;x="\r\na\r\n0\r\n\r\n', 400),
    ("9112 7.1.1", "extensions without end", CHUNKED + b"1;" + b"x" * 9000 + b"\r\n", 413),
    ("9112 7.1.2", "a blank before a trailer's colon", CHUNKED + b"0\r\nX : 1\r\n\r\n", 400),
    ("9112 7.1.2", "a trailer line that is folded", CHUNKED + b"0\r\n X: 1\r\n\r\n", 400),
    ("9112 7.1.2", "NUL in a trailer", CHUNKED + b"0\r\nX: a\0\r\n\r\n", 400),
    ("9112 7.1.2", "trailers without end", CHUNKED + b"0\r\nX: " + b"y" * 9000 + b"\r\n", 413),
    # Too much.
    ("9110 15.5.14", "a length above max_body", POST + b"Content-Length: 100000\r\n\r\n", 413),
    ("9110 15.5.14", "a length above max_body, not wanted", GET + HOST + b"Content-Length: 100000\r\n\r\n", 413),
    ("9110 15.5.14", "chunks above max_body", CHUNKED.replace(b"/echo", b"/digest") + (b"4000\r\n" + b"a" * 0x4000 + b"\r\n") * 5, 413),
]


@pytest.mark.parametrize("sent, status", [row[2:] for row in MALFORMED],
                         ids=["RFC %s: %s" % row[:2] for row in MALFORMED])
def test_a_malformed_request_is_refused_and_the_connection_closed(daemon, sent, status):
    with Client(daemon.address) as c:
        c.send(sent)
        r = c.response()
        assert r.status == status and r.closes()
        assert c.is_closed()
    # What follows in the same write is never taken for a request.
    with Client(daemon.address) as c:
        c.send(sent + get(b"/hello"))
        assert c.response().status == status
        assert c.is_closed()


@pytest.mark.parametrize("sent", [row[2] for row in MALFORMED if row[3] != 413 and len(row[2]) < 600],
                         ids=["RFC %s: %s" % row[:2] for row in MALFORMED if row[3] != 413 and len(row[2]) < 600])
def test_a_malformed_request_in_pieces_meets_the_same_verdict(daemon, sent):
    status = next(row[3] for row in MALFORMED if row[2] == sent)
    with Client(daemon.address) as c:
        try:
            for at in range(0, len(sent), 7):
                c.send(sent[at:at + 7])
                time.sleep(0.0002)
        except ConnectionError:
            pass  # it was refused before its end
        assert c.response().status == status
        assert c.is_closed()


def test_a_refusal_in_mid_upload_ends_the_response_too(daemon):
    """RFC 9112 7.1: when the head has been sent, only a cut connection can tell."""
    with Client(daemon.address) as c:
        c.send(b"POST /large HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1000\r\n" + b"a" * 4096 + b"\r\n")
        assert c.head().status == 200
        c.send(b"zz\r\n")
        assert c.is_gone()
    assert ask(daemon.address, "/hello").status == 200


# --- well-formed requests -----------------------------------------------------------------

def test_a_connection_is_kept_and_used_again(daemon):
    with Client(daemon.address) as c:
        for _ in range(5):
            r = c.ask("/hello")
            assert (r.status, r.body, r.field("connection")) == (200, b"Hello.", None)
        r = c.ask("/hello", "Connection: close")
        assert r.closes() and c.is_closed()


@pytest.mark.parametrize("line", ["Connection: close", "connection: CLOSE", "Connection: keep-alive, close",
                                  "Connection: x\r\nConnection: close"])
def test_close_is_understood_in_every_form(daemon, line):
    with Client(daemon.address) as c:
        assert c.ask("/hello", line).closes()
        assert c.is_closed()


def test_nothing_behind_close_is_a_request(daemon):
    with Client(daemon.address) as c:
        c.send(GET + HOST + b"Connection: close\r\n\r\n" + get(b"/hello"))
        assert c.response().status == 200
        assert c.is_closed()


def test_pipelined_requests_are_answered_in_order(daemon):
    with Client(daemon.address) as c:
        bodies = [b"%d" % i * (i + 1) for i in range(16)]
        c.send(b"".join(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body for body in bodies))
        assert [c.response().body for _ in bodies] == bodies
        # Slow ones and fast ones, sources of every kind: the order is that of the requests.
        c.get("/chaos/delay/60")
        c.get("/hello")
        c.get("/digest", method="POST", body=b"abc")
        c.get("/chaos/json/last")
        assert c.response().body == b'{"delay": 60}'
        assert c.response().body == b"Hello."
        assert c.response().body.startswith(b"ba7816bf8f01cfea")
        assert b"last" in c.response().body


def test_more_pipelined_requests_than_a_turn_takes(daemon):
    with Client(daemon.address) as c:
        sender = threading.Thread(target=c.send, args=(get(b"/hello") * 5000,))
        sender.start()
        for _ in range(5000):
            assert c.response().body == b"Hello."
        sender.join()
        assert c.is_quiet()


def test_http_1_0(daemon):
    with Client(daemon.address) as c:
        c.send(b"GET /hello HTTP/1.0\r\n\r\n")
        r = c.response()
        assert r.body == b"Hello." and r.closes() and c.is_closed()
    with Client(daemon.address) as c:
        for _ in range(3):
            c.send(b"GET /hello HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
            r = c.response()
            assert r.body == b"Hello." and r.field("connection") == "keep-alive"


def test_http_1_0_gets_no_chunks(daemon):
    with Client(daemon.address) as c:
        c.send(b"GET /chaos/big/100000/chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        r = c.response()
        assert r.ends_with_connection and len(r.body) == 100000


def test_head_has_the_fields_of_get_and_no_body(daemon):
    with Client(daemon.address) as c:
        for path in ("/hello", "/chaos/json/a", "/chaos/big/10/chunked", "/nope"):
            head, full = c.ask(path, method="HEAD"), c.ask(path)
            assert head.status == full.status
            # RFC 9110 9.3.2: those that only the body can tell may be left out.
            names = [{key.lower() for key, _ in r.fields} - {"transfer-encoding"} for r in (head, full)]
            assert names[0] == names[1]
            assert head.field("content-length") == full.field("content-length")


@pytest.mark.parametrize("path, status", [("/empty", 204), ("/chaos/status/304", 304), ("/chaos/status/204", 204)])
def test_statuses_without_a_body(daemon, path, status):
    with Client(daemon.address) as c:
        r = c.ask(path)
        assert r.status == status and r.field("transfer-encoding") is None
        assert c.ask("/hello").status == 200


def test_100_continue_comes_when_the_body_is_wanted(daemon):
    with Client(daemon.address) as c:
        for _ in range(2):
            c.send(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            interim = c.head()
            assert (interim.status, interim.fields) == (100, [])
            assert c.is_quiet()
            c.send(b"12345")
            assert c.response().body == b"12345"


def test_100_continue_does_not_come_when_the_body_is_there(daemon):
    with Client(daemon.address) as c:
        c.send(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n12345")
        assert c.response(interim=[]).body == b"12345"


def test_100_continue_does_not_come_when_the_body_is_not_wanted(daemon):
    with Client(daemon.address) as c:
        c.send(b"POST /nope HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        r = c.response()
        assert r.status == 404 and r.closes() and c.is_closed()
    with Client(daemon.address) as c:
        c.send(POST + b"Expect: 100-continue\r\nContent-Length: 100000\r\n\r\n")
        r = c.response()
        assert r.status == 413 and r.closes() and c.is_closed()


def test_100_continue_is_not_for_http_1_0_nor_for_no_body(daemon):
    with Client(daemon.address) as c:
        c.send(b"GET /hello HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\n\r\n")
        assert c.response().status == 200
        c.send(b"POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert c.is_quiet()
        c.send(b"ab")
        assert c.response().body == b"ab"


def test_chunks_come_back(daemon):
    with Client(daemon.address) as c:
        c.send(CHUNKED + b"5\r\nHello\r\n1;a=b;c=\"d\\\"\"\r\n,\r\n0006\r\n world\r\n00\r\nX-Trailer: 1\r\nContent-Length: 99\r\n\r\n")
        assert c.response().body == b"Hello, world"
        assert c.ask("/hello").status == 200


def test_a_chunked_echo_streams(daemon):
    with Client(daemon.address) as c:
        c.send(b"POST /large HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n")
        c.send(b"4\r\nping\r\n")
        r = c.head()
        assert r.status == 200 and r.field("transfer-encoding") == "chunked"
        for word in (b"ping", b"pong"):
            assert c.line() == b"4" and c.exactly(6) == word + b"\r\n"
            if word == b"ping":
                c.send(b"4\r\npong\r\n")
        c.send(b"0\r\n\r\n")
        assert c.line() == b"0" and c.line() == b""


def test_absolute_form_goes_before_host(daemon):
    with Client(daemon.address) as c:
        c.send(b"GET http://other:80/hello HTTP/1.1\r\nHost: a\r\n\r\n")
        assert c.response().body == b"Hello."
        c.send(b"GET HTTP://other/hello?x HTTP/1.1\r\nHost: a\r\n\r\n")
        assert c.response().body == b"Hello."
        c.send(b"GET http://other HTTP/1.1\r\nHost: a\r\n\r\n")
        assert c.response().status == 404


@pytest.mark.parametrize("target", [b"*", b"http://a"])
def test_options_about_the_server(daemon, target):
    with Client(daemon.address) as c:
        c.send(b"OPTIONS " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        assert c.response("OPTIONS").status == 204
        assert c.ask("/hello").status == 200


def test_404_405_and_allow(daemon):
    with Client(daemon.address) as c:
        assert c.ask("/nope").status == 404
        assert c.ask("/hello/").status == 404
        r = c.ask("/hello", method="DELETE")
        assert r.status == 405 and r.field("allow") == "GET, HEAD, POST"
        assert c.ask("/hello", method="get").status == 405  # RFC 9110 9.1: methods are case-sensitive
        assert c.ask("/hello", method="BREW").status == 405
        assert c.ask("/hello").status == 200


def test_an_empty_line_before_a_request_is_skipped(daemon):
    with Client(daemon.address) as c:
        for _ in range(3):
            c.send(b"\r\n" + get(b"/hello"))
            assert c.response().status == 200


def test_an_empty_host_and_odd_values_are_taken(daemon):
    with Client(daemon.address) as c:
        c.send(GET + b"Host:\r\nX:\t \r\nY: \xff\x80\r\nZ:a\tb\r\n\r\n")
        assert c.response().status == 200


def test_limits_take_what_is_just_allowed(daemon):
    with Client(daemon.address) as c:
        target = b"/" + b"a" * 511
        c.send(get(target))
        assert c.response().status == 404
        c.send(GET + HOST + b"X: 1\r\n" * 19 + b"\r\n")
        assert c.response().status == 200
        head = GET + HOST + b"X: " + b"a" * (2048 - len(GET + HOST) - 7) + b"\r\n\r\n"
        assert len(head) == 2048
        c.send(head)
        assert c.response().status == 200
        body = b"a" * 65536
        assert c.ask("/echo", method="POST", body=body).body == body
        c.send(CHUNKED + b"10000\r\n" + body + b"\r\n0\r\n\r\n")
        assert c.response().body == body


def test_a_body_that_nobody_wants_is_dropped_and_the_connection_kept(daemon):
    with Client(daemon.address) as c:
        smuggled = get(b"/nope")
        for path in ("/hello", "/nope"):
            c.get(path, method="POST", body=smuggled)
            assert c.response().status == (200 if path == "/hello" else 404)
        c.send(b"GET /hello HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" %
               (len(smuggled), smuggled))
        assert c.response().body == b"Hello."
        assert c.ask("/hello").body == b"Hello."
        assert c.is_quiet()


def test_byte_by_byte(daemon):
    with Client(daemon.address) as c:
        c.send_slowly(GET + HOST + b"X-Long-Name: value\r\n\r\n")
        assert c.response().body == b"Hello."
        c.send_slowly(POST + b"Content-Length: 10\r\n\r\n0123456789")
        assert c.response().body == b"0123456789"
        c.send_slowly(CHUNKED + b"5;x=y\r\nHello\r\n0\r\nX: y\r\n\r\n")
        assert c.response().body == b"Hello"


@pytest.mark.parametrize("message, body", [
    (POST + b"Content-Length: 10\r\n\r\n0123456789", b"0123456789"),
    (CHUNKED + b"5;x=y\r\nHello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\n", b"Hello world"),
], ids=["length", "chunked"])
def test_split_at_every_point(daemon, message, body):
    with Client(daemon.address) as c:
        for at in range(1, len(message)):
            c.send(message[:at])
            time.sleep(0.001)
            c.send(message[at:] + get(b"/hello"))
            assert c.response().body == body, at
            assert c.response().body == b"Hello.", at


def test_a_large_body_goes_through_and_back(daemon):
    body = os.urandom(1 << 20) * 20
    for path in ("/large", "/chaos/echo"):
        with Client(daemon.address, timeout=20) as c:
            head = b"POST " + path.encode() + b" HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body)
            sender = threading.Thread(target=c.send, args=(head + body,))
            sender.start()
            r = c.response()
            sender.join()
            assert r.status == 200 and r.body == body


def test_an_early_413_reaches_a_client_that_sends_on(daemon):
    """RFC 9112 9.6: the answer must not be lost to a reset caused by unread input."""
    for head in (b"Content-Length: 5000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n4c4b40\r\n"):
        with Client(daemon.address) as c:
            failed = []

            def send_all():
                try:
                    c.send(POST.replace(b"/echo", b"/digest") + head + b"a" * 5000000)
                except OSError as err:
                    failed.append(err)
            sender = threading.Thread(target=send_all)
            sender.start()
            time.sleep(0.2)  # the answer is there, and more bytes than the kernel takes are on their way
            r = c.response()
            assert r.status == 413 and r.closes()
            sender.join()
            assert c.is_gone()


def test_a_client_that_sends_a_little_more_sees_no_reset_at_all(daemon):
    """Linux keeps what was received before a reset; elsewhere the answer would be lost to it."""
    with Client(daemon.address) as c:
        c.send(b"POST /digest HTTP/1.1\r\n" + HOST + b"Content-Length: 800000\r\n\r\n")
        for _ in range(8):
            c.send(b"a" * 100000)
            time.sleep(0.01)
        assert c.response().status == 413
        assert c.is_closed()


# --- time -----------------------------------------------------------------------------------

def within(begun, low, high):
    """Whether it took between low and high seconds, the latter scaled for slow builds."""
    took = time.monotonic() - begun
    return low <= took <= high * FACTOR + 1


def test_an_unfinished_head_is_answered_408(hasty):
    with Client(hasty.address) as c:
        begun = time.monotonic()
        c.send(GET)
        r = c.response()
        assert r.status == 408 and r.closes() and c.is_closed()
        assert within(begun, 0.25, 1.5)


def test_a_trickled_head_has_one_deadline(hasty):
    with Client(hasty.address) as c:
        begun = time.monotonic()
        try:
            for byte in b"GET /hello HTTP/1.1\r\nX: " + b"a" * 2000:
                c.send(bytes([byte]))
                if select.select([c.socket], [], [], 0.02)[0]:
                    break
        except ConnectionError:
            pass
        assert c.response().status == 408
        assert within(begun, 0.25, 1.5)


def test_a_body_that_stops_is_answered_408(hasty):
    with Client(hasty.address) as c:
        c.send(POST + b"Content-Length: 10\r\n\r\n")
        begun = time.monotonic()
        r = c.response()
        assert r.status == 408 and r.closes() and c.is_closed()
        assert within(begun, 0.25, 1.5)


def test_a_body_that_stops_behind_the_head_of_the_answer_is_cut(hasty):
    with Client(hasty.address) as c:
        c.send(POST + b"Content-Length: 10\r\n\r\n12345")
        assert c.head().status == 200
        begun = time.monotonic()
        assert c.is_gone() and within(begun, 0.0, 1.5)


def test_a_slow_body_lives_on_from_byte_to_byte(hasty):
    with Client(hasty.address) as c:
        c.send(POST + b"Content-Length: 5\r\n\r\n")
        for byte in b"12345":
            time.sleep(0.15)
            c.send(bytes([byte]))
        assert c.response().body == b"12345"


def test_an_idle_connection_is_closed_without_a_word(hasty):
    with Client(hasty.address) as c:
        assert c.ask("/hello").status == 200
        begun = time.monotonic()
        assert c.is_closed() and within(begun, 0.3, 1.8)


def test_a_fresh_connection_that_says_nothing_is_closed(hasty, hasty_path):
    """On a unix socket: TCP_DEFER_ACCEPT keeps such connections in the kernel for seconds."""
    with Client(hasty_path) as c:
        begun = time.monotonic()
        assert c.is_gone() and within(begun, 0.2, 1.5)


def test_a_slow_reader_gets_everything(daemon):
    with Client(daemon.address, receive_bytes=4096) as c:
        c.get("/chaos/big/1000000")
        left = 1000000
        assert c.head().status == 200
        left -= len(c.pending)
        while left > 0:
            left -= len(c.socket.recv(20000))
            time.sleep(0.001)
        assert left == 0


def test_a_reader_that_stops_is_cut(hasty, chaos):
    before = chaos.count()["open"]
    with Client(hasty.address, receive_bytes=4096) as c:
        c.get("/big")
        assert c.head().status == 200
        wait_until(lambda: chaos.count()["open"] <= before, what="the end of the upstream's connection")
        with pytest.raises((ConnectionError, AssertionError)):
            c.exactly(33554432)
    wait_until(lambda: hasty.sockets() < 12)


# --- clients that go --------------------------------------------------------------------------

def test_a_half_close_cancels_unless_it_is_allowed(daemon, half_path, chaos):
    before = chaos.count()["open"]
    with Client(daemon.address) as c:
        c.get("/chaos/delay/300")
        c.finish()
        assert c.is_gone() and not c.pending
    with Client(half_path) as c:
        c.get("/chaos/delay/300")
        c.finish()
        assert c.response().body == b'{"delay": 300}'
        assert c.is_closed()
    wait_until(lambda: chaos.count()["open"] <= before + 1)


def test_a_half_close_behind_pipelined_requests_answers_those_that_are_done(daemon):
    with Client(daemon.address) as c:
        c.send(get(b"/hello") * 3)
        c.finish()
        for _ in range(3):
            assert c.response().body == b"Hello."
        assert c.is_closed()


def test_a_reset_abandons_the_running_job(daemon):
    """pbkdf2 of minutes on a pool of one thread: the next one can only end if it stopped."""
    def cpu():
        begun = daemon.cpu_seconds()
        time.sleep(0.3)
        return daemon.cpu_seconds() - begun
    before = daemon.cpu_seconds()
    with Client(daemon.address) as c:
        c.get("/slow")
        # All of it counts: beside other loads a pool thread, being nice, gets little at a time.
        wait_until(lambda: daemon.cpu_seconds() - before > 0.1, seconds=30, what="work")
        c.reset()
    wait_until(lambda: cpu() < 0.1, seconds=30, what="rest")
    assert ask(daemon.address, "/hello").status == 200


def test_a_reset_in_mid_upload_and_in_mid_response(daemon, chaos):
    before = chaos.count()["open"]
    for _ in range(20):
        c = Client(daemon.address)
        c.send(b"POST /chaos/echo HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000\r\n\r\n" + b"a" * 100000)
        c.reset()
        c = Client(daemon.address, receive_bytes=4096)
        c.get("/chaos/big/10000000")
        assert c.head().status == 200
        c.reset()
    wait_until(lambda: chaos.count()["open"] <= before, what="the end of the upstream's connections")


# --- limits of the server -----------------------------------------------------------------------

def test_at_max_connections_idle_ones_give_way(start):
    daemon = start("[server]\nmax_connections = 8\nworkers = 2\n[route hello]\nmatch = GET /hello\nsource = fixed\n")
    clients = []
    for _ in range(30):
        clients.append(Client(daemon.address))
        assert clients[-1].ask("/hello").status == 200
    gone = sum(bool(select.select([c.socket], [], [], 0)[0]) for c in clients)
    assert gone >= 30 - 8 - 2
    assert all(c.is_closed() for c in clients if select.select([c.socket], [], [], 0)[0])
    for c in clients:
        c.close()
    daemon.stop()


def test_at_max_connections_busy_ones_stay_and_others_wait(start, chaos):
    daemon = start("[server]\nmax_connections = 4\nworkers = 2\n[upstream c]\nservers = http://%s\n"
                   "[route d]\nmatch = GET /{path...}\nsource = upstream c\npath = /{path}\n" % chaos.address)
    clients = [Client(daemon.address) for _ in range(12)]
    for c in clients:
        c.get("/delay/150", "Connection: close")
    begun = time.monotonic()
    assert [c.response().status for c in clients] == [200] * 12
    assert time.monotonic() - begun >= 0.4  # three rounds
    for c in clients:
        c.close()
    daemon.stop()


def test_out_of_descriptors_it_survives_and_resumes(start):
    daemon = start("[server]\nworkers = 2\n[route hello]\nmatch = GET /hello\nsource = fixed\n", files=60)
    clients = []
    for _ in range(100):
        clients.append(Client(daemon.address))
        clients[-1].get("/hello")
        time.sleep(0.002)
    answered = 0
    for c in clients:
        try:
            answered += c.response().status == 200
        except ConnectionError:
            pass
    assert answered == 100
    assert "accept: Too many open files" in daemon.stderr()
    assert daemon.stderr().count("\n") < 100
    for c in clients:
        c.close()
    wait_until(lambda: daemon.sockets() < 20)
    assert ask(daemon.address, "/hello").status == 200
    daemon.stop()


def test_out_of_descriptors_with_busy_connections(start):
    """Connections in mid-request hold every descriptor; when they go, others come."""
    daemon = start("[server]\nworkers = 2\n[route echo]\nmatch = POST /echo\nsource = echo\n", files=60)
    busy = []
    for _ in range(60):
        busy.append(Client(daemon.address))
        busy[-1].send(POST + b"Content-Length: 5\r\n\r\n1")
    wait_until(lambda: "Too many open files" in daemon.stderr())
    begun = daemon.cpu_seconds()
    time.sleep(0.5)
    assert daemon.cpu_seconds() - begun < 0.25 * FACTOR  # no busy loop
    for c in busy:
        c.send(b"2345")
    for c in busy:
        assert c.response().body == b"12345"
        c.close()
    daemon.stop()
