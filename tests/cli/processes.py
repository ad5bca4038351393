"""Real processes of the command line that are killed at a known point."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_main import ENVIRONMENT

NO_LIMIT = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")


def kill(code, line, condition):
    """Run Python code with a command line; kill it when it says that it is ready to die."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, line)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        assert condition()
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL


# Stops when so many units of work are noted, and waits to be killed.
KILLED = """if True:
    import sys, time
    from stnclf._utils import {module}, run
    from stnclf.cli import main

    run.INTERVAL = 0.0
    note = {module}.{kind}
    left = [int(sys.argv.pop())]

    def stop(self, *arguments):
        note(self, *arguments)
        left[0] -= 1
        if not left[0]:
            print("ready", flush=True)
            time.sleep(100)

    {module}.{kind} = stop
    main()
"""


def n_lines(path):
    return len(Path(path).read_bytes().splitlines())
