"""Images in another unit than that of fit: the same numbers for the networks, a word, or an error.

Every pair of a form that fit is given and one that predict is given is here, as in the table of
docs/conventions.md.
"""

from __future__ import annotations

import json
import re
import warnings

import numpy as np
import pytest

from stnclf._utils.pixel_unit import Converted, PixelUnit, as_fitted, check_white

RNG = np.random.default_rng(0)
#: 8-bit pixels of two images of 6 x 5 px; 0 and 255 are there.
P = RNG.integers(20, 250, (2, 6, 5, 3), dtype=np.uint8)
P[0, 0, 0], P[1, 5, 4] = (0, 17, 90), (255, 254, 3)
MASK = P > 128

#: The same pixels in the forms that people have.
FORMS = {
    "uint8": P,
    "int64": P.astype(np.int64),
    "uint16 8 bits": P.astype(np.uint16),
    "float 0-255": P.astype(np.float32),
    "float 0-255 fine": P * 0.999,
    "float 0-1": P / 255,
    "uint16": P.astype(np.uint16) * 257,
    "int64 16 bits": P.astype(np.int64) * 257,
    "uint16 12 bits": P.astype(np.uint16) * 16,
    "float 16 bits": P * 257.0,
    "float -1-1": P / 127.5 - 1,
    "standardised": (P - P.mean()) / P.std(),
    "percent": P / 2.55,
}
#: Rows: fit. Columns: the forms in their order. s: the same numbers for the networks; w: the same
#: numbers, and a warning; W: other numbers, but a warning; r: refused; -: other numbers in
#: silence, since they could be meant.
PAIRS = {
    "uint8": "sssw rs rrr rrr r",
    "int64": "sssw rs rrr rrr r",
    "uint16 8 bits": "sssw rs rrr rrr r",
    "float 0-255": "ssss sr rrr rrW -",
    "float 0-255 fine": "ssss sr rrr rrW -",
    "float 0-1": "srrr rs rrr rrr r",
    "uint16": "sWWW rs ssW wrr r",
    "int64 16 bits": "sWWW rs ssW wrr r",
    "uint16 12 bits": "rWWW rr WWs Wrr r",
    "float 16 bits": "rWWW Wr ssW srW W",
    "float -1-1": "rrrr rW rrr rs- r",
    "standardised": "rrrr rW rrr r-s r",
    "percent": "rrrW Wr rrr rrW s",
}  # fmt: skip
PAIRS = {row: dict(zip(FORMS, cells.replace(" ", ""), strict=True)) for row, cells in PAIRS.items()}


def seen(X):
    """Return the numbers that the networks see: uint8 is divided by 255, later."""
    X = X[:]
    return X / 255 if X.dtype == np.uint8 else X.astype(np.float64)


def outcome(fitted, given):
    """Fit on one form, predict on another: what happens, by the letters of the table."""
    unit = PixelUnit.of(fitted)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = as_fitted(given, unit, "Name")
        except ValueError as error:
            return "r" if re.match("X: got .*, but Name was fitted on", str(error)) else str(error)
    assert all(str(w.message).startswith("X: got ") for w in caught)
    expected = seen(as_fitted(fitted, unit, "Name"))
    same = np.allclose(seen(found), expected, rtol=2e-3, atol=1e-6)
    letters = {(True, False): "s", (True, True): "w", (False, True): "W", (False, False): "-"}
    return letters[same, bool(caught)]


@pytest.mark.parametrize("fitted", FORMS)
def test_every_pair(fitted):
    found = {given: outcome(FORMS[fitted], FORMS[given]) for given in FORMS}
    assert found == PAIRS[fitted]


MASKS = {
    "bool": MASK,
    "uint8 0 1": MASK.astype(np.uint8),
    "int64 0 1": MASK.astype(np.int64),
    "float 0 1": MASK.astype(np.float32),
    "uint8 0 255": MASK.astype(np.uint8) * 255,
}
MASK_PAIRS = {
    "bool": "sssss",
    "uint8 0 1": "ssss-",
    "int64 0 1": "sssss",
    "float 0 1": "sssss",
    "uint8 0 255": "s--ss",
}


@pytest.mark.parametrize("fitted", MASKS)
def test_every_pair_of_masks(fitted):
    found = "".join(outcome(MASKS[fitted], given) for given in MASKS.values())
    # uint8 fitted on uint8 is what it is, whatever its values; so are other whole numbers.
    assert found == MASK_PAIRS[fitted]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("uint8", P / 255),
        ("int64", P / 255),
        ("uint16 8 bits", P / 255),
        ("float 0-255", P.astype(float)),
        ("float 0-1", P / 255),
        ("uint16", P / 255),
        ("uint16 12 bits", P * (16 / 65535)),
        ("float -1-1", P / 127.5 - 1),
    ],
)
def test_what_fit_itself_sees(name, expected):
    X = FORMS[name]
    np.testing.assert_allclose(seen(as_fitted(X, PixelUnit.of(X), "Name")), expected, rtol=1e-6)


