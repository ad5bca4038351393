"""Databases of SlideRunner (Aubreville et al., BVM 2018): SQLite, both generations of tables.

The older generation has no column ``deleted`` and neither identifiers nor colours; the newer one
has both, and triggers that call functions of the program itself. Columns are therefore chosen by
name, nothing that is not needed has to be there, and a file is opened without the right to write.
"""

from __future__ import annotations

import errno
import math
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from .._utils.files import written_whole
from .._utils.printable import listed, quoted
from .._utils.typing import Table
from ._files import check_regular
from ._numbers import is_box, middle, moments, span, to_float
from ._table import (
    IMAGE_SIZE,
    about_images,
    check_table,
    class_colors,
    class_names,
    identifiers,
    make_table,
    row_dicts,
)

MAGIC = b"SQLite format 3\0"
#: Rows of one table that are read, of which a thousand characters of text count as one more, and
#: the longest text.
MOST_ROWS, LONGEST = 20_000_000, 1 << 24
TYPES = {1: "spot", 2: "area", 3: "polygon", 4: "special_spot", 5: "circle", 255: "unknown"}
SPOTS = ("spot", "special_spot", "unknown")
PERSON = "stnclf"

# What the program expects of a database; it fills in identifiers and triggers when it opens one.
SCHEMA = """
CREATE TABLE Slides (uid INTEGER PRIMARY KEY AUTOINCREMENT, filename TEXT, width INTEGER,
    height INTEGER, directory TEXT, uuid TEXT, exactImageID TEXT, EXACTUSER INTEGER DEFAULT 0);
CREATE TABLE Classes (uid INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, color TEXT);
CREATE TABLE Persons (uid INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT,
    isExactUser INTEGER DEFAULT 0);
CREATE TABLE Annotations (uid INTEGER PRIMARY KEY AUTOINCREMENT, slide INTEGER, guid TEXT,
    lastModified REAL DEFAULT 0, deleted INTEGER DEFAULT 0, type INTEGER, agreedClass INTEGER,
    description TEXT);
CREATE TABLE Annotations_coordinates (uid INTEGER PRIMARY KEY AUTOINCREMENT, coordinateX INTEGER,
    coordinateY INTEGER, coordinateZ INTEGER DEFAULT 0, slide INTEGER, annoId INTEGER,
    orderIdx INTEGER);
CREATE TABLE Annotations_label (uid INTEGER PRIMARY KEY AUTOINCREMENT, person INTEGER,
    class INTEGER, exact_id INTEGER, annoId INTEGER);
CREATE TABLE Log (uid INTEGER PRIMARY KEY AUTOINCREMENT, dateTime FLOAT, labelId INTEGER);
"""


def read_slide_runner(path: Path, skipped: Counter[str]) -> Table:
    """Read a database; see `stnclf.annotations.read_annotations` for the columns."""
    with closing(_open(path)) as database:
        slides = _slides(database)
        classes = dict(_select(database, "Classes", ["uid", "name"]))
        classes = {
            uid: str(_text(name, "name", f"class {uid}"))
            for uid, name in classes.items()
            if name is not None
        }
        votes = _votes(database, classes)
        outlines = _outlines(database)
        annotations = _select(
            database, "Annotations", ["uid", "slide", "type", "agreedClass"], ["deleted"], "uid"
        )
    rows = []
    for uid, slide, kind, agreed, deleted in annotations:
        if deleted:
            continue
        if uid not in outlines:  # an annotation without a position marks no cell
            skipped["without a position"] += 1
            continue
        if slide not in slides:
            raise ValueError(f"annotation {uid} is on slide {slide}, which table Slides lacks.")
        if agreed and agreed not in classes:
            raise ValueError(f"annotation {uid} is of class {agreed}, which table Classes lacks.")
        name = TYPES.get(kind, "unknown")
        x, y, width, height = _position(outlines[uid], name, uid)
        image, image_width, image_height = slides[slide]
        rows.append(
            {
                "image": image,
                "x": x,
                "y": y,
                "label": classes[agreed] if agreed else None,
                "type": name,
                "width": width,
                "height": height,
                "id": uid,
                "votes": votes.get(uid, ((), ()))[0] if votes else None,
                "voters": votes.get(uid, ((), ()))[1] if votes else None,
                "image_width": image_width,
                "image_height": image_height,
            }
        )
    return make_table(rows)


