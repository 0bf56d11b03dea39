"""Light requests at a fixed pace, alone and beside heavy ones: what the isolation cases share."""
LIGHT_RATE = 500
LIGHT_CONNS = 64
HEAVY_CONNS = 256
LEAD_SECONDS = 1.2  # until the queue of the heavy ones is full


def seconds(scale, each, servers):
    """(once, per round)"""
    return 1, 2 * each + LEAD_SECONDS + 2


def isolation_round(s, ours, heavy_path, heavy_rate):
    """One round: latencies of light requests, and what became of the heavy ones."""
    light = s.pace(LIGHT_RATE, LIGHT_CONNS)
    heavy = s.pace(heavy_rate, HEAVY_CONNS, s.seconds + LEAD_SECONDS + 0.8)
    s.used(heavy.command(ours.port, heavy_path))
    alone, _ = s.paced(ours, light, "/plain", "light requests, alone")
    process = heavy.start(ours.port, heavy_path)
    try:
        s.rest(LEAD_SECONDS)
        beside, _ = s.paced(ours, light, "/plain", "light requests, beside heavy ones")
    finally:
        report = heavy.finish(process)
    for at, about in (("alone", alone), ("beside", beside)):
        s.figures.add("light_p50_ms", ours.name, about["p50"], at)
        s.figures.add("light_p99_ms", ours.name, about["p99"], at)
    s.figures.add("light_p99_added_ms", ours.name, beside["p99"] - alone["p99"])
    refused = report.get(503, {"count": 0})
    s.figures.add("heavy_answered_per_s", ours.name, report.get(200, {"count": 0})["count"] / heavy.seconds)
    s.figures.add("heavy_refused_per_s", ours.name, refused["count"] / heavy.seconds)
    if refused["count"]:
        s.figures.add("refusal_p50_ms", ours.name, refused["p50"])
        s.figures.add("refusal_p99_ms", ours.name, refused["p99"])
