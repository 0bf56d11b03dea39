"""Modules: the newcomer's one of the manual, faulty ones, limits, cancelling, and compress."""
import gzip
import json
import os
import re
import shutil
import subprocess
import time

import pytest

from bed import FACTOR, FOREBAYD, Daemon, free_port, run_forebayd, wait_until
from client import Client, ask, metrics

BUILD = os.path.dirname(os.path.abspath(FOREBAYD))
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
GOOD = os.environ.get("TEST_MODULES") or os.path.join(BUILD, "tests/support/modules")
COMPRESS = os.path.join(os.environ.get("MODULES") or os.path.join(BUILD, "modules"), "compress")
CC = (os.environ.get("CC") or "cc").split()


def post(address, path, body, *lines):
    """One request with a body, on a connection of its own."""
    with Client(address, timeout=300) as c:
        c.send(b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%s\r\n" % (
            path.encode(), len(body), b"".join(line.encode() + b"\r\n" for line in lines)) + body)
        return c.response()


# --- the newcomer's module -----------------------------------------------------------------


def example(name):
    """What stands in the manual between `.\\" example NAME` and `.\\" end`, as man shows it."""
    with open(os.path.join(ROOT, "man/forebay-module.7"), encoding="utf-8") as page:
        text = re.search(r'(?ms)^\.\\" example %s\n\.Bd -literal\n(.*?)^\.Ed\n\.\\" end' % re.escape(name),
                         page.read()).group(1)
    return text.replace("\\e", "\\")


@pytest.fixture
def newcomer(tmp_path):
    """A folder with nothing but what the manual says, and the public header."""
    include = tmp_path / "include"
    include.mkdir()
    shutil.copy(os.path.join(ROOT, "src/forebay_module.h"), include)
    (tmp_path / "caesar.c").write_text(example("caesar.c"))
    return tmp_path


def build(folder, source="caesar.c", to="caesar.so", *flags):
    """Builds it by the command of the manual."""
    command = example("caesar.sh").split()
    assert command[0] == "cc" and command[-3:] == ["-o", "caesar.so", "caesar.c"]
    command = CC + ["-I", "include", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *flags] + command[1:-3]
    subprocess.run(command + ["-o", to + ".new", source], cwd=folder, check=True)
    os.rename(folder / (to + ".new"), folder / to)


def test_the_example_of_the_manual_is_short_and_works(start, newcomer):
    text = example("caesar.c")
    assert text.count("\n") <= 40 and max(map(len, text.split("\n"))) <= 75
    build(newcomer, "caesar.c", "caesar.so", "-std=c11")
    port = free_port()
    conf = example("caesar.conf").replace(":8080", ":%d" % port)
    daemon = start(conf + "[server]\nmodule_path = %s\n" % newcomer, listen=None)
    r = post(("127.0.0.1", port), "/secret", b"hello")
    assert r.status == 200 and r.body == b"khoor\n127.0.0.1\n"
    assert r.field("content-type") == "text/plain; charset=utf-8"
    code, said, _ = run_forebayd("-t", "-c", daemon.path)
    assert code == 0 and said.endswith("all right: 1 route, 1 part\n")


def test_the_header_is_fit_for_cplusplus(newcomer):
    if not shutil.which("g++"):
        pytest.skip("there is no g++")
    text = example("caesar.c").replace("= call->params", "= static_cast<const struct caesar *>(call->params)")
    (newcomer / "caesar.cc").write_text(text)
    subprocess.run(["g++", "-std=c++20", "-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers",
                    "-I", "include", "-shared", "-fPIC", "-o", "plus.so", "caesar.cc"], cwd=newcomer, check=True)
    (newcomer / "plus.conf").write_text(example("caesar.conf").replace("caesar.so", "plus.so") +
                                        "[server]\nmodule_path = .\n")
    assert run_forebayd("-t", "-c", str(newcomer / "plus.conf"))[0] == 0


