"""What the package offers, how its modules build on each other, and what importing it does."""

from __future__ import annotations

import ast
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
    "CellFeatures",
    "CiresanBaseline",
    "STNCellClassifier",
    "__version__",
    "load",
    "save",
]

# From the top to the bottom: a module may import those below it, never one above.
LAYERS = [
    "__init__",
    "cli",
    "_cli_models",
    "_cli_methods",
    "_crossval",
    "_cli_slides",
    "_cli_data",
    "_cli_common",
    "_patch_set",
    "displays",
    "_display_curves",
    "_display_patches",
    "_display_slide",
    "report",
    "_report_html",
    "_report_charts",
    "_report_data",
    "_report_input",
    "_examples_figure",
    "_tables",
    "_evaluation",
    "_plot_style",
    "scan",
    "_scan_many",
    "_hotspots",
    "_scan_plane",
    "_scan_progress",
    "_scan_slide",
    "_map_finder",
    "_finders",
    "slides",
    "_extract",
    "_part_file",
    "_pyramid",
    "_regions",
    "_slide_readers",
    "_tissue_mask",
    "onnx",
    "_onnx_networks",
    "_onnx_graph",
    "persistence",
    "_model_card",
    "annotations",
    "_annotations_csv",
    "_annotations_folders",
    "_annotations_geojson",
    "_annotations_json",
    "_annotations_slide_runner",
    "_annotations_table",
    "_mat_file",
    "features",
    "_cell_features",
    "classifier",
    "baseline",
    "_base",
    "_transfer",
    "_prediction",
    "_checkpoint",
    "_fingerprint",
    "_validation",
    "_images",
    "training",
    "_stage",
    "_callbacks",
    "_resident",
    "_workers",
    "sampling",
    "_draws",
    "_batch",
    "zoom_networks",
    "shared_networks",
    "baseline_network",
    "networks",
    "window_classifiers",
    "localizers",
    "layers",
    "losses",
    "metrics",
    "_calibration",
    "datasets",
    "_tissue",
    "_cells",
    "_drawing",
    "geometry",
    "_model_format",
    "_typing",
    "_container",
    "_training_record",
    "_codec",
    "_files",
    "_version",
]

# A module without a file of its own name is tested where it is used.
TESTED_ELSEWHERE = {
    "__init__": "test_public_api",
    "_version": "test_public_api",
    "_stage": "test_training",
    "_batch": "test_sampling",
    "_draws": "test_sampling",
    "_scan_plane": "test_scan",
    "_typing": "test_supply",
    "_model_format": "test_persistence",
    "_map_finder": "test_finders",
    "_prediction": "test_base",
    "_training_record": "test_persistence",
    "window_classifiers": "test_networks",
    "_onnx_graph": "test_onnx",
    "_onnx_networks": "test_onnx",
    "_display_curves": "test_displays",
    "_display_patches": "test_displays",
    "_display_slide": "test_displays",
    "_plot_style": "test_displays",
    "_evaluation": "test_report",
    "_tables": "test_report",
}

EXTRAS = [
    "skimage",
    "matplotlib",
    "pandas",
    "openslide",
    "tifffile",
    "onnx",
    "onnxruntime",
    "dask",
    "distributed",
]


def modules():
    return sorted(path.stem for path in PACKAGE.glob("*.py"))


def imported(source):
    """Names of the package's modules that a module imports, anywhere in it."""
    paths = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            paths += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= 1, "import from outside the package"
            base = ".".join(filter(None, ["stnclf" if node.level else "", node.module]))
            # "from . import a" names a module, "from .a import b" names what is in one.
            inside = [f"{base}.{alias.name}" for alias in node.names]
            paths += inside if base == "stnclf" else [base]
    parts = [path.split(".") for path in paths]
    return sorted({(*part, "__init__")[1] for part in parts if part[0] == "stnclf"})


def test_public_names():
    assert sorted(stnclf.__all__) == sorted(PUBLIC)
    for name in PUBLIC:
        assert getattr(stnclf, name) is not None


@pytest.mark.parametrize("name", modules())
def test_modules_offer_what_they_say(name):
    module = importlib.import_module("stnclf" if name == "__init__" else f"stnclf.{name}")
    assert module.__doc__
    offered = getattr(module, "__all__", [])
    assert len(set(offered)) == len(offered)
    for item in offered:
        assert hasattr(module, item), item


def test_public_modules_have_a_list_of_names():
    for name in modules():
        if not name.startswith("_"):
            assert importlib.import_module(f"stnclf.{name}").__all__, name


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
from stnclf.d import thing
from stnclf import e
def later():
    from .f import thing
"""
    assert imported(source) == ["__init__", "a", "b", "c", "d", "e", "f"]


def test_every_module_has_its_layer():
    assert sorted(LAYERS) == modules()


@pytest.mark.parametrize("name", modules())
def test_imports_point_down(name):
    below = LAYERS[LAYERS.index(name) + 1 :]
    source = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")
    # "import stnclf" and "from stnclf import name" reach up to __init__.
    upwards = [other for other in imported(source) if other not in below]
    assert not upwards, f"stnclf/{name}.py imports {upwards}, which is not below it"


@pytest.mark.parametrize("name", modules())
def test_every_module_has_its_tests(name):
    own = f"test_{name.strip('_')}"
    if name in TESTED_ELSEWHERE:
        assert not (TESTS / f"{own}.py").exists(), "has a file of its own by now"
    file = TESTS / f"{TESTED_ELSEWHERE.get(name, own)}.py"
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


ALL = [f"stnclf.{name}" for name in LAYERS if name != "__init__"]


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
