"""The container: what is written is read, by the safetensors library too; damage is found."""

import io
import json
import struct

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

from stnclf._serialization import container as _container
from stnclf._serialization.container import Reader, layout, pack

FACTS = {"numbers": [1, 2.5, None], "word": "Zelle \u03b1 \ud800"}
TENSORS = {
    "b.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "a.count": torch.tensor(7),
    "a.half": torch.tensor([0.5, 2.0], dtype=torch.float16),
}


def reader(data):
    return Reader(io.BytesIO(data), len(data))


def join(header, body=b"", length=None):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + body


def parts(data):
    n = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + n]), data[8 + n :]


def test_what_is_packed_is_read():
    found = reader(pack(FACTS, TENSORS))
    assert found.facts == FACTS
    assert found.layout == layout(TENSORS)
    assert layout(TENSORS)["a.half"] == ("F16", [2])
    wanted = {name: tensor.to("meta") for name, tensor in TENSORS.items()}
    for name, tensor in found.tensors(wanted).items():
        assert torch.equal(tensor, TENSORS[name])
        assert tensor.dtype == TENSORS[name].dtype


def test_it_is_a_safetensors_file(tmp_path):
    (tmp_path / "file").write_bytes(pack(FACTS, TENSORS))
    with safetensors.safe_open(tmp_path / "file", framework="np") as file:
        assert set(file.keys()) == set(TENSORS)
        assert file.get_tensor("b.weight").tolist() == [[0, 1, 2], [3, 4, 5]]
        stored = json.loads(file.metadata()["stnclf"])
    assert {**FACTS, "sha256": stored["sha256"]} == stored


def test_equal_content_gives_equal_bytes_and_another_another_digest():
    turned = dict(reversed(FACTS.items())), dict(reversed(TENSORS.items()))
    assert pack(*turned) == pack(FACTS, TENSORS)
    digests = {
        _container.digest(facts, tensors)
        for facts, tensors in [
            (FACTS, TENSORS),
            ({**FACTS, "word": "x"}, TENSORS),
            (FACTS, {**TENSORS, "a.count": torch.tensor(8)}),
            (FACTS, {**TENSORS, "b.weight": TENSORS["b.weight"].reshape(3, 2)}),
            (FACTS, {**TENSORS, "b.weight": TENSORS["b.weight"].view(torch.int32)}),
        ]
    }
    assert len(digests) == 5


def test_every_flipped_bit_is_found():
    data = pack(FACTS, TENSORS)
    silent = []
    for i in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[i // 8] ^= 1 << i % 8
        try:
            reader(bytes(damaged)).tensors(TENSORS)
        except ValueError:
            continue
        silent.append(i)
    # Two kinds of bits hold nothing: the case of \\uXXXX, and blanks at the header's end.
    header = data[: len(data) - len(parts(data)[1])].decode("latin-1")
    for i in silent:
        near = header[max(0, i // 8 - 5) : i // 8 + 1]
        assert "\\u" in near or near.isspace(), near


def test_every_cut_is_found():
    data = pack(FACTS, TENSORS)
    for n in range(len(data)):
        with pytest.raises(ValueError, match=r"cut short|bytes"):
            reader(data[:n]).tensors(TENSORS)
    with pytest.raises(ValueError, match="bytes"):
        reader(data + b"x").tensors(TENSORS)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "cut short"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "no safetensors"),
        (join(b"{}", length=2**64 - 1), "cut short"),
        (join(b"", length=0), "Expecting value"),
        (join(b"{" * 100), "Expecting"),
        (join(b"[1]"), "no JSON object"),
        (join({}), "not one of stnclf"),
        (join({"__metadata__": {"stnclf": 3}}), "not one of stnclf"),
        (join({"__metadata__": [1]}), "not one of stnclf"),
        (join({"__metadata__": {"stnclf": "7"}}), "no JSON object"),
        (join({"__metadata__": {"stnclf": '{"a": NaN}'}}), "the number NaN"),
        (join({"__metadata__": {"stnclf": '{"a": 1e999}'}}), "the number 1e999"),
        (join({"__metadata__": {"stnclf": '{"a": ' + "9" * 41 + "}"}}), "40 digits"),
        (join({"__metadata__": {"stnclf": "{}"}, "a": 3}), "no tensor as 'a'"),
        (join('{"\u00e4": 1}'.encode()), "ascii"),
    ],
)
def test_headers_that_are_none(data, words):
    with pytest.raises(ValueError, match=words):
        reader(data)


