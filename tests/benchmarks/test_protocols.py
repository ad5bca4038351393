"""The readers: exact arrays, wherever the data lie, and small folders made here."""

import importlib.util
from pathlib import Path

import numpy as np
import protocols
import pytest
from PIL import Image
from scipy.io import savemat

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT / "../shared"


def reference(name, folder):
    spec = importlib.util.spec_from_file_location("patches", SHARED / "protocol/patches.py")
    patches = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(patches)
    return patches.PROTOCOLS[name], patches.PROTOCOLS[name][0](folder)


def part_of(folder, part):
    """Link a few files of a data set into a new folder, to save time."""
    few = {
        # As words, img10 comes before img2.
        "crchisto": [f"img{i}/*" for i in (2, 10, 1, 33)],
        "bccd": ["JPEGImages/*_000[0-3]*", "Annotations/*_000[0-3]*"],
        "chula": ["Dataset/1*.jpg", "Label/1*.txt"],
        "amibr": ["AMI-BR.csv", "patches/normal/*1?.png", "patches/atypical/*3.png"],
    }
    for pattern in few[folder.name]:
        for source in folder.glob(pattern):
            link = part / source.relative_to(folder)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source.resolve())
    return part


@pytest.mark.skipif(
    not (SHARED / "protocol/patches.py").exists(),
    reason="the reference protocols and images are not beside the repository",
)
@pytest.mark.parametrize("name", ["bccd", "amibr", "crchisto", "chula"])
def test_arrays_equal_the_reference(name, tmp_path):
    folder = part_of(SHARED / "data" / name, tmp_path)
    (_, patch_size, cell_size), arrays = reference(name, folder)
    cells, protocol = protocols.load(folder)
    assert (protocol.name, protocol.patch_size, protocol.cell_size) == (name, patch_size, cell_size)
    assert len(cells.y) > 100
    for ours, theirs in zip(cells, arrays):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def write_bccd(folder, photos):
    """Write photos, each a list of (name, x0, y0, x1, y1), in which every box has its colour."""
    (folder / "JPEGImages").mkdir(parents=True)
    (folder / "Annotations").mkdir()
    colors = {"WBC": (90, 0, 160), "RBC": (220, 80, 60), "Platelets": (30, 60, 200)}
    for number, boxes in enumerate(photos):
        pixels = np.full((480, 660, 3), 235, np.uint8)
        items = ""
        for name, *box in boxes:
            x0, y0, x1, y1 = box
            pixels[y0:y1, x0:x1] = colors[name]
            sides = "".join(
                f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box)
            )
            items += f"<object><name>{name}</name><bndbox>{sides}</bndbox></object>"
        Image.fromarray(pixels).save(folder / f"JPEGImages/B{number}.jpg", quality=95)
        (folder / f"Annotations/B{number}.xml").write_text(f"<annotation>{items}</annotation>")
    return colors


def color_at_center(cells):
    """Colour of the pixel that is named as the cell's centre; it ends the x before y mix-up."""
    x, y = cells.centers.astype(int).T
    return cells.X[np.arange(len(x)), y, x].astype(int)


def test_bccd_centres_lie_on_their_cells(tmp_path):
    photos = [
        [("RBC", 30, 30, 90, 90)],
        [("WBC", 450, 60, 540, 150), ("Platelets", 60, 390, 90, 420)],
        [("Platelets", 300, 300, 304, 330)],  # narrower than 5 px: not a cell
    ]
    colors = write_bccd(tmp_path, photos)
    cells, protocol = protocols.load(tmp_path)
    assert protocol.headline == "macro_f1"
    assert cells.X.shape == (3, 256, 256, 3)
    assert sorted(zip(cells.y, cells.groups)) == [("Platelets", 1), ("RBC", 0), ("WBC", 1)]
    want = np.array([colors[label] for label in cells.y])
    assert np.abs(color_at_center(cells) - want).max() < 25  # JPEG blurs a little
    assert np.abs(cells.centers - 128).max() <= 32


def test_bccd_keeps_sparser_cells_out_of_view(tmp_path):
    # 60 px apart after shrinking: closer than 84 - 32, so no offset hides the white cell.
    write_bccd(tmp_path, [[("WBC", 300, 200, 360, 260), ("RBC", 444, 200, 504, 260)]])
    assert protocols.load(tmp_path)[0].y.tolist() == ["WBC"]


def test_bccd_takes_four_red_cells_of_a_photograph(tmp_path):
    boxes = [("RBC", 60 * i, 100, 60 * i + 40, 140) for i in range(7)]
    write_bccd(tmp_path, [boxes, boxes[:2]])
    cells, _ = protocols.load(tmp_path)
    assert np.bincount(cells.groups).tolist() == [4, 2]


def test_amibr_takes_groups_from_the_table(tmp_path):
    rows = ["slide,dataset,uid", "b.tiff,M,1", "a.tiff,M,2", "b.tiff,M,3"]
    (tmp_path / "AMI-BR.csv").write_text("\n".join(rows) + "\n")
    for label, uids in {"normal": (1, 2), "atypical": (3,)}.items():
        (tmp_path / "patches" / label).mkdir(parents=True)
        for uid in uids:
            pixels = np.full((128, 128, 3), 200, np.uint8)
            pixels[64, 64] = (10, 20, uid)
            Image.fromarray(pixels).save(tmp_path / f"patches/{label}/M_{uid}.png")
    cells, protocol = protocols.load(tmp_path)
    assert protocol.headline == "balanced_accuracy"
    assert cells.y.tolist() == ["atypical", "normal", "normal"]
    assert cells.groups.tolist() == [1, 1, 0]
    assert color_at_center(cells).tolist() == [[10, 20, 3], [10, 20, 1], [10, 20, 2]]
    assert np.abs(cells.centers - 64).max() <= 16
    moved, _ = protocols.load(tmp_path, seed=1)
    assert not np.array_equal(moved.centers, cells.centers)


