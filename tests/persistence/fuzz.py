"""Damage model files or checkpoints in many ways and count what loading them does.

    python -m tests.persistence.fuzz 10000 [--kind checkpoints] [--first 0] [--seed 0]
        [--workers 2] [--seconds 10]

Each file is one of a few tiny ones, changed by one of the mutations in mutations.py, and is
loaded in a worker process with a limit on time. Mutations called "signed" are what somebody could
do on purpose: they bring the digest in the file up to date. Needs Linux. Right outcomes are

the same           the change did not matter
another            a valid model, which predicts, but another one than was saved; or a valid
                   checkpoint, from which training goes on, but to another end
refused            a ValueError in one line that names the file

and everything else is a failure: other errors, a dead or hanging process, more memory than twice
the file and 100 MB (a limit on address space; the largest rise of resident memory is printed), and
code that runs, files that are written or modules that are imported during loading (seen through
Python's audit events). The exit status is 1 if there is any.
"""

import argparse
import collections
import multiprocessing
import os
import re
import resource
import sys
import tempfile
import time
import warnings
from contextlib import ExitStack, suppress
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np
import torch
from sklearn.base import clone
from skorch.callbacks import Callback

import stnclf
from stnclf.ensemble import members_of
from tests.persistence.mutations import mutate

RIGHT = ("the same", "another", "refused")
SLACK = 100 << 20
IMAGES = np.random.default_rng(0).integers(0, 256, (18, 24, 28, 3), dtype=np.uint8)
LABELS = np.array(["disc", "cross", "none"] * 6)


class Stop(Callback):
    """Stands for Ctrl-C before the second epoch."""

    def on_epoch_begin(self, net, **kwargs):
        """Interrupt."""
        if len(net.history) == 2:
            raise KeyboardInterrupt


class Models:
    """Model files; three baselines for each of the larger STN, and two of them as an ensemble."""

    def __init__(self, folder):
        self.folder = folder

    def write(self):
        """Fit and save tiny models; give their files."""
        none = {"classifier_epochs": 0, "localizer_epochs": 0, "joint_epochs": 0}
        kinds = [
            stnclf.CiresanBaseline(epochs=2, random_state=0),
            stnclf.CiresanBaseline(epochs=1, patch_size=18, random_state=np.random.RandomState(1)),
            stnclf.CiresanBaseline(epochs=1, class_weight={0: 1.0, 1: 2.0, 2: 0.5}, random_state=2),
            stnclf.STNCellClassifier(**none, random_state=3),
        ]
        for i, estimator in enumerate(kinds):
            labels = np.unique(LABELS, return_inverse=True)[1] if estimator.class_weight else LABELS
            estimator.fit(IMAGES, labels)
            stnclf.save(estimator, self.folder / f"{i}.safetensors")
        ensemble = stnclf.Ensemble([kinds[0], clone(kinds[0]).fit(IMAGES, LABELS)])
        stnclf.save(ensemble, self.folder / f"{len(kinds)}.safetensors")
        return [self.folder / f"{i}.safetensors" for i in range(len(kinds) + 1)]

    def load(self, path, number):
        """Load a file."""
        return stnclf.load(path)

    def result(self, model):
        """Probabilities for two small images; None for images that are not small, or no answer."""
        if model.n_features_in_ > 1_000_000:
            return None
        X = np.random.default_rng(0).integers(0, 256, (2, *model.image_shape_), dtype=np.uint8)
        try:
            for member in members_of(model):
                member.set_params(device="cpu")
            found = model.predict_proba(X)
        except ValueError as error:
            if "no finite result" in str(error):  # weights may be too large to compute with
                return None
            raise
        if found.shape != (2, len(model.classes_)):
            raise AssertionError(f"predicts an array of shape {found.shape}")
        return found


