"""Figures as published: a block of their own, with their sources, never in a table with measured ones."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from svdmv.bench.foreign import PROGRAMS
from svdmv.core.require import require
from svdmv.io.settings import configs_folder


def published_tables() -> list[dict[str, Any]]:
    """Tables of configs/published.yaml: source, columns, rows."""
    yaml = require("yaml", None, "reading published figures")
    tables: list[dict[str, Any]] = yaml.safe_load((configs_folder() / "published.yaml").read_text("utf-8"))
    return tables


def not_run(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Other programs that none of the runs holds: they have no figure, not a bad one."""
    ran = {facts.get("layout") for result in results for facts in result["methods"].values()}
    return [name for name, told in PROGRAMS.items() if told.layout not in ran]


def published_block(results: Sequence[Mapping[str, Any]]) -> str:
    """HTML: what was not run, and the published tables."""
    parts = []
    for table in published_tables():
        heads = "".join(f"<th>{html.escape(c)}</th>" for c in table["columns"])
        rows = "".join(
            f"<tr><th>{html.escape(name)}</th>" + "".join(f"<td>{value:g}</td>" for value in values) + "</tr>"
            for name, values in table["rows"].items()
        )
        parts.append(
            f"<p class='note'>{html.escape(table['source'])}</p><div class='wide'><table>"
            f"<thead><tr><th></th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        )
    absent = not_run(results)
    said = f"<p class='note'>Not run: {html.escape(', '.join(absent))}.</p>" if absent else ""
    return (
        f"<section>{said}<details><summary>As published by their authors (other objects and protocols: not comparable "
        f"with the tables above)</summary>{''.join(parts)}</details></section>"
    )
