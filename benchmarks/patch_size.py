"""Where looking pays: synthetic cells that get smaller in their patches.

    python benchmarks/patch_size.py [--ratios 1.5 2 3 4] [--methods stn context cnn ciresan]
        [--n 400] [--seeds 0] [--threads N]
    python benchmarks/patch_size.py --page-only

Cells of one size lie anywhere in patches that are 1.5 to 4 times as wide as the window for a
cell. Each method is cross-validated on two halves, with the same epochs whatever the patch.
docs/patch_size.md and its figure are made from what is stored.
"""

import numpy as np
from _evaluate import build, folds, joined, run_fold, title
from _run import DOCS, Store, carry_out, mean_and_range, parser, table
from protocols import CellSet

from stnclf.datasets import make_cells
from stnclf.metrics import error_summary
from stnclf.report import evaluate

KEY = ("method", "ratio", "seed", "n")
FIGURE = DOCS / "_static" / "patch_size.png"

CELL = 48
RATIOS = (1.5, 2.0, 3.0, 4.0)
EPOCHS = {
    "stn": {"classifier_epochs": 80, "localizer_epochs": 50, "joint_epochs": 20},
    "context": {
        "classifier": "context",
        "classifier_epochs": 80,
        "localizer_epochs": 45,
        "joint_epochs": 10,
        "optimizer__lr": (3e-3, 3e-3, 1e-4),
    },
    "cnn": {"classifier_epochs": 150},
    "ciresan": {"epochs": 150},
}
TITLES = {"context": 'STN, classifier="context"'}


def main(arguments=None):
    line = parser(__doc__, "patch_size.json")
    line.add_argument("--ratios", nargs="+", type=float, default=RATIOS)
    line.add_argument("--methods", nargs="+", choices=EPOCHS, default=list(EPOCHS))
    line.add_argument("--n", type=int, default=400, help="cells")
    options = line.parse_args(arguments)
    carry_out(options, KEY, measure, sections, "patch_size.md")
    if options.out == options.kept:
        draw(Store(options.out, KEY)).savefig(FIGURE, dpi=120)


def synthetic(ratio, n, seed):
    """Draw cells anywhere in patches so many times as wide as their windows."""
    side = round(ratio * CELL)
    X, y, centers = make_cells(
        n,
        patch_size=side,
        image_size=side + CELL,
        offset=(side - CELL) / 2,
        random_state=seed,
    )
    return CellSet(X, y, centers, np.arange(n)), side


def measure(options, store):
    """Measure what is not stored yet."""
    for seed in options.seeds:
        for ratio in options.ratios:
            cells, side = synthetic(ratio, options.n, seed)
            for method in options.methods:
                row = {"method": method, "ratio": ratio, "seed": seed, "n": options.n}
                row |= {"settings": EPOCHS[method], "title": named(method)}
                if not store.is_done(row):
                    store.put(row | scores(method, cells, side, seed))
                    print(store.find(row), flush=True)


def scores(method, cells, side, seed):
    """Cross-validate one method on two halves."""
    results = []
    for train, test in folds(cells.y, cells.groups, 2, seed):
        kind = "stn" if method in TITLES else method
        estimator = build(kind, side, CELL, seed=seed, settings=EPOCHS[method])
        results.append(run_fold(estimator, cells, train, test))
    whole = joined(results)
    errors = np.hypot(*(whole.centers - cells.centers[whole.test]).T)
    return {
        "macro_f1": round(evaluate(cells.y[whole.test], whole.y_pred)["macro_f1"], 4),
        "median_error": round(float(error_summary(errors)["median"]), 2),
        "fit_cpu_seconds": round(whole.fit_cpu_seconds, 1),
    }


def named(method):
    """Title of a method in table and figure."""
    return TITLES.get(method) or title(method)


def groups(store):
    """Rows by method and ratio, with whether they were made on the machine of most rows."""
    found, machines = {}, [row["environment"] for row in store.rows]
    usual = max(machines, key=machines.count)
    for row in store.rows:
        found.setdefault((row["method"], row["ratio"]), []).append(row)
    return {
        key: (rows, all(row["environment"] == usual for row in rows))
        for key, rows in sorted(found.items())
    }


def sections(store):
    """Write a row for each patch and method."""
    found, lines = groups(store), []
    for ratio in sorted({ratio for _, ratio in found}):
        for method in EPOCHS:
            if (method, ratio) in found:
                rows, comparable = found[method, ratio]
                seconds = np.mean([row["fit_cpu_seconds"] for row in rows])
                error = np.mean([row["median_error"] for row in rows])
                seeds = ", ".join(str(seed) for seed in sorted(row["seed"] for row in rows))
                f1 = mean_and_range([row["macro_f1"] for row in rows])
                mark = "" if comparable else "*"
                cells = [f"{ratio:g}", rows[0]["title"], f1, f"{error:.1f}"]
                lines.append([*cells, f"{seconds:.0f}{mark}", seeds])
    header = ["patch / cell", "method", "macro F1", "median error (px)", "fit (CPU s)", "seeds"]
    epochs = "; ".join(
        f"{named(name)} {'/'.join(str(v) for k, v in values.items() if k.endswith('epochs'))}"
        for name, values in EPOCHS.items()
    )
    made = store.where(store.rows, lambda row: row["title"])
    text = f"{store.rows[0]['n']} cells. Epochs: {epochs}. {made}"
    return {"patch sizes": f"{text}\n\n{table(header, lines)}"}


def draw(store):
    """Draw macro F1 and CPU time against patch over cell."""
    import matplotlib.pyplot as plt

    from stnclf._utils.plot_style import COLOURS, DASHES, MARKERS

    figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
    names = {"macro_f1": "macro F1", "fit_cpu_seconds": "CPU seconds to fit"}
    for method, colour, dash, marker in zip(EPOCHS, COLOURS, DASHES, MARKERS):
        mine = {ratio: rows for (name, ratio), rows in groups(store).items() if name == method}
        style = {"color": colour, "linestyle": dash, "marker": marker, "label": named(method)}
        for axis, name in zip(axes, names):
            shown = {
                ratio: np.mean([row[name] for row in rows])
                for ratio, (rows, comparable) in mine.items()
                if name == "macro_f1" or comparable
            }
            axis.plot(list(shown), list(shown.values()), **style)
    for axis, name in zip(axes, names.values()):
        axis.set(xlabel="side of the patch / side of the cell's window", ylabel=name)
        axis.grid(alpha=0.3)
    axes[1].set_ylim(bottom=0)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


if __name__ == "__main__":
    main()
