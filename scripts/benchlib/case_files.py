"""files: small, medium and large files that are in the kernel's cache."""
import collections
import os

Size = collections.namedtuple("Size", "label name bytes conns")
SIZES = (
    Size("1 KiB", "1k.bin", 1 << 10, 32),
    Size("100 KiB", "100k.bin", 100 << 10, 32),
    Size("10 MiB", "10m.bin", 10 << 20, 8),
)
MB = 1e6
CONF = """\
[route files]
match = GET /files/{path...}
source = file
root = %(files)s/files
"""


def seconds(scale, each, servers):
    """(once, per round)"""
    return (len(SIZES) * servers * each if scale.warm else 0) + 1, len(SIZES) * servers * each


def make_files(folder):
    """Bytes that do not compress, readable for everybody."""
    os.mkdir(os.path.join(folder, "files"), 0o755)
    for size in SIZES:
        path = os.path.join(folder, "files", size.name)
        with open(path, "wb") as stream:
            stream.write(os.urandom(size.bytes))
        os.chmod(path, 0o644)


def add(s, one, size, got, cpu):
    """By bytes, so that a large response that the end of the load cuts is counted for its part."""
    s.figures.add("cpu_us_per_request", one.name, cpu / 1000 * size.bytes / got.bytes, size.label)
    s.figures.add("cpu_us_per_mb", one.name, cpu / 1000 * MB / got.bytes, size.label)
    s.figures.add("requests_per_s", one.name, got.requests / got.seconds, size.label)
    s.figures.add("mb_per_s", one.name, got.bytes / MB / got.seconds, size.label)


def files(s):
    make_files(s.folder)
    servers = s.start("files", **{"more.forebay": CONF})
    s.note("keep-alive, %s; files in the kernel's cache; all servers on the same folder" % ", ".join(
        "%s with %d conns" % (size.label, size.conns) for size in SIZES))
    loads = [(size, s.wrk(size.conns)) for size in SIZES]
    for size, generator in loads:
        s.warm(servers, generator, "/files/" + size.name)
    for number in s.rounds():
        for size, generator in loads:
            for one in s.in_turn(servers, number):
                got, cpu = s.loaded(one, generator, "/files/" + size.name)
                add(s, one, size, got, cpu)
