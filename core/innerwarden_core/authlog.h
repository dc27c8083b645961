/* SPDX-License-Identifier: Apache-2.0 */
/* One syslog line -> header, program, message -> what it says -> a wire record. */
#ifndef IW_AUTHLOG_H
#define IW_AUTHLOG_H

#include "authlog_dedup.h"
#include "authlog_files.h"
#include "authlog_kernel.h"
#include "authlog_local.h"
#include "authlog_other.h"
#include "authlog_record.h"
#include "authlog_sshd_lines.h"
#include "authlog_time.h"

static inline int iw_is_account_tool(struct iw_span p)
{
	return iw_is(p, "useradd") || iw_is(p, "usermod") || iw_is(p, "userdel") || iw_is(p, "groupadd") ||
	       iw_is(p, "groupmod") || iw_is(p, "groupdel") || iw_is(p, "gpasswd") || iw_is(p, "passwd") ||
	       iw_is(p, "chpasswd") || iw_is(p, "newusers") || iw_is(p, "chage") || iw_is(p, "chfn") || iw_is(p, "chsh");
}

/* "message repeated 5 times: [ Failed password ...]" (rsyslog) */
static inline struct iw_span iw_unrepeat(struct iw_line *l, struct iw_span s)
{
	struct iw_span inner = s;
	uint64_t times;

	if (!iw_skip(&inner, "message repeated ") || !iw_number(&inner, IW_AUTH_REPEAT_MAX, &times) || !times ||
	    !iw_skip(&inner, " times: ["))
		return s;
	l->repeat = l->told = (uint32_t)times;
	if (inner.len && inner.at[inner.len - 1] == ']')
		inner.len--;
	return iw_trim(inner);
}

/* Fill `l` from l->program and l->message. Sets l->kind when the line says something. */
static inline void iw_judge(struct iw_auth *auth, struct iw_line *l)
{
	struct iw_span p = l->program, s = l->message, service;

	if (!p.len || !s.len)
		return;
	if (iw_starts(s, "[ID ")) { /* Solaris: "[ID 800047 auth.info] " */
		long at = iw_find(s, IW_LIT("] "), 0);

		s = at < 0 ? s : iw_span_from(s, (size_t)at + 2);
	}
	l->repeat = l->told = 1;
	if (s.len > 20 && s.at[0] == 'm')
		s = iw_unrepeat(l, s);
	if (iw_is(p, "kernel"))
		s = iw_kernel_text(s);
	l->said = s;
	if (iw_is(p, "kernel")) {
		iw_firewall(l, s);
		if (!l->kind)
			iw_kernel_fact(l, s);
		if (!l->kind && iw_starts(s, "wireguard: "))
			iw_forms(l, s, &iw_wireguard);
	} else if (iw_starts(s, "pam_")) {
		iw_pam(l, s);
	} else if (s.len && s.at[0] == 'P' && iw_pam_more(l, s)) {
		return;
	} else if (iw_ends(p, "(pam_unix)") || iw_skip(&s, "(pam_unix) ")) {
		service = iw_until(p, '(');
		iw_pam_said(l, s, service, 1);
	} else if (iw_starts(p, "sshd")) {
		if (p.len == 4 || iw_is(p, "sshd-session") || iw_is(p, "sshd-auth"))
			iw_sshd(auth, l, s);
	} else if (iw_is(p, "sudo")) {
		iw_sudo(l, s);
	} else if (iw_is(p, "su")) {
		iw_su(l, s);
	} else if (iw_is(p, "dropbear")) {
		iw_dropbear(l, s);
	} else if (iw_is_account_tool(p)) {
		iw_account_tool(l, s);
	} else {
		iw_service(auth, l, s);
		if (!l->kind && iw_starts(s, "authentication failure;"))
			iw_pam_said(l, s, p, 0);
	}
}

/* Who was asked, where the line's own pattern does not say: the program itself. */
static inline void iw_name_service(struct iw_line *l)
{
	if (l->service.len || l->kind < IW_KIND_SSH_LOGIN_FAILED || l->kind > IW_KIND_AUTH_FAILED)
		return;
	l->service = l->program;
	if (iw_starts(l->program, "sshd"))
		l->service.len = 4; /* sshd-session and sshd-auth are sshd */
}

