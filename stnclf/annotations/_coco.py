"""Boxes in JSON, as MIDOG and COCO have them."""

from __future__ import annotations

import math

from ._numbers import EXACT, middle, span, to_decimal, to_float
from ._table import (
    CORE,
    check_table,
    class_names,
    json_text,
    make_table,
    names_of,
    row_dicts,
    scalar,
)

IMAGE_COLUMNS = {"image_width": "width", "image_height": "height", "tumor_type": "tumor_type"}
# Keys of an annotation that are read on their own, and those whose columns are.
OWN_KEYS = ("bbox", "category_id", "image_id", "labels", "voters", *CORE, "width", "height")
# COCO's boxes run along the edges of pixels; MIDOG's lie around a point that is a pixel's number.
SHIFT = {"midog": "0", "coco": "0.5"}


def is_boxes(document):
    """Whether a parsed file has the layout that MIDOG and COCO share."""
    return isinstance(document, dict) and {"images", "annotations"} <= document.keys()


def boxes_table(document, box_format):
    """Turn a parsed file into a table; `box_format` is "midog", "coco" or "auto"."""
    images = _by_id(document, "images", "file_name")
    categories = _by_id(document, "categories", "name")
    annotations = document.get("annotations")
    if not isinstance(annotations, list):
        raise ValueError("'annotations' is no list.")
    boxes = [_box(annotation, i) for i, annotation in enumerate(annotations)]
    if box_format == "auto":
        box_format = _recognise(document, annotations, boxes, images)
    rows = []
    for i, (annotation, (left, top, third, fourth)) in enumerate(zip(annotations, boxes)):
        image = images.get(scalar(annotation.get("image_id")))
        if image is None:
            raise ValueError(f"annotation {i} is on an image that 'images' lacks.")
        category = annotation.get("category_id")
        if category is not None and scalar(category) not in categories:
            raise ValueError(f"annotation {i} is of a class that 'categories' lacks: {category}.")
        if box_format == "coco":
            third, fourth = EXACT.add(left, third), EXACT.add(top, fourth)
        x, width = middle(left, third, SHIFT[box_format])
        y, height = middle(top, fourth, SHIFT[box_format])
        if width < 0 or height < 0:
            raise ValueError(
                f"annotation {i} has a box of {width} x {height} px as format={box_format!r}: "
                f"{annotation['bbox']}."
            )
        row = {"image": image["file_name"], "x": x, "y": y}
        row["label"] = None if category is None else categories[category]["name"]
        row |= {"width": width, "height": height}
        votes = annotation.get("labels")
        if isinstance(votes, list):
            row["votes"] = tuple(categories.get(v, {}).get("name") for v in map(scalar, votes))
        row["voters"] = names_of(annotation.get("voters"))
        row |= {column: scalar(image.get(key)) for column, key in IMAGE_COLUMNS.items()}
        row |= {key: scalar(v) for key, v in annotation.items() if key not in OWN_KEYS}
        rows.append(row)
    return make_table(rows)


def midog_text(table, *, size):
    """Give the text of a MIDOG file."""
    columns = check_table(table)
    for i, label in enumerate(columns["label"]):
        if label is None:
            raise ValueError(f"table['label'] must name a class in MIDOG JSON, row {i} has none.")
    names = {name: i for i, name in enumerate(class_names(columns), start=1)}
    images, annotations = {}, []
    for i, row in enumerate(row_dicts(columns), start=1):
        about = {key: row.pop(name) for name, key in IMAGE_COLUMNS.items() if name in row}
        number = len(images) + 1
        image = images.setdefault(row["image"], {"file_name": row["image"], "id": number} | about)
        if about.items() - image.items():
            raise ValueError(f"table says different things about image {row['image']!r}: {about}.")
        (left, right), (top, bottom) = (
            span(row[axis], row.get(side, size)) for axis, side in (("x", "width"), ("y", "height"))
        )
        box = {"bbox": [left, top, right, bottom]}
        box |= {"category_id": names[row["label"]], "image_id": image["id"]}
        if "votes" in row:
            box["labels"] = [names.get(vote) for vote in row.pop("votes")]
        if "id" not in columns:
            box["id"] = i
        for key, value in row.items():
            if value in (math.inf, -math.inf):
                raise ValueError(f"table[{key!r}] must not be infinite in MIDOG JSON, row {i - 1}.")
            if key not in OWN_KEYS or key == "voters":
                box[key] = value
        annotations.append(json_text(box))
    head = {
        "info": {"bbox_format": "xyxy", "description": "Boxes are [x1, y1, x2, y2] in pixels."},
        "images": list(images.values()),
        "categories": [{"id": i, "name": name} for name, i in names.items()],
    }
    body = ",\n".join(annotations)
    return f'{json_text(head)[:-1]}, "annotations": [\n{body}\n]}}\n'


def _by_id(document, key, name):
    """Entries of a list by their id, each with a name."""
    entries = document.get(key, [])
    found = {}
    for entry in entries if isinstance(entries, list) else [None]:
        known = isinstance(entry, dict) and isinstance(entry.get("id"), (int, str))
        if not known or not isinstance(entry.get(name), str) or entry["id"] in found:
            raise ValueError(
                f"{key!r} must be a list of entries with an id of their own and {name!r}."
            )
        found[entry["id"]] = entry
    return found


def _box(annotation, number):
    box = annotation.get("bbox") if isinstance(annotation, dict) else None
    if not isinstance(box, list) or len(box) != 4:
        raise ValueError(f"annotation {number} has no 'bbox' of four numbers.")
    if not all(math.isfinite(to_float(value)) for value in box):
        raise ValueError(f"annotation {number} has a 'bbox' that is not four numbers: {box}.")
    return [to_decimal(value) for value in box]


def _recognise(document, annotations, boxes, images):
    """Tell corners (MIDOG) from corner and size (COCO).

    A file may say it. Else corners are ruled out by a box that would have no size, and sizes by
    boxes that would reach beyond their image. What neither decides, a constant size does.
    """
    said = document.get("info", {})
    said = said.get("bbox_format") if isinstance(said, dict) else None
    if said in ("xyxy", "xywh"):
        return "midog" if said == "xyxy" else "coco"
    if not boxes:
        return "midog"
    corners = all(x2 >= x1 and y2 >= y1 for x1, y1, x2, y2 in boxes)
    sizes = all(w >= 0 and h >= 0 for _, _, w, h in boxes)
    for (x, y, w, h), annotation in zip(boxes, annotations):
        image = images.get(scalar(annotation.get("image_id")), {})
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
