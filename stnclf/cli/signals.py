"""SIGTERM and SIGHUP end a command as Ctrl-C does: progress is saved, and workers end."""

from __future__ import annotations

import contextlib
import signal
import threading
import time

__all__ = ["stopped_by_signals"]

#: Seconds within which a second signal is the same request to stop.
_SAME = 1.0


@contextlib.contextmanager
def stopped_by_signals():
    """End the work at SIGTERM and SIGHUP as at Ctrl-C; yield the list of those received.

    Only where nobody has said otherwise: `nohup` has SIGHUP ignored.
    """
    received, last = [], [-_SAME]

    def stop(number, frame):
        received.append(number)
        # A terminal that is closed sends both, and what is saved meanwhile must not be cut short.
        if time.monotonic() - last[0] >= _SAME:
            last[0] = time.monotonic()
            raise KeyboardInterrupt

    installed = []
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, stop)
                installed.append(number)
    try:
        yield received
    finally:
        for number in installed:
            signal.signal(number, signal.SIG_DFL)
