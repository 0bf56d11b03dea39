"""forebayctl plan: the numbers, the sentence to act on, and what is wrong with a command line."""
import json
import re

import pytest

from test_50_admin import control


def plan(*words):
    code, said, wrong = control("plan", *words)
    assert (code, wrong) == (0, "")
    return said


def numbers(*words):
    return json.loads(plan("--json", *words))


def near(value, wanted):
    return value == pytest.approx(wanted, rel=1e-6)


def test_four_threads_without_a_bound():
    n = numbers("--rate", "10/s", "--service", "100ms", "--threads", "4")
    assert near(n["utilization"], 0.25)
    assert near(n["p_wait"], 0.020408163)
    assert near(n["mean_wait_s"], 0.000680272)
    assert near(n["p99_wait_s"], 0.023778330)
    assert (n["p_block"], n["shed"], n["throughput"], n["queue"]) == (0, 0, 10, None)


def test_four_threads_and_no_place_to_wait():
    n = numbers("--rate", "10/s", "--service", "100ms", "--threads", "4", "--queue", "0")
    assert near(n["p_block"], 0.015384615)
    assert near(n["throughput"], 9.846154)
    assert (n["p_wait"], n["mean_wait_s"], n["p99_wait_s"], n["queue"]) == (0, 0, 0, 0)


@pytest.mark.parametrize("queue", [[], ["--queue", "100000"]])
def test_a_thousand_threads(queue):
    n = numbers("--rate", "49000/s", "--service", "20ms", "--threads", "1000", *queue)
    assert near(n["utilization"], 0.98)
    assert 0.40 < n["p_wait"] < 0.42
    assert n["p99_response_s"] > n["p99_wait_s"] > 0


def test_more_than_can_be_done_has_no_waits():
    words = ["--rate", "80/s", "--service", "20ms", "--threads", "1"]
    n = numbers(*words)
    assert [n[key] for key in ("mean_wait_s", "p99_wait_s", "p99_response_s")] == [None] * 3
    assert near(n["shed"], 0.375) and near(n["throughput"], 50)
    assert plan(*words).startswith("It must shed 37.5 %: 1 thread can do 50/s of the 80/s that come")
    n = numbers(*words, "--queue", "10")
    assert n["mean_wait_s"] > 0.1 and n["shed"] == n["p_block"] > 0.375


def test_threads_and_queue_are_recommended():
    words = ["--rate", "80/s", "--service", "20ms", "--slo", "p99=150ms", "--cores", "4"]
    assert plan(*words).startswith("Set threads = 3 and max_queue = 8: 99 % of the answers within 100 ms")
    n = numbers(*words)
    assert (n["threads"], n["queue"], n["slo_met"], n["threads_needed"]) == (3, 8, True, 3)
    assert n["p_block"] == pytest.approx(8.4e-4, rel=0.01)
    assert 100 < n["rate_max"] < 150


def test_too_few_cores_are_told():
    said = plan("--rate", "80/s", "--service", "20ms", "--slo", "p99=110ms", "--cores", "2")
    assert said.startswith("2 cores are too few: it takes 3.")
    said = plan("--rate", "80/s", "--service", "20ms", "--slo", "p99=50ms", "--cores", "8")
    assert "no number of threads would do" in said
    said = plan("--rate", "300/s", "--service", "20ms", "--slo", "p99=150ms", "--cores", "4")
    assert said.startswith("It must shed 33.3 %: 4 cores can do 200/s")


def test_simulation_stands_beside_the_formulas():
    words = ["--rate", "20/s", "--service", "20ms", "--fan-out", "4", "--threads", "3", "--simulate"]
    n = numbers(*words)
    for key in ("p_wait", "mean_wait_s", "p99_wait_s", "mean_response_s", "p99_response_s"):
        seen = n["simulation"][key]
        assert n[key] == pytest.approx(seen["value"], abs=3 * seen["error"], rel=0.01), key
    assert n["simulation"]["requests"] == 250000
    assert n == numbers(*words)
    assert re.search(r"response, p99 .* ms .* ms \+- ", plan(*words))


def test_without_a_formula_it_simulates():
    n = numbers("--rate", "80/s", "--service", "20ms", "--cv", "2", "--threads", "2", "--queue", "10")
    assert n["method"] == "simulated" and 0.05 < n["p_block"] < 0.08


def test_what_is_simulated_says_how_sure_it_is():
    words = ["--rate", "60/s", "--service", "20ms", "--cv", "0.5", "--threads", "1", "--queue", "1000"]
    n = numbers(*words)
    assert n["method"] == "simulated" and n["utilization"] <= 1
    assert near(n["throughput"], 50) and n["shed"] == pytest.approx(1 / 6, abs=1e-6)
    assert n["mean_wait_s"] == pytest.approx(20, abs=3 * n["error"]["mean_wait_s"])
    assert re.search(r"  wait, mean .* s \+- .* ms\n", plan(*words))


