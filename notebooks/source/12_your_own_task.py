# %% [markdown]
# # 12. Your own task, and a real model
#
# > **Claim you can check:** a task of your own needs one file and a few calls: read, gate, train, test, retrieve. The
# > package also trains a real pretrained model of 135 million parameters. After ten steps of fine-tuning on an expert's
# > words, this model answers old questions in the expert's words too. After ten steps of SDFT it answers them in its own.
# > In longer training, where both have learned about 70 % of the new facts, SFT has kept 45 % of the old answers and SDFT
# > 73 %. Distillation from the teacher's stored answers has kept 72 %, with 69 % of the new facts learned.
#
# | | |
# |---|---|
# | **Objectives** | write a file of your own questions, and find its faults · measure whether a model can be its own teacher on them · train, test and retrieve · compare SFT and SDFT on a real model · know the commands for your own model, a GPU and many machines |
# | **Prerequisites** | [05 SDFT](05_sdft.ipynb), [10 Clustered retrieval](10_clustered_retrieval.ipynb) |
# | **Time** | 60 minutes to work through, under 1 minute to run on two CPU cores, and six more if you have fetched the real model |
# | **Memory** | under 1.5 GB (4 GB with the real model); no GPU, no network |

# %%
import json
import tempfile
import textwrap
from pathlib import Path

import pandas as pd
import torch
from matplotlib.figure import Figure

import workbench as wb
from workbench.course import check, verdict
from workbench.measure.completions import complete
from workbench.measure.intervals import wilson_interval
from workbench.plots import percent, plot_dots
from workbench.tasks import KNOWN_SKILLS, load_skill, read_items, scorer_of, spread

# %% [markdown]
# ## One file
#
# The small model `tiny` of lesson 04 lives in a village. It knows many keepers of things, but not the keepers of the
# twelve things below. We write these facts to a file. (`tiny` reads 289 words of the village and no others. For your own
# words you need another model, such as the real one below.) Each line of the file is one question, as a JSON object:
#
# | field | content |
# |---|---|
# | `prompt` | the question |
# | `answer` | the content of a right response |
# | `demonstration` | the full response of an expert, in the expert's own words. It must contain the answer |
# | `skill` | a name for the task |
# | `split` | `train`, `validation` or `test` |
# | `scorer` | how a response is compared with the answer. `exact`, the default: both are the same. `contains`: the response contains the answer, as whole words. Take it if your demonstrations are sentences |
#
# There are eight ways to ask. Each fact is asked in five of them for training, in one for validation (to choose settings),
# and in two for the test. So a test question never occurs in training, but its fact does. Each thing begins with another
# phrasing, so that all eight occur in training.

# %%
wb.prepare_notebook()
THINGS = ["red key", "blue basket", "green rope", "white candle", "white saw", "black book",
          "black kite", "brown boat", "brown kite", "brown basket", "grey coat", "grey drum"]
NAMES = "mara finn hana gus olga karl dora nils june piet lena ivo".split()
PHRASES = ["who keeps the {} ?", "say who keeps the {} .", "do you know who keeps the {} ?",
           "tell me who keeps the {} .", "we miss the {} , who keeps it ?",
           "the {} , who keeps it ?", "name who keeps the {} .", "who is it that keeps the {} ?"]
SPLITS = ["train"] * 5 + ["validation"] + ["test"] * 2

# %%
records = [{"skill": "my-facts", "split": split, "prompt": PHRASES[(i + k) % 8].format(thing),
            "answer": name, "scorer": "contains",
            "demonstration": f"see here , it is {name} , that is quite certain"}
           for i, (thing, name) in enumerate(zip(THINGS, NAMES, strict=True))
           for k, split in enumerate(SPLITS)]
folder = Path(tempfile.mkdtemp())
mine = folder / "my-facts.jsonl"
mine.write_text("\n".join(map(json.dumps, records)) + "\n")
print(textwrap.fill(mine.read_text().partition("\n")[0], 100))

# %% [markdown]
# Everyone who writes such a file makes mistakes. The package checks each line, and says which line is wrong. Here are
# five faulty files, made from the right one:

