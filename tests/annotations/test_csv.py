"""Tables with named columns: whichever separator and order, and what is missing is named."""

import csv

import numpy as np
import pandas as pd
import pytest

from stnclf.annotations import read_annotations, write_annotations


def read(tmp_path, text, encoding="utf-8", **more):
    path = tmp_path / "cells.csv"
    path.write_bytes(text.encode(encoding))
    return read_annotations(path, **more)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_separators_line_ends_and_marks(separator, ending, encoding, tmp_path):
    lines = [
        ["label", "y", "x", "image", "n"],
        ["m", "2", "1.5", '"ä, b; c"', "3"],
        ["", "4", "-3e1", "b", ""],
    ]
    text = "".join(separator.join(line) + ending for line in lines)
    table = read(tmp_path, text, encoding)
    assert list(table.columns) == ["image", "x", "y", "label", "n"]
    assert table.image.tolist() == ["ä, b; c", "b"]
    assert table.x.tolist() == [1.5, -30]
    assert table.y.tolist() == [2, 4]
    assert table.label.isna().tolist() == [False, True]
    np.testing.assert_array_equal(table.n, [3, np.nan])


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas(tmp_path, separator):
    text = "image;x;y;label;probability;n;note;width\na,1;1,5;-2;m,1;0,125;3;1,2,3;8,250\n"
    text += "a,1;7;2,25e1;1,5;1;4;x;9\n"
    table = read(tmp_path, text.replace(";", separator))
    assert table[["x", "y", "probability", "n", "width"]].to_numpy().tolist() == [
        [1.5, -2, 0.125, 3, 8.25],
        [7, 22.5, 1, 4, 9],
    ]
    assert table[["image", "label", "note"]].to_numpy().tolist() == [
        ["a,1", "m,1", "1,2,3"],
        ["a,1", "1,5", "x"],
    ]


def test_a_table_may_say_to_excel_what_separates_it(tmp_path):
    table = read(tmp_path, "sep=;\r\nimage;x;y;label\r\na;1;2;m\r\n")
    assert table.to_numpy().tolist() == [["a", 1.0, 2.0, "m"]]


def test_columns_are_chosen_by_name(tmp_path):
    text = "slide,cx,cy,kind,label,\na.svs,1,2,m,old,9\n"
    names = {"image": "slide", "x": "cx", "y": "cy", "label": "kind"}
    table = read(tmp_path, text, columns=names)
    assert table.to_dict("list") == {"image": ["a.svs"], "x": [1.0], "y": [2.0], "label": ["m"]}


def test_sizes_are_chosen_by_name_too(tmp_path):
    names = {"width": "w", "height": "box h"}
    table = read(tmp_path, "image,x,y,label,w,box h\na,10,20,m,4,7.5\na,1,2,m,,3\n", columns=names)
    np.testing.assert_array_equal(table["width"], [4, np.nan])
    assert table["height"].tolist() == [7.5, 3]
    assert list(table.columns) == ["image", "x", "y", "label", "width", "height"]
    # In the unit of x and y, unless they say another one.
    text = "image,x_um,y_um,label,w,box h\na,10,20,m,4,7.5\n"
    names |= {"x": "x_um", "y": "y_um"}
    table = read(tmp_path, text, columns=names, mpp=0.25)
    assert table[["x", "y", "width", "height"]].to_numpy().tolist() == [[40, 80, 16, 30]]
    with pytest.raises(ValueError, match="'x_um' and 'w_px' in different units"):
        read(tmp_path, text.replace("w,", "w_px,"), columns=names | {"width": "w_px"}, mpp=0.25)
    with pytest.raises(ValueError, match="row 0 has 'big' for width"):
        read(tmp_path, "image,x,y,label,w\na,1,2,m,big\n", columns={"width": "w"})


@pytest.mark.parametrize(
    "names",
    [
        ("xmin", "ymin", "xmax", "ymax"),
        ("x_min", "Y_Min", "X max", "ymax"),
        ("left", "top", "right", "bottom"),
        ("x1", "y1", "x2", "y2"),
        ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"),
    ],
)
def test_corners_are_boxes(names, tmp_path):
    a, b, c, d = names
    # In the order in which object detection has them, with the size of the image.
    text = f"image,width,height,label,{a},{c},{b},{d},note\na.png,640,480,m,10,13,20,27.5,n\n"
    table = read(tmp_path, text)
    assert table.to_dict("list") == {
        "image": ["a.png"],
        "x": [11.5],
        "y": [23.75],
        "label": ["m"],
        "image_width": [640],
        "image_height": [480],
        "note": ["n"],
        "width": [3.0],
        "height": [7.5],
    }
    again = write_annotations(table, tmp_path / "again.csv")
    pd.testing.assert_frame_equal(read_annotations(again), table, check_dtype=False)


