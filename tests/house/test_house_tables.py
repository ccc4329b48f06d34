"""Published tables are what the result files say: no figure is typed by hand, none goes stale."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
MARKER = re.compile(r"<!-- /?table")


def harness(name: str) -> ModuleType:
    """A program of benchmarks/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    return harness("tables")


def test_every_page_holds_the_tables_of_its_result_files(tables: ModuleType) -> None:
    for page in tables.pages():
        text = page.read_text(encoding="utf-8")
        assert tables.filled(text) == text, f"{page.relative_to(ROOT)}: run python benchmarks/tables.py"


def test_every_marker_is_one_half_of_a_known_table(tables: ModuleType) -> None:
    for page in tables.pages():
        text = page.read_text(encoding="utf-8")
        assert len(MARKER.findall(text)) == 2 * len(tables.MARKED.findall(text)), page.name
    assert "<!-- table:" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_changed_figure_is_noticed(tables: ModuleType, tmp_path: Path) -> None:
    (tmp_path / tables.RESULTS).mkdir(parents=True)
    file = tmp_path / tables.RESULTS / "pictures131.json"
    row = {"status": "ok", "photo_consistency": {"ok": True}}
    page = "before\n<!-- table:pictures -->\n<!-- /table -->\nafter\n"
    assert "Not measured yet" in tables.filled(page, tmp_path)
    file.write_text(json.dumps({"rows": [row], "counts": {"ok": 1}}), encoding="utf-8")
    one = tables.filled(page, tmp_path)
    assert "| 1 | 1 | 1 | 0 | 0 |" in one
    assert one.startswith("before\n")
    assert one.endswith("after\n")
    assert tables.filled(one, tmp_path) == one
    file.write_text(json.dumps({"rows": [row, row], "counts": {"ok": 2}}), encoding="utf-8")
    assert tables.filled(one, tmp_path) != one


def test_a_margin_whose_interval_holds_zero_is_called_not_reached(tables: ModuleType) -> None:
    low = {"psnr_object": 0.1, "iou": -0.1, "lpips_alex": 0.1}
    kinds = {"copy": {"kind": "trivial"}, "reference": {"kind": "oracle"}}
    paired = [
        {"against": against, "metric": metric, "gain": 0.5, "low_95": low[metric], "high_95": 0.9}
        for against in kinds
        for metric in low
    ]
    text = tables.margins({"methods": kinds, "paired": paired})
    assert "reference" not in text
    assert text.count("not reached") == 1
    assert "| copy | +0.50 [+0.10, +0.90] | **+0.500 [-0.100, +0.900]** not reached |" in text


def test_an_unknown_table_is_refused(tables: ModuleType) -> None:
    with pytest.raises(KeyError):
        tables.filled("<!-- table:nothing -->\n<!-- /table -->")


def test_the_page_of_tried_pictures_is_made_from_its_result() -> None:
    source = RESULTS / "pictures131.json"
    made = harness("pictures_table").table_text(
        json.loads(source.read_text(encoding="utf-8")), "benchmarks/results/pictures131.json"
    )
    assert (ROOT / "docs" / "tried_pictures.md").read_text(encoding="utf-8") == made
