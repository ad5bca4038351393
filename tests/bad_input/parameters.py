"""Parameters of the estimators that `fit` does not take."""

from __future__ import annotations

import re

import numpy as np
from skorch.callbacks import EpochTimer

from stnclf import Augmentation, Optimizer

from . import N, case, check_message

BAD_PARAMETERS = [
    case(
        "patch_size: larger than high",
        ValueError,
        r"\(25, 25\).*larger than.*\(24, 36\)",
        patch_size=25,
    ),
    case(
        "patch_size: width first",
        ValueError,
        r"\(36, 24\).*larger than.*\(24, 36\)",
        patch_size=(36, 24),
    ),
    case("patch_size: zero", ValueError, "Got 0", patch_size=0),
    case("patch_size: negative", ValueError, "Got -3", patch_size=-3),
    case("patch_size: a zero in it", ValueError, r"\(8, 0\), wants", patch_size=(8, 0)),
    case("patch_size: three", ValueError, r"\(8, 8, 3\), wants a positive", patch_size=(8, 8, 3)),
    case("patch_size: empty", ValueError, r"\(\), wants a positive", patch_size=()),
    case("patch_size: half a pixel", ValueError, "Got 8.5", patch_size=8.5),
    case(
        "patch_size: floats", ValueError, r"\(8\.0, 8\.0\), wants a positive", patch_size=(8.0, 8.0)
    ),
    case("patch_size: a word", ValueError, "Got '8'", patch_size="8"),
    case(
        "cell_size: larger than the images",
        ValueError,
        r"\(30, 30\).*larger.*\(24, 36\)",
        cell_size=30,
    ),
    case(
        "cell_size: larger than the patch",
        ValueError,
        r"\(20, 20\).*larger than the patch, \(16, 16\)",
        cell_size=20,
        patch_size=16,
    ),
    case("cell_size: zero", ValueError, "Got 0", cell_size=0),
    case("cell_size: negative", ValueError, r"\(4, -4\), wants a positive", cell_size=(4, -4)),
    case(
        "image_shape: width first", ValueError, r"24 x 36.*\(36, 24, 3\)", image_shape=(36, 24, 3)
    ),
    case("image_shape: no channels", ValueError, r"24 x 36.*\(24, 36, 1\)", image_shape=(24, 36)),
    case(
        "image_shape: of other rows",
        ValueError,
        r"rows of 2592 values.*\(24, 36, 1\), which takes 864",
        X=lambda r: r.rows,
        image_shape=(24, 36),
    ),
    case("image_shape: one number", ValueError, r"\(24,\), wants", image_shape=(24,)),
    case("image_shape: four numbers", ValueError, r"3, 1\), wants", image_shape=(24, 36, 3, 1)),
    case(
        "image_shape: a zero", ValueError, r"\(24, 36, 0\), wants positive", image_shape=(24, 36, 0)
    ),
    case(
        "image_shape: floats", ValueError, r"36\.0.*wants positive int", image_shape=(24, 36.0, 3)
    ),
    case("image_shape: a number", ValueError, "Got 24", image_shape=24),
    case("image_shape: a word", ValueError, "Got '24x36'", image_shape="24x36"),
    case("batch_size: zero", ValueError, r"Got 0", batch_size=0),
    case("batch_size: half", ValueError, r"Got 2\.5", batch_size=2.5),
    case("batch_size: None", ValueError, "Got None", batch_size=None),
    case("validation_fraction: zero", ValueError, "Got 0", validation_fraction=0),
    case("validation_fraction: one", ValueError, "Got 1", validation_fraction=1),
    case("validation_fraction: more than all", ValueError, r"Got 1\.5", validation_fraction=1.5),
    case(
        "validation_fraction: too little",
        ValueError,
        "test_size.*classes = 2",
        validation_fraction=0.01,
    ),
    case("validation_fraction: too much", ValueError, "train set.*empty", validation_fraction=0.99),
    case(
        "validation_fraction: a single sample of a class",
        ValueError,
        "only 1 member.*wants samples of each class",
        y=["a"] * (N - 1) + ["b"],
        validation_fraction=0.5,
    ),
    case(
        "class_weight: unknown label",
        ValueError,
        r"\['cross', 'disc'\]",
        class_weight={"mitosis": 2},
    ),
    case("class_weight: negative", ValueError, "got -1 for 'disc'", class_weight={"disc": -1}),
    case("class_weight: NaN", ValueError, "got nan for 'disc'", class_weight={"disc": np.nan}),
    case("class_weight: infinite", ValueError, "got inf for 'disc'", class_weight={"disc": np.inf}),
    case("class_weight: text", ValueError, "got '2' for 'disc'", class_weight={"disc": "2"}),
    case(
        "class_weight: None in it", ValueError, "got None for 'disc'", class_weight={"disc": None}
    ),
    case("class_weight: a word", ValueError, "Got 'even'", class_weight="even"),
    case("class_weight: a list", ValueError, r"Got \[1, 2\]", class_weight=[1, 2]),
    case("balance: unknown", ValueError, "'fixed'.*Got 'all'", balance="all"),
    case("augment: unknown", ValueError, "'default'.*Got 'none'", augment="none"),
    case("augment: a dict", ValueError, "Augmentation.*Got {'flip'", augment={"flip": True}),
    case("augment: a class", ValueError, "Augmentation.*Got <class", augment=Augmentation),
    *(
        case(
            f"augment: {name}={value!r}",
            ValueError,
            rf"'{name}' parameter of Augmentation.*Got {re.escape(repr(value))}",
            augment=Augmentation(**{name: value}),
        )
        for name, value in [
            ("rotate", "no"),
            ("rotate", 90),
            ("flip", "x"),
            ("scale", 1.0),
            ("color", -0.1),
            ("center", np.nan),
        ]
    ),
    case("optimizer: unknown", ValueError, "'paper'.*Got 'sgd'", optimizer="sgd"),
    case("optimizer: None", ValueError, "Optimizer.*Got None", optimizer=None),
    *(
        case(
            f"optimizer: {name}={value!r}",
            ValueError,
            f"'{name}' parameter of Optimizer.*Got {re.escape(repr(value))}",
            optimizer=Optimizer(**{name: value}),
        )
        for name, value in [
            ("lr", 0),
            ("lr", -1e-3),
            ("lr", np.nan),
            ("lr", np.inf),
            ("lr", "auto"),
            ("schedule", "cosine"),
            ("weight_decay", -1),
        ]
    ),
    *(
        case(
            f"optimizer: lr={value!r}",
            ValueError,
            rf"optimizer: got lr={re.escape(repr(value))}, wants a positive number, or [13], one",
            optimizer=Optimizer(lr=value),
        )
        for value in ((1e-3, 1e-3), (), [1e-3, 0, 1e-3], [0], ("a", "b", "c"), (np.inf,))
    ),
    case("device: unknown", ValueError, "'gpu', wants 'auto', 'cpu', 'cuda' or", device="gpu"),
    case("device: no number", ValueError, "'cuda:x', wants 'auto', 'cpu'", device="cuda:x"),
    # torch knows these, but they cannot train here.
    case("device: meta", ValueError, "'meta', wants 'auto', 'cpu', 'cuda' or", device="meta"),
    case("device: empty", ValueError, "'', wants 'auto', 'cpu', 'cuda' or", device=""),
    case("device: a number", ValueError, "Got 0", device=0),
    case("random_state: a word", ValueError, "Got 'zero'", random_state="zero"),
    case("random_state: negative", ValueError, "Got -1", random_state=-1),
    case("random_state: a Generator", ValueError, "Got Gen", random_state=np.random.default_rng(0)),
    case("callbacks: one", ValueError, "list.*Got <", callbacks=lambda r: EpochTimer()),
    case("callbacks: a word", ValueError, "list.*Got 'disable'", callbacks="disable"),
    case(
        "callbacks: words",
        TypeError,
        r"\[0\]: got 'log', wants a skorch Callback",
        callbacks=["log"],
    ),
    case(
        "callbacks: None in it", TypeError, r"\[1\]: got None, wants", callbacks=[EpochTimer, None]
    ),
    case(
        "callbacks: a function",
        TypeError,
        r"\[0\]: got <function",
        callbacks=[print, check_message][1:],
    ),
    case("callbacks: another class", TypeError, r"\[0\]: got .*int.*, wants", callbacks=[int]),
    case("callbacks: pair of words", TypeError, r"\[0\]: got \('a', 'b'\)", callbacks=[("a", "b")]),
    case("callbacks: three", TypeError, r"\[0\]: got \('a', ", callbacks=[("a", EpochTimer, 3)]),
    case("callbacks: no name", TypeError, r"\[0\]: got \(3, ", callbacks=[(3, EpochTimer)]),
    case("callbacks: name twice", ValueError, "'a'.*differ", callbacks=[("a", EpochTimer)] * 2),
    case(
        "callbacks: the net's name",
        ValueError,
        "'stage_log'",
        callbacks=[("stage_log", EpochTimer)],
    ),
    case("verbose: negative", ValueError, "Got -1", verbose=-1),
    case("verbose: a word", ValueError, "Got 'yes'", verbose="yes"),
    case("warm_start: a word", ValueError, "Got 'yes'", warm_start="yes"),
]

