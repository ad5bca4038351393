"""What both classifiers share: input, labels, seeds, stages, prediction, scikit-learn's tags."""

from __future__ import annotations

import contextlib
import copy
import os
import threading
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.model_selection import train_test_split
from sklearn.utils._param_validation import Interval, StrOptions
from skorch.callbacks import EarlyStopping

from ._prediction import PredictionMixin
from ._utils.checks import (
    check_callbacks,
    check_centers,
    check_device,
    check_neighbors,
    check_weight,
    check_y,
    draw_seed,
    same_labels,
    uses_bfloat16,
    weight_of_class,
)
from ._utils.errors import argument_error
from ._utils.images import as_images, check_image_shape, check_size, naming
from ._utils.neutral import neutral
from ._utils.printable import counted
from ._utils.sized_images import warn_of_context
from .networks import initialize, positional_names
from .sampling import Augmentation, CellDataset, Frame, channel_statistics
from .training import CellNet, Optimizer
from .training._callbacks import ProgressBar, StagePrintLog, history_rows
from .training._checkpoint import CheckpointKeeper
from .training._fingerprint import fingerprint, start_digest
from .training._transfer import initial_weights, load_matching_weights

__all__ = ["BaseCellClassifier"]

# Modules draw throw-away weights from torch's global generator when they are made; the lock
# keeps its state whole when several threads fit at once.
_GENERATOR_LOCK = threading.Lock()

#: Epochs without a better validation loss that end a stage.
PATIENCE = 10

_SIZE = [None, Interval(Integral, 1, None, closed="left"), tuple, list]
_COUNT = [Interval(Integral, 0, None, closed="left")]
_POSITIVE = [Interval(Real, 0, None, closed="neither")]


class Given(NamedTuple):
    """What ``fit`` was given, checked; ``y`` are indices of ``classes``."""

    X: np.ndarray
    classes: np.ndarray
    y: np.ndarray
    centers: np.ndarray
    weight: np.ndarray
    frame: Frame
    neighbors: np.ndarray | None

    @property
    def absolute(self):
        """Whether something is said about places beside the cell that is meant."""
        return self.neighbors is not None or bool(np.isnan(self.centers).any())


