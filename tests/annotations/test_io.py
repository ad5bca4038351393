"""Reading and writing cells: what comes back, how formats are told, and what is refused."""

import builtins
import json
import os
import sqlite3
import unicodedata

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from stnclf.annotations import read_annotations, resolve_image, write_annotations

WRITERS = {
    "csv": "cells.csv",
    "sliderunner": "cells.sqlite",
    "qupath": "cells.geojson",
    "midog": "cells.json",
    "grand-challenge": "cells.json",
}
#: Labels drawn at random may all differ.
pytestmark = pytest.mark.filterwarnings("ignore:.*is that the class:UserWarning")
LABELS = ["mitosis", "Größe, µm", "有丝分裂", 'a "b"', "x\ny", "a\rb", "🧬", "NA", "nan", "True"]
LABELS += ["007", "1e5", " leading", "a;b", "a\tb", "'q'", "<&>", "None", "\u2028", "-"]
IMAGES = ["001.tiff", "dir/sub/é.tif", "../up.svs", "/abs/a.tif", "a//b.tif", "C:\\x\\y.svs"]
IMAGES += [
    "d\\f.tif",
    "%20?#.svs",
    'a"b.svs',
    "a,b.svs",
    "x\r\ny.svs",
    "007",
    "./z.svs",
    "切片.ndpi",
]


def scale(format, mpp=0.23):
    """Give the resolution to the one format that counts in millimetres."""
    return {"mpp": mpp} if format == "grand-challenge" else {}


def random_positions(rng, n):
    kinds = [
        rng.uniform(-1e3, 2e5, n),
        rng.integers(0, 200_000, n).astype(float),
        rng.integers(0, 400_000, n) / 2,
        rng.uniform(0, 1e5, n).astype(np.float32).astype(float),
        rng.uniform(0, 1, n) * 10.0 ** rng.integers(-9, 9, n),
    ]
    return np.choose(rng.integers(0, len(kinds), n), kinds)


def random_table(rng, n, images=1):
    names = rng.choice(IMAGES, images, replace=False)
    table = pd.DataFrame(
        {
            "image": rng.choice(names, n).tolist(),
            "x": random_positions(rng, n),
            "y": random_positions(rng, n),
            "label": rng.choice(LABELS, n).tolist(),
        }
    )
    return table


def same(back, table):
    """Compare with the table that was written, in its columns and with its types."""
    pd.testing.assert_frame_equal(
        back[list(table.columns)], table.reset_index(drop=True), check_exact=True
    )


@pytest.mark.filterwarnings("ignore:.*which are taken for a class")
@pytest.mark.parametrize("format", WRITERS)
@pytest.mark.parametrize("seed", range(20))
def test_what_was_written_comes_back(format, seed, tmp_path):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    several = format in ("csv", "sliderunner", "midog")
    table = random_table(rng, n, images=5 if several else 1)
    if format != "midog":
        table.loc[rng.random(n) < 0.2, "label"] = None
        table.loc[0, "label"] = "🧬"  # in case that all are missing
    if format != "sliderunner":
        table["probability"] = rng.random(n)
    if format in ("csv", "qupath", "midog"):
        table["width"], table["height"] = random_positions(rng, (2, n)).clip(1, 300) + 0.1
        table["P(mitosis)"] = rng.normal(size=n)
        table["count"] = rng.integers(-5, 5, n)
        table["grade"] = rng.choice(["I", "II, III", "Ω"], n).tolist()
    if format != "grand-challenge":
        table["id"] = np.arange(7, 7 + n)
        votes = [tuple(rng.choice(LABELS, rng.integers(0, 4)).tolist()) for _ in range(n)]
        table["votes"] = votes
        table["voters"] = [tuple(f"expert ä{i}" for i in range(len(v))) for v in votes]
        sizes = {name: 10_000 + i for i, name in enumerate(table.image.unique())}
        table["image_width"] = table.image.map(sizes)
        table["image_height"] = table["image_width"] // 2
    path = tmp_path / WRITERS[format]
    assert write_annotations(table, path, format, **scale(format)) == path
    back = read_annotations(path, **scale(format))
    same(back, table)

    # A second time, the tables are equal as a whole.
    write_annotations(back, path, format, overwrite=True, **scale(format))
    pd.testing.assert_frame_equal(
        read_annotations(path, **scale(format)), back, check_exact=True, check_like=True
    )
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("format", ["sliderunner", "qupath", "midog"])
@pytest.mark.parametrize("known", [0, 1])
def test_the_size_of_an_image_may_stand_in_any_of_its_rows(format, known, tmp_path):
    table = cells(image="a.svs")
    table[["image_width", "image_height"]] = np.nan
    table.loc[known, ["image_width", "image_height"]] = [100, 70]
    path = write_annotations(table, tmp_path / WRITERS[format], format)
    back = read_annotations(path)
    assert back[["image_width", "image_height"]].to_numpy().tolist() == [[100, 70]] * 2
    table["image_height"] = [60, 70]
    with pytest.raises(ValueError, match=r"about image 'a\.svs': 'image_height' is 60 and 70\.$"):
        write_annotations(table, path, format, overwrite=True)


