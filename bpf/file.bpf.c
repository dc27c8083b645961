// SPDX-License-Identifier: GPL-2.0-only
/* Opens of watched files, from the open file itself; renames and deletes of watched names. */
#include "include/iw_common.bpf.h"
#include "include/iw_call.bpf.h"

#define AT_FDCWD_32 0xffffff9cu /* -100, include/uapi/linux/fcntl.h */
#define AT_REMOVEDIR 0x200
#define O_CREAT 0100 /* include/uapi/asm-generic/fcntl.h; x86 and arm64 have the same */
#define O_EXCL 0200
#define O_NOCTTY 0400
#define O_TRUNC 01000
#define IW_PARTS 4	  /* last components of a name that are looked at */
#define IW_TAIL_BYTES 256 /* of a name, searched for those components */

/* Hand (mnt, dentry) to iw_walk or iw_watched_above; non-zero when there is no scratch. */
static __always_inline int base_above(struct vfsmount *mnt, struct dentry *dentry)
{
	__u32 zero = 0;
	struct iw_path_scratch *p = bpf_map_lookup_elem(&iw_path_scratch, &zero);

	if (!p)
		return 1;
	p->mnt = (__u64)mnt;
	p->dentry = (__u64)dentry;
	return 0;
}

/* What the watch list wants of this open: IW_WATCH_READ and IW_WATCH_WRITE bits. Most opens end in the first test. */
static __always_inline __u32 open_wanted(struct file *file, struct dentry *dentry, __u32 mode)
{
	__u32 asked = 0, name, found, err = 0;
	struct vfsmount *mnt = NULL;

	if (mode & FMODE_READ)
		asked |= IW_WATCH_READ;
	if (mode & FMODE_WRITE)
		asked |= IW_WATCH_WRITE;
	name = iw_watched_dentry(dentry);
	found = name & IW_WATCH_DIR ? 0 : name & asked;
	if (found && !(name & IW_WATCH_QUALIFIED))
		return found;
	/* Directories: for every open for writing, for a name that needs one, for reads only when configured. */
	if (!found && !(asked & IW_WATCH_WRITE) && !iw_watch_dir_reads)
		return 0;
	IW_GET(err, mnt, file, f_path.mnt);
	if (err || base_above(mnt, dentry))
		return 0;
	return (__u32)iw_watched_above(0, 3) & asked;
}

/* The bits that the open file forgets once they are done (do_dentry_open), from the call. */
static __always_inline __u32 call_flags(struct iw_call *call)
{
	__u64 flags = 0;

	switch (call->hook) {
	case IW_HOOK_OPEN:
		flags = iw_call_arg(call, 1);
		break;
	case IW_HOOK_CREAT:
		flags = O_CREAT | O_TRUNC;
		break;
	case IW_HOOK_OPENAT2: /* struct open_how begins with them */
		if (bpf_probe_read_user(&flags, sizeof(flags), (void *)iw_call_arg(call, 2)))
			flags = 0;
		break;
	default: /* openat, open_by_handle_at */
		flags = iw_call_arg(call, 2);
	}
	return flags & (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC);
}

static __always_inline int send_open(__u32 hook, __u32 flags, struct file *file, struct dentry *dentry, __u32 mode,
				     __u32 wanted)
{
	struct task_struct *task = iw_current();
	struct iw_counters *c = iw_count();
	struct super_block *sb = NULL;
	struct vfsmount *mnt = NULL;
	struct inode *inode = NULL;
	unsigned short type = 0;
	__u32 err = 0, pos, seen = 0;
	struct iw_file_open *o;
	struct iw_scratch *s;

	if (!c)
		return 0;
	s = iw_take(c, IW_KIND_FILE_OPEN);
	if (!s)
		return 0;
	o = (struct iw_file_open *)s->record;
	__builtin_memset(o, 0, sizeof(*o));
	iw_fill(&o->h, task, IW_KIND_FILE_OPEN);
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
	/* Listing a watched directory is not reading a watched file. */
	if ((type & S_IFMT) == S_IFDIR)
		c->filtered[IW_KIND_FILE_OPEN]++;
	else
		iw_output(c, s, pos, IW_KIND_FILE_OPEN, hook, &iw_ring_bulk, IW_RING_BULK);
	iw_release(c);
	return 0;
}

