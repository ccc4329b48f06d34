"""Scoring orbits against the plain loop over the same libraries: PSNR and SSIM of scikit-image, LPIPS of lpips.

    SVDMV_WEIGHTS=FOLDER python benchmarks/bench_speed.py -o benchmarks/results/bench_speed.json

needs scikit-image and the lpips package with a torchvision that imports; lpips' trunk takes the weights of the folder,
so both sides have the same network. Pictures are drawn: textured ellipses with soft edges on white, the prediction a
shifted, noisy copy. Two cases, object by object in turns: one prediction, and a run's seven rows (the prediction, the
input copied, mirrored at the back, nothing, the truth, the truth backwards and shifted). Each with every number of
threads asked for. With one thread CPU seconds of the process compare; with several, threads that wait for each other
burn CPU seconds, and wall seconds compare, where nothing else ran. Exit status 1: scores differ by 1e-4 or more.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from svdmv.bench.machine import git_revision, hardware
from svdmv.bench.metrics import Metric, view_pair
from svdmv.bench.network_metrics import lpips_alex
from svdmv.bench.pixel_metrics import psnr, ssim
from svdmv.core import Orbit, ViewSet

NAMES = ("psnr", "ssim", "lpips_alex")
TOLERANCE = 1e-4


def drawn_orbit(seed: int, views: int, size: int, shift: int = 0, noise: float = 0.0) -> ViewSet:
    """Ellipses that turn: a smooth texture, soft alpha, transparent outside."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((12, 12, 3))
    spots = np.linspace(0, 11, size).round().astype(int)
    texture = coarse[spots][:, spots]
    y, x = np.mgrid[:size, :size] / size - 0.5
    rgba = np.empty((views, size, size, 4), np.uint8)
    for n in range(views):
        width = 0.22 + 0.14 * abs(np.cos(2 * np.pi * n / views + seed))
        distance = np.hypot(np.roll(x, shift, 1) / width, y / 0.38)
        color = np.roll(texture, n * 9 + shift, 1) + noise * np.random.default_rng([seed, n]).standard_normal(
            texture.shape
        )
        rgba[n, ..., :3] = (color.clip(0, 1) * 255).round()
        rgba[n, ..., 3] = (((1 - distance) * 40).clip(0, 1) * 255).round()
    orbit = Orbit.static(10, views)
    return ViewSet(rgba[..., :3], orbit.cameras(size, size), rgba[..., 3], orbit=orbit)


