"""Parameters and labels come back from JSON as they were, or are refused."""

import json
from fractions import Fraction

import numpy as np
import pytest

from stnclf._serialization.codec import decode, decode_classes, encode, encode_classes


def there_and_back(value):
    return decode(json.loads(json.dumps(encode(value), allow_nan=False)))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -3,
        2**63,
        0.1,
        -0.0,
        "heatmap",
        "\ud800 Zelle\n",
        (3, 4),
        [3, 4],
        [(1, [2.5, None]), {}],
        {"a": 1.0, 2: (), False: [None]},
        {"float": "nan"},
        {"tuple": [1]},
        float("inf"),
    ],
)
def test_values_and_their_types(value):
    again = there_and_back(value)
    assert again == value
    assert repr(again) == repr(value)  # 1 and 1.0 and True are equal but not the same


def test_numbers_of_numpy_become_equal_ones_of_python():
    again = there_and_back([np.int8(3), np.float32(0.1), np.bool_(True), np.str_("x")])
    assert again == [3, np.float32(0.1), True, "x"]
    assert [type(item) for item in again] == [int, float, bool, str]
    assert np.isnan(there_and_back(np.float64("nan")))


def test_a_random_state_goes_on_where_it_was():
    state = np.random.RandomState(3)
    state.normal(size=3)  # an odd number: one more is kept for the next call
    again = there_and_back(state)
    assert np.array_equal(again.normal(size=9), state.normal(size=9))
    assert np.array_equal(again.randint(2**31, size=700), state.randint(2**31, size=700))


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        b"bytes",
        1j,
        Fraction(1, 2),
        np.zeros(2),
        np.longdouble(1),
        len,
        object(),
        np.random.RandomState(np.random.PCG64(0)),
    ],
)
def test_other_values_are_refused(value):
    with pytest.raises(TypeError, match="cannot hold"):
        encode([value])


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"set": [1]},
        {"tuple": [1], "dict": []},
        {"tuple": 3},
        {"float": "0.5"},
        {"float": ["nan"]},
        {"dict": [[1]]},
        {"dict": 3},
        {"dict": [[[], 1]]},
        {"RandomState": []},
        {"RandomState": [[0] * 623, 0, 0, 0.0]},
        {"RandomState": [[0] * 623 + [2**32], 0, 0, 0.0]},
        {"RandomState": [[0] * 623 + [1.0], 0, 0, 0.0]},
        {"RandomState": [[0] * 624, 625, 0, 0.0]},
        {"RandomState": [[0] * 624, -1, 0, 0.0]},
        {"RandomState": [[0] * 624, 0, 2, 0.0]},
        {"RandomState": [[0] * 624, 0, 0, []]},
    ],
)
def test_contents_that_encode_never_gives_are_refused(content):
    with pytest.raises((TypeError, ValueError)):
        decode([content])


@pytest.mark.parametrize(
    "classes",
    [
        np.array(["ant", "zebra"]),
        np.array(["ant", "zebra"], dtype="<U40"),
        np.array(["", "\u03b1\U0001f600", "\ud800"]),
        np.array(["ant", "zebra"], dtype=object),
        np.array([np.str_("ant"), np.str_("zebra")], dtype=object),
        np.array([-2, 7], dtype=np.int8),
        np.array([-2, 7], dtype=">i4"),
        np.array([0, 2**64 - 1], dtype=np.uint64),
        np.array([False, True]),
        np.array([-1.0, 2.0, 65504.0], dtype=np.float16),
        np.array([1.0, 2.0**53], dtype=np.float64),
    ],
)
def test_labels_and_their_dtypes(classes):
    again = decode_classes(json.loads(json.dumps(encode_classes(classes))))
    assert np.array_equal(again, classes)
    assert again.dtype == classes.dtype
    assert again.dtype.byteorder == classes.dtype.byteorder


@pytest.mark.parametrize(
    "classes",
    [
        np.array(["2020", "2021"], dtype="M8[D]"),
        np.array([1, 2], dtype="m8[s]"),
        np.array([b"a", b"b"]),
        np.array([1, 2], dtype=object),
        np.array([(1,), (2,)], dtype=[("a", int)]),
        np.array([1, 2j]),
    ],
)
def test_labels_of_other_kinds_are_refused(classes):
    with pytest.raises(TypeError, match=r"y: labels of dtype .* cannot be stored"):
        encode_classes(classes)


@pytest.mark.parametrize(
    ("dtype", "values", "words"),
    [
        ("V8", [1, 2], "unknown dtype"),
        ("<M8[D]", ["2020-01-01", "2021-01-01"], "unknown dtype"),
        ("object", ["a", "b"], "unknown dtype"),
        (["<i8"], [1, 2], "unknown dtype"),
        ("<i8", 3, "list of int"),
        ("<i8", [1, 2.0], "list of int"),
        ("<i8", [0, True], "list of int"),
        ("|b1", [0, 1], "list of bool"),
        ("<f8", [1, 2], "list of float"),
        ("|O", ["a", None], "list of str"),
        ("|u1", [1, 256], "classes_"),
        ("|i1", [-129, 1], "classes_"),
        ("<f2", [1.0, 1e30], "dtype <f2"),
        ("<f2", [1.0, 2049.0], "dtype <f2"),
        ("<U1", ["a", "bc"], "dtype <U1"),
        ("<U9999999", ["a", "b"], "too large"),
        ("<i8", [1], "two or more"),
        ("<i8", [], "two or more"),
        ("<i8", [2, 1], "sorted"),
        ("<i8", [1, 2, 2], "sorted"),
        ("|O", ["b", "a"], "sorted"),
    ],
)
def test_contents_that_are_no_labels_are_refused(dtype, values, words):
    with pytest.raises(ValueError, match=words):
        decode_classes({"dtype": dtype, "values": values})


@pytest.mark.parametrize("content", [None, [], {}, {"dtype": "<i8"}])
def test_labels_that_are_missing_are_refused(content):
    with pytest.raises(ValueError, match="classes_"):
        decode_classes(content)
