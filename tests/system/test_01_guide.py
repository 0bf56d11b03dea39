"""The examples of forebay(7): what one copies is understood."""
import os
import re
import sqlite3

import pytest

from bed import run_forebayd

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What an example takes as being there already.
AROUND = {
    "listen": "[listen around]\naddress = 127.0.0.1:1\n",
    "route": "[route around]\nmatch = GET /around\nsource = fixed\nbody = x\n",
    "upstream app": "[upstream app]\nservers = http://10.0.0.1:9001\n",
    "database shop": "[database shop]\nurl = sqlite:shop.db\n",
}
# What only the reader's own files and modules can mend.
OURS_TO_LACK = r"No such file or directory|could not be loaded|there is no \[route (profile|basket)\]|there is no flow \"stock\""


def examples():
    """Blocks of the page that are configuration, without commands."""
    with open(os.path.join(TOP, "man/forebay.7"), encoding="utf-8") as page:
        blocks = re.findall(r"(?ms)^\.Bd -literal[^\n]*\n(.*?)^\.Ed", page.read())
    for text in blocks:
        text = re.sub(r"(?m)^\$ .*\n", "", text).replace("\\e", "\\")
        if re.match(r"(#.*\n)*\[\w+( [\w.]+)?\]\n", text):
            yield text.replace("/var/lib/forebay/", "")


def test_there_are_examples():
    assert len(list(examples())) >= 15


@pytest.mark.parametrize("text", examples(), ids=lambda text: re.search(r"(?m)^\[(.*)\]", text).group(1))
def test_an_example_is_understood(tmp_path, text):
    db = sqlite3.connect(tmp_path / "shop.db")
    db.executescript("CREATE TABLE users (id, email, orders); CREATE TABLE orders (id, user_id, total, note);")
    db.close()
    around = "".join(more for head, more in AROUND.items() if "[" + head not in text)
    (tmp_path / "a.conf").write_text(around + text, encoding="utf-8")
    code, _, said = run_forebayd("-t", "-c", str(tmp_path / "a.conf"))
    wrong = [line for line in said.splitlines() if ": warning: " not in line and not re.search(OURS_TO_LACK, line)]
    assert not wrong and (code == 0 or said), said
