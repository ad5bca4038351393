"""SlideRunner databases, found again with plain SQL: both schemas, real files, hostile ones."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from contextlib import closing

import numpy as np
import pandas as pd
import pytest

from stnclf.annotations import _sliderunner, read_annotations, write_annotations
from tests.annotations.test_io import cells
from tests.annotations.test_numbers import CROSSED

OLD = """
CREATE TABLE Slides (uid INTEGER PRIMARY KEY, filename TEXT, width INTEGER, height INTEGER);
CREATE TABLE Classes (uid INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE Persons (uid INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE Annotations (uid INTEGER PRIMARY KEY, slide INTEGER, type INTEGER,
    agreedClass INTEGER);
CREATE TABLE Annotations_coordinates (uid INTEGER PRIMARY KEY, coordinateX INTEGER,
    coordinateY INTEGER, slide INTEGER, annoId INTEGER, orderIdx INTEGER);
CREATE TABLE Annotations_label (uid INTEGER PRIMARY KEY, person INTEGER, class INTEGER,
    annoId INTEGER);
INSERT INTO Slides VALUES (4, 'a.svs', NULL, NULL), (5, 'b.svs', 900, 700);
INSERT INTO Classes VALUES (1, 'Granulozyt'), (2, 'Mitose'), (7, 'nicht Mitose');
INSERT INTO Persons VALUES (1, 'M. A.'), (2, 'C. B.');
"""
# The newer schema has its columns in another order, and triggers that plain SQLite cannot run.
NEW = (
    OLD.replace(
        "(uid INTEGER PRIMARY KEY, slide INTEGER, type INTEGER,\n    agreedClass INTEGER)",
        "(uid INTEGER PRIMARY KEY, guid TEXT, deleted INTEGER DEFAULT 0, agreedClass INTEGER, "
        "lastModified REAL DEFAULT 0, type INTEGER, slide INTEGER, description TEXT)",
    )
    .replace("coordinateX INTEGER,", "coordinateZ INTEGER DEFAULT 0, coordinateX INTEGER,")
    .replace(
        "INSERT INTO Slides VALUES", "INSERT INTO Slides (uid, filename, width, height) VALUES"
    )
    .replace("INTEGER, height INTEGER)", "INTEGER, height INTEGER, directory TEXT, uuid TEXT)")
)
TRIGGER = """
CREATE TRIGGER updateAnnotation AFTER INSERT ON Annotations BEGIN
    UPDATE Annotations SET lastModified = pycurrent_time() WHERE uid = new.uid; END;
PRAGMA user_version = 3;
"""


def make(path, annotations, script=NEW, extra=""):
    """Write a database of (slide, type, class, points, votes), and give its path."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(script)
        for uid, (slide, kind, agreed, points, votes) in enumerate(annotations, start=1):
            database.execute(
                "INSERT INTO Annotations (uid, slide, type, agreedClass) VALUES (?, ?, ?, ?)",
                (uid, slide, kind, agreed),
            )
            database.executemany(
                "INSERT INTO Annotations_coordinates (coordinateX, coordinateY, slide, annoId, "
                "orderIdx) VALUES (?, ?, ?, ?, ?)",
                [(*point, slide, uid, i) for i, point in enumerate(points, start=1)],
            )
            database.executemany(
                "INSERT INTO Annotations_label (person, class, annoId) VALUES (?, ?, ?)",
                [(person, vote, uid) for person, vote in votes],
            )
        database.executescript(extra or TRIGGER)
    return path


SPOT = (4, 1, 2, [(100, 205)], [(1, 2), (2, 7)])


@pytest.mark.parametrize("script", [OLD, NEW], ids=["old", "new"])
def test_both_schemas_read_alike(script, tmp_path):
    rows = [SPOT, (5, 4, 7, [(11.5, 3)], [(2, 7)]), (5, 1, 0, [(1, 2)], [(1, 1), (2, 2)])]
    extra = "PRAGMA user_version = 0;" if script is OLD else ""
    table = read_annotations(make(tmp_path / "a.sqlite", rows, script, extra))
    expected = pd.DataFrame(
        {
            "image": ["a.svs", "b.svs", "b.svs"],
            "x": [100.0, 11.5, 1.0],
            "y": [205.0, 3.0, 2.0],
            "label": ["Mitose", "nicht Mitose", None],
            "type": ["spot", "special_spot", "spot"],
            "id": [1, 2, 3],
            "votes": [("Mitose", "nicht Mitose"), ("nicht Mitose",), ("Granulozyt", "Mitose")],
            "voters": [("M. A.", "C. B."), ("C. B.",), ("M. A.", "C. B.")],
            "image_width": [np.nan, 900, 900],
            "image_height": [np.nan, 700, 700],
        }
    )
    pd.testing.assert_frame_equal(table, expected)
    assert table.label.isna().tolist() == [False, False, True]


def test_positions_of_the_five_types(tmp_path):
    triangle = [(0, 0), (6, 0), (0, 12)]
    rows = [
        (4, 1, 1, [(10, 20)], []),
        (4, 2, 1, [(10, 20), (31, 60)], []),
        (4, 2, 1, [(31, 60), (10, 20)], []),  # drawn from the lower right
        (4, 3, 1, triangle, []),
        (4, 3, 1, [*triangle, triangle[0]], []),  # closed, as newer files are
        (4, 4, 1, [(7, 9)], []),
        (4, 5, 1, [(10, 10), (20, 20)], []),
        (4, 255, 1, [(3, 4)], []),
    ]
    table = read_annotations(make(tmp_path / "a.sqlite", rows))
    kinds = ["spot", "area", "area", "polygon", "polygon", "special_spot", "circle", "unknown"]
    assert table.type.tolist() == kinds
    # Corners are numbers of pixels like spots, so that no half is added: 10 to 31 has 20.5.
    expected = [(10, 20), (20.5, 40), (20.5, 40), (2, 4), (2, 4), (7, 9), (15, 15), (3, 4)]
    np.testing.assert_allclose(table[["x", "y"]], expected, rtol=0, atol=1e-12)
    assert table.width.tolist()[1:5] == [21, 21, 6, 6]
    assert table.height.tolist()[1:5] == [40, 40, 12, 12]
    assert table.width.isna().tolist() == [True, *[False] * 4, True, False, True]


def test_points_come_in_their_order_not_in_that_of_the_file(tmp_path):
    square = [(0, 0), (4, 0), (4, 3), (4, 4), (0, 4)]
    path = make(tmp_path / "a.sqlite", [(4, 3, 1, square, [])])
    expected = read_annotations(path)
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT * FROM Annotations_coordinates ORDER BY uid").fetchall()
        database.execute("DELETE FROM Annotations_coordinates")
        rows = [(100 - row[0], *row[1:]) for row in rows]
        marks = ", ".join("?" * len(rows[0]))
        database.executemany(f"INSERT INTO Annotations_coordinates VALUES ({marks})", rows[::-1])
        database.commit()
    pd.testing.assert_frame_equal(read_annotations(path), expected)


def test_deleted_rows_and_rows_without_a_position_are_left_out(tmp_path):
    rows = [SPOT, SPOT, SPOT, (4, 6, 2, [], [])]
    extra = "UPDATE Annotations SET deleted = 1 WHERE uid = 2;"
    extra += "UPDATE Annotations SET deleted = NULL WHERE uid = 3;"
    path = make(tmp_path / "a.sqlite", rows, extra=extra)
    # What people have deleted is no annotation; what has no position is one that cannot be read.
    with pytest.warns(UserWarning, match=r"a\.sqlite: 1 object left out, of 3: 1 without a pos"):
        assert read_annotations(path).id.tolist() == [1, 3]


def test_a_database_without_annotations_is_an_empty_table(tmp_path):
    table = read_annotations(make(tmp_path / "a.sqlite", []))
    assert list(table.columns) == ["image", "x", "y", "label"]
    assert len(table) == 0


def test_tables_of_people_are_not_needed(tmp_path):
    extra = "DROP TABLE Annotations_label; DROP TABLE Persons;"
    table = read_annotations(make(tmp_path / "a.sqlite", [SPOT], extra=extra))
    assert list(table.columns) == ["image", "x", "y", "label", "type", "id"]
    extra = "DROP TABLE Persons; UPDATE Annotations_label SET class = 99 WHERE person = 2;"
    table = read_annotations(make(tmp_path / "b.sqlite", [SPOT], extra=extra))
    assert table.votes[0] == ("Mitose", None)
    assert table.voters[0] == (None, None)


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["01", "02"], ["01/x.svs", "02/x.svs"]),
        (["01/", ""], ["01/x.svs", "x.svs"]),
        (["/home/anna/slides", None], ["x.svs", "x.svs"]),
        (["/data/01", "/data/02/b"], ["01/x.svs", "02/b/x.svs"]),
        (["C:\\data\\01", "C:\\data\\02\\"], ["01/x.svs", "02/x.svs"]),
        (["/a", "C:\\b"], ["//a/x.svs", "C:\\/b/x.svs"]),
        (["../..", "a"], ["../../x.svs", "a/x.svs"]),
    ],
)
def test_folders_of_slides(folders, names, tmp_path):
    path = make(tmp_path / "a.sqlite", [SPOT, (5, *SPOT[1:])])
    with closing(sqlite3.connect(path)) as database:
        for uid, folder in zip((4, 5), folders):
            query = "UPDATE Slides SET filename = 'x.svs', directory = ? WHERE uid = ?"
            database.execute(query, (folder, uid))
        database.commit()
    assert read_annotations(path).image.tolist() == names


