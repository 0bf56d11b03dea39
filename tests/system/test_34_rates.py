"""Request rates: by client, by field, over all workers and over reloads; 429 and the fields that tell of it."""
import base64
import re
import threading

import pytest

import bed
from bed import wait_until
from client import Client, ask, metrics

BCRYPT = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"  # of secret
CONF = """
[server]
workers = 2
trusted_proxies = 127.0.0.1

[admin]
listen = 127.0.0.1:%d

[rate slow]
rate = 10/h

[rate keyed]
rate = 5/h
key = {header.x-api-key}

[rate fast]
rate = 1/s
burst = 2

[rate small]
rate = 1/d
entries = 8

[route slow]
match = GET /slow
source = fixed
body = slow
rate = slow

[route also]
match = GET /also
source = fixed
body = also
rate = slow

[route keyed]
match = GET /keyed
source = fixed
body = keyed
rate = keyed

[route both]
match = GET /both
source = fixed
body = both
rate = fast, keyed

[route fast]
match = GET /fast
source = fixed
body = fast
rate = fast

[route small]
match = GET /small
source = fixed
body = small
rate = small

[route free]
match = GET /free
source = fixed
body = free
"""


def start_with(start):
    """A daemon with an admin listener; every test has clients of its own."""
    admin = bed.free_port()
    daemon = start(CONF % admin)
    daemon.admin = ("127.0.0.1", admin)
    return daemon


@pytest.fixture(scope="module")
def server(start):
    """For all tests that need no other."""
    return start_with(start)


def by(client, *lines):
    """Lines of a request for that client."""
    return ["X-Forwarded-For: " + client, *lines]


def left_of(value):
    """What a RateLimit field says: {name: (r, t)}."""
    return {name: (int(r), int(t)) for name, r, t in re.findall(r'"([^"]*)";r=([0-9]+);t=([0-9]+)', value)}


def left(response):
    """The same of a response that has one such field, or none."""
    return left_of(response.field("ratelimit") or "")


def test_burst_passes_and_what_follows_does_not(server):
    """429 with Retry-After; the fields of revision 10 of the draft on all answers."""
    for i in range(10):
        r = ask(server.address, "/slow", *by("192.0.2.1"))
        assert (r.status, r.field("ratelimit-policy")) == (200, '"slow";q=10;w=3600')
        assert left(r)["slow"][0] == 9 - i
        assert 360 * i < left(r)["slow"][1] <= 360 * (i + 1)
    r = ask(server.address, "/slow", *by("192.0.2.1"))
    assert r.status == 429 and left(r)["slow"][0] == 0
    assert 0 < int(r.field("retry-after")) <= 360
    assert r.field("ratelimit-policy") == '"slow";q=10;w=3600'
    # Another route with the same rate, and one without; and another client.
    assert ask(server.address, "/also", *by("192.0.2.1")).status == 429
    assert ask(server.address, "/free", *by("192.0.2.1")).field("ratelimit") is None
    assert ask(server.address, "/slow", *by("192.0.2.2")).status == 200
    assert metrics(server.admin)["forebay_requests_refused_total", (("reason", "rate"),)] >= 2
    assert "192.0.2.1: refused by [rate slow]" in server.stderr()


def test_refusal_keeps_the_connection(server):
    """And a body is not asked for."""
    with Client(server.address) as c:
        statuses = [c.ask("/slow", *by("192.0.2.3")).status for _ in range(12)]
        assert statuses == [200] * 10 + [429] * 2
        assert c.ask("/free").status == 200


