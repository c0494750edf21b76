"""Folded numbers in JupyterLab: opened, and downloaded as CSV, by keyboard."""

from __future__ import annotations

from pathlib import Path

CELL = """
import pandas as pd
import workbench as wb
wb.show_numbers(pd.DataFrame({"new": [0.61, 0.5]}, ["sft", "sdft"]), "2 methods", "{:.0%}".format)
"""


def test_numbers_are_one_key_away_and_their_file_is_another(page_of, screenshot):
    page = page_of("numbers", [CELL])
    summary = page.get_by_text("The numbers: 2 methods")
    assert not page.get_by_role("cell", name="61%").is_visible()
    summary.focus()
    page.keyboard.press("Enter")
    page.get_by_role("cell", name="61%").wait_for()
    screenshot(page, "numbers")
    page.get_by_role("link", name="Download as CSV: 2 methods").focus()
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "2-methods.csv"
    assert Path(download.value.path()).read_text() == ",new\nsft,0.61\nsdft,0.5\n"
