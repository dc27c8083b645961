/* SPDX-License-Identifier: Apache-2.0 */
/* What a line said -> a wire record. */
#ifndef IW_AUTHLOG_RECORD_H
#define IW_AUTHLOG_RECORD_H

#include "authlog_base.h"

/* Copying of strings behind the fixed part of a record. */
struct iw_tail_writer {
	char *record;
	size_t used, room;
	struct iw_span copied; /* part of the line that the tail already holds ... */
	size_t copied_at;      /* ... from this offset */
	int cut;
};

static inline struct iw_str iw_put(struct iw_tail_writer *w, struct iw_span s, size_t limit)
{
	struct iw_str out = { 0, 0 };

	if (!s.len)
		return out;
	if (s.len > limit) {
		s.len = limit;
		w->cut = 1;
	}
	if (w->copied.len && s.at >= w->copied.at && s.at + s.len <= w->copied.at + w->copied.len) {
		out.off = (iw_u32)(w->copied_at + (size_t)(s.at - w->copied.at));
	} else if (s.len <= w->room - w->used) {
		iw_copy(w->record + w->used, s.at, s.len);
		out.off = (iw_u32)w->used;
		w->used += s.len;
	} else {
		w->cut = 1;
		return out;
	}
	out.len = (iw_u32)s.len;
	return out;
}

/* Write the record; 0 when `room` cannot hold it. */
static inline size_t iw_write(struct iw_auth *auth, const struct iw_line *l, char *out, size_t room)
{
	struct iw_log *r = (struct iw_log *)out;
	struct iw_tail_writer w = { out, sizeof(*r), room, { 0, 0 }, sizeof(*r), 0 };
	struct iw_span text = l->message;

	if (room < sizeof(*r) + 8)
		return 0;
	w.room = room - 7; /* padding */
	iw_zero(r, sizeof(*r));
	if (text.len > IW_AUTH_MESSAGE_MAX)
		text.len = IW_AUTH_MESSAGE_MAX;
	/* user, method, command lie inside the message: one copy serves them all. */
	r->message = iw_put(&w, l->message, IW_AUTH_MESSAGE_MAX);
	if (r->message.len) {
		w.copied = text;
		w.copied_at = r->message.off;
	}
	r->host_name = iw_put(&w, l->host, 255);
	r->program = iw_put(&w, l->program, 255);
	r->user = iw_put(&w, l->user, IW_AUTH_STRING_MAX);
	r->method = iw_put(&w, l->method, IW_AUTH_STRING_MAX);
	r->reason = iw_put(&w, l->reason, 255);
	r->command = iw_put(&w, l->command, IW_AUTH_STRING_MAX);
	r->src_host = iw_put(&w, l->src_host, 255);
	/* PERF: mostly it is the program, or its beginning, which the tail already holds. */
	if (l->service.at == l->program.at && l->service.len <= r->program.len)
		r->service = (struct iw_str){ r->program.off, (iw_u32)l->service.len };
	else
		r->service = iw_put(&w, l->service, 255);
	while (w.used & 7)
		out[w.used++] = 0;
	r->h.size = (iw_u32)w.used;
	r->h.kind = l->kind;
	r->h.flags = IW_F_REALTIME | (w.cut ? IW_F_TRUNCATED : 0);
	r->h.sequence = auth->sequence++;
	r->h.ts_ns = l->ts_ns;
	r->h.pid = l->pid;
	memcpy(r->src_ip, l->ip, 16);
	r->src_port = l->port;
	r->family = l->family;
	r->repeat_count = l->repeat;
	r->source_id = auth->source_id;
	return w.used;
}

#endif /* IW_AUTHLOG_RECORD_H */
