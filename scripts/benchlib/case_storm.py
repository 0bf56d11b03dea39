"""storm: all servers of an upstream fail for five seconds at full load, and come back.

    503     they answer 503 at once
    reset   they reset connections when a request has come
    hang    they say nothing

What the servers see is counted by themselves (tests/fickle). Full load is a share of what a closed
loop has measured just before. Beside the server as it is, one without a breaker.

    closed loop: capacity --> open loop: lead, well, failing, back
                                            |        |        '-- until when is it well again?
                                            '--------'-- attempts, to requests that came
"""
import collections
import datetime
import json
import os
import re
import time

from benchlib import client, figures, load, peers

SERVERS = 3
SHARE = 0.8  # of the capacity
MODES = ("503", "reset", "hang")
DEADLINE_MS = 250
GIVE_UP_MS = 1000
DELAY_US = 10000  # of an answer
UPSTREAM_CONNS = 32  # with it, these are what bounds the capacity, and not this machine
CLOSED_CONNS = 2 * UPSTREAM_CONNS
CONNS = 2048
WELL = 0.95  # of the share that was answered before
WINDOW_NS = 250_000_000  # of tests/flood
SECOND = 4  # windows
FAILING, BACK = "failing", "back"
STATES = ("open", "half open", "closed")
CONF = """\
[upstream fickle]
servers = %(servers)s
retries = 1
retry_on = connect, closed, timeout, 503
retry_budget = 20%%
first_byte_timeout = 200ms
max_connections = %(upstream_conns)d
@breaker@[route storm]
match = GET /storm
deadline = 1s
source = upstream fickle
"""
BREAKER = """\
breaker_error_rate = 50%%
breaker_window = 1s
breaker_open_for = 500ms
"""
VARIANTS = ((figures.OURS, BREAKER), ("forebay-no-breaker", ""))
LOGGED = re.compile(r"^(\S+) \w+ .*: upstream fickle: breaker (open|half open|closed)$", re.MULTILINE)
COUNTED = re.compile(r'^forebay_upstream_breaker_transitions_total\{to="(\w+)"\} (\d+)$', re.MULTILINE)

# One run: its report of tests/flood, when all failed and when they were back (monotonic ns), attempts
# in each window, and the breakers' changes as (seconds after they failed, state).
Run = collections.namedtuple("Run", "flood rate failing_ns back_ns attempts changes")


def lengths(scale):
    """Seconds: well, failing, back."""
    return (2, 5, 4) if scale.warm else (1, 1, 2)


def what(scale):
    """(servers, ways to fail)"""
    return (VARIANTS, MODES) if scale.warm else (VARIANTS[:1], MODES[:1])


def seconds(scale, each, servers):
    """(once, per round)"""
    variants, modes = what(scale)
    return 2, len(variants) * len(modes) * (4 * each / 3 + 1 + sum(lengths(scale)) + GIVE_UP_MS / 1000)


# --- servers ------------------------------------------------------------------------------------


def start_upstreams(s):
    program = peers.find(peers.FICKLE, s.options.build)
    return [s.start_one(s.make(peers.FICKLE._replace(name="fickle%d" % i), program, s.words(delay_us=DELAY_US), "slow"))
            for i in range(SERVERS)]


def make(s, name, breaker, upstreams):
    peer = peers.PEERS[0]
    words = s.words(**{"more." + name: CONF.replace("@breaker@", breaker),
                       "upstream_conns": UPSTREAM_CONNS,
                       "servers": ", ".join("http://127.0.0.1:%d" % one.port for one in upstreams)})
    return s.make(peer._replace(name=name), s.programs[peer.name], words, "plain")


def tell(upstreams, mode):
    """When the first of them had it and when the last, in monotonic ns."""
    times = []
    for one in upstreams:
        client.get(one.port, "/-/" + mode)
        times.append(time.monotonic_ns())
    return times[0], times[-1]


def counts(upstreams):
    return [json.loads(client.get(one.port, "/-/counts").split(b"\r\n\r\n", 1)[1]) for one in upstreams]


# --- what was seen ------------------------------------------------------------------------------


def by_window(found, from_ns, windows):
    """Attempts at all servers together in each window of the load."""
    attempts = [0] * windows
    for report in found:
        for slot, seen in enumerate(report["seen"]):
            at = (report["began_ns"] + slot * report["slot_ms"] * 1_000_000 - from_ns) // WINDOW_NS
            if 0 <= at < windows:
                attempts[at] += seen
    return attempts


def most_in_a_second(attempts, meant):
    """Attempts for each request, in the second in which they were most."""
    return max(sum(attempts[i:i + SECOND]) / max(1, sum(meant[i:i + SECOND]))
               for i in range(max(1, len(meant) - SECOND + 1)))


def share(ok, meant, first, last):
    return sum(ok[first:last]) / max(1, sum(meant[first:last]))


def recovery(ok, meant, back, enough):
    """Seconds after `back`, in windows, until a window had its share and so has the second it begins; None: never."""
    for i in range(int(back), len(meant)):
        if min(share(ok, meant, i, i + 1), share(ok, meant, i, i + SECOND)) >= enough:
            return max(0.0, (i - back) * WINDOW_NS / 1e9)
    return None


