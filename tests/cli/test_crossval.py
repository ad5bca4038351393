"""Folds without a slide on both sides, kept when they are done; answers and their scores."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import StratifiedGroupKFold

from stnclf import CiresanBaseline
from stnclf._utils.progress import Progress
from stnclf.cli import crossval as _crossval
from stnclf.cli.crossval import (
    answers,
    check_classes,
    make_folds,
    mean_history,
    run_folds,
    scores_of,
)
from stnclf.cli.patch_set import PatchSet

CLASSES = np.array(["a", "b", "c"])


class Told(ClassifierMixin, BaseEstimator):
    """Names an image by its first pixel; has seen the classes that fit saw."""

    def fit(self, X, y, centers=None):
        self.classes_, self.centers_ = np.unique(y), centers
        return self

    def predict(self, X):
        return CLASSES[X[:, 0, 0, 0]]


class Sure(Told):
    """Likewise, with probabilities."""

    def predict_proba(self, X):
        told = self.classes_ == CLASSES[X[:, 0, 0, 0]][:, None]
        return told * 0.5 + 0.5 / len(self.classes_)


@pytest.fixture
def patches(monkeypatch):
    rng = np.random.default_rng(0)
    number = rng.integers(0, 3, 30)
    X = np.broadcast_to(number[:, None, None, None], (30, 4, 6, 3)).astype(np.uint8)
    groups = np.arange(30) % 6
    found = PatchSet(X, CLASSES[number], np.tile([2.0, 1.0], (30, 1)), groups)
    monkeypatch.setattr(_crossval, "load_patches", lambda path: found)
    return found


def test_no_group_is_on_both_sides(patches):
    folds = make_folds(patches.y, patches.groups, 3, 0)
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(30))
    for train, test in folds:
        assert not set(patches.groups[train]) & set(patches.groups[test])
    with pytest.raises(ValueError, match="folds: got 7, but the patches are of 6 slide"):
        make_folds(patches.y, patches.groups, 7, 0)


def test_without_groups_every_sample_is_one(patches):
    folds = make_folds(patches.y, None, 4, 0)
    most = np.unique(patches.y, return_counts=True)[1].max()
    words = (
        f"members: got 29, but no class has more than {most} samples; wants as many of one class"
    )
    with pytest.raises(ValueError, match=words):
        make_folds(patches.y, None, 29, 0, argument="members")
    # What is wrong with something else is not said of their number.
    with pytest.raises(ValueError, match=r"^y: .*continuous"):
        make_folds(np.arange(30) / 7 % 1.5, None, 2, 0)
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(30))


def test_no_fold_is_without_a_slide():
    y = np.array(list("babbbaabb"))
    groups = np.repeat(["s0", "s1", "s2", "s3"], [1, 4, 2, 2])
    balanced = StratifiedGroupKFold(4, shuffle=True, random_state=0).split
    few = pytest.warns(UserWarning, match="least populated class in y has only 3")
    with few:
        assert [] in [test.tolist() for _, test in balanced(y, y, groups)]
    with few:
        folds = make_folds(y, groups, 4, 0)
    assert sorted(groups[test[0]] for _, test in folds) == ["s0", "s1", "s2", "s3"]
    # Folds that all have slides are as they were.
    kept = StratifiedGroupKFold(3, shuffle=True, random_state=0).split(y, y, groups)
    for fold, expected in zip(make_folds(y, groups, 3, 0), kept, strict=True):
        for rows, same in zip(fold, expected, strict=True):
            np.testing.assert_array_equal(rows, same)


def test_a_fold_that_leaves_one_class_is_named_before_training():
    y, groups = np.array(list("aaaabbbbbbbb")), np.repeat(["p", "q", "r"], 4)
    with pytest.raises(
        ValueError, match=r"^folds: got 3, but fold [123] of them leaves one class to train on, 'b'"
    ):
        make_folds(y, groups, 3, 0)
    with pytest.raises(ValueError, match=r"^y: got 1 class, \['a'\]; wants two or more"):
        make_folds(y[:4], np.array(list("pqrs")), 2, 0)
    check_classes(y, [groups != "q", groups != "r"], "folds")
    parts = [groups != "q", groups == "r"]
    with pytest.raises(ValueError, match=r"members: got 2, but fold 2 of them leaves .* 'b'"):
        check_classes(y, parts, "members")


def test_scores_of_all_folds_are_pooled_in_the_order_of_the_patches(patches):
    folds = make_folds(patches.y, patches.groups, 3, 0)
    progress = Progress(None, {}, False)
    run_folds("path", [Told(), Sure()], folds, CLASSES, progress, n_jobs=1, verbose=0)
    parts = [cells for _, cells in progress.in_order()]
    assert len(parts) == 6
    told, predictions = scores_of(parts[:3], patches, CLASSES)
    assert (told["n"], told["accuracy"], told["localization"]) == (30, 1.0, None)
    # Cells are at (2, 1), the middle of 6 x 4 px is (2.5, 1.5).
    assert told["center_guess"]["mean"] == pytest.approx(np.hypot(0.5, 0.5))
    assert predictions["y_pred"].tolist() == patches.y.tolist()
    assert predictions["proba"] is predictions["theta"] is predictions["centers"] is None
    assert told["fit_seconds"] >= 0
    _, sure = scores_of(parts[3:], patches, CLASSES)
    np.testing.assert_array_equal(CLASSES[sure["proba"].argmax(1)], patches.y)
    assert sure["proba"].shape == (30, 3)


def test_a_class_that_training_lacked_has_no_probability(patches):
    few = patches.y != "b"
    estimator = Sure().fit(patches.X[few], patches.y[few])
    cells = answers(estimator, patches.X[few], np.flatnonzero(few), CLASSES)
    np.testing.assert_array_equal(cells[:, -2], 0)
    assert set(cells[:, -1]) == {0.25, 0.75}
    assert cells[:, 1].tolist() == [list(CLASSES).index(label) for label in patches.y[few]]


def test_a_real_estimator_says_where(quick_stn, blobs):
    X, y, centers = blobs
    clf = quick_stn.fit(X, y, centers=centers)
    found = PatchSet(X, y, centers)
    cells = answers(clf, X, np.arange(len(X)), clf.classes_)
    scores, predictions = scores_of([cells], found, clf.classes_)
    np.testing.assert_allclose(predictions["centers"], clf.transform(X), rtol=1e-6)
    np.testing.assert_allclose(predictions["theta"], clf.localize(X), rtol=1e-6)
    np.testing.assert_allclose(predictions["proba"], clf.predict_proba(X))
    off = np.linalg.norm(clf.transform(X) - centers, axis=1)
    assert scores["localization"]["mean"] == pytest.approx(off.mean(), rel=1e-5)
    assert scores["fit_seconds"] is None


def test_folds_that_are_done_are_not_done_again(patches, tmp_path):
    folds = make_folds(patches.y, patches.groups, 3, 0)
    path = str(tmp_path / "a.json")
    whole = Progress(None, {}, False)
    run_folds("path", [Sure()], folds, CLASSES, whole, n_jobs=1, verbose=0)
    first = Progress(path, {"command": "evaluate"}, False)
    run_folds("path", [Sure()], folds[:2], CLASSES, first, n_jobs=1, verbose=0)
    first.close()

    class Once(Sure):
        count = 0

        def fit(self, X, y, centers=None):
            Once.count += 1
            return super().fit(X, y, centers)

    again = Progress(path, {"command": "evaluate"}, True)
    run_folds("path", [Once()], folds, CLASSES, again, n_jobs=1, verbose=0)
    assert Once.count == 1
    for (_, a), (_, b) in zip(again.in_order(), whole.in_order()):
        np.testing.assert_array_equal(np.delete(a, (2, 3), 1), np.delete(b, (2, 3), 1))


def test_the_mean_history_is_that_of_the_folds_that_reached_an_epoch():
    a, nothing = _crossval._history_numbers([]), np.nan
    # Index of the stage, epoch, train, valid, localization, classification.
    first = np.array(
        [
            [0, 1, 3.0, nothing, nothing, 2.0],
            [0, 2, 1.0, nothing, nothing, 0.5],
            [1, 1, 4.0, nothing, 0.75, nothing],
        ]
    )
    second = first[[0, 2]] + [0, 0, 2, 0, 0.5, 1]
    assert mean_history([first, second, a]) == [
        {"stage": "classifier", "epoch": 1, "train_loss": 4.0, "classification_loss": 2.5},
        {"stage": "classifier", "epoch": 2, "train_loss": 1.0, "classification_loss": 0.5},
        {"stage": "localizer", "epoch": 1, "train_loss": 5.0, "localization_loss": 1.0},
    ]
    assert mean_history([np.array([])]) == []  # as it comes back from JSON


def test_histories_of_folds_are_kept_with_their_answers(blobs, monkeypatch, tmp_path):
    X, y, centers = blobs
    found = PatchSet(X, y, centers)
    monkeypatch.setattr(_crossval, "load_patches", lambda path: found)
    folds = make_folds(y, None, 2, 0)
    baseline = CiresanBaseline(epochs=2, random_state=0)
    path, classes = str(tmp_path / "a.json"), np.unique(y)
    progress = Progress(path, {"command": "evaluate"}, False)
    run_folds("path", [DummyClassifier(), baseline], folds, classes, progress, n_jobs=1, verbose=0)
    progress.close()
    again = Progress(path, {"command": "evaluate"}, True)
    assert sorted(again.cells) == [0, 1, 2, 3, 6, 7]  # the first has no history
    losses = [
        [row["train_loss"] for row in clone(baseline).fit(X[a], y[a], centers=centers[a]).history_]
        for a, _ in folds
    ]
    rows = mean_history([again.cells[6], again.cells[7]])
    np.testing.assert_allclose([row["train_loss"] for row in rows], np.mean(losses, axis=0))
    assert [row["epoch"] for row in rows] == [1, 2]
