"""The pipeline: it carries out a plan, stage by stage, from a base to a trained checkpoint with its card.

``sl-cai``: critique and revision of the base's own answers, then supervised fine-tuning on the revisions and
on the base's own answers to benign prompts, so that it changes nothing else (Bai et al. 2022, "Constitutional
AI", arXiv:2212.08073, section 3). ``rl-cai``: the same, then pairs of answers, labels, a preference model,
and GRPO against it; AI labels pairs of harmful prompts, people those of benign ones (section 4.1).
``hh-rlhf``: people label all pairs, under the old or the new instruction, and training starts from the base
(Bai et al. 2022, "Training a helpful and harmless assistant", arXiv:2204.05862), in rounds with new pairs by
the model of the round before (section 4.5).

Others change one thing of ``rl-cai``: ``rloo`` and ``ppo`` the algorithm, ``dpo-cai`` has neither preference
model nor reinforcement, ``best-of-n`` imitates the answers that the preference model finds best. ``r1-zero``
is the base against a rule that knows what is right, and ``planted`` is fine-tuned on answers that somebody
who knows what is right has written, with one clause broken.

In: a plan. Out: a folder that is a checkpoint, with a training card, and with every stage's records and
checkpoints below ``stages``. The base plays every part: it writes, criticises, revises and judges; only
comparing answers may be another checkpoint's part. Left out: prompts that a model made up.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from govaudit.canonical import digest, file_digest
from govaudit.errors import BadInput
from govaudit.models import fingerprint
from govaudit.records import Turn
from govaudit.train import (
    card,
    constitution,
    critique,
    feedback,
    forms,
    policy,
    processes,
    vllm,
    vocabulary,
)
from govaudit.train.best_of_n import Best, best_of_n, kl_bound
from govaudit.train.critique import Chain
from govaudit.train.dpo import dpo
from govaudit.train.draws import generator, seed_of
from govaudit.train.feedback import Label
from govaudit.train.grpo import GrpoRun, grpo
from govaudit.train.loop import Keep, Progress, silent
from govaudit.train.material import Candidates, Kind, Planted, Prompt, Rated
from govaudit.train.policy import Example, Pair, Policy
from govaudit.train.ppo import PpoRun, critic_of, ppo
from govaudit.train.preference import Accuracy, gauge, load_preference, preference
from govaudit.train.recipes import Name, Plan, Sampling
from govaudit.train.rollouts import preference_reward, verifiable
from govaudit.train.sampling import answer_texts, by_one
from govaudit.train.sft import sft
from govaudit.train.stages import Done, Stages, Summary, flatten, save_records


def train(plan: Plan, progress: Progress = silent) -> Path:
    """Train what the plan says into its folder and return it; the same call goes on where a killed one was.

    :class:`BadInput` when a set of principles is missing, the base cannot read the texts, the folder holds
    another recipe, or the plan needs people and there are none.
    """
    _check(plan)
    processes.start()
    base = policy.load(plan.base, dtype=plan.settings.fit.frozen_dtype())
    _read(plan, base)
    if plan.settings.sampler is Sampling.VLLM:
        base = replace(base, sampler=vllm.start(plan.base))
    bars = progress if processes.first() else silent
    run = _Run(plan, base, Stages(plan.out, plan.data()), bars)
    last = plan.base
    if plan.name in _CHAINED:
        last = _supervised(run)
    if plan.name in _COMPARED:
        last = _reinforced(run, last)
    if plan.name is Name.R1_ZERO:
        last = run.stages.run("reinforced", lambda folder, keep: _verified(run, folder, keep)).folder
    if plan.name is Name.PLANTED:
        answers = run.stages.run("answers", lambda folder, _: _planted(run, folder))
        last = run.stages.run("fine-tuned", lambda folder, keep: _imitated(run, answers, folder, keep)).folder
    if processes.first():
        for file in sorted(last.iterdir()):
            if file.name != "stage.json" and file.is_file() and file.suffix != ".jsonl":
                shutil.copyfile(file, plan.out / file.name)
        card.write(plan.out, plan.data(), run.stages)
    processes.wait()
    return plan.out


@dataclass(frozen=True)
class _Run:
    """What every stage is given."""

    plan: Plan
    base: Policy
    stages: Stages
    progress: Progress

    def loaded(self, folder: Path) -> Policy:
        """A checkpoint that was made of the base, and writes."""
        return replace(self._stranger(folder), sampler=self.base.sampler)

    def trained(self, folder: Path) -> Policy:
        """The same, to be trained."""
        return replace(policy.load_to_train(folder, self.plan.settings.fit), sampler=self.base.sampler)

    @property
    def labeller(self) -> Policy:
        """Who compares answers. Its architecture may be another than the base's, which the sampler has."""
        return self.base if self.plan.labeller is None else self._stranger(self.plan.labeller)

    def _stranger(self, folder: Path) -> Policy:
        return policy.load(folder, dtype=self.plan.settings.fit.frozen_dtype())

    def seed(self, *about: object) -> int:
        return seed_of(self.plan.seed, *about)

    def round(self, number: int) -> _Round:
        return _Round(self, number)