def test_names_that_are_stored_as_bytes_are_read(tmp_path):
    extra = """
    UPDATE Classes SET name = CAST('Mit\u00f6se' AS BLOB) WHERE uid = 2;
    UPDATE Slides SET filename = CAST('\u00fc.svs' AS BLOB), directory = CAST('01' AS BLOB);
    UPDATE Persons SET name = CAST(name AS BLOB);
    """
    path = make(tmp_path / "a.sqlite", [(4, 1, 2, [(5, 6)], [(1, 2), (2, 7)])], extra=extra)
    (row,) = read_annotations(path).to_dict("records")
    assert (row["label"], row["image"]) == ("Mit\u00f6se", "01/\u00fc.svs")
    assert row["votes"] == ("Mit\u00f6se", "nicht Mitose")
    assert row["voters"] == ("M. A.", "C. B.")


@pytest.mark.parametrize(
    ("table", "column", "what"),
    [
        ("Classes", "name", "class 1"),
        ("Slides", "filename", "slide 4"),
        ("Slides", "directory", "slide 4"),
        ("Persons", "name", "person 1"),
    ],
)
def test_names_that_are_no_text_are_refused(table, column, what, tmp_path):
    extra = f"UPDATE {table} SET {column} = x'ff41';"
    path = make(tmp_path / "a.sqlite", [(4, 1, 1, [(5, 6)], [(1, 1)])], extra=extra)
    words = rf"{what} has a {column} that is no text in UTF-8: b'\\xffA'"
    with pytest.raises(ValueError, match=words):
        read_annotations(path)


