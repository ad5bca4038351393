"""Build the source distribution, look at what is in it, and try it in a clean environment.

What is built from the unpacked archive must be the wheel of the repository. A clean virtual
environment gets it with its dependencies, and fits a few synthetic cells. The archive stays in
``dist/``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

from check_wheel import ROOT, check_names, package_files, try_out

#: What the archive must hold beside the package: enough to build, test and document it.
NEEDED = (
    *("pyproject.toml", "setup.py", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md"),
    *("CITATION.cff", "Makefile", "constraints.txt", "constraints-lowest.txt"),
    *("tests/conftest.py", "tests/references.json", "docs/conf.py", "docs/index.md"),
    *("examples/plot_1_cells.py", "benchmarks/demo.py", "tools/check_wheel.py"),
    "recipe/meta.yaml",
)
#: What must never be in it: results of builds and runs.
FORBIDDEN = ("__pycache__", ".venv", "_build", "generated", ".git", "dist")
#: Run by the interpreter of an environment with setuptools, in the copy of the repository.
BUILD = "import sys, setuptools.build_meta as build; print(build.build_sdist(sys.argv[1]))"


def check_contents(names):
    """Check the names in an archive, below its one folder.

    Parameters
    ----------
    names : list of str
        ``stnclf-0.1.0/README.md`` and so on.

    Raises
    ------
    ValueError
        If something is missing, or too much.
    """
    folders = {name.split("/")[0] for name in names}
    if len(folders) != 1:
        raise ValueError(f"the archive has several folders: {sorted(folders)}")
    inside = {name.partition("/")[2] for name in names}
    lacking = sorted(set(NEEDED) - inside)
    if lacking:
        raise ValueError(f"the archive lacks {lacking}")
    strange = sorted(name for name in inside if set(name.split("/")) & set(FORBIDDEN))
    if strange:
        raise ValueError(f"the archive holds {strange[:5]}")


def build(folder):
    """Build the archive from what git tracks; return its path."""
    copy = folder / "source"
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    venv.create(folder / "build", with_pip=True)
    python = folder / "build" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "setuptools>=77"], check=True)
    subprocess.run([python, "-c", BUILD, folder], cwd=copy, check=True, stdout=subprocess.DEVNULL)
    (archive,) = folder.glob("*.tar.gz")
    return archive


def wheel_of(archive, folder):
    """Unpack the archive and build the wheel from it."""
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--wheel-dir", folder, source], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def main():
    """Build, check, try, and keep the archive."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = build(folder)
        with tarfile.open(archive) as packed:
            names = [member.name for member in packed.getmembers() if member.isfile()]
        check_contents(names)
        wheel = wheel_of(archive, folder)
        with zipfile.ZipFile(wheel) as built:
            check_names(built.namelist(), package_files(ROOT))
        try_out(wheel, folder)
        (ROOT / "dist").mkdir(exist_ok=True)
        kept = shutil.copy(archive, ROOT / "dist")
        print(f"{Path(kept).relative_to(ROOT)}: {len(names)} files, builds, installs and fits")


if __name__ == "__main__":
    main()
