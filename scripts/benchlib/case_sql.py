"""sql: SQLite point queries and lists of ten rows by 1 to 8 connections; light requests beside it."""
import os
import sqlite3

from benchlib import beside, load

ROWS = 20000
GROUP = 10  # rows in a list
RATE = 500
SCAN_RATE = 2000
BASE = """\
[database scanned]
url = sqlite:%(database)s
mode = ro
connections = 4
max_queue = 64
[route scan]
match = GET /scan
source = sql scanned
query = SELECT count(*) AS n FROM item WHERE name LIKE '%%9%%' AND price > 10
"""
ROUTES = """\
[database items%(connections)d]
url = sqlite:%(database)s
mode = ro
connections = %(connections)d
max_queue = 256
[route point%(connections)d]
match = GET /point/%(connections)d/{id}
source = sql items%(connections)d
query = SELECT id, name, price FROM item WHERE id = :id
rows = object
empty = 404
[route list%(connections)d]
match = GET /list/%(connections)d/{id}
source = sql items%(connections)d
query = SELECT id, name, price FROM item WHERE grp = :id ORDER BY id
"""
KINDS = {"point": ROWS, "list": ROWS // GROUP}  # and how many ids there are


def seconds(scale, each, servers):
    """(once, per round)"""
    once, per_round = beside.seconds(scale, each, servers)
    return once + 1, per_round + len(scale.connections) * len(KINDS) * 2 * each


def make_database(path):
    """Items, ten to a group, analysed."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, grp INTEGER, name TEXT, price REAL)")
        db.executemany("INSERT INTO item VALUES (?, ?, ?, ?)", (
            (n, (n - 1) // GROUP + 1, "item number %d" % (n * 7919 % 100003), n % 1000 / 10)
            for n in range(1, ROWS + 1)))
        db.execute("CREATE INDEX item_by_group ON item (grp)")
        db.execute("ANALYZE")
    db.close()
    os.chmod(path, 0o644)


def some_paths(kind, connections):
    """A thousand paths, spread over all ids, as a list in Lua."""
    ids = (n * 7919 % KINDS[kind] + 1 for n in range(1000))
    return ", ".join('"/%s/%d/%d"' % (kind, connections, number) for number in ids)


def database_round(s, ours, generators, number):
    """Throughput of a closed loop, then latency at a fixed pace, for each kind and number of connections."""
    paced = s.pace(RATE)
    for (kind, connections), generator in s.in_turn(list(generators.items()), number):
        at = "%d connection%s" % (connections, "s" if connections > 1 else "")
        path = "/%s/%d/77" % (kind, connections)
        got, cpu = s.loaded(ours, generator, path)  # its script has a thousand others
        s.figures.add(kind + "_per_s", ours.name, got.requests / got.seconds, at)
        s.figures.add(kind + "_cpu_us", ours.name, cpu / 1000 / got.requests, at)
        good, _ = s.paced(ours, paced, path, kind)
        s.figures.add(kind + "_p50_ms", ours.name, good["p50"], at)
        s.figures.add(kind + "_p99_ms", ours.name, good["p99"], at)


def sql(s):
    database = os.path.join(s.folder, "items.db")
    make_database(database)
    conf = BASE + "".join(ROUTES % {"connections": n, "database": "%(database)s"} for n in s.scale.connections)
    ours = s.start_ours(database=database, **{"more.forebay": conf})
    s.note("no peer here answers from a database without another program: forebay alone")
    s.note("%d rows; throughput with 32 conns, latency at %d requests/s" % (ROWS, RATE))
    s.note("isolation: %d light requests/s beside %d whole-table scans/s on 4 connections, more than they can take"
           % (beside.LIGHT_RATE, SCAN_RATE))
    generators = {(kind, n): s.wrk(script=load.PATHS % some_paths(kind, n), name="%s%d" % (kind, n))
                  for kind in KINDS for n in s.scale.connections}
    for number in s.rounds():
        database_round(s, ours, generators, number)
        beside.isolation_round(s, ours, "/scan", SCAN_RATE)
