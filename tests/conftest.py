"""Small data and small estimators that the tests share."""

from __future__ import annotations

import os
from pathlib import Path

# scikit-learn skips its array API check unless this stands before SciPy is first imported.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import numpy as np
import pytest

from stnclf import CiresanBaseline, STNCellClassifier

QUICK = {"classifier_epochs": 1, "localizer_epochs": 1, "joint_epochs": 1, "random_state": 0}


def make_blobs(n, height=24, width=36, seed=0, margin=6):
    """Bright discs (class "disc") and crosses (class "cross") at known places on grey noise.

    Not square on purpose: whoever mixes up x and y fails.
    """
    rng = np.random.default_rng(seed)
    X = rng.integers(80, 110, (n, height, width, 3), dtype=np.uint8)
    y = np.where(np.arange(n) % 2, "disc", "cross")
    centers = np.stack(
        [rng.integers(margin, width - margin, n), rng.integers(margin, height - margin, n)], 1
    ).astype(float)
    yy, xx = np.mgrid[:height, :width]
    for image, label, (x, yc) in zip(X, y, centers):
        dx, dy = np.abs(xx - x), np.abs(yy - yc)
        disc = dx**2 + dy**2 <= 12
        cross = (np.minimum(dx, dy) == 0) & (np.maximum(dx, dy) <= 4)
        image[disc if label == "disc" else cross] = (230, 60, 90)
    return X, y, centers


@pytest.fixture(scope="session")
def shared_data():
    """Give the path of real data beside the repository, or skip the test where they are not."""

    def find(name):
        path = Path(__file__).resolve().parents[1] / "../shared/data" / name
        if not path.exists():
            pytest.skip(f"the real data shared/data/{name} are not beside the repository")
        return path

    return find


@pytest.fixture(scope="session")
def blobs():
    """Forty images of 24 x 36 px: X, y, centers."""
    return make_blobs(40)


@pytest.fixture
def quick_stn():
    """An STN that trains one epoch a stage."""
    return STNCellClassifier(**QUICK)


@pytest.fixture
def quick_baseline():
    """A baseline that trains one epoch."""
    return CiresanBaseline(epochs=1, random_state=0)


@pytest.fixture(params=["stn", "dense", "baseline"])
def quick(request):
    """Each kind of estimator, quick to train."""
    return {
        "stn": STNCellClassifier(**QUICK),
        "dense": STNCellClassifier(localizer="dense", **QUICK),
        "baseline": CiresanBaseline(epochs=1, random_state=0),
    }[request.param]