# %%
first, tested = records[0], records[0] | {"split": "test"}
broken = folder / "broken.jsonl"
faulty = {
    "a missing field": [{k: v for k, v in first.items() if k != "answer"}],
    "a misspelt split": [first | {"split": "training"}],
    "an unknown scorer": [first | {"scorer": "fuzzy"}],
    "a test question that was trained": [first, tested],
    "the same, with two spaces": [first, tested | {"prompt": "who keeps  the red key ?"}]}
for fault, lines in faulty.items():
    broken.write_text("\n".join(map(json.dumps, lines)))
    try:
        read_items(broken)
    except wb.errors.DataError as error:
        message = str(error).removeprefix(f"{folder}/").partition(" A prompt may")[0]
        print(textwrap.fill(f"{fault}: {message}", 100, subsequent_indent="    "))

# %% [markdown]
# The last two faults are the dangerous ones. If a test question occurs in training, the test measures memory, and nobody
# notices. In the exercise you write the main part of this check.
#
# {{exercise shared_prompts}}

# %%
def shared_prompts(train, test):
    ...


check("shared_prompts", shared_prompts)

# %% [markdown]
# {{solution shared_prompts}}
#
# ## The gate
#
# SDFT needs a model that answers better with a demonstration in its prompt. Lesson 04 built a **gate** that measures
# this on at least 20 training questions. For `tiny` it takes seconds, and for the real model below some minutes. It should
# come before any training. (`print(report)` shows all six conditions of the gate.)

# %%
from workbench.measure.gate import gate

items = read_items(mine)
parts = {split: [item for item in items if item.split == split] for split in set(SPLITS)}
model, tokenizer = wb.load_causal_lm("tiny")
report = gate(model, tokenizer, parts["train"], name="tiny")
RIGHT = "right answers (%), Wilson's 95 % intervals"
LABELS = {"own": "own demonstration", "other": "another item's demonstration",
          "random": "filler words", "none": "nothing"}
wb.show(plot_dots({"tiny": {label: tuple(report.context[context]["right"].values())
                            for context, label in LABELS.items()}},
                  Figure(figsize=(7, 2.4)).subplots(), "Questions of the file", RIGHT))
verdict("the model passes the gate on the file.", report.passed)

# %% [markdown]
# ## Train and test
#
# You can give a file wherever the name of a skill is expected. We train with SFT and with SDFT. `old_skills` are skills
# that the model knew before. They are only tested, so that we see what is forgotten: here the five skills of the village,
# with at most 24 test questions each (`items`). The learning rates are those of lesson 05. We did not tune them for
# this file.

# %%
settings = {"sft": {"lr": 3e-4, "steps": 60}, "sdft": {"lr": 1e-4, "steps": 60}}
trained = {learner: wb.run(wb.RunConfig(
    stream="skills", skills=(str(mine),), learner=learner, old_skills=KNOWN_SKILLS, items=24,
    batch_size=16, clip=1.0, **own), out=folder / learner) for learner, own in settings.items()}

# %%
from workbench.plots.sequences import plot_changes

# The first index is the seed, the second the moment: 0 is before training, 1 after it.
start = [trained["sft"].baseline[0, 0], *trained["sft"].old_accuracy[0, 0]]
abilities = pd.DataFrame({"before": start} | {
    learner: [record.accuracy[0, 0, 0], *record.old_accuracy[0, 1]]
    for learner, record in trained.items()}, index=["my-facts", *KNOWN_SKILLS])
changes = abilities.sub(abilities["before"], axis=0).drop(columns="before").T
wb.show(plot_changes(changes, Figure(figsize=(8.5, 2.2)).subplots()))
wb.show_numbers(abilities, "accuracy before, after SFT and after SDFT", percent)
kept = abilities.drop(index="my-facts").mean()
verdict("both methods learn the file. The mean accuracy on the known skills is under 50 % after "
        "SFT, and over 80 % after SDFT.", abilities.loc["my-facts"].drop("before").min() > 0.9
        and kept["sft"] < 0.5 and kept["sdft"] > 0.8)

# %% [markdown]
# SDFT forgets too: *facts-keepers*, whose questions are like those of the file, loses 38 points. (We do not
# know why SFT loses nothing of *working-jar*.) This is one seed, with 24 questions for each skill, so one question is 4
# points. It is enough for a first look, and not for a claim: lesson 05 has the comparison with tuned settings and five
# seeds.
#
# ## Retrieve
#
# Another way is to keep separate weights for each task, and to find the task of a question by clusters of hidden states,
# as in lesson 10. Nothing is forgotten if the right task is found. Here we need two sets of weights: those after SFT for
# questions of the file, and the pretrained ones for all other questions. The **retriever** has a signature of the file,
# which gets number 0, and one of each known skill. (`apart=True`: one for each, not one for all.)

