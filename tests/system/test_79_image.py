"""The module image: what it makes of pictures, what it refuses before it decodes, what a crash costs."""
import os
import re
import struct
import subprocess
import zlib

import pytest

from bed import FACTOR, FOREBAYD, cells, free_port
from client import Client, ask, metrics

MODULES = os.environ.get("MODULES") or os.path.join(os.path.dirname(os.path.abspath(FOREBAYD)), "modules")
SO = os.path.join(MODULES, "image", "image.so")
CONF = """
[server]
workers = 2
module_path = %s
[admin]
listen = 127.0.0.1:%d
[limits]
max_body = 32m
[pool compute]
threads = 2
[module image]
path = image.so
[route image]
match = POST /image
deadline = 2m
source = compute image
width = {query.w}
height = {query.h}
crop = {query.crop}
[route cover]
match = POST /cover
deadline = 2m
source = compute image
width = {query.w}
height = {query.h}
fit = cover
format = webp
enlarge = yes
[route fill]
match = POST /fill
deadline = 2m
source = compute image
width = {query.w}
height = {query.h}
fit = fill
format = png
[route jpeg]
match = POST /jpeg
deadline = 2m
source = compute image
crop = {query.crop}
format = jpeg
quality = 30
[route hello]
match = GET /hello
source = fixed
body = hello
"""
pytestmark = pytest.mark.skipif(not os.path.exists(SO), reason="this build has no module image")


def run(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True).stdout


def turn(folder):
    """Makes turned.jpg of a.jpg."""
    whole = (folder / "a.jpg").read_bytes()
    # EXIF with the one entry Orientation = 6: what is seen is turned by 90 degrees.
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)
    (folder / "turned.jpg").write_bytes(whole[:2] + segment(0xe1, exif) + whole[2:])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with the same picture, 600 by 400, in three formats, one with transparency and one that lies on its side."""
    folder = tmp_path_factory.mktemp("pictures")
    at = str(folder) + "/"
    run("vips", "gaussnoise", at + "noise.v", "600", "400", "--mean", "128", "--sigma", "30")
    run("vips", "sines", at + "sines.v", "600", "400", "--uchar")
    run("vips", "bandjoin", "%snoise.v %ssines.v %snoise.v" % (at, at, at), at + "bands.v")
    run("vips", "cast", at + "bands.v", at + "bytes.v", "uchar")
    run("vips", "copy", at + "bytes.v", at + "rgb.v", "--interpretation", "srgb")
    run("vips", "jpegsave", at + "rgb.v", at + "a.jpg")
    run("vips", "pngsave", at + "rgb.v", at + "a.png")
    run("vips", "webpsave", at + "rgb.v", at + "a.webp")
    run("vips", "webpsave", at + "rgb.v", at + "lossless.webp", "--lossless")
    run("vips", "bandjoin", "%srgb.v %ssines.v" % (at, at), at + "alpha.png")
    turn(folder)
    return folder


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A folder with a picture of one colour, 109 MB of pixels."""
    folder = tmp_path_factory.mktemp("large")
    at = str(folder) + "/"
    run("vips", "black", at + "rgb.v", "7000", "5200", "--bands", "3")
    run("vips", "jpegsave", at + "rgb.v", at + "a.jpg")
    run("vips", "webpsave", at + "rgb.v", at + "a.webp", "--effort", "0")
    turn(folder)
    return folder


@pytest.fixture(scope="module")
def admin():
    return ("127.0.0.1", free_port())


@pytest.fixture(scope="module")
def daemon(start, admin):
    return start(CONF % (os.path.dirname(SO), admin[1]))


def post(daemon, path, body):
    with Client(daemon.address, timeout=240) as c:
        return c.ask(path, method="POST", body=body)


def size_of(tmp_path, r):
    """(width, height, loader, whole header) of a response that is a picture."""
    assert r.status == 200, r
    path = tmp_path / "result"
    path.write_bytes(r.body)
    said = run("vipsheader", "-a", str(path))
    loader = re.search(r"vips-loader: (\w+)", said).group(1)
    return int(re.search(r"(?m)^width: (\d+)", said).group(1)), int(re.search(r"(?m)^height: (\d+)", said).group(1)), loader, said


