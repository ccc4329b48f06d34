"""Matter that the silhouettes ask for and a hull of views that disagree has lost: thin parts, and what joins parts.

A hull keeps what no view rules out, so a thin part is lost where a few of many views draw it elsewhere. Two things are
known for certain nonetheless. The input picture shows the object: where its mask is solid, something must stand on the
line of sight. And an object that pictures show in one piece is one piece. Both are mended at the places which the
views rule out least.

Source: J. L. Landabaso, M. Pardas, J. R. Casas, Shape from inconsistent silhouette, CVIU 112(2), 2008: a hull is
completed where views that it should explain ask for more; the paths between parts are this project's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.geometry.field import Lattice, dissent_field, hull_field
from svdmv.geometry.raster import depth_maps
from svdmv.geometry.silhouette import mask_distance
from svdmv.geometry.surface import surface_from_field
from svdmv.geometry.topology import face_areas, face_components, without_floaters, without_unused
from svdmv.reconstruct.consensus import Vote, silhouette_ious
from svdmv.reconstruct.silhouettes import Silhouettes

RESOLUTION = 80
LEAST_STEPS = 1.5  # radius of what is added, steps of the lattice that it is found on, and of the one that takes it
TOGETHER_PX = 1.5  # masks that come so near to each other show one piece, pixels of the views
MISSED_PX = 1.25  # a mask that reaches so many pixels of the views beyond the hull's outline asks for more
ALIKE_PX = 1.5  # neighbouring lines of sight stand at neighbouring depths: width of the mean over them, pixels
DISSENT_CAP = 0.08  # of the size: a view that rules a place out by more says no more
OUTSIDE = 4.0  # what a place beside the input picture's mask costs, in views that all rule it out
MIDDLE = 0.3  # what being a size away from the middle depth costs, in the same unit
LENGTH = 0.03  # what length costs, in the same unit
WIDEST = 0.05  # radius of what is added, share of the size
CRUMB_SHARE = 0.003  # parts with a smaller share of the largest one's surface are nothing
MOST_PARTS = 12  # the largest ones are looked at
MOST_VIEWS = 24  # views that are asked what they rule out
PHANTOM_IOU = 0.0005  # a part whose removal costs less mean IoU than this explains nothing

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Mends:
    """Balls to add to a hull.

    Attributes:
        centres: (P, 3), world units. radii: (P,), world units.
        notes: what a user should know.
    """

    centres: Float64Array
    radii: Float64Array
    notes: tuple[str, ...] = ()

    def box(self, low: Float64Array, high: Float64Array) -> tuple[Float64Array, Float64Array]:
        """(3,) corners of the box around a hull and the balls."""
        ends = np.concatenate([[low, high], self.centres - self.radii[:, None], self.centres + self.radii[:, None]])
        return ends.min(0), ends.max(0)

    def added(self, field: Float32Array, lattice: Lattice) -> Float32Array:
        """The field (nx, ny, nz) and the balls in one; balls are at least `LEAST_STEPS` steps of `lattice` wide."""
        if not len(self.centres):
            return field
        out = field.copy()
        radii = np.maximum(self.radii, LEAST_STEPS * lattice.step)
        for centre, radius in zip(
            (self.centres - np.array(lattice.low)) / lattice.step, radii / lattice.step, strict=True
        ):
            low = np.maximum(np.ceil(centre - radius - 2), 0).astype(int)
            high = np.minimum(np.floor(centre + radius + 2) + 1, lattice.shape).astype(int)
            if (low >= high).any():
                continue
            x, y, z = (np.arange(a, b) - c for a, b, c in zip(low, high, centre, strict=True))
            ball = np.sqrt(x[:, None, None] ** 2 + y[:, None] ** 2 + z**2) - radius
            window = out[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
            np.minimum(window, (ball * lattice.step).astype(np.float32), out=window)
        return out


def mends_of(silhouettes: Silhouettes, vote: Vote) -> Mends:
    """What a hull of views that disagree lacks.

    First, where the trusted mask is solid and the hull shows nothing, balls as wide as the mask is there, at the depth
    that the views rule out least. Then a way between the hull and each part of it that stands free, if pictures show
    both in one piece (the trusted one; without one, most of them): where views rule out least, as wide as most of them
    allow. Parts that pictures show apart stay apart.
    """
    doubts = _Doubts(silhouettes, vote)
    shown = hull_field(
        silhouettes.grown_distances(vote.grow_px),
        silhouettes.cameras,
        doubts.lattice,
        drop=vote.drop,
        always=silhouettes.trusted,
    )
    centres, radii = _missed(silhouettes, doubts, shown)
    notes = [] if not len(centres) else ["parts that only the input picture shows were put where views object least"]
    least = LEAST_STEPS * doubts.lattice.step
    filled = Mends(centres, np.maximum(radii, least)).added(shown, doubts.lattice)
    ways = _ways(silhouettes, doubts, *surface_from_field(filled, doubts.lattice))
    radii = np.maximum(np.concatenate([radii, ways.radii]), least)
    return Mends(np.concatenate([centres, ways.centres]), radii, (*notes, *ways.notes))


def joined_field(
    field: Float32Array, lattice: Lattice, silhouettes: Silhouettes, vote: Vote
) -> tuple[Float32Array, tuple[str, ...]]:
    """A field whose parts came apart, with ways between them as `mends_of` makes them; and what happened."""
    vertices, faces = surface_from_field(field, lattice)
    if not len(faces) or not face_components(faces, len(vertices)).any():
        return field, ()
    doubts = _Doubts(silhouettes, vote)
    ways = _ways(silhouettes, doubts, vertices, faces)
    least = LEAST_STEPS * doubts.lattice.step
    notes = ("what came apart when the surface was fitted or smoothed was joined again",) if len(ways.centres) else ()
    return Mends(ways.centres, np.maximum(ways.radii, least)).added(field, lattice), notes


class _Doubts:
    """How much the views rule out each place of a lattice, and how wide they show it."""

    def __init__(self, silhouettes: Silhouettes, vote: Vote) -> None:
        low, high = _box(silhouettes, vote)
        self.lattice = Lattice.around(low, high, RESOLUTION)
        self.size = float((high - low).max())
        chosen = np.unique(np.linspace(0, len(silhouettes.cameras) - 1, MOST_VIEWS).round().astype(int))
        chosen = chosen[~silhouettes.trusted[chosen]] if len(chosen) > 1 else chosen
        distances = silhouettes.grown_distances(vote.grow_px)
        ranked = dissent_field(
            distances[chosen], [silhouettes.cameras[i] for i in chosen], self.lattice, ranks=len(chosen)
        )
        cap = DISSENT_CAP * self.size
        self.doubt = np.clip(ranked, 0, cap).mean(-1) / np.float32(cap)
        self.depth_inside = -ranked[..., len(chosen) // 2]
        trusted = np.flatnonzero(silhouettes.trusted)
        if len(trusted):
            camera = silhouettes.cameras[trusted[0]]
            beside = dissent_field(distances[trusted], [camera], self.lattice)[..., 0] > self.lattice.step
            self.doubt = self.doubt + np.float32(OUTSIDE) * beside

    def at(self, field: Float32Array, places: Float64Array) -> Float32Array:
        """(M,) values of a field at world places (M, 3), trilinear; clamped to the lattice."""
        from scipy.ndimage import map_coordinates

        local = (places - np.array(self.lattice.low)) / self.lattice.step
        values: Float32Array = map_coordinates(field, local.T, order=1, mode="nearest")
        return values


def _box(silhouettes: Silhouettes, vote: Vote) -> tuple[Float64Array, Float64Array]:
    """(3,) corners around the hull and all that the trusted mask can ask for at the depth of its middle."""
    ends = [vote.low, vote.high]
    for view in np.flatnonzero(silhouettes.trusted):
        camera = silhouettes.cameras[view]
        y, x = np.nonzero(silhouettes.masks[view])
        depth = camera.project(((vote.low + vote.high) / 2)[None])[1]
        corners = np.array(
            [[x.min(), y.min()], [x.max() + 1, y.max() + 1], [x.min(), y.max() + 1], [x.max() + 1, y.min()]]
        )
        ends += list(camera.unproject(corners.astype(np.float64), np.repeat(depth, 4)))
    return np.min(ends, axis=0), np.max(ends, axis=0)


def _missed(silhouettes: Silhouettes, doubts: _Doubts, field: Float32Array) -> tuple[Float64Array, Float64Array]:
    """Centres and radii of balls where the trusted mask is solid and the field shows nothing."""
    from scipy.ndimage import gaussian_filter, label

    nothing = np.zeros((0, 3)), np.zeros(0)
    vertices, faces = surface_from_field(field, doubts.lattice)
    trusted = np.flatnonzero(silhouettes.trusted)
    if not len(trusted) or not len(faces):
        return nothing
    view = int(trusted[0])
    camera, mask = silhouettes.cameras[view], silhouettes.masks[view]
    shown = np.isfinite(depth_maps(vertices, faces, [camera])[0])
    beyond = mask & (mask_distance(shown.astype(np.float32)) > MISSED_PX / silhouettes.px_per_work_px)
    labels, _ = label(mask & ~shown)
    missed = np.isin(labels, np.unique(labels[beyond])) & (labels > 0)
    if not missed.any():
        return nothing
    y, x = np.nonzero(missed)
    pixels = np.stack([x + 0.5, y + 0.5], 1)
    middle = camera.project(((np.array(vertices.min(0)) + vertices.max(0)) / 2)[None])[1][0]
    reach = np.arange(-0.6, 0.6, doubts.lattice.step / doubts.size) * doubts.size
    top, left = y.min(), x.min()
    costs = np.zeros((y.max() - top + 1, x.max() - left + 1, len(reach)), np.float32)
    for k, depth in enumerate(middle + reach):
        costs[y - top, x - left, k] = doubts.at(doubts.doubt, camera.unproject(pixels, np.full(len(x), depth)))
    costs += (MIDDLE * np.abs(reach) / doubts.size).astype(np.float32)
    width = ALIKE_PX / silhouettes.px_per_work_px
    there = np.zeros(costs.shape[:2], np.float32)
    there[y - top, x - left] = 1
    smooth = gaussian_filter(costs * there[..., None], (width, width, 0)) / (
        gaussian_filter(there, width)[..., None] + np.float32(1e-6)
    )
    depth = middle + reach[smooth[y - top, x - left].argmin(1)]
    centres = camera.unproject(pixels, depth)
    radii = -silhouettes.distances[view][y, x] * depth / camera.K[1, 1]
    kept = (y + x) % 2 == 0  # every other one is dense enough
    return centres[kept], np.clip(radii[kept], 0, WIDEST * doubts.size)


def _ways(silhouettes: Silhouettes, doubts: _Doubts, vertices: Float64Array, faces: NDArray[np.int32]) -> Mends:
    """Balls along the ways between the parts of a surface; parts that explain nothing get none."""
    from skimage.graph import MCP_Geometric

    centres, radii, joined, apart = [np.zeros((0, 3))], [np.zeros(0)], 0, 0
    vertices, faces, _ = without_floaters(vertices, faces, keep_share=CRUMB_SHARE)
    vertices, faces, _ = without_phantoms(vertices, faces, silhouettes)
    parts = face_components(faces, len(vertices))
    order = np.argsort(-np.bincount(parts, face_areas(vertices, faces)), kind="stable")[:MOST_PARTS]
    corners = [vertices[np.unique(faces[parts == part])] for part in order]
    body = corners[:1]
    cost = (doubts.doubt + np.float32(LENGTH)).astype(np.float64)
    for part in corners[1:]:
        if not _shown_together(silhouettes, np.concatenate(body), part):
            apart += 1
            continue
        way = MCP_Geometric(cost)
        ends = _cells(part, doubts.lattice)
        totals, _ = way.find_costs(_cells(np.concatenate(body), doubts.lattice), ends, find_all_ends=False)
        end = ends[np.argmin(totals[tuple(ends.T)])]
        places = np.array(doubts.lattice.low) + doubts.lattice.step * np.array(way.traceback(end))
        centres.append(places)
        radii.append(np.clip(doubts.at(doubts.depth_inside, places), 0, WIDEST * doubts.size))
        body += [part, places]
        joined += 1
    notes = []
    if joined:
        notes.append(f"{joined} part{'s' * (joined > 1)} that stood free joined to the body as the pictures show them")
    if apart:
        notes.append(f"{apart} part{'s' * (apart > 1)} that the pictures show apart left apart")
    return Mends(np.concatenate(centres), np.concatenate(radii), tuple(notes))


def _cells(places: Float64Array, lattice: Lattice) -> NDArray[np.int64]:
    """(M, 3) indices of the lattice points next to world places, each once."""
    nearest = np.round((places - np.array(lattice.low)) / lattice.step).astype(np.int64)
    return np.unique(np.clip(nearest, 0, np.array(lattice.shape) - 1), axis=0)


def _shown_together(silhouettes: Silhouettes, one: Float64Array, two: Float64Array) -> bool:
    """Whether the trusted mask, or most masks where none is trusted, shows both in one piece."""
    from scipy.ndimage import label

    witnesses = np.flatnonzero(silhouettes.trusted) if silhouettes.trusted.any() else np.arange(len(silhouettes.masks))
    together = 0
    for view in witnesses:
        labels, _ = label(silhouettes.distances[view] < TOGETHER_PX / silhouettes.px_per_work_px)
        pieces = []
        for places in (one, two):
            pixels, _ = silhouettes.cameras[view].project(places)
            columns, rows = np.clip(pixels, 0, (labels.shape[1] - 1, labels.shape[0] - 1)).astype(np.int64).T
            counts = np.bincount(labels[rows, columns], minlength=2)[1:]
            pieces.append(int(counts.argmax()) if counts.any() else -1)
        together += pieces[0] == pieces[1] >= 0
    return 2 * together > len(witnesses)


def without_phantoms(
    vertices: Float64Array, faces: NDArray[np.int32], silhouettes: Silhouettes
) -> tuple[Float64Array, NDArray[np.int32], int]:
    """Without parts that explain nothing, neither of all masks nor of the trusted one.

    Such parts stand where silhouettes happen to cross, behind others in every view that shows them.
    """
    parts = face_components(faces, len(vertices))
    areas = np.bincount(parts, face_areas(vertices, faces))

    def ious(some: NDArray[np.int32]) -> Float64Array:
        each = silhouette_ious(vertices, some, silhouettes.cameras, silhouettes.masks)
        return np.array([each.mean(), *each[silhouettes.trusted]])

    best = ious(faces)
    keep = np.ones(len(areas), bool)
    for part in np.argsort(areas)[:-1]:  # all but the largest, smallest first
        keep[part] = False
        without = ious(faces[keep[parts]])
        keep[part] = bool((without < best - PHANTOM_IOU).any())
        best = best if keep[part] else without
    if keep.all():
        return vertices, faces, 0
    return (*without_unused(vertices, faces[keep[parts]]), int((~keep).sum()))
