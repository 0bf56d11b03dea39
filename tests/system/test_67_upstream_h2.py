"""HTTP/2 to upstreams: streams of one connection, bodies both ways, its ends, and servers that misbehave."""
import hashlib
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading

import pytest

import bed
from authority import Authority
from bed import run_forebayd, wait_until
from client import Client, metrics
from client2 import (CANCEL, ENHANCE_YOUR_CALM, GOAWAY, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, Client2, pack,
                     settings)
from upstream2 import Upstream2, bad_heads, offences

BIG = 3 * 1024 * 1024
PLAIN = "servers = http://127.0.0.1:%d\nprotocols = h2\n"


def upstream(name, port, *lines):
    """[upstream NAME] of one server in the clear, and a route that passes to it."""
    return "\n".join(["[upstream %s]" % name, PLAIN % port + "eject_after = 0", *lines,
                      "[route %s]" % name, "match = * /%s/{path...}" % name, "source = upstream " + name,
                      "path = /{path}", "max_body = 8m", ""])


@pytest.fixture(scope="module")
def server():
    u = Upstream2()
    yield u
    u.stop()


@pytest.fixture(scope="module")
def narrow():
    """Two streams on each connection."""
    u = Upstream2(settings((MAX_CONCURRENT_STREAMS, 2), (INITIAL_WINDOW_SIZE, 1 << 20)))
    yield u
    u.stop()


@pytest.fixture(scope="module")
def tight():
    """It gives no room for bodies but 100 bytes."""
    u = Upstream2(settings((INITIAL_WINDOW_SIZE, 100)))
    yield u
    u.stop()


@pytest.fixture(scope="module")
def admin():
    return ("127.0.0.1", bed.free_port())


@pytest.fixture(scope="module")
def daemon(start, server, narrow, tight, admin):
    return start("[server]\nworkers = 1\n[admin]\nlisten = 127.0.0.1:%d\n" % admin[1] +
                 upstream("u", server.port) +
                 upstream("one", server.port, "max_connections = 1") +
                 upstream("quick", server.port, "first_byte_timeout = 200ms", "read_idle_timeout = 200ms") +
                 upstream("stuck", tight.port, "send_idle_timeout = 200ms") +
                 upstream("narrow", narrow.port, "max_connections = 2", "max_pending = 100") +
                 upstream("full", narrow.port, "max_connections = 1", "max_pending = 1") +
                 upstream("pinging", server.port, "ping_interval = 100ms", "ping_timeout = 300ms") +
                 upstream("idle", server.port, "keepalive_timeout = 200ms") +
                 upstream("brief", server.port, "keepalive_timeout = 0") +
                 """
[route joined]
match = GET /joined
[subrequest joined.a]
source = upstream u
path = /heard
[subrequest joined.b]
source = upstream u
path = /trailers
as = text
[route late]
match = GET /late
deadline = 200ms
source = upstream u
path = /hold/late
""")


def ask(daemon, path, *lines, **rest):
    """One request on a connection of its own."""
    with Client(daemon.address) as c:
        return c.ask(path, *lines, **rest)


def counts(admin, name, **labels):
    return metrics(admin).get((name, tuple(labels.items())), 0)


def errors(admin, reason):
    return counts(admin, "forebay_upstream_errors_total", reason=reason)


def at_once(calls):
    """Runs them in threads of their own; what they give, in their order."""
    results = [None] * len(calls)

    def run(i):
        results[i] = calls[i]()
    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# --- what is sent, and what comes back --------------------------------------------------

def test_a_request_is_sent_as_http_2_has_it(daemon):
    said = json.loads(ask(daemon, "/u/heard?a=b", "Cookie: a=b; c=d", "TE: trailers", "Connection: TE, X-Hop",
                          "X-Hop: 1", "X-Mine: 2", host="who.example").body)
    fields = [tuple(field) for field in said["fields"]]
    assert fields[:2] == [(":method", "GET"), (":scheme", "http")]
    assert (":path", "/heard?a=b") in fields and ("x-mine", "2") in fields and ("te", "trailers") in fields
    assert [value for name, value in fields if name == "cookie"] == ["a=b", "c=d"]
    assert ("x-forwarded-host", "who.example") in fields and ("via", "1.1 forebay") in fields
    assert not {"host", "connection", "x-hop", "transfer-encoding"} & {name for name, _ in fields}
    assert said["settings"]["2"] == 0, "nothing may be pushed"


