"""Commands that are killed at a known point."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.processes import kill

__all__ = ["COMMAND", "KILLED", "NO_LIMIT", "kill", "n_lines"]

NO_LIMIT = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")

#: What ``stnclf`` is.
COMMAND = "from stnclf.cli import main\nmain()\n"

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
