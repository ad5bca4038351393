"""What is shipped, and with which versions of other packages it is tried."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import stnclf
from stnclf import displays
from stnclf.slides import Slide

ROOT = Path(__file__).resolve().parents[1]
tomllib = pytest.importorskip("tomllib", reason="pyproject.toml is read with Python 3.11's tomllib")

# Their versions change nothing in what the package does.
NOT_TRIED = ("docs", "lint")

spec = importlib.util.spec_from_file_location("check_wheel", ROOT / "tools/check_wheel.py")
check_wheel = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_wheel)


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def constraints(name):
    """Name and version of each line of a file of constraints."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z-]+==[0-9.]+", row) for row in rows), rows
    return dict(row.split("==") for row in rows)


def lowest_versions(project):
    """Give the lowest version that each requirement of the package, its extras and tests allows."""
    extras = project["optional-dependencies"]
    tried = [line for name, lines in extras.items() if name not in NOT_TRIED for line in lines]
    lowest = {}
    for requirement in map(Requirement, [*project["dependencies"], *tried]):
        if requirement.name != project["name"]:
            (bound,) = requirement.specifier
            assert bound.operator == ">=", requirement
            lowest[requirement.name] = Version(bound.version)
    return lowest


def test_lowest_versions_are_those_of_pyproject(project):
    stated = {name: Version(text) for name, text in constraints("constraints-lowest.txt").items()}
    lowest = lowest_versions(project)
    assert stated.pop("torch") == Version(constraints("constraints.txt")["torch"])
    assert lowest.pop("torch") < Version(constraints("constraints.txt")["torch"])
    del stated["pyparsing"]  # not the package's own
    # What dask[distributed] brings along is released with it.
    assert stated.pop("distributed") == lowest["dask"]
    assert stated == lowest


def test_the_package_says_that_it_is_typed():
    assert (Path(stnclf.__file__).parent / "py.typed").is_file()


def annotated(item):
    """Tell whether all parameters and the result of a function have types."""
    signature = inspect.signature(item)
    named = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    return signature.return_annotation is not signature.empty and all(
        parameter.annotation is not parameter.empty for parameter in named
    )


@pytest.mark.parametrize(
    "name",
    [
        "annotations",
        "datasets",
        "geometry",
        "losses",
        "metrics",
        "persistence",
        "report",
        "scan",
        "slides",
    ],
)
def test_public_functions_have_types(name):
    module = importlib.import_module(f"stnclf.{name}")
    functions = [getattr(module, item) for item in module.__all__]
    functions = [item for item in functions if inspect.isfunction(item)]
    assert functions
    assert [item.__name__ for item in functions if not annotated(item)] == []


@pytest.mark.parametrize(
    "kind",
    [
        stnclf.STNCellClassifier,
        stnclf.CiresanBaseline,
        stnclf.CellFeatures,
        Slide,
        *(getattr(displays, name) for name in displays.__all__),
    ],
)
def test_public_methods_have_types(kind):
    methods = [inspect.getattr_static(kind, name) for name in dir(kind) if name[0] != "_"]
    methods = [getattr(m, "__func__", m) for m in methods]  # of class methods
    own = [m for m in methods if inspect.isfunction(m) and m.__module__.startswith("stnclf.")]
    assert own
    assert [method.__name__ for method in own if not annotated(method)] == []


def test_what_is_not_strictly_typed_is_there():
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    assert tool["strict"]
    (relaxed,) = tool["overrides"]
    for name in relaxed["module"]:
        path = ROOT / name.removesuffix(".*").replace(".", "/")
        assert path.is_dir() if name.endswith(".*") else path.with_suffix(".py").is_file(), name


def test_import_warns_of_nothing():
    code = (
        "import torch, skorch.callbacks, sklearn.model_selection, scipy.ndimage, joblib, warnings\n"
        "warnings.simplefilter('error')\n"
        "from stnclf import *"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120)


def test_addresses_and_classifiers(project):
    assert all(url.startswith("https://") for url in project["urls"].values())
    classifiers = project["classifiers"]
    assert len(set(classifiers)) == len(classifiers)
    assert "Typing :: Typed" in classifiers
    # A licence expression and a licence classifier exclude each other.
    assert not [item for item in classifiers if item.startswith("License ::")]
    assert project["license"] == "BSD-3-Clause"


