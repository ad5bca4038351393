"""Which tests take long, for `make check` (``-m "not slow"``).

Not what is important but what is quick runs there: these train networks to a good score, scan
whole slides, start and kill processes, or run the pages of the documentation. Chosen by measured
seconds of processor: a file as a whole where its fixtures take more than two seconds, single
tests above one second elsewhere. ``pytest --durations=30 -m "not slow"`` shows what has become
long since.
"""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["SLOW"]

#: Folders, files, and functions of files, below ``tests/``.
SLOW = frozenset(
    [
        "benchmarks",
        "cli/test_evaluate.py",
        "cli/test_export.py",
        "cli/test_hotspots.py",
        "cli/test_info.py",
        "cli/test_main.py",
        "cli/test_patches.py",
        "cli/test_predict.py",
        "cli/test_scan.py",
        "cli/test_train.py",
        "persistence",
        "scan/test_finders.py",
        "scan/test_many.py",
        "scan/test_map_finder.py",
        "scan/test_scan.py",
        "test_base.py",
        "test_baseline.py",
        "test_classifier.py",
        "test_common.py",
        "test_dask.py",
        "test_docs.py",
        "test_faults.py",
        "test_interruptions.py",
        "test_numerical_health.py",
        "test_prediction.py",
        "test_properties.py",
        "test_reference_predictions.py",
        "test_sklearn_tools.py",
        "training/test_callbacks.py",
        "training/test_checkpoint.py",
        "training/test_cuda_graph.py",
        "training/test_killed.py",
        "training/test_transfer.py",
    ]
)

TESTS = Path(__file__).parent


def names(path, function):
    """List the names under which a test may stand in `SLOW`: its folders, file and function."""
    relative = Path(path).relative_to(TESTS)
    folders = [folder.as_posix() for folder in relative.parents][:-1]
    return {*folders, relative.as_posix(), f"{relative.as_posix()}::{function}"}


def pytest_collection_modifyitems(items):
    """Mark the tests that take long."""
    for item in items:
        if item.path.is_relative_to(TESTS):
            function = getattr(item, "originalname", None) or item.name
            if names(item.path, function) & SLOW:
                item.add_marker(pytest.mark.slow)
