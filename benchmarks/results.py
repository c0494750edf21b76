"""Turns the runs of the benchmark into rows, and the rows into a table."""

from __future__ import annotations

from typing import Any

import numpy as np

WHAT = {("workbench", 1): "workbench", ("workbench", 5): "workbench, five seeds stacked",
        ("avalanche", 1): "Avalanche", ("avalanche", 5): "Avalanche, five seeds in turn"}


def summarise(runs: dict[tuple[str, str, int], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return one row for each learner, side and number of seeds.

    Parameters
    ----------
    runs : dict of (learner, side, seeds) to list of runs
        A run has ``seconds``, ``accuracy`` (seeds, tasks, tasks), ``steps`` (seeds, tasks), and
        for Avalanche ``examples_per_step`` per task, ``stored_per_class`` and ``versions``.

    Returns
    -------
    list of dict
        ``ratio`` is the median time over that of the workbench with as many seeds. ``accuracy`` is
        the average over tasks after the last one, in its mean over seeds; ``accuracy_sd`` its
        standard deviation over seeds, None for one seed.
    """
    rows = []
    for (learner, side, seeds), repeats in runs.items():
        times = [run["seconds"] for run in repeats]
        ours = [run["seconds"] for run in runs[learner, "workbench", seeds]]
        final = np.array(repeats[0]["accuracy"])[:, -1].mean(1)
        rows.append({
            "learner": learner, "side": side, "seeds": seeds,
            "seconds": float(np.median(times)), "times": times,
            "ms_per_step_and_seed": 1e3 * float(np.median(times)) / np.sum(repeats[0]["steps"]),
            "ratio": float(np.median(times) / np.median(ours)),
            "accuracy": float(final.mean()),
            "accuracy_sd": float(final.std(ddof=1)) if seeds > 1 else None,
            "accuracy_per_seed": final.tolist(),
            **{key: value for key, value in repeats[0].items()
               if key not in ("seconds", "accuracy")}})
    return rows


def as_markdown(report: dict[str, Any]) -> str:
    """Return the report as a table with what is needed to read it."""
    settings, versions, rows = report["settings"], report["versions"], report["rows"]
    sides = f"workbench {versions['workbench']} with torch {versions['torch']}"
    for row in [row for row in rows if "versions" in row][:1]:
        sides += (f" and avalanche-lib {row['versions']['avalanche-lib']} with torch "
                  f"{row['versions']['torch']}")
    lines = [
        "# Split digits, class-incremental", "",
        f"{settings['tasks']} tasks, {settings['steps']} steps each, batch of "
        f"{settings['batch_size']}, {settings['threads']} thread; {sides}; "
        f"Python {versions['python']}. Seconds are the median of as many runs as stated, with the "
        "least and the most. Ratios are to the workbench with as many seeds. Accuracy is the "
        "average over tasks at the end: its mean over seeds ± their standard deviation.", "",
        "| learner | what ran | seconds | range | runs | ms per step and seed | ratio | accuracy |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for row in rows:
        spread = "" if row["accuracy_sd"] is None else f" ± {row['accuracy_sd']:.3f}"
        lines.append(
            f"| {row['learner']} | {WHAT[row['side'], row['seeds']]} | {row['seconds']:.2f} | "
            f"{min(row['times']):.2f} to {max(row['times']):.2f} | {len(row['times'])} | "
            f"{row['ms_per_step_and_seed']:.2f} | {row['ratio']:.1f} | "
            f"{row['accuracy']:.3f}{spread} |")
    lines += ["", *_differences(rows, settings)]
    return "\n".join(lines)


def _differences(rows: list[dict[str, Any]], settings: dict[str, Any]) -> list[str]:
    """Return what the two sides do differently, with what was counted in the runs."""
    counted = {row["learner"]: row for row in rows if row["side"] == "avalanche"}
    if not counted:
        return ["Avalanche was left out."]

    def per_step(learner: str) -> str:
        return ", ".join(f"{n:.1f}" for n in counted[learner]["examples_per_step"])

    batch, stored = settings["batch_size"], counted["replay"]["stored_per_class"]
    taken = " + ".join(map(str, counted["naive"]["steps"][0]))
    return [
        "Steps were counted on both sides and are equal: "
        f"{taken} for every seed and learner. "
        f"Replay keeps {settings['per_class']} examples of each class. Avalanche's memory, counted "
        f"at the end: {' + '.join(map(str, stored))}.", "",
        "Both use fused Adam, begun afresh with each task. What differs in the work done, all of "
        "it to Avalanche's advantage in time but the last:", "",
        f"- Examples per step, by task. Workbench: {batch} new, and with replay from the second "
        f"task on {batch} old. Avalanche, naive: {per_step('naive')} (the last batch of an epoch "
        f"is smaller). Avalanche, replay: {per_step('replay')} (its loader goes through the memory "
        f"in rounds of batches of at most {batch}, so that 20 stored examples give 20, and 40 give "
        f"{batch} and 8 in turn).",
        "- The workbench also evaluates once before the first task.",
        "- After its last step on a task Avalanche may load one more batch, to "
        f"{settings['steps']} that it uses.", "",
        "What differs in the methods, and so in accuracy:", "",
        "- The workbench leaves classes not yet seen out of the softmax. Avalanche's usual network "
        "has all ten outputs from the start.",
        "- With replay, the workbench weighs old examples by the number of tasks they stand for. "
        "Avalanche takes the mean over the mixed batch."]
