"""Other programs: which cameras they draw, what they have to be told, and the command that runs each of them.

Nothing of them is imported. Facts are from their public code at the commits below; docs/guide/baselines.md has the
whole way from input to score, with what was not run here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from svdmv.bench.suite import Suite, Track
from svdmv.core import Camera, ConfigError
from svdmv.io.transforms import file_matrix_from_pose

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Program:
    """One program. suites: those whose cameras it draws. layout: of `svdmv bench score`.

    told: track, suite -> what it is told for each view. command: run once for each input, with {input}, {name},
    {folder}, {elevation} and {output} filled in. once: run once for all inputs.
    """

    source: str
    suites: tuple[str, ...]
    layout: str
    told: Callable[[Track, Suite], Rows]
    command: str = ""
    once: str = ""


def relative_rows(track: Track, suite: Suite) -> Rows:
    """Zero123: change of polar angle (positive = camera down), azimuth (positive = to its own right) and radius.

    x, y, z are the arguments of its `sample_model`; T is what the network gets.
    """
    rows = []
    for azimuth, elevation in zip(track.azimuths_deg, track.elevations_deg, strict=True):
        polar = track.elevation_deg - elevation
        turn = azimuth - track.azimuths_deg[track.input_view]
        vector = [math.radians(polar), math.sin(math.radians(turn)), math.cos(math.radians(turn)), 0.0]
        rows.append({"x": polar, "y": turn, "z": 0.0, "T": vector})
    return rows


def stable_rows(track: Track, suite: Suite) -> Rows:
    """Stable Zero123: as Zero123, but the fourth number is the polar angle of the input view in radians."""
    polar = math.radians(90 - track.elevation_deg)
    return [row | {"z": polar, "T": [*row["T"][:3], polar]} for row in relative_rows(track, suite)]


def eschernet_rows(track: Track, suite: Suite) -> Rows:
    """EscherNet: (3, 4) camera_from_world, OpenGL camera axes, +Z up; 25 of them, the track repeated."""
    cameras = suite.orbit(track).cameras(suite.size_px, suite.size_px)
    order = [(track.input_view + n) % len(cameras) for n in range(25)]
    return [{"camera_from_world": matrix_for_eschernet(cameras[n]).tolist()} for n in order]


def matrix_for_eschernet(camera: Camera) -> np.ndarray:
    """(3, 4) float64."""
    inverse: np.ndarray = np.linalg.inv(file_matrix_from_pose(camera.world_from_camera))[:3]
    return inverse


def sv3d_rows(track: Track, suite: Suite) -> Rows:
    """SV3D: elevations and azimuths of 21 frames, the input view last, azimuths relative to it.

    Its direction of turning is stated nowhere; ours is assumed, and the alignment check measures it.
    """
    count = len(track.azimuths_deg)
    order = [(track.input_view + 1 + n) % count for n in range(count)]
    start = track.azimuths_deg[track.input_view]
    return [
        {"elevation_deg": track.elevations_deg[n], "azimuth_deg": (track.azimuths_deg[n] - start) % 360} for n in order
    ]


def fixed_rows(track: Track, suite: Suite) -> Rows:
    """Programs whose cameras are built in are told the input's elevation at most."""
    return [{"elevation_deg": track.elevation_deg}]


ZERO123 = "github.com/cvlab-columbia/zero123 f426883"
PROGRAMS: dict[str, Program] = {
    "zero123": Program(
        ZERO123, ("gso34-zero123",), "zero123", relative_rows,
        once="python zero123_views.py 105000.ckpt {folder} {output}",
    ),
    "zero123xl": Program(
        ZERO123, ("gso34-zero123",), "zero123xl", relative_rows,
        once="python zero123_views.py zero123-xl.ckpt {folder} {output}",
    ),
    "stable_zero123": Program(
        "github.com/threestudio-project/threestudio 28d9d80 (configs/stable-zero123.yaml)",
        ("gso34-stable-zero123",), "stable_zero123", stable_rows,
        once="python zero123_views.py stable_zero123.ckpt {folder} {output}",
    ),
    "syncdreamer": Program(
        "github.com/liuyuan-pal/SyncDreamer cc373c8", ("gso34-syncdreamer", "syncdreamer-30"), "syncdreamer",
        fixed_rows,
        "python generate.py --ckpt ckpt/syncdreamer-pretrain.ckpt --input {input} --output {output}/{name} "
        "--sample_num 1 --cfg_scale 2.0 --elevation {elevation} --crop_size -1",
    ),
    "zero123plus": Program(
        "github.com/SUDO-AI-3D/zero123plus 7d0315c", ("zero123plus",), "zero123plus", fixed_rows,
        "python zero123plus_views.py {input} {output}/{name}/output.png",
    ),
    "wonder3d": Program(
        "github.com/xxlong0/Wonder3D d894f82", ("gso34-wonder3d",), "wonder3d", fixed_rows,
        "accelerate launch --config_file 1gpu.yaml test_mvdiffusion_seq.py "
        "--config configs/mvdiffusion-joint-ortho-6views.yaml validation_dataset.root_dir={folder} "
        "\"validation_dataset.filepaths=['{name}.png']\" validation_dataset.crop_size=-1 save_dir={output}",
    ),
    "eschernet": Program(
        "github.com/kxhit/EscherNet 569240f", ("gso34-zero123",), "eschernet", eschernet_rows,
        once="python eval_eschernet.py --pretrained_model_name_or_path kxic/eschernet-6dof --data_dir {folder} "
        "--data_type GSO25 --cape_type 6DoF --T_in 1",
    ),
    "sv3d": Program(
        "github.com/Stability-AI/generative-models 0ad7de9",
        ("gso34_orbit21", "sv3d-static", "sv3d-dynamic", "svd-mv-paper"), "sv3d", sv3d_rows,
        "python scripts/sampling/simple_video_sample.py --input_path {input} --version sv3d_p "
        "--elevations_deg={elevations} --azimuths_deg={azimuths} --output_folder {output}/{name}",
    ),
}  # fmt: skip


def program(name: str) -> Program:
    """Raises ConfigError: unknown."""
    if name not in PROGRAMS:
        raise ConfigError("The program is unknown", where="--for", seen=name, expected=", ".join(PROGRAMS))
    return PROGRAMS[name]
