"""What holds for any input: geometry, annotation files, labels, arrays, tiles."""

from __future__ import annotations

import math
import tempfile
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from stnclf import STNCellClassifier
from stnclf.annotations import read_annotations, write_annotations
from stnclf.geometry import (
    cell_theta,
    denormalize_points,
    normalize_points,
    patch_origin,
    theta_centers,
    view_theta,
    window_corners,
)
from stnclf.scan import scan
from stnclf.slides import Slide, extract_patches
from tests.scan.test_scan import assert_same_cells, make_field


def examples(n):
    """Run this many examples, the same ones every time, however slow the machine."""
    return settings(
        max_examples=n,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


SIDES = st.integers(1, 100_000)
SIZES = st.tuples(SIDES, SIDES)
POINTS = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 5), st.just(2)), elements=st.floats(-1e6, 1e6)
)


@examples(100)
@given(POINTS, SIZES)
def test_pixels_come_back_from_normalised_coordinates(points, size):
    back = denormalize_points(normalize_points(points, size), size)
    np.testing.assert_allclose(back, points, rtol=1e-9, atol=1e-9 * max(size))


@examples(100)
@given(SIZES)
def test_edges_of_any_image_are_at_one(size):
    edges = [[-0.5, -0.5], [size[1] - 0.5, size[0] - 0.5]]
    np.testing.assert_allclose(normalize_points(edges, size), [[-1, -1], [1, 1]], atol=1e-12)


@examples(100)
@given(POINTS, SIZES, SIZES)
def test_centres_come_back_from_theta(points, patch, cell):
    theta = cell_theta(points, patch, cell)
    np.testing.assert_allclose(
        theta_centers(theta, patch), points, rtol=1e-9, atol=1e-9 * max(patch)
    )
    corners = window_corners(theta, patch)
    np.testing.assert_allclose(corners.mean(axis=1), points, rtol=1e-9, atol=1e-9 * max(patch))


@examples(100)
@given(POINTS, SIZES, st.floats(-10, 10), SIZES)
def test_turned_views_keep_their_sides(points, view, angle, image):
    corners = window_corners(view_theta(points, view, angle, image), image)
    across, down = corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0]
    near = {"rtol": 1e-6, "atol": 1e-6}
    np.testing.assert_allclose(np.hypot(*across.T), view[1], **near)
    np.testing.assert_allclose(np.hypot(*down.T), view[0], **near)
    turned = np.array([np.cos(angle), np.sin(angle)])
    np.testing.assert_allclose(across / view[1], np.broadcast_to(turned, across.shape), **near)


@examples(100)
@given(SIZES, SIZES)
def test_margins_around_a_patch_are_even(a, b):
    image, patch = np.maximum(a, b), np.minimum(a, b)
    first = np.array(patch_origin(image, patch))
    last = (image - patch)[::-1] - first
    assert (first >= 0).all()
    assert np.isin(last - first, (0, 1)).all()


# Annotations

WRITERS = {
    "csv": "cells.csv",
    "sliderunner": "cells.sqlite",
    "qupath": "cells.geojson",
    "midog": "cells.json",
    "grand-challenge": "cells.json",
}
TEXT = st.text(st.characters(), max_size=12) | st.text("\"',;\n\r\t\\ 01.eE+-_/:{}[]<>&\x00\ufeff")
# Boxes are moved by half a size, in decimals of 50 digits.
ANY_PLACE = st.floats(-1e20, 1e20).filter(lambda x: x == 0 or abs(x) > 1e-20)
PLACES = (
    ANY_PLACE
    | st.floats(-1e5, 1e5).map(lambda x: round(x, 3))
    | st.integers(-100, 10**6).map(float)
)
CELLS = st.lists(st.tuples(PLACES, PLACES, TEXT), min_size=1, max_size=5)


