"""Modules and reload: another file, other code, and whatever runs ends with what it began with."""
import json
import os
import shutil
import threading
import time

import pytest

from bed import FACTOR, FOREBAYD, wait_until
from client import Client, ask

GOOD = os.environ.get("TEST_MODULES") or os.path.join(os.path.dirname(os.path.abspath(FOREBAYD)),
                                                      "tests/support/modules")
ROUNDS = 40

CONF = """
[server]
workers = 2
grace = 20s

[admin]
socket = admin.sock

[pool compute]
threads = 4

[module good]
path = %(file)s
ledger = %(ledger)s
greeting = %(greeting)s

[route nap]
match = GET /nap
source = compute nap
time = 1ms

[route long]
match = GET /long
source = compute nap
time = 700ms

[route spin]
match = GET /spin
source = compute spin

[route keep]
match = GET /keep
source = compute keep

[route greet]
match = GET /greet
source = compute greet
name = you
"""
PLAIN = "[server]\nworkers = 2\n[admin]\nsocket = admin.sock\n[route hello]\nmatch = GET /hello\nsource = fixed\nbody = x\n"


class Server:
    """A daemon with one module whose file and greeting change."""

    def __init__(self, start, folder):
        self.ledger_path = folder / "ledger"
        self.file = folder / "module.so"
        self.greeting = "hello"
        shutil.copy(os.path.join(GOOD, "good.so"), self.file)
        self.daemon = start(self.conf())
        self.address = self.daemon.address
        with open(self.daemon.path, encoding="utf-8") as file:
            self.listen = file.read()[:-len(self.conf())]

    def conf(self):
        """The configuration, but for its listener."""
        return CONF % dict(file=self.file, ledger=self.ledger_path, greeting=self.greeting)

    def replace(self, name):
        """Another file under the same name, as the manual says."""
        new = str(self.file) + ".new"
        shutil.copy(os.path.join(GOOD, name), new)
        os.rename(new, self.file)

    def overwrite(self, name):
        """Other bytes in the same file, as it should not be done."""
        with open(os.path.join(GOOD, name), "rb") as new, open(self.file, "r+b") as file:
            file.truncate()
            file.write(new.read())

    def reload(self, conf=None):
        """Asks for a reload and waits for it: the response."""
        with open(self.daemon.path, "w", encoding="utf-8") as file:
            file.write(self.listen + (conf or self.conf()))
        with Client(os.path.join(self.daemon.folder, "admin.sock"), timeout=60) as c:
            return c.ask("/reload", method="POST")

    def version(self):
        """Which code answers."""
        return ask(self.address, "/nap").body.decode()

    def modules(self):
        """What /status says of them."""
        with Client(os.path.join(self.daemon.folder, "admin.sock")) as c:
            status = json.loads(c.ask("/status").body)
        assert all("nap" in m["jobs"] for m in status["modules"])
        return [(m["name"], m["module"], m["version"]) for m in status["modules"]]

    def count(self, line):
        """How often the line is in the ledger."""
        return self.ledger_path.read_text().splitlines().count(line)


@pytest.fixture
def server(start, tmp_path):
    return Server(start, tmp_path)


@pytest.mark.parametrize("how", ["replace", "overwrite"])
def test_a_file_that_changes_while_jobs_run_is_picked_up_by_a_reload(server, how):
    clients = [Client(server.address) for _ in range(3)]
    for c in clients:
        c.get("/long")
    time.sleep(0.1)
    getattr(server, how)("good-2.so")
    assert server.version() == "version 1"
    assert server.reload().status == 200
    assert server.version() == "version 2"
    assert server.modules() == [("good", "good", "2")]
    assert server.count("init") == 2 and server.count("fini") == 2  # of the trials
    for c in clients:
        assert c.response().body == b"version 1"
        c.close()
    wait_until(lambda: server.count("fini") == 3, what="the end of the old one")
    assert server.version() == "version 2"


def test_the_same_file_with_other_values_is_another_module(server):
    assert ask(server.address, "/greet").body.startswith(b"hello, you")
    server.greeting = "good day"
    assert server.reload().status == 200
    assert ask(server.address, "/greet").body.startswith(b"good day, you")
    wait_until(lambda: server.count("fini") == 3, what="the end of the old one")


@pytest.mark.parametrize("name,told", [("bad-constructor.so", "it ended the process while it was loaded"),
                                       ("bad-abi.so", "it was built for ABI 7"),
                                       (None, "No such file or directory")])
def test_a_faulty_file_fails_the_reload_and_the_old_code_serves_on(server, name, told):
    if name:
        server.replace(name)
    else:
        os.unlink(server.file)
    r = server.reload()
    assert r.status not in (200, 204) and "[module good] path: " in r.body.decode() and told in r.body.decode(), r.body
    assert server.version() == "version 1"
    assert server.count("init") == 1 and server.count("fini") == 1
    server.replace("good-2.so")
    assert server.reload().status == 200
    assert server.version() == "version 2"


def test_a_module_that_is_left_out_ends_and_can_come_back(server):
    assert ask(server.address, "/keep").status == 200
    assert server.reload(PLAIN).status == 200
    assert server.modules() == []
    assert ask(server.address, "/nap").status == 404
    wait_until(lambda: server.count("fini") == 2, what="its end")
    assert server.count("thread_fini") == 1 + server.count("thread_init")
    assert server.reload().status == 200
    assert server.version() == "version 1"


def test_a_job_that_nobody_waits_for_still_holds_its_code(server):
    with Client(server.address) as c:
        c.get("/long")
        time.sleep(0.1)
    server.replace("good-2.so")
    assert server.reload().status == 200
    assert server.version() == "version 2"
    wait_until(lambda: server.count("fini") == 3, what="the end of the old one")


def test_many_reloads_under_load_lose_nothing_and_leave_nothing(server):
    stop, answered, wrong = threading.Event(), [0], []

    def ask_on():
        with Client(server.address, timeout=30) as c:
            while not stop.is_set():
                for path, wanted in ("/nap", (b"version 1", b"version 2")), ("/keep", None):
                    r = c.ask(path)
                    answered[0] += 1
                    if r.status != 200 or wanted and r.body not in wanted:
                        wrong.append((path, r))
                        return

    def settle():
        wait_until(lambda: server.count("fini") == 2 * server.count("init") - 1, 10, "old modules ending")
        return len(server.daemon.descriptors())

    assert server.reload().status == 200
    before = settle()
    threads = [threading.Thread(target=ask_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(ROUNDS):
        server.replace("good-2.so" if turn % 2 else "good.so")
        assert server.reload().status == 200
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]
    assert answered[0] > ROUNDS
    assert server.count("init") == ROUNDS + 2
    wait_until(lambda: settle() <= before, 10, "descriptors as before")
    server.daemon.stop(20)
    assert server.count("fini") == 2 * server.count("init")
    # One from each trial, whose thread_init is not noted.
    assert server.count("thread_fini") == server.count("thread_init") + server.count("init")


def test_a_drain_ends_a_job_that_asks_and_then_its_module(server):
    with Client(server.address) as c:
        c.get("/spin")
        wait_until(lambda: server.count("spin") == 1, what="the job")
    wait_until(lambda: server.count("stopped") == 1, what="its end")
    begun = time.monotonic()
    server.daemon.stop()
    assert time.monotonic() - begun < 5 * FACTOR
    assert server.count("fini") == 2
