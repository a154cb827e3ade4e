"""The specs, item banks and mapping that ship: enough of them, none twice, nothing taken from elsewhere."""

from __future__ import annotations

import gzip
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from govaudit.evals import catalog as catalogs
from govaudit.evals import items as banks
from govaudit.evals.compile import coverage
from govaudit.evals.items import Item
from govaudit.evals.suite import ProbeOrigin
from govaudit.plan import prepare
from govaudit.request import Request
from govaudit.specs import lint, native, openai_model_spec, prose, yaml12
from govaudit.specs.model import Default, Kind, Label, Spec

CHECKOUT = Path(__file__).resolve().parent.parent
PUSHES = {"answer-flip.jsonl", "opinion-flip.jsonl", "praise.jsonl", "micro-world-pushes.jsonl"}
"""Questions that are put twice, with a push between: their form has tests of its own."""
CHOICES = {"hhh.jsonl", "micro-world-hhh.jsonl"}
"""Questions with answers to choose between: their form has tests of its own."""
ASIDE = {"control.jsonl", "facts.jsonl", "micro-world.jsonl", *PUSHES, *CHOICES}
"""Questions with a known answer, and the prompts of the organism, whose language has few sentences."""
BANKS = sorted(p for p in (CHECKOUT / "evals" / "items").glob("*.jsonl") if p.name not in ASIDE)
CLUSTERS = 80
RELATIONS = {"same", "narrower", "broader", "opposed"}

Words = tuple[str, ...]


@cache
def spec(name: str) -> Spec:
    return native.load(CHECKOUT / "specs" / f"{name}.yaml")


@cache
def mapping() -> dict[str, Any]:
    path = CHECKOUT / "specs" / "mapping.yaml"
    loaded = yaml12.parse(path.read_text(encoding="utf-8")).data
    assert isinstance(loaded, dict)
    return loaded


@cache
def items() -> tuple[Item, ...]:
    return tuple(item for path in BANKS for item in banks.load(path))


def rows() -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in BANKS:
        for _, row in banks.rows(path):
            yield path, row


def words(text: str) -> Words:
    return tuple(re.findall(r"\w+(?:['’]\w+)*", text.lower()))


def runs(tokens: Words, n: int) -> set[Words]:
    """All runs of n words; a shorter text is one run."""
    return {tokens[i : i + n] for i in range(len(tokens) - n + 1)} or {tokens}


def said(item: Item) -> str:
    return "\n".join(turn.content for turn in item.turns if turn.content)


def own_texts(of: Spec) -> Iterator[tuple[str, str]]:
    """Where it stands, and every text of a spec that somebody wrote."""
    for section in of.sections:
        yield section.id, section.text
    for clause in of.clauses:
        for text in (clause.text, clause.title, clause.rationale, clause.scope, clause.revision_request):
            yield clause.id, text or ""
        for example in clause.examples:
            for turn in example.turns:
                yield f"{clause.id}, an example", turn.content or ""
            for comparison in example.comparisons:
                for answer in comparison.answers:
                    yield f"{clause.id}, an answer", answer.content
        for probe in clause.probes:
            for message in probe.messages:
                yield f"{clause.id}, a probe", message.content or ""


# Specs


@pytest.mark.parametrize("name", ["rules", "principles"])
def test_lint_finds_neither_an_error_nor_a_warning(name: str) -> None:
    faults = [f for f in lint.lint(spec(name)) if f.severity is not lint.Severity.INFO]
    assert faults == []


def test_the_rules_are_of_every_level_and_kind() -> None:
    rules = spec("rules").clauses
    assert 23 <= len(rules) <= 28
    assert {clause.authority for clause in rules} == {"root", "system", "developer", "user", "guideline"}
    assert {clause.kind for clause in rules} == set(Kind) - {Kind.PRINCIPLE, Kind.UNCLASSIFIED}
    assert {clause.default for clause in rules} == set(Default)
    assert sum(clause.bright_line for clause in rules) >= 3
    assert all(clause.bright_line <= (clause.authority == "root") for clause in rules)
    assert all(clause.tags and clause.source != type(clause.source)() for clause in rules)


def test_every_rule_and_statement_has_an_example_with_a_good_and_a_bad_answer() -> None:
    for name in ("rules", "principles"):
        for clause in (c for c in spec(name).clauses if c.role is None):
            labels = [
                {a.label for a in comparison.answers} for e in clause.examples for comparison in e.comparisons
            ]
            assert labels, clause.id
            assert all(shown >= {Label.GOOD, Label.BAD} for shown in labels), clause.id


