"""The public benchmark of atypical mitotic figures: five fold models, fixed test sets.

    python benchmarks/amibr.py --data FOLDER [--methods stn cnn ciresan svc stn-paper]
        [--folds 0 1 2 3 4] [--seeds 0] [--threads N] [--max-samples N] [--out FILE]
    python benchmarks/amibr.py --page-only

FOLDER is laid out as the repository DeepMicroscopy/AMi-Br_Benchmark: amibr_train_split.csv names
the training crops among AMi-Br/Atypical and AMi-Br/Normal; the other crops of AMi-Br, and each
further folder with an Atypical and a Normal, are test sets. Folds are those of the benchmark. The
probabilities that a fold model gives its held-out training crops and all test crops are stored,
atypical crops first; scores, ensembles and thresholds are computed from them.
"""

import base64
import csv
import time
from typing import NamedTuple

import numpy as np
from _evaluate import build, fit_timed
from _run import (
    ROOT,
    Store,
    carry_out,
    fill,
    mean_and_range,
    needs_data,
    parameters,
    parser,
    table,
)
from accuracy import SETTINGS
from PIL import Image
from protocols import PROTOCOLS
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score, roc_curve
from sklearn.model_selection import StratifiedGroupKFold

from stnclf._utils.printable import counted

KEY = ("method", "seed", "fold", "max_samples")
N_FOLDS = 5
RARE, COMMON = "Atypical", "Normal"
SPLIT, TEST, HELD_OUT = "amibr_train_split.csv", "AMi-Br test", "held out"
#: The defaults of the estimators, but for the whole-patch network, which trains as long as the STN.
METHODS = {
    "stn": ("STN", {}),
    "cnn": ("modern CNN on the whole patch", SETTINGS["cnn"]["all"]),
    "ciresan": ("CNN baseline (Ciresan), 200 epochs", {}),
    "svc": ("features + SVC, tuned", {**SETTINGS["svc"]["all"], **SETTINGS["svc"]["amibr"]}),
    "stn-paper": ("STN as published", {}),
}
#: Balanced accuracies of the paper of the benchmark (arXiv 2506.21444), means of five fold models.
PUBLISHED = {
    "Virchow2, LoRA": (0.814, 0.763, 0.742),
    "Swin-B, fine-tuned": (0.805, 0.775, 0.772),
    "UNI, LoRA": (0.795, 0.718, 0.707),
    "ViT-L, fine-tuned": (0.790, 0.779, 0.749),
    "Virchow, LoRA": (0.788, 0.770, 0.771),
    "EfficientNetV2-M, fine-tuned": (0.747, 0.728, 0.698),
    "UNI, linear probe": (0.634, None, None),
    "h-optimus-0, linear probe": (0.632, 0.637, 0.582),
    "Virchow2, linear probe": (0.609, 0.624, 0.569),
}
PUBLISHED_SETS = (TEST, "AtNorM-Br", "AtNorM-MD")
README = ROOT / "README.md"


def main(arguments=None):
    line = parser(__doc__, "amibr.json")
    line.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    folds = range(N_FOLDS)
    line.add_argument("--folds", nargs="+", type=int, choices=folds, default=folds)
    options = line.parse_args(arguments)
    carry_out(options, KEY, measure, sections, "amibr.md")
    if options.out == options.kept:
        fill(README, in_readme(Store(options.out, KEY)))


def read(folder, max_samples=None):
    """Read the training crops and the test sets.

    Those are images, classes and groups (data set and slide) in the order of the published split;
    these, by name, images and classes, atypical first.
    """
    with open(folder / SPLIT, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    in_training = {row["dataset_uid"] for row in rows}
    if max_samples is not None:
        chosen = np.random.default_rng(0).permutation(len(rows))[:max_samples]
        rows = [rows[i] for i in sorted(chosen)]
    y = np.array([row["final_label"] for row in rows])
    groups = np.array([f"{row['dataset']}/{row['slide']}" for row in rows])
    paths = [folder / "AMi-Br" / row["final_label"] / row["dataset_uid"] for row in rows]
    training, tests = (images(paths), y, groups), {}
    for place in sorted(path.parent for path in folder.glob(f"*/{RARE}")):
        paths = [
            path
            for label in (RARE, COMMON)
            for path in sorted(place.glob(f"{label}/*.png"))
            if place.name != "AMi-Br" or path.name not in in_training
        ]
        if max_samples is not None:
            paths = paths[:: -(-len(paths) // max_samples)]
        name = TEST if place.name == "AMi-Br" else place.name
        tests[name] = images(paths), np.array([path.parent.name for path in paths])
    return training, tests


def images(paths):
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])


class Split(NamedTuple):
    """The benchmark's crops: those of the folds with the middle of each, and the test sets."""

    X: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    centers: np.ndarray
    folds: list
    tests: dict


def split(folder, max_samples=None):
    """Read the benchmark, and divide its training crops into its own five folds by slide."""
    (X, y, groups), tests = read(folder, max_samples)
    splitter = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=42)
    centers = np.full((len(X), 2), (X.shape[1] - 1) / 2)
    return Split(X, y, groups, centers, list(splitter.split(X, y, groups)), tests)


