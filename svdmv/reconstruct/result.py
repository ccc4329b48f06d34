"""What a reconstruction method returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from svdmv.core import Mesh, ViewSet


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A mesh and how it came about.

    Attributes:
        mesh: closed triangles in world units with vertex colours.
        method: name of the method that made it.
        why: one sentence: why this method.
        views: as the method came to use them: where views disagreed, cameras moved and pictures bent to agree.
            Textures are baked from these.
        notes: what a user should know (views left out, votes relaxed, parts removed); one sentence each.
        figures: JSON values: mask IoU of every view against the re-projected mesh and others.
        files: further results by file name, such as a point cloud or splats, ready to be written beside the mesh.
        renders: novel views that a radiance field drew by itself, or None.
    """

    mesh: Mesh
    method: str
    why: str
    views: ViewSet
    notes: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    renders: ViewSet | None = None
