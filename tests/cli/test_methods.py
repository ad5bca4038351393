"""What the options and ``--set`` make of the estimators."""

from __future__ import annotations

import click
import pytest

from stnclf import PAPER, CiresanBaseline, STNCellClassifier
from stnclf.cli.methods import TITLES, build, method_options, read_settings

FACTS = {"size": 64, "cell_size": 24, "mpp": 0.5}


def make(methods, facts=FACTS, paper=False, settings=(), **options):
    return build(methods, facts, paper=paper, settings=settings, **options)


def test_sizes_are_those_of_the_patches_unless_given():
    made = make(TITLES)
    for method in ("stn", "cnn"):
        assert (made[method].patch_size, made[method].cell_size) == (64, 24)
    assert made["features"]["cellfeatures"].patch_size == 64
    made = make(["stn", "features"], patch_size=32, cell_size=None)
    assert (made["stn"].patch_size, made["stn"].cell_size) == (32, 24)
    assert made["features"]["cellfeatures"].patch_size == 32
    assert make(["cnn"], {})["cnn"].patch_size is None


def test_the_help_names_the_defaults_of_the_estimators():
    stn, cnn = STNCellClassifier().get_params(), CiresanBaseline().get_params()
    named = 0
    for option in method_options(click.command()(lambda **_: None)).params:
        default = option.help.partition("[default: ")[2].rstrip("]")
        if default and not default.startswith("as the patches"):
            both = default.split("; cnn: ")
            assert both[0] == str(stn.get(option.name, cnn.get(option.name))), option.name
            assert both[-1] == str(cnn.get(option.name, both[-1])), option.name
            named += 1
    assert named == 9


def test_what_is_not_given_keeps_its_default():
    params = make(["stn"], {}, batch_size=None)["stn"].get_params()
    assert params == STNCellClassifier().get_params()


def test_paper():
    stn = make(["stn"], paper=True, localizer_epochs=3)["stn"].get_params()
    assert {name: stn[name] for name in PAPER} == {**PAPER, "localizer_epochs": 3}
    cnn = make(["cnn"], paper=True)["cnn"]
    assert isinstance(cnn, CiresanBaseline)
    assert (cnn.balance, cnn.augment) == ("fixed", "paper")


def test_a_parameter_goes_to_the_methods_that_have_it():
    made = make(["stn", "cnn", "features"], random_state=7, settings=["epochs=3", "kappa=2.5"])
    assert (made["cnn"].epochs, made["stn"].kappa) == (3, 2.5)
    assert made["stn"].random_state == made["cnn"].random_state == 7
    assert made["features"]["svc"].random_state == 7


def test_parameters_of_objects_begin_from_what_a_name_stands_for():
    settings = ["augment__flip=False", "optimizer__weight_decay=0.25"]
    made = make(["stn", "cnn", "features"], settings=settings)
    changes = {"rotate": True, "flip": False, "scale": 0.0, "color": 0.1, "center": 0.03}
    changes["stain"] = 0.0
    assert made["stn"].augment.get_params() == changes
    assert made["cnn"].augment.get_params() == {**changes, "color": 0.0, "center": 0.0}
    optimizer = {"lr": (3e-3, 3e-3, 5e-4), "schedule": "one-cycle", "weight_decay": 0.25}
    assert made["stn"].optimizer.get_params() == optimizer
    paper = make(["stn"], paper=True, settings=["augment__scale=0.5"])["stn"]
    assert (paper.augment.rotate, paper.augment.scale, paper.optimizer) == ("copy", 0.5, "paper")


def test_settings_are_python_values_or_words():
    texts = ["a=1e-3", "b=None", "c=(1, 2)", "d=word", "e=x=y", "f=True"]
    values = {"a": 1e-3, "b": None, "c": (1, 2), "d": "word", "e": "x=y", "f": True}
    assert read_settings(texts) == values


@pytest.mark.parametrize("text", ["kappa", "=1", ""])
def test_settings_want_a_name(text):
    with pytest.raises(click.BadParameter, match="NAME=VALUE"):
        read_settings([text])


@pytest.mark.parametrize("name", ["kapa", "verbose", "callbacks", "__class__"])
def test_unknown_parameters_are_named(name):
    with pytest.raises(click.BadParameter, match=f"stn has no parameter '{name}'") as caught:
        make(["stn"], settings=[f"{name}=1"])
    assert "--set" in caught.value.format_message()
    assert ("did you mean kappa?" in caught.value.format_message()) == (name == "kapa")


def test_an_option_that_no_method_has_is_named():
    with pytest.raises(click.BadParameter) as caught:
        make(["stn"], epochs=3)
    assert "--epochs" in caught.value.format_message()


def test_a_parameter_is_given_in_one_way():
    with pytest.raises(
        click.UsageError, match="--classifier-epochs and --set classifier_epochs ex"
    ):
        make(["stn"], settings=["classifier_epochs=1"], classifier_epochs=2)
    with pytest.raises(click.BadParameter, match="'kappa' is given twice"):
        make(["stn"], settings=["kappa=1", "tta=False", "kappa=2"])


@pytest.mark.parametrize(("words", "seed"), [([], 5), (["--seed", "3"], None)])
def test_a_default_seed_gives_way(words, seed):
    @click.command()
    @method_options
    def command(**options):
        assert build(["stn"], {}, **options)["stn"].random_state == seed

    line = [*words, "--set", "random_state=5"]
    if seed is None:
        with pytest.raises(click.UsageError, match="--seed and --set random_state exclude"):
            command(line, standalone_mode=False)
    else:
        command(line, standalone_mode=False)


def test_the_paper_has_networks():
    with pytest.raises(click.UsageError, match="--paper counts only with --method stn or cnn"):
        make(["features"], paper=True)
    assert make(["features", "cnn"], paper=True)["cnn"].balance == "fixed"


@pytest.mark.parametrize("name", ["localizer", "classifier", "precision"])
def test_choices_are_those_of_the_estimator(name):
    options = {option.name: option for option in method_options(click.command()(print)).params}
    (constraint,) = STNCellClassifier._parameter_constraints[name]
    assert {*options[name].type.choices} == constraint.options
