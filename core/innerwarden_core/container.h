/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Container and pod of a process, from its cgroup's path: the one thing that every runtime leaves where the kernel
 * can be asked for it. The names are the runtimes' own (runc's cgroup drivers "cgroupfs" and "systemd", kubelet's
 * pod slices, systemd-machined's scopes); both drivers and both cgroup versions give the same last components.
 */
#ifndef IW_CONTAINER_H
#define IW_CONTAINER_H

#include <stdint.h>
#include <string.h>

#define IW_ID_BYTES 64 /* hexadecimal digits of an OCI runtime's container id */

struct iw_container {
	const char *runtime;  /* constant text; NULL: not in a container */
	const uint8_t *id;
	uint32_t id_size;
	const uint8_t *pod;   /* as in the path: '-' may be written '_' */
	uint32_t pod_size;
};

/* Prefix of a scope -> runtime. "" takes what nothing else names: cgroupfs below a pod or a runtime's directory. */
static const struct { const char *prefix; const char *runtime; } iw_scopes[] = {
	{"docker-", "docker"},
	{"libpod-", "podman"},
	{"cri-containerd-", "containerd"},
	{"nerdctl-", "containerd"},
	{"crio-", "cri-o"},
	{"podman-", "podman"},
};

static inline int iw_is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static inline uint32_t iw_hex_run(const uint8_t *at, uint32_t size)
{
	uint32_t n = 0;

	while (n < size && iw_is_hex(at[n]))
		n++;
	return n;
}

static inline int iw_starts(const uint8_t *at, uint32_t size, const char *prefix)
{
	size_t n = strlen(prefix);

	return size >= n && memcmp(at, prefix, n) == 0;
}

static inline int iw_ends(const uint8_t *at, uint32_t size, const char *suffix)
{
	size_t n = strlen(suffix);

	return size >= n && memcmp(at + size - n, suffix, n) == 0;
}

/* "pod<uuid>" at the end of a slice's name, or the whole name; a uuid is 36 bytes, a static pod's hash 32. */
static inline void iw_pod_of(const uint8_t *at, uint32_t size, struct iw_container *out)
{
	uint32_t i, n;

	if (iw_ends(at, size, ".slice"))
		size -= 6;
	for (i = 0; i + 3 < size; i++) {
		n = size - i - 3;
		if (memcmp(at + i, "pod", 3) == 0 && (i == 0 || at[i - 1] == '-') && (n == 36 || n == 32) &&
		    iw_hex_run(at + i + 3, 8) == 8) {
			out->pod = at + i + 3;
			out->pod_size = n;
			return;
		}
	}
}

/* One component; `above` is the one before it in the path, or empty. Non-zero when it names a container. */
static inline int iw_component(const uint8_t *at, uint32_t size, const uint8_t *above, uint32_t above_size,
			       struct iw_container *out)
{
	uint32_t i, n;

	if (iw_ends(at, size, ".scope"))
		size -= 6;
	for (i = 0; i < sizeof(iw_scopes) / sizeof(iw_scopes[0]); i++) {
		if (!iw_starts(at, size, iw_scopes[i].prefix))
			continue;
		n = (uint32_t)strlen(iw_scopes[i].prefix);
		/* libpod-conmon-<id> is the container's keeper, outside of it: "conmon" is not hexadecimal. */
		if (size - n != IW_ID_BYTES || iw_hex_run(at + n, size - n) != IW_ID_BYTES)
			return 0;
		out->runtime = iw_scopes[i].runtime;
		out->id = at + n;
		out->id_size = IW_ID_BYTES;
		return 1;
	}
	if (size == IW_ID_BYTES && iw_hex_run(at, size) == IW_ID_BYTES) {
		out->runtime = iw_starts(above, above_size, "docker") ? "docker" :
			       iw_starts(above, above_size, "pod") ? "kubernetes" : "oci";
		out->id = at;
		out->id_size = size;
		return 1;
	}
	if (iw_starts(at, size, "systemd-nspawn@") && iw_ends(at, size, ".service") && size > 23) {
		out->runtime = "systemd-nspawn";
		out->id = at + 15;
		out->id_size = size - 23;
		return 1;
	}
	/* systemd-machined escapes '-' inside the name; it stays as it is. */
	if (iw_starts(at, size, "machine-") && size > 8 && iw_starts(above, above_size, "machine.slice")) {
		out->runtime = "systemd-machined";
		out->id = at + 8;
		out->id_size = size - 8;
		return 1;
	}
	if (iw_starts(at, size, "lxc.payload.") && size > 12) {
		out->runtime = "lxc";
		out->id = at + 12;
		out->id_size = size - 12;
		return 1;
	}
	return 0;
}

/* Parse a cgroup path. The innermost container wins; its pod is the nearest one above it. */
static inline void iw_container_of(const uint8_t *path, uint32_t size, struct iw_container *out)
{
	uint32_t end = size, begin, above;
	int found = 0;

	memset(out, 0, sizeof(*out));
	while (end > 0) {
		begin = end;
		while (begin > 0 && path[begin - 1] != '/')
			begin--;
		above = begin ? begin - 1 : 0;
		while (above > 0 && path[above - 1] != '/')
			above--;
		if (end > begin && !found)
			found = iw_component(path + begin, end - begin, path + above,
					     begin ? begin - 1 - above : 0, out);
		if (end > begin && !out->pod)
			iw_pod_of(path + begin, end - begin, out);
		end = begin ? begin - 1 : 0;
	}
}

#endif
