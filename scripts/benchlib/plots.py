"""The plots: a table of what is drawn from which figures, and gnuplot to draw it as SVG.

The script of each plot stays beside it, with its numbers in it, to draw it another way:
gnuplot NAME.gp.
"""
import collections
import os
import re
import shutil
import subprocess

from benchlib import figures, summary

# style: bars, lines, or ratio: bars of the ratios of ours to others. x: what stands along the
# bottom, subject or at. series: (measure, its words in the legend); each gives a line or bar for
# every subject, or for those of `only`.
Plot = collections.namedtuple("Plot", "name case style x log title xlabel ylabel series only")
PLOTS = (
    Plot("plain", "plain", "bars", "subject", False, "A constant answer, keep-alive",
         "", "server CPU time per request (µs)", (("cpu_us_per_request", ""),), ()),
    Plot("pipeline", "pipeline", "bars", "subject", False, "16 requests at once",
         "", "server CPU time per request (µs)", (("cpu_us_per_request", ""),), ()),
    Plot("connect", "connect", "bars", "subject", False, "A connection for each request",
         "", "server CPU time per request (µs)", (("cpu_us_per_request", ""),), ()),
    Plot("latency", "latency", "bars", "subject", False, "A constant answer, 2000 a second",
         "", "latency (ms)", (("latency_p50_ms", "p50"), ("latency_p99_ms", "p99")), ()),
    Plot("idle", "idle", "bars", "subject", False, "Memory of idle connections",
         "", "bytes per connection", (("bytes_per_idle_conn", ""),), ()),
    Plot("files-cpu", "files", "lines", "at", True, "Files: cost",
         "size of the file", "server CPU time per request (µs, log scale)", (("cpu_us_per_request", ""),), ()),
    Plot("files-ratio", "files", "ratio", "at", False, "Files: cost of ours to that of others",
         "size of the file", "ratio of server CPU time (below 1: less)", (("cpu_us_per_request", ""),), ()),
    Plot("files-throughput", "files", "lines", "at", True, "Files: throughput",
         "size of the file", "MB/s (log scale)", (("mb_per_s", ""),), ()),
    Plot("tls-ratio", "tls", "ratio", "at", False, "TLS: cost of ours to that of others",
         "", "ratio of server CPU time (below 1: less)", (("cpu_us_per_request", ""),), ()),
    Plot("h2-ratio", "h2", "ratio", "at", False, "HTTP/2: cost of ours to that of others",
         "", "ratio of server CPU time (below 1: less)", (("cpu_us_per_request", ""),), ()),
    Plot("fanout-upstream", "fanout", "lines", "at", True, "One request of many upstream parts",
         "parts (the slowest takes 20 ms)", "latency (ms, log scale)",
         (("upstream_p50_ms", "p50"), ("upstream_p99_ms", "p99")), ()),
    Plot("fanout-compute", "fanout", "lines", "at", True, "One request of many CPU-heavy parts",
         "parts (about 1 ms of CPU time each)", "latency (ms, log scale)",
         (("compute_p50_ms", "p50"), ("compute_p99_ms", "p99")), ()),
    Plot("fanout-cost", "fanout", "lines", "at", True, "What composing costs",
         "parts", "server CPU time per request (µs, log scale)",
         (("fixed_cpu_us", "constant parts"), ("upstream_cpu_us", "upstream parts"),
          ("compute_cpu_us", "compute parts")), ("forebay",)),
    Plot("sql-throughput", "sql", "lines", "at", False, "SQLite: throughput",
         "connections, a thread each", "requests per second",
         (("point_per_s", "one row"), ("list_per_s", "ten rows")), ("forebay",)),
    Plot("sql-latency", "sql", "lines", "at", False, "SQLite: latency at 500 requests/s",
         "connections, a thread each", "latency (ms)",
         (("point_p50_ms", "one row, p50"), ("point_p99_ms", "one row, p99"),
          ("list_p50_ms", "ten rows, p50"), ("list_p99_ms", "ten rows, p99")), ("forebay",)),
    Plot("sql-isolation", "sql", "bars", "at", False, "Light requests beside more scans than the database takes",
         "", "latency (ms)", (("light_p50_ms", "p50"), ("light_p99_ms", "p99")), ("forebay",)),
    Plot("isolation", "isolation", "bars", "at", False, "Light requests beside more jobs than the pool takes",
         "", "latency (ms)", (("light_p50_ms", "p50"), ("light_p99_ms", "p99")), ("forebay",)),
    Plot("overload-goodput", "overload", "lines", "at", False, "Overload: what is answered in time",
         "load, in multiples of the capacity", "share of the capacity", (("overload_goodput", ""),), ()),
    Plot("overload-accepted", "overload", "lines", "at", True, "Overload: how long the accepted ones take",
         "load, in multiples of the capacity", "p99 (ms, log scale; the deadline is at 500)",
         (("accepted_p99_ms", ""),), ()),
    Plot("overload-light", "overload", "lines", "at", True, "Overload: light requests beside it",
         "load, in multiples of the capacity", "p99 (ms, log scale)", (("light_p99_ms", ""),), ()),
    Plot("storm", "storm", "lines", "at", False, "An upstream that fails altogether",
         "seconds after its servers begin to fail", "answered in time, to the mean rate", (("storm_goodput", ""),), ()),
    Plot("storm-attempts", "storm", "lines", "at", False, "What its servers see meanwhile",
         "seconds after they begin to fail", "attempts, to the mean rate of requests", (("storm_attempts_at", ""),), ()),
    Plot("advise", "advise", "bars", "at", False, "forebayctl advise on the demo",
         "load, of the capacity", "mean wait (ms)", (("wait_measured_ms", "measured"), ("wait_predicted_ms", "predicted")),
         ("forebay",)),
)

