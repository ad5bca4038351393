"""Run the tutorial on real images, and write its page with what it printed.

    python benchmarks/tutorial.py --data FOLDER [--threads N] [--quick]
    python benchmarks/tutorial.py --page-only

docs/tutorial.py is a notebook kept as text (jupytext's percent format). It is run as a notebook, in
a folder of its own that links to those in FOLDER: BCCD_Dataset and AMi-Br_Benchmark, as their
authors publish them. The text that it prints is stored with the machine in
benchmarks/results/tutorial.json, and docs/tutorial.md is made of both. Pictures are not kept.
``--quick`` trains for one epoch on few cells, and stores nothing. Needs the extra [docs].
"""

import argparse
import os
import re
import resource
import sys
import tempfile
import time
from pathlib import Path

import jupytext
from _run import DOCS, RESULTS, ROOT, Store

from stnclf._utils.files import write_atomically

SOURCE, PAGE = DOCS / "tutorial.py", DOCS / "tutorial.md"
DATA = ("BCCD_Dataset", "AMi-Br_Benchmark")
NOTE = "<!-- made by benchmarks/tutorial.py of tutorial.py: change that, and not this page -->"
#: Lines of an output that the page shows; of a longer one, the first of them.
MOST, FIRST = 24, 16
#: Photographs of a short run.
FEW = "1 258 19 30 39 48 58 69 78 90"
#: What lines of pictures and of progress look like.
NOISE = re.compile(r"<Figure size .*>|.*\d+%\|.*|stage \w+: epoch .*|fold .* left.*")


def main(arguments=None):
    line = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    line.add_argument("--data", type=Path, help="folder that holds both data sets")
    line.add_argument("--threads", type=int, help="threads of torch and of NumPy")
    line.add_argument("--quick", action="store_true", help="try it out, store nothing")
    line.add_argument("--page-only", action="store_true", help="run nothing, write the page")
    options = line.parse_args(arguments)
    store = Store(RESULTS / "tutorial.json", ("code",))
    if not options.page_only:
        if options.data is None:
            raise SystemExit("--data is needed, unless --page-only is given")
        if options.quick:
            measure(options.data, print, quick=True, threads=options.threads)
            return
        store.rows.clear()
        store.write()
        store.note("run", measure(options.data, store.put, threads=options.threads))
    write_atomically(PAGE, page(store).encode())


def notebook():
    return jupytext.read(SOURCE)


def shortened(text):
    """Replace the numbers of what takes long by small ones."""
    text = re.sub(r"(epochs[= ])\d+", r"\g<1>1", text)
    text = re.sub(r"(--background )\d+", r"\g<1>10", text)
    text = re.sub(r"(split\[::)\d+", r"\g<1>60", text)
    text = text.replace("if name not in", "if name.endswith('1.png') and name not in")
    # The second one is for the test, and shown.
    return re.sub(r'numbers = """.*?"""', f'numbers = "{FEW}"', text, flags=re.DOTALL)


def measure(data, keep, *, quick=False, threads=None):
    """Run the notebook; what it took.

    ``keep`` is called with a row for each cell of code: its code and what it printed.
    """
    from nbclient import NotebookClient

    made = notebook()
    sources = [cell.source for cell in made.cells]
    if quick:
        for cell in made.cells:
            cell.source = shortened(cell.source)
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)
    # The command `stnclf` of this Python, and this checkout.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    os.environ["PYTHONPATH"] = str(ROOT)

    def executed(cell, cell_index, **_):
        if cell.cell_type == "code":
            keep({"code": sources[cell_index], "output": printed(cell)})

    start, cpu = time.perf_counter(), cpu_seconds()
    with tempfile.TemporaryDirectory() as folder:
        for name in DATA:
            Path(folder, name).symlink_to((data / name).resolve(), target_is_directory=True)
        client = NotebookClient(
            made,
            timeout=None,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            on_cell_executed=executed,
        )
        client.execute()
    seconds = {"wall": time.perf_counter() - start, "CPU": cpu_seconds() - cpu}
    return {f"{name} seconds": round(value) for name, value in seconds.items()}


def cpu_seconds():
    """CPU time of the processes that have ended: the notebook's, and those that it began."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def printed(cell):
    """Return what a cell printed and its result as text, without pictures and progress."""
    parts = []
    for output in cell.outputs:
        if output.output_type == "error":
            raise SystemExit(f"{cell.source}\n{output['ename']}: {output['evalue']}")
        text = output["text"] if output.output_type == "stream" else output["data"]["text/plain"]
        parts.append(text if text.endswith("\n") else text + "\n")
    # What a line was before it was written over.
    lines = "".join(parts).replace("\r\n", "\n").split("\n")
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in lines]
    lines = [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line).rstrip() for line in lines]
    return "\n".join(line for line in lines if not NOISE.fullmatch(line)).strip("\n")


def cut(output):
    """Leave out the end of a long output, and say so."""
    lines = output.split("\n")
    if len(lines) <= MOST:
        return output
    return "\n".join([*lines[:FIRST], f"... {len(lines) - FIRST} more lines"])


def page(store):
    """Write the page: text, code and what it printed."""
    stored = {row["code"]: row["output"] for row in store.rows}
    parts = [NOTE]
    for cell in notebook().cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        if cell.source.startswith("!"):
            parts.append(f"```console\n{re.sub('^!', '$ ', cell.source, flags=re.M)}\n```")
        else:
            parts.append(f"<!-- not run: needs the data sets -->\n\n```python\n{cell.source}\n```")
        if stored.get(cell.source):
            parts.append(f"```text\n{cut(stored[cell.source])}\n```")
    if store.rows:
        run = store.data["run"]
        parts.append(
            f"## This run\n\n{store.where(store.rows)} All of it took {run['CPU seconds']} s of "
            "CPU time. `python benchmarks/tutorial.py --data FOLDER` made this page."
        )
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
