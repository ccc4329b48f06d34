"""Checks that the constructors of the nouns share: shape, dtype, finite values, read-only copies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from svdmv.core.errors import DataError


def checked_array(
    value: Any, name: str, shape: tuple[int | None, ...], dtype: DTypeLike, *, finite: bool = True
) -> NDArray[Any]:
    """`value` as a read-only contiguous array of `dtype`; None in `shape` fits any length. Raises DataError."""
    array = np.ascontiguousarray(value, dtype=dtype)
    fits = array.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"
        raise DataError(f"{name} has the wrong shape", where=name, seen=array.shape, expected=f"shape {wanted}")
    if finite and np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        raise DataError(
            f"{name} holds values that are not finite",
            where=name,
            seen=f"{count} of {array.size}",
            expected="finite numbers only",
        )
    if array is value or array.base is not None:
        array = array.copy() if array.flags.writeable else array
    array.flags.writeable = False
    return array
