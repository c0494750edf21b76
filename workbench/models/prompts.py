"""Prompts of the student, with the question alone, and of the teacher, with context before it.

Chat templates differ in the arguments that they take. Each template is examined once, by rendering
it with marker texts.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

EXAMPLE_TURN = """
{question}

This is an example for a response to the question:
{demonstration}

Now answer with a response of your own, including the thinking process.
"""
"""The teacher's turn of arXiv 2601.19897, for models whose chat template takes no demonstration."""

MARKERS = {"question": "marker 7 of the question", "demonstration": "marker 8 shown by the expert",
           "article": "marker 9 from the article"}


@dataclass(frozen=True)
class TemplateForm:
    """The arguments that a chat template takes."""

    parts: bool
    """Whether the content of a message is a list of parts (``[{"type": "text", "text": ...}]``), as
    in models that also see images, or a text."""
    takes: frozenset[str]
    """Which of the arguments ``demonstration`` and ``article`` it renders."""


def make_prompt(tokenizer: PreTrainedTokenizerBase, question: str, *, demonstration: str = "",
                article: str = "") -> str:
    """Return the prompt with a question, and with demonstration and article for a teacher.

    A chat template that takes ``demonstration`` or ``article`` is passed them; others get the user
    turn of the SDFT paper, with the article before the demonstration.

    Raises
    ------
    ModelError
        If the tokenizer has no chat template, or its template fails or leaves something out.
    """
    return _write(tokenizer, template_form(tokenizer), question, demonstration, article)


_FORMS: weakref.WeakKeyDictionary[Any, dict[str, TemplateForm]] = weakref.WeakKeyDictionary()
"""The form of each template, by tokenizer and template."""


def template_form(tokenizer: PreTrainedTokenizerBase) -> TemplateForm:
    """Return the arguments that the chat template of a tokenizer takes.

    Raises
    ------
    ModelError
        If there is no template, it raises, or it does not render question, demonstration and
        article.
    """
    template = str(tokenizer.chat_template or "")
    if not template:
        raise ModelError(f"the tokenizer of {_name(tokenizer)} has no chat template, so it is not "
                         "known how to ask. Use an instruction-tuned model, or set "
                         "tokenizer.chat_template.")
    known = _FORMS.setdefault(tokenizer, {})
    if template not in known:
        known[template] = _examine(tokenizer)
    return known[template]


def _examine(tokenizer: PreTrainedTokenizerBase) -> TemplateForm:
    question, failure = MARKERS["question"], None
    for parts in (False, True):
        try:
            if question in _render(tokenizer, parts, question):
                break
        except ModelError as error:
            failure = failure or error
    else:
        raise failure or ModelError(
            f"the chat template of {_name(tokenizer)} leaves the question out, given as a text and "
            "as a list of parts. Use an instruction-tuned model, or set tokenizer.chat_template.")
    takes = frozenset(name for name in ("demonstration", "article")
                      if MARKERS[name] in _render(tokenizer, parts, question,
                                                  **{name: MARKERS[name]}))
    form = TemplateForm(parts, takes)
    whole = _write(tokenizer, form, *MARKERS.values())
    missing = [name for name, marker in MARKERS.items() if marker not in whole]
    if missing:
        raise ModelError(f"the chat template of {_name(tokenizer)} leaves out: "
                         f"{', '.join(missing)}. A template that takes a demonstration has to "
                         "render it beside the question and the article.")
    return form


def _write(tokenizer: PreTrainedTokenizerBase, form: TemplateForm, question: str,
           demonstration: str, article: str) -> str:
    """Return a prompt; context that the template does not take goes into the user's turn."""
    context = {"article": article, "demonstration": demonstration}
    passed = {name: text for name, text in context.items() if text and name in form.takes}
    shown = "\n\n".join(text for name, text in context.items() if text and name not in passed)
    if not shown:
        turn = question
    elif "demonstration" in passed:
        turn = f"{shown}\n\n{question}"
    else:
        turn = EXAMPLE_TURN.format(question=question, demonstration=shown)
    return _render(tokenizer, form.parts, turn, **passed)


def _render(tokenizer: PreTrainedTokenizerBase, parts: bool, turn: str, **passed: str) -> str:
    """Return the chat template with one turn of the user; raise its own errors as `ModelError`."""
    content: Any = [{"type": "text", "text": turn}] if parts else turn
    context: dict[str, Any] = {**passed}
    try:
        return str(tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True,
            **context))
    except Exception as error:  # a template is a program and can raise anything
        message = " ".join(str(error).split())
        raise ModelError(f"the chat template of {_name(tokenizer)} fails ({type(error).__name__}): "
                         f"{message}. Set tokenizer.chat_template to one that takes a single turn "
                         "of the user.") from error


def _name(tokenizer: PreTrainedTokenizerBase) -> str:
    return str(tokenizer.name_or_path or "this model")
