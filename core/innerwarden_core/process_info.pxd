# SPDX-License-Identifier: Apache-2.0
from innerwarden_core.proctable cimport iw_process

cdef object process_info(const iw_process *process)
