"""Fitting a sparse radiance field to pictures: the loop, what it may correct, and how it stops and goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from svdmv.core import InputError, ViewSet
from svdmv.geometry.field import Lattice
from svdmv.reconstruct.nerf_field import RadianceField
from svdmv.reconstruct.nerf_render import Bundle, Volume

Report = Callable[[str, int, int], None]
BELIEVE_EVERY = 25
KEEP_EVERY = 100


@dataclass(frozen=True)
class NerfSettings:
    """Of a fit. rays: a step. Rates are of Adam, at the start; they end at a twentieth.

    alpha_weight: of the squared error of alpha beside that of colour. spread_weight: of how far along a ray its weights
    lie apart. exposure: a gain for each channel of each view. move_cameras: a small turn and shift for each view.
    """

    steps: int = 500
    rays: int = 2048
    rate: float = 0.02
    network_rate: float = 0.005
    alpha_weight: float = 0.5
    spread_weight: float = 0.02
    exposure: bool = False
    move_cameras: bool = False
    seed: int = 0


class Pixels:
    """The pixels to learn from: those whose ray meets the hull, of all views.

    Args:
        views: N pictures with alpha.
        marked: (N, H, W) bool.
    """

    def __init__(self, views: ViewSet, marked: NDArray[np.bool_], device: torch.device) -> None:
        self.where = torch.from_numpy(np.flatnonzero(marked.reshape(-1)))
        self.pictures = torch.from_numpy(views.rgba_u8().reshape(-1, 4))
        self.width, self.height = views.size
        inverse = np.stack([np.linalg.inv(camera.K) for camera in views.cameras])
        poses = np.stack([camera.world_from_camera for camera in views.cameras])
        self.lens = torch.from_numpy(inverse.astype(np.float32)).to(device)
        self.turns = torch.from_numpy(poses[:, :3, :3].astype(np.float32)).to(device)
        self.eyes = torch.from_numpy(poses[:, :3, 3].astype(np.float32)).to(device)
        self.device = device

    def draw(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, Bundle]:
        """View index (R,), RGBA in [0, 1] (R, 4) and rays of random pixels."""
        pick = self.where[torch.randint(len(self.where), (count,), generator=generator)]
        target = self.pictures[pick].to(self.device).float() / 255
        view = (pick // (self.width * self.height)).to(self.device)
        row = (pick // self.width % self.height).to(self.device)
        column = (pick % self.width).to(self.device)
        local = torch.stack([column + 0.5, row + 0.5, torch.ones_like(column, dtype=torch.float32)], 1)
        local = (self.lens[view] @ local[..., None])[..., 0]
        lengths = local.norm(dim=1)
        directions = (self.turns[view] @ (local / lengths[:, None])[..., None])[..., 0]
        return view, target, Bundle(self.eyes[view], directions, lengths)


class NerfFit:
    """A field, its corrections and its optimizer; `run` takes the steps that are left."""

    def __init__(
        self, pixels: Pixels, lattice: Lattice, occupied: NDArray[np.bool_], num_views: int, settings: NerfSettings
    ) -> None:
        device = pixels.device
        self.settings = settings
        self.pixels = pixels
        self.volume = Volume(lattice, occupied, device)
        self.field = RadianceField(occupied, lattice.step, settings.seed).to(device)
        self.gains = torch.zeros((num_views, 3), device=device, requires_grad=settings.exposure)
        self.motions = torch.zeros((num_views, 6), device=device, requires_grad=settings.move_cameras)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.step = 0
        self.losses: list[float] = []
        tables = [level.table for level in self.field.levels]
        ours = {id(table) for table in tables}
        networks = [p for p in self.field.parameters() if id(p) not in ours]
        groups = [{"params": tables, "lr": settings.rate}, {"params": networks, "lr": settings.network_rate}]
        if settings.exposure:
            groups.append({"params": [self.gains], "lr": 0.02})
        if settings.move_cameras:
            groups.append({"params": [self.motions], "lr": 0.0005})
        self.optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-12, fused=True)
        self.first_rates = [float(group["lr"]) for group in self.optimizer.param_groups]

    def run(self, report: Report | None = None, keep: Callable[[], None] | None = None) -> None:
        """Take the steps that are left; `keep` is called now and then, and when the run is interrupted."""
        total = self.settings.steps
        try:
            while self.step < total:
                self._one_step()
                if report is not None:
                    report("nerf", self.step, total)
                if keep is not None and self.step % KEEP_EVERY == 0 and self.step < total:
                    keep()
        except KeyboardInterrupt:
            if keep is not None:
                keep()
            raise

    def _one_step(self) -> None:
        settings = self.settings
        if self.step % BELIEVE_EVERY == 0:
            self.volume.believe(self.field)
        if self.step == settings.steps // 2:
            self.volume.lit.fill_(False)
        share = self.step / settings.steps
        for group, rate in zip(self.optimizer.param_groups, self.first_rates, strict=True):
            group["lr"] = rate * min(1.0, (self.step + 1) / 20) * 0.05**share
        view, target, rays = self.pixels.draw(settings.rays, self.generator)
        if settings.move_cameras:
            rays = moved_rays(rays, self.motions[view])
        jitter = torch.rand(settings.rays, generator=self.generator).to(rays.origins.device)
        backdrop = torch.rand((settings.rays, 3), generator=self.generator).to(rays.origins.device)
        shown = self.volume.render(self.field, rays, jitter)
        colors = shown.colors * torch.exp(self.gains[view]) if settings.exposure else shown.colors
        seen = colors + (1 - shown.alphas)[:, None] * backdrop
        wanted = target[:, :3] * target[:, 3:] + (1 - target[:, 3:]) * backdrop
        loss = ((seen - wanted) ** 2).mean()
        self.losses.append(float(loss.detach()))
        loss = loss + settings.alpha_weight * ((shown.alphas - target[:, 3]) ** 2).mean()
        loss = loss + settings.spread_weight * shown.spread.mean()
        if settings.exposure:
            loss = loss + 0.01 * (self.gains**2).mean() + self.gains.mean(0).square().sum()
        if settings.move_cameras:
            loss = loss + 0.1 * (self.motions**2).mean() + self.motions.mean(0).square().sum()
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimizer.step()
        self.step += 1


def moved_rays(rays: Bundle, motions: torch.Tensor) -> Bundle:
    """Rays of cameras turned about the world's origin by small vectors (R, 3; radians), then shifted (R, 3)."""
    turn, shift = motions[:, :3], motions[:, 3:]
    directions = rays.directions + torch.linalg.cross(turn, rays.directions)
    directions = directions / directions.norm(dim=1, keepdim=True)
    return Bundle(rays.origins + torch.linalg.cross(turn, rays.origins) + shift, directions, rays.lengths)


