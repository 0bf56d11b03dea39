"""Routes of one source through the real daemon: who answers, and what is passed through."""
import json
import os
import select
import time

import pytest

from bed import free_port, wait_until
from client import Client, ask

CONF = """
[server]
workers = 2

[upstream chaos]
servers = http://%(chaos)s
first_byte_timeout = 1500ms
read_idle_timeout = 1500ms

[upstream patient]
servers = http://%(chaos)s

[upstream none]
servers = http://127.0.0.1:%(nobody)d

[upstream one]
servers = http://%(chaos)s
max_connections = 2
max_pending = 1

[route root]
match = GET /
source = fixed
body = root

[route literal]
match = GET /a/b
source = fixed
body = literal

[route one]
match = GET /a/{x}
source = fixed
body = one x={x}

[route rest]
match = GET /a/{x}/{rest...}
source = fixed
body = rest x={x} rest={rest}

[route post]
match = POST|PUT /a/{x}
source = fixed
body = {request.method} x={x}

[route host]
match = GET /a/b
host = www.example.com
source = fixed
body = host

[route hosts]
match = GET /a/b
host = *.example.com
source = fixed
body = hosts

[route values]
match = * /values
source = fixed
type = application/json
header.X-Seen = {header.x-id}
body = {"query": {query.q}, "all": {query}, "header": {header.x-id}, "method": {request.method}, "client": {client.address}}

[route body]
match = POST /body
source = fixed
body = <{body.user.name}>

[route status]
match = GET /teapot
source = fixed
status = 418
type = text/html; charset=utf-8
header.Cache-Control = max-age=60
body = <p>{{short} and {stout

[route files]
match = GET /files/{path...}
source = file
root = %(root)s

[route digest]
match = POST /digest
source = compute digest
encoding = base64

[route proxy]
match = * /chaos/{path...}
source = upstream chaos
path = /{path}

[route raw]
match = * /raw/{path...}
source = upstream chaos

[route patient]
match = GET /patient/{path...}
source = upstream patient
path = /{path}

[route none]
match = GET /none
source = upstream none

[route few]
match = GET /few
source = upstream one
path = /hold/few

[route hurried]
match = GET /hurried
source = upstream patient
path = /hang
deadline = 100ms
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("www")
    (folder / "index.html").write_text("<p>index")
    (folder / "a b.txt").write_text("blank")
    (folder / "sub").mkdir()
    (folder / "sub" / "data.json").write_text('{"a": 1}')
    (folder / "large").write_bytes(os.urandom(1 << 20) * 3)
    (folder.parent / "secret").write_text("secret")
    (folder / "link").symlink_to(folder.parent / "secret")
    os.mkfifo(str(folder / "fifo"))
    return folder


@pytest.fixture(scope="module")
def daemon(start, chaos, root):
    return start(CONF % {"chaos": chaos.address, "root": root, "nobody": free_port()})


# --- who answers ----------------------------------------------------------------------

@pytest.mark.parametrize("method, path, host, body", [
    ("GET", "/", "a", b"root"),
    ("GET", "/?x", "a", b"root"),
    ("GET", "/a/b", "a", b"literal"),
    ("GET", "/a/%62", "a", b"literal"),
    ("GET", "/a/./b", "a", b"literal"),
    ("GET", "/a/c/../b", "a", b"literal"),
    ("GET", "/a/%2e%2e/a/b", "a", b"literal"),
    ("GET", "/a/c", "a", b"one x=c"),
    ("GET", "/a/c%2Fd", "a", b"one x=c/d"),
    ("GET", "/a/%25", "a", b"one x=%"),
    ("GET", "/a/%C3%A9", "a", "one x=\u00e9".encode()),
    ("GET", "/a/c/d", "a", b"rest x=c rest=d"),
    ("GET", "/a/c/d/e/", "a", b"rest x=c rest=d/e/"),
    ("POST", "/a/b", "a", b"POST x=b"),
    ("PUT", "/a/q", "a", b"PUT x=q"),
    ("GET", "/a/b", "www.example.com", b"host"),
    ("GET", "/a/b", "WWW.Example.COM:8080", b"host"),
    ("GET", "/a/b", "x.example.com", b"hosts"),
    ("GET", "/a/b", "example.com", b"literal"),
    ("GET", "/a/c", "www.example.com", b"one x=c"),
])
def test_the_most_specific_route_answers(daemon, method, path, host, body):
    r = ask(daemon.address, path, method=method, host=host)
    assert (r.status, r.body) == (200, body)


@pytest.mark.parametrize("method, path, status, allow", [
    ("GET", "/b", 404, None),
    ("GET", "/a", 404, None),
    ("GET", "//", 404, None),
    ("GET", "/A/b", 404, None),
    ("DELETE", "/", 405, "GET, HEAD"),
    ("DELETE", "/a/b", 405, "GET, HEAD, POST, PUT"),
    ("POST", "/teapot", 405, "GET, HEAD"),
])
def test_no_route_or_not_with_that_method(daemon, method, path, status, allow):
    r = ask(daemon.address, path, method=method)
    assert (r.status, r.field("allow")) == (status, allow)


def test_values_of_the_request(daemon):
    r = ask(daemon.address, '/values?q=a%22b+c&z', 'X-Id: 1"2', method="PATCH")
    assert r.status == 200 and r.field("content-type") == "application/json"
    assert r.field("x-seen") == '1"2'
    assert json.loads(r.body) == {"query": 'a"b c', "all": "q=a%22b+c&z", "header": '1"2', "method": "PATCH",
                                  "client": "127.0.0.1"}


def test_a_value_that_is_not_there_is_no_empty_text(daemon):
    assert ask(daemon.address, "/values?z").status == 502
    assert ask(daemon.address, "/body", method="POST", body=b'{"user": {"name": "x"}}').body == b"<x>"
    assert ask(daemon.address, "/body", method="POST", body=b'{"user": {}}').status == 502
    assert ask(daemon.address, "/body", method="POST", body=b"{oops").status == 502
    assert ask(daemon.address, "/body", method="POST").status == 502


def test_a_fixed_answer(daemon):
    r = ask(daemon.address, "/teapot")
    assert r.status == 418 and r.body == b"<p>{short} and {stout"
    assert r.field("content-type") == "text/html; charset=utf-8" and r.field("cache-control") == "max-age=60"


# --- files ----------------------------------------------------------------------------

def test_files(daemon, root):
    with Client(daemon.address) as c:
        r = c.ask("/files/sub/data.json")
        assert (r.status, r.body, r.field("content-type")) == (200, b'{"a": 1}', "application/json")
        assert r.field("etag") and r.field("last-modified")
        assert c.ask("/files/").body == b"<p>index"
        assert c.ask("/files/a%20b.txt").body == b"blank"
        assert c.ask("/files/large").body == (root / "large").read_bytes()
        r = c.ask("/files/large", method="HEAD")
        assert r.field("content-length") == str(3 << 20)


@pytest.mark.parametrize("path", ["/files/nope", "/files/%2e%2e/secret", "/files/..%2fsecret", "/files/sub/..%2f..%2fsecret",
                                  "/files/link", "/files/fifo", "/files/sub%2fdata.json/", "/files//etc/passwd",
                                  "/files/%2fetc/passwd", "/files/index.html/x"])
def test_nothing_outside_the_root_is_given(daemon, path):
    r = ask(daemon.address, path)
    assert r.status in (400, 403, 404) and b"secret" not in r.body and b"root:" not in r.body


def test_a_slow_reader_of_a_file_gets_it_whole(daemon, root):
    with Client(daemon.address, receive_bytes=4096) as c:
        c.get("/files/large")
        assert c.head().status == 200
        got = c.pending
        c.pending = b""
        while len(got) < 3 << 20:
            got += c.socket.recv(65536)
            if len(got) < 1 << 18:
                time.sleep(0.001)
        assert got == (root / "large").read_bytes()


def test_digest(daemon):
    assert ask(daemon.address, "/digest", method="POST", body=b"abc").body == (
        b"ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=")


# --- upstreams --------------------------------------------------------------------------

def test_what_an_upstream_is_sent(daemon, chaos):
    with Client(daemon.address) as c:
        r = c.ask("/raw/../chaos/head/a%2Fb?x=1&y", "X-Custom: 1", "Connection: x-hop", "X-Hop: 2", "TE: gzip",
                  "Keep-Alive: 5", "Proxy-Connection: close", "Upgrade: h2c", method="DELETE")
    assert r.status == 200, r
    seen = json.loads(r.body)
    fields = {key.lower(): value for key, value in seen["fields"]}
    assert len(fields) == len(seen["fields"])
    assert (seen["method"], seen["version"]) == ("DELETE", "HTTP/1.1")
    assert seen["target"] == "/head/a%2Fb?x=1&y"
    assert fields["x-custom"] == "1" and fields["host"] == chaos.address
    assert fields["forebay-deadline"].endswith("ms")
    for name in ("x-hop", "te", "keep-alive", "proxy-connection", "upgrade"):
        assert name not in fields, fields


@pytest.mark.parametrize("path, status", [
    ("json/a", 200), ("status/200", 200), ("status/404", 404), ("status/500", 500), ("status/503", 503),
    ("until-close", 200), ("interim/3", 200), ("trickle/1/20", 200), ("surplus", 200),
    ("close", 502), ("reset", 502), ("reset/head", 502), ("both", 502), ("garbage", 502), ("inject", 502),
    ("huge-head", 502), ("many-fields", 502), ("interim-flood", 502), ("upgrade", 502), ("hang", 504),
    ("delay/60000", 504),
])
def test_an_upstream_that_behaves_and_one_that_does_not(daemon, path, status):
    with Client(daemon.address) as c:
        c.get("/chaos/" + path)
        r = c.response(interim=[])
        assert r.status == status
        assert r.field("x-evil") is None and b'"surplus":true' not in r.body
        assert c.ask("/").body == b"root"  # the client's connection is as good as before


@pytest.mark.parametrize("path", ["reset/body", "truncate", "truncate/chunked", "stall", "bad-chunk"])
def test_an_answer_that_breaks_off_is_cut_so_that_the_client_can_tell(daemon, path):
    with Client(daemon.address) as c:
        with pytest.raises((AssertionError, ConnectionError)) as caught:
            c.ask("/chaos/" + path)
        assert isinstance(caught.value, ConnectionError) or "ended" in str(caught.value)
    assert ask(daemon.address, "/chaos/json/a").status == 200


def test_an_answer_longer_than_its_length_is_cut_there(daemon):
    with Client(daemon.address) as c:
        assert c.ask("/chaos/lie").body == b"12345"
        assert c.ask("/chaos/json/after").status == 200


def test_an_answer_that_nobody_asked_for_costs_an_idle_connection(daemon, chaos):
    """RFC 9112 9.3: what comes between requests is never taken for the next response."""
    with Client(daemon.address) as c:
        for _ in range(5):
            before = chaos.count()["late"]
            assert c.ask("/chaos/late-surplus/5").body == b'{"surplus":false}'
            wait_until(lambda: chaos.count()["late"] > before, what="the second answer")
            assert c.ask("/chaos/json/after").body == b'{"words": ["after"], "query": ""}'


def test_an_upstream_that_answers_before_it_has_read_the_body(daemon):
    with Client(daemon.address) as c:
        c.send(b"POST /chaos/early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"a" * 100000)
        assert c.response().status in (413, 502)


def test_nobody_listens(daemon):
    assert ask(daemon.address, "/none").status == 502


def test_a_deadline_of_a_route(daemon):
    begun = time.monotonic()
    assert ask(daemon.address, "/hurried").status == 504
    assert 0.09 <= time.monotonic() - begun < 4  # the upstream's own time-out is 5 s


def test_upstream_connections_are_few_and_the_rest_waits_or_is_refused(daemon, chaos):
    clients = [Client(daemon.address) for _ in range(12)]
    for c in clients:
        c.get("/few")
    wait_until(lambda: select.select([c.socket for c in clients], [], [], 0)[0], what="a refusal")
    chaos.let_go("few")
    answers = [c.response() for c in clients]
    refused = [r for r in answers if r.status == 503]
    assert sorted({r.status for r in answers}) == [200, 503]
    assert all(int(r.field("retry-after")) >= 1 and r.field("forebay-shed") for r in refused)
    for c in clients:
        c.close()


def test_upstream_connections_are_used_again(daemon, chaos):
    with Client(daemon.address) as c:
        c.ask("/chaos/json")
        before = chaos.count()
        for _ in range(20):
            assert c.ask("/chaos/json").status == 200
        after = chaos.count()
    assert after["requests"] - before["requests"] == 21  # with the first look itself
    assert after["connections"] - before["connections"] == 1


def test_an_upstream_that_closes_idle_connections_is_asked_again(daemon, chaos):
    with Client(daemon.address) as c:
        for _ in range(10):
            assert c.ask("/chaos/json").status == 200
            assert c.ask("/chaos/until-close").body == b"until the end"


def test_a_client_that_goes_takes_the_upstream_s_connection_along(daemon, chaos):
    before = chaos.count()["open"]
    clients = [Client(daemon.address) for _ in range(5)]
    for c in clients:
        c.get("/patient/stall")
        assert c.head().status == 200
    assert chaos.count()["open"] >= before + 5
    for c in clients:
        c.close()
    wait_until(lambda: chaos.count()["open"] <= before, what="the end of five connections")
