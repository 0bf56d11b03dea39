"""Modules in processes of their own: what a job does there costs that job, and nobody else."""
import json
import os
import re
import signal
import struct
import threading
import time

import pytest

from bed import FACTOR, FOREBAYD, cells, free_port, run_forebayd, wait_until
from client import Client, ask

BUILD = os.path.dirname(os.path.abspath(FOREBAYD))
MODULES = os.environ.get("TEST_MODULES") or os.path.join(BUILD, "tests/support/modules")
CONF = """
[admin]
socket = admin.sock
listen = 127.0.0.1:%%d
[server]
workers = 2
module_path = %s
[pool compute]
threads = %%d
max_wait = 0ms
order = fifo
nice = 0
%%s
[module wild]
path = wild.so
%%s
[route wild]
match = POST /wild
source = compute wild
[route slow]
match = POST /slow
source = compute wild
deadline = 300ms
""" % MODULES


# What the module does to itself is not for sanitizers to report.
QUIET = {name: os.environ.get(name, "") + ":handle_segv=0:handle_abort=0"
         for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS")}
# Where a thread never ends, those that do are not joined.
QUIET["TSAN_OPTIONS"] += ":report_thread_leaks=0"


def serve(start, keys="", threads=2, pool=""):
    """A daemon with the module, and a port for its metrics."""
    port = free_port()
    daemon = start(CONF % (port, threads, pool, keys), environ=QUIET)
    daemon.admin = ("127.0.0.1", port)
    return daemon


@pytest.fixture(scope="module")
def daemon(start):
    return serve(start)


def post(daemon, body, path="/wild"):
    """One request on a connection of its own."""
    with Client(daemon.address, timeout=60) as c:
        return c.ask(path, method="POST", body=body)


def count(daemon, name):
    """One of the counters of modules."""
    text = ask(daemon.admin, "/metrics").body.decode()
    return int(re.search(r"(?m)^%s (\d+)$" % re.escape(name), text).group(1))


def running(daemon):
    """Jobs that run in the pool now."""
    text = ask(daemon.admin, "/status").body.decode()
    return any(pool["running"] for pool in json.loads(text)["pools"] if pool["name"] == "compute")


# --- what works ----------------------------------------------------------------------------


def test_a_module_that_asks_for_it_runs_in_a_process_of_its_own(daemon):
    r = post(daemon, b"hello")
    assert r.status == 201 and r.body == b"hello" and r.field("x-wild") == "yes"
    assert r.field("content-type") == "text/plain; charset=utf-8"
    pid = int(post(daemon, b"pid").body)
    assert pid != daemon.pid and pid in cells(daemon)
    for size in (0, 1, 65536, 1000000):
        body = b"=" + os.urandom(size)
        assert post(daemon, body).body == body


def test_its_section_has_the_last_word(start):
    daemon = serve(start, "isolate = thread")
    assert int(post(daemon, b"pid").body) == daemon.pid and not cells(daemon)


def test_any_module_can_be_isolated(start, tmp_path):
    daemon = start("[server]\nmodule_path = %s\n[module good]\npath = good.so\nisolate = process\nledger = %s\n"
                   "greeting = good day\ntimes = 2\nsandbox = no\n"
                   "[route greet]\nmatch = GET /greet/{name}\nsource = compute greet\nname = {name}\n"
                   "[route keep]\nmatch = GET /keep\nsource = compute keep\n"
                   "[route fill]\nmatch = GET /fill\nsource = compute fill\nbytes = 2m\n"
                   "[route fail]\nmatch = GET /fail\nsource = compute fail\ninput = {request.method}\n"
                   "[pool compute]\nthreads = 1\n" % (MODULES, tmp_path / "ledger"))
    assert ask(daemon.address, "/greet/Ada?maybe=x").body == \
        b"good day, Adagood day, Ada there 1 2000000 4096 -5 1500 0 5"
    assert b" absent " in ask(daemon.address, "/greet/Ada").body
    assert [ask(daemon.address, "/keep").body for _ in range(3)] == [b"1", b"2", b"3"]
    assert ask(daemon.address, "/fill").status == 502
    assert ask(daemon.address, "/fail").status == 502
    assert "compute job fail: no such thing: GET" in daemon.stderr()
    daemon.stop()
    # Of the trial, and of the process: it ended in order.
    lines = (tmp_path / "ledger").read_text().splitlines()
    assert lines.count("init") == 1 and lines.count("fini") == 2


def test_a_process_has_no_descriptors_but_its_own(daemon):
    # Standard ones, and the socket.
    assert post(daemon, b"descriptors").body == b"0 1 2 4 "


@pytest.mark.skipif(FACTOR > 1, reason="sanitizers need more than the sandbox allows: it is not entered")
def test_the_sandbox_refuses_what_reaches_beyond_the_process(daemon):
    code, said, _ = run_forebayd("--version")
    if re.search(r"seccomp +no", said):
        pytest.skip("built without libseccomp")
    assert code == 0
    assert post(daemon, b"refusals").body == b"open 1, socket 1, fork 1, execve 1"


@pytest.mark.skipif(FACTOR > 1, reason="sanitizers map more address space than any limit")
def test_its_memory_is_bounded(start):
    daemon = serve(start, "max_memory = 512m")
    assert post(daemon, b"memory").status == 502 and "no memory" in daemon.stderr()
    assert post(serve(start), b"memory").body == b"memory"


def test_what_it_says_is_in_the_log(daemon):
    assert post(daemon, b"chatter").status == 201
    wait_until(lambda: post(daemon, b"hello") and "module wild says: this is chatter" in daemon.stderr(),
               what="the line")


# --- before the first request --------------------------------------------------------------


def reload(daemon):
    """What came of it."""
    with Client(os.path.join(daemon.folder, "admin.sock"), timeout=60) as c:
        return c.ask("/reload", method="POST")


def test_no_request_waits_for_an_init_at_start_or_after_a_reload(start):
    daemon = serve(start, "nap = %dms\n[route prompt]\nmatch = POST /prompt\nsource = compute wild\n"
                          "deadline = %dms" % (1000 * FACTOR, 400 * FACTOR))
    before = cells(daemon)
    assert len(before) == 2
    assert int(post(daemon, b"pid", "/prompt").body) in before
    assert reload(daemon).status == 200
    pid = int(post(daemon, b"pid", "/prompt").body)
    assert pid in cells(daemon) and pid not in before
    wait_until(lambda: len(cells(daemon)) == 2, what="the end of those before")


def test_a_process_that_cannot_become_ready_fails_a_reload(start):
    daemon = serve(start, threads=1)
    with open(daemon.path, encoding="utf-8") as file:
        conf = file.read()
    with open(daemon.path, "w", encoding="utf-8") as file:
        file.write(conf.replace("path = wild.so", "path = wild.so\nbirth = refused"))
    r = reload(daemon)
    assert r.status != 200 and b"a process of its own cannot serve: born to refuse" in r.body
    assert post(daemon, b"hello").status == 201


def test_the_end_does_not_wait_for_an_init(start):
    daemon = serve(start, threads=1)
    with open(daemon.path, encoding="utf-8") as file:
        conf = file.read()
    with open(daemon.path, "w", encoding="utf-8") as file:
        file.write(conf.replace("path = wild.so", "path = wild.so\nnap = 60s"))
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: len(cells(daemon)) == 2, what="the process that is being prepared")
    # It would end by itself after ten seconds, and not well.
    daemon.stop()


