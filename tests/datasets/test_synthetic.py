"""Synthetic cells and slides."""

import numpy as np
import pytest

from stnclf.datasets import CELL_TYPES, make_cells, make_slide
from stnclf.datasets._synthetic import _scatter

GRANULOCYTE, MITOSIS, TUMOUR = CELL_TYPES


@pytest.fixture(scope="module")
def cells():
    return make_cells(90, random_state=3)


def disc(image, x, y, radius):
    """Return the pixels (n, 3) of an image within radius of (x, y)."""
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    return image[(columns - x) ** 2 + (rows - y) ** 2 <= radius**2].astype(float)


def test_shapes_types_and_contents(cells):
    X, y, centers = cells
    assert X.shape == (90, 128, 128, 3)
    assert X.dtype == np.uint8
    assert y.shape == (90,)
    assert y.dtype.kind == "U"
    assert centers.shape == (90, 2)
    assert centers.dtype == np.float64
    assert X.std(axis=(1, 2, 3)).min() > 8  # no empty image


def test_same_seed_same_images_other_seed_other_images():
    first, again, other = (make_cells(4, random_state=seed) for seed in (7, 7, 8))
    for a, b in zip(first, again):
        np.testing.assert_array_equal(a, b)
    assert np.all(np.any(first[0] != other[0], axis=(1, 2, 3)))
    assert not np.allclose(first[2], other[2])


def test_first_images_do_not_depend_on_how_many_follow():
    for few, many in zip(make_cells(4, random_state=7), make_cells(9, random_state=7)):
        np.testing.assert_array_equal(few, many[:4])


@pytest.mark.parametrize("kind", [np.random.RandomState, np.random.default_rng])
def test_random_state_objects_are_seeds_that_move_on(kind):
    state = kind(1)
    first, second = make_cells(2, random_state=state)[0], make_cells(2, random_state=state)[0]
    assert np.any(first != second)
    np.testing.assert_array_equal(first, make_cells(2, random_state=kind(1))[0])


def test_no_seed_is_fresh_each_time():
    assert np.any(make_cells(1)[0] != make_cells(1)[0])


@pytest.mark.parametrize("seed", [None, 0])
def test_global_generator_is_untouched(seed):
    before = np.random.get_state()  # noqa: NPY002
    make_cells(2, random_state=seed)
    make_slide((256, 256), random_state=seed)
    after = np.random.get_state()  # noqa: NPY002
    np.testing.assert_array_equal(before[1], after[1])
    assert before[2:] == after[2:]


@pytest.mark.parametrize(("patch_size", "offset"), [(128, 32), (96, 5.5), (64, 8), (100, 0)])
def test_centers_stay_within_the_offset_and_use_it(patch_size, offset):
    _, _, centers = make_cells(40, patch_size=patch_size, offset=offset, clutter=0, random_state=1)
    away = centers - (patch_size - 1) / 2
    assert np.abs(away).max() <= offset
    assert np.all(away.max(axis=0) >= 0.7 * offset)
    assert np.all(away.min(axis=0) <= -0.7 * offset)


@pytest.mark.parametrize("label", CELL_TYPES)
def test_convention_chromatin_lies_at_x_y_not_at_y_x(label):
    X, _, centers = make_cells(60, classes=(label,), clutter=0, random_state=2)
    asymmetric = np.abs(centers[:, 0] - centers[:, 1]) > 20
    assert asymmetric.sum() >= 15
    rows, columns = np.mgrid[:128, :128]
    found = []
    for image in X[asymmetric, ..., 0]:
        # haematoxylin takes the red light out
        level = np.median(image)
        dark = np.maximum(level - image, 0) * (image < (level + image.min()) / 2)
        found.append([np.average(columns, weights=dark), np.average(rows, weights=dark)])
    found, centers = np.array(found), centers[asymmetric]
    error = np.hypot(*(found - centers).T)
    assert np.median(error) < 4
    assert np.quantile(error, 0.8) < 6
    assert np.median(np.hypot(*(found - centers[:, ::-1]).T)) > 20


def test_classes_differ_at_the_cell(cells):
    X, y, centers = cells
    around = [disc(image, *center, 15) for image, center in zip(X, centers)]
    # granules: bright and red; mitoses: the darkest tenth of the cell
    red = np.array([np.quantile(p[:, 0] - p[:, 2], 0.85) for p in around])
    dark = np.array([np.quantile(p.mean(axis=1), 0.1) for p in around])
    assert np.median(red[y == GRANULOCYTE]) > np.median(red[y == TUMOUR]) + 20
    assert np.median(red[y == GRANULOCYTE]) > np.median(red[y == MITOSIS]) + 20
    assert np.median(dark[y == MITOSIS]) < np.median(dark[y == TUMOUR]) - 25