def test_converted_images_are_those_of_uint8_bit_for_bit():
    for name in ("int64", "uint16 8 bits"):
        found = as_fitted(FORMS[name], PixelUnit.of(FORMS[name]), "Name")
        assert (found.dtype, found.shape, len(found), found.ndim) == (np.uint8, P.shape, 2, 4)
        assert found[[1, 0], 1:3].dtype == np.uint8
        np.testing.assert_array_equal(found[[1, 0], 1:3], P[[1, 0], 1:3])
    deep = as_fitted(FORMS["uint16"], PixelUnit.of(FORMS["uint16"]), "Name")
    assert deep.dtype == deep[0].dtype == np.float32
    np.testing.assert_array_equal(deep[:], P.astype(np.float32) / np.float32(255))


def test_nothing_is_converted_before_it_is_read():
    class Lazy:
        shape, dtype = (9, 4, 4, 1), np.dtype(np.int64)

        def __len__(self):
            return 9

        def __getitem__(self, key):
            return np.full((9, 4, 4, 1), 7)[key]

    assert Converted(Lazy(), np.float32, 14.0)[2:4].tolist() == np.full((2, 4, 4, 1), 0.5).tolist()


def test_a_row_of_numbers_is_taken_as_a_table():
    table = np.arange(40, dtype=np.int64).reshape(2, 1, 20, 1)
    unit = PixelUnit.of(table)
    for given in (table, table.astype(float), table[:1] + 0.25, table.astype(np.uint8), 3 * table):
        np.testing.assert_array_equal(seen(as_fitted(given, unit, "Name")), given)
    with pytest.raises(ValueError, match=r"X: got int64 from 0 to 39000, but Name was fitted on"):
        as_fitted(1000 * table, unit, "Name")


def test_integers_below_zero_or_beyond_16_bits_are_numbers_as_they_are():
    for X in (P.astype(int) - 300, P.astype(int) * 1000):
        unit = PixelUnit.of(X)
        assert unit.full is None
        np.testing.assert_array_equal(as_fitted(X, unit, "Name"), X)


def test_a_model_of_earlier_days_takes_what_it_took():
    for X in FORMS.values():
        assert as_fitted(X, None, "Name") is X


def test_black_images_are_no_reason_for_a_word():
    for name in ("uint8", "float 0-1", "float 0-255", "uint16"):
        black = np.zeros_like(FORMS[name])
        assert outcome(FORMS[name], black) == "-"  # other numbers, but no error and no warning


def test_words():
    with pytest.raises(
        ValueError,
        match=r"^X: got floats from 0 to 254\.745, but Name was fitted on 8-bit pixels, whole "
        r"numbers from 0 to 255; wants uint8 or other whole numbers from 0 to 255, or floats",
    ):
        as_fitted(FORMS["float 0-255 fine"], PixelUnit.of(P), "Name")
    assert str(PixelUnit.of(FORMS["float -1-1"])) == "numbers from -1 to 1"


def test_json_there_and_back():
    for X in (*FORMS.values(), *MASKS.values(), np.full((1, 2, 2, 1), -3e38)):
        unit = PixelUnit.of(X)
        assert PixelUnit.decoded(json.loads(json.dumps(unit.encoded()))) == unit
    assert PixelUnit.decoded(None) is None
    right = PixelUnit.of(P).encoded()
    for wrong in (
        3,
        {},
        {**right, "more": 1},
        {**right, "full": 7},
        {**right, "full": "255"},
        {**right, "low": None},
        {**right, "high": float("inf")},
        {**right, "binary": 1},
    ):
        with pytest.raises(ValueError, match="pixel_unit_"):
            PixelUnit.decoded(wrong)


DIVISORS = {
    "uint8": (255, None, 1),
    "int64": (255, None, 1),
    "float 0-1": (255, None, 1),
    "float 0-255": (1, None, 1),
    "uint16": (255, 65535, 1),
    "uint16 12 bits": (None, 65535, None),
    "float 16 bits": (None, None, 1),
    "float -1-1": (None, None, 1),
    "percent": (None, None, 1),
}


@pytest.mark.parametrize("name", DIVISORS)
def test_divisor_of_a_file(name):
    unit = PixelUnit.of(FORMS[name])
    for dtype, expected in zip(("uint8", "uint16", "float32"), DIVISORS[name]):
        if expected is None:
            with pytest.raises(ValueError, match=f"was fitted on .*, which are not {dtype}"):
                unit.divisor(dtype)
        else:
            assert unit.divisor(dtype) == expected


@pytest.mark.parametrize("name", DIVISORS)
def test_white_must_be_known(name):
    unit = PixelUnit.of(FORMS[name])
    unknown = name in ("float 0-255", "float 16 bits", "percent")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if unknown:
            with pytest.raises(ValueError, match=r"X: got numbers from .*, wants uint8 or other"):
                check_white(unit, (8, 8, 3))
        elif name == "uint16 12 bits":
            with pytest.raises(UserWarning, match=r"none above \d+; 65535 is taken for white"):
                check_white(unit, (8, 8, 3))
        else:
            check_white(unit, (8, 8, 3))
        check_white(unit, (7, 9, 3))  # data of a test
