"""What the comparisons share: methods, folds, and the measurement of one fold."""

import time
from dataclasses import dataclass, replace

import numpy as np
from _run import made
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.validation import has_fit_parameter

from stnclf import PAPER, CiresanBaseline, STNCellClassifier
from stnclf.geometry import window_corners
from stnclf.networks import FixedLocalizer, STNNet, WindowClassifier

METHODS = (
    *("stn", "stn-absent", "cnn", "cnn-128", "cnn-160"),
    *("stn-paper", "stn-paper-full", "ciresan", "ciresan-full", "svc", "rf"),
)
STAGE_EPOCHS = ("classifier_epochs", "localizer_epochs", "joint_epochs")


def build(method, patch_size, cell_size, *, seed, settings=None, n_jobs=1):
    """Make an untrained estimator for one data set.

    Parameters
    ----------
    method : {"stn", "stn-absent", "cnn", "cnn-128", "cnn-160", "stn-paper", \
"stn-paper-full", "ciresan", "ciresan-full", "svc", "rf"}
        The network with a localizer; the same, told in which patches no cell is meant; a modern
        network on the whole patch, trained with the same augmentation and optimiser, which sees it
        at 64, 128 or 160 px; the STN as published in 2017, and its plain network, for as many
        epochs as a table gives them or for all of the paper's; or hand-crafted features under a
        support vector machine or a random forest.
    patch_size, cell_size : int
        Pixels.
    seed : int
        ``random_state`` of the estimator.
    settings : dict, default=None
        Parameters of the estimator that differ from its own defaults. With ``"grid"``, a dict of
        lists, a machine on hand-crafted features is tuned for ``"scoring"`` on each training set,
        by a search whose folds share no group either.
    n_jobs : int, default=1
        Processes for the random forest.
    """
    settings = dict(settings or {})
    sizes = {"patch_size": patch_size, "cell_size": cell_size, "random_state": seed}
    if method in _CHANGES:
        return made(STNCellClassifier, **{**_CHANGES[method], **sizes, **settings})
    one_stage = {**sizes, "localizer_epochs": 0, "joint_epochs": 0}
    if method in _WHOLE_PATCH:
        # These two do nothing here; they keep what is stored of a run from looking outdated.
        unused = {"classifier": "context", "optimizer__lr": (3e-3, 3e-3, 1e-4)}
        return made(_WHOLE_PATCH[method], **{**one_stage, **unused, **settings})
    if method in ("ciresan", "ciresan-full"):
        return made(CiresanBaseline, **{**sizes, **settings})
    from stnclf.features import CellFeatures

    grid, scoring = settings.pop("grid", None), settings.pop("scoring", None)
    if method == "svc":
        chosen = {"class_weight": "balanced", "random_state": seed, **settings}
        scaler, machine = [StandardScaler()], SVC(**chosen)
    elif method == "rf":
        chosen = {"n_estimators": 500, "class_weight": "balanced_subsample", "n_jobs": n_jobs}
        scaler, machine = [], RandomForestClassifier(**{**chosen, "random_state": seed, **settings})
    else:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}.")
    if grid:
        inner = StratifiedGroupKFold(3, shuffle=True, random_state=seed)
        machine = GridSearchCV(machine, grid, scoring=scoring, cv=inner, error_score="raise")
    return make_pipeline(CellFeatures(patch_size=patch_size), *scaler, machine)


def title(method, settings=None):
    """Name a method in a table, with what differs from the paper or from the defaults."""
    names = {
        "stn": "STN",
        "stn-absent": "STN, told where no cell is meant",
        "cnn": "modern CNN on the whole patch",
        "cnn-128": "modern CNN on the whole patch, seen at 128 px",
        "cnn-160": "modern CNN on the whole patch, seen at 160 px",
        "ciresan": "CNN baseline (Ciresan)",
        "svc": "features + SVC",
        "rf": "features + random forest",
    }
    settings = dict(settings or {})
    if settings.pop("grid", None):
        return f"{title(method, settings)}, tuned"
    scale = settings.pop("augment__scale", 0.0)
    if scale:
        return f"{title(method, settings)}, augment__scale={scale}"
    if method == "stn" and set(STAGE_EPOCHS) <= set(settings):
        return f"STN, {'/'.join(str(settings[key]) for key in STAGE_EPOCHS)} epochs"
    method = method.replace("ciresan-full", "ciresan")
    if method == "ciresan" and "epochs" in settings:
        return f"{names[method]}, {settings['epochs']} epochs"
    if method not in ("stn-paper", "stn-paper-full"):
        return names[method]
    published = [PAPER[key] for key in STAGE_EPOCHS]
    used = [settings.get(key, PAPER[key]) for key in STAGE_EPOCHS]
    if used == published:
        return "STN as published"
    short, full = ("/".join(map(str, epochs)) for epochs in (used, published))
    return f"STN as published, {short} of {full} epochs"


