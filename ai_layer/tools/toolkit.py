"""The tools for LangChain: `tools(context, patient)` gives them bound to one patient, for an agent of anybody's.

A refusal comes back as an object with `refused`, so that an agent can go on. https://python.langchain.com/docs/concepts/tools/
"""

from __future__ import annotations

from typing import Any

from langchain_core.tools import BaseTool, StructuredTool

from ai_layer.tools.table import TOOLS, Tool, carry_out
from fhir_server.interactions.context import Context
from fhir_server.r4.outcome import FhirError

Json = dict[str, Any]


def tools(context: Context, patient: str) -> list[BaseTool]:
    """One a tool of the table; `context` says for whom they act, and no argument can name another patient."""
    return [_tool(context, patient, tool) for tool in TOOLS]


def attempt(context: Context, patient: str, name: str, arguments: Json) -> Json:
    """What the tool gives, or why it was refused."""
    try:
        return carry_out(context, name, {**arguments, "patient": patient})
    except FhirError as error:
        return {"refused": str(error), "code": error.problem.code}


def _tool(context: Context, patient: str, tool: Tool) -> BaseTool:
    def run(**arguments: Any) -> Json:
        return attempt(context, patient, tool.name, arguments)

    schema = tool.schema()
    schema["properties"].pop("patient")
    return StructuredTool(name=tool.name, description=tool.says, args_schema=schema, func=run)
