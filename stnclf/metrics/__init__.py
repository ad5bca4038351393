"""How far predicted cells are from annotated ones, how many are found, how sure one may be.

And how far those who annotate agree.

Points are ``(x, y)`` in pixels of the whole image; a whole number is the middle of a pixel and
``(0, 0)`` the middle of the top-left one. Sizes are ``(height, width)``.
"""

from ._agreement import annotator_agreement, fleiss_kappa
from ._calibration import expected_calibration_error, reliability_curve
from ._coverage import coverage_curve
from ._detection import detection_score
from ._detection_curve import choose_thresholds, detection_curve
from ._localization import error_summary, localization_error, localization_summary

__all__ = [
    "annotator_agreement",
    "choose_thresholds",
    "coverage_curve",
    "detection_curve",
    "detection_score",
    "error_summary",
    "expected_calibration_error",
    "fleiss_kappa",
    "localization_error",
    "localization_summary",
    "reliability_curve",
]
