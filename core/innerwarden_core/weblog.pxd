# SPDX-License-Identifier: Apache-2.0
from innerwarden_core.authlog cimport iw_auth
from innerwarden_core.lines cimport LineParser

cdef extern from "weblog.h" nogil:
    struct iw_weblog:
        iw_auth frame


cdef class WebParser(LineParser):
    cdef iw_weblog log
    cdef char *scratch
