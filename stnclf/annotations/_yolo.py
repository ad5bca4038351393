"""YOLO's text files: one for each image, with fractions of its width and height.

A line is the number of a class and the middle, width and height of a box, or the points of an
outline. Fractions run from the left edge of the first pixel to the right edge of the last.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from .._utils.printable import counted, listed, quoted
from .._utils.typing import Table
from ._context import Context
from ._files import read_text, unpacked_name
from ._outlines import Outlines
from ._shapes import number_of
from ._slide_facts import find_slide, slide_facts
from ._table import make_table
from ._yaml import class_names_of_yaml

#: Files beside the lists that hold the names of the classes.
_NAMES = ("classes.txt", "obj.names")
_YAML = "data.yaml"
_line = re.compile(r"\s*\d+(\s+[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?){4,}\s*").fullmatch


def is_yolo(text: str) -> bool:
    """Whether text begins with a line of YOLO's."""
    first = text.lstrip().split("\n", 1)[0]
    return _line(first) is not None


def yolo_files(path: Path) -> list[Path]:
    """Text files of a folder, or of its folder ``labels``, or the file itself."""
    if not path.is_dir():
        return [path]
    files = _lists(path)
    return files or _lists(path / "labels")


def _lists(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.txt") if file.name not in _NAMES)


def read_yolo(context: Context) -> Table:
    """Read the lists; classes have the names of ``classes.txt`` or ``data.yaml``, or numbers."""
    files = yolo_files(context.path)
    if not files:
        raise ValueError("is a folder without files of that format.")
    names = _class_names(_folder(files[0]))
    rows: list[dict[str, Any]] = []
    for file in files:
        try:
            rows += _rows(context, file, names)
        except ValueError as error:
            place = "" if file == context.path else f"{file.relative_to(context.path).as_posix()}: "
            raise ValueError(f"{place}{error}") from error
    unnamed = sorted({row["label"] for row in rows} - {*names.values()}, key=int)
    if unnamed:
        context.doubts.append(
            f"has {counted(len(unnamed), 'class', 'classes')} without a name, {listed(unnamed)}: "
            f"labels are numbers. Names are looked for in {', '.join(_NAMES)} and {_YAML}, beside "
            "the lists and up to two folders above."
        )
    return make_table(rows)


def _folder(file: Path) -> Path:
    """Folder of a list, with all that are above it: a relative path ends before the first."""
    return Path(os.path.abspath(file.parent))


def _rows(context: Context, file: Path, names: dict[int, str]) -> list[dict[str, Any]]:
    lines = [line for line in read_text(file).splitlines() if line.strip()]
    if not lines:
        return []
    image, (image_width, image_height) = _image(context, file)
    size = (image_width, image_height)
    rows: list[dict[str, Any]] = []
    outlines = Outlines(-0.5)
    for i, line in enumerate(lines):
        parts = line.split()
        if _line(line) is None:
            raise ValueError(
                f"row {i} is no class number with a box or an outline: {quoted(line)}."
            )
        values = [number_of(part, f"row {i}") for part in parts[1:]]
        label = names.get(int(parts[0]), parts[0])
        row: dict[str, Any] = {"image": image, "x": None, "y": None, "label": label}
        outline = len(values) > 5
        if outline and len(values) % 2:
            raise ValueError(f"row {i} has an outline with an x that has no y.")
        fractions = values if outline else values[:4]
        if not all(-0.01 <= value <= 1.01 for value in fractions):
            raise ValueError(
                f"row {i} has values that are no fractions from 0 to 1: {quoted(line)}."
            )
        row["type"] = "polygon" if outline else "area"
        row |= {"width": None, "height": None}
        if outline:
            points = [[x * size[0], y * size[1]] for x, y in zip(values[::2], values[1::2])]
            outlines.add(row, [[points]], f"row {i}")
        else:
            x, y, width, height = values[:4]
            row |= {"x": x * size[0] - 0.5, "y": y * size[1] - 0.5}
            row |= {"width": width * size[0], "height": height * size[1]}
            row["probability"] = values[4] if len(values) == 5 else None
        row |= {"image_width": image_width, "image_height": image_height}
        rows.append(row)
    outlines.finish()
    return rows


def _image(context: Context, file: Path) -> tuple[str, tuple[int, int]]:
    """Name and size of the image of a list.

    It lies beside the list, in a folder ``images`` beside the list's own, or, as Ultralytics has
    it, where the last ``labels`` of the path is ``images``.
    """
    stem = context.image or unpacked_name(file).stem
    here = _folder(file)
    there = "/images/".join(f"{here.as_posix()}/".rsplit("/labels/", 1))
    folders = [here, Path(there), here.parent / "images"]
    for folder in [context.slides] if context.slides is not None else folders:
        slide = find_slide(folder, stem, below=context.slides is not None)
        facts = None if slide is None else slide_facts(slide)
        if slide is not None and facts is not None:
            return context.image or slide.name, facts.size
    raise ValueError(
        f"has fractions of an image, and none called {quoted(stem)} is found: pass "
        "slides=, the folder "
        "of the images."
    )


def _class_names(folder: Path) -> dict[int, str]:
    """Names by number, from the nearest file that has some, up to two folders above."""
    for parent in (folder, *folder.parents[:2]):
        for name in (*_NAMES, _YAML):
            path = parent / name
            if not path.is_file():
                continue
            try:
                text = read_text(path)
                names = class_names_of_yaml(text) if name == _YAML else _names_of_lines(text)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
            if names:
                return names
    return {}


def _names_of_lines(text: str) -> dict[int, str]:
    return {i: line.strip() for i, line in enumerate(text.split("\n")) if line.strip()}
