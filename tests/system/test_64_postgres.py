"""PostgreSQL behind `source = sql`: a real server, what comes of its rows, and what becomes of it when anything ends."""
import json
import os
import select
import threading

import pytest

import postgres
from bed import free_port, run_forebayd, wait_until
from client import Client, ask, metrics

if "libpq      no" in run_forebayd("--version")[1]:
    pytest.skip("built without libpq", allow_module_level=True)

SCHEMA = """
CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL UNIQUE CHECK (name <> ''), age int);
INSERT INTO users VALUES (1, 'Ada', 36), (2, 'Bj\u00f6rn "B"', NULL), (3, 'Chen', 7);
CREATE TABLE orders (id serial PRIMARY KEY, user_id int REFERENCES users, total numeric(10, 2));
CREATE TABLE changing (a int);
INSERT INTO changing VALUES (1);
CREATE SEQUENCE tries;
CREATE FUNCTION flaky() RETURNS int LANGUAGE plpgsql AS $$
BEGIN IF nextval('tries') % 2 = 1 THEN RAISE SQLSTATE '40001'; END IF; RETURN 5; END $$;
CREATE FUNCTION hopeless() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '40P01'; END $$;
GRANT ALL ON ALL TABLES IN SCHEMA public TO shop;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO shop;
"""

TYPES = [
    ("1::int2", 1), ("'-9223372036854775808'::int8", -9223372036854775808), ("12.30::numeric", 12.3),
    ("'NaN'::numeric", None), ("'-Infinity'::numeric", None), ("'Infinity'::float8", None), ("5::float8", 5.0),
    ("1e300::float8", 1e300), ("0.1::float4", 0.1), ("true", True), ("false", False), ("NULL", None),
    ("'a\"\\b\nc'", "a\"\\b\nc"), ("'{\"a\": [1, null]}'::json", {"a": [1, None]}), ("'[true]'::jsonb", [True]),
    ("'\\x00ff10'::bytea", "AP8Q"), ("''::bytea", ""), ("decode(repeat('00', 1000), 'hex')", "A" * 1334 + "=="),
    ("'2026-11-23'::date", "2026-11-23"), ("ARRAY[1, 2]", "{1,2}"), ("'x'::char(3)", "x  "),
    ("'6f2c2b3e-0000-4000-8000-000000000000'::uuid", "6f2c2b3e-0000-4000-8000-000000000000"),
]

