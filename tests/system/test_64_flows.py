"""Flows: the newcomer's one of the manual, what each call does, limits, ends, and random scripts."""
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import time

import pytest

from bed import FACTOR, free_port, run_forebayd, wait_until
from client import Client, ask, metrics
from test_55_random_plans import CONF as RANDOM_CONF
from test_55_random_plans import RandomPlan, Visitor, check_counters
from test_60_modules import CC, GOOD, ROOT, example

SEED = int(os.environ.get("FOREBAY_SEED") or 20261123)
FLOWS, THREADS = 400, 8
STACK, KEPT = 128 << 10, 64  # of src/flow/stack.h: with its guard; free ones of a worker


# --- the newcomer's flow ---------------------------------------------------------------------


@pytest.fixture
def stock(tmp_path):
    """A folder with the manual's flow, built by the manual's command."""
    (tmp_path / "include").mkdir()
    shutil.copy(os.path.join(ROOT, "src/forebay_module.h"), tmp_path / "include")
    (tmp_path / "stock.c").write_text(example("stock.c"))
    command = example("caesar.sh").replace("caesar", "stock").split()
    subprocess.run(CC + ["-I", "include", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"] + command[1:],
                   cwd=tmp_path, check=True)
    return tmp_path


def test_the_example_of_the_manual_is_short_and_works(start, chaos, stock):
    text = example("stock.c")
    assert text.count("\n") <= 45 and max(map(len, text.split("\n"))) <= 75
    port = free_port()
    conf = re.sub(r"http://10.0.[01].1:80", "http://" + chaos.address, example("stock.conf"))
    conf = conf.replace(":8080", ":%d" % port).replace("path = /1/{article}", "path = /hang")
    conf = conf.replace("path = /2/{article}", "path = /json/farther")
    near = 'source = fixed\ntype = application/json\nbody = {"free": 5}'
    conf = conf.replace("source = upstream near\npath = /{article}", near)
    daemon = start(conf + "[server]\nmodule_path = %s\n" % stock, listen=None)
    r = ask(("127.0.0.1", port), "/stock/bolt?n=5")
    assert r.status == 200 and json.loads(r.body) == {"from": "near", "stock": {"free": 5}}
    assert re.fullmatch(r"near=ok;\d+ms, far=unneeded;0ms, farther=unneeded;0ms", r.field("forebay-parts"))
    r = ask(("127.0.0.1", port), "/stock/bolt?n=6")
    assert r.status == 200 and json.loads(r.body)["from"] == "farther"
    assert re.fullmatch(r"near=ok;\d+ms, far=cancelled;\d+ms, farther=ok;\d+ms", r.field("forebay-parts"))
    code, said, _ = run_forebayd("--explain", "stock", "-c", daemon.path)
    assert code == 0 and "answered by flow stock; deadline 500ms" in said
    assert "3 parts, called as the flow decides" in said and "500ms at most, by the deadline" in said


# --- configuration -----------------------------------------------------------------------------


def test_what_is_dumped_is_accepted_and_dumps_to_itself(tmp_path):
    conf = tmp_path / "forebay.conf"
    conf.write_text("[listen a]\naddress = 127.0.0.1:%d\n[module flow]\npath = %s/flow.so\n"
                    "[route r]\nmatch = GET /\nflow = script\nscript = say 1\n" % (free_port(), GOOD))
    code, first, _ = run_forebayd("--dump", "-c", str(conf))
    assert code == 0 and "report = header\nflow = script\nmax_turn = 10ms\nmax_answer = 8m\nscript = say 1\n" in first
    (tmp_path / "again.conf").write_text(first)
    assert run_forebayd("--dump", "-c", str(tmp_path / "again.conf"))[1] == first


def test_what_can_never_work_is_told(tmp_path):
    conf = tmp_path / "forebay.conf"
    conf.write_text("[listen a]\naddress = 127.0.0.1:%d\n[module flow]\npath = %s/flow.so\n"
                    "[route r]\nmatch = GET /\nflow = country\njoin = array\n"
                    "[route s]\nmatch = GET /s\nflow = scirpt\n" % (free_port(), GOOD))
    code, _, said = run_forebayd("-t", "-c", str(conf))
    assert code == 1
    for told in (":8: [route r] join: means nothing here: the flow makes the answer",
                 ":7: [route r] flow: flow country calls a part note: declare it in [subrequest r.note]",
                 ":7: [route r] flow: {country.code}: the route has no other part of that name",
                 ':11: [route s] flow: there is no flow "scirpt"; did you mean "script"?'):
        assert told in said, said


def test_flows_run_in_the_server_alone(tmp_path):
    conf = tmp_path / "forebay.conf"
    conf.write_text("[listen a]\naddress = 127.0.0.1:%d\n[module flow]\npath = %s/flow.so\nisolate = process\n"
                    % (free_port(), GOOD))
    code, _, said = run_forebayd("-t", "-c", str(conf))
    assert code == 1 and ":5: [module flow] isolate: it has flows, which run in the server" in said


# --- what flows do -----------------------------------------------------------------------------


SCRIPTS = """
[server]
workers = 1
module_path = %(modules)s

[admin]
listen = 127.0.0.1:%(admin)d

[limits]
max_flows = %(max_flows)d

[module flow]
path = flow.so

[upstream chaos]
servers = http://%(chaos)s

[route hello]
match = GET /hello
source = fixed
body = hello

[route stubborn]
match = GET /stubborn
flow = stubborn
deadline = 50ms

[route deep]
match = GET /deep
flow = deep

[route f]
match = GET /f
flow = script
deadline = %(deadline)s

[subrequest f.a]
source = fixed
type = application/json
body = {"x": "\\u00e4"}

[subrequest f.b]
source = compute digest
input = {flow.v}{header.x-a}
optional = yes

[subrequest f.c]
source = upstream chaos
path = /status/404
"""


def open_scripts(start, chaos, max_flows=100, deadline="5s"):
    admin = ("127.0.0.1", free_port())
    daemon = start(SCRIPTS % {"modules": GOOD, "admin": admin[1], "max_flows": max_flows, "chaos": chaos.address,
                              "deadline": deadline})
    daemon.admin = admin
    return daemon


def run(daemon, script, *lines):
    return ask(daemon.address, "/f?script=" + script.replace(" ", "+"), *lines)


def test_a_flow_calls_reads_and_answers(start, chaos):
    daemon = open_scripts(start, chaos)
    r = run(daemon, "call! a;set v=x;call b;say [;put a;say ,;pick a x;say ,;pick a y;say ,;put b;say ,;"
                    "get request.method;say ,;status a;say ]", "X-A: y")
    digest = hashlib.sha256(b"xy").hexdigest()
    assert r.status == 200 and json.loads(r.body) == [{"x": "\u00e4"}, "\u00e4", None, digest, "GET", 200]
    assert r.field("content-type") == "application/json"
    assert re.fullmatch(r"a=ok;\d+ms, b=ok;\d+ms, c=unneeded;0ms", r.field("forebay-parts"))
    r = run(daemon, "answer 418;field X-B=c;say short and stout")
    assert (r.status, r.field("x-b"), r.field("content-type"), r.body) == (418, "c", "text/plain", b"short and stout")
    assert run(daemon, "call! c").status == 404
    r = run(daemon, "all b,c;say 1")
    assert r.status == 200 and r.body == b"1"
    r = run(daemon, "fail because")
    assert r.status == 500 and b"because" not in r.body
    assert re.search(r"warning worker 0: flow script: it was told to: because\n", daemon.stderr())
    assert ask(daemon.address, "/deep").body == b'"x1.5"'
    with Client(daemon.address) as c:
        r = c.ask("/f?script=say+1", method="HEAD")
        assert r.status in (200, 405)


def test_one_that_runs_too_long_is_told_and_counted(start, chaos):
    daemon = open_scripts(start, chaos)
    assert run(daemon, "burn 30;say 1").status == 200
    assert "flow script of route f held its worker for" in daemon.stderr()
    assert metrics(daemon.admin)[("forebay_stalls_total", (("kind", "flow"),))] >= 1


def test_one_that_does_not_end_is_left_and_the_worker_goes_on(start, chaos):
    daemon = open_scripts(start, chaos)
    for _ in range(3):
        assert ask(daemon.address, "/stubborn").status == 504
    assert "flow stubborn of route stubborn does not end when it is cancelled" in daemon.stderr()
    assert ask(daemon.address, "/hello").body == b"hello"


def test_the_deadline_ends_a_flow(start, chaos):
    daemon = open_scripts(start, chaos, deadline="60ms")
    r = run(daemon, "sleep 60000")
    assert r.status == 504 and r.field("forebay-parts") == "a=skipped;0ms, b=skipped;0ms, c=skipped;0ms"


def live(daemon):
    """Flows that are under way, as far as clients can tell: places that are taken."""
    return run(daemon, "say 1").status == 503


def test_above_max_flows_requests_are_refused_until_one_has_ended(start, chaos):
    daemon = open_scripts(start, chaos, max_flows=2)
    first, second = Client(daemon.address), Client(daemon.address)
    for c in first, second:
        c.get("/f?script=sleep+60000")
    wait_until(lambda: live(daemon), what="two flows")
    r = run(daemon, "say 1")
    assert r.status == 503 and r.field("forebay-shed") == "limits.max_flows" and r.field("retry-after")
    assert metrics(daemon.admin)[("forebay_flows_refused_total", ())] >= 1
    first.reset()
    wait_until(lambda: not live(daemon), what="an end")
    second.close()


def memory(daemon, word):
    """Bytes of RssAnon, VmSize."""
    with open("/proc/%d/status" % daemon.pid, encoding="ascii") as status:
        return int(re.search(word + r":\s+(\d+) kB", status.read()).group(1)) * 1024


def test_many_may_wait_and_leave_nothing_behind(start, chaos):
    """Their stacks are touched where they are used, and given back."""
    daemon = open_scripts(start, chaos, max_flows=2000)
    count = 300 if FACTOR > 1 else 1000
    run(daemon, "sleep 1;say 1")
    before, room = memory(daemon, "RssAnon"), memory(daemon, "VmSize")
    clients = [Client(daemon.address) for _ in range(count)]
    for c in clients:
        c.get("/f?script=sleep+60000")
    assert ask(daemon.address, "/hello").status == 200
    wait_until(lambda: memory(daemon, "VmSize") > room + STACK * (count - KEPT), what="flows in memory")
    each = (memory(daemon, "RssAnon") - before) / count
    print("%d bytes for each of %d flows that wait, with their connections" % (each, count))
    if FACTOR == 1:
        assert each < 40000
    for c in clients:
        c.reset()
    if FACTOR == 1:  # a sanitizer has mappings of its own
        wait_until(lambda: memory(daemon, "VmSize") < room + STACK * count / 2, what="the end of flows")
    daemon.stop()


def test_a_reload_waits_for_flows_of_the_old_module(start, chaos):
    daemon = open_scripts(start, chaos)
    with Client(daemon.address) as c:
        c.get("/f?script=sleep+%d;say+1" % (300 * FACTOR))
        time.sleep(0.1)
        daemon.signal(1)
        wait_until(lambda: "reloaded" in daemon.stderr(), what="the reload")
        assert run(daemon, "say 2").body == b"2"
        r = c.response()
        assert r.status == 200 and r.body == b"1"


# --- random scripts ------------------------------------------------------------------------------


class RandomFlow(RandomPlan):
    """A random plan's parts, called by a random script."""

    def __init__(self, dice, name, root):
        super().__init__(dice, name, root)
        lines = [line for line in self.text.split("\n") if not re.match(r"(join|failure|after|when) =", line)]
        lines = [line for line in lines if line != "fallback = omit"]
        script, called = ["say [0"], set()
        for _ in range(dice.randrange(8)):
            parts = dice.sample(self.parts, dice.randrange(1, min(4, len(self.parts)) + 1))
            word = dice.choice(["call", "all", "any"]) + dice.choice(["", "", "", "!"])
            script.append(dice.choice(["sleep %d" % dice.randrange(40), word + " " + ",".join(
                parts[:1] if word.startswith("call") else parts)]))
            if dice.random() < 0.5:
                script += ["say ,", "put " + dice.choice(self.parts)]
            called.update(parts)
        if dice.random() < 0.05:
            script.append("fail on purpose")
        lines.insert(2, "flow = script\nscript = " + ";".join(script + ["say ]"]))
        self.text = "\n".join(lines)

    def judge(self, r):
        report = [re.fullmatch(r"([a-z0-9]+)=([a-z-]+);\d+ms", entry).groups()
                  for entry in r.field("forebay-parts").split(", ")]
        assert [name for name, _ in report] == self.parts, (r, self.text)
        assert r.status in (200, 401, 404, 500, 502, 503, 504), r
        if r.status == 200:
            assert json.loads(r.body)[0] == 0


def test_random_flows(start, chaos, tmp_path):
    """As test_random_plans: one entry for each part, whatever happens; and nothing is left."""
    for name, content in ("text", b"a text\n"), ("json", b"[1, 2]"), ("bytes", bytes(range(256))):
        (tmp_path / name).write_bytes(content)
    print("FOREBAY_SEED=%d" % SEED)
    dice = random.Random(SEED)
    flows = [RandomFlow(dice, "r%d" % i, tmp_path) for i in range(FLOWS // (2 if FACTOR > 1 else 1))]
    before = chaos.count()["open"]
    admin = ("127.0.0.1", free_port())
    conf = RANDOM_CONF % {"chaos": chaos.address, "nobody": free_port(), "admin": admin[1]}
    daemon = start(conf.replace("workers = 2", "workers = 2\nmodule_path = " + GOOD) + "[module flow]\npath = flow.so\n" +
                   "".join(flow.text for flow in flows))
    left = list(reversed(flows))
    visitors = [Visitor(daemon.address, left, random.Random(dice.random())) for _ in range(THREADS)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    for visitor in visitors:
        if visitor.error:
            raise visitor.error
    wait_until(lambda: chaos.count()["open"] <= before + 64, what="the end of upstream connections")

    def all_ended():
        try:
            check_counters(metrics(admin), flows)
        except AssertionError:
            return False
        return True
    wait_until(all_ended, what="one end of every part of those that ran")
    daemon.stop()
