"""Where the processors go: workers before pool threads, who has which, and what a quota takes."""
import ctypes
import json
import os
import struct
import time

import pytest

from bed import Daemon, free_port, run_forebayd, wait_until
from client import Client, ask, metrics
from load import Load

GROUP = "/sys/fs/cgroup/cpu/forebay-test-%d" % os.getpid()
GETATTR = {"x86_64": 315, "aarch64": 275}.get(os.uname().machine)
SHORTER_SINCE = (6, 12)
MINE = sorted(os.sched_getaffinity(0))  # may be a single one: then there is less to see
NOWHERE = 1023  # a processor that no machine has
CONF = """
[server]
workers = 1

[admin]
listen = 127.0.0.1:%d

[pool compute]
threads = 1
nice = 7

[route heavy]
match = GET /heavy
source = compute pbkdf2
input = a
salt = b
iterations = 300000
"""


def start(folder, before=()):
    port = free_port()
    daemon = Daemon(folder, CONF % port, before=before)
    daemon.admin = ("127.0.0.1", port)
    return daemon


def threads(daemon):
    """Ids by name, of those that have not just ended."""
    found = {}
    for task in os.listdir("/proc/%d/task" % daemon.pid):
        try:
            with open("/proc/%d/task/%s/comm" % (daemon.pid, task), encoding="ascii") as file:
                found[file.read().strip()] = int(task)
        except OSError:
            continue
    return found


def attributes(task):
    """Policy, nice, and the length of a turn in nanoseconds."""
    memory = ctypes.create_string_buffer(48)
    if not GETATTR or ctypes.CDLL(None).syscall(GETATTR, task, memory, 48, 0) != 0:
        pytest.skip("sched_getattr is not there")
    _, policy, _, nice, _, slice_ns, _, _ = struct.unpack("IIQiIQQQ", memory.raw)
    return policy, nice, slice_ns


def test_workers_outrank_pool_threads(tmp_path):
    daemon = start(tmp_path)
    # A worker has its name before all else.
    wait_until(lambda: "worker 0" in threads(daemon), what="the worker")
    found = threads(daemon)
    pool = attributes(next(task for name, task in found.items() if name.startswith("compute")))
    assert attributes(found["worker 0"])[:2] == (os.SCHED_OTHER, os.getpriority(os.PRIO_PROCESS, 0))
    assert pool[:2] == (os.SCHED_BATCH, 7)
    assert "threads of pool compute run as SCHED_BATCH at nice 7\n" in daemon.stderr()
    wait_until(lambda: "workers run as SCHED_OTHER at nice " in daemon.stderr(), what="the worker's word")
    if tuple(int(n) for n in os.uname().release.split("-")[0].split(".")[:2]) >= SHORTER_SINCE:
        wait_until(lambda: 0 < attributes(found["worker 0"])[2] < pool[2] or pool[2] == 0, what="shorter turns")
    daemon.stop()


def test_throttling_by_a_quota_is_counted(tmp_path):
    try:
        os.mkdir(GROUP)
        with open(GROUP + "/cpu.cfs_quota_us", "w", encoding="ascii") as file:
            file.write("20000")
    except OSError:
        if os.path.isdir(GROUP):
            os.rmdir(GROUP)
        pytest.skip("no control groups of version 1 to write to")
    daemon = start(tmp_path, before=["sh", "-c", 'echo $$ >"$0"/cgroup.procs; exec "$@"', GROUP])
    try:
        ask(daemon.address, "/heavy")
        wait_until(lambda: ask(daemon.address, "/heavy").status and
                   metrics(daemon.admin)["forebay_cpu_throttled_seconds_total", ()] > 0, 60, "throttling")
    finally:
        daemon.stop()
        while os.path.isdir(GROUP):
            try:
                os.rmdir(GROUP)
            except OSError:
                time.sleep(0.01)


# --- processors of their own -----------------------------------------------------------------

