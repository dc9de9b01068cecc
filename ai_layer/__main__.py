"""The command `chartline`: the server's commands, and the AI layer's own."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ai_layer.app import DISTRIBUTION
from ai_layer.commands import ask, demo, fixtures
from fhir_server import __main__ as server

COMMANDS = {"demo": demo, "ask": ask, "fixtures": fixtures, **server.COMMANDS}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command."""
    return server.main(argv, COMMANDS, DISTRIBUTION)


if __name__ == "__main__":
    sys.exit(main())