def test_cell_is_not_solved_by_the_middle_of_the_image(cells):
    X, y, _ = cells
    middle = [disc(image, 63.5, 63.5, 15) for image in X]
    dark = np.array([np.quantile(p.mean(axis=1), 0.1) for p in middle])
    share = np.mean(dark[y == MITOSIS] < np.median(dark[y == TUMOUR]))
    assert share < 0.8


@pytest.mark.parametrize("n_samples", [1, 7, 30])
def test_classes_are_balanced_and_shuffled(n_samples):
    _, y, _ = make_cells(n_samples, patch_size=48, offset=0, clutter=0, random_state=5)
    counts = [np.sum(y == name) for name in CELL_TYPES]
    assert sum(counts) == n_samples
    assert max(counts) - min(counts) <= 1
    if n_samples == 30:
        assert len({tuple(y[i : i + 3]) for i in range(0, 30, 3)}) > 2


def test_classes_may_be_some_and_in_any_order():
    options = {"patch_size": 48, "offset": 0, "random_state": 5}
    _, y, _ = make_cells(8, classes=[TUMOUR, MITOSIS], **options)
    assert sorted(y) == [MITOSIS] * 4 + [TUMOUR] * 4
    _, swapped, _ = make_cells(8, classes=[MITOSIS, TUMOUR], **options)
    assert np.all(y != swapped)
    assert set(make_cells(3, classes=(GRANULOCYTE,), **options)[1]) == {GRANULOCYTE}


def test_image_size_adds_context_around_the_patch():
    X, _, centers = make_cells(24, patch_size=96, image_size=161, offset=10, random_state=6)
    assert X.shape == (24, 161, 161, 3)
    assert np.abs(centers - 80).max() <= 10
    frame = np.concatenate([X[:, :24].reshape(24, -1, 3), X[:, -24:].reshape(24, -1, 3)], axis=1)
    # nuclei lie in the context as well
    assert np.mean(np.quantile(frame[..., 0], 0.02, axis=1) < 130) > 0.6


def test_clutter_adds_nuclei_but_leaves_the_cell_free():
    none = make_cells(20, clutter=0, random_state=9)[0]
    many = make_cells(20, clutter=12, random_state=9)[0]
    assert np.mean(many[..., 0] < 130) > 2 * np.mean(none[..., 0] < 130)
    rng = np.random.default_rng(9)
    placed = [_scatter((80.0, 50.0), 128, 25, rng) for _ in range(20)]
    away = [np.hypot(x - 80, y - 50) for cells in placed for _, x, y, _ in cells]
    assert len(away) > 20 * 6
    assert min(away) > 32  # half of a 48 pixel cell, and a small neighbour


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"n_samples": 0}, ValueError, ["n_samples", "at least 1", "got 0"]),
        ({"n_samples": 2.0}, TypeError, ["n_samples", "integer", "2.0"]),
        ({"n_samples": True}, TypeError, ["n_samples", "True"]),
        ({"patch_size": 47}, ValueError, ["patch_size", "at least 48", "47"]),
        ({"image_size": 100}, ValueError, ["image_size", "patch_size", "128", "100"]),
        ({"image_size": "big"}, TypeError, ["image_size", "integer", "'big'"]),
        ({"classes": ("tumour cell", "cat")}, ValueError, ["classes", "'granulocyte'", "'cat'"]),
        ({"classes": ("tumour cell",) * 2}, ValueError, ["classes", "repeat"]),
        ({"classes": ()}, ValueError, ["classes", "at least one"]),
        ({"classes": "tumour cell"}, TypeError, ["classes", "sequence"]),
        ({"classes": 3}, TypeError, ["classes", "sequence", "3"]),
        ({"offset": -1}, ValueError, ["offset", "from 0 to 40", "-1"]),
        ({"offset": 41}, ValueError, ["offset", "from 0 to 40", "128", "41"]),
        ({"patch_size": 64}, ValueError, ["offset", "from 0 to 8", "64", "32"]),
        ({"offset": "far"}, TypeError, ["offset", "'far'"]),
        ({"clutter": -0.1}, ValueError, ["clutter", "from 0 to 50", "-0.1"]),
        ({"clutter": float("nan")}, ValueError, ["clutter", "nan"]),
        ({"random_state": -1}, ValueError, ["random_state", "non-negative", "-1"]),
        ({"random_state": "x"}, TypeError, ["random_state", "Generator", "'x'"]),
    ],
)
def test_make_cells_errors_name_the_argument(arguments, error, words):
    with pytest.raises(error) as caught:
        make_cells(**{"n_samples": 1, **arguments})
    for word in words:
        assert word in str(caught.value)
