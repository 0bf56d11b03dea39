"""PROXY protocol on listeners that ask for it: who the client is, in which pieces it may come, what is refused."""
import json
import os
import socket
import ssl
import struct
import time

import pytest

import bed
from authority import Authority
from bed import FACTOR, wait_until
from client import Client, ask, metrics

ROUTES = """
[server]
workers = 2
grace = 5s
%s
[limits]
header_timeout = 500ms

[route who]
match = GET /who
source = fixed
body = <{client.address}>
"""
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
GET = b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def v1(source, destination="10.0.0.1", port=4711):
    """A header of version 1."""
    family = "TCP6" if ":" in source else "TCP4"
    return ("PROXY %s %s %s %d 443\r\n" % (family, source, destination, port)).encode()


def v2(source=None, tlvs=b"", command=1, family=None):
    """A header of version 2; without a source it says nothing."""
    kind, addresses = family or 0, b""
    if source:
        which = socket.AF_INET6 if ":" in source else socket.AF_INET
        kind = family or (0x21 if which == socket.AF_INET6 else 0x11)
        packed = socket.inet_pton(which, source)
        addresses = packed + packed + struct.pack("!HH", 4711, 443)
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, kind, len(addresses + tlvs)) + addresses + tlvs


def count(server, name, *labels):
    """A counter by its name, and by its labels if any are given."""
    return sum(value for (seen, of), value in metrics(server.admin).items()
               if seen == name and (not labels or of == labels))


def failures(server, reason):
    """Of headers, for that reason."""
    return count(server, "forebay_proxy_header_failures_total", ("reason", reason))


