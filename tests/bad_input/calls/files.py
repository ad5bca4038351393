"""Bad calls of save, load and the annotations' readers and writers."""

from __future__ import annotations

import numpy as np

import stnclf
from stnclf.annotations import read_annotations, resolve_image, write_annotations
from stnclf.onnx import to_onnx
from stnclf.persistence import model_card
from tests.bad_input import refused


def read(name, text=None, format="auto", **changes):
    """Read a file, which is written first where there is text for it."""

    def use(r):
        if text is not None:
            (r.folder / name).write_text(text, encoding="utf-8")
        return read_annotations(r.folder / name, format, **changes)

    return use


def write(table=None, name="new.csv", **changes):
    """Write the table that is right, with some columns changed, or another one."""

    def use(r):
        columns = r.table.assign(**table) if isinstance(table, dict) else r.table
        whole = columns if table is None or isinstance(table, dict) else table
        return write_annotations(whole, r.folder / name, **changes)

    return use


def load(data):
    def use(r):
        (r.folder / "bad.safetensors").write_bytes(data(r.model.read_bytes()))
        return stnclf.load(r.folder / "bad.safetensors")

    return use


def with_pipeline(function):
    return lambda r: function(
        stnclf.CellFeatures(), *([r.folder / "m"] * (function is stnclf.save))
    )


def changed(r, **parameters):
    """Save the classifier after some of its parameters were changed."""
    known = r.clf.get_params()
    try:
        return stnclf.save(r.clf.set_params(**parameters), r.folder / "changed.safetensors")
    finally:
        r.clf.set_params(**known)


_SAVE, _LOAD, _CARD = "persistence.save", "persistence.load", "persistence.model_card"
MODELS = [
    refused(
        _SAVE, "estimator: features", TypeError, "CellFeatures.*wants", with_pipeline(stnclf.save)
    ),
    refused(
        _SAVE,
        "estimator: not fitted",
        ValueError,
        "not fitted",
        lambda r: stnclf.save(stnclf.CiresanBaseline(), r.folder / "m"),
    ),
    refused(
        _SAVE,
        "estimator: other networks by now",
        ValueError,
        "fit anew",
        lambda r: changed(r, localizer="dense"),
    ),
    refused(
        _SAVE,
        "random_state: a generator",
        TypeError,
        "Generator",
        lambda r: changed(r, random_state=np.random.default_rng(0)),
    ),
    refused(_SAVE, "path: a number", TypeError, "got 3", lambda r: stnclf.save(r.clf, 3)),
    refused(_SAVE, "file: a folder", OSError, "images", lambda r: stnclf.save(r.clf, r.folder)),
    refused(
        _SAVE,
        "file: no such folder",
        OSError,
        "nowhere",
        lambda r: stnclf.save(r.clf, r.folder / "nowhere" / "m"),
    ),
    refused(_LOAD, "path: None", TypeError, "got None", lambda r: stnclf.load(None)),
    refused(_LOAD, "file: not there", OSError, "none", lambda r: stnclf.load(r.folder / "none")),
    refused(
        _LOAD, "file: a folder", ValueError, "no regular file", lambda r: stnclf.load(r.folder)
    ),
    refused(_LOAD, "file: empty", ValueError, "bad.safetensors.*short", load(lambda data: b"")),
    refused(
        _LOAD, "file: cut", ValueError, "bad.safetensors: cannot", load(lambda data: data[:-8])
    ),
    refused(
        _LOAD, "file: longer", ValueError, "bad.safetensors: cannot", load(lambda d: d + b"12")
    ),
    refused(
        _LOAD,
        "file: a pickle",
        ValueError,
        "bad.safetensors: cannot",
        load(lambda data: b"\x80\x04N." * 99),
    ),
    refused(
        _LOAD,
        "file: of a newer version",
        ValueError,
        "format version 9 is newer than 2",
        load(lambda data: data.replace(rb"format_version\":2", rb"format_version\":9")),
    ),
    refused(
        _LOAD, "device: a number", TypeError, "got 0", lambda r: stnclf.load(r.model, device=0)
    ),
    refused(
        _LOAD, "device: unknown", ValueError, "'gpu'", lambda r: stnclf.load(r.model, device="gpu")
    ),
    refused(_CARD, "estimator: features", TypeError, "CellFeatures", with_pipeline(model_card)),
    refused(
        _CARD,
        "file: not fitted",
        ValueError,
        "CiresanBaseline.*not fitted",
        lambda r: model_card(stnclf.CiresanBaseline()),
    ),
]

