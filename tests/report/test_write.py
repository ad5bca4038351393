"""write_report: pages without patches or of any images, and a failure half-way."""

import json

import numpy as np
import pytest
from PIL import Image

from stnclf.report import evaluate, summary_table, write_report
from tests.report.test_html import LABELS, NASTY, SLIDE, cells, checked, embedded, picture, written


def test_scores_are_those_of_evaluate(tmp_path):
    _, y, centers, predictions = cells()
    page = written(tmp_path / "r.html")
    second = evaluate(
        y,
        y,
        labels=LABELS,
        centers_true=centers,
        centers_pred=centers + (3, 4),
        image_size=(20, 30),
    )
    for cell in summary_table({"SVC": second}).splitlines()[2].split()[1:4]:
        assert f"<td>{cell}</td>" in page
    assert '<tr class="start"><td class="text">SVC</td>' in page
    assert "<td>5.0</td><td>5.0</td><td>100.0 %</td>" in page
    assert "centre guess" in page
    assert page.count('class="confusion"') == 2
    ece = evaluate(y, y, proba=predictions[NASTY]["proba"], labels=LABELS)["calibration"]["ece"]
    assert f"expected calibration error {ece:.3f}" in page


def test_stored_results_without_calibration_are_taken(tmp_path):
    results = {"old": evaluate(["a", "b"], ["a", "a"])}
    del results["old"]["calibration"]
    path = write_report(tmp_path / "r.html", json.loads(json.dumps(results)))
    checker = checked(path.read_text(encoding="utf-8"))
    assert "summary" in checker.ids
    assert not {"probabilities", "localisation", "patches", "training"} & set(checker.ids)


def test_a_slide_alone_is_a_report(tmp_path):
    path = write_report(
        tmp_path / "r.html", slides={"one": SLIDE, "two": {"slide": SLIDE["slide"]}}
    )
    page = path.read_text(encoding="utf-8")
    one, two = embedded(page)["slides"]
    checked(page)
    assert (one["width"], one["height"], one["mpp"]) == (90, 60, None)
    assert one["cells"]["probability"] == [0.9, 0.5]  # the most probable first
    assert one["cells"]["x"] == [80.0, 1.0]
    assert one["fields"] == [{"x": 40.0, "y": 30.0, "width": 20.0, "height": 10.0, "count": 2.0}]
    assert picture(one["thumbnail"]).size == (90, 60)
    density = np.asarray(picture(one["density"]).convert("RGBA"))
    assert density.shape == (60, 90, 4)
    assert density[2, 1, 3] > 150 > density[30, 45, 3]  # opaque at a cell, clear between them
    assert (two["cells"], two["density"], two["fields"]) == (None, None, [])


def test_images_may_be_paths_grey_or_float(tmp_path):
    X, y, _, _ = cells(6)
    paths = []
    for i, image in enumerate(X):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(image).save(paths[-1])
    predictions = {"SVC": {"y_pred": y}}
    forms = {
        "paths": paths,
        "float": X / 255,
        "grey": X.mean(axis=3).astype(np.uint8),
        "one channel": X[..., :1],
        "pictures": [Image.fromarray(image) for image in X],
    }
    for form in forms.values():
        path = write_report(tmp_path / "r.html", predictions=predictions, y_true=y, X=form)
        patches = embedded(path.read_text(encoding="utf-8"))["patches"]
        assert patches["size"] == [20, 30]
        middle = np.asarray(picture(patches["sheets"][0]).convert("RGB"))[10, 15].astype(int)
        want = X[0, 10, 15] if form is not forms["grey"] else np.full(3, X[0].mean())
        if form is forms["one channel"]:
            want = np.full(3, X[0, 10, 15, 0])
        assert np.abs(middle - want).max() < 25


def test_a_failure_leaves_the_old_page(tmp_path):
    path = tmp_path / "r.html"
    path.write_text("old")
    with pytest.raises(ValueError, match="must have 1 rows, got 40"):
        written(path, y_true=["a"])
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["r.html"]
    with pytest.raises(OSError, match="could not be written"):
        written(tmp_path / "none" / "r.html")
