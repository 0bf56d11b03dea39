"""latency: a constant answer at a fixed pace, far below what the servers can do."""
RATE = 2000
CONNS = 64


def seconds(scale, each, servers):
    """(once, per round)"""
    return 1, servers * (each + 0.3)


def latency(s):
    servers = s.start("plain")
    generator = s.pace(RATE, CONNS)
    s.note("%d requests/s over %d conns, each due at its own moment whatever the others do" % (RATE, CONNS))
    for number in s.rounds():
        for one in s.in_turn(servers, number):
            good, cpu = s.paced(one, generator, "/plain", one.name)
            s.figures.add("latency_p50_ms", one.name, good["p50"])
            s.figures.add("latency_p99_ms", one.name, good["p99"])
            s.figures.add("cpu_us_per_request", one.name, cpu / 1000 / good["count"])
