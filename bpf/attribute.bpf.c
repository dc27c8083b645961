// SPDX-License-Identifier: GPL-2.0-only
/* Changes of a file that are no write: mode, owner, extended attributes, times, size. */
#include "include/iw_call.bpf.h"
#include "include/iw_attribute.bpf.h"
#include "include/iw_name.bpf.h"

/* System calls whose arguments have another shape in the 32-bit table (arch/x86/entry/syscalls/syscall_32.tbl). */
#define IW_CALL32_LCHOWN 16
#define IW_CALL32_FCHOWN 95
#define IW_CALL32_CHOWN 182
#define IW_CALL32_TRUNCATE64 193
#define IW_CALL32_FTRUNCATE64 194
#define IW_CALL32_UTIMENSAT_TIME64 412

#define UTIME_NOW 0x3fffffff /* include/linux/stat.h */
#define UTIME_OMIT 0x3ffffffe
#define IW_PAST_NS 60000000000LL /* a clock may be that wrong */
#define IW_SECOND_NS 1000000000LL
#define IW_XATTR_MAX 256 /* XATTR_NAME_MAX and the terminator */

/* What a call asked for. Whose attribute: a name, or an open file. */
struct request {
	struct iw_new_attribute to;
	__u64 name;   /* user address; 0: the open file */
	__u32 fd;     /* open file, or directory that a relative name starts from */
	__u32 always; /* told whatever the file's name is */
	__u64 xattr;  /* user address of an extended attribute's name, or 0 */
};

/* Take the file's name as an argument of the call; with AT_EMPTY_PATH and none the file is `fd`. */
static __always_inline void take_name(struct request *r, __u32 fd, __u64 name, __u64 at_flags)
{
	char first = 0;

	r->fd = fd;
	r->name = name;
	if ((at_flags & AT_EMPTY_PATH) && (!name || !bpf_probe_read_user(&first, 1, (void *)name)) && !first)
		r->name = 0;
}

static __always_inline int send_change(struct iw_call *call, struct request *r)
{
	__u32 err = 0, length = 0, wanted, pos = sizeof(struct iw_file_attribute);
	struct iw_counters *c = iw_count();
	struct dentry *dentry = NULL;
	struct vfsmount *mnt = NULL;
	struct iw_file_attribute *a;
	struct file *file = NULL;
	struct iw_scratch *s;

	if (!c)
		return 0;
	s = iw_take(c, IW_KIND_FILE_ATTRIBUTE);
	if (!s)
		return 0;
	if (r->name) {
		length = iw_name_read(r->fd, r->name, IW_WATCH_WRITE);
		wanted = length & IW_NAME_WATCHED;
	} else {
		file = iw_fd_file(iw_current(), r->fd);
		IW_GET(err, dentry, file, f_path.dentry);
		IW_GET(err, mnt, file, f_path.mnt);
		wanted = file && dentry && iw_wanted(mnt, dentry, IW_WATCH_WRITE);
	}
	if (!wanted && !r->always) {
		c->filtered[IW_KIND_FILE_ATTRIBUTE]++;
		iw_release(c);
		return 0;
	}
	if (!r->always && !iw_allow(bpf_get_current_pid_tgid() >> 32, IW_KIND_FILE_ATTRIBUTE)) {
		iw_release(c);
		return 0;
	}
	a = iw_attribute_begin(s, &r->to);
	if (r->name) {
		a->h.flags |= IW_F_PATH_FROM_ARG;
		a->mode = r->to.mode;
		pos = iw_append_name(pos, &a->path, &a->h, r->fd, length);
	} else if (file && dentry) {
		pos = iw_attribute_file(s, a, mnt, dentry);
	} else {
		a->h.flags |= IW_F_READ_FAULT;
	}
	if (r->xattr)
		pos = IW_APPEND_TEXT(s, pos, &a->name, (void *)r->xattr, IW_XATTR_MAX, bpf_probe_read_user_str);
	iw_attribute_end(c, s, pos, call->hook, r->always);
	return 0;
}

/* Each of the following reads its call's arguments; non-zero when there is nothing to tell. */

