"""ViewSet -> Mesh. One file a method; `reconstruct_mesh` is the door."""

from svdmv.reconstruct.door import METHODS, reconstruct_mesh, reconstruction_methods
from svdmv.reconstruct.result import Reconstruction

__all__ = ["METHODS", "Reconstruction", "reconstruct_mesh", "reconstruction_methods"]