# Where there is no heatmap: the localizer has none, or there is nothing to look for.
WITHOUT_HEATMAP = [
    ("dense", "localizer='heatmap'", {"localizer": "dense"}),
    ("whole", r"cell_size \(24, 36\) is smaller than the patch", {"cell_size": (24, 36)}),
]

STN_ONLY = [
    *(
        case(f"{name}: {value!r}", ValueError, rf"Got {re.escape(repr(value))}", **{name: value})
        for name in ("classifier_epochs", "localizer_epochs", "joint_epochs")
        for value in (-1, 1.5, "1", None)
    ),
    *(
        case(f"{name}: {value!r}", ValueError, rf"Got {re.escape(repr(value))}", **{name: value})
        for name in ("kappa",)
        for value in (0, -1e-3, np.nan, np.inf, "auto")
    ),
    case("localizer: unknown", ValueError, "'heatmap'.*Got 'stn'", localizer="stn"),
    case("localizer: None", ValueError, "'heatmap'.*Got None", localizer=None),
    case("classifier: unknown", ValueError, "'inception'.*Got 'resnet'", classifier="resnet"),
    case("classifier: window", ValueError, "'context'.*Got 'window'", classifier="window"),
    case("classifier: zoom", ValueError, "'context'.*Got 'zoom'", classifier="zoom"),
    *(
        case(
            f"classifier: shared {why}",
            ValueError,
            rf"classifier: got 'shared', .*only where {words}.*wants 'auto'",
            classifier="shared",
            **changes,
        )
        for why, words, changes in WITHOUT_HEATMAP
    ),
    *(
        case(
            f"n_glimpses: two {why}",
            ValueError,
            rf"n_glimpses: got 2, .*only where {words}",
            n_glimpses=2,
            **changes,
        )
        for why, words, changes in WITHOUT_HEATMAP
    ),
    case("stages: one unknown", ValueError, r"unknown \['all'\], wants", stages=("joint", "all")),
]

