/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names as a caller wrote them: what a syscall's exit has when the object is gone, or was never in the caller's hands.
 * Whoever uses these holds the scratch (iw_take): the text lies in the path scratch between two calls.
 */
#ifndef IW_NAME_BPF_H
#define IW_NAME_BPF_H

#include "iw_common.bpf.h"

#define AT_FDCWD_32 0xffffff9cu /* -100, include/uapi/linux/fcntl.h */
#define AT_REMOVEDIR 0x200
#define AT_EMPTY_PATH 0x1000

#define IW_NAME_LENGTH 0xffff
#define IW_NAME_WATCHED 0x10000

/*
 * Read the name at user address `name` into the path scratch; returns its length with IW_NAME_WATCHED when it, or a
 * directory above it, is watched for one of `asked` (IW_WATCH_*). 0: unreadable or empty.
 */
extern int iw_name_read(__u32 dirfd, __u64 name, __u32 asked);
/*
 * Append base path + "/" + text, which iw_name_read left in the path scratch, at `pos` of the scratch's record.
 * Returns bytes put; 0 when the base is unknown.
 */
extern int iw_name_append(__u32 dirfd, __u32 length, __u32 pos);

/* The name that was read last, as the record's next string; returns the next position. */
static __always_inline __u32 iw_append_name(__u32 pos, struct iw_str *str, struct iw_header *h, __u32 dirfd,
					    __u32 length)
{
	__u32 put = iw_name_append(dirfd, length & IW_NAME_LENGTH, pos);

	if (!put || put > 2 * IW_PATH_MAX) {
		h->flags |= IW_F_READ_FAULT;
		return pos;
	}
	str->off = pos;
	str->len = put;
	return pos + ((put + 7) & ~7u);
}

#endif
