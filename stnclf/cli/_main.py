"""The group of commands, each of which is imported when it is called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click
from click.shell_completion import CompletionItem

from .._version import __version__
from .common import Main, debug_option, examples

__all__ = ["COMMANDS", "main"]

#: Module and name of each command, and what the list of commands says about it: the first
#: sentence of its help, which stands here so that the list needs no import.
COMMANDS = {
    "info": (".info", "info", "Say what slides, annotation files, patches and model files hold."),
    "patches": (
        ".patches",
        "patches",
        "Cut patches around the cells of ANNOTATIONS, whose slides lie below ROOT.",
    ),
    "train": (".train", "train", "Train a model on PATCHES, as `stnclf patches` cut them."),
    "mine": (
        ".mine",
        "mine",
        "Add to PATCHES the worst mistakes that MODEL makes on the SLIDES they were cut from.",
    ),
    "evaluate": (
        ".evaluate",
        "evaluate",
        "Cross-validate on PATCHES, with no slide on both sides; or evaluate a model on them.",
    ),
    "predict": (
        ".predict",
        "predict",
        "Classify the cells in INPUTS: patches, image files, or folders of image files.",
    ),
    "scan": (
        ".scan",
        "scan_command",
        "Find the cells of SLIDES, files or folders of them, with MODEL.",
    ),
    "classify": (
        ".classify",
        "classify",
        "Classify the cells of TABLE, which are located already, on SLIDES, one or a folder.",
    ),
    "score": (
        ".score",
        "score",
        "Score DETECTIONS, a table or a folder of tables of `scan`, against the cells of TRUTH.",
    ),
    "hotspots": (".hotspots", "hotspots", "Find the fields of SLIDE with most DETECTIONS."),
    "export": (
        ".export",
        "export",
        "Write detections or annotations in the format of another program.",
    ),
}


class Lazy(Mapping):
    """The commands by name, imported when one is taken out."""

    def __getitem__(self, name):
        module, attribute, _ = COMMANDS[name]
        return getattr(importlib.import_module(module, __package__), attribute)

    def __iter__(self):
        return iter(COMMANDS)

    def __len__(self):
        return len(COMMANDS)


class LazyMain(Main):
    """The group: lists its commands in the order of the work, and imports only what is called."""

    def list_commands(self, ctx):
        """Return the names."""
        return list(COMMANDS)

    def format_commands(self, ctx, formatter):
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])

    def shell_complete(self, ctx, incomplete):
        """Return what the shell offers after ``stnclf``."""
        found = [
            CompletionItem(name, help=text)
            for name, (_, _, text) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    "stnclf",
    cls=LazyMain,
    commands=Lazy(),
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "stnclf patches cells.sqlite slides/ --out patches --mpp 0.25",
        "stnclf evaluate patches",
        "stnclf train patches --out model.safetensors",
        "stnclf scan model.safetensors slide.svs --out slide.csv",
        "stnclf score slide.csv cells.sqlite --slide-mpp 0.25",
        "stnclf hotspots slide.csv slide.svs --label 'mitotic figure' --out fields.csv",
        "stnclf export slide.csv --out slide.geojson",
    ),
)
@click.version_option(__version__, prog_name="stnclf")
def main():
    """Find and classify cells in histology with a guided spatial transformer network."""


main.params.append(debug_option())
