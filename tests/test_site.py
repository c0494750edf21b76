"""The site: every lesson is there, links lead somewhere, nothing is loaded from elsewhere."""

from __future__ import annotations

import json
import posixpath
import re
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup
from build_site import FILES, PANELS, PICTURES, SiteError, site_files, write_site
from hypothesis import given
from hypothesis import strategies as st
from site_pages import pieces
from site_project import PIXEL, ROOT, add, code, lesson, project_with_recordings, shown, svg
from site_project import tiny_project as make_tiny

from workbench.course import verdict

NOTEBOOKS = sorted(p.relative_to(ROOT / "notebooks").with_suffix("").as_posix()
                   for pattern in ("*.ipynb", "more/*.ipynb")
                   for p in (ROOT / "notebooks").glob(pattern))
LOADS = ("img", "script", "source", "iframe", "embed", "object", "video", "audio", "image", "use")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return site_files(project_with_recordings(tmp_path_factory.mktemp("project")))


@pytest.fixture(scope="module")
def pages(files):
    return {url: BeautifulSoup(content, "html.parser") for url, content in files.items()
            if url.endswith(".html")}


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.setattr("build_site.PICTURES", {})
    return make_tiny(tmp_path / "tiny")


def soup_of(files, url="notebooks/more/deep.html"):
    return BeautifulSoup(files[url], "html.parser")


def leads_to(url, link):
    return posixpath.normpath(posixpath.join(posixpath.dirname(url), unquote(urlsplit(link).path)))


def test_every_lesson_has_a_page_with_all_its_pictures_and_verdicts(pages):
    for name in NOTEBOOKS:
        outputs = [o for c in nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4).cells
                   for o in c.get("outputs", [])]
        page = pages[f"notebooks/{name}.html"]
        pictures = [o for o in outputs if "image/png" in o.get("data", {})
                    or "image/svg+xml" in o.get("data", {})]
        assert len(page.select(".output img, .output svg")) >= len(pictures), name
        printed = "".join(o.text for o in outputs if o.output_type == "stream")
        assert len(page.select(".verdict")) == len(re.findall("^Verdict: ", printed, re.M)), name


def test_the_first_page_and_the_list_have_every_lesson(pages):
    mains = [name for name in NOTEBOOKS if "/" not in name]
    cards = pages["index.html"].select(".card")
    assert [c.a["href"] for c in cards] == [f"notebooks/{name}.html" for name in mains]
    for card in cards:
        assert re.search(r"\d+ minutes", card.get_text()) and len(card.p.get_text()) > 20
        assert card.find("img")
    linked = {a["href"] for a in pages["index.html"].select("main a[href]")}
    entries = pages["lessons.html"].select(".entry")
    for name in NOTEBOOKS:
        assert f"notebooks/{name}.html" in linked
    assert sorted(e.a["href"] for e in entries) == [f"notebooks/{name}.html" for name in NOTEBOOKS]
    for entry in entries:
        assert re.search(r"Claim: \w.{60}.*Time: (about )?\d+ minutes", entry.get_text(), re.S)
        verdicts = [li.get_text() for li in entry.select("details li")]
        assert verdicts and all(text.endswith(".") and "Verdict:" not in text for text in verdicts)
    assert set(PICTURES) <= set(mains)


def test_every_link_and_anchor_leads_to_something_and_external_links_are_counted(files, pages):
    ids = {url: [e["id"] for e in page.select("[id]")] for url, page in pages.items()}
    assert [url for url, own in ids.items() if len(set(own)) < len(own)] == []
    external, broken = 0, []
    for url, page in pages.items():
        for link in (element["href"] for element in page.select("[href]")):
            parts = urlsplit(link)
            if parts.scheme in ("http", "https"):
                external += 1
                continue
            target = leads_to(url, link) if parts.path else url
            if parts.scheme == "data":
                continue
            if target not in files or unquote(parts.fragment) not in ("", *ids.get(target, ())):
                broken.append((url, link))
    assert broken == []
    assert external > 20, "references to papers"


