"""[limits] max_client_connections: who has that many is closed at once, behind a proxy too."""
import signal
import socket

import pytest

import bed
from bed import wait_until
from client import Client, metrics

CONF = """
[server]
workers = 3

[admin]
listen = 127.0.0.1:%d

[limits]
%s

[listen proxied]
address = 127.0.0.1:%d
proxy_protocol = yes

[route hello]
match = GET /
source = fixed
body = Hello.
"""
LIMIT = 5


class World:
    """A daemon with its three addresses."""

    def __init__(self, start):
        self.admin = ("127.0.0.1", bed.free_port())
        self.proxied = ("127.0.0.1", bed.free_port())
        self.daemon = start(self.conf(LIMIT))

    def conf(self, limit):
        return CONF % (self.admin[1], "max_client_connections = %d" % limit if limit else "", self.proxied[1])

    def refused(self):
        return metrics(self.admin)["forebay_connections_refused_total", (("reason", "client_connections"),)]


@pytest.fixture(scope="module")
def world(start):
    return World(start)


def is_served(c):
    """Whether a connection is answered; else it is closed without a word."""
    try:
        c.get("/")
        return c.response().status == 200
    except (ConnectionError, AssertionError):
        return False


def connect(address, client=None):
    """A connection; of a client, behind the proxy."""
    c = Client(address)
    if client:
        c.send(b"PROXY TCP4 %s 192.0.2.9 1000 80\r\n" % client.encode())
    return c


@pytest.mark.parametrize("client", [None, "203.0.113.7"])
def test_more_than_so_many_are_closed_and_room_comes_back(world, client):
    address = world.proxied if client else world.daemon.address
    held = [connect(address, client) for _ in range(LIMIT)]
    assert all(is_served(c) for c in held)
    before = world.refused()
    for _ in range(10):
        with connect(address, client) as c:
            assert not is_served(c)
    assert world.refused() == before + 10
    held.pop().close()

    def has_room():
        with connect(address, client) as c:
            return is_served(c)
    wait_until(has_room)
    for c in held:
        c.close()


def test_one_client_takes_nothing_from_another(world):
    held = [connect(world.proxied, "203.0.113.1") for _ in range(LIMIT)]
    assert all(is_served(c) for c in held)
    for i in range(2, 12):
        with connect(world.proxied, "203.0.113.%d" % i) as c:
            assert is_served(c)
    with connect(world.proxied, "203.0.113.1") as c:
        assert not is_served(c)
    for c in held:
        c.close()


def test_connections_of_all_kinds_are_given_back(world):
    """Resets, half a request, none at all: after hundreds of each there is room for as many as before."""
    for _ in range(200):
        with socket.create_connection(world.daemon.address, bed.PATIENCE) as s:
            s.send(b"GET / HT")
        with socket.create_connection(world.daemon.address, bed.PATIENCE):
            pass
        with connect(world.proxied, "203.0.113.2") as c:
            c.send(b"GET / HTTP/1.1\r\n")

    def has_all():
        held = [connect(world.daemon.address) for _ in range(LIMIT)]
        served = all([is_served(c) for c in held])
        for c in held:
            c.close()
        return served
    wait_until(has_all)


def test_a_reload_changes_the_limit(world):
    def reload(limit):
        with open(world.daemon.path, encoding="ascii") as file:
            text = file.read()
        line = "max_client_connections = %d"
        for old in (LIMIT, 2):
            text = text.replace(line % old, line % limit)
        with open(world.daemon.path, "w", encoding="ascii") as file:
            file.write(text)
        done = "reloaded:"
        before = world.daemon.stderr().count(done)
        world.daemon.signal(signal.SIGHUP)
        wait_until(lambda: world.daemon.stderr().count(done) > before)

    def served():
        held = [connect(world.daemon.address) for _ in range(LIMIT)]
        count = sum([is_served(c) for c in held])
        for c in held:
            c.close()
        return count
    reload(2)
    wait_until(lambda: served() == 2)
    reload(LIMIT)
    wait_until(lambda: served() == LIMIT)
