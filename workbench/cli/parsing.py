"""Options of the command line, read by tyro from dataclasses.

The string under a field is its help. The dataclass checks its values only after all options are
read, so that its own error messages are shown.
"""

import contextlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any, get_origin, get_type_hints

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec

from workbench.errors import ConfigError

Flag = tyro.conf.FlagCreatePairsOff[bool]
"""A switch that is off by default."""
Value = float | int | bool | str
registry = ConstructorRegistry()


def form(settings: type, names: Mapping[str, str], hidden: Sequence[str] = ()) -> Any:
    """Return a dataclass for reading options, without the checks of `settings`.

    `names` gives options other names than their fields; the fields in `hidden` get no option.
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
    """Return the values of a `form` as checked settings."""
    return settings(**{field.name: getattr(read, field.name) for field in fields(settings)})


def parse(target: Any, words: list[str], command: Callable[[list[str]], int],
          settings: Any = None, default: Any = tyro.MISSING_NONPROP, *,
          return_unknown: bool = False) -> Any:
    """Return an instance of the dataclass `target`, made from the words after a command.

    `settings` is a `form`, the type of the field ``settings`` of a generic dataclass. The values in
    `default` are used for options that are not given. With `return_unknown`, unknown words are
    returned too; without it, they raise `ConfigError`, as do wrong values.
    """
    read: Any = tyro.cli  # its overloads do not accept types made at run time
    lists = list_options(target, *([] if settings is None else [settings]))
    target = target if settings is None else target[settings]
    errors, name = io.StringIO(), name_of(command)
    try:
        with contextlib.redirect_stderr(errors):
            return read(target, prog=f"workbench {name}", args=gather(words, lists),
                            description=command.__doc__, registry=registry,
                            config=(tyro.conf.OmitArgPrefixes,),
                            return_unknown_args=return_unknown, default=default)
    except SystemExit as ended:
        if not ended.code:
            raise
        raise ConfigError(f"{one_line(errors.getvalue())} (workbench {name} --help lists the "
                          "options)") from None


def name_of(command: Callable[[list[str]], int]) -> str:
    """Return the name of a command on the command line."""
    return command.__name__.replace("_", "-")


def one_line(box: str) -> str:
    """Return the first paragraph of a message in a box drawn by tyro, also on an ASCII console."""
    lines = [re.sub("[╭╮╰╯│─]|^ *-+ *$", "", line).strip() for line in box.splitlines()[1:]]
    paragraphs = "\n".join(lines).strip().split("\n\n")
    return paragraphs[0].replace("\n", " ").removeprefix("Error parsing ")


def list_options(*dataclasses: Any) -> set[str]:
    """Return the options of the dataclasses that take several values."""
    return {"--" + getattr(dataclass, "option_names", {}).get(field, field).replace("_", "-")
            for dataclass in dataclasses for field, hint in get_type_hints(dataclass).items()
            if get_origin(hint) in (tuple, dict)}


def gather(words: list[str], lists: set[str]) -> list[str]:
    """Return the words with all values of each list option together, even if it is repeated."""
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
    return [*others, *(word for name, own in values.items() for word in (name, *own))]


def parse_numbers(words: list[str]) -> tuple[int, ...]:
    """Return the numbers in ``0 1 2`` or ``0,1,2``."""
    try:
        return tuple(int(part) for word in words for part in word.split(",") if part)
    except ValueError:
        raise ValueError(f"takes whole numbers such as 0 1 2, not {words}") from None


def parse_options(words: list[str]) -> dict[str, Value]:
    """Return the options in ``name=value``; a value is a number, ``true``, ``false`` or a text."""
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


LISTS: dict[Any, PrimitiveConstructorSpec[Any]] = {
    tuple[int, ...]: PrimitiveConstructorSpec(
        "*", "INT [INT ...]", parse_numbers, lambda value: isinstance(value, tuple),
        lambda value: [str(part) for part in value]),
    dict[str, Value]: PrimitiveConstructorSpec(
        "*", "NAME=VALUE [NAME=VALUE ...]", parse_options, lambda value: isinstance(value, dict),
        lambda value: [f"{name}={part}" for name, part in value.items()]),
}
"""How tyro reads and prints the types of fields that take several values."""
registry.primitive_rule(lambda info: LISTS.get(info.type))