static __always_inline int read_chmod(struct iw_call *call, struct request *r)
{
	__u64 first = iw_call_arg(call, 0), second = iw_call_arg(call, 1), third = iw_call_arg(call, 2);

	r->to.attribute = IW_ATTRIBUTE_MODE;
	r->to.mode = second;
	if (call->hook == IW_HOOK_CHMOD) {
		take_name(r, AT_FDCWD_32, first, 0);
	} else if (call->hook == IW_HOOK_FCHMOD) {
		r->fd = first;
	} else {
		take_name(r, first, second, call->hook == IW_HOOK_FCHMODAT2 ? iw_call_arg(call, 3) : 0);
		r->to.mode = third;
	}
	r->to.mode &= ~S_IFMT & 0xffff;
	r->always = (r->to.mode & (S_ISUID | S_ISGID)) != 0;
	return 0;
}

/* An id of the old 16-bit calls, whose "unchanged" is 65535. */
static __always_inline __u32 owner(int narrow, __u32 id)
{
	if (!narrow)
		return id;
	return (id & 0xffff) == 0xffff ? IW_UNSET : id & 0xffff;
}

static __always_inline int read_chown(struct iw_call *call, struct request *r)
{
	__u64 first = iw_call_arg(call, 0), second = iw_call_arg(call, 1), third = iw_call_arg(call, 2);
	int narrow = call->compat && (call->nr == IW_CALL32_LCHOWN || call->nr == IW_CALL32_FCHOWN ||
				      call->nr == IW_CALL32_CHOWN);

	r->to.attribute = IW_ATTRIBUTE_OWNER;
	if (call->hook == IW_HOOK_FCHOWNAT) {
		take_name(r, first, second, iw_call_arg(call, 4));
		r->to.uid = third;
		r->to.gid = iw_call_arg(call, 3);
		return 0;
	}
	r->to.uid = owner(narrow, second);
	r->to.gid = owner(narrow, third);
	if (call->hook == IW_HOOK_FCHOWN)
		r->fd = first;
	else
		take_name(r, AT_FDCWD_32, first, 0);
	return 0;
}

#define IW_XATTR_SILENT 0
#define IW_XATTR_WATCHED 1 /* told of watched files */
#define IW_XATTR_ALWAYS 2

/* Eight characters as the machine reads them (little-endian). */
#define WORD(a, b, c, d, e, f, g, h)                                                                        \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | (__u64)(f) << 40 | \
	 (__u64)(g) << 48 | (__u64)(h) << 56)

/* Attributes that the kernel acts on; the others are the business of whoever writes them. */
static __always_inline int xattr_class(__u64 name)
{
	__u64 word[4] = {};

	if (bpf_probe_read_user_str(word, sizeof(word), (void *)name) <= 0)
		return IW_XATTR_SILENT;
	if (word[0] == WORD('s', 'e', 'c', 'u', 'r', 'i', 't', 'y') && (__u8)word[1] == '.') {
		if (word[1] == WORD('.', 'c', 'a', 'p', 'a', 'b', 'i', 'l') &&
		    word[2] == WORD('i', 't', 'y', 0, 0, 0, 0, 0))
			return IW_XATTR_ALWAYS;
		return IW_XATTR_WATCHED;
	}
	if (word[0] == WORD('s', 'y', 's', 't', 'e', 'm', '.', 'p') &&
	    word[1] == WORD('o', 's', 'i', 'x', '_', 'a', 'c', 'l'))
		return IW_XATTR_WATCHED;
	return IW_XATTR_SILENT;
}

static __always_inline int read_xattr(struct iw_call *call, struct request *r)
{
	int at = call->hook == IW_HOOK_SETXATTRAT || call->hook == IW_HOOK_REMOVEXATTRAT, class;
	__u64 first = iw_call_arg(call, 0), second = iw_call_arg(call, 1);

	r->xattr = at ? iw_call_arg(call, 3) : second;
	class = xattr_class(r->xattr);
	if (class == IW_XATTR_SILENT)
		return 1;
	r->always = class == IW_XATTR_ALWAYS;
	if (at)
		take_name(r, first, second, iw_call_arg(call, 2));
	else if (call->hook == IW_HOOK_FSETXATTR || call->hook == IW_HOOK_FREMOVEXATTR)
		r->fd = first;
	else
		take_name(r, AT_FDCWD_32, first, 0);
	if (call->hook == IW_HOOK_SETXATTR || call->hook == IW_HOOK_LSETXATTR || call->hook == IW_HOOK_FSETXATTR ||
	    call->hook == IW_HOOK_SETXATTRAT)
		r->to.attribute = IW_ATTRIBUTE_XATTR_SET;
	else
		r->to.attribute = IW_ATTRIBUTE_XATTR_REMOVED;
	return 0;
}

