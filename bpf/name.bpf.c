// SPDX-License-Identifier: GPL-2.0-only
/* Renames, deletes, links and device nodes, by the names that the calls were given. */
#include "include/iw_call.bpf.h"
#include "include/iw_file.bpf.h"
#include "include/iw_name.bpf.h"

#define IW_PARTS 4	  /* last components of a name that are looked at */
#define IW_SPLIT_STEP 8
#define IW_TAIL_BYTES 256 /* of a name, searched for those components */

/* Look at the byte `back` before the text's end; non-zero at its beginning or with enough components. */
static __always_inline int split_byte(struct iw_path_scratch *p, __u32 length, __u32 back)
{
	__u32 at;

	if (back > length)
		return 1;
	at = length - back; /* the byte before `at`, or the text's beginning */
	asm volatile("" : "+r"(at));
	if (at && p->text[(at - 1) & (IW_PATH_MAX - 1)] != '/')
		return 0;
	if (p->at > at) {
		p->start[p->parts & 7] = at;
		p->end[p->parts & 7] = p->at;
		p->parts++;
	}
	p->at = at ? at - 1 : 0;
	return !at || p->parts >= IW_PARTS;
}

/* The same for IW_SPLIT_STEP bytes: a turn of an iterator costs more than a byte. */
static __always_inline int split_bytes(struct iw_path_scratch *p, __u32 length, __u32 back)
{
	__u32 i;

#pragma clang loop unroll(full)
	for (i = 0; i < IW_SPLIT_STEP; i++) {
		if (split_byte(p, length, back + i))
			return 1;
	}
	return 0;
}

