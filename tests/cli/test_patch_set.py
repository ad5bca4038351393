"""Patches on the disk come back as they were; what is damaged is named."""

from __future__ import annotations

import json
import os
import zipfile

import numpy as np
import pytest

from stnclf.cli import patch_set
from stnclf.cli.patch_set import FILES, is_patch_set, load_patches, read_run, save_npz, save_others


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "a set"
    folder.mkdir()
    X = np.random.default_rng(0).integers(0, 255, (4, 6, 8, 3), dtype=np.uint8)
    np.save(folder / "X.npy", X)
    centers = np.arange(8.0).reshape(4, 2)
    groups = np.array(["ü.svs", "a", "a", "b"])
    save_others(folder, np.array(list("abab")), centers, groups, {"size": 6, "mpp": None}, near())
    return folder


def near():
    """Neighbours of four images, of another number in each."""
    neighbors = np.full((4, 2, 3), np.nan)
    neighbors[1, 0], neighbors[2] = (3.5, 2, -1), [(1, 2, 0), (7, 5, 1)]
    return neighbors


def test_a_folder_comes_back(folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    patches = load_patches(folder)
    assert isinstance(patches.X, np.memmap)
    np.testing.assert_array_equal(patches.X, np.load(folder / "X.npy"))
    assert patches.y.tolist() == list("abab")
    assert patches.centers.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert patches.groups.tolist() == ["ü.svs", "a", "a", "b"]
    np.testing.assert_array_equal(patches.neighbors, near())
    assert patches.facts == {"size": 6, "mpp": None}
    (folder / "neighbors.npy").unlink()
    assert load_patches(folder).neighbors is None
    np.save(folder / "neighbors.npy", near()[:3])
    with pytest.raises(ValueError, match=r"neighbors has shape \(3, 2, 3\), wants \(4, k, 3\)"):
        load_patches(folder)


def test_a_packed_file_holds_the_same_and_is_the_same_each_time(folder, tmp_path):
    for name in ("a.npz", "b.npz"):
        save_npz(tmp_path / name, folder)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    packed, plain = load_patches(tmp_path / "a.npz"), load_patches(folder)
    for name in ("X", "y", "centers", "groups", "neighbors"):
        np.testing.assert_array_equal(getattr(packed, name), getattr(plain, name))
    assert packed.facts == plain.facts
    assert is_patch_set(tmp_path / "a.npz")
    assert is_patch_set(folder)
    assert not is_patch_set(tmp_path)


def test_x_and_y_are_enough(folder):
    for name in ("centers.npy", "groups.npy", "patches.json"):
        (folder / name).unlink()
    patches = load_patches(folder)
    assert (patches.centers, patches.groups, patches.facts) == (None, None, {})


def objects(folder):
    np.save(folder / "y.npy", np.array(["a", 1, None, "b"], dtype=object), allow_pickle=True)


DAMAGES = {
    "no X": (lambda folder: (folder / "X.npy").unlink(), "X.npy"),
    "cut": (lambda folder: (folder / "X.npy").write_bytes(b"\x93NUMPY"), "no patches"),
    "pickled": (objects, "Object arrays"),
    "other length": (
        lambda folder: np.save(folder / "y.npy", np.zeros(3)),
        r"y has shape \(3,\), wants \(4,\)",
    ),
    "rows": (lambda folder: np.save(folder / "X.npy", np.zeros((4, 9))), r"X has shape \(4, 9\)"),
    "group": (
        lambda folder: np.save(folder / "groups.npy", np.array([3.0, 1, np.nan, 2])),
        "groups holds NaN or infinity for 1 of 4 patches, the first at index 2",
    ),
    "half a centre": (
        lambda folder: np.save(
            folder / "centers.npy", [[2, 1], [np.nan, np.nan], [5, 1], [4, np.nan]]
        ),
        "centers holds NaN or infinity for 1 of 4 patches, the first at index 3",
    ),
    "no object": (lambda folder: (folder / "patches.json").write_text("[1]"), "no object"),
    "no JSON": (lambda folder: (folder / "patches.json").write_text("{"), "no patches"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_one_line_that_names_the_path(name, folder):
    damage, words = DAMAGES[name]
    damage(folder)
    with pytest.raises(ValueError, match=words) as caught:
        load_patches(folder)
    assert str(caught.value).startswith(f"{folder}: no patches")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and then nothing", b"text"])
def test_damaged_packed_files(content, tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no patches"):
        load_patches(path)


def test_facts_are_json(folder):
    assert json.loads((folder / "patches.json").read_text())["size"] == 6


def npy(shape, dtype="|u1", data=b""):
    """A .npy file whose header claims any shape."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (-(10 + len(text) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + data


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy((10**6, 1000, 1000, 3)), r"'X.npy' claims shape \(1000000, 1000, 1000, 3\)"),
        (npy((-5, 4, 4, 3), data=bytes(500)), r"'X.npy' claims shape \(-5, 4, 4, 3\)"),
        (npy((2,), "|O", b"cos\nsystem\n"), "'X.npy': Object arrays are not read"),
    ],
)
def test_headers_that_claim_too_much_are_refused_before_anything_is_read(tmp_path, content, words):
    packed = tmp_path / "p.npz"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("X.npy", content)
        archive.writestr("y.npy", npy((2,), data=b"ab"))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "X.npy").write_bytes(content)
    (folder / "y.npy").write_bytes(npy((2,), data=b"ab"))
    for path in (packed, folder):
        with pytest.raises(ValueError, match=words) as error:
            load_patches(path)
        assert str(error.value).startswith(f"{path}: no patches (")


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(patch_set, "_FREE", 1 << 16)
    path = tmp_path / "p.npz"
    np.savez_compressed(path, X=np.zeros((200, 32, 32, 3), np.uint8), y=np.zeros(200))
    with pytest.raises(ValueError, match=r"'X.npy' unpacks \d+ bytes to 614528"):
        load_patches(path)
    np.savez(path, X=np.zeros((200, 32, 32, 3), np.uint8), y=np.zeros(200))
    assert len(load_patches(path).X) == 200


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have no names here")
def test_pipes_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "p.npz")
    os.mkfifo(tmp_path / "X.npy")
    for path in (tmp_path / "p.npz", tmp_path):
        with pytest.raises(ValueError, match="is no regular file"):
            load_patches(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have no names here")
def test_facts_in_a_pipe_are_not_waited_for(folder):
    (folder / "patches.json").unlink()
    os.mkfifo(folder / "patches.json")
    with pytest.raises(ValueError, match=r"'patches.json' is no regular file"):
        load_patches(folder)
    assert read_run(folder) is None


CRAFTED = {
    "a member that is no array": lambda archive: archive.writestr("X", b"text"),
    "a header that is no Python": lambda archive: archive.writestr(
        "X.npy", npy((2, 4, 4, 3), data=bytes(96)).replace(b"'descr'", b"((((((('"[:7])
    ),
    "dates in place of pixels": lambda archive: archive.writestr(
        "X.npy", npy((2, 4, 4), "<M8[s]", bytes(256))
    ),
    "texts in place of pixels": lambda archive: archive.writestr(
        "X.npy", npy((2, 4, 4), "<U1", bytes(128))
    ),
    "facts without end": lambda archive: (
        archive.writestr("X.npy", npy((2, 4, 4, 3), data=bytes(96))),
        archive.writestr("patches.npy", npy((), "<U200000", "[".encode("utf-32-le") * 200_000)),
    ),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_files_end_in_one_line_that_names_them(name, tmp_path):
    path = tmp_path / "p.npz"
    with zipfile.ZipFile(path, "w") as archive:
        CRAFTED[name](archive)
        archive.writestr("y.npy", npy((2,), data=b"ab"))
    with pytest.raises(ValueError, match="no patches") as error:
        load_patches(path)
    assert str(error.value).startswith(f"{path}: no patches (")
    assert "\n" not in str(error.value)


def test_a_locked_member_is_damage(tmp_path):
    path = tmp_path / "p.npz"
    np.savez(path, X=np.zeros((2, 4, 4, 3), np.uint8), y=np.zeros(2))
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1  # the bit of encryption
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"p\.npz: no patches \(.*encrypted"):
        load_patches(path)


def test_patches_without_a_cell_are_known_by_their_centers():
    X, y = np.zeros((3, 4, 6, 3), np.uint8), np.array(["a", "b", "b"])
    centers = np.array([[2.0, 1.5], [np.nan, np.nan], [3.0, 2.0]])
    assert patch_set.PatchSet(X, y, centers).has_cell.tolist() == [True, False, True]
    assert patch_set.PatchSet(X, y).has_cell.tolist() == [True] * 3
