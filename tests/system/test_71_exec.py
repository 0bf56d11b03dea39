"""External programs: what they are given, what they may take, and how they end, whatever they do."""
import json
import os
import re
import signal
import time

import pytest

from bed import FACTOR, run_forebayd, wait_until
from client import Client, ask

SH = "[program sh]\ncommand = /bin/sh -c\n"
ADMIN = "[admin]\nsocket = admin.sock\n"


def route(name, script, *more, program="sh", arguments=""):
    """A route by that name that runs a script, with $1 and so on behind it."""
    return "[route %s]\nmatch = * /%s/{a...}\nsource = exec %s\narguments = '%s' sh %s\n%s\n" % (
        name, name, program, script, arguments, "\n".join(more))


CONF = ADMIN + SH + """
[server]
workers = 2
[pool exec]
threads = 4
nice = 0
[limits]
max_body = 16m
[program cat]
command = /bin/cat
[program small]
command = /bin/sh -c
max_memory = 256m
max_cpu = 1s
max_files = 20
max_file_size = 4k
[program env]
command = /usr/bin/env
directory = /usr
env.FIXED = from the program
env.BOTH = program
[route cat]
match = POST /cat
source = exec cat
type = application/octet-stream
[route env]
match = GET /env/{who}
source = exec env
env.WHO = {who}
env.BOTH = part
[route words]
match = GET /words/{word}
source = exec sh
arguments = 'for i; do printf "<%s>" "$i"; done' sh a"b c" '' {query.q} --x={word} -- {word}
[route guarded]
match = GET /guarded/{word}
source = exec sh
arguments = true {word}
[route joined]
match = GET /joined
[subrequest joined.good]
source = exec sh
arguments = 'echo "{\\"n\\": 1}"'
type = application/json
[subrequest joined.bad]
source = exec sh
arguments = 'exit 1'
optional = yes
fallback = null
""" + "".join([
    route("fds", "ls /proc/self/fd | wc -l"),
    route("where", "pwd; ulimit -c"),
    route("exit", "exit $1", arguments="{a}"),
    route("kill", "kill -$1 $$", arguments="{a}"),
    route("tree", "sleep 1000 & sleep 1000 & echo $$ >>$1; wait", "deadline = 500ms", arguments="/{a}"),
    route("long", "sleep 1000 & echo $$ >>$1; wait", arguments="/{a}"),
    route("deaf", "trap \"\" TERM; echo $$ >>$1; while :; do sleep 0.05; done", "deadline = %dms" % (1000 * FACTOR),
          arguments="/{a}", program="graceful"),
    route("heir", "trap \"echo told >>$1; exit 0\" TERM; echo $$ >>$1; while :; do sleep 0.05; done",
          "deadline = %dms" % (2000 * FACTOR), arguments="/{a}", program="graceful"),
    route("given", "exit 0", arguments="x{body}"),
    route("mute", "exec >&-; sleep 0.2; exit 0"),
    route("left", "echo here; sleep 1000 & exit 0"),
    route("refuses", "exec <&-; echo unread"),
    route("chatty", "i=0; while [ $i -lt 4000 ]; do echo line $i of many >&2; i=$((i+1)); done; echo done"),
    route("memory", "head -c 600m /dev/zero | tail -c 500m | wc -c", program="small"),
    route("cpu", "while :; do :; done", "deadline = 300s", program="small"),
    route("files", "ulimit -n", program="small"),
    route("filesize", "trap \"\" XFSZ; head -c 100k /dev/zero >$1; stat -c %s $1", program="small", arguments="/{a}"),
]) + "[program graceful]\ncommand = /bin/sh -c\ngrace = %dms\n" % (1000 * FACTOR)


@pytest.fixture(scope="module")
def daemon(start):
    return start(CONF)


def get(daemon, path, body=b"", method="GET"):
    """One request on a connection of its own."""
    with Client(daemon.address, timeout=300) as c:
        return c.ask(path, method=method, body=body)


