"""forebayd --explain: a route's plan as text and for Graphviz."""
import re
import sqlite3

import pytest

from bed import run_forebayd

CONF = """\
[listen a]
address = 127.0.0.1:8080
[server]
workers = 2
[pool heavy]
threads = 2
max_queue = 1
max_wait = 50ms
[database shop]
url = sqlite:shop.db
connections = 3
[upstream users]
servers = http://127.0.0.1:9001, http://127.0.0.1:9002
max_connections = 8
max_pending = 4
[route profile]
match = GET /api/"profile"/{id}
deadline = 300ms
[subrequest profile.user]
source = upstream users
path = /users/{id}
timeout = 120ms
[subrequest profile.friends]
source = upstream users
path = /friends/{id}
optional = yes
fallback = []
timeout = 100ms
[subrequest profile.orders]
source = sql shop
query = SELECT id FROM orders WHERE id = :id
optional = yes
timeout = 100ms
[subrequest profile.badge]
source = compute digest
pool = heavy
input = {user.email}
after = orders
timeout = 60ms
[route assets]
match = GET /assets/{path...}
source = file
root = .
[route hash]
match = POST /hash
source = compute digest
pool = heavy
"""

PROFILE = """\
[route profile] at f.conf:16: GET /api/"profile"/{id}
joined as an object; deadline 300ms, priority normal

Step  Part     Source          Timeout  Pool           If it fails  Waits for
1     user     upstream users  120ms    -              required     -
1     friends  upstream users  100ms    -              else []      -
1     orders   sql shop        100ms    database.shop  else null    -
2     badge    compute digest  60ms     heavy          required     user, (orders)

Time      180ms at most, by the timeouts; the deadline is 300ms
          longest chain: user 120ms > badge 60ms = 180ms
Memory    28m at most: 4m of results (max_result), 24m to write as JSON what is none
Fan-out   4 parts in 2 steps, at most 3 at once
Pool      database.shop: 1 place at the start, of 67 (3 threads, 64 waiting)
Pool      heavy: 1 place at the start, of 3 (2 threads, 1 waiting); refused when the wait would be over 50ms
Source    upstream users: 2 at the start, of 12 (8 connections, 4 waiting); at most 2 attempts, each 6s to its first byte at most
Source    sql shop: 2s at most for a statement
"""

ASSETS = """\
[route assets] at f.conf:40: GET /assets/{path...}
one part, passed through; deadline 30s, priority normal

Step  Part  Source  Timeout   Pool        If it fails  Waits for
1     -     file    deadline  (blocking)  required     -

Time      30s at most, by the deadline, until the answer begins
Memory    no body is kept: it is streamed
"""

HASH = """\
[route hash] at f.conf:44: POST /hash
one part, passed through; deadline 30s, priority normal

Step  Part  Source          Timeout   Pool   If it fails  Waits for
1     -     compute digest  deadline  heavy  required     -

Time      30s at most, by the deadline, until the answer begins; the clock stands while the client sends its body
Memory    2m at most: 1m of the job's result, 1m of the request's body (max_body)
Pool      heavy: 1 place at the start, of 3 (2 threads, 1 waiting); refused when the wait would be over 50ms
"""


@pytest.fixture
def folder(tmp_path):
    with sqlite3.connect(str(tmp_path / "shop.db")) as shop:
        shop.execute("CREATE TABLE orders (id)")
    (tmp_path / "f.conf").write_text(CONF)
    return tmp_path


@pytest.mark.parametrize("route, text", [("profile", PROFILE), ("assets", ASSETS), ("hash", HASH)])
def test_a_plan_is_explained_as_text(folder, route, text):
    assert run_forebayd("--explain", route, "-c", "f.conf", folder=folder) == (0, text, "")


QUOTED = r'"(?:[^"\\\n]|\\.)*"'
NODE = re.compile(r"\t(\w+) \[(?:shape=\w+|label=%s(?:, style=dashed)?)\];" % QUOTED)
ARROW = re.compile(r"\t(\w+) -> (\w+)(?: \[\w+=\w+\])*;")
HEAD = re.compile(r"\t(?:rankdir=LR|label=%s);|\tnode \[shape=box\];" % QUOTED)


def read_graph(text):
    """Nodes and arrows; fails at any line that is none of what the language has."""
    lines = text.split("\n")
    assert re.fullmatch(r"digraph %s {" % QUOTED, lines[0]) and lines[-2:] == ["}", ""]
    nodes, arrows = set(), set()
    for line in lines[1:-2]:
        node, arrow = NODE.fullmatch(line), ARROW.fullmatch(line)
        if arrow:
            arrows.add(arrow.groups())
        elif node and node.group(1) != "node":
            nodes.add(node.group(1))
        else:
            assert HEAD.fullmatch(line), line
    return nodes, arrows


def test_a_plan_is_drawn_for_graphviz(folder):
    code, out, said = run_forebayd("--explain", "profile", "--dot", "-c", "f.conf", folder=folder)
    assert (code, said) == (0, "")
    nodes, arrows = read_graph(out)
    assert nodes == {"request", "answer", "p0", "p1", "p2", "p3"}
    assert arrows == {("request", "p0"), ("request", "p1"), ("request", "p2"), ("p0", "p3"), ("p2", "p3"),
                      ("p1", "answer"), ("p3", "answer")}
    assert "\tp0 -> p3 [penwidth=2];\n" in out and "\tp2 -> p3 [style=dashed];\n" in out
    assert 'label="user\\nupstream users\\n120ms"' in out
    nodes, arrows = read_graph(run_forebayd("--dot", "--explain", "hash", "-c", "f.conf", folder=folder)[1])
    assert arrows == {("request", "p0"), ("p0", "answer")}


def test_an_unknown_route_is_told_with_the_nearest(folder):
    assert run_forebayd("--explain", "profil", "-c", "f.conf", folder=folder) == (
        1, "", 'forebayd: there is no route "profil"; did you mean "profile"?\n')


def test_nothing_is_explained_of_a_wrong_configuration(folder):
    (folder / "f.conf").write_text(CONF + "[route x]\nmatch = GET /\nsource = nosuch\n")
    code, out, said = run_forebayd("--explain", "profile", "-c", "f.conf", folder=folder)
    assert (code, out) == (1, "")
    assert said == 'f.conf:50: [route x] source: there is no kind of source "nosuch"\n'


def test_a_graph_is_of_one_route():
    code, out, said = run_forebayd("--dot", "-t")
    assert (code, out) == (2, "")
    assert said == "forebayd: --dot is for --explain ROUTE\nforebayd: see forebayd --help\n"
