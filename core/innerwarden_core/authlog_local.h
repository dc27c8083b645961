/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PAM, sudo, su and the account tools.
 *
 * One attempt is told by several lines. Counted is the program's own line where it always writes one (sshd,
 * sudo, su), PAM's otherwise (login, vsftpd, cron, ...); for sshd PAM's lines are auth.failed beside the
 * ssh.login_failed of its own.
 */
#ifndef IW_AUTHLOG_LOCAL_H
#define IW_AUTHLOG_LOCAL_H

#include "authlog_addr.h"

/* Value of " key=" up to the next space, `found` 0 when the key is not there. */
static inline struct iw_span iw_pam_value(struct iw_span s, struct iw_span key, int *found)
{
	long at = iw_find(s, key, 0);

	*found = at >= 0;
	return at < 0 ? (struct iw_span){ s.at, 0 } : iw_until(iw_span_from(s, (size_t)at + key.len), ' ');
}

/* "logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root": rhost comes before the client's text. */
static inline void iw_pam_who(struct iw_line *l, struct iw_span s)
{
	int found;
	struct iw_span value = iw_pam_value(s, IW_LIT(" rhost="), &found);

	if (found && value.len)
		iw_set_source(l, value);
	if (found)
		s = iw_span_from(s, (size_t)(value.at - s.at) + value.len);
	if ((value.len = (size_t)(iw_find(s, IW_LIT(" user="), 0) + 1)) > 0)
		l->user = iw_trim(iw_span_from(s, value.len + 5));
}

static inline int iw_counts_itself(struct iw_span service)
{
	return iw_is(service, "sudo") || iw_is(service, "sudo-i") || iw_is(service, "su") || iw_is(service, "su-l");
}

/* "session opened for user bob(uid=1000) by root(uid=0)", "session closed for user bob" */
static inline void iw_pam_session(struct iw_line *l, struct iw_span s, struct iw_span service)
{
	long by;

	if (iw_skip(&s, "session opened for user "))
		l->reason = IW_LIT("opened");
	else if (iw_skip(&s, "session closed for user "))
		l->reason = IW_LIT("closed");
	else
		return;
	by = iw_find(s, IW_LIT(" by "), 0);
	if (by >= 0)
		s.len = (size_t)by;
	by = iw_find(s, IW_LIT("(uid="), 0);
	if (by >= 0)
		s.len = (size_t)by;
	l->user = iw_trim(s);
	l->method = l->service = service;
	l->kind = IW_KIND_AUTH_SESSION;
}

/* What a PAM module says, after "pam_unix(service:type): " or an older form of it. */
static inline void iw_pam_said(struct iw_line *l, struct iw_span s, struct iw_span service, int old_form)
{
	if (iw_starts(s, "session ")) {
		iw_pam_session(l, s, service);
	} else if (iw_skip(&s, "authentication failure;")) {
		if (iw_counts_itself(service))
			return;
		iw_pam_who(l, s);
		l->method = l->service = service;
		l->reason = IW_LIT("wrong_password");
		/* Linux-PAM before 0.99 and its sshd: the only line of the attempt in this log. */
		l->kind = old_form && iw_is(service, "sshd") ? IW_KIND_SSH_LOGIN_FAILED : IW_KIND_AUTH_FAILED;
	} else if (iw_skip(&s, "password changed for ")) {
		l->user = iw_trim(s);
		l->method = IW_LIT("password_changed");
		l->kind = IW_KIND_USER_CHANGE;
	} else if (iw_skip(&s, "Consecutive login failures for user ")) {
		l->user = iw_until(s, ' ');
		l->method = l->service = service;
		l->reason = IW_LIT("account_locked");
		l->kind = IW_KIND_AUTH_FAILED;
	}
}

/* "pam_unix(sshd:auth): ..." */
static inline void iw_pam(struct iw_line *l, struct iw_span s)
{
	struct iw_span module = iw_until(s, '('), inside, service;

	if (module.len == s.len || module.len > 32)
		return;
	inside = iw_until(iw_span_from(s, module.len + 1), ')');
	s = iw_span_from(s, module.len + 1 + inside.len);
	if (!iw_skip(&s, "): "))
		return;
	service = iw_until(inside, ':');
	iw_pam_said(l, s, service, 0);
}

/* "PAM 2 more authentication failures; logname= ...": those after the first of one connection. */
static inline int iw_pam_more(struct iw_line *l, struct iw_span s)
{
	uint64_t more;

	if (!iw_skip(&s, "PAM ") || !iw_number(&s, IW_AUTH_REPEAT_MAX, &more) || !more)
		return 0;
	if (!iw_skip(&s, " more authentication failure"))
		return 0;
	if (iw_counts_itself(l->program))
		return 1;
	iw_pam_who(l, s);
	l->repeat = (uint32_t)more;
	l->method = l->program;
	l->reason = IW_LIT("wrong_password");
	l->kind = IW_KIND_AUTH_FAILED;
	return 1;
}

