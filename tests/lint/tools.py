"""What other tools check: formatting, shell scripts, Python scripts."""
import os
import shutil
import subprocess

from tree import Skip

FORMAT_VERSION = "14"


def run(*command):
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           check=False)
    return ended.returncode, ended.stdout


def scripts(tree, word):
    """Files whose first line names an interpreter with word in it."""
    for file in tree.files:
        if not file.endswith((".c", ".h", ".def")):
            first = tree.text(file).split("\n", 1)[0]
            if first.startswith("#!") and word in first:
                yield tree.path(file)


def c_format(tree):
    """C files are as clang-format (one pinned version) leaves them."""
    tool = next(filter(shutil.which, ("clang-format-" + FORMAT_VERSION, "clang-format")), None)
    if not tool or "version %s." % FORMAT_VERSION not in run(tool, "--version")[1]:
        raise Skip("there is no clang-format %s" % FORMAT_VERSION)
    files = tree.c_files("src") + tree.c_files("modules") + tree.c_files("tests")
    _, said = run(tool, "--style=file", "--dry-run", "-Werror", *map(tree.path, files))
    for file in files:
        if tree.path(file) + ":" in said:
            yield "%s: run %s -i on it" % (file, tool)


def shell(tree):
    """Shell scripts pass shellcheck."""
    if not shutil.which("shellcheck"):
        raise Skip("there is no shellcheck")
    found = [f for f in scripts(tree, "sh") if "python" not in tree.text(os.path.relpath(f, tree.root)).split("\n", 1)[0]]
    found += [tree.path(f) for f in tree.files if f.endswith((".sh", ".bash"))]
    status, said = run("shellcheck", "-x", "-P", tree.root, *sorted(set(found)))
    if status != 0:
        yield said.strip()


def python(tree):
    """Python scripts compile, and pass pyflakes where it is installed."""
    found = list(scripts(tree, "python")) + [tree.path(f) for f in tree.files if f.endswith(".py")]
    for path in found:
        with open(path, encoding="utf-8") as stream:
            try:
                compile(stream.read(), path, "exec")
            except SyntaxError as error:
                yield "%s:%s: %s" % (path, error.lineno, error.msg)
    if shutil.which("pyflakes3"):
        status, said = run("pyflakes3", *found)
        if status != 0:
            yield said.strip()
