"""Tissue and glass: known shares, and slides that are all one or the other."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from stnclf.slides._tissue import find_tissue, otsu_threshold


def scene(tissue, glass, noise=2, seed=0):
    """A pink ellipse on glass, 60 x 90, and where it is."""
    y, x = np.mgrid[:60, :90]
    inside = ((x - 30) / 22) ** 2 + ((y - 25) / 14) ** 2 < 1
    image = np.where(inside[:, :, None], tissue, glass).astype(float)
    image += np.random.default_rng(seed).normal(0, noise, image.shape)
    return image.clip(0, 255).astype(np.uint8), inside


@pytest.mark.parametrize(
    ("tissue", "glass"),
    [
        ((200, 120, 170), (244, 243, 245)),  # as stained
        ((225, 195, 215), (244, 243, 245)),  # pale
        ((200, 120, 170), (245, 240, 233)),  # under a yellow lamp
        ((150, 150, 150), (245, 245, 245)),  # grey: by darkness, if nothing has colour
        ((120, 80, 40), (250, 250, 250)),  # brown
    ],
)
def test_a_piece_of_tissue_is_found_with_a_cell_around(tissue, glass):
    image, inside = scene(tissue, glass, noise=0 if tissue[0] == tissue[1] else 2)
    mask = find_tissue(image)
    assert mask[inside].all()
    assert not mask[~binary_dilation(inside, iterations=4)].any()
    assert mask.sum() > inside.sum()


def test_pen_without_colour_is_no_tissue():
    image, inside = scene((200, 120, 170), (244, 243, 245))
    image[45:55, 60:85] = 15
    mask = find_tissue(image)
    assert mask[inside].all()
    assert not mask[46:54, 61:84].any()


@pytest.mark.parametrize("glass", [(255, 255, 255), (244, 243, 245), (245, 240, 233)])
def test_all_glass_has_no_tissue(glass):
    noise = np.random.default_rng(1).normal(0, 1.5, (80, 70, 3))
    image = (glass + noise).clip(0, 255).astype(np.uint8)
    assert not find_tissue(image).any()


def test_all_tissue_is_all_tissue():
    rng = np.random.default_rng(2)
    # Two kinds of tissue, which Otsu alone would part.
    image = np.where(rng.random((80, 70, 1)) < 0.5, (215, 170, 200), (150, 70, 140))
    assert find_tissue(image.astype(np.uint8)).all()


def test_the_smallest_masks():
    assert find_tissue(np.full((1, 1, 3), 255, np.uint8)).tolist() == [[False]]
    assert find_tissue(np.uint8([[[200, 100, 150]]])).tolist() == [[True]]


def test_otsu_agrees_with_the_definition():
    rng = np.random.default_rng(3)
    for _ in range(5):
        values = np.concatenate(
            [rng.normal(40, 12, 300), rng.normal(rng.uniform(90, 180), 20, rng.integers(50, 900))]
        ).clip(0, 255)
        best, at = -1.0, None
        whole = np.rint(values)
        for level in range(255):
            low, high = whole[whole <= level], whole[whole > level]
            if len(low) and len(high):
                between = len(low) * len(high) * (low.mean() - high.mean()) ** 2
                if between > best * (1 + 1e-12):
                    best, at = between, level
        assert otsu_threshold(values) == at


def test_otsu_without_two_groups():
    assert otsu_threshold(np.full(10, 7)) == 255
