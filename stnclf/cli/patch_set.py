"""Patches on the disk: a folder of NumPy files, or one .npz file.

A folder has ``X.npy`` and ``y.npy``, and ``centers.npy``, ``groups.npy``, ``neighbors.npy`` and
``patches.json`` if they are known; a .npz file has the same under the names without their
endings. Nothing in them is pickled.
"""

from __future__ import annotations

import json
import lzma
import math
import os
import struct
import tokenize
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .._utils.files import write_atomically, written_whole

__all__ = [
    "FILES",
    "PatchSet",
    "is_patch_set",
    "load_patches",
    "read_run",
    "save_npz",
    "save_others",
]

_ARRAYS = ("X", "y", "centers", "groups", "neighbors")

#: What is unpacked may be so many times larger than what is stored, and so many bytes in any case.
_MOST_RATIO, _FREE = 100, 1 << 28

#: What NumPy, zipfile and json raise for files that are damaged or made to be.
_DAMAGED = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)

#: What a folder of patches may hold.
FILES = (*(f"{name}.npy" for name in _ARRAYS), "patches.json")


@dataclass
class PatchSet:
    """Images around annotated cells.

    Attributes
    ----------
    X : ndarray of shape (n, height, width, channels) or (n, height, width)
        Images; memory-mapped if they come from a folder.
    y : ndarray of shape (n,)
        Labels.
    centers : float ndarray of shape (n, 2) or None
        ``(x, y)`` of the cells in pixels of the images.
    groups : ndarray of shape (n,) or None
        Names of the slides.
    neighbors : float ndarray of shape (n, k, 3) or None
        Other annotated cells in the images, as ``fit`` takes them.
    facts : dict
        How they were made: ``size`` and ``cell_size`` in pixels, ``mpp``, and more.
    """

    X: np.ndarray
    y: np.ndarray
    centers: np.ndarray | None = None
    groups: np.ndarray | None = None
    neighbors: np.ndarray | None = None
    facts: dict = field(default_factory=dict)

    @property
    def has_cell(self):
        """Which patches have a cell, bool ndarray of shape (n,); all where nobody knows."""
        if self.centers is None:
            return np.ones(len(self.y), dtype=bool)
        return ~np.isnan(self.centers).any(axis=1)

    def known_of(self, rows, estimator):
        """Return what ``fit`` of an estimator takes of some rows beside images and labels."""
        wanted = ("centers", "neighbors") if _learns_cells(estimator) else ("centers",)
        known = {name: getattr(self, name) for name in wanted}
        return {name: array[rows] for name, array in known.items() if array is not None}


def _learns_cells(estimator):
    """Whether an estimator has a localizer that can learn several cells, or none."""
    from ..classifier import STNCellClassifier

    return isinstance(estimator, STNCellClassifier) and estimator.localizer == "heatmap"


def is_patch_set(path):
    """Return whether a path looks like patches."""
    path = Path(path)
    return path.suffix.lower() == ".npz" if path.is_file() else (path / "X.npy").is_file()


def load_patches(path):
    """Read patches, and check that their parts fit together.

    Parameters
    ----------
    path : path-like
        A folder or a .npz file.

    Returns
    -------
    PatchSet

    Raises
    ------
    ValueError
        If they are damaged, incomplete, or differ in length; the message names the path.
    """
    path = Path(path)
    try:
        found = _read_folder(path) if path.is_dir() else _read_npz(path)
        found.get("facts", {}).pop("run", None)  # says how to resume it, and nothing of the images
        patches = PatchSet(**found)
        _check(patches)
    except _DAMAGED as error:
        raise ValueError(f"{path}: no patches ({' '.join(str(error).split())}).") from error
    return patches


