"""Figures: data in, axes out, each with an alternative text made from the same data."""

from workbench.plots.curves import (
    draw_band,
    plot_accuracy_matrix,
    plot_bars,
    plot_differences,
    plot_retention,
    plot_task_curves,
)
from workbench.plots.display import alt_text, describe, percent, percent_over_seeds, use_style
from workbench.plots.dots import plot_dots, plot_methods
from workbench.plots.tokens import plot_next_token, plot_rates, plot_token_kl

__all__ = ["alt_text", "describe", "draw_band", "percent", "percent_over_seeds",
           "plot_accuracy_matrix", "plot_bars", "plot_differences", "plot_dots", "plot_methods",
           "plot_next_token", "plot_rates", "plot_retention", "plot_task_curves", "plot_token_kl",
           "use_style"]
