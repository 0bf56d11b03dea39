"""Behind trusted proxies: who the client is for templates, logs and upstreams, and who may not say so."""
import json
import os

import pytest

import bed
from bed import run_forebayd, wait_until
from client import Client, ask

CONF = """
[server]
workers = 1
trusted_proxies = %s
%s

[route who]
match = GET /who
source = fixed
body = <{client.address}>

[route fair]
match = GET /fair
source = compute digest
input = x
fairness = {client.address}

[upstream chaos]
servers = http://%s

[route echo]
match = GET /head
source = upstream chaos

[access_log]
path = %s/access
format = json
flush = 10ms
fields = client.address, client.port, peer.address, request.target
"""


@pytest.fixture(scope="module")
def site(start, tmp_path_factory, chaos):
    """site(trusted, more) -> a daemon."""
    def make(trusted, more="", listen=""):
        folder = str(tmp_path_factory.mktemp("log"))
        daemon = start(CONF % (trusted, more, chaos.address, folder), listen=listen)
        daemon.access = folder + "/access"
        return daemon
    return make


@pytest.fixture(scope="module")
def behind(site):
    """Trusts this test, and a network."""
    return site("127.0.0.1, 10.0.0.0/8, 2001:db8:1::/48")


@pytest.mark.parametrize("lines, client", [
    ([], b"<127.0.0.1>"),
    (["X-Forwarded-For: 192.0.2.1"], b"<192.0.2.1>"),
    (["X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.1.2.3"], b"<192.0.2.1>"),
    (["X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 192.0.2.1"], b"<192.0.2.1>"),
    (["X-Forwarded-For: [2001:db8::1]:443, 2001:db8:1::1"], b"<2001:db8::1>"),
    (["X-Forwarded-For: 192.0.2.1, unknown"], b"<127.0.0.1>"),
    (["X-Forwarded-For: \"192.0.2.1, 10.0.0.9"], b"<10.0.0.9>"),
    (["X-Forwarded-For: " + ",".join(["10.0.0.1"] * 1000)], b"<10.0.0.1>"),
    (["X-Forwarded-For: " + "," * 8000], b"<127.0.0.1>"),
    (["Forwarded: for=6.6.6.6, for=\"[2001:db8::1]:80\";proto=https"], b"<2001:db8::1>"),
    (["Forwarded: for=192.0.2.1", "X-Forwarded-For: 192.0.2.2"], b"<127.0.0.1>"),
    (["X-Forwarded-For:", "Forwarded: for=192.0.2.1"], b"<127.0.0.1>"),
])
def test_client_is_the_first_from_the_right_that_is_not_trusted(behind, lines, client):
    """RFC 7239 5.2, and X-Forwarded-For in the same way."""
    r = ask(behind.address, "/who", *lines)
    assert (r.status, r.body) == (200, client)


def test_every_request_says_it_anew(behind):
    """One connection of a proxy carries many clients."""
    with Client(behind.address) as c:
        assert c.ask("/who", "X-Forwarded-For: 192.0.2.1").body == b"<192.0.2.1>"
        assert c.ask("/who").body == b"<127.0.0.1>"
        assert c.ask("/who", "X-Forwarded-For: 192.0.2.2").body == b"<192.0.2.2>"


def test_who_is_not_trusted_is_not_believed(site):
    """Nobody is, or others are."""
    for trusted in ("", "192.0.2.0/24, ::1"):
        daemon = site(trusted)
        assert ask(daemon.address, "/who", "X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.1").body == b"<127.0.0.1>"


def test_one_of_the_two_fields_can_be_chosen(site):
    """Where proxies write Forwarded alone, what clients say in the other counts for nothing."""
    daemon = site("127.0.0.1", "forwarded_field = forwarded")
    lines = ["Forwarded: for=192.0.2.1", "X-Forwarded-For: 6.6.6.6"]
    assert ask(daemon.address, "/who", *lines).body == b"<192.0.2.1>"
    assert ask(daemon.address, "/who", lines[1]).body == b"<127.0.0.1>"


def test_log_has_client_and_peer(behind):
    """The client without a port that nobody told."""
    ask(behind.address, "/who?logged", "X-Forwarded-For: 192.0.2.7")

    def line():
        with open(behind.access, encoding="utf-8") as file:
            return [one for one in map(json.loads, file) if one["request_target"] == "/who?logged"]
    wait_until(lambda: os.path.exists(behind.access) and line())
    assert line() == [{"client_address": "192.0.2.7", "client_port": None, "peer_address": "127.0.0.1",
                       "request_target": "/who?logged"}]


