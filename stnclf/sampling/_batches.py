"""`TrainingBatches`: which samples an epoch shows, in batches."""

from __future__ import annotations

import math

import numpy as np
import torch
from sklearn.base import clone

from ._augmentation import Draws, draw_batch, draw_positions

__all__ = [
    "TrainingBatches",
    "balanced_index",
    "channel_statistics",
    "held_out_batches",
    "patch_batches",
]


def channel_statistics(X, rows, most=256):
    """Measure mean and standard deviation of each channel over some evenly spaced images.

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
        A channel that is constant has the standard deviation 1, or its size if that is more.
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
    augment : Augmentation
        How images are changed. In an image of one row, whose order has a meaning, nothing is
        rotated, mirrored or scaled.
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
        augment,
        epoch=0,
    ):
        self.data, self.seed, self.batch_size, self.around = data, list(seed), batch_size, around
        if data.frame.image[0] == 1:
            # A row of pixels has no turning, and its order means something.
            augment = clone(augment).set_params(rotate=False, flip=False, scale=0.0)
        self.augment = augment
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
        return math.ceil((2 if self.augment.rotate == "copy" else 1) * n / self.batch_size)

    def plan(self, epoch):
        """Return the `Draws` of an epoch."""
        rng, augment = np.random.default_rng([*self.seed, epoch]), self.augment
        if self.fixed is not None:
            index = self.fixed
        elif self.balance:
            index = balanced_index(self.data.y, rng)
        else:
            index = np.arange(len(self.data))
        angles = rng.uniform(0, 2 * np.pi, len(index))
        if augment.rotate == "copy":
            index, angles = np.tile(index, 2), np.concatenate([np.zeros(len(index)), angles])
        elif not augment.rotate:
            angles = np.zeros(len(index))
        offsets = rng.uniform(-1, 1, (len(index), 2)) * self.data.frame.reach
        draws = Draws.plain(self.data, index, angles, offsets).part(rng.permutation(len(index)))
        if augment.flip:
            draws.flips[rng.random(len(index)) < 0.5] = -1
        if augment.center:
            cell = self.data.frame.cell[::-1]
            draws.jitter[:] = augment.center * rng.uniform(-1, 1, draws.jitter.shape) * cell
        if augment.color:
            draws.color[:] += augment.color * rng.uniform(-1, 1, draws.color.shape)
            draws.color[:, 1] *= 2
        if augment.scale:
            powers = rng.uniform(-1, 1, len(index))
            draws.zooms[:] = (1 + augment.scale) ** powers
        if augment.stain:
            change = augment.stain * rng.uniform(-1, 1, draws.color.shape)
            draws = draws._replace(color=np.concatenate([draws.color, [[1], [0]] + change], axis=1))
        return draws

    def positions(self):
        """Draw the next epoch with `draw_positions`, all batches in one."""
        self.epoch += 1
        return draw_positions(self.data, self.plan(self.epoch - 1))

    def __iter__(self):
        draws = self.plan(self.epoch)
        self.epoch += 1
        for start in range(0, len(draws.index), self.batch_size):
            part = draws.part(slice(start, start + self.batch_size))
            yield draw_batch(self.data, part, self.around)


def held_out_batches(data, batch_size, seed, around=None):
    """Return batches for validation: moved as in training, the same way every time, unturned.

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
    """Return the central patches as they are, in order.

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
