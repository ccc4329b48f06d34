"""The nouns: cameras, orbits, views, meshes, assets, errors. numpy only; no files, no torch."""

from svdmv.core.asset import Asset, Material
from svdmv.core.camera import Camera
from svdmv.core.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    DeviceError,
    InputError,
    MissingDependency,
    SvdmvError,
)
from svdmv.core.mesh import Mesh, vertex_normals
from svdmv.core.orbit import Orbit
from svdmv.core.require import require
from svdmv.core.viewset import ViewSet

__all__ = [
    "Asset",
    "Camera",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DeviceError",
    "InputError",
    "Material",
    "Mesh",
    "MissingDependency",
    "Orbit",
    "SvdmvError",
    "ViewSet",
    "require",
    "vertex_normals",
]
