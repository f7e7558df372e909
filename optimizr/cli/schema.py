"""`optimizr schema`: the JSON Schema of the settings, for editors and for checking configs."""

from __future__ import annotations

import json

from optimizr.cli.parser import Parser
from optimizr.cli.stdout import write
from optimizr.config import Settings
from optimizr.errors import ExitCode


def main(argv: list[str]) -> int:
    """Print the schema."""
    Parser(prog="optimizr schema", description="Print the JSON Schema of the settings.").parse_args(
        argv
    )
    write(to_text())
    return ExitCode.DONE


def to_text() -> str:
    """Write the schema as config/schema.json has it."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Settings.model_json_schema(),
    }
    del schema["required"]  # of a config file nothing is: flags and environment may give it
    return json.dumps(schema, indent=2) + "\n"
