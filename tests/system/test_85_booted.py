"""The service in a booted systemd: started, reloaded, watched, stopped and killed by it."""
import gzip
import re
import threading
import time

import pytest

from bed import wait_until
from client import Client
from load import Load
from machine import DoesNotBoot, Machine, seconds_of, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))

WEB = ("127.0.0.1", 8080)
GET = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
CONF = """
[server]
workers = %(workers)s
grace = %(grace)s

[admin]
socket = /run/forebay/admin.sock

[listen web]
address = %(address)s

[pool compute]
threads = %(threads)s

[route hello]
match = GET /hello
source = fixed
body = %(body)s

[route slow]
match = GET /slow
source = compute pbkdf2
input = a
salt = salt
iterations = 12000000
"""


def conf(workers=2, threads=2, address="127.0.0.1:8080", body="Hello.", grace="20s"):
    """A configuration."""
    return CONF % {"workers": workers, "threads": threads, "address": address, "body": body, "grace": grace}


@pytest.fixture(scope="module", name="booted")
def fixture_booted(tmp_path_factory):
    """The machine of all tests here."""
    try:
        one = Machine(tmp_path_factory.mktemp("machine"))
    except DoesNotBoot as err:
        pytest.skip(str(err))
    yield one
    one.stop()


@pytest.fixture(name="machine")
def fixture_machine(booted):
    """The machine, as if nothing had been done with it."""
    booted.reset()
    yield booted
    booted.systemctl("stop", "forebay.socket", "forebay.service")  # and with it all that asks


def ask(machine, path="/hello", address=WEB):
    """The response to one request, on a connection of its own."""
    with machine.network(), Client(address) as client:
        return client.ask(path, "Connection: close")


# --- start ---------------------------------------------------------------------------------

def test_the_first_day(machine):
    """As installed: start, and it answers; and who runs may do nothing else."""
    machine.systemctl("start", "forebay")
    answer = ask(machine, "/")
    assert answer.status == 200 and answer.body.startswith(b"Forebay is running.")
    assert re.fullmatch(r"serving: \d+ workers?, 1 route", machine.show("StatusText"))
    assert machine.show("Type") == "notify"
    status = machine.proc("status")
    assert int(re.search(r"Uid:\t(\d+)", status).group(1)) > 60000  # nobody's but this service's
    assert "NoNewPrivs:\t1\n" in status and "Seccomp:\t2\n" in status
    assert "CapPrm:\t0000000000000000\n" in status  # what the unit gives is given up
    assert machine.status()["state"] == "ready"
    machine.systemctl("stop", "forebay")
    assert machine.show("Result") == "success"


def test_a_port_below_1024_needs_no_other_unit(machine):
    """And a reload can take another one."""
    machine.configure(conf(address="127.0.0.1:80"))
    machine.systemctl("start", "forebay")
    assert ask(machine, address=("127.0.0.1", 80)).status == 200
    status = machine.proc("status")
    assert "CapPrm:\t0000000000000400\n" in status and "CapAmb:\t0000000000000000\n" in status
    machine.configure(conf(address="127.0.0.1:81"))
    machine.systemctl("reload", "forebay")
    assert ask(machine, address=("127.0.0.1", 81)).status == 200


def test_threads_stay_on_their_processors_in_the_sandbox(machine):
    """The unit's filter lets them, and their priorities be set, too."""
    machine.configure(conf().replace("[server]", "[server]\ncpus = 0").replace("threads =", "cpus = 0\nthreads ="))
    machine.systemctl("start", "forebay")
    wait_until(lambda: [w["cpus"] for w in machine.status()["workers"]] == ["0", "0"], what="workers on 0")
    assert {p["name"]: p["cpus"] for p in machine.status()["pools"]}["compute"] == "0"
    assert "cannot run on" not in machine.journal()


