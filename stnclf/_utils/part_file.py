"""An array that is filled over a long time, in memory or in a file that survives a crash.

Beside ``name.npy`` there is ``name.npy.part``, the array so far. The notes of the run
(`stnclf._utils.run`) are the number of each unit of work that is in the array.
"""

from __future__ import annotations

import contextlib
import os

import numpy as np

from .files import open_as
from .run import Run, unwritable

__all__ = ["PartFile"]


class PartFile(Run):
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
        What the run is, of `stnclf._utils.identity.run_identity`.
    resume : bool
        Whether to go on with what is there.

    Attributes
    ----------
    X : uint8 ndarray of shape `shape`
        The array, zero at first.
    done : set of int
        Units that were in it from the start.

    Raises
    ------
    ValueError, OSError
        As `Run` does; also if there is no room for the file.
    """

    def __init__(self, out, shape, n_units, header, resume):
        super().__init__(out, header, resume)
        self.shape, self.n_units, self.done = shape, n_units, set(self.notes)
        if out is None:
            self.X = np.zeros(shape, dtype=np.uint8)
            return
        self._part = f"{out}.part"
        try:
            if not (self.notes and self._open()):
                self._begin_anew()
        except BaseException:
            self.close()
            raise

    def mark(self, unit, report):
        """Note that a unit is in the array.

        Parameters
        ----------
        unit : int
            Its number.
        report : callable
            Called without arguments, by one thread at a time.
        """
        with self._mutex:
            report()
            self.note(unit)

    def finish(self, kept=None):
        """Put the file in its place.

        Parameters
        ----------
        kept : int ndarray, default=None
            The rows that it is to have, the others are left out; None is all.

        Returns
        -------
        uint8 ndarray of shape `shape`
            Read-only and memory-mapped if there is a file.
        """
        if self.out is None:
            return self.X if kept is None else self.X[kept]
        if os.path.exists(self._part):
            self.save()
            self.X.flush()
            if kept is not None:
                self._shorten(kept)
            self.X = None
            self.put(self._part)
        self.forget()
        return np.load(self.out, mmap_mode="r")

    def discard(self):
        """Remove all traces of the run."""
        self.X = None
        super().discard()
        if self.out is not None:
            with contextlib.suppress(FileNotFoundError):
                os.remove(self._part)

    def _shorten(self, kept):
        """Put an array of some rows in the place of that of all."""
        short = f"{self._part}.short"
        X = self._array(short, (len(kept), *self.shape[1:]))
        for row, old in enumerate(kept):
            X[row] = self.X[old]
        X.flush()
        del X
        self.X = None
        os.replace(short, self._part)

    def _before_notes(self):
        self.X.flush()  # the pixels first, then that they are there

    def _begin_anew(self):
        self.done = set()
        self._drop_notes()
        with contextlib.suppress(FileNotFoundError):
            os.remove(self._part)
        try:
            self.X = self._array(self._part, self.shape)
        except OSError:
            self.discard()
            raise

    def _array(self, path, shape):
        """Make a file for an array, with all the room that it takes."""
        open_as(path, self.out).close()
        try:
            X = np.lib.format.open_memmap(path, "w+", dtype=np.uint8, shape=shape)
            _reserve(path)
        except OSError as error:
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)
            raise unwritable(error, self.out) from error
        return X

    def _open(self):
        """Open what is there; False where it is not whole."""
        path = self._part
        if len(self.done) == self.n_units and not os.path.exists(path):
            # Killed after the file was put in its place, but before its notes were removed.
            path = self.out
        try:
            X = np.load(path, mmap_mode="r+")
        except (OSError, ValueError):
            return False
        if X.shape != self.shape or X.dtype != np.uint8:
            return False
        self.X = X
        return True


def _reserve(path):
    """Take the room for a file at once: a full disk would kill the process in the middle."""
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
