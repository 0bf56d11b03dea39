"""Answers that several requests share: parts of equal keys under way, and what is kept."""
import gzip
import os
import sqlite3
import ssl
import subprocess
import time
import urllib.parse

import pytest

import bed
from authority import Authority
from client import Client, metrics

PATIENCE = 2 * bed.FACTOR

CONF = """
[server]
workers = 1
trusted_proxies = 127.0.0.1

[admin]
socket = admin.sock
listen = 127.0.0.1:%(admin)d

[upstream chaos]
servers = http://127.0.0.1:%(chaos)d
max_connections = 4
max_pending = 0

[cache pages]
size = 4m
max_entry = 64k
stale_if_error = 60s

[cache short]
size = 1m
max_entry = 64k
cache_for = 60s
wait = 100ms

[cache patient]
size = 1m
max_entry = 64k
cache_for = 60s
wait = %(patience)dms

[route held]
match = GET /held/{rest...}
deadline = %(hurry)dms
source = upstream chaos
path = /hold/{rest}
cache = patient

[route pages]
match = * /kept/{rest...}
source = upstream chaos
cache = pages

[route unsaid]
match = GET /unsaid/{rest...}
source = upstream chaos
path = /kept/{rest}
cache = short

[route mine]
match = GET /mine/{rest...}
source = upstream chaos
path = /kept/{rest}
cache = pages
cache_key = {request.path} {header.authorization}

[route schemed]
match = GET /schemed/{rest...}
source = upstream chaos
path = /kept/{rest}
cache = pages
cache_key = {request.scheme} {request.path}

[route named]
match = GET /named/{rest...}
source = upstream chaos
path = /kept/{rest}
cache = pages
cache_key = {query.id}

[route edited]
match = GET /edited/{rest...}
source = upstream chaos
path = /kept/{rest}
cache = pages
add_header.X-Who = {query.who}
cache_key = {request.path}

[route coded]
match = GET /coded/{rest...}
source = upstream chaos
path = /kept/{rest}
cache = pages
compress = yes

[route joined]
match = GET /joined/{name}
cache = short
[subrequest joined.a]
source = upstream chaos
path = /kept/{name}
as = text

[route virtual]
match = GET /virtual/{id}
[subrequest virtual.a]
source = upstream chaos
path = /hold/{id}
host = client
coalesce = {id}

[route shared]
match = GET /shared/{id}
[subrequest shared.a]
source = upstream chaos
path = /hold/{id}
coalesce = {id}
forward = authorization
"""


@pytest.fixture(scope="module")
def chaos():
    """The upstream."""
    c = bed.Chaos()
    yield c
    c.stop()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, chaos):
    """A server with all routes of this file."""
    admin = bed.free_port()
    d = bed.Daemon(tmp_path_factory.mktemp("cache"), CONF % {
        "admin": admin, "chaos": chaos.port, "patience": PATIENCE * 1000, "hurry": PATIENCE * 750})
    d.admin = ("127.0.0.1", admin)
    d.socket = os.path.join(d.folder, "admin.sock")
    yield d
    d.stop()


def coalesced(daemon):
    """How many parts have waited for an equal one."""
    return metrics(daemon.admin)["forebay_subrequests_coalesced_total", ()]


def test_equal_parts_under_way_are_one_request_to_the_upstream(daemon, chaos):
    before = coalesced(daemon)
    asked = chaos.count()["requests"]
    clients = [Client(daemon.address) for _ in range(20)]  # more than the upstream may be asked at once
    for c in clients:
        c.get("/shared/many")
    bed.wait_until(lambda: coalesced(daemon) == before + 19, what="all that wait")
    clients[0].close()  # who came first goes, and the work goes on
    chaos.let_go("many")
    for c in clients[1:]:
        r = c.response()
        assert (r.status, r.body) == (200, b'{"a":{"held": "many"}}')
        c.close()
    # Beside the one: two counts and a let-go of our own.
    assert chaos.count()["requests"] - asked == 3