CONF = """
[server]
workers = 2
[admin]
listen = 127.0.0.1:%(admin)d
[database shop]
url = %(url)s
statement_timeout = 60s
connections = 4
[database hasty]
url = %(url)s
statement_timeout = 200ms
connections = 2
[database narrow]
url = %(url)s
statement_timeout = 60s
connections = 1
max_queue = 1
[database reader]
url = %(url)s
mode = ro
[database secure]
url = postgresql://shop:${SHOP_PASSWORD}@127.0.0.1:%(port)d/shop?sslmode=verify-full&sslrootcert=%(ca)s
connections = 1

[route array]
match = GET /array
source = sql shop
query = SELECT id, name FROM users ORDER BY id
[route object]
match = GET /object/{id}
source = sql shop
query = SELECT id, name, age FROM users WHERE id = :id
rows = object
empty = 404
[route null]
match = GET /null/{id}
source = sql shop
query = SELECT id FROM users WHERE id = :id
rows = object
[route value]
match = GET /value
source = sql shop
query = SELECT name FROM users ORDER BY id
rows = value
[route count]
match = GET /count
source = sql shop
query = SELECT id FROM users
rows = count
[route named]
match = GET /named
source = sql shop
query = SELECT id FROM users WHERE name = :name -- and not ':name'
[route grow]
match = POST /grow/{id}
source = sql shop
query = UPDATE users SET age = age + 1 WHERE id = :id
rows = count
empty = 404
[route add]
match = POST /users
source = sql shop
query = INSERT INTO users (id, name, age) VALUES (:id, :name, :age) RETURNING id, age
bind.id = {body.id}
bind.name = {body.name}
bind.age = {body.age}
rows = object
[route order]
match = POST /order/{user}
source = sql shop
query = INSERT INTO orders (user_id, total) VALUES (:user, 1)
rows = count
[route both]
match = POST /both/{user}
source = sql shop
query = INSERT INTO orders (user_id, total) VALUES (:user, :total);
	UPDATE users SET age = age + :years WHERE id = :user;
	SELECT u.id, u.age, o.total FROM users u JOIN orders o ON o.user_id = u.id AND o.total = :total WHERE u.id = :user
bind.total = {body.total}
bind.years = {body.years}
rows = object
[route torn]
match = POST /torn
[subrequest torn.a]
source = sql shop
query = INSERT INTO changing VALUES (7); SELECT pg_sleep(50)
optional = yes
timeout = 200ms
[subrequest torn.b]
source = sql shop
query = INSERT INTO changing VALUES (8); SELECT repeat('x', 1000) FROM generate_series(1, 10000)
optional = yes
max_result = 10k
[route twice]
match = POST /twice
source = sql shop
query = INSERT INTO changing VALUES (9); SELECT flaky()
rows = value
[route json]
match = POST /json
source = sql shop
query = SELECT :doc::jsonb -> 'a' AS a, :flag::bool AS flag
bind.doc = {body.doc}
bind.flag = {body.flag}
rows = object
[route types]
match = GET /types
source = sql shop
query = SELECT %(types)s
rows = object
[route changing]
match = GET /changing
source = sql shop
query = SELECT * FROM changing
[route flaky]
match = GET /flaky
source = sql shop
query = SELECT flaky()
rows = value
[route hopeless]
match = GET /hopeless
source = sql shop
query = SELECT hopeless()
[route write]
match = POST /write
source = sql reader
query = WITH new AS (INSERT INTO changing VALUES (1) RETURNING a) SELECT a FROM new
[route slow]
match = GET /slow
source = sql shop
query = SELECT pg_sleep(50)
[route hasty]
match = GET /hasty
source = sql hasty
query = SELECT pg_sleep(50)
[route narrow]
match = GET /narrow
source = sql narrow
query = SELECT pg_sleep(50)
[route joined]
match = GET /joined
report = body
[subrequest joined.slow]
source = sql shop
query = SELECT pg_sleep(50)
optional = yes
timeout = 100ms
fallback = "late"
[subrequest joined.big]
source = sql shop
query = SELECT repeat('x', 1000) FROM generate_series(1, 10000000)
optional = yes
max_result = 64k
[subrequest joined.one]
source = sql shop
query = SELECT 1 AS one
rows = object
[route secure]
match = GET /secure
source = sql secure
query = SELECT repeat('y', 1000) AS y, (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS tls
	FROM generate_series(1, 900)
"""


@pytest.fixture(scope="module")
def server():
    one = postgres.Server()
    try:
        one.sql(SCHEMA, "shop")
        yield one
    finally:
        one.close()


class Shop:
    """The daemon in front of it."""

    def __init__(self, start, server):
        self.admin = ("127.0.0.1", free_port())
        types = ", ".join("%s AS c%d" % (sql.replace("\n", "' || chr(10) || '"), i)
                          for i, (sql, _) in enumerate(TYPES))
        self.daemon = start(CONF % dict(url=server.socket_url, port=server.port, ca=server.certificate,
                                        admin=self.admin[1], types=types),
                            environ={"SHOP_PASSWORD": postgres.PASSWORD})
        self.address = self.daemon.address

    def ask(self, path, **more):
        return ask(self.address, path, **more)

    def json(self, path, status=200, **more):
        """The answer, which has that status."""
        r = self.ask(path, **more)
        assert r.status == status, r
        return json.loads(r.body)

    def counted(self, name):
        return metrics(self.admin)["forebay_postgres_" + name, ()]


@pytest.fixture(scope="module")
def shop(start, server):
    return Shop(start, server)


