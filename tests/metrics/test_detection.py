"""detection_score: matches against a plain loop, known counts, and what is refused."""

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from stnclf.metrics import choose_thresholds, detection_curve, detection_score


def plain_matching(truth, found, radius):
    """Match as the rule is worded, one detection after the other: flags by falling certainty."""
    left, flags = list(range(len(truth["x"]))), []
    order = sorted(range(len(found["x"])), key=lambda i: -found["probability"][i])
    for i in order:
        best = None
        for j in left:
            same = truth["label"][j] == found["label"][i] and truth["image"][j] == found["image"][i]
            d = ((truth["x"][j] - found["x"][i]) ** 2 + (truth["y"][j] - found["y"][i]) ** 2) ** 0.5
            if same and d <= radius and (best is None or d < best[0]):
                best = (d, j)
        if best is not None:
            left.remove(best[1])
        flags.append((found["label"][i], best is not None))
    return flags


def cell_table(rng, n, probability=False):
    table = {
        "x": rng.uniform(0, 120, n),
        "y": rng.uniform(0, 90, n),
        "label": rng.choice(["mitosis", "granulocyte"], n),
        "image": rng.choice(["a", "b"], n),
    }
    return table | ({"probability": rng.permutation(n) / n} if probability else {})


@pytest.mark.parametrize("seed", range(4))
def test_detections_match_as_in_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    truth, found = cell_table(rng, 90), cell_table(rng, 130, probability=True)
    flags = plain_matching(truth, found, 12.0)
    scores = detection_score(truth, found, mpp=0.5, radius_um=6.0)
    assert list(scores) == ["granulocyte", "mitosis"]
    for label, score in scores.items():
        n_truth = int((truth["label"] == label).sum())
        right = [flag for name, flag in flags if name == label]
        hits = sum(right)
        assert 10 < hits < n_truth
        assert (score["n_truth"], score["n_detections"]) == (n_truth, len(right))
        counts = [
            score[f"{name}s"] for name in ("true_positive", "false_positive", "false_negative")
        ]
        assert counts == [hits, len(right) - hits, n_truth - hits]
        assert score["precision"] == pytest.approx(hits / len(right))
        assert score["recall"] == pytest.approx(hits / n_truth)
        f1 = 2 / (1 / score["precision"] + 1 / score["recall"])
        assert score["f1"] == pytest.approx(f1)
        precisions = [sum(right[: i + 1]) / (i + 1) for i in range(len(right)) if right[i]]
        assert score["average_precision"] == pytest.approx(sum(precisions) / n_truth)
        json.dumps(score)


def test_average_precision_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    n = 60
    # Far apart, so that each detection has its own cell or none; many equal probabilities.
    where = 100.0 * np.arange(n)
    is_true, probability = rng.random(n) < 0.4, rng.integers(0, 8, n) / 8
    truth = {"x": where[is_true], "y": where[is_true], "label": ["m"] * is_true.sum()}
    found = {"x": where, "y": where + 3, "label": ["m"] * n, "probability": probability}
    score = detection_score(truth, found, mpp=1, radius_um=5)["m"]
    expected = average_precision_score(is_true, probability)
    assert score["average_precision"] == pytest.approx(expected)


def test_the_nearest_cell_is_taken_and_the_surest_chooses_first():
    truth = {"x": [0.0, 10.0], "y": [0.0, 0.0], "label": ["m", "m"]}
    found = {"x": [4.0, 6.0], "y": [0.0, 0.0], "label": ["m", "m"], "probability": [0.6, 0.9]}
    # Both are within 8 of both; 6 takes 10 first, so that 0 is left for 4.
    assert detection_score(truth, found, mpp=1, radius_um=8)["m"]["true_positives"] == 2
    # Now the surer one is nearer to the only cell within reach of the other.
    found["x"] = [9.0, 5.1]
    found["y"] = [0.0, 0.0]
    assert detection_score(truth, found, mpp=1, radius_um=5)["m"]["true_positives"] == 1


def test_a_distance_equal_to_the_radius_counts():
    truth = {"x": [100.0], "y": [50.0], "label": ["m"]}
    for x, hits in ((130.0, 1), (130.01, 0), (70.0, 1)):
        found = {"x": [x], "y": [50.0], "label": ["m"]}
        assert detection_score(truth, found, mpp=0.25)["m"]["true_positives"] == hits


