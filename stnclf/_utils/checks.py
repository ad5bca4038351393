"""Checks of what `fit` is given; every message names the argument."""

from __future__ import annotations

import re
import warnings
from numbers import Real

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    assert_all_finite,
    check_array,
    check_consistent_length,
    column_or_1d,
)

from .containers import check_real, refuse_masked
from .errors import argument_error
from .images import naming
from .labels import check_kind, check_names, refuse_missing, refuse_mixed
from .points import points_by_name

__all__ = [
    "check_callbacks",
    "check_centers",
    "check_device",
    "check_neighbors",
    "check_weight",
    "check_y",
    "draw_seed",
    "same_labels",
    "uses_bfloat16",
    "weight_of_class",
]

_MOST = np.finfo(np.float32).max


def check_y(X, y, name):
    """Check labels; give the classes and each sample's index among them."""
    if y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None.")
    with naming("y", "one label for each image, of one kind, none missing"):
        check_consistent_length(X, y)
        refuse_masked("y", y)
        refuse_missing("y", y)
        refuse_mixed(y)
        y = column_or_1d(y, warn=True)
        check_kind("y", y)
        check_classification_targets(y)
        classes, index = np.unique(y, return_inverse=True)
    check_names("y", classes, index)
    return classes, index.astype(np.int64)


def same_labels(one, other):
    """Say whether two arrays of labels are the same; to NumPy, True is 1."""
    kinds = [
        [isinstance(label, (bool, np.bool_)) for label in labels.tolist()]
        for labels in (one, other)
    ]
    return bool(np.array_equal(one, other)) and kinds[0] == kinds[1]


def check_device(device):
    """Check ``device``; "auto" becomes "cuda" where there is a GPU, else "cpu"."""
    import torch  # slides are checked here, too, and read without it

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise argument_error("device", f"got {device!r}, wants 'auto', 'cpu', 'cuda' or 'cuda:N'.")
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device != "cpu" and int(device[5:] or 0) >= n_gpus:
        raise argument_error("device", f"got {device!r}, but torch finds {n_gpus} GPU(s) here.")
    return device


def uses_bfloat16(precision, device):
    """Check whether training computes in bfloat16; "auto" does where the chip does."""
    if precision != "auto":
        return precision == "bfloat16"
    import torch

    if device == "cpu":
        # Emulated where the processor has no instructions for it, which is slower than float32.
        return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())
    return torch.cuda.get_device_capability(device)[0] >= 8


