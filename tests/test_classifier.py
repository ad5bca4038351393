"""The STN: stages, warm start, the paper's configuration."""

import inspect

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from stnclf import PAPER, Augmentation, Ensemble, Optimizer, STNCellClassifier, load, save
from stnclf.networks import (
    CLASSIFIERS,
    DenseLocalizer,
    FixedLocalizer,
    HeatmapLocalizer,
    InceptionClassifier,
    MapClassifier,
)
from stnclf.scan._scan import model_digest
from tests.conftest import QUICK, make_blobs
from tests.test_base import state
from tests.test_prediction import make_context


def test_stages_one_by_one_equal_all_at_once(blobs):
    X, y, centers = blobs
    parameters = {"classifier_epochs": 2, "localizer_epochs": 2, "joint_epochs": 1}
    whole = STNCellClassifier(**parameters, random_state=0).fit(X, y, centers=centers)
    parts = STNCellClassifier(**parameters, random_state=0, warm_start=True)
    for stage in ("classifier", "localizer", "joint"):
        parts.fit(X, y, centers=centers, stages=(stage,))
    assert torch.equal(state(whole), state(parts))
    names = [row["stage"] for row in parts.history_]
    assert names == ["classifier"] * 2 + ["localizer"] * 2 + ["joint"]


def test_one_stage_moves_its_network_only(blobs):
    X, y, centers = blobs
    clf = STNCellClassifier(**{**QUICK, "warm_start": True, "classifier": "context"})
    clf.fit(X, y, centers=centers, stages=("classifier",))
    before = {n: p.clone() for n, p in clf.net_.module_.named_parameters()}
    clf.fit(X, y, centers=centers, stages=("localizer",))
    moved = {n for n, p in clf.net_.module_.named_parameters() if not torch.equal(p, before[n])}
    assert {n.split(".")[0] for n in moved} == {"localizer"}
    # The same stage again goes on with epochs that were not drawn before.
    clf.fit(X, y, centers=centers, stages=("localizer",))
    assert [row["epoch"] for row in clf.history_ if row["stage"] == "localizer"] == [1, 2]


def test_without_warm_start_everything_begins_anew(quick_stn, blobs):
    X, y, centers = blobs
    first = state(clone(quick_stn).fit(X, y, centers=centers))
    again = quick_stn.fit(X, y, centers=centers).fit(X, y, centers=centers)
    assert torch.equal(first, state(again))
    assert len(again.history_) == 3


def test_zero_epochs_skip_a_stage(blobs):
    X, y, centers = blobs
    clf = STNCellClassifier(**{**QUICK, "localizer_epochs": 0, "joint_epochs": 0})
    clf.fit(X, y, centers=centers)
    assert {row["stage"] for row in clf.history_} == {"classifier"}


def test_kappa_changes_the_joint_stage(blobs):
    X, y, centers = blobs
    a, b = (
        STNCellClassifier(kappa=kappa, **QUICK).fit(X, y, centers=centers) for kappa in (0.1, 10.0)
    )
    assert not torch.equal(state(a), state(b))


def test_paper_is_the_paper():
    clf = STNCellClassifier(**PAPER)
    epochs = (clf.classifier_epochs, clf.localizer_epochs, clf.joint_epochs)
    assert epochs == (50, 200, 100)
    optimizer = {"lr": (1e-3, 1e-4, 1e-4), "schedule": "constant", "weight_decay": 0.0}
    assert clf._named("optimizer").get_params() == optimizer
    changes = {"rotate": "copy", "flip": False, "scale": 0.0, "color": 0.0, "center": 0.0}
    assert clf._named("augment").get_params() == {**changes, "stain": 0.0}
    assert clf.balance == "fixed"
    X, y, centers = make_blobs(12, height=128, width=128)
    none = {"classifier_epochs": 0, "localizer_epochs": 0, "joint_epochs": 0}
    module = clf.set_params(**none).fit(X, y, centers=centers).net_.module_
    assert isinstance(module.localizer, DenseLocalizer)
    assert isinstance(module.classifier, InceptionClassifier)
    assert (module.localizer.view, module.classifier.view) == ((128, 128), (32, 32))
    # Untrained, it looks at the middle at the known scale.
    np.testing.assert_allclose(clf.transform(X), np.full((12, 2), 63.5))


def test_paper_runs_through_its_stages(blobs):
    X, y, centers = blobs
    clf = STNCellClassifier(**{**PAPER, **QUICK}).fit(X, y, centers=centers)
    assert [row["stage"] for row in clf.history_] == ["classifier", "localizer", "joint"]
    assert [row["lr"] for row in clf.history_] == [1e-3, 1e-4, 1e-4]


def test_dense_localizer_learns_where_the_cells_are():
    X, y, centers = make_context(160, seed=4)
    clf = STNCellClassifier(
        patch_size=(40, 64),
        cell_size=(16, 16),
        localizer="dense",
        localizer_epochs=14,
        optimizer=Optimizer(lr=2e-3),
        batch_size=16,
        random_state=0,
    ).fit(X, y, centers=centers, stages=("localizer",))
    losses = [row["localization_loss"] for row in clf.history_]
    assert losses[-1] < losses[0] / 3
    X, _, centers = make_context(60, seed=5)
    error = np.linalg.norm(clf.transform(X) - centers, axis=1)
    guess = np.linalg.norm([47.5, 27.5] - centers, axis=1)
    assert np.median(error) < np.median(guess) / 2


