"""Sampler, composition, weights."""

import numpy as np
import pytest
import torch
from torch import nn

from stnclf.geometry import view_theta
from stnclf.networks import (
    ConvPool,
    Inception,
    compose,
    conv_norm,
    in_float32,
    initialize,
    named,
    positional_names,
    reduction_for,
    sample,
    view_size,
)


def sample_by_loop(image, theta, size):
    """One channel, bilinear, reflection at the outer edges: pixel by pixel."""
    height, width = image.shape
    out = np.empty(size)

    def pixel(row, column):
        # Reflection about the edge: ... 1 0 | 0 1 2 ...
        row, column = row % (2 * height), column % (2 * width)
        row = 2 * height - 1 - row if row >= height else row
        column = 2 * width - 1 - column if column >= width else column
        return image[row, column]

    for i in range(size[0]):
        for j in range(size[1]):
            u, v = (2 * j + 1) / size[1] - 1, (2 * i + 1) / size[0] - 1
            su, sv = theta @ [u, v, 1]
            x, y = ((su + 1) * width - 1) / 2, ((sv + 1) * height - 1) / 2
            x0, y0 = int(np.floor(x)), int(np.floor(y))
            fx, fy = x - x0, y - y0
            out[i, j] = (
                pixel(y0, x0) * (1 - fx) * (1 - fy)
                + pixel(y0, x0 + 1) * fx * (1 - fy)
                + pixel(y0 + 1, x0) * (1 - fx) * fy
                + pixel(y0 + 1, x0 + 1) * fx * fy
            )
    return out


@pytest.mark.parametrize("angle", [0.0, 0.6, 3.9])
def test_sampler_equals_a_plain_loop(angle):
    image = np.random.default_rng(0).random((11, 17))
    theta = view_theta([[12.3, 2.2]], (8, 10), np.array([angle]), (11, 17))
    ours = sample(torch.from_numpy(image[None, None]), torch.from_numpy(theta), (7, 5))[
        0, 0
    ].numpy()
    np.testing.assert_allclose(ours, sample_by_loop(image, theta[0], (7, 5)), atol=1e-9)


def test_large_reductions_average_instead_of_skipping():
    image = torch.rand(1, 2, 64, 64, generator=torch.Generator().manual_seed(0))
    theta = torch.eye(2, 3)[None]
    reduction = reduction_for((64, 64), (8, 8))
    assert reduction == (4, 4)
    mean = image.reshape(1, 2, 8, 8, 8, 8).mean((3, 5))
    torch.testing.assert_close(sample(image, theta, (8, 8), reduction), mean)
    assert (sample(image, theta, (8, 8)) - mean).abs().max() > 0.1


def test_reduction_is_of_each_axis():
    # A long row must not be sampled finely across, where there is one pixel.
    assert reduction_for((1, 2000), (32, 32)) == (1, 32)
    image = torch.rand(1, 1, 2, 64, generator=torch.Generator().manual_seed(0))
    reduced = sample(image, torch.eye(2, 3)[None], (2, 8), (1, 4))
    torch.testing.assert_close(reduced, image.reshape(1, 1, 2, 8, 8).mean(4))


def test_sampler_gradient_with_respect_to_theta():
    # Smooth image: bilinear interpolation has kinks where finite differences would straddle.
    yy, xx = torch.meshgrid(torch.arange(12.0), torch.arange(9.0), indexing="ij")
    image = (0.3 * xx + 0.1 * yy)[None, None].double()
    theta = torch.tensor([[[0.5, 0.05, 0.1], [-0.1, 0.4, -0.05]]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda t: sample(image, t, (4, 3)), theta.requires_grad_())


def test_compose_applies_inner_first():
    generator = torch.Generator().manual_seed(0)
    outer, inner = torch.randn(2, 3, 2, 3, generator=generator)
    point = torch.randn(3, 2, 1, generator=generator)

    def apply(theta, p):
        return theta[:, :, :2] @ p + theta[:, :, 2:]

    torch.testing.assert_close(
        apply(compose(outer, inner), point), apply(outer, apply(inner, point))
    )


def test_initialize_is_decided_by_the_generator_alone():
    weights = []
    for outside, seed in [(1, 5), (2, 5), (2, 6)]:
        torch.manual_seed(outside)
        block = ConvPool(3, 4, 3)
        state = torch.get_rng_state()
        initialize(block, torch.Generator().manual_seed(seed))
        assert torch.equal(torch.get_rng_state(), state)
        weights.append(block.conv.weight.detach().clone())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])


