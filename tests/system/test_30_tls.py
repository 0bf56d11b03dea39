"""TLS on listeners: who is shown to whom, sessions, bytes, ends, and clients that do not know how."""
import hashlib
import importlib
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import time

import pytest

import bed
from authority import Authority
from bed import FACTOR, run_forebayd, wait_until
from client import Client, metrics

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # old versions, on purpose

ROUTES = """
[server]
workers = 2
grace = 5s

[route hello]
match = GET /hello
source = fixed
body = Hello.

[route echo]
match = POST /echo
source = echo
max_body = 64m

[route file]
match = GET /file/{path...}
source = file
root = %s

[route slow]
match = GET /slow
source = compute pbkdf2
input = x
salt = y
iterations = 300000
"""
BIG = 10 * 1024 * 1024


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Two names with two keys each, and a client."""
    a = Authority(tmp_path_factory.mktemp("authority"))
    for name in ("one", "two"):
        hosts = [name + ".example", "*." + name + ".example"]
        a.issue(name, hosts)
        a.issue(name + "-ec", hosts, key="ec")
    a.issue("me", [], subject="/O=Tests/CN=me")
    return a


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """A folder with a file of 10 MiB, which no compression makes smaller."""
    folder = tmp_path_factory.mktemp("www")
    with open(folder / "big", "wb") as file:
        file.write(os.urandom(BIG))
    return folder


def listen(authority, names=("one", "one-ec", "two", "two-ec"), more=""):
    """Lines of a [listen] section."""
    return "tls = yes\ncertificate = %s\nkey = %s\n%s" % (
        ", ".join(authority.path(n + ".pem") for n in names),
        ", ".join(authority.path(n + ".key") for n in names), more)


def config(big, more=""):
    """A configuration with an admin listener; and its address."""
    port = bed.free_port()
    return (ROUTES % big) + "\n[admin]\nlisten = 127.0.0.1:%d\n%s" % (port, more), ("127.0.0.1", port)


@pytest.fixture(scope="module")
def daemon(start, authority, big):
    """The one that most tests ask."""
    conf, admin = config(big)
    started = start(conf, listen=listen(authority, more="half_close = allow"))
    started.admin = admin
    return started


def context(version=None, alpn=None, ciphers=None, client=None):
    """Trusts everybody, and looks at the certificate itself."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    if version:
        c.minimum_version = c.maximum_version = version
    if alpn:
        c.set_alpn_protocols(alpn)
    if ciphers:
        c.set_ciphers(ciphers)
    if client:
        c.load_cert_chain(client + ".pem", client + ".key")
    return c


class TlsClient(Client):
    """A Client that takes an end of the stream for its end only if the server has said so."""

    def __init__(self, address, name=None, using=None, session=None, **more):
        super().__init__(address, **more)
        self.raw = self.socket
        try:
            self.socket = (using or context()).wrap_socket(self.raw, server_hostname=name, session=session,
                                                           suppress_ragged_eofs=False)
        except Exception:
            self.raw.close()
            raise

    def finish(self):
        """A FIN without close_notify before it, as many clients do; Python would forget TLS."""
        socket.socket.shutdown(self.socket, socket.SHUT_WR)

    def subject(self):
        """Which certificate it was shown: a digest."""
        return hashlib.sha256(self.socket.getpeercert(True)).hexdigest()

    def is_quiet(self, seconds=0.05):
        return not self.socket.pending() and super().is_quiet(seconds)


def digest_of(authority, name):
    """As TlsClient.subject(), of a file."""
    with open(authority.path(name + ".pem"), encoding="ascii") as file:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).hexdigest()


def counted(daemon, kind=None, reason=None):
    """One of the counters of handshakes."""
    seen = metrics(daemon.admin)
    if kind:
        return seen["forebay_tls_handshakes_total", (("kind", kind),)]
    return seen["forebay_tls_handshake_failures_total", (("reason", reason),)]


# --- versions, names, protocols -----------------------------------------------------------


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_both_versions_are_spoken(daemon, version):
    with TlsClient(daemon.address, using=context(getattr(ssl.TLSVersion, version))) as c:
        assert c.socket.version() == version.replace("_", ".")
        for _ in range(3):
            assert c.ask("/hello").body == b"Hello."
        assert c.socket.compression() is None


