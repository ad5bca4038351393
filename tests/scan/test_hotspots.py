"""Fields with most cells, against plain loops."""

import re
import unicodedata

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stnclf.annotations import read_annotations, write_annotations
from stnclf.scan import density_map, hotspots
from stnclf.slides import Slide
from stnclf.slides._slide import name_of
from tests.annotations.slides import write_scn

MPP = 2.0  # so that a step of 8 um is 4 px


def blank(width=900, height=700, mpp=MPP):
    return Slide(np.full((height, width, 3), 255, np.uint8), mpp=mpp)


def table(points, label="mitosis", **more):
    points = np.reshape(points, (-1, 2))
    return pd.DataFrame({"x": points[:, 0], "y": points[:, 1], "label": label, **more})


def count(points, x, y, width, height):
    """Points in the field around (x, y), by comparing each with its four edges."""
    left, top = x + 0.5 - width / 2, y + 0.5 - height / 2
    inside = 0
    for px, py in np.asarray(points, dtype=float) + 0.5:
        inside += (
            left - 1e-6 <= px <= left + width + 1e-6 and top - 1e-6 <= py <= top + height + 1e-6
        )
    return inside


def clusters(seed):
    rng = np.random.default_rng(seed)
    middles = rng.uniform((50, 50), (850, 650), (4, 2))
    near = middles[rng.integers(0, 4, 120)] + rng.normal(0, 40, (120, 2))
    points = np.concatenate([near, rng.uniform((0, 0), (899, 699), (60, 2))])
    return np.clip(points, 0, (899, 699)).round(1)


def test_a_field_that_is_too_large_says_which_one_fits():
    slide = Slide(np.zeros((300, 800, 3), np.uint8), mpp=1.0)
    cells = pd.DataFrame({"x": [90], "y": [200], "label": "mitosis"})
    with pytest.raises(ValueError, match=r"largest field that fits has (0\.12) mm2\.$") as caught:
        hotspots(cells, slide)  # 300 um high, 400 um wide
    assert "is 1778 x 1333 px" in str(caught.value)
    assert hotspots(cells, slide, area_mm2=0.12).loc[0, "count"] == 1
    with pytest.raises(ValueError, match=r"fits has 0\.09 mm2"):
        hotspots(cells, slide, aspect=1)
    with pytest.raises(ValueError, match=r"fits has 0\.213 mm2"):  # 0.21333
        hotspots(cells, slide, aspect=3)


def test_size_and_shape_of_the_field():
    field = hotspots(table([[450, 350]]), blank(), area_mm2=0.12, aspect=3.0).loc[0]
    assert field["width"] * field["height"] * (MPP / 1000) ** 2 == pytest.approx(0.12)
    assert field["width"] / field["height"] == pytest.approx(3.0)
    assert (field["count"], field["per_mm2"]) == (1, pytest.approx(1 / 0.12))
    assert (field["x"], field["y"]) == (450, 350)
    slide = blank(8000, 6000, mpp=0.25)
    field = hotspots(table([[4000, 3000]]), slide).loc[0]
    # Ten high-power fields.
    assert field["width"] == pytest.approx(4 * np.sqrt(2.37e6 * 4 / 3))
    assert field["height"] == pytest.approx(4 * np.sqrt(2.37e6 * 3 / 4))