# What is changed in the example; what -t says; the words of it that the manual explains.
MISTAKES = [
    ([("FOREBAY_UINT", "FOREBAY_DURATION")],
     "job caesar, parameter shift: it goes to a uint64_t, and the field has 1 bytes",
     "and the field has"),
    ([("sizeof(struct caesar)", "sizeof(uint8_t)")],
     "job caesar, parameter sign: its field is not inside params_size, which is 1",
     "its field is not inside params_size, which is"),
    ([("FOREBAY_MODULE_HEAD", ".abi = 2")], "it was built for ABI 2 of modules, and this server has 1: compile it",
     "it was built for ABI 2 of modules, and this server has 1"),
    ([("FOREBAY_MODULE_HEAD", ".abi = 1")], "its sizes (0, 0, 0) are not those of ABI 1: begin the table with",
     "are not those of ABI 1: begin the table with FOREBAY_MODULE_HEAD"),
    ([("forebay_module = {", "other = {")], "it does not export forebay_module",
     "it does not export forebay_module"),
    ([('.name = "caesar", .params', '.name = "digest", .params')],
     "its job digest has the name of another, which is built in",
     "its job digest has the name of another, which is built in"),
    ([('.def = "13"', '.def = "thirteen"')],
     'job caesar, parameter shift: its default: "thirteen" is not a whole number',
     "its default"),
    ([("return FOREBAY_CANCELLED;", "return missing();"), ("\nstruct", "\nint missing(void);\nstruct")],
     "undefined symbol: missing",
     "undefined symbol"),
]


@pytest.mark.parametrize("changes,told,explained", MISTAKES)
def test_a_mistake_of_a_newcomer_is_told_at_the_path(newcomer, changes, told, explained):
    text = example("caesar.c")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (newcomer / "wrong.c").write_text(text)
    build(newcomer, "wrong.c")
    (newcomer / "caesar.conf").write_text(example("caesar.conf") + "[server]\nmodule_path = .\n")
    code, _, said = run_forebayd("-t", "-c", "caesar.conf", folder=newcomer)
    assert code == 1
    assert said.startswith("caesar.conf:5: [module caesar] path: " + told), said
    with open(os.path.join(ROOT, "man/forebay-module.7"), encoding="utf-8") as page:
        assert explained in page.read()


def test_what_is_no_shared_object_is_told_at_the_path(newcomer):
    (newcomer / "caesar.conf").write_text(example("caesar.conf") + "[server]\nmodule_path = .\n")
    for text, told in ("int x;\n", "file too short"), ("x" * 4096, "invalid ELF header"), (None, "No such file"):
        if text:
            (newcomer / "caesar.so").write_text(text)
        else:
            os.unlink(newcomer / "caesar.so")
        assert told in run_forebayd("-t", "-c", "caesar.conf", folder=newcomer)[2]


def test_a_module_is_tried_by_hand_as_the_manual_says():
    file, nothing = "%s/bad-abort.so" % GOOD, subprocess.DEVNULL
    by_hand = subprocess.run([FOREBAYD, "--try-module", file], stdin=nothing, stdout=subprocess.PIPE, timeout=30)
    assert by_hand.returncode == -6 and by_hand.stdout.splitlines()[-1] == b"> in init"
    by_hand = subprocess.run([FOREBAYD, "--try-module", file], input=b"[module a]\npath = x\ntxet = y\n",
                             stdout=subprocess.PIPE, timeout=30)
    assert by_hand.returncode == 0 and b"\n> not tried further: a value is missing or wrong\n" in by_hand.stdout


# --- faulty modules ------------------------------------------------------------------------


BAD = {
    "abort": "it crashed in init: Aborted",
    "exit": "it ended the process in init, with code 0",
    "refuse": "nothing in here at all",
    "constructor": "it ended the process while it was loaded, with code 3",
}


