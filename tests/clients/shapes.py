"""Holds answers against the AWS model of their operation, as botocore has it: no unknown member, no wrong type, no required member that
is missing, no value that an enumeration does not know. What is wrong comes as lines that say where and what."""

import json
import xml.etree.ElementTree as xml

import botocore.session

# What AWS's front doors say before an operation is reached; the model of a service does not name them.
FRONT_DOORS = {
    "AccessDeniedException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "SerializationException",
    "ThrottlingException",
    "UnknownOperationException",
    "UnrecognizedClientException",
    # The model has it for a few operations only; it is what ECS says where a feature is not offered.
    "UnsupportedFeatureException",
}
# The types that a value of JSON may have for a shape. A bool is an int in Python, and is sorted out before.
SCALARS = {
    "string": str,
    "character": str,
    "blob": str,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
    "boolean": bool,
}

session = botocore.session.get_session()
models = {name: session.get_service_model(name) for name in ("ecs", "sts")}


def walk(value, shape, at):
    """What is wrong with a value of a shape: lines that say where and what."""
    kind = shape.type_name
    if value is None:
        yield f"{at}: null"
    elif kind == "structure":
        yield from walk_structure(value, shape, at)
    elif kind == "list":
        if not isinstance(value, list):
            yield f"{at}: {type(value).__name__} where a list is due"
            return
        for each in value:
            yield from walk(each, shape.member, f"{at}[]")
    elif kind == "map":
        if not isinstance(value, dict):
            yield f"{at}: {type(value).__name__} where a map is due"
            return
        for key, each in value.items():
            yield from walk(key, shape.key, f"{at} key")
            yield from walk(each, shape.value, f"{at}{{}}")
    elif isinstance(value, bool) != (kind == "boolean") or not isinstance(value, SCALARS[kind]):
        yield f"{at}: {type(value).__name__} where a {kind} is due"
    elif kind == "string" and shape.enum and value not in shape.enum:
        yield f"{at}: {value!r} is none of {shape.name}"


def walk_structure(value, shape, at):
    if not isinstance(value, dict):
        yield f"{at}: {type(value).__name__} where a {shape.name} is due"
        return
    for missing in set(shape.required_members) - set(value):
        yield f"{at}: {shape.name} lacks {missing}"
    for name, each in value.items():
        if name in shape.members:
            yield from walk(each, shape.members[name], f"{at}.{name}")
        else:
            yield f"{at}: {shape.name} has no {name}"


def judge_json(operation, status, body):
    model = models["ecs"].operation_model(operation)
    document = json.loads(body)
    if status < 300:
        yield from walk(document, model.output_shape, operation)
        return
    name = document.pop("__type", "nothing").rsplit("#", 1)[-1]
    shapes = {shape.name: shape for shape in model.error_shapes}
    if name in shapes:
        yield from walk(document, shapes[name], f"{operation} {name}")
    elif name in FRONT_DOORS:
        unknown = set(document) - {"message", "Message"}
        if unknown:
            yield f"{operation} {name} has {sorted(unknown)}"
    else:
        yield f"{operation} has no error {name}"


def local(element):
    return element.tag.rsplit("}", 1)[-1]


def judge_query(operation, status, body):
    """STS: the result's elements are members of the output, and flat in all that is called here."""
    root = xml.fromstring(body)
    if status >= 300:
        if local(root) != "ErrorResponse":
            yield f"{operation}: an error is {local(root)}"
        return
    shape = models["sts"].operation_model(operation).output_shape
    results = [each for each in root if local(each) == f"{operation}Result"]
    if local(root) != f"{operation}Response" or len(results) != 1:
        yield f"{operation}: {local(root)} with {len(results)} results"
        return
    yield from walk_structure({local(each): each.text for each in results[0]}, shape, operation)
