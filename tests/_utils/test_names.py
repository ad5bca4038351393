"""Names in two forms of Unicode."""

import unicodedata

import numpy as np
import pytest

from stnclf._utils.names import (
    as_text,
    base_name,
    composed,
    path_below,
    rows_named,
    same_but_for_place,
    same_name,
)

NFC = "Pr\u00e4parat \u00d6"
NFD = unicodedata.normalize("NFD", NFC)


def test_both_forms_become_one():
    assert NFD != NFC
    assert composed(NFD) == composed(NFC) == NFC
    assert composed("a.tif") == "a.tif"


def test_labels_are_written_as_in_tables():
    labels = (1.0, 1, np.float64(2), "1", 1.5, True, NFD)
    assert [as_text(label) for label in labels] == ["1", "1", "2", "1", "1.5", "True", NFC]


def test_same_name_prefers_the_name_as_it_is():
    assert same_name([NFC, NFD], NFD) == NFD
    assert same_name(["a", NFD], NFC) == NFD
    assert same_name([None, 3, "a"], NFC) == NFC


@pytest.mark.parametrize(("stored", "asked"), [(NFC, NFD), (NFD, NFC)])
def test_paths_are_found_in_either_form(tmp_path, stored, asked):
    (tmp_path / stored).mkdir()
    (tmp_path / stored / f"{stored}.tif").touch()
    assert path_below(tmp_path, [asked, f"{asked}.tif"]).is_file()
    assert path_below(tmp_path, [stored, f"{stored}.tif"]) == tmp_path / stored / f"{stored}.tif"


def test_what_is_not_there_keeps_its_name(tmp_path):
    assert path_below(tmp_path, [NFD, "x.tif"]) == tmp_path / NFD / "x.tif"
    assert path_below(tmp_path / "no", [NFC]) == tmp_path / "no" / NFC


def test_folders_count_for_nothing_where_one_image_has_the_name():
    names = ["x/a.png", "b.png", "x\\c.png", f"y/{NFD}.png", 3]
    assert base_name(f"y\\z/{NFD}.png") == f"{NFC}.png"
    assert rows_named(names, f"{NFC}.png", "t").tolist() == [0, 0, 0, 1, 0]
    assert rows_named(names, "c.png", "t").tolist() == [0, 0, 1, 0, 0]
    # The name as it is goes first; else it must be one.
    assert rows_named(["a.png", "x/a.png"], "a.png", "t").tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"t: 'x/a.png' and 'y/a.png' are both named 'a.png'"):
        rows_named(["x/a.png", "y/a.png", "y/a.png"], "a.png", "t")
    with pytest.raises(ValueError, match=r"t: none of its images is named 'd.png'"):
        rows_named(names, "d.png", "t")
    with pytest.raises(ValueError, match=r"t, row 1: has no image, as 2 of 3 rows; wants the"):
        rows_named(["a.png", None, float("nan")], "a.png", "t")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a.svs", "a.tif", True),
        ("a", "a.ome.TIF", True),
        ("day1/a.svs", "a", True),
        ("day1/a.svs", "x\\day1\\a.png", True),
        (f"{NFC}.svs", NFD, True),
        (7, "7", True),
        ("day1/a.svs", "day2/a.svs", False),
        ("c.1", "c.2", False),
        ("a.svs", "ab.svs", False),
        (".svs", ".tif", False),
        ("", "a", False),
        ("m.left", "m.right", False),
        ("A01.HE.svs", "A01.IHC.svs", False),
        ("A01.HE.svs", "x/A01.HE", True),
    ],
)
def test_names_of_one_image_in_two_places(one, other, same):
    assert same_but_for_place(["b.svs", one], ["d.svs", other]) == ((one, other) if same else None)
    assert same_but_for_place([other, "b.svs"], [one]) == ((other, one) if same else None)


def test_many_images_of_one_name_are_compared_at_once():
    names, others = ([f"{kind}{i}/HE.svs" for i in range(20_000)] for kind in "de")
    assert same_but_for_place(names, others) is None
    assert same_but_for_place(names, [*others, "HE.tif"]) == (names[0], "HE.tif")
