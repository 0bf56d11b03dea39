"""A real browser: headless Chromium, told what to do over a pipe in its DevTools protocol."""
import base64
import json
import os
import select
import shutil
import signal
import subprocess
import time

from bed import FACTOR

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync",
           "--ignore-certificate-errors", "--remote-debugging-pipe", "--window-size=900,700")


class Browser:
    """One browser with one page; `folder` is where it keeps its profile."""

    def __init__(self, folder):
        self.events, self.number, self.buffer = [], 0, b""
        to_read, self.commands = os.pipe()
        self.answers, to_write = os.pipe()
        script = 'exec "$0" "$@" 3<&%d 4>&%d' % (to_read, to_write)
        with open(os.path.join(folder, "chromium.log"), "wb") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", script, PROGRAM, *OPTIONS, "--user-data-dir=" + os.path.join(folder, "profile"),
                 "about:blank"], pass_fds=(to_read, to_write), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=dict(os.environ, HOME=str(folder)), start_new_session=True)
        os.close(to_read)
        os.close(to_write)
        targets = self.ask("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self.session = None
        self.session = self.ask("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]

    session = None

    def close(self):
        """It and its children, which are a session of their own."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        os.close(self.commands)
        os.close(self.answers)

    def message(self, seconds):
        """The next one that it sends, or None when none comes in that time."""
        end = time.monotonic() + seconds
        while b"\0" not in self.buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.answers], [], [], left)[0]:
                return None
            more = os.read(self.answers, 1 << 20)
            assert more, "the browser has ended"
            self.buffer += more
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def ask(self, method, seconds=30, **parameters):
        """A command's result; events that come before it are kept."""
        self.number += 1
        command = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        end = time.monotonic() + seconds * FACTOR
        while time.monotonic() < end:
            message = self.message(end - time.monotonic())
            if message and message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            if message and "method" in message:
                self.events.append(message)
        raise AssertionError("no answer to " + method)

    def open(self, url, seconds=60):
        """Loads a page to its load event."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(domain + ".enable")
        self.ask("Page.navigate", url=url)
        end = time.monotonic() + seconds * FACTOR
        while not self.seen("Page.loadEventFired"):
            message = self.message(end - time.monotonic())
            assert message, "the page was not loaded"
            self.events.append(message)

    def seen(self, method):
        """The parameters of every event of that name so far."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def value(self, expression):
        """What a line of script on the page comes to."""
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def complaints(self):
        """Everything that the console shows as an error or a warning."""
        found = [entry["entry"] for entry in self.seen("Log.entryAdded")
                 if entry["entry"]["level"] in ("error", "warning")]
        found += self.seen("Runtime.exceptionThrown") + self.seen("Network.loadingFailed")
        return found + [call for call in self.seen("Runtime.consoleAPICalled") if call["type"] in ("error", "warning")]

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))
