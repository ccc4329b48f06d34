"""KHR_draco_mesh_compression: a primitive's corners and attributes, decoded by DracoPy.

Source: KHR_draco_mesh_compression in the Khronos glTF registry. DracoPy (Apache-2.0) wraps Google's decoder.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import MissingDependency, require
from svdmv.io.gltf_document import GltfDocument

DRACO_NAME = "KHR_draco_mesh_compression"


def draco_from_primitive(
    document: GltfDocument, primitive: dict[str, Any]
) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]] | None:
    """Corners (3 F,) and attributes by name (V, width), or None where the primitive carries a plain copy to be read.

    Raises:
        InputError: the data is damaged. MissingDependency: DracoPy is absent and the file has no plain copy.
    """
    row = primitive.get("extensions", {}).get(DRACO_NAME)
    if row is None:
        return None
    try:
        draco = require("DracoPy", "draco", "Reading a model with Draco compression")
    except MissingDependency as error:
        if DRACO_NAME not in document.tree.get("extensionsRequired", []):
            return None
        error.status = f"unsupported:{DRACO_NAME}"
        raise
    data = bytes(document.view_bytes(row["bufferView"]))
    try:
        mesh = draco.decode(data)
        stored = {entry["unique_id"]: np.asarray(entry["data"]) for entry in mesh.attributes}
        corners = np.asarray(mesh.faces, np.int64).reshape(-1)
    except Exception as error:  # the decoder raises bare exceptions of its own
        seen = f"{len(data)} bytes: {error}"
        raise document.refusal("The model's Draco compression cannot be decoded", seen) from error
    found = {}
    for name, number in row["attributes"].items():
        if number not in stored or name not in primitive["attributes"]:
            raise document.refusal("The model's Draco compression lacks an attribute", f"{name}, number {number}")
        values = stored[number]
        found[name] = document.converted(values.reshape(len(values), -1), primitive["attributes"][name])
    return corners, found
