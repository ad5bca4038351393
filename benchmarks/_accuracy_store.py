"""The store of accuracy.py: one JSON file, a line for each row, replaced as a whole."""

import json
import os

import numpy as np
import protocols
from _evaluate import METHODS

from stnclf.metrics import error_summary, localization_summary
from stnclf.report import evaluate


def row_key(row):
    key = f"{row['protocol']}/{row['method']}/seed{row['seed']}/fold{row['fold']}of{row['n_folds']}"
    return key if row["max_samples"] is None else f"{key}/max{row['max_samples']}"


def answers_name(protocol, method, seed, fold="*", n_folds="*", max_samples=None):
    """Name the file of a row's answers; with stars, a pattern for those of all folds."""
    row = {"protocol": protocol, "method": method, "seed": seed, "fold": fold, "n_folds": n_folds}
    return row_key({**row, "max_samples": max_samples}).replace("/", "-") + ".npz"


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
