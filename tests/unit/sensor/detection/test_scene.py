# SPDX-License-Identifier: Apache-2.0
"""What a hit's surroundings cost while nobody asks for them."""

from __future__ import annotations

from innerwarden_core import FIELDS, OPERATORS, Engine, Predicate, Rule

from innerwarden.sensor.detection.scene import Scene
from innerwarden.users import Users
from tests.factory import encode


def test_process_and_values_are_made_when_somebody_asks() -> None:
    engine = Engine()
    anything = Predicate(FIELDS["pid"], OPERATORS["exists"], ())
    engine.configure([Rule("r", [1], [anything], [(0, -1, -2)])], [], [])
    (hit,) = engine.feed(encode("process.exec", pid=100, exe_path="/bin/x", argv=["x", "-y"]))
    scene = Scene(hit, engine, Users(), 0)
    assert not {"process", "values"} & set(vars(scene))
    assert scene.values["command_line"] == "x -y"
    assert scene.process is not None and scene.process.exe == "/bin/x"
    assert scene.process is scene.process
