"""What both classifiers share: input, labels, seeds, stages, prediction, scikit-learn's tags."""

from __future__ import annotations

import copy
import threading
from numbers import Integral, Real

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, _fit_context
from sklearn.model_selection import train_test_split
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
)
from skorch.callbacks import EarlyStopping

from ._batch import as_float
from ._callbacks import ProgressBar, StagePrintLog, history_rows
from ._images import as_images, check_image_shape, check_size, naming
from ._transfer import first_weights, take_weights
from ._typing import Floats, Images
from ._validation import (
    check_callbacks,
    check_centers,
    check_device,
    check_weight,
    check_y,
    draw_seed,
    uses_bfloat16,
    weight_of_class,
)
from ._workers import Workers
from .geometry import theta_centers
from .layers import initialize
from .sampling import CellDataset, Frame, channel_statistics, patch_batches
from .training import CellNet

__all__ = ["BaseCellClassifier"]

# Modules draw throw-away weights from torch's global generator when they are made; the lock
# keeps its state whole when several threads fit at once.
_GENERATOR_LOCK = threading.Lock()

# Parameters that the net has under the same names; the baseline has not all of them.
_DRAWN_AND_LEARNED = (
    "balance",
    "rotate",
    "flip",
    "color_jitter",
    "center_jitter",
    "schedule",
    "weight_decay",
)

_SIZE = [None, Interval(Integral, 1, None, closed="left"), tuple, list]
_COUNT = [Interval(Integral, 0, None, closed="left")]
_POSITIVE = [Interval(Real, 0, None, closed="neither")]


