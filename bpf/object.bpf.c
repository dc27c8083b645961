// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files and names from the kernel's own objects, on kernels that take programs on functions: whoever asks (io_uring's
 * workers, 32-bit calls, the kernel itself) gets here, no text is involved, and other system calls cost nothing. Where
 * these are attached the programs on the calls of the same effect are not. Changes of names are told before they are
 * made, so an attempt that the file system then refuses is told as well; changes of attributes once they are done.
 */
#include "include/iw_attribute.bpf.h"
#include "include/iw_file.bpf.h"

/* After every check of permission and before the file's own open; its flags are still those of the call. */
SEC("fentry/security_file_open")
int IW_PROG(iw_object_open, struct file *file)
{
	unsigned int mode = 0, flags = 0;
	__u32 err = 0;

	IW_GET(err, mode, file, f_mode);
	IW_GET(err, flags, file, f_flags);
	/* The file below an overlay is opened once more by the kernel; an exec has a record of its own. */
	if (err || (mode & FMODE_NOACCOUNT) || (flags & FMODE_EXEC))
		return 0;
	iw_opened(IW_HOOK_OBJECT_OPEN, 0, file);
	return 0;
}

/* Two names, or with `from` NULL one. The caller holds nothing. */
static __always_inline int send_dentries(__u32 kind, __u32 hook, struct vfsmount *mnt, struct dentry *from,
					 struct dentry *to)
{
	__u32 pos = sizeof(struct iw_file_delete), seen, wanted;
	struct iw_counters *c = iw_count();
	struct iw_file_rename *r;
	struct iw_scratch *s;

	if (!c)
		return 0;
	s = iw_take(c, kind);
	if (!s)
		return 0;
	wanted = iw_wanted(mnt, to, IW_WATCH_NAMESPACE);
	if (!wanted && from)
		wanted = iw_wanted(mnt, from, IW_WATCH_NAMESPACE);
	if (!wanted) {
		c->filtered[kind]++;
		iw_release(c);
		return 0;
	}
	r = (struct iw_file_rename *)s->record;
	__builtin_memset(r, 0, sizeof(*r));
	iw_fill(&r->h, iw_current(), kind);
	if (from)
		pos = sizeof(*r);
	pos = iw_append_path(s, pos, &r->path, &r->h, mnt, to, &seen);
	if (from)
		pos = iw_append_path(s, pos, &r->old_path, &r->h, mnt, from, &seen);
	iw_output(c, s, pos, kind, hook, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}

/* Both names are on one mount, or the kernel refuses. */
SEC("fentry/security_path_rename")
int IW_PROG(iw_object_rename, const struct path *old_dir, struct dentry *from, const struct path *new_dir,
	     struct dentry *to)
{
	struct vfsmount *mnt = NULL;
	__u32 err = 0;

	IW_GET(err, mnt, new_dir, mnt);
	return err ? 0 : send_dentries(IW_KIND_FILE_RENAME, IW_HOOK_OBJECT_RENAME, mnt, from, to);
}

SEC("fentry/security_path_unlink")
int IW_PROG(iw_object_unlink, const struct path *dir, struct dentry *dentry)
{
	struct vfsmount *mnt = NULL;
	__u32 err = 0;

	IW_GET(err, mnt, dir, mnt);
	return err ? 0 : send_dentries(IW_KIND_FILE_DELETE, IW_HOOK_OBJECT_UNLINK, mnt, NULL, dentry);
}

/* Begin the record of a link whose new name is watched, or whose file (`from`, NULL of a symbolic one) is. */
static __always_inline struct iw_file_link *begin_link(struct iw_counters *c, struct iw_scratch *s,
						       struct vfsmount *mnt, struct dentry *from, struct dentry *to)
{
	__u32 wanted = iw_wanted(mnt, to, IW_WATCH_NAMESPACE);
	struct iw_file_link *l = (struct iw_file_link *)s->record;