@pytest.mark.parametrize("fault", BAD)
def test_a_faulty_module_is_an_error_at_its_line_with_and_without_t(tmp_path, fault):
    conf = tmp_path / "forebay.conf"
    conf.write_text("[listen a]\naddress = 127.0.0.1:%d\n[module bad]\ntext = here\npath = %s/bad-%s.so\n"
                    "[route r]\nmatch = GET /\nsource = compute bad\n" % (free_port(), GOOD, fault))
    for arguments in ["-t"], []:
        code, _, said = run_forebayd(*arguments, "-c", str(conf))
        lines = [line for line in said.splitlines() if line.startswith(str(conf))]
        assert code == 1 and len(lines) == 2
        assert lines[0] == "%s:5: [module bad] path: %s" % (conf, BAD[fault])
        assert lines[1] == ('%s:8: [route r] source: there is no compute job "bad" '
                            "(but there is a module that could not be loaded)" % conf)


def test_two_modules_may_not_have_a_job_of_the_same_name(tmp_path):
    conf = tmp_path / "forebay.conf"
    conf.write_text("[listen a]\naddress = 127.0.0.1:%d\n[server]\nmodule_path = %s\n"
                    "[module a]\npath = good.so\n[module b]\npath = good-2.so\n" % (free_port(), GOOD))
    code, _, said = run_forebayd("-t", "-c", str(conf))
    assert code == 1
    assert "forebay.conf:8: [module b] path: its job greet has the name of another, which is of [module a]\n" in said


def test_what_is_dumped_is_accepted_and_dumps_to_itself(tmp_path):
    conf = tmp_path / "forebay.conf"
    conf.write_text("[listen a]\naddress = 127.0.0.1:%d\n[module good]\npath = %s/good.so\ntimes = 3\n"
                    "[route r]\nmatch = GET /{name}\nsource = compute greet\nname = {name}\n" % (free_port(), GOOD))
    code, first, _ = run_forebayd("--dump", "-c", str(conf))
    assert code == 0
    assert "scratch = 16m\n" in first and "\ngreeting = hello\ntimes = 3\n" in first and "colours = red, blue\n" in first
    (tmp_path / "again.conf").write_text(first)
    assert run_forebayd("--dump", "-c", str(tmp_path / "again.conf"))[1] == first


# --- jobs ----------------------------------------------------------------------------------


JOBS = """
[server]
workers = 2
module_path = %s

[pool one]
threads = 1
max_queue = 4

[module good]
path = good.so
ledger = %s

[route greet]
match = GET /greet/{name}
source = compute greet
name = {name}

[route fill]
match = GET /fill
source = compute fill
bytes = 2m

[route spin]
match = GET /spin
source = compute spin
pool = one

[route nap]
match = GET /nap
source = compute nap
pool = one

[route keep]
match = GET /keep
source = compute keep

[route reply]
match = GET /reply
source = compute reply

[route status]
match = GET /status
source = compute status

[route fail]
match = POST /fail
source = compute fail

[route all]
match = GET /all

[subrequest all.reply]
source = compute reply
expect = 2xx

[subrequest all.fill]
source = compute fill
bytes = 100k
max_result = 99k
optional = yes
"""


@pytest.fixture
def good(start, tmp_path):
    """A server with the module good; .ledger is what it has written."""
    daemon = start(JOBS % (GOOD, tmp_path / "ledger"))
    daemon.ledger = tmp_path / "ledger"
    return daemon


def ledger(daemon, line):
    """How often the line is in the ledger."""
    return daemon.ledger.read_text().splitlines().count(line)


def test_jobs_answer_as_parts_and_as_routes(good):
    r = ask(good.address, "/greet/J%C3%B6rg?maybe=1")
    assert r.status == 200 and r.body.decode() == "hello, J\u00f6rg there 1 2000000 4096 -5 1500 0 5"
    assert "absent" in ask(good.address, "/greet/x").body.decode()
    r = ask(good.address, "/reply")
    assert (r.status, r.field("content-type"), r.field("cache-control"), r.field("x-late")) == (
        201, "application/json", "no-store", "two")
    r = ask(good.address, "/all")
    assert r.status == 200 and json.loads(r.body) == {"reply": [-5] * 6, "fill": None}
    assert "too-large" in r.field("forebay-parts")
    r = ask(good.address, "/status")
    assert (r.status, r.body, r.field("content-type"), r.field("content-length")) == (204, b"", None, None)


def test_output_above_the_bound_is_a_502_and_the_server_goes_on(good):
    assert ask(good.address, "/fill").status == 502
    assert ask(good.address, "/greet/x").status == 200


