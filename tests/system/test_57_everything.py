"""One route that asks every kind of source: two upstreams, PostgreSQL, SQLite, a file, a job, a program.

                 user (PostgreSQL) --> price (upstream) --> seal (job)      a chain of three
    request -->  stock (SQLite)   page (file)   tool (program)   news (upstream)
"""
import glob
import json
import os
import sqlite3
import threading
import time

import pytest

import postgres
from bed import LONG, Chaos, free_port, run_forebayd, wait_until
from client import Client, ask, metrics

if "libpq      no" in run_forebayd("--version")[1]:
    pytest.skip("built without libpq", allow_module_level=True)

PARTS = ["user", "price", "seal", "stock", "page", "tool", "news"]
CONF = """
[server]
workers = 2
[admin]
listen = 127.0.0.1:%(admin)d
[pool compute]
threads = 2
nice = 0
[pool exec]
threads = 8
max_queue = 64
[pool blocking]
threads = 2
[upstream prices]
servers = http://%(prices)s
retries = 0
eject_after = 0
[upstream news]
servers = http://%(news)s
retries = 0
eject_after = 0
[database people]
url = %(postgres)s
connections = 8
statement_timeout = 60s
[database stock]
url = sqlite:%(sqlite)s
mode = ro
connections = 2
[program sh]
command = /bin/sh -c
"""
ROUTE = """
[route %(name)s]
match = GET /%(name)s/{id}
deadline = %(deadline)s
[subrequest %(name)s.user]
source = sql people
query = SELECT name, %(sleep)s AS slept FROM users WHERE id = :id
rows = object
%(user)s
[subrequest %(name)s.price]
source = upstream prices
path = %(price_path)s
query = who={user.name}
%(price)s
[subrequest %(name)s.seal]
source = compute pbkdf2
input = {price.%(member)s} {user.name}
salt = s
iterations = %(iterations)d
%(seal)s
[subrequest %(name)s.stock]
source = sql stock
query = SELECT sum(n) AS n FROM stock
rows = object
%(stock)s
[subrequest %(name)s.page]
source = file
root = %(root)s
path = /page.txt
%(page)s
[subrequest %(name)s.tool]
source = exec sh
arguments = '%(script)s' sh {id}
%(tool)s
[subrequest %(name)s.news]
source = upstream news
path = %(news_path)s
%(news_keys)s
"""
OPTIONAL = 'optional = yes\nfallback = {"fell": true}'


@pytest.fixture(scope="module")
def people():
    server = postgres.Server()
    server.sql("CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users VALUES (1, 'Ada'); "
               "GRANT ALL ON users TO shop", "shop")
    yield server
    server.close()


@pytest.fixture(scope="module")
def hosts():
    found = {"prices": Chaos(), "news": Chaos()}
    yield found
    for host in found.values():
        host.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    at = tmp_path_factory.mktemp("all")
    at.chmod(0o755)
    (at / "page.txt").write_text("a page\n")
    with sqlite3.connect(at / "stock.db") as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE stock (n INTEGER)")
        db.executemany("INSERT INTO stock VALUES (?)", [(n,) for n in range(10)])
    return at


@pytest.fixture(scope="module")
def daemon(start, people, hosts, folder):
    quick = dict(deadline="30s", sleep="0", price_path="/delay/20", member="delay", iterations=1000, script="echo tool $1",
                 news_path="/json/news", news_keys="", root=folder, **{part: "" for part in PARTS if part != "news"})
    held = dict(quick, name="held", deadline="120s", sleep="pg_sleep(100)", news_path="/hold/for-ever", iterations=1000,
                script="%s & %s & wait" % (sleeper(), sleeper()))
    fails = "".join(ROUTE % dict(quick, name="fails-" + part, news_keys=OPTIONAL if part in ("news",) else "", **{
        other: OPTIONAL if other == part or (part in ("user", "price") and other in ("price", "seal")) else "" for other in PARTS
        if other != "news"}, **bad) for part, bad in (
            ("user", {"sleep": "1 / 0"}), ("price", {"price_path": "/reset"}), ("seal", {"iterations": 100000000}),
            ("stock", {}), ("page", {"root": str(folder) + "/none"}), ("tool", {"script": "exit 3"}), ("news", {"news_path": "/status/500"})))
    fails = fails.replace("iterations = 100000000\n", "iterations = 100000000\ntimeout = 300ms\n")
    fails = fails.replace("[subrequest fails-stock.stock]\nsource = sql stock\nquery = SELECT sum(n) AS n FROM stock",
                          "[subrequest fails-stock.stock]\nsource = sql stock\nquery = SELECT json_extract('{', '$.n') AS n FROM stock")
    os.makedirs(folder / "none", exist_ok=True)
    return start(CONF % dict(admin=admin_port(), prices=hosts["prices"].address, news=hosts["news"].address,
                             postgres=people.socket_url, sqlite=folder / "stock.db") +
                 ROUTE % dict(quick, name="all") + ROUTE % held + fails)


_ports = []


def admin_port():
    if not _ports:
        _ports.append(free_port())
    return _ports[0]


def sleeper():
    """A command whose line no other process has: ids of processes are given again."""
    return "sleep 1000.%d" % admin_port()


