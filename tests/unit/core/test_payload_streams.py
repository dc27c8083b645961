# SPDX-License-Identifier: Apache-2.0
"""network.payload records through the engine: pieces put together, in bounded memory, and told like any other event."""

from __future__ import annotations

import random
import struct
import time
from typing import Any

from innerwarden_core import (
    FIELDS,
    OPERATORS,
    Correlation,
    Engine,
    Hit,
    MemoryRing,
    Predicate,
    Record,
    Ring,
    Rule,
)

from innerwarden.model._wire import Flag, Kind
from innerwarden.modules.factory import BOOT_BASE_NS
from tests.factory import encode
from tests.unit.core.payload_bytes import (
    extension,
    hello,
    name,
    openssl_hello,
    query,
    records,
    server_name,
    vector,
)

TCP, UDP = 6, 17
INCOMPLETE = 4
QUERY = query((name(b"One", b"Test"), 16))


def engine() -> Engine:
    out = Engine()
    always = Predicate(FIELDS["pid"], OPERATORS["exists"], [])
    kinds = [Kind.NETWORK_DNS, Kind.NETWORK_TLS]
    out.configure([Rule("seen", kinds, [always], [(0, -1, -2)], group_by=(FIELDS["ts_ns"],))], [], [])
    return out


def piece(data: bytes, offset: int = 0, *, cookie: int = 7, protocol: int = TCP, **fields: Any) -> bytes:
    port = 53 if protocol == UDP else 443
    values = {
        "pid": 60,
        "dst_port": port,
        "src_port": 4000,
        "dst_ip": "192.0.2.1",
        "src_ip": "192.0.2.9",
    } | fields
    return encode(
        "network.payload",
        socket_cookie=cookie,
        stream_offset=offset,
        payload_len=len(data),
        payload=data,
        protocol=protocol,
        family=2,
        **values,
    )


def pieces(data: bytes, *sizes: int, start: int = 0, **fields: Any) -> list[bytes]:
    """The stream cut into pieces of these sizes, the rest in one."""
    out, at = [], 0
    for size in (*sizes, len(data)):
        if data[at : at + size]:
            out.append(piece(data[at : at + size], start + at, **fields))
        at += size
    return out


def told(core: Engine, *records_in: bytes) -> list[Record]:
    """What the engine makes of each record, in order."""
    return [Record(hit.record) for one in records_in for hit in core.feed(one)]


def names(found: list[Record]) -> list[Any]:
    return [one.get("dns_query") or one.get("tls_sni") for one in found]


def framed(message: bytes) -> bytes:
    return struct.pack(">H", len(message)) + message


def test_a_datagram_is_a_query_of_that_process() -> None:
    core = engine()
    (dns,) = told(core, piece(QUERY, protocol=UDP, pid=77, uid=33, comm="dig", at_s=3.0, cpu=1, flags=64))
    expected = {"dns_query": "one.test", "dns_type": 16, "dns_id": 0x1234, "dns_flags": 0x0100}
    expected |= {
        "pid": 77,
        "uid": 33,
        "comm": "dig",
        "ts_ns": BOOT_BASE_NS + 3_000_000_000,
        "cpu": 1,
        "flags": 64,
    }
    expected |= {"src_ip": "192.0.2.9", "dst_ip": "192.0.2.1", "src_port": 4000, "dst_port": 53}
    assert {field: dns.get(field) for field in expected} == expected
    assert core.stats()["records"]["network.dns"] == 1


def test_a_rule_sees_the_process_behind_it() -> None:
    core = Engine()
    tests = [
        Predicate(FIELDS["exe_path"], OPERATORS["startswith"], [b"/tmp/"]),
        Predicate(FIELDS["tls_sni"], OPERATORS["equals"], [b"c2.test"]),
    ]
    core.configure([Rule("c2", [Kind.NETWORK_TLS], tests, [(0, 1, -2), (1, -1, -2)])], [], [])
    core.feed(encode("process.exec", pid=60, exe_path="/tmp/x"))
    core.feed(encode("process.exec", pid=61, exe_path="/usr/bin/x"))
    stream = openssl_hello("C2.test")
    assert core.feed(piece(stream, pid=61)) == []
    (hit,) = core.feed(piece(stream, pid=60, cookie=8))
    assert hit.owner == "c2"
    assert Record(hit.record).get("pid") == 60


def test_a_hello_in_pieces() -> None:
    stream = openssl_hello("split.test", ["h2"])
    for sizes in ((1,) * len(stream), (5,), (100, 1, 200), (len(stream) - 1,)):
        core = engine()
        found = told(core, *pieces(stream, *sizes))
        assert names(found) == ["split.test"]
        assert found[0].get("tls_flags") == 0
        assert core.stats()["payloads"]["streams"] == 0


