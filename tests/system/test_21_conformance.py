"""The conformance tables over HTTP/2: what can be asked there gets the same answer.

A row is translated as RFC 9113 8.3.1 translates requests. A malformed request may also end
in a reset of its stream with PROTOCOL_ERROR (RFC 9113 8.1.1), which is that protocol's 400.
"""
import pytest

pytest.importorskip("hpack", reason="there is no python3-hpack")

from bed import run_forebayd  # noqa: E402
from client2 import DATA, END_HEADERS, END_STREAM, PROTOCOL_ERROR, Client2, pack  # noqa: E402
from conformance import CONF, ROWS, name  # noqa: E402

if "nghttp2    no" in run_forebayd("--version")[1]:
    pytest.skip("built without nghttp2", allow_module_level=True)

# RFC 9113 8.2.2: fields of one connection have no place in HTTP/2.
OF_CONNECTION = (b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"http2-settings", b"te")


@pytest.fixture(scope="module")
def daemon(start, chaos):
    return start(CONF % chaos.address)


def split_chunks(text):
    """The data of a correct chunked body."""
    body = b""
    while True:
        line, text = text.split(b"\r\n", 1)
        size = int(line.split(b";")[0], 16)
        if size == 0:
            return body
        body, text = body + text[:size], text[size + 2:]


def authority_of(target, hosts):
    """(:authority or None, :path, the hosts that remain fields)."""
    for scheme in (b"http://", b"https://"):
        if target.lower().startswith(scheme):
            rest = target[len(scheme):]
            end = min([rest.find(c) for c in (b"/", b"?") if c in rest], default=len(rest))
            path = rest[end:]
            return rest[:end], path if path.startswith(b"/") else b"/" + path, []
    if len(hosts) == 1:
        return hosts[0], target, []
    return None, target, hosts


def translate(sent):
    """The field lines and the body of a row."""
    head, body = sent.lstrip(b"\r\n").split(b"\r\n\r\n", 1)
    line, *rest = head.split(b"\r\n")
    method, target = line.split(b" ", 1)
    target = target.rsplit(b" ", 1)[0]
    fields = [tuple(part for part in field.split(b":", 1)) for field in rest]
    fields = [(key.lower(), value.strip(b" \t")) for key, value in fields]
    if (b"transfer-encoding", b"chunked") in [(key, value.lower()) for key, value in fields]:
        body = split_chunks(body)
    authority, path, hosts = authority_of(target, [value for key, value in fields if key == b"host"])
    lines = [(b":method", method), (b":scheme", b"http"), (b":authority", authority), (b":path", path)]
    if method == b"CONNECT":
        lines = [(b":method", method), (b":authority", authority)]
    lines = [pair for pair in lines if pair[1] is not None] + [(b"host", host) for host in hosts]
    return lines + [pair for pair in fields if pair[0] not in OF_CONNECTION + (b"host",)], body


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
