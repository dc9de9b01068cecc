"""The TerminologyCapabilities: which code systems are known here, and what the terminology operations do with them.

https://hl7.org/fhir/R4/http.html#capabilities and https://hl7.org/fhir/R4/terminologycapabilities.html
"""

from __future__ import annotations

from typing import Any

from fhir_server.interactions.about import about
from fhir_server.interactions.context import Context
from terminology.codes import forms

Json = dict[str, Any]


def terminology_capabilities(context: Context) -> Json:
    """The resource."""
    expand = context.service.operations.find("expand", "ValueSet", instance=False)
    return {
        "resourceType": "TerminologyCapabilities",
        "id": "chartline-terminology",
        **about(
            context, "metadata?mode=terminology", "ChartlineTerminology", "Chartline FHIR R4 terminology"
        ),
        "codeSystem": [
            _system(url, versions) for url, versions in sorted(context.service.catalog.systems().items())
        ],
        "expansion": {
            "hierarchical": True,
            "paging": True,
            "incomplete": False,
            **({"parameter": _parameters(expand)} if expand else {}),
            "textFilter": "Each word begins a word of one of the code's names, in any order, or is the code.",
        },
        "codeSearch": "all",
        "validateCode": {"translations": False},
        "translation": {"needsMap": False},
        "closure": {"translation": False},
    }


def _system(url: str, versions: list[str]) -> Json:
    """Versions with the latest first, which counts where none is named."""
    rows = [{"code": version, "isDefault": number == 0} for number, version in enumerate(versions)]
    return {"uri": url, **({"version": rows} if rows else {}), "subsumption": url not in forms.SYSTEMS}


def _parameters(expand: Any) -> list[Json]:
    named = {p.name: p.documentation for p in expand.parameters if p.use == "in"}
    return [{"name": name, "documentation": text} for name, text in named.items()]
