"""The finders for heatmaps, against plain loops over positions and patches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stnclf.networks import Location, centred_theta
from stnclf.scan import _finders
from stnclf.scan._finders import Block
from stnclf.scan._heatmap_finder import HeatFinder, SharedFinder
from tests.scan.test_finders import ALL, as_proba, find, patch_at, pixels_of


def test_heat_peaks_are_those_of_the_whole_map(heat):
    estimator, module = heat
    finder = HeatFinder(module, estimator, ALL, 0)
    assert finder.step.tolist() == [2.0, 2.0]
    # The map of a much larger area in one piece, in the pixels of the view: each twice.
    margin = 64
    area = pixels_of((-margin, -margin, 190 + margin, 150 + margin))
    images = torch.from_numpy(area).permute(2, 0, 1)[None].float() / 255
    images = torch.nn.functional.interpolate(images, scale_factor=2, mode="bilinear")
    with torch.no_grad():
        logits = module.localizer.logits(module.standardize(images))[0].double().numpy()
    points = []
    for row in range(32, 32 + 75):
        for column in range(32, 32 + 95):
            near = logits[row - 2 : row + 3, column - 2 : column + 3]
            if near[2, 2] == near.max():
                weight = np.exp(near - near.max()) / np.exp(near - near.max()).sum()
                x = column + (weight.sum(0) * np.arange(-2, 3)).sum()
                y = row + (weight.sum(1) * np.arange(-2, 3)).sum()
                points.append([(x - 32 + 0.5) * 2 - 0.5, (y - 32 + 0.5) * 2 - 0.5])
    found = find(finder, Block(0, 0, 95, 75))
    assert len(points) > 20

    def key(point):
        return round(point[1], 2), point[0]

    np.testing.assert_allclose(
        sorted(found.points.tolist(), key=key), sorted(points, key=key), atol=1e-3
    )


def test_heat_classifies_the_patch_around_each_peak(heat):
    estimator, module = heat
    finder = HeatFinder(module, estimator, ALL, 0)
    finder.tta = module.tta
    found = find(finder, Block(40, 9, 75, 39))
    assert len(found.label) > 9
    for (x, y), proba, label in zip(*found):
        left, top = round(x - 15.5), round(y - 11.5)
        centre = [(2 * (x - left) + 1) / 32 - 1, (2 * (y - top) + 1) / 24 - 1]
        theta = torch.tensor([[[0.5, 0, centre[0]], [0, 0.5, centre[1]]]], dtype=torch.float32)
        with torch.no_grad():
            known = Location(theta, None)
            logits = module.recognize(patch_at(left, top), known, tta=module.tta)
        np.testing.assert_allclose(proba, as_proba(logits), atol=1e-3)
        assert label == proba.argmax()


def test_heat_finds_nothing_on_empty_glass(heat):
    estimator, module = heat
    finder = HeatFinder(module, estimator, ALL, 0)
    block = Block(500, 500, 540, 530)
    assert len(find(finder, block).points) == 0


def whole_maps(module, margin):
    """Shared maps of the plane and of `margin` pixels around it, as the localizer sees them."""
    area = pixels_of((-margin, -margin, 190 + margin, 150 + margin))
    images = torch.from_numpy(area).permute(2, 0, 1)[None].float() / 255
    images = torch.nn.functional.interpolate(images, scale_factor=2, mode="bilinear")
    with torch.no_grad():
        return module.trunk(module.standardize(images))


def test_one_pass_reads_each_peak_from_the_maps_of_the_plane(heat):
    estimator, module = heat
    finder = SharedFinder(module, estimator, ALL, 0)
    found = find(finder, Block(40, 9, 75, 39))
    peaks = find(HeatFinder(module, estimator, ALL, 0), Block(40, 9, 75, 39)).points
    np.testing.assert_allclose(found.points, peaks, atol=1e-3)
    maps = whole_maps(module, 64)  # 32 positions more on each side
    for (x, y), proba in zip(found.points, found.proba):
        column, row = (x + 0.5) / 2 + 32, (y + 0.5) / 2 + 32
        # A patch has 16 x 12 positions; the nearest whole ones around the peak.
        left, top = int(np.floor(column - 8 + 0.5)), int(np.floor(row - 6 + 0.5))
        middle = torch.tensor([[(column - left) / 8 - 1, (row - top) / 6 - 1]]).float()
        with torch.no_grad():
            crop = maps[:, :, top : top + 12, left : left + 16]
            logits = module.classifier(crop, centred_theta(middle, (0.5, 0.5)))
        np.testing.assert_allclose(proba, as_proba(logits), atol=1e-4)


def test_inside_a_patch_the_maps_of_the_plane_are_those_of_the_patch(heat):
    _, module = heat
    left, top, reach = 50, 40, module.localizer.shared_reach
    with torch.no_grad():
        alone = module.locate(patch_at(left, top)).features
    column, row = left // 2 + 32, top // 2 + 32
    among = whole_maps(module, 64)[:, :, row : row + 12, column : column + 16]
    inside = (..., slice(reach, -reach), slice(reach, -reach))
    np.testing.assert_allclose(among[inside], alone[inside], rtol=1e-4, atol=1e-4)
    assert (among - alone).abs().max() > 0.01  # at the edges they know what lies beyond


@pytest.mark.parametrize("axis", [2, 3])
def test_shared_layers_see_no_further_than_their_reach(heat, axis):
    _, module = heat
    views = torch.randn(1, 3, 80, 96, generator=torch.Generator().manual_seed(0))
    changed = views.clone()
    # Position 10 and all beyond.
    changed.narrow(axis, 40, views.shape[axis] - 40).add_(5)
    with torch.no_grad():
        differs = (module.trunk(views) - module.trunk(changed)).abs().amax((0, 1, 5 - axis)) > 0
    assert differs.nonzero().min() >= 10 - module.localizer.shared_reach


@pytest.mark.parametrize("kind", [SharedFinder, HeatFinder])
@pytest.mark.parametrize("absolute", [False, True])
def test_what_is_undecided_is_looked_at_in_all_symmetries(heat, kind, absolute, monkeypatch):
    estimator, module = heat
    block, rare = Block(30, 9, 75, 39), np.array([1])

    def found(kind, tta):
        finder = kind(module, estimator, rare, 0)
        finder.tta, finder.absolute = tta, absolute
        return find(finder, block)

    once, whole = found(kind, False), found(HeatFinder, True)
    np.testing.assert_allclose(once.points, whole.points, atol=1e-3)
    # The limits lie between the third and the fourth from below, and from above.
    ranked = np.sort(once.proba[:, 1])
    least, most = ranked[2:4].mean(), ranked[-4:-2].mean()
    monkeypatch.setattr(_finders, "_UNDECIDED", (least, most))
    again = (once.proba[:, 1] >= least) & (once.proba[:, 1] <= most)
    assert again.sum() == len(again) - 6 > 5
    assert np.abs(once.proba - whole.proba)[again].max() > 1e-3
    wanted = np.where(again[:, None], whole.proba, once.proba)
    np.testing.assert_allclose(found(kind, "undecided").proba, wanted, atol=1e-5)


@pytest.mark.parametrize("tta", [False, "undecided"])
@pytest.mark.parametrize("size", [(7, 9), (20, 11)])
def test_one_pass_does_not_depend_on_blocks(heat, size, tta):
    estimator, module = heat
    finder = SharedFinder(module, estimator, ALL, 0)
    finder.tta = tta
    whole = find(finder, Block(0, 0, 60, 40))
    parts = [
        find(finder, Block(left, top, min(left + size[0], 60), min(top + size[1], 40)))
        for top in range(0, 40, size[1])
        for left in range(0, 60, size[0])
    ]
    points, proba = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
    order, again = (np.lexsort(p.round(2).T) for p in (whole.points, points))
    np.testing.assert_allclose(points[again], whole.points[order], atol=1e-3)
    np.testing.assert_allclose(proba[again], whole.proba[order], atol=1e-4)
