"""Arguments: none is accepted and ignored; what the file lacks they add."""

import json
import os

import pandas as pd
import pytest

from stnclf.annotations import read_annotations, write_annotations
from stnclf.annotations._readers import FORMATS
from tests.annotations.test_io import cells, examples, scale


@pytest.mark.parametrize(
    ("argument", "value"), [("image", "a.svs"), ("columns", {"x": "y"}), ("mpp", 0.25)]
)
def test_arguments_that_do_not_apply_are_refused(argument, value, tmp_path):
    refused = 0
    for path in examples(tmp_path):
        told = path.stem if path.suffix != ".mat" else "crchisto"
        if argument in FORMATS[told].takes and (told, argument) != ("csv", "mpp"):
            continue
        with pytest.raises(ValueError, match=f"so that {argument}= does not apply") as caught:
            read_annotations(path, **{**scale(told, 0.5), argument: value})
        assert str(caught.value).startswith(f"{path}: ")
        refused += 1
    assert refused >= 4


@pytest.mark.parametrize(
    ("argument", "formats"),
    [
        ({"size": 20}, ("csv", "sliderunner", "grand-challenge")),
        ({"colors": {"m": "#000000"}}, ("csv", "midog", "grand-challenge")),
        ({"object_type": "annotation"}, ("csv", "midog", "sliderunner", "grand-challenge")),
        ({"mpp": 0.25}, ("csv", "midog", "sliderunner", "qupath")),
        ({"slides": "."}, ("csv", "midog", "sliderunner", "grand-challenge")),
    ],
)
def test_arguments_for_writing_that_do_not_apply_are_refused(argument, formats, tmp_path):
    (name,) = argument
    for format in formats:
        with pytest.raises(ValueError, match=f"{name}= does not apply to format='{format}'"):
            write_annotations(cells(), tmp_path / "out", format, **{**scale(format), **argument})
    assert os.listdir(tmp_path) == []


def test_a_class_may_be_given_where_a_file_has_none(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("image,x,y\na.svs,1,2\na.svs,3,4\n")
    assert read_annotations(path, label="mitosis").label.tolist() == ["mitosis"] * 2
    with pytest.raises(ValueError, match=r"a\.csv: has no column 'label'"):
        read_annotations(path)
    path.write_text("image,x,y,label\na.svs,1,2,\n")
    assert read_annotations(path, label="mitosis").label.tolist() == ["mitosis"]
    for path in examples(tmp_path):
        told = path.stem if path.suffix != ".mat" else "crchisto"
        if path.name != "a.csv":
            with pytest.raises(ValueError, match="names its classes, so that label= does not app"):
                read_annotations(path, label="x", **scale(told))
    for bad in ("", 3):
        with pytest.raises(ValueError, match="label must be a name, got"):
            read_annotations(path, label=bad)


def test_fifos_are_refused(tmp_path):
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"a\.csv: is no regular file"):
        read_annotations(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="is a folder, wants a file"):
        read_annotations(tmp_path, "qupath")


def test_formats_are_told_by_their_root_or_keys(tmp_path):
    path = tmp_path / "a.data"
    for text, columns in (
        ("<!-- x --><ASAP_Annotations/>", 4),
        ('<?xml version="1.0"?><Annotations/>', 4),
        ("<annotations/>", 4),
        ('{"nuc": {}}', 4),
        ('{"shapes": [], "imagePath": "a.png"}', 4),
        ('{"_via_img_metadata": {}}', 4),
        ("[]", 4),
    ):
        path.write_text(text)
        assert len(read_annotations(path).columns) == columns
    path.write_text(json.dumps([{"id": 3}]))
    with pytest.raises(ValueError, match="is JSON, but no file of"):
        read_annotations(path)


ASAP = (
    '<ASAP_Annotations><Annotations><Annotation Type="Dot" PartOfGroup="m"><Coordinates>'
    '<Coordinate Order="0" X="{x}" Y="2.5"/></Coordinates></Annotation></Annotations>'
    "</ASAP_Annotations>"
)
LABELME = (
    '{{"shapes": [{{"label": "m", "points": [[{x}, 2.5]], "shape_type": "point"}}], '
    '"imagePath": "{name}"}}'
)
HOVERNET = '{{"nuc": {{"1": {{"centroid": [{x}, 2], "type": 1}}}}, "type_map": {{"1": "m"}}}}'


