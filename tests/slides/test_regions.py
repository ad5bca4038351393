"""Regions lie where they should, at every scale, whatever the levels and blocks."""

import numpy as np
import pytest

from stnclf.slides import _regions
from stnclf.slides._readers import ArrayReader
from stnclf.slides._regions import read_scaled

WIDTH, HEIGHT = 20, 15  # of regions


def ramps(xs, ys, corner, scale):
    """Red grows from left to right and green from top to bottom, as steeply as 8 bits allow."""
    red, green = 30 + (xs - corner[0]) * slope(scale), 30 + (ys - corner[1]) * slope(scale)
    plane = np.stack(np.broadcast_arrays(red, green[:, None], 50.0), axis=2)
    return plane.round().clip(0, 255).astype(np.uint8)


def slope(scale):
    return 9 / scale


def expected(x, y, width, height, scale):
    """Positions of the middles of pixels on level 0, from the documented formula."""
    return (
        x + (np.arange(width) + 0.5) * scale - 0.5,
        y + (np.arange(height) + 0.5) * scale - 0.5,
    )


class Pyramid:
    """Levels made by the mean of squares, and each shifted a little from where it was asked for."""

    def __init__(self, downsamples, shifts, corner, scale):
        self.size, self.downsamples, self.shifts = (301, 263), downsamples, shifts
        self.corner, self.scale, self.asked = corner, scale, []

    def level_size(self, level):
        return tuple(int(side // self.downsamples[level]) for side in self.size)

    def read(self, level, x, y, width, height):
        limits = self.level_size(level)
        assert 0 <= x < x + width <= limits[0]
        assert 0 <= y < y + height <= limits[1]
        self.asked.append(level)
        factor, shift = self.downsamples[level], self.shifts[level]
        xs = (np.arange(x, x + width) + shift + 0.5) * factor - 0.5
        ys = (np.arange(y, y + height) - shift + 0.5) * factor - 0.5
        return ramps(xs, ys, self.corner, self.scale), (shift, -shift)


def check_positions(reader, x, y, scale):
    region = read_scaled(reader, x, y, WIDTH, HEIGHT, scale).astype(float)
    xs, ys = expected(x, y, WIDTH, HEIGHT, scale)
    off_x = (region[:, :, 0] - 30) / slope(scale) + x - xs
    off_y = (region[:, :, 1] - 30) / slope(scale) + y - ys[:, None]
    # A value is a ninth of a pixel of the result, and is rounded two or three times.
    for off in (off_x, off_y):
        assert np.abs(off).max() < scale * 0.2
        assert abs(off.mean()) < scale * 0.12
    assert (region[:, :, 2] == 50).all()


SCALES = [1.0, 0.5, 0.37, 1.013, 1.5, 2.0, 2.7, 3.999, 4.0, 5.3, 7.9, 8.0, 11.0, 12.4]
CORNERS = [(40, 32), (37, 41), (40.5, 33.25), (39.99, 30.01)]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("corner", CORNERS)
def test_positions_in_an_image_are_right(scale, corner):
    image = ramps(np.arange(300), np.arange(260), corner, scale)
    check_positions(ArrayReader(image), *corner, scale)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("shifts", [(0, 0, 0), (0, 0.11, -0.12)])
def test_positions_in_a_pyramid_are_right(scale, corner, shifts):
    reader = Pyramid((1.0, 2.0, 4.0), shifts, corner, scale)
    check_positions(reader, *corner, scale)
    # 3.999 is so near to 4 that rounded sizes explain it.
    assert set(reader.asked) == {0 if scale < 2 else 1 if scale < 3.99 else 2}


def test_levels_come_in_any_order():
    reader = Pyramid((4.0, 1.0, 2.0), (0, 0, 0), (40, 32), 2.5)
    check_positions(reader, 40, 32, 2.5)
    assert set(reader.asked) == {2}


def test_whole_pixels_are_copied_and_not_resampled():
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    reader = ArrayReader(noise)
    np.testing.assert_array_equal(read_scaled(reader, 13, 7, 40, 30, 1.0), noise[7:37, 13:53])
    # A region is the caller's own.
    read_scaled(reader, 0, 0, 90, 60, 1.0)[:] = 0
    assert noise.any()
    assert np.abs(read_scaled(reader, 13.5, 7, 40, 30, 1.0) - noise[7:37, 13:53].astype(int)).any()


def test_halving_is_close_to_the_mean_and_keeps_no_aliases():
    # Stripes of one pixel: whoever picks pixels sees stripes, whoever averages sees grey.
    stripes = np.zeros((80, 120, 3), dtype=np.uint8)
    stripes[:, ::2] = 200
    for scale in (2.0, 4.0, 6.0, 30.0):
        region = read_scaled(ArrayReader(stripes), 0, 0, int(120 / scale), int(80 / scale), scale)
        assert np.abs(region[:, 1:-1].astype(int) - 100).max() <= 6, scale


@pytest.mark.parametrize("scale", [0.7, 1.0, 2.0, 3.3])
def test_blocks_leave_no_seams(scale, monkeypatch):
    rng = np.random.default_rng(1)
    smooth = np.cumsum(rng.integers(-3, 4, (200, 260, 3)), axis=1) + 128
    image = np.clip(smooth, 0, 255).astype(np.uint8)
    arguments = (-9.3, -5, int(290 / scale), int(220 / scale), scale)
    if scale == 1.0:
        arguments = (-9, *arguments[1:])
    whole = read_scaled(ArrayReader(image), *arguments)
    monkeypatch.setattr(_regions, "_BLOCK", 50)
    in_blocks = read_scaled(ArrayReader(image), *arguments)
    # Across and down are rounded one after the other.
    assert np.abs(whole.astype(int) - in_blocks).max() <= 2
    assert np.abs(whole.astype(int) - in_blocks).mean() < 0.01


@pytest.mark.parametrize("scale", [1.0, 0.5, 2.0, 2.6])
def test_all_is_white_outside_and_nothing_bleeds_in(scale):
    dark = np.full((40, 60, 3), 20, dtype=np.uint8)
    region = read_scaled(ArrayReader(dark), -20, -10, int(100 / scale), int(60 / scale), scale)
    xs, ys = expected(-20, -10, int(100 / scale), int(60 / scale), scale)
    on_slide = ((xs >= -0.5) & (xs < 59.5)) & ((ys >= -0.5) & (ys < 39.5))[:, None]
    assert (region[on_slide] == 20).all()
    assert (region[~on_slide] == 255).all()
    assert 0 < on_slide.mean() < 1


@pytest.mark.parametrize("corner", [(1000, 5), (-500, 5), (5, 400), (5, -400), (1e7, -1e7)])
def test_a_region_off_the_slide_is_white(corner):
    region = read_scaled(ArrayReader(np.zeros((30, 40, 3), np.uint8)), *corner, 20, 30, 1.7)
    assert (region == 255).all()


def test_a_slide_is_never_read_as_a_whole():
    class Grey:
        """No smaller levels to read from, and no pixels in memory."""

        size, downsamples, asked = (40_000, 40_000), (1.0,), []

        def level_size(self, level):
            return self.size

        def read(self, level, x, y, width, height):
            self.asked.append((x, y, width, height))
            return np.broadcast_to(np.uint8(90), (height, width, 3)), (0.0, 0.0)

    for scale in (400.0, 5000.0):
        reader, width = Grey(), int(40_000 / scale)
        reader.asked.clear()
        region = read_scaled(reader, 0, 40_000 - scale, width, 1, scale)
        assert (region == 90).all()
        assert max(w * h for *_, w, h in reader.asked) < 2200**2
        assert min(y for _, y, *_ in reader.asked) > 40_000 - scale - 30
        # What the kernel needs around blocks is read more than once, the rest is not.
        assert sum(w * h for *_, w, h in reader.asked) < 1.15 * 40_000 * scale