def test_a_photograph_without_resolution_has_fields_in_pixels(tmp_path):
    photo = Slide(np.full((600, 900, 3), 255, np.uint8))
    points = [[20, 30], [60, 30], [700, 500], [705, 505], [710, 500], [895, 5]]
    fields = hotspots(table(points), photo, width_px=200, n=3)
    assert fields["count"].tolist() == [3, 2, 1]
    assert set(fields["width"]) == {200}
    assert set(fields["height"]) == {150}
    assert not [name for name in fields if name.startswith("per_mm2")]
    # The same as on a slide of which that is so many square millimetres.
    slide = blank(900, 600)
    known = hotspots(table(points), slide, area_mm2=200 * 150 * (MPP / 1000) ** 2, n=3)
    pd.testing.assert_frame_equal(fields, known[list(fields)])
    counted = hotspots(table(points), slide, width_px=200, n=3)
    pd.testing.assert_frame_equal(counted, known)
    # Who passes a resolution means it, be it 1.
    Image.new("RGB", (900, 600)).save(tmp_path / "a.png")
    known = hotspots(table(points), Slide(tmp_path / "a.png", 1.0), width_px=200)
    assert known["per_mm2"][0] == pytest.approx(3 / 0.03)
    with pytest.raises(ValueError, match=r"width_px: a field is 901 x 676 px .* is 800 px wide"):
        hotspots(table(points), photo, width_px=901)
    with pytest.raises(ValueError, match="width_px: is the size of a field, as area_mm2"):
        hotspots(table(points), photo, width_px=200, area_mm2=1)
    with pytest.raises(ValueError, match="width_px: got 0"):
        hotspots(table(points), photo, width_px=0)


@pytest.mark.parametrize("seed", range(5))
def test_no_place_at_the_step_is_better(seed):
    points = clusters(seed)
    area, aspect = 0.06, 4 / 3
    (field,) = hotspots(table(points), blank(), area_mm2=area, aspect=aspect).itertuples()
    width, height = np.sqrt(area * aspect) * 500, np.sqrt(area / aspect) * 500
    # To a thousandth of a pixel.
    assert (field.width, field.height) == pytest.approx((width, height), abs=1.001e-3)
    width, height = field.width, field.height
    best = 0
    for left in [*np.arange(0, 900 - width, 4), 900 - width]:
        column = points[(points[:, 0] + 0.5 >= left) & (points[:, 0] + 0.5 < left + width)]
        for top in [*np.arange(0, 700 - height, 4), 700 - height]:
            rows = column[:, 1] + 0.5
            best = max(best, ((rows >= top) & (rows < top + height)).sum())
    assert field.count == count(points, field.x, field.y, width, height)
    assert field.count >= best > 10
    assert field.per_mm2 == field.count / area


def best_of_all(edges, size, extent, taken):
    """Most points of a field along the axes that overlaps none of `taken`, from a plain loop."""
    best = 0
    stops = np.concatenate([edges, taken - extent, taken + extent]).T
    for left in {*stops[0], 0.0, size[0] - extent[0]}:
        if not 0 <= left <= size[0] - extent[0]:
            continue
        column = edges[(edges[:, 0] >= left) & (edges[:, 0] < left + extent[0])]
        free = taken[np.abs(taken[:, 0] - left) < extent[0], 1]
        for top in {*stops[1], 0.0, size[1] - extent[1]}:
            inside = (column[:, 1] >= top) & (column[:, 1] < top + extent[1])
            if 0 <= top <= size[1] - extent[1] and not (np.abs(free - top) < extent[1]).any():
                best = max(best, int(inside.sum()))
    return best


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("area", [0.0009, 0.006, 0.3])  # mm2; 17, 45 and 316 px wide
def test_no_place_at_all_is_better(seed, area):
    rng = np.random.default_rng(seed)
    points = clusters(seed) if seed % 2 else rng.integers((0, 0), (120, 60), (90, 2)) * (7, 11)
    points = points.clip(0, (899, 699))
    fields = hotspots(table(points), blank(), area_mm2=area, aspect=1.7, n=3)
    extent = fields.loc[0, ["width", "height"]].to_numpy(float)
    # By falling count, as they were found: what is left can only become less.
    taken, edges = np.empty((0, 2)), np.asarray(points, float) + 0.5
    for field in fields.itertuples():
        corner = np.array([field.x, field.y]) + 0.5 - extent / 2
        assert field.count == best_of_all(edges, (900, 700), extent, taken)
        taken = np.concatenate([taken, corner[None]])


