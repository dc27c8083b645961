// SPDX-License-Identifier: GPL-2.0-only
/* Changes to the kernel and its view of files: modules, BPF programs of others. */
#include "include/iw_common.bpf.h"
#include "include/iw_call.bpf.h"

#define IW_STAGE_INIT 1
#define IW_STAGE_FINIT 2
#define IW_STAGE_LOADED 3
#define BPF_NAME_BYTES 16 /* BPF_OBJ_NAME_LEN */

static __always_inline int module_call(__u32 stage, __u32 hook, __u32 has_fd, __u32 fd)
{
	struct task_struct *task = iw_current();
	struct iw_counters *c = iw_count();
	struct iw_kernel_module_load *m;
	struct dentry *dentry = NULL;
	struct vfsmount *mnt = NULL;
	__u32 err = 0, pos, seen = 0;
	struct iw_scratch *s;
	struct file *file;

	if (!c)
		return 0;
	s = iw_take(c, IW_KIND_KERNEL_MODULE_LOAD);
	if (!s)
		return 0;
	m = (struct iw_kernel_module_load *)s->record;
	__builtin_memset(m, 0, sizeof(*m));
	iw_fill(&m->h, task, IW_KIND_KERNEL_MODULE_LOAD);
	m->load_stage = stage;
	pos = sizeof(*m);
	if (has_fd) {
		file = iw_fd_file(task, fd);
		IW_GET(err, mnt, file, f_path.mnt);
		IW_GET(err, dentry, file, f_path.dentry);
		if (err || !file)
			m->h.flags |= IW_F_READ_FAULT;
		else
			pos = iw_append_path(s, pos, &m->path, &m->h, mnt, dentry, &seen);
	}
	iw_output(c, s, pos, IW_KIND_KERNEL_MODULE_LOAD, hook, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}

/*
 * init_module, finit_module, refused ones too. A module that hides itself has run by now, but module_load told of it
 * before its first instruction.
 */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_module)
{
	struct iw_call call;

	if (iw_call_begin(ctx, &call))
		return 0;
	if (call.hook == IW_HOOK_INIT_MODULE)
		return module_call(IW_STAGE_INIT, call.hook, 0, 0);
	return module_call(IW_STAGE_FINIT, call.hook, 1, iw_call_arg(&call, 0));
}

