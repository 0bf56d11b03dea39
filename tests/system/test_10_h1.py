"""HTTP/1.1 and 1.0 over real sockets: what a correct client gets, and what becomes of others.

What one message gets by its bytes alone is in conformance.py; here is what takes time, several
messages or several connections.
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


HOST = b"Host: a\r\n"
GET = b"GET /hello HTTP/1.1\r\n"
POST = b"POST /echo HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def get(target, version=b"HTTP/1.1"):
    return b"GET " + target + b" " + version + b"\r\n" + HOST + b"\r\n"


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
        assert c.ask("/hello", method="get").status == 501  # RFC 9110 9.1: methods are case-sensitive
        assert c.ask("/hello", method="BREW").status == 501
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


def test_a_slow_body_lives_on_from_byte_to_byte(start):
    daemon = start("[limits]\nbody_idle_timeout = 2s\n[route echo]\nmatch = POST /echo\nsource = echo\n")
    with Client(daemon.address) as c:
        c.send(POST + b"Content-Length: 5\r\n\r\n")
        for byte in b"12345":
            time.sleep(0.5)
            c.send(bytes([byte]))
        assert c.response().body == b"12345"
    daemon.stop()


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
