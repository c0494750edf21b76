"""Figures of sweeps: what was learned against what was kept, and how far each went for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from workbench.labels import add_legend, add_text, name_ticks, percent_limits
from workbench.plots import describe, look, percent
from workbench.razor import RazorResult
from workbench.runfiles import Floats
from workbench.sweeps import Sweep

PROMPTS = {"kl_new": "on prompts of the new skill", "kl_old": "on prompts of what was known"}
"""Where drift can be measured."""
SHARES = ("teacher_right", "helped_right", "foreign_voice")
"""Which diagnostics are shares, drawn in percent."""
UNITS = {"kl_new": "nats a response", "kl_old": "nats a response", "entropy": "nats a token",
         "length": "tokens"}
"""What the other ones are in."""


def style_of(sweep: Sweep, method: str) -> dict[str, Any]:
    """Return colour, line and marker of a method, the same in every figure of a sweep."""
    return look(sweep.methods.index(method))


def plot_pareto(sweep: Sweep, methods: Sequence[str], ax: Axes, level: float | None = None,
                title: str = "") -> Axes:
    """Draw accuracy kept on known skills against accuracy on the new one; a path per run.

    Parameters
    ----------
    sweep : Sweep
        The runs.
    methods : sequence of str
        Which to draw.
    ax : Axes
        Where to draw.
    level : float, optional
        New-skill accuracy at which methods are compared; drawn as a line.
    title : str
        Above the figure.
    """
    said = []
    for method in methods:
        style = style_of(sweep, method)
        ends: list[tuple[float, float]] = []
        for run in sweep.of(method):
            new = 100 * np.append(run.new_before, run.new)
            kept = 100 * np.append(1, run.kept)
            ax.plot(new, kept, **(style | {"marker": ""}), linewidth=0.8, alpha=0.45)
            ax.plot(new[-1:], kept[-1:], **(style | {"linestyle": ""}), markersize=6,
                    label=None if ends else method)
            ends.append((run.new[-1], run.kept[-1]))
        new, kept = np.mean(ends, axis=0)
        said.append(f"{method} ends at {percent(new)} new and {percent(kept)} kept on average")
    if level is not None:
        ax.axvline(100 * level, color="grey", linestyle=":", linewidth=1.2)
    for axis in ("x", "y"):
        percent_limits(ax, axis)
    add_legend(ax)
    add_text(ax, title, "accuracy on the new skill (%)", "kept of what was known (%)")
    return describe(ax, "Paths from before training, when all is kept, one per run: "
                    f"{'; '.join(said)}.")


def plot_drift(sweep: Sweep, methods: Sequence[str], prompts: str, ax: Axes,
               everywhere: bool = False, title: str = "") -> Axes:
    """Draw what was forgotten against the KL from the pretrained model, a point per run.

    Parameters
    ----------
    sweep : Sweep
        The runs.
    methods : sequence of str
        Which to draw.
    prompts : {"kl_new", "kl_old"}
        Where the KL is measured.
    ax : Axes
        Where to draw.
    everywhere : bool
        Draw every point at which a run was looked at, not its end alone.
    title : str
        Above the figure.
    """
    points = {method: drift_points(sweep, [method], prompts, everywhere) for method in methods}
    for method, each in points.items():
        ax.plot(each[:, 0], 100 * each[:, 1], alpha=0.7, markersize=6, label=method,
                **(style_of(sweep, method) | {"linestyle": ""}))
    ax.set_xscale("symlog", linthresh=0.1)
    add_legend(ax)
    add_text(ax, title, f"KL(pretrained || trained) {PROMPTS[prompts]}\n"
             "(nats a response, log scale)", "forgotten (%)")
    drawn = np.concatenate(list(points.values())) if points else np.zeros((0, 2))
    return describe(ax, f"Points of forgetting against KL {PROMPTS[prompts]}, {len(drawn)} in all: "
                    f"rank correlation {rank_correlation(drawn):.2f}. " + "; ".join(
                        f"{method} {each[:, 0].mean():.1f} nats and {percent(each[:, 1].mean())} "
                        "forgotten on average" for method, each in points.items()) + ".")


def plot_diagnostic(sweep: Sweep, methods: Sequence[str], name: str, ax: Axes,
                    title: str = "", legend: bool = True, lr: float | None = None) -> Axes:
    """Draw one diagnostic step by step, of one run of each method.

    Parameters
    ----------
    sweep : Sweep
        The runs, of all learning rates.
    methods : sequence of str
        Which to draw.
    name : str
        One of `workbench.diagnostics.DIAGNOSTICS`.
    ax : Axes
        Where to draw.
    title : str
        Above the figure.
    legend : bool
        Whether to say which line is which.
    lr : float, optional
        Whose learning rate; by default that of the run that would be chosen.
    """
    share, said = name in SHARES, []
    for method in methods:
        run = sweep.choose(method)[0] if lr is None else sweep.at(method, lr)
        values = sweep.diagnostic(run, name) * (100 if share else 1)
        style = style_of(sweep, method)
        ax.plot(run.steps, values, label=method, linewidth=1.5, markersize=4, **style)
        said.append(f"{method} from {values[0]:.3g} to {values[-1]:.3g}")
    if share:
        percent_limits(ax)
    else:
        ax.set_ylim(0, None)
    if legend:
        add_legend(ax, by_end=True)
    add_text(ax, title, "step", "%" if share else UNITS[name])
    return describe(ax, f"{title or name}, from the first look to the last: {'; '.join(said)}.")


def drift_points(sweep: Sweep, methods: Sequence[str], prompts: str,
                 everywhere: bool = False) -> Floats:
    """Return (KL, share forgotten) of runs: shape (points, 2)."""
    found = []
    for method in methods:
        for run in sweep.of(method):
            rows = range(len(run.steps)) if everywhere else [len(run.steps) - 1]
            found += [(sweep.diagnostic(run, prompts)[i], 1 - run.kept[i]) for i in rows]
    return np.array(found).reshape(-1, 2)


def rank_correlation(points: Floats) -> float:
    """Return Spearman's rank correlation of two columns; NaN with fewer than three points."""
    from scipy.stats import spearmanr

    if len(points) < 3 or (np.ptp(points, axis=0) == 0).any():
        return float("nan")
    return float(spearmanr(points[:, 0], points[:, 1])[0])


