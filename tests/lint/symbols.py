"""State belongs to a thread's struct: nothing writable at file scope outside src/server."""
import os
import re
import shutil
import subprocess

from tree import Skip

WRITABLE = re.compile(r"^(\.data|\.bss|\*COM\*)(?!\.rel\.ro)")
# The log and the heap are the process': src/base/README says why.
MAY = ("src/base/log.c", "src/base/mem.c")
SANITIZED = re.compile(rb"__asan_|__tsan_|__ubsan_|__sanitizer_cov")


def objects(tree):
    for file in tree.c_files("src", ".c"):
        if file.startswith("src/server/") or file in MAY:
            continue
        path = os.path.join(tree.build, file[:-2] + ".o")
        if os.path.exists(path):
            yield file, path


def symbols_in(path):
    """(section, name) of each data symbol, locals and function statics too."""
    text = subprocess.run(["objdump", "-t", path], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    for line in text.splitlines():
        match = re.match(r"[0-9a-f]+ .{6}O (\S+)\s+[0-9a-f]+ (?:\.\w+ )?(\S+)", line)
        if match:
            yield match.groups()


def mutable_state(tree):
    """No object file outside src/server has a symbol in .data or .bss (thread-local is allowed)."""
    if not shutil.which("objdump"):
        raise Skip("there is no objdump (package binutils)")
    found = list(objects(tree))
    if not found:
        raise Skip("no objects in %s; build first, or pass --build" % tree.build)
    with open(found[0][1], "rb") as stream:
        if SANITIZED.search(stream.read()):
            raise Skip("a sanitizer adds data of its own")
    for file, path in found:
        for section, name in symbols_in(path):
            if WRITABLE.match(section):
                yield ("%s: %s is writable at file scope (%s); make it const, or a member of the "
                       "struct of the thread that owns it" % (file, name, section))
