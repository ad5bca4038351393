"""Each localizer: shapes, start, gradients, the order of x and y."""

import numpy as np
import pytest
import torch

from stnclf.networks import (
    LOCALIZERS,
    DenseLocalizer,
    FixedLocalizer,
    HeatmapLocalizer,
    initialize,
)


@pytest.mark.parametrize("name", LOCALIZERS)
@pytest.mark.parametrize(("channels", "patch"), [(3, (128, 128)), (1, (40, 100)), (7, (3, 2))])
def test_shapes_and_every_weight_learns(name, channels, patch):
    generator = torch.Generator().manual_seed(0)
    localizer = initialize(LOCALIZERS[name](channels, patch, (0.5, 0.25)), generator)
    theta, heatmap, *_ = localizer(torch.rand(2, channels, *localizer.view, generator=generator))
    assert theta.shape == (2, 2, 3)
    assert theta.dtype == torch.float32
    assert (heatmap is not None) == localizer.has_heatmap
    loss = theta.square().sum() + (heatmap.square().sum() if heatmap is not None else 0)
    loss.backward()
    reached = {n for n, p in localizer.named_parameters() if p.grad is not None}
    assert reached == {n for n, _ in localizer.named_parameters()}


@pytest.mark.parametrize("name", LOCALIZERS)
def test_scale_is_known_from_the_start(name):
    generator = torch.Generator().manual_seed(0)
    localizer = initialize(LOCALIZERS[name](3, (64, 64), (0.5, 0.25)), generator)
    theta = localizer(torch.rand(4, 3, *localizer.view, generator=generator)).theta
    expected = torch.tensor([[0.5, 0.0], [0.0, 0.25]]).expand(4, 2, 2)
    torch.testing.assert_close(theta[:, :, :2], expected)


def test_dense_starts_in_the_middle_whatever_it_sees():
    localizer = initialize(DenseLocalizer(3, (64, 64), (0.5, 0.5)), torch.Generator())
    theta = localizer(torch.rand(3, 3, *localizer.view)).theta
    assert torch.equal(theta[:, :, 2], torch.zeros(3, 2))


def test_dense_has_the_papers_layers():
    localizer = DenseLocalizer(3, (128, 128), (0.5, 0.5))
    assert localizer.view == (128, 128)
    assert localizer.dense.out_features == 20
    assert localizer.theta.out_features == 6


def test_convention_peak_is_x_then_y():
    localizer = HeatmapLocalizer(3, (64, 128), (0.5, 0.5))
    logits = torch.full((1, 8, 16), -30.0)
    logits[0, 1, 13] = 10.0  # row 1 of 8, column 13 of 16
    peak = localizer.peak(logits)
    torch.testing.assert_close(peak, torch.tensor([[27 / 16 - 1, 3 / 8 - 1]]))


def test_peak_between_two_positions_and_deaf_to_far_ones():
    localizer = HeatmapLocalizer(3, (64, 64), (0.5, 0.5))
    logits = torch.full((1, 16, 16), -30.0)
    logits[0, 4, 6] = logits[0, 4, 7] = 10.0
    logits[0, 14, 2] = 9.9  # another candidate, far away: a mean would move towards it
    torch.testing.assert_close(localizer.peak(logits), torch.tensor([[14 / 16 - 1, 9 / 16 - 1]]))


def test_peak_gradient():
    localizer = HeatmapLocalizer(3, (64, 64), (0.5, 0.5))
    logits = torch.randn(2, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    assert torch.autograd.gradcheck(localizer.peak, logits.requires_grad_())


def test_fixed_is_the_identity():
    theta = FixedLocalizer()(torch.zeros(2, 1, 1, 1)).theta
    assert torch.equal(theta, torch.eye(2, 3).expand(2, 2, 3))


def test_heatmap_answers_depend_on_nothing_beyond_their_reach():
    localizer = HeatmapLocalizer(3, (64, 64), (0.5, 0.5)).eval()
    for seed in range(5):  # each time other pixels win the maxima
        initialize(localizer, torch.Generator().manual_seed(seed))
        views = torch.rand(1, 3, 160, 160, requires_grad=True)
        (slope,) = torch.autograd.grad(localizer.logits(views)[0, 20, 20], views)
        rows, columns = torch.nonzero(slope[0].abs().sum(0), as_tuple=True)
        for place in (rows, columns):
            position = torch.div(place, localizer.step, rounding_mode="floor") - 20
            assert position.abs().max() == localizer.reach


def test_heatmap_of_a_large_view_is_that_of_its_parts():
    localizer = HeatmapLocalizer(3, (64, 64), (0.5, 0.5)).eval()
    initialize(localizer, torch.Generator().manual_seed(0))
    views = torch.rand(1, 3, 128, 160)
    with torch.no_grad():
        whole, part = localizer.logits(views), localizer.logits(views[:, :, 8:, 12:])
    assert whole.shape == (1, 32, 40)
    torch.testing.assert_close(part[:, 7:-7, 7:-7], whole[:, 9:-7, 10:-7], atol=1e-4, rtol=1e-4)


def test_glimpses_find_one_peak_after_the_other():
    net = HeatmapLocalizer(3, (64, 64), (0.5, 0.5))
    logits = torch.full((1, 16, 16), -20.0)
    logits[0, 3, 12], logits[0, 10, 2], logits[0, 4, 12] = 2.0, 1.0, 1.9
    theta, weights = net.glimpses(logits, 2)
    # The third logit lies beside the first and belongs to it.
    (u, v), second = theta[0, 0, :, 2], theta[0, 1, :, 2]
    share = 1 / (1 + np.exp(0.1))
    assert u.item() == pytest.approx((2 * 12 + 1) / 16 - 1, abs=1e-5)
    assert v.item() == pytest.approx((2 * (3 + share) + 1) / 16 - 1, abs=1e-5)
    np.testing.assert_allclose(second, [(2 * 2 + 1) / 16 - 1, (2 * 10 + 1) / 16 - 1], atol=1e-5)
    masses = np.array([np.exp(2) + np.exp(1.9), np.exp(1)])
    np.testing.assert_allclose(weights.exp()[0], masses / masses.sum(), rtol=1e-5)


def test_more_glimpses_than_there_are_peaks():
    net = HeatmapLocalizer(3, (16, 16), (0.5, 0.5), view=16)
    theta, weights = net.glimpses(torch.zeros(1, 4, 4), 5)
    assert torch.isfinite(theta).all()
    assert weights.exp()[0, -1] < 1e-6
