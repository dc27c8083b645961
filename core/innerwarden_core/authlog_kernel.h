/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of the kernel. First: packets that its firewall logged (net/ipv4/netfilter/nf_log_ipv4.c and its kin, the same for iptables,
 * nftables and ufw).
 *
 *   [ 123.456789] PREFIX IN=eth0 OUT= MAC=... SRC=A DST=B LEN=40 ... PROTO=TCP SPT=55555 DPT=22 WINDOW=1024 RES=0x00 SYN URGP=0
 */
#ifndef IW_AUTHLOG_KERNEL_H
#define IW_AUTHLOG_KERNEL_H

#include "authlog_addr.h"
#include "authlog_record.h"

/* rsyslog keeps the kernel's own time before the text, the journal does not. */
static inline struct iw_span iw_kernel_text(struct iw_span s)
{
	struct iw_span rest = s;
	uint64_t number;

	if (!iw_skip(&rest, "["))
		return s;
	rest = iw_trim(rest);
	if (!iw_number(&rest, INT64_MAX, &number) || !iw_skip(&rest, ".") || !iw_number(&rest, INT64_MAX, &number) ||
	    !iw_skip(&rest, "]"))
		return s;
	return iw_trim(rest);
}

/* What the operator's own words before the packet say of its fate. */
static inline struct iw_span iw_firewall_action(struct iw_span prefix)
{
	static const struct { struct iw_span word; struct iw_span action; } words[] = {
		{ { "block", 5 }, { "block", 5 } },  { { "drop", 4 }, { "block", 5 } },
		{ { "deny", 4 }, { "block", 5 } },   { { "denied", 6 }, { "block", 5 } },
		{ { "reject", 6 }, { "block", 5 } }, { { "allow", 5 }, { "allow", 5 } },
		{ { "accept", 6 }, { "allow", 5 } },
	};
	char text[64];
	struct iw_span lower = { text, prefix.len < sizeof(text) ? prefix.len : sizeof(text) };
	size_t n;

	for (n = 0; n < lower.len; n++)
		text[n] = prefix.at[n] >= 'A' && prefix.at[n] <= 'Z' ? (char)(prefix.at[n] | 0x20) : prefix.at[n];
	for (n = 0; n < sizeof(words) / sizeof(words[0]); n++)
		if (iw_find(lower, words[n].word, 0) >= 0)
			return words[n].action;
	return IW_LIT("log");
}

static inline uint16_t iw_firewall_protocol(struct iw_span s)
{
	uint64_t number;

	if (iw_is(s, "TCP"))
		return 6;
	if (iw_is(s, "UDP"))
		return 17;
	if (iw_is(s, "ICMP"))
		return 1;
	if (iw_is(s, "ICMPv6"))
		return 58;
	if (iw_is(s, "UDPLITE"))
		return 136;
	if (iw_is(s, "ESP"))
		return 50;
	if (iw_is(s, "AH"))
		return 51;
	return iw_number(&s, 255, &number) && !s.len ? (uint16_t)number : 65535;
}

static inline int iw_is_tcp_flag(struct iw_span s)
{
	return iw_is(s, "SYN") || iw_is(s, "ACK") || iw_is(s, "FIN") || iw_is(s, "RST") || iw_is(s, "PSH") ||
	       iw_is(s, "URG") || iw_is(s, "ECE") || iw_is(s, "CWR");
}

static inline uint16_t iw_firewall_port(struct iw_span s)
{
	uint64_t number;

	return iw_number(&s, 65535, &number) ? (uint16_t)number : 0;
}

/* One word of the packet's description; 0 when its source or destination is no address. */
static inline int iw_firewall_word(struct iw_line *l, struct iw_span word)
{
	if (iw_skip(&word, "IN="))
		l->in = word;
	else if (iw_skip(&word, "OUT="))
		l->out = word;
	else if (iw_skip(&word, "SRC="))
		return iw_parse_ip(word, l->ip, &l->family);
	else if (iw_skip(&word, "DST="))
		return iw_parse_ip(word, l->dst_ip, &l->dst_family);
	else if (iw_skip(&word, "PROTO="))
		l->protocol = iw_firewall_protocol(word);
	else if (iw_skip(&word, "SPT="))
		l->port = iw_firewall_port(word);
	else if (iw_skip(&word, "DPT="))
		l->dst_port = iw_firewall_port(word);
	else if (iw_is_tcp_flag(word))
		l->flags = l->flags.len ? (struct iw_span){ l->flags.at, (size_t)(word.at + word.len - l->flags.at) } : word;
	return 1;
}

