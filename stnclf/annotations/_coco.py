"""Boxes and segmentations in JSON, as MIDOG and COCO have them."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

from .._utils.printable import quoted
from .._utils.typing import Table
from ._context import Context
from ._numbers import EXACT, middle, span, to_decimal, to_float
from ._outlines import Outlines
from ._segmentation import mask_box
from ._table import (
    CORE,
    about_images,
    check_table,
    class_names,
    identifiers,
    json_text,
    make_table,
    names_of,
    row_dicts,
    scalar,
)

IMAGE_COLUMNS = {"image_width": "width", "image_height": "height", "tumor_type": "tumor_type"}
# Keys of an annotation that are read on their own, and those whose columns are.
OWN_KEYS = ("bbox", "category_id", "image_id", "labels", "voters", *CORE, "width", "height")
#: Columns that are not written as keys of an annotation by their own names.
PLACED = {*OWN_KEYS, *IMAGE_COLUMNS, "id", "votes"} - {"voters"}
#: What to do about rows without a class.
NO_CLASS = "give it one, or leave such rows out by table.dropna(subset=['label'])"
# COCO's boxes run along the edges of pixels; MIDOG's lie around a point that is a pixel's number.
SHIFT = {"midog": "0", "coco": "0.5"}


def is_boxes(document: Any) -> bool:
    """Whether a parsed file has the layout that MIDOG and COCO share."""
    return isinstance(document, dict) and {"images", "annotations"} <= document.keys()


def is_results(document: Any) -> bool:
    """Whether a parsed file is a list of COCO's results, which names images by number."""
    first = document[0] if isinstance(document, list) and document else None
    return isinstance(first, dict) and {"image_id", "category_id"} <= first.keys()


def results_table(document: list[Any], context: Context) -> Table:
    """Turn a list of results into a table; images and classes keep their numbers as names."""
    ids: dict[str, dict[str, str]] = {"image_id": {}, "category_id": {}}
    for i, item in enumerate(document):
        for key, found in ids.items():
            value = scalar(item.get(key)) if isinstance(item, dict) else None
            if isinstance(value, bool) or not isinstance(value, (int, str)):
                raise ValueError(f"result {i} has no {key!r}.")
            found[str(value)] = str(value)
    content = {
        "images": [{"id": n, "file_name": context.image or n} for n in ids["image_id"]],
        "categories": [{"id": n, "name": n} for n in ids["category_id"]],
        "annotations": document,
    }
    if context.image is not None and len(ids["image_id"]) > 1:
        raise ValueError("is about several images, so that image= does not apply.")
    context.numbered = True
    table = boxes_table(content, "coco", context.skipped)
    probability = {"score": "probability"} if "probability" not in table else {}
    return table.rename(columns=probability)


def boxes_table(document: dict[str, Any], box_format: str, skipped: Counter[str]) -> Table:
    """Turn a parsed file into a table; `box_format` is "midog", "coco" or "auto".

    `skipped` gets how many annotations have no shape.
    """
    images = _by_id(document, "images", "file_name")
    categories = _by_id(document, "categories", "name")
    annotations = document.get("annotations")
    if not isinstance(annotations, list):
        raise ValueError("'annotations' is no list.")
    numbers = [i for i, annotation in enumerate(annotations) if not _is_empty(annotation)]
    if len(numbers) < len(annotations):
        skipped["without a shape"] += len(annotations) - len(numbers)
    annotations = [annotations[i] for i in numbers]
    boxes = [_box(annotation, i) for i, annotation in zip(numbers, annotations)]
    if box_format == "auto":
        box_format = _recognise(document, annotations, boxes, images)
    rows: list[dict[str, Any]] = []
    outlines = Outlines(-0.5)
    for i, annotation, box in zip(numbers, annotations, boxes):
        image = _of_id(images, annotation.get("image_id"))
        if image is None:
            raise ValueError(f"annotation {i} is on an image that 'images' lacks.")
        category = annotation.get("category_id")
        about = None if category is None else _of_id(categories, category)
        if category is not None and about is None:
            raise ValueError(
                f"annotation {i} is of a class that 'categories' lacks: {quoted(category)}."
            )
        row = {"image": image["file_name"], "x": None, "y": None}
        row["label"] = None if about is None else about["name"]
        row |= {"width": None, "height": None}
        if box is not None:
            row |= _from_box(box, box_format, i)
        elif not _from_segmentation(row, annotation["segmentation"], outlines, f"annotation {i}"):
            raise ValueError(f"annotation {i} has a segmentation without any pixel.")
        votes = annotation.get("labels")
        if isinstance(votes, list):
            row["votes"] = tuple((_of_id(categories, vote) or {}).get("name") for vote in votes)
        row["voters"] = names_of(annotation.get("voters"))
        row |= {column: scalar(image.get(key)) for column, key in IMAGE_COLUMNS.items()}
        row |= {key: scalar(v) for key, v in annotation.items() if key not in OWN_KEYS}
        rows.append(row)
    outlines.finish()
    return make_table(rows)


