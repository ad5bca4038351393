"""Writing files so that a crash, a full disk or an interruption costs nothing.

Every file that the package writes goes through here: it is written under another name in the same
folder, brought to the disk, and then takes its name. What it replaces keeps its permissions, and
a symbolic link stays one.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import LockedError, argument_error

__all__ = [
    "check_path",
    "check_writable",
    "move_into_place",
    "open_as",
    "sync_folder",
    "walk_once",
    "write_atomically",
    "written_whole",
]


def check_path(name: str, path: object) -> str:
    """Check that an argument is a path, and return it as text.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    path : str or path-like
        What was given.

    Returns
    -------
    str

    Raises
    ------
    TypeError
        If it is no path.
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise argument_error(name, f"got {path!r}, wants a str or path-like.", TypeError)
    return os.fsdecode(path)


def write_atomically(path, data, check=None):
    """Write a file as a whole or not at all.

    The bytes go to a temporary file in the same directory and are on the disk before it takes
    the name. A symbolic link stays one, and its target is written. A file that is replaced keeps
    its permissions.

    Parameters
    ----------
    path : str or path-like
        Name of the file.
    data : bytes
        Its content.
    check : callable, default=None
        Called without arguments just before the file takes its name; may raise.

    Raises
    ------
    OSError
        If it cannot be written; the error names the path. What stood there is as it was, and
        the temporary file is gone.
    """
    with _draft(path) as (draft, target):
        with open(draft, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if check is not None:
            check()
        move_into_place(draft, target)


@contextmanager
def written_whole(path):
    """Write a file under a temporary name, which it loses when all went well.

    As `write_atomically`, for what is written by other libraries.

    Parameters
    ----------
    path : str or path-like
        Name of the file.

    Yields
    ------
    pathlib.Path
        An empty file in the same directory.

    Raises
    ------
    OSError
        As `write_atomically` does.
    """
    if not os.path.isdir(os.path.dirname(os.path.realpath(path))):
        raise FileNotFoundError(f"the folder of {os.fsdecode(path)} does not exist.")
    with _draft(path) as (draft, target):
        yield Path(draft)
        with open(draft, "r+b") as file:
            os.fsync(file.fileno())
        move_into_place(draft, target)


def check_writable(path):
    """Find out whether `write_atomically` could write a file, before there is anything to write.

    Parameters
    ----------
    path : str or path-like
        Name of the file.

    Raises
    ------
    OSError
        If it could not; the error names the path.
    """
    with _draft(path):
        pass


def move_into_place(draft, target):
    """Rename a file that is on the disk; what it replaces lends it its permissions.

    Parameters
    ----------
    draft : str or path-like
        The file.
    target : str or path-like
        Its name; no symbolic link, and in a folder of the same file system.
    """
    with suppress(OSError):  # no such file yet, or a file system without permissions
        before = os.stat(target)
        if hasattr(os, "chown"):
            with suppress(OSError):  # only the superuser may, and only for him it matters
                os.chown(draft, before.st_uid, before.st_gid)
        os.chmod(draft, stat.S_IMODE(before.st_mode))
    os.replace(draft, target)
    sync_folder(os.path.dirname(os.path.abspath(target)))


def sync_folder(folder):
    """Bring the names in a folder to the disk, where the system can."""
    if os.name == "posix":
        with suppress(OSError):  # not every file system can; the files themselves are whole
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def open_as(path, like):
    """Create a file that nobody may read who may not read another one.

    Parameters
    ----------
    path : str
        The file; it must not exist.
    like : str
        The other one, which need not exist.

    Returns
    -------
    binary file
        For reading and writing.
    """
    try:
        mode = stat.S_IMODE(os.stat(like).st_mode) | stat.S_IWUSR | stat.S_IRUSR
    except OSError:
        mode = 0o666
    return open(path, "x+b", opener=lambda name, flags: os.open(name, flags, mode))


@contextmanager
def _draft(path):
    """Make an empty file beside `path`; yield its name and the one it is to take; remove it."""
    path = os.fsdecode(path)
    target = os.path.realpath(path)
    draft = os.path.join(os.path.dirname(target), f".stnclf-{secrets.token_hex(8)}.tmp")
    try:
        if os.path.exists(target) and not os.path.isfile(target):
            # os.replace would put a file in the place of a device.
            raise OSError(errno.EINVAL, "is a directory or device")
        try:
            open_as(draft, target).close()
            yield draft, target
        finally:
            with suppress(OSError):
                os.unlink(draft)
    except LockedError:
        raise
    except OSError as error:
        if error.filename not in (None, draft, target):
            raise  # about another file, which was read meanwhile
        reason = error.strerror or str(error)
        raise OSError(error.errno or errno.EIO, f"could not be written: {reason}", path) from error


def walk_once(root):
    """Walk through folders as `os.walk` does, through links too, but into each of them once.

    Parameters
    ----------
    root : path-like
        Where to begin. Folders that cannot be looked at are left out.

    Yields
    ------
    folder, below, names, facts
        What `os.walk` yields, of which `below` may be changed, and `os.stat` of the folder.
    """
    seen = set()
    for folder, below, names in os.walk(root, followlinks=True):
        try:
            facts = os.stat(folder)
        except OSError:
            below.clear()
            continue
        if (facts.st_dev, facts.st_ino) in seen:
            below.clear()
            continue
        seen.add((facts.st_dev, facts.st_ino))
        yield folder, below, names, facts