def test_the_radius_may_be_in_pixels():
    truth = {"x": [100.0, 40.0], "y": [50.0, 20.0], "label": ["m"] * 2}
    found = {"x": [108.0, 40.0], "y": [56.0, 9.0], "label": ["m"] * 2}
    for radius, hits in ((10, 1), (9.99, 0), (11, 2)):
        score = detection_score(truth, found, radius_px=radius)
        assert score["m"]["true_positives"] == hits
        assert score == detection_score(truth, found, mpp=0.5, radius_um=radius / 2)


def test_what_is_not_defined_is_none():
    nothing = {"x": [], "y": [], "label": []}
    some = {"x": [1, 2], "y": [1, 2], "label": ["m", "m"]}
    missed = detection_score(some, nothing, mpp=1)["m"]
    assert (missed["precision"], missed["recall"], missed["f1"]) == (None, 0, 0)
    assert (missed["average_precision"], missed["false_negatives"]) == (0, 2)
    false = detection_score(nothing, some, mpp=1)["m"]
    assert (false["precision"], false["recall"], false["f1"]) == (0, None, 0)
    assert (false["average_precision"], false["false_positives"]) == (None, 2)
    assert detection_score(nothing, nothing, mpp=1) == {}
    assert detection_score(nothing, nothing, mpp=1, labels=["m"])["m"]["f1"] is None


@pytest.mark.parametrize("seed", range(3))
def test_what_is_found_on_a_cell_of_no_known_class_counts_neither_way(seed):
    rng = np.random.default_rng(seed)
    truth, found = cell_table(rng, 90), cell_table(rng, 130, probability=True)
    truth["label"] = np.where(rng.uniform(size=90) < 0.3, None, truth["label"].astype(object))
    known = [i for i in range(90) if truth["label"][i] is not None]
    sure = {name: values[known] for name, values in truth.items()}
    scores = detection_score(truth, found, radius_px=12.0)
    assert list(scores) == ["granulocyte", "mitosis"]
    for label, score in scores.items():
        # Each wrong one in falling order takes the nearest cell without a class, if there is one.
        own = {name: values[found["label"] == label] for name, values in found.items()}
        flags = [flag for name, flag in plain_matching(sure, found, 12.0) if name == label]
        order = np.argsort(-own["probability"])
        left, n_ignored = [i for i in range(90) if truth["label"][i] is None], 0
        for i in order[~np.array(flags)]:
            d = {
                j: np.hypot(truth["x"][j] - own["x"][i], truth["y"][j] - own["y"][i])
                for j in left
                if truth["image"][j] == own["image"][i]
            }
            if d and min(d.values()) <= 12.0:
                left.remove(min(d, key=d.get))
                n_ignored += 1
        assert n_ignored > 5
        assert score["true_positives"] == sum(flags)
        assert score["n_detections"] == len(flags) - n_ignored
        assert score["n_truth"] == int((sure["label"] == label).sum())
        alone = detection_score(sure, found, radius_px=12.0)[label]
        assert score["average_precision"] > alone["average_precision"]


