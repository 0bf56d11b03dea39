"""[limits] inflight_bytes: large requests are refused, bodies wait, large parts fall back; small ones notice nothing."""
import os
import re
import signal
import sqlite3

import pytest

from bed import Daemon, free_port, wait_until
from client import Client, ask, metrics

MB = 1 << 20
HELD = 9 * MB  # gathered in a block of 16 MB
MEMORY = "/sys/fs/cgroup/memory"
CONF = """
[server]
workers = 2

[admin]
listen = 127.0.0.1:%(admin)d

[listen own]
address = 127.0.0.1:%(own)d

[limits]
mode = %(mode)s
max_body = 64m
body_idle_timeout = 600s
inflight_bytes = %(bytes)s

[upstream own]
servers = http://127.0.0.1:%(own)d

[route small]
match = GET /small
source = fixed
body = small

[database numbers]
url = sqlite:%(folder)s/numbers.db

[route rows]
match = GET /rows
deadline = 60s
source = sql numbers
query = SELECT printf('%%.*c', :bytes, 'x') AS x
bind.bytes = {query.bytes}
max_result = 4m

[route gather]
match = POST /gather
deadline = 600s
source = fixed
body = {body}

[route blob]
match = GET /files/{path...}
source = file
root = %(folder)s/files
""" + "".join("""
[route %(name)s]
match = GET /%(name)s
deadline = 60s
[subrequest %(name)s.large]
source = upstream own
path = /files/blob
max_result = 16m
as = text
optional = %(optional)s
[subrequest %(name)s.little]
source = fixed
type = application/json
body = 1
""" % {"name": name, "optional": optional} for name, optional in (("may", 'yes\nfallback = "less"'), ("must", "no")))


class Server(Daemon):
    """With a folder of files, and limits that can be changed."""

    def __init__(self, folder, size="1g", mode="enforce", before=()):
        folder.chmod(0o755)
        (folder / "files").mkdir()
        (folder / "files" / "blob").write_bytes(b"x" * MB)
        sqlite3.connect(folder / "numbers.db").execute("CREATE TABLE t (a)").connection.close()
        (folder / "numbers.db").chmod(0o666)
        self.admin = ("127.0.0.1", free_port())
        own = free_port()
        super().__init__(folder, CONF % {"admin": self.admin[1], "own": own, "bytes": size, "mode": mode,
                                         "folder": folder}, before=before)

    def count(self, name, **labels):
        return sum(n for (found, those), n in metrics(self.admin).items()
                   if found == name and labels.items() <= dict(those).items())

    def used(self):
        return self.count("forebay_inflight_bytes")

    def shed(self, mode="enforce"):
        return self.count("forebay_shed_total", limit="bytes", mode=mode)

    def limit(self, size):
        """So many bytes are the limit from now on."""
        with open(self.path, encoding="utf-8") as file:
            conf = file.read()
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(re.sub(r"inflight_bytes = .*", "inflight_bytes = %d" % size, conf))
        self.signal(signal.SIGHUP)
        wait_until(lambda: self.count("forebay_inflight_limit_bytes") == size, what="the new limit")


