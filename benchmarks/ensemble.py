"""Ensembles: what the models of a cross-validation cost as one, and what files change.

    python benchmarks/ensemble.py [--samples 600] [--side 1536] [--members 5] [--repeats 3]
        [--threads N]
    python benchmarks/ensemble.py --page-only

The models of the folds of synthetic cells, trained for a few epochs, go through a file of the
package and an ONNX file. Each job is timed in turns, one member and all of them, and what comes
out of the files is compared with what the ensemble in memory says.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from _run import carry_out, parser, table
from sklearn.model_selection import StratifiedKFold, cross_validate

from stnclf import Ensemble, STNCellClassifier, load, save
from stnclf._utils.printable import counted
from stnclf.datasets import make_cells, make_slide
from stnclf.onnx import to_onnx
from stnclf.scan import scan
from stnclf.slides import Slide, write_pyramid_tiff

KEY = ("job",)
MPP = 0.25


def main(arguments=None):
    line = parser(__doc__, "ensemble.json")
    line.add_argument("--samples", type=int, default=600)
    line.add_argument("--side", type=int, default=1536, help="of the slide, in pixels")
    line.add_argument("--members", type=int, default=5)
    line.add_argument("--repeats", type=int, default=3)
    carry_out(line.parse_args(arguments), KEY, measure, sections, "performance.md")


def measure(options, store):
    names = ("samples", "side", "members", "repeats")
    facts = {name: getattr(options, name) for name in names}
    if store.data.get("run") == facts and all(store.find({"job": job}) for job in JOBS):
        return
    store.note("run", facts)
    X, y, centers = make_cells(options.samples, random_state=0)
    folds = cross_validate(
        STNCellClassifier(
            patch_size=96,
            cell_size=64,
            classifier_epochs=6,
            localizer_epochs=4,
            joint_epochs=2,
            mpp=MPP,
            random_state=0,
        ),
        X,
        y,
        cv=StratifiedKFold(options.members, shuffle=True, random_state=0),
        params={"centers": centers},
        return_estimator=True,
    )
    ensemble = Ensemble(folds["estimator"])
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        image, _, mpp = make_slide((options.side, options.side), random_state=1)
        write_pyramid_tiff(image, folder / "slide.tif", mpp)
        save(ensemble, folder / "ensemble.safetensors")
        saved = load(folder / "ensemble.safetensors")
        with Slide(folder / "slide.tif") as slide:
            given = {"X": X, "slide": slide, "folder": folder}
            for name, make in JOBS.items():
                row = {"job": name, **timed(make, ensemble, saved, given, options.repeats)}
                print(row, flush=True)
                store.put(row)


def timed(make, ensemble, saved, given, repeats):
    """Time one member and all in turns; measure how far files are from the ensemble in memory."""
    ways = {"member": make(ensemble.estimators[0], **given), "ensemble": make(ensemble, **given)}
    seconds = {name: [] for name in ways}
    for function in ways.values():
        function()  # warm caches and thread pools
    for _ in range(repeats):
        for name, function in ways.items():
            begin = time.perf_counter()
            found = function()
            seconds[name].append(time.perf_counter() - begin)
    row = {
        name: [f(values) for f in (statistics.median, min, max)] for name, values in seconds.items()
    }
    row["ratio"] = row["ensemble"][0] / row["member"][0]
    row["saved"] = difference(make(saved, **given)(), found)
    if make is in_onnx:
        X = given["X"]
        row["onnx"] = difference(found, (ensemble.predict_proba(X), ensemble.transform(X)))
    return row


def difference(found, wanted):
    """Find the largest difference of two numbers; arrays of other shapes are an error."""
    return max(float(np.abs(np.subtract(a, b)).max()) for a, b in zip(found, wanted, strict=True))


def predicting(model, X, **_):
    return lambda: (model.predict_proba(X),)


def locating(model, X, **_):
    return lambda: (model.transform(X),)


def scanning(model, slide, **_):
    def run():
        table = scan(model, slide)
        columns = ["x", "y", *(name for name in table if name.startswith("probability_"))]
        return (table[columns].to_numpy(float),)

    return run


def in_onnx(model, X, folder, **_):
    path = folder / "model.onnx"
    to_onnx(model, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path.read_bytes(), options)
    return lambda: session.run(["probabilities", "centers"], {"images": X})


JOBS = {
    "`predict_proba`": predicting,
    "`transform`": locating,
    "`scan`": scanning,
    "ONNX, in onnxruntime": in_onnx,
}


def sections(store):
    """Write what each job costs, and how far files are from the ensemble in memory."""
    lines = []
    for row in store.rows:
        times = ["{:.2f} ({:.2f} to {:.2f})".format(*row[way]) for way in ("member", "ensemble")]
        apart = [f"{row[way]:.0e}" if row[way] else "0" for way in ("saved", "onnx") if way in row]
        apart += [""] * (2 - len(apart))
        lines.append([row["job"], *times, f"{row['ratio']:.2f}", *apart])
    facts = store.data["run"]
    text = (
        f"{counted(facts['members'], 'model')} of the folds of {facts['samples']} synthetic cells, "
        f"a slide of {facts['side']} px, {facts['repeats']} repeats in turns: the median (lowest "
        f"to highest). {store.where(store.rows)}"
    )
    header = ["job", "one member (s)", "ensemble (s)", "ratio", "after loading", "from ONNX"]
    return {"ensemble": f"{text}\n\n{table(header, lines)}"}


if __name__ == "__main__":
    main()
