"""Patches: the right pixels, exact centres, every number of threads, and runs that were killed."""

import hashlib
import json
import os
import signal
import textwrap
from pathlib import Path
from xml.etree import ElementTree

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stnclf._utils import run
from stnclf.sampling import CellDataset, Draws, Frame, draw_batch
from stnclf.slides import Slide, _extract, _fill, extract_patches, write_pyramid_tiff
from stnclf.slides._grid import context_margin
from tests import processes

SHARED = Path(__file__).resolve().parents[3] / "shared/data"


def noise(height, width, seed):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


IMAGES = {"a.png": noise(310, 420, 0), "sub/b.png": noise(230, 260, 1)}


@pytest.fixture
def root(tmp_path):
    """Two plain images of different sizes, one in a folder of its own."""
    folder = tmp_path / "slides"
    for name, pixels in IMAGES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


def make_table(n=40, seed=0):
    """Cells in both images, in mixed order, at fractions of pixels and up to the edges."""
    rng = np.random.default_rng(seed)
    names = rng.choice(list(IMAGES), n)
    sizes = np.array([IMAGES[name].shape[1::-1] for name in names])
    points = rng.uniform(-0.3, 1.3, (n, 2)).clip(0, 1) * sizes - 0.5
    points[::3] = (points[::3] + 0.5).round().clip(0, sizes[::3] - 1)
    return pd.DataFrame(
        {"image": names, "x": points[:, 0], "y": points[:, 1], "label": rng.choice(["p", "q"], n)},
        index=rng.permutation(n) + 100,
    )


def crop(pixels, left, top, side):
    """A square of an image by a plain loop over its pixels' places; white outside."""
    out = np.full((side, side, 3), 255, dtype=np.uint8)
    for y in range(side):
        for x in range(side):
            if 0 <= top + y < pixels.shape[0] and 0 <= left + x < pixels.shape[1]:
                out[y, x] = pixels[top + y, left + x]
    return out


def test_patches_are_the_pixels_around_the_cells(root):
    table = make_table()
    X, y, centers, groups = extract_patches(
        table, root, size=20, mpp=None, max_offset=6, random_state=3
    )
    side = 20 + 2 * context_margin(20, 10, 6)
    assert X.shape == (40, side, side, 3)
    assert X.dtype == np.uint8
    assert y.tolist() == table["label"].tolist()
    assert groups.tolist() == table["image"].tolist()
    assert centers.dtype == np.float64
    for i, (name, x, y_, _) in enumerate(table.itertuples(index=False)):
        left, top = np.array([x, y_]) - centers[i]
        assert left == pytest.approx(round(left), abs=1e-9)
        assert top == pytest.approx(round(top), abs=1e-9)
        np.testing.assert_array_equal(X[i], crop(IMAGES[name], round(left), round(top), side))
    assert np.abs(centers - (side - 1) / 2).max() <= 6
    assert np.abs(centers - (side - 1) / 2).max(axis=0).min() > 4


def test_without_offset_cells_are_in_the_middle(root):
    table = make_table()
    for image_size in (20, 33):
        X, _, centers, _ = extract_patches(table, root, size=20, mpp=None, image_size=image_size)
        assert X.shape[1:3] == (image_size, image_size)
        assert np.abs(centers - (image_size - 1) / 2).max() <= 0.5
    # A whole pixel in an image of odd size is exactly its middle.
    assert (centers[::3] == 16).all()


