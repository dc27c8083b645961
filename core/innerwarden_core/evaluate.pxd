# SPDX-License-Identifier: Apache-2.0
from innerwarden_core.program cimport iw_literal, iw_predicate
from innerwarden_core.view cimport iw_view

cdef bint predicate_true(const iw_predicate *predicate, const iw_literal *literals, iw_view *view) noexcept nogil
