"""nerfstudio's nerfacto as a method: its data set is written, its programs run, its mesh brought back to our frame.

Source: M. Tancik et al., Nerfstudio: A Modular Framework for Neural Radiance Field Development, SIGGRAPH 2023.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svdmv.core import ConfigError, DataError, DeviceError, Mesh, ViewSet
from svdmv.geometry.topology import without_floaters
from svdmv.reconstruct.colors import vertex_colors
from svdmv.reconstruct.nerfstudio_programs import (
    ProgramFailed,
    Report,
    nerfstudio_folder,
    nerfstudio_version,
    run_program,
)
from svdmv.reconstruct.result import Reconstruction

CPU_STEPS, CUDA_STEPS = 300, 15_000
CPU_DOWNSCALE = 2  # of the views, for the depth maps that are fused
HALF_BOX = 0.62  # the object fills -0.5 .. 0.5
RIM = 0.9  # what is sampled lies between the camera's distance minus and plus this
# what a CPU can do: nerfacto's own settings take twice the time a step
CPU_MODEL = {
    "pipeline.datamanager.train-num-rays-per-batch": 1024,
    "pipeline.model.log2-hashmap-size": 14,
    "pipeline.model.max-res": 256,
    "pipeline.model.hidden-dim": 32,
    "pipeline.model.hidden-dim-color": 32,
    "pipeline.model.num-nerf-samples-per-ray": 24,
    "pipeline.model.num-proposal-samples-per-ray": (64, 32),
}


def reconstruct_nerfstudio(
    views: ViewSet,
    *,
    steps: int | None = None,
    resolution: int = 96,
    points: int = 0,
    device: str = "auto",
    seed: int = 0,
    folder: Path | str | None = None,
    report: Report | None = None,
) -> Reconstruction:
    """A mesh by nerfacto and nerfstudio's own TSDF fusion of its depth.

    Args:
        views: N pictures with alpha, the object about the origin with a longest side near 1.
        steps: training iterations; None = 300 on a CPU (about five minutes on two cores), 15,000 on CUDA.
        resolution: of the TSDF volume, 16 .. 512.
        points: also export a cloud of about so many points, as files["points.ply"]; 0 = none.
        device: auto, cpu or cuda; auto asks torch here.
        seed: nerfstudio's.
        folder: keep data set, checkpoints and log here; None = a temporary folder.
        report: called with ("nerfstudio", done, total).

    Raises:
        ConfigError, DeviceError: a setting cannot be used.
        MissingDependency: nerfstudio's environment is not there.
        ProgramFailed: one of its programs failed; the message has the last lines of its log.
        DataError: its mesh is empty or damaged.
    """
    _check(resolution, points, steps)
    chosen = _device(device)
    programs = nerfstudio_folder()
    count = steps or (CPU_STEPS if chosen == "cpu" else CUDA_STEPS)
    with ExitStack() as stack:
        place = Path(folder) if folder else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="svdmv-ns-")))
        place.mkdir(parents=True, exist_ok=True)
        config = train_nerfacto(views, place, programs, steps=count, device=chosen, seed=seed, report=report)
        mesh = exported_mesh(place, programs, config, resolution, downscale=CPU_DOWNSCALE if chosen == "cpu" else 1)
        files = {}
        if points:
            cloud = exported_cloud(place, programs, config, points)
            files["points.ply"] = cloud_ply(cloud)
    vertices, faces, removed = without_floaters(mesh.vertices, mesh.faces, keep_share=0.05)
    colors = vertex_colors(vertices, faces, views, tolerance=3 * 2 * HALF_BOX / resolution)
    notes = [f"nerfacto trained for {count} steps on {chosen}; nerfstudio's meshes are not closed"]
    if count < 2 * CPU_STEPS:
        notes.append("so few steps give a rough shape; give more steps, or use a method of svdmv's own")
    if removed:
        notes.append(f"{removed} loose or inner parts removed")
    figures = {"nerfstudio": nerfstudio_version(programs), "steps": count, "device": chosen, "resolution": resolution}
    made = Mesh(vertices.astype(np.float32), faces, colors=colors)
    return Reconstruction(made, "nerfstudio", "called directly", views, tuple(notes), figures, files=files)


def train_nerfacto(
    views: ViewSet, place: Path, programs: Path, *, steps: int, device: str, seed: int, report: Report | None
) -> Path:
    """Write the data set, train, and return the path of config.yml."""
    from svdmv.io.views import save_views

    data = place / "data"
    save_views(views, data)
    distances = [float(np.linalg.norm(camera.position)) for camera in views.cameras]
    flags: dict[str, object] = {
        "data": data,
        "output-dir": place / "runs",
        "experiment-name": "views",
        "timestamp": "run",
        "vis": "tensorboard",
        "machine.device-type": device,
        "machine.seed": seed,
        "mixed-precision": device != "cpu",
        "max-num-iterations": steps,
        "steps-per-save": steps,
        "steps-per-eval-batch": 10 * steps,
        "steps-per-eval-image": 10 * steps,
        "steps-per-eval-all-images": 10 * steps,
        "logging.local-writer.max-log-size": 0,
        "logging.steps-per-log": max(1, min(10, steps // 10)),
        "pipeline.model.background-color": "random",  # so that alpha becomes density
        "pipeline.model.disable-scene-contraction": True,
        "pipeline.model.near-plane": max(0.05, min(distances) - RIM),
        "pipeline.model.far-plane": max(distances) + RIM,
        "pipeline.model.proposal-initial-sampler": "uniform",
        "pipeline.model.camera-optimizer.mode": "off",
    }
    if device == "cpu":
        flags |= {"pipeline.model.implementation": "torch", **CPU_MODEL}
    parser = {
        "orientation-method": "none",
        "center-method": "none",
        "auto-scale-poses": False,
        "eval-mode": "all",
    }
    arguments = ["nerfacto", *_flags(flags), "nerfstudio-data", *_flags(parser)]
    run_program(programs, "ns-train", arguments, log=place / "log.txt", stage="nerfstudio", report=report, steps=steps)
    found = sorted((place / "runs").rglob("config.yml"))
    if not found:
        raise _nothing("ns-train wrote no config.yml", place)
    return found[-1]


def exported_mesh(place: Path, programs: Path, config: Path, resolution: int, *, downscale: int = 1) -> Mesh:
    """nerfstudio's TSDF mesh in our world; without its texturing, which takes longer than the training.

    `downscale`: how much smaller than the views the depth maps are that it draws for the fusion.
    """
    back = world_from_nerfstudio(config.parent)
    out = place / "mesh"
    box = _box(back)
    flags = {
        "load-config": config,
        "output-dir": out,
        "downscale-factor": downscale,
        "resolution": resolution,
        "texture-method": "tsdf",
        "bounding-box-min": tuple(box[0]),
        "bounding-box-max": tuple(box[1]),
    }
    run_program(programs, "ns-export", ["tsdf", *_flags(flags)], log=place / "log.txt", stage="export")
    vertices, faces = _ply(out / "tsdf_mesh.ply")
    if not len(faces):
        raise _nothing("ns-export wrote a mesh without faces", out)
    return Mesh(vertices, faces).transformed(back)


def exported_cloud(place: Path, programs: Path, config: Path, points: int) -> Mesh:
    """nerfstudio's point cloud in our world: vertices with colours, no faces."""
    import trimesh

    back = world_from_nerfstudio(config.parent)
    out = place / "cloud"
    flags = {"load-config": config, "output-dir": out, "num-points": points, "normal-method": "open3d"}
    run_program(programs, "ns-export", ["pointcloud", *_flags(flags)], log=place / "log.txt", stage="export")
    path = out / "point_cloud.ply"
    if not path.is_file():
        raise _nothing("ns-export wrote no point cloud", out)
    cloud = trimesh.load(path, process=False)
    rows = np.asarray(cloud.vertices, np.float64).reshape(-1, 3)
    colors = np.asarray(cloud.visual.vertex_colors)[:, :3] if len(rows) else None
    plain = Mesh(rows.astype(np.float32), np.zeros((0, 3), np.int32), colors=colors)
    return plain.transformed(back)


