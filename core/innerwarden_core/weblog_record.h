/* SPDX-License-Identifier: Apache-2.0 */
/* What a web server's line said -> a wire record. */
#ifndef IW_WEBLOG_RECORD_H
#define IW_WEBLOG_RECORD_H

#include "weblog_url.h"

/* url_decoded: the url itself when nothing in it is encoded. */
static inline struct iw_str iw_web_put_decoded(struct iw_tail_writer *t, struct iw_span url, struct iw_str raw)
{
	struct iw_str out = raw;

	if (url.len > IW_WEB_URL_MAX)
		url.len = IW_WEB_URL_MAX;
	if (!memchr(url.at, '%', url.len) && !memchr(url.at, '+', url.len) && !memchr(url.at, '\\', url.len))
		return out;
	if (url.len > t->room - t->used) {
		t->cut = 1;
		return out;
	}
	out.off = (iw_u32)t->used;
	out.len = (iw_u32)iw_web_decode(t->record + t->used, url);
	t->used += out.len;
	return out;
}

static inline void iw_web_header(struct iw_weblog *w, struct iw_header *h, const struct iw_line *l, uint16_t kind,
				 struct iw_tail_writer *t)
{
	while (t->used & 7)
		t->record[t->used++] = 0;
	h->size = (iw_u32)t->used;
	h->kind = kind;
	h->flags = IW_F_REALTIME | (t->cut ? IW_F_TRUNCATED : 0);
	h->sequence = w->frame.sequence++;
	h->ts_ns = l->ts_ns;
	h->pid = l->pid;
}

/* The message first, so that what lies inside it is not copied again. */
static inline struct iw_str iw_web_message(struct iw_tail_writer *t, struct iw_span message)
{
	struct iw_str out = iw_put(t, message, IW_AUTH_MESSAGE_MAX);

	if (out.len) {
		t->copied = (struct iw_span){ message.at, out.len };
		t->copied_at = out.off;
	}
	return out;
}

/* 0 when `room` cannot hold it. */
static inline size_t iw_web_write_request(struct iw_weblog *w, const struct iw_web *web, char *out, size_t room)
{
	struct iw_web_request *r = (struct iw_web_request *)out;
	struct iw_tail_writer t = { out, sizeof(*r), room, { 0, 0 }, sizeof(*r), 0 };
	const struct iw_line *l = &web->l;

	if (room < sizeof(*r) + 8)
		return 0;
	t.room = room - 7; /* padding */
	iw_zero(r, sizeof(*r));
	r->message = iw_web_message(&t, l->message);
	r->host_name = iw_put(&t, l->host, IW_WEB_NAME_MAX);
	r->program = iw_put(&t, l->program, IW_WEB_NAME_MAX);
	r->user = iw_put(&t, l->user, IW_WEB_NAME_MAX);
	r->src_host = iw_put(&t, l->src_host, IW_WEB_NAME_MAX);
	r->http_method = iw_put(&t, web->method, IW_WEB_NAME_MAX);
	r->http_version = iw_put(&t, web->version, IW_WEB_NAME_MAX);
	r->http_host = iw_put(&t, web->vhost, IW_WEB_NAME_MAX);
	r->url = iw_put(&t, web->url, IW_WEB_URL_MAX);
	r->url_path = iw_put(&t, web->path, IW_WEB_URL_MAX);
	r->url_query = iw_put(&t, web->query, IW_WEB_URL_MAX);
	r->url_decoded = web->url.len ? iw_web_put_decoded(&t, web->url, r->url) : r->url;
	r->referer = iw_put(&t, web->referer, IW_WEB_HEADER_MAX);
	r->user_agent = iw_put(&t, web->agent, IW_WEB_HEADER_MAX);
	iw_web_header(w, &r->h, l, IW_KIND_WEB_REQUEST, &t);
	memcpy(r->src_ip, l->ip, 16);
	r->family = l->family;
	r->repeat_count = 1;
	r->source_id = w->frame.source_id;
	r->http_status = web->status;
	r->bytes_sent = web->bytes;
	return t.used;
}

/* The same for a line of an error log. */
static inline size_t iw_web_write_error(struct iw_weblog *w, const struct iw_web *web, char *out, size_t room)
{
	struct iw_web_error *r = (struct iw_web_error *)out;
	struct iw_tail_writer t = { out, sizeof(*r), room, { 0, 0 }, sizeof(*r), 0 };
	const struct iw_line *l = &web->l;

	if (room < sizeof(*r) + 8)
		return 0;
	t.room = room - 7; /* padding */
	iw_zero(r, sizeof(*r));
	r->message = iw_web_message(&t, l->message);
	r->host_name = iw_put(&t, l->host, IW_WEB_NAME_MAX);
	r->program = iw_put(&t, l->program, IW_WEB_NAME_MAX);
	r->user = iw_put(&t, l->user, IW_WEB_NAME_MAX);
	r->src_host = iw_put(&t, l->src_host, IW_WEB_NAME_MAX);
	r->reason = iw_put(&t, l->reason, IW_WEB_NAME_MAX);
	r->log_level = iw_put(&t, web->level, IW_WEB_NAME_MAX);
	r->path = iw_put(&t, web->file, IW_WEB_HEADER_MAX);
	r->http_method = iw_put(&t, web->method, IW_WEB_NAME_MAX);
	r->http_host = iw_put(&t, web->vhost, IW_WEB_NAME_MAX);
	r->url = iw_put(&t, web->url, IW_WEB_URL_MAX);
	r->url_path = iw_put(&t, web->path, IW_WEB_URL_MAX);
	r->url_decoded = web->url.len ? iw_web_put_decoded(&t, web->url, r->url) : r->url;
	r->rule_id = iw_put(&t, web->rule, IW_WEB_NAME_MAX);
	r->rule_message = iw_put(&t, web->rule_message, IW_WEB_HEADER_MAX);
	iw_web_header(w, &r->h, l, IW_KIND_WEB_ERROR, &t);
	memcpy(r->src_ip, l->ip, 16);
	r->src_port = l->port;
	r->family = l->family;
	r->repeat_count = 1;
	r->source_id = w->frame.source_id;
	return t.used;
}

#endif /* IW_WEBLOG_RECORD_H */
