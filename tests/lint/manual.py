#!/usr/bin/python3
"""The manual has every key of every key table, as the tables have it, and is sound mdoc.

Usage: manual.py --update KEYS       writes the keys into man/forebay.conf.5 again

KEYS is the program tests/support/keys of a build. In the page, the keys of a
table stand between the lines `.\\" keys PLACE` and `.\\" end`; `make manual` fills
what is between.
"""
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True

PAGE = "man/forebay.conf.5"
BLOCK = re.compile(r'(?ms)^\.\\" keys ([^\n]+)\n(.*?)^\.\\" end\n')


def tables(program):
    """The lines of each table, by its place."""
    said = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout
    return {block.split("\n", 1)[0]: block.split("\n", 1)[1]
            for block in re.split(r"(?m)^@ ", said) if block}


def keys(tree):
    """man/forebay.conf.5 has every key of every key table, with its type and default."""
    from tree import Skip
    program = os.path.join(tree.build, "tests/support/keys")
    if not os.path.exists(program):
        raise Skip("tests/support/keys is not built")
    written = dict(BLOCK.findall(tree.text(PAGE)))
    there = tables(program)
    for place in there:
        if place not in written:
            yield ('%s: there are no keys of "%s"; write the lines `.\\" keys %s` and `.\\" end` where '
                   "they belong, then run make manual" % (PAGE, place, place))
        elif written[place] != there[place]:
            yield '%s: the keys of "%s" have changed; run make manual in the build folder' % (PAGE, place)
    for place in written:
        if place not in there:
            yield '%s: there is no table "%s" (any more); take its lines out' % (PAGE, place)


def mdoc(tree):
    """Manual pages pass mandoc's own lint."""
    from tree import Skip
    if not shutil.which("mandoc"):
        raise Skip("there is no mandoc")
    pages = [f for f in tree.files if re.fullmatch(r"man/.*\.[1-8]", f)]
    ended = subprocess.run(["mandoc", "-T", "lint", "-W", "warning"] + [tree.path(f) for f in pages],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    for line in ended.stdout.splitlines():
        if "referenced manual not found" not in line:  # ours, before they are installed
            yield line.replace("mandoc: " + tree.root + "/", "")


def update(program):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = os.path.join(root, PAGE)
    there = tables(program)
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    new = BLOCK.sub(lambda m: '.\\" keys %s\n%s.\\" end\n' % (m.group(1), there.get(m.group(1), m.group(2))), text)
    if new != text:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(new)
        print("written: " + path)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "--update":
        sys.exit(__doc__)
    update(sys.argv[2])