def test_labelled_answers_are_balanced_and_length_does_not_give_them_away() -> None:
    """A rater that picks the longer answer would otherwise pass its gauge on our own examples."""
    for name in ("rules", "principles"):
        comparisons = [c for _, example in spec(name).examples() for c in example.comparisons]
        count = Counter(answer.label for comparison in comparisons for answer in comparison.answers)
        assert 0.8 <= count[Label.GOOD] / count[Label.BAD] <= 1.25
        pairs = [
            (good.content, bad.content)
            for comparison in comparisons
            for good in comparison.answers
            for bad in comparison.answers
            if (good.label, bad.label) == (Label.GOOD, Label.BAD)
        ]
        longer = sum(len(good) > len(bad) for good, bad in pairs) / len(pairs)
        assert 0.35 <= longer <= 0.65, (name, longer)


def test_there_are_two_sets_of_sixteen_principles_and_they_differ() -> None:
    training = [clause for clause in spec("principles").clauses if clause.role is not None]
    critique = [clause for clause in training if clause.role == "critique"]
    feedback = [clause for clause in training if clause.role == "feedback"]
    assert (len(critique), len(feedback)) == (16, 16)
    assert all(clause.revision_request for clause in critique)
    assert not any(clause.revision_request for clause in feedback)
    pairwise = re.compile(r"\b(choose|prefer)\b.*\b(answer|response|one)\b", re.IGNORECASE | re.DOTALL)
    assert [c.id for c in feedback if not pairwise.search(c.text)] == []
    assert [c.id for c in critique if pairwise.search(c.text)] == []
    for a in critique:
        for b in feedback:
            first, second = runs(words(a.text), 4), runs(words(b.text), 4)
            assert len(first & second) / len(first | second) < 0.1, (a.id, b.id)


def test_each_principle_is_tagged_with_a_harm_and_one_stance() -> None:
    tested = {tag for item in items() for tag in item.tags}
    for clause in spec("principles").clauses:
        stances = [tag for tag in clause.tags if tag.startswith("stance-")]
        assert len(stances) == (clause.role is not None), clause.id
        assert set(clause.tags) - set(stances) <= tested, clause.id
        assert len(clause.tags) > len(stances), clause.id


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", ["rules", "principles"])
def test_every_clause_is_filled_to_eighty_clusters(name: str, seed: int) -> None:
    """A training principle is tested as its legible twin: it reaches them where its twin does."""
    prepared = prepare(Request(spec=name, per_clause=CLUSTERS, seed=seed))
    assert prepared.lacking == {}
    table = {row.clause: row for row in coverage(prepared.spec, prepared.suite)}
    assert len(table) == len(spec(name).clauses)
    reached = {clause: table[row.tested_as or clause].clusters for clause, row in table.items()}
    assert {clause: n for clause, n in reached.items() if n != CLUSTERS} == {}
    training = {clause.id for clause in spec(name).clauses if clause.role is not None}
    assert {clause for clause, row in table.items() if row.tested_as} == training


@pytest.mark.parametrize("name", ["rules", "principles"])
def test_what_fills_a_clause_is_its_own_or_comes_from_the_banks_counted_here(name: str) -> None:
    known = {item.source: item for item in items()}
    for probe in prepare(Request(spec=name, per_clause=CLUSTERS)).suite.probes:
        if probe.origin is ProbeOrigin.ITEM_BANK:
            assert known[probe.source].cluster == probe.cluster
            assert probe.targets[0].expected is known[probe.source].expected
        else:
            assert probe.origin in {ProbeOrigin.SPEC_EXAMPLE, ProbeOrigin.OWN, ProbeOrigin.CONTROL}


def test_every_eval_with_tags_is_called_for_by_a_clause_of_ours() -> None:
    catalog = catalogs.load()
    names = ("rules", "principles", "wording")
    left = [{e.name for e in catalogs.uncalled(catalog, spec(name))} for name in names]
    assert set.intersection(*left) == {
        *("harmful-request", "harmfulness", "giving-way", "hhh"),
        *("micro-world", "micro-harmfulness", "micro-giving-way", "micro-hhh"),
    }
    assert [catalogs.without_subject(catalog, spec(name)) for name in ("rules", "principles")] == [(), ()]


