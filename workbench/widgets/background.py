"""`Background`, a thread for one training at a time, and the views that have one."""

import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Self

from workbench.widgets.view import View

PATIENCE_S = 60.0
"""Longest wait for a training step to end before its folder is removed."""


class Background:
    """A thread that can be stopped, waited for and started again.

    The event `stopping` asks the work to stop; the work has to check it. The temporary `folder` is
    made by `new_folder`. `discard`, the end of this object and the end of the process stop the work
    and remove the folder.
    """

    def __init__(self) -> None:
        self.stopping, self._over = threading.Event(), threading.Event()
        self._over.set()
        self.folder: Path | None = None
        self._thread: threading.Thread | None = None
        self._remove: weakref.finalize[..., Background] | None = None

    @property
    def running(self) -> bool:
        """Whether the work is running."""
        return not self._over.is_set()

    def new_folder(self) -> Path:
        """Replace the folder by a new one, and return it."""
        self.discard()
        self.folder = Path(tempfile.mkdtemp(prefix="workbench-live-"))
        self._remove = weakref.finalize(self, _discard, self.stopping, self._over, self.folder)
        return self.folder

    def discard(self) -> None:
        """Stop the work and remove its folder."""
        if self._remove is not None:
            self._remove()
        self.folder = self._remove = None

    def launch(self, work: Callable[[], None], change: Callable[[], None]) -> None:
        """Call `work` in a new thread; no work may be running.

        `change` is called whenever `running` has changed: in the caller's thread when it has become
        True, in the new thread when it has become False.
        """
        def run() -> None:
            try:
                work()
            finally:
                self._over.set()
                change()

        self.stopping.clear()
        self._over.clear()
        self._thread = threading.Thread(target=run, daemon=True)
        change()
        self._thread.start()

    def wait(self) -> None:
        """Wait until the work has ended; an interrupt stops it first, and is then raised again."""
        if threading.current_thread() is self._thread:
            return
        # Not Thread.join: up to Python 3.12 an interrupted join marks a live thread as dead.
        try:
            self._wait()
        except KeyboardInterrupt:
            self.stopping.set()
            self._wait()
            raise

    def _wait(self) -> None:
        # With a time-out, because on Windows a wait without one cannot be interrupted.
        while not self._over.wait(1.0):
            pass


class BackgroundView(View):
    """Base of the views that work in a thread of their own: no click arrives while a cell runs."""

    def __init__(self) -> None:
        super().__init__()
        self._background = Background()

    @property
    def running(self) -> bool:
        """Whether the work is running."""
        return self._background.running

    def stop(self) -> Self:
        """Stop the work after the current step, and wait until it has stopped."""
        self._background.stopping.set()
        return self.wait()

    def wait(self) -> Self:
        """Wait until the work has ended or stopped; an interrupt stops it."""
        self._background.wait()
        return self

    def close(self) -> None:
        """Stop the work, remove its files, and close the controls."""
        self.stop()
        self._background.discard()
        super().close()


def _discard(stopping: threading.Event, over: threading.Event, folder: Path) -> None:
    stopping.set()
    over.wait(PATIENCE_S)
    shutil.rmtree(folder, ignore_errors=True)
