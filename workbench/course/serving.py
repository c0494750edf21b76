"""Run JupyterLab, or another server of this machine, while a block of code uses it."""

import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from workbench.course.lab import command, environment
from workbench.errors import WorkbenchError

PATIENCE_S = 300
"""Longest wait until a server answers, on a busy machine."""


def free_port() -> int:
    """Return a port on which nothing listens now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def served(arguments: Sequence[str], url: str, env: Mapping[str, str] | None = None
           ) -> Iterator[str]:
    """Start a server, wait until `url` answers, and stop the server at the end of the block.

    Raises `WorkbenchError` with the end of the server's messages if it ends or does not answer.
    """
    with TemporaryFile() as log:
        server = subprocess.Popen(arguments, stdout=log, stderr=log, env=env)
        try:
            for _ in range(2 * PATIENCE_S):
                if server.poll() is not None or _answers(url):
                    break
                time.sleep(0.5)
            if server.poll() is not None or not _answers(url):
                log.seek(0)
                raise WorkbenchError(f"{url} does not answer. The server's last messages:\n"
                                     f"{log.read().decode(errors='replace')[-2000:]}")
            yield url
        finally:
            server.terminate()
            server.wait(60)


@contextmanager
def lab(root: Path, token: str, settings: Path | None = None) -> Iterator[str]:
    """Serve a folder in a JupyterLab that has `token` and its own settings; yield its address."""
    url = f"http://127.0.0.1:{free_port()}"
    with TemporaryDirectory() as home:
        own = {f"JUPYTER_{name}_DIR": f"{home}/{name}" for name in ("CONFIG", "DATA", "RUNTIME")}
        if settings is not None:
            own["JUPYTERLAB_SETTINGS_DIR"] = str(settings)
        arguments = command([f"--ServerApp.port={url.rpartition(':')[2]}",
                             f"--IdentityProvider.token={token}"], browser=False, root=root)
        with served(arguments, f"{url}/api/status?token={token}", environment() | own):
            yield url


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=30).read()
    except OSError:
        return False
    return True
