"""A LangGraph agent for requests of several steps: triage, then a plan, then one tool after another.

    look -> (escalated) hand over
         -> plan -> act -> act ... -> end

A language model, where one is configured, may choose the tools and their arguments and nothing else: what is told are the tools' own
answers, whose claims have been verified, so no word of a model is shown. https://langchain-ai.github.io/langgraph/
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.language_models import BaseChatModel
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from ai_layer.tools.calling import act
from ai_layer.tools.planning import MOST_STEPS, Step, plan
from ai_layer.tools.table import BY_NAME
from ai_layer.tools.toolkit import attempt, tools
from ai_layer.triage import triage
from fhir_server.interactions.context import Context, Result
from fhir_server.interactions.search import search
from fhir_server.r4 import json
from fhir_server.r4.outcome import FhirError

LOG = logging.getLogger("chartline.tools")
Json = dict[str, Any]
Planner = Callable[[str, str], Sequence[Step]]


@dataclass(frozen=True, slots=True)
class Done:
    """A step and what came of it: the tool's answer, or `refused`."""

    tool: str
    arguments: Json = field(default_factory=dict)
    answer: Json = field(default_factory=dict)


class _State(TypedDict):
    request: str
    language: str
    steps: list[Step]
    done: list[Done]


def assist(
    context: Context, patient: str, request: str, language: str = "en", model: BaseChatModel | None = None
) -> list[Done]:
    """Carry out the request for one patient: what was done, in order. An emergency in it is handed over, and nothing else is done."""
    planner = _planner(context, patient, model) if model else plan
    state: _State = {"request": request, "language": language, "steps": [], "done": []}
    found = _graph(context, patient, planner).invoke(state, {"recursion_limit": 2 * MOST_STEPS + 5})
    return list(found["done"])


def _graph(context: Context, patient: str, planner: Planner) -> Any:
    def look(state: _State) -> Json:
        """Before anything else: is it an emergency, or the wish for a person?"""
        if not triage(state["request"]):
            return {}
        arguments = {"words": state["request"], "language": state["language"]}
        return {"done": [Done("hand_off", arguments, attempt(context, patient, "hand_off", arguments))]}

    def make_plan(state: _State) -> Json:
        return {"steps": list(planner(state["request"], state["language"]))[:MOST_STEPS]}

    def act(state: _State) -> Json:
        step, *rest = state["steps"]
        done = _carried_out(context, patient, step)
        is_over = done.answer.get("status") == "escalated"
        return {"steps": [] if is_over else rest, "done": [*state["done"], done]}

    graph = StateGraph(_State)
    graph.add_node("look", look)
    graph.add_node("plan", make_plan)
    graph.add_node("act", act)
    graph.add_edge(START, "look")
    graph.add_conditional_edges("look", lambda state: END if state["done"] else "plan")
    graph.add_conditional_edges("plan", lambda state: "act" if state["steps"] else END)
    graph.add_conditional_edges("act", lambda state: "act" if state["steps"] else END)
    return graph.compile()


def _carried_out(context: Context, patient: str, step: Step) -> Done:
    found = _resolved(context, patient, step)
    if isinstance(found, Done):
        return found
    return Done(found.tool, found.arguments, attempt(context, patient, found.tool, found.arguments))


def _resolved(context: Context, patient: str, step: Step) -> Step | Done:
    """The order that a medicine's name means, and the practitioner that a doctor's name means; where it is not one, that is said."""
    if step.tool == "draft_refill" and "order" not in step.arguments:
        orders = _orders(context, patient, step.medicine)
        if len(orders) != 1:
            said = "No one order of this record has that name; say which medicine it is."
            return Done(step.tool, step.arguments, {"refused": said, "code": "not-found"})
        return replace(step, arguments={**step.arguments, "order": orders[0]})
    if step.doctor:
        doctors = _doctors(context, step.doctor)
        if len(doctors) != 1:
            said = "No one practitioner here has that name; say with whom the visit should be."
            return Done(step.tool, step.arguments, {"refused": said, "code": "not-found"})
        return replace(step, arguments={**step.arguments, "practitioner": doctors[0]})
    return step


def _orders(context: Context, patient: str, medicine: str) -> list[str]:
    """References of the orders whose names share a word with it, the best alone where one stands out."""
    found = attempt(context, patient, "search_record", {"query": medicine or "medicine", "limit": 10})
    orders = [one for one in found.get("found", []) if one["type"] == "MedicationRequest"]
    words = {word for word in medicine.lower().split() if len(word) > 3}
    named = [one for one in orders if words & set(one["label"].lower().split())] or orders[:1]
    active = [one for one in named if one["elements"].get("status") == "active"] or named
    return sorted({one["reference"].partition("/_history")[0] for one in active[:1]})


def _doctors(context: Context, name: str) -> list[str]:
    """References of the practitioners with this family name, as far as the caller may read them."""
    asked = [("family", name), ("_elements", "id"), ("_count", "2")]
    try:
        found = act(context, "Practitioner", lambda inside: _bundle(search(inside, "Practitioner", asked)))
    except FhirError:
        return []
    matches = [entry for entry in found.get("entry", []) if entry["search"]["mode"] == "match"]
    return [f"Practitioner/{entry['resource']['id']}" for entry in matches]


def _bundle(found: Result) -> Json:
    return json.decode_object(found.body or b"{}")


def _planner(context: Context, patient: str, model: BaseChatModel) -> Planner:
    """Steps that a model chooses. It sees the request and the tools, and nothing of the record; where it chooses none, the rules plan."""

    def choose(request: str, language: str) -> Sequence[Step]:
        try:
            answer = model.bind_tools(tools(context, patient)).invoke([("system", _SAYS), ("human", request)])
        except Exception as error:
            LOG.warning("The model gave no plan: %s", type(error).__name__)
            return plan(request, language)
        calls = getattr(answer, "tool_calls", [])
        return [Step(c["name"], c["args"]) for c in calls if c["name"] in BY_NAME] or plan(request, language)

    return choose


_SAYS = (
    "Choose the tools that carry out the patient's request, in order, each once. Use explain with `question` for anything about the record. "
    "Say nothing yourself."
)
