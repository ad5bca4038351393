"""What `write_report` refuses, by name, and that nothing is written then."""

import numpy as np
import pandas as pd
import pytest

from stnclf.report import write_report
from stnclf.report._inputs import check_predictions

Y = np.array(["a", "b", "b"])
PROBA = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
X = np.zeros((3, 8, 10, 3), np.uint8)
THETA = np.zeros((3, 2, 3))
PAGE = np.zeros((20, 30, 3), np.uint8)


def one(**vectors):
    return {"predictions": {"STN": vectors}}


def slide(**parts):
    return {"slides": {"s": {"slide": PAGE, **parts}}}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"predictions": None}, ValueError, "predictions must be given with X"),
        (
            {"predictions": None, "X": None},
            ValueError,
            "wants results, predictions, slides or detection",
        ),
        ({"predictions": [1]}, TypeError, "predictions must be a dict by method"),
        ({"predictions": {"STN": PROBA}}, TypeError, r"predictions\['STN'\] must be a dict of"),
        (one(proba=PROBA, window=1), ValueError, r"unknown keys \['window'\]"),
        (one(centers=[[1, 2]] * 3), ValueError, r"predictions\['STN'\] must hold y_pred or proba"),
        (one(y_pred=["a"]), ValueError, r"predictions\['STN'\]\['y_pred'\] must have 3 rows"),
        (one(proba=PROBA[:, :1]), ValueError, r"\['proba'\] must have shape \(3, 2\), got"),
        (one(proba=2 * PROBA), ValueError, r"\['proba'\] must hold probabilities from 0 to 1"),
        (
            one(proba=[[3, -2], [1, 0], [0, 1]]) | {"results": {"STN": {}}},
            ValueError,
            r"^predictions\['STN'\]\['proba'\] must hold probabilities .* row 0 holds",
        ),
        (one(y_pred=[0, 1, 1]), ValueError, r"\['y_pred'\]: got the label 0, but y_true has 'a'"),
        ({"y_true": [0.5, 1, 1]}, ValueError, "y_true: got 0.5, wants classes"),
        (one(y_pred=["a", "b", "c"]) | {"labels": ["a", "b"]}, ValueError, r"lacks \['c'\]"),
        (one(proba=PROBA, theta=THETA[:2]), ValueError, r"\['theta'\] must have shape \(3, 2, 3\)"),
        (one(proba=PROBA, theta=THETA) | {"X": None}, ValueError, "theta is in parts of the patch"),
        (one(proba=PROBA, centers=[[np.nan, 1]] * 3), ValueError, r"\['centers'\] holds NaN"),
        ({"y_true": None}, ValueError, "y_true must be given with predictions"),
        ({"y_true": []}, ValueError, "y_true must be 1-D and not empty"),
        ({"centers": [[1, 2]]}, ValueError, r"centers must have shape \(3, 2\)"),
        ({"X": X[:2]}, ValueError, "X must have 3 rows, got 2"),
        ({"X": X.astype(int)}, ValueError, "X must be uint8 or float, got int64"),
        ({"X": X[:, 0, 0]}, ValueError, "X must have shape"),
        ({"X": X + 254.5}, ValueError, "X: got floats from 254.5 to 254.5, wants uint8, or floats"),
        ({"X": X + np.nan}, ValueError, "X: got floats from nan"),
        ({"X": "X.npy"}, TypeError, "X must be an array or a sequence of paths"),
        ({"X": ["none.png"] * 3}, ValueError, r"X\[0\], 'none.png': there is no such file"),
        ({"patch_size": 9}, ValueError, r"patch_size must lie within the image, \(8, 10\), got 9"),
        ({"max_patches": 0}, ValueError, "max_patches must be a whole number of at least 1"),
        ({"notes": "by slide"}, TypeError, "notes must be a dict of names and words"),
        ({"histories": [1]}, TypeError, "histories must be a dict by method"),
        ({"histories": {"STN": [{"epoch": 1}]}}, ValueError, r"histories\['STN'\] must be a list"),
        ({"slides": [PAGE]}, TypeError, "slides must be a dict by name"),
        ({"slides": {"s": PAGE}}, ValueError, r"slides\['s'\] must be a dict of slide"),
        ({"detection": [1]}, TypeError, "detection must be a dict by method"),
        ({"detection": {"STN": 1}}, ValueError, r"detection\['STN'\] must be what stnclf evaluate"),
        (slide(truth={"x": [1], "y": [1]}), ValueError, "truth must have a column 'label'"),
        (slide(truth={"x": [1], "y": [99], "label": ["a"]}), ValueError, "1 of 1 truth"),
        (slide(thresholds={"a": np.nan}), ValueError, r"slides\['s'\]: thresholds must be a dict"),
        (slide(thresholds=0.5), ValueError, r"slides\['s'\]: thresholds must be .*, got 0.5"),
        (slide(hotspots=1), ValueError, r"slides\['s'\] must be a dict of slide"),
        (slide(detections={"x": [1], "y": ["top"], "label": ["a"]}), ValueError, "column 'y'"),
        (slide(detections={"x": [1], "y": [1], "label": []}), ValueError, "columns of one length"),
        (slide(detections={"x": [1], "y": [1]}), ValueError, "must have a column 'label'"),
        (slide(detections={"x": [31], "y": [1], "label": ["a"]}), ValueError, "1 of 1 detections"),
        (slide(fields=pd.DataFrame({"x": [1]})), ValueError, r"slides\['s'\]: wants a column 'y'"),
        (slide(fields={"x": [np.inf]}), ValueError, "column 'x' holds NaN or infinity"),
    ],
)
def test_bad_arguments_are_named_and_nothing_is_written(tmp_path, changes, error, message):
    arguments = {"y_true": Y, "X": X, **one(proba=PROBA), **changes}
    with pytest.raises(error, match=message):
        write_report(tmp_path / "r.html", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_slide_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.svs"):
        write_report(tmp_path / "r.html", slides={"s": {"slide": tmp_path / "none.svs"}})


def test_classes_are_numbers_or_words(tmp_path):
    path = write_report(
        tmp_path / "r.html", predictions={"STN": {"proba": PROBA}}, y_true=[3, 7, 7], X=X
    )
    assert '<th scope="row">7</th>' in path.read_text(encoding="utf-8")


def test_patches_without_a_cell_have_no_cross_and_no_distance(tmp_path):
    centers = np.array([[3.0, 4.0], [np.nan, np.nan], [5.0, 2.0]])
    vectors = {"y_pred": Y, "centers": [[3.0, 8.0], [1.0, 1.0], [8.0, 2.0]]}
    given = check_predictions({"STN": vectors}, Y, None, centers)
    given.locate((8, 10), (8, 10))
    assert given.errors()["STN"].tolist() == [4.0, 3.0]
    assert given.as_data(np.arange(3))["centers"] == [[3.0, 4.0], None, [5.0, 2.0]]
    path = tmp_path / "a.html"
    write_report(path, predictions={"STN": vectors}, y_true=Y, X=X, centers=centers)
    assert "NaN" not in path.read_text(encoding="utf-8").partition("<script")[0]
