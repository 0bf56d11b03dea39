"""light: more light requests than one worker can parse and answer.

What it can do is measured by a closed loop just before, on the same freshly started server. A
request costs the worker much more than the generator, which has a processor of its own, or the
generator could not send twice as many. Beside the server as it is, one without worker_wait.
"""
import json

from benchlib import case_overload, figures, load, peers

MOST = 2  # times the capacity: the generator has to keep up
DEADLINE_MS = 100
GIVE_UP_MS = 1000
CLOSED_CONNS = 64
CONNS = 1024
MEMBERS = 2500  # of the JSON text in which each request has one value looked up
CONF = """\
[route light]
match = GET /light
join = template
template = {a.last}
[subrequest light.a]
source = fixed
type = application/json
body = %s
""" % json.dumps({**{"k%d" % i: "v%d" % i for i in range(MEMBERS)}, "last": 7})
VARIANTS = ((figures.OURS, ""), ("forebay-any-wait", "worker_wait = 0s\n"))


def factors(scale):
    return [factor for factor in scale.overload[0] if factor <= MOST]


def seconds(scale, each, servers):
    """(once, per round)"""
    step = 2 * (each + case_overload.lead(each)) + GIVE_UP_MS / 1000 + 1
    return 2, len(VARIANTS) * len(factors(scale)) * step


def make(s, name, line):
    peer = peers.PEERS[0]
    words = s.words(**{"inside." + name: line, "more." + name: CONF})
    words["workers"] = 1
    return s.make(peer._replace(name=name), s.programs[peer.name], words, "plain")


def flood(s, one, text):
    generator = s.flood(DEADLINE_MS, GIVE_UP_MS, case_overload.lead(s.seconds), CONNS)
    s.used(generator.command(one.port, [case_overload.RATE.sub("RATE", text)]))
    return generator.finish(generator.start(one.port, [text]))["light"]


def measure_capacity(s, one):
    """Requests a second in a closed loop."""
    for _ in range(case_overload.TRIES):
        done = flood(s, one, "light:/light:x%d" % CLOSED_CONNS)["ok"]["count"]
        if done:
            return done / s.seconds
    raise load.Broken("%s: no request was answered in time" % one.name)


def step(s, one, factor):
    """One multiple of the capacity, on a fresh server."""
    at = "%g times" % factor
    one.restart()
    capacity = measure_capacity(s, one)
    report = flood(s, one, "light:/light:%.2f" % (factor * capacity))
    one.stop()
    s.figures.add("overload_capacity_per_s", one.name, capacity, at)
    case_overload.add_heavy(s, one, at, capacity, report)


def light(s):
    servers = [make(s, name, line) for name, line in VARIANTS]
    s.note("light requests for one worker, each a look into %d KiB of JSON, to be answered within %d ms, given up after "
           "%d ms; arrivals are random (Poisson) on at most %d connections; goodput is what was answered in time, as a "
           "share of what a closed loop of %d has measured just before" % (
               len(CONF) // 1024, DEADLINE_MS, GIVE_UP_MS, CONNS, CLOSED_CONNS))
    s.note("forebay-any-wait is the same with worker_wait = 0")
    for number in s.rounds():
        for factor in factors(s.scale):
            for one in s.in_turn(servers, number):
                step(s, one, factor)
    for one in servers:
        s.describe(one)
