"""The conformance tables: what is sent, and the one right answer, each with its section.

"9112 3.2" is section 3.2 of RFC 9112. The tables are data: test_11_conformance.py says every
row whole, byte by byte, in two halves and behind a good request, and test_21_conformance.py
says the same over HTTP/2 where it can be said there.
"""
from collections import namedtuple

# What is sent to the server itself. keeps: the connection goes on behind the answer. fields: of the
# answer, None for one that must not be there. interim: 100 comes, unless the body came first.
# h2: the same may be asked over HTTP/2.
Row = namedtuple("Row", "section what sent status keeps fields body interim h2")

CONF = """
[limits]
max_header_bytes = 2k
max_headers = 20
max_uri = 512
max_body = 64k

[upstream chaos]
servers = http://%s

[route hello]
match = GET /hello
source = fixed
body = Hello.

[route posted]
match = POST /hello
source = fixed
body = Posted.

[route named]
match = GET /hello
host = other.test
source = fixed
body = Other.

[route slash]
match = GET /
source = fixed
body = Root.

[route parent]
match = GET /with/{name}
source = fixed
body = Slash.

[route empty]
match = GET /empty
source = fixed
status = 204

[route old]
match = GET /old
source = fixed
status = 304

[route echo]
match = * /echo
source = echo

[route digest]
match = POST /digest
source = compute digest

[route proxy]
match = * /chaos/{path...}
source = upstream chaos
path = /{path}
"""

HOST = b"Host: a\r\n"
GET = b"GET /hello HTTP/1.1\r\n"
POST = b"POST /echo HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
PIECES = CHUNKED.replace(b"/echo", b"/digest")  # where nothing is answered before all of it has come
OLD = b"GET /hello HTTP/1.0\r\n"


def get(target, version=b"HTTP/1.1", method=b"GET"):
    return method + b" " + target + b" " + version + b"\r\n" + HOST + b"\r\n"


def with_lines(*lines):
    return GET + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def refused(section, what, sent, status, h2=True):
    """Refused by the message alone; the connection ends."""
    return Row(section, what, sent, status, False, {}, None, (), h2)


def answered(section, what, sent, status=200, body=None, keeps=True, fields=None, interim=(), h2=True):
    return Row(section, what, sent, status, keeps, fields or {}, body, interim, h2)


H1 = False  # in the place of h2: only HTTP/1 has it

