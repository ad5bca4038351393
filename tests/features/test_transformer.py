"""`CellFeatures` as scikit-learn sees it."""

import subprocess
import sys

import numpy as np
import pytest
import sklearn

pytest.importorskip("skimage", reason="the features need the extra [classical]")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from stnclf._utils.sized_images import with_sizes
from stnclf.features import CellFeatures
from stnclf.features._families import FAMILIES

# What scikit-learn's own suite may not hold; a reason would stand beside each.
EXPECTED_FAILURES = {}


def make_cells(n=24, shape=(48, 40), seed=0):
    """Round (0) and elongated (1) dark nuclei at random places, uint8 RGB."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(shape)
    X, y = np.empty((n, *shape, 3), np.uint8), np.arange(n) % 2
    for image, label in zip(X, y):
        cy, cx = rng.uniform(17, 29, 2) - (0, 3)
        angle = rng.uniform(0, np.pi)
        a, b = (12, 5) if label else (7.5, 7.5)
        u = (columns - cx) * np.cos(angle) + (rows - cy) * np.sin(angle)
        v = (rows - cy) * np.cos(angle) - (columns - cx) * np.sin(angle)
        image[:] = rng.normal((225, 170, 200), 8, (*shape, 3)).clip(0, 255)
        inside = (u / a) ** 2 + (v / b) ** 2 <= 1
        image[inside] = rng.normal((90, 60, 140), 8, (inside.sum(), 3)).clip(0, 255)
    return X, y


@pytest.fixture(scope="module")
def cells():
    return make_cells()


@parametrize_with_checks(
    [CellFeatures()], expected_failed_checks=lambda estimator: EXPECTED_FAILURES
)
def test_sklearn_checks(estimator, check):
    check(estimator)


def test_sklearn_runs_all_its_checks():
    least = 46 if sklearn.__version__.startswith("1.6.") else 47
    assert len(list(estimator_checks_generator(CellFeatures()))) >= least


def test_import_leaves_skimage_alone():
    code = "import sys, stnclf.features; sys.exit('skimage' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_missing_skimage_names_the_extra(cells, monkeypatch):
    features = CellFeatures().fit(cells[0])
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ImportError, match=r"pip install 'stnclf\[classical\]'"):
        CellFeatures().fit(cells[0])
    with pytest.raises(ImportError, match=r"pip install 'stnclf\[classical\]'"):
        features.transform(cells[0])


def test_uint8_and_float_and_flat_and_nd_agree(cells):
    X, _ = cells
    expected = CellFeatures().fit_transform(X)
    np.testing.assert_array_equal(CellFeatures().fit_transform(X / 255.0), expected)
    flat = CellFeatures(image_shape=X.shape[1:]).fit(X.reshape(len(X), -1))
    assert flat.image_shape_ == X.shape[1:]
    assert flat.n_features_in_ == X[0].size
    np.testing.assert_array_equal(flat.transform(X.reshape(len(X), -1)), expected)
    np.testing.assert_array_equal(flat.transform(X), expected)
    np.testing.assert_array_equal(CellFeatures().fit(X).transform(X[3:4]), expected[3:4])


def test_other_layouts_agree(cells):
    X = cells[0][:4]
    expected = CellFeatures().fit_transform(X)
    for other in (np.asfortranarray(X), np.repeat(X, 2, axis=2)[:, :, ::2]):
        np.testing.assert_array_equal(CellFeatures().fit_transform(other), expected)
    as_list = (X / 255.0).tolist()
    np.testing.assert_array_equal(CellFeatures().fit_transform(as_list), expected)
    grey = X[..., 1]
    found = CellFeatures().fit_transform(grey)
    np.testing.assert_array_equal(found, CellFeatures().fit_transform(grey[..., np.newaxis]))


def test_float32_is_close_to_uint8(cells):
    X = cells[0][:6]
    features = CellFeatures(families=("intensity", "stain", "shape")).fit(X)
    found = features.transform((X / np.float32(255)).astype(np.float32))
    np.testing.assert_allclose(found, features.transform(X), rtol=1e-3, atol=1e-4)


def test_two_processes_agree_with_one(cells):
    X = np.concatenate([cells[0]] * 4)
    found = CellFeatures(n_jobs=2).fit_transform(X)
    np.testing.assert_array_equal(found, CellFeatures().fit_transform(X))


@pytest.mark.parametrize("patch_size", [24, (24, 17)])
def test_only_the_central_patch_counts(cells, patch_size):
    X = cells[0][:5]
    height, width = (24, 24) if patch_size == 24 else patch_size
    top, left = (48 - height) // 2, (40 - width) // 2
    inner = X[:, top : top + height, left : left + width]
    expected = CellFeatures().fit_transform(inner)
    features = CellFeatures(patch_size=patch_size).fit(X)
    np.testing.assert_array_equal(features.transform(X), expected)
    assert features.n_features_in_ == X[0].size
    assert not np.array_equal(CellFeatures().fit_transform(X), expected)


@pytest.mark.parametrize(
    ("n_features", "shape"),
    [
        (1, (1, 1, 1)),
        (3, (1, 1, 3)),
        (4, (2, 2, 1)),
        (5, (1, 5, 1)),
        (12, (2, 2, 3)),
        (36, (6, 6, 1)),
        (48, (4, 4, 3)),
    ],
)
def test_rows_become_images(n_features, shape):
    assert CellFeatures().fit(np.zeros((2, n_features))).image_shape_ == shape


def test_image_shape_may_leave_out_the_channel():
    features = CellFeatures(image_shape=[2, 6]).fit(np.zeros((2, 12)))
    assert features.image_shape_ == (2, 6, 1)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_names_are_unique_and_as_many_as_columns(channels):
    X = np.random.default_rng(0).random((2, 30, 30, channels))
    features = CellFeatures().fit(X)
    names = features.get_feature_names_out()
    assert len(set(names)) == len(names) == features.transform(X).shape[1]
    assert [f for f in FAMILIES if any(n.startswith(f + "_") for n in names)] == list(FAMILIES)


def test_families_are_blocks_of_the_whole(cells):
    X = cells[0][:3]
    whole = CellFeatures().fit(X).set_output(transform="pandas").transform(X)
    parts = CellFeatures(families=["shape", "lbp"]).fit(X)
    names = list(parts.get_feature_names_out())
    assert names == [n for f in ("shape", "lbp") for n in whole.columns if n.startswith(f)]
    np.testing.assert_array_equal(parts.transform(X), whole[names].to_numpy())


def test_pandas_output_keeps_names_and_index(cells):
    pd = pytest.importorskip("pandas")
    X = cells[0][:3]
    frame = pd.DataFrame(X.reshape(3, -1), index=list("abc")).add_prefix("pixel")
    features = CellFeatures(image_shape=X.shape[1:]).set_output(transform="pandas")
    found = features.fit_transform(frame)
    assert list(found.index) == list("abc")
    assert list(found.columns) == list(features.get_feature_names_out())
    assert list(features.feature_names_in_) == list(frame.columns)
    assert found.to_numpy().dtype == np.float64


def test_constant_images_are_finite(cells):
    X = np.stack([np.full((32, 32, 3), v, np.uint8) for v in (0, 128, 255)])
    found = CellFeatures().fit_transform(X)
    assert np.isfinite(found).all()
    assert len(np.unique(found[:, 0])) == 3


def test_values_outside_the_range_are_clipped_but_for_intensity():
    X = np.random.default_rng(0).normal(0.5, 1, (2, 20, 20, 3))
    for family in FAMILIES:
        features = CellFeatures(families=(family,))
        same = np.array_equal(features.fit_transform(X), features.fit_transform(X.clip(0, 1)))
        assert same == (family != "intensity")


def test_classes_are_told_apart_by_a_support_vector_machine():
    X, y = make_cells(60)
    model = make_pipeline(CellFeatures(), StandardScaler(), SVC())
    assert cross_val_score(model, X, y, cv=3).mean() > 0.9
    shuffled = np.random.default_rng(0).permutation(y)
    assert cross_val_score(model, X, shuffled, cv=3).mean() < 0.75


def test_grid_search_chooses_the_families(cells):
    model = make_pipeline(CellFeatures(), StandardScaler(), SVC())
    grid = {"cellfeatures__families": [("hog",), ("shape",)]}
    search = GridSearchCV(model, grid, cv=3).fit(*cells)
    assert search.best_params_["cellfeatures__families"] == ("shape",)


def test_unfitted_has_no_names():
    with pytest.raises(NotFittedError):
        CellFeatures().get_feature_names_out()


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((0, 8, 8, 3)), "is empty"),
        (np.zeros((2, 0, 8, 3)), "is empty"),
        (np.zeros((2, 2, 2, 2, 2)), "height, width, channels"),
        (np.zeros(5), "X: got an array of shape"),
        (np.full((2, 4, 4, 3), np.nan), "NaN"),
        (np.full((2, 4, 4), np.inf), "infinity"),
        (np.array([["a", "b"], ["c", "d"]], dtype=object), "could not convert"),
        (np.full((2, 3, 3), "a", dtype=object), "dtype object"),
    ],
)
def test_what_is_not_images_is_refused(X, message):
    with pytest.raises((TypeError, ValueError), match=message):
        CellFeatures().fit(X)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 6, 5, 3), r"X: got images of 6 x 5 px.* fitted on images of 5 x 6 px"),
        ((1, 5, 6), r"with 1 channel\b.* with 3 channels"),
        ((1, 89), "X has 89 features, but CellFeatures is expecting 90"),
    ],
)
def test_other_shapes_than_fitted_are_refused(shape, message):
    features = CellFeatures().fit(np.zeros((2, 5, 6, 3)))
    with pytest.raises(ValueError, match=message):
        features.transform(np.zeros(shape))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"families": ("shape", "colour")}, "families"),
        ({"families": ()}, "families"),
        ({"families": ("lbp", "lbp")}, "families"),
        ({"families": "lbp"}, "families"),
        ({"patch_size": 9}, "patch_size"),
        ({"patch_size": (4, 4, 3)}, "patch_size"),
        ({"patch_size": 0}, "patch_size"),
        ({"smoothing": -1.0}, "smoothing"),
        ({"glcm_distances": (1, 0)}, "glcm_distances"),
        ({"glcm_distances": (1.5,)}, "glcm_distances"),
        ({"glcm_levels": 1}, "glcm_levels"),
        ({"lbp_radii": ()}, "lbp_radii"),
        ({"ring_width": 0}, "ring_width"),
        ({"hog_cells": 0}, "hog_cells"),
        ({"image_shape": (8, 8)}, "image_shape"),
        ({"image_shape": (8,)}, "image_shape"),
        ({"n_jobs": 1.5}, "n_jobs"),
    ],
)
def test_wrong_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        CellFeatures(**parameters).fit(np.zeros((2, 8, 8, 3)))


def test_flat_rows_must_fit_image_shape():
    with pytest.raises(ValueError, match=r"12 values .* image_shape=\(2, 3, 3\), which takes 18"):
        CellFeatures(image_shape=(2, 3, 3)).fit(np.zeros((2, 12)))


def test_fit_leaves_parameters_as_given(cells):
    families, radii = ["lbp", "hog"], [1, 2.5]
    features = CellFeatures(families=families, lbp_radii=radii, patch_size=[24, 24])
    before = clone(features).get_params()
    features.fit(cells[0])
    assert features.families is families
    assert features.get_params() == before
    assert "lbp_r2.5_pattern0" in features.get_feature_names_out()


def test_context_is_not_taken_for_the_patch_in_silence():
    X = with_sizes(make_cells(4, (48, 48))[0], 32, 16)
    with pytest.warns(UserWarning, match=r"Pass patch_size=32; or patch_size=\(48, 48\)"):
        CellFeatures().fit(X)
    CellFeatures(patch_size=32).fit(X)  # a warning would be an error
