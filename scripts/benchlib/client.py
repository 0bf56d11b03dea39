"""A small HTTP/1.1 client: whole responses over a socket, and requests one after another."""
import socket
import time


def read_response(s):
    """One response with a Content-Length, head and body, as bytes."""
    text = b""
    while b"\r\n\r\n" not in text:
        more = s.recv(65536)
        if not more:
            raise OSError("closed before a whole response: %r" % text[:80])
        text += more
    head, body = text.split(b"\r\n\r\n", 1)
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, value = line.split(b":", 1)
        if name.lower() == b"content-length":
            length = int(value)
    pieces, got = [body], len(body)
    while got < length:
        more = s.recv(1 << 20)
        if not more:
            raise OSError("closed inside a body")
        pieces.append(more)
        got += len(more)
    return head + b"\r\n\r\n" + b"".join(pieces)


def request(path):
    """The bytes of a GET."""
    return b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path.encode()


def get(port, path, timeout=5):
    """One request over a connection of its own: the whole response as bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout) as s:
        s.sendall(request(path))
        return read_response(s)


def post(port, path, body, timeout):
    """The same with a body."""
    with socket.create_connection(("127.0.0.1", port), timeout) as s:
        s.sendall(b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(body)) + body)
        return read_response(s)


def one_after_another(port, paths, seconds):
    """How long it takes to get all paths in turn over one connection: seconds, again and again.

    What a client does that has nobody to ask for it. It is alone and waits for each answer, so
    there is no request that was meant to be sent earlier.
    """
    took, end = [], time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", port), 30) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not took or time.monotonic() < end:
            start = time.monotonic()
            for path in paths:
                s.sendall(request(path))
                response = read_response(s)
                if not response.startswith(b"HTTP/1.1 200 "):
                    raise OSError("%s: %r" % (path, response[:80]))
            took.append(time.monotonic() - start)
    return took
