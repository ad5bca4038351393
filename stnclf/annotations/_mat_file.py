"""One matrix of numbers out of a MATLAB file of version 5 to 7, and nothing else of it.

SciPy reads such files too, but a damaged one can end the process there. The layout is described
in "MAT-File Format", The MathWorks.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .._utils.typing import Floats, PathLike
from ._files import check_regular

MATRIX, COMPRESSED = 14, 15
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"}
NUMBERS |= {12: "i8", 13: "u8"}
NUMERIC_CLASSES = range(6, 16)  # double, single and the integers
LARGEST = 2**28  # bytes of an unpacked matrix; a few packed ones could claim any amount


def read_matrix(path: PathLike, name: str) -> Floats:
    """Read a matrix.

    Parameters
    ----------
    path : path-like
        The file.
    name : str
        Name of the matrix.

    Returns
    -------
    ndarray of shape (rows, columns), float64
        Its numbers, whatever type they are stored as.

    Raises
    ------
    ValueError
        If the file is none of MATLAB's, is damaged, or holds no such matrix.
    """
    check_regular(Path(path))
    with open(path, "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"has more than {LARGEST} bytes, which are not read.")
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None or len(data) < 128:
        raise ValueError("is no MATLAB file of version 5 to 7.")
    try:
        for kind, content in _elements(data[128:], order):
            if kind == COMPRESSED:
                unpack = zlib.decompressobj()
                content = unpack.decompress(content, LARGEST)
                if not unpack.eof:
                    raise ValueError("is damaged.")
                ((kind, content),) = list(_elements(content, order))[:1]
            if kind == MATRIX:
                matrix = _matrix(content, order, name)
                if matrix is not None:
                    return matrix
    except (struct.error, zlib.error, StopIteration) as error:
        raise ValueError("is damaged.") from error
    raise ValueError(f"holds no matrix {name!r}.")


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Return type and content of each element; small ones stand within their own tag."""
    place = 0
    while place < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, place)
        start, step = place + 8, size + (-size % 8 if kind != COMPRESSED else 0)
        if kind >> 16:
            kind, size, start, step = kind & 0xFFFF, kind >> 16, place + 4, 0
        if start + size > len(data):
            raise ValueError("is damaged.")
        yield kind, data[start : start + size]
        place += 8 + step


def _matrix(content: bytes, order: str, name: str) -> Floats | None:
    """Numbers of a matrix if it has that name, else None."""
    parts = _elements(content, order)
    (_, flags), (_, shape), (_, own_name) = next(parts), next(parts), next(parts)
    if own_name != name.encode():
        return None
    (kind,) = struct.unpack_from(f"{order}I", flags)
    shape = np.frombuffer(shape, f"{order}i4").tolist()
    number, values = next(parts, (9, b""))
    number = np.dtype(order + NUMBERS.get(number, "f8"))
    if kind & 0xFF not in NUMERIC_CLASSES or kind & 0x0800 or len(shape) != 2 or min(shape) < 0:
        raise ValueError(f"{name!r} is no matrix of real numbers.")
    if shape[0] * shape[1] * number.itemsize != len(values):
        raise ValueError("is damaged.")
    return np.frombuffer(values, number).astype(np.float64).reshape(shape, order="F")
