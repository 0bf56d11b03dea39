"""What PostgreSQL is sent goes out as one: how often it is waited for, and what becomes of a transaction that ends in
the middle. Between the two stands a proxy that counts turns."""
import json
import os
import socket
import threading

import pytest

import postgres
from bed import free_port, run_forebayd, wait_until
from client import Client, ask, metrics

if "libpq      no" in run_forebayd("--version")[1]:
    pytest.skip("built without libpq", allow_module_level=True)

CANCEL_REQUEST = (80877102).to_bytes(4, "big")  # behind the length of the first packet

SCHEMA = """
CREATE TABLE log (what text);
CREATE TABLE item (id int PRIMARY KEY, left_over int NOT NULL CHECK (left_over >= 0));
CREATE TABLE line (item int REFERENCES item DEFERRABLE INITIALLY DEFERRED);
INSERT INTO item VALUES (1, 1000000);
GRANT ALL ON ALL TABLES IN SCHEMA public TO shop;
"""

CONF = """
[server]
workers = 1
[admin]
listen = 127.0.0.1:%(admin)d
[limits]
max_body = 4m
[database shop]
url = postgresql://shop@127.0.0.1:%(proxy)d/shop?sslmode=disable
connections = 1
statement_timeout = 60s
[route one]
match = GET /one
source = sql shop
query = SELECT 1
rows = value
[route two]
match = GET /two/{id}
source = sql shop
query = SELECT left_over FROM item WHERE id = :id
rows = value
[route order]
match = POST /order/{what}
source = sql shop
query = INSERT INTO log VALUES (:what); UPDATE item SET left_over = left_over - 1 WHERE id = 1;
	INSERT INTO line VALUES (1)
[route told]
match = POST /told/{what}
source = sql shop
query = INSERT INTO log VALUES (:what); UPDATE item SET left_over = left_over - 1 WHERE id = 1 RETURNING id
rows = object
[route listed]
match = POST /listed/{what}
source = sql shop
query = INSERT INTO log VALUES (:what); SELECT id FROM item
[route large]
match = POST /large
source = sql shop
query = INSERT INTO log VALUES ('large'); SELECT repeat('x', 2000) FROM generate_series(1, 1000)
[route twice]
match = POST /twice/{what}
source = sql shop
query = INSERT INTO log VALUES (:what); INSERT INTO item VALUES (1, 1); INSERT INTO log VALUES (:what)
[route dangling]
match = POST /dangling/{what}
source = sql shop
query = INSERT INTO log VALUES (:what); INSERT INTO line VALUES (99); INSERT INTO log VALUES (:what)
[route between]
match = POST /between/{what}
source = sql shop
query = INSERT INTO log VALUES (:what); SELECT repeat('x', 1000), g FROM generate_series(1, 5000) g;
	UPDATE log SET what = what || '!' WHERE what = :what RETURNING what
rows = value
[route slow]
match = POST /slow/{what}
deadline = %(deadline)dms
source = sql shop
query = INSERT INTO log VALUES (:what); SELECT pg_sleep(50); INSERT INTO log VALUES (:what)
[route long]
match = POST /long/{what}
source = sql shop
query = INSERT INTO log VALUES (:what); SELECT pg_sleep(50); INSERT INTO log VALUES (:what)
[route bulky]
match = POST /bulky
source = sql shop
query = INSERT INTO log VALUES (:text); INSERT INTO log VALUES (:text || '2'); INSERT INTO log VALUES (:text || '3')
bind.text = {body}
rows = count
"""


class Proxy:
    """Carries bytes between forebayd and the server's socket. A turn begins with what comes from forebayd after the
    server has said something: so many times forebayd has waited. Requests to cancel, which come on connections of
    their own and at times of their own, are none."""

    def __init__(self, server):
        self.path = os.path.join(server.folder, ".s.PGSQL.%d" % server.port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.turns = 0
        self.lock = threading.Lock()
        self.pairs = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.path)
            self.pairs.append((near, far))
            state = {"server spoke": True, "counts": None}
            threading.Thread(target=self.carry, args=(near, far, state, True), daemon=True).start()
            threading.Thread(target=self.carry, args=(far, near, state, False), daemon=True).start()

    def carry(self, source, target, state, is_up):
        try:
            while True:
                piece = source.recv(65536)
                if not piece:
                    break
                with self.lock:
                    if state["counts"] is None:
                        state["counts"] = piece[4:8] != CANCEL_REQUEST
                    self.turns += is_up and state["server spoke"] and state["counts"]
                    state["server spoke"] = not is_up
                target.sendall(piece)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        """All connections, as seen from forebayd."""
        for near, _ in self.pairs:
            try:
                near.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()
        self.cut()


