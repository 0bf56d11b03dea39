"""Upstreams of several servers: who is asked, what is asked again, and who pays for it."""
import collections
import signal
import threading
import time

import pytest

import bed
from client import Client, metrics

WORKERS = 2
SAVED = 10 * WORKERS  # retries that the workers may have saved up

CONF = """
[server]
workers = %(workers)d

[admin]
socket = admin.sock
listen = 127.0.0.1:%(admin)d

[upstream three]
servers = %(servers)s
retries = 2
retry_on = connect, closed, 503, timeout
retry_budget = 20%%
first_byte_timeout = 200ms
eject_after = 0

[upstream generous]
servers = %(servers)s
retries = 2
retry_on = connect, closed, 503, timeout
retry_budget = 100%%
first_byte_timeout = 200ms
eject_after = 0

[upstream hedged]
servers = %(servers)s
retries = 2
retry_on = connect, closed, 503, timeout
retry_budget = 100%%
hedge_after = 30ms
eject_after = 0

[upstream keys]
servers = %(servers)s
balance = hash
eject_after = 0

[upstream ejecting]
servers = %(servers)s
retry_on = connect, closed, 503, timeout
retry_budget = 100%%
first_byte_timeout = 100ms
eject_after = 3
eject_for = 400ms

[upstream outcast]
servers = %(servers)s
retry_on = 503
retry_budget = 100%%
eject_after = 2
eject_for = 1h

[upstream checked]
servers = %(servers)s
retries = 0
eject_after = 0
health_path = /health
health_interval = 50ms
health_timeout = 200ms
health_fall = 2

[upstream guarded]
servers = %(servers)s
retries = 0
breaker_error_rate = 50%%
breaker_min_requests = 10
breaker_open_for = 400ms

[route storm]
match = GET /storm
source = upstream three
path = /moody

[route hedged]
match = * /hedged
source = upstream hedged
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

[route ejecting]
match = GET /ejecting
source = upstream ejecting
path = /moody

[route outcast]
match = GET /outcast
source = upstream outcast
path = /moody

[route checked]
match = GET /checked
source = upstream checked
path = /moody

[route guarded]
match = GET /guarded
[subrequest guarded.a]
source = upstream guarded
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

    def counted(self, name, *labels):
        """A counter's sum over its labels, those that are named the same."""
        return sum(value for (known, has), value in metrics(("127.0.0.1", self.admin)).items()
                   if known == name and set(labels) <= set(has))


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


# One server that answers after two seconds: who has it as the first asks another after hedge_after. As the
# budget earns one attempt for each request, every one of them may.
def test_a_slow_server_is_not_waited_for(three):
    three.servers[1].mood("delay", "2000")
    before, asked = three.counted("forebay_upstream_hedges_total"), sum(three.asked())
    started = time.monotonic()
    answers = three.ask("/hedged", 30)
    assert {r.status for r in answers} == {200} and all(b"delay" not in r.body for r in answers)
    hedged = three.counted("forebay_upstream_hedges_total") - before
    # A third of them, and others where the machine is busy.
    assert 10 <= hedged <= 30 and sum(three.asked()) - asked == 30 + hedged
    assert three.counted("forebay_upstream_hedges_won_total") >= 10
    # Cancelled are those that lost: their connections are closed long before they would be answered.
    bed.wait_until(lambda: three.servers[1].count()["cut"] >= 10, what="connections of those that lost")
    assert time.monotonic() - started < 20 * 2


def test_a_second_server_that_fails_leaves_the_first_one_alone(three):
    three.mood("delay", "150")
    three.servers[1].mood("reset")
    assert {r.status for r in three.ask("/hedged", 12)} == {200}
    three.servers[1].mood("status", "503")
    assert {r.status for r in three.ask("/hedged", 12)} == {200}


def test_where_all_are_slow_the_first_answer_is_taken_and_a_client_that_goes_ends_both(three):
    three.mood("delay", "200")
    assert {r.status for r in three.ask("/hedged", 9)} == {200}
    three.mood("hang")
    before, cut = three.counted("forebay_upstream_hedges_total"), sum(s.count()["cut"] for s in three.servers)
    with Client(three.daemon.address) as c:
        c.get("/hedged")
        bed.wait_until(lambda: three.counted("forebay_upstream_hedges_total") > before, what="a second attempt")
        c.close()
    bed.wait_until(lambda: sum(s.count()["cut"] for s in three.servers) >= cut + 2, what="both to be cut")


