"""Skill items as JSON Lines: one object per line, with every field checked when it is read."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from workbench.errors import DataError
from workbench.system.files import write_atomically
from workbench.tasks.oldmere import OldmereScorer
from workbench.tasks.scoring import Scorer, contains, equals
from workbench.tasks.village.styles import VillageScorer, is_right

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Item:
    """One question of a skill, with its answer and an expert's demonstration."""

    id: str
    """Unique within a file; by default the skill and the number of the line: ``capitals-7``."""
    family: str
    """Name of a group of similar skills; by default the skill's name."""
    skill: str
    """Name of the skill, such as ``capitals``."""
    split: str
    """``train``, ``validation`` or ``test``."""
    prompt: str
    """The question."""
    answer: str
    """The content of a right response, without any phrases around it."""
    demonstration: str
    """The expert's full response to this prompt."""
    article: str = ""
    """A text from which the answer can be read; may be empty."""
    scorer: str = "exact"
    """Decides whether a response is right: one of `SCORERS`."""


SCORERS = {"exact": Scorer(equals), "contains": Scorer(contains),
           "village": VillageScorer(is_right), "oldmere": OldmereScorer(contains)}
"""``exact``: the response is the answer; case, spaces and final punctuation do not count.
``contains``: the response contains the answer. ``oldmere``: the same, and the style of the expert
is known. ``village``: the course's own made-up world."""


def scorer_of(item: Item) -> Scorer:
    """Return the scorer that an item names."""
    return SCORERS[item.scorer]


KNOWN = tuple(f.name for f in fields(Item))
OPTIONAL = ("id", "family", "article", "scorer")
"""Fields that a line may leave out."""
LEFT_OUT = f"{', '.join(OPTIONAL)} may be left out"


def write_items(path: str | Path, items: Iterable[Item]) -> None:
    """Write items as JSON Lines; an empty article is left out."""
    lines = [json.dumps({k: v for k, v in asdict(item).items() if v or k != "article"})
             for item in items]
    write_atomically(Path(path), ("\n".join(lines) + "\n").encode())