@pytest.mark.parametrize("out", [None, "X.npy"])
def test_slides_can_be_mirrored_at_their_edges(root, tmp_path, out):
    table = make_table()
    # One so close to the corner that the mirror image is mirrored again.
    table.loc[table.index[0], ["image", "x", "y"]] = ["a.png", 3.0, 2.0]
    settings = {"size": 20, "mpp": None, "max_offset": 4, "random_state": 3}
    white, _, centers, _ = extract_patches(table, root, **settings)
    out = out and tmp_path / out
    X, *_ = extract_patches(table, root, **settings, edge="mirror", out=out)
    side, n_outside = X.shape[1], 0
    for i, (name, x, y, _) in enumerate(table.itertuples(index=False)):
        pixels = IMAGES[name]
        left, top = (np.array([x, y]) - centers[i]).round().astype(int)
        columns, rows = np.arange(left, left + side), np.arange(top, top + side)
        folded = [
            np.where((k // n) % 2, n - 1 - k % n, k % n)
            for k, n in ((rows, pixels.shape[0]), (columns, pixels.shape[1]))
        ]
        wide = (columns < 0) | (columns >= pixels.shape[1])
        if (columns[~wide].size, rows.min() < 0) == (side, False):
            np.testing.assert_array_equal(X[i][0], white[i][0])
        np.testing.assert_array_equal(X[i], pixels[np.ix_(*folded)])
        n_outside += wide.any()
    assert n_outside > 3
    with pytest.raises(ValueError, match="edge: got 'black', wants 'white' or 'mirror'"):
        extract_patches(table, root, **settings, edge="black")


@pytest.mark.parametrize("mpp", [0.5, 1.5])
def test_the_mirror_shows_more_of_a_slide_than_its_patch(tmp_path, mpp):
    ramp = np.tile(np.arange(100, dtype=np.uint8)[:, None], (80, 1, 3))
    Image.fromarray(ramp).save(tmp_path / "r.png")
    table = {"image": ["r.png"], "x": [3.0], "y": [40.0], "label": ["m"]}
    settings = {"size": 20, "image_size": 60, "mpp": mpp, "slide_mpp": 0.5, "random_state": 3}
    X, _, centers, _ = extract_patches(table, tmp_path, **settings, max_offset=10, edge="mirror")
    left = round((3.5 * 0.5 / mpp - 0.5) - centers[0, 0])
    assert left == {0.5: -35, 1.5: -37}[mpp]
    row = X[0, 30, :, 0].tolist()
    if mpp == 0.5:
        assert row == [*range(34, -1, -1), *range(25)]
    else:  # the slide has 33 of these pixels, of which the mirror at its other edge shows four
        inside = Slide(tmp_path / "r.png", 0.5).read_region(0, 0, 33, 1, mpp=1.5)[0, :, 0].tolist()
        assert row == [*inside[29:], *inside[::-1], *inside[:23]]


def test_offsets_depend_on_random_state_alone(root):
    table = make_table()

    def offsets(**changes):
        return extract_patches(table, root, size=20, mpp=None, max_offset=5, **changes)[2]

    np.testing.assert_array_equal(offsets(random_state=1), offsets(random_state=1))
    assert (offsets(random_state=1) != offsets(random_state=2)).any(axis=1).mean() > 0.9
    # Two draws of about 80 offsets may agree for some of the 40 cells, never for half of them.
    assert (offsets() != offsets()).any(axis=1).mean() > 0.5
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    offsets()
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


def spots(points, height=400, width=500, spread=5.0):
    yy, xx = np.mgrid[:height, :width]
    dark = sum(np.exp(-0.5 * ((xx - x) ** 2 + (yy - y) ** 2) / spread**2) for x, y in points)
    return np.repeat((255 - 220 * dark).clip(0, 255).round().astype(np.uint8)[..., None], 3, 2)


@pytest.mark.parametrize("mpp", [0.25, 0.5, 0.37, 0.8, 1.0])
@pytest.mark.parametrize("kind", ["png", "tif"])
def test_centers_are_exact_at_every_resolution(tmp_path, kind, mpp):
    points = np.array([[90.3, 85.0], [310.0, 110.75], [150.5, 270.25], [402.9, 300.1]])
    pixels = spots(points)
    if kind == "tif":
        pytest.importorskip("openslide", reason="needs the extra [slides]")
        pytest.importorskip("tifffile", reason="needs the extra [slides]")
        write_pyramid_tiff(pixels, tmp_path / "a.tif", 0.25, 64, compression="deflate")
    else:
        Image.fromarray(pixels).save(tmp_path / "a.png", dpi=(101_600, 101_600))
    table = {"image": [f"a.{kind}"] * 4, "x": points[:, 0], "y": points[:, 1], "label": [0] * 4}
    side = int(60 * 0.25 / mpp)
    X, _, centers, _ = extract_patches(
        table, tmp_path, size=side, image_size=side, mpp=mpp, max_offset=3, random_state=0
    )
    yy, xx = np.mgrid[:side, :side]
    for image, center in zip(X, centers):
        dark = 255.0 - image[:, :, 0]
        dark[dark < 4] = 0
        found = np.array([(dark * xx).sum(), (dark * yy).sum()]) / dark.sum()
        np.testing.assert_allclose(found, center, atol=0.05)


def test_each_tile_is_read_once(root, monkeypatch):
    monkeypatch.setattr(_extract, "_TILE", 64)
    read = []
    original = Slide.read_region

    def spy(self, x, y, width, height, mpp=None):
        read.append((self.path, x, y, width, height))
        return original(self, x, y, width, height, mpp)

    monkeypatch.setattr(Slide, "read_region", spy)
    table = make_table(200)
    X, _, centers, _ = extract_patches(table, root, size=20, mpp=None, random_state=0)
    for name, pixels in IMAGES.items():
        seen = np.zeros(np.add(pixels.shape[:2], 400), int)
        for path, x, y, width, height in read:
            if path.endswith(name):
                assert max(width, height) <= 64
                seen[int(y) + 200 :, int(x) + 200 :][:height, :width] += 1
        assert seen.max() == 1
        wanted = np.zeros_like(seen, dtype=bool)
        for i in np.flatnonzero(table["image"] == name):
            left, top = (table[["x", "y"]].to_numpy()[i] - centers[i]).round().astype(int) + 200
            wanted[top : top + X.shape[1], left : left + X.shape[2]] = True
        assert (seen[wanted] == 1).all()
    # Far apart, cells cost no more than their own pixels.
    read.clear()
    one = {"image": ["a.png"], "x": [200.0], "y": [150.0], "label": ["p"]}
    extract_patches(one, root, size=20, image_size=30, mpp=None)
    assert sum(width * height for *_, width, height in read) == 900


@pytest.mark.parametrize("tile", [16, 50, 1024])
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_results_do_not_depend_on_tiles_and_threads(root, tmp_path, tile, n_jobs, monkeypatch):
    table = make_table()
    settings = {"size": 24, "mpp": None, "max_offset": 4, "random_state": 5}
    expected = extract_patches(table, root, **settings)
    monkeypatch.setattr(_extract, "_TILE", tile)
    monkeypatch.setattr(_fill, "_JOB", 3)
    got = extract_patches(table, root, **settings, n_jobs=n_jobs, out=tmp_path / "X.npy")
    for a, b in zip(expected, got):
        np.testing.assert_array_equal(a, b)


def test_resampled_results_do_not_depend_on_threads(root):
    table = make_table()
    settings = {"size": 24, "mpp": 0.4, "slide_mpp": 0.25, "max_offset": 4, "random_state": 5}
    one, _, centers, _ = extract_patches(table, root, **settings)
    with joblib.parallel_config(backend="loky", n_jobs=2):
        two, *_ = extract_patches(table, root, **settings, n_jobs=2)
    np.testing.assert_array_equal(one, two)
    name, x, y, _ = next(table.itertuples(index=False))
    left, top = ((np.array([x, y]) + 0.5) / 1.6 - 0.5 - centers[0]).round() * 1.6
    alone = Slide(root / name, mpp=0.25).read_region(left, top, *one.shape[1:3], mpp=0.4)
    assert np.abs(one[0].astype(int) - alone).max() <= 2


def test_out_holds_the_same_and_is_memory_mapped(root, tmp_path):
    table = make_table()
    settings = {"size": 24, "mpp": None, "max_offset": 4, "random_state": 5}
    expected = extract_patches(table, root, **settings)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "X.npy").write_bytes(b"old")
    got = extract_patches(table, root, **settings, out=folder / "X.npy")
    assert isinstance(got[0], np.memmap)
    for a, b in zip(expected, got):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype
    assert os.listdir(folder) == ["X.npy"]
    np.testing.assert_array_equal(np.load(folder / "X.npy"), expected[0])


def test_progress_is_shown_when_asked_for(root, capsys):
    settings = {"size": 24, "mpp": None, "image_size": 24}
    extract_patches(make_table(), root, **settings)
    assert capsys.readouterr() == ("", "")
    extract_patches(make_table(), root, **settings, verbose=1)
    out, bar = capsys.readouterr()
    assert out == ""
    assert "100%" in bar
    assert "tile" in bar


KILLED = """
    import os, signal, sys
    import numpy as np, pandas as pd
    from stnclf._utils import run
    from stnclf.slides import _extract
    from stnclf._utils.part_file import PartFile
    from stnclf.slides import extract_patches

    _extract._TILE, run.INTERVAL = 32, float(sys.argv[5])
    left, mark = [int(sys.argv[4])], PartFile.mark

    def count(self, unit, report):
        mark(self, unit, report)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    PartFile.mark = count
    extract_patches(
        pd.read_csv(sys.argv[1], float_precision="round_trip"), sys.argv[2], size=24, mpp=None,
        max_offset=4, random_state=int(sys.argv[6]) if sys.argv[6] else None, out=sys.argv[3],
        resume=True, n_jobs=2,
    )
"""


def run_killed(table, root, out, after, interval=0.0, seed=5):
    table.to_csv(out.parent / "table.csv", index=False, float_format="%.17g")
    arguments = [out.parent / "table.csv", root, out, after, interval, "" if seed is None else seed]
    done = processes.run(textwrap.dedent(KILLED), *arguments)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
def test_a_killed_run_goes_on_where_it_was(root, tmp_path, monkeypatch):
    monkeypatch.setattr(_extract, "_TILE", 32)
    table = make_table()
    settings = {"size": 24, "mpp": None, "max_offset": 4, "random_state": 5}
    extract_patches(table, root, **settings, out=tmp_path / "whole.npy")
    out = tmp_path / "X.npy"
    run_killed(table, root, out, 20)
    assert not out.exists()
    run_killed(table, root, out, 15)  # and once more
    read = []
    original = Slide.read_region
    monkeypatch.setattr(
        Slide, "read_region", lambda *args: (read.append(args[1:]), original(*args))[1]
    )
    got = extract_patches(table, root, **settings, out=out, resume=True)
    n_tiles = len(read)
    whole = extract_patches(table, root, **settings)
    # The other thread may have noted a tile more before each death.
    assert 0 <= len(read) - 2 * n_tiles - 35 <= 2
    for a, b in zip(got, whole):
        np.testing.assert_array_equal(a, b)
    assert digest(out) == digest(tmp_path / "whole.npy")
    assert sorted(p.name for p in tmp_path.glob("X.npy*")) == ["X.npy"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
def test_a_killed_run_without_random_state_keeps_its_offsets(root, tmp_path, monkeypatch):
    monkeypatch.setattr(_extract, "_TILE", 32)
    table, out = make_table(), tmp_path / "X.npy"
    run_killed(table, root, out, 20, seed=None)
    seed = json.loads(Path(f"{out}.progress").read_text().splitlines()[0])["run"]["seed"]
    X, _, centers, _ = extract_patches(
        table, root, size=24, mpp=None, max_offset=4, out=out, resume=True
    )
    # The stored number is what offsets are drawn from, whatever random_state it came from.
    offsets = np.random.default_rng(seed).uniform(-4, 4, (40, 2))
    assert np.abs(centers - (X.shape[1] - 1) / 2 - offsets).max() <= 1
    for i, (name, x, y, _) in enumerate(table.itertuples(index=False)):
        left, top = (np.array([x, y]) - centers[i]).round().astype(int)
        np.testing.assert_array_equal(X[i], crop(IMAGES[name], left, top, len(X[i])))


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_a_run_of_something_else_is_not_resumed(root, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "INTERVAL", 0.0)
    table, out = make_table(), tmp_path / "X.npy"
    settings = {"size": 24, "mpp": None, "max_offset": 4, "random_state": 5, "out": out}
    interrupt(monkeypatch, table, root, settings)
    before = {p.name: digest(p) for p in tmp_path.glob("X.npy*")}
    assert set(before) == {"X.npy.part", "X.npy.progress"}
    moved = table.assign(x=table["x"].where(np.arange(40) != 7, 3.25))
    for changed, change in (
        (table, {"random_state": 6}),
        (table, {"max_offset": 3}),
        (table, {"image_size": 90}),
        (table, {"mpp": 0.5, "slide_mpp": 0.25}),
        (moved, {}),
    ):
        with pytest.raises(ValueError, match=r"X\.npy' was begun with another "):
            extract_patches(changed, root, **{**settings, **change}, resume=True)
    assert {p.name: digest(p) for p in tmp_path.glob("X.npy*")} == before
    # Other labels are no other run: they are not in the file.
    other = table.assign(label="r")
    X, y, *_ = extract_patches(other, root, **settings, resume=True)
    assert set(y.tolist()) == {"r"}
    np.testing.assert_array_equal(X, extract_patches(table, root, **{**settings, "out": None})[0])


@pytest.mark.parametrize("header", [{}, {"seed": "x"}, {"seed": 5, "fingerprint": 1}])
def test_the_progress_of_another_program_is_not_resumed(root, tmp_path, header):
    out = tmp_path / "X.npy"
    Path(f"{out}.progress").write_text(json.dumps(header) + "\n")
    with pytest.raises(ValueError, match="was begun by a run that did not note"):
        extract_patches(make_table(), root, size=24, mpp=None, out=out, resume=True)


def interrupt(monkeypatch, table, root, settings, error=KeyboardInterrupt, after=3):
    """Stop in the middle, as by Ctrl-C."""
    original, left = Slide.read_region, [after]

    def stop(*args):
        left[0] -= 1
        if left[0] < 0:
            raise error
        return original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(_extract, "_TILE", 64)
        patch.setattr(Slide, "read_region", stop)
        with pytest.raises(error):
            extract_patches(table, root, **settings)
    monkeypatch.setattr(_extract, "_TILE", 64)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_run_can_be_resumed(root, tmp_path, monkeypatch, error):
    monkeypatch.setattr(run, "INTERVAL", 0.0)
    table, out = make_table(), tmp_path / "X.npy"
    settings = {"size": 24, "mpp": None, "max_offset": 4, "random_state": 5, "out": out}
    interrupt(monkeypatch, table, root, settings, error)
    X, *_ = extract_patches(table, root, **settings, resume=True)
    np.testing.assert_array_equal(X, extract_patches(table, root, **{**settings, "out": None})[0])


def test_a_slide_that_is_damaged_is_named(root, tmp_path):
    path = root / "sub/b.png"
    path.write_bytes(path.read_bytes()[:5000])
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(OSError, match=r"b\.png': cannot be read") as error:
        extract_patches(make_table(), root, size=24, mpp=None, out=folder / "X.npy")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (
            {"image": "../a.png"},
            ValueError,
            r"row 2: image must be a name below its folder, got '\.\./a\.png'",
        ),
        ({"image": "/etc/passwd"}, ValueError, "row 2: image must be .* got '/etc/passwd'"),
        ({"image": "c:\\a.png"}, ValueError, "row 2: image must be a name"),
        ({"image": "none.svs"}, FileNotFoundError, r"none\.svs': there is no such file"),
        ({"image": 5}, ValueError, "row 2: image 5 is no file name"),
        ({"image": None}, ValueError, "row 2: image None is no file name"),
        (
            {"x": 419.6},
            ValueError,
            r"row 2: x, y = 419\.6, 100 lies outside image 'a\.png' of 420 x",
        ),
        ({"y": -0.6}, ValueError, r"row 2: x, y = 50, -0\.6 lies outside image 'a\.png'"),
        ({"x": 1e12}, ValueError, "row 2: x, y = 1e.12, 100 lies outside"),
        ({"x": np.nan}, ValueError, r"row 2: x, y are \[nan, 100"),
        ({"y": np.inf}, ValueError, r"row 2: x, y are \[50.0, inf"),
        ({"x": "left"}, ValueError, "x and y want to be numbers"),
        ({"label": None}, ValueError, "row 2: has no label"),
        ({"label": np.nan}, ValueError, "row 2: has no label"),
        ({"label": pd.NA}, ValueError, "row 2: has no label"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_written(root, tmp_path, change, kind, message):
    rows = [{"image": "a.png", "x": 50.0, "y": 100.0, "label": "p"} for _ in range(5)]
    rows[2].update(change)
    table = {name: [row[name] for row in rows] for name in rows[0]}
    folder = tmp_path / "out"
    folder.mkdir()
    for annotations in (table, pd.DataFrame(table).astype({"image": object, "label": object})):
        if change == {"image": None}:
            annotations = table
        with pytest.raises(kind, match=message) as error:
            extract_patches(annotations, root, size=24, mpp=None, out=folder / "X.npy")
        assert "\n" not in str(error.value)
    assert not os.listdir(folder)


@pytest.mark.parametrize(
    ("points", "exchanged"),
    [([(50, 400), (20, 30)], True), ([(50, 400), (400, 30)], False), ([(50, 310), (20, 9)], False)],
)
def test_x_and_y_the_wrong_way_round_are_recognised(root, points, exchanged):
    x, y = zip(*points)
    table = {"image": ["a.png"] * 2, "x": x, "y": y, "label": [0, 1]}
    hint = "With x and y exchanged, all would lie inside."
    with pytest.raises(ValueError, match="1 of 2 cells do") as error:
        extract_patches(table, root, size=24, mpp=None)
    assert (hint in str(error.value)) == exchanged
    with pytest.warns(UserWarning, match="1 of 2 cells lie outside") as caught:
        extract_patches(table, root, size=24, mpp=None, outside="skip")
    assert (hint in str(caught[0].message)) == exchanged


def test_cells_on_the_very_edge_are_inside(root):
    table = {"image": ["a.png"] * 2, "x": [-0.5, 419.5], "y": [309.5, -0.5], "label": [0, 1]}
    X, y, centers, _ = extract_patches(table, root, size=24, mpp=None, image_size=25)
    assert y.dtype.kind == "i"
    np.testing.assert_array_equal(X[0], crop(IMAGES["a.png"], *[-12, 298], 25))
    np.testing.assert_array_equal(centers, [[11.5, 11.5], [11.5, 11.5]])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"image": [], "x": [], "y": [], "label": []}, "annotations: has no rows"),
        ({"image": ["a.png"], "x": [1], "y": [1]}, "it has no 'label'"),
        (pd.DataFrame({"image": ["a.png"], "x": [1]}), "it has no 'y'"),
        ([1, 2], "it has no 'image'"),
        (None, "it has no 'image'"),
        ({"image": ["a.png"], "x": [1, 2], "y": [1], "label": [0]}, "'x' and 'image' differ"),
    ],
)
def test_what_is_no_table_is_refused(root, table, message):
    with pytest.raises(ValueError, match=message):
        extract_patches(table, root, size=24, mpp=None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0}, "size: got 0"),
        ({"size": 24.0}, r"size: got 24\.0"),
        ({"mpp": -1}, "mpp: got -1"),
        ({"mpp": 0.5}, "pass mpp= to Slide, or slide_mpp= to extract_patches"),
        ({"slide_mpp": 0}, "mpp: got 0"),
        ({"max_offset": -1}, "max_offset: got -1"),
        ({"max_offset": 13}, r"2 \* max_offset: got 26, more than size, 24"),
        ({"max_offset": np.nan}, "max_offset: got nan"),
        ({"cell_size": 25}, "cell_size: got 25, more than size, 24"),
        ({"cell_size": 0}, "cell_size: got 0"),
        ({"image_size": 23}, "image_size: got 23, less than size, 24"),
        ({"resume": True}, "resume: there is nothing to resume without out="),
    ],
)
def test_bad_arguments_are_refused(root, change, message):
    with pytest.raises(ValueError, match=message):
        extract_patches(make_table(), root, **{"size": 24, "mpp": None, **change})


