"""Fixtures of the system tests; what they give is in bed.py and client.py."""
import contextlib

import pytest

import bed


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """start(conf, ...) -> a Daemon, ended and judged after the module's last test."""
    started = []

    def start_one(conf, **more):
        started.append(bed.Daemon(tmp_path_factory.mktemp("forebayd"), conf, **more))
        return started[-1]
    yield start_one
    # One that ends badly is told when all have ended.
    with contextlib.ExitStack() as ends:
        for daemon in started:
            ends.callback(daemon.stop)


@pytest.fixture(scope="module")
def chaos():
    """A hostile upstream for the tests of one module."""
    upstream = bed.Chaos()
    yield upstream
    upstream.stop()


def pytest_runtest_setup(item):
    """What daemons have said before is of other tests."""
    item.said_before = {daemon.pid: len(daemon.stderr()) for daemon in bed.Daemon.running}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what the daemons have said."""
    report = (yield).get_result()
    if report.failed:
        before = getattr(item, "said_before", {})
        for daemon in bed.Daemon.running:
            said = daemon.stderr()[before.get(daemon.pid, 0):]
            if said:
                report.sections.append(("stderr of forebayd %d" % daemon.pid, said[-8000:]))