def test_a_cookie_of_very_many_pieces_is_no_failure_of_the_server(daemon, server, admin):
    """The library takes each piece for 30 bytes, and would drop a head of so many."""
    before = server.seen["connections"], counts(admin, "forebay_upstream_connections_replaced_total")
    text = "; ".join(["a"] * 3500)
    said = json.loads(ask(daemon, "/one/heard", "Cookie: " + text).body)
    assert [value for name, value in said["fields"] if name == "cookie"] == [text]
    assert ask(daemon, "/one/hello").status == 200
    assert server.seen["connections"] <= before[0] + 1
    assert counts(admin, "forebay_upstream_connections_replaced_total") == before[1]


def test_a_response_comes_back_as_it_was(daemon):
    r = ask(daemon, "/u/hello")
    assert (r.status, r.body, r.field("content-type")) == (200, b"Hello.", "text/plain")
    assert ask(daemon, "/u/bare").field("content-length") == "0"
    assert ask(daemon, "/u/status/204").status == 204
    assert ask(daemon, "/u/status/304").status == 304
    assert ask(daemon, "/u/status/503").body == b"status"
    assert ask(daemon, "/u/bare", method="HEAD").status == 200


def test_parts_are_joined(daemon):
    r = ask(daemon, "/joined")
    assert r.status == 200 and json.loads(r.body)["b"] == "body", r


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_bodies_come_whole_both_ways(daemon, framing):
    body = os.urandom(BIG)
    with Client(daemon.address) as c:
        if framing == "length":
            c.get("/u/heard", method="POST", body=body)
        else:
            c.send(b"POST /u/heard HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for at in range(0, BIG, 50000):
                c.send(b"%x\r\n%s\r\n" % (len(body[at:at + 50000]), body[at:at + 50000]))
            c.send(b"0\r\nX-Sum: 3\r\n\r\n")
        said = json.loads(c.response("POST").body)
        assert said["length"] == BIG and said["sha256"] == hashlib.sha256(body).hexdigest()
        assert said["trailers"] == ([] if framing == "length" else [["x-sum", "3"]])
        assert len(c.ask("/u/bytes/%d" % BIG).body) == BIG // 16 * 16


def test_trailers_and_hints_go_on(daemon):
    with Client2(daemon.address) as c:
        r = c.ask("/u/trailers")
        assert r.body == b"body" and r.trailers == [("x-sum", "12")]
        r = c.ask("/u/hints/2")
        assert r.informed == [103, 103] and r.hints == [("link", "</a.css>; rel=preload")] * 2
        assert r.status == 200 and r.body == b"Hello."


def test_an_early_answer_ends_the_request(daemon, server):
    before = len(server.resets)
    with Client(daemon.address) as c:
        c.send(b"POST /u/early HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n" + b"x" * 100000)
        assert c.response("POST").body == b"Hello."
    wait_until(lambda: server.resets[before:], what="a reset of the rest")
    assert server.resets[before] == ("/early", CANCEL)


# --- one connection for many ------------------------------------------------------------

def test_requests_share_a_connection(daemon, server, admin):
    ask(daemon, "/one/hello")
    connections, opened = server.seen["connections"], counts(admin, "forebay_upstream_connections_opened_total")
    names = ["share%d" % i for i in range(50)]
    clients = [Client(daemon.address) for _ in names]
    for c, name in zip(clients, names):
        c.get("/one/hold/" + name)
    wait_until(lambda: all(name in server.held for name in names), what="all of them at once")
    assert ask(daemon, "/one/hello").body == b"Hello."
    for c, name in zip(clients, names):
        server.let_go(name)
        assert c.response().body == b"let go"
        c.close()
    assert server.seen["connections"] == connections
    assert counts(admin, "forebay_upstream_connections_opened_total") == opened


def test_a_burst_waits_for_one_connection(start, server):
    daemon = start("[server]\nworkers = 1\n" + upstream("cold", server.port))
    before = server.seen["connections"]
    for r in at_once([lambda: ask(daemon, "/cold/hello")] * 20):
        assert r.body == b"Hello."
    assert server.seen["connections"] == before + 1


def test_what_the_server_allows_is_not_exceeded(daemon, narrow):
    """Four at once on two connections of two streams; the others wait for their turn."""
    names = ["turn%d" % i for i in range(10)]
    clients = [Client(daemon.address) for _ in names]
    before = narrow.seen["requests"]
    for c, name in zip(clients, names):
        c.get("/narrow/hold/" + name)
    for k in range(len(names)):
        wait_until(lambda k=k: narrow.seen["requests"] == before + min(k + 4, len(names)), what="the next four")
        assert len(narrow.held) == min(4, len(names) - k)
        narrow.let_go(next(iter(narrow.held)))
    for c in clients:
        assert c.response().body == b"let go"
        c.close()
    assert not narrow.seen["resets"]


def test_more_than_may_wait_are_refused(daemon, narrow):
    assert ask(daemon, "/full/hello").status == 200
    clients = [Client(daemon.address) for _ in range(3)]
    for i, c in enumerate(clients):
        c.get("/full/hold/wait%d" % i)
    wait_until(lambda: {"wait0", "wait1"} <= set(narrow.held))
    with Client(daemon.address) as c:
        r = c.ask("/full/hello")
        assert r.status == 503 and r.field("forebay-shed") == "upstream.full.max_pending"
    for i, c in enumerate(clients):
        wait_until(lambda i=i: "wait%d" % i in narrow.held)
        narrow.let_go("wait%d" % i)
        assert c.response().body == b"let go"
        c.close()


def test_a_slow_client_blocks_no_other(daemon, server):
    ask(daemon, "/one/hello")
    connections = server.seen["connections"]
    slow = [Client(daemon.address, receive_bytes=4096) for _ in range(20)]
    for c in slow:
        c.get("/one/bytes/%d" % BIG)
    for _ in range(5):
        assert len(ask(daemon, "/one/bytes/%d" % BIG).body) == BIG // 16 * 16
    assert server.seen["connections"] == connections
    assert len(slow[0].response().body) == BIG // 16 * 16
    for c in slow:
        c.close()
    assert ask(daemon, "/one/hello").body == b"Hello."


def test_a_slow_upload_blocks_no_other(daemon):
    with Client(daemon.address) as c:
        c.send(b"POST /one/heard HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
        assert ask(daemon, "/one/heard", method="POST", body=b"x" * BIG).status == 200
        c.send(b"67890")
        assert json.loads(c.response("POST").body)["body"] == "1234567890"


# --- it goes on elsewhere, or not at all --------------------------------------------------

@pytest.mark.parametrize("path", ["refuse", "goaway"])
def test_what_was_not_begun_is_begun_anew(daemon, server, path):
    """Once, on another connection, whatever the method (RFC 9113 8.7)."""
    connections = server.seen["connections"]
    assert ask(daemon, "/u/%s/get" % path).status == 200
    assert ask(daemon, "/u/%s/post" % path, method="POST").status == 200
    assert ask(daemon, "/u/%s/delete" % path, method="DELETE").status == 200
    said = json.loads(ask(daemon, "/u/%s/body" % path, method="POST", body=b"x" * 5000).body)
    assert said["length"] == 5000 and said["sha256"] == hashlib.sha256(b"x" * 5000).hexdigest()
    assert server.seen["connections"] >= connections + 3
    assert ask(daemon, "/u/refuse-all").status == 502


def test_a_connection_that_goes_away_ends_what_it_has(daemon, server):
    """The one that is under way is answered; what comes after it goes elsewhere."""
    ask(daemon, "/one/hello")
    connections = server.seen["connections"]
    with Client(daemon.address) as c:
        c.get("/one/hold/old")
        wait_until(lambda: "old" in server.held)
        assert ask(daemon, "/one/goaway-after").body == b"Hello."
        with Client(daemon.address) as other:
            other.get("/one/hello")
            server.let_go("old")
            assert c.response().body == b"let go"
            assert other.response().body == b"Hello."
    assert server.seen["connections"] == connections + 1


def test_an_idle_connection_that_was_closed_is_replaced(daemon, server):
    for _ in range(3):
        assert ask(daemon, "/u/hello").status == 200
        server.cut()
    assert ask(daemon, "/u/hello").status == 200


@pytest.mark.parametrize("path, status, reason", [
    ("reset/2", 502, "closed"), ("reset/8", 502, "closed"), ("reset/0", 502, "closed"), ("close", 502, "closed"),
    ("quick/hold/never", 504, "first_byte_timeout")])
def test_one_that_fails_has_its_cause(daemon, admin, path, status, reason):
    before = errors(admin, reason)
    assert ask(daemon, "/" + path if path.startswith("quick") else "/u/" + path, method="POST").status == status
    assert errors(admin, reason) == before + 1
    assert ask(daemon, "/u/hello").body == b"Hello."


@pytest.mark.parametrize("path", ["reset/2/head", "reset/0/body", "close/head", "close/body", "length/5/3"])
def test_a_response_that_is_cut_is_seen_to_be_cut(daemon, path):
    with Client2(daemon.address) as c:
        assert c.ask("/u/" + path).error is not None
        assert c.ask("/u/hello").body == b"Hello."


def test_a_response_that_was_whole_is_not_lost_with_its_connection(daemon):
    said = len(daemon.stderr())
    with Client(daemon.address, receive_bytes=4096) as c:
        c.get("/u/whole-then-close/100000")
        wait_until(lambda: "closed by the server" in daemon.stderr()[said:])
        assert len(c.response().body) == 100000
    assert ask(daemon, "/u/hello").body == b"Hello."


def test_a_server_that_takes_no_body_is_given_up(daemon, admin):
    before = errors(admin, "send_idle_timeout")
    assert ask(daemon, "/stuck/early-nothing", method="POST", body=b"x" * 5000).status == 504
    assert errors(admin, "send_idle_timeout") == before + 1


def test_a_client_that_goes_cancels_its_stream(daemon, server):
    before = len(server.resets)
    connections = server.seen["connections"]
    with Client(daemon.address) as c:
        c.get("/one/hold/gone")
        wait_until(lambda: "gone" in server.held)
    wait_until(lambda: server.resets[before:], what="a reset")
    assert server.resets[before:] == [("/hold/gone", CANCEL)]
    with Client(daemon.address) as c:
        c.get("/one/bytes/%d" % (8 * BIG))
        c.exactly(100)
    wait_until(lambda: server.resets[before + 1:], what="a reset")
    assert server.resets[before + 1][1] == CANCEL
    assert ask(daemon, "/one/hello").body == b"Hello."
    assert server.seen["connections"] <= connections + 1


@pytest.fixture
def wide():
    """All of a large body fits its windows, which it says nothing more about."""
    u = Upstream2(settings((INITIAL_WINDOW_SIZE, 1 << 28)), is_generous=False)
    u.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    yield u
    u.stop()


def test_an_upload_goes_on_when_the_socket_does(start, wide):
    """Nothing else wakes it: neither windows nor a PING."""
    running = start("[server]\nworkers = 1\n" + upstream("u", wide.port).replace("8m", "100m"))
    body = os.urandom(1000) * 30000
    said = json.loads(ask(running, "/u/heard", method="POST", body=body).body)
    assert said["length"] == len(body) and said["sha256"] == hashlib.sha256(body).hexdigest()
    assert wide.seen["pings"] == 0


def test_uploads_may_end_while_their_frames_wait(start, wide):
    """The server takes little, so that DATA waits for room in front of the socket; then its body is gone."""
    watch = ("127.0.0.1", bed.free_port())
    running = start("[server]\nworkers = 1\n[admin]\nlisten = 127.0.0.1:%d\n" % watch[1] +
                    upstream("u", wide.port).replace("8m", "100m"))
    head = b"POST /u/%s HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n"
    with Client(running.address) as c:
        c.send(head % b"early-deaf/it")
        wait_until(lambda: "it" in wide.deaf)
        c.socket.settimeout(0.2 * bed.FACTOR)
        with pytest.raises(TimeoutError):
            while True:
                c.socket.send(b"x" * 65536)
        others = [Client(running.address) for _ in range(50)]
        for other in others:
            other.send(head % b"early-nothing" + b"x" * 100000)
        wait_until(lambda: counts(watch, "forebay_upstream_h2_streams_total") == 51)
        wide.deaf["it"][0].set()
        wait_until(lambda: wide.deaf["it"][2].is_set())
        for each in others + [c]:
            each.reset()
    wait_until(lambda: counts(watch, "forebay_client_gone_total") == 51, what="the clients' leave")
    wide.deaf["it"][1].set()
    wait_until(lambda: ("/early-deaf/it", CANCEL) in wide.resets, what="a reset")
    assert ask(running, "/u/hello").body == b"Hello."
    assert wide.seen["connections"] == 1


def test_a_deadline_cancels_its_stream(daemon, server):
    before = len(server.resets)
    assert ask(daemon, "/late").status == 504
    wait_until(lambda: server.resets[before:], what="a reset")
    assert server.resets[before] == ("/hold/late", CANCEL)


# --- a connection's life -------------------------------------------------------------------

def test_a_silent_connection_is_asked_for_a_sign_of_life(daemon, server, admin):
    before = server.seen["pings"]
    assert ask(daemon, "/pinging/hello").status == 200
    wait_until(lambda: server.seen["pings"] >= before + 2)
    mute = counts(admin, "forebay_upstream_h2_mute_total")
    with Client(daemon.address) as c:
        c.get("/pinging/hold/lost")
        assert ask(daemon, "/pinging/mute").status == 200
        assert c.response().status == 502
    assert counts(admin, "forebay_upstream_h2_mute_total") == mute + 1
    assert ask(daemon, "/pinging/hello").status == 200


def test_an_idle_connection_ends_with_goaway(daemon, server):
    for name in ("idle", "brief"):
        before = server.seen["goaways"]
        assert ask(daemon, "/%s/hello" % name).status == 200
        wait_until(lambda before=before: server.seen["goaways"] > before)
        assert server.errors[-1] == 0


def test_a_drain_ends_them_all(start, server):
    daemon = start("[server]\nworkers = 2\n" + upstream("drained", server.port))
    opened = server.seen["open"]
    with Client(daemon.address) as c:
        c.get("/drained/hold/drain")
        wait_until(lambda: "drain" in server.held)
        daemon.signal()
        server.let_go("drain")
        assert c.response().body == b"let go"
    daemon.wait()
    wait_until(lambda: server.seen["open"] <= opened)


# --- servers that lie ----------------------------------------------------------------------

@pytest.mark.parametrize("name", sorted(bad_heads(1, lambda lines: b"")))
def test_a_bad_head_is_a_bad_gateway(daemon, admin, server, name):
    """The stream alone fails: others of the connection go on."""
    before = errors(admin, "protocol")
    with Client(daemon.address) as c:
        c.get("/one/hold/by-%s" % name)
        wait_until(lambda: "by-" + name in server.held)
        assert ask(daemon, "/one/head/" + name).status == 502
        server.let_go("by-" + name)
        assert c.response().body == b"let go"
    assert errors(admin, "protocol") == before + 1


@pytest.mark.parametrize("path", ["hints/9", "body-of-head/204", "body-of-head/304"])
def test_a_response_that_cannot_be_is_refused(daemon, admin, path):
    before = errors(admin, "protocol")
    with Client2(daemon.address) as c:
        r = c.ask("/u/" + path)
        # A head may have gone on, and the client with it, when the body comes that cannot be.
        assert r.status == 502 or r.error is not None or (r.status in (204, 304) and not r.body), r.status
        assert c.ask("/u/hello").body == b"Hello."
    if r.status == 502:
        assert errors(admin, "protocol") == before + 1


@pytest.mark.parametrize("path", ["length/3/5", "bad-trailers"])
def test_more_than_was_said_does_not_look_whole(daemon, admin, path):
    before = errors(admin, "protocol")
    with Client2(daemon.address) as c:
        assert c.ask("/u/" + path).error is not None
        assert c.ask("/u/hello").body == b"Hello."
    assert errors(admin, "protocol") == before + 1


CALMED = ("ping", "settings", "window", "empty", "padding", "priority", "unknown", "resets")


@pytest.mark.parametrize("name", sorted(offences(3, lambda lines: b"")))
def test_an_offence_ends_the_connection(daemon, admin, server, name):
    ask(daemon, "/one/hello")
    connections, before = server.seen["connections"], errors(admin, "protocol")
    calmed, told = counts(admin, "forebay_upstream_h2_calmed_total"), len(server.errors)
    with Client2(daemon.address) as c:
        r = c.ask("/one/offend/" + name)
        assert r.status == 502 or r.error is not None, r.status
        assert c.ask("/one/hello").body == b"Hello."
    assert server.seen["connections"] == connections + 1
    assert errors(admin, "protocol") == before + 1
    if name in CALMED:
        assert counts(admin, "forebay_upstream_h2_calmed_total") == calmed + 1
        wait_until(lambda: ENHANCE_YOUR_CALM in server.errors[told:])


def test_data_on_closed_streams_ends_the_connection(daemon, admin):
    calmed = counts(admin, "forebay_upstream_h2_calmed_total")
    assert ask(daemon, "/u/stray").body == b"whole"
    wait_until(lambda: counts(admin, "forebay_upstream_h2_calmed_total") == calmed + 1)
    assert ask(daemon, "/u/hello").status == 200


@pytest.mark.parametrize("greeting", [settings((MAX_CONCURRENT_STREAMS, 0)), b"HTTP/1.1 400 Bad Request\r\n\r\n",
                                      b"SSH-2.0-OpenSSH_9.2\r\n", b""])
def test_one_that_does_not_speak_it_is_not_asked(start, admin, greeting):
    other = Upstream2(greeting)
    if greeting in (b"", settings((MAX_CONCURRENT_STREAMS, 0))):
        other.greet = lambda conn: conn.send(greeting)
    daemon = start("[server]\nworkers = 1\n" + upstream("not", other.port, "connect_timeout = 300ms"))
    assert ask(daemon, "/not/hello").status == 502
    assert not other.seen["requests"]
    other.stop()


@pytest.mark.parametrize("more", [pack(GOAWAY, 0, 0, struct.pack(">II", 0, 0)), settings((MAX_CONCURRENT_STREAMS, 0))])
def test_one_that_leaves_at_once_is_asked_once(start, more):
    """What waited is not begun, and its next connection would hear the same."""
    leaving = Upstream2(settings() + more)
    daemon = start("[server]\nworkers = 1\n" + upstream("u", leaving.port) + "deadline = 2s\n")
    assert ask(daemon, "/u/hello", method="POST", body=b"x").status == 502
    assert leaving.seen["connections"] == 1 and not leaving.seen["requests"]
    leaving.stop()


def test_another_server_is_asked_instead(start, server):
    port = bed.free_port()
    daemon = start("[server]\nworkers = 1\n[upstream two]\nservers = http://127.0.0.1:%d, http://127.0.0.1:%d\n"
                   "protocols = h2\nretry_budget = 100%%\nretry_on = connect, closed, 503, timeout\n"
                   "first_byte_timeout = 200ms\n[route r]\nmatch = * /{path...}\nsource = upstream two\n" %
                   (server.port, port))
    second = Upstream2(port=port)
    for _ in range(4):
        assert ask(daemon, "/status/503").status == 503  # both say so
        assert ask(daemon, "/hello").status == 200
    second.stop()
    for _ in range(4):
        assert ask(daemon, "/hello").status == 200


# --- TLS -------------------------------------------------------------------------------------

def tls_upstream(name, port, authority, protocols):
    return "\n".join(["[upstream %s]" % name, "servers = https://localhost:%d" % port, "connect_timeout = 20s",
                      "tls_ca = " + authority.path("ca.pem"), "protocols = " + protocols, "max_connections = 4",
                      "[route %s]" % name, "match = * /%s/{path...}" % name, "source = upstream " + name,
                      "path = /{path}", "max_body = 8m", ""])


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    a = Authority(tmp_path_factory.mktemp("authority"))
    a.issue("good", ["localhost"], key="ec")
    return a


def context(authority, *protocols):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(authority.path("good.pem"), authority.path("good.key"))
    if protocols:
        made.set_alpn_protocols(protocols)
    return made


def test_alpn_decides(start, authority, admin):
    h2 = Upstream2(tls=context(authority, "h2"))
    h1 = bed.Chaos(options=["--tls", authority.path("good")])
    daemon = start("[server]\nworkers = 1\n" + tls_upstream("both2", h2.port, authority, "h2, http/1.1") +
                   tls_upstream("both1", h1.port, authority, "h2, http/1.1") +
                   tls_upstream("only2", h2.port, authority, "h2") + tls_upstream("not2", h1.port, authority, "h2") +
                   tls_upstream("not1", h2.port, authority, "http/1.1"))
    for name in ("both2", "only2"):
        said = json.loads(ask(daemon, "/%s/heard" % name, method="POST", body=b"x" * BIG).body)
        assert [":scheme", "https"] in said["fields"] and said["length"] == BIG
    for results in (at_once([lambda: ask(daemon, "/both1/json")] * 20), at_once([lambda: ask(daemon, "/both2/hello")] * 20)):
        assert [r.status for r in results] == [200] * 20
    assert ask(daemon, "/both1/json").status == 200
    for _ in range(3):
        assert ask(daemon, "/not2/json").status == 502
    assert ask(daemon, "/not1/hello").status == 502
    h1.stop()
    h2.stop()


@pytest.mark.skipif(not shutil.which("nghttpd"), reason="there is no nghttpd (package nghttp2-server)")
def test_nghttpd_answers(start, authority, tmp_path):
    (tmp_path / "big").write_bytes(os.urandom(BIG))
    port = bed.free_port()
    process = subprocess.Popen(["nghttpd", "-a", "127.0.0.1", "-d", str(tmp_path), "--echo-upload", str(port),
                                authority.path("good.key"), authority.path("good.pem")],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        daemon = start("[server]\nworkers = 1\n" + tls_upstream("ng", port, authority, "h2"))
        wait_until(lambda: ask(daemon, "/ng/big").status == 200)
        body = os.urandom(BIG)
        for r in at_once([lambda: ask(daemon, "/ng/big")] * 8):
            assert r.body == (tmp_path / "big").read_bytes()
        for r in at_once([lambda: ask(daemon, "/ng/up", method="POST", body=body)] * 4):
            assert r.body == body
    finally:
        process.terminate()
        process.wait()


def test_what_cannot_be_is_told_with_its_line(tmp_path):
    conf = tmp_path / "forebay.conf"
    text = ("[listen web]\naddress = 127.0.0.1:0\n[upstream u]\nservers = http://localhost:1\n%s\n"
            "[route r]\nmatch = GET /\nsource = upstream u\n")
    for line, complaint in [("protocols = h3", "protocols: "), ("protocols =", "protocols"),
                            ("protocols = h2\nhealth_path = /", "health_path: health_path is asked for in HTTP/1.1")]:
        conf.write_text(text % line)
        code, _, said = run_forebayd("-t", "-c", str(conf))
        assert code == 1 and complaint in said, said
