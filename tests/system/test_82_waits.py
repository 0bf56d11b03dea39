"""Who would wait for a connection in vain is told so at once, and may come again."""
import time

import bed
from client import Client, metrics

CONF = """
[server]
workers = 1

[admin]
listen = 127.0.0.1:%(admin)d

[upstream one]
servers = http://%(server)s
max_connections = 1
first_byte_timeout = 60s

[route patient]
match = GET /hold/{path...}
deadline = 60s
source = upstream one

[route hasty]
match = GET /hasty
deadline = 200ms
source = upstream one
path = /json
"""

HELD_S = 0.5  # more than the deadline of the hasty


def shed(admin, limit):
    labels = (("route", ""), ("limit", "upstream.one." + limit), ("mode", "enforce"))
    return metrics(("127.0.0.1", admin))["forebay_shed_total", labels]


def test_who_would_wait_in_vain_is_refused_at_once_and_free_connections_are_for_all(start):
    server, admin = bed.Chaos(), bed.free_port()
    daemon = start(CONF % {"admin": admin, "server": server.address})
    holder, patient = Client(daemon.address, timeout=60), Client(daemon.address, timeout=60)
    for number in range(3):  # how long the connection is held is learned
        holder.get("/hold/%d" % number)
        server.await_held(1)
        time.sleep(HELD_S)
        server.let_go(str(number))
        assert holder.response().status == 200
    holder.get("/hold/last")
    server.await_held(1)
    patient.get("/hold/next")
    with Client(daemon.address) as hasty:
        r = hasty.ask("/hasty")
        assert r.status == 503 and r.field("Forebay-Shed") == "upstream.one.wait", r
        assert int(r.field("Retry-After")) >= 1
        assert shed(admin, "wait") == 1 and shed(admin, "max_pending") == 0
        server.let_go("last")
        assert holder.response().status == 200
        server.await_held(1)
        server.let_go("next")
        assert patient.response().status == 200
        # Nobody has the connection: whatever is known of it, it may be used.
        assert hasty.ask("/hasty").field("Forebay-Shed") is None
    assert shed(admin, "wait") == 1
    for c in (holder, patient):
        c.close()
    daemon.stop()
    server.stop()
