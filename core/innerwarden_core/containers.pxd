# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport uint8_t, uint32_t

cdef extern from "container.h" nogil:
    struct iw_container:
        const char *runtime
        const uint8_t *id
        uint32_t id_size
        const uint8_t *pod
        uint32_t pod_size
    void iw_container_of(const uint8_t *path, uint32_t size, iw_container *out)
