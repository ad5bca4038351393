"""Scores against hand-counted answers, tables cell by cell, and what the figure shows."""

import builtins
import doctest
import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, classification_report

import stnclf.report
from stnclf.report import classification_table, evaluate, plot_examples, summary_table

# 5 g, 3 m, 2 t; the rows of the confusion matrix differ from its columns.
Y_TRUE = np.array(list("gggggmmmtt"))
Y_PRED = np.array(list("ggggmmmtmm"))


def example(**changes):
    rng = np.random.default_rng(0)
    true = rng.uniform(20, 80, (10, 2))
    pred = true + np.repeat([[3.0, 4.0], [12.0, 16.0]], [6, 4], axis=0)
    known = {"centers_true": true, "centers_pred": pred, "image_size": 100, "fit_seconds": 12.34}
    return evaluate(Y_TRUE, Y_PRED, **{**known, **changes})


def test_scores_equal_scikit_learn_and_a_count_by_hand():
    scores = evaluate(Y_TRUE, Y_PRED)
    assert scores["labels"] == ["g", "m", "t"]
    assert scores["confusion"] == [[4, 1, 0], [0, 2, 1], [0, 2, 0]]
    assert scores["accuracy"] == 0.6
    assert scores["classes"]["m"] == {"precision": 0.4, "recall": 2 / 3, "f1": 0.5, "support": 3}
    want = classification_report(Y_TRUE, Y_PRED, output_dict=True, zero_division=0)
    assert scores["macro_f1"] == pytest.approx(want["macro avg"]["f1-score"])
    for ours, theirs in [("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")]:
        assert scores["average"][ours] == pytest.approx(want["weighted avg"][theirs])
    assert scores["balanced_accuracy"] == balanced_accuracy_score(Y_TRUE, Y_PRED)


def test_a_class_that_was_only_predicted_does_not_count_in_balanced_accuracy():
    scores = evaluate(["a", "a"], ["a", "b"])
    assert scores["balanced_accuracy"] == 0.5
    assert scores["classes"]["b"]["support"] == 0


def test_labels_give_order_and_may_be_numbers():
    scores = evaluate([3, 1, 1], [3, 1, 3], labels=[3, 1])
    assert scores["labels"] == ["3", "1"]
    assert scores["confusion"] == [[1, 0], [1, 1]]


def test_localization_is_summed_up_overall_and_by_class():
    scores = example()
    assert scores["localization"]["mean"] == pytest.approx((6 * 5 + 4 * 20) / 10)
    assert scores["localization"]["median"] == pytest.approx(5)
    assert scores["localization"]["within"] == 0.6
    by_class = scores["localization"]["classes"]
    assert [by_class[c]["n"] for c in "gmt"] == [5, 3, 2]
    assert [round(by_class[c]["mean"], 6) for c in "gmt"] == [5, 15, 20]
    assert example(radius=20.5)["localization"]["within"] == 1.0


def test_a_method_that_does_not_localise_still_gets_the_centre_guess():
    scores = example(centers_pred=None, centers_true=np.full((10, 2), [49.5, 52.5]))
    assert scores["localization"] is None
    assert scores["center_guess"]["mean"] == 3.0


def test_scores_survive_json():
    scores = example()
    assert json.loads(json.dumps(scores)) == scores


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_pred": ["g"]}, "y_pred must have 10 rows, got 1"),
        ({"y_true": [], "y_pred": []}, "y_true must be 1-D and not empty"),
        ({"y_true": [["g"]] * 10}, r"y_true must be 1-D and not empty, got shape \(10, 1\)"),
        ({"labels": ["g", "m"]}, r"labels must hold every class .* lacks \['t'\]"),
        ({"centers_pred": np.zeros((10, 2))}, "centers_true must be given"),
        ({"centers_true": np.zeros((9, 2))}, r"centers_true must have shape \(10, 2\), got \(9"),
        ({"centers_true": np.full((10, 2), np.nan)}, "centers_true holds NaN"),
    ],
)
def test_bad_arguments_are_named(changes, message):
    arguments = {"y_true": Y_TRUE, "y_pred": Y_PRED, **changes}
    with pytest.raises(ValueError, match=message):
        evaluate(**arguments)


