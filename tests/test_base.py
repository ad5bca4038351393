"""What both classifiers promise: labels, seeds, weights, pickles, devices."""

import copy
import io
import pickle
import random

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    LRScheduler,
)

from stnclf import CiresanBaseline, Optimizer, STNCellClassifier
from stnclf._utils.sized_images import with_sizes
from tests import processes
from tests.conftest import QUICK, make_blobs

FAST = Optimizer(lr=3e-3, schedule="constant", weight_decay=0.0)


def state(clf):
    return torch.cat([v.flatten().double() for v in clf.net_.module_.state_dict().values()])


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["zebra", "ant"], "U"),
        ([7, -2], "i"),
        ([True, False], "b"),
        ([2.0, 5.0], "f"),
        (np.array(["zebra", "ant"], dtype=object), "O"),
    ],
)
def test_labels_of_any_kind(quick_baseline, blobs, labels, kind):
    X, y, _ = blobs
    mapped = np.asarray(labels)[(y == "disc").astype(int)]
    clf = quick_baseline.fit(X, mapped)
    assert clf.classes_.tolist() == sorted(labels)
    predicted = clf.predict(X)
    assert predicted.dtype.kind == kind
    best = clf.predict_proba(X).argmax(1)
    assert predicted.tolist() == [sorted(labels)[i] for i in best]


def test_same_seed_same_weights_other_seed_others(quick, blobs):
    X, y, centers = blobs
    first = state(clone(quick).fit(X, y, centers=centers))
    assert torch.equal(first, state(clone(quick).fit(X, y, centers=centers)))
    assert torch.equal(first, state(quick.fit(X, y, centers=centers).fit(X, y, centers=centers)))
    other = clone(quick).set_params(random_state=1).fit(X, y, centers=centers)
    assert not torch.equal(first, state(other))


def test_seed_may_be_a_random_state_and_none_differs(quick_baseline, blobs):
    X, y, _ = blobs
    a, b = (
        clone(quick_baseline).set_params(random_state=np.random.RandomState(4)).fit(X, y)
        for _ in range(2)
    )
    assert torch.equal(state(a), state(b))
    c, d = (clone(quick_baseline).set_params(random_state=None).fit(X, y) for _ in range(2))
    assert not torch.equal(state(c), state(d))


def global_states():
    numpy_state = np.random.get_state()[1].tolist()  # noqa: NPY002
    return torch.get_rng_state().tolist(), numpy_state, random.getstate()


def test_global_generators_are_left_alone(quick, blobs):
    X, y, centers = blobs
    for seed in (0, None):
        before = global_states()
        quick.set_params(random_state=seed).fit(X, y, centers=centers).transform(X)
        assert global_states() == before


PROGRAM = """
import hashlib, torch
torch.set_num_threads({threads})
from stnclf import STNCellClassifier
from stnclf._utils.sized_images import with_sizes
from tests.conftest import QUICK, make_blobs
X, y, centers = make_blobs(40)
clf = STNCellClassifier(**QUICK).fit(X, y, centers=centers)
weights = b"".join(v.numpy().tobytes() for v in clf.net_.module_.state_dict().values())
print(hashlib.sha256(weights + clf.predict_proba(X).tobytes()).hexdigest())
"""


def test_same_weights_in_new_processes_with_one_and_two_threads():
    runs = [processes.run(PROGRAM.format(threads=threads)) for threads in (1, 2)]
    assert [done.returncode for done in runs] == [0, 0], runs
    assert len(runs[0].stdout.split()[-1]) == 64
    assert runs[0].stdout == runs[1].stdout


