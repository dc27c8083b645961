/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Maps, counters and the shared parts of every program. Definitions are in common.bpf.c; the linker
 * joins the subjects into one object. Hidden functions are verified at each call, as static ones.
 */
#ifndef IW_COMMON_BPF_H
#define IW_COMMON_BPF_H

#include "iw_event.h"
#include "iw_kernel.bpf.h"
#include <bpf/bpf_tracing.h>

#define IW_RING_PRIO 0
#define IW_RING_BULK 1
#define IW_KERNEL_KINDS 64
#define IW_HOOKS 256

/*
 * A per-CPU value may not exceed 32 KiB (PCPU_MIN_UNIT_SIZE). Strings start in the first half, so that an offset
 * masked to it and the longest string always fit: kernels before 6.4 lose track of compared bounds, never of masks.
 */
#define IW_SCRATCH_BYTES 32768
#define IW_START_MASK 0x3fff
#define IW_CLEAR_MASK 0x7ff8
#define IW_TEXT_MASK 0xfff
#define IW_WAKE_FRACTION 8 /* a sleeping consumer is woken when that part of the ring is pending; the loader knows it too */
#define IW_ROOM_BYTES 2048 /* enough for an open with an ordinary path */
#define IW_WALK_MAX 64	  /* components and mount crossings of one path */
#define IW_NAME_MAX 255	  /* NAME_MAX */
#define IW_KEY_BYTES 32
#define IW_FLOOD_EVERY_NS 1000000000ULL /* one sensor.flood a bucket in that time */
#define IW_UNSET 4294967295u /* an id that is not set or not known */
#define IW_START_SLACK_NS 20000000 /* /proc tells start times in clock ticks, cut */

/* Value of iw_watch_name: what the name, or the directory of that name, is watched for. */
#define IW_WATCH_READ 1
#define IW_WATCH_WRITE 2
#define IW_WATCH_NAMESPACE 4
#define IW_WATCH_DIR 8	      /* the name of a directory at most three levels above the file */
#define IW_WATCH_QUALIFIED 16 /* counts only below a directory that is watched for the same */

/* Counters; one value per CPU, summed by the reader. Declared to user space through BTF. */
struct iw_counters {
	__u64 made[IW_KERNEL_KINDS];	 /* records begun, lost ones included */
	__u64 lost[IW_KERNEL_KINDS];	 /* no room in the ring, or the scratch was busy */
	__u64 filtered[IW_KERNEL_KINDS]; /* events that nothing wants */
	__u64 unpaired[IW_KERNEL_KINDS]; /* changes whose state before was not known */
	__u64 suppressed[IW_KERNEL_KINDS]; /* held back because their process had its share; not among `made` */
	__u64 fired[IW_HOOKS];		 /* records delivered, by enum iw_hook */
	__u32 sequence[2];		 /* by ring */
	__u64 busy;			 /* programs on this CPU that use the scratch or are turned away from it */
};

struct iw_scratch {
	__u8 record[IW_SCRATCH_BYTES];
};

/* Paths are built from their end; the second half of each buffer keeps variable writes in bounds. */
struct iw_path_scratch {
	__u8 path[IW_PATH_MAX + 256];
	__u8 text[IW_PATH_MAX + 256];
	__u32 start[8]; /* offsets of the text's last components, last one first */
	__u32 end[8];
	__u32 flags[4]; /* watch flags of those components */
	__u64 mnt; /* arguments of iw_walk and iw_watched_above */
	__u64 dentry;
	__u32 depth; /* of the walk: steps made, whether the last one crossed a mount point, whether it was the last */
	__u32 covered;
	__u32 ended;
	__u32 at; /* first byte of the path so far */
	__u32 seen;
	__u32 parts; /* components found in the text */
};

/* How many records of a kind one process may make: one a period on average, and a burst. No limit: period 0. */
struct iw_limit {
	__u64 period_ns;
	__u64 burst_ns; /* periods that may be spent at once, times the period */
};

struct iw_bucket_key {
	__u32 tgid;
	__u32 kind;
};

struct iw_bucket {
	__u64 due_ns;	  /* CLOCK_BOOTTIME at which the bucket is full again */
	__u64 suppressed; /* records held back so far */
	__u64 told_ns;	  /* of the last sensor.flood */
};

struct iw_key {
	__u64 word[IW_KEY_BYTES / 8];
};

