"""A small Debian, booted in a container, with the programs that were built installed in it.

Its tree is made once by tests/support/boot-tree and never written to: what a boot changes
is in memory. The network is its own, with a loopback alone; a test enters it with

    with machine.network():
        Client(("127.0.0.1", 8080))

Only sockets and threads made inside belong to it.
"""
import contextlib
import ctypes
import json
import os
import re
import shutil
import subprocess
import time

from bed import FOREBAYD, wait_until

CLONE_NEWNET = 0x40000000
NSENTER = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd=/"]
BUILD = os.path.dirname(os.path.abspath(FOREBAYD))
UNIT = "forebay.service"
libc = ctypes.CDLL(None, use_errno=True)


def why_not():
    """Why there cannot be a machine here; None if there can."""
    tree = os.environ.get("FOREBAY_BOOT")
    if not tree:
        return "there is no tree to boot: scripts/test --boot makes it (tests/support/boot-tree)"
    if not os.path.exists(tree + ".ready"):
        return "FOREBAY_BOOT=%s is no complete tree (tests/support/boot-tree)" % tree
    if os.geteuid() != 0:
        return "only root can boot it"
    if not shutil.which("systemd-nspawn"):
        return "there is no systemd-nspawn (package systemd-container)"
    if not os.path.exists(os.path.join(BUILD, "Makefile")):
        return "%s is no build: nothing to install from" % BUILD
    with open(FOREBAYD, "rb") as program:
        code = program.read()
    if b"libsystemd.so" not in code:
        return "built without libsystemd"
    if b"__asan_init" in code or b"__tsan_init" in code:
        return "built with a sanitizer, whose memory the service's sandbox forbids"
    return None


def install(folder):
    """`make install` below a folder; the paths of all files, as they are in the machine."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "-s", "-C", BUILD, "install", "DESTDIR=" + folder], env=clean, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    assert done.returncode == 0, done.stdout.decode()
    return ["/" + os.path.relpath(os.path.join(where, name), folder)
            for where, _, names in os.walk(folder) for name in names]


def libraries(programs, tree):
    """What they need and the tree does not have."""
    said = subprocess.run(["ldd", *programs], stdout=subprocess.PIPE, check=True, timeout=30).stdout.decode()
    paths = sorted(set(re.findall(r"=> (/\S+)", said)))
    full = [os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path)) for path in paths]
    return [path for path in full if not os.path.lexists(tree + path)]


class DoesNotBoot(Exception):
    """No fault of what is tested: nothing of it has been started."""


class Machine:
    """Booted by its construction; stop() ends it."""

    def __init__(self, folder):
        tree = os.environ["FOREBAY_BOOT"]
        self.folder = str(folder)
        dest = os.path.join(self.folder, "dest")
        files = install(dest)
        binds = ["--bind-ro=%s:%s" % (dest + path, path) for path in files if not path.endswith(".conf")]
        programs = [FOREBAYD] + [dest + path for path in files if path.endswith(".so")]
        binds += ["--bind-ro=" + path for path in libraries(programs, tree)]
        conf = next(path for path in files if path.endswith("/forebay/forebay.conf"))
        self.conf = dest + conf
        with open(self.conf, encoding="utf-8") as file:
            self.installed_conf = file.read()
        binds.append("--bind=%s:%s" % (os.path.dirname(self.conf), os.path.dirname(conf)))
        self.control = next(path for path in files if path.endswith("/forebayctl"))
        self.log = os.path.join(self.folder, "console")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["systemd-nspawn", "--boot", "--directory=" + tree, "--volatile=overlay", "--register=no",
                 "--keep-unit", "--private-network", "--machine=forebay-test-%d" % os.getpid(), *binds],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        self.leader = None
        try:
            wait_until(self.is_booted, 60, "booting")
        except AssertionError:
            self.stop()
            raise DoesNotBoot("systemd does not boot here: " + " / ".join(self.console().split("\n")[-4:])) from None

    def console(self):
        """What the boot has said."""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]

    def is_booted(self):
        """Whether its systemd has started all that there is."""
        assert self.process.poll() is None, "systemd-nspawn ended"
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid), encoding="ascii") as file:
            children = file.read().split()
        if not children:
            return False
        self.leader = int(children[0])
        done = subprocess.run(["nsenter", "-t", str(self.leader), *NSENTER, "systemctl", "is-active",
                               "multi-user.target"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        return done.stdout == b"active\n"

    def stop(self):
        """Powers it off."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    # --- commands in it -----------------------------------------------------------------

    def run(self, *words, text=None, check=True, limit=60):
        """Runs a command as root; its code and all that it said."""
        done = subprocess.run(["nsenter", "-t", str(self.leader), *NSENTER, *words],
                              input=text.encode() if text is not None else None,
                              stdin=subprocess.DEVNULL if text is None else None, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, timeout=limit)
        said = done.stdout.decode("utf-8", "replace")
        assert done.returncode == 0 or not check, "%s: %d: %s\n%s" % (words, done.returncode, said, self.journal())
        return done.returncode, said

    def systemctl(self, *words, check=True):
        """Its code and what it said."""
        return self.run("systemctl", "--no-pager", *words, check=check)

    def show(self, what, unit=UNIT):
        """A property of a unit."""
        return self.systemctl("show", "--value", "-p", what, unit)[1].strip()

    def main_pid(self):
        """Of the service, as the machine numbers processes."""
        return int(self.show("MainPID"))

    def proc(self, name):
        """A file below /proc of the service."""
        return self.run("cat", "/proc/%d/%s" % (self.main_pid(), name))[1]

    def status(self):
        """forebayctl status --json."""
        return json.loads(self.run(self.control, "--json", "status")[1])

    def says(self, words):
        """The journal has them, or soon: it is written by another process, in its own time."""
        wait_until(lambda: words in self.journal(200), 10, "%r in the journal" % words)

    def journal(self, lines=40):
        """The last that the service and systemd about it have said."""
        return subprocess.run(["nsenter", "-t", str(self.leader), *NSENTER, "journalctl", "--no-pager", "-q", "-o",
                               "cat", "-n", str(lines), "-u", UNIT, "-u", "forebay.socket"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=30).stdout.decode("utf-8", "replace")

    def configure(self, text):
        """Writes forebay.conf."""
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(text)

    def change_unit(self, unit, text):
        """As `systemctl edit --runtime`; "" takes the change back."""
        folder = "/run/systemd/system/%s.d" % unit
        self.run("mkdir", "-p", folder)
        self.run("tee", folder + "/test.conf", text=text)
        self.systemctl("daemon-reload")

    def reset(self):
        """Nothing runs, and all is as installed."""
        self.systemctl("stop", "forebay.socket", UNIT)
        self.systemctl("reset-failed", "forebay.socket", UNIT, check=False)
        for unit in (UNIT, "forebay.socket"):
            self.change_unit(unit, "")
        self.configure(self.installed_conf)

    @contextlib.contextmanager
    def network(self):
        """This thread, and those that it starts, are in the machine's network."""
        with open("/proc/self/ns/net", encoding="ascii") as home, \
                open("/proc/%d/ns/net" % self.leader, encoding="ascii") as there:
            enter(there)
            try:
                yield
            finally:
                enter(home)


def enter(namespace):
    """setns(2)."""
    if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def seconds_of(call):
    """How long it takes."""
    begun = time.monotonic()
    call()
    return time.monotonic() - begun
