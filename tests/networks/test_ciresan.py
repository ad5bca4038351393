"""The 12-layer network: its size, its maps, and that large views are seen window by window."""

import numpy as np
import pytest
import torch

from stnclf.networks import CiresanNet, initialize


@pytest.mark.parametrize("patch", [(128, 128), (80, 100), (32, 32), (1, 5), (200, 140)])
def test_takes_any_patch(patch):
    cell = tuple(max(1, side // 2) for side in patch)
    net = CiresanNet(3, 4, patch, cell, np.zeros(3), np.ones(3))
    initialize(net, torch.Generator().manual_seed(0))
    patches = torch.rand(2, 3, *patch)
    with torch.no_grad():
        logits, theta = net(patches)
    torch.testing.assert_close(net.scores(patches).detach(), logits)
    assert theta.shape == (2, 2, 3)
    assert (theta[:, :, 2].abs() <= 1).all()


def test_is_the_published_size():
    # 5 convolutions of 16 maps with kernels 2, 3, 3, 2, 2, then 64 -> 100 -> 3 at 128 px.
    net = CiresanNet(3, 3, (128, 128), (64, 64), np.zeros(3), np.ones(3))
    assert sum(p.numel() for p in net.parameters()) == 13731
    assert net.trunk(torch.rand(1, 3, 128, 128)).shape == (1, 16, 14, 14)


def test_activation_map_is_x_then_y():
    net = CiresanNet(3, 3, (80, 128), (40, 64), np.zeros(3), np.ones(3))
    heat = torch.zeros(2, 8, 14)
    heat[0, 1, 12] = 2.0
    peak = net.peak(heat)
    # Position j sees the pixels around 8 j + 10.
    torch.testing.assert_close(peak[0], torch.tensor([2 * 106.5 / 128 - 1, 2 * 18.5 / 80 - 1]))
    assert torch.equal(peak[1], torch.zeros(2))  # a flat map points to the middle


@pytest.mark.parametrize("patch", [(128, 128), (80, 101), (30, 45)])
def test_slope_is_that_of_the_highest_logit(patch):
    net = CiresanNet(3, 3, patch, patch, np.zeros(3), np.ones(3))
    initialize(net, torch.Generator().manual_seed(0))
    with torch.no_grad():  # of both signs, so that some units are off
        for name, value in net.named_parameters():
            if name.endswith("bias"):
                value += torch.linspace(-0.3, 0.3, len(value))
    patches = torch.rand(8, 3, *patch, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps = net.trunk(net.standardize(net.look(patches)))
        net.output.bias -= net.tail(maps).mean(0)  # no class is the highest of all images
        logits, slope = net.tail_and_slope(maps)
    assert len(set(logits.argmax(1).tolist())) > 1
    maps.requires_grad_()
    wanted = net.tail(maps)
    torch.testing.assert_close(logits, wanted.detach())
    (by_autograd,) = torch.autograd.grad(wanted.max(1).values.sum(), maps)
    torch.testing.assert_close(slope, by_autograd, rtol=1e-4, atol=1e-6)
    assert (slope != 0).any()


def test_position_is_where_its_maps_look():
    # The pixels that reach position (2, 9) of the maps are centred on (8 * 9 + 10, 8 * 2 + 10).
    net = CiresanNet(1, 3, (80, 128), (40, 64), np.zeros(1), np.ones(1))
    image = torch.rand(1, 1, 80, 128, generator=torch.Generator().manual_seed(0))
    image = image.requires_grad_()
    reach = torch.zeros(80, 128, dtype=torch.bool)
    for seed in range(20):  # each time other pixels win the maxima
        initialize(net, torch.Generator().manual_seed(seed))
        (slope,) = torch.autograd.grad(net.trunk(image)[0, :, 2, 9].sum(), image)
        reach |= slope[0, 0] != 0
    rows, columns = torch.nonzero(reach, as_tuple=True)
    assert abs((columns.min() + columns.max()) / 2 - 82) <= 1
    assert abs((rows.min() + rows.max()) / 2 - 26) <= 1


@pytest.mark.parametrize("patch", [(128, 128), (96, 70), (64, 40)])
def test_everywhere_is_window_by_window(patch):
    net = CiresanNet(3, 4, patch, (32, 32), np.full(3, 0.5), np.full(3, 0.2)).eval()
    initialize(net, torch.Generator().manual_seed(0))
    height, width = net.view
    views = torch.rand(2, 3, height + 8 * 3 + 7, width + 8 * 5)
    with torch.no_grad():
        logits = net.scores_everywhere(views)
        assert logits.shape == (2, 4, 4, 6)
        for row in range(4):
            for column in range(6):
                top, left = 8 * row, 8 * column
                window = views[:, :, top : top + height, left : left + width]
                torch.testing.assert_close(logits[:, :, row, column], net.classify(window))
