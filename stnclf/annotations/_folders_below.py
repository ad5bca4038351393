"""Slides in the folders below one, by their names: people keep a folder for each case."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path

from .._utils.names import composed

__all__ = ["slides_in_folders_below"]

#: Nanoseconds within which a folder may change twice without its time saying so.
_TICK = 2_000_000_000

#: Of the folder that was asked for last: when each one below it was changed, and its slides.
_last: tuple[str, dict[str, int], list[Path]] = ("", {}, [])


def slides_in_folders_below(root: Path, endings: Collection[str]) -> list[Path]:
    """List the files with some endings in the folders below `root`, not in itself, by path.

    Parameters
    ----------
    root : Path
        The folder. Links below it are followed, each folder once; hidden folders are left out.
    endings : collection of str
        In small letters, with the point.

    Returns
    -------
    list of Path
        Empty where `root` cannot be listed.
    """
    global _last
    key = os.path.abspath(root)
    last = _last
    if last[0] == key and all(_changed(folder) == when for folder, when in last[1].items()):
        return [root / path for path in last[2]]
    now = time.time_ns()
    folders: dict[str, int] = {}
    found: list[Path] = []
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
        below[:] = sorted(name for name in below if not name.startswith("."))
        folders[os.path.abspath(folder)] = facts.st_mtime_ns
        here = Path(folder).relative_to(root)
        if here.parts:
            found += [here / name for name in names if os.path.splitext(name)[1].lower() in endings]
    found.sort(key=lambda path: composed(path.as_posix()))
    settled = all(when < now - _TICK for when in folders.values())
    _last = (key, folders, found) if settled else ("", {}, [])
    return [root / path for path in found]


def _changed(folder: str) -> int | None:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return None
