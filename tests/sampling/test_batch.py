"""Batch and CellDataset: parts of a batch, and pixels as numbers from 0 to 1."""

import numpy as np
import pytest
import torch

from tests.sampling.samples import drawn, make_data, patches_of


def test_splitting_a_batch_loses_nothing():
    data = make_data()
    batch = drawn(data, np.arange(7), np.zeros(7), np.zeros((7, 2)))
    parts = batch.split(3)
    assert [len(part) for part in parts] == [3, 2, 2]
    assert torch.equal(torch.cat([part.source for part in parts]), batch.source)
    assert torch.equal(torch.cat([part.theta for part in parts]), batch.theta)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_sources_keep_uint8_and_become_zero_to_one(dtype):
    data = make_data(dtype=dtype)
    batch = drawn(data, np.arange(3), np.zeros(3), np.zeros((3, 2)))
    assert batch.source.dtype == (torch.uint8 if dtype == np.uint8 else torch.float32)
    images = batch.images()
    assert images.dtype == torch.float32
    assert images.shape[1] == 3
    assert 0.9 < images.max() <= 1.0


def test_only_the_rows_of_the_data_set_are_read():
    data = make_data(n=6)
    data.rows, data.y = np.array([5, 1]), np.array([0, 1])
    data.centers, data.weight = data.centers[[5, 1]], data.weight[:2]
    batch = drawn(data, np.array([1]), np.zeros(1), np.array([[0.5, 0.5]]))
    left, top = (data.centers[1] - (24.0, 16.0)).astype(int)
    patch = patches_of(batch, (32, 48))[0].numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(patch, data.X[1, top : top + 32, left : left + 48] / 255, atol=1e-5)
