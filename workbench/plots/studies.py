"""Figures and tables of studies: new-skill accuracy and retention, drift, and diagnostics.

`points` are rows of `workbench.runs.studies.points`, of one skill and one part; `methods` are the
methods to draw.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench.measure.accuracies import Floats
from workbench.plots.display import describe, percent
from workbench.plots.labels import add_text, name_ticks, percent_limits
from workbench.plots.styles import styles_of
from workbench.runs.studies import RUN, at_common_step, ends

PROMPTS = {"kl_new": "on new prompts", "kl_old": "on old prompts"}
"""Columns of the drift: on prompts of the new skill, and on prompts of the known skills."""
UNITS = {"teacher_right": "%", "context_right": "%", "foreign_style": "%", "length": "tokens",
         "kl_new": "nats per answer", "kl_old": "nats per answer", "entropy": "nats per token"}
"""Units in which `workbench.runs.evaluation.DIAGNOSTICS` are drawn."""


def plot_pareto(points: pd.DataFrame, methods: Sequence[str], ax: Axes, level: float,
                title: str = "") -> Axes:
    """Draw retention against new-skill accuracy, a path per run, with a line at `level`."""
    texts, styles = [], styles_of(points["method"])
    for method in methods:
        own, style = points[points["method"] == method], styles[method]
        for _, run in own.groupby(RUN, sort=False):
            ax.plot(100 * run["new"], 100 * run["retention"], **(style | {"marker": ""}),
                    linewidth=0.8, alpha=0.45)
        last = ends(own)[["new", "retention"]]
        ax.plot(*(100 * last.to_numpy().T), **(style | {"linestyle": ""}), markersize=6,
                label=method)
        new, retention = last.mean()
        texts.append(f"{method} ends at {percent(new)} on the new skill and a retention of "
                     f"{percent(retention)}")
    ax.axvline(100 * level, color="grey", linestyle=":", linewidth=1.2)
    percent_limits(ax, "x")
    percent_limits(ax)
    add_text(ax, title, "accuracy on the new skill (%)", "retention (%)", legend=True)
    return describe(ax, "One path for each run. It starts before training, where the retention is "
                    f"100 %. On average over the runs of a method, {'; '.join(texts)}.")


def table_by_rate(points: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Return the text ``"new | retention"``, in percent, per method and learning rate.

    At each rate all methods are compared at the last step that all of them reached. A dash stands
    where a method was not run.
    """
    rows = at_common_step(points[points["method"].isin(list(methods))]).sort_values("rate")
    rows = rows.assign(
        rate=rows["rate"].map("{:g}".format), step=rows["step"].astype(str),
        text=[f"{100 * new:.0f} | {100 * retention:.0f}"
              for new, retention in zip(rows["new"], rows["retention"], strict=True)])
    table = rows.pivot(index="method", columns="rate", values="text").reindex(list(methods))
    steps = rows.groupby("rate")["step"].first().rename("at step").to_frame().T
    return pd.concat([steps, table])[rows["rate"].unique()].fillna("-").rename_axis(columns=None)


def plot_by_rate(points: pd.DataFrame, methods: Sequence[str], figure: Figure) -> Figure:
    """Draw new-skill accuracy and retention against the learning rate, as in `table_by_rate`.

    Lines are means over seeds; they are moved a little to the side, so that equal ones are seen.
    """
    rows, styles = at_common_step(points[points["method"].isin(list(methods))]), styles_of(methods)
    steps = rows.groupby("rate")["step"].first()
    panels = {"new": "accuracy on the new skill", "retention": "retention"}
    for ax, (name, title) in zip(figure.subplots(1, 2, sharey=True), panels.items(), strict=True):
        texts = []
        for i, method in enumerate(methods):
            means = rows[rows["method"] == method].groupby("rate")[name].mean().reindex(steps.index)
            x = np.arange(len(means)) + 0.05 * (i - (len(methods) - 1) / 2)
            ax.plot(x, 100 * means, label=method, markersize=5, linewidth=1.2, **styles[method])
            texts.append(f"{method} " + ", ".join(map(percent, means)))
        percent_limits(ax)
        add_text(ax, title, "learning rate, and number of steps", "%" * (name == "new"),
                 legend=name == "retention")
        name_ticks(ax, [f"{rate:g}\n{step}" for rate, step in steps.items()])
        describe(ax, f"Lines of the {title} at the learning rates "
                 f"{', '.join(map('{:g}'.format, steps.index))}: {'; '.join(texts)}.")
    return figure


