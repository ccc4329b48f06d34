"""Checkpoints of this project as a method."""

from __future__ import annotations

import numpy as np

from svdmv.bench.methods import Method, Task
from svdmv.bench.resize import resized_rgba
from svdmv.core import ConfigError, ViewSet
from svdmv.diffusion.checkpoint import load_checkpoint
from svdmv.diffusion.generate import Sampling, generate_views
from svdmv.diffusion.guidance import Guidance


def checkpoint(model: str = "svdmv-mini", steps: str = "", guidance: str = "", device: str = "cpu") -> Method:
    """A checkpoint by id or path, sampled as it recommends unless told otherwise; views get the suite's size.

    Raises ConfigError: the suite's cameras are not those that the checkpoint draws (then it needs a track of its own).
    """
    loaded = load_checkpoint(model, device=device)
    info = loaded.info
    chosen = Guidance.parse(guidance) if guidance else None
    num_steps = int(steps) if steps else None

    def predict(task: Task) -> ViewSet:
        elevation = task.track.elevation_deg
        drawn = np.arange(info.num_views) * 360.0 / info.num_views
        same = len(task.track.azimuths_deg) == info.num_views and np.allclose(task.track.azimuths_deg, drawn)
        level = np.ptp(task.track.elevations_deg) < 1e-6 and task.track.input_view == 0
        lens = abs(task.suite.fov_y_deg - info.framing.fov_y_deg) < 0.05
        if not (same and level and lens):
            raise ConfigError(
                "The checkpoint cannot draw this suite's cameras",
                where=f"suite {task.suite.name}, track {task.track.name}",
                seen=f"{len(task.track.azimuths_deg)} views, lens {task.suite.fov_y_deg:g} degrees",
                expected=f"{info.num_views} equal steps at one elevation, lens {info.framing.fov_y_deg:g} degrees",
                next_step="a suite with the checkpoint's own cameras, for example suite=mini",
            )
        framed = resized_rgba(task.input_rgba[None], info.image_size)[0]
        made = generate_views(loaded, [framed], Sampling(elevation, task.seed, num_steps, chosen))[0]
        return task.views(resized_rgba(made.rgba_u8(), task.suite.size_px))

    settings = Sampling(0.0, 0, num_steps, chosen).resolved(info).as_dict()
    facts = {"model": info.name, "weights_sha256": info.sha256, "licence": info.licence, "sampling": settings}
    return Method(info.name, predict, "model", stochastic=True, facts=facts)
