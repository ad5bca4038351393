"""SlideRunner databases that are written: the tables in them, and what is never replaced."""

import os
import sqlite3
from contextlib import closing

import numpy as np
import pandas as pd
import pytest

from stnclf.annotations import read_annotations, write_annotations
from tests.annotations.test_io import cells


def rows(path, query):
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def test_what_is_written_stands_in_the_tables(tmp_path):
    table = cells(
        image=["01/ä.svs", "/abs/b.svs"],
        id=[9, 4],
        votes=[("m", "n"), ()],
        voters=[("Ann", "Bob"), ()],
        image_width=[900, 800],
        image_height=[700, 600],
    )
    path = write_annotations(table, tmp_path / "a.db", colors={"m": "#00ff10"})
    assert rows(path, "SELECT uid, type, agreedClass, deleted FROM Annotations ORDER BY uid") == [
        (4, 1, 2, 0),
        (9, 1, 1, 0),
    ]
    assert rows(path, "SELECT filename, directory, width, height FROM Slides") == [
        ("ä.svs", "01", 900, 700),
        ("/abs/b.svs", None, 800, 600),
    ]
    assert rows(path, "SELECT uid, name, color FROM Classes") == [
        (1, "m", "#00ff10"),
        (2, "n", "#0072b2"),
    ]
    assert rows(
        path, "SELECT annoId, coordinateX, coordinateY, orderIdx FROM Annotations_coordinates"
    ) == [(9, 10, 30, 1), (4, 20.5, 4, 1)]
    labels = rows(
        path,
        "SELECT l.annoId, p.name, c.name FROM Annotations_label l, Persons p, Classes c "
        "WHERE l.person = p.uid AND l.class = c.uid",
    )
    assert labels == [(9, "Ann", "m"), (9, "Bob", "n")]
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    # SlideRunner completes a database of version 0 when it opens one.
    assert rows(path, "PRAGMA user_version") == [(0,)]
    back = read_annotations(path)
    pd.testing.assert_frame_equal(back[list(table)], table.loc[[1, 0]].reset_index(drop=True))


def test_labels_without_votes_are_the_votes_of_one_person(tmp_path):
    path = write_annotations(cells(label=["m", None]), tmp_path / "a.sqlite")
    table = read_annotations(path)
    assert table.votes.tolist() == [("m",), ()]
    assert table.voters.tolist() == [("stnclf",), ()]
    assert rows(path, "SELECT agreedClass FROM Annotations ORDER BY uid") == [(1,), (0,)]


def test_votes_without_names_get_some(tmp_path):
    path = write_annotations(cells(votes=[("m", "n"), ("n", None)]), tmp_path / "a.sqlite")
    table = read_annotations(path)
    assert table.votes.tolist() == [("m", "n"), ("n", None)]
    assert table.voters.tolist() == [("expert 1", "expert 2")] * 2


@pytest.mark.parametrize("seed", range(5))
def test_boxes_on_fractions_of_a_pixel_come_back(seed, tmp_path):
    rng = np.random.default_rng(seed)
    n = 30
    x, y = rng.integers(-(2**20), 2**28, (2, n)) / 1024
    width, height = rng.integers(1, 2**16, (2, n)) / 512
    kinds = rng.choice(["area", "circle", "polygon"], n)
    table = cells()[:0].reindex(range(n)).assign(image="a", label="m", x=x, y=y, type=kinds)
    table = table.assign(width=width, height=height)
    path = write_annotations(table, tmp_path / "a.sqlite")
    pd.testing.assert_frame_equal(read_annotations(path)[list(table)], table, check_exact=True)
    # Other positions change by rounding alone.
    table["x"] = rng.uniform(0, 1e5, n)
    write_annotations(table, path, overwrite=True)
    np.testing.assert_allclose(read_annotations(path).x, table.x, rtol=1e-15)


def test_votes_and_names_of_different_number_are_refused(tmp_path):
    table = cells(votes=[("m", "n"), ()], voters=[("Ann",), ()])
    with pytest.raises(ValueError, match=r"table\['voters'\] must name one for each of the votes"):
        write_annotations(table, tmp_path / "a.db")


def test_rows_with_a_size_are_areas_unless_their_type_says_otherwise(tmp_path):
    table = cells(width=[5.0, np.nan], height=[3.0, np.nan])
    assert read_annotations(write_annotations(table, tmp_path / "a.db")).type.tolist() == [
        "area",
        "spot",
    ]
    spots = cells(width=5, height=3, type="spot")
    back = read_annotations(write_annotations(spots, tmp_path / "b.db"))
    assert back.type.tolist() == ["spot", "spot"]
    assert "width" not in back


def test_types_that_the_program_lacks_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"table\['type'\] must be one of .* got 'line'"):
        write_annotations(cells(type="line"), tmp_path / "a.db")
    with pytest.raises(ValueError, match="of type 'area' needs a width and a height"):
        write_annotations(cells(type="area"), tmp_path / "a.db")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("given", [[3, 3], ["u", "v"], [0, 1], [-1, 5], [1.5, 2.5]])
def test_numbers_that_cannot_be_kept_are_given_anew(given, tmp_path):
    path = write_annotations(cells(id=given), tmp_path / "a.db")
    assert read_annotations(path).id.tolist() == [1, 2]


def test_a_database_that_exists_is_kept(tmp_path):
    path = write_annotations(cells(label="old"), tmp_path / "a.sqlite")
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=r"a\.sqlite exists; pass overwrite=True"):
        write_annotations(cells(), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.sqlite"]
    write_annotations(cells(), path, overwrite=True)
    assert read_annotations(path).label.tolist() == ["m", "n"]


def test_a_database_that_is_open_elsewhere_is_kept(tmp_path):
    path = write_annotations(cells(label="old"), tmp_path / "a.sqlite")
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = wal")
        database.execute("UPDATE Classes SET name = 'changed'")
        database.commit()
        with pytest.raises(FileExistsError, match=r"a\.sqlite-wal exists: a program has .* open"):
            write_annotations(cells(), path, overwrite=True)
    assert read_annotations(path).label.tolist() == ["changed"] * 2


def test_equal_tables_give_equal_files(tmp_path):
    first = write_annotations(cells(), tmp_path / "a.db").read_bytes()
    assert write_annotations(cells(), tmp_path / "b.db").read_bytes() == first