class Holder:
    """A client whose request body is being gathered, and stays there."""

    def __init__(self, server):
        before = server.used()
        self.client = Client(server.address, timeout=60)
        self.client.send(b"POST /gather HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (HELD + 1))
        self.client.send(b"x" * HELD)
        wait_until(lambda: server.used() >= before + 15 * MB, 30, "memory that is used")
        self.server, self.used = server, server.used()

    def __enter__(self):
        return self

    def at(self, share):
        """What it holds is that share of the limit."""
        self.server.limit(round(self.used / share))
        return self

    def __exit__(self, *_):
        self.client.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    daemon = Server(tmp_path_factory.mktemp("inflight"))
    yield daemon
    daemon.stop()


@pytest.fixture
def holder(server):
    with Holder(server) as found:
        yield found
    wait_until(lambda: server.used() < found.used - 8 * MB, 30, "memory that is free again")
    server.limit(1 << 30)


def post(server, size):
    return ask(server.address, "/gather", method="POST", body=b"x" * size)


def is_refused(r):
    assert r.status == 503 and r.field("forebay-shed") == "bytes", r
    assert int(r.field("retry-after")) >= 1
    return True


def test_a_body_that_is_gathered_is_in_the_gauge(server, holder):
    assert server.count("forebay_inflight_limit_bytes") == 1 << 30
    holder.client.send(b"y")
    r = holder.client.response()
    assert r.status == 200 and len(r.body) == HELD + 1


def test_what_caches_may_hold_comes_on_top(tmp_path):
    server = Server(tmp_path)
    try:
        with open(server.path, "a", encoding="utf-8") as file:
            file.write("[cache kept]\nsize = 64m\n")
        server.signal(signal.SIGHUP)
        wait_until(lambda: server.count("forebay_inflight_limit_bytes") == (1 << 30) + 64 * MB, what="the new limit")
    finally:
        server.stop()


def test_below_all_levels_nobody_notices(server, holder):
    holder.at(0.5)
    before = server.count("forebay_inflight_pauses_total")
    assert post(server, 100000).status == 200
    assert server.count("forebay_inflight_pauses_total") == before


def test_above_80_percent_bodies_wait_for_one_another(server, holder):
    holder.at(0.85)
    before = server.count("forebay_inflight_pauses_total")
    assert [post(server, 10).status for _ in range(4)] == [200] * 4
    assert server.count("forebay_inflight_pauses_total") >= before + 4
    assert ask(server.address, "/small").body == b"small"


def test_above_90_percent_large_requests_are_refused(server, holder):
    holder.at(0.95)
    before = server.shed()
    refused = server.count("forebay_requests_refused_total", reason="inflight_bytes")
    assert is_refused(post(server, 100000))
    with Client(server.address) as c:
        c.send(b"POST /gather HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert is_refused(c.response())
    assert post(server, 1000).status == 200
    assert ask(server.address, "/small").status == 200
    assert server.shed() == before + 2
    assert server.count("forebay_requests_refused_total", reason="inflight_bytes") == refused + 2


def test_at_100_percent_large_optional_parts_fall_back(server, holder):
    holder.at(1.2)
    before = server.count("forebay_inflight_cut_total")
    r = ask(server.address, "/may")
    assert r.status == 200 and b'"less"' in r.body and "large=shed" in r.field("forebay-parts"), r
    assert is_refused(ask(server.address, "/must"))
    assert server.count("forebay_inflight_cut_total") == before + 2


def test_at_100_percent_a_large_result_of_a_job_is_dropped(server, holder):
    holder.at(1.2)
    before = server.count("forebay_inflight_cut_total")
    assert is_refused(ask(server.address, "/rows?bytes=200000"))
    assert len(ask(server.address, "/rows?bytes=2000").body) > 2000
    assert server.count("forebay_inflight_cut_total") == before + 1
    holder.at(0.5)
    assert len(ask(server.address, "/rows?bytes=2000000").body) > 2000000
    assert ask(server.address, "/rows?bytes=5000000").status == 502


def test_at_100_percent_a_body_that_grows_is_given_up(server, holder):
    holder.at(1.2)
    holder.client.send(b"y")
    assert is_refused(holder.client.response())


def test_when_memory_is_free_again_all_is_as_before(server):
    with Holder(server) as holder:
        holder.at(1.2)
        assert is_refused(post(server, 100000))
    wait_until(lambda: post(server, 100000).status == 200, 30, "an answer")
    wait_until(lambda: b"less" not in ask(server.address, "/may").body, 30, "a part that does not fall back")
    server.limit(1 << 30)


def test_in_shadow_it_is_only_counted(tmp_path):
    server = Server(tmp_path, mode="shadow")
    with Holder(server) as holder:
        holder.at(1.2)
        assert post(server, 100000).status == 200
        assert ask(server.address, "/must").status == 200
        assert server.shed("shadow") >= 2 and server.shed() == 0
    server.stop()


def test_by_default_it_is_a_share_of_what_the_control_group_may_have(tmp_path):
    group = os.path.join(MEMORY, "forebay-test-%d" % os.getpid())
    try:
        os.mkdir(group)
        with open(os.path.join(group, "memory.limit_in_bytes"), "w", encoding="ascii") as file:
            file.write(str(512 * MB))
    except OSError:
        if os.path.isdir(group):
            os.rmdir(group)
        pytest.skip("no control groups of version 1 to write to")
    server = Server(tmp_path, size="60%", before=["sh", "-c", 'echo $$ >"$0"/cgroup.procs; exec "$@"', group])
    try:
        assert server.count("forebay_inflight_limit_bytes") == 512 * MB // 100 * 60
    finally:
        server.stop()
        os.rmdir(group)
