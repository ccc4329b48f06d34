"""Fill the tables of README and docs from benchmarks/results, between <!-- table:NAME --> and <!-- /table -->.

    python benchmarks/tables.py            # write them
    python benchmarks/tables.py --check    # exit 1 where a page differs

Every published figure is in a result file; where that file is not there yet, the table says so.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path("benchmarks") / "results"
MARKED = re.compile(r"(<!-- table:([a-z0-9_]+) -->\n)(.*?)(<!-- /table -->)", re.DOTALL)
SHOWN = {"psnr_object": ("PSNR on the object, dB", 2), "iou": ("IoU", 3), "lpips_alex": ("LPIPS (alex)", 3)}
Result = dict[str, Any]


def rows_text(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, a newline at its end."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def scores(result: Result, kinds: tuple[str, ...] = ("model", "trivial")) -> str:
    """Means of every method of some kinds, ours first."""
    kind_of = {name: facts["kind"] for name, facts in result["methods"].items() if facts["kind"] in kinds}
    names = sorted(kind_of, key=lambda n: kinds.index(kind_of[n]))
    rows = [
        [name.replace("_", " "), *(f"{result['mean'][name][k]['mean']:.{digits}f}" for k, (_, digits) in SHOWN.items())]
        for name in names
    ]
    better = {True: "higher is better", False: "lower is better"}
    heads = [f"{title} ({better[result['metrics'][k]['higher_is_better']]})" for k, (title, _) in SHOWN.items()]
    turns = f"\nMean change from view to view: {result['turning'][names[0]]:.2f} of the true orbits'.\n"
    return rows_text(["", *heads], rows) + turns


def scores_and_controls(result: Result) -> str:
    """Means of every method, those that look at the truth last."""
    return scores(result, ("model", "trivial", "oracle"))


def margins(result: Result) -> str:
    """By how much the model beats each trivial predictor, with 95 % intervals; a margin that fails is named."""
    rows: dict[str, dict[str, str]] = {}
    for gain in result["paired"]:
        if result["methods"][gain["against"]]["kind"] == "trivial" and gain["metric"] in SHOWN:
            digits = SHOWN[gain["metric"]][1]
            text = f"{gain['gain']:+.{digits}f} [{gain['low_95']:+.{digits}f}, {gain['high_95']:+.{digits}f}]"
            text = text if gain["low_95"] > 0 else f"**{text}** not reached"
            rows.setdefault(gain["against"].replace("_", " "), {})[gain["metric"]] = text
    head = ["gain over", *(title for title, _ in SHOWN.values())]
    return rows_text(head, [[name, *(cells[k] for k in SHOWN)] for name, cells in rows.items()])


def stages(result: Result) -> str:
    """Seconds of each stage and of the whole, memory, and whether the promise holds."""

    def cells(spread: Result) -> list[str]:
        return [f"{spread[key]:.1f}" for key in ("min", "median", "max")]

    rows = [
        [name, *cells(row["seconds"]), f"{row['first_run_s']:.1f}", f"{row['peak_memory_mb'] / 1024:.2f}"]
        for name, row in result["stages"].items()
    ]
    first, memory = f"{result['first_run_process_s']:.1f}", f"{result['peak_memory_gb']:.2f}"
    rows.append(["whole process", *cells(result["process_s"]), first, memory])
    hardware = result["hardware"]
    text = f"\n{result['repeats']} runs after a first one with empty caches. {hardware['cpu']}, "
    text += f"{hardware['cores_used']} cores, no GPU.{' ' + result['remark'] if result['remark'] else ''} "
    text += f"Promised: {result['promise']['seconds']:g} s and {result['promise']['memory_gb']:g} GB; "
    text += "kept.\n" if result["promise"]["kept"] else "**not kept**.\n"
    return rows_text(["stage", "min s", "median s", "max s", "first run s", "peak GB"], rows) + text


def pictures(result: Result) -> str:
    """How many files of the try ended how."""
    good = [row for row in result["rows"] if row["status"] == "ok"]
    matched = sum(row["photo_consistency"]["ok"] for row in good)
    counts = [len(result["rows"]), len(good), matched, *(result["counts"].get(k, 0) for k in ("refused", "crash"))]
    head = ["files tried", "finished", "of these: mesh matches its picture", "refused in one sentence", "crashed"]
    return rows_text(head, [[str(count) for count in counts]])


def sampling(result: Result) -> str:
    """Our sampling against diffusers' pipeline, on the same weights."""
    rows = [
        [
            f"{row['unet_parameters'] / 1e6:.0f} M",
            f"{row['time_ratio_of_minima']:.2f}",
            f"{row['time_ratio_of_medians']:.2f}",
            f"{row['memory_ratio']:.2f}",
            f"{row['latents_max_abs_difference']:.0e}",
        ]
        for row in result["sizes"].values()
    ]
    head = ["UNet", "time / diffusers' (fastest runs)", "(medians)", "memory / diffusers'", "largest latent difference"]
    return rows_text(head, rows)