def fit_fingerprint(views: ViewSet, settings: NerfSettings, occupied: NDArray[np.bool_]) -> str:
    """Of all that decides a fit."""
    digest = hashlib.sha256(json.dumps(asdict(settings), sort_keys=True).encode())
    digest.update(np.packbits(occupied).tobytes())
    digest.update(views.rgba_u8().tobytes())
    for camera in views.cameras:
        digest.update(camera.K.tobytes() + camera.world_from_camera.tobytes())
    return digest.hexdigest()


def keep_fit(fit: NerfFit, path: Path, fingerprint: str) -> None:
    """Write all that the rest of the fit depends on as safetensors."""
    from safetensors.torch import save

    from svdmv.io.atomic import write_bytes

    tensors = {f"field.{name}": value for name, value in fit.field.state_dict().items()}
    for k, state in fit.optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{k}.{name}": value for name, value in state.items()}
    tensors |= {"gains": fit.gains.detach(), "motions": fit.motions.detach(), "random": fit.generator.get_state()}
    tensors |= {
        "believed": fit.volume.believed,
        "lit": fit.volume.lit,
        "losses": torch.tensor(fit.losses, dtype=torch.float64),
    }
    tensors = {name: value.contiguous().cpu() for name, value in tensors.items()}
    write_bytes(path, save(tensors, {"fingerprint": fingerprint, "step": str(fit.step)}))


def continue_fit(fit: NerfFit, path: Path, fingerprint: str) -> None:
    """Go on from a file of `keep_fit`. Raises InputError: it is damaged, or belongs to another fit."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as held:
            told = held.metadata() or {}
            tensors = {name: held.get_tensor(name) for name in held.keys()}  # noqa: SIM118 - it is no dict
        if told.get("fingerprint") != fingerprint:
            raise _unusable(path, "The state belongs to another fit", "other views or settings")
        device = fit.pixels.device
        fit.field.load_state_dict({n.removeprefix("field."): v for n, v in tensors.items() if n.startswith("field.")})
        adam = fit.optimizer.state_dict()
        rows: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("adam."):
                _, k, what = name.split(".")
                rows.setdefault(int(k), {})[what] = value
        fit.optimizer.load_state_dict({"state": rows, "param_groups": adam["param_groups"]})
        with torch.no_grad():
            fit.gains.copy_(tensors["gains"])
            fit.motions.copy_(tensors["motions"])
        fit.generator.set_state(tensors["random"])
        fit.volume.believed = tensors["believed"].to(device)
        fit.volume.lit = tensors["lit"].to(device)
        fit.losses = tensors["losses"].tolist()
        fit.step = int(told["step"])
        if fit.step > BELIEVE_EVERY:
            fit.volume.cells = fit.volume.believed * fit.volume.step > 0.01
            fit.volume.trusted = True
    except (SafetensorError, KeyError, ValueError, RuntimeError, OSError) as error:
        raise _unusable(path, "The state of a fit cannot be read", str(error)[:200]) from error


def _unusable(path: Path, what: str, seen: str) -> InputError:
    return InputError(
        what,
        where=path,
        seen=seen,
        expected="a file that a stopped fit of these views left",
        next_step=f"delete {path} to begin anew",
    )
