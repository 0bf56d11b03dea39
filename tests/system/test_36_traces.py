"""Traces and deadlines from hop to hop: traceparent, tracestate and Forebay-Deadline, in and out."""
import json
import re

import pytest

from bed import free_port, wait_until
from client import Client, ask, metrics
from client2 import Client2
from upstream2 import Upstream2

ID, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACED = "00-%s-%s-01" % (ID, PARENT)
FORM = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])\\Z")

CONF = """
[server]
workers = 1
%s
[admin]
listen = 127.0.0.1:%d
[upstream one]
servers = http://%s
first_byte_timeout = 1h
[upstream two]
servers = http://127.0.0.1:%d
protocols = h2
first_byte_timeout = 1h
[route one]
match = * /one/{path...}
source = upstream one
path = /{path}
deadline = 1h
set_header.X-Trace = {request.trace}
[route two]
match = * /two/{path...}
source = upstream two
path = /{path}
deadline = 1h
[route joined]
match = GET /joined
deadline = 1h
[subrequest joined.a]
source = upstream one
path = /head
[subrequest joined.b]
source = upstream two
path = /heard
as = json
[route hanging]
match = GET /hanging
deadline = 1h
[subrequest hanging.a]
source = upstream one
path = /hang
[subrequest hanging.b]
source = upstream one
path = /head
[route hello]
match = GET /hello
source = fixed
body = Hello.
[access_log]
path = %s/access
format = json
flush = 10ms
fields = request.target, request.trace
"""


class Site:
    """One daemon, its admin listener and its access log."""

    def __init__(self, start, folder, chaos, server, lines):
        self.admin, self.folder = ("127.0.0.1", free_port()), str(folder)
        self.daemon = start(CONF % (lines, self.admin[1], chaos.address, server.port, folder))
        self.address = self.daemon.address

    def count(self, name, **labels):
        return metrics(self.admin).get((name, tuple(labels.items())), 0)

    def logged(self, target):
        """The trace that the access log has for that target."""
        def find():
            with open(self.folder + "/access", encoding="utf-8") as file:
                lines = [json.loads(line) for line in file if line.endswith("\n")]
            return [line for line in lines if line["request_target"] == target]
        return wait_until(find, what="a line for " + target)[0]["request_trace"]


@pytest.fixture(scope="module")
def server():
    u = Upstream2()
    yield u
    u.stop()


@pytest.fixture(scope="module")
def site(start, chaos, server, tmp_path_factory):
    """This test is a trusted proxy."""
    return Site(start, tmp_path_factory.mktemp("log"), chaos, server, "trusted_proxies = 127.0.0.1")


@pytest.fixture(scope="module")
def wary(start, chaos, server, tmp_path_factory):
    """It is not, and no trace begins."""
    return Site(start, tmp_path_factory.mktemp("log"), chaos, server,
                "trusted_proxies = 10.0.0.1\ntrace = propagate")


def send(site, version, path, *lines):
    """A GET; status, fields in lower case, body."""
    if version == 2:
        with Client2(site.address) as c:
            r = c.ask(path, "GET", *[(name.lower(), value) for name, value in lines])
            return r.status, dict(r.fields), r.body
    r = ask(site.address, path, *["%s: %s" % line for line in lines])
    return r.status, {name.lower(): value for name, value in r.fields}, r.body


def heard(fields, name):
    """What a server was told by fields of that name."""
    return [value for key, value in fields if key.lower() == name]


VERSIONS = pytest.mark.parametrize("version, path", [(1, "/one/head"), (2, "/one/head"), (1, "/two/heard"), (2, "/two/heard")])


# --- traces -----------------------------------------------------------------------------

@VERSIONS
def test_a_trace_goes_on_over_every_version(site, version, path):
    status, _, body = send(site, version, path, ("Traceparent", TRACED), ("tracestate", "a=1"), ("tracestate", "b=2"))
    assert status == 200
    fields = json.loads(body)["fields"]
    [parent] = heard(fields, "traceparent")
    assert FORM.match(parent).group(1, 3) == (ID, "01") and FORM.match(parent).group(2) != PARENT
    assert heard(fields, "tracestate") == ["a=1,b=2"]


@VERSIONS
@pytest.mark.parametrize("sent", [[], ["00-nonsense"], [TRACED.upper()], [TRACED, TRACED]])
def test_a_trace_begins_where_none_can_be_read(site, version, path, sent):
    status, _, body = send(site, version, path, *[("traceparent", value) for value in sent], ("tracestate", "a=1"))
    assert status == 200
    fields = json.loads(body)["fields"]
    [parent] = heard(fields, "traceparent")
    assert FORM.match(parent).group(1) != ID and parent.endswith("-00")
    assert heard(fields, "tracestate") == []