def sampling_settings(result: Result) -> str:
    """What samplers, steps and guidance give on held-out objects."""
    rows = [
        [
            row["sampler"],
            str(row["steps"]),
            row["guidance"],
            f"{row['psnr_object_db']:.2f}",
            f"{row['iou']:.3f}",
            f"{row['lpips_alex']:.3f}",
            f"{row['turning_ratio']:.2f}",
            f"{row['cpu_seconds_an_orbit']:.1f}",
        ]
        for row in result["rows"]
    ]
    head = ["sampler", "steps", "guidance", "PSNR on the object, dB", "IoU", "LPIPS (alex)", "change", "CPU-s"]
    about = f"{result['orbits']} orbits of held-out objects; change: from view to view, against the truth's."
    return rows_text(head, rows) + f"\n{about}\n"


def against_first(result: Result) -> str:
    """What later weights gain over the first ones, paired over objects."""
    rows = [
        [
            SHOWN[row["metric"]][0],
            *(f"{row[key]:+.{SHOWN[row['metric']][1]}f}" for key in ("gain", "low_95", "high_95")),
        ]
        for row in result["differences"]
        if row["metric"] in SHOWN
    ]
    return rows_text(["gain of svdmv-mini over the first one", "mean", "95 % from", "to"], rows)


def shown(result: Result) -> str:
    """The pictures of README with their figures."""
    rows = []
    for row in result["shown"]:
        match = row["photo_consistency"]
        picture = f"![{row['name']}](docs/images/{row['name']}.jpg)"
        figures = f"{match['foreground_psnr_db']:.1f} dB, IoU {match['iou']:.2f}"
        rows.append([picture, f"`{row['name']}.png`: {row['remark']} ({figures})"])
    return rows_text(["input, 4 views of 21, 4 sides of the mesh", "what came out (mesh against picture)"], rows)


def curve(result: Result) -> str:
    """Some rows of the training curves."""
    text = []
    for name, title in (("autoencoder", "autoencoder loss"), ("finetuning", "UNet loss")):
        if name not in result:
            continue
        rows = result[name]
        picked = [rows[round(k * (len(rows) - 1) / 7)] for k in range(8)]
        cells = [[title, *(f"{row['loss']:.3f}" for row in picked)]]
        text.append(rows_text(["step", *(str(row["step"]) for row in picked)], cells))
    return "\n".join(text)


def mini_ablation(result: Result) -> str:
    """One change a row against the recipe as it is."""
    base = result["rows"][0]
    rows = []
    for row in result["rows"]:
        cells = [row["row"], f"{row['parameters'] / 1e6:.1f}", str(row["objects_trained_on"])]
        cells += [f"{row['held_out_loss']:.3f}", f"{row['held_out_loss'] - base['held_out_loss']:+.3f}"]
        cells += [f"{row['psnr']:.2f}", f"{row['lpips']:.3f}", f"{row['motion']:.2f}"]
        rows.append([*cells, f"{row['training_cpu_s'] / base['training_cpu_s']:.2f}"])
    head = ["changed", "UNet, M", "objects", "held-out loss", "against the first row", "PSNR, dB", "LPIPS (alex)"]
    text = rows_text([*head, "change", "time / the first row's"], rows)
    told = result["told"]
    return (
        f"{text}\n{told['steps']} steps of a narrow network (`{told['networks']}`) from nothing, {told['orbits']} "
        "orbits of held-out objects drawn; change: from view to view, against the truth's.\n"
    )


