"""`EncoderFeatures`: what a trained network of another kind makes of images, as features."""

from __future__ import annotations

import copy
import os
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from .._utils.checks import check_centers, check_device
from .._utils.errors import argument_error
from .._utils.images import as_images, check_size
from .._utils.pixel_unit import check_white
from .._utils.printable import counted
from .._utils.sized_images import warn_of_context
from .._utils.typing import Images
from ..geometry import cell_theta, patch_origin
from ..networks import identity, reduction_for, sample
from ..sampling._batch import as_float
from ._frozen import in_evaluation, load_program

__all__ = ["EncoderFeatures"]

_SIZE = [None, Interval(Integral, 1, None, closed="left"), tuple, list]


class EncoderFeatures(TransformerMixin, BaseEstimator):
    """Features of images from any frozen torch module.

    A network that was trained elsewhere, a foundation model for pathology for example, turns the
    patch, or a window around the cell, into numbers; any classifier of scikit-learn decides by
    them. So ``make_pipeline(EncoderFeatures(module), StandardScaler(), LogisticRegression())``
    stands in the same cross-validation as the other estimators. Nothing of the module is
    trained or changed.

    Parameters
    ----------
    module : torch.nn.Module, str or path-like
        Takes images of shape (n, channels, height, width); returns features of shape (n,
        n_features), or maps (n, n_features, rows, columns), of which the mean over all positions
        is taken. A path is that of a TorchScript file or of a ``torch.export`` program. Such
        files are programs: open those of people you trust.
    view : int or tuple of (height, width), default=None
        Size in pixels at which the module sees what it is shown. None leaves the size as it is.
    window : {"patch", "cell"}, default="patch"
        What it is shown: the central patch, or a window around each cell.
    patch_size : int or tuple of (height, width), default=None
        Size in pixels of the central patch; None is the whole image.
    cell_size : int or tuple of (height, width), default=None
        Size in pixels of the window around a cell; None is that of `localizer`.
    localizer : STNCellClassifier, CiresanBaseline or Ensemble, default=None
        Fitted; says where the cells are, by its `transform`, unless centres are given. For an
        honest score it was fitted on other slides than those that are tested.
    mean, std : float or array-like of shape (n_channels,), default=None, None
        What is subtracted from pixels from 0 to 1, and what they are then divided by. None is 0,
        and 1.
    batch_size : int, default=16
        Images at a time. Smaller batches are filled up, so that the features of an image do
        not depend on what comes with it.
    device : str, default=None
        "cpu", "cuda", "cuda:N" or "auto": a copy of the module computes there. None leaves the
        module where it is.
    image_shape : tuple of (height, width) or (height, width, channels), default=None
        Shape of the images whose flattened pixels are the rows of a 2-D `X`, as for
        `stnclf.CellFeatures`.

    Attributes
    ----------
    n_features_out_ : int
        Number of features that the module returns.
    image_shape_ : tuple of (height, width, channels)
        Shape of the images seen in `fit`.
    pixel_unit_ : object
        What the pixels were in `fit`; str() names it.
    n_features_in_ : int
        Number of values in an image, height x width x channels.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns seen in `fit`, if `X` was a data frame with names.

    See Also
    --------
    stnclf.CellFeatures : Hand-crafted features.

    Notes
    -----
    Sizes change by bilinear interpolation, after averaging where they shrink to less than half.
    Beyond the edges of an image, a window around a cell sees its reflection.

    The module computes in evaluation mode without gradients, in the dtype of its weights unless
    the caller has set torch's autocast. One that is training stays so, and a copy of it computes:
    ``module.eval()`` beforehand saves the memory. A clone of the transformer shares the module and
    the localizer, so that parameters of the localizer are not among those of the transformer.

    Examples
    --------
    >>> import torch
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from stnclf.datasets import make_cells
    >>> from stnclf.features import EncoderFeatures
    >>> X, y, centers = make_cells(60, random_state=0)
    >>> module = torch.nn.AvgPool2d(16)  # stands for one that was trained
    >>> encoder = EncoderFeatures(torch.nn.Sequential(module, torch.nn.Flatten()), view=64)
    >>> encoder.fit_transform(X).shape
    (60, 48)
    >>> pipe = make_pipeline(encoder, StandardScaler(), LogisticRegression())
    >>> cross_val_score(pipe, X, y, cv=3).shape
    (3,)
    """

    _parameter_constraints: dict = {
        "module": [torch.nn.Module, str, os.PathLike],
        "view": _SIZE,
        "window": [StrOptions({"patch", "cell"})],
        "patch_size": _SIZE,
        "cell_size": _SIZE,
        "localizer": "no_validation",  # `_windows` does it
        "mean": "no_validation",  # `_statistics` does it, and of std too
        "std": "no_validation",
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "device": [None, str],
        "image_shape": [None, tuple, list],
    }

    def __init__(
        self,
        module,
        *,
        view=None,
        window="patch",
        patch_size=None,
        cell_size=None,
        localizer=None,
        mean=None,
        std=None,
        batch_size=16,
        device=None,
        image_shape=None,
    ):
        self.module = module
        self.view = view
        self.window = window
        self.patch_size = patch_size
        self.cell_size = cell_size
        self.localizer = localizer
        self.mean = mean
        self.std = std
        self.batch_size = batch_size
        self.device = device
        self.image_shape = image_shape

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Images, y: object = None, centers: ArrayLike | None = None) -> EncoderFeatures:
        """Check the parameters, and see with the first image what the module returns.

        Parameters
        ----------
        X : array-like or sequence of n_samples images
            In any form that the estimators take.
        y : None
            Ignored.
        centers : array-like of shape (n_samples, 2), default=None
            ``(x, y)`` of the cells in pixels of the images, for ``window="cell"``; `transform`
            then wants them too, unless there is a localizer. None stands for the localizer's,
            or, without one, for cells in the middle.

        Returns
        -------
        self : EncoderFeatures

        Raises
        ------
        OSError
            If the file of the module cannot be read.
        TypeError
            If `X` is no array of numbers, or the module returns something else than features.
        ValueError
            If an argument or parameter is not as described; the message names it. Floats of
            which it is not known what white is, from 0 to 255 for example, are refused.

        Warns
        -----
        UserWarning
            If the images were cut with context around a patch, and `patch_size` does not say so;
            or if 16-bit pixels are that dark that they may be of 12 bits.
        """
        before = dict(self.__dict__)
        self.__dict__.pop("_program", None)  # its file may be another by now
        try:
            given = as_images(self, X, self.image_shape, reset=True)
            check_white(self.pixel_unit_, self.image_shape_)
            if self.window == "patch":
                warn_of_context(self, X, given.shape[1:3])
            self._centers_known = centers is not None
            centers = self._cells(X, given, centers)
            first = self._encode(given, None if centers is None else centers[:1], 1)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        self.n_features_out_ = first.shape[1]
        return self

    def transform(self, X: Images, centers: ArrayLike | None = None) -> NDArray[np.float32]:
        """Compute the features of each image.

        Parameters
        ----------
        X : array-like or sequence of n_samples images
            Images of the shape seen in `fit`.
        centers : array-like of shape (n_samples, 2), default=None
            As for `fit`.

        Returns
        -------
        features : ndarray of float32, shape (n_samples, n_features_out_)
            What the module returns.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the transformer is not fitted.
        TypeError
            If `X` is no array of numbers.
        ValueError
            If `X` has images of another shape, the features of an image are not finite, or
            `centers` are missing or not as described.
        """
        check_is_fitted(self, "n_features_out_")
        given = as_images(self, X, self.image_shape, reset=False)
        features = self._encode(given, self._cells(X, given, centers), len(given))
        if features.shape[1] != self.n_features_out_:
            raise argument_error(
                "module",
                f"returns {features.shape[1]} features, and returned {self.n_features_out_} in "
                "fit; after a change of parameters, fit again.",
            )
        return features

    def fit_transform(
        self, X: Images, y: object = None, centers: ArrayLike | None = None
    ) -> NDArray[np.float32]:
        """Fit, and compute the features of the same images.

        Parameters
        ----------
        X : array-like or sequence of n_samples images
            As for `fit`.
        y : None
            Ignored.
        centers : array-like of shape (n_samples, 2), default=None
            As for `fit`.

        Returns
        -------
        features : ndarray of float32, shape (n_samples, n_features_out_)
            What the module returns.

        Raises
        ------
        OSError, TypeError, ValueError
            As `fit` and `transform` do.
        """
        return self.fit(X, y, centers=centers).transform(X, centers=centers)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of the transformer.

        Parameters
        ----------
        deep : bool, default=True
            Ignored: module and localizer are used as they are, and shared between clones.

        Returns
        -------
        dict
            Parameters by name.
        """
        return super().get_params(deep=False)

    def set_params(self, **params: Any) -> EncoderFeatures:
        """Set parameters of the transformer.

        Parameters
        ----------
        **params : dict
            Parameters by name; none of the localizer's, which is used as it is.

        Returns
        -------
        EncoderFeatures
            The transformer itself.

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        for name in params:
            if "__" in name:
                raise argument_error(
                    name,
                    "module and localizer are used as they are, and shared between clones; wants "
                    "a parameter of EncoderFeatures itself.",
                )
        return super().set_params(**params)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Return the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str, shape (n_features,), default=None
            Only compared with what `fit` saw; the names do not depend on them.

        Returns
        -------
        names : ndarray of str objects, shape (n_features_out_,)
            "encoder_0", "encoder_1" and so on.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the transformer is not fitted.
        ValueError
            If `input_features` is not what `fit` saw.
        """
        check_is_fitted(self, "n_features_out_")
        _check_feature_names_in(self, input_features, generate_names=False)
        return np.array([f"encoder_{i}" for i in range(self.n_features_out_)], dtype=object)

    def _cells(self, X, images, centers):
        """Return where the cells are; None where whole patches are shown."""
        if self.window == "patch":
            if centers is not None:
                raise argument_error(
                    "centers", "got some, but window='patch' does not look at them; wants None."
                )
            return None
        if centers is None and self.localizer is not None:
            return np.asarray(self._checked_localizer().transform(X), dtype=np.float64)
        if centers is None and self._centers_known:
            raise argument_error(
                "centers",
                "got none where fit was given some; wants them here too, or a localizer, so that "
                "windows are where they were.",
            )
        return check_centers(centers, len(images), images.shape[1:3], None)

    def _checked_localizer(self):
        if not hasattr(self.localizer, "transform") or not hasattr(self.localizer, "cell_size_"):
            raise argument_error(
                "localizer",
                f"got {type(self.localizer).__name__}, wants a fitted STNCellClassifier, "
                "CiresanBaseline or Ensemble.",
            )
        return self.localizer

    def _shown(self, images, centers):
        """Cut what the module is shown out of images (n, channels, height, width)."""
        full = tuple(images.shape[2:])
        if centers is None:
            size = check_size("patch_size", self.patch_size, full, full, "images")
            view = check_size("view", self.view, size, (np.inf, np.inf), "limit")
            left, top = patch_origin(full, size)
            patch = images[:, :, top : top + size[0], left : left + size[1]]
            if view == size:
                return patch.contiguous()
            return sample(patch, identity(patch), view, reduction_for(size, view))
        default = self.cell_size
        if default is None and self.localizer is not None:
            default = self._checked_localizer().cell_size_
        if default is None:
            raise argument_error("cell_size", "got None, wants a size where window='cell'.")
        size = check_size("cell_size", default, full, full, "images")
        view = check_size("view", self.view, size, (np.inf, np.inf), "limit")
        theta = torch.from_numpy(cell_theta(centers, full, size).astype(np.float32))
        return sample(images, theta, view, reduction_for(size, view))

    def _statistics(self, name, default, n_channels):
        """Return ``mean`` or ``std`` as a tensor that fits images."""
        value = getattr(self, name)
        try:
            numbers = np.asarray(default if value is None else value, dtype=np.float32)
            fits = numbers.shape in ((), (1,), (n_channels,)) and np.isfinite(numbers).all()
        except (TypeError, ValueError):
            fits = False
        if not fits or (name == "std" and (numbers <= 0).any()):
            kind = "a positive number" if name == "std" else "a number"
            each = counted(n_channels, "channel")
            raise argument_error(name, f"got {value!r}, wants {kind}, or one for each of {each}.")
        return torch.from_numpy(np.broadcast_to(numbers, (n_channels,)).copy())[:, None, None]

    def _encode(self, images, centers, n):
        """Compute the features of the first `n` images."""
        n_channels = images.shape[3]
        mean = self._statistics("mean", 0.0, n_channels)
        std = self._statistics("std", 1.0, n_channels)
        module, place = self._ready_module()
        results = []
        with torch.no_grad():
            for start in range(0, n, self.batch_size):
                rows = slice(start, min(start + self.batch_size, n))
                given = np.asarray(images[rows])
                dtype = np.uint8 if given.dtype == np.uint8 else np.float32
                batch = as_float(torch.from_numpy(np.array(given, dtype=dtype, order="C")))
                where = None if centers is None else centers[rows]
                batch = (self._shown(batch, where) - mean) / std
                missing = self.batch_size - len(batch)
                full = torch.cat([batch, batch[:1].expand(missing, -1, -1, -1)])
                found = self._features(_apply(module, full.to(**place)))
                results.append(found[: len(batch)].float().cpu().numpy())
        features = np.concatenate(results)
        wrong = ~np.isfinite(features).all(axis=1)
        if wrong.any():
            raise argument_error(
                "X",
                f"the module returns NaN or infinity for {wrong.sum()} of {n} images, the first "
                f"at index {wrong.argmax()}.",
            )
        return features

    def _features(self, output):
        n_axes = output.ndim if isinstance(output, torch.Tensor) else 0
        if n_axes in (2, 4) and len(output) == self.batch_size and not output.is_complex():
            return output if n_axes == 2 else output.mean((2, 3))
        shape = ""
        if isinstance(output, torch.Tensor):
            kind = f" of {str(output.dtype).removeprefix('torch.')}" if output.is_complex() else ""
            shape = f"{kind} of shape {tuple(output.shape)}"
        raise argument_error(
            "module",
            f"returns {type(output).__name__}{shape}, wants a Tensor of shape "
            f"({self.batch_size}, n_features) or ({self.batch_size}, n_features, rows, columns); "
            "put it into a module that chooses what the features are.",
            TypeError,
        )

    def _ready_module(self):
        """Return the module where it computes, and the device and dtype of its input."""
        module = self.module
        if not isinstance(module, torch.nn.Module):
            known = self.__dict__.get("_program")
            if known is None or known[0] != module:
                known = self._program = (module, load_program(module))
            module = known[1]
        first = next(iter((*module.parameters(), *module.buffers())), None)
        device = torch.device("cpu") if first is None else first.device
        floating = first is not None and first.is_floating_point()
        dtype = first.dtype if floating else torch.float32
        ready = in_evaluation(module)
        if self.device is not None:
            wanted = torch.device(check_device(self.device))
            if wanted != device:
                ready = copy.deepcopy(module) if ready is module else ready
                ready, device = ready.to(wanted), wanted
        return ready, {"device": device, "dtype": dtype}

    def __getstate__(self):
        # Loaded programs cannot be pickled, and are loaded again.
        return {k: v for k, v in super().__getstate__().items() if k != "_program"}

    def __sklearn_clone__(self):
        # Neither the module, which may be large, nor the localizer, which is fitted, is cloned.
        shell = copy.copy(self)
        shell.module = shell.localizer = None
        other = BaseEstimator.__sklearn_clone__(shell)
        other.module, other.localizer = self.module, self.localizer
        return other

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _apply(module, images):
    try:
        return module(images)
    except Exception as error:  # many check the size by an assertion, and others by a ValueError
        lines = str(error).strip().splitlines() or [type(error).__name__]
        first = lines[0][:200]
        raise argument_error(
            "module", f"fails on images of shape {tuple(images.shape)}: {first}"
        ) from error
