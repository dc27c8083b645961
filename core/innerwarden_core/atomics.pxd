# SPDX-License-Identifier: Apache-2.0
# Memory order for positions that another CPU writes, as inline C: Cython has no atomics of its own.
# A plain load would be hoisted or, on arm64, reordered with the loads of the record that it guards.
from libc.stdint cimport uint32_t, uint64_t

cdef extern from *:
    """
    #ifndef IW_ATOMICS
    #define IW_ATOMICS
    #include <stdint.h>
    static inline uint64_t iw_load_acquire(const volatile uint64_t *p)
    { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
    static inline uint32_t iw_load_acquire_u32(const volatile uint32_t *p)
    { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
    static inline void iw_store_release(volatile uint64_t *p, uint64_t v)
    { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
    static inline void iw_store_release_u32(volatile uint32_t *p, uint32_t v)
    { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
    static inline void iw_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
    static inline void iw_prefetch(const void *p) { __builtin_prefetch(p, 0, 3); }
    static inline void iw_prefetch_write(const void *p) { __builtin_prefetch(p, 1, 3); }
    #endif
    """
    uint64_t iw_load_acquire(const uint64_t *place) noexcept nogil
    uint32_t iw_load_acquire_u32(const uint32_t *place) noexcept nogil
    void iw_store_release(uint64_t *place, uint64_t value) noexcept nogil
    void iw_store_release_u32(uint32_t *place, uint32_t value) noexcept nogil
    void iw_fence() noexcept nogil
    void iw_prefetch(const void *place) noexcept nogil
    void iw_prefetch_write(const void *place) noexcept nogil
