"""Training that was stopped goes on from its checkpoint as if nothing had happened."""

import os
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback, EarlyStopping

import stnclf
from stnclf import Augmentation, CiresanBaseline, Optimizer, STNCellClassifier
from tests.conftest import make_blobs

# Small images and batches: an epoch has three steps.
STN = {"classifier_epochs": 2, "localizer_epochs": 2, "joint_epochs": 2, "batch_size": 6}
BASELINE = {"epochs": 3, "batch_size": 6}


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(16, 20, 28)


class Interrupt(Callback):
    """Ctrl-C at the beginning of an epoch, counted from 1 over all stages."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise KeyboardInterrupt


def weights(estimator):
    return estimator.net_.module_.state_dict()


def rows(estimator):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in estimator.history_]


def assert_same(one, other):
    assert rows(one) == rows(other)
    assert weights(one).keys() == weights(other).keys()
    for name, tensor in weights(one).items():
        assert torch.equal(tensor, weights(other)[name]), name


def interrupted(estimator, epoch, data, **fit):
    estimator = clone(estimator)
    estimator.set_params(callbacks=[*(estimator.callbacks or ()), Interrupt(epoch)])
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(*data, **fit)
    return estimator


CASES = {
    "stn": STNCellClassifier(**STN, random_state=0),
    "paper's": STNCellClassifier(
        **{**stnclf.PAPER, **STN, "classifier_epochs": 1, "joint_epochs": 1},
        patch_size=16,
        random_state=0,
    ),
    "baseline": CiresanBaseline(
        **BASELINE, optimizer=Optimizer(lr=1e-3), random_state=np.random.RandomState(3)
    ),
    "early stopping": STNCellClassifier(
        **{**STN, "classifier_epochs": 4},
        validation_fraction=0.25,
        optimizer=Optimizer(lr=(0.03, 3e-3, 5e-4)),
        callbacks=[EarlyStopping(patience=1, load_best=True)],
        random_state=0,
    ),
    "two of their own": CiresanBaseline(
        **BASELINE,
        callbacks=[EarlyStopping("train_loss", load_best=True), ("mine", EarlyStopping("lr"))],
        random_state=1,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_fit_that_was_interrupted_in_any_epoch_ends_the_same(name, blobs, tmp_path):
    whole = clone(CASES[name]).fit(*blobs)
    last = len(whole.history_)
    epochs = [3, last] if name == "paper's" else range(2, last + 1)
    for epoch in epochs:
        path = tmp_path / f"{epoch}.ckpt"
        kept = clone(CASES[name]).set_params(checkpoint=path)
        part = interrupted(kept, epoch, blobs)
        assert rows(part) == rows(whole)[: epoch - 1]
        assert_same(kept.fit(*blobs), whole)
    assert sorted(os.listdir(tmp_path)) == [f"{epoch}.ckpt" for epoch in epochs]


def test_a_fit_may_be_interrupted_again_and_again(blobs, tmp_path):
    estimator = CASES["stn"]
    whole = clone(estimator).fit(*blobs)
    kept = clone(estimator).set_params(checkpoint=str(tmp_path / "a"))
    for epoch in (2, 3, 3, 6):
        part = interrupted(kept, epoch, blobs)
        assert len(part.history_) == epoch - 1
    assert_same(kept.fit(*blobs), whole)


def test_a_finished_fit_is_given_back_and_its_file_stays(blobs, tmp_path):
    path = tmp_path / "a"
    kept = clone(CASES["stn"]).set_params(checkpoint=path)
    kept.fit(*blobs)
    content = path.read_bytes()
    epochs = []

    class Count(Callback):
        def on_epoch_begin(self, net, **kwargs):
            epochs.append(1)

    again = clone(kept).set_params(callbacks=[Count()]).fit(*blobs)
    assert_same(again, kept)
    np.testing.assert_array_equal(again.predict_proba(blobs[0]), kept.predict_proba(blobs[0]))
    assert again.history_ == kept.history_  # the seconds, too: nothing was trained
    assert epochs == []
    assert path.read_bytes() == content


def test_without_random_state_the_seed_is_kept(blobs, tmp_path):
    kept = CiresanBaseline(**BASELINE, checkpoint=tmp_path / "a")
    part = interrupted(kept, 2, blobs)
    again = clone(kept).fit(*blobs)
    assert again.net_.seed == part.net_.seed
    assert rows(again)[:1] == rows(part)


@pytest.mark.parametrize(
    ("names", "parameters", "change"),
    [
        (["optimizer__lr (was "], {"optimizer": Optimizer(lr=0.01)}, {}),
        (["epochs (was 3, is 4)", "augment__flip"], {"epochs": 4, "augment": Augmentation()}, {}),
        (["random_state (was 0, is 1)"], {"random_state": 1}, {}),
        (["random_state (was 0, is null)"], {"random_state": None}, {}),
        (["class_weight"], {"class_weight": {"disc": 2.0, "cross": 1.0}}, {}),
        (["precision"], {"precision": "bfloat16"}, {}),
        (["X"], {}, {"X": lambda X: np.roll(X, 1, 0)}),
        (["X"], {}, {"X": lambda X: X / 255.0}),
        (["X"], {}, {"X": lambda X: X.transpose(0, 2, 1, 3), "centers": lambda c: c * 0 + 9}),
        (["y"], {}, {"y": lambda y: np.roll(y, 1)}),
        (["y"], {}, {"y": lambda y: np.char.add("a ", y)}),
        (["centers"], {}, {"centers": lambda c: c[:, ::-1].clip(0, 19)}),
        (["sample_weight"], {}, {"sample_weight": lambda w: np.arange(1, 17)}),
        (["epochs", "X", "y"], {"epochs": 2}, {"X": lambda X: X[:8], "y": lambda y: y[:8]}),
    ],
)  # fmt: skip
def test_other_parameters_or_data_are_refused_by_name(names, parameters, change, blobs, tmp_path):
    X, y, centers = blobs
    path = tmp_path / "a"
    kept = CiresanBaseline(**BASELINE, random_state=0, checkpoint=path)
    interrupted(kept, 2, blobs)
    content = path.read_bytes()
    given = {"X": X, "y": y, "centers": centers, "sample_weight": None}
    for name, function in change.items():
        given[name] = function(given[name])
    if len(given["X"]) < len(X):
        given["centers"] = None
    with pytest.raises(ValueError, match=r"^checkpoint: .*cannot be continued") as caught:
        kept.set_params(**parameters).fit(**given)
    message = str(caught.value)
    assert str(path) in message
    words = message.split("with other ")[1].split("; continue")[0]
    for name in names:
        assert name in words
    if len(names) == 1:
        assert words.startswith(names[0])
    assert path.read_bytes() == content
    assert not hasattr(kept, "net_")


def test_what_does_not_matter_may_differ(blobs, tmp_path, capsys):
    X, y, centers = blobs
    whole = CiresanBaseline(**BASELINE, random_state=0).fit(*blobs)
    kept = CiresanBaseline(**BASELINE, random_state=0, checkpoint=tmp_path / "a")
    interrupted(kept, 2, blobs)
    os.rename(tmp_path / "a", tmp_path / "b")
    np.save(tmp_path / "X.npy", X)
    kept.set_params(
        checkpoint=os.fspath(tmp_path / "b"), verbose=1, device="cpu", warm_start=True, callbacks=[]
    )
    kept.fit(np.load(tmp_path / "X.npy", mmap_mode="r"), y.tolist(), centers.tolist(), np.ones(16))
    assert_same(kept, whole)


def test_images_in_files_are_known_by_their_pixels(tmp_path):
    from PIL import Image

    X, y, centers = make_blobs(12)
    paths = [tmp_path / f"{i}.png" for i in range(12)]
    for path, image in zip(paths, X):
        Image.fromarray(image).save(path)
    kept = CiresanBaseline(**BASELINE, random_state=0, checkpoint=tmp_path / "a")
    interrupted(kept, 2, (paths, y, centers))
    clone(kept).fit(X, y, centers)  # the same pixels
    Image.fromarray(X[0, ::-1]).save(paths[5])
    with pytest.raises(ValueError, match="a fit with other X; continue"):
        clone(kept).fit(paths, y, centers)


def test_stages_and_classes_are_compared(blobs, tmp_path):
    kept = STNCellClassifier(**STN, random_state=0, checkpoint=tmp_path / "a")
    interrupted(kept, 2, blobs, stages=("classifier", "localizer"))
    with pytest.raises(ValueError, match="with other stages; continue"):
        clone(kept).fit(*blobs)
    baseline = CiresanBaseline(**BASELINE, checkpoint=tmp_path / "a")
    with pytest.raises(ValueError, match=r"other class \(was \"STNCellClassifier\", is \"Cir"):
        baseline.fit(*blobs)


def test_warm_start_goes_on_only_from_the_weights_it_began_with(blobs, tmp_path):
    first = STNCellClassifier(**STN, random_state=0).fit(*blobs, stages=("classifier",))
    stnclf.save(first, tmp_path / "model")
    first.set_params(warm_start=True).fit(*blobs, stages=("localizer", "joint"))

    def begin():
        again = stnclf.load(tmp_path / "model")
        return again.set_params(warm_start=True, checkpoint=tmp_path / "a")

    second = begin().set_params(callbacks=[Interrupt(5)])
    with pytest.raises(KeyboardInterrupt):
        second.fit(*blobs, stages=("localizer", "joint"))
    assert_same(begin().fit(*blobs, stages=("localizer", "joint")), first)
    # Interrupted in this process, it would start from weights that are trained further.
    before = {name: tensor.clone() for name, tensor in weights(second).items()}
    with pytest.raises(
        ValueError, match=r"with other warm_start or init \(it starts from other weights\);"
    ):
        second.fit(*blobs, stages=("localizer", "joint"))
    assert all(torch.equal(before[name], tensor) for name, tensor in weights(second).items())
    second.set_params(warm_start=False)
    with pytest.raises(ValueError, match=r"with other warm_start"):
        second.fit(*blobs, stages=("localizer", "joint"))


def test_early_stopping_must_be_the_same(blobs, tmp_path):
    kept = CiresanBaseline(**BASELINE, random_state=0, checkpoint=tmp_path / "a")
    interrupted(kept, 2, blobs)
    kept.set_params(callbacks=[EarlyStopping("train_loss")])
    with pytest.raises(
        ValueError, match=r"callbacks: wants .*\['EarlyStopping'\], the file has \["
    ):
        kept.fit(*blobs)


def test_files_that_are_something_else_are_refused_and_left_alone(blobs, tmp_path):
    path = tmp_path / "a"
    kept = CiresanBaseline(**BASELINE, random_state=0, checkpoint=path)
    model = CiresanBaseline(epochs=0, random_state=0).fit(*blobs)
    stnclf.save(model, path)
    for content, words in [
        (path.read_bytes(), "it is a file of stnclf, but no checkpoint"),
        (b"", "cut short or no safetensors file"),
        (b"dear diary, " * 9, "cut short or no safetensors file"),
    ]:
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match=f"^checkpoint: {path}: cannot be continued; .*{words}"
        ):
            kept.fit(*blobs)
        assert path.read_bytes() == content
    kept.set_params(checkpoint=tmp_path / "b").fit(*blobs)
    with pytest.raises(ValueError, match="holds no model"):
        stnclf.load(tmp_path / "b")


@pytest.mark.parametrize("place", ["", "missing/a", "file/a"])
def test_impossible_places_are_refused_before_training(place, blobs, tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    kept = CiresanBaseline(epochs=10**9, checkpoint=tmp_path / place)
    with pytest.raises(OSError, match="could not be written") as caught:
        kept.fit(*blobs)
    assert caught.value.filename == str(tmp_path / place)
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("value", [3, b"a", True, ["a"]])
def test_no_path(value, blobs):
    with pytest.raises(ValueError, match="'checkpoint' parameter of CiresanBaseline must be"):
        CiresanBaseline(checkpoint=value).fit(*blobs)


def test_one_fit_at_a_time_writes_a_checkpoint(blobs, tmp_path):
    kept = CiresanBaseline(**BASELINE, random_state=0, checkpoint=tmp_path / "a")
    messages = []

    class Second(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 2:
                with pytest.raises(OSError, match="is being written by process") as caught:
                    clone(kept).fit(*blobs)
                messages.append(str(caught.value))

    first = clone(kept).set_params(callbacks=[Second()]).fit(*blobs)
    assert len(messages) == 1
    assert str(tmp_path / "a") in messages[0]
    assert_same(first, CiresanBaseline(**BASELINE, random_state=0).fit(*blobs))
    assert os.listdir(tmp_path) == ["a"]


def test_the_estimator_can_be_cloned_pickled_and_saved(blobs, tmp_path):
    kept = CiresanBaseline(**BASELINE, random_state=0, checkpoint=tmp_path / "a")
    assert clone(kept).checkpoint == tmp_path / "a"
    kept.fit(*blobs)
    again = pickle.loads(pickle.dumps(kept))
    np.testing.assert_array_equal(again.predict_proba(blobs[0]), kept.predict_proba(blobs[0]))
    stnclf.save(kept, tmp_path / "model")
    assert stnclf.load(tmp_path / "model").checkpoint is None
