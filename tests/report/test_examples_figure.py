"""The picture of correct and incorrect examples."""

import builtins
import subprocess
import sys

import numpy as np
import pytest

from stnclf.report import plot_examples

# 5 g, 3 m, 2 t; the rows of the confusion matrix differ from its columns.

Y_TRUE = np.array(list("gggggmmmtt"))
Y_PRED = np.array(list("ggggmmmtmm"))


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
    assert "Incorrect: 4 of 10" in words
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
    assert "Incorrect: 0 of 10" in texts(figure)
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
        ({"X": patches() * 1.0}, "X: got floats from .* wants uint8, or floats from 0 to 1"),
        ({"proba": np.full((10, 3), 2), "classes": list("gmt")}, "proba must hold probabilities"),
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
