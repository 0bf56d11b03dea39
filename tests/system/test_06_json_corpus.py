"""JSONTestSuite: every text named y_ is accepted, every n_ refused, i_ either.

The texts are in ../shared/corpora/json.tar.gz beside the repository, or below
$FOREBAY_CORPORA; without them the test is skipped. They are judged by
tests/support/json_verdict, which has the validator of src/base/json.c.
"""
import os
import subprocess
import tarfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CORPORA = os.environ.get("FOREBAY_CORPORA") or os.path.join(ROOT, "..", "shared", "corpora")
BUILD = os.path.dirname(os.environ.get("FOREBAYD") or os.path.join(ROOT, "forebayd"))
VERDICT = os.path.join(BUILD, "tests", "support", "json_verdict")


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Name of each text -> the line that the program printed for it."""
    archive = os.path.join(CORPORA, "json.tar.gz")
    if not os.path.exists(archive):
        pytest.skip("no " + archive)
    folder = tmp_path_factory.mktemp("json")
    with tarfile.open(archive) as tar:
        members = [m for m in tar.getmembers() if m.isfile() and m.name.endswith(".json")]
        paths = []
        for member in members:
            path = os.path.join(str(folder), os.path.basename(member.name))
            with open(path, "wb") as out:
                out.write(tar.extractfile(member).read())
            paths.append(path)
    said = subprocess.run([VERDICT] + paths, stdout=subprocess.PIPE, check=True, timeout=60)
    lines = said.stdout.decode("utf-8", "surrogateescape").splitlines()
    return {os.path.basename(line.split(" ", 1)[1]): line for line in lines}


def wrong(verdicts, prefix, expected):
    names = [name for name in verdicts if name.startswith(prefix)]
    assert len(names) > 50, "the archive has other texts than it should"
    return [verdicts[name] for name in names if not verdicts[name].startswith(expected)]


def test_texts_that_must_parse_are_accepted(verdicts):
    assert wrong(verdicts, "y_", "accept") == []


def test_texts_that_must_not_parse_are_refused(verdicts):
    assert wrong(verdicts, "n_", "refuse") == []


def test_texts_of_either_kind_get_a_verdict(verdicts):
    assert len([name for name in verdicts if name.startswith("i_")]) > 20
