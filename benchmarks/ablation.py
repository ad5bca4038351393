"""What each part of the default STN is worth: leave one out, or put one in, and measure again.

    python benchmarks/ablation.py --data ROOT [--protocols bccd amibr crchisto] [--folds 0]
        [--seeds 0] [--variants NAME ...] [--threads N] [--max-samples N]
    python benchmarks/ablation.py --page-only

Folds, settings and scores are those of accuracy.py, but for the EPOCHS.
"""

import accuracy
import numpy as np
from _run import HEADLINES, carry_out, parser, table

#: About a third of the epochs of accuracy.py's.
EPOCHS = {
    "bccd": {"classifier_epochs": 35, "localizer_epochs": 25, "joint_epochs": 4},
    "amibr": {"classifier_epochs": 35, "localizer_epochs": 20, "joint_epochs": 4},
    "crchisto": {"classifier_epochs": 14, "localizer_epochs": 6, "joint_epochs": 2},
}
#: Name -> parameters that differ from the default.
VARIANTS = {
    "default": {},
    "two networks, window and context": {"classifier": "context"},
    "the paper's classifier": {"classifier": "inception"},
    "the paper's localizer": {"localizer": "dense"},
    "three glimpses": {"n_glimpses": 3},
    "refinement of three positions": {"classifier": "zoom", "n_glimpses": 3},
    "no average over symmetries": {"tta": False},
    "no joint stage": {"joint_epochs": 0},
    "no mirrored patches": {"augment__flip": False},
    "no rotation": {"augment__rotate": False},
    "sizes changed by up to 1.2": {"augment__scale": 0.2},
    "no change of colour": {"augment__color": 0.0},
    "colour up to 0.25": {"augment__color": 0.25},
    "no centre jitter": {"augment__center": 0.0},
    "no label smoothing": {"label_smoothing": 0.0},
    "no weight decay": {"optimizer__weight_decay": 0.0},
    "constant rates": {
        "optimizer__schedule": "constant",
        "optimizer__lr": (1e-3, 1e-3, 5e-4),
    },
    "no class balance": {"balance": False},
    "weighted classes": {"balance": False, "class_weight": "balanced"},
}
#: Stored rows of parameters that were measured and went.
GONE = ("a map for each class", "two networks, window alone")


def main(arguments=None):
    line = parser(__doc__, "ablation.json", methods=["stn"])
    line.add_argument("--protocols", nargs="+", default=list(EPOCHS), choices=EPOCHS)
    line.add_argument("--folds", nargs="+", type=int, default=[0], help="which of the five")
    line.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    options = line.parse_args(arguments)

    def variants(protocol):
        return {f": {name}": EPOCHS[protocol] | VARIANTS[name] for name in options.variants}

    def measure(options, store):
        accuracy.measure(options, store, variants)

    carry_out(options, accuracy.KEY, measure, sections, "ablation.md")


def sections(store):
    """Write a row for each variant: score, difference to the default in points, CPU seconds.

    Only variants with all the folds of the default are shown. An asterisk marks seconds of another
    machine than the default's, which do not compare.
    """
    found = {}
    for row in store.rows:
        variant = row["method"].partition(": ")[2]
        found.setdefault(row["protocol"], {}).setdefault(variant, []).append(row)
    headlines = {name.split("/")[0]: data["headline"] for name, data in store.data.items()}
    found = {name: found[name] for name in headlines if "default" in found.get(name, {})}
    if not found:
        return {"ablation": "Nothing is stored yet."}
    lines = []
    for variant in (*VARIANTS, *GONE):
        cells = []
        for name, variants in found.items():
            base, mine = variants["default"], variants.get(variant, [])
            if len(mine) != len(base):
                cells += ["-", "-"]
                continue
            score, default = (mean_score(rows, headlines[name]) for rows in (mine, base))
            change = "" if variant == "default" else f" ({100 * (score - default):+.1f})"
            elsewhere = {r["environment"] for r in mine} - {r["environment"] for r in base}
            seconds = np.mean([row["fit_cpu_seconds"] for row in mine])
            cells += [f"{score:.3f}{change}", f"{seconds:.0f}{'*' if elsewhere else ''}"]
        if set(cells) != {"-"}:
            lines.append([variant, *cells])
    header = ["variant"]
    for name in found:
        header += [f"{name}, {HEADLINES[headlines[name]]}", "fit (CPU s)"]
    runs = sorted({(row["seed"], row["fold"]) for row in store.rows})
    which = ", ".join(f"fold {fold} of seed {seed}" for seed, fold in runs)
    text = f"{which.capitalize()}. {store.where(store.rows)}"
    return {"ablation": f"{text}\n\n{table(header, lines)}"}


def mean_score(rows, headline):
    return np.mean([accuracy.confusion_scores([row])[headline] for row in rows])


if __name__ == "__main__":
    main()
