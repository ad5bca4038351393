"""The command ``stnclf``: from annotated slides to a model, its scores, detections and hotspots.

Exit status: 0 if all went well, 1 if the work failed, 2 for wrong use, 130 after Ctrl-C. Errors
are one line on standard error. Results appear when they are complete.
"""

from __future__ import annotations

import click

from ._cli_common import Main, debug_option, examples
from ._cli_data import export, info, patches
from ._cli_models import evaluate, predict, train
from ._cli_slides import hotspots, scan_command
from ._version import __version__

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


if __name__ == "__main__":
    main()
