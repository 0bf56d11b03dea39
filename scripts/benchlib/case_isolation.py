"""isolation: light requests beside more CPU-heavy ones than the pool can take."""
from benchlib import beside

HEAVY_RATE = 300
CONF = """\
[pool compute]
threads = 2
max_queue = 16
[route heavy]
match = GET /heavy
source = compute pbkdf2
input = x
salt = y
iterations = 100000
"""

seconds = beside.seconds


def isolation(s):
    ours = s.start_ours(**{"more.forebay": CONF})
    s.note("%d light requests/s beside %d heavy ones/s (PBKDF2, 100000 iterations, 2 threads, 16 may wait)" % (
        beside.LIGHT_RATE, HEAVY_RATE))
    for _ in s.rounds():
        beside.isolation_round(s, ours, "/heavy", HEAVY_RATE)