def test_a_process_that_cannot_become_ready_fails_the_start(tmp_path):
    path = tmp_path / "forebay.conf"
    path.write_text("[server]\nmodule_path = %s\n[listen web]\naddress = unix:%s\n[module wild]\npath = wild.so\n"
                    "birth = refused\n[route wild]\nmatch = POST /wild\nsource = compute wild\n"
                    % (MODULES, tmp_path / "web.sock"))
    code, _, said = run_forebayd("-c", str(path))
    assert code == 1 and "forebay.conf:6: [module wild] path: a process of its own cannot serve: born to refuse" in said


# --- what does not -------------------------------------------------------------------------


@pytest.mark.parametrize("act, said", [
    ("null", r"killed by signal 11|exited with code"),
    ("abort", r"killed by signal 6|exited with code"),
    ("exit", r"exited with code 0"),
])
def test_a_crash_costs_one_502(start, act, said):
    daemon = serve(start, threads=1)
    pid = int(post(daemon, b"pid").body)
    assert post(daemon, act.encode()).status == 502
    assert re.search(r"module wild: job wild crashed: it (was )?(%s)" % said, daemon.stderr()), daemon.stderr()
    assert post(daemon, b"hello").status == 201
    assert int(post(daemon, b"pid").body) != pid
    assert count(daemon, "forebay_module_crashes_total") == 1


def test_a_process_has_no_secrets_of_the_environment(start):
    around = dict(QUIET, SECRET="of a database", NAMED=MODULES, EMPTY="")
    daemon = start(CONF.replace("path = wild.so", "path = ${NAMED}/wild.so") % (free_port(), 1, "", "max_memory = ${LIMIT:-0}"),
                   environ=around)
    for name, value in (("SECRET", "(none)"), ("NAMED", MODULES), ("PATH", os.environ["PATH"]), ("HOME", "(none)")):
        assert post(daemon, b"getenv " + name.encode()).body.decode() == value, name


