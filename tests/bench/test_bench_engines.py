"""One run, made in other ways: processes, a kill in the middle, Ray, other folders. The tables are the same bytes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from svdmv.bench import engines
from svdmv.bench.config import BenchConfig
from svdmv.bench.engines import process_work, run_config
from svdmv.bench.runner import is_done
from svdmv.bench.worker import taken_device
from svdmv.core import ConfigError

SUITE = """format: 1
like: mini
name: tiny
size_px: 24
supersampling: 1
metrics: [psnr, ssim, iou]
tracks: [{name: level, static: 10, views: 6}]
objects:
"""
NAMES = [f"shape-{n}" for n in range(1000001, 1000005)]
TABLES = ("views.csv", "objects.csv")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> BenchConfig:
    """Four shapes, six views of 24 px, the rows that are always there, references cached for all tests."""
    root = tmp_path_factory.mktemp("engines")
    rows = "".join(f"  - {{name: {name}, source: 'shape:{name[6:]}'}}\n" for name in NAMES)
    (root / "tiny.yaml").write_text(SUITE + rows)
    return BenchConfig(
        suite=str(root / "tiny.yaml"), method="copy", output=str(root / "one"), cache=str(root / "cache")
    )


@pytest.fixture(scope="module")
def alone(config: BenchConfig) -> Path:
    """The run of one process."""
    result = run_config(config)
    assert result["complete"]
    assert result["engine"] == {"name": "local", "workers": 1, "devices": ["cpu"]}
    assert result["objects_made"] == 4
    return Path(config.output)


def command_of(config: BenchConfig) -> list[str]:
    keys = ("suite", "method", "output", "cache", "workers")
    return [sys.executable, "-m", "svdmv", "bench", "run", *(f"{key}={getattr(config, key)}" for key in keys)]


def test_killed_among_its_processes_and_continued(config: BenchConfig, alone: Path, tmp_path: Path) -> None:
    """SIGKILL when one object is done: children end too, the same command finishes, the bytes are those of one."""
    out = tmp_path / "out"
    two = replace(config, output=str(out), workers=2, cache="none")
    run = subprocess.Popen(command_of(two), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    children: list[int] = []
    deadline = time.monotonic() + 500
    while not any(is_done(out, name) for name in NAMES) and time.monotonic() < deadline and run.poll() is None:
        children = [int(p) for p in Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()] or children
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL, "it had ended before it could be killed"
    made = {name for name in NAMES if is_done(out, name)}
    assert 0 < len(made) < len(NAMES)
    assert not (out / "result.json").exists()
    while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    before = {name: (out / "objects" / f"{name}.json").stat().st_mtime_ns for name in made}
    result = run_config(two)
    assert result["complete"]
    assert result["engine"]["workers"] == 2
    assert before == {name: (out / "objects" / f"{name}.json").stat().st_mtime_ns for name in made}
    for name in TABLES:
        assert (out / name).read_bytes() == (alone / name).read_bytes()


def test_ray_makes_the_same_bytes(config: BenchConfig, alone: Path, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="ray is not installed")
    ray.init(num_cpus=1, include_dashboard=False, object_store_memory=80_000_000, logging_level="ERROR")
    try:
        result = run_config(replace(config, output=str(tmp_path / "out"), engine="ray"))
    finally:
        ray.shutdown()
    assert result["engine"]["name"] == "ray"
    for name in TABLES:
        assert (tmp_path / "out" / name).read_bytes() == (alone / name).read_bytes()


def test_another_folder_is_filled_from_what_was_made(
    config: BenchConfig, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No view is rendered, read or scored again."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("made again")

    for name in ("reference_views", "scores_of", "elevation_ladder"):
        monkeypatch.setattr(f"svdmv.bench.rows.{name}", refuse)
    assert run_config(replace(config, output=str(tmp_path / "out")))["complete"]
    for name in TABLES:
        assert (tmp_path / "out" / name).read_bytes() == (alone / name).read_bytes()
    assert (tmp_path / "out" / "references" / NAMES[0] / "level" / "transforms.json").is_file()


def test_other_code_or_seed_or_metric_is_made_anew(
    config: BenchConfig, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from svdmv.bench import kept
    from svdmv.bench.methods import method_from_name
    from svdmv.bench.metrics import metric_from_name

    copy, psnr, iou = method_from_name("copy", {}), metric_from_name("psnr"), metric_from_name("iou")
    model = replace(copy, stochastic=True)
    first = kept.prediction_key(model, "reference", 0)
    assert first == kept.prediction_key(model, "reference", 0)
    others = [
        kept.prediction_key(model, "reference", 1),
        kept.prediction_key(model, "another", 0),
        kept.prediction_key(replace(model, identity="2"), "reference", 0),
        kept.row_key({"views": "a"}, [psnr]),
        kept.row_key({"views": "b"}, [psnr]),
        kept.row_key({"views": "a"}, [psnr, iou]),
        kept.row_key({"views": "a"}, [replace(psnr, detail="other weights")]),
    ]
    assert kept.prediction_key(replace(model, identity=""), "reference", 0) is None
    monkeypatch.setattr(kept, "code_sha256", lambda parts=(): "changed")
    others += [kept.prediction_key(model, "reference", 0), kept.row_key({"views": "a"}, [psnr])]
    assert len({first, *others}) == 1 + len(others)


DYING = """
import json, os, sys
sys.stdin.readline()
print(json.dumps({"ready": 1}), flush=True)
for line in sys.stdin:
    name = json.loads(line)["item"]["id"]
    if name == "bad":
        sys.stderr.write("no more memory on this card\\n")
        os._exit(7)
    print(json.dumps({"uid": name, "status": "done"}), flush=True)
"""


def test_an_object_that_ends_its_process_is_a_failed_object(
    config: BenchConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "COMMAND", (sys.executable, "-c", DYING))
    done: list[str] = []
    process_work(config, tmp_path, 1, ["cpu"])(["good", "bad", "fine"], done.append)
    assert sorted(done) == ["bad", "fine", "good"]
    record = json.loads((tmp_path / "objects" / "bad.json").read_text())
    assert record["failed"] == "its process ended: crash, exit code 7; no more memory on this card"
    assert not is_done(tmp_path, "bad"), "the next run tries it again"


def test_processes_share_the_devices(tmp_path: Path) -> None:
    devices = ("cuda:0", "cuda:1")
    held = [taken_device(devices, tmp_path) for _ in range(3)]
    assert [device for device, _ in held] == ["cuda:0", "cuda:1", "cuda:1"]
    held[0][1].close()  # type: ignore[union-attr]
    device, again = taken_device(devices, tmp_path)
    assert device == "cuda:0"
    again.close()  # type: ignore[union-attr]
    held[1][1].close()  # type: ignore[union-attr]


def test_engines_that_are_unknown(config: BenchConfig) -> None:
    for wrong in (replace(config, engine="slurm"), replace(config, workers=-1)):
        with pytest.raises(ConfigError, match="engine or the number"):
            run_config(wrong)
