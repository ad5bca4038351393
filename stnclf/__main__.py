"""Run the command line: ``python -m stnclf``."""

from .cli import main

if __name__ == "__main__":
    main()
