# SPDX-License-Identifier: Apache-2.0
"""One incident told on a terminal: what, who, the process tree, evidence, next checks, what was not seen."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from innerwarden.ctl.output import SEVERITY_STYLE, console, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text
    from rich.tree import Tree

    from innerwarden.agent.state.rows import IncidentRow, TriageRow
    from innerwarden.model.finding import Process, ProcessRef

UNSET_UID = 4294967295


def tell(row: IncidentRow, related: Sequence[IncidentRow], decided: TriageRow | None = None) -> None:
    """Print the whole story; every piece of outside text is escaped."""
    from rich.text import Text

    out = console()
    fields = row.fields
    out.print(
        Text.assemble((f" {row.severity} ", SEVERITY_STYLE[row.severity]), " ", (shown(row.title), "bold"))
    )
    out.print(f"{row.ts[:10]} {row.ts[11:23]} UTC on {shown(fields.host)}", style="dim")
    out.print(shown(row.summary))
    facts = [("detector", row.detector), ("status", row.status), ("seen by", row.source)]
    facts += [("ATT&CK", ", ".join(fields.attack))] if fields.attack else []
    facts += [("about", ", ".join(f"{e.type} {e.value}" for e in fields.entities))] if fields.entities else []
    if (mark := fields.trusted) is not None:
        facts.append(("trusted by", f"{mark.entry} of {mark.owner}, found as {mark.severity}: {mark.reason}"))
    facts += [("folded in", f"{fields.suppressed_count} more alike")] if fields.suppressed_count else []
    for name, value in [*facts, ("id", row.incident_id)]:
        out.print(Text.assemble((f"  {name:<10}", "dim"), shown(value)))
    if fields.process:
        _head("Process tree")
        out.print(_tree(fields.process))
    _section("Evidence", [f"{_clock(e.ts)}{e.text}" for e in fields.evidence], "none was recorded")
    if decided is not None:
        lines = [f"{decided.outcome}, by {decided.by}", *decided.reason.split("; ")]
        lines += [f"a model says: {decided.explanation}"] if decided.explanation else []
        _section("What was decided, and why", lines, "")
    _section("Next checks", list(fields.recommended_checks), "none are suggested")
    _section(
        "What this verdict could not see", list(fields.blind), "nothing was lost in the time that it rests on"
    )
    if related:
        _section("Related incidents", [f"{r.severity}: {r.title} ({r.incident_id})" for r in related], "")


def brief(rows: Sequence[IncidentRow]) -> None:
    """A list for a terminal of any width: what happened on one line, the id below it."""
    from rich.text import Text

    out = console()
    for row in rows:
        when = f"{row.ts[:10]} {row.ts[11:19]}  "
        out.print(
            Text.assemble(
                (when, "dim"), (f"{row.severity:<8}", SEVERITY_STYLE[row.severity]), "  ", shown(row.title)
            )
        )
        out.print(Text(f"  {shown(row.summary)}"))
        out.print(Text(f"  {shown(row.incident_id)}", "dim"))


def _clock(ts: str | None) -> str:
    return f"{ts[11:23]} " if ts else ""


def _head(title: str) -> None:
    console().print(f"\n{title}", style="bold")


def _section(title: str, lines: Sequence[str], nothing: str) -> None:
    _head(title)
    for line in lines or [nothing]:
        console().print(f"  - {shown(line)}" if lines else f"  {line}")


def _tree(process: Process) -> Tree:
    """Oldest known ancestor at the root, the acting process at the leaf."""
    from rich.tree import Tree

    chain: list[ProcessRef] = [*reversed(process.ancestors), process]
    root = branch = Tree(_node(chain[0], acting=len(chain) == 1), guide_style="dim")
    for number, one in enumerate(chain[1:], 2):
        branch = branch.add(_node(one, acting=number == len(chain)))
    return root


def _node(one: ProcessRef, *, acting: bool) -> Text:
    from rich.text import Text

    name = one.exe or one.comm or "not known"
    who = [f"pid {one.pid}"]
    if one.uid is not None:
        who.append(f"{one.user} (uid {one.uid})" if one.user else f"uid {one.uid}")
    if one.login_uid not in {None, UNSET_UID, one.uid}:
        who.append(f"logged in as uid {one.login_uid}")
    if one.cwd:
        who.append(f"in {one.cwd}")
    text = Text.assemble(
        (shown(name), "bold red" if acting else "bold"), ("  " + shown(", ".join(who)), "dim")
    )
    if acting:
        text.append("  <- acted", "red")
    if one.argv:
        text.append("\n" + shown(shlex.join(one.argv)))
    return text
