"""Where LPIPS' weights come from: the user's folder, or what torch and the lpips package have left on this machine.

Nothing is downloaded: torch's cache is filled by a command of the user's, which the error names. The two files found
there are put together as one safetensors file in this project's cache, named by their content.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import torch

from svdmv.bench.references import cache_folder
from svdmv.core import CheckpointError
from svdmv.diffusion.perceptual import lpips_weights_path
from svdmv.io.atomic import write_bytes

TRUNK_FILES = {
    "alex": "alexnet-owt-7be5be79.pth",
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
    "vgg": "vgg16-397923af.pth",
}
SOURCE = "https://download.pytorch.org/models/"


def weights_path(net: str) -> Path:
    """A safetensors file with trunk and heads of alex, squeeze or vgg.

    Raises CheckpointError: neither SVDMV_WEIGHTS nor the caches have it, or a file there is damaged.
    """
    try:
        return lpips_weights_path(net)
    except CheckpointError as error:
        trunk = Path(torch.hub.get_dir()) / "checkpoints" / TRUNK_FILES[net]
        heads = packaged_heads(net)
        if heads is not None and trunk.is_file():
            return joined(trunk, heads)
        url = SOURCE + TRUNK_FILES[net]
        fetch = f"pip install lpips; python -c \"import torch; torch.hub.load_state_dict_from_url('{url}')\""
        raise CheckpointError(
            error.what,
            where="SVDMV_WEIGHTS, torch's cache",
            seen=error.seen,
            expected=f"{error.expected}, or {trunk} beside the lpips package",
            next_step=f"export SVDMV_WEIGHTS=FOLDER, or allow a download: {fetch}",
        ) from None


def packaged_heads(net: str) -> Path | None:
    """The heads inside an installed lpips package, which is not imported; None without it."""
    found = importlib.util.find_spec("lpips")
    for folder in found.submodule_search_locations or () if found else ():
        path = Path(folder) / "weights" / "v0.1" / f"{net}.pth"
        if path.is_file():
            return path
    return None


def joined(trunk: Path, heads: Path) -> Path:
    """One file of both, with the names of SVDMV_WEIGHTS' files. Raises CheckpointError: damaged, or another file."""
    from safetensors.torch import save

    contents = [path.read_bytes() for path in (trunk, heads)]
    digest = hashlib.sha256(contents[0]).hexdigest()
    if not digest.startswith(trunk.stem.rpartition("-")[2]):
        raise CheckpointError(
            "A file in torch's cache is damaged",
            where=trunk,
            seen=f"sha256 {digest[:8]}...",
            expected=f"sha256 {trunk.stem.rpartition('-')[2]}...",
            next_step="delete it and fetch it again",
        )
    key = hashlib.sha256(digest.encode() + contents[1]).hexdigest()[:16]
    target = cache_folder() / "weights" / key / f"lpips_{heads.stem}_fp32.safetensors"
    if not target.is_file():
        states = [torch.load(path, map_location="cpu", weights_only=True) for path in (trunk, heads)]
        tensors = {name: value for name, value in states[0].items() if name.startswith("features.")}
        tensors |= {f"{name.partition('.')[0]}.weight": value for name, value in states[1].items()}
        write_bytes(target, save({name: value.float().contiguous() for name, value in tensors.items()}))
    return target
