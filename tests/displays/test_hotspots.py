"""HotspotDisplay: cells and fields over a slide."""

import numpy as np
import pandas as pd
import pytest

matplotlib = pytest.importorskip("matplotlib", reason="displays need the extra [plot]")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from stnclf.displays import HotspotDisplay  # noqa: E402

CELLS = pd.DataFrame(
    {
        "x": [100.0, 120.0, 700.0],
        "y": [200.0, 220.0, 50.0],
        "label": ["mitosis", "mitosis", "other"],
    }
)


FIELDS = pd.DataFrame({"x": [110.0], "y": [210.0], "width": [200.0], "height": [100.0]})


def test_hotspots_are_drawn_in_millimetres(slide):
    display = HotspotDisplay.from_detections(CELLS, slide, fields=FIELDS.assign(count=2))
    right, bottom = display.ax_.get_xlim()[1], display.ax_.get_ylim()[0]
    assert (right, bottom) == pytest.approx((1.6, 1.2))
    places = {group.get_label(): group.get_offsets() for group in display.cells_}
    np.testing.assert_allclose(places["mitosis"], [[0.201, 0.401], [0.241, 0.441]])
    np.testing.assert_allclose(places["other"], [[1.401, 0.101]])
    (field,) = display.fields_
    assert field.get_xy() == pytest.approx((0.021, 0.321))
    assert (field.get_width(), field.get_height()) == pytest.approx((0.4, 0.2))
    assert [text.get_text() for text in display.ax_.texts] == ["1: 2 cells"]
    assert len(display.figure_.axes) == 2  # with the colour bar


def test_hotspots_of_one_class_in_given_axes(slide):
    _, ax = plt.subplots()
    display = HotspotDisplay.from_detections(
        CELLS, slide, fields=FIELDS, label="other", ax=ax, colorbar=False
    )
    assert display.ax_ is ax
    assert [group.get_label() for group in display.cells_] == ["other"]
    assert [text.get_text() for text in ax.texts] == ["1"]
    assert len(ax.figure.axes) == 1
    assert HotspotDisplay.from_detections(CELLS, slide, cells=False, ax=ax).cells_ == []


def test_the_colour_bar_counts_cells_for_a_square_millimetre(slide):
    # One cell, spread over a Gaussian: at its peak 1 / (2 pi sigma^2).
    display = HotspotDisplay.from_detections(CELLS[2:], slide, sigma_um=30)
    assert display.highest == pytest.approx(1 / (2 * np.pi * 0.03**2), rel=0.05)
    bar = display.figure_.axes[1]
    assert bar.get_ylim() == pytest.approx((0, display.highest))
    again = HotspotDisplay(display.image, display.scale, display.mpp, [[3, 4]], ["a"]).plot()
    assert again.figure_.axes[1].get_ylim() == (0, 1)


def test_the_density_adapts_to_the_fields(slide):
    # 0.15 of the shorter side of 4 : 3 of 200 x 100 px of 2 um; without fields, 0.05 of 800 px.
    for fields, sigma in ((FIELDS, 0.15 * np.sqrt(15000)), (None, 40)):
        display = HotspotDisplay.from_detections(CELLS[:1], slide, fields=fields)
        expected = HotspotDisplay.from_detections(CELLS[:1], slide, sigma_px=sigma)
        assert display.highest == pytest.approx(expected.highest)


def test_a_bar_says_how_long_it_is(slide):
    display = HotspotDisplay.from_detections(CELLS, slide, scalebar=True)
    (words,) = [text.get_text() for text in display.ax_.texts]
    (bar,) = display.ax_.patches
    assert words == "200 µm"  # of 1.6 mm
    assert bar.get_width() == pytest.approx(0.2)


def test_cells_of_other_slides_are_left_out(slide):
    table = CELLS.assign(image=["array", "b.svs", "array"])
    display = HotspotDisplay.from_detections(table, slide, colorbar=False)
    assert [len(group.get_offsets()) for group in display.cells_] == [1, 1]


def test_a_photograph_is_drawn_in_pixels():
    photo = np.full((600, 800, 3), 200, np.uint8)
    display = HotspotDisplay.from_detections(CELLS[2:], photo, sigma_px=30, scalebar=True)
    assert display.mpp is None
    assert display.ax_.get_xlim() == (0, 800)
    assert display.ax_.get_xlabel() == "px"
    assert display.highest == pytest.approx(1 / (2 * np.pi * 0.3**2), rel=0.05)
    assert "100 x 100 px" in display.figure_.axes[1].get_ylabel()
    assert [text.get_text() for text in display.ax_.texts] == ["200 px"]
