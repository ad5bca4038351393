"""Images in every form in which they come, as one array."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import BaseEstimator

from stnclf import STNCellClassifier
from stnclf._utils.image_files import load_images
from stnclf._utils.images import (
    as_images,
    check_image_shape,
    check_size,
    describe,
    guess_image_shape,
    naming,
)

N, HEIGHT, WIDTH = 5, 4, 7


class Holder(BaseEstimator):
    """Remembers the form of its images and nothing else."""

    def fit(self, X, image_shape=None):
        self.images = as_images(self, X, image_shape, reset=True)
        return self

    def transform(self, X, image_shape=None):
        return as_images(self, X, image_shape, reset=False)


@pytest.fixture
def rgb():
    """Higher than wide, or wider than high: whoever mixes up the axes fails."""
    return np.random.default_rng(0).integers(0, 256, (N, HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.fixture
def grey(rgb):
    return np.ascontiguousarray(rgb[..., 0])


def write(images, folder, suffix=".png"):
    paths = [folder / f"cell {i}{suffix}" for i in range(len(images))]
    for path, image in zip(paths, images):
        Image.fromarray(image).save(path)
    return paths


def memory_map(folder, array):
    np.save(folder / "images.npy", array)
    return np.load(folder / "images.npy", mmap_mode="r")


# Every form of the same RGB images.
FORMS = {
    "array": lambda X, folder: X,
    "other layout": lambda X, folder: np.asfortranarray(X),
    "memory map": lambda X, folder: memory_map(folder, X),
    "list of arrays": lambda X, folder: list(X),
    "tuple of arrays": lambda X, folder: tuple(X),
    "paths": lambda X, folder: write(X, folder),
    "names": lambda X, folder: [str(path) for path in write(X, folder)],
    "array of names": lambda X, folder: np.array([str(path) for path in write(X, folder)]),
    "series of names": lambda X, folder: pd.Series([str(p) for p in write(X, folder)], index=XYZ),
    "PIL images": lambda X, folder: [Image.fromarray(image) for image in X],
    "names and PIL images": lambda X, folder: [
        *map(str, write(X[:2], folder)),
        *map(Image.fromarray, X[2:]),
    ],
    "PIL images with alpha": lambda X, folder: [
        Image.fromarray(np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])) for image in X
    ],
    # 28 pixels have 28 colours at most, so that a palette loses nothing.
    "PIL images with palette": lambda X, folder: [
        Image.fromarray(image).convert("P", palette=Image.Palette.ADAPTIVE) for image in X
    ],
}
XYZ = list("vwxyz")  # an index that is not 0, 1, ...


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_rgb_gives_the_same_array(form, rgb, tmp_path):
    given = FORMS[form](rgb, tmp_path)
    holder = Holder().fit(given)
    for out in (holder.images, holder.transform(given)):
        assert out.dtype == np.uint8
        np.testing.assert_array_equal(out, rgb)
    assert holder.image_shape_ == (HEIGHT, WIDTH, 3)
    assert holder.n_features_in_ == HEIGHT * WIDTH * 3


def test_lossy_files_are_read_as_pillow_reads_them(rgb, tmp_path):
    paths = write(rgb, tmp_path, ".jpg")
    wanted = np.stack([np.asarray(Image.open(path)) for path in paths])
    np.testing.assert_array_equal(load_images(paths), wanted)


@pytest.mark.parametrize("form", ["nested lists", "nested list of arrays"])
def test_nested_lists_are_stacked(form, rgb):
    given = rgb.tolist() if form == "nested lists" else [list(image) for image in rgb]
    np.testing.assert_array_equal(Holder().fit(given).images, rgb)


GREY_FORMS = {
    "three axes": lambda X, folder: X,
    "four axes": lambda X, folder: X[..., None],
    "list of arrays": lambda X, folder: list(X),
    "nested lists": lambda X, folder: X.tolist(),
    "files": write,
    "PIL images": lambda X, folder: [Image.fromarray(image) for image in X],
    "PIL images with alpha": lambda X, folder: [Image.fromarray(im).convert("LA") for im in X],
}


@pytest.mark.parametrize("form", GREY_FORMS)
def test_every_form_of_grey_gives_the_same_array(form, grey, tmp_path):
    holder = Holder().fit(GREY_FORMS[form](grey, tmp_path))
    np.testing.assert_array_equal(holder.images, grey[..., None])
    assert holder.image_shape_ == (HEIGHT, WIDTH, 1)


def test_black_and_white_images_are_grey():
    bits = np.arange(N * HEIGHT * WIDTH).reshape(N, HEIGHT, WIDTH) % 3 == 0
    images = [Image.fromarray(image.astype(np.uint8) * 255).convert("1") for image in bits]
    np.testing.assert_array_equal(Holder().fit(images).images[..., 0], bits * 255)


def test_one_colour_image_makes_all_rgb(rgb, grey, tmp_path):
    images = [Image.fromarray(grey[0]), Image.fromarray(rgb[1])]
    out = load_images(images)
    np.testing.assert_array_equal(out[0], np.repeat(grey[0][..., None], 3, axis=2))
    np.testing.assert_array_equal(out[1], rgb[1])


def test_files_take_the_channels_of_the_fitted_images(rgb, grey, tmp_path):
    paths = write(grey, tmp_path)
    as_rgb = Holder().fit(rgb).transform(paths)
    np.testing.assert_array_equal(as_rgb, np.repeat(grey[..., None], 3, axis=3))
    as_grey = Holder().fit(grey).transform([Image.fromarray(image) for image in rgb])
    wanted = [np.asarray(Image.fromarray(image).convert("L")) for image in rgb]
    np.testing.assert_array_equal(as_grey[..., 0], wanted)


@pytest.mark.parametrize(
    ("n_features", "shape"),
    [
        (48, (4, 4, 3)),
        (3, (1, 1, 3)),
        (49, (7, 7, 1)),
        (144, (12, 12, 1)),
        (432, (12, 12, 3)),
        (50, (1, 50, 1)),
        (6, (1, 6, 1)),
        (1, (1, 1, 1)),
    ],
)
def test_rows_without_a_shape_are_guessed(n_features, shape):
    assert guess_image_shape(n_features) == shape
    rows = np.random.default_rng(0).normal(size=(N, n_features))
    holder = Holder().fit(rows)
    assert holder.image_shape_ == shape
    np.testing.assert_array_equal(holder.images, rows.reshape(N, *shape))


@pytest.mark.parametrize("kind", ["array", "frame", "list", "memory map"])
def test_rows_with_a_shape(kind, rgb, tmp_path):
    rows = rgb.reshape(N, -1)
    given = {
        "array": rows,
        "frame": pd.DataFrame(rows),
        "list": rows.tolist(),
        "memory map": memory_map(tmp_path, rows),
    }[kind]
    for shape in ((HEIGHT, WIDTH, 3), [HEIGHT, WIDTH, 3], np.array([HEIGHT, WIDTH, 3])):
        np.testing.assert_array_equal(Holder().fit(given, shape).images, rgb)


def test_rows_with_a_shape_of_two_are_grey(grey):
    holder = Holder().fit(grey.reshape(N, -1), (HEIGHT, WIDTH))
    assert holder.image_shape_ == (HEIGHT, WIDTH, 1)
    np.testing.assert_array_equal(holder.images, grey[..., None])


def test_rows_take_the_shape_of_the_fitted_images(rgb):
    holder = Holder().fit(rgb)
    np.testing.assert_array_equal(holder.transform(rgb[:2].reshape(2, -1)), rgb[:2])
    # And the other way round: rows were fitted, images come.
    holder = Holder().fit(rgb.reshape(N, -1), (HEIGHT, WIDTH, 3))
    np.testing.assert_array_equal(holder.transform(rgb[:2]), rgb[:2])


def test_image_shape_may_confirm_the_shape_of_images(rgb):
    np.testing.assert_array_equal(Holder().fit(rgb, (HEIGHT, WIDTH, 3)).images, rgb)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64, bool])
@pytest.mark.parametrize("axes", [2, 3, 4])
def test_numbers_keep_their_type(dtype, axes):
    X = (np.random.default_rng(0).uniform(0, 2, (N, HEIGHT, WIDTH)) * 3).astype(dtype)
    shape = {2: (N, -1), 3: (N, HEIGHT, WIDTH), 4: (N, HEIGHT, WIDTH, 1)}[axes]
    out = Holder().fit(X.reshape(shape), (HEIGHT, WIDTH)).images
    assert out.dtype == dtype
    np.testing.assert_array_equal(out[..., 0], X)


@pytest.mark.parametrize("dtype", [np.float16, np.int16, bool])
def test_rarer_types_train_and_predict(dtype, blobs):
    X, y, centers = blobs
    clf = STNCellClassifier(classifier_epochs=1, random_state=0)
    given = (X > 120).astype(dtype)
    clf.fit(given, y, centers, stages=("classifier",))
    np.testing.assert_allclose(
        clf.predict_proba(given), clf.predict_proba(given.astype(np.float32)), rtol=1e-5
    )


def test_arrays_are_not_copied(rgb, tmp_path):
    mapped = memory_map(tmp_path, rgb)
    for given in (rgb, rgb[..., 0], rgb[::2, 1:, ::-1], rgb.reshape(N, -1), np.asfortranarray(rgb)):
        assert np.shares_memory(Holder().fit(given).images, given)
    assert np.shares_memory(Holder().fit(mapped).images, mapped)
    floats = rgb / 255
    assert np.shares_memory(Holder().fit(floats).images, floats)


def test_what_is_given_is_not_changed(rgb, tmp_path):
    floats = rgb / 255
    before = floats.copy()
    floats.flags.writeable = False  # writing to it would be an error
    Holder().fit(floats)
    np.testing.assert_array_equal(floats, before)


def test_names_of_columns_are_remembered_and_forgotten(rgb):
    rows = rgb.reshape(N, -1)
    shape = (HEIGHT, WIDTH, 3)
    frame = pd.DataFrame(rows, columns=[f"pixel{i}" for i in range(rows.shape[1])])
    holder = Holder().fit(frame, shape)
    assert list(holder.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        holder.transform(frame.rename(columns={"pixel3": "other"}))
    # Of the same number of features, in any form without names.
    for other in (rows, rgb, list(rgb)):
        holder = Holder().fit(frame, shape).fit(other, shape)
        assert not hasattr(holder, "feature_names_in_")


def test_shape_is_forgotten_when_fitted_again(rgb):
    holder = Holder().fit(rgb)
    for other in (rgb[:, :3], rgb[..., 0], rgb.reshape(N, -1)[:, :48], rgb.transpose(0, 2, 1, 3)):
        holder.fit(other)
        assert holder.n_features_in_ == prod(holder.image_shape_) == holder.images[0].size
        assert holder.image_shape_ == holder.images.shape[1:]
    assert holder.image_shape_ == (WIDTH, HEIGHT, 3)


def test_using_it_changes_nothing_that_was_fitted(rgb):
    holder = Holder().fit(rgb)
    before = {name: value for name, value in vars(holder).items() if name != "images"}
    for given in (rgb[:1], rgb.reshape(N, -1), list(rgb)):
        holder.transform(given)
    assert {name: value for name, value in vars(holder).items() if name != "images"} == before


def test_files_stay_open_no_longer_than_needed(rgb, tmp_path):
    # More files than a process may have open, on most systems by far.
    paths = write(rgb, tmp_path) * 600
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    X = load_images(paths)
    assert X.shape == (3000, HEIGHT, WIDTH, 3)
    if before:
        assert len(list(Path("/proc/self/fd").iterdir())) <= before


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_images_of_more_than_8_bits_are_refused_not_clipped(mode, tmp_path):
    image = Image.new(mode, (WIDTH, HEIGHT), 300)
    with pytest.raises(ValueError, match=rf"X\[1\].*'{mode}'.*8-bit"):
        load_images([Image.new("RGB", image.size), image])
    image.save(tmp_path / "deep.tif")
    with pytest.raises(ValueError, match=r"deep\.tif.*8-bit"):
        load_images([tmp_path / "deep.tif"])


def test_16_bit_arrays_are_divided_by_their_range():
    X = np.arange(N * HEIGHT * WIDTH, dtype=np.uint16).reshape(N, HEIGHT, WIDTH) * 300
    np.testing.assert_allclose(Holder().fit(X).images[:][..., 0], X / 65535, rtol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 8, 9), (2, 1, 6, 7), (2, 4, 16, 16), (2, 12, 64, 64)])
def test_channels_first_is_refused_but_where_it_is_asked_for(shape):
    X = np.zeros(shape, np.uint8)
    with pytest.raises(ValueError, match=r"^X: shape .* looks like channels first.*transpose"):
        Holder().fit(X)
    holder = Holder().fit(X, shape[1:])
    assert holder.images.shape == shape
    assert holder.transform(X).shape == shape
    right = Holder().fit(X.transpose(0, 2, 3, 1))
    with pytest.raises(ValueError, match="looks like channels first"):
        right.transform(X)


@pytest.mark.parametrize(
    "shape",
    [(2, 3, 8, 3), (2, 1, 30, 4), (2, 8, 9, 7), (2, 3, 4, 5), (2, 16, 16, 30)],
)
def test_other_shapes_are_taken_for_what_they_say(shape):
    assert Holder().fit(np.zeros(shape, np.uint8)).images.shape == shape


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((2, 40, 60, 3), "a tile or slide, use stnclf.scan.scan"),
        ((40, 60, 3), "a tile or slide, use stnclf.scan.scan"),
        ((12, 20, 3), r"X\[None\] is a single image\.$"),
        ((2, 40, 10, 3), r"with 3 channels\.$"),
    ],
)
def test_images_of_another_size_may_be_meant_for_something_else(shape, hint):
    holder = Holder().fit(np.zeros((2, 12, 20, 3), np.uint8))
    with pytest.raises(ValueError, match=hint):
        as_images(holder, np.zeros(shape, np.uint8), reset=False)


def test_every_value_is_checked_however_many_images():
    X = np.zeros((700, 2, 3), np.float32)
    X[600, 1, 2] = np.nan
    with pytest.raises(ValueError, match="X contains NaN"):
        Holder().fit(X)


def test_convention_sizes_are_height_width():
    assert check_size("patch_size", None, (4, 7), (4, 7), "images") == (4, 7)
    assert check_size("patch_size", 3, (4, 7), (4, 7), "images") == (3, 3)
    assert check_size("patch_size", [4, 7], (1, 1), (4, 7), "images") == (4, 7)
    assert check_size("patch_size", np.array([2, 7]), (1, 1), (4, 7), "images") == (2, 7)
    with pytest.raises(ValueError, match=r"patch_size: got \(7, 4\) .*larger than the images"):
        check_size("patch_size", (7, 4), (4, 7), (4, 7), "images")
    assert describe((4, 7, 3)) == "4 x 7 px (height x width) with 3 channels"


def test_image_shape_is_checked():
    assert check_image_shape(None) is None
    assert check_image_shape([4, 7]) == (4, 7, 1)
    assert check_image_shape(np.array([4, 7, 3])) == (4, 7, 3)
    for wrong in ((4,), (4, 7, 3, 1), (4, 0, 3), (4, -7), (4.0, 7.0), ("4", "7")):
        with pytest.raises(ValueError, match=r"image_shape: got .* wants positive integers"):
            check_image_shape(wrong)


def test_naming_adds_the_name_where_it_is_missing():
    with (
        pytest.raises(ValueError, match=r"^centers: no good; wants points\.$"),
        naming("centers", "points"),
    ):
        raise ValueError("no good.")
    with (
        pytest.raises(TypeError, match=r"^centers: no good; wants points\.$"),
        naming("centers", "points"),
    ):
        raise TypeError("no good")
    # Of an argument that is a part of another, too.
    part = "predictions['CNN (2)']"
    with (
        pytest.raises(ValueError, match=r"^bad predictions\['CNN \(2\)'\]$"),
        naming(part, "points"),
    ):
        raise ValueError(f"bad {part}")
    # Named already, and other errors: as they are.
    with pytest.raises(ValueError, match=r"^bad centers$"), naming("centers", "points"):
        raise ValueError("bad centers")
    with pytest.raises(KeyError, match=r"^'a'$"), naming("centers", "points"):
        raise KeyError("a")


def test_a_list_of_arrays_of_several_units_is_refused(rgb):
    as_floats = [image / 255 for image in rgb]
    for first, other in ((rgb[0], as_floats[1]), (rgb[0], rgb[1].astype(np.uint16) * 257)):
        with pytest.raises(ValueError, match=r"X\[2\]: has (float64|uint16) pixels, but X\[0\]"):
            Holder().fit([first, rgb[1], other])
    for dtypes in ((np.float32, np.float64), (np.int32, np.int64)):
        X = [image.astype(dtype) for image, dtype in zip(rgb, dtypes)]
        assert len(Holder().fit(X).images) == 2
