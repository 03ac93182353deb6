"""Random elections, counted by `landslide tabulate` and by two programs that know nothing of it. What must be equal is.

stvpoll counts instant runoff and Scottish STV, py-vote-core instant runoff and ranked pairs. What may differ, and so is left
out of a comparison:

- Ties. Each program draws lots of its own; an election in which one of them met a tie is compared up to there only.
- Instant runoff. Both eliminate one option at a time; our rounds are those of theirs in which a group of ours is out. stvpoll
  wants more than half of all ballots and may end without a winner: its rounds are compared nevertheless.
- The transferable vote. stvpoll rounds values to the nearest fifth decimal, where the law cuts them, so that votes may differ
  by 0.00001 for each paper and surplus; and it passes papers on to options that are elected in the same stage, which the law
  does not. An election that elects two in one stage is left out, and so is one in which so little decides.
- Ranked pairs. py-vote-core looks at winning votes alone and draws among pairs with equal ones; we look at losing votes first.
  An election in which it drew is left out. It elects an option that alone is beaten by nobody without locking pairs; if it
  is equal to one that no locked pair beats, that is a tie to us. The pairwise table is always compared.

The Borda count has no counterpart there; its property tests hold it against the pairwise table.
"""

import argparse
import itertools
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from py3votecore.irv import IRV
from py3votecore.ranked_pairs import RankedPairs
from stvpoll.irv import calculate_irv
from stvpoll.scottish_stv import calculate_scottish_stv

OPTIONS_MAX = 8
RANKINGS_MAX = 30
BALLOTS_MAX = (3, 40, 2_000)
"""Ballots of one ranking: a few make ties, many make none."""
SHARE_MIN = 0.2
"""What part of the elections each comparison must have been of."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, required=True, help="landslide")
    parser.add_argument("--elections", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1, help="the first election; each has a seed of its own")
    arguments = parser.parse_args()
    compared = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.seed, arguments.seed + arguments.elections):
            election = Election(seed, arguments.program, Path(folder) / "election.blt")
            for compare in (runoff_by_stvpoll, runoff_by_vote_core, transferable_by_stvpoll, pairs_by_vote_core):
                try:
                    compared[compare.__name__] += compare(election)
                except AssertionError as difference:
                    print(f"{compare.__name__}, election {seed}: {difference}\n{election.blt}", file=sys.stderr)
                    return 1
    for name, elections in compared.items():
        print(f"{name}: {elections} of {arguments.elections} elections compared, no difference")
    rare = [name for name, elections in compared.items() if elections < SHARE_MIN * arguments.elections]
    if rare:
        print(f"too few elections compared: {', '.join(rare)}", file=sys.stderr)
    return 1 if rare else 0


class Election:
    """A random election: rankings with their numbers of ballots, none of them empty."""

    def __init__(self, seed: int, program: Path, file: Path) -> None:
        chance = random.Random(seed)
        self.program, self.file = program, file
        self.options = tuple(range(chance.randint(2, OPTIONS_MAX)))
        self.seats = chance.randint(1, len(self.options) - 1)
        ballots_max = chance.choice(BALLOTS_MAX)
        self.ballots: Counter[tuple[int, ...]] = Counter()
        for _ in range(chance.randint(1, RANKINGS_MAX)):
            ranking = chance.sample(self.options, chance.randint(1, len(self.options)))
            self.ballots[tuple(ranking)] += chance.randint(1, ballots_max)
        lines = [f"{len(self.options)} {self.seats}"]
        lines += [f"{count} {' '.join(str(option + 1) for option in ranking)} 0" for ranking, count in self.ballots.items()]
        lines += ["0", *(f'"{option}"' for option in self.options)]
        self.blt = "\n".join(lines) + "\n"
        file.write_text(self.blt)

    def count(self, method: str, seats: int) -> dict:
        command = [self.program, "tabulate", self.file, "--json", "--method", method, "--seats", str(seats)]
        return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)

    def of_vote_core(self) -> list[dict]:
        return [{"count": count, "ballot": list(ranking)} for ranking, count in self.ballots.items()]


def equal(what: str, ours: object, theirs: object) -> None:
    assert ours == theirs, f"{what}: ours {ours}, theirs {theirs}"


def runoff_by_stvpoll(election: Election) -> bool:
    """Every round, and the winner."""
    ours = election.count("irv", 1)
    theirs = calculate_irv(election.options, dict(election.ballots), allow_random=False)
    rounds = {frozenset(votes.votes): {c: int(n) for c, n in votes.votes.items()} for votes in theirs.rounds}
    for round_ in ours["rounds"]:
        votes = {option: votes for option, votes in enumerate(round_["votes"]) if votes is not None}
        if frozenset(votes) in rounds:
            equal("votes", votes, rounds[frozenset(votes)])
        if "tie_break" in round_:
            return False
    if ours["outcome"].get("tie") or not theirs.complete:
        return False
    equal("winner", ours["outcome"]["winners"], list(theirs))
    return True


def runoff_by_vote_core(election: Election) -> bool:
    """The winner."""
    ours = election.count("irv", 1)
    theirs = IRV(election.of_vote_core()).as_dict()
    if any("tied_losers" in round_ for round_ in theirs["rounds"]) or ours["outcome"].get("tie"):
        return False
    equal("winner", ours["outcome"]["winners"], [theirs["winner"]])
    return True


def transferable_by_stvpoll(election: Election) -> bool:
    """Quota, who is elected, and every stage's votes."""
    ours = election.count("stv", election.seats)
    theirs = calculate_scottish_stv(election.options, dict(election.ballots), election.seats, allow_random=False)
    equal("quota", ours["quota"], theirs.quota)
    if ours["outcome"].get("tie") or any("tie_break" in stage for stage in ours["stages"]):
        return False
    at_once = any(len(stage.get("elected", [])) > 1 for stage in ours["stages"][:-1])
    surpluses = sum(stage["kind"] == "surplus" for stage in ours["stages"])
    allowed = ours["ballots"] * max(surpluses, 1)
    if at_once or any(is_close(stage, ours["quota"] * ours["one_vote"], allowed) for stage in ours["stages"]):
        return False
    stages = {frozenset(standing(ours, place)): stage["votes"] for place, stage in enumerate(ours["stages"])}
    for round_ in theirs.rounds:
        for option, votes in round_.votes.items():
            stage = stages.get(frozenset(round_.votes))
            if stage is not None:
                difference = abs(stage[option] - int(votes * ours["one_vote"]))
                assert difference <= allowed, f"votes of {option}: ours {stage}, theirs {round_.votes}"
    equal("elected", sorted(ours["outcome"]["winners"]), sorted(theirs))
    return True


