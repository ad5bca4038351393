"""Slides in folders below: a folder for each case, links, and lists that are kept."""

import os

import pytest

from stnclf.annotations import _folders_below as module
from stnclf.annotations import read_annotations
from stnclf.annotations._context import Context
from stnclf.annotations._folders_below import slides_in_folders_below
from stnclf.annotations._slide_facts import find_slide, resolve_image


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names(root):
    found = slides_in_folders_below(root, (".tif", ".svs"))
    return [path.relative_to(root).as_posix() for path in found]


def test_slides_of_folders_below_are_listed_and_no_others(tmp_path):
    touch(tmp_path, "top.svs", "b/2.SVS", "b/c/3.tif", "a ü/1.ome.tif", "a ü/1.txt", ".old/4.svs")
    assert names(tmp_path) == ["a ü/1.ome.tif", "b/2.SVS", "b/c/3.tif"]
    assert names(tmp_path / "none") == []


def test_links_are_followed_once(tmp_path):
    touch(tmp_path, "elsewhere/1.svs")
    (tmp_path / "root").mkdir()
    try:
        (tmp_path / "root" / "case").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "root", target_is_directory=True)
    except OSError:
        pytest.skip("no links here")
    assert names(tmp_path / "root") == ["case/1.svs"]


def test_a_list_is_kept_until_a_folder_changes(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.svs", "b/2.svs")
    for folder in (tmp_path, tmp_path / "a", tmp_path / "b"):
        os.utime(folder, (1e9, 1e9))
    assert names(tmp_path) == ["a/1.svs", "b/2.svs"]
    with monkeypatch.context() as patch:
        patch.setattr(module.os, "walk", None)  # is not asked again
        assert names(tmp_path) == ["a/1.svs", "b/2.svs"]
    touch(tmp_path, "b/3.svs")
    assert names(tmp_path) == ["a/1.svs", "b/2.svs", "b/3.svs"]
    touch(tmp_path, "b/4.svs")  # at once: the time of the folder may not tell
    assert names(tmp_path) == ["a/1.svs", "b/2.svs", "b/3.svs", "b/4.svs"]


def test_a_folder_that_cannot_be_listed_is_asked_again(tmp_path):
    assert names(tmp_path / "later") == []
    touch(tmp_path, "later/a/1.svs")
    assert names(tmp_path / "later") == ["a/1.svs"]


def test_a_list_is_that_of_some_endings(tmp_path):
    touch(tmp_path, "a/1.svs", "a/2.tif")
    for folder in (tmp_path, tmp_path / "a"):
        os.utime(folder, (1e9, 1e9))
    for ending, there in ((".svs", "1.svs"), (".tif", "2.tif")):
        assert slides_in_folders_below(tmp_path, (ending,)) == [tmp_path / "a" / there]


@pytest.mark.parametrize("is_fresh", [False, True])
def test_a_list_of_many_folders_is_not_checked_at_every_call(tmp_path, monkeypatch, is_fresh):
    touch(tmp_path, *(f"{k}/{k}.svs" for k in range(5)))
    for folder in (tmp_path, *(tmp_path / f"{k}" for k in range(5))):
        os.utime(folder, None if is_fresh else (1e9, 1e9))
    clock, looks = [0.0], []
    changed, walk = module._changed, os.walk
    monkeypatch.setattr(module, "_MANY", 4)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])

    def look(real):
        def seen(*args, **more):
            looks.append(real)
            clock[0] += 0.5
            return real(*args, **more)

        return seen

    monkeypatch.setattr(module.os, "walk", look(walk))
    monkeypatch.setattr(module, "_changed", look(changed))
    for _ in range(3):
        assert len(names(tmp_path)) == 5
    assert looks == [walk]  # once, at 0 s: until 0.5 + 20 * 0.5 s nobody asks
    touch(tmp_path, "4/5.svs")
    clock[0] = 11.0
    assert len(names(tmp_path)) == 6
    assert len(looks) > 1


