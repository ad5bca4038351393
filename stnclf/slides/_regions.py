"""Regions of a slide at any resolution, from the level of its pyramid that fits best."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

__all__ = ["read_scaled"]

#: Side in pixels of the largest square of a level that is read and resampled at a time.
_BLOCK = 2048

#: Pixels by which a level may be off before it is resampled.
_CLOSE = 0.01


def read_scaled(reader, x, y, width, height, scale):
    """Read a region, block by block, so that little of a level is in memory.

    Parameters
    ----------
    reader : reader
        See `stnclf.slides._readers`.
    x, y : float
        The level-0 pixel whose top-left corner is that of the region.
    width, height : int
        Size of the result in its own pixels.
    scale : float
        Level-0 pixels for one pixel of the result.

    Returns
    -------
    uint8 ndarray of shape (height, width, 3)
        RGB, white beyond the slide.
    """
    # Rounded sizes make levels look a little coarser than they are.
    fine = [i for i, factor in enumerate(reader.downsamples) if factor <= scale * 1.001]
    level = max(fine, key=lambda i: reader.downsamples[i], default=0)
    factor = reader.downsamples[level]
    step = scale / factor
    region = np.empty((height, width, 3), dtype=np.uint8)
    # A wide kernel needs much around each block: take means of squares in a second stage.
    square = int(step / 4) if step >= 8 else 1
    most = max(1, int(_BLOCK / max(step, 1))) if square == 1 else max(1, _BLOCK // square)
    for j in range(0, height, most):
        for i in range(0, width, most):
            block = region[j : j + most, i : i + most]
            if square == 1:
                corner = x / factor + i * step, y / factor + j * step
                block[:] = _block(reader, level, corner, step, block.shape)
            else:
                corner = x + i * scale, y + j * scale
                size = (side * square for side in block.shape[1::-1])
                pixels = read_scaled(reader, *corner, *size, scale / square)
                block[:] = _mean_of_squares(pixels, square)
    return region


def _block(reader, level, corner, step, shape):
    """Read pixels of `shape` whose corner and width are given in pixels of a level."""
    size = shape[1::-1]
    whole = [round(value) for value in corner]
    shifts = [abs(c - w) for c, w in zip(corner, whole)]
    if max(*shifts, abs(step - 1) * max(size)) < _CLOSE:
        pixels, off = _read_padded(reader, level, whole, size)
        if max(map(abs, off)) < _CLOSE:
            return _whiten(pixels, reader, level, corner, step)
    # The bicubic kernel reaches two pixels to either side, of source or result.
    reach = 2 * max(step, 1) + 1
    first = [math.floor(c - reach) for c in corner]
    last = [math.ceil(c + n * step + reach) for c, n in zip(corner, size)]
    pixels, off = _read_padded(reader, level, first, [b - a for a, b in zip(first, last)])
    left, top = (c - a - o for c, a, o in zip(corner, first, off))
    box = left, top, left + size[0] * step, top + size[1] * step
    image = Image.fromarray(pixels)
    pixels = np.asarray(image.resize(size, Image.Resampling.BICUBIC, box))
    return _whiten(pixels, reader, level, corner, step)


def _mean_of_squares(pixels, side):
    height, width = (length // side for length in pixels.shape[:2])
    squares = pixels.reshape(height, side, width, side, 3)
    total, n = squares.sum(axis=(1, 3), dtype=np.uint64), side * side
    return (total + np.uint64(n // 2)) // np.uint64(n)


def _read_padded(reader, level, corner, size):
    """Read a rectangle of a level; beyond its edges, the pixels at the edges are repeated."""
    limits = reader.level_size(level)
    first = [min(max(c, 0), most) for c, most in zip(corner, limits)]
    last = [min(max(c + n, 0), most) for c, n, most in zip(corner, size, limits)]
    if any(a == b for a, b in zip(first, last)):
        return np.full((*size[::-1], 3), 255, dtype=np.uint8), (0.0, 0.0)
    pixels, off = reader.read(level, *first, *(b - a for a, b in zip(first, last)))
    missing = [(a - c, c + n - b) for c, n, a, b in zip(corner, size, first, last)]
    if not np.any(missing):
        return pixels, off
    return np.pad(pixels, [*missing[::-1], (0, 0)], mode="edge"), off


def _whiten(pixels, reader, level, corner, step):
    """Make those pixels white whose middle is not on the slide."""
    factor = reader.downsamples[level]
    outside = []
    for start, n, side in zip(corner, pixels.shape[1::-1], reader.size):
        middles = start + (np.arange(n) + 0.5) * step
        outside.append((middles < 0) | (middles >= side / factor))
    if np.any(outside[0]) or np.any(outside[1]):
        pixels = pixels.copy()
        pixels[:, outside[0]] = 255
        pixels[outside[1]] = 255
    return pixels
