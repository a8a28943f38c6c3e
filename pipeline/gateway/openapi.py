"""The OpenAPI 3.1 document of what the gateway speaks, as strict or as generous as the profile is."""

from collections.abc import Mapping

from pipeline.domain.digest import Json
from pipeline.gateway.order import PROMPT_LIMIT
from pipeline.gateway.parameters import EDITS, GENERATIONS, Choice, Rule, Whole
from pipeline.gateway.profiles import Profile
from pipeline.gateway.sizes import STANDARD

Schema = dict[str, Json]

_VERSION = "1"
_LARGE = ("2048x2048", "2048x1152", "1152x2048")
_MODELS = ("gpt-image-2", "gpt-image-2.5-sunburst", "gpt-image-2.6-flare")


def document(profile: Profile) -> Schema:
    """The whole document for one profile."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "pipeline gateway",
            "version": _VERSION,
            "description": f"An OpenAI-compatible image endpoint that draws sketches. Profile: {profile.name}.",
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"key": []}],
        "paths": _paths(profile),
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(profile),
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Schema, description: str) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _paths(profile: Profile) -> Schema:
    paths: Schema = {
        "/v1/images/generations": {
            "post": _drawing("generate", "Draws pictures from a prompt.", _body("GenerationRequest"))
        },
        "/v1/chat/completions": {
            "post": _operation(
                "chat",
                "Answers a conversation, with a picture where the model draws.",
                {"200": _json_or_stream("ChatCompletion")},
                _body("ChatRequest"),
            )
        },
        "/v1/models": {"get": _operation("listModels", "Lists models.", {"200": _json(_ref("ModelList"), "Models.")})},
        "/v1/models/{id}": {
            "get": {
                **_operation("getModel", "One model.", {"200": _json(_ref("Model"), "The model.")}),
                "parameters": [_in_path("id")],
            }
        },
        "/_gateway/stats": {
            "get": _operation("stats", "What was asked and billed so far.", {"200": _json(_ref("Stats"), "Counts.")})
        },
        "/_gateway/reset": {
            "post": _operation("reset", "Forgets what was counted.", {"200": _json({"type": "object"}, "Done.")})
        },
    }
    if profile.edits:
        form: Schema = {
            "required": True,
            "content": {"multipart/form-data": {"schema": _ref("EditForm")}, **_content("EditRequest")},
        }
        paths["/v1/images/edits"] = {"post": _drawing("edit", "Draws pictures from pictures.", form)}
    return paths


def _operation(name: str, summary: str, answers: Schema, body: Schema | None = None) -> Schema:
    operation: Schema = {
        "operationId": name,
        "summary": summary,
        "responses": {**answers, "default": _json(_ref("Error"), "An error, in the maker's shape.")},
    }
    if body is not None:
        operation["requestBody"] = body
    return operation


def _drawing(name: str, summary: str, body: Schema) -> Schema:
    return _operation(name, summary, {"200": _json_or_stream("ImagesResponse")}, body)


def _json_or_stream(name: str) -> Schema:
    return {
        "description": "JSON, or server-sent events where the request says stream.",
        "content": {**_content(name), "text/event-stream": {"schema": _EVENT}},
    }


def _content(name: str) -> Schema:
    return {"application/json": {"schema": _ref(name)}}


def _body(name: str) -> Schema:
    return {"required": True, "content": _content(name)}


def _in_path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _schemas(profile: Profile) -> Schema:
    return {
        "GenerationRequest": _request(profile, GENERATIONS, ["prompt"], {}),
        "EditRequest": _request(
            profile,
            EDITS,
            ["prompt", "images"],
            {
                "images": {"type": "array", "minItems": 1, "maxItems": 16, "items": _ref("ImageRef")},
                "mask": _ref("ImageRef"),
            },
        ),
        "EditForm": _request(
            profile,
            {name: rule for name, rule in EDITS.items() if name != "svg"},
            ["prompt", "image"],
            {"image": {"type": "string", "format": "binary"}, "mask": {"type": "string", "format": "binary"}},
        ),
        "ImageRef": {
            "type": "object",
            "required": ["image_url"],
            "additionalProperties": False,
            "properties": {"image_url": {"type": "string", "pattern": "^data:image/(png|jpeg|webp);base64,"}},
        },
        "ImagesResponse": _IMAGES_RESPONSE,
        "ChatRequest": _CHAT_REQUEST,
        "ChatCompletion": _object(
            {
                "id": {"type": "string"},
                "object": {"const": "chat.completion"},
                "created": {"type": "integer"},
                "model": {"type": "string"},
                "choices": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["message"]}},
                "usage": {"type": "object"},
            }
        ),
        "Model": _MODEL,
        "ModelList": _object({"object": {"const": "list"}, "data": {"type": "array", "items": _ref("Model")}}),
        "Stats": _STATS,
        "Error": _error(profile),
    }


def _object(properties: Schema, required: list[Json] | None = None) -> Schema:
    return {"type": "object", "required": required or list(properties), "properties": properties}


def _request(profile: Profile, rules: Mapping[str, Rule], required: list[Json], extra: Schema) -> Schema:
    """A request's parameters. What a strict profile refuses, alone or together, is not valid here either."""
    properties: Schema = {name: _parameter(name, rule, profile) for name, rule in rules.items()}
    request: Schema = {"type": "object", "required": required, "additionalProperties": not profile.strict}
    if profile.strict:
        # Of the listed models none takes these: SVG needs access, fidelity belongs to the family before.
        for name in ("svg", "input_fidelity"):
            properties.pop(name, None)
        request["allOf"] = list(_TOGETHER)
    else:
        properties["response_format"] = {}
    return {**request, "properties": {**properties, **extra}}


