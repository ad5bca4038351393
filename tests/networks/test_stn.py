"""The guided spatial transformer network."""

import numpy as np
import pytest
import torch

from stnclf.geometry import cell_theta
from stnclf.networks import (
    CLASSIFIERS,
    LOCALIZERS,
    HeatmapLocalizer,
    STNNet,
    initialize,
)


def make_stn(
    name="heatmap",
    channels=3,
    patch=(64, 96),
    cell=(32, 48),
    seed=0,
    classifier="inception",
):
    scale = (cell[1] / patch[1], cell[0] / patch[0])
    system = STNNet(
        LOCALIZERS[name](channels, patch, scale),
        CLASSIFIERS[classifier](channels, 4),
        patch,
        cell,
        np.full(channels, 0.5),
        np.full(channels, 0.25),
    )
    return initialize(system, torch.Generator().manual_seed(seed)).eval()


@pytest.mark.parametrize("name", LOCALIZERS)
@pytest.mark.parametrize("patch", [(64, 96), (2, 2), (1, 9), (300, 200)])
def test_stn_takes_any_patch(name, patch):
    cell = tuple(max(1, side // 2) for side in patch)
    system = make_stn(name, patch=patch, cell=cell)
    logits, theta = system(torch.rand(2, 3, *patch))
    assert logits.shape == (2, 4)
    assert theta.shape == (2, 2, 3)


def test_stn_classifies_the_window_that_it_reports():
    system = make_stn()
    patches = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    logits, theta = system(patches)
    window = system.attend(patches, theta)
    torch.testing.assert_close(system.classify(window), logits)
    torch.testing.assert_close(system.look(patches), window)
    torch.testing.assert_close(system.scores(patches), logits)
    # ... and not another one.
    elsewhere = theta.clone()
    elsewhere[:, 0, 2] += 0.4
    assert (system.classify(system.attend(patches, elsewhere)) - logits).abs().max() > 1e-3


def test_standardisation_is_inside():
    system = make_stn()
    other = make_stn()
    other.mean.copy_(system.mean * 2 + 3)
    other.std.copy_(system.std * 2)
    patches = torch.rand(2, 3, 64, 96)
    torch.testing.assert_close(system(patches)[0], other(patches * 2 + 3)[0], atol=1e-3, rtol=1e-3)


def test_attend_cuts_the_cell_of_a_true_theta():
    system = make_stn(patch=(64, 96), cell=(32, 32))
    patches = torch.zeros(1, 3, 64, 96)
    patches[0, :, 10:20, 60:70] = 1.0  # rows 10 to 19, columns 60 to 69
    theta = cell_theta([[64.5, 14.5]], (64, 96), (32, 32)).astype(np.float32)
    window = system.attend(patches, torch.from_numpy(theta))[0, 0]
    expected = torch.zeros(32, 32)
    expected[11:21, 11:21] = 1.0
    torch.testing.assert_close(window, expected, atol=1e-4, rtol=0)


def test_wide_window_shows_twice_as_much_around_the_same_middle():
    system = make_stn(patch=(256, 256), cell=(64, 64), classifier="context")
    patches = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    theta = cell_theta([[119.5, 103.5]], (256, 256), (64, 64)).astype(np.float32)
    near, wide = system.attend(patches, torch.from_numpy(theta))[0].split(3)
    torch.testing.assert_close(near, patches[0, :, 72:136, 88:152], atol=1e-4, rtol=0)
    around = torch.nn.functional.avg_pool2d(patches[0, :, 40:168, 56:184], 2)
    torch.testing.assert_close(wide, around, atol=1e-4, rtol=0)
    assert system.look(patches).shape == (1, 3, 64, 64)


def test_colours_change_before_and_after_standardisation():
    system = make_stn()
    system.mean.copy_(torch.tensor([0.1, 0.2, 0.3]))
    system.std.copy_(torch.tensor([0.5, 0.25, 1.0]))
    views = torch.rand(2, 6, 4, 5)
    color = torch.tensor([[[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]], [[0.9, 1.1, 1.2], [0.1, -0.2, 0.3]]])
    got = system.standardize(views, color)
    for i, j in np.ndindex(2, 6):
        k = j % 3
        expected = (views[i, j] * color[i, 0, k] - system.mean[k]) / system.std[k] + color[i, 1, k]
        torch.testing.assert_close(got[i, j], expected)
    torch.testing.assert_close(got[0], system.standardize(views)[0])


def test_glimpses_are_weighted_by_the_heatmap():
    system = make_stn("heatmap", classifier="context")
    system.n_glimpses = 3
    patches = torch.rand(4, 3, 64, 96, generator=torch.Generator().manual_seed(3))
    location = system.locate(patches)
    theta, weights = system.localizer.glimpses(location.heatmap, 3)
    torch.testing.assert_close(theta[:, 0], location.theta)
    torch.testing.assert_close(weights.exp().sum(1), torch.ones(4))
    expected = torch.zeros(4, 4)
    for i in range(4):
        for j in range(3):
            window = system.attend(patches[i : i + 1], theta[i, j][None])
            expected[i] += weights[i, j].exp() * system.classify(window)[0].softmax(0)
    torch.testing.assert_close(system.scores(patches).exp(), expected)
    system.n_glimpses = 1
    assert (system.scores(patches).softmax(1) - expected).abs().max() > 1e-4


def test_tta_averages_over_turned_and_mirrored_windows():
    system = make_stn("heatmap", classifier="context")
    patches = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(3))
    plain, windows = system.scores(patches), system.attend(patches, system.locate(patches).theta)
    expected = torch.zeros(2, 4)
    for turns in range(4):
        for mirrored in (False, True):
            turned = np.rot90(windows.detach().numpy(), turns, (2, 3))
            turned = turned[:, :, ::-1] if mirrored else turned
            expected += system.classify(torch.from_numpy(turned.copy())).softmax(1) / 8
    system.tta = True
    torch.testing.assert_close(system.scores(patches).exp(), expected)
    assert (plain.softmax(1) - expected).abs().max() > 1e-4
    location = system.locate(patches)
    torch.testing.assert_close(system.recognize(patches, location), plain)  # as in training
    row = make_stn("heatmap", patch=(1, 40), cell=(1, 40), classifier="context")
    values = torch.rand(2, 3, 1, 40)
    before, row.tta = row.scores(values), True
    torch.testing.assert_close(row.scores(values), before)


def test_heatmap_view_is_half_a_patch_of_128():
    assert HeatmapLocalizer(3, (128, 128), (0.5, 0.5)).view == (64, 64)


@pytest.mark.parametrize("name", ["dense", "heatmap"])
@pytest.mark.parametrize("patch", [(64, 96), (37, 50), (1, 9), (300, 200), (128, 128)])
def test_a_resized_patch_is_a_sampled_one(name, patch):
    system = make_stn(name, patch=patch, cell=(1, 2))
    images = torch.rand(2, 3, *patch, generator=torch.Generator().manual_seed(0))
    sampled = system.sample_patch(images, None, system.localizer.view)
    system.resizes = True
    resized = system.sample_patch(images, None, system.localizer.view)
    assert resized.shape == (2, 3, *system.localizer.view)
    torch.testing.assert_close(resized, sampled, rtol=0, atol=2e-5)


def test_a_patch_in_an_image_is_sampled():
    system = make_stn(patch=(64, 96))
    images = torch.rand(1, 3, 80, 120, generator=torch.Generator().manual_seed(0))
    place = torch.tensor([[[0.5, 0.0, 0.25], [0.0, 0.5, -0.25]]])
    sampled = system.sample_patch(images, place, system.localizer.view)
    system.resizes = True
    assert torch.equal(system.sample_patch(images, place, system.localizer.view), sampled)
