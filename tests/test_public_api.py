"""What the package offers, how its modules build on each other, and what importing it does."""

from __future__ import annotations

import ast
import graphlib
import importlib
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

import stnclf

PACKAGE = Path(stnclf.__file__).parent
TESTS = Path(__file__).parent

PUBLIC = [
    "PAPER",
    "Augmentation",
    "CellFeatures",
    "CiresanBaseline",
    "Ensemble",
    "Optimizer",
    "STNCellClassifier",
    "__version__",
    "load",
    "save",
]

# From the top to the bottom: what stands here imports from what is below it, never from above.
LAYERS = [
    "__main__",
    "__init__",
    "cli",
    "displays",
    "report",
    "scan",
    "slides",
    "annotations",
    "onnx",
    "persistence",
    "features",
    "ensemble",
    "classifier",
    "baseline",
    "_base",
    "_prediction",
    "training",
    "sampling",
    "networks",
    "losses",
    "metrics",
    "datasets",
    "geometry",
    "_serialization",
    "_utils",
    "_version",
]

# What holds names and nothing that could be wrong.
WITHOUT_TESTS = {"__init__", "__main__", "_version", "typing"}

EXTRAS = [
    "skimage",
    "matplotlib",
    "pandas",
    "openslide",
    "tifffile",
    "onnx",
    "onnxscript",
    "onnxruntime",
    "dask",
    "distributed",
]


def modules():
    """Paths of all modules below the package: "cli/common", "geometry", "cli/__init__"."""
    return sorted(
        path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py")
    )


def dotted(name):
    """Name under which a module is imported."""
    return ".".join(["stnclf", *name.split("/")]).removesuffix(".__init__")


def imported(source, name):
    """Modules and packages of stnclf that a module imports, anywhere in it: "cli.common"."""
    package = ["stnclf", *name.split("/")[:-1]]
    paths = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            paths += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= len(package), "import from outside the package"
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            # "from . import a" names a module, "from .a import b" names what is in one.
            paths += [f"{base}.{alias.name}" for alias in node.names] if not node.module else [base]
    own = [path.split(".", 1) for path in paths if path.split(".")[0] == "stnclf"]
    return sorted({(*rest, "__init__")[0] for _, *rest in own})


def test_public_names():
    assert sorted(stnclf.__all__) == sorted(PUBLIC)
    for name in PUBLIC:
        assert getattr(stnclf, name) is not None


@pytest.mark.parametrize("name", modules())
def test_modules_offer_what_they_say(name):
    module = importlib.import_module(dotted(name))
    assert module.__doc__
    offered = getattr(module, "__all__", [])
    assert len(set(offered)) == len(offered)
    for item in offered:
        assert hasattr(module, item), item


def test_public_modules_have_a_list_of_names():
    for name in modules():
        if not any(part.startswith("_") for part in name.removesuffix("/__init__").split("/")):
            assert importlib.import_module(dotted(name)).__all__, name


@pytest.mark.parametrize("name", [name for name in modules() if name.endswith("/__init__")])
def test_a_package_hands_on_names_and_holds_nothing_else(name):
    body = ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8")).body
    kinds = (ast.Expr, ast.ImportFrom, ast.Assign)
    # "if TYPE_CHECKING: imports, else: the same by name", of packages that import lazily.
    choices = [node for node in body if isinstance(node, ast.If)]
    assert all(ast.unparse(node.test) == "TYPE_CHECKING" for node in choices)
    body += [inner for node in choices for inner in [*node.body, *node.orelse]]
    assert all(isinstance(node, kinds) for node in body if node not in choices)
    module = importlib.import_module(dotted(name))
    assert not [item for item in getattr(module, "__all__", []) if item.startswith("_")]


def test_names_that_are_imported_lazily_are_those_that_type_checkers_see():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (choice,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: f".{node.module}" for node in choice.body for alias in node.names}
    (assign,) = choice.orelse
    assert seen == ast.literal_eval(assign.value.args[1])
    assert {*seen, "__version__"} == set(PUBLIC)


def test_paper_is_a_configuration():
    classifier = stnclf.STNCellClassifier(**stnclf.PAPER)
    assert {name: classifier.get_params()[name] for name in stnclf.PAPER} == stnclf.PAPER


def test_version_is_that_of_the_metadata():
    assert stnclf.__version__ == importlib.metadata.version("stnclf")


