"""Draw the second figure of the README, docs/images/explorer.png: the cluster explorer on messages.

    python scripts/draw_explorer.py

JupyterLab opens the further lesson *Retrieval of messages* in headless Chromium and runs it; then
the errors of the task *banking* are chosen.
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import sync_playwright

from workbench.course.doctor import find_chromium
from workbench.course.lab import ROOT
from workbench.course.serving import lab

LESSON, TOKEN = "notebooks/more/retrieval_of_messages.ipynb", "picture"


def take_picture(url: str, path: Path) -> None:
    """Run the lesson in the browser, choose the errors of a task and save the explorer."""
    chromium = find_chromium()
    if chromium is None:
        raise SystemExit("Chromium is missing: install it, for example with apt-get install "
                         "chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium,
                                             args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 1400})
        page.set_default_timeout(300_000)
        page.goto(f"{url}/lab/tree/{LESSON}?token={TOKEN}&reset")
        page.get_by_text("| Idle").first.wait_for()
        page.keyboard.press("Control+b")  # hides the list of files
        for menu, entry in (("Edit", "Clear Outputs of All Cells"), ("Run", "Run All Cells")):
            page.get_by_role("menuitem", name=menu, exact=True).click()
            page.get_by_role("menuitem", name=entry, exact=True).click()
        box = page.locator(".jp-OutputArea-output").filter(has=page.locator(".workbench-contents"))
        box.get_by_label("task", exact=True).select_option("banking")
        box.get_by_label("group").select_option("errors")
        page.wait_for_timeout(5000)  # the points are drawn anew
        box.screenshot(path=path)
        browser.close()


def main() -> None:
    """Serve the course and take the picture."""
    with lab(ROOT, TOKEN) as url:
        take_picture(url, Path("docs/images/explorer.png"))


if __name__ == "__main__":
    main()
