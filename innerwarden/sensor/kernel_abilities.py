# SPDX-License-Identifier: Apache-2.0
"""What the programs use of a newer kernel: constants that the loader sets, and gives up where a program is refused."""

from __future__ import annotations

import logging

from innerwarden import paths
from innerwarden.errors import BpfError
from innerwarden.libbpf import Object, btf

log = logging.getLogger(__name__)

PREEMPTION_SAMPLE = "iw_probe_preempt"
#: The program that looks tasks up by number: whether it may is its own question.
FINDER = "iw_do_process_vm"
FIND = "iw_find_task"
#: In the order in which they are given up -> what that costs.
COSTS = {
    "iw_preemptible": "programs may be interrupted, which costs records",
    "iw_iterators": "loops are verified turn by turn, starting takes longer",
    "iw_direct_reads": "no plain loads of kernel memory, reads cost more",
}


class Abilities:
    """Which of them are on. A refused program may owe that to one of them, or be at fault itself."""

    def __init__(self, kernel: btf.KernelNames) -> None:
        self.on = {
            FIND: "bpf_task_from_pid" in kernel,
            "iw_preemptible": can_forbid_preemption(kernel),
            "iw_iterators": "bpf_iter_num_new" in kernel,
            # Since 6.2, but some kernels let only some program types use it.
            "iw_direct_reads": "bpf_rdonly_cast" in kernel,
        }
        self._suspect = ""
        self._before: dict[str, bool] = {}

    def give_up(self, program: str) -> bool:
        """Turn off what the refused program may owe its refusal to; load again then. False when it is refused without
        all of them: all are as they were before it, and it is to be left out."""
        if program == FINDER and self.on[FIND]:
            self.on[FIND] = False
            return True
        if program != self._suspect:
            self._suspect, self._before = program, dict(self.on)
        for name, cost in COSTS.items():
            if self.on[name]:
                self.on[name] = False
                log.warning("%s program=%s", cost, program)
                return True
        self.on = self._before
        return False


def can_forbid_preemption(kernel: btf.KernelNames) -> bool:
    """Does this kernel let a program forbid preemption around what ours do? Since 6.10 it has the function, but until
    6.15 none of the functions that are verified on their own may be called then."""
    if "bpf_preempt_disable" not in kernel or not paths.probe_object().exists():
        return False
    opened = Object(paths.probe_object().read_bytes(), "iw_probe")
    try:
        for name, program in opened.programs.items():
            program.set_autoload(name == PREEMPTION_SAMPLE)
        opened.load()
    except BpfError:
        return False
    finally:
        opened.close()
    return True
