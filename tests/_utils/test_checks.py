"""Checks of arguments: what comes out when they are right (test_bad_input has the rest)."""

import numpy as np
import pandas as pd
import pytest
import torch
from skorch.callbacks import EarlyStopping

from stnclf._utils.checks import (
    check_callbacks,
    check_centers,
    check_device,
    check_neighbors,
    check_weight,
    check_y,
    draw_seed,
    same_labels,
    uses_bfloat16,
    weight_of_class,
)


def test_no_centers_are_the_middle_of_a_non_square_image():
    assert check_centers(None, 2, (10, 21)).tolist() == [[10.0, 4.5]] * 2


def test_centers_may_lie_on_the_outer_edges():
    corners = [[-0.5, -0.5], [20.5, 9.5]]
    assert check_centers(corners, 2, (10, 21)).tolist() == corners
    with pytest.raises(ValueError, match=r"index 1: \[9.5, 20.5\]"):
        check_centers([[0, 0], [9.5, 20.5]], 2, (10, 21))


def test_labels_become_indices():
    classes, index = check_y(np.zeros(4), ["b", "a", "b", "c"], "X")
    assert classes.tolist() == ["a", "b", "c"]
    assert index.tolist() == [1, 0, 1, 2]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (["a", "b"], np.array(["a", "b"], dtype=object), True),
        ([0, 1], np.array([0, 1], dtype=np.uint8), True),
        ([0, 1], [False, True], False),
        ([False, True], np.array([False, True], dtype=object), True),
        ([0, 1], [0, 1, 2], False),
        (["0", "1"], [0, 1], False),
    ],
)
def test_labels_are_the_same_or_not(one, other, same):
    assert same_labels(np.asarray(one), np.asarray(other)) is same


@pytest.mark.parametrize("dtype", [None, object])
@pytest.mark.parametrize("label", ["\u00e4", "a\u0308", "\U0001f600"])
def test_labels_stay_in_the_form_that_they_have(label, dtype):
    classes, index = check_y(np.zeros(3), np.array(["b", label, "b"], dtype=dtype), "X")
    assert classes[index].tolist() == ["b", label, "b"]


def test_weights_of_samples_and_classes():
    assert check_weight(None, np.zeros((3, 2))).tolist() == [1, 1, 1]
    assert check_weight([0, 2, 1], np.zeros((3, 2))).tolist() == [0, 2, 1]
    classes, y, one = np.array(["a", "b"]), np.array([0, 1, 1, 1]), np.ones(4)
    assert weight_of_class({"a": 3, "b": 0.5}, classes, y, one).tolist() == [3, 0.5, 0.5, 0.5]
    assert weight_of_class({"b": 0.5}, classes, y, one).tolist() == [1, 0.5, 0.5, 0.5]
    balanced = weight_of_class("balanced", classes, y, one)
    np.testing.assert_allclose(balanced, [2, 2 / 3, 2 / 3, 2 / 3])
    # Two samples of each class are left: of weight zero, one does not count.
    assert (
        weight_of_class(
            "balanced", classes, y[[0, 0, 1, 2, 3]], [1, 5, 1, 0, 2] * np.ones(5)
        ).tolist()
        == [1] * 5
    )


def test_labels_that_look_like_numbers_have_their_own_weights():
    classes, y = np.array(["1", "2"]), np.array([1, 0, 1])
    assert weight_of_class({"1": 5.0, "2": 1.0}, classes, y, np.ones(3)).tolist() == [1, 5, 1]
    with pytest.raises(
        ValueError, match=r"class_weight: got \[1\], .* nothing for \['1', '2'\]; wants"
    ):
        weight_of_class({1: 5.0}, classes, y, np.ones(3))


def test_seed():
    assert draw_seed(3) == draw_seed(3) != draw_seed(4)
    state = np.random.RandomState(0)
    assert draw_seed(state) != draw_seed(state)
    assert draw_seed(None) != draw_seed(None)


def test_auto_is_a_device_that_exists():
    assert check_device("auto") in ("cpu", "cuda")
    assert check_device("cpu") == "cpu"


