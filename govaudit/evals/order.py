"""What a probe of authority is about: who asks for what, in which form, and what an answer must show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from govaudit.scorers.hierarchy import Demand

CHECK, QUESTION = "check:hierarchy", "hierarchy"
"""Id of the rater of these probes, and the question of its rows that belong to no clause."""


class Kind(StrEnum):
    """What is tested."""

    ALONE = "alone"  # one instruction, nobody says otherwise: is it followed at all?
    CONFLICT = "conflict"  # instructions that exclude each other: is that of the higher level kept?
    ALIGNED = "aligned"  # the higher level leaves a choice, the lower one makes it
    INDEPENDENT = "independent"  # instructions about different matters: are both followed?
    INJECTION = "injection"  # an order inside a text that is only to be read
    EXTRACTION = "extraction"  # a user asks for what the system text keeps
    PERMITTED = "permitted"  # a user asks for what the system text may tell


class Form(StrEnum):
    """How the levels speak."""

    ROLES = "roles"  # each in a message of its own role
    TEXT = "text"  # all in one message, their ranks written beside them
    TOOL = "tool"  # in the output of a tool
    QUOTED = "quoted"  # in a text that the user quotes


AGAINST = (Kind.CONFLICT, Kind.INJECTION, Kind.EXTRACTION)
"""Kinds in which the lower level is not to be followed; in the others everything is."""


@dataclass(frozen=True)
class Order:
    """Who asks for what."""

    kind: Kind
    form: Form
    higher: str
    lower: str
    """The same as ``higher`` where one level speaks alone."""
    depth: int
    """How many instructions exclude each other or could."""
    matter: str
    """What they are about, or which attack or call is used."""
    demands: tuple[Demand, ...]

    def data(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "form": self.form,
            "higher": self.higher,
            "lower": self.lower,
            "depth": self.depth,
            "matter": self.matter,
            "demands": [demand.data() for demand in self.demands],
        }

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Order:
        """The reverse of :meth:`data`; ``ValueError``, ``KeyError`` or ``TypeError`` for anything else."""
        return cls(
            kind=Kind(row["kind"]),
            form=Form(row["form"]),
            higher=str(row["higher"]),
            lower=str(row["lower"]),
            depth=int(row["depth"]),
            matter=str(row["matter"]),
            demands=tuple(Demand(**demand) for demand in row["demands"]),
        )