def test_an_old_version_is_refused_by_an_alert_and_counted(daemon):
    before = counted(daemon, reason="version")
    with pytest.raises(ssl.SSLError, match="(?i)protocol version|unsupported protocol"):
        TlsClient(daemon.address, using=context(ssl.TLSVersion.TLSv1_1, ciphers="ALL:@SECLEVEL=0"))
    wait_until(lambda: counted(daemon, reason="version") == before + 1)


def test_ciphers_without_forward_secrecy_are_refused(daemon):
    before = counted(daemon, reason="cipher")
    for ciphers in ("AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256"):
        with pytest.raises(ssl.SSLError, match="(?i)handshake failure"):
            TlsClient(daemon.address, using=context(ssl.TLSVersion.TLSv1_2, ciphers=ciphers))
    wait_until(lambda: counted(daemon, reason="cipher") == before + 3)


@pytest.mark.parametrize("name, certificate", [
    ("one.example", "one"), ("two.example", "two"), ("TWO.Example", "two"), ("x.two.example", "two"),
    ("x.y.two.example", "one"), ("example", "one"), ("nobody.test", "one"), (None, "one")])
@pytest.mark.parametrize("key", ["RSA", "ECDSA"])
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_name_chooses_the_certificate_and_the_client_the_kind_of_key(daemon, authority, name, certificate, key,
                                                                       version):
    if version == "TLSv1_2":
        shown = TlsClient(daemon.address, name, context(ssl.TLSVersion.TLSv1_2, ciphers="ECDHE+a" + key)).subject()
    else:
        algorithms = "rsa_pss_rsae_sha256" if key == "RSA" else "ecdsa_secp256r1_sha256"
        words = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % daemon.port, "-tls1_3", "-sigalgs", algorithms,
                 *(["-servername", name] if name else ["-noservername"])]
        said = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              check=False).stdout.decode()
        pem = said[said.index("-----BEGIN"):said.index("-----END")] + "-----END CERTIFICATE-----\n"
        shown = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    assert shown == digest_of(authority, certificate + ("" if key == "RSA" else "-ec"))


def test_a_protocol_is_agreed_on_or_the_handshake_fails(daemon):
    for offered, agreed in ((["http/1.1"], "http/1.1"), (["x", "http/1.0", "http/1.1"], "http/1.1"), (None, None)):
        with TlsClient(daemon.address, using=context(alpn=offered)) as c:
            assert c.socket.selected_alpn_protocol() == agreed
            assert c.ask("/hello").status == 200
    before = counted(daemon, reason="alpn")
    with pytest.raises(ssl.SSLError, match="(?i)no application protocol"):
        TlsClient(daemon.address, using=context(alpn=["spdy/3"]))
    wait_until(lambda: counted(daemon, reason="alpn") == before + 1)


@pytest.fixture
def client2():
    pytest.importorskip("hpack", reason="there is no python3-hpack")
    if "nghttp2    no" in run_forebayd("--version")[1]:
        pytest.skip("built without nghttp2")
    return importlib.import_module("client2")


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_http_2_is_agreed_on_and_spoken(daemon, client2, big, version):
    offer = context(ssl.TLSVersion[version], alpn=["http/1.1", "h2"])
    with client2.Client2(daemon.address, tls=offer) as c:
        assert c.is_well()
        body = os.urandom(60000)
        assert c.ask("/echo", "POST", body=body).body == body
        with open(big / "big", "rb") as file:
            assert c.answer(c.request("/file/big", scheme="https"), 20).body == file.read()
        assert c.is_well()
    with client2.Client2(daemon.address, tls=offer) as c:
        c.send(client2.pack(client2.PING, 0, 1, bytes(8)))
        assert c.end() == client2.PROTOCOL_ERROR


def test_http_2_that_was_not_agreed_on_is_not_spoken(daemon):
    """RFC 9113 3.2."""
    for offered in (None, ["http/1.1"]):
        with TlsClient(daemon.address, using=context(alpn=offered)) as c:
            c.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            assert c.response().status == 505


# --- sessions --------------------------------------------------------------------------------