class Placed:
    """A daemon whose threads have processors, and the kernel's word about them."""

    CONF = """
[server]
workers = 2
%(server)s
[admin]
socket = admin.sock
listen = 127.0.0.1:%(admin)d
[pool compute]
threads = %(threads)s
max_wait = 0
%(compute)s
[route job]
match = GET /job
source = compute pbkdf2
input = a
salt = b
iterations = 1000
"""

    def __init__(self, folder, environ=None, conf=CONF, **values):
        self.conf, self.values = conf, dict({"server": "", "compute": "", "threads": "2"}, **values)
        self.values["admin"] = free_port()
        self.daemon = Daemon(folder, conf % self.values, environ=environ)
        self.admin = ("127.0.0.1", self.values["admin"])

    def post(self, target):
        """A command; it must be taken."""
        with Client(os.path.join(self.daemon.folder, "admin.sock"), timeout=30) as c:
            r = c.ask(target, method="POST")
        assert r.status == 200, r

    def reload(self, **values):
        """Other values."""
        with open(self.daemon.path, encoding="utf-8") as file:
            head = file.read()
        old, self.values = self.conf % self.values, dict(self.values, **values)
        with open(self.daemon.path, "w", encoding="utf-8") as file:
            file.write(head.replace(old, self.conf % self.values))
        self.post("/reload")

    def pools(self):
        """By name, as /status has them."""
        return {p["name"]: p for p in json.loads(ask(self.admin, "/status").body)["pools"]}

    def workers(self):
        """Whose processors are what, as /status has them."""
        return [w["cpus"] for w in json.loads(ask(self.admin, "/status").body)["workers"]]

    def processors(self, prefix):
        """Of the threads whose names begin so, in the order of their names."""
        found = threads(self.daemon)
        return [os.sched_getaffinity(found[name]) for name in sorted(found) if name.startswith(prefix)]

    def await_processors(self, prefix, wanted):
        """Threads begin when they can."""
        wait_until(lambda: self.processors(prefix) == wanted, what="%s on %s" % (prefix, wanted))


def text_of(cpus):
    """As the server writes it, for one or two that have no neighbours between them."""
    low, high = min(cpus), max(cpus)
    return str(low) if low == high else "%d%s%d" % (low, "-" if high == low + 1 else ",", high)


def test_workers_and_pools_stay_on_their_processors(tmp_path):
    first, last = MINE[0], MINE[-1]
    both = "%d,%d" % (first, last)
    server = Placed(tmp_path, server="cpus = " + both, compute="cpus = %d" % last)
    server.await_processors("worker", [{first}, {last}])
    server.await_processors("compute", [{last}] * 2)
    wait_until(lambda: server.workers() == [str(first), str(last)], what="/status of workers")
    assert server.pools()["compute"]["cpus"] == str(last) and server.pools()["blocking"]["cpus"] is None
    assert all(cpus == set(MINE) for cpus in server.processors("blocking"))
    # Kept workers and threads move at a reload; these share one processor.
    server.reload(server="cpus = %d" % last, compute="cpus = " + both, threads="3")
    server.await_processors("worker", [{last}] * 2)
    server.await_processors("compute", [{first, last}] * 3)
    assert server.pools()["compute"]["cpus"] == text_of({first, last})
    # Without a list they have what the process has.
    server.reload(server="", compute="")
    server.await_processors("worker", [set(MINE)] * 2)
    server.await_processors("compute", [set(MINE)] * 3)
    assert ask(server.daemon.address, "/job").status == 200
    server.daemon.stop()


def test_processors_that_cannot_be_used_are_an_error_with_its_line(tmp_path):
    path = tmp_path / "forebay.conf"
    path.write_text("[server]\ncpus = %d\n[listen a]\naddress = 127.0.0.1:1\n[pool compute]\nthreads = 1\n"
                    "cpus = %d,%d-%d\n" % (NOWHERE, MINE[0], NOWHERE - 1, NOWHERE))
    code, _, said = run_forebayd("-t", "-c", str(path))
    assert code == 1
    assert "%s:2: [server] cpus: processor 1023 cannot be used: this process may run on " % path in said
    assert "%s:7: [pool compute] cpus: processors 1022-1023 cannot be used: this process may run" % path in said
    path.write_text("[server]\ncpus = %d\n[listen a]\naddress = 127.0.0.1:1\n" % MINE[0])
    code, said, _ = run_forebayd("-t", "-c", str(path))
    assert code == 0 and "%s: 1 worker on processors %d, each on one of its own\n" % (path, MINE[0]) in said


# --- a machine that changes ------------------------------------------------------------------

