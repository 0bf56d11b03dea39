"""The modules markdown and argon2: what they make, what they refuse, what they may take."""
import json
import os
import re

import pytest

from bed import FOREBAYD, cells, wait_until
from client import Client

MODULES = os.environ.get("MODULES") or os.path.join(os.path.dirname(os.path.abspath(FOREBAYD)), "modules")
HASH = re.compile(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})\Z")
# Of the password "password" and the salt "somesalt", by another program.
KNOWN = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"


def has(name):
    """Whether this build has the module."""
    return os.path.exists(os.path.join(MODULES, name, name + ".so"))


def conf(name, more="", module=""):
    return ("[server]\nmodule_path = %s\n[limits]\nmax_body = 4m\n[module %s]\npath = %s.so\n%s%s" %
            (os.path.join(MODULES, name), name, name, module, more))


def post(daemon, path, body):
    with Client(daemon.address, timeout=120) as c:
        return c.ask(path, method="POST", body=body)


# --- markdown --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def markdown(start):
    if not has("markdown"):
        pytest.skip("this build has no module markdown")
    return start(conf("markdown", "[route plain]\nmatch = POST /\nsource = compute markdown\n"
                      "[route smart]\nmatch = POST /smart\nsource = compute markdown\nsmart = yes\nhard_breaks = yes\n"
                      "source_positions = yes\n"))


def test_a_page_is_made_of_text(markdown):
    r = post(markdown, "/", "# Käse\n\nfirst *second* [third](https://a.example/?b=c&d)\n\n- `<x>`\n".encode())
    assert r.status == 200 and r.field("content-type") == "text/html; charset=utf-8"
    assert r.body.decode() == ("<h1>Käse</h1>\n<p>first <em>second</em> <a href=\"https://a.example/?b=c&amp;d\">third</a></p>"
                               "\n<ul>\n<li><code>&lt;x&gt;</code></li>\n</ul>\n")
    assert post(markdown, "/", b"").body == b""


def test_keys_change_what_is_made(markdown):
    assert post(markdown, "/smart", b"\"a\" -- b\nc").body.decode() == (
        "<p data-sourcepos=\"1:1-2:1\">“a” – b<br />\nc</p>\n")


@pytest.mark.parametrize("text", [
    b"<script>alert(1)</script>", b"a <img src=x onerror=alert(1)> b", b"[a](javascript:alert(1))",
    b"[a](JaVaScRiPt&#58;alert(1))", b"![a](vbscript:x)", b"[a](data:text/html;base64,PHNjcmlwdD4=)", b"<javascript:alert(1)>",
    b"[a]: javascript:alert(1)\n\n[a]", b"\x00<b>\xff\xfe</b>"])
def test_nothing_of_a_stranger_s_text_can_run(markdown, text):
    page = post(markdown, "/", text).body.decode()
    assert not re.search(r"<(script|b)\b|onerror|(href|src)=\"[^\"]", page, re.I), page


def test_a_text_that_takes_too_much_memory_fails_alone(start):
    if not has("markdown"):
        pytest.skip("this build has no module markdown")
    daemon = start(conf("markdown", "[route r]\nmatch = POST /\nsource = compute markdown\n",
                        "scratch = 2m\n"))
    for text in b"*a* " * 500000, b"- " * 200000, b"> " * 100000, b"[" * 300000:
        assert post(daemon, "/", text).status in (200, 502)
    assert "take more than the module's scratch" in daemon.stderr()
    assert post(daemon, "/", b"a").body == b"<p>a</p>\n"