def test_cells_as_far_apart_as_a_field_is_wide_by_what_floats_say():
    # 78.6 - 60 < 18.6 and 18.6 + 60 == 78.6: the field at 18.6 has not the second, one before has.
    (field,) = hotspots(table([[19.6, 20], [78.1, 20]]), blank(120, 90), width_px=60).itertuples()
    assert field.count == 2
    for seed in range(20):
        rng = np.random.default_rng(seed)
        points = np.round(rng.integers(0, (200, 150), (25, 2)) * 0.6 - 0.5, 1)
        (field,) = hotspots(table(points), blank(120, 90), width_px=60, aspect=1.5).itertuples()
        best = best_of_all(points + 0.5, (120, 90), np.array([60, 40.0]), np.empty((0, 2)))
        assert field.count == best


def test_small_fields_are_found_between_the_steps():
    # A field of 4 x 3 px and cells in a row: at a step of 4 px it would hold those of one place.
    points = [(10.9, 20), (12.1, 20), (13.4, 20.6), (14.2, 21.5), (40, 30), (41.5, 30), (46, 33)]
    (field,) = hotspots(table(points), blank(), area_mm2=12 * (MPP / 1000) ** 2).itertuples()
    assert (field.width, field.height) == (pytest.approx(4), pytest.approx(3))
    assert (field.count, field.x) == (4, pytest.approx((10.9 + 14.2) / 2))


def test_the_interval_is_that_of_a_poisson_count():
    from scipy.stats import poisson

    points = [(100 + 3 * i, 300) for i in range(7)] + [(700, 500)]
    fields = hotspots(table(points), blank(), area_mm2=0.02, n=2)
    assert fields["count"].tolist() == [7, 1]
    for field in fields.itertuples():
        low, high = field.per_mm2_low * 0.02, field.per_mm2_high * 0.02
        assert low < field.count < high
        assert poisson.sf(field.count - 1, low) == pytest.approx(0.025)
        assert poisson.cdf(field.count, high) == pytest.approx(0.025)
    # As tables have it: 7 cells are 2.81 to 14.42.
    assert fields.loc[0, "per_mm2_low"] * 0.02 == pytest.approx(2.81, abs=0.005)
    assert fields.loc[0, "per_mm2_high"] * 0.02 == pytest.approx(14.42, abs=0.005)


def test_fields_do_not_overlap_and_lie_inside():
    points = clusters(1)
    fields = hotspots(table(points), blank(), area_mm2=0.05, n=8)
    assert len(fields) == 8
    assert fields["count"].is_monotonic_decreasing
    width, height = fields.loc[0, ["width", "height"]]
    for i, a in enumerate(fields.itertuples()):
        assert a.count == count(points, a.x, a.y, width, height)
        assert width / 2 - 1e-6 <= a.x + 0.5 <= 900 - width / 2 + 1e-6
        assert height / 2 - 1e-6 <= a.y + 0.5 <= 700 - height / 2 + 1e-6
        for b in fields.itertuples():
            apart = abs(a.x - b.x) >= width - 1e-6 or abs(a.y - b.y) >= height - 1e-6
            assert a.Index == b.Index or apart, i


def test_each_further_field_is_the_best_of_what_is_left():
    # Three groups of 5, 4 and 3 cells, far from each other, and nothing else.
    places = [(100, 600, 5), (500, 100, 4), (800, 500, 3)]
    points = [(x + 3 * i, y - 2 * i) for x, y, n in places for i in range(n)]
    fields = hotspots(table(points), blank(), area_mm2=0.02, n=5)
    assert fields["count"].tolist() == [5, 4, 3]
    # Each is centred on its cells.
    assert fields["x"].tolist() == pytest.approx([106, 504.5, 803])
    assert fields["y"].tolist() == pytest.approx([596, 97, 498])


def test_a_field_at_the_edge_stays_inside():
    fields = hotspots(table([[0, 0], [899, 699]]), blank(), area_mm2=0.02, n=2)
    assert fields["count"].tolist() == [1, 1]
    half = fields.loc[0, ["width", "height"]].to_numpy(dtype=float) / 2
    places = sorted(fields[["x", "y"]].to_numpy().tolist())
    np.testing.assert_allclose(places, [half - 0.5, np.array([900, 700]) - half - 0.5])