@pytest.mark.parametrize(
    ("format", "ending", "text", "empty"),
    [
        ("asap", ".xml", ASAP, "<ASAP_Annotations/>"),
        ("labelme", ".json", LABELME, '{"shapes": [], "imagePath": "c"}'),
        ("hovernet", ".json", HOVERNET, '{"nuc": {}}'),
    ],
)
def test_a_folder_is_read_as_its_files_one_by_one(format, ending, text, empty, tmp_path):
    paths = [tmp_path / f"{name}{ending}" for name in "ba"]
    for i, path in enumerate(paths):
        path.write_text(text.format(x=10 * i + 3.5, name=path.stem))
    (tmp_path / "note.md").write_text("no annotations")
    table = read_annotations(tmp_path)
    alone = [read_annotations(path) for path in reversed(paths)]
    pd.testing.assert_frame_equal(table, pd.concat(alone, ignore_index=True))
    assert table["image"].tolist() == ["a", "b"]
    assert table["label"].tolist() == ["m", "m"]
    (tmp_path / f"c{ending}").write_text(empty)
    pd.testing.assert_frame_equal(read_annotations(tmp_path, format), table)
    (tmp_path / f"c{ending}").write_bytes(b"\xff{")
    with pytest.raises(ValueError, match=rf"c\{ending}: "):
        read_annotations(tmp_path)


def test_ndpa_of_a_folder_needs_its_slides(tmp_path):
    (tmp_path / "a.ndpi.ndpa").write_text("<annotations/>")
    assert len(read_annotations(tmp_path)) == 0
    (tmp_path / "b.ndpi.ndpa").write_text("<annotations><ndpviewstate/></annotations>")
    for format in ("auto", "ndpa"):
        with pytest.raises(ValueError, match=r"b\.ndpi\.ndpa: counts from the middle of its slide"):
            read_annotations(tmp_path, format)


@pytest.mark.parametrize("format", ["asap", "ndpa", "labelme"])
def test_a_folder_without_files_of_a_format_is_refused(format, tmp_path):
    (tmp_path / "note.md").write_text("no annotations")
    with pytest.raises(ValueError, match=r"is a folder|is no regular file"):
        read_annotations(tmp_path, format)


def test_a_file_of_another_format_says_of_which(tmp_path):
    for path in examples(tmp_path):
        told = path.stem if path.suffix != ".mat" else "crchisto"
        for format in FORMATS:
            if {format, told} <= {"midog", "coco"} or format == told:
                continue
            with pytest.raises(ValueError, match=r"no file of|fractions") as caught:
                read_annotations(path, format)
            text = str(caught.value).removeprefix(f"{path}: ")
            assert len(text) < 200
            if (told, format) == ("csv", "yolo"):
                continue
            names = "midog or coco" if told in ("midog", "coco") else told
            assert text.endswith(f": it looks like {names}; leave out format=.")


def test_a_folder_of_files_of_another_format_says_of_which(tmp_path):
    folder = tmp_path / "several"
    folder.mkdir()
    for name in "ab":
        write_annotations(cells(), folder / f"{name}.geojson")
    assert len(read_annotations(folder, "qupath")) == 2 * len(cells())
    hint = "it looks like qupath; leave out format=."
    for format in ("hovernet", "csv", "grand-challenge"):
        with pytest.raises(ValueError, match=f"wants a file or a folder of .* {format}: {hint}"):
            read_annotations(folder, format)
    with pytest.raises(ValueError, match=f"is a folder without files of that format: {hint}"):
        read_annotations(folder, "voc")
    with pytest.raises(ValueError, match="is a folder, wants a file"):
        read_annotations(folder, "sliderunner")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "a.csv",
            ",".join(
                ["image", "x", "y", *["z"] * 9, *(f"name {i} {'w' * 99}" for i in range(999))]
            ),
        ),
        ("a.csv", ",".join(f"name {i} {'w' * 99}" for i in range(999))),
        ("a.csv", "image,x,y,label\na,1," + "w" * 9999 + ",m\n"),
        ("a.json", json.dumps({"nuc": {"w" * 9999: {}}})),
        (
            "a.json",
            json.dumps(
                {
                    "type": "Feature",
                    "properties": {},
                    "geometry": {"type": "w" * 9999, "coordinates": []},
                }
            ),
        ),
        (
            "a.json",
            json.dumps(
                {"images": [], "annotations": [{"bbox": ["w" * 999] * 4}], "categories": []}
            ),
        ),
        ("a.xml", f"<{'w' * 9999}/>"),
        (
            "a.xml",
            f"<annotation><object><bndbox><xmin>{'w' * 999}</xmin></bndbox></object></annotation>",
        ),
    ],
)
def test_messages_quote_little_of_a_file(name, text, tmp_path):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match=r".") as caught:
        read_annotations(path)
    assert len(str(caught.value).removeprefix(f"{path}: ")) < 520
    assert str(caught.value).count("w") < 220


