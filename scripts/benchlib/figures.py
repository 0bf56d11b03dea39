"""What was measured: values by round, their medians and spreads, and ratios between servers."""
import collections
import statistics

NOISY = 0.10  # of the median, from the smallest to the largest round
OURS = "forebay"

# better: which way a reader wants it; compares: whether a ratio of ours to others means something.
Measure = collections.namedtuple("Measure", "title unit better compares")
MEASURES = {
    "cpu_us_per_request": Measure("server CPU time per request", "us", "less", True),
    "latency_p50_ms": Measure("latency, p50", "ms", "less", True),
    "latency_p99_ms": Measure("latency, p99", "ms", "less", True),
    "cpu_us_per_mb": Measure("server CPU time per MB", "us", "less", True),
    "requests_per_s": Measure("requests", "1/s", "more", True),
    "mb_per_s": Measure("body and head bytes", "MB/s", "more", True),
    "bytes_per_idle_conn": Measure("memory per idle connection", "bytes", "less", True),
    "instructions_per_request": Measure("user-space instructions per request", "", "less", True),
    "light_p50_ms": Measure("light requests, p50", "ms", "less", False),
    "light_p99_ms": Measure("light requests, p99", "ms", "less", False),
    "light_p99_added_ms": Measure("added to the p99 of light requests", "ms", "less", False),
    "refusal_p50_ms": Measure("refusals, p50", "ms", "less", False),
    "refusal_p99_ms": Measure("refusals, p99", "ms", "less", False),
    "heavy_answered_per_s": Measure("heavy requests answered", "1/s", "", False),
    "heavy_refused_per_s": Measure("heavy requests refused", "1/s", "", False),
    "overload_goodput": Measure("answered in time, of capacity", "", "more", False),
    "overload_capacity_per_s": Measure("capacity", "1/s", "", False),
    "in_time": Measure("answered in time, of all of them", "", "more", False),
    "recovery_s": Measure("after a spike, until all is well", "s", "less", False),
    "storm_attempts": Measure("attempts at the servers, to requests", "", "less", False),
    "storm_attempts_second": Measure("attempts, to requests, in the second of the most", "", "less", False),
    "breaker_changes": Measure("changes of breakers, of all workers", "", "", False),
    "breaker_opened_s": Measure("first breaker open, after the servers failed", "s", "less", False),
    "breaker_closed_s": Measure("last breaker closed, after their return", "s", "less", False),
    "storm_goodput": Measure("answered in time, to the mean rate", "", "more", False),
    "storm_attempts_at": Measure("attempts, to the mean rate", "", "less", False),
    "pool_busy": Measure("threads of the pool busy", "", "", False),
    "pool_service_ms": Measure("a job, mean", "ms", "", False),
    "pool_cv": Measure("a job, standard deviation to mean", "", "", False),
    "pool_dispersion": Measure("arrivals in quarters of a second, variance to mean (random: 1)", "", "", False),
    "wait_measured_ms": Measure("mean wait, measured", "ms", "", False),
    "wait_predicted_ms": Measure("mean wait, predicted", "ms", "", False),
    "wait_ratio": Measure("mean wait, predicted to measured", "", "", False),
    "wait_ratio_all": Measure("mean wait, predicted to measured, all rounds together", "", "", False),
    "wait_chance": Measure("chance in the mean wait measured, to it", "", "", False),
    "accepted_p99_ms": Measure("accepted requests, p99", "ms", "less", False),
    "overload_refused": Measure("refused, of all", "", "", False),
    "overload_late": Measure("late or given up, of all", "", "less", False),
    "overload_failed": Measure("failed in another way, of all", "", "less", False),
    "refusal_over_light_ms": Measure("p99 of refusals less that of light requests", "ms", "less", False),
    "overload_growth_kib": Measure("memory, growth under the load", "KiB", "less", False),
    "anonymous_mib": Measure("memory of server and processes at the end of the load", "MiB", "less", False),
    "bombs_refused": Measure("bombs refused by 413, of those let in", "", "more", False),
    "bomb_cpu_ms": Measure("CPU time to refuse a bomb", "ms", "less", False),
    "fixed_cpu_us": Measure("constant parts: server CPU time per request", "us", "less", False),
    "composed_cpu_us": Measure("four parts composed: server CPU time per request", "us", "less", True),
    "composed_per_s": Measure("four parts composed, as fast as it goes", "1/s", "more", True),
    "composed_p50_ms": Measure("four parts of 1 ms composed, p50", "ms", "less", True),
    "composed_p99_ms": Measure("four parts of 1 ms composed, p99", "ms", "less", True),
    "composed_way_cpu_us": Measure("server CPU time per request", "us", "less", False),
    "flow_cpu_ratio": Measure("CPU time of the flow, to the declared plan's", "", "less", False),
    "bytes_per_flow": Measure("memory of a flow that waits, with its connection", "bytes", "less", False),
    "upstream_cpu_us": Measure("upstream parts: server CPU time per request", "us", "less", False),
    "upstream_p50_ms": Measure("upstream parts, p50", "ms", "less", True),
    "upstream_p99_ms": Measure("upstream parts, p99", "ms", "less", True),
    "compute_cpu_us": Measure("compute parts: server CPU time per request", "us", "less", False),
    "compute_p50_ms": Measure("compute parts, p50", "ms", "less", True),
    "compute_p99_ms": Measure("compute parts, p99", "ms", "less", True),
    "point_per_s": Measure("point queries", "1/s", "more", False),
    "point_cpu_us": Measure("point query: server CPU time", "us", "less", False),
    "point_p50_ms": Measure("point query, p50", "ms", "less", False),
    "point_p99_ms": Measure("point query, p99", "ms", "less", False),
    "list_per_s": Measure("lists of 10 rows", "1/s", "more", False),
    "list_cpu_us": Measure("list of 10 rows: server CPU time", "us", "less", False),
    "list_p50_ms": Measure("list of 10 rows, p50", "ms", "less", False),
    "list_p99_ms": Measure("list of 10 rows, p99", "ms", "less", False),
}


