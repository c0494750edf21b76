"""`Show`: the instructor's demonstration, one page of tabs with large type."""

from __future__ import annotations

import ipywidgets as w

from workbench.widgets.cluster_scene import Clusters
from workbench.widgets.scenes import Forgetting, Scenarios, Teacher
from workbench.widgets.side_by_side import SideBySide
from workbench.widgets.view import View

SCENES: dict[str, tuple[type[View], str, str]] = {
    "Forgetting": (Forgetting, "Vote: which curve falls first, and how far?",
                   "A network learns ten digits, two at a time. What it learned first, it loses."),
    "Scenarios": (Scenarios, "Vote: in which scenario does the network forget most?",
                  "task: it is told which pair a digit is from. domain: it says “first or second "
                  "of its pair”. class: it chooses among all digits so far."),
    "Teacher": (Teacher, "Vote: can a model that does not know the answer teach it?",
                "The same weights, asked twice. With the expert's answer in the prompt, the model "
                "is its own teacher."),
    "SFT beside SDFT": (SideBySide, "Vote: after learning new facts, which model still answers the "
                        "other questions?", "SFT copies the expert's words. SDFT learns on its own "
                        "answers."),
    "Clusters": (Clusters, "Vote: who should answer this message?",
                 "Each task leaves five clusters. A message goes to the task with the nearest "
                 "one.")}
"""Scene, question to the audience, and what one sees, by the title of the tab."""
SECONDS = 5.0
"""How long a recorded run plays."""
STYLE = """<style>
body { margin: 0; font-family: system-ui, "DejaVu Sans", sans-serif; }
.workbench-show, .workbench-show .widget-html-content, .workbench-show button,
.workbench-show .lm-TabBar-tabLabel, .wb-player { font-size: 18px !important; line-height: 1.15; }
.workbench-show .lm-TabBar-tab { flex: 0 1 auto !important; max-height: none; padding: 6px 14px; }
.workbench-show .lm-TabBar-tab:focus-visible, .workbench-show button:focus-visible
  { outline: 3px solid #0072B2; outline-offset: 1px; }
.workbench-show button { height: auto; padding: 2px 16px; }
.workbench-show p { margin: 2px 0; }
.workbench-show p.question { font-size: 22px; font-weight: bold; }
.workbench-show .wb-player { max-width: none; padding: 2px 8px; line-height: 1.2; }
.workbench-show .workbench-words, .workbench-show .jupyter-widget-tab-contents > .workbench-words
  { display: none; }
</style>"""


class Show:
    """The demonstration: a scene in each tab, which opens on its recorded run and plays it."""

    def __init__(self) -> None:
        self.scenes = [make() for make, _, _ in SCENES.values()]
        pages = []
        for scene, (_, question, about) in zip(self.scenes, SCENES.values(), strict=True):
            player = scene.player  # type: ignore[attr-defined]
            player.recording = player.recording | {"seconds": SECONDS}
            scene.recorded = player.recording  # type: ignore[attr-defined]
            pages.append(w.VBox([w.HTML(f"<p class='question'>{question}</p>{about}"),
                                 scene.root]))
        self.tabs = w.Tab(children=pages, titles=list(SCENES))
        self.tabs.observe(lambda change: self.play(change["new"]), "selected_index")
        self.root = w.VBox([w.HTML(STYLE), self.tabs])
        self.root.add_class("workbench-show")

    def play(self, index: int) -> None:
        """Play the recorded run of a tab, when the tab is opened."""
        self.scenes[index].player.play()  # type: ignore[attr-defined]

    def _ipython_display_(self) -> None:
        from IPython.display import display

        self.play(0)
        display(self.root)