def test_classification_table_has_a_row_for_each_class_of_each_method():
    results = {"STN": evaluate(Y_TRUE, Y_PRED), "CNN": evaluate(Y_TRUE, Y_TRUE)}
    lines = classification_table(results).splitlines()
    assert len(lines) == 2 + 2 * 4
    assert lines[2].split() == ["STN", "g", "1.000", "0.800", "0.889", "5"]
    assert lines[3].split() == ["m", "0.400", "0.667", "0.500", "3"]
    assert lines[5].split() == ["avg", "/", "total", "0.620", "0.600", "0.594", "10"]
    assert lines[9].split()[-4:] == ["1.000", "1.000", "1.000", "10"]


def test_summary_table_has_a_dash_where_nothing_is_known():
    results = {
        "STN": example(predict_seconds=0.26),
        "SVC": example(centers_pred=None, fit_seconds=None),
    }
    header, _, stn, svc, guess = summary_table(results).splitlines()
    assert "within 8 px" in header
    assert stn.split()[1:] == [
        *("0.600", "0.489", "0.463"),
        *("11.0", "5.0", "60.0", "%", "12.3", "0.3"),
    ]
    assert svc.split()[1:] == ["0.600", "0.489", "0.463", *"-----"]
    assert guess.startswith("centre guess")
    assert guess.split()[2:5] == ["-", "-", "-"]
    assert float(guess.split()[5]) == pytest.approx(results["SVC"]["center_guess"]["mean"], abs=0.1)


def test_markdown_tables_are_regular():
    for table in (classification_table, summary_table):
        lines = table({"a|b": example()}, fmt="markdown").splitlines()
        columns = {line.replace(r"\|", "").count("|") for line in lines}
        assert len(columns) == 1
        assert set(lines[1]) <= set("|-: ")
        assert r"a\|b" in lines[2]


@pytest.mark.parametrize("table", [classification_table, summary_table])
def test_bad_table_arguments_are_named(table):
    with pytest.raises(ValueError, match="results must hold"):
        table({})
    with pytest.raises(ValueError, match="fmt must be 'text' or 'markdown', got 'html'"):
        table({"STN": example()}, fmt="html")


# The figure


def texts(figure):
    inside = [text for axes in figure.axes for text in axes.texts]
    return [text.get_text() for text in [*figure.texts, *inside]]


def patches():
    """Ten 40 x 60 patches; the red value of each is its number."""
    X = np.zeros((10, 40, 60, 3), np.uint8)
    X[..., 0] = np.arange(10)[:, None, None]
    return X


def shown(figure):
    """Number of the sample in each image of the figure."""
    images = [axes.images[0] for axes in figure.axes if axes.images]
    return [int(image.get_array()[0, 0, 0]) for image in images]


def test_figure_shows_right_and_wrong_examples_with_their_own_marks():
    corners = np.arange(80.0).reshape(10, 4, 2)
    centers = np.arange(20.0).reshape(10, 2)
    figure = plot_examples(
        patches(), Y_TRUE, Y_PRED, corners=corners, centers=centers, n_correct=4, random_state=0
    )
    numbers = shown(figure)
    right = Y_TRUE == Y_PRED
    assert len(set(numbers)) == len(numbers) == 8
    assert right[numbers].tolist() == [True] * 4 + [False] * 4
    for axes, number in zip(figure.axes, numbers):
        np.testing.assert_array_equal(axes.patches[0].get_xy()[:4], corners[number])
        np.testing.assert_array_equal(axes.lines[0].get_xydata()[0], centers[number])
    words = texts(figure)
    assert "Correct: 6 of 10" in words
    assert "False: 4 of 10" in words
    assert words.count("annotated: t") == 2


def test_figure_takes_all_classes_in_turn_and_follows_the_seed():
    y = np.array(["a"] * 8 + ["b", "c"])
    figures = [plot_examples(patches(), y, y, n_correct=3, random_state=s) for s in (1, 1, 2, 3)]
    drawn = [shown(figure) for figure in figures]
    assert all(y[numbers].tolist() == ["a", "b", "c"] for numbers in drawn)
    assert drawn[0] == drawn[1]
    assert len({numbers[0] for numbers in drawn}) > 1


def test_figure_shows_the_central_patch_in_image_pixels():
    figure = plot_examples(patches(), Y_TRUE, Y_PRED, patch_size=(20, 30))
    axes = figure.axes[0]
    assert axes.get_xlim() == (14.5, 44.5)
    assert axes.get_ylim() == (29.5, 9.5)  # y points down