def test_a_process_that_lies_is_ended(start):
    daemon = serve(start, threads=1)
    assert post(daemon, b"lie").status == 502
    assert "its process is ended: the peer broke the protocol" in daemon.stderr()
    assert post(daemon, b"hello").status == 201


def test_an_endless_loop_costs_its_process_at_the_deadline(start):
    daemon = serve(start, threads=1)
    pid = int(post(daemon, b"pid").body)
    assert post(daemon, b"loop", "/slow").status == 504
    assert int(post(daemon, b"pid").body) != pid
    assert "job wild did not end when nobody waited any more: killed" in daemon.stderr()
    assert count(daemon, "forebay_module_overruns_total") == 1
    assert count(daemon, "forebay_module_crashes_total") == 0


def test_a_job_that_heeds_its_cancellation_keeps_its_process(start):
    daemon = serve(start, threads=1)

    def keeps(path, leave):
        # On a busy machine it may not get the time to heed anything.
        pid = int(post(daemon, b"pid").body)
        with Client(daemon.address, timeout=60) as c:
            c.get(path, method="POST", body=b"patient")
            if leave:
                wait_until(lambda: running(daemon), what="the job")
                c.reset()
            else:
                assert c.response().status == 504
        return int(post(daemon, b"pid").body) == pid
    wait_until(lambda: keeps("/slow", False), what="a process that outlives a deadline")
    wait_until(lambda: keeps("/wild", True), what="a process that outlives a client")
    assert count(daemon, "forebay_module_crashes_total") == 0


def test_a_run_that_is_cancelled_while_it_is_handed_over_leaves_nothing_behind(start):
    # Longer than a socket holds, and given up at many times, so that some are in the middle; its
    # last bytes would be a frame that takes in the runs after it.
    daemon = serve(start, "[route brief]\nmatch = POST /brief\nsource = compute wild\nmax_body = 64m\n", threads=1)
    body = bytes(24 << 20) + struct.pack("=IIQ", 2, 0, 1 << 20)
    for turn in range(12):
        with Client(daemon.address, timeout=60) as c:
            c.get("/brief", method="POST", body=body)
            wait_until(lambda: running(daemon), what="the job")
            time.sleep(0.002 * turn)
            c.reset()
        assert post(daemon, b"hello").body == b"hello", daemon.stderr()
    assert count(daemon, "forebay_module_crashes_total") == 0, daemon.stderr()


def test_an_input_that_crashed_twice_is_not_run_again(start):
    daemon = serve(start, threads=1)
    for _ in range(2):
        assert post(daemon, b"null and more").status == 502
    pid = int(post(daemon, b"pid").body)
    for _ in range(3):
        assert post(daemon, b"null and more").status == 502
    assert int(post(daemon, b"pid").body) == pid
    assert count(daemon, "forebay_module_crashes_total") == 2
    assert count(daemon, 'forebay_module_refused_total{reason="input"}') == 3
    assert post(daemon, b"null, another one").status == 502
    assert count(daemon, "forebay_module_crashes_total") == 3


def test_a_module_that_crashes_over_and_over_is_not_run_for_a_while(start):
    daemon = serve(start, threads=1)
    for i in range(10):
        assert post(daemon, b"null %d" % i).status == 502
    if count(daemon, "forebay_module_crashes_total") == 10 and "and is not run for" in daemon.stderr():
        assert post(daemon, b"hello").status == 502
        assert count(daemon, 'forebay_module_refused_total{reason="breaker"}') >= 1
    else:
        assert FACTOR > 1  # slower than ten crashes within 10 s


def test_a_process_that_is_killed_between_jobs_is_replaced(start):
    daemon = serve(start, threads=1)
    pid = int(post(daemon, b"pid").body)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pid not in cells(daemon), what="its end")
    assert wait_until(lambda: post(daemon, b"hello").status == 201, what="another")


def test_no_process_and_no_descriptor_is_left_by_crashes_and_reloads(start):
    daemon = serve(start)
    assert post(daemon, b"hello").status == 201

    def settled():
        return len(cells(daemon)) <= 2 and daemon.descriptors()
    assert reload(daemon).status == 200
    before = len(wait_until(settled))
    for i in range(8):
        assert post(daemon, b"abort %d" % i).status == 502
        assert reload(daemon).status == 200
        assert post(daemon, b"hello").status == 201
    # Two threads, each with at most one process; four descriptors of each.
    wait_until(lambda: len(cells(daemon)) <= 2 and len(daemon.descriptors()) <= before + 8, what="the end of the rest")


