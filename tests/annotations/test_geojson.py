"""GeoJSON: what QuPath writes is read, and what is written is what QuPath wants."""

import json
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stnclf.annotations import read_annotations, write_annotations
from stnclf.slides import extract_patches
from tests.annotations.slides import write_scn
from tests.annotations.test_io import cells


def polygon(*points):
    return {"type": "Polygon", "coordinates": [[list(point) for point in points]]}


def feature(geometry, **properties):
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def read(tmp_path, *features, **more):
    path = tmp_path / "slide 7.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return read_annotations(path, **more)


def written(table, tmp_path, **arguments):
    return json.loads(write_annotations(table, tmp_path / "a.geojson", **arguments).read_text())


def test_qupath_counts_from_the_edge_of_the_first_pixel(tmp_path):
    # The box of the first pixel of an image, and a point in its middle.
    first = polygon((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))
    table = read(tmp_path, feature(first), feature({"type": "Point", "coordinates": [0.5, 0.5]}))
    assert table[["x", "y"]].to_numpy().tolist() == [[0, 0], [0, 0]]
    assert table.type.tolist() == ["area", "spot"]
    assert table.width[0] == table.height[0] == 1

    found = written(table, tmp_path)["features"]
    assert found[0]["geometry"] == first
    found = written(table.drop(columns=["width", "height"]), tmp_path, size=0)["features"]
    assert found[1]["geometry"] == {"type": "Point", "coordinates": [0.5, 0.5]}


def test_geometries(tmp_path):
    triangle = [(0.5, 0.5), (6.5, 0.5), (0.5, 12.5), (0.5, 0.5)]
    square = [(0.5, 0.5), (10.5, 0.5), (10.5, 10.5), (0.5, 10.5), (0.5, 0.5)]
    hole = [(5.5, 0.5), (10.5, 0.5), (10.5, 10.5), (5.5, 10.5), (5.5, 0.5)]
    away = [(100.5, 0.5), (110.5, 0.5), (110.5, 10.5), (100.5, 10.5), (100.5, 0.5)]
    table = read(
        tmp_path,
        feature(polygon(*triangle)),
        feature(polygon(*triangle[::-1])),
        feature({"type": "Polygon", "coordinates": [square, hole]}),
        feature({"type": "MultiPolygon", "coordinates": [[square], [away]]}),
        feature({"type": "LineString", "coordinates": [[0.5, 0.5], [4.5, 8.5]]}),
        feature({"type": "Point", "coordinates": [3, 4, 0]}),
        feature(polygon((5, 5), (5, 5), (5, 5), (5, 5))),
    )
    expected = [(2, 4), (2, 4), (2.5, 5), (5, 5), (105, 5), (2, 4), (2.5, 3.5), (4.5, 4.5)]
    np.testing.assert_allclose(table[["x", "y"]], expected, rtol=0, atol=1e-9)
    assert table.type.tolist() == [*["polygon"] * 3, "area", "area", "line", "spot", "polygon"]
    np.testing.assert_array_equal(table.width, [6, 6, 10, 10, 10, 4, np.nan, 0])
    np.testing.assert_array_equal(table.height, [12, 12, 10, 10, 10, 8, np.nan, 0])


def test_each_of_several_points_is_a_cell(tmp_path):
    points = {"type": "MultiPoint", "coordinates": [[1.5, 2.5], [3.5, 4.5], [5.5, 6.5]]}
    table = read(tmp_path, feature(points, classification={"name": "Mitosis"}, name="counted"))
    assert table[["x", "y"]].to_numpy().tolist() == [[1, 2], [3, 4], [5, 6]]
    assert set(table.label) == {"Mitosis"}
    assert set(table.name) == {"counted"}


