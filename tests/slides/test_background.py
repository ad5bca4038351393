"""Background: at a distance from every cell, on tissue, half of it dark, the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from stnclf._utils import run
from stnclf.slides import Slide, _extract, _fill, extract_patches
from stnclf.slides._background import _shared_out, append_label
from stnclf.slides._places import places_on

GLASS, TISSUE, NUCLEUS, BLOOD = (245, 245, 246), (224, 170, 200), (80, 50, 130), (215, 30, 60)

#: Nuclei that nobody annotated, red cells, as dark to the eye, and what was annotated.
NUCLEI = [(330, 60), (420, 300), (520, 110), (560, 340), (480, 220)]
RED = [(300, 330), (540, 50), (380, 180), (450, 90), (330, 250)]
CELLS = [(280, 130), (600, 200)]


def painted():
    """Glass on the left, tissue from x = 240 on, discs of 16 px on it."""
    pixels = np.full((400, 640, 3), GLASS, dtype=np.uint8)
    pixels[:, 240:] = TISSUE
    yy, xx = np.mgrid[:400, :640]
    for places, colour in ((NUCLEI, NUCLEUS), (RED, BLOOD), (CELLS, NUCLEUS)):
        for x, y in places:
            pixels[(xx - x) ** 2 + (yy - y) ** 2 <= 64] = colour
    noise = np.random.default_rng(0).integers(-3, 4, pixels.shape)
    return (pixels + noise).clip(0, 255).astype(np.uint8)


TABLE = {
    "image": ["a.png"] * 2,
    "x": [float(x) for x, _ in CELLS],
    "y": [float(y) for _, y in CELLS],
    "label": ["cell"] * 2,
}


@pytest.fixture
def root(tmp_path):
    """One slide of 0.5 um per pixel."""
    folder = tmp_path / "slides"
    folder.mkdir()
    Image.fromarray(painted()).save(folder / "a.png", dpi=(50_800, 50_800))
    return folder


def cut(root, n=8, **how):
    how = {"size": 32, "image_size": 32, "mpp": None, "random_state": 0, **how}
    return extract_patches(TABLE, root, background=n, **how)


def places_of(X, pixels):
    """Where in an image each patch was cut, by looking for its pixels."""
    found = []
    windows = np.lib.stride_tricks.sliding_window_view(pixels, X.shape[1:])[:, :, 0]
    for patch in X:
        rows, columns = np.nonzero((windows[:, :, 0, 0] == patch[0, 0]).all(axis=-1))
        hits = [(x, y) for x, y in zip(columns, rows) if (windows[y, x] == patch).all()]
        assert len(hits) == 1
        found.append(np.array(hits[0]) + (X.shape[2] - 1) / 2)
    return np.array(found)


def test_background_comes_last_and_has_no_centre(root):
    X, y, centers, groups = cut(root, 8)
    assert X.shape == (10, 32, 32, 3)
    assert y.tolist() == ["cell"] * 2 + ["background"] * 8
    assert set(groups.tolist()) == {"a.png"}
    assert np.isnan(centers[2:]).all()
    alone = extract_patches(
        TABLE, root, size=32, image_size=32, mpp=None, max_offset=4, random_state=0
    )
    both = cut(root, 8, max_offset=4)
    for a, b in zip(alone, both):  # the cells are what they are without background
        np.testing.assert_array_equal(a, b[:2])


def test_half_is_dark_in_red_and_all_of_it_is_tissue(root):
    X, *_ = cut(root, 10)
    middles = X[2:, 14:18, 14:18].mean(axis=(1, 2))
    # Five nuclei were not annotated; blood is dark, but not in red.
    assert (middles[:, 0] < 120).sum() == 5
    placed = places_of(X[2:], np.pad(painted(), ((16, 16), (16, 16), (0, 0)), constant_values=255))
    assert (placed[:, 0] - 16 > 240 - 24).all()  # a cell of the mask of tissue is 16 px wide


@pytest.mark.parametrize(("distance", "wanted"), [(None, 32 / 2**0.5), (90, 90.0), (3, 3.0)])
def test_background_keeps_its_distance(root, distance, wanted):
    X, *_ = cut(root, 60, background_distance=distance)
    padded = np.pad(painted(), ((16, 16), (16, 16), (0, 0)), constant_values=255)
    placed = places_of(X[2:], padded) - 16
    nearest = np.linalg.norm(placed[:, None] - np.array(CELLS), axis=2).min()
    assert wanted <= nearest < wanted + 60


def test_further_cells_are_avoided(root):
    others = {"image": ["a.png"] * 5 + ["b.png"], "x": [x for x, _ in NUCLEI] + [400]}
    others["y"] = [y for _, y in NUCLEI] + [130]
    X, *_ = cut(root, 40, avoid=others)
    padded = np.pad(painted(), ((16, 16), (16, 16), (0, 0)), constant_values=255)
    placed = places_of(X[2:], padded) - 16
    assert np.linalg.norm(placed[:, None] - np.array(NUCLEI), axis=2).min() >= 32 / 2**0.5
    with pytest.raises(ValueError, match=r"avoid, row 1: x, y are \[nan"):
        cut(root, avoid={"image": ["a.png"] * 2, "x": [3.0, np.nan], "y": [1.0, 2.0]})
    with pytest.raises(ValueError, match=r"avoid: got the image 'a', but annotations has 'a\.png'"):
        cut(root, avoid={"image": ["a"], "x": [3.0], "y": [1.0]})


def test_windows_keep_off_boxes_of_cells(root):
    # A cell of 120 x 60 px, of which the dark end lies far from its middle.
    large = {"image": ["a.png"] * 2, "x": [480.0, 400.0], "y": [220.0, 200.0]}
    large |= {"width": [120.0, 5000.0], "height": [60.0, 5000.0]}  # the other is no cell
    X, *_ = cut(root, 60, avoid=large, background_distance=10)
    padded = np.pad(painted(), ((16, 16), (16, 16), (0, 0)), constant_values=255)
    placed = places_of(X[2:], padded) - 16
    off = np.abs(placed - (480, 220)) - np.array((60, 30)) - 8 + 1
    assert (off.max(axis=1) >= 0).all()
    free = cut(root, 60, avoid={**large, "width": [np.nan] * 2}, background_distance=10)[0]
    placed = places_of(free[2:], padded) - 16
    assert ((np.abs(placed - (480, 220)) - (60, 30)).max(axis=1) < 0).any()


def test_distance_counts_in_pixels_of_the_patches(root):
    X, _, centers, _ = cut(root, 60, mpp=1.0, background_distance=45)
    assert X.shape[1] == 32
    assert np.isnan(centers[2:]).all()
    slide = Slide(root / "a.png")
    dark, anywhere = places_on(
        slide, np.array(CELLS), 60, 90, 32, np.random.default_rng((0, 1, 0)), None
    )
    for found in (dark, anywhere):
        assert np.linalg.norm(found[:, None] - np.array(CELLS), axis=2).min() >= 90


def test_tables_without_rows_are_no_mistake(root):
    empty = {"image": [], "x": [], "y": []}
    plain = cut(root, 4)
    for a, b in zip(plain, cut(root, 4, avoid=empty, negatives=empty)):
        np.testing.assert_array_equal(a, b)
    alone = extract_patches(TABLE, root, size=32, mpp=None, negatives=empty)
    assert alone[1].tolist() == ["cell"] * 2
    with pytest.raises(ValueError, match="negatives: wants a table with the columns image, x, y"):
        cut(root, 4, negatives={"image": []})


def test_random_state_decides_and_threads_and_tiles_do_not(root, monkeypatch):
    first, again, other = cut(root), cut(root), cut(root, random_state=1)
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[0], other[0])
    monkeypatch.setattr(_extract, "_TILE", 50)
    monkeypatch.setattr(_fill, "_JOB", 2)
    np.testing.assert_array_equal(first[0], cut(root, n_jobs=3)[0])


def test_an_interrupted_run_goes_on_with_the_same_places(root, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "INTERVAL", 0.0)
    monkeypatch.setattr(_extract, "_TILE", 64)
    out, left, original = tmp_path / "X.npy", [4], Slide.read_region

    def stop(*args):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Slide, "read_region", stop)
        with pytest.raises(KeyboardInterrupt):
            cut(root, out=out, random_state=7)
    with pytest.raises(ValueError, match="begun with another"):
        cut(root, 9, out=out, random_state=7, resume=True)
    got = cut(root, out=out, random_state=None, resume=True)
    for a, b in zip(got, cut(root, random_state=7)):
        np.testing.assert_array_equal(a, b)


def test_a_photograph_is_tissue_from_edge_to_edge(root):
    pixels = np.full((200, 300, 3), 250, dtype=np.uint8)
    Image.fromarray(pixels).save(root / "a.png")
    table = {**TABLE, "x": [20.0, 30.0], "y": [20.0, 30.0]}
    _, y, *_ = extract_patches(
        table, root, size=16, image_size=16, mpp=None, background=30, random_state=0
    )
    assert (y == "background").sum() == 30
    Image.fromarray(pixels).save(root / "a.png", dpi=(50_800, 50_800))
    with pytest.raises(ValueError, match=r"background: got 30, and there are 0 places at 11\.31"):
        extract_patches(table, root, size=16, image_size=16, mpp=None, background=30)


def test_images_share_the_background(root):
    Image.fromarray(painted()[:, ::-1]).save(root / "b.png", dpi=(50_800, 50_800))
    table = {name: values * 2 for name, values in TABLE.items()}
    table["image"] = ["a.png"] * 2 + ["b.png"] * 2
    table["x"] = [*TABLE["x"], *(639 - x for x in TABLE["x"])]
    _, y, _, groups = extract_patches(
        table, root, size=32, image_size=32, mpp=None, background=12, random_state=0
    )
    assert np.unique(groups[y == "background"], return_counts=True)[1].tolist() == [6, 6]


def test_what_one_image_lacks_the_others_give():
    assert _shared_out([2, 9, 9], 10) == [2, 4, 4]
    assert _shared_out([9, 0, 3], 10) == [7, 0, 3]
    assert _shared_out([1, 1], 10) == [1, 1]
    assert _shared_out([5, 5], 0) == [0, 0]


def test_labels_keep_their_kind(root):
    assert append_label(np.array([3, 4]), 0, 2).tolist() == [3, 4, 0, 0]
    assert append_label(np.array(["p"]), "background", 1).tolist() == ["p", "background"]
    assert append_label(np.array(["p"]), "background", 0).tolist() == ["p"]
    with pytest.raises(ValueError, match=r"background_label: got 'background', .* kind .* 3\."):
        append_label(np.array([3, 4]), "background", 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"background": -1}, "background: got -1, wants a whole number"),
        ({"background": True}, "background: got True"),
        ({"background": 2.5}, r"background: got 2\.5"),
        ({"background": 3, "background_distance": -1}, "background_distance: got -1, wants pixels"),
        ({"background": 3, "background_distance": np.nan}, "background_distance: got nan"),
        ({"background_distance": 9}, "background_distance: got 9, and there is no background"),
        ({"background": 3, "avoid": {"image": ["a.png"]}}, "avoid: .* it has no 'x'"),
        ({"background": 99_999}, r"background: got 99999, and there are \d+ places at 22\.63 px"),
    ],
)
def test_wrong_arguments_are_named(root, change, message):
    with pytest.raises(ValueError, match=message):
        extract_patches(TABLE, root, size=32, mpp=None, **change)
