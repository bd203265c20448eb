"""What dbt passes to the hooks: the invocation, the results of its nodes and part of its graph."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from segmentation.engine.session import Engine
from segmentation.inputs.locations import Location
from segmentation.warehouse.control_characters import visible

#: Statuses of a node that fail a run.
FAILURES: Final = frozenset({"error", "fail", "runtime error", "partial success"})
#: Statuses of a node that did what it should.
SUCCESSES: Final = frozenset({"success", "pass", "warn", "no-op"})


@dataclass(frozen=True)
class Invocation:
    """One call of dbt, as the macro `invocation` describes it.

    `started_at` is the UTC time that everything the run writes is dated by. `variables` are the
    vars in force that concern inputs and segments, `known_sources` the external inputs that have a
    staging model, `given_vars` the names of the vars on the command line.
    """

    run_id: str
    command: str
    started_at: str
    target_name: str
    database: str
    path: str
    project_dir: str
    is_empty: bool
    published: str
    variables: Mapping[str, Any]
    known_sources: Sequence[str]
    given_vars: Sequence[str] = ()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the JSON object of the macro."""
        return cls(**json.loads(text))

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The inputs that have a location; whether each is a text is not checked yet."""
        given = self.variables.get("inputs")
        if not isinstance(given, Mapping):
            return {}
        return {str(name): location for name, location in given.items() if location}

    def location(self, name: str) -> Location:
        """Location of an input that has one."""
        return Location(str(self.inputs[name]), self.project_dir)

    @property
    def engine(self) -> Engine | None:
        """The engine that has the sales; None where they are read here.

        Raises
        ------
        EngineError
            If the var `engine` is not allowed.
        """
        engine = Engine.from_var(self.variables.get("engine"))
        return engine if self.inputs.get("sales") else None

    @property
    def locations(self) -> dict[str, Location]:
        """Locations of the inputs, by name, without those that are no text."""
        return {
            name: self.location(name)
            for name, given in sorted(self.inputs.items())
            if isinstance(given, str)
        }


@dataclass(frozen=True)
class NodeResult:
    """What became of one node.

    `table` is the quoted name of a table whose rows can be counted, `sql` the query of a test that
    warned; both are None for other nodes.
    """

    node_id: str
    name: str
    type: str
    status: str
    seconds: float
    message: str | None = None
    n_failures: int | None = None
    table: str | None = None
    sql: str | None = None

    @property
    def failed(self) -> bool:
        """Whether it fails the run."""
        return self.status in FAILURES


@dataclass(frozen=True)
class Outcome:
    """What a hook has to show: lines for the terminal, and the problem that fails the run."""

    lines: Sequence[str] = field(default_factory=list)
    problem: str | None = None

    def to_json(self) -> str:
        """The JSON object that the macro `show` reads; nothing in it can steer a terminal."""
        lines = [visible(line) for line in self.lines]
        problem = self.problem and visible(self.problem)
        return json.dumps({"lines": lines, "problem": problem})


def node_results(text: str) -> list[NodeResult]:
    """Read the JSON list of the macro `node_results`."""
    return [NodeResult(**fields) for fields in json.loads(text)]