def test_what_is_not_idempotent_or_has_a_body_is_not_sent_twice(three):
    three.mood("delay", "150")
    before = three.counted("forebay_upstream_hedges_total")
    assert {r.status for r in three.ask("/hedged", 3, "POST")} == {200}
    with Client(three.daemon.address) as c:
        assert c.ask("/hedged", method="PUT", body=b"x").status == 200
    assert three.counted("forebay_upstream_hedges_total") == before


def test_a_key_stays_with_its_server(three):
    with Client(three.daemon.address) as c:
        for key in range(12):
            before = three.asked()
            for _ in range(4):
                assert c.ask("/key/%d" % key).status == 200
            assert sorted(now - was for was, now in zip(before, three.asked())) == [0, 0, 4]


def test_a_server_that_fails_again_and_again_is_left_out_and_comes_back(three):
    three.ask("/ejecting", 6 * WORKERS)
    three.servers[1].mood("hang")
    three.ask("/ejecting", 12 * WORKERS)
    assert three.counted("forebay_upstream_ejections_total") > 0
    assert "is left out: 3 failures in a row" in three.daemon.stderr()
    before, began = three.asked()[1], time.monotonic()
    assert [r.status for r in three.ask("/ejecting", 30)] == [200] * 30
    # Trials aside: at most one per worker and time-out.
    assert three.asked()[1] - before <= WORKERS * (1 + (time.monotonic() - began) / 0.4)
    three.servers[1].mood("json")
    bed.wait_until(lambda: three.ask("/ejecting", 6) and
                   three.daemon.stderr().count("answers again") >= 1, 15, "its return")
    assert three.counted("forebay_upstream_returns_total") > 0


def test_the_last_server_is_never_left_out(three):
    three.mood("close")
    for _ in range(4):
        before = sum(three.asked())
        assert [r.status for r in three.ask("/ejecting", 20)] == [502] * 20
        assert sum(three.asked()) - before >= 20
    three.mood("json")
    began = time.monotonic()
    assert {r.status for r in three.ask("/ejecting", 20)} <= {200, 502}
    bed.wait_until(lambda: {r.status for r in three.ask("/ejecting", 10)} == {200}, 5, "recovery")
    assert time.monotonic() - began < 1 * bed.FACTOR


def test_the_breaker_opens_says_so_and_closes_again(three):
    name = "forebay_upstream_breaker_transitions_total"
    three.mood("status", "500")
    before = sum(three.asked())
    answers = three.ask("/guarded", 100)
    assert {r.status for r in answers} == {502, 503}
    refused = [r for r in answers if r.status == 503]
    assert refused and all(r.field("forebay-shed") == "upstream.guarded.breaker" and
                           int(r.field("retry-after")) > 0 for r in refused)
    assert all(r.field("forebay-parts").startswith("a=shed;") for r in refused)
    # What is refused is not sent.
    assert sum(three.asked()) - before == 100 - len(refused)
    assert three.counted(name, ("to", "open")) >= 1
    assert "upstream guarded: breaker open" in three.daemon.stderr()
    three.mood("json")
    began = time.monotonic()
    bed.wait_until(lambda: {r.status for r in three.ask("/guarded", 10 * WORKERS)} == {200}, 5, "recovery")
    assert time.monotonic() - began < 1 * bed.FACTOR
    assert three.counted(name, ("to", "closed")) >= 1


@pytest.mark.parametrize("mood", [["hang"], ["status", "500"], ["reset"], ["garbage"]])
def test_a_server_that_its_checks_find_ill_is_not_asked(three, mood):
    server = three.servers[1]
    down = "upstream checked: %s is down" % server.address
    well = "upstream checked: %s is well again" % server.address
    said = three.daemon.stderr()
    server.mood(*mood)
    bed.wait_until(lambda: three.daemon.stderr().count(down) > said.count(down), 10, "down")
    before = server.count()["moody"]
    assert [r.status for r in three.ask("/checked", 30)] == [200] * 30
    assert server.count()["moody"] == before
    server.mood("json")
    bed.wait_until(lambda: three.daemon.stderr().count(well) > said.count(well), 10, "well")
    three.ask("/checked", 6 * WORKERS)
    assert server.count()["moody"] > before
    name = "forebay_upstream_health_changes_total"
    assert three.counted(name, ("to", "down")) == three.counted(name, ("to", "up")) >= 1


def test_where_all_are_ill_all_are_asked(three):
    name = "forebay_upstream_health_changes_total"
    downs = three.counted(name, ("to", "down"))
    three.mood("status", "500")
    bed.wait_until(lambda: three.counted(name, ("to", "down")) == downs + 3, 10, "down")
    before = sum(three.asked())
    assert [r.status for r in three.ask("/checked", 12)] == [500] * 12
    assert sum(three.asked()) - before == 12
    three.mood("json")
    assert [r.status for r in three.ask("/checked", 12)] == [200] * 12
    bed.wait_until(lambda: three.counted(name, ("to", "up")) == downs + 3, 10, "all well")