def world_from_nerfstudio(run: Path) -> NDArray[np.float64]:
    """(4, 4) similarity: from the frame that nerfstudio trained in to the world of our cameras.

    dataparser_transforms.json says that nerfstudio's points are scale * transform * (x, y, z of the file); the file's
    world is +Z up, ours +Y up.

    Raises:
        DataError: the file is absent or damaged.
    """
    path = run / "dataparser_transforms.json"
    try:
        tree = json.loads(path.read_text("utf-8"))
        trained_from_file = np.vstack([np.asarray(tree["transform"], np.float64).reshape(3, 4), (0, 0, 0, 1.0)])
        trained_from_file[:3] *= float(tree["scale"])
        file_from_trained = np.linalg.inv(trained_from_file)
    except (OSError, ValueError, KeyError, TypeError, np.linalg.LinAlgError) as error:
        raise DataError(
            "nerfstudio's frame cannot be told",
            where=path,
            seen=f"{type(error).__name__}: {error}",
            expected="transform (3 x 4) and scale",
        ) from error
    ours_from_file = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    back: NDArray[np.float64] = ours_from_file @ file_from_trained
    return back


def cloud_ply(cloud: Mesh) -> bytes:
    """Binary PLY of vertices and colours."""
    colors = np.zeros((len(cloud.vertices), 3), np.uint8) if cloud.colors is None else cloud.colors
    rows = np.zeros(len(colors), [("position", "<f4", 3), ("color", "u1", 3)])
    rows["position"], rows["color"] = cloud.vertices, colors
    words = [f"property float {n}" for n in "xyz"] + [f"property uchar {n}" for n in ("red", "green", "blue")]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}", *words, "end_header"]
    return ("\n".join(header) + "\n").encode() + rows.tobytes()


