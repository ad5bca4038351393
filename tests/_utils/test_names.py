"""Names in two forms of Unicode."""

import unicodedata

import pytest

from stnclf._utils.names import composed, path_below, same_name

NFC = "Pr\u00e4parat \u00d6"
NFD = unicodedata.normalize("NFD", NFC)


def test_both_forms_become_one():
    assert NFD != NFC
    assert composed(NFD) == composed(NFC) == NFC
    assert composed("a.tif") == "a.tif"


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
