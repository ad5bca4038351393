"""Arrays that remember for which patch they were cut."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from types import SimpleNamespace

import joblib
import numpy as np
import pytest

from stnclf._utils.sized_images import SizedImages, SizedMemmap, warn_of_context, with_sizes


@pytest.fixture
def X():
    images = np.arange(5 * 8 * 10 * 3, dtype=np.uint8).reshape(5, 8, 10, 3)
    return with_sizes(images, 6, 4)


@pytest.mark.parametrize(
    "change",
    [
        lambda X: X[1:3],
        lambda X: X[[0, 4]],
        lambda X: X[np.array([True, False, True, False, False])],
        lambda X: X.astype(np.float32) / 255,
        lambda X: X[2],
        copy.deepcopy,
        lambda X: pickle.loads(pickle.dumps(X)),
    ],
    ids=["slice", "rows", "mask", "floats", "one", "copy", "pickle"],
)
def test_images_of_the_same_shape_remember(X, change):
    changed = change(X)
    assert isinstance(changed, SizedImages)
    assert (changed.patch_size, changed.cell_size) == (6, 4)


@pytest.mark.parametrize(
    "change",
    [
        lambda X: X[:, 1:-1, 1:-1],
        lambda X: X.reshape(5, -1),
        lambda X: X.mean(axis=(1, 2)),
        lambda X: X[0, :, :, 0],
        np.asarray,
    ],
    ids=["cut", "rows", "means", "plane", "plain"],
)
def test_what_is_no_such_image_any_more_forgets(X, change):
    changed = change(X)
    assert getattr(changed, "patch_size", None) is None
    assert X.patch_size == 6


def test_a_file_stays_one(X, tmp_path):
    np.save(tmp_path / "X.npy", X)
    loaded = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert getattr(loaded, "patch_size", None) is None
    mapped = with_sizes(loaded, 6, 4)
    assert isinstance(mapped, SizedMemmap)
    assert not mapped.flags.writeable
    assert mapped[1:].patch_size == 6
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(mapped)), X)


def where(X):
    return X.patch_size, int(X.sum()), isinstance(X.base, np.memmap)


def test_processes_get_a_large_array_as_a_file():
    # Above 1 MB joblib hands it over as a file instead of a copy for each job.
    X = with_sizes(np.ones((20, 200, 201, 3), np.uint8), 128, 64)
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(where)(part) for part in (X, X))
    assert found == [(128, X.size, True)] * 2


def test_a_file_of_a_patch_set_says_how_it_was_cut(tmp_path):
    np.save(tmp_path / "X.npy", np.zeros((5, 20, 20, 3), np.uint8))
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    whole = SimpleNamespace(patch_size=None, cell_size=None)
    facts = {"size": 12, "cell_size": 6, "image_size": 20}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_context(whole, X, (20, 20))  # of a file alone nothing is known
        (tmp_path / "patches.json").write_text("[]")
        warn_of_context(whole, X, (20, 20))
        (tmp_path / "patches.json").write_text(json.dumps(facts))
        warn_of_context(whole, X[:, 4:-4, 4:-4], (12, 12))
        warn_of_context(SimpleNamespace(patch_size=12), X, (20, 20))
    for part in (X, X[1:3]):
        with pytest.warns(UserWarning, match="Pass patch_size=12, cell_size=6;"):
            warn_of_context(whole, part, (20, 20))
