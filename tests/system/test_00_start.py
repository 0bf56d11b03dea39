"""Starting: the command line, configurations good and bad, listeners, the end.

The messages are part of the product: a malformed configuration is answered with
the file, the line, what is wrong and what would be right, every error in one run.
"""
import os
import re
import signal
import socket
import sqlite3
import time

import pytest

from bed import FACTOR, free_port, run_forebayd, wait_until
from client import Client, ask

HELLO = "[route hello]\nmatch = GET /hello\nsource = fixed\nbody = Hello.\n"
LISTEN = "[listen a]\naddress = 127.0.0.1:8080\n"
FIXED = "[route f]\nmatch = GET /\nsource = fixed\n"
JOINED = "[route r]\nmatch = GET /{id}\n"


# --- life -----------------------------------------------------------------------------

def test_starts_answers_and_ends_on_sigterm(start):
    daemon = start(HELLO)
    assert ask(daemon.address, "/hello").body == b"Hello."
    daemon.stop()
    said = daemon.stderr()
    assert "notice SIGTERM: draining" in said
    assert said.endswith("notice stopped\n")


def test_sigint_ends_it_too(start):
    daemon = start(HELLO)
    daemon.signal(signal.SIGINT)
    daemon.wait()


def test_sighup_does_not_end_it(start):
    daemon = start(HELLO)
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: "reloaded" in daemon.stderr())
    assert ask(daemon.address, "/hello").status == 200


def test_says_its_budget_and_where_it_listens(start):
    daemon = start(HELLO + "[server]\ncpu_budget = 1.5\n")
    assert "cpu budget 1.5 as declared: " in daemon.stderr()
    assert "listening on 127.0.0.1:%d\n" % daemon.port in daemon.stderr()


def test_starts_and_ends_without_traffic(start):
    begun = time.monotonic()
    start(HELLO + "[server]\nworkers = 8\n").stop()
    assert time.monotonic() - begun < 3 * FACTOR


def test_ipv6_and_unix_listeners(start, tmp_path):
    port, path = free_port(socket.AF_INET6, "::1"), str(tmp_path / "socket")
    daemon = start(HELLO + "[route who]\nmatch = GET /who\nsource = fixed\nbody = <{client.address}>\n"
                   "[listen six]\naddress = [::1]:%d\n[listen path]\naddress = unix:%s\n" % (port, path))
    assert ask(("::1", port), "/who").body == b"<::1>"
    assert ask(daemon.address, "/who").body == b"<127.0.0.1>"
    assert ask(path, "/hello").body == b"Hello."
    daemon.stop()
    assert not os.path.exists(path)


def test_a_unix_path_left_behind_is_replaced(start, tmp_path):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    daemon = start(HELLO + "[listen path]\naddress = unix:%s\n" % path)
    assert ask(path, "/hello").status == 200
    daemon.stop()


# --- the command line -----------------------------------------------------------------

