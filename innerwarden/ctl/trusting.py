# SPDX-License-Identifier: Apache-2.0
"""What `innerwarden trust` asks of the trust room: entries from options, subjects from files, processes, incidents."""

from __future__ import annotations

import contextlib
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from innerwarden import clock
from innerwarden.ctl.options import severity_of
from innerwarden.errors import TrustError, UnavailableError, UsageError
from innerwarden.files import kernel_dev, who_else_writes
from innerwarden.sensor.detection.trusting import ADDRESS_KEYS, PROCESS_KEY
from innerwarden.trust import Actor, Entry, Executable, Image, Placed, Subject, Verdict
from innerwarden.trust.model import EVERY, MODULE, TAG
from innerwarden.trust.programs import HASHED_MAX_BYTES, device_text, digest_of, image_of_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from innerwarden.model.detector import DetectorSpec
    from innerwarden.model.finding import ProcessRef
    from innerwarden.model.severity import Severity

_SPAN = re.compile(r"(\d{1,6})([mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}
MAX_CHAIN = 64


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `trust add` as they were given."""

    id: str
    detectors: tuple[str, ...]
    reason: str
    owner: str
    exe: str | None
    package: str | None
    pin_inode: bool
    pin_sha256: bool
    ancestor: str | None
    ancestor_package: str | None
    networks: tuple[str, ...]
    uids: tuple[int, ...]
    distrust: bool
    up_to: str
    expires: str
    no_expiry: bool


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `trust check` as they were given."""

    detector: str
    exe: Path | None
    pid: int | None
    uid: int | None
    addresses: tuple[str, ...]


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """An entry for a person. `state`: counts, expired, void (another entry's problem), or useless with the reason."""

    id: str
    state: str
    detectors: tuple[str, ...]
    subject: str
    until: str
    covered: int
    owner: str
    reason: str
    up_to: str
    file: str
    line: int


def directory_of(config: Path | None) -> Path:
    from innerwarden.config import load

    return Path(load(config).trust.directory)


def specs_of(config: Path | None) -> Mapping[str, DetectorSpec]:
    from innerwarden import paths
    from innerwarden.config import load
    from innerwarden.modules.apart.pool import Workers
    from innerwarden.modules.loader import Live, load_modules
    from innerwarden.modules.state import read

    saved = paths.rule_cache(paths.default_data_dir())
    with contextlib.closing(Workers()) as workers:
        live = Live(state=read(paths.module_state()), workers=workers)
        cache = saved if saved.exists() else None
        return load_modules(paths.modules_dirs(), load(config), cache=cache, live=live).specs


def entry_of(wanted: Wanted) -> Entry:
    """Raises TrustError with every problem at once, UsageError for a value that is none."""
    problems: list[str] = []
    now = datetime.now(UTC).replace(microsecond=0)
    severity = severity_of(wanted.up_to, "--up-to")
    exe = _executable(wanted.exe, wanted.package, wanted, problems)
    ancestor = _executable(wanted.ancestor, wanted.ancestor_package, None, problems)
    expires = _expiry(wanted, now, problems)
    if (wanted.pin_inode or wanted.pin_sha256) and wanted.exe is None:
        problems.append("--pin-inode and --pin-sha256 pin a file; give --exe")
    entry = Entry(
        id=wanted.id,
        detectors=wanted.detectors,
        reason=wanted.reason,
        owner=wanted.owner,
        created=now,
        expires=expires,
        no_expiry=wanted.no_expiry,
        up_to=severity,
        exe=exe,
        ancestor=ancestor,
        networks=wanted.networks,
        uids=wanted.uids,
        distrust=wanted.distrust,
    )
    from innerwarden.trust.read import problems_of

    problems += [f"--{key.partition('.')[0]}: {text}" for key, text in problems_of(entry) if key != "expires"]
    if problems:
        raise TrustError(problems)
    return entry


def _expiry(wanted: Wanted, now: datetime, problems: list[str]) -> datetime | None:
    if wanted.no_expiry == bool(wanted.expires):
        problems.append("--expires: say until when (for example --expires 30d), or --no-expiry")
        return None
    if not wanted.expires:
        return None
    if span := _SPAN.fullmatch(wanted.expires):
        until = now + timedelta(seconds=int(span[1]) * _SECONDS[span[2]])
    else:
        try:
            until = datetime.fromtimestamp(clock.parse_rfc3339(wanted.expires) // clock.NS, UTC)
        except (ValueError, OverflowError, OSError):
            problems.append(
                f"--expires: {wanted.expires!r} is no time; write 30d, 12h, or 2026-01-31T00:00:00Z"
            )
            return None
    if until <= now:
        problems.append(f"--expires: {wanted.expires} is past; give a time to come")
    return until


def _executable(
    path: str | None, package: str | None, pins: Wanted | None, problems: list[str]
) -> Executable | None:
    """By path and package, pinned as wanted. What anybody could replace is a problem with its remedy."""
    if path is None:
        return Executable(package=package) if package else None
    real = os.path.realpath(path)
    if real != path:
        problems.append(f"{path} leads to {real}; name that one")
        return None
    inode = dev = sha256 = None
    try:
        if (why := who_else_writes(path)) is not None:
            problems.append(f"{path}: {why}; install it below a directory of root's, such as /usr/local/bin")
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(fd)
            if pins is not None and pins.pin_inode:
                inode, dev = found.st_ino, device_text(kernel_dev(fd, found))
            if pins is not None and pins.pin_sha256:
                if found.st_size > HASHED_MAX_BYTES:
                    problems.append(f"{path} has more than {HASHED_MAX_BYTES} bytes; use --pin-inode")
                else:
                    sha256 = digest_of(fd)
        finally:
            os.close(fd)
    except OSError as error:
        problems.append(f"{path}: {error.strerror}; give a file that is there")
    return Executable(path=path, package=package, inode=inode, dev=dev, sha256=sha256)


def check_detectors(entry: Entry, specs: Mapping[str, DetectorSpec]) -> None:
    """Raises UsageError for an entry that is about no detector that there is."""
    modules = {spec.module for spec in specs.values()}
    tags = {tag for spec in specs.values() for tag in (*spec.tags, *spec.attack)}
    unknown = [
        name
        for name in entry.detectors
        if not (
            name == EVERY
            or name in specs
            or (name.startswith(MODULE) and name.removeprefix(MODULE) in modules)
            or (name.startswith(TAG) and name.removeprefix(TAG) in tags)
        )
    ]
    if unknown:
        raise UsageError(
            f"no detector is meant by {', '.join(map(repr, unknown))}", "See docs/detectors.md for the ids"
        )


def remarks(entry: Entry, specs: Mapping[str, DetectorSpec]) -> list[str]:
    """What somebody who adds this should know."""
    graver = sorted(
        spec.id
        for spec in specs.values()
        if spec.id in entry.detectors and not entry.up_to.at_least(_gravest(spec))
    )
    out = []
    if graver and not entry.distrust:
        out.append(
            f"findings of {', '.join(graver)} are graver than {entry.up_to}: they will be marked, not lowered; "
            "--up-to lowers them"
        )
    if entry.exe and entry.exe.package:
        out.append("the package is verified against dpkg's sums whenever a finding is about to be told")
    return out


def _gravest(spec: DetectorSpec) -> Severity:
    severities = [spec.severity, *(variant.severity for variant in spec.variants.values())]
    return max(severities, key=lambda one: one.rank)


def listed(placed: Placed, void: bool, covered: int) -> Listed:
    entry = placed.entry
    state = "void" if void else "counts" if entry.is_active(clock.realtime_ns()) else "expired"
    for executable in (entry.exe, entry.ancestor):
        if state == "counts" and executable is not None and executable.path is not None:
            try:
                why = who_else_writes(executable.path)
            except OSError as error:
                why = f"{executable.path}: {error.strerror}"
            state = f"useless: {why}" if why else state
    return Listed(
        id=entry.id,
        state=state,
        detectors=entry.detectors,
        subject=entry.subject(),
        until=entry.until(),
        covered=covered,
        owner=entry.owner,
        reason=entry.reason,
        up_to=str(entry.up_to),
        file=placed.file,
        line=placed.line,
    )


def subject_of(asked: Asked, config: Path | None) -> Subject:
    """Raises UsageError when there is nothing to ask about."""
    if not asked.detector:
        raise UsageError(
            "of which detector the finding would be is not said", "Give --detector, or --incident"
        )
    spec = specs_of(config).get(asked.detector)
    if spec is None:
        raise UsageError(f"no detector {asked.detector!r}", "See docs/detectors.md for the ids")
    if asked.exe is None and asked.pid is None and not asked.addresses:
        raise UsageError("nobody to ask about", "Give --exe, --pid, --address or --incident")
    actors: tuple[Actor, ...] = ()
    try:
        if asked.exe is not None:
            actors = (Actor(own=image_of_file(str(asked.exe), asked.uid)),)
        elif asked.pid is not None:
            chain = _chain(asked.pid)
            actors = (Actor(own=chain[0], ancestors=tuple(chain[1:])),)
    except OSError as error:
        raise UnavailableError(
            f"cannot look at {asked.exe or f'process {asked.pid}'}: {error.strerror}", "Run as root"
        ) from error
    return _subject(spec, actors, asked.addresses)


def _subject(spec: DetectorSpec, actors: tuple[Actor, ...], addresses: tuple[str, ...]) -> Subject:
    """What counts by something else is not covered through it; see sensor/detection/trusting.py. Of a sequence the
    steps are taken to be the same process's."""
    if (
        spec.form == "sigma"
        and "threshold_count" in spec.parameters
        and not set(spec.group_key) >= PROCESS_KEY
    ):
        actors = ()
    if (
        spec.form == "sigma"
        and "timespan_s" in spec.parameters
        and not set(spec.group_key) & set(ADDRESS_KEYS)
    ):
        addresses = ()
    return Subject(
        detector=spec.id,
        module=spec.module,
        tags=(*spec.tags, *spec.attack),
        severity=spec.severity,
        actors=actors,
        addresses=addresses,
    )


def _chain(pid: int) -> list[Image]:
    """A live process and its parents as they are now. Raises OSError."""
    from innerwarden.sensor.procfs import read

    out: list[Image] = []
    while pid and len(out) < MAX_CHAIN:
        found = read(pid)
        if found is None:
            break
        path = os.fsdecode(found.exe_path) if found.exe_path else None
        out.append(Image(path=path, inode=found.exe_inode or None, dev=found.exe_dev or None, uid=found.uid))
        pid = found.ppid
    if not out:
        raise ProcessLookupError(3, "no such process")
    return out


def subject_of_incident(incident_id: str, data_dir: Path, config: Path | None) -> Subject:
    """A stored finding as it was told. Raises UsageError when there is none, or of no detector that there is."""
    from innerwarden.ctl.reading import reading

    with reading(data_dir) as reader:
        row = reader.incident(incident_id)
    if row is None:
        raise UsageError(f"no incident has the id {incident_id!r}", "List them: innerwarden incidents")
    spec = specs_of(config).get(row.detector)
    if spec is None:
        raise UsageError(
            f"detector {row.detector!r} is none of the sensor's", "Trust is about findings of the sensor"
        )
    fields = row.fields
    actors: tuple[Actor, ...] = ()
    if fields.process is not None:
        actors = (Actor(own=_image(fields.process), ancestors=tuple(map(_image, fields.process.ancestors))),)
    subject = _subject(spec, actors, tuple(e.value for e in fields.entities if e.type == "ip"))
    severity = fields.trusted.severity if fields.trusted else row.severity
    return msgspec.structs.replace(subject, severity=severity)


def _image(process: ProcessRef) -> Image:
    return Image(path=process.exe, inode=process.exe_inode, dev=process.exe_dev, uid=process.uid)


def ask(subject: Subject, config: Path | None) -> Verdict:
    """Raises TrustError when the entries cannot be used."""
    from innerwarden.trust import TrustStore

    store = TrustStore(directory_of(config))
    store.require()
    return store.current.judge(subject, clock.realtime_ns(), every=True)


def told(verdict: Verdict, subject: Subject) -> list[str]:
    out = []
    if verdict.by is None:
        out.append(f"{subject.detector}: not trusted")
    else:
        entry = verdict.by.entry
        how = (
            f"its severity ({subject.severity}) becomes debug"
            if verdict.lowered
            else f"marked, but {subject.severity} is graver than {entry.up_to} and stays"
        )
        out.append(f"{subject.detector}: trusted by {entry.id} of {entry.owner} ({entry.until()}); {how}")
    for answer in verdict.answers:
        what = answer.objection or "covers it"
        out.append(f"  {answer.placed.entry.id} ({answer.placed.file}:{answer.placed.line}): {what}")
    if not verdict.answers:
        out.append("  no entry is about this detector")
    return out
