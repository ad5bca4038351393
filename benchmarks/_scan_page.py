"""The page of the documentation that shows what the scan benchmark found."""

import numpy as np
from _speed_page import table

LEVEL_0, MPP = 0.25, 0.5
REAL = {
    "bccd": "white cells in photographs of blood (BCCD)",
    "amibr": "mitotic figures in a mosaic of crops (AMi-Br)",
}


def page(record):
    """Write all parts of a record as one Markdown page."""
    about = (
        "Every number on this page was measured by `benchmarks/scan.py` and is stored in "
        "`benchmarks/results/scan.json`. Rates depend on the machine. Seconds are processor time "
        "of one thread, reading and decoding included, since the machine was shared; the stored "
        "results have the time by the clock, too."
    )
    makers = {"slides": slides, "real": real, "huge": huge}
    parts = [make(record[name]) for name, make in makers.items() if name in record]
    return "\n\n".join(["# Whole slides", about, *parts]) + "\n"


def title(row):
    """Name a method and how it scanned."""
    if row["stride"] is not None:
        return f"{row['method']}, map at {row['stride'] * MPP / LEVEL_0:.0f} px"
    whole = {
        "heatmap": "heatmap (the default)",
        "context": 'heatmap, classifier="context"',
        "several": "heatmap (the default), several slides",
        "several-context": 'heatmap, classifier="context", several slides',
    }
    return whole.get(row["method"], f"{row['method']}, patches")


def mean(row, name):
    return float(np.mean([slide[name] or 0.0 for slide in row["slides"]]))


def rate(row, name):
    """Give what all slides have together, for a second of processor time."""
    total = (sum(slide[what] for slide in row["slides"]) for what in (name, "cpu_seconds"))
    return float(np.divide(*total))


def number(value):
    return "-" if value is None else f"{value:.3f}"


def where(part, name):
    """Tell the machines and commits that made the rows, named by `name`."""
    machines, commits = {}, set()
    for row in part["rows"]:
        here = row.get("environment", part["environment"])
        machine = f"{here['cpu']}, {here['threads']} threads, torch {here['versions']['torch']}"
        machines.setdefault(machine, {})[name(row)] = None
        commits.add(str(row.get("commit", part["commit"]))[:10])
    made = f"commit {', '.join(sorted(commits))}."
    if len(machines) == 1:
        return f"{next(iter(machines))}, {made}"
    which = " ".join(f"{machine}: {'; '.join(names)}." for machine, names in machines.items())
    return f"{which} {made.capitalize()} Times on different machines do not compare."


def slides(part):
    """Speed and scores on synthetic slides."""
    training, seeds = part["training"], {s["slide"] for row in part["rows"] for s in row["slides"]}
    rows = []
    order = list(training["methods"])
    for row in sorted(
        part["rows"], key=lambda row: (order.index(row["method"]), -(row["stride"] or 99))
    ):
        fields = ", ".join(f"{s['field']['true']} of {s['field']['best']}" for s in row["slides"])
        scores = ("precision", "recall", "f1", "f1_at_half", "average_precision")
        rows.append(
            [
                title(row),
                f"{rate(row, 'tissue_mm2'):.3f}",
                f"{rate(row, 'windows'):.0f}",
                f"{mean(row, 'of_predict_cpu'):.2f}",
                f"{row['threshold']:.2f}",
                *(f"{mean(row, score):.3f}" for score in scores),
                fields,
            ]
        )
    more = training["methods"].get("several", {}).get("more_slides")
    also = (
        ""
        if more is None
        else (
            f"`several slides` also learns from {more['number']} slides of {more['side']} px with "
            f"{more['mitoses']} mitotic figures each, and so from more than one stain. "
        )
    )
    header = ["method", "mm2/s", "windows/s", "of predict", "threshold", "precision", "recall"]
    header += ["F1", "F1 at 0.5", "AP", "field"]
    return (
        "## Mitotic figures on synthetic slides\n\n"
        f"Trained on {training['annotated']:.0%} of one slide of {part['side']} px at {LEVEL_0} um "
        f"(seed {part['train_seed']}; {training['mitoses']} mitotic figures and "
        f"{training['granulocytes']} granulocytes on the whole of it, {training['copies']} copies "
        f"of each patch, stained in different ways), scanned: {', '.join(sorted(seeds))}. A "
        "cell is found within 7.5 um. The threshold on the probability was chosen on the rest of "
        f"the training slides. {also}`windows/s` are the windows that cover the tissue at the "
        "method's stride, for the heatmap localizer those of the dense one, over the time of the "
        "scan with reading; `of predict` is that over the windows a second of `predict` in "
        "memory. `field` is how many mitotic figures of the truly best field of 2.37 mm2 the field "
        f"has that was found. {where(part, title)}\n\n" + table(header, rows)
    )


def real(part):
    """Scores on real images."""
    rows = []
    for row in part["rows"]:
        scores = (row[name] for name in ("precision", "recall", "f1", "average_precision"))
        counts = (row[name] for name in ("n_train", "n_test", "n_truth"))
        rows.append([REAL[row["method"]], *counts, *(number(score) for score in scores)])
    made = where(part, lambda row: REAL[row["method"]])
    return (
        "## Real images\n\n"
        "White cells: trained on three quarters of the photographs, found within 20 px of the "
        "boxes' middles at a third of the size. Mitotic figures: trained on the crops of three "
        "quarters of the slides, found within 7.5 um of the middles of the other crops; only the "
        "figure in the middle of a crop counts as true. Probability at least 0.5. "
        f"{made}\n\n"
        + table(
            ["cells", "training", "test", "cells there", "precision", "recall", "F1", "AP"], rows
        )
    )


def huge(part):
    """Memory against the tissue on a slide."""
    rows = [
        [
            row["pieces"],
            f"{row['tissue_mm2']:.2f}",
            row["seconds"],
            row["mib_before"],
            row["peak_mib"],
        ]
        for row in sorted(part["rows"], key=lambda row: row["pieces"])
    ]
    side = part["rows"][0]["side"]
    made = where(part, lambda row: f"{row['pieces']} pieces")
    return (
        "## Memory\n\n"
        f"A slide of {side:,} x {side:,} px with pieces of tissue on it, scanned by the heatmap "
        "localizer with two jobs in a process of its own: its memory (resident set, MiB) before "
        f"the scan, model loaded, and at most. Seconds are by the clock. {made}\n\n"
        + table(["pieces", "tissue mm2", "seconds", "before", "at most"], rows)
    )