def test_other_credentials_are_not_shared(daemon, chaos):
    before = coalesced(daemon)
    clients = [Client(daemon.address) for _ in range(3)]
    for c, who in zip(clients, ("Basic YTpi", "Basic YTpi", "Basic YTpj")):
        c.get("/shared/secret", "Authorization: " + who)
    chaos.await_held(2)
    bed.wait_until(lambda: coalesced(daemon) == before + 1, what="the equal one")
    chaos.let_go("secret")
    for c in clients:
        assert c.response().status == 200
        c.close()


def test_work_nobody_waits_for_ends(daemon, chaos):
    before = coalesced(daemon)
    clients = [Client(daemon.address) for _ in range(3)]
    for c in clients:
        c.get("/shared/left")
    bed.wait_until(lambda: coalesced(daemon) == before + 2, what="all that wait")
    chaos.await_held(1)
    for c in clients:
        c.close()
    bed.wait_until(lambda: chaos.count()["held"] == 0, what="the end of the work")


def test_what_the_client_calls_us_is_shared_only_where_nobody_is_told(daemon, chaos):
    for path, shares in ("/virtual/hosts", False), ("/shared/hosts2", True):
        before = coalesced(daemon)
        clients = [Client(daemon.address) for _ in range(2)]
        for c, host in zip(clients, ("a.example", "a.example:1337")):
            c.get(path, host=host)
        chaos.await_held(1 if shares else 2)
        bed.wait_until(lambda: coalesced(daemon) == before + shares, what="the equal one")
        chaos.let_go(path.rsplit("/", 1)[1])
        for c in clients:
            assert c.response().status == 200
            c.close()


def test_what_has_effects_is_not_shared(tmp_path):
    with sqlite3.connect(tmp_path / "d.db") as db:
        db.execute("CREATE TABLE t (x)")
    (tmp_path / "f.conf").write_text("""
[upstream u]
servers = http://127.0.0.1:1
[database d]
url = sqlite:%s/d.db
[route r]
match = GET /
[subrequest r.a]
source = upstream u
method = POST
coalesce = x
[subrequest r.b]
source = sql d
query = WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x
coalesce = x
""" % tmp_path)
    code, _, said = bed.run_forebayd("-t", "-c", str(tmp_path / "f.conf"))
    assert code == 1
    assert said.count("the part cannot share an execution") == 2


# --- what is kept ---------------------------------------------------------------------

def ask(daemon, path, *lines, method="GET", body=b""):
    """One request on a connection of its own."""
    with Client(daemon.address) as c:
        return c.ask(path, *lines, method=method, body=body)


def lines(*fields, **more):
    """A query that lets the upstream say so."""
    return "?" + "&".join(["f=" + f.replace(" ", "%20") for f in fields] +
                          ["%s=%s" % item for item in more.items()])


FRESH = "Cache-Control: max-age=600"
STALE = "Cache-Control: max-age=0"


def test_who_would_change_the_protocol_is_not_answered_from_the_cache(daemon):
    path = "/kept/switch" + lines(FRESH)
    bodies = [ask(daemon, path, *more).body for more in ((), ("Connection: Upgrade", "Upgrade: websocket"), ())]
    assert bodies[0] == bodies[2] != bodies[1] and bodies[1].startswith(b"switch 2")


def test_another_port_in_the_host_is_another_answer(daemon):
    path = "/kept/ports" + lines(FRESH)
    for host in "a.example", "a.example:1337", "a.example", "A.EXAMPLE":
        with Client(daemon.address) as c:
            c.get(path, host=host)
            said = c.response().body
            assert said.startswith(b"ports %d " % (2 if host.endswith("7") else 1)), (host, said)


@pytest.mark.parametrize("path", ["/kept/schemes", "/schemed/schemes2"])
def test_what_was_asked_for_without_encryption_is_not_answered_to_others(daemon, path):
    path += lines(FRESH, "Location: https://test/x", status="301")
    bodies = [ask(daemon, path, "X-Forwarded-Proto: " + scheme).body for scheme in ("http", "https", "http", "https")]
    assert bodies[0] == bodies[2] != bodies[1] == bodies[3]
    assert ask(daemon, path).body == bodies[0]