# Labels that begin with a brace, all differ, or are "None", get a word: here they are meant.
@pytest.mark.filterwarnings("ignore:(?s).*is that the class")
@pytest.mark.filterwarnings("ignore:(?s).*which are taken for a class")
@pytest.mark.parametrize("format", WRITERS)
@examples(40)
@given(cells=CELLS, image=TEXT)
@example(
    cells=[(-0.0, 1e-19, "a\r\n\"b\",'c'"), (1e19, -1e19, "\u2028細胞🧬")], image='1,"2\n".svs'
)
@example(cells=[(0.1, 1 / 3, "\ud800"), (0.0, 1.0, "")], image="a")
@example(cells=[(0.1, 1 / 3, "None"), (0.0, 1.0, "")], image="None")
def test_annotations_come_back_from_every_format(format, cells, image):
    table = pd.DataFrame(cells, columns=["x", "y", "label"])
    table.insert(0, "image", image)
    # Only what is written in micrometres or millimetres takes a resolution.
    resolution = {"mpp": 0.23} if format == "grand-challenge" else {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / WRITERS[format]
        try:
            write_annotations(table, path, format, **resolution)
        except ValueError:
            # Nothing that a program would make is refused.
            odd = not image or not all(text.isprintable() for text in (image, *table["label"]))
            assert odd or "" in table["label"].tolist()
            assert list(Path(folder).iterdir()) == []
            return
        back = read_annotations(path, format, **resolution)
    for name in ("image", "label"):  # which come back in one form of Unicode
        wanted = [unicodedata.normalize("NFC", text) for text in table[name]]
        assert back[name].fillna("").tolist() == wanted
    assert back[["x", "y"]].to_numpy().tolist() == table[["x", "y"]].to_numpy().tolist()


# Labels

WORDS = {
    "str": st.text(max_size=6),
    "bytes": st.binary(max_size=6),
    "int": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "float": st.integers(-(2**53), 2**53).map(float),
}


@pytest.fixture(scope="module")
def plain():
    """Six images of three classes."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (6, 3, 4, 1), dtype=np.uint8), np.array([0, 1, 2, 2, 1, 0])
    return X, y


def flat(**settings):
    """Make an estimator that trains in no time: the window is the whole patch."""
    stages = {"classifier_epochs": 1, "localizer_epochs": 0, "joint_epochs": 0}
    return STNCellClassifier(
        **{"cell_size": (3, 4), "classifier": "context", "tta": False, "batch_size": 8}
        | {"precision": "float32", "random_state": 0, **stages, **settings}
    )


@pytest.fixture(scope="module")
def numbered(plain):
    """Give what an estimator says that knows two or three classes by their number."""
    X, y = plain
    estimators = {n: flat().fit(X, y % n) for n in (2, 3)}
    return {n: (clf.predict_proba(X), clf.predict(X)) for n, clf in estimators.items()}


@pytest.mark.parametrize("kind", WORDS)
@pytest.mark.parametrize("as_object", [False, True])
@examples(4)
@given(data=st.data())
def test_labels_of_any_kind_mean_the_same(kind, as_object, plain, numbered, data):
    X, y = plain
    n = 2 if kind == "bool" else 3
    labels = data.draw(st.lists(WORDS[kind], min_size=n, max_size=n, unique=True))
    assume(kind != "str" or len({unicodedata.normalize("NFC", text) for text in labels}) == n)
    named = np.array(sorted(labels), dtype=object)[y % n]
    named = named if as_object else np.array(named.tolist())
    assume(len(np.unique(named)) == n)  # NumPy drops zeros at the end of bytes and text
    try:
        estimator = flat().fit(X, named)
    except (TypeError, ValueError):
        assert kind == "bytes" or (as_object and kind != "str")
        return
    probabilities, predicted = numbered[n]
    np.testing.assert_array_equal(estimator.predict_proba(X), probabilities)
    assert estimator.classes_.tolist() == np.unique(named).tolist()
    assert estimator.predict(X).tolist() == estimator.classes_[predicted].tolist()
    assert estimator.predict(X).dtype == estimator.classes_.dtype


ODD = st.one_of(*WORDS.values(), st.none(), st.floats(), st.tuples(), st.complex_numbers())


@examples(40)
@given(y=st.lists(ODD, min_size=6, max_size=6) | st.lists(WORDS["int"], max_size=7))
def test_mixed_labels_are_classes_or_an_error(y, plain):
    X = plain[0]
    try:
        estimator = flat(classifier_epochs=0).fit(X, y)
    except (TypeError, ValueError):
        return
    assert len(y) == len(X)
    assert set(estimator.predict(X).tolist()) <= set(np.unique(y).tolist())


# Arrays

NUMBERS = st.sampled_from(
    [np.uint8, bool, np.int8, np.uint16, np.int64, np.float16, np.float32, np.float64]
)
OTHERS = st.sampled_from([np.complex64, "U3", "S3", "M8[s]", object])
SHAPE = (3, 4, 1)
SHAPES = (
    st.integers(1, 9).map(lambda n: (n, *SHAPE))
    | st.integers(1, 9).map(lambda n: (n, math.prod(SHAPE)))
    | st.integers(1, 9).map(lambda n: (n, *SHAPE[:2]))
    | st.lists(st.integers(0, 5), max_size=5).map(tuple)
)


@st.composite
def arrays(draw):
    dtype, shape = np.dtype(draw(st.one_of(NUMBERS, NUMBERS, NUMBERS, OTHERS))), draw(SHAPES)
    if dtype.kind == "O":
        elements = st.none() | st.integers() | st.text(max_size=2) | st.floats() | st.binary()
    else:
        elements = hnp.from_dtype(dtype)
        if dtype.kind == "f" and draw(st.booleans()):
            elements = st.sampled_from([0.0, 0.25, 1.0, -3.0, 255.0])
    X = draw(hnp.arrays(dtype, shape, elements=elements, fill=elements))
    if draw(st.booleans()) and X.ndim > 1:
        X = X[:, ::-1]
    return X.tolist() if draw(st.integers(0, 4)) == 0 else X


@pytest.fixture(scope="module")
def fitted(plain):
    X, y = plain
    return flat(cell_size=(2, 2), localizer_epochs=1).fit(X, y)


def canonical(X):
    """Bring an array to four axes, as uint8 or float32."""
    X = np.asarray(X)
    X = X.reshape(len(X), *SHAPE)
    return X if X.dtype == np.uint8 else X.astype(np.float32)


@examples(60)
@given(X=arrays())
def test_predict_gives_an_answer_or_an_error(X, fitted):
    try:
        found = fitted.predict_proba(X), fitted.transform(X)
    except (TypeError, ValueError):
        return
    n, same = len(X), canonical(X)
    assert found[0].shape == (n, 3)
    assert found[1].shape == (n, 2)
    np.testing.assert_allclose(found[0].sum(axis=1), 1)
    assert np.isfinite(found[1]).all()
    # All forms of the same images are the same.
    np.testing.assert_array_equal(found[0], fitted.predict_proba(same))
    np.testing.assert_array_equal(found[1], fitted.transform(same))


@examples(40)
@given(X=arrays(), seed=st.integers(0, 9))
def test_fit_gives_an_answer_or_an_error(X, seed):
    n = len(X) if np.ndim(X) else 3
    y = np.random.default_rng(seed).permutation(np.arange(n) % 2)
    try:
        estimator = flat(cell_size=None, localizer_epochs=1).fit(X, y)
        found = estimator.predict_proba(X)
    except (TypeError, ValueError):
        return
    assert found.shape == (n, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1)


# Tiles

HOW = {"mpp": 0.25, "nms_radius_um": 2.0, "min_probability": 0}
CELLS_32 = {"patch_size": 32, "batch_size": 16, "precision": "float32", "random_state": 0}


@pytest.fixture(scope="module")
def finder(tmp_path_factory):
    """Make an estimator that knows where discs and crosses are."""
    root = tmp_path_factory.mktemp("training")
    image, truth = make_field(200, 300, 48)
    Image.fromarray(image).save(root / "a.png")
    X, y, centers, _ = extract_patches(truth.assign(image="a.png"), root, size=32, mpp=None)
    clf = STNCellClassifier(classifier_epochs=3, localizer_epochs=10, tta=False, **CELLS_32)
    return clf.fit(X, y, centers=centers, stages=("classifier", "localizer"))


@pytest.fixture(scope="module")
def whole(finder):
    """Give a small slide and what is found on it in one piece."""
    slide = Slide(make_field(90, 130, 9, seed=1)[0], mpp=0.25)
    found = scan(finder, slide, tile_size=1000, **HOW)
    assert len(found) >= 9
    return slide, found


@examples(8)
@given(tile_size=st.integers(10, 150), n_jobs=st.integers(1, 3))
def test_tiles_of_any_size_give_the_same(tile_size, n_jobs, finder, whole):
    slide, found = whole
    assert_same_cells(scan(finder, slide, tile_size=tile_size, n_jobs=n_jobs, **HOW), found)