/* openat, open, openat2, creat, open_by_handle_at: whichever call made the descriptor, the file is the same. */
SEC("tp_btf/sys_exit")
int iw_do_open(__u64 *ctx)
{
	struct dentry *dentry = NULL;
	struct iw_counters *c;
	__u32 err = 0, mode = 0, wanted;
	struct iw_call call;
	struct file *file;

	if (iw_call_begin(ctx, &call) || call.ret < 0)
		return 0;
	file = iw_fd_file(iw_current(), call.ret);
	if (!file)
		return 0;
	IW_GET(err, mode, file, f_mode);
	IW_GET(err, dentry, file, f_path.dentry);
	if (err || !dentry || (mode & FMODE_PATH))
		return 0;
	wanted = open_wanted(file, dentry, mode);
	if (!wanted || iw_own(bpf_get_current_pid_tgid() >> 32)) {
		c = iw_count();
		if (c)
			c->filtered[IW_KIND_FILE_OPEN]++;
		return 0;
	}
	/* A flood of writes must not push out the one read of a secret. */
	if (!(wanted & IW_WATCH_READ) && !iw_allow(bpf_get_current_pid_tgid() >> 32, IW_KIND_FILE_OPEN))
		return 0;
	return send_open(call.hook, call_flags(&call), file, dentry, mode, wanted);
}

/* Note the text's last components, last first, in p->start and p->end; returns how many. */
static __always_inline __u32 split_text(struct iw_path_scratch *p, __u32 length)
{
	__u32 at, i;

	p->parts = 0;
	p->at = length; /* end of the component that is being passed */
#pragma clang loop unroll(disable)
	for (i = 0; i < IW_TAIL_BYTES; i++) {
		if (i > length)
			break;
		at = length - i; /* the byte before `at`, or the text's beginning */
		asm volatile("" : "+r"(at));
		if (at && p->text[(at - 1) & (IW_PATH_MAX - 1)] != '/')
			continue;
		if (p->at > at) {
			p->start[p->parts & 7] = at;
			p->end[p->parts & 7] = p->at;
			p->parts++;
		}
		p->at = at ? at - 1 : 0;
		if (!at || p->parts >= IW_PARTS)
			break;
	}
	return p->parts;
}

/* (mnt, dentry) that a relative name starts from; non-zero when there is none. */
static __always_inline int name_base(struct task_struct *task, __u32 dirfd, struct vfsmount **mnt,
				     struct dentry **dentry)
{
	struct fs_struct *fs = NULL;
	struct file *file;
	__u32 err = 0;

	if (dirfd == AT_FDCWD_32) {
		IW_GET(err, fs, task, fs);
		IW_GET(err, *mnt, fs, pwd.mnt);
		IW_GET(err, *dentry, fs, pwd.dentry);
	} else {
		file = iw_fd_file(task, dirfd);
		IW_GET(err, *mnt, file, f_path.mnt);
		IW_GET(err, *dentry, file, f_path.dentry);
	}
	return err || !*mnt || !*dentry;
}

/*
 * Read the name at user address `name` into the path scratch; returns its length with IW_NAME_WATCHED when it,
 * or a directory above it, is watched for changes of the name space. 0: unreadable or empty.
 */
#define IW_NAME_WATCHED 0x10000
__noinline int iw_name_read(__u32 dirfd, __u64 name)
{
	struct vfsmount *mnt = NULL;
	struct dentry *dentry = NULL;
	struct iw_path_scratch *p;
	__u32 zero = 0, parts, flags, i;
	long length;

	p = bpf_map_lookup_elem(&iw_path_scratch, &zero);
	if (!p)
		return 0;
	length = bpf_probe_read_user_str(p->text, IW_PATH_MAX, (void *)name);
	if (length <= 1 || length > IW_PATH_MAX)
		return 0;
	length--;
	parts = split_text(p, length);
#pragma clang loop unroll(disable)
	for (i = 0; i < IW_PARTS; i++) {
		if (i >= parts)
			break;
		flags = iw_watched_text(p->start[i], p->end[i] - p->start[i]);
		/* A directory's own name is a name too: renaming cron.d away matters. */
		if ((flags & IW_WATCH_NAMESPACE) && (i == 0 || (flags & IW_WATCH_DIR)))
			return length | IW_NAME_WATCHED;
	}
	if (p->text[0] == '/' || !parts || parts >= IW_PARTS)
		return length;
	if (name_base(iw_current(), dirfd, &mnt, &dentry))
		return length;
	if (base_above(mnt, dentry))
		return length;
	if (iw_watched_above(1, IW_PARTS - parts) & IW_WATCH_NAMESPACE)
		return length | IW_NAME_WATCHED;
	return length;
}

/*
 * Append base path + "/" + text, which iw_name_read left in the path scratch, at `pos` of the scratch's record.
 * Returns bytes put; 0 when the base is unknown.
 */
