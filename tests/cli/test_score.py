"""``score``: the numbers of detection_score and of a count by hand; thresholds in the model."""

from __future__ import annotations

import errno
import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import stnclf
from stnclf._utils.files import write_atomically
from stnclf._utils.run import write_sidecar
from stnclf.annotations import read_annotations, write_annotations
from stnclf.metrics import detection_score
from stnclf.persistence import load, save
from stnclf.scan import scan
from stnclf.slides import Slide

HOW = {"mpp": 0.25, "nms_radius_um": 2.0}


@pytest.fixture(scope="module")
def found(road, tmp_path_factory):
    """Everything that the model finds on both slides, a table each."""
    folder = tmp_path_factory.mktemp("detections")
    estimator = stnclf.load(road / "model.safetensors")
    for name in ("a b.tif", "ü.png"):
        slide = Slide(road / "slides" / name, 0.25)
        scan(estimator, slide, min_probability=0.05, out=folder / f"{name[:-4]}.csv", **HOW)
    return folder


def by_hand(truth, found, label, radius, least=0.0):
    """Count hits, cells and detections with three loops."""
    hits = n_cells = n_found = 0
    for image in sorted(set(truth["image"])):
        cells = truth[(truth["image"] == image) & (truth["label"] == label)]
        here = found[(found["image"] == image) & (found["label"] == label)]
        here = here[here["probability"] >= least].sort_values("probability", ascending=False)
        left = [tuple(row) for row in cells[["x", "y"]].to_numpy()]
        n_cells, n_found = n_cells + len(left), n_found + len(here)
        for x, y in here[["x", "y"]].to_numpy():
            near = sorted((((x - a) ** 2 + (y - b) ** 2) ** 0.5, (a, b)) for a, b in left)
            if near and near[0][0] <= radius:
                left.remove(near[0][1])
                hits += 1
    return hits, n_cells, n_found


def test_scores_are_those_of_detection_score_and_of_a_count_by_hand(road, found, tmp_path, invoke):
    out, truth = tmp_path / "s.json", read_annotations(road / "cells.sqlite")
    line = ("score", found, road / "cells.sqlite", "-o", out)
    code, printed, lines = invoke(*line, "--radius-px", 6)
    assert (code, len(lines)) == (0, 1), lines
    assert lines[0] == f"{out}: 2 slides, radius 6 px"
    table = pd.concat(read_annotations(path) for path in sorted(found.glob("*.csv")))
    expected = detection_score(truth, table, radius_px=6)
    written = json.loads(out.read_text())
    assert written["pooled"] == expected
    assert set(written["slides"]) == {"a b.tif", "ü.png"}
    for label in ("cross", "disc"):
        hits, n_cells, n_found = by_hand(truth, table, label, 6)
        score = written["pooled"][label]
        assert (score["true_positives"], score["n_truth"], score["n_detections"]) == (
            hits,
            n_cells,
            n_found,
        )
        assert 0 < hits <= n_found
        assert f"{n_found - n_cells:+d}" in printed
        assert f"{2 * hits / (n_cells + n_found):.3f}" in printed
        for name, block in written["slides"].items():
            here = (part[part["image"] == name] for part in (truth, table))
            assert by_hand(*here, label, 6)[0] == block[label]["true_positives"]
        curve = written["curves"][label]
        k = len(curve["threshold"]) // 2
        hits, n_cells, n_found = by_hand(truth, table, label, 6, curve["threshold"][k])
        assert (curve["true_positives"][k], curve["n_detections"][k]) == (hits, n_found)
    # The radius in micrometres, by a number or by the slides themselves.
    _, _, lines = invoke(*line, "--radius", 6, "--slide-mpp", 1, "--overwrite")
    assert lines[0] == f"{out}: 2 slides, radius 6 px"  # 1 is any unit
    code, again, _ = invoke(*line, "--radius", 1.5, "--mpp", 0.25, "--overwrite")
    assert (code, again) == (0, printed)
    one = ("score", found / "a b.csv", road / "cells.sqlite")
    code, _, lines = invoke(*one, "--radius", 1.5, "--slides", road / "slides")
    assert code == 0
    assert lines[0].endswith(f"ü.png of {road / 'cells.sqlite'} not scanned, left out")


