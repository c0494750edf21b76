"""Display a figure as a picture with its alternative text."""

from __future__ import annotations

import base64
import html
import io
import os
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from workbench.plots.base import alt_text, use_style


def prepare_notebook() -> None:
    """Set up a notebook: one thread per pool, no network, readable figures.

    Several thread pools slow each other down on a small machine: with one thread each, a notebook
    cell elsewhere took 0.90 s in place of 761 s (see `docs/PINS.md`).
    """
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(1)
    use_style()


def png(figure: Figure) -> bytes:
    """Return a figure as PNG with 256 colours: a third of the size, with no visible difference."""
    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png")
    figure.set_layout_engine("none")  # a second drawing would move the layout by a pixel
    Image.open(full).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
        small, "png", optimize=True)
    return small.getvalue()


def picture(figure: Figure) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a figure as a MIME bundle and its metadata, and close it.

    The bundle holds the picture twice. HTML carries the alternative text in JupyterLab and in
    nbconvert's default template, which show none beside a PNG. The PNG is for exports without HTML,
    such as LaTeX, and for nbconvert's *classic* template, which reads the text from the metadata.
    """
    words = alt_text(figure)
    image = base64.b64encode(png(figure)).decode()
    plt.close(figure)
    tag = f'<img alt="{html.escape(words)}" src="data:image/png;base64,{image}">'
    return ({"text/html": tag, "image/png": image, "text/plain": words},
            {"image/png": {"alt": words}})


def show(drawn: Axes | Figure) -> None:
    """Display a figure, and below it, folded, its alternative text."""
    from IPython.display import display

    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    bundle, metadata = picture(figure)  # type: ignore[arg-type]
    display(bundle, metadata=metadata, raw=True)
    words = html.escape(bundle["text/plain"])
    display({"text/html": f"<details><summary>The figure in words</summary>{words}</details>",
             "text/plain": bundle["text/plain"]}, raw=True)
