"""pictures: photographs of 24 megapixels made smaller, more than can be done, and bombs between them. Forebay alone.

    photograph --> POST /preview   the module image, in processes of its own, on a pool of two threads
    bomb       --> POST /checked   the same job: 20 KiB that would be ten gigapixels
    light      --> GET /plain      500 a second beside both
"""
import os
import re
import struct
import subprocess
import threading
import zlib

from benchlib import case_overload, client, load, server

WIDTH, HEIGHT = 6000, 4000
SMALL = 1200  # pixels, the width of a result
DEADLINE_MS, QUICK_DEADLINE_MS = 2000, 10000  # the second on any machine
THREADS = 2
CONNS = 256
FACTORS = (0.8, 2)
BOMB_SIDE = 100000
BOMB_SECONDS = 1.5  # between two
BOMBS_ALONE = 5
MAKE_SECONDS = 60
MODULE = "modules/image/image.so"
CONF = """\
[pool compute]
threads = %(threads)d
[module image]
path = %(module)s
[route preview]
match = POST /preview
max_body = 32m
deadline = %(deadline_ms)dms
source = compute image
width = %(small)d
[route checked]
match = POST /checked
priority = critical
deadline = %(deadline_ms)dms
source = compute image
width = %(small)d
"""


def factors(scale):
    return FACTORS if scale.warm else FACTORS[-1:]


def deadline_ms(scale):
    return DEADLINE_MS if scale.warm else QUICK_DEADLINE_MS


def counted(scale, each):
    """Seconds that a load is counted: a picture takes a tenth of one."""
    return each * (4 if scale.warm else 2)


def seconds(scale, each, servers):
    """(once, per round)"""
    one = counted(scale, each) + case_overload.lead(each) + 2 * DEADLINE_MS / 1000 + 1
    return MAKE_SECONDS / 3, (1 + 2 * len(factors(scale))) * one + 2


# --- pictures -----------------------------------------------------------------------------------


def vips(folder, *words):
    try:
        subprocess.run(["vips", *words], cwd=folder, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=MAKE_SECONDS)
    except (subprocess.SubprocessError, OSError) as why:
        raise load.Broken("vips %s: %s" % (words[0], why)) from None


