"""`RecordedRun`, the base of widgets that open on a recorded run and can do it for real."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import Self

import ipywidgets as w

from workbench.widgets.background import BackgroundView
from workbench.widgets.player import Player, Recording
from workbench.widgets.view import row


class RecordedRun(BackgroundView):
    """A recorded run with a player, and buttons to do the run for real and to go back.

    A subclass defines `work`, which does the run in a thread of its own and calls `emit` with a
    recording after each of its moments. It ends early when `stopping` is true.

    Parameters
    ----------
    recording : dict
        The recorded run.
    action, about : str
        The name of the button that does the run, and what it says while it runs.
    """

    def __init__(self, recording: Recording, action: str, about: str) -> None:
        super().__init__()
        # Runs are counted from the recorded one, so that one for real draws other examples.
        self.recorded, self.about, self.number = recording, about, recording.get("run", 0)
        self.player = Player(recording=recording)
        names = {action: f"{action} now", "Stop": "Stop the run",
                 "Reset": "Show the recorded run again"}
        self.buttons = {name: w.Button(description=name, tooltip=tip, layout={"width": "auto"})
                        for name, tip in names.items()}
        acts = (self.start, self._background.stopping.set, self.reset)
        for button, act in zip(self.buttons.values(), acts, strict=True):
            button.on_click(lambda _, act=act: act())
        self.action, self.status = self.buttons[action], w.HTML()
        self.root.children = [row(*self.buttons.values(), self.status), self.player, self.words,
                              self.trouble]
        self._enable()

    @abstractmethod
    def work(self) -> None:
        """Do the run, and `emit` its moments."""

    @property
    def stopping(self) -> bool:
        """Whether the run was asked to stop."""
        return self._background.stopping.is_set()

    def emit(self, recording: Recording, play: bool = False) -> None:
        """Show a recording: its newest moment, or, with `play`, from its beginning."""
        self.player.live = not play
        self.player.recording = recording | {"run": self.number, "sent": time.time()}
        if play:
            self.player.play()

    def start(self) -> Self:
        """Do the run for real."""
        if not self.running:
            self.number += 1
            self.trouble.value = ""
            self._background.launch(self._work, self._enable)
        return self

    def reset(self) -> Self:
        """Stop the run and show the recorded run from its beginning."""
        self.stop()
        self.number += 1
        self.player.live, self.trouble.value = False, ""
        self.player.recording = self.recorded | {"run": self.number}
        self.redraw()
        return self

    def draw(self) -> str:
        """Return the words of the recording; the front end draws it."""
        return str(self.player.recording["words"])

    def _enable(self) -> None:
        self.action.disabled, self.buttons["Stop"].disabled = self.running, not self.running
        self.status.value = self.about if self.running else ""

    def _work(self) -> None:
        self.announce(self.about)
        try:
            self.work()
            self.redraw()
            self.announce("The run has ended.")
        except Exception as fault:
            self._background.stopping.set()
            self.complain(fault)
