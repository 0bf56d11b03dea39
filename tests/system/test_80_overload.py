"""More than the pool can do: who is refused and why, and that the rest is answered in time."""
import hashlib
import threading
import time

import pytest

from bed import FACTOR, Daemon, free_port, run_forebayd, wait_until
from client import Client, ask, metrics


def seconds_of_a_hash():
    """How long the work of one heavy request takes here and now."""
    begun = time.monotonic()
    hashlib.pbkdf2_hmac("sha256", b"input", b"salt", 200000)
    return time.monotonic() - begun


COST = seconds_of_a_hash()
DEADLINE = max(1.0 * FACTOR, 10 * COST)

CONF = """
[server]
workers = 2

[admin]
listen = 127.0.0.1:%(admin)d

[limits]
idle_timeout = 60s
worker_wait = 0s

[pool compute]
threads = 2
nice = 0

[pool one]
threads = 1
nice = 0
max_queue = 2
max_wait = 0s

[pool shared]
threads = 1
nice = 0

[pool old]
threads = 1
nice = 0
max_queue = 1
order = fifo

[route light]
match = GET /light
source = fixed
body = light

[route heavy]
match = GET /heavy/{n}
deadline = %(deadline)dms
source = compute pbkdf2
input = {n}
salt = salt
iterations = 200000
""" % {"admin": 0, "deadline": DEADLINE * 1000} + "".join("""
[route hold-%(pool)s]
match = GET /hold/%(pool)s
deadline = 20s
priority = critical
source = compute pbkdf2
pool = %(pool)s
input = x
salt = salt
iterations = 100000000
""" % {"pool": pool} for pool in ("one", "old")) + "".join("""
[route %(pool)s-%(priority)s]
match = GET /%(pool)s/%(priority)s
priority = %(priority)s
source = compute digest
pool = %(pool)s
input = x
""" % {"pool": pool, "priority": priority}
    for pool in ("one", "old") for priority in ("critical", "normal", "sheddable")) + """
[route costly]
match = GET /costly
deadline = 60s
source = compute digest
pool = one
cost = 100s
input = x

[route shared]
match = GET /shared
deadline = 5s
fairness = {header.x-user}
source = compute pbkdf2
pool = shared
input = x
salt = s
iterations = 10000

[route fan]
match = GET /fan
priority = sheddable
[subrequest fan.a]
source = compute digest
pool = one
input = a
[subrequest fan.b]
source = compute digest
pool = one
input = b
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    port = free_port()
    folder = tmp_path_factory.mktemp("overload")
    daemon = Daemon(folder, CONF.replace("127.0.0.1:0", "127.0.0.1:%d" % port))
    daemon.admin = ("127.0.0.1", port)
    yield daemon
    daemon.stop()


def shed_counts(server, mode="enforce"):
    """By the word of Forebay-Shed."""
    return {dict(labels)["limit"]: count for (name, labels), count in metrics(server.admin).items()
            if name == "forebay_shed_total" and dict(labels)["mode"] == mode and count}


def queued(server, pool):
    found = metrics(server.admin)
    return (found["forebay_pool_running", (("pool", pool),)], found["forebay_pool_queued", (("pool", pool),)])


class Held:
    """A pool whose only thread is busy until the end."""

    def __init__(self, server, pool):
        self.server, self.pool = server, pool
        self.clients = []

    def __enter__(self):
        wait_until(lambda: queued(self.server, self.pool) == (0, 0), what="an empty pool")
        self.holder = Client(self.server.address, timeout=30)
        self.holder.get("/hold/" + self.pool)
        wait_until(lambda: queued(self.server, self.pool) == (1, 0), what="a busy thread")
        return self

    def wait_in_line(self, path):
        """A client whose request is queued."""
        before = queued(self.server, self.pool)[1]
        c = Client(self.server.address, timeout=30)
        c.get(path)
        wait_until(lambda: queued(self.server, self.pool)[1] > before, what="a request in the queue")
        self.clients.append(c)
        return c

    def let_go(self):
        """The client goes, so the job is told to stop."""
        self.holder.close()

    def __exit__(self, *error):
        self.let_go()
        for c in self.clients:
            c.close()
        wait_until(lambda: queued(self.server, self.pool) == (0, 0), what="an empty pool")


def refused(r, limit):
    assert r.status == 503 and r.field("forebay-shed") == limit, r
    assert int(r.field("retry-after")) >= 1
    return True


def test_under_overload_answers_are_in_time_or_refused_at_once_and_light_ones_are_not_held_up(server):
    assert ask(server.address, "/heavy/first").status == 200
    before, light, heavy = shed_counts(server), [], []
    begin, enough = time.monotonic(), threading.Event()

    def is_enough():
        """Some seconds; where other loads leave little, as long as some answers take."""
        return time.monotonic() - begin > (3 if [r.status for r, _ in heavy].count(200) > 10 else 60)

    def press(number):
        with Client(server.address, timeout=30) as c:
            while not enough.is_set():
                begun = time.monotonic()
                r = c.ask("/heavy/%d" % number)
                heavy.append((r, time.monotonic() - begun))
                if r.status == 503:
                    time.sleep(0.01)

    def glance():
        with Client(server.address, timeout=30) as c:
            while not enough.is_set():
                light.append(c.ask("/light").status)
                time.sleep(0.002)

    threads = [threading.Thread(target=press, args=(i,)) for i in range(64)] + [threading.Thread(target=glance)]
    for t in threads:
        t.start()
    while not is_enough():
        time.sleep(0.1)
    enough.set()
    for t in threads:
        t.join()
    statuses = [r.status for r, _ in heavy]
    assert set(light) == {200} and len(light) > 20
    assert set(statuses) <= {200, 503, 504} and statuses.count(200) > 10 and statuses.count(503) > 10, \
        {s: statuses.count(s) for s in set(statuses)}
    assert statuses.count(504) < len(statuses) / 5
    assert all(took < DEADLINE + 10 for _, took in heavy)  # not when their turn would have come
    words = [r.field("forebay-shed") for r, _ in heavy if r.status == 503]
    assert set(words) <= {"pool.compute." + w for w in ("queue", "wait", "standing", "deadline")}
    assert all(1 <= int(r.field("retry-after")) <= 60 for r, _ in heavy if r.status == 503)
    after = shed_counts(server)
    for word in set(words):
        assert after[word] - before.get(word, 0) == words.count(word), word
    # And when it is over, it is over.
    wait_until(lambda: queued(server, "compute") == (0, 0), what="an empty pool")
    assert ask(server.address, "/heavy/last").status == 200


def test_a_full_pool_lets_a_lower_priority_go_for_a_higher_one(server):
    with Held(server, "one") as held:
        shed = held.wait_in_line("/one/sheddable")
        normal = held.wait_in_line("/one/normal")
        assert refused(ask(server.address, "/one/sheddable"), "pool.one.queue")
        critical = Client(server.address, timeout=30)
        critical.get("/one/critical")
        assert refused(shed.response(), "pool.one.priority")
        assert refused(ask(server.address, "/one/normal"), "pool.one.queue")
        held.let_go()
        assert critical.response().status == normal.response().status == 200
        critical.close()


def test_a_fan_out_makes_room_or_is_refused_as_a_whole(server):
    with Held(server, "one") as held:
        first = held.wait_in_line("/one/sheddable")
        r = ask(server.address, "/fan")
        assert refused(r, "pool.one.queue") and "a=shed" in r.field("forebay-parts")
        assert queued(server, "one") == (1, 1)
        held.let_go()
        assert first.response().status == 200


def test_fifo_knows_no_priorities(server):
    with Held(server, "old") as held:
        first = held.wait_in_line("/old/sheddable")
        assert refused(ask(server.address, "/old/critical"), "pool.old.queue")
        held.let_go()
        assert first.response().status == 200


def test_a_declared_cost_refuses_what_would_be_too_late_and_is_learned_better(server):
    with Held(server, "one"):
        assert refused(ask(server.address, "/costly"), "pool.one.wait")
    with Client(server.address) as c:
        assert all(c.ask("/costly").status == 200 for _ in range(250))
    with Held(server, "one") as held:
        c = held.wait_in_line("/costly")
        held.let_go()
        assert c.response().status == 200


def test_one_who_asks_for_more_than_its_share_gets_429_and_others_do_not(server):
    assert ask(server.address, "/shared", "X-User: first").status == 200
    seen, until = [], time.monotonic() + 4 * FACTOR

    def abuse():
        with Client(server.address, timeout=30) as c:
            while time.monotonic() < until:
                seen.append(c.ask("/shared", "X-User: abuser"))
                if seen[-1].status != 200:
                    time.sleep(0.01)

    # So many that the queue is more than it may be: who is refused comes back at once.
    threads = [threading.Thread(target=abuse) for _ in range(64)]
    for t in threads:
        t.start()
    polite = []
    while time.monotonic() < until:
        polite.append(ask(server.address, "/shared", "X-User: polite").status)
        time.sleep(0.2)
    for t in threads:
        t.join()
    refused_429 = [r for r in seen if r.status == 429]
    assert refused_429 and all(r.field("forebay-shed") == "pool.shared.share" and int(r.field("retry-after")) >= 1
                               for r in refused_429)
    assert polite.count(429) <= len(polite) / 4 and polite.count(200) >= len(polite) / 3, polite
    assert shed_counts(server)["pool.shared.share"] == len(refused_429) + polite.count(429)
    # Nobody is kept out for long.
    wait_until(lambda: ask(server.address, "/shared", "X-User: abuser").status == 200, what="a second chance")


def test_a_shadow_counts_what_it_would_refuse_and_lets_it_in(tmp_path):
    port = free_port()
    daemon = Daemon(tmp_path, CONF.replace("127.0.0.1:0", "127.0.0.1:%d" % port)
                    .replace("[limits]\n", "[limits]\nmode = shadow\n"))
    daemon.admin = ("127.0.0.1", port)
    with Held(daemon, "one") as held:
        c = held.wait_in_line("/costly")
        assert shed_counts(daemon, "shadow") == {"pool.one.wait": 1} and shed_counts(daemon) == {}
        held.wait_in_line("/costly")
        assert refused(ask(daemon.address, "/costly"), "pool.one.queue")
        held.let_go()
        assert c.response().status == 200
    daemon.stop()


@pytest.mark.parametrize("wrong,said", [
    ("fairness = {nobody}", "fairness"),
    ("priority = urgent", "priority"), ("deadline = 1s\npriorty = normal", "did you mean \"priority\""),
    ("cost = -1s", "cost"), ("cost = 2h", "cost"),
])
def test_what_cannot_be_is_an_error_with_its_line(tmp_path, wrong, said):
    path = tmp_path / "forebay.conf"
    path.write_text("[listen a]\naddress = 127.0.0.1:0\n[route r]\nmatch = GET /\nsource = compute digest\n" + wrong + "\n")
    code, out, err = run_forebayd("-t", "-c", str(path))
    assert code == 1 and said in out + err, (out, err)
    assert "forebay.conf:%d: " % (6 + wrong.count("\n")) in out + err
