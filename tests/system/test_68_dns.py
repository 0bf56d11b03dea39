"""Servers that are found by DNS: they come and go, and no request notices."""
import http.server
import re
import signal
import socket
import threading

import pytest

import bed
from bed import wait_until
from client import ask, metrics
from load import Load
from nameserver import LIES, NameServer, a, aaaa, cname, srv

CONF = """
[server]
workers = 2
[admin]
listen = 127.0.0.1:%(admin)d
[resolver]
servers = %(dns)s
timeout = 100ms
attempts = 1
min_ttl = 50ms
max_ttl = 10m
[upstream app]
servers = http://%(name)s
%(more)s
[route app]
match = GET /{rest...}
source = upstream app
"""
pytestmark = pytest.mark.skipif(re.search(r"c-ares +no", bed.run_forebayd("--version")[1]) is not None,
                                reason="built without c-ares")
GET = b"GET /x HTTP/1.1\r\nHost: front\r\n\r\n"
ONE, TWO = "127.0.0.1", "127.0.0.2"


class Answering(http.server.BaseHTTPRequestHandler):
    """Says which server it is, and what it was asked for."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        self.server.open += 1
        super().setup()

    def finish(self):
        super().finish()
        self.server.open -= 1

    def do_GET(self):
        self.server.asked += 1
        self.server.hosts.add(self.headers["Host"])
        if self.path == "/hold":
            self.server.held += 1
            self.server.may_go.wait(60)
        body = self.server.label.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing."""


