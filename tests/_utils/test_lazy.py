"""Names that are imported when they are asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import stnclf
from stnclf._utils.lazy import lazy_names

SOURCE = Path(stnclf.__file__).parents[1]


def run(code):
    """Run code in a fresh interpreter; return what it printed, which must be JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=SOURCE
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_import_of_the_package_is_light_and_names_come_when_asked_for():
    code = """
import json, sys
import stnclf
before = [name for name in ("numpy", "sklearn", "torch") if name in sys.modules]
names = dir(stnclf)
kept = "load" in vars(stnclf)
from stnclf import load, losses, STNCellClassifier
import pickle
same = pickle.loads(pickle.dumps(stnclf.STNCellClassifier)) is STNCellClassifier
print(json.dumps([before, kept, "load" in vars(stnclf), names, losses.__name__, same]))
"""
    before, kept, then, names, losses, same = run(code)
    assert (before, kept, then, losses, same) == ([], False, True, "stnclf.losses", True)
    assert set(stnclf.__all__) <= set(names)


def test_a_star_brings_all_names():
    code = "from stnclf import *; import json; print(json.dumps(sorted(globals())))"
    assert {*stnclf.__all__} <= {*run(code)}


def test_a_name_is_that_of_its_module():
    find, names = lazy_names("stnclf", {"make_cells": ".datasets"})
    from stnclf.datasets import make_cells

    assert find("make_cells") is make_cells
    assert "make_cells" in names()
    del stnclf.make_cells  # it is kept in the package, which has none of this name


@pytest.mark.parametrize("name", ["nonsense", "_nonsense", "__nonsense__"])
def test_a_name_that_nobody_has_is_an_attribute_error(name):
    with pytest.raises(AttributeError, match=f"module 'stnclf' has no attribute '{name}'"):
        getattr(stnclf, name)
    with pytest.raises(ImportError, match="cannot import name"):
        exec(f"from stnclf import {name}")


def test_a_missing_dependency_is_not_taken_for_a_missing_name(monkeypatch):
    monkeypatch.delitem(sys.modules, "stnclf.losses", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    find, _ = lazy_names("stnclf", {})
    with pytest.raises(ImportError, match="torch"):
        find("losses")
