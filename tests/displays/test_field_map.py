"""The picture of ``hotspots --map``: cells, fields with counts, a colour bar, scale bars."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

pytest.importorskip("matplotlib", reason="displays need the extra [plot]")

from stnclf.displays._field_map import field_map
from stnclf.scan import hotspots
from stnclf.slides import Slide


def cells(points):
    labels = ["mitosis" if i % 3 else "other" for i in range(len(points))]
    return pd.DataFrame({"x": [x for x, _ in points], "y": [y for _, y in points], "label": labels})


def bars(ax):
    """Lengths of the scale bars in millimetres, and their words."""
    black = [p for p in ax.patches if p.get_facecolor()[:3] == (0, 0, 0) and p.get_fill()]
    return [p.get_width() for p in black], [t.get_text() for t in ax.texts if "m" in t.get_text()]


@pytest.mark.parametrize("area", [0.05, 2.37])
def test_everything_is_in_it_whatever_the_field(area):
    # 800 x 600 px: 0.8 or 4 mm wide.
    slide = Slide(np.full((600, 800, 3), 200, np.uint8), mpp=1.0 if area < 1 else 5.0)
    table = cells([(90, 90), (100, 110), (120, 100), (600, 480), (620, 470), (400, 300)])
    fields = hotspots(table, slide, area_mm2=area, n=2)
    figure = field_map(table, slide, fields, label=None)
    overview, colours, *close = figure.axes
    if colours.get_ylabel().startswith("mm"):
        overview, colours = colours, overview
    assert "per mm" in colours.get_ylabel()
    drawn = [t.get_text() for t in overview.texts]
    for number, count in enumerate(fields["count"], start=1):
        assert f"{number}: {count} cells" in drawn
    assert sum(len(c.get_offsets()) for c in overview.collections) == 6
    (length,), words = bars(overview)
    width = 0.8 if area < 1 else 4.0
    assert width / 10 <= length <= width / 4
    assert any(w in (f"{length:g} mm", f"{1000 * length:g} µm") for w in words)
    assert len(close) == len(fields)
    for ax, field in zip(close, fields.itertuples()):
        assert f"{field.count} cells, {field.per_mm2:.3g} per mm" in ax.get_title()
        assert f"{field.per_mm2_low:.3g} to {field.per_mm2_high:.3g}" in ax.get_title()
        # A white and a coloured ring for each cell.
        assert sum(len(c.get_offsets()) for c in ax.collections) == 2 * field.count
        assert ax.get_xlim()[1] == pytest.approx(field.width * slide.mpp / 1000)
        assert bars(ax)[0]


def test_cells_lie_where_they_are_in_their_field():
    slide = Slide(np.full((600, 800, 3), 200, np.uint8), mpp=0.5)
    table = cells([(0, 0), (210, 150), (230, 170)])[1:]
    fields = hotspots(table, slide, area_mm2=0.0003)
    (field,) = fields.itertuples()
    figure = field_map(table, slide, fields, label=None)
    close = figure.axes[-1]
    found = {tuple(np.round(p, 6)) for c in close.collections for p in c.get_offsets()}
    corner = np.array([field.x + 0.5 - field.width / 2, field.y + 0.5 - field.height / 2])
    expected = [(np.array(p) + 0.5 - corner) * 0.0005 for p in [(210, 150), (230, 170)]]
    inside = [p for p in expected if 0 <= p[0] < field.width * 0.0005]
    assert found == {tuple(np.round(p, 6)) for p in inside}


@pytest.mark.parametrize(("n", "area"), [(1, 0.005), (3, 0.005), (1, 0.02)])
def test_marks_lie_around_the_nucleus(n, area):
    slide = Slide(np.full((600, 800, 3), 200, np.uint8), mpp=0.5)
    table = cells([(90, 90), (600, 480), (110, 500)])
    figure = field_map(table, slide, hotspots(table, slide, area_mm2=area, n=n), label=None)
    figure.canvas.draw()
    for ax in figure.axes[-n:]:
        um = 1000 * np.diff(ax.get_xlim())[0] / ax.get_window_extent().width  # for a pixel
        (size,) = {float(s) for c in ax.collections for s in c.get_sizes()}
        assert np.sqrt(size) * figure.dpi / 72 * um == pytest.approx(14, rel=0.15)


def test_a_slide_without_cells_has_a_map_too():
    slide = Slide(np.full((60, 80, 3), 200, np.uint8), mpp=1.0)
    nothing = cells([(3, 3)])[:0]
    fields = hotspots(nothing, slide, area_mm2=0.001)
    figure = field_map(nothing, slide, fields, label=None)
    assert len(figure.axes) == 2


def test_a_unit_that_is_no_micrometre_is_drawn_in_pixels(tmp_path):
    Image.new("RGB", (800, 600)).save(tmp_path / "a.png")
    slide = Slide(tmp_path / "a.png", mpp=1)
    table = cells([(90, 90), (600, 480), (620, 470)])
    fields = hotspots(table, slide, width_px=200)
    overview, *_, close = field_map(table, slide, fields, label=None).axes
    words = [text.get_text() for ax in (overview, close) for text in ax.texts]
    assert not [text for text in words if text.endswith(("mm", "µm"))]
    assert [text for text in words if text.endswith(" px")]
    assert "mm" not in close.get_title()


def test_a_photograph_is_drawn_in_pixels():
    slide = Slide(np.full((1500, 2000, 3), 200, np.uint8))
    table = cells([(90, 90), (600, 480), (620, 470)])
    fields = hotspots(table, slide, width_px=800)
    figure = field_map(table, slide, fields, label=None)
    (overview,) = [ax for ax in figure.axes if ax.get_xlabel()]
    assert overview.get_xlabel() == overview.get_ylabel() == "px"
    assert any("cells per 100 x 100 px" in ax.get_ylabel() for ax in figure.axes)
    assert "500 px" in [t.get_text() for t in overview.texts]
    (close,) = [ax for ax in figure.axes if ax.get_title()]
    assert close.get_title() == "1: 3 cells"
    assert "200 px" in [t.get_text() for t in close.texts]
    assert close.get_xlim() == (0, 800)
    assert close.images[0].get_array().shape == (480, 640, 3)