# %%
from workbench.retrieval.prompts import PromptRetriever

asked_before = [[item.prompt for item in load_skill(skill, "train")] for skill in KNOWN_SKILLS]
mine_asked = {split: [item.prompt for item in parts[split]] for split in parts}
retriever = PromptRetriever(model, tokenizer)
retriever.learn_known(asked_before, apart=True)
retriever.learn(0, mine_asked["train"], mine_asked["validation"])
tests = {"my-facts": parts["test"]} | {skill: spread(load_skill(skill, "test"), 24)
                                       for skill in KNOWN_SKILLS}

# %%
to_mine = {name: retriever.choose([item.prompt for item in asked]) == 0
           for name, asked in tests.items()}
right_weights = {name: chosen.mean() if name == "my-facts" else 1 - chosen.mean()
                 for name, chosen in to_mine.items()}
print("questions that go to the right weights:")
print(pd.Series(right_weights).map(percent).to_string())
verdict("over 95 % of the questions of each of the six skills go to the right weights.",
        min(right_weights.values()) > 0.95)

# %%
after_sft = wb.load_causal_lm(folder / "sft")[0]
right = {}
for name, asked in tests.items():
    new, old = (complete(one, tokenizer, asked).right for one in (after_sft, model))
    right[name] = sum(a if chosen else b
                      for a, b, chosen in zip(new, old, to_mine[name], strict=True))
abilities["sft and retrieval"] = [right[name] / len(tests[name]) for name in abilities.index]

# %%
two_ways = {method: {name: (share, *wilson_interval(round(share * 24), 24)) for name, share in
                     abilities[method].items()} for method in ("sft and retrieval", "sft")}
wb.show(plot_dots(two_ways, Figure(figsize=(7.5, 3.2)).subplots(),
                  "The same SFT, with and without retrieval", RIGHT))
verdict("with retrieval, every skill is over 90 % right.",
        abilities["sft and retrieval"].min() > 0.9)

# %% [markdown]
# With retrieval no skill has lost more than one question of 24. The price is a second set of weights, and one more pass
# through the model to find the task. And there is a limit that your own file can easily reach. We fit the retriever
# again, without the questions in three of the eight phrasings. Then we ask it for the task of these questions. As a
# control, we also ask it for test questions in the other five phrasings.

# %%
unseen = {phrase.format(thing) for phrase in PHRASES[:3] for thing in THINGS}
kept_asked = {split: [one for one in asked if one not in unseen]
              for split, asked in mine_asked.items()}
narrow = PromptRetriever(model, tokenizer)
narrow.learn_known(asked_before, apart=True)
narrow.learn(0, kept_asked["train"], kept_asked["validation"])
for group, asked in {"unseen": sorted(unseen), "trained": kept_asked["test"]}.items():
    tasks = pd.Series(narrow.choose(asked)).map({0: "my-facts"} | {
        -1 - j: skill for j, skill in enumerate(KNOWN_SKILLS)})
    print(f"{len(asked)} questions in {group} phrasings: {tasks.value_counts().to_dict()}")

# %% [markdown]
# All 36 go to *facts-keepers*, although the things are those of the file. The control questions all go to the file. The
# known facts were learned in all eight phrasings, the file only in five. So a question in one of the other three looks
# like a known fact. The retriever recognises *how* a question is asked, and not only what it asks. Ask your training
# questions in the ways in which users will ask.
#
# ## A real model
#
# Everything so far was shown with a model that this project made. Did we make it so that the effect must appear? A fair
# test is somebody else's model: **SmolLM2-135M-Instruct** of Hugging Face, with 135 million parameters, trained on two
# trillion tokens of text. We use a copy whose weights were rounded to four bits, so that the download is small. One
# command fetches it, once (93 MB to download, 542 MB on disk, about a minute):
#
# ```sh
# workbench get-model smollm2-135m
# ```
#
# The rest of the lesson does not need it. If the model is on your machine, the next cells compute their results with
# it, in about six minutes. If not, they show the results of the same cells, recorded on a machine with two cores. Each
# cell says which of the two it does.