def test_jobs_of_several_threads_do_not_meet(daemon):
    wrong = []

    def ask_often(letter):
        for i in range(30):
            body = b"=" + letter * (1 + 997 * i)
            if post(daemon, body).body != body:
                wrong.append(letter)
    threads = [threading.Thread(target=ask_often, args=(letter,)) for letter in (b"a", b"b", b"c", b"d")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


# --- in threads ----------------------------------------------------------------------------


def threads(daemon):
    """The threads of the pool compute."""
    folder = "/proc/%d/task" % daemon.pid
    names = []
    for task in os.listdir(folder):
        try:
            with open("%s/%s/comm" % (folder, task), encoding="utf-8") as file:
                names.append(file.read().strip())
        except OSError:
            continue
    return sorted(name for name in names if name.startswith("compute/"))


def test_an_endless_loop_in_a_thread_costs_one_thread_and_is_named(start):
    daemon = serve(start, "isolate = thread", threads=1, pool="lost_after = 200ms")
    with Client(daemon.address, timeout=60) as c:
        r = c.ask("/slow", "X-Request-Id: the-one-that-loops", method="POST", body=b"loop")
    assert r.status == 504
    wait_until(lambda: "another thread serves instead of compute/0" in daemon.stderr(), what="another thread")
    assert re.search(r"pool compute: thread compute/0 is lost: it has run wild of module wild of \[route slow\] "
                     r"for \d+ ms, \d+ ms past the deadline \(request \S+\)", daemon.stderr()), daemon.stderr()
    assert post(daemon, b"hello").status == 201
    assert count(daemon, 'forebay_stalls_total{kind="job"}') == 1
    lost, = wait_until(lambda: [s for s in json.loads(ask(daemon.admin, "/stalls").body)["stalls"]
                                if s["kind"] == "job"], what="its record")
    assert (lost["thread"], lost["what"], lost["route"]) == ("compute/0", "wild of module wild", "slow")
    assert lost["lasted_ms"] >= 500 and "(request %s)" % lost["request"] in daemon.stderr()
    assert threads(daemon) == ["compute/0", "compute/1"]
    # A SIGTERM would wait for it for 10 s.
    daemon.signal(signal.SIGKILL)
    daemon.process.wait()
    daemon.running.remove(daemon)


KEEPING = """isolate = thread
[module good]
path = good.so
ledger = %s
greeting = number-0
[route keep]
match = GET /keep
source = compute keep
[access_log]
path = access.log
flush = 5m
"""


def test_reloads_settings_and_the_end_do_not_wait_for_a_lost_thread(start, tmp_path):
    ledger = tmp_path / "ledger"
    daemon = serve(start, KEEPING % ledger, pool="lost_after = 200ms")

    def command(target):
        with Client(os.path.join(daemon.folder, "admin.sock"), timeout=60) as c:
            return c.ask(target, method="POST").status

    def reload(greeting):
        with open(daemon.path, encoding="utf-8") as file:
            conf = re.sub("number-[0-9]", greeting, file.read())
        with open(daemon.path, "w", encoding="utf-8") as file:
            file.write(conf)
        return command("/reload")

    def closed():
        """How often the module was closed, but for trials."""
        lines = ledger.read_text().splitlines()
        return lines.count("fini") - lines.count("trial")
    assert ask(daemon.address, "/keep").status == 200
    assert post(daemon, b"loop", "/slow").status == 504
    wait_until(lambda: "another thread serves instead of" in daemon.stderr(), what="another thread")
    for i in range(1, 4):
        assert reload("number-%d" % i) == 200
        assert ask(daemon.address, "/keep").status == 200
        assert command("/set?name=pool.compute.threads&value=%d" % (2 + i)) == 200
    # The lost job holds the first site, and nothing the second and the third.
    wait_until(lambda: closed() == 2, what="the end of the second and the third site")
    daemon.signal()
    assert daemon.process.wait(60 * FACTOR) == 1
    daemon.running.remove(daemon)
    assert re.search("pool compute: thread compute/. has not come back from the job that it is lost in",
                     daemon.stderr())
    with open(os.path.join(daemon.folder, "access.log"), encoding="utf-8") as file:
        assert len(file.read().splitlines()) == 5


def test_a_thread_that_comes_back_leaves_as_many_as_there_should_be(start):
    daemon = serve(start, "isolate = thread", threads=1, pool="lost_after = 200ms")
    assert post(daemon, b"doze", "/slow").status == 504
    wait_until(lambda: "another thread serves instead of compute/0" in daemon.stderr(), what="another thread")
    assert post(daemon, b"hello").status == 201
    wait_until(lambda: "has come back" in daemon.stderr(), what="its return")
    wait_until(lambda: len(threads(daemon)) == 1, what="the end of one of both")
    assert post(daemon, b"hello").status == 201