def test_every_tag_that_a_clause_relies_on_has_a_bank_of_its_own_size() -> None:
    clusters: dict[str, set[str]] = defaultdict(set)
    for item in items():
        for tag in item.tags:
            clusters[tag].add(item.cluster)
    relied = {tag for name in ("rules", "principles") for clause in spec(name).clauses for tag in clause.tags}
    assert {
        t: len(clusters[t]) for t in relied if not t.startswith("stance-") and len(clusters[t]) < 85
    } == {}


def test_sources_name_places_that_exist(data: Path) -> None:
    anchors, paths = _places(data, "2025-10-27")
    for name in ("rules", "principles"):
        for clause in (c for c in spec(name).clauses if c.role is None):
            assert clause.source.anchor is not None or clause.source.path, clause.id
            assert clause.source.anchor is None or clause.source.anchor in anchors, clause.id
            assert not clause.source.path or clause.source.path in paths, clause.id


def _places(data: Path, version: str) -> tuple[set[str], set[tuple[str, ...]]]:
    """Ids of the rules of a Model Spec version, and heading paths of the constitution."""
    published, _ = openai_model_spec.load(
        data / "openai-model-spec" / f"{version}.md", version=version, prompts=None
    )
    constitution, _ = prose.load(
        data / "anthropic-constitution-2026" / "claude-constitution.md", version=None
    )
    return (
        {clause.id for clause in published.clauses},
        {section.source.path for section in constitution.sections},
    )


# Banks


def test_each_item_says_how_it_was_made() -> None:
    for path, row in rows():
        assert row.keys() == {
            *("id", "tags", "expected", "cluster", "construction"),
            "turns" if "turns" in row else "prompt",
        }, (path.name, row["id"])
        made = row["construction"]
        assert made.keys() == {"author", "method", "adjudicated", "saw_outputs"}, row["id"]
        assert made["author"] and made["method"], row["id"]
        assert isinstance(made["adjudicated"], bool), row["id"]
        assert isinstance(made["saw_outputs"], bool), row["id"]


def test_ids_are_unique_and_every_item_ends_with_a_user() -> None:
    ids = Counter(row["id"] for _, row in rows())
    assert [identity for identity, n in ids.items() if n > 1] == []
    for _, row in rows():
        turns = row.get("turns", [{"role": "user", "content": row.get("prompt")}])
        assert turns[-1]["role"] == "user", row["id"]
        assert {turn["role"] for turn in turns} <= {"system", "developer", "user", "assistant"}, row["id"]
        assert all(turn["content"].strip() for turn in turns), row["id"]


def test_no_two_items_are_alike_unless_they_are_twins() -> None:
    """4-gram Jaccard of at most .5 between clusters, over all banks and the specs' own probes."""
    texts = [(item.source, item.cluster, said(item)) for item in items()]
    for name in ("rules", "principles", "house-rules"):
        for clause in spec(name).clauses:
            texts += [
                (
                    f"{name}, {clause.id}",
                    f"{clause.id}:{n}",
                    "\n".join(m.content or "" for m in probe.messages),
                )
                for n, probe in enumerate(clause.probes)
            ]
            texts += [
                (
                    f"{name}, {clause.id}",
                    f"{clause.id}#{n}",
                    "\n".join(t.content or "" for t in example.turns),
                )
                for n, example in enumerate(clause.examples)
            ]
    assert [text for text, n in Counter(text for _, _, text in texts).items() if n > 1] == []
    grams = [runs(words(text), 4) for _, _, text in texts]
    holders: dict[Words, list[int]] = defaultdict(list)
    alike = []
    for i, mine in enumerate(grams):
        shared = Counter(j for gram in mine for j in holders[gram])
        alike += [
            (texts[j][0], texts[i][0])
            for j, n in shared.items()
            if n / len(mine | grams[j]) > 0.5 and texts[i][1] != texts[j][1]
        ]
        for gram in mine:
            holders[gram].append(i)
    assert alike == []


def test_no_opening_fills_more_than_four_items_of_a_bank() -> None:
    """Prompts made from one template begin alike; twins of one cluster count once."""
    openings: dict[tuple[str, str, Words], set[str]] = defaultdict(set)
    for item in items():
        bank = item.cluster.split(":")[0]
        for role in ("system", "developer", "user"):
            first = next((turn.content for turn in item.turns if turn.role == role and turn.content), None)
            if first is not None:
                openings[bank, role, words(first)[:4]].add(item.cluster)
    assert {key: len(found) for key, found in openings.items() if len(found) > 4} == {}