__noinline int iw_name_append(__u32 dirfd, __u32 length, __u32 pos)
{
	__u32 zero = 0, base, walked, start, end = pos;
	struct iw_path_scratch *p;
	struct vfsmount *mnt = NULL;
	struct dentry *dentry = NULL;
	struct iw_scratch *s;

	p = bpf_map_lookup_elem(&iw_path_scratch, &zero);
	s = bpf_map_lookup_elem(&iw_scratch, &zero);
	if (!p || !s || !length || length >= IW_PATH_MAX || pos + 2 * IW_PATH_MAX > IW_START_MASK)
		return 0;
	if (p->text[0] != '/') {
		if (name_base(iw_current(), dirfd, &mnt, &dentry) || base_above(mnt, dentry))
			return 0;
		walked = iw_walk();
		if (walked & IW_SEEN_PARTIAL)
			((struct iw_header *)s->record)->flags |= IW_F_PATH_PARTIAL;
		start = walked & IW_SEEN_OFFSET;
		/* The walk leaves the first byte free, so a base is shorter than 4096 bytes. */
		if (!start || start >= IW_PATH_MAX)
			return 0;
		base = IW_PATH_MAX - start;
		if (bpf_probe_read_kernel(&s->record[iw_masked(pos, IW_START_MASK)], iw_masked(base, IW_TEXT_MASK),
					  &p->path[iw_masked(start, IW_TEXT_MASK)]))
			return 0;
		end += base;
		/* The root is "/" already. */
		if (base > 1) {
			s->record[iw_masked(end, IW_START_MASK)] = '/';
			end++;
		}
	}
	if (bpf_probe_read_kernel(&s->record[iw_masked(end, IW_START_MASK)], iw_masked(length, IW_TEXT_MASK), p->text))
		return 0;
	end += length;
	iw_clear_after(s, end);
	return end - pos;
}

/* Send a rename (old and new name) or, with new_name 0, a delete. */
static __always_inline int send_names(__u32 kind, __u32 hook, __u32 old_fd, __u64 old_name, __u32 new_fd, __u64 new_name)
{
	struct iw_counters *c = iw_count();
	__u32 old_length, new_length = 0, put, pos;
	struct iw_file_rename *r;
	struct iw_scratch *s;

	if (!c)
		return 0;
	old_length = iw_name_read(old_fd, old_name);
	if (new_name)
		new_length = iw_name_read(new_fd, new_name);
	if (!((old_length | new_length) & IW_NAME_WATCHED)) {
		c->filtered[kind]++;
		return 0;
	}
	s = iw_take(c, kind);
	if (!s)
		return 0;
	r = (struct iw_file_rename *)s->record;
	__builtin_memset(r, 0, sizeof(*r));
	iw_fill(&r->h, iw_current(), kind);
	r->h.flags |= IW_F_PATH_FROM_ARG;
	pos = new_name ? sizeof(struct iw_file_rename) : sizeof(struct iw_file_delete);
	/* The scratch holds the name read last: the new one of a rename, the only one of a delete. */
	put = iw_name_append(new_name ? new_fd : old_fd, (new_name ? new_length : old_length) & 0xffff, pos);
	if (put && put <= 2 * IW_PATH_MAX) {
		r->path.off = pos;
		r->path.len = put;
		pos += (put + 7) & ~7u;
	} else {
		r->h.flags |= IW_F_READ_FAULT;
	}
	if (new_name) {
		old_length = iw_name_read(old_fd, old_name);
		put = iw_name_append(old_fd, old_length & 0xffff, pos);
		if (put && put <= 2 * IW_PATH_MAX) {
			r->old_path.off = pos;
			r->old_path.len = put;
			pos += (put + 7) & ~7u;
		} else {
			r->h.flags |= IW_F_READ_FAULT;
		}
	}
	iw_output(c, s, pos, kind, hook, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}

/* rename, renameat, renameat2, unlink, unlinkat: one program, so that the path code is verified once. */
SEC("tp_btf/sys_exit")
int iw_do_names(__u64 *ctx)
{
	__u32 old_fd = AT_FDCWD_32, new_fd = AT_FDCWD_32, kind = IW_KIND_FILE_RENAME;
	__u64 old_name, new_name = 0;
	struct iw_call call;

	if (iw_call_begin(ctx, &call) || call.ret)
		return 0;
	switch (call.hook) {
	case IW_HOOK_RENAME:
		old_name = iw_call_arg(&call, 0);
		new_name = iw_call_arg(&call, 1);
		break;
	case IW_HOOK_UNLINK:
		kind = IW_KIND_FILE_DELETE;
		old_name = iw_call_arg(&call, 0);
		break;
	case IW_HOOK_UNLINKAT:
		if (iw_call_arg(&call, 2) & AT_REMOVEDIR)
			return 0;
		kind = IW_KIND_FILE_DELETE;
		old_fd = iw_call_arg(&call, 0);
		old_name = iw_call_arg(&call, 1);
		break;
	default: /* renameat, renameat2 */
		old_fd = iw_call_arg(&call, 0);
		old_name = iw_call_arg(&call, 1);
		new_fd = iw_call_arg(&call, 2);
		new_name = iw_call_arg(&call, 3);
	}
	return send_names(kind, call.hook, old_fd, old_name, new_fd, new_name);
}
