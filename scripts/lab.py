"""Open JupyterLab on the course: on this machine only, with its token on."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST = "notebooks/00_start_here.ipynb"


def command(extra: list[str], browser: bool, root: Path = ROOT) -> list[str]:
    """Return the command line of JupyterLab.

    Parameters
    ----------
    extra : list of str
        Further arguments for JupyterLab.
    browser : bool
        Whether to open one; if not, the URL is printed for the reader to open.
    root : Path
        Folder to serve.
    """
    words = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={root}",
             "--ServerApp.ip=127.0.0.1", f"--LabApp.default_url=/lab/tree/{FIRST}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        words.append("--allow-root")
    if not browser:
        words.append("--no-browser")
    return words + extra


def has_browser() -> bool:
    """Return whether a browser with a screen can be opened here."""
    if sys.platform.startswith("linux") and not (
            os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def main() -> None:
    """Take this process over for JupyterLab."""
    browser = has_browser()
    if not browser:
        print("No browser here: open the URL with the token that JupyterLab prints below.",
              flush=True)
    words = command(sys.argv[1:], browser)
    os.execv(words[0], words)


if __name__ == "__main__":
    main()
