"""Licences of what the default install brings, and of what the ways in by extras bring: permissive, row by row."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# package: its licence, and words that its own metadata must hold
ACCEPTED = {
    "torch": ("BSD-3-Clause", r"BSD-3"),
    "diffusers": ("Apache-2.0", r"Apache"),
    "transformers": ("Apache-2.0", r"Apache"),
    "accelerate": ("Apache-2.0", r"Apache"),
    "safetensors": ("Apache-2.0", r"Apache"),
    "numpy": ("BSD-3-Clause", r"BSD"),
    "scipy": ("BSD-3-Clause", r"BSD"),
    "pillow": ("MIT-CMU", r"MIT-CMU|HPND"),
    "av": ("BSD-3-Clause", r"BSD"),
    "numba": ("BSD-2-Clause", r"BSD"),
    "embreex": ("BSD-2-Clause", r"Redistribution and use in source and binary forms|BSD"),
    "trimesh": ("MIT", r"MIT"),
    "scikit-image": ("BSD-3-Clause", r"BSD"),
    "fast-simplification": ("MIT", r"MIT"),
    "xatlas": ("MIT", r"MIT"),
    "manifold3d": ("Apache-2.0", r"Apache"),
    "hydra-core": ("MIT", r"MIT"),
    "typer": ("MIT", r"MIT"),
    "rich": ("MIT", r"MIT"),
}
NEVER = {"nvdiffrast", "pymeshlab", "bpy", "gaussian-splatting", "diff-gaussian-rasterization", "lang-sam"}
REFUSED = re.compile(r"GNU|\bA?GPL|Non-?Commercial|CC-BY-NC", re.IGNORECASE)


def package_names(requirements: list[str]) -> list[str]:
    return [re.match(r"[A-Za-z0-9_.-]+", line)[0].lower().replace("_", "-") for line in requirements]


def test_every_core_dependency_has_a_row_and_every_row_a_dependency() -> None:
    assert sorted(package_names(PROJECT["dependencies"])) == sorted(ACCEPTED)


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_package_itself_says_so(name: str) -> None:
    described = metadata(name)
    classifiers = [c for c in described.get_all("Classifier") or [] if c.startswith("License")]
    short = " ".join([described.get("License-Expression") or "", *classifiers])
    assert re.search(ACCEPTED[name][1], f"{short} {described.get('License') or ''}"), name
    assert not REFUSED.search(short), f"{name}: {short}"


def test_no_extra_asks_for_a_package_under_other_terms() -> None:
    asked = {name for group in PROJECT["optional-dependencies"].values() for name in package_names(group)}
    assert asked
    assert not asked & NEVER
