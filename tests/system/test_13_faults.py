"""Faults of clients: each has one answer, moves its counter, and no other, by one, and names the client in the log.

The table of them is in forebayd(8), FAULTS; here is one of each row at least.
"""
import os
import re
import select
import time

import pytest

import bed
from bed import wait_until
from client import Client, metrics
from conformance import CHUNKED, GET, HOST, POST, get, with_lines

try:
    from client2 import (CANCEL, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, INITIAL_WINDOW_SIZE,
                         MAX_CONCURRENT_STREAMS, NO_ERROR, PRIORITY, PROTOCOL_ERROR, REFUSED_STREAM, Client2, fields, pack,
                         ping, reset, settings, window_update)
    HAS_H2 = "nghttp2    no" not in bed.run_forebayd("--version")[1]
except ImportError:
    HAS_H2 = False

MAN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../man/forebayd.8")
over_h2 = pytest.mark.skipif(not HAS_H2, reason="no HTTP/2 here")
covered = set()

CONF = """
[server]
workers = 1
trusted_proxies = 127.0.0.1
[admin]
listen = 127.0.0.1:%d
[limits]
max_header_bytes = 2k
max_headers = 20
max_uri = 512
max_body = 64k
%s
[upstream chaos]
servers = http://%s
max_connections = 200
[route hello]
match = GET /hello
source = fixed
body = Hello.
[route echo]
match = * /echo
source = echo
[route digest]
match = POST /digest
source = compute digest
[route proxy]
match = * /chaos/{path...}
source = upstream chaos
path = /{path}
"""

HASTY = """
header_timeout = 800ms
body_idle_timeout = 800ms
idle_timeout = 800ms
send_idle_timeout = 800ms
"""

# Nothing is late but by its rate.
PACED = """
body_idle_timeout = 60s
send_idle_timeout = 60s
min_body_rate = 1000
min_send_rate = 100k
rate_grace = 500ms
"""


class Faults:
    """A daemon, its faults so far, and what it said of them."""

    def __init__(self, start, chaos, limits=""):
        self.admin = bed.free_port()
        self.daemon = start(CONF % (self.admin, limits, chaos.address))
        self.address = self.daemon.address

    def counters(self):
        """{row of the table: number}."""
        seen = {}
        for (name, labels), number in metrics(("127.0.0.1", self.admin)).items():
            match = re.match(r"forebay_(requests_refused|request_bodies_refused|connections_dropped|client_gone|deadlines_ignored|h2_.*)_total\Z", name)
            if match:
                reason = dict(labels).get("reason")
                seen[match.group(1) + ("{%s}" % reason if reason else "")] = number
        return seen

    def expect(self, row, do, others=()):
        """do(c) is one fault of that row."""
        before, said = self.counters(), len(self.daemon.stderr())
        names = do()
        wait_until(lambda: self.counters().get(row, 0) > before.get(row, 0), what=row)
        after = self.counters()
        moved = {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)}
        assert moved.pop(row) == 1
        assert not set(moved) - set(others), moved
        if names:
            pattern = r"client %s: \S" % re.escape("%s:%d" % names)
            wait_until(lambda: re.search(pattern, self.daemon.stderr()[said:]), what="a line of " + pattern)
        covered.add(row)


@pytest.fixture(scope="module")
def faults(start, chaos):
    return Faults(start, chaos)


@pytest.fixture(scope="module")
def noisy(start, chaos):
    return Faults(start, chaos)


@pytest.fixture(scope="module")
def hasty(start, chaos):
    return Faults(start, chaos, HASTY)


@pytest.fixture(scope="module")
def paced(start, chaos):
    return Faults(start, chaos, PACED)


# --- HTTP/1.1 ----------------------------------------------------------------------------------

ONE = [
    ("requests_refused{syntax}", get(b"hello"), 400, True),
    ("requests_refused{syntax}", get(b"/he%zz"), 400, True),
    ("requests_refused{max_uri}", get(b"/" + b"a" * 600), 414, True),
    ("requests_refused{max_header}", with_lines(b"X: " + b"a" * 3000), 431, True),
    ("requests_refused{max_header}", with_lines(*[b"X: 1"] * 20), 431, True),
    ("requests_refused{coding}", POST + b"Transfer-Encoding: gzip\r\n\r\n", 501, True),
    ("requests_refused{version}", get(b"/hello", b"HTTP/3.0"), 505, True),
    ("requests_refused{expect}", POST + b"Expect: x\r\nContent-Length: 1\r\n\r\na", 417, True),
    ("requests_refused{max_body}", POST + b"Content-Length: 100000\r\n\r\n", 413, True),
    ("requests_refused{max_body}", CHUNKED.replace(b"echo", b"digest") + b"20000\r\n" + b"a" * 0x12000, 413, True),
    ("requests_refused{method}", b"CONNECT a:80 HTTP/1.1\r\n" + HOST + b"\r\n", 501, True),
    ("requests_refused{method}", get(b"/hello", method=b"PUT"), 405, False),
    ("requests_refused{method}", get(b"/hello", method=b"BREW"), 501, False),
    ("requests_refused{no_route}", get(b"/nope"), 404, False),
    ("requests_refused{path}", get(b"/chaos/a%2f..%2fb"), 400, False),
    ("requests_refused{deadline}", with_lines(b"Forebay-Deadline: 0ms"), 504, False),
    ("deadlines_ignored", with_lines(b"Forebay-Deadline: soon"), 200, False),
    ("request_bodies_refused{syntax}", CHUNKED.replace(b"echo", b"digest") + b"x\r\n", 400, True),
]


