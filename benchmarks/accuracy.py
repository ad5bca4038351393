"""Accuracy of all methods on the public data sets, by grouped cross-validation.

    python benchmarks/accuracy.py --data ROOT [--folds 0 1 2 3 4] [--seeds 0]
        [--protocols bccd amibr crchisto chula chula-96 chula-216]
        [--methods stn stn-absent cnn cnn-128 cnn-160 stn-paper stn-paper-full ciresan
        ciresan-full svc rf] [--max-samples N] [--threads N] [--out FILE]
    python benchmarks/accuracy.py --page-only

ROOT holds the folders bccd, amibr and so on. Scores are those of the test vectors of the five folds
put together. Processes may share an output file. Without ``--out`` docs/accuracy.md is written, and
the table of rare red cells in README.md, with the figure over the sizes of their patches. Without
--protocols all without a number are measured, without --methods those of `USUAL`.
"""

import numpy as np
import protocols
from _evaluate import METHODS, build, folds, run_fold, title
from _run import (
    DOCS,
    HEADLINES,
    ROOT,
    Store,
    carry_out,
    fill,
    mean_and_range,
    needs_data,
    parameters,
    parser,
    seconds,
    table,
)

from stnclf.metrics import error_summary, localization_summary
from stnclf.report import classification_table, evaluate, summary_table

#: The order of methods in tables, with two that are no more: zoom, which compared three glimpses,
#: was measured at a3d5471, oracle, windows at the true centres, at 1fd4ba8.
ORDER = (*METHODS[:2], "zoom", *METHODS[2:5], "oracle", *METHODS[5:])
PAPERS = ("stn-paper-full", "ciresan-full")
FOLD_COLUMNS = ("folds", "macro F1", "error (px)", "within 8 px", "fit (CPU s)")
USUAL = ("stn", "stn-absent", "cnn", "stn-paper", "ciresan", "svc", "rf")
KEY = ("protocol", "method", "seed", "fold", "n_folds", "max_samples")
N_FOLDS = 5
README = ROOT / "README.md"
FIGURE = DOCS / "_static" / "rare_cells.png"
LOOKS = DOCS / "_static" / "paper_localizer.png"
#: Rare red cells: the protocols in order of the size of their patches, and what the figure shows.
RARE = ("chula-96", "chula", "chula-216")
SHOWN = ("stn", "cnn", "ciresan", "svc")