struct iw_ring_prio_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
};
struct iw_ring_bulk_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
};
struct iw_stats_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct iw_counters);
};
struct iw_scratch_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct iw_scratch);
};
struct iw_path_scratch_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct iw_path_scratch);
};
struct iw_self_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
};
/* Id of the cgroup (v2) that holds our own processes and no other; 0 when there is none. */
struct iw_self_cgroup_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
};
/* Process id -> start time, of those whose signals are told. */
struct iw_protected_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
};
struct iw_watch_name_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct iw_key);
	__type(value, __u32);
};
/* One bit per hashed name: most names cost one bit test and never reach iw_watch_name. */
struct iw_watch_filter {
	__u8 bits[2048];
};
struct iw_watch_filter_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct iw_watch_filter);
};

extern struct iw_ring_prio_map iw_ring_prio SEC(".maps");
extern struct iw_ring_bulk_map iw_ring_bulk SEC(".maps");
extern struct iw_stats_map iw_stats SEC(".maps");
extern struct iw_scratch_map iw_scratch SEC(".maps");
extern struct iw_path_scratch_map iw_path_scratch SEC(".maps");
extern struct iw_self_map iw_self SEC(".maps");
extern struct iw_self_cgroup_map iw_self_cgroup SEC(".maps");
extern struct iw_protected_map iw_protected SEC(".maps");
extern struct iw_watch_name_map iw_watch_name SEC(".maps");
extern struct iw_watch_filter_map iw_watch_filter SEC(".maps");

extern const volatile __u64 iw_ring_wake_bytes[2];
extern const volatile __u32 iw_watch_dir_reads;
extern __u64 iw_woken_at[2];

/* Fill the header for `task` (not necessarily current); `h` is zeroed but for size and sequence. */
extern int iw_fill(struct iw_header *h, struct task_struct *task, __u32 kind) __hidden;

/*
 * Global functions, verified once and not at each call; before 5.12 those take numbers only. Kernel pointers that the
 * verifier knows the type of are no numbers to it, so (mnt, dentry) travel through the path scratch.
 */

/* Put the path of p->mnt, p->dentry into p->path. Returns the first byte's offset (IW_PATH_MAX: none) with IW_SEEN_*. */
extern int iw_walk(void);
/* Watch flags of the name of `len` bytes at `start` in p->text; 0 when it is not in the list. */
extern int iw_watched_text(__u32 start, __u32 len);
/* Directory flags up to `levels` levels above p->mnt, p->dentry; with `self` 1 the dentry is the first level. */
extern int iw_watched_above(__u32 self, __u32 levels);
/* struct sock * behind a struct file *; 0 when it is no socket. */
extern __u64 iw_file_sock(__u64 file);

/* May process `tgid`, the current one, make one more record of this kind? Counts the refusal and tells of the flood. */
extern int iw_allow(__u32 tgid, __u32 kind);

#define IW_SEEN_OFFSET 0xffff
#define IW_SEEN_WORLD_WRITABLE 0x10000 /* one of the three directories above is */
#define IW_SEEN_DETACHED 0x20000       /* the dentry hangs in no directory (memfd, pipe) */
#define IW_SEEN_PARTIAL 0x40000	       /* head of the path missing */
#define IW_SEEN_FAULT 0x80000

/* `value & mask` in one 64-bit register, which the compiler cannot prove away. */
#define iw_masked(value, mask)                                       \
	({                                                           \
		__u64 m_ = (value);                                  \
		asm volatile("%0 &= %1" : "+r"(m_) : "i"(mask));     \
		m_;                                                  \
	})

/*
 * Counters, scratch and path scratch are this CPU's, and a kernel may run another task in the middle of a program on a
 * function, since 7.0 of one on a tracepoint too. Then that task's programs find the scratch taken, and while the first
 * one waits none of them runs again at its own hook (recursion_misses of bpf_prog_info). So preemption is off from a
 * program's first instruction to its last one.
 */
static __always_inline void iw_preempt_off(void)
{
	if (iw_preemptible)
		bpf_preempt_disable();
}

static __always_inline void iw_preempt_on(void)
{
	if (iw_preemptible)
		bpf_preempt_enable();
}

