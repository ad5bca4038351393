"""Public cell data sets as arrays: images, classes, cell centres and groups.

Each set is read from the layout in which its authors hand it out; nothing is downloaded. Around
every annotated cell an image is cut in which the cell lies off the middle by a random amount,
but wholly inside the central patch. The rest of the image is context for augmentation.

>>> cells, protocol = protocols.load("path/to/BCCD")                # doctest: +SKIP
>>> cells.X.shape, protocol.patch_size, protocol.headline           # doctest: +SKIP
((1276, 256, 256, 3), 128, 'macro_f1')
"""

import csv
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

__all__ = ["ALL_SIZES", "PROTOCOLS", "CellSet", "Protocol", "load", "recognise"]

# BCCD: sparse classes first. A patch carries the name of the sparsest class that it shows.
BLOOD_CELLS = ("WBC", "Platelets", "RBC")
SHRINK = 3  # BCCD is magnified far beyond what a patch of 128 pixels needs
SMALLEST_BOX = 5  # pixels of the original; a handful of BCCD's boxes are empty
CLEARANCE = 84  # half a patch, and 20 px more so that no rim of a sparser cell shows
OFFSET_DRAWS = 50
RED_CELLS_PER_IMAGE = 4
# Chula: target cells, teardrops, burr cells and schistocytes are rare forms of red cells.
RARE_FORMS = (4, 7, 8, 9)
RARE_CLEARANCE = 16  # pixels, and half a patch
NUCLEI = ("epithelial", "fibroblast", "inflammatory", "others")
NUCLEI_PER_IMAGE = 100


class CellSet(NamedTuple):
    """Cells of one data set.

    Attributes
    ----------
    X : ndarray of shape (n_samples, size, size, 3)
        Images, uint8.
    y : ndarray of shape (n_samples,)
        Class names.
    centers : ndarray of shape (n_samples, 2)
        ``(x, y)`` of the annotated cell in pixels of its image; whole = middle of a pixel.
    groups : ndarray of shape (n_samples,)
        Number of the slide or photograph; cross-validation must not split one.
    """

    X: np.ndarray
    y: np.ndarray
    centers: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True)
class Protocol:
    """How one data set is read, seen and scored.

    Attributes
    ----------
    name, title : str
        Short name and a line that says what is in the set.
    image_size, patch_size, cell_size : int
        Side in pixels of the images, of the central patch and of the window for one cell.
    headline : str
        The score that sums a method up: ``macro_f1`` or ``balanced_accuracy``.
    layout : str
        What the folder of the set must hold.
    marks : tuple of str
        Glob patterns of which each must match something in the folder.
    read : callable
        ``read(folder, protocol, seed)`` yields a `_Cell` for each sample.
    without_cell : tuple of str
        Classes of patches in which no cell is meant, for the method "stn-absent".
    """

    name: str
    title: str
    image_size: int
    patch_size: int
    cell_size: int
    headline: str
    layout: str
    marks: tuple[str, ...]
    read: Callable
    without_cell: tuple = ()

    @property
    def largest_offset(self):
        """Pixels by which a cell may leave the middle and still be whole in the patch."""
        return (self.patch_size - self.cell_size) // 2


class _Cell(NamedTuple):
    """A cell on the photograph that it was found in."""

    photo: np.ndarray
    x: float
    y: float
    label: str
    group: int
    offset: np.ndarray | None = None


def load(folder, name=None, *, seed=0):
    """Read a data set.

    Parameters
    ----------
    folder : path-like
        The folder of the set, or one that holds it under the protocol's name.
    name : {"bccd", "amibr", "crchisto", "chula", "chula-96", "chula-216"}, default=None
        The protocol; None recognises it from the files in `folder`. The last two cut Chula's
        patches at other sizes.
    seed : int, default=0
        Decides the offsets, and which cells are taken where a protocol takes some only.

    Returns
    -------
    cells : CellSet
        The arrays.
    protocol : Protocol
        What belongs to them.
    """
    folder = Path(folder)
    if name is None:
        name = recognise(folder)
    elif name not in ALL_SIZES:
        raise ValueError(f"name must be one of {sorted(ALL_SIZES)}, got {name!r}.")
    protocol = ALL_SIZES[name]
    return _cut_all(protocol.read(find(folder, protocol), protocol, seed), protocol, seed), protocol


def find(folder, protocol):
    """Find the folder of a data set: the one that is given, or the one inside of its name."""
    for place in (folder, folder / protocol.name.partition("-")[0]):
        if _holds(place, protocol):
            return place
    raise FileNotFoundError(f"no {protocol.name} data in {folder}: expected {protocol.layout}.")