def check_centers(centers, n_samples, image, patch=None, missing=False):
    """Check cell centres; None is the middle of the image.

    Parameters
    ----------
    centers : array-like of shape (n_samples, 2), table, or None
        ``(x, y)``; of a table with names, the columns ``x`` and ``y`` in any order.
    n_samples : int
        How many there must be.
    image : tuple of int
        ``(height, width)`` of the images.
    patch : tuple of int, default=None
        ``(height, width)`` of the central patch that predictions see.
    missing : bool, default=False
        Whether rows may be NaN: there is no cell.

    Returns
    -------
    float64 ndarray of shape (n_samples, 2)

    Raises
    ------
    TypeError, ValueError
        If they are nothing of the kind, or cannot be as meant: outside the image, or fractions.

    Warns
    -----
    UserWarning
        If some lie outside the patch.
    """
    height, width = image
    if centers is None:
        return np.tile([(width - 1) / 2, (height - 1) / 2], (n_samples, 1))
    centers = points_by_name("centers", centers)
    with naming("centers", f"numbers of shape ({n_samples}, 2), one (x, y) per sample"):
        check_real(centers)
        centers = check_array(
            centers,
            dtype="numeric",
            ensure_all_finite="allow-nan" if missing else True,
            ensure_2d=False,
            allow_nd=True,
            input_name="centers",
        ).astype(np.float64)
        # None in a list is let through.
        assert_all_finite(centers, allow_nan=missing, input_name="centers")
    if centers.shape != (n_samples, 2):
        raise argument_error(
            "centers", f"got shape {centers.shape}, wants ({n_samples}, 2), one (x, y) per sample."
        )
    half = np.isnan(centers).any(axis=1) & ~np.isnan(centers).all(axis=1)
    if half.any():
        first = int(half.argmax())
        raise argument_error(
            "centers",
            f"{centers[first].tolist()} at index {first}; wants (x, y), or NaN for both where "
            "there is no cell.",
        )
    there = centers[~np.isnan(centers).any(axis=1)]
    outside = _outside(centers, (0, 0), image)
    if outside.any():
        first = int(outside.argmax())
        hint = ""
        if np.abs(there).max() <= 1:
            hint = " Wants pixels, not coordinates from -1 to 1."
        elif not _outside(there[:, ::-1], (0, 0), image).any():
            hint = " As (row, column) they would lie inside: wants (x, y), centers[:, ::-1]."
        raise argument_error(
            "centers",
            f"{int(outside.sum())} lie outside the image of {width} x {height} px "
            f"(width x height), the first at index {first}: {centers[first].tolist()} (x, y)."
            f"{hint}",
        )
    near = np.abs(there).max(initial=0) <= 1 and min(image) >= 8
    if near and (there != np.rint(there)).any():
        raise argument_error(
            "centers",
            f"all {len(there)} lie in the first pixel of images of {width} x {height} px "
            "(width x height); wants pixels, not fractions: multiply x by the width, y by the "
            "height.",
        )
    if patch is not None:
        _check_patch(centers, image, patch)
    return centers


def check_neighbors(neighbors, n_samples):
    """Check the other annotated cells of each image.

    Parameters
    ----------
    neighbors : array-like of shape (n_samples, k, 3), or None
        ``(x, y)`` in pixels of the images, and the index of the class, -1 where it is not known.
        Rows of NaN where there are fewer than k.
    n_samples : int
        How many images there are.

    Returns
    -------
    float64 ndarray of shape (n_samples, k, 3), or None

    Raises
    ------
    TypeError, ValueError
        If they are nothing of the kind.
    """
    if neighbors is None:
        return None
    refuse_masked("neighbors", neighbors)
    wanted = f"numbers of shape ({n_samples}, k, 3), x, y and class of each cell, padded with NaN"
    with naming("neighbors", wanted):
        check_real(neighbors)
        neighbors = check_array(
            neighbors,
            dtype="numeric",
            ensure_all_finite="allow-nan",
            ensure_2d=False,
            allow_nd=True,
            ensure_min_features=0,
            input_name="neighbors",
        ).astype(np.float64)
    if neighbors.ndim != 3 or len(neighbors) != n_samples or neighbors.shape[2] != 3:
        raise argument_error("neighbors", f"got shape {neighbors.shape}, wants {wanted}.")
    missing = np.isnan(neighbors)
    classes = neighbors[:, :, 2]
    for wrong, what in (
        (missing.any(axis=2) & ~missing.all(axis=2), "x, y and class, or NaN for all three"),
        (
            # A fold may lack a class, so that there is no largest index to hold it against.
            (classes < -1) | (classes != np.rint(classes)) & ~missing[:, :, 2],
            "as class its index in classes_, or -1 where it is not known",
        ),
    ):
        if wrong.any():
            row, place = np.argwhere(wrong)[0].tolist()
            got = neighbors[row, place].tolist()
            raise argument_error("neighbors", f"got {got} at index [{row}, {place}], wants {what}.")
    return neighbors


def _outside(centers, origin, size):
    """Say which points lie outside a rectangle of a size ``(height, width)``."""
    low = np.array(origin) - 0.5
    return ((centers < low) | (centers > low + size[::-1])).any(axis=1)