def checkpoint(result: Result) -> str:
    """What svdmv-mini's own settings say."""
    framing, guide, low_high = result["framing"], result["guidance"], result["elevation_range_deg"]
    scale = f"{guide['low']:g}" if guide["low"] == guide["high"] else f"{guide['low']:g} to {guide['high']:g}"
    rows = [
        ["views", f"{result['num_views']} of {result['image_size']} px, RGBA, view 0 is the input"],
        ["elevation", f"{low_high[0]:g} to {low_high[1]:g} degrees, the same for all views"],
        ["camera", f"radius {framing['radius']:g} around a ball of radius 0.5, lens {framing['fov_y_deg']:g} degrees"],
        ["framing", f"the longer side of the subject fills {framing['foreground_ratio']:g} of the frame"],
        ["sampling", f"{result['sampler']}, {result['num_steps']} steps, {guide['kind']} guidance {scale}"],
    ]
    return rows_text(["setting", "value"], rows)


CHECKPOINT = "../../svdmv/diffusion/weights/svdmv-mini/svdmv.json"


def render_quality(result: Result) -> str:
    """Cost of an orbit and closeness to the path tracer, by scene and renderer."""
    rows = []
    for scene, about in result["scenes"].items():
        for row in about["rows"]:
            if "not_run" in row:
                rows.append([scene, row["renderer"], "", "not run", "", ""])
                continue
            guessed = "" if row.get("views_timed", 21) == 21 else f" (from {row['views_timed']} views)"
            cost = f"{row['orbit_cpu_s']:.1f}{guessed}"
            compared = str(row.get("views_timed") or len(about["views_compared"]))
            rows.append([scene, row["renderer"], row["samples"], cost, f"{row['psnr_db']:.1f}", compared])
    head = [
        "scene",
        "renderer",
        "samples a pixel",
        "CPU-s an orbit",
        "PSNR on the object, dB",
        "views compared",
    ]
    conditions = f"{result['size_px']} px; reference: {result['reference']}"
    return rows_text(head, rows) + f"\n{conditions}. {result['hardware']['cpu']}; {result['remark']}.\n"


RENDER_GOALS = (  # scene, renderer, samples, CPU seconds an orbit at most, dB at least
    ("matte scan", "raster matte", "2x2", 2.0, 40.0),
    ("matte scan", "raster matte", "3x3", 2.0, 43.0),
    ("plastic scan", "raster pbr", "2x2", 4.0, 33.0),
    ("shiny metal", "raster final", "2x2", 12.0, 34.0),
    ("bright metal", "raster final", "2x2", 12.0, 34.0),
)


def render_goals(result: Result) -> str:
    """What the renderer was to reach, and what it does on the same run."""
    rows = []
    for scene, renderer, samples, most_s, least_db in RENDER_GOALS:
        found = [r for r in result["scenes"][scene]["rows"] if (r["renderer"], r.get("samples")) == (renderer, samples)]
        cost, db = found[0]["orbit_cpu_s"], found[0]["psnr_db"]
        reached = f"{cost:.1f} CPU-s, {db:.1f} dB (worst view {found[0]['worst_view_psnr_db']:.1f})"
        kept = "yes" if cost <= most_s and db >= least_db else "no"
        rows.append([scene, f"{renderer} {samples}", f"{most_s:g} CPU-s, {least_db:g} dB", reached, kept])
    return rows_text(["scene", "renderer", "asked: at most, at least", "reached", "kept"], rows)


def render_speed(result: Result) -> str:
    """Stages of an orbit and their floors."""
    rows = []
    for row in result["rows"]:
        stages, floor, per_sample = row["stages_s"], row["floor_s"], row["ns_per_sample"]
        rows.append(
            [
                f"{row['model']}, {row['shading']}",
                f"{row['orbit_cpu_s']:.1f}",
                f"{stages['load']:.2f}",
                f"{stages['prepare']:.2f}",
                f"{stages['views']:.2f}",
                f"{stages['png']:.2f} ({floor['png']:.2f})",
                f"{row['rays'] / 1e6:.1f} M in {floor['embree']:.2f} s",
                f"{sum(per_sample.values()):.0f}",
                str(row["peak_memory_mb"]),
            ]
        )
    head = ["model", "CPU-s", "load", "light", "views", "PNG (floor)", "rays, Embree alone", "ns a sample", "peak MB"]
    return rows_text(head, rows) + f"\n{result['hardware']['cpu']}; {result['remark']}.\n"


