"""The story without a browser: what the lessons find, in words, pictures and on one page."""

from __future__ import annotations

import base64
import html
from pathlib import Path

import pandas as pd

from workbench.display import png
from workbench.files import require_new_folder, write_atomically
from workbench.lessons import LESSONS, SEEDS, Lesson, Verdict
from workbench.plots import alt_text, use_style


def main(out: Path | str = "artifacts/demo") -> list[Verdict]:
    """Run all lessons, print their verdicts, and write the figures and one page.

    Parameters
    ----------
    out : path
        Folder for the PNG files and ``index.html``, which holds everything and needs no network.

    Returns
    -------
    list of Verdict

    Raises
    ------
    RecordError
        If the folder holds files already.
    """
    folder = Path(out)
    require_new_folder(folder)
    use_style()
    folder.mkdir(parents=True, exist_ok=True)
    lessons = [lesson() for lesson in LESSONS]
    for lesson in lessons:
        for name, figure in lesson.figures.items():
            write_atomically(folder / f"{name}.png", png(figure))
    write_atomically(folder / "index.html", page(lessons).encode())
    verdicts = [verdict for lesson in lessons for verdict in lesson.verdicts]
    for v in verdicts:
        print(f"{'holds' if v.holds else 'FAILS':6s} {v.claim}\n       {v.measured}")
    print(f"\nThe page: {folder / 'index.html'}")
    return verdicts


def page(lessons: list[Lesson]) -> str:
    """Return the self-contained HTML page of some lessons."""
    parts = []
    for lesson in lessons:
        table = pd.DataFrame([[v.claim, v.measured, "holds" if v.holds else "fails"]
                              for v in lesson.verdicts], columns=["claim", "measured", "verdict"])
        figures = "".join(
            f'<figure><img alt="{html.escape(alt_text(f))}" '
            f'src="data:image/png;base64,{base64.b64encode(png(f)).decode()}">'
            f"<figcaption>{html.escape(alt_text(f))}</figcaption></figure>"
            for f in lesson.figures.values())
        parts.append(f"<h2>{html.escape(lesson.title)}</h2>{table.to_html(index=False)}{figures}")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>The workbench in a few minutes</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 17px/1.5 system-ui, sans-serif; max-width: 860px; margin: 2em auto; padding: 0 1em; }}
table {{ border-collapse: collapse; width: 100%; }}
td, th {{ border: 1px solid #bbb; padding: .4em .6em; text-align: left; }}
img {{ max-width: 100%; }} figcaption {{ color: #444; font-size: 15px; }}
</style></head><body>
<h1>The workbench in a few minutes</h1>
<p>Measured just now on this machine; the digits over {len(SEEDS)} seeds, in brackets the 95 %
interval. Text skills are taught with one seed; beside it stands what is on record for five.</p>
{"".join(parts)}
</body></html>
"""
