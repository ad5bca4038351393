"""Bad calls of tables and figures."""

from __future__ import annotations

import numpy as np

from stnclf.report import classification_table, evaluate, plot_examples, summary_table

from . import refused

IMAGES = np.zeros((2, 20, 30, 3), np.uint8)
AB = ["a", "b"]


def drawn(X=IMAGES, y_true=AB, y_pred=AB, **changes):
    return lambda r: plot_examples(X, y_true, y_pred, **changes)


def scores(y_true=AB, y_pred=AB, **changes):
    return lambda r: evaluate(y_true, y_pred, **changes)


CASES = [
    refused("report.evaluate", "y_true: empty", ValueError, r"not empty.*\(0,\)", scores([], [])),
    refused("report.evaluate", "y_pred: fewer", ValueError, "2 rows, got 1", scores(y_pred=["a"])),
    refused(
        "report.evaluate",
        "centers_true: missing",
        ValueError,
        "given with centers_pred",
        scores(centers_pred=[[1, 2]] * 2),
    ),
    refused(
        "report.evaluate",
        "centers_true: three columns",
        ValueError,
        r"\(2, 2\), got \(2, 3\)",
        scores(centers_true=np.ones((2, 3))),
    ),
    *(
        refused(f"report.{function.__name__}", name, ValueError, words, use)
        for function in (classification_table, summary_table)
        for name, words, use in (
            ("results: none", "at least one method", lambda r, f=function: f({})),
            (
                "fmt: unknown",
                "'markdown', got 'html'",
                lambda r, f=function: f({"CNN": evaluate(AB, AB)}, fmt="html"),
            ),
        )
    ),
    refused(
        "report.plot_examples", "X: one image", ValueError, r"\(20, 30\)", drawn(IMAGES[0, ..., 0])
    ),
    refused(
        "report.plot_examples",
        "X: integers",
        ValueError,
        "float, got int64",
        drawn(IMAGES.astype(int)),
    ),
    refused(
        "report.plot_examples", "y_true: fewer", ValueError, "2 rows, got 1", drawn(y_true=["a"])
    ),
    refused(
        "report.plot_examples",
        "classes: missing",
        ValueError,
        "given with proba",
        drawn(proba=np.ones((2, 2))),
    ),
    refused(
        "report.plot_examples",
        "proba: a column too few",
        ValueError,
        r"\(2, 2\), got \(2, 1\)",
        drawn(proba=np.ones((2, 1)), classes=AB),
    ),
    refused(
        "report.plot_examples",
        "corners: centres",
        ValueError,
        r"\(2, 4, 2\), got \(2, 2\)",
        drawn(corners=np.ones((2, 2))),
    ),
    refused(
        "report.plot_examples",
        "patch_size: larger",
        ValueError,
        r"within the image, \(20, 30\), got 21",
        drawn(patch_size=21),
    ),
    refused(
        "report.plot_examples",
        "n_columns: none",
        ValueError,
        "at least 1, got 0",
        drawn(n_columns=0),
    ),
    refused(
        "report.plot_examples",
        "matplotlib: missing",
        ImportError,
        r"stnclf\[plot\]",
        lambda r: r.without("matplotlib", drawn()),
    ),
]