class Checkpoints:
    """Checkpoints of tiny trainings, with one epoch left to do."""

    def __init__(self, folder):
        none = {"classifier_epochs": 0, "localizer_epochs": 0}
        self.folder = folder
        self.kinds = [
            stnclf.CiresanBaseline(epochs=2, random_state=0),
            stnclf.CiresanBaseline(
                epochs=2, patch_size=18, random_state=1, validation_fraction=0.3
            ),
            stnclf.CiresanBaseline(epochs=3, optimizer=stnclf.Optimizer(), class_weight="balanced"),
            stnclf.STNCellClassifier(**none, joint_epochs=2, random_state=3),
        ]

    def write(self):
        """Begin trainings and stop them; give their checkpoints."""
        paths = [self.folder / f"{i}.safetensors" for i in range(len(self.kinds))]
        for path, estimator in zip(paths, self.kinds):
            kept = clone(estimator).set_params(checkpoint=path, callbacks=[Stop()])
            with suppress(KeyboardInterrupt):
                kept.fit(IMAGES, LABELS)
        return paths

    def load(self, path, number):
        """Do all that a ``fit`` does before it trains."""
        estimator = clone(self.kinds[number]).set_params(checkpoint=path)
        stages = list(estimator._stages())
        with ExitStack() as lock:
            given = IMAGES, LABELS, None, None, None
            plan, data, keeper = estimator._prepare(given, stages, lock)
        keeper.restore(estimator.net_)
        return estimator, plan, data, keeper

    def result(self, loaded):
        """Weights at the end of the training; None where its numbers are no numbers any more."""
        estimator, plan, data, keeper = loaded
        estimator.net_.device = "cpu"
        try:
            for stage, saved in keeper.left(plan):
                estimator.net_.run_stage(stage, *data, saved)
        except FloatingPointError:
            return None
        tensors = estimator.net_.module_.state_dict().values()
        return np.concatenate([tensor.double().flatten().numpy() for tensor in tensors])


KINDS = {"models": Models, "checkpoints": Checkpoints}


