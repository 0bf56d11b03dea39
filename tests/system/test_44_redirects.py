"""Redirects over both protocols: where they lead, and where nobody can make them lead."""
import pytest

from bed import Daemon
from client import Client
from client2 import Client2

CONF = """
[server]
workers = 1

[route old]
match = * /old/{path...}
source = redirect
to = /new/{path}?{query}

[route root]
match = GET /root/{path...}
source = redirect
to = /{path}
status = 302

[route secure]
match = GET /secure
source = redirect
to = https://{request.host}/secure?{query}
status = 301

[route elsewhere]
match = GET /elsewhere/{id}
source = redirect
to = https://www.example.com/{id}
status = 307
set_header.Cache-Control = no-store
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    d = Daemon(tmp_path_factory.mktemp("redirects"), CONF)
    yield d
    d.stop()


def over_h1(daemon, path, method="GET", host="test", body=b""):
    with Client(daemon.address) as c:
        r = c.ask(path, method=method, host=host, body=body)
        return r.status, r.field("location"), r.body, r.field("cache-control")


def over_h2(daemon, path, method="GET", host="test", body=b""):
    with Client2(daemon.address) as c:
        a = c.ask(path, method, body=body or None, authority=host)
        return a.status, a.field("location"), a.body, a.field("cache-control")


both = pytest.mark.parametrize("ask_over", [over_h1, over_h2])


@both
def test_where_redirects_lead(daemon, ask_over):
    assert ask_over(daemon, "/old/a/b%20c?x=1&y=%2F")[:3] == (308, "/new/a/b%20c?x=1&y=%2F", b"Permanent Redirect")
    assert ask_over(daemon, "/old/a")[1] == "/new/a"
    assert ask_over(daemon, "/old/a", "HEAD")[:3] == (308, "/new/a", b"")
    assert ask_over(daemon, "/old/a", "POST", body=b"what is posted")[:2] == (308, "/new/a")
    assert ask_over(daemon, "/secure?a", host="www.example.org:8080")[:2] == \
        (301, "https://www.example.org/secure?a")
    assert ask_over(daemon, "/elsewhere/1%2F2") == \
        (307, "https://www.example.com/1%2F2", b"Temporary Redirect", "no-store")


@both
@pytest.mark.parametrize("path, location", [
    ("/root//evil.example/x", "/evil.example/x"),
    ("/root///evil.example", "/evil.example"),
    ("/root/%2F%2Fevil.example", "/%2F%2Fevil.example"),
    ("/root/%5Cevil.example", "/%5Cevil.example"),
    ("/root/%09/evil.example", "/%09/evil.example"),
    ("/root/%0d%0aSet-Cookie:%20a=b", "/%0D%0ASet-Cookie%3A%20a%3Db"),
    ("/root/x/..//evil.example", "/evil.example"),
    ("/elsewhere/@evil.example", "https://www.example.com/%40evil.example"),
])
def test_nobody_is_led_elsewhere(daemon, ask_over, path, location):
    """CWE-601: what a client asks for is a path of the place that the configuration names."""
    assert ask_over(daemon, path)[1] == location


def test_connections_go_on(daemon):
    with Client(daemon.address) as c:
        for _ in range(3):
            assert c.ask("/old/a").status == 308
            assert c.ask("/old/a", method="PUT", body=b"a" * 1000).status == 308
