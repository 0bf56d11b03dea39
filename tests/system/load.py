"""A load that counts what is lost.

A client may send on a connection until it sees `Connection: close` in a response, or the server's
FIN. What it sent before has to be answered.
"""
import select
import socket
import threading
import time

from client import Client


def has_ended(c):
    """Whether the server's FIN, or a reset, is here already."""
    if c.pending or not select.select([c.socket], [], [], 0)[0]:
        return False
    try:
        return c.socket.recv(1, socket.MSG_PEEK) == b""
    except ConnectionError:
        return True


class Load:
    """Threads that ask until nobody listens any more, or until stop(), before which somebody must.

    Each sends `requests`, which are `count` of them, in one write, on one connection as long as it can
    be used if `is_kept`, with a pause in between.
    """

    def __init__(self, address, threads, requests, count, is_kept, pause=0.0):
        self.address, self.requests, self.count = address, requests, count
        self.is_kept, self.pause = is_kept, pause
        self.is_stopped = False
        self.answered, self.unsure, self.lost = 0, 0, []
        self.refused = None
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def connect(self):
        """None when nobody listens."""
        try:
            return Client(self.address, timeout=15)
        except (ConnectionRefusedError, FileNotFoundError, socket.timeout) as err:
            self.refused = repr(err)
            return None

    def turn(self, c, since):
        """One write, and the answers to all of it. False when the connection is used up."""
        if has_ended(c):
            return False
        try:
            c.send(self.requests)
            # The FIN may have crossed our bytes; and a thread that slept between connecting
            # and sending may have come when the listener was gone.
            if has_ended(c) or (since and time.monotonic() - since > 0.005):
                self.unsure += 1
                return False
            for place in range(self.count):
                r = c.response()
                assert r.status == 200, r
                assert not r.closes() or place == self.count - 1, "closing was announced before the last answer"
                self.answered += 1
            if r.closes():
                assert c.is_closed()
                return False
        except (AssertionError, OSError) as err:
            self.lost.append(repr(err))
            return False
        return self.is_kept

    def run(self):
        """One thread."""
        while not self.is_stopped:
            c = self.connect()
            if not c:
                return
            since = time.monotonic()
            while self.turn(c, since) and not self.is_stopped:
                since = None
                if self.pause:
                    time.sleep(self.pause)
            c.close()

    def stop(self):
        """Asks no more; until now every connection had to be taken."""
        assert not self.refused, self.refused
        self.is_stopped = True
        self.join()

    def join(self):
        """Waits for the end of all threads, and judges."""
        for thread in self.threads:
            thread.join()
        assert not self.lost, (len(self.lost), self.lost[:5])
