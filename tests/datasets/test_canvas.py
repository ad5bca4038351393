"""Drawing primitives, cell painters and tiles behind `stnclf.datasets`."""

import numpy as np
import pytest

from stnclf.datasets import _canvas
from stnclf.datasets._canvas import Canvas, Field, Look, capsule, develop, ellipse, expose


def test_convention_window_is_x_then_y():
    window = Canvas((40, 90)).window(60.0, 12.0, 5)
    assert window.dx.shape[0] == 1
    assert window.dy.shape[1] == 1
    window.paint(window.cover(ellipse(*window.turned(0.0), 4, 4)), 1.0, 0.0)
    canvas = Canvas((40, 90))
    window = canvas.window(60.0, 12.0, 5)
    window.paint(window.cover(ellipse(*window.turned(0.0), 4, 4)), 1.0, 0.0)
    rows, columns = np.nonzero(canvas.dye[0] > 0.5)
    assert (columns.mean(), rows.mean()) == (60.0, 12.0)


def test_window_outside_is_none():
    assert Canvas((40, 90)).window(200.0, 12.0, 5) is None
    assert Canvas((40, 90), (100, 0)).window(60.0, 12.0, 5) is None


@pytest.mark.parametrize(("shape", "area"), [("ellipse", np.pi * 12 * 7), ("capsule", None)])
def test_shapes_are_anti_aliased_and_of_the_right_size(shape, area):
    canvas = Canvas((64, 64))
    window = canvas.window(31.4, 32.2, 30)
    u, v = window.turned(0.7)
    depth = ellipse(u, v, 12, 7) if shape == "ellipse" else capsule(u, v, 14, 4)
    alpha = window.cover(depth)
    area = area or 2 * 10 * 8 + np.pi * 16  # two caps and the rod between them
    assert alpha.sum() == pytest.approx(area, rel=0.03)
    assert ((alpha > 0.05) & (alpha < 0.95)).sum() > 20


def test_field_fits_at_borders_and_matches_points():
    field = Field(np.random.default_rng(0), 20, 90)
    x, y = np.arange(50, 90), np.arange(10, 35)
    grid = field.on_grid(x, y)
    assert grid.shape == (25, 40)
    np.testing.assert_allclose(field.on_grid(x[15:], y[5:]), grid[5:, 15:], atol=1e-4)
    np.testing.assert_allclose(field.at([53, 80], [12, 30]), grid[[2, 20], [3, 30]], atol=1e-4)
    wide = field.on_grid(np.arange(2000), np.arange(2000))
    assert wide.std() == pytest.approx(1, abs=0.15)


def test_expose_follows_beer_lambert_and_blur_keeps_light():
    look = Look(np.random.default_rng(1))
    dye = np.zeros((3, 40, 40), dtype=np.float32)
    dye[0], dye[1] = 0.7, 0.3
    expected = look.white * np.exp(-0.7 * look.stains[0] - 0.3 * look.stains[1])
    light = expose(dye, look)
    np.testing.assert_allclose(light, np.broadcast_to(expected[:, None, None], light.shape), 1e-4)
    point = np.zeros((1, 31, 31), dtype=np.float32)
    point[0, 15, 15] = 1
    spread = _canvas._blur(point, 1.2)[0]
    assert spread.sum() == pytest.approx(1, abs=1e-5)
    variance = (spread * (np.arange(31) - 15) ** 2).sum()
    assert variance == pytest.approx(1.2**2, rel=0.1)


@pytest.mark.parametrize("shape", [(48, 64), (37, 51)])
def test_develop_loses_little_and_shows_no_shift(shape):
    look = Look(np.random.default_rng(1))
    y, x = np.mgrid[: shape[0], : shape[1]]
    light = np.stack([60 + 2.0 * x, 90 + 2.0 * y, 200 - 1.0 * x]).astype(np.float32)
    look.noise, look.coarseness = 0.0, 0.01
    exact = develop(light, look, np.random.default_rng(0))
    assert exact.dtype == np.uint8
    assert np.abs(exact - light.transpose(1, 2, 0)).max() <= 1
    look.noise, look.coarseness = 2.0, 2.0
    noisy = develop(light, look, np.random.default_rng(0)).astype(float)
    error = np.sqrt(np.mean((noisy - light.transpose(1, 2, 0)) ** 2))
    assert 0.7 < error < 8
