"""Checks of what `stnclf.report.write_report` is given."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
from PIL import Image

from .._utils.image_files import load_images
from .._utils.labels import as_labels
from .._utils.points import as_points
from .._utils.values import check_positive
from ..geometry import patch_origin, theta_centers, window_corners
from ..metrics import localization_error
from ._curves import class_curves
from ._evaluation import (
    as_classes,
    check_image_array,
    check_length,
    check_proba,
    check_shape,
    evaluate,
)

__all__ = [
    "Predictions",
    "check_detection",
    "check_histories",
    "check_origin",
    "check_patches",
    "check_predictions",
    "check_slides",
]

_PARTS = {"slide", "detections", "fields", "truth", "thresholds", "radius_px"}
_KEYS = ("y_pred", "proba", "theta", "centers")


class Predictions:
    """Test vectors of several methods.

    Parameters
    ----------
    true : ndarray of shape (n_samples,)
        Annotated classes.
    labels : ndarray of shape (n_classes,)
        Classes in the order of the columns of probabilities.
    centers : ndarray of shape (n_samples, 2) or None
        Annotated centres.
    methods : dict of str to dict
        ``y_pred``, and ``proba``, ``theta``, ``centers`` or None, by method.
    parts : dict
        ``groups`` and ``domains`` of the samples, or None.
    """

    def __init__(self, true, labels, centers, methods, parts):
        self.true, self.labels, self.centers, self.methods = true, labels, centers, methods
        self.parts = parts
        self.image_size = self.patch_size = None

    def locate(self, image_size, patch_size):
        """Turn theta into centres and corners in pixels of the image; sizes may be unknown."""
        self.image_size, self.patch_size = image_size, patch_size
        for name, method in self.methods.items():
            if method["theta"] is not None:
                if image_size is None:
                    raise ValueError(
                        f"predictions[{name!r}]: theta is in parts of the patch and wants X; "
                        "without images give centers."
                    )
                found = theta_centers(method["theta"], patch_size)
                method["centers"] = found + patch_origin(image_size, patch_size)
                method["corners"] = window_corners(method["theta"], patch_size, image_size)

    def evaluate(self):
        """Score every method."""
        return {
            name: evaluate(
                self.true,
                method["y_pred"],
                proba=method["proba"],
                labels=self.labels,
                centers_true=self.centers,
                centers_pred=None if self.centers is None else method["centers"],
                image_size=None if self.centers is None else self.image_size,
                **self.parts,
            )
            for name, method in self.methods.items()
        }

    def curves(self):
        """Curves of each class, see `stnclf.report._curves.class_curves`."""
        known = {n: m["proba"] for n, m in self.methods.items() if m["proba"] is not None}
        return class_curves(self.true, self.labels, known)

    def is_wrong(self):
        """Mark the samples that at least one method got wrong."""
        return np.any([method["y_pred"] != self.true for method in self.methods.values()], axis=0)

    def errors(self):
        """Distances from the annotated centres by method, and by the centre guess."""
        if self.centers is None:
            return {}
        found = {n: m["centers"] for n, m in self.methods.items() if m["centers"] is not None}
        if found and self.image_size is not None:
            middle = (np.array(self.image_size[::-1]) - 1) / 2
            found["centre guess"] = np.tile(middle, (len(self.true), 1))
        errors = {name: localization_error(self.centers, places) for name, places in found.items()}
        # Patches without a cell have no distance.
        errors = {name: values[~np.isnan(values)] for name, values in errors.items()}
        return {name: values for name, values in errors.items() if len(values)}

    def as_data(self, chosen):
        """Write down the chosen samples for the gallery; points are in pixels of the patch."""
        origin = np.array(patch_origin(self.image_size, self.patch_size))
        index = {label: k for k, label in enumerate(self.labels.tolist())}

        def numbers(values):
            return [index[label] for label in values[chosen].tolist()]

        def points(values):
            if values is None:
                return None
            places = (values[chosen] - origin).round(1).tolist()
            return [None if row[0] != row[0] else row for row in places]

        methods = []
        for name, method in self.methods.items():
            proba = method["proba"]
            if proba is not None:
                proba = np.rint(1000 * proba[chosen]).astype(int).tolist()
            row = {"name": name, "predicted": numbers(method["y_pred"]), "proba": proba}
            row["centers"] = points(method["centers"])
            row["corners"] = points(method.get("corners"))
            methods.append(row)
        return {
            "note": self._note(chosen),
            "labels": [str(label) for label in self.labels.tolist()],
            "number": chosen.tolist(),
            "annotated": numbers(self.true),
            "centers": points(self.centers),
            "groups": self._groups(chosen),
            "methods": methods,
        }

    def _groups(self, chosen):
        """Names of the groups of the chosen samples, and the index of each; None without."""
        if self.parts["groups"] is None:
            return None
        names, index = np.unique(self.parts["groups"][chosen], return_inverse=True)
        return {"names": [str(name) for name in names.tolist()], "index": index.tolist()}

    def _note(self, chosen):
        n, wrong = len(self.true), self.is_wrong()
        if len(chosen) == n:
            return f"All {n} cells of the evaluation." if n > 1 else "The cell of the evaluation."
        shown = int(wrong[chosen].sum())
        return (
            f"{len(chosen)} of the {n} cells of the evaluation: {shown} of the {wrong.sum()} that "
            f"a method got wrong, and {len(chosen) - shown} of the {(~wrong).sum()} others. Shares "
            "here are not those of the evaluation; the tables above count all cells."
        )


def check_predictions(predictions, y_true, labels, centers, groups=None, domains=None):
    """Check test vectors; None where there are none."""
    if predictions is None:
        return None
    if not isinstance(predictions, Mapping) or not predictions:
        raise TypeError(f"predictions must be a dict by method, got {predictions!r:.80}.")
    if y_true is None:
        raise ValueError("y_true must be given with predictions.")
    true = as_classes(y_true, "y_true")
    methods = {str(n): _check_method(str(n), m, true) for n, m in predictions.items()}
    if labels is None:
        named = [m["y_pred"] for m in methods.values() if m["y_pred"] is not None]
        labels = np.unique(np.concatenate([true, *named]))
    labels = as_classes(labels, "labels", y_true=true)
    if centers is not None:
        centers = as_points(centers, "centers", missing=True, n=len(true))
    for name, method in methods.items():
        _check_values(f"predictions[{name!r}]", method, len(true), labels)
    parts = {"groups": groups, "domains": domains}
    for name, values in parts.items():
        if values is not None:
            parts[name] = as_labels(values, name)
            check_length(parts[name], name, len(true))
    return Predictions(true, labels, centers, methods, parts)


def _check_method(name, method, true):
    where = f"predictions[{name!r}]"
    if not isinstance(method, Mapping):
        raise TypeError(f"{where} must be a dict of {', '.join(_KEYS)}, got {method!r:.80}.")
    unknown = sorted(set(method) - set(_KEYS))
    if unknown:
        raise ValueError(f"{where} has unknown keys {unknown}; it may hold {', '.join(_KEYS)}.")
    method = {key: method.get(key) for key in _KEYS}
    if method["y_pred"] is None and method["proba"] is None:
        raise ValueError(f"{where} must hold y_pred or proba.")
    if method["y_pred"] is not None:
        method["y_pred"] = as_classes(method["y_pred"], f"{where}['y_pred']", y_true=true)
        check_length(method["y_pred"], f"{where}['y_pred']", len(true))
    return method


def _check_values(where, method, n, labels):
    if method["proba"] is not None:
        method["proba"] = check_proba(method["proba"], f"{where}['proba']", n, labels)
    if method["theta"] is not None:
        method["theta"] = check_shape(method["theta"], f"{where}['theta']", (n, 2, 3))
    if method["centers"] is not None:
        method["centers"] = as_points(method["centers"], f"{where}['centers']", n=n)
    if method["y_pred"] is None:
        method["y_pred"] = labels[method["proba"].argmax(axis=1)]
    unknown = sorted(set(method["y_pred"].tolist()) - set(labels.tolist()))
    if unknown:
        raise ValueError(f"labels must hold every class that occurs, but lacks {unknown}.")


def check_patches(X, n):
    """Check the images; give them as they are and their ``(height, width)``."""
    if isinstance(X, (str, bytes)) or not hasattr(X, "__len__"):
        raise TypeError(f"X must be an array or a sequence of paths or images, got {X!r:.80}.")
    check_length(X, "X", n)
    if hasattr(X, "dtype"):
        X = check_image_array(X)
        return X, X.shape[1:3]
    first = X[0]
    if isinstance(first, Image.Image):
        return X, first.size[::-1]
    if not isinstance(first, (str, os.PathLike)):
        raise ValueError(f"X[0], {first!r:.80}, cannot be read as an image: it is no path.")
    return X, load_images([first]).shape[1:3]


def check_origin(names, mpp, n_samples):
    """Check where images are from, as a list of texts or None, and their micrometres per pixel."""
    if names is not None:
        if isinstance(names, str):
            raise TypeError(f"names: got {names!r:.80}, wants a text for each of the images.")
        names = [str(name) for name in names]
        check_length(names, "names", n_samples)
    if mpp is not None:
        mpp = check_positive("mpp", mpp, "micrometres per pixel")
    return names, mpp


def check_histories(histories):
    """Check histories by method; None is none."""
    if histories is None:
        return {}
    if not isinstance(histories, Mapping):
        raise TypeError(f"histories must be a dict by method, got {histories!r:.80}.")
    for name, rows in histories.items():
        for row in rows:
            if not isinstance(row, Mapping) or not {"stage", "epoch"} <= set(row):
                raise ValueError(
                    f"histories[{name!r}] must be a list of dicts with stage and epoch, as "
                    f"history_ is, got {row!r:.80}."
                )
    return {str(name): list(rows) for name, rows in histories.items()}


def check_detection(detection):
    """Check scores of detections by method; None is none."""
    if detection is None:
        return {}
    if not isinstance(detection, Mapping):
        raise TypeError(f"detection must be a dict by method, got {detection!r:.80}.")
    for name, scores in detection.items():
        if not isinstance(scores, Mapping) or not {"pooled", "slides"} <= set(scores):
            raise ValueError(
                f"detection[{name!r}] must be what stnclf evaluate --detect writes, got "
                f"{scores!r:.80}."
            )
    return {str(name): scores for name, scores in detection.items()}


def check_slides(slides):
    """Check slides by name; None is none."""
    if slides is None:
        return []
    if not isinstance(slides, Mapping):
        raise TypeError(f"slides must be a dict by name, got {slides!r:.80}.")
    checked = []
    for name, parts in slides.items():
        keys = set(parts) if isinstance(parts, Mapping) else set()
        if "slide" not in keys or keys - _PARTS:
            raise ValueError(
                f"slides[{name!r}] must be a dict of slide, and of detections, fields, truth, "
                f"thresholds and radius_px where there are any, got {parts!r:.80}."
            )
        checked.append((str(name), dict(parts)))
    return checked