def write_crchisto(folder, points):
    """Write fields, each a dict of class -> [(x, y)]; a nucleus is a dark 5 x 5 square."""
    for number, classes in points.items():
        field = folder / f"img{number}"
        field.mkdir()
        pixels = np.full((200, 240, 3), 220, np.uint8)
        for label in protocols.NUCLEI:
            found = np.array(classes.get(label, []), np.uint8).reshape(-1, 2)
            for x, y in found.astype(int):
                pixels[y - 2 : y + 3, x - 2 : x + 3] = 40
            savemat(field / f"img{number}_{label}.mat", {"detection": found})
        Image.fromarray(pixels).save(field / f"img{number}.bmp")


def test_crchisto_doubles_small_integers_without_overflow(tmp_path):
    write_crchisto(
        tmp_path,
        {
            10: {"others": [(30, 180)]},
            2: {"epithelial": [(200, 40)], "fibroblast": [(150, 90), (20, 20)]},
        },
    )
    cells, protocol = protocols.load(tmp_path)
    assert (protocol.name, cells.X.shape) == ("crchisto", (4, 160, 160, 3))
    assert cells.groups.tolist() == [0, 0, 0, 1]  # 2 before 10
    assert cells.y[3] == "others"
    assert sorted(cells.y[:3]) == ["epithelial", "fibroblast", "fibroblast"]
    assert color_at_center(cells).max() < 80


def write_chula(folder, photos):
    """Write photos, each a list of (x, y, kind); a cell is a disc as bright as its kind."""
    (folder / "Dataset").mkdir()
    (folder / "Label").mkdir()
    for number, cells in photos.items():
        pixels = np.full((480, 640, 3), 240, np.uint8)
        for x, y, kind in cells:
            pixels[y - 8 : y + 9, x - 8 : x + 9] = 15 * kind
        Image.fromarray(pixels).save(folder / f"Dataset/{number}.jpg", quality=95)
        lines = [f"{x} {y} {kind}" for x, y, kind in cells]
        (folder / f"Label/{number}.txt").write_text("\n".join(lines) + "\n")


def test_chula_takes_as_many_common_cells_as_rare_ones(tmp_path):
    write_chula(
        tmp_path,
        {
            # The second and the third rare cell see each other wherever they lie: they are 30 px
            # apart, offsets reach 56, and 96 are wanted.
            10: [(60, 400, 8), (500, 100, 4), (530, 130, 7), (60, 60, 0), (250, 420, 1)],
            2: [(100, 100, 0), (300, 300, 11)],
            3: [(320, 240, 9)],
        },
    )
    cells, protocol = protocols.load(tmp_path)
    assert (protocol.name, protocol.headline) == ("chula", "macro_f1")
    assert cells.X.shape == (2, 288, 288, 3)
    assert cells.y.tolist() == ["rare", "common"]
    assert cells.groups.tolist() == [2, 2]  # 2 and 3 come first, and give nothing
    brightness = color_at_center(cells).mean(axis=1)
    assert abs(brightness[0] - 120) < 6
    assert brightness[1] < 30
    assert np.abs(cells.centers - 144).max() <= 56


def test_chula_in_other_sizes_sees_no_other_rare_cell(tmp_path):
    # Two rare cells 240 px apart: half a patch of 216, 16 px and an offset of 84 are less.
    cells = [(60, 240, 8), (300, 240, 4), (180, 60, 0), (400, 420, 1)]
    (tmp_path / "chula").mkdir()
    write_chula(tmp_path / "chula", {1: cells})
    for side, reach in (("96", 24), ("216", 84)):
        found, protocol = protocols.load(tmp_path, f"chula-{side}")
        assert protocol.patch_size == int(side)
        assert found.X.shape[1:3] == (int(side) + 128,) * 2
        middle = int(side) // 2 + 64
        offsets = found.centers - middle
        assert np.abs(offsets).max() <= reach
        assert found.y.tolist() == ["rare"] * 2 + ["common"] * 2
        for label, offset in zip(found.y, offsets):
            if label == "rare":  # the other one lies to the right, or to the left
                assert 240 - abs(offset[0]) >= int(side) // 2 + 16
    with pytest.raises(ValueError, match="'chula-216', 'chula-96'"):
        protocols.load(tmp_path, "chula-97")
    assert protocols.recognise(tmp_path / "chula") == "chula"


def test_images_go_on_as_their_mirror_image():
    photo = np.arange(12).reshape(3, 4, 1)
    want = np.pad(photo, ((7, 7), (7, 7), (0, 0)), mode="symmetric")
    np.testing.assert_array_equal(protocols._cut(photo, -5, -7, 9), want[:9, 2:11])
    np.testing.assert_array_equal(protocols._cut(photo, 1, 0, 2), photo[:2, 1:3])


def test_load_finds_a_set_inside_a_folder_of_sets(tmp_path):
    write_bccd(tmp_path / "bccd", [[("RBC", 30, 30, 90, 90)]])
    assert len(protocols.load(tmp_path, "bccd")[0].y) == 1
    with pytest.raises(FileNotFoundError, match=r"holds several sets.*\['bccd'\]"):
        protocols.load(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no amibr data in .* expected AMI-BR\.csv"):
        protocols.load(tmp_path, "amibr")


def test_an_unknown_folder_or_name_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none of the known data sets.*AMI-BR\.csv"):
        protocols.load(tmp_path)
    with pytest.raises(ValueError, match=r"name must be one of .* got 'midog'"):
        protocols.load(tmp_path, "midog")
