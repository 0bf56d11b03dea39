"""Where the processors go: workers before pool threads, and what a quota takes."""
import ctypes
import os
import struct
import time

import pytest

from bed import Daemon, free_port, wait_until
from client import ask, metrics

GROUP = "/sys/fs/cgroup/cpu/forebay-test-%d" % os.getpid()
GETATTR = {"x86_64": 315, "aarch64": 275}.get(os.uname().machine)
SHORTER_SINCE = (6, 12)
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
    """Ids by name."""
    found = {}
    for task in os.listdir("/proc/%d/task" % daemon.pid):
        with open("/proc/%d/task/%s/comm" % (daemon.pid, task), encoding="ascii") as file:
            found[file.read().strip()] = int(task)
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
    found = threads(daemon)
    worker = attributes(found["worker 0"])
    pool = attributes(next(task for name, task in found.items() if name.startswith("compute")))
    daemon.stop()
    assert worker[:2] == (os.SCHED_OTHER, os.getpriority(os.PRIO_PROCESS, 0))
    assert pool[:2] == (os.SCHED_BATCH, 7)
    if tuple(int(n) for n in os.uname().release.split("-")[0].split(".")[:2]) >= SHORTER_SINCE:
        assert 0 < worker[2] < pool[2] or pool[2] == 0


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
