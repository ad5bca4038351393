"""Packages of the extras: they are given, or the error names the extra that brings them."""

import builtins
import sys

import pytest

from stnclf._utils.optional import import_pandas


def test_pandas_is_given():
    pandas = pytest.importorskip("pandas", reason="needs the extra [slides]")
    assert import_pandas() is pandas


@pytest.mark.parametrize("how", ["missing", "blocked", "broken"])
def test_without_pandas_the_extra_is_named_and_the_cause_kept(how, monkeypatch):
    real = builtins.__import__
    reason = {"missing": ModuleNotFoundError, "broken": ImportError}

    def refuse(name, *rest, **more):
        if name == "pandas":
            raise reason[how](f"pandas is {how}")
        return real(name, *rest, **more)

    if how == "blocked":  # as Python itself marks what must not be imported
        monkeypatch.setitem(sys.modules, "pandas", None)
    else:
        monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"pip install 'stnclf\[slides\]'") as caught:
        import_pandas()
    assert isinstance(caught.value.__cause__, ImportError)
