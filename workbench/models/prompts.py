"""Prompts: the student's has the question alone, the teacher's has context before it.

Chat templates differ in the arguments that they take: each is examined once, by rendering it with
marker texts.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from workbench.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

EXAMPLE_TURN = """
{question}

This is an example for a response to the question:
{demonstration}

Now answer with a response of your own, including the thinking process.
"""
"""The teacher's turn of arXiv 2601.19897, for models whose chat template takes no demonstration."""
SHORT_TURN = """Information: {context}

Question: {question}

Answer in one short plain sentence."""
"""A teacher's turn that small models follow better; see `set_teacher_turn`."""
TURN_TEMPLATE = """\
{%- if demonstration or article -%}
{%- set asked = messages[-1]['content'] -%}
{%- set question = asked if asked is string else asked[0]['text'] -%}
{%- set context = ((article or '') ~ ' ' ~ (demonstration or '')) | trim -%}
{%- set turn = TURN -%}
{%- set messages = [{'role': 'user', 'content': turn if asked is string
                     else [{'type': 'text', 'text': turn}]}] -%}
{%- set demonstration = '' -%}{%- set article = '' -%}
{%- endif -%}
"""
"""What `set_teacher_turn` puts before a chat template."""
MARKERS = {"question": "marker 7 of the question", "demonstration": "marker 8 shown by the expert",
           "article": "marker 9 from the article"}


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
    parts, takes = _examine(tokenizer, str(tokenizer.chat_template or ""))
    return _write(tokenizer, parts, takes, question, demonstration, article)


def set_teacher_turn(tokenizer: PreTrainedTokenizerBase, turn: str) -> None:
    """Change the words around demonstration and question in the teacher's prompt.

    `turn` is a text with ``{context}`` and ``{question}``, such as `SHORT_TURN`; the context is the
    article, if any, and the demonstration. The new words are in the chat template, which is saved
    with the tokenizer. The student's prompt stays the same. Raises `ConfigError` if the turn lacks
    one of the two or has it twice, and `ModelError` if there is no usable chat template.
    """
    parts = re.split(r"(\{(?:context|question)\})", turn)
    if sorted(parts[1::2]) != ["{context}", "{question}"]:
        raise ConfigError("a teacher's turn must have {context} and {question} once each, not "
                          f"{turn!r}; for example {SHORT_TURN!r}")
    make_prompt(tokenizer, "?")
    words = " ~ ".join(part[1:-1] if i % 2 else ascii(part) for i, part in enumerate(parts))
    tokenizer.chat_template = TURN_TEMPLATE.replace("TURN", words) + str(tokenizer.chat_template)


@functools.lru_cache(16)
def _examine(tokenizer: PreTrainedTokenizerBase, template: str) -> tuple[bool, frozenset[str]]:
    """Return whether a message is a list of parts (for images), and which context is rendered."""
    name, question = tokenizer.name_or_path or "this model", MARKERS["question"]
    failure = None
    if not template:
        raise ModelError(f"the tokenizer of {name} has no chat template, so it is not known how to "
                         "ask. Use an instruction-tuned model, or set tokenizer.chat_template.")
    for parts in (False, True):
        try:
            if question in _render(tokenizer, parts, question):
                break
        except ModelError as error:
            failure = failure or error
    else:
        raise failure or ModelError(
            f"the chat template of {name} leaves the question out, given as a text and as a list "
            "of parts. Use an instruction-tuned model, or set tokenizer.chat_template.")
    takes = frozenset(
        argument for argument in ("demonstration", "article") if MARKERS[argument]
        in _render(tokenizer, parts, question, **{argument: MARKERS[argument]}))
    whole = _write(tokenizer, parts, takes, *MARKERS.values())
    missing = [argument for argument, marker in MARKERS.items() if marker not in whole]
    if missing:
        raise ModelError(f"the chat template of {name} leaves out: {', '.join(missing)}. A "
                         "template that takes a demonstration has to render it beside the "
                         "question and the article.")
    return parts, takes


def _write(tokenizer: PreTrainedTokenizerBase, parts: bool, takes: frozenset[str], question: str,
           demonstration: str, article: str) -> str:
    """Return a prompt; context that the template does not take goes into the user's turn."""
    context = {"article": article, "demonstration": demonstration}
    passed = {name: text for name, text in context.items() if text and name in takes}
    shown = "\n\n".join(text for name, text in context.items() if text and name not in passed)
    if not shown:
        turn = question
    elif "demonstration" in passed:
        turn = f"{shown}\n\n{question}"
    else:
        turn = EXAMPLE_TURN.format(question=question, demonstration=shown)
    return _render(tokenizer, parts, turn, **passed)


def _render(tokenizer: PreTrainedTokenizerBase, parts: bool, turn: str, **passed: Any) -> str:
    """Return the chat template with one turn of the user; raise its own errors as `ModelError`."""
    content: Any = [{"type": "text", "text": turn}] if parts else turn
    try:
        return str(tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True,
            **passed))
    except Exception as error:  # a template is a program and can raise anything
        message = " ".join(str(error).split())
        raise ModelError(f"the chat template of {tokenizer.name_or_path or 'this model'} fails "
                         f"({type(error).__name__}): {message}. Set tokenizer.chat_template to one "
                         "that takes a single turn of the user.") from error
