"""What the service manager is told, without one: a socket takes its place."""
import os
import select
import signal
import socket

import pytest

from bed import FACTOR, FOREBAYD, Daemon, wait_until

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


needs_libsystemd = pytest.mark.skipif(not is_built_with_systemd(), reason="built without libsystemd")


class Manager:
    """Who NOTIFY_SOCKET leads to."""

    def __init__(self, folder):
        self.path = os.path.join(str(folder), "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)

    def hears(self, field, seconds=5.0):
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
    wait_until(lambda: all(d.process.poll() is not None for d in Daemon.running), 5, "its end")
    Daemon.running.pop()
    with pytest.raises(AssertionError):
        manager.hears("READY", 0.1)
