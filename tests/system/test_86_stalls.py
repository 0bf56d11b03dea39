"""The stall record: what holds up a worker is on record once, with its name, while it goes on and after."""
import json
import os
import re
import subprocess
import threading

import pytest

import bed
from bed import free_port, wait_until
from client import Client, ask, metrics

FOREBAYCTL = os.environ.get("FOREBAYCTL") or os.path.join(os.path.dirname(bed.FOREBAYD), "forebayctl")
MODULES = os.environ.get("TEST_MODULES") or os.path.join(os.path.dirname(os.path.abspath(bed.FOREBAYD)),
                                                         "tests/support/modules")
# Long beside what a busy machine does to a turn by itself.
CONF = """
[server]
workers = 1
module_path = %s
[admin]
listen = 127.0.0.1:%%d
socket = admin.sock
[limits]
stall_after = %dms
[module flow]
path = flow.so
[route told]
match = GET /told
flow = script
max_turn = 600ms
[route untold]
match = GET /untold
flow = script
max_turn = 60s
""" % (MODULES, 600)


class Stalled:
    """A daemon, and what it has on record."""

    def __init__(self, start):
        self.admin = ("127.0.0.1", free_port())
        self.daemon = start(CONF % self.admin[1])

    def burn(self, path, milliseconds):
        """A request that holds up the worker for so long."""
        with Client(self.daemon.address, timeout=300) as c:
            assert c.ask("%s?script=burn+%d;say+1" % (path, milliseconds)).status == 200

    def page(self):
        return json.loads(ask(self.admin, "/stalls").body)

    def of(self, route):
        return [s for s in self.page()["stalls"] if s["route"] == route]

    def counted(self, kind):
        return metrics(self.admin)[("forebay_stalls_total", (("kind", kind),))]

    def control(self, *words):
        done = subprocess.run([FOREBAYCTL, "-s", os.path.join(self.daemon.folder, "admin.sock"), *words],
                              capture_output=True, text=True, timeout=60 * bed.FACTOR, check=True)
        return done.stdout


@pytest.fixture
def stalled(start):
    return Stalled(start)


def test_a_flow_that_holds_up_its_worker_is_on_record_once(stalled):
    stalled.burn("/told", 1)
    assert stalled.page()["stall_after_ms"] == 600
    stalled.burn("/told", 1500)
    one, = [s for s in stalled.of("told") if s["lasted_ms"] >= 1499]
    assert (one["kind"], one["what"], one["worker"], one["goes_on"]) == ("flow", "script", 0, False)
    assert re.fullmatch("[0-9a-f]+", one["request"])
    assert stalled.counted("flow") == len([s for s in stalled.page()["stalls"] if s["kind"] == "flow"])
    line, = [line for line in stalled.control("stalls").splitlines() if "route told, request " + one["request"] in line]
    assert re.search(r" %d ms +flow +\w+ .* worker 0 +.*flow script of route told, request %s$"
                     % (one["lasted_ms"], one["request"]), line), line
    assert json.loads(stalled.control("stalls", "--json"))["stalls"][-1]["number"] == 1


def test_a_turn_is_seen_while_it_goes_on_and_is_the_same_stall_after(stalled):
    burning = threading.Thread(target=stalled.burn, args=("/untold", 4000))
    burning.start()
    one, = wait_until(lambda: stalled.of("untold"), what="a stall on record")
    # On a machine so busy that this look came late it may be over.
    assert one["kind"] == "flow" and one["lasted_ms"] >= 600
    burning.join()
    two, = wait_until(lambda: [s for s in stalled.of("untold") if not s["goes_on"]], what="its end")
    assert two["number"] == one["number"] and two["turn"] == one["turn"]
    assert two["lasted_ms"] >= 2000 and two["lasted_ms"] >= one["lasted_ms"]
    assert 0 < two["cpu_ms"] <= two["watched_ms"] <= two["lasted_ms"]
    # One line a second at most, so that another stall may have had it.
    assert re.search(r"warning monitor: stall: for \d+ ms (worker 0 did not turn, at a flow of route untold "
                     r"\(request %s\)|.*): \w+" % two["request"], stalled.daemon.stderr())