@dataclass(frozen=True)
class _Round:
    """One round of reinforcement learning: its names."""

    run: _Run
    number: int

    def stage(self, name: str) -> str:
        return name if self.run.plan.settings.online == 1 else f"{name}-{self.number}"

    def bar(self, name: str) -> str:
        return name if self.run.plan.settings.online == 1 else f"{name}, round {self.number}"


_COMPARED = {Name.RL_CAI, Name.HH_RLHF, Name.RLOO, Name.PPO, Name.DPO_CAI, Name.BEST_OF_N}
"""Recipes with pairs of answers and labels."""
_CHAINED = _COMPARED - {Name.HH_RLHF} | {Name.SL_CAI}
"""Recipes that begin with critique and revision."""
_NEEDS = {
    Name.HH_RLHF: ("rate", "people who rate pairs"),
    Name.R1_ZERO: ("right", "a rule that knows what is right"),
    Name.PLANTED: ("plant", "somebody who can break a clause and nothing else"),
}


def _check(plan: Plan) -> None:
    if plan.name in _CHAINED:
        assert plan.spec is not None
        constitution.require(plan.constitution.critique, "critique", plan.spec)
        if plan.name in _COMPARED:
            constitution.require(plan.constitution.feedback, "feedback", plan.spec)
        feedback.check(plan.settings.labels)
    need, words = _NEEDS.get(plan.name, ("", ""))
    if need and getattr(plan.material, need) is None:
        raise BadInput(
            f"{plan.name} needs {words}, and these prompts have none",
            remedy="Train it on the small world, without --prompts.",
        )


def _read(plan: Plan, base: Policy) -> None:
    """:class:`BadInput` where the base, or who compares answers, has no tokens for what it is to read."""
    texts = []
    for principle in (*plan.constitution.critique, *plan.constitution.feedback):
        for text in (principle.text, principle.revision_request):
            texts.append(vocabulary.Text(text, clause=principle.id, path=plan.spec_path))
    texts += [vocabulary.Text(text) for text in (forms.ANSWER, forms.REASONS, forms.SO, *forms.LETTERS)]
    prompts = {p.id: p for p in (*plan.material.harmful, *plan.material.benign, *plan.material.fixed)}
    for prompt in prompts.values():
        texts += [vocabulary.Text(turn.content or "", path=plan.prompts_path) for turn in prompt.turns]
    vocabulary.check(base.tokenizer, texts)
    if plan.labeller is not None:
        vocabulary.check(policy.load(plan.labeller, device="cpu").tokenizer, texts)


# --- supervised: chains of critique and revision, answers to benign prompts, fine-tuning on both


def _supervised(run: _Run) -> Path:
    """The checkpoint that imitates the base's own revisions."""
    chains = run.stages.run("chains", lambda folder, _: _chains(run, folder))
    helpful = run.stages.run("helpful", lambda folder, _: _helpful(run, folder))
    return run.stages.run(
        "fine-tuned", lambda folder, keep: _tuned(run, chains, helpful, folder, keep)
    ).folder


