"""The access log and the error log: what is in them, opened again under load, and disks that are full."""
import collections
import json
import os
import re
import shutil
import signal
import socket
import threading

import pytest

from bed import FOREBAYD, free_port, run_forebayd, wait_until
from client import Client

CONF = """
[server]
workers = %(workers)d
%(server)s
[admin]
listen = 127.0.0.1:%(admin)d
socket = admin.sock
[access_log]
%(access)s
[upstream chaos]
servers = http://127.0.0.1:%(chaos)d
[route hello]
match = * /hello
source = fixed
header.x-kind = plain
body = Hello.
[route echo]
match = POST /echo
source = echo
[route proxy]
match = GET /proxy/{path...}
source = upstream chaos
path = /{path}
[route pair]
match = GET /pair
[subrequest pair.user]
source = fixed
body = x
[subrequest pair.badge]
source = compute digest
input = {user:body}
[subrequest pair.none]
source = upstream chaos
path = /status/404
optional = yes
"""

is_root = os.geteuid() == 0
needs_root = pytest.mark.skipif(not is_root, reason="only root can mount in a namespace of its own")
NAMES = ("time client_address user request_method request_target request_version status bytes_in bytes_out duration "
         "route request_id host referer user_agent parts cut").split()


class Logged:
    """A daemon with an access log."""

    def __init__(self, start, path, chaos, access, server="", flush="5ms", **how):
        self.admin = ("127.0.0.1", free_port())
        self.values = {"admin": self.admin[1], "chaos": chaos.port, "server": server, "workers": 2}
        self.flush = flush
        self.daemon = start(self.text(path, access), **how)

    def text(self, path, access):
        """The configuration, without [listen]."""
        self.path = str(path)
        return CONF % dict(self.values, access="path = %s\nflush = %s\n%s" % (path, self.flush, access))

    def reload(self, path, access, more="", workers=2):
        """Another configuration: the response to POST /reload."""
        self.values["workers"] = workers
        text = self.text(path, access)
        with open(self.daemon.path, "w", encoding="utf-8") as file:
            file.write("[listen test]\naddress = 127.0.0.1:%d\n%s%s" % (self.daemon.port, more, text))
        with Client(os.path.join(self.daemon.folder, "admin.sock"), timeout=30) as c:
            return c.ask("/reload", method="POST")

    def client(self):
        return Client(self.daemon.address)

    def lines(self, count=None, path=None):
        """The lines, once there are so many."""
        def read():
            with open(path or self.path, encoding="utf-8") as file:
                text = file.read()
            assert text == "" or text.endswith("\n") or count is not None
            return text.splitlines()
        if count is not None:
            wait_until(lambda: len(read()) >= count, 5, "%d lines" % count)
        return read()

    def counters(self):
        """Those of the access log: lines, and dropped by reason."""
        with Client(self.admin) as c:
            text = c.ask("/metrics").body.decode()
        found = re.findall(r'(?m)^forebay_access_log_(lines|dropped)_total(?:\{reason="(\w+)"\})? (\d+)$', text)
        return {reason or name: int(value) for name, reason, value in found}


@pytest.fixture(scope="module")
def json_log(start, chaos, tmp_path_factory):
    """A log as JSON, which tests read behind what others have written."""
    return Logged(start, tmp_path_factory.mktemp("log") / "log", chaos, "format = json")


def ask_and_read(logged, ask):
    """What ask(client) leaves in the log: one line."""
    before = len(logged.lines())
    with logged.client() as c:
        got = ask(c)
    line = logged.lines(before + 1)[before]
    return got, json.loads(line)


# --- what is in a line ------------------------------------------------------------------

def test_json_has_every_member_with_its_type(json_log):
    got, line = ask_and_read(json_log, lambda c: c.ask("/hello?a=b", "Referer: http://r/", 'User-Agent: a"\\b\xe9'))
    assert list(line) == NAMES
    assert got.status == line["status"] == 200
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ", line["time"])
    assert (line["client_address"], line["request_method"], line["request_target"], line["request_version"]) == (
        "127.0.0.1", "GET", "/hello?a=b", "HTTP/1.1")
    assert (line["bytes_in"], line["bytes_out"], line["route"], line["host"]) == (0, 6, "hello", "test")
    assert (line["referer"], line["user_agent"], line["cut"]) == ("http://r/", 'a"\\b\xe9', False)
    assert 0 <= line["duration"] < 5
    assert list(line["parts"]) == ["fixed"] and line["parts"]["fixed"]["outcome"] == "ok"


