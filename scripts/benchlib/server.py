"""A server as a process: started on a loopback port of its own, measured, ended by its process id."""
import ctypes
import glob
import os
import random
import signal
import socket
import subprocess
import threading
import time

from benchlib import client, interrupt

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
START_SECONDS = 10
STOP_SECONDS = 10
spawned = []  # what has not been ended yet


class Unavailable(Exception):
    """Something that cannot be had or started here; the text says why."""


def free_port():
    """A port of 127.0.0.1 that nobody listens on, below those that clients are given."""
    while True:
        port = random.randrange(12000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def detach():
    """In the child: out of reach of the terminal's Ctrl-C, but not outliving this process."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupt.SIGNALS)
    os.setsid()
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def spawn(command, **more):
    """A process that ends with this one, whatever happens; no signal comes before it is listed."""
    signal.pthread_sigmask(signal.SIG_BLOCK, interrupt.SIGNALS)
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=detach, **more)
        spawned.append(process)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupt.SIGNALS)
    return process


def end(process):
    """SIGTERM, and SIGKILL for it and its children if that does not do; by process id."""
    if process and process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # it leads a group of its own: see detach()
            process.wait()
    if process in spawned:
        spawned.remove(process)


def end_all():
    """Everything that an interruption has left without an owner, too."""
    for process in list(spawned):
        end(process)


class Server:
    """A peer of the table in peers.py, running. `words` fill the peer's templates."""

    def __init__(self, peer, program, folder, words, ready):
        self.peer, self.name, self.program = peer, peer.name, program
        self.folder, self.ready = os.path.join(folder, peer.name), ready
        self.words = words
        self.port = self.tls_port = self.h2c_port = self.admin_port = self.process = None
        self.response, self.command_line = b"", []
        self.wrapper = []  # goes before the command: valgrind
        os.makedirs(self.folder, exist_ok=True)

    def command(self):
        """Writes the configuration for the port it has now; the command line."""
        self.tls_port, self.h2c_port, self.admin_port = free_port(), free_port(), free_port()
        words = dict(self.words, program=self.program, folder=self.folder, port=self.port, tls_port=self.tls_port,
                     h2c_port=self.h2c_port, admin_port=self.admin_port,
                     conf=os.path.join(self.folder, self.name + ".conf"))
        if self.peer.conf:
            with open(words["conf"], "w", encoding="utf-8") as stream:
                stream.write(self.configuration(words))
        return self.wrapper + [word for word in (text % words for text in self.peer.command) if word]

    def configuration(self, words):
        """The peer's template and what the case adds to it, filled."""
        text = self.peer.conf
        for mark in ("before", "inside"):
            text = text.replace("@%s@" % mark, words.get("%s.%s" % (mark, self.name), ""))
        return (text + words.get("more." + self.name, "")) % words

    def start(self, seconds=START_SECONDS):
        """Waits until it answers; Unavailable with what it said if it does not."""
        self.port = free_port()
        log = os.path.join(self.folder, "log")
        with open(log, "wb") as stream:
            self.command_line = self.command()
            self.process = spawn(self.command_line, stdout=stream, stderr=stream)
        limit = time.monotonic() + seconds
        while time.monotonic() < limit and self.process.poll() is None:
            time.sleep(0.05)
            try:
                if self.is_ready():
                    return self
            except OSError:
                continue
        self.stop()
        with open(log, encoding="utf-8", errors="replace") as stream:
            said = stream.read().strip()
        raise Unavailable("%s did not start: %s" % (
            self.name, said[-500:] or self.response[:80] or "it said nothing"))

    def is_ready(self):
        """Whether it answers; of a server without HTTP/1, whether it accepts."""
        if not self.ready:
            socket.create_connection(("127.0.0.1", self.port), 5).close()
            return True
        self.response = client.get(self.port, self.ready)
        return self.response.startswith(b"HTTP/1.1 200 ")

    def stop(self):
        """Nothing if it has ended."""
        end(self.process)
        self.process = None

    def reload(self):
        """Forebay with other words: writes its configuration anew for the ports that it has."""
        words = dict(self.words, program=self.program, folder=self.folder, port=self.port, tls_port=self.tls_port,
                     h2c_port=self.h2c_port, admin_port=self.admin_port)
        with open(os.path.join(self.folder, self.name + ".conf"), "w", encoding="utf-8") as stream:
            stream.write(self.configuration(words))
        self.process.send_signal(signal.SIGHUP)

    def restart(self):
        """Fresh, on another port."""
        self.stop()
        return self.start()

    def pids(self):
        """The process and its children."""
        found = [self.process.pid]
        for pid in found:
            for path in glob.glob("/proc/%d/task/*/children" % pid):
                found += [int(child) for child in read_words(path)]
        return found

    def cpu_ns(self):
        """CPU time, user and system, of all threads of all its processes."""
        paths = [path for pid in self.pids() for path in glob.glob("/proc/%d/task/*/schedstat" % pid)]
        return sum(int((read_words(path) or ["0"])[0]) for path in paths)

    def anonymous_bytes(self):
        """Memory of its own that is resident."""
        return self.status_bytes("RssAnon:")

    def address_bytes(self):
        """What it has mapped, used or not."""
        return self.status_bytes("VmSize:")

    def status_bytes(self, word):
        """Of /proc/PID/status, over all its processes."""
        total = 0
        for pid in self.pids():
            words = read_words("/proc/%d/status" % pid)
            total += int(words[words.index(word) + 1]) * 1024
        return total


def read_words(path):
    """None left of a thread that has just ended."""
    try:
        with open(path, encoding="ascii", errors="replace") as stream:
            return stream.read().split()
    except OSError:
        return []


class Meter(threading.Thread):
    """The most memory of its own that a server has while this runs."""

    def __init__(self, one):
        super().__init__(daemon=True)
        self.one, self.most, self.is_over = one, 0, threading.Event()
        self.start()

    def run(self):
        while not self.is_over.wait(0.05):
            self.look()

    def look(self):
        try:
            self.most = max(self.most, self.one.anonymous_bytes())
        except (ValueError, AttributeError, IndexError):
            return  # it is being started again

    def stop(self):
        """The most that was seen, in bytes."""
        self.is_over.set()
        self.join()
        self.look()
        return self.most