def write_slide_runner(
    table: Table, path: Path, *, colors: dict[str, Any] | None, overwrite: bool
) -> None:
    """Write a new database; see `stnclf.annotations.write_annotations`."""
    columns = check_table(table)
    rows = list(row_dicts(columns))
    names = class_names(columns)
    colors = class_colors(names, colors)
    codes = {name: code for code, name in enumerate(names, start=1)}
    slides = about_images(columns, IMAGE_SIZE)
    slide_codes = {name: code for code, name in enumerate(slides, start=1)}
    people: dict[Any, int] = {}
    annotations: list[tuple[Any, ...]] = []
    coordinates: list[tuple[Any, ...]] = []
    labels: list[tuple[Any, ...]] = []
    for uid, row in zip(identifiers(columns), rows):
        slide, label = slide_codes[row["image"]], row["label"]
        kind, outline = _outline(row)
        annotations.append((uid, slide, kind, codes.get(label, 0)))
        coordinates += [(*point, slide, uid, i) for i, point in enumerate(outline, start=1)]
        for vote, voter in _votes_of(row):
            person = people.setdefault(voter, len(people) + 1)
            labels.append((person, codes.get(vote, 0), uid))

    _refuse_to_replace(path, overwrite)
    with written_whole(path) as part, _system_errors(), closing(sqlite3.connect(part)) as database:
        database.executescript(SCHEMA)
        for target, values in (
            (
                "Slides (filename, directory, width, height, uid)",
                [
                    (*_split(name), *map(about.get, IMAGE_SIZE), slide_codes[name])
                    for name, about in slides.items()
                ],
            ),
            (
                "Classes (name, uid, color)",
                [(*item, "#{:02x}{:02x}{:02x}".format(*colors[item[0]])) for item in codes.items()],
            ),
            ("Persons (name, uid)", people.items()),
            ("Annotations (uid, slide, type, agreedClass)", annotations),
            (
                "Annotations_coordinates (coordinateX, coordinateY, slide, annoId, orderIdx)",
                coordinates,
            ),
            ("Annotations_label (person, class, annoId)", labels),
        ):
            places = ", ".join("?" * (target.count(",") + 1))
            database.executemany(f"INSERT INTO {target} VALUES ({places})", values)
        database.commit()
        database.close()  # before the file gets its name
        _refuse_to_replace(path, overwrite)


