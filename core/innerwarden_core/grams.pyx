# SPDX-License-Identifier: Apache-2.0
"""Which rules can match at all.

Numbers: a hash table. Text: one pass over a field finds the literals that it holds.

From each literal one gram of 4 (or 2) bytes stands in a hash table and in a bitmap. The pass hashes the gram at
every byte of the text, looks at one bit, and only on a hit compares the literal. So a thousand rules cost
about what ten do, and a rule whose literals are absent costs nothing. The idea is that of q-gram filters (Wu and
Manber, A fast algorithm for multi-pattern searching, 1994), without shifts because literals are short.
"""

from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

from collections import Counter

from innerwarden_core.text cimport iw_load16, iw_load32

# The commoner a byte is in paths and command lines, the later it stands; bytes not named are the rarest.
COMMON = b"qzjxkvwfgypbmhudclrnisatoe0123456789._-/ "
RARITY = {byte: i + 1 for i, byte in enumerate(COMMON)}
COMMONER = 32  # a byte this many places further back makes a gram twice as common


cdef inline uint32_t slot_of(uint32_t gram, uint32_t shift) noexcept nogil:
    return (gram * 0x9E3779B1U) >> shift


cdef inline uint32_t load(const uint8_t *place, uint32_t width) noexcept nogil:
    return iw_load32(place) if width == 4 else iw_load16(place)


def grams_of(bytes literal not None, int width):
    return [literal[i : i + width] for i in range(len(literal) - width + 1)]


def rarest(bytes literal not None, int width, shared=None):
    """Where in `literal` the gram starts that texts hold least often: guessed from its bytes, and from how many of the
    literals hold it (`shared`), which are compared when a text does. Without that a hundred literals that end in
    .service would all be compared with every text that does.
    """
    costs = [
        (1 if shared is None else shared[gram]) * 2 ** (sum(RARITY.get(b, 0) for b in gram) / COMMONER)
        for gram in grams_of(literal, width)
    ]
    return costs.index(min(costs))