class Server(http.server.ThreadingHTTPServer):
    """One server, on an address of the loopback."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host, port, label):
        super().__init__((host, port), Answering)
        self.label, self.asked, self.open, self.held, self.hosts = label, 0, 0, 0, set()
        self.may_go = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request, client_address):
        """A connection that was cut."""

    def stop(self):
        self.may_go.set()
        self.shutdown()
        self.server_close()


def shared_port():
    """A port that is free at both addresses."""
    while True:
        port = bed.free_port()
        with socket.socket() as s:
            try:
                s.bind((TWO, port))
                return port
            except OSError:
                continue


class World:
    """Two servers on one port, DNS, and the daemon between them and us."""

    def __init__(self, start):
        self.start = start
        self.dns = NameServer()
        self.port = shared_port()
        self.one, self.two = Server(ONE, self.port, "one"), Server(TWO, self.port, "two")
        self.daemon, self.admin = None, None

    def run(self, name=None, more="", **options):
        self.admin = bed.free_port()
        self.daemon = self.start(CONF % {"admin": self.admin, "dns": self.dns.address, "more": more,
                                         "name": name or "app.test:%d" % self.port}, **options)
        return self.daemon

    def get(self, path="/x"):
        return ask(self.daemon.address, path)

    def bodies(self, times):
        """Who answered."""
        return {self.get().body.decode() for _ in range(times)}

    def counted(self, name, *labels):
        return sum(value for (known, has), value in metrics(("127.0.0.1", self.admin)).items()
                   if known == name and set(labels) <= set(has))

    def looked_up(self, result):
        return self.counted("forebay_upstream_lookups_total", ("result", result))

    def await_lookups(self, more=2, result="found"):
        """So many lookups that began from now on have ended; one may have been on its way."""
        want = self.looked_up(result) + more + 1
        wait_until(lambda: self.looked_up(result) >= want, what="lookups that are %s" % result)

    def stop(self):
        if self.daemon:
            self.daemon.stop()
        self.one.stop()
        self.two.stop()
        self.dns.stop()


@pytest.fixture
def world(start):
    hosts = World(start)
    hosts.dns.set("app.test", a(ONE))
    yield hosts
    hosts.stop()


def test_an_upstream_moves_and_no_request_notices(world):
    world.run()
    load = Load(world.daemon.address, 4, GET, 1, True)
    wait_until(lambda: world.one.asked > 50)
    for there, away, address in ((world.two, world.one, TWO), (world.one, world.two, ONE)):
        before = there.asked
        world.dns.set("app.test", a(address))
        wait_until(lambda: there.asked > before + 50)
        wait_until(lambda: away.open == 0, what="the end of all connections")
        seen = away.asked
        before = there.asked
        wait_until(lambda: there.asked > before + 50)
        assert away.asked == seen
    load.stop()
    assert world.counted("forebay_upstream_name_changes_total") == 2
    assert "app.test has 1 servers: 1 came, 1 went: %s:%d" % (TWO, world.port) in world.daemon.stderr()


def test_each_address_is_a_server_and_they_take_turns(world):
    world.dns.set("app.test", cname("real.test"))
    world.dns.set("real.test", a(ONE), a(TWO))
    world.run()
    for _ in range(40):
        world.get()
    assert 15 <= world.one.asked <= 25 and world.one.asked + world.two.asked == 40
    assert world.one.hosts == {"app.test:%d" % world.port}


def test_what_runs_at_a_server_that_went_is_finished(world):
    world.run()
    held = []
    thread = threading.Thread(target=lambda: held.append(world.get("/hold")))
    thread.start()
    wait_until(lambda: world.one.held == 1)
    world.dns.set("app.test", a(TWO))
    wait_until(lambda: world.bodies(4) == {"two"})
    assert not held
    world.one.may_go.set()
    thread.join()
    assert held[0].status == 200 and held[0].body == b"one"
    wait_until(lambda: world.one.open == 0)


def test_services_bring_ports_weights_and_priorities(world):
    third = Server(ONE, bed.free_port(), "third")
    world.dns.set("_web._tcp.app.test", srv(10, 300, world.port, "one.test"), srv(10, 100, third.server_address[1], "one.test"),
                  srv(20, 1, world.port, "two.test"))
    world.dns.set("one.test", a(ONE))
    world.dns.set("two.test", a(TWO))
    world.run("_web._tcp.app.test")
    for _ in range(80):
        assert world.get().status == 200
    assert 55 <= world.one.asked <= 65 and world.one.asked + third.asked == 80
    assert world.two.asked == 0
    assert world.one.hosts == {"app.test"}
    world.dns.set("_web._tcp.app.test", srv(20, 1, world.port, "two.test"))
    wait_until(lambda: world.bodies(4) == {"two"})
    world.dns.set("_web._tcp.app.test", srv(0, 0, 0, "."))
    world.await_lookups(1, "failed")
    assert world.bodies(4) == {"two"}
    third.stop()


@pytest.mark.parametrize("lie", sorted(set(LIES) - {"honest", "half"}))
def test_what_is_no_answer_changes_nothing(world, lie):
    world.run()
    assert world.bodies(2) == {"one"}
    world.dns.mode = lie
    world.await_lookups(1, "failed")
    assert world.bodies(6) == {"one"}
    assert world.counted("forebay_upstream_name_changes_total") == 0
    said = world.daemon.stderr()
    assert said.count("app.test is not found") == 1, said
    assert "its servers stay as they are" in said
    world.dns.mode = "honest"
    world.dns.set("app.test", a(TWO))
    wait_until(lambda: world.bodies(2) == {"two"})
    assert "app.test is found again" in world.daemon.stderr()


@pytest.mark.parametrize("lie", ["cut_record", "too_few", "pointer_loop", "garbage", "cname_loop", "oversize"])
def test_what_is_no_service_changes_nothing(world, lie):
    world.dns.set("_web._tcp.app.test", srv(0, 1, world.port, "one.test"))
    world.dns.set("one.test", a(ONE))
    world.run("_web._tcp.app.test")
    assert world.bodies(2) == {"one"}
    world.dns.mode = lie
    world.await_lookups(1, "failed")
    assert world.bodies(4) == {"one"}
    assert world.counted("forebay_upstream_name_changes_total") == 0


def test_half_a_service_changes_nothing(world):
    world.dns.set("_web._tcp.app.test", srv(0, 1, world.port, "one.test"), srv(0, 1, world.port, "two.test"))
    world.dns.set("one.test", a(ONE))
    world.dns.set("two.test", a(TWO))
    world.run("_web._tcp.app.test")
    assert world.bodies(4) == {"one", "two"}
    world.dns.mode = "half"
    world.await_lookups(1, "failed")
    assert world.bodies(4) == {"one", "two"}


def test_a_long_answer_comes_over_tcp_and_is_cut(world):
    many = [a("127.0.1.%d" % i) for i in range(1, 101)]
    world.dns.set("app.test", *many)
    world.run()
    world.await_lookups(2)
    assert world.dns.over_tcp > 0
    assert world.counted("forebay_upstream_name_cuts_total") > 0
    # Whichever come first, the same are taken.
    world.dns.set("app.test", *reversed(many))
    world.await_lookups(2)
    assert world.counted("forebay_upstream_name_changes_total") == 0
    world.dns.set("app.test", a(ONE))
    wait_until(lambda: "has 1 servers: 1 came, 64 went" in world.daemon.stderr())
    assert world.bodies(2) == {"one"}


@pytest.mark.parametrize("mode", ["silent", "nxdomain"])
def test_it_starts_without_dns_and_says_503_until_the_name_is_there(world, mode):
    world.dns.mode = mode
    world.run()
    assert re.search(r"warning: .*\[upstream app\] servers: \"app.test\" has no address yet: ", world.daemon.stderr())
    r = world.get()
    assert r.status == 503 and r.field("Retry-After"), r
    assert world.counted("forebay_upstream_unresolved_total") == 1
    world.dns.mode = "honest"
    wait_until(lambda: world.get().status == 200)


def test_a_reload_without_dns_keeps_what_is_known(world):
    world.run()
    assert world.bodies(2) == {"one"}
    load = Load(world.daemon.address, 2, GET, 1, True)
    world.dns.mode = "silent"
    for n in range(1, 4):
        world.daemon.signal(signal.SIGHUP)
        wait_until(lambda: world.counted("forebay_config_reloads_total", ("result", "ok")) >= n or
                   world.daemon.stderr().count("reloaded") >= n, what="a reload")
    load.stop()
    world.dns.mode = "honest"
    world.dns.set("app.test", a(TWO))
    wait_until(lambda: world.bodies(2) == {"two"})


def test_families_without_a_way_are_left_out(world):
    # TEST-NET of IPv6 (RFC 3849): no machine has a route of its own to it; one with a default route asks it.
    world.dns.set("app.test", a(ONE), aaaa("fe80::1"), aaaa("ff02::1"))
    world.run()
    assert world.bodies(4) == {"one"}


def resident(daemon):
    """Kilobytes."""
    with open("/proc/%d/status" % daemon.pid, encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


def test_hundreds_of_changes_leave_nothing_behind(world):
    world.run(more="health_path = /x\nhealth_interval = 10ms", name="app.test:%d" % world.port)
    with open(world.daemon.path, encoding="utf-8") as file:
        text = file.read()
    with open(world.daemon.path, "w", encoding="utf-8") as file:
        file.write(text.replace("min_ttl = 50ms", "min_ttl = 10ms"))
    world.daemon.signal(signal.SIGHUP)
    load = Load(world.daemon.address, 2, GET, 1, True, pause=0.001)
    world.dns.rotation = [{"app.test": records} for records in ([a(ONE)], [a(ONE), a(TWO)], [a(TWO)])]

    def await_changes(count):
        want = world.counted("forebay_upstream_name_changes_total") + count
        wait_until(lambda: world.counted("forebay_upstream_name_changes_total") >= want, 60, "changes")
    await_changes(50)
    sockets, memory = world.daemon.sockets(), resident(world.daemon)
    await_changes(250)
    world.dns.rotation = []
    load.stop()
    wait_until(lambda: world.daemon.sockets() <= sockets + 4, what="as few sockets as before")
    if bed.FACTOR == 1:
        assert resident(world.daemon) < memory + 1024


def test_what_is_wrong_with_names_is_told(world, tmp_path):
    def check(servers, more="", dns=world.dns.address):
        path = tmp_path / "forebay.conf"
        path.write_text("[listen web]\naddress = 127.0.0.1:0\n" +
                        CONF % {"admin": 1, "dns": dns, "more": more, "name": servers})
        return bed.run_forebayd("-t", "-c", str(path))

    code, _, said = check("nowhere.test")
    assert code == 0 and "\"nowhere.test\" has no address yet: " in said
    for servers, more, wrong in (
            ("nowhere.invalid", "resolve = start", "has no address: "),
            ("_web._tcp.app.test:80", "", "a service brings its ports"),
            ("_web._tcp.app.test weight=2", "", "a service brings its weights"),
            ("_web.app", "", "the name of a service is _SERVICE._PROTOCOL.NAME"),
            ("_web._tcp.app.test", "resolve = start", "services are found by `resolve = dns` alone")):
        code, _, said = check(servers, more)
        assert code == 1 and wrong in said, (servers, said)
    code, _, said = check("app.test", dns="dns.example")
    assert code == 1 and "\"dns.example\" is not an address as 10.0.0.2, 10.0.0.2:53 or [::1]:53" in said
