"""A page opened in a real browser: what its scripts made of it, and what they complained about."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest


def opened_page(page: Path, width_px: int = 1280) -> tuple[str, list[str]]:
    """The document after its scripts ran in headless Chromium, and every line on the console (errors among them).

    Skips the test where no Chromium is installed.
    """
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium to open the page in")
    shown = subprocess.run(
        [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
         "--virtual-time-budget=5000", f"--window-size={width_px},900", "--dump-dom", page.resolve().as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return shown.stdout, re.findall(r".*CONSOLE.*", shown.stderr)
