# SPDX-License-Identifier: MIT
"""Values of the neutral form: tagged arrays in, tagged strings out.

A result value is one string: a tag for its type, then its text. values.lua
makes the same strings from the values of Lua, so that a comparison of strings
is a comparison of types and values.
"""

import datetime as dt
import decimal
import json

from sqlalchemy import inspect
from sqlalchemy.orm.base import instance_state


def seconds(value):
    return dt.timedelta(seconds=value)


READERS = {
    "null": lambda: None,
    "str": str,
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "datetime": dt.datetime.fromisoformat,
    "interval": seconds,
    "dec": decimal.Decimal,
    "blob": bytes.fromhex,
    "json": json.loads,
}


def is_value(node):
    """True when the node is a literal rather than an expression."""
    if isinstance(node, list):
        return bool(node) and node[0] in READERS
    return not (isinstance(node, str) and node.startswith("@"))


def read(node):
    if isinstance(node, list):
        return READERS[node[0]](*node[1:])
    return node


def canonical(value):
    """JSON text with sorted keys; an empty object and an empty array are one."""
    if isinstance(value, dict) and value:
        parts = ("%s:%s" % (json.dumps(k, ensure_ascii=False), canonical(value[k]))
                 for k in sorted(value, key=lambda k: k.encode()))
        return "{" + ",".join(parts) + "}"
    if isinstance(value, (list, dict)):
        return "[" + ",".join(canonical(v) for v in value) + "]"
    if isinstance(value, float):
        return "%.15g" % value
    return json.dumps(value, ensure_ascii=False)


def clock(value):
    text = value.isoformat().replace("T", " ")
    return text.rstrip("0").rstrip(".") if "." in text else text


def text(value):
    if isinstance(value, bytes):
        try:
            return "s:" + value.decode()
        except UnicodeDecodeError:
            return "x:" + value.hex()
    return "s:" + value


def label(obj):
    """An instance by its model and the key that its attributes hold."""
    mapper = instance_state(obj).mapper
    key = inspect(obj).identity
    if key is None:
        state = instance_state(obj).dict
        key = [state.get(mapper.get_property_by_column(c).key) for c in mapper.primary_key]
    return "%s#%s" % (mapper.class_.__name__, ",".join("nil" if k is None else str(k) for k in key))


def tag(value):
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return "i:%d" % value
    if isinstance(value, float):
        return "f:%.15g" % value
    if isinstance(value, decimal.Decimal):
        return "n:" + format(value, "f")
    if isinstance(value, (str, bytes)):
        return text(value)
    if isinstance(value, dt.datetime):
        return "dt:" + clock(value)
    if isinstance(value, dt.date):
        return "d:" + value.isoformat()
    if isinstance(value, dt.time):
        return "t:" + clock(value)
    if isinstance(value, dt.timedelta):
        return "iv:%.6f" % value.total_seconds()
    if hasattr(value, "_sa_instance_state"):
        return "o:" + label(value)
    if isinstance(value, (dict, list)):
        return "j:" + canonical(value)
    return "?:" + type(value).__name__
