"""The bed of the system tests: forebayd and a chaos upstream as processes.

A Daemon has a configuration of its own in a folder of its own and listens on the
loopback alone. It is ended by its process id, and must end with code 0 and
without a word from a sanitizer. Times are scaled by FACTOR for builds that are
slow; FOREBAY_TIME_FACTOR overrides what is guessed from the program.
"""
import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
FOREBAYD = os.environ.get("FOREBAYD") or os.path.join(HERE, "../../forebayd")
CHAOS = os.path.join(HERE, "../support/chaos.py")
SANITIZERS = re.compile(r"(ERROR|WARNING|SUMMARY): \w+Sanitizer|runtime error:|FOREBAY ASSERT|assertion")

ports = random.Random(os.getpid())


def guess_factor():
    """How much slower than a plain build this one is."""
    with open(FOREBAYD, "rb") as program:
        code = program.read()
    return 4 if b"__tsan_init" in code else 2 if b"__asan_init" in code else 1


# Seconds until something is taken to hang. It says nothing about what is fast enough: whoever waits for
# what must come waits for so long at least, however busy the machine is.
PATIENCE = 30.0
# How many times as often what is random or wears out is tried.
LONG = int(os.environ.get("FOREBAY_LONG") or 1)
FACTOR = float(os.environ.get("FOREBAY_TIME_FACTOR") or guess_factor())


def free_port(family=socket.AF_INET, host="127.0.0.1"):
    """A port that nobody listens on, below those that the kernel gives to clients."""
    while True:
        port = ports.randrange(12000, 32000)
        with socket.socket(family) as s:
            try:
                s.bind((host, port))
                return port
            except OSError:
                continue


def wait_until(holds, seconds=PATIENCE, what="it"):
    """Polls until holds() is true; an assertion when it never is."""
    seconds = max(seconds, PATIENCE)
    end = time.monotonic() + seconds * FACTOR
    while True:
        got = holds()
        if got:
            return got
        assert time.monotonic() < end, "%s did not come true within %g s" % (what, seconds * FACTOR)
        time.sleep(0.005)


class Daemon:
    """One forebayd. `conf` is all of it but [listen test], which is added unless listen is None.

    `before` are words of a command that executes it, `environ` is added to the environment, `inherit`
    are descriptors that it is given, `log` is where [log] target leads if that is not standard error.
    """

    running = []

    def __init__(self, folder, conf, listen="", files=None, arguments=(), before=(), environ=None,
                 inherit=(), log=None):
        self.folder = str(folder)
        self.port = free_port()
        self.path = os.path.join(self.folder, "forebay.conf")
        self.process = None
        if listen is not None:
            conf = "[listen test]\naddress = 127.0.0.1:%d\n%s\n%s" % (self.port, listen, conf)
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(conf)
        stderr = os.path.join(self.folder, "stderr")
        self.log = log or stderr
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))) if files else None
        with open(stderr, "wb") as file:
            self.process = subprocess.Popen([*before, FOREBAYD, "-v", "-c", self.path, *arguments], stderr=file,
                                            stdin=subprocess.DEVNULL, preexec_fn=limit, pass_fds=inherit,
                                            env=dict(os.environ, **(environ or {})))
        Daemon.running.append(self)
        listeners = len(re.findall(r"(?m)^\[listen ", conf))
        wait_until(lambda: self.process.poll() is not None or
                   self.stderr().count("listening on") == listeners, 10, "listening")
        assert self.process.poll() is None, "forebayd ended with %d:\n%s" % (self.process.returncode, self.stderr())

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    @property
    def pid(self):
        return self.process.pid

    def stderr(self):
        """Everything it has said so far."""
        if not os.path.exists(self.log):
            return ""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def descriptors(self):
        """What its descriptors are: links such as socket:[1234]."""
        folder = "/proc/%d/fd" % self.pid
        links = []
        for name in os.listdir(folder):
            try:
                links.append(os.readlink(os.path.join(folder, name)))
            except OSError:
                continue
        return links

    def sockets(self):
        """How many sockets it has open, listeners included."""
        return sum(link.startswith("socket:") for link in self.descriptors())

    def resident_kib(self):
        """Memory that it has now: VmRSS."""
        with open("/proc/%d/status" % self.pid, encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1))

    def cpu_seconds(self):
        """User and system time of all its threads so far."""
        with open("/proc/%d/stat" % self.pid, encoding="ascii") as file:
            fields = file.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def thread_seconds(self):
        """As cpu_seconds, of each thread by its id."""
        folder, seconds = "/proc/%d/task" % self.pid, {}
        for thread in os.listdir(folder):
            with open("%s/%s/stat" % (folder, thread), encoding="ascii") as file:
                fields = file.read().rsplit(") ", 1)[1].split()
            seconds[thread] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return seconds

    def signal(self, number=signal.SIGTERM):
        """Sends a signal to this very process."""
        self.process.send_signal(number)

    def wait(self, seconds=10.0):
        """Waits for the end; the exit code has to be 0 and sanitizers silent."""
        try:
            code = self.process.wait(seconds * FACTOR)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("forebayd did not end:\n" + self.stderr()) from None
        finally:
            if self in Daemon.running:
                Daemon.running.remove(self)
        said = self.stderr()
        assert code == 0, "forebayd ended with %d:\n%s" % (code, said)
        assert not SANITIZERS.search(said), said
        return said

    def stop(self, seconds=10.0):
        """SIGTERM and wait(); nothing when it has ended before."""
        if self in Daemon.running:
            self.signal()
            self.wait(seconds)


