"""The estimators inside scikit-learn's tools: validation, search, pipelines, ensembles."""

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from stnclf import CiresanBaseline, Ensemble, STNCellClassifier
from tests.conftest import QUICK
from tests.test_base import state

GROUPS = np.arange(40) // 4


@pytest.fixture
def spy(monkeypatch):
    """Record the centres that reach training, with the images they came with."""
    seen = []
    original = STNCellClassifier._fit

    def fit(self, X, y, centers, *rest):
        seen.append((X.copy(), centers))
        return original(self, X, y, centers, *rest)

    monkeypatch.setattr(STNCellClassifier, "_fit", fit)
    return seen


def assert_sliced_together(seen, X, centers):
    """Every image that was trained on came with its own centre."""
    known = {image.tobytes(): tuple(center) for image, center in zip(X, centers)}
    assert seen
    for images, given in seen:
        assert len(images) < len(X)
        assert [known[image.tobytes()] for image in images] == [tuple(c) for c in given]


def test_cross_val_score_slices_centers_and_keeps_groups_apart(quick_stn, blobs, spy):
    X, y, centers = blobs
    scores = cross_val_score(
        quick_stn, X, y, groups=GROUPS, cv=GroupKFold(5), params={"centers": centers}
    )
    assert scores.shape == (5,)
    assert np.isfinite(scores).all()
    assert_sliced_together(spy, X, centers)


def test_one_and_two_jobs_give_the_same_weights(blobs):
    X, y, centers = blobs
    for estimator in (STNCellClassifier(**QUICK), CiresanBaseline(epochs=1, random_state=0)):
        results = [
            cross_validate(
                estimator,
                X,
                y,
                cv=2,
                params={"centers": centers},
                return_estimator=True,
                n_jobs=n_jobs,
                error_score="raise",
            )["estimator"]
            for n_jobs in (1, 2)
        ]
        for one, two in zip(*results):
            assert torch.equal(state(one), state(two))


def test_grid_search_over_localizer_and_kappa_with_two_jobs(quick_stn, blobs):
    X, y, centers = blobs
    grid = {"localizer": ["heatmap", "dense"], "kappa": [0.5, 2.0]}
    search = GridSearchCV(quick_stn, grid, cv=2, n_jobs=2, error_score="raise")
    search.fit(X, y, centers=centers)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_.predict(X[:3]).shape == (3,)


def test_pipeline_without_routing(quick_stn, blobs, spy):
    X, y, centers = blobs
    pipe = Pipeline([("flip", FunctionTransformer(np.fliplr)), ("stn", quick_stn)])
    pipe.fit(X[:30], y[:30], stn__centers=centers[:30])
    assert np.array_equal(spy[0][1], centers[:30])
    assert pipe.predict(X).shape == (40,)
    assert pipe[-1:].transform(X).shape == (40, 2)


def test_pipeline_with_metadata_routing(quick_stn, blobs, spy):
    X, y, centers = blobs
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = make_pipeline(
            FunctionTransformer(), quick_stn.set_fit_request(centers=True, sample_weight=False)
        )
        scores = cross_val_score(
            pipe,
            X,
            y,
            cv=GroupKFold(2),
            params={"centers": centers, "groups": GROUPS},
            error_score="raise",
        )
        assert scores.shape == (2,)
        assert_sliced_together(spy, X, centers)
        search = GridSearchCV(quick_stn, {"kappa": [1.0, 2.0]}, cv=2, error_score="raise")
        search.fit(X, y, centers=centers)
    assert search.best_params_["kappa"] in (1.0, 2.0)


def test_stages_and_weights_go_through_cross_validation(quick_stn, blobs):
    X, y, centers = blobs
    params = {"centers": centers, "sample_weight": np.ones(40), "stages": ("classifier",)}
    result = cross_validate(
        quick_stn, X, y, cv=2, params=params, return_estimator=True, error_score="raise"
    )
    for estimator in result["estimator"]:
        assert {row["stage"] for row in estimator.history_} == {"classifier"}


def test_a_fold_smaller_than_a_batch(blobs):
    X, y, centers = blobs
    for kind in (STNCellClassifier(**QUICK), CiresanBaseline(epochs=1, random_state=0)):
        kind.set_params(batch_size=500)
        scores = cross_val_score(
            kind, X[:7], y[:7], cv=2, params={"centers": centers[:7]}, error_score="raise"
        )
        assert np.isfinite(scores).all()


def test_voting_and_stacking(quick_stn, quick_baseline, blobs):
    X, y, _ = blobs
    members = [("stn", quick_stn), ("cnn", quick_baseline), ("dummy", DummyClassifier())]
    voting = VotingClassifier(members, voting="soft").fit(X, y)
    mean = np.mean([m.predict_proba(X) for m in voting.estimators_], axis=0)
    np.testing.assert_allclose(voting.predict_proba(X), mean)
    stacking = StackingClassifier(members[:2], LogisticRegression(), cv=2).fit(X, y)
    assert set(stacking.predict(X)) <= set(y)