def _check_patch(centers, image, patch):
    """Warn of cells that no prediction would see."""
    origin = [(whole - part) // 2 for whole, part in zip(image[::-1], patch[::-1])]
    outside = _outside(centers, origin, patch)
    if outside.any():
        first = int(outside.argmax())
        warnings.warn(
            f"centers: {int(outside.sum())} of {len(centers)} lie outside the central patch of "
            f"{patch[1]} x {patch[0]} px (width x height), which is all that predictions see, the "
            f"first at index {first}: {centers[first].tolist()} (x, y). Training moves its patches "
            "to them.",
            UserWarning,
            stacklevel=2,
        )


def check_weight(sample_weight, X):
    """Check sample weights; None is one each."""
    refuse_masked("sample_weight", sample_weight)
    with naming("sample_weight", f"{len(X)} numbers of 0 or more, not all of them 0"):
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if (weight < 0).any():
        raise argument_error("sample_weight", "got negative values, wants values of 0 or more.")
    if (weight > _MOST).any():
        raise argument_error("sample_weight", f"got {weight.max():g}, too large for float32.")
    if not weight.any():
        raise argument_error("sample_weight", "all are zero; no sample of any class is left.")
    return weight


def weight_of_class(class_weight, classes, y, weight):
    """Weight of each sample by its label.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        As the estimators take it. A label that a dict does not name has weight 1.
    classes : ndarray of shape (n_classes,)
        Labels.
    y : int ndarray of shape (n_samples,)
        Index of each sample's label.
    weight : ndarray of shape (n_samples,)
        Weights of the samples; those of weight zero do not count for "balanced".

    Returns
    -------
    float ndarray of shape (n_samples,)
    """
    of_class = np.ones(len(classes))
    if isinstance(class_weight, dict):
        for label, value in class_weight.items():
            if not isinstance(value, Real) or not 0 <= value <= _MOST:
                raise argument_error(
                    "class_weight", f"got {value!r} for {label!r}, wants numbers of 0 or more."
                )
        labels = classes.tolist()
        # scikit-learn would look for the integer 1 in place of the text "1".
        without = [label for label in labels if label not in class_weight]
        unknown = [label for label in class_weight if label not in labels]
        if without and unknown:
            raise argument_error(
                "class_weight",
                f"got {unknown}, which no sample has, and nothing for {without}; wants "
                f"weights by label, of {labels}.",
            )
        of_class[:] = [class_weight.get(label, 1.0) for label in labels]
    else:
        counted = y[weight > 0]
        seen = np.unique(counted)
        of_class[seen] = compute_class_weight(class_weight, classes=seen, y=counted)
    return of_class[y]


def check_callbacks(callbacks, validation_fraction):
    """Check callbacks as skorch knows them: class, instance, or a pair of name and either."""
    from skorch.callbacks import Callback, EarlyStopping, LRScheduler
    from skorch.callbacks.scoring import ScoringBase

    for i, item in enumerate(callbacks or ()):
        named = isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)
        callback = item[1] if named else item
        kind = callback if isinstance(callback, type) else type(callback)
        if not issubclass(kind, Callback):
            raise TypeError(
                f"callbacks[{i}]: got {item!r}, wants a skorch Callback, or a tuple of a name "
                "and one."
            )
        if issubclass(kind, (ScoringBase, LRScheduler)):
            raise TypeError(
                f"callbacks[{i}]: got {kind.__name__}, which cannot work here: stages have their "
                "own losses and learning rates. Wants callbacks that watch 'train_loss' or "
                "'valid_loss'; see schedule= for the rates."
            )
        if kind is EarlyStopping and validation_fraction is None:
            monitor = callback.monitor if isinstance(callback, EarlyStopping) else "valid_loss"
            if str(monitor).startswith("valid"):
                raise ValueError(
                    f"callbacks[{i}]: EarlyStopping watches {monitor!r}, which there is only with "
                    "validation_fraction."
                )


def draw_seed(random_state):
    """One integer from ``random_state``; None draws it without touching a global generator."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    with naming("random_state", "an integer, a RandomState or None"):
        return int(check_random_state(random_state).randint(2**31 - 1))
