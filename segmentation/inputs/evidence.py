"""Whether the values of a column decide between two readings, such as the two of `03/04/2025`.

Every file speaks for itself: files of one pattern can come from different programs. A file that
decides nothing is read like the others, and files that decide differently are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

#: So few of the deciding rows of a file can be typing errors that look like the other reading.
_CHANCE: Final = 0.01
#: Fewer deciding rows than this share of the undecided ones can be typing errors, all of them.
_FEWEST: Final = 0.05


@dataclass(frozen=True)
class Votes:
    """What the values of one file say about two readings.

    Attributes
    ----------
    file
        Name of the file; empty where the input has one.
    n_first, n_second
        Rows that only the first, only the second reading understands.
    n_either
        Rows that both understand, as different values.
    first, second, either
        A value of each of these rows; empty if there are none.
    """

    file: str
    n_first: int
    n_second: int
    n_either: int
    first: str = ""
    second: str = ""
    either: str = ""


@dataclass(frozen=True)
class Ruling:
    """What all files together say.

    Attributes
    ----------
    winner
        The reading that is proven; None if none is.
    example
        A value that proves it, or one of those that are too few to do so.
    doubtful
        A value that depends on the decision; empty if there is none.
    n_deciding, n_either
        Rows that decide, and rows that depend on the decision.
    conflict
        A value and its file for each reading, if both are proven.
    followers
        Files that decide nothing and are read like the others.
    """

    winner: Literal[0, 1] | None
    example: str
    doubtful: str
    n_deciding: int
    n_either: int
    conflict: tuple[tuple[str, str], tuple[str, str]] | None = None
    followers: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether values depend on a decision that too few others make."""
        return self.winner is None and self.conflict is None and self.n_either > 0

    def is_settled_by(self, other: Ruling) -> bool:
        """Whether enough rows of another column decide what this one leaves open."""
        return self.is_open and has_enough(other.n_deciding, self.n_either)

    @property
    def reason(self) -> str:
        """Why the decision is open."""
        if not self.n_deciding:
            return "no value decides"
        n_rows = self.n_deciding + self.n_either
        decide = "decides" if self.n_deciding == 1 else "decide"
        return f"only {self.n_deciding:,} of {n_rows:,} rows {decide}, such as {self.example!r}"

    @property
    def note(self) -> str:
        """Which files are read like the others; empty if none is."""
        if not self.followers:
            return ""
        more = f" and {len(self.followers) - 1} more" if len(self.followers) > 1 else ""
        return (
            f"no value decides in {self.followers[0]}{more}; read like the other files, where "
            f"values such as {self.example} decide"
        )


def rule(votes: Sequence[Votes]) -> Ruling:
    """Decide between two readings.

    A reading is proven by rows that only it understands, if they are at least one for every twenty
    rows that both understand differently. A file proves both readings if more than one in a
    hundred of its deciding rows contradicts the others, and another row depends on the decision.

    Parameters
    ----------
    votes
        One item per file.
    """
    n_either = sum(vote.n_either for vote in votes)
    for_first = [vote for vote in votes if vote.n_first > vote.n_second]
    for_second = [vote for vote in votes if vote.n_second > vote.n_first]
    conflict = None
    for vote in votes:
        n_against = min(vote.n_first, vote.n_second)
        if vote.n_either and n_against > _CHANCE * (vote.n_first + vote.n_second):
            conflict = ((vote.first, vote.file), (vote.second, vote.file))
    if for_first and for_second:
        first = max(for_first, key=lambda vote: vote.n_first)
        second = max(for_second, key=lambda vote: vote.n_second)
        conflict = ((first.first, first.file), (second.second, second.file))
    winner: Literal[0, 1] = 1 if for_second else 0
    n_deciding = sum((vote.n_first, vote.n_second)[winner] for vote in votes)
    deciding = max(votes, key=lambda vote: (vote.n_first, vote.n_second)[winner], default=None)
    example = (deciding.first, deciding.second)[winner] if deciding else ""
    is_proven = conflict is None and n_deciding > 0 and has_enough(n_deciding, n_either)
    followers = [
        vote.file
        for vote in votes
        if is_proven and vote.n_either and not vote.n_first and not vote.n_second
    ]
    return Ruling(
        winner if is_proven else None,
        example,
        next((vote.either for vote in votes if vote.either), ""),
        n_deciding,
        n_either,
        conflict,
        tuple(followers),
    )


def has_enough(n_deciding: int, n_either: int) -> bool:
    """Whether deciding rows are too many to be typing errors among those that can be either."""
    return n_deciding >= _FEWEST * n_either


def in_file(value: str, file: str) -> str:
    """A value as a message shows it, with its file where the input has several."""
    return f"{value!r} in {file}" if file else repr(value)
