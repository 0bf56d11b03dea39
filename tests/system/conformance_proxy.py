"""The conformance tables of an intermediary: what goes on to a server, and what comes back.

HEARD: what a server hears of a request. SAID: what a client gets of what a server said. Rows
are bytes on one side and the verdict on the other, with the section that asks for it.
"""
from collections import namedtuple

# fields: (name, values in their order); () for a field that must not come. UPSTREAM stands for the
# server's own authority. h2: what differs over HTTP/2, None where it cannot be asked.
Heard = namedtuple("Heard", "section what sent line fields body trailers h2")
# asked: the method and further lines of the request. ends: the server closes behind it. status: None
# for a response that is cut.
Said = namedtuple("Said", "section what said status fields body asked ends interim trailers")

UPSTREAM = "UPSTREAM"


def heard(section, what, lines=(), path=b"/chaos/heard", method=b"GET", body=b"", line=None, fields=(), got="",
          trailers=(), version=b"1.1", h2=()):
    host = [] if any(text.lower().startswith(b"host:") for text in lines) else [b"Host: a"]
    sent = b"\r\n".join([b"%s %s HTTP/%s" % (method, path, version), *host, *lines]) + b"\r\n\r\n" + body
    return Heard(section, what, sent, line or "%s /heard HTTP/1.1" % method.decode(), fields, got, list(trailers), h2)


LENGTH = b"Content-Length: 3"
CHUNKED = b"Transfer-Encoding: chunked"
NONE = ()

