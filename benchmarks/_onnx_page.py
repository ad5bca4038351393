"""The tables of the page about ONNX."""

from _speed_page import table

START = "## Agreement"


def with_tables(page, record):
    """Give the page with the tables of a record; what stands above them stays."""
    makers = {"agreement": agreement, "latency": latency}
    parts = [page.partition(START)[0].strip()]
    parts += [make(record[name]) for name, make in makers.items() if name in record]
    return "\n\n".join(parts) + "\n"


def where(part):
    here = part["environment"]
    names = ("torch", "onnx", "onnxruntime")
    versions = ", ".join(f"{name} {here['versions'][name]}" for name in names)
    return f"{here['cpu']}, {versions}, commit {str(part['commit'])[:10]}."


def agreement(part):
    """Largest differences for each network."""
    names = ("probabilities", "centers", "theta")
    rows = [[row["network"], *(f"{row[name]:.1e}" for name in names)] for row in part["rows"]]
    return (
        f"{START}\n\n"
        "Largest difference between the model in onnxruntime and the estimator, over 64 synthetic "
        f"cells of {part['side']} px, after two epochs a stage at a rate of 1e-4 on 64 others, "
        f"seed 0 (`benchmarks/onnx_latency.py`). Centres are in pixels. {where(part)}\n\n"
        + table(["network", "probabilities", "centres", "theta"], rows)
    )


def latency(part):
    """Milliseconds of each way."""
    ways, rows = ("onnxruntime", "estimator", "torch"), []
    for row in part["rows"]:
        cells = [f"{row[way][0]:.1f} ({row[way][1]:.1f})" for way in ways]
        ratio = row["estimator"][0] / row["onnxruntime"][0]
        rows.append([row["network"], row["threads"], row["images"], *cells, f"{ratio:.1f}"])
    header = ["network", "threads", "images", *ways, "estimator / onnxruntime"]
    return (
        "## Latency\n\n"
        f"Milliseconds for images of {part['side']} px, median (95th percentile). `onnxruntime` "
        "is the exported model with all of its outputs, `estimator` is `predict_proba`, `torch` "
        "its networks alone. On the processor an estimator pads a batch to 8 images, so that a "
        "prediction does not depend on what is predicted beside it; hence its time for one. "
        f"Networks untrained, seed 0 (`benchmarks/onnx_latency.py`). {where(part)}\n\n"
        + table(header, rows)
    )
