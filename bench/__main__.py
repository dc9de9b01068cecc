"""`make bench`: every figure of docs/performance.md, in one run."""

from __future__ import annotations

import shutil
import sys

from bench import loading, memory, mixed, reading, report, searching, terminology, validating


def main() -> None:
    """Run all benchmarks; a sequential scan of a big table, or a shape of search that is too slow, ends them with 1."""
    report.head()
    validating.run()
    terminology.run()
    folder = loading.run()
    try:
        reading.run(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    mixed.run()
    memory.run()
    sys.exit("; ".join(searching.run()) or 0)


if __name__ == "__main__":
    main()
