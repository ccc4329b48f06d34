"""Try `svdmv run` on a folder of pictures as a new user would, and say for each file how it ended.

    python benchmarks/pictures_table.py --pictures ../shared/data/pictures --work outputs/pictures131 \
        -o benchmarks/results/pictures131.json --table docs/tried_pictures.md

Every file directly in --pictures and in its subfolders (.json and .md excepted) is run with default settings into a
temporary folder of its own; the checkpoint is loaded once. A file that was done is a line of WORK/rows.jsonl and is not
done again, so a stopped try goes on. An error that is not an SvdmvError is a finding: it is recorded as a crash, and
the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import patch

from svdmv.core import SvdmvError
from svdmv.diffusion.checkpoint import load_checkpoint
from svdmv.io.atomic import write_json, write_text
from svdmv.io.pictures import read_picture
from svdmv.io.run_folder import versions
from svdmv.io.stages import forget_peak_memory, peak_memory_mb
from svdmv.pipeline import RunSettings, run_picture
from svdmv.subject import frame_subject

NOT_TRIED = (".json", ".md", ".txt")


def tried(path: Path, root: Path, settings: RunSettings, model: Any) -> dict[str, Any]:
    """The row of one file: ok with its figures, refused with its error, or crash with the exception."""
    row: dict[str, Any] = {"file": path.relative_to(root).as_posix()}
    forget_peak_memory()
    began, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "out"
        try:
            result = run_picture(path, out, settings, model=model)
        except SvdmvError as error:
            left = sorted(p.name for p in out.rglob("*")) if out.is_dir() else []
            row |= {"status": "refused", "reason": said(error, root), "error": type(error).__name__}
            row |= {"exit_code": error.exit_code, "left_behind": left}
        except Exception as error:  # the finding of the try: nothing else may escape
            traceback.print_exc()
            row |= {"status": "crash", "reason": f"{type(error).__name__}: {error}"[:300], "exit_code": 1}
        else:
            figures = result.figures
            row |= {"status": "ok", "exit_code": 0, "segmenter": figures["input"]["segmenter"]}
            row |= {"photo_consistency": figures["photo_consistency"], "notes": list(result.notes)}
            row |= {"peak_memory_mb": figures["peak_memory_mb"]}
            row |= {"stages_s": {k: v["seconds"] for k, v in figures["stages"].items()}}
    row |= {"seconds": round(time.perf_counter() - began, 2), "cpu_s": round(time.process_time() - cpu, 2)}
    return {"peak_memory_mb": round(peak_memory_mb(), 1)} | row | {"without_extras": without_extras(path)}


def without_extras(path: Path) -> str:
    """How the subject is found when onnxruntime, rembg and OpenCV are absent, or "refused"."""
    with patch("svdmv.subject.segmentation.AUTO_ORDER", ("border_key",)):
        try:
            return frame_subject(read_picture(path), size=64, foreground_ratio=0.8).segmenter
        except SvdmvError:
            return "refused"


def said(error: SvdmvError, root: Path) -> str:
    """The error on one line, without the folders of this machine."""
    return error.one_line().replace(f"{root.as_posix()}/", "")


def rows_done(path: Path) -> list[dict[str, Any]]:
    """Whole rows of a .jsonl; a row cut off by a kill is left out."""
    rows = []
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def table_text(result: dict[str, Any], source: str) -> str:
    """docs/tried_pictures.md: counts, then a line a file."""
    rows = result["rows"]
    counts, good = Counter(r["status"] for r in rows), [r for r in rows if r["status"] == "ok"]
    matched = sum(r["photo_consistency"]["ok"] for r in good)
    how = Counter(r["segmenter"] for r in good)
    lines = [
        f"# {len(rows)} pictures tried",
        "",
        f"Made from [{Path(source).name}](../{source}) by `benchmarks/pictures_table.py`; not edited by hand.",
        f"Checkpoint: {result['model']} (`{result['weights_sha256'][:12]}`), default settings.",
        "",
        f"{counts['ok']} finished, {counts['refused']} were refused with one sentence, {counts['crash']} crashed.",
        f"Of the finished, {matched} meshes match their picture (15 dB or more on the object, from the input camera);",
        "the others say so in their notes. Subjects found by: "
        + ", ".join(f"{name} {count}" for name, count in how.most_common())
        + ".",
        "",
        "PSNR: mesh against picture, on the object, dB. IoU: of the two silhouettes. Neither says whether the back is",
        "good; for that, look. No extras: how the subject is found after a plain `pip install`, without a network.",
        "CPU s: processor seconds of the whole run without loading the checkpoint.",
        "",
        "| file | ends | subject by | no extras | PSNR | IoU | CPU s | notes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ends, remarks = f"{row['status']}, exit code {row['exit_code']}", row.get("reason", "")
        psnr = iou = ""
        if row["status"] == "ok":
            match = row["photo_consistency"]
            psnr, iou = f"{match['foreground_psnr_db']:.1f}", f"{match['iou']:.2f}"
            ends, remarks = "ok", "; ".join(short_notes(row["notes"]))
        cells = [f"`{row['file']}`", ends, row.get("segmenter", ""), row["without_extras"], psnr, iou]
        lines.append("| " + " | ".join([*cells, f"{row['cpu_s']:.1f}", remarks.replace("|", "/")]) + " |")
    return "\n".join(lines) + "\n"


def short_notes(notes: list[str]) -> list[str]:
    """Notes on the picture; those that every run has (elevation, faces, agreement of views) are left out."""
    usual = (
        r"^elevation |^simplified from|^the mesh does not match|^views moved|^the silhouettes disagree"
        r"|pinholes? removed"
    )
    return [note for note in notes if not re.search(usual, note)]


def main() -> int:
    """Run what is missing, then write result and table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder of rows.jsonl")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--table", type=Path, help="Markdown table; its path is written relative to the repository")
    parser.add_argument("--model", default="svdmv-mini")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--only", help="regular expression on file names")
    options = parser.parse_args()
    files = sorted(p for p in options.pictures.rglob("*") if p.is_file() and p.suffix.lower() not in NOT_TRIED)
    files = [p for p in files if re.search(options.only or "", p.relative_to(options.pictures).as_posix())]
    settings = RunSettings(model=options.model, steps=options.steps)
    model = load_checkpoint(options.model)
    key = {"weights_sha256": model.info.sha256, "steps": options.steps}
    options.work.mkdir(parents=True, exist_ok=True)
    path = options.work / "rows.jsonl"
    done = {row["file"]: row for row in rows_done(path) if row.pop("of", None) == key}
    with path.open("a", encoding="utf-8") as ledger:
        for file in files:
            name = file.relative_to(options.pictures).as_posix()
            if name not in done:
                done[name] = tried(file, options.pictures, settings, model)
                ledger.write(json.dumps(done[name] | {"of": key}) + "\n")
                ledger.flush()
                print(name, done[name]["status"], done[name].get("reason", ""), done[name]["cpu_s"], flush=True)
    rows = [done[file.relative_to(options.pictures).as_posix()] for file in files]
    result = {
        "what": "svdmv run on every file of a folder of pictures as users bring them",
        "command": "python benchmarks/pictures_table.py --pictures PICTURES --work WORK -o OUT --table TABLE"
        + (f" --steps {options.steps}" if options.steps else ""),
        "model": model.info.name,
        "weights_sha256": model.info.sha256,
        "files": len(rows),
        "counts": dict(Counter(row["status"] for row in rows)),
        "saliency_network": "u2netp",
        "versions": versions(),
        "remark": "seconds were taken on a machine that did other work too; cpu_s is what the run itself used",
        "rows": rows,
    }
    write_json(options.output, result)
    if options.table:
        write_text(options.table, table_text(result, f"benchmarks/results/{options.output.name}"))
    print(json.dumps(result["counts"]))
    return 1 if any(row["status"] == "crash" or row.get("left_behind") for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
