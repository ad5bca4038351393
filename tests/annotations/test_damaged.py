"""Annotation files cut short, with damaged bytes, or with anything in the place of anything."""

import copy
import json
import warnings

import numpy as np
import pytest

from stnclf.annotations import read_annotations, write_annotations
from tests.annotations.test_io import cells, examples, scale


@pytest.mark.parametrize("cut", [0, 1, 7, 40, 99, 0.3, 0.5, 0.8, 0.95])
def test_files_cut_short_are_refused_in_one_line(cut, tmp_path):
    for path in examples(tmp_path):
        whole = path.read_bytes()
        path.write_bytes(whole[: cut if cut >= 1 else int(cut * len(whole))])
        if path.suffix == ".csv" and cut not in (0, 1, 7):
            continue  # at the end of a line or within its last cell, a table is a table still
        told = path.stem if path.suffix != ".mat" else "crchisto"
        for format in ("auto", told):
            with pytest.raises(ValueError, match=path.name.replace(".", r"\.")) as caught:
                read_annotations(path, format, **scale(told, 0.5))
            assert "\n" not in str(caught.value)
            assert str(caught.value).startswith(str(path))


@pytest.mark.filterwarnings("ignore:.* left out:UserWarning", "ignore:.*like JSON:UserWarning")
@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes_give_a_table_or_a_value_error(seed, tmp_path):
    rng = np.random.default_rng(seed)
    refused = 0
    for path in examples(tmp_path):
        told = path.stem if path.suffix != ".mat" else "crchisto"
        whole = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(60):
            damaged = whole.copy()
            where = rng.integers(0, len(damaged), rng.integers(1, 6))
            damaged[where] = rng.integers(0, 256, len(where))
            path.write_bytes(damaged.tobytes())
            try:
                table = read_annotations(path, told, **scale(told, 0.5))
            except ValueError:
                refused += 1
            else:
                assert np.isfinite(table[["x", "y"]].to_numpy()).all()
    assert refused > 50


STRANGE = [None, [], {}, "x", True, -1, 1e308, np.nan, np.inf, [1, 2], [[1, 2]], "", 10**400, [3]]


def places(node, found):
    """List every (container, key) of nested lists and dicts."""
    for key in node if isinstance(node, dict) else range(len(node)):
        found.append((node, key))
        if isinstance(node[key], (dict, list)):
            places(node[key], found)
    return found


def read_or_refused(path, format):
    """Read a file; None where it is refused, in one line that names it."""
    try:
        return read_annotations(path, format)
    except ValueError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return None


POLYGON = [[0, 0], [6.5, 0], [0, 12]]
NUCLEUS = {"bbox": [[10, 20], [18, 31]], "centroid": [25.25, 13.5], "type_prob": 0.8, "type": 1}
DOCUMENTS = {
    "hovernet": {"nuc": {"4": NUCLEUS, "5": {**NUCLEUS, "type": None}}, "type_map": {"1": "m"}},
    "labelme": {
        "shapes": [
            {"label": "m", "points": POLYGON, "shape_type": "polygon"},
            {"label": "m", "points": POLYGON[:2], "shape_type": "circle"},
        ],
        "imagePath": "a.png",
        "imageWidth": 64,
    },
    "via": {
        "_via_img_metadata": {
            "a.png5": {
                "filename": "a.png",
                "regions": [
                    {
                        "shape_attributes": {"name": "circle", "cx": 1, "cy": 2, "r": 3.5},
                        "region_attributes": {"kind": {"m": True}},
                    },
                    {
                        "shape_attributes": {
                            "name": "polygon",
                            "all_points_x": [0, 6, 0],
                            "all_points_y": [0, 0, 12],
                        },
                        "region_attributes": {"kind": "m"},
                    },
                ],
            }
        }
    },
    "coco": {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "m"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "segmentation": [[0, 0, 6.5, 0, 0, 12]]},
            {
                "image_id": 1,
                "category_id": 1,
                "segmentation": {"counts": [3, 2, 5, 2], "size": [3, 4]},
            },
            {"image_id": 1, "category_id": 1, "segmentation": {"counts": "3250", "size": [3, 4]}},
        ],
    },
    "qupath": {
        "features": [
            {
                "type": "Feature",
                "geometry": {"type": "MultiPolygon", "coordinates": [[POLYGON], [POLYGON]]},
                "properties": {
                    "classification": '{"name": "m"}',
                    "childObjects": [
                        {
                            "geometry": {
                                "type": "GeometryCollection",
                                "geometries": [{"type": "Point", "coordinates": [1, 2.5]}],
                            }
                        }
                    ],
                },
            }
        ],
        "type": "FeatureCollection",
    },
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("format", DOCUMENTS)
def test_json_of_other_programs_with_any_content(format, tmp_path):
    rng = np.random.default_rng(0)
    path, read = tmp_path / "a.json", 0
    for _ in range(400):
        content = copy.deepcopy(DOCUMENTS[format])
        for _ in range(rng.integers(0, 3)):
            choices = places(content, [])
            node, key = choices[rng.integers(len(choices))]
            node[key] = copy.deepcopy(STRANGE[rng.integers(len(STRANGE))])
        path.write_text(json.dumps(content))
        table = read_or_refused(path, format)
        if table is None:
            continue
        assert np.isfinite(table[["x", "y"]].to_numpy()).all()
        read += 1
    assert 0 < read < 400


