"""Compare the STN with a plain CNN and with hand-crafted features.

A cross-validation of three methods on the same folds, as in table 1 of the paper, and examples
of correct and wrong predictions, as in its figure 4. Without data, synthetic cells are drawn; with
``--data`` it takes the folder of BCCD, AMi-Br, CRCHistoPhenotypes or Chula RBC-12.

    python benchmarks/demo.py [--data FOLDER] [--out demo] [--seed 0]
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import protocols
from _evaluate import build, folds, joined, run_fold, title
from _run import commit, environment

from stnclf.datasets import make_cells
from stnclf.report import classification_table, evaluate, plot_examples, summary_table

# What a run costs is decided here. Epochs of the STN: classifier, localizer, both together.
SYNTHETIC = {"n_samples": 420, "n_folds": 3, "image_size": 160, "patch_size": 128, "cell_size": 64}
REAL_FOLDS = 5
SETTINGS = {
    "synthetic": {
        "stn": {"classifier_epochs": 20, "localizer_epochs": 16, "joint_epochs": 3},
        "ciresan": {"epochs": 30},
        "svc": {},
    },
    "bccd": {
        "stn": {"classifier_epochs": 20, "localizer_epochs": 30, "joint_epochs": 5},
        "ciresan": {"epochs": 50},
        "svc": {},
    },
    "amibr": {
        "stn": {"classifier_epochs": 25, "localizer_epochs": 10, "joint_epochs": 5},
        "ciresan": {"epochs": 60},
        "svc": {},
    },
    "crchisto": {
        "stn": {"classifier_epochs": 16, "localizer_epochs": 8, "joint_epochs": 4},
        "ciresan": {"epochs": 30},
        "svc": {},
    },
    "chula": {
        "stn": {"classifier_epochs": 20, "localizer_epochs": 30, "joint_epochs": 5},
        "ciresan": {"epochs": 50},
        "svc": {},
    },
}
N_EXAMPLES = 5


def main():
    options = read_options()
    cells, patch_size, cell_size, n_folds, settings, heading = read_cells(options)
    n_images, *image_size = cells.X.shape[:3]
    counts = ", ".join(f"{n} {label}" for label, n in zip(*np.unique(cells.y, return_counts=True)))
    say(f"{heading}: {n_images} patches ({counts}), {n_folds} folds")
    splits = folds(cells.y, cells.groups, n_folds, options.seed)

    pooled, results = {}, {}
    for method, chosen in settings.items():
        parts = []
        for number, (train, test) in enumerate(splits, start=1):
            estimator = build(
                method, patch_size, cell_size, seed=options.seed, settings=chosen, n_jobs=-1
            )
            part = run_fold(estimator, cells, train, test)
            parts.append(part)
            say(
                f"{title(method)}, fold {number}/{n_folds}: "
                f"{(part.y_pred == cells.y[test]).mean():.3f} correct, "
                f"{part.fit_seconds:.1f} s to fit, {part.predict_seconds:.1f} s to predict"
            )
        whole = pooled[method] = joined(parts)
        results[title(method)] = evaluate(
            cells.y[whole.test],
            whole.y_pred,
            labels=np.unique(cells.y),
            centers_true=cells.centers[whole.test],
            centers_pred=whole.centers,
            image_size=image_size,
            fit_seconds=whole.fit_seconds,
            predict_seconds=whole.predict_seconds,
        )

    print()
    print(classification_table(results), summary_table(results), sep="\n\n", flush=True)
    for path in write(options, cells, patch_size, heading, results, pooled["stn"]):
        say(f"wrote {path}")
    say(f"done in {time.perf_counter() - options.start:.0f} s")


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of one of these data sets")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for the results")
    parser.add_argument("--seed", type=int, default=0, help="decides data, folds and training")
    parser.set_defaults(start=time.perf_counter())
    return parser.parse_args()


def read_cells(options):
    """Draw or read the cells, with the sizes and settings that belong to them."""
    if options.data is None:
        size = SYNTHETIC
        X, y, centers = make_cells(
            size["n_samples"],
            patch_size=size["patch_size"],
            image_size=size["image_size"],
            random_state=options.seed,
        )
        # Every synthetic patch is drawn for itself, so each is a group of its own.
        cells = protocols.CellSet(X, y, centers, np.arange(len(y)))
        sizes = (size["patch_size"], size["cell_size"], size["n_folds"])
        return cells, *sizes, SETTINGS["synthetic"], "synthetic cells"
    try:
        cells, protocol = protocols.load(options.data, seed=options.seed)
    except FileNotFoundError as error:
        sys.exit(f"demo: {error}")
    sizes = (protocol.patch_size, protocol.cell_size, REAL_FOLDS)
    return cells, *sizes, SETTINGS[protocol.name], protocol.title


def write(options, cells, patch_size, heading, results, stn):
    """Write table, numbers and figure; give their paths."""
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / "table.md", out / "scores.json", out / "examples.png"]
    tables = [classification_table(results, fmt="markdown"), summary_table(results, fmt="markdown")]
    paths[0].write_text("\n\n".join([f"# {heading}", *tables]) + "\n", encoding="utf-8")
    record = {
        "data": heading,
        "n_samples": len(cells.y),
        "seed": options.seed,
        "commit": commit(),
        "environment": environment(),
        "methods": results,
    }
    paths[1].write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    figure = plot_examples(
        cells.X[stn.test],
        cells.y[stn.test],
        stn.y_pred,
        stn.proba,
        np.unique(cells.y),
        corners=stn.corners,
        centers=cells.centers[stn.test],
        patch_size=patch_size,
        n_correct=N_EXAMPLES,
        n_false=N_EXAMPLES,
        title=f"{title('stn')}, cross-validated: {heading}",
        random_state=options.seed,
    )
    figure.savefig(paths[2])
    return paths


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    main()
