"""Requests of several parts: run at the same time, joined, reported, and bounded."""
import hashlib
import json
import re
import statistics
import threading
import time

import pytest

from bed import free_port, wait_until
from client import Client, ask, metrics

CONF = """
[server]
workers = 2

[admin]
listen = 127.0.0.1:%(admin)d

[limits]
max_body = 64k

[upstream chaos]
servers = http://%(chaos)s
first_byte_timeout = 5s

[upstream none]
servers = http://127.0.0.1:%(nobody)d

[pool pair]
threads = 2

[pool tiny]
threads = 1
max_queue = 1
max_wait = 0s

[pool gone-close]
threads = 2

[pool gone-reset]
threads = 2

[pool gone-finish]
threads = 2

[pool patient]
threads = 1
max_wait = 100ms
"""


class Plan:
    """A route of parts as a configuration."""

    def __init__(self, name, *lines, match=None):
        self.name = name
        self.lines = ["[route %s]" % name, "match = " + (match or "GET /" + name), *lines]
        self.parts = []

    def part(self, name, source, *lines):
        self.parts.append(name)
        self.lines += ["[subrequest %s.%s]" % (self.name, name), "source = " + source, *lines]
        return self

    def text(self):
        return "\n".join(self.lines) + "\n\n"


def report(r):
    """Forebay-Parts as a list of (part, outcome, milliseconds)."""
    entries = []
    for entry in r.field("forebay-parts").split(", "):
        match = re.fullmatch(r"([a-z][a-z0-9_-]*)=([a-z-]+);([0-9]+)ms", entry)
        assert match, entry
        entries.append((match.group(1), match.group(2), int(match.group(3))))
    return entries


def outcomes(r):
    return {name: outcome for name, outcome, _ in report(r)}


PLANS = [
    Plan("kinds", match="GET /kinds/{id}")
    .part("user", "upstream chaos", "path = /json/{id}")
    .part("note", "file", "root = %(root)s", "path = /note.txt")
    .part("badge", "compute digest", "input = {user.words.0}")
    .part("hello", "fixed", "body = Hello, {id}.")
    .part("bytes", "file", "root = %(root)s", "path = /bytes")
    .part("nothing", "upstream chaos", "path = /status/204"),
    Plan("list", "join = array", "report = off")
    .part("a", "fixed", "type = application/json", "body = {\"a\": 1}")
    .part("b", "fixed", "body = x", "as = base64")
    .part("c", "fixed", "body = [1 ,2]", "as = json"),
    Plan("four").part("a", "upstream chaos", "path = /delay/100").part("b", "upstream chaos", "path = /delay/100")
    .part("c", "upstream chaos", "path = /delay/100").part("d", "upstream chaos", "path = /delay/100"),
    Plan("chain").part("c", "upstream chaos", "path = /json/{b.words.0}/c").part("a", "upstream chaos", "path = /json/start")
    .part("b", "upstream chaos", "path = /json/{a.words.0}-b").part("last", "fixed", "body = {c.words.0} {c:status}", "after = c"),
    Plan("diamond").part("top", "upstream chaos", "path = /delay/30")
    .part("left", "upstream chaos", "path = /delay/30", "after = top").part("right", "upstream chaos", "path = /delay/30", "after = top")
    .part("end", "upstream chaos", "path = /delay/30", "after = left, right"),
    Plan("held").part("top", "fixed", "body = x")
    .part("left", "upstream chaos", "path = /hold/left", "after = top").part("right", "upstream chaos", "path = /hold/right", "after = top")
    .part("end", "upstream chaos", "path = /hold/end", "after = left, right"),
    Plan("body", match="POST /body").part("name", "fixed", "body = {body.name}").part("sum", "compute digest"),
    Plan("deadline", "deadline = 150ms").part("fast", "fixed").part("slow", "upstream chaos", "path = /hang")
    .part("after", "fixed", "after = slow"),
    Plan("all", "failure = all-or-nothing").part("a", "fixed").part("b", "upstream chaos", "path = /status/500", "optional = yes"),
    Plan("cancel").part("hangs", "upstream chaos", "path = /hang").part("fails", "upstream chaos", "path = /status/404"),
    # Each has a pool of its own, which does not know yet that the job is too long for any deadline.
    *[Plan("gone-" + how).part("a", "upstream chaos", "path = /hold/gone").part("b", "upstream chaos", "path = /hold/gone/half")
      .part("c", "compute pbkdf2", "iterations = 100000000", "salt = a", "input = a", "pool = gone-" + how)
      for how in ("close", "reset", "finish")],
    Plan("tiny").part("a", "compute pbkdf2", "iterations = 100000000", "salt = a", "input = a", "pool = tiny", "timeout = 600ms",
                      "optional = yes"),
    Plan("occupy").part("a", "compute pbkdf2", "iterations = 100000000", "salt = a", "input = a", "pool = tiny"),
    Plan("quick").part("a", "compute digest", "input = a", "pool = tiny"),
    Plan("both").part("a", "compute digest", "input = a", "pool = tiny").part("b", "compute digest", "input = b", "pool = tiny", "after = a"),
    Plan("waits").part("a", "compute pbkdf2", "iterations = 100000000", "salt = a", "input = a", "pool = patient",
                       "timeout = 300ms", "optional = yes"),
    Plan("many", *(), match="GET /many"),
]
for number in range(64):
    PLANS[-1].part("p%d" % number, "upstream chaos", "path = /json/%d" % number)