cdef bint grams_build(iw_grams *grams, uint32_t width, list literals) except 0:
    """`literals`: ((folded literal of at least `width` bytes, its place), [rule indexes]), each once."""
    cdef iw_gram_entry *entry
    cdef uint8_t *copy
    cdef uint32_t filled = 0, slot, index, bits = 8
    grams.width = width
    grams.entry_count = 0
    if not literals:
        return True
    # PERF: one bit in 64 set makes few looks for nothing, and the bitmaps of a kind's fields fit the first-level cache
    # together, which is cold whenever the sensor wakes. Row 5 of the benchmarks.
    while bits < GRAM_BITS_MAX and (1 << bits) < 64 * len(literals):
        bits += 1
    grams.shift = 32 - bits
    grams.head_shift = bits
    while grams.head_shift and (1 << (bits - grams.head_shift)) < 2 * len(literals):
        grams.head_shift -= 1
    grams.heads = <uint32_t *>calloc(1 << (bits - grams.head_shift), sizeof(uint32_t))
    grams.bitmap = <uint64_t *>calloc((1 << bits) // 64, sizeof(uint64_t))
    grams.entries = <iw_gram_entry *>calloc(len(literals) + 1, sizeof(iw_gram_entry))
    grams.rules = <uint32_t *>malloc((sum(len(rules) for _, rules in literals) + 1) * sizeof(uint32_t))
    if not (grams.heads and grams.bitmap and grams.entries and grams.rules):
        raise MemoryError()
    shared = Counter(gram for (literal, _), _ in literals for gram in set(grams_of(literal, width)))
    for (literal, place), rules in literals:
        entry = &grams.entries[grams.entry_count]
        entry.size = len(literal)
        entry.place = place
        copy = <uint8_t *>malloc(entry.size)
        if copy == NULL:
            raise MemoryError()
        memcpy(copy, <const char *><bytes>literal, entry.size)
        entry.literal = copy
        entry.at = rarest(literal, width, shared)
        entry.gram = load(copy + entry.at, width)
        entry.first = filled
        entry.count = len(rules)
        for index in rules:
            grams.rules[filled] = index
            filled += 1
        slot = slot_of(entry.gram, grams.shift)
        entry.chain = grams.heads[slot >> grams.head_shift]
        grams.entry_count += 1
        grams.heads[slot >> grams.head_shift] = grams.entry_count
        grams.bitmap[slot >> 6] |= <uint64_t>1 << (slot & 63)
    return True


cdef void grams_free(iw_grams *grams) noexcept:
    cdef uint32_t i
    if grams.entries != NULL:
        for i in range(grams.entry_count):
            free(<void *>grams.entries[i].literal)
    free(grams.entries)
    free(grams.heads)
    free(grams.bitmap)
    free(grams.rules)


cdef void verify(
    const iw_grams *grams, uint32_t slot, uint32_t gram, const uint8_t *text, uint32_t size, uint32_t at,
    iw_candidates *out,
) noexcept nogil:
    """The literals whose gram is at `at`: those that are there whole make their rules candidates."""
    cdef uint32_t link = grams.heads[slot >> grams.head_shift]
    cdef const iw_gram_entry *entry
    while link:
        entry = &grams.entries[link - 1]
        link = entry.chain
        if entry.gram != gram or at < entry.at or at - entry.at + entry.size > size:
            continue
        if entry.place & PLACE_BEGIN and at != entry.at:
            continue
        if entry.place & PLACE_END and at - entry.at + entry.size != size:
            continue
        if memcmp(text + at - entry.at, entry.literal, entry.size):
            continue
        candidate(out, grams.rules + entry.first, entry.count)


cdef void grams_scan(
    const iw_grams *grams, const uint8_t *text, uint32_t size, iw_candidates *out,
) noexcept nogil:
    """Add the rules whose literals `text` (folded) holds."""
    cdef uint32_t width = grams.width, shift = grams.shift, gram, slot, i
    cdef const uint64_t *bitmap = grams.bitmap
    if size < width or not grams.entry_count:
        return
    # PERF: two loops so that the width is constant inside; row 9 of the benchmarks.
    if width == 4:
        for i in range(size - 3):
            gram = iw_load32(text + i)
            slot = slot_of(gram, shift)
            if bitmap[slot >> 6] >> (slot & 63) & 1:
                verify(grams, slot, gram, text, size, i, out)
    else:
        for i in range(size - 1):
            gram = iw_load16(text + i)
            slot = slot_of(gram, shift)
            if bitmap[slot >> 6] >> (slot & 63) & 1:
                verify(grams, slot, gram, text, size, i, out)


cdef bint exact_build(iw_exact *exact, list numbers) except 0:
    """`numbers`: ((number, its place, which says nothing), [rule indexes]), each number once."""
    cdef uint32_t size = 4, at, filled = 0, index
    cdef uint64_t number
    if not numbers:
        return True
    while size < 2 * len(numbers):
        size *= 2
    exact.mask = size - 1
    exact.entries = <iw_exact_entry *>calloc(size, sizeof(iw_exact_entry))
    exact.rules = <uint32_t *>malloc(sum(len(rules) for _, rules in numbers) * sizeof(uint32_t))
    if exact.entries == NULL or exact.rules == NULL:
        raise MemoryError()
    for (number, _), rules in numbers:
        at = number_slot(number) & exact.mask
        while exact.entries[at].count:
            at = (at + 1) & exact.mask
        exact.entries[at].number = number
        exact.entries[at].first = filled
        exact.entries[at].count = len(rules)
        for index in rules:
            exact.rules[filled] = index
            filled += 1
    return True


cdef void exact_free(iw_exact *exact) noexcept:
    free(exact.entries)
    free(exact.rules)
