"""What is said of scores that should not be believed."""

from __future__ import annotations

import json
import shlex
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stnclf.annotations import read_annotations, write_annotations
from stnclf.cli.cautions import (
    all_in_the_middle,
    caution_about_background,
    caution_about_balance,
    caution_about_classes,
    caution_about_doubles,
    caution_about_ignored,
    cautions_about_few_cells,
    cautions_about_scores,
)
from stnclf.cli.patch_set import PatchSet


def scores(found, guess):
    return {
        "localization": None if found is None else {"median": found},
        "center_guess": None if guess is None else {"median": guess},
    }


@pytest.mark.parametrize(
    ("found", "guess", "n"),
    [(7.0, 7.0, 1), (9.0, 7.0, 1), (6.9, 7.0, 0), (None, 7.0, 0), (3.0, None, 0), (2.0, 0.0, 0)],
)
def test_a_localizer_is_compared_with_the_guess(found, guess, n):
    cautions = cautions_about_scores({"STN": scores(found, guess), "CNN": scores(1.0, 5.0)})
    assert len(cautions) == n
    if n:
        assert cautions[0].startswith("STN finds cells no better")
        assert f"{found:.1f} px, of the guess 7.0 px): trained too little?" in cautions[0]


def test_thresholds_of_few_cells_are_named_with_their_numbers():
    def curve(n, *hits):
        levels = np.linspace(0.9, 0.1, len(hits))
        return {"n_truth": n, "threshold": levels, "true_positives": np.array(hits)}

    curves = {
        "rare": curve(4, 1, 3, 4),
        "missed": curve(12, 4, 9, 10),
        "enough": curve(10, 4, 10, 10),
        "lost": curve(3, 0, 0, 0),
        "none": curve(1),
        "not there": curve(0, 0, 0),
    }
    chosen = {"rare": 0.3, "missed": 0.3, "enough": 0.3}
    said = cautions_about_few_cells(curves, chosen)
    assert [text.partition(":")[0] for text in said] == [
        "4 true cells of 'rare', of which 3 found, decide its threshold",
        "12 true cells of 'missed', of which 9 found, decide its threshold",
        "each of the 3 true cells of 'lost' is missed",
        "the only true cell of 'none' is missed",
    ]
    assert said[2].endswith("no threshold is chosen for it")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a12m a12n b12m a21m", "1 of 4 rows has image, x and y of another, 1 with another class"),
        ("a12m a12m a12m b12m b12n", "3 of 5 rows have image, x and y of another, 1 with another"),
        ("a12m a12m b12m", "1 of 3 rows has image, x and y of another; a cell"),
        ("a12m b12m a21m a13m", None),
    ],
)
def test_rows_that_repeat_a_cell_are_counted(rows, words):
    columns = zip(*rows.split())
    caution = caution_about_doubles(pd.DataFrame(dict(zip(("image", "x", "y", "label"), columns))))
    assert caution is None if words is None else caution.startswith(words)


def test_repeated_rows_are_said_before_patches_are_cut(road, tmp_path, invoke):
    table = read_annotations(road / "cells.sqlite")[["image", "x", "y", "label"]]
    assert caution_about_doubles(table) is None
    table = pd.concat([table, table[:3], table[:1].assign(label="other")])
    write_annotations(table, tmp_path / "cells.csv")
    n = len(table)
    given = (tmp_path / "cells.csv", road / "slides")
    code, _, lines = invoke(
        "patches", *given, "-o", tmp_path / "out", "--size", 32, "--max-offset", 4
    )
    assert code == 0, lines
    words = f"caution: 4 of {n} rows have image, x and y of another, 1 with another class"
    assert sum(words in line for line in lines) == 1
    code, printed, _ = invoke("info", given[0], "--slides", given[1])
    assert code == 0
    assert f"4 of {n} rows have image, x and y of another" in printed