/* BPF_PROG with that; without further arguments the body has `ctx` alone. */
#define IW_PROG(name, args...)                                            \
	name(unsigned long long *ctx);                                    \
	static __always_inline int ____##name(unsigned long long *ctx, ##args); \
	int name(unsigned long long *ctx)                                 \
	{                                                                 \
		int result;                                               \
									  \
		iw_preempt_off();                                         \
		_Pragma("GCC diagnostic push")                            \
		_Pragma("GCC diagnostic ignored \"-Wint-conversion\"")    \
		result = ____##name(___bpf_ctx_cast(args));               \
		_Pragma("GCC diagnostic pop")                             \
		iw_preempt_on();                                          \
		return result;                                            \
	}                                                                 \
	static __always_inline int ____##name(unsigned long long *ctx, ##args)

/* The same for a program whose context is a structure of its own. */
#define IW_PROG_ON(name, context)                                         \
	name(context *ctx);                                               \
	static __always_inline int ____##name(context *ctx);              \
	int name(context *ctx)                                            \
	{                                                                 \
		int result;                                               \
									  \
		iw_preempt_off();                                         \
		result = ____##name(ctx);                                 \
		iw_preempt_on();                                          \
		return result;                                            \
	}                                                                 \
	static __always_inline int ____##name(context *ctx)

static __always_inline struct iw_counters *iw_count(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&iw_stats, &zero);
}

/* Is the current process, `tgid`, one of ours? */
static __always_inline int iw_own(__u32 tgid)
{
	__u32 zero = 0;
	__u64 *cgroup = bpf_map_lookup_elem(&iw_self_cgroup, &zero);

	if (cgroup && *cgroup && *cgroup == bpf_get_current_cgroup_id())
		return 1;
	return bpf_map_lookup_elem(&iw_self, &tgid) != NULL;
}

static __always_inline struct task_struct *iw_current(void)
{
	return (struct task_struct *)bpf_get_current_task();
}

/*
 * No wake-up per record: the consumer has a timer. One forced wake-up per consumer position when an
 * eighth of the ring is pending: a sleeping consumer's position stands still, so it is woken once.
 */
static __always_inline __u64 iw_wake(void *ring, __u32 index)
{
	__u64 position;

	if (bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) < iw_ring_wake_bytes[index])
		return BPF_RB_NO_WAKEUP;
	position = bpf_ringbuf_query(ring, BPF_RB_CONS_POS) + 1;
	if (iw_woken_at[index] == position)
		return BPF_RB_NO_WAKEUP;
	iw_woken_at[index] = position;
	return BPF_RB_FORCE_WAKEUP;
}

/* Reserve a record without tail; NULL when counters or room are missing. Zeroed but for `size` and `sequence`. */
#define IW_RESERVE(rec, ring, index, kindno, hookno)                                     \
	({                                                                               \
		struct iw_counters *c_ = iw_count();                                     \
		rec = NULL;                                                              \
		if (c_) {                                                                \
			__u32 sequence_ = c_->sequence[index]++;                         \
			c_->made[kindno]++;                                              \
			rec = bpf_ringbuf_reserve(&ring, sizeof(*rec), 0);               \
			if (rec) {                                                       \
				__builtin_memset(rec, 0, sizeof(*rec));                  \
				rec->h.size = sizeof(*rec);                              \
				rec->h.sequence = sequence_;                             \
				c_->fired[(hookno) & (IW_HOOKS - 1)]++;                  \
			} else {                                                         \
				c_->lost[kindno]++;                                      \
			}                                                                \
		}                                                                        \
		rec;                                                                     \
	})

#define IW_SUBMIT(rec, ring, index) bpf_ringbuf_submit(rec, iw_wake(&ring, index))

/*
 * Take this CPU's scratch and path scratch; a second taker (a program that pre-empted the first) counts a loss.
 * One addition, not a test and a store: a kernel may pre-empt a program on a function between the two.
 */
static __always_inline struct iw_scratch *iw_take(struct iw_counters *c, __u32 kind)
{
	__u32 zero = 0;
	struct iw_scratch *s = bpf_map_lookup_elem(&iw_scratch, &zero);

	__sync_fetch_and_add(&c->busy, 1);
	if (!s || *(volatile __u64 *)&c->busy != 1) {
		__sync_fetch_and_add(&c->busy, -1);
		c->made[kind]++;
		c->lost[kind]++;
		return NULL;
	}
	return s;
}

static __always_inline void iw_release(struct iw_counters *c)
{
	__sync_fetch_and_add(&c->busy, -1);
}

/* The last 8 bytes that a string at `pos` will touch become zero, so that the record's padding is zero. */
static __always_inline void iw_clear_end(struct iw_scratch *s, __u32 pos, __u32 len)
{
	*(__u64 *)&s->record[iw_masked(pos + ((len + 7) & ~7u) - 8, IW_CLEAR_MASK)] = 0;
}