def spread(items: Sequence[Item], most: int) -> Sequence[Item]:
    """Return at most `most` items, evenly spaced from first to last; 0 takes all."""
    if not 0 < most < len(items):
        return items
    return [items[i * len(items) // most] for i in range(most)]


def read_items(path: str | Path) -> list[Item]:
    """Return the items of a JSON Lines file.

    Any fault raises a `DataError` that names it and its line, such as a field that is missing or
    empty, an answer that cannot be scored, or a prompt in two splits.
    """
    path = Path(path)
    lines = read_lines(path, f"{', '.join(KNOWN)}; {LEFT_OUT}", "Give a JSON Lines file of skill "
                       "items; `workbench make-data` writes those of the course.")
    items = {number: _parse(record, f"{path}, line {number}", number)
             for number, record in lines.items()}
    _check_items(items, path)
    return list(items.values())


def read_lines(path: Path, expected: str, remedy: str) -> dict[int, Any]:
    """Return the value of each line of a JSON Lines file by its number, without blank lines.

    Any fault raises a `DataError` that names it and its line. `expected` are the fields of a line,
    and `remedy` says what to do if there is no such file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        broken = error.object[:error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {broken}: not UTF-8 ({error.reason}). Save the file "
                        "with the encoding UTF-8.") from error
    except OSError as error:
        raise DataError(f"{path}: {error}. {remedy}") from error
    # Some editors begin a file with a byte-order mark; joined files have one further down too.
    lines = [line.removeprefix("\ufeff") for line in text.split("\n")]
    records = {number: _load(line, f"{path}, line {number}")
               for number, line in enumerate(lines, 1) if line.strip()}
    if not records:
        raise DataError(f"{path} is empty. Expected one JSON object a line with the fields "
                        f"{expected}.")
    return records


ONE_SPLIT = ("A prompt may be in one split only, so that no test prompt has been trained on. "
             "Prompts that differ in spaces or in the encoding of accents count as the same.")


def same_prompt(prompt: str) -> str:
    """Return a prompt without differences in white space and in the encoding of accents."""
    return unicodedata.normalize("NFC", " ".join(prompt.split()))


def _check_items(items: Mapping[int, Item], path: Path) -> None:
    """Raise `DataError` if items of a file, by line, share an id, or splits share a prompt."""
    ids: dict[str, int] = {}
    prompts: dict[str, int] = {}
    for line, item in items.items():
        first = ids.setdefault(item.id, line)
        if first != line:
            raise DataError(f"{path}, line {line}: id {item.id!r} is already in line {first}. "
                            "Give every item an id of its own.")
        first = prompts.setdefault(same_prompt(item.prompt), line)
        if items[first].split != item.split:
            raise DataError(
                f"{path}, line {line}: the prompt {item.prompt!r} is in {item.split!r} here and in "
                f"{items[first].split!r} in line {first}. {ONE_SPLIT}")


def check_leaks(skills: Mapping[str, Sequence[Item]]) -> None:
    """Raise `DataError` if one skill is trained on a prompt that another is tested on."""
    named = [(name, item) for name, items in skills.items() for item in items]
    trained = {same_prompt(item.prompt): (name, item.id) for name, item in named
               if item.split == "train"}
    for name, item in named:
        if item.split != "train" and same_prompt(item.prompt) in trained:
            other, twin = trained[same_prompt(item.prompt)]
            raise DataError(f"the prompt {item.prompt!r} is a {item.split} prompt of {name} (item "
                            f"{item.id!r}) and a train prompt of {other} (item {twin!r}). "
                            f"{ONE_SPLIT} Remove it from one of them.")


def _parse(record: Any, where: str, number: int) -> Item:
    """Return a line as an item; the first fault raises a `DataError` that begins with `where`."""
    for fault in _faults(record):
        raise DataError(f"{where}: {fault}")
    return Item(**{"id": f"{record['skill']}-{number}", "family": record["skill"], **record})


def _faults(record: Any) -> Iterator[str]:
    """Yield the faults of the value of a line; only the first one is certain."""
    yield from field_faults(record, KNOWN, OPTIONAL)
    record = {"scorer": Item.scorer} | record
    for name, allowed in (("split", SPLITS), ("scorer", SCORERS)):
        if record[name] not in allowed:
            yield f"{name} {record[name]!r} is not one of {', '.join(allowed)}."
    try:
        SCORERS[record["scorer"]].check(record["answer"])
    except ValueError as error:
        yield f"the answer {error}. Change it, or choose another scorer than {record['scorer']!r}."
    if not contains(record["demonstration"], record["answer"]):
        yield (f"the demonstration {record['demonstration'][:60]!r} does not say the answer "
               f"{record['answer']!r}, so that nothing could be learned from it. Put the answer "
               "into it, word for word.")


def field_faults(record: Any, known: Sequence[str], optional: Sequence[str] = ()) -> Iterator[str]:
    """Yield the faults of the fields of a line; only the first one is certain."""
    if not isinstance(record, dict):
        yield f"expected an object, found {type(record).__name__}."
    needed = [name for name in known if name not in optional]
    for name in needed:
        if name not in record:
            yield (f"the field {name!r} is missing. Needed are {', '.join(needed)}"
                   + (f"; {', '.join(optional)} may be left out." if optional else "."))
    for name, value in record.items():
        if name not in known:
            yield f"unknown field {name!r}. Known are {', '.join(known)}."
        if not isinstance(value, str):
            yield (f"the field {name!r} must be text in quotation marks, not "
                   f"{type(value).__name__}.")
        half = re.search("[\ud800-\udfff]", value)
        if half:
            yield (f"the field {name!r} has half a character ({half[0]!r}, a lone surrogate) at "
                   f"position {half.start() + 1}. Write the whole character, or remove it.")
        if not value.strip() and name != "article":
            yield f"the field {name!r} is empty."


def _load(line: str, where: str) -> Any:
    """Return the value of a line of JSON, in which no key may be given twice."""
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, times in Counter(key for key, _ in pairs).items():
            if times > 1:
                raise DataError(f"{where}: the field {key!r} is given {times} times. Keep one of "
                                "them.")
        return dict(pairs)

    try:
        return json.loads(line, object_pairs_hook=unique)
    except DataError:
        raise
    except json.JSONDecodeError as error:
        raise DataError(f"{where}, column {error.colno}: not valid JSON ({error.msg}). Each line "
                        "must be one whole object.") from error
    except RecursionError:
        fault = "lists or objects are nested too deeply"
    except ValueError as error:  # of more digits than Python reads
        fault = f"a number cannot be read ({error})"
    raise DataError(f"{where}: {fault}. Every field must be text in quotation marks.")
