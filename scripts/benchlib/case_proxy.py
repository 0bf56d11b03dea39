"""proxy: what it costs to pass a request on to one upstream and its answer back, kept connections on both sides.

The upstream is another Forebay with files in the kernel's cache; it is not measured.
"""
from benchlib import case_files, figures, peers

SIZES = case_files.SIZES[:2]
BEHIND = """\
[route files]
match = GET /behind/{path...}
source = file
root = %(files)s/files
"""
FOREBAY = """\
[upstream behind]
servers = http://127.0.0.1:%(behind_port)d
max_connections = 64
[route files]
match = GET /behind/{path...}
source = upstream behind
"""
NGINX_BEFORE = "\tupstream behind { server 127.0.0.1:%(behind_port)d; keepalive 64; keepalive_requests 1000000000; }\n"
NGINX_INSIDE = """\
		location /behind/ {
			proxy_pass http://behind;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
		}
"""
HAPROXY_INSIDE = """\
	http-request allow if { path_beg /behind/ }
	default_backend behind
"""
HAPROXY_MORE = """\
backend behind
	http-reuse always
	server one 127.0.0.1:%(behind_port)d
"""


def seconds(scale, each, servers):
    """(once, per round)"""
    return (len(SIZES) * servers * each if scale.warm else 0) + 2, len(SIZES) * servers * each


def start_behind(s):
    """The upstream."""
    case_files.make_files(s.folder)
    peer = peers.PEERS[0]._replace(name="behind")
    words = s.words(**{"more.behind": BEHIND})
    return s.start_one(s.make(peer, s.programs[figures.OURS], words, "plain"))


def start_all(s, behind):
    return s.start("proxy", behind_port=behind.port, **{
        "more.forebay": FOREBAY, "before.nginx": NGINX_BEFORE, "inside.nginx": NGINX_INSIDE,
        "inside.haproxy": HAPROXY_INSIDE, "more.haproxy": HAPROXY_MORE})


def proxy(s):
    servers = start_all(s, start_behind(s))
    generator = s.wrk(SIZES[0].conns)
    s.note("one upstream, %d conns that clients keep; the upstream's own CPU time is not in the figures" % SIZES[0].conns)
    for size in SIZES:
        s.warm(servers, generator, "/behind/" + size.name)
    for number in s.rounds():
        for size in SIZES:
            for one in s.in_turn(servers, number):
                got, cpu = s.loaded(one, generator, "/behind/" + size.name)
                case_files.add(s, one, size, got, cpu)
