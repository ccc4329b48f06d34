"""What users bring: every picture ends as a framed subject or as one clear refusal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from svdmv.core import InputError
from svdmv.io.pictures import read_picture
from svdmv.subject import frame_subject

REFUSED = {
    "alpha_all_zero.png",
    "bomb_12000x12000.png",
    "empty.jpg",
    "html.jpg",
    "noise.png",
    "one_by_one.png",
    "one_pixel_high.png",
    "truncated.jpg",
    "truncated.png",
}


def test_every_picture_is_framed_or_refused_in_one_sentence(shared_data: Path, saliency_weights: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    folder = shared_data / "pictures"
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert len(files) == len(manifest["pictures"]) + sum((folder / row["file"]).exists() for row in manifest["nasty"])
    opaque = {Path(row["file"]).name for row in manifest["pictures"] if not row["alpha"]}
    sampled = sorted(opaque)[::9]  # a network and matting at full size are the slow part
    files = [p for p in files if p.name not in opaque or p.name in sampled]

    refused, incomplete = set(), []
    for path in files:
        try:
            picture = read_picture(path, max_side_px=320)
            result = frame_subject(picture, size=64, foreground_ratio=0.85, weights_dir=saliency_weights)
        except InputError as error:
            refused.add(path.name)
            incomplete += [path.name] * (not (error.where and error.seen and error.expected and error.next_step))
            continue
        assert result.rgba.shape == (64, 64, 4), path.name
        covered = result.rgba[..., 3] > 127
        rows, columns = np.nonzero(covered)
        longer = max(np.ptp(rows), np.ptp(columns)) + 1
        assert 0.75 * 64 < longer < 0.9 * 64, path.name
        assert result.segmenter == "u2netp" if path.name in opaque else result.segmenter in ("alpha", "u2netp")
    assert not incomplete
    assert refused == REFUSED & {p.name for p in files}
