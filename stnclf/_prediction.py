"""What the fitted classifiers predict: classes, positions, windows."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, TransformerMixin
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from ._utils.checks import check_device
from ._utils.errors import argument_error
from ._utils.images import as_images
from ._utils.neutral import neutral
from ._utils.threads import Workers
from ._utils.typing import Floats, Images
from .geometry import theta_centers
from .sampling import CellDataset, Frame, patch_batches
from .sampling._batch import as_float

__all__ = ["PredictionMixin", "log_proba_of"]


def log_proba_of(logits):
    """Turn logits (..., n_classes) into logarithms of probabilities, float64."""
    logits = logits.astype(np.float64)
    logits -= logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


class PredictionMixin(TransformerMixin, ClassifierMixin):
    """Methods that need a fitted network."""

    def _fitted_frame(self):
        return Frame(self.image_shape_[:2], self.patch_size_, self.cell_size_)

    @property
    def _has_cell(self):
        """Which classes have cells; a pickle that knows of no others has cells of all."""
        return np.asarray(getattr(self, "has_cell_", np.ones(len(self.classes_), dtype=bool)))

    def _module(self):
        """Return the trained networks as one torch module, on the CPU.

        It predicts as the parameters say now, which are also what a file keeps.
        """
        self._set_up(self.net_.module_)
        return self.net_.module_

    @neutral()
    def _predict_batches(self, X, function, batch_size=2):
        """Apply ``function(module, patches)`` to all central patches; concatenate its arrays.

        Batches are small for the sake of single patches, which are padded to one: of eight, many
        patches would take a quarter less time, and a single one three times as much.
        """
        check_is_fitted(self)
        X = as_images(self, X, self.image_shape, reset=False)
        device = check_device(self.device)
        module = self._module()
        if device != "cpu":
            module, batch_size = copy.deepcopy(module).to(device), 512
        if any(part.training for part in module.modules()):  # somebody wants it so
            module = copy.deepcopy(module).eval()
        n = len(X)
        none = np.zeros(n, np.int64)
        data = CellDataset(X, np.arange(n), none, np.zeros((n, 2)), none, self._fitted_frame())

        def apply(patches):
            images = as_float(patches.to(device))
            n_images = len(images)
            if device == "cpu" and n_images < batch_size:
                # Kernels differ in their last bits between batch sizes. With one size a
                # prediction does not depend on what is predicted beside it.
                images = torch.cat([images, images[:1].expand(batch_size - n_images, -1, -1, -1)])
            with torch.no_grad():
                out = function(module, images)
            return [tensor[:n_images].cpu().numpy() for tensor in out]

        results, waiting = [], []
        # One thread feeds a GPU; the processor's cores take a batch each.
        with Workers(1 if device != "cpu" else None) as workers:
            for batch in patch_batches(data, batch_size):
                waiting.append(batch)
                # A few batches at a time, so that memory does not grow with X.
                if len(waiting) == 4 * workers.n:
                    results += workers.map(apply, waiting)
                    waiting = []
            results += workers.map(apply, waiting)
        arrays = [np.concatenate(column) for column in zip(*results)]
        for array in arrays:
            wrong = ~np.isfinite(array.reshape(n, -1)).all(axis=1)
            if wrong.any():
                raise argument_error(
                    "X",
                    f"{wrong.sum()} of {n} images give no finite result, the first at index "
                    f"{wrong.argmax()}; wants pixels of the size that fit has seen, and a training "
                    "that did not fail.",
                )
        return arrays

    @neutral()
    def predict_log_proba(self, X: Images) -> Floats:
        """Logarithm of the class probabilities.

        Parameters
        ----------
        X : array-like or sequence of n_samples images
            In any form that ``fit`` takes, of the size and channels that it saw.

        Returns
        -------
        float64 ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError
            If `X` is no array of numbers or sequence of images.
        ValueError
            If `X` holds other images than those the estimator was fitted on; the message says how.
        """
        (logits,) = self._predict_batches(X, lambda module, patches: [module.scores(patches)])
        return log_proba_of(logits)

    @neutral()
    def predict_proba(self, X: Images) -> Floats:
        """Class probabilities.

        Parameters
        ----------
        X : array-like or sequence of n_samples images
            In any form that ``fit`` takes, of the size and channels that it saw.

        Returns
        -------
        float64 ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``; rows sum to one.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError
            If `X` is no array of numbers or sequence of images.
        ValueError
            If `X` holds other images than those the estimator was fitted on; the message says how.
        """
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: Images) -> np.ndarray:
        """Most probable class of each cell.

        Parameters
        ----------
        X : array-like or sequence of n_samples images
            In any form that ``fit`` takes, of the size and channels that it saw.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels as given to ``fit``.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError
            If `X` is no array of numbers or sequence of images.
        ValueError
            If `X` holds other images than those the estimator was fitted on; the message says how.
        """
        best = self.predict_log_proba(X).argmax(axis=1)
        return self.classes_[best]

    def localize(self, X: Images) -> NDArray[np.float32]:
        """Return the transforms that lay the window on the cells.

        Parameters
        ----------
        X : array-like or sequence of n_samples images
            In any form that ``fit`` takes, of the size and channels that it saw.

        Returns
        -------
        float32 ndarray of shape (n_samples, 2, 3)
            Theta: window coordinates to patch coordinates, both in [-1, 1] between the outer
            edges (``align_corners=False``).

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError
            If `X` is no array of numbers or sequence of images.
        ValueError
            If `X` holds other images than those the estimator was fitted on; the message says how.
        """
        return self._predict_batches(X, lambda module, patches: [module(patches)[1]])[0]

    @neutral()
    def transform(self, X: Images) -> NDArray[np.float32]:
        """Positions of the cells.

        Parameters
        ----------
        X : array-like or sequence of n_samples images
            In any form that ``fit`` takes, of the size and channels that it saw.

        Returns
        -------
        float32 ndarray of shape (n_samples, 2)
            ``(x, y)`` in pixels of the whole image given; integer = pixel centre, (0, 0) is
            the top-left pixel.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError
            If `X` is no array of numbers or sequence of images.
        ValueError
            If `X` holds other images than those the estimator was fitted on; the message says how.
        """
        theta = self.localize(X)
        frame = self._fitted_frame()
        return (theta_centers(theta, frame.patch) + frame.origin).astype(np.float32)

    def attend(self, X: Images) -> NDArray[np.float32]:
        """Images that the classifier saw, at the size at which it saw them.

        Parameters
        ----------
        X : array-like or sequence of n_samples images
            In any form that ``fit`` takes, of the size and channels that it saw.

        Returns
        -------
        float32 ndarray of shape (n_samples, height, width, channels)
            In the units of X; uint8 images become 0 to 1.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError
            If `X` is no array of numbers or sequence of images.
        ValueError
            If `X` holds other images than those the estimator was fitted on; the message says how.
        """

        def look(module, patches):
            return [module.look(patches).permute(0, 2, 3, 1)]

        return self._predict_batches(X, look)[0]

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Names of the columns of ``transform``.

        Parameters
        ----------
        input_features : array-like of str, shape (n_features_in_,), default=None
            Only compared with what ``fit`` saw; the names do not depend on them.

        Returns
        -------
        ndarray of str objects of shape (2,)
            ``cell_x`` and ``cell_y``.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If `input_features` is not what `fit` saw.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        return np.array(["cell_x", "cell_y"], dtype=object)
