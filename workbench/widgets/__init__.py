"""Interactive views: thin layers over records and plots."""

from workbench.widgets.live import LiveTraining
from workbench.widgets.retention import RetentionExplorer
from workbench.widgets.scenario import ScenarioExplorer
from workbench.widgets.teacher import TeacherExplorer

__all__ = ["LiveTraining", "RetentionExplorer", "ScenarioExplorer", "TeacherExplorer"]
