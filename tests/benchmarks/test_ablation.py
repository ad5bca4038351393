"""The table of what each part is worth: its numbers and its gaps."""

import ablation
import accuracy
import protocols
from _evaluate import build
from _run import RESULTS, Store, made, parameters

from stnclf import STNCellClassifier

LABELS = ["a", "b"]
DATA = {"bccd": {"headline": "macro_f1"}, "amibr": {"headline": "balanced_accuracy"}}


def row(variant, confusion, fold=0, protocol="amibr", seconds=10.0, environment=0):
    return {
        "protocol": protocol,
        "method": f"stn: {variant}",
        "max_samples": None,
        "labels": LABELS,
        "confusion": confusion,
        "fit_cpu_seconds": seconds,
        "seed": 0,
        "fold": fold,
        "environment": environment,
        "commit": "c",
    }


def lines_of(tmp_path, *rows):
    """Lines of the table of some rows."""
    store = Store(tmp_path / "none.json", ())
    machine = {"cpu": "C", "threads": 1, "versions": {"torch": "2.9"}}
    store.rows, store.data, store.environments = list(rows), DATA, [machine] * 2
    return ablation.sections(store)["ablation"].split("\n\n")[1].splitlines()


def test_differences_to_the_default_are_in_points_of_the_score(tmp_path):
    # Balanced accuracies: (0.9 + 0.5) / 2 and (0.8 + 0.75) / 2.
    lines = lines_of(
        tmp_path,
        row("default", [[9, 1], [2, 2]]),
        row("no rotation", [[8, 2], [1, 3]], seconds=21.0),
    )
    assert lines[0] == "| variant | amibr, balanced accuracy | fit (CPU s) |"
    assert lines[2:] == ["| default | 0.700 | 10 |", "| no rotation | 0.775 (+7.5) | 21 |"]


def test_seconds_of_another_machine_are_marked(tmp_path):
    lines = lines_of(
        tmp_path,
        row("default", [[9, 1], [2, 2]]),
        row("no rotation", [[9, 1], [2, 2]], environment=1),
        row("no mirrored patches", [[9, 1], [2, 2]]),
    )
    assert [line.split("|")[-2].strip() for line in lines[2:]] == ["10", "10", "10*"]


def test_folds_are_averaged_and_variants_without_all_of_them_left_out(tmp_path):
    lines = lines_of(
        tmp_path,
        row("default", [[9, 1], [2, 2]]),
        row("default", [[10, 0], [0, 4]], fold=1, seconds=20.0),
        row("no rotation", [[8, 2], [1, 3]]),
        row("default", [[5, 0], [0, 5]], protocol="bccd"),
        row("no rotation", [[4, 1], [1, 4]], protocol="bccd"),
        row("no mirrored patches", [[8, 2], [1, 3]]),
    )
    assert lines[2:] == [
        "| default | 1.000 | 10 | 0.850 | 15 |",
        "| no rotation | 0.800 (-20.0) | 10 | - | - |",
    ]


def test_nothing_stored_is_said(tmp_path):
    store = Store(tmp_path / "none.json", ())
    assert ablation.sections(store) == {"ablation": "Nothing is stored yet."}


def test_every_variant_is_an_estimator_of_its_own():
    default = parameters(STNCellClassifier())
    for name, changes in ablation.VARIANTS.items():
        changed = parameters(made(STNCellClassifier, **changes))
        assert (changed == default) == (name == "default"), name


def test_stored_rows_of_variants_are_recognised():
    store, n = Store(RESULTS / "ablation.json", accuracy.KEY), 0
    for name, epochs in ablation.EPOCHS.items():
        sizes = protocols.PROTOCOLS[name].patch_size, protocols.PROTOCOLS[name].cell_size
        chosen = accuracy.SETTINGS["stn"]["all"] | accuracy.SETTINGS["stn"].get(name, {})
        for variant, changes in ablation.VARIANTS.items():
            estimator = build("stn", *sizes, seed=0, settings=chosen | epochs | changes)
            row = {"protocol": name, "method": f"stn: {variant}", "seed": 0, "fold": 0}
            row |= {"n_folds": 5, "settings": parameters(estimator)}
            assert store.is_done(row), (name, variant)
            n += 1
    assert n == len(store.rows) - len(ablation.EPOCHS) * len(ablation.GONE)