class BaseCellClassifier(TransformerMixin, ClassifierMixin, BaseEstimator):
    """Base of the classifiers; subclasses give the networks and the stages."""

    _parameter_constraints: dict = {
        "patch_size": _SIZE,
        "cell_size": _SIZE,
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "balance": ["boolean", StrOptions({"fixed"})],
        "class_weight": [None, dict, StrOptions({"balanced"})],
        "rotate": ["boolean", StrOptions({"copy"})],
        "schedule": [StrOptions({"constant", "one-cycle"})],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "validation_fraction": [None, Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "image_shape": [None, tuple, list],
        "device": [str],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "compile": ["boolean"],
        "warm_start": ["boolean"],
        "init": "no_validation",  # `first_weights` does it
        "callbacks": [None, list, tuple],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # Two hooks for subclasses: all stages by name, and the untrained system.

    def _stages(self):
        """Return a dict of name to `stnclf.training.Stage`, in their order."""
        raise NotImplementedError

    def _build(self, frame, n_channels, n_classes, mean, std):
        """Return the module; its weights are drawn afterwards."""
        raise NotImplementedError

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, y, centers, sample_weight, stages):
        """Check everything, then train the stages one after the other."""
        before = dict(vars(self))
        try:
            plan, data = self._prepare(X, y, centers, sample_weight, stages)
        except BaseException:
            # What was fitted before stays as it was.
            vars(self).clear()
            vars(self).update(before)
            raise
        self._to_device(check_device(self.device))
        try:
            for stage in plan:
                self.net_.run_stage(stage, *data)
        finally:
            # Interrupted or not: what was learned is usable, and lies where every machine can
            # open it.
            self._to_device("cpu")
            self.history_ = history_rows(self.net_.history)
        return self

    def _prepare(self, X, y, centers, sample_weight, stages):
        """Check everything; give the stages and the data, and make ``net_`` ready."""
        plan = self._chosen_stages(stages)
        check_device(self.device)
        check_callbacks(self.callbacks, self.validation_fraction)
        going_on = self.warm_start and hasattr(self, "net_")
        before = self.classes_ if going_on else None
        init = None
        if self.init is not None and not going_on:
            init = first_weights(self.init, BaseCellClassifier)
        X = as_images(self, X, self.image_shape, reset=not going_on)
        classes, y = check_y(X, y, type(self).__name__)
        frame = self._frame(X.shape[1:3])
        centers = check_centers(centers, len(X), frame.image)
        weight = check_weight(sample_weight, X)
        weight = weight * weight_of_class(self.class_weight, classes[y])
        rows = np.flatnonzero(weight)
        kept = np.unique(y[rows])
        if len(kept) < 2:
            raise ValueError(
                f"y: got {len(kept)} class(es), {classes[kept].tolist()}; {type(self).__name__} "
                "wants at least two classes (samples of weight zero do not count)."
            )
        if going_on and self.random_state is None:
            seed = self.net_.seed  # the same samples stay held out
        else:
            seed = draw_seed(self.random_state)
        rows, held_out = self._split(rows, y, seed)
        weight = (weight / weight[rows].mean()).astype(np.float32)
        data = [
            None if r is None else CellDataset(X, r, y[r], centers[r], weight[r], frame)
            for r in (rows, held_out)
        ]
        if before is None:
            self.classes_, self.patch_size_, self.cell_size_ = classes, frame.patch, frame.cell
            self.net_ = self._new_net(X, rows, frame, seed, init)
        else:
            self._check_same(before, classes, frame)
        self._architecture_ = self._architecture()
        self._set_up(self.net_.module_)
        self.net_.seed, self.net_.batch_size = seed, self.batch_size
        for name in _DRAWN_AND_LEARNED:
            if hasattr(self, name):
                setattr(self.net_, name, getattr(self, name))
        self.net_.bfloat16 = uses_bfloat16(self.precision, check_device(self.device))
        self.net_.compiled = self.compile
        self.net_.callbacks, self.net_.verbose = self._all_callbacks(), int(self.verbose)
        with naming("callbacks", "names that differ from each other and from the net's own"):
            self.net_.initialize_callbacks()
        return plan, data

    def _chosen_stages(self, stages):
        known = self._stages()
        names = () if isinstance(stages, str) or not np.iterable(stages) else tuple(stages)
        if not names or not all(isinstance(name, str) for name in names):
            raise ValueError(
                f"stages: got {stages!r}, wants a sequence of one or more of {list(known)}."
            )
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(f"stages: got unknown {unknown}, wants one or more of {list(known)}.")
        return [known[name] for name in names]

    def _frame(self, image):
        patch = check_size("patch_size", self.patch_size, image, image, "images")
        # A row of pixels has no cell to look for; its window is the whole row.
        half = patch if patch[0] == 1 else tuple(max(1, side // 2) for side in patch)
        cell = check_size("cell_size", self.cell_size, half, patch, "patch")
        return Frame(tuple(image), patch, cell)

    def _split(self, rows, y, seed):
        if self.validation_fraction is None:
            return rows, None
        with naming("validation_fraction", "samples of each class on both sides of the split"):
            train, held_out = train_test_split(
                rows,
                test_size=self.validation_fraction,
                stratify=y[rows],
                random_state=seed % 2**32,
            )
        return np.sort(train), np.sort(held_out)

    def _new_net(self, X, rows, frame, seed, init=None):
        mean, std = channel_statistics(X, rows)
        module = self._new_module(frame, X.shape[3], len(self.classes_), mean, std)
        initialize(module, torch.Generator().manual_seed(seed))
        if init is not None:
            weights, classes = init
            take_weights(module, weights, same_classes=np.array_equal(classes, self.classes_))
        return CellNet.around(module)

    def _new_module(self, frame, n_channels, n_classes, mean, std):
        """Make the module; the weights that it draws for itself are for nobody."""
        with _GENERATOR_LOCK, torch.random.fork_rng(devices=[]):
            return self._build(frame, n_channels, n_classes, mean, std)

    def _all_callbacks(self):
        callbacks = [copy.deepcopy(callback) for callback in self.callbacks or ()]
        if self.verbose:
            callbacks.append(StagePrintLog() if self.verbose > 1 else ProgressBar())
        if self.validation_fraction is not None:
            callbacks.append(EarlyStopping(patience=self.n_iter_no_change, load_best=True))
        return callbacks

    def _check_same(self, known, classes, frame):
        """Refuse to continue training on something else."""
        if not np.array_equal(known, classes):
            raise ValueError(
                f"y: got the classes {classes.tolist()}; warm_start=True continues a training "
                f"on {known.tolist()}."
            )
        if check_image_shape(self.image_shape) not in (None, self.image_shape_):
            raise ValueError(
                f"image_shape: got {self.image_shape}; warm_start=True continues a training on "
                f"{self.image_shape_}."
            )
        now = (frame.patch, frame.cell, self._architecture())
        was = (self.patch_size_, self.cell_size_, self._architecture_)
        if now != was:
            raise ValueError(
                f"warm_start: the networks were made for {was} (patch_size, cell_size, kinds), "
                f"the parameters now say {now}; fit anew with warm_start=False."
            )

    def _architecture(self):
        """Parameters that decide which networks there are."""
        return ()

    def _set_up(self, module):
        """Hand the module what may change between one fit and the next."""

    def _fitted_frame(self):
        return Frame(self.image_shape_[:2], self.patch_size_, self.cell_size_)

    def _to_device(self, device):
        self.net_.device = device
        self.net_.module_.to(device)

    def _predict_batches(self, X, function, batch_size=8):
        """Apply ``function(module, patches)`` to all central patches; concatenate its arrays."""
        check_is_fitted(self)
        X = as_images(self, X, self.image_shape, reset=False)
        device = check_device(self.device)
        module = self.net_.module_
        if device != "cpu":
            module, batch_size = copy.deepcopy(module).to(device), 512
        module.eval()
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
        return [np.concatenate(column) for column in zip(*results)]

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
        logits = logits.astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

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
        """Give the transforms that lay the window on the cells.

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

    def __sklearn_clone__(self):
        # A nested estimator would be cloned into an unfitted one; this one gives its weights.
        other = super().__sklearn_clone__()
        other.init = self.init
        return other

    def __sklearn_is_fitted__(self):
        return hasattr(self, "history_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
