"""Interactive views of records and plots."""

from workbench.widgets.clusters import ClusterExplorer
from workbench.widgets.distillation import LiveDistillation
from workbench.widgets.live import LiveTraining
from workbench.widgets.retention import RetentionExplorer
from workbench.widgets.scenario import ScenarioExplorer
from workbench.widgets.separation import SeparationLab
from workbench.widgets.study import DriftExplorer, ParetoExplorer, SkillRetention
from workbench.widgets.teacher import TeacherExplorer

__all__ = ["ClusterExplorer", "DriftExplorer", "LiveDistillation", "LiveTraining",
           "ParetoExplorer", "RetentionExplorer", "ScenarioExplorer", "SeparationLab",
           "SkillRetention", "TeacherExplorer"]
