"""The one way in which benchmarks run, resume, store what they found and write their pages.

Results are one JSON file for each benchmark: ``data`` (facts by name), ``environments`` and
``rows``. A row names the commit and the environment that made it. It is written as soon as it is
measured, and a later run computes only what is missing or was made with other settings.

The generated part of a page of the documentation stands between two comments, ``<!-- NAME: made by
benchmarks/SCRIPT.py -->`` and ``<!-- end of NAME -->``; what is around them is written by hand.
"""

import argparse
import fcntl
import json
import os
import platform
import re
import subprocess
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch

from stnclf._utils.checks import uses_bfloat16
from stnclf._utils.files import write_atomically
from stnclf._utils.printable import counted

ROOT = Path(__file__).resolve().parents[1]
RESULTS, DOCS = ROOT / "benchmarks" / "results", ROOT / "docs"
PACKAGES = ("stnclf", "torch", "skorch", "scikit-learn", "numpy", "scikit-image", "pillow")
HEADLINES = {"macro_f1": "macro F1", "balanced_accuracy": "balanced accuracy"}

#: Parameters that cannot change a result.
WITHOUT_EFFECT = ("mpp", "n_jobs", "verbose", "steps", "memory")
#: Earlier names of parameters in stored rows.
RENAMED = {
    "rotate": "augment__rotate",
    "flip": "augment__flip",
    "scale_jitter": "augment__scale",
    "color_jitter": "augment__color",
    "center_jitter": "augment__center",
    "schedule": "optimizer__schedule",
    "weight_decay": "optimizer__weight_decay",
}
#: What a parameter was for a row that does not name it, since it came later (or went).
LATER = {
    "augment__flip": False,
    "augment__scale": 0.0,
    "augment__color": 0.0,
    "augment__center": 0.0,
    "augment__stain": 0.0,
    "callbacks": None,
    "checkpoint": None,
    "class_maps": False,
    "compile": False,
    "init": None,
    "label_smoothing": 0.0,
    "n_glimpses": 1,
    "n_iter_no_change": 10,
    "precision": "auto",
    "tta": False,
}


def parser(doc, out, **defaults):
    """Make the command line that all benchmarks share; `defaults` are of its options."""
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--data", type=Path, help="folder that holds the data")
    made.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="SEED")
    made.add_argument("--threads", type=int, help="threads of torch")
    made.add_argument("--max-samples", type=int, metavar="N", help="try things out on fewer cells")
    made.add_argument("--out", type=Path, default=RESULTS / out, help="JSON file to add to")
    made.add_argument("--page-only", action="store_true", help="measure nothing, write the page")
    made.set_defaults(**defaults, kept=RESULTS / out)
    return made


def carry_out(options, key, measure, sections, page):
    """Measure what is missing, print the tables, and write the page of the stored results.

    ``measure(options, store)`` puts rows into the store, which knows them by `key`;
    ``sections(store)`` returns Markdown by the name of its place in `page`, a file in docs, which
    is written unless ``--out`` is given.
    """
    if options.threads:
        torch.set_num_threads(options.threads)
    store = Store(options.out, key)
    if not options.page_only:
        measure(options, store)
    made = sections(store)
    print("\n\n".join(made.values()), flush=True)
    if options.out == options.kept:
        fill(DOCS / page, made)


def needs_data(options):
    if options.data is None:
        raise SystemExit("--data is needed, unless --page-only is given")
    if not options.data.is_dir():
        raise SystemExit(f"--data: there is no folder {str(options.data)!r}")


