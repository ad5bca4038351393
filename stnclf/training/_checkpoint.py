"""Checkpoints: the state of a training at the end of an epoch, in a file, and going on from it.

A checkpoint is a file like a model file (see ``_container.py``): the weights, the best weights
of early stopping and the optimizer's moments are its tensors; stage and epoch, history, and the
fingerprint of parameters and data are JSON in its header. What an epoch draws is decided by seed,
stage and epoch, and rates by the step, so that there are no generators to be kept.
"""

from __future__ import annotations

import io
import math
import os
from contextlib import contextmanager

import torch
from skorch.callbacks import Callback, EarlyStopping, PassthroughScoring

from .._serialization.codec import decode, encode
from .._serialization.container import REFUSALS, Reader, check_finite, one_line, pack, reading
from .._serialization.training_record import TrainingRecord
from .._serialization.version_1 import current_parameters
from .._utils.files import check_writable, write_atomically
from .._utils.lock import Lock
from .._version import __version__
from ..networks import positional_names
from ._fingerprint import differences

__all__ = ["FORMAT_VERSION", "CheckpointKeeper"]

#: Version of the format that is written; version 1 is read, too.
FORMAT_VERSION = 2

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class CheckpointKeeper(Callback):
    """Keeps the state of one ``fit`` in a file, and finds it there.

    It has to be the last of the callbacks, so that it sees what the others have done. As a
    context it is the only one that writes the file: another ``fit`` is refused until the end.

    Parameters
    ----------
    path : str or path-like
        Name of the file.

    Raises
    ------
    OSError
        If the file could not be written; the error names it.
    """

    def __init__(self, path):
        self.path = os.path.realpath(os.fsdecode(path))
        check_writable(os.fsdecode(path))
        self._lock = None
        self.fingerprint, self.number, self.facts, self.saved = None, 0, None, None

    def __enter__(self):
        self._lock = Lock(self.path)
        return self

    def __exit__(self, *exc_info):
        lock, self._lock = self._lock, None
        lock.release()

    def look(self, fingerprint, plan, stages, *, whole=False, earlier_start=None):
        """Look for an earlier run of the same training.

        Parameters
        ----------
        fingerprint : dict
            What the training begins with, see `stnclf.training._fingerprint.fingerprint`.
        plan : list of Stage
            What it does.
        stages : collection of str
            Names of all stages that there are.
        whole : bool, default=False
            Whether the window is the whole patch.
        earlier_start : str, default=None
            What ``fingerprint["start"]`` was in files of version 1, if known.

        Returns
        -------
        int or None
            The earlier run's seed; None if there is no file.

        Raises
        ------
        ValueError
            If the file is another training's, damaged, or no checkpoint; in one line.
        OSError
            If the file cannot be read.
        """
        self.fingerprint = fingerprint
        if not os.path.exists(self.path):
            return None
        with self._reading() as reader:
            _check_format(reader.facts)
            there = _fingerprint_in(reader.facts, whole)
            here = fingerprint
            if reader.facts["format_version"] == 1 and earlier_start is not None:
                here = {**fingerprint, "start": earlier_start}
            _check_same_training(there, here)
            self.saved = Saved(reader.facts, plan, stages)
            self.facts = reader.facts
        return self.saved.record.seed

    def load(self, net):
        """Read what the tensors of the file are, if there is one; the net is not changed.

        Parameters
        ----------
        net : CellNet
            With the networks and callbacks of this ``fit``.

        Raises
        ------
        ValueError, OSError
            As `look` does.
        """
        if self.saved is None:
            return
        with self._reading() as reader:
            if reader.facts != self.facts:
                raise ValueError("it was written anew meanwhile; does another fit use it?")
            if self.saved.record.seed != net.seed:
                raise ValueError("seed: is not the one that random_state gives")
            self.saved.load(reader, net)
        self.facts = None

    def restore(self, net):
        """Restore a net from what was found: weights, history, counts of epochs."""
        if self.saved is not None:
            net.module_.load_state_dict(self.saved.part("module"))
            self.saved.record.restore(net)

    def left(self, plan):
        """Yield the stages that are left.

        Parameters
        ----------
        plan : list of Stage
            All of them.

        Yields
        ------
        stage : Stage
            To be run.
        saved : Saved or None
            Where the first of them goes on.
        """
        saved, self.saved = self.saved, None
        for self.number in range(0 if saved is None else saved.number, len(plan)):
            yield plan[self.number], saved
            saved = None

    def on_epoch_end(self, net, **kwargs):
        """Write the file."""
        names = {id(p): name for name, p in net.module_.named_parameters()}
        tensors = _prefixed("module", net.module_.state_dict())
        moments, stoppers = [], {}
        for parameter in net.running.parameters:
            state = net.optimizer_.state.get(parameter)
            if state:
                moments.append(names[id(parameter)])
                tensors.update(_prefixed(f"moments.{moments[-1]}", {n: state[n] for n in _MOMENTS}))
        for name, stopper in _stoppers(net).items():
            best = stopper.best_model_weights_
            tensors.update(_prefixed(f"best.{name}", best or {}))
            stoppers[name] = {
                "misses": stopper.misses_,
                "threshold": encode(stopper.dynamic_threshold_),
                "best_epoch": stopper.best_epoch_,
                "has_weights": best is not None,
            }
        facts = {
            "format": "stnclf checkpoint",
            "format_version": FORMAT_VERSION,
            "version": __version__,
            "fingerprint": self.fingerprint,
            "stage": self.number,
            "epoch": net.epochs_done[net.stage.name] - net.running.epochs_before,
            "moments": moments,
            "stoppers": stoppers,
            **TrainingRecord.of(net).encoded(),
        }
        data = pack(facts, {name: t.detach().cpu().contiguous() for name, t in tensors.items()})
        # What could not be read must not replace what can.
        Reader(io.BytesIO(data), len(data))
        write_atomically(self.path, data, self._lock and self._lock.check)

    @contextmanager
    def _reading(self):
        try:
            with reading(self.path) as reader:
                yield reader
        except REFUSALS as error:
            raise ValueError(
                f"checkpoint: {self.path}: cannot be continued; {one_line(error)}"
            ) from error