def test_tables_of_pandas_without_labels_or_images():
    import pandas as pd

    truth = pd.DataFrame({"x": [0, 50, 90], "y": 0, "label": ["m", None, pd.NA]}, index=[7, 8, 9])
    found = pd.DataFrame({"x": [1, 51], "y": 0, "label": ["m", "m"], "image": "a.svs"})
    # Only one table knows images, so they do not count; cells without a label belong nowhere.
    scores = detection_score(truth, found, mpp=1)
    assert list(scores) == ["m"]
    assert (scores["m"]["n_truth"], scores["m"]["true_positives"]) == (1, 1)
    assert scores["m"]["n_detections"] == 1  # the other one is on a cell without a label
    with pytest.warns(UserWarning, match="no image in common"):
        both = detection_score(truth.assign(image="b.svs"), found, mpp=1)
    assert both["m"]["true_positives"] == 0
    numbers = detection_score({"x": [0], "y": [0], "label": [3]}, found, mpp=1)
    assert list(numbers) == [3, "m"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mpp": 0}, "mpp must be a positive number, got 0"),
        ({"mpp": None}, "mpp must be a positive number, got None"),
        ({"radius_um": -1}, "radius_um must be a positive number, got -1"),
        ({"radius_px": 0}, "radius_px must be a positive number, got 0"),
        ({"radius_px": 3, "radius_um": 3}, "radius_px must be None beside radius_um, got 3"),
        ({"truth": {"x": [1], "y": [1]}}, "truth must have a column 'label'"),
        ({"detections": [1, 2]}, "detections must have a column 'x'"),
        (
            {"truth": {"x": [1], "y": [1, 2], "label": ["m"]}},
            "truth must have columns of one length",
        ),
        ({"truth": {"x": [1, np.nan], "y": [1, 2], "label": ["m"] * 2}}, "in 1 of 2 .* row 1"),
        (
            {"detections": {"x": [1], "y": [1], "label": ["m"], "probability": [np.inf]}},
            "detections holds NaN or infinity",
        ),
    ],
)
def test_bad_detections_are_named(change, message):
    cells = {"x": [1], "y": [1], "label": ["m"]}
    arguments = {"truth": cells, "detections": cells, "mpp": 0.25, **change}
    with pytest.raises(ValueError, match=message):
        detection_score(**arguments)


def test_names_are_the_same_in_either_form_of_unicode():
    truth = {"x": [10, 90], "y": [20, 20], "label": ["\u00e4", "b"], "image": ["\u00fc", "\u00fc"]}
    found = {**truth, "label": ["a\u0308", "b"], "image": ["u\u0308", "u\u0308"]}
    assert [score["f1"] for score in detection_score(truth, found, radius_px=3).values()] == [1, 1]
    score = detection_score(truth, found, radius_px=3, labels=["a\u0308"])
    assert score["a\u0308"]["f1"] == 1


CELLS = {"x": [10, 90], "y": [20, 20], "label": ["m", "m"], "image": ["a.svs", "b.svs"]}
NOTHING = {"x": [], "y": [], "label": [], "image": []}


@pytest.mark.parametrize(
    ("images", "one", "other"),
    [
        (["a.tif", "c.tif"], "'a.svs'", "'a.tif'"),
        (["b", "c"], "'b.svs'", "'b'"),
        (["day1/a.svs", "b.SVS"], "'a.svs'", "'day1/a.svs'"),
        (["C:\\x\\b.ome.tiff", "c"], "'b.svs'", r"'C:\\\\x\\\\b.ome.tiff'"),
    ],
)
@pytest.mark.parametrize("function", [detection_score, detection_curve, choose_thresholds])
def test_images_that_only_have_other_names_are_refused(function, images, one, other):
    found = {**CELLS, "image": images}
    words = f"detections: got the image {other}, but truth has {one}; wants the same names"
    with pytest.raises(ValueError, match=words):
        function(CELLS, found, radius_px=5)
    # So it is beside an image that is in both.
    truth, both = ({n: [*v, v[0]] for n, v in table.items()} for table in (CELLS, found))
    truth["image"][-1] = both["image"][-1] = "z.svs"
    with pytest.raises(ValueError, match=words):
        function(truth, both, radius_px=5)


def test_images_that_both_tables_have_are_no_other_names_of_others():
    truth = {**CELLS, "image": ["a.svs", "a.tif"]}
    score = detection_score(truth, {**CELLS, "image": ["a.svs", "a.svs"]}, radius_px=5)["m"]
    assert (score["true_positives"], score["false_positives"]) == (1, 1)


def test_numbers_of_images_are_no_text():
    truth = {**CELLS, "image": [1, 2]}
    with pytest.raises(ValueError, match="detections: got the image '1', but truth has 1; wants"):
        detection_score(truth, {**CELLS, "image": ["1", "2"]}, radius_px=5)
    assert detection_score(truth, {**CELLS, "image": [1.0, 2.0]}, radius_px=5)["m"]["f1"] == 1


