# SPDX-License-Identifier: Apache-2.0
"""The native parser of authentication logs: one line in, one wire record out, no regular expression.

Which line counts as what (authlog_sshd.h, authlog_sshd_lines.h, authlog_local.h, authlog_other.h have the patterns):

=================  =====================================================================================
kind               lines
=================  =====================================================================================
ssh.login_failed   "Failed password|keyboard-interactive|none|gssapi-... for"; "Failed publickey for invalid
                   user"; sshd's "error: PAM: Authentication failure for" (the "Failed keyboard-interactive"
                   of the same attempt is then auth.failed); the end of a connection whose user was refused
                   and that gave no "Failed" line (key-only servers); dropbear's bad password and
                   nonexistent user; PAM before 0.99 in sshd's name. One line for each attempt.
ssh.login_success  "Accepted METHOD for"; dropbear's "auth succeeded"
ssh.probe          "Invalid user", "User ... not allowed because" (the verdict follows); connections that end,
                   time out, are refused or talk nonsense before a login is tried
ssh.disconnect     ends of every other connection
auth.failed        what accompanies an attempt or is no guess of a secret: PAM's authentication failures,
                   refused keys of known users, too many attempts, sudo and su refusals, locked accounts
auth.session       PAM "session opened|closed for user"
sudo.command       sudo's command lines
user.change        useradd, usermod, groupadd, passwd and their kin
firewall.packet    packets that the kernel's firewall logged (iptables, nftables, ufw), authlog_kernel.h
kernel.log         what the kernel complains of: crashes, processes killed for memory, USB devices, modules that
                   taint it, interfaces that listen to everything
=================  =====================================================================================

`repeat_count` is the N of "message repeated N times", "PAM N more authentication failures" and sudo's
"N incorrect password attempts". Memory is fixed: a table of 1,024 recent sshd processes.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

cdef extern from "authlog.h" nogil:
    struct iw_span:
        const char *at
        size_t len
    void iw_auth_set_now(iw_auth *auth, int64_t now_s, int64_t utc_offset_s)
    size_t iw_auth_parse(iw_auth *auth, const char *line, size_t length, char *out, size_t room)
    size_t iw_auth_parse_message(
        iw_auth *auth, uint64_t ts_ns, iw_span host, iw_span program, uint32_t pid, iw_span message,
        char *out, size_t room)

cdef enum:
    ROOM = 65536  # IW_RECORD_MAX


cdef iw_span span(bytes text):
    cdef iw_span out
    out.at = text
    out.len = len(text)
    return out


cdef class AuthDedup:
    """What two parsers of the same messages share, so that each message counts once (authlog_dedup.h).

    Bounded: 8,192 messages of the last minute. Both parsers and this belong to one thread.
    """

    def __cinit__(self):
        memset(&self.table, 0, sizeof(self.table))

    def stats(self):
        """duplicates (messages not counted again), evicted (messages that may count twice)."""
        return {"duplicates": self.table.duplicates, "evicted": self.table.evicted}


cdef class AuthParser(LineParser):
    """sshd, PAM, sudo, su and account-tool lines -> log records; the module's docstring says which.

    `now_s` and `utc_offset_s` complete RFC 3164 times: the newest year that is not in the future. With `dedup`
    two parsers, one of them `second`, drop what the other one already told. `service_files`: lines may have the
    forms of files that servers write themselves (authlog_files.h) besides syslog's.
    """

    def __cinit__(
        self,
        *,
        int64_t now_s,
        int64_t utc_offset_s=0,
        uint32_t source_id=0,
        AuthDedup dedup=None,
        bint second=False,
        bint service_files=False,
    ):
        memset(&self.auth, 0, sizeof(self.auth))
        self.auth.source_id = source_id
        self.auth.service_files = service_files
        self.shared = dedup
        if dedup is not None:
            self.auth.dedup = &dedup.table
            self.auth.side = -1 if second else 1
        iw_auth_set_now(&self.auth, now_s, utc_offset_s)
        self.scratch = <char *>malloc(ROOM)
        if self.scratch == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.scratch)

    cdef size_t parse_into(self, const char* line, size_t length, char* out, size_t room) noexcept nogil:
        return iw_auth_parse(&self.auth, line, length, out, room)

    def set_now(self, int64_t now_s, int64_t utc_offset_s=0):
        """Move the bound of the year guess and the zone on; a process that runs on needs both."""
        iw_auth_set_now(&self.auth, now_s, utc_offset_s)

    def parse(self, bytes line not None):
        """One line -> one record, or None when the line says nothing about authentication."""
        cdef size_t written = iw_auth_parse(&self.auth, line, len(line), self.scratch, ROOM)
        return PyBytes_FromStringAndSize(self.scratch, written) if written else None

    def parse_message(
        self, uint64_t ts_ns, bytes host not None, bytes program not None, uint32_t pid, bytes message not None
    ):
        """The same for a line already split, as journald delivers it."""
        cdef size_t written = iw_auth_parse_message(
            &self.auth, ts_ns, span(host), span(program), pid, span(message), self.scratch, ROOM
        )
        return PyBytes_FromStringAndSize(self.scratch, written) if written else None

    def stats(self):
        """lines, matched, ignored, malformed, too_long."""
        return {
            "lines": self.auth.lines,
            "matched": self.auth.matched,
            "ignored": self.auth.ignored,
            "malformed": self.auth.malformed,
            "too_long": self.auth.too_long,
        }
