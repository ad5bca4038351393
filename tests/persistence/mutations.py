"""Mutations of model files and checkpoints.

Each takes a file, another one and a generator, and gives bytes.
"""

import copy
import json
import struct

import numpy as np
import safetensors.torch
import torch

from stnclf._serialization.container import digest, pack

HOSTILE = [
    None,
    True,
    -1,
    0,
    1,
    3,
    2**31 - 1,
    2**31,
    2**63,
    10**30,
    0.5,
    -1e308,
    "",
    "cpu",
    "a" * 5000,
    "../../etc/passwd",
    "os.system",
    "<U999999",
    "|O",
    [],
    [[]],
    [1] * 1000,
    {},
    {"dict": [[[], 1]]},
    {"dict": 3},
    {"tuple": [1, 2]},
    {"tuple": 7},
    {"float": "nan"},
    {"float": "1e9"},
    {"RandomState": [[0] * 624, 625, 0, 0.0]},
    {"RandomState": [[2**32] * 624, 0, 0, 0.0]},
    {"RandomState": [[0] * 624, 5, 0, 0.0]},
    {"RandomState": [[0], 0]},
    {"__reduce__": ["os.system", "true"]},
]


class File:
    """A model file in its parts."""

    def __init__(self, data):
        self.data = data
        self.n = struct.unpack("<Q", data[:8])[0]
        self.header = json.loads(data[8 : 8 + self.n])
        self.facts = json.loads(self.header["__metadata__"]["stnclf"])
        self.body = data[8 + self.n :]

    def sign(self):
        """Bring the digest up to date."""
        facts = {name: value for name, value in self.facts.items() if name != "sha256"}
        tensors = safetensors.torch.load(self.data[: 8 + self.n] + self.body)
        self.facts["sha256"] = digest(facts, tensors)
        return self

    def join(self, header=None):
        """Put the parts together again."""
        if header is None:
            header = {**self.header, "__metadata__": {"stnclf": json.dumps(self.facts)}}
        if not isinstance(header, bytes):
            header = json.dumps(header).encode()
        header += b" " * (-len(header) % 8)
        return struct.pack("<Q", len(header)) + header + self.body


def flip(data, rng, first=0, last=None):
    """Flip one to sixteen bits."""
    data = bytearray(data)
    last = len(data) if last is None else last
    for i in rng.integers(first, last, rng.integers(1, 17)):
        data[i] ^= 1 << int(rng.integers(8))
    return bytes(data)


def flip_anywhere(file, other, rng):
    return flip(file.data, rng)


def flip_in_header(file, other, rng):
    return flip(file.data, rng, 0, 8 + file.n)


def flip_in_weights_signed(file, other, rng):
    file.body = flip(file.body, rng)
    return file.sign().join()


def truncate(file, other, rng):
    return file.data[: rng.integers(len(file.data))]


def extend(file, other, rng):
    return file.data + rng.bytes(rng.integers(1, 10_000))


def overwrite(file, other, rng):
    start, length = rng.integers(len(file.data)), rng.integers(1, 5000)
    filling = rng.bytes(length) if rng.random() < 0.5 else bytes(length)
    return file.data[:start] + filling + file.data[start + length :]


def swap_parts(file, other, rng):
    a, b, c = sorted(rng.integers(0, len(file.data), 3))
    return file.data[:a] + file.data[b:c] + file.data[a:b] + file.data[c:]


def swap_headers(file, other, rng):
    return other.data[: 8 + other.n] + file.body


def swap_descriptions(file, other, rng):
    file.facts = other.facts
    return file.join()


def swap_facts_signed(file, other, rng):
    shared = sorted(file.facts.keys() & other.facts.keys())
    for name in rng.choice(shared, rng.integers(1, 4), replace=False):
        file.facts[name] = other.facts[name]
    return file.sign().join()


def random_bytes(file, other, rng):
    return rng.bytes(rng.integers(0, 3000))


def header_length(file, other, rng):
    lengths = [0, 1, 7, file.n - 1, file.n + 8, len(file.data), 2**31, 2**40, 2**63, 2**64 - 1]
    return struct.pack("<Q", lengths[rng.integers(len(lengths))]) + file.data[8:]


def tensor_entries(file, other, rng):
    """Change shapes, dtypes, places or names in the header."""
    header = copy.deepcopy(file.header)
    names = [name for name in header if name != "__metadata__"]
    for name in rng.choice(names, rng.integers(1, 3), replace=False):
        entry = header[name]
        huge = [2**31, 2**40, 2**63, 10**30, -1, 0, 1, "3", None, 1.5, [[]]]
        hostile = huge[rng.integers(len(huge))]
        kind = rng.integers(8)
        if kind == 0:
            entry["shape"] = [hostile, *entry["shape"][1:]]
        elif kind == 1:
            entry["shape"] = entry["shape"][::-1] + [1]
        elif kind == 2:
            entry["shape"] = [hostile] * int(rng.integers(1, 2000))
        elif kind == 3:
            entry["dtype"] = ["F64", "F16", "BF16", "U8", "I64", "C64", "", None][rng.integers(8)]
        elif kind == 4:
            entry["data_offsets"] = [hostile, entry["data_offsets"][1]]
        elif kind == 5:
            entry["data_offsets"] = [0, hostile]
        elif kind == 6:
            header[str(hostile)] = header.pop(name)
        else:
            header[name] = hostile
    return file.join(header)


