"""svdmv version."""

from __future__ import annotations

import sys


def version() -> None:
    """Print the version."""
    from svdmv import __version__

    sys.stdout.write(f"svdmv {__version__}\n")
