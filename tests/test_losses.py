"""Equations 4 to 9, with numbers worked out by hand and gradients against finite differences."""

import math

import pytest
import torch

from stnclf.losses import (
    classification_loss,
    guided_loss,
    heatmap_loss,
    localization_loss,
    objectness_loss,
)

TRUE = torch.tensor([[[0.5, 0.0, 0.25], [0.0, 0.5, -0.125]]], dtype=torch.float64)


def test_equation_4_by_hand():
    logits = torch.log(torch.tensor([[0.2, 0.7, 0.1], [0.5, 0.25, 0.25]]))
    loss = classification_loss(logits, torch.tensor([1, 2]))
    torch.testing.assert_close(loss, torch.tensor([-math.log(0.7), -math.log(0.25)]))


def test_equation_8_by_hand():
    t1, t2, tx, t3, t4, ty = 0.6, 0.2, 0.5, 0.3, 0.4, 0.0
    guess = torch.tensor([[[t1, t2, tx], [t3, t4, ty]]], dtype=torch.float64)
    scale_x, scale_y = math.sqrt(t1**2 + t3**2), math.sqrt(t2**2 + t4**2)
    expected = (
        (tx - 0.25) ** 2
        + (ty + 0.125) ** 2
        + (scale_x - 0.5) ** 2
        + (scale_y - 0.5) ** 2
        + (t1 - t4) ** 2
        + (t2 + t3) ** 2
    )
    assert localization_loss(guess, TRUE).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("angle", [0.0, 0.4, 2.0, -1.3])
def test_rotation_is_free(angle):
    guess = TRUE.clone()
    c, s = 0.5 * math.cos(angle), 0.5 * math.sin(angle)
    guess[0, :, :2] = torch.tensor([[c, -s], [s, c]])
    assert localization_loss(guess, TRUE).item() == pytest.approx(0.0, abs=1e-15)


def test_shear_and_mirror_are_not_free():
    mirror = TRUE.clone()
    mirror[0, 0, 0] = -0.5
    assert localization_loss(mirror, TRUE).item() == pytest.approx(1.0)
    shear = TRUE.clone()
    shear[0, 0, 1] = 0.3
    assert localization_loss(shear, TRUE).item() > 0.08


def test_unequal_scales_have_their_zero():
    true = torch.tensor([[[0.25, 0.0, 0.1], [0.0, 0.5, 0.2]]])
    assert localization_loss(true.clone(), true).item() == 0.0


def test_localization_gradient():
    torch.manual_seed(0)
    guess = (TRUE + 0.3 * torch.randn(4, 2, 3, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda g: localization_loss(g, TRUE.expand(4, 2, 3)), guess)


def test_localization_gradient_is_finite_where_the_window_collapses():
    guess = torch.zeros(1, 2, 3, requires_grad=True)
    localization_loss(guess, TRUE.float()).sum().backward()
    assert torch.isfinite(guess.grad).all()


def test_classification_and_guided_gradients():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, dtype=torch.float64, generator=generator).requires_grad_()
    target = torch.tensor([0, 3, 1])
    assert torch.autograd.gradcheck(lambda z: classification_loss(z, target), logits)

    def joint(z, t):
        return guided_loss(
            localization_loss(t, TRUE.expand(3, 2, 3)), classification_loss(z, target), 0.7
        )

    noise = torch.randn(3, 2, 3, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(joint, (logits, (TRUE + 0.2 * noise).requires_grad_()))


def test_equation_9_weighs_the_class():
    assert guided_loss(torch.tensor(2.0), torch.tensor(3.0), kappa=0.5).item() == 3.5


def test_heatmap_gradient_and_minimum():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 6, dtype=torch.float64, generator=generator).requires_grad_()
    theta = TRUE.expand(2, 2, 3)
    assert torch.autograd.gradcheck(lambda z: heatmap_loss(z, theta), logits)
    # Gradient descent on the loss ends at zero, at the true place.
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for _ in range(400):
        optimizer.zero_grad()
        heatmap_loss(logits, theta).sum().backward()
        optimizer.step()
    assert heatmap_loss(logits, theta).max().item() < 1e-3


