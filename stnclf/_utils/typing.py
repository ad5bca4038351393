"""Names of types that annotations share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Floats", "Images", "PathLike", "Pixels", "RandomState", "Scores", "Size", "Table"]

PathLike = str | os.PathLike[str]

#: An array of images, rows of pixels, or a sequence of paths or PIL images.
Images = ArrayLike | Sequence[Any]

RandomState = int | np.random.RandomState | None

#: (height, width)
Size = tuple[int, int]

#: A pandas DataFrame, or columns by name.
Table = Any

#: What `stnclf.report.evaluate` returns: numbers, lists and dicts of them, as JSON holds them.
Scores = dict[str, Any]

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
