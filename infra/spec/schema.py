"""The JSON Schema of endpoints.yaml, for editors: `python -m infra.spec.schema > docs/endpoints.schema.json`."""

import json
import sys
from typing import Any

import yaml

from infra.spec.model import Spec

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_text() -> str:
    """The schema as `docs/endpoints.schema.json` holds it."""
    schema = _plain(Spec.model_json_schema())
    whole = {"$schema": DIALECT, **schema, "title": "Moorage endpoints.yaml"}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _plain(node: Any) -> Any:
    """Without what editors show to no use: derived titles, null as a choice, examples as text."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _plain(item) for key, item in node.items() if not (key == "title" and isinstance(item, str))}
    choices = [choice for choice in kept.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        kept = {key: item for key, item in kept.items() if key != "anyOf"} | choices[0]
    if kept.get("default", ...) is None:
        del kept["default"]
    if isinstance(kept.get("examples"), list):
        kept["examples"] = [yaml.safe_load(text) for text in kept["examples"]]
    return kept


if __name__ == "__main__":
    sys.stdout.write(schema_text())
