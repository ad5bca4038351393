"""What readers and writers share: JSON text, colours, columns, files written whole."""

import json
import os
import threading
import unicodedata
from decimal import Decimal

import numpy as np
import pytest

from stnclf._utils.files import written_whole
from stnclf.annotations._table import (
    PALETTE,
    about_images,
    check_table,
    class_colors,
    identifiers,
    json_text,
    make_table,
)


def test_json_holds_decimals_digit_by_digit():
    digits = "0.1234567890123456789012345678901234567890"
    text = json_text({"a": [Decimal(digits), 1, None, True, "ä\n"], "b": {}})
    assert digits in text
    assert json.loads(text) == {"a": [float(digits), 1, None, True, "ä\n"], "b": {}}
    with pytest.raises(ValueError, match="JSON"):
        json_text(float("nan"))


def test_colors_are_chosen_or_next_in_the_palette():
    names = [f"class {i}" for i in range(9)]
    colors = class_colors(names, {"class 1": "#0a0B0c", "class 2": [1, 2, 3], "other": (0, 0, 0)})
    assert colors["class 0"] == PALETTE[0]
    assert colors["class 1"] == (10, 11, 12)
    assert colors["class 2"] == (1, 2, 3)
    assert colors["class 8"] == PALETTE[1]


@pytest.mark.parametrize("color", ["red", "#12345", "#gggggg", (1, 2), (1, 2, 300), (1, 2, 0.5), 7])
def test_bad_colors_are_named(color):
    with pytest.raises(ValueError, match=r"colors\['m'\] must be three whole numbers"):
        class_colors(["m"], {"m": color})


def test_columns_without_values_are_left_out():
    rows = [{"image": "a", "x": 1, "y": 2, "label": "", "id": None, "n": 3}]
    table = make_table(rows)
    assert list(table.columns) == ["image", "x", "y", "label", "n"]
    assert table.label.isna().all()
    assert table.x.dtype == np.float64


def test_rows_of_an_image_complete_each_other():
    columns = {
        "image": ["b", "a", "b", "c", "b"],
        "image_width": [None, 30, 40, None, 40.0],
        "tumor_type": [None, None, "lung", None, None],
    }
    names = ("image_width", "image_height", "tumor_type")
    about = about_images(columns, names)
    assert list(about) == ["b", "a", "c"]
    assert about["b"] == {"image_width": 40, "tumor_type": "lung"}
    assert (about["a"], about["c"]) == ({"image_width": 30}, {})
    columns["image_width"][4] = 41
    words = r"table says different things about image 'b': 'image_width' is 40 and 41\.$"
    with pytest.raises(ValueError, match=words):
        about_images(columns, names)
    assert about_images(columns, names[1:])["b"] == {"tumor_type": "lung"}


def test_numbers_of_rows_are_kept_where_they_can_be():
    image = ["a"] * 2
    assert list(identifiers({"image": image, "id": [9, 4]})) == [9, 4]
    assert list(identifiers({"image": image, "id": [9, 0]}, 0)) == [9, 0]
    for ids in ([9, 0], [9, -1], [9, 9], [9, None], [9, True], [9, "a"], [9, 2**63], [9, 4.0]):
        assert list(identifiers({"image": image, "id": ids})) == [1, 2]
    assert list(identifiers({"image": image})) == [1, 2]


def test_a_file_appears_only_when_it_is_complete(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail():
        with written_whole(path) as part:
            part.write_text("half")
            assert path.read_text() == "old"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]
    with written_whole(path) as part:
        part.write_text("new")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_two_writers_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "a.txt"
    barrier = threading.Barrier(2)

    def write(text):
        with written_whole(path) as part:
            part.write_text(text)
            barrier.wait(timeout=10)
            assert part.read_text() == text

    threads = [threading.Thread(target=write, args=(text * 1000,)) for text in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in ("a" * 1000, "b" * 1000)
    assert os.listdir(tmp_path) == ["a.txt"]


def test_half_a_character_is_named():
    rows = [{"image": "a", "x": 1.0, "y": 2.0, "label": label} for label in ("m", "m\ud800")]
    words = r"annotation 1 of 2 has the label 'm\\ud800', with half a character"
    with pytest.raises(ValueError, match=words):
        make_table(rows)
    table = make_table(rows[:1] * 2)
    for name in ("label", "image", "remark"):
        with pytest.raises(ValueError, match=rf"table\['{name}'\] .* 'b\\udcff', row 1"):
            check_table(table.assign(**{name: ["a", "b\udcff"]}))
    with pytest.raises(ValueError, match=r"table\['votes'\] .* 'b\\udcff', row 0"):
        check_table(table.assign(votes=[("a", "b\udcff"), ()]))


def test_names_are_brought_to_one_form_of_unicode():
    nfc, nfd = (unicodedata.normalize(form, "K\u00f6rner") for form in ("NFC", "NFD"))
    row = {"image": nfd, "x": 1, "y": 2, "label": nfd, "votes": (nfd, None), "voters": ("a", nfd)}
    (made,) = make_table([row]).to_dict("records")
    assert (made["image"], made["label"], made["votes"]) == (nfc, nfc, (nfc, None))
    assert made["voters"] == ("a", nfc)
