"""What passes between systemd and the daemon, without systemd: the test takes its place."""
import os
import re
import select
import shutil
import signal
import socket
import subprocess

import pytest

from bed import FACTOR, FOREBAYD, Daemon, free_port, run_forebayd, wait_until
from client import Client

CONF = """
[server]
workers = 2
grace = 2s
[route hello]
match = GET /
source = fixed
body = hi
"""


def is_built_with_systemd():
    """Whether the program has libsystemd: its library is among those that it needs."""
    with open(FOREBAYD, "rb") as program:
        return b"libsystemd.so" in program.read()


FOREBAYCTL = os.environ.get("FOREBAYCTL") or os.path.join(os.path.dirname(FOREBAYD), "forebayctl")
needs_libsystemd = pytest.mark.skipif(not is_built_with_systemd(), reason="built without libsystemd")


class Manager:
    """Who NOTIFY_SOCKET leads to."""

    def __init__(self, folder):
        self.path = os.path.join(str(folder), "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)

    def hears(self, field, seconds=30.0):
        """The next message with that field, as a dict; others before it are passed over."""
        while select.select([self.socket], [], [], seconds * FACTOR)[0]:
            lines = self.socket.recv(65536).decode().splitlines()
            fields = dict(line.split("=", 1) for line in lines)
            if field in fields:
                return fields
        raise AssertionError("nobody said %s within %g s" % (field, seconds * FACTOR))


@pytest.fixture(name="manager")
def fixture_manager(tmp_path):
    """A Manager of one test."""
    one = Manager(tmp_path)
    yield one
    one.socket.close()


@needs_libsystemd
def test_says_when_it_serves_and_when_it_ends(tmp_path, manager):
    """READY=1 comes with the listeners open, STOPPING=1 with the time that draining may take."""
    daemon = Daemon(tmp_path, CONF, environ={"NOTIFY_SOCKET": manager.path})
    assert manager.hears("READY") == {"READY": "1", "STATUS": "serving: 2 workers, 1 route"}
    with socket.create_connection(daemon.address, 5 * FACTOR) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        daemon.signal(signal.SIGTERM)
        fields = manager.hears("STOPPING")
    assert fields["STATUS"] == "draining"
    assert int(fields["EXTEND_TIMEOUT_USEC"]) > 2_000_000  # more than grace
    daemon.wait()


@needs_libsystemd
def test_a_start_that_fails_is_not_called_ready(tmp_path, manager):
    """A configuration with a mistake: not a word but the error."""
    with pytest.raises(AssertionError):
        Daemon(tmp_path, CONF + "[route other]\n", environ={"NOTIFY_SOCKET": manager.path})
    wait_until(lambda: Daemon.running[-1].process.poll() is not None, 5, "its end")
    Daemon.running.pop()
    with pytest.raises(AssertionError):
        manager.hears("READY", 0.1)


# --- watchdog -------------------------------------------------------------------------

def watched(manager, period, **more):
    """An environment in which the manager waits for a sign of life every `period` seconds."""
    return {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": str(int(period * FACTOR * 1e6)), **more}


@needs_libsystemd
def test_the_watchdog_is_fed_in_time(tmp_path, manager):
    """In each period, from the first moment on; idle and with an admin listener."""
    conf = "[admin]\nlisten = 127.0.0.1:%d\n" % free_port() + CONF
    daemon = Daemon(tmp_path, conf, environ=watched(manager, 2))
    for _ in range(5):
        manager.hears("WATCHDOG", 2)
    daemon.stop()


@needs_libsystemd
def test_the_watchdog_follows_workers_that_come_and_go(tmp_path, manager):
    """A ping every few milliseconds, while reloads change the number of workers: all come home."""
    daemon = Daemon(tmp_path, CONF, environ={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "20000"})
    with open(daemon.path, encoding="ascii") as file:
        conf = file.read()
    for round_ in range(40):
        workers = 1 + round_ % 5
        with open(daemon.path, "w", encoding="ascii") as file:
            file.write(conf.replace("workers = 2", "workers = %d" % workers))
        daemon.signal(signal.SIGHUP)
        manager.hears("RELOADING")
        assert manager.hears("READY")["STATUS"] == "serving: %d worker%s, 1 route" % (workers, "s" * (workers > 1))
        manager.hears("WATCHDOG")
    daemon.stop()


@needs_libsystemd
def test_a_worker_that_does_not_turn_is_not_covered_up(tmp_path, manager):
    """One of two workers stands still: no more signs of life, and the log says which."""
    path = tmp_path / "wedge"
    daemon = Daemon(tmp_path, CONF, environ=watched(manager, 0.8, FOREBAY_TEST_WEDGE=str(path)))
    wait_until(lambda: "FOREBAY_TEST_WEDGE is set" in daemon.stderr())
    manager.hears("WATCHDOG")
    path.touch()
    wait_until(lambda: "stands still from now on" in daemon.stderr(), 5, "the wedge")
    while select.select([manager.socket], [], [], 0.4 * FACTOR)[0]:
        manager.socket.recv(65536)  # what was said before
    with pytest.raises(AssertionError):
        manager.hears("WATCHDOG", 2)
    assert re.search(r"warning worker [01] has not turned for \d+ ms; if it goes on, the watchdog ends this process",
                     daemon.stderr())
    Daemon.running.remove(daemon)
    daemon.process.kill()
    daemon.process.wait()


@needs_libsystemd
def test_without_a_watchdog_nothing_is_fed(tmp_path, manager):
    """And the test's switch does nothing."""
    path = tmp_path / "wedge"
    path.touch()
    daemon = Daemon(tmp_path, CONF, environ={"NOTIFY_SOCKET": manager.path, "FOREBAY_TEST_WEDGE": str(path)})
    with pytest.raises(AssertionError):
        manager.hears("WATCHDOG", 0.3)
    assert path.exists()
    daemon.stop()


# --- units ----------------------------------------------------------------------------

BUILD = os.path.dirname(os.path.abspath(FOREBAYD))
SERVICE, SOCKET = (os.path.join(BUILD, "conf/systemd/forebay." + kind) for kind in ("service", "socket"))


def needs(program, *arguments):
    """Skips where the tool is missing, or too old for what is asked of it."""
    if not shutil.which(program):
        pytest.skip("there is no %s (package systemd)" % program)
    done = subprocess.run([program, *arguments, "--help"], stdout=subprocess.PIPE, check=False, timeout=60)
    return done.stdout.decode()


def test_the_units_are_as_systemd_wants_them(tmp_path):
    """systemd-analyze verify: known directives, sound values, programs that can be started."""
    needs("systemd-analyze")
    for path in (SERVICE, SOCKET):
        with open(path, encoding="ascii") as unit:
            text = unit.read()
        assert "@" not in re.sub(r"@(system-service|privileged|resources)", "", text)
        # Nothing is installed here: any program will do, and the pages are not there yet.
        text = re.sub(r"(?m)^(Exec\w+)=\S+", r"\1=/bin/true", text)
        (tmp_path / os.path.basename(path)).write_text(text, encoding="ascii")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(tmp_path / "forebay.service"),
                           str(tmp_path / "forebay.socket")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          cwd=tmp_path, check=False, timeout=60)
    assert (done.returncode, done.stdout.decode()) == (0, "")


def test_the_service_is_locked_in():
    """systemd-analyze security: 2.0 of 10 at most."""
    if "--offline" not in needs("systemd-analyze"):
        pytest.skip("this systemd-analyze cannot judge a unit offline (systemd 250)")
    done = subprocess.run(["systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=20", SERVICE],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60)
    assert done.returncode == 0, done.stdout.decode()


# --- socket activation ----------------------------------------------------------------

# As systemd does it: descriptors from 3 on, and their names.
PASS = """
import fcntl, os, sys
high = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[1].split(",")]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(high)), LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"""


def passing(**sockets):
    """What Daemon takes to be started with these sockets, by their names."""
    numbers = [one.fileno() for one in sockets.values()]
    names = ":".join(name.rstrip("_") for name in sockets)
    return {"before": ["/usr/bin/python3", "-c", PASS, ",".join(map(str, numbers)), names],
            "inherit": numbers, "listen": None}


def listening(address=None):
    """A socket that listens, on a free port or a path."""
    one = socket.socket(socket.AF_UNIX if address else socket.AF_INET)
    one.bind(address or ("127.0.0.1", 0))
    one.listen(64)
    return one


WEB = "[listen web]\naddress = systemd:web\n"


def ask(address):
    """The status of one request on a connection of its own."""
    with Client(address) as client:
        return client.ask("/", "Connection: close").status


def test_serves_on_sockets_that_it_is_given(tmp_path):
    """By name, whatever their order; unix sockets too, and for the admin listeners."""
    control = str(tmp_path / "control")
    with listening() as web, listening() as admin, listening(control) as path:
        conf = WEB + "[admin]\nlisten = systemd:admin\nsocket = systemd:control\n" + CONF
        daemon = Daemon(tmp_path, conf, **passing(control=path, admin=admin, web=web))
        assert ask(web.getsockname()) == 200
        with Client(admin.getsockname()) as client:
            assert client.ask("/livez").status == 200
        done = subprocess.run([FOREBAYCTL, "--socket", control, "status"], stdout=subprocess.PIPE, check=True,
                              timeout=10 * FACTOR)
        assert b"systemd:web" in done.stdout
        daemon.stop()
        assert os.path.exists(control)  # systemd's, not ours to remove


def test_a_given_socket_goes_on_with_the_next_process(tmp_path):
    """Connections that come after the drain began wait for the successor: none is refused."""
    with listening() as web:
        for folder in ("a", "b", "c"):
            (tmp_path / folder).mkdir()
            daemon = Daemon(tmp_path / folder, WEB + CONF, **passing(web=web))
            assert ask(web.getsockname()) == 200
            daemon.stop()
            waiting = Client(web.getsockname())
            waiting.get("/", "Connection: close")
        daemon = Daemon(tmp_path, WEB + CONF, **passing(web=web))
        assert waiting.response().status == 200
        daemon.stop()


def test_a_reload_that_comes_back_to_a_name_gets_the_same_socket(tmp_path):
    """Dropped, it waits unanswered; and who waited is answered when the name is there again."""
    other = "[listen other]\naddress = 127.0.0.1:%d\n" % free_port()

    def reload(conf):
        before = daemon.stderr().count("notice reloaded: ")
        with open(daemon.path, "w", encoding="ascii") as file:
            file.write(conf)
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: daemon.stderr().count("notice reloaded: ") > before, 5, "the reload")

    with listening() as web:
        daemon = Daemon(tmp_path, WEB + other + CONF, **passing(web=web))
        for _ in range(3):
            reload(other + CONF)
            waiting = Client(web.getsockname())
            waiting.get("/", "Connection: close")
            assert waiting.is_quiet()
            reload(WEB + other + CONF)
            assert waiting.response().status == 200
            waiting.close()
            assert ask(web.getsockname()) == 200
        daemon.stop()


