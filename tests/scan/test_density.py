"""density_map: where the cells are, over the slide, with the fields."""

import math

import numpy as np
import pandas as pd
import pytest

from stnclf.scan import density_map, hotspots
from stnclf.scan._density import adapted_sigma
from stnclf.slides import Slide
from tests.scan.test_hotspots import MPP, blank, table


def test_density_is_where_the_cells_are():
    cells = table([[200, 500], [210, 505], [700, 100]])
    image, scale = density_map(cells, blank(), sigma_um=40, max_size=450)
    assert (image.shape, scale, image.dtype) == ((350, 450, 3), 2.0, np.uint8)
    redness = 255.0 - image[:, :, 1]
    y, x = np.unravel_index(redness.argmax(), redness.shape)
    assert abs(x - 102.5) <= 1
    assert abs(y - 251) <= 1
    assert redness[251, 102] > redness[50, 350] > 40
    assert redness[10, 10] == redness[340, 440] == 0
    # The spread: where half of the density is left, at 1.177 sigma, colours are half way.
    one, _ = density_map(table([[450, 350]]), blank(), sigma_um=100, max_size=450)
    x = 225 + round(1.177 * 100 / MPP / scale)
    expected = (
        np.array([255, 255, 255]) * 0.3 + 0.7 * (np.array([254, 178, 76]) + [240, 59, 32]) / 2
    )
    np.testing.assert_allclose(one[175, x], expected, atol=4)


def test_density_lies_over_the_slide_and_fields_are_outlined():
    slide = Slide(np.full((700, 900, 3), (200, 100, 150), np.uint8), mpp=MPP)
    plain, scale = density_map(table([]), slide, max_size=450)
    assert (plain == 150).all()
    fields = hotspots(table([[450, 350]]), slide, area_mm2=0.1)
    drawn, _ = density_map(table([]), slide, max_size=450, fields=fields)
    rows, columns = np.nonzero((drawn != 150).any(axis=2))
    width, height = fields.loc[0, ["width", "height"]] / scale
    assert columns.min() == pytest.approx(225 - width / 2, abs=1)
    assert columns.max() == pytest.approx(225 + width / 2 - 1, abs=1)
    assert rows.min() == pytest.approx(175 - height / 2, abs=1)
    assert rows.max() == pytest.approx(175 + height / 2 - 1, abs=1)
    assert (drawn[175, 225] == 150).all()  # only an outline


def test_a_photograph_takes_pixels():
    cells = table([[200, 500], [210, 505]])
    photo = Slide(np.full((700, 900, 3), 255, np.uint8))
    image, _ = density_map(cells, photo, sigma_px=40)
    expected, _ = density_map(cells, blank(), sigma_um=40 * MPP)
    np.testing.assert_array_equal(image, expected)
    with pytest.raises(ValueError, match="has no usable resolution"):
        density_map(cells, photo, sigma_um=3)
    # Neither the unit nor fields are known: 0.05 of the longer side.
    image, _ = density_map(cells, photo)
    expected, _ = density_map(cells, photo, sigma_px=45)
    np.testing.assert_array_equal(image, expected)
    with pytest.raises(ValueError, match="sigma_px: is the same as sigma_um"):
        density_map(cells, photo, sigma_px=40, sigma_um=3)


@pytest.mark.parametrize(
    ("sides", "mpp", "sigma"),
    [
        # 0.15 of the shorter side of a field of 4 : 3 and that area, 400 x 300 px.
        ([(600, 200)], None, 45),
        # The median of the areas; fields without an area do not count.
        ([(600, 200), (40, 30), (4000, 3000), (0, 7), (math.nan, 8)], 0.25, 45),
        # At least 0.012 of the longer side of 900 px.
        ([(40, 30)], 0.25, 10.8),
        # Without fields 200 um, or 0.05 of the longer side.
        ([], 10.0, 20),
        (None, 10.0, 20),
        (None, 0.25, 45),
        ([], None, 45),
    ],
)
def test_the_smoothing_adapts_to_the_fields(sides, mpp, sigma):
    fields = None
    if sides is not None:
        widths, heights = zip(*sides) if sides else ((), ())
        fields = pd.DataFrame({"x": 450.0, "y": 350.0, "width": widths, "height": heights})
    assert adapted_sigma((900, 700), mpp, fields) == pytest.approx(sigma)
    assert adapted_sigma((700, 900), mpp, fields) == pytest.approx(sigma)


def test_a_map_is_smoothed_by_its_fields():
    cells, photo = table([[200, 500], [210, 505]]), Slide(np.full((700, 900, 3), 255, np.uint8))
    fields = hotspots(cells, photo, width_px=200)
    image, _ = density_map(cells, photo, fields=fields)
    expected, _ = density_map(cells, photo, fields=fields, sigma_px=0.15 * 150)
    np.testing.assert_array_equal(image, expected)


def test_only_the_label_is_drawn():
    cells = pd.concat([table([[200, 500]], "a"), table([[700, 100]], "b")])
    image, _ = density_map(cells, blank(), sigma_um=40, max_size=450, label="b")
    assert (image[250, 100] == 255).all()
    assert (image[50, 350] != 255).any()