def test_a_module_works_in_the_sandbox(machine):
    """MemoryDenyWriteExecute and the rest: it is tried, loaded, run, and loaded again."""
    machine.configure(conf() + """
[module compress]
path = compress.so
[route zip]
match = POST /zip
source = compute gzip
""")
    machine.systemctl("start", "forebay")
    for _ in range(2):
        with machine.network(), Client(WEB) as client:
            answer = client.ask("/zip", method="POST", body=b"a" * 5000)
        assert answer.status == 200 and gzip.decompress(answer.body) == b"a" * 5000
        machine.systemctl("reload", "forebay")


def test_a_start_that_fails_says_why(machine):
    """A mistake in the configuration is in the journal with its line."""
    machine.change_unit("forebay.service", "[Service]\nRestart=no\n")
    machine.configure(conf().replace("workers", "wrokers"))
    assert machine.systemctl("start", "forebay", check=False)[0] != 0
    machine.says('forebay.conf:3: [server] wrokers: unknown key; did you mean "workers"?')


# --- reload --------------------------------------------------------------------------------

def test_reload_changes_workers_and_threads(machine):
    """Seen in forebayctl status; no request is lost over it."""
    machine.configure(conf(workers=2, threads=2))
    machine.systemctl("start", "forebay")
    pid = machine.main_pid()
    with machine.network():
        loads = [Load(WEB, 2, GET, 1, is_kept, pause=0.001) for is_kept in (True, False)]
    for workers, threads in ((4, 3), (1, 1), (3, 2)):
        machine.configure(conf(workers=workers, threads=threads, body="%d workers" % workers))
        machine.systemctl("reload", "forebay")
        assert ask(machine).body == b"%d workers" % workers
        status = machine.status()
        assert len([w for w in status["workers"] if w.get("state", "serving") == "serving"]) == workers
        assert [p["threads"] for p in status["pools"] if p["name"] == "compute"] == [threads]
        assert machine.show("StatusText") == "serving: %d worker%s, 2 routes" % (workers, "s" * (workers > 1))
    assert machine.main_pid() == pid
    machine.systemctl("stop", "forebay")
    for load in loads:
        load.join()


def test_a_broken_configuration_is_refused_by_reload(machine):
    """systemctl reload fails, says why, and the old one serves on."""
    machine.configure(conf(body="old"))
    machine.systemctl("start", "forebay")
    machine.configure(conf(body="new").replace("threads", "thraeds"))
    assert machine.systemctl("reload", "forebay", check=False)[0] != 0
    assert ask(machine).body == b"old"
    assert machine.show("ActiveState") == "active"
    machine.says("[pool compute] thraeds: unknown key")
    assert re.match(r"reload refused: \S+/forebay\.conf:13: \[pool compute\] thraeds: ",
                    machine.show("StatusText"))
    machine.configure(conf(body="new"))
    machine.systemctl("reload", "forebay")
    assert ask(machine).body == b"new"
    assert machine.show("StatusText").startswith("serving: ")


# --- watchdog ------------------------------------------------------------------------------

def test_a_wedged_worker_is_restarted(machine):
    """One of two workers stands still: the watchdog ends the process and the service is back."""
    machine.configure(conf())
    machine.change_unit("forebay.service",
                        "[Service]\nWatchdogSec=1s\nEnvironment=FOREBAY_TEST_WEDGE=/run/forebay/wedge\n")
    machine.systemctl("start", "forebay")
    pid = machine.main_pid()
    time.sleep(2.5)  # longer than the watchdog: it is fed
    assert machine.main_pid() == pid and machine.show("NRestarts") == "0"
    machine.run("touch", "/run/forebay/wedge")
    wait_until(lambda: machine.show("NRestarts") == "1" and machine.show("ActiveState") == "active", 10, "a restart")
    assert machine.main_pid() != pid
    assert ask(machine).status == 200
    machine.says("has not turned for")
    machine.says("Watchdog timeout")


# --- stop ----------------------------------------------------------------------------------

@pytest.mark.parametrize("is_kept", [True, False], ids=["keep-alive", "a connection per request"])
def test_stop_under_load_loses_nothing(machine, is_kept):
    """What was asked before the server said that it closes is answered whole."""
    machine.configure(conf())
    machine.systemctl("start", "forebay")
    with machine.network():
        load = Load(WEB, 6, GET, 1, is_kept)
    wait_until(lambda: load.answered > 200, what="load")
    machine.systemctl("stop", "forebay")
    load.join()
    assert machine.show("Result") == "success"
    assert load.unsure < load.answered / 10 + 20