def _from_box(box: list[Any], box_format: str, number: int) -> dict[str, float]:
    left, top, third, fourth = box
    if box_format == "coco":
        third, fourth = EXACT.add(left, third), EXACT.add(top, fourth)
    x, width = middle(left, third, SHIFT[box_format])
    y, height = middle(top, fourth, SHIFT[box_format])
    if width < 0 or height < 0:
        shown = [float(value) for value in box]
        raise ValueError(
            f"annotation {number} has a box of {width} x {height} px as format={box_format!r}: "
            f"{[int(value) if value == int(value) else value for value in shown]}."
        )
    return {"x": x, "y": y, "width": width, "height": height}


def _from_segmentation(
    row: dict[str, Any], segmentation: Any, outlines: Outlines, name: str
) -> bool:
    """Fill position and size of a row from a mask or polygons; False if there is no pixel."""
    if isinstance(segmentation, dict):
        found = mask_box(segmentation, name)
        if found is not None:
            row |= dict(zip(("x", "y", "width", "height"), found))
        return found is not None
    polygons = []
    for flat in segmentation:
        if not isinstance(flat, list) or len(flat) < 2 or len(flat) % 2:
            raise ValueError(f"{name} has a polygon that is no list of x, y, x, y ...")
        values = [to_float(value) for value in flat]
        polygons.append([list(zip(values[::2], values[1::2]))])
    outlines.add(row, polygons, name)
    return True


def midog_text(table: Table, *, size: float) -> str:
    """Text of a MIDOG file."""
    columns = check_table(table)
    for i, label in enumerate(columns["label"]):
        if label is None:
            raise ValueError(
                f"table['label'] must name a class in MIDOG JSON, row {i} has none: {NO_CLASS}."
            )
    names = {name: i for i, name in enumerate(class_names(columns), start=1)}
    images: dict[str, dict[str, Any]] = {}
    for number, (name, about) in enumerate(about_images(columns, IMAGE_COLUMNS).items(), start=1):
        about = {IMAGE_COLUMNS[column]: value for column, value in about.items()}
        images[name] = {"file_name": name, "id": number} | about
    annotations: list[str] = []
    for i, (uid, row) in enumerate(zip(identifiers(columns, 0), row_dicts(columns))):
        (left, right), (top, bottom) = (
            span(row[axis], row.get(side, size)) for axis, side in (("x", "width"), ("y", "height"))
        )
        box: dict[str, Any] = {"bbox": [left, top, right, bottom]}
        box |= {
            "id": uid,
            "category_id": names[row["label"]],
            "image_id": images[row["image"]]["id"],
        }
        if "votes" in row:
            box["labels"] = [names.get(vote) for vote in row["votes"]]
        for key, value in row.items():
            if value in (math.inf, -math.inf):
                raise ValueError(
                    f"table[{quoted(key)}] must not be infinite in MIDOG JSON, row {i}."
                )
            if key not in PLACED:
                box[key] = value
        annotations.append(json_text(box))
    head = {
        "info": {"bbox_format": "xyxy", "description": "Boxes are [x1, y1, x2, y2] in pixels."},
        "images": list(images.values()),
        "categories": [{"id": i, "name": name} for name, i in names.items()],
    }
    body = ",\n".join(annotations)
    return f'{json_text(head)[:-1]}, "annotations": [\n{body}\n]}}\n'