def test_imports_are_found_in_every_form():
    source = """
import stnclf.a, numpy
import stnclf
from . import b as other
from .c import thing
from ..d.e import thing
from stnclf.f import thing
def later():
    from .g import thing
"""
    assert imported(source, "cli/common") == [
        "__init__",
        "a",
        "cli.b",
        "cli.c",
        "cli.g",
        "d.e",
        "f",
    ]
    assert imported("from . import b", "geometry") == ["b"]
    with pytest.raises(AssertionError, match="outside"):
        imported("from ... import b", "cli/common")


def test_every_package_has_its_layer():
    assert sorted(LAYERS) == sorted({name.split("/")[0] for name in modules()})


@pytest.mark.parametrize("name", modules())
def test_imports_point_down(name):
    here = name.split("/")[0]
    below = LAYERS[LAYERS.index(here) + 1 :]
    source = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")
    # "import stnclf" and "from stnclf import name" reach up to __init__.
    found = {path.split(".")[0] for path in imported(source, name)} - {here}
    upwards = sorted(found - set(below))
    assert not upwards, f"stnclf/{name}.py imports {upwards}, which is not below it"


@pytest.mark.parametrize("package", [name for name in LAYERS if (PACKAGE / name).is_dir()])
def test_imports_within_a_package_make_no_circle(package):
    graph = {}
    for name in modules():
        if name.split("/")[0] == package:
            source = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")
            own = [p for p in imported(source, name) if p.split(".")[0] == package]
            graph[dotted(name)] = {f"stnclf.{path}" for path in own}
    list(graphlib.TopologicalSorter(graph).static_order())  # an error names the circle


@pytest.mark.parametrize(
    "name", [name for name in modules() if name.split("/")[-1] not in WITHOUT_TESTS]
)
def test_every_module_has_its_tests(name):
    *folders, last = name.split("/")
    file = TESTS.joinpath(*folders, f"test_{last.strip('_')}.py")
    assert file.exists()
    assert "def test_" in file.read_text(encoding="utf-8")


def run(code):
    """Run code in a fresh interpreter; give what it printed, which must be JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:stnclf", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=PACKAGE.parent,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


ALL = [dotted(name) for name in modules() if not name.endswith(("__init__", "__main__"))]


# What the dependencies load or change by themselves has happened before the first look.
DEPENDENCIES = """
import click, joblib, numpy, PIL.Image, PIL.ImageFile, scipy.ndimage, scipy.sparse, skorch.callbacks
import sklearn, sklearn.base, sklearn.metrics, sklearn.model_selection, torch, torch.utils.data
import sklearn.utils.class_weight, sklearn.utils.multiclass, sklearn.utils.parallel
import sklearn.utils._param_validation
"""


def test_import_works_without_any_extra():
    code = f"""
import importlib, json, sys
class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {EXTRAS}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NotInstalled())
names = ["stnclf", *{ALL}]
print(json.dumps([importlib.import_module(name).__name__ for name in names]))
"""
    assert run(code) == ["stnclf", *ALL]


def test_import_loads_no_extra():
    code = f"""
{DEPENDENCIES}
import importlib, json, sys
before = set(sys.modules)
for name in ["stnclf", *{ALL}]:
    importlib.import_module(name)
print(json.dumps(sorted(set({EXTRAS}) & (set(sys.modules) - before))))
"""
    assert run(code) == []


def test_import_changes_nothing_global():
    code = f"""
{DEPENDENCIES}
torch.set_num_threads(2)
import importlib, json, logging, os, random, signal, sys, threading, warnings

def look():
    return {{
        "torch generator": torch.get_rng_state().tolist(),
        "NumPy generator": repr(numpy.random.get_state()),
        "random generator": repr(random.getstate()),
        "threads of torch": [torch.get_num_threads(), torch.get_num_interop_threads()],
        "torch settings": [
            str(torch.get_default_dtype()),
            torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.cudnn.benchmark,
            torch.get_float32_matmul_precision(),
        ],
        "NumPy settings": [numpy.geterr(), repr(numpy.get_printoptions())],
        "scikit-learn settings": repr(sklearn.get_config()),
        "Pillow settings": [PIL.Image.MAX_IMAGE_PIXELS, PIL.ImageFile.LOAD_TRUNCATED_IMAGES],
        "warnings": [repr(entry) for entry in warnings.filters],
        "logging": [repr(logging.root.handlers), logging.root.level],
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "path": list(sys.path),
        "running threads": threading.active_count(),
        "signals": repr(signal.getsignal(signal.SIGINT)),
        "hooks": [repr(sys.excepthook), repr(sys.displayhook)],
    }}

before = look()
for name in ["stnclf", *{ALL}]:
    importlib.import_module(name)
after = look()
print(json.dumps([name for name in before if before[name] != after[name]]))
"""
    assert run(code) == []