def test_the_middle_is_that_of_x_and_y():
    X = np.zeros((2, 11, 21, 3))

    def patches(*centers):
        return SimpleNamespace(X=X, centers=np.array(centers))

    assert all_in_the_middle(SimpleNamespace(X=X, centers=None))
    assert all_in_the_middle(patches([10, 5], [np.nan, np.nan]))
    assert not all_in_the_middle(patches([14, 5], [np.nan, np.nan]))
    assert all_in_the_middle(patches([10, 5], [10.9, 4.1]))
    assert not all_in_the_middle(patches([10, 5], [10, 6.1]))
    assert not all_in_the_middle(patches([5, 10]))


def test_a_model_is_not_scored_on_its_own_patches_in_silence(road, tmp_path, invoke):
    out, page = tmp_path / "s.json", tmp_path / "r.html"
    line = ("evaluate", road / "patches", "--model", road / "model.safetensors")
    code, _, lines = invoke(*line, "-o", out, "--report", page)
    assert (code, len(lines)) == (0, 2)
    caution = "model.safetensors was trained on these patches"
    assert lines[0].startswith(f"caution: {caution}")
    assert caution in json.loads(out.read_text(encoding="utf-8"))["cautions"][0]
    assert caution in page.read_text(encoding="utf-8")
    # Without one of them they are other patches.
    shutil.copytree(road / "patches", tmp_path / "p")
    for name in ("X", "y", "centers", "groups"):
        path = tmp_path / "p" / f"{name}.npy"
        np.save(path, np.load(path)[1:])
    code, _, lines = invoke("evaluate", tmp_path / "p", *line[2:])
    assert (code, len(lines)) == (0, 1)


@pytest.mark.parametrize(
    ("cells", "background", "n_few"),
    [
        ("aabcde", "aaaaaa", 1),
        ("aabcde", "aaaabbb", 2),
        ("aabcde", "aabbccc", 0),  # three of five
        ("aabcde", "aaaa", 0),  # fewer than slides
        ("aab", "aaa", 0),
    ],
)
def test_background_of_few_slides_gets_a_caution(cells, background, n_few):
    centers = np.array([[5.0, 5.0]] * len(cells) + [[np.nan, np.nan]] * len(background))
    groups = np.array(list(cells + background))
    patches = PatchSet(np.zeros((len(groups), 1, 1, 3)), groups, centers, groups)
    text = caution_about_background(patches, 45.2548, 32)
    if not n_few:
        assert text is None
    else:
        n = len(background)
        assert text.startswith(f"all {n} patches of background are from {n_few} of 5 slides, 'a'")
        assert "at 45.3 px or more" in text
        assert "--background-distance, 16 px or more" in text


@pytest.mark.parametrize(
    ("counts", "balance", "shown"),
    [
        ((5, 30, 25), True, None),  # 15 of 60
        ((5, 30, 26), True, "an epoch shows 15 of 61 patches, 5 of each class, for 'a'"),
        ((30, 5, 26), "fixed", "training shows 15 of 61 patches, 5 of each class, for 'b'"),
        ((5, 30, 26), False, None),
    ],
)
def test_a_rare_class_that_costs_most_patches_gets_a_caution(counts, balance, shown):
    text = caution_about_balance(np.repeat(["a", "b", "c"], counts), balance)
    assert text is None if shown is None else text.startswith(shown)


