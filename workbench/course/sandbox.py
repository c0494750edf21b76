"""The program in which one function of a handed-in notebook runs, apart from the grader.

`workbench.course.grading` starts it by its path, in a temporary folder that has a copy of the
notebook. It answers calls: arguments come in, values go out (`workbench.system.values`). It never
sees a check and its word is never a verdict, so nothing that a notebook prints or changes in here
can make an answer right.

It keeps accidents and tricks apart from others; it is no wall against an attack. Python code can
get around the audit hook (through `ctypes`, for example), and it can read what the user can read.
Grade notebooks of people whom you do not trust in a container or as a user of its own.
"""

import ast
import contextlib
import json
import os
import re
import symtable
import sys
import types
from pathlib import Path
from typing import IO, Any

from workbench.system.messages import receive, send

NOTEBOOK = "notebook.ipynb"
MEMORY = 3 * 1024**3
"""Bytes of data that the process may hold, the libraries' included."""
FILE_SIZE = 50 * 1024**2
PROCESSES = ("os.exec", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.posix_spawn",
             "os.spawn", "os.startfile", "os.system", "pty.spawn", "signal.pthread_kill",
             "subprocess.Popen")
NETWORK = ("socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyaddr",
           "socket.gethostbyname", "socket.sendmsg", "socket.sendto")
CHANGES = ("os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir",
           "os.symlink", "os.truncate", "os.utime")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Problem(Exception):
    """Why there is no function to call; the message goes into the table."""


def code_cells(content: bytes) -> list[str]:
    """Return the source of each code cell of a notebook."""
    try:
        cells = json.loads(content)["cells"]
        sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Problem("not a notebook: expected a file that Jupyter has saved, in the format "
                      "nbformat 4") from error
    return ["".join(source) for source in sources]


def parsed(source: str, name: str) -> list[ast.stmt]:
    """Return the statements of a cell; none for a broken cell that does not define `name`."""
    # Magics and shell commands are no Python; a line that begins with % may also be a remainder.
    without = re.sub(r"^([ \t]*)(?:[%!].*|[^#\n]*\?)$", r"\1pass", source, flags=re.M)
    for code in (source, without):
        with contextlib.suppress(SyntaxError, ValueError):
            return ast.parse(code).body
    if re.search(rf"^\s*def {name}\b", source, re.M):
        try:
            ast.parse(without)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            raise Problem(f"syntax error in line {line} of the cell that defines {name}: "
                          f"{getattr(error, 'msg', error)}") from error
    return []


def names_of(statement: ast.stmt) -> tuple[set[str], set[str]]:
    """Return the names that a statement binds, and the names of the notebook that it mentions."""
    top = symtable.symtable(ast.unparse(statement), "a cell", "exec")
    binds = {symbol.get_name() for symbol in top.get_symbols()
             if symbol.is_assigned() or symbol.is_imported()}
    mentions, tables = {symbol.get_name() for symbol in top.get_symbols()}, [*top.get_children()]
    for table in tables:
        tables += table.get_children()
        mentions |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
    return binds, mentions


def is_stub(statement: ast.stmt) -> bool:
    """Return whether a statement is a function with nothing in it but ``...`` or ``pass``."""
    return isinstance(statement, ast.FunctionDef) and all(
        isinstance(line, ast.Pass) or isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant) for line in statement.body)


def needed(cells: list[str], name: str) -> ast.Module:
    """Return the statements that define `name`, and those that define the names in them.

    The other cells, which train models and draw pictures, need not run.
    """
    statements = [statement for cell in cells for statement in parsed(cell, name)]
    names = [names_of(statement) for statement in statements]
    own = [statement for statement, (binds, _) in zip(statements, names, strict=True)
           if name in binds]
    if not own:
        raise Problem(f"the notebook does not define {name}")
    if all(map(is_stub, own)):
        raise Problem("not attempted")
    wanted = {name}
    chosen = {i for i, statement in enumerate(statements) if isinstance(statement, ast.ImportFrom)
              and statement.names[0].name == "*"}
    while more := {i for i, (binds, _) in enumerate(names) if binds & wanted} - chosen:
        chosen |= more
        wanted |= set().union(*(names[i][1] for i in more))
    return ast.Module([statements[i] for i in sorted(chosen)], type_ignores=[])