def sizes():
    """Sides of the patch and of the cell, in pixels."""
    return PROTOCOLS["amibr"].patch_size, PROTOCOLS["amibr"].cell_size


def measure(options, store):
    """Measure every fold model that is not stored with the probabilities of all test sets."""
    needs_data(options)
    crops = split(options.data, options.max_samples)
    for seed in options.seeds:
        for method in options.methods:
            for fold in options.folds:
                row = {"method": method, "seed": seed, "fold": fold}
                row["max_samples"] = options.max_samples
                estimator = build(method, *sizes(), seed=seed, settings=METHODS[method][1])
                row["settings"] = parameters(estimator)
                if store.is_done(row) and set(crops.tests) <= set(store.find(row)["probabilities"]):
                    continue
                row["fit_cpu_seconds"] = fit_fold(estimator, crops, fold)
                store.put(row | predict_fold(estimator, crops, fold))
                print(f"{method} seed {seed} fold {fold}: {shown(store.find(row))}", flush=True)


def fit_fold(estimator, crops, fold):
    """Train on one fold; return CPU seconds."""
    train = crops.folds[fold][0]
    known = crops.X[train], crops.y[train], crops.centers[train], crops.groups[train]
    return round(fit_timed(estimator, *known)[1], 1)


def predict_fold(estimator, crops, fold):
    """Predict what one fold holds out and the test sets; return what is stored of it."""
    held_out = crops.folds[fold][1]
    held_out = held_out[np.argsort(crops.y[held_out], kind="stable")]
    asked = {HELD_OUT: (crops.X[held_out], crops.y[held_out]), **crops.tests}
    start = time.process_time()
    found = {name: packed(probability(estimator, images)) for name, (images, _) in asked.items()}
    seconds = round(time.process_time() - start, 1)
    counts = {name: [int((y == RARE).sum()), len(y)] for name, (_, y) in asked.items()}
    return {"predict_cpu_seconds": seconds, "counts": counts, "probabilities": found}


def shown(row):
    """Say what a row found, in a line."""
    found = {name: scores([row], name)["balanced accuracy"] for name in row["counts"]}
    text = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
    return f"{text}; {row['fit_cpu_seconds']:.0f} CPU s"


def probability(estimator, X):
    """Probability of the rare class; without one, the logistic function of the decision."""
    column = list(estimator.classes_).index(RARE)
    if hasattr(estimator, "predict_proba"):
        return estimator.predict_proba(X)[:, column]
    return expit((2 * column - 1) * estimator.decision_function(X))


def packed(values):
    """Write probabilities in steps of 1 / 65535 as text."""
    return base64.b64encode(np.rint(65535 * values).astype("<u2").tobytes()).decode()


def unpacked(row, name):
    """Read a stored row: whether each crop is of the rare class, and its probability."""
    n_rare, n = row["counts"][name]
    values = np.frombuffer(base64.b64decode(row["probabilities"][name]), "<u2") / 65535
    return np.arange(n) < n_rare, values


def scores(rows, name, threshold=0.5):
    """Scores on a test set of the mean of the rows' probabilities; None calibrates each first."""
    y, _ = unpacked(rows[0], name)
    read = calibrated if threshold is None else unpacked
    mean = np.mean([read(row, name)[1] for row in rows], axis=0)
    threshold = 0.5 if threshold is None else threshold
    return {
        "balanced accuracy": balanced_accuracy_score(y, mean >= threshold),
        "AUROC": roc_auc_score(y, mean),
        "F1": f1_score(y, mean >= threshold),
    }


def best_threshold(rows):
    """Least probability for the rare class that the pooled held-out training crops choose."""
    y, values = (np.concatenate(part) for part in zip(*(unpacked(row, HELD_OUT) for row in rows)))
    false, true, thresholds = roc_curve(y, values)
    return float(thresholds[np.argmax(true - false)])


def calibrated(row, name):
    """Read a stored row as `unpacked`, with Platt's scaling on its held-out crops.

    Both classes weigh the same there, as they do in balanced accuracy.
    """
    y, values = unpacked(row, HELD_OUT)
    scaling = LogisticRegression(class_weight="balanced")
    scaling.fit(log_odds(values), y)
    is_rare, values = unpacked(row, name)
    return is_rare, scaling.predict_proba(log_odds(values))[:, 1]


def log_odds(values):
    """Write probabilities as a column of log odds, of which none is infinite."""
    return logit(np.clip(values, 1e-4, 1 - 1e-4))[:, None]


