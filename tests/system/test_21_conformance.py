"""The conformance tables over HTTP/2: what can be asked there gets the same answer.

A row is translated as RFC 9113 8.3.1 translates requests. A malformed request may also end
in a reset of its stream with PROTOCOL_ERROR (RFC 9113 8.1.1), which is that protocol's 400.
"""
import pytest

pytest.importorskip("hpack", reason="there is no python3-hpack")

from bed import run_forebayd  # noqa: E402
from client2 import DATA, END_HEADERS, END_STREAM, PROTOCOL_ERROR, Client2, pack  # noqa: E402
from conformance import CONF, ROWS, name  # noqa: E402
from conformance_h2 import translate  # noqa: E402

if "nghttp2    no" in run_forebayd("--version")[1]:
    pytest.skip("built without nghttp2", allow_module_level=True)

@pytest.fixture(scope="module")
def daemon(start, chaos):
    return start(CONF % chaos.address)


def ask(c, lines, body):
    frame, stream = c.headers(lines, flags=END_HEADERS | (0 if body else END_STREAM))
    pieces = [body[at:at + 16384] for at in range(0, len(body), 16384)]
    c.send(frame, *[pack(DATA, END_STREAM if piece is pieces[-1] else 0, stream, piece) for piece in pieces])
    return c.answer(stream)


@pytest.mark.parametrize("row", [row for row in ROWS if row.h2], ids=name)
def test_the_same_answer_over_http_2(daemon, row):
    lines, body = translate(row.sent)
    with Client2(daemon.address) as c:
        answer = ask(c, lines, body)
        if row.status == 400 and answer.status is None:
            assert answer.error == PROTOCOL_ERROR
        else:
            assert answer.status == row.status
            if row.body is not None:
                assert answer.body == row.body
            for field, value in row.fields.items():
                assert answer.field(field) == (None if field == "connection" else value), field
        assert c.is_well()


def test_there_are_enough_rows_that_both_versions_have():
    assert sum(1 for row in ROWS if row.h2) >= 100