SEC("tp_btf/module_load")
int IW_PROG(iw_module_load, struct module *module)
{
	struct iw_counters *c = iw_count();
	struct iw_kernel_module_load *m;
	unsigned long taints = 0;
	struct iw_scratch *s;
	__u32 err = 0, pos;

	if (!c)
		return 0;
	s = iw_take(c, IW_KIND_KERNEL_MODULE_LOAD);
	if (!s)
		return 0;
	m = (struct iw_kernel_module_load *)s->record;
	__builtin_memset(m, 0, sizeof(*m));
	iw_fill(&m->h, iw_current(), IW_KIND_KERNEL_MODULE_LOAD);
	m->load_stage = IW_STAGE_LOADED;
	IW_GET(err, taints, module, taints);
	m->taints = taints;
	pos = IW_APPEND_TEXT(s, sizeof(*m), &m->name, &module->name, 56, bpf_probe_read_kernel_str);
	if (err || !m->name.len)
		m->h.flags |= IW_F_READ_FAULT;
	iw_output(c, s, pos, IW_KIND_KERNEL_MODULE_LOAD, IW_HOOK_MODULE_LOAD, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}

/* Commands that put a program into the kernel, take one away, or take hold of another's; map traffic is left out. */
static __always_inline int bpf_command_wanted(__u32 command)
{
	return command == BPF_PROG_LOAD || command == BPF_PROG_ATTACH || command == BPF_PROG_DETACH ||
	       command == BPF_RAW_TRACEPOINT_OPEN || command == BPF_LINK_CREATE || command == BPF_LINK_UPDATE ||
	       command == BPF_LINK_DETACH || command == BPF_PROG_GET_FD_BY_ID || command == BPF_MAP_GET_FD_BY_ID ||
	       command == BPF_LINK_GET_FD_BY_ID || command == BPF_OBJ_GET;
}

/* Program that a successful call gave, or gave a link for: from the new descriptor's object. */
static __always_inline struct bpf_prog *bpf_program_of(struct task_struct *task, __u32 command, __s64 ret)
{
	struct bpf_prog *prog = NULL;
	struct bpf_link *link;
	void *data = NULL;
	struct file *file;
	__u32 err = 0;

	if (command != BPF_PROG_LOAD && command != BPF_LINK_CREATE && command != BPF_RAW_TRACEPOINT_OPEN)
		return NULL;
	file = iw_fd_file(task, ret);
	IW_GET(err, data, file, private_data);
	if (err || !data)
		return NULL;
	if (command == BPF_PROG_LOAD)
		return data;
	link = data;
	IW_GET(err, prog, link, prog);
	return err ? NULL : prog;
}

SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_bpf)
{
	struct task_struct *task = iw_current();
	struct bpf_prog_aux *aux = NULL;
	enum bpf_attach_type attach = 0;
	struct iw_counters *c = iw_count();
	enum bpf_prog_type type = 0;
	struct iw_kernel_bpf *b;
	struct bpf_prog *prog;
	struct iw_scratch *s;
	struct iw_call call;
	__u32 err = 0, pos, command, raw = 0;
	__u64 attr;

	if (iw_call_begin(ctx, &call) || call.ret < 0 || !c)
		return 0;
	command = iw_call_arg(&call, 0);
	if (!bpf_command_wanted(command) || iw_own(bpf_get_current_pid_tgid() >> 32)) {
		c->filtered[IW_KIND_KERNEL_BPF]++;
		return 0;
	}
	s = iw_take(c, IW_KIND_KERNEL_BPF);
	if (!s)
		return 0;
	b = (struct iw_kernel_bpf *)s->record;
	__builtin_memset(b, 0, sizeof(*b));
	iw_fill(&b->h, task, IW_KIND_KERNEL_BPF);
	b->bpf_command = command;
	pos = sizeof(*b);
	attr = iw_call_arg(&call, 1);
	prog = bpf_program_of(task, command, call.ret);
	if (prog) {
		IW_GET(err, type, prog, type);
		IW_GET(err, attach, prog, expected_attach_type);
		IW_GET(err, aux, prog, aux);
		b->program_type = type;
		b->attach_type = attach;
		pos = IW_APPEND_TEXT(s, pos, &b->name, &aux->name, BPF_NAME_BYTES, bpf_probe_read_kernel_str);
	}
	/* Only the argument knows where these two attach. */
	if (command == BPF_LINK_CREATE || command == BPF_PROG_ATTACH || command == BPF_PROG_DETACH) {
		err |= bpf_probe_read_user(&raw, sizeof(raw), (void *)attr + 8) != 0;
		b->attach_type = raw;
	}
	if (err)
		b->h.flags |= IW_F_READ_FAULT;
	iw_output(c, s, pos, IW_KIND_KERNEL_BPF, IW_HOOK_BPF, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}

/* kexec_load, kexec_file_load, refused ones too: nobody tries by accident. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_kexec)
{
	struct iw_counters *c = iw_count();
	struct dentry *dentry = NULL;
	struct vfsmount *mnt = NULL;
	struct iw_kernel_kexec *k;
	__u32 err = 0, pos, seen = 0;
	struct iw_scratch *s;
	struct iw_call call;
	struct file *file;

	if (iw_call_begin(ctx, &call) || !c)
		return 0;
	s = iw_take(c, IW_KIND_KERNEL_KEXEC);
	if (!s)
		return 0;
	k = (struct iw_kernel_kexec *)s->record;
	__builtin_memset(k, 0, sizeof(*k));
	iw_fill(&k->h, iw_current(), IW_KIND_KERNEL_KEXEC);
	k->kexec_call = call.hook;
	k->call_errno = call.ret < 0 ? -call.ret : 0;
	pos = sizeof(*k);
	if (call.hook == IW_HOOK_KEXEC_LOAD) {
		k->kexec_flags = iw_call_arg(&call, 3);
	} else {
		k->kexec_flags = iw_call_arg(&call, 4);
		file = iw_fd_file(iw_current(), iw_call_arg(&call, 0));
		IW_GET(err, mnt, file, f_path.mnt);
		IW_GET(err, dentry, file, f_path.dentry);
		if (file && !err)
			pos = iw_append_path(s, pos, &k->path, &k->h, mnt, dentry, &seen);
		else
			k->h.flags |= IW_F_READ_FAULT;
	}
	iw_output(c, s, pos, IW_KIND_KERNEL_KEXEC, call.hook, &iw_ring_prio, IW_RING_PRIO);
	iw_release(c);
	return 0;
}

/* perf_event_open: what the new event counts, from the event. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_perf_event)
{
	struct perf_event *event = NULL;
	struct iw_kernel_perf_event *p;
	struct iw_counters *c;
	struct iw_call call;
	struct file *file;
	__u32 err = 0;

	if (iw_call_begin(ctx, &call) || call.ret < 0)
		return 0;
	if (iw_own(bpf_get_current_pid_tgid() >> 32)) {
		c = iw_count();
		if (c)
			c->filtered[IW_KIND_KERNEL_PERF_EVENT]++;
		return 0;
	}
	file = iw_fd_file(iw_current(), call.ret);
	if (!file)
		return 0;
	IW_GET(err, event, file, private_data);
	if (!IW_RESERVE(p, iw_ring_prio, IW_RING_PRIO, IW_KIND_KERNEL_PERF_EVENT, call.hook))
		return 0;
	iw_fill(&p->h, iw_current(), IW_KIND_KERNEL_PERF_EVENT);
	/* Through the helper: a load inside a structure that has another size in this kernel cannot be relocated. */
	IW_COPY(err, p->perf_type, event, attr.type);
	IW_COPY(err, p->perf_config, event, attr.config);
	p->target_pid = iw_call_arg(&call, 1);
	if (err)
		p->h.flags |= IW_F_READ_FAULT;
	IW_SUBMIT(p, iw_ring_prio, IW_RING_PRIO);
	return 0;
}

/* ioperm, iopl: ports opened to the process. */
SEC("tp_btf/sys_exit")
int IW_PROG(iw_do_port_access)
{
	struct iw_kernel_port_access *p;
	__u32 from, count = 0;
	struct iw_call call;

	if (iw_call_begin(ctx, &call) || call.ret)
		return 0;
	from = iw_call_arg(&call, 0);
	if (call.hook == IW_HOOK_IOPERM) {
		count = iw_call_arg(&call, 1);
		if (!(__u32)iw_call_arg(&call, 2))
			return 0;
	} else if (!from) {
		return 0;
	}
	if (!IW_RESERVE(p, iw_ring_prio, IW_RING_PRIO, IW_KIND_KERNEL_PORT_ACCESS, call.hook))
		return 0;
	iw_fill(&p->h, iw_current(), IW_KIND_KERNEL_PORT_ACCESS);
	p->port_call = call.hook;
	p->port_from = from;
	p->port_count = count;
	IW_SUBMIT(p, iw_ring_prio, IW_RING_PRIO);
	return 0;
}
