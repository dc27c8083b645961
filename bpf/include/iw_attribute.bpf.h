/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of a file.attribute record that syscalls and kernel objects tell alike. */
#ifndef IW_ATTRIBUTE_BPF_H
#define IW_ATTRIBUTE_BPF_H

#include "iw_common.bpf.h"
#include "iw_file.bpf.h"

struct iw_new_attribute {
	__u64 size;	 /* new_size */
	__u64 mtime_ns;
	__u32 attribute; /* enum iw_attribute */
	__u32 mode;	 /* asked for */
	__u32 uid;	 /* asked for; IW_UNSET unchanged */
	__u32 gid;
};

/* Begin the record in the scratch, which the caller holds. */
static __always_inline struct iw_file_attribute *iw_attribute_begin(struct iw_scratch *s, struct iw_new_attribute *to)
{
	struct iw_file_attribute *a = (struct iw_file_attribute *)s->record;

	__builtin_memset(a, 0, sizeof(*a));
	iw_fill(&a->h, iw_current(), IW_KIND_FILE_ATTRIBUTE);
	a->attribute = to->attribute;
	a->new_size = to->size;
	a->mtime_ns = to->mtime_ns;
	a->new_uid = to->uid;
	a->new_gid = to->gid;
	return a;
}

/* Identity, mode as it is now, and path of the file; returns the next position. */
static __always_inline __u32 iw_attribute_file(struct iw_scratch *s, struct iw_file_attribute *a, struct vfsmount *mnt,
					       struct dentry *dentry)
{
	struct super_block *sb = NULL;
	struct inode *inode = NULL;
	unsigned short mode = 0;
	__u32 err = 0, seen;

	IW_GET(err, inode, dentry, d_inode);
	IW_GET(err, a->inode, inode, i_ino);
	IW_GET(err, mode, inode, i_mode);
	IW_GET(err, sb, inode, i_sb);
	IW_GET(err, a->dev, sb, s_dev);
	a->mode = mode;
	if (err)
		a->h.flags |= IW_F_READ_FAULT;
	return iw_append_path(s, sizeof(*a), &a->path, &a->h, mnt, dentry, &seen);
}

/* Send it and give the scratch back. `decisive`: a whole tree of watched files must not push it out. */
static __always_inline void iw_attribute_end(struct iw_counters *c, struct iw_scratch *s, __u32 pos, __u32 hook,
					     int decisive)
{
	if (decisive)
		iw_output(c, s, pos, IW_KIND_FILE_ATTRIBUTE, hook, &iw_ring_prio, IW_RING_PRIO);
	else
		iw_output(c, s, pos, IW_KIND_FILE_ATTRIBUTE, hook, &iw_ring_bulk, IW_RING_BULK);
	iw_release(c);
}

#endif
