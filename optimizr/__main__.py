"""`python -m optimizr` is the command line program."""

import sys

from optimizr.cli import main

if __name__ == "__main__":
    sys.exit(main())
