"""The manifest reference, written from the schema: ``python -m tests.docs.reference`` writes docs/manifest.md anew."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.manifest import json_schema
from tests.docs.commands import ROOT

PAGE = ROOT / "docs" / "manifest.md"

HEAD = """\
# The manifest

One YAML file: what to make, by whom, within which limits. This page is written from the schema that
`pipeline schema` prints and editors use (`pipeline schema --write DIR` puts it beside a manifest, whose first line
`# yaml-language-server: $schema=manifest.schema.json` names it); a test keeps the two together.

Unknown keys are errors, told with line and column and the key that was meant, all at once, before anything is sent.
Templates (`{{ … }}`) are Jinja2 in a sandbox; nothing in a manifest runs code. Relative paths are relative to the
manifest. Parameters are merged key by key: defaults, then the model's, the shot's, the chain step's, then `--set`;
`null` removes one.

"""


def reference() -> str:
    """The page."""
    schema = json_schema()
    return HEAD + "\n".join(_sections(schema)).rstrip() + "\n"


def _sections(schema: Mapping[str, Any]) -> Iterator[str]:
    entries: Mapping[str, Any] = schema["$defs"]
    yield from _section("The whole", schema, entries)
    for name in _in_order(schema, entries):
        yield from _section(_title(name), entries[name], entries)


def _in_order(schema: Mapping[str, Any], entries: Mapping[str, Any]) -> list[str]:
    """Entries as they are met reading from the top."""
    found: list[str] = []
    queue = [schema]
    while queue:
        for name in re.findall(r"#/\$defs/(\w+)", json.dumps(queue.pop(0).get("properties", {}))):
            if name not in found:
                found.append(name)
                queue.append(entries[name])
    return found


def _section(title: str, entry: Mapping[str, Any], entries: Mapping[str, Any]) -> Iterator[str]:
    required = set(entry.get("required", ()))
    yield f"## {title}"
    yield ""
    yield _cell(entry.get("description", ""))
    yield ""
    yield "| key | what | kind | default |"
    yield "| --- | --- | --- | --- |"
    for key, value in entry.get("properties", {}).items():
        example = f" For example {_examples(value)}." if value.get("examples") else ""
        must = "**needed**" if key in required else _default(value)
        named = entries.get(value.get("$ref", "").rpartition("/")[2], {})
        words = value.get("description") or named.get("description", "")
        yield f"| `{key}` | {_cell(words)}{example} | {_kind(value)} | {must} |"
    yield ""


def _title(name: str) -> str:
    return f"{name.removesuffix('Entry')} entry"


def _anchor(name: str) -> str:
    return f"[{_title(name)}](#{_title(name).lower().replace(' ', '-')})"


def _kind(value: Mapping[str, Any]) -> str:
    return " or ".join(dict.fromkeys(word for kind in _kinds(value) for word in kind.split(" or ") if word))


def _kinds(value: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in value:
        yield _anchor(value["$ref"].rpartition("/")[2])
    elif "anyOf" in value or "oneOf" in value or "allOf" in value:
        for part in (*value.get("anyOf", ()), *value.get("oneOf", ()), *value.get("allOf", ())):
            yield from (kind for kind in _kinds(part) if kind != "null")
    elif "enum" in value:
        yield ", ".join(f"`{word}`" for word in value["enum"])
    elif "const" in value:
        yield f"`{value['const']}`"
    elif value.get("type") == "array":
        yield f"list of {_kind(value.get('items', {})) or 'anything'}"
    elif value.get("type") == "object":
        inner = value.get("additionalProperties")
        yield f"mapping of names to {_kind(inner) or 'anything'}" if isinstance(inner, dict) else "mapping"
    else:
        kinds = value.get("type", "")
        yield " or ".join({"string": "text", "boolean": "true or false"}.get(kind, kind) for kind in _listed(kinds))


def _listed(kinds: str | list[str]) -> list[str]:
    return kinds if isinstance(kinds, list) else [kinds] if kinds else []


def _default(value: Mapping[str, Any]) -> str:
    default = value.get("default")
    return "" if default in (None, {}, []) else f"`{_cell(json.dumps(default, ensure_ascii=False))}`"


def _examples(value: Mapping[str, Any]) -> str:
    shown = (example if isinstance(example, str) else json.dumps(example) for example in value["examples"])
    return ", ".join(f"`{_cell(example)}`" for example in shown)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
