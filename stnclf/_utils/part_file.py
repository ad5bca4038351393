"""An array that is filled over a long time, in memory or in a file that survives a crash.

Beside ``name.npy`` there is ``name.npy.part``, the array so far, and ``name.npy.progress``: a
line of JSON with what the run was, then the number of each unit of work that is in the array.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time

import numpy as np

from .files import check_path

__all__ = ["PartFile", "check_out", "read_header"]

#: Seconds between two writings of what is done; a crash costs no more than these.
_INTERVAL = 5.0


class PartFile:
    """An array to be filled, unit by unit, by one or more threads.

    A unit may be written again: what is not known to be done is done once more.

    Parameters
    ----------
    out : str or None
        The file to make; None keeps the array in memory.
    shape : tuple of int
        Its shape; it is of uint8.
    n_units : int
        How many units fill it.
    header : dict
        What the run is, plain values; the same for a run that goes on.
    previous : dict or None
        What `read_header` gave: the run to go on with. None begins anew.

    Attributes
    ----------
    X : uint8 ndarray of shape `shape`
        The array, zero at first.
    done : set of int
        Units that were in it from the start.

    Raises
    ------
    ValueError
        If `previous` is another run than `header`.
    OSError
        If there is no room for the file.
    """

    def __init__(self, out, shape, n_units, header, previous):
        self.out, self.shape, self.n_units, self.done = out, shape, n_units, set()
        self._lock, self._fresh, self._last = threading.Lock(), [], time.monotonic()
        if out is None:
            self.X = np.zeros(shape, dtype=np.uint8)
            return
        self._part, self._progress = f"{out}.part", f"{out}.progress"
        if previous is not None and previous != header:
            raise ValueError(
                f"out: {out!r} was begun with other annotations, slides or settings; finish that "
                "run, or begin anew without resume."
            )
        if previous is not None and self._take_up():
            return
        self._begin(header)

    def mark(self, unit, report):
        """Note that a unit is in the array.

        Parameters
        ----------
        unit : int
            Its number.
        report : callable
            Called without arguments, by one thread at a time.
        """
        with self._lock:
            report()
            if self.out is None:
                return
            self._fresh.append(unit)
            if time.monotonic() - self._last >= _INTERVAL:
                self._save()

    def finish(self):
        """Put the file in its place.

        Returns
        -------
        uint8 ndarray of shape `shape`
            Read-only and memory-mapped if there is a file.
        """
        if self.out is None:
            return self.X
        if os.path.exists(self._part):
            self._save()
            self.X = None
            os.replace(self._part, self.out)
        os.remove(self._progress)
        return np.load(self.out, mmap_mode="r")

    def discard(self):
        """Remove all traces of the run."""
        self.X = None
        for path in () if self.out is None else (self._part, self._progress):
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)

    def _begin(self, header):
        for path in (self._progress, self._part):
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)
        self.X = np.lib.format.open_memmap(self._part, "w+", dtype=np.uint8, shape=self.shape)
        try:
            _reserve(self._part)
        except OSError:
            self.discard()
            raise
        with open(self._progress, "x", encoding="utf-8") as file:
            file.write(json.dumps(header) + "\n")

    def _take_up(self):
        """Open what is there; False where it is not whole."""
        with open(self._progress, "r+b") as file:
            whole = file.read().rpartition(b"\n")[0] + b"\n"
            file.truncate(len(whole))  # nothing may be appended to a torn line
        done = {int(line) for line in whole.splitlines()[1:]}
        path = self._part
        if len(done) == self.n_units and not os.path.exists(path):
            # Killed after the file was put in its place, but before its progress was removed.
            path = self.out
        try:
            X = np.load(path, mmap_mode="r+")
        except (OSError, ValueError):
            return False
        if X.shape != self.shape or X.dtype != np.uint8:
            return False
        self.X, self.done = X, done
        return True

    def _save(self):
        """Write the pixels first, then that they are there."""
        self.X.flush()
        with open(self._progress, "a", encoding="utf-8") as file:
            file.writelines(f"{unit}\n" for unit in self._fresh)
        self._fresh, self._last = [], time.monotonic()


def read_header(out):
    """Read what an unfinished run was.

    Parameters
    ----------
    out : str
        The file that it was to make.

    Returns
    -------
    dict or None
        None where there is no such run.
    """
    try:
        with open(f"{out}.progress", encoding="utf-8") as file:
            line = file.readline()
        header = json.loads(line) if line.endswith("\n") else None
    except (OSError, ValueError):
        return None
    return header if isinstance(header, dict) else None


def _reserve(path):
    """Take the room for a file at once: a full disk would kill the process in the middle."""
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)


def check_out(out, resume):
    """Check where a result goes, before any work is done.

    Parameters
    ----------
    out : str, path-like or None
        Name of the file.
    resume : bool
        Whether an earlier run is continued.

    Returns
    -------
    str or None
        The absolute name.

    Raises
    ------
    ValueError
        If there is no name to resume from, or it is that of a folder.
    FileNotFoundError
        If its folder does not exist.
    """
    if out is None:
        if resume:
            raise ValueError("resume: there is nothing to resume without out=.")
        return None
    out = os.path.abspath(check_path("out", out))
    if not os.path.isdir(os.path.dirname(out)):
        raise FileNotFoundError(f"out: the folder of {out!r} does not exist.")
    if os.path.isdir(out):
        raise ValueError(f"out: {out!r} is a folder, wants a file name.")
    return out