class Machine:
    """Folders that stand for /proc and /sys: processors, and a control group of version 2."""

    def __init__(self, folder, processors, quota):
        self.folder = str(folder)
        self.put("sys/devices/system/cpu/online", processors)
        self.put("proc/self/status", "Cpus_allowed_list:\t" + processors)
        self.put("proc/self/cgroup", "0::/")
        self.put("proc/self/mountinfo", "38 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw")
        self.give(quota)
        self.environ = {"FOREBAY_TEST_ROOT": self.folder}

    def put(self, name, text):
        """As a whole: nobody reads half of it."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write(text + "\n")
        os.rename(path + ".new", path)

    def give(self, processors):
        """A quota of so many."""
        self.put("sys/fs/cgroup/cpu.max", "%d 100000" % (processors * 100000))


def test_what_the_kernel_refuses_is_said_and_stops_nobody(tmp_path):
    machine = Machine(tmp_path / "root", "0-%d" % NOWHERE, 2)
    server = Placed(tmp_path, environ=machine.environ, server="cpus = %d" % NOWHERE)
    wait_until(lambda: server.daemon.stderr().count("this thread cannot run on processors 1023: Invalid") == 2)
    assert server.processors("worker") == [set(MINE)] * 2
    assert ask(server.daemon.address, "/job").status == 200
    server.daemon.stop()


def test_pools_that_compute_share_what_workers_leave_of_a_quota(tmp_path, monkeypatch):
    machine = Machine(tmp_path / "root", "0-7", 7)
    server = Placed(tmp_path, environ=machine.environ, threads="auto",
                    conf=Placed.CONF.replace("workers = 2", "workers = auto"))

    def sizes():
        return {name: pool["threads"] for name, pool in server.pools().items()}
    assert sizes() == {"compute": 4, "blocking": 4}
    said = "shared by 3 workers and the threads of pools that compute: compute %s; those of other pools mostly " \
        "wait and are not counted: blocking 4"
    assert said % "4" in server.daemon.stderr()
    server.reload(compute="[pool heavy]")
    assert sizes() == {"compute": 2, "heavy": 2, "blocking": 4}
    monkeypatch.setenv("FOREBAY_TEST_ROOT", machine.folder)
    code, out, err = run_forebayd("-t", "-c", server.daemon.path)
    assert code == 0 and said % "2, heavy 2" in out and "more than the quota" not in err
    # What is said by hand stands, with a warning of the sum; auto is what workers leave.
    server.reload(compute="[pool heavy]\nthreads = 5")
    assert sizes() == {"compute": 4, "heavy": 5, "blocking": 4}
    code, out, err = run_forebayd("-t", "-c", server.daemon.path)
    assert code == 0 and "3 workers and 9 compute threads are more than the quota of 7.00 processors" in out + err
    server.daemon.stop()


def follow(machine, server):
    """Quotas, and what becomes of the pools."""
    for quota, wanted in ((8, 4), (1, 1), (6, 3), (3, 2)):
        machine.give(quota)
        wait_until(lambda: server.pools()["compute"]["threads"] == wanted, what="another size")
        assert metrics(server.admin)["forebay_cpu_budget", ()] == quota
    # By hand: that stays, and the others follow.
    server.post("/set?name=pool.compute.threads&value=5")
    machine.give(8)
    wait_until(lambda: server.pools()["blocking"]["threads"] == 4, what="another size")
    assert "workers = auto stays 1 until the next reload, which makes it 4" in server.daemon.stderr()
    assert server.pools()["compute"]["threads"] == 5
    # Until a reload, which takes what there is, workers too.
    server.reload()
    assert server.pools()["compute"]["threads"] == 4
    wait_until(lambda: len(server.processors("worker")) == 4, what="four workers")


def test_pools_follow_a_quota_that_changes_under_load(tmp_path):
    machine = Machine(tmp_path / "root", "0-7", 3)
    server = Placed(tmp_path, environ=machine.environ, threads="auto",
                    conf=Placed.CONF.replace("workers = 2", "workers = auto"))
    assert server.pools()["compute"]["threads"] == 2
    load = Load(server.daemon.address, 4, b"GET /job HTTP/1.1\r\nHost: a\r\n\r\n", 1, True)
    try:
        follow(machine, server)
    finally:
        load.is_stopped = True
        load.join()
    assert load.answered > 0 and not load.refused
    assert "cpu budget 1.0: 8 online, affinity 8, quota 1.0; shared" in server.daemon.stderr()
    server.daemon.stop()