WHOLE = ["stnclf/__init__.py", "stnclf/py.typed"]
METADATA = ["stnclf-1.dist-info/METADATA", "stnclf-1.dist-info/licenses/LICENSE"]


def test_a_whole_wheel_passes():
    check_wheel.check_names([*METADATA, *WHOLE[::-1]], WHOLE)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([*WHOLE, *METADATA, "tests/__init__.py"], r"not stnclf: \['tests/__init__.py'\]"),
        ([*WHOLE, *METADATA, "stnclf.pth"], "not stnclf"),
        ([WHOLE[0], *METADATA], r"lacks \['stnclf/py.typed'\]"),
        ([*WHOLE, "stnclf/old.py", *METADATA], r"too much \['stnclf/old.py'\]"),
    ],
)
def test_a_wheel_with_more_or_less_is_refused(names, words):
    with pytest.raises(ValueError, match=words):
        check_wheel.check_names(names, WHOLE)


def test_the_list_of_files_is_that_of_the_package():
    files = check_wheel.package_files(ROOT)
    assert "stnclf/py.typed" in files
    assert not [name for name in files if "__pycache__" in name or not name.startswith("stnclf/")]


@pytest.fixture(scope="module")
def workflow():
    yaml = pytest.importorskip("yaml", reason="PyYAML reads the workflow")
    return yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))


def pythons(project):
    """Python versions that the classifiers name, in order."""
    prefix = "Programming Language :: Python :: 3."
    minors = [int(c.removeprefix(prefix)) for c in project["classifiers"] if c.startswith(prefix)]
    return [f"3.{minor}" for minor in sorted(minors)]


def test_the_workflow_tries_every_python_that_pyproject_names(project, workflow):
    stated = pythons(project)
    assert project["requires-python"] == f">={stated[0]}"
    minors = [int(version.split(".")[1]) for version in stated]
    assert minors == list(range(minors[0], minors[-1] + 1))
    matrix = workflow["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == stated
    # The lowest versions of all that is required, and the newest Python with the newest ones.
    targets = {row["target"]: row["python"] for row in matrix["include"]}
    assert targets.keys() == {"test-lowest", "test-newest"}
    assert targets["test-lowest"] in stated
    assert targets["test-newest"] == stated[-1]
    tried = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8")
    assert f"tried together on Python {targets['test-lowest']}." in tried


def test_the_workflow_runs_targets_that_there_are(workflow):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    there = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    lines = [step["run"] for step in steps if "run" in step]
    matrix = workflow["jobs"]["tests"]["strategy"]["matrix"]
    named = {*matrix["target"], *(row["target"] for row in matrix["include"])}
    named |= {word for line in lines for word in re.findall(r"^make ([a-z-]+)", line)}
    assert named == {"lint", "test", "test-lowest", "test-newest", "wheel", "sdist", "docs"}
    assert named <= there
    for line in lines:
        if not line.startswith("make "):
            script = ROOT / line.split()[0]
            assert script.stat().st_mode & 0o111


def test_hooks_and_templates_can_be_read():
    yaml = pytest.importorskip("yaml", reason="PyYAML reads the hooks")
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert {repo["repo"] for repo in hooks["repos"]} == {"local"}  # nothing is fetched
    assert all(hook["language"] == "system" for repo in hooks["repos"] for hook in repo["hooks"])
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/bug_report.yml").read_text("utf-8"))
    required = {
        item["id"] for item in form["body"] if item.get("validations", {}).get("required", False)
    }
    assert required == {"code", "expected", "data", "versions"}


def test_the_map_of_the_packages_is_complete_and_leads_somewhere():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)", text)
    assert len(links) > 20
    assert [link for link in links if not (ROOT / link).exists()] == []
    rows = re.findall(r"^\| (`.+?) \|.*\]\((.+?)\) \|$", text, re.MULTILINE)
    named = [re.findall(r"`(\w+)`", names) for names, _ in rows]
    # A folder that another version left behind, with compiled files alone, is no package.
    files = [*(ROOT / "stnclf").glob("*.py"), *(ROOT / "stnclf").glob("*/__init__.py")]
    there = {p.parent.name if p.name == "__init__.py" else p.stem for p in files}
    there -= {"stnclf", "_version"}
    assert sorted(name for names in named for name in names) == sorted(there)
    for names, (_, link) in zip(named, rows):
        assert any(link.startswith((f"stnclf/{name}/", f"stnclf/{name}.py")) for name in names)