	if (!wanted && from)
		wanted = iw_wanted(mnt, from, IW_WATCH_READ | IW_WATCH_WRITE | IW_WATCH_NAMESPACE);
	if (!wanted) {
		c->filtered[IW_KIND_FILE_LINK]++;
		return NULL;
	}
	__builtin_memset(l, 0, sizeof(*l));
	iw_fill(&l->h, iw_current(), IW_KIND_FILE_LINK);
	return l;
}

SEC("fentry/security_path_link")
int IW_PROG(iw_object_link, struct dentry *from, const struct path *dir, struct dentry *to)
{
	__u32 err = 0, seen, pos = sizeof(struct iw_file_link);
	struct iw_counters *c = iw_count();
	struct vfsmount *mnt = NULL;
	struct iw_file_link *l;
	struct iw_scratch *s;

	IW_GET(err, mnt, dir, mnt);
	if (!c || err)
		return 0;
	s = iw_take(c, IW_KIND_FILE_LINK);
	if (!s)
		return 0;
	l = begin_link(c, s, mnt, from, to);
	if (l) {
		l->link_type = IW_LINK_HARD;
		pos = iw_append_path(s, pos, &l->path, &l->h, mnt, to, &seen);
		pos = iw_append_path(s, pos, &l->old_path, &l->h, mnt, from, &seen);
		iw_output(c, s, pos, IW_KIND_FILE_LINK, IW_HOOK_OBJECT_LINK, &iw_ring_prio, IW_RING_PRIO);
	}
	iw_release(c);
	return 0;
}

SEC("fentry/security_path_symlink")
int IW_PROG(iw_object_symlink, const struct path *dir, struct dentry *to, const char *text)
{
	__u32 err = 0, seen, pos = sizeof(struct iw_file_link);
	struct iw_counters *c = iw_count();
	struct vfsmount *mnt = NULL;
	struct iw_file_link *l;
	struct iw_scratch *s;

	IW_GET(err, mnt, dir, mnt);
	if (!c || err)
		return 0;
	s = iw_take(c, IW_KIND_FILE_LINK);
	if (!s)
		return 0;
	l = begin_link(c, s, mnt, NULL, to);
	if (l) {
		l->link_type = IW_LINK_SYMBOLIC;
		pos = iw_append_path(s, pos, &l->path, &l->h, mnt, to, &seen);
		pos = IW_APPEND_TEXT(s, pos, &l->old_path, text, IW_PATH_MAX, bpf_probe_read_kernel_str);
		iw_output(c, s, pos, IW_KIND_FILE_LINK, IW_HOOK_OBJECT_SYMLINK, &iw_ring_prio, IW_RING_PRIO);
	}
	iw_release(c);
	return 0;
}

static __always_inline int send_change_of(__u32 hook, const struct path *path, struct iw_new_attribute *to, int always)
{
	struct iw_counters *c = iw_count();
	struct dentry *dentry = NULL;
	struct vfsmount *mnt = NULL;
	struct iw_file_attribute *a;
	struct iw_scratch *s;
	__u32 err = 0, pos;

	IW_GET(err, mnt, path, mnt);
	IW_GET(err, dentry, path, dentry);
	if (!c || err)
		return 0;
	s = iw_take(c, IW_KIND_FILE_ATTRIBUTE);
	if (!s)
		return 0;
	if (!iw_wanted(mnt, dentry, IW_WATCH_WRITE) && !always) {
		c->filtered[IW_KIND_FILE_ATTRIBUTE]++;
		iw_release(c);
		return 0;
	}
	if (!always && !iw_allow(bpf_get_current_pid_tgid() >> 32, IW_KIND_FILE_ATTRIBUTE)) {
		iw_release(c);
		return 0;
	}
	a = iw_attribute_begin(s, to);
	pos = iw_attribute_file(s, a, mnt, dentry);
	iw_attribute_end(c, s, pos, hook, always);
	return 0;
}

SEC("fexit/chmod_common")
int IW_PROG(iw_object_chmod, const struct path *path, unsigned short mode, int ret)
{
	struct iw_new_attribute to = { .attribute = IW_ATTRIBUTE_MODE, .uid = IW_UNSET, .gid = IW_UNSET };

	return ret ? 0 : send_change_of(IW_HOOK_OBJECT_CHMOD, path, &to, (mode & (S_ISUID | S_ISGID)) != 0);
}

SEC("fexit/chown_common")
int IW_PROG(iw_object_chown, const struct path *path, unsigned int uid, unsigned int gid, int ret)
{
	struct iw_new_attribute to = { .attribute = IW_ATTRIBUTE_OWNER };

	to.uid = uid;
	to.gid = gid;
	return ret ? 0 : send_change_of(IW_HOOK_OBJECT_CHOWN, path, &to, 0);
}

/* Not of ftruncate, which is seen at its exit with its open file. */
SEC("fexit/vfs_truncate")
int IW_PROG(iw_object_truncate, const struct path *path, long long length, long ret)
{
	struct iw_new_attribute to = { .attribute = IW_ATTRIBUTE_SIZE, .uid = IW_UNSET, .gid = IW_UNSET };

	to.size = length;
	return (int)ret ? 0 : send_change_of(IW_HOOK_OBJECT_TRUNCATE, path, &to, 0);
}