def test_rows_of_pixels_have_no_localizer_to_train():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 10)), np.arange(30) % 2
    clf = STNCellClassifier(**QUICK).fit(X, y)
    assert clf.image_shape_ == (1, 10, 1)
    assert isinstance(clf.net_.module_.localizer, FixedLocalizer)
    np.testing.assert_allclose(clf.transform(X), np.tile([4.5, 0.0], (30, 1)))
    assert {row["stage"] for row in clf.history_} == {"classifier", "joint"}


def test_heatmap_is_the_default(quick_stn, blobs):
    X, y, centers = blobs
    assert isinstance(quick_stn.fit(X, y, centers=centers).net_.module_.localizer, HeatmapLocalizer)


def test_the_constructor_has_few_parameters():
    assert len(inspect.signature(STNCellClassifier).parameters) <= 28


@pytest.mark.parametrize(
    ("changes", "named"),
    [({}, "shared"), ({"localizer": "dense"}, "context"), ({"cell_size": (24, 36)}, "context")],
)
def test_auto_is_the_classifier_that_the_localizer_allows(blobs, changes, named):
    X, y, centers = blobs
    auto = STNCellClassifier(**QUICK, **changes).fit(X, y, centers=centers)
    same = STNCellClassifier(**QUICK, **changes, classifier=named).fit(X, y, centers=centers)
    assert isinstance(auto.net_.module_.classifier, CLASSIFIERS.get(named, MapClassifier))
    assert torch.equal(state(auto), state(same))
    assert auto.classifier == "auto"


def test_a_search_over_parts_of_the_augmentation(blobs):
    X, y, centers = blobs
    clf = STNCellClassifier(**QUICK, augment=Augmentation(), optimizer=Optimizer())
    grid = {"augment__flip": [True, False], "optimizer__lr": [1e-3, (2e-3, 1e-3, 1e-4)]}
    search = GridSearchCV(clf, grid, cv=2, error_score="raise").fit(X, y, centers=centers)
    assert len(search.cv_results_["params"]) == 4
    best = search.best_estimator_
    assert best.augment.flip == search.best_params_["augment__flip"]
    assert best.optimizer.lr == search.best_params_["optimizer__lr"]
    assert (clf.augment.flip, clf.optimizer.lr) == (True, None)  # clones were changed
    with pytest.raises(ValueError, match="augment__flip: got augment='default', wants an object"):
        STNCellClassifier().set_params(augment__flip=False)
    changed = STNCellClassifier().set_params(augment=Augmentation(), augment__flip=False)
    assert changed.augment.flip is False
    assert "augment__flip" in changed.get_params()
    assert repr(clone(changed)) == "STNCellClassifier(augment=Augmentation(flip=False))"


def test_names_stand_for_objects(blobs):
    X, y, centers = blobs
    settings = {**QUICK, "localizer_epochs": 0, "joint_epochs": 0}
    plain = Augmentation(rotate=False, flip=False, scale=0.0, color=0.0, center=0.0)
    for name, made in [("default", Augmentation()), (None, plain)]:
        one = STNCellClassifier(**settings, augment=name).fit(X, y, centers=centers)
        other = STNCellClassifier(**settings, augment=made).fit(X, y, centers=centers)
        assert torch.equal(state(one), state(other))
    none = STNCellClassifier(**settings, augment=None).fit(X, y, centers=centers)
    default = STNCellClassifier(**settings).fit(X, y, centers=centers)
    assert not torch.equal(state(none), state(default))


@pytest.mark.parametrize("change", [{"n_glimpses": 0}, {"n_glimpses": "3"}, {"tta": "no"}], ids=str)
def test_parameters_of_prediction_are_checked_again(blobs, change):
    X, y, centers = blobs
    clf = STNCellClassifier(**QUICK).fit(X, y, centers=centers).set_params(**change)
    ((name, value),) = change.items()
    with pytest.raises(ValueError, match=f"'{name}' parameter .* Got {value!r}"):
        clf.predict(X[:2])


def test_glimpses_need_peaks_after_fit_too(blobs):
    X, y, centers = blobs
    clf = STNCellClassifier(localizer="dense", **QUICK).fit(X, y, centers=centers)
    with pytest.raises(ValueError, match="n_glimpses: got 3, but the fitted localizer has no heat"):
        clf.set_params(n_glimpses=3).predict(X[:2])


@pytest.mark.parametrize("change", [{"tta": False}, {"n_glimpses": 3}], ids=str)
def test_parameters_of_prediction_hold_at_once_and_in_a_file(blobs, tmp_path, change):
    X, y, centers = blobs
    clf = STNCellClassifier(**QUICK).fit(X, y, centers=centers)
    before, identity = clf.predict_proba(X[:9]), model_digest(clf)
    clf.set_params(**change)
    found = clf.predict_proba(X[:9])
    assert np.abs(found - before).max() > 1e-6
    assert model_digest(clf) != identity
    save(clf, tmp_path / "m.safetensors")
    np.testing.assert_array_equal(load(tmp_path / "m.safetensors").predict_proba(X[:9]), found)
    if "tta" in change:  # takes no part in training
        fitted = STNCellClassifier(**QUICK | change).fit(X, y, centers=centers)
        np.testing.assert_array_equal(fitted.predict_proba(X[:9]), found)
        np.testing.assert_allclose(Ensemble([clf, fitted]).predict_proba(X[:9]), found, atol=1e-6)
