"""The servers that are compared: how each is found, configured and started. One line of PEERS each.

Templates are filled with: program folder conf port tls_port h2c_port admin_port workers files response_bytes
and the words of a case; @before@ and @inside@ are where a case's lines for that peer go. All listen on
127.0.0.1 alone, write no access log, have as many worker processes or threads, and answer

    plain    /plain with the seven bytes "Hello.\\n" as text/plain, without reading a file
    idle     the same, and have room for 10,000 connections
    tls      the same as plain, and over TLS on tls_port
    files    /files/NAME from the folder %(files)s/files
    h2       /plain, by HTTP/2 on h2c_port in clear text and on tls_port over TLS; perhaps from a file
    proxy    the same as plain, and whatever the case adds
    fanout   / with four parts of an upstream
    overload /plain, and /heavy with the result of %(iterations)d rounds of a hash, on %(threads)d threads
"""
import collections
import os
import shutil
import subprocess

from benchlib import server

FOREBAY_CONF = """\
[server]
workers = %(workers)d
max_connections = 15000
[admin]
socket = %(folder)s/admin.sock
listen = 127.0.0.1:%(admin_port)d
[listen web]
address = 127.0.0.1:%(port)d
[limits]
idle_timeout = 10m
@inside@[route plain]
match = GET /plain
source = fixed
type = text/plain
body = Hello.
"""

NGINX_CONF = """\
daemon off;
user root;
worker_processes %(workers)d;
pid %(folder)s/nginx.pid;
error_log %(folder)s/error.log crit;
worker_rlimit_nofile %(nofile)d;
events { worker_connections 15000; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	open_file_cache max=100;
	keepalive_requests 1000000000;
	keepalive_timeout 600s;
	default_type text/plain;
	client_body_temp_path %(folder)s/body;
	proxy_temp_path %(folder)s/proxy;
	fastcgi_temp_path %(folder)s/fastcgi;
	uwsgi_temp_path %(folder)s/uwsgi;
	scgi_temp_path %(folder)s/scgi;
@before@	server {
		listen 127.0.0.1:%(port)d backlog=4096 deferred;
@inside@		location / { return 200 "Hello.\\n"; }
		location /files/ { root %(files)s; }
	}
}
"""

HAPROXY_CONF = """\
global
	maxconn 2000
	nbthread %(workers)d
defaults
	mode http
	timeout connect 10s
	timeout client 600s
	timeout server 600s
frontend web
	bind 127.0.0.1:%(port)d backlog 4096 defer-accept
@inside@	http-request return status 200 content-type text/plain string "Hello.\\n"
"""

H2O_CONF = """\
num-threads: %(workers)d
max-connections: 15000
pid-file: %(folder)s/h2o.pid
%(h2o_user)s
listen:
  host: 127.0.0.1
  port: %(port)d
hosts:
  default:
    paths:
      "/files":
        file.dir: %(files)s/files
      "/":
        file.dir: %(files)s
"""

LIGHTTPD_CONF = """\
server.document-root = "%(files)s"
server.bind = "127.0.0.1"
server.port = %(port)d
server.max-worker = %(workers)d
server.max-connections = 15000
server.max-keep-alive-requests = 100000000
server.errorlog = "%(folder)s/error.log"
mimetype.assign = ( "" => "application/octet-stream" )
"""

# mpm_event: a thread for each request that is being answered.
APACHE_CONF = """\
ServerRoot "%(folder)s"
ServerName 127.0.0.1
Listen 127.0.0.1:%(port)d
PidFile %(folder)s/apache.pid
DefaultRuntimeDir %(folder)s
ErrorLog %(folder)s/error.log
LoadModule mpm_event_module %(prefix)s/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module %(prefix)s/lib/apache2/modules/mod_authz_core.so
User www-data
Group www-data
StartServers %(workers)d
ServerLimit %(workers)d
ThreadsPerChild 64
MaxRequestWorkers %(apache_threads)d
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 600
EnableSendfile On
DocumentRoot "%(files)s"
"""

