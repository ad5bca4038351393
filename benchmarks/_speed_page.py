"""The page of the documentation that shows what the speed benchmarks found."""

import json
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


def page(record):
    """Write all parts of a record as one Markdown page."""
    about = (
        "Every number on this page was measured by `make bench` (`benchmarks/speed.py`) or "
        "`benchmarks/gpu.py` and is stored in `benchmarks/results`. Rates depend on the machine; "
        "the ratios were measured side by side."
    )
    parts = ["# Performance", about]
    makers = (stages, growth, jobs, fit, accuracy)  # each has the name of its part
    parts += [make(record[make.__name__]) for make in makers if make.__name__ in record]
    for name, make in {"gpu": gpu}.items():
        path = RESULTS / f"{name}.json"
        if path.exists():
            parts.append(make(json.loads(path.read_text(encoding="utf-8"))))
    notes = Path(__file__).resolve().parents[1] / "docs" / "performance_notes.md"
    if notes.exists():
        parts.append(notes.read_text(encoding="utf-8").strip())
    return "\n\n".join(parts) + "\n"


def where(part):
    here = part["environment"]
    versions = here["versions"]
    return (
        f"{here['cpu']}, {here['threads']} threads, torch {versions['torch']}, commit "
        f"{str(part['commit'])[:10]}."
    )


def table(header, rows):
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def spread(values):
    return f"{values[0]:.0f} ({values[1]:.0f} to {values[2]:.0f})"


def stages(part):
    """Images per second in four ways."""
    ways = ("bare", "stnclf", "float32", "tutorial")
    rows = []
    for row in part["rows"]:
        rate = {way: row[way][0] for way in ways}
        rows.append(
            [row["job"], *(spread(row[way]) for way in ways)]
            + [f"{rate['stnclf'] / rate['bare']:.2f}", f"{rate['stnclf'] / rate['tutorial']:.1f}"]
            + [f"{rate['stnclf'] / rate['float32']:.2f}", f"{row['share_of_peak']:.0%}"]
        )
    peak = part["peak_gflops"]
    return (
        "## Images per second\n\n"
        f"{part['samples']} images of 192 px, patches of 128 px, {part['epochs']} epoch(s), median "
        f"of {part['repeats']} interleaved repeats (lowest to highest). `bare` is a loop over the "
        "same modules and batches and nothing else; `float32` is stnclf without bfloat16; "
        "`tutorial` turns and crops one image after the other with Pillow in a DataLoader and "
        "trains the same modules. The last column is the share of the machine's float32 matrix "
        f"product ({peak['float32']:.0f} GFLOP/s; bfloat16 {peak['bfloat16']:.0f}) that `float32` "
        f"reaches. {where(part)}\n\n"
        + table(
            ["job", *ways, "stnclf / bare", "/ tutorial", "/ float32", "of peak"],
            rows,
        )
    )


def growth(part):
    """Seconds and memory against the number of images."""
    rows = [
        [
            f"{row['n']:,}",
            "memory-mapped" if row["mapped"] else "in memory",
            f"{row['milliseconds_an_image']:.2f}",
            f"{row['megabytes_above_start'] - row['of_which_X']:,}",
        ]
        for row in part["rows"]
    ]
    return (
        "## Growth\n\n"
        f"One epoch of the heatmap localizer on images of {part['image_side']} px, each in a "
        "process of its own. Memory is what the process holds at most above its start, X itself "
        f"not counted. {where(part)}\n\n" + table(["images", "X", "ms an image", "MB"], rows)
    )


def jobs(part):
    """Cross-validation with one and two processes."""
    rows = []
    for row in part["rows"]:
        one, two = row["n_jobs=1"], row["n_jobs=2"]
        cells = [f"{v[0]:.1f} ({v[1]:.1f} to {v[2]:.1f})" for v in (one, two)]
        same = "yes" if row["same_scores"] else "no"
        rows.append([row["estimator"], *cells, f"{one[0] / two[0]:.2f}", same])
    return (
        "## Cross-validation in processes\n\n"
        f"Seconds of `cross_val_score` on {part['samples']} synthetic cells, {part['folds']} "
        f"folds, short schedules, median of {part['repeats']}. {where(part)}\n\n"
        + table(["estimator", "n_jobs=1", "n_jobs=2", "times as fast", "same scores"], rows)
    )


def epochs(row):
    return "/".join(str(v) for k, v in row.items() if k.endswith("epochs"))


def fit(part):
    """Seconds to fit all folds."""
    rows = []
    for row in part["rows"]:
        spent = [
            f"{sum(row[unit]):.0f} ({min(row[unit]):.0f} to {max(row[unit]):.0f})"
            for unit in ("seconds", "cpu_seconds")
        ]
        rows.append([row["method"], epochs(row), f"{row['macro_f1']:.3f}", *spent])
    return (
        "## Time to fit\n\n"
        f"The five folds of {part['data']}: the baseline's 200 epochs and the STN's defaults in "
        "turns, fold by fold, in one process. Sums over the folds (least to most for one). "
        f"{where(part)}\n\n"
        + table(["method", "epochs", "macro F1", "seconds", "processor seconds"], rows)
    )


def accuracy(part):
    """Time to the baseline's final score."""
    rows = [
        [row["method"], epochs(row), f"{row['macro_f1']:.3f}", f"{row['seconds']:.0f}"]
        for row in part["rows"]
    ]
    return (
        "## Time to accuracy\n\n"
        f"One fold of {part['data']}: the baseline's 200 epochs, and growing schedules of the STN "
        f"until one scores as well. {where(part)}\n\n"
        + table(["method", "epochs", "macro F1", "seconds"], rows)
    )


def gpu(part):
    """Show what the GPU did."""
    ways = [key for key in part["rows"][0] if key != "job"]
    rows = [[row["job"], *(f"{row[way]:,}" for way in ways)] for row in part["rows"]]
    torch_version, commit = part["environment"]["versions"]["torch"], str(part["commit"])[:10]
    text = (
        "## On a GPU\n\n"
        f"Samples per second on one {part['gpu']} ({part['rated']} patches of 128 px, the paper's "
        f"classifier, `benchmarks/gpu.py`, torch {torch_version}, commit {commit}).\n\n"
        + table(["stage", *ways], rows)
    )
    if "paper" in part:
        text += f"\n\nThe paper's whole schedule took {part['paper']['seconds']} s."
    return text
