"""PostgreSQL that does not answer: whom it keeps waiting, and whom it does not."""
import os
import signal
import socket
import struct
import subprocess
import threading

import pytest

import postgres
from bed import FACTOR, free_port, run_forebayd, wait_until
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


# --- while a configuration is checked -----------------------------------------------------------


class Babbler:
    """A server that lets anybody in and answers queries; of a statement to prepare it says what it is told to.

    `replies` are those, in turn: an SQLSTATE, "ok", "close", or "freeze": never a word again.
    """

    def __init__(self, *replies):
        self.replies = list(replies)
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(8)
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()

    @staticmethod
    def message(kind, content):
        return kind + struct.pack("!I", 4 + len(content)) + content

    def error(self, state):
        severity = b"FATAL" if state == "57P01" else b"ERROR"
        return self.message(b"E", b"S%s\0V%s\0C%s\0Msaid on purpose\0\0" % (severity, severity, state.encode()))

    def serve(self):
        while True:
            try:
                c = self.socket.accept()[0]
            except OSError:
                return
            with c, c.makefile("rb") as said:
                c.settimeout(30 * FACTOR)
                try:
                    self.talk(c, said)
                except (OSError, struct.error):
                    pass  # it has gone

    def talk(self, c, said):
        ready, parsed = self.message(b"Z", b"I"), self.message(b"1", b"")
        said.read(struct.unpack("!I", said.read(4))[0] - 4)
        c.sendall(self.message(b"R", struct.pack("!I", 0)) + ready)
        while True:
            kind, size = struct.unpack("!cI", said.read(5))
            said.read(size - 4)
            if kind == b"Q":
                c.sendall(self.message(b"C", b"SET\0") + ready)
            elif kind == b"D":
                c.sendall(self.message(b"t", b"\0\0") + self.message(b"n", b"") + ready)
            elif kind == b"X":
                return
            elif kind == b"P":
                reply = self.replies.pop(0)
                if reply == "freeze":
                    while said.read(1):
                        pass
                elif reply == "ok":
                    c.sendall(parsed + ready)
                elif reply != "close":
                    c.sendall(self.error(reply) + (ready if reply != "57P01" else b""))
                if reply in ("close", "57P01", "freeze"):
                    return


def check(tmp_path, url, queries, timeout="5s"):
    """What -t says of routes that run them."""
    path = tmp_path / "f.conf"
    path.write_text("[listen a]\naddress = 127.0.0.1:8080\n[database shop]\nurl = %s\nconnect_timeout = %s\n"
                    % (url, timeout) +
                    "".join("[route r%d]\nmatch = GET /r%d\nsource = sql shop\nquery = %s\n" % (i, i, query)
                            for i, query in enumerate(queries)))
    code, _, said = run_forebayd("-t", "-c", str(path), limit=60)
    return code, said.replace(str(tmp_path) + "/", "")


NOT_CHECKED = "f.conf:%d: warning: [route r%d] query: not checked: said on purpose\n"
THE_LAST = "f.conf:%d: warning: [route r%d] query: not checked, nor are other statements after it: %s"


@pytest.mark.parametrize("replies, code, message", [
    (("57014", "ok", "55P03"), 0, NOT_CHECKED % (9, 0) + NOT_CHECKED % (17, 2)),
    (("ok", "53200", "XX000"), 0, NOT_CHECKED % (13, 1) + NOT_CHECKED % (17, 2)),
    (("ok", "57P01"), 0, THE_LAST % (13, 1, "FATAL:  said on purpose; ")),
    (("close",), 0, THE_LAST % (9, 0, "server closed the connection unexpectedly")),
    (("40P01", "42501", "ok"), 1, "f.conf:13: [route r1] query: said on purpose\n"),
    (("22P02", "ok", "ok"), 1, "f.conf:9: [route r0] query: said on purpose\n"),
    (("3F000", "ok", "ok"), 1, "f.conf:9: [route r0] query: said on purpose\n"),
])
def test_only_what_is_wrong_with_a_statement_refuses_the_configuration(tmp_path, replies, code, message):
    babbler = Babbler(*replies)
    try:
        url = "postgresql://shop@127.0.0.1:%d/shop?sslmode=disable&gssencmode=disable" % babbler.port
        got, said = check(tmp_path, url, ["SELECT 1", "SELECT 2", "SELECT 3"])
    finally:
        babbler.close()
    assert got == code and message in said, said
    assert not babbler.replies


def test_a_server_that_freezes_while_statements_are_checked_is_not_waited_for(tmp_path):
    babbler = Babbler("ok", "freeze")
    try:
        url = "postgresql://shop@127.0.0.1:%d/shop?sslmode=disable&gssencmode=disable" % babbler.port
        code, said = check(tmp_path, url, ["SELECT 1"] * 3, "1s")
    finally:
        babbler.close()
    assert code == 0 and THE_LAST % (13, 1, "no answer within connect_timeout\n") in said, said


def test_a_table_that_somebody_has_locked_refuses_nothing(tmp_path):
    own = postgres.Server(max_connections=20)
    try:
        own.sql("CREATE TABLE goods (a int)", "shop")
        own.sql("GRANT ALL ON goods TO shop")
        locker = subprocess.Popen([os.path.join(own.bin, "psql"), "-X", "-q", "-At", "-h", own.folder, "-p",
                                   str(own.port), "-U", "postgres", "shop"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        locker.stdin.write(b"BEGIN; LOCK TABLE goods IN ACCESS EXCLUSIVE MODE; SELECT 'locked';\n")
        locker.stdin.flush()
        assert locker.stdout.readline() == b"locked\n"
        code, said = check(tmp_path, own.socket_url + "\nstatement_timeout = 500ms", ["SELECT a FROM goods", "SELECT b"])
        locker.communicate()
    finally:
        own.close()
    assert "[route r0] query: not checked: canceling statement due to statement timeout\n" in said, said
    assert code == 1 and '[route r1] query: column "b" does not exist\n' in said, said