# programs: names to look for; none: the one of that path in the build folder.
Peer = collections.namedtuple("Peer", "name programs package roles command version conf about")
PEERS = (
    Peer("forebay", ("forebayd",), None, ("plain", "idle", "files", "tls", "h2", "proxy", "fanout", "overload"),
         ("%(program)s", "-c", "%(conf)s"), ("--version",), FOREBAY_CONF, "this server"),
    Peer("floor", ("tests/floor",), None, ("plain", "idle"),
         ("%(program)s", "-p", "%(port)d", "-w", "%(workers)d", "-s", "%(response_bytes)d"), None, None,
         "the least that a correct threaded server on libevent can do; it parses next to nothing"),
    Peer("nginx", ("nginx",), "nginx-light", ("plain", "idle", "files", "tls", "h2", "proxy"),
         ("%(program)s", "-p", "%(folder)s", "-c", "%(conf)s", "-e", "%(folder)s/error.log"), ("-v",),
         NGINX_CONF, ""),
    Peer("haproxy", ("haproxy",), "haproxy", ("plain", "h2", "proxy"),
         ("%(program)s", "-db", "-f", "%(conf)s"), ("-v",), HAPROXY_CONF, "serves no files; would need 20,000 descriptors for 10,000 connections"),
    Peer("h2o", ("h2o",), "h2o", ("files", "h2"),
         ("%(program)s", "-m", "worker", "-c", "%(conf)s"), ("--version",), H2O_CONF, ""),
    Peer("nghttpd", ("nghttpd",), "nghttp2-server", ("h2",),
         ("%(program)s", "-a", "127.0.0.1", "-d", "%(files)s", "-n", "%(workers)d", "%(nghttpd_options)s", "%(port)d",
          "%(nghttpd_key)s", "%(nghttpd_certificate)s"),
         ("--version",), None, "the server of the library that our HTTP/2 stands on; serves files alone"),
    Peer("lighttpd", ("lighttpd",), "lighttpd", ("files",),
         ("%(program)s", "-D", "-m", "%(prefix)s/lib/lighttpd", "-f", "%(conf)s"), ("-v",),
         LIGHTTPD_CONF, ""),
    Peer("apache", ("apache2", "httpd"), "apache2-bin", ("files",),
         ("%(program)s", "-D", "FOREGROUND", "-f", "%(conf)s"), ("-v",), APACHE_CONF,
         "threads for requests, beside as many processes"),
    Peer("node", ("node", "nodejs"), "nodejs", ("fanout", "overload"),
         ("%(program)s", "%(programs)s/overload.js", "127.0.0.1:%(port)d", "%(threads)d", "%(queue)d", "%(iterations)d"),
         ("--version",), None, "a program of a page: one thread for requests, a pool of worker threads"),
    Peer("go", ("go",), "golang-go", ("fanout", "overload"),
         ("%(program)s", "127.0.0.1:%(port)d", "%(threads)d", "%(queue)d", "%(iterations)d"), ("version",), None,
         "a program of a page: a goroutine for each request, a semaphore"),
)
# Not compared: upstreams of our own.
SLOW = Peer("slow", ("tests/slow",), None, (), ("%(program)s", "-p", "%(port)d"), None, None,
            "an upstream that answers after the time asked for")
FICKLE = Peer("fickle", ("tests/fickle",), None, (), ("%(program)s", "-p", "%(port)d", "-u", "%(delay_us)d"), None, None,
              "an upstream that fails when it is told to")
READY = {"plain": "/plain", "proxy": "/plain", "fanout": "/", "idle": "/plain", "tls": "/plain", "h2": "/plain", "overload": "/plain",
         "files": "/files/1k.bin", "slow": "/0", "demo": "/hello"}
WITHOUT_HTTP_1 = ("nghttpd",)  # ready when they accept
SYSTEM_PATH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


def find(peer, build):
    """The path of its program; Unavailable with what to install or make."""
    for name in peer.programs:
        if peer.package:
            found = shutil.which(name, path=SYSTEM_PATH)
        else:
            path = os.path.join(build, name)
            found = path if os.access(path, os.X_OK) else None
        if found:
            return found
    if peer.package:
        raise server.Unavailable("not installed (package %s)" % peer.package)
    raise server.Unavailable("%s is not there; build it first: scripts/test, or make %s" % (
        os.path.join(build, peer.programs[0]), peer.programs[0]))


def version(peer, program):
    """What it says it is, in one line."""
    if not peer.version:
        return "of this source tree"
    said = subprocess.run([program, *peer.version], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False).stdout
    return (said.strip() or "unknown").splitlines()[0]


def survey(build, without):
    """Each peer of the table: {"name", "program" or None, "version", "why" if it takes no part}."""
    for peer in PEERS:
        about = {"name": peer.name, "program": None, "version": None, "why": None, "about": peer.about}
        try:
            if peer.name in without:
                raise server.Unavailable("left out by --without")
            about["program"] = find(peer, build)
            about["version"] = version(peer, about["program"])
        except server.Unavailable as why:
            about["why"] = str(why)
        yield about
