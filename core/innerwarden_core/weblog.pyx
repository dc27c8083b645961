# SPDX-License-Identifier: Apache-2.0
"""The native parser of web server logs: one line in, one wire record out, no regular expression.

===========  ==============================================================================================
kind         lines
===========  ==============================================================================================
web.request  access logs in common, combined and vhost_combined format, bare or in a syslog frame; what a
             client sent instead of a request (TLS on a plain port) is told without method and url
web.error    error logs of nginx and Apache, where they tell of a client; `reason` is not_found, forbidden,
             permission_denied, script_unknown, malformed_request, unknown_user, wrong_password,
             wrong_credentials, no_credentials, rate_limited, tls_failed, shellshock, modsecurity_denied,
             modsecurity_matched, or absent
===========  ==============================================================================================
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

cdef extern from "weblog.h" nogil:
    void iw_auth_set_now(iw_auth *auth, int64_t now_s, int64_t utc_offset_s)
    size_t iw_web_parse(iw_weblog *log, const char *line, size_t length, char *out, size_t room)

cdef enum:
    ROOM = 65536  # IW_RECORD_MAX


cdef class WebParser(LineParser):
    """Lines of nginx and Apache -> log records; the module's docstring says which.

    `now_s` and `utc_offset_s` complete the times of syslog frames, which have no year.
    """

    def __cinit__(self, *, int64_t now_s, int64_t utc_offset_s=0, uint32_t source_id=0):
        memset(&self.log, 0, sizeof(self.log))
        self.log.frame.source_id = source_id
        iw_auth_set_now(&self.log.frame, now_s, utc_offset_s)
        self.scratch = <char *>malloc(ROOM)
        if self.scratch == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.scratch)

    cdef size_t parse_into(self, const char* line, size_t length, char* out, size_t room) noexcept nogil:
        return iw_web_parse(&self.log, line, length, out, room)

    def set_now(self, int64_t now_s, int64_t utc_offset_s=0):
        """Move the bound of the year guess and the zone on."""
        iw_auth_set_now(&self.log.frame, now_s, utc_offset_s)

    def parse(self, bytes line not None):
        """One line -> one record, or None when it is no line of a web server's log."""
        cdef size_t written = iw_web_parse(&self.log, line, len(line), self.scratch, ROOM)
        return PyBytes_FromStringAndSize(self.scratch, written) if written else None

    def stats(self):
        """lines, matched, ignored, malformed, too_long."""
        return {
            "lines": self.log.frame.lines,
            "matched": self.log.frame.matched,
            "ignored": self.log.frame.ignored,
            "malformed": self.log.frame.malformed,
            "too_long": self.log.frame.too_long,
        }