class Shop:
    def __init__(self, start, server, deadline):
        self.server = server
        self.proxy = Proxy(server)
        self.admin = ("127.0.0.1", free_port())
        self.daemon = start(CONF % dict(proxy=self.proxy.port, admin=self.admin[1], deadline=deadline))
        self.address = self.daemon.address
        self.opened()

    def post(self, path, body=b""):
        return ask(self.address, path, method="POST", body=body)

    def opened(self):
        """With a connection that is there, and in order."""
        assert ask(self.address, "/one").body == b"1"
        return self.counted("connections_opened")

    def counted(self, name):
        return metrics(self.admin)["forebay_postgres_%s_total" % name, ()]

    def turns(self, path, body=b""):
        """(status, how often PostgreSQL was waited for), told by the proxy and by the metrics alike."""
        before = self.proxy.turns, self.counted("round_trips")
        status = ask(self.address, path, method="GET" if path.startswith("/two") else "POST", body=body).status
        turns = self.proxy.turns - before[0]
        assert self.counted("round_trips") - before[1] == turns
        return status, turns

    def logged(self, what):
        return int(self.server.sql("SELECT count(*) FROM log WHERE what LIKE '%s%%'" % what))

    def sleeps(self):
        return self.server.connections("AND state = 'active' AND query LIKE '%pg_sleep%'") == 1

    def is_calm(self):
        return self.server.connections("AND (state = 'active' OR state LIKE '%transaction%')") == 0


@pytest.fixture(scope="module")
def server():
    one = postgres.Server()
    try:
        one.sql(SCHEMA, "shop")
        yield one
    finally:
        one.close()


@pytest.fixture(scope="module")
def shop(start, server):
    one = Shop(start, server, 400)
    yield one
    one.proxy.close()


# --- how often it is waited for -------------------------------------------------------------------


def test_a_statement_is_made_known_and_run_in_one_turn(shop):
    assert shop.turns("/two/1") == (200, 1)
    assert shop.turns("/two/1") == (200, 1)


def test_a_transaction_is_one_turn(shop, server):
    left = int(server.sql("SELECT left_over FROM item WHERE id = 1"))
    for i in range(3):
        assert shop.turns("/order/a") == (200, 1)
        assert shop.logged("a") == i + 1
    assert int(server.sql("SELECT left_over FROM item WHERE id = 1")) == left - 3
    assert shop.turns("/told/a") == (200, 1)


def test_rows_that_may_be_too_many_are_read_before_they_are_committed(shop):
    assert shop.turns("/listed/b") == (200, 2)
    assert shop.post("/large").status == 502
    wait_until(shop.is_calm, what="the end of the statement")
    assert shop.logged("large") == 0 and shop.logged("b") == 1


def test_many_bytes_are_sent_in_several_turns_of_one_transaction(shop, server):
    before = shop.counted("round_trips")
    assert shop.post("/bulky", b"z" * 300000).status == 200
    assert shop.counted("round_trips") == before + 3
    assert server.sql("SELECT count(*), max(length(what)) FROM log WHERE what LIKE 'zzz%'") == "3|300001"


# --- what ends it in the middle -------------------------------------------------------------------


def test_a_failure_in_the_middle_takes_all_back_and_skips_the_rest(shop):
    opened = shop.opened()
    for _ in range(3):
        status, turns = shop.turns("/twice/c")
        # The second one is for ROLLBACK.
        assert (status, turns) == (409, 2)
    r = shop.post("/twice/c")
    assert r.status == 409 and r.field("Forebay-Conflict") == "unique", r
    assert shop.logged("c") == 0 and shop.is_calm()
    assert shop.opened() == opened


def test_a_rule_that_is_heeded_at_commit_is_a_conflict(shop):
    opened = shop.opened()
    for _ in range(2):
        r = shop.post("/dangling/d")
        assert r.status == 409 and r.field("Forebay-Conflict") == "foreign-key", r
        assert shop.turns("/dangling/d") == (409, 1)
    assert shop.logged("d") == 0 and shop.is_calm()
    assert shop.opened() == opened


def test_rows_in_the_middle_are_passed_over(shop):
    for _ in range(2):
        r = shop.post("/between/e")
        assert r.status == 200 and json.loads(r.body) in ("e!", "e!!"), r
    assert shop.logged("e!") == 2


def test_the_deadline_in_the_middle_takes_all_back(shop):
    for _ in range(2):
        assert shop.post("/slow/f").status == 504
        wait_until(shop.is_calm, what="the end of the statement")
        assert shop.logged("f") == 0
        shop.opened()


def test_a_client_that_leaves_in_the_middle_takes_all_back_and_the_next_is_not_hit(shop):
    for _ in range(5):
        with Client(shop.address) as c:
            c.get("/long/g", method="POST")
            wait_until(shop.sleeps, what="the statement")
            c.reset()
        # There is one connection: these wait until it is in order, and would be who is cancelled by mistake.
        for path in ("/order/h", "/told/h"):
            assert shop.post(path).status == 200
    assert shop.logged("g") == 0 and shop.logged("h") == 10


@pytest.mark.parametrize("end", ["server", "network"])
def test_a_connection_that_is_lost_in_the_middle_is_502(shop, end):
    with Client(shop.address) as c:
        c.get("/long/i", method="POST")
        wait_until(shop.sleeps, what="the statement")
        if end == "network":
            shop.proxy.cut()
            assert c.response().status == 502
        shop.server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'forebay'")
        if end == "server":
            assert c.response().status == 502
    wait_until(shop.is_calm, what="the end of the statement")
    assert shop.logged("i") == 0
    assert shop.post("/order/k").status == 200
