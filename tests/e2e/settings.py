# SPDX-License-Identifier: MIT
"""Configurations of tests: dicts with dotted paths, written as YAML."""

import json
import re


def yaml_scalar(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z/][A-Za-z0-9_./-]*|\d+[a-z]+", value):
        return json.dumps(value)
    return str(value)


def yaml(value, indent=0):
    """Plain dicts, lists and scalars as a YAML document."""
    pad = "  " * indent
    text = ""
    for name, item in value.items():
        if isinstance(item, dict) and item:
            text += "%s%s:\n%s" % (pad, yaml_scalar(name), yaml(item, indent + 1))
        elif isinstance(item, dict):
            text += "%s%s: {}\n" % (pad, yaml_scalar(name))
        elif isinstance(item, list):
            items = ", ".join(yaml_scalar(i) for i in item)
            text += "%s%s: [%s]\n" % (pad, yaml_scalar(name), items)
        else:
            text += "%s%s: %s\n" % (pad, yaml_scalar(name), yaml_scalar(item))
    return text


def put(settings, path, value):
    """put(c, "handler.window", 5) sets c["handler"]["window"]."""
    *parents, last = path.split(".")
    for name in parents:
        settings = settings.setdefault(name, {})
    settings[last] = value


def merged(defaults, dotted):
    settings = {}
    for path, value in {**defaults, **(dotted or {})}.items():
        if value is not None:
            put(settings, path, value)
    return settings