def test_a_failure_is_told_to_the_log_and_not_to_the_client(good):
    r = post(good.address, "/fail", b"secret\r\nnotice forged")
    assert r.status == 502 and b"secret" not in r.body
    assert re.search(r"warning compute/\d+: compute job fail: no such thing: secret..notice forged\n", good.stderr())


def test_a_job_stops_when_its_client_goes_and_its_thread_is_free(good):
    for _ in range(3):
        stopped = ledger(good, "stopped")
        with Client(good.address) as c:
            c.get("/spin")
            wait_until(lambda: ledger(good, "spin") > stopped, what="the job")
        wait_until(lambda: ledger(good, "stopped") > stopped, what="its end")
        assert ask(good.address, "/nap").body == b"version 1"


def test_a_drain_waits_for_a_job_and_every_thread_is_ended(start, tmp_path):
    daemon = start(JOBS.replace("compute nap", "compute nap\ntime = 300ms") % (GOOD, tmp_path / "ledger"))
    daemon.ledger = tmp_path / "ledger"
    clients = [Client(daemon.address) for _ in range(12)]
    for c in clients:
        c.get("/keep")
    runs = [int(c.response().body) for c in clients]
    assert len(runs) == 12
    for c in clients:
        c.close()
    with Client(daemon.address) as c:
        c.get("/nap")
        time.sleep(0.1)
        daemon.stop()
        assert c.response().body == b"version 1"
    begun = ledger(daemon, "thread_init")
    assert begun >= 1 and max(runs) >= 12 / begun
    assert ledger(daemon, "thread_fini") == begun + 1  # and that of the trial
    assert (ledger(daemon, "trial"), ledger(daemon, "init"), ledger(daemon, "fini")) == (1, 1, 2)


# --- compress ------------------------------------------------------------------------------

DECODE = {
    "gzip": gzip.decompress,
    "brotli": lambda body: subprocess.run(["brotli", "-dc"], input=body, stdout=subprocess.PIPE, check=True).stdout,
    "zstd": lambda body: subprocess.run(["zstd", "-dc"], input=body, stdout=subprocess.PIPE, check=True).stdout,
}
TYPE = {"gzip": "application/gzip", "brotli": "application/x-brotli", "zstd": "application/zstd"}
CODING = {"gzip": "gzip", "brotli": "br", "zstd": "zstd"}
LEVELS = {"gzip": (1, 9), "brotli": (0, 11), "zstd": (1, 19)}