def test_calibration(quick_baseline, blobs):
    X, y, _ = blobs
    calibrated = CalibratedClassifierCV(quick_baseline, cv=2).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(1), 1)


def test_out_of_fold_probabilities(quick_stn, blobs):
    X, y, centers = blobs
    proba = cross_val_predict(
        quick_stn, X, y, cv=2, params={"centers": centers}, method="predict_proba"
    )
    np.testing.assert_allclose(proba.sum(1), 1)


def test_set_output_pandas(quick_stn, blobs):
    X, y, centers = blobs
    quick_stn.set_output(transform="pandas").fit(X, y, centers=centers)
    table = quick_stn.transform(X)
    assert isinstance(table, pd.DataFrame)
    assert table.columns.tolist() == ["cell_x", "cell_y"]
    plain = clone(quick_stn).set_output(transform="default").fit(X, y, centers=centers)
    np.testing.assert_array_equal(table.to_numpy(), plain.transform(X))
    passed = quick_stn.fit_transform(X, y, centers=centers)
    np.testing.assert_array_equal(passed.to_numpy(), table.to_numpy())


def test_clone_and_repr():
    clf = STNCellClassifier(kappa=2.0, cell_size=(10, 20))
    copy = clone(clf)
    assert copy.get_params() == clf.get_params()
    assert repr(copy) == "STNCellClassifier(cell_size=(10, 20), kappa=2.0)"


def test_a_threshold_is_tuned_on_slides_that_were_left_out(quick_stn, blobs, spy):
    X, y, centers = blobs
    rare = (y == "disc").astype(int)
    with sklearn.config_context(enable_metadata_routing=True):
        tuned = TunedThresholdClassifierCV(
            quick_stn.set_params(tta=False).set_fit_request(centers=True),
            scoring="balanced_accuracy",
            cv=GroupKFold(2),
            store_cv_results=True,
        )
        tuned.fit(X, rare, groups=GROUPS, centers=centers)
    *folds, whole = sorted(spy, key=lambda given: len(given[0]))
    assert_sliced_together(folds, X, centers)
    assert [len(images) for images, _ in folds] == [20, 20]
    assert np.array_equal(whole[1], centers)
    # Neither predict nor the model to save need centres.
    proba = tuned.predict_proba(X)[:, 1]
    assert np.array_equal(tuned.predict(X), (proba >= tuned.best_threshold_).astype(int))
    results = tuned.cv_results_
    assert tuned.best_score_ == np.max(results["scores"])
    assert type(tuned.estimator_) is STNCellClassifier


def test_held_out_predictions_choose_the_threshold_of_an_ensemble(blobs):
    X, y, centers = blobs
    rare = (y == "disc").astype(int)
    folds = cross_validate(
        CiresanBaseline(epochs=2, random_state=0),
        X,
        rare,
        groups=GROUPS,
        cv=GroupKFold(2),
        params={"centers": centers},
        return_estimator=True,
        return_indices=True,
    )
    held_out = np.empty(len(X))
    for model, test in zip(folds["estimator"], folds["indices"]["test"], strict=True):
        held_out[test] = model.predict_proba(X[test])[:, 1]
    ranked = np.unique(held_out)
    candidates = (ranked[1:] + ranked[:-1]) / 2
    score = [balanced_accuracy_score(rare, held_out > threshold) for threshold in candidates]
    assert max(score) >= balanced_accuracy_score(rare, held_out > 0.5)
    ensemble = Ensemble(folds["estimator"])
    before = ensemble.predict_proba(X)
    rule = FixedThresholdClassifier(
        ensemble, threshold=float(candidates[np.argmax(score)]), response_method="predict_proba"
    ).fit(X[:9], rare[:9])
    assert np.array_equal(rule.predict_proba(X), before)
    assert np.array_equal(rule.predict(X), (before[:, 1] >= rule.threshold).astype(int))


def test_each_domain_is_left_out_once(quick_baseline, blobs, monkeypatch):
    X, y, _ = blobs
    domain, seen = np.array(["a", "b", "c"])[np.arange(40) % 3], []
    fit = CiresanBaseline._fit
    monkeypatch.setattr(
        CiresanBaseline, "_fit", lambda self, X, *rest: seen.append(X) or fit(self, X, *rest)
    )
    cross_val_predict(quick_baseline, X, y, groups=domain, cv=LeaveOneGroupOut())
    for name, images in zip("abc", seen, strict=True):
        assert np.array_equal(images, X[domain != name])
