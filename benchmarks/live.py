"""Time the live curves in headless Chromium: from the kernel to the drawn picture.

Run from the repository root::

    .venv/bin/python benchmarks/live.py

`LiveTraining` trains in JupyterLab. Each state that it sends has the time at which it was sent; the
browser notes how long after it the state is drawn. Beside it stands what the kernel needs for the
same curves as a PNG, before anything is sent. Bytes are those of one state. The result is a table
on standard output and ``artifacts/bench/live.json``; it is no test.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import nbformat
import numpy as np
from explorer import FLAGS
from playwright.sync_api import sync_playwright

from workbench.course.doctor import find_chromium
from workbench.course.serving import lab

OUTPUT = Path(__file__).resolve().parent.parent / "artifacts" / "bench" / "live.json"
TOKEN = "benchmark"
CELLS = ("""
import json, time
import workbench as wb
from workbench.plots.display import png
from workbench.widgets import LiveTraining
wb.prepare_notebook()
widget = LiveTraining()
widget""", """
times = []
for _ in range(11):
    began = time.perf_counter()
    picture = png(widget.figure())
    times.append(1000 * (time.perf_counter() - began))
print(json.dumps({"png_ms": sorted(times)[5], "png_bytes": len(picture),
                  "state_bytes": len(json.dumps(widget.player.recording))}))""")
FOLLOW = """() => {
    window.delays = [];
    const player = document.querySelector('.wb-player');
    new MutationObserver(() => window.delays.push(Number(player.dataset.delay))).observe(
        player, {attributes: true, attributeFilter: ['data-delay']});
}"""


def main() -> None:
    """Measure, print, and write the report."""
    with tempfile.TemporaryDirectory() as place, lab(Path(place), TOKEN) as url, \
            sync_playwright() as playwright:
        nbformat.write(nbformat.v4.new_notebook(
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
            cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in CELLS]),
            Path(place) / "live.ipynb")
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(180_000)
        page.goto(f"{url}/lab/tree/live.ipynb?token={TOKEN}&reset")
        page.get_by_text("| Idle").first.wait_for()
        cells = page.locator(".jp-CodeCell")
        cells.first.click()
        page.keyboard.press("Shift+Enter")
        page.locator(".wb-player").wait_for()
        page.evaluate(FOLLOW)
        page.get_by_role("button", name="Start", exact=True).click()
        page.get_by_text("on average over all tasks").wait_for()
        delays = page.evaluate("window.delays")
        cells.nth(1).click()
        page.keyboard.press("Shift+Enter")
        png = json.loads(page.locator(".jp-OutputArea-output").get_by_text("png_ms").inner_text())
        browser.close()
    report = {"redraws": len(delays), "median_ms": float(np.median(delays)),
              "worst_ms": float(np.max(delays)), **png}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(report, indent=1) + "\n")
    print(f"live curves: {report['redraws']} redraws, median {report['median_ms']:.0f} ms from the "
          f"kernel to the picture (worst {report['worst_ms']:.0f} ms), at most "
          f"{report['state_bytes'] / 1000:.0f} kB a state\n"
          f"the same as a PNG: {report['png_ms']:.0f} ms in the kernel alone, "
          f"{report['png_bytes'] / 1000:.0f} kB")
    print(f"\nwritten: {OUTPUT}")


if __name__ == "__main__":
    main()
