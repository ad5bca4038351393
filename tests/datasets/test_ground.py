"""Slides: truth, hot spot, background, seams."""

import numpy as np
import pytest

from stnclf.datasets import CELL_TYPES, make_slide

GRANULOCYTE, MITOSIS, TUMOUR = CELL_TYPES


@pytest.fixture(scope="module")
def slide():
    return make_slide((1024, 1408), n_mitoses=30, tissue=0.7, random_state=4)


def disc(image, x, y, radius):
    """Return the pixels (n, 3) of an image within radius of (x, y)."""
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    return image[(columns - x) ** 2 + (rows - y) ** 2 <= radius**2].astype(float)


def test_slide_truth_has_columns_in_bounds(slide):
    image, truth, mpp = slide
    assert image.shape == (1024, 1408, 3)
    assert image.dtype == np.uint8
    assert mpp == 0.25
    assert list(truth) == ["x", "y", "label"]
    assert truth["x"].min() >= 0
    assert truth["x"].max() <= 1407
    assert truth["x"].max() > 1024  # x runs along the long side
    assert truth["y"].min() >= 0
    assert truth["y"].max() <= 1023
    assert set(truth["label"]) == set(CELL_TYPES)
    assert np.sum(truth["label"] == MITOSIS) == 30
    assert np.sum(truth["label"] == TUMOUR) > 100


def test_slide_has_nuclei_where_the_truth_says(slide):
    image, truth, _ = slide
    ground = np.median(image[..., 0])
    places = np.column_stack([truth["x"], truth["y"]])
    for label, share in ((TUMOUR, 0.95), (MITOSIS, 0.9), (GRANULOCYTE, 0.9)):
        dark = [
            np.quantile(disc(image, x, y, 14)[:, 0], 0.15) < ground - 25
            for x, y in places[truth["label"] == label]
        ]
        assert np.mean(dark) >= share
    elsewhere = places[truth["label"] == TUMOUR] + (25, 0)
    means = [
        [disc(image, *place, 6)[:, 0].mean() for place in some]
        for some in (places[truth["label"] == TUMOUR], elsewhere)
    ]
    assert np.median(means[1]) > np.median(means[0]) + 15


def test_slide_has_a_hot_spot(slide):
    _, truth, _ = slide
    mitoses = truth["label"] == MITOSIS

    def densest(x, y):
        gap = np.maximum(np.abs(x[:, None] - x), np.abs(y[:, None] - y))
        return np.sum(gap < 140, axis=1).max()

    x, y = truth["x"], truth["y"]
    rng = np.random.default_rng(0)
    anywhere = [densest(x[some], y[some]) for some in (rng.permutation(mitoses) for _ in range(50))]
    assert densest(x[mitoses], y[mitoses]) > 1.3 * max(anywhere)


def test_slide_has_background_of_the_share_asked_for(slide):
    def glass(image):
        height, width = (side // 16 for side in image.shape[:2])
        blocks = image[: height * 16, : width * 16].reshape(height, 16, width, 16, 3)
        return np.mean(blocks.mean(axis=(1, 3)).min(axis=-1) > 222)

    assert 0.15 < glass(slide[0]) < 0.5
    full = make_slide((512, 512), tissue=1, random_state=4)[0]
    assert glass(full) < 0.1


def test_slide_is_reproducible_and_has_no_seams():
    first, again, other = (make_slide((320, 1100), random_state=s)[0] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
    # steps across the border of two tiles are like steps across other 8-pixel blocks
    steps = np.abs(np.diff(first.astype(float), axis=1)).mean(axis=(0, 2))[7::8]
    for border in (63, 127):  # columns 511|512 and 1023|1024
        assert steps[border] < 1.5 * np.median(steps)


def test_slide_scale_follows_mpp():
    coarse, truth, mpp = make_slide((512, 512), mpp=0.5, tissue=1, random_state=3)
    fine, fine_truth, _ = make_slide((512, 512), tissue=1, random_state=3)
    assert mpp == 0.5
    assert coarse.shape == fine.shape
    assert 2.5 < len(truth["x"]) / len(fine_truth["x"]) < 6  # four times the area


def test_slide_without_rare_cells():
    _, truth, _ = make_slide((256, 256), tissue=1, n_mitoses=0, n_granulocytes=0, random_state=0)
    assert set(truth["label"]) == {TUMOUR}


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"shape": 256}, TypeError, ["shape", "(height, width)", "256"]),
        ({"shape": (256, 100)}, ValueError, ["shape", "at least 256", "100"]),
        ({"shape": (256, 256, 3)}, TypeError, ["shape", "(height, width)"]),
        ({"mpp": 0}, ValueError, ["mpp", "0.1 to 1"]),
        ({"mpp": "fine"}, TypeError, ["mpp", "'fine'"]),
        ({"n_mitoses": -1}, ValueError, ["n_mitoses", "at least 0", "-1"]),
        ({"n_granulocytes": 1.5}, TypeError, ["n_granulocytes", "1.5"]),
        ({"n_mitoses": 10**6}, ValueError, ["n_mitoses", "places", "1000000"]),
        ({"clutter": 0}, ValueError, ["clutter", "above 0", "got 0"]),
        ({"tissue": 1.5}, ValueError, ["tissue", "up to 1", "1.5"]),
        ({"random_state": 1.0}, TypeError, ["random_state", "1.0"]),
    ],
)
def test_make_slide_errors_name_the_argument(arguments, error, words):
    with pytest.raises(error) as caught:
        make_slide(**{"shape": (256, 256), **arguments})
    for word in words:
        assert word in str(caught.value)
