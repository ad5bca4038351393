"""What is passed to the networks: images with their cells, and batches drawn from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from ..geometry import patch_origin

__all__ = ["Batch", "CellDataset", "Frame", "as_float"]


@dataclass(frozen=True)
class Frame:
    """Sizes of an image, its central patch, and the cell's window.

    Parameters
    ----------
    image, patch, cell : tuple of int
        ``(height, width)`` in pixels.
    """

    image: tuple
    patch: tuple
    cell: tuple

    @property
    def origin(self):
        """Top-left pixel ``(x, y)`` of the patch in the image."""
        return patch_origin(self.image, self.patch)

    @property
    def reach(self):
        """Largest offset ``(x, y)`` at which the whole cell stays inside the patch."""
        return tuple((p - c) / 2 for p, c in zip(self.patch[::-1], self.cell[::-1]))


class CellDataset(Dataset):
    """Rows of an array of images, with labels, centres and weights.

    Parameters
    ----------
    X : ndarray of shape (n_images, height, width, channels)
        Images, uint8 or float; may be memory-mapped. Never copied as a whole.
    rows : int ndarray of shape (n,)
        The images that belong to the data set.
    y : int64 ndarray of shape (n,)
        Class indices.
    centers : float64 ndarray of shape (n, 2)
        ``(x, y)`` of the cells in pixels of the images; NaN where there is none.
    weight : float32 ndarray of shape (n,)
        Weights of the samples.
    frame : Frame
        The sizes.
    neighbors : float64 ndarray of shape (n, k, 3), default=None
        Other annotated cells: ``(x, y)`` in pixels of the images, and the index of the class, -1
        where it is not known. Rows of NaN pad them.

    Attributes
    ----------
    is_cell : bool ndarray of shape (n,)
        Where there is a cell; where `centers` had NaN, they are the middle of the image.
    """

    def __init__(self, X, rows, y, centers, weight, frame, neighbors=None):
        self.X, self.rows, self.frame = X, rows, frame
        self.is_cell = ~np.isnan(centers).any(axis=1)
        middle = (np.array(frame.image[::-1]) - 1) / 2
        centers = np.where(self.is_cell[:, None], centers, middle)
        self.y, self.centers, self.weight = y, centers, weight
        self.neighbors = np.empty((len(rows), 0, 3)) if neighbors is None else neighbors

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        """Return one sample as (image, class index)."""
        return self.X[self.rows[index]], self.y[index]

    def n_bytes(self):
        """Size of all images, in the dtype in which `cut` gives them."""
        return len(self) * self.X[0].size * (1 if self.X.dtype == np.uint8 else 4)


@dataclass
class Batch:
    """One batch on its way to the networks.

    Attributes
    ----------
    source : Tensor of shape (n, height, width, channels)
        The part of each image that its patch touches, in the images' own dtype.
    patch_theta : float32 Tensor of shape (n, 2, 3)
        Patch coordinates to source coordinates, both normalised.
    theta : float32 Tensor of shape (n, 2, 3)
        True transforms: window coordinates to patch coordinates (equation 1).
    shown : float32 Tensor of shape (n, 2, 3)
        The same for the window that a stage shows in place of the localizer's.
    y : int64 Tensor of shape (n,)
        Class indices.
    weight : float32 Tensor of shape (n,)
        Weights of the samples.
    color : float32 Tensor of shape (n, 2, channels) or (n, 4, 3)
        Factor of each channel, and shift in standard deviations, when networks see the images. Two
        rows more: factor of each stain, and what is added to it.
    is_cell : bool Tensor of shape (n,)
        Whether there is a cell; where there is none, the transforms lead to some place.
    neighbors : float32 Tensor of shape (n, k, 3)
        Other annotated cells: normalised ``(u, v)`` in the patch, and the index of the class, -1
        where it is not known; NaN where there are fewer.
    """

    source: torch.Tensor
    patch_theta: torch.Tensor
    theta: torch.Tensor
    shown: torch.Tensor
    y: torch.Tensor
    weight: torch.Tensor
    color: torch.Tensor
    is_cell: torch.Tensor
    neighbors: torch.Tensor

    def __len__(self):
        return len(self.y)

    def split(self, size):
        """Cut the batch into micro-batches of at most ``size`` samples, as even as possible.

        Their batch statistics are averaged, and a part of one sample would weigh too much.
        """
        n_parts = math.ceil(len(self) / size)
        parts = [t.tensor_split(n_parts) for t in vars(self).values()]
        return [Batch(*columns) for columns in zip(*parts)]

    def part(self, rows):
        """Return some of the samples, chosen by a slice."""
        return Batch(*(t[rows] for t in vars(self).values()))

    def to(self, device):
        """Copy the batch to a device."""
        return Batch(*(t.to(device, non_blocking=True) for t in vars(self).values()))

    def images(self):
        """Return sources as float32 (n, channels, height, width); uint8 is divided by 255."""
        return as_float(self.source)


def as_float(images):
    """Turn images into what networks take.

    Parameters
    ----------
    images : Tensor of shape (n, height, width, channels)
        uint8 or floating point.

    Returns
    -------
    float32 Tensor of shape (n, channels, height, width)
        uint8 is divided by 255.
    """
    floats = images.permute(0, 3, 1, 2)
    floats = floats.to(torch.float32, memory_format=torch.contiguous_format)
    return floats.div_(255.0) if images.dtype == torch.uint8 else floats