def data_build(result: Result) -> str:
    """A build of many objects in one run."""
    kinds, ended = result["cpu_s_an_orbit_by_kind"], result["ended"]
    memory = result["worker_memory_mb_every_50_objects"]
    half = len(memory) // 2
    rows = [
        ["objects, orbits of 21 views", f"{sum(ended.values()):,}, {result['orbits']:,} of {result['size_px']} px"],
        ["ended", ", ".join(f"{count:,} {name}" for name, count in sorted(ended.items(), key=lambda row: -row[1]))],
        ["orbits an hour", f"{result['orbits_an_hour_by_the_clock']:,} by the clock with {result['workers']} workers; "
         f"{result['orbits_a_core_hour_of_cpu_time']:,} a core-hour of CPU time"],
        ["CPU s an orbit", f"{result['cpu_s_an_orbit']:.2f} (models {kinds['models']:.2f}, procedural "
         f"{kinds['procedural']:.2f})"],
        ["bytes an orbit", f"{result['bytes_an_orbit']:,}"],
        ["worker's memory, MB", f"{min(memory)} to {max(memory)}; second half of the run {min(memory[half:])} to "
         f"{max(memory[half:])}"],
    ]  # fmt: skip
    return rows_text(["", ""], rows) + f"\n{result['machine']}; {result['conditions']}.\n"


def data_stages(result: Result) -> str:
    """Where the time of an orbit goes."""
    stages = result["cpu_s_an_orbit_by_stage"]
    kinds = result["cpu_s_an_orbit_by_kind"]
    row = [f"{seconds:.2f} s" for seconds in stages.values()] + [f"{result['cpu_s_an_orbit']:.2f} CPU s"]
    told = (
        f"{result['size_px']} px, {result['objects']} objects; models {kinds['models']:.2f}, procedural "
        f"{kinds['procedural']:.2f} CPU s; {result['bytes_an_orbit'] / 1e6:.2f} MB an orbit. Two cores of one's own "
        f"would make {result['orbits_an_hour_on_two_cores_computed']:,} orbits an hour (computed). "
        f"{result['machine']}; {result['conditions']}."
    )
    return rows_text([*stages, "together"], [row]) + f"\n{told}\n"


def worker_memory(result: Result) -> str:
    """Largest resident sets of a worker."""
    rows = [
        [name.replace("_", " "), str(row["objects"]), str(row["median"]), str(row["most"])]
        for name, row in result["peak_mb"].items()
    ]
    told = f"{result['size_px']} px; {result['peak_mb_before_the_first_object']} MB before the first object."
    return rows_text(["objects", "how many", "median peak, MB", "largest peak, MB"], rows) + f"\n{told}\n"


MANY_ORBITS, USD_A_CORE_HOUR = 300_000, 0.04


def data_cost(result: Result) -> str:
    """What 150,000 objects x 2 orbits cost, by multiplication from measured orbits."""

    def read(name: str) -> Result:
        found: Result = json.loads((ROOT / RESULTS / name).read_text("utf-8"))
        return found

    small, quality, eevee = read("data_build_256.json"), read("render_quality.json"), read("render_eevee.json")
    measured = [
        ("this one, 576 px", result["cpu_s_an_orbit"], result["bytes_an_orbit"]),
        ("this one, 256 px", small["cpu_s_an_orbit"], small["bytes_an_orbit"]),
    ]
    for scene, about in quality["scenes"].items():
        measured += [
            (f"Cycles, {row['samples']}, 576 px: {scene}", row["orbit_cpu_s"], 0)
            for row in about["rows"]
            if row["renderer"].startswith("cycles") and "orbit_cpu_s" in row
        ]
    name = f"EEVEE, {eevee['samples']} samples, software OpenGL, 576 px by pixels from {eevee['size_px']}"
    measured.append((name, eevee["orbit_of_21_views_of_576_px_cpu_s_by_pixels"], 0))
    rows = []
    for label, seconds, size in measured:
        hours = MANY_ORBITS * seconds / 3600
        wall = f"{hours / 64:.1f} h" if hours < 64 * 48 else f"{hours / 64 / 24:.1f} days"
        disk = f"{MANY_ORBITS * size / 1e9:.0f} GB" if size else "the same"
        rows.append([label, f"{seconds:,.1f}", f"{hours:,.0f}", f"{hours * USD_A_CORE_HOUR:,.0f}", wall, disk])
    return rows_text(["renderer", "CPU s an orbit", "core-hours", "USD", "on 64 cores", "bytes (QOI)"], rows)


