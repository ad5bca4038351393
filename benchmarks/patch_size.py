"""Where looking pays: synthetic cells that get smaller in their patches.

    python benchmarks/patch_size.py [--ratios 1.5 2 3 4] [--methods stn zoom context cnn ciresan]
        [--n 400] [--seeds 0] [--threads N]
    python benchmarks/patch_size.py --page-only

Cells of one size lie anywhere in patches that are 1.5 to 4 times as wide as the window for a
cell. Each method is trained on one half of the cells and tested on the other, and the other way
round, for the same epochs whatever the patch. Results go to results/patch_size.json as they come;
a later run computes what is missing. docs/patch_size.md and its figure are made from them.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from _evaluate import build, commit, environment, folds, joined, run_fold, title
from protocols import CellSet

from stnclf._utils.files import write_atomically
from stnclf.datasets import make_cells
from stnclf.metrics import error_summary
from stnclf.report import evaluate

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "patch_size.json"
PAGE = ROOT / "docs" / "patch_size.md"
FIGURE = ROOT / "docs" / "_static" / "patch_size.png"

CELL = 48
RATIOS = (1.5, 2.0, 3.0, 4.0)
EPOCHS = {
    "stn": {"classifier_epochs": 80, "localizer_epochs": 50, "joint_epochs": 20},
    "zoom": {
        "classifier": "zoom",
        "n_glimpses": 3,
        "classifier_epochs": 80,
        "localizer_epochs": 40,
        "joint_epochs": 30,
    },
    "context": {
        "classifier": "context",
        "classifier_epochs": 80,
        "localizer_epochs": 45,
        "joint_epochs": 10,
        "joint_lr": 1e-4,
    },
    "cnn": {"classifier_epochs": 150},
    "ciresan": {"epochs": 150},
}
TITLES = {
    "zoom": 'STN, classifier="zoom", n_glimpses=3',
    "context": 'STN, classifier="context"',
}


def main(arguments=None):
    options = read_options(arguments)
    if not options.page_only:
        measure(options)
    store = read_store(options.out)
    print(table(store))
    if options.out == RESULTS:
        write_atomically(PAGE, page(store).encode())
        draw(store).savefig(FIGURE, dpi=120)


def read_options(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ratios", nargs="+", type=float, default=RATIOS)
    parser.add_argument("--methods", nargs="+", choices=EPOCHS, default=list(EPOCHS))
    parser.add_argument("--n", type=int, default=400, help="cells")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--page-only", action="store_true")
    return parser.parse_args(arguments)


def read_store(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"rows": []}


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


def measure(options):
    """Compute what is not stored yet."""
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    for seed in options.seeds:
        for ratio in options.ratios:
            cells, side = synthetic(ratio, options.n, seed)
            for method in options.methods:
                key = {"method": method, "ratio": ratio, "seed": seed, "n": options.n}
                key["settings"] = EPOCHS[method]
                store = read_store(options.out)
                if any(key.items() <= row.items() for row in store["rows"]):
                    continue
                row = key | measured(method, cells, side, seed)
                print(json.dumps(row), flush=True)
                same = ("method", "ratio", "seed", "n")
                others = [r for r in store["rows"] if any(r[name] != row[name] for name in same)]
                here = environment()
                row["machine"] = f"{here['cpu']}, {here['threads']} thread(s)"
                row["torch"] = here["versions"]["torch"]
                store = {"rows": [*others, row]}
                options.out.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(options.out, (json.dumps(store, indent=1) + "\n").encode())


def measured(method, cells, side, seed):
    """Cross-validate one method on two halves."""
    results = []
    for train, test in folds(cells.y, cells.groups, 2, seed):
        kind = "stn" if method in TITLES else method
        estimator = build(kind, side, CELL, seed=seed, settings=EPOCHS[method])
        results.append(run_fold(estimator, cells, train, test))
    whole = joined(results)
    scores = evaluate(cells.y[whole.test], whole.y_pred)
    errors = np.hypot(*(whole.centers - cells.centers[whole.test]).T)
    return {
        "title": named(method),
        "macro_f1": round(scores["macro_f1"], 4),
        "median_error": round(float(error_summary(errors)["median"]), 2),
        "fit_cpu_seconds": round(whole.fit_cpu_seconds, 1),
        "commit": commit(),
    }


def named(method):
    """Name a method in table and figure."""
    return TITLES.get(method) or title(method)


def means(store):
    """Mean over seeds by method and ratio: macro F1, median error, seconds.

    Beside them the title, the seeds, the lowest and highest macro F1, and whether all of them were
    made on the machine of most rows: seconds of different machines do not compare.
    """
    found, machines = {}, [row["machine"] for row in store["rows"]]
    usual = max(machines, key=machines.count)
    for row in store["rows"]:
        found.setdefault((row["method"], row["ratio"]), []).append(row)
    return {
        key: {
            name: float(np.mean([row[name] for row in rows]))
            for name in ("macro_f1", "median_error", "fit_cpu_seconds")
        }
        | {
            "title": rows[0]["title"],
            "seeds": sorted(row["seed"] for row in rows),
            "comparable": all(row["machine"] == usual for row in rows),
            "range": (min(row["macro_f1"] for row in rows), max(row["macro_f1"] for row in rows)),
        }
        for key, rows in sorted(found.items())
    }


def table(store):
    """Markdown: a row for each patch and method."""
    found = means(store)
    lines = [
        "| patch / cell | method | macro F1 | median error/px | fit/s | seeds |",
        "| ---: | --- | ---: | ---: | ---: | --- |",
    ]
    for ratio in sorted({ratio for _, ratio in found}):
        for method in EPOCHS:
            if (method, ratio) in found:
                row = found[method, ratio]
                spread = "{:.3f} to {:.3f}".format(*row["range"])
                several = f" ({spread})" if len(row["seeds"]) > 1 else ""
                mark = "" if row["comparable"] else "*"
                lines.append(
                    f"| {ratio:g} | {row['title']} | {row['macro_f1']:.3f}{several} | "
                    f"{row['median_error']:.1f} | {row['fit_cpu_seconds']:.0f}{mark} | "
                    f"{', '.join(map(str, row['seeds']))} |"
                )
    return "\n".join(lines)


def draw(store):
    """Macro F1 and processor time against patch over cell."""
    import matplotlib.pyplot as plt

    from stnclf._utils.plot_style import COLOURS, DASHES, MARKERS

    found = means(store)
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
    for method, colour, dash, marker in zip(EPOCHS, COLOURS, DASHES, MARKERS):
        rows = {ratio: row for (name, ratio), row in found.items() if name == method}
        style = {"color": colour, "linestyle": dash, "marker": marker}
        for axis, name in zip(axes, ("macro_f1", "fit_cpu_seconds")):
            shown = {
                ratio: row[name]
                for ratio, row in rows.items()
                if name == "macro_f1" or row["comparable"]
            }
            label = next(iter(rows.values()))["title"] if rows else method
            axis.plot(list(shown), list(shown.values()), label=label, **style)
    for axis, name in zip(axes, ("macro F1", "processor seconds to fit")):
        axis.set(xlabel="side of the patch / side of the cell's window", ylabel=name)
        axis.grid(alpha=0.3)
    axes[1].set_ylim(bottom=0)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def page(store):
    """Give the page's text."""
    rows = store["rows"]
    commits, torch = (", ".join(sorted({str(row[k]) for row in rows})) for k in ("commit", "torch"))
    machines = {}
    for row in rows:
        machines.setdefault(row["machine"], {})[row["title"]] = None
    where = "; ".join(f"{machine}: {', '.join(names)}" for machine, names in machines.items())
    epochs = "; ".join(
        f"{named(name)} {'/'.join(str(v) for k, v in values.items() if k.endswith('epochs'))}"
        for name, values in EPOCHS.items()
    )
    return PAGE_TEXT.format(
        n=rows[0]["n"],
        cell=CELL,
        ratios=", ".join(f"{ratio:g}" for ratio in sorted({row["ratio"] for row in rows})),
        epochs=epochs,
        where=where,
        torch=torch,
        commits=commits,
        table=table(store),
    )


PAGE_TEXT = """# Where looking pays

The smaller the cell in its patch, the more there is to look for. `python benchmarks/patch_size.py`
draws {n} synthetic cells (`make_cells`: granulocytes, mitotic figures and tumour cells among others
of their like) anywhere in patches that are {ratios} times as wide as the window of {cell} px for a
cell, and cross-validates on two halves. Epochs: {epochs}; the same for all patches. Scores
are means over the seeds of their row; torch {torch}; commit {commits}. Measured on {where}.

![Macro F1 and processor seconds over the side of the patch in cells.](_static/patch_size.png)

{table}

The error is the distance of the place that was found from the cell, fit/s are processor seconds to
fit both halves. All networks but the baseline see the whole patch in 64 px, whatever its size, and
the cell gets smaller in them. The default STN lays its window on maps of that view, so that it
loses detail as the modern CNN does; with `classifier="context"` the window is sampled from the
pixels. With `classifier="zoom"` it is too, in three places, which are compared: what looks like the
cell at 64 px may not when it is seen again. The baseline sees patches up to 128 px as they are.
Seconds with an asterisk were measured on another machine than those of most rows: they do not
compare with them, and are not drawn.
"""


if __name__ == "__main__":
    main()
