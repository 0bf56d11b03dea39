"""A real browser loads a page with 200 assets over HTTP/2 and TLS from the file source.

Asked for with FOREBAY_BROWSER=1 (a folder: the screenshot is left there, to be looked at); needs Chromium.
"""
import os
import shutil
import struct
import zlib

import pytest

import authority as authorities
import bed
import browser as browsers
from client import metrics

ASSETS, STYLES, SCRIPTS = 200, 20, 20
IMAGES = ASSETS - STYLES - SCRIPTS
WANTED = os.environ.get("FOREBAY_BROWSER")

pytestmark = [
    pytest.mark.skipif(not WANTED, reason="asked for with FOREBAY_BROWSER=1"),
    pytest.mark.skipif(not browsers.PROGRAM, reason="there is no Chromium (package chromium)")]

CONF = """\
[admin]
socket = %s/admin.sock
listen = 127.0.0.1:%d
[listen secure]
address = 127.0.0.1:%d
protocols = h2, http/1.1
tls = yes
certificate = %s
key = %s
[route site]
match = GET /{path...}
source = file
root = %s
"""


def chunk(kind, text):
    return struct.pack(">I", len(text)) + kind + text + struct.pack(">I", zlib.crc32(kind + text))


def picture(place, side=40):
    """A PNG of one colour of its own."""
    colour = bytes([place * 37 % 256, place * 91 % 256, place * 151 % 256])
    lines = (b"\0" + colour * side) * side
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


def write_site(folder):
    """A page and what it needs."""
    head = ['<link rel="stylesheet" href="%d.css">' % place for place in range(STYLES)]
    head += ['<script src="%d.js"></script>' % place for place in range(SCRIPTS)]
    body = ['<img src="%d.png" alt="" width="40" height="40">' % place for place in range(IMAGES)]
    files = {"index.html": "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Assets</title>"
                           "<link rel=\"icon\" href=\"data:,\">%s<h1>Forebay</h1><p>%s</p></html>" % ("".join(head), "".join(body))}
    for place in range(STYLES):
        files["%d.css" % place] = "h1 { border-left: %dpx solid teal; font-family: sans-serif }" % (place + 1)
    for place in range(SCRIPTS):
        files["%d.js" % place] = "window.count = (window.count || 0) + 1;"
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    for place in range(IMAGES):
        (folder / ("%d.png" % place)).write_bytes(picture(place))


@pytest.fixture(name="ports")
def make_ports(start, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl")
    site = tmp_path / "site"
    site.mkdir()
    write_site(site)
    papers = authorities.Authority(tmp_path)
    papers.issue("localhost", ["localhost"])
    port, admin = bed.free_port(), bed.free_port()
    start(CONF % (tmp_path, admin, port, papers.path("localhost.pem"), papers.path("localhost.key"), site), listen=None)
    return port, ("127.0.0.1", admin)


def calmed(admin):
    """Connections that did more than the budget lets them, by reason."""
    return {labels: count for (name, labels), count in metrics(admin).items()
            if name.startswith("forebay_h2_") and count}


def test_a_page_with_200_assets(ports, tmp_path):
    port, admin = ports
    browser = browsers.Browser(str(tmp_path))
    try:
        browser.open("https://localhost:%d/index.html" % port)
        responses = [seen["response"] for seen in browser.seen("Network.responseReceived")
                     if not seen["response"]["url"].startswith("data:")]
        assert calmed(admin) == {}
        assert browser.complaints() == []
        assert len(responses) == ASSETS + 1
        assert {(one["status"], one["protocol"]) for one in responses} == {(200, "h2")}
        assert len({one["connectionId"] for one in responses}) == 1
        assert browser.value("window.count") == SCRIPTS
        assert browser.value("document.styleSheets.length") == STYLES
        assert browser.value("[...document.images].filter(i => i.complete && i.naturalWidth == 40).length") == IMAGES
        folder = WANTED if os.path.isdir(WANTED) else str(tmp_path)
        browser.screenshot(os.path.join(folder, "browser.png"))
    finally:
        browser.close()