@pytest.mark.parametrize("name", ["MIDOG.sqlite", "TUPAC.sqlite", "MIDOG.json"])
@pytest.mark.parametrize("format", ["csv", "sliderunner", "midog"])
def test_real_tables_come_back(name, format, shared_data, tmp_path):
    table = read_annotations(shared_data(f"annotations/{name}"))
    path = write_annotations(table, tmp_path / WRITERS[format], format)
    same(read_annotations(path), table)


@pytest.mark.parametrize("format", ["qupath", "grand-challenge"])
def test_real_tables_come_back_image_by_image(format, shared_data, tmp_path):
    table = read_annotations(shared_data("annotations/MIDOG.json"))
    for image, part in list(table.groupby("image"))[:10]:
        path = tmp_path / f"{image}.{WRITERS[format]}"
        write_annotations(part, path, format, **scale(format, 0.2273))
        kept = part if format == "qupath" else part[["image", "x", "y", "label"]]
        same(read_annotations(path, **scale(format, 0.2273)), kept)


@pytest.mark.parametrize("format", WRITERS)
def test_a_table_without_rows_comes_back(format, tmp_path):
    table = pd.DataFrame({"image": [], "x": [], "y": [], "label": []})
    path = write_annotations(table, tmp_path / WRITERS[format], format, **scale(format))
    back = read_annotations(path, **scale(format))
    assert list(back.columns) == ["image", "x", "y", "label"]
    assert len(back) == 0
    assert back.dtypes[["x", "y"]].tolist() == [np.float64] * 2


