"""Draw the figure of the README, docs/images/forgetting.png: five methods on split digits."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

import workbench as wb
from workbench.plots import alt_text, plot_retention, use_style
from workbench.plots.display import png

METHODS = ("finetune", "ewc", "lwf", "replay", "joint")


def main() -> None:
    """Train each method with five seeds and write the figure."""
    use_style()
    records = {name: wb.run(wb.RunConfig(learner=name, seeds=(0, 1, 2, 3, 4))) for name in METHODS}
    figure = Figure(figsize=(8, 3.8))
    plot_retention({name: record.accuracy for name, record in records.items()},
                   records["joint"].task_names, figure.subplots(),
                   "Two new digits per task, all to be told apart")
    Path("docs/images/forgetting.png").write_bytes(png(figure))
    print(alt_text(figure))


if __name__ == "__main__":
    main()