def recognise(folder):
    """Name the data set that a folder holds, a key of `PROTOCOLS`."""
    folder = Path(folder)
    for name, protocol in PROTOCOLS.items():
        if _holds(folder, protocol):
            return name
    inside = [name for name, protocol in PROTOCOLS.items() if _holds(folder / name, protocol)]
    if inside:
        raise FileNotFoundError(f"{folder} holds several sets; name one of its folders: {inside}.")
    layouts = "; ".join(f"{name}: {protocol.layout}" for name, protocol in PROTOCOLS.items())
    raise FileNotFoundError(f"{folder} holds none of the known data sets. {layouts}.")


def _holds(folder, protocol):
    return all(any(folder.glob(mark)) for mark in protocol.marks)


def _read_bccd(folder, protocol, seed) -> Iterator[_Cell]:
    """Blood cells. A sparser cell must not come into view, or the label would be wrong."""
    rng = np.random.default_rng(seed)
    reach = protocol.largest_offset
    for group, xml in enumerate(sorted(folder.glob("Annotations/*.xml"))):
        photo = _open_scaled(folder / "JPEGImages" / f"{xml.stem}.jpg", 1 / SHRINK, Image.BOX)
        labels, points = _voc_centers(xml)
        points = points / SHRINK
        rank = np.array([BLOOD_CELLS.index(label) for label in labels])
        n_red = 0
        for i in rng.permutation(len(labels)):
            offsets = rng.integers(-reach, reach + 1, (OFFSET_DRAWS, 2))
            # Where each sparser cell would lie, seen from the middle of each drawn patch.
            seen = points[rank < rank[i]] - points[i] + offsets[:, None]
            allowed = (np.abs(seen).max(axis=2) >= CLEARANCE).all(axis=1)
            if not allowed.any():
                continue
            if labels[i] == "RBC":
                n_red += 1
                if n_red > RED_CELLS_PER_IMAGE:
                    continue
            yield _Cell(photo, *points[i], labels[i], group, offsets[allowed.argmax()])