def cells(**columns):
    table = {"image": "a.svs", "x": [10.0, 20.5], "y": [30.0, 4.0], "label": ["m", "n"], **columns}
    return pd.DataFrame(table)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [1.0, np.nan]}, r"table\['x'\] must be a finite number, got None, row 1"),
        ({"y": [np.inf, 1.0]}, r"table\['y'\] must be a finite number, got inf, row 0"),
        ({"x": ["1", "2"]}, r"table\['x'\] must be a finite number, got '1'"),
        ({"image": [None, "a"]}, r"table\['image'\] must be the name of an image, got None, row 0"),
        ({"image": [3, 3]}, "must be the name of an image, got 3"),
        ({"width": [-1.0, 2.0]}, r"table\['width'\] must be a length in px, got -1.0, row 0"),
        ({"width": [2.0, np.inf]}, r"table\['width'\] must be a length in px, got inf, row 1"),
        ({"when": pd.Timestamp(0)}, r"table\['when'\] must hold numbers or text, got Timestamp"),
        ({"votes": ["m", "n"]}, r"table\['votes'\] must hold tuples of names, got 'm', row 0"),
    ],
)
@pytest.mark.parametrize("format", WRITERS)
def test_bad_tables_are_refused_and_nothing_is_written(format, columns, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_annotations(cells(**columns), tmp_path / WRITERS[format], format, **scale(format))
    assert os.listdir(tmp_path) == []


def test_tables_of_another_shape_are_refused(tmp_path):
    path = tmp_path / "a.csv"
    with pytest.raises(TypeError, match="table must be a pandas DataFrame, got dict"):
        write_annotations({"x": 1}, path)
    with pytest.raises(ValueError, match=r"lacks \['y', 'label'\]"):
        write_annotations(cells().drop(columns=["y", "label"]), path)
    twice = pd.concat([cells(), cells()], axis=1)
    with pytest.raises(ValueError, match="columns of different names"):
        write_annotations(twice, path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "json"}, "format must be 'auto' or one of .* got 'json'"),
        ({"format": "voc"}, "format must be 'auto' or one of"),
        ({"path": "cells.json"}, "format must be one of .* 'cells.json' does not show it"),
        ({"size": -1}, "size must be a length in px, 0 or more, got -1"),
        ({"size": float("nan")}, "size must be a length"),
        ({"object_type": "cell"}, "object_type must be 'detection' or 'annotation', got 'cell'"),
        ({"format": "grand-challenge"}, "mpp must be the micrometres per pixel .* got None"),
        ({"format": "grand-challenge", "mpp": 0}, "mpp must be"),
        ({"format": "grand-challenge", "mpp": float("nan")}, "mpp must be"),
        ({"format": "qupath", "colors": {"m": (1, 2)}}, r"colors\['m'\] must be .* got \(1, 2\)"),
        ({"format": "qupath", "colors": {"m": "red"}}, r"colors\['m'\] must be .* got 'red'"),
        ({"format": "sliderunner", "colors": {"m": (0, 0, 256)}}, r"colors\['m'\] must be"),
    ],
)
def test_bad_arguments_are_named(arguments, message, tmp_path):
    arguments = dict(arguments)
    path = tmp_path / arguments.pop("path", "cells.csv")
    with pytest.raises(ValueError, match=message):
        write_annotations(cells(), path, **arguments)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("format", ["qupath", "grand-challenge"])
def test_files_of_one_image_refuse_two(format, tmp_path):
    table = cells(image=["a.svs", "b.svs"])
    with pytest.raises(ValueError, match=r"about one image, but table has 2 \('a.svs', 'b.svs'"):
        write_annotations(table, tmp_path / "a.json", format, **scale(format))


def test_labels_that_are_numbers_become_text(tmp_path):
    path = write_annotations(cells(label=[3, 4]), tmp_path / "a.sqlite")
    assert read_annotations(path).label.tolist() == ["3", "4"]


def test_a_file_stays_as_it_was_when_writing_fails(tmp_path, monkeypatch):
    path = write_annotations(cells(), tmp_path / "a.csv")
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_annotations(cells(x=[1, 2]), path)
    with pytest.raises(OSError, match="disk full"):
        write_annotations(cells(), tmp_path / "a.sqlite")
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.csv"]


def test_files_are_readable_by_others_as_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    path = write_annotations(cells(), tmp_path / "a.geojson")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_that_is_missing_is_named(tmp_path):
    path = tmp_path / "missing" / "a.csv"
    with pytest.raises(FileNotFoundError, match=r"the folder of .*a\.csv does not exist"):
        write_annotations(cells(), path)
    with pytest.raises(FileNotFoundError, match=r"a\.csv does not exist"):
        read_annotations(path)


def examples(folder):
    """Write a small file of every format, and give their paths."""
    for format, name in WRITERS.items():
        write_annotations(
            cells(), folder / f"{format}.{name.split('.')[1]}", format, **scale(format, 0.5)
        )
    (folder / "voc.xml").write_text(
        "<annotation><filename>a.svs</filename><object><name>m</name><bndbox><xmin>1</xmin>"
        "<ymin>2</ymin><xmax>5</xmax><ymax>6</ymax></bndbox></object></annotation>"
    )
    savemat(folder / "img1_m.mat", {"detection": [[1.0, 2.0], [3.0, 4.0]]})
    boxes = [{"bbox": [2, 3, 1, 1], "image_id": 1, "category_id": 1}]
    document = {"images": [{"id": 1, "file_name": "a"}], "categories": [{"id": 1, "name": "m"}]}
    (folder / "coco.json").write_text(json.dumps(document | {"annotations": boxes}))
    return sorted(folder.iterdir())


