"""SQL that writes: values with their types, rules as 409, transactions, one writer, and others at the lock."""
import base64
import contextlib
import json
import sqlite3
import threading

import pytest

from bed import free_port, run_forebayd, wait_until
from client import Client, ask, metrics

if "sqlite     no" in run_forebayd("--version")[1]:
    pytest.skip("built without SQLite", allow_module_level=True)

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, age INTEGER CHECK (age >= 0));
INSERT INTO users VALUES (1, 'Ada', 36);
CREATE TABLE orders (id INTEGER PRIMARY KEY, user INTEGER NOT NULL REFERENCES users (id), total);
CREATE TABLE kept (value);
CREATE TABLE counter (n INTEGER);
INSERT INTO counter VALUES (0);
CREATE TABLE passing (n INTEGER);
"""

CONF = """
[server]
workers = 2

[admin]
listen = 127.0.0.1:%(admin)d

[limits]
max_body = 16k

[database shop]
url = sqlite:%(file)s
connections = 2
statement_timeout = 30s

[route keep]
match = POST /keep
source = sql shop
query = INSERT INTO kept VALUES (:v) RETURNING typeof(value) AS type, value
rows = object
bind.v = {body.v}

[route text]
match = POST /text/{v}
source = sql shop
query = INSERT INTO kept VALUES (:v) RETURNING typeof(value) AS type, value
rows = object

[route mixed]
match = POST /mixed
source = sql shop
query = INSERT INTO kept VALUES (:v) RETURNING typeof(value) AS type, value
rows = object
bind.v = <{body.v}>

[route bytes]
match = POST /bytes
source = sql shop
query = INSERT INTO kept VALUES (CAST(:v AS BLOB)) RETURNING typeof(value) AS type, value
rows = object
bind.v = {body.v}

[route json]
match = GET /json
source = sql shop
query = SELECT :j AS j, :j AS t
json = j
rows = object

[route user]
match = POST /users
source = sql shop
query = INSERT INTO users (name, age) VALUES (:name, :age)
rows = count
bind.name = {body.name}
bind.age = {body.age}

[route remove]
match = DELETE /users/{id}
source = sql shop
query = DELETE FROM users WHERE id = :id
rows = count
empty = 404

[route order]
match = POST /orders
[subrequest order.placed]
source = sql shop
query = INSERT INTO kept VALUES ('order'); INSERT INTO orders (user, total) VALUES (:user, :total);
  SELECT id, user, total FROM orders WHERE id = last_insert_rowid()
rows = object
bind.user = {body.user}
bind.total = {body.total}
[subrequest order.noted]
source = fixed
type = application/json
body = {"of": {placed.id}}

[route wish]
match = POST /wishes
[subrequest wish.placed]
source = sql shop
query = INSERT INTO orders (user, total) VALUES (:user, 0)
bind.user = {body.user}
optional = yes
fallback = "not now"

[route chain]
match = POST /chain
[subrequest chain.user]
source = sql shop
query = SELECT id, age FROM users WHERE name = :name
rows = object
bind.name = {body.name}
[subrequest chain.kept]
source = sql shop
query = INSERT INTO kept VALUES (:age) RETURNING typeof(value) AS type
rows = value
bind.age = {user.age}

[route count]
match = POST /count
source = sql shop
query = UPDATE counter SET n = n + 1 RETURNING n
rows = value

[route hasty]
match = POST /hasty
source = sql shop
deadline = 200ms
query = UPDATE counter SET n = n + 1000 RETURNING n
rows = value

[route endless]
match = POST /endless
source = sql shop
deadline = 200ms
query = UPDATE counter SET n = -1;
  INSERT INTO kept WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n

[route pass]
match = POST /pass
source = sql shop
query = INSERT INTO passing VALUES (1)
rows = count