def test_inception_equals_its_four_branches():
    block = initialize(Inception(5, 2, 3, 4, 2, 3, 1), torch.Generator().manual_seed(0))
    x = torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(1))
    conv, relu = torch.nn.functional.conv2d, torch.relu
    w, b = block.pointwise.weight, block.pointwise.bias
    ones = relu(conv(x, w[:2], b[:2]))
    threes = relu(block.threes(relu(conv(x, w[2:5], b[2:5]))))
    fives = relu(block.fives(relu(conv(x, w[5:7], b[5:7]))))
    pooled = relu(block.pooled(torch.nn.functional.max_pool2d(x, 3, 1, 1)))
    torch.testing.assert_close(block(x), torch.cat([ones, threes, fives, pooled], 1))
    assert block.n_out == 10


def test_relu_after_the_maximum_is_relu_before_it():
    block = initialize(ConvPool(3, 4, 3, padding=1), torch.Generator().manual_seed(0))
    x = torch.randn(2, 3, 8, 6, generator=torch.Generator().manual_seed(1))
    before = torch.nn.functional.max_pool2d(torch.relu(block[0](x)), 2)
    torch.testing.assert_close(block(x), before)


def test_view_size_keeps_the_aspect():
    assert view_size((50, 100), 64) == (32, 64)
    assert view_size((100, 50), 64) == (64, 32)
    assert view_size((2, 100), 64, minimum=16) == (16, 64)


def test_sampling_within_a_place_sees_nothing_beyond_it():
    images = torch.rand(2, 3, 40, 60, generator=torch.Generator().manual_seed(0))
    # The part is 20 px high and 30 px wide and starts at row 8, column 12.
    place = torch.tensor([[0.5, 0.0, (2 * 27) / 60 - 1], [0.0, 0.5, (2 * 18) / 40 - 1]])
    theta = torch.tensor(
        [[[0.7, 0.1, 0.5], [-0.2, 0.9, -0.6]], [[1.5, 0.0, -1.1], [0.0, 0.4, 0.9]]]
    )
    # Interpolation reads half a pixel across the part's edges.
    images[:, :, 7], images[:, :, 28] = images[:, :, 8], images[:, :, 27]
    images[:, :, :, 11], images[:, :, :, 42] = images[:, :, :, 12], images[:, :, :, 41]
    part = images[:, :, 8:28, 12:42]
    got = sample(images, theta, (9, 11), patch_theta=place.expand(2, 2, 3))
    torch.testing.assert_close(got, sample(part, theta, (9, 11)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("sizes", [(100, 2), (100, 3), (128, 1), (256, 4), (20, 6)])
def test_output_layers_do_not_mind_where_in_a_batch_a_row_stands(sizes):
    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.Linear(*sizes)
    x = torch.rand(1, sizes[0], generator=generator)
    with torch.no_grad():
        rows = in_float32(layer, x.expand(8, -1).contiguous())
    assert all(torch.equal(row, rows[0]) for row in rows)
    torch.testing.assert_close(rows, in_float32(layer, x.expand(8, -1)))  # where it learns
    expected = (layer.weight.double() @ x[0].double() + layer.bias.double()).float()
    torch.testing.assert_close(rows[0], expected.detach())


def test_layers_have_names_and_had_positions():
    made = named(conv_norm("stem", 3, 4, 5, pool=True), {"mean": nn.AvgPool2d(2)})
    assert list(made._modules) == ["conv_stem", "norm_stem", "pool_stem", "relu_stem", "mean"]
    block = nn.ModuleDict(
        {"own": nn.Sequential(made, nn.Conv2d(4, 2, 1)), "pool": ConvPool(3, 2, 1)}
    )
    found = positional_names(block)
    assert found["own.0.conv_stem.weight"] == "own.0.0.weight"
    assert found["own.0.norm_stem.running_mean"] == "own.0.1.running_mean"
    assert found["own.1.bias"] == "own.1.bias"
    assert found["pool.conv.bias"] == "pool.0.bias"
    assert list(found) == list(block.state_dict())
