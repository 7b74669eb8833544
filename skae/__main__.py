"""``python -m skae``: the command line, where the command itself is not on the path."""

import sys

from .cli import main

sys.exit(main())
