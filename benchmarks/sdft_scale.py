"""Time an SDFT step at the size of a real model, beside TRL's; meant for a GPU.

Run from the repository root, on a machine with CUDA::

    .venv/bin/python benchmarks/sdft_scale.py

The model has the shape of Qwen2.5-0.5B and random weights, so that nothing is downloaded; its
responses are noise of the greatest length, which costs what any would. Both sides compute matrix
products in bfloat16 and keep their weights in float32. Written to ``artifacts/bench/``.
Without a GPU, ``--device cpu --shape small`` shows that it runs, and nothing about speed.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from typing import Any

import sdft
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from workbench.errors import ConfigError
from workbench.models.loading import load_causal_lm
from workbench.system.provenance import environment, package_version
from workbench.system.runtime import require_device

SHAPES: dict[str, dict[str, Any]] = {
    "qwen2.5-0.5b": {"vocab_size": 151_936, "hidden_size": 896, "intermediate_size": 4864,
                     "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2},
    "small": {"vocab_size": 2048, "hidden_size": 64, "intermediate_size": 128,
              "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}}
"""What is built: the first as in the config of Qwen/Qwen2.5-0.5B, without its few biases. (Of the
type llama, since of the type qwen2 transformers would take words apart as Qwen does.)"""


def write_model(shape: str, folder: str) -> None:
    """Write a model of a shape with random weights, and the tiny model's tokenizer with it."""
    _, tokenizer = load_causal_lm("tiny")
    config = LlamaConfig(**SHAPES[shape], tie_word_embeddings=True, max_position_embeddings=1024,
                         bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
                         pad_token_id=tokenizer.pad_token_id)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def main() -> None:
    """Measure, print, and write the report."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--shape", choices=SHAPES, default="qwen2.5-0.5b")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--rounds", type=int, default=30, help="steps timed (default 30)")
    asked = parser.parse_args()
    try:
        require_device(asked.device)
    except ConfigError as error:
        parser.error(f"{error}, with --shape small")
    with tempfile.TemporaryDirectory() as folder:
        write_model(asked.shape, folder)
        steps = sdft.measure_steps(
            asked.rounds, {"model": folder, "device": asked.device, "precision": asked.precision},
            model=folder, use_cpu=asked.device == "cpu", bf16=asked.precision == "bf16")
    name = torch.cuda.get_device_name() if asked.device == "cuda" else "processor"
    print(f"# An SDFT step, {asked.shape}, random weights, {asked.precision}, {name}, batch "
          f"{sdft.BATCH}\n\nMedians of {asked.rounds} steps, taken in turns; responses of "
          f"{steps['response_tokens']:.0f} tokens, equal on both sides in "
          f"{steps['steps_with_the_same_responses']} steps.\n\n| step | ms |\n| --- | ---: |")
    for side, what in (("sft", "SFT, workbench"), ("sdft", "SDFT, workbench"),
                       ("trl", f"SDFT, TRL {package_version('trl')}")):
        print(f"| {what} | {1e3 * steps['seconds'][side]:.1f} |")
    for ratio, value in steps["ratios_seconds"].items():
        print(f"\n{ratio}: {value:.2f}")
    if asked.device == "cuda":
        print(f"\nMost memory at a time: {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB, both "
              "sides together")
    path = sdft.SPEED.with_name(f"sdft-{asked.shape}-{asked.device}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({
        "command": shlex.join([".venv/bin/python", "benchmarks/sdft_scale.py", *sys.argv[1:]]),
        "environment": environment() | {"trl": package_version("trl"), "device": name},
        "steps": steps}, indent=1) + "\n")
    print(f"\nwritten: {path}")


if __name__ == "__main__":
    main()
