"""TODO metrics."""

from ._calibration import expected_calibration_error, reliability_curve
from ._detection import detection_score
from ._localization import error_summary, localization_error, localization_summary

__all__ = [
    "detection_score",
    "error_summary",
    "expected_calibration_error",
    "localization_error",
    "localization_summary",
    "reliability_curve",
]