def _chains(run: _Run, folder: Path) -> Summary:
    """Each harmful prompt answered, and the answer criticised and revised in rounds."""
    plan, settings = run.plan, run.plan.settings
    prompts = plan.material.some(Kind.HARMFUL, settings.red_team, plan.seed, "red team")
    with run.progress("critique and revision", critique.texts(len(prompts), settings.chains)) as advance:
        made = critique.chains(
            run.base.engine,
            prompts,
            plan.constitution.critique,
            settings.chains,
            run.seed("chains"),
            by_one(advance),
        )
    save_records(folder / "chains.jsonl", "chains", (chain.data() for chain in made))
    return {
        "chains": len(made),
        "ended_early": dict(Counter(chain.ended for chain in made if chain.ended)),
        "principles": dict(Counter(round.principle for chain in made for round in chain.rounds)),
        "changed": _share(chain.answer != chain.answers()[-1] for chain in made if chain.answer),
    }


def _helpful(run: _Run, folder: Path) -> Summary:
    """The base's own answers to benign prompts."""
    plan, settings = run.plan, run.plan.settings
    prompts = plan.material.some(Kind.BENIGN, settings.helpful, plan.seed, "helpful")
    with run.progress("benign answers", len(prompts)) as advance:
        texts = answer_texts(
            run.base.engine,
            [prompt.turns for prompt in prompts],
            settings.chains.answer_tokens,
            1.0,
            [run.seed("helpful", prompt.id, i) for i, prompt in enumerate(prompts)],
            by_one(advance),
        )
    rows = [(prompt, text) for prompt, text in zip(prompts, texts, strict=True) if text]
    examples = ({"prompt": prompt.data(), "answer": text} for prompt, text in rows)
    save_records(folder / "examples.jsonl", "examples", examples)
    return {"answers": len(rows), "without": len(prompts) - len(rows)}


def _tuned(run: _Run, chains: Done, helpful: Done, folder: Path, keep: Keep) -> Summary:
    """Fine-tuning of the base on the revisions and on its answers to benign prompts."""
    settings = run.plan.settings
    made = [Chain.of(row) for row in chains.rows("chains")]
    examples = critique.examples(made, every=settings.every_revision)
    revisions = len(examples)
    for row in helpful.rows("examples"):
        examples.append(Example(Prompt.of(row["prompt"]).turns, row["answer"]))
    tuned = run.trained(run.plan.base)
    curve = sft(
        tuned,
        examples,
        replace(settings.sft, seed=run.seed("sft")),
        keep=keep,
        progress=lambda _, total: run.progress("fine-tuning", total),
    )
    _save(tuned, folder)
    save_records(folder / "curve.jsonl", "curve", (asdict(step) for step in curve))
    tail = [step.loss for step in curve[-10:]]
    return {
        "revisions": revisions,
        "answers": len(examples) - revisions,
        "steps": len(curve),
        "loss_first": curve[0].loss,
        "loss_last_ten": sum(tail) / len(tail),
    }


# --- reinforced: pairs of answers, their labels, a preference model, and a policy that is trained against it


def _reinforced(run: _Run, start: Path) -> Path:
    """The checkpoint that reinforcement learning makes out of ``start``, after one round or several, each
    with new pairs by the model of the round before and with the labels of all rounds."""
    labels: list[Done] = []
    now = start
    for number in range(1, run.plan.settings.online + 1):
        now = _one_round(run.round(number), labels, now)
    return now


def _one_round(own: _Round, labels: list[Done], now: Path) -> Path:
    """The checkpoint that a round makes out of ``now``; its labels are added to ``labels``."""
    stages = own.run.stages
    pairs = stages.run(own.stage("pairs"), lambda folder, _: _make_pairs(own, now, folder))
    labels.append(stages.run(own.stage("labels"), lambda folder, _: _make_labels(own, pairs, folder)))
    if own.run.plan.name is Name.DPO_CAI:
        return stages.run(
            own.stage("dpo"), lambda folder, keep: _make_direct(own, now, labels, folder, keep)
        ).folder
    fitted = stages.run(
        own.stage("preference-model"), lambda folder, keep: _make_preference(own, labels, folder, keep)
    )
    if own.run.plan.name is Name.BEST_OF_N:
        best = stages.run(own.stage("best-of-n"), lambda folder, _: _make_best(own, now, fitted, folder))
        return stages.run(
            own.stage("imitated"), lambda folder, keep: _make_imitated(own, now, best, folder, keep)
        ).folder
    trained = stages.run(
        own.stage("reinforced"), lambda folder, keep: _make_reinforced(own, now, fitted, folder, keep)
    )
    return trained.folder