# Too long for tables: plotted, and in results.json.
TIMELINES = ("storm_goodput", "storm_attempts_at")
# What a reader looks for first: ratios of these.
HEADLINES = ("cpu_us_per_request", "latency_p99_ms", "bytes_per_idle_conn", "composed_cpu_us", "composed_p99_ms",
             "upstream_p50_ms", "compute_p50_ms", "instructions_per_request")


def spread(values):
    """From the smallest to the largest, as a share of the median; None if one cannot say."""
    median = statistics.median(values)
    return (max(values) - min(values)) / abs(median) if len(values) > 1 and median else None


def describe(values):
    """Median, smallest, largest and whether the rounds agree, as results.json has them."""
    share = spread(values)
    return {"rounds": len(values), "median": statistics.median(values), "min": min(values),
            "max": max(values), "spread": share, "noisy": None if share is None else share > NOISY,
            "values": list(values)}


class Figures:
    """The values of one case by measure, setting and subject, in the order they came."""

    def __init__(self, case):
        self.case = case
        self.series = {}

    def add(self, measure, subject, value, at=""):
        """One more round's value; `at` is the setting, such as "100 KiB"."""
        if measure not in MEASURES:
            raise KeyError("%s is not in the table of measures" % measure)
        self.series.setdefault((measure, str(at), subject), []).append(value)

    def row(self, kind, measure, at, subject, values):
        about = MEASURES[measure]
        return {"case": self.case, "kind": kind, "measure": measure, "title": about.title, "at": at,
                "subject": subject, "unit": "times" if kind == "ratio" else about.unit,
                "better": about.better, **describe(values)}

    def ratios(self):
        """Ours to each other subject, round by round: what disturbs the machine disturbs both."""
        for (measure, at, subject), values in self.series.items():
            ours = self.series.get((measure, at, OURS))
            if not MEASURES[measure].compares or subject == OURS or not ours:
                continue
            pairs = [a / b for a, b in zip(ours, values) if b]
            if pairs:
                yield self.row("ratio", measure, at, "%s/%s" % (OURS, subject), pairs)

    def rows(self):
        """Everything as flat rows: a line of the CSV each."""
        rows = [self.row("figure", *key, values) for key, values in self.series.items()]
        return rows + list(self.ratios())