ELSEWHERE = ["X-Forwarded-Host: evil.example", "Forwarded: for=192.0.2.1;host=evil.example"]


@pytest.mark.parametrize("said", ELSEWHERE)
def test_what_servers_are_told_of_another_host_is_answered_to_nobody_else(daemon, said):
    path = "/kept/hosts%d" % ELSEWHERE.index(said) + lines(FRESH)
    usual = said.replace("evil.example", "TEST")
    bodies = [ask(daemon, path, *more).body for more in ((said,), (), (said,), (usual,))]
    assert bodies[0] == bodies[2] != bodies[1] == bodies[3]
    other = ask(daemon, path, said.replace("evil", "other")).body
    assert other not in bodies
    assert purge(daemon, "pages", "http://test" + path) == (0, '2 taken out of "pages"')
    assert ask(daemon, path, said).body not in bodies + [other]


def test_what_is_fresh_is_answered_from_the_cache(daemon, chaos):
    path = "/kept/hit" + lines(FRESH)
    first, second = ask(daemon, path), ask(daemon, path)
    assert first.status == second.status == 200
    assert first.body == second.body == b"hit 1 - -"
    assert first.field("cache-status") == "forebay; fwd=miss; stored"
    assert first.field("age") is None
    assert second.field("cache-status").startswith("forebay; hit; ttl=")
    assert int(second.field("age")) < 600
    assert second.field("cache-control") == "max-age=600"
    assert second.field("date") == first.field("date") or first.field("date")
    assert chaos.told("/keeping/hit") == 1


@pytest.mark.parametrize("said", ["Cache-Control: no-store", "Cache-Control: private, max-age=60",
                                  "Set-Cookie: a=b", "Vary: *", "X-Nothing: said"])
def test_what_may_not_be_kept_is_asked_again(daemon, chaos, said):
    name = "not" + "".join(c for c in said if c.isalnum())
    fields = [said] if "Control" in said or "Nothing" in said else [said, FRESH]
    for n in (1, 2):
        r = ask(daemon, "/kept/" + name + lines(*fields))
        assert r.body == b"%s %d - -" % (name.encode(), n)
        assert r.field("cache-status") == "forebay; fwd=miss"


def test_no_key_of_a_clients_spells_what_another_route_keeps(daemon):
    path = "/kept/others" + lines(FRESH)
    assert "stored" in ask(daemon, path).field("cache-status")
    plain = "GET http://test" + path
    r = ask(daemon, "/named/mine?id=" + urllib.parse.quote(plain, safe=""))
    assert r.body.startswith(b"mine ") and not r.field("cache-status")
    r = ask(daemon, "/named/mine" + lines(FRESH, id="x"))
    assert "stored" in r.field("cache-status")


def test_a_head_is_answered_from_a_get(daemon, chaos):
    path = "/kept/head" + lines(FRESH)
    assert ask(daemon, path, method="HEAD").field("cache-status") == "forebay; fwd=miss"
    assert ask(daemon, path).body == b"head 2 - -"
    r = ask(daemon, path, method="HEAD")
    assert (r.status, r.body, r.field("content-length")) == (200, b"", "10")
    assert chaos.told("/keeping/head") == 2


def test_what_is_stale_is_asked_about_and_goes_on_if_it_holds(daemon, chaos):
    path = "/kept/again" + lines(STALE, etag="v1")
    assert ask(daemon, path).body == b"again 1 - -"
    r = ask(daemon, path)
    assert (r.status, r.body) == (200, b"again 1 - -")
    assert r.field("cache-status") == "forebay; fwd=stale; fwd-status=304; stored"
    assert r.field("x-again") == "yes"
    assert chaos.told("/keeping/again") == 2
    # The client's own question is answered when ours is.
    r = ask(daemon, path, 'If-None-Match: "v1"')
    assert (r.status, r.body, r.field("etag")) == (304, b"", '"v1"')
    r = ask(daemon, path, 'If-None-Match: "other"')
    assert (r.status, r.body) == (200, b"again 1 - -")


