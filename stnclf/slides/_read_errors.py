"""Reads that fail: they are tried again, and what stays broken is named.

A disk or network that fails for a moment must cost a retry and not the run, and a broken tile no
more than itself. A file that is no slide at all is another matter: opening it is a ValueError.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._utils.printable import counted
from .._utils.typing import Pixels

__all__ = ["BrokenTiles", "PatientReader", "SlideReadError", "open_again", "read_around"]

#: Seconds to wait before each further attempt, and what waits.
WAITS = (0.1, 0.5, 2.0)
_sleep: Callable[[float], Any] = time.sleep

#: After so many broken tiles of a run, the next are given one more attempt at once.
_PATIENCE = 3

#: Side in pixels of a level of what is tried by itself, where a file does not say how it is tiled.
_TILE = 256

#: Side in pixels of an overview below which a part is not divided any further.
_SMALLEST = 8

Box = tuple[int, int, int, int]


class SlideReadError(OSError):
    """A part of a slide cannot be read, though the file was opened.

    Parameters
    ----------
    path : str
        The file.
    reason : Exception or str
        What the library said.
    regions : sequence of tuple of int, default=()
        ``(x, y, width, height)`` in pixels of level 0 of the tiles that cannot be read. Empty if
        the file itself can no longer be opened.
    """

    def __init__(self, path: str, reason: object, regions: Sequence[Box] = ()):
        reason = " ".join(str(reason).split())
        where = ""
        if regions:
            box = "x, y, width, height = {}, {}, {}, {}".format(*regions[0])
            more = f" and {counted(len(regions) - 1, 'more tile')}" if len(regions) > 1 else ""
            where = f" at {box} (pixels of level 0){more}"
        super().__init__(f"{path!r}: cannot be read{where} ({reason}).")
        self.path, self.reason, self.regions = path, reason, tuple(regions)

    def __reduce__(self) -> tuple[Any, ...]:
        return SlideReadError, (self.path, self.reason, self.regions)


class BrokenTiles:
    """The tiles of one slide that a run has found broken; threads share it.

    A run asks it before it reads, so that each broken tile is tried a few times and not by
    everything that lies on it.
    """

    def __init__(self) -> None:
        self._found: dict[int, dict[Box, Box]] = {}
        self._reasons: dict[Box, object] = {}
        self._lock, self._n_failures = threading.Lock(), 0

    @property
    def waits(self) -> tuple[float, ...]:
        """Seconds before each further attempt."""
        return WAITS if self._n_failures < _PATIENCE else (0.0,)

    @property
    def regions(self) -> list[Box]:
        """``(x, y, width, height)`` of all of them in pixels of level 0."""
        with self._lock:
            return sorted({box for boxes in self._found.values() for box in boxes.values()})

    def add(self, level: int, boxes: dict[Box, Box], reason: object = "broken tile") -> None:
        """Note tiles: their rectangles on a level, the same on level 0, and what is wrong."""
        with self._lock:
            self._found.setdefault(level, {}).update(boxes)
            self._reasons.update(dict.fromkeys(boxes.values(), reason))
            self._n_failures += 1

    def reason(self, region: Box) -> object:
        """Return what the library said of a tile, given its rectangle on level 0."""
        with self._lock:
            return self._reasons[region]

    def below(self, level: int, x: int, y: int, width: int, height: int) -> list[Box]:
        """Level-0 rectangles of the tiles that a rectangle of a level touches."""
        with self._lock:
            return [
                region
                for (left, top, w, h), region in self._found.get(level, {}).items()
                if left < x + width and x < left + w and top < y + height and y < top + h
            ]


class PatientReader:
    """Reads a slide as its reader does, but tries again where that fails.

    Parameters
    ----------
    opener : Opener
        Opens the slide, again after an error: OpenSlide reads nothing more from a file that
        failed once.
    path : str
        The file, for messages.
    broken : BrokenTiles, default=None
        Tiles that are known to be broken, and where new ones are noted.
    """

    def __init__(self, opener: Any, path: str, broken: BrokenTiles | None = None):
        self._opener, self._path, self._broken = opener, path, broken
        self._reader = opener.reader()
        self.size, self.downsamples = self._reader.size, self._reader.downsamples

    def level_size(self, level: int) -> tuple[int, int]:
        """``(width, height)`` of a level in its pixels."""
        size: tuple[int, int] = self._reader.level_size(level)
        return size

    def read(
        self, level: int, x: int, y: int, width: int, height: int
    ) -> tuple[Pixels, tuple[float, float]]:
        """Read a rectangle that lies inside a level, see `SlideReader.read`.

        Raises
        ------
        SlideReadError
            If that fails again and again; names the tiles.
        """
        box = x, y, width, height
        if self._broken and (known := self._broken.below(level, *box)):
            raise SlideReadError(self._path, self._broken.reason(known[0]), known)
        try:
            pixels, off = self._reader.read(level, *box)
            return pixels, off
        except OSError:
            # Whoever shares the reader opens the file anew; further attempts have their own.
            self._opener.drop(self._reader)
        for wait in self._broken.waits if self._broken else WAITS:
            _sleep(wait)
            try:
                pixels, off = self._fresh().read(level, *box)
                return pixels, off
            except OSError as error:
                failure = error
        raise self._located(level, box, failure)

    def _fresh(self) -> Any:
        """Open the file once more; that it was a slide is known."""
        try:
            self._reader = self._opener.anew()
        except (ValueError, OSError) as error:
            raise _CannotOpen(self._path, error) from error
        return self._reader

    def _located(self, level: int, box: Box, failure: OSError) -> SlideReadError:
        """Find the tiles that are broken, by reading each for itself."""
        if isinstance(failure, _CannotOpen):
            return SlideReadError(self._path, failure.reason)
        try:
            boxes = {tile: self._on_level_0(level, tile) for tile in self._broken_of(level, box)}
        except _CannotOpen as error:
            return SlideReadError(self._path, error.reason)
        if not boxes:
            boxes = {box: self._on_level_0(level, box)}
        reason = failure.reason if isinstance(failure, SlideReadError) else failure
        if self._broken:
            self._broken.add(level, boxes, reason)
        return SlideReadError(self._path, reason, list(boxes.values()))

    def _broken_of(self, level: int, box: Box) -> list[Box]:
        x, y, width, height = box
        limits = self.level_size(level)
        reader, broken = self._fresh(), []
        sides = reader.tile_size(level) or (_TILE, _TILE)
        for top in range(y // sides[1] * sides[1], y + height, sides[1]):
            for left in range(x // sides[0] * sides[0], x + width, sides[0]):
                tile = left, top, min(sides[0], limits[0] - left), min(sides[1], limits[1] - top)
                low, right = max(top, y), min(left + tile[2], x + width)
                part = max(left, x), low, right - max(left, x), min(top + tile[3], y + height) - low
                try:
                    reader.read(level, *part)
                except OSError:
                    broken.append(tile)
                    reader = self._fresh()
        return broken

    def _on_level_0(self, level: int, box: Box) -> Box:
        factor = self.downsamples[level]
        low = [math.floor(c * factor) for c in box[:2]]
        high = [
            min(math.ceil((c + n) * factor), most)
            for c, n, most in zip(box[:2], box[2:], self.size)
        ]
        return low[0], low[1], high[0] - low[0], high[1] - low[1]


def open_again(opener: Any, path: str) -> None:
    """Open a slide that was opened before; what fails now is no bad input.

    Parameters
    ----------
    opener : Opener
        Opens it.
    path : str
        The file, for messages.

    Raises
    ------
    SlideReadError
        If that fails again and again.
    """
    for wait in (*WAITS, None):
        try:
            opener.reader()
            return
        except (ValueError, OSError) as error:
            if wait is None:
                raise SlideReadError(path, error) from error
            _sleep(wait)


def read_around(
    read: Callable[[int, int, int, int], Pixels], width: int, height: int
) -> tuple[Pixels, NDArray[np.bool_]]:
    """Read as much of an image as can be read.

    Parameters
    ----------
    read : callable
        Reads x, y, width, height.
    width, height : int
        Size of all.

    Returns
    -------
    pixels : uint8 ndarray of shape (height, width, 3)
        White where they cannot be read.
    holes : bool ndarray of shape (height, width)
        True where they cannot be read.
    """
    pixels = np.full((height, width, 3), 255, np.uint8)
    holes = np.zeros((height, width), dtype=bool)
    waiting = [(0, 0, width, height)]
    while waiting:
        x, y, w, h = waiting.pop()
        try:
            pixels[y : y + h, x : x + w] = read(x, y, w, h)
        except SlideReadError as error:
            if not error.regions:
                raise
            if max(w, h) <= _SMALLEST:
                holes[y : y + h, x : x + w] = True
            elif w >= h:
                waiting += [(x, y, w // 2, h), (x + w // 2, y, w - w // 2, h)]
            else:
                waiting += [(x, y, w, h // 2), (x, y + h // 2, w, h - h // 2)]
    return pixels, holes


class _CannotOpen(SlideReadError):
    """The file itself can no longer be opened."""