def plot_drift(points: pd.DataFrame, methods: Sequence[str], prompts: str, ax: Axes,
               title: str = "") -> Axes:
    """Draw the forgotten share against the drift; `prompts` is a key of `PROMPTS`."""
    texts, styles = [], styles_of(points["method"])
    drawn = points[points["method"].isin(list(methods))].dropna(subset=prompts)
    for method in methods:
        own = drawn[drawn["method"] == method]
        kl, forgotten = own[prompts], 1 - own["retention"]
        ax.plot(kl, 100 * forgotten, alpha=0.7, markersize=6, label=method,
                **(styles[method] | {"linestyle": ""}))
        texts.append(f"{method} {kl.mean():.1f} nats, {percent(forgotten.mean())}")
    # Within one power of ten, a logarithmic axis has hardly a tick.
    wide = drawn[prompts].max() > 10 * drawn[prompts].min()
    if wide:
        ax.set_xscale("symlog", linthresh=0.1)
    add_text(ax, title, f"drift {PROMPTS[prompts]}: KL(pretrained || trained)\n"
             f"(nats per answer{', log scale' if wide else ''})", "forgotten (%)", legend=True)
    return describe(ax, f"Forgetting against drift {PROMPTS[prompts]}, {len(drawn)} points in all: "
                    f"rank correlation {drift_correlation(drawn, prompts):.2f}. Means: "
                    f"{'; '.join(texts)}.")


def drift_correlation(points: pd.DataFrame, prompts: str) -> float:
    """Return Spearman's correlation of forgetting with the KL; NaN with fewer than three points."""
    known = points[[prompts, "retention"]].dropna()
    if len(known) < 3 or (known.nunique() == 1).any():
        return float("nan")
    return -float(known.corr("spearman").to_numpy()[0, 1])


def plot_diagnostic(points: pd.DataFrame, methods: Sequence[str], name: str, ax: Axes,
                    title: str, rate: float, legend: bool = True) -> Axes:
    """Draw one of `UNITS` against the step, for each method's run at a learning rate."""
    texts, styles = [], styles_of(points["method"])
    for method in methods:
        run = points.query("method == @method and rate == @rate").dropna(subset=name)
        values = run[name] * (100 if UNITS[name] == "%" else 1)
        ax.plot(run["step"], values, label=method, linewidth=1.5, markersize=4, **styles[method])
        texts.append(f"{method} {values.iloc[-1]:.3g}")
    if UNITS[name] == "%":
        percent_limits(ax)
    else:
        ax.set_ylim(0, None)
    add_text(ax, title, "step", UNITS[name], legend, by_end=True)
    return describe(ax, f"{title} ({UNITS[name]}), at the end: {', '.join(texts)}.")


def plot_sequence(curves: Mapping[str, Floats], names: Sequence[str], ax: Axes,
                  title: str = "", methods: Sequence[str] = (), measure: str = "accuracy",
                  legend: bool = True) -> Axes:
    """Draw one skill after each stage of a sequence: the mean over seeds, and a dot per seed.

    `curves` has the accuracies of each method, shape (seeds, stages), from before the first skill
    on; `names` are those of the stages. Give `methods`, all methods of the study, so that each has
    the same style in all figures.
    """
    texts, styles = [], styles_of(methods or curves)
    for i, (method, values) in enumerate(curves.items()):
        style = styles[method]
        # Shifted, so that dots of several methods at the same height can be told apart.
        x = np.arange(values.shape[1]) + 0.06 * (i - (len(curves) - 1) / 2)
        ax.plot(x, 100 * values.mean(0), label=method, markersize=5, **style)
        if len(values) > 1:
            ax.plot(x, 100 * values.T, linestyle="", marker=".", markersize=3.5, alpha=0.5,
                    color=style["color"])
        texts.append(f"{method} ends at {percent(float(values[:, -1].mean()))}")
    percent_limits(ax)
    add_text(ax, title, ylabel=f"{measure} (%)", legend=legend, by_end=True)
    name_ticks(ax, names)
    return describe(ax, f"Curves of {title or measure}, stage by stage: {'; '.join(texts)}.")
