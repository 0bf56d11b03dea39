"""Upstreams of several servers: who is asked, what is asked again, and who pays for it."""
import pytest

import bed
from client import Client, metrics

WORKERS = 2
SAVED = 10 * WORKERS  # retries that the workers may have saved up

CONF = """
[server]
workers = %(workers)d

[admin]
listen = 127.0.0.1:%(admin)d

[upstream three]
servers = %(servers)s
retries = 2
retry_on = connect, closed, 503, timeout
retry_budget = 20%%
first_byte_timeout = 200ms

[upstream generous]
servers = %(servers)s
retries = 2
retry_on = connect, closed, 503, timeout
retry_budget = 100%%
first_byte_timeout = 200ms

[upstream keys]
servers = %(servers)s
balance = hash

[route storm]
match = GET /storm
source = upstream three
path = /moody

[route joined]
match = GET /joined
[subrequest joined.a]
source = upstream generous
path = /moody

[route change]
match = POST /change
source = upstream three
path = /moody

[route key]
match = GET /key/{key}
source = upstream keys
path = /moody
hash_key = {key}
"""


class Three:
    """Three servers, the daemon that asks them, and what both have counted."""

    def __init__(self, start):
        self.servers = [bed.Chaos() for _ in range(3)]
        self.admin = bed.free_port()
        self.daemon = start(CONF % {"workers": WORKERS, "admin": self.admin, "servers": ", ".join(
            "http://" + server.address for server in self.servers)})

    def mood(self, *words):
        for server in self.servers:
            server.mood(*words)

    def asked(self):
        """Requests that each server has seen."""
        return [server.count()["moody"] for server in self.servers]

    def ask(self, path, times, method="GET"):
        """The responses to so many requests, over one connection after the other."""
        answers = []
        for first in range(0, times, 50):
            with Client(self.daemon.address) as c:
                answers += [c.ask(path, method=method) for _ in range(min(50, times - first))]
        return answers

    def counted(self, name):
        """A counter's sum over its labels."""
        return sum(value for (known, _), value in metrics(("127.0.0.1", self.admin)).items() if known == name)


@pytest.fixture(scope="module")
def three(start):
    hosts = Three(start)
    yield hosts
    for server in hosts.servers:
        server.stop()


@pytest.fixture(autouse=True)
def peace(three):
    """Each test begins with servers that answer, and a budget that is full."""
    three.mood("json")
    yield
    three.mood("json")
    three.ask("/storm", 100 * WORKERS)
    three.ask("/joined", 50 * WORKERS)


def test_servers_take_turns(three):
    before = three.asked()
    three.ask("/storm", 60)
    for was, now in zip(before, three.asked()):
        assert abs(now - was - 20) <= 2 * WORKERS


@pytest.mark.parametrize("mood", [["close"], ["reset"], ["status", "503"], ["hang"]])
def test_one_server_in_trouble_is_not_seen(three, mood):
    three.servers[1].mood(*mood)
    before = three.counted("forebay_upstream_retries_total")
    answers = three.ask("/joined", 9)
    assert [r.status for r in answers] == [200] * 9
    # One entry for one part, however often it was tried.
    assert all(r.field("forebay-parts").startswith("a=ok;") and "," not in r.field("forebay-parts") for r in answers)
    assert three.counted("forebay_upstream_retries_total") > before


def test_what_is_not_idempotent_is_asked_once(three):
    three.mood("close")
    before = sum(three.asked())
    assert [r.status for r in three.ask("/change", 10, "POST")] == [502] * 10
    assert sum(three.asked()) - before == 10


@pytest.mark.parametrize("mood", [["close"], ["status", "503"]])
def test_a_storm_of_retries_stays_within_the_budget(three, mood):
    three.mood(*mood)
    before, times = sum(three.asked()), 600
    replaced = three.counted("forebay_upstream_connections_replaced_total")
    answers = three.ask("/storm", times)
    # An idle connection that turns out closed is no attempt that failed.
    attempts = sum(three.asked()) - before - (three.counted("forebay_upstream_connections_replaced_total") - replaced)
    assert {r.status for r in answers} <= {502, 503}
    assert times < attempts <= 1.2 * times + SAVED, attempts
    assert three.counted("forebay_upstream_retries_refused_total") > 0


def test_a_server_that_dies_under_load_and_returns(three):
    port = three.servers[2].port
    with Client(three.daemon.address) as c:
        for number in range(60):
            if number == 20:
                three.servers[2].stop()
            if number == 40:
                three.servers[2] = bed.Chaos(port)
            r = c.ask("/joined")
            assert r.status == 200, (number, r)
    three.ask("/joined", 12)
    assert three.servers[2].count()["moody"] > 0


def test_a_key_stays_with_its_server(three):
    with Client(three.daemon.address) as c:
        for key in range(12):
            before = three.asked()
            for _ in range(4):
                assert c.ask("/key/%d" % key).status == 200
            assert sorted(now - was for was, now in zip(before, three.asked())) == [0, 0, 4]
