"""Find and classify cells in histology patches, the scikit-learn way."""

from typing import TYPE_CHECKING

from ._utils.lazy import lazy_names
from ._version import __version__

# Importing the package is quick: torch comes with the first name that needs it.
if TYPE_CHECKING:
    from .baseline import CiresanBaseline
    from .classifier import PAPER, STNCellClassifier
    from .ensemble import Ensemble
    from .features import CellFeatures
    from .persistence import load, save
    from .sampling import Augmentation
    from .training import Optimizer
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "PAPER": ".classifier",
            "Augmentation": ".sampling",
            "CellFeatures": ".features",
            "CiresanBaseline": ".baseline",
            "Ensemble": ".ensemble",
            "Optimizer": ".training",
            "STNCellClassifier": ".classifier",
            "load": ".persistence",
            "save": ".persistence",
        },
    )

__all__ = [
    "PAPER",
    "Augmentation",
    "CellFeatures",
    "CiresanBaseline",
    "Ensemble",
    "Optimizer",
    "STNCellClassifier",
    "__version__",
    "load",
    "save",
]