def test_corners_may_have_decimal_commas_and_no_rows(tmp_path):
    text = "image;label;xmin;ymin;xmax;ymax\n"
    table = read(tmp_path, text + "a;m;1,5;2;4,5;8\n")
    assert table[["x", "y", "width", "height"]].to_numpy().tolist() == [[3, 5, 3, 6]]
    assert len(read(tmp_path, text)) == 0


def test_a_middle_goes_before_corners(tmp_path):
    text = "image,label,x,y,xmin,ymin,xmax,ymax\na,m,7,8,1,2,3,4\n"
    table = read(tmp_path, text)
    assert table.loc[0, ["x", "y", "xmax"]].tolist() == [7, 8, 3]
    text = text.replace("x,y,", "cx,cy,", 1)
    assert read(tmp_path, text, columns={"x": "cx", "y": "cy"}).x.tolist() == [7]
    assert "width" not in read(tmp_path, text, columns={"x": "cx", "y": "cy"})


def test_the_image_may_be_given(tmp_path):
    assert read(tmp_path, "x,y,label\n1,2,m\n", image="a.svs").image.tolist() == ["a.svs"]
    assert read(tmp_path, "image,x,y,label\nb,1,2,m\n", image="a.svs").image.tolist() == ["a.svs"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "image,x,label\na,1,m\n",
            r"has no column 'y'; it has \['image', 'x', 'label'\]\. .* columns={'y'",
        ),
        (
            "slide,cx,y,label\n",
            r"has no column \['image', 'x'\]; .*columns={'image': \.\.\., 'x': \.",
        ),
        # Not the corner: x and y are the middle.
        ("image,label,xmin,ymin,w,h\n", "x and y are the middle .* want all of 'xmin', 'ymin', "),
        ("image,label,xmin,ymin,xmax,ymax,x1,y1,x2,y2\n", "x and y are the middle of a cell"),
        ("image,label,x1,X1,y1,x2,y2\n", "x and y are the middle of a cell"),
        ("image,label,xmin,ymin,xmax,ymax\na,m,.1,.2,.3,1\n", "0 to 1, shares of the image"),
        ("image,label,xmin,ymin,xmax,ymax\na,m,5,2,3,4\n", "row 0 has a box that .* xmin is 5, "),
        ("image,label,xmin,ymin,xmax,ymax\na,m,5,2,6,1\n", "begins: ymin is 2, ymax 1"),
        ("image,label,xmin,ymin,xmax,ymax\na,m,5,2,x,4\n", "row 0 has 'x' for xmax"),
        ("image,label,xmin,ymin,xmax,ymax\na,m,5,2,inf,4\n", "row 0 has inf for xmax"),
        ("", "has no header"),
        ("\n\n", "has no header"),
        ("image,x,y,label,x\n", r"has several columns of one name: \['x'\]"),
        ("image,x,y,label\na,1,2\n", "row 0 has 3 cells under 4 names"),
        ("image,x,y,label\na,1,2,m\na,1,2,m,5\n", "row 1 has 5 cells under 4 names"),
        ("image,x,y,label\na,one,2,m\n", "row 0 has 'one' for x, which is no number"),
        ("image,x,y,label\na,1,,m\n", "row 0 has '' for y, which is no number"),
        ("image,x,y,label\na,1_0,2,m\n", "row 0 has '1_0' for x"),
        ("image,x,y,label\na,1,nan,m\n", "annotation 0 of 1 is at x=1.0, y=nan"),
        ("image,x,y,label\na,1,2,m\na,inf,2,m\n", "annotation 1 of 2 is at x=inf"),
        ("image,x,y,label\n,1,2,m\n", "annotation 0 of 1 names no image"),
        ("image;x;y;label\na;1,234;2;m\n", "row 0 has '1,234' for x"),  # or 1234?
        ("image,x,y,label,width\na,1,2,m,-3\n", "annotation 0 of 1 has the width -3, which is no"),
        (
            "image,x,y,label,height\na,1,2,m,3\na,1,2,m,big\n",
            "row 1 has 'big' for height",
        ),
        ("image,x,y,label,width\na,1,2,m,inf\n", "has the width inf"),
        ('image,x,y,label\n"a,1,2,m\n', "is no table: unexpected end of data"),
    ],
)
def test_broken_tables_are_refused(text, message, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'cells.csv'}: ")
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"cells\.csv: is no text in UTF-8 \(the byte 0xe4 at 16\)"
    ):
        read(tmp_path, "image,x,y,label\nä,1,2,m\n", "latin-1")


