"""All bad calls."""

from __future__ import annotations

from . import calls_estimators, calls_files, calls_numbers, calls_report, calls_slides

CASES = [
    *calls_estimators.CASES,
    *calls_files.CASES,
    *calls_numbers.CASES,
    *calls_report.CASES,
    *calls_slides.CASES,
]
