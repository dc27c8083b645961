# SPDX-License-Identifier: Apache-2.0
"""Byte strings: wildcard match, seeded hash, addresses as text, paths."""

from libc.string cimport memchr, memcmp, memcpy, strlen

cdef extern from "arpa/inet.h" nogil:
    enum: INET6_ADDRSTRLEN
    enum: AF_INET
    enum: AF_INET6
    const char *inet_ntop(int family, const void *address, char *out, uint32_t size)


cdef inline size_t next_character(const uint8_t *text, size_t size, size_t at) noexcept nogil:
    """Past the UTF-8 character at `at`; a byte that starts none counts as one with what continues it."""
    at += 1
    while at < size and text[at] & 0xC0 == 0x80:
        at += 1
    return at


cdef bint glob_match(const uint8_t *text, size_t size, const uint8_t *pattern, size_t length) noexcept nogil:
    """`*` is any run, `?` one character, backslash makes `*`, `?` or backslash literal.

    Iterative: only the latest `*` is ever revisited, so the cost is at most size * length, never exponential.
    """
    cdef size_t at = 0, p = 0, star = 0, resume = 0
    cdef bint starred = False
    cdef const uint8_t *found
    while at < size:
        if p < length:
            if pattern[p] == c'*':
                starred = True
                p += 1
                star = p
                resume = at
                continue
            if pattern[p] == c'?':
                at = next_character(text, size, at)
                p += 1
                continue
            if pattern[p] == c'\\' and p + 1 < length and pattern[p + 1] in (c'*', c'?', c'\\'):
                if pattern[p + 1] == text[at]:
                    at += 1
                    p += 2
                    continue
            elif pattern[p] == text[at]:
                at += 1
                p += 1
                continue
        if not starred:
            return False
        resume = next_character(text, size, resume)
        if star < length and pattern[star] not in (c'*', c'?', c'\\') and pattern[star] & 0xC0 != 0x80:
            # PERF: what follows the star can only match where its first byte is, which begins a character. Row 5.
            found = <const uint8_t *>memchr(text + resume, pattern[star], size - resume)
            if found == NULL:
                return False
            resume = found - text
        at = resume
        p = star
    while p < length and pattern[p] == c'*':
        p += 1
    return p == length


cdef uint64_t hash_bytes(const uint8_t *data, size_t size, uint64_t seed) noexcept nogil:
    """64-bit hash; the seed is random in every process, so that nobody can choose colliding keys."""
    cdef uint64_t state = seed ^ (<uint64_t>size * 0x9E3779B97F4A7C15ULL)
    cdef uint64_t tail = 0
    while size >= 8:
        state = iw_mix(state ^ iw_load64(data)) + seed
        data += 8
        size -= 8
    if size:
        memcpy(&tail, data, size)
        state = iw_mix(state ^ tail) + seed
    return iw_mix(state)


cdef bint is_mapped(const uint8_t *address) noexcept nogil:
    return iw_load64(address) == 0 and iw_load32(address + 8) == 0xFFFF0000U


cdef uint32_t format_ip(const uint8_t *address, char *out) noexcept nogil:
    """Text of a 16-byte address, v4-mapped as v4; `out` has room for 46 bytes. Returns the length."""
    cdef const char *done
    cdef uint32_t size = 0, i
    if is_mapped(address):
        for i in range(12, 16):
            size += format_number(address[i], out + size)
            out[size] = c'.'
            size += 1
        out[size - 1] = 0
        return size - 1
    done = inet_ntop(AF_INET6, address, out, INET6_ADDRSTRLEN)
    return <uint32_t>strlen(out) if done != NULL else 0


cdef uint32_t format_number(uint64_t number, char *out) noexcept nogil:
    """Decimal text; `out` has room for 20 bytes. Returns the length."""
    cdef char digits[20]
    cdef uint32_t count = 0, i
    while True:
        digits[count] = <char>(c'0' + number % 10)
        count += 1
        number //= 10
        if number == 0:
            break
    for i in range(count):
        out[i] = digits[count - 1 - i]
    return count


cdef bint is_loopback(const uint8_t *address) noexcept nogil:
    if is_mapped(address):
        return address[12] == 127
    return iw_load64(address) == 0 and iw_load64(address + 8) == 0x0100000000000000ULL


cdef bint ends_with(const uint8_t *text, size_t size, const char *tail) noexcept nogil:
    cdef size_t length = strlen(tail)
    return length <= size and memcmp(text + size - length, tail, length) == 0


cdef bint is_text(const uint8_t *text, size_t size, const char *other) noexcept nogil:
    return size == strlen(other) and memcmp(text, other, size) == 0


cdef const uint8_t *base_name(const uint8_t *path, uint32_t *size) noexcept nogil:
    """The last component; `size` goes from the path's length to the name's."""
    cdef uint32_t at = size[0]
    while at > 0 and path[at - 1] != c'/':
        at -= 1
    size[0] -= at
    return path + at


cdef object to_str(const uint8_t *text, size_t size):
    """UTF-8, with bytes that are none as \\xNN."""
    return (<const char *>text)[:size].decode("utf-8", "backslashreplace")
