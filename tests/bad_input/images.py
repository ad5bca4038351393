"""Images that no estimator takes, and images that a fitted one does not."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from PIL import Image
from scipy import sparse

from . import HEIGHT, N, case, with_value


def among_files(name):
    """Put one more file at index 3 of the good ones."""
    return lambda right: [*right.files[:3], right.folder / name, *right.files[4:]]


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
    case("X: null byte", ValueError, r"X\[0\], 'a\\x00b': there is no", X=["a\0b"] * N),
    case("X: a folder", ValueError, r"X\[3\].*: is a folder, wants an image", X=among_files(".")),
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
        r"X\[3\].*deep\.png': has 16-bit pixels, wants 8-bit",
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
