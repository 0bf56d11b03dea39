"""forebayctl reload and set: what people read, what programs read, and the exit codes."""
import json
import re

import pytest

from bed import wait_until
from client import ask, metrics
from test_50_admin import Admin, control


@pytest.fixture
def admin(start, tmp_path):
    a = Admin(start, tmp_path)
    yield a
    a.held.stop()


def rewrite(a, old, new):
    """Changes the configuration file; the line of the change."""
    with open(a.daemon.path, encoding="utf-8") as file:
        text = file.read()
    assert text.count(old) == 1, old
    with open(a.daemon.path, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new))
    return text[:text.index(old)].count("\n") + 1


def status(a):
    code, said, _ = control("-s", a.socket, "--json", "status")
    assert code == 0
    return json.loads(said)


def pool(a, name):
    return [p for p in status(a)["pools"] if p["name"] == name][0]


def test_what_was_taken_is_said_in_one_line(admin):
    rewrite(admin, "body = Hello.", "body = Hello again.")
    code, said, wrong = control("-s", admin.socket, "reload")
    assert (code, wrong) == (0, "")
    assert re.fullmatch(r"reloaded: 2 workers, 3 routes, in [0-9]+ ms\n", said)
    assert ask(admin.daemon.address, "/hello").body == b"Hello again."
    assert status(admin)["last_reload"]["successful"] is True
    code, said, wrong = control("-s", admin.socket, "--json", "reload")
    assert (code, wrong) == (0, "")
    assert json.loads(said)["ok"] is True and json.loads(said)["errors"] == []


def test_a_broken_file_is_refused_with_every_line_and_the_old_one_serves(admin):
    path = admin.daemon.path
    first = rewrite(admin, "threads = 1", "threads = none")
    second = rewrite(admin, "body = Hello.", "bodi = Hello.")
    code, said, wrong = control("-s", admin.socket, "reload")
    assert (code, said) == (1, "")
    lines = wrong.splitlines()
    assert lines[0].startswith("forebayctl: reload: the server says no (422): reload refused, nothing has changed")
    assert any(line.startswith("%s:%d: [pool compute] threads: " % (path, first)) for line in lines)
    assert any(line.startswith("%s:%d: [route hello] bodi: unknown key" % (path, second)) and
               'did you mean "body"?' in line for line in lines)
    code, said, wrong = control("-s", admin.socket, "--json", "reload")
    answer = json.loads(said)
    assert (code, wrong, answer["ok"]) == (1, "", False)
    found = {(e["file"], e["line"], e["severity"]) for e in answer["errors"]}
    assert {(path, first, "error"), (path, second, "error")} <= found
    assert all(e["message"].startswith("[") for e in answer["errors"])
    assert ask(admin.daemon.address, "/hello").body == b"Hello."
    assert metrics(admin.address)["forebay_config_last_reload_successful", ()] == 0
    assert status(admin)["last_reload"]["successful"] is False
    assert "\nlast reload 20" in control("-s", admin.socket, "status")[1]


def test_one_mistake_is_said_once_on_a_line_of_its_own(admin):
    line = rewrite(admin, "threads = 1", "threads = none")
    code, _, wrong = control("-s", admin.socket, "reload")
    assert (code, wrong) == (1, "forebayctl: reload: the server says no (422): "
                                "reload refused, nothing has changed: 1 error\n"
                                '%s:%d: [pool compute] threads: "none" is not a whole number, nor auto\n'
                                % (admin.daemon.path, line))


def test_a_file_that_has_been_mended_is_taken(admin):
    rewrite(admin, "body = Hello.", "bodi = Hello.")
    assert control("-s", admin.socket, "reload")[0] == 1
    rewrite(admin, "bodi = Hello.", "body = Mended.")
    assert control("-s", admin.socket, "reload")[0] == 0
    assert metrics(admin.address)["forebay_config_last_reload_successful", ()] == 1
    assert ask(admin.daemon.address, "/hello").body == b"Mended."


def test_a_set_number_is_seen_in_status_until_the_next_reload(admin):
    assert pool(admin, "compute")["threads"] == 1
    code, said, wrong = control("-s", admin.socket, "set", "pool.compute.threads", "6")
    assert (code, wrong) == (0, "") and "pool.compute.threads" in said and said.count("\n") == 1
    assert pool(admin, "compute")["threads"] == 6
    assert metrics(admin.address)["forebay_pool_threads", (("pool", "compute"),)] == 6
    code, said, _ = control("-s", admin.socket, "--json", "set", "pool.compute.threads", "2")
    assert code == 0 and json.loads(said)["ok"] is True
    wait_until(lambda: pool(admin, "compute")["threads"] == 2, what="two threads")
    assert control("-s", admin.socket, "reload")[0] == 0
    wait_until(lambda: pool(admin, "compute")["threads"] == 1, what="the thread of the file")


@pytest.mark.parametrize("name, value, said", [
    ("pool.compute.threads", "none", "pool.compute.threads"),
    ("pool.compute.threads", "0", "pool.compute.threads"),
    ("pool.compute.threads", "6\n[x]", "pool.compute.threads"),
    ("pool.comptue.threads", "1", 'did you mean "compute"?'),
    ("pool.compute.thread", "1", 'did you mean "threads"?'),
    ("workers", "1", "workers"),
])
def test_what_cannot_be_set_is_refused_and_nothing_changes(admin, name, value, said):
    before = pool(admin, "compute")
    code, out, wrong = control("-s", admin.socket, "set", name, value)
    assert (code, out) == (1, "") and said in wrong and "the server says no (422)" in wrong
    assert pool(admin, "compute") == before
