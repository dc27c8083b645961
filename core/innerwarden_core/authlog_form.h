/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forms of messages, for services whose lines have one fixed shape each. A form is text in which stand
 *
 *   %a  the client's address or host name, up to what follows
 *   %p  the same, with or without ":port" behind it
 *   %u  the account's name, up to the first place of the text that follows
 *   %U  the same up to the last place: for a name behind which the client writes nothing more
 *   %*  anything up to the first place of the text that follows
 *   %<  anything up to its last place
 *   %w  one word: no space, up to what follows
 *   %n  a number: attempts that the line stands for
 *   %$  the message ends here; without it anything may follow
 *
 * There is no going back: what a code takes is settled by the next literal text. That is linear, and a form says
 * by itself which of two places that look like an address counts. Where the client can write the mark on both
 * sides of its address, `once` names text that may be in the line only once.
 */
#ifndef IW_AUTHLOG_FORM_H
#define IW_AUTHLOG_FORM_H

#include "authlog_other.h"

struct iw_form {
	struct iw_span text;
	struct iw_span reason;
	struct iw_span once; /* empty: no matter */
	uint16_t kind;
};

struct iw_service {
	struct iw_span program;  /* syslog tag ... */
	uint8_t is_start;        /* ... that only begins so */
	struct iw_span name;     /* what the records call it */
	const struct iw_form *forms;
	size_t count;
};

#define IW_TEXT(s) { s, sizeof(s) - 1 }
#define IW_FAILS(text, reason) { IW_TEXT(text), IW_TEXT(reason), IW_TEXT(""), IW_KIND_AUTH_FAILED }
#define IW_FAILS_ONCE(text, reason, once) { IW_TEXT(text), IW_TEXT(reason), IW_TEXT(once), IW_KIND_AUTH_FAILED }
#define IW_SERVICE(program, name, forms) \
	{ IW_TEXT(program), 0, IW_TEXT(name), forms, sizeof(forms) / sizeof(forms[0]) }
#define IW_SERVICE_OF(start, name, forms) \
	{ IW_TEXT(start), 1, IW_TEXT(name), forms, sizeof(forms) / sizeof(forms[0]) }

/* "A", "[A]" */
static inline int iw_form_address(struct iw_line *l, struct iw_span s)
{
	if (s.len > 2 && s.at[0] == '[' && s.at[s.len - 1] == ']')
		s = (struct iw_span){ s.at + 1, s.len - 2 };
	return s.len && iw_set_source(l, s);
}

/* "A:port", "[A]:port", "UDP:A:port", "A". An IPv6 address without brackets is all address, unless it ends as IPv4. */
static inline int iw_form_endpoint(struct iw_line *l, struct iw_span s)
{
	const char *colon, *first;
	struct iw_span port;
	uint64_t value;

	if (!iw_skip(&s, "UDP:") && !iw_skip(&s, "TCP:"))
		iw_skip(&s, "TLS:");
	first = s.len ? memchr(s.at, ':', s.len) : NULL;
	if (!first)
		return iw_form_address(l, s);
	colon = memrchr(s.at, ':', s.len);
	if (colon == first || s.at[0] == '[' || memchr(s.at, '.', s.len)) {
		port = iw_span_from(s, (size_t)(colon - s.at) + 1);
		if (iw_number(&port, 65535, &value) && !port.len &&
		    iw_form_address(l, (struct iw_span){ s.at, (size_t)(colon - s.at) })) {
			l->port = (uint16_t)value;
			return 1;
		}
	}
	return iw_form_address(l, s);
}

/* The literal text at the front of `form`, up to the next code or its end. */
static inline struct iw_span iw_form_literal(struct iw_span form)
{
	return iw_until(form, '%');
}

static inline long iw_form_last(struct iw_span s, struct iw_span text)
{
	const char *at;

	if (text.len > 1)
		return iw_find_last(s, text, s.len);
	at = s.len ? memrchr(s.at, text.at[0], s.len) : NULL;
	return at ? at - s.at : -1;
}

/* What a code takes of `s`: up to the text that follows it in the form. 0 when that is not there. */
static inline int iw_form_takes(char code, struct iw_span s, struct iw_span next, struct iw_span *taken)
{
	int any = code == 'u' || code == 'U' || code == '*' || code == '<';
	long at;

	if (!next.len) {
		*taken = any ? s : iw_until(s, ' ');
		return 1;
	}
	at = code == 'U' || code == '<' ? iw_form_last(s, next) : iw_find(s, next, 0);
	if (at < 0)
		return 0;
	*taken = (struct iw_span){ s.at, (size_t)at };
	return any || !memchr(taken->at, ' ', taken->len);
}

static inline int iw_form_keep(struct iw_line *l, char code, struct iw_span taken)
{
	struct iw_span digits = taken;
	uint64_t number;

	switch (code) {
	case 'a':
		return iw_form_address(l, taken);
	case 'p':
		return iw_form_endpoint(l, taken);
	case 'u':
	case 'U':
		l->user = taken;
		return 1;
	case 'w':
		return taken.len != 0;
	case 'n':
		if (!iw_number(&digits, IW_AUTH_REPEAT_MAX, &number) || digits.len)
			return 0;
		l->repeat = number ? (uint32_t)number : 1;
		return 1;
	}
	return code == '*' || code == '<';
}

/* Does the message have this form? Fills source, user and count only then. */
static inline int iw_form_fits(struct iw_line *l, struct iw_span s, struct iw_span form)
{
	struct iw_line found = *l;
	struct iw_span literal, taken;

	for (;;) {
		char code;

		literal = iw_form_literal(form);
		if (s.len < literal.len || memcmp(s.at, literal.at, literal.len))
			return 0;
		s = iw_span_from(s, literal.len);
		form = iw_span_from(form, literal.len);
		if (form.len < 2)
			break;
		code = form.at[1];
		form = iw_span_from(form, 2);
		if (code == '$') {
			if (iw_trim(s).len)
				return 0;
			break;
		}
		literal = iw_form_literal(form);
		if (!iw_form_takes(code, s, literal, &taken) || !iw_form_keep(&found, code, taken))
			return 0;
		s = iw_span_from(s, taken.len);
	}
	*l = found;
	return 1;
}

static inline int iw_is_once(struct iw_span s, struct iw_span text)
{
	long at = iw_find(s, text, 0);

	return at >= 0 && iw_find(s, text, (size_t)at + 1) < 0;
}

/* Was a password tried, or did it not come to that? What PAM tells of the same attempt names the service instead. */
static inline int iw_is_secret(struct iw_span reason)
{
	return iw_is(reason, "wrong_password") || iw_is(reason, "unknown_user") || iw_is(reason, "max_attempts");
}

/* The first form that the message has; 0 when it has none. */
static __attribute__((noinline)) int iw_forms(struct iw_line *l, struct iw_span s, const struct iw_service *service)
{
	size_t n;

	for (n = 0; n < service->count; n++) {
		const struct iw_form *form = &service->forms[n];

		if (!iw_form_fits(l, s, form->text))
			continue;
		if (form->once.len && !iw_is_once(s, form->once))
			iw_clear_source(l);
		l->kind = form->kind;
		l->reason = form->reason;
		l->method = iw_is_secret(form->reason)	       ? IW_LIT("password") :
			    iw_starts(form->reason, "mail_") ? IW_LIT("mail") :
							       IW_LIT("connection");
		l->service = service->name;
		return 1;
	}
	return 0;
}

#endif /* IW_AUTHLOG_FORM_H */