def test_headers_that_would_take_much_memory(monkeypatch):
    deep = b'{"a":' + b"[" * 100_000
    with pytest.raises(RecursionError):
        reader(join(deep))
    for text in ("[" + "[]," * 125_000 + "[]]", '{"a":' * 250_001, "[" + "1," * 250_001 + "1]"):
        for header in (text.encode(), {"__metadata__": {"stnclf": text}}):
            with pytest.raises(ValueError, match="more than 250000 values"):
                reader(join(header))
    # The values of a description that is written with escapes count too.
    escaped = json.dumps({"__metadata__": {"stnclf": "[" + "1," * 250_001 + "1]"}})
    escaped = escaped.replace("1,", "1\\u002c").encode()
    with pytest.raises(ValueError, match="its description holds more than 250000 values"):
        reader(join(escaped))
    monkeypatch.setattr(_container, "MOST_HEADER", 300)
    with pytest.raises(ValueError, match="its header has 301 bytes, more than 300"):
        reader(join(b"{}" + b" " * 299))


def test_other_tensors_than_wanted_are_refused_before_they_are_read():
    data = pack(FACTS, TENSORS)
    other = {**TENSORS, "b.weight": torch.zeros(3, 2)}
    cases = {
        r"tensor 'b.weight' is F32 \[2, 3\], wants F32 \[3, 2\]": other,
        r"tensor 'a.count' is I64 \[\], wants F32 \[\]": {**TENSORS, "a.count": torch.tensor(7.0)},
        "tensor 'more' is missing": {**TENSORS, "more": torch.zeros(1)},
        "tensor 'a.half' is unknown": {
            "b.weight": TENSORS["b.weight"],
            "a.count": TENSORS["a.count"],
        },
    }
    for words, wanted in cases.items():
        found = reader(data)
        found.file = None
        with pytest.raises(ValueError, match=words):
            found.tensors(wanted)


@pytest.mark.parametrize(
    "change",
    [
        {"data_offsets": [0, 2**63]},
        {"data_offsets": [8, 0]},
        {"data_offsets": [0, 4]},
        {"data_offsets": None},
        {"data_offsets": [0.5, 1]},
    ],
)
def test_places_that_do_not_fit_are_refused(change):
    header, body = parts(pack(FACTS, TENSORS))
    header["b.weight"].update(change)
    with pytest.raises(ValueError, match="no safetensors file"):
        reader(join(header, body)).tensors(TENSORS)


def test_declared_sizes_take_no_memory():
    header, body = parts(pack(FACTS, TENSORS))
    header["b.weight"]["shape"] = [2**40, 3]
    wanted = {**TENSORS, "b.weight": torch.empty(2**40, 3, device="meta")}
    with pytest.raises(ValueError, match=f"has {len(join(header, body))} bytes"):
        reader(join(header, body)).tensors(wanted)


def test_the_digest_is_checked_against_the_tensors():
    header, body = parts(pack(FACTS, TENSORS))
    for damaged in (body[::-1], bytes(len(body))):
        with pytest.raises(ValueError, match="digest"):
            reader(join(header, damaged)).tensors(TENSORS)
    facts = json.loads(header["__metadata__"]["stnclf"])
    del facts["sha256"]
    header["__metadata__"]["stnclf"] = json.dumps(facts)
    with pytest.raises(ValueError, match="digest"):
        reader(join(header, body)).tensors(TENSORS)


def test_what_others_wrote_is_read_as_well():
    facts = {"a": 1}
    text = json.dumps({**facts, "sha256": _container.digest(facts, TENSORS)}, indent=2)
    data = safetensors.torch.save(TENSORS, {"stnclf": text, "note": "more"})
    assert np.array_equal(reader(data).tensors(TENSORS)["b.weight"], TENSORS["b.weight"])
