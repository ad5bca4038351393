"""Features of a frozen module are what the module says of the pixels that it should see."""

import pickle
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from joblib import Parallel, delayed
from sklearn import __version__ as sklearn_version
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version
from torch import nn

from stnclf import CiresanBaseline, STNCellClassifier
from stnclf._utils.sized_images import with_sizes
from stnclf.features import EncoderFeatures
from stnclf.features._frozen import in_evaluation


class Corners(nn.Module):
    """Red and blue of the top-left pixel, green of the bottom-right one, and the size."""

    def forward(self, images):
        n, _, height, width = images.shape
        size = torch.tensor([height, width]).expand(n, 2)
        values = [images[:, 0, 0, 0], images[:, 2, 0, 0], images[:, 1, -1, -1]]
        return torch.cat([torch.stack(values, 1), size], 1)


def ramp(n=5, height=24, width=36):
    """Images of which red is the column, green the row, blue the number of the image."""
    number, row, column = np.mgrid[:n, :height, :width]
    return np.stack([column, row, 10 * number], axis=-1).astype(np.uint8)


def test_the_whole_image_is_shown_as_it_is():
    found = EncoderFeatures(Corners()).fit_transform(ramp())
    expected = [[0, 10 * i / 255, 23 / 255, 24, 36] for i in range(5)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32


def test_the_central_patch():
    found = EncoderFeatures(Corners(), patch_size=(10, 16)).fit_transform(ramp())
    np.testing.assert_allclose(found[:, [0, 2]] * 255, [[10, 16]] * 5, rtol=1e-6)
    assert found[0, 3:].tolist() == [10, 16]


def test_context_around_the_patch_is_not_taken_in_silence():
    X = with_sizes(ramp(), 16, 8)
    with pytest.warns(UserWarning, match="Pass patch_size=16"):
        EncoderFeatures(Corners()).fit(X)
    EncoderFeatures(Corners(), patch_size=16).fit(X)


def test_images_whose_white_is_not_known_are_refused():
    X = ramp().astype(np.float32)
    with pytest.raises(ValueError, match="X: got numbers from 0 to 40, wants uint8 or other whole"):
        EncoderFeatures(Corners()).fit(X)
    EncoderFeatures(Corners()).fit(X / 255)


def test_a_view_is_resampled():
    found = EncoderFeatures(Corners(), patch_size=(12, 20), view=(6, 10)).fit_transform(ramp())
    # Pixels of the view are the means of two by two, columns 8 and 9 first, rows 16 and 17 last.
    np.testing.assert_allclose(found[:, [0, 2]] * 255, [[8.5, 16.5]] * 5, rtol=1e-5)
    assert found[0, 3:].tolist() == [6, 10]
    small = EncoderFeatures(Corners(), view=(4, 6)).fit_transform(ramp())
    # Six by six: no pixel is skipped.
    np.testing.assert_allclose(small[:, [0, 2]] * 255, [[2.5, 20.5]] * 5, rtol=1e-5)
    assert EncoderFeatures(Corners(), view=50).fit_transform(ramp())[0, 3:].tolist() == [50, 50]


def test_a_window_around_the_cell():
    centers = np.array([[10, 8], [20.5, 12], [17.5, 11.5], [30, 4], [8, 20]])
    encoder = EncoderFeatures(Corners(), window="cell", cell_size=(5, 7))
    found = encoder.fit_transform(ramp(), centers=centers)
    np.testing.assert_allclose(found[:, 0] * 255, centers[:, 0] - 3, rtol=1e-4)
    np.testing.assert_allclose(found[:, 2] * 255, centers[:, 1] + 2, rtol=1e-4)
    assert found[0, 3:].tolist() == [5, 7]
    assert np.array_equal(encoder.transform(ramp(), centers=centers[::-1])[2], found[2])
    with pytest.raises(ValueError, match="centers: got none where fit was given some"):
        encoder.transform(ramp())
    # Without any, cells are in the middle, as everywhere.
    middle = clone(encoder).fit_transform(ramp())
    np.testing.assert_allclose(middle[:, [0, 2]] * 255, [[14.5, 13.5]] * 5, rtol=1e-4)


class Guess:
    """Stands for a fitted localizer: the cell of image i is at (12, 10 + i)."""

    cell_size_ = (3, 5)

    def transform(self, X):
        return np.stack([np.full(len(X), 12), X[:, 0, 0, 2] / 10 + 10], axis=1)


def test_a_window_after_the_localizer():
    encoder = EncoderFeatures(Corners(), window="cell", localizer=Guess())
    found = encoder.fit(ramp()).transform(ramp())
    np.testing.assert_allclose(found[:, 0] * 255, 10, rtol=1e-4)
    np.testing.assert_allclose(found[:, 2] * 255, 11 + np.arange(5), rtol=1e-4)
    assert found[0, 3:].tolist() == [3, 5]
    # Centres that are given go first.
    given = encoder.transform(ramp(), centers=[[20, 5]] * 5)
    np.testing.assert_allclose(given[:, 0] * 255, 18, rtol=1e-4)


def test_a_fitted_estimator_localizes(blobs):
    X, y, centers = blobs
    localizer = CiresanBaseline(epochs=1, random_state=0).fit(X, y, centers=centers)
    encoder = EncoderFeatures(Corners(), window="cell", localizer=localizer)
    found = encoder.fit_transform(X)
    same = clone(encoder).set_params(localizer=None, cell_size=(12, 18))
    assert np.array_equal(found, same.fit_transform(X, centers=localizer.transform(X)))
    assert found[0, 3:].tolist() == [12, 18]
    assert clone(encoder).localizer is localizer


def test_pixels_are_standardised():
    means, stds = (0.5, 0.25, 0.1), (0.2, 0.5, 2)
    found = EncoderFeatures(Corners(), mean=means, std=stds).fit_transform(ramp())
    expected = [[-0.5 / 0.2, (10 * i / 255 - 0.1) / 2, (23 / 255 - 0.25) / 0.5] for i in range(5)]
    np.testing.assert_allclose(found[:, :3], expected, rtol=1e-5)
    one = EncoderFeatures(Corners(), mean=0.5, std=2.0).fit_transform(ramp())
    np.testing.assert_allclose(one[:, 0], -0.25)
    floats = EncoderFeatures(Corners()).fit_transform(ramp() / 255)
    np.testing.assert_allclose(floats, EncoderFeatures(Corners()).fit_transform(ramp()), rtol=1e-6)
    for dtype in (">f8", ">f4", "<f8", np.longdouble):  # of TIFF files, for example
        other = EncoderFeatures(Corners()).fit_transform((ramp() / 255).astype(dtype))
        np.testing.assert_allclose(other, floats, rtol=1e-6)


class Net(nn.Module):
    """Has all that differs between training and evaluation."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)

    def forward(self, images):
        return self.drop(self.norm(self.conv(images)))


def test_the_module_is_as_it_was():
    net = Net()
    net.norm.eval()  # frozen on its own
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    found = EncoderFeatures(net).fit_transform(ramp())
    assert [part.training for part in net.modules()] == [True, True, False, True]
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in net.parameters())
    # Maps become their means; nothing is dropped.
    with torch.no_grad():
        net.eval()
        images = torch.from_numpy(ramp() / 255).permute(0, 3, 1, 2).float()
        np.testing.assert_allclose(found, net(images).mean((2, 3)), atol=1e-6)
    bad = EncoderFeatures(nn.Sequential(Net(), nn.Linear(7, 7)))
    with pytest.raises(ValueError, match=r"module: fails on images of shape \(16, 3,.*: mat"):
        bad.fit(ramp())
    assert all(part.training for part in bad.module.modules())
    assert not hasattr(bad, "image_shape_")


def test_threads_share_a_module_that_is_training():
    net = nn.Sequential(Net(), nn.BatchNorm2d(4)).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    want = EncoderFeatures(net, batch_size=1).fit_transform(ramp())
    found = Parallel(n_jobs=4, backend="threading")(
        delayed(EncoderFeatures(net, batch_size=1).fit_transform)(ramp()) for _ in range(12)
    )
    assert all(np.array_equal(one, want) for one in found)
    assert all(part.training for part in net.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_a_module_is_copied_only_if_it_is_training():
    net = Net()
    assert in_evaluation(net.eval()) is net
    copied = in_evaluation(net.train())
    assert copied is not net
    assert not any(part.training for part in copied.modules())
    net.lock = threading.Lock()
    with pytest.raises(
        ValueError, match=r"module: is in training mode and cannot be copied \(Type"
    ):
        EncoderFeatures(net).fit(ramp())
    EncoderFeatures(net.eval()).fit(ramp())


def test_a_search_has_no_parameters_of_the_localizer(blobs):
    X, y, centers = blobs
    clf = STNCellClassifier(
        classifier_epochs=1, localizer_epochs=1, joint_epochs=1, tta=False, random_state=0
    ).fit(X[:8], y[:8], centers=centers[:8])
    encoder = EncoderFeatures(Corners(), window="cell", localizer=clf, view=8)
    assert not [name for name in encoder.get_params() if "__" in name]
    with pytest.raises(ValueError, match="localizer__tta: module and localizer are used as they"):
        encoder.set_params(localizer__tta=True)
    assert clf.tta is False


def test_a_module_gets_images_of_its_own_dtype():
    found = EncoderFeatures(Net().to(torch.bfloat16)).fit_transform(ramp())
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, EncoderFeatures(Net()).fit_transform(ramp()), atol=0.02)


def test_features_do_not_depend_on_what_comes_with_them():
    seen = []

    class Spy(Net):
        def forward(self, images):
            seen.append(images.shape[0])
            return super().forward(images)

    encoder = EncoderFeatures(Spy(), batch_size=4)
    found = encoder.fit_transform(ramp())
    assert seen == [4, 4, 4]
    assert np.array_equal(encoder.transform(ramp()[4:]), found[4:])


def exported(net, path):
    batch = torch.rand(4, 3, 24, 36)
    torch.export.save(torch.export.export(net.eval(), (batch,)), path)  # batches of four alone


def scripted(net, path):
    torch.jit.save(torch.jit.trace(net.eval(), torch.rand(4, 3, 24, 36)), path)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("write", [exported, scripted])
def test_files_of_programs(write, tmp_path):
    write(Net(), tmp_path / "net")
    encoder = EncoderFeatures(tmp_path / "net", batch_size=4)
    found = encoder.fit_transform(ramp())
    np.testing.assert_allclose(found, EncoderFeatures(Net()).fit_transform(ramp()), atol=1e-6)
    assert np.array_equal(pickle.loads(pickle.dumps(encoder)).transform(ramp()), found)
    assert np.array_equal(clone(encoder).fit(ramp()).transform(ramp()), found)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_an_exported_program_within_a_module_that_is_training(tmp_path):
    exported(Net(), tmp_path / "net.pt2")
    program = torch.export.load(tmp_path / "net.pt2").module()
    net = nn.Sequential(program, nn.Dropout(0.9))
    found = EncoderFeatures(net, batch_size=4).fit_transform(ramp())
    np.testing.assert_allclose(found, EncoderFeatures(Net()).fit_transform(ramp()), atol=1e-6)
    assert net[1].training


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_fit_reads_the_file_of_a_program_anew(tmp_path):
    encoder = EncoderFeatures(tmp_path / "net", batch_size=4)
    found = []
    for bias in (0.0, 1.0):
        net = Net()
        net.conv.bias.data += bias
        scripted(net, tmp_path / "net")
        found.append(encoder.fit_transform(ramp()))
        assert np.array_equal(found[-1], EncoderFeatures(net, batch_size=4).fit_transform(ramp()))
    assert not np.allclose(*found)


def test_in_pipelines_and_searches(blobs):
    X, y, centers = blobs
    net = nn.Sequential(nn.AvgPool2d(4), nn.Flatten())
    pipe = make_pipeline(
        EncoderFeatures(net, window="cell", cell_size=12), StandardScaler(), LogisticRegression()
    )
    with config_context(enable_metadata_routing=True):
        pipe[0].set_fit_request(centers=True).set_transform_request(centers=True)
        # scikit-learn's own, below 1.8, gives the score no centers.
        if parse_version(sklearn_version) >= parse_version("1.8"):
            around = cross_val_score(pipe, X, y, cv=4, params={"centers": centers})
        else:
            around = np.array(
                [
                    pipe.fit(X[learn], y[learn], centers=centers[learn]).score(
                        X[rest], y[rest], centers=centers[rest]
                    )
                    for learn, rest in StratifiedKFold(4).split(X, y)
                ]
            )
    assert around.mean() > 0.9  # a disc and a cross differ, once they are in the middle
    copied = clone(pipe)
    assert copied[0] is not pipe[0]
    assert copied[0].module is net
    search = GridSearchCV(
        pipe.set_params(encoderfeatures__window="patch"),
        {"encoderfeatures__view": [8, (6, 12)]},
        cv=2,
    ).fit(X, y)
    assert search.best_params_["encoderfeatures__view"] in (8, (6, 12))


def test_names_and_tables(blobs):
    X = pd.DataFrame(blobs[0][:6, :4, :6].reshape(6, -1)).rename(columns=str)
    encoder = EncoderFeatures(Corners(), image_shape=(4, 6, 3)).set_output(transform="pandas")
    table = encoder.fit_transform(X)
    assert table.columns.tolist() == [f"encoder_{i}" for i in range(5)]
    assert table.iloc[0, 3:].tolist() == [4, 6]
    assert encoder.feature_names_in_.tolist() == X.columns.tolist()
    assert encoder.n_features_out_ == 5


@parametrize_with_checks([EncoderFeatures(nn.Flatten())])
def test_sklearn_check(estimator, check):
    check(estimator)


class Odd(nn.Module):
    """Returns what it is told to."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, images):
        return self.function(images)


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda x: x.mean(1), r"Tensor of shape \(16, 24, 36\)"),
        (lambda x: x.mean((2, 3))[:3], r"Tensor of shape \(3, 3\)"),
        (lambda x: x.mean((2, 3)) * 1j, r"Tensor of complex64 of shape \(16, 3\)"),
        (lambda x: x.mean(), r"Tensor of shape \(\)"),
        (lambda x: {"features": x.mean((2, 3))}, "dict"),
    ],
)
def test_other_output_is_refused(function, got):
    with pytest.raises(TypeError, match=f"module: returns {got}, wants a Tensor of shape"):
        EncoderFeatures(Odd(function)).fit(ramp())


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"std": 0.0}, "std: got 0.0, wants a positive number"),
        ({"mean": (0.1, 0.2)}, r"mean: got \(0.1, 0.2\), wants a number, or one for each of 3"),
        ({"mean": "imagenet"}, "mean: got 'imagenet'"),
        ({"window": "cell"}, "cell_size: got None, wants a size where window='cell'"),
        ({"window": "cell", "cell_size": 30}, r"cell_size: got \(30, 30\)"),
        ({"patch_size": 30}, "patch_size: got"),
        ({"view": 0}, "'view' parameter"),
        ({"window": "cell", "localizer": StandardScaler()}, "localizer: got StandardScaler"),
        ({"device": "tpu"}, "device"),
    ],
)
def test_wrong_parameters_are_refused(parameters, words):
    with pytest.raises(ValueError, match=words):
        EncoderFeatures(Corners(), **parameters).fit(ramp())


