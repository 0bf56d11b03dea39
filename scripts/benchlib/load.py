"""The load generators: wrk as fast as the server can (a closed loop), tests/pace at a fixed rate (open), and
tests/flood, several classes of requests at random moments (open) or so many at a time (closed)."""
import collections
import json
import os
import re
import shutil
import subprocess

from benchlib import server

# Appended to every script of wrk's: exact figures instead of rounded ones.
DONE = """
done = function(summary, latency, requests)
	local e = summary.errors
	io.write(string.format(
		'\\n{"requests": %d, "bytes": %d, "us": %d, "errors": %d}\\n', summary.requests, summary.bytes,
		summary.duration, e.connect + e.read + e.write + e.status + e.timeout))
end
"""
# Requests made beforehand from a list of paths, sent in turn.
PATHS = """
local ready, last = {}, 0
local paths = { %s }
init = function(args)
	for i, path in ipairs(paths) do ready[i] = wrk.format("GET", path) end
end
request = function()
	last = last %% #ready + 1
	return ready[last]
end
"""
# So many requests in one write.
PIPELINE = """
local requests = {}
init = function(args)
	for i = 1, %d do requests[i] = wrk.format("GET") end
	requests = table.concat(requests)
end
request = function() return requests end
"""
END_SECONDS = 20  # what a generator may take beyond its time

Load = collections.namedtuple("Load", "requests bytes seconds")


class Broken(Exception):
    """A load that did not go as it should; the text says how."""


def need(program, package):
    """Its path, or Unavailable with the package that has it."""
    found = shutil.which(program)
    if not found:
        raise server.Unavailable("%s is missing; install the package %s" % (program, package))
    return found


def run(command, seconds, **more):
    """What it printed; the process ends with us and in bounded time."""
    process = server.spawn(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    try:
        said, _ = process.communicate(timeout=seconds + END_SECONDS)
    except subprocess.TimeoutExpired:
        raise Broken("%s did not end" % " ".join(command)) from None
    finally:
        server.end(process)
    return process.returncode, said


class Wrk:
    """wrk with a script, written once into the folder."""

    def __init__(self, folder, seconds, conns, script="", name="same", options=(), scheme="http"):
        need("wrk", "wrk")
        self.seconds, self.scheme, self.script = seconds, scheme, os.path.join(folder, name + ".lua")
        self.options = ["-t1", "-c%d" % conns, "-d%ds" % seconds, "--timeout", "30s", *options]
        with open(self.script, "w", encoding="utf-8") as stream:
            stream.write(script + DONE)

    def command(self, port, path):
        return ["wrk", *self.options, "-s", self.script, "%s://127.0.0.1:%d%s" % (self.scheme, port, path)]

    def run(self, port, path):
        """Broken if one response was missing or no success."""
        _, said = run(self.command(port, path), self.seconds)
        try:
            got = json.loads(said.strip().rsplit("\n", 1)[-1])
        except ValueError:
            raise Broken("wrk: no result: %s" % said[-300:]) from None
        if got["errors"] or not got["bytes"]:
            raise Broken("wrk: %d errors: %s" % (got["errors"], said[-600:]))
        return Load(got["requests"], got["bytes"], got["us"] / 1e6)


class H2load:
    """h2load: 16 connections, 32 streams of each at a time."""

    def __init__(self, seconds, scheme, conns=16, streams=32):
        need("h2load", "nghttp2-client")
        self.seconds, self.scheme = seconds, scheme
        self.options = ["-t1", "-c%d" % conns, "-m%d" % streams, "-D", str(seconds)]

    def command(self, port, path):
        return ["h2load", *self.options, "%s://127.0.0.1:%d%s" % (self.scheme, port, path)]

    def run(self, port, path):
        """Broken if one answer was missing or no success."""
        _, said = run(self.command(port, path), self.seconds)
        found = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", said)
        if not found or int(found.group(1)) == 0:
            raise Broken("h2load: no result: %s" % said[-300:])
        if any(map(int, found.groups()[1:])) or "0 4xx, 0 5xx" not in said:
            raise Broken("h2load: %s" % found.group(0))
        moved = re.search(r"traffic: \S+ \((\d+)\) total", said)
        return Load(int(found.group(1)), int(moved.group(1)) if moved else 0, self.seconds)


class Pace:
    """tests/pace: latencies from the moment each request was meant to be sent."""

    def __init__(self, program, rate, seconds, conns):
        if not os.access(program, os.X_OK):
            raise server.Unavailable("%s is no program; make tests/pace" % program)
        self.program, self.rate, self.seconds, self.conns = program, rate, seconds, conns

    def command(self, port, path):
        return [self.program, "-p", str(port), "-u", path, "-r", str(self.rate),
                "-d", "%g" % self.seconds, "-c", str(self.conns)]

    def start(self, port, path):
        """Running beside others; give it to finish()."""
        return server.spawn(self.command(port, path), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)

    def finish(self, process):
        """Its report, in milliseconds by status: {"meant": N, "real_time": bool,
        200: {"count", "p50", ...}}."""
        try:
            said, complaint = process.communicate(timeout=self.seconds + END_SECONDS)
            got = json.loads(said)
        except (subprocess.TimeoutExpired, ValueError):
            raise Broken("tests/pace gave no result") from None
        finally:
            server.end(process)
        report = {"meant": got["meant"], "real_time": "no real-time" not in complaint}
        for status, about in got["by_status"].items():
            report[int(status)] = in_ms(about)
        return report

    def run(self, port, path):
        return self.finish(self.start(port, path))


class Flood:
    """tests/flood: classes of requests, and what becomes of each; see the head of tests/support/flood.c."""

    def __init__(self, program, seconds, deadline_ms, give_up_ms, lead, conns, attempts=1, body=None):
        if not os.access(program, os.X_OK):
            raise server.Unavailable("%s is no program; make tests/flood" % program)
        self.program, self.seconds, self.lead = program, seconds, lead
        self.limits = ["-t", str(deadline_ms), "-g", str(give_up_ms), "-c", str(conns)]
        if attempts > 1:
            self.limits += ["-r", str(attempts)]
        if body:
            self.limits += ["-b", body]

    def command(self, port, classes):
        return [self.program, "-p", str(port), "-d", "%g" % self.seconds, "-l", "%g" % self.lead,
                *self.limits, *classes]

    def start(self, port, classes):
        """Running; give it to finish()."""
        return server.spawn(self.command(port, classes), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, process):
        """Its report, in milliseconds: {"real_time": bool, CLASS: {"meant": N, "ok": {"count", "p99", ...}, ...}}."""
        try:
            said, complaint = process.communicate(timeout=self.seconds + self.lead + END_SECONDS)
            got = json.loads(said)
        except (subprocess.TimeoutExpired, ValueError):
            raise Broken("tests/flood gave no result") from None
        finally:
            server.end(process)
        report = {"real_time": "no real-time" not in complaint}
        for name, fates in got.items():
            report[name] = {fate: in_ms(about) if isinstance(about, dict) else about for fate, about in fates.items()}
        return report


def in_ms(about):
    """Latencies that came in microseconds, beside their count."""
    return {key: value if key == "count" else value / 1000 for key, value in about.items()}
