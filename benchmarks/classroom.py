"""Measure a class on one server: all students run a lesson at the same moment.

Run from the repository root, on Linux::

    .venv/bin/python benchmarks/classroom.py --students 30

It starts JupyterHub as for a class (``etc/classroom``), in temporary folders and without accounts
of the system. Each student signs in, gets a server and a private copy of the course, and runs all
cells of the lesson, one after the other. Nobody reads or thinks, so this is the worst case.

``picture`` is the time from the request for a kernel to its first picture. Memory is that of the
kernel after the last cell: ``RSS`` counts what kernels share (mainly the code of libraries) for
each of them, ``PSS`` divides it among them; the sum of PSS is what the machine needs. The result is
a table on standard output and ``artifacts/bench/classroom.json``; it is no test. The exit code is 1
if a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import psutil
import requests
import websocket

from workbench.course.serving import free_port, served

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "artifacts" / "bench" / "classroom.json"
CONFIG = ROOT / "etc" / "classroom" / "jupyterhub_config.py"
MOST_MB, MOST_SECONDS = 700, 120
"""Bounds on the memory of a kernel, and on the time to the first picture."""
PATIENCE_S = 1800


class Student:
    """One student of the class, who signs in and runs a lesson."""

    def __init__(self, url: str, name: str) -> None:
        self.url, self.name, self.session = url, name, requests.Session()

    def sign_in(self, password: str = "a long password") -> None:
        """Sign in, start the server, and wait until it answers; `HTTPError` if it is refused."""
        login = f"{self.url}/hub/login"
        self.session.get(login, timeout=PATIENCE_S)
        self.session.post(login, timeout=PATIENCE_S, data={
            "username": self.name, "password": password,
            "_xsrf": self.session.cookies.get("_xsrf", path="/hub/")}).raise_for_status()
        headers = {"X-XSRFToken": self.session.cookies.get("_xsrf", path="/hub/"),
                   "Referer": f"{self.url}/hub/home"}
        token = self.session.post(f"{self.url}/hub/api/users/{self.name}/tokens",
                                  headers=headers, json={}, timeout=PATIENCE_S)
        token.raise_for_status()
        self.token = token.json()["token"]
        while self._get("/api/status").status_code != 200:
            time.sleep(1)

    def run(self, cells: list[str]) -> dict[str, float]:
        """Run the cells in a new kernel; return the seconds to the first picture and to the end."""
        began = time.monotonic()
        made = requests.post(f"{self.url}/user/{self.name}/api/kernels", json={
            "name": "python3", "path": "my-course"}, headers=self._headers, timeout=PATIENCE_S)
        made.raise_for_status()
        channel = websocket.create_connection(
            f"{self.url.replace('http', 'ws')}/user/{self.name}/api/kernels/{made.json()['id']}"
            "/channels", header=self._headers, timeout=PATIENCE_S)
        picture = None
        for cell in cells:
            for kind, content in execute(channel, cell):
                if kind == "error":
                    raise RuntimeError(f"{self.name}: {content['ename']}: {content['evalue']}")
                if picture is None and "image/png" in content.get("data", {}):
                    picture = time.monotonic() - began
        channel.close()
        return {"picture": picture or np.inf, "lesson": time.monotonic() - began}

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self.token}"}

    def _get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}/user/{self.name}{path}", headers=self._headers,
                            timeout=PATIENCE_S, allow_redirects=False)


@contextmanager
def classroom(place: Path, names: list[str], **settings: str) -> Iterator[str]:
    """Serve a class with these names from the folder `place`, which has the homes; yield its URL.

    `settings` are variables of the configuration.
    """
    (place / "students.txt").write_text("\n".join(names))
    url = f"http://127.0.0.1:{free_port()}"
    ports = [f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{free_port()}",
             f"--JupyterHub.hub_port={free_port()}"]
    own = {"CLASS_STATE": str(place), "CLASS_HOMES": str(place), "CLASS_URL": url}
    with served([sys.executable, "-m", "jupyterhub", "-f", str(CONFIG), *ports],
                f"{url}/hub/health", os.environ | own | settings):
        yield url


def text_of(frame: str | bytes) -> str | bytes:
    """Return the JSON of a message; a binary message has several parts, and this is the first."""
    if isinstance(frame, str):
        return frame
    parts = int.from_bytes(frame[:4], "big")
    ends = [int.from_bytes(frame[4 * k:4 * k + 4], "big") for k in range(1, parts + 1)]
    return frame[ends[0]:ends[1] if parts > 1 else None]


def execute(channel: websocket.WebSocket, code: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run a cell, and yield the kinds and contents of the messages until the kernel is idle."""
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "version": "5.3",
              "session": uuid.uuid4().hex, "username": "", "date": ""}
    channel.send(json.dumps({
        "header": header, "parent_header": {}, "metadata": {}, "channel": "shell", "buffers": [],
        "content": {"code": code, "silent": False, "store_history": True, "user_expressions": {},
                    "allow_stdin": False, "stop_on_error": True}}))
    while True:
        message = json.loads(text_of(channel.recv()))
        kind, content = message["msg_type"], message["content"]
        if message["parent_header"].get("msg_id") != header["msg_id"]:
            continue
        yield kind, content
        if kind == "status" and content["execution_state"] == "idle":
            return


