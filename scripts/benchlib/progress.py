"""What is being done and how long it will take, on standard error."""
import sys
import time


def span(seconds):
    """A time for people: 45 s, 3 min 20 s."""
    seconds = max(0, round(seconds))
    return "%d s" % seconds if seconds < 100 else "%d min %02d s" % divmod(seconds, 60)


class Progress:
    """The estimates of the cases to come, against the clock. `limit` is the most it may take."""

    def __init__(self, estimates, limit):
        self.estimates = dict(estimates)  # case to seconds
        self.started = time.monotonic()
        self.limit = limit
        self.case = None
        self.place = 0

    def say(self, text):
        print(text, file=sys.stderr, flush=True)

    def begin(self, case):
        """The next case starts."""
        self.case, self.place = case, self.place + 1

    def round(self, number, total, what=""):
        """Round `number` (from 0) of the case starts."""
        later = list(self.estimates.values())[self.place:]
        left = sum(later) + self.estimates[self.case] * (1 - number / total)
        self.say("[%d/%d %s] round %d of %d%s; about %s left" % (
            self.place, len(self.estimates), self.case, number + 1, total,
            ": " + what if what else "", span(left)))

    def is_over(self):
        """Whether the time is used up: what is left must be left out."""
        return time.monotonic() - self.started > self.limit