# How one part fails, what becomes of the response when it is required, and its outcome.
FAILURES = [
    ("404", ["upstream chaos", "path = /status/404"], 404, "status"),
    ("401", ["upstream chaos", "path = /status/401"], 401, "status"),
    ("403", ["upstream chaos", "path = /status/403"], 403, "status"),
    ("410", ["upstream chaos", "path = /status/410"], 410, "status"),
    ("422", ["upstream chaos", "path = /status/422"], 422, "status"),
    ("429", ["upstream chaos", "path = /status/429"], 429, "status"),
    ("400", ["upstream chaos", "path = /status/400"], 502, "status"),
    ("500", ["upstream chaos", "path = /status/500"], 502, "status"),
    ("503", ["upstream chaos", "path = /status/503"], 502, "status"),
    ("unexpected", ["upstream chaos", "path = /status/200", "expect = 201"], 502, "status"),
    ("reset", ["upstream chaos", "path = /reset"], 502, "error"),
    ("reset-head", ["upstream chaos", "path = /reset/head"], 502, "error"),
    ("reset-body", ["upstream chaos", "path = /reset/body"], 502, "error"),
    ("close", ["upstream chaos", "path = /close"], 502, "error"),
    ("truncate", ["upstream chaos", "path = /truncate"], 502, "error"),
    ("truncate-chunked", ["upstream chaos", "path = /truncate/chunked"], 502, "error"),
    ("bad-chunk", ["upstream chaos", "path = /bad-chunk"], 502, "error"),
    ("garbage", ["upstream chaos", "path = /garbage"], 502, "error"),
    ("upgrade", ["upstream chaos", "path = /upgrade"], 502, "error"),
    ("huge-head", ["upstream chaos", "path = /huge-head"], 502, "error"),
    ("refused", ["upstream none", "path = /"], 502, "connect"),
    ("hang", ["upstream chaos", "path = /hang", "timeout = 80ms"], 504, "timeout"),
    ("stall", ["upstream chaos", "path = /stall", "timeout = 80ms"], 504, "timeout"),
    ("trickle", ["upstream chaos", "path = /trickle/5/1000", "timeout = 80ms"], 504, "timeout"),
    ("too-large", ["upstream chaos", "path = /big/5000", "max_result = 1k"], 502, "too-large"),
    ("endless", ["upstream chaos", "path = /big/1000000000/chunked", "max_result = 1k"], 502, "too-large"),
    ("not-json", ["upstream chaos", "path = /raw/application/json/%7Boops"], 502, "invalid"),
    ("half-json", ["upstream chaos", "path = /raw/application/json/%5B1,", "as = json"], 502, "invalid"),
    ("two-json", ["upstream chaos", "path = /raw/application/json/1,2"], 502, "invalid"),
    ("no-utf8", ["file", "root = %(root)s", "path = /bytes", "as = text"], 502, "invalid"),
    ("no-file", ["file", "root = %(root)s", "path = /nope"], 404, "status"),
    ("missing", ["upstream chaos", "path = /json/{query.absent}"], 502, "missing"),
    ("slow-job", ["compute pbkdf2", "iterations = 100000000", "salt = a", "input = a", "pool = pair", "timeout = 80ms"],
     504, "timeout"),
]
for label, lines, _, _ in FAILURES:
    PLANS.append(Plan("need-" + label).part("good", "fixed", "body = good").part("bad", *lines)
                 .part("more", "fixed", "after = bad"))
    PLANS.append(Plan("may-" + label).part("good", "fixed", "body = good")
                 .part("bad", *lines, "optional = yes", 'fallback = {"none": [true]}')
                 .part("none", *lines, "optional = yes")
                 .part("user", "fixed", "body = {bad:body}"))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("www")
    (folder / "note.txt").write_text('a "note"\n')
    (folder / "bytes").write_bytes(b"\xff\x00\xfe")
    return folder


