"""`chartline ask PATIENT "question"`: the assistant in the terminal, line by line, each with what it cites."""

from __future__ import annotations

import argparse

from rich.console import Console

from ai_layer.answers import Answer
from ai_layer.ask import ask
from fhir_server.commands import Distribution
from fhir_server.commands.running import database, system_context
from fhir_server.settings import Settings, add_flags


def add(parser: argparse.ArgumentParser) -> None:
    """The flags."""
    parser.add_argument("patient", help="logical id of the patient")
    parser.add_argument("question", help="what you want to know")
    parser.add_argument("--language", default="en", choices=["en", "fr"])
    add_flags(parser, "dsn", "data_dir", "schema", "model", "model_base_url", "embedder", "consent")


def run(arguments: argparse.Namespace, settings: Settings, distribution: Distribution) -> int:
    """0 where the record says something, 1 where it does not, or may not."""
    with database(settings) as dsn:
        service = distribution.make_service(settings, dsn)
        patient = arguments.patient.removeprefix("Patient/")
        answer = ask(system_context(service), patient, arguments.question, arguments.language)
        show(Console(highlight=False, soft_wrap=True), answer)
        service.database.close()
    return 0 if answer.status == "answered" else 1


def show(console: Console, answer: Answer) -> None:
    """Claim by claim, citations dim behind it."""
    if not answer.claims:
        console.print(answer.answer, markup=False)
    elif answer.advice or answer.lead:
        console.print(answer.advice or answer.lead, style="bold", markup=False)
    for claim in answer.claims:
        console.print(claim.text, markup=False)
        cited = [f"{c}#{p}" for c, p in zip(claim.citations, claim.paths, strict=False)] or [claim.source]
        console.print("    " + "  ".join(cited), style="dim", markup=False)
    console.print(f"[{answer.status}; written by {answer.writer}]", style="dim", markup=False)
