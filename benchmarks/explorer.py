"""Time `ClusterExplorer` in headless Chromium: first paint, panning and the lasso.

Run from the repository root::

    .venv/bin/python benchmarks/explorer.py

A JupyterLab is served, and a Chromium without a graphics card draws (SwiftShader), which is slower
than any reader's. Milliseconds per frame with 50,000 points are set beside those with 5,000. The
first paint is the time from running a cell to the first coloured pixel, with imports done. It is
measured with as many points and features as the shipped intents have, too. The result is a table on
standard output and ``artifacts/bench/explorer.json``; it is no test.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from playwright.sync_api import Page, sync_playwright

from workbench.course.doctor import find_chromium
from workbench.course.serving import lab

OUTPUT = Path(__file__).resolve().parent.parent / "artifacts" / "bench" / "explorer.json"
SIZES = {1600: 384, 5000: 64, 50_000: 64}
"""Number of features by number of points."""
TOKEN = "benchmark"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SETUP = """
import numpy as np, jscatter
import workbench as wb
from workbench.widgets import ClusterExplorer
wb.prepare_notebook()
rng = np.random.default_rng(0)
tasks = rng.integers(8, size={points})
features = rng.normal(size=({points}, {features}))
features[:, :8] += 3 * np.eye(8)[tasks]
names = np.array([f"task {{k}}" for k in range(8)])
found = np.where(rng.random({points}) < 0.9, names[tasks], names[0])
around = np.stack([np.cos(tasks * np.pi / 4), np.sin(tasks * np.pi / 4)], 1)
places = 3 * around + rng.normal(size=({points}, 2))
texts = [f"text {{i}}" for i in range({points})]
"""
SHOW = "ClusterExplorer(features, names[tasks], names[tasks], texts, retrieved=found, " \
       "coordinates=places)"
PAINTED = """() => new Promise(done => {
    const began = performance.now(), small = document.createElement('canvas');
    small.width = small.height = 64;
    const pen = small.getContext('2d', {willReadFrequently: true});
    const look = () => {
        for (const canvas of document.querySelectorAll('.jp-OutputArea-output canvas')) {
            if (!canvas.width) continue;
            pen.fillStyle = 'white'; pen.fillRect(0, 0, 64, 64);
            pen.drawImage(canvas, 0, 0, 64, 64);
            const pixels = pen.getImageData(0, 0, 64, 64).data;
            if (pixels.some((value, i) => i % 4 < 3 && value < 200))
                return done(performance.now() - began);
        }
        requestAnimationFrame(look);
    };
    look();
})"""
"""Milliseconds until a canvas in the output has a dark pixel."""
DRAG = """async ([x, y, across, down, steps]) => {
    const canvas = document.elementFromPoint(x, y);
    const fire = (kind, angle) => {
        const place = {clientX: x + across * Math.cos(angle), clientY: y + down * Math.sin(angle)};
        const all = {bubbles: true, cancelable: true, view: window, buttons: 1, ...place};
        canvas.dispatchEvent(new PointerEvent('pointer' + kind, {pointerId: 1, ...all}));
        canvas.dispatchEvent(new MouseEvent('mouse' + kind, all));
    };
    const frame = () => new Promise(requestAnimationFrame), times = [];
    fire('move', 0); await frame();
    fire('down', 0); await frame();
    for (let step = 1; step <= steps; step++) {
        const began = performance.now();
        fire('move', 2 * Math.PI * step / steps);
        await frame();
        times.push(performance.now() - began);
    }
    fire('up', 0);
    return times;
}"""
"""Milliseconds of each frame while the mouse is dragged in an ellipse, with a move in each."""
STEPS = 40


def parse_arguments() -> argparse.Namespace:
    """Return what was asked for on the command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5,
                        help="pans and lassos of each, of which the median counts (default 5)")
    return parser.parse_args()


def measure(page: Page, url: str, folder: Path, points: int, repeats: int) -> dict[str, Any]:
    """Return the times for one number of points."""
    name = f"points_{points}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in (
            SETUP.format(points=points, features=SIZES[points]), SHOW)]), folder / name)
    page.goto(f"{url}/lab/tree/{name}?token={TOKEN}&reset")
    page.get_by_text("| Idle").first.wait_for()
    cells = page.locator(".jp-CodeCell")
    cells.first.click()
    page.keyboard.press("Shift+Enter")
    cells.first.locator(".jp-InputPrompt").get_by_text("[1]:").wait_for()
    page.keyboard.press("Control+b")
    page.keyboard.press("Shift+Enter")
    paint = page.evaluate(PAINTED)
    output = page.locator(".jp-OutputArea-output").filter(
        has=page.locator(".workbench-contents"))
    output.locator(".workbench-words").get_by_text(f"{points} points").wait_for()
    canvas = output.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(2000)
    box = canvas.bounding_box() or {}
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    picture = "canvas => canvas.toDataURL()"
    before, pans, lassos, texts = canvas.evaluate(picture), [], [], []
    for k in range(repeats):
        pans.append(float(np.median(page.evaluate(DRAG, [x, y, 60 + 5 * k, 60, STEPS]))))
    assert canvas.evaluate(picture) != before, "the points did not move"
    output.get_by_title("Activate lasso selection").click()
    for k in range(repeats):
        across = (0.25 + 0.02 * k) * box["width"]
        contents = output.locator(".workbench-contents").inner_text()
        lassos.append(float(np.median(page.evaluate(DRAG, [x, y, across, across, STEPS]))))
        began = time.perf_counter()
        page.wait_for_function(
            "before => document.querySelector('.workbench-contents').innerText != before",
            arg=contents)
        texts.append(1000 * (time.perf_counter() - began))
    return {"points": points, "features": SIZES[points], "first_paint_ms": float(paint),
            "pan_ms": pans, "lasso_ms": lassos, "texts_ms": texts}


def main() -> None:
    """Measure, print, and write the report."""
    asked = parse_arguments()
    with tempfile.TemporaryDirectory() as place, lab(Path(place), TOKEN) as url, \
            sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        results = []
        for points in SIZES:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(180_000)
            results.append(measure(page, url, Path(place), points, asked.repeats))
            page.close()
        browser.close()
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(results, indent=1) + "\n")
    print(f"# ClusterExplorer in headless Chromium, medians of {asked.repeats}\n")
    print("| points | features | first paint | pan, a frame | lasso, a frame | lasso to texts |")
    print("|---|---|---|---|---|---|")
    for row in results:
        times = [f"{np.median(row[key]):.0f} ms" for key in
                 ("first_paint_ms", "pan_ms", "lasso_ms", "texts_ms")]
        print(f"| {row['points']:,} | {row['features']} | {' | '.join(times)} |")
    ratios = [np.median(results[-1][key]) / np.median(results[-2][key])
              for key in ("pan_ms", "lasso_ms")]
    print(f"\n50,000 against 5,000 points: a frame takes {ratios[0]:.2f} times as long when "
          f"panning, {ratios[1]:.2f} times as long with the lasso")
    print(f"\nwritten: {OUTPUT}")


if __name__ == "__main__":
    main()