def test_what_cannot_be_simulated_is_told():
    words = ["--rate", "49.95/s", "--service", "20ms", "--cv", "0.5", "--threads", "1"]
    code, said, wrong = control("plan", *words, "--queue", "10000")
    assert (code, said) == (1, "") and "cannot be simulated in so many jobs" in wrong
    n = numbers(*words, "--simulate")
    assert n["simulation"] is None and "too near to 1" in n["simulation_why"] and n["mean_wait_s"] > 1
    assert "\nNot simulated: without --queue what waits grows for ever.\n" in plan(
        "--rate", "60/s", "--service", "20ms", "--threads", "1", "--simulate")


def test_what_is_refused_is_no_answer_in_time():
    words = ["--rate", "45/s", "--service", "20ms", "--threads", "1", "--queue", "0", "--slo", "p99=150ms"]
    n = numbers(*words)
    assert (n["slo_met"], n["threads_needed"]) == (False, 2)
    assert re.match(r"It misses the wish of 99 % within 150 ms: .*47.4 % refused; it takes 2 threads", plan(*words))
    assert plan("--rate", "50/s", "--service", "20ms", "--threads", "1").startswith("It must shed almost nothing, but ")


def test_threads_that_share_cores_are_simulated():
    n = numbers("--rate", "80/s", "--service", "20ms", "--threads", "16", "--cores", "2", "--slo", "p99=250ms")
    assert (n["method"], n["slo_met"], n["threads_needed"]) == ("simulated", False, 2)
    assert n["p99_response_s"] > 0.3


def test_times_come_from_a_histogram(tmp_path):
    path = tmp_path / "times"
    path.write_text("4ms 0\n6ms 900\n100ms 0\n200ms 100\n")
    words = ["--rate", "30/s", "--threads", "1", "--histogram", str(path)]
    n = numbers(*words, "--simulate")
    assert near(n["service_s"], 0.0195) and n["cv"] == pytest.approx(2.2795, abs=0.001)
    assert n["mean_wait_s"] == pytest.approx(n["simulation"]["mean_wait_s"]["value"], rel=0.1)
    # Two modes: no job takes longer than the second, whatever gamma says.
    assert n["simulation"]["p99_response_s"]["value"] < n["p99_response_s"]
    code, said, wrong = control("plan", *words, "--cv", "1")
    assert (code, said) == (2, "") and "without --service and --cv" in wrong
    path.write_text("4ms 0\n6ms many\n")
    code, said, wrong = control("plan", *words)
    assert (code, said) == (2, "")
    assert wrong == "forebayctl: plan: --histogram: %s:2: not a bound and a count, such as 20ms 45: 6ms many\n" % path


def test_the_gate_says_what_is_in_time_at_overload():
    words = ["--rate", "200/s", "--service", "20ms", "--threads", "2", "--deadline", "500ms", "--simulate"]
    gate = numbers(*words)["gate"]
    assert (gate["order"], gate["queue"]) == ("adaptive", 256)
    assert gate["useful"]["value"] > 0.95 and 90 < gate["goodput"] < 115
    assert gate["refused"]["value"] == pytest.approx(0.5, abs=0.05)
    assert "With order = fifo, max_queue = 30 and that deadline the gate gives " in plan(
        *words, "--order", "fifo", "--queue", "30")


def test_json_may_stand_before_the_command():
    code, said, _ = control("--json", "plan", "--rate", "1/s", "--service", "1ms", "--threads", "1")
    assert code == 0 and json.loads(said)["threads"] == 1


@pytest.mark.parametrize("words, wrong", [
    ([], "--rate is missing"),
    (["--rate", "80/s"], "--service is missing"),
    (["--rate", "80/s", "--service", "20ms"], "--threads is missing"),
    (["--rate", "80/x"], "--rate: not a rate such as 80/s: 80/x"),
    (["--rate", "0"], "--rate: not a rate such as 80/s: 0"),
    (["--service", "20"], "--service: not a time such as 20ms: 20"),
    (["--cv", "-1"], "--cv: not a number from 0 to 10: -1"),
    (["--threads", "0"], "--threads: not a number from 1 to 100000: 0"),
    (["--queue", "many"], "--queue: not a number from 0 to 1000000: many"),
    (["--slo", "150ms"], "--slo: not of the form p99=150ms: 150ms"),
    (["--treads", "4"], 'did you mean "threads"?'),
    (["--order", "lifo"], "--order: not adaptive or fifo: lifo"),
    (["--servce", "4ms"], 'did you mean "service"?'),
    (["--rate"], "a value is missing: --rate"),
    (["compute"], "options alone, without: compute"),
    (["--rate", "1", "--service", "1s", "--threads", "2", "--queue", "1", "--fan-out", "4"],
     "no request ever fits: --fan-out is above threads and queue; raise --queue to at least 2"),
])
def test_what_is_wrong_is_said_in_one_line(words, wrong):
    code, said, complaint = control("plan", *words)
    assert (code, said) == (2, "")
    assert complaint.startswith("forebayctl: plan: ") and wrong in complaint
    assert complaint.endswith("; see forebayctl plan --help\n") and complaint.count("\n") == 1


def test_help_fits_a_screen_and_names_what_the_table_takes():
    said = plan("--help")
    assert len(said.splitlines()) <= 24
    for option in ("rate", "service", "cv", "histogram", "pool", "threads", "queue", "fan-out", "deadline", "slo", "cores", "simulate"):
        assert "--%s " % option in said
