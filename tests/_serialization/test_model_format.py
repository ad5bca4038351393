"""The description of a model file: its kind, its version, and who wrote it."""

import pytest

from stnclf import __version__
from stnclf._serialization.model_format import FORMAT_VERSION, check_format

GOOD = {"format": "stnclf model", "format_version": FORMAT_VERSION, "versions": {"stnclf": "9.8.7"}}


@pytest.mark.parametrize("version", range(1, FORMAT_VERSION + 1))
def test_this_version_and_all_before_it_are_read(version):
    writer = check_format({**GOOD, "format_version": version})
    assert "'9.8.7' wrote it" in writer
    assert repr(__version__) in writer


@pytest.mark.parametrize("kind", [None, "stnclf checkpoint", "", 1])
def test_files_of_another_kind_are_refused(kind):
    with pytest.raises(ValueError, match="holds no model"):
        check_format({**GOOD, "format": kind})


@pytest.mark.parametrize("version", [None, 0, -1, "1", 1.0, True, [1]])
def test_a_version_is_a_whole_number_from_one(version):
    with pytest.raises(ValueError, match="format_version: "):
        check_format({**GOOD, "format_version": version})


def test_files_of_the_future_say_who_wrote_them():
    number = FORMAT_VERSION + 1
    with pytest.raises(ValueError, match=rf"format version {number} is newer.*'9\.8\.7' wrote it"):
        check_format({**GOOD, "format_version": number})


@pytest.mark.parametrize("versions", [None, [], "1.0", {}, {"torch": "2"}])
def test_who_wrote_it_may_be_unknown(versions):
    assert "'None' wrote it" in check_format({**GOOD, "versions": versions})


def test_a_long_name_of_the_writer_is_cut():
    writer = check_format({**GOOD, "versions": {"stnclf": "9" * 5000}})
    assert len(writer) < 100
