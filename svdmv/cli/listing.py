"""svdmv list: everything that has a name, and what each needs."""

from __future__ import annotations

import json
import sys
from importlib.metadata import entry_points
from typing import Annotated

import typer

NEEDS = {
    "svdmv-mini": "nothing: in the package",
    "a folder or hub id": "Stable Video Diffusion or svdmv checkpoint in diffusers' layout, safetensors",
    "alpha": "a picture with transparency",
    "onnx": 'a saliency model on disk, "svdmv[saliency]"',
    "u2netp": 'u2netp.onnx on disk, "svdmv[saliency]"',
    "rembg": 'a model of rembg on disk, "svdmv[matting]"',
    "border_key": "an even background",
    "grabcut": '"svdmv[grabcut]"',
    "cycles": "Blender, a program of its own: SVDMV_BLENDER names it",
    "mitsuba": '"svdmv[reference]"',
    "FILE.exr": '"svdmv[exr]"',
    "objaverse": '"svdmv[data]"',
    "objaverse_xl": '"svdmv[data]"',
}


def list_all(as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False) -> None:
    """Models, reconstruction methods, renderers, lights, segmenters, samplers and exporters."""
    from svdmv.dataset.sources import SOURCES
    from svdmv.diffusion.checkpoint import BUILT_IN
    from svdmv.diffusion.samplers import SAMPLERS
    from svdmv.io.meshes import EXPORTERS
    from svdmv.reconstruct.door import METHODS
    from svdmv.render import RENDERERS
    from svdmv.render.environment import ENVIRONMENTS
    from svdmv.subject import SEGMENTERS

    tables = {
        "models (--model)": [*BUILT_IN, "a folder or hub id"],
        "reconstruction (--method)": [*METHODS, *entry_points(group="svdmv.reconstructors").names],
        "segmenters (--segmenter)": list(SEGMENTERS),
        "samplers (--sampler)": list(SAMPLERS),
        "renderers (--renderer)": [*RENDERERS, *entry_points(group="svdmv.renderers").names],
        "lights (--hdri)": [*ENVIRONMENTS, "FILE.hdr", "FILE.exr"],
        "objects (svdmv data build sources.NAME)": [*SOURCES, *entry_points(group="svdmv.sources").names],
        "export formats": [*EXPORTERS, *entry_points(group="svdmv.exporters").names],
    }
    if as_json:
        rows = {title: {name: NEEDS.get(name, "nothing") for name in names} for title, names in tables.items()}
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return
    for title, names in tables.items():
        sys.stdout.write(f"{title}\n")
        for name in names:
            need = NEEDS.get(name, "")
            sys.stdout.write(
                f"  {name:<20}{'needs ' + need if need and not need.startswith('nothing') else need}".rstrip() + "\n"
            )