# Parameters that differ from the estimators' own defaults: for all protocols, then for one.
# The published system is cut short here; its row says by how much.
SETTINGS = {
    "stn": {
        "all": {},
        "crchisto": {
            "classifier_epochs": 27,
            "localizer_epochs": 15,
            "joint_epochs": 5,
            "augment__scale": 0.2,
        },
    },
    "stn-absent": {"all": {}},
    # The control has about as much processor time as the STN, all of it for the one network, and
    # the same changes of the patches.
    "cnn": {
        "all": {"classifier_epochs": 150},
        "crchisto": {"classifier_epochs": 45, "augment__scale": 0.2},
    },
    "cnn-128": {"all": {"classifier_epochs": 150}},
    "cnn-160": {"all": {"classifier_epochs": 150}},
    "stn-paper": {
        "all": {"classifier_epochs": 10, "localizer_epochs": 30, "joint_epochs": 8},
        "amibr": {"classifier_epochs": 5, "localizer_epochs": 12, "joint_epochs": 5},
        "crchisto": {"classifier_epochs": 2, "localizer_epochs": 3, "joint_epochs": 1},
    },
    "stn-paper-full": {"all": {}},
    "ciresan": {
        "all": {"epochs": 150},
        "amibr": {"epochs": 100},
        "crchisto": {"epochs": 40},
        "chula": {"epochs": 200},
    },
    "ciresan-full": {"all": {"epochs": 200}},
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


def main(arguments=None):
    line = parser(__doc__, "accuracy.json", protocols=list(protocols.PROTOCOLS), methods=USUAL)
    line.add_argument("--protocols", nargs="+", choices=protocols.ALL_SIZES, metavar="NAME")
    line.add_argument("--methods", nargs="+", choices=METHODS, metavar="NAME")
    folds = range(N_FOLDS)
    line.add_argument("--folds", nargs="+", type=int, choices=folds, default=folds)
    options = line.parse_args(arguments)
    carry_out(options, KEY, measure, sections, "accuracy.md")
    if options.out == options.kept:
        store = Store(options.out, KEY)
        fill(README, rare_cells(store, ["chula"]))
        draw(store).savefig(FIGURE, dpi=120)
        if any("looks" in row for row in store.rows):
            draw_looks(store).savefig(LOOKS, dpi=120)


def measure(options, store, variants=None):
    """Measure every fold that is not stored yet.

    ``variants(protocol)`` returns changes of parameters by a suffix of the method's name.
    """
    needs_data(options)
    for name in options.protocols:
        cells, protocol = protocols.load(options.data, name)
        cells = thinned(cells, options.max_samples)
        store.note(data_key(name, options.max_samples), describe(cells, protocol))
        for seed in options.seeds:
            splits = folds(cells.y, cells.groups, N_FOLDS, seed)
            for method in options.methods:
                if method == "stn-absent" and not protocol.without_cell:
                    continue
                for fold in options.folds:
                    for variant, changes in (variants(name) if variants else {"": {}}).items():
                        row = {"protocol": name, "method": method + variant, "seed": seed}
                        row |= {"fold": fold, "n_folds": N_FOLDS}
                        row["max_samples"] = options.max_samples
                        chosen, data_set = SETTINGS[method], name.partition("-")[0]
                        chosen = {**chosen["all"], **chosen.get(data_set, {}), **changes}
                        measure_fold(
                            options, store, cells, protocol, row, method, chosen, splits[fold]
                        )


def measure_fold(options, store, cells, protocol, row, method, chosen, split):
    """Measure one row, unless it is stored with the same settings."""
    sizes = protocol.patch_size, protocol.cell_size
    jobs = options.threads or 1
    estimator = build(method, *sizes, seed=row["seed"], settings=chosen, n_jobs=jobs)
    row |= {"title": title(method, chosen), "settings": parameters(estimator)}
    if store.is_done(row):
        return
    train, test = split
    shown = cells
    if method == "stn-absent":
        nowhere = np.isin(cells.y, protocol.without_cell)[:, None]
        shown = cells._replace(centers=np.where(nowhere, np.nan, cells.centers))
    result = run_fold(estimator, shown, train, test)
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
    if method in PAPERS and result.centers is not None:
        row["looks"] = looks(cells, test, result.centers)
    store.put(row)
    score = f"{protocol.headline} {scores[protocol.headline]:.3f}"
    which = "{protocol} {method} seed {seed} fold {fold}".format(**row)
    print(f"{which}: {score}, {result.fit_cpu_seconds:.1f} CPU s to fit", flush=True)


def thinned(cells, max_samples):
    """Keep a random part of the cells, the same one every time."""
    if max_samples is None or max_samples >= len(cells.y):
        return cells
    kept = np.sort(np.random.default_rng(0).permutation(len(cells.y))[:max_samples])
    return protocols.CellSet(*(values[kept] for values in cells))


def describe(cells, protocol):
    """Say what a data set holds, and how far off the centre guess is on it."""
    guess = {
        str(c): localization_summary(points, points, image_size=cells.X.shape[1:3])["center_guess"]
        for c in [None, *np.unique(cells.y)]
        for points in [cells.centers if c is None else cells.centers[cells.y == c]]
    }
    names = ("title", "headline", "patch_size", "cell_size")
    return {
        **{name: getattr(protocol, name) for name in names},
        "n_samples": len(cells.y),
        "n_groups": len(np.unique(cells.groups)),
        "center_guess": {**guess.pop("None"), "classes": guess},
    }


def data_key(name, max_samples):
    return name if max_samples is None else f"{name}/max{max_samples}"


def error_tenths(cells, test, centers):
    """Localisation errors by class in tenths of a pixel, sorted: what a median needs."""
    if centers is None:
        return None
    errors = np.hypot(*(centers - cells.centers[test]).T)
    tenths = np.rint(10 * errors).astype(int)
    y = cells.y[test]
    return {str(c): np.sort(tenths[y == c]).tolist() for c in np.unique(cells.y)}


def looks(cells, test, centers):
    """Where cells are and where they were found, in whole pixels from the middle of the patch."""
    middle = (np.array(cells.X.shape[2:0:-1]) - 1) / 2
    pairs = (("meant", cells.centers[test]), ("found", centers))
    return {name: np.rint(points - middle).astype(int).tolist() for name, points in pairs}


def confusion_scores(rows, **more):
    """Score the samples of rows together, from their confusion matrices."""
    labels = np.array(rows[0]["labels"])
    confusion = np.sum([row["confusion"] for row in rows], axis=0)
    true, pred = (np.repeat(i.ravel(), confusion.ravel()) for i in np.indices(confusion.shape))
    return evaluate(labels[true], labels[pred], labels=labels, **more)


def joined(rows, guess=None):
    """Score the samples of all folds together, as `evaluate` does."""
    scores = confusion_scores(
        rows,
        fit_seconds=sum(row["fit_cpu_seconds"] for row in rows),
        predict_seconds=sum(row["predict_seconds"] for row in rows),
    )
    if rows[0]["errors"] is not None:
        errors = {c: np.concatenate([r["errors"][c] for r in rows]) / 10 for c in rows[0]["errors"]}
        classes = {c: error_summary(values) for c, values in errors.items()}
        whole = error_summary(np.concatenate(list(errors.values())))
        scores["localization"] = {**whole, "classes": classes}
    scores["center_guess"] = guess
    return scores


def complete_runs(store):
    """Scores of every complete set of folds, by data set, title and seed."""
    runs, found = {}, {}
    for row in store.rows:
        runs.setdefault(tuple(row[name] for name in KEY if name != "fold"), []).append(row)
    order = list(protocols.ALL_SIZES)

    def place(rows):
        first = rows[0]
        return order.index(first["protocol"]), ORDER.index(first["method"]), first["seed"]

    for rows in sorted(runs.values(), key=place):
        first = rows[0]
        if len(rows) == first["n_folds"] and all(r["settings"] == first["settings"] for r in rows):
            data = data_key(first["protocol"], first["max_samples"])
            methods = found.setdefault(data, {}).setdefault(first["title"], {})
            methods[first["seed"]] = joined(rows, store.data[data]["center_guess"])
    return found


def summaries(store):
    """Summary of each data set as a Markdown table, by its name; means over seeds."""
    made = {}
    for name, methods in complete_runs(store).items():
        headline, rows = store.data[name]["headline"], {}
        for method, seeds in methods.items():
            scores = [run[headline] for run in seeds.values()]
            if len(seeds) > 1:
                method += f"; {len(seeds)} seeds, {HEADLINES[headline]} "
                method += f"{min(scores):.3f} to {max(scores):.3f}"
            rows[method] = mean(list(seeds.values()))
        made[name] = summary_table(rows, fmt="markdown")
    return made


def mean(values):
    """Average the scores of several runs; words and lists are those of the first."""
    first = values[0]
    if isinstance(first, dict):
        return {key: mean([value[key] for value in values]) for key in first}
    numbers = isinstance(first, (int, float)) and not isinstance(first, bool)
    return float(np.mean(values)) if numbers else first


def sections(store):
    """Write the page: for each data set the summary, then every run by class."""
    parts, means = [], summaries(store)
    for name, methods in complete_runs(store).items():
        data = store.data[name]
        several = any(len(seeds) > 1 for seeds in methods.values())
        named = {
            method + (f", seed {seed}" if several else ""): run
            for method, seeds in methods.items()
            for seed, run in seeds.items()
        }
        best = "; ".join(
            f"{method} {mean_and_range([run[data['headline']] for run in seeds.values()])}"
            for method, seeds in methods.items()
        )
        headline = HEADLINES[data["headline"]]
        parts += [
            f"## {data['title']}" + (" (a part of the set)" if "/max" in name else ""),
            f"{data['n_samples']} cells from {data['n_groups']} images; {headline}: {best}.",
            *([means[name], "### Every run"] if several else []),
            summary_table(named, fmt="markdown"),
            classification_table(named, fmt="markdown"),
        ]
    if not parts:
        return {"accuracy": "No complete set of folds is stored yet."}
    whole = "\n\n".join([f"Measured on {store.where(store.rows)}", *parts])
    return {"accuracy": whole, **rare_cells(store), **whole_schedule(store)}


def rare_cells(store, names=RARE):
    """Write a row for each method on Chula's rare red cells, of the folds that are stored.

    Localisation is that of the rare cells: in a patch of common ones any of them might be meant.
    The README, which has patches of one size, leaves out methods that are no more.
    """
    known = ORDER if len(names) > 1 else METHODS
    found = runs_by_fold(store, lambda row: row["protocol"] in names and row["method"] in known)
    lines = []
    for name, rows in found:
        width = [f"{patch_over_cell(rows[0]['protocol']):.1f}"] if len(names) > 1 else []
        lines.append([*width, name, *fold_cells(rows, "macro_f1", "rare")])
    header = ["patch / cell"] if len(names) > 1 else []
    return {"rare red cells": table([*header, "method", *FOLD_COLUMNS], lines)}


def patch_over_cell(name):
    protocol = protocols.ALL_SIZES[name]
    return protocol.patch_size / protocol.cell_size


def draw(store):
    """Draw macro F1 on rare red cells against patch over cell: means of folds, and each fold."""
    import matplotlib.pyplot as plt

    from stnclf._utils.plot_style import COLOURS, DASHES, MARKERS

    figure, axis = plt.subplots(figsize=(5.6, 3.6), layout="constrained")
    for i, (method, colour, dash, marker) in enumerate(zip(SHOWN, COLOURS, DASHES, MARKERS)):
        points, beside = [], 0.04 * (i - (len(SHOWN) - 1) / 2)  # so that none hides another
        for name in RARE:
            for _, rows in runs_by_fold(
                store,
                lambda row, name=name, method=method: (
                    (row["protocol"], row["method"], row["seed"]) == (name, method, 0)
                ),
            ):
                scores = [confusion_scores([row])["macro_f1"] for row in rows]
                x = patch_over_cell(name) + beside
                points.append((x, np.mean(scores)))
                axis.plot([x] * len(scores), scores, "_-", color=colour, alpha=0.5)
        if points:
            how = {"color": colour, "linestyle": dash, "marker": marker}
            axis.plot(*np.transpose(points), **how, label=title(method))
    axis.axhline(0.5, color="0.6", linewidth=0.8)
    axis.set(xlabel="side of the patch / side of the cell's window", ylabel="macro F1")
    axis.set_ylim(0.3, 1)
    axis.text(1, 0.5, " chance", transform=axis.get_yaxis_transform(), ha="left", va="center")
    axis.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def draw_looks(store):
    """Draw where the published localizer looks against where the cells are, along x and y."""
    import matplotlib.pyplot as plt

    from stnclf._utils.plot_style import COLOURS

    rows = [row for row in store.rows if "looks" in row and row["method"] == "stn-paper-full"]
    meant, found = (np.concatenate([row["looks"][k] for row in rows]) for k in ("meant", "found"))
    edge = 1.05 * max(np.abs(meant).max(), np.abs(found).max())
    figure, axes = plt.subplots(1, 2, figsize=(7, 3.9), layout="constrained", sharey=True)
    for i, (axis, name) in enumerate(zip(axes, "xy")):
        axis.plot([-edge, edge], [-edge, edge], color="0.6", linewidth=0.8)
        axis.plot(meant[:, i], found[:, i], ".", color=COLOURS[0], markersize=5, alpha=0.5)
        r = np.corrcoef(meant[:, i], found[:, i])[0, 1]
        slope = np.polyfit(meant[:, i], found[:, i], 1)[0]
        axis.set(xlim=(-edge, edge), ylim=(-edge, edge))
        axis.set_title(f"{name}: correlation {r:.2f}, slope {slope:.2f}")
        axis.set(xlabel="the cell, px from the middle", aspect="equal")
    axes[0].set_ylabel("the window, px from the middle")
    return figure


def whole_schedule(store):
    """Write a row for each data set and method that was trained for all the paper's epochs."""
    found = runs_by_fold(store, lambda row: row["method"] in PAPERS)
    lines = [
        [data["title"].partition(":")[0], name, *fold_cells(rows, data["headline"])]
        for name, rows in found
        for data in [store.data[rows[0]["protocol"]]]
    ]
    header = ["data set", "method", *FOLD_COLUMNS]
    header[3] = "score"
    return {"whole schedule": table(header, lines)}


def runs_by_fold(store, wanted):
    """List the names and rows of the methods of some rows, in order."""
    found = {}
    for row in store.rows:
        if wanted(row) and row["max_samples"] is None:
            found.setdefault((row["protocol"], row["method"], row["seed"]), []).append(row)

    def place(key):
        width = patch_over_cell(key[0]) if key[0] in RARE else 0
        order = list(protocols.ALL_SIZES).index(key[0].partition("-")[0])
        return order, width, ORDER.index(key[1]), key[2]

    return [
        (found[key][0]["title"] + (f", seed {key[2]}" if key[2] else ""), found[key])
        for key in sorted(found, key=place)
    ]


def fold_cells(rows, score, label=None):
    """Cells of a table: folds, their score, localisation of a class or of all, time."""
    folds = sorted(row["fold"] for row in rows)
    which = f"all {N_FOLDS}" if len(folds) == N_FOLDS else ", ".join(map(str, folds))
    where = ["-", "-"]
    if rows[0]["errors"] is not None:
        parts = [row["errors"] if label is None else {label: row["errors"][label]} for row in rows]
        errors = np.concatenate([values for part in parts for values in part.values()]) / 10
        where = [f"{np.median(errors):.1f}", f"{100 * np.mean(errors <= 8):.0f} %"]
    scores = mean_and_range([confusion_scores([row])[score] for row in rows])
    return [which, scores, *where, seconds(row["fit_cpu_seconds"] for row in rows)]


if __name__ == "__main__":
    main()