def changes(one, failing_ns):
    """Of the breakers, from the log: (seconds after the servers failed, state); Broken unless /metrics says as much."""
    past_ns = time.time_ns() - time.monotonic_ns()
    with open(os.path.join(one.folder, "log"), encoding="utf-8", errors="replace") as stream:
        logged = [(datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() - (failing_ns + past_ns) / 1e9, state)
                  for at, state in LOGGED.findall(stream.read())]
    counted = dict(COUNTED.findall(client.get(one.admin_port, "/metrics").decode()))
    for state in STATES:
        if int(counted[state.replace(" ", "_")]) != sum(word == state for _, word in logged):
            raise load.Broken("%s: /metrics and log differ: %s, %s" % (one.name, counted, logged))
    return logged


# --- one run ------------------------------------------------------------------------------------


def flood(s, one, counted, text, lead):
    generator = load.Flood(os.path.join(s.options.build, "tests/flood"), counted, DEADLINE_MS, GIVE_UP_MS, lead, CONNS)
    s.used(generator.command(one.port, [re.sub(r":\d+\.\d\d$", ":RATE", text)]))
    return generator, generator.start(one.port, [text])


def capacity(s, one):
    """Requests a second in a closed loop."""
    generator, running = flood(s, one, s.seconds, "storm:/storm:x%d" % CLOSED_CONNS, s.seconds / 3)
    done = generator.finish(running)["storm"]["ok"]["count"]
    if not done:
        raise load.Broken("%s: no request was answered in time" % one.name)
    return done / s.seconds


def storm_once(s, one, upstreams, mode):
    well, failing, back = lengths(s.scale)
    lead = s.seconds / 3
    rate = SHARE * capacity(s, one)
    generator, running = flood(s, one, well + failing + back, "storm:/storm:%.2f" % rate, lead)
    try:
        s.rest(lead + well)
        failing_ns, _ = tell(upstreams, mode)
        s.rest(failing)
        _, back_ns = tell(upstreams, "ok")
    finally:
        report = generator.finish(running)["storm"]
    attempts = by_window(counts(upstreams), report["from_ns"], len(report["window_meant"]))
    return Run(report, rate, failing_ns, back_ns, attempts, changes(one, failing_ns))


def add_changes(s, run, name, mode):
    """How often the breakers of all workers changed, and when first and last."""
    for state in STATES:
        s.figures.add("breaker_changes", name, sum(word == state for _, word in run.changes), "%s, %s" % (mode, state))
    opened = [at for at, state in run.changes if state == "open" and at >= 0]
    closed = [at for at, state in run.changes if state == "closed"]
    if opened:
        s.figures.add("breaker_opened_s", name, opened[0], mode)
    if closed:
        s.figures.add("breaker_closed_s", name, closed[-1] - (run.back_ns - run.failing_ns) / 1e9, mode)


def add_timeline(s, run, mode):
    for i, ok in enumerate(run.flood["window_ok"]):
        after = round((run.flood["from_ns"] + i * WINDOW_NS - run.failing_ns) / WINDOW_NS) * WINDOW_NS / 1e9
        s.figures.add("storm_goodput", mode, ok / (run.rate * WINDOW_NS / 1e9), "%+.2f s" % after)
        s.figures.add("storm_attempts_at", mode, run.attempts[i] / (run.rate * WINDOW_NS / 1e9), "%+.2f s" % after)


def add(s, run, name, mode):
    ok, meant = run.flood["window_ok"], run.flood["window_meant"]
    failed, back = ((at - run.flood["from_ns"]) / WINDOW_NS for at in (run.failing_ns, run.back_ns))
    before = share(ok, meant, 0, int(failed))
    s.figures.add("storm_attempts", name, sum(run.attempts) / sum(meant), mode)
    s.figures.add("storm_attempts_second", name, most_in_a_second(run.attempts, meant), mode)
    s.figures.add("in_time", name, before, "%s, before" % mode)
    s.figures.add("in_time", name, share(ok, meant, int(failed) + 1, int(back)), "%s, while they fail" % mode)
    took = recovery(ok, meant, back, WELL * before)
    if took is None:
        s.note("%s, %s: the load was over before all was well again" % (name, mode))
        took = (len(meant) - back) * WINDOW_NS / 1e9
    s.figures.add("recovery_s", name, took, mode)
    if name == figures.OURS:
        add_changes(s, run, name, mode)
        add_timeline(s, run, mode)


def storm(s):
    variants, modes = what(s.scale)
    upstreams = start_upstreams(s)
    servers = [make(s, name, breaker, upstreams) for name, breaker in variants]
    s.note("%d servers that answer after %g ms, over %d connections in all, until all fail together for %d s; random "
           "arrivals (Poisson) at %g of what a closed loop of %d has measured just before; in time: with 200 within %d ms" % (
               SERVERS, DELAY_US / 1000, UPSTREAM_CONNS, lengths(s.scale)[1], SHARE, CLOSED_CONNS, DEADLINE_MS))
    s.note("attempts: what the servers have counted, to the requests that came, refused ones included; recovery: from their "
           "return to the quarter of a second of which, and of the second that it begins, %g of the share before is answered "
           "in time" % WELL)
    s.note("forebay-no-breaker is the same without breaker_error_rate; each worker has a breaker of its own")
    for number in s.rounds():
        for mode in modes:
            for one in s.in_turn(servers, number):
                one.restart()
                add(s, storm_once(s, one, upstreams, mode), one.name, mode)
                one.stop()
    for one in servers:
        s.describe(one)