def standing(ours: dict, place: int) -> set[int]:
    """Who was neither elected nor excluded when a stage ended, before it elected anybody."""
    elected = {option for stage in ours["stages"][:place] for option in stage.get("elected", [])}
    return {option for option, votes in enumerate(ours["stages"][place]["votes"]) if votes is not None} - elected


def is_close(stage: dict, quota: int, allowed: int) -> bool:
    """Whether so little decides that rounding may. Whole votes are never rounded."""
    votes = [*(votes for votes in stage["votes"] if votes is not None), quota]
    pairs = itertools.combinations(votes, 2)
    return any(abs(one - other) <= allowed for one, other in pairs if one % 100_000 or other % 100_000)


def pairs_by_vote_core(election: Election) -> bool:
    """The pairwise table, who beats all others, who ties unbeaten, and the winner."""
    ours = election.count("condorcet", 1)
    # It knows only options that somebody ranks.
    ballots = [{"count": n, "ballot": {option: -place for place, option in enumerate(r)}} for r, n in election.ballots.items()]
    theirs = RankedPairs(ballots).as_dict()
    for (one, other), votes in theirs["pairs"].items():
        equal(f"{one} over {other}", ours["pairwise"][one][other], votes)
    tied = ours["outcome"].get("tie", {}).get("options")
    if "tied_winners" in theirs and "rounds" not in theirs:
        equal("tie", tied, sorted(theirs["tied_winners"]))
    elif tied and "rounds" not in theirs:
        assert theirs["winner"] in tied, f"tie: ours {tied}, theirs {theirs['winner']} alone"
    if any("tied_pairs" in round_ for round_ in theirs.get("rounds", [])) or tied:
        return False
    equal("winner", ours["outcome"]["winners"], [theirs["winner"]])
    return True


if __name__ == "__main__":
    sys.exit(main())