def test_who_waited_at_the_drain_is_served(tmp_path):
    """What is in the backlog when the drain begins is taken; it may have waited for long."""
    with listening() as web:
        clients = []
        for _ in range(20):
            clients.append(Client(web.getsockname()))
            clients[-1].get("/", "Connection: close")
        daemon = Daemon(tmp_path, WEB + CONF, **passing(web=web))
        daemon.signal()
        for client in clients:
            assert client.response().status == 200
            client.close()
        daemon.wait()


def run_passing(folder, conf, **sockets):
    """Runs it to its end with sockets; what it said."""
    path = folder / "f.conf"
    path.write_text(conf + CONF, encoding="ascii")
    given = passing(**sockets)
    done = subprocess.run([*given["before"], FOREBAYD, "-c", str(path)], pass_fds=given["inherit"], check=False,
                          stderr=subprocess.PIPE, timeout=10 * FACTOR)
    assert done.returncode == 1
    return done.stderr.decode()


def test_a_name_that_was_not_passed_is_an_error_with_its_line(tmp_path):
    """With what was passed and the nearest of it; all of them, in one run."""
    with listening() as web, listening() as admin:
        said = run_passing(tmp_path, "[listen a]\naddress = systemd:wbe\n[listen b]\naddress = systemd:zzz\n",
                           web=web, admin=admin)
    assert ('f.conf:2: [listen a] address: cannot listen on systemd:wbe: systemd passed no socket of that name; '
            'did you mean "web"?; it passed "web", "admin"\n') in said
    assert ("f.conf:4: [listen b] address: cannot listen on systemd:zzz: systemd passed no socket of that name; "
            'it passed "web", "admin"\n') in said


