#!/usr/bin/env python3
"""Reduces the public Amazon ECS service model to what the server checks calls and answers against.

Input:  botocore's data/ecs/2014-11-13/service-2.json.gz (Apache-2.0), found in the installed package
        (`pip install botocore==1.44.5`) or given as the only argument, compressed or not.
Output: ecs.json beside this script: every operation with its input, output and errors, and every shape
        that they reach, without documentation. One operation or shape a line, sorted, so that the
        difference between two releases of the model reads as the difference between two services.

The result depends on the input alone: running it twice gives the same bytes.
"""

import gzip
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
# What a check needs of a shape. Documentation, deprecation and client hints are left out on purpose.
KEPT = ("type", "required", "enum", "min", "max", "pattern", "union", "document", "exception")


def source() -> tuple[str, bytes]:
    """The name of the release and the bytes of its model."""
    if len(sys.argv) > 2:
        sys.exit(f"usage: {sys.argv[0]} [service-2.json[.gz]]")
    if len(sys.argv) == 2:
        path, release = pathlib.Path(sys.argv[1]), "given by path"
    else:
        import botocore

        path = pathlib.Path(botocore.__file__).parent / "data/ecs/2014-11-13/service-2.json.gz"
        release = f"botocore {botocore.__version__}"
    data = path.read_bytes()
    return release, gzip.decompress(data) if path.suffix == ".gz" else data


def reduced(shape: dict) -> dict:
    """One shape with only what a check needs; references become plain shape names."""
    out = {key: shape[key] for key in KEPT if key in shape}
    if "members" in shape:
        out["members"] = {name: member["shape"] for name, member in sorted(shape["members"].items())}
    for reference in ("member", "key", "value"):
        if reference in shape:
            out[reference] = shape[reference]["shape"]
    return out


def reachable(shapes: dict, roots: list[str]) -> set[str]:
    """The names of all shapes that the roots lead to."""
    seen, todo = set(), list(roots)
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        shape = shapes[name]
        todo += shape.get("members", {}).values()
        todo += [shape[key] for key in ("member", "key", "value") if key in shape]
    return seen


def main() -> None:
    release, data = source()
    model = json.loads(data)
    operations = {
        name: {
            "input": operation["input"]["shape"],
            "output": operation["output"]["shape"],
            "errors": sorted(error["shape"] for error in operation.get("errors", [])),
        }
        for name, operation in model["operations"].items()
    }
    shapes = {name: reduced(shape) for name, shape in model["shapes"].items()}
    roots = [name for op in operations.values() for name in (op["input"], op["output"], *op["errors"])]
    kept = reachable(shapes, roots)

    def lines(table: dict) -> str:
        return ",\n".join(
            f"    {json.dumps(name)}: {json.dumps(table[name], separators=(',', ':'))}" for name in sorted(table)
        )

    (HERE / "ecs.json").write_text(
        "{\n"
        f'  "source": {json.dumps(release)},\n'
        f'  "targetPrefix": {json.dumps(model["metadata"]["targetPrefix"])},\n'
        '  "operations": {\n' + lines(operations) + "\n  },\n"
        '  "shapes": {\n' + lines({name: shapes[name] for name in kept}) + "\n  }\n"
        "}\n"
    )
    print(f"{release}: {len(operations)} operations, {len(kept)} of {len(shapes)} shapes")


if __name__ == "__main__":
    main()