def sections(store):
    """Write a row for each method and for its ensembles, beside the published ones."""
    runs, whole = {}, [row for row in store.rows if row["max_samples"] is None]
    for row in whole or store.rows:
        runs.setdefault(row["method"], {}).setdefault(row["seed"], []).append(row)
    names = list(dict.fromkeys(name for row in store.rows for name in row["counts"]))
    names = [name for name in names if name != HELD_OUT] or list(PUBLISHED_SETS[:2])
    header, lines = ["method"], []
    for name in names:
        header += [f"{name}: balanced accuracy", "AUROC", "F1"]
    for method in (method for method in METHODS if method in runs):
        title, seeds = METHODS[method][0], runs[method].values()
        rows = [row for mine in seeds for row in mine]
        seconds = f"{np.mean([row['fit_cpu_seconds'] for row in rows]):.0f}"
        which = counted(len(rows), "fold model")
        which += f", {len(seeds)} seeds" if len(seeds) > 1 else ""
        lines.append(line_of(f"{title}; {which}", names, [(([row]), 0.5) for row in rows], seconds))
        complete = [mine for mine in seeds if len(mine) == N_FOLDS]
        if complete:
            lines.append(line_of("... their ensemble", names, [(mine, 0.5) for mine in complete]))
            chosen = [(mine, best_threshold(mine)) for mine in complete]
            at = mean_and_range([threshold for _, threshold in chosen], 2)
            lines.append(line_of(f"... at the threshold {at}", names, chosen))
            lines.append(
                line_of("... calibrated, at 0.5", names, [(mine, None) for mine in complete])
            )
    for model, values in PUBLISHED.items():
        known = dict(zip(PUBLISHED_SETS, values))
        cells = [[f"{known[n]:.3f}" if known.get(n) else "-", "-", "-"] for n in names]
        lines.append([f"{model} (published)", *(cell for part in cells for cell in part), "-"])
    made = table([*header, "fit, one fold (CPU s)"], lines)
    return {"benchmark": f"{store.where(store.rows)}\n\n{made}" if store.rows else made}


def line_of(title, names, runs, seconds="-"):
    """Make one line of the table: means of the scores of runs, each rows and a threshold."""
    cells = []
    for name in names:
        found = [scores(rows, name, threshold) for rows, threshold in runs]
        cells.append(mean_and_range([one["balanced accuracy"] for one in found]))
        cells += [f"{np.mean([one[key] for one in found]):.3f}" for key in ("AUROC", "F1")]
    return [title, *cells, seconds]


def in_readme(store):
    """Write the balanced accuracies alone: single models, ensembles of five, published rows."""
    names = [
        name for name in PUBLISHED_SETS[:2] if any(name in row["counts"] for row in store.rows)
    ]
    lines = []
    for method in METHODS:
        rows = [r for r in store.rows if r["method"] == method and r["max_samples"] is None]
        if not rows:
            continue
        seeds = {}
        for row in rows:
            seeds.setdefault(row["seed"], []).append(row)
        by_folds = {}
        for seed, mine in sorted(seeds.items()):
            by_folds.setdefault(folds_of(mine), []).append(str(seed))
        which = [
            f"seed{'s' if len(some) > 1 else ''} {', '.join(some)}, {folds}"
            for folds, some in by_folds.items()
        ]
        complete = [mine for mine in seeds.values() if len(mine) == N_FOLDS]
        seconds = f"{np.mean([row['fit_cpu_seconds'] for row in rows]):.0f}"
        title = "; ".join([METHODS[method][0], *which])
        lines.append(short_line(title, names, [([row], 0.5) for row in rows], seconds))
        chosen = [(mine, best_threshold(mine)) for mine in complete]
        if chosen:
            title = "... ensemble of its folds, threshold of held-out crops"
            lines.append(short_line(title, names, chosen))
    for model, values in PUBLISHED.items():
        cells = [
            f"{v:.3f}" if v else "-" for v in map(dict(zip(PUBLISHED_SETS, values)).get, names)
        ]
        lines.append([f"{model} (published)", *cells, "-"])
    return {"atypical mitotic figures": table(["method", *names, "fit (CPU s)"], lines)}


def folds_of(rows):
    """Say which folds there are."""
    if len(rows) == N_FOLDS:
        return f"all {N_FOLDS} folds"
    return f"{len(rows)} of {N_FOLDS} folds ({', '.join(str(row['fold']) for row in rows)})"


def short_line(title, names, runs, seconds="-"):
    """Make one line of `in_readme`: mean, least and most balanced accuracy of runs."""
    found = [
        [scores(rows, name, least)["balanced accuracy"] for rows, least in runs] for name in names
    ]
    return [title, *map(mean_and_range, found), seconds]


if __name__ == "__main__":
    main()