@pytest.mark.parametrize("name, query, size, kind", [
    ("a.jpg", "?w=150", (150, 100), "jpeg"), ("a.png", "?w=150", (150, 100), "png"), ("a.webp", "?w=150", (150, 100), "webp"),
    ("lossless.webp", "?h=50", (75, 50), "webp"), ("a.jpg", "?w=100&h=100", (100, 67), "jpeg"), ("a.jpg", "", (600, 400), "jpeg"),
    ("a.jpg", "?w=1200", (600, 400), "jpeg"), ("turned.jpg", "?w=100", (100, 150), "jpeg"), ("turned.jpg", "", (400, 600), "jpeg"),
    ("a.png", "?crop=10,20,300,200", (300, 200), "png"), ("a.png", "?crop=0,0,300,200&w=30", (30, 20), "png"),
    ("turned.jpg", "?crop=0,0,400,600", (400, 600), "jpeg"), ("alpha.png", "?w=60", (60, 40), "png")])
def test_a_picture_becomes_as_large_as_is_asked_for(daemon, pictures, tmp_path, name, query, size, kind):
    r = post(daemon, "/image" + query, (pictures / name).read_bytes())
    width, height, loader, said = size_of(tmp_path, r)
    assert (width, height) == size and loader.startswith(kind) and r.field("content-type") == "image/" + kind
    assert "exif" not in said and "orientation" not in said.replace("orientation: 1", "")


@pytest.mark.parametrize("path, size, kind", [
    ("/cover?w=100&h=100", (100, 100), "webp"), ("/cover?w=1200&h=1200", (1200, 1200), "webp"), ("/fill?w=50&h=200", (50, 200), "png"),
    ("/fill?w=50", (50, 33), "png"), ("/jpeg", (600, 400), "jpeg")])
def test_shapes_and_formats(daemon, pictures, tmp_path, path, size, kind):
    for name in "a.jpg", "alpha.png", "a.webp":
        width, height, loader, _ = size_of(tmp_path, post(daemon, path, (pictures / name).read_bytes()))
        assert (width, height) == size and loader.startswith(kind)


def png(width, height, data=b""):
    """A PNG whose head says that size."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)) + \
        chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def test_a_bomb_is_refused_before_it_is_decoded(daemon):
    """20 KiB that would be 1.25 GB."""
    bomb = png(100000, 100000, bytes(12501 * 1600))
    before = daemon.cpu_seconds()
    r = post(daemon, "/image?w=10", bomb)
    assert r.status == 413 and b"too many pixels" in r.body
    assert daemon.cpu_seconds() - before < 1


def segment(kind, body):
    return b"\xff" + bytes([kind]) + struct.pack(">H", len(body) + 2) + body


def frame(kind, width, height):
    """The head of a JPEG's frame."""
    return segment(kind, struct.pack(">BHHB", 8, height, width, 3) + b"\1\x11\0\2\x11\0\3\x11\0")


# The head of its scan.
SCAN = segment(0xda, b"\3\1\0\2\0\3\0\0\x3f\0")


def jpeg_of_two_sizes(before):
    """A JPEG of 4 gigapixels, which whoever takes the wrong marker for a segment takes for one of 16 by 16."""
    head = b"\xff\xd8" + before + frame(0xc2, 65500, 65500)
    hidden = frame(0xc0, 16, 16)
    place = len(b"\xff\xd8" + before) - 1 + 0xffc2
    return head + segment(0xfe, bytes(place - len(head) - 4) + hidden + bytes(20)) + SCAN


def webp(width, height):
    """A WebP, lossless, whose head says that size."""
    bits = 0x2f | (width - 1) << 8 | (height - 1) << 22
    body = struct.pack("<Q", bits)[:5] + bytes(40)
    return b"RIFF" + struct.pack("<I", len(body) + 13) + b"WEBPVP8L" + struct.pack("<I", len(body)) + body + b"\0"


BOMBS = {
    "png": png(100000, 100000, bytes(12501 * 1600)),
    "webp": webp(16384, 16384),
    "jpeg": b"\xff\xd8" + frame(0xc0, 65500, 65500) + SCAN,
    "progressive": b"\xff\xd8" + frame(0xc2, 65500, 65500) + SCAN,
    # What stands before a segment, and is none, is not taken for one.
    "tem": jpeg_of_two_sizes(b"\xff\x01"),
    "rst0": jpeg_of_two_sizes(b"\xff\xd0"),
    "rst7": jpeg_of_two_sizes(b"\xff\xd7"),
    "zero": jpeg_of_two_sizes(b"\xff\0"),
    "garbage": b"\xff\xd8" + segment(0xfe, b"\xff") + frame(0xc0, 16, 16)[1:] + frame(0xc2, 65500, 65500) + SCAN,
    "short": b"\xff\xd8\xff\xfe\0\0" + frame(0xc2, 65500, 65500) + SCAN,
}


