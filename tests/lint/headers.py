"""Every header compiles alone, any number of times."""
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor


def guards(tree):
    """A header's guard is FOREBAY_<FOLDER>_<FILE>_H."""
    for file in tree.c_files("src", ".h"):
        guard = "FOREBAY_" + file[4:-2].upper().replace("/", "_").replace("-", "_") + "_H"
        if "/" not in file[4:]:
            guard = file[4:-2].upper().replace("/", "_") + "_H"
        if "#ifndef %s\n#define %s\n" % (guard, guard) not in tree.text(file):
            yield "%s: the guard should be %s, in #ifndef and #define" % (file, guard)


def compile_alone(tree, file):
    include = os.path.relpath(tree.path(file), tree.path("src" if file[:4] == "src/" else "tests"))
    command = os.environ.get("CC", "gcc").split()
    command += ["-std=gnu11", "-fsyntax-only", "-Wall", "-Wextra", "-Wmissing-prototypes",
                "-Werror", "-D_GNU_SOURCE", "-I", tree.path("src"), "-I", tree.path("tests"),
                "-I", tree.build]
    command += os.environ.get("LINT_CPPFLAGS", "").split() + ["-x", "c", "-"]
    source = '#include "%s"\n#include "%s"\n' % (include, include)
    ended = subprocess.run(command, input=source, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, check=False)
    if ended.returncode == 0:
        return None
    return "%s: does not compile alone; include what its declarations need:\n%s" % (
        file, "\n".join(ended.stdout.splitlines()[:5]))


def stand_alone(tree):
    """Each header compiles with nothing included before it."""
    files = tree.c_files("src", ".h") + tree.c_files("tests", ".h")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from filter(None, pool.map(lambda file: compile_alone(tree, file), files))
