"""SIGTERM and SIGHUP end a command as Ctrl-C does; other programs keep their handlers."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from stnclf.cli.signals import stopped_by_signals
from tests.cli.processes import COMMAND
from tests.cli.test_main import SCAN
from tests.processes import start

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the signals are those of POSIX")


@pytest.fixture(autouse=True)
def heard():
    """Switch SIGHUP on, which is off where tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_block_and_is_named(number):
    with stopped_by_signals() as received:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert received == [number]
        signal.raise_signal(signal.SIGHUP)  # at once: the same request
    assert signal.getsignal(number) is signal.SIG_DFL


def test_handlers_of_others_stay():
    calls = []
    before = signal.signal(signal.SIGTERM, lambda *_: calls.append(1))
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with stopped_by_signals() as received:
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.raise_signal(number)
        assert (calls, received) == ([1], [])
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGHUP, hangup)


def test_other_threads_install_nothing():
    found = []

    def look():
        with stopped_by_signals():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]


def children_of(number):
    """Processes of a system that tells, by their parents, and theirs."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if fields[0] != b"Z":
                parents[int(name)] = int(fields[1])
    found, new = set(), {number}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


# Slow on purpose: each fold trains until it is stopped.
FOLDS = ("--method", "cnn", "--epochs", 10_000, "--folds", 2, "--jobs", 2)


def alive(numbers):
    return [number for number in numbers if os.path.exists(f"/proc/{number}")]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="the system does not list processes")
def test_sigterm_ends_the_workers_too(road, tmp_path):
    out = tmp_path / "s.json"
    line = ["evaluate", road / "patches", "-o", out, *FOLDS]
    with start(COMMAND, *line) as process:
        end = time.monotonic() + 120
        while len(workers := children_of(process.pid)) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(1)
        workers = children_of(process.pid)
        assert len(workers) >= 2
        process.send_signal(signal.SIGTERM)
        errors = process.stderr.read()
        assert process.wait(60) == 143, errors
    assert errors.splitlines()[-1] == "stnclf: stopped by SIGTERM"
    end = time.monotonic() + 5
    while alive(workers) and time.monotonic() < end:
        time.sleep(0.05)
    assert alive(workers) == []
    assert os.listdir(tmp_path) == ["s.json.progress"]


STOPPED = """if True:
    import sys, time
    from stnclf._utils import progress
    from stnclf.cli import main

    add = progress.Progress.add
    def stop(self, number, *more):
        add(self, number, *more)
        if number == 2:
            print("ready", flush=True)
            time.sleep(100)

    progress.Progress.add = stop
    main()
"""


def test_sighup_keeps_the_progress(road, tmp_path, invoke):
    out = tmp_path / "x.csv"
    line = ["scan", road / "model.safetensors", road / "slides" / "a b.tif", "-o", out, *SCAN]
    line += ["--tile-size", 100]
    with start(STOPPED, *line) as process:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        process.send_signal(signal.SIGHUP)
        _, errors = process.communicate()
    assert process.returncode == 129
    assert errors.splitlines()[-1] == "stnclf: stopped by SIGHUP"
    assert os.listdir(tmp_path) == ["x.csv.progress"]
    # The header, and the tiles that were done.
    assert len((tmp_path / "x.csv.progress").read_bytes().splitlines()) == 4
    assert invoke(*line, "--resume")[0] == 0