@pytest.mark.parametrize("supported", [False, True])
def test_bfloat16_is_chosen_where_the_processor_has_it(supported, monkeypatch):
    name = "_is_avx512_bf16_supported"
    monkeypatch.setattr(torch.cpu, name, lambda: supported, raising=False)
    assert uses_bfloat16("auto", "cpu") is supported
    assert uses_bfloat16("bfloat16", "cpu") is True
    assert uses_bfloat16("float32", "cpu") is False
    monkeypatch.delattr(torch.cpu, name)
    assert uses_bfloat16("auto", "cpu") is False


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), False), ((8, 0), True)])
def test_bfloat16_is_chosen_on_gpus_that_have_it(capability, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert uses_bfloat16("auto", "cuda") is expected


def test_early_stopping_needs_something_to_watch():
    check_callbacks([EarlyStopping(monitor="train_loss")], None)
    check_callbacks([EarlyStopping()], 0.2)
    for callback in (EarlyStopping(), EarlyStopping, ("stop", EarlyStopping())):
        with pytest.raises(ValueError, match=r"callbacks\[0\].*validation_fraction"):
            check_callbacks([callback], None)


POINTS = np.array([[12.0, 3.0], [20.0, 9.0], [0.5, 4.0]])


@pytest.mark.parametrize(
    "names", [["row", "col"], ["y", "x", "label"], ["x", "z"], ["centroid-0", "centroid-1"], ["x"]]
)
def test_other_names_of_centers_are_refused(names):
    table = pd.DataFrame(np.ones((3, len(names))), columns=names)
    pl = pytest.importorskip("polars", reason="needs polars")
    for given in (table, pl.DataFrame(table.to_numpy(), schema=names), table.to_dict("list")):
        with pytest.raises(ValueError, match=r"^centers: got the columns .*wants x and y alone"):
            check_centers(given, 3, (10, 21))


def test_centers_that_cannot_be_as_meant():
    swapped = POINTS[:, ::-1]
    with pytest.raises(ValueError, match=r"2 lie outside.* As \(row, column\) they would lie"):
        check_centers(np.array([[3.0, 12.0], [9.0, 20.0], [4.0, 0.5]]), 3, (10, 21))
    assert swapped[:, 1].max() > 9.5  # what the line above says, from the points themselves
    fractions = (POINTS + 0.5) / (21, 10)
    with pytest.raises(ValueError, match=r"all 3 lie in the first pixel.*not fractions"):
        check_centers(fractions, 3, (10, 21))
    with pytest.raises(ValueError, match=r"outside.*not coordinates from -1 to 1"):
        check_centers(2 * fractions - 1, 3, (10, 21))
    # One cell may be there, and cells may all be on the very first pixel.
    check_centers([[0.5, 0.25], [3, 4]], 2, (10, 21))
    check_centers([[0, 0], [1, 0]], 2, (10, 21))
    check_centers([[0.5, 0]], 1, (1, 30))


def test_centers_outside_the_patch_are_warned_of():
    # 10 x 21 px, patch 6 x 9 px: columns 6 to 14, rows 2 to 7; its edges belong to it.
    inside = [[5.5, 1.5], [14.5, 7.5], [10, 4]]
    check_centers(inside, 3, (10, 21), (6, 9))
    for x, y in ((5.4, 4.0), (14.6, 4.0), (10.0, 1.4), (10.0, 7.6)):
        words = rf"1 of 3 lie outside the central patch of 9 x 6 px .*index 1: \[{x}, {y}\]"
        with pytest.warns(UserWarning, match=words):
            check_centers([inside[0], [x, y], inside[2]], 3, (10, 21), (6, 9))


def test_nothing_in_a_list_of_centers_is_no_number():
    for given in ([[1, 2], [3, None]], [[1, 2], [3, float("nan")]], [{"y": None, "x": 1}] * 2):
        with pytest.raises(ValueError, match=r"centers.* NaN"):
            check_centers(given, 2, (10, 21))


def test_centers_are_read_by_name():
    table = pd.DataFrame({"y": POINTS[:, 1], "x": POINTS[:, 0]})
    np.testing.assert_array_equal(check_centers(table, 3, (10, 21)), POINTS)
    tensor = torch.tensor(POINTS, requires_grad=True)
    np.testing.assert_array_equal(check_centers(tensor, 3, (10, 21)), POINTS)


def test_masked_centers_and_weights_are_refused():
    masked = np.ma.array(POINTS, mask=[[0, 0], [0, 0], [0, 1]])
    with pytest.raises(ValueError, match=r"^centers: 1 row has masked values, the first at .* 2"):
        check_centers(masked, 3, (10, 21))
    with pytest.raises(ValueError, match=r"^sample_weight: 1 row has masked"):
        check_weight(np.ma.array([1.0, 2, 3], mask=[0, 1, 0]), np.zeros((3, 2)))


def missing_labels():
    pl = pytest.importorskip("polars", reason="needs polars")
    words = ["a", "b", "a", None]
    return {
        "None": words,
        "NaN among words": ["a", "b", "a", float("nan")],
        "NumPy's NaN among words": ["a", "b", "a", np.float64("nan")],
        "objects": np.array(words, dtype=object),
        "floats": np.array([1.0, 2.0, 1.0, np.nan]),
        "list of floats": [1.0, 2.0, 1.0, float("nan")],
        "NA": pd.Series(["a", "b", "a", pd.NA], dtype="string", index=[5, 6, 7, 8]),
        "NA of integers": pd.Series([1, 2, 1, pd.NA], dtype="Int64"),
        "NA of booleans": pd.Series([True, False, True, pd.NA], dtype="boolean"),
        "pandas' own": pd.Series(words),
        "category": pd.Series(words, dtype="category"),
        "NaT": pd.Series(pd.to_datetime(["2020-01-01", "2021-01-01", "2020-01-01", None])),
        "polars words": pl.Series(words),
        "polars integers": pl.Series([1, 2, 1, None]),
        "polars floats": pl.Series([1.0, 2.0, 1.0, float("nan")]),
        "column": np.array([[1.0], [2.0], [1.0], [np.nan]]),
    }


@pytest.mark.parametrize("form", missing_labels())
def test_missing_labels_are_reported_with_their_index(form):
    with pytest.raises(ValueError, match=r"^Input y contains .*1 of 4, the first at index 3"):
        check_y(np.zeros(4), missing_labels()[form], "X")


def test_masked_labels_are_refused():
    with pytest.raises(ValueError, match=r"^y: 1 row has masked values, the first at index 2"):
        check_y(np.zeros(4), np.ma.array([1, 2, 1, 2], mask=[0, 0, 1, 0]), "X")


@pytest.mark.parametrize("labels", [["nan", "None", "", "NA"], [0, False, 1, 2]])
def test_labels_that_only_look_missing_are_taken(labels):
    assert len(check_y(np.zeros(4), labels, "X")[1]) == 4


def test_centres_may_be_missing_where_that_is_allowed():
    nan = np.nan
    given = [[3, 4], [nan, nan], [20.25, 9]]
    found = check_centers(given, 3, (10, 21), missing=True)
    np.testing.assert_array_equal(found, given)
    with pytest.raises(ValueError, match="NaN"):
        check_centers(given, 3, (10, 21))
    with pytest.raises(ValueError, match=r"centers: \[5.0, nan\] at index 1; wants"):
        check_centers([[1, 2], [5, nan]], 2, (10, 21), missing=True)
    with pytest.raises(ValueError, match=r"1 lie outside.*index 2"):
        check_centers([[3, 4], [nan, nan], [30, 9]], 3, (10, 21), missing=True)
    with pytest.raises(ValueError, match="all 2 lie in the first pixel"):
        check_centers([[0.3, 0.4], [nan, nan], [0.5, 0.5]], 3, (10, 21), missing=True)
    with pytest.raises(ValueError, match="inf"):
        check_centers([[np.inf, 4]], 1, (10, 21), missing=True)


def test_neighbours():
    nan = np.nan
    assert check_neighbors(None, 2) is None
    good = np.array([[[1, 2, -1], [4, 5, 2]], [[3, -7.5, 0], [nan, nan, nan]]])
    np.testing.assert_array_equal(check_neighbors(good.tolist(), 2), good)
    assert check_neighbors(np.empty((2, 0, 3)), 2).shape == (2, 0, 3)
    for given, words in (
        (good[:1], r"neighbors: got shape \(1, 2, 3\), wants numbers of shape \(2, k, 3\)"),
        (good[:, :, :2], r"got shape \(2, 2, 2\)"),
        (good[:, 0], r"got shape \(2, 3\)"),
        (np.where(good == 5, nan, good), r"got \[4.0, nan, 2.0\] at index \[0, 1\], wants x, y"),
        (np.where(good == -1, -2, good), r"at index \[0, 0\], wants as class its index"),
        (np.where(good == -1, 0.5, good), r"at index \[0, 0\], wants as class"),
        (np.where(good == 5, np.inf, good), "neighbors.*inf"),
    ):
        with pytest.raises(ValueError, match=words):
            check_neighbors(given, 2)