/*
 * Append `len` bytes from kernel memory at `pos` (8-aligned) and describe them in `str`; returns the
 * next free position. `max`, at most half the scratch, is a constant that keeps the write in bounds.
 */
#define IW_APPEND(s, pos, str, source, length, max, reader)                              \
	({                                                                               \
		__u32 next_ = (pos);                                                     \
		__u64 len_ = (length);                                                   \
		if (len_ && next_ <= IW_START_MASK) {                                    \
			iw_clear_end(s, next_, len_);                                    \
			asm volatile("" : "+r"(len_));                                   \
			if (len_ > (max))                                                \
				len_ = (max);                                            \
			if (reader(&(s)->record[iw_masked(next_, IW_START_MASK)], len_, source) == 0) { \
				(str)->off = next_;                                      \
				(str)->len = len_;                                       \
				next_ += ((__u32)len_ + 7) & ~7u;                        \
			}                                                                \
		}                                                                        \
		next_;                                                                   \
	})

/* The same for a NUL-terminated string, whose length the read tells; cut at max - 1. */
#define IW_APPEND_TEXT(s, pos, str, source, max, reader)                                 \
	({                                                                               \
		__u32 next_ = (pos);                                                     \
		if (next_ <= IW_START_MASK) {                                            \
			long n_ = reader(&(s)->record[iw_masked(next_, IW_START_MASK)], max, source); \
			if (n_ > 1 && n_ <= (max)) {                                     \
				(str)->off = next_;                                      \
				(str)->len = (__u32)n_ - 1;                              \
				next_ += (__u32)n_ - 1;                                  \
				iw_clear_after(s, next_);                                \
				next_ = (next_ + 7) & ~7u;                               \
			}                                                                \
		}                                                                        \
		next_;                                                                   \
	})

/* Zero from `end` to the next multiple of 8. The string is at most half the scratch, so `end` lies within. */
static __always_inline void iw_clear_after(struct iw_scratch *s, __u32 end)
{
	__u64 keep = end & 7, *last = (__u64 *)&s->record[iw_masked(end, IW_CLEAR_MASK)];

	/* Little-endian: the string's own bytes are the low ones. */
	*last &= (1ULL << (keep * 8)) - 1;
}

/* Send the scratch's first `size` bytes, a multiple of 8; counts and numbers it. Returns 0 when it was delivered. */
static __always_inline int iw_output(struct iw_counters *c, struct iw_scratch *s, __u32 size, __u32 kind,
				     __u64 hook, void *ring, __u32 index)
{
	struct iw_header *h = (struct iw_header *)s->record;

	h->size = size;
	h->sequence = c->sequence[index]++;
	c->made[kind]++;
	if (bpf_ringbuf_output(ring, s->record, iw_masked(size - 8, IW_CLEAR_MASK) + 8, iw_wake(ring, index))) {
		c->lost[kind]++;
		return -1;
	}
	c->fired[iw_masked(hook, IW_HOOKS - 1)]++;
	return 0;
}

/*
 * Is the ring as good as full? Counts the loss then. Asked before a record is built, so that a flood which fills the
 * ring costs its host less than one that does not.
 */
static __always_inline int iw_no_room(struct iw_counters *c, void *ring, __u32 index, __u32 kind)
{
	if (bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) + IW_ROOM_BYTES <= iw_ring_wake_bytes[index] * IW_WAKE_FRACTION)
		return 0;
	c->sequence[index]++;
	c->made[kind]++;
	c->lost[kind]++;
	return 1;
}

/* Flags of one name: a bit test for most, a look-up for the few that pass it. */
static __always_inline int iw_watched(struct iw_key *key)
{
	struct iw_watch_filter *filter;
	__u32 zero = 0, *flags;
	__u64 hash;

	filter = bpf_map_lookup_elem(&iw_watch_filter, &zero);
	if (!filter)
		return 0;
	/* kernel_maps.py computes the same; the multiplier is 2^64 divided by the golden ratio. */
	hash = (key->word[0] + key->word[1] * 3 + key->word[2] * 5 + key->word[3] * 7) * 0x9E3779B97F4A7C15ULL;
	hash >>= 50;
	if (!(filter->bits[(hash >> 3) & 2047] & (1 << (hash & 7))))
		return 0;
	flags = bpf_map_lookup_elem(&iw_watch_name, key);
	return flags ? *flags : 0;
}

