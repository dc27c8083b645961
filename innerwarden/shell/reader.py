# SPDX-License-Identifier: Apache-2.0
"""From the syntax tree to facts; bounded in text, depth and nodes, and never raising for any text."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from innerwarden.shell import constant
from innerwarden.shell.braces import written_out
from innerwarden.shell.facts import UNKNOWN, Analysis, Command, Pipeline, Redirection, Word
from innerwarden.shell.grammar import SHORT_BYTES, parse
from innerwarden.shell.tools import tools
from innerwarden.shell.words import Folder, Origin, Piece, Scope, glued, join
from innerwarden.shell.wrappers import basename, reads_standard_input, script_of, unwrap

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_TEXT_BYTES = 8192
"""Of one text; what follows is cut and counted."""
MAX_TOTAL_BYTES = 32768
"""Of a text and all that it holds."""
MAX_SCRIPT_DEPTH = 6
"""Scripts in scripts: `sh -c`, `eval`, decoded text."""
MAX_TREE_DEPTH = 80
MAX_NODES = 12000
MAX_COMMANDS = 512
MAX_CONSTANT_STAGES = 8
"""Text filters in a row that are followed."""
MAX_ORIGINS = 16
"""Pipelines that a variable's value, or a command through its variables, is known to come from."""


class _Stage(NamedTuple):
    commands: tuple[Command, ...]
    compound: bool = False


class Reader:
    """Reads one text and the texts inside it into one Analysis."""

    def __init__(self) -> None:
        self.pipelines: list[Pipeline] = []
        self.hidden: dict[str, None] = {}
        self.decoded: list[str] = []
        self.assignments: list[tuple[str, str]] = []
        self.problems: dict[str, int] = {}
        self.nodes = 0
        self.command_count = 0
        self.bytes_left = MAX_TOTAL_BYTES

    def analysis(self) -> Analysis:
        return Analysis(
            pipelines=tuple(self.pipelines),
            hidden_words=tuple(self.hidden),
            decoded=tuple(self.decoded),
            assignments=tuple(self.assignments),
            problems=self.problems,
        )

    def problem(self, reason: str) -> None:
        self.problems[reason] = self.problems.get(reason, 0) + 1

    def count(self) -> bool:
        """Whether another node may be looked at."""
        self.nodes += 1
        if self.nodes == MAX_NODES:
            self.problem("size")
        return self.nodes < MAX_NODES

    def script(self, text: str, depth: int, positional: Sequence[str] = ()) -> None:
        """Read a whole script, `depth` scripts inside the first."""
        if depth > MAX_SCRIPT_DEPTH:
            self.problem("depth")
            return
        text, braces = written_out(text[:MAX_TEXT_BYTES].replace("\0", " "))
        self.hidden.update(dict.fromkeys(braces))
        source = text.encode("utf-8", "replace")
        limit = min(MAX_TEXT_BYTES, self.bytes_left)
        if len(source) > limit or len(text) == MAX_TEXT_BYTES:
            self.problem("cut")
            source = source[:limit]
        self.bytes_left -= len(source)
        root = parse(source)
        if root is None:
            self.problem("slow")
            source = source[:SHORT_BYTES]  # its beginning alone
            root = parse(source)
        if root is None:
            return
        if root.has_error:
            self.problem("syntax")
        _Text(self, source, depth, Scope(positional)).children(root, 0)

    def command(self, words: Sequence[Word], depth: int) -> None:
        """Read an argument vector."""
        text = _Text(self, b"", depth, Scope())
        made = text.made(list(words), (), (), False)
        if made is not None:
            self.keep([_Stage((made,))], Scope())

    def keep(self, stages: Sequence[_Stage], scope: Scope) -> None:
        """In the order of the text: a script inside a command comes after it."""
        place = len(self.pipelines)
        self.pipelines.insert(place, self.read(stages, scope))

    def read(self, stages: Sequence[_Stage], scope: Scope) -> Pipeline:
        """The pipeline of the stages, with the texts inside it read. A compound's commands were read before."""
        for stage in stages:
            if not stage.compound:
                for command in stage.commands:
                    self._inner(command, scope)
        pipeline = Pipeline(tuple(stage.commands for stage in stages))
        self._fed(pipeline)
        return pipeline

    def _inner(self, command: Command, scope: Scope) -> None:
        """The text that a command hands to a shell: `sh -c TEXT`, `eval TEXT`."""
        if command.name == "eval":
            text = " ".join(command.arguments)
            if text.strip() and UNKNOWN not in text:
                self.script(text, command.depth + 1, scope.positional)
            return
        found = script_of(command.name, command.arguments)
        if found is not None:
            place, positional = found
            self.script(command.arguments[place], command.depth + 1, positional)
        elif command.name in ("find", "fd") and "-exec" in command.arguments:
            begin = command.arguments.index("-exec") + 1
            words = [Word(word) for word in command.arguments[begin:] if word not in (";", "+", "{}")]
            if command.depth < MAX_SCRIPT_DEPTH:
                self.command(words, command.depth + 1)

    def _fed(self, pipeline: Pipeline) -> None:
        """A constant text that a shell reads from its standard input, as it stands or decoded by the stages before."""
        for place, stage in enumerate(pipeline.stages):
            if len(stage) != 1 or not reads_standard_input(stage[0].name, stage[0].arguments):
                continue
            if stage[0].name not in tools().programs.shells:
                continue
            given = [one for one in stage[0].redirections if one.operator in ("<<", "<<<") and one.constant]
            if given:
                self.script(given[-1].target, stage[0].depth + 1)
            elif 0 < place <= MAX_CONSTANT_STAGES:
                text = constant.output_of(Pipeline(pipeline.stages[:place]))
                if text is not None:
                    self.decode(text, pipeline.stages[:place], stage[0].depth)

    def decode(self, text: str, stages: Sequence[tuple[Command, ...]], depth: int) -> None:
        """Read a text that the stages print; it counts as decoded when it does not stand in their words."""
        given = " ".join(word for stage in stages for command in stage for word in _given(command))
        if text.strip() not in given:
            self.decoded.append(text)
        self.script(text, depth + 1)


