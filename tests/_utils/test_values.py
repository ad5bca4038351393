"""Checks of single values: files, pixels, numbers."""

from __future__ import annotations

import os

import numpy as np
import pytest

from stnclf._utils.values import check_file, check_pixels, check_positive, is_missing


def test_a_file_is_there_and_is_one(tmp_path):
    path = tmp_path / "a.svs"
    with pytest.raises(FileNotFoundError, match=r"a\.svs.*no such file"):
        check_file(str(path))
    with pytest.raises(FileNotFoundError, match="no such file"):
        check_file("a\0b")
    path.touch()
    assert check_file(str(path)) is None
    with pytest.raises(ValueError, match="is a folder"):
        check_file(str(tmp_path))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ValueError, match="is a pipe"):
            check_file(str(tmp_path / "pipe"))


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 4), (3, 4, 5), (0, 5, 3)])
def test_pixels_are_colours_of_an_image(shape):
    assert check_pixels("image", np.zeros((4, 5, 3), np.uint8)) is None
    with pytest.raises(ValueError, match=r"image: got shape .* wants \(height, width, 3\)"):
        check_pixels("image", np.zeros(shape, np.uint8))


@pytest.mark.parametrize("pixels", [np.zeros((4, 5, 3)), [[[0, 0, 0]]], None])
def test_pixels_are_uint8(pixels):
    with pytest.raises(TypeError, match=r"image: got .*, wants a NumPy array of uint8"):
        check_pixels("image", pixels)


@pytest.mark.parametrize("value", [0, -1, np.inf, np.nan])
def test_a_positive_number_is_one(value):
    assert check_positive("mpp", np.float32(0.25), "micrometres") == 0.25
    assert isinstance(check_positive("mpp", 1, "micrometres"), float)
    with pytest.raises(ValueError, match=r"mpp: got .*, wants a positive number of micrometres"):
        check_positive("mpp", value, "micrometres")


@pytest.mark.parametrize("value", ["1", None, True, [1]])
def test_a_number_is_no_word(value):
    with pytest.raises(TypeError, match=r"mpp: got .*, wants a positive number"):
        check_positive("mpp", value, "micrometres")


@pytest.mark.parametrize("label", [None, np.nan, float("nan"), np.datetime64("NaT"), np.ma.masked])
def test_what_stands_for_no_label(label):
    assert is_missing(label)


def test_pandas_has_two_more_words_for_no_label():
    pandas = pytest.importorskip("pandas")
    assert is_missing(pandas.NA)
    assert is_missing(pandas.NaT)


@pytest.mark.parametrize("label", ["", "nan", "None", 0, False, np.str_("a"), np.zeros(2)])
def test_a_label_is_one(label):
    assert not is_missing(label)
