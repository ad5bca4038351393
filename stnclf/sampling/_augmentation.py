"""`Augmentation`, what an epoch draws from it, and the batches that are made of the draws."""

from __future__ import annotations

import math
from numbers import Real
from typing import NamedTuple

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from .._utils.errors import argument_error
from ..geometry import cell_theta, view_theta
from ._batch import Batch

__all__ = ["Augmentation", "Draws", "cut", "draw_batch", "draw_positions"]

_SHARE = [Interval(Real, 0, 1, closed="left")]


class Augmentation(BaseEstimator):
    """Random changes of the images in training, drawn anew in each epoch.

    A patch is moved by a random offset in any case, as far as the whole cell stays inside. The
    parameters are scikit-learn's: ``get_params``, ``set_params`` and `sklearn.base.clone` work,
    and as the parameter ``augment`` of an estimator they are reached as ``augment__flip``.

    Parameters
    ----------
    rotate : bool or "copy", default=True
        Rotate patches by arbitrary angles. "copy" shows each image as it is and again rotated,
        as the paper does, which doubles an epoch.
    flip : bool, default=True
        Mirror every other patch.
    scale : float, default=0.0
        Magnify each patch about its cell by a factor between ``1 / (1 + scale)`` and
        ``1 + scale``, uniform in its logarithm. At least 0 and less than 1.
    color : float, default=0.1
        Multiply each channel by a factor at most this far from 1, and shift it by at most twice
        as many standard deviations. At least 0 and less than 1.
    center : float, default=0.03
        Largest distance along x and y, in cell sizes, between a window that is shown at the true
        centre and the cell. `stnclf.CiresanBaseline` has no window; it has no effect there.
    stain : float, default=0.0
        Change the amounts of haematoxylin, eosin and what is neither [1]_ [2]_: each is multiplied
        by a factor at most this far from 1, and changed by at most as much optical density. At
        least 0 and less than 1; for images of red, green and blue, of 8 or 16 bits or 0 to 1.

    References
    ----------
    .. [1] A. C. Ruifrok, D. A. Johnston, "Quantification of histochemical staining by color
       deconvolution", Anal. Quant. Cytol. Histol. 23(4), 2001.
    .. [2] D. Tellez et al., "Whole-Slide Mitosis Detection in H&E Breast Histology Using PHH3 as
       a Reference to Train Distilled Stain-Invariant Convolutional Networks", IEEE TMI 37(9), 2018.

    Examples
    --------
    >>> from stnclf.sampling import Augmentation
    >>> Augmentation(flip=False).get_params()
    {'center': 0.03, 'color': 0.1, 'flip': False, 'rotate': True, 'scale': 0.0, 'stain': 0.0}
    """

    _parameter_constraints: dict = {
        "rotate": ["boolean", StrOptions({"copy"})],
        "flip": ["boolean"],
        "scale": _SHARE,
        "color": _SHARE,
        "center": _SHARE,
        "stain": _SHARE,
    }

    def __init__(
        self,
        *,
        rotate: bool | str = True,
        flip: bool = True,
        scale: float = 0.0,
        color: float = 0.1,
        center: float = 0.03,
        stain: float = 0.0,
    ) -> None:
        self.rotate = rotate
        self.flip = flip
        self.scale = scale
        self.color = color
        self.center = center
        self.stain = stain

    @classmethod
    def only(cls, rotate: bool | str = False) -> Augmentation:
        """Make an augmentation that rotates, or not, and changes nothing else.

        Parameters
        ----------
        rotate : bool or "copy", default=False
            As for the class.

        Returns
        -------
        Augmentation
        """
        return cls(rotate=rotate, flip=False, scale=0.0, color=0.0, center=0.0, stain=0.0)

    def check(self) -> None:
        """Check the parameters.

        Raises
        ------
        ValueError
            If one of them is not of the kind described; the message names it.
        """
        try:
            self._validate_params()
        except ValueError as error:
            raise argument_error("augment", str(error)) from error


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
    zooms : ndarray of shape (n,)
        How many times as large as in the image things are in the patch.
    jitter : ndarray of shape (n, 2)
        By how many pixels of the patch the true window misses the cell where a stage shows it.
    color : ndarray of shape (n, 2, channels) or (n, 4, 3)
        Factor of each channel, and shift in standard deviations of the training images; with two
        rows more where stains change, as for `Batch`.
    """

    index: np.ndarray  # type: ignore[assignment]  # hides tuple.index
    angles: np.ndarray
    offsets: np.ndarray
    flips: np.ndarray
    zooms: np.ndarray
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
            np.ones(n),
            np.zeros((n, 2)),
            np.tile([[1.0], [0.0]], (n, 1, n_channels)),
        )

    def part(self, rows):
        """Select some of the samples."""
        return Draws(*(values[rows] for values in self))


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
    widest = 1 / draws.zooms.min(initial=1)
    size = tuple(math.ceil(widest * (e if side is None else side)) + 2 for e in extent)
    source, corners = cut(data.X, data.rows[draws.index], focus, size)
    return _batch(data, draws, source, middles, corners, source.shape[1:3])


def draw_positions(data, draws):
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
        ``source`` is the samples' numbers, int64 of shape (n,), and ``patch_theta`` leads from
        patch coordinates to those of the whole images.
    """
    return _batch(data, draws, draws.index, _middles(data, draws), 0, data.frame.image)


def _middles(data, draws):
    """Middles ``(x, y)`` of the patches in their images."""
    cos, sin = np.cos(draws.angles), np.sin(draws.angles)
    x, y = draws.flips * draws.offsets[:, 0], draws.offsets[:, 1]  # before it is mirrored
    offsets = np.stack([cos * x - sin * y, sin * x + cos * y], 1) / draws.zooms[:, None]
    return data.centers[draws.index] - offsets


def _batch(data, draws, source, middles, corners, source_size):
    """Make a batch of patches by their middles in the images, and by the sources' corners there."""
    frame = data.frame
    patch_theta = view_theta(middles - corners, frame.patch, draws.angles, source_size)
    patch_theta[:, :, :2] /= draws.zooms[:, None, None]
    patch_theta[:, :, 0] *= draws.flips[:, None]
    middle = (np.array(frame.patch[::-1]) - 1) / 2
    theta = cell_theta(middle + draws.offsets, frame.patch, frame.cell)
    shown = cell_theta(middle + draws.offsets + draws.jitter, frame.patch, frame.cell)
    return Batch(
        torch.from_numpy(source),
        *(torch.from_numpy(v.astype(np.float32)) for v in (patch_theta, theta, shown)),
        torch.from_numpy(data.y[draws.index]),
        torch.from_numpy(data.weight[draws.index]),
        torch.from_numpy(draws.color.astype(np.float32)),
        torch.from_numpy(data.is_cell[draws.index]),
        torch.from_numpy(_neighbors(data, draws, middles).astype(np.float32)),
    )


def _neighbors(data, draws, middles):
    """Bring the other annotated cells into the patches: normalised ``(u, v)``, and the class.

    The patches' middles are ``(x, y)`` in the images, as the cells are.
    """
    found = data.neighbors[draws.index]
    if not found.shape[1]:
        return found
    cos, sin = np.cos(draws.angles)[:, None], np.sin(draws.angles)[:, None]
    size = np.array(data.frame.patch[::-1])
    x, y = np.moveaxis(found[:, :, :2] - middles[:, None], 2, 0)
    offsets = np.stack([(cos * x + sin * y) * draws.flips[:, None], cos * y - sin * x], 2)
    return np.concatenate([2 * offsets * draws.zooms[:, None, None] / size, found[:, :, 2:]], 2)


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
