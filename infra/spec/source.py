"""YAML text as plain values, with the line of every key; what readers disagree on is refused.

Mappings become dicts, lists become tuples. `yaml.safe_load` would keep the last of two equal keys
in silence and read `no` as false; here both are faults with a line.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

import yaml

from infra.spec.errors import Fault, SpecError
from infra.spec.wording import Path, may_show, path_text, shown

LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MOST_BYTES = 4 * 1024 * 1024
"""About 8,000 endpoints."""
MOST_NODES = 200_000
"""Keys and values, with aliases written out."""
MOST_DEPTH = 40
UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7}|\|{7})(?: .*)?$", re.MULTILINE)
PLAIN_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
PLAIN_FLOAT = re.compile(r"-?[0-9]{1,15}\.[0-9]{1,20}(?:[eE][-+]?[0-9]{1,2})?")
TAG = "tag:yaml.org,2002:"


class Place(NamedTuple):
    """Line and column of a key or list item, from 1."""

    line: int
    column: int


class Finding(NamedTuple):
    """A fault whose place is known by path only."""

    path: Path
    what: str
    mend: str
    code: str


@dataclass(frozen=True, slots=True)
class Source:
    """One file, read: its value, where each path of it stands, and the faults that did not stop the reading."""

    filename: str
    value: Any
    places: Mapping[Path, Place]
    findings: tuple[Finding, ...] = ()

    def fault(self, finding: Finding) -> Fault:
        """The finding with the line of its key, or of the nearest key around it that is in the file."""
        path = finding.path
        while path and path not in self.places:
            path = path[:-1]
        line, column = self.places.get(path, Place(1, 1))
        return Fault(
            self.filename, line, column, path_text(finding.path), finding.what, finding.mend, finding.code
        )


def decode(content: bytes, filename: str) -> str:
    """The text of a file.

    Raises:
        SpecError: it is too large or not UTF-8.
    """
    if len(content) > MOST_BYTES:
        _refuse_size(filename)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        column = exc.start - content.rfind(b"\n", 0, exc.start)
        fault = Fault(
            filename,
            line,
            column,
            "",
            f"byte {column} of this line is not UTF-8.",
            "Save the file as UTF-8.",
            "encoding",
        )
        raise SpecError([fault]) from None


def parse(text: str, filename: str, begin: str = "`account:` and `endpoints:`") -> Source:
    """Read YAML text.

    Args:
        text: the file's content.
        filename: what errors call the file.
        begin: what an empty file should hold first.

    Raises:
        SpecError: the text cannot be read at all. Faults that leave the rest readable are in
            `Source.findings` instead.
    """
    text = text.removeprefix("\ufeff")
    _check_text(text, filename)
    try:
        _check_events(text, filename)
        node = yaml.compose(text, Loader=LOADER)
    except yaml.MarkedYAMLError as exc:
        raise SpecError([_syntax_fault(exc, text, filename)]) from None
    if node is None:
        _refuse(filename, Place(1, 1), "the file is empty.", f"Write {begin}.", "empty-file")
    reading = _Reading(filename)
    value = reading.value_of(node, ())
    return Source(filename, value, reading.places, tuple(reading.findings))


def _refuse(filename: str, place: Place, what: str, mend: str, code: str) -> NoReturn:
    raise SpecError([Fault(filename, place.line, place.column, "", what, mend, code)])


def _refuse_size(filename: str) -> NoReturn:
    what = f"the file is larger than {MOST_BYTES // 1024**2} MiB."
    _refuse(filename, Place(1, 1), what, "Split it into several projects.", "too-large")


def _place_at(text: str, position: int) -> Place:
    return Place(text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position))


def _place_of(mark: Any) -> Place:
    return Place(1, 1) if mark is None else Place(mark.line + 1, mark.column + 1)


def _check_text(text: str, filename: str) -> None:
    """Refuse what no YAML reader should see."""
    if len(text) > MOST_BYTES:
        _refuse_size(filename)
    if odd := UNPRINTABLE.search(text):
        code = f"U+{ord(odd[0]):04X}"
        what, mend = f"character {code} may not stand in a text file.", "Remove it."
        _refuse(filename, _place_at(text, odd.start()), what, mend, "unprintable")
    if mark := CONFLICT.search(text):
        what = f"a merge conflict was left here ({mark[0][:7]})."
        mend = "Keep one side and remove the three marks."
        _refuse(filename, _place_at(text, mark.start()), what, mend, "conflict-marks")


def _check_events(text: str, filename: str) -> None:
    """Bound depth, nodes and documents before anything recursive sees the text."""
    depth = nodes = documents = 0
    anchors: set[str | None] = set()
    for event in yaml.parse(text, Loader=LOADER):
        place = _place_of(event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent) and event.anchor not in anchors:
            what, mend = (
                "an alias (*…) names no anchor (&…) above it.",
                "Quote the text if no alias is meant.",
            )
            _refuse(filename, place, what, mend, "alias-unknown")
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
            what, mend = (
                "YAML tags (!…) are not read.",
                "Remove the tag, or quote the text that begins with !.",
            )
            _refuse(filename, place, what, mend, "yaml-tag")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            nodes += 1
            depth += isinstance(event, yaml.CollectionStartEvent)
            anchors.add(event.anchor)
        if documents > 1:
            mend = "Keep one document: remove the line `---`."
            _refuse(filename, place, "a second YAML document begins.", mend, "several-documents")
        if depth > MOST_DEPTH or nodes > MOST_NODES:
            what = f"more than {MOST_DEPTH} levels or {MOST_NODES} values."
            _refuse(filename, place, what, "Split the file into several projects.", "too-large")


def _syntax_fault(error: yaml.MarkedYAMLError, text: str, filename: str) -> Fault:
    place = _place_of(error.problem_mark or error.context_mark)
    lines = text.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        what, mend, code = "a tab indents this line.", "Use spaces.", "tab"
    else:
        what = f"not YAML: {_problem(error)}."
        mend = f"Check indentation, quotes and brackets before column {place.column}."
        code = "yaml-syntax"
    return Fault(filename, place.line, place.column, "", what, mend, code)


def _problem(error: yaml.MarkedYAMLError) -> str:
    """The parser's own words; they quote nothing of the text."""
    begun = error.context_mark
    where = f" ({error.context}, begun on line {begun.line + 1})" if error.context and begun else ""
    return f"{error.problem}{where}"


