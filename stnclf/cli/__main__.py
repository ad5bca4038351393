"""Run the command line: ``python -m stnclf.cli``."""

from . import main

if __name__ == "__main__":
    main()
