"""What is listed in one place agrees with what is there: makefile, suites, docs, lengths."""
import os
import re

from tree import Skip

LINES_MAX = {"src": 650, "modules": 650, "tests": 750}
README_LINES_MAX = 40
TOP_README_LINES_MAX = 340


def file_comments(tree):
    """Each C file starts with a comment that says what it is for."""
    for file in tree.c_files("src", ".c", ".h", ".def") + tree.c_files("modules") + tree.c_files("tests"):
        if not tree.text(file).startswith("/*"):
            yield "%s:1: say in a comment what the file is for and who calls it" % file


def lengths(tree):
    """No C file is longer than a reader can hold."""
    for top, most in LINES_MAX.items():
        for file in tree.c_files(top):
            lines = tree.text(file).count("\n")
            if lines > most:
                yield "%s: %d lines, more than %d; split it by its nouns" % (file, lines, most)


def readmes(tree):
    """The README of a folder has at most 40 lines."""
    for file in tree.files:
        if os.path.basename(file) == "README" and tree.text(file).count("\n") > README_LINES_MAX:
            yield "%s: more than %d lines; keep what a newcomer needs" % (file, README_LINES_MAX)
    if tree.has("README") and tree.text("README").count("\n") > TOP_README_LINES_MAX:
        yield "README: more than %d lines; the rest is for man pages" % TOP_README_LINES_MAX


def makefile(tree):
    """Every C file is in Makefile.am, and every header that those include: built and distributed."""
    text = tree.text("Makefile.am")
    files = tree.c_files("src", ".c", ".h", ".def") + tree.c_files("tests", ".c", ".h", ".def")
    missing, included = [], ""
    for file in files:
        name = file[:-2] if file.startswith("tests/fuzz/fuzz_") and file.endswith(".c") else file
        if re.search(r"(?<![\w/.])%s(?![\w/])" % re.escape(name), text):
            included += "\n".join(re.findall(r'(?m)^#\s*include\s*"[^"]+"', tree.text(file)))
        else:
            missing.append(file)
    for file in missing:
        base = "/".join(file.split("/")[1:]) if file.startswith("src/") else os.path.basename(file)
        if file.endswith(".c") or '/%s"' % base in included or '"%s"' % base in included:
            yield "%s: not in Makefile.am; add it to its folder's list" % file


def suites(tree):
    """Every check_*.c has its line in suites.def, and tests a source of the same path."""
    text = tree.text("tests/unit/suites.def")
    for file in tree.c_files("tests/unit", ".c"):
        match = re.fullmatch(r"tests/unit/(\w+)/check_(\w+)\.c", file)
        if match and "SUITE(%s_%s)" % match.groups() not in text:
            yield "%s: add SUITE(%s_%s) to tests/unit/suites.def" % ((file,) + match.groups())


def fuzz_targets(tree):
    """Every fuzz target has seeds to replay."""
    for file in tree.c_files("tests/fuzz", ".c"):
        match = re.fullmatch(r"tests/fuzz/fuzz_(\w+)\.c", file)
        if match and not os.path.isdir(tree.path("tests/fuzz/corpus/" + match.group(1))):
            yield "%s: put seeds into tests/fuzz/corpus/%s/" % (file, match.group(1))


def counters(tree):
    """Every metric, of counters.def and of the exporter, is an item of its page, with the words that its label may be."""
    table, export, page = "src/metrics/counters.def", "src/server/metrics.c", "man/forebay-metrics.7"
    if not tree.has(table):
        raise Skip("there are no counters")
    items = dict(re.findall(r"(?ms)^\.It Ic (forebay_\w+)(.*?)(?=^\.It |^\.El)", tree.text(page)))
    rows = list(tree.matches(table, tree.text(table), r'(?m)^COUNTER\(\w+,\s*"(\w+)",\s*"(?:\w+=\\"(\w+)\\")?'))
    rows += list(tree.matches(export, tree.text(export), r'"(forebay_\w+)()"'))
    for where, match in rows:
        name, word = match.groups()
        if name not in items:
            yield "%s: %s lacks an item .It Ic %s" % (where, page, name)
        elif word and not re.search(r"\b%s\b" % word, items[name]):
            yield "%s: %s does not say that a label of %s may be %s" % (where, page, name, word)
    for name in sorted(set(items) - {match.group(1) for _, match in rows}):
        yield "%s: there is no metric %s" % (page, name)


def outcomes(tree):
    """Every word that a part's entry may have is explained."""
    table, page = "src/metrics/outcomes.def", "man/forebayd.8"
    for where, match in tree.matches(table, tree.text(table), r'(?m)^OUTCOME\(\w+,\s*"([\w-]+)"'):
        if not re.search(r"(?m)^\.It Cm %s$" % match.group(1), tree.text(page)):
            yield "%s: %s does not explain %s" % (where, page, match.group(1))


def pointers(tree):
    """Files that the README and the index point to are there."""
    for page in ("README", "src/INDEX"):
        for where, match in tree.matches(page, tree.text(page), r"\b(?:src|tests|scripts)/[\w./-]+\.(?:c|h|def|S|py)\b"):
            if not tree.has(match.group(0)):
                yield "%s: there is no %s" % (where, match.group(0))