@pytest.fixture(scope="module")
def admin():
    """Where the daemon's admin listener is."""
    return ("127.0.0.1", free_port())


@pytest.fixture(scope="module")
def daemon(start, chaos, root, admin):
    names = {"chaos": chaos.address, "root": root, "nobody": free_port(), "admin": admin[1]}
    text = CONF + "".join(plan.text() for plan in PLANS)
    for name, value in names.items():
        text = re.sub(r"%%\(%s\)[sd]" % name, str(value), text)
    return start(text)


@pytest.fixture(autouse=True)
def _few_upstream_connections_are_left(chaos):
    yield
    wait_until(lambda: chaos.count()["open"] <= 64, what="the end of upstream connections")


# --- joins ----------------------------------------------------------------------------

def test_parts_of_every_kind_are_joined(daemon):
    r = ask(daemon.address, "/kinds/7")
    assert (r.status, r.field("content-type"), r.field("cache-control")) == (200, "application/json", None)
    assert json.loads(r.body) == {
        "user": {"words": ["7"], "query": ""}, "note": 'a "note"\n', "hello": "Hello, 7.", "bytes": "/wD+", "nothing": None,
        "badge": "7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451"}
    assert list(json.loads(r.body)) == ["user", "note", "badge", "hello", "bytes", "nothing"]
    assert [entry[:2] for entry in report(r)] == [
        (name, "ok") for name in ("user", "note", "badge", "hello", "bytes", "nothing")]


def test_a_join_as_array_without_a_report(daemon):
    r = ask(daemon.address, "/list")
    assert r.body == b'[{"a": 1},"eA==",[1 ,2]]'
    assert r.field("forebay-parts") is None


def test_head_runs_the_plan_and_has_no_body(daemon):
    with Client(daemon.address) as c:
        r = c.ask("/kinds/7", method="HEAD")
        full = c.ask("/kinds/7")
        assert r.status == 200 and len(report(r)) == 6
        assert r.field("content-length") == full.field("content-length")


def test_a_request_s_body_is_given_to_parts(daemon):
    r = ask(daemon.address, "/body", method="POST", body=b'{"name": "x"}')
    assert json.loads(r.body) == {"name": "x", "sum": hashlib.sha256(b'{"name": "x"}').hexdigest()}
    assert r.status == 200
    r = ask(daemon.address, "/body", method="POST", body=b"not json")
    assert (r.status, outcomes(r)["name"]) == (502, "missing")
    r = ask(daemon.address, "/body", method="POST", body=b"a" * 70000)
    assert r.status == 413


def test_sixty_four_parts(daemon):
    r = ask(daemon.address, "/many")
    assert json.loads(r.body) == {"p%d" % i: {"words": [str(i)], "query": ""} for i in range(64)}
    assert [entry[:2] for entry in report(r)] == [("p%d" % i, "ok") for i in range(64)]


# --- at the same time, and one after the other --------------------------------------------

def test_four_parts_of_100_ms_take_as_long_as_one(daemon, capsys):
    times = []
    for _ in range(5):
        begun = time.monotonic()
        r = ask(daemon.address, "/four")
        times.append(time.monotonic() - begun)
        assert r.status == 200 and all(ms >= 99 for _, _, ms in report(r))
    with capsys.disabled():
        print("\nfour parts of 100 ms: best %.1f ms, median %.1f ms" %
              (min(times) * 1e3, statistics.median(times) * 1e3))
    assert min(times) < 0.4  # what one after the other would take at least