/* The modification time asked for, in ns; 0 when it is now, left alone, or not readable. */
static __always_inline __u64 time_asked(struct iw_call *call, __u64 times)
{
	int wide = !call->compat || call->nr == IW_CALL32_UTIMENSAT_TIME64;
	__s64 pair[2] = {};
	__s32 narrow[2] = {};

	if (!times)
		return 0;
	if (call->hook == IW_HOOK_UTIME) { /* struct utimbuf: access and modification time in seconds */
		if (bpf_probe_read_user(wide ? (void *)&pair[0] : (void *)&narrow[0], wide ? 8 : 4,
					(void *)times + (wide ? 8 : 4)))
			return 0;
	} else if (wide) { /* the second of two pairs of seconds and their fraction */
		if (bpf_probe_read_user(pair, sizeof(pair), (void *)times + sizeof(pair)))
			return 0;
	} else if (bpf_probe_read_user(narrow, sizeof(narrow), (void *)times + sizeof(narrow))) {
		return 0;
	}
	if (!wide) {
		pair[0] = narrow[0];
		pair[1] = narrow[1];
	}
	if (call->hook == IW_HOOK_UTIMENSAT) {
		if ((__u32)pair[1] == UTIME_NOW || (__u32)pair[1] == UTIME_OMIT)
			return 0;
		return pair[0] * IW_SECOND_NS + (__u32)pair[1];
	}
	return pair[0] * IW_SECOND_NS + pair[1] * 1000;
}

/*
 * Is it in the past? CLOCK_TAI is the wall clock and at most a minute of leap seconds; a kernel without it for programs
 * (before 6.1) leaves the question to the reader, who knows the record's time.
 */
static __always_inline int in_the_past(__u64 ns)
{
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_ktime_get_tai_ns))
		return 1;
	return (__s64)ns < (__s64)bpf_ktime_get_tai_ns() - IW_PAST_NS;
}

static __always_inline int read_times(struct iw_call *call, struct request *r)
{
	int at = call->hook == IW_HOOK_UTIMENSAT || call->hook == IW_HOOK_FUTIMESAT;
	__u64 first = iw_call_arg(call, 0), second = iw_call_arg(call, 1);

	r->to.attribute = IW_ATTRIBUTE_TIMES;
	r->to.mtime_ns = time_asked(call, at ? iw_call_arg(call, 2) : second);
	if (!r->to.mtime_ns || !in_the_past(r->to.mtime_ns))
		return 1;
	if (at)
		take_name(r, first, second, call->hook == IW_HOOK_UTIMENSAT ? iw_call_arg(call, 3) : 0);
	else
		take_name(r, AT_FDCWD_32, first, 0);
	return 0;
}

static __always_inline int read_truncate(struct iw_call *call, struct request *r)
{
	r->to.attribute = IW_ATTRIBUTE_SIZE;
	r->to.size = iw_call_arg(call, 1);
	if (call->compat && (call->nr == IW_CALL32_TRUNCATE64 || call->nr == IW_CALL32_FTRUNCATE64))
		r->to.size |= iw_call_arg(call, 2) << 32;
	if (call->hook == IW_HOOK_FTRUNCATE)
		r->fd = iw_call_arg(call, 0);
	else
		take_name(r, AT_FDCWD_32, iw_call_arg(call, 0), 0);
	return 0;
}

/* All of them in one program, so that the path code is verified once. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_attribute)
{
	struct request r = { .to = { .uid = IW_UNSET, .gid = IW_UNSET } };
	struct iw_call call;
	int silent;

	if (iw_call_begin(ctx, &call) || call.ret)
		return 0;
	if (call.hook >= IW_HOOK_TRUNCATE && call.hook <= IW_HOOK_FTRUNCATE)
		silent = read_truncate(&call, &r);
	else if (call.hook >= IW_HOOK_CHMOD && call.hook <= IW_HOOK_FCHMODAT2)
		silent = read_chmod(&call, &r);
	else if (call.hook >= IW_HOOK_CHOWN && call.hook <= IW_HOOK_FCHOWNAT)
		silent = read_chown(&call, &r);
	else if (call.hook >= IW_HOOK_UTIME && call.hook <= IW_HOOK_UTIMENSAT)
		silent = read_times(&call, &r);
	else
		silent = read_xattr(&call, &r);
	return silent ? 0 : send_change(&call, &r);
}