def test_only_the_label_counts():
    cells = pd.concat([table([[100, 100]] * 5, "a"), table([[700, 600]] * 2, "b")])
    assert hotspots(cells, blank(), area_mm2=0.02, label="b").loc[0, "count"] == 2
    assert hotspots(cells, blank(), area_mm2=0.02).loc[0, "x"] == 100
    with pytest.warns(
        UserWarning, match=r"label: got 'c', of which .* no cell; it has \['a', 'b'\]"
    ):
        assert len(hotspots(cells, blank(), area_mm2=0.02, label="c")) == 0
    known = cells.assign(probability_c=0.1)  # a class of the model, not found
    assert len(hotspots(known, blank(), area_mm2=0.02, label="c")) == 0
    assert len(hotspots(table([]), blank(), area_mm2=0.02)) == 0


def test_only_the_cells_of_this_slide_count(tmp_path):
    from PIL import Image

    Image.new("RGB", (900, 700), "white").save(tmp_path / "a.png")
    slide = Slide(tmp_path / "a.png", mpp=MPP)
    cells = table([[5000, 100], [700, 600]], image=["b.png", "a.png"])
    assert hotspots(cells, slide, area_mm2=0.02)["count"].tolist() == [1]
    below = cells.assign(image=["day1/b.png", "day2/a.png"])  # as classify names them
    assert hotspots(below, slide, area_mm2=0.02)["count"].tolist() == [1]
    with pytest.raises(ValueError, match=r"none of its images is named 'array'"):
        hotspots(cells, blank(), area_mm2=0.02)
    # A table of one image is about this slide, whatever its name.
    assert len(hotspots(cells[1:], blank(), area_mm2=0.02)) == 1


def test_other_programs_open_the_fields(tmp_path):
    fields = hotspots(table(clusters(2)), blank(), area_mm2=0.05, n=3)
    write_annotations(fields, tmp_path / "a.geojson", object_type="annotation")
    again = read_annotations(tmp_path / "a.geojson")
    for name in ("x", "y", "width", "height"):
        np.testing.assert_allclose(again[name], fields[name], rtol=1e-9)
    assert again["type"].tolist() == ["area"] * 3
    assert again["count"].tolist() == fields["count"].tolist()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("area", [0.0007, 0.07])
