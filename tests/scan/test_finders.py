"""The ways to find cells, against plain loops over patches and positions."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from stnclf import STNCellClassifier
from stnclf.geometry import theta_centers
from stnclf.scan._finders import DIGITS, Block, PatchFinder, WindowFinder
from stnclf.scan._heatmap_finder import HeatFinder
from stnclf.scan._map_finder import MapFinder
from stnclf.scan._plane import probable
from tests.scan.conftest import SIZES, UNTRAINED, fitted

ALL = np.arange(2)
PLANE = gaussian_filter(np.random.default_rng(0).normal(size=(150, 190, 3)), (2, 2, 0))
PLANE = np.clip(120 + 400 * PLANE, 0, 255).astype(np.uint8)


def everywhere(boxes):
    return np.ones(len(boxes), dtype=bool)


@pytest.fixture(scope="module")
def dense(blobs):
    return fitted(STNCellClassifier(localizer="dense", **UNTRAINED, **SIZES), blobs)


def pixels_of(box, plane=PLANE):
    """Cut a box out of the plane; what is beyond it is white."""
    left, top, right, bottom = box
    out = np.full((bottom - top, right - left, 3), 255, np.uint8)
    height, width = plane.shape[:2]
    a, b, c, d = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    out[b - top : d - top, a - left : c - left] = plane[b:d, a:c]
    return out


def find(finder, block, is_wanted=everywhere):
    box = finder.box(block)
    with torch.no_grad():
        return finder.find(pixels_of(box), box, block, is_wanted)


def by_place(found):
    order = np.lexsort((found.points[:, 0], found.points[:, 1], found.label))
    return [values[order] for values in found]


def patch_at(x, y, width=32, height=24):
    """Give the patch whose top-left pixel is (x, y), as the networks take it."""
    patch = pixels_of((x, y, x + width, y + height))
    return torch.from_numpy(patch).permute(2, 0, 1)[None].float() / 255


def as_proba(logits):
    return logits.double().softmax(1).numpy()[0]


def test_blocks():
    block = Block(2, 5, 4, 6)
    assert block.grown(1, 3) == (1, 2, 5, 9)
    assert block.positions().tolist() == [[2, 5], [3, 5]]


def test_windows_are_patches_one_by_one(dense):
    estimator, module = dense
    finder = WindowFinder(module, estimator, ALL, 0, (16, 12))
    found = find(finder, Block(0, 0, 3, 2))
    with torch.no_grad():
        expected = [module(patch_at(x, y)) for y in (-6, 6) for x in (-8, 8, 24)]
    corners = np.array([[x, y] for y in (-6, 6) for x in (-8, 8, 24)])
    thetas = np.concatenate([theta.numpy() for _, theta in expected])
    np.testing.assert_allclose(found.points, theta_centers(thetas, (24, 32)) + corners, atol=1e-3)
    np.testing.assert_allclose(found.proba, [as_proba(logits) for logits, _ in expected], atol=1e-3)


def test_windows_where_nothing_is_looked_for_are_left_out(dense):
    estimator, module = dense
    finder = WindowFinder(module, estimator, ALL, 0, (16, 12))
    whole = find(finder, Block(0, 0, 3, 2))
    seen = []

    def is_wanted(boxes):
        seen.append(boxes.tolist())
        return boxes[:, 0] == 16

    part = find(finder, Block(0, 0, 3, 2), is_wanted)
    assert seen[0][1] == [16, 0, 32, 12]
    np.testing.assert_allclose(part.points, whole.points[[1, 4]], atol=1e-3)
    assert len(find(finder, Block(0, 0, 3, 2), lambda boxes: boxes[:, 0] < 0).points) == 0


@pytest.mark.parametrize("kind", ["heat", "dense", "baseline", "map"])
def test_blocks_of_any_size_give_the_same(kind, request, monkeypatch):
    estimator, module = request.getfixturevalue("baseline" if kind == "map" else kind)
    monkeypatch.setattr(module, "tta", False, raising=False)  # it takes eight times as long
    finder = {
        "heat": lambda: HeatFinder(module, estimator, ALL, 0),
        "dense": lambda: WindowFinder(module, estimator, ALL, 0, (16, 12)),
        "baseline": lambda: PatchFinder(module, estimator, ALL, 0, (24, 32)),
        "map": lambda: MapFinder(module, estimator, ALL, 0, (8, 8)),
    }[kind]()
    columns, rows = np.ceil(np.array([130, 100]) / finder.step).astype(int).tolist()
    whole = by_place(find(finder, Block(0, 0, columns, rows)))
    assert len(whole[0]) > 9
    rng = np.random.default_rng(0)
    for _ in range(2):
        xs = [0, *np.sort(rng.integers(1, columns, 2)).tolist(), columns]
        ys = [0, *np.sort(rng.integers(1, rows, 2)).tolist(), rows]
        parts = [
            find(finder, Block(a, b, c, d))
            for b, d in pairwise(ys)
            for a, c in pairwise(xs)
            if a < c and b < d
        ]
        joined = by_place(type(parts[0])(*(np.concatenate(column) for column in zip(*parts))))
        for got, expected in zip(joined, whole):
            np.testing.assert_allclose(got, expected, atol=2e-3)


@pytest.mark.parametrize("kind", ["heat", "dense"])
def test_only_what_may_count_is_looked_at_in_all_symmetries(kind, request, monkeypatch):
    estimator, module = request.getfixturevalue(kind)
    more = ((16, 12),) if kind == "dense" else ()
    kinds = {"heat": HeatFinder, "dense": WindowFinder}

    def make(*arguments, tta=True):
        finder = kinds[kind](*arguments)
        finder.tta = tta
        return finder

    original, looked_at = module.recognize, {False: 0, True: 0}

    def recognize(images, location, tta):
        looked_at[tta] += len(images)
        return original(images, location, tta=tta)

    block = Block(0, 0, 60, 40) if kind == "heat" else Block(0, 0, 6, 7)
    rare = np.array(
        [np.median(find(make(module, estimator, ALL, 0, *more), block).proba, 0).argmin()]
    )
    whole = find(make(module, estimator, rare, 0, *more), block)
    once = find(make(module, estimator, rare, 0, *more, tta=False), block)
    monkeypatch.setattr(module, "recognize", recognize)
    # The limit at one look, a tenth of this, lies in the middle, between two of them.
    ranked = np.sort(once.proba[:, rare[0]])
    least = 5 * ranked[len(ranked) // 2 - 1 :][:2].sum()
    part = find(make(module, estimator, rare, least, *more), block)
    again = once.proba[:, rare[0]] >= least / 10
    assert looked_at == {False: len(whole.label), True: again.sum()}
    assert again.sum() == pytest.approx(len(again) / 2, abs=1)
    kept = again & (whole.proba[:, rare[0]] >= least)
    np.testing.assert_allclose(part.proba, whole.proba[kept], atol=1e-5)
    np.testing.assert_allclose(part.points, whole.points[kept], atol=1e-5)


def test_the_least_probability_is_compared_in_the_digits_of_the_table(baseline):
    estimator, module = baseline
    probability = np.array([0.9976034, 0.9976036, 0.9976044, 0.9976046])
    for least, kept in [(0.997604, [1, 2, 3]), (0.9976045, [3]), (0.997603, [0, 1, 2, 3])]:
        finder = PatchFinder(module, estimator, np.array([1]), least, (24, 32))
        proba = np.stack([1 - probability, probability], axis=1)
        found = finder.labelled(np.arange(8).reshape(4, 2), proba)
        assert (found.points[:, 0] // 2).tolist() == kept
        cells = np.column_stack([found.points, found.label, found.proba.round(DIGITS)])
        assert len(probable(cells, np.array([0, least]))) == len(kept)


def test_the_baseline_is_asked_for_the_place_of_what_counts_only(baseline, monkeypatch):
    estimator, module = baseline
    block = Block(0, 0, 8, 5)
    whole = find(PatchFinder(module, estimator, np.array([1]), 0, (24, 32)), block)
    with torch.no_grad():
        for (x, y), proba, i in zip(*whole[:2], range(40)):
            left, top = 24 * (i % 8) - 36, 32 * (i // 8) - 20
            logits, theta = module(patch_at(left, top, 96, 72))
            expected = theta_centers(theta, (72, 96))[0] + [left, top]
            np.testing.assert_allclose([x, y], expected, atol=0.01)
            np.testing.assert_allclose(proba, as_proba(logits), atol=1e-4)
    asked, original = [], module.forward
    monkeypatch.setattr(module, "forward", lambda x: (asked.append(len(x)), original(x))[1])
    least = float(np.median(whole.proba[:, 1]))
    part = find(PatchFinder(module, estimator, np.array([1]), least, (24, 32)), block)
    assert sum(asked) == len(part.label) == (whole.proba[:, 1] >= least).sum() == 20
    assert (part.proba[:, 1] >= least).all()