@pytest.mark.parametrize(
    "images", [["c.svs", "d.svs"], ["day1/x.svs", "day2/b.1"], ["aa.svs", "a.1"]]
)
@pytest.mark.parametrize("function", [detection_score, detection_curve, choose_thresholds])
def test_images_of_which_none_is_in_both_tables_are_warned_of(function, images):
    # Of two slides the one may have cells, and the other what is found: that is no mistake.
    found = {**CELLS, "image": images}
    words = rf"no image in common: truth is on \['a.svs', 'b.svs'\], detections .*{images[0]}"
    with pytest.warns(UserWarning, match=words) as caught:
        scores = function(CELLS, found, radius_px=5)
    assert len(caught) == 1
    if function is detection_score:
        assert (scores["m"]["false_positives"], scores["m"]["false_negatives"]) == (2, 2)


def test_paths_of_two_folders_are_no_other_names_of_one_image():
    truth = {**CELLS, "image": ["day1/a.svs", "day1/b.svs"]}
    with pytest.warns(UserWarning, match="no image in common"):
        detection_score(truth, {**CELLS, "image": ["day2/a.svs"] * 2}, radius_px=5)


def test_tables_without_rows_or_images_have_nothing_in_common_and_may():
    assert detection_score(CELLS, NOTHING, radius_px=5)["m"]["false_negatives"] == 2
    assert detection_score(NOTHING, CELLS, radius_px=5)["m"]["false_positives"] == 2
    some = {**CELLS, "image": ["a.svs", "c.svs"]}
    assert detection_score(CELLS, some, radius_px=5)["m"]["true_positives"] == 1
    bare = {name: values for name, values in CELLS.items() if name != "image"}
    assert detection_score(bare, {**CELLS, "image": ["a", "b"]}, radius_px=5)["m"]["f1"] == 1


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_cell_is_on_an_image(missing):
    some = {**CELLS, "image": ["a.svs", missing]}
    with pytest.raises(ValueError, match=r"truth\['image'\] .* 1 of 2, the first at index 1"):
        detection_score(some, CELLS, radius_px=5)
    with pytest.raises(ValueError, match=r"detections\['image'\] .* the first at index 1"):
        detection_score(CELLS, some, radius_px=5)
    # A column with nothing in it is none, where all cells may be on one image.
    bare = {**CELLS, "image": [missing] * 2}
    for other in (bare, {**CELLS, "image": ["a.svs"] * 2}):
        assert detection_score(bare, other, radius_px=5)["m"]["f1"] == 1
        assert detection_score(other, bare, radius_px=5)["m"]["f1"] == 1
    words = "{}: no row says its image, but {} has 2; wants the image of each cell"
    with pytest.raises(ValueError, match=words.format("truth", "detections")):
        detection_score(bare, CELLS, radius_px=5)
    with pytest.raises(ValueError, match=words.format("detections", "truth")):
        detection_curve(CELLS, bare, radius_px=5)


@pytest.mark.parametrize("function", [detection_score, detection_curve, choose_thresholds])
def test_labels_that_read_the_same_are_refused(function):
    truth, found = {**CELLS, "label": [1, 2]}, {**CELLS, "label": ["1", "3"]}
    with pytest.raises(ValueError, match="detections: got the label '1', but truth has 1, which"):
        function(truth, found, radius_px=5)
    with pytest.raises(ValueError, match="labels: got the label '1', but truth has 1, which"):
        function(truth, truth, radius_px=5, labels=["1"])
    floats = {**CELLS, "label": [1.0, 2.0]}  # as pandas makes them, beside a missing one
    with pytest.raises(ValueError, match=r"detections: got the label '1', but truth has 1\.0"):
        function(floats, found, radius_px=5)
    assert list(detection_score(truth, floats, radius_px=5)) == [1, 2]


def test_a_class_to_report_is_not_missing():
    with pytest.raises(ValueError, match=r"labels.* 1 of 2, the first at index 1"):
        detection_score(CELLS, CELLS, radius_px=5, labels=["m", None])


def test_masked_labels_are_missing():
    truth = {**CELLS, "label": np.ma.array(["m", "n"], mask=[False, True])}
    score = detection_score(truth, CELLS, radius_px=5)
    assert list(score) == ["m"]
    assert (score["m"]["n_truth"], score["m"]["n_detections"]) == (1, 1)
