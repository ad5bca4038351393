"""One writer for a file that takes long to make: who writes it stands in ``name.lock``.

The lock names the process, its machine and its run. It is made together with its content, so
that of two processes one gets it. A lock of a process that is gone from this machine is taken
over; of another machine nobody here can tell, and the error says which file to remove. Jobs of
one run (`part_of_run`) take locks over from each other: where a worker of a cluster is lost, the
one that gets its job goes on, and the lost one, should it still live, is refused at its next
writing, for every writing is preceded by `Lock.check`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import socket
import sys
from contextvars import ContextVar

from .errors import LockedError
from .files import check_writable, open_as

__all__ = ["Lock", "LockedError", "current_run", "part_of_run"]

_RUN: ContextVar[str | None] = ContextVar("stnclf_run", default=None)


@contextlib.contextmanager
def part_of_run(name):
    """Make what is written inside the block part of a run of many jobs.

    Parameters
    ----------
    name : str
        Name of the run; no other run has it.
    """
    token = _RUN.set(name)
    try:
        yield
    finally:
        _RUN.reset(token)


def current_run():
    """Return the name of the run that this thread works for; None where it is one of its own."""
    return _RUN.get()


class Lock:
    """The right to write a file, until it is released.

    Parameters
    ----------
    out : str
        The file; no symbolic link.

    Attributes
    ----------
    path : str
        The file of the lock, ``out`` and ``".lock"``.
    run : str
        Name of the run: that of `part_of_run`, or one of its own.

    Raises
    ------
    LockedError
        If another process, or another thread of this one, has it.
    OSError
        If it cannot be written; the error names `out`.
    """

    def __init__(self, out):
        self.out, self.path = out, f"{out}.lock"
        self.run = current_run() or secrets.token_hex(8)
        self._owner = {
            "run": self.run,
            "id": secrets.token_hex(8),
            "host": socket.gethostname(),
            "process": os.getpid(),
            "started": _started(os.getpid()),
        }
        self._acquire()

    def check(self):
        """Make sure that the lock is still this one's.

        Raises
        ------
        LockedError
            If another run has taken it, or it was removed.
        """
        there = _read(self.path)
        if there is None:
            reason = f"could not be written: its lock {self.path!r} was removed"
            raise LockedError(errno.ENOENT, reason, self.out)
        if there != self._owner:
            raise LockedError(
                f"{self.out!r} is no longer written by this run: {_words(there)} has its lock "
                f"{self.path!r} now."
            )

    def release(self):
        """Release the lock."""
        if _read(self.path) == self._owner:
            with contextlib.suppress(OSError):
                os.remove(self.path)

    def _acquire(self):
        draft = f"{self.path}.{self._owner['id']}"
        try:
            with open_as(draft, self.out) as file:
                file.write(json.dumps(self._owner).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                os.remove(draft)
            check_writable(self.out)  # whose error is about the file itself
            raise OSError(error.errno, f"could not be written: {error.strerror}", self.path) from (
                error
            )
        try:
            if not _claim(draft, self.path):
                there = _read(self.path)
                self._check_stale(there)
                os.replace(draft, self.path)
                # Of two that found it stale, the second to take it has it.
                self.check()
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.remove(draft)

    def _check_stale(self, there):
        """Refuse a lock that is, or may be, that of a process which is alive."""
        if there is not None and there.get("run") == self.run:
            return
        if there is None:
            if not os.path.exists(self.path):
                return  # released this very moment
            state = "names no process"
        elif there.get("host") != socket.gethostname():
            state = f"is of {_words(there)}, another machine"
        elif _is_alive(there):
            raise LockedError(
                f"{self.out!r} is being written by {_words(there)} (its lock is {self.path!r}); "
                "wait for it, or choose another name."
            )
        else:
            return
        raise LockedError(
            f"{self.out!r} is being written by another run: its lock {self.path!r} {state}. If no "
            f"such process runs any more, remove {self.path!r}."
        )


def _claim(draft, path):
    """Rename a file unless the name is taken; return whether it was free."""
    try:
        os.link(draft, path)  # with its content, or not at all
        return True
    except FileExistsError:
        return False
    except (OSError, AttributeError, NotImplementedError):
        pass  # a file system without hard links
    try:
        with open(draft, "rb") as source, open(path, "xb") as file:
            file.write(source.read())
        return True
    except FileExistsError:
        return False


def _read(path):
    """Read a lock; None where there is none, or one that says nothing."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.loads(file.read(4096))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _words(owner):
    return f"process {owner.get('process')} on {str(owner.get('host'))[:80]!r}"


def _is_alive(owner):
    """Check whether a process of this machine runs, and is the one that made the lock."""
    number = owner.get("process")
    if type(number) is not int or number <= 0:
        return False
    if sys.platform == "win32":  # there, os.kill would end it
        return _is_alive_on_windows(number)
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # it is somebody else's
    started = _started(number)
    return started != "ended" and (started is None or started == owner.get("started"))


def _started(number):
    """When a process was started, as the system counts it; None where it does not tell."""
    try:
        with open(f"/proc/{number}/stat", "rb") as file:
            # The name of the program, in brackets, may hold blanks and brackets.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    # A process that nobody has waited for has ended, too.
    return "ended" if fields[0] in (b"Z", b"X") else int(fields[19])


def _is_alive_on_windows(number):
    import ctypes

    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
    handle = kernel.OpenProcess(0x00100000, False, number)  # SYNCHRONIZE
    if not handle:
        return False
    try:
        return kernel.WaitForSingleObject(handle, 0) == 0x102  # WAIT_TIMEOUT: it runs
    finally:
        kernel.CloseHandle(handle)
