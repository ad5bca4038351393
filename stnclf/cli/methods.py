"""Which estimator a command trains: its method, its options, ``--set name=value``."""

from __future__ import annotations

import ast
import difflib

import click
from click.core import ParameterSource

from .common import SEED

__all__ = ["TITLES", "build", "method_options", "patch_size_of", "read_settings"]

#: Methods, and their names in tables.
TITLES = {"stn": "STN", "cnn": "CNN (Ciresan)", "features": "features + SVC"}

#: Options that are parameters of the estimators under the same names.
_OPTIONS = (
    click.option(
        "--patch-size",
        type=int,
        help="Side in px of the middle of the images, which the networks see.  "
        "[default: as the patches were cut]",
    ),
    click.option(
        "--cell-size",
        type=int,
        help="Side in px of the window around a cell.  [default: as the patches were cut]",
    ),
    click.option(
        "--localizer",
        type=click.Choice(["heatmap", "dense"]),
        help="The network that finds the cell; dense is the paper's (stn).  [default: heatmap]",
    ),
    click.option(
        "--classifier",
        type=click.Choice(["auto", "shared", "context", "inception"]),
        help="The network that tells its class; inception is the paper's (stn).  [default: auto]",
    ),
    click.option(
        "--classifier-epochs",
        type=int,
        help="Passes over the patches in the first stage, which learns classes (stn).  "
        "[default: 80]",
    ),
    click.option(
        "--localizer-epochs",
        type=int,
        help="The same in the second stage, which learns where cells are (stn).  [default: 50]",
    ),
    click.option(
        "--joint-epochs",
        type=int,
        help="The same in the third stage, which learns both together (stn).  [default: 20]",
    ),
    click.option(
        "--epochs", type=int, help="Passes over the patches in its one stage (cnn).  [default: 200]"
    ),
    click.option(
        "--batch-size", type=int, help="Patches in a training step.  [default: 32; cnn: 64]"
    ),
    click.option(
        "--device",
        metavar="cpu|cuda|cuda:N|auto",
        help="Where to compute; auto: on a GPU if there is one.  [default: auto]",
    ),
    click.option(
        "--precision",
        type=click.Choice(["auto", "float32", "bfloat16"]),
        help="How training computes; auto: bfloat16 where it is faster.  [default: auto]",
    ),
)


def method_options(command):
    """Add the options that say what is trained."""
    options = (
        click.option("--paper", is_flag=True, help="The configuration of the 2017 paper."),
        *_OPTIONS,
        click.option(
            "--seed", "random_state", type=SEED, default=0, show_default=True, help="Random seed."
        ),
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="NAME=VALUE",
            help="Any other parameter of the estimator; may be repeated.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def read_settings(texts):
    """Read ``NAME=VALUE``: Python values, and words that stand for themselves.

    Parameters
    ----------
    texts : sequence of str
        As on the command line.

    Returns
    -------
    dict

    Raises
    ------
    click.BadParameter
        If there is no name, or one twice.

    Examples
    --------
    >>> from stnclf.cli.methods import read_settings
    >>> read_settings(["tta=False", "localizer=dense", "cell_size=(32, 48)"])
    {'tta': False, 'localizer': 'dense', 'cell_size': (32, 48)}
    """
    settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"got '{text}', wants NAME=VALUE.", param_hint="'--set'")
        if name in settings:
            raise click.BadParameter(f"'{name}' is given twice.", param_hint="'--set'")
        try:
            settings[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            settings[name] = value
    return settings


def build(methods, facts, *, paper, settings, **options):
    """Make the untrained estimators.

    Parameters
    ----------
    methods : sequence of str
        Keys of `TITLES`.
    facts : dict
        What is known about the patches; their sizes and resolution are used.
    paper : bool
        Whether the paper's configuration is the default.
    settings : sequence of str
        What ``--set`` got.
    **options
        The options of `method_options`; None is not given.

    Returns
    -------
    dict of str to estimator
        By method. A parameter goes to all that have it.

    Raises
    ------
    click.BadParameter
        If none has a parameter that was given.
    click.UsageError
        If a parameter was given in two ways.
    """
    if paper and not {"stn", "cnn"} & {*methods}:
        raise click.UsageError("--paper counts only with --method stn or cnn.")
    given = {name: value for name, value in options.items() if value is not None}
    sources = {name: f"--{name.replace('_', '-')}" for name in given}
    sources["random_state"] = "--seed"
    for name, value in read_settings(settings).items():
        if name in given and not _is_default(name):
            raise click.UsageError(f"{sources[name]} and --set {name} exclude each other.")
        given[name], sources[name] = value, "--set"
    names = {"patch_size": "size", "cell_size": "cell_size", "mpp": "mpp"}
    known_facts = {name: facts.get(fact) for name, fact in names.items()}
    estimators = {method: _estimator(method, known_facts, paper) for method in methods}
    known = {method: _parameters(estimator) for method, estimator in estimators.items()}
    names = sorted(set().union(*known.values()))
    for name in given:
        if name not in names and name != "random_state":
            close = difflib.get_close_matches(name, names, 1)
            hint = f"; did you mean {close[0]}?" if close else "."
            raise click.BadParameter(
                f"{' and '.join(methods)} has no parameter '{name}'{hint}",
                param_hint=f"'{sources[name]}'",
            )
    for method, estimator in estimators.items():
        own = {name: value for name, value in given.items() if name in known[method]}
        if method == "features":
            estimator.set_params(**{known[method][name]: value for name, value in own.items()})
        else:
            for name in {key.split("__")[0] for key in own if "__" in key} - set(own):
                estimator.set_params(**{name: estimator._named(name)})
            estimator.set_params(**own)
    return estimators


def _is_default(name):
    """Whether a value is an option's own, of which the command line says nothing."""
    ctx = click.get_current_context(silent=True)
    return ctx is not None and ctx.get_parameter_source(name) is ParameterSource.DEFAULT


def patch_size_of(estimator):
    """Find the ``patch_size`` of an estimator that `build` made; None is the whole image."""
    parameters = estimator.get_params()
    return parameters.get("patch_size", parameters.get("cellfeatures__patch_size"))


def _estimator(method, known_facts, paper):
    from ..baseline import CiresanBaseline
    from ..classifier import PAPER, STNCellClassifier

    if method == "features":
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC

        from ..features import CellFeatures

        features = CellFeatures(patch_size=known_facts["patch_size"])
        return make_pipeline(features, StandardScaler(), SVC(class_weight="balanced"))
    if method == "stn":
        return STNCellClassifier(**{**(PAPER if paper else {}), **known_facts})
    defaults = {"balance": "fixed", "augment": "paper"} if paper else {}
    return CiresanBaseline(**{**defaults, **known_facts})


def _parameters(estimator):
    """Return the parameters that can be set, by the names that the options have."""
    from .._base import BaseCellClassifier
    from ..sampling import Augmentation
    from ..training import Optimizer

    if isinstance(estimator, BaseCellClassifier):
        left_out = ("callbacks", "verbose", "warm_start", "checkpoint")
        names = [name for name in estimator.get_params() if name not in left_out]
        for name, kind in (("augment", Augmentation), ("optimizer", Optimizer)):
            names += [f"{name}__{part}" for part in kind().get_params()]
        return dict(zip(names, names))
    return {"patch_size": "cellfeatures__patch_size", "random_state": "svc__random_state"}
