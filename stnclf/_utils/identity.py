"""What a result depends on: the identity of its inputs, and where two runs differ."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time

import numpy as np

from .errors import argument_error
from .files import walk_once

__all__ = [
    "check_same_run",
    "describe_file",
    "describe_pixels",
    "describe_source",
    "differences",
    "run_identity",
]

#: Files up to this size are read as a whole. Of larger ones the head, the tail and blocks between
#: them are read, which is some 16 MB, and the time of their last change counts.
SMALL = 64 << 20
_BLOCK, _N_BLOCKS = 64 << 10, 256

#: Seconds to wait before each further attempt to read a block, and what waits.
_WAITS = (0.1, 0.5, 2.0)
_sleep = time.sleep

#: Slides whose pixels lie in other files: in a folder of the same name, or beside them.
_IN_FOLDER = (".mrxs",)
_BESIDE = {".dcm": (".dcm",)} | dict.fromkeys((".vms", ".vmu"), (".jpg", ".jpeg", ".ngr", ".opt"))


def describe_file(path):
    """Describe what is in a file, or in all files of a folder.

    Parameters
    ----------
    path : str or path-like
        A file or folder. With a slide that consists of several files (MIRAX, Hamamatsu VMS,
        DICOM) come the others.

    Returns
    -------
    dict
        JSON values. Equal for equal content; for files of more than 64 MB also the time of the
        last change counts, since only parts of them are read. Where a part cannot be read, in
        several attempts, size and time stand alone: whoever needs the part says so.

    Raises
    ------
    OSError
        If there is no such file, or it cannot be opened.
    """
    path = os.fsdecode(path)
    if os.path.isdir(path):
        return {"files": _listing(_inside(path))}
    suffix = os.path.splitext(path)[1].lower()
    more = []
    if suffix in _IN_FOLDER and os.path.isdir(os.path.splitext(path)[0]):
        more = _inside(os.path.splitext(path)[0])
    elif suffix in _BESIDE:
        folder = os.path.dirname(os.path.abspath(path))
        more = [(name, os.path.join(folder, name)) for name in sorted(os.listdir(folder))]
        kinds = _BESIDE[suffix]
        more = [(name, other) for name, other in more if name.lower().endswith(kinds)]
    found = _describe_one(path)
    return {**found, "files": _listing(more)} if more else found


def describe_source(source):
    """Describe where a slide's pixels come from: a path, or the array itself."""
    return describe_pixels(source) if isinstance(source, np.ndarray) else describe_file(source)