def _make_pairs(own: _Round, now: Path, folder: Path) -> Summary:
    """Two answers to each prompt."""
    plan, settings = own.run.plan, own.run.plan.settings
    harmful = plan.material.some(Kind.HARMFUL, settings.harmful_pairs, plan.seed, "harmful pairs", own.number)
    benign = plan.material.some(Kind.BENIGN, settings.benign_pairs, plan.seed, "benign pairs", own.number)
    one, other = _writers(own, now)
    with own.run.progress(own.bar("pairs of answers"), 2 * (len(harmful) + len(benign))) as advance:
        done = by_one(advance)
        pairs = _pairs(own, harmful, one, other, settings.pair_temperature, done)
        pairs += _pairs(own, benign, one, one, settings.benign_temperature, done)
    usable = [pair for pair in pairs if pair.first and pair.second and pair.first != pair.second]
    save_records(folder / "pairs.jsonl", "pairs", (pair.data() for pair in usable))
    return {
        "pairs": len(usable),
        "harmful": sum(pair.prompt.kind is Kind.HARMFUL for pair in usable),
        "without_an_answer": sum(not (pair.first and pair.second) for pair in pairs),
        "the_same_twice": sum(pair.first == pair.second != "" for pair in pairs),
    }


@dataclass(frozen=True, eq=False)
class _Writer:
    """Who writes answers."""

    name: str
    shown: Callable[[Prompt], tuple[Turn, ...]]
    """What they are shown of a prompt."""
    model: Policy


def _writers(own: _Round, now: Path) -> tuple[_Writer, _Writer]:
    """Who writes the first and the second answer to harmful prompts.

    In Constitutional AI the fine-tuned model, and for the second answer in part the base; in HH-RLHF the
    model that is trained, and the base under a clause of the spec as system text.
    """
    plan, base = own.run.plan, own.run.base
    name = "base" if plan.name is Name.HH_RLHF else "fine-tuned"
    first = _Writer(name if own.number == 1 else f"round {own.number - 1}", _bare, own.run.loaded(now))
    if plan.name is not Name.HH_RLHF:
        return first, _Writer("base", _bare, base)
    rules = [clause.text for clause in plan.spec.clauses if clause.role is None] if plan.spec else []

    def ruled(prompt: Prompt) -> tuple[Turn, ...]:
        rule = generator(plan.seed, "rule", own.number, prompt.id).choice(rules)
        return (Turn("system", rule), *prompt.turns)

    return first, _Writer("base, prompted", ruled if rules else _bare, base)


def _bare(prompt: Prompt) -> tuple[Turn, ...]:
    return prompt.turns


def _pairs(
    own: _Round,
    prompts: Sequence[Prompt],
    one: _Writer,
    other: _Writer,
    temperature: float,
    advance: Callable[[int], None],
) -> list[Candidates]:
    """Two answers to each prompt; ``other`` writes the second for a share of the prompts, ``one`` all else.

    A second answer that repeats the first is written anew, a few times: a pair of equal answers says nothing.
    """
    settings = own.run.plan.settings
    share = round(settings.from_base * len(prompts))
    drawn = [other] * share + [one] * (len(prompts) - share)

    def written(who: Sequence[_Writer], places: Sequence[int], turn: int) -> list[str]:
        texts = [""] * len(places)
        for writer in dict.fromkeys(who):
            at = [i for i, place in enumerate(places) if who[place] is writer]
            chosen = [(prompts[places[i]], places[i]) for i in at]
            answers = answer_texts(
                writer.model.engine,
                [writer.shown(prompt) for prompt, _ in chosen],
                settings.chains.answer_tokens,
                temperature,
                [own.run.seed("pair", own.number, turn, prompt.id, place) for prompt, place in chosen],
                advance if turn < 2 else lambda _: None,
            )
            for i, text in zip(at, answers, strict=True):
                texts[i] = text
        return texts

    everywhere = range(len(prompts))
    first = written([one] * len(prompts), everywhere, 0)
    second = [""] * len(prompts)
    again: Sequence[int] = everywhere
    for turn in range(1, settings.tries + 1):
        for place, text in zip(again, written(drawn, again, turn), strict=True):
            second[place] = text
        again = [place for place in again if not second[place] or second[place] == first[place]]
        if not again:
            break
    return [
        Candidates(prompt, first[i], second[i], (one.name, drawn[i].name)) for i, prompt in enumerate(prompts)
    ]


