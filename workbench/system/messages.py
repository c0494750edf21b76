"""Messages between two processes: JSON, with its length before it."""

import json
from typing import IO, Any

LARGEST = 100_000_000
"""Bytes of the largest message that is read."""


def send(file: IO[bytes], message: dict[str, Any]) -> None:
    """Write one message: its length in 8 bytes, and its JSON."""
    content = json.dumps(message).encode()
    file.write(len(content).to_bytes(8, "big") + content)
    file.flush()


def receive(file: IO[bytes]) -> dict[str, Any]:
    """Read one message.

    Raises EOFError at the end of the file, and ValueError for what is no message.
    """
    header = file.read(8)
    if len(header) < 8:
        raise EOFError
    length = int.from_bytes(header, "big")
    if length > LARGEST:
        raise ValueError(f"a message of {length} bytes; at most {LARGEST} are read")
    content = file.read(length)
    if len(content) < length:
        raise EOFError
    message = json.loads(content)
    if not isinstance(message, dict):
        raise ValueError(f"a message is a table, not {type(message).__name__}")
    return message