def has_job(job):
    """Whether compress was built with it, and there is something to look at its output with."""
    word = {"gzip": "zlib"}.get(job, job)
    said = subprocess.run([FOREBAYD, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.search(r"compress .*\b%s " % word, said) and (job == "gzip" or shutil.which(job))


@pytest.fixture(scope="module")
def compress(start):
    """A server with every job that it was built with, at its default, lowest and highest level."""
    conf = ["[server]\nmodule_path = %s\n[limits]\nmax_body = 64m\n"
            "[pool compute]\nnice = 0\n[module compress]\npath = compress.so\n"
            "scratch = 256m\n" % COMPRESS]
    for job in filter(has_job, DECODE):
        for level in (None,) + LEVELS[job]:
            name = job if level is None else "%s-%d" % (job, level)
            conf.append("[route %s]\nmatch = POST /%s\ndeadline = 5m\nsource = compute %s\n" % (name, name, job))
            if level is not None:
                conf.append("level = %d\n" % level)
        conf.append("[route e-%s]\nmatch = POST /encoded/%s\nsource = compute %s\ndeliver = encoding\n"
                    "type = text/x-test\n" % (job, job, job))
    return start("".join(conf)) if len(conf) > 1 else None


@pytest.mark.parametrize("job", DECODE)
def test_what_is_compressed_comes_back(compress, job):
    if not has_job(job):
        pytest.skip("there is no %s" % job)
    words = b" ".join(b"%d" % (n * n) for n in range(60000))
    for body in b"", b"x", words, os.urandom(300000):
        for level in (None,) + LEVELS[job]:
            r = post(compress.address, "/" + job if level is None else "/%s-%d" % (job, level), body)
            assert r.status == 200 and r.field("content-type") == TYPE[job] and r.field("content-encoding") is None
            assert DECODE[job](r.body) == body
        if body == words:
            assert len(r.body) < len(body) / 2


@pytest.mark.parametrize("job", DECODE)
def test_an_encoding_is_for_those_who_take_it(compress, job):
    if not has_job(job):
        pytest.skip("there is no %s" % job)
    coding, body = CODING[job], b"hello " * 1000
    for accept, is_taken in [
            (coding, True), (coding.upper(), True), ("x, %s;q=0.001" % coding, True), ("*", True),
            ("x;q=1 ,\t%s ; q=1" % coding, True), ("", False), (None, False), ("identity", False),
            ("%s;q=0" % coding, False), ("%s;Q=0.000, *" % coding, False), ("*;q=0", False),
            ("x" + coding, False), (coding + "x", False), (",,;,=", False), ("%s;" % coding, True)]:
        lines = [] if accept is None else ["Accept-Encoding: " + accept]
        r = post(compress.address, "/encoded/" + job, body, *lines)
        assert r.status == 200 and r.field("content-type") == "text/x-test"
        assert r.field("vary") == "Accept-Encoding"
        assert r.field("content-encoding") == (coding if is_taken else None), accept
        assert (DECODE[job](r.body) if is_taken else r.body) == body


def test_brotli_without_scratch_memory_is_a_503_and_no_end(start):
    if not has_job("brotli"):
        pytest.skip("there is no brotli")
    daemon = start("[server]\nmodule_path = %s\n[limits]\nmax_body = 8m\n[module compress]\npath = compress.so\n"
                   "scratch = 1m\n[route r]\nmatch = POST /\nsource = compute brotli\nlevel = 11\n" % COMPRESS)
    for _ in range(2):
        assert post(daemon.address, "/", b"many words " * 100000).status == 503
    assert "needs more scratch memory" in daemon.stderr()
    assert DECODE["brotli"](post(daemon.address, "/", b"").body) == b""


def test_a_result_above_the_bound_is_no_result(compress):
    """Random bytes do not get smaller, so the result does not fit into 1 MiB."""
    for job in filter(has_job, DECODE):
        assert post(compress.address, "/" + job, os.urandom((1 << 20) + 1000)).status == 502


def test_compressing_stops_when_the_client_goes(compress):
    if not has_job("zstd"):
        pytest.skip("there is no zstd")
    body = b" ".join(b"%d" % (n * n) for n in range(600000))
    before = compress.cpu_seconds()
    with Client(compress.address) as c:
        c.send(b"POST /zstd-19 HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        wait_until(lambda: compress.cpu_seconds() > before + 0.1, what="the job")
    wait_until(lambda: is_idle(compress), 10, "an idle server")


def is_idle(daemon):
    """Whether it takes no processor time for a while."""
    before = daemon.cpu_seconds()
    time.sleep(0.2 * FACTOR)
    return daemon.cpu_seconds() - before < 0.05 * FACTOR


def test_a_job_that_asks_nobody_cannot_keep_the_server(start):
    admin = ("127.0.0.1", free_port())
    # The threads that do end are not joined when the process does.
    sanitizer = os.environ.get("TSAN_OPTIONS", "") + ":report_thread_leaks=0"
    daemon = start("""
[server]
workers = 1
grace = 200ms
module_path = %s
[admin]
listen = 127.0.0.1:%d
[module good]
path = good.so
[route nap]
match = GET /nap
source = compute nap
time = 90s
""" % (GOOD, admin[1]), environ={"TSAN_OPTIONS": sanitizer})
    with Client(daemon.address) as c:
        c.get("/nap")
        wait_until(lambda: metrics(admin)["forebay_pool_running", (("pool", "compute"),)] == 1)
        begun = time.monotonic()
        daemon.signal()
        assert daemon.process.wait(60) == 1
        assert time.monotonic() - begun > 8
    assert "ending without it" in daemon.stderr()
    Daemon.running.remove(daemon)
