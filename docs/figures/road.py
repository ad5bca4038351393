"""Run docs/road.md: write what its commands say into it, and the scores after each step.

    python docs/figures/road.py FOLDER

FOLDER, a new one, keeps slides, patches, models and detections. All of it takes twelve minutes of
CPU time.
"""

import contextlib
import io
import json
import os
import re
import shlex
import sys
from pathlib import Path

from stnclf.cli import main

DOCS = Path(__file__).resolve().parents[1]
PAGE = DOCS / "road.md"
BLOCK = re.compile(r"^```(?P<kind>python|console)\n(?P<text>.*?)^```$", re.M | re.S)
COMMAND = re.compile(r"^\$ (?:.*\\\n)*.*$", re.M)
#: Commands that would write a line a minute.
LONG = ("patches", "train", "mine", "scan")
STEPS = {
    "cells alone": "cells",
    "with background": "background",
    "with its worst mistakes": "mined",
    "with a threshold of its own": "new",
}


def run(command):
    """Run a command line of stnclf; return what it says."""
    out = io.StringIO()
    words = shlex.split(command.replace("\\\n", " "))[2:]
    words += ["--no-progress"] if words[0] in LONG else []
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            main(words)
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"{command}\n{out.getvalue()}") from end
    print(f"{command}\n{out.getvalue()}", flush=True)
    return out.getvalue().rstrip("\n")


def fill(found):
    """Run a block of the page; return it with what its commands say."""
    if found["kind"] == "python":
        exec(found["text"], {"__name__": "page"})
        return found[0]
    said = [f"{line[0]}\n{run(line[0])}" for line in COMMAND.finditer(found["text"])]
    text = "\n\n".join(part.rstrip("\n") for part in said)
    return f"```console\n{text}\n```"


def steps():
    """Lay out the scores after each step."""
    rows = ["| step | precision | recall | F1 | AP |", "| --- | ---: | ---: | ---: | ---: |"]
    average_precision = None
    for step, name in STEPS.items():
        (score,) = json.loads(Path(f"{name}.json").read_text(encoding="utf-8"))["pooled"].values()
        if name != "new":  # that table ends at the threshold
            average_precision = score["average_precision"]
        numbers = [score["precision"], score["recall"], score["f1"], average_precision]
        rows.append(f"| {step} | {' | '.join(f'{number:.3f}' for number in numbers)} |")
    return "\n".join(rows)


def make(folder):
    """Run the page in a folder."""
    folder.mkdir()
    os.chdir(folder)
    text = BLOCK.sub(fill, PAGE.read_text(encoding="utf-8"))
    begin, end = "<!-- steps: made by docs/figures/road.py -->\n", "<!-- end of steps -->"
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    PAGE.write_text(f"{before}{begin}\n{steps()}\n\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
