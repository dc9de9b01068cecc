"""`make bench`: every figure of docs/performance.md, in one run."""

from __future__ import annotations

import shutil

from bench import loading, reading, report, validating


def main() -> None:
    """Run all benchmarks."""
    report.head()
    validating.run()
    folder = loading.run()
    try:
        reading.run(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
