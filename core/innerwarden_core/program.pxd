# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from innerwarden_core.fields cimport IW_SHAPE_U64, iw_value
from innerwarden_core.grams cimport iw_exact, iw_grams
from innerwarden_core.spot cimport iw_spot, spot_number
from innerwarden_core.text cimport hash_bytes, iw_mix
from innerwarden_core.view cimport iw_view

cdef enum:
    KINDS = 192

cdef struct iw_literal:
    const uint8_t *data     # bytes; for OP_CIDR the 16 address bytes, for OP_RE the compiled pattern
    uint32_t size           # bytes; for OP_CIDR the prefix length
    uint64_t number

cdef struct iw_predicate:
    uint32_t field
    uint8_t op
    uint8_t cased
    uint8_t shared          # several rules ask: worth remembering per record
    iw_spot spot            # of `field`
    uint32_t first          # its literals
    uint32_t count

cdef struct iw_node:
    uint32_t predicate
    int32_t on_true
    int32_t on_false

cdef struct iw_binding:
    uint32_t window
    uint32_t step
    uint32_t group

cdef struct iw_rule:
    uint32_t owner
    uint32_t first          # its nodes
    uint32_t group
    uint32_t binding_first
    uint32_t binding_count
    uint8_t emit
    uint8_t plain           # no test, or only whether a number of the header is the wanted one
    iw_spot spot
    uint64_t mask           # 0 without a test
    uint64_t wanted
    uint64_t owner_hash
    uint64_t cooldown_ns

# A tuple of group-by fields; rules and correlations with the same tuple share one, and its hash per record.
cdef struct iw_group:
    uint32_t first          # its fields
    uint32_t count
    iw_spot spot            # of its only field
    uint64_t stamp
    uint64_t hash
    uint8_t complete        # no field of it is absent

cdef struct iw_index:
    uint32_t field
    iw_grams wide
    iw_grams narrow
    iw_exact exact

cdef struct iw_dispatch:
    uint32_t always_first
    uint32_t always_count
    uint32_t index_first
    uint32_t index_count

cdef struct iw_program:
    iw_literal *literals
    iw_predicate *predicates
    uint64_t *remembered    # per predicate: stamp << 1 | result
    iw_node *nodes
    iw_rule *rules
    uint32_t rule_count
    uint64_t *stamps        # per rule
    uint32_t *matches       # room for all rules
    uint32_t *always
    iw_binding *bindings
    iw_group *groups
    uint32_t *group_fields
    iw_index *indexes
    uint32_t index_count
    iw_dispatch kinds[KINDS]

cdef uint32_t program_match(iw_program *program, iw_view *view) noexcept nogil
cdef void group_hash(iw_program *program, iw_view *view, iw_group *group, uint64_t seed) noexcept nogil

cdef inline const iw_group *program_group(
    iw_program *program, iw_view *view, uint32_t index, uint64_t seed,
) noexcept nogil:
    """The group with its hash for this record."""
    cdef iw_group *group = &program.groups[index]
    if group.stamp != view.stamp:
        group.stamp = view.stamp
        group_hash(program, view, group, seed)
    return group

cdef inline bint program_key(
    iw_program *program, iw_view *view, uint32_t index, uint64_t seed, uint64_t *key,
) noexcept nogil:
    """What the group's events are kept under in a window; False when a field of the group is absent."""
    cdef const iw_group *group = &program.groups[index]
    if group.spot.size:
        # PERF: most windows count per process or user. As group_hash does it, in line. Row 2 of the benchmarks.
        key[0] = iw_mix(spot_number(view.header, group.spot) ^ seed)
        return True
    if group.count == 0:
        key[0] = seed  # without group-by all events share one window
        return True
    group = program_group(program, view, index, seed)
    key[0] = group.hash
    return group.complete

cdef inline uint64_t hash_value(const iw_value *value, uint64_t seed) noexcept nogil:
    if value.shape == IW_SHAPE_U64:
        return iw_mix(value.number ^ seed)
    if value.shape:
        return hash_bytes(value.data, value.size, seed)
    return iw_mix(seed)


cdef class Program:
    cdef iw_program program
    cdef readonly list owners   # owner index -> id
    cdef dict _owner_ids
    cdef dict _groups
    cdef list _group_fields
    cdef list _keep             # bytes and Regex objects that literals point into
    cdef dict _numbers          # predicate key -> [its number, how often it is used]
    cdef uint32_t owner_id(self, str owner) except? 0xFFFFFFFF
    cdef uint32_t group_id(self, tuple fields) except? 0xFFFFFFFF
    cdef void *array(self, size_t count, size_t size) except NULL
