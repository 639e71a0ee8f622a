"""Every command has help, and the document says what the help says."""

import argparse
from pathlib import Path

import pytest

from l0gates.cli import make_parser

DOCUMENT = Path(__file__).parents[1] / "docs" / "cli.md"


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


def commands():
    parser = make_parser()
    (action,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return action.choices, {choice.dest: choice.help for choice in action._choices_actions}


def test_every_command_and_argument_has_help():
    parsers, helps = commands()
    assert parsers
    for name, parser in parsers.items():
        assert helps[name]
        assert all(action.help for action in parser._actions)


def test_help_is_as_wide_as_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    for name, parser in commands()[0].items():
        text = parser.format_help().replace("--task {auto,classification,regression}", "")
        assert max(map(len, text.splitlines())) <= 60, name
        assert (parser.epilog or "") in parser.format_help()


def test_the_document_holds_the_help_of_every_command():
    text = DOCUMENT.read_text()
    for name, parser in commands()[0].items():
        assert f"## l0gates {name}\n" in text
        assert f"```text\n{parser.format_help()}```" in text
