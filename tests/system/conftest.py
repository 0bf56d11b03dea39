"""Fixtures of the system tests; what they give is in bed.py and client.py."""
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
    for daemon in reversed(started):
        daemon.stop()


@pytest.fixture(scope="module")
def chaos():
    """A hostile upstream for the tests of one module."""
    upstream = bed.Chaos()
    yield upstream
    upstream.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what the daemons have said."""
    report = (yield).get_result()
    if report.failed:
        for daemon in bed.Daemon.running:
            report.sections.append(("stderr of forebayd %d" % daemon.pid, daemon.stderr()[-8000:]))
