/* SPDX-License-Identifier: GPL-2.0-only */
/* Files as kernel objects: does the watch list want them, and what is told of an open. */
#ifndef IW_FILE_BPF_H
#define IW_FILE_BPF_H

#include "iw_common.bpf.h"
#include "iw_memory.bpf.h"

#define O_CREAT 0100 /* include/uapi/asm-generic/fcntl.h; x86 and arm64 have the same */
#define O_EXCL 0200
#define O_NOCTTY 0400
#define O_TRUNC 01000

#define IW_ABOVE 3 /* directories above a file that stand for it */

/* Hand (mnt, dentry) to iw_walk or iw_watched_above; non-zero when there is no scratch. */
static __always_inline int iw_base_above(struct vfsmount *mnt, struct dentry *dentry)
{
	__u32 zero = 0;
	struct iw_path_scratch *p = bpf_map_lookup_elem(&iw_path_scratch, &zero);

	if (!p)
		return 1;
	p->mnt = (__u64)mnt;
	p->dentry = (__u64)dentry;
	return 0;
}

/* Which of `asked` the list wants of the file's own name; `unsure`: its directories have a say too. */
static __always_inline __u32 iw_wanted_name(struct dentry *dentry, __u32 asked, __u32 *unsure)
{
	__u32 name = iw_watched_dentry(dentry), found = name & IW_WATCH_DIR ? 0 : name & asked;

	if (found && !(name & IW_WATCH_QUALIFIED)) {
		*unsure = 0;
		return found;
	}
	/* Directories: for every change, for a name that needs one, for reads only when configured. */
	*unsure = found || (asked & ~IW_WATCH_READ) || iw_watch_dir_reads;
	return 0;
}

/* The same of the directories above, with `self` 1 of a directory itself too; the caller holds the scratch. */
static __always_inline __u32 iw_wanted_above(struct vfsmount *mnt, struct dentry *dentry, __u32 asked, __u32 self)
{
	if (iw_base_above(mnt, dentry))
		return 0;
	return (__u32)iw_watched_above(self, IW_ABOVE + self) & asked;
}

/* Both, for changes of a file or of a watched directory; the caller holds the scratch. */
static __always_inline __u32 iw_wanted(struct vfsmount *mnt, struct dentry *dentry, __u32 asked)
{
	__u32 unsure, found = iw_wanted_name(dentry, asked, &unsure);

	return found || !unsure ? found : iw_wanted_above(mnt, dentry, asked, 1);
}

/* The record of an open, built in the scratch and sent. */
static __always_inline void iw_build_open(struct iw_counters *c, struct iw_scratch *s, __u32 hook, __u32 flags,
					  struct file *file, struct dentry *dentry, __u32 wanted)
{
	struct super_block *sb = NULL;
	struct vfsmount *mnt = NULL;
	struct inode *inode = NULL;
	__u32 err = 0, pos, seen = 0, mode = 0;
	unsigned short type = 0;
	struct iw_file_open *o;

	o = (struct iw_file_open *)s->record;
	__builtin_memset(o, 0, sizeof(*o));
	iw_fill(&o->h, iw_current(), IW_KIND_FILE_OPEN);
	IW_GET(err, mode, file, f_mode);
	IW_GET(err, inode, file, f_inode);
	IW_GET(err, sb, inode, i_sb);
	IW_GET(err, o->inode, inode, i_ino);
	IW_GET(err, o->dev, sb, s_dev);
	IW_GET(err, type, inode, i_mode);
	IW_GET(err, o->file_flags, file, f_flags);
	IW_GET(err, mnt, file, f_path.mnt);
	o->mode = type;
	o->file_flags |= flags;
	o->open_flags = (mode & FMODE_WRITE ? IW_OPEN_WRITE : 0) | (mode & FMODE_CREATED ? IW_OPEN_CREATED : 0) |
			(wanted & IW_WATCH_READ ? IW_OPEN_WATCHED_READ : 0);
	pos = iw_append_path(s, sizeof(*o), &o->path, &o->h, mnt, dentry, &seen);
	if (err)
		o->h.flags |= IW_F_READ_FAULT;
	iw_output(c, s, pos, IW_KIND_FILE_OPEN, hook, &iw_ring_bulk, IW_RING_BULK);
}

