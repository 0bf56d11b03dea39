"""PostgreSQL that does not answer: whom it keeps waiting, and whom it does not."""
import os
import signal
import socket

import pytest

import postgres
from bed import free_port, run_forebayd, wait_until
from client import Client, ask, metrics

if "libpq      no" in run_forebayd("--version")[1]:
    pytest.skip("built without libpq", allow_module_level=True)

CONF = """
[server]
workers = %(workers)d
grace = 1s
[admin]
listen = 127.0.0.1:%(admin)d
socket = admin.sock
[pool blocking]
threads = 2
[database shop]
url = %(url)s
connections = 4
connect_timeout = %(timeout)s
statement_timeout = 600s
[route one]
match = GET /one
deadline = 25s
source = sql shop
query = SELECT 1
rows = value
[route slow]
match = GET /slow
deadline = 25s
source = sql shop
query = SELECT pg_sleep(500)
[route there]
match = GET /there
source = fixed
status = 204
"""


class Shop:
    """The daemon in front of a server."""

    def __init__(self, start, url, timeout, workers=2):
        self.admin = ("127.0.0.1", free_port())
        self.daemon = start(CONF % dict(admin=self.admin[1], url=url, timeout=timeout, workers=workers))
        self.address = self.daemon.address

    def counted(self, name):
        return metrics(self.admin)["forebay_postgres_" + name, ()]

    def in_pool(self, name):
        """Jobs that run there and that wait."""
        found = metrics(self.admin)
        return tuple(found["forebay_pool_" + what, (("pool", name),)] for what in ("running", "queued"))

    def begin(self, path, count):
        """Clients that have asked for it."""
        clients = [Client(self.address) for _ in range(count)]
        for c in clients:
            c.get(path)
        return clients


class Silence:
    """Who listens and never says a word, from when it is entered; before that there is nobody."""

    def __init__(self):
        self.port = free_port()
        self.socket = None

    def __enter__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", self.port))
        self.socket.listen(64)
        return self

    def __exit__(self, *_):
        self.socket.close()

    @property
    def url(self):
        return "postgresql://shop@127.0.0.1:%d/shop" % self.port


def test_a_silent_server_takes_no_thread_from_others(start):
    silence = Silence()
    shop = Shop(start, silence.url, "60s")
    with silence:
        clients = shop.begin("/one", 8)
        # As many as are wanted, two at a time, and in no pool but the database's own.
        wait_until(lambda: shop.in_pool("database.shop.opener") == (2, 2), what="connections being opened")
        assert shop.in_pool("blocking") == (0, 0)
        for c in clients:
            c.reset()
        shop.daemon.stop()


def test_while_no_connection_can_be_opened_one_attempt_is_made(start):
    silence = Silence()
    shop = Shop(start, silence.url, "60s", workers=1)
    assert ask(shop.address, "/one").status == 502
    with silence:
        clients = []

        def is_tried():
            # While it backs off, an answer comes at once.
            clients.extend(shop.begin("/one", 2))
            return sum(shop.in_pool("database.shop.opener"))

        wait_until(is_tried, what="an attempt")
        clients.extend(shop.begin("/one", 4))
        assert ask(shop.address, "/there").status == 204
        assert shop.in_pool("database.shop.opener") == (1, 0)
        for c in clients:
            c.reset()
        shop.daemon.stop()


def test_who_does_not_hear_of_a_cancelling_loses_its_connection_alone(start):
    """The postmaster is stopped: whoever connects is not answered."""
    own = postgres.Server(max_connections=20)
    try:
        shop = Shop(start, own.socket_url, "2s", workers=1)
        clients = shop.begin("/slow", 3)
        wait_until(lambda: own.connections("AND state = 'active'") == 3, what="three statements")
        os.kill(own.process.pid, signal.SIGSTOP)
        for c in clients:
            c.reset()
        wait_until(lambda: shop.counted("connections_lost_total") == 3, what="connections to be given up")
        wait_until(lambda: shop.in_pool("database.shop.opener") == (0, 0), what="the end of all cancelling")
        # Nothing of it holds the configuration.
        with Client(os.path.join(shop.daemon.folder, "admin.sock")) as c:
            assert c.ask("/reload", method="POST").status == 200
        assert ask(shop.address, "/one").status == 502
        os.kill(own.process.pid, signal.SIGCONT)
        wait_until(lambda: ask(shop.address, "/one").status == 200, what="the server")
        # The same once more, and the daemon ends while it waits.
        clients = shop.begin("/slow", 2)
        wait_until(lambda: own.connections("AND state = 'active'") == 5, what="two more statements")
        os.kill(own.process.pid, signal.SIGSTOP)
        for c in clients:
            c.reset()
        shop.daemon.stop()
    finally:
        os.kill(own.process.pid, signal.SIGCONT)
        own.close()
