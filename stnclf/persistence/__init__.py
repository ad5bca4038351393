"""TODO persistence."""

from ..training._checkpoint import FORMAT_VERSION
from ._model_file import load, model_card, save

__all__ = [
    "FORMAT_VERSION",
    "load",
    "model_card",
    "save",
]
