"""Small data and small estimators that the tests share."""

from __future__ import annotations

import os
import shutil
import zlib
from pathlib import Path

# scikit-learn skips its array API check unless this stands before SciPy is first imported.
os.environ.setdefault("SCIPY_ARRAY_API", "1")
# Test processes share the cores: more threads than these would wait for each other. Before torch.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    each = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, each)))

import numpy as np
import pytest
import torch
from PIL import Image

from stnclf import CiresanBaseline, STNCellClassifier
from tests.skips import pytest_terminal_summary  # noqa: F401
from tests.slow import pytest_collection_modifyitems, pytest_configure  # noqa: F401

QUICK = {"classifier_epochs": 1, "localizer_epochs": 1, "joint_epochs": 1, "random_state": 0}


def make_blobs(n, height=24, width=36, seed=0, margin=6):
    """Bright discs (class "disc") and crosses (class "cross") at known places on grey noise.

    Not square on purpose: whoever mixes up x and y fails.
    """
    rng = np.random.default_rng(seed)
    X = rng.integers(80, 110, (n, height, width, 3), dtype=np.uint8)
    y = np.where(np.arange(n) % 2, "disc", "cross")
    centers = np.stack(
        [rng.integers(margin, width - margin, n), rng.integers(margin, height - margin, n)], 1
    ).astype(float)
    yy, xx = np.mgrid[:height, :width]
    for image, label, (x, yc) in zip(X, y, centers):
        dx, dy = np.abs(xx - x), np.abs(yy - yc)
        disc = dx**2 + dy**2 <= 12
        cross = (np.minimum(dx, dy) == 0) & (np.maximum(dx, dy) <= 4)
        image[disc if label == "disc" else cross] = (230, 60, 90)
    return X, y, centers


@pytest.fixture
def two_threads():
    """Have torch use two threads, whatever it may use by itself."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def shared_data():
    """Give the path of real data beside the repository, or skip the test where they are not."""

    def find(name):
        path = Path(__file__).resolve().parents[1] / "../shared/data" / name
        if not path.exists():
            pytest.skip(f"the real data shared/data/{name} are not beside the repository")
        return path

    return find


@pytest.fixture(scope="session")
def blobs():
    """Forty images of 24 x 36 px: X, y, centers."""
    return make_blobs(40)


@pytest.fixture
def quick_stn():
    """An STN that trains one epoch a stage."""
    return STNCellClassifier(**QUICK)


@pytest.fixture
def quick_baseline():
    """A baseline that trains one epoch."""
    return CiresanBaseline(epochs=1, random_state=0)


@pytest.fixture(params=["stn", "dense", "baseline"])
def quick(request):
    """Each kind of estimator, quick to train."""
    return {
        "stn": STNCellClassifier(**QUICK),
        "dense": STNCellClassifier(localizer="dense", **QUICK),
        "baseline": CiresanBaseline(epochs=1, random_state=0),
    }[request.param]


def write_enormous(path):
    """Write a PNG whose header claims 100,000 x 100,000 px, and which has next to none."""
    Image.new("1", (8, 8)).save(path, format="PNG")
    data = bytearray(path.read_bytes())
    data[16:24] = (100_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)


@pytest.fixture(scope="session")
def invoke():
    """Run a command line in this process: give exit status, standard output, and error lines."""
    from click.testing import CliRunner

    from stnclf.cli import main

    def run(*arguments):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        return result.exit_code, result.stdout, result.stderr.splitlines()

    return run


@pytest.fixture(scope="session")
def road(tmp_path_factory, invoke):
    """Make a folder with slides, annotations, patches and a model, as the commands make them.

    Slides ``a b.tif``, a pyramid, and ``ü.png`` without resolution, 300 x 420 px at 0.25 um, of
    `make_blobs`' kind; their annotations in ``cells.sqlite``; ``patches`` of 48 px, patch 32.
    """
    import pandas as pd

    from stnclf.annotations import write_annotations
    from stnclf.slides import write_pyramid_tiff

    for extra in ("openslide", "tifffile"):
        pytest.importorskip(extra, reason="needs the extra [slides]")
    root = tmp_path_factory.mktemp("the road")
    slides = root / "slides"
    slides.mkdir()
    tables = []
    for seed, name in enumerate(["a b.tif", "ü.png"]):
        blobs, labels, centers = make_blobs(30, 60, 70, seed=seed, margin=12)
        # Five rows of six blobs make a slide.
        image = blobs.reshape(5, 6, 60, 70, 3).swapaxes(1, 2).reshape(300, 420, 3)
        image[:, :, 1] -= 60
        number = np.arange(30)
        x, y = centers.T + np.stack([70 * (number % 6), 60 * (number // 6)])
        tables.append(pd.DataFrame({"image": name, "x": x, "y": y, "label": labels}))
        if name.endswith(".tif"):
            write_pyramid_tiff(image, slides / name, 0.25, 64)
        else:
            Image.fromarray(image).save(slides / name)
    write_annotations(pd.concat(tables, ignore_index=True), root / "cells.sqlite")
    for line in (
        ("patches", root / "cells.sqlite", slides, "-o", root / "patches", *CUT),
        ("train", root / "patches", "-o", root / "model.safetensors", *SHORT),
    ):
        code, _, lines = invoke(*line)
        assert code == 0, lines
    return root


@pytest.fixture(scope="session")
def mine_line(road, tmp_path_factory, invoke):
    """Give a command line without its --out: ``mine``, on patches that know their resolution."""
    folder = tmp_path_factory.mktemp("mine")
    patches, model = folder / "patches", folder / "m.safetensors"
    cut = ("--size", 32, "--image-size", 48, "--max-offset", 4, "--slide-mpp", 0.25)
    assert invoke("patches", road / "cells.sqlite", road / "slides", "-o", patches, *cut)[0] == 0
    assert invoke("train", patches, "-o", model, *SHORT)[0] == 0
    where = (patches, road / "slides", "--annotations", road / "cells.sqlite")
    return ("mine", model, *where, "-n", 12, "--slide-mpp", 0.25)


@pytest.fixture(scope="session")
def detect_line(road, tmp_path_factory, invoke):
    """Give a command line without its --out: ``evaluate --detect`` on three slides.

    The third is the mirror image of another. The patches know their neighbours.
    """
    import pandas as pd

    from stnclf.annotations import read_annotations, write_annotations

    folder = tmp_path_factory.mktemp("detect")
    slides = folder / "slides"
    shutil.copytree(road / "slides", slides)
    Image.fromarray(np.asarray(Image.open(slides / "ü.png"))[:, ::-1]).save(slides / "m.png")
    table = read_annotations(road / "cells.sqlite")[["image", "x", "y", "label"]]
    mirrored = table[table["image"] == "ü.png"].assign(image="m.png")
    mirrored["x"] = 419 - mirrored["x"]
    write_annotations(pd.concat([table, mirrored]), folder / "cells.csv")
    cut = ("--size", 32, "--image-size", 48, "--max-offset", 4, "--slide-mpp", 0.25, "--neighbors")
    assert invoke("patches", folder / "cells.csv", slides, "-o", folder / "p", *cut)[0] == 0
    where = ("--detect", slides, "--annotations", folder / "cells.csv", "--folds", 3)
    return ("evaluate", folder / "p", *where, "--radius", 1.5, *SHORT)


CUT = ("--size", 32, "--image-size", 48, "--max-offset", 4)
SHORT = ("--classifier-epochs", 4, "--localizer-epochs", 6, "--joint-epochs", 0, "--batch-size", 8)
# Scans of it are what takes time: once is enough here.
SHORT += ("--set", "tta=False")
