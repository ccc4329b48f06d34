"""Heavy packages enter through one door, which names the install line of what is missing."""

from __future__ import annotations

import importlib
from typing import Any

from svdmv.core.errors import MissingDependency


def require(module: str, extra: str | None, purpose: str) -> Any:
    """Import `module`, or say in one block which extra brings it.

    Args:
        module: dotted module name.
        extra: name of the extra in pyproject.toml, or None for the core install.
        purpose: what it is needed for, as a noun phrase ("background removal").

    Raises:
        MissingDependency: the package is absent or does not import.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        target = "svdmv" if extra is None else f'"svdmv[{extra}]"'
        raise MissingDependency(
            f"{purpose} needs the package {module.split('.')[0]}",
            where=f"import {module}",
            seen=str(error),
            expected=f"{module.split('.')[0]} installed beside svdmv",
            next_step=f"pip install {target}",
        ) from error
