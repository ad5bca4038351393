"""The conventions: points (x, y), sizes (height, width), edges at -1 and 1, direction of theta."""

import numpy as np
import pytest
import torch

from stnclf.geometry import (
    cell_theta,
    denormalize_points,
    normalize_points,
    patch_origin,
    theta_centers,
    view_theta,
    window_corners,
)
from stnclf.networks import sample


def test_convention_normalised_edges_and_axes():
    # 4 rows, 8 columns: the outer edges are half a pixel beyond the outermost pixel centres.
    points = [[-0.5, -0.5], [7.5, 3.5], [3.0, 3.0]]
    np.testing.assert_allclose(normalize_points(points, (4, 8)), [[-1, -1], [1, 1], [-0.125, 0.75]])


def test_normalize_round_trip():
    points = np.random.default_rng(0).uniform(-10, 50, (20, 2))
    there = normalize_points(points, (17, 40))
    np.testing.assert_allclose(denormalize_points(there, (17, 40)), points)


@pytest.mark.parametrize("size", [(128, 128), (96, 160)])
def test_convention_equation_3_is_exact(size):
    # A cell that lies D px from the middle has theta = 2 D / d_i, whatever the resolution.
    height, width = size
    offset = np.array([[10.0, -7.0]])
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    theta = cell_theta(middle + offset, size, (height // 2, width // 2))
    np.testing.assert_allclose(theta[0, :, 2], [2 * 10 / width, -2 * 7 / height])
    np.testing.assert_allclose(theta[0, :, :2], [[0.5, 0], [0, 0.5]])
    np.testing.assert_allclose(theta_centers(theta, size), middle + offset)


def test_convention_cell_size_is_height_width():
    theta = cell_theta([[0, 0]], (100, 200), (10, 50))
    assert theta[0, 0, 0] == 0.25  # x: 50 of 200
    assert theta[0, 1, 1] == 0.1  # y: 10 of 100


def test_convention_patch_origin_is_x_y():
    assert patch_origin((10, 20), (4, 8)) == (6, 3)
    assert patch_origin((5, 5), (2, 2)) == (1, 1)


def test_convention_direction_of_rotation():
    # Turned by 90 degrees, the view's right is the image's down.
    theta = view_theta([[30.0, 10.0]], (20, 20), np.array([np.pi / 2]), (40, 80))
    right = denormalize_points(theta[0] @ [1, 0, 1], (40, 80))
    np.testing.assert_allclose(right, [30, 20])


def test_rotation_keeps_lengths_in_pixels():
    theta = view_theta([[50.0, 20.0]], (10, 30), np.array([0.7]), (60, 200))
    corners = window_corners(theta, (60, 200))[0]
    sides = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    np.testing.assert_allclose(sides, [30, 10, 30])


def test_window_corners_in_the_whole_image():
    theta = cell_theta([[9.5, 4.5]], (20, 40), (10, 20))
    corners = window_corners(theta, (20, 40), image_size=(30, 60))
    # The patch starts at (10, 5); the window spans 20 x 10 px around (9.5, 4.5) in it.
    np.testing.assert_allclose(corners[0, 0], [9.5, 4.5])
    np.testing.assert_allclose(corners[0, 2], [29.5, 14.5])


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (5, -3), (-31, 16), (32, -32)])
def test_window_at_integer_offset_is_the_mean_reduced_crop(dx, dy):
    # 64 px of a 128 px patch on 32 x 32: each output pixel is the mean of 2 x 2 pixels.
    rng = np.random.default_rng(1)
    image = rng.random((1, 3, 128, 128), dtype=np.float32)
    middle = np.array([[63.5 + dx, 63.5 + dy]])
    theta = torch.from_numpy(cell_theta(middle, (128, 128), (64, 64)).astype(np.float32))
    window = sample(torch.from_numpy(image), theta, (32, 32)).numpy()
    top, left = 32 + dy, 32 + dx
    crop = image[:, :, top : top + 64, left : left + 64]
    mean = crop.reshape(1, 3, 32, 2, 32, 2).mean((3, 5))
    np.testing.assert_allclose(window, mean, atol=1e-5)
