"""Hand a figure to the reader: as a picture, with its alternative text."""

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
    """Set a notebook up: one thread a pool, no network, readable figures.

    Several thread pools on a small machine fight each other; one notebook cell elsewhere fell from
    761 s to 0.90 s when they were pinned (see `docs/PINS.md`).
    """
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(1)
    use_style()


def png(figure: Figure) -> bytes:
    """Return a figure as PNG with 256 colours: a third of the size, and the same to the eye."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    figure.set_layout_engine("none")  # at a second drawing the layout would move by a pixel
    Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
        small, "png", optimize=True)
    return small.getvalue()


def picture(figure: Figure) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a figure as a MIME bundle and its metadata; the figure is closed.

    The picture is there twice. As HTML it has its alternative text in JupyterLab and in what
    nbconvert exports by its default template; neither has a place for that text beside a PNG. The
    PNG is for exports that take no HTML, such as PDF through LaTeX, and for nbconvert's *classic*
    template, which reads the alternative text from the metadata.
    """
    words = alt_text(figure)
    image = base64.b64encode(png(figure)).decode()
    plt.close(figure)
    tag = f'<img alt="{html.escape(words)}" src="data:image/png;base64,{image}">'
    return ({"text/html": tag, "image/png": image, "text/plain": words},
            {"image/png": {"alt": words}})


def show(drawn: Axes | Figure) -> None:
    """Display a figure, and under it, folded away, what it shows in words.

    The words are the picture's alternative text too; here anyone may read them.
    """
    from IPython.display import display

    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    bundle, metadata = picture(figure)  # type: ignore[arg-type]
    display(bundle, metadata=metadata, raw=True)
    words = html.escape(bundle["text/plain"])
    display({"text/html": f"<details><summary>The figure in words</summary>{words}</details>",
             "text/plain": bundle["text/plain"]}, raw=True)
