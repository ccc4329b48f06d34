"""A picture that reads one set of texture coordinates, painted anew on another set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

_REPEAT, _MIRROR = 10497, 33648
_MOST_FACES = 200_000
_MOST_CONFLICTS = 0.01  # share of painted texels that two faces want differently
_AGREE = 2e-3

Part = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


def repainted(
    picture: NDArray[np.uint8], wraps: tuple[int, int], parts: list[Part], size: tuple[int, int]
) -> NDArray[np.uint8] | None:
    """The picture as it must be to look the same on the first coordinates as it does on the others.

    Args:
        picture: (H, W, 4) uint8, read bilinearly at the other coordinates.
        wraps: glTF's wrap modes of the picture for u and v.
        parts: faces (F, 3), first coordinates (V, 2), other coordinates (V, 2); of one material.
        size: height, width of the result.

    Returns:
        (*size, 4) uint8, texels outside all faces taken from the nearest face; None when faces that share texels want
        different colours there, when faces leave the first picture, or when they are too many.
    """
    first = np.concatenate([uvs[faces] for faces, uvs, _ in parts]).astype(np.float64)
    other = np.concatenate([others[faces] for faces, _, others in parts]).astype(np.float64)
    first -= np.floor(first.min(1, keepdims=True) + 1e-6)  # a face that lies in another tile of the picture
    if len(first) > _MOST_FACES or first.max() > 1 + 1e-3:
        return None
    affine, good = _affine(first, other)
    owners = [_owners(first, np.flatnonzero(good)[::step], size) for step in (1, -1)]
    painted = owners[0] >= 0
    if not painted.any():
        return None
    rows, columns = np.nonzero(painted)
    places = np.stack([(columns + 0.5) / size[1], (rows + 0.5) / size[0], np.ones(len(rows))], 1)
    wanted = [np.einsum("nij,nj->ni", affine[owner[painted]], places) for owner in owners]
    if (np.abs(wanted[0] - wanted[1]) > _AGREE).any(1).mean() > _MOST_CONFLICTS:
        return None
    out = np.zeros((*size, 4), np.uint8)
    out[painted] = _sampled(picture, wanted[0], wraps)
    return _spread(out, painted)


def _affine(first: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(F, 2, 3) maps from first to other coordinates of each face, and which faces have one."""
    edges = np.stack([first[:, 1] - first[:, 0], first[:, 2] - first[:, 0]], 2)
    moved = np.stack([other[:, 1] - other[:, 0], other[:, 2] - other[:, 0]], 2)
    good = np.abs(np.linalg.det(edges)) > 1e-12
    edges[~good] = np.eye(2)
    linear = moved @ np.linalg.inv(edges)
    shift = other[:, 0] - np.einsum("fij,fj->fi", linear, first[:, 0])
    return np.concatenate([linear, shift[:, :, None]], 2), good


def _owners(first: NDArray[np.float64], order: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.int32]:
    """(H, W) the last face of `order` that covers each texel, -1 for none."""
    image = Image.new("I", (size[1], size[0]), -1)
    draw = ImageDraw.Draw(image)
    corners = first * np.array([size[1], size[0]]) - 0.5
    for face in order:
        draw.polygon([(float(x), float(y)) for x, y in corners[face]], fill=int(face))
    return np.asarray(image, np.int32)


def _sampled(picture: NDArray[np.uint8], uvs: NDArray[np.float64], wraps: tuple[int, int]) -> NDArray[np.uint8]:
    """(N, 4) uint8: bilinear values at coordinates (N, 2), origin top left."""
    height, width = picture.shape[:2]
    x, y = uvs[:, 0] * width - 0.5, uvs[:, 1] * height - 0.5
    x0, y0 = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    fx, fy = (x - x0)[:, None], (y - y0)[:, None]
    columns = [_wrapped(x0 + k, width, wraps[0]) for k in (0, 1)]
    rows = [_wrapped(y0 + k, height, wraps[1]) for k in (0, 1)]
    top = picture[rows[0], columns[0]] * (1 - fx) + picture[rows[0], columns[1]] * fx
    bottom = picture[rows[1], columns[0]] * (1 - fx) + picture[rows[1], columns[1]] * fx
    return np.asarray(np.rint(top * (1 - fy) + bottom * fy), np.uint8)


def _wrapped(index: NDArray[np.int64], size: int, wrap: int) -> NDArray[np.int64]:
    if wrap == _REPEAT:
        return index % size
    if wrap == _MIRROR:
        folded = index % (2 * size)
        return np.minimum(folded, 2 * size - 1 - folded)
    return index.clip(0, size - 1)


def _spread(image: NDArray[np.uint8], painted: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Unpainted texels filled from the nearest painted one."""
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(~painted, return_distances=False, return_indices=True)
    return np.ascontiguousarray(image[nearest[0], nearest[1]])
