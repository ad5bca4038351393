"""Batches: which samples an epoch shows, how each is moved and turned, and their pixels.

A training sample is a patch drawn anew each epoch: turned by a random angle about the cell and
moved by a random offset that keeps the whole cell inside (section 4.1). Nothing is cut or
turned here: a batch holds the part of each image, still uint8, that the patch touches, and the
affine transform from the patch to that part. The networks' one sampler call per look then does
crop, offset, rotation and scale together.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from ._batch import Batch, CellDataset, Frame
from .geometry import cell_theta, view_theta

__all__ = [
    "Batch",
    "CellDataset",
    "Draws",
    "Frame",
    "TrainingBatches",
    "balanced_index",
    "channel_statistics",
    "cut",
    "draw_batch",
    "draw_places",
    "held_out_batches",
    "patch_batches",
]


def channel_statistics(X, rows, most=256):
    """Measure mean and spread of each channel over some evenly spaced images.

    Parameters
    ----------
    X : ndarray of shape (n_images, height, width, channels)
        Images; uint8 is divided by 255.
    rows : int ndarray of shape (n,)
        The images to choose from.
    most : int, default=256
        How many are looked at.

    Returns
    -------
    mean, std : float64 ndarray of shape (channels,)
        A channel that is constant has the spread 1, or its size if that is more.
    """
    rows = rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]
    scale = 255.0 if X.dtype == np.uint8 else 1.0
    count, total, squares = 0, 0.0, 0.0
    shift = X[rows[0]].astype(np.float64).mean(axis=(0, 1)) / scale
    for row in rows:
        # Sums around a value nearby do not lose their digits.
        pixels = X[row].astype(np.float64).reshape(-1, X.shape[3]) / scale - shift
        count += len(pixels)
        total = total + pixels.sum(axis=0)
        squares = squares + (pixels**2).sum(axis=0)
    mean = total / count
    mean, std = mean + shift, np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    return mean, np.where(std > 1e-6 * abs(mean) + 1e-36, std, np.maximum(abs(mean), 1.0))


def balanced_index(y, rng):
    """Delete samples at random until all classes are as small as the smallest (section 4.3).

    Parameters
    ----------
    y : int ndarray of shape (n,)
        Class indices.
    rng : numpy.random.Generator
        Source of the choice.

    Returns
    -------
    int64 ndarray of shape (n_drawn,)
        Positions of the samples that stay, in ascending order.

    Examples
    --------
    >>> import numpy as np
    >>> from stnclf.sampling import balanced_index
    >>> y = np.array([0, 1, 0, 0, 1])
    >>> np.bincount(y[balanced_index(y, np.random.default_rng(0))])
    array([2, 2])
    """
    classes, counts = np.unique(y, return_counts=True)
    kept = [rng.permutation(np.flatnonzero(y == k))[: counts.min()] for k in classes]
    return np.sort(np.concatenate(kept))


class Draws(NamedTuple):
    """What chance decides about n training samples.

    Attributes
    ----------
    index : int ndarray of shape (n,)
        Numbers of the samples.
    angles : ndarray of shape (n,)
        By which patches are turned, in radians, see `stnclf.geometry.view_theta`.
    offsets : ndarray of shape (n, 2)
        ``(x, y)`` of the cell from the middle of the patch, in pixels of the patch.
    flips : ndarray of shape (n,)
        -1 for patches that are mirrored left to right, 1 for the others.
    jitter : ndarray of shape (n, 2)
        By how many pixels of the patch the true window misses the cell where a stage shows it.
    color : ndarray of shape (n, 2, channels)
        Factor of each channel, and shift in standard deviations of the training images.
    """

    index: np.ndarray  # type: ignore[assignment]  # hides tuple.index
    angles: np.ndarray
    offsets: np.ndarray
    flips: np.ndarray
    jitter: np.ndarray
    color: np.ndarray

    @classmethod
    def plain(cls, data, index, angles=0.0, offsets=(0.0, 0.0)):
        """Make the draws in which nothing is mirrored, missed or coloured."""
        n, n_channels = len(index), data.X.shape[3]
        return cls(
            np.asarray(index),
            np.zeros(n) + angles,
            np.zeros((n, 2)) + offsets,
            np.ones(n),
            np.zeros((n, 2)),
            np.tile([[1.0], [0.0]], (n, 1, n_channels)),
        )

    def part(self, rows):
        """Give some of the samples."""
        return Draws(*(values[rows] for values in self))


class TrainingBatches:
    """Augmented batches; iterating once is an epoch, and each epoch is drawn anew.

    Parameters
    ----------
    data : CellDataset
        The images.
    seed : sequence of int
        With the number of the epoch it decides everything that is drawn.
    batch_size : int
        Samples in a batch; the last one may be smaller.
    around : float or None
        What the stage looks at, so that sources are no larger: as many cell sizes around the
        true centre, or the patch (None).
    balance : bool or "fixed"
        Random deletion down to the smallest class: each epoch anew, not at all, or once.
    rotate : bool or "copy"
        Turn each drawing by an angle of its own, none, or show each image as it is and again
        turned (the paper's rotated copy; twice the samples an epoch).
    flip : bool, default=False
        Mirror every other drawing.
    color_jitter : float, default=0.0
        Each channel is multiplied by a factor at most this far from 1, and shifted by at most
        twice as many standard deviations.
    center_jitter : float, default=0.0
        Largest distance along x and y, in cell sizes, at which a window that is shown misses the
        cell.
    epoch : int, default=0
        Number of the next epoch.
    """

    def __init__(
        self,
        data,
        seed,
        batch_size,
        around,
        balance,
        rotate,
        flip=False,
        color_jitter=0.0,
        center_jitter=0.0,
        epoch=0,
    ):
        self.data, self.seed, self.batch_size, self.around = data, list(seed), batch_size, around
        # A row of pixels has no turning, and its order means something.
        flat = data.frame.image[0] == 1
        self.rotate, self.flip = (False, False) if flat else (rotate, flip)
        self.color_jitter, self.center_jitter = color_jitter, center_jitter
        self.balance, self.epoch = balance, epoch
        self.fixed = None
        if balance == "fixed":
            self.fixed = balanced_index(data.y, np.random.default_rng(self.seed[:1]))

    def n_batches(self):
        """Count the batches of an epoch."""
        n = len(self.data)
        if self.balance:
            counts = np.unique(self.data.y, return_counts=True)[1]
            n = counts.min() * len(counts)
        return math.ceil((2 if self.rotate == "copy" else 1) * n / self.batch_size)

    def plan(self, epoch):
        """Give the `Draws` of an epoch."""
        rng = np.random.default_rng([*self.seed, epoch])
        if self.fixed is not None:
            index = self.fixed
        elif self.balance:
            index = balanced_index(self.data.y, rng)
        else:
            index = np.arange(len(self.data))
        angles = rng.uniform(0, 2 * np.pi, len(index))
        if self.rotate == "copy":
            index, angles = np.tile(index, 2), np.concatenate([np.zeros(len(index)), angles])
        elif not self.rotate:
            angles = np.zeros(len(index))
        offsets = rng.uniform(-1, 1, (len(index), 2)) * self.data.frame.reach
        draws = Draws.plain(self.data, index, angles, offsets).part(rng.permutation(len(index)))
        if self.flip:
            draws.flips[rng.random(len(index)) < 0.5] = -1
        if self.center_jitter:
            cell = self.data.frame.cell[::-1]
            draws.jitter[:] = self.center_jitter * rng.uniform(-1, 1, draws.jitter.shape) * cell
        if self.color_jitter:
            draws.color[:] += self.color_jitter * rng.uniform(-1, 1, draws.color.shape)
            draws.color[:, 1] *= 2
        return draws

    def places(self):
        """Draw the next epoch with `draw_places`, all batches in one."""
        self.epoch += 1
        return draw_places(self.data, self.plan(self.epoch - 1))

    def __iter__(self):
        draws = self.plan(self.epoch)
        self.epoch += 1
        for start in range(0, len(draws.index), self.batch_size):
            part = draws.part(slice(start, start + self.batch_size))
            yield draw_batch(self.data, part, self.around)


def draw_batch(data, draws, around=None):
    """Make the batch in which the cells lie off the middle of turned patches.

    Parameters
    ----------
    data : CellDataset
        The images.
    draws : Draws
        Which samples, and how they are moved and changed.
    around : float or None, default=None
        What the sources have to hold, see `TrainingBatches`.

    Returns
    -------
    Batch
    """
    frame, centers = data.frame, data.centers[draws.index]
    middles = _middles(data, draws)
    focus, extent = middles, frame.patch
    if around is not None:
        farthest = 2 * np.abs(draws.jitter).max(axis=0, initial=0)[::-1]
        near = [around * cell + more for cell, more in zip(frame.cell, farthest)]
        if math.hypot(*near) < math.hypot(*extent):
            focus, extent = centers, near
    side = math.hypot(*extent) if np.any(draws.angles) else None
    size = tuple(math.ceil(e if side is None else side) + 2 for e in extent)
    source, corners = cut(data.X, data.rows[draws.index], focus, size)
    return _batch(data, draws, source, middles - corners, source.shape[1:3])


def draw_places(data, draws):
    """Make what `draw_batch` makes, for images that lie whole where the networks are.

    Parameters
    ----------
    data : CellDataset
        The images; their pixels are not read.
    draws : Draws
        As for `draw_batch`.

    Returns
    -------
    Batch
        ``source`` is the samples' numbers, int64 of shape (n,), and ``place`` leads from patch
        coordinates to those of the whole images.
    """
    return _batch(data, draws, draws.index, _middles(data, draws), data.frame.image)


def _middles(data, draws):
    """Middles ``(x, y)`` of the patches in their images."""
    cos, sin = np.cos(draws.angles), np.sin(draws.angles)
    x, y = draws.flips * draws.offsets[:, 0], draws.offsets[:, 1]  # before it is mirrored
    return data.centers[draws.index] - np.stack([cos * x - sin * y, sin * x + cos * y], 1)


def _batch(data, draws, source, middles, source_size):
    frame = data.frame
    place = view_theta(middles, frame.patch, draws.angles, source_size)
    place[:, :, 0] *= draws.flips[:, None]
    middle = (np.array(frame.patch[::-1]) - 1) / 2
    theta = cell_theta(middle + draws.offsets, frame.patch, frame.cell)
    shown = cell_theta(middle + draws.offsets + draws.jitter, frame.patch, frame.cell)
    return Batch(
        torch.from_numpy(source),
        *(torch.from_numpy(v.astype(np.float32)) for v in (place, theta, shown)),
        torch.from_numpy(data.y[draws.index]),
        torch.from_numpy(data.weight[draws.index]),
        torch.from_numpy(draws.color.astype(np.float32)),
    )


def cut(X, index, centers, size):
    """Cut a rectangle around a point out of each image, moved to lie inside the image.

    Where an image is smaller than the rectangle, all of it is taken. What a view needs beyond
    the rectangle then always lies beyond the image too, and is left to the sampler's
    reflection.

    Parameters
    ----------
    X : ndarray of shape (n_images, height, width, channels)
        Images.
    index : int ndarray of shape (n,)
        Which images.
    centers : ndarray of shape (n, 2)
        ``(x, y)`` of the points in pixels.
    size : tuple of int
        ``(height, width)`` wanted.

    Returns
    -------
    source : ndarray of shape (n, height, width, channels)
        The pixels, of the dtype of ``X`` (float32 for any other number than uint8).
    corners : int64 ndarray of shape (n, 2)
        ``(x, y)`` of each rectangle's top-left pixel in its image.
    """
    limits = np.array(X.shape[1:3])
    size = np.minimum(size, limits)
    # Half the rectangle's pixels on each side of the point; clipping keeps it inside.
    first = np.ceil(np.asarray(centers)[:, ::-1] - size / 2).astype(np.int64)
    first = np.clip(first, 0, limits - size)
    dtype = np.uint8 if X.dtype == np.uint8 else np.float32
    source = np.empty((len(index), *size, X.shape[3]), dtype)
    for row, (i, (top, left)) in enumerate(zip(index, first)):
        source[row] = X[i, top : top + size[0], left : left + size[1]]
    return source, first[:, ::-1]


def held_out_batches(data, batch_size, seed, around=None):
    """Give batches for validation: moved as in training, the same way every time, unturned.

    Patches as they come would not do: where all cells are in the middle, the localizer that
    always says so would be the best.

    Parameters
    ----------
    data : CellDataset
        The images.
    batch_size : int
        Samples in a batch; the last one may be smaller.
    seed : sequence of int
        Decides the offsets.
    around : float or None, default=None
        What the sources have to hold, see `TrainingBatches`.

    Yields
    ------
    Batch
    """
    rng, index = np.random.default_rng(seed), np.arange(len(data))
    draws = Draws.plain(data, index, 0.0, rng.uniform(-1, 1, (len(data), 2)) * data.frame.reach)
    for start in range(0, len(data), batch_size):
        yield draw_batch(data, draws.part(slice(start, start + batch_size)), around)


def patch_batches(data, batch_size):
    """Give the central patches as they are, in order.

    Parameters
    ----------
    data : CellDataset
        The images.
    batch_size : int
        Patches in a batch; the last one may be smaller.

    Yields
    ------
    Tensor of shape (n, height, width, channels)
        In the dtype of the images.
    """
    frame = data.frame
    (left, top), (height, width) = frame.origin, frame.patch
    for start in range(0, len(data), batch_size):
        rows = data.rows[start : start + batch_size]
        patches = data.X[rows, top : top + height, left : left + width]
        dtype = np.uint8 if patches.dtype == np.uint8 else np.float32
        yield torch.from_numpy(np.array(patches, dtype=dtype, order="C"))