XML = {
    "asap": '<ASAP_Annotations><Annotation Type="Polygon" PartOfGroup="m"><Coordinate Order="0" '
    'X="1" Y="2"/><Coordinate Order="1" X="5" Y="2"/><Coordinate Order="2" X="5" Y="9"/>'
    "</Annotation></ASAP_Annotations>",
    "imagescope": '<Annotations><Annotation Name="m"><Region Id="1" Type="2"><Vertex X="1" Y="2"/>'
    '<Vertex X="5" Y="9"/></Region></Annotation></Annotations>',
    "ndpa": '<annotations><ndpviewstate id="1"><annotation type="pin"><x>1</x><y>2</y>'
    "</annotation></ndpviewstate></annotations>",
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("format", XML)
def test_xml_of_other_programs_with_any_characters(format, tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "a.xml"
    for _ in range(300):
        text = list(XML[format])
        for _ in range(rng.integers(0, 4)):
            text[rng.integers(len(text))] = rng.choice(list("<>/\"'&;0-.eX=\0ü "))
        path.write_text("".join(text), encoding="utf-8")
        table = read_or_refused(path, format)
        if table is not None:
            assert np.isfinite(table[["x", "y"]].to_numpy()).all()


@pytest.mark.filterwarnings("ignore:.* left out:UserWarning")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("format", ["midog", "coco", "qupath", "grand-challenge"])
def test_json_of_any_content_gives_a_table_or_a_value_error(format, seed, tmp_path):
    rng = np.random.default_rng(seed)
    table = cells(votes=[("m",), ("n", "m")], grade=["I", "II"], probability=0.5, image_width=90)
    writer = format if format != "coco" else "midog"
    path = write_annotations(table, tmp_path / "a", writer, **scale(format, 1))
    original, read = path.read_text(), 0
    for _ in range(150):
        content = json.loads(original)
        for _ in range(rng.integers(1, 3)):
            choices = places(content, [])
            node, key = choices[rng.integers(len(choices))]
            node[key] = copy.deepcopy(STRANGE[rng.integers(len(STRANGE))])
        path.write_text(json.dumps(content))
        try:
            with warnings.catch_warnings():
                # Of labels that may have been meant otherwise.
                warnings.simplefilter("ignore", UserWarning)
                table = read_annotations(path, format, **scale(format, 0.5))
        except ValueError:
            continue
        assert np.isfinite(table[["x", "y"]].to_numpy()).all()
        assert all(isinstance(name, str) for name in table.image)
        if read % 8 == 0:  # a database is brought to the disk each time
            write_annotations(table.dropna(subset="label"), tmp_path / "a.db", overwrite=True)
        read += 1
    assert 0 < read < 150
