"""The routes of FHIR's REST API: a table from path shape and method to handler.

A shape is the path with its parts named: `T` a resource type, `I` an id, `V` a version, `C` a compartment's type, `$` an operation.
https://hl7.org/fhir/R4/http.html#summary
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_server.interactions import (
    bundle,
    capabilities,
    create,
    delete,
    history,
    patch,
    read,
    search,
    update,
)
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.headers import expected, is_unmodified
from fhir_server.operations.call import call
from fhir_server.operations.registry import EventStream
from fhir_server.r4.definitions import COMPARTMENTS, TYPE_CODE
from fhir_server.r4.outcome import FhirError, Problem
from fhir_server.rest import binary
from fhir_server.rest.request import FORM, Incoming, Pair

Handler = Callable[[Context, Incoming], Result | EventStream]
Shape = tuple[str, ...]
OPEN_SHAPES: tuple[Shape, ...] = (("metadata",),)
"""What anybody may read without a token. https://hl7.org/fhir/R4/http.html#capabilities"""


def shape_of(segments: tuple[str, ...]) -> Shape:
    """The path's shape. Raises UNKNOWN_TYPE or NO_ROUTE."""
    if not segments:
        return ()
    first = segments[0]
    if first.startswith("$"):
        return _known(("$", *segments[1:]))
    if first in ("metadata", "_search", "_history"):
        return _known((first, *segments[1:]))
    if first not in TYPE_CODE:
        raise FhirError(Problem.UNKNOWN_TYPE, "R4 has no resource type of this name.")
    return _known(("T", *_below_type(segments[1:])))


def _known(shape: Shape) -> Shape:
    if shape not in ROUTES:
        raise FhirError(Problem.NO_ROUTE, "No interaction or operation has this address.")
    return shape


def _below_type(rest: tuple[str, ...]) -> Shape:
    if not rest:
        return ()
    if rest[0].startswith("$"):
        return ("$", *rest[1:])
    if rest[0] in ("_search", "_history"):
        return rest
    return ("I", *_below_id(rest[1:]))


def _below_id(rest: tuple[str, ...]) -> Shape:
    if not rest:
        return ()
    if rest[0].startswith("$"):
        return ("$", *rest[1:])
    if rest[0] == "_history":
        return ("_history", *("V" for _ in rest[1:2]), *("$" if r.startswith("$") else r for r in rest[2:]))
    if rest[0] == "*" or rest[0] in TYPE_CODE:
        return ("C", *rest[1:])
    return rest


def handler_of(incoming: Incoming) -> Handler:
    """The handler. Raises METHOD_NOT_ALLOWED where the address knows other methods only."""
    methods = ROUTES[shape_of(incoming.segments)]
    found = methods.get("GET" if incoming.method == "HEAD" else incoming.method)
    if found is None:
        raise FhirError(Problem.METHOD_NOT_ALLOWED, f"Here go {', '.join(allowed(incoming.segments))}.")
    return found


def allowed(segments: tuple[str, ...]) -> list[str]:
    """The methods of an address."""
    methods = list(ROUTES[shape_of(segments)])
    return [*methods, "HEAD"] if "GET" in methods else methods


def interaction_of(incoming: Incoming) -> str:
    """What a request asked for, as the audit log calls it."""
    shape = shape_of(incoming.segments)
    if "$" in shape:
        return "operation"
    if shape == () and incoming.method == "POST":
        return "transaction"
    if "_history" in shape:
        return "vread" if "V" in shape else "history"
    if "I" in shape and "C" not in shape and "_search" not in shape:
        return _DONE.get(incoming.method, "read")
    return "search" if "_search" in shape or incoming.method in ("GET", "HEAD") else _DONE[incoming.method]


_DONE = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def _metadata(context: Context, incoming: Incoming) -> Result:
    return capabilities.capabilities(context, incoming.parameter("mode"))


def _read(context: Context, incoming: Incoming) -> Result:
    kind, logical_id = incoming.segments[:2]
    return _unless_known(incoming, read.read(context, kind, logical_id))


def _unless_known(incoming: Incoming, found: Result) -> Result:
    """304 to who has the version already. https://hl7.org/fhir/R4/http.html#cread"""
    none_match, since = (
        incoming.headers.get("if-none-match", ""),
        incoming.headers.get("if-modified-since", ""),
    )
    if is_unmodified(found.version, found.last_updated, none_match, since):
        return Result(304, None, found.type, found.id, found.version, found.last_updated)
    return found


def _vread(context: Context, incoming: Incoming) -> Result:
    kind, logical_id, _, version = incoming.segments
    return _unless_known(incoming, read.vread(context, kind, logical_id, version))