def children(pid):
    """Of a process, by their ids: (state, command)."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name, encoding="utf-8", errors="replace") as file:
                    text = file.read()
            except OSError:
                continue
            fields = text.rsplit(")", 1)[1].split()
            if int(fields[1]) == pid:
                found[int(name)] = (fields[0], text[text.index("(") + 1:text.rindex(")")])
    return found


def spawner(daemon):
    """The id of the process that starts programs; None without one."""
    found = [pid for pid, (_, command) in children(daemon.pid).items() if command == "spawner"]
    return found[0] if found else None


def group(pid):
    """How many processes of a process group there are, but for zombies."""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name, encoding="utf-8", errors="replace") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            count += int(fields[2]) == pid and fields[0] not in "ZX"
    return count


def pids(path):
    """The numbers in a file that programs write themselves into."""
    if not path.exists():
        return []
    return [int(line) for line in path.read_text().split("\n")[:-1] if line.isdigit()]


# --- what they are given -------------------------------------------------------------------


def test_what_goes_in_comes_out(daemon):
    for size in (0, 1, 65536, 3000000):
        body = os.urandom(size)
        r = get(daemon, "/cat", body, "POST")
        assert r.status == 200 and r.body == body
        assert r.field("content-type") == "application/octet-stream"


def test_the_environment_is_what_was_declared(daemon):
    r = get(daemon, "/env/me%20too")
    assert sorted(r.body.decode().splitlines()) == ["BOTH=part", "FIXED=from the program", "WHO=me too"]


def test_a_template_is_one_argument_whatever_is_in_it(daemon):
    r = get(daemon, "/words/$(id)%3B%20%27%22*?q=%60id%60%20x")
    assert r.body == b"<ab c><><`id` x><--x=$(id); '\"*><--><$(id); '\"*>"


def test_a_value_is_no_option(daemon):
    assert get(daemon, "/guarded/fine").status == 200
    assert get(daemon, "/guarded/-rf").status == 422
    assert get(daemon, "/words/-rf?q=a").body.endswith(b"<--x=-rf><--><-rf>")
    assert get(daemon, "/words/a?q=-x").status == 422
    assert get(daemon, "/given/", b"a\0b", "POST").status == 422
    assert get(daemon, "/given/", b"x" * 100000, "POST").status == 422
    assert get(daemon, "/given/", b"x" * 60000, "POST").status == 200
    assert get(daemon, "/words/a?q=" + "x" * 7000).status == 200


def test_no_descriptor_is_inherited(daemon):
    # Its own three, and that of the folder which ls reads.
    assert get(daemon, "/fds/").body == b"4\n"
    links = os.listdir("/proc/%d/fd" % spawner(daemon))
    assert sorted(map(int, links)) == [0, 1, 2, 3, 4]


def test_it_starts_in_its_folder_and_dumps_no_core(daemon):
    assert get(daemon, "/where/").body == b"/\n0\n"


def test_results_are_joined(daemon):
    r = get(daemon, "/joined")
    assert r.status == 200 and json.loads(r.body) == {"good": {"n": 1}, "bad": None}
    assert re.search(r"bad=error", r.field("forebay-parts"))


# --- how they end --------------------------------------------------------------------------


def test_only_an_exit_with_0_is_success(daemon):
    assert get(daemon, "/exit/0").status == 200
    assert get(daemon, "/exit/3").status == 502
    assert "program sh ([route exit]): it exited with code 3" in daemon.stderr()
    assert get(daemon, "/kill/SEGV").status == 502
    assert "program sh ([route kill]): it was killed by signal 11 (Segmentation fault)" in daemon.stderr()


@pytest.mark.parametrize("path", ["/mute/", "/left/", "/refuses/"])
def test_descriptors_that_are_closed_or_left_open_are_no_hindrance(daemon, path):
    r = get(daemon, path, b"x" * 1000000, "POST")
    assert r.status == 200
    assert r.body == {"/mute/": b"", "/left/": b"here\n", "/refuses/": b"unread\n"}[path]


def test_a_flood_of_errors_is_read_and_bounded(daemon):
    before = len(daemon.stderr())
    assert get(daemon, "/chatty/").body == b"done\n"
    said = wait_until(lambda: re.search(r"program sh \(\[route chatty\]\): (\d+) more bytes .* not shown",
                                        daemon.stderr()[before:]) or
                      "dropped" in daemon.stderr()[before:], what="the rest")
    assert said and daemon.stderr()[before:].count("says: line") <= 100


def test_the_whole_group_is_killed_at_the_deadline(daemon, tmp_path):
    assert get(daemon, "/tree%s/t" % tmp_path).status == 504
    for pid in pids(tmp_path / "t"):
        wait_until(lambda: group(pid) == 0, what="the end of the group")


def test_the_whole_group_is_killed_when_the_client_goes(daemon, tmp_path):
    c = Client(daemon.address)
    c.get("/long%s/l" % tmp_path)
    pid, = wait_until(lambda: pids(tmp_path / "l"), what="the program")
    assert wait_until(lambda: group(pid) == 2, what="its child")
    c.reset()
    begin = time.monotonic()
    wait_until(lambda: group(pid) == 0, what="the end of the group")
    print("dead after %.1f ms" % (1000 * (time.monotonic() - begin)))


def test_grace_is_between_the_two_signals(daemon, tmp_path):
    assert get(daemon, "/heir%s/h" % tmp_path).status == 504
    wait_until(lambda: "told" in (tmp_path / "h").read_text(), what="SIGTERM")
    assert get(daemon, "/deaf%s/d" % tmp_path).status == 504
    wait_until(lambda: all(group(pid) == 0 for pid in pids(tmp_path / "d")), what="SIGKILL")


def test_no_zombie_is_left(daemon):
    with Client(daemon.address, timeout=60) as c:
        for i in range(200):
            assert c.ask("/exit/%d" % (i % 2)).status == (502 if i % 2 else 200)
    for _ in range(20):
        assert get(daemon, "/left/").status == 200
    wait_until(lambda: not children(spawner(daemon)), what="the end of all children")
    assert list(children(daemon.pid)) == [spawner(daemon)]


# --- what they may take --------------------------------------------------------------------


def test_limits_are_kept(daemon, tmp_path):
    assert get(daemon, "/files/").body == b"20\n"
    assert get(daemon, "/filesize%s/f" % tmp_path).body == b"4096\n"
    assert get(daemon, "/memory/").body in (b"0\n", b"")
    before = len(daemon.stderr())
    assert get(daemon, "/cpu/").status == 502
    wait_until(lambda: "it was killed by signal 24" in daemon.stderr()[before:], what="a line in the log")


def test_no_more_run_at_once_than_the_pool_has_threads(start, tmp_path):
    daemon = start(SH + "[pool exec]\nthreads = 1\nmax_queue = 0\n" +
                   route("long", "echo $$ >>$1; exec sleep 1000", arguments="/{a}"))
    with Client(daemon.address) as c:
        c.get("/long%s/l" % tmp_path)
        wait_until(lambda: pids(tmp_path / "l"), what="the program")
        r = get(daemon, "/long%s/l" % tmp_path)
        assert r.status == 503 and r.field("forebay-shed") == "pool.exec.queue" and r.field("retry-after")
    assert len(pids(tmp_path / "l")) == 1


# --- the spawner ---------------------------------------------------------------------------


def test_without_programs_there_is_no_spawner(start):
    daemon = start("[route a]\nmatch = GET /\nsource = fixed\n")
    assert ask(daemon.address, "/").status == 200 and not children(daemon.pid)


def test_a_spawner_that_is_killed_costs_what_runs_and_is_started_again(start, tmp_path):
    daemon = start(CONF)
    first = wait_until(lambda: spawner(daemon), what="the spawner")
    c = Client(daemon.address)
    c.get("/long%s/l" % tmp_path)
    pid, = wait_until(lambda: pids(tmp_path / "l"), what="the program")
    wait_until(lambda: group(pid) == 2, what="its child")
    time.sleep(1.1)  # it is started once a second
    os.kill(first, signal.SIGKILL)
    assert c.response().status == 502
    wait_until(lambda: "the process that starts programs has ended" in daemon.stderr(), what="a line in the log")
    wait_until(lambda: group(pid) == 0, what="the end of the group")
    assert get(daemon, "/exit/0").status == 200
    wait_until(lambda: spawner(daemon), what="the next one")
    assert list(children(daemon.pid)) == [spawner(daemon)] and spawner(daemon) != first


def test_programs_end_with_a_server_that_is_killed(start, tmp_path):
    daemon = start(CONF)
    c = Client(daemon.address)
    c.get("/long%s/l" % tmp_path)
    pid, = wait_until(lambda: pids(tmp_path / "l"), what="the program")
    wait_until(lambda: group(pid) == 2, what="its child")
    helper = spawner(daemon)
    daemon.signal(signal.SIGKILL)
    daemon.process.wait()
    daemon.running.remove(daemon)
    wait_until(lambda: group(pid) == 0 and group(helper) == 0, what="the end of all")


def test_a_reload_leaves_programs_running(start, tmp_path):
    script = "echo $$ >>$1; while [ ! -e $1.go ]; do sleep 0.02; done; echo old"
    daemon = start(ADMIN + SH + route("wait", script, arguments="/{a}"))
    helper = wait_until(lambda: spawner(daemon), what="the spawner")
    with Client(daemon.address) as c:
        c.get("/wait%s/w" % tmp_path)
        wait_until(lambda: pids(tmp_path / "w"), what="the program")
        with open(daemon.path, encoding="utf-8") as file:
            text = file.read()
        with open(daemon.path, "w", encoding="utf-8") as file:
            file.write(text.replace("echo old", "echo new"))
        with Client(os.path.join(daemon.folder, "admin.sock"), timeout=60) as admin:
            assert admin.ask("/reload", method="POST").status == 200
        (tmp_path / "w.go").touch()
        assert c.response().body == b"old\n"
    assert get(daemon, "/wait%s/w" % tmp_path).body == b"new\n"
    assert spawner(daemon) == helper


def test_a_reload_brings_the_first_program(start):
    daemon = start(ADMIN)
    assert not children(daemon.pid)
    with open(daemon.path, "a", encoding="utf-8") as file:
        file.write(SH + route("exit", "exit $1", arguments="{a}"))
    with Client(os.path.join(daemon.folder, "admin.sock"), timeout=60) as admin:
        assert admin.ask("/reload", method="POST").status == 200
    assert get(daemon, "/exit/0").status == 200 and spawner(daemon)


def test_a_drain_waits_for_programs(start):
    daemon = start(SH + route("nap", "sleep 0.3; echo rested"))
    with Client(daemon.address) as c:
        c.get("/nap/")
        wait_until(lambda: children(spawner(daemon)), what="the program")
        daemon.signal()
        assert c.response().body == b"rested\n"
    daemon.wait()


# --- the configuration ---------------------------------------------------------------------


def test_a_program_that_disappears_fails_its_parts(start, tmp_path):
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\necho works\n")
    tool.chmod(0o755)
    daemon = start("[program tool]\ncommand = %s\n[route a]\nmatch = GET /\nsource = exec tool\n" % tool)
    assert ask(daemon.address, "/").body == b"works\n"
    tool.unlink()
    assert ask(daemon.address, "/").status == 502
    assert "program tool ([route a]): it cannot be executed: No such file or directory" in daemon.stderr()


@pytest.mark.parametrize("lines, said", [
    ("command = /no/such/program", "3: [program p] command: /no/such/program: No such file or directory"),
    ("command = /etc/passwd -x", "3: [program p] command: /etc/passwd cannot be executed"),
    ("command = /etc", "3: [program p] command: /etc cannot be executed"),
    ("command = ls", '3: [program p] command: "ls" is no absolute path'),
    ("command = /bin/sh 'x", "3: [program p] command: a quotation mark is missing"),
    ("", "command"),
    ("command = /bin/sh\ndirectory = /no/such/folder", "4: [program p] directory: /no/such/folder is no folder"),
    ("command = /bin/sh\npool = exex", '4: [program p] pool: there is no [pool exex]; did you mean "exec"?'),
    ("command = /bin/sh\nmax_cpu = 10ms", "4: [program p] max_cpu: "),
])
def test_what_is_wrong_is_told_with_its_line(tmp_path, lines, said):
    conf = tmp_path / "forebay.conf"
    conf.write_text("# a comment\n[program p]\n%s\n[listen a]\naddress = 127.0.0.1:1\n"
                    "[route r]\nmatch = GET /\nsource = exec p\n" % lines)
    code, _, err = run_forebayd("-t", "-c", str(conf))
    assert code == 1 and said in err, err


def test_too_many_arguments_are_told(tmp_path):
    conf = tmp_path / "forebay.conf"
    conf.write_text("[listen a]\naddress = 127.0.0.1:1\n" + SH + "[route r]\nmatch = GET /\nsource = exec sh\n"
                    "arguments = %s\n" % " ".join("x" * 40))
    code, _, err = run_forebayd("-t", "-c", str(conf))
    assert code == 1 and ":8: [route r] arguments: more than 31 arguments" in err, err