def tensors_signed(file, other, rng):
    """Write other tensors than there should be, in a file that is right otherwise."""
    tensors = safetensors.torch.load(file.data)
    del file.facts["sha256"]
    for name in rng.choice(sorted(tensors), rng.integers(1, 3), replace=False):
        tensor = tensors.pop(name)
        changes = [
            {name: tensor.flatten()},
            {name: tensor[None].contiguous()},
            {name: tensor.T.contiguous() if tensor.ndim == 2 else tensor},
            {name: tensor.double()},
            {name: tensor.half()},
            {name: tensor.flatten()[:0]},
            {name: torch.cat([tensor.flatten()] * 50)},
            {name: tensor * torch.nan},
            {name: tensor * 1e30},
            {f"{name}.more": tensor},
            {name: tensor, f"{name}.more": tensor.clone()},
            {},
        ]
        tensors.update(changes[rng.integers(len(changes))])
    return pack(file.facts, tensors)


def facts_signed(file, other, rng):
    """Put hostile values into the description, or take some away."""
    for _ in range(rng.integers(1, 4)):
        place = file.facts
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = keys[rng.integers(len(keys))]
            inner = place[key]
            if isinstance(inner, (dict, list)) and inner and rng.random() < 0.8:
                place = inner
                continue
            action = rng.integers(8)
            if action == 0:
                del place[key]
            elif action == 1 and isinstance(place, dict):
                place[f"{key}x"] = inner
            elif action == 2 and isinstance(place, list):
                place.append(inner)
            else:
                place[key] = copy.deepcopy(HOSTILE[rng.integers(len(HOSTILE))])
            break
    return file.sign().join()


def huge_sizes_signed(file, other, rng):
    """Declare large images, many channels or many classes, in agreement with each other."""
    side, kind = int(2 ** rng.uniform(5, 34)), rng.integers(4)
    if "members" in file.facts and rng.random() < 0.3:
        n = min(side, 2**14)
        file.facts["members"] = (file.facts["members"] * n)[:n]
        return file.sign().join()
    for facts in file.facts.get("members", [file.facts]):
        _enlarge(facts, side, kind, rng)
    return file.sign().join()


def _enlarge(facts, side, kind, rng):
    if kind == 0:
        facts["image_shape_"] = [side, side, 3]
        facts["patch_size_"] = facts["cell_size_"] = [side, side]
        if rng.random() < 0.5:
            facts["cell_size_"] = [1 + side // 2, 1 + side // 2]
    elif kind == 1:
        facts["image_shape_"][2] = side
    elif kind == 2:
        n = min(side, 100_000)
        facts["classes_"] = {"dtype": "<i8", "values": list(range(n))}
    else:
        facts["classes_"] = {"dtype": f"<U{min(side, 9_999_999)}", "values": ["a", "b", "c"]}
    facts["n_features_in_"] = int(np.prod([*map(int, facts["image_shape_"])], dtype=object))


def progress_signed(file, other, rng):
    """Claim to be at another point of the training, or have long lists of what is at hand."""
    facts, n = file.facts, int(2 ** rng.uniform(0, 17))
    kind = rng.integers(7)
    if kind == 0:
        facts["stage"] = int(rng.integers(-2, 4))
    elif kind == 1:
        facts["epoch"] = int(rng.integers(-1, 6))
    elif kind == 2:
        facts["history"] = facts["history"] * n
        facts["epoch"] = n
    elif kind == 3:
        facts["moments"] = facts["moments"] * n if rng.random() < 0.5 else facts["moments"][1:]
    elif kind == 4:
        state = {"misses": 0, "threshold": 0.5, "best_epoch": 0, "has_weights": True}
        facts["stoppers"] = {f"EarlyStopping{i}": state for i in range(n)}
    elif kind == 5:
        facts["epochs_done"] = {"classifier": n, "joint": 2**53}
    else:
        for state in facts["stoppers"].values():
            changes = {"misses": n, "threshold": -n, "best_epoch": n, "has_weights": False}
            name = list(changes)[rng.integers(4)]
            state[name] = changes[name]
    return file.sign().join()


def bombs(file, other, rng):
    """JSON that is deep, long or full."""
    n = int(2 ** rng.uniform(5, 22))
    text = [
        "[" * n,
        '{"a":' * n,
        "[" + "[]," * n + "[]]",
        "9" * n,
        "1" + "0" * n + ".5",
        '"' + "\\u0041" * n + '"',
        "NaN",
        "[" + "1e5," * n + "1]",
        "{" + ",".join(f'"{i}":{{}}' for i in range(n // 8)) + "}",
    ][rng.integers(9)]
    place = rng.integers(3)
    if place == 0:
        return file.join(text.encode())
    if place == 1:
        return file.join({**file.header, "__metadata__": {"stnclf": text}})
    key = sorted(file.facts)[rng.integers(len(file.facts))]
    facts = json.dumps({**file.facts, key: "HERE"}).replace('"HERE"', text)
    return file.join({**file.header, "__metadata__": {"stnclf": facts}})


MUTATIONS = [
    flip_anywhere,
    flip_in_header,
    flip_in_weights_signed,
    truncate,
    extend,
    overwrite,
    swap_parts,
    swap_headers,
    swap_descriptions,
    swap_facts_signed,
    random_bytes,
    header_length,
    tensor_entries,
    tensors_signed,
    facts_signed,
    facts_signed,
    facts_signed,
    huge_sizes_signed,
    bombs,
]


CHECKPOINT_MUTATIONS = [
    progress_signed if mutation is huge_sizes_signed else mutation for mutation in MUTATIONS
]


def mutate(files, seed, number):
    """Make mutated file ``number``; the same for the same files."""
    rng = np.random.default_rng([seed, number])
    a, b = rng.choice(len(files), 2, replace=False)
    file, other = File(files[a]), File(files[b])
    mutations = CHECKPOINT_MUTATIONS if "stoppers" in file.facts else MUTATIONS
    mutation = mutations[rng.integers(len(mutations))]
    return mutation.__name__, mutation(file, other, rng), int(a)
