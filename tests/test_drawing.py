"""Drawing primitives, cell painters and tiles behind `stnclf.datasets`."""

import numpy as np
import pytest

from stnclf import _cells, _drawing
from stnclf._drawing import Canvas, Field, Look, capsule, develop, ellipse, expose

PAINTERS = (
    _cells.tumour_cell,
    _cells.mitotic_figure,
    _cells.granulocyte,
    _cells.fibroblast,
    _cells.lymphocyte,
    _cells.pyknotic,
    _cells.red_blood_cells,
    _cells.eosin_smear,
    _cells.crushed_nucleus,
)


def paint(painter, canvas, seed, x=61.3, y=40.8):
    look = Look(np.random.default_rng(99))
    _cells.paint_cells(canvas, [(painter, x, y, np.random.default_rng(seed))], look)
    return canvas.dye


@pytest.mark.parametrize("painter", PAINTERS)
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_cell_on_a_border_is_alike_in_both_tiles(painter, scale):
    whole = paint(painter, Canvas((90, 128), scale=scale), 5)
    assert whole.max() > 0.3
    left = paint(painter, Canvas((90, 64), scale=scale), 5)
    right = paint(painter, Canvas((90, 64), (64, 0), scale), 5)
    np.testing.assert_allclose(np.concatenate([left, right], axis=2), whole, atol=1e-6)
    low = paint(painter, Canvas((50, 128), (0, 40), scale), 5)
    np.testing.assert_allclose(low, whole[:, 40:], atol=1e-6)


@pytest.mark.parametrize("phase", _cells.PHASES)
def test_every_phase_is_dark_and_compact(phase):
    canvas = Canvas((128, 128))
    layers = _cells.mitotic_figure(
        canvas, 70.0, 50.0, np.random.default_rng(3), Look(np.random.default_rng(3)), phase
    )
    list(layers)
    rows, columns = np.nonzero(canvas.dye[0] > 0.8)
    assert 100 < len(rows) < 900  # pixels, 6 to 56 square um
    assert np.hypot(columns - 70, rows - 50).max() < 24


def test_cytoplasm_does_not_cover_a_neighbours_nucleus():
    look = Look(np.random.default_rng(2))
    alone, crowded = Canvas((128, 128)), Canvas((128, 128))
    cells = [(_cells.lymphocyte, 50.0, 64.0), (_cells.tumour_cell, 84.0, 64.0)]
    for canvas, chosen in ((alone, cells[:1]), (crowded, cells)):
        _cells.paint_cells(canvas, [(*c, np.random.default_rng(8)) for c in chosen], look)
    middle = np.s_[:, 60:69, 46:55]
    np.testing.assert_allclose(crowded.dye[middle], alone.dye[middle], atol=1e-5)
    assert np.abs(crowded.dye - alone.dye)[:, :, 70:].max() > 0.3


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
    spread = _drawing._blur(point, 1.2)[0]
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