def test_sockets_that_do_not_fit_are_errors(tmp_path):
    """One that does not listen, datagrams, and a name that two have."""
    with socket.socket() as idle, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, \
            listening() as web, listening() as other:
        conf = "[listen a]\naddress = systemd:%s\n"
        assert ("cannot listen on systemd:idle: that is no stream socket that listens; its unit needs "
                "ListenStream= and Accept=no") in run_passing(tmp_path, conf % "idle", idle=idle)
        assert "that is no stream socket" in run_passing(tmp_path, conf % "dgram", dgram=datagrams)
        assert "more than one socket of that name" in run_passing(tmp_path, conf % "web", web=web, web_=other)


def test_without_sockets_the_error_says_where_they_come_from(tmp_path):
    """Started by hand; -t cannot know and says that it is all right."""
    (tmp_path / "f.conf").write_text(WEB + CONF, encoding="ascii")
    assert run_forebayd("-t", "-c", "f.conf", folder=tmp_path)[0] == 0
    code, out, _ = run_forebayd("--dump", "-c", "f.conf", folder=tmp_path)
    assert code == 0 and "address = systemd:web\n" in out
    code, _, said = run_forebayd("-c", "f.conf", folder=tmp_path)
    assert code == 1
    assert ("f.conf:2: [listen web] address: cannot listen on systemd:web: systemd passed no sockets; start it "
            "through a socket unit with FileDescriptorName=, or write an address\n") in said


def test_a_socket_that_nobody_uses_is_mentioned(tmp_path):
    """The operator has enabled the unit and forgotten the address."""
    with listening() as web:
        given = dict(passing(web=web), listen="")
        daemon = Daemon(tmp_path, CONF, **given)
        assert 'warning systemd passed socket "web", but no address is systemd:web\n' in daemon.stderr()
        daemon.stop()


def test_variables_for_another_process_are_not_ours(tmp_path):
    """LISTEN_PID is a parent's: its descriptors are none of our business."""
    port = free_port()
    daemon = Daemon(tmp_path, "[listen a]\naddress = 127.0.0.1:%d\n" % port + CONF, listen=None,
                    environ={"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "7", "LISTEN_FDNAMES": "a:b"})
    assert ask(("127.0.0.1", port)) == 200
    daemon.stop()
