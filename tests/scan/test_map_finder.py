"""Probability maps of networks without a localizer, against plain loops."""

import numpy as np
import pytest
import torch

from stnclf.scan._finders import Block, WindowFinder
from stnclf.scan._map_finder import MapFinder
from tests.scan.test_finders import ALL, everywhere, patch_at, pixels_of


@pytest.mark.parametrize("stride", [8, 16, 10])
def test_map_is_that_of_patches_one_by_one(baseline, stride):
    estimator, module = baseline
    finder = MapFinder(module, estimator, ALL, 0, (stride, stride))
    # Neighbouring patches share their maps at a step of 8 px.
    assert (finder.every is None) == (stride == 10)
    block = Block(1, 2, 6, 5)
    box = WindowFinder.box(finder, block)
    with torch.no_grad():
        logits = finder.logits(pixels_of(box), box, block).numpy()
        assert logits.shape == (2, 3, 5)
        for row in range(3):
            for column in range(5):
                x = (1 + column) * stride - (96 - stride) // 2
                y = (2 + row) * stride - (72 - stride) // 2
                expected = module.scores(patch_at(x, y, 96, 72))[0]
                np.testing.assert_allclose(logits[:, row, column], expected, atol=1e-4)


def test_map_peaks_are_means_over_a_disc(baseline, monkeypatch):
    estimator, module = baseline
    finder = MapFinder(module, estimator, np.array([1]), 0, (2, 3))
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(2, 90, 120))
    proba = np.exp(whole[1]) / np.exp(whole).sum(0)

    def logits(pixels, box, block):
        # What the block begins with may be at -20.
        columns = slice(block.left + 20, block.right + 20)
        rows = slice(block.top + 20, block.bottom + 20)
        return torch.tensor(whole[:, rows, columns], dtype=torch.float32)

    monkeypatch.setattr(finder, "logits", logits)
    found = finder.find(None, None, Block(3, 4, 80, 60), everywhere)
    # Training shows cells up to 12 px off the middle, a position is 2 px wide and 3 px high.
    disc = [
        (x, y) for x in range(-6, 7) for y in range(-4, 5) if (2 * x) ** 2 + (3 * y) ** 2 <= 144
    ]
    means = np.array(
        [
            np.roll(proba, (-y, -x), (0, 1)) * np.array([1, 2 * x, 3 * y])[:, None, None]
            for x, y in disc
        ]
    ).mean(axis=0)
    expected = []
    # A quarter of the cell window, 18 and 10 px, are nine and three positions.
    for row in range(4, 60):
        for column in range(3, 80):
            near = means[0, row + 17 : row + 24, column + 11 : column + 30]
            here, x, y = means[:, row + 20, column + 20]
            if here == near.max():
                expected.append([2 * column + 0.5 + x / here, 3 * row + 1 + y / here, here])
    assert len(expected) > 10
    got = np.column_stack([found.points, found.proba[:, 1]])
    np.testing.assert_allclose(got, expected, atol=1e-3)
    np.testing.assert_allclose(found.proba.sum(axis=1), 1, atol=1e-5)
    assert set(found.label.tolist()) == {1}
