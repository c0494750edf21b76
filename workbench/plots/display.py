"""Style of all figures, their alternative texts, and their display as pictures."""

import base64
import html
import io
import os
import re
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from PIL import Image

from workbench.measure.intervals import seed_interval


def prepare_notebook() -> None:
    """Set up a notebook: one thread per pool, no network, readable figures.

    Several thread pools slow each other down on a small machine: with one thread each, a notebook
    cell elsewhere took 0.90 s in place of 761 s (see `docs/PINS.md`).
    """
    import torch

    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(1)
    use_style()


def use_style() -> None:
    """Set fonts and sizes that can be read on a projector."""
    mpl.rcParams.update({
        "figure.figsize": (7.0, 3.6), "figure.dpi": 96, "savefig.dpi": 96, "font.size": 11,
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
        "grid.alpha": 0.25, "figure.constrained_layout.use": True, "image.cmap": "cividis",
        "lines.linewidth": 2.0, "lines.markersize": 6, "svg.hashsalt": "workbench",
    })


def percent(value: float) -> str:
    """Return a share as whole percent: ``0.613`` gives ``"61 %"``; NaN ``"not defined"``."""
    return "not defined" if np.isnan(value) else f"{100 * value:.0f} %"


def over_seeds(values: ArrayLike) -> tuple[float, float, float]:
    """Return the mean of shares over seeds, and the ends of its 95 % t interval.

    The interval is cut at 0 and 1, or at the smallest or largest share beyond them. One seed has no
    interval: its value is returned three times.
    """
    shares = np.atleast_1d(np.asarray(values, dtype=float))
    mean = float(shares.mean())
    if len(shares) < 2:
        return mean, mean, mean
    low, high = np.clip(np.asarray(seed_interval(shares)), min(0, shares.min()),
                        max(1, shares.max()))
    return mean, float(low), float(high)


def percent_over_seeds(values: ArrayLike) -> str:
    """Return mean and 95 % t interval of `over_seeds`, ``"40 % (15 % to 65 %)"``.

    For one seed it is only the value.
    """
    mean, low, high = over_seeds(values)
    text = percent(mean)
    if np.size(values) > 1:
        text += f" ({percent(low)} to {percent(high)})"
    return text


def describe(ax: Axes, text: str) -> Axes:
    """Attach an alternative text to axes, for `alt_text` and `workbench.show`."""
    ax.set_label(text)
    return ax


def alt_text(figure: Any) -> str:
    """Return the alternative texts of all axes of a figure, in reading order."""
    texts = [str(ax.get_label()) for ax in figure.axes]
    return " ".join(t for t in texts if t and not t.startswith("<"))


def png(figure: Figure) -> bytes:
    """Return a figure as PNG with 256 colours: a third of the size, with no visible difference."""
    small = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()  # once: `savefig` draws twice, which gives the same picture
    figure.set_layout_engine("none")  # a second drawing would move the layout by a pixel
    Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").quantize(
        256, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return small.getvalue()


def svg(figure: Figure) -> str:
    """Return a figure as SVG, the same text every time, with letters as outlines.

    Coordinates are rounded to a hundredth of a point, and what is not drawn is left out: the file
    is a fifth smaller, with no visible difference.
    """
    file = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "workbench", "svg.fonttype": "path"}):
        figure.savefig(file, format="svg", facecolor=figure.get_facecolor(),
                       metadata={"Date": None})
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", file.getvalue(), flags=re.DOTALL)
    text = re.sub(r"(translate\([\d.]+) 0\)", r"\1)", text)
    text = re.sub(r'(?<=translate\()[^)]*|(?<= d=")[^"]*',
                  lambda numbers: re.sub(r"(\.\d\d)\d+", r"\1", numbers[0]), text)
    return re.sub(r"\s*\n\s*", " ", text).replace("DejaVuSans-", "g")  # names of letters


def picture(figure: Figure, vector: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a figure as a MIME bundle and its metadata, and close it.

    The bundle holds the picture twice. HTML carries the alternative text in JupyterLab and in
    nbconvert's default template, which show none beside a PNG. The PNG is for exports without HTML,
    such as LaTeX, and for nbconvert's *classic* template, which reads the text from the metadata.
    With `vector`, the picture in HTML is an SVG, which is sharp at every size.
    """
    words = alt_text(figure)
    image = base64.b64encode(png(figure)).decode()
    source = f"data:image/png;base64,{image}"
    if vector:
        source = f"data:image/svg+xml;base64,{base64.b64encode(svg(figure).encode()).decode()}"
    plt.close(figure)
    tag = f'<img alt="{html.escape(words)}" src="{source}">'
    return ({"text/html": tag, "image/png": image, "text/plain": words},
            {"image/png": {"alt": words}})


def show(drawn: Axes | Figure, vector: bool = False) -> None:
    """Display a figure, as a `vector` graphic if asked, and below it, folded, its words."""
    from IPython.display import display

    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    bundle, metadata = picture(figure, vector)  # type: ignore[arg-type]
    display(bundle, metadata=metadata, raw=True)
    words = html.escape(bundle["text/plain"])
    display({"text/html": f"<details><summary>The figure in words</summary>{words}</details>",
             "text/plain": bundle["text/plain"]}, raw=True)


def show_numbers(table: pd.DataFrame, name: str, form: Callable[[Any], str] | None = None) -> None:
    """Display a table, folded below a line that says what it holds; a link downloads it as CSV.

    The link holds the file, so that it works offline and without a kernel. Exports without HTML,
    and tests that compare outputs, have the table as text.

    Parameters
    ----------
    name : str
        What the table holds, such as ``"six methods, at the end"``.
    form : callable, optional
        Turns a number into its text, such as `percent`. The CSV has the numbers themselves.
    """
    from IPython.display import display

    shown = table if form is None else table.map(form)
    csv = base64.b64encode(table.to_csv().encode()).decode()
    file = re.sub(r"\W+", "-", name.lower()).strip("-")
    summary = f"The numbers: {html.escape(name)}"
    display({"text/html": f"<details><summary>{summary}</summary>{shown.to_html(border=0)}"
                          f'<p><a download="{file}.csv" href="data:text/csv;base64,{csv}">'
                          f"Download as CSV: {html.escape(name)}</a></p></details>",
             "text/plain": f"The numbers: {name}\n{shown.to_string()}"}, raw=True)
