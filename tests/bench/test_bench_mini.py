"""The suite `mini` the whole way: two objects, svdmv-mini, real metrics, the report opened in a browser."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from browser import opened_page

from svdmv.cli.main import main

WEIGHTS = Path(__file__).parents[3] / "shared" / "data" / "weights"
HAS_WEIGHTS = (WEIGHTS / "lpips" / "lpips_alex_fp32.safetensors").is_file()
METRICS = ["psnr", "psnr_object", "ssim", "mse", "iou", *(["lpips_alex", "lpips_squeeze"] if HAS_WEIGHTS else [])]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scores and report.html, by the commands of the guide; one step of sampling."""
    out = tmp_path_factory.mktemp("mini") / "scores"
    words = ["suite=mini", "limit=2", "method=svdmv", "steps=1", f"metrics={','.join(METRICS)}", f"output={out}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SVDMV_WEIGHTS", str(WEIGHTS))
        for command in (["run", *words, "cache=none"], ["report", str(out), "-o", str(out / "report.html")]):
            with pytest.raises(SystemExit) as stop:
                main(["bench", *command])
            assert stop.value.code == 0
    return out


def test_every_row_is_scored_by_every_metric(run: Path) -> None:
    result: dict[str, Any] = json.loads((run / "result.json").read_text())
    assert result["complete"]
    assert list(result["metrics"]) == METRICS
    for method, values in result["mean"].items():
        assert all(values[m]["objects"] == 2 for m in METRICS), method
        assert all(math.isfinite(values[m]["mean"]) for m in METRICS), method
    mean = result["mean"]
    assert mean["reference"]["psnr"]["mean"] == 100
    assert mean["svdmv-mini"]["iou"]["mean"] > mean["blank"]["iou"]["mean"] == 0
    assert 100 > mean["reference_vae"]["psnr"]["mean"] > mean["svdmv-mini"]["psnr"]["mean"]
    assert sorted(result["absent_methods"]) == ["mean_orbit", "nearest_orbit"], (
        "they need training orbits: told, not hidden"
    )
    for network in METRICS[5:]:
        assert mean["reference"][network]["mean"] == 0
        assert mean["blank"][network]["mean"] > 0.1
        assert len(result["metrics"][network]["detail"].rpartition(" ")[2]) == 12, "the weights' hash is told"


@pytest.mark.parametrize("width_px", [1280, 390])
def test_the_report_runs_in_a_browser_without_a_complaint(run: Path, width_px: int) -> None:
    """Its script has turned every turntable to the input view."""
    shown, console = opened_page(run / "report.html", width_px)
    assert console == []
    assert shown.count('class="turn"') == shown.count('data-view="0"') == 2
    assert len(re.findall(r"background-position: 0(%|px)", shown)) == 4, "truth and prediction of two objects"


def test_a_complaint_would_be_seen(run: Path, tmp_path: Path) -> None:
    """The same page with a script that fails, and without its own script."""
    page = (run / "report.html").read_text()
    own = page.index("<script>")
    (tmp_path / "page.html").write_text(page[:own] + "<script>absent.turn()</script></body></html>")
    shown, console = opened_page(tmp_path / "page.html")
    assert any("absent is not defined" in line for line in console)
    assert 'data-view="0"' not in shown
