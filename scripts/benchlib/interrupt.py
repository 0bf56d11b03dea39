"""Ctrl-C, SIGTERM and SIGHUP: they end the case that runs, and no more than that."""
import contextlib
import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupt:
    """Raises KeyboardInterrupt once, and only inside allowed(): what cleans up and writes is not cut."""

    def __init__(self):
        self.came = False
        self.raises = False
        for number in SIGNALS:
            signal.signal(number, self.on_signal)

    def on_signal(self, number, frame):
        self.came = True
        if self.raises:
            self.raises = False
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def allowed(self):
        """For the body of a with statement."""
        try:
            self.raises = True
            if self.came:
                raise KeyboardInterrupt
            yield
        finally:
            self.raises = False
