"""idle: memory that a server holds for each connection that is open and does nothing."""
import resource
import socket

from benchlib import client, server

IP_BIND_ADDRESS_NO_PORT = 24  # Linux: the port is picked at connect, not at bind
SETTLE_SECONDS = 1  # what frees memory late has time to do so


def seconds(scale, each, servers):
    """(once, per round)"""
    return 1, servers * (SETTLE_SECONDS + 1 + scale.idle_conns / 3000)


def open_many(port, count, path, is_answered):
    """So many conns, each with a request of its own; from several addresses, to have the ports."""
    conns = []
    for number in range(count):
        s = socket.socket()
        conns.append(s)
        s.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        s.bind(("127.0.0.%d" % (2 + number % 4), 0))
        s.settimeout(10)
        s.connect(("127.0.0.1", port))
        s.sendall(client.request(path))
        if is_answered:
            client.read_response(s)
    return conns


def allow_descriptors(count):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise server.Unavailable("%d descriptors are allowed, %d are needed" % (hard, count))
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def idle(s):
    count = s.scale.idle_conns
    allow_descriptors(count + 100)
    servers = s.start("idle")
    s.note("RssAnon with %d connections after one request each, less that of the fresh server" % count)
    for _ in s.rounds():
        for one in servers:
            one.restart()
            fresh = one.anonymous_bytes()
            conns = open_many(one.port, count, "/plain", True)
            s.rest(SETTLE_SECONDS)
            s.figures.add("bytes_per_idle_conn", one.name, (one.anonymous_bytes() - fresh) / count)
            for conn in conns:
                conn.close()
