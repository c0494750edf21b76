"""A real JupyterLab, served as `make lab` serves it, and a headless Chromium looking at it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import nbformat
import pytest
from build_lessons import KERNEL
from steps import ERRORS

from workbench.course import serving
from workbench.course.doctor import find_chromium

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "artifacts" / "browser"
TOKEN = "browser-tests"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
         "--disable-component-update", "--no-first-run", "--disable-quic"]
PATIENCE_MS = 60_000
"""How long anything expected of a page may take, on a busy machine."""
LONGEST_MS = 600_000
"""How long a notebook may run there."""
ALL_DONE = """() => {
    const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]
        .map(prompt => prompt.innerText);
    const fault = document.querySelector(
        ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']");
    return prompts.length && (prompts.every(text => /\\d/.test(text))
                              || fault && !prompts.some(text => text.includes('*')));
}"""
"""Whether every cell has its number, or an error has ended the run."""


@pytest.fixture(scope="session")
def chromium():
    path = find_chromium()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing, and with CI=true nothing may be skipped: "
                        "apt-get install chromium")
        pytest.skip("Chromium is missing: apt-get install chromium")
    return path


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Serve a copy of the course, so that no test writes into the stored notebooks."""
    root = tmp_path_factory.mktemp("lab")
    for folder in ("notebooks", "data"):
        shutil.copytree(ROOT / folder, root / folder)
    settings = root / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # All cells are kept in the page, so that a test may look for any of them.
    (settings / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}))
    with serving.lab(root, TOKEN, settings=root / "settings") as url:
        yield url


@pytest.fixture(scope="session")
def browser(chromium):
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser):
    opened = browser.new_page(viewport={"width": 1400, "height": 1000})
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def screenshot():
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def take(page, name):
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return take


@pytest.fixture
def open_notebook(lab, page):
    """Open a notebook of the course, with its kernel ready."""
    def opened(name):
        page.goto(f"{lab}/lab/tree/notebooks/{name}.ipynb?token={TOKEN}&reset")
        page.locator(".jp-NotebookPanel:visible").wait_for()
        # Cells run before the kernel is there end in a dialogue that blocks everything.
        page.get_by_text("| Idle").first.wait_for()
        return page

    return opened


@pytest.fixture
def run_all():
    """Run all cells of the open notebook and wait until the last one is done."""
    def ran(page):
        # First without the stored numbers, which would look as if the cells had just been run.
        for menu, entry in (("Edit", "Clear Outputs of All Cells"), ("Run", "Run All Cells")):
            page.get_by_role("menuitem", name=menu, exact=True).click()
            page.get_by_role("menuitem", name=entry, exact=True).click()
        page.wait_for_function(ALL_DONE, timeout=LONGEST_MS)
        prompts = page.locator(".jp-CodeCell .jp-InputPrompt")
        return [text.strip("[]: ") for text in prompts.all_inner_texts()]

    return ran


@pytest.fixture
def page_of(lab, open_notebook, run_all, tmp_path_factory):
    """Write cells to a notebook, open it, run it without an error, and return its page."""
    def opened(name, cells):
        notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL}, cells=[
            nbformat.v4.new_code_cell(cell.strip()) for cell in cells])
        folder = next(p for p in tmp_path_factory.getbasetemp().glob("lab*/notebooks"))
        nbformat.write(notebook, folder / f"{name}.ipynb")
        page = open_notebook(name)
        page.set_viewport_size({"width": 1280, "height": 900})
        run_all(page)
        errors = page.locator(ERRORS)
        assert errors.count() == 0, errors.first.inner_text()
        return page

    return opened
