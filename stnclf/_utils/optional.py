"""Packages of the extras, imported where they are needed."""

from __future__ import annotations

from typing import Any


def import_pandas() -> Any:
    """Import pandas, or name the extra that brings it."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "stnclf.annotations needs pandas; install it with: pip install 'stnclf[slides]'"
        ) from error
    return pandas


def import_yaml() -> Any:
    """Import PyYAML, or name the extra that brings it."""
    try:
        import yaml
    except ImportError as error:
        raise ImportError(
            "YOLO's data.yaml needs PyYAML; install it with: pip install 'stnclf[slides]'"
        ) from error
    return yaml
