"""The conformance tables over HTTP/1.1: each row whole, byte by byte, in halves, and pipelined.

A verdict may not depend on how bytes arrive, nor on what stood before them; and what stands
behind a refused request is never taken for one.
"""
import re
import time

import pytest

from client import Client
from conformance import CONF, REFUSED, ROWS, get, name

IMF_DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3]\d "
                      r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} [0-2]\d:[0-5]\d:[0-6]\d GMT\Z")


@pytest.fixture(scope="module")
def daemon(start, chaos):
    return start(CONF % chaos.address)


def method_of(sent):
    return sent.lstrip(b"\r\n").split(b" ", 1)[0].decode("latin-1")


def check_answer(c, row):
    """The response and what becomes of the connection, as the row says."""
    interim = []
    r = c.response(method_of(row.sent), interim)
    assert r.status == row.status
    # RFC 9110 10.1.1: it may be left out when the body is there already.
    assert tuple(interim) in ((), row.interim)
    assert IMF_DATE.match(r.field("date"))  # RFC 9110 6.6.1, 5.6.7
    for field, value in row.fields.items():
        assert r.field(field) == value, field
    assert row.body is None or r.body == row.body
    if row.keeps:
        assert not r.closes()
    else:
        assert r.closes() and c.is_closed()


def check_rest(c, row):
    if row.keeps:
        assert c.ask("/hello").body == b"Hello."


def send_pieces(c, pieces):
    """A refusal may come before the last piece, and the connection's end with it."""
    try:
        for piece in pieces:
            c.send(piece)
    except ConnectionError:
        pass


def test_there_are_as_many_rows_as_were_promised():
    assert len(ROWS) >= 150
    assert len({name(row) for row in ROWS}) == len(ROWS)
    assert all(re.match(r"(3986|6585|911[0123]) \d+(\.\d+)*\Z", row.section) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_whole(daemon, row):
    with Client(daemon.address) as c:
        c.send(row.sent)
        check_answer(c, row)
        check_rest(c, row)


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_byte_by_byte(daemon, row):
    step = 1 if len(row.sent) < 400 else 7 if len(row.sent) < 4000 else 1021
    with Client(daemon.address) as c:
        try:
            c.send_slowly(row.sent, step)
        except ConnectionError:
            assert not row.keeps
        check_answer(c, row)
        check_rest(c, row)


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_in_two_halves(daemon, row):
    """Where lines, fields and bodies end are the places at which a reader stops."""
    cuts = {len(row.sent) // 2} | {m.start() + i for m in re.finditer(b"\r\n", row.sent[:300]) for i in (0, 1, 2)}
    for at in sorted(cut for cut in cuts if 0 < cut < len(row.sent)):
        with Client(daemon.address) as c:
            c.send(row.sent[:at])
            time.sleep(0.001)
            send_pieces(c, [row.sent[at:]])
            check_answer(c, row)
            check_rest(c, row)


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_behind_a_good_request(daemon, row):
    behind = get(b"/hello") if row.keeps else b""
    with Client(daemon.address) as c:
        c.send(get(b"/hello") + row.sent + behind)
        assert c.response().body == b"Hello."
        check_answer(c, row)
        if row.keeps:
            assert c.response().body == b"Hello."


@pytest.mark.parametrize("row", REFUSED, ids=name)
def test_nothing_behind_a_refused_request_is_one(daemon, row):
    with Client(daemon.address) as c:
        send_pieces(c, [row.sent + get(b"/hello")])
        check_answer(c, row)