static inline void iw_firewall(struct iw_line *l, struct iw_span s)
{
	long at = iw_find(s, IW_LIT("IN="), 0);
	struct iw_span rest, word;

	if (at < 0 || iw_find(s, IW_LIT(" OUT="), (size_t)at) < 0)
		return;
	l->prefix = iw_trim((struct iw_span){ s.at, (size_t)at });
	/* An ICMP error carries another packet's description in brackets. */
	for (rest = iw_span_from(s, (size_t)at); rest.len && rest.at[0] != '['; rest = iw_trim(rest)) {
		word = iw_until(rest, ' ');
		if (!iw_firewall_word(l, word))
			return;
		rest = iw_span_from(rest, word.len);
	}
	if (!l->family || !l->dst_family)
		return;
	l->action = iw_firewall_action(l->prefix);
	l->kind = IW_KIND_FIREWALL_PACKET;
}

/* Write the record; 0 when `room` cannot hold it. */
static inline size_t iw_write_firewall(struct iw_auth *auth, const struct iw_line *l, char *out, size_t room)
{
	struct iw_firewall_packet *r = (struct iw_firewall_packet *)out;
	struct iw_tail_writer w = { out, sizeof(*r), room, { 0, 0 }, sizeof(*r), 0 };

	if (room < sizeof(*r) + 8)
		return 0;
	w.room = room - 7; /* padding */
	iw_zero(r, sizeof(*r));
	r->message = iw_put(&w, l->said, IW_AUTH_MESSAGE_MAX);
	if (r->message.len) {
		w.copied = (struct iw_span){ l->said.at, r->message.len };
		w.copied_at = r->message.off;
	}
	r->host_name = iw_put(&w, l->host, 255);
	r->action = iw_put(&w, l->action, 255);
	r->log_prefix = iw_put(&w, l->prefix, 255);
	r->in_interface = iw_put(&w, l->in, 255);
	r->out_interface = iw_put(&w, l->out, 255);
	r->tcp_flags = iw_put(&w, l->flags, 255);
	while (w.used & 7)
		out[w.used++] = 0;
	r->h.size = (iw_u32)w.used;
	r->h.kind = l->kind;
	r->h.flags = IW_F_REALTIME | (w.cut ? IW_F_TRUNCATED : 0);
	r->h.sequence = auth->sequence++;
	r->h.ts_ns = l->ts_ns;
	memcpy(r->src_ip, l->ip, 16);
	memcpy(r->dst_ip, l->dst_ip, 16);
	r->src_port = l->port;
	r->dst_port = l->dst_port;
	r->family = l->family;
	r->protocol = l->protocol;
	r->repeat_count = l->repeat;
	r->source_id = auth->source_id;
	return w.used;
}

/* "NAME[PID]" that ends right before `end`; 0 when it is none. A task name may hold anything but a NUL. */
static inline int iw_kernel_task(struct iw_line *l, struct iw_span s, size_t end)
{
	struct iw_span digits;
	size_t n = end;
	uint64_t pid;

	while (n && s.at[n - 1] >= '0' && s.at[n - 1] <= '9')
		n--;
	digits = (struct iw_span){ s.at + n, end - n };
	if (n < 2 || s.at[n - 1] != '[' || !iw_number(&digits, UINT32_MAX, &pid))
		return 0;
	l->name = (struct iw_span){ s.at, n - 1 };
	l->pid = (uint32_t)pid;
	return 1;
}

/* arch/x86/mm/fault.c show_signal_msg, arch/x86/kernel/traps.c show_signal */
static inline int iw_kernel_crash(struct iw_line *l, struct iw_span s)
{
	long at = -1;

	if (iw_skip(&s, "traps: ")) {
		at = iw_find(s, IW_LIT("] general protection fault"), 0);
		if (at < 0)
			at = iw_find(s, IW_LIT("] trap "), 0);
		return at >= 0 && iw_kernel_task(l, s, (size_t)at);
	}
	while ((at = iw_find(s, IW_LIT("]: segfault at "), (size_t)(at + 1))) >= 0)
		if (iw_kernel_task(l, s, (size_t)at))
			return 1;
	return 0;
}

