"""Batches: their rows, their order, and that nothing more is read than needed."""

import numpy as np
import pytest
import torch

from stnclf.sampling import (
    Augmentation,
    TrainingBatches,
    balanced_index,
    channel_statistics,
    held_out_batches,
    patch_batches,
)
from tests.sampling.samples import make_data


def test_offsets_keep_the_whole_cell_inside():
    data = make_data(n=300, image=(60, 80))
    offsets = TrainingBatches(data, (0, 1), 32, None, True, Augmentation.only(True)).plan(0).offsets
    reach_x, reach_y = data.frame.reach
    assert (reach_x, reach_y) == (12, 8)
    assert np.abs(offsets[:, 0]).max() <= 12
    assert np.abs(offsets[:, 1]).max() <= 8
    assert np.abs(offsets).max(0).tolist() > [11.0, 7.0]  # ... and all of the room is used


def test_balancing_deletes_down_to_the_smallest_class():
    y = np.repeat([0, 1, 2], [50, 7, 20])
    chosen = [balanced_index(y, np.random.default_rng(seed)) for seed in range(3)]
    for index in chosen:
        assert np.bincount(y[index]).tolist() == [7, 7, 7]
        assert len(set(index)) == 21
    assert not np.array_equal(chosen[0], chosen[1])


def uneven(balance=True, rotate=True):
    data = make_data(n=40)
    data.y = np.repeat([0, 1], [30, 10])
    return TrainingBatches(data, (5, 1), 8, None, balance, Augmentation.only(rotate))


def test_balance_is_drawn_anew_once_or_not_at_all():
    each = uneven()
    assert set(each.plan(0)[0]) != set(each.plan(1)[0])
    once = uneven(balance="fixed")
    assert set(once.plan(0)[0]) == set(once.plan(1)[0])
    assert len(once.plan(0)[0]) == 20
    assert sorted(uneven(balance=False).plan(0)[0]) == list(range(40))


def test_rotated_copy_doubles_the_epoch():
    index, angles = uneven(rotate="copy").plan(0)[:2]
    assert len(index) == 40
    assert (angles == 0).sum() == 20
    for i in set(index):
        assert sorted(angles[index == i] == 0) == [False, True]


def test_no_rotation_on_request_and_none_for_rows_of_pixels():
    assert not uneven(rotate=False).plan(0)[1].any()
    row = make_data(image=(1, 30), patch=(1, 30), cell=(1, 30))
    row.centers[:] = [14.5, 0]
    batches = TrainingBatches(row, (0, 1), 8, None, True, Augmentation())
    assert set(batches.plan(0).flips) == {1}  # mirrored, its values would change places
    assert not batches.plan(0)[1].any()
    assert not batches.plan(0)[2].any()  # nor is there room to move it


def test_epochs_differ_and_are_repeatable():
    first, again, other = uneven(), uneven(), uneven()
    other.seed = [6, 1]
    for a, b in zip(first.plan(3), again.plan(3)):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.plan(3)[1], first.plan(4)[1])
    assert not np.array_equal(first.plan(3)[1], other.plan(3)[1])


def test_iterating_counts_batches_and_epochs():
    batches = uneven()
    sizes = [len(batch) for batch in batches]
    assert sizes == [8, 8, 4]
    assert batches.n_batches() == 3
    assert batches.epoch == 1
    copies = uneven(rotate="copy", balance=False)
    assert len(list(copies)) == copies.n_batches() == 10


def test_held_out_batches_are_moved_the_same_way_every_time():
    data = make_data(n=50)
    data.centers[:] = [39.5, 29.5]  # all in the middle: that must not be the answer
    first, again = (list(held_out_batches(data, 16, [7, 1])) for _ in range(2))
    assert [len(batch) for batch in first] == [16, 16, 16, 2]
    for a, b in zip(first, again):
        assert torch.equal(a.theta, b.theta)
        assert torch.equal(a.source, b.source)
    offsets = torch.cat([batch.theta[:, :, 2] for batch in first])
    assert offsets.std() > 0.2
    assert offsets.abs().max() <= 0.5
    other = next(held_out_batches(data, 16, [8, 1]))
    assert not torch.equal(other.theta, first[0].theta)


def test_patch_batches_give_the_central_patches_in_order():
    data = make_data(n=5, image=(61, 80))
    data.rows = np.array([4, 2, 0])
    batches = list(patch_batches(data, 2))
    assert [len(batch) for batch in batches] == [2, 1]
    assert batches[0].dtype == torch.uint8
    np.testing.assert_array_equal(batches[0][1], data.X[2, 14:46, 16:64])


def test_channel_statistics():
    rng = np.random.default_rng(0)
    X = rng.normal([5.0, -100.0], [0.5, 3.0], (20, 6, 7, 2))
    rows = np.array([1, 4, 9])
    mean, std = channel_statistics(X, rows)
    np.testing.assert_allclose(mean, X[rows].mean((0, 1, 2)))
    np.testing.assert_allclose(std, X[rows].std((0, 1, 2)))
    mean, std = channel_statistics(np.full((2, 3, 3, 1), 51, np.uint8), np.arange(2))
    assert (mean.item(), std.item()) == (pytest.approx(0.2), 1.0)
