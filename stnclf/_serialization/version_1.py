"""Files of format version 1: what their parameters are called today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["current_parameters"]

#: Parameters that have become those of an object.
_AUGMENT = {
    "rotate": "rotate",
    "flip": "flip",
    "scale_jitter": "scale",
    "color_jitter": "color",
    "center_jitter": "center",
}
_RATES = ("classifier_lr", "localizer_lr", "joint_lr")

#: What they were where a file does not say: earlier versions did not have them all.
_STN = {
    "localizer": "heatmap",
    "classifier": "shared",
    "n_glimpses": 1,
    "class_maps": False,
    "classifier_lr": 3e-3,
    "localizer_lr": 3e-3,
    "joint_lr": 5e-4,
    "rotate": True,
    "flip": True,
    "scale_jitter": 0.0,
    "color_jitter": 0.1,
    "center_jitter": 0.03,
    "schedule": "one-cycle",
    "weight_decay": 0.05,
    "n_iter_no_change": 10,
}
_BASELINE = {
    "lr": 1e-3,
    "rotate": True,
    "flip": False,
    "scale_jitter": 0.0,
    "color_jitter": 0.0,
    "center_jitter": 0.0,
    "schedule": "constant",
    "weight_decay": 0.0,
    "n_iter_no_change": 10,
}


def current_parameters(kind: str, stored: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    """Translate the parameters of a file of version 1.

    Parameters
    ----------
    kind : {"STNCellClassifier", "CiresanBaseline"}
        The estimator's class.
    stored : mapping of str to object
        Parameters by the names of version 1, decoded.
    whole : bool
        Whether the window was the whole patch, so that there was no localizer.

    Returns
    -------
    dict of str to object
        Parameters of today; those of objects as ``augment__flip`` and ``optimizer__lr`` (a
        tuple, one for each stage), and ``n_iter_no_change`` beside them. ``classifier`` is
        "auto" where another than the one that was named stood in for it.

    Raises
    ------
    ValueError
        If the networks are ones that there are no more.

    Examples
    --------
    >>> from stnclf._serialization.version_1 import current_parameters
    >>> found = current_parameters("CiresanBaseline", {"lr": 0.01, "epochs": 5}, whole=False)
    >>> found["epochs"], found["optimizer__lr"], found["augment__rotate"]
    (5, (0.01,), True)
    """
    found = {**(_BASELINE if kind == "CiresanBaseline" else _STN), **stored}
    if kind == "CiresanBaseline":
        found["optimizer__lr"] = (found.pop("lr"),)
    else:
        found["optimizer__lr"] = tuple(found.pop(name) for name in _RATES)
        _translate_networks(found, whole)
    for old, new in _AUGMENT.items():
        found[f"augment__{new}"] = found.pop(old)
    for name in ("schedule", "weight_decay"):
        found[f"optimizer__{name}"] = found.pop(name)
    return found


def _translate_networks(found: dict[str, Any], whole: bool) -> None:
    no_heatmap = whole or found["localizer"] == "dense"
    if found.pop("class_maps") and found["localizer"] != "dense" and not whole:
        raise ValueError(
            "its parameters have class_maps=True, maps for each class, which this version does not "
            "have; train anew without"
        )
    if found["classifier"] == "window":
        raise ValueError(
            "its parameters have classifier='window', which this version does not have; "
            "train anew, 'context' is the nearest"
        )
    if no_heatmap and found["classifier"] in ("shared", "zoom"):
        found["classifier"] = "auto"
    if no_heatmap:
        found["n_glimpses"] = 1