static __always_inline void iw_send_open(struct iw_counters *c, struct iw_scratch *s, __u32 hook, __u32 flags,
					 struct file *file, struct dentry *dentry, __u32 wanted)
{
	struct super_block *sb = NULL;
	struct inode *inode = NULL;
	__u32 err = 0, mode = 0;
	unsigned short type = 0;

	IW_GET(err, mode, file, f_mode);
	IW_GET(err, inode, file, f_inode);
	IW_GET(err, sb, inode, i_sb);
	IW_GET(err, type, inode, i_mode);
	/* Listing a watched directory is not reading a watched file. */
	if ((type & S_IFMT) == S_IFDIR)
		c->filtered[IW_KIND_FILE_OPEN]++;
	else if (!iw_no_room(c, &iw_ring_bulk, IW_RING_BULK, IW_KIND_FILE_OPEN))
		iw_build_open(c, s, hook, flags, file, dentry, wanted);
	if (mode & FMODE_WRITE)
		iw_memory_opened(hook, inode, sb, dentry);
}

/* Is it a mount that no process can walk to: an overlay's own view of its layers? */
static __always_inline int iw_internal(struct vfsmount *mnt)
{
	struct mount *mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
	struct mnt_namespace *ns = NULL;
	__u32 err = 0;

	IW_GET(err, ns, mount, mnt_ns);
	/* MNT_NS_INTERNAL, fs/mount.h: an error as a pointer */
	return err || (__u64)ns >= (__u64)-4095LL;
}

/* Tell of an open, whichever way it was made. `flags` are added to those that the file holds. Most end in the first test. */
static __always_inline void iw_opened(__u32 hook, __u32 flags, struct file *file)
{
	__u32 err = 0, mode = 0, asked = 0, found, unsure;
	struct dentry *dentry = NULL;
	struct vfsmount *mnt = NULL;
	struct inode *inode = NULL;
	unsigned short type = 0;
	struct iw_counters *c;
	struct iw_scratch *s;

	IW_GET(err, mode, file, f_mode);
	IW_GET(err, dentry, file, f_path.dentry);
	if (err || !dentry || (mode & FMODE_PATH))
		return;
	c = iw_count();
	if (!c)
		return;
	if (mode & FMODE_READ)
		asked |= IW_WATCH_READ;
	if (mode & FMODE_WRITE)
		asked |= IW_WATCH_WRITE;
	found = iw_wanted_name(dentry, asked, &unsure);
	if (!found && (asked & IW_WATCH_WRITE)) {
		/* Writing to a disk goes round every file on it, whatever its name. */
		IW_GET(err, inode, file, f_inode);
		IW_GET(err, type, inode, i_mode);
		if ((type & S_IFMT) == S_IFBLK)
			found = IW_WATCH_WRITE;
	}
	if (!found && !unsure) {
		c->filtered[IW_KIND_FILE_OPEN]++;
		return;
	}
	s = iw_take(c, IW_KIND_FILE_OPEN);
	if (!s)
		return;
	IW_GET(err, mnt, file, f_path.mnt);
	if (!found)
		found = iw_wanted_above(mnt, dentry, asked, 0);
	if (found && (iw_internal(mnt) || iw_own(bpf_get_current_pid_tgid() >> 32)))
		found = 0;
	/* A flood of writes must not push out the one read of a secret. */
	if (found && (found & IW_WATCH_READ || iw_allow(bpf_get_current_pid_tgid() >> 32, IW_KIND_FILE_OPEN)))
		iw_send_open(c, s, hook, flags, file, dentry, found);
	else if (!found)
		c->filtered[IW_KIND_FILE_OPEN]++;
	iw_release(c);
}

#endif