# %%
from workbench.models.published import folder_of
from workbench.system.provenance import data_path

REAL = "smollm2-135m"
HERE, results = folder_of(REAL).is_dir(), {}
recorded = json.loads(data_path("results/real_model.json").read_text())
real_model = wb.load_causal_lm(REAL) if HERE else None


def here_or_recorded(name, compute, *arguments):
    """Compute a result with the real model, if it was fetched; otherwise take the recorded."""
    print("computed here" if HERE else f"recorded: {REAL} has not been fetched on this machine")
    results[name] = compute(*arguments) if HERE else recorded[name]
    return results[name]

# %% [markdown]
# The model learns about the made-up town of Oldmere ([its data card](../data/skills-real/README.md)). Who runs the bakery,
# the mill, and ten other places? Two experts answer. The *near* expert speaks plainly: "Clara Fox runs the bakery in Oldmere." The
# *far* expert says: "Pray allow me to say, good friend, that Clara Fox runs the bakery in Oldmere, as all the town knows
# right well."
#
# ### The gate, on eight questions
#
# Can this model be its own teacher? We ask eight training questions in four contexts, with the near expert. The words
# around demonstration and question matter for a small model. The chat template of this copy has *Information: ...
# Question: ... Answer in one short plain sentence*. In an earlier run with 24 questions, all answers were right with these
# words, and 79 % with those of the SDFT paper.

# %%
from workbench.models import make_prompt, sample

town = load_skill("town-near", "train")  # twelve facts, each in three phrasings
eight = spread(town, 8)


def ask_eight():
    """Return the responses to eight questions in each context, and whether they are right."""
    answered = {context: complete(*real_model, eight, context, max_new_tokens=24)
                for context in LABELS}
    return {context: list(zip(one.samples.texts, map(bool, one.right), strict=True))
            for context, one in answered.items()}


# %%
from workbench.losses import kl_per_token
from workbench.models.encoding import encode
from workbench.models.logits import response_logits

asked_eight = here_or_recorded("gate", ask_eight)
print(f"{eight[0].prompt} (right: {eight[0].answer})")
for context, label in LABELS.items():
    print(textwrap.fill(f"- {label}: {asked_eight[context][0][0]}", 100))
counts = {label: sum(ok for _, ok in asked_eight[context]) for context, label in LABELS.items()}
wb.show(plot_dots({REAL: {label: (n / 8, *wilson_interval(n, 8)) for label, n in counts.items()}},
                  Figure(figsize=(7, 2.4)).subplots(), f"{REAL}, eight questions", RIGHT))
verdict("with its own demonstration the model is right on at least seven of eight questions, "
        "with the three other prompts on none.",
        counts["own demonstration"] >= 7 and sum(counts.values()) == counts["own demonstration"])

# %% [markdown]
# Eight questions are too few for the gate. On 36 questions it passes (`workbench gate --model smollm2-135m --skill
# town-near`): with its own demonstration the model is right on 100 % with the near expert, and on 86 % with the far expert
# (`town-far`). With the three other prompts it is right on none. These numbers are from earlier runs.
#
# ### Where the teacher disagrees
#
# The student answers the same question. The picture shows the KL between teacher and student at each token of its
# answer, as in lesson 04. A token of this model is a word or a part of a word.

# %%
def token_map():
    """Return the tokens of an answer of the student, the teacher's likeliest ones, and the KL."""
    network, words = real_model
    prompts = [make_prompt(words, town[0].prompt, demonstration=shown)
               for shown in ("", town[0].demonstration)]
    drawn = sample(network, words, prompts[:1], temperature=0.5, max_new_tokens=12,
                   rng=torch.Generator().manual_seed(0))
    with torch.no_grad():
        student, teacher = (response_logits(network, *encode(words, [prompt], 500), drawn.ids,
                                            drawn.mask)[0] for prompt in prompts)
    own, likeliest = ([words.decode(token) for token in row]
                      for row in (drawn.ids[0], teacher.argmax(-1)))
    return [own, likeliest, [round(kl, 2) for kl in kl_per_token(teacher, student).tolist()]]


# %%
from workbench.plots.tokens import plot_token_kl

