/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of an sshd process between its lines. */
#ifndef IW_AUTHLOG_CONNECTION_H
#define IW_AUTHLOG_CONNECTION_H

#include "authlog_base.h"

static inline uint32_t iw_host_hash(struct iw_span host)
{
	uint32_t hash = 2166136261u, word;
	size_t n;

	for (n = 0; n + 4 <= host.len && n < 64; n += 4) {
		memcpy(&word, host.at + n, 4);
		hash = (hash ^ word) * 16777619u;
		hash ^= hash >> 15;
	}
	for (; n < host.len && n < 64; n++)
		hash = (hash ^ (uint8_t)host.at[n]) * 16777619u;
	return hash;
}

/* The state of this line's sshd process, cleared when it belongs to an earlier process of the same pid. */
static inline struct iw_connection *iw_connection_of(struct iw_auth *auth, const struct iw_line *l)
{
	struct iw_connection *c = &auth->connections[l->pid & (IW_AUTH_CONNECTIONS - 1)];
	int64_t now_s = (int64_t)(l->ts_ns / 1000000000ULL);
	uint32_t hash = iw_host_hash(l->host);

	if (!l->pid)
		c = &auth->nobody;
	if (!l->pid || c->pid != l->pid || c->host_hash != hash || now_s - c->seen_s > IW_AUTH_CONNECTION_S ||
	    c->seen_s - now_s > IW_AUTH_CONNECTION_S) {
		memset(c, 0, sizeof(*c));
		c->pid = l->pid;
		c->host_hash = hash;
	}
	c->seen_s = now_s;
	return c;
}

static inline void iw_clear_source(struct iw_line *l)
{
	memset(l->ip, 0, sizeof(l->ip));
	l->family = l->port = 0;
	l->src_host.len = 0;
}

/* A line without an address takes the connection's; one with an address tells it to the connection. */
static inline void iw_share_source(struct iw_connection *c, struct iw_line *l)
{
	if (l->family) {
		if (c->family && (memcmp(c->ip, l->ip, 16) || (c->port && l->port && c->port != l->port))) {
			c->flags = 0;
			c->pam_failures = 0;
		}
		memcpy(c->ip, l->ip, 16);
		c->family = l->family;
		c->port = l->port;
	} else if (c->family && !l->src_host.len && !(c->flags & IW_CONN_ENDED)) {
		memcpy(l->ip, c->ip, 16);
		l->family = c->family;
		l->port = c->port;
	}
}

static inline void iw_begin(struct iw_connection *c)
{
	if (c->flags & IW_CONN_ENDED)
		c->flags = c->pam_failures = 0;
}

#endif /* IW_AUTHLOG_CONNECTION_H */
