"""Networks side by side, and the window on which they agree."""

import numpy as np
import pytest
import torch

from stnclf.networks import CiresanNet, EnsembleNet, agreed_theta, centred_theta, mean_logits

PATCH = (40, 80)


def thetas(points):
    """Return transforms with windows in the middle of points (x, y), in px from the middle."""
    points = torch.tensor(points, dtype=torch.float32).view(-1, 2)
    return centred_theta(points / torch.tensor([40.0, 20.0]), (0.5, 0.25))[None]


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(3, 2)], (3, 2)),
        # The third chose another cell, which is as far in y as x is allowed to be in units of 1.
        ([(0, 0), (2, 0), (2, 9)], (1, 0)),
        ([(20, -8), (0, 0), (4, 0), (2, 3)], (2, 1)),
        # Nobody agrees: the one nearest to the others.
        ([(-30, 0), (2, 1), (30, 0)], (2, 1)),
        # A chain: the one in the middle agrees with both ends.
        ([(-5, 0), (0, 1), (5, 0)], (0, 1 / 3)),
        # Two pairs; the closer one to all is taken.
        ([(0, 0), (0, 2), (30, 0), (30, 4)], (0, 1)),
        # Two that differ: the first.
        ([(7, 0), (-7, 0)], (7, 0)),
    ],
)
def test_agreed_theta_is_the_mean_of_the_largest_group(points, expected):
    theta = agreed_theta(thetas(points), PATCH, radius=5.5)
    x, y = (theta[0, :, 2] * torch.tensor([40.0, 20.0])).tolist()
    assert (x, y) == pytest.approx(expected, abs=1e-5)
    assert theta[0, :, :2].tolist() == [[0.5, 0.0], [0.0, 0.25]]


def test_each_image_has_groups_of_its_own():
    both = torch.cat([thetas([(0, 0), (2, 0), (30, 9)]), thetas([(0, 0), (30, 7), (30, 9)])])
    x, y = (agreed_theta(both, PATCH, 5)[:, :, 2] * torch.tensor([40.0, 20.0])).T
    np.testing.assert_allclose(x, [1, 30], atol=1e-5)
    np.testing.assert_allclose(y, [0, 8], atol=1e-5)


def test_mean_logits_are_those_of_mean_probabilities():
    proba = torch.tensor([[[0.9, 0.1], [0.5, 0.5]]])
    logits = proba.log() + torch.tensor([[[7.0], [-3.0]]])  # shifts do not count
    np.testing.assert_allclose(mean_logits(logits).exp(), [[0.7, 0.3]], rtol=1e-6)


def test_members_are_side_by_side():
    members = [
        CiresanNet(3, 4, (70, 90), (40, 40), torch.zeros(3), torch.ones(3)).eval() for _ in range(2)
    ]
    net = EnsembleNet(members, (70, 90), (40, 20))
    assert net.radius == 5
    assert net.members[1] is members[1]
    patches = torch.rand(3, 3, 70, 90)
    with torch.no_grad():
        each = [member(patches)[0] for member in members]
        assert torch.equal(net.predict(patches)[0][:, 1], each[1])
        assert net.scores(patches).shape == (3, 2, 4)
        logits, theta = net(patches)
        assert torch.equal(net.locate(patches).theta, theta)
    expected = (each[0].softmax(1) + each[1].softmax(1)) / 2
    np.testing.assert_allclose(logits.exp(), expected, rtol=1e-5)
    assert net.look(patches).shape == (3, 3, 70, 90)
    net.resizes = True
    assert [part.resizes for part in (*members, net)] == [True] * 3
