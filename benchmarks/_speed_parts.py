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


class Race:
    """Both methods on the same folds of BCCD, timed."""

    def __init__(self, folder):
        import protocols
        from _evaluate import folds

        self.cells, self.protocol = protocols.load(folder)
        self.folds = folds(self.cells.y, self.cells.groups, 5, 0)

    def run(self, method, fold, settings):
        """Fit on one fold; give wall and processor seconds, and the answers on its test set."""
        from _evaluate import build

        cells, (train, test) = self.cells, self.folds[fold]
        sizes = self.protocol.patch_size, self.protocol.cell_size
        estimator = build(method, *sizes, seed=0, settings=settings)
        wall, processor = time.perf_counter(), time.process_time()
        estimator.fit(cells.X[train], cells.y[train], centers=cells.centers[train])
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        return wall, processor, estimator.predict(cells.X[test])

    def score(self, answers):
        """Macro F1 over the test sets of the folds in ``answers``, a dict of fold to answers."""
        from sklearn.metrics import f1_score

        truth = np.concatenate([self.cells.y[self.folds[fold][1]] for fold in answers])
        return round(f1_score(truth, np.concatenate(list(answers.values())), average="macro"), 4)


def default_epochs():
    """Epochs of the STN's stages by default, by parameter, in their order."""
    from _evaluate import STAGE_EPOCHS

    from stnclf import STNCellClassifier

    return {name: getattr(STNCellClassifier(), name) for name in STAGE_EPOCHS}


def cross_validation(folder):
    """Time the fit of the STN's defaults and of the baseline's 200 epochs on five folds.

    They take turns, fold by fold, so that what else the machine does falls on both.
    """
    race = Race(folder)
    methods = {"ciresan": {"epochs": 200}, "stn": default_epochs()}
    times, answers = {m: [] for m in methods}, {m: {} for m in methods}
    for fold in range(len(race.folds)):
        for method, settings in methods.items():
            wall, processor, answers[method][fold] = race.run(method, fold, settings)
            times[method].append((wall, processor))
            print(fold, method, round(wall, 1), round(processor, 1), flush=True)
    rows = [
        {
            "method": method,
            **settings,
            "macro_f1": race.score(answers[method]),
            "seconds": [round(wall, 1) for wall, _ in times[method]],
            "cpu_seconds": [round(processor, 1) for _, processor in times[method]],
        }
        for method, settings in methods.items()
    ]
    return {"data": race.protocol.name, "rows": rows}


def time_to_accuracy(folder):
    """Find the shortest schedule of the STN that scores what the baseline scores in the end.

    Both learn on four folds of five of BCCD and are scored on the fifth.
    """
    race = Race(folder)

    def score(method, settings):
        wall, _, answers = race.run(method, 0, settings)
        macro_f1 = race.score({0: answers})
        row = {"method": method, **settings, "macro_f1": macro_f1, "seconds": round(wall, 1)}
        print(row, flush=True)
        return row

    rows = [score("ciresan", {"epochs": 200})]
    for share in (0.05, 0.1, 0.2, 0.4, 0.7, 1.0):
        epochs = {k: max(1, round(share * v)) for k, v in default_epochs().items()}
        rows.append(score("stn", epochs))
        if rows[-1]["macro_f1"] >= rows[0]["macro_f1"]:
            break
    return {"data": race.protocol.name, "rows": rows}
