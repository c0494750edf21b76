"""What the strict lane leaves out when it compares outputs: forms other than plain text."""


def pytest_collectstart(collector):
    """Let nbval pass over HTML and SVG, whose plain-text twins it does compare."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("text/html", "image/svg+xml")