BASELINE_ONLY = [
    *(
        case(f"{name}: {value!r}", ValueError, rf"Got {re.escape(repr(value))}", **{name: value})
        for name, values in {"epochs": (-1, 1.5, None)}.items()
        for value in values
    ),
    case("stages: of the STN", ValueError, r"unknown \['joint'\], wants", stages=("joint",)),
]

BAD_FEATURES = [
    case("families: a word", ValueError, "Got 'glcm'", families="glcm"),
    case("families: none", ValueError, r"one or more of .*got \(\)", families=()),
    case(
        "families: unknown", ValueError, r"one or more of .*got \('gabor',\)", families=("gabor",)
    ),
    case("families: twice", ValueError, "each once", families=("glcm", "glcm")),
    case("families: nested", ValueError, "one or more of", families=[["glcm"], ["lbp"]]),
    case(
        "families: two axes", ValueError, "one or more of", families=np.array([["glcm"], ["lbp"]])
    ),
    case("patch_size: too large", ValueError, r"\(25, 25\).*larger.*\(24, 36\)", patch_size=25),
    case("patch_size: floats", ValueError, "wants a positive integer", patch_size=(8.0, 8.0)),
    case("smoothing: negative", ValueError, "Got -1", smoothing=-1),
    case("min_nucleus_area: half", ValueError, r"Got 2\.5", min_nucleus_area=2.5),
    case("ring_width: zero", ValueError, "Got 0", ring_width=0),
    case("glcm_distances: none", ValueError, r"integers above 0, got \(\)", glcm_distances=()),
    case("glcm_distances: zero", ValueError, r"integers above 0, got \(0,\)", glcm_distances=[0]),
    case("glcm_distances: text", ValueError, r"above 0, got \('a',\)", glcm_distances=["a"]),
    case("glcm_levels: one", ValueError, "Got 1", glcm_levels=1),
    case("lbp_radii: negative", ValueError, r"above 0, got \(-1,\)", lbp_radii=[-1]),
    case("lbp_radii: infinite", ValueError, r"above 0, got \(inf,\)", lbp_radii=[np.inf]),
    case("hog_cells: zero", ValueError, "Got 0", hog_cells=0),
    case("hog_orientations: zero", ValueError, "Got 0", hog_orientations=0),
    case("image_shape: not theirs", ValueError, r"24 x 36.*\(36, 24, 3\)", image_shape=(36, 24, 3)),
    case("n_jobs: a word", ValueError, "Got 'all'", n_jobs="all"),
]