def test_figure_bars_are_the_probabilities_in_class_order():
    proba = np.tile([0.7, 0.1, 0.2], (10, 1))
    figure = plot_examples(patches(), Y_TRUE, Y_PRED, proba, list("gmt"), n_correct=1, n_false=0)
    bars = figure.axes[1]
    lengths = np.array([bar.get_width() for bar in bars.patches])
    np.testing.assert_allclose(lengths / lengths[0], [1, 1 / 7, 2 / 7])
    assert [t.get_text() for t in bars.texts] == ["g", "0.70", "m", "0.10", "t", "0.20"]
    # The predicted class must differ from the others in grey, not in hue only.
    grey = [np.dot(bar.get_facecolor()[:3], [0.3, 0.59, 0.11]) for bar in bars.patches]
    dark = grey.pop("gmt".index(Y_PRED[shown(figure)[0]]))
    assert dark < grey[0] - 0.3
    assert grey[0] == grey[1]


def test_figure_keeps_the_most_probable_of_many_classes():
    proba = np.tile([0.02, 0.2, 0.03, 0.3, 0.05, 0.1, 0.2, 0.1], (10, 1))
    figure = plot_examples(patches(), Y_TRUE, Y_PRED, proba, list("gmtuvwxy"), n_correct=1)
    names = [text.get_text() for text in figure.axes[1].texts][::2]
    assert names == list("muvwxy")


def test_figure_shortens_names_that_would_overlap():
    names = np.array([f"{c} with a name that is far too long for one patch" for c in "gmt"])
    index = np.searchsorted(list("gmt"), Y_TRUE)
    figure = plot_examples(patches(), names[index], names[index], n_correct=2, n_false=0)
    captions = [text for text in figure.texts if text.get_text().startswith("annotated")]
    assert captions[0].get_text().endswith("…")
    boxes = [text.get_window_extent() for text in captions]
    assert boxes[0].x1 < boxes[1].x0


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_figure_takes_grey_and_float_images(dtype, channels, tmp_path):
    X = np.zeros((4, 16, 16, *channels), dtype)
    X[:, 4:12, 4:12] = 255 if dtype == np.uint8 else 1.0
    figure = plot_examples(X, list("abab"), list("abba"))
    figure.savefig(tmp_path / "figure.png")
    pixels = np.asarray(figure.canvas.buffer_rgba())
    assert pixels.min() < 30
    shown_axes = [axes for axes in figure.axes if axes.images]
    assert len(shown_axes) == 4
    x, y = shown_axes[0].transData.transform((8, 8))
    assert (pixels[pixels.shape[0] - round(y), round(x), :3] > 240).all()


def test_figure_of_a_perfect_method_has_no_false_examples():
    figure = plot_examples(patches(), Y_TRUE, Y_TRUE)
    assert "False: 0 of 10" in texts(figure)
    assert len(figure.axes) == 5


def test_figure_leaves_pyplot_alone():
    code = (
        "import sys, numpy as np\n"
        "from stnclf.report import plot_examples\n"
        "assert 'matplotlib' not in sys.modules\n"
        "plot_examples(np.zeros((2, 9, 9, 3), 'uint8'), list('ab'), list('aa')).canvas.draw()\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_missing_matplotlib_names_the_extra(monkeypatch):
    real_import = builtins.__import__

    def without(name, *rest, **more):
        if name.split(".")[0] == "matplotlib":
            raise ImportError("No module named 'matplotlib'")
        return real_import(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'stnclf\[plot\]'"):
        plot_examples(patches(), Y_TRUE, Y_PRED)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": np.zeros((10, 5))}, r"X must have shape .* got \(10, 5\)"),
        ({"X": np.zeros((10, 5, 5), int)}, "X must be uint8 or float, got int64"),
        ({"y_true": ["a"]}, "y_true must have 10 rows, got 1"),
        ({"y_pred": ["a"]}, "y_pred must have 10 rows, got 1"),
        ({"proba": np.zeros((10, 2))}, "classes must be given"),
        ({"proba": np.zeros((10, 2)), "classes": list("gmt")}, r"proba must have .* \(10, 3\)"),
        ({"corners": np.zeros((10, 2))}, r"corners must have shape \(10, 4, 2\)"),
        ({"centers": np.full((10, 2), np.inf)}, "centers holds NaN or infinity"),
        ({"patch_size": 41}, r"patch_size must lie within the image, \(40, 60\), got 41"),
        ({"n_false": -1}, "n_false must be a whole number of at least 0"),
        ({"n_columns": 0}, "n_columns must be a whole number of at least 1"),
    ],
)
def test_bad_figure_arguments_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        plot_examples(**{"X": patches(), "y_true": Y_TRUE, "y_pred": Y_PRED, **changes})


def test_docstring_examples():
    results = doctest.testmod(stnclf.report)
    assert results.attempted >= 8
    assert results.failed == 0
