"""Docstrings: they are there, they say what the signature says, and their examples run."""

from __future__ import annotations

import ast
import builtins
import doctest
import importlib
import inspect
import pkgutil
import re
from functools import partial

import pandas as pd
import pytest
from torch import nn

import stnclf
from stnclf import displays
from stnclf.features import EncoderFeatures
from stnclf.slides import Slide

from .bad_input.calls import CASES

# Packages and the modules in them, by their names below stnclf.
MODULES = sorted(
    module.name.removeprefix("stnclf.")
    for module in pkgutil.walk_packages(stnclf.__path__, "stnclf.")
    if not module.name.endswith("__main__")
)
PUBLIC_MODULES = [name for name in MODULES if "." not in name and not name.startswith("_")]
ESTIMATORS = {
    "STNCellClassifier": stnclf.STNCellClassifier,
    "CiresanBaseline": stnclf.CiresanBaseline,
    "CellFeatures": stnclf.CellFeatures,
    "EncoderFeatures": EncoderFeatures,
    "Ensemble": stnclf.Ensemble,
}
DISPLAYS = {name: getattr(displays, name) for name in displays.__all__}


def collect():
    """Return public classes and functions, by the names of a public module and their own."""
    found = {}
    for module_name in PUBLIC_MODULES:
        module = importlib.import_module(f"stnclf.{module_name}")
        for name in module.__all__:
            item = getattr(module, name)
            if inspect.isclass(item) or inspect.isfunction(item):
                found[f"{module_name}.{name}"] = item
    # What several modules offer is named by the one that it is defined in, or the first.
    names = {}
    for name, item in found.items():
        if id(item) not in names or item.__module__.split(".")[1] == name.split(".")[0]:
            names[id(item)] = name
    return {name: found[name] for name in names.values()}


def collect_methods():
    """Return the public methods of estimators, displays and Slide that this package wrote."""
    found = {}
    for name, estimator in {**ESTIMATORS, **DISPLAYS, "Slide": Slide}.items():
        for method in dir(estimator):
            item = inspect.getattr_static(estimator, method)
            item = item.__func__ if isinstance(item, classmethod) else item
            own = inspect.isfunction(item) and item.__module__.startswith("stnclf.")
            if own and not method.startswith("_"):
                found[f"{name}.{method}"] = item
    return found


PUBLIC, METHODS = collect(), collect_methods()
EVERYTHING = {**PUBLIC, **METHODS}


def sections(item):
    """Return the text below each underlined title of a docstring."""
    parts = re.split(r"^(\S.*)\n-{3,}$", inspect.getdoc(item), flags=re.MULTILINE)
    return {title.strip(): text for title, text in zip(parts[1::2], parts[2::2])}


def documented(item, title="Parameters"):
    """Return (name, type) of each entry of a section; "a, b : int" are two."""
    rows = []
    for line in sections(item).get(title, "").splitlines():
        # What is indented describes; what is not is "names : type", or names alone.
        if line and not line.startswith(" "):
            names, _, kind = line.partition(" : ")
            rows += [(name.strip(), kind) for name in names.split(",")]
    return rows


def signature(item):
    """Return the parameters of a function, or of the __init__ of a class."""
    function = item.__init__ if inspect.isclass(item) else item
    parameters = inspect.signature(function).parameters.values()
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return {stars.get(p.kind, "") + p.name: p for p in parameters if p.name not in ("self", "cls")}


def documented_defaults(item):
    """Return the documented default of each parameter that has one."""
    defaults = {}
    for line in sections(item).get("Parameters", "").splitlines():
        names, _, kind = line.partition(" : ")
        if line.startswith(" ") or "default=" not in kind:
            continue
        names = [name.strip() for name in names.split(",")]
        value = ast.literal_eval(kind.split("default=", 1)[1])
        # "a, b : int, default=1, 2": one each.
        defaults.update(zip(names, value) if len(names) > 1 and isinstance(value, tuple) else [])
        defaults.update(dict.fromkeys(names, value) if names[0] not in defaults else {})
    return defaults


def test_the_parser_reads_numpy_docstrings():
    def function(a, b=1, c=2, *args, d="x", **more):
        """Do something.

        Parameters
        ----------
        a : int
            Description : with a colon.

            b : not a parameter
        b, c : int, default=1, 2
            Two.
        *args
            Anything.
        d : {"x", "y"}, default="x"
            One.
        **more : dict
            More.

        Returns
        -------
        int
        """

    assert [name for name, _ in documented(function)] == ["a", "b", "c", "*args", "d", "**more"]
    assert documented(function)[0] == ("a", "int")
    assert documented_defaults(function) == {"b": 1, "c": 2, "d": "x"}
    assert list(signature(function)) == ["a", "b", "c", "*args", "d", "**more"]
    assert documented(function, "Returns") == [("int", "")]


def test_everything_public_is_found():
    for name in (
        "classifier.STNCellClassifier",
        "geometry.cell_theta",
        "datasets.make_cells",
    ):
        assert name in PUBLIC
    for name in ("STNCellClassifier.fit", "CiresanBaseline.predict", "CellFeatures.transform"):
        assert name in METHODS


@pytest.mark.parametrize("name", EVERYTHING)
def test_summary_is_one_sentence(name):
    first, *rest = inspect.getdoc(EVERYTHING[name]).split("\n")
    assert first.endswith("."), "the first line is no whole sentence"
    assert not rest or rest[0] == "", "the second line is not empty"


