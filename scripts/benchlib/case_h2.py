"""h2: a constant answer by HTTP/2, over TLS and in clear text, many streams at a time."""
import os

from benchlib import case_tls, load, server

CONF = """\
[listen clear]
address = 127.0.0.1:%(h2c_port)d
protocols = h2
[listen secure]
address = 127.0.0.1:%(tls_port)d
protocols = h2, http/1.1
tls = yes
certificate = %(files)s/tls.pem
key = %(files)s/tls.key
"""

NGINX_LINES = """\
		listen 127.0.0.1:%(h2c_port)d http2 backlog=4096;
		listen 127.0.0.1:%(tls_port)d ssl http2 backlog=4096 deferred;
		ssl_certificate %(files)s/tls.pem;
		ssl_certificate_key %(files)s/tls.key;
		ssl_protocols TLSv1.2 TLSv1.3;
"""
HAPROXY_LINES = """\
	bind 127.0.0.1:%(h2c_port)d backlog 4096 proto h2
	bind 127.0.0.1:%(tls_port)d backlog 4096 ssl crt %(files)s/both.pem alpn h2,http/1.1
"""
H2O_LINES = """\
listen:
  host: 127.0.0.1
  port: %(h2c_port)d
listen:
  host: 127.0.0.1
  port: %(tls_port)d
  ssl:
    certificate-file: %(files)s/tls.pem
    key-file: %(files)s/tls.key
"""
SETTINGS = ("h2c", "h2")


def seconds(scale, each, servers):
    """(once, per round)"""
    return 2 + (2 * servers * each if scale.warm else 0), 2 * servers * each


def make_folder(folder):
    """What servers of files give, and the certificate in the forms that are asked for."""
    case_tls.make_certificate(folder)
    texts = []
    for name in ("tls.pem", "tls.key"):
        with open(os.path.join(folder, name), encoding="ascii") as stream:
            texts.append(stream.read())
    for name, text in (("both.pem", "".join(texts)), ("plain", "Hello.\n")):
        with open(os.path.join(folder, name), "w", encoding="ascii") as stream:
            stream.write(text)


def start_all(s):
    """{setting: {server: port}}; nghttpd is two processes."""
    words = {"more.forebay": CONF, "inside.nginx": NGINX_LINES, "inside.haproxy": HAPROXY_LINES,
             "more.h2o": H2O_LINES}
    clear = {"nghttpd_options": "--no-tls", "nghttpd_key": "", "nghttpd_certificate": ""}
    secure = {"nghttpd_options": "", "nghttpd_key": os.path.join(s.folder, "tls.key"),
              "nghttpd_certificate": os.path.join(s.folder, "tls.pem")}
    servers = s.start("h2", **words, **clear)
    ports = {"h2c": {one: one.h2c_port if one.ready else one.port for one in servers},
             "h2": {one: one.tls_port for one in servers if one.ready}}
    if len(ports["h2"]) < len(servers):
        try:
            ports["h2"].update({one: one.port for one in s.start("h2", only=("nghttpd",), **secure)})
        except server.Unavailable as why:
            s.note("nghttpd over TLS: %s" % why)
    return ports


def measure(s, one, port, generator, at):
    """As Session.loaded(), on that port."""
    s.used(generator.command(port, "/plain"))
    cpu = one.cpu_ns()
    got = generator.run(port, "/plain")
    s.figures.add("cpu_us_per_request", one.name, (one.cpu_ns() - cpu) / 1000 / got.requests, at)
    s.figures.add("requests_per_s", one.name, got.requests / got.seconds, at)


def h2(s):
    load.need("openssl", "openssl")
    loads = {"h2c": load.H2load(s.seconds, "http"), "h2": load.H2load(s.seconds, "https")}
    make_folder(s.folder)
    ports = start_all(s)
    s.note("h2: TLS 1.3, a P-256 certificate; h2c: clear text. nghttpd and h2o answer from a file")
    for at in SETTINGS if s.scale.warm else ():
        for one, port in ports[at].items():
            loads[at].run(port, "/plain")
    for number in s.rounds():
        for at in SETTINGS:
            for one in s.in_turn(list(ports[at]), number):
                measure(s, one, ports[at][one], loads[at], at)
