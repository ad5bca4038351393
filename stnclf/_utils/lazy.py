"""Names of a package whose modules are imported when a name is asked for (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make a package's ``__getattr__`` and ``__dir__``.

    Parameters
    ----------
    package : str
        The package, ``__name__`` in its ``__init__``.
    modules : dict of str to str
        For each name the module that has it, relative to the package: ".persistence".

    Returns
    -------
    getattr : callable
        Imports the module of a name, or the module or package of that name inside the package.
    dir : callable
        The names that are there, imported or not.

    Examples
    --------
    >>> from stnclf._utils.lazy import lazy_names
    >>> find, names = lazy_names("stnclf", {"load": ".persistence"})
    >>> find("load").__module__, "load" in names()
    ('stnclf.persistence._model_file', True)
    """

    def find(name: str) -> Any:
        here = sys.modules[package]
        if name in modules:
            value = getattr(importlib.import_module(modules[name], package), name)
        elif name.startswith("_"):  # Python and tools ask for many that nobody has
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        else:
            module = f"{package}.{name}"
            try:
                value = importlib.import_module(module)
            except ModuleNotFoundError as error:
                if error.name != module:
                    raise
                text = f"module {package!r} has no attribute {name!r}"
                raise AttributeError(text, name=name, obj=here) from None
        setattr(here, name, value)  # the next look finds it at once
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return find, names
