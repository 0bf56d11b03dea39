"""What is stale goes out at once while it is refreshed in the background (stale-while-revalidate)."""
import signal
import threading

import pytest

import bed
from client import Client, metrics

MOST = 64  # refreshes of a worker at a time

CONF = """
[server]
workers = 1
grace = 60s

[admin]
socket = admin.sock
listen = 127.0.0.1:%(admin)d

[upstream chaos]
servers = http://127.0.0.1:%(chaos)d
max_connections = 100

[cache pages]
size = 4m
max_entry = 64k
wait = 10m

[cache joins]
size = 1m
max_entry = 64k
cache_for = 1s
stale_while_revalidate = 600s

[route pages]
match = * /kept/{rest...}
source = upstream chaos
cache = pages

[route joined]
match = GET /joined/{name}
cache = joins
join = concat
[subrequest joined.a]
source = upstream chaos
path = /kept/{name}
as = text
[subrequest joined.b]
source = fixed
body = ;

[route partly]
match = GET /partly/{name}
cache = joins
join = concat
[subrequest partly.a]
source = upstream chaos
path = /kept/{name}
as = text
[subrequest partly.b]
source = upstream chaos
path = /kept/{name}2
as = text
optional = yes
fallback = nothing

[route hurried]
match = GET /hurried/{rest...}
source = upstream chaos
path = /kept/{rest}
cache = pages
deadline = %(hurry)dms
"""

SWR = "Cache-Control: max-age=0, stale-while-revalidate=600"


@pytest.fixture(scope="module")
def chaos():
    """The upstream."""
    c = bed.Chaos()
    yield c
    c.stop()


@pytest.fixture
def daemon(tmp_path, chaos):
    """A server with all routes of this file."""
    admin = bed.free_port()
    d = bed.Daemon(tmp_path, CONF % {"admin": admin, "chaos": chaos.port, "hurry": 1000 * bed.FACTOR})
    d.admin = ("127.0.0.1", admin)
    yield d
    d.stop()


def lines(*fields, **more):
    """A query that lets the upstream say so."""
    return "?" + "&".join(["f=" + f.replace(" ", "%20") for f in fields] +
                          ["%s=%s" % item for item in more.items()])


def ask(daemon, path, *lines, method="GET"):
    """One request on a connection of its own."""
    with Client(daemon.address) as c:
        return c.ask(path, *lines, method=method)


def refreshes(daemon, outcome):
    """How many have ended so, or were refused."""
    return metrics(daemon.admin)["forebay_cache_refreshes_total", (("outcome", outcome),)]


def await_refreshes(daemon, outcome, count=1):
    """Waits until so many have."""
    bed.wait_until(lambda: refreshes(daemon, outcome) >= count, what="a refresh: " + outcome)


def test_all_get_what_is_stale_at_once_and_one_refresh_replaces_it(daemon, chaos):
    path = "/kept/once" + lines(SWR)
    assert ask(daemon, path).body == b"once 1 - -"
    chaos.told("/holding/once")
    for more in (), ("Range: bytes=0-3",), ("If-Match: *",):
        r = ask(daemon, path, *more)
        assert r.body == b"once 1 - -"[:4 if "Range" in str(more) else 10]
        assert r.field("cache-status").startswith("forebay; hit; ttl=")
    chaos.await_held()
    assert chaos.told("/keeping/once") == 2
    chaos.let_go("once")
    await_refreshes(daemon, "stored")
    assert ask(daemon, path).body == b"once 2 - -"
    # Requests are what clients have asked.
    seen = metrics(daemon.admin)
    assert sum(n for (what, _), n in seen.items() if what == "forebay_requests_total") == 5


def test_what_says_nothing_is_given_out_stale_as_the_operator_says(daemon, chaos):
    assert ask(daemon, "/joined/unsaid").body == b"unsaid 1 - -;"
    chaos.told("/holding/unsaid")
    bed.wait_until(lambda: ask(daemon, "/joined/unsaid").body == b"unsaid 1 - -;" and chaos.count()["held"] == 1,
                   what="a refresh")
    chaos.let_go("unsaid")
    bed.wait_until(lambda: ask(daemon, "/joined/unsaid").body == b"unsaid 2 - -;", what="the fresh answer")


def test_what_holds_is_confirmed_in_the_background(daemon, chaos):
    path = "/kept/holds" + lines(SWR, etag="v1")
    assert ask(daemon, path).field("x-again") is None
    r = ask(daemon, path)
    assert r.field("x-again") is None
    await_refreshes(daemon, "revalidated")
    r = ask(daemon, path)
    assert (r.body, r.field("x-again")) == (b"holds 1 - -", "yes")


