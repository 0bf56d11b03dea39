"""forebayctl advise: what it measures of a running server, and when it gives no advice."""
import json
import os
import random
import re
import threading
import time

import pytest

from bed import FACTOR
from client import Client
from test_50_admin import control

MODULES = os.environ.get("TEST_MODULES")

CONF = """
[server]
workers = 1
[admin]
socket = %s
[module good]
path = %s
[pool compute]
threads = 2
max_queue = 64
[route nap]
match = GET /nap
source = compute nap
time = 10ms
"""

pytestmark = pytest.mark.skipif(not MODULES, reason="there are no modules for tests")


@pytest.fixture
def server(start, tmp_path):
    path = str(tmp_path / "admin.sock")
    daemon = start(CONF % (path, os.path.join(MODULES, "good.so")))
    daemon.admin = path
    return daemon


class Naps:
    """Many clients, each of which pauses at random: nearly as random as arrivals can be."""

    def __init__(self, address, clients=16, pause=0.15):
        self.address, self.pause, self.is_stopped = address, pause, False
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, seed):
        chance = random.Random(seed)
        with Client(self.address, timeout=15) as c:
            while not self.is_stopped:
                time.sleep(chance.expovariate(1 / self.pause))
                c.ask("/nap")

    def stop(self):
        self.is_stopped = True
        for thread in self.threads:
            thread.join(20)


@pytest.fixture
def naps(server):
    load = Naps(server.address)
    time.sleep(0.3)
    yield load
    load.stop()


def test_measured_stands_beside_predicted(server, naps):
    code, said, wrong = control("-s", server.admin, "--json", "advise", "--window", "%gs" % (4 * FACTOR),
                                "--slo", "p99=1s", "--what-if", "rate=2x", "--what-if", "threads=4",
                                "--cores", "4")  # naps need none
    assert wrong == ""
    found = json.loads(said)
    assert found["bottleneck"] == "compute" and found["window_s"] >= 4
    pool = found["pools"][0]
    assert (pool["pool"], pool["threads"], pool["queue"], pool["processors"]) == ("compute", 2, 64, 4)
    assert 0.010 <= pool["service_s"] < 1
    assert 0 < pool["jobs"] and pool["rate"] == pytest.approx(pool["jobs"] / found["window_s"], rel=0.01)
    for column in ("measured", "predicted"):
        assert 0 < pool[column]["utilization"] <= 1.05
        assert pool[column]["mean_wait_s"] >= 0
    assert pool["predicted"]["utilization"] == pytest.approx(pool["measured"]["utilization"], rel=0.1)
    assert code == (0 if pool["fits"] else 1)
    assert ("why" in pool) != ("advice" in pool)
    if pool["fits"]:
        assert 1 <= pool["advice"]["threads"] <= 4 and pool["advice"]["rate_max"] > 10
        assert pool["what_if"]["utilization"] == pytest.approx(pool["predicted"]["utilization"], rel=0.1)


def test_people_read_it_too(server, naps):
    code, said, wrong = control("advise", "-s", server.admin, "--window", "%gs" % (4 * FACTOR), "--pool", "compute")
    assert wrong == ""
    lines = said.splitlines()
    assert lines[0].startswith("The bottleneck is pool compute: its threads were ")
    assert any(line.split() == ["measured", "predicted"] for line in lines)
    assert any(line.startswith("  wait, mean ") for line in lines)
    assert ("The model fits" in said) == (code == 0) and ("No advice: " in said) == (code == 1)


def test_few_jobs_are_too_few(server):
    with Client(server.address) as c:
        assert c.ask("/nap").status == 200
    code, said, _ = control("-s", server.admin, "advise", "--window", "1s", "--pool", "compute")
    assert code == 1
    assert re.search(r"No advice: too few jobs: 0 in 1[0-9.]* s, and at least 200 are needed; see --window\.\n", said)


def test_a_server_without_jobs_is_told(server):
    code, said, wrong = control("-s", server.admin, "advise", "--window", "1s")
    assert (code, wrong) == (1, "") and re.fullmatch(r"No pool had a job in 1[0-9.]* s\.\n", said)
    code, said, wrong = control("-s", server.admin, "advise", "--window", "1s", "--pool", "conpute")
    assert (code, said) == (1, "") and re.fullmatch(
        r'forebayctl: advise: the server has no pool conpute; did you mean "compute"\?; it has [a-z, ]*compute[a-z, ]*\n',
        wrong)


def test_no_server_is_no_answer(tmp_path):
    code, said, wrong = control("-s", str(tmp_path / "none"), "advise", "--window", "1s")
    assert (code, said) == (3, "") and "is forebayd running" in wrong


@pytest.mark.parametrize("words, wrong", [
    (["--what-if", "rate=twice"], "--what-if: not one of rate=2x"),
    (["--what-if", "speed=2x"], "--what-if: not one of rate=2x"),
    (["--what-if", "threads"], "--what-if: not one of rate=2x"),
    (["--window", "100ms"], "--window: not a time of 1s to 24h: 100ms"),
    (["--windov", "2s"], 'did you mean "window"?'),
    (["compute"], "options alone, without: compute"),
])
def test_what_is_wrong_is_said_in_one_line(words, wrong):
    code, said, complaint = control("advise", *words)
    assert (code, said) == (2, "")
    assert complaint.startswith("forebayctl: advise: ") and wrong in complaint and complaint.count("\n") == 1