def rows_of_a_run(truth: ViewSet, prediction: ViewSet) -> list[ViewSet]:
    """The prediction and the six rows that are always there."""
    rgba = truth.rgba_u8()
    count = len(rgba)
    copied = np.repeat(rgba[:1], count, 0)
    mirrored = copied.copy()
    mirrored[count // 4 : -(count // 4)] = mirrored[count // 4 : -(count // 4), :, ::-1]
    backwards = rgba[-np.arange(count) % count]
    others = (copied, mirrored, np.zeros_like(rgba), rgba, backwards, np.roll(rgba, 1, 0))
    return [prediction, *(ViewSet(x[..., :3], truth.cameras, x[..., 3]) for x in others)]


def plain_scorer() -> Callable[[ViewSet, ViewSet], np.ndarray]:
    """(3, N): a loop over the views, each library called on one pair."""
    import lpips
    import torch
    from safetensors.torch import load_file
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    from svdmv.diffusion.perceptual import lpips_weights_path

    network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    trunk = {
        k.removeprefix("features."): v for k, v in load_file(lpips_weights_path("alex")).items() if "features" in k
    }
    for name, value in network.net.state_dict().items():
        value.copy_(trunk[name.split(".", 1)[1]])

    @torch.no_grad()
    def score(prediction: ViewSet, truth: ViewSet) -> np.ndarray:
        out = []
        for n in range(len(truth)):
            a, b = over_white(prediction, n), over_white(truth, n)
            similarity = structural_similarity(
                b, a, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1, channel_axis=-1
            )
            x, y = (torch.from_numpy(p.transpose(2, 0, 1)[None].copy()) for p in (a, b))
            error = peak_signal_noise_ratio(b, a, data_range=1) if not np.array_equal(a, b) else np.inf
            out.append((error, similarity, network(x, y, normalize=True).item()))
        return np.array(out).T

    return score


def over_white(views: ViewSet, n: int) -> np.ndarray:
    """(H, W, 3) float32 in [0, 1], rounded to 8 bits: one view over white."""
    opacity = np.float32(1 / 255) * views.alphas[n, ..., None]
    return np.round(views.images[n] * opacity + 255 * (1 - opacity)) / np.float32(255)


def our_scorer(metrics: Sequence[Metric]) -> Callable[[ViewSet, ViewSet], np.ndarray]:
    """(3, N), as a run scores."""
    return lambda prediction, truth: np.stack([m.compute(view_pair(prediction, truth)) for m in metrics])


class Clock:
    """CPU and wall seconds of a side, summed."""

    def __init__(self) -> None:
        self.cpu = self.wall = 0.0

    def timed(self, work: Callable[[], Any]) -> Any:
        cpu, wall = time.process_time(), time.perf_counter()
        made = work()
        self.cpu += time.process_time() - cpu
        self.wall += time.perf_counter() - wall
        return made


def largest_difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(3,); infinite PSNR on both sides is equal."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(first - second)
    return np.where(np.isinf(first) & np.isinf(second), 0, apart).max(1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--objects", type=int, default=30)
    parser.add_argument("--run-objects", type=int, default=3, help="of the case with seven rows")
    parser.add_argument("--views", type=int, default=21)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # lpips and torchvision on a newer torch
    import numba
    import torch

    cases = [
        (case, objects, threads)
        for threads in options.threads
        for case, objects in (("one prediction", options.objects), ("seven rows of a run", options.run_objects))
    ]
    figures: list[dict[str, Any]] = []
    worst = np.zeros(3)
    plain = plain_scorer()
    small = drawn_orbit(999, options.views, options.size), drawn_orbit(999, options.views, options.size, 2, 0.05)
    for case, objects, threads in cases:
        torch.set_num_threads(threads)
        numba.set_num_threads(threads)
        score = our_scorer((psnr(), ssim(), lpips_alex()))
        plain(*(views.subset([0, 1]) for views in small)), score(*small)  # what is done once in a process
        theirs, ours = Clock(), Clock()
        for seed in range(objects):
            truth = drawn_orbit(seed, options.views, options.size)
            prediction = drawn_orbit(seed, options.views, options.size, 3, 0.06)
            for row in [prediction] if case == "one prediction" else rows_of_a_run(truth, prediction):
                a = theirs.timed(lambda row=row, truth=truth: plain(row, truth))
                b = ours.timed(lambda row=row, truth=truth, score=score: score(row, truth))
                worst = np.maximum(worst, largest_difference(a, b))
        figures.append(
            {
                "case": case,
                "threads": threads,
                "objects": objects,
                "plain_cpu_s": round(theirs.cpu, 2),
                "ours_cpu_s": round(ours.cpu, 2),
                "times_faster_cpu": round(theirs.cpu / ours.cpu, 2),
                "plain_wall_s": round(theirs.wall, 2),
                "ours_wall_s": round(ours.wall, 2),
                "times_faster_wall": round(theirs.wall / ours.wall, 2),
            }
        )
        print(figures[-1], flush=True)
    result = {
        "what": f"PSNR, SSIM, LPIPS (alex), {options.views} views an object at {options.size} px, against a plain loop",
        "command": "python " + " ".join(["benchmarks/bench_speed.py", *sys.argv[1:]]),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cases": figures,
        "largest_difference": dict(zip(NAMES, (float(f"{x:.2g}") for x in worst), strict=True)),
        "versions": {n: version(n) for n in ("torch", "scikit-image", "lpips", "numpy", "numba")},
        "git": git_revision(),
        "hardware": hardware(),
        "load_average": [round(x, 1) for x in os.getloadavg()],
        "note": "one thread: CPU seconds compare; several: wall seconds, as far as the load at the end lets them",
    }
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    print(result["largest_difference"])
    return 0 if (worst < TOLERANCE).all() else 1


if __name__ == "__main__":
    sys.exit(main())