@pytest.mark.parametrize("path", ["/image?w=10", "/image", "/image?crop=0,0,10,10", "/image?crop=0,0,10,10&w=5", "/jpeg"])
@pytest.mark.parametrize("name", BOMBS)
def test_no_bomb_is_decoded(daemon, path, name):
    assert post(daemon, path, BOMBS[name]).status in (413, 415)


# Strong ones, where profiles differ much; and what prints.
COLOURS = [(230, 30, 20), (40, 200, 60), (180, 90, 80), (90, 140, 100)]


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    """A folder with pictures of these colours, each 32 by 32, side by side, in several spaces."""
    folder = tmp_path_factory.mktemp("coloured")
    at = str(folder) + "/"
    (folder / "raw").write_bytes(b"".join(bytes(c) * 32 for c in COLOURS) * 32)
    run("vips", "rawload", at + "raw", at + "raw.v", "128", "32", "3")
    run("vips", "copy", at + "raw.v", at + "rgb.v", "--interpretation", "srgb")
    for profile in "p3", "cmyk":
        run("vips", "icc_transform", at + "rgb.v", at + profile + ".v", profile, "--input-profile", "srgb")
        run("vips", "jpegsave", at + profile + ".v", at + profile + ".jpg", "--Q", "95")
    run("vips", "pngsave", at + "p3.v", at + "p3.png")
    run("vips", "webpsave", at + "p3.v", at + "p3.webp", "--Q", "95")
    run("vips", "jpegsave", at + "cmyk.v", at + "bare-cmyk.jpg", "--Q", "95", "--strip")
    run("vips", "colourspace", at + "rgb.v", at + "deep.v", "rgb16")
    run("vips", "bandjoin_const", at + "deep.v", at + "deep.png", "65535")
    run("vips", "jpegsave", at + "rgb.v", at + "plain.jpg", "--Q", "95")
    # A profile that is none.
    plain = (folder / "plain.jpg").read_bytes()
    (folder / "bad-profile.jpg").write_bytes(plain[:2] + segment(0xe2, b"ICC_PROFILE\0\1\1" + bytes(range(200))) + plain[2:])
    # Of one colour less than the picture has.
    run("vips", "extract_band", at + "rgb.v", at + "grey.v", "1")
    run("vips", "copy", at + "grey.v", at + "b-w.v", "--interpretation", "b-w")
    run("vips", "jpegsave", at + "b-w.v", at + "grey.jpg", "--Q", "95")
    return folder


@pytest.mark.parametrize("query", ["?w=64", "", "?crop=0,0,128,32", "?crop=0,0,128,32&w=64"])
@pytest.mark.parametrize("name, known", [("plain.jpg", 4), ("p3.jpg", 4), ("p3.png", 4), ("p3.webp", 4), ("cmyk.jpg", 2),
                                         ("bare-cmyk.jpg", 2), ("deep.png", 4), ("bad-profile.jpg", 4), ("grey.jpg", 0)])
