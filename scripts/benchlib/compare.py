"""Two results.json side by side: what the new one has to the old one, and whether noise explains it."""
from benchlib import summary


def key(row):
    return row["case"], row["kind"], row["measure"], row["at"], row["subject"]


def figure_rows(results):
    """Figures that can be divided; ratios within one run are compared as such, too."""
    return {key(row): row for case in results["cases"] for row in case["figures"]}


def ratio(old, new):
    """New to old: of the medians, and the least and most that the rounds allow. None for zero."""
    if min(old["min"], new["min"]) <= 0:
        return None
    return new["median"] / old["median"], new["min"] / old["max"], new["max"] / old["min"]


def verdict(row, least, most, rounds):
    """The runs were not interleaved, so that only what no pair of rounds contradicts is a change."""
    if rounds < 2:
        return "one round"
    if least <= 1 <= most:
        return "within the noise"
    if not row["better"]:
        return "different"
    return "better" if (most < 1) == (row["better"] == "less") else "WORSE"


def line(old, new):
    """One comparison as text."""
    name = ", ".join(filter(None, (new["measure"], new["at"], new["subject"])))
    found = ratio(old, new)
    if not found:
        return "  %-52s %10s %10s" % (name, summary.number(old["median"]), summary.number(new["median"]))
    middle, least, most = found
    return "  %-52s %10s %10s  x %.3f (%.3f to %.3f) %s" % (
        name, summary.number(old["median"]), summary.number(new["median"]), middle, least, most,
        verdict(new, least, most, min(old["rounds"], new["rounds"])))


def differences(old, new):
    """What else is not the same in both runs."""
    for name in ("cpu", "processors", "kernel", "governor", "virtual"):
        if old["machine"].get(name) != new["machine"].get(name):
            yield "%s: %s, now %s" % (name, old["machine"].get(name), new["machine"].get(name))
    for name in ("workers", "load_seconds"):
        if old[name] != new[name]:
            yield "%s: %s, now %s" % (name, old[name], new[name])


def write(old, new):
    """The whole text."""
    lines = ["old: %s, revision %s" % (old["date"], old["revision"]),
             "new: %s, revision %s" % (new["date"], new["revision"])]
    lines += ["%s: %s" % (name, text) for name, run in (("old", old), ("new", new)) for text in run["warnings"]]
    lines += ["not alike: " + text for text in differences(old, new)]
    before, after = figure_rows(old), figure_rows(new)
    case = None
    for name, row in after.items():
        if name not in before:
            continue
        if row["case"] != case:
            case = row["case"]
            lines += ["", "%-54s %10s %10s  new to old" % (case + ":", "old", "new")]
        lines.append(line(before[name], row))
    for what, left in (("only in the old one", before.keys() - after.keys()),
                       ("only in the new one", after.keys() - before.keys())):
        if left:
            lines += ["", "%s: %s" % (what, ", ".join(sorted({name[0] + " " + name[2] for name in left})))]
    return "\n".join(lines) + "\n"
