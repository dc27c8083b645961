# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    GRAM_BITS_MAX = 16
    # Where in the text a literal must be, as in anchors.py; both: it is the whole text.
    PLACE_BEGIN = 1
    PLACE_END = 2

# Literals of one width of gram (4 bytes; 2 for literals too short for 4).
cdef struct iw_gram_entry:
    uint32_t gram
    uint32_t chain          # next entry with the same hash, plus 1; 0 at the end
    const uint8_t *literal
    uint32_t size
    uint32_t at             # where in the literal the gram is
    uint32_t place          # PLACE_BEGIN, PLACE_END
    uint32_t first          # its rules in `rules`
    uint32_t count

cdef struct iw_grams:
    uint32_t width
    uint32_t entry_count
    iw_gram_entry *entries
    uint32_t *heads         # by the upper bits of the hash, about two for each literal: entry index plus 1
    uint32_t head_shift
    uint64_t *bitmap        # one bit for each hash
    uint32_t shift          # of a hash: 32 less the bits that are a place in the bitmap
    uint32_t *rules

# Numbers of one field -> rules: linear probing, half empty.
cdef struct iw_exact_entry:
    uint64_t number
    uint32_t first          # its rules in `rules`
    uint32_t count          # 0: free

cdef struct iw_exact:
    uint32_t mask           # 0: no numbers
    iw_exact_entry *entries
    uint32_t *rules

# The rules that may match one record, each once.
cdef struct iw_candidates:
    uint64_t *stamps        # per rule: the record for which it already is a candidate
    uint64_t stamp
    uint32_t *list
    uint32_t count

cdef inline void candidate(iw_candidates *out, const uint32_t *rules, uint32_t count) noexcept nogil:
    cdef uint32_t i
    for i in range(count):
        if out.stamps[rules[i]] != out.stamp:
            out.stamps[rules[i]] = out.stamp
            out.list[out.count] = rules[i]
            out.count += 1

cdef bint exact_build(iw_exact *exact, list numbers) except 0
cdef void exact_free(iw_exact *exact) noexcept

cdef inline uint32_t number_slot(uint64_t number) noexcept nogil:
    return <uint32_t>((number * 0x9E3779B97F4A7C15ULL) >> 32)

cdef inline void exact_look(const iw_exact *exact, uint64_t number, iw_candidates *out) noexcept nogil:
    """Add the rules that want this number."""
    cdef uint32_t at = number_slot(number) & exact.mask
    while exact.entries[at].count:
        if exact.entries[at].number == number:
            candidate(out, exact.rules + exact.entries[at].first, exact.entries[at].count)
            return
        at = (at + 1) & exact.mask

cdef bint grams_build(iw_grams *grams, uint32_t width, list literals) except 0
cdef void grams_free(iw_grams *grams) noexcept
cdef void grams_scan(
    const iw_grams *grams, const uint8_t *text, uint32_t size, iw_candidates *out,
) noexcept nogil