def test_positions_and_sizes_have_three_digits(seed, area, tmp_path):
    cells = table(clusters(seed))
    fields = hotspots(cells, blank(), area_mm2=area, aspect=1.7, n=4)
    for name in ("x", "y", "width", "height"):
        assert all(len(repr(v).partition(".")[2]) <= 3 for v in fields[name].tolist())
    for field in fields.itertuples():  # and so no cell is lost
        assert field.count == count(cells[["x", "y"]], *field[2:4], field.width, field.height)
    text = write_annotations(fields, tmp_path / "a.geojson", object_type="annotation").read_text()
    places = re.findall(r"\[(-?[0-9.Ee-]+), (-?[0-9.Ee-]+)\]", text)
    assert len(places) == 5 * len(fields)
    assert all(re.fullmatch(r"\d+(\.\d{1,3})?", number) for place in places for number in place)
    text = write_annotations(fields, tmp_path / "a.csv").read_text()
    assert not re.search(r"\d[eE]-", text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"area_mm2": 0}, "area_mm2: got 0"),
        ({"area_mm2": 2.37}, r"field of 2.37 mm2 is 889 x 667 px .* slide is 900 x 600 px"),
        ({"aspect": -1}, "aspect: got -1"),
        ({"n": 0}, "n: got 0"),
        ({"n": 1.0}, r"n: got 1\.0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        hotspots(table([[1, 1]]), blank(900, 600), **{"area_mm2": 0.1, **arguments})


def test_bad_tables_are_named():
    with pytest.raises(ValueError, match=r"detections: wants a table .*label"):
        hotspots(table([[1, 1]]).drop(columns="label"), blank(), area_mm2=0.1)
    with pytest.raises(ValueError, match=r"1 of 2 cells lie outside the slide of 900 x 700"):
        hotspots(table([[1, 1], [950, 5]]), blank(), area_mm2=0.1)
    with pytest.raises(ValueError, match="has no usable resolution"):
        hotspots(table([[1, 1]]), np.zeros((20, 30, 3), np.uint8))


def test_no_cells_have_no_fields():
    none, slide = table([]), blank(mpp=1.0)
    assert len(hotspots(none, slide, area_mm2=0.01, label="mitosis")) == 0
    image, _ = density_map(none, slide, label="mitosis")
    assert (image == 255).all()


def test_positions_from_the_scanned_area_are_not_taken_for_level_0(tmp_path):
    pytest.importorskip("openslide", reason="knows where the scanned area begins")
    pytest.importorskip("tifffile", reason="writes a slide")
    path = write_scn(tmp_path / "s.scn", np.full((256, 384, 3), 200, np.uint8), 400, 300)
    table = {"x": [500.0], "y": [400.0], "label": ["m"], "origin": ["bounds"]}
    with Slide(path) as slide:
        with pytest.raises(ValueError, match=r"at pixel \(400, 300\) of 's\.scn': pass slides= to"):
            hotspots(table, slide, area_mm2=0.001)
        assert len(hotspots({**table, "origin": [None]}, slide, area_mm2=0.001)) == 1
    pixels = Slide(np.full((256, 384, 3), 200, np.uint8), mpp=0.25)
    assert len(hotspots({**table, "x": [50.0], "y": [40.0]}, pixels, area_mm2=0.001)) == 1


def test_slides_are_named_in_either_form_of_unicode(tmp_path):
    nfc, nfd = (unicodedata.normalize(form, "\u00e4.png") for form in ("NFC", "NFD"))
    Image.new("RGB", (900, 700), "white").save(tmp_path / nfd)
    slide = Slide(tmp_path / nfd, mpp=MPP)
    assert name_of(slide) == nfc
    for name in (nfc, nfd):
        cells = table([[450, 350], [50, 50]], image=[name, "other.png"])
        found = hotspots(cells, slide, area_mm2=0.12)
        assert found["count"].tolist() == [1]
        assert found["image"].tolist() == [nfc]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_row_without_its_image_is_refused_unless_none_has_one(missing):
    slide = Slide(np.zeros((300, 400, 3), np.uint8), mpp=1.0)
    cells = pd.DataFrame({"x": [90, 100, 110], "y": [200, 210, 220], "label": "m"})
    nowhere = cells.assign(image=pd.Series([missing] * 3, dtype=object))
    for table in (cells, nowhere, cells.assign(image="array")):
        assert hotspots(table, slide, width_px=80)["count"].tolist() == [3]
    some = cells.assign(image=pd.Series(["array", missing, missing], dtype=object))
    message = r"detections, row 1: has no image, as 2 of 3 rows; wants the image of each row\."
    with pytest.raises(ValueError, match=message):
        hotspots(some, slide, width_px=80)
    with pytest.raises(ValueError, match=message):
        density_map(some, slide)


@pytest.mark.parametrize(("axis", "n"), [("x", 2), ("y", 1)])
def test_positions_that_are_nan_are_named(axis, n):
    cells = table([[90, 200], [100, 210], [110, 220], [120, 230]], image=["a", "b", "a", "a"])
    cells["image"] = cells["image"].replace("a", "array")
    cells.loc[[1, 2, 3][-n:], axis] = np.nan
    message = rf"detections: {axis} holds NaN in {n} of 3 cells, the first in row {4 - n}\."
    with pytest.raises(ValueError, match=message):
        hotspots(cells, blank(), width_px=80)
    with pytest.raises(ValueError, match=message):
        density_map(cells, blank())
    cells.loc[2:, axis] = 50
    cells.loc[1, axis] = np.nan  # on another slide
    assert hotspots(cells, blank(), width_px=500)["count"].tolist() == [3]
