"""Exact decimals, spans and moments: the arithmetic that several formats share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any

import numpy as np

# Shifts and halves of any pixel position are exact in decimals of this length; as floats they
# are not, and what was written would not come back.
EXACT = Context(prec=50)


def is_number(value: object) -> bool:
    """Check whether a value is a plain number, not text, a truth value or nothing."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def to_float(value: object) -> float:
    """Turn a number out of a file into a float; what is none becomes NaN."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def to_decimal(value: float | Decimal) -> Decimal:
    """Convert a float to the shortest decimal that stands for it."""
    return value if isinstance(value, Decimal) else Decimal(repr(value))


def span(
    center: float | Decimal, size: float | Decimal, shift: str | Decimal = "0"
) -> tuple[Decimal, Decimal]:
    """Return the ends of a length around a centre, as decimals, moved by `shift`."""
    middle = EXACT.add(to_decimal(center), Decimal(shift))
    half = EXACT.divide(to_decimal(size), Decimal(2))
    return EXACT.subtract(middle, half), EXACT.add(middle, half)


def middle(
    low: float | Decimal, high: float | Decimal, shift: str | Decimal = "0"
) -> tuple[float, float]:
    """Return a length's centre, moved back by `shift`, and the length, as floats: undo `span`."""
    low, high = to_decimal(low), to_decimal(high)
    center = EXACT.subtract(EXACT.divide(EXACT.add(low, high), Decimal(2)), Decimal(shift))
    return float(center), float(EXACT.subtract(high, low))


def is_box(points: Sequence[tuple[Any, ...]]) -> bool:
    """Whether an outline, closed or not, is a rectangle along the axes."""
    corners = set(points)
    xs, ys = ({point[axis] for point in corners} for axis in (0, 1))
    return len(corners) == 4 and len(xs) == 2 and len(ys) == 2 and len(points) in (4, 5)


def outside(points: Any, low: Any, high: Any) -> Any:
    """Whether centroids lie outside of their boxes.

    Those of outlines that cross themselves do, where areas of both directions nearly cancel.
    """
    beyond = ((points < low) | (points > high)).any(axis=-1)
    return beyond & np.isfinite(points).all(axis=-1)


def moments(points: Sequence[Sequence[Any]]) -> tuple[float, Any]:
    """Area and centroid of an outline, closed or not; the area has the sign of its direction.

    Without an area, and where the centroid lies `outside`, it is the middle of the box.
    """
    outline = np.array([[float(value) for value in point[:2]] for point in points])
    origin = outline[0].copy()
    a = outline - origin  # far from (0, 0) the products below would cancel
    b = np.roll(a, -1, axis=0)
    with np.errstate(over="ignore", invalid="ignore"):  # absurd positions end as no position
        cross = a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1]
        area = cross.sum() / 2
        center = origin + ((a + b) * cross[:, None]).sum(axis=0) / (6 * area if area else 1)
        low, high = outline.min(axis=0), outline.max(axis=0)
        return area, (low + high) / 2 if area == 0 or outside(center, low, high) else center
