"""The unit of a column, by the end of its name."""

import pytest

from stnclf.annotations import read_annotations
from stnclf.annotations._units import micrometres_of_column, names_unit


@pytest.mark.parametrize(
    ("ends", "size"),
    [
        (("um", "\u00b5m", "\u03bcm", "micron", "microns", "Micrometer", "micrometres"), "1"),
        (("mm", "millimeter", "millimetres", "MM"), "1000"),
        (("nm", "nanometer", "nanometres"), "0.001"),
        (("centimeters", "centimetre"), "10000"),
    ],
)
@pytest.mark.parametrize(
    "name",
    ["x_{}", "x {}", "x.{}", "x-{}", "x/{}", "x, {}", "x,{}", "x ({})", "x [{}]", "x in {}", "x{}_"]
    + ["x:{} ", "Centroid X {}", "{}"],
)
def test_units_stand_at_the_end_behind_anything(name, ends, size):
    for end in ends:
        column = name.format(end)
        assert str(micrometres_of_column(column)).removesuffix(".0") == size
        assert names_unit(column)


@pytest.mark.parametrize(
    "name", ["xMicrons", "centroidXMicrometers", "posUm", "CenterX\u00b5m", "xum"]
)
def test_units_may_begin_with_a_capital_letter_or_behind_the_axis(name):
    assert micrometres_of_column(name) == 1


@pytest.mark.parametrize("name", ["x_px", "x (pixels)", "Centroid X px", "xPixel", "width_px"])
def test_pixels_are_a_unit_that_is_not_converted(name):
    assert micrometres_of_column(name) is None
    assert names_unit(name)


@pytest.mark.parametrize(
    "name",
    ["x", "y", "cx", "centroid_x", "maximum", "datum", "xSum", "sum_x", "x_m", "x_in", "omicron"]
    + [
        "x0",
        "X position",
        "um_x",
        "Area \u00b5m^2",
        "area_um2",
        "comm",
        "XMAXIMUM",
        "x_column",
        "",
    ],
)
def test_other_names_name_none(name):
    assert micrometres_of_column(name) is None
    assert not names_unit(name)


@pytest.mark.parametrize("joiner", ["_{}", " ({})", "/{}", "-{}", ", {}"])
@pytest.mark.parametrize(
    ("unit", "size"), [("micrometers", 1), ("\u00b5m", 1), ("centimeter", 10_000)]
)
def test_columns_of_every_unit_become_pixels(joiner, unit, size, tmp_path):
    names = {axis: axis + joiner.format(unit) for axis in "xy"}
    path = tmp_path / "a.csv"
    path.write_text(f"image;label;{names['x']};{names['y']}\na;m;{75 / size};{50 / size}\n")
    table = read_annotations(path, columns=names, mpp=0.25)
    assert table[["x", "y"]].to_numpy().tolist() == [[300, 200]]
    with pytest.raises(ValueError, match="is not in pixels"):
        read_annotations(path, columns=names)


def test_positions_of_qupath_may_spell_their_unit_out(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("Image\tClass\tCentroid X micrometers\tCentroid Y micrometers\na\tm\t2\t3\n")
    assert read_annotations(path, mpp=0.5)[["x", "y"]].to_numpy().tolist() == [[3.5, 5.5]]