def sleeping(server):
    """Statements that sleep now, by process."""
    return server.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'forebay' AND state = 'active' "
                      "AND query LIKE '%pg_sleep%'").split()


# --- rows ---------------------------------------------------------------------------------------


def test_each_shape_of_rows(shop):
    assert shop.json("/array") == [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bj\u00f6rn \"B\""},
                                   {"id": 3, "name": "Chen"}]
    assert shop.json("/object/2") == {"id": 2, "name": "Bj\u00f6rn \"B\"", "age": None}
    assert shop.ask("/object/99").status == 404
    assert shop.json("/null/99") is None
    assert shop.json("/value") == "Ada"
    assert shop.json("/count") == 3


def test_values_keep_their_types_in_json(shop):
    row = shop.json("/types")
    assert [row["c%d" % i] for i in range(len(TYPES))] == [value for _, value in TYPES]
    # Not one digit is lost.
    assert b'"c2":12.30' in shop.ask("/types").body


def test_statements_that_change_rows_say_how_many(shop, server):
    assert shop.json("/grow/1", method="POST") == 1
    assert server.sql("SELECT age FROM users WHERE id = 1") == "37"
    assert shop.ask("/grow/99", method="POST").status == 404


@pytest.mark.parametrize("name", ["x' OR '1'='1", "'; DROP TABLE users; --", "$1", "\\'", ":name", "Ada\\", "%"])
def test_a_value_is_never_sql(shop, server, name):
    quoted = "".join("%%%02X" % byte for byte in name.encode())
    assert shop.json("/named?name=" + quoted) == []
    assert shop.json("/named?name=Ada") == [{"id": 1}]
    assert server.sql("SELECT count(*) >= 3 FROM users") == "t"


@pytest.mark.parametrize("path", ["/object/x", "/object/1%20OR%201=1", "/object/99999999999999999999"])
def test_a_value_that_no_column_takes_is_the_requests_fault(shop, path):
    assert shop.ask(path).status == 422
    assert shop.json("/count") >= 3


def test_no_value_is_cut_at_a_nul(shop):
    body = json.dumps({"id": 12, "name": "a\0b", "age": 1}).encode()
    assert shop.ask("/users", method="POST", body=body).status == 422


def test_values_from_a_body_are_bound(shop, server):
    body = json.dumps({"id": 10, "name": "D\u00e9j\u00e0 'vu'", "age": None}).encode()
    assert shop.json("/users", method="POST", body=body) == {"id": 10, "age": None}
    assert server.sql("SELECT name, age IS NULL FROM users WHERE id = 10") == "D\u00e9j\u00e0 'vu'|t"
    server.sql("DELETE FROM users WHERE id = 10")
    body = json.dumps({"doc": {"a": [1, {"b": "x"}]}, "flag": True}).encode()
    assert shop.json("/json", method="POST", body=body) == {"a": [1, {"b": "x"}], "flag": True}


@pytest.mark.parametrize("path, body, word", [
    ("/users", {"id": 1, "name": "Eve", "age": 1}, "unique"),
    ("/users", {"id": 11, "name": "Ada", "age": 1}, "unique"),
    ("/users", {"id": 11, "name": None, "age": 1}, "not-null"),
    ("/users", {"id": 11, "name": "", "age": 1}, "check"),
    ("/order/99", {}, "foreign-key"),
])
def test_a_rule_that_holds_a_change_is_a_conflict(shop, path, body, word):
    r = shop.ask(path, method="POST", body=json.dumps(body).encode())
    assert r.status == 409 and r.field("Forebay-Conflict") == word, r


def test_a_database_for_reading_is_not_written(shop, server):
    assert shop.ask("/write", method="POST", body=b"").status == 502
    assert server.sql("SELECT count(*) FROM changing") == "1"


# --- several statements -------------------------------------------------------------------------


def test_several_statements_are_one_transaction(shop, server):
    age = int(server.sql("SELECT age FROM users WHERE id = 3"))
    body = json.dumps({"total": 7.25, "years": 2}).encode()
    assert shop.json("/both/3", method="POST", body=body) == {"id": 3, "age": age + 2, "total": 7.25}
    assert server.sql("SELECT age FROM users WHERE id = 3") == str(age + 2)


