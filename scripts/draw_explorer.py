"""Draw the second figure of the README, docs/images/explorer.png: the cluster explorer on messages.

    python scripts/draw_explorer.py

JupyterLab opens the further lesson *Retrieval of messages* in headless Chromium and runs it; then
the errors of the task *banking* are chosen.
"""

from __future__ import annotations

import secrets
import subprocess
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

from workbench.course.doctor import find_chromium
from workbench.course.lab import command, environment

LESSON, PORT, TOKEN = "notebooks/more/retrieval_of_messages.ipynb", 8899, secrets.token_hex()
URL = f"http://127.0.0.1:{PORT}"


def wait_for_server() -> None:
    """Return when JupyterLab answers; raise `OSError` if it does not within a minute."""
    for _ in range(60):
        try:
            urllib.request.urlopen(f"{URL}/api/status?token={TOKEN}", timeout=10).read()
            return
        except OSError:
            time.sleep(1)
    raise OSError(f"JupyterLab does not answer on {URL}. Is the port in use?")


def take_picture(path: Path) -> None:
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
        page.goto(f"{URL}/lab/tree/{LESSON}?token={TOKEN}&reset")
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
    """Serve the course, take the picture, and stop the server."""
    extra = [f"--ServerApp.port={PORT}", "--ServerApp.port_retries=0",
             f"--IdentityProvider.token={TOKEN}"]
    server = subprocess.Popen(command(extra, browser=False), env=environment(),
                              stderr=subprocess.DEVNULL)
    try:
        wait_for_server()
        take_picture(Path("docs/images/explorer.png"))
    finally:
        server.terminate()
        server.wait(60)


if __name__ == "__main__":
    main()
