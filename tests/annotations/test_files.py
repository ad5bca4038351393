"""Files: packed or not, bounded, JSON in one pass, XML without a document type."""

import gzip
import json
import os
from decimal import Decimal

import pytest

from stnclf.annotations import _files, read_annotations
from stnclf.annotations._files import parse_json, read_bytes, read_text, read_xml, unpacked_name


def test_packed_files_are_unpacked(tmp_path):
    path = tmp_path / "a.geojson.gz"
    path.write_bytes(gzip.compress("\ufeffü".encode()))
    assert read_text(path) == "ü"
    assert read_bytes(path, 3) == b"\xef\xbb\xbf"
    assert unpacked_name(path).name == "a.geojson"
    assert unpacked_name(tmp_path / "a.svs").name == "a.svs"
    path.write_bytes(gzip.compress(b"x" * 1000)[:-9])
    with pytest.raises(ValueError, match="packed by gzip and damaged"):
        read_bytes(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_text_of_utf_16_is_known_by_its_mark(tmp_path, encoding):
    feature = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1.5, 2.5]}}
    feature["properties"] = {"classification": {"name": "\u00fc"}}
    text = json.dumps(feature, ensure_ascii=False)
    path = tmp_path / "a.geojson"
    path.write_bytes((text if encoding == "utf-16" else f"\ufeff{text}").encode(encoding))
    assert read_annotations(path)[["x", "y", "label"]].to_numpy().tolist() == [[1, 2, "\u00fc"]]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"a\.geojson: is no text in UTF-16 \(the byte"):
        read_annotations(path)


@pytest.mark.parametrize("name", ["a.csv.gz", "a.txt.gz"])
def test_packed_tables_are_read(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"image,x,y,label\na.svs,1,2,m\n"))
    assert read_annotations(path).to_dict("list") == {
        "image": ["a.svs"],
        "x": [1.0],
        "y": [2.0],
        "label": ["m"],
    }


def test_files_are_bounded(tmp_path, monkeypatch):
    path = tmp_path / "bomb.geojson.gz"
    path.write_bytes(gzip.compress(b"[" + b" " * 2**25 + b"]"))
    with pytest.raises(ValueError, match=r"bomb\.geojson\.gz: unfolds to more than 16777216 bytes"):
        read_annotations(path)
    monkeypatch.setattr(_files, "LARGEST", 10)
    path = tmp_path / "large.csv"
    path.write_text("image,x,y,label\n")
    with pytest.raises(ValueError, match=r"large\.csv: has 16 bytes; more than 10 are not read"):
        read_annotations(path)


def test_json_hands_over_one_list_and_keeps_the_rest():
    taken = []
    text = '{"a": 0.10, "list": [1.5, {"b": [2]} ,\n"]"], "c": [3], "d": {}} '
    document = parse_json(text, "list", bool, lambda item, source: taken.append((item, source)))
    assert document == {"a": Decimal("0.10"), "list": None, "c": [3], "d": {}}
    assert taken == [(1.5, "1.5"), ({"b": [2]}, '{"b": [2]}'), ("]", '"]"')]
    taken.clear()
    items = parse_json(" [1, 2]", "list", lambda item: item == 1, lambda *item: taken.append(item))
    assert items is None
    assert taken == [(1, "1"), (2, "2")]
    assert parse_json("[2, 1]", "list", lambda item: item == 1, taken.clear) == [2, 1]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[", "[1", "[1,", "[1,]", "[1}", "{1: 2}", '{"a" 1}', '{"a": 1,}', '{"a": 1]']
    + ['{"a": }', "[1] 2", '{"a": 1} {', '{"list": [1 2]}', '{"list": [1,]}', '{"list": [1'],
)
def test_broken_json_is_refused_as_by_the_json_module(text):
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    with pytest.raises(json.JSONDecodeError):
        parse_json(text, "list", lambda item: True, lambda item, source: None)


def test_the_list_may_not_come_twice():
    with pytest.raises(ValueError, match="has 'list' twice"):
        parse_json('{"list": [1], "list": [2]}', "list", bool, lambda *item: None)


@pytest.mark.parametrize("root", ["annotation", "ASAP_Annotations", "Annotations", "annotations"])
def test_no_document_type_is_read_in_any_format(root, tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(f'<!DOCTYPE {root} [<!ENTITY a "b">]><{root}>&a;</{root}>')
    with pytest.raises(ValueError, match="has a document type"):
        read_xml(path)
    with pytest.raises(ValueError, match=r"a\.xml: has a document type \(DTD\), which is refused"):
        read_annotations(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have no names here")
@pytest.mark.parametrize("name", ["a.xml", "img1_epithelial.mat", "a.txt", "a.json"])
def test_pipes_within_a_folder_are_not_waited_for(name, tmp_path):
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=str(tmp_path)):
        read_annotations(tmp_path)
    formats = {".xml": "voc", ".mat": "crchisto", ".txt": "yolo"}
    suffix = os.path.splitext(name)[1]
    if suffix in formats:
        with pytest.raises(ValueError, match="is no regular file"):
            read_annotations(tmp_path, formats[suffix])