def test_layouts_of_the_same_pixels_train_the_same(quick_stn, blobs, tmp_path):
    X, y, centers = blobs
    first = state(clone(quick_stn).fit(X, y, centers=centers))
    np.save(tmp_path / "X.npy", X)
    read_only = X.copy()
    read_only.setflags(write=False)
    wide = np.zeros((40, 24, 72, 3), np.uint8)
    wide[:, :, ::2] = X
    layouts = {
        "memory-mapped": np.load(tmp_path / "X.npy", mmap_mode="r"),
        "read-only": read_only,
        "Fortran order": np.asfortranarray(X),
        "not contiguous": wide[:, :, ::2],
    }
    for name, layout in layouts.items():
        clf = clone(quick_stn).fit(layout, y, centers=centers)
        assert torch.equal(first, state(clf)), name
        assert np.array_equal(clf.predict_proba(layout), clf.predict_proba(X)), name
    rows = clone(quick_stn).set_params(image_shape=(24, 36, 3))
    rows.fit(X.reshape(40, -1), y, centers=centers)
    assert torch.equal(first, state(rows))


def test_bfloat16_trains_nearly_the_same_and_predicts_in_float32(quick, blobs):
    X, y, centers = blobs
    exact = clone(quick).set_params(precision="float32").fit(X, y, centers=centers)
    half = clone(quick).set_params(precision="bfloat16").fit(X, y, centers=centers)
    assert not torch.equal(state(exact), state(half))
    for a, b in zip(exact.history_, half.history_):
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=0.1)
    assert half.net_.module_.bfloat16 is False
    assert {p.dtype for p in half.net_.module_.parameters()} == {torch.float32}
    half.set_params(precision="float32")  # a setting of training only
    expected = half.predict_proba(X)
    np.testing.assert_array_equal(half.set_params(precision="auto").predict_proba(X), expected)


def test_localizers_answer_in_float32_at_any_precision():
    for name in ("dense", "heatmap"):
        clf = STNCellClassifier(localizer=name, **QUICK).fit(*make_blobs(n=12)[:2])
        module = clf.net_.module_
        module.bfloat16 = True
        images = torch.rand(2, 3, 24, 36)
        location = module.locate(images)
        logits = module.recognize(images, location)
        assert location.theta.dtype == logits.dtype == torch.float32
        # Not merely rounded numbers in a float32 tensor.
        assert not torch.equal(logits, logits.bfloat16().float())


def test_float_images_are_uint8_over_255(quick_stn, blobs):
    X, y, centers = blobs
    first = clone(quick_stn).fit(X, y, centers=centers)
    second = clone(quick_stn).fit(X / 255, y, centers=centers)
    np.testing.assert_allclose(first.predict_proba(X), first.predict_proba(X / 255), atol=1e-4)
    np.testing.assert_allclose(first.predict_proba(X), second.predict_proba(X), atol=0.02)


def test_scale_of_float_images_does_not_matter(quick_baseline, blobs):
    X, y, centers = blobs
    X = X.astype(np.float32)
    a = clone(quick_baseline).fit(X, y, centers=centers).predict_proba(X)
    b = clone(quick_baseline).fit(1000 * X - 7, y, centers=centers).predict_proba(1000 * X - 7)
    np.testing.assert_allclose(a, b, atol=1e-3)


def test_sample_weights_of_zero_leave_samples_out(quick_stn, blobs):
    X, y, centers = blobs
    weight = np.ones(40)
    weight[[3, 17, 20]] = 0
    kept = weight > 0
    poisoned = X.copy()
    poisoned[~kept] = 255
    a = clone(quick_stn).fit(poisoned, y, centers=centers, sample_weight=weight)
    b = clone(quick_stn).fit(X[kept], y[kept], centers=centers[kept])
    assert torch.equal(state(a), state(b))
    c = clone(quick_stn).fit(X, y, centers=centers, sample_weight=np.full(40, 3.0))
    assert torch.equal(state(c), state(clone(quick_stn).fit(X, y, centers=centers)))