def cells(daemon):
    """The processes that serve modules of a Daemon, by their ids."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name, encoding="utf-8", errors="replace") as file:
                    parent = int(file.read().rsplit(")", 1)[1].split()[1])
                with open("/proc/%d/stat" % parent, encoding="utf-8", errors="replace") as file:
                    above = file.read()
            except (OSError, IndexError):
                continue
            if "(spawner)" in above and int(above.rsplit(")", 1)[1].split()[1]) == daemon.pid:
                found.append(int(name))
    return found


def run_forebayd(*arguments, folder=None, limit=10):
    """Runs it to its end; (exit code, stdout, stderr) as text."""
    done = subprocess.run([FOREBAYD, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, cwd=folder, timeout=limit * FACTOR, check=False)
    said = done.stderr.decode("utf-8", "replace")
    assert not SANITIZERS.search(said), said
    return done.returncode, done.stdout.decode("utf-8", "replace"), said


class Chaos:
    """tests/support/chaos.py as a process; ends with the pipe it reads from."""

    def __init__(self, port=0, options=()):
        self.process = subprocess.Popen(["/usr/bin/python3", CHAOS, "--port", str(port), *options],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self.process.stdout.readline().decode()
        self.address = line.split(": ", 1)[1].strip()

    @property
    def port(self):
        return int(self.address.rsplit(":", 1)[1])

    def told(self, path):
        """What it answers to a request of our own."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as s:
            s.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path.encode())
            text = b"".join(iter(lambda: s.recv(4096), b""))
        assert text.startswith(b"HTTP/1.1 200 "), text
        return json.loads(text.split(b"\r\n\r\n", 1)[1])

    def count(self):
        """Its counters: connections, requests, open, cut, held. This look is not counted."""
        seen = self.told("/count")
        seen["open"] -= 1
        return seen

    def mood(self, *words):
        """How it answers /moody from now on."""
        self.told("/mood/" + "/".join(words))

    def await_held(self, count=1):
        """Waits until so many requests for /hold/... are there."""
        wait_until(lambda: self.count()["held"] >= count, what="a request that is held")

    def let_go(self, name):
        """Answers /hold/NAME, now and from now on."""
        self.told("/let-go/" + name)

    def stop(self):
        """Closes its standard input and waits."""
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
