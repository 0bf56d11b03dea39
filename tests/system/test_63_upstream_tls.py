"""TLS to upstreams: who is believed, sessions, bytes both ways, and servers that break off."""
import hashlib
import os

import pytest

import bed
from authority import Authority
from bed import run_forebayd, wait_until
from client import Client, metrics

BIG = 3 * 1024 * 1024


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Servers good, other, late (expired) and stray (of somebody else), and a client."""
    a = Authority(tmp_path_factory.mktemp("authority"))
    a.issue("good", ["localhost", "shop.internal"])
    a.issue("other", ["other.example"])
    a.issue("late", ["localhost"], days=0)
    a.issue("me", [], subject="/O=Tests/CN=me")
    stranger = Authority(tmp_path_factory.mktemp("stranger"))
    stranger.issue("stray", ["localhost"])
    a.stray = stranger.path("stray")
    return a


@pytest.fixture(scope="module")
def servers(authority):
    """A chaos upstream for each."""
    ca = authority.path("ca.pem")
    wanted = {
        "good": ["--tls", authority.path("good")],
        "older": ["--tls", authority.path("good"), "--tls12"],
        "other": ["--tls", authority.path("other")],
        "late": ["--tls", authority.path("late")],
        "stray": ["--tls", authority.stray],
        "strict": ["--tls", authority.path("good"), "--clients", ca],
    }
    started = {name: bed.Chaos(options=options) for name, options in wanted.items()}
    yield started
    for server in started.values():
        server.stop()


def upstream(name, port, *lines, host="localhost"):
    """[upstream NAME] of one https server, and a route that passes to it."""
    return "\n".join(["[upstream %s]" % name, "servers = https://%s:%d" % (host, port), "connect_timeout = 20s", *lines,
                      "[route %s]" % name, "match = * /%s/{path...}" % name, "source = upstream " + name,
                      "path = /{path}", "max_body = 8m", ""])


@pytest.fixture(scope="module")
def admin():
    return ("127.0.0.1", bed.free_port())


@pytest.fixture(scope="module")
def daemon(start, authority, servers, admin):
    ca = "tls_ca = " + authority.path("ca.pem")
    port = {name: server.port for name, server in servers.items()}
    own = ["tls_certificate = " + authority.path("me.pem"), "tls_key = " + authority.path("me.key")]
    return start("".join([
        "[server]\nworkers = 1\n[admin]\nlisten = 127.0.0.1:%d\n" % admin[1],
        upstream("good", port["good"], ca),
        upstream("fresh", port["good"], ca, "keepalive_timeout = 0s"),
        upstream("older", port["older"], ca, "keepalive_timeout = 0s"),
        upstream("named", port["good"], ca, "tls_name = shop.internal", host="127.0.0.1"),
        upstream("address", port["good"], ca, host="127.0.0.1"),
        upstream("other", port["other"], ca),
        upstream("late", port["late"], ca),
        upstream("stray", port["stray"], ca),
        upstream("system", port["good"]),
        upstream("any", port["stray"], "tls_verify = no"),
        upstream("strict", port["strict"], ca, *own),
        upstream("nobody", port["strict"], ca),
    ]))


def ask(daemon, target, method="GET", body=b""):
    """One request on a connection of its own."""
    with Client(daemon.address) as c:
        c.send(b"%s %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" %
               (method.encode(), target.encode(), len(body), body))
        return c.response(method)


def count(admin, name, **labels):
    return metrics(admin).get((name, tuple(labels.items())), 0)


@pytest.mark.parametrize("name", ["good", "fresh", "older", "named", "any", "strict"])
def test_a_server_that_is_who_it_should_be_answers(daemon, name):
    for _ in range(3):
        assert ask(daemon, "/%s/status/200" % name).status == 200


@pytest.mark.parametrize("name, why", [
    ("address", "IP address mismatch"), ("other", "hostname mismatch"), ("late", "certificate has expired"),
    ("stray", "unable to get local issuer certificate|self-signed certificate in certificate chain"),
    ("system", "unable to get local issuer certificate|self-signed certificate in certificate chain")])
def test_one_that_is_not_is_never_asked(daemon, admin, servers, name, why):
    before = count(admin, "forebay_upstream_tls_failures_total", reason="certificate")
    assert ask(daemon, "/%s/status/200" % name).status == 502
    assert count(admin, "forebay_upstream_tls_failures_total", reason="certificate") > before
    said = [line for line in daemon.stderr().split("\n") if "upstream %s: TLS with" % name in line]
    assert said and any(word in said[-1] for word in why.split("|")), said


def test_one_that_wants_to_know_us_is_told_or_refuses(daemon):
    assert ask(daemon, "/strict/status/200").status == 200
    assert ask(daemon, "/nobody/status/200").status == 502


@pytest.mark.parametrize("name", ["fresh", "older"])
def test_the_next_connection_begins_with_the_session_of_the_last(daemon, admin, name):
    ask(daemon, "/%s/status/200" % name)
    full = count(admin, "forebay_upstream_tls_handshakes_total", kind="full")
    resumed = count(admin, "forebay_upstream_tls_handshakes_total", kind="resumed")
    for _ in range(5):
        assert ask(daemon, "/%s/status/200" % name).status == 200
    assert count(admin, "forebay_upstream_tls_handshakes_total", kind="full") == full
    assert count(admin, "forebay_upstream_tls_handshakes_total", kind="resumed") == resumed + 5


def test_a_connection_that_is_kept_needs_no_handshake(daemon, admin):
    ask(daemon, "/good/status/200")

    def shaken():
        return sum(count(admin, "forebay_upstream_tls_handshakes_total", kind=kind) for kind in ("full", "resumed"))
    before = shaken()
    for _ in range(20):
        assert ask(daemon, "/good/status/200").status == 200
    assert shaken() == before


@pytest.mark.parametrize("name", ["good", "older"])
def test_bodies_come_whole_both_ways(daemon, name):
    body = os.urandom(BIG)
    r = ask(daemon, "/%s/echo" % name, "POST", body)
    assert r.status == 200 and hashlib.sha256(r.body).digest() == hashlib.sha256(body).digest()


@pytest.mark.parametrize("path, status", [("reset", 502), ("reset/head", 502), ("close", 502), ("garbage", 502),
                                          ("huge-head", 502), ("both", 502)])
def test_servers_that_break_off_fail_as_without_tls(daemon, path, status):
    assert ask(daemon, "/good/" + path).status == status
    assert ask(daemon, "/good/status/200").status == 200


def test_health_is_asked_over_tls_and_one_without_it_is_a_bad_gateway(start, authority, servers, daemon):
    admin = ("127.0.0.1", bed.free_port())
    ca = "tls_ca = " + authority.path("ca.pem")
    other = start("[admin]\nlisten = 127.0.0.1:%d\n" % admin[1] +
                  upstream("asked", servers["good"].port, ca, "health_path = /status/200", "health_interval = 10ms") +
                  upstream("plain", daemon.address[1], ca))
    wait_until(lambda: count(admin, "forebay_upstream_health_checks_total", result="good") >= 5)
    assert count(admin, "forebay_upstream_health_checks_total", result="bad") == 0
    assert count(admin, "forebay_upstream_tls_handshakes_total", kind="full") == 1
    assert ask(other, "/plain/status/200").status == 502
    assert count(admin, "forebay_upstream_tls_failures_total", reason="handshake") > 0


def test_what_cannot_be_is_told_with_its_line(tmp_path, authority):
    cases = [
        ("tls_ca = nowhere.pem", "tls_ca: "),
        ("tls_certificate = %s" % authority.path("me.pem"), "tls_certificate: tls_certificate and tls_key go together"),
        ("tls_certificate = %s\ntls_key = %s" % (authority.path("me.pem"), authority.path("good.key")), "tls_key: "),
    ]
    for lines, complaint in cases:
        conf = tmp_path / "forebay.conf"
        conf.write_text("[listen web]\naddress = 127.0.0.1:0\n[upstream u]\nservers = https://localhost:1\n" + lines +
                        "\n[route r]\nmatch = GET /\nsource = upstream u\n")
        code, _, said = run_forebayd("-t", "-c", str(conf))
        assert code == 1 and "[upstream u] " + complaint in said, said
    conf.write_text("[listen web]\naddress = 127.0.0.1:0\n[upstream u]\nservers = http://localhost:1\ntls_verify = no\n"
                    "[route r]\nmatch = GET /\nsource = upstream u\n")
    code, _, said = run_forebayd("-t", "-c", str(conf))
    assert code == 0 and "has no effect: no server is https" in said, said