def test_colours_stay_what_they_are(daemon, coloured, tmp_path, name, known, query):
    """What comes out has no profile, so that it is taken for sRGB. Of print, only what can be printed stays."""
    width, _, _, said = size_of(tmp_path, post(daemon, "/image" + query, (coloured / name).read_bytes()))
    bands = int(re.search(r"(?m)^bands: (\d+)", said).group(1))
    assert "icc-profile" not in said and re.search(r"interpretation: (srgb|b-w)", said) and "uchar" in said
    run("vips", "rawsave", str(tmp_path / "result"), str(tmp_path / "raw"))
    row = (tmp_path / "raw").read_bytes()[8 * width * bands:]
    for i, colour in list(enumerate(COLOURS))[4 - known:]:
        got = row[(2 * i + 1) * width // 8 * bands:][:3]
        assert all(abs(a - b) <= 7 for a, b in zip(got, colour)), (colour, list(got))


@pytest.mark.parametrize("path", ["/cover?w=16000&h=16000", "/fill?w=16000&h=16000", "/cover?w=16383"])
def test_nothing_becomes_larger_than_what_is_let_in(daemon, pictures, path):
    r = post(daemon, path, (pictures / "a.png").read_bytes())
    assert r.status == 413 and b"too many pixels" in r.body


@pytest.mark.parametrize("name, query, size", [("a.jpg", "?crop=0,0,6900,5100", (6900, 5100)), ("a.webp", "", (7000, 5200)),
                                               ("turned.jpg", "", (5200, 7000))])
def test_a_picture_above_100_mb_is_not_put_into_a_file(daemon, large, tmp_path, name, query, size):
    """Where libvips would do that by itself, and the sandbox has none."""
    assert size_of(tmp_path, post(daemon, "/jpeg" + query, (large / name).read_bytes()))[:2] == size


@pytest.mark.parametrize("body, status", [
    (b"", 415), (b"GIF89a", 415), (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415), (b"\xff\xd8\xff", 415),
    (b"\xff\xd8\xff" + b"\xff\xe1\x00\x00" * 1000, 415), (b"\x89PNG\r\n\x1a\n" + bytes(100), 415), (png(0, 5), 415), 
    (b"RIFF\x10\0\0\0WEBPVP8 " + bytes(20), 415), (b"RIFF\xff\xff\xff\xffWEBPVP8X" + b"\xff" * 40, 413)])
def test_what_is_no_picture_is_refused(daemon, body, status):
    assert post(daemon, "/image?w=10", body).status == status


def test_pictures_that_are_cut_short_or_spoilt_are_refused_and_nothing_crashes(daemon, pictures, admin):
    for name in "a.jpg", "a.png", "a.webp", "alpha.png":
        whole = (pictures / name).read_bytes()
        for cut in range(20, len(whole), max(1, len(whole) // 8)):
            assert post(daemon, "/image?w=20", whole[:cut]).status in (200, 415, 422)
        for place in range(16, 200, 9):
            spoilt = whole[:place] + bytes([whole[place] ^ 0xff]) + whole[place + 1:]
            assert post(daemon, "/image?w=20", spoilt).status in (200, 413, 415, 422)
    crashes = [value for (name, _), value in metrics(admin).items() if name == "forebay_module_crashes_total"]
    assert sum(crashes) == 0


@pytest.mark.parametrize("query", ["?w=0", "?w=x", "?w=99999", "?w=1e3", "?w=10px", "?crop=1", "?crop=1,2,3", "?crop=0,0,0,5", "?crop=1,2,3,4,5",
                                   "?w=99999999999999999999"])
def test_a_wish_that_makes_no_sense_is_refused(daemon, pictures, query):
    assert post(daemon, "/image" + query, (pictures / "a.png").read_bytes()).status == 400


def test_a_crop_outside_is_refused(daemon, pictures):
    for crop in "600,0,1,1", "0,0,601,1", "4000000000,0,10,10":
        assert post(daemon, "/image?crop=" + crop, (pictures / "a.png").read_bytes()).status in (400, 422)


def test_the_server_itself_never_has_the_library(daemon):
    with open("/proc/%d/maps" % daemon.pid, encoding="utf-8") as file:
        assert "libvips" not in file.read()


@pytest.mark.skipif(FACTOR > 1, reason="sanitizers map more address space than any limit")
def test_its_memory_is_bounded_unless_its_section_says_otherwise(start, pictures):
    for keys, bound in ("", str(2 << 30)), ("max_memory = 3g", str(3 << 30)), ("max_memory = 0", "unlimited"):
        daemon = start("[server]\nmodule_path = %s\n[pool compute]\nthreads = 1\n[module image]\npath = image.so\n%s\n"
                       "[route image]\nmatch = POST /image\nsource = compute image\nwidth = 10\n" % (os.path.dirname(SO), keys))
        assert post(daemon, "/image", (pictures / "a.jpg").read_bytes()).status == 200
        cell, = cells(daemon)
        with open("/proc/%d/limits" % cell, encoding="ascii") as file:
            assert re.search(r"(?m)^Max address space +(\w+)", file.read()).group(1) == bound


def test_a_photograph_of_24_megapixels(daemon, tmp_path):
    at = str(tmp_path) + "/"
    run("vips", "gaussnoise", at + "noise.v", "6000", "4000", "--mean", "128", "--sigma", "12")
    run("vips", "cast", at + "noise.v", at + "bytes.v", "uchar")
    run("vips", "bandjoin", "%sbytes.v %sbytes.v %sbytes.v" % (at, at, at), at + "bands.v")
    run("vips", "copy", at + "bands.v", at + "rgb.v", "--interpretation", "srgb")
    run("vips", "jpegsave", at + "rgb.v", at + "photo.jpg")
    photo = (tmp_path / "photo.jpg").read_bytes()
    assert size_of(tmp_path, post(daemon, "/image?w=800", photo))[:2] == (800, 533)
    # Light ones are answered meanwhile.
    with Client(daemon.address, timeout=240) as c:
        c.get("/image?w=1600", method="POST", body=photo)
        assert ask(daemon.address, "/hello").body == b"hello"
        assert size_of(tmp_path, c.response())[:2] == (1600, 1067)
