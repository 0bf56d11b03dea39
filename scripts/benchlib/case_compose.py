"""Four parts of one upstream joined into one answer: Forebay, and the same by hand in Node and in Go.

    wrk   --> composed as fast as it goes: server CPU time for each request
    pace  --> composed at a fixed rate, each part taking a millisecond: latencies

The upstream is tests/slow. Part of the case fanout.
"""
from benchlib import golang, load, peers, server

PARTS = 4
CONNS = 32
RATE = 300
DELAY_US = 1000
# Added to what case_fanout.py declares: the upstream is there.
CONF = "".join("""\
[route %(name)s]
match = GET %(target)s
""" % {"name": name, "target": target} + "".join("""\
[subrequest %(name)s.p%(part)d]
source = upstream slow
path = %(path)s
""" % {"name": name, "path": path, "part": part} for part in range(PARTS))
                        for name, target, path in (("busy", "/", "/0"), ("paced", "/paced", "/%d" % DELAY_US)))

COMMANDS = {
    "node": ("%(program)s", "%(programs)s/fanout.js", "127.0.0.1:%(port)d", "http://127.0.0.1:%(slow_port)d", "%(path)s"),
    "go": ("%(program)s", "127.0.0.1:%(port)d", "http://127.0.0.1:%(slow_port)d", "%(path)s"),
}


def seconds(each, servers):
    """Of a round."""
    return 2 * each * servers


def start_peer(s, peer, slow, suffix, path):
    """One more process of the peer, for one path of the upstream's."""
    program = s.programs[peer.name]
    if peer.name == "go":
        program = golang.build(s, program, "fanout")
    words = s.words(slow_port=slow.port, programs=golang.PROGRAMS, path=path)
    changed = peer._replace(name=peer.name + suffix, command=COMMANDS[peer.name])
    return s.start_one(s.make(changed, program, words, "fanout"))


def start(s, ours, slow):
    """(name, server of the closed loop, its path, server at the pace, its path) of each."""
    found = [(ours.name, ours, "/", ours, "/paced")]
    for peer in peers.PEERS:
        if peer.name not in COMMANDS or peer.name not in s.programs:
            continue
        try:
            busy = start_peer(s, peer, slow, "", "/0")
            paced = start_peer(s, peer, slow, "-paced", "/%d" % DELAY_US)
        except (server.Unavailable, load.Broken) as why:
            s.note("without %s: %s" % (peer.name, why))
            continue
        found.append((peer.name, busy, "/", paced, "/"))
    s.note("composed: %d parts of one upstream, joined as one JSON object; CPU time with %d conns as fast as it goes, "
           "latencies at %d a second with parts of %g ms" % (PARTS, CONNS, RATE, DELAY_US / 1000))
    return found


def measure(s, composers, number):
    """One round."""
    closed, paced = s.wrk(CONNS), s.pace(RATE)
    for name, busy, path, at_pace, paced_path in s.in_turn(composers, number):
        got, cpu = s.loaded(busy, closed, path)
        s.figures.add("composed_cpu_us", name, cpu / 1000 / got.requests)
        s.figures.add("composed_per_s", name, got.requests / got.seconds)
        good, _ = s.paced(at_pace, paced, paced_path, name)
        s.figures.add("composed_p50_ms", name, good["p50"])
        s.figures.add("composed_p99_ms", name, good["p99"])