# Okabe and Ito: told apart by everybody; each server keeps its own in all plots.
COLOURS = {"forebay": "#0072b2", "floor": "#999999", "nginx": "#009e73", "haproxy": "#d55e00", "h2o": "#e69f00",
           "lighttpd": "#cc79a7", "apache": "#d55e00", "one after another": "#d55e00",
           "slowest part alone": "#555555", "forebay-fifo": "#56b4e9", "node-16": "#009e73",
           "node-unbounded": "#e69f00", "go-16": "#cc79a7", "go-unbounded": "#d55e00"}
SPARE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#555555")
POINTS = (7, 5, 9, 13, 6, 4)
WHISKER = "$%s using 1:3:(0):($4-$3) with vectors heads size screen 0.005,90 %s lw 1 notitle"
LABELS_MAX = 9  # bars that have room for their values above them
HEAD = """\
set terminal svg size 720,%(height)d dynamic enhanced font "sans-serif,14" background "#ffffff" name "%(id)s"
set output %(output)s
set encoding utf8
set title %(title)s font ",16"
set xlabel %(xlabel)s
set ylabel %(ylabel)s
set border 3 lc rgb "#444444"
set tics nomirror out textcolor rgb "#222222"
set grid ytics lc rgb "#dddddd" lt 1
set key %(key)s
set yrange [%(low)s:%(high)s]
set xrange [-0.6:%(right)g]
%(log)s
set boxwidth %(box)g
set style fill solid 0.75 noborder
"""


def quote(text):
    """A string of gnuplot's, without its escapes and its markup."""
    return "'%s'" % re.sub(r"([_^@&{}~\\])", r"\\\\\1", text).replace("'", "’").replace("\\\\", "\\")


def legend(words, subject, alone):
    """What a series is called: as little as tells it apart."""
    return ", ".join(filter(None, ("" if alone and words else subject, words)))


def collect(plot, rows):
    """Series in order: (legend, subject, style of line, {place along x: row}); and the places."""
    found, places = [], []
    used = [row for row in rows if row["kind"] == ("ratio" if plot.style == "ratio" else "figure")]
    for order, (measure, words) in enumerate(plot.series):
        of_measure = [row for row in used if row["measure"] == measure]
        subjects = [s for s in dict.fromkeys(row["subject"] for row in of_measure) if not plot.only or s in plot.only]
        if plot.x == "subject":
            found.append((words, None, order, {r["subject"]: r for r in of_measure if r["subject"] in subjects}))
            continue
        for subject in subjects:
            points = {row["at"]: row for row in of_measure if row["subject"] == subject}
            found.append((legend(words, subject, bool(plot.only)), subject, order, points))
    for _, _, _, points in found:
        places += [place for place in points if place not in places]
    return [series for series in found if series[3]], places


def colour(plot, number, subject, place=None):
    """By server; where a plot is of one server, by series."""
    name = place if plot.x == "subject" else subject.rsplit("/", 1)[-1]
    by_series = plot.only or (plot.x == "subject" and len(plot.series) > 1)
    return SPARE[number % len(SPARE)] if by_series or name not in COLOURS else COLOURS[name]


def block(name, lines):
    return "$%s << EOD\n%s\nEOD\n" % (name, "\n".join(lines))


def point(x, row):
    return "%g %g %g %g" % (x, row["median"], row["min"], row["max"])


def tic(place):
    """A place along the bottom; what is counted stands below it already. Of times, whole seconds alone."""
    if re.match(r"^[+-]\d+\.\d\d s$", place):
        return place[:-5].lstrip("+") if place.endswith(".00 s") else ""
    return re.sub(r"^([\d.]+) (parts?|connections?|times)$", r"\1", place)


