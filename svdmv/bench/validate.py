"""Closed forms and controls that a scorer must reproduce before its figures mean anything."""

from __future__ import annotations

import math

import numpy as np

from svdmv.bench.metrics import ViewPair
from svdmv.bench.pixel_metrics import mse, psnr, psnr_object, ssim
from svdmv.bench.scoring import pooled_psnr

Row = tuple[str, bool, str]


def _pair(a: np.ndarray, b: np.ndarray, mask: np.ndarray | None = None) -> ViewPair:
    full = np.ones(a.shape[:3], bool) if mask is None else mask
    return ViewPair(a.astype(np.float32), b.astype(np.float32), full, full)


def validation_rows() -> list[Row]:
    """Name, whether it holds, what was seen."""
    return [_equal_pictures(), _averages(), _uniform_offset(), *_padding(), _ssim()]


def _picture(seed: int, size: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).random((1, size, size, 3)).astype(np.float32)


def _equal_pictures() -> Row:
    pair = _pair(_picture(0), _picture(0))
    seen = [float(m().compute(pair)[0]) for m in (psnr, mse, ssim)]
    return "equal pictures give inf, 0, 1", seen[0] == math.inf and seen[1] == 0 and abs(seen[2] - 1) < 1e-9, str(seen)


def _averages() -> Row:
    values = np.array([10.0, 30.0])  # MSE 0.1 and 0.001
    mean, pooled = float(values.mean()), pooled_psnr(values)
    return (
        "MSE 0.1 and 0.001: mean 20.00 dB, pooled 12.97 dB",
        abs(pooled - 12.967) < 0.001,
        f"{mean:.2f}, {pooled:.2f}",
    )


def _uniform_offset() -> Row:
    white = np.ones((1, 32, 32, 3), np.float32)
    seen = float(psnr().compute(_pair(white - 0.01, white))[0])
    return "an offset of 0.01 gives 40 dB", abs(seen - 40) < 1e-3, f"{seen:.4f}"


def _padding() -> list[Row]:
    a, b = _picture(1), _picture(2)
    before = _pair(a, b)
    padded = [np.pad(x, ((0, 0), (12, 12), (12, 12), (0, 0)), constant_values=1) for x in (a, b)]
    mask = np.pad(np.ones((1, 48, 48), bool), ((0, 0), (12, 12), (12, 12)))
    after = _pair(padded[0], padded[1], mask)
    full = float(psnr().compute(after)[0] - psnr().compute(before)[0])
    inside = float(psnr_object().compute(after)[0] - psnr_object().compute(before)[0])
    return [
        ("white padding to 1.5 times raises PSNR by 3.52 dB", abs(full - 20 * math.log10(1.5)) < 1e-3, f"{full:.3f}"),
        ("and leaves PSNR on the object", abs(inside) < 1e-6, f"{inside:.6f}"),
    ]


def _ssim() -> Row:
    """Constant pictures: only the luminance term is left, (2ab + c1) / (a^2 + b^2 + c1)."""
    a, b = 0.4, 0.6
    pair = _pair(np.full((1, 32, 32, 3), a), np.full((1, 32, 32, 3), b))
    expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    seen = float(ssim().compute(pair)[0])
    return f"SSIM of constants 0.4 and 0.6 is {expected:.6f}", abs(seen - expected) < 1e-4, f"{seen:.6f}"