def test_formats_are_recognised_by_content(tmp_path):
    paths = examples(tmp_path)
    assert len(paths) == 8
    for path in paths:
        told = path.stem if path.suffix != ".mat" else "crchisto"
        table = read_annotations(path, **scale(told, 0.5))
        assert len(table) in (1, 2)
        pd.testing.assert_frame_equal(table, read_annotations(path, told, **scale(told, 0.5)))
        renamed = path.rename(path.with_suffix(".data"))
        if told == "csv":
            with pytest.raises(ValueError, match="shows no format by itself: pass format="):
                read_annotations(renamed)
        elif told != "crchisto":  # the name of its image is that of the file
            part = table.columns.drop("image")
            again = read_annotations(renamed, **scale(told, 0.5))
            pd.testing.assert_frame_equal(again[part], table[part])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"file\.json: is empty\."),
        (" \n", r"file\.json: is empty\."),
        ("no annotations", "shows no format by itself"),
        ("{}", "is JSON, but no file of"),
        ('{"images": []}', "is JSON, but no file of"),
        ("[" * 100_000, "recursion"),
        ('{"type": "FeatureCollection", "features": ', "is no JSON: Expecting value"),
        ('{"type": "Feature"}\n{"type": "Feature"}', "is no JSON: Extra data: line 2"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
    ],
)
def test_other_text_is_refused(content, message, tmp_path):
    path = tmp_path / "file.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_annotations(path)
    assert "\n" not in str(caught.value)


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is a folder without annotations"):
        read_annotations(tmp_path)


def test_a_folder_of_files_is_read_as_one_table(tmp_path):
    table = cells()
    for name in ("b.svs", "a.svs"):
        rows = table.assign(image=name)
        write_annotations(rows, tmp_path / f"{name}.geojson", slides=tmp_path)
    (tmp_path / "notes.txt").write_text("nothing of importance\n")
    found = read_annotations(tmp_path)
    assert found["image"].tolist() == ["a.svs"] * len(table) + ["b.svs"] * len(table)
    assert found["x"].tolist() == table["x"].tolist() * 2
    assert read_annotations(tmp_path, "qupath").equals(found)
    with pytest.raises(ValueError, match="is a folder: each file has an image of its own"):
        read_annotations(tmp_path, image="a.svs")
    write_annotations(table, tmp_path / "c.csv")
    with pytest.raises(ValueError, match=r"is a folder of \.csv and \.geojson files, wants"):
        read_annotations(tmp_path)
    assert read_annotations(tmp_path, "qupath").equals(found)
    for path in tmp_path.glob("*.geojson"):
        path.unlink()
    # What `stnclf scan` leaves beside a table is no table.
    (tmp_path / "c.csv.json").write_text("{}")
    assert len(read_annotations(tmp_path)) == len(table)


def test_bad_arguments_for_reading_are_named(tmp_path):
    path = write_annotations(cells(), tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"format must be 'auto' or one of .* got 'excel'"):
        read_annotations(path, "excel")
    with pytest.raises(ValueError, match=r"columns must name .* got \['z'\]"):
        read_annotations(path, columns={"z": "x"})
    midog = write_annotations(cells(), tmp_path / "a.json", "midog")
    with pytest.raises(ValueError, match="image= does not apply"):
        read_annotations(midog, image="a.svs")
    with pytest.raises(ValueError, match=r"a\.json: is JSON, but no file of qupath"):
        read_annotations(midog, "qupath")


