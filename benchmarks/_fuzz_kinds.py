"""The kinds of files that fuzz_model_files.py damages: how they are made, loaded and judged."""

from contextlib import suppress

import numpy as np
from sklearn.base import clone
from skorch.callbacks import Callback

import stnclf

IMAGES = np.random.default_rng(0).integers(0, 256, (18, 24, 28, 3), dtype=np.uint8)
LABELS = np.array(["disc", "cross", "none"] * 6)


class Stop(Callback):
    """Stands for Ctrl-C before the second epoch."""

    def on_epoch_begin(self, net, **kwargs):
        """Interrupt."""
        if len(net.history) == 2:
            raise KeyboardInterrupt


class Models:
    """Model files; three baselines for each of the larger STN."""

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
        return [self.folder / f"{i}.safetensors" for i in range(len(kinds))]

    def load(self, path, number):
        """Load a file."""
        return stnclf.load(path)

    def result(self, model):
        """Probabilities for two small images; None for images that are not small, or no answer."""
        if model.n_features_in_ > 1_000_000:
            return None
        X = np.random.default_rng(0).integers(0, 256, (2, *model.image_shape_), dtype=np.uint8)
        try:
            found = model.set_params(device="cpu").predict_proba(X)
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
                epochs=2, patch_size=18, random_state=1, validation_fraction=0.3, n_iter_no_change=1
            ),
            stnclf.CiresanBaseline(epochs=3, schedule="one-cycle", class_weight="balanced"),
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
        plan, data, keeper = estimator._prepare(IMAGES, LABELS, None, None, stages)
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
