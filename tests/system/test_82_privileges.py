"""Started as root: who it is afterwards, and what is left of root's rights."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

from bed import FOREBAYD, Daemon, free_port, run_forebayd, wait_until
from client import Client

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")

CONF = """
[server]
workers = 1
user = %s
[route hello]
match = GET /
source = fixed
body = hi
"""
BIND = 1 << 10  # CAP_NET_BIND_SERVICE
SETS = ("CapInh", "CapPrm", "CapEff", "CapAmb")


@pytest.fixture(name="folder")
def fixture_folder():
    """One that everybody may look into: pytest's own are root's alone."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="forebay-privileges-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def threads(daemon):
    """/proc/PID/task/*/status, of each thread, as dicts."""
    folder = "/proc/%d/task" % daemon.pid
    for thread in os.listdir(folder):
        with open("%s/%s/status" % (folder, thread), encoding="ascii") as file:
            yield dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def capabilities(daemon):
    """The four sets, the same in all threads."""
    found = {tuple(int(thread[name], 16) for name in SETS) for thread in threads(daemon)}
    assert len(found) == 1, found
    return dict(zip(SETS, found.pop()))


def low_ports():
    """Ports below 1024 that nobody listens on."""
    for port in range(600, 1023):
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        yield port


def listen(name, port):
    """A section."""
    return "[listen %s]\naddress = 127.0.0.1:%d\n" % (name, port)


def test_the_admin_socket_is_the_users(folder):
    """Who serves may give commands, and that takes connecting."""
    daemon = Daemon(folder, "[admin]\nsocket = admin.sock\n" + CONF % "nobody")
    seen = os.stat(folder / "admin.sock")
    assert (seen.st_uid, seen.st_gid, seen.st_mode & 0o777) == (65534, 65534, 0o600)
    ctl = os.path.join(os.path.dirname(FOREBAYD), "forebayctl")
    asked = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", ctl, "-s",
                            str(folder / "admin.sock"), "reload"], check=False, capture_output=True, text=True)
    # The file is root's alone to read here or not: what matters is that the command was taken.
    assert asked.returncode in (0, 1) and "reload" in asked.stdout + asked.stderr, asked
    daemon.stop()


def test_nothing_is_left_of_root(folder):
    """All four user ids, the groups and every capability, in every thread."""
    daemon = Daemon(folder, CONF % "nobody")
    for thread in threads(daemon):
        assert thread["Uid"].split() == ["65534"] * 4
        assert thread["Gid"].split() == ["65534"] * 4
        assert thread["Groups"].split() == ["65534"]
    assert capabilities(daemon) == dict.fromkeys(SETS, 0)
    with Client(daemon.address) as client:
        assert client.ask("/").status == 200
    daemon.stop()


def test_a_number_without_a_name_is_a_user_too(folder):
    """As in containers: its group is the same number, and it has no others."""
    daemon = Daemon(folder, CONF % "54321")
    thread = next(threads(daemon))
    assert thread["Uid"].split() == thread["Gid"].split() == ["54321"] * 4
    assert thread["Groups"].split() == []
    daemon.stop()


def test_a_low_port_keeps_one_capability(folder):
    """And only for this process: what it starts does not inherit it. A reload can bind more."""
    ports = low_ports()
    first, second = next(ports), next(ports)
    daemon = Daemon(folder, listen("low", first) + CONF % "nobody", listen=None)
    assert capabilities(daemon) == {"CapInh": 0, "CapPrm": BIND, "CapEff": BIND, "CapAmb": 0}
    with open(daemon.path, "w", encoding="ascii") as file:
        file.write(listen("low", first) + listen("more", second) + CONF % "nobody")
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: "notice reloaded: " in daemon.stderr(), 5, "the reload")
    for port in (first, second):
        with Client(("127.0.0.1", port)) as client:
            assert client.ask("/").status == 200
    daemon.stop()


def test_a_capability_that_was_given_is_given_up(folder):
    """As by a unit's AmbientCapabilities=: of no use without a low port, and not for children with one."""
    program = shutil.copy(FOREBAYD, folder)  # the build may be where only root can look
    given = {"before": ["setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps=-all,+net_bind_service",
                        "--ambient-caps=+net_bind_service", "--", "/bin/sh", "-c", 'exec "%s" "$@"' % program]}
    daemon = Daemon(folder, CONF % "nobody", **given)
    assert capabilities(daemon) == dict.fromkeys(SETS, 0)
    daemon.stop()
    daemon = Daemon(folder, listen("low", next(low_ports())) + CONF % "nobody", listen=None, **given)
    assert capabilities(daemon) == {"CapInh": 0, "CapPrm": BIND, "CapEff": BIND, "CapAmb": 0}
    daemon.stop()


def test_t_looks_at_files_as_the_user(folder):
    """What only root can read is all right for a start, and not for a reload: -t warns of it."""
    conf, more = folder / "f.conf", folder / "more.conf"
    more.write_text("[limits]\nmax_uri = 4k\n", encoding="ascii")
    conf.write_text(listen("a", free_port()) + CONF % "nobody\ninclude = more.conf", encoding="ascii")
    conf.chmod(0o644)
    more.chmod(0o600)
    code, out, said = run_forebayd("-t", "-c", str(conf))
    assert code == 0 and "all right" in out
    assert said == ("%s:6: warning: [server] user: nobody cannot read %s (Permission denied): a reload will fail\n"
                    % (conf, more))
    more.chmod(0o644)
    assert run_forebayd("-t", "-c", str(conf))[::2] == (0, "")


def test_a_user_that_is_not_there_is_an_error(folder):
    """Nothing is served as somebody else."""
    (folder / "f.conf").write_text(listen("a", free_port()) + CONF % "no-such-user", encoding="ascii")
    for arguments in (("-t",), ()):
        code, _, said = run_forebayd(*arguments, "-c", "f.conf", folder=folder)
        assert code == 1 and re.search(r"\[server\] user: there is no user no-such-user", said)
