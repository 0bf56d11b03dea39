"""instructions: user-space instructions of one plain request, counted by valgrind."""
import os
import re
import socket

from benchlib import client, load

START_SECONDS = 60
COUNTED = ("forebay", "floor")  # servers of one process


def seconds(scale, each, servers):
    """(once, per round)"""
    return 2, len(COUNTED) * 2 * (1 + scale.instructions[1] / 1000)


def count(s, one, requests):
    """Instructions of a whole run that answers so many requests on one conn."""
    out = os.path.join(s.folder, "callgrind.%s.%d" % (one.name, requests))
    one.wrapper = ["valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=" + out]
    one.stop()
    one.start(START_SECONDS)
    s.used(one.command_line)
    with socket.create_connection(("127.0.0.1", one.port), START_SECONDS) as conn:
        for _ in range(requests):
            conn.sendall(client.request("/plain"))
            client.read_response(conn)
    one.stop()
    with open(out, encoding="utf-8") as stream:
        found = re.search(r"(?m)^(?:summary|totals): (\d+)", stream.read())
    if not found:
        raise load.Broken("callgrind left no totals")
    return int(found.group(1))


def instructions(s):
    load.need("valgrind", "valgrind")
    few, many = s.scale.instructions
    servers = s.start("plain", only=COUNTED)
    s.note("a run of %d requests less one of %d, so that starting and ending do not count" % (many, few))
    for _ in s.rounds():
        for one in servers:
            used = count(s, one, many) - count(s, one, few)
            s.figures.add("instructions_per_request", one.name, used / (many - few))
