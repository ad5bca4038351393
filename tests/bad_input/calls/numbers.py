"""Bad calls of geometry, metrics and datasets."""

from __future__ import annotations

import numpy as np

from stnclf import geometry
from stnclf.datasets import make_cells, make_slide
from stnclf.metrics import (
    annotator_agreement,
    choose_thresholds,
    detection_curve,
    detection_score,
    error_summary,
    fleiss_kappa,
    localization_error,
    localization_summary,
)
from tests.bad_input import refused

THETA = np.zeros((1, 2, 3))
CELLS = {"x": [1, 2], "y": [1, 2], "label": ["a", "b"]}


def score(mpp=0.25, truth=CELLS, detections=CELLS, **changes):
    return lambda r: detection_score(truth, detections, mpp=mpp, **changes)


def cells(**changes):
    return lambda r: make_cells(**{"n_samples": 1, **changes})


def slide(**changes):
    return lambda r: make_slide(**{"shape": (256, 256), **changes})


GEOMETRY = [
    *(
        refused(f"geometry.{name}", "points: three numbers", ValueError, r"2\), got \(1, 3\)", use)
        for name, use in (
            ("normalize_points", lambda r: geometry.normalize_points([[1, 2, 3]], (8, 8))),
            ("denormalize_points", lambda r: geometry.denormalize_points([[1, 2, 3]], (8, 8))),
        )
    ),
    refused(
        "geometry.normalize_points",
        "points: a word",
        ValueError,
        "numbers.*got 'middle'",
        lambda r: geometry.normalize_points("middle", (8, 8)),
    ),
    refused(
        "geometry.normalize_points",
        "size: one number",
        ValueError,
        r"\(height, width\).*got 8",
        lambda r: geometry.normalize_points([[1, 2]], 8),
    ),
    refused(
        "geometry.denormalize_points",
        "size: zero",
        ValueError,
        r"positive.*got \(8, 0\)",
        lambda r: geometry.denormalize_points([[1, 2]], (8, 0)),
    ),
    refused(
        "geometry.patch_origin",
        "patch_size: larger",
        ValueError,
        r"within image_size, \(8, 8\), got \(9, 8\)",
        lambda r: geometry.patch_origin((8, 8), (9, 8)),
    ),
    refused(
        "geometry.patch_origin",
        "image_size: three numbers",
        ValueError,
        r"\(height, width\).*got \(8, 8, 3\)",
        lambda r: geometry.patch_origin((8, 8, 3), (8, 8)),
    ),
    refused(
        "geometry.cell_theta",
        "centers: one point",
        ValueError,
        r"\(n, 2\), got \(2,\)",
        lambda r: geometry.cell_theta([3, 4], (8, 8), (4, 4)),
    ),
    refused(
        "geometry.cell_theta",
        "cell_size: a word",
        ValueError,
        "positive numbers, got 'small'",
        lambda r: geometry.cell_theta([[3, 4]], (8, 8), "small"),
    ),
    refused(
        "geometry.theta_centers",
        "theta: one matrix",
        ValueError,
        r"\(n, 2, 3\), got \(2, 3\)",
        lambda r: geometry.theta_centers(THETA[0], (8, 8)),
    ),
    refused(
        "geometry.view_theta",
        "centers: turned",
        ValueError,
        r"\(n, 2\), got \(2, 3\)",
        lambda r: geometry.view_theta(np.ones((2, 3)), (4, 4), 0.0, (8, 8)),
    ),
    refused(
        "geometry.view_theta",
        "angles: too few",
        ValueError,
        r"one number or shape \(3,\), got \(2,\)",
        lambda r: geometry.view_theta(np.ones((3, 2)), (4, 4), [0.0, 1.0], (8, 8)),
    ),
    refused(
        "geometry.window_corners",
        "theta: turned",
        ValueError,
        r"\(n, 2, 3\), got \(1, 3, 2\)",
        lambda r: geometry.window_corners(THETA.swapaxes(1, 2), (8, 8)),
    ),
    refused(
        "geometry.window_corners",
        "patch_size: larger than the image",
        ValueError,
        "within image_size",
        lambda r: geometry.window_corners(THETA, (8, 8), (4, 4)),
    ),
]