/* "bob : TTY=pts/0 ; PWD=/home/bob ; USER=root ; COMMAND=/bin/ls", "bob : 3 incorrect password attempts ; ..." */
static inline void iw_sudo(struct iw_line *l, struct iw_span s)
{
	long colon = iw_find(s, IW_LIT(" : "), 0), command, target;
	uint64_t attempts;

	if (colon <= 0)
		return;
	l->user = (struct iw_span){ s.at, (size_t)colon };
	s = iw_span_from(s, (size_t)colon + 3);
	/* The first COMMAND=: a directory's name may hold another, then the real one is still in the text. */
	command = iw_starts(s, "COMMAND=") ? 0 : iw_find(s, IW_LIT(" ; COMMAND="), 0);
	if (command < 0)
		return;
	l->command = iw_span_from(s, (size_t)command + (command ? 11 : 8));
	target = iw_find((struct iw_span){ s.at, (size_t)command }, IW_LIT(" ; USER="), 0);
	if (target >= 0) {
		l->method = iw_span_from(s, (size_t)target + 8);
		l->method.len = (size_t)(command - target - 8);
		target = iw_find(l->method, IW_LIT(" ; "), 0);
		if (target >= 0)
			l->method.len = (size_t)target;
	}
	l->kind = IW_KIND_SUDO_COMMAND;
	if (iw_starts(s, "TTY=") || iw_starts(s, "PWD=") || iw_starts(s, "HOST=") || iw_starts(s, "CHROOT=") ||
	    iw_starts(s, "GROUP=") || iw_starts(s, "COMMAND=") || iw_starts(s, "USER="))
		return;
	l->kind = IW_KIND_AUTH_FAILED;
	if (iw_number(&s, IW_AUTH_REPEAT_MAX, &attempts) && attempts && iw_starts(s, " incorrect password")) {
		l->repeat = (uint32_t)attempts;
		l->reason = IW_LIT("wrong_password");
	} else if (iw_find(s, IW_LIT("NOT in sudoers"), 0) >= 0 || iw_starts(s, "user NOT authorized")) {
		l->reason = IW_LIT("not_in_sudoers");
	} else if (iw_starts(s, "command not allowed")) {
		l->reason = IW_LIT("command_not_allowed");
	} else {
		l->reason = IW_LIT("refused");
	}
}

/* util-linux "FAILED SU (to root) bob on pts/0", shadow "FAILED su for root by bob", BSD "BAD SU bob to root on", AIX
 * "failed: tty changing from bob to root" */
static inline void iw_su(struct iw_line *l, struct iw_span s)
{
	long at;

	if (iw_skip(&s, "FAILED SU (to ")) {
		l->user = iw_until(s, ')');
	} else if (iw_skip(&s, "FAILED su for ")) {
		at = iw_find_last(s, IW_LIT(" by "), s.len);
		l->user = at < 0 ? s : (struct iw_span){ s.at, (size_t)at };
	} else if (iw_starts(s, "failed: ") && (at = iw_find(s, IW_LIT(" changing from "), 0)) >= 0) {
		at = iw_find_last(s, IW_LIT(" to "), s.len);
		if (at < 0)
			return;
		l->user = iw_span_from(s, (size_t)at + 4);
	} else if (iw_skip(&s, "BAD SU ") && (at = iw_find(s, IW_LIT(" to "), 0)) >= 0) {
		l->user = iw_until(iw_span_from(s, (size_t)at + 4), ' ');
	} else {
		return;
	}
	l->method = IW_LIT("su");
	l->reason = IW_LIT("wrong_password");
	l->kind = IW_KIND_AUTH_FAILED;
}

struct iw_verb {
	struct iw_span start;    /* the message begins so */
	struct iw_span contains; /* and holds this; empty: anything */
	struct iw_span verb;
	char stop;               /* the account's name ends before this character */
};

#define IW_VERB(start, contains, verb, stop) \
	{ { start, sizeof(start) - 1 }, { contains, sizeof(contains) - 1 }, { verb, sizeof(verb) - 1 }, stop }

/* shadow's tools; the first that fits counts, so the special ones come first. */
static inline void iw_account_tool(struct iw_line *l, struct iw_span s)
{
	static const struct iw_verb verbs[] = {
		IW_VERB("new user: name=", "", "user_added", ','),
		IW_VERB("new account: ", "", "user_added", ','),
		IW_VERB("new group: name=", "", "group_added", ','),
		IW_VERB("add '", "' to group '", "group_member_added", '\''),
		IW_VERB("delete user '", "", "user_deleted", '\''),
		IW_VERB("delete '", "' from group '", "group_member_removed", '\''),
		IW_VERB("removed group '", "", "group_deleted", '\''),
		IW_VERB("group '", "' removed", "group_deleted", '\''),
		IW_VERB("change user '", "' UID from '", "uid_changed", '\''),
		IW_VERB("change user '", "' GID from '", "gid_changed", '\''),
		IW_VERB("change user '", "' shell from '", "shell_changed", '\''),
		IW_VERB("change user '", "' home from '", "home_changed", '\''),
		IW_VERB("change user '", "' password", "password_changed", '\''),
		IW_VERB("change user '", "", "user_changed", '\''),
		IW_VERB("change user name '", "", "user_renamed", '\''),
		IW_VERB("changed user '", "' shell", "shell_changed", '\''),
		IW_VERB("changed user '", "", "user_changed", '\''),
		IW_VERB("changed password expiry for ", "", "password_expiry_changed", ' '),
		IW_VERB("password for '", "' changed by ", "password_changed", '\''),
		IW_VERB("lock user '", "", "user_locked", '\''),
		IW_VERB("unlock user '", "", "user_unlocked", '\''),
		IW_VERB("user ", " added by ", "group_member_added", ' '),
		IW_VERB("user ", " removed by ", "group_member_removed", ' '),
	};
	size_t n;

	for (n = 0; n < sizeof(verbs) / sizeof(verbs[0]); n++) {
		const struct iw_verb *v = &verbs[n];

		if (s.len < v->start.len || memcmp(s.at, v->start.at, v->start.len))
			continue;
		if (v->contains.len && iw_find(s, v->contains, 0) < 0)
			continue;
		l->user = iw_until(iw_span_from(s, v->start.len), v->stop);
		l->method = v->verb;
		l->kind = IW_KIND_USER_CHANGE;
		return;
	}
}

#endif /* IW_AUTHLOG_LOCAL_H */
