"""Answers that several requests share: parts of equal keys under way, and what is kept."""
import sqlite3

import pytest

import bed
from client import Client, metrics

CONF = """
[server]
workers = 1

[admin]
listen = 127.0.0.1:%(admin)d

[upstream chaos]
servers = http://127.0.0.1:%(chaos)d
max_connections = 4
max_pending = 0

[route shared]
match = GET /shared/{id}
[subrequest shared.a]
source = upstream chaos
path = /hold/{id}
coalesce = {id}
forward = authorization
"""


@pytest.fixture(scope="module")
def chaos():
    """The upstream."""
    c = bed.Chaos()
    yield c
    c.stop()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, chaos):
    """A server with all routes of this file."""
    admin = bed.free_port()
    d = bed.Daemon(tmp_path_factory.mktemp("cache"), CONF % {"admin": admin, "chaos": chaos.port})
    d.admin = ("127.0.0.1", admin)
    yield d
    d.stop()


def coalesced(daemon):
    """How many parts have waited for an equal one."""
    return metrics(daemon.admin)["forebay_subrequests_coalesced_total", ()]


def test_equal_parts_under_way_are_one_request_to_the_upstream(daemon, chaos):
    before = coalesced(daemon)
    asked = chaos.count()["requests"]
    clients = [Client(daemon.address) for _ in range(20)]  # more than the upstream may be asked at once
    for c in clients:
        c.get("/shared/many")
    bed.wait_until(lambda: coalesced(daemon) == before + 19, what="all that wait")
    clients[0].close()  # who came first goes, and the work goes on
    chaos.let_go("many")
    for c in clients[1:]:
        r = c.response()
        assert (r.status, r.body) == (200, b'{"a":{"held": "many"}}')
        c.close()
    # Beside the one: two counts and a let-go of our own.
    assert chaos.count()["requests"] - asked == 3


def test_other_credentials_are_not_shared(daemon, chaos):
    before = coalesced(daemon)
    clients = [Client(daemon.address) for _ in range(3)]
    for c, who in zip(clients, ("Basic YTpi", "Basic YTpi", "Basic YTpj")):
        c.get("/shared/secret", "Authorization: " + who)
    chaos.await_held(2)
    bed.wait_until(lambda: coalesced(daemon) == before + 1, what="the equal one")
    chaos.let_go("secret")
    for c in clients:
        assert c.response().status == 200
        c.close()


def test_work_nobody_waits_for_ends(daemon, chaos):
    before = coalesced(daemon)
    clients = [Client(daemon.address) for _ in range(3)]
    for c in clients:
        c.get("/shared/left")
    bed.wait_until(lambda: coalesced(daemon) == before + 2, what="all that wait")
    chaos.await_held(1)
    for c in clients:
        c.close()
    bed.wait_until(lambda: chaos.count()["held"] == 0, what="the end of the work")


def test_what_has_effects_is_not_shared(tmp_path):
    with sqlite3.connect(tmp_path / "d.db") as db:
        db.execute("CREATE TABLE t (x)")
    (tmp_path / "f.conf").write_text("""
[upstream u]
servers = http://127.0.0.1:1
[database d]
url = sqlite:%s/d.db
[route r]
match = GET /
[subrequest r.a]
source = upstream u
method = POST
coalesce = x
[subrequest r.b]
source = sql d
query = WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x
coalesce = x
""" % tmp_path)
    code, _, said = bed.run_forebayd("-t", "-c", str(tmp_path / "f.conf"))
    assert code == 1
    assert said.count("the part cannot share an execution") == 2
