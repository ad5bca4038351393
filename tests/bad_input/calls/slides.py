"""Bad calls of slides, patches, pyramids, scans and hotspots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.exceptions import NotFittedError

import stnclf
from stnclf.scan import classify_cells, density_map, hard_negatives, hotspots, scan, scan_slides
from stnclf.slides import Slide, SlideReadError, extract_patches, write_pyramid_tiff
from stnclf.slides._slide import name_of
from tests.bad_input import refused


def region(x=0, y=0, width=8, height=8, mpp=None):
    return lambda r: r.slide.read_region(x, y, width, height, mpp)


def extract_blocked(r):
    """Extract to a file where a directory takes the place of the progress."""
    (r.folder / "blocked.npy.progress").mkdir(exist_ok=True)
    return extract(out=r.folder / "blocked.npy")(r)


def extract(table=None, root=None, **changes):
    def use(r):
        columns = r.table.assign(image="good0.png").assign(**(table or {}))
        arguments = {"size": 8, "mpp": None, **changes}
        return extract_patches(columns, root or r.folder, **arguments)

    return use


def pyramid(**changes):
    def use(r):
        arguments = {"image": r.slide_pixels, "path": r.folder / "new.tif", "mpp": 0.5, **changes}
        return write_pyramid_tiff(**arguments)

    return use


def scanned(estimator=None, slide=None, **changes):
    def use(r):
        clf = r.clf if estimator is None else estimator(r) if callable(estimator) else estimator
        arguments = {"mpp": 0.5, "tissue": False, **changes}
        return scan(clf, r.slide if slide is None else slide(r), **arguments)

    return use


def classified(estimator=None, slide=None, table=None, **changes):
    def use(r):
        clf = r.clf if estimator is None else estimator
        cells = {"image": ["a"], "x": [5], "y": [5], **(table or {})}
        where = r.slide if slide is None else slide(r)
        return classify_cells(clf, where, cells, **{"mpp": 0.5, **changes})

    return use


def mined(*slides, estimator=None, **changes):
    def use(r):
        clf = r.clf if estimator is None else estimator
        found = [slide(r) if callable(slide) else slide for slide in slides or (r.slide,)]
        name = name_of(found[0]) if isinstance(found[0], Slide) else Path(found[0]).name
        cells = {"image": [name], "x": [5], "y": [5]}
        return hard_negatives(clf, found, cells, **{"mpp": 0.5, "tissue": False, **changes})

    return use


def mined_beside_a_folder(r):
    """Mine with a folder where a directory takes the place of the progress."""
    folder = r.folder / "blocked"
    (folder / "array.csv.progress").mkdir(parents=True, exist_ok=True)
    return mined(out=folder)(r)


def all_scanned(*slides, **changes):
    def use(r):
        found = [slide(r) if callable(slide) else slide for slide in slides or (r.slide,)]
        return scan_slides(r.clf, found, **{"mpp": 0.5, "tissue": False, **changes})

    return use


def field(table=None, slide=None, **changes):
    def use(r):
        cells = r.table.assign(**table) if isinstance(table, dict) else r.table
        return hotspots(cells, r.slide if slide is None else slide(r), **changes)

    return use


def density(table=None, slide=None, **changes):
    def use(r):
        cells = r.table.assign(**table) if isinstance(table, dict) else r.table
        return density_map(cells, r.slide if slide is None else slide(r), **changes)

    return use


def unknown_mpp(r):
    return Slide(r.slide_pixels)


#: What is said of a file that ends too early: its name, where, and what the library found.
CUT = r"truncated\.png': cannot be read at x, y, width, height = 0, 0, 36, 24 .*truncated"


def cut(r):
    """Return a slide whose header can be read and whose pixels cannot."""
    return Slide(r.folder / "truncated.png", mpp=0.5)


def blocked(r):
    """Scan into a folder where a directory takes the place of the progress."""
    folder = r.folder / "blocked"
    (folder / "array.csv.progress").mkdir(parents=True, exist_ok=True)
    return all_scanned(out=folder)(r)


_SLIDE = "slides.Slide"
SLIDES = [
    refused(_SLIDE, "file: not there", FileNotFoundError, "no.png'", lambda r: Slide("no.png")),
    refused(_SLIDE, "file: a folder", ValueError, "is a folder", lambda r: Slide(r.folder)),
    refused(
        _SLIDE, "file: text", ValueError, r"text\.png", lambda r: Slide(r.folder / "text.png").size
    ),
    refused(
        _SLIDE,
        "file: cut",
        SlideReadError,
        CUT,
        lambda r: Slide(r.folder / "truncated.png").thumbnail(),
    ),
    refused(
        _SLIDE,
        "file: 16 bits",
        ValueError,
        r"deep\.png': has 16-bit pixels, wants 8-bit",
        lambda r: Slide(r.folder / "deep.png").size,
    ),
    refused(_SLIDE, "path: a number", TypeError, "got int, wants a path", lambda r: Slide(3)),
    refused(_SLIDE, "path: floats", TypeError, "uint8", lambda r: Slide(np.zeros((8, 8, 3)))),
    refused(
        _SLIDE, "path: grey", ValueError, r"\(8, 8\)", lambda r: Slide(np.zeros((8, 8), np.uint8))
    ),
    refused(_SLIDE, "mpp: zero", ValueError, "positive.*micro", lambda r: Slide(r.files[0], 0)),
    refused(_SLIDE, "mpp: a word", TypeError, "'fine'", lambda r: Slide(r.files[0], "fine")),
    refused(
        _SLIDE,
        "file: without OpenSlide",
        ImportError,
        r"a\.ndpi.*stnclf\[slides\]",
        lambda r: r.without("openslide", lambda r: Slide(r.folder / "a.ndpi").size),
    ),
    refused(
        "Slide.scale", "mpp: unknown", ValueError, "no usable", lambda r: unknown_mpp(r).scale(0.5)
    ),
    refused("Slide.scale", "mpp: a word", TypeError, "'x'", lambda r: r.slide.scale("x")),
    refused("Slide.scale", "mpp: zero", ValueError, "got 0", lambda r: r.slide.scale(0)),
    refused("Slide.mpp", "mpp: unknown", ValueError, "no usable", lambda r: unknown_mpp(r).mpp),
    refused(
        "Slide.read_region",
        "file: cut",
        SlideReadError,
        CUT,
        lambda r: cut(r).read_region(0, 0, 36, 24),
    ),
    refused("Slide.thumbnail", "file: cut", SlideReadError, CUT, lambda r: cut(r).thumbnail()),
    refused("Slide.tissue_mask", "file: cut", SlideReadError, CUT, lambda r: cut(r).tissue_mask()),
    refused("Slide.read_region", "x: NaN", ValueError, "got nan, wants a finite", region(np.nan)),
    refused("Slide.read_region", "y: a word", ValueError, "got 'a', wants", region(0, "a")),
    refused("Slide.read_region", "width: zero", ValueError, "got 0, wants", region(width=0)),
    refused("Slide.read_region", "height: half", ValueError, "got 1.5", region(height=1.5)),
    refused("Slide.read_region", "mpp: infinite", ValueError, "got inf", region(mpp=np.inf)),
    refused("Slide.read_region", "mpp: a word", TypeError, "got 'a'", region(mpp="a")),
    refused(
        "Slide.thumbnail", "max_size: zero", ValueError, "got 0", lambda r: r.slide.thumbnail(0)
    ),
    refused("Slide.tissue_mask", "mpp: zero", ValueError, "0", lambda r: r.slide.tissue_mask(0)),
    refused(
        "Slide.tissue_mask",
        "mpp: a list",
        TypeError,
        r"got \[8\]",
        lambda r: r.slide.tissue_mask([8]),
    ),
]

_EXTRACT, _WRITE = "slides.extract_patches", "slides.write_pyramid_tiff"
PATCHES = [
    refused(_EXTRACT, "size: zero", ValueError, "got 0", extract(size=0)),
    refused(_EXTRACT, "size: None", ValueError, "got None", extract(size=None)),
    refused(_EXTRACT, "mpp: a word", TypeError, "got 'a'", extract(mpp="a")),
    refused(_EXTRACT, "mpp: negative", ValueError, "got -1", extract(mpp=-1)),
    refused(_EXTRACT, "max_offset: too large", ValueError, "got", extract(max_offset=5)),
    refused(_EXTRACT, "cell_size: too large", ValueError, "than size, 8", extract(cell_size=9)),
    refused(_EXTRACT, "image_size: too small", ValueError, "than size, 8", extract(image_size=7)),
    refused(_EXTRACT, "slide_mpp: zero", ValueError, "got 0", extract(slide_mpp=0, mpp=0.5)),
    refused(_EXTRACT, "resume: nothing", ValueError, "without out", extract(resume=True)),
    refused(_EXTRACT, "n_jobs: none", ValueError, "got 0", extract(n_jobs=0)),
    refused(_EXTRACT, "random_state: a word", ValueError, "'zero'", extract(random_state="zero")),
    refused(
        _EXTRACT,
        "annotations: no label",
        ValueError,
        "'label'",
        lambda r: extract_patches(r.table.drop(columns="label"), r.folder, size=8, mpp=None),
    ),
    refused(
        _EXTRACT,
        "annotations: no rows",
        ValueError,
        "no rows",
        lambda r: extract_patches(r.table[:0], r.folder, size=8, mpp=None),
    ),
    refused(_EXTRACT, "annotations: NaN", ValueError, "row 0", extract({"x": np.nan})),
    refused(_EXTRACT, "annotations: outside", ValueError, "row 0.*good0", extract({"x": 99.0})),
    refused(
        _EXTRACT, "annotations: a word", ValueError, "numbers", extract({"x": ["a", "b", "c"]})
    ),
    refused(_EXTRACT, "annotations: no name", ValueError, "row 0", extract({"image": ""})),
    refused(_EXTRACT, "annotations: leads out", ValueError, "row 0", extract({"image": "../a"})),
    refused(
        _EXTRACT,
        "annotations: None",
        ValueError,
        "wants a table",
        lambda r: extract_patches(None, r.folder, size=8, mpp=None),
    ),
    refused(_EXTRACT, "root: a number", TypeError, "got 3", extract(root=3)),
    refused(_EXTRACT, "file: not there", FileNotFoundError, "no.png", extract({"image": "no.png"})),
    refused(_EXTRACT, "file: cut", SlideReadError, CUT, extract({"image": "truncated.png"})),
    refused(
        _EXTRACT,
        "file: no place for the progress",
        OSError,
        r"blocked\.npy\.progress",
        extract_blocked,
    ),
    refused(_EXTRACT, "file: text", ValueError, "text.png", extract({"image": "text.png"})),
    refused(
        _EXTRACT,
        "out: no such folder",
        FileNotFoundError,
        "nowhere",
        lambda r: extract(out=r.folder / "nowhere" / "X.npy")(r),
    ),
    refused(
        _EXTRACT,
        "file: without OpenSlide",
        ImportError,
        r"a\.ndpi.*stnclf\[slides\]",
        lambda r: r.without("openslide", extract({"image": "a.ndpi"})),
    ),
    refused(_WRITE, "image: floats", TypeError, "uint8", pyramid(image=np.zeros((8, 8, 3)))),
    refused(
        _WRITE, "image: grey", ValueError, r"\(8, 8\)", pyramid(image=np.zeros((8, 8), np.uint8))
    ),
    refused(_WRITE, "mpp: zero", ValueError, "got 0", pyramid(mpp=0)),
    refused(_WRITE, "mpp: None", TypeError, "got None", pyramid(mpp=None)),
    refused(_WRITE, "tile: no multiple", ValueError, "got 100", pyramid(tile=100)),
    refused(_WRITE, "compression: unknown", ValueError, "got 'lzw'", pyramid(compression="lzw")),
    refused(_WRITE, "quality: zero", ValueError, "got 0", pyramid(quality=0)),
    refused(_WRITE, "quality: a word", ValueError, "got 'best'", pyramid(quality="best")),
    refused(
        _WRITE,
        "path: a number",
        TypeError,
        "got 3",
        pyramid(path=3),
    ),
    refused(
        _WRITE,
        "tifffile: missing",
        ImportError,
        r"stnclf\[slides\]",
        lambda r: r.without("tifffile", pyramid()),
    ),
]

_SCAN, _FIELDS, _MAP = "scan.scan", "scan.hotspots", "scan.density_map"
_SCANS, _CLASSIFY, _MINE = "scan.scan_slides", "scan.classify_cells", "scan.hard_negatives"
SCANS = [
    refused(
        _SCAN, "estimator: features", TypeError, "CellFeatures", scanned(stnclf.CellFeatures())
    ),
    refused(
        _SCAN,
        "file: not fitted",
        NotFittedError,
        "CiresanBaseline.*not fitted",
        scanned(stnclf.CiresanBaseline()),
    ),
    refused(_SCAN, "estimator: grey", ValueError, "1 channel", scanned(lambda r: r.grey)),
    refused(_SCAN, "labels: unknown", ValueError, r"got \['ring'\]", scanned(labels=["ring"])),
    refused(_SCAN, "labels: one word", ValueError, "got 'disc'", scanned(labels="disc")),
    refused(_SCAN, "mpp: missing", ValueError, "0.5 um per pixel", scanned(mpp=None)),
    refused(_SCAN, "mpp: zero", ValueError, "got 0", scanned(mpp=0)),
    refused(_SCAN, "mpp: unknown", ValueError, "no usable resolution", scanned(slide=unknown_mpp)),
    refused(_SCAN, "tissue: unknown", ValueError, "got 'some'", scanned(tissue="some")),
    refused(_SCAN, "min_probability: 2", ValueError, "got 2", scanned(min_probability=2)),
    refused(_SCAN, "nms_radius_um: zero", ValueError, "got 0", scanned(nms_radius_um=0)),
    refused(_SCAN, "nms_radius_um: text", TypeError, "got '3'", scanned(nms_radius_um="3")),
    refused(_SCAN, "tta: text", ValueError, "got 'yes'", scanned(tta="yes")),
    refused(_SCAN, "stride: zero", ValueError, "got 0", scanned(stride=0)),
    refused(_SCAN, "stride: of a heatmap", ValueError, "whole tiles", scanned(stride=8)),
    refused(_SCAN, "tile_size: half", ValueError, "got 0.5", scanned(tile_size=0.5)),
    refused(_SCAN, "n_jobs: none", ValueError, "got 0", scanned(n_jobs=0)),
    refused(_SCAN, "resume: nothing", ValueError, "without out", scanned(resume=True)),
    refused(_SCAN, "file: none", FileNotFoundError, "no.svs", scanned(slide=lambda r: "no.svs")),
    refused(
        _SCAN, "file: text", ValueError, "text.png", scanned(slide=lambda r: r.folder / "text.png")
    ),
    refused(_SCAN, "file: cut", SlideReadError, CUT, scanned(slide=cut)),
    refused(_SCAN, "slide: a number", TypeError, "int", scanned(slide=lambda r: 3)),
    refused(
        _SCAN,
        "out: no such folder",
        FileNotFoundError,
        "nowhere",
        scanned(out="nowhere/cells.csv"),
    ),
    refused(
        _SCAN,
        "file: no place for the progress",
        OSError,
        r"blocked\.csv\.progress",
        lambda r: scanned(out=r.folder / "blocked.csv")(r),
    ),
    refused(_SCAN, "out: a folder", ValueError, "is a folder", lambda r: scanned(out=r.folder)(r)),
    refused(_SCANS, "file: none", FileNotFoundError, "no.svs", all_scanned("no.svs")),
    refused(_SCANS, "file: cut", SlideReadError, CUT, all_scanned(cut)),
    refused(_SCANS, "file: no place for the progress", OSError, r"csv\.progress", blocked),
    refused(_SCANS, "out: none", FileNotFoundError, "out: .*nowhere", all_scanned(out="nowhere")),
    refused(_SCANS, "slide: a number", TypeError, "int", all_scanned(lambda r: r.slide, 3)),
    refused(_SCANS, "labels: unknown", ValueError, r"got \['ring'\]", all_scanned(labels=["ring"])),
    refused(
        _SCANS, "resume: nothing", ValueError, "resume: .*without out", all_scanned(resume=True)
    ),
    refused(
        _SCANS,
        "pandas: missing",
        ImportError,
        r"stnclf\[slides\]",
        lambda r: r.without("pandas", all_scanned()),
    ),
    refused(
        _SCAN,
        "pandas: missing",
        ImportError,
        r"stnclf\[slides\]",
        lambda r: r.without("pandas", scanned()),
    ),
    refused(
        _CLASSIFY, "file: none", FileNotFoundError, "no.svs", classified(slide=lambda r: "no.svs")
    ),
    refused(_CLASSIFY, "file: cut", SlideReadError, CUT, classified(slide=cut)),
    refused(_CLASSIFY, "estimator: a number", TypeError, "got int", classified(3)),
    refused(
        _CLASSIFY,
        "estimator: not fitted",
        NotFittedError,
        "not fitted",
        classified(stnclf.CiresanBaseline()),
    ),
    refused(
        _CLASSIFY, "table: outside", ValueError, "outside 'array'", classified(table={"x": [999]})
    ),
    refused(
        _CLASSIFY,
        "file: no place for the progress",
        OSError,
        r"blocked\.csv\.progress",
        lambda r: classified(out=r.folder / "blocked.csv")(r),
    ),
    refused(
        _CLASSIFY,
        "pandas: missing",
        ImportError,
        r"stnclf\[slides\]",
        lambda r: r.without("pandas", classified()),
    ),
    refused(_MINE, "file: none", FileNotFoundError, "no.svs", mined("no.svs")),
    refused(_MINE, "file: cut", SlideReadError, CUT, mined(cut)),
    refused(_MINE, "file: no place", OSError, r"csv\.progress", mined_beside_a_folder),
    refused(_MINE, "estimator: a number", TypeError, "got int", mined(estimator=3)),
    refused(_MINE, "n: none", ValueError, "got 0", mined(n=0)),
    refused(
        _MINE,
        "pandas: missing",
        ImportError,
        r"stnclf\[slides\]",
        lambda r: r.without("pandas", mined()),
    ),
    refused(
        _FIELDS, "detections: None", ValueError, "wants a table", lambda r: hotspots(None, r.slide)
    ),
    refused(
        _FIELDS,
        "detections: outside",
        ValueError,
        "3 of 3 cells lie outside",
        field({"x": 999.0}),
    ),
    refused(_FIELDS, "detections: NaN", ValueError, "x holds NaN", field({"x": np.nan})),
    refused(_FIELDS, "detections: a word", ValueError, "numbers x and y", field({"x": "left"})),
    refused(_FIELDS, "detections: other images", ValueError, "none of", field({"image": [*"abc"]})),
    refused(_FIELDS, "area_mm2: larger", ValueError, "the slide is 256 x 256", field()),
    refused(_FIELDS, "area_mm2: zero", ValueError, "got 0", field(area_mm2=0)),
    refused(_FIELDS, "aspect: a word", TypeError, "got 'wide'", field(aspect="wide")),
    refused(_FIELDS, "n: zero", ValueError, "got 0", field(n=0)),
    refused(_FIELDS, "mpp: unknown", ValueError, "no usable resolution", field(slide=unknown_mpp)),
    refused(_FIELDS, "file: none", FileNotFoundError, "no.svs", field(slide=lambda r: "no.svs")),
    refused(
        _FIELDS,
        "pandas: missing",
        ImportError,
        r"stnclf\[slides\]",
        lambda r: r.without("pandas", field(area_mm2=0.001)),
    ),
    refused(
        _MAP, "detections: None", ValueError, "wants a table", lambda r: density_map(None, r.slide)
    ),
    refused(_MAP, "file: none", FileNotFoundError, "no.svs", density(slide=lambda r: "no.svs")),
    refused(_MAP, "file: cut", SlideReadError, CUT, density(slide=cut)),
    refused(_MAP, "detections: outside", ValueError, "outside the slide", density({"y": -2.0})),
    refused(_MAP, "sigma_um: zero", ValueError, "got 0", density(sigma_um=0)),
    refused(_MAP, "sigma_um: a word", TypeError, "got 'wide'", density(sigma_um="wide")),
    refused(_MAP, "max_size: zero", ValueError, "got 0", density(max_size=0)),
    refused(
        _MAP, "fields: no columns", ValueError, "'width'", density(fields={"x": [1], "y": [1]})
    ),
    refused(_MAP, "slide: None", TypeError, "NoneType", lambda r: density_map(r.table, None)),
    refused(
        _MAP,
        "mpp: unknown",
        ValueError,
        "no usable resolution",
        density(slide=unknown_mpp, sigma_um=200),
    ),
]

CASES = [*SLIDES, *PATCHES, *SCANS]
