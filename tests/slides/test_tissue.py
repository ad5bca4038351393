"""Tissue and glass: known shares, and slides that are all one or the other."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation

from stnclf.slides import Slide
from stnclf.slides._slide import name_of, opened
from stnclf.slides._tissue import (
    Tissue,
    draw_tissue,
    find_slide_tissue,
    find_tissue,
    known_mpp,
    metric_mpp,
    otsu_threshold,
)


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


@pytest.mark.parametrize("label", [None, (20, 60, 200), (255, 255, 0)])
def test_a_slide_that_is_nearly_grey_is_searched_by_darkness(label):
    image, inside = scene((150, 150, 150), (240, 240, 240), noise=0)
    image[:, :, 2] += 2  # as a lamp or JPEG has it
    if label is not None:
        image[48:58, 70:85] = label  # a paper label, of 2.8 %
    mask = find_tissue(image)
    assert mask[inside].all()
    assert not mask[:44][~binary_dilation(inside, iterations=4)[:44]].any()
    assert mask[49:57, 71:84].all() == (label is not None)


def test_grey_glass_is_no_tissue_beside_a_little_that_is_stained():
    image = np.full((60, 90, 3), 226, np.uint8)
    image[:, :, 2] = 224
    image[20:30, 30:42] = (200, 120, 170)  # 2.2 %
    image[45:55, 20:85] = 15  # pen
    mask = find_tissue(image)
    assert mask[20:30, 30:42].all()
    assert mask.sum() < 250


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


def tissue_image(height=480, width=800):
    """Pink tissue from x = 320 to 639 and y = 96 to 255, on white."""
    image = np.full((height, width, 3), 250, np.uint8)
    image[96:256, 320:640] = (220, 120, 190)
    return image


def test_touches_is_what_the_mask_says():
    rng = np.random.default_rng(0)
    mask = rng.random((9, 14)) < 0.1
    tissue = Tissue(mask, 5.0)
    boxes = rng.uniform(-20, 90, (300, 2))
    boxes = np.concatenate([boxes, boxes + rng.uniform(0.5, 20, (300, 2))], axis=1)
    fine = np.kron(mask, np.ones((50, 50), bool))  # in tenths of a pixel
    expected = []
    for x0, y0, x1, y1 in np.clip(np.round(boxes, 1), 0, None):
        rows, columns = slice(round(10 * y0), round(10 * y1)), slice(round(10 * x0), round(10 * x1))
        expected.append(fine[rows, columns].any())
    np.testing.assert_array_equal(tissue.touches(np.round(boxes, 1)), expected)
    assert 50 < np.sum(expected) < 250


def test_touches_counts_what_only_shares_an_edge_as_outside():
    tissue = Tissue(np.array([[False, True]]), 10.0)
    boxes = [[0, 0, 10, 10], [0, 0, 10.5, 10], [20, 0, 30, 10], [19.5, 0, 30, 10]]
    assert tissue.touches(boxes).tolist() == [False, True, False, True]


@pytest.mark.parametrize("mpp", [0.25, None])
def test_tissue_is_found_with_and_without_a_resolution(mpp):
    tissue = find_slide_tissue(Slide(tissue_image(), mpp=mpp), True)
    assert tissue.scale == 32
    assert tissue.touches([[330, 100, 340, 110]]).all()
    assert not tissue.touches([[0, 0, 200, 480], [320, 350, 640, 480], [740, 0, 800, 480]]).any()


def test_coarse_slides_have_a_mask_of_their_own_pixels():
    assert find_slide_tissue(Slide(tissue_image(), mpp=10.0), True).scale == 1


def test_a_photograph_is_tissue_unless_it_is_said_otherwise():
    photograph, slide = Slide(tissue_image()), Slide(tissue_image(), mpp=0.25)
    glass = [[0, 0, 200, 480]]
    assert find_slide_tissue(photograph, "auto").touches(glass).all()
    assert not find_slide_tissue(photograph, True).touches(glass).any()
    assert not find_slide_tissue(slide, "auto").touches(glass).any()
    assert (known_mpp(photograph), known_mpp(slide)) == (None, 0.25)
    with pytest.raises(ValueError, match="tissue: got 'yes', wants 'auto', True or False"):
        find_slide_tissue(slide, "yes")


def test_glass_is_blue_and_tissue_as_it_is():
    slide = Slide(tissue_image(), mpp=0.25)
    drawn = draw_tissue(slide, find_slide_tissue(slide, True), max_size=400)
    assert drawn.shape == (240, 400, 3)
    small = slide.thumbnail(400)[0]
    np.testing.assert_array_equal(drawn[60:120, 180:310], small[60:120, 180:310])
    assert drawn[10, 10].tolist() == [
        round(g * 0.45 + 0.55 * c) for g, c in zip(small[10, 10].tolist(), (70, 110, 200))
    ]
    line = (drawn == (10, 25, 80)).all(axis=2)
    _, columns = np.nonzero(line)
    # Around a mask with one cell of 16 px more on each side than the tissue.
    assert abs(columns.min() - (160 - 16)) <= 16 + 2
    assert 600 < line.sum() < 3000


def test_what_has_no_tissue_is_measured():
    mask = np.array([[True, False, False], [True, True, False]])
    # Cells of 10 px on 24 x 13 px: the last column is 4 wide, the last row 3 high.
    found = Tissue(mask, 10.0).left_out((24, 13), 500.0)
    area = 10 * 10 + 4 * 10 + 4 * 3
    assert found["share"] == pytest.approx(area / (24 * 13))
    assert found["mm2"] == pytest.approx(area * 0.25)
    assert Tissue(mask, 10.0).left_out((24, 13))["mm2"] is None
    assert Tissue(np.ones((1, 1), bool), 24.0).left_out((24, 13))["share"] == 0


def test_everything_counts_where_no_tissue_is_wanted():
    tissue = find_slide_tissue(Slide(tissue_image()), False)
    assert tissue.touches([[0, 0, 1, 1], [799, 479, 800, 480]]).all()


def test_a_slide_of_the_caller_stays_open(tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr(Slide, "close", lambda self: closed.append(self))
    mine = Slide(tissue_image())
    with opened(mine) as slide:
        assert slide is mine
    assert closed == []
    with opened(tissue_image()) as slide:
        assert slide.size == (800, 480)
    assert closed == [slide]


def test_names(tmp_path):
    (tmp_path / "a.png").touch()
    assert name_of(Slide(tmp_path / "a.png")) == "a.png"
    assert name_of(Slide(tissue_image())) == "array"


def test_one_is_no_micrometre_where_a_file_does_not_say_it(tmp_path):
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "a.png")
    found = [metric_mpp(Slide(tmp_path / "a.png", mpp)) for mpp in (None, 1, 1.01, 0.25)]
    assert found == [None, None, 1.01, 0.25]
    assert metric_mpp(Slide(np.zeros((30, 40, 3), np.uint8), 1)) == 1  # as the caller says
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / "a.tif", dpi=(25400, 25400))
    assert metric_mpp(Slide(tmp_path / "a.tif", 1)) == 1
