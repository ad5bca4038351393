"""Figures in scikit-learn's display style; they need matplotlib, ``pip install 'stnclf[plot]'``.

Each has class methods ``from_...`` that compute what is drawn and draw it, a method ``plot`` that
draws it again, into axes of your own if you like, and attributes ``figure_`` and ``ax_`` (or
``axes_``). Lines and markers differ in shape as well as in colour, and in grey.
"""

from ._display_curves import ReliabilityDisplay, StageHistoryDisplay
from ._display_patches import LocalizationDisplay
from ._display_slide import HotspotDisplay

__all__ = ["HotspotDisplay", "LocalizationDisplay", "ReliabilityDisplay", "StageHistoryDisplay"]