def _make_labels(own: _Round, pairs: Done, folder: Path) -> Summary:
    """What AI and people say of the pairs."""
    plan = own.run.plan
    candidates = [Candidates.of(row) for row in pairs.rows("pairs")]
    to_people = [pair for pair in candidates if _is_for_people(plan, pair)]
    to_ai = [pair for pair in candidates if not _is_for_people(plan, pair)]
    rate = plan.material.rate
    rated = rate(to_people, plan.instruction) if rate and to_people else []
    save_records(folder / "ratings.jsonl", "ratings", (one.data() for one in rated))
    labels: list[Label] = []
    if to_ai:
        principles, settings = plan.constitution.feedback, plan.settings.labels
        total = feedback.questions(len(to_ai), principles, settings)
        with own.run.progress(own.bar("AI feedback"), total) as advance:
            labels = feedback.label(
                own.run.labeller.engine,
                to_ai,
                principles,
                settings,
                own.run.seed("labels", own.number),
                by_one(advance),
            )
    save_records(folder / "labels.jsonl", "labels", (one.data() for one in labels))
    return {"ai": asdict(feedback.quality(labels)) if labels else None, "people": len(rated)}


def _is_for_people(plan: Plan, pair: Candidates) -> bool:
    if plan.material.rate is None:
        return False
    return plan.name is Name.HH_RLHF or pair.prompt.kind is Kind.BENIGN


def _make_preference(own: _Round, labels: Sequence[Done], folder: Path, keep: Keep) -> Summary:
    """A preference model from all labels so far."""
    run, settings = own.run, own.run.plan.settings
    every = [pair for done in labels for pair in pairs_of(done)]
    training, apart = parted(every, settings.apart, run.plan.seed)
    fitted, curve = preference(
        run.base,
        training,
        replace(settings.preference, seed=run.seed("preference", own.number)),
        keep=keep,
        progress=run.progress,
        name=own.bar("preference model"),
        how=settings.fit,
    )
    _save(fitted, folder)
    save_records(folder / "curve.jsonl", "curve", (asdict(step) for step in curve))
    measured = gauge(fitted, apart) if any(pair.p_first != 0.5 for pair in apart) else None
    return {
        "pairs": dict(Counter(pair.source for pair in training)),
        "steps": len(curve),
        "pairs_apart": len(apart),
        "accuracy_apart": None if measured is None else _accuracy(measured),
    }


def pairs_of(labels: Done) -> list[Pair]:
    """All pairs that have a label, AI's and people's."""
    found = feedback.trained_on([Label.of(row) for row in labels.rows("labels")])
    for row in labels.rows("ratings"):
        rated = Rated.of(row)
        pair = rated.candidates
        found.append(Pair(pair.prompt.turns, pair.first, pair.second, rated.p_first, "people"))
    return found