def memory(field):
    """One of the kernel's numbers about this process, in bytes."""
    text = Path("/proc/self/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE).group(1)) * 1024


def worker(connection, kind, paths, seed):
    """Load mutated files by number and answer with their outcomes."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    files = [path.read_bytes() for path in paths]
    target = paths[0].parent / f"mutated-{os.getpid()}.safetensors"
    seen, expected = [], []
    for i, data in enumerate(files):  # what is imported or cached the first time is so afterwards
        target.write_bytes(data)
        expected.append(kind.result(kind.load(target, i)))
    for data in (b"", b"x" * 20):
        target.write_bytes(data)
        outcome(kind, target, 0)
    watching = watch(seen, str(target.parent / ".stnclf-"))
    connection.send(None)
    while (number := connection.recv()) is not None:
        name, data, original = mutate(files, seed, number)
        target.write_bytes(data)
        allowed = 2 * len(data) + SLACK
        Path("/proc/self/clear_refs").write_text("5")
        before = memory("VmRSS")
        limit = memory("VmSize") + allowed
        seen.clear()
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        watching.append(True)
        start = time.perf_counter()
        result, loaded = outcome(kind, target, original)
        seconds = time.perf_counter() - start
        watching.clear()
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        rise = memory("VmHWM") - before
        if seen:
            result = f"ran or wrote something: {seen[0]}"
        elif loaded is not None:
            result = judge(kind, loaded, expected[original])
        del loaded
        connection.send((name, result, seconds, rise, rise - 2 * len(data)))
    target.unlink()


def watch(seen, drafts):
    """Collect what Python does, while the list that is returned holds anything.

    A ``fit`` makes and removes an empty file beside its checkpoint, to see whether it can, and
    holds a lock with the name of this machine in it.
    """
    watching = []
    unwanted = ("exec", "compile", "import", "pickle.", "marshal.", "subprocess.", "socket.")
    unwanted += ("os.", "ctypes.", "shutil.")

    def hook(event, arguments):
        if not watching:
            return
        if event in ("open", "os.remove") and str(arguments[0]).startswith(drafts):
            return
        if event == "socket.gethostname" or ".safetensors.lock" in str(arguments[:2]):
            return
        writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if event.startswith(unwanted) or writes:
            seen.append(f"{event} {str(arguments)[:200]}")

    sys.addaudithook(hook)
    return watching


def outcome(kind, path, number):
    """Load a file; give what happened, and what was loaded if anything was."""
    try:
        return None, kind.load(path, number)
    except ValueError as error:
        text = str(error)
        named = text.startswith((f"{path}: ", f"checkpoint: {path}: "))
        if type(error) is ValueError and named and "\n" not in text:
            return "refused", None
        return f"unclear ValueError: {text[:200]}", None
    except MemoryError:
        return "out of memory", None
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}", None


def judge(kind, loaded, expected):
    """Say whether what was loaded can be used, and whether as before."""
    try:
        found = kind.result(loaded)
    except Exception as error:
        return f"loaded, but {type(error).__name__}: {str(error)[:200]}"
    return RIGHT[0 if found is not None and np.array_equal(found, expected) else 1]


class Process:
    """A worker that can be replaced."""

    def __init__(self, *arguments):
        self.arguments = arguments
        self.start()

    def start(self):
        """Start it, and wait until it is ready."""
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=worker, args=(theirs, *self.arguments), daemon=True)
        self.process.start()
        theirs.close()
        self.connection.recv()
        self.number = None

    def give(self, number):
        """Have it load a mutated file."""
        self.number, self.since = number, time.monotonic()
        self.connection.send(number)

    def replace(self):
        """End it and start another."""
        self.process.kill()
        self.process.join()
        self.start()


def run(numbers, seed, n_workers, seconds, kind):
    """Try all mutated files; give (mutation, outcome, seconds, rises) by number."""
    paths = kind.write()
    files = [path.read_bytes() for path in paths]
    workers = [Process(kind, paths, seed) for _ in range(n_workers)]
    waiting, results = iter(numbers), {}

    def next_one(process):
        number = next(waiting, None)
        process.number = None
        if number is not None:
            process.give(number)

    for process in workers:
        next_one(process)
    while any(process.number is not None for process in workers):
        busy = {p.connection: p for p in workers if p.number is not None}
        for connection in wait(list(busy), timeout=0.5):
            process = busy.pop(connection)
            number = process.number
            try:
                results[number] = connection.recv()
            except EOFError:
                results[number] = (mutate(files, seed, number)[0], "dead process", 0, 0, 0)
                process.replace()
            next_one(process)
        for process in busy.values():
            late = time.monotonic() - process.since > seconds
            if late and not process.connection.poll():
                name = mutate(files, seed, process.number)[0]
                results[process.number] = (name, "hanging process", seconds, 0, 0)
                process.replace()
                next_one(process)
    for process in workers:
        process.connection.send(None)
        process.process.join()
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("n", type=int, help="number of mutated files")
    parser.add_argument("--first", type=int, default=0, help="number of the first of them")
    parser.add_argument("--kind", choices=list(KINDS), default="models")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0, help="limit for one file")
    options = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        kind = KINDS[options.kind](Path(folder).resolve())
        numbers = range(options.first, options.first + options.n)
        results = run(numbers, options.seed, options.workers, options.seconds, kind)
    counts = collections.Counter(row[1] for row in results.values())
    table = collections.Counter((row[0], row[1]) for row in results.values())
    print(f"{'mutation':24} {RIGHT[0]:>15} {RIGHT[1]:>15} {RIGHT[2]:>15}")
    for name in sorted({row[0] for row in results.values()}):
        print(f"{name:24} " + " ".join(f"{table[name, right]:15}" for right in RIGHT))
    print(f"{'all':24} " + " ".join(f"{counts[right]:15}" for right in RIGHT))
    for number, (name, result, *_) in sorted(results.items()):
        if result not in RIGHT:
            print(f"FAILED  {number} {name}: {result}")
    n_failed = sum(n for result, n in counts.items() if result not in RIGHT)
    slowest, rise, excess = (max(row[i] for row in results.values()) for i in (2, 3, 4))
    print(f"{len(results)} {options.kind}, {n_failed} failures, seed {options.seed}", end=", ")
    print(f"{time.perf_counter() - start:.0f} s")
    print(f"slowest file {slowest:.2f} s, largest rise of memory {rise / 1e6:.0f} MB", end=", ")
    print(f"beyond twice the file {excess / 1e6:.0f} MB")
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