def resume(daemon, using, session, name="one.example"):
    """Whether the session was taken; and the session to use next."""
    with TlsClient(daemon.address, name, using, session) as c:
        assert c.ask("/hello").status == 200
        return c.socket.session_reused, c.socket.session


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_session_is_resumed_by_every_worker(daemon, version):
    using = context(getattr(ssl.TLSVersion, version))
    before = counted(daemon, kind="resumed")
    reused, session = resume(daemon, using, None)
    assert not reused
    for _ in range(6):  # dispatched in turn to two workers
        reused, session = resume(daemon, using, session)
        assert reused
    wait_until(lambda: counted(daemon, kind="resumed") == before + 6)


def test_who_resumes_is_given_a_new_ticket(daemon):
    """RFC 8446 C.4: most clients use one only once."""
    using = context(ssl.TLSVersion.TLSv1_3)
    seen, session = set(), None
    for place in range(4):
        reused, session = resume(daemon, using, session)
        assert reused == (place > 0)
        seen.add(session.id)
    assert len(seen) == 4


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_the_session_of_one_identity_is_refused_by_another(daemon, authority, version):
    using = context(getattr(ssl.TLSVersion, version), ciphers="ECDHE+aRSA")
    _, session = resume(daemon, using, None)
    with TlsClient(daemon.address, "two.example", using, session) as c:
        assert not c.socket.session_reused
        assert c.ask("/hello").status == 200
    assert resume(daemon, using, session)[0] or version == "TLSv1_3"


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_the_session_of_one_listener_is_refused_by_another(start, authority, big, version):
    conf, admin = config(big)
    ports = [bed.free_port(), bed.free_port()]
    for name, port, more in (("open", ports[0], ""),
                             ("closed", ports[1], "client_ca = " + authority.path("ca.pem"))):
        conf += "\n[listen %s]\naddress = 127.0.0.1:%d\n%s" % (name, port, listen(authority, ["one"], more))
    daemon = start(conf, listen=None)
    using = context(getattr(ssl.TLSVersion, version))
    with TlsClient(("127.0.0.1", ports[0]), "one.example", using) as c:
        c.ask("/hello")
        session = c.socket.session
    with pytest.raises((ssl.SSLError, ConnectionError)):  # nobody comes in without a certificate
        with TlsClient(("127.0.0.1", ports[1]), "one.example", using, session) as c:
            c.ask("/hello")
    daemon.admin = admin
    wait_until(lambda: counted(daemon, reason="client_certificate") == 1)


def reload(daemon):
    """SIGHUP, and what it said about it."""
    before = len(daemon.stderr())
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: "reloaded:" in daemon.stderr()[before:] or "refused" in daemon.stderr()[before:])
    return daemon.stderr()[before:]


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_session_outlives_a_reload_but_not_its_certificate(start, authority, big, version):
    conf, _ = config(big)
    authority.issue("again", ["one.example"])
    daemon = start(conf, listen=listen(authority, ["again"]))
    using = context(getattr(ssl.TLSVersion, version))
    _, session = resume(daemon, using, None)
    assert "reloaded:" in reload(daemon)
    reused, session = resume(daemon, using, session)
    assert reused
    authority.issue("again", ["one.example"])
    assert "reloaded:" in reload(daemon)
    assert not resume(daemon, using, session)[0]


def test_a_new_certificate_is_shown_without_dropping_anybody(start, authority, big):
    conf, _ = config(big)
    authority.issue("new", ["one.example"])
    daemon = start(conf, listen=listen(authority, ["new"]))
    first = digest_of(authority, "new")
    with TlsClient(daemon.address, "one.example") as old, Client(daemon.address) as halfway:
        assert old.subject() == first and old.ask("/hello").status == 200
        halfway.send(hello()[:20])  # a handshake that begins with one and ends with the other
        authority.issue("new", ["one.example"], key="ec")
        assert "reloaded:" in reload(daemon)
        assert digest_of(authority, "new") != first
        with TlsClient(daemon.address, "one.example") as c:
            assert c.subject() == digest_of(authority, "new")
        assert old.ask("/hello").status == 200
        halfway.send(hello()[20:])
        assert halfway.exactly(1) == b"\x16"
        # A key of another certificate: nothing changes.
        authority.run("genrsa", "-out", "new.key", "2048")
        said = reload(daemon)
        assert "refused" in said and "it is not the key of the certificate" in said
        with TlsClient(daemon.address, "one.example") as c:
            assert c.subject() == digest_of(authority, "new") and c.ask("/hello").status == 200
        assert old.ask("/hello").status == 200