def test_conditions_and_ranges_are_answered_from_what_is_kept(daemon, chaos):
    path = "/kept/parts/100" + lines(FRESH, etag="v1")
    whole = ask(daemon, path).body
    r = ask(daemon, path, 'If-None-Match: W/"v1"')
    assert (r.status, r.body) == (304, b"")
    r = ask(daemon, path, "Range: bytes=10-19")
    assert (r.status, r.body, r.field("content-range")) == (206, whole[10:20], "bytes 10-19/100")
    r = ask(daemon, path, "Range: bytes=100-")
    assert (r.status, r.field("content-range")) == (416, "bytes */100")
    r = ask(daemon, path, "Range: bytes=0-1", 'If-Range: "old"')
    assert (r.status, r.body) == (200, whole)
    assert ask(daemon, path, 'If-Match: "other"').status == 412
    assert chaos.told("/keeping/parts") == 1


def test_a_part_that_was_asked_for_is_not_kept(daemon, chaos):
    path = "/kept/part" + lines(FRESH, "Content-Range: bytes 0-1/9", status=206)
    ask(daemon, path, "Range: bytes=0-1")
    assert ask(daemon, path).field("cache-status") == "forebay; fwd=miss"


def test_errors_are_answered_with_what_was_good(daemon, chaos):
    path = "/kept/down" + lines(STALE)
    assert ask(daemon, path).body == b"down 1 - -"
    chaos.told("/failing/down/503")
    r = ask(daemon, path)
    assert (r.status, r.body) == (200, b"down 1 - -")
    assert r.field("cache-status") == "forebay; fwd=stale; fwd-status=503; detail=stale-if-error"
    chaos.told("/failing/down/404")
    assert ask(daemon, path).status == 404
    chaos.told("/failing/down")
    must = "/kept/must" + lines("Cache-Control: max-age=0, must-revalidate", etag="a")
    assert ask(daemon, must).status == 200
    chaos.told("/failing/must/503")
    assert ask(daemon, must).status == 503


def test_vary_tells_answers_apart(daemon, chaos):
    path = "/kept/vary" + lines(FRESH, "Vary: Accept-Language")
    assert ask(daemon, path, "Accept-Language: de").body == b"vary 1 de -"
    assert ask(daemon, path, "Accept-Language: fi").body == b"vary 2 fi -"
    assert ask(daemon, path, "Accept-Language: de").body == b"vary 1 de -"
    assert ask(daemon, path).body == b"vary 3 - -"
    assert ask(daemon, path, "Accept-Language: fi").body == b"vary 2 fi -"


def test_credentials_are_not_mixed(daemon, chaos):
    path = "/kept/secret" + lines(FRESH)
    assert ask(daemon, path, "Authorization: Basic YTpi").body == b"secret 1 - Basic YTpi"
    assert ask(daemon, path, "Authorization: Basic YTpj").body == b"secret 2 - Basic YTpj"
    assert ask(daemon, path).body == b"secret 3 - -"
    # What may be shared is said (RFC 9111 3.5).
    path = "/kept/open" + lines("Cache-Control: public, max-age=60")
    assert ask(daemon, path, "Authorization: Basic YTpi").body == b"open 1 - Basic YTpi"
    assert ask(daemon, path).body == b"open 1 - Basic YTpi"
    # Or who asks is of the key.
    path = "/mine/own" + lines(FRESH)
    for who in ("a", "b", "a", "b"):
        assert ask(daemon, path, "Authorization: " + who).body.endswith(b"- " + who.encode())
    assert chaos.told("/keeping/own") == 2


def test_what_says_nothing_is_kept_as_the_operator_says(daemon, chaos):
    assert ask(daemon, "/unsaid/u1").body == ask(daemon, "/unsaid/u1").body
    assert ask(daemon, "/unsaid/u2", "Cookie: a=b").body != ask(daemon, "/unsaid/u2", "Cookie: a=b").body
    first = ask(daemon, "/joined/u3")
    second = ask(daemon, "/joined/u3")
    assert first.body == second.body == b'{"a":"u3 1 - -"}'
    assert second.field("cache-status").startswith("forebay; hit")