@pytest.mark.parametrize(
    ("classification", "label"),
    [
        ({"name": "Mitosis", "color": [1, 2, 3]}, "Mitosis"),
        ("Mitosis", "Mitosis"),
        ({"names": ["Tumor", "Positive"]}, "Tumor: Positive"),
        ({"colorRGB": -1}, None),
        ({"names": 7, "name": "Mitosis"}, "Mitosis"),
        ({}, None),
        ("", None),
        (None, None),
        (7, "7"),
        (["Tumor", "Positive"], "Tumor: Positive"),
        ('["Tumor", "Positive"]', "Tumor: Positive"),
        ('"Tumor"', "Tumor"),
        ("null", None),
        ({"name": 7}, "7"),
    ],
)
def test_classifications(classification, label, tmp_path):
    point = {"type": "Point", "coordinates": [1, 2]}
    table = read(tmp_path, feature(point, classification=classification))
    assert table.label.tolist() == [label] or (label is None and table.label.isna().all())


def test_measurements_and_metadata(tmp_path):
    point = {"type": "Point", "coordinates": [1, 2]}
    table = read(
        tmp_path,
        feature(
            point,
            objectType="cell",
            measurements={
                "P(m)": 0.25,
                "Area µm^2": 3,
                "width": 8.5,
                "bad": "NaN",
                "big": "Infinity",
            },
            metadata={"grade": "II", "x": "here", "votes": '["m", null]'},
        ),
        # QuPath before 0.4 had a list.
        feature(
            point,
            objectType="annotation",
            measurements=[{"name": "P(m)", "value": 0.5}, {"name": []}],
        ),
        feature(point),
    )
    np.testing.assert_array_equal(table["P(m)"], [0.25, 0.5, np.nan])
    np.testing.assert_array_equal(table["Area µm^2"], [3, np.nan, np.nan])
    np.testing.assert_array_equal(table["width (measured)"], [8.5, np.nan, np.nan])
    np.testing.assert_array_equal(table["big"], [np.inf, np.nan, np.nan])
    assert table["bad"].isna().all()
    assert "width" not in table
    assert table.x.tolist() == [0.5] * 3
    assert table.grade[0] == "II"
    assert table["x (metadata)"][0] == "here"
    assert table.votes[0] == ("m", None)
    assert table.object_type.fillna("").tolist() == ["cell", "annotation", ""]


def test_names_of_images(tmp_path):
    point = feature({"type": "Point", "coordinates": [1, 2]})
    assert read(tmp_path, point).image[0] == "slide 7"
    assert read(tmp_path, point, image="x.svs").image[0] == "x.svs"
    path = write_annotations(cells(), tmp_path / "b.geojson")
    assert set(read_annotations(path).image) == {"a.svs"}
    assert set(read_annotations(path, image="x.svs").image) == {"x.svs"}


