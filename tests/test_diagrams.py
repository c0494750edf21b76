"""Diagrams: true to the course, readable on a projector, and shown as vector graphics."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

import workbench as wb
from workbench.errors import UnknownNameError
from workbench.learners import fit, make_optimizer
from workbench.measure.gate import LEAST_ACCURACY, MOST_ARTEFACTS, gate
from workbench.models import load_causal_lm, make_prompt, sample
from workbench.plots import alt_text, diagrams, display, task_diagrams, use_style
from workbench.plots.diagram_shapes import tidy
from workbench.plots.diagrams import DIAGRAMS, diagram
from workbench.tasks import load_skill, make_stream

ESSENCE = {
    "teacher_and_student": "The gradient goes to the student only.",
    "target_words": "the target words are the expert's in SFT, and the model's own in the others",
    "scenarios": "The answers 0, 1, 2 and 3 are all allowed, so this is the hardest question.",
    "accuracy_matrix": "task 0 falls from 95 % to 60 %, 35 points",
    "gate": "SDFT may start with tiny, and not with nano.",
    "village": "new, who keeps the red drum? karl.",
    "retrieval": "The adapter of the retrieved task answers: 6.",
    "composition": "Task 2 trains only these numbers and the new part."}
"""What each diagram is there for, as its alternative text says it."""
by_name = pytest.mark.parametrize("name", DIAGRAMS)


@pytest.fixture(autouse=True)
def style():
    with mpl.rc_context():
        use_style()
        yield


def words_of(name: str) -> list[str]:
    """Return the texts of a diagram, each on one line."""
    return [" ".join(text.get_text().split()) for text in diagram(name).axes[0].texts]


def contrast(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the contrast ratio of colours in sRGB, from 1 to 21, as WCAG 2 defines it."""
    light = [np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
             @ [0.2126, 0.7152, 0.0722] + 0.05 for colour in (one, other)]
    return np.maximum(*light) / np.minimum(*light)


@by_name
def test_the_alternative_text_says_what_the_diagram_is_there_for(name):
    words = alt_text(diagram(name))
    assert ESSENCE[name] in words and words.startswith("Diagram of ")
    assert 200 < len(words) < 1200 and "\n" not in words


@by_name
def test_words_are_large_enough_for_a_projector(name):
    figure = diagram(name)
    texts = figure.axes[0].texts
    assert min(text.get_fontsize() for text in texts) >= 11
    assert tuple(figure.get_size_inches()) == (8, 3.6)
    assert sum(len(text.get_text().split()) for text in texts) <= 125, "few words"


@by_name
@pytest.mark.parametrize("dpi", [96, 288])
def test_words_stand_on_one_colour_with_enough_contrast(name, dpi):
    """So no line crosses words, no words leave their box, and all can be read."""
    figure = diagram(name)
    figure.set_dpi(dpi)
    canvas, texts = FigureCanvasAgg(figure), figure.axes[0].texts
    canvas.draw()
    boxes = [text.get_window_extent().padded(dpi / 96) for text in texts]
    for text in texts:
        text.set_visible(False)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[::-1, :, :3] / 255
    for text, box in zip(texts, boxes, strict=True):
        ground = pixels[int(box.y0):int(box.y1) + 1, int(box.x0):int(box.x1) + 1].reshape(-1, 3)
        assert np.ptp(ground, axis=0).max() < 0.02, f"more than one colour under {text}"
        assert contrast(np.array(to_rgb(text.get_color())), ground).min() >= 4.5, text


def test_contrast_is_that_of_the_web():
    black, white, grey = np.zeros(3), np.ones(3), np.full(3, 0x77 / 255)
    assert contrast(black, white) == pytest.approx(21)
    assert contrast(grey, white) == pytest.approx(4.48, abs=0.01)


@by_name
def test_a_diagram_is_the_same_small_vector_graphic_each_time(name):
    one, other = (display.svg(diagram(name)) for _ in range(2))
    assert one == other and len(one) < 64_000
    root = ElementTree.fromstring(one)
    assert root.tag.endswith("svg") and root.get("width") == "576pt"
    assert not root.findall(".//{*}text") and not root.findall(".//{*}image"), "only outlines"
    names = {f"#{part.get('id')}" for part in root.iter()}
    used = {value for part in root.iter() for key, value in part.items() if key.endswith("href")}
    assert used and used <= names


def test_show_hands_over_a_vector_graphic_with_its_words_and_a_png(monkeypatch):
    printed = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, **more: printed.append(bundle))
    wb.show(diagram("gate"), vector=True)
    picture, words = printed[0], alt_text(diagram("gate"))
    tag = ElementTree.fromstring(picture["text/html"] + "</img>")
    kind, data = tag.get("src").split(",")
    assert kind == "data:image/svg+xml;base64" and tag.get("alt") == words
    assert base64.b64decode(data).decode() == display.svg(diagram("gate"))
    assert base64.b64decode(picture["image/png"]).startswith(b"\x89PNG")
    assert picture["text/plain"] == words and words.split("'")[0] in printed[1]["text/html"]


def test_an_unknown_diagram_is_refused_with_the_names_there_are():
    with pytest.raises(UnknownNameError, match="teacher_and_student"):
        diagram("teacher")


# What the diagrams say is true

@pytest.fixture(scope="module")
def tiny():
    return load_causal_lm("tiny")


