"""A data set of noise, and batches that are drawn of it as one says."""

import numpy as np

from stnclf.networks import sample
from stnclf.sampling import (
    CellDataset,
    Draws,
    Frame,
    draw_batch,
)


def make_data(n=12, image=(60, 80), patch=(32, 48), cell=(16, 24), dtype=np.uint8, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 255, (n, *image, 3)).astype(dtype)
    if dtype != np.uint8:
        X = X / dtype(255)
    middle = np.array([(image[1] - 1) / 2, (image[0] - 1) / 2])
    centers = np.round(middle + rng.uniform(-8, 8, (n, 2)))
    y = np.arange(n) % 3
    weight = np.ones(n, np.float32)
    return CellDataset(X, np.arange(n), y, centers, weight, Frame(image, patch, cell))


def drawn(data, index, angles=0.0, offsets=(0.0, 0.0), around=None):
    return draw_batch(data, Draws.plain(data, index, angles, offsets), around)


def patches_of(batch, size):
    """Pixels of the patches that a batch describes."""
    return sample(batch.images(), batch.patch_theta, size)