def test_one_feature_or_a_bare_list_of_them_is_read(tmp_path):
    point = feature({"type": "Point", "coordinates": [1, 2]}, classification="m")
    path = tmp_path / "a.json"
    for document in (point, [point], {"type": "FeatureCollection", "features": [point]}):
        path.write_text(json.dumps(document), encoding="utf-8-sig")
        assert read_annotations(path).label.tolist() == ["m"]


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([3], "feature 0 is no feature with geometry and properties"),
        ([{"type": "Feature", "geometry": 3}], "feature 0 is no feature"),
        ([{"type": "Feature", "properties": {}}], "feature 0 is no feature"),
        ([feature(None, childObjects=3)], "'childObjects' that are no list"),
        ([feature(None, childObjects=[3])], "feature 0, child 0 is no feature"),
        ([feature({"type": "Blob", "coordinates": []})], "geometry of type 'Blob'"),
        ([feature({"type": "GeometryCollection", "geometries": 3})], "'geometries' that are no li"),
        ([feature({"type": "GeometryCollection", "geometries": [3]})], "geometry of type None"),
        ([feature({"type": "Point"})], "feature 0 has no coordinates"),
        ([feature({"type": "Point", "coordinates": [1]})], "a point that is not two numbers"),
        ([feature({"type": "Point", "coordinates": [1, "2"]})], "a point that is not two numbers"),
        ([feature({"type": "Point", "coordinates": [1, True]})], "a point that is not two numbers"),
        ([feature({"type": "Point", "coordinates": [1, float("nan")]})], "not two numbers"),
        ([feature({"type": "Point", "coordinates": [1, 10**400]})], "not two numbers"),
        ([feature({"type": "Polygon", "coordinates": [[[1, 2], [3], [4, 5]]]})], "not two numbers"),
        ([feature({"type": "Polygon", "coordinates": [[[1, 2], [3, True]]]})], "not two numbers"),
        ([feature({"type": "Polygon", "coordinates": [[[1, 2], [3, 1e999]]]})], "not two numbers"),
        ([feature({"type": "Polygon", "coordinates": [1, 2]})], "has no coordinates"),
        ([feature({"type": "Polygon", "coordinates": 3})], "has no coordinates"),
        ([feature({"type": "Point", "coordinates": [1, 2]}, measurements=3)], "must be objects"),
        ("none", "'features' is no list"),
    ],
)
def test_broken_features_are_refused(features, message, tmp_path):
    path = tmp_path / "bad.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with pytest.raises(ValueError, match=message) as caught:
        read_annotations(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_numbers_beyond_a_float_are_refused(tmp_path):
    path = tmp_path / "bad.geojson"
    path.write_text('{"type": "Feature", "geometry": {"type": "Point", "coordinates": [1e999, 2]}}')
    with pytest.raises(ValueError, match="not two numbers"):
        read_annotations(path)


def test_detections_are_closed_boxes_of_their_size(tmp_path):
    table = cells(probability=[0.75, 0.5], width=[4.0, np.nan], height=[6.0, np.nan])
    document = written(table, tmp_path, size=20, colors={"n": (9, 8, 7)})
    assert document["type"] == "FeatureCollection"
    assert document["image"] == {"name": "a.svs"}
    first, second = document["features"]
    assert first == {
        "type": "Feature",
        "geometry": polygon((8.5, 27.5), (12.5, 27.5), (12.5, 33.5), (8.5, 33.5), (8.5, 27.5)),
        "properties": {
            "objectType": "detection",
            "classification": {"name": "m", "color": [213, 94, 0]},
            "measurements": {"probability": 0.75},
        },
    }
    ring = second["geometry"]["coordinates"][0]
    assert ring == [[11, -5.5], [31, -5.5], [31, 14.5], [11, 14.5], [11, -5.5]]
    assert second["properties"]["classification"] == {"name": "n", "color": [9, 8, 7]}


def test_properties_follow_the_columns(tmp_path):
    table = cells(
        label=["m", None],
        object_type=["annotation", None],
        name=["first", None],
        id=["0b3c", "0b3d"],
        sure=[True, False],
        ratio=[np.inf, -np.inf],
        note=["a", None],
        image_width=900,
    )
    document = written(table, tmp_path, object_type="detection")
    assert document["image"] == {"name": "a.svs", "width": 900}
    first, second = document["features"]
    assert first["id"] == "0b3c"
    assert list(first["properties"]) == [
        "objectType",
        "name",
        "classification",
        "measurements",
        "metadata",
    ]
    assert first["properties"]["objectType"] == "annotation"
    assert first["properties"]["measurements"] == {"sure": 1, "ratio": "Infinity"}
    assert first["properties"]["metadata"] == {"note": "a"}
    assert first["geometry"]["type"] == "Point"
    assert second["geometry"]["type"] == "Polygon"
    measurements = {"sure": 0, "ratio": "-Infinity"}
    assert second["properties"] == {
        "objectType": "detection",
        "measurements": measurements,
        "metadata": {"stnclf": "position only"},
    }
    assert read_annotations(tmp_path / "a.geojson").ratio.tolist() == [np.inf, -np.inf]
    assert (
        written(table.drop(columns="object_type"), tmp_path, object_type="annotation")["features"][
            1
        ]["properties"]["objectType"]
        == "annotation"
    )


@pytest.mark.parametrize("size", [0, 0.1, 50])
def test_files_are_valid_geojson(size, tmp_path):
    geojson = pytest.importorskip("geojson", reason="the package geojson checks the files")
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 1e5, (2, 50))
    table = pd.DataFrame({"image": "ä.svs", "x": x, "y": y, "label": "有丝分裂", "id": range(50)})
    path = write_annotations(table, tmp_path / "a.geojson", size=size)
    document = geojson.loads(path.read_text(encoding="utf-8"))
    assert isinstance(document, geojson.FeatureCollection)
    assert document.is_valid, document.errors()
    assert len(document["features"]) == 50
    for one in document["features"]:
        assert one["properties"]["objectType"] == "detection"
        assert one["geometry"]["type"] == ("Polygon" if size else "Point")