/* "program[pid]: message", "program: message" */
static inline int iw_split_tag(struct iw_line *l, struct iw_span s)
{
	size_t n = 0;
	uint64_t pid = 0;
	struct iw_span rest;

	if (iw_skip(&s, "[")) { /* "[sshd]: ...": a logger that puts all of it into the brackets */
		l->program = iw_until(s, ']');
		s = iw_span_from(s, l->program.len);
		l->message = s.len > 2 ? iw_trim(iw_span_from(s, 2)) : s;
		return l->program.len && l->program.len < 256 && iw_starts(s, "]: ");
	}
	while (n < s.len && s.at[n] != '[' && s.at[n] != ':' && s.at[n] != ' ')
		n++;
	if (!n || n > 255 || n == s.len || s.at[n] == ' ')
		return 0;
	l->program = (struct iw_span){ s.at, n };
	rest = iw_span_from(s, n);
	if (rest.at[0] == '[') {
		rest = iw_span_from(rest, 1);
		if (!iw_number(&rest, UINT32_MAX, &pid) || !iw_skip(&rest, "]"))
			return 0;
	}
	if (!iw_skip(&rest, ":") && !iw_is(l->program, "proftpd")) /* ProFTPD: "proftpd[7] SERVER (...): ..." */
		return 0;
	l->pid = (uint32_t)pid;
	l->message = iw_trim(rest);
	return 1;
}

/* RFC 5424 after its version and time: "host program procid msgid [data] message", "-" for what is absent. */
static inline int iw_split_5424(struct iw_line *l, struct iw_span s)
{
	struct iw_span field[4];
	uint64_t pid;
	int n, quoted = 0;

	for (n = 0; n < 4; n++) {
		field[n] = iw_until(s, ' ');
		if (!field[n].len || field[n].len == s.len)
			return 0;
		s = iw_span_from(s, field[n].len + 1);
	}
	if (iw_starts(s, "-")) {
		s = iw_span_from(s, 1);
	} else {
		while (s.len && s.at[0] == '[') {
			for (s = iw_span_from(s, 1); s.len && (quoted || s.at[0] != ']'); s = iw_span_from(s, 1)) {
				if (s.at[0] == '\\' && s.len > 1)
					s = iw_span_from(s, 1);
				else if (s.at[0] == '"')
					quoted = !quoted;
			}
			if (!s.len)
				return 0;
			s = iw_span_from(s, 1);
		}
	}
	if (!iw_is(field[0], "-"))
		l->host = field[0];
	l->program = field[1];
	l->pid = iw_number(&field[2], UINT32_MAX, &pid) && !field[2].len ? (uint32_t)pid : 0;
	iw_skip(&s, " ");
	iw_skip(&s, "\xef\xbb\xbf");
	l->message = iw_trim(s);
	return 1;
}

/* Split one line; 0 when it is no syslog line. */
static inline __attribute__((always_inline)) int iw_split(struct iw_auth *auth, struct iw_line *l, struct iw_span s)
{
	struct iw_span token;
	uint64_t number;
	int modern = 0;

	if (s.at[0] == '<') {
		s = iw_span_from(s, 1);
		if (!iw_number(&s, 191, &number) || !iw_skip(&s, ">"))
			return 0;
		modern = iw_skip(&s, "1 ");
	}
	if (!s.len || !(s.at[0] >= '0' && s.at[0] <= '9' ? iw_time_3339(auth, &s, &l->ts_ns) :
							   iw_time_3164(auth, &s, &l->ts_ns)))
		return 0;
	if (!s.len || s.at[0] != ' ')
		return 0;
	s = iw_trim(s);
	if (modern)
		return iw_split_5424(l, s);
	token = iw_until(s, ' ');
	/* Some write no host name; then the tag comes first, and ends in a colon. */
	if (token.len == s.len || (token.len && (token.at[token.len - 1] == ':' || iw_starts(token, "proftpd["))))
		return iw_split_tag(l, s);
	l->host = token;
	if (!iw_split_tag(l, iw_trim(iw_span_from(s, token.len))))
		return 0;
	/* "sogod [7]: ...", a file's own form without a host: what was taken for the host is the program. */
	token = l->program;
	if (auth->service_files && token.at[0] >= '0' && token.at[0] <= '9' && token.at[-1] == '[' &&
	    iw_number(&token, UINT32_MAX, &number) && !token.len) {
		l->pid = (uint32_t)number;
		l->program = l->host;
		l->host.len = 0;
	}
	return 1;
}