def test_teacher_and_student_say_what_the_model_says(tiny):
    model, tokenizer = tiny
    fact = load_skill("facts-new", "train")[0]
    prompts = [make_prompt(tokenizer, fact.prompt, demonstration=fact.demonstration),
               make_prompt(tokenizer, fact.prompt)]
    answer = sample(model, tokenizer, prompts[1:], temperature=1.0,
                    rng=torch.Generator().manual_seed(0))
    shares = []
    for prompt in prompts:
        ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = model(torch.cat([ids, answer.ids], 1)).logits[0, ids.shape[1] - 1:-1]
        shares.append(logits.softmax(-1))
    drawn = words_of("teacher_and_student")
    assert drawn.count(tidy(fact.prompt)) == 2 and fact.demonstration in drawn
    assert answer.texts == ["so we get ivo ."]
    for word in answer.texts[0].split()[:4]:
        assert drawn.count(word) == 2
    said = [int(text[:-2]) for text in drawn if re.fullmatch(r"\d+ %", text)]
    right = [[100 * float(p[t, token]) for t, token in enumerate(answer.ids[0][:4].tolist())]
             for p in shares]
    assert said == pytest.approx(np.ravel(right), abs=1)
    assert shares[0][3, tokenizer.convert_tokens_to_ids(fact.answer)] > 0.995
    assert f"{fact.answer} 100 %" in drawn


def test_the_targets_are_words_of_the_expert_and_of_the_teacher(tiny):
    model, tokenizer = tiny
    fact = load_skill("facts-new", "train")[0]
    drawn = words_of("target_words")
    assert fact.demonstration.startswith("my old friend ") and drawn.count("karl") == 4
    prompt = make_prompt(tokenizer, fact.prompt, demonstration=fact.demonstration)
    ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        top = model(ids).logits[0, -1].softmax(-1).topk(2)
    assert set(tokenizer.convert_ids_to_tokens(top.indices.tolist())) == {"so", "the"}
    assert top.values.tolist() == pytest.approx([0.5, 0.5], abs=0.03), "halves of a box"


@pytest.mark.parametrize("model", diagrams.GATE)
def test_the_lamps_are_those_of_the_gate(model, tiny):
    items = load_skill("facts-new", "train")[:64]
    report = gate(load_causal_lm(model)[0], tiny[1], items, name=model)
    right = {name: 100 * rates["right"]["rate"] for name, rates in report.context.items()}
    measured = [(right["own"], right["none"]), (right["own"], 100 * LEAST_ACCURACY),
                (right["own"], right["other"]),
                (report.teacher_kl["per_response"], report.target_kl["per_response"])]
    values, lamps = zip(*diagrams.GATE[model], strict=True)
    assert np.ravel(values) == pytest.approx(np.ravel(measured), abs=1)
    assert list(lamps) == [condition.holds for condition in report.conditions[1:5]]
    assert report.conditions[0].holds and report.conditions[5].holds, "not drawn, but on"
    assert report.passed == all(lamps) and MOST_ARTEFACTS == 0.05


def test_the_village_asks_questions_of_its_files():
    drawn = words_of("village")
    for _, known, known_question, new, new_question in diagrams.PLACES:
        for skill, question in ((known, known_question), (new, new_question)):
            answers = {item.answer for item in load_skill(skill) if tidy(item.prompt) == question}
            assert len(answers) == 1
            assert question in drawn and f"→ {tidy(*answers)}" in drawn
        assert new.endswith("-new") and not known.endswith("-new")


def test_the_scenarios_allow_the_answers_of_the_streams():
    words = alt_text(diagram("scenarios"))
    for scenario, allowed in (("task", [2, 3]), ("domain", [0, 1]), ("class", [0, 1, 2, 3])):
        mask = make_stream("split-digits", scenario=scenario).mask(trained=1, tested=1)
        assert torch.nonzero(mask).flatten().tolist() == allowed
    assert "The answers 2 and 3 are allowed, 0 and 1 are not." in words


def test_the_accuracy_matrix_is_that_of_lesson_02():
    matrix = wb.AccuracyMatrix(task_diagrams.ACCURACIES)
    measures, _ = wb.summarise(matrix)
    drawn = words_of("accuracy_matrix")
    assert f"mean: ACC {100 * measures['ACC']:.0f} %" in drawn
    assert f"mean: learning accuracy {100 * measures['learning_accuracy']:.0f} %" in drawn
    lesson = Path(__file__).parents[1] / "notebooks" / "source" / "02_measuring_retention.py"
    cells = ", ".join(f"[{', '.join(f'{v:.2f}' for v in row)}]" for row in matrix.R)
    assert f"np.array([{cells}])" in lesson.read_text()


def test_the_learned_numbers_are_those_of_lesson_11():
    stream = make_stream("digits-tasks", tasks=3)
    learner = wb.make_learner(wb.RunConfig(
        stream="digits-tasks", learner="composed", seeds=(0,), steps=150, lr=1e-3,
        options={"orthogonality": 0.5}), stream)
    for task in stream.tasks:
        learner.begin(task)
        list(fit(learner, task, make_optimizer(learner, 1e-3), steps=150, batch_size=32))
        learner.end(task)
    learned = learner.model.modules(0)[2].coefficients[0].detach().numpy()
    assert learned == pytest.approx(task_diagrams.COEFFICIENTS, abs=0.2)
