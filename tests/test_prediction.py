"""What the estimators predict: its shapes, types, order, and what lies around the patch."""

import threading
from typing import ClassVar

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback

from stnclf import CiresanBaseline, STNCellClassifier
from stnclf.geometry import theta_centers, window_corners
from tests.conftest import QUICK, make_blobs


def test_shapes_and_types(quick, blobs):
    X, y, centers = blobs
    clf = quick.fit(X, y, centers=centers)
    proba = clf.predict_proba(X[:7])
    assert proba.shape == (7, 2)
    np.testing.assert_allclose(proba.sum(1), 1)
    np.testing.assert_allclose(np.log(proba), clf.predict_log_proba(X[:7]))
    assert set(clf.predict(X)) <= {"cross", "disc"}
    assert clf.transform(X[:7]).shape == (7, 2)
    assert clf.transform(X[:7]).dtype == np.float32
    assert clf.localize(X[:7]).shape == (7, 2, 3)
    assert clf.attend(X[:7]).shape == (7, *clf.attend(X[:1]).shape[1:3], 3)
    assert (clf.image_shape_, clf.n_features_in_) == ((24, 36, 3), 24 * 36 * 3)
    assert (clf.patch_size_, clf.cell_size_) == ((24, 36), (12, 18))
    assert clf.get_feature_names_out().tolist() == ["cell_x", "cell_y"]
    assert 0 <= clf.score(X, y) <= 1


def test_rows_in_another_order_give_the_same_predictions(quick, blobs):
    X, y, centers = blobs
    quick.fit(X, y, centers=centers)
    order = np.random.default_rng(0).permutation(len(X))
    # Bit for bit: a prediction does not depend on what is predicted beside it.
    assert np.array_equal(quick.predict_proba(X[order]), quick.predict_proba(X)[order])
    assert np.array_equal(quick.transform(X[order]), quick.transform(X)[order])
    one = np.concatenate([quick.predict_proba(X[i : i + 1]) for i in range(5)])
    assert np.array_equal(one, quick.predict_proba(X)[:5])


@pytest.mark.parametrize(
    "how",
    [{}, {"classifier": "context"}, {"n_glimpses": 3, "tta": False}],
    ids=["symmetries", "context", "glimpses"],
)
@pytest.mark.parametrize("n_classes", [3, 5])
def test_a_prediction_does_not_depend_on_its_place(how, n_classes, blobs):
    X, _, centers = blobs
    y = np.arange(len(X)) % n_classes  # numbers of several samples would share an instruction
    clf = STNCellClassifier(**{**QUICK, **how}).fit(X, y, centers=centers)
    shifted = clf.predict_proba(X[1:])  # each is now at the other place of its pair
    assert np.array_equal(shifted, clf.predict_proba(X)[1:])


def test_unfitted(quick, blobs):
    for method in ("predict", "predict_proba", "predict_log_proba", "transform", "localize"):
        with pytest.raises(NotFittedError):
            getattr(quick, method)(blobs[0])
    with pytest.raises(NotFittedError):
        quick.get_feature_names_out()


@pytest.fixture(scope="module")
def trained():
    """An STN that has learned discs and crosses in 40 x 64 px patches of 56 x 96 px images."""
    X, y, centers = make_context(160, seed=0)
    clf = STNCellClassifier(
        patch_size=(40, 64),
        cell_size=(16, 16),
        classifier_epochs=8,
        localizer_epochs=12,
        joint_epochs=2,
        batch_size=16,
        random_state=0,
    )
    return clf.fit(X, y, centers=centers)


def make_context(n, seed):
    """Blobs in the middle part of larger images, the whole cell inside the central patch."""
    X, y, centers = make_blobs(n, height=56, width=96, seed=seed, margin=0)
    rng = np.random.default_rng(seed)
    X[:] = rng.integers(80, 110, X.shape)
    centers = np.array([47.5, 27.5]) + np.round(rng.uniform(-1, 1, (n, 2)) * (23, 11)) + 0.5
    yy, xx = np.mgrid[:56, :96]
    for image, label, (x, yc) in zip(X, y, centers):
        dx, dy = np.abs(xx - x), np.abs(yy - yc)
        disc = dx**2 + dy**2 <= 12
        cross = (np.minimum(dx, dy) == 0) & (np.maximum(dx, dy) <= 4)
        image[disc if label == "disc" else cross] = (230, 60, 90)
    return X, y, centers


