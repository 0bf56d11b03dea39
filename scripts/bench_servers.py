"""The servers that scripts/bench compares: starting, ending and reading what they used.

Each server runs in a folder of its own below one temporary folder, listens on
127.0.0.1 on a port picked here, and is ended by its process id.
"""
import glob
import os
import shutil
import signal
import socket
import subprocess
import time

BODY = "Hello.\n"

FOREBAY_CONF = """\
[server]
workers = {workers}
max_connections = 15000
[admin]
socket = {folder}/admin.sock
listen = 127.0.0.1:{admin_port}
[listen web]
address = 127.0.0.1:{port}
[limits]
idle_timeout = 10m
[pool compute]
threads = 2
max_queue = 16
[route plain]
match = GET /plain
source = fixed
type = text/plain
body = Hello.
[route heavy]
match = GET /heavy
source = compute pbkdf2
input = x
salt = y
iterations = {iterations}
"""

NGINX_CONF = """\
daemon off;
user root;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
worker_rlimit_nofile 20000;
events {{ worker_connections 15000; }}
http {{
	access_log off;
	keepalive_requests 1000000000;
	keepalive_timeout 600s;
	default_type text/plain;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	server {{
		listen 127.0.0.1:{port} backlog=4096 deferred;
		location / {{ return 200 "Hello.\\n"; }}
	}}
}}
"""


class Unavailable(Exception):
    """A server that cannot be started here; the text says why."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path, timeout=5):
    """One request over a connection of its own: the whole response as bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout) as s:
        s.sendall(b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path.encode())
        return read_response(s)


def read_response(s):
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
    while len(body) < length:
        more = s.recv(65536)
        if not more:
            raise OSError("closed inside a body")
        body += more
    return head + b"\r\n\r\n" + body


class Server:
    """A running server. Subclasses make the command, given self.port and self.folder."""

    name = ""

    def __init__(self, top, options):
        self.folder = os.path.join(top, self.name)
        self.options = options
        self.port = free_port()
        self.process = None
        os.makedirs(self.folder, exist_ok=True)

    def command(self):
        raise NotImplementedError

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        return path

    def start(self):
        log = open(os.path.join(self.folder, "log"), "wb")
        self.process = subprocess.Popen(self.command(), stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL)
        for _ in range(100):
            time.sleep(0.05)
            try:
                self.response = get(self.port, "/plain")
                return self
            except OSError:
                if self.process.poll() is not None:
                    break
        said = open(log.name, encoding="utf-8", errors="replace").read().strip()
        self.stop()
        raise Unavailable("%s did not start: %s" % (self.name, said[-500:] or "it said nothing"))

    def restart(self):
        self.stop()
        self.port = free_port()
        return self.start()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def pids(self):
        """The process and its children."""
        found = [self.process.pid]
        for pid in found:
            for path in glob.glob("/proc/%d/task/*/children" % pid):
                found += [int(child) for child in open(path).read().split()]
        return found

    def cpu_ns(self):
        """CPU time, user and system, of all threads of all processes."""
        total = 0
        for pid in self.pids():
            for path in glob.glob("/proc/%d/task/*/schedstat" % pid):
                total += int(open(path).read().split()[0])
        return total

    def anonymous_bytes(self):
        """Memory of its own that is resident: RssAnon over all processes."""
        total = 0
        for pid in self.pids():
            for line in open("/proc/%d/status" % pid):
                if line.startswith("RssAnon:"):
                    total += int(line.split()[1]) * 1024
        return total


class Forebay(Server):
    name = "forebay"

    def command(self):
        if not os.access(self.options.forebayd, os.X_OK):
            raise Unavailable("%s is no program; build first (scripts/test), or pass --forebayd"
                              % self.options.forebayd)
        conf = self.write("forebay.conf", FOREBAY_CONF.format(
            workers=self.options.workers, port=self.port, folder=self.folder,
            admin_port=free_port(), iterations=self.options.iterations))
        return [self.options.forebayd, "-c", conf]


class Floor(Server):
    name = "floor"
    response_bytes = 0  # set to what forebay sends, so that both send as much

    def command(self):
        if not os.access(self.options.floor, os.X_OK):
            raise Unavailable("%s is no program; make tests/floor, or pass --floor"
                              % self.options.floor)
        return [self.options.floor, "-p", str(self.port), "-w", str(self.options.workers),
                "-s", str(self.response_bytes)]


class Nginx(Server):
    name = "nginx"

    def command(self):
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        if not os.access(program, os.X_OK):
            raise Unavailable("nginx is not installed (package nginx-light)")
        conf = self.write("nginx.conf", NGINX_CONF.format(
            workers=self.options.workers, port=self.port, folder=self.folder))
        return [program, "-p", self.folder, "-c", conf, "-e", self.folder + "/error.log"]


def start_all(top, options):
    """Forebay, and the peers that are to be had here; says which are missing."""
    running = []
    for kind in (Forebay, Floor, Nginx):
        if kind.name in options.without:
            continue
        server = kind(top, options)
        if kind is Floor and running:
            server.response_bytes = len(running[0].response)
        try:
            running.append(server.start())
        except Unavailable as why:
            if kind is Forebay:
                raise
            print("without %s: %s" % (kind.name, why), flush=True)
    return running
