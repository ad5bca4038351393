"""Find and classify cells in histology patches, the scikit-learn way."""

from ._version import __version__
from .baseline import CiresanBaseline
from .classifier import PAPER, STNCellClassifier
from .features import CellFeatures
from .persistence import load, save
from .sampling import Augmentation
from .training import Optimizer

__all__ = [
    "PAPER",
    "Augmentation",
    "CellFeatures",
    "CiresanBaseline",
    "Optimizer",
    "STNCellClassifier",
    "__version__",
    "load",
    "save",
]