def test_a_multipolygon_of_a_class_is_one_cell_for_each_part(tmp_path):
    def outline(x, y):
        return [[[x, y], [x + 12, y], [x + 12, y + 12], [x, y + 11], [x, y]]]

    parts = {"type": "MultiPolygon", "coordinates": [outline(94, 94), outline(294, 114)]}
    table = read(tmp_path, feature(parts, objectType="annotation", classification="Neoplastic"))
    assert table.label.tolist() == ["Neoplastic"] * 2
    # A square of 12 without a triangle of 12 x 1 at its lower edge, two thirds to the left.
    np.testing.assert_allclose(np.diff(table[["x", "y"]], axis=0), [[200, 20]])
    x = (144 * 6 - 6 * 4) / 138
    np.testing.assert_allclose(table.x[0], 94 + x - 0.5)
    # What QuPath itself calls a cell is one, of however many parts.
    cell = read(tmp_path, feature(parts, objectType="cell", classification="Neoplastic"))
    np.testing.assert_allclose(cell[["x", "y"]], [table[["x", "y"]].mean()])
    assert cell.width.tolist() == [212]


def test_objects_within_objects_are_rows(tmp_path):
    point = {"type": "Point", "coordinates": [1.1, 2]}
    inner = feature(polygon((0, 0), (6, 0), (0, 12)), classification={"name": "mitosis"})
    cell = feature(point, objectType="detection", classification="mitosis", childObjects=[inner])
    region = polygon((0, 0), (400, 0), (400, 300), (0, 300), (0, 0))
    tumor = feature(region, classification="Tumor", childObjects=[cell, cell])
    table = read(tmp_path, tumor, cell)
    assert table.label.tolist() == ["Tumor", *["mitosis"] * 6]
    assert table.x.tolist() == [199.5, *[0.6, 1.5] * 3]
    assert table.y.tolist() == [149.5, *[1.5, 3.5] * 3]


def test_harmless_objects_are_left_out_and_counted(tmp_path):
    point = {"type": "Point", "coordinates": [3, 4]}
    good = feature(point, classification="m")
    line = {"type": "MultiLineString", "coordinates": [[[1, 1], [3, 5]], []]}
    harmless = [
        feature(None),
        feature({"type": "Polygon", "coordinates": []}),
        feature({"type": "Polygon", "coordinates": [[]]}),
        feature({"type": "MultiPolygon", "coordinates": []}),
        feature({"type": "MultiPoint", "coordinates": [[1.5, 2.5], []]}),
        feature({"type": "GeometryCollection", "geometries": []}),
        feature({"type": "GeometryCollection", "geometries": [point, line]}),
    ]
    with pytest.warns(UserWarning, match=r"slide 7\.geojson: 7 objects left out, of 11: 7 with"):
        table = read(tmp_path, good, *harmless)
    assert table[["x", "y"]].to_numpy().tolist() == [[2.5, 3.5], [1, 2], [2.5, 3.5], [1.5, 2.5]]
    # The object that stands for the image itself is no annotation.
    assert len(read(tmp_path, feature(None, objectType="root"), good)) == 1
    assert len(read(tmp_path)) == 0
    path = tmp_path / "none.geojson"
    path.write_text("[]")
    assert list(read_annotations(path).columns) == ["image", "x", "y", "label"]


