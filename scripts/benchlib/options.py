"""The command line of scripts/bench, and what follows from it: which cases, how large, how often."""
import argparse
import collections
import datetime
import difflib
import os
import socket
import sys

from benchlib import cases, peers

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
USAGE = """\
Usage: scripts/bench CASE...|all [OPTION...] | compare OLD NEW (results.json)
%(cases)s
  --quick       whether it works; --minutes N at most; --rounds N; --seconds N
  --check       exit 1 if a bar is missed; --build DIR; --out DIR; --workers N
  --without P   skips %(peers)s
"""

# ab: requests and conns; instructions: requests of the two runs that are subtracted;
# overload: multiples of the capacity, and seconds that a job takes.
Scale = collections.namedtuple("Scale", "seconds warm idle_conns parts connections instructions ab overload")
FULL = Scale(3, True, 10000, (2, 4, 8, 16), (1, 2, 4, 8), (500, 2500), (100000, 1000),
             ((0.5, 0.8, 1.2, 2, 5, 10), 0.020))
QUICK = Scale(1, False, 1000, (2, 16), (1, 4), (50, 250), (2000, 100), ((2,), 0.005))
OVERTIME = 2  # times the estimate: nothing new is begun after it


def fail(text):
    sys.exit("scripts/bench: %s (--help)" % text)


def nearest(word, known):
    """Words as a sentence: the one that was meant, or all."""
    found = difflib.get_close_matches(word, known, 1, 0.5)
    return "did you mean \"%s\"?" % found[0] if found else "there are %s" % ", ".join(known)


class Parser(argparse.ArgumentParser):
    """Errors name the nearest option."""

    def error(self, message):
        wrong = message.rsplit(": ", 1)[-1].split()
        if message.startswith("unrecognized arguments") and wrong:
            options = [text for action in self._actions for text in action.option_strings]
            message = "unknown option %s; %s" % (wrong[0], nearest(wrong[0].split("=")[0], options))
        print("scripts/bench: %s (--help)" % message, file=sys.stderr)
        sys.exit(2)


def usage():
    """The text of --help, from the tables."""
    return USAGE % {
        "cases": "\n".join("  %-13s %s" % (case.name, case.title) for case in cases.CASES),
        "peers": ",".join(peer.name for peer in peers.PEERS[1:])}


def positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("\"%s\" is not a whole number from 1" % text)
    return int(text)




def build_folder():
    """Where scripts/test or a plain make leaves the programs."""
    top = os.environ.get("FOREBAY_BUILD", os.path.join(ROOT, "build"))
    tops = [os.path.join(top, "gcc"), top, ROOT]
    return next((p for p in tops if os.access(os.path.join(p, "forebayd"), os.X_OK)), tops[0])


def results_folder():
    """A new one for this run."""
    name = "%s-%s" % (datetime.datetime.now().strftime("%Y-%m-%dT%H%M%S"), socket.gethostname())
    return os.path.join(ROOT, "bench-results", name)


class Options:
    """What was asked for, checked."""

    def __init__(self, words):
        parser = Parser(add_help=False, allow_abbrev=False)
        parser.add_argument("words", nargs="*")
        parser.add_argument("--help", action="store_true")
        parser.add_argument("--quick", action="store_true")
        parser.add_argument("--check", action="store_true")
        for name, default in (("rounds", None), ("seconds", None), ("minutes", None), ("workers", 2)):
            parser.add_argument("--" + name, type=positive, default=default)
        parser.add_argument("--without", action="append", default=[])
        parser.add_argument("--build", default=build_folder())
        parser.add_argument("--out", default=None)
        given = parser.parse_intermixed_args(words)
        if given.help:
            print(usage(), end="")
            sys.exit(0)
        if not given.words:
            print(usage(), end="", file=sys.stderr)
            sys.exit(2)
        self.command = words
        self.words = given.words
        self.quick, self.rounds, self.minutes = given.quick, given.rounds, given.minutes
        self.check = given.check
        self.workers = given.workers
        self.scale = QUICK if given.quick else FULL
        self.seconds = given.seconds or self.scale.seconds
        self.build = os.path.abspath(given.build)
        self.out = os.path.abspath(given.out or results_folder())
        self.without = [check_word(name, [p.name for p in peers.PEERS[1:]], "peer")
                        for text in given.without for name in text.split(",")]
        self.share = 1.0  # of the rounds, to fit into --minutes

    def cases(self):
        """Those named, in the order of the table."""
        known = [case.name for case in cases.CASES] + ["all", "compare"]
        names = [check_word(word, known, "case") for word in self.words]
        if "compare" in names:
            fail("compare takes two files and no case")
        return [case for case in cases.CASES if case.name in names or "all" in names]

    def rounds_of(self, case):
        """How many rounds a case has."""
        several = "all" in self.words or len(self.words) > 1
        wanted = case.quick if self.quick else case.all if several else case.alone
        return max(1, int((self.rounds or wanted) * self.share))

    def estimate(self, case, servers):
        """Seconds that a case will take with so many servers."""
        once, per_round = case.seconds(self.scale, self.seconds, servers)
        return once + per_round * self.rounds_of(case)

    def plan(self, wanted, about):
        """Each case's seconds, rounds made fewer to fit into --minutes; and the most it may take."""
        present = {peer["name"] for peer in about if peer["program"]}
        servers = {case.name: sum(p.name in present and case.role in p.roles for p in peers.PEERS)
                   for case in wanted}
        limit = self.minutes * 60 if self.minutes else None
        while True:
            seconds = {case.name: self.estimate(case, servers[case.name]) for case in wanted}
            total = sum(seconds.values())
            if not limit or total <= limit or all(self.rounds_of(case) == 1 for case in wanted):
                return seconds, limit or total * OVERTIME
            self.share *= 0.9


def check_word(word, known, what):
    """The word if it is known; else the end, with the nearest one."""
    if word not in known:
        print("scripts/bench: unknown %s \"%s\"; %s (--help)" % (what, word, nearest(word, known)),
              file=sys.stderr)
        sys.exit(2)
    return word
