"""Error pages over both protocols: bodies change, statuses and fields of refusals do not."""
import pytest

from bed import Chaos, Daemon, run_forebayd
from client import Client
from client2 import Client2

CONF = """
[server]
workers = 2

[headers]
set_header.X-Content-Type-Options = nosniff

[error_page 404]
file = 404.html
json = {"error": "not found"}

[error_page 5xx]
body = <h1>Later</h1>

[error_page 502]
body = bad gateway page
type = text/plain; charset=utf-8
json = {"error": 502}

[error_page 405]
body =
type = text/plain

[error_page 413]
body = too much

[error_page 401]
body = who are you?

[error_page 503]
body = %(large)s
type = text/plain

[upstream chaos]
servers = http://%(chaos)s

[upstream none]
servers = http://127.0.0.1:1

[pool compute]
threads = 1
max_queue = 1

[route hello]
match = GET /hello
source = fixed
body = hello

[route echo]
match = POST /echo
source = echo
max_body = 4

[route none]
match = GET /none
source = upstream none
set_header.X-Frame-Options = DENY

[route joined]
match = GET /joined

[subrequest joined.a]
source = upstream none

[route own]
match = GET /own/{path...}
source = upstream chaos
path = /{path}

[route ours]
match = * /ours/{path...}
source = upstream chaos
path = /{path}
intercept_errors = yes
cors_origins = https://app.example.com

[route constant]
match = GET /constant
source = fixed
status = 401
body = whoever
header.WWW-Authenticate = Basic realm="x"
header.ETag = "x"
intercept_errors = yes
"""
LARGE = "much " * 20000


@pytest.fixture(scope="module")
def chaos():
    c = Chaos()
    yield c
    c.stop()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, chaos):
    folder = tmp_path_factory.mktemp("pages")
    (folder / "404.html").write_text("<h1>Nothing here</h1>\n")
    d = Daemon(folder, CONF % {"chaos": chaos.address, "large": LARGE.strip()})
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


@both
def test_a_page_from_a_file(daemon, ask_over):
    status, fields, body = ask_over(daemon, "/nowhere", "GET", ("accept", "text/html, */*;q=0.1"))
    assert (status, body) == (404, b"<h1>Nothing here</h1>\n")
    assert values(fields, "content-type") == ["text/html; charset=utf-8"]
    assert values(fields, "content-length") == ["22"] and values(fields, "vary") == ["Accept"]
    assert values(fields, "x-content-type-options") == ["nosniff"]
    status, fields, body = ask_over(daemon, "/nowhere", "HEAD")
    assert (status, body) == (404, b"") and values(fields, "content-length") == ["22"]


@both
@pytest.mark.parametrize("accept, is_json", [("application/json", True), ("application/json, text/plain, */*", True),
                                             ("text/html", False), ("*/*", False), (None, False)])
def test_json_for_those_who_would_rather_have_it(daemon, ask_over, accept, is_json):
    lines = [("accept", accept)] if accept else []
    status, fields, body = ask_over(daemon, "/nowhere", "GET", *lines)
    assert status == 404
    assert body == (b'{"error": "not found"}' if is_json else b"<h1>Nothing here</h1>\n")
    assert values(fields, "content-type") == ["application/json" if is_json else "text/html; charset=utf-8"]


@both
def test_fields_of_refusals_stay(daemon, ask_over):
    status, fields, body = ask_over(daemon, "/hello", "DELETE")
    assert (status, body) == (405, b"") and values(fields, "allow") == ["GET, HEAD"]
    assert values(fields, "content-type") == [] and values(fields, "content-length") == ["0"]
    status, fields, body = ask_over(daemon, "/joined")
    assert (status, body) == (502, b"bad gateway page")
    assert len(values(fields, "forebay-parts")) == 1
    status, fields, body = ask_over(daemon, "/none")
    assert (status, body) == (502, b"bad gateway page") and values(fields, "x-frame-options") == ["DENY"]
    status, fields, body = ask_over(daemon, "/echo", "POST", body=b"12345")
    assert (status, body) == (413, b"too much")


@both
def test_a_source_s_own_errors_are_its_own(daemon, ask_over):
    status, fields, body = ask_over(daemon, "/own/status/404")
    assert status == 404 and b"Nothing" not in body and values(fields, "vary") == []


@both
@pytest.mark.parametrize("status, page", [(404, b"<h1>Nothing here</h1>\n"), (500, b"<h1>Later</h1>"),
                                          (502, b"bad gateway page"), (503, LARGE.strip().encode())])
def test_a_route_may_show_pages_for_its_source_s_errors(daemon, ask_over, status, page):
    got, fields, body = ask_over(daemon, "/ours/status/%d" % status, "GET", ("origin", "https://app.example.com"))
    assert (got, body) == (status, page)
    assert values(fields, "content-length") == [str(len(page))]
    assert values(fields, "access-control-allow-origin") == ["https://app.example.com"]
    assert ask_over(daemon, "/ours/status/%d" % status, "HEAD")[::2] == (status, b"")


@both
def test_what_is_no_error_or_has_no_page_passes(daemon, ask_over):
    assert ask_over(daemon, "/ours/json/a")[0] == 200
    assert ask_over(daemon, "/ours/status/204")[::2] == (204, b"")
    assert ask_over(daemon, "/ours/status/304")[::2] == (304, b"")
    assert ask_over(daemon, "/ours/status/418")[0] == 418
    assert len(ask_over(daemon, "/ours/big/300000")[2]) == 300000


@both
def test_challenges_stay_and_validators_go(daemon, ask_over):
    status, fields, body = ask_over(daemon, "/constant")
    assert (status, body) == (401, b"who are you?")
    assert values(fields, "www-authenticate") == ['Basic realm="x"'] and values(fields, "etag") == []


def test_an_intercepted_answer_leaves_its_connections_of_use(daemon, chaos):
    with Client(daemon.address) as c:
        c.ask("/ours/status/404")
        before = chaos.count()["connections"]
        for _ in range(5):
            assert c.ask("/ours/status/404").body == b"<h1>Nothing here</h1>\n"
            assert c.ask("/ours/status/500").body == b"<h1>Later</h1>"
        assert chaos.count()["connections"] <= before + 1  # that of the look


def test_mistakes_are_told(tmp_path):
    path = tmp_path / "conf"
    path.write_text("[listen a]\naddress = 127.0.0.1:1\n[error_page 200]\nbody = x\n[error_page 4x]\nbody = x\n"
                    "[error_page 404]\nfile = nothing.html\n[error_page 500]\nbody = x\nfile = conf\n"
                    "[error_page 501]\n[error_page 5xx]\nbody = x\njson = {x\n[error_page 6xx]\nbody = x\n")
    code, _, said = run_forebayd("-t", "-c", str(path))
    lines = sorted(int(line.split(":")[1]) for line in said.splitlines())
    assert code == 1 and lines == [3, 5, 8, 10, 12, 15, 16], said