def test_finds_the_cell_at_x_y_and_names_it(trained):
    X, y, centers = make_context(80, seed=1)
    found = trained.transform(X)
    error = np.linalg.norm(found - centers, axis=1)
    swapped = np.linalg.norm(found[:, ::-1] - centers, axis=1)
    guess = np.linalg.norm([47.5, 27.5] - centers, axis=1)
    assert np.median(error) < 1.5
    assert np.median(error) < np.median(guess) / 5 < np.median(swapped)
    assert trained.score(X, y) > 0.9


def test_transform_localize_and_attend_agree(trained):
    X, _, _ = make_context(10, seed=2)
    theta, found = trained.localize(X), trained.transform(X)
    # The patch of 40 x 64 px starts at (16, 8) of the image.
    np.testing.assert_allclose(theta_centers(theta, (40, 64)) + (16, 8), found, atol=1e-4)
    corners = window_corners(theta, (40, 64), (56, 96))
    np.testing.assert_allclose(corners.mean(1), found, atol=1e-4)
    np.testing.assert_allclose(np.ptp(corners, axis=1), np.full((10, 2), 16.0), atol=1e-4)
    # 16 px in 64 px: the middle of the window is the pixel at the centre.
    windows = trained.attend(X)
    assert windows.shape == (10, 64, 64, 3)
    for image, window, (x, y) in zip(X, windows, np.round(found).astype(int)):
        middle = window[28:36, 28:36].mean((0, 1))
        around = image[y - 1 : y + 2, x - 1 : x + 2].mean((0, 1)) / 255
        np.testing.assert_allclose(middle, around, atol=0.35)
        assert middle[0] > 0.48  # the red of the cell, not the grey (0.31 to 0.43) around it


def test_what_lies_around_the_patch_does_not_matter_to_prediction(trained):
    X, _, _ = make_context(6, seed=3)
    changed = X.copy()
    changed[:, :8], changed[:, :, :16], changed[:, 48:], changed[:, :, 80:] = 0, 255, 9, 70
    assert np.array_equal(trained.predict_proba(X), trained.predict_proba(changed))
    changed[:, 20, 40] = 255 - changed[:, 20, 40]
    assert not np.array_equal(trained.predict_proba(X), trained.predict_proba(changed))


def test_predicting_leaves_the_training_of_the_same_estimator_alone(quick, blobs):
    X, y, centers = blobs
    quick.fit(X, y, centers=centers)
    expected = {n: t.clone() for n, t in quick.net_.module_.state_dict().items()}
    ended, n_predicted = threading.Event(), []

    def predict():
        while not ended.is_set():
            n_predicted.append(len(quick.predict(X[:3])))

    thread = threading.Thread(target=predict)
    thread.start()
    try:
        quick.fit(X, y, centers=centers)
    finally:
        ended.set()
        thread.join()
    assert n_predicted
    assert set(n_predicted) == {3}
    for name, tensor in quick.net_.module_.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


class Watch(Callback):
    """While replicas learn, the module that others may predict with stays in evaluation mode."""

    seen: ClassVar[list] = []

    def on_batch_end(self, net, **kwargs):
        learning = [part.training for part in net.running.replicas[0].modules()]
        Watch.seen.append((any(learning), any(part.training for part in net.module_.modules())))


def test_the_module_that_predicts_is_never_in_training_mode(blobs):
    X, y, centers = blobs
    Watch.seen.clear()
    clf = CiresanBaseline(epochs=1, validation_fraction=0.2, callbacks=[Watch()], random_state=0)
    clf.fit(X, y, centers=centers)
    assert set(Watch.seen) == {(True, False)}


def test_a_module_that_somebody_has_put_in_training_mode_predicts_as_before(blobs):
    X, y, centers = blobs
    clf = STNCellClassifier(classifier_epochs=1, random_state=0)
    clf.fit(X, y, centers=centers, stages=("classifier",))
    expected = clf.predict_proba(X)
    module = clf.net_.module_.train()
    statistics = {n: t.clone() for n, t in module.named_buffers()}
    np.testing.assert_array_equal(clf.predict_proba(X), expected)
    assert module.training
    for name, tensor in module.named_buffers():
        assert torch.equal(tensor, statistics[name])
