"""HTTP/2 at the level of frames: each case names the section of RFC 9113 that it is from.

A case says what is sent on a connection that is well, and the whole verdict: a status or
the reset of that stream, and then the connection goes on; or GOAWAY with an error, and then
it ends.
"""
import os
import random
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

pytest.importorskip("hpack", reason="there is no python3-hpack")

import bed  # noqa: E402
from bed import FACTOR, run_forebayd, wait_until  # noqa: E402
from client import Client  # noqa: E402
from client2 import (ACK, CANCEL, COMPRESSION_ERROR, CONTINUATION, DATA, ENABLE_PUSH, END_HEADERS, END_STREAM,  # noqa: E402
                     ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE,
                     INTERNAL_ERROR, LARGEST, MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE, NO_ERROR, PADDED, PING, PREFACE,
                     PRIORITIZED, PRIORITY, PRIORITY_UPDATE, PROTOCOL_ERROR, PUSH_PROMISE, REFUSED_STREAM, RST_STREAM, SETTINGS,
                     STREAM_CLOSED, WINDOW_UPDATE, Client2, fields, pack, ping, reset, settings, window_update)

if "nghttp2    no" in run_forebayd("--version")[1]:
    pytest.skip("built without nghttp2", allow_module_level=True)

CONF = """
[server]
workers = 2
grace = 5s

[admin]
listen = 127.0.0.1:%d

[limits]
max_header_bytes = 4k
max_headers = 20
max_uri = 512
max_body = 64k

[pool one]
threads = 1

[upstream chaos]
servers = http://%s

[listen old]
address = 127.0.0.1:%d
protocols = http/1.1

[listen new]
address = 127.0.0.1:%d
protocols = h2

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

[route joined]
match = GET /joined
[subrequest joined.a]
source = fixed
body = a
[subrequest joined.b]
source = upstream chaos
path = /json/b
optional = yes
"""


class Ports:
    admin = old = new = 0


@pytest.fixture(scope="module")
def daemon(start, chaos):
    Ports.admin, Ports.old, Ports.new = bed.free_port(), bed.free_port(), bed.free_port()
    return start(CONF % (Ports.admin, chaos.address, Ports.old, Ports.new))