@pytest.mark.parametrize("row, sent, status, is_told", ONE, ids=["%s %d" % (row[0], i) for i, row in enumerate(ONE)])
def test_a_fault_has_its_answer_and_its_counter(faults, row, sent, status, is_told):
    def do():
        with Client(faults.address) as c:
            c.send(sent)
            assert c.response().status == status
            return c.socket.getsockname() if is_told else None
    faults.expect(row, do)


def test_a_client_that_goes_is_counted(faults):
    def do():
        with Client(faults.address) as c:
            c.get("/chaos/hang")
            time.sleep(0.05)
    faults.expect("client_gone", do)


LATE = [
    ("connections_dropped{header_timeout}", GET),
    ("connections_dropped{body_timeout}", POST.replace(b"echo", b"digest") + b"Content-Length: 5\r\n\r\nab"),
]


@pytest.mark.parametrize("row, sent", LATE, ids=[row[0] for row in LATE])
def test_what_comes_too_late_is_408(hasty, row, sent):
    def do():
        with Client(hasty.address) as c:
            c.send(sent)
            assert c.response().status == 408
            return c.socket.getsockname()
    hasty.expect(row, do)


def test_an_answer_that_is_not_read_is_dropped(hasty):
    def do():
        c = Client(hasty.address, receive_bytes=4096)
        c.get("/chaos/big/33554432")
        wait_until(lambda: hasty.counters()["connections_dropped{send_timeout}"] > 0, 20, "the drop")
        name = c.socket.getsockname()
        c.close()
        return name
    hasty.expect("connections_dropped{send_timeout}", do, others=["client_gone"])


def test_a_connection_without_a_request_is_closed(hasty):
    def do():
        with Client(hasty.address) as c:
            assert c.ask("/hello").status == 200
            assert c.is_closed()
    hasty.expect("connections_dropped{idle}", do)


# --- rates ---------------------------------------------------------------------------------------

def test_a_body_that_trickles_is_408(paced):
    """Bytes come, so that it is never idle; but not as many as are asked for."""
    def do():
        with Client(paced.address) as c:
            c.send(POST.replace(b"echo", b"digest") + b"Content-Length: 60000\r\n\r\n")
            try:
                while c.is_quiet(0):
                    c.send(b"a")
                    time.sleep(0.02)
            except ConnectionError:
                pass
            assert c.response().status == 408
            return c.socket.getsockname()
    paced.expect("connections_dropped{body_rate}", do)


def keep_up(address):
    """The status, and the longest time between two pieces of the body."""
    slowest = 0
    with Client(address) as c:
        c.send(POST.replace(b"echo", b"digest") + b"Content-Length: 15000\r\n\r\n")
        try:
            for _ in range(15):
                begun = time.monotonic()
                time.sleep(0.1)
                c.send(b"a" * 1000)
                slowest = max(slowest, time.monotonic() - begun)
        except ConnectionError:
            pass
        return c.response().status, slowest


def test_a_body_that_keeps_up_is_taken(paced):
    """Ten times as fast as is asked for, and three times as long as the grace."""
    for _ in range(5):
        status, slowest = keep_up(paced.address)
        if status == 200:
            return
        assert slowest > 0.25  # this process was kept from its processor
    pytest.skip("this machine is too busy to keep up with anything")


def test_what_a_slow_server_takes_is_not_held_against_the_client(paced):
    """While nobody asks for more of the body, its time stands still."""
    with Client(paced.address) as c:
        c.send(b"POST /chaos/delay/1500 HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\n0123456789")
        assert c.response().status == 200


def test_an_answer_that_is_taken_in_drops_is_dropped(paced):
    def do():
        c = Client(paced.address, receive_bytes=4096)
        c.get("/chaos/big/33554432")
        try:
            while paced.counters()["connections_dropped{send_rate}"] == 0:
                c.socket.recv(256)
                time.sleep(0.01)
        except ConnectionError:
            pass
        name = c.socket.getsockname()
        c.close()
        return name
    paced.expect("connections_dropped{send_rate}", do, others=["client_gone"])