@pytest.mark.parametrize("isolate, is_apart", [("module", True), ("thread", False)])
def test_a_text_that_takes_for_minutes_costs_a_504_and_no_thread(start, isolate, is_apart):
    """Such a text exists for libcmark 0.30.2: the time for this one grows with the square of its length."""
    if not has("markdown"):
        pytest.skip("this build has no module markdown")
    daemon = start("[pool compute]\nthreads = 1\nmax_lost = 0\norder = fifo\n" +
                   conf("markdown", "[route r]\nmatch = POST /\ndeadline = 1s\nsource = compute markdown\n",
                        "scratch = 512m\nisolate = %s\n" % isolate))
    wait_until(lambda: post(daemon, "/", b"a").status == 200, what="a page")
    assert bool(cells(daemon)) == is_apart
    assert post(daemon, "/", b"![[]()" * 100000).status == 504
    wait_until(lambda: post(daemon, "/", b"a").body == b"<p>a</p>\n", what="the only thread")


# --- argon2 -------------------------------------------------------------------------------------

ARGON2 = """
[route hash]
match = POST /hash
source = compute argon2-hash
memory = 256
[route hash-lanes]
match = POST /hash-lanes
source = compute argon2-hash
memory = 1024
passes = 2
lanes = 4
[route default]
match = POST /default
source = compute argon2-hash
[route too-large]
match = POST /too-large
source = compute argon2-hash
memory = 524288
[route verify]
match = POST /verify
source = compute argon2-verify
hash = {query.hash}
[route login]
match = POST /login
[subrequest login.right]
source = compute argon2-verify
input = {body.password}
hash = {body.hash}
mismatch = 200
"""


@pytest.fixture(scope="module")
def argon2(start):
    if not has("argon2"):
        pytest.skip("this build has no module argon2")
    return start(conf("argon2", ARGON2))


def encoded(text):
    return "".join(c if c.isalnum() else "%%%02X" % ord(c) for c in text)


@pytest.mark.parametrize("path, costs", [("/hash", ("256", "3", "1")), ("/hash-lanes", ("1024", "2", "4")),
                                         ("/default", ("12288", "3", "1"))])
def test_what_was_hashed_is_verified(argon2, path, costs):
    hashes = [post(argon2, path, b"open sesame").body.decode() for _ in range(2)]
    assert hashes[0] != hashes[1]
    for text in hashes:
        assert HASH.match(text).groups()[:3] == costs
        r = post(argon2, "/verify?hash=" + encoded(text), b"open sesame")
        assert (r.status, r.body, r.field("content-type")) == (200, b"true", "application/json")
        for wrong in b"open sesamE", b"open sesame\0", b"":
            r = post(argon2, "/verify?hash=" + encoded(text), wrong)
            assert (r.status, r.body) == (403, b"false")


def test_a_hash_that_another_program_made_is_verified(argon2):
    assert post(argon2, "/verify?hash=" + encoded(KNOWN), b"password").body == b"true"


@pytest.mark.parametrize("text", [
    "", "x", KNOWN[:-1], KNOWN + "=", KNOWN.replace("argon2id", "argon2i"), KNOWN.replace("v=19", "v=16"),
    KNOWN.replace("m=256", "m=9999999999"), KNOWN.replace("m=256", "m=1"), KNOWN.replace("t=2", "t=0"),
    KNOWN.replace("p=1", "p=99"), KNOWN.replace("$nf65", "$nf6-"), KNOWN.replace("c29tZXNhbHQ", "c29t"),
    KNOWN[:KNOWN.rindex("$") + 1], KNOWN[:-43] + "A" * 200, "$argon2id$v=19$m=256,t=2,p=1$" + "A" * 400])
def test_what_is_no_hash_is_a_failure_and_no_mismatch(argon2, text):
    assert post(argon2, "/verify?hash=" + encoded(text), b"password").status in (502, 503)


def test_a_hash_above_the_module_s_memory_is_refused(argon2):
    assert post(argon2, "/too-large", b"x").status == 503
    assert post(argon2, "/hash", b"x").status == 200


def test_a_part_of_a_join_says_whether(argon2):
    for password, is_right in ("password", True), ("passwort", False):
        r = post(argon2, "/login", json.dumps({"password": password, "hash": KNOWN}).encode())
        assert (r.status, r.body) == (200, b'{"right":true}' if is_right else b'{"right":false}')
