"""More light requests than a worker can parse: it refuses by priority and without a plan, and recovers.

The limit is 1 ms, so that a burst of pipelined requests, each of which costs a worker a part of
that, is more than it may let wait.
"""
import json

import pytest

from bed import Daemon, free_port, wait_until
from client import Client, ask, metrics

CONNS, DEPTH = 40, 32
BODY = json.dumps({**{"k%d" % i: "v%d" % i for i in range(500)}, "last": 7})
CONF = """
[server]
workers = 1

[admin]
listen = 127.0.0.1:%(admin)d

[limits]
worker_wait = %(wait)s
mode = %(mode)s

%(page)s
""" + "".join("""
[route %(name)s]
match = GET /%(name)s
priority = %(name)s
join = template
template = {a.last}
[subrequest %(name)s.a]
source = fixed
type = application/json
body = %(body)s
""".replace("%(name)s", name).replace("%(body)s", BODY) for name in ("critical", "normal", "sheddable"))


def start(folder, wait="1ms", mode="enforce", page=""):
    port = free_port()
    daemon = Daemon(folder, CONF % {"admin": port, "wait": wait, "mode": mode, "page": page})
    daemon.admin = ("127.0.0.1", port)
    return daemon


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    daemon = start(tmp_path_factory.mktemp("wait"))
    yield daemon
    daemon.stop()


def burst(server, *paths):
    """All answers, by path: as many conns for each of them, each with pipelined requests."""
    clients = [(path, Client(server.address, timeout=60)) for _ in range(CONNS) for path in paths]
    for path, c in clients:
        c.send(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode() * DEPTH)
    found = {path: [] for path in paths}
    for path, c in clients:
        found[path] += [c.response() for _ in range(DEPTH)]
        assert c.is_quiet(0.001)
        c.close()
    return found


def count(server, mode):
    found = {dict(labels)["mode"]: n for (name, labels), n in metrics(server.admin).items()
             if name == "forebay_shed_total" and dict(labels)["limit"] == "worker.wait"}
    return found[mode]


def is_right(r):
    """An answer, or the refusal: whether it was that."""
    if r.status == 200:
        assert r.body == b"7" and r.field("forebay-shed") is None
        return False
    assert r.status == 503 and r.field("forebay-shed") == "worker.wait"
    assert r.field("content-type") == "text/plain" and r.body == b"Service Unavailable"
    assert 1 <= int(r.field("retry-after")) <= 4
    assert r.field("forebay-parts") is None
    return True


def refused(answers):
    return sum(is_right(r) for r in answers)


def press(server, *paths):
    """Bursts until one had refusals; how many of which, and all refusals so far."""
    seen = {}

    def is_pressed():
        seen.clear()
        seen.update(burst(server, *paths))
        return any(refused(answers) for answers in seen.values())

    wait_until(is_pressed, seconds=60, what="a refusal")
    return seen


def test_who_waits_too_long_is_refused_by_priority(server):
    before, read = count(server, "enforce"), metrics(server.admin)["forebay_requests_read_total", ()]
    seen = press(server, "/critical", "/normal", "/sheddable")
    assert refused(seen["/critical"]) == 0
    assert refused(seen["/sheddable"]) + refused(seen["/normal"]) > 0
    after = metrics(server.admin)
    assert count(server, "enforce") >= before + refused(seen["/sheddable"]) + refused(seen["/normal"])
    assert after["forebay_requests_read_total", ()] - read >= 3 * CONNS * DEPTH
    assert after["forebay_connections_held_total", ()] > 0
    assert after["forebay_requests_refused_total", (("reason", "worker_wait"),)] == count(server, "enforce")


def test_what_is_refused_has_no_part_run(server):
    """Neither skipped nor ok: the plan was never begun."""
    def parts():
        return sum(n for (name, _), n in metrics(server.admin).items() if name == "forebay_subrequests_total")

    read, ran, shed = metrics(server.admin)["forebay_requests_read_total", ()], parts(), count(server, "enforce")
    press(server, "/sheddable")
    read = metrics(server.admin)["forebay_requests_read_total", ()] - read
    assert parts() - ran == read - (count(server, "enforce") - shed)


def test_when_it_is_over_all_is_as_before(server):
    press(server, "/normal")
    wait_until(lambda: metrics(server.admin)["forebay_loop_lag_seconds", (("worker", "0"),)] == 0, what="no lag")
    wait_until(lambda: metrics(server.admin)["forebay_saturation", ()] == 0, what="no saturation")
    for _ in range(20):
        wait_until(lambda: ask(server.address, "/sheddable").status == 200, what="an answer")


def test_a_route_has_its_refusals_in_the_statuses(server):
    seen = press(server, "/normal")
    statuses = {dict(labels)["status"]: n for (name, labels), n in metrics(server.admin).items()
                if name == "forebay_requests_total" and dict(labels)["route"] == "normal"}
    assert statuses["503"] >= refused(seen["/normal"])


def test_in_shadow_they_are_counted_and_answered(tmp_path):
    server = start(tmp_path, mode="shadow")

    def is_counted():
        assert refused(burst(server, "/normal")["/normal"]) == 0
        return count(server, "shadow") > 0

    wait_until(is_counted, seconds=60, what="a request that would have been refused")
    assert count(server, "enforce") == 0
    assert metrics(server.admin)["forebay_connections_held_total", ()] == 0
    server.stop()


def test_without_a_limit_all_wait(tmp_path):
    server = start(tmp_path, wait="0s")
    for _ in range(3):
        assert refused(burst(server, "/sheddable")["/sheddable"]) == 0
    assert metrics(server.admin)["forebay_connections_held_total", ()] == 0
    server.stop()


def test_a_page_of_the_configuration_is_the_answer(tmp_path):
    server = start(tmp_path, page="[error_page 503]\nbody = Later.\n")
    seen = {}

    def is_refused():
        seen["all"] = burst(server, "/normal")["/normal"]
        return any(r.status == 503 for r in seen["all"])

    wait_until(is_refused, seconds=60, what="a refusal")
    r = next(r for r in seen["all"] if r.status == 503)
    assert r.body == b"Later." and r.field("forebay-shed") == "worker.wait" and r.field("retry-after")
    server.stop()