def test_an_absolute_folder_is_left_out_while_names_differ(tmp_path):
    extra = "UPDATE Slides SET directory = '/home/anna/' || uid;"
    path = make(tmp_path / "a.sqlite", [SPOT, (5, *SPOT[1:])], extra=extra)
    assert read_annotations(path).image.tolist() == ["a.svs", "b.svs"]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("DROP TABLE Slides;", "has no table Slides: not a database of SlideRunner"),
        ("DROP TABLE Annotations_coordinates;", "has no table Annotations_coordinates"),
        (
            "ALTER TABLE Annotations DROP COLUMN agreedClass;",
            r"lacks the columns \['agreedClass'\]",
        ),
        ("UPDATE Annotations SET slide = 77;", "annotation 1 is on slide 77, which table Slides"),
        ("UPDATE Annotations SET agreedClass = 77;", "annotation 1 is of class 77, which table Cl"),
        ("UPDATE Annotations_coordinates SET coordinateX = NULL;", "annotation 1 has no number"),
        ("UPDATE Annotations_coordinates SET coordinateY = 'abc';", "annotation 1 has no number"),
        ("UPDATE Annotations_coordinates SET coordinateY = 9e999;", "annotation 1 has no number"),
        ("UPDATE Annotations_coordinates SET coordinateY = x'00';", "annotation 1 has no number"),
        ("UPDATE Slides SET filename = NULL;", "slide 4 has no file name"),
        ("UPDATE Slides SET filename = CAST(x'ff' AS TEXT);", "decode"),
        ("ALTER TABLE Slides RENAME TO S; CREATE VIEW Slides AS SELECT * FROM S;", "no table Sl"),
    ],
)
def test_broken_databases_are_refused(extra, message, tmp_path):
    path = make(tmp_path / "bad.sqlite", [SPOT], extra=extra)
    with pytest.raises(ValueError, match=message) as caught:
        read_annotations(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_other_databases_are_refused(tmp_path):
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE notes (text TEXT)")
    with pytest.raises(ValueError, match="has no table Slides"):
        read_annotations(path)
    path.write_bytes(b"PK\3\4" + b"\0" * 200)
    with pytest.raises(ValueError, match="is not an SQLite database"):
        read_annotations(path, "sliderunner")


def test_rows_and_texts_are_bounded(tmp_path, monkeypatch):
    many = make(tmp_path / "many.sqlite", [SPOT] * 12)
    long = make(
        tmp_path / "long.sqlite", [SPOT], extra="UPDATE Classes SET name = hex(zeroblob(6000));"
    )
    assert len(read_annotations(many)) == 12
    monkeypatch.setattr(_sliderunner, "MOST_ROWS", 11)
    with pytest.raises(ValueError, match=r"many\.sqlite: table Annotations_\w+ holds more than 11"):
        read_annotations(many)
    with pytest.raises(
        ValueError, match=r"long\.sqlite: table Classes holds more than 11 rows, or"
    ):
        read_annotations(long)
    if sys.version_info >= (3, 11):
        monkeypatch.setattr(_sliderunner, "LONGEST", 5000)
        with pytest.raises(ValueError, match=r"long\.sqlite: .*too big"):
            read_annotations(long)


def snapshot(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_reading_changes_nothing(mode, tmp_path):
    path = make(tmp_path / "a #1?.sqlite", [SPOT])  # the name wants quoting in an address
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA journal_mode = {mode}")
    before = snapshot(tmp_path)
    assert list(before) == [path.name]
    assert len(read_annotations(path)) == 1
    assert snapshot(tmp_path) == before


def test_changes_that_are_still_in_the_log_are_an_error(tmp_path):
    path = make(tmp_path / "a.sqlite", [SPOT])
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = wal")
        database.execute("UPDATE Classes SET name = 'changed'")
        database.commit()
        before = snapshot(tmp_path)
        with pytest.raises(ValueError, match=r"changes that are still in a\.sqlite-wal"):
            read_annotations(path)
        assert snapshot(tmp_path) == before
    assert read_annotations(path).label.tolist() == ["changed"]


def test_a_read_only_file_is_enough(tmp_path):
    path = make(tmp_path / "a.sqlite", [SPOT])
    path.chmod(stat.S_IRUSR)
    assert len(read_annotations(path)) == 1


@pytest.mark.parametrize(
    ("name", "counts", "images"),
    [
        ("MIDOG.sqlite", {"mitotic figure": 1721, "not mitotic figure": 2714}, 150),
        ("TUPAC.sqlite", {"Mitosis": 1552}, 587),
    ],
)
def test_real_databases_have_the_counts_of_plain_sql(name, counts, images, shared_data):
    path = shared_data(f"annotations/{name}")
    table = read_annotations(path)
    assert table.label.value_counts().to_dict() == counts
    assert table.image.nunique() == images
    assert set(table.type) == {"spot"}
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        found = database.execute(
            "SELECT c.name, COUNT(*) FROM Annotations a JOIN Classes c ON a.agreedClass = c.uid "
            "GROUP BY c.name"
        ).fetchall()
        points = database.execute(
            "SELECT s.directory, s.filename, coordinateX, coordinateY, c.name FROM "
            "Annotations_coordinates p, Annotations a, Slides s, Classes c "
            "WHERE p.annoId = a.uid AND a.slide = s.uid AND c.uid = a.agreedClass"
        ).fetchall()
        (votes,) = database.execute("SELECT COUNT(*) FROM Annotations_label").fetchone()
    assert dict(found) == counts
    expected = Counter(
        (f"{folder}/{file}" if folder else file, float(x), float(y), label)
        for folder, file, x, y, label in points
    )
    assert (
        Counter(table[["image", "x", "y", "label"]].itertuples(index=False, name=None)) == expected
    )
    assert sum(map(len, table.votes)) == votes
    assert sum(map(len, table.voters)) == votes


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


def test_an_outline_that_crosses_itself_has_its_position_in_its_box(tmp_path):
    path = write_annotations(cells(type="polygon", width=2.0, height=2.0), tmp_path / "a.db")
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM Annotations_coordinates WHERE annoId = 1")
        query = "INSERT INTO Annotations_coordinates (coordinateX, coordinateY, orderIdx, annoId)"
        for i, (x, y) in enumerate(CROSSED):
            database.execute(f"{query} VALUES (?, ?, ?, 1)", (x, y, i))
    database.close()
    assert read_annotations(path).loc[0, ["x", "y"]].tolist() == pytest.approx([1010, 1010.025])


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path):
    """As of any other file that is written, and nothing is left of it."""
    path = tmp_path / "full.sqlite"
    code = f"""
import resource, signal
import pandas as pd
from stnclf.annotations import write_annotations

table = pd.DataFrame({{"image": "a.svs", "x": range(20000), "y": 1.0, "label": "m"}})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
try:
    write_annotations(table, {str(path)!r})
except OSError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "could not be written: " in done.stdout
    assert str(path) in done.stdout
    assert os.listdir(tmp_path) == []