def told(daemon, *lines):
    """What the upstream is told of the client."""
    seen = json.loads(ask(daemon.address, "/head", *lines).body)["fields"]
    pairs = [(name.lower(), value) for name, value in (seen.items() if isinstance(seen, dict) else seen)]
    return {name: value for name, value in pairs if "forwarded" in name or name == "x-real-ip"}


SAID = ["X-Forwarded-For: 6.6.6.6, 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: front.example",
        "Forwarded: for=6.6.6.6", "X-Real-IP: 192.0.2.1"]


@pytest.mark.parametrize("field, lists", [
    ("x-forwarded-for", {"x-forwarded-for": "6.6.6.6, 192.0.2.1, 127.0.0.1", "x-forwarded-proto": "https",
                         "x-forwarded-host": "front.example", "forwarded": "for=127.0.0.1;proto=https",
                         "x-real-ip": "192.0.2.1"}),
    ("forwarded", {"x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http", "x-forwarded-host": "test",
                   "forwarded": "for=6.6.6.6, for=127.0.0.1;proto=http"}),
])
def test_upstreams_are_told_what_is_trusted(site, field, lists):
    """The list goes on, with the proxy that spoke to us at its end; the other one is the client's own word."""
    assert told(site("127.0.0.1", "forwarded_field = " + field), *SAID) == lists


def test_upstreams_are_told_what_proxies_write_beside_neither_list(behind):
    """Unless there is a Forwarded."""
    beside = ["X-Real-IP: 192.0.2.1", "X-Forwarded-Host: front.example"]
    seen = told(behind, *beside)
    assert seen["x-real-ip"] == "192.0.2.1" and seen["x-forwarded-host"] == "front.example"
    seen = told(behind, "Forwarded: for=192.0.2.1", *beside)
    assert "x-real-ip" not in seen and seen["x-forwarded-host"] == "test"


@pytest.mark.parametrize("trusted", ["", "127.0.0.1"], ids=["nobody", "auto, and both fields"])
def test_upstreams_are_not_told_what_is_not(site, trusted):
    """It is replaced by what we know."""
    assert told(site(trusted), *SAID) == {
        "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http", "x-forwarded-host": "test",
        "forwarded": "for=127.0.0.1;proto=http"}


def test_client_that_a_proxy_header_names_can_be_a_proxy(site):
    """A load balancer before a trusted proxy: first the header, then the fields."""
    daemon = site("198.51.100.0/24", listen="proxy_protocol = yes")
    for source, client in (("198.51.100.1", b"<192.0.2.1>"), ("203.0.113.1", b"<203.0.113.1>")):
        with Client(daemon.address) as c:
            c.send(b"PROXY TCP4 %s 10.0.0.1 4711 443\r\n" % source.encode())
            assert c.ask("/who", "X-Forwarded-For: 192.0.2.1").body == client


@pytest.mark.parametrize("trusted, said", [
    ("10.0.0.0/33", "is no network such as"),
    ("localhost", "\"localhost\" is no network such as"),
    ("10.0.0.0/8, 10.0.0.0/255.0.0.0", "\"10.0.0.0/255.0.0.0\" is no network"),
])
def test_nonsense_is_an_error(tmp_path, trusted, said):
    """With the line and the text."""
    path = tmp_path / "conf"
    path.write_text("[server]\ntrusted_proxies = %s\n[listen a]\naddress = 127.0.0.1:%d\n[route r]\nmatch = GET /\n"
                    "source = fixed\nbody = x\n" % (trusted, bed.free_port()))
    code, _, errors = run_forebayd("-t", "-c", str(path))
    assert code == 1 and ":2: [server] trusted_proxies: " in errors and said in errors


def test_host_bits_are_a_warning(tmp_path):
    """10.0.0.1/8 is read as 10.0.0.0/8, and said so."""
    path = tmp_path / "conf"
    path.write_text("[server]\ntrusted_proxies = 10.0.0.1/8\n[listen a]\naddress = 127.0.0.1:%d\n[route r]\n"
                    "match = GET /\nsource = fixed\nbody = x\n" % bed.free_port())
    code, _, errors = run_forebayd("-t", "-c", str(path))
    assert code == 0 and "10.0.0.1/8 is 10.0.0.0/8" in errors
