"""Labels and names of files with control characters do nothing to a terminal or a page."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest

from stnclf._utils.printable import html_text, listed, printable, quoted, shortened
from stnclf.annotations import read_annotations, write_annotations


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred\x1b[0m", r"a\x1b[31mred\x1b[0m"),
        ("a\rb\x07\x00", r"a\rb\x07\x00"),
        ("two\nlines", r"two\nlines"),
        ("c1 \x9b31m", r"c1 \x9b31m"),
        ("gpj.\u202esvs", r"gpj.\u202esvs"),
        ("a\udcff.svs", r"a\udcff.svs"),
        ("ü 日本 μm", "ü 日本 μm"),
    ],
)
def test_control_characters_are_written_out(text, shown):
    assert printable(text) == shown


def test_lines_may_stay():
    assert printable("a\n\tb\x1b", keep="\n\t") == "a\n\tb\\x1b"


def test_html_has_neither_markup_nor_control_characters():
    found = html_text('<b title="x\'">\x1b\u202e\udc80\n')
    assert found == "&lt;b title=&quot;x&#x27;&quot;&gt;\\x1b\\u202e\\udc80\n"
    found.encode()


def test_warnings_and_errors_of_files_write_names_out(tmp_path):
    path = tmp_path / "a\x1b[2J.csv"
    path.write_text("image,x,y,label\n" + 'a,1,2,"{\x1b[31m"\n')
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_annotations(path)
    path.write_text("image,x,y,label\na,q,2,m\n")
    with pytest.raises(ValueError, match="is no number") as error:
        read_annotations(path)
    table = pd.DataFrame({"image": ["a\x1b[2J.mrxs"], "x": [1.0], "y": [2.0], "label": ["m"]})
    with pytest.warns(UserWarning, match="which is not known") as more:
        write_annotations(table, tmp_path / "a.geojson")
    found = [str(warning.message) for warning in (*caught, *more)] + [str(error.value)]
    assert len(found) == 3
    for text in found:
        assert "\\x1b" in text
        assert "\x1b" not in text


def test_long_text_and_lists_are_cut():
    assert shortened("a" * 60) == "a" * 60
    assert len(shortened("a" * 50 + "b" * 50)) == 60
    assert shortened("a" * 50 + "b" * 50).startswith("a" * 37 + " ... b")
    assert quoted("x") == "'x'"
    assert len(quoted(["w" * 10_000])) == len(quoted("w" * 10_000)) == 60
    assert listed([]) == "[]"
    assert listed(["x", 3]) == "['x', 3]"
    many = listed(f"column {i}" for i in range(1000))
    assert many.startswith("['column 0', 'column 1', ")
    assert many.endswith("', ... (1000 in all)]")
    assert len(many) < 200
