"""What this server promises of its figures, and whether a run keeps it: medians beside the bars of this table."""
import collections
import re

from benchlib import figures

# at, subject: patterns of the whole text. least, most: of the median; None is no bar.
Bar = collections.namedtuple("Bar", "case measure at subject least most")
OURS = figures.OURS
BEYOND = r"(1\.2|2|5|10) times"
BARS = (
    Bar("proxy", "cpu_us_per_request", r"1 KiB|100 KiB", r"forebay/(nginx|haproxy)", None, 1.0),
    Bar("flows", "flow_cpu_ratio", r"the demo's parts", OURS, None, 1.2),
    Bar("overload", "overload_goodput", BEYOND, OURS, 0.95, None),
    Bar("overload", "accepted_p99_ms", r"2 times", OURS, None, 250),
    Bar("overload", "refusal_over_light_ms", BEYOND, OURS, None, 1.0),
    Bar("overload", "light_p99_added_ms", r".* times", OURS, None, 1.0),
    Bar("overload", "overload_growth_kib", r".* times", OURS, None, 1024),
    Bar("pictures", "overload_goodput", r"2 times", OURS, 0.95, None),
    Bar("pictures", "light_p99_added_ms", r".* times", OURS, None, 1.0),
    Bar("pictures", "bombs_refused", r".* times", OURS, 1.0, None),
    Bar("pictures", "bomb_cpu_ms", r"alone", OURS, None, 50),
    Bar("light", "overload_goodput", r"2 times", OURS, 0.9, None),
    Bar("light", "accepted_p99_ms", r"2 times", OURS, None, 100),
    Bar("admission", "in_time", r"classes", r"critical.*", 0.99, None),
    Bar("admission", "in_time", r"abusers", r".* polite", 0.9, None),
    Bar("admission", "recovery_s", r"spike", OURS, None, 1.0),
    Bar("admission", "overload_goodput", r"jobs slower", OURS, 0.95, None),
    Bar("storm", "storm_attempts_second", r".*", OURS, None, 1.2),
    Bar("storm", "recovery_s", r".*", OURS, None, 1.0),
    Bar("advise", "wait_ratio", r".*", OURS, 0.85, 1.15),
)


def is_of(bar, row):
    kind = "ratio" if "/" in bar.subject else "figure"
    return (bar.case, bar.measure, kind) == (row["case"], row["measure"], row["kind"]) \
        and re.fullmatch(bar.at, row["at"]) and re.fullmatch(bar.subject, row["subject"])


def is_met(bar, row):
    return (bar.least is None or row["median"] >= bar.least) and (bar.most is None or row["median"] <= bar.most)


def words(bar):
    """The bar as one says it."""
    return " and ".join("%s %g" % (word, value) for word, value in (("at least", bar.least), ("at most", bar.most))
                        if value is not None)


def judge(results):
    """(row, bar, whether it is met) of all that there is a bar for. Of a quick run nothing: it is too short."""
    if results["quick"]:
        return []
    return [(row, bar, is_met(bar, row)) for case in results["cases"] for row in case["figures"]
            for bar in BARS if is_of(bar, row)]


def missed(results):
    return [row for row, _, met in judge(results) if not met]
