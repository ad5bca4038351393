"""What the evaluation report carries for its scripts: patches in sprite sheets, and slides."""

from __future__ import annotations

import base64
import io
import json
from itertools import compress

import numpy as np
from PIL import Image, features

from .._utils.image_files import load_images
from .._utils.printable import printable
from ..geometry import patch_origin
from ..scan._density import cell_density, density_colours
from ..scan._hotspots import rows_of
from ..slides._slide import opened

__all__ = ["as_json", "choose_patches", "patch_data", "slide_data"]

#: Bytes of pictures before base64, which adds a third: a page stays below 15 MB with them.
PATCH_BYTES, SLIDE_BYTES = 8_500_000, 1_500_000
#: Largest side of a patch in pixels and quality, from the best on; the last one is always taken.
PATCH_STEPS = ((160, 85), (128, 85), (128, 75), (112, 72), (96, 70), (80, 68), (64, 62), (48, 55))
SLIDE_STEPS = ((2048, 82), (1536, 80), (1280, 78), (1024, 75), (768, 72), (512, 65), (384, 55))
COLUMNS = 5  # patches beside and below each other in a sheet: few, so that a page decodes few
DENSITY_SIDE = 384
DENSITY_LEVELS = 32
MOST_DETECTIONS = 20_000


def as_json(data):
    """Write data so that nothing in it can end the script element that holds it.

    Control characters in labels and names are written out, as on the rest of the page.
    """
    text = json.dumps(_shown(data), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _shown(data):
    if isinstance(data, str):
        return data if data.startswith("data:image/") else printable(data, keep="\n\t")
    if isinstance(data, dict):
        return {name: _shown(value) for name, value in data.items()}
    if isinstance(data, list) and data and isinstance(data[0], (str, dict, list)):
        return [_shown(value) for value in data]
    return data


def choose_patches(is_wrong, most, rng):
    """Choose which samples are shown where there are more than `most`.

    Up to half of the places go to samples with a wrong answer, which are what one looks for; the
    rest is drawn from the others.

    Parameters
    ----------
    is_wrong : bool ndarray of shape (n_samples,)
        Whether any method was wrong.
    most : int
        Number of places.
    rng : numpy.random.RandomState
        Where the draw comes from.

    Returns
    -------
    ndarray of shape (n,), int
        Sample numbers, ascending.
    """
    if len(is_wrong) <= most:
        return np.arange(len(is_wrong))
    wrong, right = (rng.permutation(np.flatnonzero(flags)) for flags in (is_wrong, ~is_wrong))
    n_wrong = min(len(wrong), max(most // 2, most - len(right)))
    return np.sort(np.concatenate([wrong[:n_wrong], right[: most - n_wrong]]))


def patch_data(X, chosen, patch_size):
    """Put the central patches of the chosen images into sprite sheets.

    Parameters
    ----------
    X : ndarray or sequence of paths or PIL images
        Checked images, uint8 or float from 0 to 1.
    chosen : ndarray of int
        Which of them.
    patch_size : tuple of int
        ``(height, width)`` of the central part, in pixels.

    Returns
    -------
    data : dict
        ``size`` of a patch in its own pixels and ``tile``, that in a sheet, both (height,
        width); ``columns`` and the ``sheets`` as data URIs.
    """
    patches = _cut(X, chosen, patch_size)
    for side, quality in PATCH_STEPS:
        shrink = min(1.0, side / max(patch_size))
        tile = tuple(max(1, round(shrink * length)) for length in patch_size)
        # A few sheets tell how large all will be.
        starts = range(0, len(patches), COLUMNS**2)
        sample = list(starts)[:: max(1, len(starts) // 8)]
        trial = [_sheet(patches[i : i + COLUMNS**2], tile, quality) for i in sample]
        if sum(map(len, trial)) / len(sample) * len(starts) <= 0.95 * PATCH_BYTES:
            break
    sheets = [_sheet(patches[i : i + COLUMNS**2], tile, quality) for i in starts]
    return {
        "size": list(patch_size),
        "tile": list(tile),
        "columns": COLUMNS,
        "sheets": [_data_uri(sheet) for sheet in sheets],
    }


def slide_data(slides):
    """Shrink slides, and write down what was found on them.

    Parameters
    ----------
    slides : list of (name, slide, detections, fields)
        Names, what `stnclf.slides.Slide` opens, and tables or None.

    Returns
    -------
    data : list of dict
        Positions and lengths are in pixels of level 0.
    """
    return [_one_slide(*slide, SLIDE_BYTES / len(slides)) for slide in slides]


def _one_slide(name, slide, detections, fields, most_bytes):
    with opened(slide) as slide:
        width, height = slide.size
        try:
            mpp = slide.mpp
        except ValueError:
            mpp = None
        image, _ = slide.thumbnail(SLIDE_STEPS[0][0])
    for side, quality in SLIDE_STEPS:
        picture = Image.fromarray(image)
        picture.thumbnail((side, side))
        thumbnail = _encoded(picture, quality)
        if len(thumbnail) <= most_bytes:
            break
    data = {"name": name, "width": width, "height": height, "mpp": mpp}
    data["thumbnail"] = _data_uri(thumbnail)
    data["cells"], data["density"] = _cells(name, detections, slide, (width, height), mpp)
    data["fields"] = _fields(name, fields)
    return data


def _cells(name, detections, slide, size, mpp):
    """List the cells, the most probable first, and draw their density."""
    if detections is None:
        return None, None
    x, y = (_numbers(detections, column, name) for column in "xy")
    if "label" not in detections:
        raise ValueError(f"slides[{name!r}]: detections must have a column 'label'.")
    labels = [str(label) for label in detections["label"]]
    if len({len(x), len(y), len(labels)}) > 1:
        raise ValueError(f"slides[{name!r}]: detections must have columns of one length.")
    certain = np.ones(len(x))
    if "probability" in detections:
        certain = _numbers(detections, "probability", name)
    if not len(x):
        return None, None
    rows = rows_of(detections, slide)
    x, y, certain, labels = x[rows], y[rows], certain[rows], list(compress(labels, rows))
    outside = (x < -0.5) | (y < -0.5) | (x > size[0] - 0.5) | (y > size[1] - 0.5)
    if outside.any():
        raise ValueError(
            f"slides[{name!r}]: {outside.sum()} of {len(x)} detections lie outside the slide of "
            f"{size[0]} x {size[1]} px."
        )
    order = np.argsort(-certain, kind="stable")[:MOST_DETECTIONS]
    names = sorted(set(labels))
    index = {label: k for k, label in enumerate(names)}
    cells = {
        "n": len(x),
        "labels": names,
        "x": x[order].round(1).tolist(),
        "y": y[order].round(1).tolist(),
        "label": [index[labels[i]] for i in order],
        "probability": certain[order].round(3).tolist(),
    }
    scale = max(1.0, max(size) / DENSITY_SIDE)
    shape = tuple(max(1, round(side / scale)) for side in size[::-1])
    # As `density_map` does, but on a small slide so that places still differ.
    sigma = max(size) / 20
    if mpp is not None:
        sigma = min(sigma, 200.0 / mpp)
    density = cell_density(np.stack([x, y], axis=1), shape, scale, sigma)
    return cells, _data_uri(_density_png(density))


def _density_png(density):
    """Paint the density in a few colours, from transparent to dark red."""
    levels = np.arange(DENSITY_LEVELS) / (DENSITY_LEVELS - 1)
    colours, cover = density_colours(levels)
    picture = Image.fromarray(np.rint(density * (DENSITY_LEVELS - 1)).astype(np.uint8), "P")
    picture.putpalette(np.rint(colours).astype(np.uint8).tobytes())
    alpha = np.rint(255 * cover).astype(np.uint8).tobytes()
    with io.BytesIO() as file:
        picture.save(file, "PNG", optimize=True, transparency=alpha)
        return file.getvalue()


def _fields(name, fields):
    if fields is None:
        return []
    columns = {c: _numbers(fields, c, name) for c in ("x", "y", "width", "height")}
    for optional in ("count", "per_mm2"):
        if optional in fields:
            columns[optional] = _numbers(fields, optional, name)
    return [dict(zip(columns, map(float, row))) for row in zip(*columns.values())]


def _numbers(table, column, name):
    try:
        values = np.array(list(table[column]), dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"slides[{name!r}]: wants a column {column!r} of numbers.") from error
    if not np.isfinite(values).all():
        raise ValueError(f"slides[{name!r}]: column {column!r} holds NaN or infinity.")
    return values


def _cut(X, chosen, patch_size):
    """Take the patches as RGB, uint8."""
    if hasattr(X, "dtype"):
        images = np.stack([np.asarray(X[i]) for i in chosen])
    else:
        images = load_images([X[i] for i in chosen], channels=3)
    left, top = patch_origin(images.shape[1:3], patch_size)
    patches = images[:, top : top + patch_size[0], left : left + patch_size[1]]
    if patches.dtype != np.uint8:
        patches = np.rint(255 * np.clip(patches, 0, 1)).astype(np.uint8)
    patches = patches.reshape(*patches.shape[:3], -1)
    return np.broadcast_to(patches, (*patches.shape[:3], 3))


def _sheet(patches, tile, quality):
    """Encode up to COLUMNS x COLUMNS patches as one picture."""
    height, width = tile
    rows = -(-len(patches) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width, rows * height))
    for i, patch in enumerate(patches):
        picture = Image.fromarray(np.ascontiguousarray(patch))
        if picture.size != (width, height):
            picture = picture.resize((width, height), Image.Resampling.LANCZOS)
        sheet.paste(picture, (i % COLUMNS * width, i // COLUMNS * height))
    return _encoded(sheet, quality)


def _encoded(picture, quality):
    with io.BytesIO() as file:
        # A third smaller than JPEG at the same look; some builds of Pillow lack it.
        if features.check("webp"):
            picture.save(file, "WEBP", quality=quality, method=2)
        else:
            picture.save(file, "JPEG", quality=quality, optimize=True)
        return file.getvalue()


def _data_uri(data):
    kinds = {b"RIFF": "webp", b"\x89PNG": "png"}
    kind = kinds.get(data[:4], "jpeg")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
