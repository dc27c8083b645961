/* SPDX-License-Identifier: Apache-2.0 */
/* What was parsed -> network.dns and network.tls records, in a buffer of our own. */
#ifndef IW_PAYLOAD_RECORD_H
#define IW_PAYLOAD_RECORD_H

#include "payload_dns.h"
#include "payload_tls.h"

#define IW_PAYLOAD_NAME_MAX 255 /* bytes of a server or protocol name; RFC 1035 2.3.4, RFC 7301 3.1 */
/* A record with all its strings: the two names as text, the hello, padding. */
#define IW_DERIVED_MAX (sizeof(struct iw_network_tls) + 2 * IW_PAYLOAD_NAME_MAX * IW_ESCAPED + IW_HELLO_MAX + 8)

/* Does what there is to do with one record; it is valid during the call. */
typedef void (*iw_payload_emit)(void *context, const uint8_t *record);

struct iw_payload_writer {
	iw_payload_emit emit;
	void *context;
	uint64_t *out; /* IW_DERIVED_MAX bytes */
};

static inline struct iw_str iw_string_at(uint32_t at, size_t len)
{
	return (struct iw_str){ len ? at : 0, (uint32_t)len };
}

/* Both kinds begin like network.payload up to its addresses and ports. */
#define IW_COPY_ENDS(to, from)                             \
	do {                                               \
		(to)->h = (from)->h;                       \
		memcpy((to)->src_ip, (from)->src_ip, 16);  \
		memcpy((to)->dst_ip, (from)->dst_ip, 16);  \
		(to)->src_port = (from)->src_port;         \
		(to)->dst_port = (from)->dst_port;         \
		(to)->family = (from)->family;             \
		(to)->protocol = (from)->protocol;         \
	} while (0)

static inline void iw_payload_send(const struct iw_payload_writer *w, size_t size, uint16_t kind)
{
	struct iw_header *h = (struct iw_header *)w->out;

	while (size & 7)
		((uint8_t *)w->out)[size++] = 0;
	h->size = (uint32_t)size;
	h->kind = kind;
	w->emit(w->context, (const uint8_t *)w->out);
}

static inline void iw_write_dns(const struct iw_payload_writer *w, const struct iw_network_payload *from,
				const struct iw_dns *dns)
{
	struct iw_network_dns *r = (struct iw_network_dns *)w->out;

	IW_COPY_ENDS(r, from);
	r->dns_type = dns->type;
	r->dns_id = dns->id;
	r->dns_flags = dns->flags;
	r->reserved0 = 0;
	r->dns_query = iw_string_at(sizeof(*r), dns->name_len);
	memcpy(r + 1, dns->name, dns->name_len);
	iw_payload_send(w, sizeof(*r) + dns->name_len, IW_KIND_NETWORK_DNS);
}

/* A name as text at `at`, cut at IW_PAYLOAD_NAME_MAX bytes of its own. */
static inline struct iw_str iw_write_name(struct iw_network_tls *r, size_t at, struct iw_rest name)
{
	if (name.len > IW_PAYLOAD_NAME_MAX) {
		name.len = IW_PAYLOAD_NAME_MAX;
		r->h.flags |= IW_F_TRUNCATED;
	}
	return iw_string_at((uint32_t)at, iw_name_text((char *)r + at, name.at, name.len, 0));
}

static inline void iw_write_tls(const struct iw_payload_writer *w, const struct iw_network_payload *from,
				const struct iw_hello *hello)
{
	struct iw_network_tls *r = (struct iw_network_tls *)w->out;
	size_t size = sizeof(*r);

	IW_COPY_ENDS(r, from);
	r->tls_version = hello->version;
	r->tls_flags = hello->flags;
	r->tls_sni = iw_write_name(r, size, hello->sni);
	size += r->tls_sni.len;
	r->tls_alpn = iw_write_name(r, size, hello->alpn);
	size += r->tls_alpn.len;
	r->tls_hello = iw_string_at((uint32_t)size, hello->size);
	memcpy((char *)r + size, hello->message, hello->size);
	iw_payload_send(w, size + hello->size, IW_KIND_NETWORK_TLS);
}

#endif /* IW_PAYLOAD_RECORD_H */
