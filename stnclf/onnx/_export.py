"""`to_onnx`: check the estimator, convert its prediction, write the file."""

from __future__ import annotations

import json
from typing import Any

import torch

from .._serialization.codec import encode_classes
from .._utils.errors import argument_error
from .._utils.files import check_writable, write_atomically
from .._utils.neutral import neutral
from .._utils.pixel_unit import units_of
from .._utils.thresholds import check_thresholds
from .._utils.typing import PathLike
from .._version import __version__
from ..baseline import CiresanBaseline
from ..classifier import STNCellClassifier
from ..ensemble import Ensemble
from ..persistence._contents import check_estimator
from ..persistence._model_file import _as_str
from ._convert import OPSET, converted, import_onnx
from ._predictor import EnsemblePredictor, Predictor

__all__ = ["OPSET", "to_onnx"]

_OUTPUTS = {
    "probabilities": "of the classes",
    "centers": "(x, y) in pixels of the images",
    "theta": "window to patch, both normalised",
}
_OF_ENSEMBLES = {"disagreement": "standard deviation of the largest probability over the members"}

_DTYPES = ("uint8", "float32")


@neutral()
def to_onnx(
    estimator: CiresanBaseline | STNCellClassifier | Ensemble,
    path: PathLike,
    *,
    dtype: str = "uint8",
) -> None:
    """Write the networks of a fitted estimator as an ONNX model.

    Parameters
    ----------
    estimator : STNCellClassifier, CiresanBaseline or Ensemble
        Fitted. The members of an ensemble become one model.
    path : str or path-like
        Name of the file; ``.onnx`` is the usual ending. A file there is replaced, as a whole or
        not at all.
    dtype : {"uint8", "float32"}, default="uint8"
        What the model takes. uint8 is divided by 255, float32 taken as it is, as the estimator
        does with either.

    Returns
    -------
    None

    Raises
    ------
    ImportError
        If onnx or onnxscript is not installed.
    TypeError
        If the estimator is of another class, its labels are of a kind that cannot be written, or
        ``path`` is no path.
    ValueError
        If the estimator is not fitted, ``dtype`` is another, or the estimator was fitted on pixels
        of another unit, so that images of ``dtype`` would not be what it knows.
    OSError
        If the file cannot be written; the error names it.

    See Also
    --------
    stnclf.save : Writes what stnclf itself can load.

    Notes
    -----
    The model has one input, ``images`` of shape (n, height, width, channels) for any n: whole
    images of the size that ``fit`` saw, of which it takes the central patch itself. Its outputs
    are those of these methods, in float32:

    - ``probabilities`` of shape (n, n_classes), `predict_proba`;
    - ``centers`` of shape (n, 2), `transform`: ``(x, y)`` in pixels of the images given;
    - ``theta`` of shape (n, 2, 3), `localize`;
    - of an ensemble, ``disagreement`` of shape (n,), `Ensemble.disagreement`.

    Glimpses and test-time augmentation are in it as the estimator was fitted with them. The
    results agree with the estimator's but for rounding. Where two positions are equally good but
    for rounding, on an image that is the same all over, each may choose another.

    The model's metadata has these entries, each of which is JSON: ``classes`` (labels, in the
    order of the probabilities), ``image_shape`` (height, width, channels), ``patch_size`` and
    ``cell_size`` (height, width), ``mpp`` (the estimator's parameter), ``estimator`` (name of its
    class) and ``stnclf_version``; where ``detection_thresholds_`` is not empty, also
    ``detection_thresholds``, in the order of the classes, null where there is none.

    Examples
    --------
    >>> import json, os, tempfile
    >>> import onnxruntime
    >>> from stnclf import CiresanBaseline
    >>> from stnclf.datasets import make_cells
    >>> from stnclf.onnx import to_onnx
    >>> X, y, centers = make_cells(24, random_state=0)
    >>> clf = CiresanBaseline(epochs=1, random_state=0).fit(X, y, centers=centers)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.onnx")
    ...     to_onnx(clf, path)
    ...     session = onnxruntime.InferenceSession(path)
    >>> probabilities, centers, theta = session.run(None, {"images": X})
    >>> bool(abs(probabilities - clf.predict_proba(X)).max() < 1e-4)
    True
    >>> classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
    >>> bool(classes[probabilities[0].argmax()] == clf.predict(X)[0])
    True
    """
    path = _as_str(path)
    check_estimator(estimator)
    if dtype not in _DTYPES:
        raise argument_error("dtype", f"got {dtype!r}, wants one of {_DTYPES}.")
    check_writable(path)
    write_atomically(path, _model(estimator, dtype).SerializeToString())


def pixel_divisor(estimator: Any, dtype: str) -> float:
    """Return what a file divides images by, so that it does what the estimator does.

    Parameters
    ----------
    estimator : STNCellClassifier or CiresanBaseline
        Fitted.
    dtype : {"uint8", "float32"}
        What the file takes.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the estimator was fitted on pixels of another unit.
    """
    units = units_of(estimator)
    if None in units:  # of earlier days
        return 255.0 if dtype == "uint8" else 1.0
    try:
        divisors = [float(unit.divisor(dtype)) for unit in units]
    except ValueError as error:
        raise argument_error("dtype", f"got {dtype!r}, but {error}.") from error
    return divisors[0]  # of units of one kind


def _model(estimator: Any, dtype: str) -> Any:
    """Build the model of a fitted estimator, an onnx.ModelProto."""
    onnx = import_onnx()
    classes = encode_classes(estimator.classes_)["values"]
    frame = estimator._fitted_frame()
    example = torch.zeros(2, *estimator.image_shape_, dtype=getattr(torch, dtype))
    ensemble = isinstance(estimator, Ensemble)
    outputs = _OUTPUTS | (_OF_ENSEMBLES if ensemble else {})
    made = EnsemblePredictor if ensemble else Predictor
    predictor = made(estimator._module(), frame, pixel_divisor(estimator, dtype))
    model = converted(predictor, example, ["images"], list(outputs))
    model.graph.name = model.producer_name = "stnclf"
    model.producer_version = __version__
    model.graph.input[0].doc_string = "n, height, width, channels"
    for output in model.graph.output:
        output.doc_string = outputs[output.name]
    facts = {
        "classes": classes,
        "image_shape": estimator.image_shape_,
        "patch_size": frame.patch,
        "cell_size": frame.cell,
        "mpp": estimator.mpp,
        "estimator": type(estimator).__name__,
        "stnclf_version": __version__,
    }
    if getattr(estimator, "detection_thresholds_", None):
        known = check_thresholds(estimator.detection_thresholds_, estimator.classes_)
        facts["detection_thresholds"] = [known.get(k) for k in estimator.classes_.tolist()]
    onnx.helper.set_model_props(model, {name: json.dumps(value) for name, value in facts.items()})
    return model
