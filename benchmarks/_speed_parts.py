"""Parts of the speed benchmark: growth with the number of images, processes, time to accuracy."""

import multiprocessing
import resource
import statistics
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

SIDE = 192


def growth(sizes):
    """Measure an epoch of the localizer for each number of images, in memory and mapped."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.npy"
        for n in sizes:
            for mapped in (False, True):
                make_images(path, n)
                context = multiprocessing.get_context("spawn")
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=epoch, args=(str(path), mapped, sender))
                process.start()
                sender.close()
                rows.append({"n": n, "mapped": mapped, **receiver.recv()})
                process.join()
                print(rows[-1], flush=True)
    return {"image_side": SIDE, "rows": rows}


def make_images(path, n):
    """Write n images of noise as one array, some at a time."""
    X = np.lib.format.open_memmap(path, "w+", np.uint8, (n, SIDE, SIDE, 3))
    rng = np.random.default_rng(0)
    for start in range(0, n, 500):
        part = X[start : start + 500]
        part[:] = rng.integers(0, 256, part.shape, dtype=np.uint8)
    X.flush()


def epoch(path, mapped, sender):
    """Train one epoch; send the seconds for an image and the memory above the start, in MB."""
    from stnclf import STNCellClassifier

    clf = STNCellClassifier(patch_size=128, balance=False, random_state=0)
    clf.set_params(localizer_epochs=1)
    little = np.random.default_rng(0).integers(0, 256, (64, SIDE, SIDE, 3), dtype=np.uint8)
    clf.fit(little, np.arange(64) % 3, stages=("localizer",))  # what is loaded once is loaded
    watch = Watch()
    X = np.load(path, mmap_mode="r" if mapped else None)
    y = np.arange(len(X)) % 3
    begin = time.perf_counter()
    clf.fit(X, y, stages=("localizer",))
    seconds = time.perf_counter() - begin
    sender.send(
        {
            "milliseconds_an_image": round(1000 * seconds / len(X), 4),
            "megabytes_above_start": round(watch.stop()),
            "of_which_X": 0 if mapped else round(X.nbytes / 2**20),
        }
    )


class Watch(threading.Thread):
    """Looks at this process's own memory, without mapped files, until it is stopped."""

    def __init__(self):
        super().__init__(daemon=True)
        self.first = self.most = anonymous()
        self.over = threading.Event()
        self.start()

    def run(self):
        """Look fifty times a second."""
        while not self.over.wait(0.02):
            self.most = max(self.most, anonymous())

    def stop(self):
        """Give the peak above the start, in MB."""
        self.over.set()
        self.join()
        return max(self.most, anonymous()) - self.first


def anonymous():
    """Pages of this process that belong to no file, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def parallel(repeats):
    """Time cross_val_score with one and with two processes, one after the other."""
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    from stnclf import CiresanBaseline, STNCellClassifier
    from stnclf.datasets import make_cells
    from stnclf.features import CellFeatures

    X, y, centers = make_cells(400, patch_size=128, offset=8, random_state=0)
    epochs = {"classifier_epochs": 8, "localizer_epochs": 6, "joint_epochs": 2}
    estimators = {
        "STN": (STNCellClassifier(**epochs, random_state=0), {"centers": centers}),
        "baseline": (CiresanBaseline(epochs=15, random_state=0), {}),
        "features + SVC": (make_pipeline(CellFeatures(), StandardScaler(), SVC()), {}),
    }
    rows = []
    for name, (estimator, params) in estimators.items():
        seconds, scores = {1: [], 2: []}, {}
        for _ in range(repeats):
            for n_jobs in seconds:
                begin = time.perf_counter()
                scores[n_jobs] = cross_val_score(
                    estimator, X, y, cv=4, params=params, n_jobs=n_jobs
                ).tolist()
                seconds[n_jobs].append(time.perf_counter() - begin)
        row = {"estimator": name, "same_scores": scores[1] == scores[2]}
        for n_jobs, values in seconds.items():
            row[f"n_jobs={n_jobs}"] = [round(f(values), 2) for f in (statistics.median, min, max)]
        rows.append(row)
        print(row, flush=True)
    return {"samples": len(X), "folds": 4, "repeats": repeats, "rows": rows}


def on_bccd(folder):
    """Give the folds of BCCD, a function that runs a method on one, and one that scores results."""
    import protocols
    from _evaluate import build, folds, joined, run_fold
    from sklearn.metrics import f1_score

    cells, protocol = protocols.load(folder, "bccd")
    sizes = protocol.patch_size, protocol.cell_size

    def run(method, settings, fold):
        return run_fold(build(method, *sizes, seed=0, settings=settings), cells, *fold)

    def macro_f1(results):
        whole = joined(results)
        return round(f1_score(cells.y[whole.test], whole.y_pred, average="macro"), 4)

    return folds(cells.y, cells.groups, 5, 0), run, macro_f1


def default_epochs():
    """Epochs of the STN's stages by default, by parameter, in their order."""
    from _evaluate import STAGE_EPOCHS

    from stnclf import STNCellClassifier

    return {name: getattr(STNCellClassifier(), name) for name in STAGE_EPOCHS}


def cross_validation(folder):
    """Time the fit of the STN's defaults and of the baseline's 200 epochs on five folds.

    They take turns, fold by fold, so that what else the machine does falls on both.
    """
    splits, run, macro_f1 = on_bccd(folder)
    methods = {"ciresan": {"epochs": 200}, "stn": default_epochs()}
    results = {method: [] for method in methods}
    for fold in splits:
        for method, settings in methods.items():
            results[method].append(run(method, settings, fold))
            print(method, round(results[method][-1].fit_seconds, 1), flush=True)
    rows = [
        {
            "method": method,
            **settings,
            "macro_f1": macro_f1(results[method]),
            "seconds": [round(result.fit_seconds, 1) for result in results[method]],
            "cpu_seconds": [round(result.fit_cpu_seconds, 1) for result in results[method]],
        }
        for method, settings in methods.items()
    ]
    return {"data": "bccd", "rows": rows}


def time_to_accuracy(folder):
    """Find the shortest schedule of the STN that scores what the baseline scores in the end.

    Both learn on four folds of five of BCCD and are scored on the fifth.
    """
    splits, run, macro_f1 = on_bccd(folder)

    def score(method, settings):
        result = run(method, settings, splits[0])
        seconds = round(result.fit_seconds, 1)
        row = {"method": method, **settings, "macro_f1": macro_f1([result]), "seconds": seconds}
        print(row, flush=True)
        return row

    rows = [score("ciresan", {"epochs": 200})]
    for share in (0.05, 0.1, 0.2, 0.4, 0.7, 1.0):
        epochs = {k: max(1, round(share * v)) for k, v in default_epochs().items()}
        rows.append(score("stn", epochs))
        if rows[-1]["macro_f1"] >= rows[0]["macro_f1"]:
            break
    return {"data": "bccd", "rows": rows}