def test_a_hello_of_more_than_a_kilobyte_in_small_records_and_pieces() -> None:
    message = hello(extension(21, bytes(1800)), server_name(b"padded.test"))
    found = told(engine(), *pieces(records(message, 100), *[333] * 10))
    assert names(found) == ["padded.test"]
    assert found[0].get("tls_hello") is not None


def test_pieces_of_streams_that_alternate() -> None:
    core = engine()
    parts = [pieces(openssl_hello(f"n{i}.test"), 100, 100, cookie=i + 1, pid=100 + i) for i in range(50)]
    order = [part for turn in zip(*parts, strict=True) for part in turn]
    found = told(core, *order)
    assert [(r.get("pid"), r.get("tls_sni")) for r in found] == [(100 + i, f"n{i}.test") for i in range(50)]


def test_a_piece_that_is_sent_again_is_not_taken_twice() -> None:
    stream = openssl_hello("again.test")
    first, second = pieces(stream, 200)
    longer = piece(stream[:300], 0)
    assert names(told(engine(), first, first, longer, second)) == ["again.test"]


def test_a_missing_piece_ends_the_stream_as_far_as_it_came() -> None:
    core = engine()
    stream = openssl_hello("gap.test")
    first, _lost, third = pieces(stream, 300, 50)
    found = told(core, first, third)
    assert [one.get("tls_flags") for one in found] == [INCOMPLETE]
    assert found[0].get("tls_version") is not None
    assert core.stats()["payloads"] | {"unparsed": {}} == {
        **{
            "dns": 0,
            "tls": 1,
            "incomplete": 1,
            "streams": 0,
            "evicted": 0,
            "expired": 0,
            "gaps": 1,
            "refused": 0,
        },
        "unparsed": {},
    }


def test_a_socket_that_connects_anew_begins_anew() -> None:
    stream = openssl_hello("second.test")
    core = engine()
    half = piece(openssl_hello("first.test")[:300], src_port=4000)
    found = told(core, half, *pieces(stream, 200, src_port=4001))
    assert [one.get("tls_flags") for one in found] == [INCOMPLETE, 0]
    assert found[1].get("tls_sni") == "second.test"


def test_what_only_began_like_a_hello_does_not_hide_the_next_one() -> None:
    stream = openssl_hello("real.test")
    assert names(told(engine(), piece(b"\x16", 0), *pieces(stream, start=1))) == ["real.test"]
    assert names(told(engine(), piece(b"\x16\x03", 0), *pieces(stream, 50, start=20))) == ["real.test"]


def test_a_hello_that_does_not_begin_the_stream() -> None:
    assert names(told(engine(), *pieces(openssl_hello("starttls.test"), 30, start=40))) == ["starttls.test"]


def test_queries_of_a_stream_however_it_is_cut() -> None:
    messages = [query((name(b"q%d" % i, b"test"), 1), number=i) for i in range(6)]
    stream = b"".join(map(framed, messages))
    rng = random.Random(1)
    for _ in range(200):
        sizes = [rng.randrange(1, 40) for _ in range(20)]
        core = engine()
        found = told(core, *pieces(stream, *sizes, dst_port=53))
        assert names(found) == [f"q{i}.test" for i in range(6)], sizes
        assert core.stats()["payloads"]["streams"] == 0


def test_a_query_is_told_before_the_rest_of_its_message_comes() -> None:
    core = engine()
    message = query((name(b"early", b"test"), 1)) + bytes(6000)
    stream = framed(message) + framed(QUERY)
    first, middle, last = pieces(stream, 60, 4000, dst_port=53)
    assert names(told(core, first)) == ["early.test"]
    assert told(core, middle) == []
    assert names(told(core, last)) == ["one.test"]
    assert not any(core.stats()["payloads"]["unparsed"].values())


