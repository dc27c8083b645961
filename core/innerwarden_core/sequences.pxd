# SPDX-License-Identifier: Apache-2.0
from innerwarden_core.windows cimport (
    LOG_EVENTS, STEPS_MAX, iw_event, iw_fired, iw_moment, iw_slot, iw_window,
)

cdef bint add_temporal(iw_window *window, iw_slot *slot, const iw_event *event, iw_fired *out) noexcept nogil
cdef bint add_ordered(iw_window *window, iw_slot *slot, const iw_event *event, iw_fired *out) noexcept nogil