def memory(server: psutil.Process) -> dict[str, list[dict[str, float]]]:
    """Return the megabytes of each kernel and of each student's server below JupyterHub."""
    found: dict[str, list[dict[str, float]]] = {"kernel": [], "server": []}
    for process in server.children(recursive=True):
        words = " ".join(process.cmdline())
        kind = ("kernel" if "ipykernel_launcher" in words else
                "server" if "jupyterhub.singleuser" in words else None)
        if kind:
            used = process.memory_full_info()
            found[kind].append({"RSS": used.rss / 2**20, "PSS": used.pss / 2**20})
    return found


def main() -> int:
    """Measure, print, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--students", type=int, default=30)
    parser.add_argument("--lesson", default="01_catastrophic_forgetting")
    options = parser.parse_args()
    lesson = nbformat.read(ROOT / "notebooks" / f"{options.lesson}.ipynb", as_version=4)
    cells = [cell.source for cell in lesson.cells if cell.cell_type == "code"]
    names = [f"student{i:02d}" for i in range(options.students)]
    with tempfile.TemporaryDirectory() as place, classroom(Path(place), names) as url, \
            ThreadPoolExecutor(options.students) as pool:
        began = time.monotonic()
        students = [Student(url, name) for name in names]
        list(pool.map(Student.sign_in, students))
        signed_in = time.monotonic() - began
        runs = list(pool.map(lambda student: student.run(cells), students))
        used = memory(psutil.Process())
    report = summarise(runs, used) | {"students": options.students, "of": options.lesson,
                                      "cores": os.cpu_count(), "signed_in": signed_in}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))
    print(f"\nwritten: {OUTPUT}")
    return int(report["kernel_MB"]["RSS"]["most"] > MOST_MB
               or report["picture"]["most"] > MOST_SECONDS)


def summarise(runs: list[dict[str, float]], used: dict[str, list[dict[str, float]]]
              ) -> dict[str, Any]:
    """Return the median and the most of each measure, and the memory of all together."""
    def spread(values: list[float]) -> dict[str, float]:
        return {"median": round(float(np.median(values)), 1), "most": round(max(values), 1)}

    report: dict[str, Any] = {name: spread([run[name] for run in runs])
                              for name in ("picture", "lesson")}
    for kind, processes in used.items():
        report[f"{kind}_MB"] = {name: spread([one[name] for one in processes])
                                for name in ("RSS", "PSS")}
    report["together_GB"] = round(sum(one["PSS"] for both in used.values() for one in both) / 1024,
                                  1)
    return report


if __name__ == "__main__":
    sys.exit(main())
