# SPDX-License-Identifier: Apache-2.0
"""The birth chain of the acting process, drawn from the oldest known ancestor down."""

from __future__ import annotations

import shlex

from innerwarden.agent.dashboard.html import Html, el
from innerwarden.model.finding import Process, ProcessRef

UNSET_LOGIN_UID = 4294967295


def process_tree(process: Process) -> Html:
    """An ordered list, oldest first; the last one is the process that acted."""
    chain: list[ProcessRef] = [*reversed(process.ancestors), process]
    nodes = [
        _node(one, "process" if one is process else "process.ancestors", acting=one is process)
        for one in chain
    ]
    return el(
        "ol", *nodes, class_="tree", aria_label="Processes from the oldest ancestor to the acting process"
    )


def _node(one: ProcessRef, field: str, *, acting: bool) -> Html:
    name = one.exe if one.exe is not None else one.comm
    shown = "exe" if one.exe is not None else "comm"
    title = (
        el("b", name, class_="mono", data_field=f"{field}.{shown}")
        if name is not None
        else el("b", "not known")
    )
    return el(
        "li",
        el(
            "div",
            el(
                "p",
                title,
                el("span", "acting process", class_="chip acting-mark") if acting else None,
                class_="name",
            ),
            el("pre", el("code", shlex.join(one.argv), data_field=f"{field}.argv"), class_="argv")
            if one.argv
            else None,
            el("p", *_identity(one, field), class_="meta"),
            class_="node",
        ),
        class_="acting" if acting else None,
        data_pid=one.pid,
    )


def _identity(one: ProcessRef, field: str) -> list[Html]:
    """pid, user, login user, directory: what is known of them."""
    parts = [el("span", "pid ", el("b", one.pid, data_field=f"{field}.pid"))]
    if one.uid is not None:
        who = [el("span", one.user, " ", data_field=f"{field}.user")] if one.user else []
        parts.append(el("span", *who, "uid ", el("b", one.uid, data_field=f"{field}.uid")))
    if one.login_uid is not None and one.login_uid != UNSET_LOGIN_UID:
        parts.append(el("span", "logged in as uid ", el("b", one.login_uid, data_field=f"{field}.login_uid")))
    if one.cwd is not None:
        parts.append(el("span", "in ", el("span", one.cwd, class_="mono", data_field=f"{field}.cwd")))
    return parts
