"""Writing files so that a crash, a full disk or an interruption costs nothing."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["check_path", "check_writable", "write_atomically", "written_whole"]


def check_path(name, path):
    """Check that an argument is a path, and give it as text.

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
        raise TypeError(f"{name}: got {path!r}, wants a str or path-like.")
    return os.fsdecode(path)


def write_atomically(path, data):
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

    Raises
    ------
    OSError
        If it cannot be written; the error names the path. What stood there is as it was, and
        the temporary file is gone.
    """
    with _draft(path) as (file, draft, target):
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        file.close()
        with suppress(OSError):
            shutil.copymode(target, draft)
        os.replace(draft, target)
    folder = os.path.dirname(target)
    if os.name == "posix":
        with suppress(OSError):  # not every file system can; the file itself is whole
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


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


@contextmanager
def _draft(path):
    """Give a new file beside `path`, its name, and the name that it is to take; then remove it."""
    path = os.fsdecode(path)
    target = os.path.realpath(path)
    draft = os.path.join(os.path.dirname(target), f".stnclf-{secrets.token_hex(8)}.tmp")
    try:
        if os.path.exists(target) and not os.path.isfile(target):
            # os.replace would put a file in the place of a device.
            raise OSError(errno.EINVAL, "is a directory or device")
        try:
            with open(draft, "xb") as file:
                yield file, draft, target
        finally:
            with suppress(OSError):
                os.unlink(draft)
    except OSError as error:
        raise OSError(error.errno, f"could not be written: {error.strerror}", path) from error


@contextmanager
def written_whole(path):
    """Give a path beside `path` to write to; it takes the place of `path` when all went well."""
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder of {path} does not exist.")
    part = path.parent / f".{uuid.uuid4().hex}.part"
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
