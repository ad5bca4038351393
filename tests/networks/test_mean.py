"""The mean of probabilities, from their logarithms."""

import pytest
import torch

from stnclf.networks._mean import log_sum_exp


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_it_is_the_logarithm_of_the_sum(dim):
    values = 9 * torch.randn((8, 2, 3), generator=torch.Generator().manual_seed(0))
    values[0, 0] = -1e9  # what has no weight
    wanted = values.double().logsumexp(dim)
    torch.testing.assert_close(log_sum_exp(values, dim).double(), wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_the_order_of_samples_changes_no_bit(n_classes):
    for seed in range(50):
        values = 5 * torch.randn((8, 3, n_classes), generator=torch.Generator().manual_seed(seed))
        found = log_sum_exp(values, 0)
        assert torch.equal(log_sum_exp(values.flip(1), 0), found.flip(0))
