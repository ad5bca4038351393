"""The public benchmark of atypical mitotic figures, on a tiny folder of its layout."""

import csv
import json

import amibr
import numpy as np
import pytest
from _run import Store
from PIL import Image
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin

N_SLIDES = 10


class Brightness(ClassifierMixin, BaseEstimator):
    """Probability of an atypical figure: the brightness of the crop."""

    fitted = []

    def __init__(self, strength=1):
        self.strength = strength

    def fit(self, X, y, centers):
        assert (centers == 63.5).all()
        type(self).fitted.append(np.sort(X[:, 0, 0, 1]).tolist())
        self.classes_ = np.array(["Atypical", "Normal"])
        return self

    def predict_proba(self, X):
        rare = X[:, 0, 0, 0] / 255
        return np.stack([rare, 1 - rare], axis=1)


def write_crop(path, brightness, number=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((128, 128, 3), brightness, np.uint8)
    pixels[..., 1] = number
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path):
    """40 training crops of 10 slides, a quarter of them atypical; two test sets."""
    rows = []
    for i in range(40):
        label = "Atypical" if i % 4 == 0 else "Normal"
        name = f"M_{i}.png"
        write_crop(tmp_path / "AMi-Br" / label / name, 130 if label == "Atypical" else 40, i)
        slide = f"{i % N_SLIDES if label == 'Normal' else i // 4}.tiff"
        rows.append({"slide": slide, "dataset": "M", "dataset_uid": name, "final_label": label})
    with open(tmp_path / "amibr_train_split.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    # Of the atypical ones two of three are bright, of the normal ones one of five.
    for i, brightness in enumerate((200, 190, 60)):
        write_crop(tmp_path / f"AMi-Br/Atypical/T_{i}.png", brightness)
    for i, brightness in enumerate((10, 20, 30, 150, 50)):
        write_crop(tmp_path / f"AMi-Br/Normal/T_{i}.png", brightness)
    for label, brightness in (("Atypical", 255), ("Normal", 0)):
        write_crop(tmp_path / f"AtNorM-Br/{label}/7.png", brightness)
    return tmp_path


@pytest.fixture(autouse=True)
def build(monkeypatch):
    strength = {"strength": 1}
    monkeypatch.setattr(Brightness, "fitted", [])
    monkeypatch.setattr(amibr, "build", lambda *sizes, seed, settings: Brightness(**strength))
    return strength


def run(folder, *more):
    out = folder / "out.json"
    amibr.main(["--data", str(folder), "--methods", "stn", "--out", str(out), *more])
    return Store(out, amibr.KEY)


def test_training_crops_are_those_of_the_split_and_the_others_a_test(folder):
    (X, y, groups), tests = amibr.read(folder)
    assert X[:, 0, 0, 1].tolist() == list(range(40))
    assert y.tolist() == ["Atypical", "Normal", "Normal", "Normal"] * 10
    assert groups[4] == "M/1.tiff"
    assert list(tests) == ["AMi-Br test", "AtNorM-Br"]
    images, labels = tests["AMi-Br test"]
    assert labels.tolist() == ["Atypical"] * 3 + ["Normal"] * 5
    assert images[:, 0, 0, 0].tolist() == [200, 190, 60, 10, 20, 30, 150, 50]


def test_folds_share_no_slide_and_every_crop_is_held_out_once(folder):
    store = run(folder)
    (_, _, groups), _ = amibr.read(folder)
    held_out = []
    for seen in Brightness.fitted:
        others = sorted(set(range(40)) - set(seen))
        assert not set(groups[seen]) & set(groups[others])
        held_out += others
    assert sorted(held_out) == list(range(40))
    assert [row["fold"] for row in store.rows] == [0, 1, 2, 3, 4]
    assert sum(row["counts"]["held out"][1] for row in store.rows) == 40
    assert sum(row["counts"]["held out"][0] for row in store.rows) == 10


def test_scores_are_those_of_the_test_crops(folder):
    store = run(folder)
    row = store.rows[0]
    assert row["counts"]["AMi-Br test"] == [3, 8]
    is_rare, values = amibr.unpacked(row, "AMi-Br test")
    assert is_rare.tolist() == [True] * 3 + [False] * 5
    np.testing.assert_allclose(values[:4] * 255, [200, 190, 60, 10], atol=0.01)
    found = amibr.scores([row], "AMi-Br test")
    assert found["balanced accuracy"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert found["AUROC"] == pytest.approx(14 / 15)  # 60 is behind 150 and nothing else
    assert found["F1"] == pytest.approx(2 / 3)
    # Held-out atypical crops have 130 / 255, the others 40 / 255.
    assert amibr.best_threshold(store.rows) == pytest.approx(130 / 255, abs=1e-4)
    higher = amibr.scores(store.rows, "AMi-Br test", threshold=0.6)
    assert higher["balanced accuracy"] == pytest.approx((2 / 3 + 1) / 2)


def test_an_ensemble_is_the_mean_of_its_members():
    def row(*values):
        packed = amibr.packed(np.array(values))
        return {"counts": {"T": [1, 3]}, "probabilities": {"T": packed}}

    first, second = row(0.4, 0.1, 0.8), row(0.9, 0.2, 0.1)
    assert amibr.scores([first], "T")["balanced accuracy"] == 0.25
    assert amibr.scores([first, second], "T")["balanced accuracy"] == 1.0


def test_calibration_moves_a_member_that_is_too_low_or_too_high():
    def row(shift):
        # Held out, the classes meet where the probability is that of a log odds of `shift`.
        odds = {"held out": [2, 3, 4, -1, 1, -2, -3, -4, -5, -6], "T": [0.5, -0.5, -3]}
        packed = {name: amibr.packed(expit(np.add(values, shift))) for name, values in odds.items()}
        return {"counts": {"held out": [5, 10], "T": [1, 3]}, "probabilities": packed}

    rows = [row(-2), row(-2.5)]
    assert amibr.scores(rows, "T")["balanced accuracy"] == 0.5
    calibrated = [amibr.calibrated(one, "T")[1] for one in rows]
    np.testing.assert_allclose(*calibrated, atol=0.01)
    assert list(np.mean(calibrated, axis=0) >= 0.5) == [True, True, False]
    assert amibr.scores(rows, "T", None)["balanced accuracy"] == 0.75
    assert amibr.scores([row(3)], "T")["balanced accuracy"] == 0.5
    np.testing.assert_allclose(amibr.calibrated(row(3), "T")[1], calibrated[0], atol=0.01)


def test_a_run_goes_on_where_it_was_interrupted(folder, build):
    run(folder, "--folds", "3")
    store = run(folder)
    assert len(Brightness.fitted) == 5
    assert sorted(row["fold"] for row in store.rows) == [0, 1, 2, 3, 4]
    write_crop(folder / "AtNorM-MD/Atypical/1.png", 255)
    write_crop(folder / "AtNorM-MD/Normal/1.png", 255)
    store = run(folder)  # a test set that was not there
    assert len(Brightness.fitted) == 10
    assert {len(row["probabilities"]) for row in store.rows} == {4}
    build["strength"] = 2
    run(folder)
    assert len(Brightness.fitted) == 15
    run(folder, "--seeds", "0", "1")
    assert len(Brightness.fitted) == 20


def test_the_table_has_members_ensemble_and_published_rows(folder, capsys):
    run(folder, "--seeds", "4", "5")
    lines = capsys.readouterr().out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| STN"))
    assert lines[start].startswith(
        "| STN; 10 fold models, 2 seeds | 0.733 (0.733 to 0.733) | 0.933 | 0.667 | 1.000 (1.000 to "
    )
    assert lines[start + 1].startswith("| ... their ensemble | 0.733 ")
    assert lines[start + 2].startswith("| ... at the threshold 0.51 (0.51 to 0.51) | 0.733 ")
    assert lines[start + 3].startswith("| ... calibrated, at 0.5 | 0.733 ")
    assert "| Swin-B, fine-tuned (published) | 0.805 | - | - | 0.775 | - | - | - |" in lines


def test_the_short_table_says_which_folds_and_seeds_there_are(folder):
    run(folder, "--seeds", "7")
    run(folder, "--seeds", "9", "--folds", "1", "3")
    store = run(folder, "--max-samples", "20", "--folds", "0")  # a trial does not count
    (made,) = amibr.in_readme(store).values()
    lines = made.splitlines()
    assert lines[0] == "| method | AMi-Br test | AtNorM-Br | fit (CPU s) |"
    first = (
        "| STN; seed 7, all 5 folds; seed 9, 2 of 5 folds (1, 3) | 0.733 (0.733 to 0.733) | 1.000"
    )
    assert lines[2].startswith(first)
    # Seed 7 alone is an ensemble; its threshold, 130 / 255, changes nothing.
    ensemble = "| ... ensemble of its folds, threshold of held-out crops | 0.733 | 1.000 | - |"
    assert lines[3] == ensemble
    assert lines[4:6] == [
        "| Virchow2, LoRA (published) | 0.814 | 0.763 | - |",
        "| Swin-B, fine-tuned (published) | 0.805 | 0.775 | - |",
    ]
    assert len(lines) == 4 + len(amibr.PUBLISHED)


def test_a_trial_on_few_samples_stays_apart(folder):
    run(folder)
    store = run(folder, "--max-samples", "20", "--folds", "0")
    assert [row["max_samples"] for row in store.rows] == [None] * 5 + [20]
    assert len(Brightness.fitted[-1]) + store.rows[-1]["counts"]["held out"][1] == 20
    json.dumps(store.rows)


def test_a_machine_without_probabilities_has_its_decision():
    class Machine:
        classes_ = np.array(["Atypical", "Normal"])

        def decision_function(self, X):
            return np.array([-2.0, 0.0, 3.0])  # below 0 is the first class

    values = amibr.probability(Machine(), None)
    np.testing.assert_allclose(values, [1 / (1 + np.exp(-2)), 0.5, 1 / (1 + np.exp(3))])