# --- client certificates, staples ---------------------------------------------------------------


def test_clients_need_a_certificate_of_client_ca(start, authority, big, tmp_path):
    conf, admin = config(big)
    daemon = start(conf, listen=listen(authority, ["one"], "client_ca = " + authority.path("ca.pem")))
    daemon.admin = admin
    stranger = Authority(tmp_path)
    stranger.issue("stranger", [])
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        using = context(version, client=authority.path("me"))
        with TlsClient(daemon.address, "one.example", using) as c:
            assert c.ask("/hello").status == 200
            session = c.socket.session
        with TlsClient(daemon.address, "one.example", using, session) as c:
            assert c.ask("/hello").status == 200 and c.socket.session_reused
        for client in (None, stranger.path("stranger")):
            with pytest.raises(ssl.SSLError, match="(?i)certificate required|handshake failure|unknown ca"):
                with TlsClient(daemon.address, using=context(version, client=client)) as c:
                    c.ask("/hello")
    wait_until(lambda: counted(daemon, reason="client_certificate") == 4)


WHO = """[route who]
match = GET /who
source = fixed
body = <{client.subject}>

[route maybe]
match = GET /maybe
source = fixed
body = <{client.subject}>
set_header.X-Subject = {client.subject}
"""


def test_subject_of_the_client_is_a_variable(start, authority):
    """As RFC 2253 writes it, escapes included; also of a session that is resumed."""
    authority.issue("odd", [], subject='/O=A, "B" <C>;D/CN=#x=1')
    daemon = start(WHO, listen=listen(authority, ["one"], "client_ca = " + authority.path("ca.pem")))
    for client, subject in (("me", b"CN=me,O=Tests"), ("odd", rb'CN=\#x=1,O=A\, \"B\" \<C\>\;D')):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            using = context(version, client=authority.path(client))
            with TlsClient(daemon.address, "one.example", using) as c:
                assert c.ask("/who").body == b"<%s>" % subject
                assert c.ask("/maybe").field("x-subject") == subject.decode()
                session = c.socket.session
            with TlsClient(daemon.address, "one.example", using, session) as c:
                assert c.ask("/who").body == b"<%s>" % subject and c.socket.session_reused


def test_without_a_certificate_there_is_no_subject(start, authority):
    """What needs it fails, and what may lack it goes without; in the clear too."""
    for more in (listen(authority, ["one"]), ""):
        daemon = start("[route maybe]\nmatch = GET /maybe\nsource = fixed\nbody = x\n"
                       "set_header.X-Subject = {client.subject}\n", listen=more)
        with (TlsClient(daemon.address, "one.example") if more else Client(daemon.address)) as c:
            r = c.ask("/maybe", "X-Subject: CN=me")
            assert r.status == 200 and r.field("x-subject") is None


def test_a_staple_is_sent_to_who_asks(start, authority, big):
    authority.issue("stapled", ["one.example"])
    authority.staple("stapled")
    conf, _ = config(big)
    daemon = start(conf, listen=listen(authority, ["stapled"], "ocsp = " + authority.path("stapled.ocsp")))
    for version in ("-tls1_2", "-tls1_3"):
        said = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % daemon.port, version, "-status"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              check=False).stdout.decode()
        assert "OCSP Response Status: successful" in said and "Cert Status: good" in said


# --- bytes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_large_file_comes_whole(daemon, big, version):
    with TlsClient(daemon.address, using=context(getattr(ssl.TLSVersion, version))) as c:
        for _ in range(2):
            assert c.ask("/file/big").body == (big / "big").read_bytes()
        assert c.ask("/hello").status == 200


