"""What a TIFF file says about itself: the tags in its directories, read without any library.

Classic TIFF and BigTIFF of either byte order. Nothing is decoded here, and what a file claims is
checked against its length, so that a damaged or crafted file ends in a ValueError.
"""

from __future__ import annotations

import os
import struct
from typing import Any, BinaryIO, NamedTuple

import numpy as np

__all__ = ["Directory", "Tag", "is_tiff", "read_directories"]


class Tag:
    """Numbers of the tags that are read."""

    SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
    FILL_ORDER, DESCRIPTION, STRIP_OFFSETS, ORIENTATION, SAMPLES = 266, 270, 273, 274, 277
    ROWS_PER_STRIP, STRIP_COUNTS, X_RESOLUTION, Y_RESOLUTION, PLANAR = 278, 279, 282, 283, 284
    UNIT, PREDICTOR, COLOR_MAP = 296, 317, 320
    TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS, SUB_IFDS = 322, 323, 324, 325, 330
    INK_SET, EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES = 332, 338, 339, 347


_WANTED = {value for name, value in vars(Tag).items() if name.isupper()}

#: NumPy's letters for the types of values; 5 and 10 are fractions, of two numbers each.
_TYPES = {
    1: "u1",
    2: "u1",
    3: "u2",
    4: "u4",
    5: "u4",
    6: "i1",
    7: "u1",
    8: "i2",
    9: "i4",
    10: "i4",
    11: "f4",
    12: "f8",
    13: "u4",
    16: "u8",
    17: "i8",
    18: "u8",
}
_FRACTIONS = (5, 10)

#: A file of more directories than these is no slide, and a text of more bytes no description.
_MOST_DIRECTORIES, _MOST_TEXT = 10_000, 1 << 24


class _Layout(NamedTuple):
    """How the numbers of a file are written."""

    order: str
    is_big: bool
    size: int


class Directory:
    """The tags of one image in the file.

    Parameters
    ----------
    values : dict of int to ndarray
        The values of each tag; fractions are of shape (n, 2).
    """

    def __init__(self, values: dict[int, np.ndarray]):
        self.values = values

    def one(self, tag: int, default: Any = None) -> Any:
        """Return the first value of a tag as an int; `default` where there is none."""
        values = self.values.get(tag)
        return default if values is None or not len(values) else int(values.flat[0])

    def many(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Return all values of a tag as a tuple of int."""
        values = self.values.get(tag)
        return default if values is None else tuple(values.ravel().tolist())

    def array(self, tag: int) -> np.ndarray:
        """Return all values of a tag as an array, empty where there are none."""
        return self.values.get(tag, np.empty(0, np.int64))

    def fraction(self, tag: int) -> float | None:
        """Return a fraction as a float; None where there is none, or its denominator is 0."""
        values = self.values.get(tag)
        if values is None or values.ndim != 2 or not len(values) or values[0, 1] == 0:
            return None
        return float(values[0, 0]) / float(values[0, 1])

    def data(self, tag: int) -> bytes:
        """Return the bytes of a tag."""
        return self.array(tag).astype(np.uint8).tobytes()

    @property
    def text(self) -> str:
        """The description; empty where there is none."""
        return self.data(Tag.DESCRIPTION).rstrip(b"\0").decode("utf-8", "replace")

    @property
    def size(self) -> tuple[int, int]:
        """``(width, height)`` in pixels."""
        return self.one(Tag.WIDTH, 0), self.one(Tag.HEIGHT, 0)

    @property
    def is_tiled(self) -> bool:
        """Whether the pixels lie in tiles, not in strips."""
        return Tag.TILE_WIDTH in self.values

    @property
    def is_reduced(self) -> bool:
        """Whether it is a smaller version of another image."""
        return bool(self.one(Tag.SUBFILE, 0) & 1)

    @property
    def is_mask(self) -> bool:
        """Whether it says which pixels of another image count."""
        return bool(self.one(Tag.SUBFILE, 0) & 4) or self.one(Tag.PHOTOMETRIC) == 4


def is_tiff(path: str) -> bool:
    """Check whether a file begins as a TIFF file does."""
    with open(path, "rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_directories(path: str) -> tuple[list[Directory], list[Directory]]:
    """Read the tags of all images.

    Parameters
    ----------
    path : str
        The file.

    Returns
    -------
    pages : list of Directory
        The images in their order.
    below : list of Directory
        Those that the first image names as its own smaller versions (SubIFDs).

    Raises
    ------
    ValueError
        If it is no TIFF file, or one that was cut off.
    OSError
        If it cannot be read.
    """
    with open(path, "rb") as file:
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        version = struct.unpack(f"{order}H", head[2:4])[0] if order and len(head) >= 8 else 0
        if version not in (42, 43) or (version == 43 and len(head) < 16):
            raise ValueError("no TIFF file")
        layout = _Layout(order, version == 43, os.fstat(file.fileno()).st_size)
        start = struct.unpack(f"{order}Q", head[8:16]) if layout.is_big else ()
        (offset,) = start or struct.unpack(f"{order}I", head[4:8])
        pages: list[Directory] = []
        seen: set[int] = set()
        while offset and offset not in seen and len(pages) < _MOST_DIRECTORIES:
            seen.add(offset)
            directory, offset = _read_directory(file, offset, layout)
            pages.append(directory)
        if not pages:
            raise ValueError("a TIFF file without an image")
        below = pages[0].many(Tag.SUB_IFDS)[:64]
        return pages, [_read_directory(file, place, layout)[0] for place in below]


def _read_directory(file: BinaryIO, offset: int, layout: _Layout) -> tuple[Directory, int]:
    """Read one directory, and where the next one lies, 0 after the last."""
    order, is_big, size = layout
    head, entry, pointer = (8, 20, 8) if is_big else (2, 12, 4)
    number = int.from_bytes(_bytes(file, offset, head, size), _NAMES[order])
    block = _bytes(file, offset + head, number * entry + pointer, size)
    values = {}
    for i in range(number):
        raw = block[i * entry : (i + 1) * entry]
        tag, kind = struct.unpack(f"{order}HH", raw[:4])
        if tag not in _WANTED or kind not in _TYPES:
            continue
        (count,) = struct.unpack(f"{order}{'Q' if is_big else 'I'}", raw[4 : 4 + pointer])
        dtype = np.dtype(order + _TYPES[kind])
        n_bytes = count * dtype.itemsize * (2 if kind in _FRACTIONS else 1)
        if tag == Tag.DESCRIPTION:
            n_bytes = min(n_bytes, _MOST_TEXT)
        content = raw[-pointer:]
        if n_bytes > pointer:
            content = _bytes(file, int.from_bytes(content, _NAMES[order]), n_bytes, size)
        found = np.frombuffer(content[:n_bytes], dtype)
        values[tag] = found.reshape(-1, 2) if kind in _FRACTIONS else found
    return Directory(values), int.from_bytes(block[-pointer:], _NAMES[order])


_NAMES: dict[str, Any] = {"<": "little", ">": "big"}


def _bytes(file: BinaryIO, offset: int, number: int, size: int) -> bytes:
    if offset + number > size:
        raise ValueError(f"truncated: it ends at byte {size}, before the tags at {offset}")
    file.seek(offset)
    return file.read(number)
