"""What several browser tests look for on a page."""

ERRORS = ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']"
"""Outputs that are errors."""


def box_with(page, label):
    """The output that holds a control with this label (a slider's is not tied to it)."""
    box = page.locator(".jp-OutputArea-output").filter(
        has=page.locator("label", has_text=label)).first
    box.scroll_into_view_if_needed()
    return box, box.locator(".workbench-words")