def test_an_error_leaves_what_is_there_and_a_later_request_tries_again(daemon, chaos):
    path = "/kept/errs" + lines(SWR)
    ask(daemon, path)
    chaos.told("/failing/errs/503")
    for n in 1, 2:
        assert ask(daemon, path).body == b"errs 1 - -"
        await_refreshes(daemon, "failed", n)
    chaos.told("/failing/errs")
    assert ask(daemon, path).body == b"errs 1 - -"
    await_refreshes(daemon, "stored")
    # What is gone for all is gone.
    chaos.told("/failing/errs/404")
    assert ask(daemon, path).status == 200
    await_refreshes(daemon, "failed", 3)
    assert ask(daemon, path).status == 404


def test_who_cannot_refresh_for_others_asks_for_himself(daemon, chaos):
    path = "/kept/himself" + lines(SWR)
    ask(daemon, path)
    assert ask(daemon, path, "Cache-Control: no-store").body == b"himself 2 - -"
    assert ask(daemon, path, method="HEAD").field("cache-status") == "forebay; fwd=stale"
    assert chaos.told("/keeping/himself") == 3


def test_what_a_client_says_to_caches_is_not_said_in_a_refresh(daemon):
    path = "/kept/said" + lines(SWR)
    ask(daemon, path)
    assert ask(daemon, path, "Cache-Control: only-if-cached").body == b"said 1 - -"
    await_refreshes(daemon, "stored")


def test_nobody_waits_for_a_refresh(daemon, chaos):
    path = "/kept/waits" + lines(SWR, "Vary: Accept-Language")
    ask(daemon, path, "Accept-Language: en")
    chaos.told("/holding/waits")
    assert ask(daemon, path, "Accept-Language: en").body == b"waits 1 en -"
    chaos.await_held()
    # The other variant is asked for beside it, not after it.
    other = threading.Thread(target=ask, args=(daemon, path, "Accept-Language: fr"))
    other.start()
    chaos.await_held(2)
    chaos.let_go("waits")
    other.join()


def test_what_would_be_for_one_client_alone_is_asked_for_by_him(daemon, chaos):
    assert ask(daemon, "/joined/alone").body == b"alone 1 - -;"
    # Nothing but cache_for says how long, which is not said of what a cookie opens.
    bed.wait_until(lambda: ask(daemon, "/joined/alone", "Cookie: a=b").body == b"alone 2 - -;", what="his own answer")
    assert refreshes(daemon, "failed") + refreshes(daemon, "stored") == 0


def test_what_lacks_a_part_takes_nothings_place(daemon, chaos):
    assert ask(daemon, "/partly/whole").body == b"whole 1 - -whole2 1 - -"
    chaos.told("/failing/whole2/503")

    def is_refreshed():
        assert ask(daemon, "/partly/whole").body == b"whole 1 - -whole2 1 - -"
        return refreshes(daemon, "failed") > 0
    bed.wait_until(is_refreshed, what="a refresh in vain")
    assert ask(daemon, "/partly/whole").body == b"whole 1 - -whole2 1 - -"


def test_what_has_outgrown_the_cache_is_not_given_out_as_it_was(daemon, chaos):
    path = "/kept/large" + lines(SWR, grow=40000)
    assert ask(daemon, path).body.startswith(b"large 1 ")
    assert ask(daemon, path).body.startswith(b"large 1 ")
    await_refreshes(daemon, "failed")
    assert ask(daemon, path).body.startswith(b"large 3 ")


def test_refreshes_are_bounded_in_number(daemon, chaos):
    names = ["many%d" % i for i in range(MOST + 2)]
    with Client(daemon.address) as c:
        for name in names:
            c.ask("/kept/" + name + lines(SWR))
        chaos.told("/holding/" + "/".join(names[:MOST]))
        for name in names[:MOST]:
            assert c.ask("/kept/" + name + lines(SWR)).body == name.encode() + b" 1 - -"
        # Who comes then asks for himself.
        for name in names[MOST:]:
            assert c.ask("/kept/" + name + lines(SWR)).body == name.encode() + b" 2 - -"
    assert refreshes(daemon, "refused") == 2
    chaos.await_held(MOST)
    assert chaos.count()["held"] == MOST
    for name in names[:MOST]:
        chaos.let_go(name)
    await_refreshes(daemon, "stored", MOST)


def test_a_refresh_ends_at_the_deadline_of_its_route_over_a_reload_too(daemon, chaos):
    path = "/hurried/late" + lines(SWR)
    ask(daemon, path)
    chaos.told("/holding/late")
    ask(daemon, path)
    daemon.signal(signal.SIGHUP)
    await_refreshes(daemon, "failed")
    bed.wait_until(lambda: chaos.count()["held"] == 0, what="the end of the work")
    assert ask(daemon, path).status == 200


def test_a_server_that_drains_does_not_wait_for_a_refresh(daemon, chaos):
    path = "/kept/drain" + lines(SWR)
    ask(daemon, path)
    chaos.told("/holding/drain")
    ask(daemon, path)
    chaos.await_held()
    daemon.signal(signal.SIGTERM)
    daemon.wait(30)
    bed.wait_until(lambda: chaos.count()["held"] == 0, what="the end of the work")
