# SPDX-License-Identifier: Apache-2.0
"""Put a key into the process's own key ring and read it back; system calls of x86-64."""

import ctypes

ADD_KEY, KEYCTL, KEYCTL_READ, PROCESS_KEYRING = 248, 250, 11, -2
call = ctypes.CDLL(None).syscall
key = call(ADD_KEY, b"user", b"iwt", b"x", ctypes.c_size_t(1), PROCESS_KEYRING)
call(KEYCTL, KEYCTL_READ, key, ctypes.create_string_buffer(9), ctypes.c_size_t(9))