def with_exif(picture):
    """A JPEG with the EXIF of a camera that was held upright."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, 1, 0, 0)
    return picture[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + picture[2:]


def make_photograph(folder):
    """photo.jpg: large shapes of many colours, smaller ones, texture and the grain of a sensor. Its bytes."""
    size = [str(WIDTH), str(HEIGHT)]
    for seed, band in enumerate(("red.v", "green.v", "blue.v")):
        vips(folder, "perlin", band, *size, "--cell-size", "1500", "--uchar", "--seed", str(seed + 1))
    vips(folder, "perlin", "shapes.v", *size, "--cell-size", "120", "--uchar", "--seed", "4")
    vips(folder, "perlin", "texture.v", *size, "--cell-size", "9", "--uchar", "--seed", "5")
    vips(folder, "gaussnoise", "grain.v", *size, "--mean", "20", "--sigma", "5", "--seed", "6")
    vips(folder, "bandjoin", "red.v green.v blue.v", "sky.v")
    vips(folder, "sum", "sky.v shapes.v texture.v grain.v", "sum.v")
    vips(folder, "linear", "sum.v", "bytes.v", "0.35", "0", "--uchar")
    vips(folder, "copy", "bytes.v", "rgb.v", "--interpretation", "srgb")
    vips(folder, "jpegsave", "rgb.v", "photo.jpg", "--Q", "90")
    for name in os.listdir(folder):
        if name.endswith(".v"):
            os.unlink(os.path.join(folder, name))
    path = os.path.join(folder, "photo.jpg")
    with open(path, "rb") as stream:
        photo = with_exif(stream.read())
    with open(path, "wb") as stream:
        stream.write(photo)
    return photo


def make_bomb():
    """A sound PNG of so many black pixels."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    rows = zlib.compress(bytes((BOMB_SIDE // 8 + 1) * 1600))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", BOMB_SIDE, BOMB_SIDE, 1, 0, 0, 0, 0)) + \
        chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def check_result(folder, response):
    """Broken unless it is the photograph made smaller; every pixel of it is read."""
    path = os.path.join(folder, "result.jpg")
    with open(path, "wb") as stream:
        stream.write(response.partition(b"\r\n\r\n")[2])
    vips(folder, "jpegload", path, "result.v", "--fail-on", "warning")
    said = subprocess.run(["vipsheader", os.path.join(folder, "result.v")], stdout=subprocess.PIPE, text=True, check=False).stdout
    size = re.search(r": (\d+)x(\d+) uchar, 3 bands", said)
    wanted = (SMALL, SMALL * HEIGHT // WIDTH)
    if not response.startswith(b"HTTP/1.1 200 ") or not size or tuple(map(int, size.groups())) != wanted:
        raise load.Broken("the answer is no picture of %d by %d: %r" % (*wanted, response[:80]))


# --- bombs --------------------------------------------------------------------------------------


class Bomber(threading.Thread):
    """Sends bombs, one after the other, until it is stopped; counts those that 413 answers, of those that
    are let in: one that its pool sheds like any other request is not counted."""

    def __init__(self, port, bomb, patience):
        super().__init__(daemon=True)
        self.port, self.bomb, self.patience = port, bomb, patience
        self.let_in, self.refused, self.is_over = 0, 0, threading.Event()
        self.start()

    def run(self):
        pause = 0
        while not self.is_over.wait(pause):
            pause = BOMB_SECONDS
            try:
                said = client.post(self.port, "/checked", self.bomb, self.patience)
            except OSError:
                said = b""
            self.let_in += b"\r\nForebay-Shed: pool." not in said
            self.refused += said.startswith(b"HTTP/1.1 413 ")

    def stop(self):
        self.is_over.set()
        self.join()


def bombs_alone(s, one, bomb):
    """What it costs to refuse one."""
    cpu = one.cpu_ns()
    for _ in range(BOMBS_ALONE):
        said = client.post(one.port, "/checked", bomb, 60)
        if not said.startswith(b"HTTP/1.1 413 "):
            raise load.Broken("a bomb was answered by %r" % said[:40])
    s.figures.add("bomb_cpu_ms", one.name, (one.cpu_ns() - cpu) / BOMBS_ALONE / 1e6, "alone")


# --- one step -----------------------------------------------------------------------------------


def generator(s, body=None):
    return load.Flood(os.path.join(s.options.build, "tests/flood"), counted(s.scale, s.seconds), deadline_ms(s.scale),
                      2 * deadline_ms(s.scale), case_overload.lead(s.seconds), CONNS, body=body)


def flood(s, one, *heavy):
    """Light requests, and pictures or none; the report of both, and by how many bytes server and processes grew while
    it was counted. Light requests come from a process of their own: who sends a picture sends nothing else meanwhile."""
    sources = [(generator(s), [case_overload.light()])]
    if heavy:
        sources.append((generator(s, os.path.join(s.folder, "photo.jpg")), list(heavy)))
    report, running = {}, []
    try:
        for one_of, classes in sources:
            s.used([s.plain(word) for word in one_of.command(one.port, [case_overload.RATE.sub("RATE", text) for text in classes])])
            running.append((one_of, one_of.start(one.port, classes)))
        s.rest(case_overload.lead(s.seconds))
        before = one.anonymous_bytes()
        s.rest(counted(s.scale, s.seconds))
        grown = one.anonymous_bytes() - before
    finally:
        for one_of, process in running:
            report.update(one_of.finish(process))
    return report, grown


def capacity(s, one):
    """Pictures a second in a closed loop, beside light requests."""
    for _ in range(case_overload.TRIES):
        report, _ = flood(s, one, "heavy:POST/preview:x%d" % (2 * THREADS))
        if report["heavy"]["ok"]["count"]:
            return report["heavy"]["ok"]["count"] / counted(s.scale, s.seconds)
    raise load.Broken("no picture was done in time")


def light_alone(s, one):
    """p99 of light requests when there is nothing else."""
    report, _ = flood(s, one)
    s.figures.add("light_p99_ms", one.name, report["light"]["accepted"]["p99"], "alone")
    return report["light"]["accepted"]["p99"]


def step(s, one, factor, alone, bomb):
    """One multiple of the capacity, on a fresh server."""
    at = "%g times" % factor
    one.restart()
    can = capacity(s, one)
    bomber = Bomber(one.port, bomb, 2 * deadline_ms(s.scale) / 1000)
    try:
        report, grown = flood(s, one, "heavy:POST/preview:%.2f" % (factor * can))
        anonymous = one.anonymous_bytes()
    finally:
        bomber.stop()
    one.stop()
    heavy, long = report["heavy"], counted(s.scale, s.seconds)
    s.figures.add("overload_capacity_per_s", one.name, can, at)
    case_overload.add_heavy(s, one, at, can * long / s.seconds, heavy)
    s.figures.add("in_time", one.name, heavy["ok"]["count"] / max(1, heavy["meant"]), at)
    case_overload.add_light(s, one, at, alone, report)
    s.figures.add("overload_growth_kib", one.name, grown / 1024, at)
    s.figures.add("anonymous_mib", one.name, anonymous / 2**20, at)
    if bomber.let_in:
        s.figures.add("bombs_refused", one.name, bomber.refused / bomber.let_in, at)


def pictures(s):
    load.need("vips", "libvips-tools")
    module = os.path.join(s.options.build, MODULE)
    if not os.path.exists(module):
        raise server.Unavailable("the module image is not built: configure finds no libvips (package libvips-dev)")
    photo, bomb = make_photograph(s.folder), make_bomb()
    one = s.make_ours(threads=THREADS, deadline_ms=deadline_ms(s.scale), small=SMALL, module=module, **{"more.forebay": CONF})
    s.note("a JPEG of %d by %d, %.1f MB, made %d wide on %d threads, each with a process of its own, to be answered "
           "within %d ms; arrivals are random (Poisson), and %d light requests/s come beside them; goodput is what was "
           "answered in time, as a share of the capacity that a closed loop of %d has measured just before" % (
               WIDTH, HEIGHT, len(photo) / 1e6, SMALL, THREADS, deadline_ms(s.scale), case_overload.LIGHT_RATE, 2 * THREADS))
    s.note("bombs: a PNG of %d KiB and %d by %d pixels every %g s, answered by 413 unless shed; memory is RssAnon of the server and "
           "its processes" % (len(bomb) // 1024, BOMB_SIDE, BOMB_SIDE, BOMB_SECONDS))
    for _ in s.rounds():
        one.restart()
        check_result(s.folder, client.post(one.port, "/preview", photo, 60))
        bombs_alone(s, one, bomb)
        alone = light_alone(s, one)
        for factor in factors(s.scale):
            step(s, one, factor, alone, bomb)
    s.describe(one)
