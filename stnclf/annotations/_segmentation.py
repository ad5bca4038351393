"""Masks and outlines of COCO: where the middle of a segmentation is, and how large it is.

Masks are lists of run lengths, of which the first counts pixels outside; they run down one column
after the other. Packed into text, each is written in digits of five bits, from the fourth on as
the difference to the one before the last. (Lin et al., "Microsoft COCO", ECCV 2014.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Pixels of a mask; nothing of this size is made, but sums must stay exact.
_MOST_PIXELS = 2**40


def mask_box(segmentation: dict[str, Any], name: str) -> tuple[float, float, int, int] | None:
    """Position and size of a mask of run lengths.

    Parameters
    ----------
    segmentation : dict
        ``counts``, a list or packed text, and ``size``, (height, width).
    name : str
        What messages call the annotation.

    Returns
    -------
    x, y : float
        Mean position of the pixels inside, as numbers of pixels.
    width, height : int
        Size of the box around them. None instead of all if no pixel is inside.

    Raises
    ------
    ValueError
        If it is no such mask, or its runs do not fill it.
    """
    counts: Any = segmentation.get("counts")
    size: Any = segmentation.get("size")
    if isinstance(counts, str):
        counts = _unpack(counts, name)
    whole = isinstance(size, list) and len(size) == 2 and isinstance(counts, list)
    if not whole or not all(type(n) is int and n >= 0 for n in (*size, *counts)):
        raise ValueError(f"{name} has no mask of run lengths with a size of (height, width).")
    height, width = size
    if height * width > _MOST_PIXELS or sum(counts) != height * width:
        raise ValueError(f"{name} has runs that do not fill a mask of {height} x {width} px.")
    ends = np.cumsum(np.array(counts, dtype=np.int64))
    first, last = ends[:-1:2], ends[1::2] - 1  # of each run inside
    filled = last >= first
    first, last = first[filled], last[filled]
    if not len(first):
        return None
    return _middle(first, last, height)


def _middle(
    first: NDArray[np.int64], last: NDArray[np.int64], height: int
) -> tuple[float, float, int, int]:
    """Mean and box of runs of pixels, of which one may reach over several columns."""
    left, top = np.divmod(first, height)
    right, bottom = np.divmod(last, height)
    several = right > left
    # A run is the rest of its first column, whole columns, and the beginning of its last.
    whole = np.where(several, right - left - 1, 0)
    begin = np.where(several, height - 1, bottom) - top + 1
    end = np.where(several, bottom + 1, 0)
    n = float((last - first + 1).sum())
    f = np.float64
    sum_x = (
        left * f(1) * begin + right * f(1) * end + whole * (left + right) / f(2) * height
    ).sum()
    sum_y = (
        begin * (top + np.where(several, height - 1, bottom)) / f(2)
        + end * bottom / f(2)
        + whole * f(height) * (height - 1) / 2
    ).sum()
    lowest = 0 if several.any() else int(top.min())
    highest = height - 1 if several.any() else int(bottom.max())
    columns = int(right.max() - left.min()) + 1
    return float(sum_x / n), float(sum_y / n), columns, highest - lowest + 1


def _unpack(text: str, name: str) -> list[int]:
    """Run lengths out of text."""
    counts: list[int] = []
    value = shift = 0
    for sign in text:
        digit = ord(sign) - 48
        if not 0 <= digit < 64 or shift > 60:
            raise ValueError(f"{name} has a mask of run lengths that is damaged.")
        value |= (digit & 31) << shift
        shift += 5
        if digit & 32:
            continue
        if digit & 16:  # negative
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError(f"{name} has a mask of run lengths that is damaged.")
    return counts