def lines(server):
    """The access log so far."""
    if not os.path.exists(server.access):
        return []
    with open(server.access, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@pytest.fixture(scope="module")
def server(start, tmp_path_factory):
    """With an admin listener and an access log."""
    folder = tmp_path_factory.mktemp("log")
    admin = bed.free_port()
    conf = ROUTES % ("[admin]\nlisten = 127.0.0.1:%d\n\n[access_log]\npath = %s/access\nformat = json\nflush = 10ms\n"
                     "fields = client.address, client.port, peer.address, request.target, status\n" % (admin, folder))
    daemon = start(conf, listen="proxy_protocol = yes")
    daemon.admin = ("127.0.0.1", admin)
    daemon.access = str(folder / "access")
    return daemon


def who(server, header, step=None):
    """Who the server takes for the client behind this header."""
    with Client(server.address) as c:
        if step:
            c.send_slowly(header + GET, step)
        else:
            c.send(header + GET)
        r = c.response()
        assert r.status == 200
        return r.body


@pytest.mark.parametrize("header, client", [
    (v1("192.0.2.1"), b"<192.0.2.1>"),
    (v1("2001:db8::1", "::1"), b"<2001:db8::1>"),
    (v1("::ffff:192.0.2.9", "::1"), b"<192.0.2.9>"),
    (b"PROXY UNKNOWN\r\n", b"<127.0.0.1>"),
    (v2("192.0.2.2"), b"<192.0.2.2>"),
    (v2("2001:db8::2"), b"<2001:db8::2>"),
    (v2("192.0.2.3", tlvs=b"\x01\x00\x02h2\x20\x00\x01x"), b"<192.0.2.3>"),
    (v2("192.0.2.4", tlvs=b"x" * 4068), b"<192.0.2.4>"),
    (v2(command=0), b"<127.0.0.1>"),
    (v2("192.0.2.5", command=0), b"<127.0.0.1>"),
    (v2(), b"<127.0.0.1>"),
    (v2("192.0.2.6", family=0x12), b"<127.0.0.1>"),
    (SIGNATURE + b"\x21\x31\x00\xd8" + b"/tmp/x".ljust(216, b"\0"), b"<unix>"),
])
@pytest.mark.parametrize("step", [None, 1, 7])
def test_client_is_who_the_header_names(server, header, client, step):
    """2.1 and 2.2: whole or in any pieces, whatever follows the addresses."""
    if step == 1 and len(header) > 300:
        step = 100
    assert who(server, header, step) == client


def test_log_has_both_ends(server):
    """The client's address and port, and the address of the proxy."""
    assert who(server, v1("198.51.100.77", port=1234)) == b"<198.51.100.77>"
    wait_until(lambda: any(line["client_address"] == "198.51.100.77" for line in lines(server)))
    line = [line for line in lines(server) if line["client_address"] == "198.51.100.77"][0]
    assert (line["client_port"], line["peer_address"], line["status"]) == (1234, "127.0.0.1", 200)


def test_connection_keeps_its_client(server):
    """The header comes once, and holds for every request on the connection."""
    with Client(server.address) as c:
        c.send(v1("192.0.2.30"))
        assert [c.ask("/who").body for _ in range(3)] == [b"<192.0.2.30>"] * 3
        # A second header is no request.
        c.send(v1("192.0.2.31"))
        assert c.response().status == 400


@pytest.mark.parametrize("said, reason", [
    (GET, "missing"),
    (b"\x16\x03\x01\x02\x00\x01", "missing"),
    (PREFACE, "missing"),
    (b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 443 \r\n" + GET, "syntax"),
    (b"PROXY TCP4 192.0.2.1 ::1 4711 443\r\n" + GET, "syntax"),
    (b"PROXY TCP6 " + b"1" * 100 + b"\r\n" + GET, "too_long"),
    (SIGNATURE + b"\x21\x11\x00\x0b" + b"x" * 11 + GET, "syntax"),
    (SIGNATURE + b"\x31\x11\x00\x0c" + b"x" * 12 + GET, "syntax"),
    (SIGNATURE + b"\x21\x11\xff\xff" + b"x" * 12 + GET, "too_long"),
])
def test_without_a_header_the_connection_ends(server, said, reason):
    """Not a word is answered; each has its reason in a counter."""
    before = failures(server, reason)
    with Client(server.address) as c:
        c.send(said)
        assert c.is_gone() and not c.pending
    assert failures(server, reason) == before + 1
    assert "127.0.0.1: PROXY protocol: " in server.stderr()


def test_header_has_a_deadline_of_its_own(server):
    """header_timeout for the header, and again for the request."""
    before, begun = failures(server, "timeout"), time.monotonic()
    with Client(server.address) as c:
        c.send(b"PROXY TCP4 192.0.2.1")
        assert c.is_gone() and not c.pending
    assert time.monotonic() - begun >= 0.5
    assert failures(server, "timeout") == before + 1
    with Client(server.address) as c:
        c.send(v1("192.0.2.1") + b"GET /who HTTP/1.1\r\n")
        assert c.response().status == 408


def test_closing_early_is_counted(server):
    """With half a header, and with none."""
    before = failures(server, "closed")
    for said in (b"PROXY TCP4", SIGNATURE + b"\x21"):
        with Client(server.address) as c:
            c.send(said)
    wait_until(lambda: failures(server, "closed") == before + 2)


def test_tls_begins_behind_the_header(start, tmp_path_factory):
    """The header is in the clear; the handshake follows, also in the same segment."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    authority.issue("one", ["one.example"])
    daemon = start(ROUTES % "", listen="proxy_protocol = yes\ntls = yes\ncertificate = %s/one.pem\nkey = %s/one.key" %
                   (authority.folder, authority.folder))
    context = ssl.create_default_context(cafile=authority.folder + "/ca.pem")
    for header in (v1("192.0.2.40"), v2("192.0.2.40", tlvs=b"\x05\x00\x04abcd")):
        # Header and ClientHello together, the rest as it comes.
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="one.example")
        with Client(daemon.address) as c:
            def pump(step):
                while True:
                    try:
                        result = step()
                        c.send(outgoing.read())
                        return result
                    except ssl.SSLWantReadError:
                        c.send(outgoing.read())
                        incoming.write(c.socket.recv(65536))
            with pytest.raises(ssl.SSLWantReadError):
                tls.do_handshake()
            c.send(header + outgoing.read())
            pump(tls.do_handshake)
            pump(lambda: tls.write(GET))
            text = b""
            while b"<" not in text:
                text += pump(lambda: tls.read(65536))
            assert text.endswith(b"<192.0.2.40>")
    # A handshake without the header.
    with Client(daemon.address) as c, pytest.raises((OSError, ssl.SSLError)):
        context.wrap_socket(c.socket, server_hostname="one.example")


def test_http2_begins_behind_the_header(server):
    """By prior knowledge: the preface in the same segment."""
    with Client(server.address) as c:
        c.send(v2("192.0.2.50") + PREFACE + b"\0\0\0\4\0\0\0\0\0")
        head = c.exactly(9)
        assert head[3] == 4, "SETTINGS comes first: %r" % head


def test_other_listeners_take_no_header(start):
    """Where it is not asked for it is a malformed request."""
    daemon = start(ROUTES % "")
    with Client(daemon.address) as c:
        c.send(v1("192.0.2.1") + GET)
        assert c.response().status == 400
    assert ask(daemon.address, "/who").body == b"<127.0.0.1>"


def test_reload_turns_it_on_and_off(start):
    """Connections that come later; those that are there stay as they are."""
    daemon = start(ROUTES % "")
    with open(daemon.path, encoding="utf-8") as file:
        text = file.read()
    with Client(daemon.address) as old:
        assert old.ask("/who").body == b"<127.0.0.1>"
        with open(daemon.path, "w", encoding="utf-8") as file:
            file.write(text.replace("[listen test]\n", "[listen test]\nproxy_protocol = yes\n"))
        daemon.signal(bed.signal.SIGHUP)
        wait_until(lambda: "reloaded:" in daemon.stderr())
        assert who(daemon, v1("192.0.2.60")) == b"<192.0.2.60>"
    with open(daemon.path, "w", encoding="utf-8") as file:
        file.write(text)
    daemon.signal(bed.signal.SIGHUP)
    wait_until(lambda: daemon.stderr().count("reloaded:") == 2)
    assert ask(daemon.address, "/who").body == b"<127.0.0.1>"


def test_many_unfinished_headers_hold_nobody_up(server):
    """They wait for their deadline, and others are served meanwhile."""
    crowd = [socket.create_connection(server.address, 5 * FACTOR) for _ in range(200)]
    try:
        for one in crowd:
            one.sendall(b"PROXY TCP4 1")
        assert who(server, v1("192.0.2.70")) == b"<192.0.2.70>"
    finally:
        for one in crowd:
            one.close()
    wait_until(lambda: count(server, "forebay_connections_accepted_total") ==
               count(server, "forebay_connections_closed_total"))