def test_numbers_that_are_none_are_refused():
    net = Odd(lambda x: torch.where(x[:, :, 0, 0] > 0.1, torch.nan, 1.0))
    encoder = EncoderFeatures(net).fit(ramp())
    with pytest.raises(ValueError, match="NaN or infinity for 2 of 5 images, the first at index 3"):
        encoder.transform(ramp())
    with pytest.raises(ValueError, match="centers: got some, but window='patch'"):
        encoder.transform(ramp(), centers=[[1, 2]] * 5)


@pytest.mark.parametrize("error", [AssertionError, ValueError, IndexError, KeyError])
def test_a_module_that_refuses_images_in_its_own_way_is_named(error):
    class Picky(nn.Module):
        def forward(self, images):
            raise error("Input height (24) doesn't match model (224).")

    with pytest.raises(ValueError, match=r"module: fails on images of shape .*: .*match model"):
        EncoderFeatures(Picky()).fit(ramp())


def test_parameters_that_change_the_features_want_another_fit():
    encoder = EncoderFeatures(nn.Sequential(nn.AvgPool2d(12), nn.Flatten())).fit(ramp())
    assert len(encoder.get_feature_names_out()) == encoder.transform(ramp()).shape[1] == 18
    encoder.set_params(view=24)
    with pytest.raises(ValueError, match="returns 12 features, and returned 18 in fit"):
        encoder.transform(ramp())
    assert encoder.fit(ramp()).transform(ramp()).shape == (5, 12)
