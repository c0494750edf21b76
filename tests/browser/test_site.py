"""The site in Chromium, opened from disk: accessible, searched by keyboard, nothing fetched."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from build_site import PANELS, site_files, write_site
from site_project import project_with_recordings

SERIOUS = ("serious", "critical")
LESSON = "notebooks/05_sdft.html"
MARK_NEW_KINDS = """(known) => {
    const kinds = new Set(known);
    for (let one of document.querySelectorAll('body *')) {
        if (![...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
        one = one.closest('math') || one;
        let kind = '';
        for (let part = one; part; part = part.parentElement) {
            kind += [part.tagName, part.getAttribute('class'), part.getAttribute('style'), ''];
        }
        if (!kinds.has(kind)) one.dataset.newKind = '';
        kinds.add(kind);
    }
    return [...kinds].slice(known.length);
}"""
"""Marks texts whose element and surroundings are of a kind that no page before had.

One style sheet gives all pages their colours, so the contrast of one text of each kind is that of
all. To measure each text of each page in both themes takes axe several minutes.
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    write_site(site_files(project_with_recordings(tmp_path_factory.mktemp("project"))), folder)
    return folder


@pytest.fixture
def visit(browser, site, request):
    """Open a page of the site; fails at the end if it asked for anything else or had an error."""
    opened, faults = [], []

    def goto(url, width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        opened.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda asked: faults.append(asked.url)
                if not asked.url.startswith((site.as_uri(), "data:")) else None)
        page.goto(f"{site.as_uri()}/{url}")
        return page

    yield goto
    for context in opened:
        context.close()
    assert faults == []


def pages(site):
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))


def findings(page, context=None, **options):
    found = Axe().run(page, context, {"resultTypes": ["violations"], **options}).response
    return [(one["id"], node["target"], node["html"][:100]) for one in found["violations"]
            if one["impact"] in SERIOUS for node in one["nodes"][:3]]


def test_no_page_has_a_serious_finding_of_axe(visit, site):
    page, serious, known = visit("index.html"), {}, []
    for url in pages(site):
        page.goto(f"{site.as_uri()}/{url}")
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        found = findings(page, rules={"color-contrast": {"enabled": False}})
        if new := page.evaluate(MARK_NEW_KINDS, known):
            known += new
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                found += findings(page, "[data-new-kind]", runOnly=["color-contrast"])
        if found:
            serious[url] = found
    assert serious == {}
    assert len(known) > 50


def test_axe_does_find_a_fault(visit):
    page = visit("search.html")
    page.evaluate("document.querySelector('main').innerHTML = '<img src=\"data:,\">'")
    assert {one[0] for one in findings(page)} == {"image-alt"}


def test_no_page_is_wider_than_a_phone(visit, site):
    page = visit("index.html", width=390)
    wide = []
    for url in pages(site):
        page.goto(f"{site.as_uri()}/{url}")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(url)
    assert wide == []


def test_the_search_works_by_keyboard_from_any_page(visit, screenshot):
    page = visit(LESSON)
    for _ in range(8):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.type") == "search":
            break
    page.keyboard.type("teacher and demonstr")
    page.keyboard.press("Enter")
    page.locator("#results a").first.wait_for()
    assert "q=teacher" in page.url and "found" in page.locator("#count").inner_text()
    assert page.evaluate("document.activeElement.id") == "query"
    assert {text.lower() for text in page.locator("mark").all_inner_texts()} >= {"demonstr"}
    page.locator("#query").fill("token_kl")
    page.locator("#results mark", has_text="token_kl").first.wait_for()
    screenshot(page, "site-search")
    page.keyboard.press("Tab")
    target = page.evaluate("document.activeElement.href")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "search.html" not in url)
    assert page.url == target and "#" in target
    assert page.evaluate("document.getElementById(decodeURIComponent(location.hash.slice(1)))"
                         ".getBoundingClientRect().top < innerHeight")


def test_a_search_without_a_result_says_so(visit):
    page = visit("search.html?q=xylophone+(")
    assert page.locator("#count").inner_text() == "No sections found"


def test_code_is_folded_and_one_button_shows_all_of_it(visit, screenshot):
    page = visit(LESSON)
    code = page.locator("details.code .highlight")
    assert code.count() > 5 and not code.first.is_visible()
    page.get_by_role("button", name="Show all code").click()
    assert all(one.is_visible() for one in code.all())
    screenshot(page, "site-lesson")


def test_wide_boxes_scroll_and_can_be_reached_by_keyboard(visit):
    page = visit(LESSON, width=390)
    boxes = page.evaluate("""async () => {
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 200)));
        return [...document.querySelectorAll('.output pre')].map(
            (box) => [box.scrollWidth > box.clientWidth, box.tabIndex]);
    }""")
    assert any(wide for wide, _ in boxes) and all(wide == (index == 0) for wide, index in boxes)


def test_the_recordings_play_when_the_page_is_opened_from_disk(visit, screenshot):
    page = visit("index.html")
    for name in PANELS:
        player = page.locator(f".player[data-recording={name}]")
        player.scroll_into_view_if_needed()
        assert player.inner_text().strip()
        if player.get_by_role("slider").count():  # the stub has none
            player.get_by_role("button", name="Pause").wait_for()
        screenshot(page, f"site-{name}")
