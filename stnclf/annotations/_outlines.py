"""Centroids and bounding boxes of many outlines at once."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._numbers import middle, outside

#: Points that are kept until their outlines are computed: enough for NumPy, and little memory.
_ENOUGH = 2**16
_NUMBERS = {int, float}


class Outlines:
    """Computes `x`, `y`, `width` and `height` of outlines, many at a time.

    Parameters
    ----------
    shift : float, default=0
        What is added to the file's positions.
    """

    def __init__(self, shift: float = 0.0) -> None:
        self._shift = shift
        self._clear()

    def _clear(self) -> None:
        self._values = array("d")
        self._lengths: list[int] = []  # points of each ring
        self._signs: list[int] = []  # -1 for a hole
        self._owners: list[int] = []
        self._rows: list[dict[str, Any]] = []
        self._names: list[str] = []

    def add(self, row: dict[str, Any], polygons: Sequence[Sequence[Any]], name: str) -> None:
        """Add what is one row of a table: each polygon is a ring and the holes in it.

        Parameters
        ----------
        row : dict
            Gets ``x``, ``y``, ``width`` and ``height``, at the latest with `finish`.
        polygons : list of list of rings
            A ring is a list of points, closed or not, a point a list of two or more numbers.
        name : str
            What messages call the object.

        Raises
        ------
        ValueError
            If a point is not two finite numbers, now or when the outlines are computed.
        """
        owner = len(self._rows)
        for rings in polygons:
            for i, ring in enumerate(rings):
                try:
                    if any(len(point) != 2 for point in ring):
                        ring = [point[:2] for point in ring]
                    flat = list(itertools.chain.from_iterable(ring))
                    if len(flat) != 2 * len(ring) or not set(map(type, flat)) <= _NUMBERS:
                        raise TypeError
                    self._values.extend(flat)
                except (TypeError, KeyError, OverflowError):
                    raise ValueError(f"{name} has a point that is not two numbers.") from None
                self._lengths.append(len(ring))
                self._signs.append(-1 if i else 1)
                self._owners.append(owner)
        self._rows.append(row)
        self._names.append(name)
        if len(self._values) > 2 * _ENOUGH:
            self.finish()

    def finish(self) -> None:
        """Compute what has been added since the last time."""
        if not self._rows:
            return
        points = np.frombuffer(self._values).reshape(-1, 2)
        lengths, owners = np.array(self._lengths), np.array(self._owners)
        starts = np.cumsum(lengths) - lengths
        broken = ~np.isfinite(points).all(axis=1)
        if broken.any():
            ring = int(np.searchsorted(starts, int(broken.argmax()), side="right")) - 1
            raise ValueError(f"{self._names[owners[ring]]} has a point that is not two numbers.")
        low, high = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
        with np.errstate(over="ignore", invalid="ignore"):  # absurd positions end as no position
            area, center = _moments(points, starts, lengths, low, high)
        first = np.flatnonzero(np.diff(owners, prepend=-1))
        weights = np.abs(area) * np.array(self._signs)
        low, high = np.minimum.reduceat(low, first), np.maximum.reduceat(high, first)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            total = np.add.reduceat(weights, first)
            mean = np.add.reduceat(weights[:, None] * center, first) / total[:, None]
            lost = ~(total > 0) | outside(mean, low, high)
        mean = np.where(lost[:, None], center[first], mean) + self._shift
        for row, (x, y), (left, top), (right, bottom) in zip(
            self._rows, mean.tolist(), low.tolist(), high.tolist()
        ):
            row |= {"x": x, "y": y}
            row |= {"width": middle(left, right)[1], "height": middle(top, bottom)[1]}
        self._clear()


def _moments(points: Any, starts: Any, lengths: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """Area of each ring, with the sign of its direction, and centroid, as in `moments`."""
    a = points - np.repeat(points[starts], lengths, axis=0)  # far from (0, 0) products would cancel
    following = np.arange(1, len(points) + 1)
    following[starts + lengths - 1] = starts
    b = a[following]
    cross = a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1]
    area = np.add.reduceat(cross, starts) / 2
    sums = np.add.reduceat((a + b) * cross[:, None], starts)
    flat = area == 0
    center = points[starts] + sums / (6 * np.where(flat, 1, area))[:, None]
    lost = flat | outside(center, low, high)
    return area, np.where(lost[:, None], (low + high) / 2, center)