CVAT = (
    '<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><meta/>'
    '<image id="0" name="a.png" width="64" height="48"><box label="m" xtl="1" ytl="2" xbr="3" '
    'ybr="4"/><points label="m" points="1,2;3,4"/></image></annotations>'
)


@pytest.mark.parametrize(
    ("text", "format", "message"),
    [
        (CVAT, "ndpa", r"no file of NDPA: .*'version', 'meta', 'image'.* CVAT: .* COCO"),
        (CVAT.replace("image", "track"), "ndpa", r"no file of NDPA: .*'track'.* CVAT"),
        (
            "<annotations><note>x</note></annotations>",
            "ndpa",
            r"no file of NDPA: <annotations> holds \['note'\], wants <ndpviewstate>\. Of XML",
        ),
        (
            "<Annotations><image/></Annotations>",
            "imagescope",
            r"no file of ImageScope: <Annotations> holds \['image'\], wants <Annotation>",
        ),
        (
            "<Annotations><Annotation><Shapes/></Annotation></Annotations>",
            "imagescope",
            r"no file of ImageScope: <Annotation> holds \['Shapes'\], wants <Regions>",
        ),
        (
            "<Annotations><Annotation><Regions><Shape/></Regions></Annotation></Annotations>",
            "imagescope",
            r"no file of ImageScope: <Regions> holds \['Shape'\], wants <Region>",
        ),
        (
            "<ASAP_Annotations><Shapes/></ASAP_Annotations>",
            "asap",
            r"no file of ASAP: <ASAP_Annotations> holds \['Shapes'\], wants <Annotations>",
        ),
        (
            "<ASAP_Annotations><Annotations><Dot/></Annotations></ASAP_Annotations>",
            "asap",
            r"no file of ASAP: <Annotations> holds \['Dot'\], wants <Annotation>",
        ),
        (
            "<annotation><points/></annotation>",
            "voc",
            r"no file of Pascal VOC: <annotation> holds \['points'\], wants <object>",
        ),
    ],
)
def test_xml_of_another_program_is_no_empty_table(text, format, message, tmp_path):
    """Some programs call the root of their files by the same name as another."""
    path = tmp_path / "a.xml"
    path.write_text(text)
    for told in ("auto", format):
        with pytest.raises(ValueError, match=rf"a\.xml: is {message}") as caught:
            read_annotations(path, told)
        assert str(caught.value).count("ASAP, ImageScope, NDPA and Pascal VOC") == 1


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("<annotations/>", "ndpa"),
        ("<Annotations/>", "imagescope"),
        ("<Annotations><Annotation/></Annotations>", "imagescope"),
        ("<Annotations><Annotation><Regions/></Annotation></Annotations>", "imagescope"),
        ("<Annotations><Annotation><Attributes/><Plots/></Annotation></Annotations>", "imagescope"),
        ("<ASAP_Annotations/>", "asap"),
        ("<ASAP_Annotations><Annotations/><AnnotationGroups/></ASAP_Annotations>", "asap"),
        ("<annotation/>", "voc"),
        ("<annotation><filename>a.png</filename><size/></annotation>", "voc"),
    ],
)
def test_xml_without_annotations_is_an_empty_table(text, format, tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(text)
    for told in ("auto", format):
        assert len(read_annotations(path, told)) == 0


def test_asap_without_its_outermost_element_is_asap(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(ASAP.format(x=3.5))
    table = read_annotations(path)
    path.write_text(
        ASAP.format(x=3.5).replace("<ASAP_Annotations>", "")[: -len("</ASAP_Annotations>")]
    )
    for format in ("auto", "asap"):
        pd.testing.assert_frame_equal(read_annotations(path, format), table)
    with pytest.raises(ValueError, match="is no file of imagescope: it looks like asap"):
        read_annotations(path, "imagescope")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("", r"has no 'features'; it has \['type'\]"),
        (', "Features": [1]', r"has no 'features'; it has \['type', 'Features'\]"),
        (', "features": null', "'features' is no list"),
        (', "features": {}', "'features' is no list"),
    ],
)
def test_a_collection_without_features_is_refused(more, message, tmp_path):
    path = tmp_path / "a.geojson"
    path.write_text(f'{{"type": "FeatureCollection"{more}}}')
    for format in ("auto", "qupath"):
        with pytest.raises(ValueError, match=rf"a\.geojson: {message}"):
            read_annotations(path, format)
    path.write_text('{"type": "FeatureCollection", "features": []}')
    assert len(read_annotations(path)) == 0