def exchange(c, data):
    """Sends all of it; what comes meanwhile waits in c.pending. A TLS socket is one thread's."""
    c.socket.setblocking(False)
    sent, end = 0, time.monotonic() + c.timeout
    while sent < len(data):
        assert time.monotonic() < end
        try:
            sent += c.socket.send(data[sent:sent + 16384])
            continue
        except ssl.SSLWantWriteError:
            pass
        try:
            c.more()
        except ssl.SSLWantReadError:
            select.select([c.socket], [c.socket], [], 1)
    c.socket.settimeout(c.timeout)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_upload_comes_back_whole(daemon, big, chunked):
    body = (big / "big").read_bytes()
    with TlsClient(daemon.address, timeout=20) as c:
        head = "POST /echo HTTP/1.1\r\nHost: a\r\n"
        if chunked:
            data = b"".join(b"%x\r\n%s\r\n" % (len(body[at:at + 70000]), body[at:at + 70000])
                            for at in range(0, len(body), 70000)) + b"0\r\n\r\n"
            head += "Transfer-Encoding: chunked\r\n\r\n"
        else:
            data = body
            head += "Content-Length: %d\r\n\r\n" % len(body)
        exchange(c, head.encode() + data)
        assert c.response().body == body


def test_pipelined_requests_in_one_record_are_all_answered(daemon):
    with TlsClient(daemon.address) as c:
        c.send(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
        for _ in range(100):
            assert c.response().body == b"Hello."
        assert c.is_quiet()


def test_a_request_byte_by_byte_in_records_of_their_own(daemon):
    with TlsClient(daemon.address) as c:
        c.send_slowly(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde")
        assert c.response().body == b"abcde"


def test_a_slow_reader_gets_all_of_it(daemon, big):
    with TlsClient(daemon.address, receive_bytes=8192) as c:
        c.get("/file/big")
        for _ in range(20):
            time.sleep(0.01)
            c.more()
        assert c.response().body == (big / "big").read_bytes()


def test_a_body_that_ends_with_the_connection_ends_with_close_notify(daemon, big):
    with TlsClient(daemon.address, receive_bytes=8192) as c:
        c.send(b"GET /file/big HTTP/1.0\r\n\r\n")
        for _ in range(20):
            time.sleep(0.01)
            c.more()
        r = c.response()
        assert r.body == (big / "big").read_bytes()
        assert c.is_closed()  # a ragged end would be an SSLError


# --- ends -------------------------------------------------------------------------------------------


def test_half_closed_the_answer_still_comes(daemon):
    with TlsClient(daemon.address) as c:
        c.get("/slow")
        c.finish()
        assert c.response().status == 200
        assert c.is_closed()


def test_close_notify_after_the_request_is_an_end_too(daemon):
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context(ssl.TLSVersion.TLSv1_2).wrap_bio(coming, going)
    with Client(daemon.address) as c:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                c.send(going.read())
                coming.write(c.socket.recv(65536))
        tls.write(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()
        c.send(going.read())
        kinds = []
        while c.pending or c.more():
            head = c.exactly(5)
            kinds.append(head[0])
            c.exactly(int.from_bytes(head[3:], "big"))
        assert kinds == [23, 21]  # the answer, close_notify


def test_a_client_that_goes_away_is_noticed(start, authority, big):
    conf, admin = config(big)
    daemon = start(conf, listen=listen(authority, ["one"]))
    for is_reset in (False, True):
        before = metrics(admin)["forebay_client_gone_total", ()]
        c = TlsClient(daemon.address)
        c.get("/slow")
        time.sleep(0.02)
        if is_reset:
            c.reset()
        else:
            c.close()
        wait_until(lambda: metrics(admin)["forebay_client_gone_total", ()] == before + 1)


def test_a_refused_request_is_answered_and_the_end_is_said(daemon):
    with TlsClient(daemon.address) as c:
        c.send(b"GET / HTTP/1.1\r\nHost: a\r\nBad Field: x\r\n\r\n" + b"x" * 100000)
        assert c.response().status == 400
        assert c.is_closed()


def test_drained_conns_end_with_close_notify(start, authority, big):
    conf, _ = config(big)
    daemon = start(conf, listen=listen(authority, ["one"]))
    with TlsClient(daemon.address) as idle, TlsClient(daemon.address) as busy:
        assert idle.ask("/hello").status == 200
        busy.get("/slow")
        time.sleep(0.02)
        daemon.signal(signal.SIGTERM)
        r = busy.response()
        assert r.status == 200 and r.closes() and busy.is_closed()
        assert idle.is_closed()
    daemon.wait()


# --- who does not know how -----------------------------------------------------------------------------


def hello(name="one.example"):
    """The first bytes of a handshake."""
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context().wrap_bio(coming, going, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return going.read()


def test_plain_http_is_told_so(daemon):
    before = counted(daemon, reason="plain_http")
    for request in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\n" + b"x" * 20000):
        with Client(daemon.address) as c:
            c.send(request)
            r = c.head()
            assert r.status == 400 and r.closes()
            assert b"HTTPS" in c.exactly(int(r.field("content-length"))) and c.is_closed()
    wait_until(lambda: counted(daemon, reason="plain_http") == before + 2)


def test_garbage_ends_the_connection_and_is_counted(daemon):
    before = counted(daemon, reason="syntax")
    for garbage in (b"\x16\x03\x01\x00\x05aaaaa", b"\xff" * 1000, b"\x00" * 100000, b"SSH-2.0-x\r\n",
                    b"\x16\x03\x01\xff\xff" + b"a" * 70000, b"\x17\x03\x03\x00\x02hi"):
        with Client(daemon.address) as c:
            try:
                c.send(garbage)
            except ConnectionError:
                continue
            assert c.is_gone()
    wait_until(lambda: counted(daemon, reason="syntax") == before + 6)
    assert ask_tls(daemon).status == 200


def ask_tls(daemon):
    """One request on a connection of its own."""
    with TlsClient(daemon.address) as c:
        return c.ask("/hello")


def test_a_client_may_vanish_in_the_middle_of_a_handshake(daemon):
    before = counted(daemon, reason="closed")
    first = hello()
    for n, is_reset in [(n, r) for n in (1, 4, 5, 6, 50, len(first) - 1, len(first)) for r in (False, True)]:
        c = Client(daemon.address)
        c.send(first[:n])
        if n == len(first):
            c.more()
        if is_reset:
            c.reset()
        else:
            c.close()
    wait_until(lambda: counted(daemon, reason="closed") >= before + 14)
    assert ask_tls(daemon).status == 200


def test_a_handshake_has_one_deadline_whatever_comes(start, authority, big):
    conf, admin = config(big, "[limits]\nheader_timeout = %dms\n" % (300 * FACTOR))
    daemon = start(conf, listen=listen(authority, ["one"]))
    daemon.admin = admin
    began, first = time.monotonic(), hello()
    with Client(daemon.address) as mute, Client(daemon.address) as slow:
        mute.send(first[:1])
        with pytest.raises(ConnectionError):
            for at in range(len(first)):
                slow.send(first[at:at + 1])
                time.sleep(0.01 * FACTOR)
        assert mute.is_gone()
    assert 0.25 * FACTOR < time.monotonic() - began < 2 * FACTOR
    wait_until(lambda: counted(daemon, reason="timeout") == 2)
    # Hands are shaken, and then nothing: the head has a deadline of its own.
    with TlsClient(daemon.address) as c:
        assert c.is_closed()


def test_a_refused_certificate_is_an_alert(daemon):
    before = counted(daemon, reason="alert")
    using = ssl.create_default_context()
    with pytest.raises(ssl.SSLCertVerificationError):
        TlsClient(daemon.address, "one.example", using)
    wait_until(lambda: counted(daemon, reason="alert") >= before + 1)


# --- the configuration ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lines, said", [
    ("certificate = {a}/one.pem\nkey = {a}/one.key", ":3: [listen x] certificate: this needs tls = yes"),
    ("ciphers = ALL", ":3: [listen x] ciphers: this needs tls = yes"),
    ("tls = yes", ":3: [listen x] tls: tls = yes needs a certificate and its key"),
    ("tls = yes\ncertificate = {a}/one.pem\nkey = {a}/one.key, {a}/two.key",
     ":5: [listen x] key: 2 keys for 1 certificates"),
    ("tls = yes\ncertificate = {a}/one.pem\nkey = {a}/two.key",
     ":5: [listen x] key: {a}/two.key: it is not the key of the certificate {a}/one.pem"),
    ("tls = yes\ncertificate = {a}/none.pem\nkey = {a}/two.key",
     ":4: [listen x] certificate: {a}/none.pem: No such file or directory"),
    ("tls = yes\ncertificate = {a}/one.key\nkey = {a}/one.key",
     ":4: [listen x] certificate: {a}/one.key: there is no certificate in PEM form in it"),
    ("tls = yes\ncertificate = {a}/one.pem\nkey = {a}/one.pem",
     ":5: [listen x] key: {a}/one.pem: there is no private key in PEM form in it"),
    ("tls = yes\ncertificate = {a}/one.pem\nkey = {a}/locked.key",
     ":5: [listen x] key: {a}/locked.key: it is encrypted"),
    ("tls = yes\ncertificate = {a}/one.pem, {a}/one.pem\nkey = {a}/one.key, {a}/one.key",
     ":4: [listen x] certificate: {a}/one.pem: another one has the same names and the same kind of key"),
    ("tls = yes\ncertificate = {a}/one.pem\nkey = {a}/one.key\nciphers = NONSENSE",
     ":6: [listen x] ciphers: \"NONSENSE\" is no list"),
    ("tls = yes\ncertificate = {a}/one.pem\nkey = {a}/one.key\nclient_ca = {a}/one.key",
     ":6: [listen x] client_ca: {a}/one.key: there are no certificates in PEM form in it"),
    ("tls = yes\ncertificate = {a}/one.pem\nkey = {a}/one.key\nclient_ca = {a}/none",
     ":6: [listen x] client_ca: {a}/none: No such file or directory"),
    ("tls = yes\ncertificate = {a}/pipe\nkey = {a}/one.key", ":4: [listen x] certificate: {a}/pipe: it is no regular"),
    ("tls = yes\ncertificate = {a}/one.pem\nkey = {a}/one.key\nocsp = {a}/one.pem",
     ":6: [listen x] ocsp: {a}/one.pem: that is no OCSP response"),
    ("tls = yes\ncertificate = {a}/one.pem\nkey = {a}/one.key\ntls_min = 1.1", ":6: [listen x] tls_min: "),
])
def test_what_is_wrong_has_its_line(authority, tmp_path, lines, said):
    if not os.path.exists(authority.path("locked.key")):
        authority.run("rsa", "-in", "one.key", "-aes128", "-passout", "pass:secret", "-out", "locked.key")
        os.mkfifo(authority.path("pipe"))
    conf = tmp_path / "x.conf"
    conf.write_text("[listen x]\naddress = 127.0.0.1:1\n" + lines.format(a=authority.folder) +
                    "\n[route x]\nmatch = GET /\nsource = fixed\n")
    code, _, text = run_forebayd("-t", "-c", str(conf))
    assert code == 1
    assert "x.conf" + said.format(a=authority.folder) in text, text


def test_what_is_odd_is_a_warning(authority, tmp_path):
    authority.issue("short", ["short.example"], days=3)
    os.chmod(authority.path("short.key"), 0o644)
    conf = tmp_path / "x.conf"
    conf.write_text("[listen x]\naddress = 127.0.0.1:1\n" + listen(authority, ["short"]) +
                    "\n[route x]\nmatch = GET /\nsource = fixed\n")
    code, _, text = run_forebayd("-t", "-c", str(conf))
    assert code == 0
    assert re.search(r"x.conf:4: warning: .listen x. certificate: \S+/short.pem: it expires in [23] days: 20", text), text
    assert "x.conf:5: warning: [listen x] key: %s: every user" % authority.path("short.key") in text


def test_ciphers_and_versions_as_configured(start, authority, big):
    conf, _ = config(big)
    daemon = start(conf, listen=listen(authority, ["one"], "tls_min = 1.3\nciphers = TLS_CHACHA20_POLY1305_SHA256"))
    with TlsClient(daemon.address) as c:
        assert c.socket.cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"
    with pytest.raises(ssl.SSLError, match="(?i)protocol version"):
        TlsClient(daemon.address, using=context(ssl.TLSVersion.TLSv1_2))