[route read]
match = GET /count
source = sql shop
query = SELECT n FROM counter
rows = value
"""

QUEUED = ("forebay_pool_queued", (("pool", "database.shop.writer"),))


class Shop:
    """The daemon, its database, and a look into it from outside."""

    def __init__(self, start, folder):
        self.file = str(folder / "shop.db")
        with contextlib.closing(sqlite3.connect(self.file)) as db:
            db.executescript(SCHEMA)
        self.admin = ("127.0.0.1", free_port())
        self.daemon = start(CONF % {"admin": self.admin[1], "file": self.file})

    def post(self, path, value=None, method="POST"):
        body = b"" if value is None else json.dumps(value).encode()
        return ask(self.daemon.address, path, method=method, body=body)

    def query(self, sql):
        with contextlib.closing(sqlite3.connect(self.file, timeout=60)) as db:
            return db.execute(sql).fetchone()[0]

    @contextlib.contextmanager
    def locked(self):
        """Another program holds the lock for writing."""
        with contextlib.closing(sqlite3.connect(self.file, timeout=60, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            yield
            db.execute("ROLLBACK")


@pytest.fixture(scope="module")
def shop(start, tmp_path_factory):
    return Shop(start, tmp_path_factory.mktemp("shop"))


# --- values ---------------------------------------------------------------------------

@pytest.mark.parametrize("value, kind, stored", [
    (5, "integer", 5), (-9223372036854775808, "integer", -9223372036854775808), (2 ** 63, "real", 2.0 ** 63),
    (1.5, "real", 1.5), (2.0, "real", 2.0), (True, "integer", 1), (False, "integer", 0), (None, "null", None),
    ("5", "text", "5"), ("", "text", ""), ("gr\u00fc\u00df \U0001f600 \"'\\", "text", "gr\u00fc\u00df \U0001f600 \"'\\"),
    ([1, {"a": None}], "text", '[1, {"a": null}]'),
    ("'); DROP TABLE kept; --", "text", "'); DROP TABLE kept; --"),
    ("1 OR 1=1", "text", "1 OR 1=1"), ("{query.x} :v ?1 $1", "text", "{query.x} :v ?1 $1"),
])
def test_a_value_keeps_its_type(shop, value, kind, stored):
    r = shop.post("/keep", {"v": value})
    assert r.status == 200, r
    got = json.loads(r.body)
    assert (got["type"], got["value"]) == (kind, stored)
    assert type(got["value"]) is type(stored)


def test_what_comes_from_elsewhere_is_text(shop):
    assert json.loads(shop.post("/text/5").body) == {"type": "text", "value": "5"}
    assert json.loads(shop.post("/text/%27);DROP%20TABLE%20kept;--").body) == {
        "type": "text", "value": "');DROP TABLE kept;--"}
    assert json.loads(shop.post("/mixed", {"v": 5}).body) == {"type": "text", "value": "<5>"}
    assert json.loads(shop.post("/chain", {"name": "Ada"}).body)["kept"] == "integer"


def test_bytes_are_base64(shop):
    got = json.loads(shop.post("/bytes", {"v": "a\u0000\u00ff"}).body)
    assert (got["type"], base64.b64decode(got["value"])) == ("blob", "a\u0000\u00ff".encode())


def test_json_is_taken_as_it_stands_or_fails_its_part(shop):
    r = ask(shop.daemon.address, "/json?j=%7B%22a%22:%20[1.50]%7D")
    assert (r.status, r.body) == (200, b'{"j":{"a": [1.50]},"t":"{\\"a\\": [1.50]}"}')
    before = len(shop.daemon.stderr())
    assert ask(shop.daemon.address, "/json?j=%7B").status == 502
    assert "column j is no JSON" in shop.daemon.stderr()[before:]


@pytest.mark.parametrize("body, status, told", [
    (b'{"w": 5}', 502, "{body.v}: a value is missing"), (b'{"v"', 502, "{body.v}: a value is missing"),
    (b"", 502, "{body.v}: a value is missing"), (b'[5]', 502, "{body.v}: a value is missing"),
    (b'{"v": "\\ud800"}', 502, "{body.v}: malformed"),
    (b'{"v": "' + b"x" * 20000 + b'"}', 413, None),
])
def test_a_body_without_the_value_changes_nothing(shop, body, status, told):
    count, before = shop.query("SELECT count(*) FROM kept"), len(shop.daemon.stderr())
    assert ask(shop.daemon.address, "/keep", method="POST", body=body).status == status
    assert shop.query("SELECT count(*) FROM kept") == count
    assert told is None or told in shop.daemon.stderr()[before:]


# --- rules ----------------------------------------------------------------------------

@pytest.mark.parametrize("path, value, method, kind", [
    ("/users", {"name": "Ada", "age": 1}, "POST", "unique"),
    ("/users", {"name": "secret-name", "age": -1}, "POST", "check"),
    ("/users", {"name": None, "age": 1}, "POST", "not-null"),
    ("/orders", {"user": 4711, "total": 1}, "POST", "foreign-key"),
])
def test_a_rule_is_409_and_says_its_kind(shop, path, value, method, kind):
    before = shop.query("SELECT count(*) FROM kept")
    r = shop.post(path, value, method)
    assert (r.status, r.field("forebay-conflict")) == (409, kind), r
    told = r.body + repr(r.fields).encode()
    assert not any(word in told for word in (b"secret", b"4711", b"users", b"constraint", b"Ada")), r
    assert shop.query("SELECT count(*) FROM kept") == before
    assert shop.query("SELECT count(*) FROM users") == 1


def test_a_conflict_is_in_the_report_and_in_the_metrics(shop):
    name = ("forebay_subrequests_total", (("route", "wish"), ("subrequest", "placed"), ("outcome", "conflict")))
    before = metrics(shop.admin).get(name, 0)
    r = shop.post("/wishes", {"user": 4711})
    assert (r.status, json.loads(r.body)) == (200, {"placed": "not now"})
    assert r.field("forebay-parts").startswith("placed=conflict;") and not r.field("forebay-conflict")
    wait_until(lambda: metrics(shop.admin).get(name, 0) == before + 1, what="the counter")
    r = shop.post("/orders", {"user": 4711, "total": 1})
    assert r.field("forebay-parts").startswith("placed=conflict;") and "noted=skipped" in r.field("forebay-parts")


# --- transactions ---------------------------------------------------------------------

def test_several_statements_are_one_change(shop):
    kept, orders = shop.query("SELECT count(*) FROM kept"), shop.query("SELECT count(*) FROM orders")
    r = shop.post("/orders", {"user": 1, "total": 9.5})
    assert r.status == 200, r
    got = json.loads(r.body)
    assert got["placed"] == {"id": got["noted"]["of"], "user": 1, "total": 9.5}
    # The kept row stands before the one that fails.
    assert shop.post("/orders", {"user": 4711, "total": 9.5}).status == 409
    assert (shop.query("SELECT count(*) FROM kept"), shop.query("SELECT count(*) FROM orders")) == (kept + 1, orders + 1)


def test_what_a_delete_found_is_counted(shop):
    assert shop.post("/users", {"name": "Eve", "age": None}).body == b"1"
    number = shop.query("SELECT id FROM users WHERE name = 'Eve'")
    assert shop.post("/users/%d" % number, method="DELETE").body == b"1"
    assert shop.post("/users/%d" % number, method="DELETE").status == 404


def test_a_deadline_takes_the_change_back(shop):
    n, kept = shop.query("SELECT n FROM counter"), shop.query("SELECT count(*) FROM kept")
    assert shop.post("/endless").status == 504
    # The writer is free for others at once, and its transaction is over.
    assert shop.post("/count").body == b"%d" % (n + 1)
    assert shop.query("SELECT count(*) FROM kept") == kept


def test_a_client_that_leaves_takes_its_change_along(shop):
    def cancelled():
        return sum(value for (name, labels), value in metrics(shop.admin).items()
                   if name == "forebay_subrequests_total" and {("route", "count"), ("outcome", "cancelled")} <= set(labels))

    n, before = shop.query("SELECT n FROM counter"), cancelled()
    with shop.locked():
        clients = [Client(shop.daemon.address) for _ in range(2)]
        for c in clients:
            c.get("/count", method="POST")
        wait_until(lambda: metrics(shop.admin)[QUEUED] == 1, what="one at the lock, and one behind it")
        for c in clients:
            c.reset()
        wait_until(lambda: cancelled() == before + 2, what="the end of both")
    assert shop.post("/count").body == b"%d" % (n + 1)


# --- one writer -----------------------------------------------------------------------

def test_writers_side_by_side_lose_nothing(shop):
    """Eight clients, and another program that writes, too: nobody hears of a lock."""
    clients, rounds, bad = 8, 20, []
    before = shop.query("SELECT n FROM counter")

    def write():
        with Client(shop.daemon.address) as c:
            for _ in range(rounds):
                r = c.ask("/count", method="POST")
                if r.status != 200:
                    bad.append(r)

    def interfere():
        with contextlib.closing(sqlite3.connect(shop.file, timeout=60, isolation_level=None)) as db:
            for _ in range(rounds):
                db.execute("BEGIN IMMEDIATE")
                db.execute("UPDATE counter SET n = n + 1")
                db.execute("COMMIT")
    threads = [threading.Thread(target=write) for _ in range(clients)] + [threading.Thread(target=interfere)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not bad
    assert shop.query("SELECT n FROM counter") == before + (clients + 1) * rounds
    assert metrics(shop.admin)["forebay_pool_threads", (("pool", "database.shop.writer"),)] == 1
    assert metrics(shop.admin)["forebay_pool_threads", (("pool", "database.shop"),)] == 2


def test_anothers_lock_is_waited_for_until_the_deadline(shop):
    n = shop.query("SELECT n FROM counter")
    with Client(shop.daemon.address) as c:
        with shop.locked():
            assert c.ask("/hasty", method="POST").status == 504
            # Who reads does not wait.
            assert c.ask("/count").body == b"%d" % n
        # Whoever comes before the writer has noticed is refused, as in any queue.
        wait_until(lambda: c.ask("/hasty", method="POST").status == 200, what="the writer")
    assert shop.query("SELECT n FROM counter") == n + 1000


def test_a_lock_that_is_given_back_in_time_is_not_seen(shop):
    n, got = shop.query("SELECT n FROM counter"), []
    with shop.locked():
        waiting = [threading.Thread(target=lambda: got.append(shop.post("/count").status)) for _ in range(3)]
        for t in waiting:
            t.start()
        wait_until(lambda: metrics(shop.admin)[QUEUED] >= 2, what="those behind the first")
    for t in waiting:
        t.join()
    assert got == [200] * 3 and shop.query("SELECT n FROM counter") == n + 3


# --- faults ---------------------------------------------------------------------------

def test_a_table_that_goes_fails_its_part_and_may_come_back(shop):
    assert shop.post("/pass").body == b"1"
    with contextlib.closing(sqlite3.connect(shop.file, timeout=60)) as db:
        db.executescript("DROP TABLE passing;")
    assert shop.post("/pass").status == 502
    assert shop.post("/keep", {"v": 1}).status == 200
    with contextlib.closing(sqlite3.connect(shop.file, timeout=60)) as db:
        db.executescript("CREATE TABLE passing (n INTEGER, more TEXT DEFAULT 'x');")
    assert shop.post("/pass").status == 502  # it has a column more than the statement gives
    with contextlib.closing(sqlite3.connect(shop.file, timeout=60)) as db:
        db.executescript("DROP TABLE passing; CREATE TABLE passing (n INTEGER);")
    assert shop.post("/pass").body == b"1"
