"""Prompts: the student's, with the question alone, and the teacher's, with help before it."""

from __future__ import annotations

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


def make_prompt(tokenizer: PreTrainedTokenizerBase, question: str, *, demonstration: str = "",
                article: str = "") -> str:
    """Return the text that a model is to go on from.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        With a chat template. One that knows ``demonstration`` and ``article`` is passed them;
        others get the user turn of the SDFT paper, the article standing before the demonstration.
    question : str
        What is asked.
    demonstration, article : str
        Help for a teacher; with neither it is the student's prompt.

    Raises
    ------
    ModelError
        If the tokenizer has no chat template.
    """
    template = tokenizer.chat_template
    if not template:
        raise ModelError(f"the tokenizer of {tokenizer.name_or_path or 'this model'} has no chat "
                         "template, so it is not known how to ask. Use an instruction-tuned model, "
                         "or set tokenizer.chat_template.")
    turn = question
    helped: dict[str, Any] = {}
    if "demonstration" in template:
        helped = {"demonstration": demonstration, "article": article}
    elif demonstration or article:
        shown = "\n\n".join(part for part in (article, demonstration) if part)
        turn = EXAMPLE_TURN.format(question=question, demonstration=shown)
    text = tokenizer.apply_chat_template([{"role": "user", "content": turn}], tokenize=False,
                                         add_generation_prompt=True, **helped)
    return str(text)