@pytest.mark.parametrize("user, body, status", [
    ("3", {"total": 1, "years": "x"}, 422),
    ("99", {"total": 1, "years": 1}, 409),
    ("3", {"total": 1, "years": 2147483647}, 422),
    ("3", {"total": 1e20, "years": 1}, 422),
])
def test_what_fails_one_of_them_takes_all_back(shop, server, user, body, status):
    before = server.sql("SELECT count(*), (SELECT sum(age) FROM users) FROM orders")
    told = shop.counted("connections_opened_total")
    for _ in range(4):
        assert shop.ask("/both/" + user, method="POST", body=json.dumps(body).encode()).status == status
    assert server.sql("SELECT count(*), (SELECT sum(age) FROM users) FROM orders") == before
    # Their connections have been brought in order, and go on.
    assert shop.counted("connections_opened_total") <= told + 2
    assert server.connections("AND state LIKE 'idle in transaction%'") == 0


def test_who_leaves_in_the_middle_takes_all_back(shop, server):
    r = shop.json("/torn", method="POST", body=b"")
    assert r == {"a": None, "b": None}
    wait_until(lambda: server.connections("AND (state = 'active' OR state LIKE '%transaction%')") == 0,
               what="the end of the statements")
    assert server.sql("SELECT count(*) FROM changing WHERE a IN (7, 8)") == "0"


def test_a_transaction_that_is_repeated_is_done_once(shop, server):
    server.sql("SELECT setval('tries', 100)")
    assert shop.json("/twice", method="POST", body=b"") == 5
    assert server.sql("SELECT count(*) FROM changing WHERE a = 9") == "1"
    server.sql("DELETE FROM changing WHERE a = 9")


# --- statements -----------------------------------------------------------------------------------


def test_a_connection_is_told_of_a_statement_once(shop):
    for _ in range(8):
        shop.json("/array")
    told = shop.counted("prepared_total")
    with Client(shop.address) as c:
        for _ in range(100):
            assert c.ask("/array").status == 200
    assert shop.counted("prepared_total") - told <= 4


def test_a_table_that_changes_is_read_anew(shop, server):
    for _ in range(8):
        assert shop.json("/changing") == [{"a": 1}]
    server.sql("ALTER TABLE changing ADD b text DEFAULT 'new'")
    for _ in range(8):
        assert shop.json("/changing") == [{"a": 1, "b": "new"}]
    server.sql("ALTER TABLE changing DROP b")
    for _ in range(8):
        assert shop.json("/changing") == [{"a": 1}]


def test_a_serialization_failure_is_tried_once_more(shop):
    before = shop.counted("repeated_total")
    assert [shop.json("/flaky") for _ in range(3)] == [5, 5, 5]
    assert shop.counted("repeated_total") == before + 3
    r = shop.ask("/hopeless")
    assert r.status == 503 and r.field("Forebay-Shed") == "database.shop.serialization", r
    assert shop.counted("repeated_total") == before + 4


def test_rows_come_over_tls_as_well(shop):
    rows = shop.json("/secure")
    assert len(rows) == 900 and all(row == {"y": "y" * 1000, "tls": True} for row in rows)


# --- what ends a statement ------------------------------------------------------------------------


def test_statement_timeout_is_504(shop, server):
    before = shop.counted("timeouts_total")
    assert shop.ask("/hasty").status == 504
    assert shop.counted("timeouts_total") == before + 1
    wait_until(lambda: not sleeping(server), what="the end of the statement")


