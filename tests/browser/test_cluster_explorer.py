"""`ClusterExplorer` in a real JupyterLab: every control, hover and a lasso drawn with the mouse."""

from __future__ import annotations

import math
import re

import nbformat
import pytest
from build_lessons import KERNEL
from playwright.sync_api import expect

ERRORS = ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']"
CELLS = ["""
import numpy as np
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import KNeighborsClassifier
import workbench as wb
from workbench.tasks.utterances import read_utterances
from workbench.widgets import ClusterExplorer
wb.prepare_notebook()
chosen = [u for u in read_utterances() if u.task in ("banking", "cooking", "travel")]
texts, tasks = [u.text for u in chosen], np.array([u.task for u in chosen])
words = TfidfVectorizer(min_df=2).fit_transform(texts).toarray()
features = PCA(12, random_state=0).fit_transform(words)
train = np.array([u.split == "train" for u in chosen])
found = KNeighborsClassifier(5).fit(features[train], tasks[train]).predict(features)
""", """
ClusterExplorer(features, tasks, [u.label for u in chosen], texts,
                retrieved=[None if t else name for t, name in zip(train, found)],
                set_sizes=1 + np.arange(len(texts)) % 3, clusters=np.arange(len(texts)) % 4,
                retention={"banking": [0.9, 0.7, 0.4], "cooking": [np.nan, 0.9, 0.8],
                           "travel": [np.nan, np.nan, 0.9]},
                coordinates=features[:, :2])
"""]


@pytest.fixture
def box(lab, page, open_notebook, run_all, tmp_path_factory):
    """The output with the explorer."""
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL}, cells=[
        nbformat.v4.new_code_cell(cell.strip()) for cell in CELLS])
    folder = next(p for p in tmp_path_factory.getbasetemp().glob("lab*/notebooks"))
    nbformat.write(notebook, folder / "clusters.ipynb")
    page.set_viewport_size({"width": 1280, "height": 900})
    faults = []
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    opened = open_notebook("clusters")
    run_all(opened)
    page.keyboard.press("Control+b")  # more room
    errors = opened.locator(ERRORS)
    assert errors.count() == 0, errors.first.inner_text()
    output = opened.locator(".jp-OutputArea-output").filter(
        has=opened.locator(".workbench-contents"))
    expect(output.locator("canvas").first).to_be_visible()
    output.get_by_label("task", exact=True).scroll_into_view_if_needed()
    yield output
    assert not [fault for fault in faults if "draw call" in fault], "a drawing was left out"


def test_each_control_of_the_cluster_explorer(box, page, screenshot):
    words, contents = box.locator(".workbench-words"), box.locator(".workbench-contents")
    expect(words).to_contain_text("600 points of 3 tasks")
    expect(contents).to_contain_text("1 to 6 of 600 points")
    lasso(box, page, contents, screenshot)
    groups(box, page, words, contents, screenshot)
    colours_and_pictures(box, page, words, screenshot)
    umap(box, page, words, screenshot)
    assert box.get_by_role("alert").count() == 0
    assert page.locator(ERRORS).count() == 0, "a control left an error behind"


def lasso(box, page, contents, screenshot):
    canvas = box.locator("canvas").first
    canvas.scroll_into_view_if_needed()
    place = canvas.bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    hovered = box.locator("small").filter(has_text=re.compile("set of"))
    for step in range(40):  # until the pointer meets a point
        page.mouse.move(x - 80 + 4 * step, y - 20 + step)
        page.wait_for_timeout(60)
        if hovered.count():
            break
    expect(hovered.first).to_contain_text("set of")
    box.get_by_title("Activate lasso selection").click()
    across, down = place["width"] * 0.3, place["height"] * 0.3
    page.mouse.move(x + across, y)
    page.mouse.down()
    for step in range(1, 41):
        angle = 2 * math.pi * step / 40
        page.mouse.move(x + across * math.cos(angle), y + down * math.sin(angle))
        page.wait_for_timeout(15)
    page.mouse.up()
    expect(contents).to_contain_text("drawn with the lasso")
    count = int(re.search(r"of (\d+) points", contents.inner_text())[1])
    assert 6 < count < 600
    assert contents.locator("tbody tr").count() == 6
    screenshot(page, "10-clusters-lasso")


def groups(box, page, words, contents, screenshot):
    box.get_by_label("task", exact=True).select_option("banking")
    expect(words).to_contain_text("200 of them emphasised")
    expect(words).to_contain_text("banking from 90 % after stage 1 to 40 % after stage 3")
    box.get_by_label("group").select_option("errors")
    expect(contents).to_contain_text("(banking, errors)")
    for line in contents.locator("tbody tr").all():
        expect(line).to_contain_text("banking: ")
    slider = box.get_by_role("slider")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(contents).to_contain_text("2 to ")
    screenshot(page, "10-clusters-errors")
    box.get_by_label("group").select_option("label lost_card")
    expect(words).to_contain_text("40 of them emphasised")


def colours_and_pictures(box, page, words, screenshot):
    box.get_by_label("task", exact=True).select_option("all tasks")
    for colour, name in (("right or wrong", "wrong"), ("retrieved task", "not tested"),
                         ("set size", "3"), ("cluster", "0"), ("task", "travel")):
        box.get_by_label("colour").select_option(colour)
        legend = box.locator("span").filter(has_text=re.compile(f"^● {name}$"))
        expect(legend.first).to_be_visible()
    for picture in ("LDA", "PCA", "UMAP"):
        box.get_by_label("picture").select_option(picture)
        expect(words).to_contain_text(f"Scatter plot, {picture}: 600")
    shuffled = box.get_by_label("tasks shuffled (control)")
    shuffled.check()
    expect(words).to_contain_text("UMAP, tasks shuffled")
    page.wait_for_timeout(1000)
    screenshot(page, "10-clusters-shuffled")
    shuffled.uncheck()
    expect(words).not_to_contain_text("tasks shuffled")


def umap(box, page, words, screenshot):
    before = words.text_content()
    compute, cancel = (box.get_by_role("button", name=name, exact=True)
                       for name in ("Compute UMAP", "Cancel"))
    compute.click()
    expect(compute).to_be_disabled()
    cancel.click()
    expect(box.get_by_text("Cancelled: the old coordinates are kept.")).to_be_visible()
    expect(words).to_have_text(before)
    expect(compute).to_be_enabled()
    compute.focus()
    page.keyboard.press("Enter")
    expect(box.get_by_text("UMAP with seed 0 is shown.")).to_be_visible()
    expect(words).not_to_have_text(before)
    screenshot(page, "10-clusters-umap")
