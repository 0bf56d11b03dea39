"""The conformance tables of an intermediary, through a route to a server that does as it is told.

Over HTTP/1.1, over HTTP/1.0 and, where it can be asked there, over HTTP/2.
"""
import json
import re

import pytest

import bed
from client import Client
from conformance import CONF
from conformance_proxy import HEARD, SAID, UPSTREAM, name

try:
    from client2 import Client2, DATA, END_HEADERS, END_STREAM, HEADERS, pack
    from conformance_h2 import translate
    HAS_H2 = "nghttp2    no" not in bed.run_forebayd("--version")[1]
except ImportError:
    HAS_H2 = False

over_h2 = pytest.mark.skipif(not HAS_H2, reason="no HTTP/2 here")


@pytest.fixture(scope="module")
def daemon(start, chaos):
    return start((CONF % chaos.address).replace("max_uri = 512", "max_uri = 1900"))


def test_there_are_as_many_rows_as_were_promised():
    rows = HEARD + SAID
    assert len(rows) >= 100
    assert len({name(row) for row in rows}) == len(rows)
    assert all(re.match(r"911[02] \d+(\.\d+)*\Z", row.section) for row in rows)


# --- what a server hears ------------------------------------------------------------------------

def check_heard(row, said, chaos, instead=()):
    seen = json.loads(said)
    assert seen["line"] == row.line
    assert seen["body"] == row.body
    assert [tuple(pair) for pair in seen["trailers"]] == row.trailers
    values = {}
    for key, value in seen["fields"]:
        values.setdefault(key.lower(), []).append(value)
    for key, wanted in row.fields:
        wanted = dict(instead).get(key, wanted)
        assert values.get(key, []) == [chaos.address if value == UPSTREAM else value for value in wanted], key


@pytest.mark.parametrize("step", [1 << 20, 1], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("row", HEARD, ids=name)
def test_what_a_server_hears(daemon, chaos, row, step):
    with Client(daemon.address) as c:
        c.send_slowly(row.sent, step)
        method = row.line.split()[0]
        r = c.response(method, interim=[])
        assert r.status == 200
        if method != "HEAD":
            check_heard(row, r.body, chaos)


def lower(pairs):
    return [(key.lower(), value) for key, value in pairs]


@over_h2
@pytest.mark.parametrize("row", [row for row in HEARD if row.h2 is not None], ids=name)
def test_what_a_server_hears_of_http_2(daemon, chaos, row):
    """RFC 9113 8.2: the same, but for what the version itself says."""
    lines, body = translate(row.sent)
    if b"\r\nTE: trailers\r\n" in row.sent:
        lines.append((b"te", b"trailers"))
    row = row._replace(trailers=lower(row.trailers))
    instead = row.h2 or {"via": [value.replace("1.1 forebay", "2.0 forebay") for value in dict(row.fields).get("via", [])]}
    with Client2(daemon.address) as c:
        frame, stream = c.headers(lines, flags=END_HEADERS | (0 if body or row.trailers else END_STREAM))
        frames = [frame]
        if body or row.trailers:
            frames.append(pack(DATA, 0 if row.trailers else END_STREAM, stream, body))
        if row.trailers:
            tail = row.sent.split(b"\r\n0\r\n", 1)[1].decode().split("\r\n")
            more = [tuple(part.strip(" \t") for part in line.lower().split(":", 1)) for line in tail if line]
            frames.append(pack(HEADERS, END_HEADERS | END_STREAM, stream, c.block([pair for pair in more if pair[0] != "transfer-encoding"])))
        c.send(*frames)
        answer = c.answer(stream)
        assert answer.status == 200
        if not row.line.startswith("HEAD"):
            check_heard(row, answer.body, chaos, instead)
        assert c.is_well()


@pytest.mark.parametrize("method, status", [("OPTIONS", 204), ("TRACE", 501)])
def test_what_may_go_no_further_is_answered_here(daemon, chaos, method, status):
    """RFC 9110 7.6.2."""
    before = chaos.count()["requests"]
    with Client(daemon.address) as c:
        assert c.ask("/chaos/heard", "Max-Forwards: 0", method=method).status == status
        assert c.ask("/hello").status == 200
    assert chaos.count()["requests"] == before + 1  # the look itself


# --- what a client gets --------------------------------------------------------------------------

def path_of(row):
    return "/chaos/say/%s%s" % (row.said.hex(), "/close" if row.ends else "")


def check_said(row, r):
    assert r.status == row.status
    for field, value in row.fields.items():
        assert r.field(field) == value, field
    assert row.body is None or r.body == row.body


@pytest.mark.parametrize("row", SAID, ids=name)
def test_what_a_client_gets(daemon, row):
    method, *lines = row.asked
    with Client(daemon.address) as c:
        c.get(path_of(row), *lines, method=method)
        if row.status is None:
            with pytest.raises((AssertionError, ConnectionError)):
                c.response(method)
            assert c.is_gone()
            return
        interim = []
        r = c.response(method, interim)
        check_said(row, r)
        assert tuple(interim) == row.interim
        assert r.trailers == row.trailers
        assert not r.closes() and c.ask("/hello").body == b"Hello."


@pytest.mark.parametrize("row", SAID, ids=name)
def test_what_a_client_of_http_1_0_gets(daemon, row):
    """RFC 9112 6.1, 9110 15.2: no chunks, no interim responses; the connection ends the body."""
    method, *lines = row.asked
    with Client(daemon.address) as c:
        c.send("\r\n".join(["%s %s HTTP/1.0" % (method, path_of(row)), *lines]).encode() + b"\r\n\r\n")
        if row.status is None:
            with pytest.raises((AssertionError, ConnectionError)):
                r = c.response(method)
                assert not r.ends_with_connection  # a FIN there would look like the end of the body
            return
        r = c.response(method)
        assert not r.is_chunked and r.closes()
        check_said(row._replace(fields={key: value for key, value in row.fields.items() if key != "connection"}), r)
        assert c.is_closed()


@over_h2
@pytest.mark.parametrize("row", SAID, ids=name)
def test_what_a_client_of_http_2_gets(daemon, row):
    """RFC 9113 8.2.2: nothing of the connection; 8.1: trailers behind the last DATA, for everybody."""
    with Client2(daemon.address) as c:
        answer = c.answer(c.request(path_of(row), row.asked[0]))
        if row.status is None:
            assert answer.error is not None and not answer.is_whole
        else:
            check_said(row, answer)
            assert tuple(answer.informed) == row.interim
            if row.trailers:
                assert answer.trailers == lower(row.trailers)
        assert c.is_well()
