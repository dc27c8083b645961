# SPDX-License-Identifier: Apache-2.0
"""Detectors of files, each made to speak by its own act through the real sensor; and work that must not make them.

Every act is done by a child, in a directory of the test's own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.kernel.product import ACTS_ONLY, Product, wait_for
from tests.unit.malware.samples import SAMPLES, Sample

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.timeout(300)]

DOCUMENTS = 24
#: A look a second, and the slices that it is worked off in.
SEEN_WITHIN_S = 20.0

MADE = """
import os, sys, zipfile
from pathlib import Path
docs = Path(sys.argv[1])
docs.mkdir(parents=True)
for n in range({count}):
    with zipfile.ZipFile(docs / f"{{n}}.docx", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("document.xml", " ".join(str(i ** 3) for i in range(4000)))
    (docs / f"{{n}}.csv").write_text("a,b,c\\n" * 2000)
    (docs / f"{{n}}.png").write_bytes(b"\\x89PNG\\r\\n" + bytes(range(256)) * 20)
"""
ENCRYPT = """
import os, sys
from pathlib import Path
for path in sorted(Path(sys.argv[1]).glob("*.docx")):
    path.write_bytes(os.urandom(path.stat().st_size + 4096))
"""
ENCRYPT_AND_RENAME = """
import os, sys
from pathlib import Path
for path in sorted(Path(sys.argv[1]).glob("*.csv")):
    with path.with_name(path.name + ".k7q2x").open("wb") as out:
        out.write(os.urandom(8192))
    path.unlink()
"""
EXCLUSIVE_OR = """
import sys
from pathlib import Path
for path in sorted(Path(sys.argv[1]).glob("*.png")):
    path.write_bytes(bytes(byte ^ 0x5A for byte in path.read_bytes()))
"""
NOTES = """
import sys
from pathlib import Path
for name in "abcd":
    place = Path(sys.argv[1], name)
    place.mkdir()
    (place / "HOW_TO_RESTORE.txt").write_text(
        "Your files are encrypted. Pay 1 bitcoin and write to http://example.onion for the decryptor.\\n" * 3
    )
"""
LOOP = """
for f in "$1"/*.docx
do openssl enc -aes-256-cbc -pbkdf2 -k x -in "$f" -out "$f.locked" && rm "$f"
done
"""


SHELL = next(sample for sample in SAMPLES if sample.rule == "reverse_shell_script")
MINER = next(sample for sample in SAMPLES if sample.rule == "miner_program")


class Trigger(NamedTuple):
    detector: str
    command: list[str]
    severity: str


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


TRIGGERS = [
    Trigger("ransomware", python(ENCRYPT), "critical"),
    Trigger("ransomware", python(ENCRYPT_AND_RENAME), "critical"),
    Trigger("ransomware_format_loss", python(EXCLUSIVE_OR), "medium"),
    Trigger("ransom_notes", python(NOTES), "critical"),
    Trigger("ransomware_by_children", ["bash", "-c", LOOP, "loop"], "high"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def old_program(place: Path) -> Path:
    """A program with telling words behind its own bytes, made before the sensor starts."""
    path = Path(shutil.copy("/bin/true", place / "tool"))
    with path.open("ab") as out:
        out.write(MINER.content)
    return path


@pytest.fixture(scope="module")
def product(place: Path, old_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    (place / "watched").mkdir()
    (place / "watched/settings").write_text("safe = yes\n")
    config = (
        f"{ACTS_ONLY}[collectors.inventory.file_changes]\ncadence_s = 1\n"
        f'paths = ["{place}/watched"]\n[collectors.inventory.suid_files]\nenabled = false\n'
    )
    running = Product(tmp_path_factory.mktemp("product"), config).start()
    try:
        wait_for(lambda: looks(running, "file_changes"), 30, "no first look at the watched files")
        wait_for(lambda: looks(running, "file_writes"), 30, "no file system is watched")
        yield running
    finally:
        running.stop()


def made(product: Product, docs: Path) -> None:
    subprocess.run([*python(MADE.format(count=DOCUMENTS)), docs], check=True)
    settle(product)


def settle(product: Product) -> None:
    """Let everything that was written be looked at."""
    seen = looks(product, "file_writes")
    wait_for(lambda: looks(product, "file_writes") > seen + 2, 30, "the looks stopped")


def looks(product: Product, collector: str) -> int:
    health = json.loads((product.data_dir / "sensor-health.json").read_text())
    return sum(one.get("looks", 0) for one in health["collectors"] if one["id"] == collector)


def told(product: Product, since_s: float, place: Path) -> list[dict[str, Any]]:
    """Incidents that name something below `place`."""
    return [
        row
        for row in product.incidents()
        if row["ts_ns"] >= since_s * 1e9 and str(place) in str(row["fields"].get("entities"))
    ]


@pytest.mark.parametrize(
    "trigger", TRIGGERS, ids=lambda one: f"{one.detector}-{one.command[0].rpartition('/')[2]}"
)
def test_each_detector_speaks_of_its_act(
    product: Product, place: Path, request: pytest.FixtureRequest, trigger: Trigger
) -> None:
    docs = place / f"docs{TRIGGERS.index(trigger)}"
    made(product, docs)
    began = time.time()
    done = subprocess.Popen([*trigger.command, str(docs)], stderr=subprocess.DEVNULL)
    assert done.wait(60) == 0
    rows = wait_for(
        lambda: [row for row in told(product, began, docs) if row["detector"] == trigger.detector],
        SEEN_WITHIN_S,
        f"{trigger.detector} said nothing\n{product.output()}",
    )
    assert rows[0]["severity"] == trigger.severity
    process = rows[0]["fields"]["process"]
    acting = [process["pid"], *(one["pid"] for one in process["ancestors"])]
    assert done.pid in acting
    others = {row["detector"] for row in told(product, began, docs)} - {trigger.detector}
    assert not others, "one act is one story"


def test_a_watched_file_that_is_changed(product: Product, place: Path) -> None:
    began = time.time()
    path = place / "watched/settings"
    done = subprocess.Popen(["sh", "-c", 'echo "safe = no" > "$1.new" && mv "$1.new" "$1"', "sh", str(path)])
    assert done.wait(10) == 0
    rows = wait_for(
        lambda: [row for row in told(product, began, path) if row["detector"] == "integrity_alert"],
        SEEN_WITHIN_S,
        f"nothing was said of {path}\n{product.output()}",
    )
    assert "content sha256" in rows[0]["summary"]
    assert rows[0]["fields"]["process"]["exe"].endswith("/mv")


def one_of(product: Product, since_s: float, path: Path, detector: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = wait_for(
        lambda: [row for row in told(product, since_s, path) if row["detector"] == detector],
        SEEN_WITHIN_S,
        f"{detector} said nothing of {path}\n{product.output()}",
    )
    return rows[0]


@pytest.mark.skipif(not find_spec("yara"), reason="python3-yara is not installed")
@pytest.mark.parametrize("sample", [SHELL, MINER], ids=lambda one: one.rule)
def test_a_known_content_is_told_when_it_is_written(product: Product, place: Path, sample: Sample) -> None:
    began = time.time()
    path = place / sample.name
    path.write_bytes(sample.content)
    row = one_of(product, began, path, "yara_scan")
    assert sample.rule in row["summary"]
    assert row["fields"]["process"]["pid"] == os.getpid()


@pytest.mark.skipif(not find_spec("yara"), reason="python3-yara is not installed")
def test_a_program_that_was_there_before_is_told_when_it_is_executed(
    product: Product, old_program: Path
) -> None:
    began = time.time()
    subprocess.run([old_program], check=True)
    row = one_of(product, began, old_program, "yara_scan")
    assert "miner_program" in row["summary"]


def test_a_page_that_a_server_leaves_among_uploads(product: Product, place: Path) -> None:
    uploads = place / "www/uploads"
    uploads.mkdir(parents=True)
    server = place / "php-fpm8.2"
    shutil.copy(Path(sys.executable).resolve(), server)
    began = time.time()
    code = f"import pathlib; pathlib.Path({str(uploads)!r}, 'x.php').write_text('<?php echo 1;')"
    subprocess.run(
        [server, "-c", code], check=True, env={"PYTHONHOME": sys.base_prefix, "PATH": os.environ["PATH"]}
    )
    row = one_of(product, began, uploads / "x.php", "web_shell")
    assert row["severity"] == "high"
    assert row["fields"]["process"]["exe"] == str(server)


WORK = [
    'tar -C "$1" -czf "$1/../backup.tar.gz" . && gzip -k "$1"/*.csv && xz -k "$1"/1*.csv',
    'git -C "$1" init -q && git -C "$1" add . && git -C "$1" -c user.name=a -c user.email=a@example.org commit -qm a'
    ' && git -C "$1" gc -q --aggressive && git -C "$1" repack -adq',
    'cp -a "$1" "$1.copy" && rm -r "$1.copy" && tar -C "$1" -cf - . | (mkdir "$1.tar" && tar -C "$1.tar" -xf -)',
    'for f in "$1"/*.csv; do openssl enc -aes-256-cbc -pbkdf2 -k x -in "$f" -out "$f.gpg"; done',
    'for n in 1 2 3 4 5 6 7; do echo "int f$n(void){return $n;}" > "$1/$n.c"; gcc -c -o "$1/$n.o" "$1/$n.c"; done',
    'for n in 1 2 3 4 5 6 7; do head -c 9999 /dev/urandom > "$1/$n.dat"; done',
]


@pytest.mark.parametrize("number", range(len(WORK)))
def test_ordinary_work_is_not_told(product: Product, place: Path, number: int) -> None:
    docs = place / f"work{number}"
    made(product, docs)
    began = time.time()
    subprocess.run(["bash", "-ec", WORK[number], "work", str(docs)], check=True, timeout=120)
    settle(product)
    assert [row["detector"] for row in told(product, began, place) if row["severity"] != "info"] == []
