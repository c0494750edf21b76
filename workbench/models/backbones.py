"""Backbones: frozen networks that turn digits or texts into features, on which adapters are put."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from workbench.errors import ModelError
from workbench.models import verify
from workbench.models.adapters import no_progress_bars
from workbench.models.loading import SHIPPED, check_folder, find_model, load_causal_lm
from workbench.system.provenance import data_path

DIGITS = data_path("models", "digits")
MOST_TOKENS = 128
PADDING = -1


class Backbone(nn.Module, ABC):
    """A network with features of shape (n, `features`).

    A subclass defines `encode`, which turns images or texts into one tensor, and `forward`, which
    turns rows of that tensor into features.
    """

    features: int
    layers: tuple[str, ...]
    """The linear layers that get adapters."""
    name_or_path = ""
    device = torch.device("cpu")

    @abstractmethod
    def encode(self, inputs: Any) -> Tensor:
        """Return inputs as a tensor of shape (n, ...)."""


class DigitsBackbone(Backbone):
    """Two layers and a layer norm, pretrained on turned digits 0 to 3 (``data/models/digits``)."""

    features, layers = 64, ("hidden", "output")

    def __init__(self) -> None:
        super().__init__()
        with torch.device("meta"):  # without random numbers; the weights are loaded
            self.hidden, self.output = nn.Linear(64, 128), nn.Linear(128, self.features)
            self.norm = nn.LayerNorm(self.features)

    def encode(self, inputs: Any) -> Tensor:
        """Return images of shape (n, 64), scaled as by `workbench.tasks.digits.load_digits`."""
        return torch.as_tensor(inputs, dtype=torch.float32).reshape(-1, 64)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of images."""
        return self.norm(self.output(self.hidden(x).relu()))  # type: ignore[no-any-return]


class TextBackbone(Backbone):
    """A transformer; its features are the mean of the last hidden states over the tokens.

    Adapters go on the projections of queries and values.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__()
        self.model, self.tokenizer = model, tokenizer
        self.features = model.config.hidden_size
        self.layers = tuple(name for name, layer in self.named_modules() if isinstance(
            layer, nn.Linear) and name.split(".")[-1] in ("q_proj", "v_proj", "query", "value"))
        if not self.layers:
            raise ModelError(f"{type(model).__name__} has no linear layers with the names q_proj "
                             "and v_proj, or query and value, for adapters. Use another model.")

    def encode(self, inputs: Sequence[str]) -> Tensor:
        """Return the token ids of texts, with `PADDING` after them; long texts are cut."""
        rows = [torch.tensor(ids or [0]) for ids in self.tokenizer(
            list(inputs), truncation=True, max_length=MOST_TOKENS)["input_ids"]]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of token ids."""
        mask = x != PADDING
        x = x[:, :int(mask.sum(1).max())]
        mask = mask[:, :x.shape[1]]
        states: Tensor = self.model(input_ids=x.clamp_min(0),
                                    attention_mask=mask.long()).last_hidden_state
        return (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


class EmbeddingBackbone(Backbone):
    """Features that were computed before; an adapter may change them linearly.

    A frozen layer, the identity, carries the adapters. `embed` embeds new texts.
    """

    layers = ("identity",)

    def __init__(self, features: int, embed: Callable[[list[str]], Tensor]) -> None:
        super().__init__()
        self.features, self.embed = features, embed
        with torch.device("meta"):
            self.identity = nn.Linear(features, features, bias=False)
        self.load_state_dict({"identity.weight": torch.eye(features)}, assign=True)

    def encode(self, inputs: Sequence[str]) -> Tensor:
        """Return the embeddings of texts."""
        return self.embed(list(inputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return features of shape (n, features)."""
        return self.identity(x)  # type: ignore[no-any-return]


def load_backbone(name: str) -> Backbone:
    """Return a frozen backbone.

    `name` is ``digits``; ``tiny`` or ``nano``, the course's language models; ``minilm``, frozen
    embeddings of all-MiniLM-L6-v2; or a folder or hub id of a transformer, which then gets adapters
    inside. Raises `ModelError` if it cannot be loaded.
    """
    backbone: Backbone
    if name == "digits":
        verify.check_manifest(DIGITS, required=True)
        backbone = DigitsBackbone()
        backbone.load_state_dict(safetensors.torch.load_file(DIGITS / "model.safetensors"),
                                 assign=True)
    elif name == "minilm":
        from workbench.models.minilm import FEATURES, embed

        backbone = EmbeddingBackbone(FEATURES, embed)
    else:
        backbone = load_transformer(name)
    backbone.name_or_path = name
    return backbone.requires_grad_(False).eval()


def load_transformer(name: str) -> TextBackbone:
    """Return the backbone of a causal language model or an encoder; see `load_backbone`."""
    folder = find_model(name)
    config = verify.read_json(folder / "config.json") if name not in SHIPPED else {}
    architecture = str(config.get("architectures", [""])[0])
    if name in SHIPPED or architecture.endswith("CausalLM"):
        model, tokenizer = load_causal_lm(name)
        tokenizer.padding_side = "right"
        return TextBackbone(model.base_model, tokenizer)
    from transformers import AutoModel, AutoTokenizer

    check_folder(folder)
    with verify.as_model_error(f"{folder}: the model could not be loaded"), no_progress_bars():
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True,
                                                  trust_remote_code=False)
        model = AutoModel.from_pretrained(folder, local_files_only=True, trust_remote_code=False,
                                          use_safetensors=True, dtype=torch.float32)
    return TextBackbone(model, tokenizer)
