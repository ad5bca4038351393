"""What weights of another data set are worth, at 10, 30 and 100 % of the training cells.

    python benchmarks/transfer.py --data ROOT [--targets amibr crchisto] [--seeds 0]
        [--fold 0] [--threads N]
    python benchmarks/transfer.py --page-only

A model is trained on all of the other data set, and one on synthetic cells; their weights are
where ``STNCellClassifier(init=...)`` begins on the target. Whole groups (slides, images) of the
training part are drawn until their cells make up the share; all starts get the same ones. With
fewer cells there are more epochs, but fewer steps. Results go to results/transfer.json and the
page docs/transfer_results.md.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import protocols
from _evaluate import commit, environment, folds

from stnclf import STNCellClassifier
from stnclf.datasets import make_cells
from stnclf.report import evaluate

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "transfer.json"
PAGE = ROOT / "docs" / "transfer_results.md"

SHARES = {0.1: 3, 0.3: 2, 1.0: 1}  # share of the cells -> times the epochs
EPOCHS = {
    "amibr": {"classifier_epochs": 35, "localizer_epochs": 20, "joint_epochs": 4},
    "crchisto": {"classifier_epochs": 14, "localizer_epochs": 6, "joint_epochs": 2},
    "synthetic": {"classifier_epochs": 40, "localizer_epochs": 20, "joint_epochs": 4},
}
OTHER = {"amibr": "crchisto", "crchisto": "amibr"}
N_SYNTHETIC = 900


def main(arguments=None):
    options = read_options(arguments)
    if not options.page_only:
        measure(options)
    text = page(json.loads(options.out.read_text(encoding="utf-8")))
    print(text)
    if options.out == RESULTS:
        PAGE.write_text(text, encoding="utf-8")


def read_options(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder that holds the data sets' folders")
    parser.add_argument("--targets", nargs="+", default=list(OTHER), choices=list(OTHER))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--fold", type=int, default=0, help="which of the five")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--page-only", action="store_true", help="only write the page")
    options = parser.parse_args(arguments)
    if options.data is None and not options.page_only:
        parser.error("--data is needed, unless --page-only is given")
    return options


def measure(options):
    """Train sources and targets; results are written after each of them."""
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    store = {"commit": commit(), "environment": environment(), "fold": options.fold, "rows": []}
    for seed in options.seeds:
        sources = {}
        for target in options.targets:
            for name in (OTHER[target], "synthetic"):
                if name not in sources:
                    sources[name] = train_source(options.data, name, seed)
            starts = {"new weights": None, **{n: sources[n] for n in (OTHER[target], "synthetic")}}
            for row in measure_target(options, target, starts, seed):
                store["rows"].append(row)
                options.out.write_text(json.dumps(store, indent=1), encoding="utf-8")
                print(row, flush=True)


def train_source(data, name, seed):
    """Fit on the whole of one data set."""
    if name == "synthetic":
        X, y, centers = make_cells(N_SYNTHETIC, image_size=192, random_state=seed)
        sizes = {"patch_size": 128, "cell_size": 64}
    else:
        cells, protocol = protocols.load(data, name)
        X, y, centers = cells.X, cells.y, cells.centers
        sizes = {"patch_size": protocol.patch_size, "cell_size": protocol.cell_size}
    return STNCellClassifier(**sizes, **EPOCHS[name], random_state=seed).fit(X, y, centers=centers)


def measure_target(options, name, starts, seed):
    """Yield a row for every share and start."""
    cells, protocol = protocols.load(options.data, name)
    train, test = folds(cells.y, cells.groups, 5, seed)[options.fold]
    for share, times in SHARES.items():
        part = some_groups(cells.groups, train, share, seed)
        epochs = {key: times * value for key, value in EPOCHS[name].items()}
        for start, source in starts.items():
            clf = STNCellClassifier(
                patch_size=protocol.patch_size,
                cell_size=protocol.cell_size,
                init=source,
                random_state=seed,
                **epochs,
            )
            began = time.process_time()
            clf.fit(cells.X[part], cells.y[part], centers=cells.centers[part])
            seconds = time.process_time() - began
            y_pred, found = clf.predict(cells.X[test]), clf.transform(cells.X[test])
            scores = evaluate(cells.y[test], y_pred, labels=np.unique(cells.y))
            errors = np.hypot(*(found - cells.centers[test]).T)
            yield {
                "target": name,
                "start": start,
                "share": share,
                "seed": seed,
                "n_train": len(part),
                "n_test": len(test),
                "headline": protocol.headline,
                "score": round(scores[protocol.headline], 4),
                "median_px": round(float(np.median(errors)), 2),
                "fit_cpu_seconds": round(seconds, 1),
            }


def some_groups(groups, train, share, seed):
    """Draw whole groups until they hold a share of the training samples."""
    if share == 1:
        return train
    names = np.random.default_rng(seed).permutation(np.unique(groups[train]))
    sizes = np.array([(groups[train] == name).sum() for name in names])
    n = np.searchsorted(np.cumsum(sizes), share * len(train)) + 1
    return train[np.isin(groups[train], names[:n])]


def page(store):
    """Give the page's text."""
    machine = store["environment"]
    seeds = sorted({row["seed"] for row in store["rows"]})
    made = (
        f"`python benchmarks/transfer.py` made this table: fold {store['fold']} of five, grouped; "
        f"seed(s) {', '.join(map(str, seeds))}; {machine['cpu']}, {machine['threads']} thread(s), "
        f"torch {machine['versions']['torch']}. The schedules are about a third of the default's."
    )
    lines = [
        "# Transfer, measured",
        "",
        made,
        "",
        "| target | training cells | weights from | score | median error/px | fit, CPU s |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    groups = {}
    for row in store["rows"]:
        groups.setdefault((row["target"], row["share"], row["start"]), []).append(row)
    for (target, share, start), rows in groups.items():
        means = {
            key: np.mean([row[key] for row in rows])
            for key in ("n_train", "score", "median_px", "fit_cpu_seconds")
        }
        lines.append(
            f"| {target}, {rows[0]['headline'].replace('_', ' ')} | {means['n_train']:.0f} "
            f"({100 * share:.0f} %) | {start} | {means['score']:.3f} | {means['median_px']:.1f} | "
            f"{means['fit_cpu_seconds']:.0f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