def test_convention_heatmap_rows_are_y():
    # u = 0.25 on 8 columns lies between columns 4 and 5 ((0.25 + 1) * 4 - 0.5 = 4.5), v = -0.125
    # on 4 rows at 1.25, so that row 1 wins over row 2.
    logits = torch.full((1, 4, 8), -20.0)
    right, wrong = logits.clone(), logits.clone()
    right[0, 1, 4] = right[0, 1, 5] = 0.0
    wrong[0, 3, 1] = wrong[0, 3, 2] = 0.0
    theta = TRUE.float()
    assert heatmap_loss(right, theta, 0.5) < heatmap_loss(wrong, theta, 0.5)


def best_heatmap(theta):
    """Logits of the Gaussian at a true centre on 4 rows and 8 columns."""
    u, v = theta[0, :, 2].tolist()
    x = torch.arange(8.0) - ((u + 1) * 4 - 0.5)
    y = torch.arange(4.0) - ((v + 1) * 2 - 0.5)
    return -(x**2 + y[:, None] ** 2) / 2


def plain_objectness(logits, cells, known):
    """The same by loops over positions, with the formulas written out."""
    height, width = logits.shape
    total = 0.0
    for row in range(height):
        for column in range(width):
            target, vague = 0.0, False
            for (u, v), is_known in zip(cells, known):
                if math.isnan(u):
                    continue
                x, y = ((u + 1) * width - 1) / 2, ((v + 1) * height - 1) / 2
                square = (column - x) ** 2 + (row - y) ** 2
                if is_known:
                    target = max(target, math.exp(-square / 2))
                else:
                    vague |= square <= 4
            if vague and target < 0.1:
                continue
            p = 1 / (1 + math.exp(-logits[row][column]))
            for t, q in ((target, p), (1 - target, 1 - p)):
                total += t * math.log(t / q) if t > 0 else 0.0
    return total


def test_objectness_by_loops():
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(3, 6, 9, generator=generator, dtype=torch.float64)
    cells = 2 * torch.rand(3, 4, 2, generator=generator, dtype=torch.float64) - 1
    known = torch.tensor([[True, True, False, True], [False] * 4, [True, False, True, True]])
    cells[0, 3], cells[2, 0] = math.nan, math.nan
    found = objectness_loss(logits, cells, known)
    for i in range(3):
        expected = plain_objectness(logits[i].numpy(), cells[i].tolist(), known[i].tolist())
        assert found[i].item() == pytest.approx(expected, rel=1e-9)
    assert plain_objectness(logits[1].numpy(), [], []) > found[1].item()  # some do not count


def test_objectness_is_zero_where_the_sigmoid_is_the_target():
    u, v = 2 * (2 + 0.5) / 7 - 1, 2 * (3 + 0.5) / 5 - 1
    columns, rows = torch.arange(7.0), torch.arange(5.0)[:, None]
    target = torch.exp(-((columns - 2) ** 2 + (rows - 3) ** 2) / 2).clamp(max=1 - 1e-6)
    logits = torch.logit(target)[None].requires_grad_()
    cells = torch.tensor([[[u, v]]])
    loss = objectness_loss(logits, cells, torch.ones(1, 1) > 0)
    assert abs(loss.item()) < 1e-4
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert gradient.abs().max() < 1e-5
    assert objectness_loss(logits.detach().roll(1, 2), cells, torch.ones(1, 1) > 0).item() > 1


def test_objectness_gradient():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    cells = torch.tensor([[[0.1, -0.4], [math.nan] * 2], [[0.7, 0.2], [-0.5, 0.1]]])
    known = torch.tensor([[True, True], [True, False]])
    assert torch.autograd.gradcheck(lambda x: objectness_loss(x, cells.double(), known), logits)
