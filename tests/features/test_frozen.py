"""What is loaded and run is a program, and nothing else."""

import zipfile

import pytest
import torch
from torch import nn

from stnclf.features._frozen import load_program


def test_what_is_no_program_is_refused(tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(ValueError, match=r"module: '.*weights.pt' is no program; .*state_dict"):
        load_program(path)
    path.write_bytes(b"something")
    with pytest.raises(ValueError, match="is no program"):
        load_program(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/models/model.json", "{}")
    with pytest.raises(ValueError, match="module: cannot load"):
        load_program(path)
    with pytest.raises(FileNotFoundError):
        load_program(tmp_path / "nowhere")
