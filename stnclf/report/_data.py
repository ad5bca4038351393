"""What the evaluation report carries for its scripts: pictures in sprite sheets, as JSON."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
from PIL import Image, features

from .._utils.image_files import load_images
from .._utils.printable import printable
from ..geometry import patch_origin

__all__ = ["COLUMNS", "as_json", "choose_patches", "data_uri", "encoded", "patch_data", "sheet"]

#: Bytes of pictures before base64, which adds a third: a page stays below 15 MB with them.
PATCH_BYTES = 8_500_000
#: Largest side of a patch in pixels and quality, from the best on; the last one is always taken.
PATCH_STEPS = ((160, 85), (128, 85), (128, 75), (112, 72), (96, 70), (80, 68), (64, 62), (48, 55))
COLUMNS = 5  # patches beside and below each other in a sheet: few, so that a page decodes few


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

    Up to half of the places go to samples with a wrong prediction, which are what one looks for;
    the rest is drawn from the others.

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
        trial = [sheet(patches[i : i + COLUMNS**2], tile, quality) for i in sample]
        if sum(map(len, trial)) / len(sample) * len(starts) <= 0.95 * PATCH_BYTES:
            break
    sheets = [sheet(patches[i : i + COLUMNS**2], tile, quality) for i in starts]
    return {
        "size": list(patch_size),
        "tile": list(tile),
        "columns": COLUMNS,
        "sheets": [data_uri(one) for one in sheets],
    }


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


def sheet(patches, tile, quality):
    """Encode up to COLUMNS x COLUMNS patches as one picture."""
    height, width = tile
    rows = -(-len(patches) // COLUMNS)
    whole = Image.new("RGB", (COLUMNS * width, rows * height))
    for i, patch in enumerate(patches):
        picture = Image.fromarray(np.ascontiguousarray(patch))
        if picture.size != (width, height):
            picture = picture.resize((width, height), Image.Resampling.LANCZOS)
        whole.paste(picture, (i % COLUMNS * width, i // COLUMNS * height))
    return encoded(whole, quality)


def encoded(picture, quality):
    with io.BytesIO() as file:
        # A third smaller than JPEG at the same look; some builds of Pillow lack it.
        if features.check("webp"):
            picture.save(file, "WEBP", quality=quality, method=2)
        else:
            picture.save(file, "JPEG", quality=quality, optimize=True)
        return file.getvalue()


def data_uri(data):
    kinds = {b"RIFF": "webp", b"\x89PNG": "png"}
    kind = kinds.get(data[:4], "jpeg")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
