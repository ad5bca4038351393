"""GeoJSON as QuPath (Bankhead et al., Scientific Reports 2017) reads and writes it.

QuPath's coordinates run along the edges of pixels: the first pixel reaches from 0 to 1, and its
middle is 0.5, 0.5. In the annotation table it is 0, 0, so that half a pixel is taken off in
reading and added in writing. On slides of which a part was scanned they count from the corner of
that part, which OpenSlide knows as its bounds.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from .._utils.names import same_name
from .._utils.printable import listed, quoted
from .._utils.typing import Table
from ._files import EXACTLY, FAST, parse_json
from ._numbers import EXACT, is_box, middle, span, to_float
from ._outlines import Outlines
from ._table import (
    CORE,
    IMAGE_SIZE,
    LISTS,
    about_images,
    check_table,
    class_colors,
    class_names,
    json_text,
    make_table,
    only_image,
    parse_list,
    row_dicts,
    scalar,
)

HALF = "0.5"
#: Side in pixels of the box around a cell of which nobody says how large it is.
SIDE = 50.0
# Columns that have a place of their own in a file; any other is a measurement or metadata.
PLACED = (*CORE, "width", "height", "object_type", "id", "name", *IMAGE_SIZE)
PLACED += ("origin",)
#: How deep lists are nested in what makes one annotation, and the geometries of several.
DEPTH = {"Point": 0, "LineString": 1, "Polygon": 2}
#: Properties that QuPath has; in any other, another program may have written the class.
KNOWN = ("classification", "objectType", "object_type", "name", "color", "isLocked", "isMissing")
KNOWN += ("measurements", "metadata", "childObjects")
#: Metadata of a box that is drawn around a position without a size, and what they say.
DRAWN, ONLY = "stnclf", "position only"
#: Key of a row that has them, until its shape is known; no column has such a name.
_MARK = "\0drawn"
SEVERAL = {"MultiPoint": "Point", "MultiLineString": "LineString", "MultiPolygon": "Polygon"}


class GeoJSON:
    """Reads GeoJSON, one feature after the other.

    Parameters
    ----------
    text : str
        The file.
    skipped : Counter
        Gets how many objects of which kind were left out.
    label : str, default=None
        The property that holds the class, in place of QuPath's "classification".

    Attributes
    ----------
    document
        What else the file holds: an object, or a list without features.
    """

    def __init__(self, text: str, skipped: Counter[str], label: str | None = None) -> None:
        self._skipped, self._property = skipped, label
        self._others: dict[str, set[str]] = {}
        self._rows: list[dict[str, Any]] = []
        self._outlines = Outlines(-0.5)
        self._number = 0
        self.document = parse_json(text, "features", _is_feature, self._add)
        if _is_feature(self.document):
            self._add(FAST.decode(text), text)

    @property
    def fits(self) -> bool:
        """Whether it is GeoJSON: a collection, a list of features, or one."""
        document = self.document
        if document is None or document == []:  # a list of features, or of none
            return True
        return isinstance(document, dict) and (
            document.get("type") in ("FeatureCollection", "Feature")
        )

    @property
    def image(self) -> str | None:
        """Name of the image that the file is about, where it says so."""
        name = self._about().get("name")
        return name if isinstance(name, str) and name else None

    def table(self, image: str, bounds: tuple[int, int] | None) -> Table:
        """Put the features into a table.

        Parameters
        ----------
        image : str
            Name of the image.
        bounds : tuple of int or None
            ``(x, y)`` of the pixel at which the scanned area begins. None where nobody knows:
            the column ``origin`` says so.

        Returns
        -------
        table : DataFrame
            One row for each annotation.
        """
        document = self.document
        if isinstance(document, dict) and document.get("type") == "FeatureCollection":
            if "features" not in document:
                raise ValueError(f"has no 'features'; it has {listed(document)}.")
            # Those that were read have left None behind.
            if not (self._number or isinstance(document["features"], list)):
                raise ValueError("'features' is no list.")
        self._outlines.finish()
        about = self._about()
        size = {f"image_{side}": scalar(about.get(side)) for side in ("width", "height")}
        for row in self._rows:
            for axis, begin in zip("xy", bounds or (0, 0)):
                value = row[axis]
                exact = isinstance(value, Decimal)
                row[axis] = float(EXACT.add(value, begin) if exact else value + begin)
            row |= {"image": image, **size}
            if bounds is None:
                row["origin"] = "bounds"
        return make_table(self._rows)

    @property
    def doubt(self) -> str:
        """What to say of a file without classes that may have them under another name."""
        if self._property is not None or any(row["label"] is not None for row in self._rows):
            return ""
        most = max(10, len(self._rows) // 10)
        few = [name for name, found in self._others.items() if len(found) <= most]
        if not few:
            return ""
        return (
            "no object has a 'classification', as QuPath writes it, but other properties: "
            f"{listed(few)}. "
            "Say which holds the class, as in columns={'label': ...}."
        )

    def _about(self) -> dict[str, Any]:
        about = self.document.get("image") if isinstance(self.document, dict) else None
        return about if isinstance(about, dict) else {"name": about}

    def _add(self, feature: Any, text: str) -> None:
        name = f"feature {self._number}"
        self._number += 1
        kept: list[Any] = []

        def exactly() -> Any:  # only where digits matter: it takes five times as long
            if not kept:
                kept.append(EXACTLY.decode(text))
            return kept[0]

        self._feature(feature, exactly, name)

    def _feature(self, feature: Any, exactly: Callable[[], Any], name: str) -> None:
        """Read an object and those below it; `exactly` gives it again, with decimals."""
        properties = feature.get("properties") if isinstance(feature, dict) else 0
        properties = {} if properties is None else _unpacked(properties)
        if not isinstance(properties, dict) or "geometry" not in feature:
            raise ValueError(f"{name} is no feature with geometry and properties.")
        geometry = feature["geometry"]
        if geometry is None:
            if properties.get("objectType") != "root":  # which is the image itself
                self._skipped["without a shape"] += 1
        elif not isinstance(geometry, dict):
            raise ValueError(f"{name} is no feature with geometry and properties.")
        else:
            known = {
                "label": self._label(properties),
                "object_type": scalar(properties.get("objectType")),
                "id": scalar(feature.get("id")),
                "name": scalar(properties.get("name")),
            }
            known |= _extras(properties)
            self._geometry(geometry, lambda: exactly()["geometry"], known, name)
        children = _unpacked(properties.get("childObjects")) or []
        if not isinstance(children, list):
            raise ValueError(f"{name} has 'childObjects' that are no list.")
        for i, child in enumerate(children):

            def child_exactly(i: int = i) -> Any:
                below = _unpacked(exactly()["properties"])["childObjects"]
                if isinstance(below, str):
                    below = EXACTLY.decode(below)
                return below[i]

            self._feature(child, child_exactly, f"{name}, child {i}")

    def _label(self, properties: dict[str, Any]) -> str | None:
        """Class of an object, from the property that holds it."""
        if self._property is not None:
            return _label(properties.get(same_name(properties, self._property)))
        for name, value in properties.items():
            if name not in KNOWN and type(value) in (str, int) and value != "":
                self._others.setdefault(name, set()).add(str(value))
        return _label(properties.get("classification"))

    def _geometry(
        self, geometry: Any, exactly: Callable[[], Any], known: dict[str, Any], name: str
    ) -> None:
        """Read a geometry; each part of several is an annotation of its own."""
        kind = scalar(geometry.get("type")) if isinstance(geometry, dict) else None
        if kind == "GeometryCollection":
            parts = geometry.get("geometries")
            if not isinstance(parts, list):
                raise ValueError(f"{name} has 'geometries' that are no list.")
            if not parts:
                self._skipped["without a shape"] += 1
            for i, part in enumerate(parts):

                def one_exactly(i: int = i) -> Any:
                    return exactly()["geometries"][i]

                self._geometry(part, one_exactly, known, name)
            return
        if kind not in DEPTH and kind not in SEVERAL:
            raise ValueError(f"{name} has a geometry of type {quoted(kind)}, which is not read.")
        coordinates = geometry.get("coordinates")
        if not isinstance(coordinates, list):
            raise ValueError(f"{name} has no coordinates where its geometry wants some.")
        if kind == "MultiPolygon" and known["object_type"] == "cell":
            parts = [part for part in coordinates if _filled(part, 2, name)]
            if parts:
                self._outline(parts, known, name)
            else:
                self._skipped["without a shape"] += 1
            return
        several = kind in SEVERAL
        kind = SEVERAL.get(kind, kind)
        if several and not coordinates:
            self._skipped["without a shape"] += 1
        for i, part in enumerate(coordinates if several else [coordinates]):
            if not _filled(part, DEPTH[kind], name):
                self._skipped["without a shape"] += 1
                continue

            def part_exactly(i: int = i) -> Any:
                found = exactly()["coordinates"]
                return found[i] if several else found

            if kind == "Polygon" and not (
                len(part) == 1 and len(part[0]) in (4, 5) and is_box(_pairs(part[0], name))
            ):
                self._outline([part], known, name)
            else:
                self._exact_part(kind, part_exactly(), known, name)

    def _outline(self, polygons: list[Any], known: dict[str, Any], name: str) -> None:
        row = {"x": None, "y": None, "type": "polygon", "width": None, "height": None, **known}
        row.pop(_MARK, None)  # it has been drawn anew
        polygons = [[ring for ring in rings if ring] for rings in polygons]
        self._outlines.add(row, polygons, name)
        self._rows.append(row)

    def _exact_part(self, kind: str, part: Any, known: dict[str, Any], name: str) -> None:
        """Read a point, line or box, whose positions keep every digit."""
        points = [part] if kind == "Point" else part if kind == "LineString" else part[0]
        row: dict[str, Any] = {}
        for axis, side, values in zip("xy", ("width", "height"), zip(*_pairs(points, name))):
            low, high = min(values), max(values)
            row[axis] = EXACT.subtract(
                EXACT.divide(EXACT.add(low, high), Decimal(2)), Decimal(HALF)
            )
            row[side] = None if kind == "Point" else middle(low, high)[1]
        kind = {"Point": "spot", "LineString": "line", "Polygon": "area"}[kind]
        row = {"x": row["x"], "y": row["y"], "type": kind, **row, **known}
        if row.pop(_MARK, False) and kind == "area":
            row |= {"type": known.get("type", "spot"), "width": None, "height": None}
        self._rows.append(row)


def _is_feature(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") == "Feature"


def _filled(part: Any, depth: int, name: str) -> bool:
    """Whether a part has coordinates; a ValueError where they are no lists."""
    if not isinstance(part, list):
        raise ValueError(f"{name} has no coordinates where its geometry wants some.")
    if depth == 2:
        return bool(part) and _filled(part[0], 1, name)
    return bool(part)


def _pairs(points: Any, name: str) -> list[tuple[Any, Any]]:
    """Every (x, y) of a list, checked."""
    for point in points:
        numbers = point[:2] if isinstance(point, list) else ()
        if len(numbers) < 2 or not all(math.isfinite(to_float(value)) for value in numbers):
            raise ValueError(f"{name} has a point that is not two numbers.")
    return [tuple(point[:2]) for point in points]


def _unpacked(value: Any) -> Any:
    """Parse what stands in a file as text of JSON, as geopandas writes it."""
    if isinstance(value, str) and (value.lstrip()[:1] in ("{", "[", '"') or value == "null"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def geojson_text(
    table: Table,
    *,
    size: float | None,
    colors: dict[str, Any] | None,
    object_type: str,
    bounds: Callable[[str], tuple[int, int]],
) -> str:
    """Text of a file: one closed box for each annotation, or a point where it has no size.

    Without a width and a height the box has the side `size`, and its metadata say so; None is
    `SIDE`, but for annotations, which QuPath takes as points, too. `bounds` gives where on an
    image it begins to count.
    """
    columns = check_table(table)
    image = only_image(columns, "a GeoJSON file")
    colors = class_colors(class_names(columns), colors)
    features = []
    # Rows that count from the bounds already need no slide.
    resolved = [origin != "bounds" for origin in columns.get("origin", [None])]
    begin = (0, 0) if image is None or not any(resolved) else bounds(image)
    for row in row_dicts(columns):
        side = size
        if side is None:
            side = 0.0 if row.get("object_type", object_type) == "annotation" else SIDE
        properties: dict[str, Any] = {"objectType": row.get("object_type", object_type)}
        if "name" in row:
            properties["name"] = row["name"]
        if row["label"] is not None:
            color = list(colors[row["label"]])
            properties["classification"] = {"name": row["label"], "color": color}
        for name, value in row.items():
            if name in PLACED:
                continue
            if isinstance(value, (str, tuple)):
                text = value if isinstance(value, str) else json_text(value)
                properties.setdefault("metadata", {})[name] = text
            else:  # a truth value is the number 0 or 1: QuPath knows no others
                number = int(value) if isinstance(value, bool) else value
                number = {math.inf: "Infinity", -math.inf: "-Infinity"}.get(number, number)
                properties.setdefault("measurements", {})[name] = number
        if side and "width" not in row and "height" not in row:
            properties.setdefault("metadata", {}).setdefault(DRAWN, ONLY)
        identifier = {"id": row["id"]} if "id" in row else {}
        feature = {"type": "Feature", **identifier, "geometry": _box(row, side, begin)}
        features.append(json_text({**feature, "properties": properties}))
    head: dict[str, Any] = {"type": "FeatureCollection"}
    if image is not None:
        sizes = about_images(columns, IMAGE_SIZE)[image]
        sizes = {column.removeprefix("image_"): value for column, value in sizes.items()}
        head["image"] = {"name": image, **sizes}
    body = ",\n".join(features)
    return f'{json_text(head)[:-1]}, "features": [\n{body}\n]}}\n'


def _box(row: dict[str, Any], size: float, begin: tuple[int, int]) -> dict[str, Any]:
    from_bounds = row.get("origin") == "bounds"
    shifts = [Decimal(HALF) - (0 if from_bounds else n) for n in begin]
    width, height = row.get("width", size), row.get("height", size)
    (left, right), (top, bottom) = (
        span(row[axis], side, shift) for axis, side, shift in zip("xy", (width, height), shifts)
    )
    if left == right or top == bottom:
        point = [span(row[axis], 0, shift)[0] for axis, shift in zip("xy", shifts)]
        return {"type": "Point", "coordinates": point}
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    return {"type": "Polygon", "coordinates": [ring]}


def _label(classification: Any) -> str | None:
    """Class of an object; QuPath joins the names of derived classes with a colon."""
    classification = _unpacked(classification)
    if isinstance(classification, dict):
        names = classification.get("names")
        classification = (isinstance(names, list) and names) or classification.get("name")
    if isinstance(classification, list):
        return ": ".join(map(str, classification)) or None
    classification = scalar(classification)
    return None if classification in (None, "") else str(classification)


def _extras(properties: dict[str, Any]) -> dict[str, Any]:
    """Measurements and metadata of an object, under their own names."""
    measurements = _unpacked(properties.get("measurements")) or {}
    if isinstance(measurements, list):  # QuPath before 0.4
        measurements = {
            str(item.get("name")): item.get("value")
            for item in measurements
            if isinstance(item, dict)
        }
    metadata = _unpacked(properties.get("metadata")) or {}
    if not isinstance(measurements, dict) or not isinstance(metadata, dict):
        raise ValueError("measurements and metadata of a feature must be objects.")
    extras: dict[str, Any] = {}
    for name, value in measurements.items():
        if isinstance(value, str):  # NaN and infinity, as QuPath writes them
            value = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(value)
        extras[f"{name} (measured)" if name in (*PLACED, "type") else name] = scalar(value)
    for name, value in metadata.items():
        value = parse_list(value) if name in LISTS else scalar(value)
        if name == DRAWN and value == ONLY:
            extras[_MARK] = True
            continue
        extras[f"{name} (metadata)" if name in PLACED else name] = value
    return extras
