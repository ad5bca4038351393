"""A run that makes one file over a long time, alone, and can be resumed.

Beside ``name`` lie, until it is complete, ``name.lock`` (who writes it) and ``name.progress``:
lines of JSON, first what the run is, then a note for each unit of work that is done. The last
line may be torn; what is not on the disk is done once more. A table that is complete has
``name.json`` beside it, which says what it was made of, and of which content it says so.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
from contextvars import ContextVar

from .errors import argument_error
from .files import check_path, move_into_place, open_as, sync_folder, write_atomically
from .identity import check_same_run
from .lock import Lock, LockedError, current_run

__all__ = [
    "Run",
    "check_out",
    "new_only",
    "read_header",
    "read_sidecar",
    "sidecar",
    "unwritable",
    "write_sidecar",
]

#: Seconds between two writings of what is done; a crash costs no more than these.
INTERVAL = 5.0

_NEW_ONLY: ContextVar[bool] = ContextVar("stnclf_new_only", default=False)


@contextlib.contextmanager
def new_only(active=True):
    """Refuse, in runs that begin in the block, to replace a file that is complete."""
    token = _NEW_ONLY.set(active)
    try:
        yield
    finally:
        _NEW_ONLY.reset(token)


class Run:
    """One run, and the notes of what it has done; used as a context.

    Bad input, which is a ValueError in the block, leaves nothing behind. Whatever else ends the
    block early leaves what was noted.

    Parameters
    ----------
    out : str or None
        The file to make, of `check_out`; None keeps everything in memory.
    header : dict
        What the run is, of `stnclf._utils.identity.run_identity`.
    resume : bool
        Whether to go on with what is there.
    finished : callable or None, default=None
        Returns the header of what is complete under the name of `out`, None if it has none. A run
        that is resumed, and the same, is `complete` then. None: what is complete is made anew.

    Attributes
    ----------
    complete : bool
        Whether there is nothing left to do.
    notes : list
        The notes of the run that is resumed.

    Raises
    ------
    ValueError
        If what is there is another run.
    LockedError
        If another process writes the file.
    FileExistsError
        Inside of `new_only`, if the file is there.
    """

    def __init__(self, out, header, resume, finished=None):
        self.out, self.header, self.complete, self.notes = out, header, False, []
        self._mutex, self._fresh, self._last = threading.RLock(), [], time.monotonic()
        self._lock = None
        if out is None:
            return
        self._path = f"{out}.progress"
        self._lock = Lock(out)
        try:
            self._begin(resume, finished)
        except BaseException:
            self._lock.release()
            raise

    def _begin(self, resume, finished):
        # Within one run of many jobs, one that is given to a second worker resumes.
        mine = current_run()
        if finished is not None and os.path.exists(self.out):
            there = finished()
            is_mine = mine is not None and read_sidecar(self.out, whole=True).get("id") == mine
            if (resume or is_mine) and there == self.header:
                with contextlib.suppress(FileNotFoundError):
                    os.remove(self._path)  # killed just after the file had taken its name
                self.complete = True
                return
            if resume and not os.path.exists(self._path):
                check_same_run(self.out, there, self.header, finished=True)
        if _NEW_ONLY.get() and os.path.exists(self.out) and not resume:
            raise FileExistsError(f"out: {self.out!r} was written by another run meanwhile.")
        previous, name = _first_line(self._path)
        if previous is not None and (resume or (mine is not None and name == mine)):
            check_same_run(self.out, previous, self.header)
            self._take_up()
            return
        first = json.dumps({"run": self.header, "id": mine}) + "\n"
        draft = f"{self._path}.{self._lock.run}"
        try:
            with open_as(draft, self.out) as file:
                file.write(first.encode())
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self._path)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.remove(draft)
            raise unwritable(error, self._path) from error
        sync_folder(os.path.dirname(self._path))

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        try:
            if isinstance(error, ValueError):
                self.discard()
            elif not isinstance(error, LockedError):
                # A full disk may be what came in between.
                with contextlib.suppress(*([OSError] if error else [])):
                    self.save()
        finally:
            self.close()

    def note(self, value):
        """Note that a unit of work is done; it is on the disk within some seconds.

        Parameters
        ----------
        value : JSON value
            What is to be known of it.
        """
        if self.out is None:
            return
        with self._mutex:
            self._fresh.append(json.dumps(value) + "\n")
            if time.monotonic() - self._last >= INTERVAL:
                self.save()

    def save(self):
        """Put on the disk what is not there yet.

        Raises
        ------
        OSError
            If it cannot be written; the error names the file, which is as it was.
        """
        with self._mutex:
            if self.out is None or not self._fresh:
                return
            self._before_notes()
            self._lock.check()
            try:
                with open(self._path, "r+b") as file:
                    end = file.seek(0, os.SEEK_END)
                    try:
                        file.write("".join(self._fresh).encode())
                        file.flush()
                        os.fsync(file.fileno())
                    except OSError:
                        # What is still in the buffer is tried once more when it is closed.
                        with contextlib.suppress(OSError):
                            file.close()
                        os.truncate(self._path, end)
                        raise
            except OSError as error:
                raise unwritable(error, self._path) from error
            self._fresh, self._last = [], time.monotonic()

    def finish(self, data, more=None):
        """Write the file that the run was for, and what it was made of; forget the run.

        Parameters
        ----------
        data : bytes
            Content of the file.
        more : dict, default=None
            What else ``name.json`` is to say; plain values.
        """
        if self.out is None:
            return
        facts = {"id": current_run(), "sha256": hashlib.sha256(data).hexdigest()}
        text = json.dumps({**(more or {}), **facts, "run": self.header}, indent=1)
        # First, for it says nothing of a file with another content.
        write_atomically(sidecar(self.out), text.encode() + b"\n", self.check)
        self.write(data)
        self.forget()

    def write(self, data):
        """Write the file that the run was for; its notes stay until `forget`."""
        if self.out is not None:
            self.save()
            write_atomically(self.out, data, self.check)

    def put(self, draft):
        """Rename a file that is written already to `out`."""
        self._lock.check()
        move_into_place(draft, self.out)

    def check(self):
        """Make sure that nobody else writes the file.

        Raises
        ------
        LockedError
            If another run has taken it over.
        """
        if self._lock is not None:
            self._lock.check()

    def forget(self):
        """Remove the notes: the file is complete."""
        self._fresh = []
        if self.out is not None:
            self._lock.check()
            with contextlib.suppress(FileNotFoundError):
                os.remove(self._path)

    def discard(self):
        """Remove all traces of the run."""
        self.forget()

    def close(self):
        """Release the lock; what was noted stays."""
        if self._lock is not None:
            self._lock.release()

    def _before_notes(self):
        """For what has to be on the disk before the notes about it."""

    def _drop_notes(self):
        with open(self._path, "r+b") as file:
            file.truncate(len(file.readline()))

    def _take_up(self):
        with open(self._path, "r+b") as file:
            whole = len(file.readline())
            for line in file:
                try:
                    self.notes.append(json.loads(line if line.endswith(b"\n") else b""))
                except ValueError:
                    break
                whole += len(line)
            file.truncate(whole)  # nothing may be appended to a torn line


def sidecar(out):
    """Name of the file that says what a table was made of."""
    return f"{out}.json"


def write_sidecar(out, run):
    """Write what a result was made of, as `read_sidecar` reads it.

    Parameters
    ----------
    out : str
        The result, which is there and complete.
    run : dict
        JSON values.
    """
    with open(out, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    write_atomically(sidecar(out), json.dumps({"sha256": digest, "run": run}).encode() + b"\n")


def read_sidecar(out, *, whole=False):
    """Read what a table was made of.

    Parameters
    ----------
    out : str
        The table.
    whole : bool, default=False
        Return all that is known, not only what the run was.

    Returns
    -------
    dict or None
        None, or with `whole` an empty dict, where it is not known: there is no such file, or the
        table was changed since.
    """
    content = {}
    with contextlib.suppress(OSError, ValueError):
        with open(sidecar(out), encoding="utf-8") as file:
            found = json.load(file)
        with open(out, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        if isinstance(found, dict) and found.get("sha256") == digest:
            content = found
    return content if whole else content.get("run")


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
    return _first_line(f"{out}.progress")[0]


def _first_line(path):
    """Read the header of a run, and the name of the run of many jobs that it is part of."""
    try:
        with open(path, encoding="utf-8") as file:
            line = file.readline()
        first = json.loads(line) if line.endswith("\n") else None
    except (OSError, ValueError):
        return None, None
    if not isinstance(first, dict):
        return None, None
    # An older version had the header alone, which check_same_run refuses.
    return first.get("run", first), first.get("id")


def unwritable(error, path):
    return OSError(error.errno, f"could not be written: {error.strerror}", path)


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
        The absolute name; of a symbolic link, that of the file that it leads to.

    Raises
    ------
    ValueError
        If there is no name to resume from, or it is that of a folder, pipe or device.
    FileNotFoundError
        If its folder does not exist.
    """
    if out is None:
        if resume:
            raise argument_error("resume", "there is nothing to resume without out=.")
        return None
    out = os.path.realpath(check_path("out", out))
    if not os.path.isdir(os.path.dirname(out)):
        raise argument_error("out", f"the folder of {out!r} does not exist.", FileNotFoundError)
    if os.path.isdir(out):
        raise argument_error("out", f"{out!r} is a folder, wants a file name.")
    if os.path.exists(out) and not os.path.isfile(out):  # which one would wait for
        raise argument_error("out", f"{out!r} is a pipe or device, wants a file name.")
    return out
