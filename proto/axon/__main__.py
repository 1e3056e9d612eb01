"""`python -m axon` is the `axon` command."""

import sys

from axon.cli import main

sys.exit(main())
