"""What the strict lane leaves out when it compares outputs, and the order of the notebooks."""


def pytest_collectstart(collector):
    """Let nbval pass over HTML and SVG, whose plain-text twins it does compare."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("text/html", "image/svg+xml")


def pytest_collection_modifyitems(items):
    """Begin with the notebooks that took longest when they were built."""
    items.sort(key=lambda cell: -cell.parent.nb.metadata["workbench"]["used"]["seconds"])