def test_further_columns_get_the_type_that_they_look_like(tmp_path):
    text = "image,x,y,label,a,b,c,d,e,f,g\n"
    text += "i,1,2,007,007,1,1.5,True,x,,99999999999999999999\ni,1,2,08,8,-2,.5e-3,False,,,1\n"
    table = read(tmp_path, text)
    assert table.label.tolist() == ["007", "08"]
    assert table.a.tolist() == ["007", "8"]
    assert table.b.tolist() == [1, -2]
    assert table.b.dtype == np.int64
    assert table.c.tolist() == [1.5, 0.0005]
    assert table.d.tolist() == [True, False]
    assert table.d.dtype == bool
    assert table.e.fillna("-").tolist() == ["x", "-"]
    assert "f" not in table
    assert table.g.tolist() == ["99999999999999999999", "1"]


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (
            ["1234567890123456789", "1234567890123456788"],
            [1234567890123456789, 1234567890123456788],
        ),
        (["9223372036854775807", "-9223372036854775808"], [2**63 - 1, -(2**63)]),
        (["9223372036854775808", "7"], ["9223372036854775808", "7"]),
        (["7", "-9223372036854775809"], ["7", "-9223372036854775809"]),
        (["1" * 5000, "2"], ["1" * 5000, "2"]),
        (["1234567890123456789", ""], [1234567890123456789, None]),  # not a float beside a gap
        (["9007199254740993", ""], [2**53 + 1, None]),
        (["9007199254740993", "inf", "-2"], [2**53 + 1, float("inf"), -2]),
    ],
)
def test_long_whole_numbers_keep_every_digit(texts, values, tmp_path):
    rows = "".join(f"a.svs,{i},2,m,{text}\n" for i, text in enumerate(texts))
    table = read(tmp_path, f"image,x,y,label,id\n{rows}")
    assert table.id.tolist() == values
    back = read_annotations(write_annotations(table, tmp_path / "again.csv"))
    pd.testing.assert_frame_equal(back, table)


def test_long_whole_numbers_of_a_folder_keep_every_digit(tmp_path):
    texts = ("image,x,y,label,id,n\na,1,2,m,1234567890123456789,3\n", "image,x,y,label\nb,3,4,m\n")
    for name, text in zip("ab", texts):
        (tmp_path / f"{name}.csv").write_text(text)
    table = read_annotations(tmp_path)
    assert table.id.tolist()[0] == 1234567890123456789
    assert table.id.isna().tolist() == [False, True]
    np.testing.assert_array_equal(table.n, [3, np.nan])
    assert table.n.dtype == np.float64


def test_long_lengths_are_numbers(tmp_path):
    table = read(tmp_path, f"image,x,y,label,width\na,1,2,m,{10**20}\n")
    assert table.width.tolist() == [1e20]


def test_numbers_that_are_none_are_numbers_as_other_programs_write_them(tmp_path):
    text = "image,x,y,label,a,b,width\ni,1,2,m,NaN,Infinity,NaN\ni,1,2,m,1.5,-inf,7\n"
    table = read(tmp_path, text)
    np.testing.assert_array_equal(table.a, [np.nan, 1.5])
    np.testing.assert_array_equal(table.b, [np.inf, -np.inf])
    np.testing.assert_array_equal(table.width, [np.nan, 7])


def test_a_table_is_written_as_any_program_reads_it(tmp_path):
    table = pd.DataFrame(
        {"image": ["a", "b"], "x": [0.1, 2.0], "y": [1 / 3, -4.0], "label": ["m, n", None]}
    ).assign(votes=[("m", "n"), None])
    path = write_annotations(table, tmp_path / "a.csv")
    assert path.read_bytes().count(b"\r\n") == 3
    with open(path, newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            ["image", "x", "y", "label", "votes"],
            ["a", "0.1", "0.3333333333333333", "m, n", '["m", "n"]'],
            ["b", "2.0", "-4.0", "", ""],
        ]
    back = read_annotations(path)
    assert back.votes.tolist() == [("m", "n"), None]


def test_the_table_of_a_real_data_set(shared_data):
    path = shared_data("amibr/AMI-BR.csv")
    table = read_annotations(path, columns={"image": "slide", "label": "majority_atypical"})
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(table) == len(rows)
    assert table.x.tolist() == [float(row["x"]) for row in rows]
    assert table.image.tolist() == [row["slide"] for row in rows]
    assert table.label.tolist() == [row["majority_atypical"] for row in rows]
    assert table.uid.tolist() == [int(row["uid"]) for row in rows]
    with pytest.raises(ValueError, match=r"has no column \['image', 'label'\]"):
        read_annotations(path)


