"""advise: whether `forebayctl advise` is to be believed. The demo as it is, and what one may ask of it.

Its composed answer has one job in the pool compute, and little else that takes time. Under a steady
load, random (Poisson), the mean wait that advise predicts stands beside the one that it measures.

    closed loop: capacity --> open loop at a share of it: lead, then advise watches
"""
import json
import os
import subprocess

from benchlib import figures, load, peers, server

PATH = "/api/country/AD"
POOL = "compute"
SHARES = (0.5, 0.7, 0.85)  # of the capacity
DEADLINE_MS = 2000
GIVE_UP_MS = 4000
CLOSED_CONNS = 8
CONNS = 256
CONF = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "conf")
PEER = peers.PEERS[0]._replace(conf=None, command=(
    "env", "FOREBAY_DEMO_PORT=%(port)d", "FOREBAY_DEMO_ADMIN_PORT=%(admin_port)d", "FOREBAY_DEMO_DATABASE=%(files)s/atlas.db",
    "FOREBAY_DEMO_SOCKET=%(folder)s/admin.sock", "%(program)s", "-c", os.path.join(CONF, "demo.conf")))


def shares(scale):
    return SHARES if scale.warm else SHARES[:1]


def window(scale, each):
    """Seconds that it watches."""
    return 20 * each if scale.warm else 2 * each


def lead(each):
    """Seconds until the queue has found its length."""
    return 2 * each


def seconds(scale, each, servers):
    """(once, per round)"""
    return 3, 4 * each / 3 + 2 + len(shares(scale)) * (lead(each) + window(scale, each) + 3)


def load_demo(s):
    """Its data, in the session's folder."""
    made = subprocess.run([os.path.join(CONF, "demo/load"), os.path.join(s.folder, "atlas.db")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if made.returncode:
        raise server.Unavailable("the demo's data (package iso-codes): %s" % made.stdout.strip()[-200:])


def start_demo(s):
    load_demo(s)
    one = s.make(PEER, s.programs[PEER.name], s.words(), "demo")
    one.start()
    s.used(one.command_line[-3:])
    return one


def flood(s, one, counted, leading, pace):
    generator = load.Flood(os.path.join(s.options.build, "tests/flood"), counted, DEADLINE_MS, GIVE_UP_MS, leading, CONNS)
    text = "country:%s:" % PATH
    s.used(generator.command(one.port, [text + (pace if pace[0] == "x" else "RATE")]))
    return generator, generator.start(one.port, [text + pace])


def capacity(s, one):
    """Answers a second in a closed loop: every thread of the pool is busy."""
    generator, running = flood(s, one, s.seconds, s.seconds / 3, "x%d" % CLOSED_CONNS)
    done = generator.finish(running)["country"]["ok"]["count"]
    if not done:
        raise load.Broken("no request was answered in time")
    return done / s.seconds


def ask(s, one):
    """What advise says of the pool. That it gives no advice is an answer, too."""
    command = [os.path.join(s.options.build, "forebayctl"), "-s", os.path.join(one.folder, "admin.sock"), "--json", "advise",
               "--pool", POOL, "--window", "%gs" % window(s.scale, s.seconds)]
    s.used(command)
    code, said = load.run(command, window(s.scale, s.seconds))
    try:
        found = json.loads(said)
    except ValueError:
        raise load.Broken("forebayctl advise (%d): %s" % (code, said[-300:])) from None
    return found["pools"][0]


def watch(s, one, rate):
    """The same while that rate comes."""
    generator, running = flood(s, one, window(s.scale, s.seconds) + 1, lead(s.seconds), "%.2f" % rate)
    try:
        s.rest(lead(s.seconds))
        return ask(s, one)
    finally:
        generator.finish(running)


def add(s, pool, at):
    measured, predicted = pool["measured"], pool.get("predicted")
    s.figures.add("pool_busy", figures.OURS, measured["utilization"], at)
    s.figures.add("pool_service_ms", figures.OURS, 1000 * pool["service_s"], at)
    s.figures.add("pool_cv", figures.OURS, pool["cv"], at)
    s.figures.add("pool_dispersion", figures.OURS, pool["dispersion"], at)
    s.figures.add("wait_measured_ms", figures.OURS, 1000 * measured["mean_wait_s"], at)
    if not predicted or not predicted["mean_wait_s"] or not measured["mean_wait_s"]:
        s.note("%s: nothing predicted: %s" % (at, pool.get("why", "too short")))
        return
    s.figures.add("wait_predicted_ms", figures.OURS, 1000 * predicted["mean_wait_s"], at)
    s.figures.add("wait_ratio", figures.OURS, predicted["mean_wait_s"] / measured["mean_wait_s"], at)
    if "chance_s" in pool:
        s.figures.add("wait_chance", figures.OURS, pool["chance_s"] / measured["mean_wait_s"], at)
    else:
        s.note("%s, once: %s" % (at, pool["why"]))


def add_together(s, found, at):
    """Of all rounds, each job counted once: what chance does to one is less in all."""
    pairs = [(pool["jobs"], pool["measured"]["mean_wait_s"], pool["predicted"]["mean_wait_s"])
             for pool in found if "predicted" in pool]
    measured = sum(jobs * wait for jobs, wait, _ in pairs)
    if len(pairs) > 1 and measured:
        s.figures.add("wait_ratio_all", figures.OURS, sum(jobs * wait for jobs, _, wait in pairs) / measured, at)


def advise(s):
    one = start_demo(s)
    s.note("conf/demo.conf as it is; GET %s, with one job in the pool %s; arrivals are random (Poisson), at shares of what a "
           "closed loop of %d has measured just before; advise watches for %g s" % (
               PATH, POOL, CLOSED_CONNS, window(s.scale, s.seconds)))
    s.note("chance: by how much the mean wait of so many jobs is off from the true one; more rounds, or longer ones "
           "(--seconds), make it less")
    found = {share: [] for share in shares(s.scale)}
    for _ in s.rounds():
        can = capacity(s, one)
        for share in found:
            s.rest(1)
            pool = watch(s, one, share * can)
            found[share].append(pool)
            add(s, pool, "%g times" % share)
    for share, pools in found.items():
        add_together(s, pools, "%g times" % share)