def _given(command: Command) -> list[str]:
    return [*command.arguments, *(one.target for one in command.redirections)]


class _Text:
    """The walk through one text, with its variables."""

    def __init__(self, reader: Reader, source: bytes, depth: int, scope: Scope) -> None:
        self.reader, self.source, self.depth, self.scope = reader, source, depth, scope
        self.folder = Folder(source, scope, self._output, self._used, reader.count)
        self.sources: list[Pipeline] = []
        """Pipelines of the substitutions met since the last command."""
        self.origins: dict[str, list[Pipeline]] = {}
        """Variable -> the substitutions that its value came from."""
        self.level = 0

    def children(self, node: Node, level: int) -> None:
        for child in node.named_children:
            self.visit(child, level + 1)

    def visit(self, node: Node, level: int) -> None:
        """Any node; the pipelines below it are kept."""
        if level > MAX_TREE_DEPTH:
            self.reader.problem("depth")
            return
        if not self.reader.count():
            return
        match node.type:
            case "command" | "pipeline" | "redirected_statement":
                self._keep(self.stages(node, level))
            case "variable_assignment":
                self._assign(node)
            case "declaration_command" | "unset_command":
                self._declaration(node, level)
            case "command_substitution" | "process_substitution":
                self.reader.pipelines += self.pipelines_of(node, level)
            case "comment" | "heredoc_start" | "heredoc_end" | "heredoc_body":
                return
            case _:
                self.children(node, level)

    def _keep(self, stages: list[_Stage]) -> None:
        if stages:
            self.reader.keep(stages, self.scope)

    def stages(self, node: Node, level: int) -> list[_Stage]:
        """The stages that a node contributes to the pipeline that it is in."""
        if level > MAX_TREE_DEPTH or not self.reader.count():
            return []
        match node.type:
            case "command":
                command = self._command(node, ())
                return [_Stage((command,))] if command is not None else []
            case "pipeline":
                return [stage for child in node.named_children for stage in self._stage(child, level + 1)]
            case "redirected_statement":
                return self._redirected(node, level)
            case "variable_assignment" | "declaration_command" | "unset_command":
                self.visit(node, level)
                return []
        compound = self._compound(node, level)
        return [_Stage(compound, True)] if compound else []

    def _stage(self, node: Node, level: int) -> list[_Stage]:
        """`a | b && c` is parsed as a | (b && c): b is the stage, c stands alone."""
        if node.type != "list" or not node.named_children:
            return self.stages(node, level)
        first, *others = node.named_children
        stages = self._stage(first, level + 1)
        for other in others:
            self.visit(other, level + 1)
        return stages

    def _compound(self, node: Node, level: int) -> tuple[Command, ...]:
        """All commands of a compound, as one stage; its own pipelines are kept besides."""
        before = len(self.reader.pipelines)
        self.children(node, level)
        return tuple(
            command
            for pipeline in self.reader.pipelines[before:]
            for stage in pipeline.stages
            for command in stage
            if command.depth == self.depth
        )

    def _redirected(self, node: Node, level: int) -> list[_Stage]:
        body = node.child_by_field_name("body")
        redirections: list[Redirection] = []
        behind: list[Node] = []
        for child in node.named_children:
            if body is not None and child.id == body.id:
                continue
            redirections += self._redirection(child)
            if child.type == "heredoc_redirect":
                inner = [
                    one
                    for one in child.named_children
                    if one.type in ("pipeline", "command", "list", "redirected_statement", "subshell")
                ]
                behind += inner
        if body is None:
            nothing = self.made([Word(":")], tuple(redirections), (), False)
            stages = [_Stage((nothing,))] if nothing is not None else []
        elif body.type == "command":
            command = self._command(body, tuple(redirections))
            stages = [_Stage((command,))] if command is not None else []
        else:
            stages = self._given(self.stages(body, level + 1), redirections)
        for one in behind:
            stages += self._stage(one, level + 1)
        return stages

    @staticmethod
    def _given(stages: list[_Stage], redirections: list[Redirection]) -> list[_Stage]:
        """The redirections of a compound are those of its last stage's commands."""
        if not stages or not redirections:
            return stages
        last = tuple(_with(command, redirections) for command in stages[-1].commands)
        return [*stages[:-1], _Stage(last, stages[-1].compound)]

    def _redirection(self, node: Node) -> list[Redirection]:
        if node.type == "herestring_redirect":
            word = self.folder.whole(node.named_children[-1]) if node.named_children else Word("")
            return [Redirection("<<<", word.text, word.constant)]
        if node.type == "heredoc_redirect":
            out = []
            for child in node.named_children:
                if child.type == "heredoc_body":
                    out.append(Redirection("<<", self.folder.text(child)))
                elif child.type in ("file_redirect", "herestring_redirect"):
                    out += self._redirection(child)
            return out
        operator = next((c.type for c in node.children if not c.is_named), "<")
        words = [w for c in node.children_by_field_name("destination") for w in self._target(c)]
        return [Redirection(operator, word.text, word.constant) for word in words]

    def _target(self, node: Node) -> list[Word]:
        if node.type == "process_substitution":
            self.sources += self.pipelines_of(node, 0)
        return [self._noted(self.folder.whole(node))]

    def _noted(self, word: Word) -> Word:
        if word.hidden:
            self.reader.hidden[word.text[:200]] = None
        return word

    def _command(self, node: Node, redirections: tuple[Redirection, ...]) -> Command | None:
        outer, self.sources = self.sources, []
        words: list[Word] = []
        own: list[Redirection] = list(redirections)
        together = False
        for child in node.named_children:
            match child.type:
                case "variable_assignment":
                    self._assign(child, lasting=False)
                case "file_redirect" | "herestring_redirect" | "heredoc_redirect":
                    own += self._redirection(child)
                case "comment" | "ERROR":
                    continue
                case _:
                    pieces = self._pieces(child)
                    words += [self._noted(word) for word in join(pieces)]
                    if child.type == "command_name":
                        together = glued(pieces)
        made = self.made(words, tuple(own), tuple(self.sources), together)
        self.sources = outer
        return made

    def _pieces(self, node: Node) -> list[Piece]:
        if node.type == "process_substitution":
            self.sources += self.pipelines_of(node, 0)
            return [Piece("/dev/fd/63", Origin.UNKNOWN)]
        return self.folder.pieces(node)

    def made(
        self,
        words: list[Word],
        redirections: tuple[Redirection, ...],
        sources: tuple[Pipeline, ...],
        together: bool,
    ) -> Command | None:
        if not words:
            return None
        first = _resolved(words[0], together)
        if first.hidden:
            self.reader.hidden[first.text[:200]] = None
        wrappers, rest = unwrap([first, *words[1:]])
        path = rest[0].text
        self.reader.command_count += 1
        if self.reader.command_count > MAX_COMMANDS:
            self.reader.problem("size")
            return None
        return Command(
            name=basename(path),
            path=path,
            arguments=tuple(word.text for word in rest[1:]),
            wrappers=wrappers,
            redirections=redirections,
            sources=sources,
            constant=all(word.constant for word in rest),
            hidden=rest[0].hidden or first.hidden,
            depth=self.depth,
        )

    def _assign(self, node: Node, lasting: bool = True) -> None:
        name_node, value_node = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name_node is None:
            return
        name = self.folder.text(name_node)
        if value_node is None:
            value = Word("")
        elif value_node.type == "array":
            value = Word(UNKNOWN, False)
        else:
            value = self._noted(self.folder.whole(value_node))
        self.reader.assignments.append((name, value.text))
        self.origins[name] = _flat(self.sources)
        self._run_sources()
        if lasting:
            adds = any(child.type == "+=" for child in node.children)
            before = self.scope.variables.get(name) if adds else ""
            known = value.constant and before is not None
            self.scope.variables[name] = f"{before}{value.text}"[:MAX_TEXT_BYTES] if known else None

    def _run_sources(self) -> None:
        """What the substitutions of an assignment run is a pipeline of its own."""
        pending, self.sources = self.sources, []
        self.reader.pipelines += pending

    def _declaration(self, node: Node, level: int) -> None:
        words = [Word(node.children[0].type)]
        for child in node.named_children:
            if child.type == "variable_assignment":
                self._assign(child)
                name, value = self.reader.assignments[-1] if self.reader.assignments else ("", "")
                words.append(Word(f"{name}={value}"))
            else:
                words += join(self._pieces(child))
        made = self.made(words, (), (), False)
        if made is not None:
            self._keep([_Stage((made,))])

    def pipelines_of(self, node: Node, level: int) -> list[Pipeline]:
        """The pipelines inside a substitution; kept by whoever holds the substitution, not here."""
        self.level += 1
        if self.level > MAX_TREE_DEPTH // 4:
            self.level -= 1
            self.reader.problem("depth")
            return []
        outer, self.sources = self.sources, []
        found: list[Pipeline] = []
        for child in node.named_children:
            if child.type in ("command", "pipeline", "redirected_statement"):
                stages = self.stages(child, level + 1)
                if stages:
                    found.append(self.reader.read(stages, self.scope))
            else:
                before = len(self.reader.pipelines)
                self.visit(child, level + 1)
                found += self.reader.pipelines[before:]
        self.sources = outer
        self.level -= 1
        return found

    def _output(self, node: Node) -> str | None:
        """The constant output of a `$(...)`, which is a source of the command that it stands in."""
        found = self.pipelines_of(node, 0)
        self.sources += found
        if len(found) != 1:
            return None
        return constant.output_of(found[0])

    def _used(self, name: str) -> None:
        """A variable stands in a word: where its value came from, the word comes from."""
        for pipeline in self.origins.get(name, ()):
            if len(self.sources) < MAX_ORIGINS and not any(one is pipeline for one in self.sources):
                self.sources.append(pipeline)