def entries(r):
    """[(part, outcome, milliseconds)] of the report."""
    found = []
    for entry in r.field("forebay-parts").split(", "):
        name, rest = entry.split("=")
        found.append((name, rest.split(";")[0], int(rest.split(";")[1][:-2])))
    return found


def test_everything_is_joined(daemon, capsys):
    ask(daemon.address, "/all/1")
    begun = time.monotonic()
    r = ask(daemon.address, "/all/1")
    took = (time.monotonic() - begun) * 1000
    assert r.status == 200, r
    assert [(name, outcome) for name, outcome, _ in entries(r)] == [(name, "ok") for name in PARTS]
    body = json.loads(r.body)
    assert body["user"] == {"name": "Ada", "slept": 0} and body["stock"] == {"n": 45} and body["page"] == "a page\n"
    assert body["tool"] == "tool 1\n" and len(body["seal"]) == 64 and body["price"] == {"delay": 20}
    # The chain is what it takes; a millisecond of each part may be lost to rounding.
    parts = {name: ms for name, _, ms in entries(r)}
    chain = parts["user"] + parts["price"] + parts["seal"]
    longest = max(chain, *(parts[name] for name in PARTS[3:]))
    with capsys.disabled():
        print("\neverything: %.1f ms, its longest path %d ms " % (took, longest), end="")
    assert took >= longest - 1


@pytest.mark.parametrize("part, outcome", [("user", "error"), ("price", "error"), ("seal", "timeout"), ("stock", "error"),
                                           ("page", "status"), ("tool", "error"), ("news", "status")])
def test_any_of_them_may_fail_alone(daemon, part, outcome):
    r = ask(daemon.address, "/fails-%s/1" % part)
    assert r.status == 200 and r.field("cache-control") == "no-store", r
    ended = {name: how for name, how, _ in entries(r)}
    assert list(ended) == PARTS
    assert ended.pop(part) == outcome
    body = json.loads(r.body)
    assert body[part] == {"fell": True}
    assert all(body[name] != {"fell": True} for name in PARTS if name not in ("user", "price", "seal", part))
    assert {ended[name] for name in PARTS[3:] if name != part} == {"ok"}


class Seen:
    """What is under way elsewhere for requests to /held."""

    def __init__(self, people, hosts):
        self.people, self.hosts = people, hosts
        self.line = sleeper().replace(" ", "\0").encode() + b"\0"

    def programs(self):
        """How many processes there are of programs: each has two that sleep."""
        alive = 0
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as file:
                    alive += file.read() == self.line
            except OSError:
                continue
        return alive

    def queries(self):
        return int(self.people.sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND state = 'active' "
                                   "AND application_name = 'forebay'"))

    def is_busy(self, count):
        return self.programs() >= 2 * count and self.queries() >= count and self.hosts["news"].count()["held"] >= count

    def is_quiet(self):
        return not self.programs() and self.queries() == 0


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_goes_ends_all_of_it(daemon, people, hosts, how, capsys):
    seen = Seen(people, hosts)
    idle = hosts["news"].count()["open"]
    clients = [Client(daemon.address) for _ in range(3)]
    for c in clients:
        c.get("/held/1")
    wait_until(lambda: seen.is_busy(len(clients)), what="everything to be under way")
    begun = time.monotonic()
    for c in clients:
        getattr(c, how)()
    wait_until(lambda: not seen.programs(), what="the programs' end")
    programs = time.monotonic() - begun
    wait_until(seen.is_quiet, what="the end of all of it")
    wait_until(lambda: hosts["news"].count()["open"] <= idle, what="the upstream's connections")
    with capsys.disabled():
        print("\ngone by %s: programs after %.0f ms, all that was looked at after %.0f ms " % (
            how, programs * 1000, (time.monotonic() - begun) * 1000), end="")
    for c in clients:
        c.close()


def test_hundreds_that_go_leave_nothing(daemon, people, hosts):
    """FOREBAY_LONG=100: ten thousand."""
    seen = Seen(people, hosts)

    def visit(number):
        for turn in range(25 * LONG):
            c = Client(daemon.address)
            c.get("/%s/1" % ("held" if (turn + number) % 4 else "all"))
            time.sleep((number * 7 + turn * 13) % 40 / 1000)
            c.reset() if turn % 2 else c.close()

    def rounds():
        threads = [threading.Thread(target=visit, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_until(seen.is_quiet, what="the end of all of it")
        wait_until(lambda: ask(daemon.address, "/all/1").status == 200, what="an answer")

    rounds()
    descriptors = len(daemon.descriptors())
    rounds()
    wait_until(lambda: len(daemon.descriptors()) <= descriptors + 8, what="descriptors coming back")
    counted = metrics(("127.0.0.1", admin_port()))
    ended = {}
    for (name, labels), number in counted.items():
        labels = dict(labels)
        if name == "forebay_subrequests_total" and labels["route"] in ("held", "all"):
            at = (labels["route"], labels["subrequest"])
            ended[at] = ended.get(at, 0) + number
    # Every declared part has ended once for each request, those whose client went included.
    for route in "held", "all":
        assert len({ended[route, part] for part in PARTS}) == 1, ended