class Store:
    """Rows of one benchmark in a JSON file, which is replaced as a whole after each of them.

    Parameters
    ----------
    path : path-like
        The file; it need not exist.
    key : tuple of str
        The fields that identify a row. A row that lacks one counts as having None.

    Attributes
    ----------
    data : dict
        What is known about the data or the run, by name.
    environments : list of dict
        Machines and versions.
    rows : list of dict
        Measurements; ``environment`` is an index of `environments`.
    """

    def __init__(self, path, key):
        self.path, self.key = Path(path), key
        self.read()

    def read(self):
        found = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}
        self.data = found.get("data", {})
        self.environments = found.get("environments", [])
        self.rows = found.get("rows", [])

    def find(self, row):
        """Find the stored row with the key of this one, or None."""
        wanted = [row.get(name) for name in self.key]
        return next((r for r in self.rows if [r.get(name) for name in self.key] == wanted), None)

    def is_done(self, row):
        """Whether a row with this key was measured with the same settings."""
        stored = self.find(row)
        return stored is not None and canonical(stored.get("settings", {})) == canonical(
            row.get("settings", {})
        )

    def put(self, row):
        """Store a row in the place of the one with its key."""
        with self.updating():
            here, stored = environment(), self.find(row)
            if here not in self.environments:
                self.environments.append(here)
            row = {**row, "commit": commit(), "environment": self.environments.index(here)}
            if stored is None:
                self.rows.append(row)
            else:
                self.rows[self.rows.index(stored)] = row

    def note(self, name, facts):
        """Store facts under a name."""
        with self.updating():
            self.data[name] = facts

    @contextmanager
    def updating(self):
        """Read what other processes have stored meanwhile, and write the change before they do."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            self.read()
            yield
            self.write()
        finally:
            os.close(folder)

    def write(self):
        """Replace the file, a line for each row."""
        parts = {"data": self.data, "environments": self.environments, "rows": self.rows}
        lines = {
            name: json.dumps(part, indent=1)
            if isinstance(part, dict)
            else "[\n" + ",\n".join(map(json.dumps, part)) + "\n]"
            for name, part in parts.items()
        }
        text = ",\n".join(f'"{name}": {part}' for name, part in lines.items())
        write_atomically(self.path, f"{{\n{text}\n}}\n".encode())

    def where(self, rows, name=None):
        """Say on which machines and commits rows were measured; with ``name(row)``, which where."""
        machines = {}
        for row in rows:
            machine = machine_of(self.environments[row["environment"]])
            machines.setdefault(machine, {})[name(row) if name else ""] = None
        commits = ", ".join(sorted({str(row["commit"])[:10] for row in rows}))
        if len(machines) == 1 or name is None:
            return f"{'; '.join(machines)}; commit {commits}."
        which = "; ".join(f"{machine} ({'; '.join(names)})" for machine, names in machines.items())
        return f"{which}; commit {commits}. Times on different machines do not compare."


def machine_of(environment):
    torch_version = environment["versions"]["torch"].split("+")[0]
    name, threads = environment.get("gpu") or environment["cpu"], environment["threads"]
    name = f"{name} with bfloat16" if environment.get("bfloat16") else name
    return f"{name}, {counted(threads, 'thread')}, torch {torch_version}"


def canonical(settings):
    """Write parameters in one way, whatever their names were when a row was stored."""
    known = {RENAMED.get(name, name): value for name, value in settings.items()}
    rates = known.pop("optimizer__lr", None)
    if rates is not None:
        names = ("lr",) if len(rates) == 1 else ("classifier_lr", "localizer_lr", "joint_lr")
        known |= dict(zip(names, rates))
    if known.get("classifier") in ("auto", "shared"):
        known["classifier"] = "context" if known.get("localizer") == "dense" else "shared"
    unlike = {name: v for name, v in known.items() if name not in LATER or v != LATER[name]}
    return json.loads(json.dumps(unlike, sort_keys=True))


def made(kind, **settings):
    """Make an estimator; settings of its objects are named as ``augment__flip``."""
    parts = {name: settings.pop(name) for name in list(settings) if "__" in name}
    estimator = kind(**settings)
    objects = {name: estimator._named(name) for name in ("augment", "optimizer")}
    return estimator.set_params(**objects).set_params(**parts)


def parameters(estimator):
    """All parameters of an estimator that JSON can hold: what its result depends on."""
    plain = (int, float, str, tuple, list, dict, type(None))
    given = estimator.get_params()
    for name in ("augment", "optimizer") if "augment" in given else ():
        parts = estimator._named(name).get_params()
        given |= {f"{name}__{part}": value for part, value in parts.items()}
        del given[name]
    if "optimizer__lr" in given:
        given["optimizer__lr"] = estimator._rates()
    found = {
        name: value
        for name, value in given.items()
        if isinstance(value, plain) and name.rsplit("__")[-1] not in WITHOUT_EFFECT
    }
    return json.loads(json.dumps(found, sort_keys=True))


def fill(page, sections):
    """Write the generated sections into a page."""
    write_atomically(page, filled(page.read_text(encoding="utf-8"), sections).encode())


def filled(text, sections):
    """Put the generated sections into their places in a page."""
    for name, section in sections.items():
        marks = rf"(<!-- {name}: made by \S+ -->\n).*?(<!-- end of {name} -->)"
        # A function, so that nothing in the section is taken for a reference to a group.
        text, n = re.subn(
            marks, lambda m, s=section: f"{m[1]}\n{s}\n\n{m[2]}", text, flags=re.DOTALL
        )
        if n != 1:
            raise ValueError(f"the page has {n} places for {name!r}, wants one")
    return text


def table(header, rows):
    """Markdown; columns of words are aligned to the left, as the first one, others to the right."""
    words = [k == 0 or any(str(row[k])[:1].isalpha() for row in rows) for k in range(len(header))]
    lines = [header, ["---" if is_text else "---:" for is_text in words], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def mean_and_range(values, digits=3):
    """Write the mean, and the least and the largest if there are several."""
    values = [float(value) for value in values]
    mean = f"{np.mean(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def seconds(values):
    """Write times of folds: the mean, and the range where machines must have differed."""
    values = list(values)
    spread = max(values) > 1.5 * min(values)
    return mean_and_range(values, 0) if spread else f"{np.mean(values):.0f}"


def environment():
    """Describe the machine and the versions of what is measured with."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return {
        "cpu": _cpu(),
        # Chips of one name may differ in it, and with it take half of the time.
        "bfloat16": uses_bfloat16("auto", "cpu"),
        "n_cpus": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "versions": versions,
    }


def commit():
    """Name the commit that runs, with ``-dirty`` where its code was changed; None if unknown."""
    # Stored results are left out: they change while the code that makes them does not.
    state = ["git", "status", "--porcelain", "--", "stnclf", "benchmarks/*.py", "examples"]
    try:
        head, changes = (
            subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
            for command in (["git", "rev-parse", "--short=12", "HEAD"], state)
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.strip() + ("-dirty" if changes.strip() else "")


def _cpu():
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