REFUSED = [refused(*row) for row in [
    # The request line.
    ("9112 2.2", "two empty lines before it", b"\r\n\r\n" + get(b"/hello"), 400, H1),
    ("9112 2.2", "a bare LF before it", b"\n" + get(b"/hello"), 400, H1),
    ("9112 2.2", "lines that end with LF alone", b"GET /hello HTTP/1.1\nHost: a\n\n", 400, H1),
    ("9112 2.2", "a bare CR at the end of it", b"GET /hello HTTP/1.1\rHost: a\r\n\r\n", 400, H1),
    ("9112 2.2", "CR twice at the end of it", b"GET /hello HTTP/1.1\r\r\nHost: a\r\n\r\n", 400, H1),
    ("9112 2.2", "a space before it", b" " + get(b"/hello"), 400, H1),
    ("9112 2.2", "a blank before the first field", GET + b" Host: a\r\n\r\n", 400, H1),
    ("9112 2.2", "a line of blanks before the first field", GET + b" \r\nHost: a\r\n\r\n", 400, H1),
    ("9112 3", "no version", b"GET /hello\r\n" + HOST + b"\r\n", 400, H1),
    ("9112 3", "two spaces behind the method", get(b" /hello"), 400, H1),
    ("9112 3", "two spaces behind the target", get(b"/hello "), 400, H1),
    ("9112 3", "a tab for a space", b"GET\t/hello HTTP/1.1\r\n" + HOST + b"\r\n", 400, H1),
    ("9112 3", "a tab behind the target", b"GET /hello\tHTTP/1.1\r\n" + HOST + b"\r\n", 400, H1),
    ("9112 3", "a form feed for a space", b"GET\x0c/hello HTTP/1.1\r\n" + HOST + b"\r\n", 400, H1),
    ("9112 3", "a space behind the version", get(b"/hello", b"HTTP/1.1 "), 400, H1),
    ("9112 3", "a fourth word", get(b"/hello", b"HTTP/1.1 x"), 400, H1),
    ("9112 3", "TLS instead of HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32), 400, H1),
    ("9112 3.1", "a method that is no token", get(b"/hello", method=b"G@T"), 400),
    ("9112 3.1", "a method with a control", get(b"/hello", method=b"G\x01T"), 400, H1),
    ("9112 3.1", "no method", b" /hello HTTP/1.1\r\n" + HOST + b"\r\n", 400, H1),
    ("9112 3.1", "NUL before the method", b"\0" + get(b"/hello"), 400, H1),
    ("9113 3.4", "almost HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r ", 505, H1),
    # The version.
    ("9110 2.5", "HTTP/2.0", get(b"/hello", b"HTTP/2.0"), 505, H1),
    ("9110 2.5", "HTTP/1.2", get(b"/hello", b"HTTP/1.2"), 505, H1),
    ("9110 2.5", "HTTP/0.9", get(b"/hello", b"HTTP/0.9"), 505, H1),
    ("9110 2.5", "HTTP/9.9", get(b"/hello", b"HTTP/9.9"), 505, H1),
    ("9112 2.3", "a version of two digits", get(b"/hello", b"HTTP/1.10"), 400, H1),
    ("9112 2.3", "a version of three numbers", get(b"/hello", b"HTTP/1.1.1"), 400, H1),
    ("9112 2.3", "a version without a dot", get(b"/hello", b"HTTP/11"), 400, H1),
    ("9112 2.3", "a version of one number", get(b"/hello", b"HTTP/1"), 400, H1),
    ("9112 2.3", "a version with a sign", get(b"/hello", b"HTTP/+1.1"), 400, H1),
    ("9112 2.3", "a blank in the version", get(b"/hello", b"HTTP/ 1.1"), 400, H1),
    ("9112 2.3", "a version in small letters", get(b"/hello", b"http/1.1"), 400, H1),
    ("9112 2.3", "another protocol", get(b"/hello", b"HTTQ/1.1"), 400, H1),
    ("9112 2.3", "a longer protocol", get(b"/hello", b"HTTPS/1.1"), 400, H1),
    # The target.
    ("9112 3.2.1", "a path without a slash", get(b"hello"), 400),
    ("9112 3.2.2", "absolute-form of another scheme", get(b"ftp://a/hello"), 400, H1),
    ("9112 3.2.2", "absolute-form with one slash", get(b"http:/hello"), 400, H1),
    ("9112 3.2.2", "absolute-form without slashes", get(b"http:hello"), 400, H1),
    ("9112 3.2.2", "absolute-form with a port that is no number", get(b"http://a:x/hello"), 400, H1),
    ("9112 3.2.2", "absolute-form with a port above 65535", get(b"http://a:65536/hello"), 400, H1),
    ("9112 3.2.2", "absolute-form with half an IPv6 address", get(b"http://[::1/hello"), 400, H1),
    ("9112 3.2.3", "authority-form without CONNECT", get(b"a:80"), 400, H1),
    ("9112 3.2.3", "CONNECT", b"CONNECT a:80 HTTP/1.1\r\n" + HOST + b"\r\n", 501),
    ("9110 9.3.6", "CONNECT with a path", get(b"/hello", method=b"CONNECT"), 501, H1),
    ("9110 9.3.6", "CONNECT in HTTP/1.0", b"CONNECT a:80 HTTP/1.0\r\n\r\n", 501, H1),
    ("9112 3.2.4", "* with GET", get(b"*"), 400),
    ("9112 3.2.4", "* with POST", get(b"*", method=b"POST"), 400),
    ("9112 3.2.4", "* and a path with OPTIONS", get(b"*/hello", method=b"OPTIONS"), 400),
    ("9110 4.2.1", "absolute-form without a host", get(b"http:///hello"), 400, H1),
    ("9110 4.2.4", "absolute-form with userinfo", get(b"http://u@a/hello"), 400, H1),
    ("9110 4.2.4", "absolute-form with a password", get(b"http://u:p@a/hello"), 400, H1),
    ("9112 3.2", "a fragment", get(b"/hello#x"), 400),
    ("9112 3.2", "an empty fragment", get(b"/hello#"), 400),
    ("9112 3.2", "a bare CR in the target", get(b"/hel\rlo"), 400),
    ("9112 3.2", "a bare LF in the target", get(b"/hel\nlo"), 400),
    ("3986 2", "a byte above 127", get(b"/hello\x80"), 400),
    ("3986 2", "a letter in UTF-8", get("/h\u00e9llo".encode()), 400),
    ("3986 2", "a control", get(b"/hel\x01lo"), 400),
    ("3986 2", "DEL", get(b"/hel\x7flo"), 400),
    ("3986 2", "NUL", get(b"/hel\0lo"), 400),
    ("3986 2", "a backslash", get(b"/hel\\lo"), 400),
    ("3986 2", "an angle bracket", get(b"/hel<lo"), 400),
    ("3986 2", "a quote in the path", get(b'/hel"lo'), 400),
    ("3986 3.4", "a quote in the query", get(b'/hello?"'), 400),
    ("3986 3.4", "a control in the query", get(b"/hello?\x01"), 400),
    ("3986 3.4", "an angle bracket in the query", get(b"/hello?<"), 400),
    ("3986 2.1", "an escape that is none", get(b"/he%zzllo"), 400),
    ("3986 2.1", "half an escape", get(b"/hello%2"), 400),
    ("3986 2.1", "a percent sign at the end", get(b"/hello%"), 400),
    ("3986 2.1", "an escape of one digit", get(b"/hel%4/lo"), 400),
    ("3986 7.3", "an escaped NUL", get(b"/he%00llo"), 400),
    ("3986 6.2.2.3", "above the root", get(b"/../hello"), 400),
    ("3986 6.2.2.3", "above the root by an empty path", get(b"/a/../../hello"), 400),
    ("3986 6.2.2.3", "above the root, escaped", get(b"/%2e%2e/hello"), 400),
    ("3986 6.2.2.3", "above the root, half escaped", get(b"/.%2E/hello"), 400),
    ("9110 15.5.15", "a target above max_uri", get(b"/" + b"a" * 600), 414),
    ("9110 15.5.15", "a query above max_uri", get(b"/hello?" + b"a" * 600), 414),
    ("9110 15.5.15", "a target that does not end", b"GET /" + b"a" * 1000, 414, H1),
    # Host.
    ("9112 3.2", "no Host", GET + b"\r\n", 400),
    ("9112 3.2", "no Host beside absolute-form", b"GET http://a/hello HTTP/1.1\r\n\r\n", 400, H1),
    ("9112 3.2", "Host twice", GET + HOST + HOST + b"\r\n", 400),
    ("9112 3.2", "two different Hosts", GET + HOST + b"Host: b\r\n\r\n", 400),
    ("9112 3.2", "Host twice in HTTP/1.0", OLD + HOST + HOST + b"\r\n", 400, H1),
    ("9112 3.2", "a malformed Host beside absolute-form", b"GET http://a/hello HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, H1),
    ("9110 7.2", "a path in Host", GET + b"Host: a/b\r\n\r\n", 400),
    ("9110 7.2", "a scheme in Host", GET + b"Host: http://a\r\n\r\n", 400),
    ("9110 7.2", "a space in Host", GET + b"Host: a b\r\n\r\n", 400),
    ("9110 7.2", "userinfo in Host", GET + b"Host: u@a\r\n\r\n", 400),
    ("9110 7.2", "a query in Host", GET + b"Host: a?b\r\n\r\n", 400),
    ("9110 7.2", "a backslash in Host", GET + b"Host: a\\b\r\n\r\n", 400),
    ("3986 3.2.3", "a port above 65535 in Host", GET + b"Host: a:99999\r\n\r\n", 400),
    ("3986 3.2.3", "a port that is no number in Host", GET + b"Host: a:b\r\n\r\n", 400),
    ("3986 3.2.3", "two ports in Host", GET + b"Host: a:1:2\r\n\r\n", 400),
    ("3986 3.2.2", "half an IPv6 address in Host", GET + b"Host: [::1\r\n\r\n", 400),
    ("3986 3.2.2", "an IPv6 address without brackets in Host", GET + b"Host: ::1\r\n\r\n", 400),
    ("3986 3.2.2", "half an escape in Host", GET + b"Host: a%2\r\n\r\n", 400),
    ("3986 3.2.2", "a byte above 127 in Host", GET + b"Host: a\xe9\r\n\r\n", 400),
    # Field lines.
    ("9112 5.1", "a blank before the colon", with_lines(b"X : 1"), 400),
    ("9112 5.1", "a tab before the colon", with_lines(b"X\t: 1"), 400),
    ("9112 5.1", "a blank before the colon of Host", GET + b"Host : a\r\n\r\n", 400, H1),
    ("9112 5", "no colon", with_lines(b"X"), 400, H1),
    ("9112 5", "no name", with_lines(b": 1"), 400, H1),
    ("9112 5.2", "a folded line", with_lines(b"X: 1", b" 2"), 400, H1),
    ("9112 5.2", "a line that is folded with a tab", with_lines(b"X: 1", b"\t2"), 400, H1),
    ("9112 5.2", "a folded Host", GET + b"Host:\r\n a\r\n\r\n", 400, H1),
    ("9112 5.2", "a folded coding", POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400, H1),
    ("9110 5.1", "a name that is no token", with_lines(b"X(: 1"), 400),
    ("9110 5.1", "a slash in a name", with_lines(b"X/Y: 1"), 400),
    ("9110 5.1", "a quote in a name", with_lines(b'"X": 1'), 400),
    ("9110 5.1", "a byte above 127 in a name", with_lines(b"X\x80: 1"), 400, H1),
    ("9110 5.1", "NUL in a name", with_lines(b"X\0Y: 1"), 400),
    ("9110 5.1", "a name of 20 letters that is no token", with_lines(b"Xxxxxxxxxxxxxxxxxx@x: 1"), 400),
    ("9110 5.5", "NUL in a value", with_lines(b"X: a\0b"), 400),
    ("9110 5.5", "a bare CR in a value", with_lines(b"X: a\rb"), 400),
    ("9110 5.5", "a bare LF in a value", with_lines(b"X: a\nY: b"), 400),
    ("9110 5.5", "a control in a value", with_lines(b"X: a\x01b"), 400),
    ("9110 5.5", "DEL in a value", with_lines(b"X: a\x7fb"), 400),
    ("9110 5.5", "a control far in a value", with_lines(b"X: " + b"a" * 40 + b"\x02"), 400),
    ("9110 5.3", "Content-Type twice", with_lines(b"Content-Type: a/a", b"Content-Type: b/b"), 400),
    ("9110 5.3", "Authorization twice", with_lines(b"Authorization: a b", b"Authorization: a c"), 400),
    ("6585 5", "a head above max_header_bytes", with_lines(b"X: " + b"a" * 3000), 431),
    ("6585 5", "a head that does not end", GET + HOST + b"X: " + b"a" * 3000, 431, H1),
    ("6585 5", "a name that does not end", GET + HOST + b"a" * 3000, 431, H1),
    ("6585 5", "a method that does not end", b"A" * 3000, 431, H1),
    ("6585 5", "fields above max_headers", with_lines(*[b"X: 1"] * 20), 431, H1),
    # How long the body is.
    ("9110 8.6", "a length that is no number", POST + b"Content-Length: x\r\n\r\n", 400),
    ("9110 8.6", "a negative length", POST + b"Content-Length: -1\r\n\r\n", 400),
    ("9110 8.6", "a length with a sign", POST + b"Content-Length: +1\r\n\r\na", 400),
    ("9110 8.6", "a length in hexadecimal", POST + b"Content-Length: 0x1\r\n\r\na", 400),
    ("9110 8.6", "a length with a fraction", POST + b"Content-Length: 1.0\r\n\r\na", 400),
    ("9110 8.6", "a length with an exponent", POST + b"Content-Length: 1e0\r\n\r\na", 400),
    ("9110 8.6", "a length in quotes", POST + b'Content-Length: "1"\r\n\r\na', 400),
    ("9110 8.6", "a length with a parameter", POST + b"Content-Length: 1;x\r\n\r\na", 400),
    ("9110 8.6", "a length with a blank in it", POST + b"Content-Length: 1 1\r\n\r\na", 400),
    ("9110 8.6", "an empty length", POST + b"Content-Length:\r\n\r\n", 400),
    ("9110 8.6", "a length above 64 bits", POST + b"Content-Length: 18446744073709551616\r\n\r\na", 400),
    ("9110 8.6", "a length above 63 bits", POST + b"Content-Length: 9223372036854775808\r\n\r\na", 400),
    ("9112 6.3", "a list of equal lengths", POST + b"Content-Length: 1, 1\r\n\r\na", 400),
    ("9112 6.3", "equal lengths twice", POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
    ("9112 6.3", "two different lengths", POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    ("9112 6.3", "a length, then a coding", POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, H1),
    ("9112 6.3", "a coding, then a length", POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400, H1),
    ("9112 6.3", "a length of nothing beside a coding", POST + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, H1),
    ("9112 6.1", "a coding in HTTP/1.0", b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, H1),
    ("9112 6.1", "a coding that is not known", POST + b"Transfer-Encoding: gzip\r\n\r\n", 501, H1),
    ("9112 6.1", "identity", POST + b"Transfer-Encoding: identity\r\n\r\n", 501, H1),
    ("9112 6.1", "almost chunked", POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501, H1),
    ("9112 6.1", "chunked and another", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, H1),
    ("9112 6.1", "chunked not last", POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400, H1),
    ("9112 6.1", "chunked twice", POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400, H1),
    ("9112 6.1", "chunked on two lines", POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", 400, H1),
    ("9112 6.1", "chunked behind a comma", POST + b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", 400, H1),
    ("9112 6.1", "chunked in quotes", POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', 400, H1),
    ("9112 7", "chunked with a parameter", POST + b"Transfer-Encoding: chunked;x=1\r\n\r\n0\r\n\r\n", 400, H1),
    ("9112 6.1", "a control before chunked", POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400, H1),
    ("9112 6.1", "an empty coding", POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400, H1),
    ("9112 5.1", "a blank behind Transfer-Encoding", POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400, H1),
    ("9110 10.1.1", "an expectation that is not known", POST + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\na", 417),
    ("9110 10.1.1", "two expectations", POST + b"Expect: 100-continue, x\r\nContent-Length: 1\r\n\r\na", 417),
    ("9110 10.1.1", "an expectation with a parameter", POST + b"Expect: 100-continue;a=b\r\nContent-Length: 1\r\n\r\na", 417),
    # Chunks.
    ("9112 7.1", "a chunk size that is no number", PIECES + b"x\r\n", 400, H1),
    ("9112 7.1", "a chunk size of a letter behind F", PIECES + b"1g\r\n", 400, H1),
    ("9112 7.1", "no chunk size", PIECES + b"\r\n", 400, H1),
    ("9112 7.1", "a negative chunk size", PIECES + b"-1\r\n", 400, H1),
    ("9112 7.1", "a chunk size with a sign", PIECES + b"+1\r\na\r\n", 400, H1),
    ("9112 7.1", "a chunk size with 0x", PIECES + b"0x1\r\na\r\n", 400, H1),
    ("9112 7.1", "a blank before a chunk size", PIECES + b" 1\r\na\r\n", 400, H1),
    ("9112 7.1", "a blank behind a chunk size", PIECES + b"1 \r\na\r\n", 400, H1),
    ("9112 7.1", "a comma behind a chunk size", PIECES + b"1,\r\na\r\n", 400, H1),
    ("9112 7.1", "a chunk size that ends with LF", PIECES + b"1\na\r\n", 400, H1),
    ("9112 7.1", "a chunk size that ends with CR CR LF", PIECES + b"1\r\r\na\r\n", 400, H1),
    ("9112 7.1", "a chunk size above 64 bits", PIECES + b"11111111111111111\r\n", 400, H1),
    ("9112 7.1", "a chunk size of 64 bits", PIECES + b"ffffffffffffffff\r\n", 400, H1),
    ("9112 7.1", "a chunk longer than its size", PIECES + b"1\r\nab\r\n", 400, H1),
    ("9112 7.1", "a chunk shorter than its size", PIECES + b"3\r\na\r\n0\r\n\r\n", 400, H1),
    ("9112 7.1", "a chunk that ends with LF", PIECES + b"1\r\na\n0\r\n\r\n", 400, H1),
    ("9112 7.1", "a last chunk that ends with LF", PIECES + b"0\n\n", 400, H1),
    ("9112 7.1", "something behind the last chunk", PIECES + b"0\r\n\rX", 400, H1),
    ("9112 7.1.1", "LF in a chunk extension", PIECES + b"1;x\nb\r\na\r\n0\r\n\r\n", 400, H1),
    ("9112 7.1.1", "an extension without a name", PIECES + b"1;\r\na\r\n0\r\n\r\n", 400, H1),
    ("9112 7.1.1", "an extension with a value alone", PIECES + b"1;=x\r\na\r\n0\r\n\r\n", 400, H1),
    ("9112 7.1.1", "an extension with an empty value", PIECES + b"1;x=\r\na\r\n0\r\n\r\n", 400, H1),
    ("9112 7.1.1", "a blank in an extension", PIECES + b"1; x\r\na\r\n0\r\n\r\n", 400, H1),
    ("9112 7.1.1", "a quote that does not end", PIECES + b'1;x="\r\na\r\n0\r\n\r\n', 400, H1),
    ("9112 7.1.1", "extensions without end", PIECES + b"1;" + b"x" * 9000 + b"\r\n", 413, H1),
    ("9112 7.1.2", "a blank before a trailer's colon", PIECES + b"0\r\nX : 1\r\n\r\n", 400, H1),
    ("9112 7.1.2", "a trailer without a colon", PIECES + b"0\r\nX\r\n\r\n", 400, H1),
    ("9112 7.1.2", "a trailer line that is folded", PIECES + b"0\r\n X: 1\r\n\r\n", 400, H1),
    ("9112 7.1.2", "a second trailer line that is folded", PIECES + b"0\r\nX: 1\r\n y\r\n\r\n", 400, H1),
    ("9112 7.1.2", "NUL in a trailer", PIECES + b"0\r\nX: a\0\r\n\r\n", 400, H1),
    ("9112 7.1.2", "a bare LF in a trailer", PIECES + b"0\r\nX: a\nY: b\r\n\r\n", 400, H1),
    ("9112 7.1.2", "trailers without end", PIECES + b"0\r\nX: " + b"y" * 9000 + b"\r\n", 413, H1),
    # Too much.
    ("9110 15.5.14", "a length above max_body", POST + b"Content-Length: 100000\r\n\r\n", 413, H1),
    ("9110 15.5.14", "a length above max_body, not wanted", GET + HOST + b"Content-Length: 100000\r\n\r\n", 413, H1),
    ("9110 15.5.14", "a length above max_body, and an expectation",
     POST + b"Expect: 100-continue\r\nContent-Length: 100000\r\n\r\n", 413, H1),
    ("9110 15.5.14", "chunks above max_body", PIECES + (b"4000\r\n" + b"a" * 0x4000 + b"\r\n") * 5, 413, H1),
]]

ANSWERED = [
    # The request line and the target.
    answered("9112 2.2", "an empty line before it", b"\r\n" + get(b"/hello"), body=b"Hello."),
    answered("9112 3.2.1", "origin-form", get(b"/hello"), body=b"Hello.", fields={"content-length": "6", "connection": None, "transfer-encoding": None}),
    answered("9112 3.2.1", "origin-form with a query", get(b"/hello?a=b"), body=b"Hello."),
    answered("9112 3.2.1", "the root", get(b"/"), body=b"Root."),
    answered("9112 3.2.2", "absolute-form", get(b"http://a/hello"), body=b"Hello."),
    answered("9112 3.2.2", "absolute-form goes before Host", get(b"http://other.test/hello"), body=b"Other."),
    answered("9112 3.2.2", "absolute-form with another Host", b"GET http://a/hello HTTP/1.1\r\nHost: other.test\r\n\r\n", body=b"Hello."),
    answered("9112 3.2.2", "absolute-form with an empty Host", b"GET http://other.test/hello HTTP/1.1\r\nHost:\r\n\r\n", body=b"Other."),
    answered("9112 3.2.2", "absolute-form with a port", get(b"http://other.test:80/hello"), body=b"Other."),
    answered("9112 3.2.2", "absolute-form of https", get(b"https://other.test/hello"), body=b"Other."),
    answered("9112 3.2.2", "absolute-form with a query and no path", get(b"http://a?b"), body=b"Root."),
    answered("9112 3.2.2", "absolute-form with an IPv6 address", get(b"http://[::1]:80/hello"), body=b"Hello."),
    answered("9112 3.2.2", "absolute-form in HTTP/1.0", b"GET http://other.test/hello HTTP/1.0\r\n\r\n", body=b"Other.", keeps=False, h2=H1),
    answered("9110 4.2.3", "a scheme in capitals", get(b"HTTP://a/hello"), body=b"Hello."),
    answered("9110 4.2.3", "a host in capitals", get(b"http://OTHER.Test/hello"), body=b"Other."),
    answered("9110 4.2.3", "an empty path is the root", get(b"http://a"), body=b"Root."),
    answered("9112 3.2.4", "OPTIONS *", get(b"*", method=b"OPTIONS"), 204, fields={"content-length": None, "transfer-encoding": None}),
    answered("9112 3.2.4", "OPTIONS of an authority", get(b"http://a", method=b"OPTIONS"), 204, h2=H1),
    answered("9110 9.3.7", "OPTIONS * with a body", b"OPTIONS * HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc", 204),
    answered("9110 9.3.7", "OPTIONS * with Max-Forwards", b"OPTIONS * HTTP/1.1\r\n" + HOST + b"Max-Forwards: 0\r\n\r\n", 204),
    answered("3986 3.3", "a path of all that may stand there", get(b"/-._~!$&'()*+,;=:@/%20"), 404),
    answered("3986 3.3", "a path that begins with two slashes", get(b"//a/hello"), 404),
    answered("3986 3.4", "a query of all that may stand there", get(b"/hello?-._~!$&'()*+,;=:@/?%20"), body=b"Hello."),
    answered("3986 3.4", "an empty query", get(b"/hello?"), body=b"Hello."),
    answered("3986 3.4", "two question marks", get(b"/hello??a"), body=b"Hello."),
    answered("3986 6.2.2.1", "an escape in small letters", get(b"/with/a%2fslash"), body=b"Slash."),
    answered("3986 6.2.2.2", "escaped letters", get(b"/h%65ll%6F"), body=b"Hello."),
    answered("3986 2.2", "an escaped slash is none", get(b"/with%2Fa%2Fslash"), 404),
    answered("3986 6.2.2.3", "dot segments", get(b"/a/../hello"), body=b"Hello."),
    answered("3986 6.2.2.3", "single dots", get(b"/./hello"), body=b"Hello."),
    answered("3986 6.2.2.3", "escaped dot segments", get(b"/a/%2e%2E/hello"), body=b"Hello."),
    answered("9110 15.5.5", "a path without a route", get(b"/nope"), 404, fields={"content-type": "text/plain"}),
    answered("9110 15.5.5", "a slash too many", get(b"/hello/"), 404),
    answered("9110 15.5.15", "a target at max_uri", get(b"/" + b"a" * 511), 404),
    # Methods.
    answered("9110 15.5.6", "a method without a route", get(b"/hello", method=b"DELETE"), 405, fields={"allow": "GET, HEAD, POST"}),
    answered("9110 15.5.6", "TRACE without a route", get(b"/hello", method=b"TRACE"), 405, fields={"allow": "GET, HEAD, POST"}),
    answered("9110 9.1", "a method that is not known", get(b"/hello", method=b"BREW"), 501),
    answered("9110 9.1", "a method in small letters", get(b"/hello", method=b"get"), 501),
    answered("9110 9.1", "a method that is not known, of no path", get(b"/nope", method=b"BREW"), 404),
    answered("9110 9.3.2", "HEAD", get(b"/hello", method=b"HEAD"), fields={"content-length": "6"}, body=b""),
    answered("9110 9.3.2", "HEAD of nothing", get(b"/nope", method=b"HEAD"), 404, body=b""),
    answered("9110 9.3.2", "HEAD of a body of unknown length", get(b"/chaos/big/5/chunked", method=b"HEAD"), body=b""),
    answered("9110 9.3.3", "POST", POST + b"Content-Length: 3\r\n\r\nabc", body=b"abc"),
    answered("9110 9.3.1", "GET with a body", GET + HOST + b"Content-Length: 3\r\n\r\nabc", body=b"Hello."),
    answered("9110 9.3.1", "GET with a body that looks like a request",
             GET + HOST + b"Content-Length: %d\r\n\r\n" % len(get(b"/nope")) + get(b"/nope"), body=b"Hello."),
    answered("9110 9.3.1", "GET with chunks", GET + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", body=b"Hello."),
    # Framing of responses.
    answered("9110 15.3.5", "204", get(b"/empty"), 204, fields={"content-length": None, "transfer-encoding": None}),
    answered("9110 15.4.5", "304", get(b"/old"), 304, fields={"transfer-encoding": None}),
    answered("9112 6.3", "HEAD of 204", get(b"/empty", method=b"HEAD"), 204, fields={"content-length": None}),
    answered("9112 6.1", "no chunks to HTTP/1.0", b"GET /chaos/big/5/chunked HTTP/1.0\r\n\r\n", keeps=False,
             fields={"transfer-encoding": None, "connection": "close"}, body=b"xxxxx", h2=H1),
    # Host.
    answered("9110 7.2", "an empty Host", GET + b"Host:\r\n\r\n", body=b"Hello.", h2=H1),
    answered("9110 7.2", "a Host that routes", GET + b"Host: other.test\r\n\r\n", body=b"Other."),
    answered("9110 7.2", "a Host in capitals", GET + b"Host: OTHER.TEST\r\n\r\n", body=b"Other."),
    answered("9110 7.2", "a Host with a port", GET + b"Host: other.test:8080\r\n\r\n", body=b"Other."),
    answered("9110 7.2", "a Host with an empty port", GET + b"Host: other.test:\r\n\r\n", body=b"Other."),
    answered("3986 3.2.2", "an IPv4 address", GET + b"Host: 127.0.0.1:80\r\n\r\n", body=b"Hello."),
    answered("3986 3.2.2", "an IPv6 address", GET + b"Host: [::1]:80\r\n\r\n", body=b"Hello."),
    answered("3986 3.2.2", "a name of all that may stand there", GET + b"Host: -._~!$&'()*+,;=%20\r\n\r\n", body=b"Hello."),
    answered("9112 3.2", "no Host in HTTP/1.0", OLD + b"\r\n", body=b"Hello.", keeps=False, h2=H1),
    # Field lines.
    answered("9112 5", "no blank behind the colon", GET + b"Host:a\r\nX:1\r\n\r\n", body=b"Hello."),
    answered("9112 5", "blanks around a value", GET + b"Host: \t a \t \r\nX: \t \r\n\r\n", body=b"Hello."),
    answered("9110 5.1", "a name of all that may stand there", with_lines(b"!#$%&'*+-.^_`|~09azAZ: 1"), body=b"Hello."),
    answered("9110 5.5", "an empty value", with_lines(b"X:"), body=b"Hello."),
    answered("9110 5.5", "bytes above 127 and a tab", with_lines(b"Y: \xff\x80", b"Z: a\tb"), body=b"Hello.", h2=H1),
    answered("9110 5.3", "a list on two lines", with_lines(b"Accept: a/a", b"Accept: b/b"), body=b"Hello."),
    answered("6585 5", "fields at max_headers", with_lines(*[b"X: 1"] * 19), body=b"Hello."),
    answered("6585 5", "a head at max_header_bytes", with_lines(b"X: " + b"a" * (2048 - len(with_lines(b"X: ")))), body=b"Hello.", h2=H1),
    # The connection.
    answered("9112 9.6", "close", with_lines(b"Connection: close"), body=b"Hello.", keeps=False, fields={"connection": "close"}),
    answered("9112 9.6", "close in capitals", with_lines(b"CONNECTION: CLOSE"), body=b"Hello.", keeps=False),
    answered("9112 9.6", "close in a list", with_lines(b"Connection: keep-alive , x,close"), body=b"Hello.", keeps=False),
    answered("9112 9.6", "close on a second line", with_lines(b"Connection: x", b"Connection: close"), body=b"Hello.", keeps=False),
    answered("9112 9.6", "close and a refusal", get(b"/nope").replace(HOST, HOST + b"Connection: close\r\n"), 404, keeps=False),
    answered("9112 9.6", "an option that only looks like close", with_lines(b"Connection: closed, xclose"), body=b"Hello."),
    answered("9112 9.3", "keep-alive in HTTP/1.1", with_lines(b"Connection: keep-alive"), body=b"Hello."),
    answered("9112 9.3", "HTTP/1.0 closes", OLD + b"\r\n", body=b"Hello.", keeps=False, fields={"connection": "close"}, h2=H1),
    answered("9112 9.3", "keep-alive in HTTP/1.0", OLD + b"Connection: keep-alive\r\n\r\n", body=b"Hello.", fields={"connection": "keep-alive"}, h2=H1),
    answered("9112 9.3", "keep-alive and close in HTTP/1.0", OLD + b"Connection: keep-alive, close\r\n\r\n", body=b"Hello.", keeps=False, h2=H1),
    answered("9110 7.8", "an Upgrade to what is not spoken", with_lines(b"Connection: Upgrade", b"Upgrade: websocket"), body=b"Hello.", fields={"upgrade": None}),
    answered("9110 7.8", "an Upgrade to h2c", with_lines(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"), body=b"Hello."),
    answered("9110 7.8", "an Upgrade in HTTP/1.0", OLD + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", body=b"Hello.", keeps=False, h2=H1),
    answered("9110 10.1.4", "TE that asks for other codings", with_lines(b"Connection: TE", b"TE: gzip, deflate;q=0.5"), body=b"Hello.", fields={"transfer-encoding": None}, h2=H1),
    # Bodies of requests.
    answered("9110 8.6", "a length of nothing", POST + b"Content-Length: 0\r\n\r\n", body=b""),
    answered("9110 8.6", "a length with zeros before it", POST + b"Content-Length: 003\r\n\r\nabc", body=b"abc"),
    answered("9110 8.6", "blanks behind a length", POST + b"Content-Length: 3 \t \r\n\r\nabc", body=b"abc"),
    answered("9112 6.3", "no length is no body", POST + b"\r\n", body=b""),
    answered("9112 7", "chunked in capitals", POST + b"TRANSFER-ENCODING: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", body=b"abc"),
    answered("9112 7.1", "chunks", CHUNKED + b"5\r\nHello\r\n7\r\n, world\r\n0\r\n\r\n", body=b"Hello, world"),
    answered("9112 7.1", "no chunk but the last", CHUNKED + b"0\r\n\r\n", body=b""),
    answered("9112 7.1", "zeros before a chunk size", CHUNKED + b"00003\r\nabc\r\n000\r\n\r\n", body=b"abc"),
    answered("9112 7.1", "a chunk size in letters, small and large", CHUNKED + b"a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", body=b"01234567890123456789a"),
    answered("9112 7.1", "CR and LF in a chunk", CHUNKED + b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", body=b"\r\n0\r\n\r\n"),
    answered("9112 7.1.1", "chunk extensions", CHUNKED + b'3;a\r\nabc\r\n1;a=b;c="d\\"\x80;"\r\n.\r\n0;x\r\n\r\n', body=b"abc."),
    answered("9112 7.1.2", "trailers", CHUNKED + b"3\r\nabc\r\n0\r\nX: y\r\nZ:\r\n\r\n", body=b"abc"),
    answered("9110 6.5.1", "trailers that frame are not heeded", CHUNKED + b"3\r\nabc\r\n0\r\nContent-Length: 99\r\nTransfer-Encoding: gzip\r\nHost: b\r\nConnection: close\r\n\r\n", body=b"abc"),
    answered("9110 10.1.1", "an expectation that is met", POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", body=b"abc", interim=(100,)),
    answered("9110 10.1.1", "an expectation in capitals", POST + b"EXPECT: 100-CONTINUE\r\nContent-Length: 3\r\n\r\nabc", body=b"abc", interim=(100,)),
    answered("9110 10.1.1", "an expectation without a body", with_lines(b"Expect: 100-continue"), body=b"Hello."),
    answered("9110 10.1.1", "an expectation in HTTP/1.0", b"POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", body=b"abc", keeps=False, h2=H1),
    answered("9110 15.5.14", "a length at max_body", POST + b"Content-Length: 65536\r\n\r\n" + b"a" * 65536, body=b"a" * 65536),
    answered("9112 9.3", "a body that nobody wants is passed over", b"POST /hello HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n12345", body=b"Posted."),
    answered("9112 9.3", "a body of no route is passed over", b"POST /nope HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n12345", 404),
]

ROWS = REFUSED + ANSWERED


def name(row):
    return "RFC %s: %s" % row[:2]