def test_what_is_not_parsed_is_counted_by_its_reason() -> None:
    core = engine()
    core.feed(piece(query((b"\xc0\x0c", 1)), protocol=UDP))
    core.feed(piece(query((name(b"a"), 1), flags=0x8180), protocol=UDP))
    core.feed(piece(b"", protocol=UDP))
    core.feed(piece(b""))
    core.feed(piece(b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00"))
    core.feed(piece(framed(b"tiny"), dst_port=53, cookie=9))
    unparsed = {reason: count for reason, count in core.stats()["payloads"]["unparsed"].items() if count}
    assert unparsed == {"pointer": 1, "response": 1, "short": 3, "handshake": 1}


def test_streams_that_wait_are_bounded_and_the_oldest_is_told() -> None:
    core = engine()
    half = openssl_hello("half.test")[:300]
    found = told(core, *(piece(half, cookie=i, pid=i + 2) for i in range(1, 301)))
    assert [one.get("pid") for one in found] == list(range(3, 47))
    assert {one.get("tls_flags") for one in found} == {INCOMPLETE}
    stats = core.stats()["payloads"]
    assert (stats["streams"], stats["evicted"]) == (256, 44)


def test_a_stream_that_stalls_is_told_by_a_later_record() -> None:
    core = engine()
    half = openssl_hello("stall.test")[:400]
    assert told(core, piece(half, at_s=0)) == []
    assert told(core, piece(QUERY, protocol=UDP, at_s=9.0))[0].get("dns_query") == "one.test"
    found = told(core, piece(QUERY, protocol=UDP, at_s=10.5))
    assert [one.get("tls_flags") for one in found] == [INCOMPLETE, None]
    assert core.stats()["payloads"]["expired"] == 1


def test_a_stream_that_stalls_is_told_when_nothing_else_comes() -> None:
    core, memory = engine(), MemoryRing(65536)
    ring = Ring(memory.fd, 65536)
    now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    half = openssl_hello("stall.test")[:400]
    memory.write(piece(half, cookie=1, ts_ns=now_ns))
    memory.write(piece(half, cookie=2, ts_ns=now_ns - 11_000_000_000, pid=99))
    hits: list[Hit] = core.drain([ring], 0)
    assert [Record(hit.record).get("pid") for hit in hits] == [99]
    assert core.stats()["payloads"]["streams"] == 1
    ring.close()
    memory.close()


def test_names_longer_than_any_are_cut_and_say_so() -> None:
    (tls,) = told(engine(), piece(records(hello(server_name(b"\x01" * 300)))))
    assert tls.get("tls_sni") == "\\001" * 255
    assert int(tls.get("flags") or 0) & Flag.TRUNCATED
    (tls,) = told(engine(), piece(records(hello(extension(16, vector(2, vector(1, b"p" * 255)))))))
    assert tls.get("tls_alpn") == "p" * 255
    assert not int(tls.get("flags") or 0) & Flag.TRUNCATED


def test_a_capture_gives_the_same_events_again() -> None:
    """What was made is captured and not the raw bytes, so nothing is told twice."""
    core = engine()
    core.capture(True)
    parts = [
        *pieces(openssl_hello("one.test"), 99),
        piece(QUERY, protocol=UDP),
        *pieces(framed(QUERY), 9, cookie=3),
    ]
    live = [bytes(hit.record) for part in parts for hit in core.feed(part)]
    assert len(live) == 3
    captured = core.take_captured()
    assert captured == b"".join(live)
    assert [bytes(hit.record) for hit in engine().feed(captured)] == live


def test_all_in_one_buffer_is_the_same_as_one_by_one() -> None:
    """Made records lie in one place: each must be done with before the next."""
    parts = [part for i in range(40) for part in pieces(openssl_hello(f"n{i}.test"), 64, cookie=i + 1)]
    apart = [bytes(hit.record) for core in [engine()] for part in parts for hit in core.feed(part)]
    together = [bytes(hit.record) for hit in engine().feed(b"".join(parts))]
    assert together == apart
    assert len(apart) == 40


def test_windows_see_each_made_record_and_not_the_next_one_in_its_place() -> None:
    """An event waits on its way into a window; its record must not have been written over by then."""
    core = Engine()
    always = Predicate(FIELDS["pid"], OPERATORS["exists"], [])
    rule = Rule("asked", [Kind.NETWORK_DNS], [always], [(0, -1, -2)], emit=False)
    field = FIELDS["dns_query"]
    count = Correlation(
        "names", "value_count", ["asked"], [()], 10**12, threshold=4, value_field=field, sample_field=field
    )
    core.configure([rule], [count], [])
    wanted = ["a.test", "b.test", "a.test", "c.test", "d.test"]
    asked = [query((name(one[0].encode(), b"test"), 1)) for one in wanted]
    (hit,) = core.feed(b"".join(piece(text, protocol=UDP) for text in asked))
    assert Record(hit.record).get("dns_query") == "d.test"
    assert set(hit.samples) == {"a.test", "b.test", "c.test", "d.test"}


def test_anything_in_any_order() -> None:
    rng = random.Random(2)
    seeds = [openssl_hello("a.test"), framed(QUERY) * 3, records(hello(server_name(b"b.test")), 9)]
    core = engine()
    for _ in range(20_000):
        seed = rng.choice(seeds)
        at = rng.randrange(len(seed))
        data = bytearray(seed[at : at + rng.randrange(120)])
        if data and rng.random() < 0.3:
            data[rng.randrange(len(data))] = rng.randrange(256)
        offset = at if rng.random() < 0.8 else rng.randrange(1 << 32)
        core.feed(
            piece(
                bytes(data),
                offset,
                cookie=rng.randrange(1, 400),
                protocol=rng.choice((TCP, UDP)),
                at_s=rng.random() * 99,
            )
        )
    stats = core.stats()
    assert stats["payloads"]["streams"] <= 256
    assert not any(stats["malformed"].values())