def test_objects_as_the_text_of_json(tmp_path):
    # As geopandas writes what it has no type for.
    table = read(
        tmp_path,
        feature(
            {"type": "Point", "coordinates": [1, 2]},
            classification='{ "name": "Tumor", "color": [ 200, 0, 0 ] }',
            measurements='{"Area": 3.5}',
        ),
    )
    assert table.label.tolist() == ["Tumor"]
    assert table.Area.tolist() == [3.5]


def test_children_as_the_text_of_json(tmp_path):
    point = {"type": "Point", "coordinates": [1.1, 2]}
    inner = feature(polygon((0, 0), (6, 0), (0, 12)), classification="mitosis")
    cell = feature(point, classification="cell", childObjects=json.dumps([inner, inner]))
    table = read(tmp_path, feature(None, objectType="root", childObjects=json.dumps([cell])))
    assert table.label.tolist() == ["cell", "mitosis", "mitosis"]
    assert table.x.tolist() == [0.6, 1.5, 1.5]


def test_classes_under_another_name_are_pointed_out_and_read_where_asked_for(tmp_path):
    point = {"type": "Point", "coordinates": [1, 2]}
    features = [
        feature(point, type=kind, color="red", id_of_cell=i, score=0.5)
        for i, kind in enumerate(["tumour", "stroma", ""] * 5)
    ]
    with pytest.warns(UserWarning, match=r"no object has a 'classification'.*: \['type'\]"):
        assert read(tmp_path, *features).label.isna().all()
    table = read(tmp_path, *features, columns={"label": "type"})
    assert table.label.dropna().tolist() == ["tumour", "stroma"] * 5
    assert set(read(tmp_path, *features, label="m").label) == {"m"}
    mixed = read(tmp_path, feature(point, classification="m"), *features)
    assert mixed.label.dropna().tolist() == ["m"]
    with pytest.raises(ValueError, match=r"columns= applies to 'label' only here, got \['x'\]"):
        read(tmp_path, *features, columns={"x": "type"})


def test_qupath_counts_from_where_the_scanned_area_begins(tmp_path):
    pytest.importorskip("openslide", reason="knows where that is")
    pytest.importorskip("tifffile", reason="writes a slide")
    slides = tmp_path / "slides"
    slides.mkdir()
    pixels = np.full((256, 384, 3), 230, dtype=np.uint8)
    pixels[190:211, 290:311] = (70, 30, 120)
    write_scn(slides / "s.scn", pixels, 400, 300)
    path = tmp_path / "s.scn.geojson"
    box = polygon((290.5, 190.1), (311.5, 190.1), (311.5, 211.1), (290.5, 211.1), (290.5, 190.1))
    path.write_text(json.dumps(feature(box, classification="m")))

    known = read_annotations(path, slides=slides)
    assert known[["x", "y"]].to_numpy().tolist() == [[700.5, 500.1]]
    assert "origin" not in known
    unknown = read_annotations(path)
    assert unknown[["x", "y"]].to_numpy().tolist() == [[300.5, 200.1]]
    assert unknown.origin.tolist() == ["bounds"]
    for table in (known, unknown, unknown.to_dict("list")):
        X, *_ = extract_patches(table, slides, size=8, image_size=8, mpp=None)
        assert (X == (70, 30, 120)).all()
    # Written, both are what was read: to the slide's folder, from elsewhere, and unresolved.
    for table, more in ((known, {"slides": slides}), (known, {"slides": slides / "s.scn"})):
        again = write_annotations(table, tmp_path / "b.geojson", **more)
        assert json.loads(again.read_text())["features"][0]["geometry"] == box
    write_annotations(known, slides / "c.geojson")
    assert json.loads((slides / "c.geojson").read_text())["features"][0]["geometry"] == box
    write_annotations(unknown, tmp_path / "d.geojson")
    assert json.loads((tmp_path / "d.geojson").read_text())["features"][0]["geometry"] == box
    # A table of level 0 and no slide: said, not guessed.
    with pytest.warns(UserWarning, match=r"s\.scn: QuPath counts from the corner of the scanned"):
        write_annotations(known, tmp_path / "e.geojson")
    with pytest.warns(UserWarning, match="the format has no place to say so"):
        write_annotations(unknown, tmp_path / "e.sqlite")
    back = read_annotations(write_annotations(unknown, tmp_path / "e.csv"))
    assert back.origin.tolist() == ["bounds"]