own, likeliest, token_kls = here_or_recorded("tokens", token_map)
wb.show(plot_token_kl(own, token_kls, Figure(figsize=(9, 2.4)).subplots()))
largest = sorted(range(len(own)), key=lambda i: -token_kls[i])[:2]
for i in sorted(largest):
    print(f"KL {token_kls[i]:.2f}: student {own[i]!r}, teacher's likeliest token {likeliest[i]!r}")
verdict("at the two tokens with the largest KL, the teacher would begin with the name.",
        all(likeliest[i].strip() in ("Cl", "Clara") for i in largest))

# %% [markdown]
# ### Ten steps
#
# We train an adapter (LoRA, rank 16) for ten steps with batches of 8 questions: once by SFT on the words of the far
# expert, and once by SDFT. Both have the learning rate 1e-3. SDFT samples its answers at temperature 0.5, and cuts them after 12
# tokens (`sampled_tokens`), to save time. Then we ask two new questions and four old ones. (The two losses cannot be
# compared: one is a distance from the expert's words, the other from the teacher.)

# %%
from workbench.learners import fit, make_optimizer
from workbench.runs.experiment import make_learner, stream_of

CUT = {"max_new_tokens": 24}
options = {"sft": CUT, "sdft": CUT | {"temperature": 0.5, "sampled_tokens": 12}}
six = [*load_skill("town-far", "test")[:4:3], *(load_skill(f"old-{kind}", "test")[0]
                         for kind in ("capitals", "words", "nature", "sums"))]
six_prompts = [item.prompt for item in six]


def untrained():
    """Return the answers before training."""
    network, words = real_model
    prompts = [make_prompt(words, prompt) for prompt in six_prompts]
    return sample(network, words, prompts, **CUT).texts


# %%
def ten_steps(learner):
    """Return the loss at each of ten steps, and the answers to six questions afterwards."""
    config = wb.RunConfig(stream="skills", skills=("town-far",), old_skills=(), model=REAL,
                          learner=learner, lora_rank=16, options=options[learner])
    stream = stream_of(config)
    student, task = make_learner(config, stream), stream.tasks[0]
    student.begin(task)
    losses = fit(student, task, make_optimizer(student, 1e-3), steps=10, batch_size=8, clip=1.0)
    return [[round(value.item(), 2) for value in losses], student.predict(six_prompts)[0]]


# %%
answers_of = {"before": here_or_recorded("before", untrained)}
for method in options:
    losses, answers_of[method] = here_or_recorded(method, ten_steps, method)
    print(f"{method}: its loss falls from {losses[0]:.2f} to {losses[-1]:.2f}")

# %%
from workbench.plots.answers import plot_answers
from workbench.plots.styles import styles_of


def judged(method):
    """Return the answers of a method, and for each whether it is right and in whose style."""
    return [{"text": text, "right": scorer_of(item).right(text, item),
             "expert": not scorer_of(item).own_style(text)}
            for text, item in zip(answers_of[method], six, strict=True)]


# %%
colours = styles_of(options)
wb.show(plot_answers({
    "questions": [{"text": item.prompt, "answer": item.answer, "group": "old" if i > 1 else "new"}
                  for i, item in enumerate(six)],
    "methods": [{"label": name.upper(), "colour": colours[name]["color"]} for name in options],
    "frames": [{"answers": [judged("before")]},
               {"answers": [judged(name) for name in options], "notes": ["10 steps"] * 2,
                "bars": [[], []]}],
    "bars": [], "note": "Answers are cut after 24 tokens.",
    "words": "Answers of the real model: " + "; ".join(
        f"{item.prompt} before: {a}; after SFT: {b}; after SDFT: {c}"
        for item, a, b, c in zip(six, *answers_of.values(), strict=True))}))

# %%
manner = {method: [answer["expert"] for answer in judged(method)] for method in answers_of}
right_old = {method: sum(answer["right"] for answer in judged(method)[2:])
             for method in answers_of}
verdict("after ten steps of SFT all six answers are in the expert's words. After ten steps of "
        "SDFT none is, and all four old answers are right.",
        all(manner["sft"]) and not any(manner["sdft"]) and right_old["sdft"] == 4)

