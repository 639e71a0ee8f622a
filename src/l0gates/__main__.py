"""``python -m l0gates``."""

import sys

from .cli import main

sys.exit(main())
