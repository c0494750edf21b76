"""`Background`: one training at a time in a thread of its own, and the folder that it writes to."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 60.0
"""How long the end of the process waits for a step of training to end."""


class Background:
    """A thread that can be stopped, waited for and started again.

    Attributes
    ----------
    stopping : threading.Event
        Set when the work is to stop; the work looks at it.
    folder : Path or None
        A temporary folder, from `new_folder`. It is removed by `discard`, with this object, and
        when the process exits; the work is stopped first, since it would go on writing there.
    """

    def __init__(self) -> None:
        self.stopping, self._over = threading.Event(), threading.Event()
        self._over.set()
        self.folder: Path | None = None
        self._thread: threading.Thread | None = None
        self._remove: weakref.finalize[..., Background] | None = None

    @property
    def running(self) -> bool:
        """Whether the work is under way."""
        return not self._over.is_set()

    def new_folder(self) -> Path:
        """Return a new temporary folder in place of the present one."""
        self.discard()
        self.folder = Path(tempfile.mkdtemp(prefix="workbench-live-"))
        self._remove = weakref.finalize(self, _discard, self.stopping, self._over, self.folder)
        return self.folder

    def discard(self) -> None:
        """Stop the work, and remove its folder."""
        if self._remove is not None:
            self._remove()
        self.folder = self._remove = None

    def launch(self, work: Callable[[], None], change: Callable[[], None]) -> None:
        """Start some work, which must not be under way.

        Parameters
        ----------
        work : callable
            Called in the new thread.
        change : callable
            Called when `running` has changed: here when it has become True, and in the thread when
            it has become False.
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
        """Wait until the work has ended.

        Raises
        ------
        KeyboardInterrupt
            If the cell is interrupted meanwhile; the work has then been stopped.
        """
        if threading.current_thread() is self._thread:
            return
        # Not Thread.join: up to Python 3.12 an interrupted join marks a living thread as dead.
        try:
            self._wait()
        except KeyboardInterrupt:
            self.stopping.set()
            self._wait()
            raise

    def _wait(self) -> None:
        # With a time-out, since on Windows nothing interrupts a wait without one.
        while not self._over.wait(1.0):
            pass


def _discard(stopping: threading.Event, over: threading.Event, folder: Path) -> None:
    stopping.set()
    over.wait(PATIENCE_S)
    shutil.rmtree(folder, ignore_errors=True)
