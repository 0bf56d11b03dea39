"""overload: more CPU-heavy requests than anybody can do in time, and light ones beside them.

Each server is loaded at multiples of what it can do. What it can do is measured just before, by
a closed loop with the light requests running, on the same freshly started server.

    start --> closed loop: capacity --> open loop at N times capacity: lead, then counted
                    light requests, 500 a second, beside both
"""
import collections
import re

from benchlib import client, figures, golang, load, peers, server

LIGHT_RATE = 500
DEADLINE_MS = 500
GIVE_UP_MS = 1000
THREADS = 2
QUEUE = 16
GUESS = 20000  # iterations, until they are calibrated
TRIES = 3  # to measure a capacity
CLOSED_CONNS = 2 * THREADS  # every thread has one more to go on with
CONNS = 2048
SETTLE_SECONDS = 0.2
CONF = """\
[pool compute]
threads = %(threads)d
order = %(order)s
[route heavy]
match = GET /heavy
deadline = %(deadline_ms)dms
source = compute pbkdf2
input = x
salt = y
iterations = %(iterations)d
"""

# A peer and one way to run it; words: what its templates are filled with besides.
Variant = collections.namedtuple("Variant", "peer name words about")
VARIANTS = (
    Variant("forebay", figures.OURS, {"order": "adaptive"}, "order = adaptive, the default"),
    Variant("forebay", "forebay-fifo", {"order": "fifo"}, "order = fifo"),
    Variant("node", "node-%d" % QUEUE, {"queue": QUEUE}, "%d worker threads, a queue of %d" % (THREADS, QUEUE)),
    Variant("node", "node-unbounded", {"queue": 0}, "%d worker threads, any queue" % THREADS),
    Variant("go", "go-%d" % QUEUE, {"queue": QUEUE}, "a semaphore of %d, a queue of %d" % (THREADS, QUEUE)),
    Variant("go", "go-unbounded", {"queue": 0}, "a semaphore of %d, any queue" % THREADS),
)
RATE = re.compile(r"\d+\.\d\d(?=$|@)")  # follows from the capacity


def lead(each):
    """Seconds until queues have found their length."""
    return each * 2 / 3


def seconds(scale, each, servers):
    """(once, per round); two ways to run each server."""
    factors, _ = scale.overload
    step = 2 * (each + lead(each)) + GIVE_UP_MS / 1000 + 1
    return 2 + 8 * servers, 2 * servers * (len(factors) * step + each + 2)


# --- servers ----------------------------------------------------------------------------

def calibrate(one, job_seconds):
    """Iterations that take it so long. The quickest is the least disturbed."""
    one.words["iterations"] = GUESS
    one.start()
    took = client.one_after_another(one.port, ["/heavy"], 1)
    one.stop()
    return max(1, round(GUESS * job_seconds / min(took)))


def make(s, variant):
    """The variant as a server, calibrated and stopped."""
    peer = next(p for p in peers.PEERS if p.name == variant.peer)
    program = s.programs[peer.name]
    if peer.name == "go":
        program = golang.build(s, program, "overload")
    words = s.words(threads=THREADS, deadline_ms=DEADLINE_MS, programs=golang.PROGRAMS, iterations=GUESS, **variant.words)
    words["more." + variant.name] = CONF
    one = s.make(peer._replace(name=variant.name), program, words, "overload")
    # The same program does the same work, whatever its queue is like.
    done = [other for other in s.running if other.peer.command == peer.command and other is not one]
    one.words["iterations"] = done[0].words["iterations"] if done else calibrate(one, s.scale.overload[1])
    s.note("%s: %s; %d iterations of PBKDF2 in each job" % (one.name, variant.about, one.words["iterations"]))
    return one


def make_all(s):
    """Those that are installed and start. Ours has to."""
    found = []
    for variant in VARIANTS:
        if variant.peer not in s.programs:
            continue
        try:
            found.append(make(s, variant))
        except (server.Unavailable, OSError) as why:
            if variant.peer == figures.OURS:
                raise
            s.note("without %s: %s" % (variant.name, why))
    return found


# --- one step -----------------------------------------------------------------------------

def light():
    return "light:/plain:%d" % LIGHT_RATE


