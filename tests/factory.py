# SPDX-License-Identifier: Apache-2.0
"""Records for tests: the same bytes that module cases are made of."""

from innerwarden.modules.factory import BOOT_BASE_NS, REAL_BASE_NS, encode, start_of

__all__ = ["BOOT_BASE_NS", "REAL_BASE_NS", "encode", "start_of"]
