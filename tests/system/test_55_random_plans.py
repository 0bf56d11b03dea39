"""A thousand random plans with random failures and clients that go.

Whatever happens, a complete response has exactly one entry of Forebay-Parts per
declared part, in the order of declaration; its body is JSON; it is 200 if, and only
if, every required part ended well; and afterwards nothing is left. The seed is
printed when a test fails; FOREBAY_SEED=N repeats that run.
"""
import json
import os
import random
import re
import threading
import time

import pytest

from bed import FACTOR, LONG, free_port, wait_until
from client import Client, metrics

SEED = int(os.environ.get("FOREBAY_SEED") or 20261123)
PLANS, CONFIGURATIONS, THREADS = 1000 * LONG, 2 * LONG, 12
OUTCOMES = {"ok", "status", "timeout", "shed", "connect", "error", "invalid", "too-large", "missing", "cancelled",
            "skipped", "unneeded"}
ENTRY = re.compile(r"([a-z][a-z0-9_-]*)=([a-z-]+);([0-9]+)ms\Z")

# Paths of the chaos upstream: those that end well, and those that do not.
GOOD = ["/json/{id}", "/json/a/b", "/delay/%d", "/big/3000/chunked", "/until-close", "/interim/2", "/status/200", "/status/204",
        "/trickle/1/5", "/raw/text/plain/hello", "/surplus"]
BAD = ["/status/404", "/status/500", "/status/401", "/close", "/reset", "/reset/head", "/reset/body", "/truncate",
       "/truncate/chunked", "/lie", "/both", "/garbage", "/bad-chunk", "/inject", "/huge-head", "/many-fields", "/hang", "/stall",
       "/trickle/5/1000", "/raw/application/json/%7Boops", "/upgrade", "/big/100000000", "/interim-flood"]

CONF = """
[server]
workers = 2

[admin]
listen = 127.0.0.1:%(admin)d

[upstream chaos]
servers = http://%(chaos)s

[upstream none]
servers = http://127.0.0.1:%(nobody)d

[pool compute]
threads = 2
max_wait = 0s

[pool tiny]
threads = 1
max_queue = 2
"""


class RandomPlan:
    """A route with parts; the DAG follows the order of creation, the file another one."""

    def __init__(self, dice, name, root):
        self.dice, self.name, self.root = dice, name, root
        self.all_required = dice.random() < 0.1
        self.join = dice.choice(["object", "object", "object", "array"])
        self.leaves_out = self.join == "object" and dice.random() < 0.2
        self.omissible = set()  # names of parts that are left out when they did not succeed
        self.on_tiny = 0
        self.made = []  # names of parts that later ones may need
        parts = [self.part("p%d" % i) for i in range(dice.choice([1, 2, 3, 4, 5, 6, 8, 12]))]
        dice.shuffle(parts)
        self.parts = [name for name, _, _, _ in parts]
        self.required = {name for name, is_required, _, _ in parts if is_required or self.all_required}
        self.fallbacks = {name: fallback for name, _, fallback, _ in parts}
        lines = ["[route %s]" % name, "match = GET /%s/{id}" % name, "join = " + self.join,
                 "deadline = %dms" % dice.choice([60, 200, 1000, 5000])]
        if self.all_required:
            lines.append("failure = all-or-nothing")
        self.text = "\n".join(lines + [line for part in parts for line in part[3]]) + "\n\n"

    def source(self, name):
        """The lines of a source, and a text that needs an earlier part if there is one."""
        dice = self.dice
        value = "{id}"
        if self.made and dice.random() < 0.4:
            value = dice.choice(["{%s:status}", "{%s:body}"]) % dice.choice(self.made)
        kind = dice.random()
        if kind < 0.5:
            path = dice.choice(GOOD if dice.random() < 0.7 else BAD)
            path = path % dice.randrange(60) if "%d" in path else path
            return ["source = upstream chaos", "path = " + path, "query = v=" + value]
        if kind < 0.55:
            return ["source = upstream none", "path = /" + value]
        if kind < 0.7:
            pool = dice.choice(["compute", "compute", "tiny"])
            # More than threads and max_queue at once would be refused by -t.
            self.on_tiny += pool == "tiny"
            if self.on_tiny > 3:
                pool = "compute"
            if dice.random() < 0.3:
                return ["source = compute pbkdf2", "iterations = %d" % dice.choice([10, 5000, 50000000]), "salt = s",
                        "input = " + value, "pool = " + pool]
            return ["source = compute digest", "input = " + value, "pool = " + pool]
        if kind < 0.8:
            return ["source = file", "root = %s" % self.root, "path = /" + dice.choice(["text", "json", "bytes", "nope"])]
        return ["source = fixed", *dice.choice([["body = <%s>" % value], ["type = application/json", 'body = {"v": %s}' % value],
                                                ["status = 204"], ["body = {query.absent}"]])]

    def part(self, name):
        """(name, whether it is required, what it falls back to, lines)."""
        dice = self.dice
        lines = ["[subrequest %s.%s]" % (self.name, name), *self.source(name)]
        is_optional, fallback = dice.random() < 0.75, None
        if is_optional:
            lines.append("optional = yes")
            if self.leaves_out:
                lines.append("fallback = omit")
                self.omissible.add(name)
            elif dice.random() < 0.5:
                fallback = {"fell": [name]}
                lines.append("fallback = " + json.dumps(fallback))
        if self.made and dice.random() < 0.3:
            lines.append("after = " + ", ".join(dice.sample(self.made, dice.randrange(1, min(3, len(self.made)) + 1))))
        if self.made and is_optional and dice.random() < 0.1:
            lines.append("when = {%s:status} == 200 and not {query.absent}" % dice.choice(self.made))
        if dice.random() < 0.6 or "pbkdf2" in lines[1]:
            lines.append("timeout = %dms" % dice.choice([1, 10, 50, 150]))
        if dice.random() < 0.1:
            lines.append("max_result = 1k")
        if dice.random() < 0.15:
            lines += ["foreach = " + dice.choice(["[]", "[1]", "[1, 2, 3]", "[1, {}, 3, 4, 5, 6, 7, 8]"]),
                      "foreach_at_once = %d" % dice.choice([1, 2, 3])]
        if dice.random() < 0.1:
            lines.append("as = " + dice.choice(["json", "text", "base64"]))
        self.made.append(name)
        return name, not is_optional, fallback, lines

    def judge(self, r):
        """What is true of every complete response."""
        report = [ENTRY.match(entry).groups() for entry in r.field("forebay-parts").split(", ")]
        assert [name for name, _, _ in report] == self.parts, (r, self.text)
        ended = {name: outcome for name, outcome, _ in report}
        assert set(ended.values()) <= OUTCOMES
        is_well = all(ended[name] in ("ok", "unneeded") for name in self.required)
        assert (r.status == 200) == is_well, (r, self.text)
        assert r.status in (200, 401, 404, 502, 503, 504), r
        if r.status != 200:
            return
        is_whole = set(ended.values()) <= {"ok", "unneeded"}
        assert r.field("cache-control") == (None if is_whole else "no-store"), r
        assert r.field("content-type") == "application/json"
        results = json.loads(r.body)
        if self.leaves_out:
            assert list(results) == [name for name in self.parts if ended[name] == "ok" or name not in self.omissible]
            return
        assert len(results) == len(self.parts)
        if self.join == "object":
            assert list(results) == self.parts
            results = list(results.values())
        for name, result in zip(self.parts, results):
            if ended[name] != "ok":
                assert result == self.fallbacks[name], (name, r, self.text)


