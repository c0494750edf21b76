"""Interactive views of records and plots."""

from workbench.widgets.clusters import ClusterExplorer
from workbench.widgets.composition import CompositionExplorer
from workbench.widgets.costs import CostPanel
from workbench.widgets.distillation import LiveDistillation
from workbench.widgets.generations import GenerationExplorer
from workbench.widgets.retention import RetentionExplorer
from workbench.widgets.scenario import ScenarioExplorer
from workbench.widgets.separation import SeparationLab
from workbench.widgets.side_by_side import SideBySide
from workbench.widgets.soft_labels import SoftLabelExplorer
from workbench.widgets.study import DriftExplorer, ParetoExplorer, SkillRetention
from workbench.widgets.teacher import TeacherExplorer
from workbench.widgets.training import LiveTraining

__all__ = ["ClusterExplorer", "CompositionExplorer", "CostPanel", "DriftExplorer",
           "GenerationExplorer", "LiveDistillation", "LiveTraining", "ParetoExplorer",
           "RetentionExplorer", "ScenarioExplorer", "SeparationLab", "SideBySide",
           "SkillRetention", "SoftLabelExplorer", "TeacherExplorer"]