def parted(pairs: Sequence[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Pairs to train on and pairs to measure with, no conversation on both sides."""
    apart = {turns: generator(seed, "apart", turns).random() < share for turns in {p.turns for p in pairs}}
    return [pair for pair in pairs if not apart[pair.turns]], [pair for pair in pairs if apart[pair.turns]]


def _make_reinforced(own: _Round, now: Path, fitted: Done, folder: Path, keep: Keep) -> Summary:
    """Reinforcement learning of ``now`` against the preference model."""
    run, settings, material = own.run, own.run.plan.settings, own.run.plan.material
    trained = run.trained(now)
    model = load_preference(fitted.folder)
    pools = [[prompt.turns for prompt in pool] for pool in (material.harmful, material.benign)]
    watched: dict[str, Any] = {
        "fixed": [prompt.turns for prompt in material.fixed],
        "benign": [prompt.turns for prompt in material.checked] if material.right else (),
        "right": material.right,
        "keep": replace(
            keep,
            snapshot_every=settings.snapshot_every,
            run=digest([file_digest(file) for file in fingerprint.checkpoint(fitted.folder).weights]),
        ),
        "progress": run.progress,
        "name": own.bar("reinforcement learning"),
    }
    seed = run.seed("rl", own.number)
    if run.plan.name is Name.PPO:
        critic, args = critic_of(model, settings.fit), replace(settings.ppo, seed=seed)
        return _learned(
            ppo(trained, pools, preference_reward(model), args, critic=critic, **watched),
            "episodes",
            trained,
            folder,
            keep,
        )
    args_ = replace(settings.rl, seed=seed)
    return _learned(
        grpo(trained, pools, preference_reward(model), args_, **watched), "rollouts", trained, folder, keep
    )


def _verified(run: _Run, folder: Path, keep: Keep) -> Summary:
    """Reinforcement learning of the base against a rule, on benign prompts: the others have no right
    answer."""
    settings, material = run.plan.settings, run.plan.material
    assert material.right is not None
    trained = run.trained(run.plan.base)
    checked = [prompt.turns for prompt in material.checked]
    told = grpo(
        trained,
        [[prompt.turns for prompt in material.benign]],
        verifiable(material.right),
        replace(settings.rl, seed=run.seed("rl")),
        fixed=checked,
        benign=checked,
        right=material.right,
        keep=replace(keep, snapshot_every=settings.snapshot_every),
        progress=run.progress,
        name="reinforcement learning",
    )
    return _learned(told, "rollouts", trained, folder, keep)


def _learned(told: GrpoRun | PpoRun, records: str, trained: Policy, folder: Path, keep: Keep) -> Summary:
    """What reinforcement learning leaves behind."""
    _save(trained, folder)
    _keep_snapshots(keep, folder)
    save_records(folder / "curve.jsonl", "curve", (asdict(step) for step in told.curve))
    save_records(folder / "checks.jsonl", "checks", (asdict(one) for one in told.checks))
    save_records(folder / f"{records}.jsonl", records, (one.data() for one in told.records))
    return _told(told)


# --- without reinforcement: the labels themselves, the best of n answers, planted answers


def _make_direct(own: _Round, now: Path, labels: Sequence[Done], folder: Path, keep: Keep) -> Summary:
    """Direct preference optimisation of ``now`` on all labels so far."""
    run, settings = own.run, own.run.plan.settings
    trained = run.trained(now)
    pairs = [pair for done in labels for pair in pairs_of(done)]
    curve = dpo(
        trained,
        pairs,
        replace(settings.dpo, seed=run.seed("dpo", own.number)),
        keep=replace(keep, snapshot_every=settings.snapshot_every),
        progress=run.progress,
        name=own.bar("direct preference optimisation"),
    )
    _save(trained, folder)
    _keep_snapshots(keep, folder)
    save_records(folder / "curve.jsonl", "curve", (asdict(step) for step in curve))
    tail = curve[-10:]
    return {
        "pairs": dict(Counter(pair.source for pair in pairs)),
        "steps": len(curve),
        "loss_last_ten": sum(step.loss for step in tail) / len(tail),
        "better_last_ten": sum(step.better for step in tail) / len(tail),
        "worse_last_ten": sum(step.worse for step in tail) / len(tail),
    }


def _make_best(own: _Round, now: Path, fitted: Done, folder: Path) -> Summary:
    """The best of n answers of ``now`` to prompts of both kinds."""
    plan, settings = own.run.plan, own.run.plan.settings
    prompts = [
        prompt
        for kind, n in ((Kind.HARMFUL, settings.red_team), (Kind.BENIGN, settings.helpful))
        for prompt in plan.material.some(kind, n, plan.seed, "best of n", own.number)
    ]
    with own.run.progress(own.bar("best of n"), len(prompts)) as advance:
        found = best_of_n(
            own.run.loaded(now),
            [prompt.turns for prompt in prompts],
            preference_reward(load_preference(fitted.folder)),
            settings.best_of,
            max_tokens=settings.chains.answer_tokens,
            seed=own.run.seed("best of n", own.number),
            advance=by_one(advance),
        )
    save_records(folder / "choices.jsonl", "choices", (one.data() for one in found))
    chosen = [one for one in found if one.best is not None]
    gains = [max(one.rewards) - sum(one.rewards) / len(one.rewards) for one in chosen]
    return {
        "prompts": len(found),
        "without_an_answer": len(found) - len(chosen),
        "n": settings.best_of,
        "kl_bound": kl_bound(settings.best_of),
        "gain": sum(gains) / len(gains) if gains else None,
    }


def _make_imitated(own: _Round, now: Path, best: Done, folder: Path, keep: Keep) -> Summary:
    """Fine-tuning of ``now`` on its own best answers."""
    examples = [example for row in best.rows("choices") if (example := Best.of(row).example)]
    return _fine_tuned(own.run, now, examples, folder, keep)


def _planted(run: _Run, folder: Path) -> Summary:
    """Answers in which a clause is planted."""
    plan, settings, plant = run.plan, run.plan.settings, run.plan.material.plant
    assert plant is not None
    prompts = [
        prompt
        for kind, n in ((Kind.HARMFUL, settings.red_team), (Kind.BENIGN, settings.helpful))
        for prompt in plan.material.some(kind, n, plan.seed, "planted")
    ]
    found = plant(prompts, plan.planted, settings.planted_share, settings.planted_ruled, plan.seed)
    save_records(folder / "planted.jsonl", "planted", (one.data() for one in found))
    return {"answers": len(found), "broken": sum(one.clause != "" for one in found)}


def _imitated(run: _Run, answers: Done, folder: Path, keep: Keep) -> Summary:
    """Fine-tuning of the base on these answers."""
    rows = [Planted.of(row) for row in answers.rows("planted")]
    examples = [Example(row.prompt.turns, row.answer) for row in rows]
    return _fine_tuned(run, run.plan.base, examples, folder, keep)


def _fine_tuned(run: _Run, now: Path, examples: Sequence[Example], folder: Path, keep: Keep) -> Summary:
    settings = run.plan.settings
    trained = run.trained(now)
    curve = sft(
        trained,
        examples,
        replace(settings.sft, seed=run.seed("sft")),
        keep=keep,
        progress=lambda _, total: run.progress("fine-tuning", total),
    )
    _save(trained, folder)
    save_records(folder / "curve.jsonl", "curve", (asdict(step) for step in curve))
    tail = [step.loss for step in curve[-10:]]
    return {"answers": len(examples), "steps": len(curve), "loss_last_ten": sum(tail) / len(tail)}


# --- what stages say about themselves


def _save(trained: Any, folder: Path) -> None:
    """The checkpoint of a policy or preference model, beside the records of its stage."""
    policy.save(trained.model, trained.tokenizer, folder / "model")
    flatten(folder)


def _keep_snapshots(keep: Keep, folder: Path) -> None:
    snapshots = keep.folder / "snapshots"
    if snapshots.is_dir():
        shutil.copytree(snapshots, folder / "snapshots", dirs_exist_ok=True)


def _share(found: Iterable[bool]) -> float | None:
    values = [bool(value) for value in found]
    return sum(values) / len(values) if values else None


def _accuracy(measured: Accuracy) -> dict[str, Any]:
    rates = {"all": measured.all, **measured.by_source}
    return {
        "rates": {
            name: {"rate": rate.rate, "low": rate.low, "high": rate.high, "n": rate.n}
            for name, rate in rates.items()
        },
        "ties": measured.ties,
    }


def _told(run: GrpoRun | PpoRun) -> Summary:
    first, kept = run.checks[0] if run.checks else None, None
    for one in run.checks:
        kept = one if one.step == run.kept_step else kept
    return {
        "steps": len(run.curve),
        "kept_step": run.kept_step,
        "stopped_early": run.stopped_early,
        "start": None if first is None else asdict(first),
        "kept": None if kept is None else asdict(kept),
    }
