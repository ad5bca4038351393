"""Bad calls of tables and figures."""

from __future__ import annotations

import numpy as np

from stnclf.displays import (
    DetectionCurveDisplay,
    HotspotDisplay,
    LocalizationDisplay,
    ReliabilityDisplay,
    StageHistoryDisplay,
)
from stnclf.metrics import coverage_curve, expected_calibration_error, reliability_curve
from stnclf.report import (
    classification_table,
    domain_table,
    evaluate,
    plot_examples,
    summary_table,
    write_report,
)
from tests.bad_input import refused

IMAGES = np.zeros((2, 20, 30, 3), np.uint8)
AB = ["a", "b"]


def drawn(X=IMAGES, y_true=AB, y_pred=AB, **changes):
    return lambda r: plot_examples(X, y_true, y_pred, **changes)


def scores(y_true=AB, y_pred=AB, **changes):
    return lambda r: evaluate(y_true, y_pred, **changes)


def page(**changes):
    def use(r):
        arguments = {"predictions": {"CNN": {"y_pred": AB}}, "y_true": AB, **changes}
        return write_report(arguments.pop("path", r.folder / "report.html"), **arguments)

    return use


def with_slide(name):
    return lambda r: page(slides={"a": {"slide": r.folder / name}})(r)


#: Displays that can be drawn, by name.
DRAWABLE = {
    "DetectionCurveDisplay": lambda r: DetectionCurveDisplay({}),
    "HotspotDisplay": lambda r: HotspotDisplay(IMAGES[0], 1.0, 0.5, [[3, 4]], ["a"]),
    "LocalizationDisplay": lambda r: LocalizationDisplay(IMAGES, AB, AB),
    "ReliabilityDisplay": lambda r: ReliabilityDisplay([0.7], [0.5], [2], 0.2),
    "StageHistoryDisplay": lambda r: StageHistoryDisplay(
        [{"stage": "joint", "epoch": 1, "train_loss": 1.0}]
    ),
}


