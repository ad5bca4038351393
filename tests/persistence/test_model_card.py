"""The model card says what is known, the same every time, and no name breaks its tables."""

import numpy as np
import pytest

from stnclf import CiresanBaseline, STNCellClassifier
from stnclf.persistence import model_card
from tests.conftest import QUICK


def rows(card, title):
    """Cells of the table below a title."""
    table = card.split(f"## {title}\n\n")[1].split("\n\n")[0].split("\n")
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table[2:]]


def test_the_card_of_an_stn(blobs):
    X, y, centers = blobs
    clf = STNCellClassifier(patch_size=(20, 30), validation_fraction=0.25, **QUICK)
    clf.set_params(joint_epochs=2, callbacks=[]).fit(X, y, centers=centers)
    card = model_card(clf)
    assert card.startswith("# STNCellClassifier\n\nFind the cell in a patch")
    facts = dict(rows(card, "Input and output"))
    assert facts["images"] == "24 x 36 px (height x width), 3 channels"
    assert facts["patch that the networks see"].startswith("20 x 30 px")
    assert facts["window on a cell"].startswith("10 x 15 px")
    assert facts["classes"] == "`'cross'`, `'disc'`"
    # The mean was measured on the training part; the images differ little.
    means = [float(mean) for mean in facts["channel means"].split(", ")]
    np.testing.assert_allclose(means, X.mean((0, 1, 2)) / 255, rtol=0.01)
    stages = rows(card, "Training")
    assert [row[:2] for row in stages] == [["classifier", "1"], ["localizer", "1"], ["joint", "2"]]
    last = clf.history_[-1]
    assert stages[2][2:4] == [f"{last['train_loss']:.4g}", f"{last['valid_loss']:.4g}"]
    seconds = sum(row["seconds"] for row in clf.history_[2:])
    assert float(stages[2][4]) == pytest.approx(seconds, abs=0.06)
    parameters = {row[0]: row[1:] for row in rows(card, "Parameters")}
    assert parameters["`joint_epochs`"] == ["`2`", "`20`"]
    assert parameters["`patch_size`"] == ["`(20, 30)`", "`None`"]
    assert set(parameters) == {f"`{p}`" for p in clf.get_params() if p != "callbacks"}
    assert {"stnclf", "torch", "python"} <= set(dict(rows(card, "Versions")))


def test_nothing_random_stands_in_it(quick_baseline, blobs):
    X, y, _ = blobs
    quick_baseline.set_params(random_state=np.random.RandomState(0)).fit(X, y)
    assert ["`random_state`", "RandomState", "`None`"] in rows(
        model_card(quick_baseline), "Parameters"
    )
    assert " at 0x" not in model_card(quick_baseline)


def test_names_from_the_user_stay_in_their_cells(blobs):
    X, y, _ = blobs
    names = np.array(["a | b", "<script>`\n## Title``"])
    clf = CiresanBaseline(epochs=0).fit(X, names[(y == "disc").astype(int)])
    card = model_card(clf)
    line = next(line for line in card.split("\n") if line.startswith("| classes"))
    assert line == "| classes | ``` '<script>`\\n## Title``' ```, `'a \\| b'` |"
    assert card.count("\n## ") == 5
    assert "| stage | epochs |" in card  # without an epoch, the table has no row
    with pytest.raises(ValueError, match="fitted"):
        model_card(CiresanBaseline())
    with pytest.raises(TypeError, match="estimator: got str"):
        model_card("model")
