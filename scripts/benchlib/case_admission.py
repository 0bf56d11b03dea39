"""admission: who is served when too much comes, and how soon all is well again. Forebay alone.

    classes   5 times what can be done: a tenth of it critical, the rest normal and sheddable
    abusers   5 clients who send 8 times what can be done, beside 20 who together send two fifths of it
    spike     0.8 times what can be done, for 5 s 4 times; who is refused asks again, up to 3 times in all
    slower    at 1.5 times what can be done, each job takes 2.5 times as long from one moment to the next
"""
import os

from benchlib import case_overload, load

DEADLINE_MS = 500
GIVE_UP_MS = 1000
THREADS = 2
WELL = 0.9  # of the requests of a window, answered in time
WINDOW_S = 0.25
POLITE, ABUSERS = 20, 5
SLOWER = 2.5
CONF = """\
[pool compute]
threads = %(threads)d
""" + "".join("""\
[route %(name)s]
match = GET /%(name)s
deadline = %(deadline_ms)dms
priority = %(priority)s
%(more)s
source = compute pbkdf2
input = x
salt = y
iterations = %(iterations)s
""" % {"name": name, "priority": priority, "more": more, "iterations": "%(iterations)d",
       "deadline_ms": DEADLINE_MS} for name, priority, more in (
           ("critical", "critical", ""), ("heavy", "normal", ""), ("sheddable", "sheddable", ""),
           ("fair", "normal", "fairness = {query.who}")))


def lengths(scale, each):
    """Seconds: lead, what is counted of a load, and of a spike."""
    return (each / 3, 3 * each, each * 5 / 3)


def seconds(scale, each, servers):
    """(once, per round)"""
    lead, counted, long = lengths(scale, each)
    one = each + 2 * lead + counted + 2 * GIVE_UP_MS / 1000
    return 3, one if not scale.warm else 4 * one + long + each


# --- parts --------------------------------------------------------------------------------------


def flood(s, one, counted, classes, lead=0, attempts=1, conns=1024):
    """Runs it; its report."""
    generator = load.Flood(os.path.join(s.options.build, "tests/flood"), counted, DEADLINE_MS, GIVE_UP_MS, lead, conns,
                           attempts)
    s.used(generator.command(one.port, [case_overload.RATE.sub("RATE", text) for text in classes]))
    return generator.finish(generator.start(one.port, classes))


def capacity(s, one, path="/heavy"):
    """Jobs a second in a closed loop."""
    done = flood(s, one, s.seconds, ["heavy:%s:x%d" % (path, 2 * THREADS)], s.seconds / 3)["heavy"]["ok"]["count"]
    if not done:
        raise load.Broken("no job was done in time")
    return done / s.seconds


def share(report, names):
    """Of the requests of these classes, how many were answered in time."""
    meant = sum(report[name]["meant"] for name in names)
    return sum(report[name]["ok"]["count"] for name in names) / max(1, meant)


def classes(s, one, can):
    lead, counted, _ = lengths(s.scale, s.seconds)
    report = flood(s, one, counted, ["critical:/critical:%.2f" % (0.5 * can), "normal:/heavy:%.2f" % (2 * can),
                                     "sheddable:/sheddable:%.2f" % (2.5 * can)], lead)
    for name in ("critical", "normal", "sheddable"):
        s.figures.add("in_time", "%s, 5 times" % name, share(report, [name]), "classes")


def abusers(s, one, can):
    lead, counted, _ = lengths(s.scale, s.seconds)
    polite = ["polite%d" % i for i in range(POLITE)]
    rude = ["abuser%d" % i for i in range(ABUSERS)]
    report = flood(s, one, counted, ["%s:/fair?who=%s:%.2f" % (name, name, 0.4 * can / POLITE) for name in polite] +
                   ["%s:/fair?who=%s:%.2f" % (name, name, 8 * can / ABUSERS) for name in rude], lead, conns=256)
    s.figures.add("in_time", "%d polite" % POLITE, share(report, polite), "abusers")
    s.figures.add("in_time", "%d abusers, 8 times" % ABUSERS, share(report, rude), "abusers")


def recovery(report, name, ended):
    """Seconds after that moment until every later window was well; None: never."""
    meant, ok = report[name]["window_meant"], report[name]["window_ok"]
    after = range(int(ended / WINDOW_S), len(meant))
    bad = [i for i in after if ok[i] < WELL * meant[i]]
    if bad and bad[-1] >= len(meant) - 2:
        return None
    return (bad[-1] + 1) * WINDOW_S - ended if bad else 0.0


def spike(s, one, can):
    _, counted, long = lengths(s.scale, s.seconds)
    begun = counted / 3
    report = flood(s, one, counted + long, ["base:/heavy:%.2f" % (0.8 * can), "spike:/heavy:%.2f@%g-%g" % (
        3.2 * can, begun, begun + long)], s.seconds / 3, attempts=3)
    took = recovery(report, "base", begun + long)
    if took is None:
        s.note("spike: the load was over before all was well again")
        took = counted * 2 / 3
    s.figures.add("recovery_s", one.name, took, "spike")
    first, last = int(begun / WINDOW_S), int((begun + long) / WINDOW_S)
    done = sum(sum(report[name]["window_ok"][first:last]) for name in ("base", "spike"))
    s.figures.add("overload_goodput", one.name, done / long / can, "during the spike")


def slower(s, one, can):
    """The jobs of a route take longer after a reload; what was learned of them stays."""
    lead, counted, _ = lengths(s.scale, s.seconds)
    generator = load.Flood(os.path.join(s.options.build, "tests/flood"), counted, DEADLINE_MS, GIVE_UP_MS, lead, 1024)
    running = generator.start(one.port, ["heavy:/heavy:%.2f" % (1.5 * can)])
    s.rest(lead + counted / 3)
    one.words["iterations"] = round(one.words["iterations"] * SLOWER)
    one.reload()
    report = generator.finish(running)
    # Windows that begin at least a second after it, by which time the reload is over, too.
    first = int((counted / 3 + 1 + WINDOW_S) / WINDOW_S)
    ok = report["heavy"]["window_ok"][first:]
    s.figures.add("overload_goodput", one.name, sum(ok) / (len(ok) * WINDOW_S) / capacity(s, one), "jobs slower")


def admission(s):
    one = s.make_ours(threads=THREADS, iterations=case_overload.GUESS, **{"more.forebay": CONF})
    iterations = case_overload.calibrate(one, s.scale.overload[1])
    s.note("jobs of about %g ms on %d threads, to be answered within %d ms; arrivals are random (Poisson), given up after "
           "%d ms; what can be done is measured before each by a closed loop" % (
               s.scale.overload[1] * 1000, THREADS, DEADLINE_MS, GIVE_UP_MS))
    s.note("recovery: from the end of the spike until of each quarter of a second %d %% are answered in time" % (100 * WELL))
    for _ in s.rounds():
        for part in (classes, abusers, spike, slower) if s.scale.warm else (classes,):
            one.words["iterations"] = iterations
            one.restart()
            part(s, one, capacity(s, one))
            one.stop()
    s.describe(one)
