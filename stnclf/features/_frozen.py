"""Torch modules that are used as they are: files of programs, and modules in evaluation mode."""

from __future__ import annotations

import copy
import os
import warnings
import zipfile

import torch

from .._utils.errors import argument_error

__all__ = ["in_evaluation", "load_program"]


def load_program(path):
    """Load a program that torch wrote, by what the file holds and not by its name.

    Parameters
    ----------
    path : str or path-like
        What ``torch.jit.save`` (TorchScript) or ``torch.export.save`` has written.

    Returns
    -------
    nn.Module

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is neither.
    """
    path = os.fspath(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        names = []
    parts = {name.split("/", 1)[-1] for name in names}
    with warnings.catch_warnings():
        # Newer versions of torch would rather have files of torch.export.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            if "constants.pkl" in parts and any(part.startswith("code/") for part in parts):
                return torch.jit.load(path, map_location="cpu").eval()
            if {"models/model.json", "serialized_exported_program.json"} & {*parts, *names}:
                return torch.export.load(path).module()
        except (RuntimeError, ValueError, KeyError, AttributeError) as error:
            problem = f"cannot load {path!r} ({' '.join(str(error).split())[:200]})."
            raise argument_error("module", problem) from error
    raise argument_error(
        "module",
        f"{path!r} is no program; wants what torch.jit.save or torch.export.save has written. "
        "Weights alone (a state_dict) go into a module of yours, and that comes here.",
    )


def in_evaluation(module):
    """Return a module in evaluation mode, and leave it as it is: other threads may use it.

    Parameters
    ----------
    module : nn.Module
        What torch.export has made is one mode alone, and says that it is training.

    Returns
    -------
    nn.Module
        The module itself where no part is training; else a copy.

    Raises
    ------
    ValueError
        If the module is training and cannot be copied.
    """
    # Modules of torch.export have an `eval` of their own, which raises.
    if "eval" in vars(module) or not any(part.training for part in module.modules()):
        return module
    try:
        copied = copy.deepcopy(module)  # its weights too: some merge them when they change mode
    except Exception as error:  # whatever is in it
        raise argument_error(
            "module",
            f"is in training mode and cannot be copied ({type(error).__name__}: {error}); put it "
            "into evaluation mode with module.eval().",
        ) from error
    try:
        return copied.eval()
    except NotImplementedError:  # it is in a part of torch.export
        for part in copied.modules():
            part.training = False
        return copied
