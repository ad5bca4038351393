"""What a scan has found so far, in a file that survives a crash.

``name.csv.progress`` holds lines of JSON: what the run is, then ``[number, cells]`` for each
tile that is done. The last line may be torn; what is not on the disk is done once more.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time

import numpy as np

from .files import write_atomically
from .part_file import read_header

__all__ = ["Progress", "kept"]

#: Seconds between two writings; a crash costs no more than these.
_INTERVAL = 5.0


class Progress:
    """Cells by tile, added by one or more threads.

    Parameters
    ----------
    out : str or None
        The file to make in the end; None keeps all in memory.
    header : dict
        What the run is, plain values; the same for a run that goes on.
    resume : bool
        Whether to go on with what is there.

    Attributes
    ----------
    cells : dict of int to ndarray
        What was found in each tile that is done.

    Raises
    ------
    ValueError
        If what is there is another run.
    """

    def __init__(self, out, header, resume):
        self.out, self.cells = out, {}
        self._lock, self._fresh, self._last = threading.Lock(), [], time.monotonic()
        if out is None:
            return
        self._path = f"{out}.progress"
        previous = read_header(out) if resume else None
        if previous is not None and previous != header:
            raise ValueError(
                f"out: {out!r} was begun with another slide, model or settings; finish that run, "
                "or begin anew without resume."
            )
        if previous is None:
            write_atomically(self._path, (json.dumps(header) + "\n").encode())
        else:
            self._take_up()

    def add(self, number, cells, report):
        """Keep what was found in a tile.

        Parameters
        ----------
        number : int
            The tile.
        cells : float64 ndarray of shape (n_cells, n_columns)
            What was found.
        report : callable
            Called without arguments, by one thread at a time.
        """
        with self._lock:
            self.cells[number] = cells
            report()
            if self.out is not None:
                self._fresh.append(json.dumps([number, cells.tolist()]) + "\n")
                if time.monotonic() - self._last >= _INTERVAL:
                    self.save()

    def save(self):
        """Put on the disk what is not there yet.

        Raises
        ------
        OSError
            If it cannot be written; the error names the file, which is as it was.
        """
        if self.out is None or not self._fresh:
            return
        try:
            with open(self._path, "r+b") as file:
                end = file.seek(0, os.SEEK_END)
                try:
                    file.write("".join(self._fresh).encode())
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    # What is still in the buffer is tried once more when the file is closed.
                    with contextlib.suppress(OSError):
                        file.close()
                    os.truncate(self._path, end)
                    raise
        except OSError as error:
            message = f"could not be written: {error.strerror}"
            raise OSError(error.errno, message, self._path) from error
        self._fresh, self._last = [], time.monotonic()

    def in_order(self):
        """Give the tiles that are done, and what was found in each."""
        return sorted(self.cells.items())

    def finish(self, data):
        """Write the file that the run was for, the bytes `data`, and forget the run."""
        if self.out is not None:
            self.save()
            write_atomically(self.out, data)
            os.remove(self._path)

    def discard(self):
        """Remove all traces of the run."""
        self._fresh = []
        if self.out is not None:
            with contextlib.suppress(FileNotFoundError):
                os.remove(self._path)

    def _take_up(self):
        with open(self._path, "r+b") as file:
            whole = len(file.readline())
            for line in file:
                try:
                    number, cells = json.loads(line if line.endswith(b"\n") else b"")
                except ValueError:
                    break
                self.cells[number] = np.array(cells, dtype=np.float64)
                whole += len(line)
            file.truncate(whole)  # nothing may be appended to a torn line


@contextlib.contextmanager
def kept(progress):
    """Leave nothing of a run behind after bad input; what else comes in between is resumed."""
    try:
        yield
    except ValueError:
        progress.discard()
        raise
    finally:
        progress.save()
