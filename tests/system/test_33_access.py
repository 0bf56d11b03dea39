"""Who may ask, by address: allow and deny of routes (403) and of listeners (closed)."""
import json

import pytest

import bed
from bed import wait_until
from client import Client, ask, metrics

CONF = """
[server]
workers = 2
trusted_proxies = 127.0.0.1

[admin]
listen = 127.0.0.1:%d

[route open]
match = GET /open
source = fixed
body = open

[route inside]
match = GET /inside
source = fixed
body = inside
allow = 10.0.0.0/8, 2001:db8::/32
deny = 10.6.0.0/16

[route blocked]
match = * /blocked
source = fixed
body = blocked
deny = 192.0.2.0/24
"""


def start_with(start, listen=""):
    """A daemon with an admin listener."""
    admin = bed.free_port()
    daemon = start(CONF % admin, listen=listen)
    daemon.admin = ("127.0.0.1", admin)
    return daemon


def count(daemon, name, reason):
    """Of what was refused for that reason."""
    return metrics(daemon.admin).get((name, (("reason", reason),)), 0)


@pytest.fixture(scope="module")
def server(start):
    """One that trusts this test to say who asks."""
    return start_with(start)


@pytest.mark.parametrize("client, inside, blocked", [
    (None, 403, 200),
    ("10.0.0.1", 200, 200),
    ("10.6.0.1", 403, 200),
    ("2001:db8::1", 200, 200),
    ("2001:db9::1", 403, 200),
    ("::ffff:10.0.0.1", 200, 200),
    ("192.0.2.255", 403, 403),
])
def test_routes_let_in_whom_they_name(server, client, inside, blocked):
    """By the client, not by the proxy; the narrowest network decides; 403 keeps the connection."""
    lines = ["X-Forwarded-For: " + client] if client else []
    before = count(server, "forebay_requests_refused_total", "access")
    with Client(server.address) as c:
        assert [c.ask(path, *lines).status for path in ("/inside", "/blocked", "/open")] == [inside, blocked, 200]
    refused = [inside, blocked].count(403)
    assert count(server, "forebay_requests_refused_total", "access") == before + refused
    assert not refused or "%s: refused by allow and deny" % (
        client or "127.0.0.1").replace("::ffff:", "") in server.stderr()


def test_body_of_a_refused_request_is_not_asked_for(server):
    """403 comes instead of 100 Continue."""
    with Client(server.address) as c:
        c.send(b"POST /blocked HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\nContent-Length: 10\r\n"
               b"Expect: 100-continue\r\n\r\n")
        assert c.response().status == 403


def test_listener_closes_whom_it_does_not_let_in(start):
    """Without a word; reloads change it for who comes later."""
    daemon = start_with(start, listen="deny = 127.0.0.0/8")
    with Client(daemon.address) as c:
        c.socket.settimeout(c.timeout)
        assert c.is_gone() and not c.pending
    assert count(daemon, "forebay_connections_refused_total", "access") == 1
    assert "127.0.0.1: refused by the listener" in daemon.stderr()
    with open(daemon.path, encoding="utf-8") as file:
        text = file.read()
    with open(daemon.path, "w", encoding="utf-8") as file:
        file.write(text.replace("deny = 127.0.0.0/8", "allow = 127.0.0.1", 1))
    daemon.signal(bed.signal.SIGHUP)
    wait_until(lambda: "reloaded:" in daemon.stderr())
    assert ask(daemon.address, "/open").status == 200


def test_listener_behind_a_proxy_judges_the_client(start):
    """Who the header names; and whether the proxy is one."""
    daemon = start_with(start, listen="proxy_protocol = yes\nproxy_from = 127.0.0.1\nallow = 10.0.0.0/8, 127.0.0.1")
    for source, is_let_in in (("10.0.0.1", True), ("192.0.2.1", False), (None, True)):
        with Client(daemon.address) as c:
            c.send(b"PROXY TCP4 %s 10.0.0.1 1 2\r\n" % source.encode() if source else b"PROXY UNKNOWN\r\n")
            if is_let_in:
                assert c.ask("/open").status == 200
            else:
                assert c.is_gone() and not c.pending
    assert count(daemon, "forebay_connections_refused_total", "access") == 1
    other = start_with(start, listen="proxy_protocol = yes\nproxy_from = 192.0.2.0/24, ::1")
    with Client(other.address) as c:
        assert c.is_gone() and not c.pending
    assert count(other, "forebay_connections_refused_total", "proxy_from") == 1


@pytest.mark.parametrize("where, line, said", [
    ("listen", "allow = 10.0.0.0/40", "[listen test] allow: \"10.0.0.0/40\" is no network"),
    ("listen", "proxy_from = 10.0.0.0/8", "[listen test] proxy_from: there is no proxy_protocol here"),
    ("listen", "allow = ::1\ndeny = ::1", "[listen test] deny: ::1/128 stands in two lists"),
    ("route", "deny = all", "[route r] deny: \"all\" is no network"),
])
def test_nonsense_is_an_error(tmp_path, where, line, said):
    """All with their lines."""
    path = tmp_path / "conf"
    path.write_text("[listen test]\naddress = 127.0.0.1:%d\n%s\n[route r]\nmatch = GET /\nsource = fixed\nbody = x\n%s\n" %
                    (bed.free_port(), line if where == "listen" else "", line if where == "route" else ""))
    code, _, errors = bed.run_forebayd("-t", "-c", str(path))
    assert code == 1 and said in errors, errors


# --- paths that servers read in more than one way --------------------------------------------------------

GUARDED = """
[server]
workers = 1
%s

[admin]
listen = 127.0.0.1:%d

[upstream chaos]
servers = http://%s

[route all]
match = * /{path...}
source = upstream chaos

[route admin]
match = * /head/admin/{path...}
source = upstream chaos
deny = 0.0.0.0/0

[route here]
match = GET /here/{name}
source = fixed
body = {name}

[route there]
match = GET /here/a/b
source = fixed
body = there
"""
ROUNDABOUT = ["/head//admin/x", "/head/admin;a/x", "/head/admin%2fx", "/head%2Fadmin/x", "/head/admin%5Cx", "/head;a%2fadmin//x",
              "/head/pub/..%2fadmin/x", "/head/pub/..;/admin/x", "/head/pub%5c..%5cadmin", "/head/%2e%2e;a/x"]
ODD = ["/head//pub", "/head/@scope%2fname", "/head/page;jsessionid=1", "/head/a%5Cb"]


@pytest.mark.parametrize("policy, roundabout, odd", [("", 400, 200), ("odd_paths = refuse", 400, 400),
                                                     ("odd_paths = pass", 200, 200)])
def test_no_other_reading_of_a_path_goes_round_a_guard(start, chaos, policy, roundabout, odd):
    admin = bed.free_port()
    daemon = start(GUARDED % (policy, admin, chaos.address))
    daemon.admin = ("127.0.0.1", admin)
    refused = 0
    assert ask(daemon.address, "/head/admin/x").status == ask(daemon.address, "/head/./%61dmin/x").status == 403
    for path, status in [(path, roundabout) for path in ROUNDABOUT] + [(path, odd) for path in ODD]:
        r = ask(daemon.address, path)
        assert r.status == status, path
        refused += status == 400
        if status == 200 and path in ODD:
            assert json.loads(r.body)["target"] == path, "it goes on as it came"
    assert ask(daemon.address, "/head/pub/x?a//b;c%2f..").status == 200
    assert ask(daemon.address, "/here/a%2Fb").body == b"a/b", "what is read here alone has one reading"
    assert count(daemon, "forebay_requests_refused_total", "path") == refused