CASES = [
    *(
        refused(
            f"{name}.plot",
            "matplotlib: missing",
            ImportError,
            r"stnclf\[plot\]",
            lambda r, make=make: r.without("matplotlib", lambda r: make(r).plot()),
        )
        for name, make in DRAWABLE.items()
    ),
    refused(
        "LocalizationDisplay.plot",
        "n_columns: none",
        ValueError,
        "got 0",
        lambda r: LocalizationDisplay(IMAGES, AB, AB).plot(n_columns=0),
    ),
    refused(
        "DetectionCurveDisplay.from_detections",
        "radius_px: negative",
        ValueError,
        "got -3",
        lambda r: DetectionCurveDisplay.from_detections(r.table, r.table, radius_px=-3),
    ),
    refused(
        "HotspotDisplay.from_detections",
        "slide: a number",
        TypeError,
        "int",
        lambda r: HotspotDisplay.from_detections(r.table, 3),
    ),
    refused(
        "HotspotDisplay.from_detections",
        "sigma_um: zero",
        ValueError,
        "got 0",
        lambda r: HotspotDisplay.from_detections(r.table, r.slide, sigma_um=0),
    ),
    refused("report.evaluate", "y_true: empty", ValueError, r"not empty.*\(0,\)", scores([], [])),
    refused("report.evaluate", "y_pred: fewer", ValueError, "2 rows, got 1", scores(y_pred=["a"])),
    refused(
        "report.evaluate", "labels: too few", ValueError, r"lacks \['b'\]", scores(labels=["a"])
    ),
    refused(
        "report.evaluate",
        "labels: repeated",
        ValueError,
        r"each class once, got \['a', 'b', 'a'\]",
        scores(labels=["a", "b", "a"]),
    ),
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
    refused(
        "report.evaluate",
        "fit_seconds: a word",
        ValueError,
        "number of seconds, got 'long'",
        scores(fit_seconds="long"),
    ),
    *(
        refused(f"report.{function.__name__}", name, ValueError, words, use)
        for function in (classification_table, summary_table)
        for name, words, use in (
            ("results: none", "at least one method", lambda r, f=function: f({})),
            (
                "results: of something else",
                r"'CNN'.*evaluate",
                lambda r, f=function: f({"CNN": {"accuracy": 1.0}}),
            ),
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
        "patch_size: a word",
        ValueError,
        "got 'all'",
        drawn(patch_size="all"),
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
    *(
        refused(
            f"report.{function.__name__}",
            "results: a list",
            TypeError,
            r"dict by method, got \[1\]",
            lambda r, f=function: f([1]),
        )
        for function in (classification_table, domain_table, summary_table)
    ),
    refused(
        "report.domain_table",
        "results: without domains",
        ValueError,
        "scores by domain",
        lambda r: domain_table({"CNN": evaluate(AB, AB)}),
    ),
    refused(
        "report.evaluate",
        "domains: fewer",
        ValueError,
        r"\(2,\), got \(1,\)",
        scores(domains=["a"]),
    ),
    refused(
        "metrics.coverage_curve",
        "certainty: fewer",
        ValueError,
        "2 finite numbers",
        lambda r: coverage_curve(AB, np.eye(2), certainty=[1]),
    ),
    *(
        refused(f"metrics.{function.__name__}", name, ValueError, words, use)
        for function in (expected_calibration_error, reliability_curve)
        for name, words, use in (
            ("proba: NaN", "row 0", lambda r, f=function: f(AB, [[np.nan, 1], [0, 1]])),
            ("proba: logits", "row 1.*2", lambda r, f=function: f(AB, [[1, 0], [2, -1]])),
            ("proba: a column", r"\(2, 2\)", lambda r, f=function: f(AB, [[1], [1]])),
            ("labels: too few", "'b'", lambda r, f=function: f(AB, [[1], [1]], labels=["a"])),
            ("n_bins: none", "got 0", lambda r, f=function: f(AB, np.eye(2), n_bins=0)),
        )
    ),
    refused(
        "displays.LocalizationDisplay",
        "y_pred: fewer",
        ValueError,
        "2 rows, got 1",
        lambda r: LocalizationDisplay(IMAGES, AB, ["a"]),
    ),
    refused(
        "displays.StageHistoryDisplay",
        "history: none",
        ValueError,
        "one dict or more",
        lambda r: StageHistoryDisplay([]),
    ),
    refused(
        "report.write_report", "predictions: a list", TypeError, "list|dict", page(predictions=[1])
    ),
    refused("report.write_report", "y_true: missing", ValueError, "given with", page(y_true=None)),
    refused("report.write_report", "X: fewer", ValueError, "2 rows, got 1", page(X=IMAGES[:1])),
    refused(
        "report.write_report", "centers: turned", ValueError, r"\(2, 2\)", page(centers=[[1, 2]])
    ),
    refused(
        "report.write_report",
        "names: fewer",
        ValueError,
        "2 rows, got 1",
        page(X=IMAGES, names=["x"]),
    ),
    refused("report.write_report", "names: a text", TypeError, "'ab'", page(X=IMAGES, names="ab")),
    refused("report.write_report", "mpp: zero", ValueError, "got 0", page(X=IMAGES, mpp=0)),
    refused("report.write_report", "X: only names", ValueError, "with names", page(mpp=1)),
    refused("report.write_report", "max_patches: none", ValueError, "got 0", page(max_patches=0)),
    refused("report.write_report", "histories: a list", TypeError, "dict", page(histories=[1])),
    refused("report.write_report", "slides: a path", TypeError, "dict", page(slides="a.svs")),
    refused(
        "report.write_report",
        "results: none",
        ValueError,
        "got none",
        page(predictions=None, y_true=None),
    ),
    refused("report.write_report", "file: no slide", OSError, "no.svs", with_slide("no.svs")),
    refused(
        "report.write_report",
        "file: a folder",
        OSError,
        "images",
        lambda r: page(path=r.folder)(r),
    ),
    refused(
        "report.write_report",
        "file: without OpenSlide",
        ImportError,
        r"stnclf\[slides\]",
        lambda r: r.without("openslide", with_slide("a.ndpi")),
    ),
]
