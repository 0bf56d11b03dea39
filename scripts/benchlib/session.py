"""What a case works with: servers that answer, loads, rounds, and a place for figures.

One session per case, so that each starts with fresh servers in a fresh folder. Whatever
happens, close() ends the servers.
"""
import os
import re
import tempfile
import time

from benchlib import figures, load, peers, server

PORTS = re.compile(r"(?<=127\.0\.0\.1:)\d+|(?<= -p )\d{4,5}\b")


class Session:
    """`about` is the survey of peers; `scale` the sizes of this run (see options.py)."""

    def __init__(self, case, options, about, progress):
        self.case, self.options, self.progress = case, options, progress
        self.scale, self.seconds = options.scale, options.seconds
        self.rounds_wanted = options.rounds_of(case)
        self.programs = {peer["name"]: peer["program"] for peer in about if peer["program"]}
        self.figures = figures.Figures(case.name)
        self.notes, self.commands, self.configurations = [], [], {}
        self.running = []
        self.is_short = False  # rounds were left out
        self.scratch = tempfile.TemporaryDirectory(prefix="forebay-bench-")
        self.folder = self.scratch.name
        os.chmod(self.folder, 0o755)  # servers that drop privileges read files below it

    def close(self):
        """Ends every server and takes the folder away."""
        for one in self.running:
            one.stop()
        server.end_all()
        self.scratch.cleanup()

    def note(self, text):
        """A sentence for the reports, once."""
        if text not in self.notes:
            self.notes.append(text)

    def plain(self, text):
        """Without what differs from run to run: ports and the folder."""
        return PORTS.sub("PORT", text.replace(self.folder, "TMP"))

    def used(self, command):
        """Remembers a command line, each shape once."""
        text = self.plain(" ".join(command))
        if text not in self.commands:
            self.commands.append(text)

    # --- servers --------------------------------------------------------------------

    def words(self, **more):
        """What templates of peers are filled with."""
        return {"workers": self.options.workers, "files": self.folder, "response_bytes": 0,
                "nofile": 20000, "apache_threads": 64 * self.options.workers,
                "h2o_user": "user: root" if os.geteuid() == 0 else "", **more}

    def make(self, peer, program, words, role):
        """A server that close() will end; not started."""
        words["prefix"] = os.path.dirname(os.path.dirname(program))
        ready = None if peer.name in peers.WITHOUT_HTTP_1 else peers.READY[role]
        one = server.Server(peer, program, self.folder, words, ready)
        self.running.append(one)
        return one

    def start_one(self, one):
        one.start()
        self.describe(one)
        return one

    def describe(self, one):
        """Remembers how it was started, for the reports."""
        self.used(one.command_line)
        conf = os.path.join(one.folder, one.name + ".conf")
        if os.path.exists(conf):
            with open(conf, encoding="utf-8") as stream:
                self.configurations[one.name] = self.plain(stream.read())

    def start(self, role, only=None, **more):
        """Ours and the peers that have this role. A peer that does not start is a note; ours is an error."""
        started = []
        for peer in peers.PEERS:
            if role not in peer.roles or peer.name not in self.programs or (only and peer.name not in only):
                continue
            words = self.words(**more)
            if peer.name == "floor" and started:
                words["response_bytes"] = len(started[0].response)  # both send as much
            try:
                started.append(self.start_one(self.make(peer, self.programs[peer.name], words, role)))
            except server.Unavailable as why:
                if peer.name == figures.OURS:
                    raise
                self.note("without %s: %s" % (peer.name, why))
        if not started:
            raise server.Unavailable("no server to measure")
        return started

    def start_ours(self, **more):
        """Forebay alone."""
        return self.start("plain", only=(figures.OURS,), **more)[0]

    def make_ours(self, **more):
        """Forebay alone, not started."""
        peer = next(p for p in peers.PEERS if p.name == figures.OURS)
        return self.make(peer, self.programs[peer.name], self.words(**more), "plain")

    def start_slow(self):
        """tests/slow, the upstream of our own fan-out."""
        program = peers.find(peers.SLOW, self.options.build)
        return self.start_one(self.make(peers.SLOW, program, self.words(), "slow"))

    # --- rounds and loads -------------------------------------------------------------

    def rounds(self):
        """Numbers of rounds, until all are done or the time is up."""
        for number in range(self.rounds_wanted):
            if number and self.progress.is_over():
                self.is_short = True
                self.note("%d of %d rounds: the time was up" % (number, self.rounds_wanted))
                return
            self.progress.round(number, self.rounds_wanted)
            yield number

    def in_turn(self, servers, number):
        """Another one first in each round: A B, B A."""
        turn = number % len(servers)
        return servers[turn:] + servers[:turn]

    def wrk(self, conns=32, **more):
        """A closed loop; with script=, under name=."""
        return load.Wrk(self.folder, self.seconds, conns, **more)

    def pace(self, rate, conns=64, seconds=None):
        return load.Pace(os.path.join(self.options.build, "tests/pace"), rate,
                         seconds or self.seconds, conns)

    def flood(self, deadline_ms, give_up_ms, lead, conns):
        return load.Flood(os.path.join(self.options.build, "tests/flood"), self.seconds, deadline_ms, give_up_ms,
                          lead, conns)

    def loaded(self, one, generator, path):
        """Runs the load on a server: (what the generator counted, CPU nanoseconds of the server)."""
        self.used(generator.command(one.port, path))
        cpu = one.cpu_ns()
        got = generator.run(one.port, path)
        return got, one.cpu_ns() - cpu

    def warm(self, servers, generator, path):
        """A load that is not counted: caches, page faults, first allocations."""
        if self.scale.warm:
            for one in servers:
                generator.run(one.port, path)

    def paced(self, one, generator, path, name):
        """As loaded(), for tests/pace: the latencies of the 200s; others are a note."""
        report, cpu = self.loaded(one, generator, path)
        good = report.get(200)
        if not report["real_time"]:
            self.note("tests/pace had no real-time priority (root has): its own delays are in the latencies")
        if not good:
            raise load.Broken("%s: no request had a 200" % path)
        if good["count"] != report["meant"]:
            self.note("%s: %d of %d requests had no 200" % (name, report["meant"] - good["count"], report["meant"]))
        return good, cpu

    def rest(self, seconds):
        time.sleep(seconds)