@pytest.mark.parametrize("how", ["sample_weight", "class_weight"])
def test_weights_pull_towards_a_class(blobs, how):
    X, y, _ = blobs
    proba = {}
    for heavy in ("cross", "disc"):
        clf = CiresanBaseline(epochs=8, optimizer=FAST, balance=False, random_state=0)
        if how == "class_weight":
            clf.set_params(class_weight={"cross": 1.0, "disc": 1.0, heavy: 50.0}).fit(X, y)
        else:
            clf.fit(X, y, sample_weight=np.where(y == heavy, 50.0, 1.0))
        proba[heavy] = clf.predict_proba(X)[:, 1].mean()
    assert proba["cross"] < 0.4
    assert proba["disc"] > 0.6


def test_samples_of_weight_zero_do_not_balance_classes(blobs):
    X, y, _ = blobs
    clf = CiresanBaseline(epochs=1, balance=False, class_weight="balanced", random_state=0)
    weight = np.where((y == "disc") & (np.arange(len(y)) > 8), 0.0, 1.0)
    left = weight > 0
    whole = clone(clf).fit(X, y, sample_weight=weight)
    assert torch.equal(state(whole), state(clone(clf).fit(X[left], y[left])))


def test_pickle_and_joblib_round_trips(quick, blobs, tmp_path):
    X, y, centers = blobs
    quick.fit(X, y, centers=centers)
    expected = quick.predict_proba(X)
    pickled = pickle.dumps(quick)
    joblib.dump(quick, tmp_path / "model.joblib")
    for again in (pickle.loads(pickled), joblib.load(tmp_path / "model.joblib")):
        assert np.array_equal(again.predict_proba(X), expected)
        assert again.history_ == quick.history_
    n_bytes = sum(4 * v.numel() for v in quick.net_.module_.state_dict().values())
    assert len(pickled) < 1.2 * n_bytes + 200_000  # no moments, replicas or images in it


def test_fitted_model_lies_on_the_cpu(quick_stn, blobs):
    X, y, centers = blobs
    quick_stn.fit(X, y, centers=centers)
    assert {p.device.type for p in quick_stn.net_.module_.parameters()} == {"cpu"}
    # As if it came from a machine with a GPU: "auto" takes what there is.
    assert quick_stn.set_params(device="auto").predict(X).shape == (40,)
    buffer = io.BytesIO(pickle.dumps(quick_stn.set_params(device="cpu")))
    assert pickle.load(buffer).predict(X).shape == (40,)


def test_history_has_a_row_an_epoch(blobs):
    X, y, centers = blobs
    clf = STNCellClassifier(
        classifier="context",
        classifier_epochs=2,
        localizer_epochs=1,
        joint_epochs=3,
        random_state=0,
    ).fit(X, y, centers=centers)
    stages = [(row["stage"], row["epoch"]) for row in clf.history_]
    assert stages == [
        ("classifier", 1),
        ("classifier", 2),
        ("localizer", 1),
        ("joint", 1),
        ("joint", 2),
        ("joint", 3),
    ]
    first, localizer, last = clf.history_[0], clf.history_[2], clf.history_[-1]
    assert "localization_loss" not in first
    assert "classification_loss" not in localizer
    joint = last["localization_loss"] + clf.kappa * last["classification_loss"]
    assert last["train_loss"] == pytest.approx(joint, rel=1e-5)
    assert all(row["seconds"] > 0 for row in clf.history_)
    assert all(type(v) in (int, float, str) for row in clf.history_ for v in row.values())


class Recorder(Callback):
    """Counts epochs and gradients."""

    def __init__(self):
        self.seen = []

    def on_epoch_end(self, net, **kwargs):
        self.seen.append(net.stage.name)

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.names = {name.split(".")[0] for name, _ in named_parameters}


def test_callbacks_run_as_copies(blobs):
    X, y, centers = blobs
    recorder = Recorder()
    clf = STNCellClassifier(callbacks=[recorder, ("clip", GradientNormClipping(1e-12))], **QUICK)
    clf.fit(X, y, centers=centers)
    assert recorder.seen == []
    copy = dict(clf.net_.callbacks_)["Recorder"]
    assert copy.seen == ["classifier", "localizer", "joint"]
    assert copy.names == {"localizer", "classifier"}
    # ... and they act: clipped gradients give other weights.
    free = STNCellClassifier(**QUICK).fit(X, y, centers=centers)
    assert not torch.equal(state(clf), state(free))


