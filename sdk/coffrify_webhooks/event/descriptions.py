"""Descriptions: what the source says below a field reaches the JSON schema of its class.

The generated classes have their descriptions where editors show them, as texts below the fields.
pydantic's own way to read these takes as long as the import itself; here they are read from the
source when somebody asks for a JSON schema.
"""

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

__all__ = ["add_descriptions"]


def add_descriptions(model: type[BaseModel], schema: dict[str, Any]) -> None:
    """Describe the properties of a model's JSON schema, where nothing describes them yet."""
    properties: dict[str, dict[str, Any]] = schema.get("properties", {})
    said: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel):
            said |= _below_fields(base)
    for name, field in model.model_fields.items():
        for key in {name, field.alias or name}:
            if name in said and key in properties:
                properties[key].setdefault("description", said[name])


@cache
def _below_fields(model: type) -> dict[str, str]:
    """Read the text below each field of the class itself; none if there is no source."""
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return {}
    body: list[ast.stmt] = getattr(tree, "body", [])
    return {
        field.target.id: inspect.cleandoc(text)
        for field, below in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if isinstance(text := below.value.value, str)
    }