METRICS = [
    refused(
        "metrics.localization_error",
        "centers_pred: fewer",
        ValueError,
        r"\(2, 2\), got \(1, 2\)",
        lambda r: localization_error([[1, 2], [3, 4]], [[1, 2]]),
    ),
    refused(
        "metrics.localization_error",
        "centers_true: a number",
        ValueError,
        r"\(n_samples, 2\), got \(\)",
        lambda r: localization_error(3, [[1, 2]]),
    ),
    refused(
        "metrics.localization_error",
        "centers_pred: NaN",
        ValueError,
        "1 of 2 rows, first in row 1",
        lambda r: localization_error([[1, 2], [3, 4]], [[1, 2], [np.nan, 4]]),
    ),
    refused(
        "metrics.fleiss_kappa",
        "counts: half a vote",
        ValueError,
        r"counts must be whole numbers of at least 0, .* got \[\[1\.5, 1\]\]",
        lambda r: fleiss_kappa([[1.5, 1]]),
    ),
    refused(
        "metrics.fleiss_kappa",
        "counts: a cell with one vote",
        ValueError,
        "two people for each cell",
        lambda r: fleiss_kappa([[2, 0], [1, 0]]),
    ),
    refused(
        "metrics.annotator_agreement",
        "annotations: no votes",
        ValueError,
        "annotations must have a column votes",
        lambda r: annotator_agreement(CELLS),
    ),
    refused(
        "metrics.annotator_agreement",
        "voters: fewer than votes",
        ValueError,
        "voters must name one for each vote, got 1 for 2, row 0",
        lambda r: annotator_agreement({"votes": [("a", "b")], "voters": [("A",)]}),
    ),
    refused(
        "metrics.error_summary",
        "errors: two axes",
        ValueError,
        r"\(n_samples,\), got \(1, 2\)",
        lambda r: error_summary([[1, 2]]),
    ),
    refused(
        "metrics.error_summary",
        "errors: negative",
        ValueError,
        "0 or more",
        lambda r: error_summary([1, -2]),
    ),
    refused(
        "metrics.error_summary",
        "radius: zero",
        ValueError,
        "positive number of pixels, got 0",
        lambda r: error_summary([1.0], radius=0),
    ),
    refused(
        "metrics.localization_summary",
        "image_size: half pixels",
        ValueError,
        r"whole pixels, got \(8\.5, 8\)",
        lambda r: localization_summary([[1, 2]], [[1, 2]], image_size=(8.5, 8)),
    ),
    refused(
        "metrics.detection_curve",
        "radius_px: zero",
        ValueError,
        "radius_px must be a positive number, got 0",
        lambda r: detection_curve(CELLS, CELLS, radius_px=0),
    ),
    refused(
        "metrics.choose_thresholds",
        "mpp: none",
        ValueError,
        "mpp must be a positive number, got None",
        lambda r: choose_thresholds(CELLS, CELLS),
    ),
    refused("metrics.detection_score", "mpp: zero", ValueError, "positive number, got 0", score(0)),
    refused(
        "metrics.detection_score",
        "radius_um: NaN",
        ValueError,
        "positive number, got nan",
        score(radius_um=np.nan),
    ),
    refused(
        "metrics.localization_error",
        "centers_pred: complex",
        ValueError,
        "centers_pred must be an array of numbers",
        lambda r: localization_error([[1, 2]], np.array([[1 + 2j, 3]])),
    ),
    refused(
        "metrics.error_summary",
        "errors: complex",
        ValueError,
        "errors must be an array of numbers",
        lambda r: error_summary(np.array([1 + 2j, 3])),
    ),
    refused(
        "metrics.detection_score",
        "truth: truth values for a position",
        ValueError,
        r"truth\['x'\] must be an array of numbers",
        score(truth={**CELLS, "x": [True, False]}),
    ),
    refused(
        "metrics.detection_score",
        "truth: no labels",
        ValueError,
        "column 'label'",
        score(truth={"x": [1], "y": [1]}),
    ),
    refused(
        "metrics.detection_score",
        "detections: None",
        ValueError,
        "column 'x'",
        score(detections=None),
    ),
    refused(
        "metrics.detection_score",
        "detections: columns of two lengths",
        ValueError,
        "of one length",
        score(detections={**CELLS, "y": [1]}),
    ),
    refused(
        "metrics.detection_score",
        "truth: a position that is none",
        ValueError,
        "NaN or infinity in 1 of 2 rows, first in row 1",
        score(truth={**CELLS, "x": [1, np.inf]}),
    ),
    refused(
        "metrics.detection_score",
        "detections: a word for a position",
        ValueError,
        r"\['x'\].*numbers, got \['left', 2\]",
        score(detections={**CELLS, "x": ["left", 2]}),
    ),
    refused(
        "metrics.detection_score",
        "labels: a word",
        ValueError,
        "sequence.*got 'mitosis'",
        score(labels="mitosis"),
    ),
    refused(
        "metrics.detection_score",
        "labels: a number",
        ValueError,
        "sequence.*got 3",
        score(labels=3),
    ),
]

