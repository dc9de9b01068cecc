"""Computes the scale of the common UCUM units into terminology/data/units.json.

python tools/compile_units.py PACKAGE, where PACKAGE is the unpacked folder of hl7.fhir.r4.core 4.0.1. Its value set `ucum-common` names
the codes, the library `ucumvert` computes each; a test computes them again. https://hl7.org/fhir/R4/valueset-ucum-common.html
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from terminology import ucum

TABLE = Path(__file__).resolve().parent.parent / "terminology" / "data" / "units.json"
ALSO = ("1", "pH", "ug/dL{RBCs}", "10*12/L", "kat/L")
"""Codes that everyday data hold and the value set does not; the litre may be `l` or `L` besides."""


def main() -> None:
    """Write the table: the code without annotations, and its factor, offset and base units."""
    included = json.loads((Path(sys.argv[1]) / "ValueSet-ucum-common.json").read_text())["compose"]["include"]
    codes = {concept["code"] for part in included for concept in part.get("concept", ())} | set(ALSO)
    codes |= {code.replace("L", "l") for code in codes}
    scales = {bare: ucum.computed_scale(bare) for bare in sorted(map(ucum.without_annotations, codes))}
    rows = [
        f"{json.dumps(code)}: {json.dumps([*map(str, scale)])}" for code, scale in scales.items() if scale
    ]
    TABLE.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
