"""svdmv: one picture in, a 21-view orbit and a textured mesh out.

What the rooms offer to a user is here under its own name and loaded when it is first used, so that `import svdmv` costs
nothing:

    import svdmv

    result = svdmv.run("chair.png", "out", svdmv.RunSettings(seed=3))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from svdmv.asset import check_asset as check_asset
    from svdmv.asset import textured_asset as textured_asset
    from svdmv.batch import RunSummary as RunSummary
    from svdmv.batch import run_pictures as run_pictures
    from svdmv.core import Asset as Asset
    from svdmv.core import Camera as Camera
    from svdmv.core import CheckpointError as CheckpointError
    from svdmv.core import ConfigError as ConfigError
    from svdmv.core import DataError as DataError
    from svdmv.core import DeviceError as DeviceError
    from svdmv.core import InputError as InputError
    from svdmv.core import Material as Material
    from svdmv.core import Mesh as Mesh
    from svdmv.core import MissingDependency as MissingDependency
    from svdmv.core import Orbit as Orbit
    from svdmv.core import SvdmvError as SvdmvError
    from svdmv.core import ViewSet as ViewSet
    from svdmv.diffusion.checkpoint import load_checkpoint as load_checkpoint
    from svdmv.diffusion.checkpoint import save_checkpoint as save_checkpoint
    from svdmv.diffusion.generate import Sampling as Sampling
    from svdmv.diffusion.generate import generate_views as generate_views
    from svdmv.diffusion.guidance import Guidance as Guidance
    from svdmv.io.meshes import normalised as normalised
    from svdmv.io.meshes import read_asset as read_asset
    from svdmv.io.meshes import write_asset as write_asset
    from svdmv.io.pictures import read_picture as read_picture
    from svdmv.io.views import load_views as load_views
    from svdmv.io.views import save_views as save_views
    from svdmv.pipeline import RunResult as RunResult
    from svdmv.pipeline import RunSettings as RunSettings
    from svdmv.pipeline import run_picture as run
    from svdmv.reconstruct import reconstruct_mesh as reconstruct_mesh
    from svdmv.render import render_views as render_views
    from svdmv.render.match import photo_consistency as photo_consistency
    from svdmv.subject import estimate_elevation as estimate_elevation
    from svdmv.subject import frame_subject as frame_subject

__version__ = "0.1.0"

__all__ = [
    "Asset",
    "Camera",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DeviceError",
    "Guidance",
    "InputError",
    "Material",
    "Mesh",
    "MissingDependency",
    "Orbit",
    "RunResult",
    "RunSettings",
    "RunSummary",
    "Sampling",
    "SvdmvError",
    "ViewSet",
    "__version__",
    "check_asset",
    "estimate_elevation",
    "frame_subject",
    "generate_views",
    "load_checkpoint",
    "load_views",
    "normalised",
    "photo_consistency",
    "read_asset",
    "read_picture",
    "reconstruct_mesh",
    "render_views",
    "run",
    "run_pictures",
    "save_checkpoint",
    "save_views",
    "textured_asset",
    "write_asset",
]

_HOMES = {
    "svdmv.asset": ("check_asset", "textured_asset"),
    "svdmv.batch": ("RunSummary", "run_pictures"),
    "svdmv.core": (
        *("Asset", "Camera", "Material", "Mesh", "Orbit", "ViewSet"),
        *("CheckpointError", "ConfigError", "DataError", "DeviceError"),
        *("InputError", "MissingDependency", "SvdmvError"),
    ),
    "svdmv.diffusion.checkpoint": ("load_checkpoint", "save_checkpoint"),
    "svdmv.diffusion.generate": ("Sampling", "generate_views"),
    "svdmv.diffusion.guidance": ("Guidance",),
    "svdmv.io.meshes": ("normalised", "read_asset", "write_asset"),
    "svdmv.io.pictures": ("read_picture",),
    "svdmv.io.views": ("load_views", "save_views"),
    "svdmv.pipeline": ("RunResult", "RunSettings", "run_picture"),
    "svdmv.reconstruct": ("reconstruct_mesh",),
    "svdmv.render": ("render_views",),
    "svdmv.render.match": ("photo_consistency",),
    "svdmv.subject": ("estimate_elevation", "frame_subject"),
}
_NAMES_THERE = {"run": "run_picture"}


def __getattr__(name: str) -> Any:
    """Load what is asked for from its room (PEP 562)."""
    there = _NAMES_THERE.get(name, name)
    for home, names in _HOMES.items():
        if name in __all__ and there in names:
            value = getattr(importlib.import_module(home), there)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'svdmv' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Everything that is offered, loaded or not."""
    return sorted({*globals(), *__all__})
