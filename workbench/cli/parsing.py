"""From words to settings: options are read from dataclasses by tyro.

The string under each field is its help. Settings are checked once all are read, by the dataclass
itself, so that a mistake is told in its own words.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any, get_origin, get_type_hints

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from workbench.errors import ConfigError

Flag = tyro.conf.FlagCreatePairsOff[bool]
"""A switch that is off unless it is named."""
Value = float | int | bool | str
registry = ConstructorRegistry()


def form(settings: type, names: Mapping[str, str], hidden: Sequence[str] = ()) -> Any:
    """Return a dataclass as a command offers it, whose values are not checked while it is read.

    Parameters
    ----------
    settings : type
        A dataclass that checks its values.
    names : mapping of str to str
        By field, another name for its option.
    hidden : sequence of str
        Fields that the command does not offer.
    """
    hints = get_type_hints(settings)
    offered: dict[str, Any] = {field: Annotated[hints[field], tyro.conf.arg(name=name)]
                               for field, name in names.items()}
    suppress: Any = tyro.conf.Suppress
    offered |= {field: suppress[hints[field]] for field in hidden}
    return type(settings.__name__, (settings,), {
        "__annotations__": offered, "__doc__": settings.__doc__, "__module__": __name__,
        "__post_init__": lambda self: None, "option_names": dict(names)})


def checked(settings: type, read: Any) -> Any:
    """Return the settings that were read into a `form`, checked."""
    return settings(**{field.name: getattr(read, field.name) for field in fields(settings)})


def parse(target: Any, words: list[str], command: Callable[[list[str]], int],
          settings: Any = None, default: Any = None, *, return_unknown: bool = False) -> Any:
    """Return an instance of a dataclass made from the words after a command.

    Parameters
    ----------
    target : type
        The dataclass.
    words : list of str
        What stands after the command.
    command : callable
        The function that runs the command: its name and docstring are those of the help.
    settings : type, optional
        A `form`: the type of the field ``settings``, where the dataclass is generic.
    default : instance of the dataclass, optional
        Values of the fields that are not named.
    return_unknown : bool
        Return also the words that name no field, in place of refusing them.

    Raises
    ------
    ConfigError
        If an option is unknown, lacks its value or has one of another kind.
    """
    more = {} if default is None else {"default": default}
    read: Any = tyro.cli  # whose overloads do not know of types that are made here
    lists = list_options(target, *([] if settings is None else [settings]))
    target = target if settings is None else target[settings]
    errors, name = io.StringIO(), name_of(command)
    try:
        with contextlib.redirect_stderr(errors):
            return read(target, prog=f"workbench {name}", args=gather(words, lists),
                            description=command.__doc__, registry=registry,
                            config=(tyro.conf.OmitArgPrefixes,),
                            return_unknown_args=return_unknown, **more)
    except SystemExit as ended:
        if not ended.code:
            raise
        raise ConfigError(f"{one_line(errors.getvalue())} (workbench {name} --help lists the "
                          "options)") from None


def name_of(command: Callable[[list[str]], int]) -> str:
    """Return the word that names a command."""
    return command.__name__.replace("_", "-")


def one_line(box: str) -> str:
    """Return the first paragraph of a message that tyro puts into a box."""
    lines = [re.sub("[╭╮╰╯│─]", "", line).strip() for line in box.splitlines()[1:]]
    end = lines.index("") if "" in lines else len(lines)
    return " ".join(lines[:end]).removeprefix("Error parsing ")


def list_options(*dataclasses: Any) -> set[str]:
    """Return the options of some dataclasses that take several values."""
    found = set()
    for dataclass in dataclasses:
        names = getattr(dataclass, "option_names", {})
        found |= {"--" + names.get(field, field).replace("_", "-") for field, hint in
                  get_type_hints(dataclass).items() if get_origin(hint) in (tuple, dict)}
    return found


def gather(words: list[str], lists: set[str]) -> list[str]:
    """Return the words with all values of a list together, also where its option is repeated."""
    others: list[str] = []
    values: dict[str, list[str]] = {}
    place = others
    for word in words:
        name, equals, value = word.partition("=")
        if word.startswith("--") and name in lists:
            place = values.setdefault(name, [])
            place += [value] if equals else []
        else:
            if re.match("--|-[a-z]", word):
                place = others
            place.append(word)
    return [*others, *(part for name, given in values.items() for part in (name, *given))]


def parse_numbers(words: list[str]) -> tuple[int, ...]:
    """Return numbers given as ``0 1 2`` or ``0,1,2``."""
    try:
        return tuple(int(part) for word in words for part in word.split(",") if part)
    except ValueError:
        raise ValueError(f"takes whole numbers such as 0 1 2, not {words}") from None


def parse_options(words: list[str]) -> dict[str, Value]:
    """Return options given as ``name=value``: numbers, ``true`` or ``false``, or names."""
    options: dict[str, Value] = {}
    for word in words:
        name, _, value = word.partition("=")
        if not name or not value:
            raise ValueError(f"takes name=value, such as strength=30 or teacher=ema, not {word!r}")
        try:
            options[name] = (value == "true" if value in ("true", "false") else
                             int(value) if value.lstrip("-").isdigit() else float(value))
        except ValueError:
            options[name] = value
    return options


@registry.primitive_rule
def _lists(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    if info.type == tuple[int, ...]:
        return PrimitiveConstructorSpec(
            "*", "INT [INT ...]", parse_numbers,
            lambda value: isinstance(value, tuple), lambda value: [str(part) for part in value])
    if info.type == dict[str, Value]:
        return PrimitiveConstructorSpec(
            "*", "NAME=VALUE [NAME=VALUE ...]", parse_options,
            lambda value: isinstance(value, dict),
            lambda value: [f"{name}={part}" for name, part in value.items()])
    return None
