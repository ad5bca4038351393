"""The command ``stnclf``: its commands, help, exit statuses, and the road from end to end."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import stnclf
from stnclf.annotations import read_annotations
from stnclf.cli import main
from stnclf.cli._main import COMMANDS
from tests.processes import ENVIRONMENT, start

SCAN = ("--mpp", 0.25, "--slide-mpp", 0.25, "--nms-radius", 2)


def test_every_command_helps_with_an_example(invoke):
    assert sorted(main.commands) == sorted(
        [
            "info",
            "patches",
            "train",
            "mine",
            "evaluate",
            "predict",
            "scan",
            "classify",
            "score",
            "hotspots",
            "export",
        ]
    )
    for name, command in main.commands.items():
        code, text, _ = invoke(name, "--help")
        assert code == 0
        assert f"  stnclf {name} " in text.partition("Example")[2]
        assert all(param.help for param in command.params if param.param_type_name == "option")


def test_the_list_of_commands_says_what_they_say_themselves():
    texts = {name: text for name, (_, _, text) in COMMANDS.items()}
    assert texts == {
        name: " ".join(command.help.partition("\n\n")[0].split())
        for name, command in main.commands.items()
    }
    assert all(command.name == name for name, command in main.commands.items())


#: What takes long to import.
HEAVY = ("torch", "skorch", "sklearn", "scipy", "skimage", "matplotlib")


@pytest.mark.parametrize(
    "line",
    [["--help"], ["--version"], ["info", "cells.csv"], *([name, "--help"] for name in COMMANDS)],
    ids=" ".join,
)
def test_torch_waits_until_it_is_needed(line, tmp_path):
    (tmp_path / "cells.csv").write_text("image,x,y,label\na.svs,3,4,b\n", encoding="utf-8")
    code = f"""if True:
        import sys
        from stnclf.cli import main
        try:
            main({line})
        finally:
            print(sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=ENVIRONMENT,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert done.stdout


def test_the_shell_completes_commands_without_importing_them(tmp_path):
    words = {"COMP_WORDS": "stnclf ex", "COMP_CWORD": "1", "_STNCLF_COMPLETE": "bash_complete"}
    code = "import sys; from stnclf.cli import main; main(prog_name='stnclf')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**ENVIRONMENT, **words},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("plain,export\n", "")


def test_version(invoke):
    assert invoke("--version")[:2] == (0, f"stnclf, version {stnclf.__version__}\n")


def check_parses(line):
    """Check options, and that values are of the right kind; files need not exist."""
    _, name, *words = shlex.split(line, comments=True)
    command = main.commands[name]
    context = click.Context(command)
    values, _, _ = command.make_parser(context).parse_args(words)
    for param in command.params:
        if param.name in values and not isinstance(param.type, click.Path):
            param.type_cast_value(context, values[param.name])


def test_examples_in_help_parse():
    lines = [line for c in [main, *main.commands.values()] for line in c.epilog.splitlines()[2:]]
    assert len(lines) > 12
    for line in lines:
        check_parses(line)


@pytest.mark.parametrize(
    "line",
    [
        ("nonsense",),
        ("scan",),
        ("scan", "missing.safetensors", "a.tif", "-o", "x.csv"),
        ("info", "--wrong"),
        ("hotspots", "missing.csv", "missing.tif"),
        ("train", "missing", "-o", "x"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(line, invoke):
    code, out, lines = invoke(*line)
    assert (code, out, len(lines)) == (2, "", 1)
    assert "error: " in lines[0]


def test_the_whole_road(road, invoke, tmp_path):
    slides = [road / "slides" / name for name in ("a b.tif", "ü.png")]
    out = tmp_path / "detections"
    code, printed, lines = invoke("scan", road / "model.safetensors", *slides, "-o", out, *SCAN)
    assert (code, printed) == (0, "")
    assert sorted(os.listdir(out)) == ["a b.csv", "a b.csv.json", "ü.csv", "ü.csv.json"]
    tables = [read_annotations(out / name) for name in ("a b.csv", "ü.csv")]
    assert lines == [f"{out}: {sum(map(len, tables))} cells on 2 slides"]
    truth = read_annotations(road / "cells.sqlite")
    for table, slide in zip(tables, slides):
        assert set(table["image"]) == {slide.name}
        true = truth[truth["image"] == slide.name][["x", "y"]].to_numpy()
        off = np.linalg.norm(true[:, None] - table[["x", "y"]].to_numpy(), axis=2).min(axis=1)
        assert (off < 5).mean() > 0.8

    # Detections go on to fields, and both to other programs.
    fields = tmp_path / "fields.json"
    line = ("hotspots", out / "ü.csv", slides[1], "--slide-mpp", 0.25, "--area", 0.0012, "-n", 2)
    code, _, lines = invoke(*line, "-o", fields, "--map", tmp_path / "map.png")
    assert code == 0, lines
    found = json.loads(fields.read_text(encoding="utf-8"))
    assert [field["image"] for field in found] == ["ü.png", "ü.png"]
    inside = sum(
        abs(x - found[0]["x"]) < found[0]["width"] / 2
        and abs(y - found[0]["y"]) < found[0]["height"] / 2
        for x, y in zip(tables[1]["x"], tables[1]["y"])
    )
    assert inside == found[0]["count"] >= found[1]["count"]
    assert min(Image.open(tmp_path / "map.png").size) >= 300
    code, printed, lines = invoke(*line)
    assert code == 0
    assert printed.splitlines()[0].startswith("image,x,y,label")
    (tmp_path / "fields.csv").write_text(printed, encoding="utf-8")
    code, _, lines = invoke(
        "export", tmp_path / "fields.csv", "-o", tmp_path / "f.geojson", "--as", "annotation"
    )
    assert code == 0, lines
    kinds = json.loads((tmp_path / "f.geojson").read_text(encoding="utf-8"))["features"]
    assert [feature["properties"]["objectType"] for feature in kinds] == ["annotation"] * 2

    # What was exported comes back as it was.
    both = tmp_path / "all.json"
    code, _, lines = invoke("export", out / "a b.csv", out / "ü.csv", "-o", both, "--to", "midog")
    assert (code, lines) == (0, [f"{both}: {sum(map(len, tables))} rows"])
    again = read_annotations(both)
    for name in ("image", "x", "y", "label", "probability"):
        assert again[name].tolist() == pd.concat(tables)[name].tolist()
    code, _, lines = invoke("export", both, "-o", tmp_path / "b.csv", "--image", "ü.png")
    assert code == 0, lines
    back = read_annotations(tmp_path / "b.csv")
    assert back[["x", "y"]].to_numpy().tolist() == tables[1][["x", "y"]].to_numpy().tolist()


def test_ctrl_c_leaves_status_130_and_nothing_half_written(road, tmp_path):
    # The scan stops in its second tile and waits for the signal.
    code = """if True:
        import signal, time
        from stnclf._utils import progress
        from stnclf.cli import main

        add = progress.Progress.add
        def stop(self, number, *more):
            if number:
                print("ready", flush=True)
                time.sleep(100)
            add(self, number, *more)

        progress.Progress.add = stop
        # Where tests run in the background the signal may be off.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        main()
    """
    line = [road / "model.safetensors", road / "slides" / "a b.tif", "-o", tmp_path / "x.csv"]
    line += [*SCAN, "--tile-size", 100]
    with start(code, "scan", *line) as process:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.split("\n")[-2:] == ["stnclf: interrupted", ""]
    assert os.listdir(tmp_path) == ["x.csv.progress"]


def commands_in(page):
    """Give the lines in a page's blocks that call stnclf."""
    text = (Path(stnclf.__file__).parents[1] / "docs" / page).read_text(encoding="utf-8")
    blocks = text.replace("\\\n", " ").split("```")[1::2]
    return [line for block in blocks for line in block.splitlines() if line.startswith("stnclf ")]


def test_options_in_the_table_of_the_documentation_are_those_of_the_commands():
    text = (Path(stnclf.__file__).parents[1] / "docs" / "command_line.md").read_text("utf-8")
    documented = {}
    for options, commands in re.findall(r"^\| (`--.*?) \| (`.*?) \|", text, flags=re.M):
        for option in re.findall(r"--[a-z-]+", options):
            documented.setdefault(option, set()).update(re.findall(r"`(\w+)`", commands))
    assert len(documented) > 15
    there = {option: set() for option in documented}
    for name, command in main.commands.items():
        options = {text for param in command.params for text in param.opts + param.secondary_opts}
        for option in options & {*documented}:
            there[option].add(name)
    assert documented == there


@pytest.mark.parametrize(
    ("page", "n"), [("command_line.md", 14), ("clusters.md", 2), ("../README.md", 9)]
)
def test_commands_in_the_documentation_parse(page, n):
    lines = commands_in(page)
    assert len(lines) == n
    for line in lines:
        check_parses(line)
