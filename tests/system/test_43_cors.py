"""Cross-origin requests over both protocols: preflights, and the fields of every other answer."""
import pytest

from bed import Chaos, Daemon
from client import Client
from client2 import Client2

CONF = """
[server]
workers = 2

[upstream chaos]
servers = http://%(chaos)s

[upstream none]
servers = http://127.0.0.1:1

[route api]
match = GET|PUT /api/{id}
source = fixed
body = {id}
header.Access-Control-Allow-Origin = *
header.X-Token = t
cors_origins = https://app.example.com, https://*.example.org
cors_methods = GET, PUT
cors_headers = content-type, x-token
cors_expose = X-Token
cors_credentials = yes
cors_max_age = 10m
set_header.X-Frame-Options = DENY

[route remove]
match = DELETE /api/{id}
source = fixed
body = gone

[route options]
match = OPTIONS /api/{id}
source = fixed
body = options

[route open]
match = GET /open
source = upstream chaos
path = /json
cors_origins = *

[route tail]
match = GET /tail/{path...}
source = upstream chaos
path = /{path}
cors_origins = https://app.example.com

[route plain]
match = POST /plain
source = echo

[route app]
match = * /app/{path...}
source = upstream chaos
path = /json/app

[route broken]
match = GET /broken
source = upstream none
cors_origins = https://app.example.com

[route small]
match = POST /small
source = echo
max_body = 4
cors_origins = https://app.example.com
"""
APP = "https://app.example.com"


@pytest.fixture(scope="module")
def chaos():
    c = Chaos()
    yield c
    c.stop()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, chaos):
    d = Daemon(tmp_path_factory.mktemp("cors"), CONF % {"chaos": chaos.address})
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


def about_origins(fields):
    """What is said of it, shortly."""
    return {name.replace("access-control-", ""): value for name, value in fields
            if name.startswith("access-control-") or name == "vary"}


def announce(ask_over, daemon, path, method, origin=APP, *more):
    """A preflight."""
    return ask_over(daemon, path, "OPTIONS", ("origin", origin), ("access-control-request-method", method), *more)


@both
@pytest.mark.parametrize("origin", [APP, "https://a.b.example.org"])
def test_an_answer_that_a_page_may_read(daemon, ask_over, origin):
    status, fields, body = ask_over(daemon, "/api/7", "GET", ("origin", origin))
    assert (status, body) == (200, b"7")
    assert about_origins(fields) == {"allow-origin": origin, "allow-credentials": "true",
                                     "expose-headers": "X-Token", "vary": "Origin"}
    assert ("x-frame-options", "DENY") in fields and ("x-token", "t") in fields


@both
@pytest.mark.parametrize("origin", ["https://evil.example", "https://example.org", "http://app.example.com", "null",
                                    "https://evil.example/.example.org", None])
def test_an_answer_that_no_page_of_elsewhere_may_read(daemon, ask_over, origin):
    """The source's own word about it is dropped, too."""
    lines = [("origin", origin)] if origin else []
    status, fields, body = ask_over(daemon, "/api/7", "GET", *lines)
    assert (status, body) == (200, b"7")
    assert about_origins(fields) == {"vary": "Origin"}


@both
def test_any_origin(daemon, ask_over):
    status, fields, body = ask_over(daemon, "/open", "GET", ("origin", "https://a.example"))
    assert status == 200 and body.startswith(b"{")
    assert about_origins(fields) == {"allow-origin": "*"}


@both
def test_a_preflight_needs_no_options_in_the_route(daemon, ask_over):
    status, fields, body = announce(ask_over, daemon, "/open", "GET", "https://a.example")
    assert (status, body) == (204, b"")
    assert about_origins(fields)["allow-origin"] == "*" and about_origins(fields)["allow-methods"] == "GET"


@both
def test_a_preflight_is_for_the_route_of_the_request_that_it_announces(daemon, ask_over):
    status, fields, body = announce(ask_over, daemon, "/api/7", "PUT", APP,
                                    ("access-control-request-headers", "x-token"))
    assert (status, body) == (204, b"")
    assert about_origins(fields) == {
        "allow-origin": APP, "allow-credentials": "true", "allow-methods": "GET, PUT",
        "allow-headers": "content-type, x-token", "max-age": "600",
        "vary": "Origin, Access-Control-Request-Method"}
    # DELETE is another route's, which has no guard of that kind: an OPTIONS like any other
    status, fields, body = announce(ask_over, daemon, "/api/7", "DELETE")
    assert (status, body) == (200, b"options") and about_origins(fields) == {}


@both
def test_a_preflight_of_another_origin(daemon, ask_over):
    status, fields, body = announce(ask_over, daemon, "/api/7", "PUT", "https://evil.example")
    assert (status, body) == (204, b"")
    assert about_origins(fields) == {"vary": "Origin, Access-Control-Request-Method"}


@both
def test_an_options_that_announces_nothing_goes_its_way(daemon, ask_over):
    assert ask_over(daemon, "/api/7", "OPTIONS")[2] == b"options"
    assert ask_over(daemon, "/api/7", "OPTIONS", ("origin", APP))[2] == b"options"
    assert ask_over(daemon, "/plain", "OPTIONS", ("origin", APP))[0] == 405
    assert announce(ask_over, daemon, "/plain", "POST")[0] == 405
    assert announce(ask_over, daemon, "/none", "GET")[0] == 404
    assert ask_over(daemon, "*", "OPTIONS", ("origin", APP), ("access-control-request-method", "GET"))[0] == 204


@both
def test_an_upstream_that_answers_preflights_itself_gets_them(daemon, ask_over):
    status, _, body = announce(ask_over, daemon, "/app/x", "PUT")
    assert status == 200 and b"app" in body


@both
def test_refusals_may_be_read_as_well(daemon, ask_over):
    status, fields, _ = ask_over(daemon, "/broken", "GET", ("origin", APP))
    assert status == 502 and about_origins(fields) == {"allow-origin": APP, "vary": "Origin"}
    status, fields, _ = ask_over(daemon, "/small", "POST", ("origin", APP), body=b"12345")
    assert status == 413 and about_origins(fields) == {"allow-origin": APP, "vary": "Origin"}


def test_two_origins_are_no_request(daemon):
    with Client(daemon.address) as c:
        assert c.ask("/api/7", "Origin: " + APP, "Origin: https://evil.example").status == 400


def test_preflights_and_requests_of_one_connection(daemon):
    with Client(daemon.address) as c:
        for _ in range(3):
            r = c.ask("/api/1", "Origin: " + APP, "Access-Control-Request-Method: PUT", method="OPTIONS")
            assert r.status == 204 and r.field("access-control-allow-origin") == APP
            r = c.ask("/api/1", "Origin: " + APP, method="PUT")
            assert r.status == 200 and r.body == b"1" and r.field("access-control-allow-origin") == APP
            assert c.ask("/plain", method="POST", body=b"x").field("access-control-allow-origin") is None


def test_trailers_give_no_leave_either(daemon):
    """What an upstream says of origins behind the body would stand against ours."""
    said = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
            b"Access-Control-Allow-Origin: *\r\naccess-control-expose-headers: *\r\nX-Sum: 7\r\n\r\n")
    path = "/tail/say/" + said.hex()
    with Client(daemon.address) as c:
        assert c.ask(path, "TE: trailers").trailers == [("X-Sum", "7")]
    with Client2(daemon.address) as c:
        assert c.ask(path).trailers == [("x-sum", "7")]
