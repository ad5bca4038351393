"""Patches without a cell and with several: what is learned of them, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_validate

import stnclf
from stnclf import CiresanBaseline, STNCellClassifier
from stnclf.scan import scan
from tests.conftest import QUICK, make_blobs

EPOCHS = {"classifier_epochs": 3, "localizer_epochs": 14, "joint_epochs": 0, "random_state": 0}


def blobs_and_nothing(n=48, seed=0):
    """Discs, crosses, and a third of noise alone."""
    X, y, centers = make_blobs(n, seed=seed)
    noise = np.random.default_rng(seed + 1).integers(80, 110, X.shape, dtype=np.uint8)
    y = y.astype(object)
    X[::3], y[::3], centers[::3] = noise[::3], "nothing", np.nan
    return X, y.astype(str), centers


@pytest.fixture(scope="module")
def data():
    return blobs_and_nothing()


@pytest.fixture(scope="module")
def clf(data):
    X, y, centers = data
    return STNCellClassifier(mpp=0.5, cell_size=(10, 14), **EPOCHS).fit(X, y, centers=centers)


def objectness_of(clf, X):
    """Probability of a cell at each position, (n, height, width)."""
    module = clf.net_.module_
    with torch.no_grad():
        images = torch.from_numpy(X).permute(0, 3, 1, 2).float() / 255
        return module.locate(images).heatmap.sigmoid().numpy()


def test_the_localizer_learns_where_there_is_no_cell(clf):
    X, y, centers = blobs_and_nothing(seed=5)
    most = objectness_of(clf, X).max(axis=(1, 2))
    assert most[y == "nothing"].max() < 0.3 < 0.5 < most[y != "nothing"].min()
    found = clf.transform(X[y != "nothing"])
    assert np.median(np.abs(found - centers[y != "nothing"])) < 1
    assert clf.objectness_
    assert clf.has_cell_.tolist() == [True, True, False]
    assert clf.classes_[~clf.has_cell_].tolist() == ["nothing"]


def two_in_view(n=48, known=0.0, seed=0):
    """Images in which one disc is meant and another one is annotated beside it."""
    rng = np.random.default_rng(seed)
    X = rng.integers(80, 110, (n, 24, 48, 3), dtype=np.uint8)
    first = np.stack([rng.integers(7, 17, n), rng.integers(7, 17, n)], 1)
    second = np.stack([rng.integers(31, 41, n), rng.integers(7, 17, n)], 1)
    y = np.array(["dark", "light"])[np.arange(n) % 2]
    yy, xx = np.mgrid[:24, :48]
    for image, a, b, label in zip(X, first, second, y):
        for x, yc in (a, b):
            colour = (230, 60, 90) if label == "light" else (90, 20, 60)
            image[(xx - x) ** 2 + (yy - yc) ** 2 <= 9] = colour
    neighbors = np.concatenate([second, np.full((n, 1), known)], 1)[:, None]
    return X, y, first.astype(float), second, neighbors


def at(maps, points):
    """Values of the maps at points, in images of 24 x 48 px."""
    _, height, width = maps.shape
    columns = (points[:, 0] * width / 48).astype(int)
    rows = (points[:, 1] * height / 24).astype(int)
    return maps[np.arange(len(points)), rows, columns]


def test_all_annotated_cells_in_view_are_taught():
    sizes = {"cell_size": (12, 24), "augment": None}
    X, y, centers, second, neighbors = two_in_view()
    taught = STNCellClassifier(**{**EPOCHS, "localizer_epochs": 40}, **sizes)
    ignored, punished = clone(taught), clone(taught)
    taught.fit(X, y, centers=centers, neighbors=neighbors)
    ignored.fit(X, y, centers=centers, neighbors=two_in_view(known=-1.0)[4])
    punished.fit(X, y, centers=centers, neighbors=neighbors[:, :0])
    X, y, centers, second, _ = two_in_view(seed=7)
    means = [at(objectness_of(clf, X), second).mean() for clf in (taught, ignored, punished)]
    assert means[0] > 0.7
    assert means[0] > means[2] + 0.2
    assert means[1] > means[2] + 0.1


def test_no_neighbours_and_a_cell_everywhere_is_another_loss_alone(blobs):
    X, y, centers = blobs
    clf = STNCellClassifier(**QUICK).fit(X, y, centers=centers)
    assert not clf.objectness_
    assert clf.has_cell_.all()
    again = clone(clf).fit(X, y, centers=centers, neighbors=np.empty((len(X), 0, 3)))
    assert again.objectness_
    assert again.history_[1]["localization_loss"] > 0


def test_scan_reports_no_background_and_multiplies_the_two_probabilities(clf):
    X, y, centers = blobs_and_nothing(12, seed=9)
    plane = np.random.default_rng(0).integers(80, 110, (96, 144, 3), dtype=np.uint8)
    there = []
    for k, (image, (x, yc)) in enumerate(zip(X[y != "nothing"], centers[y != "nothing"])):
        row, column = divmod(k, 4)
        plane[24 * row : 24 * row + 24, 36 * column : 36 * column + 36] = image
        there.append((36 * column + x, 24 * row + yc))
    slide = stnclf.slides.Slide(plane, mpp=0.5)
    found = scan(clf, slide, tissue=False, min_probability=0.3)
    assert set(found["label"]) <= {"disc", "cross"}
    columns = [f"probability_{name}" for name in clf.classes_]
    assert columns[2] == "probability_nothing"
    assert (found[columns].sum(axis=1) < 1 + 1e-5).all()
    assert found[columns].sum(axis=1).min() < 0.999
    away = np.hypot(*(found[["x", "y"]].to_numpy()[:, None] - np.array(there)).transpose(2, 0, 1))
    assert (away.min(axis=0) < 3).mean() > 0.8  # all but some of what is there is found
    assert (away.min(axis=1) < 3).mean() > 0.8  # and little else
    asked = scan(clf, slide, tissue=False, min_probability=0.0, labels=["nothing"])
    assert set(asked["label"]) == {"nothing"}
    # The cells that a lower limit gives are the same, and some more.
    more = scan(clf, slide, tissue=False, min_probability=0.1)
    both = more[more["probability"] >= 0.3].reset_index(drop=True)
    assert len(more) >= len(both)
    assert both["x"].tolist() == found["x"].tolist()


def test_one_pass_and_patch_by_patch_have_the_same_objectness(clf, data):
    slide = stnclf.slides.Slide(np.concatenate(data[0][:9]), mpp=0.5)
    columns = [f"probability_{name}" for name in clf.classes_]
    how = {"tissue": False, "min_probability": 0.0, "nms_radius_um": 0.01}
    one, other = (
        scan(clf, slide, tta=tta, **how).sort_values(["y", "x"])[["x", "y", *columns]].to_numpy()
        for tta in (False, True)
    )
    assert len(one) == len(other) > 5
    np.testing.assert_allclose(one[:, :2], other[:, :2], atol=0.011)
    np.testing.assert_allclose(one[:, 2:].sum(1), other[:, 2:].sum(1), atol=1e-4)


def test_files_keep_what_had_no_cell(clf, data, tmp_path):
    stnclf.save(clf, tmp_path / "model.safetensors")
    again = stnclf.load(tmp_path / "model.safetensors")
    assert again.has_cell_.tolist() == [True, True, False]
    assert again.objectness_
    slide = stnclf.slides.Slide(np.concatenate(data[0][:5]), mpp=0.5)
    tables = [scan(c, slide, tissue=False, min_probability=0.1) for c in (clf, again)]
    assert tables[0].equals(tables[1])
    assert len(tables[0])
    states = []
    for estimator in (clf, again):
        estimator = stnclf.load(tmp_path / "model.safetensors") if estimator is clf else again
        estimator.set_params(warm_start=True, joint_epochs=1).fit(
            *data[:2], centers=data[2], stages=("joint",)
        )
        states.append(estimator.net_.module_.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_cross_validation_slices_neighbours_as_it_slices_centres(data):
    X, y, centers = data
    neighbors = np.full((len(X), 2, 3), np.nan)
    neighbors[:, 0] = np.stack([np.arange(len(X)), np.zeros(len(X)), np.zeros(len(X))], 1)
    seen = []

    class Watched(STNCellClassifier):
        def fit(self, X, y, centers=None, neighbors=None, **more):
            seen.append(np.asarray(neighbors)[:, 0, 0])
            return super().fit(X, y, centers=centers, neighbors=neighbors, **more)

    given = {"centers": centers, "neighbors": neighbors}
    found = cross_validate(Watched(**QUICK), X, y, cv=3, params=given, error_score="raise")
    assert len(found["test_score"]) == len(seen) == 3
    assert sorted(np.concatenate(seen)) == sorted(2 * list(range(len(X))))


def test_a_checkpoint_of_other_neighbours_is_refused(data, tmp_path):
    X, y, centers = data
    neighbors = np.full((len(X), 1, 3), np.nan)
    clf = STNCellClassifier(**QUICK, checkpoint=tmp_path / "run.checkpoint")
    clf.fit(X, y, centers=centers, neighbors=neighbors)
    neighbors[3, 0] = 5, 6, 1
    for other in (neighbors, None):
        with pytest.raises(ValueError, match="neighbors"):
            clone(clf).fit(X, y, centers=centers, neighbors=other)


def test_the_baseline_learns_the_class_of_patches_without_a_cell(data):
    X, y, centers = data
    clf = CiresanBaseline(epochs=1, random_state=0).fit(X, y, centers=centers)
    assert clf.has_cell_.tolist() == [True, True, False]
    assert not clf.objectness_


@pytest.mark.parametrize(
    ("parameters", "more", "words"),
    [
        ({"localizer": "dense"}, {}, "centers: got NaN.*localizer='heatmap'"),
        ({"localizer": "dense"}, {"neighbors": np.ones((48, 1, 3))}, "neighbors: got other cells"),
        ({"cell_size": (24, 36)}, {"neighbors": np.ones((48, 1, 3))}, "neighbors.*window smaller"),
        ({}, {"centers": np.full((48, 2), np.nan)}, "centers: all are NaN; wants a cell"),
        ({}, {"neighbors": np.ones((47, 1, 3))}, r"neighbors.*\(48, k, 3\)"),
    ],
)
def test_what_no_network_can_learn_is_refused(data, parameters, more, words):
    X, y, centers = data
    clf = STNCellClassifier(**QUICK, **parameters)
    with pytest.raises(ValueError, match=words):
        clf.fit(X, y, **{"centers": centers, **more})
    assert not hasattr(clf, "net_")


def test_where_the_window_is_the_patch_nothing_is_sought_and_nan_is_fine(data):
    X, y, centers = data
    clf = STNCellClassifier(cell_size=(24, 36), **QUICK).fit(X, y, centers=centers)
    assert not clf.objectness_
    assert not clf.has_cell_[2]
