# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from *:
    """
    #ifndef IW_TEXT
    #define IW_TEXT
    #include <stdint.h>
    #include <string.h>
    static inline uint64_t iw_mix(uint64_t x)
    {
        x ^= x >> 32; x *= 0xd6e8feb86659fd93ull;
        x ^= x >> 32; x *= 0xd6e8feb86659fd93ull;
        return x ^ (x >> 32);
    }
    /* ASCII A-Z only; compiles to vector code. */
    static inline void iw_fold(uint8_t *restrict to, const uint8_t *restrict from, size_t size)
    {
        for (size_t i = 0; i < size; i++) {
            uint8_t c = from[i];
            to[i] = c + (((uint8_t)(c - 'A') < 26) << 5);
        }
    }
    static inline uint64_t iw_load64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }
    static inline uint32_t iw_load32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
    static inline uint32_t iw_load16(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return v; }
    #endif
    """
    uint64_t iw_mix(uint64_t value) noexcept nogil
    void iw_fold(uint8_t *to, const uint8_t *text, size_t size) noexcept nogil
    uint64_t iw_load64(const uint8_t *place) noexcept nogil
    uint32_t iw_load32(const uint8_t *place) noexcept nogil
    uint32_t iw_load16(const uint8_t *place) noexcept nogil

cdef extern from "string.h" nogil:
    void *memmem(const void *text, size_t size, const void *part, size_t part_size)

cdef bint glob_match(const uint8_t *text, size_t size, const uint8_t *pattern, size_t length) noexcept nogil
cdef uint64_t hash_bytes(const uint8_t *data, size_t size, uint64_t seed) noexcept nogil
cdef bint is_mapped(const uint8_t *address) noexcept nogil
cdef uint32_t format_ip(const uint8_t *address, char *out) noexcept nogil
cdef uint32_t format_number(uint64_t number, char *out) noexcept nogil
cdef bint is_loopback(const uint8_t *address) noexcept nogil
cdef bint ends_with(const uint8_t *text, size_t size, const char *tail) noexcept nogil
cdef bint is_text(const uint8_t *text, size_t size, const char *other) noexcept nogil
cdef const uint8_t *base_name(const uint8_t *path, uint32_t *size) noexcept nogil
cdef object to_str(const uint8_t *text, size_t size)
