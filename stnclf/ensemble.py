"""`Ensemble`: several fitted estimators that predict as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from ._base import BaseCellClassifier
from ._prediction import PredictionMixin, log_proba_of
from ._utils.checks import same_labels
from ._utils.errors import argument_error
from ._utils.neutral import neutral
from ._utils.pixel_unit import PixelUnit
from ._utils.typing import Floats, Images
from .networks import EnsembleNet

__all__ = ["Ensemble", "class_columns", "members_of"]

#: What members have in common, beside the unit of their pixels.
_SHARED = ("image_shape_", "patch_size_", "cell_size_", "image_shape", "mpp", "device")
#: The same, of arrays, and where members have them.
_SHARED_ARRAYS = {"classes_": "classes_", "has_cell_": "_has_cell"}


class Ensemble(PredictionMixin, BaseEstimator):
    """Several fitted estimators that predict as one: the mean of their probabilities.

    The models of the folds of a cross-validation are an ensemble [1]_: each has seen other data,
    and where they disagree, the prediction is less certain than any of them says. Where a fitted
    estimator goes, an ensemble goes: `stnclf.save`, `stnclf.scan.scan`, `stnclf.onnx.to_onnx`,
    the commands. Images are checked and converted once for all members.

    Parameters
    ----------
    estimators : sequence of STNCellClassifier or CiresanBaseline
        The members: fitted, of images and patches of one size, and with the same classes. They are
        used as they are, neither copied nor fitted again; a clone of the ensemble has the same
        ones.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of all members, in the order of the columns of ``predict_proba``.
    n_features_in_ : int
        Values in an image.
    feature_names_in_ : ndarray of str, shape (n_features_in_,)
        Names of the first member's columns, where it was fitted on a table that has them.
    image_shape_ : tuple of int
        (height, width, channels) of the images.
    pixel_unit_ : object
        What the pixels were, of all members together. Images that one member would refuse are
        refused.
    patch_size_, cell_size_ : tuple of int
        (height, width) of patch and window in pixels.
    has_cell_ : bool ndarray of shape (n_classes,)
        Which classes are of cells, as for the members.
    objectness_ : bool
        Whether the localizers of all members have learned what is no cell.
    detection_thresholds_ : dict of label to float
        Least probabilities with which the ensemble's detections count, as for its members; empty
        until it is set, and again with other members. Those of the members do not count.

    See Also
    --------
    STNCellClassifier : What members usually are.

    Notes
    -----
    The position of a cell is the mean of the positions of those members that agree: the largest
    group within a quarter of the window's shorter side of one of them. Members err independently
    by a pixel or two, which the mean evens out, and now and then choose another cell, which must
    not pull the mean between two cells. To take the position of the member that is surest of its
    class instead does less: with five members on synthetic cells (windows of 32 px in patches of
    96) the median error was 2.03 px, no better than a single member's, 1.99 to 2.19; that of the
    mean of all was 1.87 and that of those that agree 1.74.

    References
    ----------
    .. [1] B. Lakshminarayanan, A. Pritzel, C. Blundell, "Simple and Scalable Predictive
       Uncertainty Estimation using Deep Ensembles", NeurIPS 2017.

    Examples
    --------
    >>> from sklearn.model_selection import cross_validate
    >>> from stnclf import CiresanBaseline, Ensemble
    >>> from stnclf.datasets import make_cells
    >>> X, y, centers = make_cells(24, random_state=0)
    >>> folds = cross_validate(
    ...     CiresanBaseline(epochs=1, random_state=0),
    ...     X,
    ...     y,
    ...     cv=2,
    ...     params={"centers": centers},
    ...     return_estimator=True,
    ... )
    >>> ensemble = Ensemble(folds["estimator"])
    >>> ensemble.predict_proba(X).shape, ensemble.disagreement(X).shape
    ((24, 3), (24,))
    """

    def __init__(self, estimators: Sequence[BaseCellClassifier]) -> None:
        self.estimators = estimators

    def __setattr__(self, name: str, value: Any) -> None:
        # Thresholds are those of the members that they were chosen for.
        if name == "estimators" and value is not self.__dict__.get(name):
            self.__dict__.pop("detection_thresholds_", None)
        super().__setattr__(name, value)

    def fit(self, X: Images, y: ArrayLike | None = None, **params: Any) -> Ensemble:
        """Do nothing: the members are fitted already.

        It is there for scikit-learn's tools, such as
        `sklearn.model_selection.FixedThresholdClassifier`. A cross-validation of an ensemble
        therefore measures nothing: its members have seen the samples that they are tested on.

        Parameters
        ----------
        X : array-like or sequence of n_samples images
            Ignored.
        y : None
            Ignored.
        **params : dict
            Ignored.

        Returns
        -------
        Ensemble
            The ensemble itself.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If a member is not fitted.
        TypeError
            If a member is of another class.
        ValueError
            If there are no members, or they do not fit together; the message says why.
        """
        self._members()
        return self

    @neutral()
    def member_proba(self, X: Images) -> Floats:
        """Class probabilities of each member.

        Parameters
        ----------
        X : array-like or sequence of n_samples images
            In any form that ``fit`` takes, of the size and channels that it saw.

        Returns
        -------
        float64 ndarray of shape (n_members, n_samples, n_classes)
            What ``predict_proba`` of each member gives; columns in the order of ``classes_``.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If a member is not fitted.
        TypeError
            If `X` is no array of numbers or sequence of images.
        ValueError
            If `X` holds other images than those the estimator was fitted on; the message says how.
        """
        return np.exp(self._member_log_proba(X))

    def _member_log_proba(self, X: Images) -> Floats:
        (logits,) = self._predict_batches(X, lambda module, patches: [module.scores(patches)])
        return log_proba_of(logits.swapaxes(0, 1))

    @neutral()
    def predict_log_proba(self, X: Images) -> Floats:
        """Logarithm of the mean of the members' class probabilities.

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
            If a member is not fitted.
        TypeError
            If `X` is no array of numbers or sequence of images.
        ValueError
            If `X` holds other images than those the estimator was fitted on; the message says how.
        """
        members = self._member_log_proba(X)
        return logsumexp(members, axis=0) - np.log(len(members))

    def disagreement(self, X: Images) -> Floats:
        """How far the members disagree on the class of each cell.

        Parameters
        ----------
        X : array-like or sequence of n_samples images
            In any form that ``fit`` takes, of the size and channels that it saw.

        Returns
        -------
        float64 ndarray of shape (n_samples,)
            Standard deviation, over the members, of the probability of the class that the
            ensemble predicts: 0 where all say the same, at most 0.5.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If a member is not fitted.
        TypeError
            If `X` is no array of numbers or sequence of images.
        ValueError
            If `X` holds other images than those the estimator was fitted on; the message says how.
        """
        return self._mean_and_disagreement(X)[1]

    def _mean_and_disagreement(self, X: Images) -> tuple[Floats, Floats]:
        """Probabilities (n_samples, n_classes), and the disagreement on the largest."""
        members = self.member_proba(X)
        mean = members.mean(axis=0)
        best = mean.argmax(axis=1)[:, None]
        return mean, np.take_along_axis(members.std(axis=0), best, axis=1)[:, 0]

    def _members(self) -> list[BaseCellClassifier]:
        """Return the members, which are fitted and fit together."""
        members = self._fitted_members()
        for i, member in enumerate(members):
            for name, own in _SHARED_ARRAYS.items():
                if not same_labels(getattr(members[0], own), getattr(member, own)):
                    self._refuse(i, name, lambda m, own=own: getattr(m, own).tolist())
            for name in _SHARED:
                if getattr(member, name, None) != getattr(members[0], name, None):
                    self._refuse(i, name, lambda m, name=name: getattr(m, name, None))
            one, other = (getattr(m, "pixel_unit_", None) for m in (members[0], member))
            agree = one.agrees_with(other) if one and other else one is other
            if not agree:
                self._refuse(i, "pixel_unit_", lambda m: getattr(m, "pixel_unit_", None))
        return members

    def _known_members(self) -> list[BaseCellClassifier]:
        """Return the members, fitted or not; refuse what cannot be one."""
        given = self.estimators
        # An iterator is empty when it is asked for the second time.
        single = isinstance(given, (str, bytes, BaseEstimator, Iterator)) or not np.iterable(given)
        members = [] if single else list(given)
        if not members:
            got = type(given).__name__ if single else "none"
            raise argument_error(
                "estimators",
                f"got {got}, wants a sequence of one or more fitted estimators.",
                TypeError if single else ValueError,
            )
        for i, member in enumerate(members):
            if not isinstance(member, BaseCellClassifier):
                raise argument_error(
                    f"estimators[{i}]",
                    f"got {type(member).__name__}, wants a fitted STNCellClassifier or "
                    "CiresanBaseline; of a pipeline or search, the step or best estimator that "
                    "is one.",
                    TypeError,
                )
        return members

    def _fitted_members(self) -> list[BaseCellClassifier]:
        """Return the members, which are fitted; nothing is known of how they fit together."""
        members = self._known_members()
        for i, member in enumerate(members):
            if not member.__sklearn_is_fitted__():
                raise NotFittedError(
                    f"This Ensemble is not fitted: estimators[{i}] is a {type(member).__name__} "
                    "that is not; wants fitted members, it fits none itself."
                )
        return members

    def _refuse(self, i, name, value):
        first, other = (value(self._known_members()[k]) for k in (0, i))
        raise argument_error(
            f"estimators[{i}]",
            f"has {name} {other}, but estimators[0] has {first}; wants members with the same.",
        )

    def __getattr__(self, name: str) -> Any:
        if name == "detection_thresholds_":
            return {}
        # What all members share is that of the ensemble, as long as there are fitted members.
        shared = (*_SHARED, *_SHARED_ARRAYS, "n_features_in_", "feature_names_in_")
        if name not in (*shared, "objectness_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        try:
            members = self._members()
        except NotFittedError as error:
            raise AttributeError(
                f"{name}: there is none before all members are fitted ({error})."
            ) from error
        if name == "objectness_":
            return all(getattr(member, name, False) for member in members)
        return getattr(members[0], _SHARED_ARRAYS.get(name, name))

    @property
    def pixel_unit_(self) -> PixelUnit | None:
        """What the pixels were, of all members together."""
        given = [getattr(member, "pixel_unit_", None) for member in self._members()]
        units = [unit for unit in given if unit is not None]
        if len(units) < len(given):
            return None
        return PixelUnit(
            units[0].full,
            min(unit.low for unit in units),
            max(unit.high for unit in units),
            all(unit.binary for unit in units),
        )

    def _module(self) -> EnsembleNet:
        modules = [member._module() for member in self._members()]
        return EnsembleNet(modules, self.patch_size_, self.cell_size_)

    def __sklearn_clone__(self) -> Ensemble:
        # Not the ensemble itself: who sets other members of the clone leaves this one alone.
        other = type(self)(self.estimators)
        if self.detection_thresholds_:
            other.detection_thresholds_ = dict(self.detection_thresholds_)
        return other

    def __sklearn_is_fitted__(self) -> bool:
        return len(self._fitted_members()) > 0  # an error says which one is not

    def __sklearn_tags__(self) -> Any:
        return self._known_members()[0].__sklearn_tags__()


def members_of(estimator: BaseCellClassifier | Ensemble) -> list[BaseCellClassifier]:
    """Return the members of an ensemble; another estimator is the only one.

    Parameters
    ----------
    estimator : Ensemble, STNCellClassifier or CiresanBaseline
        Fitted.

    Returns
    -------
    list of estimator
    """
    return estimator._members() if isinstance(estimator, Ensemble) else [estimator]


def class_columns(estimator: BaseCellClassifier | Ensemble, X: Images) -> Floats:
    """Compute what tables have of the classes of each cell.

    Parameters
    ----------
    estimator : Ensemble, STNCellClassifier or CiresanBaseline
        Fitted.
    X : array-like or sequence of n_samples images
        In any form that ``fit`` takes.

    Returns
    -------
    float64 ndarray of shape (n_samples, n_classes) or (n_samples, n_classes + 1)
        Probabilities; behind them, of an ensemble, the disagreement.
    """
    if not isinstance(estimator, Ensemble):
        return estimator.predict_proba(X)
    proba, disagreement = estimator._mean_and_disagreement(X)
    return np.concatenate([proba, disagreement[:, None]], axis=1)