/* mm/oom_kill.c __oom_kill_process: "Out of memory: Killed process 5 (name) total-vm:..." */
static inline int iw_kernel_oom(struct iw_line *l, struct iw_span s)
{
	uint64_t pid;
	long end;

	if ((!iw_skip(&s, "Out of memory") && !iw_skip(&s, "Memory cgroup out of memory")) ||
	    !iw_skip(&s, ": Killed process ") || !iw_number(&s, UINT32_MAX, &pid) || !iw_skip(&s, " ("))
		return 0;
	end = iw_find(s, IW_LIT(") total-vm:"), 0);
	if (end <= 0)
		return 0;
	l->name = (struct iw_span){ s.at, (size_t)end };
	l->pid = (uint32_t)pid;
	return 1;
}

/* The word before `mark`; 0 when the mark is not there. */
static inline int iw_kernel_word_before(struct iw_line *l, struct iw_span s, struct iw_span mark)
{
	long at = iw_find(s, mark, 0);
	size_t n;

	if (at < 0)
		return 0;
	for (n = (size_t)at; n && s.at[n - 1] != ' '; n--)
		;
	l->name = (struct iw_span){ s.at + n, (size_t)at - n };
	return l->name.len != 0;
}

/* Lines that are about no packet. */
static inline void iw_kernel_fact(struct iw_line *l, struct iw_span s)
{
	long at;

	if (iw_kernel_crash(l, s)) {
		l->reason = IW_LIT("crash");
	} else if (iw_kernel_oom(l, s)) {
		l->reason = IW_LIT("oom_kill");
	} else if (iw_starts(s, "usb ") && (at = iw_find(s, IW_LIT(": New USB device found, "), 0)) >= 0) {
		l->name = iw_span_from(s, (size_t)at + sizeof(": New USB device found, ") - 1);
		at = iw_find(l->name, IW_LIT(", bcdDevice="), 0);
		if (at >= 0)
			l->name.len = (size_t)at;
		l->reason = IW_LIT("usb_device");
	} else if (iw_kernel_word_before(l, s, IW_LIT(": loading out-of-tree module taints kernel")) ||
		   iw_kernel_word_before(l, s, IW_LIT(": module verification failed: ")) ||
		   iw_kernel_word_before(l, s, IW_LIT(": module license '"))) {
		l->reason = IW_LIT("module_taint");
	} else if (iw_kernel_word_before(l, s, IW_LIT(": entered promiscuous mode")) ||
		   (iw_starts(s, "device ") && iw_kernel_word_before(l, s, IW_LIT(" entered promiscuous mode")))) {
		l->reason = IW_LIT("promiscuous");
	} else {
		return;
	}
	l->kind = IW_KIND_KERNEL_LOG;
}

/* Write the record; 0 when `room` cannot hold it. */
static inline size_t iw_write_kernel(struct iw_auth *auth, const struct iw_line *l, char *out, size_t room)
{
	struct iw_kernel_log *r = (struct iw_kernel_log *)out;
	struct iw_tail_writer w = { out, sizeof(*r), room, { 0, 0 }, sizeof(*r), 0 };

	if (room < sizeof(*r) + 8)
		return 0;
	w.room = room - 7; /* padding */
	iw_zero(r, sizeof(*r));
	r->message = iw_put(&w, l->said, IW_AUTH_MESSAGE_MAX);
	if (r->message.len) {
		w.copied = (struct iw_span){ l->said.at, r->message.len };
		w.copied_at = r->message.off;
	}
	r->host_name = iw_put(&w, l->host, 255);
	r->reason = iw_put(&w, l->reason, 255);
	r->name = iw_put(&w, l->name, 255);
	while (w.used & 7)
		out[w.used++] = 0;
	r->h.size = (iw_u32)w.used;
	r->h.kind = l->kind;
	r->h.flags = IW_F_REALTIME | (w.cut ? IW_F_TRUNCATED : 0);
	r->h.sequence = auth->sequence++;
	r->h.ts_ns = l->ts_ns;
	r->h.pid = l->pid;
	r->repeat_count = l->repeat;
	r->source_id = auth->source_id;
	return w.used;
}

#endif /* IW_AUTHLOG_KERNEL_H */