def test_bodies_are_counted(json_log):
    _, line = ask_and_read(json_log, lambda c: c.ask("/echo", method="POST", body=b"x" * 70000))
    assert (line["bytes_in"], line["bytes_out"]) == (70000, 70000)
    _, line = ask_and_read(json_log, lambda c: c.ask("/hello", method="HEAD"))
    assert (line["request_method"], line["bytes_out"]) == ("HEAD", 0)


def test_parts_tell_what_became_of_each(json_log):
    got, line = ask_and_read(json_log, lambda c: c.ask("/pair"))
    said = dict(re.findall(r"(\w+)=([a-z-]+);", got.field("forebay-parts")))
    assert {name: part["outcome"] for name, part in line["parts"].items()} == said == {
        "user": "ok", "badge": "ok", "none": "status"}


def test_duration_covers_the_wait_for_an_upstream(json_log):
    _, line = ask_and_read(json_log, lambda c: c.ask("/proxy/delay/100"))
    assert line["duration"] >= 0.1 and line["parts"]["upstream"]["duration"] >= 0.1


def test_no_route_and_no_method(json_log):
    _, line = ask_and_read(json_log, lambda c: c.ask("/nothing"))
    assert (line["status"], line["route"], line["parts"]) == (404, None, None)
    _, line = ask_and_read(json_log, lambda c: c.ask("/echo", method="DELETE"))
    assert (line["status"], line["route"]) == (405, None)


