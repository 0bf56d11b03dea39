"""What programs write goes to the client as it comes: how slowly that may be, and what becomes of it when one of the two
ends in the middle."""
import re

import pytest

from bed import FACTOR, wait_until
from client import Client
from client2 import Client2
from test_71_exec import SH, group, pids, route

SIZE = 50 << 20

CONF = "[server]\nworkers = 1\n[pool exec]\nthreads = 4\nnice = 0\n" + SH + \
    "[program bounded]\ncommand = /bin/sh -c\nmax_output = 100000\n" + "".join([
        route("large", "i=0; while [ $i -lt 50 ]; do head -c 1m /dev/zero; i=$((i+1)); echo $i >$1; done",
              "deadline = 300s", arguments="/{a}"),
        route("fails", "echo begun; while [ ! -e $1 ]; do sleep 0.02; done; exit 3", "deadline = 300s",
              arguments="/{a}"),
        route("goes", "echo $$ >>$1; sleep 1000 & exec cat /dev/zero", "deadline = 300s", arguments="/{a}"),
        route("waits", "echo $$ >>$1; echo begun; sleep 1000 & wait", "deadline = 300s", arguments="/{a}"),
        route("mute", "echo $$ >>$1; exec >&-; sleep 1000 & wait", "deadline = %dms" % (600 * FACTOR),
              arguments="/{a}"),
        route("shut", "echo $$ >>$1; echo begun; exec >&-; sleep 1000 & wait", "deadline = %ds" % (4 * FACTOR),
              arguments="/{a}"),
        route("long", "echo $$ >>$1; echo begun; exec sleep 1000", "deadline = %ds" % (4 * FACTOR),
              arguments="/{a}"),
        route("empty", "exit 0"),
        route("talks", "echo one; while [ ! -e $1 ]; do sleep 0.02; done; echo two", "deadline = 300s",
              arguments="/{a}"),
        route("more", "echo $$ >>$1; exec cat /dev/zero", program="bounded", arguments="/{a}"),
        route("exact", "head -c 100000 /dev/zero", program="bounded"),
    ])


@pytest.fixture(scope="module")
def daemon(start):
    return start(CONF)


def most_memory(daemon):
    """Bytes that it has had at once, ever."""
    with open("/proc/%d/status" % daemon.pid, encoding="utf-8") as file:
        return int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1)) << 10


def begin(client, path):
    """Its head, and what came with the first chunk."""
    client.get(path)
    head = client.head()
    assert head.status == 200 and head.field("transfer-encoding") == "chunked", head
    return client.exactly(int(client.line(), 16))


def is_cut(client):
    """All that comes, without the chunk that would be the last."""
    data = client.pending
    try:
        while client.more():
            data = (data + client.pending)[-20:]
            client.pending = b""
    except ConnectionResetError:
        pass
    return not data.endswith(b"0\r\n\r\n")


def is_dead(path):
    """One that was ended before it could say who it is has left nothing to look for."""
    return wait_until(lambda: all(group(pid) == 0 for pid in pids(path)), what="the end of its group")


def test_what_it_writes_is_sent_before_it_ends(daemon, tmp_path):
    with Client(daemon.address) as c:
        assert begin(c, "/talks%s/t" % tmp_path) == b"one\n"
        (tmp_path / "t").touch()
        assert c.exactly(16) == b"\r\n4\r\ntwo\n\r\n0\r\n\r\n"
        r = c.ask("/empty/")
        assert r.status == 200 and r.body == b"" and r.field("content-length") == "0"


def test_a_client_that_reads_slowly_slows_the_program(daemon, tmp_path):
    before, progress, looks = most_memory(daemon), tmp_path / "p", []

    def has_stalled():
        looks.append(progress.read_text() if progress.exists() else "")
        return looks[-1] and looks[-10:].count(looks[-1]) == 10

    with Client(daemon.address, timeout=300) as c:
        c.get("/large%s" % progress)
        # As much is written as pipes and sockets hold.
        wait_until(has_stalled, what="a program that waits")
        assert c.head().status == 200
        size, end = c.pending.count(0), c.pending
        while not end.endswith(b"\r\n0\r\n\r\n"):
            data = c.socket.recv(1 << 16)
            assert data
            size, end = size + data.count(0), (end + data)[-20:]
    assert size == SIZE and progress.read_text() == "50\n"
    assert most_memory(daemon) - before < (16 << 20) * FACTOR


def test_a_failure_behind_the_first_byte_cuts_the_answer(daemon, tmp_path):
    with Client(daemon.address) as c:
        assert begin(c, "/fails%s/f" % tmp_path) == b"begun\n"
        (tmp_path / "f").touch()
        assert is_cut(c)
    with Client2(daemon.address) as c:
        stream = c.request("/fails%s/g" % tmp_path)
        c.until(lambda _: stream in c.answers and c.answers[stream].body == b"begun\n")
        (tmp_path / "g").touch()
        answer = c.answer(stream)
        assert answer.error is not None and not answer.is_whole
    assert daemon.stderr().count("program sh ([route fails]): it exited with code 3") == 2


@pytest.mark.parametrize("path", ["goes", "waits"])
def test_a_client_that_leaves_midway_ends_the_whole_group(daemon, tmp_path, path):
    with Client(daemon.address) as c:
        begin(c, "/%s%s/p" % (path, tmp_path))
        c.reset()
    assert is_dead(tmp_path / "p")


def test_the_deadline_ends_one_that_only_has_closed_its_output(daemon, tmp_path):
    with Client(daemon.address) as c:
        c.get("/mute%s/m" % tmp_path)
        assert c.response().status == 504
    assert is_dead(tmp_path / "m")


def test_the_deadline_cuts_the_answer_of_one_that_lives_on(daemon, tmp_path):
    with Client(daemon.address) as shut, Client(daemon.address) as long:
        for c, path in ((shut, "shut"), (long, "long")):
            assert begin(c, "/%s%s/%s" % (path, tmp_path, path)) == b"begun\n"
        assert is_cut(shut) and is_cut(long)
    assert is_dead(tmp_path / "shut") and is_dead(tmp_path / "long")


def test_max_output_cuts_the_answer(daemon, tmp_path):
    with Client(daemon.address) as c:
        begin(c, "/more%s/p" % tmp_path)
        assert is_cut(c)
        assert is_dead(tmp_path / "p")
    with Client(daemon.address) as c:
        assert len(c.ask("/exact/").body) == 100000