class Saved:
    """What a checkpoint holds: first what its header says, then its tensors.

    Parameters
    ----------
    facts : dict
        The description in the header.
    plan : list of Stage
        What the training does.
    stages : collection of str
        Names of all stages that there are.

    Attributes
    ----------
    number, epoch : int
        Place of the stage in the plan, and how many of its epochs are done.
    record : TrainingRecord
        Seed, history and counts of epochs.

    Raises
    ------
    ValueError, TypeError
        If they do not agree with each other.
    """

    def __init__(self, facts, plan, stages):
        self.number, self.epoch = facts.get("stage"), facts.get("epoch")
        if type(self.number) is not int or not 0 <= self.number < len(plan):
            raise ValueError(f"stage: wants a number from 0 to {len(plan) - 1}")
        self.stage = plan[self.number]
        if type(self.epoch) is not int or not 1 <= self.epoch <= self.stage.epochs:
            raise ValueError(f"epoch: wants a number from 1 to {self.stage.epochs}")
        self.record = TrainingRecord.decoded(facts, stages)
        done = self.record.epochs_done.get(self.stage.name, 0)
        rows = self.record.history[-self.epoch :]
        if (
            done < self.epoch
            or [row.get("stage") for row in rows] != [self.stage.name] * self.epoch
        ):
            raise ValueError("history: does not have the epochs that are said to be done")
        self.moments, self.stoppers = facts.get("moments"), facts.get("stoppers")
        # In version 1 the patience was a parameter.
        self.version = facts["format_version"]
        parameters = facts["fingerprint"].get("parameters") if self.version == 1 else {}
        self.patience = parameters.get("n_iter_no_change")
        self.tensors = {}

    def load(self, reader, net):
        """Read the tensors.

        Parameters
        ----------
        reader : stnclf._serialization.container.Reader
            Of the same file.
        net : CellNet
            For which they are.

        Raises
        ------
        ValueError
            If they are not those of this net.
        """
        module = net.module_.state_dict()
        # What the file calls the weights.
        names = positional_names(net.module_) if self.version == 1 else {n: n for n in module}
        learning = {id(p) for part in self.stage.learns for p in net.part(part).parameters()}
        learning = {names[n]: n for n, p in net.module_.named_parameters() if id(p) in learning}
        named = isinstance(self.moments, list) and all(isinstance(n, str) for n in self.moments)
        if not named or not set(self.moments) <= set(learning) or len(self.moments) > len(learning):
            raise ValueError("moments: wants names of weights that learn in the stage")
        self.moments = [learning[name] for name in self.moments]
        self._check_stoppers(_stoppers(net))
        wanted, there = {}, {}
        bests = [f"best.{name}" for name, s in self.stoppers.items() if s["has_weights"]]
        for prefix in ("module", *bests):
            wanted.update(_prefixed(prefix, module))
            there.update((f"{prefix}.{n}", f"{prefix}.{old}") for n, old in names.items())
        for name in self.moments:
            like = dict(zip(_MOMENTS, (module[name], module[name], torch.zeros(()))))
            wanted.update(_prefixed(f"moments.{name}", like))
            there.update((f"moments.{name}.{m}", f"moments.{names[name]}.{m}") for m in like)
        self.tensors = reader.tensors(wanted, there)
        # Squares of gradients may have become infinite without harm.
        squares = {n: t for n, t in self.tensors.items() if n.endswith(".exp_avg_sq")}
        check_finite({n: t for n, t in self.tensors.items() if n not in squares})
        for name, tensor in self.tensors.items():
            if name in squares and not (tensor >= 0).all():
                raise ValueError(f"tensor {name!r} is not the mean of squares")
            counts = name.startswith("moments.") and name.endswith(".step")
            if counts and (tensor < 1 or tensor != tensor.round()):
                raise ValueError(f"tensor {name!r} is no number of steps")

    def part(self, prefix):
        """Return the tensors below a name."""
        start = f"{prefix}."
        return {n[len(start) :]: t for n, t in self.tensors.items() if n.startswith(start)}

    def restore_stage(self, net):
        """Resume a stage that has just begun: optimizer, early stopping, best losses.

        Parameters
        ----------
        net : CellNet
            After ``on_train_begin``.
        """
        parameters = dict(net.module_.named_parameters())
        on_device = net.optimizer_.param_groups[0]["capturable"]
        for name in self.moments:
            parameter, saved = parameters[name], self.part(f"moments.{name}")
            state = net.optimizer_.state[parameter]
            state["step"] = saved["step"].to(parameter.device if on_device else "cpu")
            for moment in ("exp_avg", "exp_avg_sq"):
                # In the layout of the weights in memory, as the optimizer makes it.
                state[moment] = torch.zeros_like(parameter, requires_grad=False)
                state[moment].copy_(saved[moment])
        for name, stopper in _stoppers(net).items():
            facts = self.stoppers[name]
            stopper.misses_, stopper.best_epoch_ = facts["misses"], facts["best_epoch"]
            stopper.dynamic_threshold_ = decode(facts["threshold"])
            if facts["has_weights"]:
                stopper.best_model_weights_ = self.part(f"best.{name}")
        for _, callback in net.callbacks_:
            if isinstance(callback, PassthroughScoring):
                for row in self.record.history[-self.epoch :]:
                    loss = row.get(callback.name)
                    if loss is not None and callback._is_best_score(loss):
                        callback.best_score_ = loss

    def _check_stoppers(self, present):
        found = self.stoppers
        if not isinstance(found, dict) or set(found) != set(present):
            raise ValueError(
                f"callbacks: wants the early stopping {sorted(present)}, the file has "
                f"{sorted(found) if isinstance(found, dict) else 'none'}"
            )
        for name, facts in found.items():
            facts = facts if isinstance(facts, dict) else {}
            misses, best = facts.get("misses"), facts.get("best_epoch")
            threshold = decode(facts.get("threshold"))
            if (
                type(misses) is not int
                or not 0 <= misses < present[name].patience
                or type(best) is not int
                or not 0 <= best <= len(self.record.history)
                or type(threshold) not in (int, float)
                or math.isnan(threshold)
                or type(facts.get("has_weights")) is not bool
            ):
                raise ValueError(f"stoppers: {name[:40]!r} is in no state of early stopping")
            if name == "EarlyStopping" and self.patience not in (None, present[name].patience):
                raise ValueError(
                    f"callbacks: it is of a fit with n_iter_no_change={self.patience}; pass "
                    f"callbacks=[EarlyStopping(patience={self.patience}, load_best=True)]"
                )


