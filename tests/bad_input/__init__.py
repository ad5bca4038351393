"""Tables of what is refused, and by which message.

Each case of `images`, `arguments` and `parameters` is a name, ``"argument: what is wrong with
it"``, the error, the words that its message must hold, and the changes to a call that would be
right.

Each case of `calls` is what is called, such a name, error and words, and the call, which takes
arguments that are right, and files, from ``r`` of `tests.test_bad_calls`. A name that begins with
"file" is about what a file holds, or is not about one argument; the words then say all. Every
error that a docstring lists under Raises is among these, as `tests.test_docstrings` sees to.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

N, HEIGHT, WIDTH = 12, 24, 36


def case(name, error, words, **changes):
    return pytest.param(name.split(":")[0], error, words, changes, id=name)


def refused(function, name, error, words, call):
    return pytest.param(function, name.split(":")[0], error, words, call, id=f"{function} {name}")


def with_value(array, value):
    array = np.array(array, dtype=float)
    array.flat[array.size // 2] = value
    return array


def check_message(raised, argument, words):
    message = str(raised.value)
    assert re.search(rf"\b{argument}\b", message), f"{argument} is not named: {message}"
    assert re.search(words, message), message


def resolve(changes, right):
    """Compute the values that depend on what is right."""
    return {
        name: value(right) if getattr(value, "__name__", "") == "<lambda>" else value
        for name, value in changes.items()
    }


def write_images(folder, X):
    """Write good images, and bad ones of every sort, to real files."""
    good = [folder / f"good{i}.png" for i in range(N)]
    for path, image in zip(good, X):
        Image.fromarray(image).save(path)
    for suffix in ("png", "jpg", "tif", "bmp"):
        whole = folder / f"whole.{suffix}"
        Image.fromarray(X[0]).save(whole)
        data = whole.read_bytes()
        (folder / f"truncated.{suffix}").write_bytes(data[: len(data) * 2 // 3])
    (folder / "header.png").write_bytes(good[0].read_bytes()[:20])
    (folder / "text.png").write_text("no image at all")
    (folder / "nothing.png").touch()
    Image.fromarray(X[0, :20]).save(folder / "lower.png")
    Image.fromarray(X[0].astype(np.uint16).sum(axis=2, dtype=np.uint16)).save(folder / "deep.png")
    return good