def test_links_to_one_file_are_one_slide(tmp_path):
    touch(tmp_path, "a/1.svs", "b/2.svs")
    (tmp_path / "chosen").mkdir()
    try:
        (tmp_path / "chosen" / "1.svs").symlink_to(tmp_path / "a" / "1.svs")
        (tmp_path / "chosen" / "2.svs").symlink_to(tmp_path / "a" / "1.svs")  # another slide's name
    except OSError:
        pytest.skip("no links here")
    assert find_slide(tmp_path, "1.svs") == find_slide(tmp_path, "1") == tmp_path / "a" / "1.svs"
    assert resolve_image(tmp_path, "1.svs") == tmp_path / "a" / "1.svs"
    assert find_slide(tmp_path, "2.svs") is None


def test_a_folder_of_the_name_of_its_slide_is_not_the_slide(tmp_path):
    touch(tmp_path, "1.svs/1.svs", "2.svs/other.txt", "x/3.svs/3.svs")
    for name in ("1.svs", "1"):
        assert find_slide(tmp_path, name) == tmp_path / "1.svs" / "1.svs"
    assert resolve_image(tmp_path, "1.svs") == tmp_path / "1.svs" / "1.svs"
    assert find_slide(tmp_path, "2.svs") is None
    assert find_slide(tmp_path, "3") == tmp_path / "x" / "3.svs" / "3.svs"


def test_a_name_without_folder_is_found_in_the_one_folder_that_has_it(tmp_path):
    touch(tmp_path, "a/1.svs", "b/c/2.ome.tif", "x/3.svs", "y/3.svs", "x/4.svs", "4.svs", "5/5.svs")
    assert resolve_image(tmp_path, "1.svs") == find_slide(tmp_path, "1") == tmp_path / "a" / "1.svs"
    for name in ("2.ome.tif", "2", "2.ome"):
        assert find_slide(tmp_path, name) == tmp_path / "b" / "c" / "2.ome.tif"
    # Of two nobody knows which; what lies in the folder itself goes first.
    assert resolve_image(tmp_path, "3.svs") == tmp_path / "3.svs"
    assert find_slide(tmp_path, "3.svs") is find_slide(tmp_path, "3") is None
    assert resolve_image(tmp_path, "4.svs") == find_slide(tmp_path, "4") == tmp_path / "4.svs"
    assert find_slide(tmp_path, "5") == tmp_path / "5" / "5.svs"
    # A name with a folder means that one.
    assert resolve_image(tmp_path, "c/2.ome.tif") == tmp_path / "c" / "2.ome.tif"
    assert find_slide(tmp_path, "c/2.ome.tif") is find_slide(tmp_path, "c/2") is None


def test_a_folder_of_files_has_a_slide_for_each(tmp_path):
    text = '{"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": '
    text += (
        '{"type": "Point", "coordinates": [3, 4]}, "properties": {"objectType": "annotation"}}]}'
    )
    touch(tmp_path, "slides/1.svs")
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "1.geojson").write_text(text)
    one = tmp_path / "slides" / "1.svs"
    assert read_annotations(tmp_path / "q", slides=one)["image"].tolist() == ["1.svs"]
    (tmp_path / "q" / "2.geojson").write_text(text)
    with pytest.raises(ValueError, match=r"is a folder of 2 files: .* slides must be the folder"):
        read_annotations(tmp_path / "q", slides=one)
    with_folder = read_annotations(tmp_path / "q", slides=tmp_path / "slides")
    assert with_folder["image"].tolist() == ["1.svs", "2"]


def test_below_the_folder_of_the_file_nobody_looks(tmp_path):
    touch(tmp_path, "sub/1.svs", "1.geojson")
    assert find_slide(tmp_path, "1", below=False) is None
    assert Context(tmp_path / "1.geojson").image_name() == "1"
    assert Context(tmp_path / "1.geojson", slides=tmp_path).image_name() == "1.svs"
