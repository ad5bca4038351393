"""Accuracy of all methods on the public data sets, by grouped cross-validation.

    python benchmarks/accuracy.py --data ROOT [--protocols bccd amibr crchisto]
        [--methods stn cnn oracle stn-paper ciresan svc rf] [--seeds 0] [--folds 5]
        [--max-samples N] [--threads N] [--out FILE] [--predictions DIR]
    python benchmarks/accuracy.py --table-only

ROOT holds the folders bccd, amibr and crchisto. Every fold is stored as soon as it is done, and
a later run takes up what is missing or was made with other settings. Scores are those of the
test vectors of all folds put together. Run one process for each output file.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

import protocols
from _evaluate import METHODS, build, commit, environment, folds, run_fold, title

from stnclf.metrics import error_summary, localization_summary
from stnclf.report import classification_table, evaluate, summary_table

# Parameters that differ from the estimators' own defaults: for all protocols, then for one.
# The published system is cut short here; its row says by how much.
SETTINGS = {
    "stn": {
        "all": {},
        "crchisto": {"classifier_epochs": 40, "localizer_epochs": 12, "joint_epochs": 3},
    },
    # The control has as much processor time as the STN, all of it for the one network.
    "cnn": {
        "all": {"classifier_epochs": 150},
        "crchisto": {"classifier_epochs": 45},
    },
    "oracle": {"all": {}, "crchisto": {"classifier_epochs": 40}},
    "stn-paper": {
        "all": {"classifier_epochs": 10, "localizer_epochs": 30, "joint_epochs": 8},
        "amibr": {"classifier_epochs": 5, "localizer_epochs": 12, "joint_epochs": 5},
        "crchisto": {"classifier_epochs": 2, "localizer_epochs": 3, "joint_epochs": 1},
    },
    "ciresan": {"all": {"epochs": 150}, "amibr": {"epochs": 100}, "crchisto": {"epochs": 40}},
    "svc": {"all": {}},
    "rf": {"all": {}},
}
HEADLINES = {"macro_f1": "macro F1", "balanced_accuracy": "balanced accuracy"}
UNTOLD = ("n_jobs", "verbose")  # parameters that cannot change a result
RESULTS = Path(__file__).resolve().parent / "results" / "accuracy.json"


def main(arguments=None):
    options = read_options(arguments)
    if not options.table_only:
        measure(options)
    print(tables(read_store(options.out)), flush=True)


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
    answers = options.predictions and options.predictions / f"{row_key(row).replace('/', '-')}.npz"
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
        if isinstance(value, (int, float, str, tuple, list, type(None)))
        and name.rsplit("__")[-1] not in (*UNTOLD, "steps", "memory")
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


# The store: one JSON file, a line for each row, replaced as a whole.


def row_key(row):
    key = f"{row['protocol']}/{row['method']}/seed{row['seed']}/fold{row['fold']}of{row['n_folds']}"
    return key if row["max_samples"] is None else f"{key}/max{row['max_samples']}"


def read_store(path):
    """Read rows by key, and what is known about data and machines."""
    store = {"data": {}, "environments": [], "rows": [], "scores": []}
    if path.exists():
        store |= json.loads(path.read_text(encoding="utf-8"))
    store["rows"] = {row_key(row): row for row in store["rows"]}
    return store


def put_row(path, row, here):
    store = read_store(path)
    if here["environment"] not in store["environments"]:
        store["environments"].append(here["environment"])
    row["commit"] = here["commit"]
    row["environment"] = store["environments"].index(here["environment"])
    store["rows"][row_key(row)] = row
    write_store(path, store)


def note_data(path, cells, protocol, max_samples):
    """Store what a data set holds, and how far off the centre guess is on it."""
    store = read_store(path)
    guess = {
        str(c): localization_summary(points, points, image_size=cells.X.shape[1:3])["center_guess"]
        for c in [None, *np.unique(cells.y)]
        for points in [cells.centers if c is None else cells.centers[cells.y == c]]
    }
    store["data"][data_key(protocol.name, max_samples)] = {
        "title": protocol.title,
        "headline": protocol.headline,
        "patch_size": protocol.patch_size,
        "cell_size": protocol.cell_size,
        "n_samples": len(cells.y),
        "n_groups": len(np.unique(cells.groups)),
        "center_guess": _rounded({**guess.pop("None"), "classes": guess}),
    }
    write_store(path, store)


def data_key(name, max_samples):
    return name if max_samples is None else f"{name}/max{max_samples}"


def write_store(path, store):
    """Replace the file at once, so that an interruption leaves the old or the new one."""
    rows = [store["rows"][key] for key in sorted(store["rows"])]
    parts = [
        f'"data": {json.dumps(store["data"], indent=1)}',
        f'"environments": {_lines(store["environments"])}',
        f'"scores": {_lines(joined_scores(store))}',
        f'"rows": {_lines(rows)}',
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    draft.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
    os.replace(draft, path)


def _lines(items):
    return "[\n" + ",\n".join(json.dumps(item) for item in items) + "\n]"


def joined_scores(store):
    """Scores of the concatenated test vectors, for every complete set of folds."""
    runs = {}
    for row in store["rows"].values():
        runs.setdefault(row_key({**row, "fold": ""}), []).append(row)
    scores = []
    for rows in runs.values():
        first = rows[0]
        whole = len(rows) == first["n_folds"]
        if not whole or any(row["settings"] != first["settings"] for row in rows):
            continue
        data = store["data"][data_key(first["protocol"], first["max_samples"])]
        named = {key: first[key] for key in ("protocol", "method", "title", "seed", "n_folds")}
        scores.append(
            {
                **named,
                "max_samples": first["max_samples"],
                "headline": data["headline"],
                "commits": sorted({str(row["commit"]) for row in rows}),
                **_rounded(join(rows, data["center_guess"])),
            }
        )
    order = list(protocols.PROTOCOLS)
    return sorted(
        scores,
        key=lambda s: (order.index(s["protocol"]), METHODS.index(s["method"]), s["seed"]),
    )


def join(rows, guess):
    """Score the samples of all rows together, as `evaluate` does."""
    labels = np.array(rows[0]["labels"])
    confusion = np.sum([row["confusion"] for row in rows], axis=0)
    true, pred = np.indices(confusion.shape).reshape(2, -1)
    # Processor time does not depend on what else the machine was doing; rows hold wall time too.
    times = {
        "fit_seconds": sum(row["fit_cpu_seconds"] for row in rows),
        "predict_seconds": sum(row["predict_seconds"] for row in rows),
    }
    scores = evaluate(
        labels[np.repeat(true, confusion.ravel())],
        labels[np.repeat(pred, confusion.ravel())],
        labels=labels,
        **times,
    )
    if rows[0]["errors"] is not None:
        errors = {c: np.concatenate([row["errors"][c] for row in rows]) / 10 for c in labels}
        classes = {str(c): error_summary(values) for c, values in errors.items()}
        whole = error_summary(np.concatenate(list(errors.values())))
        scores["localization"] = {**whole, "classes": classes}
    scores["center_guess"] = guess
    return scores


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def tables(store):
    """All stored scores as Markdown: the headline, then each data set by itself."""
    scores = joined_scores(store)
    if not scores:
        return "No complete set of folds is stored yet."
    sections = []
    for key in dict.fromkeys(data_key(s["protocol"], s["max_samples"]) for s in scores):
        data = store["data"][key]
        mine = [s for s in scores if data_key(s["protocol"], s["max_samples"]) == key]
        several = len({(s["seed"], s["n_folds"]) for s in mine}) > 1
        named = {
            s["title"] + (f", seed {s['seed']}, {s['n_folds']} folds" if several else ""): s
            for s in mine
        }
        heading = f"## {data['title']}\n\n{data['n_samples']} cells from {data['n_groups']} images"
        if "/max" in key:
            heading += " (a part of the set)"
        headline = f"Headline score: {HEADLINES[data['headline']]}. {_best(mine)}"
        headline += " Times to fit are processor seconds of all threads."
        sections += [
            f"{heading}. {headline}",
            summary_table(named, fmt="markdown"),
            classification_table(named, fmt="markdown"),
        ]
    return "\n\n".join(sections)


def summaries(store):
    """Give the summary of each data set as a Markdown table, by its name; means over seeds."""
    scores, found = [s for s in joined_scores(store) if not s["max_samples"]], {}
    for key in dict.fromkeys(s["protocol"] for s in scores):
        mine = {}
        for score in scores:
            if score["protocol"] == key:
                mine.setdefault(score["title"], []).append(score)
        named = {title + spread(runs): mean(runs) for title, runs in mine.items()}
        found[key] = summary_table(named, fmt="markdown")
    return found


def spread(runs):
    """Say over how many seeds a method was measured, and how its headline score varies."""
    if len(runs) == 1:
        return ""
    headline = runs[0]["headline"]
    low, *_, high = sorted(run[headline] for run in runs)
    return f"; {len(runs)} seeds, {HEADLINES[headline]} {low:.3f} to {high:.3f}"


def mean(values):
    """Average what several runs found; words and lists are those of the first."""
    first = values[0]
    if isinstance(first, dict):
        return {key: mean([value[key] for value in values]) for key in first}
    numbers = isinstance(first, (int, float)) and not isinstance(first, bool)
    return float(np.mean(values)) if numbers else first


def _best(scores):
    """Mean of the headline score over the seeds, with its range, for each method."""
    parts = []
    for name in dict.fromkeys(s["title"] for s in scores):
        values = [s[s["headline"]] for s in scores if s["title"] == name]
        spread = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
        parts.append(f"{name} {np.mean(values):.3f}{spread}")
    return "; ".join(parts) + "."


if __name__ == "__main__":
    main()