def write(folder, text, name="f.conf"):
    with open(str(folder / name), "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return name


def test_version_and_help():
    code, out, said = run_forebayd("--version")
    assert code == 0 and said == ""
    assert out.startswith("forebay ") and "libevent" in out
    code, out, said = run_forebayd("--help")
    assert code == 0 and said == ""
    assert all(word in out for word in ("-c FILE", "-t", "--dump", "--match", "--explain", "--dot", "--version"))
    assert max(map(len, out.split("\n"))) <= 80


@pytest.mark.parametrize("arguments, sentence", [
    (["--bogus"], "unrecognized option '--bogus'"),
    (["extra"], "extra: no argument is expected there"),
    (["-c"], "option requires an argument -- 'c'"),
])
def test_a_wrong_command_line_is_told_and_ends_with_2(arguments, sentence):
    code, out, said = run_forebayd(*arguments)
    assert code == 2 and out == ""
    assert sentence in said and said.endswith("forebayd: see forebayd --help\n")


def test_check_says_that_all_is_right(tmp_path):
    write(tmp_path, LISTEN + HELLO)
    assert run_forebayd("-t", "-c", "f.conf", folder=tmp_path) == (
        0, "f.conf: all right: 1 route, 1 part\n", "")


@pytest.mark.parametrize("request_line, code, answer", [
    ("GET /a/b", 0, "[route r] at f.conf:4: GET /a/{x}\n  x = b\n"),
    ("HEAD /a/1%2F2?q", 0, "[route r] at f.conf:4: GET /a/{x}\n  x = 1/2\n"),
    ("GET /x/../a/b", 0, "[route r] at f.conf:4: GET /a/{x}\n  x = b\n"),
    ("GET http://other/a/b", 0, "[route r] at f.conf:4: GET /a/{x}\n  x = b\n"),
    ("GET /b", 1, "no route: 404, no route has such a path\n"),
    ("PUT /a/b", 1, "no route: 405, the path is there for GET, HEAD only\n"),
    ("OPTIONS *", 1, "no route: 204, the server itself answers OPTIONS *\n"),
    ("/a/b", 1, "not a request: write it as 'GET /path' or 'GET http://host/path'\n"),
])
def test_match_names_the_route(tmp_path, request_line, code, answer):
    write(tmp_path, LISTEN + "[route r]\nmatch = GET /a/{x}\nsource = fixed\n")
    got, out, said = run_forebayd("--match", request_line, "-c", "f.conf", folder=tmp_path)
    assert (got, out + said) == (code, answer)
    assert (said == "") == (code == 0)


RICH = """\
# a comment
[server]
workers = 3
cpu_budget = 1.5
user = ${FOREBAY_TEST_USER:-root}
grace = 90s
include = more.conf

[admin]
listen = 127.0.0.1:9180

[listen web]
address = 127.0.0.1:8080
half_close = allow

[listen six]
address = [::1]:8081

[limits]
max_body = 2m

[pool compute]
threads = 2
max_wait = 0s

[pool heavy]
nice = 19

[upstream users]
servers = http://127.0.0.1:9001,
  http://127.0.0.1:9002

[route profile]
match = GET /api/{id}
host = *.example.com
deadline = 300ms

[subrequest profile.user]
source = upstream users
path = /users/{id}
header.X-Id = {request.id}
forward = authorization, accept-language

[subrequest profile.note]
source = fixed
type = application/json
body = {"a": {"{{": 1},

  ; a remark inside
  "b": {user.name}}
optional = yes
fallback = {"none": true}
timeout = 100ms
after = user

[subrequest profile.badge]
source = compute digest
pool = heavy
input = {user.email}
expect = 200-204, 3xx

[route proxy]
match = * /legacy/{path...}
source = upstream users

[route echo]
match = POST /echo
source = echo
max_body = 1g

[route seal]
match = POST /seal
source = compute pbkdf2
iterations = 10
salt = {query.salt}
"""
MORE = "[route assets]\nmatch = GET /assets/{path...}\nsource = file\nroot = .\nindex = a.html\n"


def test_dump_is_accepted_and_dumps_to_itself(tmp_path):
    write(tmp_path, RICH)
    write(tmp_path, MORE, "more.conf")
    code, first, said = run_forebayd("--dump", "-c", "f.conf", folder=tmp_path)
    assert (code, said) == (0, "")
    for part in ("${FOREBAY_TEST_USER:-root}", "max_headers = 100", "[pool blocking]", "root = %s" % tmp_path,
                 "[subrequest profile.badge]", "iterations = 10\nsalt = {query.salt}\nalgorithm = sha256",
                 "connect_timeout = 1s"):
        assert part in first, first
    other = tmp_path / "other"
    other.mkdir()
    write(other, first)
    assert run_forebayd("--dump", "-c", "f.conf", folder=other) == (0, first, "")


# --- what stands in the way -----------------------------------------------------------

def test_a_busy_port_is_named_with_what_to_do(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        where = "127.0.0.1:%d" % other.getsockname()[1]
        write(tmp_path, "[listen a]\naddress = %s\n" % where + HELLO)
        code, out, said = run_forebayd("-c", "f.conf", folder=tmp_path)
    assert (code, out) == (1, "")
    assert ("f.conf:2: [listen a] address: cannot listen on %s: bind: Address already in use; "
            "end who listens there, or choose another address\n" % where) in said


def test_all_listeners_that_fail_are_named(tmp_path):
    free = free_port()
    write(tmp_path, "[listen a]\naddress = 192.0.2.1:8080\n[listen b]\naddress = unix:/no/such/folder/socket\n"
          "[listen c]\naddress = 127.0.0.1:%d\n" % free + HELLO)
    code, out, said = run_forebayd("-c", "f.conf", folder=tmp_path)
    assert (code, out) == (1, "")
    assert ("f.conf:2: [listen a] address: cannot listen on 192.0.2.1:8080: bind: Cannot assign requested "
            "address; choose an address that this machine has, or 0.0.0.0 or [::] for all\n") in said
    assert ("f.conf:4: [listen b] address: cannot listen on unix:/no/such/folder/socket: bind: No such file "
            "or directory; make its directory first\n") in said
    assert "[listen c]" not in said
    with pytest.raises(ConnectionRefusedError):
        Client(("127.0.0.1", free))


def test_a_unix_path_in_use_is_not_taken_over(start, tmp_path):
    path = str(tmp_path / "socket")
    daemon = start(HELLO + "[listen path]\naddress = unix:%s\n" % path)
    write(tmp_path, "[listen b]\naddress = unix:%s\n" % path + HELLO)
    code, _, said = run_forebayd("-c", "f.conf", folder=tmp_path)
    assert code == 1 and "bind: Address already in use" in said
    assert ask(path, "/hello").status == 200
    daemon.stop()


@pytest.mark.parametrize("arguments", [["-c"], ["-t", "-c"], ["--dump", "-c"]])
def test_a_missing_file_is_named(arguments):
    assert run_forebayd(*arguments, "/no/such/f.conf") == (
        1, "", "/no/such/f.conf: cannot read it: No such file or directory\n")


def test_a_folder_is_no_configuration(tmp_path):
    assert run_forebayd("-t", "-c", ".", folder=tmp_path) == (1, "", ".: cannot read it: Is a directory\n")


def test_a_database_that_is_not_there_is_named_with_what_to_do(tmp_path):
    write(tmp_path, LISTEN + "[database shop]\nurl = sqlite:shop.db\n[database junk]\nurl = sqlite:f.conf\n" + HELLO)
    code, out, said = run_forebayd("-t", "-c", "f.conf", folder=tmp_path)
    assert (code, out) == (1, "")
    assert said == ('f.conf:4: [database shop] url: there is no database "%s/shop.db": No such file or directory; '
                    "create it, or correct the path\n"
                    'f.conf:6: [database junk] url: "%s/f.conf" cannot be opened: file is not a database\n' % (tmp_path, tmp_path))


def test_a_query_that_its_database_cannot_run_is_told(tmp_path):
    sqlite3.connect(str(tmp_path / "shop.db")).execute("CREATE TABLE a (b)").connection.close()
    write(tmp_path, LISTEN + "[database shop]\nurl = sqlite:shop.db\n"
          "[route r]\nmatch = GET /{id}\nsource = sql shop\nquery = SELECT c FROM a\n"
          "[route s]\nmatch = GET /s/{id}\nsource = sql shp\nquery = SELECT b FROM a\n")
    code, out, said = run_forebayd("-t", "-c", "f.conf", folder=tmp_path)
    assert (code, out, said) == (
        1, "", "f.conf:8: [route r] query: no such column: c\n"
        'f.conf:11: [route s] source: there is no [database shp]; did you mean "shop"?\n')


def test_an_unreadable_root_is_named_with_what_to_do(tmp_path):
    root = tmp_path / "private"
    root.mkdir(mode=0o700 if os.geteuid() == 0 else 0)
    user = "[server]\nuser = nobody\n" if os.geteuid() == 0 else ""
    write(tmp_path, "[listen a]\naddress = 127.0.0.1:%d\n[route r]\nmatch = GET /{path...}\nsource = file\n"
          "root = private\n" % free_port() + user)
    code, out, said = run_forebayd("-c", "f.conf", folder=tmp_path)
    assert (code, out) == (1, "")
    assert ('f.conf:6: [route r] root: "%s" may not be searched by this user; grant it x, on every directory '
            "above too\n" % root) in said


# --- malformed configurations ---------------------------------------------------------
# what it is, the configuration (f.conf), all of stderr

MALFORMED = [
    ("nothing in it", "",
     "f.conf: there is no [listen NAME] section: say where to accept connections\n"),
    ("an unknown section", LISTEN + "[rout x]\nmatch = GET /\n",
     'f.conf:3: [rout x]: unknown section; did you mean "route"?\n'),
    ("an unknown key", LISTEN + "[server]\nworker = 2\n",
     'f.conf:4: [server] worker: unknown key; did you mean "workers"?\n'),
    ("a key of a part that does not exist", LISTEN + "quic = yes\n",
     "f.conf:3: [listen a] quic: unknown key\n"),
    ("a key twice", LISTEN + "[server]\nworkers = 2\nworkers = 3\n",
     "f.conf:5: [server] workers: duplicate key; the first is at line 4\n"),
    ("a section twice", LISTEN + FIXED + FIXED,
     "f.conf:6: [route f]: the section is repeated; it began at f.conf:3\n"),
    ("a key before the first section", "workers = 1\n" + LISTEN,
     'f.conf:1: "workers": a key stands before the first section\n'),
    ("a word for a number", LISTEN + "[server]\nworkers = many\n",
     'f.conf:4: [server] workers: "many" is not a whole number, nor auto\n'),
    ("numbers out of range", LISTEN + "[server]\nworkers = 0\n[limits]\nmax_headers = 5000\n",
     'f.conf:4: [server] workers: "0" is out of range: 1 to 256\n'
     'f.conf:6: [limits] max_headers: "5000" is out of range: 1 to 1000\n'),
    ("a duration without a unit", LISTEN + "[limits]\nheader_timeout = 10\n",
     'f.conf:4: [limits] header_timeout: "10" is not a duration such as 250ms, 2s or 5m\n'),
    ("a deadline of nothing", LISTEN + FIXED + "deadline = 0s\n",
     'f.conf:6: [route f] deadline: "0s" is out of range: at least 1ms\n'),
    ("a size with a wrong unit", LISTEN + "[limits]\nmax_body = 1 MB\n",
     'f.conf:4: [limits] max_body: "1 MB" is not a size such as 512, 16k or 1m\n'),
    ("a word that is not of the list", LISTEN + "[server]\ndispatch = robin\n",
     'f.conf:4: [server] dispatch: "robin" is none of: round-robin, least-active; did you mean "round-robin"?\n'),
    ("neither yes nor no", LISTEN + JOINED + "[subrequest r.a]\nsource = fixed\noptional = maybe\n",
     'f.conf:7: [subrequest r.a] optional: "maybe" is not yes or no\n'),
    ("a listener without an address", "[listen a]\n" + FIXED,
     "f.conf:1: [listen a] address: this key is required\n"),
    ("addresses that are none",
     "[listen a]\naddress = localhost:80\n[listen b]\naddress = 127.0.0.1:99999\n[listen c]\naddress = 127.0.0.1\n",
     'f.conf:2: [listen a] address: "localhost:80" is not an address such as 127.0.0.1:8080, [::]:8080, unix:/path or systemd:NAME\n'
     'f.conf:4: [listen b] address: "127.0.0.1:99999" is not an address such as 127.0.0.1:8080, [::]:8080, unix:/path or systemd:NAME\n'
     'f.conf:6: [listen c] address: "127.0.0.1" is not an address such as 127.0.0.1:8080, [::]:8080, unix:/path or systemd:NAME\n'),
    ("one address for two", LISTEN + "[listen b]\naddress = 127.0.0.1:8080\n",
     "f.conf:4: [listen b] address: is that of [listen a] (f.conf:2), too: each needs its own\n"),
    ("a bound for what is streamed", LISTEN + "[route r]\nmatch = GET /\nsource = fixed\nbody = x\nmax_result = 2m\n",
     "f.conf:7: [route r] max_result: is for results that are there as a whole: what this source sends is passed on as it "
     "comes\n"),
    ("a section head that does not end", LISTEN + "[server\nworkers = 1\n",
     'f.conf:3: "[server": a section head has no closing ]\n'),
    ("a line that is neither", LISTEN + "[server]\nworkers\n",
     'f.conf:4: "workers": a line is "key = value" or "[section]"\n'),
    ("a continuation of nothing", "  x = 1\n" + LISTEN,
     'f.conf:1: "x = 1": an indented line continues a value, and there is none; keys start at the margin\n'),
    ("a NUL", LISTEN + "[server]\nuser = a\0b\n",
     'f.conf:4: "user = a\\x00b": a NUL byte is not allowed\n'),
    ("bytes that are no UTF-8", LISTEN.encode() + b"[server]\nuser = \xff\n",
     'f.conf:4: "user = \\xff": this is not UTF-8\n'),
    ("a variable that is not set", LISTEN + "[server]\nuser = ${FOREBAY_NOT_SET}\n",
     'f.conf:4: [server] user: "${FOREBAY_NOT_SET}": this environment variable is not set, and has no default\n'),
    ("a file to include that is not there", LISTEN + "[server]\ninclude = absent.conf\n",
     'f.conf:4: [server] include: there is no file "absent.conf"\n'),
    ("a route without a source", LISTEN + "[route r]\nmatch = GET /\n",
     "f.conf:3: [route r]: a route needs a source, or [subrequest r.NAME] sections\n"),
    ("a source and parts", LISTEN + JOINED + "source = fixed\n[subrequest r.a]\nsource = fixed\n",
     "f.conf:5: [route r] source: a route has either a source or [subrequest r.NAME] sections\n"),
    ("a source that is none", LISTEN + JOINED + "source = fixd\n",
     'f.conf:5: [route r] source: there is no kind of source "fixd"; did you mean "fixed"?\n'),
    ("an upstream that is not declared",
     LISTEN + "[upstream users]\nservers = http://127.0.0.1:1\n" + JOINED + "source = upstream user\n",
     'f.conf:7: [route r] source: there is no [upstream user]; did you mean "users"?\n'),
    ("an upstream without a name", LISTEN + JOINED + "source = upstream\n",
     "f.conf:5: [route r] source: needs the name of a section [upstream NAME]\n"),
    ("a server of an unknown scheme", LISTEN + "[upstream users]\nservers = ftp://127.0.0.1\n",
     'f.conf:4: [upstream users] servers: "ftp://127.0.0.1": a server is http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH\n'),
    ("a join of nothing", LISTEN + FIXED + "join = object\n",
     "f.conf:6: [route f] join: is for routes with [subrequest] sections: this one has a source of its own, "
     "whose answer is passed through\n"),
    ("patterns that are none",
     LISTEN + "[route r]\nmatch = /hello\nsource = fixed\n[route s]\nmatch = GET hello\nsource = fixed\n"
     "[route t]\nmatch = GET /{a}/{a}\nsource = fixed\n[route u]\nmatch = GET /{a...}/b\nsource = fixed\n",
     'f.conf:4: [route r] match: "/hello" is not METHOD /path, as GET /hello\n'
     'f.conf:7: [route s] match: "GET hello" has no path that starts with /\n'
     'f.conf:10: [route t] match: "{a}" names a parameter twice\n'
     'f.conf:13: [route u] match: "{a...}" may only be the last segment\n'),
    ("two routes for the same requests", LISTEN + JOINED + "source = fixed\n[route s]\nmatch = GET /{b}\nsource = fixed\n",
     "f.conf:7: [route s] match: takes the same requests as [route r] at f.conf:4: one of them never gets any\n"),
    ("parts that wait for each other",
     LISTEN + "[route r]\nmatch = GET /\n[subrequest r.a]\nsource = fixed\nbody = {b.x}\n"
     "[subrequest r.b]\nsource = fixed\nafter = c\n[subrequest r.c]\nsource = fixed\nbody = {a:body}\n",
     "f.conf:7: [subrequest r.a] body: parts that wait for each other: a -> b -> c -> a "
     "(a waits at f.conf:7, b waits at f.conf:10, c waits at f.conf:13)\n"),
    ("a part that needs itself", LISTEN + JOINED + "[subrequest r.a]\nsource = fixed\nbody = {a.x}\n",
     "f.conf:7: [subrequest r.a] body: parts that wait for each other: a -> a (a waits at f.conf:7)\n"),
    ("a part without its field", LISTEN + JOINED + "[subrequest r.a]\nsource = fixed\n[subrequest r.b]\nsource = fixed\nbody = {a}\n",
     "f.conf:9: [subrequest r.b] body: {a}: that is a part: say which of it, as in {part.field} or {part:body}\n"),
    ("a parameter that is not there", LISTEN + JOINED + "source = fixed\nbody = {ids}\n",
     "f.conf:6: [route r] body: {ids}: the route has no such path parameter (a brace as text is {{); "
     'did you mean "id"?\n'),
    ("a part of no route", LISTEN + FIXED + "[subrequest ff.a]\nsource = fixed\n",
     'f.conf:6: [subrequest ff.a]: there is no [route ff]; did you mean "f"?\n'),
    ("a part without a route", LISTEN + FIXED + "[subrequest a]\nsource = fixed\n",
     "f.conf:6: [subrequest a]: the name of a part is ROUTE.NAME, with the route it is of\n"),
    ("names that parts cannot have", LISTEN + JOINED + "[subrequest r.A]\nsource = fixed\n[subrequest r.body]\nsource = fixed\n"
     "[subrequest r.id]\nsource = fixed\n",
     'f.conf:5: [subrequest r.A]: "A" is no name for a part: a lower-case letter, then lower-case letters, '
     "digits, _ and -\n"
     'f.conf:7: [subrequest r.body]: "body" cannot be the name of a part: in templates it means something else\n'
     "f.conf:9: [subrequest r.id]: a part cannot bear the name of a path parameter of its route: {id} would mean both\n"),
    ("fallbacks that are none",
     LISTEN + JOINED + "[subrequest r.a]\nsource = fixed\noptional = yes\nfallback = {\n"
     "[subrequest r.b]\nsource = fixed\nfallback = []\n",
     'f.conf:8: [subrequest r.a] fallback: "{" is not JSON: see its byte 2\n'
     "f.conf:11: [subrequest r.b] fallback: only an optional part, or one with a condition (when), can fall back\n"),
    ("statuses that are none", LISTEN + JOINED + "[subrequest r.a]\nsource = fixed\nexpect = 2yy\n",
     'f.conf:7: [subrequest r.a] expect: "2yy" is no status: write 204, 200-299 or 2xx\n'),
    ("after a part that is not there",
     LISTEN + JOINED + "[subrequest r.alpha]\nsource = fixed\n[subrequest r.b]\nsource = fixed\nafter = alhpa\n",
     'f.conf:9: [subrequest r.b] after: this route has no part "alhpa"; did you mean "alpha"?\n'),
    ("a pool that is not declared", LISTEN + JOINED + "source = compute digest\npool = compte\n",
     'f.conf:6: [route r] pool: there is no [pool compte]; did you mean "compute"?\n'),
    ("a pool for compression that is not declared", LISTEN + "[compression]\npool = compte\n" + FIXED,
     'f.conf:4: [compression] pool: there is no [pool compte]; did you mean "compute"?\n'),
    ("a pool without a name", LISTEN + JOINED + "source = compute digest\npool =\n",
     "f.conf:6: [route r] pool: needs the name of a section [pool NAME]\n"),
    ("the pool of files and that of compression, declared wrongly",
     LISTEN + "[pool blocking]\nthreads = x\n[pool compute]\nthreads = y\n[compression]\n" + JOINED +
     "source = file\nroot = /\n",
     'f.conf:4: [pool blocking] threads: "x" is not a whole number, nor auto\n'
     'f.conf:6: [pool compute] threads: "y" is not a whole number, nor auto\n'),
    ("a pool that is declared, but wrongly", LISTEN + "[pool heavy]\nthreads = -1\n" + JOINED +
     "source = compute digest\npool = heavy\n",
     'f.conf:4: [pool heavy] threads: "-1" is out of range: 1 to 1024\n'),
    ("a fan-out that fits no pool",
     LISTEN + "[pool compute]\nthreads = 1\nmax_queue = 1\n" + JOINED +
     "".join("[subrequest r.%s]\nsource = compute digest\n" % name for name in "abc"),
     "f.conf:6: [route r]: 3 required parts need pool compute at once, which has room for 2 jobs: they would always "
     "be refused; give it more max_queue (f.conf:5)\n"),
    ("a job that is not there", LISTEN + JOINED + "source = compute diggest\n",
     'f.conf:5: [route r] source: there is no compute job "diggest"; did you mean "digest"?\n'),
    ("a job without what it needs", LISTEN + JOINED + "source = compute pbkdf2\nalgorithm = md5\n",
     "f.conf:3: [route r] salt: this key is required\n"
     'f.conf:6: [route r] algorithm: "md5" is none of: sha256, sha384, sha512\n'),
    ("roots that are no directories",
     LISTEN + "[route r]\nmatch = GET /r/{path...}\nsource = file\nroot = /no/such/folder\n"
     "[route s]\nmatch = GET /s/{path...}\nsource = file\nroot = /etc/passwd\n",
     'f.conf:6: [route r] root: "/no/such/folder" is no directory; make it, or name another\n'
     'f.conf:10: [route s] root: "/etc/passwd" is no directory; make it, or name another\n'),
    ("a body where there can be none", LISTEN + FIXED + "status = 204\nbody = x\n",
     "f.conf:7: [route f] body: a response with status 204 has no body\n"),
    ("a field that is the server's", LISTEN + FIXED + "header.Content-Length = 3\n",
     "f.conf:6: [route f] header.Content-Length: this field is written by the server itself\n"),
    ("limits that contradict", LISTEN + FIXED + "[limits]\nmax_uri = 32k\n",
     "f.conf:7: [limits] max_uri: a target of max_uri does not fit into a head of max_header_bytes\n"),
    ("a queue without end", LISTEN + "[pool compute]\nmax_queue = unlimited\n",
     'f.conf:4: [pool compute] max_queue: "unlimited" is not a whole number\n'),
    ("errors of every kind", LISTEN + "[server]\nworkers = x\n[limits]\nidle_timeout = 5\n[route r]\nmatch = GET /\n[oops\n",
     'f.conf:4: [server] workers: "x" is not a whole number, nor auto\n'
     'f.conf:6: [limits] idle_timeout: "5" is not a duration such as 250ms, 2s or 5m\n'
     "f.conf:7: [route r]: a route needs a source, or [subrequest r.NAME] sections\n"
     'f.conf:9: "[oops": a section head has no closing ]\n'),
]


@pytest.mark.parametrize("conf, sentences", [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
def test_a_malformed_configuration_is_explained_and_nothing_starts(tmp_path, conf, sentences):
    write(tmp_path, conf)
    assert run_forebayd("-t", "-c", "f.conf", folder=tmp_path) == (1, "", sentences)
    if isinstance(conf, str):
        write(tmp_path, conf.replace("127.0.0.1:8080", "127.0.0.1:%d" % free_port()))
    code, out, said = run_forebayd("-c", "f.conf", folder=tmp_path)
    # Lines of the log begin with the time.
    assert (code, out, re.sub(r"(?m)^20[0-9]{2}-.*\n", "", said)) == (1, "", sentences)
    assert "listening" not in said


def test_an_error_in_an_included_file_has_its_name_and_line(tmp_path):
    write(tmp_path, "[server]\ninclude = b.conf, a.conf\n" + LISTEN + "[limits]\nx = 1\n")
    write(tmp_path, "[route a]\nmatch = GET /\nsource = fixt\n", "a.conf")
    write(tmp_path, "[route b]\nmatch = GET /\n", "b.conf")
    code, out, said = run_forebayd("-t", "-c", "f.conf", folder=tmp_path)
    assert (code, out) == (1, "")
    assert said == ('a.conf:3: [route a] source: there is no kind of source "fixt"; did you mean "fixed"?\n'
                    "b.conf:1: [route b]: a route needs a source, or [subrequest b.NAME] sections\n"
                    "f.conf:6: [limits] x: unknown key\n")
