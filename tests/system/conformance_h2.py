"""Requests of HTTP/1.1 as HTTP/2 asks them (RFC 9113 8.3.1)."""

# RFC 9113 8.2.2: fields of one connection have no place in HTTP/2.
OF_CONNECTION = (b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"http2-settings", b"te")


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
