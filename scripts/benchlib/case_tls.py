"""tls: requests on connections that stay, full handshakes and connections that resume; a P-256 certificate."""
import os
import re

from benchlib import load

CONNS = 32
CONF = """\
[listen secure]
address = 127.0.0.1:%(tls_port)d
tls = yes
certificate = %(files)s/tls.pem
key = %(files)s/tls.key
"""
NGINX_LINES = """\
		listen 127.0.0.1:%(tls_port)d ssl backlog=4096 deferred;
		ssl_certificate %(files)s/tls.pem;
		ssl_certificate_key %(files)s/tls.key;
		ssl_protocols TLSv1.2 TLSv1.3;
"""


def seconds(scale, each, servers):
    """(once, per round)"""
    return 1 + (servers * each if scale.warm else 0), 3 * servers * each


def make_certificate(folder):
    """Self-signed: nobody looks at it."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-days", "2", "-subj", "/CN=bench.example", "-keyout", os.path.join(folder, "tls.key"),
               "-out", os.path.join(folder, "tls.pem")]
    status, said = load.run(command, 10)
    if status != 0:
        raise load.Broken("openssl made no certificate: %s" % said[-300:])


class Handshakes:
    """openssl s_time: one full handshake of TLS 1.3 after another."""

    def __init__(self, each):
        self.seconds = max(1, int(each))

    def command(self, port, path):
        return ["openssl", "s_time", "-connect", "127.0.0.1:%d" % port, "-new", "-time", str(self.seconds),
                "-www", path]

    def run(self, port, path):
        _, said = load.run(self.command(port, path), self.seconds)
        found = re.search(r"(\d+) connections in (\d+) real seconds, (\d+) bytes", said)
        if not found or int(found.group(1)) == 0:
            raise load.Broken("openssl s_time: no result: %s" % said[-300:])
        return load.Load(int(found.group(1)), int(found.group(3)), int(found.group(2)))


def measure(s, one, generator, at):
    """As Session.loaded(), on the other port."""
    s.used(generator.command(one.tls_port, "/plain"))
    cpu = one.cpu_ns()
    got = generator.run(one.tls_port, "/plain")
    s.figures.add("cpu_us_per_request", one.name, (one.cpu_ns() - cpu) / 1000 / got.requests, at)


def tls(s):
    load.need("openssl", "openssl")
    make_certificate(s.folder)
    servers = s.start("tls", **{"more.forebay": CONF, "inside.nginx": NGINX_LINES})
    loads = (("keep-alive", s.wrk(CONNS, scheme="https", name="stay")),
             ("handshake", Handshakes(s.seconds)),
             ("resumed", s.wrk(CONNS, scheme="https", name="close", options=("-H", "Connection: close"))))
    s.note("TLS 1.3, a P-256 certificate; keep-alive: requests over %d connections; handshake: a full one and a "
           "request; resumed: wrk, whose connections resume after the first" % CONNS)
    s.warm(servers, s.wrk(CONNS), "/plain")
    for number in s.rounds():
        for at, generator in loads:
            for one in s.in_turn(servers, number):
                measure(s, one, generator, at)
