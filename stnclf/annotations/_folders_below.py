"""Slides in the folders below one, by their names: people keep a folder for each case."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from .._utils.files import walk_once
from .._utils.names import composed

__all__ = ["slides_in_folders_below"]

#: Nanoseconds within which a folder may change twice without its time saying so.
_TICK = 2_000_000_000

#: Of so many folders a list is kept for a while unseen: this often the time that looking took.
_MANY, _WHILE = 200, 20.0


@dataclass
class _Listing:
    """Slides below a folder, of some endings, and when each folder was changed."""

    key: tuple[str, str, frozenset[str]]
    changed: dict[str, int]
    slides: list[Path]
    settled: bool
    #: Seconds of a clock until which it is taken as it is.
    until: float = 0.0

    def holds(self) -> bool:
        """Whether it is as when it was made, or was so a moment ago."""
        begin = time.monotonic()
        if begin < self.until:
            return True
        if not self.settled or any(_changed(path) != when for path, when in self.changed.items()):
            return False
        self.rest(begin)
        return True

    def rest(self, begin: float) -> None:
        """Take it as it is for a while after looking, where there is much to look at."""
        now = time.monotonic()
        self.until = now + _WHILE * (now - begin) if len(self.changed) > _MANY else 0.0


#: Of the folder that was asked for last.
_last: _Listing | None = None


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
    key = os.path.abspath(root), str(root), frozenset(endings)
    last = _last
    if last is not None and last.key == key and last.holds():
        return [*last.slides]
    begin, now = time.monotonic(), time.time_ns()
    folders: dict[str, int] = {}
    found: list[Path] = []
    for folder, below, names, facts in walk_once(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        folders[os.path.abspath(folder)] = facts.st_mtime_ns
        here = Path(folder).relative_to(root)
        if here.parts:
            found += [here / name for name in names if os.path.splitext(name)[1].lower() in endings]
    found.sort(key=lambda path: composed(path.as_posix()))
    # A folder that cannot be listed has none of these: nobody would see it change.
    settled = bool(folders) and all(when < now - _TICK for when in folders.values())
    _last = _Listing(key, folders, [root / path for path in found], settled)
    _last.rest(begin)
    return [*_last.slides]


def _changed(folder: str) -> int | None:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return None
