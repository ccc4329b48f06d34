"""svdmv data latents: what the frozen networks of a checkpoint make of a data set, kept for training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from svdmv.cli.progress import progress_bar
from svdmv.core.errors import EXIT_OK, EXIT_PARTIAL


def latents(overrides: list[str]) -> int:
    """svdmv data latents: exit 0 when every sample is encoded, 4 when there is more to do."""
    from svdmv.dataset.latents import encode_dataset, encoder_name
    from svdmv.dataset.loader import OrbitLoader, OrbitSample
    from svdmv.dataset.orbits import pixels_from_rgba
    from svdmv.dataset.settings import latent_settings

    settings = latent_settings(overrides)
    loader = OrbitLoader(Path(settings.data), shuffle=False, background="none")

    from svdmv.diffusion.checkpoint import load_checkpoint
    from svdmv.diffusion.device import resolved_device
    from svdmv.diffusion.encoding import encoded_views, encoding_weights

    model = load_checkpoint(settings.model, device=resolved_device(settings.device), dtype=settings.dtype)
    encoder = encoder_name(encoding_weights(model), dtype=settings.dtype, over="white")
    out = Path(settings.out) if settings.out else Path(settings.data) / "latents" / encoder[:16]

    def encode(sample: OrbitSample) -> dict[str, Any]:
        return dict(encoded_views(model, pixels_from_rgba(sample.pixels), chunk=settings.chunk))

    with progress_bar(quiet=False, title="latents") as report:
        complete = encode_dataset(loader, encode, encoder, out, minutes=settings.minutes, report=report)
    size = sum(path.stat().st_size for path in out.glob("*.safetensors"))
    state = "finished" if complete else "not finished: run the same command again"
    sys.stdout.write(f"{out}: {len(loader)} orbits, {size / 1e6:.1f} MB, encoder {encoder[:16]}\n{state}\n")
    return EXIT_OK if complete else EXIT_PARTIAL
