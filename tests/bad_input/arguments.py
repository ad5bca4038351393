"""Labels, centres, weights and stages that `fit` does not take."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

from . import N, case, with_value


def one_center(x, y):
    """Put one centre elsewhere."""
    return lambda right: np.where(np.arange(N)[:, None] == 6, (x, y), right.centers)


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
    case("y: None in it", ValueError, "missing labels: 6 of 12, .* 1", y=["a", None] * 6),
    case(
        "y: NaN among words",
        ValueError,
        "missing labels: 6 of 12, .* 1",
        y=pd.Series(["a", np.nan] * 6),
    ),
    case("y: continuous", ValueError, "continuous", y=np.linspace(0, 1, N)),
    case("y: one class", ValueError, r"1 class.*\['a'\].*at least two classes", y=["a"] * N),
    case("y: two columns", ValueError, r"1d array.*\(12, 2\)", y=np.ones((N, 2))),
    case("y: indicators", ValueError, r"1d array.*\(12, 3\)", y=np.eye(N, 3, dtype=int)),
    case("y: ragged", ValueError, "inhomogeneous", y=[[1], [2, 3]] * 6),
    case("y: complex", ValueError, "Complex data", y=[1j, 2] * 6),
    case("y: bytes", TypeError, "bytes", y=[b"a", b"b"] * 6),
    case(
        "y: half a character",
        ValueError,
        r"^y: got the label 'a\\ud800' .*, the first at index 1; wants text that UTF-8 can hold",
        y=["b", "a\ud800"] * 6,
    ),
    case(
        "y: two forms of Unicode",
        ValueError,
        r"^y: '\\xe4' and 'a\\u0308' are one name in two forms of Unicode; wants one form",
        y=["b", "\u00e4", "a\u0308", "z"] * 3,
    ),
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
        "centers: NaN",
        ValueError,
        "or NaN for both",
        centers=lambda r: with_value(r.centers, np.nan),
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
    case("centers: a dict", ValueError, r"\(1, 2\), wants \(12, 2\)", centers={"x": 1, "y": 2}),
    case("centers: ragged", ValueError, "inhomogeneous.*wants numbers", centers=[[1, 2], [3]] * 6),
    case("centers: complex", ValueError, "Complex data", centers=np.ones((N, 2), complex)),
    case(
        "centers: truth values",
        TypeError,
        r"^centers: truth values; wants numbers of shape \(12, 2\)",
        centers=np.ones((N, 2), bool),
    ),
    case(
        "centers: a column of truth values",
        ValueError,
        "^centers: wants numbers in the columns x and y, got DataFrame .*truth values",
        centers=pd.DataFrame({"x": [3.0] * N, "y": [True] * N}),
    ),
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
    case("sample_weight: two columns", ValueError, "1D array", sample_weight=np.ones((N, 2))),
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
]