def test_cautions_are_said_where_patches_are_cut_and_trained_on(tmp_path, invoke):
    rng = np.random.default_rng(0)
    (tmp_path / "s").mkdir()
    rows = ["image,x,y,label", "0.png,20,20,a"]
    for i in range(5):
        image = rng.integers(120, 200, (120, 160, 3), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / "s" / f"{i}.png")
        if i:  # cells all over the image
            rows += [f"{i}.png,{x},{y},b" for x in range(20, 160, 40) for y in range(20, 120, 40)]
    (tmp_path / "c.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    cut = ("patches", tmp_path / "c.csv", tmp_path / "s", "-o", tmp_path / "p", "--size", 48)
    code, _, lines = invoke(*cut, "--background", 5)
    assert (code, len(lines)) == (0, 2), lines
    assert lines[1].startswith(
        "caution: all 5 patches of background are from 1 of 5 slides, '0.png'; the others have no "
        "place at 33.9 px or more"
    )
    epochs = ("--classifier-epochs", 1, "--localizer-epochs", 0, "--joint-epochs", 0)
    train = ("train", tmp_path / "p", "-o", tmp_path / "m.safetensors", "--stages", "classifier")
    code, _, lines = invoke(*train, *epochs, "--no-progress")
    assert (code, len(lines)) == (0, 2), lines
    assert lines[0].startswith("caution: an epoch shows 3 of 54 patches, 1 of each class, for 'a'")
    code, _, lines = invoke(
        *train, *epochs, "--no-progress", "--overwrite", "--set", "balance=False"
    )
    assert (code, len(lines)) == (0, 1), lines


def test_classes_that_qupath_ignores_are_named_until_someone_chooses(road, tmp_path, invoke):
    table = read_annotations(road / "cells.sqlite")[["image", "x", "y", "label"]]
    write_annotations(table, tmp_path / "plain.csv")
    table.loc[table.index[:3], "label"] = ["Ignore*", "Ignore*", "Region*"]
    truth = write_annotations(table, tmp_path / "cells.csv")
    names = sorted({*table["label"]} - {"Ignore*", "Region*"})
    chosen = [part for name in names for part in ("--label", name)]
    words = "caution: 'Ignore*', 'Region*' would count as cells, though QuPath ignores classes "
    words += f"whose names end with *; {shlex.join(chosen)} leaves them out"
    found = tmp_path / "found.csv"
    write_annotations(table.assign(probability=0.5), found)
    more = ("--size", 16, "--slide-mpp", 0.25)
    for line in (
        ("score", found, truth, "--radius-px", 6),
        ("patches", truth, road / "slides", "-o", tmp_path / "p", *more, "--overwrite"),
    ):
        code, _, lines = invoke(*line)
        assert (code, words in lines) == (0, True), lines
        code, _, lines = invoke(*line, *chosen)
        assert (code, any("QuPath" in line for line in lines)) == (0, False), lines
        line = tuple(tmp_path / "plain.csv" if part == truth else part for part in line)
        assert not any("QuPath" in line for line in invoke(*line)[2])
    (facts,) = json.loads(invoke("info", "--json", truth, road / "slides", "--slide-mpp", 0.25)[1])
    assert words.removeprefix("caution: ") in facts["cautions"]


def test_a_cell_without_a_class_is_of_none_that_qupath_ignores():
    labels = ["a", pd.NA, None, float("nan")]
    assert caution_about_ignored(labels) is None
    assert caution_about_ignored([*labels, "x*"]).endswith("; --label a leaves it out")


@pytest.mark.parametrize(
    ("there", "here", "words"),
    [
        ([0, 1], ["b", "a", "b"], "detections are '0', '1', and cells 'a', 'b': none is in both"),
        (["1.0"], ["1"], "detections are '1.0', and cells '1': none is in both"),
        ([0.0, 1.0], ["1", "2"], None),
        ([False, True], ["True", "x"], None),
        ([], ["a"], None),
    ],
)
def test_two_sides_without_a_class_in_common_get_a_caution(there, here, words):
    said = caution_about_classes(("detections", there), ("cells", here))
    assert said is None if words is None else said.startswith(words)


def test_no_class_in_common_is_said_of_tables(tmp_path, invoke):
    cells = pd.DataFrame({"image": "a.png", "x": [10, 60], "y": 20, "label": ["1", "0"]})
    cells.to_csv(tmp_path / "cells.csv", index=False)
    found = cells.assign(label=["1.0", "0.0"], probability=0.5)
    found.to_csv(tmp_path / "found.csv", index=False)
    line = ("score", tmp_path / "found.csv", tmp_path / "cells.csv", "--radius-px", 5)
    code, _, lines = invoke(*line)
    assert (code, len(lines)) == (0, 2), lines
    assert lines[1].startswith(
        f"caution: the classes of {tmp_path / 'found.csv'} are '0.0', '1.0', and those of "
        f"{tmp_path / 'cells.csv'} '0', '1': none is in both"
    )
    found.assign(label=["1", "x"]).to_csv(tmp_path / "found.csv", index=False)
    assert len(invoke(*line)[2]) == 1
