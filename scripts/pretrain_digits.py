"""Pretrain the backbone for digits on turned digits 0 to 3, and write ``data/models/digits``.

Each training image of 0, 1, 2 or 3 is shown upright and turned by 90, 180 and 270 degrees; the 16
classes are digit and turn. The head of this task is thrown away. Run from the repository root (a
few seconds)::

    .venv/bin/python scripts/pretrain_digits.py
"""

import math

import numpy as np
import safetensors.torch
import torch
from torch import nn

from workbench.models.backbones import DIGITS, DigitsBackbone
from workbench.models.verify import write_manifest
from workbench.system.files import write_atomically
from workbench.system.runtime import generator
from workbench.tasks.digits import load_digits

STEPS, BATCH, RATE = 600, 64, 3e-3

torch.set_num_threads(1)
rng = generator(0, "digits backbone")
(x, y), *_, (test_x, test_y) = load_digits()


def turned(x: np.ndarray, y: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the images of 0 to 3 in four positions, and their classes."""
    images = x[y < 4].reshape(-1, 8, 8)
    views = np.concatenate([np.rot90(images, turn, axes=(1, 2)) for turn in range(4)])
    classes = np.concatenate([y[y < 4] + 4 * turn for turn in range(4)])
    return torch.tensor(views.reshape(-1, 64)), torch.tensor(classes)


def linear(inputs: int, outputs: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weights and biases, uniform as in torch.nn.Linear."""
    bound = 1 / math.sqrt(inputs)
    return tuple(torch.empty(shape).uniform_(-bound, bound, generator=rng)
                 for shape in ((outputs, inputs), (outputs,)))


(hidden, hidden_bias), (output, output_bias) = linear(64, 128), linear(128, 64)
backbone = DigitsBackbone()
backbone.load_state_dict({
    "hidden.weight": hidden, "hidden.bias": hidden_bias, "output.weight": output,
    "output.bias": output_bias, "norm.weight": torch.ones(64), "norm.bias": torch.zeros(64)},
    assign=True)
head = nn.ParameterList(linear(64, 16))
optimizer = torch.optim.Adam([*backbone.requires_grad_().parameters(), *head], lr=RATE)
inputs, classes = turned(x, y)
for _ in range(STEPS):
    rows = torch.randint(len(inputs), (BATCH,), generator=rng)
    logits = nn.functional.linear(backbone(inputs[rows]), *head)
    optimizer.zero_grad()
    nn.functional.cross_entropy(logits, classes[rows]).backward()
    optimizer.step()
inputs, classes = turned(test_x, test_y)
with torch.no_grad():
    right = nn.functional.linear(backbone(inputs), *head).argmax(1) == classes
DIGITS.mkdir(exist_ok=True)
write_atomically(DIGITS / "model.safetensors", safetensors.torch.save(backbone.state_dict()))
write_manifest(DIGITS)
print(f"test accuracy on 16 classes {right.double().mean():.3f}")