def test_what_changes_a_resource_takes_it_out(daemon, chaos):
    path = "/kept/changed" + lines(FRESH)
    ask(daemon, path)
    assert ask(daemon, path).body == b"changed 1 - -"
    chaos.told("/failing/changed/500")
    ask(daemon, path, method="POST", body=b"x")
    assert ask(daemon, path).body == b"changed 1 - -"
    chaos.told("/failing/changed")
    ask(daemon, path, method="POST", body=b"x")
    assert ask(daemon, path).body == b"changed 4 - -"


def test_only_what_is_kept_may_be_asked_for(daemon, chaos):
    path = "/kept/only" + lines(FRESH)
    assert ask(daemon, path, "Cache-Control: only-if-cached").status == 504
    ask(daemon, path)
    assert ask(daemon, path, "Cache-Control: only-if-cached").status == 200
    # Nobody may make us ask again.
    assert ask(daemon, path, "Cache-Control: no-cache").body == b"only 1 - -"


def test_edits_are_made_anew_for_each_client(daemon, chaos):
    said = [ask(daemon, "/edited/e%s" % lines(FRESH, who=who)) for who in "ab"]
    assert [r.body for r in said] == [b"e 1 - -", b"e 1 - -"]
    assert [r.field("x-who") for r in said] == ["a", "b"]


def test_each_client_gets_the_coding_it_takes(daemon, chaos):
    path = "/coded/c/5000" + lines(FRESH)
    plain = ask(daemon, path)
    for _ in range(2):
        r = ask(daemon, path, "Accept-Encoding: gzip")
        assert r.field("content-encoding") == "gzip"
        assert gzip.decompress(r.body) == plain.body
    assert ask(daemon, path).body == plain.body
    assert chaos.told("/keeping/c") == 1


def test_requests_wait_for_one_that_asks_for_the_same(daemon, chaos):
    path = "/kept/herd" + lines(FRESH, wait="0.3")
    clients = [Client(daemon.address) for _ in range(12)]  # more than the upstream may be asked at once
    for c in clients:
        c.get(path)
    for c in clients:
        assert c.response().body == b"herd 1 - -"
        c.close()
    # Who cannot have what it waits for asks itself.
    path = "/kept/alone" + lines("Cache-Control: no-store", wait="0.1")
    clients = [Client(daemon.address) for _ in range(3)]
    for c in clients:
        c.get(path)
    assert len({c.response().body for c in clients}) == 3
    for c in clients:
        c.close()


def test_one_who_leaves_hands_on_what_others_wait_for(daemon, chaos):
    path = "/kept/leader" + lines(FRESH, wait="0.3")
    clients = [Client(daemon.address) for _ in range(3)]
    clients[0].get(path)
    bed.wait_until(lambda: chaos.told("/keeping/leader") == 1, what="the first")
    for c in clients[1:]:
        c.get(path)
    clients[0].close()
    for c in clients[1:]:
        assert c.response().body == b"leader 2 - -"
        c.close()


def test_nobody_waits_for_one_that_takes_for_ever(daemon, chaos):
    first = Client(daemon.address)
    first.get("/held/slow/half")
    assert first.head().status == 200
    time.sleep(PATIENCE)
    # Who waited as long again would not be in time.
    with Client(daemon.address) as c:
        c.get("/held/slow/half")
        assert c.head().status == 200
    chaos.let_go("slow")
    first.close()
    bed.wait_until(lambda: "; hit;" in ask(daemon, "/held/slow/half").field("cache-status"), what="the answer, kept")


def test_an_answer_that_broke_off_is_not_kept(daemon, chaos):
    path = "/kept/cut" + lines(FRESH, cut="1")
    for n in (1, 2):
        with Client(daemon.address) as c:
            c.get(path)
            assert c.head().status == 200
            assert c.exactly(5) == b"cut %d" % n
            with pytest.raises((AssertionError, ConnectionError)):
                c.exactly(1)


