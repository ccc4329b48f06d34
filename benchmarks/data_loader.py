"""Orbits read a second: the loader against a plain reader of the same views as a folder of PNG files, in one run.

    python benchmarks/data_loader.py DATA [--orbits 40] [--rounds 5] [--result FILE]

The PNG files are written by Pillow with its own settings, one a view, from the orbits of DATA. Both readers give whole
orbits (V, S, S, 4) uint8, or (V, S, S, 3) over white; both are checked to give the same pixels. One thread, files in
the page cache, rounds interleaved; CPU seconds, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from svdmv.dataset.loader import OrbitLoader
from svdmv.io.atomic import write_json


def read_folder(folder: Path, white: bool) -> np.ndarray:
    """A plain reader: every PNG of a folder in order."""
    views = []
    for path in sorted(folder.iterdir()):
        with Image.open(path) as picture:
            rgba = picture.convert("RGBA")
            if white:
                rgba = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
            views.append(np.asarray(rgba))
    return np.stack(views)


def main() -> None:
    """Run and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--orbits", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--result", type=Path, default=Path("benchmarks/results/data_loader.json"))
    given = parser.parse_args()
    result: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as place:
        folders, png_bytes, block_bytes = [], 0, 0
        plain = OrbitLoader(given.data, shuffle=False, background="none")
        for number in range(given.orbits):
            sample = plain.sample(number)
            folder = Path(place) / f"{number:05d}"
            folder.mkdir()
            for n, view in enumerate(sample.pixels):
                Image.fromarray(view).save(folder / f"{n:03d}.png")
            png_bytes += sum(p.stat().st_size for p in folder.iterdir())
            block_bytes += plain.manifest.samples[number]["length"]
            folders.append(folder)
        for name, white in (("rgba", False), ("over_white", True)):
            loader = OrbitLoader(given.data, shuffle=False, background="white" if white else "none")
            far = max(
                int(np.abs(loader.sample(n).pixels.astype(int) - read_folder(f, white)).max())
                for n, f in enumerate(folders)
            )
            times: dict[str, list[float]] = {"loader": [], "png": []}
            for _ in range(given.rounds):
                for reader in times:
                    began = time.process_time()
                    for number, folder in enumerate(folders):
                        if reader == "loader":
                            loader.sample(number)
                        else:
                            read_folder(folder, white)
                    times[reader].append((time.process_time() - began) / len(folders))
            best = {reader: min(seconds) for reader, seconds in times.items()}
            result[name] = {
                "loader_orbits_a_core_second": round(1 / best["loader"], 1),
                "png_orbits_a_core_second": round(1 / best["png"], 1),
                "times_as_fast": round(best["png"] / best["loader"], 2),
                "times_as_fast_median": round(float(np.median(times["png"]) / np.median(times["loader"])), 2),
                "largest_difference_of_a_pixel": far,
            }
        rule = plain.manifest.rule
    result |= {
        "orbits": given.orbits,
        "rounds": given.rounds,
        "views": rule["num_views"],
        "size_px": rule["size"],
        "codec": rule["codec"],
        "kilobytes_an_orbit": round(block_bytes / given.orbits / 1e3, 1),
        "kilobytes_an_orbit_as_png": round(png_bytes / given.orbits / 1e3, 1),
        "pillow": PIL.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread each",
    }
    write_json(given.result, result)
    for name, value in result.items():
        print(f"{name:<28}{value}")


if __name__ == "__main__":
    main()