def read_run(path):
    """Read of which run patches are (`stnclf._utils.identity.run_identity`).

    Parameters
    ----------
    path : path-like
        A folder or a .npz file.

    Returns
    -------
    dict or None
        None where it is not known.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return _facts(_read_json(path / "patches.json")).get("run")
        _check_regular(path)
        with np.load(path) as file:
            return _facts(str(file["patches"])).get("run")
    except _DAMAGED:
        return None


def save_others(folder, y, centers, groups, facts, neighbors=None):
    """Write to a folder what goes with its ``X.npy``; ``patches.json``, the last, says it is whole.

    Parameters
    ----------
    folder : Path
        The folder.
    y, centers, groups : ndarray
        See `PatchSet`.
    facts : dict
        Plain values; under "run" what `read_run` returns.
    neighbors : ndarray, default=None
        See `PatchSet`.
    """
    arrays = {"y": y, "centers": centers, "groups": groups}
    if neighbors is not None:
        arrays["neighbors"] = neighbors
    for name, array in arrays.items():
        with written_whole(folder / f"{name}.npy") as part, open(part, "wb") as file:
            np.save(file, array, allow_pickle=False)
    text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    write_atomically(folder / "patches.json", text.encode())


def save_npz(path, folder, check=None):
    """Pack a folder of patches into a .npz file; `check` is called before it takes its name."""
    with written_whole(path) as part, open(part, "wb") as file:
        paths = {name: folder / f"{name}.npy" for name in _ARRAYS}
        arrays = {n: np.load(path, mmap_mode="r") for n, path in paths.items() if path.exists()}
        facts = (folder / "patches.json").read_text(encoding="utf-8")
        np.savez(file, **arrays, patches=np.array(facts))
        if check is not None:
            file.close()
            check()


def _read_folder(folder):
    found = {}
    for name in _ARRAYS:
        path = folder / f"{name}.npy"
        if name in ("X", "y") or path.exists():
            _check_regular(path)
            with open(path, "rb") as file:
                _check_npy(file, os.path.getsize(path), path.name)
            found[name] = np.load(path, mmap_mode="r" if name == "X" else None)
    if (folder / "patches.json").exists():
        found["facts"] = _facts(_read_json(folder / "patches.json"))
    return found


def _read_npz(path):
    _check_regular(path)
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            size, stored = member.file_size, member.compress_size
            if size > _MOST_RATIO * stored + _FREE:
                raise ValueError(f"{member.filename!r} unpacks {stored} bytes to {size}")
            if member.filename.endswith(".npy"):
                with archive.open(member) as file:
                    _check_npy(file, size, member.filename)
    with np.load(path) as file:
        found = {name: file[name] for name in _ARRAYS if name in ("X", "y") or name in file}
        if "patches" in file:
            found["facts"] = _facts(str(file["patches"]))
    return found


def _check_regular(path):
    """Refuse a pipe or device, which one would wait for."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f"{path.name!r} is no regular file")


def _check_npy(file, size, name):
    """Compare the array that a header claims with the bytes that are there."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{name!r} is of version {version} of the format, wants 1 or 2")
    read = np.lib.format.read_array_header_1_0
    shape, _, dtype = (read if version == (1, 0) else np.lib.format.read_array_header_2_0)(file)
    if dtype.hasobject:
        raise ValueError(f"{name!r}: Object arrays are not read")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > size:
        raise ValueError(f"{name!r} claims shape {shape} of {dtype}, and has {size} bytes")


def _read_json(path):
    _check_regular(path)
    if path.exists() and path.stat().st_size > _FREE:
        raise ValueError(f"{path.name!r} has more than {_FREE} bytes")
    return path.read_text(encoding="utf-8")


def _facts(text):
    facts = json.loads(text)
    if not isinstance(facts, dict):
        raise ValueError("patches.json is no object")
    return facts


def _check(patches):
    n = len(patches.X)
    if patches.X.ndim not in (3, 4):
        raise ValueError(f"X has shape {patches.X.shape}, wants (n, height, width, channels)")
    wanted = {"y": (n,), "centers": (n, 2), "groups": (n,)}
    kinds = {"X": "buif", "centers": "buif", "neighbors": "buif"}
    for name in _ARRAYS:
        array = getattr(patches, name)
        if array is not None and array.dtype.kind not in kinds.get(name, "buifUS"):
            raise ValueError(f"{name} is of dtype {array.dtype}")
    for name, shape in wanted.items():
        array = getattr(patches, name)
        if array is not None and array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}, wants {shape}")
    near = patches.neighbors
    if near is not None and (near.ndim != 3 or len(near) != n or near.shape[2] != 3):
        raise ValueError(f"neighbors has shape {near.shape}, wants ({n}, k, 3)")
    if patches.groups is not None and patches.groups.dtype.kind == "f":
        _refuse_rows("groups", ~np.isfinite(patches.groups), "a name or number")
    if patches.centers is not None and patches.centers.dtype.kind == "f":
        nobody = np.isnan(patches.centers).all(axis=1)
        broken = ~np.isfinite(patches.centers).all(axis=1) & ~nobody
        _refuse_rows("centers", broken, "(x, y), or NaN for both where there is no cell")


def _refuse_rows(name, broken, wants):
    if broken.any():
        raise ValueError(
            f"{name} holds NaN or infinity for {int(broken.sum())} of {len(broken)} patches, the "
            f"first at index {int(broken.argmax())}; wants {wants}"
        )