@contextmanager
def _system_errors() -> Iterator[None]:
    """Turn what SQLite says of a full disk into the system's kind of error, as any file's is."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OSError(errno.EIO, str(error)) from error


def _open(path: Path) -> sqlite3.Connection:
    """Open a database so that nothing is ever written: no change, no journal, no shared memory."""
    path = Path(path).resolve()
    check_regular(path)
    with open(path, "rb") as file:
        header = file.read(100)
    if not header.startswith(MAGIC):
        raise ValueError("is not an SQLite database.")
    # SQLite itself does not notice if it never comes to the part that is missing.
    size, changes, pages, valid_for = struct.unpack(">16xH6xII60xI4x", header.ljust(100, b"\0"))
    size = 65536 if size == 1 else size
    if changes == valid_for and path.stat().st_size < size * pages:
        raise ValueError("is cut short.")
    mode = "ro"
    if 2 in header[18:20]:  # a write-ahead log; opened as it is, files would appear beside it
        log = path.with_name(f"{path.name}-wal")
        if log.exists() and log.stat().st_size:
            raise ValueError(
                f"has changes that are still in {log.name}: "
                "close it in the program that writes it, then read it again."
            )
        mode = "ro&immutable=1"
    database = sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True)
    # A view or trigger in the file may call harmless functions only.
    database.execute("PRAGMA trusted_schema = OFF")
    if hasattr(database, "setlimit"):  # of Python 3.11
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
    return database


def _has(database: sqlite3.Connection, table: str) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE"
    return database.execute(query, (table,)).fetchone() is not None


def _select(
    database: sqlite3.Connection,
    table: str,
    needed: list[str],
    optional: Sequence[str] = (),
    order: str = "rowid",
) -> list[Any]:
    """Return rows of the named columns; optional ones that are missing are None."""
    if not _has(database, table):
        raise ValueError(f"has no table {table}: not a database of SlideRunner.")
    have = {row[1].lower() for row in database.execute(f"PRAGMA table_info({table})")}
    missing = [name for name in needed if name.lower() not in have]
    if missing:
        raise ValueError(f"table {table} lacks the columns {missing}.")
    chosen = [*needed, *(n if n.lower() in have else f"NULL AS {n}" for n in optional)]
    query = f"SELECT {', '.join(chosen)} FROM {table} ORDER BY {order}"
    rows, size = [], 0
    # A small file can name the same text in many rows, or rows without end.
    for row in database.execute(query):
        size += 1 + sum(len(value) for value in row if isinstance(value, (str, bytes))) // 1000
        if size > MOST_ROWS:
            raise ValueError(f"table {table} holds more than {MOST_ROWS} rows, or texts too long.")
        rows.append(row)
    return rows


def _text(value: Any, column: str, what: str) -> Any:
    """Return a name that is stored as bytes as text; anything else as it is."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        text = f"{what} has a {column} that is no text in UTF-8: {quoted(value)}."
        raise ValueError(text) from None


def _slides(database: sqlite3.Connection) -> dict[int, tuple[str, Any, Any]]:
    """Name, width and height of each slide.

    A relative folder belongs to the name. An absolute one is that of another computer: it is left
    out, unless slides of one name lie in several folders; then it counts from what these share.
    """
    rows = _select(database, "Slides", ["uid", "filename"], ["directory", "width", "height"])
    rows = [
        (
            uid,
            _text(filename, "filename", f"slide {uid}"),
            _text(folder, "directory", f"slide {uid}"),
            *size,
        )
        for uid, filename, folder, *size in rows
    ]
    for uid, filename, *_ in rows:
        if not isinstance(filename, str) or not filename:
            raise ValueError(f"slide {uid} has no file name.")
    folders = {uid: str(folder or "").rstrip("/\\") for uid, _, folder, *_ in rows}
    strange = {uid: _parts(folder) for uid, folder in folders.items() if _is_absolute(folder)}
    names = [row[1] for row in rows if row[0] in strange]
    levels = [len(set(level)) == 1 for level in zip(*strange.values())]
    shared = [*levels, False].index(False)
    several = len(set(names)) < len(names)
    slides = {}
    for uid, filename, _, width, height in rows:
        folder = folders[uid]
        if uid in strange:
            folder = "/".join(strange[uid][shared:]) if several else ""
        name = f"{folder}/{filename}" if folder else filename
        slides[uid] = (name, width or None, height or None)
    return slides


def _parts(folder: str) -> list[str]:
    kind: type[PureWindowsPath | PurePosixPath]
    kind = PureWindowsPath if PureWindowsPath(folder).drive else PurePosixPath
    return list(kind(folder).parts)


def _is_absolute(folder: str) -> bool:
    return folder.startswith(("/", "\\")) or bool(PureWindowsPath(folder).drive)