def _voc_centers(xml):
    """Names and box centres, (x, y) in pixels, of one Pascal VOC file."""
    labels, points = [], []
    for item in ET.parse(xml).iter("object"):
        left, top, right, bottom = (
            int(item.findtext(f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")
        )
        if min(right - left, bottom - top) >= SMALLEST_BOX:
            labels.append(item.findtext("name"))
            points.append(((left + right) / 2, (top + bottom) / 2))
    return labels, np.array(points, dtype=float).reshape(-1, 2)


def _read_amibr(folder, protocol, seed) -> Iterator[_Cell]:
    """Mitotic figures, each in the middle of its own crop; slides come from the CSV file."""
    with open(folder / "AMI-BR.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    slide_of = {f"{row['dataset']}_{row['uid']}": (row["dataset"], row["slide"]) for row in rows}
    # Sorted as one path-like string, so that the numbers do not depend on the tuple's order.
    slides = sorted({"/".join(slide) for slide in slide_of.values()})
    middle = protocol.image_size // 2
    for label in ("atypical", "normal"):
        for png in sorted(folder.glob(f"patches/{label}/*.png")):
            photo = _open_scaled(png, 1, None)
            yield _Cell(photo, middle, middle, label, slides.index("/".join(slide_of[png.stem])))


def _read_crchisto(folder, protocol, seed) -> Iterator[_Cell]:
    """Colorectal nuclei, shown at twice their 20x so that a cell is as large as elsewhere."""
    from scipy.io import loadmat

    rng = np.random.default_rng(seed)
    fields = [path.parent for path in folder.glob("img*/img*.bmp") if path.parent.is_dir()]
    for group, field in enumerate(sorted(fields, key=lambda path: int(path.name[3:]))):
        photo = _open_scaled(field / f"{field.name}.bmp", 2, Image.BICUBIC)
        labels, points = [], []
        for label in NUCLEI:
            found = loadmat(field / f"{field.name}_{label}.mat")["detection"].reshape(-1, 2)
            points.append(found.astype(float))  # stored as uint8: doubled as such they overflow
            labels += [label] * len(found)
        points = 2 * np.concatenate(points)
        for i in rng.permutation(len(labels))[:NUCLEI_PER_IMAGE]:
            yield _Cell(photo, *points[i], labels[i], group)


def _read_chula(folder, protocol, seed) -> Iterator[_Cell]:
    """Red cells: as many common as rare ones of each image, and no other rare one in view."""
    rng = np.random.default_rng(seed)
    reach = protocol.largest_offset
    tables = sorted(folder.glob("Label/*.txt"), key=lambda path: int(path.stem))
    for group, table in enumerate(tables):
        lines = (line.split() for line in table.read_text(encoding="utf-8").splitlines())
        cells = np.array([[float(v) for v in line] for line in lines if len(line) == 3])
        cells = cells.astype(int).reshape(-1, 3)
        points, is_rare = cells[:, :2], np.isin(cells[:, 2], RARE_FORMS)
        found = {"rare": [], "common": []}
        for point, rare in zip(points, is_rare):
            offsets = rng.integers(-reach, reach + 1, (OFFSET_DRAWS, 2))
            others = points[is_rare & (points != point).any(axis=1)]
            seen = others - point + offsets[:, None]
            apart = protocol.patch_size // 2 + RARE_CLEARANCE
            allowed = (np.abs(seen).max(axis=2) >= apart).all(axis=1)
            if allowed.any():
                label = "rare" if rare else "common"
                found[label].append((*point, label, group, offsets[allowed.argmax()]))
        n = min(map(len, found.values()))
        photo = _open_scaled(folder / "Dataset" / f"{table.stem}.jpg", 1, None) if n else None
        for drawn in found.values():
            for i in rng.permutation(len(drawn))[:n]:
                yield _Cell(photo, *drawn[i])


def _open_scaled(path, factor, resample):
    with Image.open(path) as image:
        image = image.convert("RGB")
    if factor != 1:
        size = (round(image.width * factor), round(image.height * factor))
        image = image.resize(size, resample)
    return np.asarray(image)


def _cut_all(cells, protocol, seed):
    rng = np.random.default_rng(seed)
    size, reach = protocol.image_size, protocol.largest_offset
    images, labels, centers, groups = [], [], [], []
    for cell in cells:
        offset = rng.integers(-reach, reach + 1, 2) if cell.offset is None else cell.offset
        center = size // 2 + offset
        left, top = np.rint([cell.x, cell.y]).astype(int) - center
        images.append(_cut(cell.photo, left, top, size))
        labels.append(cell.label)
        centers.append(center)
        groups.append(cell.group)
    if not images:
        raise FileNotFoundError(f"the {protocol.name} folder holds no cells.")
    return CellSet(
        np.stack(images), np.array(labels), np.array(centers, dtype=float), np.array(groups)
    )


def _cut(photo, left, top, size):
    """Cut a square; beyond its edges the photograph goes on as its mirror image."""
    height, width = photo.shape[:2]
    return photo[_mirrored(top, size, height)[:, None], _mirrored(left, size, width)]


def _mirrored(start, count, length):
    index = np.arange(start, start + count) % (2 * length)
    return np.minimum(index, 2 * length - 1 - index)


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="bccd",
            title="BCCD: white cells and platelets among red blood cells",
            image_size=256,
            patch_size=128,
            cell_size=64,
            headline="macro_f1",
            layout="JPEGImages/*.jpg and Annotations/*.xml (Pascal VOC)",
            marks=("JPEGImages", "Annotations/*.xml"),
            read=_read_bccd,
        ),
        Protocol(
            name="amibr",
            title="AMi-Br: normal and atypical mitotic figures, 0.25 µm per pixel",
            image_size=128,
            patch_size=96,
            cell_size=64,
            headline="balanced_accuracy",
            layout="AMI-BR.csv and patches/normal, patches/atypical with PNG files",
            marks=("AMI-BR.csv", "patches/normal", "patches/atypical"),
            read=_read_amibr,
        ),
        Protocol(
            name="crchisto",
            title="CRCHistoPhenotypes: colorectal nuclei in four classes, 0.25 µm per pixel",
            image_size=160,
            patch_size=80,
            cell_size=48,
            headline="macro_f1",
            layout="img*/img*.bmp and img*/img*_<class>.mat",
            marks=("img*/img*.bmp", "img*/img*_epithelial.mat"),
            read=_read_crchisto,
        ),
        Protocol(
            name="chula",
            title="Chula RBC-12: a rare form of red cell among common ones",
            image_size=288,
            patch_size=160,
            cell_size=48,
            headline="macro_f1",
            layout="Dataset/*.jpg and Label/*.txt",
            marks=("Dataset", "Label/*.txt"),
            read=_read_chula,
            without_cell=("common",),
        ),
    )
}
#: Those, and Chula's with patches twice, and four and a half times, as wide as the window.
ALL_SIZES = PROTOCOLS | {
    f"chula-{side}": replace(
        PROTOCOLS["chula"], name=f"chula-{side}", patch_size=side, image_size=side + 128
    )
    for side in (96, 216)
}