@dataclass(slots=True)
class _Reading:
    """Turns nodes into values and notes places and findings on the way."""

    filename: str
    places: dict[Path, Place] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    open_nodes: set[int] = field(default_factory=set)

    def value_of(self, node: yaml.Node, path: Path) -> Any:
        if path not in self.places:
            self.places[path] = _place_of(node.start_mark)
        if len(self.places) > MOST_NODES:
            what, mend = "aliases (*…) grow this beyond any real file.", "Write the values out."
            _refuse(self.filename, self.places[path[:2]], what, mend, "alias-expansion")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self.open_nodes:
            self._find(path, "an alias (*…) holds itself.", "Write the value out.", "alias-loop")
            return None
        self.open_nodes.add(id(node))
        value = (
            self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._sequence(node, path)
        )
        self.open_nodes.remove(id(node))
        return value

    def _sequence(self, node: yaml.Node, path: Path) -> tuple[Any, ...]:
        return tuple(self.value_of(item, (*path, at)) for at, item in enumerate(node.value))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        return {key: self.value_of(item, (*path, key)) for key, item in self._pairs(node, path)}

    def _pairs(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, yaml.Node]]:
        """Keys, each once, with their values."""
        seen: dict[str, int] = {}
        for key_node, item in node.value:
            key = key_node.value
            place = _place_of(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                self._find(
                    path, "a list or mapping stands as a key.", "Use plain text as the key.", "key-form"
                )
            elif key_node.tag == f"{TAG}merge":
                mend = "Write the keys out, or put what is shared into a template."
                self.places.setdefault((*path, key), place)
                self._find((*path, key), "merge keys are not read.", mend, "merge-key")
            elif key in seen:
                what = f"{shown(key)} stands twice here, first on line {seen[key]}."
                self.places[(*path, key)] = place
                self._find((*path, key), what, "Keep one of the two.", "duplicate-key")
            else:
                seen[key] = place.line
                self.places[(*path, key)] = place
                yield key, item

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text = node.value
        match node.tag.removeprefix(TAG):
            case "null":
                return None
            case "bool" if text.lower() in {"true", "false"}:
                return text.lower() == "true"
            case "int" if PLAIN_INT.fullmatch(text):
                return int(text)
            case "float" if PLAIN_FLOAT.fullmatch(text):
                return float(text)
            case "bool" | "int" | "float" | "timestamp" | "value":
                self._find_ambiguous(text, path)
        return text

    def _find_ambiguous(self, text: str, path: Path) -> None:
        value = text[:40] if may_show(path) else "this value"
        what = f"{value} means different things to different YAML readers."
        mend = "Quote it if it is text; else write a plain number, true or false."
        self._find(path, what, mend, "ambiguous-value")

    def _find(self, path: Path, what: str, mend: str, code: str) -> None:
        self.findings.append(Finding(path, what, mend, code))