def test_pandas_is_asked_for_by_the_name_of_its_extra(tmp_path, monkeypatch):
    table = cells()
    path = write_annotations(table, tmp_path / "a.csv")
    true_import = builtins.__import__

    def without_pandas(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError(name)
        return true_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pandas)
    with pytest.raises(ImportError, match=r"stnclf\[slides\]"):
        read_annotations(path)
    with pytest.raises(ImportError, match=r"stnclf\[slides\]"):
        write_annotations(table, path)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.svs", ["a.svs"]),
        ("01/25.tif", ["01", "25.tif"]),
        ("01\\25.tif", ["01", "25.tif"]),
        ("./a/./b.svs", ["a", "b.svs"]),
        ("a//b.svs", ["a", "b.svs"]),
        ("..a/b...svs", ["..a", "b...svs"]),
        ("größe 有.svs", ["größe 有.svs"]),
    ],
)
def test_names_below_the_root_are_resolved(name, parts, tmp_path):
    assert resolve_image(tmp_path, name) == tmp_path.joinpath(*parts)
    assert resolve_image(str(tmp_path), name) == tmp_path.joinpath(*parts)


@pytest.mark.parametrize(
    "name",
    ["../../x.svs", "..", "a/../../x.svs", "a/../x.svs", "..\\x.svs", "a\\..\\..\\x.svs"]
    + ["/etc/passwd", "\\x.svs", "C:\\x.svs", "C:x.svs", "c:/x.svs", "//server/share/x.svs"]
    + ["\\\\server\\share\\x.svs", "", ".", "/", "a\0.svs", None, 3, "../x\ny.svs"],
)
def test_names_that_lead_out_of_the_root_are_refused(name, tmp_path):
    with pytest.raises(ValueError, match="image must be a name below its folder, got ") as caught:
        resolve_image(tmp_path, name)
    assert "\n" not in str(caught.value)


def test_names_out_of_a_database_are_kept_for_the_check(tmp_path):
    path = tmp_path / "hostile.sqlite"
    write_annotations(cells(image=["../../x.svs", "/etc/x.svs"]), path)
    with sqlite3.connect(path) as database:
        assert len(database.execute("SELECT * FROM Slides").fetchall()) == 2
    database.close()
    for name in read_annotations(path).image:
        with pytest.raises(ValueError, match="image must be a name below its folder"):
            resolve_image(tmp_path, name)


@pytest.mark.parametrize("format", WRITERS)
def test_names_in_two_forms_of_unicode_are_one(format, tmp_path):
    nfd = [unicodedata.normalize("NFD", text) for text in ("K\u00f6rner", "\u00e4.svs")]
    table = pd.DataFrame(
        {"image": nfd[1], "x": [1.0, 2.0], "y": 3.0, "label": [nfd[0], "K\u00f6rner"]}
    )
    path = write_annotations(table, tmp_path / WRITERS[format], format, **scale(format))
    back = read_annotations(path, **scale(format))
    assert set(back["label"]) == {"K\u00f6rner"}
    assert set(back["image"]) == {"\u00e4.svs"}


def test_an_argument_may_have_another_form_of_unicode_than_the_file(tmp_path):
    nfc, nfd = (unicodedata.normalize(form, "Gr\u00f6\u00dfe") for form in ("NFC", "NFD"))
    (tmp_path / "a.csv").write_text(f"image,x,y,{nfd}\na.svs,1,2,m\n", encoding="utf-8")
    assert read_annotations(tmp_path / "a.csv", columns={"label": nfc})["label"].tolist() == ["m"]
    (tmp_path / "b.csv").write_text("image,x,y\na.svs,1,2\n")
    assert read_annotations(tmp_path / "b.csv", label=nfd)["label"].tolist() == [nfc]
    point = {"type": "Point", "coordinates": [1, 2]}
    feature = {"type": "Feature", "geometry": point, "properties": {nfd: "m"}}
    (tmp_path / "c.geojson").write_text(json.dumps(feature))
    table = read_annotations(tmp_path / "c.geojson", columns={"label": nfc})
    assert table["label"].tolist() == ["m"]
