"""The table of what each part is worth: what is trained, its numbers and its gaps."""

import ablation
import amibr
import numpy as np
import pytest
from _evaluate import build
from _run import RESULTS, Store, made, parameters
from sklearn.metrics import roc_auc_score

from stnclf import STNCellClassifier

SET = "AMi-Br test"


def row(variant, probabilities, *, fold=0, seed=0, seconds=10.0, n_rare=2):
    """Return a stored row; the first crops are the rare ones."""
    return {
        "variant": variant,
        "seed": seed,
        "fold": fold,
        "max_samples": None,
        "settings": {},
        "counts": {SET: [n_rare, len(probabilities)]},
        "probabilities": {SET: amibr.packed(np.array(probabilities))},
        "fit_cpu_seconds": seconds,
        "predict_cpu_seconds": 2.0,
    }


@pytest.fixture
def lines_of(tmp_path):
    def lines(*rows, of=SET):
        store = Store(tmp_path / "a.json", ablation.KEY)
        for one in rows:
            store.put(one)
        parts = ablation.sections(store)["ablation"].split("\n\n")
        return parts[parts.index(f"**{of}**") + 1].splitlines()

    return lines


def test_differences_to_the_default_are_in_points_of_the_score(lines_of):
    # Of two rare and four common crops are right: 1 and 3, then 2 and 3.
    before, after = [0.9, 0.1, 0.2, 0.6, 0.3, 0.4], [0.9, 0.7, 0.2, 0.8, 0.3, 0.4]
    rows = row("default", before), row("no rotation", after, seconds=21.0)
    lines = lines_of(*rows)
    first = [f"{roc_auc_score([1, 1, 0, 0, 0, 0], values):.3f}" for values in (before, after)]
    assert first == ["0.500", "0.875"]
    assert lines[2:] == [
        "| default | 1 | 0.625 | - | 0.500 | - |",
        "| no rotation | 1 | 0.875 | +25.0 | 0.875 | +37.5 |",
    ]
    assert lines_of(*rows, of="CPU time")[2:] == [
        "| default | 10 | 2 |",
        "| no rotation | 21 | 2 |",
    ]


def test_a_variant_is_compared_on_its_own_folds_and_seeds(lines_of):
    right, half, wrong = [0.9, 0.8, 0.1, 0.2], [0.9, 0.2, 0.1, 0.2], [0.1, 0.2, 0.9, 0.8]
    lines = lines_of(
        row("default", right),
        row("default", half, fold=1),
        row("default", wrong, fold=2),
        row("default", wrong, fold=1, seed=1),
        row("no rotation", half, fold=0),
        row("no rotation", right, fold=1),
        row("no rotation", right, fold=3),
    )
    cells = [[cell.strip() for cell in line.split("|")[1:5]] for line in lines[2:]]
    assert cells == [
        ["default", "4", "0.438 (0.000 to 1.000)", "-"],
        ["no rotation", "2", "0.875", "+0.0 (-25.0 to +25.0)"],
    ]


def test_nothing_stored_is_said(tmp_path):
    store = Store(tmp_path / "none.json", ablation.KEY)
    assert ablation.sections(store) == {"ablation": "Nothing is stored yet."}


def test_every_variant_is_an_estimator_of_its_own():
    default, found = parameters(STNCellClassifier()), []
    for name, changes in (ablation.VARIANTS | ablation.IN_PREDICTION).items():
        changed = parameters(made(STNCellClassifier, **changes))
        assert (changed == default) == (name == "default"), name
        assert changed not in found, name
        found.append(changed)


def test_the_default_is_trained_once_and_asked_with_and_without_symmetries(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (12, 128, 128, 3), dtype=np.uint8)
    y = np.array([amibr.RARE, amibr.COMMON] * 6)
    folds = [(np.arange(8), np.arange(8, 12))] * 2
    crops = amibr.Split(X, y, np.arange(12), np.full((12, 2), 63.5), folds, {SET: (X[:5], y[:5])})
    fits = []

    def short(*given, settings, **more):
        epochs = dict.fromkeys(("classifier_epochs", "localizer_epochs", "joint_epochs"), 1)
        return build(*given, settings=settings | epochs, **more)

    def fit_timed(estimator, *data):
        fits.append(estimator.tta)
        estimator.fit(data[0], data[1], centers=data[2])
        return 3.0, 2.0

    monkeypatch.setattr(ablation, "build", short)
    monkeypatch.setattr(amibr, "fit_timed", fit_timed)
    monkeypatch.setattr(amibr, "split", lambda *_: crops)
    line = ["--data", str(tmp_path), "--variants", "default", "--folds", "1"]
    line += ["--out", str(tmp_path / "a.json")]
    ablation.main(line)
    ablation.main(line)
    assert fits == [True]
    rows = Store(tmp_path / "a.json", ablation.KEY).rows
    assert [one["variant"] for one in rows] == ["default", "no average over symmetries"]
    assert [one["settings"]["tta"] for one in rows] == [True, False]
    found = [amibr.unpacked(one, SET)[1] for one in rows]
    assert len(found[0]) == 5
    assert np.abs(found[0] - found[1]).max() > 1e-4


def test_stored_rows_are_of_the_variants_of_today():
    store = Store(RESULTS / "ablation.json", ablation.KEY)
    assert store.rows
    for one in store.rows:
        settings = (ablation.VARIANTS | ablation.IN_PREDICTION)[one["variant"]]
        estimator = build("stn", *amibr.sizes(), seed=one["seed"], settings=settings)
        assert store.is_done({**one, "settings": parameters(estimator)}), one["variant"]
