"""svdmv doctor: what works on this machine."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False) -> None:
    """Check devices, core packages, extras, weights, disk and video; exit 0 when `svdmv run` can work, 3 when not."""
    from svdmv.diffusion.health import HealthRow, health_rows
    from svdmv.reconstruct.nerfstudio_programs import nerfstudio_health

    rows = [*health_rows(), HealthRow("program nerfstudio", *nerfstudio_health())]
    if as_json:
        sys.stdout.write(json.dumps([row._asdict() for row in rows], indent=1) + "\n")
    else:
        width = max(len(row.name) for row in rows)
        for row in rows:
            sys.stdout.write(f"{row.state:<8} {row.name:<{width}}  {row.detail}\n")
    raise typer.Exit(3 if any(row.state == "MISSING" for row in rows) else 0)
