"""Torch modules that are used as they are: files of programs, and modules in evaluation mode."""

from __future__ import annotations

import os
import warnings
import zipfile
from contextlib import contextmanager, suppress

import torch

from .._utils.errors import argument_error

__all__ = ["evaluating", "load_program"]


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


@contextmanager
def evaluating(module):
    """Put a module into evaluation mode without gradients; leave all its parts as they were.

    Parameters
    ----------
    module : nn.Module
        Those that torch.export has made are what they are, and stay so.
    """
    parts = [(part, part.training) for part in module.modules()]
    try:
        if any(training for _, training in parts):
            with suppress(NotImplementedError):  # of torch.export
                module.eval()
        with torch.no_grad():
            yield
    finally:
        for part, training in parts:
            if part.training != training:
                part.training = training
