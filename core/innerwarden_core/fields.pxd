# SPDX-License-Identifier: Apache-2.0
# The generated field table, and the ids of the derived fields that follow the wire fields in it.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "fields.h" nogil:
    enum:
        IW_SHAPE_U16
        IW_SHAPE_U32
        IW_SHAPE_U64
        IW_SHAPE_IP
        IW_SHAPE_COMM
        IW_SHAPE_STR
        IW_FIELD_COUNT
        IW_KIND_TOP
        IW_FIELD_EXE_PATH
        IW_FIELD_ARGV
        IW_FIELD_CWD
        IW_FIELD_CGROUP_PATH
        IW_FIELD_FLAGS
        IW_FIELD_PATH
        IW_FIELD_SRC_IP
        IW_FIELD_DST_IP
        IW_FIELD_DNS_QUERY
        IW_FIELD_TLS_SNI
        IW_FIELD_TLS_FLAGS
        IW_FIELD_TLS_HELLO
        IW_FIELD_TS_NS
    struct iw_field_place:
        uint16_t offset
        uint8_t shape

cdef extern from *:
    """
    #ifndef IW_FIELD_PLACES_H
    #define IW_FIELD_PLACES_H
    #define IW_DERIVED_COMMAND_LINE (IW_FIELD_COUNT + 0)
    #define IW_DERIVED_EXE_NAME (IW_FIELD_COUNT + 1)
    #define IW_DERIVED_PARENT_EXE_PATH (IW_FIELD_COUNT + 2)
    #define IW_DERIVED_PARENT_COMMAND_LINE (IW_FIELD_COUNT + 3)
    #define IW_DERIVED_PARENT_COMM (IW_FIELD_COUNT + 4)
    #define IW_DERIVED_PARENT_UID (IW_FIELD_COUNT + 5)
    #define IW_DERIVED_PARENT_EXE_NAME (IW_FIELD_COUNT + 6)
    #define IW_DERIVED_GRANDPARENT_EXE_PATH (IW_FIELD_COUNT + 7)
    #define IW_DERIVED_FILE_NAME (IW_FIELD_COUNT + 8)
    #define IW_DERIVED_KIND_NAME (IW_FIELD_COUNT + 9)
    #define IW_DERIVED_CONTAINER_ID (IW_FIELD_COUNT + 10)
    #define IW_DERIVED_CONTAINER_RUNTIME (IW_FIELD_COUNT + 11)
    #define IW_DERIVED_POD_UID (IW_FIELD_COUNT + 12)
    #define IW_DERIVED_ARG0 (IW_FIELD_COUNT + 13) /* and the nine that follow: one argument each */
    #define IW_DERIVED_TLS_JA3 (IW_FIELD_COUNT + 23)
    #define IW_DERIVED_TLS_JA4 (IW_FIELD_COUNT + 24)
    #define IW_DERIVED_DNS_DOMAIN (IW_FIELD_COUNT + 25)
    #define IW_DERIVED_DNS_ENCODED_COUNT (IW_FIELD_COUNT + 26)
    #define IW_DERIVED_THREAT_LIST (IW_FIELD_COUNT + 27)
    #define IW_DERIVED_THREAT_INDICATOR (IW_FIELD_COUNT + 28)
    #define IW_DERIVED_SRC_NETWORK (IW_FIELD_COUNT + 29)
    #define IW_FIELD_TOTAL (IW_FIELD_COUNT + 30)

    /* Callers have checked kind <= IW_KIND_TOP and field < IW_FIELD_COUNT. */
    static inline struct iw_field_place iw_place(uint32_t kind, uint32_t field)
    { return iw_fields[kind][field]; }
    static inline uint32_t iw_fixed_size(uint32_t kind)
    { return kind <= IW_KIND_TOP ? iw_kind_size[kind] : 0; }
    static inline const iw_u16 *iw_strings(uint32_t kind) { return iw_kind_strings[kind]; }
    static inline const char *iw_field_name(uint32_t field) { return iw_field_names[field]; }
    static inline const char *iw_kind_name(uint32_t kind)
    { return kind <= IW_KIND_TOP ? iw_kind_names[kind] : 0; }
    static inline const char *iw_kind_struct(uint32_t kind)
    { return kind <= IW_KIND_TOP ? iw_kind_structs[kind] : 0; }
    #endif
    """
    enum:
        IW_DERIVED_COMMAND_LINE
        IW_DERIVED_EXE_NAME
        IW_DERIVED_PARENT_EXE_PATH
        IW_DERIVED_PARENT_COMMAND_LINE
        IW_DERIVED_PARENT_COMM
        IW_DERIVED_PARENT_UID
        IW_DERIVED_PARENT_EXE_NAME
        IW_DERIVED_GRANDPARENT_EXE_PATH
        IW_DERIVED_FILE_NAME
        IW_DERIVED_KIND_NAME
        IW_DERIVED_CONTAINER_ID
        IW_DERIVED_CONTAINER_RUNTIME
        IW_DERIVED_POD_UID
        IW_DERIVED_SRC_NETWORK
        IW_DERIVED_ARG0
        IW_DERIVED_TLS_JA3
        IW_DERIVED_TLS_JA4
        IW_DERIVED_DNS_DOMAIN
        IW_DERIVED_DNS_ENCODED_COUNT
        IW_DERIVED_THREAT_LIST
        IW_DERIVED_THREAT_INDICATOR
        IW_FIELD_TOTAL
    iw_field_place iw_place(uint32_t kind, uint32_t field) noexcept nogil
    uint32_t iw_fixed_size(uint32_t kind) noexcept nogil
    const uint16_t *iw_strings(uint32_t kind) noexcept nogil
    const char *iw_field_name(uint32_t field) noexcept nogil
    const char *iw_kind_name(uint32_t kind) noexcept nogil
    const char *iw_kind_struct(uint32_t kind) noexcept nogil


cdef struct iw_value:
    uint32_t shape      # IW_SHAPE_*, 0 when absent; every integer is IW_SHAPE_U64, every text IW_SHAPE_STR
    uint32_t size       # bytes at data, for text and ip
    const uint8_t *data  # into the record, the process table or the view's scratch; valid for one record
    uint64_t number


cdef inline void wire_value(const uint8_t *record, uint32_t kind, uint32_t field, iw_value *out) noexcept nogil:
    """A wire field of a checked record; absent when the kind has no such field or the field says so."""
    cdef iw_field_place place = iw_place(kind, field)
    cdef const uint8_t *at = record + place.offset
    cdef const uint32_t *words = <const uint32_t *>at
    out.shape = 0
    if place.shape == IW_SHAPE_STR:
        if words[0] != 0:
            out.shape = IW_SHAPE_STR
            out.data = record + words[0]
            out.size = words[1]
    elif place.shape == IW_SHAPE_U32:
        out.shape = IW_SHAPE_U64
        out.number = words[0]
    elif place.shape == IW_SHAPE_U64:
        out.shape = IW_SHAPE_U64
        out.number = (<const uint64_t *>at)[0]
    elif place.shape == IW_SHAPE_U16:
        out.shape = IW_SHAPE_U64
        out.number = (<const uint16_t *>at)[0]
    elif place.shape == IW_SHAPE_IP:
        if (<const uint64_t *>at)[0] | (<const uint64_t *>at)[1]:
            out.shape = IW_SHAPE_IP
            out.data = at
            out.size = 16
    elif place.shape == IW_SHAPE_COMM:
        out.shape = IW_SHAPE_STR
        out.data = at
        out.size = 0
        while out.size < 16 and at[out.size]:
            out.size += 1
        if out.size == 0:
            out.shape = 0