def _flat(pipelines: Sequence[Pipeline]) -> list[Pipeline]:
    """A value's origins without their own, so that values made of values do not grow without bound."""
    out: list[Pipeline] = []
    pending = list(pipelines)
    while pending and len(out) < MAX_ORIGINS:
        pipeline = pending.pop(0)
        pending += [one for stage in pipeline.stages for command in stage for one in command.sources]
        stages = tuple(
            tuple(msgspec.structs.replace(command, sources=()) for command in stage)
            for stage in pipeline.stages
        )
        out.append(Pipeline(stages))
    return out


def _with(command: Command, redirections: Sequence[Redirection]) -> Command:
    return msgspec.structs.replace(command, redirections=(*command.redirections, *redirections))


def _resolved(word: Word, together: bool) -> Word:
    """A command's name that is a pattern, or has an unknown middle, as the one known program that it can be."""
    name = basename(word.text)
    head = word.text[: len(word.text) - len(name)]
    if any(sign in name for sign in "?*["):
        matching = sorted(known for known in tools().known if fnmatchcase(known, name))
        return Word(head + (matching[0] if matching else name), word.constant, bool(matching))
    if not word.constant and UNKNOWN in name[1:-1]:
        plain = name.replace(UNKNOWN, "")
        if plain in tools().known:
            return Word(head + plain, True, True)
    return Word(word.text, word.constant, word.hidden or (together and name in tools().known | {"eval"}))
