"""The XML of a COLLADA file: elements by name without their namespace, and what its #references lead to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import InputError


class Tree:
    """A parsed COLLADA document.

    Attributes:
        root: the outermost element.
        notes: what was left out, added to while reading.
    """

    def __init__(self, root: Any, path: Path) -> None:
        self.root, self.notes = root, list[str]()
        self._path = path
        if self.name(root) != "COLLADA":
            raise self.refusal("The file is not a COLLADA model", f"XML of <{self.name(root)}>")
        self._by_id = {e.get("id"): e for e in root.iter() if e.get("id")}

    def refusal(self, what: str, seen: object, status: str = "load_error") -> InputError:
        """An InputError about this file."""
        return InputError(
            what,
            where=self._path,
            seen=seen,
            expected="a valid COLLADA model",
            next_step="export the model again",
            status=status,
        )

    @staticmethod
    def name(element: Any) -> str:
        """The element's name without its namespace."""
        return str(element.tag).rpartition("}")[2]

    def children(self, element: Any, *names: str) -> list[Any]:
        """Direct children of these names."""
        return [child for child in element if self.name(child) in names]

    def inside(self, element: Any, *names: str) -> list[Any]:
        """Elements of these names at any depth."""
        return [child for child in element.iter() if self.name(child) in names]

    def all(self, name: str) -> list[Any]:
        """All elements of the document with this name."""
        return self.inside(self.root, name)

    def first(self, element: Any, *names: str) -> Any:
        """First direct child along a path of names, or None."""
        for name in names:
            element = next(iter(self.children(element, name)), None)
            if element is None:
                return None
        return element

    def text(self, element: Any, *names: str) -> str | None:
        """Text of the first child along a path of names."""
        found = self.first(element, *names)
        return None if found is None else found.text

    def target(self, element: Any, attribute: str) -> Any:
        """The element that an attribute such as url="#shape" names, or None, which is noted."""
        reference = element.get(attribute, "")
        found = self._by_id.get(reference.removeprefix("#"))
        if found is None:
            self.notes.append(f"{self.name(element)} {reference!r} leads nowhere: left out")
        return found

    def by_id(self, name: str) -> Any:
        """The element with this id, or None."""
        return self._by_id.get(name)


def numbers(text: str | None) -> NDArray[np.float64]:
    """(N,) float64 of a list of numbers in an element's text. Raises ValueError."""
    return np.array((text or "").split(), np.float64)