/* Note the text's last components, last first, in p->start and p->end; returns how many. */
static __always_inline __u32 split_text(struct iw_path_scratch *p, __u32 length)
{
	p->parts = 0;
	p->at = length; /* end of the component that is being passed */
	if (iw_iterators)
		IW_ITERATE(turn, IW_TAIL_BYTES / IW_SPLIT_STEP, split_bytes(p, length, turn * IW_SPLIT_STEP));
	else
		IW_LOOP(turn, IW_TAIL_BYTES, split_byte(p, length, turn));
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

/* Flags of a directory's name; 0 of another name. No branch, because the verifier follows each one. */
static __always_inline __u32 of_directory(__u32 flags)
{
	return flags * (flags / IW_WATCH_DIR & 1);
}

__noinline int iw_name_read(__u32 dirfd, __u64 name, __u32 asked)
{
	__u32 zero = 0, parts, i, own, above;
	struct vfsmount *mnt = NULL;
	struct dentry *dentry = NULL;
	struct iw_path_scratch *p;
	long length;

	p = bpf_map_lookup_elem(&iw_path_scratch, &zero);
	if (!p)
		return 0;
	length = bpf_probe_read_user_str(p->text, IW_PATH_MAX, (void *)name);
	if (length <= 1 || length > IW_PATH_MAX)
		return 0;
	length--;
	if (!asked)
		return length;
	parts = split_text(p, length);
	__builtin_memset(p->flags, 0, sizeof(p->flags));
#pragma clang loop unroll(disable)
	for (i = 0; i < IW_PARTS; i++) {
		if (i >= parts)
			break;
		p->flags[i & 3] = iw_watched_text(p->start[i & 7], p->end[i & 7] - p->start[i & 7]);
	}
	own = p->flags[0];
	above = of_directory(p->flags[1]) | of_directory(p->flags[2]) | of_directory(p->flags[3]);
	/* A directory's own name is a name too: renaming cron.d away matters. */
	if (of_directory(own)) {
		above |= own & IW_WATCH_NAMESPACE ? own : 0;
		own = 0;
	}
	if (p->text[0] != '/' && parts && parts < IW_PARTS && !name_base(iw_current(), dirfd, &mnt, &dentry) &&
	    !iw_base_above(mnt, dentry))
		above |= (__u32)iw_watched_above(1, IW_PARTS - parts);
	own &= asked | IW_WATCH_QUALIFIED;
	above &= asked;
	if (own & IW_WATCH_QUALIFIED)
		own &= above;
	if (own || (above & ~IW_WATCH_READ) || (above && iw_watch_dir_reads))
		return length | IW_NAME_WATCHED;
	return length;
}

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
		if (name_base(iw_current(), dirfd, &mnt, &dentry) || iw_base_above(mnt, dentry))
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
	__u32 old_length, new_length = 0, pos;
	struct iw_file_rename *r;
	struct iw_scratch *s;

	if (!c)
		return 0;
	s = iw_take(c, kind);
	if (!s)
		return 0;
	old_length = iw_name_read(old_fd, old_name, IW_WATCH_NAMESPACE);
	if (new_name)
		new_length = iw_name_read(new_fd, new_name, IW_WATCH_NAMESPACE);
	if (!((old_length | new_length) & IW_NAME_WATCHED)) {
		c->filtered[kind]++;
		iw_release(c);
		return 0;
	}
	r = (struct iw_file_rename *)s->record;
	__builtin_memset(r, 0, sizeof(*r));
	iw_fill(&r->h, iw_current(), kind);
	r->h.flags |= IW_F_PATH_FROM_ARG;
	pos = new_name ? sizeof(struct iw_file_rename) : sizeof(struct iw_file_delete);
	/* The scratch holds the name read last: the new one of a rename, the only one of a delete. */
	pos = iw_append_name(pos, &r->path, &r->h, new_name ? new_fd : old_fd, new_name ? new_length : old_length);
	if (new_name) {
		old_length = iw_name_read(old_fd, old_name, 0);
		pos = iw_append_name(pos, &r->old_path, &r->h, old_fd, old_length);
	}
	iw_output(c, s, pos, kind, hook, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}

/* rename, renameat, renameat2, unlink, unlinkat: one program, so that the path code is verified once. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_names)
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

/* What linkat(AT_EMPTY_PATH) links: the open file itself. NULL when the call has a name. */
static __always_inline struct file *linked_file(struct iw_call *call, __u32 from_fd, __u64 from)
{
	char first = 0;

	if (call->hook != IW_HOOK_LINKAT || !(iw_call_arg(call, 4) & AT_EMPTY_PATH))
		return NULL;
	if (bpf_probe_read_user(&first, 1, (void *)from) || first)
		return NULL;
	return iw_fd_file(iw_current(), from_fd);
}

/* Is the file that gets a second name watched for anything? The caller holds the scratch. */
static __always_inline __u32 linked_watched(struct file *file, __u32 from_fd, __u64 from)
{
	__u32 any = IW_WATCH_READ | IW_WATCH_WRITE | IW_WATCH_NAMESPACE, err = 0;
	struct dentry *dentry = NULL;
	struct vfsmount *mnt = NULL;

	if (!file)
		return iw_name_read(from_fd, from, any) & IW_NAME_WATCHED;
	IW_GET(err, dentry, file, f_path.dentry);
	IW_GET(err, mnt, file, f_path.mnt);
	return err || !dentry ? 0 : iw_wanted(mnt, dentry, any);
}

/* The file linked, as the record's next string; returns the next position. The caller holds the scratch. */
static __always_inline __u32 append_linked(struct iw_scratch *s, __u32 pos, struct iw_file_link *l, struct file *file,
					   __u32 from_fd, __u64 from)
{
	struct dentry *dentry = NULL;
	struct vfsmount *mnt = NULL;
	__u32 err = 0, seen, length;

	if (l->link_type == IW_LINK_SYMBOLIC)
		return IW_APPEND_TEXT(s, pos, &l->old_path, (void *)from, IW_PATH_MAX, bpf_probe_read_user_str);
	if (file) {
		IW_GET(err, dentry, file, f_path.dentry);
		IW_GET(err, mnt, file, f_path.mnt);
		return iw_append_path(s, pos, &l->old_path, &l->h, mnt, dentry, &seen);
	}
	length = iw_name_read(from_fd, from, 0);
	return iw_append_name(pos, &l->old_path, &l->h, from_fd, length);
}

static __always_inline int send_link(struct iw_call *call, __u32 type, __u32 from_fd, __u64 from, __u32 to_fd, __u64 to)
{
	struct iw_counters *c = iw_count();
	struct file *file = NULL;
	struct iw_file_link *l;
	struct iw_scratch *s;
	__u32 length, pos;

	if (!c)
		return 0;
	s = iw_take(c, IW_KIND_FILE_LINK);
	if (!s)
		return 0;
	if (type == IW_LINK_HARD)
		file = linked_file(call, from_fd, from);
	length = iw_name_read(to_fd, to, IW_WATCH_NAMESPACE);
	if (!(length & IW_NAME_WATCHED) && (type == IW_LINK_SYMBOLIC || !linked_watched(file, from_fd, from))) {
		c->filtered[IW_KIND_FILE_LINK]++;
		iw_release(c);
		return 0;
	}
	l = (struct iw_file_link *)s->record;
	__builtin_memset(l, 0, sizeof(*l));
	iw_fill(&l->h, iw_current(), IW_KIND_FILE_LINK);
	l->h.flags |= IW_F_PATH_FROM_ARG;
	l->link_type = type;
	/* Again: the scratch may hold the other name by now. */
	length = iw_name_read(to_fd, to, 0);
	pos = iw_append_name(sizeof(*l), &l->path, &l->h, to_fd, length);
	pos = append_linked(s, pos, l, file, from_fd, from);
	iw_output(c, s, pos, IW_KIND_FILE_LINK, call->hook, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}

/* A node that stands for a device lets who may open it reach the device. FIFOs, sockets and files are no such thing. */
static __always_inline int send_node(struct iw_call *call, __u32 at, __u64 name, __u32 mode, __u32 dev)
{
	struct iw_counters *c = iw_count();
	struct iw_file_node *n;
	struct iw_scratch *s;
	__u32 length, pos;

	mode &= 0xffff; /* umode_t */
	/* Character device 0:0 is how overlays mark a removed file; no driver stands behind it. */
	if (!c || ((mode & S_IFMT) != S_IFBLK && ((mode & S_IFMT) != S_IFCHR || !dev)))
		return 0;
	s = iw_take(c, IW_KIND_FILE_NODE);
	if (!s)
		return 0;
	n = (struct iw_file_node *)s->record;
	__builtin_memset(n, 0, sizeof(*n));
	iw_fill(&n->h, iw_current(), IW_KIND_FILE_NODE);
	n->h.flags |= IW_F_PATH_FROM_ARG;
	n->mode = mode;
	/* new_decode_dev, include/linux/kdev_t.h */
	n->node_dev = ((dev & 0xfff00) >> 8) << 20 | (dev & 0xff) | (dev >> 12 & 0xfff00);
	length = iw_name_read(at, name, 0);
	pos = iw_append_name(sizeof(*n), &n->path, &n->h, at, length);
	iw_output(c, s, pos, IW_KIND_FILE_NODE, call->hook, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}

/* link, linkat, symlink, symlinkat, mknod, mknodat: what makes a name without opening anything. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_link)
{
	__u32 from_fd = AT_FDCWD_32, to_fd = AT_FDCWD_32, type = IW_LINK_HARD;
	__u64 first, second, third, from, to;
	struct iw_call call;

	if (iw_call_begin(ctx, &call) || call.ret)
		return 0;
	first = from = iw_call_arg(&call, 0);
	second = to = iw_call_arg(&call, 1);
	third = iw_call_arg(&call, 2);
	switch (call.hook) {
	case IW_HOOK_MKNOD:
		return send_node(&call, AT_FDCWD_32, first, second, third);
	case IW_HOOK_MKNODAT:
		return send_node(&call, first, second, third, iw_call_arg(&call, 3));
	case IW_HOOK_SYMLINK:
		type = IW_LINK_SYMBOLIC;
		break;
	case IW_HOOK_SYMLINKAT:
		type = IW_LINK_SYMBOLIC;
		to_fd = second;
		to = third;
		break;
	case IW_HOOK_LINKAT:
		from_fd = first;
		from = second;
		to_fd = third;
		to = iw_call_arg(&call, 3);
		break;
	default: /* link */
		break;
	}
	return send_link(&call, type, from_fd, from, to_fd, to);
}