def reload(three):
    said = three.daemon.stderr()
    three.daemon.signal(signal.SIGHUP)
    bed.wait_until(lambda: three.daemon.stderr().count("reloaded: ") > said.count("reloaded: "), 10, "reload")


def test_who_is_down_stays_so_over_a_reload_until_a_check_says_otherwise(three):
    server = three.servers[0]
    down = "upstream checked: %s is down" % server.address
    well = "upstream checked: %s is well again" % server.address

    def bad():
        return three.counted("forebay_upstream_health_checks_total", ("result", "bad"))

    before = three.daemon.stderr()
    server.mood("status", "500")
    bed.wait_until(lambda: three.daemon.stderr().count(down) > before.count(down), 10, "down")
    asked = server.count()["moody"]
    reload(three)
    checks = bad()
    assert [r.status for r in three.ask("/checked", 30)] == [200] * 30
    bed.wait_until(lambda: bad() > checks + 2, 10, "checks of the new site")
    assert server.count()["moody"] == asked
    assert three.daemon.stderr().count(down) == before.count(down) + 1, "it was not down for a while"
    server.mood("json")
    bed.wait_until(lambda: three.daemon.stderr().count(well) > before.count(well), 10, "well")
    three.ask("/checked", 6 * WORKERS)
    assert server.count()["moody"] > asked


def test_who_is_left_out_stays_so_over_a_reload(three):
    server = three.servers[0]
    name = "forebay_upstream_ejections_total"
    before = three.counted(name)
    server.mood("status", "503")
    bed.wait_until(lambda: three.ask("/outcast", 6) and three.counted(name) == before + WORKERS, 20,
                   "each worker has left it out")
    server.mood("json")
    asked = server.count()["moody"]
    reload(three)
    for _ in range(10 * WORKERS):
        assert [r.status for r in three.ask("/outcast", 3)] == [200] * 3
    assert server.count()["moody"] == asked


def test_connections_are_never_more_than_all_workers_may_have_and_none_goes_without(start):
    server, limit, workers = bed.Chaos(), 8, 4
    daemon = start("[server]\nworkers = %d\n[upstream few]\nservers = http://%s\nmax_connections = %d\n"
                   "[route hold]\nmatch = GET /{path...}\nsource = upstream few\n" % (workers, server.address, limit))
    clients = [Client(daemon.address) for _ in range(10 * workers)]
    for round_number in range(3):
        for c in clients:
            c.get("/hold/%d" % round_number)
        # Each worker has its share of them, and no more: the others wait.
        server.await_held(limit)
        assert server.count()["open"] == limit
        server.let_go(str(round_number))
        assert [c.response().status for c in clients] == [200] * len(clients)
    # Who looks is a connection, too.
    assert server.count()["most"] <= limit + 1
    for c in clients:
        c.close()
    daemon.stop()
    server.stop()


def test_servers_change_on_reload_under_load_and_nothing_fails(three):
    with open(three.daemon.path, encoding="utf-8") as file:
        whole = file.read()
    statuses, stop = collections.Counter(), threading.Event()

    def load():
        while not stop.is_set():
            statuses.update(r.status for r in three.ask("/joined", 5))

    def change(number):
        """Another server is gone in each; all are there in every second one."""
        gone = "http://" + three.servers[number % 3].address
        with open(three.daemon.path, "w", encoding="utf-8") as file:
            file.write(whole if number % 2 else whole.replace(gone + ", ", "").replace(", " + gone, ""))
        with Client(three.daemon.folder + "/admin.sock", timeout=30) as c:
            assert c.ask("/reload", method="POST").status == 200

    def settle():
        """Connections of sites that have ended are closed, and the rest may be as many as ever."""
        three.ask("/joined", 50)
        bed.wait_until(lambda: sum(s.count()["open"] for s in three.servers) <= 5 * 3 * WORKERS * 4, 10,
                       "the old sites' end")
        return len(three.daemon.descriptors()), three.daemon.resident_kib()

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(10):
            change(number)
        descriptors, memory = settle()
        for number in range(10 * bed.LONG):
            change(number)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert statuses[200] > 10 and set(statuses) == {200}, statuses
    bed.wait_until(lambda: settle()[0] <= descriptors + 8, 10, "descriptors coming back")
    if bed.FACTOR == 1:  # sanitizers keep what is freed
        assert settle()[1] < memory + 4096
