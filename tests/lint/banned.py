"""Words that may not stand in the sources (STYLE 9, 19, 35, 39)."""
import re

EVERYWHERE = {
    "strcpy": "use a writer (base/writer.h)",
    "strcat": "use a writer (base/writer.h)",
    "sprintf": "use writer_format() or snprintf()",
    "vsprintf": "use a writer or vsnprintf()",
    "strtok": "use slice_cut()",
    "atoi": "use slice_to_u64()",
    "atol": "use slice_to_u64()",
    "gets": "use a bounded read",
    "rand": "use base/random.h",
    "srand": "use base/random.h",
    "alloca": "use the arena",
    "gethostbyname": "resolve in net/",
}
IN_SRC = {
    "malloc": "use mem_alloc() or the arena",
    "calloc": "use mem_zalloc()",
    "realloc": "use mem_grow()",
    "strdup": "use mem_copy_text()",
    "free": "use mem_free()",
    "assert": "use ASSERT() (base/assert.h)",
    "system": "never a shell",
    "popen": "never a shell",
}
# base/mem adds up what all threads have from the heap;
# net/loop publishes its turn number for the monitor; the log's level and target are the
# process' (src/base/README says why); all else sends mail.
ATOMICS_MAY = ("src/metrics/", "src/thread/", "src/base/ref.h", "src/base/mem.c", "src/base/log.", "src/net/loop.")
ATOMICS = r"\b(_Atomic|atomic_\w+|__atomic_\w+|__sync_\w+)\b|<stdatomic\.h>"


def calls(tree, file, words):
    for where, match in tree.matches(file, tree.code(file), r"(?<![\w.>])(%s)\s*\(" % "|".join(words)):
        yield "%s: %s() is banned; %s" % (where, match.group(1), words[match.group(1)])


def functions(tree):
    """Unbounded, hidden or fatal library functions are not called."""
    for file in tree.c_files("src") + tree.c_files("modules") + tree.c_files("tests"):
        yield from calls(tree, file, EVERYWHERE)
    for file in tree.c_files("src"):
        if not file.startswith("src/base/"):
            yield from calls(tree, file, IN_SRC)


def atomics(tree):
    """Atomics stay in few places: elsewhere a thread owns its struct."""
    for file in tree.c_files("src"):
        if file.startswith(ATOMICS_MAY):
            continue
        for where, match in tree.matches(file, tree.code(file), ATOMICS):
            yield "%s: %s outside metrics/ and thread/; send mail instead" % (where, match.group(0))


def typedefs(tree):
    """Only function pointers are typedefs, and their names end in _fn."""
    for file in tree.c_files("src"):
        for where, match in tree.matches(file, tree.code(file), r"\btypedef\b[^;{]*[;{]"):
            if not re.search(r"\(\s*\*\s*\w+_fn\s*\)\s*\(", match.group(0)):
                yield "%s: a typedef that is no function pointer named ..._fn; use the tag" % where


def notes(tree):
    """Nothing is left to be done later in a comment."""
    words = r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b"
    for file in tree.files:
        for where, match in tree.matches(file, tree.text(file), words):
            yield "%s: %s; do it, or say in the README why not" % (where, match.group(1))
