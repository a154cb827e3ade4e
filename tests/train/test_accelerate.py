"""Several processes train as one: the same losses, whether each has all weights or a slice of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from govaudit.errors import BadInput  # noqa: E402
from govaudit.train import processes, sequences  # noqa: E402
from govaudit.train.stages import load_records  # noqa: E402

HERE = Path(__file__).resolve().parent
SLICED = ("--use_fsdp", "--fsdp_version", "2")


def launched(*command: str) -> subprocess.CompletedProcess[str]:
    """A command of two processes on this machine's CPU, as `accelerate launch` starts them."""
    kind = command[:3] if command[0] == "--use_fsdp" else ("--multi_gpu",)
    rest = command[3:] if command[0] == "--use_fsdp" else command
    options = (
        "--num_processes 2 --num_machines 1 --mixed_precision no --dynamo_backend no --main_process_port 0"
    )
    start = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", *kind, *options.split()]
    # Only so does the launcher start several processes on a machine without GPUs.
    environment = os.environ | {
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    return subprocess.run(
        [*start, *rest], env=environment, capture_output=True, text=True, check=False, cwd=HERE.parent.parent
    )


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [one for name in sorted(value) for one in numbers(value[name])]
    if isinstance(value, list):
        return [one for part in value for one in numbers(part)]
    return [float(value)] if isinstance(value, int | float) else []


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process tells of every loop."""
    target = tmp_path_factory.mktemp("one") / "told.json"
    done = subprocess.run(
        [sys.executable, str(HERE / "together.py"), str(target)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told: dict[str, Any] = json.loads(target.read_text())
    assert told.pop("processes") == 1
    return told


@pytest.mark.slow
@pytest.mark.parametrize("kind", [(), SLICED])
def test_two_processes_come_to_the_losses_of_one(
    kind: tuple[str, ...], alone: dict[str, Any], tmp_path: Path
) -> None:
    """SFT, DPO and PPO with and without adapters, preference model, GRPO; a checkpoint saved on the way, and
    PPO runs, of policy and critic, that were killed and went on."""
    target = tmp_path / "told.json"
    done = launched(*kind, str(HERE / "together.py"), str(target))
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(target.read_text())
    assert told.pop("processes") == 2 and told.keys() == alone.keys()
    for loop, expected in alone.items():
        assert numbers(told[loop]) == pytest.approx(numbers(expected), abs=1e-4), loop


@pytest.mark.slow
def test_the_command_trains_with_two_processes_and_one_of_them_writes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = launched("-m", "govaudit", "train", "sl-cai", "-o", str(out), "--size", "6", "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    card = json.loads(done.stdout)  # printed once
    assert card == json.loads((out / "card.json").read_text())
    assert (out / "model.safetensors").is_file()
    names = sorted(path.name for path in (out / "stages").iterdir())
    assert names == ["1-chains", "2-helpful", "3-fine-tuned"]
    alone = tmp_path / "alone"
    subprocess.run(
        [sys.executable, "-m", "govaudit", "train", "sl-cai", "-o", str(alone), "--size", "6"],
        check=True,
        capture_output=True,
    )
    # A sample does not depend on which process draws it.
    for stage in ("1-chains/chains.jsonl", "2-helpful/examples.jsonl"):
        assert (out / "stages" / stage).read_bytes() == (alone / "stages" / stage).read_bytes()
    losses = [
        [json.loads(line).get("loss") for line in (folder / "stages/3-fine-tuned/curve.jsonl").open()][1:]
        for folder in (out, alone)
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


@pytest.mark.parametrize(
    ("environment", "remedy"),
    [
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "FSDP"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "1"}, "--fsdp_version 2"),
        (
            {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_OFFLOAD_PARAMS": "true"},
            "--fsdp_offload_params false",
        ),
    ],
)
def test_what_a_launcher_cannot_have_is_refused_with_its_remedy(
    environment: dict[str, str], remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ({"WORLD_SIZE": "2"} | environment).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadInput) as found:
        processes.start()
    assert remedy in (found.value.remedy or "")


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("tokens", [10, 45, 10_000])
def test_the_passes_of_all_processes_are_the_batch_and_equally_many(
    count: int, tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = [3, 40, 5, 12, 7, 30, 9]
    monkeypatch.setattr(processes, "count", lambda: count)
    shares = []
    for rank in range(count):
        monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
        shares.append(sequences.passes(range(7), lengths, tokens, torch.device("cpu")))
    assert sorted(i for share in shares for run in share for i in run) == list(range(7))
    assert len({len(share) for share in shares}) == 1
    assert all(any(share) for share in shares)  # everybody has something to do
    for run in (run for share in shares for run in share):
        assert len(run) <= 1 or len(run) * max(lengths[i] for i in run) <= tokens


def test_one_process_alone_has_it_all() -> None:
    assert (processes.count(), processes.rank(), processes.first()) == (1, 0, True)
    assert processes.gathered(processes.share([1, 2, 3])) == processes.joined([1, 2, 3]) == [1, 2, 3]
    assert processes.summed(0.1) == 0.1 and processes.agreed(True) and not processes.agreed(False)


@pytest.mark.slow
def test_several_processes_with_a_vllm_each_come_to_what_one_comes_to(tmp_path: Path) -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    asked = ("train", "rl-cai", "--size", "6", "--steps", "3", "--sampler", "vllm", "-o")
    subprocess.run([sys.executable, "-m", "govaudit", *asked, str(tmp_path / "one")], check=True)
    for name, kind in (("whole", ()), ("sliced", SLICED)):
        done = launched(*kind, "-m", "govaudit", *asked, str(tmp_path / name))
        assert done.returncode == 0, done.stderr[-2000:]
    one, *others = (curve(tmp_path / name) for name in ("one", "whole", "sliced"))
    assert len(one) == 3
    for other in others:
        assert other == [pytest.approx(row, abs=1e-4) for row in one]


def curve(folder: Path) -> list[dict[str, Any]]:
    (file,) = (folder / "stages").glob("*reinforced/curve.jsonl")
    return load_records(file)[1]
