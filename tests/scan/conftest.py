"""Estimators with random weights that the tests of the finders share."""

import numpy as np
import pytest
import torch

from stnclf import CiresanBaseline, STNCellClassifier

# The heatmap localizer sees the patch of 24 x 32 px as 48 x 64: half a pixel for each of its own.
SIZES = {"patch_size": (24, 32), "cell_size": (12, 16)}
UNTRAINED = {"classifier_epochs": 0, "localizer_epochs": 0, "joint_epochs": 0, "random_state": 0}


def fitted(estimator, blobs):
    X, y, centers = blobs
    estimator = estimator.fit(X, y, centers=centers)
    with torch.no_grad():  # scores that differ
        for p in estimator.net_.module_.parameters():
            p.add_(0.02 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    return estimator, estimator.net_.module_.eval()


@pytest.fixture(scope="module")
def baseline():
    """A network that takes its patches of 72 x 96 px as they are."""
    X = np.random.default_rng(1).integers(0, 256, (4, 72, 96, 3), dtype=np.uint8)
    estimator = CiresanBaseline(epochs=0, cell_size=(40, 72), random_state=0)
    return fitted(estimator, (X, np.array([0, 1, 0, 1]), None))


@pytest.fixture(scope="module")
def heat(blobs):
    return fitted(STNCellClassifier(**UNTRAINED, **SIZES), blobs)
