"""What is not right is refused at once, by a message that names the argument.

Each case is a name, ``"argument: what is wrong with it"``, the error, the words that its message
must hold, and the changes to a call that would be right. The message must hold the argument's
name too, and nothing may have been trained.
"""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy import sparse
from sklearn.exceptions import NotFittedError
from skorch.callbacks import EpochTimer

from stnclf import CellFeatures, CiresanBaseline, STNCellClassifier
from stnclf.datasets import make_cells
from stnclf.training import CellNet

pytest.importorskip("skimage", reason="the features need the extra [classical]")

N, HEIGHT, WIDTH = 12, 24, 36
CLASSIFIERS = {"stn": STNCellClassifier, "baseline": CiresanBaseline}
ESTIMATORS = {**CLASSIFIERS, "features": CellFeatures}


def case(name, error, words, **changes):
    return pytest.param(name.split(":")[0], error, words, changes, id=name)


def with_value(array, value):
    array = np.array(array, dtype=float)
    array.flat[array.size // 2] = value
    return array


def write_files(folder, X):
    """Write good images, and bad ones of every sort, to real files."""
    good = [folder / f"good{i}.png" for i in range(N)]
    for path, image in zip(good, X):
        Image.fromarray(image).save(path)
    for suffix in ("png", "jpg", "tif", "bmp"):
        whole = folder / f"whole.{suffix}"
        Image.fromarray(X[0]).save(whole)
        data = whole.read_bytes()
        (folder / f"truncated.{suffix}").write_bytes(data[: len(data) * 2 // 3])
    (folder / "header.png").write_bytes(good[0].read_bytes()[:20])
    (folder / "text.png").write_text("no image at all")
    (folder / "nothing.png").touch()
    Image.fromarray(X[0, :20]).save(folder / "lower.png")
    Image.fromarray(X[0].astype(np.uint16).sum(axis=2, dtype=np.uint16)).save(folder / "deep.png")
    return good


@pytest.fixture(scope="module")
def right(tmp_path_factory, blobs):
    """Arguments that are right, and files."""
    X, y, centers = (array[:N] for array in blobs)
    folder = tmp_path_factory.mktemp("images")
    files = write_files(folder, X)
    return SimpleNamespace(
        X=X, y=y, centers=centers, rows=X.reshape(N, -1), folder=folder, files=files
    )


@pytest.fixture(scope="module")
def fitted(right):
    """Estimators that were trained on what is right."""
    return {
        "stn": STNCellClassifier(classifier_epochs=1, random_state=0).fit(
            right.X, right.y, right.centers, stages=("classifier",)
        ),
        "baseline": CiresanBaseline(epochs=1, random_state=0).fit(right.X, right.y, right.centers),
        "features": CellFeatures(families=("intensity",)).fit(right.X),
    }


@pytest.fixture(autouse=True)
def no_training(request, monkeypatch):
    """Refuse to train, but where a test needs trained networks."""
    if "fitted" not in request.fixturenames:

        def run_stage(*args, **kwargs):
            raise AssertionError("the training began before the error")

        monkeypatch.setattr(CellNet, "run_stage", run_stage)


def check_message(raised, argument, words):
    message = str(raised.value)
    assert re.search(rf"\b{argument}\b", message), f"{argument} is not named: {message}"
    assert re.search(words, message), message


def resolve(changes, right):
    """Compute the values that depend on what is right."""
    return {
        name: value(right) if getattr(value, "__name__", "") == "<lambda>" else value
        for name, value in changes.items()
    }


def among_files(name):
    """Put one more file at index 3 of the good ones."""
    return lambda right: [*right.files[:3], right.folder / name, *right.files[4:]]


def one_center(x, y):
    """Put one centre elsewhere."""
    return lambda right: np.where(np.arange(N)[:, None] == 6, (x, y), right.centers)


def at(index, item):
    """Replace one image of a list."""
    return lambda right: [item if i == index else image for i, image in enumerate(right.X)]


FORMS = r"wants images of shape .*rows of flattened images.*paths or PIL images"

BAD_X = [
    case("X: one axis", ValueError, r"shape \(12,\), " + FORMS, X=lambda r: np.arange(12.0)),
    case("X: no axis", ValueError, r"shape \(\), " + FORMS, X=lambda r: np.float64(3)),
    case("X: five axes", ValueError, "5 axes, shape .*" + FORMS, X=lambda r: r.X[None]),
    case("X: six axes", ValueError, "6 axes, shape .*" + FORMS, X=lambda r: r.X[None, None]),
    case("X: None", TypeError, "got NoneType, " + FORMS, X=None),
    case("X: a number", TypeError, "got int, " + FORMS, X=3),
    case("X: a dict", TypeError, "got dict, " + FORMS, X=lambda r: {"images": r.X}),
    case("X: a set", TypeError, "got set, " + FORMS, X=lambda r: set(r.files)),
    case("X: a generator", TypeError, "got generator, " + FORMS, X=lambda r: (i for i in r.X)),
    case("X: a list of None", ValueError, r"shape \(12,\), " + FORMS, X=[None] * N),
    case("X: a list of objects", ValueError, r"shape \(12,\), " + FORMS, X=[object()] * N),
    case("X: a list of numbers", ValueError, r"shape \(12,\), " + FORMS, X=list(range(N))),
    case("X: a series of numbers", ValueError, r"shape \(12,\)", X=pd.Series(range(N))),
    case("X: empty list", ValueError, r"shape \(0,\), " + FORMS, X=[]),
    case("X: no images", ValueError, r"empty, shape \(0, 24, 36, 3\)", X=lambda r: r.X[:0]),
    case("X: no rows", ValueError, r"0 sample\(s\)", X=np.zeros((0, 12))),
    case("X: no columns", ValueError, r"0 feature\(s\)", X=np.zeros((N, 0))),
    case("X: no height", ValueError, r"empty, shape \(12, 0, 36, 3\)", X=lambda r: r.X[:, :0]),
    case("X: no width", ValueError, r"empty, shape \(12, 24, 0, 1\)", X=np.zeros((N, HEIGHT, 0))),
    case("X: no channel", ValueError, r"empty, shape \(12, 24, 36, 0\)", X=lambda r: r.X[..., :0]),
    case("X: NaN in rows", ValueError, "NaN", X=lambda r: with_value(r.rows, np.nan)),
    case("X: NaN in grey", ValueError, "NaN", X=lambda r: with_value(r.X[..., 0], np.nan)),
    case("X: NaN", ValueError, "NaN", X=lambda r: with_value(r.X, np.nan)),
    case("X: NaN in a list", ValueError, "NaN", X=lambda r: with_value(r.rows, np.nan).tolist()),
    case("X: infinite in rows", ValueError, "infinity", X=lambda r: with_value(r.rows, np.inf)),
    case("X: infinite", ValueError, "infinity", X=lambda r: with_value(r.X[..., 0], np.inf)),
    case("X: -infinite", ValueError, "infinity", X=lambda r: with_value(r.X, -np.inf)),
    case("X: large rows", ValueError, "large for float32", X=lambda r: with_value(r.rows, 1e39)),
    case("X: large", ValueError, "large for float32", X=lambda r: with_value(r.X, -1e39)),
    case("X: objects", TypeError, "dtype object, wants", X=lambda r: r.X.astype(object)),
    case("X: text", TypeError, "dtype <U3, wants uint8 or float", X=lambda r: r.X.astype(str)),
    case("X: rows of text", ValueError, "bytes/strings", X=np.full((N, 12), "a")),
    case("X: table of text", ValueError, "convert string", X=pd.DataFrame({"a": ["no"] * N})),
    case(
        "X: table of paths",
        ValueError,
        "good0.png.*paths come as a list",
        X=lambda r: pd.DataFrame({"path": [str(path) for path in r.files]}),
    ),
    case("X: complex", ValueError, "Complex data", X=lambda r: r.X.astype(complex)),
    case("X: complex rows", ValueError, "Complex data", X=lambda r: r.rows.astype(complex)),
    case("X: times", TypeError, "dtype datetime64", X=lambda r: r.X.astype("M8[s]")),
    case("X: rows of times", TypeError, "dtype datetime64", X=lambda r: r.rows.astype("M8[s]")),
    case("X: sparse matrix", TypeError, "sparse.*dense", X=lambda r: sparse.csr_matrix(r.rows)),
    case("X: sparse array", TypeError, "sparse.*dense", X=lambda r: sparse.coo_array(r.rows)),
    case("X: one name", TypeError, "a.png.*sequence.*not a single", X="a.png"),
    case("X: one path", TypeError, "good0.png.*sequence.*not a single", X=lambda r: r.files[0]),
    case("X: bytes", TypeError, "sequence.*not a single", X=b"a.png"),
    case(
        "X: one PIL image",
        TypeError,
        "sequence.*not a single",
        X=lambda r: Image.fromarray(r.X[0]),
    ),
    case("X: ragged lists", ValueError, "inhomogeneous.*" + FORMS, X=[[1, 2], [3]] * 6),
    case(
        "X: arrays of two shapes",
        ValueError,
        r"X\[5\]: has shape \(24, 30, 3\), but X\[0\] has \(24, 36, 3\)",
        X=at(5, np.zeros((24, 30, 3), np.uint8)),
    ),
    case("X: arrays and None", ValueError, r"X\[2\]: has shape \(\)", X=at(2, None)),
    case("X: arrays and a path", TypeError, r"X\[0\]: got ndarray, wants a path", X=at(2, "a.png")),
    case(
        "X: paths and None",
        TypeError,
        r"X\[1\]: got NoneType, wants a path or PIL image",
        X=lambda r: [r.files[0], None] * 6,
    ),
    case(
        "X: names and missing values",
        TypeError,
        r"X\[1\]: got float, wants a path or PIL image",
        X=lambda r: pd.Series([str(r.files[0]), np.nan] * 6),
    ),
    case(
        "X: PIL images and arrays",
        TypeError,
        r"X\[1\]: got ndarray, wants a path or PIL image",
        X=lambda r: [Image.fromarray(r.X[0]), r.X[1]] * 6,
    ),
    case("X: missing file", ValueError, r"X\[3\].*no\.png'.*no such file", X=among_files("no.png")),
    case("X: empty name", ValueError, r"X\[0\], '': there is no such file", X=[""] * N),
    case("X: null byte", ValueError, r"X\[0\].*null", X=["a\0b"] * N),
    case("X: a folder", ValueError, r"X\[3\].*cannot be read.*directory", X=among_files(".")),
    *(
        case(
            f"X: {name}",
            ValueError,
            rf"X\[3\], '.*{re.escape(name)}': cannot be read as an image \(",
            X=among_files(name),
        )
        for name in (
            "truncated.png",
            "truncated.jpg",
            "truncated.tif",
            "truncated.bmp",
            "header.png",
            "text.png",
            "nothing.png",
        )
    ),
    case(
        "X: file of 16 bits",
        ValueError,
        r"X\[3\].*deep\.png'.*'I;16', wants 8-bit",
        X=among_files("deep.png"),
    ),
    case(
        "X: file of another size",
        ValueError,
        r"X\[3\].*lower\.png': is 36 x 20 px \(width x height\), but X\[0\] is 36 x 24 px",
        X=among_files("lower.png"),
    ),
    case(
        "X: PIL image of another size",
        ValueError,
        r"X\[1\]: is 24 x 36 px \(width x height\), but X\[0\] is 36 x 24 px",
        X=lambda r: [Image.new("RGB", (36, 24)), Image.new("RGB", (24, 36))] * 6,
    ),
]

# Right by themselves, but not what the estimator was fitted on.
OTHER_X = [
    case(
        "X: fewer channels",
        ValueError,
        r"24 x 36 px.*1 channel.*fitted on images of 24 x 36 px.*3 channel",
        X=lambda r: r.X[..., 0],
    ),
    case(
        "X: more channels", ValueError, "4 channel.*fitted.*3 channel", X=np.zeros((1, 24, 36, 4))
    ),
    case(
        "X: lower", ValueError, "20 x 36 px.*fitted on images of 24 x 36", X=lambda r: r.X[:, :20]
    ),
    case(
        "X: turned", ValueError, "36 x 24 px.*on images of 24 x 36", X=lambda r: r.X.swapaxes(1, 2)
    ),
    case(
        "X: smaller files", ValueError, "20 x 36 px.*24 x 36", X=lambda r: [r.folder / "lower.png"]
    ),
    case("X: one image", ValueError, "fitted on images of 24 x 36 px", X=lambda r: r.X[0]),
    case("X: other rows", ValueError, "2591 features.*2592", X=lambda r: r.rows[:, 1:]),
]

BAD_ARGUMENTS = [
    case(
        "y: too few",
        ValueError,
        r"inconsistent.*\[12, 11\].*one label for each",
        y=lambda r: r.y[1:],
    ),
    case("y: empty", ValueError, r"inconsistent.*\[12, 0\]", y=[]),
    case("y: None", ValueError, "requires y to be passed.*None", y=None),
    case("y: one label", TypeError, "got .*int.*one label for each image", y=3),
    case("y: one word", ValueError, r"inconsistent.*\[12, 4\]", y="disc"),
    case("y: NaN", ValueError, "contains NaN", y=lambda r: with_value(np.ones(N), np.nan)),
    case(
        "y: infinite", ValueError, "contains infinity", y=lambda r: with_value(np.ones(N), np.inf)
    ),
    case("y: None in it", TypeError, "NoneType.*none missing", y=["a", None] * 6),
    case("y: NaN among words", TypeError, "float.*none missing", y=pd.Series(["a", np.nan] * 6)),
    case("y: continuous", ValueError, "continuous", y=np.linspace(0, 1, N)),
    case("y: one class", ValueError, r"1 class.*\['a'\].*at least two classes", y=["a"] * N),
    case("y: two columns", ValueError, r"1d array.*\(12, 2\)", y=np.ones((N, 2))),
    case("y: indicators", ValueError, r"1d array.*\(12, 3\)", y=np.eye(N, 3, dtype=int)),
    case("y: ragged", ValueError, "inhomogeneous", y=[[1], [2, 3]] * 6),
    case("y: complex", ValueError, "Complex data", y=[1j, 2] * 6),
    case("y: bytes", TypeError, "bytes", y=[b"a", b"b"] * 6),
    case("y: sparse", TypeError, "[Ss]parse", y=sparse.csr_matrix(np.ones((N, 1)))),
    case(
        "y: one class by weights",
        ValueError,
        r"1 class.*\['disc'\].*weight zero do not count",
        sample_weight=lambda r: r.y == "disc",
    ),
    case(
        "y: one class by class weights",
        ValueError,
        r"1 class.*\['cross'\].*weight zero do not count",
        class_weight={"disc": 0, "cross": 1},
    ),
    case(
        "y: no class by class weights",
        ValueError,
        r"0 class.*\[\].*weight zero do not count",
        class_weight={"disc": 0, "cross": 0},
    ),
    case(
        "centers: turned",
        ValueError,
        r"shape \(2, 12\), wants \(12, 2\)",
        centers=lambda r: r.centers.T,
    ),
    case(
        "centers: too few",
        ValueError,
        r"\(11, 2\), wants \(12, 2\)",
        centers=lambda r: r.centers[1:],
    ),
    case(
        "centers: one column",
        ValueError,
        r"\(12,\), wants \(12, 2\)",
        centers=lambda r: r.centers[:, 0],
    ),
    case(
        "centers: three columns", ValueError, r"\(12, 3\), wants \(12, 2\)", centers=np.ones((N, 3))
    ),
    case(
        "centers: thetas", ValueError, r"\(12, 2, 3\), wants \(12, 2\)", centers=np.zeros((N, 2, 3))
    ),
    case("centers: empty", ValueError, r"0 sample.*\(12, 2\)", centers=[]),
    case(
        "centers: negative", ValueError, "12 lie outside.*36 x 24 px", centers=np.full((N, 2), -1.0)
    ),
    case(
        "centers: beyond the width",
        ValueError,
        r"1 lie outside .* 36 x 24 px \(width x height\).* index 6: \[36\.0, 13\.0\]",
        centers=one_center(36, 13),
    ),
    case(
        "centers: beyond the height",
        ValueError,
        r"1 lie outside .* 36 x 24 px \(width x height\).* index 6: \[13\.0, 25\.0\] \(x, y\)",
        centers=one_center(13, 25),
    ),
    case(
        "centers: y before x",
        ValueError,
        r"outside .* 36 x 24 px \(width x height\)",
        centers=lambda r: r.centers[:, ::-1],
    ),
    case(
        "centers: NaN", ValueError, "contains NaN", centers=lambda r: with_value(r.centers, np.nan)
    ),
    case(
        "centers: infinite", ValueError, "infinity", centers=lambda r: with_value(r.centers, np.inf)
    ),
    case(
        "centers: text",
        ValueError,
        "strings.*wants numbers",
        centers=lambda r: r.centers.astype(str),
    ),
    case("centers: a word", ValueError, r"wants numbers of shape \(12, 2\)", centers="middle"),
    case("centers: a number", TypeError, r"wants numbers of shape \(12, 2\)", centers=5),
    case(
        "centers: a dict", TypeError, r"wants numbers of shape \(12, 2\)", centers={"x": 1, "y": 2}
    ),
    case("centers: ragged", ValueError, "inhomogeneous.*wants numbers", centers=[[1, 2], [3]] * 6),
    case("centers: complex", ValueError, "Complex data", centers=np.ones((N, 2), complex)),
    case("centers: sparse", TypeError, "[Ss]parse", centers=sparse.csr_matrix(np.ones((N, 2)))),
    case("sample_weight: negative", ValueError, "negative.*0 or more", sample_weight=-np.ones(N)),
    case(
        "sample_weight: too few",
        ValueError,
        r"\(11,\), expected \(12,\)",
        sample_weight=np.ones(N - 1),
    ),
    case("sample_weight: NaN", ValueError, "NaN", sample_weight=[np.nan] * N),
    case("sample_weight: infinite", ValueError, "infinity", sample_weight=[np.inf] * N),
    case("sample_weight: too large", ValueError, "1e[+]308, too large", sample_weight=[1e308] * N),
    case("sample_weight: all zero", ValueError, "non-zero|all are zero", sample_weight=np.zeros(N)),
    case(
        "sample_weight: two columns", ValueError, "1D array.*got 2D", sample_weight=np.ones((N, 2))
    ),
    case(
        "sample_weight: a word",
        ValueError,
        "'balanced'; wants 12 numbers",
        sample_weight="balanced",
    ),
    case("stages: one word", ValueError, "got 'classifier', wants a sequence", stages="classifier"),
    case("stages: none", ValueError, r"got \(\), wants a sequence of one or more", stages=()),
    case("stages: None", ValueError, "got None, wants a sequence of one or more", stages=None),
    case("stages: a number", ValueError, "got 1, wants a sequence of one or more", stages=1),
    case(
        "stages: numbers", ValueError, r"got \(1,\), wants a sequence of one or more", stages=(1,)
    ),
    case(
        "stages: unknown",
        ValueError,
        r"unknown \['classify'\], wants .*'classifier'",
        stages=["classify"],
    ),
    case(
        "patch_size: larger than high",
        ValueError,
        r"\(25, 25\).*larger than.*\(24, 36\)",
        patch_size=25,
    ),
    case(
        "patch_size: width first",
        ValueError,
        r"\(36, 24\).*larger than.*\(24, 36\)",
        patch_size=(36, 24),
    ),
    case("patch_size: zero", ValueError, "Got 0", patch_size=0),
    case("patch_size: negative", ValueError, "Got -3", patch_size=-3),
    case("patch_size: a zero in it", ValueError, r"\(8, 0\), wants", patch_size=(8, 0)),
    case("patch_size: three", ValueError, r"\(8, 8, 3\), wants a positive", patch_size=(8, 8, 3)),
    case("patch_size: empty", ValueError, r"\(\), wants a positive", patch_size=()),
    case("patch_size: half a pixel", ValueError, "Got 8.5", patch_size=8.5),
    case(
        "patch_size: floats", ValueError, r"\(8\.0, 8\.0\), wants a positive", patch_size=(8.0, 8.0)
    ),
    case("patch_size: a word", ValueError, "Got '8'", patch_size="8"),
    case(
        "cell_size: larger than the images",
        ValueError,
        r"\(30, 30\).*larger.*\(24, 36\)",
        cell_size=30,
    ),
    case(
        "cell_size: larger than the patch",
        ValueError,
        r"\(20, 20\).*larger than the patch, \(16, 16\)",
        cell_size=20,
        patch_size=16,
    ),
    case("cell_size: zero", ValueError, "Got 0", cell_size=0),
    case("cell_size: negative", ValueError, r"\(4, -4\), wants a positive", cell_size=(4, -4)),
    case(
        "image_shape: width first", ValueError, r"24 x 36.*\(36, 24, 3\)", image_shape=(36, 24, 3)
    ),
    case("image_shape: no channels", ValueError, r"24 x 36.*\(24, 36, 1\)", image_shape=(24, 36)),
    case(
        "image_shape: of other rows",
        ValueError,
        r"rows of 2592 values.*\(24, 36, 1\), which takes 864",
        X=lambda r: r.rows,
        image_shape=(24, 36),
    ),
    case("image_shape: one number", ValueError, r"\(24,\), wants", image_shape=(24,)),
    case("image_shape: four numbers", ValueError, r"3, 1\), wants", image_shape=(24, 36, 3, 1)),
    case(
        "image_shape: a zero", ValueError, r"\(24, 36, 0\), wants positive", image_shape=(24, 36, 0)
    ),
    case(
        "image_shape: floats", ValueError, r"36\.0.*wants positive int", image_shape=(24, 36.0, 3)
    ),
    case("image_shape: a number", ValueError, "Got 24", image_shape=24),
    case("image_shape: a word", ValueError, "Got '24x36'", image_shape="24x36"),
    case("batch_size: zero", ValueError, r"Got 0", batch_size=0),
    case("batch_size: half", ValueError, r"Got 2\.5", batch_size=2.5),
    case("batch_size: None", ValueError, "Got None", batch_size=None),
    case("validation_fraction: zero", ValueError, "Got 0", validation_fraction=0),
    case("validation_fraction: one", ValueError, "Got 1", validation_fraction=1),
    case("validation_fraction: more than all", ValueError, r"Got 1\.5", validation_fraction=1.5),
    case(
        "validation_fraction: too little",
        ValueError,
        "test_size.*classes = 2",
        validation_fraction=0.01,
    ),
    case("validation_fraction: too much", ValueError, "train set.*empty", validation_fraction=0.99),
    case(
        "validation_fraction: a single sample of a class",
        ValueError,
        "only 1 member.*wants samples of each class",
        y=["a"] * (N - 1) + ["b"],
        validation_fraction=0.5,
    ),
    case("n_iter_no_change: zero", ValueError, "Got 0", n_iter_no_change=0),
    case(
        "class_weight: unknown label",
        ValueError,
        r"\['cross', 'disc'\]",
        class_weight={"mitosis": 2},
    ),
    case("class_weight: negative", ValueError, "got -1 for 'disc'", class_weight={"disc": -1}),
    case("class_weight: NaN", ValueError, "got nan for 'disc'", class_weight={"disc": np.nan}),
    case("class_weight: infinite", ValueError, "got inf for 'disc'", class_weight={"disc": np.inf}),
    case("class_weight: text", ValueError, "got '2' for 'disc'", class_weight={"disc": "2"}),
    case(
        "class_weight: None in it", ValueError, "got None for 'disc'", class_weight={"disc": None}
    ),
    case("class_weight: a word", ValueError, "Got 'even'", class_weight="even"),
    case("class_weight: a list", ValueError, r"Got \[1, 2\]", class_weight=[1, 2]),
    case("balance: unknown", ValueError, "'fixed'.*Got 'all'", balance="all"),
    case("rotate: unknown", ValueError, "'copy'.*Got 'no'", rotate="no"),
    case("rotate: degrees", ValueError, "'copy'.*Got 90", rotate=90),
    case("schedule: unknown", ValueError, "'one-cycle'.*Got 'cosine'", schedule="cosine"),
    case("weight_decay: negative", ValueError, "Got -1", weight_decay=-1),
    case("device: unknown", ValueError, "'gpu', wants 'auto', 'cpu', 'cuda' or", device="gpu"),
    case("device: no number", ValueError, "'cuda:x', wants 'auto', 'cpu'", device="cuda:x"),
    # torch knows these, but they cannot train here.
    case("device: meta", ValueError, "'meta', wants 'auto', 'cpu', 'cuda' or", device="meta"),
    case("device: empty", ValueError, "'', wants 'auto', 'cpu', 'cuda' or", device=""),
    case("device: a number", ValueError, "Got 0", device=0),
    case("random_state: a word", ValueError, "Got 'zero'", random_state="zero"),
    case("random_state: negative", ValueError, "Got -1", random_state=-1),
    case("random_state: a Generator", ValueError, "Got Gen", random_state=np.random.default_rng(0)),
    case("callbacks: one", ValueError, "list.*Got <", callbacks=lambda r: EpochTimer()),
    case("callbacks: a word", ValueError, "list.*Got 'disable'", callbacks="disable"),
    case(
        "callbacks: words",
        TypeError,
        r"\[0\]: got 'log', wants a skorch Callback",
        callbacks=["log"],
    ),
    case(
        "callbacks: None in it", TypeError, r"\[1\]: got None, wants", callbacks=[EpochTimer, None]
    ),
    case(
        "callbacks: a function",
        TypeError,
        r"\[0\]: got <function",
        callbacks=[print, check_message][1:],
    ),
    case("callbacks: another class", TypeError, r"\[0\]: got .*int.*, wants", callbacks=[int]),
    case("callbacks: pair of words", TypeError, r"\[0\]: got \('a', 'b'\)", callbacks=[("a", "b")]),
    case("callbacks: three", TypeError, r"\[0\]: got \('a', ", callbacks=[("a", EpochTimer, 3)]),
    case("callbacks: no name", TypeError, r"\[0\]: got \(3, ", callbacks=[(3, EpochTimer)]),
    case("callbacks: name twice", ValueError, "'a'.*differ", callbacks=[("a", EpochTimer)] * 2),
    case(
        "callbacks: the net's name",
        ValueError,
        "'stage_log'",
        callbacks=[("stage_log", EpochTimer)],
    ),
    case("verbose: negative", ValueError, "Got -1", verbose=-1),
    case("verbose: a word", ValueError, "Got 'yes'", verbose="yes"),
    case("warm_start: a word", ValueError, "Got 'yes'", warm_start="yes"),
]

STN_ONLY = [
    *(
        case(f"{name}: {value!r}", ValueError, rf"Got {re.escape(repr(value))}", **{name: value})
        for name in ("classifier_epochs", "localizer_epochs", "joint_epochs")
        for value in (-1, 1.5, "1", None)
    ),
    *(
        case(f"{name}: {value!r}", ValueError, rf"Got {re.escape(repr(value))}", **{name: value})
        for name in ("classifier_lr", "localizer_lr", "joint_lr", "kappa")
        for value in (0, -1e-3, np.nan, np.inf, "auto")
    ),
    case("localizer: unknown", ValueError, "'heatmap'.*Got 'stn'", localizer="stn"),
    case("localizer: None", ValueError, "'heatmap'.*Got None", localizer=None),
    case("classifier: unknown", ValueError, "'inception'.*Got 'resnet'", classifier="resnet"),
    case("stages: one unknown", ValueError, r"unknown \['all'\], wants", stages=("joint", "all")),
]

BASELINE_ONLY = [
    *(
        case(f"{name}: {value!r}", ValueError, rf"Got {re.escape(repr(value))}", **{name: value})
        for name, values in {"epochs": (-1, 1.5, None), "lr": (0, -1e-3, np.nan)}.items()
        for value in values
    ),
    case("stages: of the STN", ValueError, r"unknown \['joint'\], wants", stages=("joint",)),
]

BAD_FEATURES = [
    case("families: a word", ValueError, "Got 'glcm'", families="glcm"),
    case("families: none", ValueError, r"one or more of .*got \(\)", families=()),
    case(
        "families: unknown", ValueError, r"one or more of .*got \('gabor',\)", families=("gabor",)
    ),
    case("families: twice", ValueError, "each once", families=("glcm", "glcm")),
    case("families: nested", ValueError, "one or more of", families=[["glcm"], ["lbp"]]),
    case(
        "families: two axes", ValueError, "one or more of", families=np.array([["glcm"], ["lbp"]])
    ),
    case("patch_size: too large", ValueError, r"\(25, 25\).*larger.*\(24, 36\)", patch_size=25),
    case("patch_size: floats", ValueError, "wants a positive integer", patch_size=(8.0, 8.0)),
    case("smoothing: negative", ValueError, "Got -1", smoothing=-1),
    case("min_nucleus_area: half", ValueError, r"Got 2\.5", min_nucleus_area=2.5),
    case("ring_width: zero", ValueError, "Got 0", ring_width=0),
    case("glcm_distances: none", ValueError, r"integers above 0, got \(\)", glcm_distances=()),
    case("glcm_distances: zero", ValueError, r"integers above 0, got \(0,\)", glcm_distances=[0]),
    case("glcm_distances: text", ValueError, r"above 0, got \('a',\)", glcm_distances=["a"]),
    case("glcm_levels: one", ValueError, "Got 1", glcm_levels=1),
    case("lbp_radii: negative", ValueError, r"above 0, got \(-1,\)", lbp_radii=[-1]),
    case("lbp_radii: infinite", ValueError, r"above 0, got \(inf,\)", lbp_radii=[np.inf]),
    case("hog_cells: zero", ValueError, "Got 0", hog_cells=0),
    case("hog_orientations: zero", ValueError, "Got 0", hog_orientations=0),
    case("image_shape: not theirs", ValueError, r"24 x 36.*\(36, 24, 3\)", image_shape=(36, 24, 3)),
    case("n_jobs: a word", ValueError, "Got 'all'", n_jobs="all"),
]

BAD_CELLS = [
    case("n_samples: zero", ValueError, "integer of at least 1, got 0", n_samples=0),
    case("n_samples: a float", TypeError, "integer of at least 1, got 2.5", n_samples=2.5),
    case("patch_size: too small", ValueError, "at least 48, got 47", patch_size=47),
    case("patch_size: two", TypeError, r"at least 48, got \(64, 64\)", patch_size=(64, 64)),
    case("image_size: below the patch", ValueError, r"patch_size \(128\), got 64", image_size=64),
    case("classes: a word", TypeError, "sequence.*got 'granulocyte'", classes="granulocyte"),
    case("classes: none", ValueError, "at least one", classes=()),
    case("classes: unknown", ValueError, "'tumour cell', got 'neuron'", classes=("neuron",)),
    case("offset: negative", ValueError, "from 0 to 40.*got -1", offset=-1),
    case("offset: NaN", ValueError, "from 0 to 40.*got nan", offset=np.nan),
    case("offset: outside the patch", ValueError, "from 0 to 40.*got 41", offset=41),
    case("clutter: too much", ValueError, "from 0 to 50, got 51", clutter=51),
    case("random_state: a word", TypeError, "got 'zero'", random_state="zero"),
    case("random_state: negative", ValueError, "got -1", random_state=-1),
]


def check_fit(estimator, argument, error, words, changes, right):
    """Fit with some arguments and parameters wrong, and check what happens."""
    changes = resolve(changes, right)
    parameters = {n: changes.pop(n) for n in list(changes) if n in estimator.get_params()}
    estimator.set_params(**parameters)
    arguments = {"X": right.X, "y": right.y, **changes}
    with pytest.raises(error) as raised:
        estimator.fit(**arguments)
    check_message(raised, argument, words)
    assert not hasattr(estimator, "net_")
    assert not hasattr(estimator, "history_")


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize(("argument", "error", "words", "changes"), BAD_X)
def test_fit_refuses_images(kind, argument, error, words, changes, right):
    check_fit(ESTIMATORS[kind](), argument, error, words, changes, right)


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize(("argument", "error", "words", "changes"), BAD_ARGUMENTS)
def test_fit_refuses_arguments_and_parameters(kind, argument, error, words, changes, right):
    check_fit(CLASSIFIERS[kind](), argument, error, words, changes, right)


@pytest.mark.parametrize(("argument", "error", "words", "changes"), STN_ONLY)
def test_fit_refuses_parameters_of_the_stn(argument, error, words, changes, right):
    check_fit(STNCellClassifier(), argument, error, words, changes, right)


@pytest.mark.parametrize(("argument", "error", "words", "changes"), BASELINE_ONLY)
def test_fit_refuses_parameters_of_the_baseline(argument, error, words, changes, right):
    check_fit(CiresanBaseline(), argument, error, words, changes, right)


@pytest.mark.parametrize(("argument", "error", "words", "changes"), BAD_FEATURES)
def test_fit_refuses_parameters_of_the_features(argument, error, words, changes, right):
    check_fit(CellFeatures(), argument, error, words, changes, right)


@pytest.mark.parametrize(("argument", "error", "words", "changes"), BAD_CELLS)
def test_make_cells_refuses(argument, error, words, changes):
    with pytest.raises(error) as raised:
        make_cells(**{"n_samples": 1, **changes})
    check_message(raised, argument, words)


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize(("argument", "error", "words", "changes"), [*BAD_X, *OTHER_X])
def test_transform_refuses_images(kind, argument, error, words, changes, right, fitted):
    before = dict(vars(fitted[kind]))
    with pytest.raises(error) as raised:
        fitted[kind].transform(**resolve(changes, right))
    # The shape is looked at before what is in it.
    check_message(raised, argument, f"{words}|is expecting 2592 features|was fitted on images of")
    assert vars(fitted[kind]) == before


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "predict_log_proba", "localize", "attend"]
)
@pytest.mark.parametrize(("argument", "error", "words", "changes"), OTHER_X)
def test_every_method_refuses_other_images(
    kind, method, argument, error, words, changes, right, fitted
):
    with pytest.raises(error) as raised:
        getattr(fitted[kind], method)(**resolve(changes, right))
    check_message(raised, argument, words)


def test_no_gpu_here(right, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for device in ("cuda", "cuda:0"):
        words = f"got '{device}', but torch finds 0 GPU"
        check_fit(STNCellClassifier(), "device", ValueError, words, {"device": device}, right)


def test_no_such_gpu_here(right, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    words = "got 'cuda:2', but torch finds 2 GPU"
    check_fit(STNCellClassifier(), "device", ValueError, words, {"device": "cuda:2"}, right)


METHODS = ["predict", "predict_proba", "predict_log_proba", "transform", "localize", "attend"]


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("method", METHODS)
def test_unfitted_classifiers_say_so(kind, method, right):
    with pytest.raises(NotFittedError, match=f"{CLASSIFIERS[kind].__name__} .* not fitted yet"):
        getattr(CLASSIFIERS[kind](), method)(right.X)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_unfitted_estimators_have_no_columns(kind, right):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        ESTIMATORS[kind]().get_feature_names_out()
    with pytest.raises(NotFittedError, match="not fitted yet"):
        ESTIMATORS[kind]().transform(right.X)


WARM_START = [
    case(
        "y: other classes",
        ValueError,
        r"\['disc', 'ring'\].*continues.*\['cross', 'disc'\]",
        y=["ring", "disc"] * 6,
    ),
    case("y: one class more", ValueError, r"\['a', 'b', 'c'\].*continues", y=["a", "b", "c"] * 4),
    case("X: other height", ValueError, "20 x 36 px.*24 x 36 px", X=lambda r: r.X[:, :20]),
    case("X: other channels", ValueError, "1 channel.*3 channel", X=lambda r: r.X[..., 0]),
    case(
        "warm_start: other localizer", ValueError, "'heatmap'.*'dense'.*fit anew", localizer="dense"
    ),
    case("warm_start: other patch", ValueError, r"\(24, 36\).*now say \(\(20, 20\)", patch_size=20),
    case(
        "warm_start: other cell",
        ValueError,
        r"\(12, 18\).*now say .*\(10, 12\)",
        cell_size=(10, 12),
    ),
    case(
        "image_shape: other",
        ValueError,
        r"\(36, 24, 3\).*continues.*\(24, 36, 3\)",
        image_shape=(36, 24, 3),
        X=lambda r: r.rows,
    ),
    case("centers: outside", ValueError, "outside", centers=np.full((N, 2), 99)),
    case("stages: unknown", ValueError, "unknown", stages=("all",)),
]


@pytest.mark.parametrize(("argument", "error", "words", "changes"), WARM_START)
def test_warm_start_refuses_something_else(argument, error, words, changes, right, fitted):
    estimator = fitted["stn"]
    known, changes = estimator.get_params(), resolve(changes, right)
    parameters = {n: changes.pop(n) for n in list(changes) if n in known}
    weights = {n: w.clone() for n, w in estimator.net_.module_.state_dict().items()}
    history, fresh = list(estimator.history_), estimator.predict_proba(right.X)
    estimator.set_params(warm_start=True, **parameters)
    try:
        with pytest.raises(error) as raised:
            estimator.fit(**{"X": right.X, "y": right.y, **changes})
    finally:
        estimator.set_params(**known)
    check_message(raised, argument, words)
    # What was trained stands as it was.
    assert estimator.history_ == history
    for name, weight in estimator.net_.module_.state_dict().items():
        assert torch.equal(weight, weights[name])
    np.testing.assert_array_equal(estimator.predict_proba(right.X), fresh)


@pytest.mark.parametrize(
    "changes",
    [
        {"callbacks": [EpochTimer, EpochTimer(), ("first", EpochTimer()), ("second", EpochTimer)]},
        {"callbacks": (EpochTimer(),)},
        {"callbacks": []},
        {"stages": ["classifier"]},
        {"stages": np.array(["classifier"])},
        {"stages": iter(["classifier"])},
        {"device": "cpu"},
        {"class_weight": {"disc": 2, "cross": 0.5, "not in this fold": 1}},
        {"sample_weight": np.arange(N)},
        {"sample_weight": 2.0},
        {"centers": [[0, 0]] * N},
        {"centers": np.array([[-0.5, 23.5], [35.5, -0.5]] * 6)},
        {"y": [True, False] * 6},
        {"validation_fraction": 0.5},
        {"patch_size": (24, 36), "cell_size": (24, 36)},
        {"patch_size": [1, 36]},
        {"image_shape": [24, 36, 3]},
    ],
    ids=lambda changes: ", ".join(changes),
)
@pytest.mark.usefixtures("fitted")
def test_what_is_right_is_not_refused(changes, right):
    # The other half of every check above: it must not refuse too much.
    estimator = CiresanBaseline(epochs=1, random_state=0)
    changes = dict(changes)
    parameters = {n: changes.pop(n) for n in list(changes) if n in estimator.get_params()}
    estimator.set_params(**parameters).fit(**{"X": right.X, "y": right.y, **changes})
    assert np.isfinite(estimator.predict_proba(right.X)).all()


REFIT = [
    case("y: None", ValueError, "None", X=lambda r: r.X[:, :20], y=None),
    case("centers: outside", ValueError, "outside", X=lambda r: r.X[:, :20], centers=[[0, 22]] * N),
    case(
        "callbacks: twice",
        ValueError,
        "'a'",
        X=lambda r: r.X[:8],
        y=["p", "q"] * 4,
        callbacks=[("a", EpochTimer)] * 2,
    ),
    case("patch_size: too large", ValueError, "larger", X=lambda r: r.X[..., 0], patch_size=25),
]


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize(("argument", "error", "words", "changes"), REFIT)
def test_a_failed_fit_leaves_what_was_fitted(kind, argument, error, words, changes, right, fitted):
    estimator, changes = fitted[kind], resolve(changes, right)
    known, expected = estimator.get_params(), estimator.predict_proba(right.X)
    before = {name: value for name, value in vars(estimator).items() if name.endswith("_")}
    estimator.set_params(**{n: changes.pop(n) for n in list(changes) if n in known})
    try:
        with pytest.raises(error) as raised:
            estimator.fit(**{"X": right.X, "y": right.y, **changes})
    finally:
        estimator.set_params(**known)
    check_message(raised, argument, words)
    assert {name: value for name, value in vars(estimator).items() if name.endswith("_")} == before
    np.testing.assert_array_equal(estimator.predict_proba(right.X), expected)