def test_early_stopping_ends_a_stage_with_its_best_weights(blobs):
    X, y, centers = blobs
    clf = CiresanBaseline(
        epochs=60,
        optimizer=FAST,
        validation_fraction=0.25,
        callbacks=[EarlyStopping(patience=2, load_best=True)],
        random_state=0,
    ).fit(X, np.random.default_rng(0).permutation(y), centers=centers)
    losses = [row["valid_loss"] for row in clf.history_]
    assert len(losses) < 60
    assert np.argmin(losses) == len(losses) - 3  # two epochs without a better one
    # Stages end one by one.
    stn = STNCellClassifier(
        classifier_epochs=2,
        localizer_epochs=2,
        joint_epochs=2,
        validation_fraction=0.25,
        random_state=0,
    ).fit(X, y, centers=centers)
    assert {row["stage"] for row in stn.history_} == {"classifier", "localizer", "joint"}
    assert all(np.isfinite(row["valid_loss"]) for row in stn.history_)


class Interrupt(Callback):
    """Stands for Ctrl-C in the second epoch."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


def test_an_interrupted_fit_is_usable_and_the_interruption_gets_through(blobs):
    X, y, centers = blobs
    clf = STNCellClassifier(classifier_epochs=5, callbacks=[Interrupt()], random_state=0)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(X, y, centers=centers)
    assert [row["epoch"] for row in clf.history_] == [1]
    assert clf.predict(X).shape == (40,)


def test_verbose_shows_a_bar_or_lines(blobs, capsys):
    X, y, centers = blobs
    STNCellClassifier(verbose=1, **QUICK).fit(X, y, centers=centers)
    bars = capsys.readouterr().err
    assert all(stage in bars for stage in ("classifier", "localizer", "joint"))
    assert "1/1" in bars
    STNCellClassifier(verbose=2, **QUICK).fit(X, y, centers=centers)
    assert "train_loss" in capsys.readouterr().out
    STNCellClassifier(verbose=0, **QUICK).fit(X, y, centers=centers)
    quiet = capsys.readouterr()
    assert (quiet.out, quiet.err) == ("", "")


def test_a_refused_fit_leaves_the_fitted_model_as_it_was(quick_baseline, blobs):
    X, y, centers = blobs
    quick_baseline.fit(X, y, centers=centers)
    expected = quick_baseline.predict_proba(X)
    with pytest.raises(ValueError, match="class"):
        quick_baseline.fit(X[:, :10, :10], np.zeros(40))
    assert np.array_equal(quick_baseline.predict_proba(X), expected)


def test_warm_start_takes_up_changed_parameters(quick_baseline, blobs):
    X, y, centers = blobs
    clf = quick_baseline.set_params(validation_fraction=0.25, warm_start=True)
    clf.fit(X, y, centers=centers)
    assert "valid_loss" in clf.history_[-1]
    clf.set_params(validation_fraction=None, callbacks=[Recorder()]).fit(X, y, centers=centers)
    assert "valid_loss" not in clf.history_[-1]
    assert dict(clf.net_.callbacks_)["Recorder"].seen == ["classifier"]
    assert [row["epoch"] for row in clf.history_] == [1, 2]


def test_warm_start_tells_truth_values_from_numbers(blobs):
    X, y, _ = blobs
    clf = CiresanBaseline(epochs=0, warm_start=True).fit(X, (y == "disc").astype(int))
    with pytest.raises(ValueError, match=r"y: got the classes \[False, True\]; .* on \[0, 1\]"):
        clf.fit(X, y == "disc")
    clf.fit(X, (y == "disc").astype(np.uint8))


def test_validation_is_not_won_by_always_saying_the_middle():
    # All cells in the middle of their images, as users crop them: only what is moved counts.
    X, y, _ = make_blobs(40, margin=11)
    clf = STNCellClassifier(
        localizer="dense", localizer_epochs=1, validation_fraction=0.5, random_state=0
    ).fit(X, y, stages=("localizer",))
    # The untrained localizer says "middle"; offsets of up to half a patch cost 2 / 12 on average.
    assert 0.08 < clf.history_[0]["valid_loss"] < 0.3


@pytest.mark.parametrize("callback", [EpochScoring("accuracy"), LRScheduler()])
def test_callbacks_that_cannot_work_are_refused(quick_baseline, blobs, callback):
    with pytest.raises(TypeError, match=r"callbacks\[0\].*(EpochScoring|LRScheduler)"):
        quick_baseline.set_params(callbacks=[callback]).fit(blobs[0], blobs[1])


def test_long_rows_stay_cheap(quick_stn):
    # Oversampling both axes for the long one took a gigabyte here.
    X, y = np.random.default_rng(0).random((8, 20_011)), np.arange(8) % 2
    assert quick_stn.fit(X, y).predict(X).shape == (8,)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 1), (2, 2, 3), (6, 5, 7), (7, 2, 1)])
@pytest.mark.parametrize("kind", [STNCellClassifier, CiresanBaseline])
def test_images_of_any_size_and_channels(kind, shape):
    X = np.random.default_rng(0).random((9, *shape))
    y = np.arange(9) % 2
    epochs = {"epochs": 1} if kind is CiresanBaseline else QUICK
    clf = kind(**{**epochs, "random_state": 0}).fit(X, y)
    assert clf.predict(X[:1]).shape == (1,)
    assert np.isfinite(clf.transform(X)).all()


def test_constant_images_train_without_harm(quick):
    X, y = np.full((12, 8, 9, 3), 77, np.uint8), np.arange(12) % 2
    proba = quick.fit(X, y).predict_proba(X)
    assert np.isfinite(proba).all()
    assert np.ptp(proba, axis=0).max() < 1e-6


def test_a_class_with_one_sample(quick_stn):
    X, y, centers = make_blobs(9)
    y = y.astype(object)
    y[4] = "lone"
    clf = quick_stn.fit(X, y, centers=centers)
    assert clf.classes_.tolist() == ["cross", "disc", "lone"]
    assert clf.predict_proba(X).shape == (9, 3)


def test_context_is_not_taken_for_the_patch_in_silence(quick_baseline, blobs):
    X, y, _ = blobs
    X = with_sizes(X[:, :, :24].copy(), 16, 8)
    with pytest.warns(UserWarning, match="Pass patch_size=16, cell_size=8") as caught:
        quick_baseline.fit(X[::3], y[::3])
    assert len(caught) == 1
    for size in (16, (24, 24)):
        quick_baseline.set_params(patch_size=size).fit(X, y)  # a warning would be an error
    quick_baseline.set_params(patch_size=None).fit(np.asarray(X), y)


def test_folds_of_a_cross_validation_remember_their_sizes(quick_baseline, blobs):
    X, y, _ = blobs
    X = with_sizes(X[:, :, :24].copy(), 16, 8)
    with pytest.warns(UserWarning, match="patch_size=16"):
        cross_val_score(quick_baseline, X, y, cv=2)


def test_an_estimator_is_copied_while_another_thread_fits_it(quick_baseline):
    class Fits:
        def __deepcopy__(self, memo):
            quick_baseline.classes_ = np.array(["a", "b"])  # as fit does, in the middle of a copy
            return self

        def __reduce__(self):
            quick_baseline.history_ = []
            return str, ("callbacks",)

    quick_baseline.callbacks = Fits()
    assert not hasattr(copy.deepcopy(quick_baseline), "classes_")
    assert not hasattr(pickle.loads(pickle.dumps(quick_baseline)), "history_")