def plot_razor(result: RazorResult, ax: Axes, title: str = "") -> Axes:
    """Draw what was forgotten against the KL from the base, a path over steps per method.

    Parameters
    ----------
    result : RazorResult
        From `workbench.razor.razor`; means over seeds are drawn.
    ax : Axes
        Where to draw.
    title : str
        Above the figure.
    """
    methods = list(dict.fromkeys(point.method for point in result.points))
    said = []
    for i, method in enumerate(methods):
        points = [point for point in result.points if point.method == method]
        kl, lost = (np.array([getattr(point, name).mean() for point in points])
                    for name in ("kl", "forgetting"))
        ax.plot(kl, 100 * lost, markersize=5, alpha=0.8, label=method,
                **(look(i) | {"linestyle": ""}))
        said.append(f"{method} up to {kl.max():.1f} nats and {percent(lost.max())}")
    add_legend(ax)
    add_text(ax, title, "KL(base || now) on images of the new task (nats)", "forgotten (%)")
    return describe(ax, f"Forgetting against KL, {title}: {'; '.join(said)}. A quadratic in the KL "
                    f"explains {percent(result.r_squared())} of the variance.")


def plot_sequence(curves: Mapping[str, Floats], names: Sequence[str], ax: Axes,
                  title: str = "", methods: Sequence[str] = (), measure: str = "accuracy",
                  legend: bool = True) -> Axes:
    """Draw one skill after each stage of a sequence: the mean over seeds, and each as a dot.

    Parameters
    ----------
    curves : mapping of str to ndarray, shape (seeds, stages)
        Accuracy, from before the first skill on.
    names : sequence of str
        What each stage is called.
    ax : Axes
        Where to draw.
    title : str
        Above the figure.
    methods : sequence of str
        All that there are, so that one looks the same whichever others are drawn.
    measure : str
        What is drawn.
    legend : bool
        Whether to say which line is which.
    """
    said, all_methods = [], list(methods or curves)
    for i, (method, values) in enumerate(curves.items()):
        style = look(all_methods.index(method))
        # Side by side, so that dots of several methods at the same height can be told apart.
        x = np.arange(values.shape[1]) + 0.06 * (i - (len(curves) - 1) / 2)
        ax.plot(x, 100 * values.mean(0), label=method, markersize=5, **style)
        if len(values) > 1:
            ax.plot(x, 100 * values.T, linestyle="", marker=".", markersize=3.5, alpha=0.5,
                    color=style["color"])
        said.append(f"{method} ends at {percent(float(values[:, -1].mean()))}")
    percent_limits(ax)
    if legend:
        add_legend(ax, by_end=True)
    name_ticks(ax, names)
    add_text(ax, title, ylabel=f"{measure} (%)")
    return describe(ax, f"Curves of {title or measure}, stage by stage: {'; '.join(said)}.")
