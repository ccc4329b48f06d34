"""Why an object could not be used, as one word for ledgers and tables."""

from __future__ import annotations

from svdmv.core import MissingDependency, SvdmvError

STATUSES = ("empty", "load_error", "missing_texture", "unsupported", "flat", "degenerate", "oom")


def load_status(error: BaseException) -> str:
    """The status of what `read_asset`, `normalised` or `require_thickness` raised.

    Returns:
        empty: nothing with a surface in the scene that would be shown. load_error: not a model, damaged, or it
        contradicts itself. missing_texture: a picture of it is absent or does not decode. unsupported:NAME: an
        extension or format that is not decoded here. flat: thinner than asked for. degenerate: no area or no extent.
        oom: it does not fit into memory. Another error than these is "load_error" as well.
    """
    if isinstance(error, MemoryError):
        return "oom"
    if isinstance(error, MissingDependency) and error.status == SvdmvError.status:
        return f"unsupported:{(error.where or '').removeprefix('import ')}"
    return error.status if isinstance(error, SvdmvError) else SvdmvError.status