def test_a_threshold_changes_counts_but_not_the_average_precision(road, found, tmp_path, invoke):
    truth = read_annotations(road / "cells.sqlite")
    table = pd.concat(read_annotations(path) for path in sorted(found.glob("*.csv")))
    out = tmp_path / "s.json"
    line = ("score", found, road / "cells.sqlite", "--radius-px", 6, "-o", out, "--label", "cross")
    threshold = table["probability"][table["label"] == "cross"].median()
    assert invoke(*line, "--min-probability", threshold)[0] == 0
    score = json.loads(out.read_text())["pooled"]
    assert list(score) == ["cross"]
    everything = detection_score(truth, table, radius_px=6, labels=["cross"])["cross"]
    kept = detection_score(
        truth, table[table["probability"] >= threshold], radius_px=6, labels=["cross"]
    )["cross"]
    assert score["cross"] == {**kept, "average_precision": everything["average_precision"]}
    assert 0 < kept["n_detections"] < everything["n_detections"]


def test_chosen_thresholds_go_into_the_model_and_scan_takes_them(road, found, tmp_path, invoke):
    model = tmp_path / "m.safetensors"
    shutil.copy(road / "model.safetensors", model)
    # As if the less certain half of the discs were none.
    truth = read_annotations(road / "cells.sqlite")[["image", "x", "y", "label"]]
    table = pd.concat(read_annotations(path) for path in sorted(found.glob("*.csv")))
    discs = table[table["label"] == "disc"].nlargest(15, "probability")[
        ["image", "x", "y", "label"]
    ]
    truth = pd.concat([truth[truth["label"] == "cross"], discs])
    write_annotations(truth, tmp_path / "cells.csv")
    line = ("score", found, tmp_path / "cells.csv", "--radius-px", 6, "--choose", "f1")
    out = tmp_path / "s.json"
    code, printed, lines = invoke(*line, "--model", model, "-o", out)
    assert code == 0, lines
    chosen = stnclf.load(model).detection_thresholds_
    assert set(chosen) == {"cross", "disc"}
    for label, value in chosen.items():
        assert f"threshold of {label}: {value:.4f}" in printed
    written = json.loads(out.read_text())
    assert written["thresholds"] == chosen
    for label, value in chosen.items():
        hits, n_cells, n_found = by_hand(truth, table, label, 6, value)
        best = 2 * hits / (n_cells + n_found)
        assert written["pooled"][label]["f1"] == pytest.approx(best)
        for least in np.linspace(0, 1, 51):
            hits, _, n_found = by_hand(truth, table, label, 6, least)
            assert 2 * hits / max(1, n_cells + n_found) <= best + 1e-12
    slide = road / "slides" / "ü.png"
    more = ("--mpp", 0.25, "--slide-mpp", 0.25, "--nms-radius", 2)
    assert invoke("scan", model, slide, *more, "-o", tmp_path / "d.csv")[0] == 0
    taken = read_annotations(tmp_path / "d.csv")
    everything = read_annotations(found / "ü.csv")
    wanted = everything[everything["probability"] >= everything["label"].map(chosen)]
    pd.testing.assert_frame_equal(taken, wanted.reset_index(drop=True))
    again = ("scan", model, slide, *more, "--min-probability", 0, "-o", tmp_path / "e.csv")
    assert invoke(*again)[0] == 0
    assert len(read_annotations(tmp_path / "e.csv")) >= len(everything) > len(taken)
    # One class alone leaves the other's threshold.
    assert invoke(*line, "--model", model, "--label", "disc")[0] == 0
    assert stnclf.load(model).detection_thresholds_ == chosen


