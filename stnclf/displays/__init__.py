"""Figures in scikit-learn's display style; they need matplotlib, ``pip install 'stnclf[plot]'``.

Each has class methods ``from_...`` that compute what is drawn and draw it, a method ``plot`` that
draws it again, into axes of your own if you like, and attributes ``figure_`` and ``ax_`` (or
``axes_``). Lines and markers differ in shape as well as in colour, and in grey.
"""

from ._detection import DetectionCurveDisplay
from ._history import StageHistoryDisplay
from ._hotspots import HotspotDisplay
from ._localization import LocalizationDisplay
from ._reliability import ReliabilityDisplay

__all__ = [
    "DetectionCurveDisplay",
    "HotspotDisplay",
    "LocalizationDisplay",
    "ReliabilityDisplay",
    "StageHistoryDisplay",
]
