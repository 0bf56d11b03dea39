"""The machine and the programs that the figures are of."""
import os
import platform
import re
import shutil
import socket
import subprocess

QUIET_SHARE = 0.02  # of the processors, used by others during the run
QUIET_LOAD = 0.5  # more than this at the start is worth a word


def read(path):
    """The first line of a file, or nothing."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.readline().strip()
    except OSError:
        return ""


def field(path, name):
    """The value of the first line "NAME : VALUE" of a file, or nothing."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            found = re.search(r"(?m)^%s\s*:\s*(.*)$" % re.escape(name), stream.read())
        return found.group(1).strip() if found else ""
    except OSError:
        return ""


def said(*command):
    """The first line of what a program prints, or nothing."""
    if not shutil.which(command[0]):
        return ""
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    return (ended.stdout.strip().splitlines() or [""])[0]


def virtualization():
    """What it runs under, as far as one can see from within."""
    flags = field("/proc/cpuinfo", "flags").split()
    detected = said("systemd-detect-virt")
    if "hypervisor" in flags:
        vendor = said("systemd-detect-virt", "--vm")
        return "virtual machine (%s)" % (vendor if vendor not in ("", "none") else "hypervisor unknown")
    return "container (%s)" % detected if detected not in ("", "none") else "none seen"


def cpu_model():
    return field("/proc/cpuinfo", "model name") or platform.machine()


def describe():
    """Facts in the order in which a reader asks for them."""
    load = os.getloadavg()[0]
    return {
        "host": socket.gethostname(),
        "cpu": cpu_model(),
        "processors": "%d online, %d allowed" % (os.cpu_count(), len(os.sched_getaffinity(0))),
        "mhz": field("/proc/cpuinfo", "cpu MHz") or "unknown",
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "unknown",
        "virtual": virtualization(),
        "memory": field("/proc/meminfo", "MemTotal") or "unknown",
        "kernel": "%s %s" % (platform.system(), platform.release()),
        "system": field_of_os_release() or "unknown",
        "load_at_start": round(load, 2),
    }


def field_of_os_release():
    try:
        with open("/etc/os-release", encoding="utf-8") as stream:
            found = re.search(r'(?m)^PRETTY_NAME="?([^"\n]*)', stream.read())
        return found.group(1) if found else ""
    except OSError:
        return ""


def steal_seconds():
    """CPU time that the hypervisor gave to others, since boot."""
    words = read("/proc/stat").split()
    return int(words[8]) / os.sysconf("SC_CLK_TCK") if len(words) > 8 else 0.0


def others_seconds():
    """CPU time of all processes but this one and those that it has waited for, since boot."""
    words = [int(word) for word in read("/proc/stat").split()[1:]]
    ours = os.times()
    return sum(words[0:3]) / os.sysconf("SC_CLK_TCK") - sum(ours[0:4])


def tools():
    """Versions of what measures."""
    found = {"wrk": said("wrk", "-v"), "ab": said("ab", "-V"), "h2load": said("h2load", "--version"),
             "valgrind": said("valgrind", "--version"), "gnuplot": said("gnuplot", "--version"), "python": platform.python_version()}
    return {name: text for name, text in found.items() if text}


def revision(root):
    """The commit of the source tree, and whether files have changed since."""
    git = ["git", "-C", root]
    commit = said(*git, "rev-parse", "--short=12", "HEAD")
    if not re.fullmatch(r"[0-9a-f]{12}", commit):
        return "unknown"
    return commit + (" with changes" if said(*git, "status", "--porcelain", "-uno") else "")
