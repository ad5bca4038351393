"""Draw docs/_static/detections.jpg: the way of the README in the shell, on synthetic slides.

    python docs/figures/detections.py FOLDER

FOLDER keeps slides, patches, model and detections. The command runs for two to four minutes on two
cores; the picture is what ``stnclf hotspots --map`` draws, made smaller.
"""

import sys
from pathlib import Path

import pandas as pd
from PIL import Image

from stnclf.annotations import write_annotations
from stnclf.cli import main
from stnclf.datasets import make_slide
from stnclf.slides import write_pyramid_tiff

SIZES = ["--size", 64, "--mpp", 0.5, "--max-offset", 8]
EPOCHS = ["--classifier-epochs", 14, "--localizer-epochs", 6, "--joint-epochs", 0]
MITOSIS = "mitotic figure"


def draw(path, height, width, n_rare, seed):
    """Write a synthetic slide, and return its cells: all of the rare classes, and tumour cells."""
    image, cells, mpp = make_slide(
        (height, width), n_mitoses=n_rare, n_granulocytes=n_rare, random_state=seed
    )
    write_pyramid_tiff(image, path, mpp)
    return pd.DataFrame({"image": path.name, **cells})


def run(command, *words):
    """Run a command of stnclf, and stop where it fails."""
    try:
        main([command, *map(str, words)])
    except SystemExit as end:
        if end.code:
            raise


def make(folder):
    """Go the whole way in a folder."""
    training, validation = folder / "training", folder / "validation"
    for place in (training, validation):
        place.mkdir(parents=True)
    cells = [draw(training / f"{i}.tif", 1024, 1024, 30, seed=i) for i in range(7)]
    write_annotations(pd.concat(cells, ignore_index=True), folder / "cells.sqlite")
    known = [draw(validation / f"{i}.tif", 1024, 1024, 30, seed=i) for i in (7, 8)]
    write_annotations(pd.concat(known, ignore_index=True), folder / "known.sqlite")
    truth = draw(folder / "new.tif", 2048, 3072, 90, seed=21)
    truth.to_csv(folder / "truth.csv", index=False)

    patches, model = folder / "patches", folder / "model.safetensors"
    # With all cells annotated, the localizer learns what is none.
    more = ["--background", 200, "--neighbors"]
    run("patches", folder / "cells.sqlite", training, "--out", patches, *SIZES, *more)
    run("train", patches, "--out", model, *EPOCHS)
    mined = ["--annotations", folder / "cells.sqlite", "--out", folder / "patches2"]
    run("mine", model, patches, training, *mined)
    model = folder / "model2.safetensors"
    run("train", folder / "patches2", "--out", model, *EPOCHS)
    found = folder / "found"
    slides = sorted(validation.glob("*.tif"))
    run("scan", model, *slides, "--out", found, "--min-probability", 0.05, "--no-tta")
    chosen = ["--slides", validation, "--choose", "f1", "--model", model]
    run("score", found, folder / "known.sqlite", *chosen)
    new, table = folder / "new.tif", folder / "new.csv"
    run("scan", model, new, "--out", table, "--no-tta")
    run("score", table, folder / "truth.csv", "--slides", folder, "--label", MITOSIS)
    fields = ["--area", 0.06, "--out", folder / "fields.csv", "--map", folder / "map.png"]
    run("hotspots", table, new, "--label", MITOSIS, *fields)
    return folder / "map.png"


if __name__ == "__main__":
    picture = Image.open(make(Path(sys.argv[1]))).convert("RGB")
    picture = picture.resize(
        (900, round(picture.height * 900 / picture.width)), Image.Resampling.LANCZOS
    )
    picture.save(Path(__file__).parents[1] / "_static" / "detections.jpg", quality=85)
