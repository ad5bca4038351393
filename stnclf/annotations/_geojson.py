"""GeoJSON as QuPath (Bankhead et al., Scientific Reports 2017) reads and writes it.

QuPath's coordinates run along the edges of pixels: the first pixel reaches from 0 to 1, and its
middle is 0.5, 0.5. In the annotation table it is 0, 0, so that half a pixel is taken off in
reading and added in writing.
"""

from __future__ import annotations

import math

from ._numbers import is_box, middle, moments, span, to_float
from ._table import (
    CORE,
    LISTS,
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
# Columns that have a place of their own in a file; any other is a measurement or metadata.
PLACED = (*CORE, "width", "height", "object_type", "id", "name", "image_width", "image_height")


def is_geojson(document):
    """Whether a parsed file is GeoJSON: a collection, a list of features, or one."""
    first = document[0] if isinstance(document, list) and document else document
    return isinstance(first, dict) and first.get("type") in ("FeatureCollection", "Feature")


def geojson_table(document, image):
    """Turn a parsed file into a table; `image` is the name of its image."""
    about, features = {}, document
    if isinstance(document, dict):
        features = document.get("features") if "features" in document else [document]
        about = document.get("image")
        about = about if isinstance(about, dict) else {"name": about}
    if not isinstance(features, list):
        raise ValueError("'features' is no list.")
    rows = []
    for number, feature in enumerate(features):
        feature = feature if isinstance(feature, dict) else {}
        geometry, properties = feature.get("geometry"), feature.get("properties") or {}
        if not isinstance(geometry, dict) or not isinstance(properties, dict):
            raise ValueError(f"feature {number} is no feature with geometry and properties.")
        known = {
            "label": _label(properties.get("classification")),
            "object_type": scalar(properties.get("objectType")),
            "id": scalar(feature.get("id")),
            "name": scalar(properties.get("name")),
            "image_width": scalar(about.get("width")),
            "image_height": scalar(about.get("height")),
        }
        for place in _places(geometry, number):
            rows.append({"image": image, **place, **known, **_extras(properties)})
    return make_table(rows)


def geojson_image(document):
    """Name of the image that a parsed file is about, where it says so."""
    about = document.get("image") if isinstance(document, dict) else None
    name = about.get("name") if isinstance(about, dict) else about
    return name if isinstance(name, str) else None


def geojson_text(table, *, size, colors, object_type):
    """Give the text of a file: one closed box an annotation, or a point where it has no size."""
    columns = check_table(table)
    image = only_image(columns, "a GeoJSON file")
    colors = class_colors(class_names(columns), colors)
    features = []
    for row in row_dicts(columns):
        properties = {"objectType": row.get("object_type", object_type)}
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
        identifier = {"id": row["id"]} if "id" in row else {}
        feature = {"type": "Feature", **identifier, "geometry": _geometry(row, size)}
        features.append(json_text({**feature, "properties": properties}))
    head = {"type": "FeatureCollection"}
    if image is not None:
        sizes = {"width": "image_width", "height": "image_height"}
        sizes = {name: columns[column][0] for name, column in sizes.items() if column in columns}
        head["image"] = {"name": image, **sizes}
    body = ",\n".join(features)
    return f'{json_text(head)[:-1]}, "features": [\n{body}\n]}}\n'


def _geometry(row, size):
    width, height = row.get("width", size), row.get("height", size)
    (left, right), (top, bottom) = span(row["x"], width, HALF), span(row["y"], height, HALF)
    if left == right or top == bottom:
        point = [span(row[axis], 0, HALF)[0] for axis in "xy"]
        return {"type": "Point", "coordinates": point}
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    return {"type": "Polygon", "coordinates": [ring]}


def _label(classification):
    """Class of an object; QuPath joins the names of derived classes with a colon."""
    if isinstance(classification, dict):
        names = classification.get("names")
        joined = ": ".join(map(str, names)) if isinstance(names, list) else None
        classification = joined or classification.get("name")
    return classification if isinstance(classification, str) and classification else None


def _places(geometry, number):
    """Position, type and size of each annotation in a geometry; each point of several is one."""
    kind, coordinates = scalar(geometry.get("type")), geometry.get("coordinates")
    depth = {"Point": 0, "MultiPoint": 1, "LineString": 1, "Polygon": 2, "MultiPolygon": 3}
    if kind not in depth:
        raise ValueError(f"feature {number} has a geometry of type {kind!r}, which is not read.")
    points = list(_points(coordinates, depth[kind], number))
    if kind in ("Point", "MultiPoint"):
        for x, y in points:
            yield {"x": middle(x, x, HALF)[0], "y": middle(y, y, HALF)[0], "type": "spot"}
        return
    xs, ys = zip(*points)
    x, width = middle(min(xs), max(xs), HALF)
    y, height = middle(min(ys), max(ys), HALF)
    box = kind == "Polygon" and len(coordinates) == 1 and is_box(points)
    if kind.endswith("Polygon") and not box:
        x, y = _centroid([coordinates] if kind == "Polygon" else coordinates)
    name = "area" if box else "line" if kind == "LineString" else "polygon"
    yield {"x": x, "y": y, "type": name, "width": width, "height": height}


def _points(coordinates, depth, number):
    """Every (x, y) of nested lists, checked."""
    if not isinstance(coordinates, list) or not coordinates:
        raise ValueError(f"feature {number} has no coordinates where its geometry wants some.")
    if depth:
        for inner in coordinates:
            yield from _points(inner, depth - 1, number)
    else:
        point = coordinates[:2]
        if len(point) < 2 or not all(math.isfinite(to_float(value)) for value in point):
            raise ValueError(f"feature {number} has a point that is not two numbers.")
        yield tuple(point)


def _centroid(polygons):
    """Centroid of polygons: first rings count, the holes that follow are taken off."""
    total = x = y = 0.0
    for rings in polygons:
        for i, ring in enumerate(rings):
            area, center = moments(ring)
            area = -abs(area) if i else abs(area)
            total, x, y = total + area, x + area * center[0], y + area * center[1]
    if total <= 0:
        x, y = moments(polygons[0][0])[1]
        total = 1.0
    return float(x / total) - 0.5, float(y / total) - 0.5


def _extras(properties):
    """Measurements and metadata of an object, under their own names."""
    measurements = properties.get("measurements") or {}
    if isinstance(measurements, list):  # QuPath before 0.4
        measurements = {
            str(item.get("name")): item.get("value")
            for item in measurements
            if isinstance(item, dict)
        }
    metadata = properties.get("metadata") or {}
    if not isinstance(measurements, dict) or not isinstance(metadata, dict):
        raise ValueError("measurements and metadata of a feature must be objects.")
    extras = {}
    for name, value in measurements.items():
        if isinstance(value, str):  # NaN and infinity, as QuPath writes them
            value = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(value)
        extras[f"{name} (measured)" if name in (*PLACED, "type") else name] = scalar(value)
    for name, value in metadata.items():
        value = parse_list(value) if name in LISTS else scalar(value)
        extras[f"{name} (metadata)" if name in PLACED else name] = value
    return extras