def test_all_workers_count_together(server):
    """Connections go to both workers in turn: ten pass of sixty that come at once."""
    statuses, lock = [], threading.Lock()

    def ask_many():
        for _ in range(10):
            status = ask(server.address, "/slow", *by("192.0.2.4")).status
            with lock:
                statuses.append(status)
    crowd = [threading.Thread(target=ask_many) for _ in range(6)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert len(statuses) == 60 and set(statuses) == {200, 429}
    # A race for the place of a new key may cost the count of a request or two.
    assert 10 <= statuses.count(200) <= 12


def test_a_64_is_one_client(server):
    """Who has one can use all of its addresses."""
    statuses = [ask(server.address, "/slow", *by("2001:db8:0:1::%x" % i)).status for i in range(11)]
    assert statuses == [200] * 10 + [429]
    assert ask(server.address, "/slow", *by("2001:db8:0:2::1")).status == 200
    # IPv4 is not one client because it can be written as IPv6.
    assert [ask(server.address, "/slow", *by("::ffff:198.51.100.%d" % i)).status for i in range(11)] == [200] * 11


def test_key_is_a_template(server):
    """A field's value; all who have none are one."""
    for key, passed in (("a", 5), ("b", 5), (None, 5)):
        lines = ["X-Api-Key: " + key] if key else []
        assert [ask(server.address, "/keyed", *by("192.0.2.5", *lines)).status
                for _ in range(6)] == [200] * passed + [429]
    # Not sent and empty are the same, and so are all that are too long.
    assert ask(server.address, "/keyed", "X-Api-Key:").status == 429


def test_several_rates_hold_together(server):
    """Each says what is left of it; the first that refuses ends it."""
    r = ask(server.address, "/both", *by("192.0.2.6", "X-Api-Key: both"))
    assert r.status == 200 and set(left(r)) == {"fast", "keyed"}
    assert r.field("ratelimit-policy") == '"fast";q=1;w=1, "keyed";q=5;w=3600'


def test_time_gives_it_back(server):
    """At the rate, up to the burst."""
    with Client(server.address) as c:
        wait_until(lambda: c.ask("/fast", *by("192.0.2.7")).status == 429)
        wait_until(lambda: c.ask("/fast", *by("192.0.2.7")).status == 200)


def test_full_table_replaces_and_counts(server):
    """Eight places for two hundred: nobody is refused for want of one, and who asked twice is still known."""
    def replaced():
        return sum(value for (name, _), value in metrics(server.admin).items()
                   if name == "forebay_rate_entries_replaced_total")
    before = replaced()
    with Client(server.address) as c:
        assert [c.ask("/small", *by("10.9.%d.1" % i)).status for i in range(200)] == [200] * 200
    assert replaced() == before + 192


def reload(daemon, change):
    """With the configuration changed."""
    with open(daemon.path, encoding="utf-8") as file:
        text = file.read()
    with open(daemon.path, "w", encoding="utf-8") as file:
        file.write(change(text))
    before = daemon.stderr().count("reloaded:")
    daemon.signal(bed.signal.SIGHUP)
    wait_until(lambda: daemon.stderr().count("reloaded:") > before)


def test_counts_outlive_a_reload(start):
    """As long as the section stays the same."""
    daemon = start_with(start)
    assert [ask(daemon.address, "/slow").status for _ in range(11)] == [200] * 10 + [429]
    reload(daemon, lambda text: text.replace("body = free", "body = freer"))
    assert ask(daemon.address, "/free").body == b"freer"
    assert ask(daemon.address, "/slow").status == 429
    reload(daemon, lambda text: text.replace("rate = 10/h", "rate = 11/h"))
    assert ask(daemon.address, "/slow").status == 200


@pytest.mark.skipif("bcrypt" not in bed.run_forebayd("--version")[1], reason="built without bcrypt")
def test_user_can_be_the_key(start, tmp_path):
    """Behind authentication: who is not let in is not counted against the user; from wherever the user asks."""
    (tmp_path / "users").write_text("me:%s\nyou:%s\n" % (BCRYPT, BCRYPT))
    daemon = start("[server]\ntrusted_proxies = 127.0.0.1\n[auth door]\ntype = basic\nusers_file = %s/users\n"
                   "[rate user]\nrate = 2/h\nkey = {request.user}\n[rate guesses]\nrate = 8/h\n"
                   "[route r]\nmatch = GET /r\nsource = fixed\nbody = r\nauth = door\nrate = user, guesses\n" % tmp_path)

    def asked(user, password, client):
        word = base64.b64encode(("%s:%s" % (user, password)).encode()).decode()
        r = ask(daemon.address, "/r", *by(client, "Authorization: Basic " + word))
        return r.status, sorted(name for f, v in r.fields if f.lower() == "ratelimit" for name in left_of(v))
    assert asked("me", "wrong", "192.0.2.1") == (401, ["guesses"])
    assert asked("me", "wrong", "192.0.2.1") == (401, ["guesses"])
    assert asked("me", "secret", "192.0.2.1") == (200, ["guesses", "user"])
    assert asked("me", "secret", "192.0.2.2") == (200, ["guesses", "user"])
    assert asked("me", "secret", "192.0.2.3") == (429, ["guesses", "user"])
    assert asked("you", "secret", "192.0.2.3") == (200, ["guesses", "user"])
    # Who guesses is refused before a password is looked at.
    assert [asked("me", "wrong", "192.0.2.9")[0] for _ in range(9)] == [401] * 8 + [429]


@pytest.mark.parametrize("section, route, said", [
    ("rate = often", "rate = a", "[rate a] rate: \"often\" is no rate such as 100/s or 600/m"),
    ("rate = 0/s", "rate = a", "\"0/s\" is no rate"),
    ("rate = 10/w", "rate = a", "\"10/w\" is no rate"),
    ("burst = 1", "rate = a", "[rate a] rate: "),
    ("rate = 1/s\nkey = {nobody}", "rate = a", "[rate a] key: {nobody}"),
    ("rate = 1/s\nkey = {body}", "rate = a", "[rate a] key: the request's body is not there yet"),
    ("rate = 1/s\nburst = 0", "rate = a", "[rate a] burst: "),
    ("rate = 1/s\nentries = 100000000", "rate = a", "[rate a] entries: "),
    ("rate = 1/s", "rate = b", "[route r] rate: there is no [rate b]"),
    ("rate = 1/s\nkey = {request.user}", "rate = a", "[route r] rate: one of these asks who the user is"),
])
def test_nonsense_is_an_error(tmp_path, section, route, said):
    """With its section and key."""
    path = tmp_path / "conf"
    path.write_text("[listen l]\naddress = 127.0.0.1:%d\n[rate a]\n%s\n[route r]\nmatch = GET /\nsource = fixed\n"
                    "body = x\n%s\n" % (bed.free_port(), section, route))
    code, _, errors = bed.run_forebayd("-t", "-c", str(path))
    assert code == 1 and said in errors, errors
