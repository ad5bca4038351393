"""A slide, a few images and an estimator that the tests of the displays share."""

import numpy as np
import pytest

from stnclf import STNCellClassifier
from stnclf.slides import Slide


@pytest.fixture(autouse=True)
def _close_figures():
    matplotlib = pytest.importorskip("matplotlib", reason="displays need the extra [plot]")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.close("all")  # other tests of the same process may have left some
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def slide():
    return Slide(np.full((600, 800, 3), 230, np.uint8), mpp=2.0)


@pytest.fixture(scope="module")
def few(blobs):
    return [part[:12] for part in blobs]


@pytest.fixture(scope="module")
def fitted(few):
    stn = STNCellClassifier(
        classifier_epochs=1, localizer_epochs=1, joint_epochs=1, patch_size=(20, 30), random_state=0
    )
    X, y, centers = few
    return stn.fit(X, y, centers=centers)