def _votes(
    database: sqlite3.Connection, classes: dict[int, str]
) -> dict[int, tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Classes that people gave, and the names of these people, by annotation."""
    votes: dict[int, tuple[list[Any], list[Any]]] = {}
    if not _has(database, "Annotations_label"):
        return {}
    columns, people = ["annoId", "class", "person"], {}
    if _has(database, "Persons"):
        for uid, name in _select(database, "Persons", ["uid", "name"]):
            people[uid] = _text(name, "name", f"person {uid}")
    for uid, vote, person in _select(database, "Annotations_label", columns):
        names, voters = votes.setdefault(uid, ([], []))
        names.append(classes.get(vote))
        voters.append(people.get(person))
    return {uid: (tuple(names), tuple(voters)) for uid, (names, voters) in votes.items()}


def _outlines(database: sqlite3.Connection) -> dict[int, list[tuple[Any, Any]]]:
    """Points of each annotation, in their order; spots of old databases have none."""
    columns = ["annoId", "coordinateX", "coordinateY"]
    table, order = "Annotations_coordinates", "orderIdx, rowid"
    outlines: dict[int, list[tuple[Any, Any]]] = {}
    for uid, x, y, _ in _select(database, table, columns, ["orderIdx"], order):
        outlines.setdefault(uid, []).append((x, y))
    return outlines


def _position(points: list[tuple[Any, Any]], kind: str, uid: int) -> tuple[Any, ...]:
    """Centre, and size where the kind has one."""
    for point in points:
        if not all(math.isfinite(to_float(value)) for value in point):
            raise ValueError(f"annotation {uid} has no number for a position: {quoted(point)}.")
    if kind in SPOTS:
        return (*points[0], None, None)
    xs, ys = zip(*points)
    x, width = middle(min(xs), max(xs))
    y, height = middle(min(ys), max(ys))
    if kind == "polygon" and not is_box(points):
        x, y = (float(value) for value in moments(points)[1])
    return x, y, width, height


def _votes_of(row: dict[str, Any]) -> Iterable[tuple[Any, Any]]:
    """Votes with the names of those who gave them; without any, the label is a vote."""
    if "votes" not in row:
        return [] if row["label"] is None else [(row["label"], PERSON)]
    votes = row["votes"]
    voters = row.get("voters", [f"expert {i}" for i in range(1, len(votes) + 1)])
    if len(voters) != len(votes):
        raise ValueError(
            f"table['voters'] must name one for each of the votes {listed(votes)}: "
            f"{listed(voters)}."
        )
    return zip(votes, voters)


def _outline(row: dict[str, Any]) -> tuple[int, list[tuple[Any, Any]]]:
    """Type and points with which a row is written: the box of whatever has a size."""
    sized = "width" in row and "height" in row
    kind = row.get("type", "area" if sized else "spot")
    if kind not in TYPES.values():
        raise ValueError(
            f"table['type'] must be one of {list(TYPES.values())}, got {quoted(kind)}."
        )
    code = next(code for code, name in TYPES.items() if name == kind)
    if kind in SPOTS:
        return code, [(row["x"], row["y"])]
    if not sized:
        raise ValueError(f"an annotation of type {quoted(kind)} needs a width and a height.")
    (left, right), (top, bottom) = (
        [float(end) for end in span(row[axis], row[size])]
        for axis, size in (("x", "width"), ("y", "height"))
    )
    corners = [(left, top), (right, bottom)]
    if kind == "polygon":  # not closed: the program does that when it first opens the file
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return code, corners


def _split(name: str) -> tuple[str, str | None]:
    """File name and folder of an image, so that reading puts the same name together again."""
    folder, slash, filename = name.rpartition("/")
    if slash and filename and folder == folder.rstrip("/\\") != "" and not _is_absolute(folder):
        return filename, folder
    return name, None


def _refuse_to_replace(path: Path, overwrite: bool) -> None:
    """Keep a database that exists; it may hold months of work."""
    path = Path(path)
    if not overwrite and path.exists():
        raise FileExistsError(f"{path} exists; pass overwrite=True to replace it.")
    for ending in ("-wal", "-journal"):  # of the old file: it would be played into the new one
        if path.with_name(path.name + ending).exists():
            raise FileExistsError(f"{path}{ending} exists: a program has {path} open.")