static inline size_t iw_finish(struct iw_auth *auth, struct iw_line *l, char *out, size_t room)
{
	size_t written;

	iw_judge(auth, l);
	iw_name_service(l);
	if (l->kind && auth->dedup) {
		/* What a message stands for by itself ("PAM 2 more ...") is not how often it was told. */
		uint32_t fresh = iw_dedup_new(auth, l->program, l->said, l->ts_ns, l->told);

		if (!fresh)
			l->kind = 0;
		else if (fresh < l->told)
			l->repeat = fresh;
	}
	if (l->kind == IW_KIND_FIREWALL_PACKET)
		written = iw_write_firewall(auth, l, out, room);
	else if (l->kind == IW_KIND_KERNEL_LOG)
		written = iw_write_kernel(auth, l, out, room);
	else
		written = l->kind ? iw_write(auth, l, out, room) : 0;
	if (written)
		auth->matched++;
	else
		auth->ignored++;
	return written;
}

/* A syslog line, or where such are read one of a server's own file; 0 when it is neither. */
static __attribute__((noinline)) int iw_line_of(struct iw_auth *auth, struct iw_line *l, struct iw_span s)
{
	/* "2026-11-02 10:00:00 TLS Error: ..." would do as syslog's too; Exim's form is what is left of all others. */
	if (s.len > 20 && s.at[10] == ' ' && iw_file_line(auth, l, s) && !iw_is(l->program, "exim"))
		return 1;
	iw_zero(l, sizeof(*l));
	if (iw_split(auth, l, s))
		return 1;
	iw_zero(l, sizeof(*l));
	return iw_file_line(auth, l, s);
}

/* One line without its newline. Bytes written at `out`, 0 when it says nothing. */
static inline size_t iw_auth_parse(struct iw_auth *auth, const char *line, size_t length, char *out, size_t room)
{
	struct iw_line l;

	auth->lines++;
	while (length && (line[length - 1] == '\r' || line[length - 1] == '\n'))
		length--;
	if (!length) {
		auth->ignored++;
		return 0;
	}
	if (length > IW_AUTH_LINE_MAX) {
		auth->too_long++;
		return 0;
	}
	iw_zero(&l, sizeof(l));
	/* PERF: the split of an authentication log's lines stays inlined here; what files of servers need is apart. */
	if (auth->service_files ? !iw_line_of(auth, &l, (struct iw_span){ line, length }) :
				  !iw_split(auth, &l, (struct iw_span){ line, length })) {
		auth->malformed++;
		return 0;
	}
	return iw_finish(auth, &l, out, room);
}

/* A line that its carrier already split, as journald does. */
static inline size_t iw_auth_parse_message(struct iw_auth *auth, uint64_t ts_ns, struct iw_span host,
					   struct iw_span program, uint32_t pid, struct iw_span message,
					   char *out, size_t room)
{
	struct iw_line l;

	auth->lines++;
	if (message.len > IW_AUTH_LINE_MAX || program.len > 255) {
		auth->too_long++;
		return 0;
	}
	iw_zero(&l, sizeof(l));
	l.ts_ns = ts_ns;
	l.host = host;
	l.program = program;
	l.pid = pid;
	l.message = iw_trim(message);
	return iw_finish(auth, &l, out, room);
}

static inline void iw_auth_set_now(struct iw_auth *auth, int64_t now_s, int64_t utc_offset_s)
{
	auth->now_s = now_s > 0 ? now_s : 0;
	auth->utc_offset_s = utc_offset_s;
	auth->day_text = 0;
}

#endif /* IW_AUTHLOG_H */
