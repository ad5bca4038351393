"""Levels of a pyramid."""

from __future__ import annotations

import math

__all__ = ["downsample"]


def downsample(whole: tuple[int, int], size: tuple[int, int]) -> float:
    """Level-0 pixels per pixel of a level: a whole number wherever sizes were only rounded.

    A level of 250 pixels under 1001 is at one quarter, without the last column; the ratio of
    the sizes would be off by a pixel at the far end.

    Parameters
    ----------
    whole, size : tuple of int
        ``(width, height)`` of level 0 and of the level.

    Returns
    -------
    float

    Examples
    --------
    >>> from stnclf.slides._levels import downsample
    >>> downsample((1001, 803), (250, 200))
    4.0
    """
    ratios = [w / s for w, s in zip(whole, size)]
    nearest = round(sum(ratios) / 2)
    if nearest and all(s in (w // nearest, math.ceil(w / nearest)) for w, s in zip(whole, size)):
        return float(nearest)
    return sum(ratios) / 2