def describe_pixels(array):
    """Describe an array by its shape, type and content.

    Parameters
    ----------
    array : ndarray of any shape

    Returns
    -------
    dict
        JSON values.
    """
    digest = hashlib.sha256()
    rows = max(1, (16 << 20) // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[start : start + rows]))
    return {"shape": list(array.shape), "dtype": array.dtype.str, "sha256": digest.hexdigest()}


def run_identity(command, stnclf, **parts):
    """Make the description of a run that is compared when it is resumed.

    Parameters
    ----------
    command : str
        What runs.
    stnclf : str
        Version of the package.
    **parts
        Everything that the result depends on; plain values, inputs as `describe_file` gives them.

    Returns
    -------
    dict
        As JSON gives it back.
    """
    return json.loads(json.dumps({"command": command, "stnclf": stnclf, **parts}, default=str))


def differences(there, here):
    """List in words where two runs differ.

    Parameters
    ----------
    there, here : dict
        What `run_identity` returned, then and now.

    Returns
    -------
    list of str
        Names, with both values where they are short; of several inputs the first that differs.

    Examples
    --------
    >>> from stnclf._utils.identity import differences
    >>> a = {"labels": ["x"], "mpp": 0.5, "slides": {"a.svs": {"size": 1}, "b.svs": {"size": 2}}}
    >>> b = {"labels": None, "mpp": 0.5, "slides": {"a.svs": {"size": 1}, "b.svs": {"size": 3}}}
    >>> differences(a, b)
    ['labels (was ["x"], is null)', "slides ('b.svs')"]
    """
    found = []
    for name in [*here, *(name for name in there if name not in here)]:
        old, new = there.get(name), here.get(name)
        if _same(old, new) and (name in there) == (name in here):
            continue
        words = name.replace("_", " ")
        if _is_input(old) or _is_input(new):
            found.append(words)
        elif isinstance(old, dict) and isinstance(new, dict):
            inner = [key for key in [*new, *old] if not _same(old.get(key), new.get(key))]
            key = inner[0] if inner else next(iter({*old} ^ {*new}))
            values = old.get(key), new.get(key)
            is_plain = not any(isinstance(value, dict) for value in values)
            more = f": was {_short(values[0])}, is {_short(values[1])}" if is_plain else ""
            found.append(f"{words} ({key!r}{more})")
        elif isinstance(old, list) and isinstance(new, list) and len(json.dumps([old, new])) > 120:
            number = sum(a != b for a, b in zip(old, new)) + abs(len(old) - len(new))
            found.append(f"{words} ({number} of {max(len(old), len(new))})")
        else:
            found.append(f"{words} (was {_short(old)}, is {_short(new)})")
    return found


def check_same_run(out, there, here, *, finished=False):
    """Refuse to go on with a run that is another one.

    Parameters
    ----------
    out : str
        The file that it makes, for the message.
    there : dict or None
        What the other run was; None where that is not known.
    here : dict
        What this run is.
    finished : bool, default=False
        Whether the other run is complete.

    Raises
    ------
    ValueError
        Naming what differs.
    """
    state = "is complete, but was made" if finished else "was begun"
    advice = "resume with the same, or begin anew."
    if not isinstance(there, dict) or "command" not in there:
        raise argument_error(
            "out",
            f"{out!r} {state} by a run that did not note what it is made of (an older version "
            "or another program); begin anew.",
        )
    found = differences(there, here)
    if found:
        raise argument_error(
            "out", f"{out!r} {state} with another {'; another '.join(found)}; {advice}"
        )


def _is_input(value):
    return isinstance(value, dict) and bool({"sha256", "files", "unread"} & {*value})


def _same(old, new):
    """Compare two values; of a file that could not be read once, what is known of both."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return old == new
    if old.keys() != new.keys() and not ("unread" in old or "unread" in new):
        return False
    known = (old.keys() & new.keys()) if "unread" in old or "unread" in new else old.keys()
    return all(_same(old[name], new[name]) for name in known - {"unread"})


def _short(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _inside(folder):
    """List the files below a folder: names within it, and paths."""
    found = []
    for place, folders, names, _ in walk_once(folder):  # through links, as the readers go
        folders.sort()
        for name in names:
            path = os.path.join(place, name)
            if os.path.isfile(path):
                found.append((os.path.relpath(path, folder), path))
    return sorted(found)


def _listing(files):
    """Digest of names and contents: the folder may have many."""
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(json.dumps([name, _describe_one(path)]).encode())
    return {"number": len(files), "sha256": digest.hexdigest()}


def _describe_one(path):
    facts = os.stat(path)
    if not stat.S_ISREG(facts.st_mode):  # to open a pipe would wait for its writer
        raise OSError(None, "is no regular file", path)
    size = facts.st_size
    time_ns = {} if size <= SMALL else {"mtime_ns": facts.st_mtime_ns}
    try:
        return {"size": size, **time_ns, "sha256": _digest(path, size)}
    except _Unread:
        return {"size": size, "mtime_ns": facts.st_mtime_ns, "unread": True}


class _Unread(Exception):
    """A part of a file cannot be read."""


def _digest(path, size):
    """Hash a file, or of a large one some blocks: the first is the head, the last the tail."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        if size <= SMALL:
            while piece := _read(file, file.tell(), 1 << 20):
                digest.update(piece)
        else:
            for i in range(_N_BLOCKS):
                digest.update(_read(file, (size - _BLOCK) * i // (_N_BLOCKS - 1), _BLOCK))
    return digest.hexdigest()


def _read(file, place, number):
    for wait in (*_WAITS, None):
        try:
            file.seek(place)
            return file.read(number)
        except OSError as error:
            if wait is None:
                raise _Unread from error
            _sleep(wait)
