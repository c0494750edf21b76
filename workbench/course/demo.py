"""Open the instructor's demonstration (`workbench.widgets.show`) in a browser, with Voila."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from workbench.course.lab import ROOT, environment, has_browser
from workbench.errors import WorkbenchError

PAGE = Path("etc", "show.py")
NOT_NEEDED = ["nbdime-jupyterlab", "jupyterlab-jupytext"]
"""Extensions of JupyterLab that cannot run outside of it."""


def command(extra: Sequence[str] = (), browser: bool = False, root: Path = ROOT) -> list[str]:
    """Return the command line of Voila, with further arguments at the end.

    One kernel waits with the page ready. Raises `WorkbenchError` if the project's folder lacks the
    page.
    """
    if not (root / PAGE).is_file():
        raise WorkbenchError(f"{root / PAGE} is missing: the demonstration is part of the "
                             "project's folder, not of the installed package. Clone or download "
                             "the project, and start from there.")
    return [sys.executable, "-m", "voila", str(root / PAGE), "--template=show", "--theme=light",
            "--Voila.ip=127.0.0.1", "--preheat_kernel=True", "--pool_size=1",
            f"--VoilaConfiguration.extension_denylist={NOT_NEEDED}",
            "--VoilaConfiguration.extension_language_mapping={'.py': 'python'}",
            *([] if browser else ["--no-browser"]), *extra]


def settings(root: Path = ROOT) -> dict[str, str]:
    """Return the environment of Voila, in which it finds our page template."""
    own = environment()
    return own | {"JUPYTER_PATH": os.pathsep.join([str(root / "etc"), own["JUPYTER_PATH"]])}


def start(extra: Sequence[str] = (), browser: bool = True, root: Path = ROOT) -> int:
    """Open the demonstration, and return the exit code of Voila when it has ended."""
    browser = browser and has_browser()
    if not browser:
        print("No browser is opened: open the address that Voila prints below.", flush=True)
    return subprocess.run(command(extra, browser, root), env=settings(root)).returncode
