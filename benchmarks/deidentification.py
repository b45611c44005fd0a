"""Embedded de-identification beside plain Presidio on the same texts, in one process on one core: speed and recall.

    python benchmarks/deidentification.py [--rounds 5] [--seed 20260105] [--file SET] [--chat JSONL]

Three callables take turns on the labelled set of the tests (or a set of your own): `find_identifiers`, the whole
`deidentify_text` with its surrogates, and Presidio's `AnalyzerEngine.analyze` with its default recognisers on a blank
spaCy pipeline. The set is dense: some three details in every hundred characters. With `--chat` they also take turns on
the texts of any JSONL of ordinary chat, which hold few. Each is warmed up; medians over the rounds are compared. Recall
is by span and by type, by the rules of privacy/scoring/score.py: what a detector reports is taken out of the text, so
both are judged by what would be left.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "privacy")]

from depsim_dagster.privacy.detection.detect import find_identifiers  # noqa: E402
from depsim_dagster.privacy.scoring.engines import embedded, plain_presidio  # noqa: E402
from depsim_dagster.privacy.scoring.labelled_files import read_labelled  # noqa: E402
from depsim_dagster.privacy.scoring.score import LabelledMessage, Score, score  # noqa: E402

TARGET = 10.0
# Of a JSONL of chat: strings at least this long are what people and models said, and so many of them are enough.
SHORTEST_TEXT, MOST_TEXTS = 60, 1000
# What Presidio's default recognisers find without a model, in our types; the others it does not claim.
CLAIMED = (
    *(
        "bank_account",
        "birth_date",
        "card",
        "crypto_wallet",
        "date",
        "driver_licence",
        "email",
        "iban",
        "ip_address",
    ),
    *("licence_number", "mac_address", "national_id", "passport", "phone", "url"),
)


def cut_out(text: str) -> str:
    """The text with what the embedded detector finds taken out."""
    pieces, position = [], 0
    for span in find_identifiers(text):
        pieces += [text[position : span.start], f"<{span.type}>"]
        position = span.end
    return "".join([*pieces, text[position:]])


def labelled(file: Path | None, seed: int) -> list[LabelledMessage]:
    if file is not None:
        return list(read_labelled(file))
    from labelled_messages import whole_set

    return list(whole_set(seed))


def chat_texts(file: Path) -> list[str]:
    """The first texts of a JSONL, wherever in its records they stand."""
    texts: list[str] = []
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            texts += [text for text in strings(json.loads(line)) if len(text) >= SHORTEST_TEXT]
            if len(texts) >= MOST_TEXTS:
                break
    return texts[:MOST_TEXTS]


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings(part)


def seconds(run: Callable[[str], object], texts: Iterable[str]) -> float:
    started = time.process_time()
    for text in texts:
        run(text)
    return time.process_time() - started


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seed", type=int, default=20260105)
    arguments.add_argument("--file", type=Path, help="a labelled set as `depsim privacy score` takes it")
    arguments.add_argument(
        "--chat", type=Path, help="a JSONL of ordinary chat: speed alone, it has no labels"
    )
    given = arguments.parse_args()
    messages = labelled(given.file, given.seed)
    presidio = plain_presidio()
    whole = embedded()
    engines: dict[str, Callable[[str], object]] = {
        "find_identifiers": find_identifiers,
        "deidentify_text": whole,
        "presidio analyze": presidio,
    }
    ratio = print_speed("labelled set", [message.text for message in messages], engines, given.rounds)
    if given.chat is not None:
        ratio = min(ratio, print_speed(given.chat.name, chat_texts(given.chat), engines, given.rounds))
    print()
    scores = {
        name: score(messages, run)
        for name, run in (("found", cut_out), ("surrogates", whole), ("presidio", presidio))
    }
    print_recall(scores)
    behind = [type_ for type_ in CLAIMED if is_behind(scores, type_)]
    fast = ratio >= TARGET
    print(f"\nfind_identifiers is {'at least' if fast else 'NOT'} {TARGET:g} × as fast as Presidio")
    print("lower recall than Presidio in a type that it claims: " + (", ".join(behind) or "none"))
    sys.exit(0 if fast and not behind else 1)


def print_speed(
    name: str, texts: list[str], engines: dict[str, Callable[[str], object]], rounds: int
) -> float:
    """How often find_identifiers is as fast as Presidio on these texts."""
    kilobytes = sum(len(text.encode()) for text in texts) / 1000
    for run in engines.values():
        seconds(run, texts[:200])
    taken: dict[str, list[float]] = {engine: [] for engine in engines}
    for _ in range(rounds):
        for engine, run in engines.items():
            taken[engine].append(seconds(run, texts))
    medians = {engine: statistics.median(times) for engine, times in taken.items()}
    print(f"{name}: {len(texts):,} texts, {kilobytes:,.0f} KB, {rounds} rounds, CPU time on one core")
    for engine, median in medians.items():
        times = medians["presidio analyze"] / median
        spread = f"{kilobytes / max(taken[engine]):,.0f}–{kilobytes / min(taken[engine]):,.0f}"
        print(f"{engine:<18}{kilobytes / median:>9,.0f} KB/s  ({spread}){times:>8.1f} × presidio")
    return medians["presidio analyze"] / medians["find_identifiers"]


def print_recall(scores: dict[str, Score]) -> None:
    print(
        f"{'recall':<22}" + "".join(f"{name:>12}" for name in scores) + f"{'spans':>8}   claimed by presidio"
    )
    for type_, found in scores["found"].by_type.items():
        recalls = "".join(f"{result.by_type[type_].recall:>12.3f}" for result in scores.values())
        print(f"{type_:<22}{recalls}{found.spans:>8}   {'yes' if type_ in CLAIMED else ''}")
    for kind in ("code", "maths", "json", "version", "log", "prose"):
        shares = "".join(
            f"{result.over_redaction[kind].share if kind in result.over_redaction else float('nan'):>12.2%}"
            for result in scores.values()
        )
        print(f"{'changed in ' + kind:<22}{shares}")


def is_behind(scores: dict[str, Score], type_: str) -> bool:
    found, peer = (scores[name].by_type.get(type_) for name in ("found", "presidio"))
    return found is not None and peer is not None and found.recall < peer.recall


if __name__ == "__main__":
    main()