def test_a_flood_of_keys_stays_within_the_size(daemon, chaos):
    keep = "/kept/keep" + lines(FRESH)
    for _ in range(4):
        ask(daemon, keep)
    with Client(daemon.address) as c:
        for n in range(200):
            assert c.ask("/kept/flood%d/60000%s" % (n, lines(FRESH))).status == 200
    assert ask(daemon, keep).body == b"keep 1 - -"  # it is in use
    assert ask(daemon, "/kept/flood0/60000" + lines(FRESH)).body.startswith(b"flood0 2 ")
    seen = metrics(daemon.admin)
    assert seen["forebay_cache_evicted_total", ()] > 100
    big = "/kept/big/70000" + lines(FRESH)
    assert ask(daemon, big).body != ask(daemon, big).body


def purge(daemon, *words):
    """What forebayctl says, and its code."""
    done = subprocess.run([os.environ["FOREBAYCTL"], "-s", daemon.socket, "purge", *words],
                          capture_output=True, text=True, timeout=60 * bed.FACTOR, check=False)
    return done.returncode, (done.stdout or done.stderr).strip()


def test_an_operator_takes_out_what_is_kept(daemon, chaos):
    fresh = lines(FRESH, "Vary: Accept-Language")
    one = "/kept/purged1" + fresh
    ask(daemon, one, "Accept-Language: de")
    ask(daemon, one, "Accept-Language: fi")
    assert purge(daemon, "pages", "GET test" + one) == (0, '1 taken out of "pages"')
    assert ask(daemon, one, "Accept-Language: de").body == b"purged1 3 de -"
    assert ask(daemon, one, "Accept-Language: fi").body == b"purged1 4 fi -"
    for scheme in "http", "https":
        ask(daemon, one, "X-Forwarded-Proto: " + scheme)
    assert purge(daemon, "pages", "https://test" + one) == (0, '1 taken out of "pages"')
    assert purge(daemon, "pages", "GET test/none") == (0, '0 taken out of "pages"')
    ask(daemon, one, "X-Forwarded-Proto: https")
    assert purge(daemon, "pages", "GET test" + one) == (0, '2 taken out of "pages"')
    before = metrics(daemon.admin)["forebay_cache_invalidated_total", (("reason", "purge"),)]
    code, said = purge(daemon, "pages", "GET test/kept/purged*")
    count = int(said.split()[0])
    assert code == 0 and count >= 2
    after = metrics(daemon.admin)["forebay_cache_invalidated_total", (("reason", "purge"),)]
    assert after == before + count
    assert ask(daemon, one, "Accept-Language: de").body == b"purged1 8 de -"
    assert purge(daemon, "pages")[0] == 0
    assert ask(daemon, "/kept/hit" + lines(FRESH)).field("cache-status") == "forebay; fwd=miss; stored"
    assert purge(daemon, "page") == (1, 'forebayctl: purge: the server says no (422): there is no cache "page"; '
                                        'did you mean "pages"?')
    assert purge(daemon)[0] == 2


def test_answers_to_certificates_are_not_mixed(tmp_path):
    a = Authority(tmp_path)
    a.issue("one", ["one.example"])
    a.issue("me", [], subject="/CN=me")
    a.issue("you", [], subject="/CN=you")
    d = bed.Daemon(tmp_path, """
[cache c]
[route who]
match = GET /who
source = fixed
body = <{client.subject}>
header.Cache-Control = {query.said}
cache = c
""", listen="tls = yes\ncertificate = %s\nkey = %s\nclient_ca = %s" % (
        a.path("one.pem"), a.path("one.key"), a.path("ca.pem")))
    try:
        for said, seen in (("max-age=60", ["<CN=me>", "<CN=you>"]),
                           ("public,max-age=60", ["<CN=me>", "<CN=me>"])):
            bodies = []
            for who in ("me", "you"):
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                context.load_cert_chain(a.path(who + ".pem"), a.path(who + ".key"))
                with Client(d.address) as c:
                    c.socket = context.wrap_socket(c.socket, server_hostname="one.example")
                    bodies.append(c.ask("/who?said=" + said).body.decode())
            assert bodies == seen
    finally:
        d.stop()