@pytest.mark.parametrize("sent, status, method, target", [
    (b"GET /x HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n", 400, "GET", "/x"),
    (b"GET /x HTTP/4.2\r\nHost: a\r\n\r\n", 505, "GET", "/x"),
    (b"GET /%41%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "GET", "/%41%zz"),
    (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "GET", "/" + "x" * 9000),
    (b"GET /y HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 17000 + b"\r\n\r\n", 431, "GET", "/y"),
    (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, "\x16\x03\x01\x02\x00\x01", None),
], ids=["field", "version", "path", "target", "head", "garbage"])
def test_refused_requests_are_lines_too(json_log, sent, status, method, target):
    def ask(c):
        c.send(sent)
        return c.response()
    got, line = ask_and_read(json_log, ask)
    assert got.status == line["status"] == status
    assert (line["request_method"], line["request_target"], line["route"]) == (method, target, None)


def test_client_that_went_before_an_answer_is_499(json_log):
    def ask(c):
        c.get("/proxy/delay/5000")
        c.reset()
    _, line = ask_and_read(json_log, ask)
    assert (line["status"], line["cut"], line["route"]) == (499, True, "proxy")
    assert line["parts"]["upstream"]["outcome"] == "cancelled"


def test_client_that_went_in_the_middle_is_cut(json_log):
    def ask(c):
        c.get("/proxy/big/50000000")
        c.head()
        c.exactly(1)
        c.reset()
    _, line = ask_and_read(json_log, ask)
    assert (line["status"], line["cut"]) == (200, True)
    assert 0 < line["bytes_out"] < 50000000


def test_combined_cannot_be_forged(start, chaos, tmp_path):
    logged = Logged(start, tmp_path / "log", chaos, "")
    with logged.client() as c:
        c.ask("/hello", 'User-Agent: x" 200 0 "-" "-\t\xff\\', "Referer: y")
        c.send(b'GET /x"y HTTP/1.1\r\nHost: a\r\n\r\n')
        c.response()
    first, second = logged.lines(2)
    assert re.fullmatch(r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/20\d\d:\d\d:\d\d:\d\d \+0000\] "GET /hello HTTP/1\.1" '
                        r'200 6 "y" "x\\x22 200 0 \\x22-\\x22 \\x22-\\x09\\xC3\\xBF\\x5C"', first), first
    assert '"GET /x\\x22y HTTP/1.1" 400 ' in second


def test_template_of_ones_own(start, chaos, tmp_path):
    logged = Logged(start, tmp_path / "log", chaos, "format = {client.address} {request.method} {request.target} {status} "
                    "{header.X-Mine} {response.header.X-Kind} {parts} {route} {cut}")
    with logged.client() as c:
        c.ask("/hello", "X-Mine: 1")
        c.ask("/pair")
    first, second = logged.lines(2)
    assert first == "127.0.0.1 GET /hello 200 1 plain fixed=ok;0ms hello no"
    assert re.fullmatch(r"127\.0\.0\.1 GET /pair 200 - - user=ok;\d+ms, badge=ok;\d+ms, none=status;\d+ms pair no", second)


def test_lines_go_to_standard_output(start, chaos, tmp_path):
    out = tmp_path / "out"
    logged = Logged(start, "stdout", chaos, "format = {request.target}",
                    before=("sh", "-c", 'exec "$0" "$@" > ' + str(out)))
    with logged.client() as c:
        c.ask("/hello?1")
    logged.daemon.stop()
    assert out.read_text() == "/hello?1\n"


# --- mistakes -----------------------------------------------------------------------------

@pytest.mark.parametrize("section, said", [
    ("[access_log]\npath = x\nformat = {stats}", r":3: \[access_log\] format: there is no field \"stats\"; did you mean \"status\"\?"),
    ("[access_log]\npath = no/such/log", r":2: \[access_log\] path: .*/no/such/log: No such file or directory: make its directory"),
    ("[access_log]\npath = .", r":2: \[access_log\] path: .*: Is a directory: name a file in it"),
    ("[log]\ntarget = no/such/log", r":2: \[log\] target: .*/no/such/log: No such file or directory"),
    ("[log]\nlevel = loud", r":2: \[log\] level: \"loud\" is none of: error, warning, notice, debug"),
], ids=["field", "folder", "no file", "error log", "level"])
def test_mistakes_are_found_by_t_and_nothing_is_made(tmp_path, section, said):
    conf = tmp_path / "forebay.conf"
    conf.write_text(section + "\n[listen a]\naddress = 127.0.0.1:1\n")
    for arguments in (("-t", "-c", str(conf)), ("-c", str(conf))):
        code, _, stderr = run_forebayd(*arguments)
        assert code == 1
        assert re.search(said, stderr), stderr
    assert os.listdir(tmp_path) == ["forebay.conf"]


def test_check_makes_no_log(tmp_path):
    conf = tmp_path / "forebay.conf"
    conf.write_text("[access_log]\npath = a\n[log]\ntarget = b\n[listen a]\naddress = 127.0.0.1:1\n")
    assert run_forebayd("-t", "-c", str(conf))[0] == 0
    assert os.listdir(tmp_path) == ["forebay.conf"]


# --- under load -----------------------------------------------------------------------------

class Load:
    """Clients that ask as fast as they get answers, each request with a number of its own."""

    def __init__(self, logged, clients=4, keep=True):
        self.logged, self.is_over, self.failed = logged, threading.Event(), []
        self.asked = [0] * clients
        run = self.run if keep else self.run_afresh
        self.threads = [threading.Thread(target=run, args=(i,)) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, who):
        try:
            with self.logged.client() as c:
                while not self.is_over.is_set():
                    number = self.asked[who]
                    c.send(b"".join(b"GET /hello?%d.%d HTTP/1.1\r\nHost: a\r\n\r\n" % (who, number + i)
                                    for i in range(10)))
                    for _ in range(10):
                        assert c.response().status == 200
                    self.asked[who] += 10
        except Exception as error:  # pylint: disable=broad-except
            self.failed.append(error)

    def run_afresh(self, who):
        """A connection for each request."""
        try:
            while not self.is_over.is_set():
                with self.logged.client() as c:
                    assert c.ask("/hello?%d.%d" % (who, self.asked[who]), "Connection: close").status == 200
                self.asked[who] += 1
        except Exception as error:  # pylint: disable=broad-except
            self.failed.append(error)

    def expected(self):
        """What stands behind the question mark of each."""
        return {"%d.%d" % (who, n) for who, count in enumerate(self.asked) for n in range(count)}

    def wait_for(self, more):
        """Until so many more have been answered."""
        so_far = sum(self.asked)
        wait_until(lambda: self.failed or sum(self.asked) >= so_far + more, 20, "%d requests" % more)
        assert not self.failed, self.failed

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join(20)
        assert not self.failed, self.failed


def test_sigusr1_under_load_loses_no_line_and_no_request(start, chaos, tmp_path):
    logged = Logged(start, tmp_path / "log", chaos, "format = {request.query}\nbuffer = 4k\nbuffers = 1024")
    load = Load(logged)
    for i in range(8):
        load.wait_for(300)
        os.rename(logged.path, "%s.%d" % (logged.path, i))
        logged.daemon.signal(signal.SIGUSR1)
        wait_until(lambda: os.path.exists(logged.path), 5, "the new file")
    load.wait_for(300)
    load.stop()
    logged.daemon.stop()
    seen = collections.Counter(logged.lines())
    for i in range(8):
        lines = logged.lines(path="%s.%d" % (logged.path, i))
        assert lines, "nothing went to file %d" % i
        seen.update(lines)
    assert set(seen) == load.expected()
    assert set(seen.values()) == {1}


def test_reload_under_load_loses_no_line(start, chaos, tmp_path):
    """Path, format, buffers and workers change; those that leave have lines, too."""
    logged = Logged(start, tmp_path / "a", chaos, "format = {request.query}", flush="1h")
    kept, fresh = Load(logged, 2), Load(logged, 2, keep=False)
    for i in range(10):
        fresh.wait_for(50)
        if i == 5:
            kept.stop()  # workers leave from now on
        r = logged.reload(tmp_path / "ab"[i % 2], "format = %s{request.query}\nbuffer = %dk" % (("x", "")[i % 2], 4 + i),
                          workers=(1 + i % 3) if i >= 5 else 2)
        assert r.status == 200, r
    fresh.stop()
    logged.daemon.stop()
    seen = collections.Counter(line.lstrip("x") for name in "ab" for line in logged.lines(path=tmp_path / name))
    assert seen == collections.Counter(kept.expected()) + collections.Counter(fresh.expected())


def test_reload_takes_logs_with_all_else_or_not_at_all(start, chaos, tmp_path):
    logged = Logged(start, tmp_path / "a", chaos, "format = {request.query}")
    old = str(tmp_path / "a")
    r = logged.reload(tmp_path / "b", "format = {stats}")
    assert r.status == 422 and b"there is no field" in r.body, r
    r = logged.reload(tmp_path / "no" / "b", "")
    assert r.status == 422 and b"No such file or directory" in r.body, r
    r = logged.reload(tmp_path / "b", "format = {request.query}", more="[log]\ntarget = no/such/log\n")
    assert r.status == 422 and b"no/such/log" in r.body, r
    with logged.client() as c:
        c.ask("/hello?1")
    assert logged.lines(1, old) == ["1"]
    r = logged.reload(tmp_path / "b", "format = {status}", more="[log]\ntarget = %s\nformat = json\n" % (tmp_path / "error"))
    assert r.status == 200, r
    with logged.client() as c:
        c.ask("/hello?2")
    assert logged.lines(1) == ["200"]
    assert any("reloaded" in json.loads(line)["message"] for line in (tmp_path / "error").read_text().splitlines())
    # None any more.
    with open(logged.daemon.path, encoding="utf-8") as file:
        text = re.sub(r"(?s)\[access_log\].*?\[", "[", file.read(), count=1)
    with open(logged.daemon.path, "w", encoding="utf-8") as file:
        file.write(text)
    with Client(os.path.join(logged.daemon.folder, "admin.sock")) as c:
        assert c.ask("/reload", method="POST").status == 200
    with logged.client() as c:
        c.ask("/hello?3")
    logged.daemon.stop()
    assert logged.lines() == ["200"]


def test_last_lines_are_written_before_the_end(start, chaos, tmp_path):
    logged = Logged(start, tmp_path / "log", chaos, "format = {request.query}", flush="1h")
    with logged.client() as c:
        for i in range(50):
            c.ask("/hello?%d" % i)
    logged.daemon.stop()
    assert logged.lines() == [str(i) for i in range(50)]


def let_nobody_in(folder):
    """Root may write anywhere: the daemon becomes somebody else, whose folder it is."""
    shutil.chown(folder, "nobody")
    for up in folder.parents:
        if up.owner() == "root" and up.stat().st_mode & 0o1 == 0:
            up.chmod(up.stat().st_mode | 0o1)


def test_file_that_cannot_be_opened_again_is_written_on(start, chaos, tmp_path):
    folder = tmp_path / "log"
    folder.mkdir()
    if is_root:
        let_nobody_in(folder)
    logged = Logged(start, folder / "log", chaos, "format = {request.query}",
                    server="user = nobody" if is_root else "")
    with logged.client() as c:
        c.ask("/hello?1")
        logged.lines(1)
        os.rename(logged.path, logged.path + ".1")
        if is_root:
            shutil.chown(folder, "root")
        folder.chmod(0o555)
        logged.daemon.signal(signal.SIGUSR1)
        wait_until(lambda: "going on with the old file" in logged.daemon.stderr(), 5, "the complaint")
        c.ask("/hello?2")
        assert logged.lines(2, logged.path + ".1") == ["1", "2"]
        folder.chmod(0o777)
        logged.daemon.signal(signal.SIGUSR1)
        wait_until(lambda: os.path.exists(logged.path), 5, "the new file")
        c.ask("/hello?3")
        assert logged.lines(1) == ["3"]
    assert "Permission denied: let this user write there" in logged.daemon.stderr()


# --- disks that are full --------------------------------------------------------------------

@needs_root
def test_full_disk_costs_lines_and_no_request(start, chaos, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    # In a namespace of its own, so that nothing stays mounted.
    logged = Logged(start, disk / "log", chaos, "format = json", before=(
        "unshare", "--mount", "sh", "-c",
        'mount -t tmpfs -o size=64k none %s && : > %s && exec "$0" "$@"' % (disk, disk / "log")))
    inside = "/proc/%d/root%s" % (logged.daemon.pid, disk / "log")
    requests = 0
    with logged.client() as c:
        while logged.counters()["disk"] == 0:
            for _ in range(50):
                assert c.ask("/hello").status == 200
            requests += 50
            assert requests < 20000
        for _ in range(50):
            assert c.ask("/hello").status == 200
        requests += 50
        wait_until(lambda: sum(logged.counters().values()) == requests, 5, "all lines' end")
        assert logged.daemon.stderr().count("No space left on device; lines are dropped") == 1
        # Room again: somebody moves the log away.
        os.unlink(inside)
        logged.daemon.signal(signal.SIGUSR1)
        wait_until(lambda: os.path.exists(inside), 5, "the new file")
        c.ask("/hello?back")
        wait_until(lambda: "/hello?back" in logged.lines(path=inside)[-1:][0] if logged.lines(path=inside) else False,
                   5, "a line in the new file")
    lost = logged.counters()["disk"]
    assert lost >= 50 and sum(logged.counters().values()) == requests + 1
    assert "written again; %d lines were lost" % lost in logged.daemon.stderr()
    for line in logged.lines(path=inside):
        json.loads(line)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_device_that_is_full_costs_lines_and_no_request(start, chaos):
    logged = Logged(start, "/dev/full", chaos, "format = json")
    with logged.client() as c:
        for _ in range(300):
            assert c.ask("/hello").status == 200
    wait_until(lambda: logged.counters() == {"lines": 0, "buffer": 0, "disk": 300, "long": 0}, 5, "the count")
    assert logged.daemon.stderr().count("lines are dropped until it can be written") == 1


def test_reader_that_does_not_read_costs_lines_and_no_request(start, chaos, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    logged = Logged(start, fifo, chaos, "format = json\nbuffers = 2\nbuffer = 16k")
    load = Load(logged, 2)
    load.wait_for(3000)
    load.stop()
    wait_until(lambda: sum(logged.counters().values()) == sum(load.asked), 10, "all lines' end")
    dropped = logged.counters()
    assert dropped["lines"] > 0 and dropped["disk"] + dropped["buffer"] > 0
    logged.daemon.stop()
    os.close(reader)


# --- the error log --------------------------------------------------------------------------

LISTEN = "[route a]\nmatch = GET /\nsource = fixed\nbody = x\n"


def test_error_log_in_a_file_as_json_opened_again(start, tmp_path):
    log = str(tmp_path / "error.log")
    daemon = start("[log]\ntarget = %s\nformat = json\n%s" % (log, LISTEN), log=log)
    with Client(daemon.address) as c:
        c.send(b'GET \x01"\r\n\r\n')
        c.response()
    os.rename(log, log + ".1")
    daemon.signal(signal.SIGUSR1)
    wait_until(lambda: "opening the log files again" in daemon.stderr(), 5, "the new file")
    daemon.stop()
    seen = []
    for path in (log + ".1", log):
        with open(path, encoding="utf-8") as file:
            seen += [json.loads(line) for line in file]
    assert all(set(line) == {"time", "level", "thread", "message"} for line in seen)
    assert any(line["level"] == "debug" and line["thread"].startswith("worker") for line in seen)
    assert seen[-1]["message"] == "stopped"
    assert os.stat(log).st_mode & 0o777 == 0o640


def test_error_log_on_a_stream_of_the_journals_has_priorities(start, tmp_path):
    stderr = tmp_path / "stream"
    stderr.write_text("")
    found = os.stat(stderr)
    daemon = start(LISTEN, log=str(stderr), environ={"JOURNAL_STREAM": "%d:%d" % (found.st_dev, found.st_ino)},
                   before=("sh", "-c", 'exec "$0" "$@" 2>> ' + str(stderr)))
    assert re.search(r"(?m)^<5>listening on 127", daemon.stderr())
    assert not re.search(r"(?m)^(?!<[3457]>)", daemon.stderr().rstrip("\n"))


def fields_of(datagram):
    """Fields of the journal's native protocol, those of one line each."""
    return dict(line.split(b"=", 1) for line in datagram.split(b"\n") if b"=" in line)


def is_built_with_systemd():
    with open(FOREBAYD, "rb") as program:
        return b"libsystemd.so" in program.read()


@needs_root
@pytest.mark.skipif(not is_built_with_systemd(), reason="built without libsystemd")
def test_error_log_in_the_journal(start, tmp_path):
    """The test takes the journal's place, in a mount namespace."""
    log, seen = tmp_path / "seen", []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(tmp_path / "journal"))

        def collect():
            while True:
                fields = fields_of(journal.recv(65536))
                if b"MESSAGE" not in fields:
                    return
                seen.append(fields)
                with open(log, "ab") as file:
                    file.write(fields[b"MESSAGE"] + b"\n")
        thread = threading.Thread(target=collect)
        thread.start()
        daemon = start("[log]\ntarget = journal\n" + LISTEN, log=str(log), before=(
            "unshare", "--mount", "sh", "-c",
            "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && : > /run/systemd/journal/socket && "
            'mount --bind %s /run/systemd/journal/socket && exec "$0" "$@"' % (tmp_path / "journal")))
        with Client(daemon.address) as c:
            c.send(b"GET nonsense\r\n\r\n")
            c.response()
        daemon.stop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.connect(str(tmp_path / "journal"))
            end.send(b"END=1")
        thread.join(10)
    assert {line[b"SYSLOG_IDENTIFIER"] for line in seen} == {b"forebayd"}
    stopped = seen[-1]
    assert (stopped[b"MESSAGE"], stopped[b"PRIORITY"], stopped[b"FOREBAY_THREAD"]) == (b"stopped", b"5", b"main")
    assert any(line[b"PRIORITY"] == b"7" and line[b"FOREBAY_THREAD"].startswith(b"worker") for line in seen)


@pytest.mark.skipif(not os.path.exists("/run/systemd/journal/socket"), reason="there is no journal here")
def test_error_log_in_the_journal_of_this_machine(start, tmp_path):
    conf = tmp_path / "forebay.conf"
    conf.write_text("[log]\ntarget = journal\n[listen a]\naddress = 127.0.0.1:1\n")
    assert run_forebayd("-t", "-c", str(conf))[0] == 0


@pytest.mark.skipif(os.path.exists("/run/systemd/journal/socket"), reason="there is a journal here")
def test_no_journal_is_a_mistake(tmp_path):
    conf = tmp_path / "forebay.conf"
    conf.write_text("[log]\ntarget = journal\n[listen a]\naddress = 127.0.0.1:1\n")
    code, _, stderr = run_forebayd("-t", "-c", str(conf))
    assert code == 1 and ":2: [log] target: " in stderr, stderr
