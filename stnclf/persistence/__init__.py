"""Model files: save a fitted estimator, load it again, describe it.

A model file is one safetensors file. The weights are its tensors; everything else is JSON in its
header: class, parameters, labels with their dtype, image, patch and cell size, feature names,
history, the counters that ``warm_start`` continues from, and the versions of the packages that
wrote it. Nothing is pickled, and loading runs no code from the file, so that a file from a
stranger can do no more than be refused (or hold a bad model).

What is not stored: ``callbacks``, which are code; ``init``, which is another model; the details of
single batches in the skorch net's history; what ``set_output`` and ``set_fit_request`` have set.
"""

from .._serialization.model_format import FORMAT_VERSION
from ._model_file import load, model_card, save

__all__ = [
    "FORMAT_VERSION",
    "load",
    "model_card",
    "save",
]
