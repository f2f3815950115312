# SPDX-License-Identifier: MIT
"""Runs neutral scenarios on SQLAlchemy: driver.py INPUT OUTPUT.

INPUT is one JSON document {"schema", "data", "queries", "schemas", "programs"},
OUTPUT gets one JSON line for each scenario in their order. One process runs all.
"""

import json
import sys

import unit
from scenario import Shop


def main(source, target):
    with open(source, encoding="utf-8") as file:
        document = json.load(file)
    with open(target, "w", encoding="utf-8") as out:
        for result in results(document):
            out.write(json.dumps(result, ensure_ascii=False) + "\n")


def results(document):
    if document.get("queries"):
        shop = Shop(document["schema"], document["data"])
        for scenario in document["queries"]:
            yield shop.run(scenario)
    worlds = {}
    for program in document.get("programs", ()):
        if "declare" in program:
            yield unit.declaration(program)
            continue
        name = program["schema"]
        if name not in worlds:
            worlds[name] = unit.World(document["schemas"][name])
        yield worlds[name].run(program)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
