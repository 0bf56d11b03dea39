"""Commands over the admin socket: who may give them, what becomes of them, and forebayctl, which does."""
import json
import os
import shutil
import socket
import stat
import subprocess
import tempfile

import pytest

import bed
from client import Client, ask, metrics
from test_50_admin import FOREBAYCTL, Admin, control

COMMANDS = ["drain", "purge", "reload", "set"]
NOBODY = 65534

# Sends a command as another user, with nothing but what every machine has.
ASK = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"POST /" + sys.argv[2].encode() + b" HTTP/1.0\\r\\n\\r\\n")
print(b"".join(iter(lambda: s.recv(4096), b"")).decode())
"""


@pytest.fixture(scope="module")
def admin(start, tmp_path_factory):
    a = Admin(start, tmp_path_factory.mktemp("commands"))
    yield a
    a.held.stop()


@pytest.fixture
def own(start, tmp_path):
    """A daemon that the test ends."""
    a = Admin(start, tmp_path)
    yield a
    a.held.stop()


def is_draining(a):
    return a.ask("/readyz").body == b"draining\n"


# --- who may, and how -------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_nobody_commands_over_tcp(admin, command):
    key = ("forebay_commands_total", (("command", command), ("outcome", "forbidden")))
    before = metrics(admin.address)[key]
    r = admin.ask("/" + command, method="POST")
    assert (r.status, r.field("cache-control")) == (403, "no-store")
    assert b"admin socket only" in r.body
    r = admin.ask("/" + command, "Accept: application/json", method="POST")
    assert r.status == 403 and r.field("content-type") == "application/json"
    assert json.loads(r.body)["ok"] is False
    code, said, wrong = control("-a", "127.0.0.1:%d" % admin.address[1], *(
        [command, *{"set": ["pool.compute.threads", "1"], "purge": ["pages"]}.get(command, [])]))
    assert (code, said) == (1, "") and "(403): commands are taken on the admin socket only" in wrong
    assert metrics(admin.address)[key] == before + 3
    assert admin.ask("/readyz").status == 200


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_a_command_takes_post_alone(admin, command, method):
    for address in (admin.address, admin.socket):
        r = ask(address, "/" + command, method=method)
        assert (r.status, r.field("allow")) == (405, "POST")


def test_a_page_that_does_not_exist_names_the_commands(admin):
    assert b"POST /reload\n" in admin.ask("/nothing").body


@pytest.fixture
def others(start):
    """A daemon whose socket everybody can reach, and who asks it as another user."""
    if os.geteuid() != 0:
        pytest.skip("only root can ask as another user")
    folder = tempfile.mkdtemp(prefix="forebay-")
    os.chmod(folder, 0o711)

    def open_one(conf=""):
        path = os.path.join(folder, "admin.sock")
        daemon = start("[server]\nworkers = 1\n%s\n[admin]\nsocket = %s\n"
                       "[route a]\nmatch = GET /\nsource = fixed\nbody = a\n" % (conf, path))
        os.chmod(path, 0o777)

        def ask_as(user, command):
            done = subprocess.run(["/usr/bin/python3", "-c", ASK, path, command], stdout=subprocess.PIPE,
                                  user=user, group=user, extra_groups=[], check=True, timeout=20)
            return done.stdout.decode()
        return daemon, ask_as
    yield open_one
    shutil.rmtree(folder)


def test_another_user_is_refused_even_if_the_socket_lets_it_in(others):
    daemon, ask_as = others()
    said = ask_as(NOBODY, "drain")
    assert said.startswith("HTTP/1.1 403 ") and "user %d may not" % NOBODY in said
    bed.wait_until(lambda: "/drain: refused to user %d" % NOBODY in daemon.stderr(), what="a line in the log")
    assert ask_as(0, "drain").startswith("HTTP/1.1 202 ")
    daemon.wait()


def test_the_user_whom_the_server_runs_as_may(others):
    daemon, ask_as = others("user = %d" % NOBODY)
    assert ask_as(NOBODY - 1, "drain").startswith("HTTP/1.1 403 ")
    assert ask_as(NOBODY, "drain").startswith("HTTP/1.1 202 ")
    assert "drain: asked by user %d" % NOBODY in daemon.wait()


# --- drain ---------------------------------------------------------------------------------------


def test_drain_finishes_what_is_in_flight_and_ends_with_0(own):
    with Client(own.daemon.address, timeout=20) as c:
        c.get("/held")
        assert own.held.came.wait(10)
        assert control("-s", own.socket, "drain") == (0, "draining for up to 30 s\n", "")
        bed.wait_until(lambda: is_draining(own), what="draining")
        assert control("-s", own.socket, "drain") == (0, "draining already\n", "")
        code, said, wrong = control("-s", own.socket, "reload")
        assert (code, said) == (1, "") and "(409): the server is draining\n" in wrong
        code, said, _ = control("-s", own.socket, "--json", "drain")
        assert code == 0 and json.loads(said) == {"ok": True, "message": "draining already", "errors": []}
        own.held.free.set()
        assert c.response().body == b"held"
    assert "forebayctl drain: draining for up to 30 s" in own.daemon.wait()


def gives_up(own):
    """Whether the answer was there in 200 ms, and then the end was not."""
    code, _, wrong = control("-s", own.socket, "-t", "200ms", "drain", "--wait")
    assert code == 3 and "; --timeout waits longer" in wrong
    return "still draining" in wrong


def test_drain_can_wait_for_the_end(own):
    with Client(own.daemon.address, timeout=20) as c:
        c.get("/held")
        assert own.held.came.wait(10)
        with subprocess.Popen([FOREBAYCTL, "-s", own.socket, "drain", "--wait"],
                              stdout=subprocess.PIPE) as waiting:
            bed.wait_until(lambda: is_draining(own), what="draining")
            bed.wait_until(lambda: gives_up(own), what="an answer, and no end")
            assert waiting.poll() is None
            own.held.free.set()
            assert c.response().body == b"held"
            assert waiting.communicate(timeout=10 * bed.FACTOR)[0] == b"draining for up to 30 s\ngone\n"
            assert waiting.returncode == 0
    own.daemon.wait()
    assert not os.path.exists(own.socket)


def test_clients_that_leave_early_leave_nothing_behind(own):
    before = len(own.daemon.descriptors())
    for turn in range(100):
        s = socket.socket(socket.AF_UNIX)
        s.connect(own.socket)
        s.sendall(b"POST /reload HTTP/1.1\r\nHost: a\r\n\r\n" * (1 + turn % 3))
        s.close()
    bed.wait_until(lambda: len(own.daemon.descriptors()) <= before + 1, what="descriptors given back")
    s = socket.socket(socket.AF_UNIX)
    s.connect(own.socket)
    s.sendall(b"POST /drain HTTP/1.1\r\nHost: a\r\n\r\n")
    s.close()
    own.daemon.wait()


def test_a_command_with_a_body_is_carried_out_and_the_connection_stays(admin):
    with Client(admin.socket) as c:
        assert c.ask("/set", method="POST", body=b"x" * 1000).status == 400
        assert c.ask("/livez").status == 200


# --- what is asked besides ----------------------------------------------------------------------


def test_before_the_first_reload_there_is_none(admin):
    assert json.loads(admin.ask("/status").body)["last_reload"] is None
    assert metrics(admin.address)["forebay_config_last_reload_successful", ()] == 1


def test_start_up_is_over_when_it_serves(admin):
    r = admin.ask("/startupz")
    assert (r.status, r.body) == (200, b"started\n")


@pytest.mark.parametrize("arguments, said", [
    (["stauts"], 'no such command: stauts; did you mean "status"?'),
    (["relaod"], 'did you mean "reload"?'),
    (["set"], "set needs NAME VALUE"),
    (["set", "pool.compute.threads"], "set needs NAME VALUE"),
    (["set", "pool.compute.threads", "1", "2"], "set takes NAME VALUE and no more: 2"),
    (["reload", "now"], "reload takes no argument: now"),
    (["--wait", "reload"], "--wait is for drain, not for: reload"),
    (["--json", "metrics"], "there is no JSON of: metrics"),
    (["set", "a" * 3000, "1"], "longer than any name or value"),
])
def test_ctl_says_what_is_wrong_with_a_command(arguments, said):
    code, out, wrong = control(*arguments)
    assert (code, out) == (2, "")
    assert said in wrong and wrong.count("\n") == 1 and "see forebayctl --help" in wrong


def test_the_socket_itself_is_for_its_owner(admin):
    assert stat.S_IMODE(os.stat(admin.socket).st_mode) == 0o600
