"""Accuracy of all methods on the public data sets, by grouped cross-validation.

    python benchmarks/accuracy.py --data ROOT [--protocols bccd amibr crchisto]
        [--methods stn cnn oracle stn-paper ciresan svc rf] [--seeds 0] [--folds 5]
        [--max-samples N] [--threads N] [--out FILE] [--predictions DIR]
    python benchmarks/accuracy.py --table-only

ROOT holds the folders bccd, amibr and crchisto. Every fold is stored as soon as it is done, and
a later run takes up what is missing or was made with other settings. Scores are those of the
test vectors of all folds put together. Run one process for each output file. Without ``--out`` the
page docs/accuracy.md is written too.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

import protocols
from _accuracy_page import page, tables
from _accuracy_store import answers_name, note_data, put_row, read_store, row_key
from _evaluate import METHODS, build, commit, environment, folds, run_fold, title

from stnclf.report import evaluate

# Parameters that differ from the estimators' own defaults: for all protocols, then for one.
# The published system is cut short here; its row says by how much.
SETTINGS = {
    "stn": {
        "all": {},
        "crchisto": {
            "classifier_epochs": 27,
            "localizer_epochs": 15,
            "joint_epochs": 5,
            "scale_jitter": 0.2,
        },
    },
    # The control has about as much processor time as the STN, all of it for the one network, and
    # the same changes of the patches.
    "cnn": {
        "all": {"classifier_epochs": 150},
        "crchisto": {"classifier_epochs": 45, "scale_jitter": 0.2},
    },
    "oracle": {
        "all": {"classifier_epochs": 150},
        "crchisto": {"classifier_epochs": 45, "scale_jitter": 0.2},
    },
    "stn-paper": {
        "all": {"classifier_epochs": 10, "localizer_epochs": 30, "joint_epochs": 8},
        "amibr": {"classifier_epochs": 5, "localizer_epochs": 12, "joint_epochs": 5},
        "crchisto": {"classifier_epochs": 2, "localizer_epochs": 3, "joint_epochs": 1},
    },
    "ciresan": {"all": {"epochs": 150}, "amibr": {"epochs": 100}, "crchisto": {"epochs": 40}},
    # What users would do: search, with the data set's headline score, on folds that share no group.
    "svc": {
        "all": {
            "grid": {"C": [1, 3, 10, 100], "gamma": ["scale", 0.001, 0.0003]},
            "scoring": "f1_macro",
        },
        "amibr": {"scoring": "balanced_accuracy"},
    },
    "rf": {
        "all": {"grid": {"min_samples_leaf": [1, 3, 10]}, "scoring": "f1_macro"},
        "amibr": {"scoring": "balanced_accuracy"},
    },
}
UNTOLD = ("mpp", "n_jobs", "verbose")  # parameters that cannot change a result
# Parameters that stored results know nothing of, and the value that they were made with.
LATER = {"scale_jitter": 0.0}
RESULTS = Path(__file__).resolve().parent / "results" / "accuracy.json"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "accuracy.md"


def main(arguments=None):
    options = read_options(arguments)
    if not options.table_only:
        measure(options)
    print(tables(read_store(options.out)), flush=True)
    if options.out == RESULTS:
        PAGE.write_text(page(read_store(RESULTS)), encoding="utf-8")


def read_options(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder that holds the data sets' folders")
    parser.add_argument("--protocols", nargs="+", choices=protocols.PROTOCOLS, metavar="NAME")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="SEED")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--max-samples", type=int, help="try things out on fewer cells")
    parser.add_argument("--threads", type=int, help="threads of torch and of the forest")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON file to add to")
    parser.add_argument("--predictions", type=Path, help="folder for the answers, one by one")
    parser.add_argument("--table-only", action="store_true", help="print what is stored")
    options = parser.parse_args(arguments)
    if options.data is None and not options.table_only:
        parser.error("--data is needed, unless --table-only is given")
    options.protocols = options.protocols or list(protocols.PROTOCOLS)
    return options


def measure(options):
    """Compute and store every fold that is asked for and not there yet."""
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    here = {"commit": commit(), "environment": environment()}
    for name in options.protocols:
        cells, protocol = protocols.load(options.data, name)
        cells = thinned(cells, options.max_samples)
        note_data(options.out, cells, protocol, options.max_samples)
        for seed in options.seeds:
            splits = folds(cells.y, cells.groups, options.folds, seed)
            for method in options.methods:
                for fold, (train, test) in enumerate(splits):
                    measure_fold(options, cells, protocol, method, seed, fold, train, test, here)


def measure_fold(
    options, cells, protocol, method, seed, fold, train, test, here, variant="", changes=None
):
    """Compute one row of the store, unless it is there with the same settings."""
    chosen = SETTINGS[method]
    chosen = {**chosen["all"], **chosen.get(protocol.name, {}), **(changes or {})}
    estimator = build(
        method,
        protocol.patch_size,
        protocol.cell_size,
        seed=seed,
        settings=chosen,
        n_jobs=here["environment"]["threads"],
    )
    row = {
        "protocol": protocol.name,
        "method": method + variant,
        "seed": seed,
        "fold": fold,
        "n_folds": options.folds,
        "max_samples": options.max_samples,
        "title": title(method, chosen),
        "settings": plain_parameters(estimator),
    }
    stored = read_store(options.out)["rows"].get(row_key(row), {})
    which = (row[key] for key in ("protocol", "method", "seed", "fold", "n_folds", "max_samples"))
    answers = options.predictions and options.predictions / answers_name(*which)
    if stored.get("settings") == row["settings"] and not (answers and not answers.exists()):
        return
    result = run_fold(estimator, cells, train, test)
    labels = np.unique(cells.y)
    scores = evaluate(cells.y[test], result.y_pred, labels=labels)
    row |= {
        "n_train": len(train),
        "n_test": len(test),
        "fit_seconds": round(result.fit_seconds, 2),
        "predict_seconds": round(result.predict_seconds, 3),
        "fit_cpu_seconds": round(result.fit_cpu_seconds, 2),
        "labels": scores["labels"],
        "confusion": scores["confusion"],
        "errors": error_tenths(cells, test, result.centers),
    }
    if answers:
        write_answers(answers, labels, result)
    put_row(options.out, row, here)
    print(
        f"{row_key(row)}: {protocol.headline} {scores[protocol.headline]:.3f}, "
        f"{result.fit_seconds:.1f} s to fit, {result.predict_seconds:.1f} s to predict",
        flush=True,
    )


def thinned(cells, max_samples):
    """Keep a random part of the cells, the same one every time."""
    if max_samples is None or max_samples >= len(cells.y):
        return cells
    kept = np.sort(np.random.default_rng(0).permutation(len(cells.y))[:max_samples])
    return protocols.CellSet(*(values[kept] for values in cells))


def plain_parameters(estimator):
    """All parameters of an estimator that JSON can hold: what its result depends on."""
    plain = {
        name: value
        for name, value in estimator.get_params().items()
        if isinstance(value, (int, float, str, tuple, list, dict, type(None)))
        and name.rsplit("__")[-1] not in (*UNTOLD, "steps", "memory")
        and not (name in LATER and value == LATER[name])
    }
    return json.loads(json.dumps(plain, sort_keys=True))


def error_tenths(cells, test, centers):
    """Localisation errors by class in tenths of a pixel, sorted: what a median needs."""
    if centers is None:
        return None
    errors = np.hypot(*(centers - cells.centers[test]).T)
    tenths = np.rint(10 * errors).astype(int)
    y = cells.y[test]
    return {str(c): np.sort(tenths[y == c]).tolist() for c in np.unique(cells.y)}


def write_answers(path, labels, result):
    """Write class, probabilities and centre of every test sample, rounded, to one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"index": result.test, "predicted": np.searchsorted(labels, result.y_pred)}
    if result.proba is not None:
        arrays["proba"] = np.round(result.proba, 4).astype(np.float32)
    if result.centers is not None:
        arrays["centers"] = np.round(result.centers, 1).astype(np.float32)
    with open(path, "wb") as file:
        np.savez_compressed(file, labels=labels, **arrays)


if __name__ == "__main__":
    main()
