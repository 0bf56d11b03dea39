"""plain, pipeline, connect: a constant answer of seven bytes, as fast as the server gives it."""
import re
import shutil

from benchlib import load

CONNS = 32
DEPTH = 16
AB_SECONDS = 3


def seconds(scale, each, servers):
    """(once, per round)"""
    return AB_SECONDS + (servers * each if scale.warm else 0), servers * each


def measure(s, servers, generator):
    """CPU time for each request and requests per second, round by round."""
    s.warm(servers, generator, "/plain")
    for number in s.rounds():
        for one in s.in_turn(servers, number):
            got, cpu = s.loaded(one, generator, "/plain")
            s.figures.add("cpu_us_per_request", one.name, cpu / 1000 / got.requests)
            s.figures.add("requests_per_s", one.name, got.requests / got.seconds)


def ab_completes(s, ours):
    """Many conns with ab -k: every request has its response."""
    requests, conns = s.scale.ab
    command = ["ab", "-q", "-k", "-n", str(requests), "-c", str(conns),
               "http://127.0.0.1:%d/plain" % ours.port]
    s.used(command)
    status, said = load.run(command, 60)
    found = dict(re.findall(r"(Complete requests|Failed requests|Non-2xx responses):\s+(\d+)", said))
    good = status == 0 and found == {"Complete requests": str(requests), "Failed requests": "0"}
    s.note("%s: ab with %d conns: %s" % (ours.name, conns, "all of %d requests answered" % requests if good else
                                         "exit %d, %s" % (status, found or said[-200:])))


def plain(s):
    servers = s.start("plain")
    measure(s, servers, s.wrk(CONNS))
    if shutil.which("ab"):
        ab_completes(s, servers[0])
    else:
        s.note("ab is not installed (package apache2-utils)")


def pipeline(s):
    measure(s, s.start("plain"), s.wrk(CONNS, script=load.PIPELINE % DEPTH, name="pipeline"))


def connect(s):
    measure(s, s.start("plain"), s.wrk(CONNS, options=("-H", "Connection: close")))
