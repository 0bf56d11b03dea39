"""Shell completion: what bash offers is what the programs take."""
import os
import re
import shutil
import subprocess

import pytest

import bed
from test_50_admin import FOREBAYCTL, control

FOLDER = os.path.join(bed.HERE, "../../conf/completion")

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")


def offers(program, *words, folder=None):
    """What comes for the last of the words; bash splits them as it does at its prompt."""
    name = os.path.basename(program)
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _%s; printf "%%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "--norc", "-c", script % name, "bash",
                           os.path.abspath("%s/%s.bash" % (FOLDER, name)), program, *words],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, check=True, timeout=20)
    assert done.stderr == b"", done.stderr
    return done.stdout.decode().split()


def help_of(program):
    return subprocess.run([program, "--help"], stdout=subprocess.PIPE, check=True).stdout.decode()


@pytest.mark.parametrize("program", [bed.FOREBAYD, FOREBAYCTL])
def test_every_long_option_of_the_help_is_offered(program):
    documented = set(re.findall(r"(?<![\w-])--[a-z]+", help_of(program)))
    offered = set(offers(program, "--"))
    assert len(documented) >= 5
    assert documented - offered == set()
    for option in offered - documented:  # such as --test, of which the help has the letter
        done = subprocess.run([program, option, "--help"], stdout=subprocess.PIPE, check=False)
        assert done.returncode == 0, option


def test_every_command_is_offered_and_no_other():
    commands = re.findall(r"(?m)^  ([a-z]+)(?: [][A-Z]+)* ", help_of(FOREBAYCTL))
    commands = [c for c in commands if c != "forebayctl"]
    assert "status" in commands and len(commands) >= 6
    assert sorted(offers(FOREBAYCTL, "")) == sorted(commands)


@pytest.mark.parametrize("words, offered", [
    (["st"], ["status", "stalls"]),
    (["--socket", "/a", "dr"], ["drain"]),
    (["--socket", "=", "/a", "dr"], ["drain"]),
    (["-t", "5s", "--js"], ["--json"]),
    (["drain", "--w"], ["--wait"]),
    (["status", ""], []),
    (["--timeout", ""], []),
    (["set", "pool.compute.threads", ""], []),
    (["plan", "--qu"], ["--queue"]),
    (["plan", "--rate", "80/s", "--s"], ["--service", "--slo", "--simulate"]),
    (["plan", "--rate", ""], []),
    (["-s", "/a", "advise", "--w"], ["--window", "--what-if"]),
    (["-s", "adm"], ["admin.sock"]),
    (["--socket", "=", "adm"], ["admin.sock"]),
    (["--socket", "="], ["admin.sock"]),
])
def test_words_are_completed_by_their_place(tmp_path, words, offered):
    (tmp_path / "admin.sock").write_text("")
    assert offers(FOREBAYCTL, *words, folder=tmp_path) == offered


def test_files_follow_the_option_that_takes_one(tmp_path):
    (tmp_path / "a.conf").write_text("")
    assert offers(bed.FOREBAYD, "-c", "", folder=tmp_path) == ["a.conf"]
    assert offers(bed.FOREBAYD, "--config", "=", "a", folder=tmp_path) == ["a.conf"]
    assert offers(bed.FOREBAYD, "--match", "", folder=tmp_path) == []
    assert offers(bed.FOREBAYD, "--explain", "", folder=tmp_path) == []
    assert offers(bed.FOREBAYD, "--ex", folder=tmp_path) == ["--explain"]
    assert offers(bed.FOREBAYD, "--ma", folder=tmp_path) == ["--match"]


def test_names_to_set_are_those_of_the_running_server(start, tmp_path):
    path = str(tmp_path / "admin.sock")
    start("[server]\nworkers = 1\n[admin]\nsocket = %s\n[pool heavy]\nthreads = 1\n"
          "[route a]\nmatch = GET /\nsource = fixed\nbody = a\n" % path)
    assert control("-s", path, "ready")[0] == 0
    assert "pool.heavy.threads" in offers(FOREBAYCTL, "-s", path, "set", "")
    assert offers(FOREBAYCTL, "-s", path, "set", "pool.hea") == [
        "pool.heavy.threads", "pool.heavy.max_queue", "pool.heavy.max_wait"]
    assert offers(FOREBAYCTL, "-s", path, "set", "pool.heavy.t") == ["pool.heavy.threads"]
    assert offers(FOREBAYCTL, "-s", str(tmp_path / "none"), "set", "") == []