def _median(rows: list[Result], key: str, digits: int) -> str:
    values = sorted(row[key] for row in rows if key in row)
    if not values:
        return "-"
    middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
    return f"{middle:.{digits}f}"


def recon_quality(result: Result) -> str:
    """Medians over the scans of every group, kind of views and method."""
    kinds: dict[tuple[str, str, float, str], list[Result]] = {}
    for row in result["rows"]:
        kinds.setdefault((row["group"], row["job"], row["elevation_deg"], row["method"]), []).append(row)
    rows = [
        [
            f"{group} ({len(found)})",
            f"{job.replace('_', ' ')}, {degrees:g} deg",
            method,
            _median(found, "chamfer_percent", 3),
            _median(found, "f1_percent", 1),
            _median(found, "normal_consistency", 3),
            _median(found, "volume_iou", 3),
            f"{_median(found, 'psnr_ring_db', 1)} / {_median(found, 'psnr_off_db', 1)}",
            f"{sum(row['closed'] for row in found)}/{len(found)}",
            _median(found, "cpu_s", 1),
        ]
        for (group, job, degrees, method), found in kinds.items()
    ]
    head = ["scans", "views", "method", "Chamfer, %", "F1 at 1 %", "normals", "IoU", "PSNR ring / off, dB", "closed"]
    memory = result.get("peak_memory_mb", {})
    said = ", ".join(f"{name} {value:.0f} MB" for name, value in memory.items())
    text = f"\nPeak memory of a fresh process: {said}.\n" if said else ""
    return (
        rows_text([*head, "CPU-s"], rows)
        + _against_usual_elevation(result["rows"])
        + _alignment_gains(result["rows"])
        + text
    )


def _against_usual_elevation(rows: list[Result]) -> str:
    """The fit's Chamfer distance at other elevations, against the same scans at the usual one."""
    usual = {row["object"]: row["chamfer_percent"] for row in rows if (row["job"], row["method"]) == ("clean", "sdf")}
    ratios: dict[float, list[float]] = {}
    for row in rows:
        if (row["job"], row["method"]) == ("elevation", "sdf") and row["object"] in usual:
            ratios.setdefault(row["elevation_deg"], []).append(row["chamfer_percent"] / usual[row["object"]])
    if not ratios:
        return ""
    said = ", ".join(f"{degrees:g} deg {median(found):.2f} ({len(found)})" for degrees, found in ratios.items())
    return f"\nChamfer distance of `sdf` against the same scans at 15 deg, median ratio (scans): {said}.\n"