@pytest.mark.parametrize(
    ("fails", "written"),
    [
        ("_draw", []),
        ("check_writable", []),
        ("s.json", ["m.safetensors"]),
        ("c.png", ["m.safetensors", "s.json"]),
    ],
)
def test_a_model_keeps_its_thresholds_where_scores_or_curves_cannot_be_written(
    fails, written, road, found, tmp_path, invoke, monkeypatch
):
    """``written`` is what else may be there then."""
    model = tmp_path / "m.safetensors"
    shutil.copy(road / "model.safetensors", model)
    before = model.read_bytes()

    def write(path, data):
        if os.path.basename(path) == fails:
            raise OSError(errno.ENOSPC, "could not be written: No space left", str(path))
        write_atomically(path, data)

    def refuse(*args):
        raise OSError(errno.EACCES, "could not be written: no", str(args[-1]))

    monkeypatch.setattr("stnclf.cli.score._draw", lambda *args: b"picture")
    monkeypatch.setattr("stnclf.cli.score.write_atomically", write)
    if fails.isidentifier():
        monkeypatch.setattr(f"stnclf.cli.score.{fails}", refuse)
    line = ("score", found, road / "cells.sqlite", "--radius-px", 6, "--choose", "f1")
    line += ("-o", tmp_path / "s.json", "--plot", tmp_path / "c.png", "--model", model)
    code, printed, lines = invoke(*line)
    assert (code, printed) == (1, ""), lines
    assert "could not be written" in lines[-1]
    assert model.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == sorted({*written, "m.safetensors"})


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_curves_are_drawn(ending, road, found, tmp_path, invoke):
    pytest.importorskip("matplotlib", reason="needs the extra [plot]")
    picture = tmp_path / f"c.{ending}"
    line = ("score", found, road / "cells.sqlite", "--radius-px", 6, "--plot", picture)
    assert invoke(*line)[0] == 0
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert picture.read_bytes().startswith(start)
    assert invoke(*line)[0] == 2
    assert invoke(*line, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        ([], 2, "wants --slide-mpp or --slides for a radius in um, or --radius-px"),
        (["--radius-px", 3, "--radius", 3], 2, "--radius and --radius-px exclude each other"),
        (["--radius-px", 0], 2, "'--radius-px': got '0', wants a positive number"),
        (["--mpp", 0.25, "--radius", -1], 2, "'--radius': got '-1', wants a positive number"),
        (["--radius-px", 3, "--label", "x"], 2, "'--label': 'x' is none of 'cross', 'disc'"),
        (["--radius-px", 3, "--choose", "f1"], 2, "--choose and --model go together"),
        (["--radius-px", 3, "--plot", "x.gif"], 2, "'--plot': 'x.gif' ends with none of"),
        (["--slides", "."], 1, "a b.tif"),
    ],
)
def test_wrong_options_are_named(more, code, words, road, found, invoke, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, printed, lines = invoke("score", found, road / "cells.sqlite", *more)
    assert (status, printed, len(lines)) == (code, "", 1), lines
    assert words in lines[0]
    assert os.listdir(tmp_path) == []


def test_tables_that_are_none_of_scan_are_named(road, tmp_path, invoke):
    line = (road / "cells.sqlite", "--radius-px", 3)
    (tmp_path / "none").mkdir()
    assert "a folder without tables" in invoke("score", tmp_path / "none", *line)[2][0]
    path = tmp_path / "a.csv"
    path.write_text("image,x,y,label\nü.png,3,4,disc\n", encoding="utf-8")
    assert f"{path}: has no column probability" in invoke("score", path, *line)[2][0]
    path.write_text("image,x,y,label,probability\nz.png,3,4,disc,0.5\n", encoding="utf-8")
    assert "has no cell on the slides of" in invoke("score", path, *line)[2][0]
    # Nothing found on a slide: all of its cells are missed.
    empty = tmp_path / "ü.csv"
    empty.write_text("image,x,y,label,probability\n", encoding="utf-8")
    code, printed, _ = invoke("score", empty, *line)
    assert code == 0
    assert "0.000" in printed


@pytest.fixture
def exports(road, tmp_path):
    """The truth as QuPath writes it: a GeoJSON for each slide, named after it without ending."""
    truth = read_annotations(road / "cells.sqlite")
    (tmp_path / "gj").mkdir()
    for name in ("a b.tif", "ü.png"):
        part = truth[truth["image"] == name]
        path = tmp_path / "gj" / f"{name[:-4]}.geojson"
        write_annotations(part, path, "qupath")
        collection = json.loads(path.read_text(encoding="utf-8"))
        del collection["image"]  # which QuPath itself does not write
        path.write_text(json.dumps(collection), encoding="utf-8")
    return tmp_path / "gj"


def test_truth_named_after_its_slide_is_that_of_the_slide(road, found, exports, invoke):
    how = ("--radius-px", 6)
    expected = invoke("score", found, road / "cells.sqlite", *how)
    assert invoke("score", found, exports, *how)[:2] == expected[:2]
    one = invoke("score", found / "a b.csv", exports / "a b.geojson", *how)
    assert one[0] == 0
    assert one[1].splitlines()[-1] in expected[1]


def test_slides_of_truth_may_lie_in_folders_below(road, found, exports, tmp_path, invoke):
    for name in ("a b.tif", "ü.png"):
        (tmp_path / "deep" / name[0]).mkdir(parents=True)
        shutil.copy(road / "slides" / name, tmp_path / "deep" / name[0])
    how = ("--slide-mpp", 0.25, "--slides")
    expected = invoke("score", found, exports, *how, road / "slides")
    assert expected[0] == 0
    assert invoke("score", found, exports, *how, tmp_path / "deep")[:2] == expected[:2]


def test_folders_in_the_names_of_detections_count_for_nothing(road, found, tmp_path, invoke):
    truth = road / "cells.sqlite"
    expected = invoke("score", found, truth, "--radius-px", 6)
    table = pd.concat(read_annotations(path) for path in sorted(found.glob("*.csv")))
    table.assign(image="day1/" + table["image"]).to_csv(tmp_path / "all.csv", index=False)
    code, printed, _ = invoke("score", tmp_path / "all.csv", truth, "--radius-px", 6)
    assert (code, printed) == expected[:2]
    with_two = pd.concat([table, table.assign(image="day1/" + table["image"])])
    with_two.to_csv(tmp_path / "two.csv", index=False)
    code, _, lines = invoke("score", tmp_path / "two.csv", truth, "--radius-px", 6)
    assert code == 1
    assert "has several images of one name in different folders" in lines[0]


def test_true_cells_without_a_class_are_counted_and_said(road, found, tmp_path, invoke):
    truth = read_annotations(road / "cells.sqlite")[["image", "x", "y", "label"]]
    truth.loc[truth.index[[3, 8]], "label"] = None
    elsewhere = truth[:1].assign(image="elsewhere.png", label=None)
    pd.concat([truth, elsewhere]).to_csv(tmp_path / "t.csv", index=False)
    out = tmp_path / "s.json"
    code, _, lines = invoke("score", found, tmp_path / "t.csv", "--radius-px", 6, "-o", out)
    assert (code, len(lines)) == (0, 2), lines
    assert lines[1].startswith(f"caution: 2 cells of {tmp_path / 't.csv'} have no class: ")
    pooled = json.loads(out.read_text())["pooled"]
    table = pd.concat(read_annotations(path) for path in sorted(found.glob("*.csv")))
    assert pooled == detection_score(truth, table, radius_px=6)
    # What is found on these two counts neither way.
    known = detection_score(truth[truth["label"].notna()], table, radius_px=6)
    fewer = {k: known[k]["n_detections"] - pooled[k]["n_detections"] for k in known}
    assert sum(fewer.values()) >= 1
    assert {k: known[k]["false_positives"] - pooled[k]["false_positives"] for k in known} == fewer


def test_detections_on_slides_without_truth_are_counted_and_said(found, exports, invoke):
    os.remove(exports / "ü.geojson")
    code, _, lines = invoke("score", found, exports, "--radius-px", 6)
    n = len(read_annotations(found / "ü.csv"))
    assert (code, len(lines)) == (0, 2)
    assert (
        lines[1] == f"no cell of {exports} is on 'ü.png': the {n} detections there count as false"
    )


def test_truth_of_other_slides_is_refused_with_both_names(found, exports, invoke):
    line = ("score", found / "a b.csv", exports / "ü.geojson", "--radius-px", 6)
    code, printed, lines = invoke(*line)
    assert (code, printed, len(lines)) == (1, "", 1)
    assert "its cells are on 'ü', the detections on 'a b'" in lines[0]
    assert "--slides" in lines[0]
    assert invoke(*line, "--slides", exports / "ü.geojson")[0] != 0


def test_slides_without_a_resolution_want_an_option_of_this_command(road, found, tmp_path, invoke):
    (tmp_path / "bare").mkdir()
    with Slide(road / "slides" / "ü.png", 0.25) as slide:
        Image.fromarray(slide.read_region(0, 0, *slide.size)).save(tmp_path / "bare" / "ü.png")
    line = ("score", found / "ü.csv", road / "cells.sqlite", "--slides", tmp_path / "bare")
    code, _, lines = invoke(*line)
    assert (code, len(lines)) == (2, 1)
    assert "'ü.png' has no usable resolution" in lines[0]
    assert "pass --slide-mpp" in lines[0]


def test_a_model_with_thresholds_is_still_known_to_have_seen_its_patches(
    road, found, tmp_path, invoke
):
    model = tmp_path / "m.safetensors"
    for ending in ("", ".json"):
        shutil.copy(road / f"model.safetensors{ending}", f"{model}{ending}")
    evaluate = ("evaluate", road / "patches", "--model", model)
    (before,) = [line for line in invoke(*evaluate)[2] if "was trained on these" in line]
    line = ("score", found, road / "cells.sqlite", "--radius-px", 6, "--choose", "f1")
    assert invoke(*line, "--model", model)[0] == 0
    assert before in invoke(*evaluate)[2]


def test_thresholds_chosen_on_the_slides_of_the_training_get_a_caution(
    road, found, tmp_path, invoke
):
    model = tmp_path / "m.safetensors"
    for ending in ("", ".json"):
        shutil.copy(road / f"model.safetensors{ending}", f"{model}{ending}")
    line = ("score", found, road / "cells.sqlite", "--radius-px", 6, "--choose", "f1")
    said = [text for text in invoke(*line, "--model", model)[2] if "caution: " in text]
    assert len(said) == 1
    assert "m.safetensors was trained on 'a b', 'ü'" in said[0]
    # The same detections under the name of another slide.
    for source, name in ((found / "ü.csv", "new.csv"), (road / "cells.sqlite", "cells.csv")):
        table = read_annotations(source)
        write_annotations(table[table["image"] == "ü.png"].assign(image="new.png"), tmp_path / name)
    line = ("score", tmp_path / "new.csv", tmp_path / "cells.csv", *line[3:], "--model", model)
    code, _, lines = invoke(*line)
    assert code == 0, lines
    assert not any("caution" in text for text in lines)


def cells_of(name, n=4, **more):
    table = pd.DataFrame({"image": name, "x": np.arange(n) * 50.0, "y": 30.0, "label": "m"})
    return table.assign(**more)


def test_a_folder_of_tables_may_say_what_was_skipped_and_holds_no_table_twice(tmp_path, invoke):
    folder, truth = tmp_path / "found", tmp_path / "cells.csv"
    folder.mkdir()
    found = cells_of("a.tif", probability=0.9)
    found.to_csv(folder / "a.csv", index=False)
    cells_of("b.tif", 3, probability=0.8).to_csv(folder / "B.CSV", index=False)
    pd.concat([cells_of("a.tif"), cells_of("b.tif")]).to_csv(truth, index=False)
    (folder / "a.csv.skipped.csv").write_text("image,x,y,width,height\na.tif,0,0,9,9\n")
    code, printed, lines = invoke("score", folder, truth, "--radius-px", 5)
    assert (code, lines) == (0, [f"{folder}: 2 slides, radius 5 px"])
    assert printed.split("\n")[2].split()[:4] == ["all", "m", "8", "7"]
    found.to_csv(folder / "copy of a.csv", index=False)
    code, _, lines = invoke("score", folder, truth, "--radius-px", 5)
    assert code == 1
    assert "copy of a.csv: has detections that a.csv has too" in lines[0]


def test_a_threshold_that_few_cells_decide_gets_a_caution(road, tmp_path, invoke):
    model = tmp_path / "m.safetensors"
    shutil.copy(road / "model.safetensors", model)
    label = load(model).classes_.tolist()[-1]
    line = ("score", tmp_path / "found.csv", tmp_path / "cells.csv", "--radius-px", 5)
    for n, said in ((9, 1), (10, 0)):
        cells_of("new.tif", n).assign(label=label).to_csv(tmp_path / "cells.csv", index=False)
        found = cells_of("new.tif", n, probability=np.linspace(0.5, 0.9, n)).assign(label=label)
        found.to_csv(tmp_path / "found.csv", index=False)
        code, _, lines = invoke(*line, "--choose", "f1", "--model", model)
        caution = f"caution: 9 true cells of '{label}', of which 9 found, decide"
        assert (code, sum(text.startswith(caution) for text in lines)) == (0, said), lines
        assert not any("caution: " in text for text in invoke(*line)[2])


@pytest.mark.parametrize("kind", [int, float, bool])
def test_thresholds_go_to_classes_that_are_no_words(kind, quick_stn, blobs, tmp_path, invoke):
    X, y, centers = blobs
    classes = (y == "disc").astype(kind)
    model, table = tmp_path / "m.safetensors", tmp_path / "found.csv"
    save(quick_stn.fit(X, classes, centers=centers), model)
    labels = {"int": ["0", "1"], "float": ["0", "1"], "bool": ["False", "True"]}[kind.__name__]
    cells = cells_of("a.tif", 4).assign(label=[*labels, *labels])
    cells.assign(probability=[0.3, 0.7, 0.5, 0.8]).to_csv(table, index=False)
    cells.to_csv(tmp_path / "cells.csv", index=False)
    line = ("score", table, tmp_path / "cells.csv", "--radius-px", 5, "--choose", "f1")
    code, _, lines = invoke(*line, "--label", labels[1], "--model", model)
    assert code == 0, lines
    (chosen,) = load(model).detection_thresholds_.items()
    assert chosen == (kind(1), pytest.approx(0.7, abs=1e-5))
    assert invoke(*line, "--model", model)[0] == 0
    assert list(load(model).detection_thresholds_) == [kind(0), kind(1)]


@pytest.mark.parametrize("value", ["nan", "1.5", "-0.1"])
def test_probabilities_lie_from_0_to_1(value, tmp_path, invoke):
    for name in ("found.csv", "cells.csv"):
        cells_of("a.tif", probability=0.9).to_csv(tmp_path / name, index=False)
    line = ("score", tmp_path / "found.csv", tmp_path / "cells.csv", "--radius-px", 5)
    code, _, lines = invoke(*line, "--min-probability", value)
    assert code == 2
    assert f"'--min-probability': got {value}, wants a number from 0 to 1" in lines[0]


@pytest.mark.parametrize(("name", "refused"), [("a.mrxs", True), ("a.tif", False)])
def test_tables_must_count_from_one_place(name, refused, tmp_path, invoke):
    cells_of(name, probability=0.9).to_csv(tmp_path / "found.csv", index=False)
    cells_of(name, origin="bounds").to_csv(tmp_path / "cells.csv", index=False)
    line = ("score", tmp_path / "found.csv", tmp_path / "cells.csv", "--radius-px", 5)
    code, _, lines = invoke(*line)
    assert code == refused, lines
    assert ("cells.csv: positions on 'a.mrxs' count from the corner" in lines[0]) == refused
    both = cells_of(name, origin="bounds", probability=0.9)
    both.to_csv(tmp_path / "found.csv", index=False)
    assert invoke(*line)[0] == 0


def test_a_resolution_that_contradicts_the_slides_is_said(road, found, invoke):
    line = ("score", found, road / "cells.sqlite", "--slides", road / "slides")
    caution = "caution: --slide-mpp 0.5 is used in"
    for more, said in ((("--slide-mpp", 0.5), 1), (("--mpp", 0.5), 1), (("--mpp", 0.25), 0)):
        code, _, lines = invoke(*line, *more)
        cautions = [text for text in lines if text.startswith(caution)]
        assert (code, len(cautions)) == (0, said), lines


def test_the_resolution_is_named_as_in_scan(tmp_path, invoke):
    cells_of("a.tif").to_csv(tmp_path / "cells.csv", index=False)
    # 6 px of 0.5 um are 3 um, 6 px of 2 um are 12 um.
    moved = cells_of("a.tif", probability=0.9)
    moved.assign(x=moved["x"] + 6).to_csv(tmp_path / "found.csv", index=False)
    line = ("score", tmp_path / "found.csv", tmp_path / "cells.csv")
    for option in ("--slide-mpp", "--mpp"):
        for mpp, recall in ((0.5, "1.000"), (2, "0.000")):
            printed = invoke(*line, option, mpp)[1]
            assert dict(zip(*map(str.split, printed.splitlines()[::2])))["recall"] == recall


def test_a_lower_scan_is_advised_where_there_may_be_more_below(road, tmp_path, invoke):
    """Every detection is right, so that the best threshold keeps all."""
    shutil.copy(road / "model.safetensors", tmp_path / "m.safetensors")
    cells, table = tmp_path / "cells.csv", tmp_path / "d.csv"
    rows = [f"a.png,{20 * i},40,disc" for i in range(1, 13)]
    cells.write_text("\n".join(["image,x,y,label", *rows]) + "\n", encoding="utf-8")
    rows = [f"{row},{0.99 - 0.01 * i:.2f}" for i, row in enumerate(rows)]  # to 0.88
    table.write_text("\n".join(["image,x,y,label,probability", *rows]) + "\n", encoding="utf-8")
    line = ("score", table, cells, "--radius-px", 6, "--choose", "f1")
    for limit, advised in ((None, True), (0.87, True), (0.05, False), ([0.05, 0.87], True)):
        if limit is not None:
            write_sidecar(os.fspath(table), {"command": "scan", "min_probability": limit})
        code, _, lines = invoke(*line, "--model", tmp_path / "m.safetensors")
        assert code == 0, lines
        assert any("scan with a lower --min-probability" in text for text in lines) == advised
        assert len(lines) == 1 + advised
