"""Words of error messages: paths, quoted values, near misses. Nothing that may be a secret is quoted."""

import difflib
import json
import re
from collections.abc import Iterable
from typing import Any

Path = tuple[str | int, ...]
"""Keys and list positions from the top of a file to a value."""

LONGEST_SHOWN = 60
"""Characters of a value that are quoted."""
MOST_LISTED = 12
"""Names that are listed when none of them is a near miss."""
PLAIN_KEY = re.compile(r"[A-Za-z0-9_$-]{1,64}")
SECRET_MARKS = re.compile(
    r"(?i:-----BEGIN|://[^/\s]*:[^/\s]*@|[^/\s:@]:[^/\s:@]+@(?!sha256:)|password *[=:]|bearer )"
    r"|\b(?:gh[a-z]_|github_pat_|glpat-|sk-|hf_|xox[a-z]-|AKIA|ASIA|eyJ|npm_|pypi-|mrg_)\w"
)
LONG_TOKEN = re.compile(r"[A-Za-z0-9+_=-]{20,}")
HIDDEN_BELOW = frozenset({"env", "password", "secrets", "tokens"})


def looks_secret(text: str) -> bool:
    """Whether a text bears the marks of a credential: a known prefix, or 20 mixed characters."""
    return bool(SECRET_MARKS.search(text)) or any(map(_mixed, LONG_TOKEN.findall(text)))


def _mixed(token: str) -> bool:
    kinds = (str.isdigit, str.isupper, str.islower)
    return sum(any(map(kind, token)) for kind in kinds) >= len(kinds) or (
        any(map(str.isdigit, token)) and not re.search(r"[-_+=]", token)
    )


def may_show(path: Path) -> bool:
    """Whether values at this place may be quoted; those of env, secrets, passwords may not."""
    return HIDDEN_BELOW.isdisjoint(path)


def shown(value: Any) -> str:
    """A value as an error quotes it: text in double quotes and bounded, lists and mappings by kind."""
    match value:
        case str() if looks_secret(value):
            return "(text not shown)"
        case str():
            short = value if len(value) <= LONGEST_SHOWN else value[: LONGEST_SHOWN - 1] + "…"
            return json.dumps(short, ensure_ascii=False)
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return json.dumps(value)


def kind_of(value: Any) -> str:
    """What a value is, in the words of the reference."""
    kinds = {str: "text", bool: "true or false", int: "a number", float: "a number", dict: "a mapping"}
    return "nothing" if value is None else kinds.get(type(value), "a list")


def path_text(path: Path) -> str:
    """A path as `endpoints[2].replicas.min`; odd keys are quoted, long and secret ones shortened."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif PLAIN_KEY.fullmatch(step) and not looks_secret(step):
            text += f".{step}" if text else step
        else:
            text += f"[{shown(step)}]"
    return text


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one most likely meant, if any is near."""
    if len(word) > LONGEST_SHOWN:
        return None
    near = difflib.get_close_matches(word.lower(), sorted(known, reverse=True), n=3, cutoff=0.65)
    return min(near, key=lambda name: (-_likeness(word, name), name), default=None)


def _likeness(word: str, name: str) -> float:
    return difflib.SequenceMatcher(None, name, word.lower()).ratio()


def suggestion(word: str, known: Iterable[str], otherwise: str) -> str:
    """`Did you mean …?` for a near miss, else the known names, else what to do instead."""
    names = sorted(known)
    if near := nearest(word, names):
        return f"Did you mean {shown(near)}?"
    return f"Known: {listed(names)}." if names else otherwise


def listed(names: Iterable[str]) -> str:
    """Names in a row, bounded."""
    every = list(names)
    more = f", … ({len(every) - MOST_LISTED} more)" if len(every) > MOST_LISTED else ""
    return ", ".join(every[:MOST_LISTED]) + more
