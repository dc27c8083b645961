// SPDX-License-Identifier: Apache-2.0
/* Case 19: the shortest life a process can have. Linked without a library. */
void _start(void)
{
	__asm__ volatile("mov $60, %eax\n\txor %edi, %edi\n\tsyscall");
	__builtin_unreachable();
}