def _check_same_training(there, here):
    found = differences(there, here)
    if found:
        raise ValueError(
            f"it is of a fit with other {', '.join(found)}; continue with the same, or remove "
            "the file to begin anew"
        )


def _fingerprint_in(facts, whole):
    """Take the fingerprint out of a file, with the parameters of today."""
    there = facts.get("fingerprint")
    if not isinstance(there, dict):
        raise ValueError("fingerprint: is missing")
    stored = there.get("parameters")
    if facts["format_version"] > 1 or not isinstance(stored, dict):
        return there
    found = current_parameters(there.get("class"), stored, whole=whole)
    found["optimizer__lr"] = encode(found["optimizer__lr"])
    if found.get("classifier") == "auto":
        found["classifier"] = "context"
    del found["n_iter_no_change"]
    return {**there, "parameters": found}


def _check_format(facts):
    if facts.get("format") != "stnclf checkpoint":
        raise ValueError("it is a file of stnclf, but no checkpoint")
    version = facts.get("format_version")
    if type(version) is not int or not 1 <= version <= FORMAT_VERSION:
        raise ValueError(
            f"its format version is {str(version)[:40]}, this version of stnclf reads 1 to "
            f"{FORMAT_VERSION} ({str(facts.get('version'))[:40]!r} wrote it, this is "
            f"{__version__!r})"
        )


def _stoppers(net):
    """Early stopping among a net's callbacks, the user's own included, by name."""
    return {name: c for name, c in net.callbacks_ if isinstance(c, EarlyStopping)}


def _prefixed(prefix, tensors):
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}