HEARD = [
    # Who is asked, and with what words.
    heard("9112 3.2", "Host is the server's", fields=[("host", [UPSTREAM])]),
    heard("9112 3.2.1", "absolute-form becomes origin-form", path=b"http://a/chaos/heard"),
    heard("9112 3.2", "a query goes on as it came", path=b"/chaos/heard?a=%41&b", line="GET /heard?a=%41&b HTTP/1.1"),
    heard("9112 3.2", "an empty query goes on", path=b"/chaos/heard?", line="GET /heard? HTTP/1.1"),
    heard("9110 2.5", "a request of HTTP/1.0 becomes one of 1.1", version=b"1.0", fields=[("via", ["1.0 forebay"])], h2=None),
    heard("9110 9.1", "a method that is not known goes on", method=b"BREW"),
    heard("9110 9.3.2", "HEAD stays HEAD", method=b"HEAD", got=None),
    heard("9110 5.3", "fields of one name keep their order", [b"X-A: 1", b"X-B: 2", b"x-a: 3"], fields=[("x-a", ["1", "3"]), ("x-b", ["2"])]),
    heard("9110 5.5", "blanks around a value end here", [b"X-A: \t a b \t"], fields=[("x-a", ["a b"])]),
    heard("9110 5.5", "an empty value goes on", [b"X-A:"], fields=[("x-a", [""])]),
    heard("9110 5.5", "bytes above 127 go on", [b"X-A: \xe4\xff"], fields=[("x-a", ["\u00e4\u00ff"])], h2=None),
    heard("9110 7.6", "end-to-end fields go on", [b"Accept: a/b", b"Authorization: Basic eA==", b"Cookie: a=b", b"User-Agent: u"],
          fields=[("accept", ["a/b"]), ("authorization", ["Basic eA=="]), ("cookie", ["a=b"]), ("user-agent", ["u"])]),
    # Fields of one connection.
    heard("9110 7.6.1", "Connection: close is not the server's", [b"Connection: close"], fields=[("connection", NONE)]),
    heard("9110 7.6.1", "Connection: keep-alive ends here", [b"Connection: keep-alive", b"Keep-Alive: timeout=5"],
          fields=[("connection", NONE), ("keep-alive", NONE)]),
    heard("9110 7.6.1", "fields that Connection names end here", [b"Connection: X-A, x-b ,X-C", b"X-A: 1", b"X-B: 2", b"X-C: 3", b"X-D: 4"],
          fields=[("x-a", NONE), ("x-b", NONE), ("x-c", NONE), ("x-d", ["4"]), ("connection", NONE)], h2=None),
    heard("9110 7.6.1", "and behind them too", [b"X-A: 1", b"Connection: x-a"], fields=[("x-a", NONE)], h2=None),
    heard("9110 7.6.1", "named on two lines", [b"Connection: a", b"X-A: 1", b"Connection: X-A"], fields=[("x-a", NONE)], h2=None),
    heard("9110 7.6.1", "naming Content-Length takes no framing away", [b"Connection: Content-Length", LENGTH], method=b"POST", body=b"abc",
          fields=[("content-length", ["3"])], got="abc", h2=None),
    heard("9110 7.6.1", "naming Transfer-Encoding takes no framing away", [b"Connection: Transfer-Encoding", CHUNKED], method=b"POST",
          body=b"3\r\nabc\r\n0\r\n\r\n", fields=[("transfer-encoding", ["chunked"])], got="abc", h2=None),
    heard("9110 7.6.1", "naming Host takes no Host away", [b"Connection: Host"], fields=[("host", [UPSTREAM])], h2=None),
    heard("9110 7.6.1", "naming X-Forwarded-For takes ours not away", [b"Connection: X-Forwarded-For", b"X-Forwarded-For: 9.9.9.9"],
          fields=[("x-forwarded-for", ["127.0.0.1"])], h2=None),
    heard("9110 7.6.1", "Proxy-Connection ends here", [b"Proxy-Connection: keep-alive"], fields=[("proxy-connection", NONE)], h2=None),
    heard("9110 11.7.2", "Proxy-Authorization ends here", [b"Proxy-Authorization: Basic eA=="], fields=[("proxy-authorization", NONE)]),
    heard("9110 7.8", "Upgrade ends here", [b"Connection: Upgrade", b"Upgrade: websocket"], fields=[("upgrade", NONE), ("connection", NONE)], h2=None),
    heard("9110 7.8", "an Upgrade to h2c ends here", [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAAA"],
          fields=[("upgrade", NONE), ("http2-settings", NONE)], h2=None),
    heard("9110 10.1.4", "TE: trailers is said anew", [b"TE: trailers"], fields=[("te", ["trailers"]), ("connection", ["TE"])]),
    heard("9110 10.1.4", "other words of TE end here", [b"Connection: TE", b"TE: gzip;q=0.5, trailers"], fields=[("te", ["trailers"]), ("connection", ["TE"])], h2=None),
    heard("9110 10.1.4", "TE without trailers ends here", [b"Connection: TE", b"TE: gzip"], fields=[("te", NONE), ("connection", NONE)], h2=None),
    # Via and the like.
    heard("9110 7.6.3", "Via is written", fields=[("via", ["1.1 forebay"])], h2={"via": ["2.0 forebay"]}),
    heard("9110 7.6.3", "Via goes on and is added to", [b"Via: 1.0 fred, 1.1 p.example"], fields=[("via", ["1.0 fred, 1.1 p.example, 1.1 forebay"])],
          h2={"via": ["1.0 fred, 1.1 p.example, 2.0 forebay"]}),
    heard("9110 7.6.3", "Via on two lines is one list", [b"Via: 1.0 a", b"Via: 1.1 b"], fields=[("via", ["1.0 a, 1.1 b, 1.1 forebay"])],
          h2={"via": ["1.0 a, 1.1 b, 2.0 forebay"]}),
    heard("9110 7.6.2", "Max-Forwards of OPTIONS is one less", [b"Max-Forwards: 5"], method=b"OPTIONS", fields=[("max-forwards", ["4"])]),
    heard("9110 7.6.2", "Max-Forwards of TRACE is one less", [b"Max-Forwards: 1"], method=b"TRACE", fields=[("max-forwards", ["0"])]),
    heard("9110 7.6.2", "Max-Forwards of others is not looked at", [b"Max-Forwards: 0"], fields=[("max-forwards", ["0"])]),
    heard("9110 7.6.2", "Max-Forwards that is no number is not looked at", [b"Max-Forwards: x"], method=b"OPTIONS", fields=[("max-forwards", ["x"])]),
    heard("9110 10.1.1", "Expect is met here", [b"Expect: 100-continue", LENGTH], method=b"POST", body=b"abc", got="abc", fields=[("expect", NONE)]),
    # Bodies, which are framed anew.
    heard("9110 8.6", "a length goes on", [LENGTH], method=b"POST", body=b"abc", got="abc", fields=[("content-length", ["3"]), ("transfer-encoding", NONE)]),
    heard("9110 8.6", "a length is written anew", [b"Content-Length: 0003"], method=b"POST", body=b"abc", got="abc", fields=[("content-length", ["3"])]),
    heard("9110 8.6", "POST without a body says so", method=b"POST", fields=[("content-length", ["0"])]),
    heard("9110 8.6", "GET without a body says nothing", fields=[("content-length", NONE), ("transfer-encoding", NONE)]),
    heard("9110 9.3.1", "GET with a body", [LENGTH], body=b"abc", got="abc", fields=[("content-length", ["3"])]),
    heard("9112 7.1", "chunks go on as chunks", [CHUNKED], method=b"POST", body=b"1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n", got="abc",
          fields=[("transfer-encoding", ["chunked"]), ("content-length", NONE)]),
    heard("9112 7.1", "no chunks but the last", [CHUNKED], method=b"POST", body=b"0\r\n\r\n", fields=[("transfer-encoding", ["chunked"])], h2=None),
    heard("9112 7.1.2", "trailers go on", [CHUNKED], method=b"POST", body=b"3\r\nabc\r\n0\r\nX-Sum: 7\r\nX-Empty:\r\nX-Sum: \t8 \r\n\r\n", got="abc",
          trailers=[("X-Sum", "7"), ("X-Empty", ""), ("X-Sum", "8")]),
    heard("9110 6.5.1", "trailers that have a meaning before the body end here", [CHUNKED], method=b"POST",
          body=b"3\r\nabc\r\n0\r\nAuthorization: x\r\nCookie: a\r\nContent-Type: a/b\r\nX: y\r\n\r\n", got="abc", trailers=[("X", "y")]),
    heard("9110 6.5.1", "trailers that frame or route end here", [CHUNKED], method=b"POST",
          body=b"3\r\nabc\r\n0\r\nContent-Length: 9\r\nHost: b\r\nTransfer-Encoding: gzip\r\nX: y\r\n\r\n", got="abc", trailers=[("X", "y")], h2=None),
]


def said(section, what, text, status=200, fields=None, body=None, asked=(), method="GET", ends=False, interim=(), trailers=()):
    return Said(section, what, text, status, fields or {}, body, (method, *asked), ends, interim, list(trailers))


OK = b"HTTP/1.1 200 OK\r\n"
FIVE = b"Content-Length: 5\r\n"
PIECES = OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n0\r\n"

SAID = [
    # Framing.
    said("9112 6.3", "a length", OK + FIVE + b"\r\nHello", body=b"Hello", fields={"content-length": "5"}),
    said("9112 6.3", "a length with zeros before it", OK + b"Content-Length: 0005\r\n\r\nHello", body=b"Hello", fields={"content-length": "5"}),
    said("9112 6.3", "a length of nothing", OK + b"Content-Length: 0\r\n\r\n", body=b"", fields={"content-length": "0"}),
    said("9112 7.1", "chunks", PIECES + b"\r\n", body=b"Hello", fields={"content-length": None}),
    said("9112 7.1", "many chunks", OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 50 + b"0\r\n\r\n", body=b"a" * 50),
    said("9112 7.1.1", "chunk extensions end here", OK + b'Transfer-Encoding: chunked\r\n\r\n5;a="b"\r\nHello\r\n0;x\r\n\r\n', body=b"Hello"),
    said("9112 7", "a coding in capitals", OK + b"Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", body=b""),
    said("9112 6.3", "a body that ends with the connection", OK + b"\r\nHello", body=b"Hello", ends=True),
    said("9112 6.3", "the same in HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\nHello", body=b"Hello", ends=True),
    said("9112 6.3", "HTTP/1.0 with a length", b"HTTP/1.0 200 OK\r\n" + FIVE + b"\r\nHello", body=b"Hello", ends=True),
    said("9112 6.3", "HEAD with a length", OK + FIVE + b"\r\n", method="HEAD", fields={"content-length": "5"}, body=b""),
    said("9112 6.3", "HEAD with chunks", OK + b"Transfer-Encoding: chunked\r\n\r\n", method="HEAD", body=b""),
    said("9112 6.3", "204", b"HTTP/1.1 204 No Content\r\n\r\n", 204, fields={"content-length": None}),
    said("9112 6.3", "204 with a length of nothing", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, fields={"content-length": None}),
    said("9110 8.6", "204 with a length", b"HTTP/1.1 204 No Content\r\n" + FIVE + b"\r\nHello", 502),
    said("9112 6.1", "204 with a coding", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502),
    said("9110 15.4.5", "304 with a length", b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n" + FIVE + b"\r\n", 304, fields={"etag": '"a"'}, body=b""),
    said("9112 6.3", "a length and a coding", OK + FIVE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502),
    said("9112 6.3", "a coding and a length", OK + b"Transfer-Encoding: chunked\r\n" + FIVE + b"\r\n0\r\n\r\n", 502),
    said("9112 6.3", "two different lengths", OK + FIVE + b"Content-Length: 6\r\n\r\nHello!", 502),
    said("9112 6.3", "equal lengths twice", OK + FIVE + FIVE + b"\r\nHello", 502),
    said("9112 6.3", "a list of equal lengths", OK + b"Content-Length: 5, 5\r\n\r\nHello", 502),
    said("9112 6.3", "a length that is no number", OK + b"Content-Length: five\r\n\r\nHello", 502),
    said("9112 6.3", "a negative length", OK + b"Content-Length: -5\r\n\r\nHello", 502),
    said("9112 6.1", "a coding that was not asked for", OK + b"Transfer-Encoding: gzip\r\n\r\nHello", 502, ends=True),
    said("9112 6.1", "gzip and chunked", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 502),
    said("9112 6.1", "a coding in HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502),
    # Incomplete (RFC 9112 8).
    said("9112 8", "a body that is cut", OK + FIVE + b"\r\nHel", None, ends=True),
    said("9112 8", "chunks that are cut", PIECES[:-3], None, ends=True),
    said("9112 8", "chunks without the last line", PIECES, None, ends=True),
    said("9112 8", "a head that is cut", OK + b"Content-Len", 502, ends=True),
    said("9112 8", "a status line that is cut", b"HTTP/1.1 2", 502, ends=True),
    said("9112 7.1", "a chunk size that is no number", OK + b"Transfer-Encoding: chunked\r\n\r\nx\r\nHello\r\n0\r\n\r\n", None),
    said("9112 7.1", "a chunk that is longer than its size", OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nHello\r\n0\r\n\r\n", None),
    said("9112 7.1.2", "a trailer that is folded", PIECES + b"X: a\r\n b\r\n\r\n", None),
    # The head.
    said("9112 4", "no phrase", b"HTTP/1.1 200 \r\n" + FIVE + b"\r\nHello", body=b"Hello"),
    said("9112 4", "a phrase of bytes above 127", b"HTTP/1.1 200 \xe4\xff\r\n" + FIVE + b"\r\nHello", body=b"Hello"),
    said("9112 4", "a phrase with a control", b"HTTP/1.1 200 O\x01K\r\n" + FIVE + b"\r\nHello", 502),
    said("9112 4", "a status of two digits", b"HTTP/1.1 99 x\r\n\r\n", 502),
    said("9110 15", "a status above 599", b"HTTP/1.1 600 x\r\n" + FIVE + b"\r\nHello", 502),
    said("9110 15", "a status that nobody knows", b"HTTP/1.1 299 x\r\n" + FIVE + b"\r\nHello", 299, body=b"Hello"),
    said("9112 2.3", "HTTP/2.0", b"HTTP/2.0 200 OK\r\n" + FIVE + b"\r\nHello", 502),
    said("9112 2.3", "no HTTP", b"ICY 200 OK\r\n" + FIVE + b"\r\nHello", 502),
    said("9112 2.2", "lines that end with LF alone", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nHello", 502),
    said("9112 5.1", "a blank before the colon", OK + b"X : 1\r\n" + FIVE + b"\r\nHello", 502),
    said("9112 5.2", "a folded line", OK + b"X: 1\r\n 2\r\n" + FIVE + b"\r\nHello", 502),
    said("9110 5.5", "NUL in a value", OK + b"X: a\0b\r\n" + FIVE + b"\r\nHello", 502),
    said("9110 5.5", "a bare CR in a value", OK + b"X: a\rb\r\n" + FIVE + b"\r\nHello", 502),
    said("9110 5.1", "a name that is no token", OK + b"X(: a\r\n" + FIVE + b"\r\nHello", 502),
    # What belongs to the server's connection.
    said("9110 7.6.1", "Connection and Keep-Alive end here", OK + b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n" + FIVE + b"\r\nHello",
         fields={"keep-alive": None, "connection": None}),
    said("9110 7.6.1", "close ends the server's connection alone", OK + b"Connection: close\r\n" + FIVE + b"\r\nHello", fields={"connection": None}, ends=True),
    said("9110 7.6.1", "fields that Connection names end here of responses", OK + b"Connection: X-A\r\nX-A: 1\r\nX-B: 2\r\n" + FIVE + b"\r\nHello",
         fields={"x-a": None, "x-b": "2"}),
    said("9110 7.6.1", "Proxy-Connection ends here of responses", OK + b"Proxy-Connection: close\r\n" + FIVE + b"\r\nHello", fields={"proxy-connection": None}),
    said("9110 7.8", "Upgrade ends here of responses", OK + b"Upgrade: h2c\r\nConnection: Upgrade\r\n" + FIVE + b"\r\nHello", fields={"upgrade": None}),
    said("9110 15.2.2", "101 that nobody asked for", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", 502),
    said("9110 10.1.4", "TE and Trailer end here", OK + b"TE: x\r\nTrailer: X-Sum\r\n" + FIVE + b"\r\nHello", fields={"te": None, "trailer": None}),
    # What does not.
    said("9110 6.6.1", "Date of the server's stands", OK + b"Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n" + FIVE + b"\r\nHello",
         fields={"date": "Mon, 01 Jan 2024 00:00:00 GMT"}),
    said("9110 10.2.4", "Server stands", OK + b"Server: other/1\r\n" + FIVE + b"\r\nHello", fields={"server": "other/1"}),
    said("9110 7.6.3", "Via of responses stands, and a gateway need not add to it", OK + b"Via: 1.1 a\r\n" + FIVE + b"\r\nHello", fields={"via": "1.1 a"}),
    said("9110 5.5", "bytes above 127 in a value", OK + b"X: \xe4\r\n" + FIVE + b"\r\nHello", fields={"x": "\u00e4"}),
    # Interim responses.
    said("9110 15.2.1", "100 that nobody waits for", b"HTTP/1.1 100 Continue\r\n\r\n" + OK + FIVE + b"\r\nHello", body=b"Hello"),
    said("9110 15.2", "103 goes on", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nX: 1\r\n\r\n" + OK + FIVE + b"\r\nHello", body=b"Hello", interim=(103,)),
    said("9110 15.2", "two that go on", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK + FIVE + b"\r\nHello",
         body=b"Hello", interim=(103, 102)),
    said("9110 15.2", "an interim response with a length", b"HTTP/1.1 103 Early Hints\r\n" + FIVE + b"\r\n" + OK + FIVE + b"\r\nHello", 502),
    said("9110 15.2", "more than eight", b"HTTP/1.1 100 Continue\r\n\r\n" * 9 + OK + FIVE + b"\r\nHello", 502),
    # Trailers.
    said("9110 6.5.1", "trailers for who takes them", PIECES + b"X-Sum: 1\r\nX-B: \r\n\r\n", body=b"Hello", asked=["TE: trailers"],
         trailers=[("X-Sum", "1"), ("X-B", "")]),
    said("9110 6.5.1", "trailers for who has not said so", PIECES + b"X-Sum: 1\r\n\r\n", body=b"Hello"),
    said("9110 6.5.1", "trailers that have a meaning before the body", PIECES + b"Content-Length: 3\r\nSet-Cookie: a=b\r\nX-Sum: 1\r\n\r\n", body=b"Hello",
         asked=["TE: trailers"], trailers=[("X-Sum", "1")]),
    said("9110 6.5.1", "trailers behind an empty body", OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n", body=b"", asked=["TE: trailers"],
         trailers=[("X-Sum", "1")]),
]


def name(row):
    return "RFC %s: %s" % row[:2]
