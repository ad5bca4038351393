"""Packages of the extras, imported where they are needed."""

from __future__ import annotations


def import_pandas():
    """Import pandas, or name the extra that brings it."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "stnclf.annotations needs pandas; install it with: pip install 'stnclf[slides]'"
        ) from error
    return pandas