_CELLS, _SLIDE = "datasets.make_cells", "datasets.make_slide"
DATASETS = [
    refused(_CELLS, "n_samples: zero", ValueError, "of at least 1, got 0", cells(n_samples=0)),
    refused(_CELLS, "n_samples: a float", TypeError, "least 1, got 2.5", cells(n_samples=2.5)),
    refused(_CELLS, "patch_size: too small", ValueError, "48, got 47", cells(patch_size=47)),
    refused(
        _CELLS, "patch_size: two", TypeError, r"48, got \(64, 64\)", cells(patch_size=(64, 64))
    ),
    refused(
        _CELLS,
        "image_size: below the patch",
        ValueError,
        r"patch_size \(128\), got 64",
        cells(image_size=64),
    ),
    refused(
        _CELLS,
        "classes: a word",
        TypeError,
        "sequence.*got 'granulocyte'",
        cells(classes="granulocyte"),
    ),
    refused(_CELLS, "classes: none", ValueError, "at least one", cells(classes=())),
    refused(
        _CELLS,
        "classes: unknown",
        ValueError,
        "'tumour cell', got 'neuron'",
        cells(classes=("neuron",)),
    ),
    refused(_CELLS, "offset: negative", ValueError, "from 0 to 40.*got -1", cells(offset=-1)),
    refused(_CELLS, "offset: NaN", ValueError, "from 0 to 40.*got nan", cells(offset=np.nan)),
    refused(_CELLS, "offset: outside the patch", ValueError, "40.*got 41", cells(offset=41)),
    refused(_CELLS, "clutter: too much", ValueError, "from 0 to 50, got 51", cells(clutter=51)),
    refused(_CELLS, "random_state: a word", TypeError, "got 'zero'", cells(random_state="zero")),
    refused(_CELLS, "random_state: negative", ValueError, "got -1", cells(random_state=-1)),
    refused(_SLIDE, "shape: a number", TypeError, "got 256", slide(shape=256)),
    refused(_SLIDE, "shape: too low", ValueError, "256, got 128", slide(shape=(128, 512))),
    refused(_SLIDE, "mpp: too coarse", ValueError, "0.1 to 1, got 2", slide(mpp=2)),
    refused(_SLIDE, "tissue: none", ValueError, "up to 1, got 0", slide(tissue=0)),
    refused(_SLIDE, "n_mitoses: half", TypeError, "got 1.5", slide(n_mitoses=1.5)),
    refused(
        _SLIDE, "n_mitoses: more than fit", ValueError, "n_granulocytes", slide(n_mitoses=10**5)
    ),
]

CASES = [*GEOMETRY, *METRICS, *DATASETS]