def test_four_compute_parts_on_two_threads(start, capsys):
    """That both threads worked is told by their CPU time: real time depends on who else is here."""
    conf = "[pool compute]\nthreads = 2\nmax_wait = 0s\n"

    def job(count):
        return ("iterations = %d" % count, "salt = a", "input = a")
    first = start(conf + Plan("one").part("a", "compute pbkdf2", *job(100000)).text())
    for _ in range(5):
        assert ask(first.address, "/one").status == 200
    took = first.cpu_seconds() / 5
    first.stop()
    count = int(100000 * 0.05 / took)
    four = Plan("four")
    for name in "abcd":
        four.part(name, "compute pbkdf2", *job(count))
    daemon = start(conf + four.text())
    times = []
    for _ in range(5):
        begun = time.monotonic()
        r = ask(daemon.address, "/four")
        times.append(time.monotonic() - begun)
        assert outcomes(r) == dict.fromkeys("abcd", "ok")
    spent = sorted(daemon.thread_seconds().values())
    with capsys.disabled():
        print("\nfour compute parts of 50 ms on two threads: best %.1f ms, median %.1f ms" %
              (min(times) * 1e3, statistics.median(times) * 1e3))
    assert spent[-2] > 0.2 * (spent[-1] + spent[-2]), spent
    daemon.stop()


def test_a_chain_runs_in_order_whatever_the_order_of_declaration(daemon):
    r = ask(daemon.address, "/chain")
    assert json.loads(r.body) == {
        "c": {"words": ["start-b", "c"], "query": ""}, "a": {"words": ["start"], "query": ""},
        "b": {"words": ["start-b"], "query": ""}, "last": "start-b 200"}
    assert [name for name, _, _ in report(r)] == ["c", "a", "b", "last"]


def test_a_diamond_takes_its_longest_path(daemon):
    begun = time.monotonic()
    r = ask(daemon.address, "/diamond")
    took = time.monotonic() - begun
    assert r.status == 200 and 0.09 <= took


def test_the_sides_of_a_diamond_run_at_the_same_time_and_its_end_behind_both(daemon, chaos):
    with Client(daemon.address) as c:
        c.get("/held")
        chaos.await_held(2)
        chaos.let_go("left")
        wait_until(lambda: chaos.count()["held"] == 1)
        assert c.is_quiet() and chaos.count()["held"] == 1
        chaos.let_go("right")
        chaos.let_go("end")
        assert c.response().status == 200


# --- failures -------------------------------------------------------------------------------

def await_running(admin, pool, count):
    wait_until(lambda: metrics(admin)["forebay_pool_running", (("pool", pool),)] == count, what="%d jobs running in %s" % (count, pool))


def await_idle_pair(admin):
    """A job that was told to stop takes a moment, and a busy pool refuses what it knows to be slow."""
    await_running(admin, "pair", 0)


@pytest.mark.parametrize("label, status, outcome", [(row[0], row[2], row[3]) for row in FAILURES])
def test_a_required_part_that_fails_fails_the_request(daemon, admin, label, status, outcome):
    await_idle_pair(admin)
    r = ask(daemon.address, "/need-" + label)
    assert r.status == status
    assert [name for name, _, _ in report(r)] == ["good", "bad", "more"]
    assert outcomes(r) == {"good": "ok", "bad": outcome, "more": "skipped"}


@pytest.mark.parametrize("label, outcome", [(row[0], row[3]) for row in FAILURES])
def test_an_optional_part_that_fails_falls_back(daemon, admin, label, outcome):
    await_idle_pair(admin)
    r = ask(daemon.address, "/may-" + label)
    assert r.status == 200
    assert json.loads(r.body) == {"good": "good", "bad": {"none": [True]}, "none": None,
                                  "user": '{"none": [true]}'}
    assert r.field("cache-control") == "no-store"
    assert outcomes(r) == {"good": "ok", "bad": outcome, "none": outcome, "user": "ok"}


def test_all_or_nothing(daemon):
    r = ask(daemon.address, "/all")
    assert r.status == 502 and outcomes(r) == {"a": "ok", "b": "status"}


def test_a_deadline_ends_what_runs(daemon, chaos):
    before = chaos.count()["open"]
    begun = time.monotonic()
    r = ask(daemon.address, "/deadline")
    assert 0.14 <= time.monotonic() - begun < 4  # the upstream's own time-out is 5 s
    assert r.status == 504
    assert outcomes(r) == {"fast": "ok", "slow": "timeout", "after": "skipped"}
    wait_until(lambda: chaos.count()["open"] <= before)


def test_a_failure_cancels_its_siblings_at_once(daemon, chaos):
    before = chaos.count()["open"]
    begun = time.monotonic()
    r = ask(daemon.address, "/cancel")
    assert time.monotonic() - begun < 4
    assert r.status == 404 and outcomes(r) == {"hangs": "cancelled", "fails": "status"}
    wait_until(lambda: chaos.count()["open"] <= before + 1)