def test_nothing_is_loaded_from_elsewhere(files, pages):
    for url, page in pages.items():
        loaded = [element.get("src") or element.get("href") or element.get("data")
                  for element in page.find_all([*LOADS, "link"])]
        for link in filter(None, loaded):
            assert link == "data:," or leads_to(url, link) in files, (url, link)
        assert not page.select("[srcset], style:-soup-contains('@import'), base, meta[http-equiv]")
    assert b"url(" not in files["style.css"] and b"@import" not in files["style.css"]
    for name in ("page.js", "search.js"):
        assert not re.search(rb"https?:|import\b|fetch\(", files[name])


def test_every_image_has_its_words_and_its_size(pages):
    images = [image for page in pages.values() for image in page.find_all("img")]
    assert len(images) > 150
    for image in images:
        assert len(image["alt"].split()) > 2 and (image["src"].endswith(".svg") or image["width"])
    for drawing in (d for page in pages.values() for d in page.find_all("svg")):
        assert drawing.get("aria-label") or drawing.find("title") or drawing.get("aria-hidden")


def test_every_formula_is_mathml_without_remains_of_tex(pages):
    formulas = [f for page in pages.values() for f in page.find_all("math")]
    assert len(formulas) > 500
    assert [str(f) for f in formulas if "\\" in f.get_text() or f.find("merror")] == []
    prose = [p.get_text() for page in pages.values() for p in page.select(".prose > p")]
    assert [text for text in prose if re.search(r"\$[^$\s][^$]*\$", text)] == []


def test_the_search_index_has_headings_and_prose_of_every_lesson(files, pages):
    text = files["search-index.js"].decode().removeprefix("const SECTIONS = ").rstrip(";\n")
    sections = json.loads(text.replace("<\\/", "</"))
    found = {section["url"].partition("#")[0] for section in sections}
    assert found == {f"notebooks/{name}.html" for name in [*NOTEBOOKS, "GLOSSARY"]}
    for section in sections:
        url, _, anchor = section["url"].partition("#")
        assert not anchor or pages[url].find(id=anchor), section["url"]
    loop = next(s for s in sections if s["heading"] == "The idea in one step")
    assert loop["page"].startswith("5. SDFT") and "The student answers the question" in loop["text"]


def test_each_panel_has_its_recording_and_player_in_the_page(files, pages):
    page = pages["index.html"]
    for name in PANELS:
        section = page.select_one(f".panel:has([data-recording={name}])")
        assert section.h2.get_text().endswith(".") and section.find("noscript")
        recording = json.loads(page.find(id=f"recording-{name}").string)
        assert recording["words"].split() == section.details.p.get_text().split()
    assert "function mount(" in page.find("script", type="module").string


def test_a_project_without_recordings_has_no_panels(tiny):
    page = soup_of(site_files(tiny), "index.html")
    assert not page.select(".panel") and not page.find("script", type="module")


def test_links_lead_to_pages_and_documents_and_to_files_only_in_a_repository(tiny):
    add(tiny, "[g](../GLOSSARY.md#soft-label) [card](../../data/intents/) [code](../../code.py)")
    files = site_files(tiny)
    assert soup_of(files, "notebooks/GLOSSARY.html").find(id="soft-label")
    links = {a.get_text(): a["href"] for a in soup_of(files).select("main a")}
    assert links["g"] == "../../notebooks/GLOSSARY.html#soft-label"
    assert links["card"] == "../../data/intents/README.html" and "data/intents/README.html" in files
    assert "code" not in links and "code" in soup_of(files).main.get_text()
    there = soup_of(site_files(tiny, "https://example.org/x"))
    assert {a["href"] for a in there.select("main a")} >= {"https://example.org/x/blob/main/code.py"}


