"""MATLAB files: the same numbers as SciPy reads, and no harm from damaged ones."""

import io
import struct
import zlib

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from stnclf.annotations._mat_file import read_matrix


def saved(path, compress=False, **matrices):
    savemat(path, matrices, do_compression=compress)
    return path


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    "dtype", ["f8", "f4", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", ">f8"]
)
def test_numbers_of_every_type(dtype, compress, tmp_path):
    values = np.array([[1, 2], [30, 4], [5, 127]], dtype=dtype)
    path = saved(tmp_path / "a.mat", compress, other=np.eye(3), detection=values, word="text")
    found = read_matrix(path, "detection")
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, values)
    np.testing.assert_array_equal(read_matrix(path, "other"), np.eye(3))


@pytest.mark.parametrize("shape", [(0, 2), (0, 0), (1, 1), (2, 5), (500, 2)])
def test_shapes(shape, tmp_path):
    values = np.random.default_rng(0).normal(size=shape)
    path = saved(tmp_path / "a.mat", detection=values)
    found = read_matrix(path, "detection")
    assert found.shape == shape
    np.testing.assert_array_equal(found, values)


def test_doubles_that_are_stored_as_bytes(tmp_path):
    # MATLAB shrinks whole numbers; SciPy does not write that, so it is put together here.
    def element(kind, content):
        return struct.pack("<II", kind, len(content)) + content + b"\0" * (-len(content) % 8)

    flags = element(6, struct.pack("<II", 6, 0))
    shape, name = element(5, struct.pack("<ii", 3, 2)), element(1, b"detection")
    numbers = element(2, bytes([200, 2, 3, 4, 5, 250]))
    header = b"MATLAB 5.0".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    path = tmp_path / "a.mat"
    path.write_bytes(header + element(14, flags + shape + name + numbers))
    expected = [[200, 4], [2, 5], [3, 250]]
    assert read_matrix(path, "detection").tolist() == expected
    assert loadmat(path)["detection"].tolist() == expected


@pytest.mark.parametrize(
    "matrix", ["text", np.array([[1j, 2]]), np.array([["a", 2]], dtype=object), np.zeros((2, 2, 2))]
)
def test_what_is_no_matrix_of_numbers(matrix, tmp_path):
    path = saved(tmp_path / "a.mat", detection=matrix)
    with pytest.raises(ValueError, match="'detection' is no matrix of real numbers"):
        read_matrix(path, "detection")


def test_a_matrix_that_is_missing_is_named(tmp_path):
    path = saved(tmp_path / "a.mat", points=np.eye(2))
    with pytest.raises(ValueError, match="holds no matrix 'detection'"):
        read_matrix(path, "detection")


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.mat"
    for content in (b"", b"MATLAB 5.0", b"\x89HDF\r\n\x1a\n" + b"\0" * 500):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is no MATLAB file of version 5 to 7"):
            read_matrix(path, "detection")


@pytest.mark.parametrize("compress", [False, True])
def test_files_cut_short_are_refused(compress, tmp_path):
    path = saved(tmp_path / "a.mat", compress, detection=np.arange(20.0).reshape(10, 2))
    whole = path.read_bytes()
    for size in range(128, len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"is damaged|holds no matrix"):
            read_matrix(path, "detection")


def test_damaged_files_do_no_harm(tmp_path):
    rng = np.random.default_rng(0)
    path = saved(tmp_path / "a.mat", detection=np.arange(20.0).reshape(10, 2))
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    refused = 0
    for _ in range(500):
        damaged = whole.copy()
        damaged[rng.integers(124, len(whole), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        try:
            assert read_matrix(path, "detection").ndim == 2
        except ValueError:
            refused += 1
    assert 50 < refused < 500


def test_a_small_file_that_unfolds_to_a_huge_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("stnclf.annotations._mat_file.LARGEST", 1000)
    buffer = io.BytesIO()
    savemat(buffer, {"detection": np.zeros((1000, 2))})
    packed = zlib.compress(buffer.getvalue()[128:])
    path = tmp_path / "a.mat"
    path.write_bytes(buffer.getvalue()[:128] + struct.pack("<II", 15, len(packed)) + packed)
    with pytest.raises(ValueError, match="is damaged"):
        read_matrix(path, "detection")


def test_every_list_of_the_real_set_is_as_scipy_reads_it(shared_data):
    files = sorted(shared_data("crchisto").glob("*/*.mat"))
    assert len(files) == 200
    for file in files:
        expected = loadmat(file)["detection"]
        found = read_matrix(file, "detection")
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found, expected)
