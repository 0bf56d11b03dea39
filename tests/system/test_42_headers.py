"""Header fields that routes set, add and remove, over both protocols, whoever made the response."""
import json

import pytest

from bed import Chaos, Daemon, run_forebayd
from client import Client, ask
from client2 import DATA, END_HEADERS, END_STREAM, HEADERS, Client2, pack

CONF = """
[server]
workers = 2

[headers]
set_header.X-Content-Type-Options = nosniff
set_header.X-Default = default
add_header.X-Id = {request.id}

[upstream chaos]
servers = http://%(chaos)s

[upstream none]
servers = http://127.0.0.1:1

[route fixed]
match = GET /fixed/{name}
source = fixed
header.X-Own = own
body = body
set_header.X-Frame-Options = DENY
set_header.X-Name = {name}
set_header.X-Query = {query.q}
set_header.X-Default = route

[route constant]
match = GET /constant
source = fixed
body = body
set_header.X-Frame-Options = DENY
remove_header = X-Id

[route large]
match = GET /large
source = upstream chaos
path = /big/300000
set_header.X-Large = {request.method}

[route upstream]
match = * /upstream
source = upstream chaos
path = /json/a
set_header.Content-Type = text/plain
set_header.X-Name = {header.x-name}
remove_header = X-Default

[route seen]
match = GET /seen/{user}
source = upstream chaos
path = /head
set_request_header.X-User = {user}
set_request_header.X-Other = {header.x-none}
add_request_header.X-Extra = {query.q}
remove_request_header = cookie, Via

[route tail]
match = * /tail/{path...}
source = upstream chaos
path = /{path}
set_request_header.X-User = {header.x-none}
add_request_header.X-Extra = 1
remove_request_header = X-Gone
set_header.X-Name = ours
add_header.X-Beside = 1
remove_header = X-Gone

[route hints]
match = GET /hints/{path...}
source = upstream chaos
path = /{path}
remove_header = Link

[route nobody]
match = GET /nobody
source = upstream none
set_header.X-Frame-Options = DENY

[route echo]
match = POST /echo
source = echo
max_body = 10
set_header.X-Frame-Options = DENY

[route bare]
match = GET /bare
source = fixed
status = 204
remove_header = Server
set_header.X-Frame-Options = DENY

[route joined]
match = GET /joined/{name}
set_header.X-Name = {name}

[subrequest joined.a]
source = fixed
body = a

[admin]
listen = 127.0.0.1:%(admin)d
"""


@pytest.fixture(scope="module")
def chaos():
    c = Chaos()
    yield c
    c.stop()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, chaos):
    from bed import free_port
    admin = free_port()
    d = Daemon(tmp_path_factory.mktemp("headers"), CONF % {"chaos": chaos.address, "admin": admin})
    d.admin = ("127.0.0.1", admin)
    yield d
    d.stop()


def over_h1(daemon, path, method="GET", *lines, body=b""):
    """Status, fields as a list of (lower-case name, value), body."""
    with Client(daemon.address) as c:
        r = c.ask(path, *("%s: %s" % line for line in lines), method=method, body=body)
        return r.status, [(name.lower(), value) for name, value in r.fields], r.body


def over_h2(daemon, path, method="GET", *lines, body=b""):
    with Client2(daemon.address) as c:
        a = c.ask(path, method, *lines, body=body or None)
        return a.status, a.fields, a.body


both = pytest.mark.parametrize("ask_over", [over_h1, over_h2])


def values(fields, name):
    return [value for key, value in fields if key == name]


def refused(daemon):
    text = ask(daemon.admin, "/metrics").body.decode()
    return int(text.split("\nforebay_header_edits_refused_total ")[1].split("\n")[0])


@both
def test_constants_and_values_of_the_request(daemon, ask_over):
    status, fields, body = ask_over(daemon, "/fixed/jo?q=x%20y")
    assert (status, body) == (200, b"body")
    assert values(fields, "x-frame-options") == ["DENY"]
    assert values(fields, "x-name") == ["jo"]
    assert values(fields, "x-query") == ["x y"]
    assert values(fields, "x-own") == ["own"]
    assert values(fields, "content-type") == ["text/plain"]


@both
def test_defaults_are_for_all_and_the_route_has_the_last_word(daemon, ask_over):
    _, fields, _ = ask_over(daemon, "/fixed/jo")
    assert values(fields, "x-default") == ["route"]
    assert values(fields, "x-content-type-options") == ["nosniff"]
    assert len(values(fields, "x-id")) == 1
    _, fields, body = ask_over(daemon, "/constant")
    assert values(fields, "x-default") == ["default"] and body == b"body"
    assert values(fields, "x-id") == []


