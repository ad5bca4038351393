"""An ensemble is the mean of its members, whatever is done with it."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, cross_validate
from sklearn.utils.validation import check_is_fitted

import stnclf
from stnclf import CiresanBaseline, Ensemble, STNCellClassifier
from stnclf._base import BaseCellClassifier
from stnclf.ensemble import class_columns, members_of
from stnclf.onnx import to_onnx
from stnclf.scan import scan
from stnclf.scan._scan import _check_labels
from tests.conftest import QUICK


@pytest.fixture(scope="module")
def members(blobs):
    """Three of each kind, of other thirds of the images."""
    X, y, centers = blobs
    kinds = {
        "stn": STNCellClassifier(tta=False, **QUICK),
        "dense": STNCellClassifier(localizer="dense", tta=False, **QUICK),
        "baseline": CiresanBaseline(epochs=1, random_state=0),
    }
    return {
        name: [clone(kind).fit(X[i::3], y[i::3], centers=centers[i::3]) for i in range(3)]
        for name, kind in kinds.items()
    }


@pytest.fixture(params=["stn", "dense", "baseline", "mixed"])
def group(request, members):
    if request.param == "mixed":
        return [members["stn"][0], members["baseline"][1], members["dense"][2]]
    return members[request.param]


def test_probabilities_are_the_mean(group, blobs):
    X, y = (array[:12] for array in blobs[:2])
    ensemble = Ensemble(group)
    each = np.stack([member.predict_proba(X) for member in group])
    assert np.array_equal(ensemble.member_proba(X), each)
    np.testing.assert_allclose(ensemble.predict_proba(X), each.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(ensemble.predict_log_proba(X), np.log(each.mean(0)), atol=1e-10)
    assert np.array_equal(ensemble.predict(X), group[0].classes_[each.mean(0).argmax(1)])
    assert ensemble.score(X, y) == (ensemble.predict(X) == y).mean()


def test_disagreement_is_the_standard_deviation_of_the_class_that_is_predicted(group, blobs):
    X = blobs[0][:12]
    each = np.stack([member.predict_proba(X) for member in group])
    best = each.mean(0).argmax(1)
    expected = [np.std([each[k, i, best[i]] for k in range(3)]) for i in range(len(X))]
    np.testing.assert_allclose(Ensemble(group).disagreement(X), expected, atol=1e-12)
    assert np.all(Ensemble([group[0], group[0]]).disagreement(X) == 0)
    columns = class_columns(Ensemble(group), X)
    np.testing.assert_allclose(columns[:, 2], expected, atol=1e-12)
    np.testing.assert_allclose(columns[:, :2], each.mean(0), atol=1e-12)
    assert np.array_equal(class_columns(group[0], X), group[0].predict_proba(X))


def agreed(points, radius):
    """Mean of the largest group; of several, that around the most central one."""
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    order = sorted(
        range(len(points)), key=lambda i: (-(distance[i] <= radius).sum(), distance[i].sum())
    )
    return points[distance[order[0]] <= radius].mean(axis=0)


def test_the_position_is_the_mean_of_those_that_agree(group, blobs):
    X = blobs[0][:12]
    each = np.stack([member.transform(X) for member in group], axis=1)
    expected = np.stack([agreed(points, 12 / 4) for points in each])  # the window is 12 x 18 px
    ensemble = Ensemble(group)
    np.testing.assert_allclose(ensemble.transform(X), expected, atol=1e-4)
    assert ensemble.transform(X).dtype == np.float32
    assert ensemble.localize(X).shape == (len(X), 2, 3)
    assert ensemble.attend(X).shape == group[0].attend(X).shape
    assert ensemble.get_feature_names_out().tolist() == ["cell_x", "cell_y"]


def test_one_line_makes_one_of_a_cross_validation(blobs):
    X, y, centers = blobs
    folds = cross_validate(
        CiresanBaseline(epochs=1, random_state=0),
        X,
        y,
        cv=3,
        params={"centers": centers},
        return_estimator=True,
    )
    ensemble = Ensemble(folds["estimator"])
    assert ensemble.predict_proba(X).shape == (40, 2)
    assert is_classifier(ensemble)
    assert ensemble.n_features_in_ == 24 * 36 * 3
    assert ensemble.image_shape_ == (24, 36, 3)
    assert ensemble.patch_size_ == (24, 36)


def test_it_is_prefit(members, blobs):
    X, y = (array[:12] for array in blobs[:2])
    ensemble = Ensemble(members["stn"])
    ensemble.detection_thresholds_ = {"disc": 0.7}
    cloned = clone(ensemble)
    assert cloned.estimators is ensemble.estimators
    assert cloned.detection_thresholds_ == {"disc": 0.7}
    cloned.detection_thresholds_["disc"] = 0.1
    cloned.estimators = members["stn"][:1]
    assert cloned.detection_thresholds_ == {}
    assert ensemble.estimators == members["stn"]
    assert ensemble.detection_thresholds_ == {"disc": 0.7}
    assert ensemble.get_params() == {"estimators": members["stn"]}
    before = ensemble.predict_proba(X)
    assert ensemble.fit(X[:5], y[:5]) is ensemble
    assert np.array_equal(ensemble.predict_proba(X), before)
    again = pickle.loads(pickle.dumps(ensemble))
    assert np.array_equal(again.predict_proba(X), before)
    assert repr(ensemble).startswith("Ensemble(estimators=[STNCellClassifier(")
    assert members_of(ensemble) == members["stn"]
    assert members_of(members["stn"][1]) == [members["stn"][1]]
    two = ensemble.set_params(estimators=members["stn"][:2])
    assert two.member_proba(X).shape == (2, 12, 2)


def test_thresholds_are_those_of_its_members(members):
    ensemble = Ensemble(members["stn"])
    ensemble.detection_thresholds_ = {"disc": 0.7}
    assert ensemble.set_params(**ensemble.get_params()).detection_thresholds_ == {"disc": 0.7}
    with pytest.raises(ValueError, match="Invalid parameter"):
        ensemble.set_params(members=[])
    assert ensemble.detection_thresholds_ == {"disc": 0.7}
    assert ensemble.set_params(estimators=members["stn"][:2]).detection_thresholds_ == {}
    ensemble.detection_thresholds_ = {"disc": 0.6}
    assert ensemble.detection_thresholds_ == {"disc": 0.6}


def test_a_search_over_members_leaves_the_ensemble_as_it_is(members, blobs):
    X, y, _ = (array[:12] for array in blobs)
    ensemble = Ensemble(members["stn"])
    before = ensemble.predict_proba(X)
    # scikit-learn clones what a grid holds, and members so lose what they have learned.
    grid = {"estimators": [members["stn"][:1], members["stn"][:2]]}
    with pytest.raises(ValueError, match=r"estimators\[0\] is a STNCellClassifier that is not"):
        GridSearchCV(ensemble, grid, cv=2, error_score="raise").fit(X, y)
    assert np.array_equal(ensemble.predict_proba(X), before)


def test_a_member_that_is_not_fitted_is_named(members, blobs, tmp_path):
    ensemble = Ensemble([members["stn"][0], clone(members["stn"][1])])
    words = (
        r"This Ensemble is not fitted: estimators\[1\] is a STNCellClassifier that is not; wants"
    )
    for call in (
        ensemble.predict,
        ensemble.fit,
        lambda X: stnclf.save(ensemble, tmp_path / "a.safetensors"),
        lambda X: scan(ensemble, X[0]),
    ):
        with pytest.raises(NotFittedError, match=words):
            call(blobs[0][:2])
    assert not hasattr(ensemble, "classes_")
    assert not list(tmp_path.iterdir())


def test_a_member_may_be_there_twice(members, blobs, tmp_path):
    one, two = members["stn"][:2]
    ensemble = Ensemble([one, two, one])
    stnclf.save(ensemble, tmp_path / "a.safetensors")
    found = stnclf.load(tmp_path / "a.safetensors").predict_proba(blobs[0][:6])
    assert np.array_equal(found, ensemble.predict_proba(blobs[0][:6]))


def test_a_threshold_goes_on_top(members, blobs):
    X, y, _ = blobs
    ensemble = Ensemble(members["stn"])
    disc = ensemble.predict_proba(X)[:, 1]
    middle = float(np.sort(disc)[9:11].mean())
    fixed = FixedThresholdClassifier(
        ensemble, threshold=middle, pos_label="disc", response_method="predict_proba"
    ).fit(X, y)
    assert (fixed.predict(X) == "disc").sum() == 30


def test_images_are_looked_at_once(members, blobs, monkeypatch):
    X = blobs[0][:2]
    ensemble, seen = Ensemble(members["stn"]), []
    check = stnclf._prediction.as_images
    monkeypatch.setattr(
        stnclf._prediction, "as_images", lambda *a, **k: seen.append(a[0]) or check(*a, **k)
    )
    ensemble.predict_proba(X)
    assert seen == [ensemble]


def test_the_units_of_all_members_count(blobs):
    X, y, _ = blobs
    dark, bright = np.uint16(X) * 40, np.uint16(X) * 250
    members = [CiresanBaseline(epochs=0, random_state=0).fit(part, y) for part in (dark, bright)]
    unit = Ensemble(members).pixel_unit_
    assert (unit.full, unit.low, unit.high) == (65535, dark.min(), bright.max())
    floats = CiresanBaseline(epochs=0, random_state=0).fit(X / 255, y)
    with pytest.raises(ValueError, match=r"estimators\[2\]: has pixel_unit_ pixels from 0 to 1"):
        Ensemble([*members, floats]).predict(X)


def test_numbers_of_other_ranges_are_refused_together(blobs):
    X, y, _ = blobs
    ranges = (np.float64(X), X / 127.5 - 1, X / 100 - 1)
    one, other, near = (CiresanBaseline(epochs=0, random_state=0).fit(part, y) for part in ranges)
    with pytest.raises(ValueError, match=r"estimators\[1\]: has pixel_unit_ numbers from -0\.\d+"):
        Ensemble([one, other]).predict(ranges[0])
    assert Ensemble([other, near]).predict(ranges[1]).shape == y.shape


def test_an_image_is_refused_that_one_member_would_refuse(blobs, tmp_path):
    X, y, _ = blobs
    fits = [CiresanBaseline(epochs=0, random_state=0).fit for _ in range(2)]
    pair = Ensemble([fits[0](np.uint16(X) * 257, y), fits[1](np.uint16(X) * 16, y)])  # 12 bits
    for got in (X, X / 255):
        with pytest.raises(ValueError, match=r"X: got .* but Ensemble was fitted on 16-bit pixels"):
            pair.predict(got)
    with pytest.warns(UserWarning, match="where fit has seen"):
        pair.predict(np.uint16(X) * 257)
    for write, words in (
        (lambda: to_onnx(pair, tmp_path / "m.onnx"), "dtype: got 'uint8'"),
        (lambda: scan(pair, tmp_path / "none.tif"), "slides have pixels of uint8"),
    ):
        with pytest.raises(ValueError, match=words):
            write()


def test_what_does_not_fit_together_is_refused(members, blobs):
    X, y, _ = blobs
    first = members["stn"][0]
    other = np.where(y == "disc", "ring", y)
    classes = CiresanBaseline(epochs=0).fit(X, other)
    with pytest.raises(ValueError, match=r"estimators\[1\]: has classes_ \['cross', 'ring'\], but"):
        Ensemble([first, classes]).predict(X)
    numbers = (CiresanBaseline(epochs=0).fit(X, (y == "disc").astype(kind)) for kind in (int, bool))
    words = r"estimators\[1\]: has classes_ \[False, True\], but estimators\[0\] has \[0, 1\]"
    with pytest.raises(ValueError, match=words):
        Ensemble([*numbers]).predict(X)
    small = CiresanBaseline(patch_size=20, epochs=0).fit(X, y)
    with pytest.raises(ValueError, match=r"estimators\[1\]: has patch_size_ \(20, 20\), but"):
        Ensemble([first, small]).predict(X)
    scaled = CiresanBaseline(mpp=0.5, epochs=0).fit(X, y)
    with pytest.raises(ValueError, match=r"estimators\[1\]: has mpp 0.5, but"):
        Ensemble([first, scaled]).predict(X)
    with pytest.raises(NotFittedError, match=r"estimators\[1\] is a STNCellClassifier that"):
        Ensemble([first, STNCellClassifier()]).predict(X)
    assert not hasattr(Ensemble([first, STNCellClassifier()]), "classes_")
    with pytest.raises(NotFittedError):
        check_is_fitted(Ensemble([STNCellClassifier()]))


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ([], ValueError, "estimators: got none"),
        (STNCellClassifier(), TypeError, "estimators: got STNCellClassifier, wants a sequence"),
        ("models", TypeError, "estimators: got str"),
        (iter(["models"]), TypeError, "estimators: got list_iterator, wants a sequence"),
        ([clone], TypeError, r"estimators\[0\]: got function"),
        ([Ensemble([])], TypeError, r"estimators\[0\]: got Ensemble"),
    ],
)
def test_what_is_no_member_is_refused(given, error, words, blobs):
    assert not isinstance(Ensemble([]), BaseCellClassifier)
    with pytest.raises(error, match=words):
        Ensemble(given).predict(blobs[0])


def test_a_pickle_that_knows_of_no_class_without_a_cell_has_cells_of_all(members, tmp_path):
    old = [copy.copy(member) for member in members["baseline"]]
    for member in old:
        del member.has_cell_
    assert Ensemble(old).has_cell_.tolist() == [True, True]
    assert _check_labels(None, old[0]).tolist() == [0, 1]
    stnclf.save(old[0], tmp_path / "m.safetensors")
    assert stnclf.load(tmp_path / "m.safetensors").has_cell_.tolist() == [True, True]
    old[1].has_cell_ = np.array([True, False])
    with pytest.raises(ValueError, match="has_cell_"):
        Ensemble(old).predict(np.zeros((1, 24, 36, 3), np.uint8))


def test_columns_keep_their_names(blobs):
    X, y, _ = blobs
    table = pd.DataFrame(X[:, :4, :4].reshape(len(X), -1)).rename(columns=str)
    members = [CiresanBaseline(epochs=0, random_state=i).fit(table, y) for i in range(2)]
    ensemble = Ensemble(members)
    assert ensemble.feature_names_in_.tolist() == table.columns.tolist()
    out = ensemble.set_output(transform="pandas").transform(table)
    assert out.columns.tolist() == ["cell_x", "cell_y"]
