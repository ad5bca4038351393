"""`Optimizer`: learning rates, their course within a stage, and weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from .._utils.errors import argument_error

__all__ = ["Optimizer"]


class Optimizer(BaseEstimator):
    """Settings of the AdamW optimizer.

    The parameters are scikit-learn's: ``get_params``, ``set_params`` and `sklearn.base.clone`
    work, and as the parameter ``optimizer`` of an estimator they are reached as
    ``optimizer__weight_decay``.

    Parameters
    ----------
    lr : float, sequence of float or None, default=None
        Learning rate: one for all stages, or one for each stage in their order. None stands for
        the estimator's default rates.
    schedule : {"one-cycle", "constant"}, default="one-cycle"
        Course of the learning rate within a stage. "one-cycle" rises to ``lr`` and falls to
        zero, see `stnclf.training.learning_rate`.
    weight_decay : float, default=0.05
        Decoupled weight decay, 0 or more.

    Examples
    --------
    >>> from stnclf.training import Optimizer
    >>> Optimizer(lr=1e-3).get_params()
    {'lr': 0.001, 'schedule': 'one-cycle', 'weight_decay': 0.05}
    """

    _parameter_constraints: dict = {
        "lr": [None, Interval(Real, 0, None, closed="neither"), list, tuple],
        "schedule": [StrOptions({"constant", "one-cycle"})],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        *,
        lr: float | Sequence[float] | None = None,
        schedule: str = "one-cycle",
        weight_decay: float = 0.05,
    ) -> None:
        self.lr = lr
        self.schedule = schedule
        self.weight_decay = weight_decay

    def check(self) -> None:
        """Check the parameters.

        Raises
        ------
        ValueError
            If one of them is not of the kind described; the message names it.
        """
        try:
            self._validate_params()
        except ValueError as error:
            raise argument_error("optimizer", str(error)) from error

    def rates(self, default: Sequence[float]) -> tuple[float, ...]:
        """Find the learning rate of each stage.

        Parameters
        ----------
        default : sequence of float
            The estimator's own, one for each stage.

        Returns
        -------
        tuple of float
            As many.

        Raises
        ------
        ValueError
            If ``lr`` is a sequence of another length, or not of positive numbers.
        """
        if self.lr is None:
            return tuple(default)
        lr: Any = self.lr
        if not isinstance(lr, (list, tuple)):
            return (lr,) * len(default)
        if not _are_rates(lr, len(default)):
            raise argument_error(
                "optimizer",
                f"got lr={self.lr!r}, wants a positive number, or {len(default)}, one "
                "for each stage.",
            )
        return tuple(lr)


def _are_rates(values: Sequence[object], n: int) -> bool:
    return len(values) == n and all(
        isinstance(v, Real) and not isinstance(v, bool) and 0 < float(v) < float("inf")
        for v in values
    )