@both
def test_an_upstream_s_fields_are_replaced(daemon, ask_over):
    status, fields, body = ask_over(daemon, "/upstream", "GET", ("x-name", "n"))
    assert (status, body) == (200, b'{"words": ["a"], "query": ""}')
    assert values(fields, "content-type") == ["text/plain"]
    assert values(fields, "x-name") == ["n"]
    assert values(fields, "x-default") == []
    _, fields, body = ask_over(daemon, "/upstream", "HEAD")
    assert values(fields, "content-type") == ["text/plain"] and body == b""
    assert values(fields, "x-name") == []


@both
def test_a_response_in_many_pieces(daemon, ask_over):
    status, fields, body = ask_over(daemon, "/large")
    assert status == 200 and len(body) == 300000
    assert values(fields, "x-large") == ["GET"]
    assert values(fields, "x-content-type-options") == ["nosniff"]


@both
def test_a_joined_response(daemon, ask_over):
    status, fields, body = ask_over(daemon, "/joined/jo")
    assert (status, body) == (200, b'{"a":"a"}')
    assert values(fields, "x-name") == ["jo"]
    assert len(values(fields, "forebay-parts")) == 1


@both
def test_refusals_of_a_route_have_its_fields(daemon, ask_over):
    status, fields, _ = ask_over(daemon, "/nobody")
    assert status == 502 and values(fields, "x-frame-options") == ["DENY"]
    status, fields, _ = ask_over(daemon, "/echo", "POST", body=b"more than ten bytes")
    assert status == 413 and values(fields, "x-frame-options") == ["DENY"]
    assert values(fields, "x-content-type-options") == ["nosniff"]


@both
def test_answers_without_a_route_have_the_defaults(daemon, ask_over):
    for path, method, expected in (("/none", "GET", 404), ("/constant", "DELETE", 405)):
        status, fields, _ = ask_over(daemon, path, method)
        assert status == expected
        assert values(fields, "x-content-type-options") == ["nosniff"]
        assert values(fields, "x-frame-options") == []
    assert values(fields, "allow") == ["GET, HEAD"]


@both
@pytest.mark.parametrize("value", ["%0d%0aSet-Cookie:%20a=b", "%0aa", "%0da", "a%7f"])
def test_no_value_can_begin_another_line(daemon, ask_over, value):
    """CWE-113: the field is left out, and counted."""
    before = refused(daemon)
    status, fields, body = ask_over(daemon, "/fixed/a" + value + "b?q=ok")
    assert (status, body) == (200, b"body")
    assert values(fields, "x-name") == [] and values(fields, "x-query") == ["ok"]
    assert values(fields, "set-cookie") == []
    status, fields, _ = ask_over(daemon, "/fixed/ok?q=%00" + value)
    assert values(fields, "x-name") == ["ok"] and values(fields, "x-query") == []
    assert refused(daemon) == before + 2


def seen(daemon, ask_over, path, *lines):
    """The fields that the upstream was sent, names in lower case."""
    status, _, body = ask_over(daemon, path, "GET", *lines)
    assert status == 200
    return [(name.lower(), value) for name, value in json.loads(body)["fields"]]


@both
def test_what_an_upstream_is_sent(daemon, ask_over):
    fields = seen(daemon, ask_over, "/seen/jo?q=1", ("x-user", "root"), ("x-other", "forged"), ("x-extra", "0"),
                  ("cookie", "a=b"), ("accept", "text/html"))
    assert values(fields, "x-user") == ["jo"]
    assert values(fields, "x-other") == [], "an absent value must not let the client's through"
    assert values(fields, "x-extra") == ["0", "1"]
    assert values(fields, "cookie") == values(fields, "via") == []
    assert values(fields, "accept") == ["text/html"] and len(values(fields, "x-forwarded-for")) == 1


@both
@pytest.mark.parametrize("path", ["/seen/a%0d%0aX-Admin:%201", "/seen/jo?q=%0aX-Admin:%201", "/seen/jo?q=%00"])
def test_no_value_can_begin_another_line_to_an_upstream(daemon, chaos, ask_over, path):
    """Such a request is not sent at all."""
    before = chaos.count()["requests"]
    status, _, _ = ask_over(daemon, path)
    assert status == 502 and chaos.count()["requests"] == before + 1  # that look


TAIL = [("x-user", "root"), ("x-extra", "0"), ("x-gone", "1"), ("x-default", "0"), ("x-name", "theirs"), ("x-beside", "0"), ("x-sum", "7")]


