"""What a release consists of: archive, recipe, and dates and versions that agree."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import stnclf

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def check_sdist():
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        return importlib.import_module("check_sdist")
    finally:
        sys.path.remove(str(ROOT / "tools"))


def test_an_archive_with_all_that_is_needed_passes(check_sdist):
    check_sdist.check_contents([f"stnclf-1/{name}" for name in [*check_sdist.NEEDED, "x.py"]])
    assert [name for name in check_sdist.NEEDED if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda names: [name for name in names if "conftest" not in name], "lacks .*conftest"),
        (lambda names: [*names, "stnclf-1/stnclf/__pycache__/a.pyc"], "holds .*a.pyc"),
        (lambda names: [*names, "stnclf-1/docs/_build/a.html"], "holds .*a.html"),
        (lambda names: [*names, "tests/a.py"], "several folders"),
    ],
)
def test_an_archive_with_more_or_less_is_refused(check_sdist, change, words):
    names = [f"stnclf-1/{name}" for name in check_sdist.NEEDED]
    with pytest.raises(ValueError, match=words):
        check_sdist.check_contents(change(names))


def test_the_manifest_names_what_is_there():
    lines = (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines()
    grafted = [line.removeprefix("graft ") for line in lines if line.startswith("graft ")]
    assert len(grafted) == 6
    assert all((ROOT / name).is_dir() for name in grafted)


def test_the_recipe_wants_what_the_package_wants():
    tomllib = pytest.importorskip("tomllib", reason="pyproject.toml is read with tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    recipe = (ROOT / "recipe/meta.yaml").read_text(encoding="utf-8")
    assert f'{{% set version = "{stnclf.__version__}" %}}' in recipe
    _, run, optional = re.split(r"^  run:|^  run_constrained:", recipe, flags=re.MULTILINE)
    lists = [
        dict(re.findall(r"^    - (\S+) (>=\S+)$", part, re.MULTILINE)) for part in (run, optional)
    ]
    renamed = {"torch": "pytorch", "matplotlib": "matplotlib-base", "dask": "dask-core"}

    def wanted(lines):
        found = {r.name: str(r.specifier) for r in map(Requirement, lines) if r.name != "stnclf"}
        return {renamed.get(name, name): bound for name, bound in found.items()}

    assert lists[0] == {"python": project["requires-python"], **wanted(project["dependencies"])}
    extras = project["optional-dependencies"]
    users = wanted(
        line
        for name in ("classical", "plot", "slides", "distributed", "onnx")
        for line in extras[name]
    )
    del users["openslide-bin"]  # of pip alone: conda's openslide-python brings the library
    assert lists[1].pop("distributed") == users["dask-core"]  # released together
    assert lists[1] == users


def test_releases_have_dates():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings
    current, *earlier = headings
    if "dev" in stnclf.__version__:
        assert current == f"{stnclf.__version__.partition('.dev')[0]} (in development)"
    else:
        earlier = headings
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)", line) for line in earlier)