# --- full -------------------------------------------------------------------------------------

def shed(r, limit):
    """Whether it is the answer that a full queue gives."""
    assert r.status == 503 and r.field("forebay-shed") == limit, r
    assert 1 <= int(r.field("retry-after")) <= 120
    return True


def test_who_runs_and_who_waits_have_their_time_outs(daemon, admin):
    await_running(admin, "tiny", 0)
    with Client(daemon.address) as running, Client(daemon.address) as waiting:
        running.get("/tiny")
        await_running(admin, "tiny", 1)
        waiting.get("/tiny")
        assert outcomes(running.response()) == {"a": "timeout"}
        # Once it is known how long the first took, the second is not begun in vain.
        assert outcomes(waiting.response())["a"] in ("timeout", "shed")


def test_a_full_pool_answers_at_once(daemon, admin):
    await_running(admin, "tiny", 0)
    with Client(daemon.address) as running, Client(daemon.address) as waiting:
        running.get("/occupy")
        await_running(admin, "tiny", 1)
        waiting.get("/occupy")
        wait_until(lambda: metrics(admin)["forebay_pool_queued", (("pool", "tiny"),)] == 1, what="a full queue")
        begun = time.monotonic()
        r = ask(daemon.address, "/both")
        assert shed(r, "pool.tiny.queue")
        assert time.monotonic() - begun < 4  # not when there is room again
        assert outcomes(r) == {"a": "shed", "b": "shed"}
        r = ask(daemon.address, "/tiny")  # an optional part falls back
        assert r.status == 200 and r.body == b'{"a":null}' and outcomes(r) == {"a": "shed"}


def test_a_plan_that_does_not_fit_is_refused_and_nothing_is_kept_for_it(daemon, admin):
    """Two places are asked for at once where one is free: all or none."""
    await_running(admin, "tiny", 0)
    with Client(daemon.address) as occupier, Client(daemon.address) as waiting:
        occupier.get("/occupy")
        await_running(admin, "tiny", 1)
        for _ in range(20):
            assert shed(ask(daemon.address, "/both"), "pool.tiny.queue")
        waiting.get("/quick")  # the free place was not kept
        occupier.close()
        assert waiting.response().status == 200


def test_a_wait_that_is_too_long_is_refused_beforehand(daemon):
    for _ in range(3):  # so that the pool knows how long its jobs take
        ask(daemon.address, "/waits")
    with Client(daemon.address) as first:
        first.get("/waits")
        time.sleep(0.05)
        answers = [ask(daemon.address, "/waits") for _ in range(3)]
        assert all(outcomes(r)["a"] in ("shed", "timeout") for r in answers)
        assert first.response().status == 200


# --- clients that go --------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["close", "reset", "finish"])
def test_a_client_that_goes_ends_all_its_parts(daemon, admin, chaos, how):
    def seen():
        counted = metrics(admin)
        cancelled = [counted.get(("forebay_subrequests_total",
                                  (("route", "gone-" + how), ("subrequest", part), ("outcome", "cancelled"))), 0) for part in "abc"]
        return [counted["forebay_client_gone_total", ()], *cancelled]
    before, counted = chaos.count()["open"], seen()
    clients = [Client(daemon.address) for _ in range(6)]
    for c in clients:
        c.get("/gone-" + how)
    chaos.await_held(2 * len(clients))
    for c in clients:
        getattr(c, how)()
    wait_until(lambda: chaos.count()["open"] <= before, what="the end of the upstream's connections")

    def cpu():
        begun = daemon.cpu_seconds()
        time.sleep(0.2)
        return daemon.cpu_seconds() - begun
    wait_until(lambda: cpu() < 0.1, what="the end of the jobs")
    assert [now - then for now, then in zip(seen(), counted)] == [6, 6, 6, 6]
    for c in clients:
        c.close()


def test_clients_that_go_in_every_moment(daemon, chaos):
    """Sixteen threads, each going after another time; whoever stays gets a whole answer."""
    wrong = []

    def visit(number):
        for turn in range(12):
            c = Client(daemon.address)
            c.get("/chain" if turn % 2 else "/diamond")
            if turn % 3:
                time.sleep((number * 7 + turn * 13) % 50 / 1000)
                c.reset() if turn % 2 else c.close()
                continue
            r = c.response()
            if r.status != 200 or len(report(r)) != 4:
                wrong.append(r)
            c.close()
    threads = [threading.Thread(target=visit, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