# --- HTTP/2 ----------------------------------------------------------------------------------------

def on_stream(c, *frames, path="/digest", more=()):
    opened, stream = c.headers(fields(path, "POST", *more), flags=END_HEADERS)
    c.send(opened, *[frame(stream) for frame in frames])
    return stream


def name_of(c):
    return c.socket.getsockname()


TWO = [
    ("requests_refused{syntax}", lambda c: c.request("/hello", "GET", ("connection", "x")), PROTOCOL_ERROR),
    ("requests_refused{syntax}", lambda c: c.request("/hello", "GET", ("x", "a\0b")), PROTOCOL_ERROR),
    ("requests_refused{syntax}", lambda c: c.request("/hello", scheme=None), PROTOCOL_ERROR),
    ("requests_refused{syntax}", lambda c: c.request("/he%zz"), 400),
    ("requests_refused{max_uri}", lambda c: c.request("/" + "a" * 600), 414),
    ("requests_refused{max_header}", lambda c: c.request("/hello", "GET", ("x", "a" * 3000)), 431),
    ("requests_refused{expect}", lambda c: c.request("/hello", "GET", ("expect", "x")), 417),
    ("requests_refused{max_body}", lambda c: on_stream(c, lambda s: pack(DATA, 0, s, bytes(16384)) * 5), 413),
    ("requests_refused{method}", lambda c: c.request("/hello", "PUT"), 405),
    ("requests_refused{no_route}", lambda c: c.request("/nope"), 404),
    ("requests_refused{path}", lambda c: c.request("/chaos/a%2f..%2fb"), 400),
    ("request_bodies_refused{syntax}", lambda c: on_stream(c, lambda s: pack(DATA, END_STREAM, s, b"abc"), more=[("content-length", "5")]), PROTOCOL_ERROR),
    ("request_bodies_refused{syntax}", lambda c: on_stream(c, lambda s: pack(HEADERS, END_HEADERS, s, b"\x00\x01x\x011")), PROTOCOL_ERROR),
    ("h2_streams_refused", lambda c: [c.request("/chaos/hang") for _ in range(129)][-1], REFUSED_STREAM),
]


@over_h2
@pytest.mark.parametrize("row, ask, verdict", TWO if HAS_H2 else [], ids=["%s %d" % (row[0], i) for i, row in enumerate(TWO)] if HAS_H2 else [])
def test_a_fault_of_http_2_is_the_streams_own(faults, row, ask, verdict):
    def do():
        with Client2(faults.address) as c:
            answer = c.answer(ask(c))
            assert verdict in (answer.status, answer.error)
            if row == "h2_streams_refused":
                c.send(*[reset(stream) for stream in range(1, 257, 2)])
            assert c.is_well()
            return name_of(c) if "no_route" not in row and "method" not in row else None
    faults.expect(row, do, others=["client_gone"])


def flood(make):
    def do(c):
        try:
            for i in range(20000):
                c.send(make(c, i))
        except ConnectionError:
            pass
    return do


def with_first(first, then):
    return lambda c, i: first(c) if i == 0 else then


ENDS = [
    ("h2_connection_errors", lambda c: c.send(pack(DATA, 0, 0, b"abc")), PROTOCOL_ERROR),
    ("h2_connection_errors", lambda c: c.send(c.headers(fields(), stream=9)[0] + c.headers(fields(), stream=5)[0]), PROTOCOL_ERROR),
    ("h2_connection_errors", lambda c: c.send(pack(PRIORITY, 0, 0, bytes(5))), PROTOCOL_ERROR),
    ("requests_refused{max_header}", lambda c: c.send(pack(HEADERS, END_HEADERS | END_STREAM, 1, c.block(fields()) + b"\x40\x01x\x7f\xa1\x0f" + b"a" * 2080 + b"\xbe" * 8000)),
     ENHANCE_YOUR_CALM),
    ("h2_calmed{reset}", flood(lambda c, i: c.headers(fields())[0] + reset(c.next_stream - 2)), ENHANCE_YOUR_CALM),
    ("h2_calmed{stream_error}", flood(lambda c, i: c.headers(fields("/digest", "POST", ("content-length", "5")))[0]), ENHANCE_YOUR_CALM),
    ("h2_calmed{ping}", flood(lambda c, i: ping()), ENHANCE_YOUR_CALM),
    ("h2_calmed{settings}", flood(lambda c, i: settings((MAX_CONCURRENT_STREAMS, i))), ENHANCE_YOUR_CALM),
    ("h2_calmed{empty}", flood(with_first(lambda c: c.headers(fields("/digest", "POST"), flags=END_HEADERS)[0], pack(DATA, 0, 1))), ENHANCE_YOUR_CALM),
    ("h2_calmed{priority}", flood(lambda c, i: pack(PRIORITY, 0, 1001, bytes(5))), ENHANCE_YOUR_CALM),
    ("h2_calmed{window}", flood(lambda c, i: window_update(0, 1)), ENHANCE_YOUR_CALM),
    ("h2_calmed{other}", flood(lambda c, i: pack(0xfa, 0, 0, b"abc")), ENHANCE_YOUR_CALM),
] if HAS_H2 else []