def flood(s, one, *classes):
    """Runs it; its report, and by how many bytes the server grew while it was counted."""
    generator = s.flood(DEADLINE_MS, GIVE_UP_MS, lead(s.seconds), CONNS)
    s.used(generator.command(one.port, [RATE.sub("RATE", text) for text in classes]))
    process = generator.start(one.port, classes)
    try:
        s.rest(lead(s.seconds))
        before = one.anonymous_bytes()
        s.rest(s.seconds)
        grown = one.anonymous_bytes() - before
    finally:
        report = generator.finish(process)
    if not report["real_time"]:
        s.note("tests/flood had no real-time priority (root has): its own delays are in the latencies")
    return report, grown


def light_alone(s, one):
    """p99 of light requests when there is nothing else."""
    one.restart()
    report, _ = flood(s, one, light())
    one.stop()
    good = report["light"]["accepted"]
    if not good["count"]:
        raise load.Broken("%s: no light request was answered" % one.name)
    s.figures.add("light_p99_ms", one.name, good["p99"], "alone")
    return good["p99"]


def measure_capacity(s, one):
    """Jobs a second in a closed loop, beside light requests."""
    for _ in range(TRIES):
        report, _ = flood(s, one, "heavy:/heavy:x%d" % CLOSED_CONNS, light())
        done = report["heavy"]["ok"]["count"]
        if done:
            return done / s.seconds
    raise load.Broken("%s: no job was done in time" % one.name)


def add_heavy(s, one, at, capacity, heavy):
    """What became of the heavy ones."""
    meant = max(1, heavy["meant"])
    s.figures.add("overload_goodput", one.name, heavy["ok"]["count"] / s.seconds / capacity, at)
    s.figures.add("overload_refused", one.name, heavy["refused"]["count"] / meant, at)
    s.figures.add("overload_late", one.name, heavy["late"]["count"] / meant, at)
    s.figures.add("overload_failed", one.name, heavy["failed"]["count"] / meant, at)
    if heavy["accepted"]["count"]:
        s.figures.add("accepted_p99_ms", one.name, heavy["accepted"]["p99"], at)


def add_light(s, one, at, alone, report):
    """The light ones against themselves alone, and refusals against the light ones."""
    refused, beside = report["heavy"]["refused"], report["light"]["accepted"]
    if not beside["count"]:
        s.note("%s, %s capacity: no light request was answered" % (one.name, at))
        return
    s.figures.add("light_p99_ms", one.name, beside["p99"], at)
    s.figures.add("light_p99_added_ms", one.name, beside["p99"] - alone, at)
    if refused["count"]:
        s.figures.add("refusal_p99_ms", one.name, refused["p99"], at)
        s.figures.add("refusal_over_light_ms", one.name, refused["p99"] - beside["p99"], at)


def step(s, one, factor, alone):
    """One multiple of the capacity, on a fresh server."""
    at = "%g times" % factor
    one.restart()
    capacity = measure_capacity(s, one)
    s.rest(SETTLE_SECONDS)
    report, grown = flood(s, one, "heavy:/heavy:%.2f" % (factor * capacity), light())
    one.stop()
    s.figures.add("overload_capacity_per_s", one.name, capacity, at)
    add_heavy(s, one, at, capacity, report["heavy"])
    add_light(s, one, at, alone, report)
    s.figures.add("overload_growth_kib", one.name, grown / 1024, at)


def attempt(s, run, one, *words):
    """What run(s, one, ...) gives. That a peer cannot do it is a note, and None."""
    try:
        return run(s, one, *words)
    except (server.Unavailable, load.Broken) as why:
        if one.peer.programs == peers.PEERS[0].programs:
            raise
        one.stop()
        s.note("%s: figures are missing: %s" % (one.name, why))
        return None


def overload(s):
    factors, job_seconds = s.scale.overload
    servers = make_all(s)
    s.note("jobs of about %g ms on %d threads, to be answered within %d ms; arrivals are random (Poisson), given up "
           "after %d ms, and %d light requests/s come beside them; goodput is what was answered in time, as a share of "
           "the capacity that a closed loop of %d has measured just before" % (
               job_seconds * 1000, THREADS, DEADLINE_MS, GIVE_UP_MS, LIGHT_RATE, CLOSED_CONNS))
    s.note("accepted are those answered with 200, in time or late, and those given up; growth is that of RssAnon while "
           "the load lasts, after its first %.1f s" % lead(s.seconds))
    for number in s.rounds():
        alone = {}
        for one in s.in_turn(servers, number):
            alone[one.name] = attempt(s, light_alone, one)
        for factor in factors:
            for one in s.in_turn(servers, number):
                if alone[one.name] is not None:
                    attempt(s, step, one, factor, alone[one.name])
    for one in servers:
        s.describe(one)
