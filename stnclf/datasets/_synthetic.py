"""`make_cells` and `make_slide`: synthetic cells and slides with their truth."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._utils.typing import Floats, Pixels, RandomState
from . import _cells
from ._canvas import Canvas, Field, Look, develop, expose
from ._ground import Ground, cell_sites, paint_ground, render

__all__ = ["CELL_TYPES", "make_cells", "make_slide"]

#: The classes of cells that can be drawn.
CELL_TYPES = ("granulocyte", "mitotic figure", "tumour cell")

NATIVE_MPP = 0.25
_CELL_WIDTH = 48  # no nucleus or granulocyte is wider, in native pixels
_AREA = 128 * 128  # what `clutter` counts are relative to, in native pixels

_PAINTERS = {
    "granulocyte": _cells.granulocyte,
    "mitotic figure": _cells.mitotic_figure,
    "tumour cell": _cells.tumour_cell,
}
_FREE_RADIUS = 26.0  # around the annotated cell
# painter, share, radius that it needs for itself
_CLUTTER = (
    (_cells.tumour_cell, 0.54, 19.0),
    (_cells.fibroblast, 0.12, 13.0),
    (_cells.lymphocyte, 0.11, 11.0),
    (_cells.pyknotic, 0.10, 14.0),
    (_cells.red_blood_cells, 0.05, 17.0),
    (_cells.eosin_smear, 0.04, 16.0),
    (_cells.crushed_nucleus, 0.04, 15.0),
)
_SHARES = np.array([share for _, share, _ in _CLUTTER])
_STROMA_SHARES = np.array([0.06, 0.48, 0.2, 0.04, 0.16, 0.02, 0.04])


def _check_int(name: str, value: Any, least: int) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer of at least {least}, got {value!r}.")
    if value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}.")
    return int(value)


def _check_real(name: str, value: Any, low: float, high: float, wanted: str) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be {wanted}, got {value!r}.")
    if not low <= float(value) <= high:  # false for nan as well
        raise ValueError(f"{name} must be {wanted}, got {value!r}.")
    return float(value)


def _check_classes(classes: Sequence[str]) -> tuple[str, ...]:
    known = ", ".join(map(repr, CELL_TYPES))
    if isinstance(classes, str) or not np.iterable(classes):
        raise TypeError(f"classes must be a sequence of names out of {known}, got {classes!r}.")
    classes = tuple(classes)
    if not classes:
        raise ValueError(f"classes must hold at least one name out of {known}, got none.")
    for name in classes:
        if name not in CELL_TYPES:
            raise ValueError(f"classes must be names out of {known}, got {name!r}.")
    if len(set(classes)) < len(classes):
        raise ValueError(f"classes must not repeat a name, got {classes!r}.")
    return classes


def _seed_sequence(random_state: RandomState | np.random.Generator) -> np.random.SeedSequence:
    """Turn any `random_state` into a SeedSequence; None takes fresh entropy."""
    if random_state is None:
        return np.random.SeedSequence()
    if isinstance(random_state, np.random.RandomState):
        words = random_state.randint(2**32, size=4, dtype=np.uint32)
        return np.random.SeedSequence(words.tolist())
    if isinstance(random_state, np.random.Generator):
        return np.random.SeedSequence(random_state.integers(2**32, size=4).tolist())
    wanted = "None, a non-negative int, a numpy RandomState or a numpy Generator"
    if isinstance(random_state, (bool, np.bool_)) or not isinstance(random_state, numbers.Integral):
        raise TypeError(f"random_state must be {wanted}, got {random_state!r}.")
    if random_state < 0:
        raise ValueError(f"random_state must be {wanted}, got {random_state!r}.")
    return np.random.SeedSequence(int(random_state))


def _scatter(
    center: Floats, size: int, clutter: float, rng: np.random.Generator
) -> list[tuple[Any, float, float, np.random.Generator]]:
    """Return (painter, x, y, rng) of cells that leave the one at `center` free."""
    count = rng.poisson(clutter * size * size / _AREA)
    kinds = rng.choice(len(_CLUTTER), size=count, p=_SHARES)
    taken = np.empty((count + 1, 3))
    taken[0] = (*center, _FREE_RADIUS)
    cells: list[tuple[Any, float, float, np.random.Generator]] = []
    for kind in kinds:
        painter, _, radius = _CLUTTER[kind]
        here = taken[: len(cells) + 1]
        tries = rng.uniform(-8, size + 7, (12, 2))
        apart = np.hypot(tries[:, :1] - here[:, 0], tries[:, 1:] - here[:, 1])
        gap = apart - 0.95 * (here[:, 2] + radius)
        # the first place that is free, else the one with least overlap, if it is slight
        room = gap.min(axis=1)
        best = np.argmax(np.minimum(room, 0))
        if gap[best, 0] < 0 or room[best] < -8:
            continue
        taken[len(cells) + 1] = (*tries[best], radius)
        cells.append((painter, *tries[best], rng))
    return cells


def _make_cell(
    label: str, size: int, offset: float, clutter: float, rng: np.random.Generator
) -> tuple[Pixels, Floats]:
    """Return one image (size, size, 3), and the (x, y) of its cell."""
    look = Look(rng)
    center = (size - 1) / 2 + rng.uniform(-offset, offset, 2)
    canvas = Canvas((size, size))
    along = np.arange(size)
    pink, collagen, glass = (
        Field(rng, *span).on_grid(along, along) for span in ((60, 200), (90, 300), (70, 260))
    )
    stroma = np.clip(1.5 * (collagen - np.float32(rng.uniform(0, 2))), 0, 1)
    gap = np.clip(glass - np.float32(rng.uniform(0.6, 3.5)), 0, 1)
    paint_ground(canvas, look, pink, stroma, gap, rng)
    cells = _scatter(center, size, clutter, rng)
    _cells.paint_cells(canvas, [*cells, (_PAINTERS[label], *center, rng)], look)
    return develop(expose(canvas.dye, look), look, rng), center


def make_cells(
    n_samples: int = 100,
    *,
    patch_size: int = 128,
    image_size: int | None = None,
    classes: Sequence[str] = CELL_TYPES,
    offset: float = 32,
    clutter: float = 6,
    random_state: RandomState | np.random.Generator = None,
) -> tuple[Pixels, NDArray[np.str_], Floats]:
    """Make synthetic image patches, each around one annotated cell.

    The images imitate canine mast cell tumour in haematoxylin and eosin at 0.25 um per
    pixel. The annotated cell lies at a random offset from the middle, among other nuclei.

    Parameters
    ----------
    n_samples : int, default=100
        Number of images.
    patch_size : int, default=128
        Side in pixels of the central square that holds the cell, at least 48. Cells have
        one size in pixels, whatever the patch.
    image_size : int, default=None
        Side in pixels of the whole image, at least `patch_size`; what is beyond the patch
        is context, with the same kind of clutter. None means `patch_size`.
    classes : sequence of str, default=("granulocyte", "mitotic figure", "tumour cell")
        Which cells to draw, any of these three.
    offset : float, default=32
        Largest distance of the cell from the middle of the image, in pixels, on either
        axis. At most ``(patch_size - 48) / 2``, so that the nucleus stays in the patch.
    clutter : float, default=6
        Mean number of other cells for every 128 x 128 pixels, from 0 to 50: tumour cells,
        fibroblasts, lymphocytes, dying cells, red blood cells, smears; never a granulocyte
        or a mitotic figure. Those that find no free place are left out.
    random_state : int, RandomState instance, Generator instance or None, default=None
        Where all randomness comes from. The first images of a longer call with the same
        int are those of a shorter one. None is different every time. On another kind of
        processor, where sums are rounded otherwise, single pixels may differ by a grey level.

    Returns
    -------
    X : ndarray of shape (n_samples, image_size, image_size, 3), uint8
        RGB images.
    y : ndarray of shape (n_samples,), str
        Class of the annotated cell. Classes are as balanced as they can be, and shuffled.
    centers : ndarray of shape (n_samples, 2), float64
        (x, y) of the annotated cell in pixels of the image: integer is a pixel's centre,
        (0, 0) is the top-left pixel.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If a number is out of its range, or a class is unknown or repeated.

    See Also
    --------
    make_slide : A whole slide with many cells.

    Notes
    -----
    As in the patches of [1]_, other tumour cells surround every cell, and the label of a
    patch is the sparsest class in it. Dark lookalikes of mitotic figures (dying cells,
    crushed nuclei) and red ones of granulocytes (red blood cells, spilt granules) lie about
    in patches of every class. Stain, focus, noise and JPEG loss differ from image to image.

    References
    ----------
    .. [1] Aubreville et al., "A Guided Spatial Transformer Network for Histology Cell
       Differentiation", VCBM 2017, https://arxiv.org/abs/1707.08525

    Examples
    --------
    >>> from stnclf.datasets import make_cells
    >>> X, y, centers = make_cells(6, random_state=0)
    >>> X.shape, X.dtype, centers.shape
    ((6, 128, 128, 3), dtype('uint8'), (6, 2))
    >>> sorted(set(y.tolist()))
    ['granulocyte', 'mitotic figure', 'tumour cell']
    """
    n_samples = _check_int("n_samples", n_samples, 1)
    patch_size = _check_int("patch_size", patch_size, _CELL_WIDTH)
    size = patch_size
    if image_size is not None:
        size = _check_int("image_size", image_size, 1)
        if size < patch_size:
            raise ValueError(
                f"image_size must be at least patch_size ({patch_size}), got {image_size!r}."
            )
    classes = _check_classes(classes)
    most = (patch_size - _CELL_WIDTH) / 2
    offset = _check_real(
        "offset",
        offset,
        0,
        most,
        f"a number from 0 to {most:g}, so that a cell of {_CELL_WIDTH} pixels stays in a patch "
        f"of {patch_size}",
    )
    clutter = _check_real("clutter", clutter, 0, 50, "a number from 0 to 50")

    first, *streams = _seed_sequence(random_state).spawn(n_samples + 1)
    # one shuffled round of all classes after the other: balanced however far it is read
    order = np.random.default_rng(first)
    rounds = [order.permutation(len(classes)) for _ in range(-(-n_samples // len(classes)))]
    y = np.array(classes)[np.concatenate(rounds)[:n_samples]]
    X = np.empty((n_samples, size, size, 3), dtype=np.uint8)
    centers = np.empty((n_samples, 2))
    for i, stream in enumerate(streams):
        rng = np.random.default_rng(stream)
        X[i], centers[i] = _make_cell(y[i], size, offset, clutter, rng)
    return X, y, centers


def make_slide(
    shape: tuple[int, int] = (2048, 2048),
    *,
    mpp: float = 0.25,
    n_mitoses: int | None = None,
    n_granulocytes: int | None = None,
    clutter: float = 6,
    tissue: float = 0.75,
    random_state: RandomState | np.random.Generator = None,
) -> tuple[Pixels, dict[str, np.ndarray], float]:
    """Make a synthetic slide with the true places of its cells.

    Tissue on a near-white ground, with tumour, collagen and gaps, drawn as in `make_cells`.
    Mitotic figures are sparse: half of them lie anywhere, half crowd about one hot spot.

    Parameters
    ----------
    shape : tuple of (int, int), default=(2048, 2048)
        Height and width in pixels, each at least 256.
    mpp : float, default=0.25
        Micrometres per pixel, from 0.1 to 1.
    n_mitoses : int, default=None
        Number of mitotic figures. None means 60 for a square millimetre of image.
    n_granulocytes : int, default=None
        Number of granulocytes. None means 120 for a square millimetre of image.
    clutter : float, default=6
        Number of cells in tissue for every 32 x 32 um (128 x 128 pixels at 0.25), above 0 and
        up to 10.
    tissue : float, default=0.75
        Share of the slide that is tissue, above 0 and up to 1.
    random_state : int, RandomState instance, Generator instance or None, default=None
        Where all randomness comes from. None is different every time.

    Returns
    -------
    image : ndarray of shape (height, width, 3), uint8
        RGB image.
    truth : dict of str to ndarray of shape (n_cells,)
        ``"x"`` and ``"y"``, float64, in pixels as in `make_cells`, and ``"label"``, one of
        "granulocyte", "mitotic figure" and "tumour cell". Other cells are not in it.
    mpp : float
        As given.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If a number is out of its range, or there are fewer places for cells than mitotic
        figures and granulocytes asked for.

    See Also
    --------
    make_cells : Patches around one cell each.

    Notes
    -----
    The image is made in tiles of 512 pixels, and needs little memory beyond itself.

    Examples
    --------
    >>> from stnclf.datasets import make_slide
    >>> image, truth, mpp = make_slide((256, 384), n_mitoses=3, random_state=0)
    >>> image.shape, sorted(truth), mpp
    ((256, 384, 3), ['label', 'x', 'y'], 0.25)
    >>> int((truth["label"] == "mitotic figure").sum())
    3
    """
    if isinstance(shape, str) or not np.iterable(shape) or len(tuple(shape)) != 2:
        raise TypeError(f"shape must be (height, width), got {shape!r}.")
    shape = tuple(_check_int("shape", side, 256) for side in shape)
    mpp = _check_real("mpp", mpp, 0.1, 1, "a number of micrometres from 0.1 to 1")
    wanted = "a number above 0 and up to "
    clutter = _check_real("clutter", clutter, np.nextafter(0, 1), 10, wanted + "10")
    tissue = _check_real("tissue", tissue, np.nextafter(0, 1), 1, wanted + "1")
    area = shape[0] * shape[1] * (mpp / 1000) ** 2
    n_rare = []
    for name, value, density in (
        ("n_mitoses", n_mitoses, 60),
        ("n_granulocytes", n_granulocytes, 120),
    ):
        n_rare.append(round(density * area) if value is None else _check_int(name, value, 0))

    *seeds, noise = _seed_sequence(random_state).spawn(3)
    rng = np.random.default_rng(seeds[0])
    scale = NATIVE_MPP / mpp
    look = Look(rng)
    look.blur = max(look.blur * scale, 0.5)
    ground = Ground(shape, scale, tissue, rng)
    points, labels, kinds = _populate(shape, scale, clutter, n_rare, ground, rng)
    image = render(shape, scale, look, ground, points, kinds, seeds[1], noise)
    listed = labels != ""
    truth = {"x": points[listed, 0], "y": points[listed, 1], "label": labels[listed]}
    return image, truth, mpp


def _populate(
    shape: Sequence[int],
    scale: float,
    clutter: float,
    n_rare: Sequence[int],
    ground: Ground,
    rng: np.random.Generator,
) -> tuple[Floats, NDArray[np.str_], NDArray[np.object_]]:
    """Return points (n, 2), labels ("" for cells of no class) and painters of all cells."""
    points = cell_sites(shape, scale, clutter, rng)
    x, y = points.T
    edge = ground.depth(ground.outline.at(x, y), ground.ragged.at(x, y))
    free = (edge > 0.08) & (ground.glass.at(x, y) < 2.1)
    points, (x, y) = points[free], points[free].T
    stroma = ground.stroma(ground.collagen.at(x, y)) > 0.3
    shares = np.where(stroma[:, None], _STROMA_SHARES, _SHARES).cumsum(axis=1)
    kinds = (rng.uniform(size=(len(points), 1)) > shares[:, :-1]).sum(axis=1)
    labels = np.where(kinds == 0, CELL_TYPES[2], "").astype("<U14")
    painters = np.array([painter for painter, *_ in _CLUTTER], dtype=object)[kinds]
    if sum(n_rare) > (~stroma).sum():
        raise ValueError(
            f"n_mitoses + n_granulocytes must be at most {(~stroma).sum()}, the number of "
            f"places for cells in the tumour of this slide, got {n_rare[0]} + {n_rare[1]}."
        )
    if not sum(n_rare):
        return points, labels, painters
    tumour = np.flatnonzero(~stroma)
    spot = points[rng.choice(tumour)]
    far = np.hypot(*(points[tumour] - spot).T) / (min(shape) / 14)
    # a floor, so that all places can be drawn when many are asked for
    near = np.exp(-0.5 * far**2) + 1e-9
    weights = 0.5 / len(tumour) + 0.5 * near / near.sum()
    chosen = rng.choice(tumour, n_rare[0], replace=False, p=weights)
    others = rng.permutation(np.setdiff1d(tumour, chosen))[: n_rare[1]]
    for places, label in ((chosen, CELL_TYPES[1]), (others, CELL_TYPES[0])):
        labels[places] = label
        painters[places] = _PAINTERS[label]
    return points, labels, painters
