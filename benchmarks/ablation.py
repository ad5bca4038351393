"""What each part of the default STN is worth: leave one out, or put one in, and measure again.

    python benchmarks/ablation.py --data FOLDER [--variants NAME ...] [--folds 0 1 2 3 4]
        [--seeds 0] [--threads N] [--max-samples N]
    python benchmarks/ablation.py --page-only

Crops, folds and test sets are those of amibr.py. A variant is compared with the default on the
same folds and seeds; several processes may share the file of results.
"""

import amibr
import numpy as np
from _evaluate import build
from _run import carry_out, mean_and_range, needs_data, parameters, parser, seconds, table

KEY = ("variant", "seed", "fold", "max_samples")
#: Name -> parameters that differ from the default. Each is trained.
VARIANTS = {
    "default": {},
    "half of the epochs": {"classifier_epochs": 40, "localizer_epochs": 25, "joint_epochs": 10},
    "no joint stage": {"joint_epochs": 0},
    "no label smoothing": {"label_smoothing": 0.0},
    "haematoxylin-eosin jitter": {"augment__color": 0.0, "augment__stain": 0.1},
    "no change of colour": {"augment__color": 0.0},
    "colour up to 0.25": {"augment__color": 0.25},
    "sizes changed by up to 1.2": {"augment__scale": 0.2},
    "no mirrored patches": {"augment__flip": False},
    "no rotation": {"augment__rotate": False},
    "no centre jitter": {"augment__center": 0.0},
    "weighted classes": {"balance": False, "class_weight": "balanced"},
    "no class balance": {"balance": False},
    "no weight decay": {"optimizer__weight_decay": 0.0},
    "constant rates": {
        "optimizer__schedule": "constant",
        "optimizer__lr": (1e-3, 1e-3, 5e-4),
    },
    "three glimpses": {"n_glimpses": 3},
    "two networks, window and context": {"classifier": "context"},
    "the paper's classifier": {"classifier": "inception"},
    "the paper's localizer": {"localizer": "dense"},
}
#: Those that change prediction alone: asked of the trained default.
IN_PREDICTION = {"no average over symmetries": {"tta": False}}
SETS = amibr.PUBLISHED_SETS[:2]


def main(arguments=None):
    line = parser(__doc__, "ablation.json")
    line.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    folds = range(amibr.N_FOLDS)
    line.add_argument("--folds", nargs="+", type=int, choices=folds, default=folds)
    carry_out(line.parse_args(arguments), KEY, measure, sections, "ablation.md")


def measure(options, store):
    """Train every variant on every fold that is not stored yet."""
    needs_data(options)
    crops = amibr.split(options.data, options.max_samples)
    for variant in options.variants:
        for seed in options.seeds:
            for fold in options.folds:
                measure_fold(options, store, crops, variant, seed, fold)


def measure_fold(options, store, crops, variant, seed, fold):
    """Train one variant on one fold, and store what it and variants of its prediction find."""
    asked = [(variant, {}), *(IN_PREDICTION.items() if variant == "default" else ())]
    rows, estimator = [], None
    for name, changes in asked:
        row = {"variant": name, "seed": seed, "fold": fold, "max_samples": options.max_samples}
        settings = VARIANTS[variant] | changes
        row["settings"] = parameters(build("stn", *amibr.sizes(), seed=seed, settings=settings))
        rows.append(row)
    if all(map(store.is_done, rows)):
        return
    estimator = build("stn", *amibr.sizes(), seed=seed, settings=VARIANTS[variant])
    seconds = amibr.fit_fold(estimator, crops, fold)
    for row, (_, changes) in zip(rows, asked):
        estimator.set_params(**changes)
        row |= {"fit_cpu_seconds": seconds, **amibr.predict_fold(estimator, crops, fold)}
        store.put(row)
        print("{variant} seed {seed} fold {fold}: ".format(**row) + amibr.shown(row), flush=True)


def sections(store):
    """Write a table for each test set, means over folds and differences to the default, and times.

    A difference is that of the same fold and seed, in points, mean (least to most).
    """
    whole = [row for row in store.rows if row["max_samples"] is None]
    found = {}
    for row in whole or store.rows:
        found.setdefault(row["variant"], {})[row["seed"], row["fold"]] = row
    default = found.get("default", {})
    if not default:
        return {"ablation": "Nothing is stored yet."}
    pairs = {}  # of each variant: its rows, and those of the default on the same folds and seeds
    for variant in ("default", *IN_PREDICTION, *list(VARIANTS)[1:]):
        runs = sorted(set(found.get(variant, {})) & set(default))
        if runs:
            pairs[variant] = [[rows[run] for run in runs] for rows in (found[variant], default)]
    made_on = store.where(store.rows, lambda row: row["variant"])
    parts = [
        f"**{name}**\n\n{scores_on(name, pairs)}"
        for name in SETS
        if all(name in row["counts"] for row in default.values())
    ]
    return {"ablation": "\n\n".join([made_on, *parts, f"**CPU time**\n\n{times(pairs)}"])}


def scores_on(name, pairs):
    """Write the table of a test set."""
    lines = []
    for variant, sides in pairs.items():
        cells = [variant, len(sides[0])]
        for measure in ("balanced accuracy", "AUROC"):
            values, others = (
                [amibr.scores([row], name)[measure] for row in rows] for rows in sides
            )
            if variant == "default":
                cells += [mean_and_range(values), "-"]
            else:
                cells += [f"{np.mean(values):.3f}", difference(values, others)]
        lines.append(cells)
    header = ["variant", "folds", "balanced accuracy", "difference", "AUROC", "difference"]
    return table(header, lines)


def times(pairs):
    """Write the table of times, means over folds."""
    parts = ("fit", "predict")
    lines = [
        [variant, *(seconds(row[f"{part}_cpu_seconds"] for row in rows) for part in parts)]
        for variant, (rows, _) in pairs.items()
    ]
    return table(["variant", "fit (CPU s)", "predict (CPU s)"], lines)


def difference(values, others):
    """Write the differences in points: mean, and least to most of several."""
    points = 100 * (np.array(values) - np.array(others))
    text = f"{points.mean():+.1f}"
    return text if len(points) == 1 else f"{text} ({points.min():+.1f} to {points.max():+.1f})"


if __name__ == "__main__":
    main()