def test_a_client_that_goes_away_ends_its_statement(shop, server):
    before = shop.counted("cancelled_total")
    clients = [Client(shop.address) for _ in range(4)]
    for c in clients:
        c.get("/slow")
    pids = set(wait_until(lambda: len(sleeping(server)) == 4 and sleeping(server), what="four statements"))
    for c in clients:
        c.reset()
    wait_until(lambda: not sleeping(server), what="the end of the statements")
    wait_until(lambda: shop.counted("cancelled_total") >= before + 4, what="cancelling")
    # They were cancelled, not cut: the connections go on.
    for _ in range(20):
        assert shop.json("/count") >= 3
    left = set(server.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'forebay'").split())
    assert pids & left, (pids, left)


def test_a_part_that_is_late_or_too_large_ends_its_statement_alone(shop, server):
    r = shop.json("/joined")
    assert r["slow"] == "late" and r["big"] is None and r["one"] == {"one": 1}, r
    wait_until(lambda: server.connections("AND state = 'active'") == 0, what="the end of the statements")
    assert shop.json("/count") >= 3


def test_what_finds_no_room_in_the_queue_is_refused(shop, server):
    clients = [Client(shop.address) for _ in range(5)]
    for c in clients:
        c.get("/narrow")
    refused = wait_until(lambda: (lambda ready: len(ready) == 3 and ready)(
        select.select([c.socket for c in clients], [], [], 0)[0]), what="three refusals")
    for c in clients:
        if c.socket in refused:
            r = c.response()
            assert r.status == 503 and r.field("Forebay-Shed") == "database.narrow.max_queue", r
            assert int(r.field("Retry-After")) >= 1
    # One runs, one waits; each hears of the end of its own statement.
    for _ in range(2):
        for pid in wait_until(lambda: sleeping(server), what="a statement"):
            server.sql("SELECT pg_cancel_backend(%s)" % pid)
        wait_until(lambda: len(select.select([c.socket for c in clients if c.socket not in refused], [], [], 0)[0]) > 0,
                   what="an answer")
        for c in clients:
            if c.socket not in refused and select.select([c.socket], [], [], 0)[0]:
                assert c.response().status == 504
                refused.append(c.socket)
    for c in clients:
        c.close()


# --- the number of connections ----------------------------------------------------------------------


@pytest.mark.parametrize("connections", [1, 3, 8])
def test_more_workers_than_connections_keep_to_the_number_and_all_are_served(start, server, connections):
    """The server itself refuses one more: then its client would hear of it."""
    role = "capped%d" % connections
    server.sql("CREATE ROLE %s LOGIN CONNECTION LIMIT %d" % (role, connections))
    daemon = start("[server]\nworkers = 4\n[database shop]\nurl = %s\nconnections = %d\nmax_queue = 1000\n"
                   "[route r]\nmatch = GET /r\nsource = sql shop\nrows = value\n"
                   "query = SELECT count(*) FROM pg_stat_activity, pg_sleep(0.001) WHERE usename = '%s'\n"
                   % (server.socket_url.replace("user=shop", "user=" + role), connections, role))
    # The one that checked the statement.
    wait_until(lambda: server.connections("AND usename = '%s'" % role) == 0, what="no connections")
    before, most, wrong = len(server.said()), [0], []

    def be_busy():
        with Client(daemon.address) as c:
            for _ in range(20):
                r = c.ask("/r")
                if r.status != 200:
                    wrong.append(r)
                else:
                    most[0] = max(most[0], int(r.body))

    threads = [threading.Thread(target=be_busy) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]
    assert 1 <= most[0] <= connections
    assert "too many connections" not in server.said()[before:]
    daemon.stop()


def test_a_reload_keeps_to_the_number(start, server):
    admin = free_port()
    text = ("[server]\nworkers = 2\n[admin]\nlisten = 127.0.0.1:%d\nsocket = admin.sock\n[database shop]\nurl = %s\n"
            "connections = %%d\nstatement_timeout = 60s\n[route slow]\nmatch = GET /slow\nsource = sql shop\n"
            "query = SELECT pg_sleep(50)\n[route one]\nmatch = GET /one\nsource = sql shop\n"
            "query = SELECT 1\nrows = value\n" % (admin, server.socket_url))
    daemon = start(text % 2)
    listen = "[listen test]\naddress = 127.0.0.1:%d\n" % daemon.port
    with Client(daemon.address) as slow, Client(daemon.address) as one:
        slow.get("/slow")
        wait_until(lambda: len(sleeping(server)) == 1, what="the statement")
        for connections in (2, 1, 3):
            with open(daemon.path, "w", encoding="utf-8") as file:
                file.write(listen + text % connections)
            with Client(os.path.join(daemon.folder, "admin.sock")) as c:
                assert c.ask("/reload", method="POST").status == 200
            if connections == 1:
                # What runs has the only place.
                one.get("/one")
                assert one.is_quiet()
        assert one.response().status == 200
        assert one.ask("/one").status == 200
    wait_until(lambda: not sleeping(server), what="the end of the statement")
    daemon.stop()
    wait_until(lambda: not sleeping(server), what="the end of all")


# --- servers that are not there -----------------------------------------------------------------------


def test_a_server_that_ends_and_comes_back(start, server):
    own = postgres.Server(max_connections=20)
    try:
        admin = ("127.0.0.1", free_port())
        daemon = start("[server]\nworkers = 2\n[admin]\nlisten = 127.0.0.1:%d\n[database shop]\nurl = %s\n"
                       "statement_timeout = 60s\n[route one]\nmatch = GET /one\nsource = sql shop\n"
                       "query = SELECT 1 AS one\nrows = value\n[route slow]\nmatch = GET /slow\nsource = sql shop\n"
                       "query = SELECT pg_sleep(50)\n" % (admin[1], own.socket_url))
        for _ in range(4):
            assert ask(daemon.address, "/one").body == b"1"
        with Client(daemon.address) as c:
            c.get("/slow")
            wait_until(lambda: sleeping(own), what="the statement")
            own.end()
            assert c.response().status == 502
        for _ in range(4):
            assert ask(daemon.address, "/one").status == 502
        own.start()
        wait_until(lambda: ask(daemon.address, "/one").status == 200, what="the server")
        for _ in range(8):
            wait_until(lambda: ask(daemon.address, "/one").status == 200, what="every worker")
        # An idle connection that the server ends is replaced, and nobody notices.
        for _ in range(3):
            own.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'forebay'")
            wait_until(lambda: own.connections() == 0, what="no connections")
            for _ in range(4):
                assert ask(daemon.address, "/one").status == 200
        assert metrics(admin)["forebay_postgres_connections_lost_total", ()] >= 4
        daemon.stop()
        wait_until(lambda: own.connections() == 0, what="no connections")
    finally:
        own.close()


def test_a_wrong_password_is_told(start, server, tmp_path):
    (tmp_path / "pw").write_text("wrong\n")
    daemon = start("[database shop]\nurl = %s\npassword_file = %s\n[route one]\nmatch = GET /one\nsource = sql shop\n"
                   "query = SELECT 1\n" % (server.tcp_url, tmp_path / "pw"))
    assert ask(daemon.address, "/one").status == 502
    said = daemon.stderr()
    assert "statements are not checked: " in said
    assert said.count('password authentication failed for user "shop"') >= 2
    assert "wrong" not in said.replace("went wrong", "")
    daemon.stop()


# --- -t -------------------------------------------------------------------------------------------------


def check(tmp_path, text, environ=None):
    path = tmp_path / "f.conf"
    path.write_text("[listen a]\naddress = 127.0.0.1:8080\n" + text)
    before = dict(os.environ)
    os.environ.update(environ or {})
    try:
        code, _, said = run_forebayd("-t", "-c", str(path), limit=60)
    finally:
        os.environ.clear()
        os.environ.update(before)
    return code, said.replace(str(tmp_path) + "/", "")


ROUTE = "[route r]\nmatch = GET /r/{id}\nsource = sql shop\nquery = %s\n"

QUERIES = [
    ("SELECT name FROM usres WHERE id = :id", 'relation "usres" does not exist'),
    ("SELECT nmae FROM users WHERE id = :id", 'column "nmae" does not exist; Perhaps you meant to reference the column '
     '"users.name".'),
    ("SELEC 1", 'a part runs SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES, TABLE, WITH or CALL, not "SELEC": its '
     "connection serves other requests too"),
    ("BEGIN", 'not "BEGIN": its connection serves'),
    ("/* x */ set search_path = a", 'not "set": its connection serves'),
    ("SELECT 1; SELECT nothing", 'column "nothing" does not exist'),
    ("SELECT nothing; SELECT 1", 'column "nothing" does not exist'),
    ("SELECT 1; COMMIT", 'not "COMMIT": its connection serves'),
    ("-- nothing", "there is no statement in it"),
    ("SELECT 1 AS a, 2 AS a", 'two columns bear the name "a"; rename one with AS'),
    ("SELECT $1::int", "parameters are written as :name, not as $1"),
    ("SELECT 'a", "unterminated quoted string"),
]
WRITING = "[database shop]\nurl = %s\nmode = ro\n" + ROUTE % "DELETE FROM users WHERE id = :id"


@pytest.mark.parametrize("query, message", QUERIES)
def test_statements_are_checked_by_the_server(server, tmp_path, query, message):
    code, said = check(tmp_path, "[database shop]\nurl = %s\n" % server.socket_url + ROUTE % query)
    assert code == 1 and "f.conf:8: [route r] query: " in said and message in said, said


def test_statements_that_write_are_not_for_a_database_for_reading(server, tmp_path):
    code, said = check(tmp_path, WRITING % server.socket_url)
    assert code == 1 and "query: the statement writes, and the database has mode = ro" in said, said


SECTIONS = [
    ("url = postgresql://shop:secret@127.0.0.1/shop\n", 1,
     "f.conf:4: [database shop] url: a password stands in it as it is; give password_file, or write it as ${NAME} and "
     "set NAME in the environment\n"),
    ("url = postgresql:shop\n", 1, "f.conf:4: [database shop] url: write postgresql://USER@HOST/NAME\n"),
    ("url = postgresql://h/shop?sslmod=on\n", 1, 'invalid URI query parameter: "sslmod"'),
    ("url = mysql://h/shop\n", 1, '"mysql" is no database that is known here; write sqlite:PATH or '
     "postgresql://USER@HOST/NAME\n"),
    ("url = %(url)s\npassword_file = none\n", 1, "f.conf:5: [database shop] password_file: none: No such file"),
    ("url = sqlite:f.db\npassword_file = none\n", 1, "f.conf:5: [database shop] password_file: is for PostgreSQL\n"),
    ("url = postgresql://127.0.0.1:1/shop\n", 0, "f.conf:4: warning: [database shop] url: statements are not checked: "),
    ("url = %(url)s\nconnections = 58\n", 0,
     "f.conf:5: warning: [database shop] connections: the server has max_connections = 60, of which 3 are reserved: 58 "
     "cannot be opened\n"),
    ("url = %(url)s\nconnections = 57\nstatement_timeout = 31s\n", 0,
     "f.conf:6: warning: [database shop] statement_timeout: no part there has so much time: 30s at most"),
    ("url = %(url)s\nconnections = 1\n[server]\nworkers = 4\n", 0, ""),
]


@pytest.mark.parametrize("section, code, message", SECTIONS)
def test_sections_are_checked(server, tmp_path, section, code, message):
    got, said = check(tmp_path, "[database shop]\n" + section % dict(url=server.socket_url) + ROUTE % "SELECT :id::int")
    assert got == code and message in said, said
    assert message or not said, said
    assert "secret" not in said


def test_a_password_from_the_environment_is_in_no_message(server, tmp_path):
    url = server.tcp_url.replace("shop@", "shop:${SHOP_PASSWORD}@")
    section = "[database shop]\nurl = %s\n" % url + ROUTE % "SELECT 1"
    code, said = check(tmp_path, section, {"SHOP_PASSWORD": postgres.PASSWORD.replace(" ", "%20")})
    assert code == 0 and not said, said
    code, said = check(tmp_path, section, {"SHOP_PASSWORD": "hush%zz"})
    assert code == 1 and "write postgresql://" in said and "hush" not in said, said
