// SPDX-License-Identifier: GPL-2.0-only
/*
 * All subjects as one translation unit: libbpf's linker before 1.2 cannot join files that share a kernel function
 * (bpf_rdonly_cast). Every subject still stands alone; nothing but the shared header may be assumed.
 */
#include "common.bpf.c"
#include "credential.bpf.c"
#include "namespace.bpf.c"
#include "process.bpf.c"
#include "injection.bpf.c"
#include "network.bpf.c"
#include "socket.bpf.c"
#include "payload.bpf.c"
#include "file.bpf.c"
#include "name.bpf.c"
#include "attribute.bpf.c"
#include "memory.bpf.c"
#include "object.bpf.c"
#include "mount.bpf.c"
#include "signal.bpf.c"
#include "iouring.bpf.c"
#include "kernel.bpf.c"
#include "syscall.bpf.c"
#include "xdp.bpf.c"
#include "enforce.bpf.c"

char LICENSE[] SEC("license") = "GPL";