def _create(context: Context, incoming: Incoming) -> Result:
    condition = incoming.headers.get("if-none-exist", "") or _condition(incoming)
    return create.create(context, incoming.segments[0], _resource(incoming), condition)


def _resource(incoming: Incoming) -> dict[str, Any]:
    """The body; the content of a Binary may come as it is."""
    return binary.resource_of(incoming) if binary.is_raw_write(incoming) else incoming.resource()


def _condition(incoming: Incoming) -> str:
    """fhirpy and Aidbox put the condition of a create into the address."""
    return incoming.query if any(name not in ("_format", "_pretty") for name, _ in incoming.pairs) else ""


def _if_match(incoming: Incoming) -> int | None:
    return expected(incoming.headers.get("if-match", ""), incoming.headers.get("if-none-match", ""))


def _update(context: Context, incoming: Incoming) -> Result:
    kind, logical_id = incoming.segments
    return update.update(context, kind, logical_id, _resource(incoming), _if_match(incoming))


def _conditional_update(context: Context, incoming: Incoming) -> Result:
    return update.conditional_update(
        context, incoming.segments[0], incoming.query, incoming.resource(), _if_match(incoming)
    )


def _patch(context: Context, incoming: Incoming) -> Result:
    kind, logical_id = incoming.segments
    return patch.patch(context, kind, logical_id, "", incoming.patch(), _if_match(incoming))


def _conditional_patch(context: Context, incoming: Incoming) -> Result:
    return patch.patch(
        context, incoming.segments[0], "", incoming.query, incoming.patch(), _if_match(incoming)
    )


def _delete(context: Context, incoming: Incoming) -> Result:
    kind, logical_id = incoming.segments
    return delete.delete(context, kind, logical_id, _if_match(incoming))


def _conditional_delete(context: Context, incoming: Incoming) -> Result:
    return delete.conditional_delete(context, incoming.segments[0], incoming.query)


def _search(context: Context, incoming: Incoming) -> Result:
    kind = incoming.segments[0] if incoming.segments and incoming.segments[0] in TYPE_CODE else ""
    return search.search(context, kind, _asked(incoming))


def _asked(incoming: Incoming) -> list[Pair]:
    """The pairs of a search; with POST they come as a form. https://hl7.org/fhir/R4/http.html#search"""
    if incoming.method == "POST" and incoming.body and incoming.content_type != FORM:
        raise FhirError(Problem.UNSUPPORTED_MEDIA, f"Content-Type: expected {FORM}.")
    return incoming.pairs


def _compartment(context: Context, incoming: Incoming) -> Result:
    kind, logical_id, inner = incoming.segments[:3]
    if kind not in COMPARTMENTS:
        raise FhirError(
            Problem.NO_ROUTE, f"{kind} is not a compartment; those are {', '.join(sorted(COMPARTMENTS))}."
        )
    return search.compartment(
        context, (kind, logical_id), "" if inner in ("*", "_search") else inner, _asked(incoming)
    )


def _history(context: Context, incoming: Incoming) -> Result:
    kind, logical_id = (*incoming.segments[:-1], "", "")[:2]
    return history.history(context, kind, logical_id, incoming.pairs)


def _bundle(context: Context, incoming: Incoming) -> Result:
    return bundle.process(context, incoming.bundle(), incoming.prefers("return"))


ROUTES: dict[Shape, dict[str, Handler]] = {
    (): {"GET": _search, "POST": _bundle},
    ("metadata",): {"GET": _metadata},
    ("_search",): {"POST": _search},
    ("_history",): {"GET": _history},
    ("$",): {"GET": call, "POST": call, "DELETE": call},
    ("T",): {
        "GET": _search,
        "POST": _create,
        "PUT": _conditional_update,
        "PATCH": _conditional_patch,
        "DELETE": _conditional_delete,
    },
    ("T", "_search"): {"POST": _search, "GET": _search},
    ("T", "_history"): {"GET": _history},
    ("T", "$"): {"GET": call, "POST": call},
    ("T", "I"): {"GET": _read, "PUT": _update, "PATCH": _patch, "DELETE": _delete},
    ("T", "I", "_history"): {"GET": _history},
    ("T", "I", "_history", "V"): {"GET": _vread},
    ("T", "I", "$"): {"GET": call, "POST": call},
    ("T", "I", "_history", "V", "$"): {"GET": call, "POST": call},
    ("T", "I", "_search"): {"POST": _compartment},
    ("T", "I", "C"): {"GET": _compartment},
    ("T", "I", "C", "_search"): {"POST": _compartment},
}