def counter(name):
    with socket.create_connection(("127.0.0.1", Ports.admin), 5) as s:
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def rss(daemon):
    with open("/proc/%d/statm" % daemon.pid, encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# --- requests: the same verdicts as over HTTP/1.1 -------------------------------------------
# Section, what it is, the field lines, the status.

def well(*more, **pseudo):
    return fields(pseudo.pop("path", "/hello"), pseudo.pop("method", "GET"), *more, **pseudo)


STATUSES = [
    ("8.3.1", "a plain request", well(), 200),
    ("8.3.1", "another scheme of ours", well(scheme="https"), 200),
    ("8.3.1", "no :authority, but Host", well(("host", "a"), authority=None), 200),
    ("8.3.1", "Host that says the same", well(("host", "a")), 200),
    ("8.3.1", "Host that says the same in capitals", well(("host", "A")), 200),
    ("8.3.1", "Host that says another thing", well(("host", "b")), 400),
    ("8.3.1", "userinfo in :authority", well(authority="u@a"), 400),
    ("8.3.1", "a port above 65535", well(authority="a:99999"), 400),
    ("8.3.1", "a scheme that is not ours", well(scheme="ftp"), 400),
    ("8.3.1", "* with OPTIONS", well(path="*", method="OPTIONS"), 204),
    ("8.3.1", "a target with a query", well(path="/hello?a=b"), 200),
    ("8.3.1", "a fragment", well(path="/hello#x"), 400),
    ("3986 2", "a backslash", well(path="/hel\\lo"), 400),
    ("3986 2", "a quote in the query", well(path='/hello?"'), 400),
    ("3986 2.1", "an escape that is none", well(path="/he%zzllo"), 400),
    ("3986 2.1", "half an escape", well(path="/hello%2"), 400),
    ("3986 2.1", "an escaped NUL", well(path="/he%00llo"), 400),
    ("3986 6.2.2.3", "above the root", well(path="/../hello"), 400),
    ("3986 6.2.2.3", "above the root, escaped", well(path="/%2e%2e/hello"), 400),
    ("3986 6.2.2.3", "dot segments", well(path="/a/../hello"), 200),
    ("9110 15.5.15", "a target above max_uri", well(path="/" + "a" * 600), 414),
    ("9110 9.3.6", "CONNECT", [(":method", "CONNECT"), (":authority", "a:80")], 501),
    ("9110 15.5.5", "a path without a route", well(path="/nope"), 404),
    ("9110 15.5.6", "a method without a route", well(method="DELETE"), 405),
    ("9110 9.1", "a method that nobody knows", well(method="BREW"), 501),
    ("9110 5.3", "Content-Type twice", well(("content-type", "a/a"), ("content-type", "b/b")), 400),
    ("9110 8.6", "a length of nothing", well(("content-length", "0")), 200),
    ("9110 10.1.1", "an expectation that is not known", well(("expect", "200-ok")), 417),
    ("9110 10.1.1", "an expectation without a body", well(("expect", "100-continue")), 200),
    ("8.2.2", "TE: trailers", well(("te", "trailers")), 200),
    ("8.2.3", "a cookie in pieces", well(*[("cookie", "a=%d" % i) for i in range(30)]), 200),
    ("6585 5", "a head above max_header_bytes", well(("x", "a" * 5000)), 431),
    ("6585 5", "fields above max_headers", well(*[("x", "1")] * 21), 431),
    ("6585 5", "fields at max_headers", well(*[("x", "1")] * 20), 200),
    ("9110 5.5", "a byte above 127 in a value", well(("x", "\u00e9")), 200),
    ("9218 4", "a priority", well(("priority", "u=1, i")), 200),
    ("9218 4", "a priority that is none", well(("priority", "!!")), 200),
]


@pytest.mark.parametrize("lines, status", [row[2:] for row in STATUSES],
                         ids=["RFC %s: %s" % row[:2] for row in STATUSES])
def test_a_request_has_its_status_and_the_connection_goes_on(daemon, lines, status):
    with Client2(daemon.address) as c:
        frame, stream = c.headers(lines)
        c.send(frame)
        assert c.answer(stream).status == status
        assert c.is_well()


# --- malformed requests (8.1.1): a reset, and the connection goes on -------------------------

CHARSET = [
    ("8.2.1", "a name in capitals", well(("X-A", "1"))),
    ("8.2.1", "a name with a blank", well(("x a", "1"))),
    ("8.2.1", "a name with a control", well(("x\x01", "1"))),
    ("8.2.1", "a name with DEL", well(("x\x7f", "1"))),
    ("8.2.1", "a name with a colon", well(("x:a", "1"))),
    ("8.2.1", "a name that is no token", well(("x(", "1"))),
    ("8.2.1", "NUL in a value", well(("x", "a\0b"))),
    ("8.2.1", "CR in a value", well(("x", "a\rb"))),
    ("8.2.1", "LF in a value", well(("x", "a\nb"))),
    ("8.2.1", "a request smuggled in a value", well(("x", "1\r\nhost: b"))),
    ("8.2.2", "Connection", well(("connection", "close"))),
    ("8.2.2", "Keep-Alive", well(("keep-alive", "1"))),
    ("8.2.2", "Proxy-Connection", well(("proxy-connection", "close"))),
    ("8.2.2", "Transfer-Encoding", well(("transfer-encoding", "chunked"))),
    ("8.2.2", "Upgrade", well(("upgrade", "h2c"))),
    ("8.2.2", "TE that says more", well(("te", "gzip"))),
    ("8.3", "a pseudo-field that nobody knows", well() + [(":x", "1")]),
    ("8.3", "a pseudo-field of responses", well() + [(":status", "200")]),
    ("8.3", "a pseudo-field behind a field", [("x", "1")] + well()),
    ("8.3", "a pseudo-field twice", well() + [(":path", "/hello")]),
    ("8.3", ":method twice", [(":method", "GET")] + well()),
    ("8.3.1", "no :method", well(method=None)),
    ("8.3.1", "no :scheme", well(scheme=None)),
    ("8.3.1", "no :path", well(path=None)),
    ("8.3.1", "an empty :path", well(path="")),
    ("8.3.1", "a path without a slash", well(path="hello")),
    ("8.3.1", "* with GET", well(path="*")),
    ("8.3.1", "neither :authority nor Host", well(authority=None)),
    ("8.3.1", "Host twice", well(("host", "a"), ("host", "a"), authority=None)),
    ("8.3.1", "a blank in :path", well(path="/hel lo")),
    ("8.3.1", "a control in :path", well(path="/hel\x01lo")),
    ("8.3.1", "a line's end in :path", well(path="/hello HTTP/1.1\r\nhost: b")),
    ("8.3.1", "a path in :authority", well(authority="a/b")),
    ("8.3.1", "a blank in :authority", well(authority="a b")),
    ("8.3.1", "a method that is no token", well(method="G@T")),
    ("8.3.1", "an empty method", well(method="")),
    ("8.5", "CONNECT with a path", well(method="CONNECT")),
    ("8.1.1", "a length that is no number", well(("content-length", "x"))),
    ("8.1.1", "a negative length", well(("content-length", "-1"))),
    ("8.1.1", "a length above 63 bits", well(("content-length", "9223372036854775808"))),
    ("8.1.1", "a length twice", well(("content-length", "0"), ("content-length", "0"))),
    ("8.1.1", "a length without a body", well(("content-length", "5"))),
]


@pytest.mark.parametrize("lines", [row[2] for row in CHARSET], ids=["RFC 9113 %s: %s" % row[:2] for row in CHARSET])
def test_a_malformed_request_never_reaches_a_route(daemon, lines):
    with Client2(daemon.address) as c:
        frame, stream = c.headers(lines)
        c.send(frame)
        answer = c.answer(stream)
        assert answer.error == PROTOCOL_ERROR or answer.status == 400
        assert c.is_well()


def on_stream(c, *frames, lines=None, flags=END_HEADERS):
    """Opens a stream to /echo and goes on with frames that are given its number."""
    opened, stream = c.headers(lines or fields("/echo", "POST"), flags=flags)
    c.send(opened, *[frame(stream) for frame in frames])
    return stream


BODIES = [
    ("8.1.1", "a body shorter than its length", [("content-length", "5")],
     [lambda s: pack(DATA, END_STREAM, s, b"abc")], PROTOCOL_ERROR),
    ("8.1.1", "a body longer than its length", [("content-length", "2")],
     [lambda s: pack(DATA, END_STREAM, s, b"abc")], PROTOCOL_ERROR),
    ("8.1", "trailers that do not end the stream", [],
     [lambda s: pack(HEADERS, END_HEADERS, s, b"\x00\x01x\x011")], PROTOCOL_ERROR),
    ("8.1", "a pseudo-field in trailers", [],
     [lambda s: pack(HEADERS, END_HEADERS | END_STREAM, s, b"\x84")], PROTOCOL_ERROR),
    ("5.3.1", "a stream that depends on itself", [], [lambda s: pack(PRIORITY, 0, s, struct.pack(">IB", s, 1))], None),
]


@pytest.mark.parametrize("more, frames, error", [row[2:] for row in BODIES],
                         ids=["RFC 9113 %s: %s" % row[:2] for row in BODIES])
def test_an_error_of_a_stream_is_its_own(daemon, more, frames, error):
    with Client2(daemon.address) as c:
        stream = on_stream(c, *frames, lines=fields("/echo", "POST", *more))
        if error is None:
            c.send(pack(DATA, END_STREAM, stream, b"abc"))
            assert c.answer(stream).body == b"abc"
        else:
            answer = c.answer(stream)
            # RFC 9113 5.4.2: or of the connection as a whole, which is not done here.
            assert answer.error == error
        assert c.is_well()


# --- errors of the connection --------------------------------------------------------------
# Section, what it is, what is sent (bytes, or a function of the client), the errors that may be said.

def half_closed(c):
    """A request that is complete, and more of it."""
    frame, stream = c.headers(fields("/slow"))
    return frame + pack(DATA, 0, stream, b"abc")


def headers_of(c, **more):
    return c.headers(fields(), **more)[0]


def smaller_stream(c):
    return headers_of(c, stream=9) + headers_of(c, stream=5)


def same_stream(c):
    c.ask()
    return headers_of(c, stream=1)


def closed_by_client(c):
    frame, stream = c.headers(fields("/slow"))
    return frame + reset(stream) + headers_of(c, stream=stream)


CONNECTION = [
    ("3.4", "SETTINGS is not the first frame", None, [PROTOCOL_ERROR]),
    ("4.1", "a frame above SETTINGS_MAX_FRAME_SIZE", pack(DATA, 0, 1, bytes(16385)), [FRAME_SIZE_ERROR]),
    ("4.3", "a header block that cannot be decoded", pack(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\xff\xff\xff\xff"), [COMPRESSION_ERROR]),
    ("4.3", "an index that HPACK does not have", pack(HEADERS, END_HEADERS | END_STREAM, 1, b"\xfe"), [COMPRESSION_ERROR]),
    ("4.3", "a table that grows above its limit", pack(HEADERS, END_HEADERS | END_STREAM, 1, b"\x3f\xff\xff\x03\x82"), [COMPRESSION_ERROR]),
    ("RFC 7541 2.3.3", "the index 0", pack(HEADERS, END_HEADERS | END_STREAM, 1, b"\x80"), [COMPRESSION_ERROR]),
    ("RFC 7541 4.2", "a change of the table behind a field", pack(HEADERS, END_HEADERS | END_STREAM, 1, b"\x82\x20"), [COMPRESSION_ERROR]),
    ("RFC 7541 5.1", "a number without end", pack(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff" + b"\xff" * 20 + b"\x01"), [COMPRESSION_ERROR]),
    ("RFC 7541 5.2", "a text longer than its block", pack(HEADERS, END_HEADERS | END_STREAM, 1, b"\x00\x05ab"), [COMPRESSION_ERROR]),
    ("RFC 7541 5.2", "padding of a text longer than 7 bits", pack(HEADERS, END_HEADERS | END_STREAM, 1, b"\x00\x01x\x82\x1f\xff"), [COMPRESSION_ERROR]),
    ("RFC 7541 5.2", "padding of a text that is not ones", pack(HEADERS, END_HEADERS | END_STREAM, 1, b"\x00\x01x\x81\x18"), [COMPRESSION_ERROR]),
    ("RFC 7541 5.2", "the end of texts in a text", pack(HEADERS, END_HEADERS | END_STREAM, 1, b"\x00\x01x\x84\xff\xff\xff\xff"), [COMPRESSION_ERROR]),
    ("RFC 7541 6.3", "a table above what was announced", pack(HEADERS, END_HEADERS | END_STREAM, 1, b"\x3f\xe2\x1f\x82"), [COMPRESSION_ERROR]),
    ("RFC 9218 7.1", "PRIORITY_UPDATE on a stream", pack(PRIORITY_UPDATE, 0, 1, struct.pack(">I", 1) + b"u=0"), [PROTOCOL_ERROR]),
    ("RFC 9218 7.1", "PRIORITY_UPDATE of stream 0", pack(PRIORITY_UPDATE, 0, 0, struct.pack(">I", 0) + b"u=0"), [PROTOCOL_ERROR]),
    ("RFC 9218 7.1", "PRIORITY_UPDATE of a wrong size", pack(PRIORITY_UPDATE, 0, 0, b"abc"), [FRAME_SIZE_ERROR]),
    ("5.1", "DATA on an idle stream", pack(DATA, 0, 1, b"abc"), [PROTOCOL_ERROR]),
    ("5.1", "RST_STREAM on an idle stream", reset(1), [PROTOCOL_ERROR]),
    ("5.1", "WINDOW_UPDATE on an idle stream", window_update(1, 1), [PROTOCOL_ERROR]),
    ("5.1", "CONTINUATION without HEADERS", pack(CONTINUATION, END_HEADERS, 1, b""), [PROTOCOL_ERROR]),
    ("5.1", "DATA on a half-closed stream", half_closed, [STREAM_CLOSED]),
    ("5.1", "HEADERS on a stream that was answered", same_stream, [STREAM_CLOSED, PROTOCOL_ERROR]),
    ("5.1", "HEADERS on a stream that the client reset", closed_by_client, [STREAM_CLOSED, PROTOCOL_ERROR]),
    ("5.1.1", "an even stream", lambda c: headers_of(c, stream=2), [PROTOCOL_ERROR]),
    ("5.1.1", "a stream smaller than the one before", smaller_stream, [PROTOCOL_ERROR]),
    ("6.1", "DATA on stream 0", pack(DATA, 0, 0, b"abc"), [PROTOCOL_ERROR]),
    ("6.1", "padding longer than DATA", lambda c: headers_of(c, flags=END_HEADERS) + pack(DATA, PADDED, 1, b"\x09abc"), [PROTOCOL_ERROR]),
    ("6.2", "HEADERS on stream 0", lambda c: headers_of(c, stream=0), [PROTOCOL_ERROR]),
    ("6.2", "padding longer than HEADERS", pack(HEADERS, END_HEADERS | PADDED, 1, b"\x09\x82"), [PROTOCOL_ERROR, FRAME_SIZE_ERROR]),
    ("6.2", "a frame between HEADERS and CONTINUATION", lambda c: headers_of(c, flags=END_STREAM) + ping(), [PROTOCOL_ERROR]),
    ("6.2", "CONTINUATION of another stream", lambda c: headers_of(c, flags=END_STREAM) + pack(CONTINUATION, END_HEADERS, 3, b""), [PROTOCOL_ERROR]),
    ("6.2", "a frame that nobody knows before CONTINUATION", lambda c: headers_of(c, flags=END_STREAM) + pack(0xfa, 0, 0, b""), [PROTOCOL_ERROR]),
    ("6.3", "PRIORITY on stream 0", pack(PRIORITY, 0, 0, bytes(5)), [PROTOCOL_ERROR]),
    ("6.3", "PRIORITY of a wrong size", lambda c: headers_of(c) + pack(PRIORITY, 0, 1, bytes(4)), [FRAME_SIZE_ERROR]),
    ("6.4", "RST_STREAM on stream 0", reset(0), [PROTOCOL_ERROR]),
    ("6.4", "RST_STREAM of a wrong size", lambda c: headers_of(c) + pack(RST_STREAM, 0, 1, bytes(3)), [FRAME_SIZE_ERROR]),
    ("6.5", "SETTINGS on a stream", pack(SETTINGS, 0, 1, b""), [PROTOCOL_ERROR]),
    ("6.5", "an ACK of SETTINGS with a payload", pack(SETTINGS, ACK, 0, bytes(6)), [FRAME_SIZE_ERROR]),
    ("6.5", "SETTINGS of a wrong size", pack(SETTINGS, 0, 0, bytes(5)), [FRAME_SIZE_ERROR]),
    ("6.5.2", "ENABLE_PUSH that is neither 0 nor 1", settings((ENABLE_PUSH, 2)), [PROTOCOL_ERROR]),
    ("6.5.2", "INITIAL_WINDOW_SIZE above 2^31-1", settings((INITIAL_WINDOW_SIZE, 1 << 31)), [FLOW_CONTROL_ERROR]),
    ("6.5.2", "MAX_FRAME_SIZE below 2^14", settings((MAX_FRAME_SIZE, 16383)), [PROTOCOL_ERROR]),
    ("6.5.2", "MAX_FRAME_SIZE above 2^24-1", settings((MAX_FRAME_SIZE, 1 << 24)), [PROTOCOL_ERROR]),
    ("6.6", "PUSH_PROMISE from a client", lambda c: headers_of(c) + pack(PUSH_PROMISE, END_HEADERS, 1, bytes(4)), [PROTOCOL_ERROR]),
    ("6.7", "PING on a stream", pack(PING, 0, 1, bytes(8)), [PROTOCOL_ERROR]),
    ("6.7", "PING of a wrong size", ping(b"1234567"), [FRAME_SIZE_ERROR]),
    ("6.8", "GOAWAY on a stream", pack(GOAWAY, 0, 1, bytes(8)), [PROTOCOL_ERROR]),
    ("6.9", "WINDOW_UPDATE of the connection by nothing", window_update(0, 0), [PROTOCOL_ERROR]),
    ("6.9", "WINDOW_UPDATE of a stream by nothing", lambda c: headers_of(c, flags=END_HEADERS) + window_update(1, 0), [PROTOCOL_ERROR]),
    ("6.9", "WINDOW_UPDATE of a wrong size", pack(WINDOW_UPDATE, 0, 0, bytes(3)), [FRAME_SIZE_ERROR]),
    ("6.9.1", "the connection's window above 2^31-1", window_update(0, LARGEST) * 2, [FLOW_CONTROL_ERROR]),
    ("6.9.1", "a stream's window above 2^31-1", lambda c: headers_of(c, flags=END_HEADERS) + window_update(1, LARGEST), [FLOW_CONTROL_ERROR]),
    ("6.9.2", "a stream's window above 2^31-1 by SETTINGS", lambda c: settings((INITIAL_WINDOW_SIZE, 1000)) + headers_of(c, flags=END_HEADERS) + window_update(1, 1) + settings((INITIAL_WINDOW_SIZE, LARGEST)), [FLOW_CONTROL_ERROR]),
    ("6.10", "CONTINUATION behind END_HEADERS", lambda c: headers_of(c) + pack(CONTINUATION, END_HEADERS, 1, b""), [PROTOCOL_ERROR]),
    ("10.5.1", "a header block of many CONTINUATIONs", lambda c: headers_of(c, flags=END_STREAM) + pack(CONTINUATION, 0, 1, b"") * 300, [ENHANCE_YOUR_CALM, None]),
    ("10.5.1", "fields four times above the limit", lambda c: headers_of_many(c), [ENHANCE_YOUR_CALM]),
]


def headers_of_many(c):
    """One large field in HPACK's table, and a reference to it of one byte, many times."""
    block = c.block(fields()) + b"\x40\x01x\x7f\xa1\x0f" + b"a" * 2080
    return pack(HEADERS, END_HEADERS | END_STREAM, 1, block + b"\xbe" * 8000)


@pytest.mark.parametrize("sent, errors", [row[2:] for row in CONNECTION],
                         ids=["%s: %s" % (row[0] if row[0].startswith("RFC") else "RFC 9113 " + row[0], row[1])
                              for row in CONNECTION])
def test_an_error_of_the_connection_ends_it(daemon, sent, errors):
    with Client2(daemon.address, start=sent is not None) as c:
        if sent is None:
            c.send(PREFACE, ping())
        try:
            c.send(sent(c) if callable(sent) else sent or b"")
        except ConnectionError:
            pass
        assert c.end() in errors
    with Client2(daemon.address) as c:
        assert c.is_well()


# --- what is allowed --------------------------------------------------------------------------

ALLOWED = [
    ("4.1", "a frame that nobody knows", pack(0xfa, 0xff, 0, b"abc")),
    ("4.1", "a frame that nobody knows, of a stream", pack(0xfa, 0xff, 1, b"abc")),
    ("4.1", "the reserved bit of a stream", pack(PING, 0, 1 << 31, bytes(8))),
    ("4.1", "flags that nobody knows", pack(PING, 0xfe, 0, bytes(8))),
    ("5.1", "PRIORITY on an idle stream", pack(PRIORITY, 0, 3, bytes(5))),
    ("6.5.2", "a setting that nobody knows", settings((0xfafa, 7))),
    ("6.5.2", "a setting twice", settings((MAX_CONCURRENT_STREAMS, 1), (MAX_CONCURRENT_STREAMS, 2))),
    ("6.5.2", "empty SETTINGS", settings()),
    ("6.7", "a PING", ping()),
    ("6.7", "an ACK of a PING that nobody sent", ping(flags=ACK)),
    ("9218 7.1", "PRIORITY_UPDATE", pack(PRIORITY_UPDATE, 0, 0, struct.pack(">I", 1) + b"u=0")),
    ("6.4", "a stream that is opened and reset", lambda c: b"".join((c.headers(fields("/slow"))[0], reset(1)))),
    ("5.1.1", "streams that are skipped", lambda c: c.headers(fields(), stream=101)[0]),
    ("6.2", "HEADERS with padding and priority",
     lambda c: pack(HEADERS, END_HEADERS | END_STREAM | PADDED | PRIORITIZED, 1, b"\x03" + bytes(5) + c.block(fields()) + bytes(3))),
    ("6.10", "HEADERS and CONTINUATIONs, byte by byte", lambda c: in_pieces(c, 60)),
    ("6.10", "an empty CONTINUATION", lambda c: headers_of(c, flags=END_STREAM) + pack(CONTINUATION, END_HEADERS, 1)),
]


def in_pieces(c, most):
    block = c.block(fields())
    step = max(1, len(block) // 6)
    pieces = [block[at:at + step] for at in range(0, len(block), step)]
    assert len(pieces) < most
    return pack(HEADERS, END_STREAM, 1, pieces[0]) + b"".join(
        pack(CONTINUATION, END_HEADERS if piece is pieces[-1] else 0, 1, piece) for piece in pieces[1:])


@pytest.mark.parametrize("sent", [row[2] for row in ALLOWED], ids=["RFC %s: %s" % row[:2] for row in ALLOWED])
def test_what_is_allowed_changes_nothing(daemon, sent):
    with Client2(daemon.address) as c:
        c.send(sent(c) if callable(sent) else sent)
        c.next_stream = 201
        assert c.is_well()
        assert c.goaway is None


@pytest.mark.parametrize("size", [1, 2, 7])
def test_frames_may_come_in_pieces(daemon, size):
    with Client2(daemon.address, start=False) as c:
        frame, stream = c.headers(fields("/echo", "POST"), flags=END_HEADERS)
        sent = PREFACE + settings() + frame + pack(DATA, 0, stream, b"abc") + pack(DATA, END_STREAM, stream, b"def")
        for at in range(0, len(sent), size):
            c.send(sent[at:at + size])
        assert c.answer(stream).body == b"abcdef"


def test_settings_and_pings_are_acknowledged(daemon):
    """RFC 9113 6.5.3, 6.7."""
    with Client2(daemon.address) as c:
        c.until(lambda f: f.kind == SETTINGS and f.flags & ACK)
        c.send(ping(b"abcdefgh"))
        assert c.until(lambda f: f.kind == PING).payload == b"abcdefgh"
        first = next(f for f in c.frames if f.kind == SETTINGS)
        assert c.frames[0] is first  # RFC 9113 3.4


# --- how it is chosen ----------------------------------------------------------------------------

def test_a_listener_of_http_1_alone_takes_no_preface(daemon):
    with Client(("127.0.0.1", Ports.old)) as c:
        c.send(PREFACE)
        assert c.response().status == 505 and c.is_closed()


def test_a_listener_of_http_2_alone_takes_nothing_else(daemon):
    with Client2(("127.0.0.1", Ports.new)) as c:
        assert c.is_well()
    with socket.create_connection(("127.0.0.1", Ports.new), 5) as s:
        s.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises(ConnectionError):
            while s.recv(4096):
                pass
            raise ConnectionError


def test_the_preface_comes_first_or_never(daemon):
    """RFC 9113 3.3: it is known beforehand, and not found out later."""
    with Client(daemon.address) as c:
        assert c.ask("/hello").status == 200
        c.send(PREFACE)
        assert c.response().status == 505 and c.is_closed()


def test_an_upgrade_to_h2c_is_not_taken(daemon):
    """RFC 9113 3.1: it is gone, and an Upgrade that is not known is passed over."""
    with Client(daemon.address) as c:
        r = c.ask("/hello", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
        assert (r.status, r.body) == (200, b"Hello.")
        assert c.ask("/hello").status == 200


# --- responses ---------------------------------------------------------------------------------------

def test_a_response_says_what_it_says_over_http_1(daemon):
    with Client(daemon.address) as one, Client2(daemon.address) as two:
        for path in ("/hello", "/empty", "/nope", "/chaos/json/a", "/joined", "/chaos/status/304"):
            a, b = one.ask(path), two.ask(path)
            assert (a.status, a.body) == (b.status, b.body)
            old = {name.lower() for name, _ in a.fields} - {"transfer-encoding", "connection"}
            assert old == {name for name, _ in b.fields}
            assert b.field("connection") is None and b.field("transfer-encoding") is None


def test_head_has_the_fields_of_get_and_no_body(daemon):
    with Client2(daemon.address) as c:
        for path in ("/hello", "/chaos/json/a", "/nope"):
            full, head = c.ask(path), c.ask(path, "HEAD")
            assert (head.status, head.body) == (full.status, b"")
            assert head.field("content-length") == full.field("content-length")


def test_an_interim_response_comes_when_the_body_is_wanted(daemon):
    with Client2(daemon.address) as c:
        stream = on_stream(c, lines=fields("/echo", "POST", ("expect", "100-continue")))
        c.until(lambda f: f.kind == HEADERS)
        assert c.answers[stream].informed == [100]
        c.send(pack(DATA, END_STREAM, stream, b"abc"))
        assert c.answer(stream).body == b"abc"
        assert c.ask("/nope", "POST", ("expect", "100-continue"), body=b"abc").informed == []


def test_a_response_that_fails_after_its_head_is_reset(daemon):
    """RFC 9113 8.1: what was cut must not look whole."""
    with Client2(daemon.address) as c:
        answer = c.answer(c.request("/chaos/truncate"))
        assert (answer.error, answer.is_whole) == (INTERNAL_ERROR, False)
        assert c.is_well()


def test_an_answer_before_the_end_of_the_request_ends_the_stream(daemon):
    """RFC 9113 8.1: RST_STREAM with NO_ERROR asks the client to send no more."""
    with Client2(daemon.address) as c:
        stream = on_stream(c, lambda s: pack(DATA, 0, s, b"abc"), lines=fields("/nope", "POST"))
        answer = c.answer(stream)
        assert answer.status == 404
        assert c.until(lambda f: f.kind == RST_STREAM).error == NO_ERROR
        c.send(pack(DATA, 0, stream, b"def"), pack(HEADERS, END_HEADERS | END_STREAM, stream, c.block([("x", "1")])))
        assert c.is_well()


def test_trailers_of_a_request_are_taken_and_dropped(daemon):
    with Client2(daemon.address) as c:
        stream = on_stream(c, lambda s: pack(DATA, 0, s, b"abc"),
                           lambda s: pack(HEADERS, END_HEADERS | END_STREAM, s, c.block([("x-sum", "1")])))
        assert c.answer(stream).body == b"abc"


def test_too_much_body_is_413(daemon):
    with Client2(daemon.address) as c:
        assert c.ask("/echo", "POST", ("content-length", "100000"), body=bytes(100000)).status == 413
        answer = c.ask("/chaos/echo", "POST", body=bytes(1000))
        assert answer.status in (200, 404)
        assert c.is_well()


def test_cookies_in_pieces_are_one_field_to_upstreams(daemon):
    """RFC 9113 8.2.3."""
    with Client2(daemon.address) as c:
        body = c.ask("/chaos/head", "GET", ("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")).body
        assert b"a=1; b=2" in body


# --- streams and windows -------------------------------------------------------------------------------

def test_streams_are_answered_as_they_are_ready(daemon):
    with Client2(daemon.address) as c:
        late = c.request("/chaos/delay/200")
        soon = [c.request("/hello") for _ in range(20)]
        for stream in soon:
            c.answer(stream)
        assert not c.answers.get(late) or not c.answers[late].is_over
        assert c.answer(late).body == b'{"delay": 200}'


def test_a_thousand_streams(daemon):
    with Client2(daemon.address) as c:
        for _ in range(10):
            streams = [c.request("/echo", "POST", body=b"%d" % i) for i in range(100)]
            for i, stream in enumerate(streams):
                assert c.answer(stream).body == b"%d" % i


def announced(c):
    """The server's SETTINGS."""
    frame = next(f for f in c.frames if f.kind == SETTINGS and not f.flags & ACK)
    return dict(struct.iter_unpack(">HI", frame.payload))


@pytest.mark.parametrize("is_known", [True, False], ids=["with our ACK", "before it"])
def test_more_streams_than_are_allowed_are_refused_one_by_one(daemon, is_known):
    """RFC 9113 5.1.2: an error of the stream, which says that nothing was done (8.7)."""
    refused = counter("forebay_h2_streams_refused_total")
    with Client2(daemon.address) as c:
        if is_known:
            assert c.ask().status == 200  # our ACK has been read
            assert announced(c)[MAX_CONCURRENT_STREAMS] == 128
        streams = [c.request("/chaos/hang") for _ in range(128)]
        more = [c.request("/hello") for _ in range(20)]
        more.append(on_stream(c, lambda s: pack(DATA, 0, s, b"abc"), lambda s: pack(DATA, END_STREAM, s, b"def")))
        for stream in more:
            assert c.answer(stream).error == REFUSED_STREAM
        assert not any(c.answers[stream].is_over for stream in streams if stream in c.answers)
        c.send(reset(streams[0]) + c.headers(fields())[0])  # one goes, one comes
        assert c.answer(c.next_stream - 2).body == b"Hello."
        c.send(*[reset(stream) for stream in streams[1:]])
        assert c.is_well()
    assert counter("forebay_h2_streams_refused_total") == refused + 21


def test_who_never_heeds_the_limit_is_calmed(daemon):
    """RFC 9113 10.5: each refusal takes a token."""
    with Client2(daemon.address) as c:
        try:
            for _ in range(3000):
                c.send(c.headers(fields("/chaos/hang"))[0])
        except ConnectionError:
            pass
        assert c.end() == ENHANCE_YOUR_CALM
        assert sum(f.kind == RST_STREAM for f in c.frames) <= 250


@pytest.mark.parametrize("first, then, update", [("u=7", "u=0", None), ("u=3", "u=2", None), ("u=7, i", "u=5, i", None),
                                                 (None, "u=1", None), ("u=0", "u=1", "u=7")],
                         ids=["7 and 0", "3 and 2", "incremental", "without and 1", "changed by PRIORITY_UPDATE"])
def test_what_is_urgent_goes_first(daemon, first, then, update):
    """RFC 9218 4.1, 7.1, 10: of two answers that wait for the connection's window."""
    with Client2(daemon.address, greeting=settings((INITIAL_WINDOW_SIZE, 1 << 20)), window=1 << 20) as c:
        assert len(c.ask("/chaos/big/65535").body) == 65535  # now the connection has none
        body = bytes(40000)
        late = c.request("/echo", "POST", *([("priority", first)] if first else []), body=body)
        soon = c.request("/echo", "POST", ("priority", then), body=body)
        if update:
            c.send(pack(PRIORITY_UPDATE, 0, 0, struct.pack(">I", late) + update.encode()))
        for _ in range(2):  # what was sent before the first has been taken in when the second comes back
            c.send(ping())
            c.until(lambda f: f.kind == PING)
        c.send(window_update(0, 40000))
        assert c.answer(soon).body == body
        assert c.answers[late].body == b""
        c.send(window_update(0, 40000))
        assert c.answer(late).body == body


def test_a_large_body_goes_both_ways(daemon):
    body = random.Random(1).randbytes(3 << 20)
    with Client2(daemon.address) as c:
        frame, stream = c.headers(fields("/large", "POST"), flags=END_HEADERS)
        c.send(frame)
        windows = {0: 65535, stream: 65535}
        at = 0
        while at < len(body):
            n = min(windows[0], windows[stream], 16384, len(body) - at)
            if n == 0:
                frame = c.frame()
                if frame.kind == WINDOW_UPDATE:
                    windows[frame.stream] += struct.unpack(">I", frame.payload)[0]
                elif frame.kind == SETTINGS and not frame.flags & ACK:
                    pairs = dict(struct.iter_unpack(">HI", frame.payload))
                    windows[stream] += pairs[INITIAL_WINDOW_SIZE] - 65535
                continue
            c.send(pack(DATA, 0, stream, body[at:at + n]))
            windows[0] -= n
            windows[stream] -= n
            at += n
        c.send(pack(DATA, END_STREAM, stream))
        assert c.answer(stream, 20).body == body


def test_a_body_beyond_its_window_is_an_error(daemon):
    """RFC 9113 6.9.1."""
    with Client2(daemon.address) as c:
        frame, stream = c.headers(fields("/chaos/deaf", "POST"), flags=END_HEADERS)
        try:
            c.send(frame, *[pack(DATA, 0, stream, bytes(16384)) for _ in range(200)])
        except ConnectionError:
            pass  # it was closed before all of it was sent
        assert c.end() in (FLOW_CONTROL_ERROR, None)


def test_a_response_keeps_to_the_windows(daemon):
    """RFC 9113 6.9: not a byte more than was allowed, of the stream and of the connection."""
    with Client2(daemon.address, window=10) as c:
        stream = c.request("/chaos/big/100000")
        c.until(lambda f: f.kind == DATA)
        c.send(ping())
        c.until(lambda f: f.kind == PING)
        assert len(c.answers[stream].body) == 10
        c.send(window_update(stream, 5))
        c.until(lambda f: f.kind == DATA)
        assert len(c.answers[stream].body) == 15
        c.send(window_update(stream, LARGEST - 100))
        while len(c.answers[stream].body) < 65535:
            c.frame()
        c.send(ping())
        c.until(lambda f: f.kind == PING)
        assert len(c.answers[stream].body) == 65535
        c.send(window_update(0, 1 << 20))
        assert len(c.answer(stream).body) == 100000


def test_a_window_may_become_negative(daemon):
    """RFC 9113 6.9.2."""
    with Client2(daemon.address, window=1000) as c:
        stream = c.request("/chaos/big/5000")
        c.until(lambda f: f.kind == DATA)
        c.send(settings((INITIAL_WINDOW_SIZE, 10)), window_update(stream, 990), ping())
        c.until(lambda f: f.kind == PING and f.flags & ACK)
        assert len(c.answers[stream].body) == 1000
        c.send(window_update(stream, 4000))
        assert len(c.answer(stream).body) == 5000


def test_a_slow_reader_slows_the_upstream(daemon, chaos):
    """Back-pressure: an answer of 64 MiB, of which the client takes nothing, is not taken in."""
    with Client2(daemon.address, window=65535) as c:
        before = rss(daemon)
        streams = [c.request("/chaos/big/67108864") for _ in range(8)]
        end = time.monotonic() + 1
        while time.monotonic() < end:
            c.send(ping())
            c.until(lambda f: f.kind == PING)
            time.sleep(0.05)
        assert rss(daemon) - before < (16 << 20) * FACTOR
        c.send(*[reset(stream) for stream in streams])
        c.send(window_update(0, 1 << 20))
        assert c.is_well()


def test_an_upload_that_is_not_taken_is_not_taken_in(daemon):
    """Back-pressure the other way: an upstream that does not read stops the client."""
    with Client2(daemon.address) as c:
        frame, stream = c.headers(fields("/chaos/delay/3000", "POST"), flags=END_HEADERS)
        c.send(frame)
        sent, window = 0, 65535
        c.socket.settimeout(0.5)
        while window > 0 and sent < 32 << 20:
            c.send(pack(DATA, 0, stream, bytes(min(window, 16384))))
            sent += min(window, 16384)
            window -= min(window, 16384)
            while window == 0:
                try:
                    f = c.frame(0.5 / FACTOR)
                except AssertionError:
                    break
                if f is None or (f.kind == RST_STREAM or c.answers[stream].is_over if stream in c.answers else False):
                    break
                if f.kind == WINDOW_UPDATE and f.stream == stream:
                    window += struct.unpack(">I", f.payload)[0]
        assert sent < 32 << 20


# --- clients that go, and time ------------------------------------------------------------------------------

def test_a_reset_cancels_that_exchange_alone(daemon):
    gone = counter("forebay_client_gone_total")
    with Client2(daemon.address) as c:
        slow, other = c.request("/chaos/delay/5000"), c.request("/chaos/delay/300")
        assert c.is_well()
        c.send(reset(slow))
        assert c.answer(other).status == 200
        wait_until(lambda: counter("forebay_client_gone_total") == gone + 1)
        assert c.is_well()


def test_a_client_that_goes_cancels_them_all(daemon):
    gone = counter("forebay_client_gone_total")
    c = Client2(daemon.address)
    for _ in range(5):
        c.request("/chaos/delay/5000")
    c.until(lambda f: f.kind == SETTINGS and f.flags & ACK)
    c.socket.close()
    wait_until(lambda: counter("forebay_client_gone_total") == gone + 5)


@pytest.fixture(scope="module")
def hasty(start, chaos):
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
""" % chaos.address)


def test_an_idle_connection_is_told_and_closed(hasty):
    with Client2(hasty.address) as c:
        assert c.is_well()
        begun = time.monotonic()
        while not c.is_eof:
            c.frame()
        assert c.goaway.error == NO_ERROR and time.monotonic() - begun > 0.3


def test_pings_do_not_keep_a_connection(hasty):
    with Client2(hasty.address) as c:
        assert c.is_well()
        with pytest.raises((ConnectionError, AssertionError)):
            for _ in range(30):
                c.send(ping())
                c.until(lambda f: f.kind == PING)
                time.sleep(0.05 * FACTOR)


def test_a_header_block_has_a_deadline(hasty):
    with Client2(hasty.address) as c:
        assert c.is_well()
        c.send(headers_of(c, flags=END_STREAM)[:-3])
        assert c.end() == ENHANCE_YOUR_CALM


def test_a_body_that_stops_is_408(hasty):
    with Client2(hasty.address) as c:
        stream = on_stream(c, lambda s: pack(DATA, 0, s, b"abc"), lines=fields("/echo", "POST", ("content-length", "9")))
        answer = c.answer(stream)
        assert answer.status == 408 or answer.error == INTERNAL_ERROR
        assert c.is_well()


def test_a_window_that_never_opens_costs_the_stream(hasty):
    with Client2(hasty.address, window=0) as c:
        stream = c.request("/hello")
        assert c.answer(stream).error == CANCEL
        c.send(settings((INITIAL_WINDOW_SIZE, 65535)))
        assert c.is_well()


# --- draining and reload --------------------------------------------------------------------------------------

PLAIN = """
[server]
workers = 2
grace = 5s
[upstream chaos]
servers = http://%s
[route hello]
match = GET /hello
source = fixed
body = Hello.
[route late]
match = GET /late
source = upstream chaos
path = /delay/500
"""


def test_the_end_of_the_server_is_announced_and_streams_are_finished(start, chaos):
    """RFC 9113 6.8: first that it will be, then which streams are the last."""
    daemon = start(PLAIN % chaos.address)
    with Client2(daemon.address) as c, Client2(daemon.address) as idle:
        assert idle.is_well()
        late = c.request("/late")
        c.until(lambda f: f.kind == SETTINGS and f.flags & ACK)
        daemon.signal(signal.SIGTERM)
        assert c.until(lambda f: f.kind == GOAWAY).payload[:4] == struct.pack(">I", LARGEST)
        assert c.answer(late).status == 200
        assert c.end() == NO_ERROR
        assert struct.unpack(">I", c.goaway.payload[:4])[0] == late
        assert idle.end() == NO_ERROR
    daemon.stop()


def test_a_reload_under_load_loses_nothing(start, chaos):
    daemon = start(PLAIN % chaos.address)
    stop, failed, done = threading.Event(), [], []

    def ask():
        with Client2(daemon.address) as c:
            while not stop.is_set():
                streams = [c.request("/hello") for _ in range(10)]
                for stream in streams:
                    answer = c.answer(stream)
                    done.append(1)
                    if answer.body != b"Hello.":
                        failed.append(answer)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        time.sleep(0.1)
        daemon.signal(signal.SIGHUP)
    time.sleep(0.2)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failed and len(done) > 100
    daemon.stop()


# --- abuse (SAFETY: budgets): all of it is cut early ------------------------------------------------------------

def rapid_reset(c, i):
    return c.headers(fields())[0] + reset(c.next_stream - 2)


def made_you_reset(c, i):
    return c.headers(fields("/echo", "POST", ("content-length", "5")))[0]


def trailed_you_reset(c, i):
    return (c.headers(fields("/echo", "POST"), flags=END_HEADERS)[0] +
            pack(HEADERS, END_HEADERS | END_STREAM, c.next_stream - 2, b"\0\1x\1y" * 65))


ABUSES = [
    ("rapid reset", rapid_reset, 'reason="reset"'),
    ("MadeYouReset", made_you_reset, 'reason="stream_error"'),
    ("MadeYouReset by trailers", trailed_you_reset, 'reason="stream_error"'),
    ("PING", lambda c, i: ping(), 'reason="ping"'),
    ("ACKs of PINGs", lambda c, i: ping(flags=ACK), 'reason="ping"'),
    ("SETTINGS", lambda c, i: settings((MAX_CONCURRENT_STREAMS, i)), 'reason="settings"'),
    ("WINDOW_UPDATE", lambda c, i: window_update(0, 1), 'reason="window"'),
    ("unknown frames", lambda c, i: pack(0xfa, 0, 0, b"abc"), 'reason="other"'),
    ("PRIORITY", lambda c, i: pack(PRIORITY, 0, 1001, bytes(5)), 'reason="priority"'),
    ("PRIORITY_UPDATE", lambda c, i: pack(PRIORITY_UPDATE, 0, 0, struct.pack(">I", 1) + b"u=0"), 'reason="priority"'),
    ("empty DATA", lambda c, i: (c.headers(fields("/echo", "POST"), flags=END_HEADERS)[0] if i == 0 else b"") +
     pack(DATA, 0, 1), 'reason="empty"'),
    ("DATA of padding", lambda c, i: (c.headers(fields("/echo", "POST"), flags=END_HEADERS)[0] if i == 0 else b"") +
     pack(DATA, PADDED, 1, b"\x04" + bytes(4)), 'reason="empty"'),
    ("empty CONTINUATION", lambda c, i: headers_of(c, flags=END_STREAM) if i == 0 else pack(CONTINUATION, 0, 1), 'reason="empty"'),
]


@pytest.mark.parametrize("make, reason", [row[1:] for row in ABUSES], ids=[row[0] for row in ABUSES])
def test_abuse_is_cut_early(daemon, make, reason):
    metric = "forebay_h2_calmed_total{%s" % reason
    before = counter(metric)
    with Client2(daemon.address, window=65535) as c:
        try:
            for i in range(20000):
                c.send(make(c, i))
        except ConnectionError:
            pass
        # What comes behind the GOAWAY is dropped, and not looked at.
        assert c.end() == ENHANCE_YOUR_CALM
        assert len(c.frames) < 500
    wait_until(lambda: counter(metric) == before + 1)
    with Client2(daemon.address) as c:
        assert c.is_well()


def test_many_tiny_fields_are_refused(daemon):
    with Client2(daemon.address) as c:
        lines = fields() + [("a", "")] * 90
        frame, stream = c.headers(lines)
        c.send(frame)
        assert c.answer(stream).status == 431
        assert c.is_well()


def test_what_one_connection_may_pin_is_bounded(start, chaos):
    """128 streams that take nothing of answers of 1 MiB: a block of 16 KiB and little more is kept for each."""
    daemon = start("[server]\nworkers = 1\n[upstream c]\nservers = http://%s\nmax_connections = 128\n[route all]\nmatch = GET /{path...}\n"
                   "source = upstream c\npath = /{path}\n" % chaos.address)
    with Client2(daemon.address) as c:
        assert c.answer(c.request("/big/65535")).is_whole
        before, most = rss(daemon), 0
    with Client2(daemon.address, window=0) as c:
        streams = [c.request("/big/1048576") for _ in range(128)]
        while not all(c.answers.get(stream) and c.answers[stream].status == 200 for stream in streams):
            assert c.frame()
        for _ in range(20):  # they have all begun; there is time to take more
            c.send(ping())
            c.until(lambda f: f.kind == PING)
            most = max(most, rss(daemon))
            time.sleep(0.02)
    assert most - before < (4 << 20 if FACTOR == 1 else 24 << 20)
    daemon.stop()


def test_windows_that_are_never_opened_cost_little(daemon):
    """2,000 streams on 16 connections that take nothing: what is kept for them is bounded."""
    before = rss(daemon)
    clients = [Client2(daemon.address, window=0) for _ in range(16)]
    for c in clients:
        for _ in range(125):
            c.request("/chaos/big/1048576")
    time.sleep(1)
    grown = rss(daemon) - before
    for c in clients:
        c.socket.close()
    assert grown < (200 << 20) * FACTOR
    with Client2(daemon.address) as c:
        assert c.is_well()


def test_random_resets_and_ends(daemon):
    """Whatever is running when a client resets or goes: nothing is lost or used again."""
    seed = int(os.environ.get("FOREBAY_SEED", "1"))
    dice = random.Random(seed)
    paths = ["/hello", "/echo", "/large", "/chaos/delay/5", "/chaos/big/100000", "/joined", "/nope", "/slow", "/chaos/truncate"]
    for _ in range(40):
        with Client2(daemon.address, window=dice.choice([0, 10, 1000, LARGEST])) as c:
            try:
                for _ in range(dice.randrange(1, 60)):
                    path = dice.choice(paths)
                    if dice.random() < 0.5:
                        stream = c.request(path, dice.choice(["GET", "POST", "HEAD"]))
                    else:
                        stream = on_stream(c, lambda s: pack(DATA, 0, s, bytes(dice.randrange(0, 5000))),
                                           lines=fields(path, "POST"))
                    if dice.random() < 0.4:
                        time.sleep(dice.random() * 0.003)
                    if dice.random() < 0.5:
                        c.send(reset(dice.choice([stream, max(1, stream - 2)])))
                    if dice.random() < 0.2:
                        c.send(pack(DATA, END_STREAM, stream, b"x"))
            except ConnectionError:
                pass
    with Client2(daemon.address) as c:
        assert c.is_well()


# --- other people's clients ------------------------------------------------------------------------------------------

def test_nghttp_and_h2load(daemon):
    if not any(os.access(os.path.join(folder, "h2load"), os.X_OK) for folder in os.environ["PATH"].split(":")):
        pytest.skip("there is no h2load (package nghttp2-client)")
    url = "http://127.0.0.1:%d" % daemon.port
    got = subprocess.run(["nghttp", url + "/chaos/big/300000"], stdout=subprocess.PIPE, timeout=20, check=True).stdout
    assert len(got) == 300000
    said = subprocess.run(["h2load", "-n", "2000", "-c", "4", "-m", "32", url + "/hello"], stdout=subprocess.PIPE,
                          timeout=60, check=True).stdout.decode()
    assert "2000 succeeded, 0 failed" in said
