"""Thousands of slow clients (slowhttptest) and what others notice of them."""
import collections
import os
import re
import resource
import subprocess
import time

from benchlib import abuse, client, figures, load, server

DEADLINE_SECONDS = 5
PACE_RATE, PACE_CONNS = 500, 32
OPEN_PER_SECOND, ATTACK_SECONDS, LARGE_BYTES = 1000, 40, 10 << 20
LIMITS = """\
header_timeout = %(deadline)ds
body_idle_timeout = %(deadline)ds
send_idle_timeout = %(deadline)ds
"""
FOREBAY_LINES = """\
[route files]
match = GET /files/{path...}
source = file
root = %(files)s/files
[route upload]
match = POST /upload
source = echo
"""
NGINX_LINES = """\
		client_header_timeout %(deadline)ds;
		client_body_timeout %(deadline)ds;
		send_timeout %(deadline)ds;
		reset_timedout_connection on;
		location /upload { proxy_pass http://127.0.0.1:%(port)d/; }
"""

# options of slowhttptest; path: what is asked for.
Mode = collections.namedtuple("Mode", "name options path")
MODES = (
    Mode("header", ("-H", "-i", "1", "-x", "8", "-t", "GET"), "/plain"),
    Mode("body", ("-B", "-i", "8", "-x", "4", "-s", "8192", "-t", "POST"), "/upload"),
    Mode("read", ("-X", "-w", "512", "-y", "1024", "-n", "8", "-z", "32", "-t", "GET"), "/files/10m.bin"),
)


def start(s):
    """Forebay, and nginx where it is installed, with the same deadlines."""
    abuse.make_folder(s.folder)
    path = os.path.join(s.folder, "files", "10m.bin")
    with open(path, "wb") as stream:
        stream.write(os.urandom(LARGE_BYTES))
    os.chmod(path, 0o644)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    servers = s.start("idle", only=(figures.OURS, "nginx"), deadline=DEADLINE_SECONDS, **{
        "inside.forebay": LIMITS, "more.forebay": FOREBAY_LINES, "inside.nginx": NGINX_LINES})
    for one in servers:
        prefer(one)
    return servers


def sockets(one):
    """How many its processes have open."""
    total = 0
    for pid in one.pids():
        folder = "/proc/%d/fd" % pid
        for name in os.listdir(folder):
            try:
                total += os.readlink(os.path.join(folder, name)).startswith("socket:")
            except OSError:
                continue
    return total


def dropped(one):
    """Our counters of connections that were dropped, and of bodies and heads that did not come, by reason."""
    text = client.get(one.admin_port, "/metrics").decode()
    found = re.findall(r'(?m)^forebay_(connections_dropped|requests_refused)_total\{reason="(\w+)"\} (\d+)', text)
    return {reason: int(count) for _, reason, count in found}


def prefer(one):
    """Root can keep what else runs on the machine out of the latencies: tests/pace is not alone with real time then."""
    if os.geteuid() == 0:
        for pid in one.pids():
            subprocess.run(["chrt", "-a", "-r", "-p", "5", str(pid)], check=False)


def attack(one, mode, conns):
    """slowhttptest as a process that gives way to everybody; it opens one more connection to see whether all is well."""
    command = ["nice", "-n", "19", "slowhttptest", *mode.options, "-c", str(conns), "-r", str(OPEN_PER_SECOND),
               "-l", str(ATTACK_SECONDS), "-p", "5", "-v", "0", "-u", "http://127.0.0.1:%d%s" % (one.port, mode.path)]
    return command, server.spawn(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Row:
    """One mode against one server."""

    def __init__(self, s, one, mode, conns):
        pace = s.pace(PACE_RATE, PACE_CONNS, DEADLINE_SECONDS + 3)
        self.mode, self.one = mode, one
        before, reasons = sockets(one), dropped(one) if one.name == figures.OURS else {}
        self.alone = pace.run(one.port, "/plain")[200]
        memory, cpu, meter = one.anonymous_bytes(), one.cpu_ns(), server.Meter(one)
        self.command, process = attack(one, mode, conns)
        try:
            running = pace.start(one.port, "/plain")
            self.watch(one, before + PACE_CONNS + 1, lambda: running.poll() is None)
            self.beside = pace.finish(running)[200]
            end = time.monotonic() + ATTACK_SECONDS / 2
            self.watch(one, before, lambda: self.gone is None and time.monotonic() < end)
        finally:
            server.end(process)
        self.grown, self.cpu_ms = meter.stop() - memory, (one.cpu_ns() - cpu) / 1e6
        self.reasons = dropped(one) if one.name == figures.OURS else {}
        self.reasons = {key: count - reasons.get(key, 0) for key, count in self.reasons.items()
                        if count != reasons.get(key, 0)}

    most, gone, begun = 0, None, None

    def watch(self, one, before, goes_on):
        """Until it does not go on: the most slow ones that there were, and when they had gone."""
        self.begun = self.begun or time.monotonic()
        while goes_on():
            now = sockets(one) - before
            self.most = max(self.most, now)
            if self.gone is None and self.most > 100 and now <= 2:
                self.gone = time.monotonic() - self.begun
            time.sleep(0.1)

    def words(self):
        reasons = ", ".join("%s %d" % pair for pair in sorted(self.reasons.items()))
        return (self.mode.name, self.one.name, str(self.most),
                "%.1f" % self.gone if self.gone else "never",
                "%.3f" % self.alone["p50"], "%.3f" % self.beside["p50"], "%.3f" % self.alone["p99"],
                "%.3f" % self.beside["p99"], "%.1f" % (self.grown / (1 << 20)), "%.0f" % self.cpu_ms, reasons)


HEADINGS = ("mode", "server", "at most", "gone s", "p50 ms alone", "beside", "p99 ms alone", "beside", "MiB more",
            "CPU ms", "counted")


def slow(s, say, conns):
    """Every mode against every server: rows, and the commands that were run."""
    load.need("slowhttptest", "slowhttptest")
    servers, rows = start(s), []
    for mode in MODES:
        for one in servers:
            row = Row(s, one, mode, conns)
            if one is servers[0]:
                s.used(row.command)
            rows.append(row.words())
            say("  ".join(rows[-1]))
    return rows