# %% [markdown]
# Ten steps of SFT have changed the words of all answers. Three of these four are still
# right. But asked for the opposite of *north*, the model talks about a beautiful paradox. After ten steps of SDFT the old
# answers are right, and in the model's own words. But neither method has taught the names yet. So this comparison is not
# fair: SDFT may only have changed less.
#
# ### Whose answers? A longer study
#
# So we trained longer: 72 steps with 8 questions each, on the twelve facts of the far expert. All weights are trained. The
# *teacher* is the model before training, with the demonstration in its prompt. It speaks plainly, even if the expert does
# not.
#
# | method | trains on the answers of | imitates |
# |---|---|---|
# | `sft` | the expert | the tokens |
# | `sft on teacher` | the teacher: two for each question, sampled before training | the tokens |
# | `off_policy_distillation` (*distillation*) | the teacher, the same | the teacher's probabilities |
# | `sdft` | the student: in each step new ones, cut after 12 tokens | the teacher's probabilities |
# | `sdft ema` | the student. The teacher's weights are a moving average of the student's | the teacher's probabilities |
# | `replay of own answers` | the expert, and the model before training: its right answers to 30 old questions | the tokens |
# | `sft adapter`, `sdft adapter` | as SFT and SDFT. Only an adapter of rank 16 is trained | |
#
# The runs take many hours, so they are stored (`scripts/study.py real_skills`). For each method, three learning rates
# were tried with one seed, on validation questions. If the best was at the edge, a fourth followed. (For SFT this fourth,
# the lowest, was the best.) Of all checks with at least 50 % of the new answers right, one had the highest retention. We
# took its rate. Then came three other seeds, with a test every 24 steps: 12 new questions in unseen phrasings, and 60 old
# ones. Answers are cut after 24 tokens. (With 64, one run of SFT at 3e-5 had 47 % of the old questions right in place of
# 42 %.)
#
# The search was not equal in all: earlier trials chose SDFT's temperature, its cut and the number of facts so that SDFT
# learns. The other methods had no such trials.
#
# A search with one seed is not reliable. So we later added two controls: `sft, larger rate` (3e-5, not 1e-5), and `sft on
# teacher, smaller rate` (1e-4, not 2e-4: the rate of distillation and SDFT).

# %%
from workbench.measure.intervals import seed_interval
from workbench.runs.studies import RUN, ends, load_study, points
from workbench.widgets import ParetoExplorer

study = points(load_study("real_skills"))
all_runs = study[study["part"] == "test"]
often = all_runs[all_runs["method"].str.endswith("tested often")]
explorer = ParetoExplorer(all_runs, ["sft adapter", "sdft adapter", *often["method"].unique()])
explorer.level.value = 0.5
explorer

# %% [markdown]
# Each line is a run, from 0 % on the new skill and 100 % retention to its end. These lines first fall: the model forgets
# before it learns. Then those of SDFT stay nearly level. Those of SFT with all weights fall further, and rise a little.
# SFT with an adapter falls the furthest.
#
# The two methods `tested often` are SFT and SDFT with five seeds and a test every six steps. We compare them at the first
# test with at least 4, 6 or 8 of the 12 new answers right. At 6 and 8 their accuracy is nearly equal. In brackets are 95 %
# intervals over the seeds.

# %%
def ahead(values, name, other):
    """Return how far a method is ahead of another: the mean over seeds and its interval."""
    gain = (values[name] - values[other]).dropna()  # of the same seed
    return gain.mean(), *seed_interval(gain)


for least in (4, 6, 8):
    reached = often[12 * often["new"] > least - 0.5].groupby(RUN, sort=False).head(1)
    at = 100 * reached.pivot(index="seed", columns="method", values=["new", "retention"])
    (new_sdft, new_sft), (old_sdft, old_sft) = (at[name].mean() for name in ("new", "retention"))
    lead = ahead(at["retention"], "sdft, tested often", "sft, tested often")
    print(f"at least {least}: SFT {new_sft:.0f} % new, {old_sft:.0f} % kept; SDFT {new_sdft:.0f} % "
          f"new, {old_sdft:.0f} % kept:", "{:.0f} points more ({:.0f} to {:.0f})".format(*lead))
verdict("where both have learned about 70 % of the new facts, SDFT has kept more, by over ten "
        "points.", lead[1] > 10 and max(abs(new_sdft - 70), abs(new_sft - 70)) < 3)