class Visitor(threading.Thread):
    """One client after the other, some of which go before their answer comes."""

    def __init__(self, address, plans, dice):
        super().__init__()
        self.address, self.plans, self.dice = address, plans, dice
        self.judged, self.left, self.error = 0, 0, None

    def run(self):
        try:
            while self.plans:
                self.visit([self.plans.pop() for _ in range(self.dice.choice([1, 1, 2, 4]))if self.plans])
        except Exception as err:  # told by the test
            self.error = err

    def visit(self, plans):
        """Asks for some plans on one connection, each once: in one write, or one by one."""
        dice = self.dice
        requests = ["GET /%s/%d HTTP/1.1\r\nHost: a\r\n\r\n" % (plan.name, dice.randrange(100)) for plan in plans]
        with Client(self.address, timeout=20) as c:
            if dice.random() < 0.25:
                c.send("".join(requests).encode())
                time.sleep(dice.random() * 0.08)
                dice.choice([c.reset, c.close, c.finish])()
                self.left += len(plans)
                return
            if dice.random() < 0.5:
                c.send("".join(requests).encode())
                requests = [""] * len(requests)
            for plan, request in zip(plans, requests):
                c.send(request.encode())
                plan.judge(c.response())
                self.judged += 1


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("www")
    (folder / "text").write_text("a text\n")
    (folder / "json").write_text("[1, 2]")
    (folder / "bytes").write_bytes(bytes(range(256)))
    return folder


def check_counters(counted, plans):
    """Every part of a plan has ended exactly once per run, those included whose client went."""
    ended = {}
    for (name, labels), number in counted.items():
        if name == "forebay_subrequests_total":
            labels = dict(labels)
            part = (labels["route"], labels["subrequest"])
            ended[part] = ended.get(part, 0) + number
    runs = [{ended.pop((plan.name, part), 0) for part in plan.parts} for plan in plans]
    assert all(run in ({0}, {1}) for run in runs) and not ended, runs
    assert runs.count({1}) > len(plans) / 2


@pytest.mark.parametrize("round_number", range(CONFIGURATIONS))
def test_random_plans(start, chaos, root, round_number):
    print("FOREBAY_SEED=%d, configuration %d" % (SEED, round_number))
    dice = random.Random("%d %d" % (SEED, round_number))
    plans = [RandomPlan(dice, "r%d" % i, root) for i in range(PLANS // CONFIGURATIONS)]
    before = chaos.count()["open"]
    admin = ("127.0.0.1", free_port())
    names = {"chaos": chaos.address, "nobody": free_port(), "admin": admin[1]}
    daemon = start(CONF % names + "".join(plan.text for plan in plans))
    left = list(reversed(plans))
    visitors = [Visitor(daemon.address, left, random.Random(dice.random())) for _ in range(THREADS)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    for visitor in visitors:
        if visitor.error:
            raise visitor.error
    judged, gone = sum(v.judged for v in visitors), sum(v.left for v in visitors)
    assert judged + gone == len(plans) and judged > len(plans) / 2 and gone > len(plans) / 20
    # Nothing is left but idle upstream connections: at most max_connections of one upstream.
    wait_until(lambda: chaos.count()["open"] <= before + 64, what="the end of upstream connections")

    def cpu():
        begun = daemon.cpu_seconds()
        time.sleep(0.2)
        return daemon.cpu_seconds() - begun
    wait_until(lambda: cpu() < 0.05, what="rest")
    check_counters(metrics(admin), plans)
    begun = time.monotonic()
    daemon.stop()
    assert time.monotonic() - begun < 2 * FACTOR
    assert chaos.count()["open"] <= before