def test_a_name_without_an_ending_is_that_of_the_only_slide(tmp_path):
    path = tmp_path / "case 7.geojson"
    path.write_text(json.dumps(feature({"type": "Point", "coordinates": [1.5, 2]})))
    assert read_annotations(path).image.tolist() == ["case 7"]
    Image.new("RGB", (30, 20)).save(tmp_path / "case 7.png")
    table = read_annotations(path)
    assert table.image.tolist() == ["case 7.png"]
    assert "origin" not in table


def test_many_outlines_are_read_fast(tmp_path):
    rng = np.random.default_rng(0)
    n = 4000  # a tenth of what takes 5 seconds at most
    centers = rng.uniform(0, 8e4, (n, 2)).round(2)
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    circle = 7 * np.stack([np.cos(angle), np.sin(angle)], 1)
    rings = (centers[:, None] + circle).round(3).tolist()
    path = tmp_path / "a.geojson"
    features = [feature({"type": "Polygon", "coordinates": [r]}, classification="m") for r in rings]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    features.clear()
    start = time.process_time()
    table = read_annotations(path)
    assert time.process_time() - start < 1.5
    np.testing.assert_allclose(table[["x", "y"]], centers - 0.5, atol=1e-3)


def test_positions_without_a_size_come_back_without_one(tmp_path):
    table = cells(x=[10.0, 20.5], y=[7.25, 3.0], type=["special_spot", None], stnclf=["x", None])
    path = tmp_path / "a.geojson"
    for more, shape in (
        ({}, "Polygon"),
        ({"size": 20}, "Polygon"),
        ({"size": 20, "object_type": "annotation"}, "Polygon"),
        ({"object_type": "annotation"}, "Point"),
        ({"size": 0}, "Point"),
    ):
        document = written(table.drop(columns="stnclf"), tmp_path, **more)
        assert {feature["geometry"]["type"] for feature in document["features"]} == {shape}
        path.write_text(json.dumps(document))
        back = read_annotations(path)
        assert not {"width", "height", "stnclf"} & {*back.columns}
        assert back["type"].tolist() == ["special_spot", "spot"]
        assert back[["x", "y"]].values.tolist() == table[["x", "y"]].values.tolist()
    path.write_text(json.dumps(written(table, tmp_path)))
    assert read_annotations(path).loc[0, "stnclf"] == "x"  # a column of that name is none of ours


def test_what_has_a_size_keeps_it(tmp_path):
    table = cells(width=[12.0, None], height=[9.0, None])
    document = written(table, tmp_path, object_type="annotation")
    assert [feature["geometry"]["type"] for feature in document["features"]] == ["Polygon", "Point"]
    document = written(table, tmp_path)
    ring = [[5, 5], [9, 5], [9, 6], [7, 9], [5, 9], [5, 5]]  # drawn anew in QuPath
    document["features"][1]["geometry"]["coordinates"] = [ring]
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(document))
    back = read_annotations(path)
    assert back["type"].tolist() == ["area", "polygon"]
    assert back[["width", "height"]].values.tolist() == [[12, 9], [4, 4]]