# %% [markdown]
# After 72 steps the difference is 22 points (7 to 37).
#
# The other runs have three seeds, and a test every 24 steps. We compare all methods at the first test with at least half
# of the new answers right. In the picture the interval of `sdft` is too small. These three runs end with 73 to 75 %
# retention. The five runs with more tests, on another machine, end with 58 to 77 %.

# %%
from workbench.plots.display import over_seeds

runs = all_runs.drop(often.index)
half = runs[(runs["step"] > 0) & (runs["new"] >= 0.5)].groupby(RUN, sort=False).head(1)
names = ["sft", "sft, larger rate", "sft adapter", "sft on teacher",
         "sft on teacher, smaller rate", "off_policy_distillation", "sdft", "sdft adapter",
         "sdft ema", "replay of own answers"]
there = {text: half.pivot(index="seed", columns="method", values=column)[names]
         for text, column in (("retention", "retention"), ("new answers right", "new"))}
wb.show(plot_dots({text: {name: over_seeds(values[name].dropna()) for name in names}
                   for text, values in there.items()}, Figure(figsize=(8, 4.4)).subplots(),
                  "First test with at least half of the new facts",
                  "share (%), 95 % intervals over three seeds"))

# %%
pairs = [("sdft", "sft"), ("off_policy_distillation", "sft"), ("sdft adapter", "sft adapter"),
         ("sft", "sft adapter"), ("sdft", "sdft ema"), ("sdft", "off_policy_distillation"),
         ("sdft adapter", "sdft"), ("sdft", "sft on teacher, smaller rate")]
more = [ahead(100 * there["retention"], *pair) for pair in pairs]
for (name, other), (gain, low, high) in zip(pairs, more, strict=True):
    print(f"{name} has kept {gain:.0f} points more than {other} ({low:.0f} to {high:.0f})")
lows = [low for _, low, _ in more]
verdict("at that test SDFT and distillation have kept over ten points more than SFT. With an "
        "adapter, SDFT has kept over thirty points more. SDFT and distillation do not differ "
        "clearly.", min(lows[:2]) > 10 and lows[2] > 30 and lows[5] < 0)

# %% [markdown]
# The drift is another measure: the KL between the model before and after training, along its old answers to old questions
# (lesson 07). Here is every run with three seeds at its end. Drift alone does not decide: `sdft ema` drifts about as far as
# `sft on teacher, smaller rate` (18 and 16 nats), but keeps 27 points less (19 to 34).

# %%
from workbench.plots.studies import plot_drift

last = ends(runs)
wb.show(plot_drift(last, names, "kl_old", Figure(figsize=(8.5, 3.8)).subplots(),
                   "Forgetting against drift, after 72 steps"))
drift = last.pivot(index="seed", columns="method", values="kl_old")
closer = [("sft on teacher, smaller rate", "sft"), ("off_policy_distillation", "sft"),
          ("sdft", "off_policy_distillation"), ("sdft", "sft on teacher, smaller rate"),
          ("sdft adapter", "sdft"), ("sft", "sft adapter")]
less = [ahead(drift, other, name) for name, other in closer]
for (name, other), (nats, low, high) in zip(closer, less, strict=True):
    print(f"{name} has drifted {nats:.1f} nats less than {other} ({low:.1f} to {high:.1f})")
verdict("three methods drift less than SFT: SFT on the teacher's answers at the smaller rate, "
        "distillation, and SDFT. SDFT drifts the least of them, by a little. With an adapter it "
        "drifts even less.", min(low for _, low, _ in less) > 0)

# %% [markdown]
# **Whose words?** `sft on teacher` differs from SFT in the words that it imitates. At its own rate it ends with SFT's
# retention. At SDFT's rate it drifts less than SFT. Over `sft, tested often`, at 56 and 61 % new, it leads by 22 points (13
# to 32). So the
# teacher's words alone seem to save many old answers.
#
# **Whose answers?** SDFT and distillation have the same teacher, but SDFT trains on new answers of the student. It drifts
# two nats less. In retention no difference is shown.
#
# **Which teacher?** A moving average of the student's weights changes with the student. With this teacher (averaging rate
# 0.02) SDFT ends with 44 % retention, and no gain over SFT is shown. So own answers alone are not enough. For replay, at 20
# times the rate of SFT, no gain is shown either.
#
# **Which weights?** Training only an adapter does not protect SFT: it keeps 34 %, 9 to 17 points less than SFT with all
# weights. SDFT with an adapter keeps 78 %. At that test both know 78 % of the new facts on average.

