"""Build the wheel, look at what is in it, and try it in a clean virtual environment.

The environment is made in a temporary folder, gets the wheel with its dependencies and no
extra, fits a few synthetic cells from outside the repository, and is removed again. The wheel
stays in ``dist/``.
"""

from __future__ import annotations

import email
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("stnclf", "pyproject.toml", "setup.py", "README.md", "LICENSE")

#: Run in the clean environment, with warnings as errors while the package is imported.
TRIAL = """
import warnings
import torch, skorch, sklearn  # theirs are not ours to forbid
with warnings.catch_warnings():
    warnings.simplefilter("error")
    import stnclf
    from stnclf import *
import numpy as np
from stnclf.datasets import make_cells
X, y, centers = make_cells(12, patch_size=64, offset=4, random_state=0)
for clf in (
    stnclf.STNCellClassifier(classifier_epochs=1, localizer_epochs=1, joint_epochs=1),
    stnclf.CiresanBaseline(epochs=1),
):
    clf.set_params(random_state=0).fit(X, y, centers=centers)
    proba = clf.predict_proba(X)
    assert np.isfinite(proba).all() and proba.shape == (12, 3), proba
    stnclf.save(clf, "model.safetensors")
    assert np.array_equal(stnclf.load("model.safetensors").predict_proba(X), proba)
print(stnclf.__version__, stnclf.__file__)
"""


def package_files(root):
    """Files of the package as they lie in the repository."""
    return sorted(
        path.relative_to(root).as_posix()
        for path in (root / "stnclf").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )


def check_names(names, expected):
    """Check that a wheel holds the package and its metadata, all of it and nothing else."""
    own = sorted(name for name in names if name.split("/")[0] == "stnclf")
    rest = [name for name in names if name.split("/")[0] != "stnclf"]
    strange = [name for name in rest if not name.split("/")[0].endswith(".dist-info")]
    if strange:
        raise ValueError(f"the wheel holds what is not stnclf: {strange}")
    if own != sorted(expected):
        raise ValueError(
            f"the wheel lacks {sorted(set(expected) - set(own))} "
            f"and has too much {sorted(set(own) - set(expected))}"
        )


def check_metadata(text):
    """Check what package indexes show."""
    metadata = email.message_from_string(text)
    classifiers = metadata.get_all("Classifier") or []
    licences = [item for item in classifiers if item.startswith("License ::")]
    if metadata["License-Expression"] != "BSD-3-Clause" or licences:
        raise ValueError("the licence stands in License-Expression, and only there")
    for url in metadata.get_all("Project-URL") or []:
        if not url.partition(", ")[2].startswith("https://"):
            raise ValueError(f"{url!r} is no address")
    if "Typing :: Typed" not in classifiers or not metadata["Summary"]:
        raise ValueError("the classifier Typing :: Typed or the summary is missing")
    required = [item for item in metadata.get_all("Requires-Dist") if "extra ==" not in item]
    return sorted(required)


def build(folder):
    """Build the wheel from a copy: what an earlier build left beside the sources stays out."""
    copy = folder / "source"
    copy.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, copy / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, copy)
    pip = [sys.executable, "-m", "pip"]
    command = [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(copy)]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def try_out(wheel, folder):
    """Install the wheel in a clean environment and run TRIAL there."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    constraints = str(ROOT / "constraints.txt")
    install = [str(python), "-m", "pip", "install", "--quiet", "--constraint", constraints]
    subprocess.run([*install, str(wheel)], check=True)
    subprocess.run([str(python), "-I", "-c", TRIAL], check=True, cwd=folder)


def main():
    """Build, check, try, and keep the wheel."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build(folder)
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            (metadata,) = [entry for entry in names if entry.endswith(".dist-info/METADATA")]
            required = check_metadata(archive.read(metadata).decode())
        check_names(names, package_files(ROOT))
        print("\n".join(sorted(names)))
        print("requires:", ", ".join(required), flush=True)
        try_out(wheel, folder)
        (ROOT / "dist").mkdir(exist_ok=True)
        kept = shutil.copy(wheel, ROOT / "dist")
        print(f"{Path(kept).relative_to(ROOT)}: {len(names)} files, installs, imports and fits")


if __name__ == "__main__":
    main()