/* The same for a dentry's name. */
static __always_inline int iw_watched_dentry(struct dentry *dentry)
{
	const unsigned char *name = NULL;
	struct iw_key key = {};
	__u32 err = 0, len = 0;

	IW_GET(err, len, dentry, d_name.len);
	IW_GET(err, name, dentry, d_name.name);
	if (err || !len)
		return 0;
	if (len > IW_KEY_BYTES)
		len = IW_KEY_BYTES;
	if (bpf_probe_read_kernel(&key, iw_masked(len - 1, IW_KEY_BYTES - 1) + 1, name))
		return 0;
	return iw_watched(&key);
}

/* Is it the name that the kernel gives an anonymous memory file? Any process can have a file of that name elsewhere. */
static __always_inline int iw_memfd_name(struct dentry *dentry)
{
	const unsigned char *name = NULL;
	char head[8] = {};
	__u32 err = 0;

	IW_GET(err, name, dentry, d_name.name);
	if (err || bpf_probe_read_kernel(head, 6, name))
		return 0;
	return head[0] == 'm' && head[1] == 'e' && head[2] == 'm' && head[3] == 'f' && head[4] == 'd' &&
	       head[5] == ':';
}

/* The path of (mnt, dentry) as the record's next string; returns the next position. */
static __always_inline __u32 iw_append_path(struct iw_scratch *s, __u32 pos, struct iw_str *str,
					    struct iw_header *h, struct vfsmount *mnt,
					    struct dentry *dentry, __u32 *seen)
{
	__u32 zero = 0, start;
	struct iw_path_scratch *p = bpf_map_lookup_elem(&iw_path_scratch, &zero);

	if (!p)
		return pos;
	p->mnt = (__u64)mnt;
	p->dentry = (__u64)dentry;
	*seen = iw_walk();
	if (*seen & IW_SEEN_PARTIAL)
		h->flags |= IW_F_PATH_PARTIAL;
	if (*seen & IW_SEEN_FAULT)
		h->flags |= IW_F_READ_FAULT;
	start = *seen & IW_SEEN_OFFSET;
	if (start >= IW_PATH_MAX)
		return pos;
	return IW_APPEND(s, pos, str, &p->path[iw_masked(start, IW_TEXT_MASK)], IW_PATH_MAX - start, IW_PATH_MAX,
			 bpf_probe_read_kernel);
}

/* Level of the pid namespace that `task` lives in; 0 is the initial one. */
static __always_inline __u32 iw_pid_level(struct task_struct *task)
{
	struct pid *pid = NULL;
	__u32 err = 0, level = 0;

	IW_GET(err, pid, task, thread_pid);
	IW_GET(err, level, pid, level);
	return err ? IW_UNSET : level;
}

/* Where `task` keeps its open file `fd`; NULL when it has no such place. */
static __always_inline struct file **iw_fd_place(struct task_struct *task, __u32 fd)
{
	struct files_struct *files = NULL;
	struct fdtable *fdt = NULL;
	struct file **array = NULL;
	__u32 err = 0, max = 0;

	IW_GET(err, files, task, files);
	IW_GET(err, fdt, files, fdt);
	IW_GET(err, max, fdt, max_fds);
	IW_GET(err, array, fdt, fd);
	return err || !array || fd >= max ? NULL : &array[fd];
}

/* Open file `fd` of the current process, as a number to the verifier; NULL when it is not open. */
static __always_inline struct file *iw_fd_file(struct task_struct *task, __u32 fd)
{
	struct file **place = iw_fd_place(task, fd), *file = NULL;

	if (!place || bpf_probe_read_kernel(&file, sizeof(file), place))
		return NULL;
	return file;
}

/* The same without a helper where the kernel allows that: then no number to the verifier. */
static __always_inline struct file *iw_fd_object(struct task_struct *task, __u32 fd)
{
	/* Any type that begins with a pointer: there is none of a pointer alone. */
	struct list_head *place = (struct list_head *)iw_fd_place(task, fd), *file = NULL;
	__u32 err = 0;

	if (!place)
		return NULL;
	IW_GET(err, file, place, next);
	return err ? NULL : (struct file *)file;
}

/* v4 address in v4-mapped form; 0.0.0.0 stays all zero, which means absent. */
static __always_inline void iw_ip4(__u8 *to, __u32 address)
{
	if (!address)
		return;
	to[10] = 0xff;
	to[11] = 0xff;
	__builtin_memcpy(to + 12, &address, 4);
}

#endif
