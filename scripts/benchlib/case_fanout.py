"""fanout: one request of 2 to 16 parts, against its slowest part and against a client that asks in turn.

    upstream   part i of N takes i/N of 20 ms: together 20 ms, one after another 10 (N + 1) ms
    compute    every part takes about a millisecond of CPU, on as many threads as there are workers
    fixed      constant parts: what composing alone costs
    composed   four parts, beside programs in Node and Go: case_compose.py
"""
import statistics

from benchlib import case_compose, client

SLOWEST_US = 20000
UPSTREAM_RATE = 200
COMPUTE_RATE = 25
COMPUTE_ITERATIONS = 5000
IN_TURN = "one after another"
SLOWEST = "slowest part alone"
BASE = """\
[pool compute]
threads = %(workers)d
max_queue = 1024
max_wait = 0s
[upstream slow]
servers = http://127.0.0.1:%(slow_port)d
max_connections = 1024
max_pending = 1024
[route compute1]
match = GET /compute/1
source = compute pbkdf2
input = x
salt = y
iterations = %(iterations)d
"""
ROUTE = """\
[route %(kind)s%(parts)d]
match = GET /%(kind)s/%(parts)d
"""
PART = """\
[subrequest %(kind)s%(parts)d.p%(part)d]
%(source)s
"""
SOURCES = {
    "fixed": "source = fixed\ntype = application/json\nbody = 1",
    "upstream": "source = upstream slow\npath = /%(delay_us)d",
    "compute": "source = compute pbkdf2\ninput = x\nsalt = y\niterations = %(iterations)d",
}


def seconds(scale, each, servers):
    """(once, per round)"""
    return 2 + 5 * servers, each * (len(scale.parts) * 5 + 2) + len(scale.parts) + case_compose.seconds(each, servers)


def delays(parts):
    """Microseconds that each part takes: the last one is the slowest."""
    return [SLOWEST_US * (number + 1) // parts for number in range(parts)]


def configuration(scale):
    """A route for each kind and number of parts, as a template of the peer's."""
    text = BASE
    for kind, source in SOURCES.items():
        for parts in scale.parts:
            text += ROUTE % {"kind": kind, "parts": parts}
            for number, delay_us in enumerate(delays(parts)):
                filled = source % {"delay_us": delay_us, "iterations": COMPUTE_ITERATIONS}
                text += PART % {"kind": kind, "parts": parts, "part": number, "source": filled}
    return text + case_compose.CONF


def add_latencies(s, kind, subject, at, good):
    s.figures.add(kind + "_p50_ms", subject, good["p50"], at)
    s.figures.add(kind + "_p99_ms", subject, good["p99"], at)


def add_in_turn(s, kind, at, port, paths):
    """Few are done in the time: their median is all that can be said."""
    took = client.one_after_another(port, paths, s.seconds)
    s.figures.add(kind + "_p50_ms", IN_TURN, statistics.median(took) * 1000, at)


def upstream_round(s, ours, slow):
    generator = s.pace(UPSTREAM_RATE)
    alone, _ = s.paced(slow, generator, "/%d" % SLOWEST_US, SLOWEST)
    for parts in s.scale.parts:
        at = "%d parts" % parts
        add_latencies(s, "upstream", SLOWEST, at, alone)
        good, cpu = s.paced(ours, generator, "/upstream/%d" % parts, at)
        add_latencies(s, "upstream", ours.name, at, good)
        s.figures.add("upstream_cpu_us", ours.name, cpu / 1000 / good["count"], at)
        add_in_turn(s, "upstream", at, slow.port, ["/%d" % delay for delay in delays(parts)])


def compute_round(s, ours):
    generator = s.pace(COMPUTE_RATE)
    alone, _ = s.paced(ours, generator, "/compute/1", SLOWEST)
    for parts in s.scale.parts:
        at = "%d parts" % parts
        add_latencies(s, "compute", SLOWEST, at, alone)
        good, cpu = s.paced(ours, generator, "/compute/%d" % parts, at)
        add_latencies(s, "compute", ours.name, at, good)
        s.figures.add("compute_cpu_us", ours.name, cpu / 1000 / good["count"], at)
        add_in_turn(s, "compute", at, ours.port, ["/compute/1"] * parts)


def fixed_round(s, ours):
    generator = s.wrk()
    for parts in s.scale.parts:
        got, cpu = s.loaded(ours, generator, "/fixed/%d" % parts)
        s.figures.add("fixed_cpu_us", ours.name, cpu / 1000 / got.requests, "%d parts" % parts)


def fanout(s):
    slow = s.start_slow()
    ours = s.start_ours(slow_port=slow.port, iterations=COMPUTE_ITERATIONS,
                        **{"more.forebay": configuration(s.scale)})
    s.note("the peers compose nothing: compared is a client that asks for the parts one after another, over one "
           "connection: from the upstream itself, or compute parts from a route of one part")
    s.note("the slowest part alone is measured once a round and stands beside each number of parts")
    s.note("upstream: %d requests/s, part i of N takes i/N of %d ms; compute: %d requests/s, PBKDF2 with %d "
           "iterations in each part, %d threads" % (UPSTREAM_RATE, SLOWEST_US // 1000, COMPUTE_RATE,
                                                    COMPUTE_ITERATIONS, s.options.workers))
    composers = case_compose.start(s, ours, slow)
    for number in s.rounds():
        upstream_round(s, ours, slow)
        compute_round(s, ours)
        fixed_round(s, ours)
        case_compose.measure(s, composers, number)