def test_a_place_for_the_file_is_checked_first(root, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"out: the folder of .* does not exist"):
        extract_patches(make_table(), root, size=24, mpp=None, out=tmp_path / "no/X.npy")
    with pytest.raises(ValueError, match=r"out: .* is a folder"):
        extract_patches(make_table(), root, size=24, mpp=None, out=tmp_path)


@pytest.mark.parametrize(("size", "cell"), [(128, 64), (63, 31), (40, 40), (64, 9)])
@pytest.mark.parametrize("max_offset", [0, 3.7])
def test_margin_holds_every_patch_that_training_draws_and_hardly_more(size, cell, max_offset):
    for spare, fits in ((0, True), (-2, False)):
        side = size + 2 * (context_margin(size, cell, max_offset) + spare)
        frame = Frame((side, side), (size, size), (cell, cell))
        n = 64
        signs = np.array([(a, b) for a in (-1, 1) for b in (-1, 1)] * (n // 4))
        centers = (side - 1) / 2 + signs * max_offset
        data = CellDataset(
            np.zeros((1, side, side, 1), np.uint8),
            np.zeros(n, int),
            np.zeros(n, int),
            centers,
            np.ones(n, np.float32),
            frame,
        )
        angles = np.repeat(np.arange(n // 4) * np.pi / 32 * 2, 4)
        inside = []
        for corner in ((-1, -1), (1, -1), (-1, 1), (1, 1)):
            offsets = np.tile(corner, (n, 1)) * frame.reach
            batch = draw_batch(data, Draws.plain(data, np.arange(n), angles, offsets))
            # A source smaller than wanted was cut by the image's edge; place is relative to it.
            outline = np.array([[-1, -1, 1], [1, -1, 1], [-1, 1, 1], [1, 1, 1]], float)
            points = outline @ batch.patch_theta.numpy().transpose(0, 2, 1)
            # One pixel is 2 / width; the sampler interpolates between middles of pixels.
            border = 1 - 1 / batch.source.shape[2]
            inside.append((np.abs(points) <= border + 1e-5).all())
        assert all(inside) == fits


@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not there")
def test_real_cells_are_in_the_middle_of_their_patches(tmp_path):
    rows = []
    for path in sorted((SHARED / "bccd/Annotations").glob("*.xml"))[:12]:
        tree = ElementTree.parse(path).getroot()
        for box in tree.iter("object"):
            if box.findtext("name") == "WBC":
                values = {e.tag: float(e.text) for e in box.find("bndbox")}
                middle = [(values[f"{axis}min"] + values[f"{axis}max"]) / 2 for axis in "xy"]
                rows.append((f"{path.stem}.jpg", *middle, "WBC"))
    table = pd.DataFrame(rows, columns=["image", "x", "y", "label"])
    assert len(table) >= 10
    X, y, centers, groups = extract_patches(
        table,
        SHARED / "bccd/JPEGImages",
        size=160,
        image_size=160,
        mpp=None,
        out=tmp_path / "X.npy",
    )
    assert set(y.tolist()) == {"WBC"}
    assert len(set(groups.tolist())) > 8
    # White cells are violet: red is lower about the middle than at the corners, in nearly all.
    red = X[..., 0].astype(float)
    inner = red[:, 65:95, 65:95].mean(axis=(1, 2))
    outer = red[:, [0, 0, 1, 1], [0, 159, 0, 159]].mean(axis=1)
    assert (inner < outer - 10).mean() > 0.8
    pixels = np.asarray(Image.open(SHARED / "bccd/JPEGImages" / groups[3]).convert("RGB"))
    left, top = (table[["x", "y"]].to_numpy()[3] - centers[3]).astype(int)
    np.testing.assert_array_equal(X[3], crop(pixels, left, top, 160))
