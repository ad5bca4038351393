"""Where results may go, and what lies beside them."""

from __future__ import annotations

import os

import click
import pytest
from click.testing import CliRunner

from stnclf._utils.run import check_out
from stnclf.cli import main
from stnclf.cli.outputs import beside, check_output, pinned_options, target


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.csv"


def refused(*args, **kwargs):
    with pytest.raises(click.UsageError) as caught:
        check_output(*args, **kwargs)
    return caught.value.format_message()


def test_a_free_name_is_fine(out):
    check_output(out, overwrite=False)
    check_output(out, overwrite=False, resume=True, unfinished=[out])
    assert not out.exists()


def test_a_folder_that_is_missing_names_the_option(out):
    assert "'--map': the folder of" in refused(out / "x.png", overwrite=True, option="--map")


def test_an_ending_is_one_of_those_that_are_written(out):
    how = {"overwrite": False, "option": "--report", "endings": (".html", ".htm")}
    assert "out.csv' ends with none of .html, .htm." in refused(out, **how)
    check_output(out.with_suffix(".HTM"), **how)


@pytest.mark.parametrize(
    ("line", "ending"),
    [
        (["predict", __file__, __file__], ".csv"),
        (["classify", __file__, __file__, __file__], ".csv"),
        (["evaluate", __file__], ".json"),
        (["score", __file__, __file__], ".json"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value,
)
def test_a_name_that_promises_another_format_is_refused_before_any_work(line, ending, tmp_path):
    done = CliRunner().invoke(main, [*line, "--out", str(tmp_path / "out.xlsx")])
    assert done.exit_code == 2
    assert f"'--out': '{tmp_path / 'out.xlsx'}' ends with none of {ending}." in done.output


def test_what_is_there_stays(out):
    out.touch()
    assert "--overwrite" in refused(out, overwrite=False)
    check_output(out, overwrite=True)
    assert "exclude each other" in refused(out, overwrite=True, resume=True)


def test_folders_pipes_and_devices_are_no_results(out, tmp_path):
    for how in ({"overwrite": True}, {"overwrite": False}, {"overwrite": False, "resume": True}):
        assert "is a folder, wants the name of a file" in refused(tmp_path, **how)
    check_output(tmp_path, overwrite=True, folder=True)
    if hasattr(os, "mkfifo"):
        os.mkfifo(out)
        for folder in (True, False):
            text = refused(out, overwrite=True, folder=folder)
            assert "out.csv' is a pipe or device, wants the name of a file" in text
        with pytest.raises(ValueError, match="is a pipe or device, wants a file name"):
            check_out(out, False)


def test_what_was_begun_is_resumed_or_begun_anew(out):
    begun = out.with_suffix(".progress")
    begun.touch()
    assert "--resume" in refused(out, overwrite=False, unfinished=[begun])
    check_output(out, overwrite=False, resume=True, unfinished=[begun])
    check_output(out, overwrite=True, unfinished=[begun])
    out.touch()  # killed between the last two steps
    check_output(out, overwrite=False, resume=True, unfinished=[begun])


def test_what_lies_beside_a_link_lies_beside_its_target(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "link.csv").symlink_to("far/real.csv")
    assert beside(tmp_path / "link.csv", ".progress") == tmp_path / "far" / "real.csv.progress"
    assert target(tmp_path / "link.csv") == str(tmp_path / "far" / "real.csv")
    assert target(None) is None


def test_options_count_but_those_that_say_how_to_run():
    @click.command()
    @click.option("--size", type=int)
    @click.option("--jobs", type=int)
    @click.option("--label", multiple=True)
    @click.argument("table")
    def command(**_):
        click.echo(repr(pinned_options("table")))

    words = ["t.csv", "--size", "3", "--jobs", "8", "--label", "a"]
    assert CliRunner().invoke(command, words).output == "{'label': ('a',), 'size': 3}\n"


@pytest.mark.parametrize(
    ("command", "inputs", "option", "role"),
    [
        ("score", ("found.csv", "cells.csv"), "-o found.csv", "DETECTIONS"),
        ("score", ("found.csv", "cells.csv"), "-o link.csv", "TRUTH"),
        ("score", ("found.csv", "cells.csv"), "--plot a.png -o a.png", "--plot"),
        ("scan", ("model", "a.csv", "b.csv"), "-o b.csv", "SLIDES"),
        ("scan", ("model", "a.csv"), "-o a.csv", "SLIDES"),
        ("classify", ("model", "cells.csv", "slide.tif"), "-o slide.tif", "SLIDES"),
        ("hotspots", ("found.csv", "slide.tif"), "--map slide.tif", "SLIDE"),
        ("export", ("found.csv",), "-o found.csv", "TABLES"),
        ("predict", ("model", "patches.npz"), "-o patches.npz", "INPUTS"),
        ("train", ("patches.npz",), "-o patches.npz", "PATCHES"),
    ],
)
def test_a_file_that_is_read_is_not_replaced(
    command, inputs, option, role, tmp_path, monkeypatch, invoke
):
    monkeypatch.chdir(tmp_path)
    for name in {*inputs, "cells.csv"}:
        (tmp_path / name).write_text(name)
    (tmp_path / "link.csv").symlink_to("cells.csv")
    code, _, lines = invoke(command, *inputs, *option.split(), "--overwrite")
    assert code == 2, lines
    if "b.csv" in inputs:
        assert "is one file, and there are 2 slides" in lines[0]
    else:
        assert f"is {role} too; wants a file of its own" in lines[0]
    assert all((tmp_path / name).read_text() == name for name in inputs)
