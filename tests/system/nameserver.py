"""A DNS server of our own (UDP and TCP, loopback) whose zone changes at will, and which can lie."""
import socket
import struct
import threading

A, CNAME, AAAA, SRV = 1, 5, 28, 33
NXDOMAIN, SERVFAIL = 3, 2
UDP_BYTES = 512


def pack_name(name):
    """A name as DNS writes it, without compression."""
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def a(address, ttl=0):
    return A, ttl, socket.inet_aton(address)


def aaaa(address, ttl=0):
    return AAAA, ttl, socket.inet_pton(socket.AF_INET6, address)


def cname(name, ttl=0):
    return CNAME, ttl, pack_name(name)


def srv(priority, weight, port, target, ttl=0):
    return SRV, ttl, struct.pack("!HHH", priority, weight, port) + pack_name(target)


def record(name, what):
    kind, ttl, body = what
    return pack_name(name) + struct.pack("!HHIH", kind, 1, ttl, len(body)) + body


class Query:
    """A question that has come."""

    def __init__(self, message):
        self.id, self.end = message[:2], 12
        labels = []
        while message[self.end]:
            length = message[self.end]
            labels.append(message[self.end + 1:self.end + 1 + length].decode("latin-1"))
            self.end += 1 + length
        self.end += 5
        self.name = ".".join(labels).lower()
        self.kind = struct.unpack_from("!H", message, self.end - 4)[0]
        self.question = message[12:self.end]


def reply(query, records=(), code=0, ident=None, question=None, flags=0x8180, count=None):
    """A whole message."""
    question = query.question if question is None else question
    return ((ident or query.id) + struct.pack("!HHHHH", flags | code, 1, len(records) if count is None else count, 0, 0) +
            question + b"".join(records))


class NameServer:
    """`zone` is {name: [records]}; `mode` says how it answers: see LIES."""

    def __init__(self):
        self.zone, self.mode, self.queries, self.over_tcp = {}, "honest", 0, 0
        self.rotation = []  # zones to take in turn, one for each query for A
        while True:
            self.tcp = socket.create_server(("127.0.0.1", 0))
            self.port = self.tcp.getsockname()[1]
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self.udp.bind(("127.0.0.1", self.port))
                break
            except OSError:
                self.tcp.close()
                self.udp.close()
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self.serve_udp, self.serve_tcp)]
        for thread in self.threads:
            thread.start()

    @property
    def address(self):
        return "127.0.0.1:%d" % self.port

    def set(self, name, *records):
        """From now on the name is this."""
        self.zone[name] = list(records)

    def honest(self, query):
        """What the zone has; a CNAME is followed."""
        if self.rotation and query.kind == A:
            self.zone = self.rotation[0]
            self.rotation.append(self.rotation.pop(0))
        found, name = [], query.name
        if name not in self.zone:
            return reply(query, code=NXDOMAIN)
        for _ in range(8):
            alias = None
            for what in self.zone.get(name, ()):
                if what[0] in (query.kind, CNAME):
                    found.append(record(name, what))
                if what[0] == CNAME:
                    alias = what[2]
            if not alias:
                break
            name = next(other for other in self.zone if pack_name(other) == alias)
        return reply(query, found)

    def answer(self, message):
        """The message to send, or None."""
        self.queries += 1
        query = Query(message)
        return LIES[self.mode](self, query)

    def serve_udp(self):
        while True:
            try:
                message, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            text = self.answer(message)
            if text and len(text) > UDP_BYTES and self.mode != "oversize":
                query = Query(message)
                text = reply(query, flags=0x8380)
            if text:
                self.udp.sendto(text, peer)

    def serve_tcp(self):
        while True:
            try:
                conn, _ = self.tcp.accept()
            except OSError:
                return
            with conn:
                conn.settimeout(5)
                try:
                    while True:
                        head = conn.recv(2, socket.MSG_WAITALL)
                        if len(head) < 2:
                            break
                        message = conn.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL)
                        self.over_tcp += 1
                        text = self.answer(message)
                        if text:
                            conn.sendall(struct.pack("!H", len(text)) + text)
                except OSError:
                    continue

    def stop(self):
        self.udp.close()
        self.tcp.shutdown(socket.SHUT_RDWR)
        self.tcp.close()


# An address where nobody may ever be asked.
TRAP = "127.0.0.66"


def trap(query):
    """What a liar would like us to ask."""
    if query.kind == SRV:
        return [record(query.name, srv(0, 1, 1, TRAP, 300))]
    return [record(query.name, a(TRAP, 300))] if query.kind == A else []


def loop_of_names(_, query):
    names = [query.name, "one.test", "two.test"]
    return reply(query, [record(names[i % 3], cname(names[(i + 1) % 3])) for i in range(30)])


def pointer_loop(_, query):
    """A name whose compression points at itself."""
    return reply(query, [b"\xc0" + bytes([len(query.question) + 12]) + b"\0\1\0\1\0\0\0\0\0\4\x7f\0\0\x42"])


LIES = {
    "honest": NameServer.honest,
    "half": lambda s, q: None if q.name == "two.test" else s.honest(q),
    "silent": lambda s, q: None,
    "garbage": lambda s, q: q.id + b"\x81\x80" + b"\xff" * 100,
    "short": lambda s, q: q.id + b"\x81",
    "wrong_id": lambda s, q: reply(q, trap(q), ident=bytes(b ^ 0x55 for b in q.id)),
    "wrong_question": lambda s, q: reply(q, trap(q), question=pack_name("other.test") + q.question[-4:]),
    "no_answer": lambda s, q: reply(q),
    "nxdomain": lambda s, q: reply(q, code=NXDOMAIN),
    "servfail": lambda s, q: reply(q, code=SERVFAIL),
    "cname_loop": loop_of_names,
    "pointer_loop": pointer_loop,
    "cut_record": lambda s, q: reply(q, [(trap(q) or [record(q.name, aaaa("::1"))])[0][:-2]]),
    "too_few": lambda s, q: reply(q, trap(q), count=5),
    "unusable": lambda s, q: reply(q, [record(q.name, a(ip)) for ip in ("0.0.0.0", "224.0.0.1", "255.255.255.255")]
                                   if q.kind == A else [record(q.name, aaaa("ff02::1")), record(q.name, aaaa("::"))]),
    "oversize": lambda s, q: reply(q, [record(q.name, (16, 0, b"\xff" + b"x" * 255))] * 20),
}
