"""A tiny package of somebody else adds a method and a metric: the one that the guide shows, installed by pip."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide" / "benchmark_runs.md"


def package_of_the_guide(folder: Path) -> int:
    """Write the files that the guide shows; returns the number of lines of code and settings in them."""
    text = GUIDE.read_text("utf-8")
    blocks = re.findall(r"`(pyproject\.toml|spinning\.py)`:\n+```\w+\n(.*?)```", text, re.DOTALL)
    assert [name for name, _ in blocks] == ["pyproject.toml", "spinning.py"]
    for name, code in blocks:
        (folder / name).write_text(code)
    return sum(1 for _, code in blocks for line in code.splitlines() if line.strip())


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the guide, installed without network into a folder of its own."""
    pytest.importorskip("setuptools", reason="the example is built by setuptools, which is not installed")
    pytest.importorskip("pip", reason="pip is not installed in this environment")
    source, target = (tmp_path_factory.mktemp(name) for name in ("source", "site"))
    assert package_of_the_guide(source) <= 22
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    environment = {**os.environ, "PIP_CONFIG_FILE": os.devnull}
    made = subprocess.run(
        [*command, "--target", str(target), str(source)], capture_output=True, text=True, env=environment, check=False
    )
    assert made.returncode == 0, made.stderr
    return target


SUITE = """format: 1
like: mini
name: tiny
size_px: 24
supersampling: 1
tracks: [{name: level, static: 10, views: 4}]
objects: [{name: one, source: "shape:1000001"}, {name: two, source: "shape:1000002"}]
"""


def test_a_method_and_a_metric_of_another_package(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SUITE)
    words = ["suite=tiny.yaml", "method=spinning", "metrics=psnr,mean_colour", f"output={tmp_path / 'out'}"]
    environment = {**os.environ, "PYTHONPATH": str(installed), "SVDMV_CACHE": str(tmp_path / "cache")}
    run = subprocess.run(
        [sys.executable, "-m", "svdmv", "bench", "run", *words],
        capture_output=True, text=True, env=environment, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["methods"]["spinning"]["kind"] == "model"
    assert result["metrics"]["mean_colour"]["higher_is_better"] is False
    assert result["mean"]["reference"]["mean_colour"]["mean"] == 0
    assert result["mean"]["spinning"]["mean_colour"]["mean"] > 0
    assert result["mean"]["spinning"]["psnr"]["objects"] == 2
    assert "spinning" in run.stdout
