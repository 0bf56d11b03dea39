"""A joined route reports its parts on every answer, also when the request's body is refused."""
import pytest

from client import Client

CONF = """
[server]
workers = 1
[limits]
body_idle_timeout = 200ms
[route join]
match = POST /join
max_body = 100
[subrequest join.a]
source = fixed
type = application/json
body = {body}
[subrequest join.b]
source = fixed
body = b
"""

HEAD = b"POST /join HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize("sent, status", [
    (b"Content-Length: 101\r\n\r\n", 413),
    (b"Transfer-Encoding: chunked\r\n\r\n65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n", 413),
    (b"Transfer-Encoding: chunked\r\n\r\nno size\r\n", 400),
    (b"Content-Length: 10\r\n\r\nabc", 408),
])
def test_parts_are_reported_when_the_body_is_refused(start, sent, status):
    with Client(start(CONF).address) as c:
        c.send(HEAD + sent)
        r = c.response("POST")
        assert (r.status, r.field("forebay-parts")) == (status, "a=skipped;0ms, b=skipped;0ms")
        assert r.closes()
        assert c.is_gone()
