"""All bad calls."""

from __future__ import annotations

from . import estimators, files, numbers, report, slides

CASES = [
    *estimators.CASES,
    *files.CASES,
    *numbers.CASES,
    *report.CASES,
    *slides.CASES,
]