def _by_id(document: dict[str, Any], key: str, name: str) -> dict[int | str, dict[str, Any]]:
    """Entries of a list by their id, each with a name."""
    entries: Any = document.get(key, [])
    found: dict[int | str, dict[str, Any]] = {}
    entry: Any
    for entry in entries if isinstance(entries, list) else [None]:
        known = isinstance(entry, dict) and isinstance(entry.get("id"), (int, str))
        if not known or not isinstance(entry.get(name), str) or entry["id"] in found:
            raise ValueError(
                f"{key!r} must be a list of entries with an id of their own and {name!r}."
            )
        found[entry["id"]] = entry
    return found


def _of_id(entries: dict[int | str, dict[str, Any]], value: Any) -> dict[str, Any] | None:
    """Entry of an id; one that is text in one place and a number in the other is the same."""
    value = scalar(value)
    if value is None or value in entries:
        return entries.get(value)
    if isinstance(value, str):
        number = int(value) if re.fullmatch(r"-?\d{1,19}", value) else None
        return None if number is None else entries.get(number)
    return entries.get(str(int(value))) if value == value // 1 else None


def _is_empty(annotation: Any) -> bool:
    """Whether an annotation has box and segmentation, at least one, and nothing in them."""
    shapes = ("bbox", "segmentation")
    if not isinstance(annotation, dict) or not any(name in annotation for name in shapes):
        return False
    return all(annotation.get(name) in (None, [], {}) for name in shapes)


def _box(annotation: Any, number: int) -> list[Any] | None:
    """Four numbers of an annotation, None where there is a segmentation instead."""
    box = annotation.get("bbox") if isinstance(annotation, dict) else None
    if box in (None, []) and isinstance(annotation, dict):
        segmentation = annotation.get("segmentation")
        if isinstance(segmentation, (dict, list)) and segmentation:
            return None
    if not isinstance(box, list) or len(box) != 4:
        raise ValueError(f"annotation {number} has no 'bbox' of four numbers.")
    if not all(math.isfinite(to_float(value)) for value in box):
        raise ValueError(
            f"annotation {number} has a 'bbox' that is not four numbers: {quoted(box)}."
        )
    return [to_decimal(value) for value in box]


def _recognise(
    document: dict[str, Any], annotations: list[Any], found: list[Any], images: dict[Any, Any]
) -> str:
    """Distinguish corners (MIDOG) from corner and size (COCO).

    A file may say it. Else corners are ruled out by a box that would have no size, and sizes by
    boxes that would reach beyond their image. What neither decides, a constant size does.
    """
    said: Any = document.get("info", {})
    said = said.get("bbox_format") if isinstance(said, dict) else None
    if said in ("xyxy", "xywh"):
        return "midog" if said == "xyxy" else "coco"
    if not annotations:
        return "midog"
    boxes = [box for box in found if box is not None]
    if not boxes:
        return "coco"
    corners = all(x2 >= x1 and y2 >= y1 for x1, y1, x2, y2 in boxes)
    sizes = all(w >= 0 and h >= 0 for _, _, w, h in boxes)
    for box, annotation in zip(found, annotations):
        if box is None:
            continue
        x, y, w, h = box
        image = _of_id(images, annotation.get("image_id")) or {}
        limits = (to_float(image.get("width")), to_float(image.get("height")))
        # One pixel is left for rounding; an image of unknown size (NaN) rules nothing out.
        if float(EXACT.add(x, w)) > limits[0] + 1 or float(EXACT.add(y, h)) > limits[1] + 1:
            sizes = False
    if corners and sizes:
        spans = {(EXACT.subtract(x2, x1), EXACT.subtract(y2, y1)) for x1, y1, x2, y2 in boxes}
        corners = len(spans) == 1
        sizes = len({(w, h) for _, _, w, h in boxes}) == 1
    if corners == sizes:
        raise ValueError(
            "does not show whether its boxes are corners or corner and size: "
            "pass format='midog' for [x1, y1, x2, y2], format='coco' for [x, y, width, height]."
        )
    return "midog" if corners else "coco"