ONNX = [
    refused("onnx.to_onnx", *rest)
    for rest in (
        (
            "estimator: features",
            TypeError,
            "CellFeatures.*wants",
            lambda r: to_onnx(stnclf.CellFeatures(), r.folder / "m.onnx"),
        ),
        (
            "estimator: not fitted",
            ValueError,
            "not fitted",
            lambda r: to_onnx(stnclf.CiresanBaseline(), r.folder / "m.onnx"),
        ),
        ("path: a number", TypeError, "got 3", lambda r: to_onnx(r.clf, 3)),
        (
            "dtype: unknown",
            ValueError,
            "got 'int8'",
            lambda r: to_onnx(r.clf, r.folder / "m.onnx", dtype="int8"),
        ),
        ("file: a folder", OSError, "images", lambda r: to_onnx(r.clf, r.folder)),
        (
            "file: no such folder",
            OSError,
            "nowhere",
            lambda r: to_onnx(r.clf, r.folder / "nowhere" / "m.onnx"),
        ),
        (
            "onnx: missing",
            ImportError,
            r"stnclf\[onnx\]",
            lambda r: r.without("onnx", lambda r: to_onnx(r.clf, r.folder / "m.onnx")),
        ),
    )
]

_READ, _WRITE = "annotations.read_annotations", "annotations.write_annotations"
TABLE = "image,x,y,label\na.png,1,2,cell\n"
POINTS = '{"type": "Multiple points", "points": [{"name": "a", "point": [1, 2, 0]}]}'
READERS = [
    refused(_READ, "format: unknown", ValueError, "'csv'.*got 'xls'", read("t.csv", TABLE, "xls")),
    refused(
        _READ,
        "columns: unknown",
        ValueError,
        r"got \['depth'\]",
        read("t.csv", TABLE, columns={"depth": "z"}),
    ),
    refused(_READ, "file: not there", FileNotFoundError, "none.csv does", read("none.csv")),
    refused(
        _READ,
        "pandas: missing",
        ImportError,
        r"stnclf\[slides\]",
        lambda r: r.without("pandas", read("t.csv", TABLE)),
    ),
    refused(_READ, "file: empty", ValueError, "e.csv: has no header", read("e.csv", "")),
    refused(
        _READ, "file: no position", ValueError, "x.csv: .*'y'", read("x.csv", "image,x\na,1\n")
    ),
    refused(
        _READ,
        "file: a word for a position",
        ValueError,
        "w.csv: row 0 has 'left' for x",
        read("w.csv", "image,x,y,label\na,left,2,b\n"),
    ),
    refused(
        _READ,
        "file: a line too long",
        ValueError,
        "l.csv: row 0 has 5 cells",
        read("l.csv", "image,x,y,label\na,1,2,b,c\n"),
    ),
    refused(_READ, "file: of no format", ValueError, "n.dat: .*format=", read("n.dat", "cells")),
    refused(_READ, "file: no JSON", ValueError, "b.json: ", read("b.json", "{")),
    refused(_READ, "file: other JSON", ValueError, "o.json: is JSON, but", read("o.json", "{}")),
    refused(
        _READ, "file: no database", ValueError, "d.sqlite: ", read("d.sqlite", "x", "sliderunner")
    ),
    refused(_READ, "file: no VOC", ValueError, "v.xml: .*<html>", read("v.xml", "<html/>")),
    refused(
        _READ,
        "file: with a DTD",
        ValueError,
        "dtd.xml: .*DTD",
        read("dtd.xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><annotation/>"),
    ),
    refused(
        _READ,
        "image: of a file that names them",
        ValueError,
        "v2.xml: .*does not apply",
        read("v2.xml", "<annotation/>", image="a.png"),
    ),
    refused(_READ, "mpp: missing", ValueError, "got None", read("p.json", POINTS, image="a")),
    refused(_READ, "image: no text", ValueError, "got 3", read("t.csv", TABLE, image=3)),
    refused(_READ, "label: empty", ValueError, "got ''", read("t.csv", TABLE, label="")),
    refused(_READ, "label: of a file", ValueError, "not apply", read("t.csv", TABLE, label="m")),
    refused(
        _READ, "slides: not there", FileNotFoundError, "none", read("t.csv", TABLE, slides="none")
    ),
    refused(_READ, "slides: a number", TypeError, "got 3", read("t.csv", TABLE, slides=3)),
    refused(_READ, "mpp: not used", ValueError, "does not apply", read("t.csv", TABLE, mpp=0.5)),
    refused(
        _READ,
        "mpp: zero",
        ValueError,
        "mpp must be .*got 0",
        read("p.json", POINTS, image="a", mpp=0),
    ),
    refused(_READ, "path: a number", TypeError, "got 3", lambda r: read_annotations(3)),
    refused(_WRITE, "table: a dict", TypeError, "got tuple", write(("x", "y"))),
    refused(
        _WRITE,
        "table: no label",
        ValueError,
        r"lacks \['label'\]",
        lambda r: write_annotations(r.table.drop(columns="label"), r.folder / "new.csv"),
    ),
    refused(_WRITE, "table: NaN", ValueError, r"\['x'\].*row 0", write({"x": np.nan})),
    refused(_WRITE, "table: no image", ValueError, r"\['image'\].*row 0", write({"image": ""})),
    refused(
        _WRITE, "table: objects", ValueError, "numbers or text", write({"more": [object()] * 3})
    ),
    refused(
        _WRITE,
        "table: negative width",
        ValueError,
        r"\['width'\].*-1",
        write({"width": -1.0, "height": 2.0}),
    ),
    refused(
        _WRITE,
        "table: two images",
        ValueError,
        "image",
        write({"image": ["a", "b", "a"]}, "new.geojson"),
    ),
    refused(_WRITE, "format: not shown", ValueError, "'new.dat'", write(name="new.dat")),
    refused(_WRITE, "format: unknown", ValueError, "got 'coco'", write(format="coco")),
    refused(_WRITE, "size: negative", ValueError, "got -1", write(name="new.geojson", size=-1)),
    refused(_WRITE, "object_type: unknown", ValueError, "got 'cell'", write(object_type="cell")),
    refused(
        _WRITE,
        "colors: no colour",
        ValueError,
        "'red'",
        write(name="new.geojson", colors={"a": "red"}),
    ),
    refused(_WRITE, "mpp: not used", ValueError, "does not apply", write(mpp=0.5)),
    refused(_WRITE, "size: not used", ValueError, "does not apply", write(size=5)),
    refused(_WRITE, "slides: not used", ValueError, "does not apply", write(slides=".")),
    refused(_WRITE, "mpp: missing", ValueError, "got None", write(format="grand-challenge")),
    refused(
        _WRITE,
        "file: there already",
        FileExistsError,
        "there.sqlite exists; pass overwrite",
        write(name="there.sqlite"),
    ),
    refused(
        _WRITE,
        "pandas: missing",
        ImportError,
        r"stnclf\[slides\]",
        lambda r: r.without("pandas", write()),
    ),
    refused(_WRITE, "path: a number", TypeError, "got 3", lambda r: write_annotations(r.table, 3)),
    refused(
        "annotations.resolve_image",
        "root: None",
        TypeError,
        "got None, wants a str",
        lambda r: resolve_image(None, "a.tif"),
    ),
    *(
        refused(
            "annotations.resolve_image",
            f"image: {name!r}",
            ValueError,
            "below its folder, got",
            lambda r, name=name: resolve_image(r.folder, name),
        )
        for name in ("", "..", "/etc/a.tif", "C:\\a.tif", "a/../../b.tif", "a\0b", None, 3)
    ),
]

CASES = [*MODELS, *ONNX, *READERS]
