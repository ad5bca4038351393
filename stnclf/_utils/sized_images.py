"""Arrays of images that remember for which patch they were cut, with context around it."""

from __future__ import annotations

import json
import os
import warnings

import numpy as np

__all__ = ["SizedImages", "SizedMemmap", "warn_of_context", "with_sizes"]


class _Sized:
    """Keep sizes on the way through indexing, slicing, pickles and copies.

    Attributes
    ----------
    patch_size, cell_size : int or None
        Sides of patch and window in pixels; None where an array is no images of that shape any
        more.
    """

    patch_size = cell_size = None

    def __array_finalize__(self, other):
        """Take the sizes of the array that this one comes from, if the images are as large."""
        super().__array_finalize__(other)
        if isinstance(other, _Sized) and self.shape[-3:] == other.shape[-3:] and self.ndim > 2:
            self.patch_size, self.cell_size = other.patch_size, other.cell_size

    def __reduce__(self):
        """Pickle the plain array, as joblib does it best, and the sizes."""
        return with_sizes, (self.view(np.ndarray), self.patch_size, self.cell_size)


class SizedImages(_Sized, np.ndarray):
    """Images in memory."""


class SizedMemmap(_Sized, np.memmap):
    """Images in a file."""


def with_sizes(X, patch_size, cell_size):
    """View images as an array that remembers sizes.

    Parameters
    ----------
    X : ndarray of shape (n, height, width, channels)
        Images.
    patch_size, cell_size : int
        Sides of the central patch and of the window in pixels.

    Returns
    -------
    SizedImages or SizedMemmap
        The same pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from stnclf._utils.sized_images import with_sizes
    >>> X = with_sizes(np.zeros((5, 40, 40, 3)), 32, 16)
    >>> X[[1, 3]].patch_size, X[:, :20].patch_size
    (32, None)
    """
    X = X.view(SizedMemmap if isinstance(X, np.memmap) else SizedImages)
    X.patch_size, X.cell_size = patch_size, cell_size
    return X


def _sizes_of(X, image):
    """Return the sizes of an array, or those of the patch set whose file it is; or None."""
    sizes = getattr(X, "patch_size", None), getattr(X, "cell_size", None)
    name = getattr(X, "filename", None) if isinstance(X, np.memmap) else None
    if sizes[0] is not None or name is None:
        return sizes
    try:
        with open(os.path.join(os.path.dirname(name), "patches.json"), encoding="utf-8") as file:
            facts = json.load(file)
        of_these = image == (facts["image_size"], facts["image_size"])  # and not cut further
        return (facts["size"], facts.get("cell_size")) if of_these else sizes
    except (OSError, ValueError, LookupError, TypeError):
        return sizes


def warn_of_context(estimator, X, image):
    """Warn where the whole image becomes the patch, but was cut with context around one.

    Parameters
    ----------
    estimator : estimator
        Whose `patch_size` may be None.
    X : array-like
        What `fit` was given.
    image : tuple of int
        ``(height, width)`` of the images.
    """
    patch, cell = _sizes_of(X, tuple(image))
    if estimator.patch_size is None and isinstance(patch, int) and patch < min(image):
        window = f", cell_size={cell}" if hasattr(estimator, "cell_size") else ""
        warnings.warn(
            f"patch_size: None takes the whole image of {image[1]} x {image[0]} px (width x "
            f"height), but extract_patches cut it around a patch of {patch} px, and the rest is "
            f"context for training. Pass patch_size={patch}{window}; or patch_size="
            f"{tuple(image)} if the whole image is meant.",
            UserWarning,
            stacklevel=2,
        )