@pytest.mark.parametrize(("cell", "words"), [
    ("[x](../no_such.ipynb)", "'../no_such.ipynb' leads to no file"),
    ("[x](../../../outside.md)", "leads to no file"),
    (code(shown({"text/html": f'<img src="data:image/png;base64,{PIXEL}">'})),
     "no alternative text"),
])
def test_what_a_page_cannot_show_is_named_with_its_lesson(tiny, cell, words):
    add(tiny, cell)
    with pytest.raises(SiteError, match="notebooks/more/deep.ipynb") as error:
        site_files(tiny)
    assert words in str(error.value)


@pytest.mark.parametrize("faulty", [lesson(claim="> Nothing"), lesson(time="")])
def test_a_lesson_without_claim_or_time_is_refused(tiny, faulty):
    nbformat.write(faulty, tiny / "notebooks" / "more" / "deep.ipynb")
    with pytest.raises(SiteError, match="deep.ipynb.*(claim|Time)"):
        site_files(tiny)


def test_a_lesson_that_the_course_does_not_list_is_refused(tiny):
    nbformat.write(lesson(), tiny / "notebooks" / "more" / "lost.ipynb")
    with pytest.raises(SiteError, match="lack lost"):
        site_files(tiny)


def test_a_widget_is_shown_as_its_picture(tiny):
    picture = f'<img alt="a curve" src="data:image/png;base64,{PIXEL}">'
    add(tiny, code(shown({"application/vnd.jupyter.widget-view+json": {"model_id": "x"},
                          "text/html": picture, "image/png": PIXEL, "text/plain": "a curve"})))
    files = site_files(tiny)
    output = soup_of(files).select_one(".output")
    assert output.img["alt"] == "a curve" and "operate it in the notebook" in output.get_text()
    assert files["pictures/more-deep-1.png"].startswith(b"\x89PNG")
    assert soup_of(files, "lessons.html").find("img")["src"] == "pictures/more-deep-1.png"


def test_drawings_and_bare_pictures_keep_their_words(tiny):
    drawing = f'<img alt="two boxes" src="data:image/svg+xml;base64,{svg()}">'
    dot = shown({"image/png": PIXEL, "text/plain": "a dot"}, **{"image/png": {"alt": "a"}})
    add(tiny, code(shown({"text/html": drawing}), dot))
    first, second = soup_of(site_files(tiny)).select(".output img")
    assert (first["alt"], first["src"][-4:]) == ("two boxes", ".svg")
    assert (second["alt"], second["src"][-4:]) == ("a", ".png")


SENTENCES = st.lists(st.text("abcxyz", min_size=1, max_size=18), min_size=1, max_size=60).map(
    lambda words: " ".join(words) + ".")


@given(st.lists(SENTENCES, min_size=1, max_size=4))
def test_printed_verdicts_are_read_as_they_were_said(sentences):
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()) as printed:
        print("task    accuracy\nfirst       61 %")
        for sentence in sentences:
            verdict(sentence, True)
            print("  a table")
    result = pieces(printed.getvalue())
    assert result[0] == ("text", "task    accuracy\nfirst       61 %")
    assert [text for kind, text in result if kind == "verdict"] == sentences


def test_a_build_replaces_what_an_earlier_one_wrote_and_nothing_else(tmp_path):
    write_site({"a.html": b"1", "old/b.html": b"1"}, tmp_path)
    (tmp_path / "mine.txt").write_text("mine")
    write_site({"a.html": b"2"}, tmp_path)
    there = {p.name for p in tmp_path.rglob("*") if p.is_file()}
    assert there == {"a.html", "mine.txt", FILES} and (tmp_path / "a.html").read_bytes() == b"2"
    with pytest.raises(SiteError, match=r"mine\.txt was not written by this program"):
        write_site({"a.html": b"3", "mine.txt": b"3"}, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert (tmp_path / "a.html").read_bytes() == b"2"


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / FILES).write_text("../precious\n")
    (tmp_path.parent / "precious").write_text("x")
    with pytest.raises(SiteError):
        write_site({"a.html": b"1"}, tmp_path)
    assert (tmp_path.parent / "precious").exists()
