"""scripts/bench: its arithmetic, its words, and that a quick run leaves what it promises. Nothing here is timed."""
import csv
import glob
import html.parser
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree

import pytest

import bed

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(TOP, "scripts/bench")
BUILD = os.path.dirname(os.path.abspath(bed.FOREBAYD))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from benchlib import bars, case_storm, cases, compare, figures, options, plots, report, results, server  # noqa: E402

needs_wrk = pytest.mark.skipif(not shutil.which("wrk"), reason="there is no wrk (package wrk)")
needs_plain_build = pytest.mark.skipif(bed.guess_factor() > 1, reason="a sanitized build is not measured")
VOID = {"meta", "path", "rect", "use", "circle", "stop", "polygon"}


def run(*words, status=0):
    """What scripts/bench says, both streams."""
    ended = subprocess.run([BENCH, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=3600, check=False)
    assert ended.returncode == status, ended.stdout
    return ended.stdout


def command_lines():
    """Of every process here."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as stream:
                yield stream.read().decode("utf-8", "replace")
        except OSError:
            continue


# --- arithmetic -------------------------------------------------------------------------

def some_figures():
    found = figures.Figures("plain")
    for ours, theirs in ((2.0, 4.0), (3.0, 4.0), (2.2, 4.0)):
        found.add("cpu_us_per_request", "forebay", ours)
        found.add("cpu_us_per_request", "nginx", theirs)
    return found


def test_ratios_are_taken_round_by_round():
    row = next(row for row in some_figures().rows() if row["kind"] == "ratio")
    assert row["subject"] == "forebay/nginx" and row["unit"] == "times"
    assert row["values"] == [0.5, 0.75, pytest.approx(0.55)]
    assert (row["median"], row["min"], row["max"]) == (pytest.approx(0.55), 0.5, 0.75)


def test_a_spread_of_more_than_a_tenth_is_noisy():
    ours, theirs = some_figures().rows()[:2]
    assert ours["noisy"] is True and ours["spread"] == pytest.approx(1 / 2.2)
    assert theirs["noisy"] is False


def test_one_round_has_no_spread():
    about = figures.describe([5.0])
    assert about["spread"] is None and about["noisy"] is None


def test_a_round_that_was_cut_has_no_ratio():
    found = some_figures()
    found.add("cpu_us_per_request", "forebay", 9.0)
    ratio = next(found.ratios())
    assert ratio["rounds"] == 3


def test_compare_calls_a_change_what_no_pair_of_rounds_contradicts():
    old = figures.describe([10.0, 11.0])
    assert compare.ratio(old, figures.describe([5.0, 6.0])) == (pytest.approx(5.5 / 10.5), 5 / 11, 6 / 10)
    assert compare.verdict({"better": "less"}, 5 / 11, 6 / 10, 2) == "better"
    assert compare.verdict({"better": "more"}, 5 / 11, 6 / 10, 2) == "WORSE"
    assert compare.verdict({"better": "less"}, 0.9, 1.1, 2) == "within the noise"
    assert compare.verdict({"better": "less"}, 0.1, 0.2, 1) == "one round"


def test_a_storms_attempts_are_counted_in_the_windows_of_the_load():
    found = [{"began_ns": 10**9, "slot_ms": 10, "seen": [1] * 100}, {"began_ns": 10**9, "slot_ms": 10, "seen": [0, 0, 2]}]
    assert case_storm.by_window(found, 10**9, 4) == [27, 25, 25, 25]
    assert case_storm.by_window(found, 10**9 + 500_000_000, 2) == [25, 25]
    assert case_storm.most_in_a_second([10, 10, 10, 30, 10, 10], [10] * 6) == pytest.approx(1.5)


def test_a_recovery_ends_with_the_first_good_second():
    meant = [100] * 12
    assert case_storm.recovery([100] * 12, meant, 4.0, 0.95) == 0.0
    # A good quarter alone is none; later on a bad one does not matter.
    assert case_storm.recovery([100, 0, 0, 0, 0, 98, 50, 94, 100, 96, 100, 100], meant, 4.0, 0.95) == pytest.approx(1.0)
    assert case_storm.recovery([100] + [0] * 11, meant, 4.0, 0.95) is None


def judged(*values, quick=False):
    """Whether the bar of goodput at twice the capacity is met by rounds with these values."""
    found = figures.Figures("overload")
    for value in values:
        found.add("overload_goodput", "forebay", value, "2 times")
        found.add("overload_goodput", "forebay-fifo", 0.1, "2 times")
        found.add("overload_goodput", "forebay", 0.1, "0.5 times")
    return [met for _, _, met in bars.judge({"quick": quick, "cases": [{"figures": found.rows()}]})]


def test_a_bar_is_met_by_the_median():
    assert judged(0.95) == [True] and judged(0.949) == [False]
    assert judged(0.2, 0.96, 0.97) == [True] and judged(0.2, 0.2, 0.97) == [False]
    assert not judged(0.1, quick=True)


def test_bars_are_of_cases_and_measures_that_there_are():
    for bar in bars.BARS:
        assert bar.case in cases.BY_NAME and bar.measure in figures.MEASURES
        assert (bar.least is None) <= (bar.most is not None)


# --- words ------------------------------------------------------------------------------

def test_help_fits_a_screen_and_names_every_case():
    said = run("--help")
    assert len(said.splitlines()) <= 24 and max(map(len, said.splitlines())) <= 80
    for name in [case.name for case in cases.CASES] + ["all", "compare"]:
        assert name in said


@pytest.mark.parametrize("words, meant", [
    (("plian",), '"plain"'), (("plain", "--quik"), '"--quick"'), (("plain", "--without", "ngnix"), '"nginx"'),
    (("plain", "--rounds", "none"), "whole number"), ((), "Usage:"), (("compare", "one"), "two results.json")])
def test_unknown_words_are_refused_with_the_nearest(words, meant):
    assert meant in run(*words, status=1 if words[:1] == ("compare",) else 2)


def test_no_build_is_said_before_anything_is_started(tmp_path):
    assert "build it first" in run("plain", "--build", str(tmp_path), "--out", str(tmp_path / "out"), status=1)
    assert not (tmp_path / "out").exists()


# --- a quick run of everything ----------------------------------------------------------

class Balanced(html.parser.HTMLParser):
    """Fails on an element that is closed in the wrong place or never; counts the others."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        for name, value in attrs:
            assert name not in ("src", "xlink:href", "href") or value.startswith("#"), (tag, name, value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module", name="quick")
def make_quick(tmp_path_factory):
    """The folder that one quick run of all cases leaves, and what it printed."""
    out = tmp_path_factory.mktemp("bench") / "out"
    said = run("all", "--quick", "--minutes", "60", "--build", BUILD, "--out", str(out))  # slow machines may be slow
    return out, said


@needs_wrk
@needs_plain_build
def test_quick_run_measures_every_case(quick):
    found = results.read_json(str(quick[0]))
    assert [case["name"] for case in found["cases"]] == [case.name for case in cases.CASES]
    for key in ("date", "machine", "revision", "command", "tools", "peers", "workers", "load_seconds", "warnings"):
        assert key in found
    for case in found["cases"]:
        if case["status"].startswith("left out"):
            assert "package" in case["status"], case["status"]
            continue
        assert case["status"] == "complete" and case["figures"] and case["commands"], case["name"]
        for row in case["figures"]:
            assert row["min"] <= row["median"] <= row["max"] and len(row["values"]) == row["rounds"]
    ours = {(row["case"], row["at"]) for row in results.rows(found) if row["subject"] == "forebay"}
    assert {("files", "1 KiB"), ("files", "100 KiB"), ("files", "10 MiB"), ("fanout", "16 parts"),
            ("sql", "4 connections"), ("overload", "2 times"), ("plain", "")} <= ours


@needs_wrk
@needs_plain_build
def test_quick_run_says_what_became_of_an_overload(quick):
    found = next(case for case in results.read_json(str(quick[0]))["cases"] if case["name"] == "overload")
    measured = {(row["subject"], row["measure"], row["at"]) for row in found["figures"]}
    for subject in ("forebay", "forebay-fifo"):
        assert (subject, "light_p99_ms", "alone") in measured
        for measure in ("overload_goodput", "overload_capacity_per_s", "overload_refused", "overload_late",
                        "overload_failed", "light_p99_ms", "overload_growth_kib"):
            assert (subject, measure, "2 times") in measured, (subject, measure)
    assert "order = fifo" in found["configurations"]["forebay-fifo"]


@needs_wrk
@needs_plain_build
def test_quick_run_says_what_became_of_a_storm(quick):
    found = next(case for case in results.read_json(str(quick[0]))["cases"] if case["name"] == "storm")
    measured = {(row["measure"], row["at"]) for row in found["figures"] if row["subject"] == "forebay"}
    wanted = {(measure, "503") for measure in ("storm_attempts", "storm_attempts_second", "recovery_s")}
    assert wanted | {("in_time", "503, before"), ("in_time", "503, while they fail")} <= measured
    assert {("breaker_changes", "503, " + state) for state in case_storm.STATES} <= measured
    # Each window of the load, for the plot alone.
    assert sum(row["measure"] == "storm_goodput" for row in found["figures"]) == 4 * sum(case_storm.lengths(options.QUICK))
    assert "answered in time, to the mean rate" not in quick[1]


@needs_wrk
@needs_plain_build
def test_quick_run_measures_what_bars_are_about(quick):
    rows = results.rows(results.read_json(str(quick[0])))
    for bar in bars.BARS:
        if "/" in bar.subject or bar.case == "advise" or (bar.case == "admission" and bar.at != "classes"):
            continue  # peers that are not installed, what is too short
        assert any(bars.is_of(bar, row) for row in rows), bar


@needs_wrk
@needs_plain_build
def test_quick_run_watches_the_demo(quick):
    found = next(case for case in results.read_json(str(quick[0]))["cases"] if case["name"] == "advise")
    if found["status"].startswith("left out"):
        pytest.skip(found["status"])
    measured = {row["measure"] for row in found["figures"]}
    assert {"pool_busy", "pool_service_ms", "pool_cv", "wait_measured_ms"} <= measured
    # Two seconds are too short to predict anything of.
    assert "wait_ratio" in measured or any("nothing predicted" in note for note in found["notes"])


@needs_wrk
@needs_plain_build
def test_quick_run_starts_servers_on_the_loopback_alone(quick):
    found = results.read_json(str(quick[0]))
    conf = [text for case in found["cases"] for text in case["configurations"].values()]
    listening = [line for text in conf for line in text.splitlines()
                 if line.strip().startswith(("address =", "listen ", "listen =", "bind "))]
    assert listening and all("127.0.0.1:PORT" in line for line in listening)


@needs_wrk
@needs_plain_build
def test_csv_has_a_line_for_each_figure(quick):
    rows = results.rows(results.read_json(str(quick[0])))
    with open(quick[0] / "results.csv", encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["measure"] for line in lines] == [row["measure"] for row in rows]
    for line, row in zip(lines, rows):
        assert float(line["median"]) == pytest.approx(row["median"])


@needs_wrk
@needs_plain_build
def test_summary_is_printed_and_says_what_on_what_and_how(quick):
    text = (quick[0] / "summary.txt").read_text(encoding="utf-8")
    assert text in quick[1]
    for word in ("Machine", "Compared", "Command", "scripts/bench all --quick", "At a glance", "fanout:", "$ wrk -t1"):
        assert word in text


@needs_wrk
@needs_plain_build
def test_report_is_one_sound_file(quick):
    page = Balanced()
    page.feed((quick[0] / "report.html").read_text(encoding="utf-8"))
    page.close()
    assert not page.open and page.seen.count("h2") == len(cases.CASES) + 2


@needs_wrk
@needs_plain_build
@pytest.mark.skipif(not shutil.which("gnuplot"), reason="there is no gnuplot (package gnuplot-nox)")
def test_every_plot_is_drawn_and_inlined(quick):
    done = {case["name"] for case in results.read_json(str(quick[0]))["cases"] if case["figures"]}
    wanted = [plot for plot in plots.PLOTS if plot.case in done]
    for plot in wanted:
        root = xml.etree.ElementTree.parse(quick[0] / "plots" / (plot.name + ".svg")).getroot()
        text = "".join(root.itertext())
        assert root.tag.endswith("svg") and plot.title in text, plot.name
    page = (quick[0] / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == len(wanted)


@needs_wrk
@needs_plain_build
def test_compare_of_a_run_with_itself_finds_no_change(quick):
    said = run("compare", str(quick[0] / "results.json"), str(quick[0]))
    assert "x 1.000" in said and "WORSE" not in said and "better" not in said and "only in" not in said


def test_compare_refuses_what_is_not_results(tmp_path):
    (tmp_path / "a.json").write_text("[]", encoding="utf-8")
    assert "no results" in run("compare", str(tmp_path / "a.json"), str(tmp_path / "a.json"), status=1)


# --- tests/flood ------------------------------------------------------------------------

class Answers(http.server.BaseHTTPRequestHandler):
    """GET /N has the status N; /drop is cut, /never has no answer."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/never":
            self.server.over.wait()
        if self.path in ("/never", "/drop"):
            self.close_connection = True
            return
        self.send_response(int(self.path[1:]))
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"12345")

    def log_message(self, *words):
        pass


class AnswersServer(http.server.ThreadingHTTPServer):
    """Ends without waiting for those who are not answered."""
    request_queue_size, daemon_threads = 128, True
    over = threading.Event()


@pytest.fixture(scope="module", name="answers")
def make_answers():
    """The port of a server with Answers."""
    with AnswersServer(("127.0.0.1", 0), Answers) as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        yield one.server_port
        one.over.set()
        one.shutdown()


def flood(port, *words):
    """The report of tests/flood."""
    said = subprocess.run([os.path.join(BUILD, "tests/flood"), "-p", str(port), *words], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=60, check=True)
    return json.loads(said.stdout)


@pytest.mark.parametrize("path, fate", [("200", "ok"), ("503", "refused"), ("429", "refused"), ("500", "failed"),
                                        ("drop", "failed"), ("never", "late")])
def test_flood_says_what_became_of_every_request(answers, path, fate):
    got = flood(answers, "-d", "0.5", "-l", "0.1", "-t", "20000", "-g", "500" if path == "never" else "20000",
                "a:/%s:60" % path)["a"]
    assert got["meant"] > 10
    assert got[fate]["count"] == got["meant"] == sum(got[f]["count"] for f in ("ok", "late", "refused", "failed"))
    assert got["gave_up"] == (got["meant"] if path == "never" else 0)


def test_flood_charges_the_server_for_requests_that_had_to_wait():
    port = server.free_port()
    slow = subprocess.Popen([os.path.join(BUILD, "tests/slow"), "-p", str(port)])
    try:
        bed.wait_until(lambda: listens(port), 10, "tests/slow")
        got = flood(port, "-d", "1", "-c", "1", "-t", "30", "-g", "20000", "a:/20000:200")["a"]
    finally:
        slow.terminate()
        slow.wait()
    # One conn takes 50 a second; whoever counts from the sending finds 20 ms for each.
    assert got["accepted"]["count"] == got["meant"] > 100
    assert got["accepted"]["p50"] > 500000 and got["late"]["count"] > got["meant"] / 2


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def test_flood_keeps_classes_apart(answers):
    got = flood(answers, "-d", "0.5", "-t", "20000", "-g", "1000", "-c", "4", "stuck:/never:100", "free:/200:50",
                "loop:/200:x2")
    assert got["stuck"]["late"]["count"] == got["stuck"]["meant"] > 0
    assert got["free"]["ok"]["count"] == got["free"]["meant"] > 0
    assert got["loop"]["ok"]["count"] == got["loop"]["meant"] > 0


# --- an interrupted run -----------------------------------------------------------------

@needs_wrk
@needs_plain_build
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_ends_its_servers_and_writes_what_it_has(tmp_path, number):
    out = tmp_path / "out"
    log = tmp_path / "log"
    with open(log, "wb") as stream:
        process = subprocess.Popen([BENCH, "plain", "idle", "--seconds", "1", "--rounds", "50", "--build", BUILD,
                                    "--out", str(out)], stdin=subprocess.DEVNULL, stdout=stream,
                                   stderr=subprocess.STDOUT, env={**os.environ, "TMPDIR": str(tmp_path)})
    try:
        bed.wait_until(lambda: "round 2 of 50" in log.read_text() or process.poll() is not None, 60, "a round")
        assert any(str(tmp_path) in text for text in command_lines() if "forebayd" in text)
        process.send_signal(number)
        process.send_signal(number)  # people press twice
        assert process.wait(60) == 130, log.read_text()
    finally:
        process.kill()
        process.wait()
    assert not any(str(tmp_path) in text for text in command_lines())
    found = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert found["status"] == "interrupted"
    assert [case["status"] for case in found["cases"]] == ["interrupted", "left out: interrupted before it"]
    assert any(row["subject"] == "forebay" for row in results.rows(found))
    assert (out / "summary.txt").exists() and (out / "report.html").exists()


def test_report_escapes_what_it_is_given():
    row = figures.Figures("plain").row("figure", "requests_per_s", "<b>", "a&b", [1.0])
    assert "<b>" not in report.figure_row(row) and "a&amp;b" in report.figure_row(row)


@needs_wrk
@needs_plain_build
def test_a_killed_run_leaves_no_server_behind(tmp_path):
    log = tmp_path / "log"
    with open(log, "wb") as stream:
        process = subprocess.Popen([BENCH, "plain", "--seconds", "1", "--build", BUILD, "--out", str(tmp_path / "out")],
                                   stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT,
                                   env={**os.environ, "TMPDIR": str(tmp_path)})
    bed.wait_until(lambda: "round 1 of" in log.read_text() or process.poll() is not None, 60, "a round")
    process.kill()
    process.wait()
    end = time.monotonic() + 30 * bed.FACTOR
    while any(str(tmp_path) in text for text in command_lines()):
        assert time.monotonic() < end, [t for t in command_lines() if str(tmp_path) in t]
        time.sleep(0.1)
