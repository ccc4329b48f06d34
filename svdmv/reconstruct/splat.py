"""3D Gaussians through gsplat's CUDA rasteriser: splats in the common PLY, and a mesh fused from their depth.

Gaussians begin on the hull's surface and keep their number: the hull leaves no room for growth that densification would
fill. Source: B. Kerbl et al., 3D Gaussian Splatting for Real-Time Radiance Field Rendering, TOG 42(4), 2023.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import ConfigError, DataError, DeviceError, Mesh, ViewSet, require
from svdmv.geometry.field import Lattice
from svdmv.geometry.fusion import fused_field
from svdmv.geometry.surface import surface_from_field
from svdmv.geometry.topology import without_floaters
from svdmv.io.splats import SH_ZERO, Splats, splat_ply
from svdmv.reconstruct.colors import vertex_colors
from svdmv.reconstruct.hull import reconstruct_hull
from svdmv.reconstruct.result import Reconstruction

SOLID_ALPHA = 0.5
TRUNCATION_CELLS = 4.0
RATES = {"means": 2e-4, "turns": 1e-3, "log_scales": 5e-3, "logits": 5e-2, "harmonics": 5e-3}
Rasterizer = Callable[..., Any]
Report = Callable[[str, int, int], None]


def reconstruct_splat(
    views: ViewSet,
    *,
    steps: int = 3000,
    count: int = 60_000,
    resolution: int = 128,
    input_view: int | None = 0,
    align: bool = True,
    seed: int = 0,
    report: Report | None = None,
) -> Reconstruction:
    """Gaussians fitted to the views; needs CUDA and gsplat (`pip install "svdmv[splat]"`).

    Args:
        views: N pictures with alpha.
        steps: of Adam, one view each.
        count: of Gaussians.
        resolution: of the mesh, 32 .. 512.
        input_view, align: of the hull that it starts from, see `reconstruct_hull`.
        report: called with ("splat", done, total).

    Returns:
        The mesh, and files["splats.ply"].

    Raises:
        DeviceError: there is no CUDA device.
        MissingDependency: gsplat is not installed.
        ConfigError: a setting is out of range.
    """
    import torch

    rows = [("steps", steps, 1, 1_000_000), ("count", count, 100, 5_000_000), ("resolution", resolution, 32, 512)]
    for name, value, low, high in rows:
        if not low <= value <= high:
            raise ConfigError(
                f"The splats' {name} is out of range", where=name, seen=value, expected=f"{low} .. {high}"
            )
    if not torch.cuda.is_available():
        raise DeviceError(
            "Splats need a CUDA device: gsplat's rasteriser has no other",
            where="method splat",
            seen="torch sees none",
            expected="an NVIDIA GPU and a CUDA build of torch",
            next_step="--method nerf, which runs anywhere",
        )
    rasterizer = require("gsplat", "splat", "fitting splats").rasterization
    hull = reconstruct_hull(views, resolution=resolution, input_view=input_view, align=align)
    splats, depths = fitted_splats(
        hull.views, hull.mesh, rasterizer, torch.device("cuda"), steps=steps, count=count, seed=seed, report=report
    )
    low, high = hull.mesh.bounds
    lattice = Lattice.around(low, high, resolution)
    field = fused_field(depths, hull.views.cameras, lattice, truncation=TRUNCATION_CELLS * lattice.step)
    vertices, faces = surface_from_field(field, lattice)
    if not len(faces):
        raise DataError("The splats hold no surface", where="reconstruct_splat", seen=f"{steps} steps")
    vertices, faces, _ = without_floaters(vertices, faces)
    colors = vertex_colors(vertices, faces, hull.views, tolerance=2 * lattice.step)
    mesh = Mesh(vertices.astype(np.float32), faces, colors=colors)
    files = {"splats.ply": splat_ply(splats)}
    figures = {"gaussians": len(splats.means), "steps": steps}
    return Reconstruction(mesh, "splat", "called directly", hull.views, hull.notes, figures, files=files)


def fitted_splats(
    views: ViewSet,
    start: Mesh,
    rasterizer: Rasterizer,
    device: Any,
    *,
    steps: int,
    count: int,
    seed: int,
    report: Report | None = None,
) -> tuple[Splats, NDArray[np.float32]]:
    """The fit itself.

    Args:
        start: a mesh with colours; Gaussians begin on it.
        rasterizer: called as gsplat.rasterization is, render_mode "RGB+ED".

    Returns:
        Splats of one harmonic, and the depth (N, H, W) that each view shows, inf where nothing solid is.
    """
    import torch

    means, colors = _points_on(start, count, seed)
    spacing = float(np.sqrt(_area(start) / count))
    first = {
        "means": means,
        "turns": np.tile([1.0, 0, 0, 0], (count, 1)),
        "log_scales": np.full((count, 3), np.log(0.7 * spacing)),
        "logits": np.full(count, 1.0),
        "harmonics": ((colors / 255 - 0.5) / SH_ZERO)[:, None],
    }
    values = {n: torch.tensor(v, dtype=torch.float32, device=device, requires_grad=True) for n, v in first.items()}
    optimizer = torch.optim.Adam([{"params": [values[n]], "lr": RATES[n]} for n in values], eps=1e-15)
    pictures = torch.from_numpy(views.rgba_u8())
    lenses = torch.tensor(np.stack([c.K for c in views.cameras]), dtype=torch.float32, device=device)
    poses = torch.tensor(np.stack([c.camera_from_world for c in views.cameras]), dtype=torch.float32, device=device)
    width, height = views.size
    generator = torch.Generator().manual_seed(seed)

    def shown(i: int) -> tuple[Any, Any]:
        drawn, alphas, _ = rasterizer(
            values["means"],
            torch.nn.functional.normalize(values["turns"], dim=1),
            torch.exp(values["log_scales"]),
            torch.sigmoid(values["logits"]),
            values["harmonics"],
            poses[i : i + 1],
            lenses[i : i + 1],
            width,
            height,
            sh_degree=0,
            render_mode="RGB+ED",
        )
        return drawn[0], alphas[0, ..., 0]

    for step in range(steps):
        i = int(torch.randint(len(views), (1,), generator=generator))
        backdrop = torch.rand(3, generator=generator).to(device)
        target = pictures[i].to(device).float() / 255
        drawn, alpha = shown(i)
        seen = drawn[..., :3] + (1 - alpha)[..., None] * backdrop
        wanted = target[..., :3] * target[..., 3:] + (1 - target[..., 3:]) * backdrop
        loss = (seen - wanted).abs().mean() + 0.5 * (alpha - target[..., 3]).abs().mean()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        if report is not None:
            report("splat", step + 1, steps)
    depths = np.full((len(views), height, width), np.inf, np.float32)
    with torch.no_grad():
        for i in range(len(views)):
            drawn, alpha = (value.cpu().numpy() for value in shown(i))
            depths[i] = np.where(alpha >= SOLID_ALPHA, drawn[..., 3], np.inf)
        turns = torch.nn.functional.normalize(values["turns"], dim=1)
        parts = [values["means"], turns, torch.exp(values["log_scales"]), torch.sigmoid(values["logits"])]
        arrays = [part.cpu().numpy() for part in [*parts, values["harmonics"]]]
    return Splats(*arrays), depths


def _area(mesh: Mesh) -> float:
    from svdmv.geometry.topology import face_areas

    return float(face_areas(mesh.vertices, mesh.faces).sum())


def _points_on(mesh: Mesh, count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points (count, 3) spread over the surface by area, and their colours (count, 3) in 0 .. 255."""
    from svdmv.geometry.topology import face_areas

    random = np.random.default_rng(seed)
    areas = face_areas(mesh.vertices, mesh.faces)
    chosen = random.choice(len(areas), count, p=areas / areas.sum())
    shares = random.dirichlet((1, 1, 1), count)
    corners = mesh.faces[chosen]
    colors = np.full((len(mesh.vertices), 3), 127.0) if mesh.colors is None else mesh.colors.astype(np.float64)
    points = np.einsum("nk,nkd->nd", shares, mesh.vertices[corners].astype(np.float64))
    return points, np.einsum("nk,nkd->nd", shares, colors[corners])