@over_h2
@pytest.mark.parametrize("row, do_it, error", ENDS, ids=["%s %d" % (row[0], i) for i, row in enumerate(ENDS)])
def test_what_ends_a_connection_of_http_2_is_counted_once(faults, noisy, row, do_it, error):
    if row == "h2_calmed{stream_error}":
        faults = noisy  # each stream has a line, and the log its budget of lines per second

    def do():
        with Client2(faults.address, window=65535) as c:
            name = name_of(c) if faults is not noisy else None
            do_it(c)
            assert c.end() == error
            return name
    faults.expect(row, do, others=["client_gone", "requests_refused{syntax}", "request_bodies_refused{syntax}", "h2_streams_refused"])


@over_h2
def test_streams_that_are_late_are_counted_too(hasty):
    def body():
        with Client2(hasty.address) as c:
            assert c.answer(on_stream(c, lambda s: pack(DATA, 0, s, b"abc"))).status == 408
            return name_of(c)
    hasty.expect("connections_dropped{body_timeout}", body)

    def head():
        with Client2(hasty.address) as c:
            assert c.is_well()
            c.send(c.headers(fields())[0][:-3])
            assert c.end() == ENHANCE_YOUR_CALM
            return name_of(c)
    hasty.expect("connections_dropped{header_timeout}", head)

    def window():
        with Client2(hasty.address, window=0) as c:
            assert c.answer(c.request("/hello")).error == CANCEL
            return name_of(c)
    hasty.expect("connections_dropped{send_timeout}", window)

    def idle():
        with Client2(hasty.address) as c:
            assert c.end() == NO_ERROR
    hasty.expect("connections_dropped{idle}", idle)


@over_h2
def test_streams_that_trickle_are_counted_too(paced):
    def body():
        with Client2(paced.address) as c:
            stream = on_stream(c)
            while stream not in c.answers or not c.answers[stream].is_over:
                c.send(pack(DATA, 0, stream, b"a"))
                time.sleep(0.02)
                while c.buffer or select.select([c.socket], [], [], 0)[0]:
                    assert c.frame()
            assert c.answers[stream].status == 408
            return name_of(c)
    paced.expect("connections_dropped{body_rate}", body)

    def window():
        with Client2(paced.address, window=0) as c:
            stream = c.request("/chaos/big/1000000")
            while stream not in c.answers or not c.answers[stream].is_over:
                c.send(window_update(stream, 10))
                time.sleep(0.02)
                while c.buffer or select.select([c.socket], [], [], 0)[0]:
                    assert c.frame()
            assert c.answers[stream].error == CANCEL
            return name_of(c)
    paced.expect("connections_dropped{send_rate}", window)


@over_h2
def test_who_has_to_let_others_go_first_is_not_late(start, chaos):
    """RFC 9218: its window is open, and what is urgent takes all that the connection has."""
    late = Faults(start, chaos, "send_idle_timeout = 2s\nrate_grace = 2s\nmin_send_rate = 1k\n")
    with Client2(late.address, greeting=settings((INITIAL_WINDOW_SIZE, 1 << 24)), window=1 << 20) as c:
        assert len(c.answer(c.request("/chaos/big/65535")).body) == 65535  # the connection has no window now
        urgent = c.request("/chaos/big/10000000", "GET", ("priority", "u=0"))
        c.send(window_update(0, 1000))
        c.until(lambda f: f.kind == DATA)
        patient = c.request("/hello", "GET", ("priority", "u=7"))
        end = time.monotonic() + 3
        while time.monotonic() < end:
            c.send(window_update(0, 1000))
            c.until(lambda f: f.kind == DATA)
            time.sleep(0.02)
        assert not c.answers[urgent].is_over
        assert c.answers[patient].error is None
        c.send(reset(urgent), window_update(0, 1 << 20))
        assert c.answer(patient).body == b"Hello."


# --- the table ---------------------------------------------------------------------------------------

def test_every_row_of_the_manual_has_been_seen():
    """After all others of this file; alone it has seen nothing."""
    with open(MAN, encoding="utf-8") as file:
        text = file.read()
    rows = re.findall(r"(?m)^\.It Ic (\S+)$", text.split(".Sh FAULTS\n", 1)[1].split(".Sh ", 1)[0])
    assert len(rows) == len(set(rows)) >= 26
    if not covered:
        pytest.skip("the others were not run")
    if HAS_H2:
        assert covered == set(rows)