def _parameter(name: str, rule: Rule, profile: Profile) -> Schema:
    match name:
        case "prompt":
            longest: Schema = {} if profile.name == "lenient" else {"maxLength": PROMPT_LIMIT}
            return {"type": "string", "pattern": r"\S", **longest}
        case "model":
            listed: Schema = {} if profile.models == "any" else {"enum": [*_MODELS, None]}
            return {"type": ["string", "null"], **listed}
        case "size":
            large = _LARGE if profile.sizes == "openai" else ()
            return {"type": ["string", "null"], "enum": ["auto", *STANDARD, *large, None]}
    match rule:
        case Whole():
            most = profile.largest_n if name == "n" else rule.most
            return {"type": ["integer", "null"], "minimum": rule.least, "maximum": most}
        case Choice():
            return _choice(name, rule, profile)
        case _:
            return {"type": [{str: "string", bool: "boolean", dict: "object"}[rule.type], "null"]}


def _choice(name: str, rule: Choice, profile: Profile) -> Schema:
    words: tuple[str, ...] = rule.words
    if name == "output_format":
        words = ("png", "jpeg", "webp")
    elif not profile.strict:
        return {}
    elif name == "quality":
        words = ("auto", "low", "medium", "high")
    return {"type": ["string", "null"], "enum": [*words, None]}


def _error(profile: Profile) -> Schema:
    text: Schema = {"type": "string"} if profile.relay_errors else {"type": ["string", "null"]}
    return _object(
        {"error": _object({"message": {"type": "string"}, "type": {"type": "string"}, "param": text, "code": text})}
    )


_EVENT: Schema = {
    "type": "object",
    "required": ["data"],
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
}
_TOGETHER: tuple[Schema, ...] = (
    {
        "description": "Compression is of jpeg and webp alone.",
        "anyOf": [
            {"required": ["output_format"], "properties": {"output_format": {"enum": ["jpeg", "webp"]}}},
            {"properties": {"output_compression": {"enum": [100, None]}}},
        ],
    },
    {
        "description": "jpeg is never transparent.",
        "anyOf": [
            {"properties": {"output_format": {"enum": ["png", "webp", None]}}},
            {"properties": {"background": {"enum": ["auto", "opaque", None]}}},
        ],
    },
)
_COUNT: Schema = {"type": "integer", "minimum": 0}
_IMAGES_RESPONSE: Schema = _object(
    {
        "created": {"type": "integer"},
        "background": {"enum": ["transparent", "opaque"]},
        "output_format": {"enum": ["png", "jpeg", "webp", "gif"]},
        "quality": {"type": "string"},
        "size": {"type": "string", "pattern": "^[0-9]+x[0-9]+$"},
        "data": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "b64_json": {"type": "string"},
                    "url": {"type": "string"},
                    "revised_prompt": {"type": "string"},
                },
            },
        },
        "usage": _object({"total_tokens": _COUNT, "input_tokens": _COUNT, "output_tokens": _COUNT}),
    },
    ["created", "data"],
)
_CHAT_REQUEST: Schema = _object(
    {
        "model": {"type": "string", "minLength": 1},
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object"},
            "contains": {  # some words of the user's, which are what is drawn
                "type": "object",
                "required": ["role", "content"],
                "properties": {"role": {"const": "user"}, "content": {"type": "string", "pattern": r"\S"}},
            },
        },
        "stream": {"type": ["boolean", "null"]},
    },
    ["model", "messages"],
)
_MODEL: Schema = _object(
    {
        "id": {"type": "string"},
        "object": {"const": "model"},
        "created": {"type": "integer"},
        "owned_by": {"type": "string"},
        "supported_endpoint_types": {"type": "array", "items": {"type": "string"}},
    }
)
_STATS: Schema = _object(
    {
        "requests": _COUNT,
        "images_billed": _COUNT,
        "billed": {"type": "object", "additionalProperties": _COUNT},
        "statuses": {"type": "object", "additionalProperties": _COUNT},
        "in_flight": _COUNT,
        "highest_concurrency": _COUNT,
        "log": {"type": "array", "items": {"type": "object"}},
    }
)