@pytest.mark.parametrize("name", EVERYTHING)
def test_parameters_are_those_of_the_signature(name):
    item = EVERYTHING[name]
    own = "__init__" in vars(item) if inspect.isclass(item) else True
    if own and "Attributes" in sections(item) and "Parameters" not in sections(item):
        # Plain records: their parameters are their attributes.
        assert [entry for entry, _ in documented(item, "Attributes")] == list(signature(item))
    elif own:
        assert [entry for entry, _ in documented(item)] == list(signature(item))


@pytest.mark.parametrize("name", EVERYTHING)
def test_documented_defaults_are_those_of_the_signature(name):
    item = EVERYTHING[name]
    actual = signature(item)
    for parameter, default in documented_defaults(item).items():
        assert default == actual[parameter].default, parameter
        # 1 and True, or 0 and 0.0, are equal but not the same to a reader.
        assert type(default) is type(actual[parameter].default), parameter


@pytest.mark.parametrize("name", [*ESTIMATORS, *METHODS])
def test_estimators_document_every_default(name):
    item = {**ESTIMATORS, **METHODS}[name]
    optional = {
        parameter
        for parameter, value in signature(item).items()
        if value.default is not inspect.Parameter.empty
    }
    # Arguments that scikit-learn's convention demands and that do nothing have no default.
    ignored = {entry for entry, kind in documented(item) if kind == "None"}
    assert set(documented_defaults(item)) == optional - ignored


@pytest.mark.parametrize("name", [n for n, i in EVERYTHING.items() if inspect.isfunction(i)])
def test_functions_say_what_they_return(name):
    item = EVERYTHING[name]
    returns = documented(item, "Returns") or documented(item, "Yields")
    # One line says all of a method that takes and gives nothing.
    alone = not signature(item) and "\n" not in inspect.getdoc(item)
    assert returns or alone, "no section Returns or Yields"


def error_named(name):
    """Return the class of an error: a builtin, or one with its module in front."""
    module, _, name = name.rpartition(".")
    return getattr(importlib.import_module(module) if module else builtins, name)


RAISES = [
    (name, error) for name in EVERYTHING for error, _ in documented(EVERYTHING[name], "Raises")
]
CALLS = {case.values[:1] + case.values[2:3] for case in CASES}


@pytest.mark.parametrize(("name", "error"), RAISES)
def test_every_error_that_is_listed_has_a_call_that_raises_it(name, error):
    # tests/test_bad_calls.py makes these calls.
    assert (name, error_named(error)) in CALLS, "add a call to tests/bad_input/calls_*.py"


@pytest.mark.parametrize("name", sorted({name for name, _ in CALLS}))
def test_every_error_that_a_call_raises_is_listed(name):
    if name not in EVERYTHING:
        owner, attribute = name.split(".")  # a property has a line of text alone
        assert isinstance(vars({"Slide": Slide}[owner])[attribute], property)
        return
    raised = {error for function, error in CALLS if function == name}
    listed = {error_named(error) for error, _ in documented(EVERYTHING[name], "Raises")}
    assert raised <= listed


@pytest.mark.parametrize("name", EVERYTHING)
def test_arrays_have_a_shape(name):
    titles = ("Parameters", "Attributes", "Returns", "Yields")
    rows = [row for title in titles for row in documented(EVERYTHING[name], title)]
    for entry, kind in rows:
        # What is returned without a name has its type in place of it.
        words = kind or entry
        if re.search(r"\b(array-like|ndarray|Tensor)\b", words):
            # Estimators take images in several forms, which their class describes.
            assert "shape" in words or "n_samples images" in words, entry


@pytest.mark.parametrize("name", ESTIMATORS)
def test_attributes_are_those_after_fit(name, blobs):
    X, y, _ = blobs
    if name == "CellFeatures":
        pytest.importorskip("skimage", reason="the features need the extra [classical]")
    table = pd.DataFrame(X[:, :4, :4].reshape(len(X), -1)).rename(columns=str)
    if name == "Ensemble":
        fitted = stnclf.Ensemble([stnclf.CiresanBaseline(epochs=0).fit(table, y)])
        for attribute, _ in documented(fitted, "Attributes"):
            assert hasattr(fitted, attribute), attribute
        return
    make = partial(EncoderFeatures, nn.Flatten()) if name == "EncoderFeatures" else ESTIMATORS[name]
    none = {p: 0 for p in make().get_params() if p.endswith("epochs")}
    fitted = make(**none).fit(table, y)
    public = {a for a in vars(fitted) if a.endswith("_") and not a.startswith("_")}
    assert {entry for entry, _ in documented(fitted, "Attributes")} == public


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(f"stnclf.{name}")
    results = doctest.testmod(module)  # prints what fails, and pytest shows it
    assert results.failed == 0


def test_examples_are_found():
    finder = doctest.DocTestFinder()
    with_examples = {
        test.name
        for name in MODULES
        for test in finder.find(importlib.import_module(f"stnclf.{name}"))
        if test.examples
    }
    for name in (
        "classifier.STNCellClassifier",
        "baseline.CiresanBaseline",
        "datasets._synthetic.make_cells",
    ):
        assert f"stnclf.{name}" in with_examples
