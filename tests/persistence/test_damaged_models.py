"""Files that are damaged, foreign or made to harm are refused, in one line that says why."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import stnclf
from stnclf import CiresanBaseline
from tests.conftest import make_blobs
from tests.persistence.mutations import File, mutate

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def small(blobs):
    X, y, centers = blobs
    return CiresanBaseline(epochs=1, random_state=0).fit(X, y, centers=centers)


def save_to(path, estimator):
    stnclf.save(estimator, path)
    return path


def rewrite(estimator, path, change):
    """Save an estimator, change the description, and bring the digest up to date."""
    stnclf.save(estimator, path)
    file = File(path.read_bytes())
    change(file.facts)
    path.write_bytes(file.sign().join())
    return path


def test_parameters_that_a_file_does_not_have_take_their_defaults(small, tmp_path):
    def change(facts):
        del facts["parameters"]["augment"], facts["parameters"]["epochs"]

    again = stnclf.load(rewrite(small, tmp_path / "model", change))
    assert again.get_params()["epochs"] == 200


HUGE = 2**31 - 1

REFUSED = {
    "format": ("stnclf checkpoint", "holds no model"),
    "format_version": (3, r"format version 3 is newer than 2, .* \(stnclf '\S+' wrote it, this is"),
    "format_version ": ("1", "format_version: is missing"),
    "format_version  ": (0, "format_version: is missing"),
    "class": ("SVC", r"class: got 'SVC', wants one of \['CiresanBaseline', 'STNCell"),
    "class ": (["CiresanBaseline"], "class: got"),
    "class  ": ("STNCellClassifier", r"parameters: \['epochs'\] are unknown \(stnclf"),
    "parameters": ([], "parameters: are missing"),
    "parameters ": ({"callbacks": []}, r"parameters: \['callbacks'\] are unknown"),
    "parameters  ": ({"epochs": -1}, "The 'epochs' parameter of CiresanBaseline must be an int"),
    "parameters   ": (
        {"epochs": {"call": "os.system"}},
        "parameters: a value of unknown kind 'call'",
    ),
    "parameters    ": ({"image_shape": [1, "x", 3]}, r"image_shape: got \[1, 'x', 3\], wants"),
    "classes_": ({"dtype": "|O", "values": ["b", "a"]}, "classes_: labels are not sorted"),
    "classes_ ": ({"dtype": "|O", "values": ["a", "b", "c"]}, r"tensor 'output.bias' is F32 \[2\]"),
    "image_shape_": ([24, 36], r"image_shape_: got \[24, 36\], wants 3 positive integers"),
    "image_shape_ ": ([24, 36, 0], "image_shape_: got"),
    "image_shape_  ": ([24, 36.0, 3], "image_shape_: got"),
    "image_shape_   ": ([24, 36, True], "image_shape_: got"),
    "image_shape_    ": ([2**31, 36, 3], "image_shape_: got"),
    "image_shape_     ": ([24, 36, 4], "n_features_in_: is not that of image_shape_"),
    "patch_size_": ([25, 36], r"patch_size_: \(25, 36\) does not fit into \(24, 36\)"),
    "cell_size_": ([12, 37], r"cell_size_: \(12, 37\) does not fit into \(24, 36\)"),
    "n_features_in_": (7, "n_features_in_: is not that of image_shape_"),
    "feature_names_in_": (["a"], "feature_names_in_: wants 2592 names"),
    "feature_names_in_ ": ([1] * 2592, "feature_names_in_: wants 2592 names"),
    "seed": (-1, "seed: wants an integer"),
    "seed ": (2**64, "seed: wants an integer"),
    "epochs_done": ({"joint": 1}, r"epochs_done: wants numbers of epochs of \['classifier'\]"),
    "epochs_done ": ({"classifier": -1}, "epochs_done: wants"),
    "history": ({}, "history: wants a list"),
    "history ": ([{"stage": [1]}], "history: wants rows of numbers and words"),
    "history  ": ([{"stage": {"x": 1}}], "a value of unknown kind 'x'"),
    "history   ": ([{"valid_loss": "0.5"}], "history: wants a number as 'valid_loss'"),
    "history    ": ([{"train_loss": None}], "history: wants a number as 'train_loss'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_descriptions_that_are_wrong_are_refused_in_one_line(small, tmp_path, name):
    value, words = REFUSED[name]
    path = rewrite(small, tmp_path / "model", lambda facts: facts.update({name.strip(): value}))
    with pytest.raises(ValueError, match=rf"^{path}: cannot be loaded; .*{words}") as caught:
        stnclf.load(path)
    assert type(caught.value) is ValueError
    assert "\n" not in str(caught.value)
    path = rewrite(small, tmp_path / "model", lambda facts: facts.pop(name.strip()))
    if not name.startswith("feature_names"):
        with pytest.raises(ValueError, match=rf"^{path}: cannot be loaded; "):
            stnclf.load(path)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        # Fully connected layers grow with a patch of up to 128 px, the first ones with channels.
        ([128, 128, 3], "tensor 'dense.weight' is F32"),
        ([24, 36, HUGE], "tensor 'blocks.0.conv.weight' is F32"),
    ],
)
def test_sizes_are_refused_before_anything_of_that_size_is_made(small, tmp_path, shape, words):
    def change(facts):
        facts["image_shape_"], facts["n_features_in_"] = shape, int(np.prod(shape))
        facts["patch_size_"] = facts["cell_size_"] = shape[:2]

    path = rewrite(small, tmp_path / "model", change)
    with pytest.raises(ValueError, match=words):
        stnclf.load(path)


def test_weights_that_are_not_finite_are_refused(small, tmp_path):
    path = save_to(tmp_path / "model", small)
    file = File(path.read_bytes())
    weights = np.frombuffer(file.body, "<f4").copy()
    weights[17] = -np.inf
    file.body = weights.tobytes()
    path.write_bytes(file.sign().join())
    with pytest.raises(ValueError, match=r"tensor '\S+' holds NaN or infinity"):
        stnclf.load(path)


def test_files_that_are_none(tmp_path):
    with pytest.raises(TypeError, match="path: got 3, wants a str or path-like"):
        stnclf.load(3)
    with pytest.raises(FileNotFoundError, match="missing"):
        stnclf.load(tmp_path / "missing")
    with pytest.raises(ValueError, match="no regular file"):
        stnclf.load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match=r"pipe: cannot be loaded; it is no regular file"):
        stnclf.load(tmp_path / "pipe")
    foreign = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(2)}, foreign)
    with pytest.raises(ValueError, match=r"foreign\S+: cannot be loaded; .* not one of stnclf"):
        stnclf.load(foreign)


@contextmanager
def suppress_no_result():
    try:
        yield
    except ValueError as error:
        if "no finite result" not in str(error):
            raise


def test_mutated_files_load_as_models_or_are_refused(tmp_path):
    X, y, _ = make_blobs(6, 18, 20)
    models = [CiresanBaseline(epochs=1, patch_size=size).fit(X, y) for size in (None, 16)]
    files = [save_to(tmp_path / "model", model).read_bytes() for model in models]
    loaded, refusals = [], []
    for number in range(300):
        _, data, _ = mutate(files, 1, number)
        (tmp_path / "model").write_bytes(data)
        try:
            model = stnclf.load(tmp_path / "model")
        except ValueError as error:
            refusals.append(error)
        else:
            # Weights may be finite and yet too large to compute with.
            if model.n_features_in_ < 10_000:
                with np.errstate(all="ignore"), suppress_no_result():
                    assert model.predict(np.zeros((1, *model.image_shape_))).shape == (1,)
            loaded.append(model)
    start = f"{tmp_path / 'model'}: cannot be loaded; "
    assert all(type(error) is ValueError for error in refusals)
    assert all(str(error).startswith(start) for error in refusals)
    assert all("\n" not in str(error) for error in refusals)
    assert min(10 * len(loaded), len(refusals)) > 150


@pytest.mark.parametrize("kind", ["models", "checkpoints"])
def test_the_script_that_counts_outcomes(kind):
    command = [sys.executable, "-m", "tests.persistence.fuzz", "40", "--kind", kind]
    command += ["--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"40 {kind}, 0 failures, seed 0" in done.stdout
    counts = done.stdout.split("\nall ")[1].split("\n")[0].split()
    assert sum(map(int, counts)) == 40