def test_trailers_of_a_request_say_nothing_that_its_head_may_not(daemon):
    """What the route sets, adds or removes, and what Connection names, is not in the trailers either."""
    lines = "".join("%s: %s\r\n" % pair for pair in TAIL)
    with Client(daemon.address) as c:
        c.send(("POST /tail/heard HTTP/1.1\r\nHost: a\r\nConnection: X-Name\r\nTransfer-Encoding: chunked\r\n\r\n"
                "1\r\na\r\n0\r\n%s\r\n" % lines).encode())
        heard = json.loads(c.response("POST").body)["trailers"]
    assert [tuple(pair) for pair in heard] == [("x-default", "0"), ("x-beside", "0"), ("x-sum", "7")]
    with Client2(daemon.address) as c:
        frame, stream = c.headers([(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/tail/heard"), (b":authority", b"a")],
                                  flags=END_HEADERS)
        c.send(frame, pack(DATA, 0, stream, b"a"), pack(HEADERS, END_HEADERS | END_STREAM, stream, c.block(TAIL)))
        heard = json.loads(c.answer(stream).body)["trailers"]
    assert [tuple(pair) for pair in heard] == [("x-default", "0"), ("x-name", "theirs"), ("x-beside", "0"), ("x-sum", "7")]


def test_trailers_of_a_response_have_nothing_that_its_head_loses(daemon):
    """The names that the route sets and removes, and those of [headers]."""
    said = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n%s\r\n" % "".join("%s: %s\r\n" % pair for pair in TAIL)
    path = "/tail/say/" + said.encode().hex()
    kept = [("x-user", "root"), ("x-extra", "0"), ("x-beside", "0"), ("x-sum", "7")]
    with Client(daemon.address) as c:
        assert c.ask(path, "TE: trailers").trailers == kept
    with Client2(daemon.address) as c:
        assert c.ask(path).trailers == kept


INTERIM = b"HTTP/1.1 %s\r\nLink: </a>; rel=preload\r\nSet-Cookie: a=b\r\nX-Name: theirs\r\nX: 1\r\n\r\n"


@pytest.mark.parametrize("path, status, kept", [
    ("/tail", b"103 Early Hints", [("link", "</a>; rel=preload")]),
    ("/tail", b"102 Processing", []),
    ("/tail", b"199 What", []),
    ("/hints", b"103 Early Hints", []),
], ids=["103", "102", "199", "Link removed"])
def test_interim_responses_have_nothing_that_a_route_would_change(daemon, path, status, kept):
    """RFC 8297: hints are links, and those of 103 alone go on, unless the route removes them."""
    path += "/say/" + (INTERIM % status + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").hex()
    with Client(daemon.address) as c:
        interim = []
        c.get(path)
        head = c.head()
        assert head.status == int(status[:3])
        assert [(name.lower(), value) for name, value in head.fields] == kept
        assert c.response("GET", interim).body == b"ok" and not interim
    with Client2(daemon.address) as c:
        answer = c.ask(path)
        assert answer.informed == [int(status[:3])] and answer.hints == kept


def test_server_can_be_hidden(daemon):
    for request in (b"GET /bare", b"HEAD /bare"):
        with Client(daemon.address) as c:
            c.send(request + b" HTTP/1.1\r\nHost: a\r\n\r\n")
            head = c.head()
            assert head.status == 204 and head.field("date")
            assert not head.field("server") and head.field("x-frame-options") == "DENY"
    with Client2(daemon.address) as c:
        answer = c.ask("/bare")
        assert answer.status == 204 and not answer.field("server") and answer.field("date")


def test_pipelined_answers_have_their_own_fields(daemon):
    with Client(daemon.address) as c:
        c.send(b"".join(b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % path
                        for path in (b"fixed/1", b"constant", b"fixed/2", b"none")))
        names = [c.response().field("x-name") for _ in range(4)]
        assert names == ["1", None, "2", None]


def test_mistakes_are_told_with_their_lines(tmp_path):
    path = tmp_path / "conf"
    path.write_text("[listen a]\naddress = 127.0.0.1:1\n[headers]\nset_header.Connection = close\n"
                    "add_header.X-A = {id}\n[route r]\nmatch = GET /\nsource = fixed\n"
                    "set_header.content-length = 3\nset_header.X-B = {body}\nremove_header = a b, Date\n"
                    "set_headers.X = 1\n")
    code, _, said = run_forebayd("-t", "-c", str(path))
    assert code == 1
    lines = [line.split(":")[1] for line in said.splitlines()]
    assert lines == ["4", "5", "9", "10", "11", "11", "12"], said


def test_the_dump_has_them(tmp_path):
    path = tmp_path / "conf"
    path.write_text("[listen a]\naddress = 127.0.0.1:1\n[headers]\nset_header.X-A = a\n"
                    "[route r]\nmatch = GET /\nsource = fixed\nremove_header = X-A,X-B\n")
    code, dump, _ = run_forebayd("--dump", "-c", str(path))
    assert code == 0
    assert "[headers]\nset_header.X-A = a\n" in dump
    assert "remove_header = X-A, X-B\n" in dump
    path.write_text(dump)
    assert run_forebayd("--dump", "-c", str(path))[1] == dump
