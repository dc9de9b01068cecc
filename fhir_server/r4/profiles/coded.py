"""R4's own extensible and preferred bindings, which warn and inform; the required ones are asked by fhir_server.r4.bindings.

https://hl7.org/fhir/R4/terminologies.html#extensible
"""

from __future__ import annotations

from fhir_server.r4.profiles.check import judge_binding
from fhir_server.r4.profiles.item import Item, every_member
from fhir_server.r4.profiles.node import Binding, Node
from fhir_server.r4.profiles.scope import Scope


def judge(holder: Item, scope: Scope) -> None:
    """The codes of a resource, those of the resources inside it apart."""
    for element, item in every_member(holder):
        if element.type == "Resource":
            continue
        if element.binding is not None and element.binding[0] in ("extensible", "preferred"):
            name = f"{holder.path}.{element.choice + '[x]' if element.choice else element.name}"
            judge_binding(Node(name, element.name, binding=Binding(*element.binding)), item, scope)
        judge(item, scope)
