"""Pixel and normalised coordinates, cell centres and affine transforms.

Every other module takes its geometry from here, so this is where the conventions are written
down in code:

- points are ``(x, y)``, sizes are ``(height, width)``;
- pixel coordinates are those of pixel centres: ``(0, 0)`` is the middle of the top-left pixel;
- normalised coordinates run from -1 to 1 between the *outer edges* of an image, which is
  ``align_corners=False`` in torch: ``u = (2 x + 1) / width - 1``;
- ``theta`` of shape (n, 2, 3) maps normalised coordinates of an output (a window) to normalised
  coordinates of its source (a patch): ``source = theta @ [u, v, 1]``.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._utils.containers import check_real
from ._utils.points import points_by_name
from ._utils.typing import Floats, Size

__all__ = [
    "cell_theta",
    "denormalize_points",
    "normalize_points",
    "patch_origin",
    "theta_centers",
    "view_theta",
    "window_corners",
]


def normalize_points(points: ArrayLike, size: Size) -> Floats:
    """Turn pixel coordinates into normalised ones.

    Parameters
    ----------
    points : array-like of shape (..., 2)
        ``(x, y)`` in pixels, integer = pixel centre.
    size : tuple of int
        ``(height, width)`` of the image in pixels.

    Returns
    -------
    ndarray of shape (..., 2)
        ``(u, v)``; -1 and 1 are the outer edges of the image.

    Raises
    ------
    ValueError
        If an argument is not of the shape described, or a size not positive.

    Examples
    --------
    >>> from stnclf.geometry import normalize_points
    >>> normalize_points([[63.5, 31.5]], (64, 128))
    array([[0., 0.]])
    """
    height, width = _as_size(size, "size")
    return (2 * _as_numbers(points, "points", (..., 2)) + 1) / (width, height) - 1


def denormalize_points(points: ArrayLike, size: Size) -> Floats:
    """Turn normalised coordinates into pixel coordinates.

    Parameters
    ----------
    points : array-like of shape (..., 2)
        ``(u, v)``, normalised.
    size : tuple of int
        ``(height, width)`` of the image in pixels.

    Returns
    -------
    ndarray of shape (..., 2)
        ``(x, y)`` in pixels, integer = pixel centre.

    Raises
    ------
    ValueError
        If an argument is not of the shape described, or a size not positive.

    Examples
    --------
    >>> from stnclf.geometry import denormalize_points
    >>> denormalize_points([[0.5, 0.0]], (64, 128))
    array([[95.5, 31.5]])
    """
    height, width = _as_size(size, "size")
    return ((_as_numbers(points, "points", (..., 2)) + 1) * (width, height) - 1) / 2


def patch_origin(image_size: Size, patch_size: Size) -> tuple[int, int]:
    """Find the top-left pixel ``(x, y)`` of the central patch of an image.

    Parameters
    ----------
    image_size, patch_size : tuple of int
        ``(height, width)`` in pixels; the patch is not larger than the image.

    Returns
    -------
    tuple of int
        ``(x, y)``. Where the margins cannot be equal, the left and upper ones are the smaller.

    Raises
    ------
    ValueError
        If an argument is not of the shape described, or a size not positive, or if the patch is
        larger than the image.

    Examples
    --------
    >>> from stnclf.geometry import patch_origin
    >>> patch_origin((100, 257), (64, 128))
    (64, 18)
    """
    image, patch = _as_size(image_size, "image_size"), _as_size(patch_size, "patch_size")
    if patch[0] > image[0] or patch[1] > image[1]:
        raise ValueError(f"patch_size must lie within image_size, {image}, got {patch}.")
    return (image[1] - patch[1]) // 2, (image[0] - patch[0]) // 2


def cell_theta(centers: ArrayLike, patch_size: Size, cell_size: Size) -> Floats:
    """Transform that lays the window on a cell: equations 1 to 3 of the paper.

    Parameters
    ----------
    centers : array-like of shape (n, 2)
        ``(x, y)`` of the cells in pixels of the patch.
    patch_size, cell_size : tuple of int
        ``(height, width)`` of patch and window in pixels, d_i and d_c in the paper.

    Returns
    -------
    ndarray of shape (n, 2, 3)
        Window coordinates to patch coordinates, both normalised, unrotated.

    Raises
    ------
    ValueError
        If an argument is not of the shape described, or a size not positive.

    Notes
    -----
    The scale is d_c / d_i, 0.5 for a 64 px cell in a 128 px patch; equation 2 prints the
    fraction upside down. Equation 3 gives the translation for an image that was moved by
    ``delta`` against a resting frame, hence its minus sign; here the cell itself lies
    ``delta`` from the middle of the patch, so that the translation is ``2 delta / d_i``.

    Examples
    --------
    >>> from stnclf.geometry import cell_theta
    >>> cell_theta([[95.5, 63.5]], (128, 128), (64, 64))
    array([[[0.5, 0. , 0.5],
            [0. , 0.5, 0. ]]])
    """
    centers = _as_numbers(centers, "centers", ("n", 2))
    patch_size, cell_size = _as_size(patch_size, "patch_size"), _as_size(cell_size, "cell_size")
    theta = np.zeros((len(centers), 2, 3))
    theta[:, 0, 0] = cell_size[1] / patch_size[1]
    theta[:, 1, 1] = cell_size[0] / patch_size[0]
    theta[:, :, 2] = normalize_points(centers, patch_size)
    return theta


def theta_centers(theta: ArrayLike, patch_size: Size) -> Floats:
    """Centres of the windows that transforms describe.

    Parameters
    ----------
    theta : array-like of shape (n, 2, 3)
        Window coordinates to patch coordinates, both normalised.
    patch_size : tuple of int
        ``(height, width)`` of the patch in pixels.

    Returns
    -------
    ndarray of shape (n, 2)
        ``(x, y)`` in pixels of the patch.

    Raises
    ------
    ValueError
        If an argument is not of the shape described, or a size not positive.

    Examples
    --------
    >>> from stnclf.geometry import cell_theta, theta_centers
    >>> theta_centers(cell_theta([[20.0, 100.0]], (128, 128), (64, 64)), (128, 128))
    array([[ 20., 100.]])
    """
    theta, size = _as_numbers(theta, "theta", ("n", 2, 3)), _as_size(patch_size, "patch_size")
    return denormalize_points(theta[:, :, 2], size)


def view_theta(centers: ArrayLike, sizes: Size, angles: ArrayLike, image_sizes: Size) -> Floats:
    """Transform that cuts turned rectangles out of images.

    Parameters
    ----------
    centers : array-like of shape (n, 2)
        Middle ``(x, y)`` of each rectangle in pixels of its image.
    sizes : tuple of int
        ``(height, width)`` of the rectangles in image pixels.
    angles : array-like of shape (n,) or float
        Radians. A view that is turned by ``angle`` takes its right from the image's direction
        ``(cos(angle), sin(angle))``; with y pointing down, its content turns anticlockwise.
    image_sizes : tuple of int
        ``(height, width)`` of the images.

    Returns
    -------
    ndarray of shape (n, 2, 3)
        View coordinates to image coordinates, both normalised.

    Raises
    ------
    ValueError
        If an argument is not of the shape described, or a size not positive.

    Examples
    --------
    >>> from stnclf.geometry import view_theta
    >>> view_theta([[63.5, 31.5]], (16, 32), 0.0, (64, 128))
    array([[[ 0.25, -0.  ,  0.  ],
            [ 0.  ,  0.25,  0.  ]]])
    """
    centers = _as_numbers(centers, "centers", ("n", 2))
    height, width = _as_size(sizes, "sizes")
    image_height, image_width = image_sizes = _as_size(image_sizes, "image_sizes")
    angles = np.asarray(angles, dtype=np.float64)
    if angles.shape not in ((), (len(centers),)):
        raise ValueError(
            f"angles must be one number or shape ({len(centers)},), got {angles.shape}."
        )
    # Turning happens in pixels: in normalised coordinates a rectangle would be sheared.
    cos, sin = np.cos(angles), np.sin(angles)
    theta = np.empty((len(centers), 2, 3))
    theta[:, 0, 0], theta[:, 0, 1] = cos * width / image_width, -sin * height / image_width
    theta[:, 1, 0], theta[:, 1, 1] = sin * width / image_height, cos * height / image_height
    theta[:, :, 2] = normalize_points(centers, image_sizes)
    return theta


def window_corners(theta: ArrayLike, patch_size: Size, image_size: Size | None = None) -> Floats:
    """Outlines of windows, for drawing.

    Parameters
    ----------
    theta : array-like of shape (n, 2, 3)
        Window coordinates to patch coordinates, both normalised.
    patch_size : tuple of int
        ``(height, width)`` of the patch in pixels.
    image_size : tuple of int, default=None
        ``(height, width)`` of the image whose central part the patch is; None means that the
        patch is the whole image.

    Returns
    -------
    ndarray of shape (n, 4, 2)
        ``(x, y)`` of the outer corners in pixels of the image: top left, top right, bottom
        right, bottom left of the window.

    Raises
    ------
    ValueError
        If an argument is not of the shape described, or a size not positive, or if the patch is
        larger than the image.

    Examples
    --------
    >>> from stnclf.geometry import cell_theta, window_corners
    >>> window_corners(cell_theta([[10.5, 20.5]], (64, 64), (4, 8)), (64, 64))[0]
    array([[ 6.5, 18.5],
           [14.5, 18.5],
           [14.5, 22.5],
           [ 6.5, 22.5]])
    """
    corners = np.array([[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]], dtype=np.float64)
    theta = _as_numbers(theta, "theta", ("n", 2, 3))
    patch_size = _as_size(patch_size, "patch_size")
    points = denormalize_points(corners @ theta.transpose(0, 2, 1), patch_size)
    return points + patch_origin(patch_size if image_size is None else image_size, patch_size)


def _as_numbers(values: ArrayLike, name: str, shape: tuple[Any, ...]) -> Floats:
    """Return an array of numbers whose last axes have the sizes in `shape`; "n" is any."""
    if name in ("points", "centers"):
        values = points_by_name(name, values)
    try:
        array = check_real(values).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of numbers, got {values!r:.80}.") from error
    sizes = [size for size in shape if size is not ...]
    fits = array.ndim == len(sizes) or (... in shape and array.ndim > len(sizes))
    last = array.shape[-len(sizes) :]
    if not fits or any(size not in ("n", side) for size, side in zip(sizes, last)):
        wanted = ", ".join("..." if size is ... else str(size) for size in shape)
        raise ValueError(f"{name} must have shape ({wanted}), got {array.shape}.")
    return array


def _as_size(size: Size, name: str) -> Size:
    pair: Any = size if isinstance(size, (tuple, list, np.ndarray)) else ()
    if len(pair) != 2 or not all(isinstance(side, Real) and float(side) > 0 for side in pair):
        raise ValueError(f"{name} must be (height, width), two positive numbers, got {size!r}.")
    height, width = pair
    return height, width
