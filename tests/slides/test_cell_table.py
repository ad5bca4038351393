"""Cells outside their image: refused with their row, left out, or moved to the edge."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stnclf.slides import extract_patches
from stnclf.slides._cell_table import check_cells, has_no_rows

# An image of 90 x 60 px: positions from -0.5 to 89.5 and 59.5 are inside.
TABLE = {
    "image": ["a.png"] * 5,
    "x": [10.0, -0.75, 89.5, 89.9, 40.0],
    "y": [20.0, 30.0, 59.5, -1.5, 50.0],
    "label": ["p", "q", "r", "s", "t"],
}


@pytest.fixture
def root(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path


def cut(root, table=TABLE, **how):
    return extract_patches(table, root, size=16, image_size=16, mpp=None, random_state=0, **how)


def test_the_first_cell_outside_is_named_with_its_row(root):
    message = r"row 1: x, y = -0\.75, 30 lies .*'a\.png' of 90 x 60 px .*; 2 of 5 cells do"
    with pytest.raises(ValueError, match=message):
        cut(root)
    # A table that was filtered names the row of the file.
    table = pd.DataFrame(TABLE)
    with pytest.raises(ValueError, match=r"row 3: .*; 1 of 3 cells do"):
        cut(root, table[table.index >= 2])


def test_cells_outside_are_left_out_and_counted(root):
    message = r"2 of 5 cells .* by up to 1 px, and were left out; the first, row 1: x, y = -0\.75"
    with pytest.warns(UserWarning, match=message):
        X, y, centers, groups = cut(root, outside="skip")
    assert y.tolist() == ["p", "r", "t"]
    assert len(X) == len(centers) == len(groups) == 3
    inside = {name: [values[i] for i in (0, 2, 4)] for name, values in TABLE.items()}
    np.testing.assert_array_equal(X, cut(root, inside)[0])


def test_cells_outside_are_moved_to_the_edge_and_counted(root):
    with pytest.warns(UserWarning, match="2 of 5 cells .* were moved to its edge"):
        X, y, centers, _ = cut(root, outside="clip")
    assert y.tolist() == TABLE["label"]
    moved = {**TABLE, "x": [10.0, -0.5, 89.5, 89.5, 40.0], "y": [20.0, 30.0, 59.5, -0.5, 50.0]}
    expected = cut(root, moved)
    np.testing.assert_array_equal(X, expected[0])
    np.testing.assert_array_equal(centers, expected[2])


def test_nothing_is_said_where_all_cells_are_inside(root):
    table = {name: values[:1] for name, values in TABLE.items()}
    for outside in ("error", "skip", "clip"):  # a warning is an error here
        assert len(cut(root, table, outside=outside)[0]) == 1


def test_none_left_is_an_error(root):
    table = {name: values[1:2] for name, values in TABLE.items()}
    with pytest.raises(ValueError, match=r"row 0: .*, and none is left"):
        cut(root, table, outside="skip")
    with pytest.raises(ValueError, match=r"outside: got 'drop', wants 'error', 'skip' or 'clip'"):
        cut(root, outside="drop")


def test_a_table_may_have_columns_and_no_rows():
    assert has_no_rows({"image": [], "x": [], "y": []})
    assert has_no_rows(pd.DataFrame(TABLE)[:0])
    assert not has_no_rows(TABLE)
    assert not has_no_rows({"image": []})
    assert not has_no_rows(None)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, "1", 2, 3, 4], "annotations: got the label '1', but annotations has 1, which reads"),
        (["\u00e4", "a\u0308", "b", "b", "b"], "annotations: .* two forms of Unicode"),
        ([1, "a", 2.5, 1, 1], "annotations: .*; wants labels of one kind"),
        ([b"a", b"a", b"b", b"b", b"b"], "annotations: labels are bytes; wants labels of one kind"),
        ([1.0, 2.0, np.inf, 1.0, 1.0], "annotations.* contains infinity"),
        ([["a"]] * 5, "annotations: .*; wants labels of one kind"),
    ],
)
def test_labels_are_of_one_kind(labels, message):
    table = {**TABLE, "label": labels}
    with pytest.raises(ValueError, match=message):
        check_cells(table)
    with pytest.raises(ValueError, match=message.replace("annotations", "neighbors")):
        check_cells({**table, "label": [*labels[:4], None]}, "neighbors", unknown=True)
    check_cells(table, labelled=False)  # nobody looks at them


@pytest.mark.parametrize(
    ("labels", "expected", "kind"),
    [
        ([2, 1.0, 2, 2.5, np.int64(1)], [2, 1, 2, 2.5, 1], "f"),
        ([True, False, True, True, True], [True, False, True, True, True], "b"),
        (["b", np.str_("a"), "b", "b", "c"], ["b", "a", "b", "b", "c"], "U"),
    ],
)
def test_labels_keep_their_kind(labels, expected, kind):
    y = check_cells({**TABLE, "label": labels})[2]
    assert (y.tolist(), y.dtype.kind) == (expected, kind)