def test_draining_may_take_longer_than_the_unit_allows(machine):
    """The server asks for the time that grace may take: TimeoutStopSec does not cut it off."""
    machine.configure(conf(threads=1))
    machine.change_unit("forebay.service", "[Service]\nTimeoutStopSec=1s\n")
    machine.systemctl("start", "forebay")
    with machine.network(), Client(WEB, timeout=30) as client:
        client.get("/slow")
        wait_until(lambda: machine.status()["pools"][0]["running"] == 1, what="the job")
        took = seconds_of(lambda: machine.systemctl("stop", "forebay"))
        assert client.response().status == 200
    assert took > 1.2, "the job was too short to show anything"
    assert machine.show("Result") == "success"


# --- the socket unit -------------------------------------------------------------------------

class Callers:
    """Threads that ask on a connection each time, and may be cut, but never refused."""

    def __init__(self, machine, threads=4):
        self.machine, self.is_over = machine, False
        self.answered, self.cut, self.refused = 0, 0, []
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(threads)]

    def __enter__(self):
        with self.machine.network():
            for thread in self.threads:
                thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join()

    def run(self):
        """One thread."""
        while not self.is_over:
            try:
                client = Client(WEB, timeout=20)
            except OSError as err:
                self.refused.append(repr(err))
                time.sleep(0.01)
                continue
            try:
                client.get("/hello", "Connection: close")
                assert client.response().status == 200
                self.answered += 1
            except (AssertionError, OSError):
                self.cut += 1
            client.close()


@pytest.fixture(name="activated")
def fixture_activated(machine):
    """The machine, with the socket unit and a configuration that uses it."""
    machine.configure(conf(address="systemd:web"))
    machine.systemctl("start", "forebay.socket")
    return machine


def test_the_first_connection_starts_it(activated):
    """Nothing runs before; and the first one is answered."""
    assert activated.show("ActiveState") == "inactive"
    assert ask(activated).status == 200
    assert activated.show("ActiveState") == "active"


def test_twenty_kills_refuse_nobody(activated):
    """SIGKILL, again and again: connections wait in the socket for the next process."""
    activated.systemctl("start", "forebay")
    with Callers(activated) as callers:
        killed = set()
        while len(killed) < 20:
            pid = activated.main_pid()
            if pid in killed or pid == 0 or activated.show("SubState") != "running":
                continue
            killed.add(pid)
            activated.systemctl("kill", "-s", "KILL", "forebay.service")
        wait_until(lambda: activated.main_pid() not in killed and activated.show("SubState") == "running", 10,
                   "the last restart")
        before = callers.answered
        wait_until(lambda: callers.answered > before + 100, 20, "answers after the last kill")
    assert callers.refused == []
    assert callers.cut <= 20 * 4 * 3, callers.cut  # in flight when it was killed, or taken and not read
    assert int(activated.show("NRestarts")) == 20


def test_a_restart_loses_nothing(activated):
    """Drained by the old process or answered by the new: nobody is refused and nobody is cut."""
    activated.systemctl("start", "forebay")
    with Callers(activated) as callers:
        for _ in range(3):
            before = callers.answered
            wait_until(lambda so_far=before: callers.answered > so_far + 200, 20, "load")
            activated.systemctl("restart", "forebay")
    assert (callers.refused, callers.cut) == ([], 0)


def test_a_name_that_no_unit_passes_is_an_error(activated):
    """With its line, what was passed, and the nearest of it."""
    activated.configure(conf(address="systemd:wbe"))
    activated.change_unit("forebay.service", "[Service]\nRestart=no\n")
    assert activated.systemctl("start", "forebay", check=False)[0] != 0
    assert ("forebay.conf:10: [listen web] address: cannot listen on systemd:wbe: systemd passed no socket of that "
            'name; did you mean "web"?; it passed "web"') in activated.journal()
