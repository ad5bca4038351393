"""The painters: every cell looks the same from two tiles, and each phase is dark."""

import numpy as np
import pytest

from stnclf.datasets import _cells
from stnclf.datasets._canvas import Canvas, Look

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
