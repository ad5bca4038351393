"""TIFF files that OpenSlide does not read, or not as they are meant, in tiles or strips."""

from __future__ import annotations

import math
import os
import threading
import zlib
from collections import OrderedDict

import numpy as np
from PIL import Image

from .._utils.resolution import Resolution, resolution_of_tiff
from .._utils.tiff_kind import Kind, kind_of
from .._utils.tiff_tags import Directory, Tag
from .._utils.typing import Pixels
from ._levels import downsample
from ._read_errors import SlideReadError
from ._tiff_pixels import decode, is_decoded

__all__ = ["TiffReader"]

#: Bytes of decoded tiles that are kept, for regions that overlap.
_CACHE = 64 << 20


class TiffReader:
    """Reads a TIFF file by its tags; may be shared by threads.

    Pixels are read as they are stored, whatever the tag of the orientation says.

    Parameters
    ----------
    path : str
        The file.
    pages, below : list of Directory
        What `stnclf._utils.tiff_tags.read_directories` found. The first page is level 0.

    Raises
    ------
    ValueError
        If the file was cut off, or its tiles are absurdly large.
    """

    def __init__(self, path: str, pages: list[Directory], below: list[Directory]):
        self.path = path
        self.resolution: Resolution = resolution_of_tiff(pages[0])
        self.mpp = self.resolution.mpp
        size = os.stat(path).st_size
        self._levels = [_Level(pages[0], kind_of(pages[0]), size)]
        others = below or [page for page in pages[1:] if page.is_reduced]
        self._levels += _smaller(self._levels[0], others, size)
        self.size = self._levels[0].size
        self.downsamples = tuple(downsample(self.size, level.size) for level in self._levels)
        self._lock, self._n_bytes = threading.Lock(), 0
        self._held: OrderedDict[tuple[int, int, int], Pixels] = OrderedDict()

    def level_size(self, level: int) -> tuple[int, int]:
        """``(width, height)`` of a level in its pixels."""
        return self._levels[level].size

    def tile_size(self, level: int) -> tuple[int, int]:
        """``(width, height)`` of the tiles of a level, or of its strips."""
        return self._levels[level].tile

    def read(
        self, level: int, x: int, y: int, width: int, height: int
    ) -> tuple[Pixels, tuple[float, float]]:
        """Read a rectangle that lies inside a level, see `SlideReader.read`.

        Raises
        ------
        SlideReadError
            If the file is damaged there.
        OSError
            If it cannot be read.
        """
        (tile_width, tile_height) = self._levels[level].tile
        pixels = np.empty((height, width, 3), np.uint8)
        for row in range(y // tile_height, (y + height - 1) // tile_height + 1):
            for column in range(x // tile_width, (x + width - 1) // tile_width + 1):
                left, top = column * tile_width, row * tile_height
                tile = self._tile(level, column, row)
                x0, x1 = max(x, left), min(x + width, left + tile_width)
                y0, y1 = max(y, top), min(y + height, top + tile_height)
                part = tile[y0 - top : y1 - top, x0 - left : x1 - left]
                pixels[y0 - y : y1 - y, x0 - x : x1 - x] = part
        return pixels, (0.0, 0.0)

    def _tile(self, level, column, row):
        key = level, column, row
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        try:
            tile = self._levels[level].read(self.path, column, row)
        except (OSError, ValueError, SyntaxError, IndexError, KeyError, zlib.error) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise SlideReadError(self.path, error) from error
        with self._lock:
            if key not in self._held:
                self._held[key] = tile
                self._n_bytes += tile.nbytes
            while self._n_bytes > _CACHE and len(self._held) > 1:
                self._n_bytes -= self._held.popitem(last=False)[1].nbytes
        return tile


class _Level:
    """One image of the file: where its tiles lie, and how they are decoded."""

    def __init__(self, page: Directory, kind: Kind, file_size: int):
        self.page, self.kind, self.size = page, kind, page.size
        width, height = self.size
        if page.is_tiled:
            self.tile = page.one(Tag.TILE_WIDTH, 0), page.one(Tag.TILE_HEIGHT, 0)
            tags = Tag.TILE_OFFSETS, Tag.TILE_COUNTS
        else:
            self.tile = width, min(page.one(Tag.ROWS_PER_STRIP, height), height)
            tags = Tag.STRIP_OFFSETS, Tag.STRIP_COUNTS
        if min(self.tile) < 1:
            raise ValueError("cannot be read as a slide or image (its tiles have no size).")
        most = Image.MAX_IMAGE_PIXELS
        if most is not None and math.prod(self.tile) > 2 * most:
            raise ValueError(
                f"has {math.prod(self.tile)} pixels in one tile or strip, more than "
                "PIL.Image.MAX_IMAGE_PIXELS allows; a tiled TIFF may be of any size."
            )
        self.n_columns, n_rows = (math.ceil(n / m) for n, m in zip(self.size, self.tile))
        is_planar = page.one(Tag.PLANAR, 1) == 2 and kind.samples > 1
        self.planes, self.n_tiles = kind.samples if is_planar else 1, self.n_columns * n_rows
        # An older program may have left the counts out, of one strip that is not compressed.
        self.offsets, self.counts = (page.array(tag) for tag in tags)
        n = self.n_tiles * self.planes
        if len(self.offsets) < n or len(self.counts) < n:
            raise ValueError(
                f"cannot be read as a slide or image (it has {n} tiles or strips, and "
                f"{min(len(self.offsets), len(self.counts))} places for them)."
            )
        ends = self.offsets[:n].astype(np.float64) + self.counts[:n]
        if (ends > file_size).any():
            raise ValueError(
                "cannot be read as a slide or image (truncated: it ends at byte "
                f"{file_size}, and should have {ends.max():.0f})."
            )

    def read(self, path: str, column: int, row: int) -> Pixels:
        """Read and decode a tile or strip; white where none is stored."""
        width, height = self.tile
        if not self.page.is_tiled:
            height = min(height, self.size[1] - row * height)
        number = row * self.n_columns + column
        parts = []
        with open(path, "rb") as file:
            for plane in range(self.planes):
                i = plane * self.n_tiles + number
                file.seek(int(self.offsets[i]))
                count = int(self.counts[i])
                parts.append(file.read(count))
                if len(parts[-1]) < count:  # cut off since it was opened: no empty tile
                    raise ValueError(f"{count} bytes are stored, {len(parts[-1])} were read")
        if not any(parts):
            return np.full((height, width, 3), 255, np.uint8)
        return decode(parts, self.page, self.kind, width, height)


def _smaller(largest: _Level, pages: list[Directory], file_size: int) -> list[_Level]:
    """Choose the smaller versions of an image, from large to small."""
    levels = [largest]
    wanted = largest.kind
    for page in pages:
        ratios = [w / s if s else 0 for w, s in zip(largest.size, page.size)]
        tolerance = 1.01 + 1.5 / max(1, min(page.size))  # sizes were rounded
        if page.is_mask or min(ratios) <= 1 or max(ratios) > tolerance * min(ratios):
            continue
        try:
            kind = kind_of(page)
        except ValueError:
            continue
        if kind.samples == wanted.samples and is_decoded(page) and page.size < levels[-1].size:
            levels.append(_Level(page, kind, file_size))
    return levels[1:]