class WholePatch(STNCellClassifier):
    """Control: a modern network on the whole patch, with all that the STN's classifier has.

    Four blocks on a view of 64 px of the patch, as large as the one that the STN's networks share,
    up to the same number of maps; the same offsets, rotations, jitter and optimiser.
    """

    _view, _stem = 64, 0

    def _stages(self):
        stages = super()._stages()
        stages["classifier"] = replace(stages["classifier"], classifies="window")
        return stages

    def _build(self, frame, n_channels, n_classes, mean, std):
        widths = (16, 32, 64, 128)
        network = WindowClassifier(
            n_channels, n_classes, scales=(1.0,), view=self._view, widths=widths, stem=self._stem
        )
        module = STNNet(FixedLocalizer(), network, frame.patch, frame.patch, mean, std)
        self._set_up(module)
        return module


class WholePatch128(WholePatch):
    """The same on a view of 128 px, which a first convolution of stride two halves."""

    _view, _stem = 128, 16


class WholePatch160(WholePatch):
    """The same on a view of 160 px."""

    _view, _stem = 160, 16


#: What the methods with a localizer change of the default.
_CHANGES = {
    "stn": {},
    "stn-absent": {},
    "stn-paper": PAPER,
    "stn-paper-full": PAPER,
}
_WHOLE_PATCH = {"cnn": WholePatch, "cnn-128": WholePatch128, "cnn-160": WholePatch160}


@dataclass
class FoldResult:
    """Predictions of one method for the held-out samples of one fold.

    Attributes
    ----------
    test : ndarray of shape (n_test,)
        Indices of the samples.
    y_pred : ndarray of shape (n_test,)
        Predicted classes.
    proba : ndarray of shape (n_test, n_classes) or None
        Probabilities, columns in the order of all classes of the data set.
    centers : ndarray of shape (n_test, 2) or None
        Predicted centres, ``(x, y)`` in pixels of the image.
    corners : ndarray of shape (n_test, 4, 2) or None
        Corners of the chosen windows, likewise.
    fit_seconds, predict_seconds : float
        Wall time of training, and of predicting the test samples.
    fit_cpu_seconds : float
        CPU time of training, of all threads: what else runs does not change it.
    """

    test: np.ndarray
    y_pred: np.ndarray
    proba: np.ndarray | None
    centers: np.ndarray | None
    corners: np.ndarray | None
    fit_seconds: float
    predict_seconds: float
    fit_cpu_seconds: float


def folds(y, groups, n_splits, seed):
    """List (train, test) indices; classes are balanced, and no group is in both."""
    splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(y)), y, groups))


def fit_timed(estimator, X, y, centers, groups):
    """Train an estimator with what its ``fit`` takes; return wall time and CPU time in seconds."""
    known = {"centers": centers} if has_fit_parameter(estimator, "centers") else {}
    if "gridsearchcv" in getattr(estimator, "named_steps", ()):
        known["gridsearchcv__groups"] = groups
    start, cpu_start = time.perf_counter(), time.process_time()
    estimator.fit(X, y, **known)
    return time.perf_counter() - start, time.process_time() - cpu_start


def run_fold(estimator, cells, train, test):
    """Train on one part of a `CellSet` and predict the other.

    The true centres of the test samples are shown to no estimator.
    """
    seconds = fit_timed(estimator, *(values[train] for values in cells))
    fitted = time.perf_counter()
    X, proba = cells.X[test], None
    if hasattr(estimator, "predict_proba"):
        # One pass gives both; predict would only take the class of the largest column.
        found = estimator.predict_proba(X)
        y_pred = estimator.classes_[found.argmax(axis=1)]
        # A rare class may be missing from the training part.
        classes = np.unique(cells.y)
        proba = np.zeros((len(test), len(classes)))
        proba[:, np.searchsorted(classes, estimator.classes_)] = found
    else:
        y_pred = estimator.predict(X)
    predicted = time.perf_counter()

    centers = corners = None
    if hasattr(estimator, "transform"):
        centers = np.asarray(estimator.transform(X))
    if hasattr(estimator, "localize"):
        corners = window_corners(estimator.localize(X), estimator.patch_size_, X.shape[1:3])
    times = (seconds[0], predicted - fitted, seconds[1])
    return FoldResult(test, y_pred, proba, centers, corners, *times)


def joined(results):
    """Concatenate the test vectors of all folds, as the paper does; times are sums."""

    def chain(name):
        parts = [getattr(result, name) for result in results]
        return None if parts[0] is None else np.concatenate(parts)

    vectors = [chain(name) for name in ("test", "y_pred", "proba", "centers", "corners")]
    names = ("fit_seconds", "predict_seconds", "fit_cpu_seconds")
    times = [sum(getattr(result, name) for result in results) for name in names]
    return FoldResult(*vectors, *times)