def largest(series):
    """The top of the highest whisker."""
    return max(row["max"] for _, _, _, points in series for row in points.values()) or 1


def bars(plot, series, places):
    """Bars side by side with their values, a whisker from the smallest to the largest round."""
    blocks, drawn = [], []
    width = 0.7 / len(series)
    room = len(series) * len(places) <= LABELS_MAX
    for number, (words, subject, _, points) in enumerate(series):
        for place, row in points.items():
            name = "bar%d" % len(blocks)
            x = places.index(place) + (number - (len(series) - 1) / 2) * width
            blocks.append(block(name, [point(x, row)]))
            first = place == next(iter(points))
            title = "title %s" % quote(words) if words and first else "notitle"
            drawn.append('$%s using 1:2 with boxes lc rgb "%s" %s' % (
                name, colour(plot, number, subject, place), title))
            drawn.append(WHISKER % (name, 'lc rgb "#222222"'))
            if room:
                drawn.append('$%s using 1:4:(%s) with labels offset 0,0.7 tc rgb "#222222" font ",12" notitle' % (
                    name, quote(summary.number(row["median"]))))
    if plot.style == "ratio":
        drawn.append('1 with lines lc rgb "#222222" dt 2 notitle')
    return blocks, drawn


def lines(plot, series, places):
    """Lines through medians, a whisker at each; a second measure of the same server is dashed."""
    blocks, drawn = [], []
    for number, (words, subject, order, points) in enumerate(series):
        name = "line%d" % number
        shift = (number - (len(series) - 1) / 2) * 0.03  # so that whiskers do not cover each other
        blocks.append(block(name, [point(places.index(place) + shift, row) for place, row in points.items()]))
        look = 'lc rgb "%s" dt %d' % (colour(plot, number, subject), 1 if plot.only else 1 + order)
        drawn.append("$%s using 1:2 with linespoints %s lw 2 pt %d ps 0.8 title %s" % (
            name, look, POINTS[number % len(POINTS)], quote(words)))
        drawn.append(WHISKER % (name, look.rsplit(" dt", 1)[0]))
    return blocks, drawn


def script(plot, rows, output):
    """The whole input of gnuplot; None if there is nothing to draw."""
    series, places = collect(plot, rows)
    if not series:
        return None
    blocks, drawn = (lines if plot.style == "lines" else bars)(plot, series, places)
    named = any(words for words, _, _, _ in series)
    text = HEAD % {
        "id": re.sub(r"\W", "_", plot.name), "output": quote(output), "title": quote(plot.title),
        "height": 440 if plot.style == "lines" else 400, "xlabel": quote(plot.xlabel), "ylabel": quote(plot.ylabel),
        "key": "outside right top Left reverse samplen 3" if named else "off",
        "low": "*" if plot.log else "0", "high": "*" if plot.log else "%g" % (1.12 * largest(series)),
        "right": len(places) - 0.4, "log": "set logscale y" if plot.log else "",
        "box": 0.9 * 0.7 / len(series) if plot.style != "lines" else 0.5}
    text += "set xtics (%s)\n" % ", ".join("%s %d" % (quote(tic(place)), n) for n, place in enumerate(places))
    return text + "".join(blocks) + "plot " + ", \\\n     ".join(drawn) + "\n"


def draw(plot, rows, folder):
    """NAME.gp and NAME.svg; the path of the image, None if there is nothing to draw."""
    text = script(plot, rows, plot.name + ".svg")
    if not text:
        return None
    with open(os.path.join(folder, plot.name + ".gp"), "w", encoding="utf-8") as stream:
        stream.write(text)
    subprocess.run(["gnuplot", plot.name + ".gp"], cwd=folder, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return os.path.join(folder, plot.name + ".svg")


def write(folder, results):
    """({case: [paths of images]}, why there are none or not all)."""
    found = {}
    if not shutil.which("gnuplot"):
        return found, "no plots: gnuplot is not installed (package gnuplot-nox)"
    os.makedirs(folder, exist_ok=True)
    by_case = {case["name"]: case["figures"] for case in results["cases"]}
    for plot in PLOTS:
        try:
            path = draw(plot, by_case.get(plot.case, []), folder)
        except subprocess.CalledProcessError as why:
            return found, "gnuplot could not draw %s: %s" % (plot.name, why.stderr.decode("utf-8", "replace")[-300:])
        if path:
            found.setdefault(plot.case, []).append(path)
    return found, None


assert all(measure in figures.MEASURES for plot in PLOTS for measure, _ in plot.series)