class BaseCellClassifier(PredictionMixin, BaseEstimator):
    """Base of the classifiers; subclasses provide the networks and the stages."""

    _parameter_constraints: dict = {
        "patch_size": _SIZE,
        "cell_size": _SIZE,
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "balance": ["boolean", StrOptions({"fixed"})],
        "class_weight": [None, dict, StrOptions({"balanced"})],
        "augment": [None, StrOptions({"default", "paper"}), Augmentation],
        "optimizer": [StrOptions({"default", "paper"}), Optimizer],
        "validation_fraction": [None, Interval(Real, 0, 1, closed="neither")],
        "image_shape": [None, tuple, list],
        "mpp": [None, Interval(Real, 0, None, closed="neither")],
        "device": [str],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "compile": ["boolean"],
        "warm_start": ["boolean"],
        "init": "no_validation",  # `initial_weights` does it
        "checkpoint": [None, str, os.PathLike],
        "callbacks": [None, list, tuple],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    #: What the names of ``augment`` and ``optimizer`` stand for.
    _NAMED: dict = {}

    # Two hooks for subclasses: all stages by name, and the untrained system.

    def _stages(self):
        """Return a dict of name to `stnclf.training.Stage`, in their order."""
        raise NotImplementedError

    def _build(self, frame, n_channels, n_classes, mean, std):
        """Return the module; its weights are drawn afterwards."""
        raise NotImplementedError

    def _named(self, parameter):
        """Return the object that ``augment`` or ``optimizer`` is or stands for, checked."""
        value = getattr(self, parameter)
        if value is None or isinstance(value, str):
            return clone(self._NAMED[parameter][value])
        value.check()
        return value

    def _rates(self):
        """Return the learning rates of all stages, in their order."""
        default = self._NAMED["optimizer"]["default"].lr
        return self._named("optimizer").rates(default)

    def _resolved_parameters(self, image):
        """Return the parameters with what their names stand for, for images of a size.

        Those of objects are named as in ``get_params(deep=True)``.
        """
        found = self.get_params(deep=False)
        for name in self._NAMED:
            del found[name]
            for part, value in self._named(name).get_params().items():
                found[f"{name}__{part}"] = value
        found["optimizer__lr"] = self._rates()
        return found

    def _validate_params(self):
        super()._validate_params()
        self._named("augment")
        self._rates()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of the estimator.

        Parameters
        ----------
        deep : bool, default=True
            With those of ``augment`` and ``optimizer``; not those of ``init``, which is used as
            it is.

        Returns
        -------
        dict
            Parameters by name.
        """
        found = super().get_params(deep)
        return {name: value for name, value in found.items() if not name.startswith("init__")}

    def set_params(self, **params: Any) -> BaseCellClassifier:
        """Set parameters of the estimator.

        Parameters
        ----------
        **params : dict
            Parameters by name; those of objects as ``augment__flip``, which wants an object
            there and not a name.

        Returns
        -------
        estimator
            The estimator itself.

        Raises
        ------
        ValueError
            If there is no such parameter, or no object that has it.
        """
        for name, part in (key.split("__", 1) for key in params if "__" in key):
            value = params.get(name, getattr(self, name, None))
            if name == "init":  # shared between clones
                raise ValueError(f"init__{part}: init is used as it is, and none of it is set.")
            if name in self._NAMED and not hasattr(value, "set_params"):
                raise ValueError(
                    f"{name}__{part}: got {name}={value!r}, wants an object that has it, "
                    f"{name}={name.replace('augment', 'augmentation').capitalize()}(...)."
                )
        return super().set_params(**params)

    def __getstate__(self):
        # Not the attributes themselves: another thread may fit while they are copied.
        return dict(super().__getstate__())

    @neutral()
    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, y, centers, sample_weight, stages, neighbors=None):
        """Check everything, then train the stages one after the other."""
        with contextlib.ExitStack() as until_the_end:
            given = X, y, centers, sample_weight, neighbors
            return self._fit_kept(given, stages, until_the_end)

    def _fit_kept(self, given, stages, until_the_end):
        before = dict(vars(self))
        try:
            plan, data, keeper = self._prepare(given, stages, until_the_end)
        except BaseException:
            # What was fitted before stays as it was.
            vars(self).clear()
            vars(self).update(before)
            raise
        self.detection_thresholds_ = {}  # others were those of other weights
        try:
            left = [(stage, None) for stage in plan]
            if keeper is not None:
                keeper.restore(self.net_)
                left = keeper.left(plan)
            self._to_device(check_device(self.device))
            for stage, saved in left:
                self.net_.run_stage(stage, *data, saved)
        finally:
            # Interrupted or not: what was learned is usable, and lies where every machine can
            # open it.
            self._to_device("cpu")
            self.history_ = history_rows(self.net_.history)
        return self

    def _prepare(self, given, stages, until_the_end):
        """Check everything, make data and ``net_`` ready: stages, data and checkpoint."""
        plan = self._chosen_stages(stages)
        check_device(self.device)
        check_callbacks(self.callbacks, self.validation_fraction)
        keeper, known_seed = None, None
        if self.checkpoint is not None:
            keeper = until_the_end.enter_context(CheckpointKeeper(self.checkpoint))
        known = self.classes_ if self.warm_start and hasattr(self, "net_") else None
        init = None
        if self.init is not None and known is None:
            init = initial_weights(self.init, BaseCellClassifier)
        given = self._check(*given, reset=known is None)
        if keeper is not None:
            known_seed = self._look_for_run(keeper, plan, given, init, known is not None)
        data, seed = self._data(given, known is not None, known_seed)
        if known is None:
            self.classes_ = given.classes
            self.patch_size_, self.cell_size_ = given.frame.patch, given.frame.cell
            self.net_ = self._new_net(data[0], seed, init, given.absolute)
        else:
            self._check_same(known, given.classes, given.frame)
        self._note_cells(given)
        self._set_up_net(seed, keeper)
        if keeper is not None:
            keeper.load(self.net_)
        return plan, data, keeper

    def _note_cells(self, given):
        """Note what predictions can be asked."""
        found = given.y[~np.isnan(given.centers).any(axis=1)]
        self.has_cell_ = np.isin(np.arange(len(given.classes)), found)
        self.objectness_ = given.absolute and self._learns_objectness(given.frame)

    def _learns_objectness(self, frame):
        """Whether there is a network that can learn where there is no cell."""
        return False

    def _check(self, X, y, centers, sample_weight, neighbors, reset):
        """Check what ``fit`` was given."""
        before, X = X, as_images(self, X, self.image_shape, reset=reset)
        warn_of_context(self, before, X.shape[1:3])
        classes, y = check_y(X, y, type(self).__name__)
        frame = self._frame(X.shape[1:3])
        self._check_networks(frame)
        centers = check_centers(centers, len(X), frame.image, frame.patch, missing=True)
        weight = check_weight(sample_weight, X)
        neighbors = check_neighbors(neighbors, len(X))
        given = Given(X, classes, y, centers, weight, frame, neighbors)
        if self._named("augment").stain and (X.shape[3] != 3 or self.pixel_unit_.full is None):
            raise argument_error(
                "augment",
                f"got stain={self._named('augment').stain:g} for "
                f"{counted(X.shape[3], 'channel')} of {self.pixel_unit_}; wants red, "
                "green and blue, of 8 or 16 bits or from 0 to 1.",
            )
        self._check_cells(given)
        return given

    def _check_cells(self, given):
        """Refuse centres and neighbours that no network here can learn."""

    def _look_for_run(self, keeper, plan, given, init, going_on):
        """Look for an earlier run of this training: its seed, or None."""
        X, classes, y, centers, weight, frame, neighbors = given
        start, earlier = init and init[0], None
        if going_on:
            start = self.net_.module_.state_dict()
            names = positional_names(self.net_.module_)
            earlier = start_digest({names[name]: tensor for name, tensor in start.items()})
        stages = [stage.name for stage in plan]
        begun = fingerprint(self, stages, X, classes, y, centers, weight, start, neighbors)
        whole = frame.cell == frame.patch
        return keeper.look(begun, plan, self._stages(), whole=whole, earlier_start=earlier)

    def _data(self, given, going_on, known_seed):
        """Make the data sets, for training and for early stopping (or None), and the seed."""
        X, classes, y, centers, weight, frame, neighbors = given
        weight = weight * weight_of_class(self.class_weight, classes, y, weight)
        rows = np.flatnonzero(weight)
        kept = np.unique(y[rows])
        if len(kept) < 2:
            raise argument_error(
                "y",
                f"got {counted(len(kept), 'class', 'classes')}, {classes[kept].tolist()}; "
                f"{type(self).__name__} wants at least two classes (samples of weight zero "
                "do not count).",
            )
        if going_on and self.random_state is None:
            seed = self.net_.seed  # the same samples stay held out
        elif self.random_state is None and known_seed is not None:
            seed = known_seed
        else:
            seed = draw_seed(self.random_state)
        rows, held_out = self._split(rows, y, seed)
        weight = (weight / weight[rows].mean()).astype(np.float32)

        def part(rows):
            near = None if neighbors is None else neighbors[rows]
            return CellDataset(X, rows, y[rows], centers[rows], weight[rows], frame, near)

        return [None if rows is None else part(rows) for rows in (rows, held_out)], seed

    def _set_up_net(self, seed, keeper):
        """Hand the net the parameters that may change between one fit and the next."""
        net, optimizer = self.net_, self._named("optimizer")
        self._architecture_ = self._architecture()
        self._set_up(net.module_)
        net.module_.objectness = self.objectness_
        net.seed, net.batch_size = seed, self.batch_size
        net.balance, net.augment = self.balance, self._named("augment")
        net.schedule, net.weight_decay = optimizer.schedule, optimizer.weight_decay
        net.bfloat16 = uses_bfloat16(self.precision, check_device(self.device))
        net.compiled = self.compile
        net.callbacks, net.verbose = self._all_callbacks(), int(self.verbose)
        if keeper is not None:
            net.callbacks.append(keeper)
        with naming("callbacks", "names that differ from each other and from the net's own"):
            net.initialize_callbacks()

    def _chosen_stages(self, stages):
        known = self._stages()
        names = () if isinstance(stages, str) or not np.iterable(stages) else tuple(stages)
        if not names or not all(isinstance(name, str) for name in names):
            raise argument_error(
                "stages", f"got {stages!r}, wants a sequence of one or more of {list(known)}."
            )
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argument_error(
                "stages", f"got unknown {unknown}, wants one or more of {list(known)}."
            )
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

    def _new_net(self, train, seed, init, absolute):
        mean, std = channel_statistics(train.X, train.rows)
        module = self._new_module(train.frame, train.X.shape[3], len(self.classes_), mean, std)
        initialize(module, torch.Generator().manual_seed(seed))
        if absolute and self._learns_objectness(train.frame):
            module.localizer.expect_few()
        if init is not None:
            weights, classes = init
            same = same_labels(classes, self.classes_)
            load_matching_weights(module, weights, same_classes=same)
        return CellNet.around(module)

    def _new_module(self, frame, n_channels, n_classes, mean, std):
        """Make the module; the weights that it draws for itself are for nobody."""
        with _GENERATOR_LOCK, torch.random.fork_rng(devices=[]):
            # Whatever torch's default dtype is.
            return self._build(frame, n_channels, n_classes, mean, std).float()

    def _all_callbacks(self):
        callbacks = [copy.deepcopy(callback) for callback in self.callbacks or ()]
        if self.verbose:
            callbacks.append(StagePrintLog() if self.verbose > 1 else ProgressBar())
        if self.validation_fraction is not None and not any(map(stops_early, callbacks)):
            callbacks.append(EarlyStopping(patience=PATIENCE, load_best=True))
        return callbacks

    def _check_same(self, known, classes, frame):
        """Refuse to continue training on something else."""
        if not same_labels(known, classes):
            raise argument_error(
                "y",
                f"got the classes {classes.tolist()}; warm_start=True continues a training "
                f"on {known.tolist()}.",
            )
        if check_image_shape(self.image_shape) not in (None, self.image_shape_):
            raise argument_error(
                "image_shape",
                f"got {self.image_shape}; warm_start=True continues a training on "
                f"{self.image_shape_}.",
            )
        now = (frame.patch, frame.cell, self._architecture())
        was = (self.patch_size_, self.cell_size_, self._architecture_)
        if now != was:
            raise argument_error(
                "warm_start",
                f"the networks were made for {was} (patch_size, cell_size, kinds), "
                f"the parameters now say {now}; fit anew with warm_start=False.",
            )

    def _check_networks(self, frame):
        """Refuse parameters that name networks that cannot be built for some sizes."""

    def _architecture(self):
        """Parameters that decide which networks there are."""
        return ()

    def _set_up(self, module):
        """Hand the module what may change between one fit or prediction and the next."""

    def _to_device(self, device):
        self.net_.device = device
        self.net_.module_.to(device)

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


def stops_early(callback):
    """Say whether a callback, maybe with a name, ends stages by the validation loss."""
    callback = callback[1] if isinstance(callback, tuple) else callback
    callback = callback() if callback is EarlyStopping else callback
    return isinstance(callback, EarlyStopping) and str(callback.monitor).startswith("valid")
