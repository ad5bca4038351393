"""The other cells in an image, against a plain loop over all cells."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from stnclf.slides import extract_patches
from stnclf.slides._neighbors import cells_beside


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for name, size in (("a.png", (90, 120)), ("b.png", (70, 60))):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path


def cells(n=40, seed=1):
    rng = np.random.default_rng(seed)
    image = np.where(rng.random(n) < 0.7, "a.png", "b.png")
    sizes = np.where((image == "a.png")[:, None], (119, 89), (59, 69))
    x, y = (rng.random((n, 2)) * sizes).round(1).T
    label = [[None, "mitosis", "apoptosis", "tumour"][i % 4] for i in range(n)]
    return {"image": image.tolist(), "x": x.tolist(), "y": y.tolist(), "label": label}


@pytest.mark.parametrize("seed", [1, 2])
def test_neighbours_are_those_of_a_plain_loop(root, seed):
    table = cells(seed=seed)
    _, y, centers, groups, found = extract_patches(
        table, root, size=16, image_size=34, mpp=None, max_offset=6, neighbors=True, random_state=0
    )
    meant = [i for i, label in enumerate(table["label"]) if label is not None]
    assert y.tolist() == [table["label"][i] for i in meant]
    classes, n_unknown = ["apoptosis", "mitosis", "tumour"], 0
    for row, i in enumerate(meant):
        # The corner follows from where the cell lies in its image.
        corner = np.array([table["x"][i], table["y"][i]]) - centers[row]
        expected = []
        for j, (name, label) in enumerate(zip(table["image"], table["label"])):
            at = np.array([table["x"][j], table["y"][j]]) - corner
            inside = (at >= -0.5).all() and (at <= 33.5).all()
            if j != i and name == table["image"][i] and inside:
                expected.append([*at, -1 if label is None else classes.index(label)])
        n_unknown += sum(cell[2] == -1 for cell in expected)
        there = found[row][~np.isnan(found[row]).any(axis=1)]
        np.testing.assert_allclose(there, np.reshape(expected, (-1, 3)), atol=1e-9)
        assert np.isnan(found[row][len(expected) :]).all()
    assert n_unknown > 5
    assert groups.tolist() == [table["image"][i] for i in meant]


def test_patches_are_those_without_neighbours(root):
    table = cells()
    how = {"size": 16, "mpp": None, "max_offset": 5, "random_state": 3}
    *some, neighbors = extract_patches(table, root, neighbors=True, **how)
    known = {name: [v for v, k in zip(c, table["label"]) if k] for name, c in table.items()}
    for a, b in zip(some, extract_patches(known, root, **how), strict=True):
        assert np.array_equal(a, b)
    assert len(neighbors) == len(some[0])


def test_background_has_neighbours_too_and_keeps_off_what_has_no_label(root):
    table = cells(60)
    how = {"size": 8, "image_size": 40, "mpp": None, "random_state": 0, "background_distance": 5}
    _, y, centers, _, found = extract_patches(table, root, neighbors=True, background=6, **how)
    assert np.isnan(centers[-6:]).all()
    assert y[-6:].tolist() == ["background"] * 6
    near = found[-6:][~np.isnan(found[-6:]).any(axis=2)]
    assert len(near) > 6
    # Distances from the middle of the image: what has no label counts as a cell.
    away = np.hypot(*(near[:, :2] - 19.5).T)
    assert away.min() > 5 - 1
    # Sorted labels are apoptosis, background, mitosis, tumour.
    assert set(near[:, 2]) <= {-1.0, 0.0, 2.0, 3.0}
    assert (near[:, 2] == 3).any()


def test_without_a_label_at_all_is_refused(root):
    table = {**cells(4), "label": [None] * 4}
    with pytest.raises(ValueError, match="annotations: no cell has a label"):
        extract_patches(table, root, size=8, mpp=None, neighbors=True)
    with pytest.raises(ValueError, match=r"row 0.*has no label"):
        extract_patches(table, root, size=8, mpp=None)


def test_no_neighbours_at_all():
    one = np.array([[5.0, 6.0]])
    zero = np.zeros(1, np.int64)
    found = cells_beside(one, zero, zero, zero, one, np.array([[1, 1]]), 9)
    assert found.shape == (1, 0, 3)
    none = cells_beside(one[:0], zero[:0], zero[:0], zero, one, np.array([[1, 1]]), 9)
    assert none.shape == (1, 0, 3)


def test_a_table_lists_cells_that_nothing_is_cut_around(root):
    table = cells()
    how = {"size": 16, "mpp": None, "max_offset": 5, "random_state": 3, "background": 3}
    how["background_distance"] = 4
    *_, whole = extract_patches(table, root, neighbors=True, **how)
    known = [i for i, label in enumerate(table["label"]) if label is not None]
    some = {name: [column[i] for i in known] for name, column in table.items()}
    *_, again = extract_patches(some, root, neighbors=table, **how)
    np.testing.assert_array_equal(again, whole)
    few = {name: column[::3] for name, column in some.items()}
    X, _, centers, _, beside = extract_patches(few, root, neighbors=table, size=16, mpp=None)
    assert len(X) == len(few["x"]) == len(beside)
    # Every other cell within the image, and not the one in the middle of it.
    away = np.hypot(*(beside[:, :, :2] - centers[:, None]).transpose(2, 0, 1))
    assert np.nanmin(away) > 0.5
    with pytest.raises(ValueError, match="neighbors: wants a table with the columns"):
        extract_patches(few, root, neighbors={"x": [1]}, size=16, mpp=None)


def test_neighbors_are_named_as_in_annotations(root):
    table = {name: column[:2] for name, column in cells().items()}
    table["label"] = [1, 2]
    how = {"size": 16, "mpp": None}
    file = {**table, "image": [name.replace(".png", ".tif") for name in table["image"]]}
    with pytest.raises(ValueError, match=r"neighbors: got the image '.\.tif', but annotations has"):
        extract_patches(table, root, neighbors=file, **how)
    words = {**table, "label": ["1", "3"]}
    with pytest.raises(ValueError, match=r"neighbors: got the label '1', but annotations has 1,"):
        extract_patches(table, root, neighbors=words, **how)
