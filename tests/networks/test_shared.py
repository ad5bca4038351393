"""The network whose window lies on the localizer's own maps."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stnclf.networks import Location, MapClassifier, SharedLocalizer, SharedNet, flips, initialize


def make_shared(patch=(64, 96), cell=(32, 48), channels=3, seed=0):
    scale = (cell[1] / patch[1], cell[0] / patch[0])
    localizer = SharedLocalizer(channels, patch, scale)
    classifier = MapClassifier(localizer.n_maps, 4)
    mean, std = np.full(channels, 0.5), np.full(channels, 0.25)
    system = SharedNet(localizer, classifier, patch, cell, mean, std)
    return initialize(system, torch.Generator().manual_seed(seed)).eval()


def random_patches(n=2, patch=(64, 96), channels=3):
    return torch.rand(n, channels, *patch, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("channels", [1, 3, 7])
@pytest.mark.parametrize("patch", [(64, 96), (33, 20), (8, 8), (300, 200)])
def test_takes_any_patch_and_every_weight_learns(patch, channels):
    system = make_shared(patch, tuple(side // 2 for side in patch), channels).train()
    patches = random_patches(3, patch, channels)
    location = system.locate(patches)
    logits = system.recognize(patches, location)
    assert logits.shape == (3, 4)
    assert location.theta.shape == (3, 2, 3)
    (logits.square().sum() + location.heatmap.square().sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in system.parameters())


def test_heatmap_depends_on_nothing_beyond_its_reach():
    localizer = SharedLocalizer(3, (64, 64), (0.5, 0.5)).eval()
    farthest = 0
    for seed in range(5):  # each time other pixels win the maxima
        initialize(localizer, torch.Generator().manual_seed(seed))
        views = torch.rand(1, 3, 160, 160, requires_grad=True)
        (slope,) = torch.autograd.grad(localizer.logits(views)[0, 20, 20], views)
        for place in torch.nonzero(slope[0].abs().sum(0), as_tuple=True):
            position = torch.div(place, localizer.step, rounding_mode="floor") - 20
            farthest = max(farthest, int(position.abs().max()))
    assert farthest == localizer.reach


def test_heatmap_of_a_large_view_is_that_of_its_parts():
    localizer = SharedLocalizer(3, (64, 64), (0.5, 0.5)).eval()
    initialize(localizer, torch.Generator().manual_seed(0))
    views = torch.rand(1, 3, 128, 160)
    with torch.no_grad():
        whole, part = localizer.logits(views), localizer.logits(views[:, :, 8:, 12:])
    assert whole.shape == (1, 32, 40)
    torch.testing.assert_close(part[:, 6:-6, 6:-6], whole[:, 8:-6, 9:-6], atol=1e-4, rtol=1e-4)


def test_window_is_an_integer_crop_of_the_maps():
    classifier = initialize(MapClassifier(5, 3), torch.Generator().manual_seed(0)).eval()
    maps = torch.rand(1, 5, 16, 20, generator=torch.Generator().manual_seed(1))
    left, top, side = 9, 3, 8
    centre = (2 * (left + side / 2) / 20 - 1, 2 * (top + side / 2) / 16 - 1)
    theta = torch.tensor([[[side / 20, 0, centre[0]], [0, side / 16, centre[1]]]])
    crop = maps[:, :, top : top + side, left : left + side]
    near = classifier.window(crop).mean((2, 3))
    whole = classifier.patch(F.max_pool2d(maps, 2)).mean((2, 3))
    expected = classifier.output(torch.cat([near, whole], 1))
    torch.testing.assert_close(classifier(maps, theta), expected, atol=1e-5, rtol=1e-5)


def test_maps_are_made_again_where_they_are_not_given():
    system, patches = make_shared(), random_patches()
    location = system.locate(patches)
    known = system.recognize(patches, location)
    torch.testing.assert_close(system.recognize(patches, Location(location.theta, None)), known)
    elsewhere = Location(location.theta + torch.tensor([0, 0, 0.3]), None)
    assert (system.recognize(patches, elsewhere) - known).abs().max() > 1e-3
    averaged = system.recognize(patches, location, tta=True)
    again = system.recognize(patches, Location(location.theta, None), tta=True)
    torch.testing.assert_close(again, averaged)
    assert (averaged.softmax(1) - known.softmax(1)).abs().max() > 1e-4


@pytest.mark.parametrize("sides", [((64, 64), (32, 32)), ((64, 96), (20, 48))])
@pytest.mark.parametrize("k", [1, 3])
def test_tta_averages_over_patches_turned_together_with_their_windows(sides, k):
    patch, cell = sides
    system, patches = make_shared(patch, cell), random_patches(patch=patch)
    system.n_glimpses = k
    location = system.locate(patches)
    thetas, weights = system.localizer.glimpses(location.heatmap, k)
    expected = torch.zeros(2, 4)
    for turn in (False, True):
        for across in (1, -1):
            for down in (1, -1):
                seen, linear, shift = patches, thetas[..., :2], thetas[..., 2]
                if turn:
                    seen, linear = seen.transpose(2, 3), linear.flip(2, 3)
                    shift = shift[..., [1, 0]]
                seen = seen.flip(3) if across < 0 else seen
                seen = seen.flip(2) if down < 0 else seen
                shift = shift * torch.tensor([across, down])
                other = make_shared(tuple(seen.shape[2:]), cell[::-1] if turn else cell)
                other.load_state_dict(system.state_dict())
                for j in range(k):
                    theta = torch.cat([linear[:, j], shift[:, j, :, None]], 2)
                    proba = other.recognize(seen, Location(theta, None)).softmax(1)
                    expected += weights[:, j, None].exp() * proba / 8
    system.tta = True
    found = system.scores(patches).exp()
    torch.testing.assert_close(found / found.sum(1, keepdim=True), expected)


def test_flips_begin_with_none():
    assert flips()[0] == ([], (1, 1))
    assert sorted(signs for _, signs in flips()) == [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    image = torch.arange(6).view(2, 3)  # the 0 lies at (x, y) = (-1, -1) of its middle
    for axes, (across, down) in flips():
        row, column = torch.nonzero(image.flip(axes) == 0)[0].tolist()
        assert (column > 0, row > 0) == (across < 0, down < 0)