@pytest.mark.parametrize(
    ("unit", "size"),
    [("µm", 1), ("μm", 1), ("um", 1), ("(µm)", 1), ("[mm]", 1000), ("mm", 1000), ("nm", 0.001)],
)
@pytest.mark.parametrize("space", [" ", "_"])
def test_columns_that_name_their_unit_are_converted(unit, size, space, tmp_path):
    text = f"image,x{space}{unit},y{space}{unit},label\na,{75.125 / size:.9g},{50 / size:.9g},m\n"
    names = {axis: f"{axis}{space}{unit}" for axis in "xy"}
    table = read(tmp_path, text, columns=names, mpp=0.25)
    assert table[["x", "y"]].to_numpy().tolist() == [[300.5, 200]]
    with pytest.raises(ValueError, match=r"mpp must be the micrometres per pixel .* not in pixels"):
        read(tmp_path, text, columns=names)


@pytest.mark.parametrize(("unit", "size"), [("um", 1), ("[mm]", 1000)])
def test_sizes_are_in_the_unit_of_x_and_y(unit, size, tmp_path):
    """Unless the name of their column says another."""
    text = f"image,x {unit},y {unit},width,height,width_px\n"
    text += f"a,{75.125 / size:.9g},{50 / size:.9g},{10 / size:.9g},{7.5 / size:.9g},8\n"
    text += f"a,{75.125 / size:.9g},{50 / size:.9g},,{0.25 / size:.9g},8\n"
    names = {axis: f"{axis} {unit}" for axis in "xy"}
    table = read(tmp_path, text, columns=names, mpp=0.25, label="m")
    assert table.x.tolist() == [300.5] * 2
    assert table.width[0] == 40
    assert table.width.isna().tolist() == [False, True]
    assert table.height.tolist() == [30, 1]
    assert table.width_px.tolist() == [8, 8]
    pixels = "image,x,y,width,height\na,75,50,10,7\n"
    table = read(tmp_path, pixels, label="m")
    assert table[["x", "width", "height"]].to_numpy().tolist() == [[75, 10, 7]]
    # QuPath counts positions from the edge of a pixel; a length has no such beginning.
    text = text.replace(f"x {unit}", "Centroid X µm").replace(f"y {unit}", "Centroid Y µm")
    if unit == "um":
        names = {axis: f"Centroid {axis.upper()} µm" for axis in "xy"}
        table = read(tmp_path, text, columns=names, mpp=0.25, label="m")
        assert (table.x[0], table.width[0], table.height[0]) == (300, 40, 30)


def test_measurements_of_qupath(tmp_path):
    text = "Image\tObject ID\tClassification\tCentroid X µm\tCentroid Y µm\tNucleus: Area µm^2\n"
    text += "a.svs\t1f\tm\t75.125\t50.125\t20.5\na.svs\t2f\tn\t0.125\t0.375\t21.5\n"
    table = read(tmp_path, text, mpp=0.25)
    # QuPath counts along the edges of pixels: the middle of the first one is at 0.125 um.
    assert table[["x", "y"]].to_numpy().tolist() == [[300, 200], [0, 1]]
    assert table.image.tolist() == ["a.svs"] * 2
    assert table.label.tolist() == ["m", "n"]
    assert table["Nucleus: Area µm^2"].tolist() == [20.5, 21.5]
    pixels = text.replace("Centroid X µm", "Centroid X px").replace(
        "Centroid Y µm", "Centroid Y px"
    )
    assert read(tmp_path, pixels).x.tolist() == [74.625, -0.375]
    with pytest.raises(ValueError, match="so that mpp= does not apply"):
        read(tmp_path, pixels, mpp=0.25)
    # On slides of which a part was scanned, it counts from there.
    assert read(tmp_path, pixels.replace("a.svs", "a.scn")).origin.tolist() == ["bounds"] * 2
    half = text.replace("Centroid X µm", "Centroid X px")
    with pytest.raises(ValueError, match="'Centroid X px' and 'Centroid Y µm' in different units"):
        read(tmp_path, half, mpp=0.25)


def test_the_image_is_not_given_twice(tmp_path):
    text = "slide,x,y,label\na,1,2,m\n"
    with pytest.raises(ValueError, match="image= does not apply: columns= says where 'image' is"):
        read(tmp_path, text, image="b", columns={"image": "slide"})


def test_decimal_commas_behind_what_cannot_be_thousands(tmp_path):
    """A number with thousands begins with one to three digits, and not with 0."""
    for first in ("1234,567", "-1234,567", "0,250", "1,234e2"):
        table = read(tmp_path, f"image;x;y;label\na;{first};2,125;m\n")
        assert table.x.tolist() == [float(first.replace(",", "."))]
        assert table.y.tolist() == [2.125]
    with pytest.raises(ValueError, match="row 0 has '123,456' for x"):
        read(tmp_path, "image;x;y;label\na;123,456;2,125;m\n")