def _alignment_gains(rows: list[Result]) -> str:
    """By how much alignment cuts the Chamfer distance of each scan."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        found.setdefault((row["job"], row["object"]), {})[row["method"]] = row["chamfer_percent"]
    text = ""
    for job in dict.fromkeys(job for job, _ in found):
        cuts = sorted(
            100 * (1 - made["sdf"] / made["sdf, alignment off"])
            for (kind, _), made in found.items()
            if kind == job and {"sdf", "sdf, alignment off"} <= made.keys()
        )
        if cuts:
            text += f"\nAlignment cuts the Chamfer distance of views {job.replace('_', ' ')} by {median(cuts):.0f} % "
            text += f"({cuts[0]:.0f} to {cuts[-1]:.0f} %, {len(cuts)} scans).\n"
    return text


def recon_scans(result: Result) -> str:
    """Chamfer distance of every scan with clean views, hull and fit."""
    found: dict[str, Result] = {}
    for row in result["rows"]:
        if row["job"] == "clean":
            found.setdefault(f"{row['object']} ({row['group']})", {})[row["method"]] = row
    rows = [
        [name.replace("_", " "), *(f"{made[m]['chamfer_percent']:.3f}" for m in ("hull", "sdf"))]
        + [f"{made['sdf'][k]:.{digits}f}" for k, digits in (("f1_percent", 1), ("volume_iou", 3))]
        for name, made in found.items()
        if {"hull", "sdf"} <= made.keys()
    ]
    return rows_text(["scan", "hull, Chamfer %", "sdf, Chamfer %", "sdf, F1", "sdf, IoU"], rows)


def recon_orbits(result: Result) -> str:
    """Medians of lifted orbits and the worst of them."""
    columns = [("views_iou", 2), ("input_iou", 2), ("input_psnr_db", 1), ("parts", 0), ("lift_cpu_s", 1)]
    chosen = {row["picture"]: row for row in result["rows"] if row["picture"] in result["worst"]}
    named = [("median", result["medians"]), *((name, chosen[name]) for name in result["worst"])]
    rows = [[name, *(f"{row[key]:.{digits}f}" for key, digits in columns)] for name, row in named]
    count = len(result["rows"])
    text = f"\n{count} pictures; {result['in_one_part']} meshes in one part, {result['closed']} closed.\n"
    head = ["picture", "IoU with the views", "IoU with the picture", "PSNR on the object, dB", "parts", "CPU-s"]
    return rows_text(head, rows) + text


def scoring(result: Result) -> str:
    """Seconds of scoring, the plain loop's and ours."""
    rows = [
        [
            row["case"],
            str(row["objects"]),
            str(row["threads"]),
            f"{row['plain_wall_s']:.1f}",
            f"{row['ours_wall_s']:.1f}",
            f"{row['times_faster_wall']:.1f}",
        ]
        for row in result["cases"]
    ]
    apart = ", ".join(f"{name} {value:.0e}" for name, value in result["largest_difference"].items())
    text = f"\n{result['what']}; wall seconds, {result['hardware']['processor']}. Largest differences: {apart}.\n"
    return rows_text(["scored", "objects", "threads", "plain loop, s", "svdmv, s", "times faster"], rows) + text


TABLES: dict[str, tuple[str, Callable[[Result], str]]] = {
    "scores": ("mini_gso34.json", scores),
    "margins": ("mini_gso34.json", margins),
    "scores256": ("mini_gso34_256.json", scores),
    "rows256": ("mini_gso34_256.json", scores_and_controls),
    "margins256": ("mini_gso34_256.json", margins),
    "scoring": ("bench_speed.json", scoring),
    "stages": ("stages.json", stages),
    "pictures": ("pictures131.json", pictures),
    "against_first": ("mini_against_first.json", against_first),
    "sampling_settings": ("mini_sampling.json", sampling_settings),
    "sampling": ("sampling_vs_diffusers.json", sampling),
    "shown": ("readme_results.json", shown),
    "checkpoint": (CHECKPOINT, checkpoint),
    "curve": ("mini_curves.json", curve),
    "curve128": ("mini128_curves.json", curve),
    "mini_ablation": ("mini_ablation.json", mini_ablation),
    "render_quality": ("render_quality.json", render_quality),
    "render_goals": ("render_quality.json", render_goals),
    "render_speed": ("render_speed.json", render_speed),
    "data_build": ("data_build_256.json", data_build),
    "data_build_576": ("data_build_576.json", data_build),
    "data_stages": ("data_stages.json", data_stages),
    "data_cost": ("data_stages.json", data_cost),
    "worker_memory": ("data_worker_memory.json", worker_memory),
    "recon_quality": ("recon_quality.json", recon_quality),
    "recon_scans": ("recon_quality.json", recon_scans),
    "recon_orbits": ("recon_orbits.json", recon_orbits),
}


def table(name: str, root: Path = ROOT) -> str:
    """The text between the markers of a name. Raises KeyError for a name that is not in TABLES."""
    file, made = TABLES[name]
    path = root / RESULTS / file
    if not path.is_file():
        return f"Not measured yet ({file}).\n"
    return made(json.loads(path.read_text("utf-8")))


def filled(text: str, root: Path = ROOT) -> str:
    """A page with every marked table written anew."""
    return MARKED.sub(lambda found: found[1] + table(found[2], root) + found[4], text)


def pages(root: Path = ROOT) -> list[Path]:
    """README and the documents."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def main() -> int:
    """Write or check all pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    differing = []
    for page in pages():
        text = page.read_text("utf-8")
        if filled(text) != text:
            differing.append(page.relative_to(ROOT).as_posix())
            if not options.check:
                page.write_text(filled(text), encoding="utf-8")
    print("\n".join(differing) or "every table is as its result file")
    return 1 if options.check and differing else 0


if __name__ == "__main__":
    sys.exit(main())