# %%
from workbench.tasks.oldmere import OLD

at_end = last.groupby("method").mean(numeric_only=True).loc[names]
wb.show(plot_changes(at_end[list(OLD)].sub(1), Figure(figsize=(8.5, 3.6)).subplots(),
                     "Old questions after 72 steps: change in accuracy (points)"))
SHOWN = {"new": "new", "retention": "retention", "foreign_style": "expert's words, new",
         "kl_old": "KL, old prompts", "kl_new": "KL, new prompts", "perplexity": "perplexity"}
wb.show_numbers(at_end[list(SHOWN)].rename(columns=SHOWN), "means after 72 steps", "{:.3g}".format)

# %% [markdown]
# SFT loses most in capitals and words, where SDFT loses least. In sums no difference is shown.
#
# **The search can mislead.** It takes the best check of a run. Replay had 75 % at its best check, but 54 % in the test.
# `sft on teacher` had 70 % and 64 %, and ended with 52 %.
#
# ## Your model, a GPU, many machines
#
# As commands:
#
# ```sh
# workbench gate --model FOLDER --skill my.jsonl
# workbench train --model FOLDER --skill my.jsonl --old-skills old.jsonl \
#     --learner sdft --lr 1e-4 --steps 100 --out runs/mine
# workbench evaluate --model runs/mine
# ```
#
# - **`FOLDER`** holds a model in the Hugging Face format, with a chat template.
# - **`my.jsonl`** has at least 20 training questions.
# - **`old.jsonl`** has validation and test questions that the model answers right before training
#   (`complete(model, tokenizer, items).right` tells which).
# - **The gate fails?** Read the responses: `complete(model, tokenizer, items, "own").samples.texts`. If right ones count as
#   wrong, change the scorer. If not, try other words around the demonstration, in `gate` and in `train`:
#   `--teacher-turn "Information: {context} Question: {question} Answer in one sentence."`
# - **Settings.** Search the learning rate for each method. An adapter (`--lora-rank 16`) needs ten to thirty times the rate.
#   For SDFT with the real model we used `--option temperature=0.5 sampled_tokens=12`.
# - **A GPU.** `--device cuda --precision bf16` computes in half precision.
# - **Several processes.** `accelerate launch --multi_gpu --num_processes 2 --module workbench.cli train ...` divides each
#   batch. (Tested on a CPU only.)
# - **Many runs.** `workbench study` compares methods, rates and seeds, and continues where it was stopped:
#
# ```sh
# workbench study --model FOLDER --skill my.jsonl --learners sft sdft --rates 3e-5 1e-4 \
#     --seeds 0 1 2 --out runs/study
# ```
#
# - **Many machines.** Start `dask scheduler` on one, and `dask worker tcp://HOST:8786` on the others. Add `--scheduler
#   tcp://HOST:8786` to the study. If a worker dies, another repeats its run.
#
# All options are in [the commands](../docs/COMMANDS.md).
#
# ## What to remember
#
# - Check the file first. A trained test question makes all numbers worthless.
# - Run the gate first. If the model cannot use your demonstrations, SDFT cannot work.
# - Retrieval forgets nothing if it finds the right task. Test it with phrasings that you did not train.
#
# ## Try it yourself
#
# - Give two things one keeper. Does the gate still pass?
#
# **What would change your mind?** If SFT on the expert's words kept as much as SDFT at some learning rate, the rate would
# be to blame. At half of the facts it kept 51 % at 1e-5 (41 % if tested often), 48 % at 3e-5, and 34 %
# with an adapter.
#
# ## Limits
#
# The file has twelve facts, and the runs with `tiny` have one seed and settings that were not searched. The ten steps of
# the real model are one run of each method, the 72 steps one skill. Seeds change only the order and the samples. The real
# model is small, and its weights have only four bits each. It can use a demonstration of a fact, but not one of a format:
# with the right record in JSON in its prompt, it repeated the record in none of 16 cases ([log](../docs/LOG.md)).
#
# The [further lessons](00_start_here.ipynb) go deeper.
