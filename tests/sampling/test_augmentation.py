"""What an epoch draws, and the patches that come of it, pixel by pixel."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from stnclf.geometry import theta_centers, view_theta
from stnclf.networks import compose, sample
from stnclf.sampling import (
    Augmentation,
    CellDataset,
    Draws,
    Frame,
    TrainingBatches,
    cut,
    draw_batch,
    draw_positions,
)
from tests.sampling.samples import drawn, make_data, patches_of


def test_unturned_patch_is_an_integer_crop():
    data = make_data()
    index, offsets = np.array([3, 7]), np.array([[5.5, -2.5], [-7.5, 6.5]])
    batch = drawn(data, index, np.zeros(2), offsets)
    patches = patches_of(batch, (32, 48)).numpy()
    for patch, i, (dx, dy) in zip(patches, index, offsets):
        # The patch's middle is (23.5, 15.5), so that the cell comes to lie at integers.
        left = int(data.centers[i, 0] - (23.5 + dx))
        top = int(data.centers[i, 1] - (15.5 + dy))
        crop = data.X[i, top : top + 32, left : left + 48] / 255
        np.testing.assert_allclose(patch.transpose(1, 2, 0), crop, atol=1e-5)
    found = theta_centers(batch.theta, (32, 48))
    np.testing.assert_allclose(found, np.array([23.5, 15.5]) + offsets, atol=1e-4)


def test_turning_about_the_cell_leaves_the_cell_where_theta_says():
    # A bright dot at the annotated centre must come out at theta's centre, however turned.
    data = make_data(n=6, image=(96, 96), patch=(48, 64), cell=(16, 16))
    data.X[:] = 0
    for image, (x, y) in zip(data.X, data.centers.astype(int)):
        image[y, x] = 255
    rng = np.random.default_rng(1)
    offsets = rng.uniform(-1, 1, (6, 2)) * data.frame.reach
    batch = drawn(data, np.arange(6), rng.uniform(0, 2 * np.pi, 6), offsets)
    patches = patches_of(batch, (48, 64)).numpy().sum(1)
    mass = patches.sum((1, 2))
    x = (patches.sum(1) * np.arange(64)).sum(1) / mass
    y = (patches.sum(2) * np.arange(48)).sum(1) / mass
    expected = theta_centers(batch.theta, (48, 64))
    # Bilinear weights of a turned single pixel pull its centre of mass a little.
    np.testing.assert_allclose(np.stack([x, y], 1), expected, atol=0.35)


def test_window_through_theta_is_the_cell_turned_only():
    # Wherever the patch lies, the window on the true centre shows the same pixels.
    data = make_data(image=(120, 120), patch=(48, 48), cell=(16, 16))
    index, angles = np.array([2, 2]), np.array([0.8, 0.8])
    batch = drawn(data, index, angles, np.array([[0.0, 0.0], [15.0, -11.0]]))
    windows = sample(batch.images(), compose(batch.patch_theta, batch.theta), (16, 16))
    torch.testing.assert_close(windows[0], windows[1], atol=2e-3, rtol=0)
    small = drawn(data, index[:1], angles[:1], np.array([[3.0, 4.0]]), around=1.0)
    window = sample(small.images(), compose(small.patch_theta, small.theta), (16, 16))
    torch.testing.assert_close(window[0], windows[0], atol=2e-3, rtol=0)
    assert small.source.shape[1] < batch.source.shape[1]


def test_context_outside_the_patch_is_used_and_reflection_only_beyond_the_image():
    data = make_data(n=1, image=(40, 40), patch=(32, 32), cell=(16, 16))
    data.centers[:] = [[19.5, 19.5]]
    # The cell moved 7 px to the right and down: the patch starts 3 px beyond the image.
    batch = drawn(data, np.array([0]), np.zeros(1), np.array([[7.0, 7.0]]))
    patch = patches_of(batch, (32, 32))[0].numpy().transpose(1, 2, 0)
    reflected = np.pad(data.X[0], ((3, 0), (3, 0), (0, 0)), mode="symmetric")[:32, :32] / 255
    np.testing.assert_allclose(patch, reflected, atol=1e-5)


@pytest.mark.parametrize("center", [(0.0, 0.0), (79.0, 59.0), (40.2, 0.4)])
def test_cut_stays_inside_the_image(center):
    data = make_data(n=1)
    source, corners = cut(data.X, np.array([0]), np.array([center]), (20, 30))
    (left, top), (height, width) = corners[0], source.shape[1:3]
    assert (height, width) == (20, 30)
    np.testing.assert_array_equal(source[0], data.X[0, top : top + 20, left : left + 30])


def test_cut_takes_all_of_a_small_image():
    data = make_data(n=1)
    source, corners = cut(data.X, np.array([0]), np.array([[40.0, 30.0]]), (100, 50))
    assert source.shape == (1, 60, 50, 3)
    assert corners.tolist() == [[15, 0]]


@pytest.mark.parametrize("seed", range(5))
def test_cut_holds_every_pixel_that_a_turned_view_reads(seed):
    # With a cut the patch must look as it does from the whole image.
    rng = np.random.default_rng(seed)
    data = make_data(n=4, image=(150, 170), patch=(40, 60), cell=(20, 30), seed=seed)
    data.centers = rng.uniform((0, 0), (169, 149), (4, 2))
    angles, offsets = rng.uniform(0, 2 * np.pi, 4), rng.uniform(-1, 1, (4, 2)) * (15, 10)
    batch = drawn(data, np.arange(4), angles, offsets)
    assert batch.source.shape[1] < 150
    near = patches_of(batch, (40, 60))
    huge = Frame((150, 170), (40, 60), (20, 30))
    whole = CellDataset(data.X, data.rows, data.y, data.centers, data.weight, huge)
    import stnclf.sampling as sampling

    original, sampling.cut = sampling.cut, lambda X, i, c, s: cut(X, i, c, (150, 170))
    try:
        far = patches_of(drawn(whole, np.arange(4), angles, offsets), (40, 60))
    finally:
        sampling.cut = original
    torch.testing.assert_close(near, far, atol=1e-3, rtol=0)


def changed(data, index, **changes):
    return Draws.plain(data, index)._replace(**{k: np.asarray(v) for k, v in changes.items()})


def test_a_flip_mirrors_the_patch_and_not_where_the_cell_is():
    data = make_data(n=3, image=(90, 90), patch=(40, 40), cell=(16, 20))
    index = np.array([1, 2])
    draws = changed(data, index, offsets=[[6.0, 3.0], [-2.0, 5.0]], flips=[-1.0, 1.0])
    plain = changed(data, index, offsets=[[-6.0, 3.0], [-2.0, 5.0]])
    batch, straight = draw_batch(data, draws), draw_batch(data, plain)
    mirrored, same = patches_of(batch, (40, 40))
    torch.testing.assert_close(
        mirrored, patches_of(straight, (40, 40))[0].flip(2), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(same, patches_of(straight, (40, 40))[1])
    found = theta_centers(batch.theta, (40, 40))
    np.testing.assert_allclose(found, 19.5 + draws.offsets, atol=1e-4)


def test_a_magnified_patch_keeps_its_cell_where_it_was():
    # At twice the size, 20 x 24 px of the image fill the patch; whatever its angle, and mirrored.
    data = make_data(n=3, image=(90, 90), patch=(40, 48), cell=(16, 20))
    index, offsets = np.array([2, 0, 1]), [[6.0, 4.0], [-4.0, 8.0], [2.0, -6.0]]
    draws = changed(data, index, offsets=offsets, angles=[0.0, 0.0, np.pi / 2], zooms=[2.0, 1, 2])
    mirrored = draws._replace(flips=np.array([-1.0, 1.0, 1.0]))
    big, plain, turned = patches_of(draw_batch(data, draws), (40, 48))
    np.testing.assert_allclose(
        theta_centers(draw_batch(data, draws).theta, (40, 48)),
        (23.5, 19.5) + draws.offsets,
        atol=1e-4,
    )
    x, y = data.centers[2]
    place = view_theta([[x - 3.0, y - 2.0]], (20, 24), 0.0, (90, 90))
    torch.testing.assert_close(big, pixels_at(data, 2, place, (40, 48)), atol=2e-3, rtol=0)
    x, y = data.centers[0]
    place = view_theta([[x + 4.0, y - 8.0]], (40, 48), 0.0, (90, 90))
    torch.testing.assert_close(plain, pixels_at(data, 0, place, (40, 48)), atol=2e-3, rtol=0)
    # Turned by a quarter, right in the patch is down in the image, and down is left.
    x, y = data.centers[1]
    place = view_theta([[x - 3.0, y - 1.0]], (20, 24), np.pi / 2, (90, 90))
    torch.testing.assert_close(turned, pixels_at(data, 1, place, (40, 48)), atol=2e-3, rtol=0)
    x, y = data.centers[2]
    place = view_theta([[x + 3.0, y - 2.0]], (20, 24), 0.0, (90, 90))
    straight = pixels_at(data, 2, place, (40, 48))
    torch.testing.assert_close(
        patches_of(draw_batch(data, mirrored), (40, 48))[0], straight.flip(2), atol=2e-3, rtol=0
    )


def pixels_at(data, row, place, size):
    """What a transform shows of one whole image."""
    image = torch.from_numpy(data.X[data.rows[row]][None]).permute(0, 3, 1, 2) / 255
    return sample(image, torch.from_numpy(place).float(), size)[0]


@pytest.mark.parametrize("around", [None, 1.0])
def test_sources_hold_all_that_a_patch_made_smaller_shows(around):
    data = make_data(n=4, image=(150, 160))
    index, angles = np.arange(4), [0.3, 1.2, 2.0, 4.0]
    draws = changed(data, index, offsets=[[4.0, 3.0]] * 4, angles=angles, zooms=[0.7, 1, 1.3, 0.8])
    batch = draw_batch(data, draws, around)
    assert batch.source.shape[1] < 150
    whole = torch.from_numpy(data.X[data.rows[index]]).permute(0, 3, 1, 2) / 255
    positions = draw_positions(data, draws).patch_theta
    if around:
        near = sample(batch.images(), batch.theta, (16, 24), patch_theta=batch.patch_theta)
        far = sample(whole, batch.theta, (16, 24), patch_theta=positions)
    else:
        near = sample(batch.images(), batch.patch_theta, (32, 48))
        far = sample(whole, positions, (32, 48))
    torch.testing.assert_close(near, far, atol=2e-3, rtol=0)


def test_a_row_of_pixels_is_not_magnified():
    data = make_data(n=40, image=(1, 90), patch=(1, 48), cell=(1, 16))
    augment = Augmentation(scale=0.5)
    draws = TrainingBatches(data, (0, 1), 32, None, False, augment).plan(0)
    assert (draws.zooms == 1).all()


def test_what_is_drawn_beside_places_stays_in_its_bounds():
    augment = Augmentation(color=0.2, center=0.1, scale=0.25)
    data = make_data(n=400)
    draws = TrainingBatches(data, (0, 1), 32, None, False, augment).plan(0)
    plain = TrainingBatches(data, (0, 1), 32, None, False, Augmentation.only(True)).plan(0)
    for name in ("index", "angles", "offsets"):  # these are the same with and without
        np.testing.assert_array_equal(getattr(draws, name), getattr(plain, name))
    assert 150 < (draws.flips == -1).sum() < 250
    assert set(draws.flips) == {-1, 1}
    assert set(plain.flips) == {1}
    largest = np.abs(draws.jitter).max(0)  # the cell is 24 px wide and 16 px high
    assert (largest <= (2.4, 1.6)).all()
    assert (largest > (2.3, 1.5)).all()
    assert not plain.jitter.any()
    factor, shift = draws.color.transpose(1, 0, 2)
    assert 0.19 < np.abs(factor - 1).max() <= 0.2
    assert 0.38 < np.abs(shift).max() <= 0.4
    assert (plain.color == [[1, 1, 1], [0, 0, 0]]).all()
    assert 0.8 <= draws.zooms.min() < 0.81
    assert 1.24 < draws.zooms.max() <= 1.25
    assert abs(np.log(draws.zooms).mean()) < 0.02  # as often smaller as larger
    assert (plain.zooms == 1).all()


def test_the_shown_window_misses_the_cell_by_the_jitter():
    data = make_data(n=3)
    draws = changed(data, np.arange(3), jitter=[[2.0, -1.0], [0.0, 0.0], [-3.0, 4.0]])
    batch = draw_batch(data, draws, around=1.0)
    true, shown = (theta_centers(t, (32, 48)) for t in (batch.theta, batch.shown))
    np.testing.assert_allclose(shown - true, draws.jitter, atol=1e-4)
    # The small source holds all that the window shows.
    whole = draw_batch(data, draws)
    assert batch.source.shape[1] < whole.source.shape[1]
    windows = [
        sample(b.images(), b.shown, (16, 24), patch_theta=b.patch_theta) for b in (batch, whole)
    ]
    torch.testing.assert_close(*windows, atol=1e-4, rtol=0)


def test_places_are_those_of_the_batches():
    data = make_data(n=9, image=(70, 90))
    data.rows = np.arange(9)[::-1].copy()
    augment = Augmentation(color=0.2, center=0.1, scale=0.1)
    one, other = (TrainingBatches(data, (0, 1), 4, None, False, augment) for _ in "ab")
    positions = one.positions()
    whole = data.X[data.rows[positions.source]]
    images = torch.from_numpy(whole).permute(0, 3, 1, 2) / 255
    patches = sample(images, positions.patch_theta, (32, 48))
    parts = list(other)
    near = torch.cat([patches_of(part, (32, 48)) for part in parts])
    torch.testing.assert_close(patches, near, atol=2e-3, rtol=0)
    for name in ("theta", "shown", "y", "weight", "color"):
        torch.testing.assert_close(
            getattr(positions, name), torch.cat([getattr(part, name) for part in parts])
        )
    assert one.epoch == other.epoch == 1
    assert len(draw_positions(data, Draws.plain(data, np.array([3])))) == 1


def test_an_augmentation_is_an_object_of_scikit_learn():
    one = Augmentation(rotate="copy", color=0.25)
    parameters = {"rotate": "copy", "flip": True, "scale": 0.0, "color": 0.25, "center": 0.03}
    parameters["stain"] = 0.0
    assert one.get_params() == parameters
    copy = clone(one).set_params(flip=False, center=0.5)
    assert copy.get_params() == {**parameters, "flip": False, "center": 0.5}
    assert one.get_params() == parameters
    assert repr(copy) == "Augmentation(center=0.5, color=0.25, flip=False, rotate='copy')"
    only = {"rotate": True, "flip": False, "scale": 0.0, "color": 0.0, "center": 0.0}
    assert Augmentation.only(True).get_params() == {**only, "stain": 0.0}
    one.check()


@pytest.mark.parametrize(
    ("name", "value"), [("rotate", 1.5), ("flip", "yes"), ("scale", 1), ("color", -0.1)]
)
def test_a_wrong_parameter_is_named(name, value):
    wrong = Augmentation().set_params(**{name: value})
    with pytest.raises(ValueError, match=f"augment: The '{name}' parameter of Aug.*Got {value!r}"):
        wrong.check()


def test_neighbours_come_to_lie_where_their_pixels_do():
    # A bright dot at each neighbour; the patch is turned, moved, mirrored and magnified.
    n, size = 8, (52, 68)
    rng = np.random.default_rng(4)
    neighbors = np.full((n, 3, 3), np.nan)
    neighbors[:, 0] = np.stack([*rng.integers(62, 92, (2, n)), np.arange(n) % 3], 1)
    neighbors[::2, 1] = [[10, 20, -1]] * 4
    frame = Frame((150, 150), size, (16, 16))
    X = np.zeros((n, 150, 150, 3), np.uint8)
    for image, (x, y) in zip(X, neighbors[:, 0, :2].astype(int)):
        image[y, x] = 255
    centers = 74.5 + rng.uniform(-4, 4, (n, 2))
    weight, y = np.ones(n, np.float32), np.arange(n) % 3
    data = CellDataset(X, np.arange(n), y, centers, weight, frame, neighbors)
    draws = Draws.plain(data, np.arange(n), rng.uniform(0, 6, n), rng.uniform(-5, 5, (n, 2)))
    draws.flips[::2] = -1
    draws.zooms[:] = rng.uniform(0.8, 1.2, n)
    for batch in (draw_batch(data, draws), draw_positions(data, draws)):
        if batch.source.ndim == 1:
            batch.source = torch.from_numpy(X[batch.source])
        patches = patches_of(batch, size).numpy().sum(1)
        mass = patches.sum((1, 2))
        u = (patches.sum(1) * ((2 * np.arange(68) + 1) / 68 - 1)).sum(1) / mass
        v = (patches.sum(2) * ((2 * np.arange(52) + 1) / 52 - 1)).sum(1) / mass
        found = batch.neighbors.numpy()
        np.testing.assert_allclose(found[:, 0, 0], u, atol=0.5 * 2 / 68)
        np.testing.assert_allclose(found[:, 0, 1], v, atol=0.5 * 2 / 52)
        assert found[:, 0, 2].tolist() == (np.arange(n) % 3).tolist()
        assert np.isnan(found[:, 2]).all()
        assert np.isnan(found[1::2, 1]).all()
        assert batch.is_cell.all()


def test_where_there_is_no_cell_the_patch_is_drawn_about_the_middle():
    data = make_data()
    centers = data.centers.copy()
    centers[[1, 4]] = np.nan
    frame, n = data.frame, len(data)
    again = CellDataset(data.X, np.arange(n), data.y, centers, data.weight, frame)
    assert again.is_cell.tolist() == [i not in (1, 4) for i in range(n)]
    middle = [(80 - 1) / 2, (60 - 1) / 2]
    data.centers[[1, 4]] = middle
    draws = Draws.plain(data, np.arange(n), 0.3, (2.0, -1.0))
    one, other = draw_batch(data, draws), draw_batch(again, draws)
    assert torch.equal(one.source, other.source)
    assert torch.equal(one.theta, other.theta)
    assert other.is_cell.tolist() == again.is_cell.tolist()
    assert other.neighbors.shape == (n, 0, 3)