def hide_the_course() -> None:
    """Replace `workbench.course`: ``check`` and its like do nothing, and there are no solutions."""
    course: Any = types.ModuleType("workbench.course")
    course.__path__ = []
    course.__getattr__ = lambda name: lambda *args, **kwargs: None
    sys.modules["workbench.course"] = course


def watch(folder: Path) -> None:
    """Refuse processes, the network, and writing outside of a folder, until this process ends."""
    def inside(path: Any) -> bool:
        return isinstance(path, int) or path is None or path == os.devnull or Path(
            os.path.realpath(os.fsdecode(path))).is_relative_to(folder)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in PROCESSES:
            raise PermissionError("graded code may not start or stop processes")
        if event in NETWORK:
            raise PermissionError("graded code may not use the network")
        paths = (args[:2] if event in ("os.link", "os.rename", "os.symlink") else
                 args[:1] if event in CHANGES or event == "open" and args[2] & WRITING else ())
        if not all(map(inside, paths)):
            raise PermissionError("graded code may not write outside of its temporary folder")

    sys.addaudithook(hook)


def limit_resources(seconds: int) -> None:
    """Bound memory, processor time and the size of files, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, most in ((resource.RLIMIT_DATA, MEMORY), (resource.RLIMIT_CPU, seconds),
                       (resource.RLIMIT_FSIZE, FILE_SIZE), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (most, most))


def call(function: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Call the function, and return its value, the arguments that it has changed, and gradients."""
    import torch

    from workbench.system.usage import measured
    from workbench.system.values import decode, encode

    args, before = decode(request["args"]), decode(request["args"])
    size, seconds = 0, 0.0
    if request["measure"]:
        value, size, seconds = measured(function, *args)
    else:
        value = function(*args)
    reply = {"value": encode(value), "bytes": size, "seconds": seconds}
    leaves = {str(i): arg for i, arg in enumerate(args) if getattr(arg, "requires_grad", False)}
    if leaves and getattr(value, "requires_grad", False) and value.numel() == 1:
        found = torch.autograd.grad(value.sum(), [*leaves.values()], allow_unused=True)
        reply["gradients"] = {i: encode(gradient) for i, gradient in
                              zip(leaves, found, strict=True) if gradient is not None}
    # Texts of both, since arrays, tensors, lists and numbers each compare in another way.
    reply["changed"] = {str(i): encode(new) for i, (old, new) in
                        enumerate(zip(before, args, strict=True))
                        if hasattr(old, "__array__") and encode(old) != encode(new)}
    return reply


def answer(function: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Call the function; an exception becomes the names of its classes, and its text."""
    try:
        return call(function, request)
    except BaseException as error:  # SystemExit too: the next call is answered all the same
        return {"raised": [kind.__name__ for kind in type(error).__mro__],
                "text": str(error)[:500]}


def serve(name: str, seconds: int, requests: IO[bytes], replies: IO[bytes]) -> None:
    """Define the function, and answer calls until there are no more."""
    try:
        code = needed(code_cells(Path(NOTEBOOK).read_bytes()), name)
    except Problem as problem:
        return send(replies, {"problem": str(problem)})
    # Before the clock begins, and before the limits: libraries need time and files.
    from workbench.system import usage, values  # noqa: F401

    hide_the_course()
    limit_resources(seconds)
    send(replies, {"begins": True})
    watch(Path.cwd().resolve())
    namespace: dict[str, Any] = {"__name__": "__main__"}
    try:
        exec(compile(ast.fix_missing_locations(code), "notebook", "exec"), namespace)
        function = namespace[name]
    except BaseException as error:
        return send(replies, {"problem": f"the code that defines it raised "
                                         f"{type(error).__name__}: {error}"[:500]})
    while request := receive(requests):
        send(replies, answer(function, request))


def main() -> None:
    """Move the channel away from stdin and stdout, so that printed text cannot enter it."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nowhere, fd)
    with contextlib.suppress(EOFError):
        serve(sys.argv[1], int(sys.argv[2]), requests, replies)


if __name__ == "__main__":
    main()
