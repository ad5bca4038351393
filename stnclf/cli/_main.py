"""The group of commands."""

from __future__ import annotations

import click

from .._version import __version__
from .common import Main, debug_option, examples
from .evaluate import evaluate
from .export import export
from .hotspots import hotspots
from .info import info
from .patches import patches
from .predict import predict
from .scan import scan_command
from .train import train

__all__ = ["main"]


@click.group(
    "stnclf",
    cls=Main,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "stnclf patches cells.sqlite slides/ --out patches --mpp 0.25",
        "stnclf evaluate patches",
        "stnclf train patches --out model.safetensors",
        "stnclf scan model.safetensors slide.svs --out slide.csv",
        "stnclf hotspots slide.csv slide.svs --label 'mitotic figure' --out fields.csv",
        "stnclf export slide.csv --out slide.geojson",
    ),
)
@click.version_option(__version__, prog_name="stnclf")
def main():
    """Find and classify cells in histology with a guided spatial transformer network."""


main.params.append(debug_option())
for command in (info, patches, train, evaluate, predict, scan_command, hotspots, export):
    main.add_command(command)
