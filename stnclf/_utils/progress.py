"""Rows of numbers that are found over a long time, in a file that survives a crash.

The notes of the run (`stnclf._utils.run`) are ``[number, rows]`` for each part that is done.
"""

from __future__ import annotations

import numpy as np

from .run import Run, read_sidecar

__all__ = ["Progress"]


class Progress(Run):
    """Rows by number of their part, added by one or more threads.

    Parameters
    ----------
    out : str or None
        The file to make in the end; None keeps all in memory.
    header : dict
        What the run is, of `stnclf._utils.identity.run_identity`.
    resume : bool
        Whether to go on with what is there.
    finished : callable, default=None
        As for `Run`; None reads ``name.json``.

    Attributes
    ----------
    cells : dict of int to ndarray
        Rows of each part that is done.

    Raises
    ------
    ValueError, OSError
        As `Run` does.
    """

    def __init__(self, out, header, resume, finished=None):
        super().__init__(out, header, resume, finished or (lambda: read_sidecar(out)))
        self.cells = {}
        for number, cells in self.notes:
            self.cells[number] = np.array(cells, dtype=np.float64)
        self.notes = []

    def add(self, number, cells, report):
        """Keep the rows of a part.

        Parameters
        ----------
        number : int
            The part.
        cells : float64 ndarray of shape (n_rows, n_columns)
            What was found.
        report : callable
            Called without arguments, by one thread at a time.
        """
        with self._mutex:
            self.cells[number] = cells
            report()
            self.note([number, cells.tolist()])

    def in_order(self):
        """Return the parts that are done, and their rows."""
        return sorted(self.cells.items())
