"""The plain network."""

import numpy as np

from stnclf import CiresanBaseline, Optimizer
from tests.test_prediction import make_context


def test_learns_and_ignores_the_context():
    X, y, centers = make_context(160, seed=0)
    clf = CiresanBaseline(
        patch_size=(40, 64),
        cell_size=(16, 16),
        epochs=20,
        optimizer=Optimizer(lr=3e-3, weight_decay=0.0),
        batch_size=16,
        random_state=0,
    ).fit(X, y, centers=centers)
    X, y, _ = make_context(80, seed=1)
    assert clf.score(X, y) > 0.8
    changed = X.copy()
    changed[:, :8], changed[:, :, :16], changed[:, 48:], changed[:, :, 80:] = 0, 255, 9, 70
    assert np.array_equal(clf.predict_proba(X), clf.predict_proba(changed))
    # It looks at everything: attend gives the whole patch.
    assert clf.attend(X[:2]).shape[1:] == (*clf.net_.module_.view, 3)


def test_position_lies_in_the_patch_with_the_known_scale(blobs):
    X, y, centers = blobs
    clf = CiresanBaseline(cell_size=(6, 12), epochs=1, random_state=0).fit(X, y, centers=centers)
    theta = clf.localize(X)
    np.testing.assert_allclose(theta[:, 0, 0], 12 / 36, rtol=1e-6)
    np.testing.assert_allclose(theta[:, 1, 1], 6 / 24, rtol=1e-6)
    found = clf.transform(X)
    assert ((found >= -0.5) & (found <= (35.5, 23.5))).all()


def test_the_papers_schedule_is_the_default():
    clf = CiresanBaseline()
    plain = Optimizer(lr=1e-3, schedule="constant", weight_decay=0.0)
    assert clf.epochs == 200
    X, y = np.random.default_rng(0).integers(0, 256, (8, 9, 9, 3), dtype=np.uint8), np.arange(8) % 2
    fits = [
        CiresanBaseline(epochs=2, optimizer=optimizer, random_state=0).fit(X, y).predict_proba(X)
        for optimizer in ("default", "paper", plain)
    ]
    np.testing.assert_array_equal(fits[0], fits[1])
    np.testing.assert_array_equal(fits[0], fits[2])
