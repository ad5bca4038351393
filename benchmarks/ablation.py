"""What each part of the default STN is worth: leave one out, or put one in, and measure again.

    python benchmarks/ablation.py --data ROOT [--protocols bccd amibr crchisto] [--folds 0]
        [--seeds 0] [--variants NAME ...] [--threads N]
    python benchmarks/ablation.py --page-only

Folds, settings and scores are those of accuracy.py, with the epochs cut to EPOCHS. Results go to
results/ablation.json, fold by fold; a later run takes up what is missing. The page
docs/ablation.md is written from them and from docs/ablation_notes.md.
"""

import argparse
from pathlib import Path

import accuracy
import numpy as np
import protocols
from _accuracy_page import HEADLINES
from _accuracy_store import data_key, note_data, read_store
from _evaluate import commit, environment, folds

from stnclf.report import evaluate

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "ablation.json"
PAGE, NOTES = ROOT / "docs" / "ablation.md", ROOT / "docs" / "ablation_notes.md"

#: About a third of the epochs of accuracy.py's.
EPOCHS = {
    "bccd": {"classifier_epochs": 35, "localizer_epochs": 25, "joint_epochs": 4},
    "amibr": {"classifier_epochs": 35, "localizer_epochs": 20, "joint_epochs": 4},
    "crchisto": {"classifier_epochs": 14, "localizer_epochs": 6, "joint_epochs": 2},
}
#: Name -> parameters that differ from the default.
VARIANTS = {
    "default": {},
    "a map for each class": {"class_maps": True},
    "two networks, window and context": {"classifier": "context"},
    "two networks, window alone": {"classifier": "window"},
    "the paper's classifier": {"classifier": "inception"},
    "the paper's localizer": {"localizer": "dense"},
    "three glimpses": {"n_glimpses": 3},
    "a second look at three places": {"classifier": "zoom", "n_glimpses": 3},
    "no average over symmetries": {"tta": False},
    "no joint stage": {"joint_epochs": 0},
    "no mirrored patches": {"flip": False},
    "no rotation": {"rotate": False},
    "sizes changed by up to 1.2": {"scale_jitter": 0.2},
    "no change of colour": {"color_jitter": 0.0},
    "colour up to 0.25": {"color_jitter": 0.25},
    "no centre jitter": {"center_jitter": 0.0},
    "no label smoothing": {"label_smoothing": 0.0},
    "no weight decay": {"weight_decay": 0.0},
    "constant rates": {
        "schedule": "constant",
        "classifier_lr": 1e-3,
        "localizer_lr": 1e-3,
    },
    "no class balance": {"balance": False},
    "weighted classes": {"balance": False, "class_weight": "balanced"},
}


def main(arguments=None):
    options = read_options(arguments)
    if not options.page_only:
        measure(options)
    store = read_store(options.out)
    print(table(store))
    if options.out == RESULTS:
        PAGE.write_text(page(store), encoding="utf-8")


def read_options(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder that holds the data sets' folders")
    parser.add_argument("--protocols", nargs="+", default=list(protocols.PROTOCOLS))
    parser.add_argument("--folds", nargs="+", type=int, default=[0], help="which of the five")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--max-samples", type=int, help="try things out on fewer cells")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument(
        "--page-only", action="store_true", help="write the page from what is there"
    )
    options = parser.parse_args(arguments)
    if options.data is None and not options.page_only:
        parser.error("--data is needed, unless --page-only is given")
    chosen, options.folds, options.predictions = options.folds, 5, None
    options.chosen_folds = chosen
    return options


def measure(options):
    """Compute and store every variant of every fold that is not there yet."""
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    here = {"commit": commit(), "environment": environment()}
    for name in options.protocols:
        cells, protocol = protocols.load(options.data, name)
        cells = accuracy.thinned(cells, options.max_samples)
        note_data(options.out, cells, protocol, options.max_samples)
        for seed in options.seeds:
            splits = folds(cells.y, cells.groups, options.folds, seed)
            for fold in options.chosen_folds:
                for variant in options.variants:
                    accuracy.measure_fold(
                        options,
                        cells,
                        protocol,
                        "stn",
                        seed,
                        fold,
                        *splits[fold],
                        here,
                        variant=f": {variant}",
                        changes={**EPOCHS[name], **VARIANTS[variant]},
                    )


def scores(store):
    """Mean headline score and processor seconds by protocol and variant, over the same folds.

    Returns
    -------
    dict of (str, str) to (float, float, int, set)
        Score, seconds to fit, number of folds, and the machines (places in the store's list).
    """
    rows = {}
    for row in store["rows"].values():
        variant = row["method"].partition(": ")[2]
        rows.setdefault((row["protocol"], variant), []).append(row)
    found = {}
    for (name, variant), mine in rows.items():
        key = data_key(name, mine[0]["max_samples"])
        headline = store["data"][key]["headline"]
        values = [_score(row, headline) for row in mine]
        seconds = [row["fit_cpu_seconds"] for row in mine]
        machines = {row["environment"] for row in mine}
        found[name, variant] = (
            float(np.mean(values)),
            float(np.mean(seconds)),
            len(mine),
            machines,
        )
    return found


def _score(row, headline):
    labels, confusion = np.array(row["labels"]), np.array(row["confusion"])
    true, pred = np.indices(confusion.shape).reshape(2, -1)
    counts = confusion.ravel()
    vectors = (labels[np.repeat(index, counts)] for index in (true, pred))
    return evaluate(*vectors, labels=labels)[headline]


def table(store):
    """Markdown: a row for each variant; score and difference to the default in points.

    An asterisk marks seconds of another machine than the default's, which do not compare.
    """
    found = scores(store)
    names = [name for name in protocols.PROTOCOLS if (name, "default") in found]
    if not names:
        return "Nothing is stored yet."
    heads = [f"{name}, {_headline(store, name)}" for name in names]
    lines = [
        "| variant | " + " | ".join(f"{head} | fit/s" for head in heads) + " |",
        "| --- |" + " ---: | ---: |" * len(names),
    ]
    for variant in VARIANTS:
        cells = []
        for name in names:
            score, seconds, n, machines = found.get((name, variant), (None, None, 0, None))
            base, _, n_base, base_machines = found[name, "default"]
            if n != n_base:
                cells += ["-", "-"]
                continue
            change = "" if variant == "default" else f" ({100 * (score - base):+.1f})"
            elsewhere = "" if machines <= base_machines else "*"
            cells += [f"{score:.3f}{change}", f"{seconds:.0f}{elsewhere}"]
        if any(cell != "-" for cell in cells):
            lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _headline(store, name):
    keys = [key for key in store["data"] if key.split("/")[0] == name]
    return HEADLINES[store["data"][keys[0]]["headline"]]


def page(store):
    """Give the page's text."""
    machines = "; ".join(
        f"{e['cpu']}, {e['threads']} thread(s), torch {e['versions']['torch']}"
        for e in store["environments"]
    )
    runs = sorted({(row["seed"], row["fold"]) for row in store["rows"].values()})
    which = ", ".join(f"fold {fold} of seed {seed}" for seed, fold in runs)
    made = f"`python benchmarks/ablation.py` made this table: {which}; {machines}."
    return NOTES.read_text(encoding="utf-8").format(made=made, table=table(store))


if __name__ == "__main__":
    main()