def _box(back: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, 3) the box around the object, in nerfstudio's frame."""
    signs = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), -1).reshape(-1, 3)
    there = np.linalg.inv(back)
    corners = HALF_BOX * signs @ there[:3, :3].T + there[:3, 3]
    return np.stack([corners.min(0), corners.max(0)])


def _ply(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    import trimesh

    if not path.is_file():
        raise _nothing("ns-export wrote no mesh", path.parent)
    try:
        mesh = trimesh.load(path, process=False, force="mesh")
        return np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces, np.int32)
    except Exception as error:
        raise DataError("nerfstudio's mesh cannot be read", where=path, seen=error, expected="a PLY") from error


def _flags(values: dict[str, object]) -> list[str]:
    rows: list[str] = []
    for name, value in values.items():
        words = [
            f"{v:g}" if isinstance(v, float) else str(v) for v in (value if isinstance(value, tuple) else (value,))
        ]
        rows += [f"--{name}", *words]
    return rows


def _nothing(what: str, where: Path) -> ProgramFailed:
    return ProgramFailed(
        what, where=where, seen="nothing to read", expected="a result", next_step="read log.txt; give more steps"
    )


def _device(device: str) -> str:
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError("Unknown device", where="device", seen=device, expected="auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "There is no CUDA device", where="device", seen="cuda", expected="cpu", next_step="device=cpu"
        )
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def _check(resolution: int, points: int, steps: int | None) -> None:
    rows = [
        ("resolution", resolution, 16 <= resolution <= 512, "16 .. 512"),
        ("points", points, 0 <= points <= 10_000_000, "0 .. 10,000,000"),
        ("steps", steps, steps is None or 10 <= steps <= 10_000_000, "10 or more"),
    ]
    for name, value, good, expected in rows:
        if not good:
            raise ConfigError(f"nerfstudio's {name} is out of range", where=name, seen=value, expected=expected)