def test_banks_hold_conversations_and_conflicts_beside_single_questions() -> None:
    roles = Counter(frozenset(turn.role for turn in item.turns if turn.content) for item in items())
    assert sum(n for shown, n in roles.items() if "assistant" in shown) >= 40
    assert sum(n for shown, n in roles.items() if shown & {"system", "developer"}) >= 200
    assert sum(n for shown, n in roles.items() if shown == {"user"}) >= 1000
    expected = Counter(item.expected.value for item in items())
    assert min(expected.values()) >= 300


def test_safe_prompts_and_their_contrasts_come_in_ten_types() -> None:
    safe = [row for _, row in rows() if "over-refusal" in row["tags"]]
    contrast = [row for _, row in rows() if "under-refusal" in row["tags"]]
    assert len(safe) >= 120
    assert len(contrast) >= 100
    assert {row["expected"] for row in safe} == {"comply"}
    assert {row["expected"] for row in contrast} == {"refuse"}
    kinds = Counter(row["cluster"].rsplit("-", 1)[0] for row in safe)
    assert len(kinds) >= 10
    assert min(kinds.values()) >= 8
    assert all(row["cluster"].rsplit("-", 1)[0] in row["tags"] for row in [*safe, *contrast])
    assert {row["cluster"] for row in contrast} <= {row["cluster"] for row in safe}
    assert Counter(row["cluster"] for row in contrast).most_common(1)[0][1] == 1


def test_nothing_shares_a_run_of_eight_words_with_the_public_data(data: Path) -> None:
    ours: dict[Words, str] = {}
    for name in ("rules", "principles", "house-rules"):
        for where, text in own_texts(spec(name)):
            ours.update((run, f"{name}, {where}") for run in runs(words(text), 8) if len(run) == 8)
    for item in items():
        for turn in item.turns:
            ours.update((run, item.source) for run in runs(words(turn.content or ""), 8) if len(run) == 8)
    assert len(ours) > 20_000
    shared = {
        (ours[run], path.relative_to(data).as_posix(), " ".join(run))
        for path in _public(data)
        for run in _consecutive(_tokens(path))
        if run in ours
    }
    assert shared == set()


def _public(data: Path) -> Iterable[Path]:
    return sorted(p for p in data.rglob("*") if p.is_file() and p.suffix in {".md", ".jsonl", ".gz", ".csv"})


def _tokens(path: Path) -> list[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as stream:
        # In JSON a line end is two characters, of which the second would stick to the next word.
        return list(words(re.sub(r"\\[nrt]|\\(?=\")", " ", stream.read())))


def _consecutive(tokens: list[str]) -> Iterator[Words]:
    return zip(*(tokens[i:] for i in range(8)), strict=False)


# Mapping


def test_the_mapping_names_clauses_that_exist_and_leaves_out_none_of_ours() -> None:
    table = mapping()
    assert table["schema_version"] == "1.0"
    known = {(d["spec"], d["version"]) for d in table["documents"]}
    assert len({group["id"] for group in table["groups"]}) == len(table["groups"])
    ours = {(name, clause.id) for name in ("rules", "principles") for clause in spec(name).clauses}
    aligned = set()
    for group in table["groups"]:
        assert group.keys() == {"id", "statement", "members"}
        assert len(group["members"]) >= 2
        for member in group["members"]:
            assert member.keys() <= {"spec", "version", "clause", "path", "relation", "note"}
            assert ("clause" in member) != ("path" in member), group["id"]
            assert (member["spec"], member["version"]) in known, group["id"]
            assert member["relation"] in RELATIONS, group["id"]
            if member["spec"] in {"rules", "principles"}:
                assert member["version"] == spec(member["spec"]).version
                assert (member["spec"], member["clause"]) in ours, member
                aligned.add((member["spec"], member["clause"]))
    legible = {(n, c.id) for n in ("rules", "principles") for c in spec(n).clauses if c.role is None}
    assert aligned == legible
    assert {m["relation"] for group in table["groups"] for m in group["members"]} == RELATIONS


def test_the_mapping_names_places_of_the_published_documents_that_exist(data: Path) -> None:
    places = {version: _places(data, version) for version in ("2025-10-27", "2025-02-12")}
    members = [member for group in mapping()["groups"] for member in group["members"]]
    anchors = [m for m in members if m["spec"] == "openai-model-spec"]
    paths = [m for m in members if m["spec"] == "claudes-constitution"]
    assert len(anchors) >= 30
    assert len(paths) >= 25
    assert [m for m in anchors if m["clause"] not in places[m["version"]][0]] == []
    assert [m for m in paths if tuple(m["path"]) not in places["2025-10-27"][1]] == []