def test_parts_and_log_and_templates_share_a_trace(site):
    status, _, body = send(site, 1, "/joined?shared")
    parts = json.loads(body)
    parents = [FORM.match(heard(parts[name]["fields"], "traceparent")[0]) for name in "ab"]
    assert status == 200 and parents[0].group(1) == parents[1].group(1) == site.logged("/joined?shared")
    assert parents[0].group(2) != parents[1].group(2)
    _, fields, body = send(site, 1, "/one/head?told")
    assert FORM.match(heard(json.loads(body)["fields"], "traceparent")[0]).group(1) == fields["x-trace"]
    assert site.logged("/one/head?told") == fields["x-trace"]


def test_a_request_that_asks_no_server_begins_no_trace(site):
    send(site, 1, "/hello?bare")
    send(site, 1, "/hello?traced", ("traceparent", TRACED))
    assert site.logged("/hello?bare") is None and site.logged("/hello?traced") == ID


def test_requests_of_one_connection_have_traces_of_their_own(site):
    with Client(site.address) as c:
        c.ask("/one/head?first", "traceparent: " + TRACED)
        c.ask("/one/head?second")
        c.ask("/one/head?third")
    logged = [site.logged("/one/head?" + name) for name in ("first", "second", "third")]
    assert logged[0] == ID and len(set(logged)) == 3


def test_no_trace_is_forced_on_upstreams_where_they_are_only_passed_on(wary):
    _, _, body = send(wary, 1, "/one/head", ("traceparent", "00-nonsense"), ("tracestate", "a=1"))
    assert not [name for name, _ in json.loads(body)["fields"] if name.lower().startswith("trace")]
    _, _, body = send(wary, 1, "/one/head", ("traceparent", TRACED))
    assert heard(json.loads(body)["fields"], "traceparent")[0].startswith("00-%s-" % ID)


# --- deadlines --------------------------------------------------------------------------

def left(fields):
    """What a server was told of the deadline, in milliseconds."""
    [told] = heard(fields, "forebay-deadline")
    return int(re.match("([0-9]+)ms\\Z", told).group(1))


@VERSIONS
def test_the_deadline_of_a_trusted_proxy_lowers_ours(site, version, path):
    _, _, body = send(site, version, path, ("Forebay-Deadline", "50s"))
    assert left(json.loads(body)["fields"]) <= 50000
    _, _, body = send(site, version, path, ("Forebay-Deadline", "2h"))
    assert 50000 < left(json.loads(body)["fields"]) <= 3600000


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("path", ["/one/hang", "/two/early-nothing", "/hanging"])
def test_nobody_waits_longer_than_who_asks(site, version, path):
    status, fields, _ = send(site, version, path, ("Forebay-Deadline", "30ms"))
    assert status == 504 and "forebay-shed" not in fields


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("path", ["/one/json", "/two/hello", "/hanging", "/hello"])
def test_what_nobody_waits_for_is_not_begun(site, chaos, server, version, path):
    refused = site.count("forebay_requests_refused_total", reason="deadline")
    asked = chaos.count()["requests"], server.seen["requests"]
    status, fields, _ = send(site, version, path, ("Forebay-Deadline", "0ms"))
    assert (status, fields["forebay-shed"]) == (504, "deadline")
    assert fields.get("forebay-parts") == ("a=skipped;0ms, b=skipped;0ms" if path == "/hanging" else None)
    assert site.count("forebay_requests_refused_total", reason="deadline") == refused + 1
    assert (chaos.count()["requests"] - 1, server.seen["requests"]) == asked


@pytest.mark.parametrize("value", ["soon", "-1ms", "10", "1.5s", "30ms, 40ms", "", "9" * 30 + "ms"])
def test_a_deadline_that_cannot_be_read_is_ignored(site, value):
    ignored = site.count("forebay_deadlines_ignored_total")
    status, _, body = send(site, 1, "/one/head", ("Forebay-Deadline", value))
    assert status == 200 and left(json.loads(body)["fields"]) > 50000
    assert site.count("forebay_deadlines_ignored_total") == ignored + 1


@VERSIONS
def test_nobody_elses_deadline_counts(wary, version, path):
    for value in ("0ms", "30ms", "soon"):
        status, _, body = send(wary, version, path, ("Forebay-Deadline", value))
        assert status == 200 and left(json.loads(body)["fields"]) > 50000
    assert wary.count("forebay_deadlines_ignored_total") == 0
