"""Write and read model files."""

from __future__ import annotations

import io
import os
import warnings

from .._serialization.container import REFUSALS, Reader, one_line, pack, reading
from .._utils.checks import check_device
from .._utils.errors import argument_error
from .._utils.files import write_atomically
from .._utils.neutral import neutral
from .._utils.typing import PathLike
from ..baseline import CiresanBaseline
from ..classifier import STNCellClassifier
from ..ensemble import Ensemble, members_of
from ._contents import check_estimator, describe, restore, versions, weights
from ._model_card import as_markdown

__all__ = ["load", "model_card", "save"]


@neutral()
def save(estimator: CiresanBaseline | STNCellClassifier | Ensemble, path: PathLike) -> None:
    """Write a fitted estimator to a file that is safe to open.

    The file is written as a whole or not at all: if that fails, a file that stood there before
    is as it was. Equal estimators give equal bytes, as far as the same packages write them.

    Parameters
    ----------
    estimator : STNCellClassifier, CiresanBaseline or Ensemble
        Fitted. The file of an ensemble holds all its members.
    path : str or path-like
        Name of the file; ``.safetensors`` is the usual ending. A file there is replaced.

    Returns
    -------
    None

    Warns
    -----
    UserWarning
        If the estimator has ``callbacks``. They are code and are left out.

    Raises
    ------
    TypeError
        If the estimator is of another class, a parameter is of a type that cannot be stored (a
        ``random_state`` that is a RandomState can be), the labels are neither strings,
        integers, booleans nor floats of at most 64 bits, or ``path`` is no path.
    ValueError
        If the estimator is not fitted, its weights are not finite, or its parameters were
        changed since ``fit`` so that they describe other networks.
    OSError
        If the file cannot be written; the error names it.

    See Also
    --------
    load : The way back.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import stnclf
    >>> from stnclf.datasets import make_cells
    >>> X, y, centers = make_cells(24, random_state=0)
    >>> clf = stnclf.CiresanBaseline(epochs=1, random_state=0).fit(X, y, centers=centers)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     stnclf.save(clf, path)
    ...     again = stnclf.load(path)
    >>> np.array_equal(clf.predict_proba(X), again.predict_proba(X))
    True
    """
    path, facts = _as_str(path), describe(estimator)
    data = pack(facts, weights(estimator))
    try:
        # What could not be loaded must not replace what can.
        restore(Reader(io.BytesIO(data), len(data)))
    except REFUSALS as error:
        raise ValueError(f"{path}: not written; {one_line(error)}") from error
    write_atomically(path, data)
    if any(member.callbacks for member in members_of(estimator)):
        warnings.warn(
            "callbacks are code and are left out of the model file; pass them again after load.",
            UserWarning,
            stacklevel=2,
        )


@neutral()
def load(
    path: PathLike, device: str | None = None
) -> CiresanBaseline | STNCellClassifier | Ensemble:
    """Load an estimator from a file that `save` wrote.

    On the same device, with the same packages, predictions are the same bit for bit, and
    ``warm_start=True`` continues the training where it ended.

    Everything in the file is checked, sizes before anything of that size is made: loading takes
    no more memory than twice the file and 100 MB.

    Parameters
    ----------
    path : str or path-like
        Name of the file.
    device : str, default=None
        The estimator's parameter ``device``, of an ensemble that of all members; None leaves it
        as it was saved. A model that was trained on a GPU loads anywhere, but to predict with it
        where there is none takes ``device="cpu"``, unless it was saved with "auto".

    Returns
    -------
    STNCellClassifier, CiresanBaseline or Ensemble
        Fitted. Parameters that did not exist yet when the file was written have their defaults.

    Raises
    ------
    ValueError
        If the file is damaged, no model file, or written by a newer version of the package; in
        one line that names the path and what is wrong. Also if there is no such device.
    TypeError
        If ``path`` is no path or ``device`` no str.
    OSError
        If the file cannot be read.

    See Also
    --------
    save : Writes such files.
    """
    if device is not None:
        if not isinstance(device, str):
            raise argument_error("device", f"got {device!r}, wants a str or None.", TypeError)
        check_device(device)
    path = _as_str(path)
    try:
        with reading(path) as reader:
            estimator = restore(reader)
    except REFUSALS as error:
        raise ValueError(f"{path}: cannot be loaded; {one_line(error)}") from error
    if device is not None:
        for member in members_of(estimator):
            member.set_params(device=device)
    return estimator


def model_card(estimator: CiresanBaseline | STNCellClassifier | Ensemble) -> str:
    """Describe a fitted estimator in Markdown, from the facts that a model file holds.

    Parameters
    ----------
    estimator : STNCellClassifier, CiresanBaseline or Ensemble
        Fitted.

    Returns
    -------
    str
        Input and output, training, parameters and versions, and a list of what only people can
        add: data, scores, intended use.

    Raises
    ------
    TypeError, ValueError
        As `save` does.

    Examples
    --------
    >>> import stnclf
    >>> from stnclf.datasets import make_cells
    >>> X, y, centers = make_cells(24, random_state=0)
    >>> clf = stnclf.CiresanBaseline(epochs=1, random_state=0).fit(X, y, centers=centers)
    >>> print(stnclf.persistence.model_card(clf).splitlines()[0])
    # CiresanBaseline
    """
    check_estimator(estimator)
    return as_markdown(estimator, versions())


def _as_str(path):
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise argument_error("path", f"got {path!r}, wants a str or path-like.", TypeError)
    return os.fsdecode(path)
