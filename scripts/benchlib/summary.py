"""The results as text, for a terminal: what was compared, on what machine, with what commands."""
import re
import textwrap

from benchlib import bars, figures, progress

WIDTH = 100


def number(value):
    """Four significant figures, without an exponent."""
    size = abs(value)
    return "%.0f" % value if size >= 1000 else "%.1f" % value if size >= 100 else \
        "%.2f" % value if size >= 10 else "%.3f" % value


def share(value):
    return "%.0f %%" % (100 * value)


def title(row):
    """A measure, and which way it is good."""
    return row["title"] + (" (%s is better)" % row["better"] if row["better"] else "")


def short(version):
    """The number of what a program says about itself."""
    found = re.search(r"\d+(\.\d+)+[\w.+~-]*", version or "")
    return found.group(0) if found else version


def line(row):
    """One figure: subject, median, unit, smallest and largest, and whether the rounds agree."""
    flag = "  noisy: spread %s" % share(row["spread"]) if row["noisy"] else ""
    spread = "(%s to %s, %d rounds)" % (number(row["min"]), number(row["max"]), row["rounds"]) \
        if row["rounds"] > 1 else "(one round)"
    name = ", ".join(filter(None, (row["at"], row["subject"])))
    return "    %-40s %9s %-5s  %s%s" % (name, number(row["median"]), row["unit"], spread, flag)


def hang(name, text):
    """A paragraph behind its name."""
    return textwrap.wrap(text, WIDTH, initial_indent="%-11s" % name, subsequent_indent=" " * 11) or [name]


def machine_text(machine):
    return ("{cpu}, {mhz} MHz, processors: {processors}; governor {governor}; virtual: {virtual}; memory {memory}; "
            "{kernel}, {system}; load {load_at_start} at the start".format(**machine))


def peers_text(peers):
    """Who took part, and who did not and why."""
    there = ["%s %s" % (p["name"], short(p["version"])) for p in peers if p["program"]]
    away = ["%s: %s" % (p["name"], p["why"]) for p in peers if not p["program"]]
    return ", ".join(there), "; ".join(away)


def head(results):
    """What, where, when, how."""
    there, away = peers_text(results["peers"])
    lines = ["Forebay benchmark, %s, %s, %s" % (results["date"], progress.span(results["seconds"]),
                                               results["status"])]
    lines += hang("Machine", machine_text(results["machine"]))
    lines += hang("Compared", there)
    lines += hang("Without", away) if away else []
    lines += hang("Revision", results["revision"])
    lines += hang("Command", results["command"])
    lines += hang("Loads", ", ".join("%s %s" % (name, short(text)) for name, text in results["tools"].items()))
    lines += hang("How", "medians, smallest and largest round in parentheses; servers measured in turn in each "
                  "round, %d workers each, load generators on the same machine; ratios taken round by round; "
                  "server CPU time is user and system time of all its threads" % results["workers"])
    for warning in results["warnings"]:
        lines += hang("Warning", warning)
    return lines


def listed(rows):
    """The measures that stand in tables, each once."""
    return dict.fromkeys(row["measure"] for row in rows if row["measure"] not in figures.TIMELINES)


def case_text(case):
    """The figures of one case by measure, its notes and its commands."""
    lines = ["", "%s: %s%s" % (case["name"], case["title"],
                               "" if case["status"] == "complete" else " [%s]" % case["status"])]
    for note in case["notes"]:
        lines += textwrap.wrap(note, WIDTH, initial_indent="  - ", subsequent_indent="    ")
    for measure in listed(case["figures"]):
        found = [row for row in case["figures"] if row["measure"] == measure]
        lines += ["  %s:" % title(found[0])] + [line(row) for row in found]
    lines += ["  $ " + command for command in case["commands"]]
    return lines


def extent(row):
    """From the smallest to the largest round."""
    return "%s to %s" % (number(row["min"]), number(row["max"])) if row["rounds"] > 1 else "one round"


def headlines(results):
    """The ratios that a reader looks for first: (case, row)."""
    return [(case["name"], row) for case in results["cases"] for row in case["figures"]
            if row["kind"] == "ratio" and row["measure"] in figures.HEADLINES]


def glance_text(results):
    """Ours to others, a line each."""
    lines = []
    for case, row in headlines(results):
        name = ", ".join(filter(None, (row["title"], row["at"], row["subject"])))
        lines.append("  %-12s %-62s %7s (%s)%s" % (
            case, name, number(row["median"]), extent(row), " noisy" if row["noisy"] else ""))
    return ["", "At a glance: ratios, less than 1 is less for %s" % figures.OURS] + lines if lines else []


def bars_text(results):
    """What is promised, and whether it held."""
    found = bars.judge(results)
    lines = ["  %-10s %-80s %8s  %s: %s" % (
        row["case"], ", ".join(filter(None, (row["title"], row["at"], row["subject"]))), number(row["median"]),
        bars.words(bar), "met" if met else "MISSED") for row, bar, met in found]
    head = "Bars: %d of %d are met, by the medians" % (sum(met for _, _, met in found), len(found))
    return ["", head] + lines if lines else []


def noise_text(results):
    """How far the figures can be believed."""
    repeated = [row for case in results["cases"] for row in case["figures"] if row["noisy"] is not None]
    single = any(row["rounds"] == 1 for case in results["cases"] for row in case["figures"])
    noisy = sum(row["noisy"] for row in repeated)
    lines = []
    if repeated:
        lines += hang("Noise", "%d of %d repeated figures spread by more than %s of their median%s" % (
            noisy, len(repeated), share(figures.NOISY),
            ": do not quote those marked noisy" if noisy else ""))
    if single:
        lines += hang("Noise", "figures of one round have no spread: they show that it works, not how fast")
    return [""] + lines if lines else []


def write(results):
    """The whole text."""
    lines = head(results)
    for case in results["cases"]:
        lines += case_text(case)
    lines += glance_text(results) + bars_text(results) + noise_text(results)
    return "\n".join(lines) + "\n"
